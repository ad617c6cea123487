//! The modules that the fuzz targets are about, and the laws that the package's own tests hold them to.
//!
//! Their sources are linked into this directory instead of being used as a crate: what reads text needs a handful of
//! small crates, while the package compiles a database, TLS and four compressors, which would take minutes. Each
//! module has the name that it has in the package.

// Only a part of what is linked is used, and its visibility was made for the package.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod diagnostic;
pub mod dockerfile;

/// Of the trees, what ignore files need.
pub mod tree {
    pub mod glob;
    mod path;

    pub use path::TreePath;
}

/// Of the context, the ignore file.
pub mod context {
    pub mod dockerignore;

    #[path = "."]
    pub(crate) mod rules {
        #[path = "../tree/glob/naive.rs"]
        mod glob;
        #[path = "dockerignore/tests/laws.rs"]
        mod laws;
        #[path = "dockerignore/tests/naive.rs"]
        mod naive;

        pub(crate) fn check(text: &str) {
            laws::file_with_paths(text);
        }
    }
}

#[path = "dockerfile/tests"]
mod language {
    mod laws;
    mod places;
    mod print;
    mod reference;

    pub(crate) fn parse(text: &str) {
        laws::parsing(text);
    }

    pub(crate) fn expand(text: &str) {
        laws::expanding(text);
    }
}

/// Parses a Dockerfile, and what its tree is printed as.
pub fn parse(text: &str) {
    language::parse(text);
}

/// Expands a word.
pub fn expand(text: &str) {
    language::expand(text);
}

/// Matches the paths behind an ignore file's lines.
pub fn ignore(text: &str) {
    context::rules::check(text);
}

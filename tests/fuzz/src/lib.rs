//! The modules that the fuzz targets are about, and the laws that the package's own tests hold them to.
//!
//! Their sources are linked into this directory instead of being used as a crate: what reads text and tars needs some
//! small crates, while the package compiles a database, TLS and four compressors, which would take minutes. Each
//! module has the name that it has in the package.

// Only a part of what is linked is used, and its visibility was made for the package.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod diagnostic;
pub mod dockerfile;
pub mod oci;
pub mod sys;
pub mod tree;
pub mod user;

/// Of the layers, how they are unpacked and written.
pub mod layer {
    mod apply;
    mod place;
    mod shown;
    mod tar;
    mod unrepresentable;
    mod whiteout;

    pub use apply::{Applied, ApplyError, ApplyOptions, Contents, apply};
    pub use tar::{TarWriter, padding};
    pub use unrepresentable::Unrepresentable;
    pub use whiteout::Marks;

    #[path = "apply/laws.rs"]
    pub(crate) mod laws;
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

#[path = "oci/laws.rs"]
mod images;

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

/// Reads names of images.
pub fn reference(text: &str) {
    text.lines().for_each(images::reference);
}

/// Reads a manifest, an index or a config.
pub fn document(bytes: &[u8]) {
    images::document(bytes);
}

/// Unpacks a tar as a layer, in a directory of its own.
pub fn apply(bytes: &[u8]) {
    let place = tempfile::tempdir().expect("there is a place for files");
    layer::laws::unpacking(bytes, place.path());
}

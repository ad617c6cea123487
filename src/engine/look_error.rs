//! What can go wrong when somebody looks into an image.

use std::path::PathBuf;

use crate::layer::PartsError;
use crate::tree::{ResolveError, TreePath, ViewError};

/// An image does not show what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A path leads nowhere.
    #[error("{}", no_path(image, problem))]
    NoPath {
        /// The image, as the user named it.
        image: String,
        /// Which path, and why.
        problem: Box<ResolveError<ViewError>>,
        /// A path that is there and near the one that is not.
        similar: Option<String>,
    },
    /// Only files have a content.
    #[error("`{path}` in the image `{image}` is {what}, not a file")]
    NotAFile {
        /// The image, as the user named it.
        image: String,
        /// Where it is, with links followed.
        path: TreePath,
        /// What it is.
        what: &'static str,
    },
    /// A file cannot be read, or is not what it was.
    #[error(transparent)]
    Content(#[from] PartsError),
    /// There is a place that files cannot be copied to.
    #[error("cannot copy to `{}`: {problem}", path.display())]
    CopyTo {
        /// The place, as the user named it.
        path: PathBuf,
        /// Why not.
        problem: &'static str,
    },
    /// Only root can give files away.
    #[error("owners can be kept by root only")]
    Owners,
    /// No image in the store is the lower part of this one.
    #[error("no image in the store is the base of `{0}`")]
    NoBase(String),
    /// A layer has no base.
    #[error("`{0}` is a layer, which has no base")]
    LayerWithoutBase(String),
    /// The beginning of a digest stands for more than one layer.
    #[error("`{0}` is the beginning of the digests of several layers")]
    AmbiguousLayer(String),
    /// An image and a layer have nothing in common that could be compared.
    #[error("`{image}` is an image and `{layer}` is a layer")]
    Unlike {
        /// The image.
        image: String,
        /// The layer.
        layer: String,
    },
}

/// A path of which nothing more is to be told than that it is not there needs no second mention.
fn no_path(image: &str, problem: &ResolveError<ViewError>) -> String {
    match problem {
        ResolveError::Missing { path, at } if path == at => {
            format!("there is no `{path}` in the image `{image}`")
        }
        other => format!("in the image `{image}`, {other}"),
    }
}

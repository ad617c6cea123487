//! What a flaw is, what it means, and what a repair does, in words.

use crate::oci::{DiffId, Digest};
use crate::store::{BlobProblem, RowFlaw};

use super::{Flaw, Lack, LayerProblem};

impl Flaw {
    /// What is wrong.
    pub fn what(&self) -> String {
        match self {
            Self::Row(row) => row_text(row),
            Self::Layer { layer, problem } => {
                let layer = short(layer);
                match problem {
                    LayerProblem::Index(why) => format!("the index of layer {layer} is damaged: {why}"),
                    LayerProblem::Entry { path, what } => format!("`{path}` of layer {layer} {what}"),
                    LayerProblem::Extra(path) => {
                        format!("layer {layer} holds `/{}`, which its index has not", path.display())
                    }
                    LayerProblem::Content(why) => format!("layer {layer} cannot be read: {why}"),
                    LayerProblem::Tar(found) => format!("layer {layer} gives a tar with digest {found}"),
                }
            }
            Self::Image { id, names, lacks, .. } => {
                lack_text(&format!("the image {}", name(names, id.digest())), lacks)
            }
            Self::Index { index, names, lacks } => {
                lack_text(&format!("the index {}", name(names, index.digest())), lacks)
            }
            Self::Container { name, layer } => {
                format!("the container {name} lacks layer {}", short(layer))
            }
        }
    }

    /// What that means for the user.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Row(RowFlaw::Database(_)) => "nothing that the database says can be relied on",
            Self::Row(RowFlaw::Reference { .. }) => "the name stands for nothing",
            Self::Row(RowFlaw::LayerGone { .. } | RowFlaw::LayerSource { .. }) | Self::Layer { .. } => {
                "images and builds that use the layer fail, or give other files"
            }
            Self::Row(RowFlaw::Encoding { .. }) => "an export would look for a blob that is not there",
            Self::Row(RowFlaw::Records { .. }) => "the records are never used",
            Self::Row(RowFlaw::Blob { .. }) => "images and layers that need the blob cannot be written",
            Self::Row(RowFlaw::Stray { .. }) => "it takes space and does no harm",
            Self::Row(RowFlaw::Container { .. }) | Self::Container { .. } => "it cannot be looked into",
            Self::Image { .. } => "it cannot be run, built from or written",
            Self::Index { .. } => "its images can be used one by one only",
        }
    }

    /// What a repair does.
    pub fn repair_text(&self) -> &'static str {
        match self {
            Self::Row(RowFlaw::Database(_)) => {
                "nothing: move the store away, begin a new one, and load images from archives or build them again"
            }
            Self::Row(RowFlaw::Reference { .. }) => "removes the name",
            Self::Row(RowFlaw::LayerGone { .. } | RowFlaw::LayerSource { .. }) | Self::Layer { .. } => {
                "removes the layer and its cache records, and the images that need it"
            }
            Self::Row(RowFlaw::Encoding { .. }) => "forgets it: the next export makes it again",
            Self::Row(RowFlaw::Records { .. }) => "removes the records",
            Self::Row(RowFlaw::Blob { .. }) => "removes the blob, and the layers and images that need it",
            Self::Row(RowFlaw::Stray { .. }) => "removes it, as the next collection would",
            Self::Row(RowFlaw::Container { .. }) => {
                "makes it again; a container whose changes were in it is removed"
            }
            Self::Container { .. } => "nothing: remove it with `strata rm`",
            Self::Image { .. } => "removes the image with its names",
            Self::Index { .. } => "forgets the index: its names stand for the image for this machine",
        }
    }
}

fn name(names: &[String], digest: &Digest) -> String {
    if names.is_empty() { digest.short() } else { names.join(", ") }
}

fn lack_text(what: &str, lacks: &Lack) -> String {
    match lacks {
        Lack::Document(digest) => format!("{what} lacks its document {digest}"),
        Lack::Readable(digest) => format!("the document {digest} of {what} is none"),
        Lack::Blob(digest) => format!("{what} lacks the blob {digest}"),
        Lack::Layer(layer) => format!("{what} lacks layer {}", short(layer)),
    }
}

fn row_text(flaw: &RowFlaw) -> String {
    match flaw {
        RowFlaw::Database(text) => format!("the database is damaged: {text}"),
        RowFlaw::Reference { name } => format!("the name {name} stands for no image"),
        RowFlaw::LayerGone { layer, path } => format!("layer {} lacks {path}", short(layer)),
        RowFlaw::LayerSource { layer, blob } => {
            format!("layer {} lacks the blob {} that it came as", short(layer), blob.0)
        }
        RowFlaw::Encoding { layer, encoding } => {
            format!("the {encoding} form of layer {} is not there", short(layer))
        }
        RowFlaw::Records { layer } => {
            format!("cache records name layer {}, which is not there", short(layer))
        }
        RowFlaw::Container { name } => format!("the directory of the container {name} is not there"),
        RowFlaw::Blob { blob, problem } => {
            let blob = blob.0;
            match problem {
                BlobProblem::Gone => format!("the file of the blob {blob} is not there"),
                BlobProblem::Size { expected, found } => {
                    format!("the blob {blob} has {found} bytes instead of {expected}")
                }
                BlobProblem::Content { found } => format!("the blob {blob} has the digest {found}"),
                BlobProblem::Unreadable(why) => format!("the blob {blob} cannot be read: {why}"),
            }
        }
        RowFlaw::Stray { path } => format!("nothing speaks of {path}"),
    }
}

fn short(layer: &DiffId) -> String {
    let digest: &Digest = layer.digest();
    digest.short()
}

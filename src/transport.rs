//! Images as files and in registries, both ways: what `save`, `load`, `import`, `--output`, `pull` and `push` write and
//! read.
//!
//! Owns the formats: OCI image layouts (tar and directory), the combined archive that `docker save` writes, Docker's
//! older archives, the plain tar and the plain directory of a root file system. Must not know builds, HTTP or the
//! words that a user sees; how registries are talked to is [`registry`](crate::registry)'s.
//!
//! Invariants
//! - Nothing is held in memory but documents, indexes of archives and of layers; contents pass in buffers.
//! - What is written appears at its destination complete or not at all, and its bytes follow from the images and
//!   the options alone: entries are in a fixed order and their times are zero.
//! - What is read is believed only as far as its digest has been verified, and nothing of an image is published
//!   before all of it has been.

mod archive;
mod blob_files;
mod bundle;
mod combine;
mod copy;
mod destination;
mod docker_archive;
mod error;
mod import;
mod layer_source;
mod load;
mod load_error;
mod local_dir;
mod looks;
mod merged;
mod meter;
mod oci_layout;
mod pack;
mod plain_tar;
mod publish;
mod pull;
mod push;
mod remote_image;
mod rewrite;

use crate::exec::CancelToken;
use crate::store::{Store, WorkDir};

pub use archive::{DamagedTar, Input};
pub use bundle::{Bundle, Companion, IndexLook};
pub use combine::{CombineError, Combined, EntryAnnotation, Source, Wishes, combine};
pub use copy::{CopyError, CopySource, copy};
pub use destination::Destination;
pub use docker_archive::write_docker;
pub use error::ExportError;
pub use import::{ImportOptions, import};
pub use load::{DEFAULT_LIMITS, ImageChoice, LoadOptions, Loaded, load};
pub use load_error::{LoadError, Part};
pub use local_dir::{LocalOptions, write_local};
pub use looks::Looks;
pub use merged::{Merged, Piece};
pub use oci_layout::{write_oci, write_oci_directory};
pub use pack::{Exported, MediaTypes, Packing, Prepared, SourceImage, listed, prepare};
pub use plain_tar::write_plain_tar;
pub use pull::{Naming, PullError, PullOptions, Pulled, pull};
pub use push::{PushError, Target as PushTarget, push, put};
pub use remote_image::{RemoteDocument, read_blob};
pub use rewrite::{Clamp, clamp_times, times_since};

/// What every transfer needs: the store, a work directory of it, and a way to be interrupted.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// The store that images come from or go to.
    pub store: &'a Store,
    /// Where things gather until they are complete; it carries the leases on layers.
    pub work: &'a WorkDir,
    /// Ends the transfer soon after it is canceled.
    pub cancel: &'a CancelToken,
}

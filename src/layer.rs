//! File system changes, layer tars and unpacked layers.

mod apply;
mod compress;
#[cfg(test)]
mod described;
mod magic;
mod parts;
mod place;
mod shown;
mod stream;
mod tar;
mod unrepresentable;
mod upper;
mod whiteout;

pub use apply::{Applied, ApplyError, ApplyOptions, ArchiveError, Contents, Problem, apply, begins_tar};
pub use compress::{Compression, Compressor, DecompressError, Decompressor, Limits, MAGIC, Seal};
pub use magic::{HEAD, is_archive};
pub use parts::{Parts, PartsError, open_content};
pub use place::{PlaceError, Placer};
pub use stream::{Content, StreamError, StreamOptions, stream};
pub use tar::{END, OPAQUE_MARK, TarError, TarWriter, WHITEOUT_PREFIX, encode_header, padding};
pub use unrepresentable::Unrepresentable;
pub use upper::{CommitError, Committed, commit, commit_whole, survey_whole};
pub use whiteout::Marks;

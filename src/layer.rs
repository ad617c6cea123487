//! File system changes, layer tars and unpacked layers.

mod compress;
mod stream;
mod tar;

pub use compress::{Compression, Compressor, DecompressError, Decompressor, Limits};
pub use stream::{Content, StreamError, StreamOptions, stream};
pub use tar::{END, OPAQUE_MARK, TarError, TarWriter, WHITEOUT_PREFIX, encode_header, padding};

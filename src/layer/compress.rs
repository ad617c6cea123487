//! Compression of layers: the same bytes for any number of cores.
//!
//! Owns how a layer blob is compressed and how compressed input is told apart and read within limits. Must not know
//! images, nor tars but for eStargz, whose members begin where the contents of a tar's files do. zstd is written by its library's worker threads, which give the same bytes for any number of them
//! but zero.

mod decompress;
mod estargz;
mod gzip;
mod random;

use std::fmt;
use std::io::{self, Write};
use std::thread;

use zstd::stream::write::Encoder as ZstdWriter;

pub use decompress::{DecompressError, Decompressor, Limits, MAGIC};
use estargz::EstargzWriter;
pub use estargz::Seal;
use gzip::GzipWriter;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip of a level from 0 to 12, as libdeflate counts.
    Gzip(u8),
    /// zstd of a level from 1 to 22.
    Zstd(u8),
    /// gzip of a level from 0 to 12, in members that a reader can fetch one by one, with a table of contents.
    Estargz(u8),
}

impl Compression {
    /// gzip of the level that strata uses unless told otherwise: three times as fast as `pigz -6` on two cores, at
    /// 0.99 to 1.02 of its size. Level 6 costs a quarter more time for 1 % of the size.
    pub const GZIP: Self = Self::Gzip(5);

    /// zstd of the level that strata uses unless told otherwise.
    pub const ZSTD: Self = Self::Zstd(3);

    /// eStargz of the level that gzip has.
    pub const ESTARGZ: Self = Self::Estargz(5);

    /// What the media type of an OCI layer has after `application/vnd.oci.image.layer.v1.tar`.
    pub const fn media_type_suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip(_) | Self::Estargz(_) => "+gzip",
            Self::Zstd(_) => "+zstd",
        }
    }
}

/// Compresses what is written to it. Nothing is complete without [`Compressor::finish`].
pub struct Compressor<W: Write>(Encoder<W>);

enum Encoder<W: Write> {
    None(W),
    Gzip(GzipWriter<W>),
    Zstd(ZstdWriter<'static, W>),
    Estargz(Box<EstargzWriter<W>>),
}

impl<W: Write> fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl<W: Write> Compressor<W> {
    /// Compresses to `inner` with `threads` threads, 0 for one a core. Fails if the level is not one of the format.
    pub fn new(inner: W, compression: Compression, threads: usize) -> io::Result<Self> {
        let threads =
            if threads == 0 { thread::available_parallelism().map_or(1, usize::from) } else { threads };
        Ok(Self(match compression {
            Compression::None => Encoder::None(inner),
            Compression::Gzip(level) => Encoder::Gzip(GzipWriter::new(inner, level, threads)?),
            Compression::Estargz(level) => {
                Encoder::Estargz(Box::new(EstargzWriter::new(GzipWriter::new(inner, level, threads)?)))
            }
            Compression::Zstd(level) => {
                if !(1..=22).contains(&level) {
                    return Err(level_error("zstd", level));
                }
                let mut encoder = ZstdWriter::new(inner, level.into())?;
                encoder.multithread(threads as u32)?;
                // As gzip has one: an archive can be told to be damaged without its digest.
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
        }))
    }

    /// Writes what is left and gives back the inner writer. No input at all makes a valid empty stream, too.
    pub fn finish(self) -> io::Result<W> {
        self.finish_sealed().map(|(inner, _)| inner)
    }

    /// The same, with what an eStargz layer is known by.
    pub fn finish_sealed(self) -> io::Result<(W, Option<Seal>)> {
        match self.0 {
            Encoder::None(inner) => Ok((inner, None)),
            Encoder::Gzip(gzip) => gzip.finish().map(|inner| (inner, None)),
            Encoder::Zstd(zstd) => zstd.finish().map(|inner| (inner, None)),
            Encoder::Estargz(estargz) => estargz.finish().map(|(inner, seal)| (inner, Some(seal))),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Encoder::None(inner) => inner.write(bytes),
            Encoder::Gzip(gzip) => gzip.write(bytes),
            Encoder::Zstd(zstd) => zstd.write(bytes),
            Encoder::Estargz(estargz) => estargz.write(bytes),
        }
    }

    /// Passes on what is compressed already; the borders of the format stay where they are.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Encoder::None(inner) => inner.flush(),
            Encoder::Gzip(gzip) => gzip.flush(),
            Encoder::Zstd(_) => Ok(()),
            Encoder::Estargz(estargz) => estargz.flush(),
        }
    }
}

fn level_error(format: &str, level: u8) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{format} has no level {level}"))
}

#[cfg(test)]
pub(super) mod tests;

//! Reading compressed input of unknown kind, within limits.
//!
//! Owns the detection by the first bytes and the limits that keep a small archive from filling a disk. Must not know
//! what the output is.

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use zstd::stream::read::Decoder as ZstdDecoder;

/// How many bytes at the beginning of an input tell its format.
pub const MAGIC: u64 = 6;

/// Output up to this many bytes is never refused for its ratio: small inputs of zeros compress extremely well.
const RATIO_FREE: u64 = 64 << 20;

/// The memory that an xz decoder may take: the highest preset needs 65 MiB, `--long` forms of other programs more.
const XZ_MEMORY: u64 = 1 << 30;

/// How much output an input may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of output, all in all.
    pub bytes: u64,
    /// Bytes of output for one byte of input, once there are more than 64 MiB of output.
    pub ratio: u64,
}

impl Limits {
    /// No limits: for input whose digest is known.
    pub const NONE: Self = Self { bytes: u64::MAX, ratio: u64::MAX };

    /// For input that nobody has vouched for: no real image is as large, and no real file as repetitive.
    pub const FOREIGN: Self = Self { bytes: 512 << 30, ratio: 1000 };
}

/// Input could not be decompressed. It comes inside an [`io::Error`] of the kind `InvalidData`; see
/// [`DecompressError::of`].
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The input ends inside of its format.
    #[error("the {format} data is cut off")]
    Truncated {
        /// [`Decompressor::format`].
        format: &'static str,
    },
    /// The input breaks its format.
    #[error("the {format} data is damaged")]
    Damaged {
        /// [`Decompressor::format`].
        format: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// The output is over the limit.
    #[error("the {format} data holds more than {limit} bytes")]
    TooLarge {
        /// [`Decompressor::format`].
        format: &'static str,
        /// [`Limits::bytes`].
        limit: u64,
    },
    /// The output is out of proportion.
    #[error("the {format} data grows to more than {limit} times its size")]
    Ratio {
        /// [`Decompressor::format`].
        format: &'static str,
        /// [`Limits::ratio`].
        limit: u64,
    },
}

impl DecompressError {
    /// The error of this type that `error` carries, if it is one; others come from the input's own reader.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<DecompressError> for io::Error {
    fn from(error: DecompressError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Reads gzip (any number of members), zstd (any number of frames), bzip2 and xz (any number of streams) or plain bytes,
/// whichever the first bytes say.
pub struct Decompressor<R: Read> {
    decoder: Decoder<R>,
    limits: Limits,
    output: u64,
}

enum Decoder<R: Read> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Counted<R>>>>),
    Zstd(ZstdDecoder<'static, BufReader<Counted<R>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<Counted<R>>>>),
    Xz(Box<XzDecoder<BufReader<Counted<R>>>>),
}

/// Counts what comes in and remembers whether it failed.
struct Counted<R> {
    inner: Chain<Cursor<Vec<u8>>, R>,
    count: u64,
    failed: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf);
        match &read {
            Ok(n) => self.count += *n as u64,
            Err(error) => self.failed = error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes of `inner`.
    pub fn new(mut inner: R, limits: Limits) -> io::Result<Self> {
        let mut start = Vec::new();
        inner.by_ref().take(MAGIC).read_to_end(&mut start)?;
        let kind = start.clone();
        let inner = Cursor::new(start).chain(inner);
        let input = BufReader::with_capacity(128 * 1024, Counted { inner, count: 0, failed: false });
        let decoder = match kind[..] {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(input))),
            // RFC 8878, 3.1: a frame of data, or one to skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Decoder::Zstd(ZstdDecoder::with_buffer(input)?)
            }
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Decoder::Bzip2(Box::new(MultiBzDecoder::new(input))),
            // The .xz file format, 2.1.1.1.
            [0xfd, b'7', b'z', b'X', b'Z', 0] => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
                Decoder::Xz(Box::new(XzDecoder::new_stream(input, stream)))
            }
            _ => Decoder::Plain(input),
        };
        Ok(Self { decoder, limits, output: 0 })
    }

    /// What the input is: `gzip`, `zstd`, `bzip2`, `xz` or `uncompressed`.
    pub fn format(&self) -> &'static str {
        match &self.decoder {
            Decoder::Plain(_) => "uncompressed",
            Decoder::Gzip(_) => "gzip",
            Decoder::Zstd(_) => "zstd",
            Decoder::Bzip2(_) => "bzip2",
            Decoder::Xz(_) => "xz",
        }
    }

    fn input(&self) -> &Counted<R> {
        match &self.decoder {
            Decoder::Plain(input) => input.get_ref(),
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref().get_ref(),
            Decoder::Bzip2(decoder) => decoder.get_ref().get_ref(),
            Decoder::Xz(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// The decoder's own errors get a type; those of the input pass as they are.
    fn typed(&self, error: io::Error) -> io::Error {
        let format = self.format();
        match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ if self.input().failed || matches!(self.decoder, Decoder::Plain(_)) => error,
            io::ErrorKind::UnexpectedEof => DecompressError::Truncated { format }.into(),
            _ => DecompressError::Damaged { format, source: error }.into(),
        }
    }

    fn check(&self) -> Result<(), DecompressError> {
        let format = self.format();
        let Limits { bytes, ratio } = self.limits;
        if self.output > bytes {
            return Err(DecompressError::TooLarge { format, limit: bytes });
        }
        if self.output > RATIO_FREE && self.output / ratio.max(1) > self.input().count {
            return Err(DecompressError::Ratio { format, limit: ratio });
        }
        Ok(())
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Plain(input) => input.read(buf),
            Decoder::Gzip(decoder) => decoder.read(buf),
            Decoder::Zstd(decoder) => decoder.read(buf),
            Decoder::Bzip2(decoder) => decoder.read(buf),
            Decoder::Xz(decoder) => decoder.read(buf),
        };
        let n = read.map_err(|error| self.typed(error))?;
        self.output += n as u64;
        self.check()?;
        Ok(n)
    }
}

impl<R: Read> fmt::Debug for Decompressor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("format", &self.format()).finish_non_exhaustive()
    }
}

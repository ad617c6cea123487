//! Compression, read back by other programs, and the same bytes for any number of threads.

use std::io::Read;
use std::process::{Command, Stdio};

use super::*;
use crate::oci::Digest;

/// Bytes that no compressor makes smaller, the same ones for the same seed.
pub(in crate::layer) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Bytes that any compressor makes smaller.
pub(in crate::layer) fn text(len: usize) -> Vec<u8> {
    let words = [&b"const "[..], b"return ", b"export ", b"value ", b"= ", b"index;\n"];
    noise(99, len).iter().flat_map(|&b| words[usize::from(b) % words.len()]).copied().take(len).collect()
}

fn compress(input: &[u8], compression: Compression, threads: usize, step: usize) -> Vec<u8> {
    let mut compressor = Compressor::new(Vec::new(), compression, threads).unwrap();
    for part in input.chunks(step) {
        compressor.write_all(part).unwrap();
    }
    compressor.finish().unwrap()
}

fn decompress(input: &[u8], limits: Limits) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    Decompressor::new(input, limits)?.read_to_end(&mut output)?;
    Ok(output)
}

fn mixed() -> Vec<u8> {
    [text(3_000_000), noise(1, 2_500_000), text(500), noise(2, 70_000), text(1_000_000)].concat()
}

/// What `program` with `flags` makes of `input`.
fn by_program(program: &str, flags: &str, input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_any_writes() {
    let input = mixed();
    for compression in [Compression::GZIP, Compression::Gzip(1), Compression::ZSTD] {
        let expected = Digest::of(&compress(&input, compression, 1, input.len()));
        for (threads, step) in [(1, 1000), (2, 65_536), (8, 4_000_000), (0, 77_777)] {
            let digest = Digest::of(&compress(&input, compression, threads, step));
            assert_eq!(digest, expected, "{compression:?}, {threads} threads, writes of {step}");
        }
    }
}

#[test]
fn other_programs_and_we_read_it() {
    let input = mixed();
    for (compression, program) in [(Compression::GZIP, "gzip"), (Compression::ZSTD, "zstd")] {
        for input in [&input[..], &input[..2 << 20], b"x", b""] {
            let blob = compress(input, compression, 2, 1 << 16);
            assert!(by_program(program, "-dc", blob.clone()) == input, "{program}, {} bytes", input.len());
            assert!(decompress(&blob, Limits::NONE).unwrap() == input, "{program}, {} bytes", input.len());
        }
    }
    assert!(decompress(&input, Limits::NONE).unwrap() == input, "plain bytes pass");
    assert!(decompress(b"\x1f", Limits::NONE).unwrap() == b"\x1f", "too short for a magic number");
}

#[test]
fn forms_that_are_only_read() {
    for program in ["bzip2", "xz"] {
        let input = mixed();
        let (first, second) = input.split_at(3_000_000);
        let one = by_program(program, "-1c", first.to_vec());
        // Several streams are one content.
        let both = [&one[..], &by_program(program, "-1c", second.to_vec())].concat();
        assert!(decompress(&both, Limits::NONE).unwrap() == input, "{program}");
        assert_eq!(
            decompress(&by_program(program, "-c", Vec::new()), Limits::NONE).unwrap(),
            b"",
            "{program}"
        );
        for len in [10, 100, one.len() / 2, one.len() - 1] {
            let error = decompress(&one[..len], Limits::NONE).map(|output| output.len()).unwrap_err();
            let expected =
                DecompressError::Truncated { format: if program == "xz" { "xz" } else { "bzip2" } };
            let found = DecompressError::of(&error).map(ToString::to_string);
            assert_eq!(found, Some(expected.to_string()), "{program} {len}: {error:?}");
        }
        let mut bad = one.clone();
        bad[one.len() / 3..][..64].fill(0x55);
        for bad in [bad, [&one[..], b"some rubbish"].concat()] {
            let error = decompress(&bad, Limits::NONE).map(|output| output.len()).unwrap_err();
            let typed = DecompressError::of(&error);
            assert!(matches!(typed, Some(DecompressError::Damaged { .. })), "{program}: {error:?}");
        }
        let bomb = by_program(program, "-1c", vec![0; 80 << 20]);
        let error = decompress(&bomb, Limits::FOREIGN).map(|output| output.len()).unwrap_err();
        assert!(matches!(DecompressError::of(&error), Some(DecompressError::Ratio { .. })), "{program}");
    }
}

#[test]
fn gzip_headers_say_nothing_of_when_and_where() {
    // RFC 1952, 2.3: deflate, no flags, no time, no extra flags, unknown system.
    let blob = compress(b"", Compression::GZIP, 1, 1);
    assert_eq!(blob[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    assert_eq!(decompress(&blob, Limits::NONE).unwrap(), b"");
}

#[test]
fn random_data_is_stored() {
    let input = noise(1, 8 << 20);
    let blob = compress(&input, Compression::GZIP, 2, 1 << 20);
    assert!(blob.len() < input.len() + input.len() / 5000, "{}", blob.len());
}

#[test]
fn levels_that_do_not_exist_are_refused() {
    for compression in [Compression::Gzip(13), Compression::Zstd(0), Compression::Zstd(23)] {
        let error = Compressor::new(Vec::new(), compression, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{compression:?}");
    }
}

#[test]
fn damaged_input_gives_a_typed_error() {
    let input = mixed();
    for compression in [Compression::GZIP, Compression::ZSTD] {
        let blob = compress(&input, compression, 2, 1 << 16);
        for len in [5, 100, blob.len() / 2, blob.len() - 1] {
            let error = decompress(&blob[..len], Limits::NONE).map(|output| output.len()).unwrap_err();
            let typed = DecompressError::of(&error);
            assert!(
                matches!(typed, Some(DecompressError::Truncated { .. })),
                "{compression:?} {len}: {error:?}"
            );
        }
        let mut bad = blob.clone();
        bad[blob.len() / 3..][..64].fill(0x55);
        for bad in [bad, [&blob[..], b"some rubbish"].concat(), [&blob[..4], &[0xff; 100]].concat()] {
            let error = decompress(&bad, Limits::NONE).map(|output| output.len()).unwrap_err();
            let typed = DecompressError::of(&error);
            assert!(matches!(typed, Some(DecompressError::Damaged { .. })), "{compression:?}: {error:?}");
        }
    }
}

#[test]
fn errors_of_the_input_pass_unchanged() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let blob = compress(&mixed(), Compression::GZIP, 2, 1 << 16);
    let mut reader = Decompressor::new(blob[..1_000_000].chain(Broken), Limits::NONE).unwrap();
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(DecompressError::of(&error).is_none());
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 80 << 20];
    for compression in [Compression::Gzip(9), Compression::ZSTD] {
        let blob = compress(&zeros, compression, 2, 1 << 20);
        let error = |limits| decompress(&blob, limits).map(|output| output.len()).unwrap_err();
        let bytes = error(Limits { bytes: 1 << 20, ..Limits::NONE });
        assert!(matches!(
            DecompressError::of(&bytes),
            Some(DecompressError::TooLarge { limit: 0x10_0000, .. })
        ));
        let ratio = error(Limits { ratio: 200, ..Limits::NONE });
        assert!(matches!(DecompressError::of(&ratio), Some(DecompressError::Ratio { limit: 200, .. })));
        assert!(decompress(&blob, Limits { bytes: zeros.len() as u64, ratio: u64::MAX }).is_ok());
    }
    let error = decompress(b"plain text", Limits { bytes: 5, ratio: 1 }).unwrap_err();
    assert!(matches!(DecompressError::of(&error), Some(DecompressError::TooLarge { .. })));
}

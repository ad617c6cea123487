//! Tells by its first bytes whether something is an archive.

use ::tar::Header;

use super::apply::checksum_is_right;
use super::tar::BLOCK;

/// How many bytes [`is_archive`] looks at.
pub const HEAD: usize = BLOCK;

/// The first bytes of gzip, bzip2, xz and zstd.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];

/// Whether what begins with `head` is a tar, or compressed in a way that tars come in. Of less than [`HEAD`] bytes
/// there is nothing behind.
pub fn is_archive(head: &[u8]) -> bool {
    COMPRESSED.iter().any(|magic| head.starts_with(magic)) || begins_as_tar(head)
}

/// Whether the first block is a header, or the end of an empty tar.
fn begins_as_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let mut header = Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    block.iter().all(|&byte| byte == 0) || checksum_is_right(&header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_texts() {
        let mut header = Header::new_old();
        header.set_path("Dockerfile").unwrap();
        header.set_cksum();
        let block = *header.as_bytes();
        let mut damaged = block;
        damaged[0] ^= 1;
        let text = b"FROM scratch\n".repeat(100);
        for (head, expected) in [
            (&block[..], true),
            (&[0; BLOCK], true),
            (b"\x1f\x8b\x08", true),
            (b"BZh9", true),
            (&damaged[..], false),
            (&block[..BLOCK - 1], false),
            (&text[..BLOCK], false),
            (b"", false),
        ] {
            assert_eq!(is_archive(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }
}

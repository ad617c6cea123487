//! What of an entry counts for cache keys: everything but its times and where its data lies.

use super::entry::{Device, Entry, Kind, Xattr};
use super::path::TreePath;
use crate::oci::{ContentDigest, Fingerprint, FingerprintHasher};

/// The digest of `entries`, which are in order, without their times.
pub fn content_digest<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> ContentDigest {
    let mut hasher = FingerprintHasher::new("tree v1");
    for entry in entries {
        hasher.value(entry);
    }
    ContentDigest(hasher.finish())
}

impl Fingerprint for TreePath {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.bytes(self.as_bytes());
    }
}

/// Feeds what counts of an entry to `hasher`, as if the entry were at `path`.
pub fn fingerprint_at(entry: &Entry, path: &[u8], hasher: &mut FingerprintHasher) {
    hasher.bytes(path);
    hasher.value(&entry.kind);
    if entry.is_whiteout() {
        return;
    }
    hasher.number(u64::from(entry.mode) | u64::from(entry.implied) << 32);
    hasher.number(u64::from(entry.uid) | u64::from(entry.gid) << 32);
    hasher.value(&entry.xattrs);
}

impl Fingerprint for Entry {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        fingerprint_at(self, self.path.as_bytes(), hasher);
    }
}

impl Fingerprint for Xattr {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.bytes(&self.name);
        hasher.bytes(&self.value);
    }
}

impl Fingerprint for Device {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(u64::from(self.major) << 32 | u64::from(self.minor));
    }
}

impl Fingerprint for Kind {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        match self {
            Self::File { size, digest } => {
                hasher.number(1);
                hasher.number(*size);
                hasher.value(digest);
            }
            Self::Directory { opaque } => {
                hasher.number(2);
                hasher.value(opaque);
            }
            Self::Symlink { target } => {
                hasher.number(3);
                hasher.bytes(target);
            }
            Self::Hardlink { target } => {
                hasher.number(4);
                hasher.value(target);
            }
            Self::CharDevice(device) => {
                hasher.number(5);
                hasher.value(device);
            }
            Self::BlockDevice(device) => {
                hasher.number(6);
                hasher.value(device);
            }
            Self::Fifo => hasher.number(7),
            Self::Socket => hasher.number(8),
            Self::Whiteout => hasher.number(9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Time;
    use super::*;
    use crate::oci::Digest;

    fn file() -> Entry {
        let kind = Kind::File { size: 1, digest: Digest::of(b"x") };
        Entry::new("a".into(), kind, 0o644, Time::from_seconds(1))
    }

    #[test]
    fn everything_counts_but_times_and_parts() {
        let original = content_digest([&file()]);
        let change = |edit: fn(&mut Entry)| {
            let mut entry = file();
            edit(&mut entry);
            content_digest([&entry])
        };
        assert_eq!(change(|e| e.mtime = Time::from_seconds(2)), original);
        assert_eq!(change(|e| e.part = 1), original);
        let edits: [fn(&mut Entry); 6] = [
            |e| e.path = "b".into(),
            |e| e.kind = Kind::File { size: 1, digest: Digest::of(b"y") },
            |e| e.mode = 0o755,
            |e| e.uid = 1,
            |e| e.gid = 1,
            |e| e.xattrs.push(Xattr { name: b"user.a"[..].into(), value: b"b"[..].into() }),
        ];
        for (i, edit) in edits.into_iter().enumerate() {
            assert_ne!(change(edit), original, "edit {i}");
        }
    }
}

//! How removed paths and opaque directories are marked, in an archive and on disk, and which extended attributes
//! belong to a layer.
//!
//! In an archive marks are names (image-spec, layer.md, "Whiteouts"); on disk they are what overlayfs reads
//! (kernel, `filesystems/overlayfs.rst`): a character device 0:0, and an attribute on a directory. Whoever turns
//! one into the other asks here. Reads and writes nothing.

use super::tar::{OPAQUE_MARK, WHITEOUT_PREFIX};

/// Which attributes overlayfs uses. In a user namespace it is mounted with `userxattr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// `trusted.overlay.*`: needs the privilege of the first user namespace.
    Trusted,
    /// `user.overlay.*`.
    User,
    /// None: no overlay will be mounted. What is removed stands in the index alone, for an overlay holds no devices
    /// 0:0, and layers may lie on one then.
    None,
}

/// The value of the opaque attribute that hides all of the lower directory.
pub(super) const OPAQUE_VALUE: &[u8] = b"y";

impl Marks {
    /// Those that overlayfs heeds where this process is, if overlays are mounted at all.
    pub fn here(overlays: bool) -> Self {
        match (overlays, crate::user::is_confined()) {
            (false, _) => Self::None,
            (true, true) => Self::User,
            (true, false) => Self::Trusted,
        }
    }

    /// The attribute that makes a directory opaque.
    pub const fn opaque(self) -> &'static [u8] {
        match self {
            Self::Trusted => b"trusted.overlay.opaque",
            Self::User | Self::None => b"user.overlay.opaque",
        }
    }

    /// The attribute that makes an empty regular file a whiteout where no device can be one.
    pub(super) const fn whiteout(self) -> &'static [u8] {
        match self {
            Self::Trusted => b"trusted.overlay.whiteout",
            Self::User | Self::None => b"user.overlay.whiteout",
        }
    }

    /// The attributes that say that data or name are elsewhere in the lower layers.
    pub(super) const fn elsewhere(self) -> [&'static str; 2] {
        match self {
            Self::Trusted => ["trusted.overlay.redirect", "trusted.overlay.metacopy"],
            Self::User | Self::None => ["user.overlay.redirect", "user.overlay.metacopy"],
        }
    }
}

/// Whether overlayfs gives the attribute a meaning, in one way of mounting or the other.
pub(super) fn is_overlay_attribute(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// What a name in an archive means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// An entry of this name.
    Plain,
    /// The entry of that name is removed.
    Removes(&'a [u8]),
    /// The directory that has this name is opaque.
    Opaque,
    /// Bookkeeping of aufs, which Docker once wrote into layers: means nothing.
    Aufs,
    /// A mark that removes nothing that could exist.
    Nonsense,
}

/// The meaning of `name`, one component of a path in an archive.
pub(super) fn meaning(name: &[u8]) -> Name<'_> {
    match name.strip_prefix(WHITEOUT_PREFIX) {
        None => Name::Plain,
        Some(_) if name == OPAQUE_MARK => Name::Opaque,
        Some(b"" | b"." | b"..") => Name::Nonsense,
        Some(removed) if removed.starts_with(WHITEOUT_PREFIX) => Name::Aufs,
        Some(removed) => Name::Removes(removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_archives() {
        for (name, expected) in [
            ("a", Name::Plain),
            (".wh", Name::Plain),
            ("a.wh.b", Name::Plain),
            (".wh.a", Name::Removes(b"a")),
            (".wh..hidden", Name::Removes(b".hidden")),
            (".wh..wh..opq", Name::Opaque),
            (".wh..wh.plnk", Name::Aufs),
            (".wh.", Name::Nonsense),
            (".wh..", Name::Nonsense),
            (".wh...", Name::Nonsense),
            (".wh....", Name::Removes(b"...")),
        ] {
            assert_eq!(meaning(name.as_bytes()), expected, "{name}");
        }
    }
}

//! What differs between two trees.

use std::cmp::Ordering;

use super::entry::{Entry, Kind};
use super::path::TreePath;
use super::view::{View, ViewError};

/// A path at which two trees differ. At least one of them has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where it is.
    pub path: TreePath,
    /// What the first tree has there.
    pub before: Option<Entry>,
    /// What the second tree has there.
    pub after: Option<Entry>,
    /// In what the two differ; empty where only one tree has the path.
    pub aspects: Vec<Aspect>,
}

/// Something in which two entries of one path can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// One is a file and the other a directory, for instance.
    Type,
    /// The bytes of a file.
    Content,
    /// Where a link leads.
    Target,
    /// The numbers of a device.
    Device,
    /// Whether a directory of a layer hides what is below it.
    Opacity,
    /// The permissions.
    Mode,
    /// The user or the group.
    Owner,
    /// Extended attributes.
    Attributes,
    /// The time of the last change.
    Time,
}

/// The paths at which two trees differ, in order. Both lists of entries are in order. Times are looked at only if
/// `times` says so.
pub fn differences(
    before: impl IntoIterator<Item = Entry>,
    after: impl IntoIterator<Item = Entry>,
    times: bool,
) -> Vec<Difference> {
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let (order, path) = match (before.peek(), after.peek()) {
            (None, None) => return all,
            (Some(left), None) => (Ordering::Less, left.path.clone()),
            (None, Some(right)) => (Ordering::Greater, right.path.clone()),
            (Some(left), Some(right)) => match left.path.cmp(&right.path) {
                Ordering::Greater => (Ordering::Greater, right.path.clone()),
                order => (order, left.path.clone()),
            },
        };
        let before = if order.is_le() { before.next() } else { None };
        let after = if order.is_ge() { after.next() } else { None };
        let aspects = match (&before, &after) {
            (Some(before), Some(after)) => aspects(before, after, times),
            _ => Vec::new(),
        };
        if before.is_none() || after.is_none() || !aspects.is_empty() {
            all.push(Difference { path, before, after, aspects });
        }
    }
}

fn aspects(before: &Entry, after: &Entry, times: bool) -> Vec<Aspect> {
    let of_kind = match (&before.kind, &after.kind) {
        (left, right) if left == right => None,
        (Kind::File { .. }, Kind::File { .. }) => Some(Aspect::Content),
        (Kind::Symlink { .. }, Kind::Symlink { .. }) | (Kind::Hardlink { .. }, Kind::Hardlink { .. }) => {
            Some(Aspect::Target)
        }
        (Kind::CharDevice(_), Kind::CharDevice(_)) | (Kind::BlockDevice(_), Kind::BlockDevice(_)) => {
            Some(Aspect::Device)
        }
        (Kind::Directory { .. }, Kind::Directory { .. }) => Some(Aspect::Opacity),
        _ => Some(Aspect::Type),
    };
    // Of a whiteout or an implied directory the metadata means nothing.
    let meaningless = |entry: &Entry| entry.is_whiteout() || entry.implied;
    if meaningless(before) || meaningless(after) {
        return of_kind.into_iter().collect();
    }
    let rest = [
        (before.mode != after.mode, Aspect::Mode),
        ((before.uid, before.gid) != (after.uid, after.gid), Aspect::Owner),
        (before.xattrs != after.xattrs, Aspect::Attributes),
        (times && before.mtime != after.mtime, Aspect::Time),
    ];
    of_kind.into_iter().chain(rest.into_iter().filter(|(differs, _)| *differs).map(|(_, one)| one)).collect()
}

/// All that a view shows, as a tree of its own: nothing in it is opaque or implied.
pub fn merged(view: &View) -> Result<Vec<Entry>, ViewError> {
    let plain = |mut entry: Entry| {
        entry.implied = false;
        if entry.is_directory() {
            entry.kind = Kind::Directory { opaque: false };
        }
        entry
    };
    Ok(view.walk(&TreePath::root())?.into_iter().map(|found| plain(found.entry)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Device, Time, Xattr};
    use super::*;
    use crate::oci::Digest;

    fn file(path: &str, text: &str) -> Entry {
        let kind = Kind::File { size: text.len() as u64, digest: Digest::of(text.as_bytes()) };
        Entry::new(path.into(), kind, 0o644, Time::default())
    }

    fn other(path: &str, kind: Kind) -> Entry {
        Entry::new(path.into(), kind, 0o644, Time::default())
    }

    #[test]
    fn each_aspect_is_told() {
        let link = |target: &str| other("x", Kind::Symlink { target: target.as_bytes().into() });
        let device = |minor| other("x", Kind::CharDevice(Device { major: 1, minor }));
        let edit = |change: fn(&mut Entry)| {
            let mut entry = file("x", "a");
            change(&mut entry);
            entry
        };
        let attribute = Xattr { name: b"user.a"[..].into(), value: b"1"[..].into() };
        let marked = Entry { xattrs: vec![attribute], ..file("x", "a") };
        let cases: [(Entry, Entry, &[Aspect]); 10] = [
            (file("x", "a"), file("x", "a"), &[]),
            (file("x", "a"), file("x", "b"), &[Aspect::Content]),
            (file("x", "a"), link("a"), &[Aspect::Type]),
            (link("a"), link("b"), &[Aspect::Target]),
            (device(1), device(2), &[Aspect::Device]),
            (
                other("x", Kind::Directory { opaque: false }),
                other("x", Kind::Directory { opaque: true }),
                &[Aspect::Opacity],
            ),
            (file("x", "a"), edit(|entry| entry.mode = 0o755), &[Aspect::Mode]),
            (
                file("x", "b"),
                edit(|entry| (entry.uid, entry.gid) = (0, 7)),
                &[Aspect::Content, Aspect::Owner],
            ),
            (file("x", "a"), marked, &[Aspect::Attributes]),
            (Entry::whiteout("x".into()), file("x", ""), &[Aspect::Type]),
        ];
        for (before, after, expected) in cases {
            let found = differences([before.clone()], [after.clone()], false);
            let aspects = found.first().map_or(&[][..], |difference| &difference.aspects);
            assert_eq!(aspects, expected, "{before:?} {after:?}");
        }
        let later = edit(|entry| entry.mtime = Time::from_seconds(9));
        assert!(differences([file("x", "a")], [later.clone()], false).is_empty());
        assert_eq!(differences([file("x", "a")], [later], true)[0].aspects, [Aspect::Time]);
    }

    #[test]
    fn paths_of_one_tree_only_are_told_in_order() {
        let before = ["a", "a/b", "c"].map(|path| file(path, ""));
        let after = ["a", "a-b", "d"].map(|path| file(path, ""));
        let shown: Vec<String> = differences(before, after, false)
            .iter()
            .map(|one| format!("{} {} {}", one.path, one.before.is_some(), one.after.is_some()))
            .collect();
        assert_eq!(shown, ["/a/b true false", "/a-b false true", "/c true false", "/d false true"]);
    }

    #[test]
    fn an_implied_directory_differs_in_nothing() {
        let mut implied = Entry::directory("d".into(), 0o700, Time::default());
        implied.implied = true;
        assert!(
            differences([implied], [Entry::directory("d".into(), 0o755, Time::default())], true).is_empty()
        );
    }
}

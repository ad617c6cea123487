//! Paths inside a tree, and their order.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path inside a tree: relative to its root, `/` between components, no empty, `.` or `..` component, any other
/// bytes. The root itself is the empty path.
///
/// The order is that of a walk: a directory comes before what is in it, siblings are in byte order, and a
/// subtree is contiguous. That is byte order with `/` below every other byte.
#[derive(Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub struct TreePath(Box<[u8]>);

impl TreePath {
    /// The root of a tree.
    pub fn root() -> Self {
        Self::default()
    }

    /// The normal form of `bytes`, taken as starting at the root: empty and `.` components vanish and `..` goes up
    /// one component, but never above the root.
    pub fn clean(bytes: &[u8]) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in bytes.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        Self(parts.join(&b'/').into())
    }

    /// The path, if `bytes` are already in normal form.
    pub fn from_normal(bytes: &[u8]) -> Option<Self> {
        let normal =
            bytes.is_empty() || bytes.split(|&b| b == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
        (normal && !bytes.contains(&0)).then(|| Self(bytes.into()))
    }

    /// The bytes, without a leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for use below a directory of the host.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|&b| b == b'/').map_or(0, |i| i + 1);
        &self.0[start..]
    }

    /// The path of `name`, a single component, in this directory.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/'));
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        if !self.is_root() {
            bytes.extend_from_slice(&self.0);
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// `below`, taken as relative to this path.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        if self.is_root() {
            return below.clone();
        }
        if below.is_root() {
            return self.clone();
        }
        Self([&self.0[..], &below.0[..]].join(&b'/').into())
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }

    /// The directories above this path, outermost first, without the root and without the path itself.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(i, _)| Self(self.0[..i].into()))
    }

    /// What is left of this path below `dir`; `None` if it does not lie there. A path lies below itself.
    pub fn below(&self, dir: &Self) -> Option<Self> {
        if dir.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&dir.0[..])?;
        match rest.split_first() {
            None => Some(Self::root()),
            Some((b'/', rest)) => Some(Self(rest.into())),
            Some(_) => None,
        }
    }

    /// Whether this path is `dir` or lies below it.
    pub fn is_below(&self, dir: &Self) -> bool {
        dir.is_root() || (self.0.starts_with(&dir.0) && matches!(self.0.get(dir.0.len()), None | Some(b'/')))
    }
}

/// Compares two normal paths, given as bytes, in walk order.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    // Neighbours in a tree share most of their paths: that part is compared by blocks and words.
    let (a, b) = after_common_chunks::<128>(a, b);
    let (a, b) = after_common_chunks::<8>(a, b);
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    match (a.get(common), b.get(common)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(b'/'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'/')) => Ordering::Greater,
        (Some(x), Some(y)) => x.cmp(y),
    }
}

/// What is left of both after the chunks of this size that are the same in both.
fn after_common_chunks<'a, const SIZE: usize>(a: &'a [u8], b: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let same = a.chunks_exact(SIZE).zip(b.chunks_exact(SIZE)).take_while(|(x, y)| x == y).count();
    (&a[SIZE * same..], &b[SIZE * same..])
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Vec<u8>> for TreePath {
    fn from(bytes: Vec<u8>) -> Self {
        Self::clean(&bytes)
    }
}

impl From<TreePath> for Vec<u8> {
    fn from(path: TreePath) -> Self {
        path.0.into_vec()
    }
}

impl From<&str> for TreePath {
    fn from(text: &str) -> Self {
        Self::clean(text.as_bytes())
    }
}

impl fmt::Display for TreePath {
    /// The path as a user writes it, from `/`; bytes that are not UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_stays_inside_the_root() {
        for (text, clean) in [
            ("", "/"),
            ("/", "/"),
            ("a//b/./c/", "/a/b/c"),
            ("../../x", "/x"),
            ("a/../../b", "/b"),
            ("a/..", "/"),
        ] {
            assert_eq!(TreePath::from(text).to_string(), clean, "{text}");
        }
    }

    #[test]
    fn order_is_that_of_a_walk() {
        let walk = ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.txt", "ab", "b"];
        let mut sorted: Vec<_> = walk.iter().rev().map(|p| TreePath::from(*p)).collect();
        sorted.sort();
        assert_eq!(sorted, walk.map(TreePath::from));
    }

    #[test]
    fn below_needs_a_component_border() {
        let dir = TreePath::from("a/b");
        assert_eq!(TreePath::from("a/b/c").below(&dir), Some(TreePath::from("c")));
        assert_eq!(TreePath::from("a/b").below(&dir), Some(TreePath::root()));
        assert_eq!(TreePath::from("a/bc").below(&dir), None);
        assert!(TreePath::from("x").is_below(&TreePath::root()));
    }

    #[test]
    fn ancestors_are_outermost_first() {
        let path = TreePath::from("a/b/c");
        assert_eq!(path.ancestors().collect::<Vec<_>>(), [TreePath::from("a"), TreePath::from("a/b")]);
        assert_eq!(path.parent(), Some(TreePath::from("a/b")));
        assert_eq!(TreePath::from("a").parent(), Some(TreePath::root()));
        assert_eq!(TreePath::root().parent(), None);
    }
}

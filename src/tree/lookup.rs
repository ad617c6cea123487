//! Finding things in a tree by the paths that a user writes: links are followed, wildcards are expanded.
//!
//! Works on anything that can say what stands at a path, be it an index, a merged root or a context that has not
//! been read yet. The root of the tree is the root of all paths: neither `..` nor a link leads out of it.

use super::entries::Tree;
use super::entry::{Entry, Kind};
use super::glob::{Pattern, PatternError, Stars, is_wildcard};
use super::path::TreePath;

/// What stands at a path, as far as finding other things depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A symbolic link with its text.
    Symlink(Box<[u8]>),
    /// Anything else.
    Other,
}

/// A tree that can be asked what stands at a path.
pub trait Lookup {
    /// Why it could not be found out.
    type Error;

    /// What stands at exactly this path, with no link followed; `None` for nothing. The root is a directory.
    fn node(&self, path: &TreePath) -> Result<Option<Node>, Self::Error>;

    /// The paths directly in `dir` and what is there, in order. Empty if it is not a directory.
    fn children(&self, dir: &TreePath) -> Result<Vec<(TreePath, Node)>, Self::Error>;
}

/// What to do if the last component is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// Go where it points.
    Follow,
    /// Stay at the link itself.
    Keep,
}

/// A path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError<E> {
    /// There is nothing at `at`.
    #[error("`{path}` is not found: there is no `{at}`")]
    Missing {
        /// The path as it was asked for.
        path: TreePath,
        /// The first component, with links resolved above it, that is not there.
        at: TreePath,
    },
    /// Something below `at` was asked for, but that is not a directory.
    #[error("`{path}` is not found: `{at}` is not a directory")]
    NotADirectory {
        /// The path as it was asked for.
        path: TreePath,
        /// What is not a directory.
        at: TreePath,
    },
    /// Links lead to links without an end.
    #[error("`{path}` leads through too many symbolic links")]
    TooManyLinks {
        /// The path as it was asked for.
        path: TreePath,
    },
    /// The tree could not say.
    #[error(transparent)]
    Lookup(E),
}

/// The sources that a COPY names cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum SelectError<E> {
    /// The wildcard is malformed.
    #[error(transparent)]
    Pattern(PatternError),
    /// A path without wildcards, or a link that a wildcard fits, leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError<E>),
}

/// A thing that a source selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The path by which it was named; its last component names the copy.
    pub named: TreePath,
    /// The path of what is copied, with no symbolic link on the way. [`select`] gives none that is a link itself.
    pub real: TreePath,
}

/// As many links as Linux follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Where `path` leads, with symbolic links followed inside the tree.
pub fn resolve<L: Lookup>(
    tree: &L,
    path: &TreePath,
    last: LastLink,
) -> Result<TreePath, ResolveError<L::Error>> {
    follow(|at| tree.node(at), path, last, false)
}

/// The same for something that is to be made, in a tree that only says what stands at a path: components that are not
/// there yet are where they would be.
pub fn resolve_new<E>(
    node: impl Fn(&TreePath) -> Result<Option<Node>, E>,
    path: &TreePath,
    last: LastLink,
) -> Result<TreePath, ResolveError<E>> {
    follow(node, path, last, true)
}

fn follow<E>(
    node: impl Fn(&TreePath) -> Result<Option<Node>, E>,
    path: &TreePath,
    last: LastLink,
    new: bool,
) -> Result<TreePath, ResolveError<E>> {
    let mut real = TreePath::root();
    // What is still to be walked, the next component at the end.
    let mut ahead: Vec<Box<[u8]>> = path.components().rev().map(Into::into).collect();
    let mut links = 0;
    // Where nothing is, nothing is below it either, and needs no look.
    let mut absent: Option<TreePath> = None;
    while let Some(component) = ahead.pop() {
        match &component[..] {
            b"" | b"." => continue,
            b".." => {
                real = real.parent().unwrap_or_default();
                continue;
            }
            _ => {}
        }
        let at = real.child(&component);
        if absent.as_ref().is_some_and(|absent| at.is_below(absent)) {
            real = at;
            continue;
        }
        let target = match node(&at).map_err(ResolveError::Lookup)? {
            None if new => {
                absent = Some(at.clone());
                real = at;
                continue;
            }
            None => return Err(ResolveError::Missing { path: path.clone(), at }),
            Some(Node::Symlink(target)) if last == LastLink::Follow || !ahead.is_empty() => target,
            Some(Node::Other) if !ahead.is_empty() => {
                return Err(ResolveError::NotADirectory { path: path.clone(), at });
            }
            Some(_) => {
                real = at;
                continue;
            }
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(ResolveError::TooManyLinks { path: path.clone() });
        }
        if target.starts_with(b"/") {
            real = TreePath::root();
        }
        ahead.extend(target.split(|&b| b == b'/').rev().map(Into::into));
    }
    Ok(real)
}

/// What a source of COPY or ADD selects, in the order of the tree: exactly one thing if it has no wildcard, else
/// whatever fits, perhaps nothing. Links are followed in the components before the first with a wildcard, and for
/// each thing that is selected.
pub fn select<L: Lookup>(tree: &L, source: &[u8]) -> Result<Vec<Selected>, SelectError<L::Error>> {
    let source = TreePath::clean(source);
    let (base, wild) = split_wildcards(&source);
    if wild.is_root() {
        let real = resolve(tree, &source, LastLink::Follow)?;
        return Ok(vec![Selected { named: source, real }]);
    }
    let pattern = Pattern::new(wild.as_bytes(), Stars::Single).map_err(SelectError::Pattern)?;
    // A wildcard below a directory that is not there fits nothing, which is not an error.
    let base = match resolve(tree, &base, LastLink::Follow) {
        Err(ResolveError::Missing { .. } | ResolveError::NotADirectory { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let mut selected = Vec::new();
    for named in expand(tree, &base, &pattern).map_err(ResolveError::Lookup)? {
        let real = resolve(tree, &named, LastLink::Follow)?;
        selected.push(Selected { named, real });
    }
    Ok(selected)
}

/// Fails for a source that nothing could ever fit, because its wildcards are malformed. [`select`] takes
/// [`Stars::Single`], [`select_below`] [`Stars::Double`].
pub fn check_source(source: &[u8], stars: Stars) -> Result<(), PatternError> {
    let (_, wild) = split_wildcards(&TreePath::clean(source));
    if wild.is_root() { Ok(()) } else { Pattern::new(wild.as_bytes(), stars).map(|_| ()) }
}

/// What `source` selects below the directory `base`, which no link is on the way to, by paths below it: what a source
/// of COPY with `--parents` keeps of its path. Here `**` stands for any number of components, and nothing is selected
/// that lies below another selected thing. Links before the first wildcard are followed, but for the last component;
/// a path without wildcards must be there.
pub fn select_below<L: Lookup>(
    tree: &L,
    base: &TreePath,
    source: &TreePath,
) -> Result<Vec<Selected>, SelectError<L::Error>> {
    let (literal, wild) = split_wildcards(source);
    if wild.is_root() {
        let real = resolve(tree, &base.join(source), LastLink::Keep)?;
        return Ok(vec![Selected { named: literal, real }]);
    }
    let pattern = Pattern::new(wild.as_bytes(), Stars::Double).map_err(SelectError::Pattern)?;
    let start = match resolve(tree, &base.join(&literal), LastLink::Follow) {
        Err(ResolveError::Missing { .. } | ResolveError::NotADirectory { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let mut selected: Vec<Selected> = Vec::new();
    for real in expand(tree, &start, &pattern).map_err(ResolveError::Lookup)? {
        if selected.last().is_some_and(|above| real.is_below(&above.real)) {
            continue;
        }
        let named = literal.join(&real.below(&start).unwrap_or_default());
        selected.push(Selected { named, real });
    }
    Ok(selected)
}

/// Whether a source has a wildcard in any of its components.
pub fn has_wildcards(source: &[u8]) -> bool {
    source.split(|&b| b == b'/').any(is_wildcard)
}

/// The components before the first with a wildcard, and the rest.
fn split_wildcards(source: &TreePath) -> (TreePath, TreePath) {
    let mut literal = TreePath::root();
    for component in source.components().take_while(|component| !is_wildcard(component)) {
        literal = literal.child(component);
    }
    let wild = source.below(&literal).unwrap_or_default();
    (literal, wild)
}

/// The paths below `base` whose part below it fits `pattern`, in the order of the tree. No link is followed, and only
/// directories that the pattern could lead into are listed.
pub fn expand<L: Lookup>(tree: &L, base: &TreePath, pattern: &Pattern) -> Result<Vec<TreePath>, L::Error> {
    let mut found = Vec::new();
    let mut ahead = tree.children(base)?;
    ahead.reverse();
    while let Some((path, node)) = ahead.pop() {
        let Some(below) = path.below(base) else { continue };
        let descend = node == Node::Directory && pattern.could_match_below(below.as_bytes());
        if descend {
            let mut children = tree.children(&path)?;
            children.reverse();
            ahead.append(&mut children);
        }
        if pattern.matches(below.as_bytes()) {
            found.push(path);
        }
    }
    Ok(found)
}

impl From<&Entry> for Node {
    fn from(entry: &Entry) -> Self {
        match &entry.kind {
            Kind::Directory { .. } => Self::Directory,
            Kind::Symlink { target } => Self::Symlink(target.clone()),
            _ => Self::Other,
        }
    }
}

impl<T: Tree> Lookup for T {
    type Error = T::Error;

    fn node(&self, path: &TreePath) -> Result<Option<Node>, Self::Error> {
        if path.is_root() {
            return Ok(Some(Node::Directory));
        }
        Ok(self.entry(path)?.filter(|entry| !entry.is_whiteout()).as_ref().map(Node::from))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<(TreePath, Node)>, Self::Error> {
        let entries = self.entries_in(dir)?;
        let visible = entries.iter().filter(|entry| !entry.is_whiteout());
        Ok(visible.map(|entry| (entry.path.clone(), Node::from(entry))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Time;
    use super::super::index::Index;
    use super::*;
    use crate::oci::Digest;

    /// `name` is a file, `name/` a directory, `name>text` a link.
    fn tree(specs: &[&str]) -> Index {
        let digest = Digest::of(b"");
        let entry = |spec: &&str| match (spec.split_once('>'), spec.strip_suffix('/')) {
            (Some((path, target)), _) => {
                let target = target.as_bytes().into();
                Entry::new(path.into(), Kind::Symlink { target }, 0o777, Time::default())
            }
            (None, Some(path)) => Entry::directory(path.into(), 0o755, Time::default()),
            _ => Entry::new((*spec).into(), Kind::File { size: 0, digest }, 0o644, Time::default()),
        };
        Index::from_unsorted(specs.iter().map(entry).collect())
    }

    fn sample() -> Index {
        tree(&[
            "/",
            "a/",
            "a/b/",
            "a/b/f",
            "a/g",
            "l>a/b",
            "abs>/a",
            "up>../../a/g",
            "a/back>../l/f",
            "loop>loop",
            "d>none",
            "sub/",
            "sub/d1/",
            "sub/d1/foo",
            "sub/x.go",
            "sub/y.go",
            "sub/.h",
        ])
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        for (path, last, real) in [
            ("l/f", LastLink::Keep, "/a/b/f"),
            ("l", LastLink::Keep, "/l"),
            ("l", LastLink::Follow, "/a/b"),
            ("abs/b/f", LastLink::Follow, "/a/b/f"),
            ("up", LastLink::Follow, "/a/g"),
            ("abs/back", LastLink::Follow, "/a/b/f"),
            ("", LastLink::Follow, "/"),
        ] {
            let resolved = resolve(&sample(), &path.into(), last).unwrap();
            assert_eq!(resolved.to_string(), real, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let resolved =
            |path: &str| resolve(&sample(), &path.into(), LastLink::Follow).unwrap_err().to_string();
        assert_eq!(resolved("a/x/y"), "`/a/x/y` is not found: there is no `/a/x`");
        assert_eq!(resolved("d"), "`/d` is not found: there is no `/none`");
        assert_eq!(resolved("a/g/y"), "`/a/g/y` is not found: `/a/g` is not a directory");
        assert_eq!(resolved("loop"), "`/loop` leads through too many symbolic links");
    }

    #[test]
    fn sources_select() {
        for (source, expected) in [
            ("a/g", &[("/a/g", "/a/g")][..]),
            ("/a/../../a/g/", &[("/a/g", "/a/g")]),
            (".", &[("/", "/")]),
            ("l", &[("/l", "/a/b")]),
            ("l*", &[("/l", "/a/b")][..0]),
            (
                "sub/*",
                &[
                    ("/sub/.h", "/sub/.h"),
                    ("/sub/d1", "/sub/d1"),
                    ("/sub/x.go", "/sub/x.go"),
                    ("/sub/y.go", "/sub/y.go"),
                ],
            ),
            ("sub/?.go", &[("/sub/x.go", "/sub/x.go"), ("/sub/y.go", "/sub/y.go")]),
            ("*/*/f*", &[("/a/b/f", "/a/b/f"), ("/sub/d1/foo", "/sub/d1/foo")]),
            ("l/*", &[("/a/b/f", "/a/b/f")]),
            ("ab*", &[("/abs", "/a")]),
            ("none*", &[]),
            ("none/x*", &[]),
            ("a/g/x*", &[]),
        ] {
            // `l*` also fits `loop`, which leads nowhere.
            if source == "l*" {
                assert!(matches!(select(&sample(), b"l*"), Err(SelectError::Resolve(_))));
                continue;
            }
            let selected = select(&sample(), source.as_bytes()).unwrap();
            let paths: Vec<_> = selected.iter().map(|s| (s.named.to_string(), s.real.to_string())).collect();
            let expected: Vec<_> = expected.iter().map(|(n, r)| ((*n).to_owned(), (*r).to_owned())).collect();
            assert_eq!(paths, expected, "{source}");
        }
    }

    #[test]
    fn kept_paths_select() {
        for (base, source, expected) in [
            ("", "a/b/f", &[("/a/b/f", "/a/b/f")][..]),
            ("a", "b", &[("/b", "/a/b")]),
            ("a", "", &[("/", "/a")]),
            // The link is what is selected, unless something below it is.
            ("", "l", &[("/l", "/l")]),
            ("", "l/f", &[("/l/f", "/a/b/f")]),
            ("", "abs/*/f", &[("/abs/b/f", "/a/b/f")]),
            ("", "**/f*", &[("/a/b/f", "/a/b/f"), ("/sub/d1/foo", "/sub/d1/foo")]),
            (
                "sub",
                "**",
                &[("/.h", "/sub/.h"), ("/d1", "/sub/d1"), ("/x.go", "/sub/x.go"), ("/y.go", "/sub/y.go")],
            ),
            ("", "s*/**/foo", &[("/sub/d1/foo", "/sub/d1/foo")]),
            ("", "none/*", &[]),
            ("sub", "*.c", &[]),
        ] {
            let selected = select_below(&sample(), &base.into(), &source.into()).unwrap();
            let paths: Vec<_> = selected.iter().map(|s| (s.named.to_string(), s.real.to_string())).collect();
            let expected: Vec<_> = expected.iter().map(|(n, r)| ((*n).to_owned(), (*r).to_owned())).collect();
            assert_eq!(paths, expected, "{base} {source}");
        }
        assert!(matches!(
            select_below(&sample(), &"a".into(), &"none".into()),
            Err(SelectError::Resolve(ResolveError::Missing { .. }))
        ));
    }

    #[test]
    fn a_literal_must_exist_and_a_wildcard_must_be_well_formed() {
        assert!(matches!(
            select(&sample(), b"missing"),
            Err(SelectError::Resolve(ResolveError::Missing { .. }))
        ));
        assert!(matches!(select(&sample(), b"a/[x"), Err(SelectError::Pattern(_))));
    }
}

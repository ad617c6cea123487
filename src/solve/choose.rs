//! What of a tree one source of a COPY means: which things, which parts of each, and what their copies are called.
//!
//! Owns `--exclude` and `--parents`. Looks at names and types only, so that nothing that is left out is read. Must not
//! know what kind of tree it is, or where copies go.

use std::collections::BTreeSet;

use crate::context::Dockerignore;
use crate::tree::{
    LastLink, Lookup, Node, ResolveError, SelectError, Selected, TreePath, has_wildcards, resolve, select,
    select_below,
};

/// How the sources of a COPY are meant.
#[derive(Debug, Default)]
pub(super) struct Choosing {
    /// What is left out, by paths below each source; a file is tested by its name.
    pub(super) exclude: Dockerignore,
    /// Whether the directories of a source's path are kept.
    pub(super) parents: bool,
}

/// A thing that is copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// What its copy is called in a directory.
    pub(super) name: Box<[u8]>,
    /// Where it is, with no link on the way.
    pub(super) real: TreePath,
    /// Whether it is a directory, of which the content is copied.
    pub(super) is_directory: bool,
    /// What of it is copied, parents before what is in them.
    pub(super) parts: Vec<Part>,
}

/// A part of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Where its copy goes, below the thing's own.
    pub(super) below: TreePath,
    /// Where it is, with no link on the way.
    pub(super) real: TreePath,
    pub(super) extent: Extent,
}

/// How much of what is at a path is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// It and all that is below it.
    Tree,
    /// It alone.
    Alone,
    /// It alone, a directory, and only for what else is in it: one that is there already stays as it is.
    Parent,
}

impl Choosing {
    /// What `source` means in `tree`.
    pub(super) fn choose<L: Lookup>(
        &self,
        tree: &L,
        source: &str,
    ) -> Result<Vec<Choice>, SelectError<L::Error>> {
        if self.parents {
            return self.choose_kept(tree, source);
        }
        let mut choices = Vec::new();
        for Selected { named, real } in select(tree, source.as_bytes())? {
            let name: Box<[u8]> = named.name().into();
            let is_directory = node(tree, &real)? == Some(Node::Directory);
            let parts = if is_directory {
                let mut parts = Parts::new(tree, &self.exclude);
                parts.add(TreePath::root(), real.clone())?;
                parts.finish()
            } else if self.exclude.verdict(&TreePath::clean(&name)).is_hidden() {
                continue;
            } else {
                vec![Part { below: TreePath::root(), real: real.clone(), extent: Extent::Alone }]
            };
            choices.push(Choice { name, real, is_directory, parts });
        }
        Ok(choices)
    }

    /// With `--parents` a source is a directory, that before the `.` component or the root, of which only some parts
    /// are copied.
    fn choose_kept<L: Lookup>(&self, tree: &L, source: &str) -> Result<Vec<Choice>, SelectError<L::Error>> {
        let (before, kept) = source.split_once("/./").unwrap_or(("", source));
        let required = !has_wildcards(source.as_bytes());
        let kept = TreePath::clean(kept.as_bytes());
        let mut choices = Vec::new();
        for base in unless_missing(select(tree, before.as_bytes()), required)? {
            let is_directory = node(tree, &base.real)? == Some(Node::Directory);
            if !is_directory && !required {
                continue;
            }
            let mut parts = Parts::new(tree, &self.exclude);
            for found in unless_missing(select_below(tree, &base.real, &kept), required)? {
                parts.add_parents(&base.real, &found.named)?;
                parts.add(found.named, found.real)?;
            }
            let (name, real) = (base.named.name().into(), base.real);
            choices.push(Choice { name, real, is_directory: true, parts: parts.finish() });
        }
        Ok(choices)
    }
}

/// A source with a wildcard may select nothing.
fn unless_missing<E>(
    found: Result<Vec<Selected>, SelectError<E>>,
    required: bool,
) -> Result<Vec<Selected>, SelectError<E>> {
    match found {
        Err(SelectError::Resolve(ResolveError::Missing { .. } | ResolveError::NotADirectory { .. }))
            if !required =>
        {
            Ok(Vec::new())
        }
        found => found,
    }
}

/// Gathers the parts of one thing.
struct Parts<'a, L: Lookup> {
    tree: &'a L,
    exclude: &'a Dockerignore,
    parts: Vec<Part>,
    /// The parents that are among them.
    parents: BTreeSet<TreePath>,
}

impl<'a, L: Lookup> Parts<'a, L> {
    fn new(tree: &'a L, exclude: &'a Dockerignore) -> Self {
        Self { tree, exclude, parts: Vec::new(), parents: BTreeSet::new() }
    }

    /// The directories on the way from `base` to `named`, links followed.
    fn add_parents(&mut self, base: &TreePath, named: &TreePath) -> Result<(), SelectError<L::Error>> {
        for below in named.ancestors() {
            if self.parents.insert(below.clone()) {
                let real = resolve(self.tree, &base.join(&below), LastLink::Follow)?;
                self.parts.push(Part { below, real, extent: Extent::Parent });
            }
        }
        Ok(())
    }

    /// What is at `real` and below, but for what is excluded.
    fn add(&mut self, below: TreePath, real: TreePath) -> Result<(), SelectError<L::Error>> {
        if self.exclude.is_empty() {
            self.parts.push(Part { below, real, extent: Extent::Tree });
            return Ok(());
        }
        let Some(top) = node(self.tree, &real)? else { return Ok(()) };
        let verdict = self.exclude.verdict(&below);
        // What is still to be walked, the next at the end.
        let mut ahead = vec![(below, real, top, verdict)];
        while let Some((below, real, node, verdict)) = ahead.pop() {
            if node == Node::Directory && !self.exclude.can_prune(below.as_bytes(), verdict) {
                let children = self.tree.children(&real).map_err(ResolveError::Lookup)?;
                for (child, node) in children.into_iter().rev() {
                    let below = below.child(child.name());
                    let verdict = self.exclude.verdict_in(verdict, below.as_bytes());
                    ahead.push((below, child, node, verdict));
                }
            }
            let extent = match (verdict.is_hidden(), node) {
                (false, _) => Extent::Alone,
                (true, Node::Directory) => Extent::Parent,
                (true, _) => continue,
            };
            if !below.is_root() {
                self.parts.push(Part { below, real, extent });
            }
        }
        Ok(())
    }

    /// The parts, without parents of nothing.
    fn finish(self) -> Vec<Part> {
        // From the end, what is in a directory comes before the directory itself.
        let mut kept: Vec<Part> = Vec::with_capacity(self.parts.len());
        for part in self.parts.into_iter().rev() {
            let needed = || kept.last().is_some_and(|last| last.below.is_below(&part.below));
            if part.extent != Extent::Parent || needed() {
                kept.push(part);
            }
        }
        kept.reverse();
        kept
    }
}

fn node<L: Lookup>(tree: &L, path: &TreePath) -> Result<Option<Node>, SelectError<L::Error>> {
    if path.is_root() {
        return Ok(Some(Node::Directory));
    }
    Ok(tree.node(path).map_err(ResolveError::Lookup)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::tree::{Entry, Index, Kind, Time};

    /// `name` is a file, `name/` a directory, `name>text` a link.
    fn tree() -> Index {
        let digest = Digest::of(b"");
        let specs = [
            "a/",
            "a/b/",
            "a/b/f",
            "a/b/g.log",
            "a/c/",
            "a/c/g.log",
            "a/keep.log",
            "f",
            "g.log",
            "l>a/b",
            "a/up>../l",
            "d/",
            "d/l2>/a/c",
            "m>d",
        ];
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

    fn exclude(lines: &[&str]) -> Dockerignore {
        Dockerignore::from_patterns(lines.iter().map(|line| line.as_bytes())).unwrap()
    }

    /// Each choice as `NAME=REAL:`, its parts with `*` for a tree and `^` for a parent.
    fn shown(choosing: &Choosing, source: &str) -> String {
        let choices = choosing.choose(&tree(), source).unwrap();
        let part = |part: &Part| {
            let sign = match part.extent {
                Extent::Tree => "*",
                Extent::Alone => "",
                Extent::Parent => "^",
            };
            let moved = if part.below == part.real { String::new() } else { format!("={}", part.real) };
            format!(" {}{sign}{moved}", part.below)
        };
        let choice = |it: &Choice| {
            let parts: String = it.parts.iter().map(part).collect();
            format!("{}={}:{parts}", String::from_utf8_lossy(&it.name), it.real)
        };
        choices.iter().map(choice).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn plain_sources() {
        for (source, expected) in [
            ("f", "f=/f: /=/f"),
            ("l", "l=/a/b: /*=/a/b"),
            (
                "*",
                "a=/a: /*=/a; d=/d: /*=/d; f=/f: /=/f; g.log=/g.log: /=/g.log; l=/a/b: /*=/a/b; m=/d: /*=/d",
            ),
            ("", "=/: /*"),
        ] {
            assert_eq!(shown(&Choosing::default(), source), expected, "{source}");
        }
    }

    #[test]
    fn excluded_parts_are_left_out() {
        for (lines, source, expected) in [
            (
                &["*.log"][..],
                "a",
                "a=/a: /b=/a/b /b/f=/a/b/f /b/g.log=/a/b/g.log /c=/a/c /c/g.log=/a/c/g.log /up=/a/up",
            ),
            (&["**/*.log"], "a", "a=/a: /b=/a/b /b/f=/a/b/f /c=/a/c /up=/a/up"),
            (&["*", "!b/f"], "a", "a=/a: /b^=/a/b /b/f=/a/b/f"),
            (&["*"], "a", "a=/a:"),
            (
                &["*.log"],
                "*",
                "a=/a: /b=/a/b /b/f=/a/b/f /b/g.log=/a/b/g.log /c=/a/c /c/g.log=/a/c/g.log /up=/a/up; d=/d: /l2=/d/l2; f=/f: /=/f; l=/a/b: /f=/a/b/f; m=/d: /l2=/d/l2",
            ),
            // A directory that is a source is not tested itself.
            (
                &["a"],
                "a",
                "a=/a: /b=/a/b /b/f=/a/b/f /b/g.log=/a/b/g.log /c=/a/c /c/g.log=/a/c/g.log /keep.log=/a/keep.log /up=/a/up",
            ),
            (&["f"], "f", ""),
        ] {
            let choosing = Choosing { exclude: exclude(lines), parents: false };
            assert_eq!(shown(&choosing, source), expected, "{lines:?} {source}");
        }
    }

    #[test]
    fn parents_are_kept() {
        for (lines, source, expected) in [
            (&[][..], "a/b/f", "=/: /a^ /a/b^ /a/b/f*"),
            (&[], "a/./b/f", "a=/a: /b^=/a/b /b/f*=/a/b/f"),
            (&[], "a/b/./", "b=/a/b: /*=/a/b"),
            (&[], "**/*.log", "=/: /a^ /a/b^ /a/b/g.log* /a/c^ /a/c/g.log* /a/keep.log* /g.log*"),
            (
                &[],
                "a/*/./**/g*",
                "b=/a/b: /g.log*=/a/b/g.log; c=/a/c: /g.log*=/a/c/g.log; up=/a/b: /g.log*=/a/b/g.log",
            ),
            (&[], "none*", "=/:"),
            (&[], "none*/./f", ""),
            (&[], "none/./f*", ""),
            (&[], "*/./f", "a=/a:; d=/d:; l=/a/b: /f*=/a/b/f; m=/d:"),
            // Links on the way become directories, one at the end stays.
            (&[], "l/f", "=/: /l^=/a/b /l/f*=/a/b/f"),
            (&[], "m/l2/g.log", "=/: /m^=/d /m/l2^=/a/c /m/l2/g.log*=/a/c/g.log"),
            (&[], "l", "=/: /l*"),
            (&["a/*.log"], "a", "=/: /a /a/b /a/b/f /a/b/g.log /a/c /a/c/g.log /a/up"),
            (&["a/c"], "a/*", "=/: /a^ /a/b /a/b/f /a/b/g.log /a/keep.log /a/up"),
            (&["a"], "a/b", "=/:"),
        ] {
            let choosing = Choosing { exclude: exclude(lines), parents: true };
            assert_eq!(shown(&choosing, source), expected, "{lines:?} {source}");
        }
    }

    #[test]
    fn what_has_no_wildcard_must_be_there() {
        let choosing = Choosing { parents: true, ..Choosing::default() };
        for source in ["none", "a/./none", "none/./f", "f/./x"] {
            let found = choosing.choose(&tree(), source);
            assert!(matches!(found, Err(SelectError::Resolve(_))), "{source}: {found:?}");
        }
    }
}

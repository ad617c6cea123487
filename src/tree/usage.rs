//! What the directories of a layer hold, added up.

use std::collections::HashSet;

use super::entry::Entry;
use super::path::TreePath;

/// A directory or a file with all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its name; empty for the root.
    pub name: Vec<u8>,
    /// What the files hold, in bytes.
    pub size: u64,
    /// How much of that is hidden by layers above.
    pub hidden: u64,
    /// How many files there are; 1 for a file.
    pub files: u64,
    /// What is directly in it, the largest first; nothing for a file. Only what has a size is listed.
    pub children: Vec<Usage>,
}

impl Usage {
    /// Adds up `entries`, which are in order with their parents; the files at the paths `hidden` are hidden.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>, hidden: &HashSet<&TreePath>) -> Self {
        // The directories that are open, the root first.
        let mut open: Vec<(&TreePath, Self)> = Vec::new();
        let mut root = Self::default();
        for entry in entries {
            while open.last().is_some_and(|(dir, _)| !entry.path.is_below(dir)) {
                close(&mut open, &mut root);
            }
            if entry.is_directory() {
                if !entry.path.is_root() {
                    open.push((&entry.path, Self { name: entry.path.name().to_vec(), ..Self::default() }));
                }
                continue;
            }
            let size = entry.size();
            let into = open.last_mut().map_or(&mut root, |(_, dir)| dir);
            into.add(Self {
                name: entry.path.name().to_vec(),
                size,
                hidden: if hidden.contains(&entry.path) { size } else { 0 },
                files: u64::from(!entry.is_whiteout()),
                children: Vec::new(),
            });
        }
        while !open.is_empty() {
            close(&mut open, &mut root);
        }
        root.sort();
        root
    }

    fn add(&mut self, child: Self) {
        self.size += child.size;
        self.hidden += child.hidden;
        self.files += child.files;
        if child.size > 0 {
            self.children.push(child);
        }
    }

    fn sort(&mut self) {
        self.children.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    }
}

/// Adds the innermost open directory to the one around it.
fn close(open: &mut Vec<(&TreePath, Usage)>, root: &mut Usage) {
    if let Some((_, mut dir)) = open.pop() {
        dir.sort();
        open.last_mut().map_or(root, |(_, around)| around).add(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Kind, Time};
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn directories_hold_what_is_below_them() {
        let file = |path: &str, size| {
            Entry::new(path.into(), Kind::File { size, digest: Digest::of(b"") }, 0o644, Time::default())
        };
        let dir = |path: &str| Entry::directory(path.into(), 0o755, Time::default());
        let entries = [
            dir("a"),
            dir("a/b"),
            file("a/b/x", 5),
            file("a/y", 7),
            dir("empty"),
            Entry::whiteout("gone".into()),
            file("z", 1),
        ];
        let path = TreePath::from("a/y");
        let usage = Usage::of(&entries, &HashSet::from([&path]));
        assert_eq!((usage.size, usage.hidden, usage.files), (13, 7, 3));
        let names = |usage: &Usage| -> Vec<String> {
            usage.children.iter().map(|c| format!("{} {}", c.name.escape_ascii(), c.size)).collect()
        };
        assert_eq!(names(&usage), ["a 12", "z 1"]);
        assert_eq!(names(&usage.children[0]), ["y 7", "b 5"]);
        assert_eq!((usage.children[0].files, usage.children[0].hidden), (2, 7));
    }
}

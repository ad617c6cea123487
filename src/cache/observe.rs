//! Observed inputs: what a step saw when it looked at the file system below it.
//!
//! A COPY mounts nothing. It depends on the little that it looks at: if every look gives the same answer on
//! another base, the layer that it made is right there too.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::{ContentDigest, Digest, FingerprintHasher};
use crate::tree::{Entry, Kind, Lookup, Node, Tree, TreePath, content_digest};

/// One look and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Where.
    path: JsonPath,
    /// What was there.
    pub seen: Seen,
}

/// The answer to a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// Nothing was there.
    Absent,
    /// A directory was there; nothing more was asked.
    Directory,
    /// A symbolic link was there, with this text's digest.
    Link(Digest),
    /// Something else was there; nothing more was asked.
    Other,
    /// A directory was there, with this metadata.
    Metadata(ContentDigest),
    /// A file with this content was there.
    Content(Digest),
    /// A directory was there, with these names and types in it.
    Listing(ContentDigest),
}

/// Answers looks at a tree and remembers them.
#[derive(Debug)]
pub struct Observer<'t, T: Tree> {
    tree: &'t T,
    seen: RefCell<BTreeMap<(TreePath, Question), Seen>>,
}

/// What was asked: one path may be asked more than one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Type,
    Metadata,
    Content,
    Listing,
}

impl<'t, T: Tree> Observer<'t, T> {
    /// An observer of `tree`.
    pub fn new(tree: &'t T) -> Self {
        Self { tree, seen: RefCell::default() }
    }

    /// Is something there, and is it a directory or a link? The entry's other fields were not looked at and must
    /// not be used, but for a link's target.
    pub fn kind(&self, path: &TreePath) -> Result<Option<Entry>, T::Error> {
        let entry = self.tree.entry(path)?;
        self.note(path, Question::Type, answer(entry.as_ref(), Question::Type));
        Ok(entry)
    }

    /// The metadata of a directory (without its times, which do not count).
    pub fn metadata(&self, path: &TreePath) -> Result<Option<Entry>, T::Error> {
        let entry = self.tree.entry(path)?;
        self.note(path, Question::Metadata, answer(entry.as_ref(), Question::Metadata));
        Ok(entry)
    }

    /// The content of a file, by its digest.
    pub fn content(&self, path: &TreePath) -> Result<Option<Entry>, T::Error> {
        let entry = self.tree.entry(path)?;
        self.note(path, Question::Content, answer(entry.as_ref(), Question::Content));
        Ok(entry)
    }

    /// All looks so far, in the order of their paths.
    pub fn finish(self) -> Vec<Observed> {
        self.seen
            .into_inner()
            .into_iter()
            .map(|((path, _), seen)| Observed { path: JsonPath(path), seen })
            .collect()
    }

    fn note(&self, path: &TreePath, question: Question, seen: Seen) {
        self.seen.borrow_mut().insert((path.clone(), question), seen);
    }
}

/// Whether every look would give the same answer on `tree`.
pub fn still_seen<T: Tree>(observed: &[Observed], tree: &T) -> Result<bool, T::Error> {
    for Observed { path, seen } in observed {
        let question = match seen {
            Seen::Absent | Seen::Directory | Seen::Link(_) | Seen::Other => Question::Type,
            Seen::Metadata(_) => Question::Metadata,
            Seen::Content(_) => Question::Content,
            Seen::Listing(_) => Question::Listing,
        };
        let now = match question {
            Question::Listing => listing(&tree.children(&path.0)?),
            _ => answer(tree.entry(&path.0)?.as_ref(), question),
        };
        if now != *seen {
            return Ok(false);
        }
    }
    Ok(true)
}

fn answer(entry: Option<&Entry>, question: Question) -> Seen {
    let Some(entry) = entry else { return Seen::Absent };
    match (&entry.kind, question) {
        (Kind::Directory { .. }, Question::Metadata) => {
            let mut entry = entry.clone();
            entry.kind = Kind::Directory { opaque: false };
            entry.implied = false;
            Seen::Metadata(content_digest([&entry]))
        }
        (Kind::File { digest, .. }, Question::Content) => Seen::Content(*digest),
        (Kind::Directory { .. }, _) => Seen::Directory,
        (Kind::Symlink { target }, _) => Seen::Link(Digest::of(target)),
        _ => Seen::Other,
    }
}

fn listing(children: &[(TreePath, Node)]) -> Seen {
    let mut hasher = FingerprintHasher::new("listing v1");
    for (path, node) in children {
        hasher.bytes(path.name());
        match node {
            Node::Directory => hasher.number(1),
            Node::Symlink(target) => {
                hasher.number(2);
                hasher.bytes(target);
            }
            Node::Other => hasher.number(3),
        }
    }
    Seen::Listing(ContentDigest(hasher.finish()))
}

/// Following paths is looking, too.
impl<T: Tree> Lookup for Observer<'_, T> {
    type Error = T::Error;

    fn node(&self, path: &TreePath) -> Result<Option<Node>, T::Error> {
        if path.is_root() {
            return Ok(Some(Node::Directory));
        }
        Ok(self.kind(path)?.as_ref().map(Node::from))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<(TreePath, Node)>, T::Error> {
        let children = self.tree.children(dir)?;
        self.note(dir, Question::Listing, listing(&children));
        Ok(children)
    }
}

/// A path in JSON: text, or a list of bytes if it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
struct JsonPath(TreePath);

impl Serialize for JsonPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.as_bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for JsonPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        let bytes = match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        };
        TreePath::from_normal(&bytes)
            .map(JsonPath)
            .ok_or_else(|| serde::de::Error::custom("not a path in normal form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Index, Time};

    fn tree(mode: u32, target: &str, content: &[u8]) -> Index {
        let file = Kind::File { size: content.len() as u64, digest: Digest::of(content) };
        Index::from_unsorted(vec![
            Entry::directory("d".into(), mode, Time::default()),
            Entry::new(
                "d/l".into(),
                Kind::Symlink { target: target.as_bytes().into() },
                0o777,
                Time::default(),
            ),
            Entry::new("f".into(), file, 0o644, Time::default()),
        ])
    }

    #[test]
    fn only_what_was_asked_counts() {
        let base = tree(0o755, "a", b"x");
        let observer = Observer::new(&base);
        observer.kind(&"d".into()).unwrap();
        observer.kind(&"d/l".into()).unwrap();
        observer.kind(&"none".into()).unwrap();
        observer.kind(&"f".into()).unwrap();
        let observed = observer.finish();
        assert!(still_seen(&observed, &tree(0o700, "a", b"y")).unwrap());
        assert!(!still_seen(&observed, &tree(0o755, "b", b"x")).unwrap());
        let observer = Observer::new(&base);
        observer.metadata(&"d".into()).unwrap();
        observer.content(&"f".into()).unwrap();
        let observed = observer.finish();
        assert!(still_seen(&observed, &tree(0o755, "b", b"x")).unwrap());
        assert!(!still_seen(&observed, &tree(0o700, "a", b"x")).unwrap());
        assert!(!still_seen(&observed, &tree(0o755, "a", b"y")).unwrap());
    }

    #[test]
    fn looks_survive_json_whatever_the_path() {
        let path = TreePath::from_normal(b"a/\xff").unwrap();
        let observed = vec![
            Observed { path: JsonPath(path), seen: Seen::Absent },
            Observed { path: JsonPath("d".into()), seen: Seen::Link(Digest::of(b"t")) },
        ];
        let json = serde_json::to_vec(&observed).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<Observed>>(&json).unwrap(), observed);
    }
}

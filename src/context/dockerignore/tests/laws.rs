//! What holds for every ignore file. Property tests and the fuzz target both call this; a law that is broken panics.

use crate::context::dockerignore::{Dockerignore, Verdict};
use crate::tree::TreePath;

use super::naive::Rules;

/// Matches the paths behind a line `---` against the lines before it.
pub(super) fn file_with_paths(text: &str) {
    let (lines, paths) = text.split_once("\n---\n").unwrap_or((text, text));
    matching(lines, paths.lines());
}

/// Matches `paths` against the lines of `text`.
pub(super) fn matching<'a>(text: &str, paths: impl IntoIterator<Item = &'a str>) {
    let rules = Rules::parse(text);
    let ignore = Dockerignore::parse(text.as_bytes(), None);
    assert_eq!(ignore.is_ok(), rules.is_some(), "{ignore:?}");
    let (Ok(ignore), Some(rules)) = (ignore, rules) else { return };
    for path in paths {
        let path = TreePath::clean(path.as_bytes());
        let name = std::str::from_utf8(path.as_bytes()).expect("it was text before");
        let verdict = ignore.verdict(&path);
        if path.is_root() {
            assert!(!verdict.is_hidden(), "the root is hidden");
            continue;
        }
        assert_eq!(verdict.is_hidden(), rules.hides(name), "{text:?} {name:?}");
        assert_eq!(ignore.deciding(verdict).is_some(), verdict != Verdict::default(), "{name:?}");
        let pruned = path.ancestors().find(|dir| ignore.can_prune(dir.as_bytes(), ignore.verdict(dir)));
        assert!(pruned.is_none() || verdict.is_hidden(), "{text:?}: {name:?} is below {pruned:?}");
    }
}

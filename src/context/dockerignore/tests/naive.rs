//! The rules of an ignore file as they are written, without regard to speed: what tests compare with.

use super::glob::Naive;

/// The lines that hold a pattern.
pub(in crate::context) struct Rules(Vec<Rule>);

struct Rule {
    shows: bool,
    pattern: Naive,
}

impl Rules {
    /// `None` if the file is refused.
    pub(in crate::context) fn parse(text: &str) -> Option<Self> {
        let mut rules = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
            // Only in the first column it makes a comment.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let shows = line.starts_with('!');
            let pattern = if shows { line[1..].trim() } else { line };
            if shows && (pattern.is_empty() || clean(pattern) == "/") {
                return None;
            }
            let pattern = clean(pattern);
            let pattern =
                if pattern.len() > 1 { pattern.trim_start_matches('/').to_owned() } else { pattern };
            rules.push(Rule { shows, pattern: Naive::parse(&pattern)? });
        }
        Some(Self(rules))
    }

    /// Is the path hidden? Each line is tried on it and on each directory above it; the last that fits decides.
    pub(in crate::context) fn hides(&self, path: &str) -> bool {
        self.decider(path).is_some_and(|place| !self.0[place].shows)
    }

    /// Must a walk list this directory? It need not if it is hidden and no line behind the one that hides it would show
    /// one of these paths, which stand for all that may be below.
    pub(in crate::context) fn wants<'a>(&self, dir: &str, mut below: impl Iterator<Item = &'a str>) -> bool {
        if !self.hides(dir) {
            return true;
        }
        let from = self.decider(dir).map_or(0, |place| place + 1);
        let shows = || self.0[from..].iter().filter(|rule| rule.shows);
        below.any(|path| shows().any(|rule| rule.pattern.fits(path)))
    }

    fn decider(&self, path: &str) -> Option<usize> {
        let ends = || path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        self.0.iter().rposition(|rule| ends().any(|end| rule.pattern.fits(&path[..end])))
    }
}

/// Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut cleaned: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match cleaned.last() {
            Some(&last) if part == ".." && last != ".." => drop(cleaned.pop()),
            None if part == ".." && root == "/" => {}
            _ => cleaned.push(part),
        }
    }
    let path = format!("{root}{}", cleaned.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

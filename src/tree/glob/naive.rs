//! The pattern language as it is defined, without regard to speed: what tests compare with.
//!
//! Uses nothing of the parent, so that no mistake can be in both.

enum Piece {
    Char(char),
    /// `?`
    NotSlash,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`
    Component,
    /// `**` with something behind: nothing, or anything up to a `/`.
    Components,
    /// `**` with nothing behind, or with nothing but text behind and nothing before.
    Anything,
}

/// A pattern in which `**` has its meaning.
pub(crate) struct Naive(Vec<Piece>);

impl Naive {
    /// `None` if the pattern is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        pieces(pattern).map(Self)
    }

    /// Does the pattern fit all of `path`?
    pub(crate) fn fits(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // How many characters the pieces so far may have taken.
        let mut taken = vec![0];
        for piece in &self.0 {
            taken = taken.iter().flat_map(|&at| ends(piece, &path, at)).collect();
            taken.sort_unstable();
            taken.dedup();
            if taken.is_empty() {
                return false;
            }
        }
        taken.contains(&path.len())
    }
}

/// Where `piece` may end if it begins at `at`.
fn ends(piece: &Piece, path: &[char], at: usize) -> Vec<usize> {
    let one = |fits: &dyn Fn(char) -> bool| path.get(at).filter(|&&c| fits(c)).map(|_| at + 1);
    match piece {
        Piece::Char(wanted) => one(&|c| c == *wanted).into_iter().collect(),
        Piece::NotSlash => one(&|c| c != '/').into_iter().collect(),
        Piece::Class { negated, ranges } => {
            let within = |c| ranges.iter().any(|&(low, high)| low <= c && c <= high);
            one(&|c| within(c) != *negated).into_iter().collect()
        }
        Piece::Component => {
            let end = path[at..].iter().position(|&c| c == '/').map_or(path.len(), |length| at + length);
            (at..=end).collect()
        }
        Piece::Components => (at..=path.len()).filter(|&end| end == at || path[end - 1] == '/').collect(),
        Piece::Anything => (at..=path.len()).collect(),
    }
}

fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' if rest.as_str().starts_with('*') => {
                rest.next();
                let slash = rest.as_str().starts_with('/');
                let text = rest.as_str().strip_prefix('/').unwrap_or(rest.as_str());
                rest = text.chars();
                let only_text = pieces.is_empty() && !slash && !text.contains(['*', '?', '[', ']', '\\']);
                if text.is_empty() || only_text { Piece::Anything } else { Piece::Components }
            }
            '*' => Piece::Component,
            '?' => Piece::NotSlash,
            '\\' => Piece::Char(rest.next()?),
            '[' => {
                let (class, behind) = class(rest.as_str())?;
                rest = behind.chars();
                class
            }
            c => Piece::Char(c),
        });
    }
    Some(pieces)
}

/// What follows a `[`, and what follows its `]`.
fn class(text: &str) -> Option<(Piece, &str)> {
    let negated = text.starts_with('^');
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    let mut ranges = Vec::new();
    while ranges.is_empty() || !rest.starts_with(']') {
        let (low, behind) = member(rest)?;
        let (high, behind) = match behind.strip_prefix('-') {
            Some(behind) => member(behind)?,
            None => (low, behind),
        };
        if high < low {
            return None;
        }
        ranges.push((low, high));
        rest = behind;
    }
    Some((Piece::Class { negated, ranges }, &rest[1..]))
}

fn member(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let c = match chars.next()? {
        '-' | ']' => return None,
        '\\' => chars.next()?,
        c => c,
    };
    Some((c, chars.as_str()))
}

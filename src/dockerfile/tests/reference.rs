//! The rules of word expansion as they are written, without regard to speed: what [`super::laws::expanding`] compares
//! with.
//!
//! The text is read character by character; a pattern is tried on every part of a value.

use std::collections::BTreeSet;

/// The variables of comparisons; every other name is not set.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = match name {
        "A" => "foobarfoo",
        "B" => "a/b/c.tar.gz",
        "C" => "*a*?\\b}",
        "D" => " two  words\t",
        "E" | "1" => "",
        "ü" => "äöü'\"$",
        "a_1" => "\\",
        _ => return None,
    };
    Some(value.to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    Remove,
    Keep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) text: String,
    /// The text split at white space that no quote or escape protects.
    pub(super) words: Vec<String>,
    /// Sorted.
    pub(super) unset: Vec<String>,
}

/// `None` where the rules say that it is an error.
pub(super) fn expand(text: &str, escape: char, quotes: Quotes) -> Option<Expansion> {
    let mut reader =
        Reader { text: text.chars().collect(), at: 0, escape, quotes, depth: 0, unset: BTreeSet::new() };
    let output = reader.read(None, false)?;
    let words = output
        .split(|&(c, quoted)| c.is_whitespace() && !quoted)
        .filter(|word| !word.is_empty())
        .map(plain)
        .collect();
    Some(Expansion { text: plain(&output), words, unset: reader.unset.into_iter().collect() })
}

/// Characters, each with whether a quote or escape protects it.
type Output = Vec<(char, bool)>;

fn plain(output: &[(char, bool)]) -> String {
    output.iter().map(|&(c, _)| c).collect()
}

struct Reader {
    text: Vec<char>,
    at: usize,
    escape: char,
    quotes: Quotes,
    depth: usize,
    unset: BTreeSet<String>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Up to and with `stop`. `raw`: an escape character stays before what it protects, because a pattern is read.
    fn read(&mut self, stop: Option<char>, raw: bool) -> Option<Output> {
        let mut output = Output::new();
        loop {
            let Some(c) = self.take() else { return stop.is_none().then_some(output) };
            let quotes = self.quotes == Quotes::Remove;
            if Some(c) == stop {
                return Some(output);
            } else if c == '$' {
                output.extend(self.dollar()?.chars().map(|c| (c, false)));
            } else if c == '\'' && quotes {
                while !self.take_if('\'') {
                    output.push((self.take()?, true));
                }
            } else if c == '"' && quotes {
                self.double_quoted(raw, &mut output)?;
            } else if c == self.escape {
                output.extend(raw.then_some((c, true)));
                output.extend(self.take().map(|c| (c, true)));
            } else {
                output.push((c, false));
            }
        }
    }

    fn double_quoted(&mut self, raw: bool, output: &mut Output) -> Option<()> {
        loop {
            let c = self.take()?;
            if c == '"' {
                return Some(());
            } else if c == '$' {
                output.extend(self.dollar()?.chars().map(|c| (c, true)));
            } else if c == self.escape {
                let next = self.peek()?;
                let removed = next == '"' || next == '$' || next == self.escape;
                if !removed || raw {
                    output.push((c, true));
                }
                if removed {
                    output.extend(self.take().map(|c| (c, true)));
                }
            } else {
                output.push((c, true));
            }
        }
    }

    fn dollar(&mut self) -> Option<String> {
        if !self.take_if('{') {
            let name = self.name();
            return Some(if name.is_empty() { "$".to_owned() } else { self.value(&name) });
        }
        self.depth += 1;
        if self.depth > 64 || matches!(self.peek()?, '{' | '}' | ':') {
            return None;
        }
        let name = self.name();
        let value = self.substitution(&name)?;
        self.depth -= 1;
        Some(value)
    }

    /// What follows the name in `${name…}`.
    fn substitution(&mut self, name: &str) -> Option<String> {
        let operator = self.take()?;
        let colon = operator == ':';
        let operator = if colon { self.take()? } else { operator };
        let value = variable(name);
        let is_set = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
        match (operator, colon) {
            ('}', false) => Some(self.value(name)),
            ('-', _) => self.word().map(|word| if is_set { value.unwrap_or_default() } else { word }),
            ('+', _) => self.word().map(|word| if is_set { word } else { String::new() }),
            ('?', _) => self.word().and_then(|_| value.filter(|_| is_set)),
            ('#' | '%', false) => {
                let longest = self.take_if(operator);
                let pattern = self.pattern('}')?;
                let value: Vec<char> = self.value(name).chars().collect();
                let ends = (0..=value.len()).filter(|&length| match operator {
                    '#' => fits(&pattern, &value[..length]),
                    _ => fits(&pattern, &value[value.len() - length..]),
                });
                let length = if longest { ends.max() } else { ends.min() }.unwrap_or(0);
                let rest = if operator == '#' { &value[length..] } else { &value[..value.len() - length] };
                Some(rest.iter().collect())
            }
            ('/', false) => {
                let all = self.take_if('/');
                let pattern = self.pattern('/')?;
                let replacement = plain(&self.read(Some('}'), true)?);
                let value: Vec<char> = self.value(name).chars().collect();
                Some(replace(&pattern, &value, &replacement, all))
            }
            _ => None,
        }
    }

    fn word(&mut self) -> Option<String> {
        self.read(Some('}'), false).map(|word| plain(&word))
    }

    fn value(&mut self, name: &str) -> String {
        let value = variable(name);
        if value.is_none() {
            self.unset.insert(name.to_owned());
        }
        value.unwrap_or_default()
    }

    /// All digits that follow a first digit; one special parameter; letters, digits and `_`.
    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let length = match rest.first() {
            Some(c) if c.is_numeric() => rest.iter().take_while(|c| c.is_numeric()).count(),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest.iter().take_while(|&&c| c.is_alphanumeric() || c == '_').count(),
        };
        self.at += length;
        self.text[self.at - length..self.at].iter().collect()
    }

    /// `None` if a backslash stands before something that needs none.
    fn pattern(&mut self, stop: char) -> Option<Vec<Piece>> {
        let text = self.read(Some(stop), true)?;
        let mut chars = text.iter().map(|&(c, _)| c);
        let mut pieces = Vec::new();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Char(chars.next().filter(|c| "*?\\}/".contains(*c))?),
                c => Piece::Char(c),
            });
        }
        Some(pieces)
    }
}

enum Piece {
    Any,
    One,
    Char(char),
}

/// Does the pattern match all of `value`? Keeps how many characters the pieces so far may have taken.
fn fits(pattern: &[Piece], value: &[char]) -> bool {
    let mut taken = BTreeSet::from([0]);
    for piece in pattern {
        taken = match piece {
            Piece::Any => taken.first().map(|&first| (first..=value.len()).collect()).unwrap_or_default(),
            Piece::One => taken.iter().filter(|&&at| at < value.len()).map(|at| at + 1).collect(),
            Piece::Char(c) => taken.iter().filter(|&&at| value.get(at) == Some(c)).map(|at| at + 1).collect(),
        };
    }
    taken.contains(&value.len())
}

/// The longest match at the earliest place; an empty one does not count right behind another match.
fn replace(pattern: &[Piece], value: &[char], replacement: &str, all: bool) -> String {
    let mut output = String::new();
    let mut at = 0;
    let mut last_end = None;
    let mut done = false;
    while at <= value.len() {
        let matched = (at..=value.len()).rev().find(|&end| fits(pattern, &value[at..end]));
        let matched = matched.filter(|&end| !done && (end > at || last_end != Some(at)));
        if matched.is_some() {
            output += replacement;
            done = !all;
            last_end = matched;
        }
        if let Some(end) = matched.filter(|&end| end > at) {
            at = end;
        } else {
            output.extend(value.get(at));
            at += 1;
        }
    }
    output
}

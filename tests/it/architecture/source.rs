//! Rust source as a row of tokens: enough to see which modules it names.

use std::path::{Component, Path};

/// A use of one of the crate's top modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// The line, from 1.
    pub(super) line: usize,
    /// The module; `*` for all of them.
    pub(super) module: String,
}

/// A file's tokens.
pub(super) struct Source<'t> {
    tokens: Vec<Token<'t>>,
    /// How deep the file's module lies below the root of its crate.
    depth: usize,
    /// What the root of the crate is called: `crate`, and in the binary the library's name.
    root: &'static str,
}

struct Token<'t> {
    line: usize,
    text: &'t str,
}

impl<'t> Source<'t> {
    /// The tokens of `text`, which is the file at `path`, such as `src/tree/view.rs`.
    pub(super) fn new(path: &Path, text: &'t str) -> Self {
        let names: Vec<Component<'_>> = path.components().skip(1).collect();
        let is_root = path.ends_with("src/main.rs") || path.ends_with("src/lib.rs");
        let depth = if is_root { 0 } else { names.len() };
        let root = if path.ends_with("src/main.rs") { "strata" } else { "crate" };
        Self { tokens: tokens(text), depth, root }
    }

    /// The top modules that are named by a path from the root of the crate, or by as many `super`s as lead there.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        let mut braces: Vec<bool> = Vec::new();
        for (i, token) in self.tokens.iter().enumerate() {
            match token.text {
                // A brace opens an inline module if a name and `mod` stand before it.
                "{" => braces.push(i >= 2 && self.text(i - 2) == "mod"),
                "}" => {
                    braces.pop();
                }
                text if (text == self.root || text == "super") && self.text(i + 1) == "::" => {
                    let inline = braces.iter().filter(|&&module| module).count();
                    self.follow(i, self.depth + inline, &mut uses);
                }
                _ => {}
            }
        }
        uses
    }

    /// Follows the path or use tree that begins at token `i`, in a module `depth` below the root. Gives the token
    /// after it.
    fn follow(&self, mut i: usize, mut depth: usize, uses: &mut Vec<Use>) -> usize {
        loop {
            match self.text(i) {
                "{" => {
                    i += 1;
                    while !matches!(self.text(i), "}" | "") {
                        i = self.follow(i, depth, uses);
                        // What is left of an element, such as `as name`, and the comma.
                        while !matches!(self.text(i), "," | "}" | "") {
                            i += 1;
                        }
                        i += usize::from(self.text(i) == ",");
                    }
                    return i + 1;
                }
                text if text == self.root => depth = 0,
                "super" => depth = depth.saturating_sub(1),
                "self" => {}
                text => {
                    if depth == 0 && !text.is_empty() {
                        uses.push(Use { line: self.tokens[i].line, module: text.to_owned() });
                    }
                    return self.end_of_path(i, uses);
                }
            }
            if self.text(i + 1) != "::" {
                return i + 1;
            }
            i += 2;
        }
    }

    /// The token after the path that goes on at `i`, groups in it included: what is in them is below a module that
    /// is known already.
    fn end_of_path(&self, mut i: usize, uses: &mut Vec<Use>) -> usize {
        while self.text(i + 1) == "::" {
            i += 2;
            if self.text(i) == "{" {
                return self.follow(i, usize::MAX, uses);
            }
        }
        i + 1
    }

    /// The lines in which one of `words` is a token.
    pub(super) fn lines_with(&self, words: &[&str]) -> Vec<usize> {
        self.tokens.iter().filter(|token| words.contains(&token.text)).map(|token| token.line).collect()
    }

    /// The modules that are declared here and have files of their own, in order.
    pub(super) fn files(&self) -> Vec<String> {
        let declared = self.tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
        declared.map(|three| three[1].text.to_owned()).collect()
    }

    fn text(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |token| token.text)
    }
}

/// Cuts `text` into words, `::` and single signs. Comments, literals and white space are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => character(rest),
            c if is_word(c) => literal_prefix(rest).unwrap_or_else(|| {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push(Token { line, text: &rest[..length] });
                length
            }),
            c => {
                let length = if rest.starts_with("::") { 2 } else { c.len_utf8() };
                tokens.push(Token { line, text: &rest[..length] });
                length
            }
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of a comment, which may have others in it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a string literal that begins with its quote.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// The length of a character literal; of a lifetime, only its quote counts, and the name is a word.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..].find('\'').map_or(text.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The length of a literal that begins with letters (`b"…"`, `r#"…"#`, `b'…'`), if there is one.
fn literal_prefix(text: &str) -> Option<usize> {
    let letters = text.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|&end| (1..=2).contains(&end))?;
    let (prefix, rest) = text.split_at(letters);
    if prefix.ends_with('r') {
        let hashes = rest.find(|c| c != '#')?;
        let body = rest[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(letters + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
    }
    match rest.chars().next()? {
        '"' => Some(letters + string(rest)),
        '\'' if prefix == "b" => Some(letters + character(rest)),
        _ => None,
    }
}

/// A file's path, its text, and the lines and modules of its uses.
type Case = (&'static str, &'static str, &'static [(usize, &'static str)]);

#[test]
fn every_way_to_name_a_module_is_seen() {
    let uses = |path: &str, text: &str| -> Vec<(usize, String)> {
        let uses = Source::new(Path::new(path), text).uses();
        uses.into_iter().map(|used| (used.line, used.module)).collect()
    };
    let cases: [Case; 14] = [
        ("src/a.rs", "use crate::oci::Digest;\n\nuse crate::tree;", &[(1, "oci"), (3, "tree")]),
        (
            "src/a.rs",
            "use crate::{\n  oci::{Digest, x::Y as Z},\n  tree::*,\n  sys,\n};",
            &[(2, "oci"), (3, "tree"), (4, "sys")],
        ),
        (
            "src/a.rs",
            "fn f(_: &dyn Fn() -> crate::oci::Digest) { crate::sys::g() }",
            &[(1, "oci"), (1, "sys")],
        ),
        ("src/a.rs", "use crate::*;", &[(1, "*")]),
        ("src/a.rs", "use super::oci;", &[(1, "oci")]),
        (
            "src/a/b.rs",
            "use super::super::oci; use super::c; use super::{d, super::sys};",
            &[(1, "oci"), (1, "sys")],
        ),
        (
            "src/a/b.rs",
            "mod tests { use super::*; use super::super::c; use super::super::super::oci; }",
            &[(1, "oci")],
        ),
        ("src/a.rs", "fn f() {} mod tests { fn g() { if x { crate::oci::h() } } }", &[(1, "oci")]),
        (
            "src/a.rs",
            "use self::b::c; pub(crate) fn f() {} pub(super) fn g() {} crate::oci!()",
            &[(1, "oci")],
        ),
        ("src/a.rs", "// crate::oci\n/* crate::oci /* crate::oci */ crate::oci */ //! crate::oci", &[]),
        ("src/a.rs", "let _ = \"crate::oci \\\" crate::oci\"; crate::sys", &[(1, "sys")]),
        (
            "src/a.rs",
            "let _ = (r#\"\" crate::oci\"#, b\"crate::oci\", '\"', '\\'', b'\"'); crate::sys",
            &[(1, "sys")],
        ),
        ("src/a.rs", "fn f<'a>(_: &'a str) -> &'a crate::oci::D {}", &[(1, "oci")]),
        (
            "src/main.rs",
            "use strata::{cli, exec}; fn main() { strata::cli::main() }",
            &[(1, "cli"), (1, "exec"), (1, "cli")],
        ),
    ];
    for (path, text, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|&(line, module)| (line, module.to_owned())).collect();
        assert_eq!(uses(path, text), expected, "{path}: {text}");
    }
}

#[test]
fn declared_files_are_seen() {
    let text = "mod a;\npub mod b;\n#[cfg(test)]\nmod tests;\nmod inline { mod c; }\n// mod d;\n";
    assert_eq!(Source::new(Path::new("src/x.rs"), text).files(), ["a", "b", "tests", "c"]);
}

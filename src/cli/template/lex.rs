//! Text and actions, and the tokens of actions. Offsets are bytes of the template.

use super::error::{TemplateError, TemplateErrorKind as Kind};

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
    /// Whether white space comes before it; `.a .b` are two operands, `.a.b` is one.
    pub(super) spaced: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// Text outside of actions.
    Text(String),
    /// `{{`, with or without a trim marker.
    Open,
    /// `}}`, with or without a trim marker.
    Close,
    /// `.`
    Dot,
    /// `.name`
    Field(String),
    /// `$` or `$name`, with the `$`.
    Variable(String),
    /// A keyword or a function's name.
    Word(String),
    /// A string, unquoted.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// `(`, `)`, `|`, `,`, `=` or `:=`.
    Sign(&'static str),
}

impl TokenKind {
    /// The token as a message names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text(_) | Self::Open => "the end of the format".to_owned(),
            Self::Close => "`}}`".to_owned(),
            Self::Dot => "`.`".to_owned(),
            Self::Field(name) => format!("`.{name}`"),
            Self::Variable(name) | Self::Word(name) => format!("`{name}`"),
            Self::String(text) => format!("`{text:?}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Float(number) => format!("`{number}`"),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Cuts a template into tokens. Comments vanish; trim markers have done their work.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    let mut trim = false;
    loop {
        let rest = &text[lexer.at..];
        let (before, action) = match rest.find("{{") {
            Some(length) => (&rest[..length], Some(lexer.at + length)),
            None => (rest, None),
        };
        // Go trims these four and no others.
        let white: &[char] = &[' ', '\t', '\r', '\n'];
        let mut shown = if trim { before.trim_start_matches(white) } else { before };
        let trim_before = action.is_some_and(|open| opens_with_trim(&text[open + 2..]));
        if trim_before {
            shown = shown.trim_end_matches(white);
        }
        if !shown.is_empty() {
            lexer.push(lexer.at, TokenKind::Text(shown.to_owned()), false);
        }
        let Some(open) = action else { return Ok(lexer.tokens) };
        lexer.at = open + if trim_before { 3 } else { 2 };
        trim = lexer.action(open)?;
    }
}

fn opens_with_trim(action: &str) -> bool {
    action.strip_prefix('-').is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']))
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn push(&mut self, at: usize, kind: TokenKind, spaced: bool) {
        self.tokens.push(Token { at, kind, spaced });
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Reads an action to its end. Returns whether the text behind it is trimmed.
    fn action(&mut self, open: usize) -> Result<bool, TemplateError> {
        let inner = self.rest().trim_start();
        if inner.starts_with("/*") {
            return self.comment(open);
        }
        self.push(open, TokenKind::Open, false);
        loop {
            let before = self.at;
            self.at += self.rest().len() - self.rest().trim_start().len();
            let spaced = self.at > before;
            let close = if spaced && self.rest().starts_with("-}}") {
                Some((3, true))
            } else {
                self.rest().starts_with("}}").then_some((2, false))
            };
            if let Some((length, trim)) = close {
                self.push(self.at, TokenKind::Close, spaced);
                self.at += length;
                return Ok(trim);
            }
            if self.rest().is_empty() {
                return Err(Kind::OpenAction.at(open));
            }
            let at = self.at;
            let kind = self.token()?;
            self.push(at, kind, spaced);
        }
    }

    fn comment(&mut self, open: usize) -> Result<bool, TemplateError> {
        let error = || Kind::OpenComment.at(open);
        let length = self.rest().find("*/").ok_or_else(error)?;
        self.at += length + 2;
        let rest = self.rest();
        let (skip, trim) = if rest.starts_with("}}") {
            (2, false)
        } else {
            let inner = rest.trim_start();
            if inner.len() == rest.len() || !inner.starts_with("-}}") {
                return Err(error());
            }
            (rest.len() - inner.len() + 3, true)
        };
        self.at += skip;
        Ok(trim)
    }

    fn token(&mut self) -> Result<TokenKind, TemplateError> {
        let (at, rest) = (self.at, self.rest());
        let first = rest.chars().next().unwrap_or_default();
        let second = rest[first.len_utf8()..].chars().next().unwrap_or_default();
        match first {
            '"' => self.quoted(),
            '`' => {
                let length = rest[1..].find('`').ok_or_else(|| Kind::OpenString.at(at))?;
                let text = rest[1..=length].to_owned();
                self.at += length + 2;
                Ok(TokenKind::String(text))
            }
            '\'' => Err(Kind::Unsupported { word: "'…' (a character)".to_owned() }.at(at)),
            '0'..='9' => self.number(),
            '.' | '+' | '-' if second.is_ascii_digit() => self.number(),
            '.' => {
                let name = word(&rest[1..]).to_owned();
                self.at += 1 + name.len();
                Ok(if name.is_empty() { TokenKind::Dot } else { TokenKind::Field(name) })
            }
            '$' => {
                let name = format!("${}", word(&rest[1..]));
                self.at += name.len();
                Ok(TokenKind::Variable(name))
            }
            c if c == '_' || c.is_alphabetic() => {
                let name = word(rest).to_owned();
                self.at += name.len();
                Ok(TokenKind::Word(name))
            }
            found => {
                let sign = [":=", "(", ")", "|", ",", "="].into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| Kind::Character { found }.at(at))?;
                self.at += sign.len();
                Ok(TokenKind::Sign(sign))
            }
        }
    }

    fn number(&mut self) -> Result<TokenKind, TemplateError> {
        let (at, rest) = (self.at, self.rest());
        // A sign stands at the start or after an exponent's `e`.
        let mut last = ' ';
        let length = rest
            .find(|c: char| {
                let sign = matches!(c, '+' | '-') && matches!(last, ' ' | 'e' | 'E');
                last = c;
                !(sign || c == '.' || c == '_' || c.is_alphanumeric())
            })
            .unwrap_or(rest.len());
        let text = &rest[..length];
        let kind = match text.parse::<i64>() {
            // In Go a number that begins with 0 is octal, and `1_000` is one thousand; neither is worth its code.
            Ok(number) if !text.trim_start_matches(['+', '-']).starts_with('0') || number == 0 => {
                TokenKind::Integer(number)
            }
            Err(_) if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => {
                let error = |_| Kind::Number { text: text.to_owned() }.at(at);
                TokenKind::Float(text.parse().map_err(error)?)
            }
            _ => return Err(Kind::Number { text: text.to_owned() }.at(at)),
        };
        self.at += length;
        Ok(kind)
    }

    fn quoted(&mut self) -> Result<TokenKind, TemplateError> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(Kind::OpenString.at(open)) };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(TokenKind::String(text));
                }
                '\n' => return Err(Kind::OpenString.at(open)),
                '\\' => text.push(self.escape()?),
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// Reads an escape sequence of a Go string.
    fn escape(&mut self) -> Result<char, TemplateError> {
        let (at, rest) = (self.at, self.rest());
        let c = rest[1..].chars().next().unwrap_or_default();
        let error = |length: usize| {
            let escape = rest.chars().take(length).collect();
            Kind::Escape { escape }.at(at)
        };
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits > 0 {
            let hex = rest.get(2..2 + digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            let number = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
            // `\x80` and above would be single bytes, which no text of ours can hold.
            let c = number.filter(|&n| c != 'x' || n < 0x80).and_then(char::from_u32);
            self.at += 2 + digits;
            return c.ok_or_else(|| error(2 + digits));
        }
        self.at += 1 + c.len_utf8();
        match c {
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'a' => Ok('\u{7}'),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'v' => Ok('\u{b}'),
            '\\' | '"' => Ok(c),
            _ => Err(error(2)),
        }
    }
}

/// The letters, digits and underscores that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

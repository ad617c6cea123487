//! Dockerfile text to syntax tree.
//!
//! Owns the language: lines, directives, heredocs, flags, word expansion, and the [syntax tree](ast) with its typed
//! instructions. Pure: reads no files and no environment, looks up no image. What a text means beyond its syntax
//! (which stage a name refers to, what a variable holds) is for others, who call [`Word::expand`](word::Word::expand)
//! with the variables that they know.
//!
//! The way through the files: `lines` joins physical lines to logical ones, `parse` takes these one by one,
//! `flags`, `heredoc` and `mount` read their parts, `error` says what went wrong.
//!
//! Follows the reference front end where that differs from its documentation. On purpose stricter: a `RUN` without a
//! command, a wrong `ONBUILD` trigger and a wrong `--mount` are errors where they are written. On purpose more
//! lenient: in a RUN a shell operator ends a heredoc's name (`<<EOF|sh`), and `<<` in `$((…))` is a shift.

pub mod ast;
mod directives;
mod duration;
mod error;
mod flags;
pub mod heredoc;
mod lines;
pub mod mount;
mod parse;
pub mod port;
pub mod remote;
pub mod signal;
pub mod word;

pub use directives::{detect_syntax, parse_check};
pub use duration::parse as parse_duration;
pub use error::{ParseError, ParseErrorKind, Warning, WarningKind};
pub use parse::{Parsed, parse, parse_trigger};

#[cfg(test)]
mod tests;

//! Go templates, as `--format` takes them.
//!
//! The part of the language that people write on command lines, on JSON values: fields, variables, pipes,
//! `if`, `with`, `range`, functions, trim markers and comments. What is not supported is
//! refused with its name and place, never ignored. Values print as Go's `fmt` prints them (`[a b]`, `map[k:v]`).
//!
//! Three passes: `lex` cuts the text into tokens, `parse` makes a tree of them, `eval` runs it.
//!
//! Docker runs templates on Go structs, where a field that a struct lacks is an error, an empty one is there all the same,
//! and a key that a map lacks is no error. JSON has objects only; a [`Shape`] says what they are.

mod compare;
mod error;
mod eval;
mod format;
mod function;
mod held;
mod lex;
mod parse;
mod shape;
mod value;

use serde_json::Value;

pub use error::{TemplateError, TemplateErrorKind};
use function::Json;
pub use shape::{Field, Shape};

/// How deep parentheses and blocks may be nested.
const DEPTH_MAX: usize = 64;

/// A template that has been parsed.
#[derive(Debug, Clone)]
pub struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Parses a template; every word in it is known afterwards.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { nodes: parse::parse(text)? })
    }

    /// The text that the template makes of a value of this type.
    pub fn render(&self, value: &Value, shape: Shape) -> Result<String, TemplateError> {
        eval::render(&self.nodes, value, shape, eval::Of::Value, Json::Compact)
    }

    /// The same; `json` breaks lines and indents them by two spaces, as in buildx's templates.
    pub fn render_indented(&self, value: &Value, shape: Shape) -> Result<String, TemplateError> {
        eval::render(&self.nodes, value, shape, eval::Of::Value, Json::Indented)
    }

    /// The headers of a table that the template makes: `value` has a header in the place of each field, which
    /// functions that change a text leave as it is.
    pub fn render_headers(&self, value: &Value, shape: Shape) -> Result<String, TemplateError> {
        eval::render(&self.nodes, value, shape, eval::Of::Headers, Json::Compact)
    }
}

/// The template of a list command's `--format`, in which `\t` and `\n` stand for a tab and a line end also outside of
/// strings. `inspect` does not have this.
pub fn unescape_list_format(format: &str) -> String {
    format.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests;

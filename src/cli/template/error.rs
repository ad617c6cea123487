//! What can be wrong with a template, and where.

/// A template cannot be parsed, or not be run on the value it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the format has an error at column {column}: {kind}")]
pub struct TemplateError {
    /// The place in the template, in bytes, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// `{{` without `}}`.
    #[error("`{{{{` is never closed")]
    OpenAction,
    /// `{{/*` without `*/}}`.
    #[error("a comment is never closed, or does not end with `*/}}}}`")]
    OpenComment,
    /// A string without its closing quote.
    #[error("a string is never closed")]
    OpenString,
    /// An escape sequence that Go does not have.
    #[error("`{escape}` is not an escape sequence")]
    Escape {
        /// The sequence.
        escape: String,
    },
    /// A number that is none.
    #[error("`{text}` is not a number")]
    Number {
        /// The word.
        text: String,
    },
    /// A character that no word begins with.
    #[error("unexpected character `{found}`")]
    Character {
        /// The character.
        found: char,
    },
    /// A word in a place where it cannot stand.
    #[error("unexpected {found}, expected {expected}")]
    Unexpected {
        /// The word.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// `if`, `with` or `range` without `end`.
    #[error("`{keyword}` has no `{{{{end}}}}`")]
    NoEnd {
        /// The word that opened the block.
        keyword: &'static str,
    },
    /// A word of the language that strata does not have.
    #[error("`{word}` is not supported")]
    Unsupported {
        /// The word.
        word: String,
    },
    /// A function that neither Go nor Docker has.
    #[error("there is no function `{name}`")]
    Function {
        /// Its name.
        name: String,
    },
    /// A variable that was not declared here.
    #[error("there is no variable `{name}`")]
    Variable {
        /// Its name.
        name: String,
    },
    /// Too many blocks or parentheses inside each other.
    #[error("more than 64 levels of nesting")]
    Depth,
    /// The value has no such field.
    #[error("there is no field `{field}`{}", list(.known))]
    Field {
        /// The field, with the fields before it.
        field: String,
        /// The fields that there are.
        known: Vec<String>,
    },
    /// A field of something that has no fields.
    #[error("cannot take the field `{field}` of {found}")]
    FieldOf {
        /// The field.
        field: String,
        /// What it was asked of.
        found: &'static str,
    },
    /// A value that is not a function was given arguments.
    #[error("{what} cannot be given arguments")]
    NotAFunction {
        /// What it is.
        what: String,
    },
    /// A function was given too few or too many arguments.
    #[error("`{function}` takes {expected}, not {found}")]
    Arguments {
        /// The function.
        function: String,
        /// How many it takes.
        expected: &'static str,
        /// How many it was given.
        found: usize,
    },
    /// A function was given an argument that it cannot use.
    #[error("`{function}` cannot be used with {found}: expected {expected}")]
    Argument {
        /// The function.
        function: String,
        /// What it was given.
        found: String,
        /// What it takes.
        expected: &'static str,
    },
    /// An index outside of a list or a string.
    #[error("index {index} is out of range: the length is {length}")]
    Range {
        /// The index.
        index: String,
        /// How long the list is.
        length: usize,
    },
    /// Two values of kinds that Go does not compare.
    #[error("cannot compare {left} with {right}")]
    Compare {
        /// The first value.
        left: &'static str,
        /// The second value.
        right: &'static str,
    },
    /// `printf` was asked for what it cannot do.
    #[error("`printf` cannot do `{verb}`{}", of.map(|of| format!(" with {of}")).unwrap_or_default())]
    Verb {
        /// The verb with its flags.
        verb: String,
        /// The argument, if there is one.
        of: Option<&'static str>,
    },
    /// `range` over something that has no elements.
    #[error("cannot range over {found}")]
    NoElements {
        /// What it was.
        found: &'static str,
    },
}

impl TemplateErrorKind {
    /// The error at a byte of the template.
    pub(super) fn at(self, offset: usize) -> TemplateError {
        TemplateError { column: offset + 1, kind: self }
    }
}

/// The fields that there are, for a message.
fn list(fields: &[String]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let names: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    format!("; there are {}", names.join(", "))
}

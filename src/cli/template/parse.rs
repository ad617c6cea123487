//! Tokens to a tree. Names of functions and variables are checked here, so that a mistake is found before any
//! output.

use serde_json::Value;

use super::DEPTH_MAX;
use super::error::{TemplateError, TemplateErrorKind as Kind};
use super::function::Function;
use super::lex::{Token, TokenKind, lex};

/// A piece of a template.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text outside of actions.
    Text(String),
    /// `{{ … }}`
    Action(Pipeline),
    /// `{{if}}` or `{{with}}`, which also sets the dot.
    Branch { with: bool, condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    /// `{{range}}`
    Range { over: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
}

/// Commands, each given the value of the one before it as its last argument.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    pub(super) binding: Binding,
    pub(super) commands: Vec<Command>,
}

/// What becomes of a pipeline's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// It is used where the pipeline stands.
    None,
    /// `$x := …`, or in a range also `$k, $v := …`.
    Declare(Vec<String>),
    /// `$x = …`
    Assign(String),
}

/// An operand with the operands that are its arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// Something that has a value.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) kind: OperandKind,
    /// Fields taken of it one after the other, with their places.
    pub(super) fields: Vec<(usize, String)>,
}

/// What an operand is.
#[derive(Debug, Clone)]
pub(super) enum OperandKind {
    Dot,
    Variable(String),
    Literal(Value),
    Pipeline(Pipeline),
    Function(Function),
}

/// Words of Go's language that are known and not supported.
const UNSUPPORTED: [&str; 9] =
    ["define", "template", "block", "break", "continue", "call", "html", "js", "urlquery"];

/// Parses a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens, next: 0, end: text.len(), variables: vec!["$".to_owned()], depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        None => Ok(nodes),
        Some((at, end)) => {
            let found = format!("`{}`", end.word());
            Err(Kind::Unexpected { found, expected: "text or an action outside of blocks" }.at(at))
        }
    }
}

/// What ends a list of nodes inside a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    End,
    Else,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Else => "else",
        }
    }
}

/// Nodes, and what ended them and where; `None` for the end of the template.
type Body = (Vec<Node>, Option<(usize, End)>);

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// The length of the template.
    end: usize,
    /// The variables that are in scope.
    variables: Vec<String>,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.at)
    }

    fn unexpected(&self, expected: &'static str) -> TemplateError {
        let found = self.peek().map_or_else(|| "end of the format".to_owned(), TokenKind::describe);
        Kind::Unexpected { found, expected }.at(self.at())
    }

    fn take_sign(&mut self, sign: &'static str) -> bool {
        let found = self.peek() == Some(&TokenKind::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Word(found)) if found == word);
        self.next += usize::from(found);
        found
    }

    fn expect_close(&mut self) -> Result<(), TemplateError> {
        match self.peek() {
            Some(TokenKind::Close) => {
                self.next += 1;
                Ok(())
            }
            _ => Err(self.unexpected("`}}`")),
        }
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth == DEPTH_MAX {
            return Err(Kind::Depth.at(self.at()));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Nodes up to the end of the template or of the block.
    fn nodes(&mut self) -> Result<Body, TemplateError> {
        let mut nodes = Vec::new();
        loop {
            let at = self.at();
            match self.peek() {
                None => return Ok((nodes, None)),
                Some(TokenKind::Text(text)) => {
                    nodes.push(Node::Text(text.clone()));
                    self.next += 1;
                }
                Some(_) => {
                    self.next += 1;
                    if self.take_word("end") {
                        self.expect_close()?;
                        return Ok((nodes, Some((at, End::End))));
                    }
                    if self.take_word("else") {
                        // What follows is read by the block, which knows whether it may.
                        return Ok((nodes, Some((at, End::Else))));
                    }
                    nodes.push(self.action(at)?);
                }
            }
        }
    }

    fn action(&mut self, open: usize) -> Result<Node, TemplateError> {
        for keyword in ["if", "with", "range"] {
            if self.take_word(keyword) {
                return self.nested(|parser| parser.block(keyword, open));
            }
        }
        let pipeline = self.pipeline(1)?;
        self.expect_close()?;
        Ok(Node::Action(pipeline))
    }

    /// A block after its keyword, with its end.
    fn block(&mut self, keyword: &'static str, open: usize) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        let condition = self.pipeline(if keyword == "range" { 2 } else { 1 })?;
        self.expect_close()?;
        let (then, end) = self.nodes()?;
        let mut otherwise = Vec::new();
        match end {
            None => return Err(Kind::NoEnd { keyword }.at(open)),
            Some((_, End::End)) => {}
            Some((at, End::Else)) => {
                if keyword != "range" && self.take_word(keyword) {
                    // `else if` is a block in the other branch, and shares the end.
                    otherwise.push(self.nested(|parser| parser.block(keyword, at))?);
                } else {
                    self.expect_close()?;
                    let (nodes, end) = self.nodes()?;
                    otherwise = nodes;
                    match end {
                        Some((_, End::End)) => {}
                        None => return Err(Kind::NoEnd { keyword }.at(open)),
                        Some((at, End::Else)) => {
                            let found = "`else`".to_owned();
                            return Err(Kind::Unexpected { found, expected: "`end`" }.at(at));
                        }
                    }
                }
            }
        }
        self.variables.truncate(scope);
        Ok(match keyword {
            "range" => Node::Range { over: condition, body: then, otherwise },
            keyword => Node::Branch { with: keyword == "with", condition, then, otherwise },
        })
    }

    /// A pipeline that may declare so many variables.
    fn pipeline(&mut self, declarations: usize) -> Result<Pipeline, TemplateError> {
        let at = self.at();
        let binding = self.binding(declarations)?;
        let mut commands = vec![self.command()?];
        while self.take_sign("|") {
            let at = self.at();
            let command = self.command()?;
            if !matches!(command.first.kind, OperandKind::Function(_)) {
                return Err(
                    Kind::Unexpected { found: "value".to_owned(), expected: "a function after `|`" }.at(at)
                );
            }
            commands.push(command);
        }
        // In scope only from here: `{{$x := $x}}` needs another `$x`.
        if let Binding::Declare(names) = &binding {
            self.variables.extend(names.iter().cloned());
        }
        Ok(Pipeline { at, binding, commands })
    }

    fn binding(&mut self, declarations: usize) -> Result<Binding, TemplateError> {
        let start = self.next;
        let mut names = Vec::new();
        while let Some(TokenKind::Variable(name)) = self.peek() {
            let name = name.clone();
            let at = self.at();
            self.next += 1;
            names.push(name.clone());
            if self.take_sign(":=") {
                return Ok(Binding::Declare(names));
            }
            if names.len() == 1 && self.take_sign("=") {
                self.check_variable(&name, at)?;
                return Ok(Binding::Assign(name));
            }
            if names.len() == declarations || !self.take_sign(",") {
                break;
            }
        }
        self.next = start;
        Ok(Binding::None)
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let first = self.operand()?.ok_or_else(|| self.unexpected("a value or a function"))?;
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand()? {
            arguments.push(argument);
        }
        if !arguments.is_empty() && !matches!(first.kind, OperandKind::Function(_)) {
            let what = match (&first.kind, first.fields.last()) {
                (_, Some((_, field))) => format!("the field `{field}`"),
                (OperandKind::Variable(name), None) => format!("the variable `{name}`"),
                _ => "a value".to_owned(),
            };
            return Err(Kind::NotAFunction { what }.at(first.at));
        }
        Ok(Command { first, arguments })
    }

    /// One operand with its fields, if one stands here.
    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let at = self.at();
        let Some(token) = self.tokens.get(self.next) else { return Ok(None) };
        let mut fields = Vec::new();
        let kind = match token.kind.clone() {
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Field(name) => {
                fields.push((at, name));
                OperandKind::Dot
            }
            TokenKind::Variable(name) => {
                self.check_variable(&name, at)?;
                OperandKind::Variable(name)
            }
            TokenKind::String(text) => OperandKind::Literal(Value::String(text)),
            TokenKind::Integer(number) => OperandKind::Literal(number.into()),
            TokenKind::Float(number) => OperandKind::Literal(number.into()),
            TokenKind::Word(word) => match word.as_str() {
                "true" | "false" => OperandKind::Literal(Value::Bool(word == "true")),
                "nil" => OperandKind::Literal(Value::Null),
                name => OperandKind::Function(function(name, at)?),
            },
            TokenKind::Sign("(") => {
                self.next += 1;
                let inner = self.nested(|parser| parser.pipeline(0))?;
                if self.peek() != Some(&TokenKind::Sign(")")) {
                    return Err(self.unexpected("`)`"));
                }
                OperandKind::Pipeline(inner)
            }
            _ => return Ok(None),
        };
        self.next += 1;
        while let Some(Token { at, kind: TokenKind::Field(name), spaced: false }) = self.tokens.get(self.next)
        {
            fields.push((*at, name.clone()));
            self.next += 1;
        }
        if let (OperandKind::Function(function), Some((at, _))) = (&kind, fields.first()) {
            let found = format!("`.` behind `{}`", function.name());
            return Err(Kind::Unexpected { found, expected: "a space" }.at(*at));
        }
        Ok(Some(Operand { at, kind, fields }))
    }

    fn check_variable(&self, name: &str, at: usize) -> Result<(), TemplateError> {
        if self.variables.iter().any(|known| known == name) {
            Ok(())
        } else {
            Err(Kind::Variable { name: name.to_owned() }.at(at))
        }
    }
}

fn function(name: &str, at: usize) -> Result<Function, TemplateError> {
    if let Some(function) = Function::named(name) {
        return Ok(function);
    }
    let name = name.to_owned();
    Err(match name.as_str() {
        word if UNSUPPORTED.contains(&word) => Kind::Unsupported { word: name }.at(at),
        "if" | "with" | "range" | "end" | "else" => {
            Kind::Unexpected { found: format!("`{name}`"), expected: "a value or a function" }.at(at)
        }
        _ => Kind::Function { name }.at(at),
    })
}

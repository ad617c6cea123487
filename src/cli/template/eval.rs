//! Runs a template's tree on a value.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{TemplateError, TemplateErrorKind as Kind};
use super::function::{Function, Json};
use super::held::Held;
use super::parse::{Binding, Command, Node, Operand, OperandKind, Pipeline};
use super::shape::Shape;
use super::value::truth;

/// What a template runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A value.
    Value,
    /// The headers of a table.
    Headers,
}

/// The text that a template makes of a value.
pub(super) fn render(
    nodes: &[Node],
    value: &Value,
    shape: Shape,
    of: Of,
    json: Json,
) -> Result<String, TemplateError> {
    let dot = Held::new(Cow::Borrowed(value), shape);
    let mut run = Run { variables: vec![("$".to_owned(), dot.clone())], out: String::new(), of, json };
    run.nodes(nodes, &dot)?;
    Ok(run.out)
}

struct Run<'a> {
    /// Innermost last.
    variables: Vec<(String, Held<'a>)>,
    out: String,
    of: Of,
    json: Json,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &[Node], dot: &Held<'a>) -> Result<(), TemplateError> {
        for node in nodes {
            self.node(node, dot)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Held<'a>) -> Result<(), TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.bound(pipeline, dot)?;
                if pipeline.binding == Binding::None {
                    self.out.push_str(&value.print());
                }
            }
            Node::Branch { with, condition, then, otherwise } => {
                let scope = self.variables.len();
                let value = self.bound(condition, dot)?;
                match (truth(&value.value), with) {
                    (true, true) => self.nodes(then, &value)?,
                    (true, false) => self.nodes(then, dot)?,
                    (false, _) => self.nodes(otherwise, dot)?,
                }
                self.variables.truncate(scope);
            }
            Node::Range { over, body, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipeline(over, dot)?;
                let elements = value.elements().map_err(|kind| kind.at(over.at))?;
                if elements.is_empty() {
                    self.nodes(otherwise, dot)?;
                }
                for (key, element) in elements {
                    self.bind_element(&over.binding, key, &element);
                    self.nodes(body, &element)?;
                    self.variables.truncate(scope);
                }
            }
        }
        Ok(())
    }

    /// `$v` is the element, `$k, $v` are its key or number and itself.
    fn bind_element(&mut self, binding: &Binding, key: Value, element: &Held<'a>) {
        match binding {
            Binding::Declare(names) => match names.as_slice() {
                [value] => self.variables.push((value.clone(), element.clone())),
                [name, value] => {
                    self.variables.push((name.clone(), Held::any(key)));
                    self.variables.push((value.clone(), element.clone()));
                }
                _ => {}
            },
            Binding::Assign(name) => self.assign(name, element.clone()),
            Binding::None => {}
        }
    }

    fn assign(&mut self, name: &str, value: Held<'a>) {
        if let Some((_, variable)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *variable = value;
        }
    }

    /// The value of a pipeline, which is also given to the pipeline's variable.
    fn bound(&mut self, pipeline: &Pipeline, dot: &Held<'a>) -> Result<Held<'a>, TemplateError> {
        let value = self.pipeline(pipeline, dot)?;
        match &pipeline.binding {
            Binding::Declare(names) => {
                self.variables.extend(names.iter().map(|name| (name.clone(), value.clone())));
            }
            Binding::Assign(name) => self.assign(name, value.clone()),
            Binding::None => {}
        }
        Ok(value)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Held<'a>) -> Result<Held<'a>, TemplateError> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or_else(|| Held::any(Value::Null)))
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Held<'a>,
        piped: Option<Held<'a>>,
    ) -> Result<Held<'a>, TemplateError> {
        match &command.first.kind {
            OperandKind::Function(function) => self.call(*function, command, dot, piped),
            _ => self.operand(&command.first, dot),
        }
    }

    fn call(
        &mut self,
        function: Function,
        command: &Command,
        dot: &Held<'a>,
        piped: Option<Held<'a>>,
    ) -> Result<Held<'a>, TemplateError> {
        let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
        for argument in &command.arguments {
            let value = self.operand(argument, dot)?;
            // `and` and `or` do not look at what comes behind the argument that decides.
            let decides = function.decided_by().is_some_and(|deciding| truth(&value.value) == deciding);
            if decides {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(piped);
        if self.of == Of::Headers && function.keeps_headers() && !arguments.is_empty() {
            return Ok(arguments.swap_remove(0));
        }
        function.call(arguments, self.json).map_err(|kind| kind.at(command.first.at))
    }

    fn operand(&mut self, operand: &Operand, dot: &Held<'a>) -> Result<Held<'a>, TemplateError> {
        let mut value = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let unknown = || Kind::Variable { name: name.clone() }.at(operand.at);
                known.map(|(_, value)| value.clone()).ok_or_else(unknown)?
            }
            OperandKind::Literal(value) => Held::any(value.clone()),
            OperandKind::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            OperandKind::Function(function) => {
                function.call(Vec::new(), self.json).map_err(|kind| kind.at(operand.at))?
            }
        };
        let mut path = String::new();
        for (at, field) in &operand.fields {
            path.push('.');
            path.push_str(field);
            value = value.field(field, &path).map_err(|kind| kind.at(*at))?;
        }
        Ok(value)
    }
}

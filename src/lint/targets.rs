//! The stages of a file, as somebody sees them who looks for one to build.

use crate::diagnostic::Span;
use crate::dockerfile::ast::Dockerfile;

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name; `None` for a stage that can only be built as the last one.
    pub name: Option<String>,
    /// What the comment above says of it.
    pub description: Option<String>,
    /// Is it built when nobody chooses?
    pub is_default: bool,
    /// What it starts from, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// Its FROM.
    pub span: Span,
}

/// The stages in the order of the file.
pub fn targets(dockerfile: &Dockerfile) -> Vec<Target> {
    let last = dockerfile.stages.len() - 1;
    let target = |(index, stage): (usize, &crate::dockerfile::ast::Stage)| {
        let from = &stage.from;
        let name = stage.name();
        Target {
            name: name.map(str::to_owned),
            description: name.and_then(|name| from.description(name)).map(str::to_owned),
            is_default: index == last,
            base: from.kind.image.text.clone(),
            platform: from.kind.platform.as_ref().map(|word| word.text.clone()),
            span: from.span,
        }
    };
    dockerfile.stages.iter().enumerate().map(target).collect()
}

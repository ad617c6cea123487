//! Variables: which are in effect, which were declared by ARG, and how words are expanded with them.
//!
//! ARG and ENV write into one table, so that the last one wins while the image is built, as in BuildKit. What the
//! image config keeps is not decided here.

use std::cell::OnceCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dockerfile::ast::{ArgItem, Dockerfile, Escape};
use crate::dockerfile::word::{Expanded, Word};

use super::error::{PlanError, PlanErrorKind};
use super::{Options, scan};

/// ARGs that speak to the builder and never reach a command.
const NOT_IN_ENVIRONMENT: [&str; 2] = [scan::SCAN_CONTEXT, scan::SCAN_STAGE];

/// The proxy variables in upper case; a build argument of such a name, in any case, needs no ARG.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The variables at one place of the file.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Shared with the RUNs that see them, until one changes.
    variables: Arc<BTreeMap<String, String>>,
    /// Each ARG so far, in order, with its value at that place. A name may come several times.
    arguments: Vec<(String, Option<String>)>,
    /// What [`Scope::shown_arguments`] gives, until a variable changes.
    shown: OnceCell<Box<str>>,
    escape: Escape,
}

impl Scope {
    /// No variables.
    pub(crate) fn new(escape: Escape) -> Self {
        Self { variables: Arc::default(), arguments: Vec::new(), shown: OnceCell::new(), escape }
    }

    /// The variables of FROM lines: the predefined ones and the ARGs before the first FROM.
    pub(crate) fn global(dockerfile: &Dockerfile, options: &Options) -> Result<Self, Vec<PlanError>> {
        let mut scope = Self::new(dockerfile.directives.escape);
        for (name, value) in predefined(dockerfile, options) {
            scope.set(name, options.build_args.get(name).cloned().unwrap_or(value));
        }
        let mut errors = Vec::new();
        for item in dockerfile.global_args.iter().flat_map(|statement| &statement.kind.items) {
            if let Err(error) = scope.declare(item, options, None) {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(scope) } else { Err(errors) }
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(&mut self.variables).insert(name.into(), value.into());
        self.shown.take();
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The variables in effect.
    pub(crate) fn variables(&self) -> &Arc<BTreeMap<String, String>> {
        &self.variables
    }

    /// Takes an item of an ARG: the user's value, the default, or the `global` value, whichever comes first. Gives
    /// the name, the value if there is one, and the variables that were missing on the way. A default that is not
    /// needed is not expanded.
    pub(crate) fn declare(
        &mut self,
        item: &ArgItem,
        options: &Options,
        global: Option<&Self>,
    ) -> Result<Declared, PlanError> {
        let Expanded { text: name, mut unmatched } = self.expand(&item.name)?;
        if name.is_empty() {
            return Err(PlanErrorKind::BlankName { instruction: "ARG" }.at(item.name.span));
        }
        let value = match (options.build_args.get(&name), &item.default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(default)) => {
                let expanded = self.expand(default)?;
                unmatched.extend(expanded.unmatched);
                Some(expanded.text)
            }
            (None, None) => global.and_then(|global| global.get(&name)).map(str::to_owned),
        };
        if let Some(value) = &value
            && !NOT_IN_ENVIRONMENT.contains(&name.as_str())
        {
            self.set(&name, value);
        }
        self.arguments.push((name.clone(), value.clone()));
        self.shown.take();
        Ok(Declared { name, value, unmatched })
    }

    /// The ARGs so far as the history has them, with a blank before: ` |2 a=1 b=2`; nothing if there are none.
    pub(super) fn shown_arguments(&self) -> &str {
        self.shown.get_or_init(|| {
            let arguments = self.arguments();
            let mut text = String::new();
            if !arguments.is_empty() {
                text.extend([" |", &arguments.len().to_string()]);
            }
            for (name, value) in arguments {
                text.extend([" ", name, "=", value]);
            }
            text.into()
        })
    }

    /// The ARGs so far with their values of now, each name once, in the order of first declarations.
    fn arguments(&self) -> Vec<(&str, &str)> {
        let mut arguments: Vec<(&str, &str)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, declared) in &self.arguments {
            let value = self.get(name).or(declared.as_deref()).unwrap_or_default();
            match places.entry(name) {
                Entry::Occupied(place) => arguments[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    place.insert(arguments.len());
                    arguments.push((name, value));
                }
            }
        }
        arguments
    }

    /// Whether an ARG so far has this name.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.arguments.iter().any(|(known, _)| known == name)
    }

    /// The value of the last ARG of this name that has one.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let found = self.arguments.iter().rev().find(|(known, value)| known == name && value.is_some());
        found.and_then(|(_, value)| value.as_deref())
    }

    /// Gives `reader` the means to look up variables.
    pub(crate) fn with_lookup<T>(&self, reader: impl FnOnce(&dyn Fn(&str) -> Option<String>) -> T) -> T {
        reader(&|name| self.variables.get(name).cloned())
    }

    /// The character that escapes in words.
    pub(crate) fn escape(&self) -> Escape {
        self.escape
    }

    /// Expands a word.
    pub(crate) fn expand(&self, word: &Word) -> Result<Expanded, PlanError> {
        self.with_lookup(|lookup| word.expand(lookup, self.escape)).map_err(PlanError::from)
    }
}

/// What an item of an ARG came to.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: Option<String>,
    /// Variables that it uses but that are not set.
    pub(crate) unmatched: Vec<String>,
}

/// The variables that every build has: platforms and the stage that is built.
fn predefined(dockerfile: &Dockerfile, options: &Options) -> Vec<(&'static str, String)> {
    let last = dockerfile.stages.last().and_then(|stage| stage.name());
    let stage = options.target.as_deref().or(last).unwrap_or("default");
    let (build, target) = (&options.build_platform, &options.platform);
    vec![
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", build.variant.clone()),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", target.variant.clone()),
        ("TARGETSTAGE", stage.to_owned()),
    ]
}

/// The proxy variables, in both cases, that the user's build arguments ask for. Sorted.
pub(super) fn proxies(options: &Options) -> Vec<(String, String)> {
    let mut variables = BTreeMap::new();
    for (name, value) in options.build_args.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(proxy) = PROXIES.iter().find(|proxy| proxy.eq_ignore_ascii_case(name)) {
            variables.insert((*proxy).to_owned(), value.clone());
            variables.insert(proxy.to_ascii_lowercase(), value.clone());
        }
    }
    variables.into_iter().collect()
}

/// The names of build arguments that nothing in the file can see. `declared` are the names of all ARGs.
pub(crate) fn not_consumed<'o>(
    dockerfile: &Dockerfile,
    options: &'o Options,
    declared: &BTreeSet<String>,
) -> Vec<&'o str> {
    let predefined = predefined(dockerfile, options);
    let known = |name: &str| {
        declared.contains(name)
            || name.starts_with("BUILDKIT_")
            || name == "SOURCE_DATE_EPOCH"
            || PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
            || predefined.iter().any(|(predefined, _)| *predefined == name)
    };
    options.build_args.keys().map(String::as_str).filter(|name| !known(name)).collect()
}

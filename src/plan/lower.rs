//! Lowering: one stage after the other, one instruction after the other.
//!
//! Each instruction sees a [`Stage`]: what the instructions before it made of config, variables and file system. It
//! changes them, and adds steps and a line of history. A wrong instruction is reported and skipped, so that one run
//! finds all that is wrong; stages that go on from a wrong stage are not looked at.

mod config;
mod copy;
mod mounts;
mod platform;
mod remote;
mod run;

pub(super) use copy::everything;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::diagnostic::Span;
use crate::dockerfile::ast::{Arg, Dockerfile, Instruction, InstructionKind, Statement};
use crate::dockerfile::word::{Word, expand_text};
use crate::oci::{Config, DEFAULT_PATH, Platform};

use super::error::{PlanError, PlanErrorKind};
use super::graph::Graph;
use super::join::FOR;
use super::scope::Scope;
use super::stages::{Needed, Origin, Stages};
use super::triggers::Trigger;
use super::{
    BaseId, Chosen, ContextName, HistoryItem, ImageKey, Images, Options, Plan, Root, Scans, Step, StepKind,
    Stop, Target, scan,
};

/// See [`super::lower()`], and [`super::lower_until()`] for `place`.
pub(super) fn lower(
    dockerfile: &Dockerfile,
    options: &Options,
    images: &Images,
    place: Option<Span>,
) -> Result<(Plan, Option<Stop>), Vec<PlanError>> {
    let stages = Stages::find(dockerfile, options, images)?;
    let mut lowering = Lowering {
        options,
        stages: &stages,
        graph: Graph::new(images),
        done: BTreeMap::new(),
        errors: Vec::new(),
        stop: Stopping { place, stop: None },
    };
    for needed in &stages.needed {
        let errors = lowering.errors.len();
        if let Some(stage) = lowering.stage(needed)
            && errors == lowering.errors.len()
        {
            lowering.done.insert(needed.index, stage);
        }
    }
    let Lowering { graph, errors, mut done, stop, .. } = lowering;
    let scans = scans(&stages, &done);
    let last = stages.needed.last().and_then(|needed| Some((needed, done.remove(&needed.index)?)));
    let Some((needed, stage)) = last.filter(|_| errors.is_empty()) else {
        return Err(errors);
    };
    let target = stage.into_target(needed, options);
    let (bases, contexts, steps) = graph.finish();
    Ok((Plan { bases, contexts, steps, target, scans }, stop.stop))
}

/// What the ARGs of the needed stages say of scans. Only the target speaks for the context.
fn scans(stages: &Stages<'_>, done: &BTreeMap<usize, State>) -> Scans {
    // Looked for once: there may be as many ARGs as stages.
    let globals = [scan::SCAN_CONTEXT, scan::SCAN_STAGE].map(|name| (name, stages.globals.argument(name)));
    let asks = |(argument, for_all), needed: &Needed<'_>, state: &State| {
        let number = format!("stage-{}", needed.index);
        let name = needed.stage.name().unwrap_or(&number);
        scan::is_asked_for(argument, name, &state.scope, for_all).then(|| name.to_owned())
    };
    let states = stages.needed.iter().filter_map(|needed| Some((needed, done.get(&needed.index)?)));
    let mut states: Vec<_> = states.collect();
    let Some((target, state)) = states.pop() else { return Scans::default() };
    let context = asks(globals[0], target, state).is_some();
    let stages =
        states.into_iter().filter_map(|(needed, state)| Some((asks(globals[1], needed, state)?, state.root)));
    Scans { context, stages: stages.collect() }
}

/// Where a build shall end before its end.
struct Stopping {
    /// The instruction whose first step is looked for.
    place: Option<Span>,
    /// That step, once it was met.
    stop: Option<Stop>,
}

struct Lowering<'a> {
    options: &'a Options,
    stages: &'a Stages<'a>,
    graph: Graph<'a>,
    done: BTreeMap<usize, State>,
    errors: Vec<PlanError>,
    stop: Stopping,
}

/// What instructions make of a stage.
#[derive(Debug, Clone)]
struct State {
    root: Root,
    base: Option<BaseId>,
    /// The platform that the base says it is for, if it does.
    base_platform: Option<Platform>,
    config: Config,
    author: Option<String>,
    scope: Scope,
    history: Vec<HistoryItem>,
    /// What its programs run on.
    platform: Platform,
    /// Whether the stage itself has a CMD, which an ENTRYPOINT then keeps.
    has_cmd: bool,
}

/// The one who counts `[name 2/4]`.
#[derive(Debug)]
struct Counter {
    /// The platform and the stage's name, each with a blank, or nothing.
    stage: String,
    next: usize,
    /// `/total] `
    end: String,
}

impl Counter {
    fn new(needed: &Needed<'_>, are_several: bool, options: &Options) -> Self {
        let counts = |instruction: &&Instruction| {
            use InstructionKind::{Add, Copy, Run, Workdir};
            matches!(instruction.kind, Run(_) | Copy(_) | Add(_) | Workdir(_))
        };
        let from = usize::from(matches!(needed.origin, Origin::Image(_) | Origin::Files(_)));
        let stage = match needed.stage.name() {
            _ if !are_several => String::new(),
            Some(name) => format!("{name} "),
            None => format!("stage-{} ", needed.index),
        };
        let stage = format!("{}{stage}", platform_label(&needed.platform, options));
        let triggers = needed.triggers.iter().map(|trigger| &trigger.instruction);
        let counted = triggers.chain(needed.instructions()).filter(counts).count();
        Self { stage, next: 1, end: format!("/{}] ", from + counted) }
    }

    /// The parts of `text` as what progress shows.
    fn name(&mut self, text: &[&str]) -> String {
        let Self { stage, next, end } = self;
        let number = next.to_string();
        let width = end.len() - "/] ".len();
        let mut name = String::with_capacity(
            1 + stage.len() + width + end.len() + text.iter().map(|part| part.len()).sum::<usize>(),
        );
        name.push('[');
        name.push_str(stage);
        name.extend(std::iter::repeat_n(' ', width.saturating_sub(number.len())));
        name.extend([&number, end.as_str()]);
        name.extend(text.iter().copied());
        self.next += 1;
        name
    }
}

/// What progress says of a platform where there are several, with a blank: that of the stage, and what for if it is another.
fn platform_label(own: &Platform, options: &Options) -> String {
    if options.chosen != Chosen::AmongOthers {
        return String::new();
    }
    let target = &options.platform;
    if own == target {
        return format!("{own} ");
    }
    let variant = if target.variant.is_empty() { String::new() } else { format!("/{}", target.variant) };
    format!("{own}{FOR}{}{variant} ", target.architecture)
}

/// A stage while its instructions are read.
struct Stage<'s, 'a> {
    options: &'a Options,
    stages: &'a Stages<'a>,
    graph: &'s mut Graph<'a>,
    done: &'s BTreeMap<usize, State>,
    index: usize,
    /// Whether its steps are done anew.
    no_cache: bool,
    counter: Counter,
    state: State,
    stop: &'s mut Stopping,
    /// The trigger that is running, and where the FROM names what has it.
    trigger: Option<(&'s Trigger, Span)>,
}

impl Lowering<'_> {
    /// Lowers a stage. `None` if it could not be started; errors in it are collected.
    fn stage(&mut self, needed: &Needed<'_>) -> Option<State> {
        let mut counter = Counter::new(needed, self.stages.are_several(), self.options);
        let state = match &needed.origin {
            Origin::Stage(parent) => Ok(self.done.get(parent)?.continued()),
            Origin::Scratch => Ok(self.scratch()),
            Origin::Image(reference) => self.image(reference, needed, &mut counter),
            Origin::Files(name) => Ok(self.files(name, needed, &mut counter)),
        };
        let state = state.map_err(|error| self.errors.push(error)).ok()?;
        let mut stage = Stage {
            options: self.options,
            stages: self.stages,
            graph: &mut self.graph,
            done: &self.done,
            index: needed.index,
            no_cache: is_without_cache(needed, self.options),
            counter,
            state,
            stop: &mut self.stop,
            trigger: None,
        };
        for trigger in &needed.triggers {
            if let Err(error) = stage.run_trigger(trigger, needed.stage.from.kind.image.span) {
                self.errors.push(error);
            }
        }
        for instruction in needed.instructions() {
            if let Err(error) = stage.instruction(instruction) {
                self.errors.push(error);
            }
        }
        Some(stage.state)
    }

    fn scratch(&self) -> State {
        let config = Config { env: vec![default_path()], working_dir: "/".to_owned(), ..Config::default() };
        self.started(Root::Scratch, None, config, None, self.options.platform.clone())
    }

    fn image(
        &mut self,
        reference: &str,
        needed: &Needed<'_>,
        counter: &mut Counter,
    ) -> Result<State, PlanError> {
        let span = needed.stage.from.kind.image.span;
        let key = ImageKey { reference: reference.to_owned(), platform: needed.platform.clone() };
        let image = self.graph.image(&key).ok_or_else(|| not_found(reference, span))?;
        let mut config = image.config.config.clone();
        config.on_build.clear();
        let has_path = |variable: &String| variable.split_once('=').is_some_and(|(name, _)| name == "PATH");
        if !config.env.iter().any(has_path) {
            config.env.push(default_path());
        }
        if !config.working_dir.is_empty() {
            config.working_dir = config::absolute("", &config.working_dir);
        }
        let name = counter.name(&["FROM ", &image.name]);
        let base = self.graph.base(image, key, name, span);
        let author = image.config.author.clone().filter(|author| !author.is_empty());
        let base_platform = platform::of_image(image);
        let state = self.started(Root::Base(base), Some(base), config, author, needed.platform.clone());
        Ok(State { base_platform, ..state })
    }

    /// A stage that starts from the files of a named context: they become its root, in a layer of their own.
    fn files(&mut self, name: &str, needed: &Needed<'_>, counter: &mut Counter) -> State {
        let context = self.graph.context(ContextName::Named(name.to_owned()));
        let step = self.graph.step(Step {
            name: counter.name(&["FROM ", name]),
            span: needed.stage.from.kind.image.span,
            sources: Vec::new(),
            trigger: None,
            no_cache: is_without_cache(needed, self.options),
            shell: run::shell_of(&Config::default())[0].clone(),
            from: Root::Scratch,
            kind: StepKind::Copy(copy::everything(context)),
        });
        let mut state = self.scratch();
        state.platform = needed.platform.clone();
        state.root = Root::Step(step);
        state.history.push(HistoryItem { created_by: None, step: Some(step) });
        state
    }

    fn started(
        &self,
        root: Root,
        base: Option<BaseId>,
        config: Config,
        author: Option<String>,
        platform: Platform,
    ) -> State {
        let mut scope = Scope::new(self.stages.globals.escape());
        for variable in &config.env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            scope.set(name, value);
        }
        let (base_platform, history) = (None, Vec::new());
        State { root, base, base_platform, config, author, scope, history, platform, has_cmd: false }
    }
}

impl State {
    /// What a stage starts with that starts from this one.
    fn continued(&self) -> Self {
        let mut state = Self { has_cmd: false, ..self.clone() };
        state.config.on_build.clear();
        state
    }

    fn into_target(self, needed: &Needed<'_>, options: &Options) -> Target {
        let mut config = self.config;
        config.labels.extend(options.labels.clone());
        Target {
            stage: needed.stage.name().map(str::to_owned),
            root: self.root,
            base: self.base,
            config,
            author: self.author,
            platform: match self.base_platform {
                Some(platform) if options.chosen == Chosen::No => platform,
                _ => options.platform.clone(),
            },
            history: self.history,
        }
    }
}

impl<'s> Stage<'s, '_> {
    /// Does what the stage's origin asks for.
    fn run_trigger(&mut self, trigger: &'s Trigger, from: Span) -> Result<(), PlanError> {
        self.trigger = Some((trigger, from));
        let result = self.instruction(&trigger.instruction);
        self.trigger = None;
        result.map_err(|error| error.of_trigger(&trigger.text, from))
    }

    /// A place of an instruction as a place of the file.
    fn place(&self, span: Span) -> Span {
        self.trigger.map_or(span, |(_, from)| from)
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), PlanError> {
        match &instruction.kind {
            InstructionKind::Run(run) => self.run(instruction, run),
            InstructionKind::Copy(copy) => self.copy(instruction, copy),
            InstructionKind::Add(add) => self.add(instruction, add),
            InstructionKind::Arg(arg) => self.arg(arg),
            InstructionKind::Env(env) => self.env(env),
            InstructionKind::Label(label) => self.label(label),
            InstructionKind::Expose(ports) => self.expose(ports),
            InstructionKind::User(user) => self.user(user),
            InstructionKind::Workdir(path) => self.workdir(instruction, path),
            InstructionKind::Volume(paths) => self.volume(paths),
            InstructionKind::Cmd(command) => {
                self.cmd(command);
                Ok(())
            }
            InstructionKind::Entrypoint(command) => {
                self.entrypoint(command);
                Ok(())
            }
            InstructionKind::Shell(shell) => {
                self.shell(shell);
                Ok(())
            }
            InstructionKind::StopSignal(signal) => self.stop_signal(signal),
            InstructionKind::Healthcheck(check) => {
                self.healthcheck(check);
                Ok(())
            }
            InstructionKind::Maintainer(author) => {
                self.maintainer(author);
                Ok(())
            }
            InstructionKind::OnBuild(on_build) => {
                // Not in the history: it does nothing to this image.
                self.state.config.on_build.push(on_build.trigger.clone());
                Ok(())
            }
        }
    }

    fn arg(&mut self, arg: &Arg) -> Result<(), PlanError> {
        let mut items = Vec::with_capacity(arg.items.len());
        for item in &arg.items {
            let declared = self.state.scope.declare(item, self.options, Some(&self.stages.globals))?;
            items.push(match declared.value {
                Some(value) => format!("{}={value}", declared.name),
                None => declared.name,
            });
        }
        self.history(format!("ARG {}", items.join(" ")));
        Ok(())
    }

    /// Expands a word with the variables in effect.
    fn expand(&self, word: &Word) -> Result<String, PlanError> {
        Ok(self.state.scope.expand(word)?.text)
    }

    /// Notes an instruction that makes no layer.
    fn history(&mut self, created_by: String) {
        self.state.history.push(HistoryItem { created_by: Some(created_by), step: None });
    }

    /// Does `kind`. `text` is what progress shows, `created_by` what the history says, `sources` where the sources stand
    /// in the file.
    fn step(&mut self, kind: StepKind, text: &str, created_by: String, span: Span, sources: Vec<Span>) {
        let name = match self.trigger {
            Some(_) => self.counter.name(&["ONBUILD ", text]),
            None => self.counter.name(&[text]),
        };
        let trigger = self.trigger.map(|(trigger, _)| trigger.text.clone());
        let span = self.place(span);
        let shell = self.shell_program();
        let place = self.stop.place.filter(|&place| place == span && self.stop.stop.is_none());
        let run = place.map(|_| match &kind {
            StepKind::Run(run) => run.clone(),
            StepKind::Copy(_) | StepKind::Workdir(_) => {
                self.seen_by(vec![shell.clone()], self.options.network)
            }
        });
        let (from, no_cache) = (self.state.root, self.no_cache);
        let step = Step { name, span, sources, trigger, no_cache, shell, from, kind };
        let step = self.graph.step(step);
        if let Some(run) = run {
            self.stop.stop = Some(Stop { step, run });
        }
        self.state.root = Root::Step(step);
        self.state.history.push(HistoryItem { created_by: Some(created_by), step: Some(step) });
    }

    /// The instruction as progress shows it, its variables expanded if that is possible.
    fn shown<T>(&self, statement: &Statement<T>) -> String {
        let scope = &self.state.scope;
        let expanded = scope.with_lookup(|lookup| expand_text(&statement.text, lookup, scope.escape()));
        let text = expanded.map_or_else(|_| statement.text.clone(), |expanded| expanded.text);
        match upper_case_keyword(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(text) => text,
        }
    }
}

/// Writes the first word in capitals.
fn upper_case_keyword(text: &str) -> Cow<'_, str> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    if !text[..end].bytes().any(|b| b.is_ascii_lowercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text[..end].to_ascii_uppercase() + &text[end..])
}

/// The variable that images without one get.
fn default_path() -> String {
    format!("PATH={DEFAULT_PATH}")
}

fn not_found(reference: &str, span: Span) -> PlanError {
    PlanErrorKind::ImageNotFound { reference: reference.to_owned() }.at(span)
}

/// Whether the user wants the stage's steps done anew. A stage without a name is called by its number, as in BuildKit.
fn is_without_cache(needed: &Needed<'_>, options: &Options) -> bool {
    let number = format!("stage-{}", needed.index);
    let name = needed.stage.name().unwrap_or(&number);
    options.no_cache_stages.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

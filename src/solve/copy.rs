//! COPY and ADD.

use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use crate::cache::{self, Input, Observer};
use crate::context::Dockerignore;
use crate::oci::{CacheKey, ContentDigest, Digest, FingerprintHasher};
use crate::plan::{ContextId, ContextName, Copy, InlineFile, Place, Root, Source, Step};
use crate::progress;
use crate::store::Layer;
use crate::tree::{Entry, Index, Kind, Time, TreePath, View};

use super::archive::Unpacker;
use super::assemble::{Assembly, Destination, Manner, Placed};
use super::choose::Choosing;
use super::context::Context;
use super::error::StepError;
use super::fetch::Fetched;
use super::make::make;
use super::missing::{no_context_source, no_state_source};
use super::owner::{needs_accounts, resolve_owner};
use super::source::{ItemKind, Origin, Piece, Selection, SourceItem, SourceTree, from_context, from_state};
use super::state::{Opened, State};
use super::step::{Product, Request, SOURCES, text};
use super::workdir::now;
use super::{Solver, StepResult};

impl Solver<'_> {
    pub(super) fn copy(
        &self,
        step: &Step,
        copy: &Copy,
        from: &State,
        state: &dyn Fn(Root) -> State,
        fetched: Vec<Fetched>,
        running: &progress::Step<'_>,
    ) -> Result<StepResult, StepError> {
        check_owner(copy, from)?;
        let source = match copy.from {
            Place::Context(id) => SourceTree::Context(id),
            Place::Root(root) => SourceTree::State(state(root)),
        };
        let (digest, selection) = self.digest(copy, &source)?;
        if let Some(selection) = &selection {
            tell_empty(copy, selection, running);
        }
        let digests: Vec<ContentDigest> =
            [digest].into_iter().chain(fetched.iter().map(|fetched| fetched.digest)).collect();
        let request = Request {
            step,
            from,
            action: cache::action("copy", &step.kind, &digests),
            family: cache::family("copy", text(step), &self.options.scope),
            inputs: inputs(copy, &digests),
            observes: true,
            cache: !self.options.no_cache && !step.no_cache,
        };
        let family = request.family;
        self.cached_or(&request, running, |scratch| {
            let mut selection = match selection {
                Some(selection) => selection,
                None => self.select(copy, &source)?,
            };
            let _kept = self.add_fetched(copy, fetched, &mut selection)?;
            // What is linked looks at nothing: it is put into an empty file system.
            let below = if copy.link { State::scratch() } else { from.clone() };
            let opened = below.open(self.store, self.work)?;
            let observer = Observer::new(&opened.view);
            let placed = self.assemble(copy, selection, &opened, &observer, scratch, running)?;
            // A near layer only saves space: one that cannot be read is as good as none.
            let near = self.near(&family).ok().flatten();
            if let Some((_, index)) = &near {
                tell_changes(&placed, index, running);
            }
            let near = near.as_ref().map(|(layer, index)| (layer, index));
            let context = self.scanned(copy.from);
            let made = make(&placed, near, scratch.join("part"), context.as_ref(), self.cancel)?;
            let observed = if copy.link { Vec::new() } else { observer.finish() };
            Ok(Product { made, observed })
        })
    }

    /// The digest of what the sources select, and the selection unless the digest was remembered.
    fn digest(
        &self,
        copy: &Copy,
        source: &SourceTree,
    ) -> Result<(ContentDigest, Option<Selection>), StepError> {
        let memo = match source {
            SourceTree::Context(_) => None,
            SourceTree::State(state) => {
                let mut hasher = FingerprintHasher::new("selection of v3");
                hasher.value(state.chain.key().digest());
                hasher.value(&copy.patterns().map(str::to_owned).collect::<Vec<_>>());
                hasher.value(&copy.exclude);
                hasher.value(&copy.parents);
                Some(CacheKey(hasher.finish()))
            }
        };
        if let Some(key) = &memo
            && let Some(digest) = self.store.memo(key)?
        {
            return Ok((ContentDigest(digest), None));
        }
        let selection = self.select(copy, source)?;
        let digest = selection.digest();
        if let Some(key) = &memo {
            self.store.set_memo(key, digest.digest())?;
        }
        Ok((digest, Some(selection)))
    }

    fn select(&self, copy: &Copy, source: &SourceTree) -> Result<Selection, StepError> {
        let exclude = Dockerignore::from_patterns(copy.exclude.iter().map(String::as_bytes))?;
        let choosing = Choosing { exclude, parents: copy.parents };
        let sources = match source {
            SourceTree::Context(_) if copy.patterns().next().is_none() => {
                copy.sources.iter().map(|_| Vec::new()).collect()
            }
            SourceTree::Context(id) => {
                let context = self.context(*id)?;
                let place = self.plan.contexts.get(id.0 as usize);
                let choose = |pattern: &String| {
                    let choices = context.choose(pattern, &choosing);
                    choices.map_err(|error| no_context_source(pattern, &error, &context, place))
                };
                from_context(&context, &each_pattern(copy, choose)?)?
            }
            SourceTree::State(state) => {
                let opened = state.open(self.store, self.work)?;
                let choose = |pattern: &String| {
                    let choices = choosing.choose(&opened.view, pattern);
                    let choices = choices.map_err(|error| no_state_source(pattern, error, &opened.view))?;
                    Ok(from_state(&opened, &choices)?)
                };
                each_pattern(copy, choose)?
            }
        };
        Ok(Selection { sources })
    }

    fn assemble(
        &self,
        copy: &Copy,
        selection: Selection,
        opened: &Opened,
        observer: &Observer<'_, View>,
        scratch: &Path,
        running: &progress::Step<'_>,
    ) -> Result<Placed, StepError> {
        let owner = match &copy.chown {
            None => None,
            Some(text) => Some(resolve_owner(text, opened, observer, running)?),
        };
        let now = Time::from_seconds(now());
        let mut assembly = Assembly::new(observer, Manner { owner, chmod: copy.chmod.as_ref(), now });
        let to = Destination { path: &copy.destination.path, directory: copy.destination.directory };
        let context = self.scanned(copy.from);
        let mut unpacker = Unpacker { context: context.as_ref(), scratch, cancel: self.cancel, count: 0 };
        for (number, (source, items)) in copy.sources.iter().zip(selection.sources).enumerate() {
            if let Source::Inline(file) = source {
                let path = scratch.join(format!("inline-{number}"));
                assembly.copy(inline(file, &path, now)?, to)?;
            }
            for item in items {
                let item = if copy.unpacks(source) {
                    unpacker.unpacked(item).map_err(|error| error.of_source(number))?
                } else {
                    item
                };
                assembly.copy(item, to)?;
            }
        }
        Ok(assembly.finish())
    }

    /// The newest layer that this instruction made before, if it is still there.
    fn near(&self, family: &CacheKey) -> Result<Option<(Layer, Index)>, StepError> {
        let Some(record) = self.store.records_of_family(family, 1)?.pop() else { return Ok(None) };
        let Some(layer) = self.store.layer(&record.layer, self.work)? else { return Ok(None) };
        let index = self.store.layer_index(&record.layer)?.read_all()?;
        Ok(Some((layer, index)))
    }

    /// A context, scanned now if no step has asked for it yet.
    pub(super) fn context(&self, id: ContextId) -> Result<Context, StepError> {
        let place = id.0 as usize;
        let (Some(context), Some(options)) = (self.contexts.get(place), self.options.contexts.get(place))
        else {
            return Err(StepError::NoContext);
        };
        let mut context = context.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = &*context {
            return Ok(context.clone());
        }
        let what = match self.plan.contexts.get(place) {
            Some(ContextName::Named(name)) => format!("[context {name}] load from client"),
            Some(ContextName::Main) | None => "[internal] load build context".to_owned(),
        };
        let running = self.reporter.start(&what);
        let scanned = Context::scan(options)?;
        running.done();
        Ok(context.insert(scanned).clone())
    }

    /// The context that a place is, if it was looked at.
    fn scanned(&self, place: Place) -> Option<Context> {
        let Place::Context(id) = place else { return None };
        let context = self.contexts.get(id.0 as usize)?;
        context.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was learned of the contexts' files. It only saves time, so a failure is only a warning.
    pub(super) fn save_stat_caches(&self) {
        for context in &self.contexts {
            let context = context.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Err(error)) = context.as_ref().map(Context::save_cache) {
                self.reporter.warn(error.to_string());
            }
        }
    }
}

/// Fails if `--chown` has a name in it and there is nothing to look it up in. The cache is not asked before: to a look
/// nothing at all and a file system without accounts are the same.
fn check_owner(copy: &Copy, from: &State) -> Result<(), StepError> {
    let Some(owner) = copy.chown.clone().filter(|owner| needs_accounts(owner)) else { return Ok(()) };
    if copy.link {
        return Err(StepError::LinkedOwner { owner });
    }
    if from.layers.is_empty() {
        return Err(StepError::NoAccounts { owner });
    }
    Ok(())
}

/// What each pattern among the sources comes to; for the others an empty list.
fn each_pattern<T>(
    copy: &Copy,
    choose: impl Fn(&String) -> Result<Vec<T>, StepError>,
) -> Result<Vec<Vec<T>>, StepError> {
    let one = |source: &Source| match source {
        Source::Pattern(pattern) => choose(pattern),
        Source::Inline(_) | Source::Http { .. } | Source::Git(_) => Ok(Vec::new()),
    };
    let numbered = copy.sources.iter().enumerate();
    numbered.map(|(number, source)| one(source).map_err(|error| error.of_source(number))).collect()
}

/// A file that the Dockerfile itself holds; its content is written to `path`.
fn inline(file: &InlineFile, path: &Path, time: Time) -> Result<SourceItem, StepError> {
    fs::write(path, &file.content).map_err(|source| StepError::Io {
        operation: "write",
        path: path.to_owned(),
        source,
    })?;
    let kind = Kind::File { size: file.content.len() as u64, digest: Digest::of(file.content.as_bytes()) };
    let entry = Entry::new(TreePath::root(), kind, 0o644, time);
    Ok(SourceItem {
        name: file.name.as_bytes().into(),
        real: TreePath::clean(file.name.as_bytes()),
        kind: ItemKind::File,
        pieces: vec![Piece { entry, origin: Some(Origin::File(path.to_owned())), file: None }],
    })
}

/// Names the sources that nothing fits, or of which nothing is left. That is allowed, but seldom what was meant.
fn tell_empty(copy: &Copy, selection: &Selection, running: &progress::Step<'_>) {
    // A directory that is copied whole may be empty.
    let in_parts = copy.parents || !copy.exclude.is_empty();
    for (source, items) in copy.sources.iter().zip(&selection.sources) {
        if let Source::Pattern(pattern) = source
            && items.iter().all(|item| in_parts && item.pieces.is_empty())
        {
            running.note(format!("warning: `{pattern}` selects nothing"));
        }
    }
}

fn inline_files(copy: &Copy) -> impl Iterator<Item = &InlineFile> {
    copy.sources.iter().filter_map(|source| match source {
        Source::Inline(file) => Some(file),
        Source::Pattern(_) | Source::Http { .. } | Source::Git(_) => None,
    })
}

fn inputs(copy: &Copy, digests: &[ContentDigest]) -> Vec<Input> {
    let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
    let mut inputs = vec![Input::new(SOURCES, digests.join(" "))];
    inputs.push(Input::new("the destination", copy.destination.path.to_string()));
    inputs.push(Input::new("--chown", copy.chown.clone().unwrap_or_default()));
    inputs.push(Input::new("--chmod", format!("{:?}", copy.chmod)));
    inputs.push(Input::new("--exclude", copy.exclude.join(" ")));
    inputs.push(Input::new("--parents", copy.parents.to_string()));
    inputs.push(Input::new("--link", copy.link.to_string()));
    inputs.push(Input::new("--unpack", format!("{:?}", copy.unpack)));
    inputs.extend(
        inline_files(copy).map(|file| Input::new(format!("the heredoc {}", file.name), file.content.clone())),
    );
    inputs
}

/// How many changed files a note names.
const NAMED: usize = 3;

/// Names what differs from the layer that this instruction made before.
fn tell_changes(placed: &Placed, before: &Index, running: &progress::Step<'_>) {
    let mut changes = Vec::new();
    for (path, Piece { entry, .. }) in placed {
        match before.get(path) {
            None => changes.push(format!("`{path}` is new")),
            Some(old) if !old.same_but_time(entry) => changes.push(format!("`{path}` changed")),
            Some(_) => {}
        }
    }
    changes.extend(
        before
            .entries()
            .iter()
            .filter(|old| !placed.contains_key(&old.path))
            .map(|old| format!("`{}` is gone", old.path)),
    );
    let more = changes.len().saturating_sub(NAMED);
    changes.truncate(NAMED);
    if changes.is_empty() {
        return;
    }
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    running.note(format!("not cached: {}{rest}", changes.join(", ")));
}

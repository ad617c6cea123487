//! What a RUN mounts: gets caches, files, secrets and agents ready for the sandbox.
//!
//! What is prepared lies in the step's scratch or in the store and is gone, or unused, when the command is. Secrets
//! are in memory only: they are handed to the sandbox and written down nowhere.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use crate::cache::{Input, Observer};
use crate::dockerfile::mount::{self, Owner};
use crate::exec::{self, MountSource};
use crate::layer::Unrepresentable;
use crate::oci::{CacheKey, ContentDigest, FingerprintHasher};
use crate::plan::{Bind, Cache, Mount, MountKind, Root, Run, Secret};
use crate::progress;
use crate::store::{CacheMount, Sharing};
use crate::tree::{
    Entry, LastLink, ResolveError, SelectError, Time, Tree as _, TreePath, View, fingerprint_at, resolve,
};

use super::Solver;
use super::agent::Agent;
use super::assemble::{Assembly, Destination, Manner};
use super::choose::{Choice, Extent, Part};
use super::error::StepError;
use super::ground::{copy, make_upper};
use super::make::make;
use super::missing::no_state_source;
use super::source::{ItemKind, SourceItem, state_item};
use super::state::{Opened, State};
use super::workdir::now;

/// The variable that tells programs where their agent is.
const AGENT_VARIABLE: &str = "SSH_AUTH_SOCK";

/// What is ready to be mounted. It must live until the command is gone.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) mounts: Vec<exec::Mount>,
    pub(super) env: Vec<(OsString, OsString)>,
    /// Caches in use.
    pub(super) caches: Vec<CacheMount>,
    agents: Vec<Agent>,
}

/// A step's mounts while they are prepared.
pub(super) struct Preparing<'p> {
    pub(super) run: &'p Run,
    /// The content digests of what each mount shows, where that is known.
    pub(super) contents: &'p [Option<ContentDigest>],
    pub(super) state: &'p dyn Fn(Root) -> State,
    /// A directory of the step's own.
    pub(super) scratch: &'p Path,
    pub(super) caches: CacheUse,
    pub(super) running: &'p progress::Step<'p>,
}

/// How caches are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheUse {
    /// What is put into them stays.
    Kept,
    /// The same, and they begin anew.
    Anew,
    /// For a look. What is put into them does not stay, and nobody waits: neither we for those who use them, nor they for
    /// us.
    Looked,
}

/// What a mount shows of a state.
struct Shown {
    /// Its own entry; `None` for a root that nothing is known of.
    top: Option<Entry>,
    item: SourceItem,
}

impl Solver<'_> {
    /// The content digests of what each mount shows of a state.
    pub(super) fn mounted_contents(
        &self,
        run: &Run,
        state: &dyn Fn(Root) -> State,
    ) -> Result<Vec<Option<ContentDigest>>, StepError> {
        let content = |mount: &Mount| {
            mount.content().map(|(root, path)| self.content_of(&state(root), path)).transpose()
        };
        run.mounts.iter().map(content).collect()
    }

    /// The digest of what lies at a path of a state, remembered so that a hit opens no layer.
    fn content_of(&self, state: &State, path: &TreePath) -> Result<ContentDigest, StepError> {
        let mut hasher = FingerprintHasher::new("content of v1");
        hasher.value(state.chain.key().digest());
        hasher.bytes(path.as_bytes());
        let key = CacheKey(hasher.finish());
        if let Some(digest) = self.store.memo(&key)? {
            return Ok(ContentDigest(digest));
        }
        let Shown { top, item } = self.shown(state, path)?;
        let mut hasher = FingerprintHasher::new("content v1");
        if let Some(top) = top.filter(Entry::is_directory) {
            fingerprint_at(&top, b"", &mut hasher);
        }
        hasher.value(&item);
        let digest = hasher.finish();
        self.store.set_memo(&key, &digest)?;
        Ok(ContentDigest(digest))
    }

    /// What lies at a path of a state, under no name.
    fn shown(&self, state: &State, path: &TreePath) -> Result<Shown, StepError> {
        let opened = state.open(self.store, self.work)?;
        let real = real_path(path, &opened)?;
        let top = if real.is_root() { None } else { opened.view.entry(&real)? };
        let is_directory = top.as_ref().is_none_or(Entry::is_directory);
        let parts = vec![Part { below: TreePath::root(), real: real.clone(), extent: Extent::Tree }];
        let choice = Choice { name: Box::default(), real, is_directory, parts };
        let item = state_item(&opened, &choice)?;
        Ok(Shown { top, item })
    }

    /// Gets everything ready.
    pub(super) fn prepare(&self, preparing: &Preparing<'_>) -> Result<Prepared, StepError> {
        let mut prepared = Prepared::default();
        let keys = cache_keys(preparing);
        let caches = match preparing.caches {
            CacheUse::Kept | CacheUse::Anew => self.caches(preparing, &keys)?,
            CacheUse::Looked => BTreeMap::new(),
        };
        for (number, (mount, key)) in preparing.run.mounts.iter().zip(&keys).enumerate() {
            let place = preparing.scratch.join(format!("mount-{number}"));
            let target = format!("/{}", String::from_utf8_lossy(mount.target.as_bytes()));
            let (source, read_only) = match (&mount.kind, key) {
                (MountKind::Bind(bind), _) => {
                    let state = (preparing.state)(bind.from);
                    (Some(self.bind(bind, &state, &place)?), !bind.read_write)
                }
                (MountKind::Cache(cache), Some(key)) => {
                    let (source, read_only) = if let Some(used) = caches.get(key) {
                        self.begin(cache, used, preparing, &place)?;
                        let inside = cache.source.as_path().to_owned();
                        (MountSource::Host { path: used.data(), inside }, cache.read_only)
                    } else {
                        self.look_into(cache, key, preparing, &place)?
                    };
                    (Some(source), read_only)
                }
                (MountKind::Cache(_), None) => (None, false),
                (MountKind::Tmpfs { size }, _) => (Some(MountSource::Memory { size: *size }), false),
                (MountKind::Secret(secret), _) => (self.secret_file(secret)?, true),
                (MountKind::Ssh(secret), _) => {
                    let agent = self.agent(secret, &place)?;
                    let path = agent.as_ref().map(|agent| agent.socket().to_owned());
                    if agent.is_some() && prepared.agents.is_empty() && !has(preparing.run, AGENT_VARIABLE) {
                        prepared.env.push((AGENT_VARIABLE.into(), target.clone().into()));
                    }
                    prepared.agents.extend(agent);
                    (path.map(|path| MountSource::Host { path, inside: PathBuf::new() }), false)
                }
            };
            prepared.mounts.extend(source.map(|source| exec::Mount { target, source, read_only }));
        }
        for variable in &preparing.run.secret_variables {
            if let Some(secret) = self.secret(&variable.id, variable.required)? {
                prepared.env.push((variable.name.clone().into(), OsString::from_vec(secret.0.clone())));
            }
        }
        prepared.caches = caches.into_values().collect();
        Ok(prepared)
    }

    fn bind(&self, bind: &Bind, state: &State, place: &Path) -> Result<MountSource, StepError> {
        let opened = state.open(self.store, self.work)?;
        let inside = real_path(&bind.source, &opened)?.as_path().to_owned();
        make_directory(place)?;
        if !self.store.has_overlays() {
            let path = place.join("copy");
            copy(&opened, &path, self.cancel)?;
            return Ok(MountSource::Host { path, inside });
        }
        let upper = if bind.read_write { Some(make_upper(place)?) } else { None };
        Ok(MountSource::Layers { lowers: opened.lowers(place)?, upper, inside })
    }

    /// Takes the caches of a step into use, all of them in one order, so that two steps never wait for each other.
    fn caches(
        &self,
        preparing: &Preparing<'_>,
        keys: &[Option<CacheKey>],
    ) -> Result<BTreeMap<CacheKey, CacheMount>, StepError> {
        let mut wanted: BTreeMap<CacheKey, (Sharing, String)> = BTreeMap::new();
        for (mount, key) in preparing.run.mounts.iter().zip(keys) {
            if let (MountKind::Cache(cache), Some(key)) = (&mount.kind, key) {
                let about = || cache.id.clone().unwrap_or_else(|| mount.target.to_string());
                let (sharing, _) = wanted.entry(*key).or_insert_with(|| (Sharing::Together, about()));
                *sharing = (*sharing).max(sharing_of(cache.sharing));
            }
        }
        // A cache begins anew once in a build, whoever of its steps comes first; the others wait for that.
        let begun = || self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut begun = (preparing.caches == CacheUse::Anew).then(begun);
        let told = std::cell::Cell::new(false);
        let waiting = || {
            if !told.replace(true) {
                preparing.running.note("waiting for another step that uses the same cache".to_owned());
            }
            !self.cancel.is_canceled()
        };
        let mut caches = BTreeMap::new();
        for (key, (sharing, about)) in wanted {
            let anew = begun.as_mut().is_some_and(|begun| begun.insert(key));
            let work = anew.then_some(self.work);
            let cache = self.store.cache_mount(&key, &about, sharing, work, &waiting)?;
            let cache = cache.ok_or(StepError::Canceled)?;
            caches.insert(key, cache);
        }
        Ok(caches)
    }

    /// Gives a new cache what it begins with.
    fn begin(
        &self,
        cache: &Cache,
        used: &CacheMount,
        preparing: &Preparing<'_>,
        place: &Path,
    ) -> Result<(), StepError> {
        if used.data().is_dir() {
            return Ok(());
        }
        make_directory(place)?;
        Ok(used.begin(&self.beginning(cache, preparing, place)?)?)
    }

    /// Makes in `place` what a cache begins with.
    fn beginning(
        &self,
        cache: &Cache,
        preparing: &Preparing<'_>,
        place: &Path,
    ) -> Result<PathBuf, StepError> {
        let (new, owner) = match &cache.seed {
            None => {
                let new = place.join("new");
                make_directory(&new)?;
                (new, Owner { mode: Some(0o755), uid: Some(0), gid: Some(0) })
            }
            Some(seed) => self.seed(&(preparing.state)(seed.from), &seed.source, place)?,
        };
        let Owner { mode, uid, gid } = cache.owner;
        set_owner(&new, mode.or(owner.mode), uid.or(owner.uid), gid.or(owner.gid))?;
        Ok(new)
    }

    /// A cache with an upper over it; where no overlay can be mounted it is read-only. Others may change it meanwhile,
    /// and whether that is seen is open.
    fn look_into(
        &self,
        cache: &Cache,
        key: &CacheKey,
        preparing: &Preparing<'_>,
        place: &Path,
    ) -> Result<(MountSource, bool), StepError> {
        make_directory(place)?;
        let inside = cache.source.as_path().to_owned();
        let Some(data) = self.store.peek_cache_mount(key) else {
            let path = self.beginning(cache, preparing, place)?;
            return Ok((MountSource::Host { path, inside }, cache.read_only));
        };
        if !self.store.has_overlays() {
            return Ok((MountSource::Host { path: data, inside }, true));
        }
        let upper = if cache.read_only { None } else { Some(make_upper(place)?) };
        Ok((MountSource::Layers { lowers: vec![data], upper, inside }, cache.read_only))
    }

    /// Copies a directory of a state to the disk; gives where, and whose it is there.
    fn seed(&self, state: &State, source: &TreePath, place: &Path) -> Result<(PathBuf, Owner), StepError> {
        const NAME: &str = "seed";
        let Shown { top, item } = self.shown(state, source)?;
        if item.kind == ItemKind::File {
            return Err(StepError::SeedNotDirectory(source.clone()));
        }
        let nothing = View::new(Vec::new());
        let observer = Observer::new(&nothing);
        let manner = Manner { owner: None, chmod: None, now: Time::from_seconds(now()) };
        let mut assembly = Assembly::new(&observer, manner);
        assembly.copy(item, Destination { path: &TreePath::from(NAME), directory: false })?;
        make(&assembly.finish(), None, place.join("seeded"), None, self.cancel)?;
        let owner = top.map_or_else(Owner::default, |top| Owner {
            mode: Some(top.mode),
            uid: Some(top.uid),
            gid: Some(top.gid),
        });
        Ok((place.join("seeded").join(NAME), owner))
    }

    fn secret(&self, id: &str, required: bool) -> Result<Option<&exec::Secret>, StepError> {
        match self.options.secrets.get(id) {
            None if required => Err(StepError::NoSecret { id: id.to_owned() }),
            found => Ok(found),
        }
    }

    fn secret_file(&self, secret: &Secret) -> Result<Option<MountSource>, StepError> {
        let Owner { mode, uid, gid } = secret.owner;
        let failed = |source| StepError::Io {
            operation: "mount",
            path: format!("the secret {}", secret.id).into(),
            source,
        };
        Unrepresentable::check_owner((uid.unwrap_or(0), gid.unwrap_or(0))).map_err(failed)?;
        let file = |content: &exec::Secret| MountSource::File {
            content: content.clone(),
            mode: mode.unwrap_or(0o400),
            uid: uid.unwrap_or_default(),
            gid: gid.unwrap_or_default(),
        };
        Ok(self.secret(&secret.id, secret.required)?.map(file))
    }

    fn agent(&self, secret: &Secret, place: &Path) -> Result<Option<Agent>, StepError> {
        let Some(socket) = self.options.agents.get(&secret.id) else {
            let missing = StepError::NoAgent { id: secret.id.clone() };
            return if secret.required { Err(missing) } else { Ok(None) };
        };
        make_directory(place)?;
        let agent = Agent::start(place, socket).map_err(|source| StepError::Io {
            operation: "listen in",
            path: place.to_owned(),
            source,
        })?;
        let Owner { mode, uid, gid } = secret.owner;
        set_owner(agent.socket(), mode, uid, gid)?;
        Ok(Some(agent))
    }
}

/// What of the mounts decides a RUN's key, under names for people.
pub(super) fn inputs(run: &Run, contents: &[Option<ContentDigest>]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (mount, content) in run.mounts.iter().zip(contents) {
        let kind = match &mount.kind {
            MountKind::Bind(bind) => format!("files, writable: {}", bind.read_write),
            MountKind::Cache(cache) => counted(cache).to_string(),
            other => other.to_string(),
        };
        inputs.push(Input::new(format!("the mount at {}", mount.target), kind));
        if let Some(content) = content {
            let name = format!("the content of the mount at {}", mount.target);
            inputs.push(Input::new(name, content.to_string()));
        }
    }
    let variables = run.secret_variables.iter();
    inputs.extend(variables.map(|it| Input::new(format!("the secret in {}", it.name), it.id.clone())));
    inputs
}

/// What of a cache counts, see [`Cache`]'s fingerprint.
fn counted(cache: &Cache) -> MountKind {
    let is_named = cache.id.is_some();
    MountKind::Cache(Cache {
        namespace: if is_named { String::new() } else { cache.namespace.clone() },
        id: is_named.then(String::new),
        seed: None,
        sharing: mount::Sharing::default(),
        ..cache.clone()
    })
}

/// The key of each cache among the mounts.
fn cache_keys(preparing: &Preparing<'_>) -> Vec<Option<CacheKey>> {
    let key = |(mount, content): (&Mount, &Option<ContentDigest>)| {
        let MountKind::Cache(cache) = &mount.kind else { return None };
        let mut hasher = FingerprintHasher::new("cache mount v1");
        hasher.value(&cache.namespace);
        hasher.value(cache.id.as_ref().unwrap_or(&mount.target.to_string()));
        hasher.value(&content.as_ref().map(|content| *content.digest()));
        Some(CacheKey(hasher.finish()))
    };
    preparing.run.mounts.iter().zip(preparing.contents).map(key).collect()
}

fn sharing_of(sharing: mount::Sharing) -> Sharing {
    match sharing {
        mount::Sharing::Shared => Sharing::Together,
        mount::Sharing::Private => Sharing::Apart,
        mount::Sharing::Locked => Sharing::InTurn,
    }
}

fn has(run: &Run, name: &str) -> bool {
    run.env.iter().any(|(known, _)| known == name)
}

fn real_path(path: &TreePath, opened: &Opened) -> Result<TreePath, StepError> {
    resolve(&opened.view, path, LastLink::Follow).map_err(|error: ResolveError<_>| {
        no_state_source(&path.to_string(), SelectError::Resolve(error), &opened.view)
    })
}

fn make_directory(path: &Path) -> Result<(), StepError> {
    let failed = |source| StepError::Io { operation: "make", path: path.to_owned(), source };
    fs::create_dir(path).map_err(failed)
}

fn set_owner(path: &Path, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> Result<(), StepError> {
    let failed = |operation| move |source| StepError::Io { operation, path: path.to_owned(), source };
    Unrepresentable::check_owner((uid.unwrap_or(0), gid.unwrap_or(0))).map_err(failed("set the owner of"))?;
    chown(path, uid, gid).map_err(failed("set the owner of"))?;
    let mode = fs::Permissions::from_mode(mode.unwrap_or(0o755));
    fs::set_permissions(path, mode).map_err(failed("set the mode of"))
}

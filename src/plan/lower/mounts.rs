//! `RUN --mount`: names become roots, paths become absolute, defaults are filled in.
//!
//! Files of a context are mounted from a layer that a hidden step copies them to: what the command sees cannot change
//! while it runs, hidden files are not there, and the layer is kept for the next build.

use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast;
use crate::dockerfile::mount::{
    BindMount, CacheMount, Mount as Written, MountError, MountSpec, Owner, SecretMount, SshMount,
};
use crate::tree::TreePath;

use super::super::error::{PlanError, PlanErrorKind};
use super::super::{
    Bind, Cache, ContextName, Copy, Destination, Mount, MountKind, Place, Root, Secret, SecretVariable, Seed,
    Source, Step, StepKind, Unpack,
};
use super::Stage;
use super::config::absolute;

/// The build argument that keeps the caches of several users of a machine apart.
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// Where a hidden step puts what is mounted of a context.
const MOUNTED: &str = "mounted";

/// The mounts of a RUN, parents before what lies in them, and the secrets that are variables.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) mounts: Vec<Mount>,
    pub(super) variables: Vec<SecretVariable>,
}

impl Stage<'_, '_> {
    /// Lowers the mounts of a RUN.
    pub(super) fn mounts(&mut self, run: &ast::Run) -> Result<Mounts, PlanError> {
        let mut mounts = Mounts::default();
        let mut agents = 0;
        for mount in &run.mounts {
            let span = mount.span;
            match self.resolve_mount(mount)? {
                MountSpec::Bind(bind) => {
                    let target = self.target(&bind.target, span)?;
                    let kind = MountKind::Bind(self.bind(&bind, span)?);
                    mounts.mounts.push(Mount { target, kind });
                }
                MountSpec::Cache(cache) => {
                    let target = self.target(&cache.target, span)?;
                    let kind = MountKind::Cache(self.cache(cache, &target)?);
                    mounts.mounts.push(Mount { target, kind });
                }
                MountSpec::Tmpfs(tmpfs) => {
                    let target = self.target(&tmpfs.target, span)?;
                    mounts.mounts.push(Mount { target, kind: MountKind::Tmpfs { size: tmpfs.size } });
                }
                MountSpec::Secret(secret) => self.secret(secret, span, &mut mounts)?,
                MountSpec::Ssh(SshMount { id, target, required, owner }) => {
                    let target = target.unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{agents}"));
                    agents += 1;
                    let target = self.target(&target, span)?;
                    let kind = MountKind::Ssh(Secret { id, required, owner: with_mode(owner, 0o600) });
                    mounts.mounts.push(Mount { target, kind });
                }
            }
        }
        mounts.mounts.sort_by(|one, other| one.target.cmp(&other.target));
        Ok(mounts)
    }

    /// Expands what a mount says.
    fn resolve_mount(&self, mount: &Written) -> Result<MountSpec, PlanError> {
        let scope = &self.state.scope;
        let spec = scope
            .with_lookup(|lookup| mount.resolve(&mut |word| Ok(word.expand(lookup, scope.escape())?.text)));
        Ok(spec?)
    }

    fn target(&self, target: &str, span: Span) -> Result<TreePath, PlanError> {
        let path = TreePath::clean(absolute(&self.state.config.working_dir, target).as_bytes());
        if path.is_root() {
            let error = MountError::RootTarget { target: target.to_owned() };
            return Err(PlanErrorKind::Parse(error.into()).at(span));
        }
        Ok(path)
    }

    fn bind(&mut self, bind: &BindMount, span: Span) -> Result<Bind, PlanError> {
        let source = bind.source.as_deref().unwrap_or_default();
        let (from, source) = self.mounted(bind.from.as_ref(), source, span)?;
        Ok(Bind { from, source, read_write: bind.read_write })
    }

    fn cache(&mut self, cache: CacheMount, target: &TreePath) -> Result<Cache, PlanError> {
        let CacheMount { target: _, id, source, from, sharing, read_only, owner } = cache;
        let source = source.unwrap_or_default();
        let (seed, source) = match &from {
            None => (None, path(&source)),
            Some(from) => {
                let (root, source) = self.mounted(Some(from), &source, from.span)?;
                (Some(Seed { from: root, source }), TreePath::root())
            }
        };
        Ok(Cache {
            namespace: self.options.build_args.get(CACHE_NAMESPACE).cloned().unwrap_or_default(),
            id: id.filter(|id| *id != target.to_string()),
            seed,
            source,
            sharing,
            read_only,
            owner,
        })
    }

    fn secret(&mut self, secret: SecretMount, span: Span, mounts: &mut Mounts) -> Result<(), PlanError> {
        let SecretMount { id, target, env, required, owner } = secret;
        if let Some(name) = env {
            mounts.variables.push(SecretVariable { name, id: id.clone(), required });
        }
        if let Some(target) = target {
            let target = self.target(&target, span)?;
            let kind = MountKind::Secret(Secret { id, required, owner: with_mode(owner, 0o400) });
            mounts.mounts.push(Mount { target, kind });
        }
        Ok(())
    }

    /// The root that files are mounted from, and where in it `source` is.
    fn mounted(
        &mut self,
        from: Option<&Spanned<String>>,
        source: &str,
        span: Span,
    ) -> Result<(Root, TreePath), PlanError> {
        let source = path(source);
        let place = match from {
            Some(from) => self.copied(from)?,
            None => self.main_context(),
        };
        let context = match place {
            Place::Root(root) => return Ok((root, source)),
            Place::Context(id) => match self.graph.context_name(id) {
                ContextName::Main => "the build context".to_owned(),
                ContextName::Named(name) => format!("the named context `{name}`"),
            },
        };
        let copy = Copy {
            from: place,
            sources: vec![Source::Pattern(literal(&source))],
            destination: Destination { path: TreePath::from(MOUNTED), directory: false },
            chown: None,
            chmod: None,
            exclude: Vec::new(),
            parents: false,
            link: false,
            unpack: Unpack::Never,
        };
        let step = self.graph.step(Step {
            name: format!("[internal] load `{source}` of {context} for a mount"),
            span: self.place(span),
            sources: Vec::new(),
            trigger: self.trigger.map(|(trigger, _)| trigger.text.clone()),
            no_cache: false,
            shell: self.shell_program(),
            from: Root::Scratch,
            kind: StepKind::Copy(copy),
        });
        Ok((Root::Step(step), TreePath::from(MOUNTED)))
    }
}

/// A path from the root of where it is looked for; nothing leads out of that.
fn path(text: &str) -> TreePath {
    TreePath::clean(absolute("", text).as_bytes())
}

/// The path as a pattern that only it fits. What has no wildcard is no pattern, so nothing in it needs care.
fn literal(path: &TreePath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes());
    if !text.contains(['*', '?', '[']) {
        return text.into_owned();
    }
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            '\\' => pattern.push_str("[\\\\]"),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// The owner of a file that a mount makes, with the mode that it has if nothing is said of it.
fn with_mode(owner: Owner, mode: u32) -> Owner {
    let Owner { mode: given, uid, gid } = owner;
    Owner { mode: given.or(Some(mode)), uid: uid.or(Some(0)), gid: gid.or(Some(0)) }
}

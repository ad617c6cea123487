//! A plan as text: one line a fact, in a fixed order, without places. For tests and for people.

use std::fmt::{self, Display, Formatter};

use crate::dockerfile::mount::Owner;
use crate::dockerfile::remote::{GitRef, ModificationTime};

use super::{
    Bind, Cache, ContextId, ContextName, Copy, Mount, MountKind, NetworkMode, Place, Plan, Root, Run, Secret,
    SecretVariable, Seed, Source, StepId, StepKind, Target, Unpack, Workdir,
};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (id, base) in self.bases.iter().enumerate() {
            writeln!(f, "base {id}: {} ({:?})", base.name, base.key.reference)?;
        }
        for (id, context) in self.contexts.iter().enumerate() {
            match context {
                ContextName::Main => writeln!(f, "context {id}: the build's own")?,
                ContextName::Named(name) => writeln!(f, "context {id}: {name:?}")?,
            }
        }
        for id in self.step_ids() {
            let step = self.step(id);
            writeln!(f, "{id}: {}", step.name)?;
            writeln!(f, "  from {}", step.from)?;
            if step.no_cache {
                writeln!(f, "  without the cache")?;
            }
            match &step.kind {
                StepKind::Run(run) => run.fmt(f)?,
                StepKind::Copy(copy) => copy.fmt(f)?,
                StepKind::Workdir(workdir) => workdir.fmt(f)?,
            }
        }
        self.target.fmt(f)?;
        if self.scans.context {
            writeln!(f, "scans the context")?;
        }
        for (name, root) in &self.scans.stages {
            writeln!(f, "scans {name}: {root}")?;
        }
        Ok(())
    }
}

impl Display for StepId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "step {}", self.0)
    }
}

impl Display for ContextId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "context {}", self.0)
    }
}

impl Display for Root {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch => f.write_str("scratch"),
            Self::Base(id) => write!(f, "base {}", id.0),
            Self::Step(id) => id.fmt(f),
        }
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  run {:?}", self.args)?;
        for (name, value) in &*self.env {
            writeln!(f, "  env {name}={value:?}")?;
        }
        for (name, value) in &self.ignored_env {
            writeln!(f, "  env (not in the key) {name}={value:?}")?;
        }
        write!(f, "  in {} as {:?}", self.cwd, self.user)?;
        match self.network {
            NetworkMode::Host => writeln!(f, ", network host")?,
            NetworkMode::None => writeln!(f, ", network none")?,
            NetworkMode::Private => writeln!(f, ", network private")?,
        }
        if self.insecure {
            writeln!(f, "  insecure")?;
        }
        for one in &self.circumstances {
            writeln!(f, "  with {one}")?;
        }
        if let Some(script) = &self.script {
            writeln!(f, "  script {} {:?}", script.path, script.content)?;
        }
        for Mount { target, kind } in &self.mounts {
            writeln!(f, "  mount {target}: {kind}")?;
        }
        for SecretVariable { name, id, required } in &self.secret_variables {
            writeln!(f, "  env {name} is the secret {id:?}{}", if *required { ", required" } else { "" })?;
        }
        Ok(())
    }
}

impl Display for MountKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of = |f: &mut Formatter<'_>, owner: &Owner| match owner.mode {
            Some(mode) => write!(f, ", mode {mode:o} of {:?}:{:?}", owner.uid, owner.gid),
            None => write!(f, ", owner {:?}:{:?}", owner.uid, owner.gid),
        };
        match self {
            Self::Bind(Bind { from, source, read_write }) => {
                write!(f, "{source} of {from}{}", if *read_write { ", read-write" } else { "" })
            }
            Self::Cache(Cache { namespace, id, seed, source, sharing, read_only, owner }) => {
                write!(f, "{source} of cache {id:?} in {namespace:?}, {sharing:?}")?;
                if let Some(Seed { from, source }) = seed {
                    write!(f, ", begins as {source} of {from}")?;
                }
                f.write_str(if *read_only { ", read-only" } else { "" })?;
                of(f, owner)
            }
            Self::Tmpfs { size } => write!(f, "memory, at most {size:?}"),
            Self::Secret(Secret { id, required, owner }) | Self::Ssh(Secret { id, required, owner }) => {
                let kind = if matches!(self, Self::Ssh(_)) { "agent" } else { "secret" };
                write!(f, "{kind} {id:?}{}", if *required { ", required" } else { "" })?;
                of(f, owner)
            }
        }
    }
}

impl Display for Copy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verb = match self.unpack {
            Unpack::Never => "copy",
            Unpack::Local => "unpack or copy",
            Unpack::Always => "unpack",
        };
        match self.from {
            Place::Context(context) => write!(f, "  {verb} from {context}")?,
            Place::Root(root) => write!(f, "  {verb} from {root}")?,
        }
        let patterns: Vec<&str> = self.patterns().collect();
        let kind = if self.destination.directory { "directory " } else { "" };
        writeln!(f, " {patterns:?} to {kind}{}", self.destination.path)?;
        for source in &self.sources {
            match source {
                Source::Pattern(_) => {}
                Source::Inline(file) => writeln!(f, "  inline {} {:?}", file.name, file.content)?,
                Source::Http { url, checksum: None } => writeln!(f, "  fetch {}", url.redacted())?,
                Source::Http { url, checksum: Some(digest) } => {
                    writeln!(f, "  fetch {} with {digest}", url.redacted())?
                }
                Source::Git(tree) => write_tree(f, tree)?,
            }
        }
        for (set, word) in [(self.link, "link"), (self.parents, "parents")] {
            if set {
                writeln!(f, "  {word}")?;
            }
        }
        if !self.exclude.is_empty() {
            writeln!(f, "  exclude {:?}", self.exclude)?;
        }
        if let Some(chown) = &self.chown {
            writeln!(f, "  chown {chown}")?;
        }
        if let Some(chmod) = &self.chmod {
            writeln!(f, "  chmod {chmod}")?;
        }
        Ok(())
    }
}

fn write_tree(f: &mut Formatter<'_>, tree: &GitRef) -> fmt::Result {
    write!(f, "  fetch the tree {tree}")?;
    if let Some(commit) = &tree.commit {
        write!(f, " of commit {commit}")?;
    }
    if tree.keep_git_dir == Some(true) {
        f.write_str(" with .git")?;
    }
    if !tree.submodules {
        f.write_str(" without submodules")?;
    }
    if tree.mtime == ModificationTime::Commit {
        f.write_str(" with the commit's time")?;
    }
    writeln!(f)
}

impl Display for Workdir {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  make directory {} for {:?}", self.path, self.user)
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let stage = self.stage.as_deref().unwrap_or("(no name)");
        write!(f, "target {stage}: {} for {}", self.root, self.platform)?;
        match self.base {
            Some(base) => writeln!(f, ", layers of base {}", base.0)?,
            None => writeln!(f)?,
        }
        if let Some(author) = &self.author {
            writeln!(f, "  author {author:?}")?;
        }
        let config = serde_json::to_value(&self.config).unwrap_or_default();
        for (key, value) in config.as_object().into_iter().flatten() {
            writeln!(f, "  {key} {value}")?;
        }
        for item in &self.history {
            let created_by =
                item.created_by.as_ref().map_or("(no instruction)".to_owned(), |it| format!("{it:?}"));
            match item.step {
                Some(step) => writeln!(f, "  history {created_by} ({step})")?,
                None => writeln!(f, "  history {created_by}")?,
            }
        }
        Ok(())
    }
}

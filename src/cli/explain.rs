//! Library errors in words: what failed, why, and what the user can do.

use std::error::Error;

use crate::diagnostic::{Diagnostic, Source};
use crate::engine::{BuildError, EngineError, KeysError, LookError};
use crate::exec::{ExecError, SpecProblem, UserProblem};
use crate::layer::Unrepresentable;
use crate::solve::{SolveError, StepError};
use crate::store::StoreError;
use crate::transport::{ExportError, LoadError, Looks, PullError, PushError};
use crate::user;

use super::error::{CliError, ErrorKind};
use super::{colour, signals};

/// The one place where an engine's error becomes what the user reads.
pub(super) fn explain(error: &EngineError) -> CliError {
    match error {
        EngineError::Build(error) => build(error),
        EngineError::NoImage { similar: Some(similar), .. } => {
            general(error).hint(format!("did you mean `{similar}`?"))
        }
        EngineError::NoImage { .. } => {
            general(error).hint("`strata images` lists what is there, `strata pull` brings what is not")
        }
        EngineError::StillNamed { .. } => {
            general(error).hint("remove it by one of its names, or all of them with `--force`")
        }
        EngineError::Listed { index, .. } => {
            general(error).hint(format!("remove `{index}`, or use --force, which forgets the index, too"))
        }
        EngineError::Lacking { .. } => {
            general(error).hint("build or pull it again, or say with `--platform` which of the others is meant")
        }
        EngineError::Export(export) if export.remedy().is_some() => hinted(error, export.remedy()),
        EngineError::Name(name) => hinted(error, name.remedy()),
        EngineError::Ambiguous(_) => general(error).hint("give more of the id"),
        EngineError::NoCommand(image) => {
            general(error).hint(format!("name one, such as `strata run -it {image} sh`"))
        }
        EngineError::NotRoot => general(error).hint("run it with `sudo`"),
        EngineError::Change(messages) => {
            let text = messages.iter().fold(String::new(), |text, message| format!("{text}\n{message}"));
            CliError::new(ErrorKind::General, format!("{error}:{text}"))
        }
        EngineError::Exec(ExecError::Canceled)
        | EngineError::Load(LoadError::Canceled)
        | EngineError::Export(ExportError::Canceled)
        | EngineError::Layers(StepError::Canceled | StepError::Sandbox(ExecError::Canceled)) => {
            interrupted("interrupted")
        }
        EngineError::Layers(StepError::NoShell { .. }) => general(error)
            .hint("put one into the stage, such as `COPY --from=busybox /bin/busybox /bin/busybox`"),
        EngineError::NothingKept => general(error).hint(
            "what a RUN leaves that fails is kept for a week, until three others have failed, the machine starts anew, or images are removed: build again",
        ),
        EngineError::KeptInUse { .. } => general(error).hint("end the other `strata debug` first"),
        EngineError::NoKept { known, .. } => {
            general(error).hint(format!("there is {}, the latest first", known.join(", ")))
        }
        EngineError::SceneGone { .. } => general(error).hint("build again"),
        EngineError::Container(container) => hinted(error, container.remedy()),
        EngineError::Load(load) => hinted(error, load_hint(load)),
        EngineError::Exec(ExecError::User { reason: UserProblem::Unmapped { uid, gid }, .. }) => {
            general(error).hint(remedy_for(Unrepresentable::Owner { uid: *uid, gid: *gid }))
        }
        EngineError::Pull { source, .. } if matches!(**source, PullError::Canceled) => {
            interrupted("interrupted")
        }
        EngineError::Push { source, .. } if matches!(**source, PushError::Canceled) => {
            interrupted("interrupted")
        }
        EngineError::Pull { source, .. } => hinted(error, source.remedy().or_else(|| full_disk_hint(error))),
        EngineError::Push { source, .. } => hinted(error, source.remedy().or_else(|| full_disk_hint(error))),
        EngineError::Imagetools(source) if source.is_canceled() => interrupted("interrupted"),
        EngineError::Imagetools(source) => {
            hinted(error, source.remedy().or_else(|| full_disk_hint(error)))
        }
        EngineError::Look(look) => hinted(error, look_hint(look)),
        EngineError::Network(network) => hinted(error, network.remedy()),
        EngineError::Cgroup(cgroup) => hinted(error, cgroup.remedy()),
        EngineError::Store(store) => {
            let text = store.remedy().into_iter().fold(general(error), CliError::hint);
            with_disk_hint(text, store)
        }
        other => disk_full(other).unwrap_or_else(|| general(other)),
    }
}

fn remedy_for(what: Unrepresentable) -> String {
    match what {
        Unrepresentable::Owner { .. } => user::remedy_for_single_id().unwrap_or_else(|| {
            "give this user more ids in /etc/subuid and /etc/subgid (`usermod --add-subuids`, `--add-subgids`)".to_owned()
        }),
        Unrepresentable::Device => "run it as root, or make an image without device nodes".to_owned(),
    }
}

fn general(error: &dyn Error) -> CliError {
    CliError::from_error(ErrorKind::General, error)
}

fn hinted<H: Into<String>>(error: &dyn Error, hint: Option<H>) -> CliError {
    match hint {
        Some(hint) => general(error).hint(hint),
        None => general(error),
    }
}

fn look_hint(error: &LookError) -> Option<String> {
    let hint = match error {
        LookError::NoPath { similar, .. } => {
            return similar.as_ref().map(|path| format!("did you mean `{path}`?"));
        }
        LookError::NoBase(_) => "name both images",
        LookError::LayerWithoutBase(_) | LookError::Unlike { .. } => "give two images, or two layers",
        LookError::AmbiguousLayer(_) => "give more of the digest",
        LookError::Owners => "leave `--archive` out, or write a tar, which has the owners of the image",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn load_hint(error: &LoadError) -> Option<String> {
    match error {
        LoadError::NotTar(Looks { tool: Some(tool), .. }) => Some(format!("unpack it first, with `{tool}`")),
        LoadError::Unknown => Some("`strata import` makes an image of a root file system's tar".to_owned()),
        LoadError::Directory(path) => {
            Some(format!("send it as a tar: `tar -C {} -c . | strata import -`", path.display()))
        }
        other if is_disk_full(other) => Some(DISK_FULL.to_owned()),
        other => Unrepresentable::find(other).map(remedy_for),
    }
}

fn interrupted(message: &str) -> CliError {
    CliError::new(ErrorKind::Interrupted(signals::first()), message)
}

fn build(error: &BuildError) -> CliError {
    match error {
        BuildError::Findings { text, findings } => CliError::drawn(ErrorKind::General, draw(text, findings)),
        BuildError::Step { text, error } => step(text, error),
        BuildError::Interrupted => interrupted(&error.to_string()),
        BuildError::NoContext { .. } => {
            general(error).hint("the last argument is the context directory, such as `.`")
        }
        BuildError::NoEpoch => general(error).hint("set `SOURCE_DATE_EPOCH` instead of `--reproducible`"),
        BuildError::Outputs(refusal) => hinted(error, refusal.remedy()),
        BuildError::Http(http) => http.remedy().into_iter().fold(general(error), CliError::hint),
        BuildError::Git(git) => git.remedy().into_iter().fold(general(error), CliError::hint),
        BuildError::NoNamedContext { .. } => {
            general(error).hint("paths of `--build-context` are relative to the current directory")
        }
        BuildError::NoStage { similar: Some(similar), .. } => {
            general(error).hint(format!("did you mean `{similar}`?"))
        }
        BuildError::NoStep { near, .. } if !near.is_empty() => {
            let near: Vec<String> =
                near.iter().map(|step| format!("line {}: `{}`", step.line, step.text)).collect();
            let are = if near.len() == 1 { "step is" } else { "steps are" };
            general(error).hint(format!("the nearest {are} at {}", near.join(" and ")))
        }
        BuildError::NotNeeded { stage: Some(stage), .. } => {
            general(error).hint(format!("choose its stage with `--target {stage}`"))
        }
        BuildError::NotNeeded { stage: None, .. } => general(error)
            .hint("give its stage a name (`FROM IMAGE AS NAME`), and choose it with `--target NAME`"),
        BuildError::Keys { source: KeysError::Start(_), .. } => {
            general(error).hint("install `openssh-client`, or give the socket of an agent")
        }
        BuildError::Keys { .. } => general(error)
            .hint("keys that need a passphrase can be in an agent: `ssh-add`, then `--ssh default`"),
        BuildError::TwoDockerfiles => {
            general(error).hint("leave `--file` out, or give the context as a directory or an archive")
        }
        BuildError::NoDockerfile { .. } => general(error).hint("name another file with `--file`"),
        other => general(other),
    }
}

/// Diagnostics as one text, an empty line between two.
pub(super) fn draw(text: &Source, findings: &[Diagnostic]) -> String {
    let coloured = colour(&std::io::stderr());
    let drawn: Vec<String> = findings.iter().map(|finding| finding.render(text, coloured)).collect();
    drawn.join("\n")
}

/// A step's failure, drawn at its instruction. What the command said last is the progress display's to show.
fn step(text: &Source, error: &SolveError) -> CliError {
    // What no instruction asks for has no place.
    let mut finding = if error.span.is_empty() {
        Diagnostic::error(format!("{}: {}", error.name, error.source))
    } else {
        Diagnostic::error(error.source.to_string()).at(error.span)
    };
    if let Some(trigger) = &error.trigger {
        finding = finding.note(crate::plan::trigger_note(trigger));
    }
    let mut cause = error.source.source();
    while let Some(inner) = cause {
        let message = inner.to_string();
        if !finding.message.ends_with(&message) && finding.notes.last() != Some(&message) {
            finding = finding.note(message);
        }
        cause = inner.source();
    }
    for hint in step_hints(&error.source) {
        finding = finding.help(hint);
    }
    if let (Some(id), StepError::Command { .. } | StepError::OutOfMemory { .. }) =
        (&error.kept, &*error.source)
    {
        finding = finding.help(format!("`strata debug {id}` opens a shell in what the step left"));
    }
    if matches!(*error.source, StepError::NoSource { .. }) && leads_up(text, error) {
        finding = finding
            .help("`..` does not lead out of what is copied from; choose a context that holds the file");
    }
    CliError::drawn(ErrorKind::General, draw(text, &[finding]))
}

/// Whether the instruction, which is not a trigger of elsewhere, has a path that begins with `..`.
fn leads_up(text: &Source, error: &SolveError) -> bool {
    let mut words = text.slice(error.span).split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '['));
    error.trigger.is_none() && words.any(|word| word.starts_with("../"))
}

fn step_hints(error: &StepError) -> Vec<String> {
    match error {
        StepError::NoSource { similar: Some(similar), .. } => vec![format!("did you mean `{similar}`?")],
        StepError::NoSource { source_path, .. } if source_path.starts_with("--") => {
            vec!["flags come before the sources".to_owned()]
        }
        StepError::NoAccounts { .. } => vec!["use numbers, such as `--chown=1000:1000`".to_owned()],
        StepError::NoAccountsForUser { .. } => {
            vec!["use numbers, such as `USER 1000:1000`, or write `USER` behind the `WORKDIR`".to_owned()]
        }
        StepError::NoSecret { id } => {
            vec![format!("give it with `--secret id={id},src=FILE` or `--secret id={id},env=VARIABLE`")]
        }
        StepError::NoAgent { id } => vec![format!("give it with `--ssh {id}`, or `--ssh {id}=SOCKET`")],
        StepError::LinkedOwner { .. } => {
            vec!["use numbers, such as `--chown=1000:1000`, or leave `--link` out".to_owned()]
        }
        StepError::Unpack { .. } if !is_disk_full(error) => {
            vec!["`ADD --unpack=false` copies an archive as it is".to_owned()]
        }
        StepError::Changed(_) => vec!["build again when nothing writes to the context".to_owned()],
        StepError::Command { command, status, .. } if status.code() == 127 => {
            vec![format!("the shell did not find a program of `{command}` in the image")]
        }
        StepError::Command { .. } => user::remedy_for_single_id()
            .map(|remedy| {
                format!(
                    "with the single id of this user, `chown` to others and a change of user fail: {remedy}"
                )
            })
            .into_iter()
            .collect(),
        StepError::Sandbox(
            ExecError::Spec(SpecProblem::TooLong { .. }) | ExecError::Command { errno: libc::E2BIG, .. },
        ) => vec![
            "put a long text into a file: a heredoc whose first line is `#!/bin/sh` runs as one, and `COPY` brings a script"
                .to_owned(),
        ],
        StepError::Sandbox(ExecError::Setup { step, errno: libc::ENOTDIR, .. })
            if ["/dev", "/etc/host", "/etc/resolv.conf", "/proc", "/sys"]
                .iter()
                .any(|own| step.strip_prefix("mount ").is_some_and(|path| path.starts_with(own))) =>
        {
            let path = step.trim_start_matches("mount ");
            vec![format!(
                "on the way to `{path}` the image has something that is no directory: with `--link`, a file that is copied to the name of a directory takes its place"
            )]
        }
        StepError::Sandbox(ExecError::User { reason: UserProblem::Unmapped { uid, gid }, .. }) => {
            vec![remedy_for(Unrepresentable::Owner { uid: *uid, gid: *gid })]
        }
        StepError::Http(http) => http.remedy().map(str::to_owned).into_iter().collect(),
        StepError::Git(git) => git.remedy().map(str::to_owned).into_iter().collect(),
        StepError::Network(network) => network.remedy().into_iter().collect(),
        StepError::Cgroup(cgroup) => cgroup.remedy().into_iter().collect(),
        StepError::OutOfMemory { .. } => {
            vec!["give it more with `--memory`, or let fewer steps run at once with `--jobs`".to_owned()]
        }
        StepError::Store(store) if store.is_disk_full() => vec![DISK_FULL.to_owned()],
        other if is_disk_full(other) => vec![DISK_FULL.to_owned()],
        other => Unrepresentable::find(other).map(remedy_for).into_iter().collect(),
    }
}

const DISK_FULL: &str = "the disk of the store is full: make room, or choose another disk with `--root`";

fn with_disk_hint(text: CliError, error: &StoreError) -> CliError {
    if error.is_disk_full() { text.hint(DISK_FULL) } else { text }
}

fn disk_full(error: &EngineError) -> Option<CliError> {
    is_disk_full(error).then(|| general(error).hint(DISK_FULL))
}

fn full_disk_hint(error: &EngineError) -> Option<String> {
    is_disk_full(error).then(|| DISK_FULL.to_owned())
}

/// Whether a full disk is at the bottom of an error.
fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(current) = error {
        let kind = current.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        error = current.source();
    }
    false
}

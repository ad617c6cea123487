//! What the processes tell each other, over one socket.
//!
//! The engine sends one [`Request`] (with file descriptors on its first byte), then single bytes, each the number of
//! a signal; the end of the stream means: give up. Stage, init and command send [`Report`]s. Both ends are the same
//! program, so the form is private: lengths and numbers in the machine's byte order, lists after their count.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::vec::IntoIter;

use super::capabilities::Capabilities;
use super::engine::{Status, Usage};
use super::error::UserProblem;
use super::resources::{Resource, ResourceLimit};
use super::spec::{Mount, MountApi, MountSource, Network, Root, Script, Secret, Spec, Upper};
use crate::cgroup::Kind;
use crate::sys::terminal::Size;

/// What the stage is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) spec: Spec,
    /// The seccomp program.
    pub(super) seccomp: Vec<u8>,
    /// What the command's standard input is.
    pub(super) input: Input,
    pub(super) foreground: bool,
    pub(super) cgroup: Cgroup,
}

/// The control group of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cgroup {
    /// Its hierarchies; the directories come along.
    pub(super) kinds: Vec<Kind>,
    /// Whether it limits anything.
    pub(super) limited: bool,
    /// Whether the stage is in it already, in version 1.
    pub(super) entered: bool,
}

/// A command's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// `/dev/null`.
    Null,
    /// The first descriptor that comes along.
    Given,
    /// A terminal of this size that is also its output; the first descriptor that comes along is the socket that its
    /// other end goes to.
    Terminal(Size),
}

/// What happened in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// A mount point had to be made in the root.
    Stub(PathBuf),
    /// The command never started.
    Failed(Failure),
    /// The command ended.
    Ended { status: Status, usage: Usage },
}

/// Why the command never started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    Setup { step: String, errno: i32, log: String },
    Upper { log: String },
    User(UserProblem),
    Command { errno: i32 },
}

/// Appends values.
#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_bytes());
    }

    fn os(&mut self, text: &OsStr) {
        self.bytes(text.as_bytes());
    }
}

/// Takes values in the order in which they were appended; `None` when there are no such values left.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    fn int(&mut self) -> Option<i32> {
        Some(self.number()? as i32)
    }

    fn id(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn os(&mut self) -> Option<OsString> {
        Some(OsString::from_vec(self.bytes()?.to_vec()))
    }

    fn path(&mut self) -> Option<PathBuf> {
        self.os().map(PathBuf::from)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    /// A list of one item or none.
    fn optional<T>(&mut self, item: impl FnMut(&mut Self) -> Option<T>) -> Option<IntoIter<T>> {
        self.list(item).map(Vec::into_iter)
    }
}

impl Request {
    /// The bytes of a request, which [`Request::decode`] reads.
    pub(super) fn encode(
        spec: &Spec,
        seccomp: &[u8],
        input: Input,
        foreground: bool,
        cgroup: &Cgroup,
    ) -> Vec<u8> {
        let mut out = Encoder(Vec::with_capacity(seccomp.len() + 4096));
        let Spec {
            root,
            args,
            env,
            cwd,
            user,
            hostname,
            network,
            hosts,
            resolv_conf,
            script,
            mounts,
            filtered,
            ..
        } = spec;
        encode_root(root, &mut out);
        out.number(args.len() as u64);
        for arg in args {
            out.os(arg);
        }
        out.number(env.len() as u64);
        for (name, value) in env {
            out.os(name);
            out.os(value);
        }
        out.path(cwd);
        out.bytes(user);
        out.bytes(hostname);
        out.number(match network {
            Network::Host => 0,
            Network::None => 1,
            Network::Given => 2,
        });
        out.bytes(hosts);
        out.number(u64::from(resolv_conf.is_some()));
        if let Some(content) = resolv_conf {
            out.bytes(content);
        }
        out.number(u64::from(script.is_some()));
        if let Some(Script { name, content }) = script {
            out.bytes(name);
            out.bytes(content);
        }
        out.number(u64::from(spec.insecure));
        out.number(spec.resources.len() as u64);
        for ResourceLimit { resource, soft, hard } in &spec.resources {
            out.number(resource.number().into());
            out.number(*soft);
            out.number(*hard);
        }
        out.number(u64::from(spec.shm_size.is_some()));
        spec.shm_size.into_iter().for_each(|size| out.number(size));
        out.number(mounts.len() as u64);
        for mount in mounts {
            encode_mount(mount, &mut out);
        }
        out.number(u64::from(*filtered));
        out.number(spec.groups.len() as u64);
        spec.groups.iter().for_each(|group| out.bytes(group));
        out.number(spec.capabilities.bits());
        out.bytes(seccomp);
        match input {
            Input::Null => out.number(0),
            Input::Given => out.number(1),
            Input::Terminal(Size { rows, columns }) => {
                out.number(2);
                out.number(rows.into());
                out.number(columns.into());
            }
        }
        out.number(u64::from(foreground));
        encode_cgroup(cgroup, &mut out);
        out.0
    }

    /// Reads what [`Request::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Decoder(bytes);
        let spec = Spec {
            root: decode_root(&mut from)?,
            args: from.list(Decoder::os)?,
            env: from.list(|from| Some((from.os()?, from.os()?)))?,
            cwd: from.path()?,
            user: from.text()?,
            hostname: from.text()?,
            network: match from.number()? {
                0 => Network::Host,
                1 => Network::None,
                _ => Network::Given,
            },
            hosts: from.bytes()?.to_vec(),
            resolv_conf: from.optional(|from| from.bytes().map(<[u8]>::to_vec))?.next(),
            script: from
                .optional(|from| Some(Script { name: from.text()?, content: from.bytes()?.to_vec() }))?
                .next(),
            insecure: from.flag()?,
            resources: from.list(|from| {
                let resource = Resource::from_number(u8::try_from(from.number()?).ok()?)?;
                Some(ResourceLimit { resource, soft: from.number()?, hard: from.number()? })
            })?,
            shm_size: from.optional(Decoder::number)?.next(),
            mounts: from.list(decode_mount)?,
            filtered: from.flag()?,
            groups: from.list(Decoder::text)?,
            capabilities: Capabilities::from_bits(from.number()?),
        };
        let seccomp = from.bytes()?.to_vec();
        let input = match from.number()? {
            0 => Input::Null,
            1 => Input::Given,
            _ => Input::Terminal(Size { rows: from.number()? as u16, columns: from.number()? as u16 }),
        };
        let foreground = from.flag()?;
        Some(Self { spec, seccomp, input, foreground, cgroup: decode_cgroup(&mut from)? })
    }
}

fn encode_cgroup(cgroup: &Cgroup, out: &mut Encoder) {
    out.number(cgroup.kinds.len() as u64);
    for kind in &cgroup.kinds {
        let controllers = match kind {
            Kind::Unified => &[][..],
            Kind::Legacy { controllers } => controllers,
        };
        out.number(controllers.len() as u64);
        for name in controllers {
            out.bytes(name);
        }
    }
    out.number(u64::from(cgroup.limited));
    out.number(u64::from(cgroup.entered));
}

fn decode_cgroup(from: &mut Decoder<'_>) -> Option<Cgroup> {
    let kinds = from.list(|from| {
        let controllers = from.list(Decoder::text)?;
        Some(if controllers.is_empty() { Kind::Unified } else { Kind::Legacy { controllers } })
    })?;
    Some(Cgroup { kinds, limited: from.flag()?, entered: from.flag()? })
}

fn encode_root(root: &Root, out: &mut Encoder) {
    let Root { lowers, skeleton, upper, plain, volatile, mount_api } = root;
    out.number(lowers.len() as u64);
    for lower in lowers {
        out.path(lower);
    }
    out.path(skeleton);
    encode_upper(upper.as_ref(), out);
    out.number(u64::from(*plain));
    out.number(u64::from(*volatile));
    out.number(u64::from(*mount_api == MountApi::Classic));
}

fn encode_upper(upper: Option<&Upper>, out: &mut Encoder) {
    out.number(u64::from(upper.is_some()));
    if let Some(Upper { dir, work }) = upper {
        out.path(dir);
        out.path(work);
    }
}

fn decode_upper(from: &mut Decoder<'_>) -> Option<Upper> {
    Some(Upper { dir: from.path()?, work: from.path()? })
}

fn encode_mount(mount: &Mount, out: &mut Encoder) {
    let Mount { target, source, read_only } = mount;
    out.bytes(target);
    out.number(u64::from(*read_only));
    match source {
        MountSource::Host { path, inside } => {
            out.number(0);
            out.path(path);
            out.path(inside);
        }
        MountSource::Layers { lowers, upper, inside } => {
            out.number(1);
            out.number(lowers.len() as u64);
            for lower in lowers {
                out.path(lower);
            }
            encode_upper(upper.as_ref(), out);
            out.path(inside);
        }
        MountSource::Memory { size } => {
            out.number(2);
            out.number(u64::from(size.is_some()));
            if let Some(size) = size {
                out.number(*size);
            }
        }
        MountSource::File { content, mode, uid, gid } => {
            out.number(3);
            out.bytes(&content.0);
            for number in [mode, uid, gid] {
                out.number(u64::from(*number));
            }
        }
    }
}

fn decode_mount(from: &mut Decoder<'_>) -> Option<Mount> {
    let (target, read_only) = (from.text()?, from.flag()?);
    let small = |from: &mut Decoder<'_>| u32::try_from(from.number()?).ok();
    let source = match from.number()? {
        0 => MountSource::Host { path: from.path()?, inside: from.path()? },
        1 => MountSource::Layers {
            lowers: from.list(Decoder::path)?,
            upper: from.optional(decode_upper)?.next(),
            inside: from.path()?,
        },
        2 => MountSource::Memory { size: from.optional(Decoder::number)?.next() },
        3 => MountSource::File {
            content: Secret(from.bytes()?.to_vec()),
            mode: small(from)?,
            uid: small(from)?,
            gid: small(from)?,
        },
        _ => return None,
    };
    Some(Mount { target, source, read_only })
}

fn decode_root(from: &mut Decoder<'_>) -> Option<Root> {
    Some(Root {
        lowers: from.list(Decoder::path)?,
        skeleton: from.path()?,
        upper: from.optional(decode_upper)?.next(),
        plain: from.flag()?,
        volatile: from.flag()?,
        mount_api: if from.flag()? { MountApi::Classic } else { MountApi::Best },
    })
}

impl Report {
    /// The bytes of a report, after their count.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Encoder::default();
        match self {
            Self::Stub(path) => {
                body.number(0);
                body.path(path);
            }
            Self::Ended { status, usage } => {
                let (kind, number) = match *status {
                    Status::Exit(code) => (1, code),
                    Status::Signal(signal) => (2, signal),
                };
                body.number(kind);
                body.number(number as u64);
                let Usage { cpu, max_rss, memory: _, read, written } = usage;
                for number in [cpu.as_nanos() as u64, *max_rss, *read, *written] {
                    body.number(number);
                }
            }
            Self::Failed(failure) => failure.encode(&mut body),
        }
        let mut frame = Encoder::default();
        frame.bytes(body.0);
        frame.0
    }

    /// Takes one report from the front of `buffer` if it is there as a whole.
    pub(super) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let mut from = Decoder(buffer);
        let mut body = Decoder(from.bytes()?);
        let used = buffer.len() - from.0.len();
        let report = match body.number()? {
            0 => Self::Stub(body.path()?),
            kind @ (1 | 2) => {
                let number = body.int()?;
                let status = if kind == 1 { Status::Exit(number) } else { Status::Signal(number) };
                let usage = Usage {
                    cpu: Duration::from_nanos(body.number()?),
                    max_rss: body.number()?,
                    memory: None,
                    read: body.number()?,
                    written: body.number()?,
                };
                Self::Ended { status, usage }
            }
            kind => Self::Failed(Failure::decode(kind, &mut body)?),
        };
        buffer.drain(..used);
        Some(report)
    }
}

impl Failure {
    fn encode(&self, out: &mut Encoder) {
        match self {
            Self::Setup { step, errno, log } => {
                out.number(3);
                out.bytes(step);
                out.number(*errno as u64);
                out.bytes(log);
            }
            Self::Upper { log } => {
                out.number(4);
                out.bytes(log);
            }
            Self::Command { errno } => {
                out.number(5);
                out.number(*errno as u64);
            }
            Self::User(problem) => {
                let (kind, text) = match problem {
                    UserProblem::NoUser(name) => (6, name),
                    UserProblem::NoGroup(name) => (7, name),
                    UserProblem::Range(id) => (8, id),
                    UserProblem::Unmapped { uid, gid } => {
                        out.number(9);
                        out.number((*uid).into());
                        return out.number((*gid).into());
                    }
                };
                out.number(kind);
                out.bytes(text);
            }
        }
    }

    fn decode(kind: u64, from: &mut Decoder<'_>) -> Option<Self> {
        Some(match kind {
            3 => Self::Setup { step: from.text()?, errno: from.int()?, log: from.text()? },
            4 => Self::Upper { log: from.text()? },
            5 => Self::Command { errno: from.int()? },
            6 => Self::User(UserProblem::NoUser(from.text()?)),
            7 => Self::User(UserProblem::NoGroup(from.text()?)),
            8 => Self::User(UserProblem::Range(from.text()?)),
            9 => Self::User(UserProblem::Unmapped { uid: from.id()?, gid: from.id()? }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;

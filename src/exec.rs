//! One process in a root file system of its own.
//!
//! Owns sandboxes: namespaces, the overlay of a root's layers, what is mounted into it, ids, capabilities, seccomp,
//! and the way back of output and exit status. Knows nothing of images, layers' contents, caches or Dockerfiles.
//!
//! # Processes
//!
//! | Who | Is | Does, in this order |
//! |---|---|---|
//! | *engine* | the calling thread, in [`Executor::run`] | starts the stage with `posix_spawn` (no code of ours runs between fork and exec, so it may have threads), from where nobody can write to it (`program`); sends it the spec and descriptors over a socket; passes output on; waits until nothing is left |
//! | *stage* | this program, executed anew: one thread, so it may fork | asks to die with the engine's thread; blocks all signals; forks init straight into new mount, pid, ipc, uts (and net) namespaces and, in version 2, into its control group; kills it when the engine's end of the socket closes; passes signals on; waits for it |
//! | *init* | a fork of the stage, pid 1 inside | asks to die with the stage; enters its control group and a cgroup namespace; makes mounts private; mounts the overlay; mounts `/proc`, `/sys`, `/dev`, `/etc/hosts`, `/etc/resolv.conf` and what the caller asked for, with every path resolved inside the root; `pivot_root`; masks paths; host name, network; looks the user up; makes and enters the working directory; forks the command; reaps what is left to it; reports the command's end and ends, upon which the kernel kills the rest and drops the mounts |
//! | *command* | a fork of init, then the program of the spec | own session; standard input; default signals; seccomp filter, then capabilities and ids (see `rights`); exec |
//!
//! # Death
//!
//! Nothing outlives the engine: the stage and init both set a parent-death signal, which the kernel sends when the
//! parent *thread* ends, and each checks afterwards that its parent still lived (the stage by its socket, init by a
//! pidfd). So a stage is never started from a thread that may end before it: the thread that starts it is the one
//! that waits for it. Mounts live in the sandbox's own namespace and go with it.
//!
//! # Mount points
//!
//! A [`skeleton()`] lies below all layers, so mount points exist without a trace in the upper. Where an image has
//! whited one out, or has made `/etc` a link to what is not there, and where the caller wants something mounted at a
//! path that the image has not, it is made in the root and reported as a [stub](Outcome::stubs); its parent keeps its
//! times.

mod bpf;
mod cancel;
mod capabilities;
mod cgroups;
mod channel;
mod devices;
mod emulation;
mod engine;
mod error;
mod extra;
mod init;
mod mounts;
mod program;
mod refusal;
mod resources;
mod rights;
mod root;
mod sandbox;
mod seccomp;
mod seccomp_profile;
mod skeleton;
mod spec;
mod stage;
mod terminal;
mod user;

pub use cancel::{CancelToken, Signals};
pub use capabilities::Capabilities;
pub use emulation::emulated;
pub use engine::{Executor, Io, Outcome, Output, Stage, Status, Stdin, Usage};
pub use error::{ExecError, SpecProblem, UserProblem};
pub use refusal::overlay_refusal;
pub use resources::{Resource, ResourceLimit};
pub use skeleton::skeleton;
pub use spec::{MAX_LOWERS, Mount, MountApi, MountSource, Network, Root, Script, Secret, Spec, Upper};
pub use stage::stage_entry;
pub use terminal::Terminal;

/// The most descriptors that a sandbox can be given to hold.
pub const MAX_KEPT: usize = 32;

/// The most hierarchies that a control group is in: version 1 can have one for each controller that is used.
const MAX_HIERARCHIES: usize = 6;

/// The most descriptors that go to a stage: those to hold, a standard input or a terminal's socket, a network
/// namespace, and a control group with its lock.
const MAX_SENT: usize = MAX_KEPT + 2 + MAX_HIERARCHIES + 1;

/// The first argument by which the program knows that it is a stage.
const STAGE_NAME: &str = "strata-stage";

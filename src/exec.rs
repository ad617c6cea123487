//! One process in a root file system of its own.

mod cancel;
mod engine;
mod error;
mod skeleton;
mod spec;

pub use cancel::{CancelToken, Signals};
pub use engine::{Executor, Io, Outcome, Output, Status, Stdin, Usage};
pub use error::{ExecError, SpecProblem, UserProblem};
pub use skeleton::skeleton;
pub use spec::{MAX_LOWERS, MountApi, Network, Root, Spec, Upper};

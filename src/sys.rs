//! System calls beyond the standard library, with typed errors that carry paths.
//!
//! All `unsafe` is in here. Must not know images, layers or Dockerfiles.

pub mod file;
pub mod lock;
pub mod mount;
pub mod namespace;
pub mod process;
pub mod reach;
pub mod remove;
pub mod terminal;
pub mod user_namespace;
pub mod walk;
pub mod xattr;

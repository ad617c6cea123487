//! System calls beyond the standard library, with typed errors that carry paths. All unsafe code is here.

pub mod mount;
pub mod namespace;
pub mod process;

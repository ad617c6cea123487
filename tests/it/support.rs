//! What several test files need.

pub(crate) mod case;
pub(crate) mod env;
pub(crate) mod gate;
pub(crate) mod leftovers;
pub(crate) mod progress;
pub(crate) mod rootfs;
pub(crate) mod running;
/// The one of the library's own tests.
#[path = "../../src/remote/server.rs"]
#[expect(dead_code, reason = "the library's tests use more of it")]
mod server;
pub(crate) mod tree;
pub(crate) mod web;

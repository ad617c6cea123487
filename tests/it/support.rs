//! What several test files need.

pub(crate) mod case;
pub(crate) mod client;
pub(crate) mod env;
pub(crate) mod flaky;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod layers;
pub(crate) mod leftovers;
pub(crate) mod progress;
pub(crate) mod registry;
pub(crate) mod rootfs;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod terminal;
pub(crate) mod token;
pub(crate) mod tree;
pub(crate) mod user;

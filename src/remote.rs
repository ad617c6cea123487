//! Sources that have to be fetched: files over HTTP, trees from Git repositories.
//!
//! Owns talking to servers, and what is kept of it: downloaded files with what is needed to ask whether they have
//! changed, and a mirror of each repository. It takes a directory for that, and values; it gives files and
//! directories. Only it runs `git`; registries are [`registry`](crate::registry)'s. It must not
//! know stores, instructions or layers, nor the environment: proxies, tokens and sockets are values.
//!
//! How a remote source is *written* is a matter of [`dockerfile::remote`](crate::dockerfile::remote). Everything here
//! waits in the calling thread and is given up soon after [`Watch::is_canceled`] says so. No message holds a password
//! or a token.

mod authorization;
pub mod git;
pub mod http;
#[cfg(test)]
mod server;

use std::cell::Cell;
use std::fmt;

use git::Git;
use http::HttpClient;

pub use authorization::{Authorization, Logins};

use crate::progress::{Step, Stream};
pub use crate::web::Proxies;

/// How many bytes pass between two reports.
const STRIDE: u64 = 1 << 20;

/// What fetches.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// Files over HTTP.
    pub http: HttpClient,
    /// Trees from Git repositories.
    pub git: Git,
    /// Who the user is to servers.
    pub logins: Logins,
}

/// What a fetch asks and tells while it runs.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Whether to give up. Asked several times a second.
    pub is_canceled: &'a dyn Fn() -> bool,
    /// Takes a line of what a program says.
    pub log: &'a dyn Fn(&str),
    /// Takes how many bytes have come, and how many it will be if the server said so.
    pub received: &'a dyn Fn(u64, Option<u64>),
}

impl Watch<'static> {
    /// Never cancels and drops what it is told.
    pub fn nothing() -> Self {
        Self { is_canceled: &|| false, log: &|_| (), received: &|_, _| () }
    }
}

/// Does something that tells `step` how far it is, and gives up when `is_canceled` says so.
pub fn watched<T>(step: &Step<'_>, is_canceled: &dyn Fn() -> bool, act: impl FnOnce(&Watch<'_>) -> T) -> T {
    let told = Cell::new(0);
    act(&Watch {
        is_canceled,
        log: &|line| step.output(Stream::Stderr, format!("{line}\n").as_bytes()),
        received: &|done, total| {
            if told.replace(done) / STRIDE != done / STRIDE {
                step.transfer(done, total);
            }
        },
    })
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("is_canceled", &(self.is_canceled)()).finish_non_exhaustive()
    }
}

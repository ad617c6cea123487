//! strata builds OCI images from Dockerfiles and keeps them in a layered, content-addressed store.
//!
//! Modules are listed from the lowest row of the map in `docs/ARCHITECTURE.md` to the highest; a module uses
//! only modules of lower rows. The library never prints, reads the environment or ends the process: it takes
//! options, returns values and reports progress as events. The binary's words are in [`cli`].

pub mod diagnostic;
pub mod oci;
pub mod progress;
pub mod sys;

pub mod cgroup;
pub mod dockerfile;
pub mod tree;
pub mod user;
pub mod web;

pub mod context;
pub mod exec;
pub mod layer;
pub mod network;
pub mod plan;
pub mod registry;
pub mod remote;
pub mod store;

pub mod attest;
pub mod cache;
pub mod image;
pub mod lint;

pub mod solve;
pub mod transport;

pub mod engine;

pub mod cli;

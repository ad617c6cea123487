//! Tests through the library's interface and the binary, on the real kernel, as root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod architecture;
mod attestations;
mod bad_input;
mod build;
mod cache;
mod cli;
mod concurrency;
mod conformance;
mod container;
mod contexts;
mod crash;
mod debug;
mod emulation;
mod exec;
mod fixtures;
mod hostile;
mod keeping;
mod limits;
mod lint;
mod long_paths;
mod looking;
mod mounts;
mod outputs;
mod platforms;
mod readers;
mod registries;
mod remote;
mod reproducible;
mod schemas;
mod support;
mod transport;
mod users;

//! Tests through the library's interface and the binary, on the real kernel, as root.

mod exec;
mod support;

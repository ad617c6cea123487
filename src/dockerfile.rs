//! Dockerfile text to syntax tree.

pub mod ast;
pub mod heredoc;
pub mod mount;
pub mod word;

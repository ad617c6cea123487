//! The command line: arguments, words, colours, exit codes. The only part that prints.

pub mod error;
pub mod human;
pub mod render;
pub mod table;
pub mod template;

use std::process::ExitCode;

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}

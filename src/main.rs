//! The `strata` binary: a re-executed sandbox stage, or the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    match strata::exec::stage_entry() {
        Some(code) => code,
        None => strata::cli::main(),
    }
}

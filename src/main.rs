//! The `strata` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    strata::exec::stage_entry().unwrap_or_else(strata::cli::main)
}

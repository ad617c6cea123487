//! `fsck`: whether the store is whole.

use std::process::ExitCode;

use serde_json::json;

use crate::engine::{Flaw, FsckReport, FsckRequest, Remedy};
use crate::exec::CancelToken;

use super::error::{CliError, ErrorKind};
use super::{App, inspect, print, signals};

/// Problems were found, and all were repaired.
const REPAIRED: u8 = 3;
/// Problems were found that are still there.
const BROKEN: u8 = 4;

/// Check whether the store is whole
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Builds may go on meanwhile. Exit codes: 0, the store is whole (leftovers of killed commands are no \
    problem); 1, it could not be checked; 3, there were problems and all are repaired; 4, there are problems."
)]
pub(super) struct FsckArgs {
    /// Print `text` or `json`
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    /// Do not read contents: compare rows, files, sizes, modes, owners and times only
    #[arg(long)]
    quick: bool,
    /// Remove what is broken, and what cannot be without it
    #[arg(long)]
    repair: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(app: &App, args: &FsckArgs) -> Result<ExitCode, CliError> {
    let cancel = CancelToken::new().map_err(|error| CliError::from_error(ErrorKind::General, &error))?;
    let on_signal = cancel.clone();
    signals::on_interrupt(move |_| on_signal.cancel())?;
    let request = FsckRequest { quick: args.quick, repair: args.repair };
    let report = app.engine()?.fsck(request, &cancel)?;
    print(&match args.format {
        Format::Text => text(&report, args.repair),
        Format::Json => json(&report),
    })?;
    let problems = || flaws(&report).filter(|(flaw, _)| flaw.remedy() != Remedy::Leftover);
    Ok(match (problems().next().is_some(), problems().all(|(_, repaired)| repaired)) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::from(REPAIRED),
        (true, false) => ExitCode::from(BROKEN),
    })
}

fn flaws(report: &FsckReport) -> impl Iterator<Item = (&Flaw, bool)> {
    report.flaws.iter().zip(report.repaired.iter().copied())
}

fn label(flaw: &Flaw) -> &'static str {
    if flaw.remedy() == Remedy::Leftover { "leftover" } else { "problem" }
}

fn text(report: &FsckReport, repair: bool) -> String {
    let mut text = String::new();
    for (flaw, repaired) in flaws(report) {
        text.push_str(&format!("{}: {}\n  means: {}\n", label(flaw), flaw.what(), flaw.meaning()));
        let does = flaw.repair_text();
        text.push_str(&match (repair, repaired) {
            (false, _) => format!("  `--repair`: {does}\n"),
            (true, true) => format!("  repaired: {does}\n"),
            (true, false) => format!("  not repaired: {does}\n"),
        });
    }
    let problems = report.flaws.iter().filter(|flaw| flaw.remedy() != Remedy::Leftover).count();
    let FsckReport { blobs, layers, images, .. } = report;
    text.push_str(&format!(
        "{images} images, {layers} layers, {blobs} blobs: {}\n",
        match problems {
            0 => "whole".to_owned(),
            1 => "1 problem".to_owned(),
            more => format!("{more} problems"),
        }
    ));
    text
}

fn json(report: &FsckReport) -> String {
    let flaws = flaws(report).map(|(flaw, repaired)| {
        json!({
            "Kind": label(flaw),
            "What": flaw.what(),
            "Means": flaw.meaning(),
            "Repair": flaw.repair_text(),
            "Repaired": repaired,
        })
    });
    let value = json!({
        "Images": report.images,
        "Layers": report.layers,
        "Blobs": report.blobs,
        "Flaws": flaws.collect::<Vec<_>>(),
    });
    format!("{}\n", inspect::pretty(&value))
}

//! What was measured, what it should have been, and the table of both (Markdown, as `docs/PERFORMANCE.md` has it).

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::Sample;

/// What a process of strata's may take at most, everywhere.
const PEAK_LIMIT_KIB: u64 = 150 << 10;

/// A measured amount.
#[derive(Clone, Copy)]
pub(crate) enum Quantity {
    Time(Duration),
    Bytes(u64),
}

/// What ours should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most so many times the limit.
    Times(f64),
    /// At most this long.
    AtMost(Duration),
    /// No target: shown for comparison.
    None,
}

/// One line of the table.
pub(crate) struct Row {
    name: String,
    ours: Option<Quantity>,
    limit: Option<(Quantity, String)>,
    target: Target,
    peak_kib: Option<u64>,
    error: Option<String>,
}

impl Row {
    /// A line without a limit to compare with.
    pub(crate) fn new(name: impl Into<String>, ours: Sample) -> Self {
        Self {
            name: name.into(),
            ours: Some(Quantity::Time(ours.elapsed)),
            limit: None,
            target: Target::None,
            peak_kib: (ours.peak_kib > 0).then_some(ours.peak_kib),
            error: None,
        }
    }

    /// A line about sizes.
    pub(crate) fn bytes(name: impl Into<String>, ours: u64, limit: u64, what: &str) -> Self {
        Self {
            name: name.into(),
            ours: Some(Quantity::Bytes(ours)),
            limit: Some((Quantity::Bytes(limit), what.to_owned())),
            target: Target::None,
            peak_kib: None,
            error: None,
        }
    }

    /// A workload that could not be measured.
    pub(crate) fn failed(name: &str, error: String) -> Self {
        Self {
            name: name.to_owned(),
            ours: None,
            limit: None,
            target: Target::None,
            peak_kib: None,
            error: Some(error),
        }
    }

    /// With the time that `what` took.
    pub(crate) fn limit(self, elapsed: Duration, what: &str) -> Self {
        Self { limit: Some((Quantity::Time(elapsed), what.to_owned())), ..self }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    fn ratio(&self) -> Option<f64> {
        let (limit, _) = self.limit.as_ref()?;
        Some(self.ours?.amount() / limit.amount())
    }

    /// Whether there is nothing but an error to show.
    pub(crate) fn is_failure(&self) -> bool {
        self.error.is_some()
    }

    /// Whether time or size are within the target and memory within its limit.
    fn is_met(&self) -> bool {
        let fast = match (self.target, self.ours) {
            (Target::Times(factor), _) => self.ratio().is_some_and(|ratio| ratio <= factor),
            (Target::AtMost(most), Some(ours)) => ours.amount() <= most.as_secs_f64(),
            (Target::AtMost(_), None) => false,
            (Target::None, _) => true,
        };
        fast && self.peak_kib.is_none_or(|peak| peak <= PEAK_LIMIT_KIB)
    }

    fn cells(&self) -> [String; 8] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let verdict = match (&self.error, self.is_met(), self.target) {
            (Some(_), _, _) => "failed",
            (_, false, _) => "over",
            (_, true, Target::None) => "–",
            (_, true, _) => "ok",
        };
        [
            self.name.clone(),
            or_dash(self.ours.map(|ours| ours.to_string())),
            or_dash(self.limit.as_ref().map(|(limit, _)| limit.to_string())),
            or_dash(self.limit.as_ref().map(|(_, what)| what.clone())),
            or_dash(self.ratio().map(|ratio| format!("{ratio:.2}"))),
            self.target.to_string(),
            verdict.to_owned(),
            or_dash(self.peak_kib.map(|peak| format!("{} MiB", peak.div_ceil(1024)))),
        ]
    }
}

impl Quantity {
    /// Seconds or bytes.
    fn amount(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            Self::Bytes(bytes) => bytes as f64,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) if time.as_secs_f64() < 0.1 => write!(f, "{:.1} ms", time.as_secs_f64() * 1e3),
            Self::Time(time) => write!(f, "{:.2} s", time.as_secs_f64()),
            Self::Bytes(bytes) => write!(f, "{:.1} MB", *bytes as f64 / 1e6),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(factor) => write!(f, "≤ {factor:.2}"),
            Self::AtMost(most) => write!(f, "≤ {}", Quantity::Time(*most)),
            Self::None => write!(f, "–"),
        }
    }
}

/// The table, and below it why workloads failed.
pub(crate) fn render(rows: &[Row]) -> String {
    let head = ["workload", "ours", "limit", "what limits", "ratio", "target", "", "peak"].map(str::to_owned);
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let widths: [usize; 8] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    let mut put = |cells: &[String; 8]| {
        for (cell, width) in cells.iter().zip(widths) {
            // Writing to a string does not fail.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
    };
    for (number, line) in lines.iter().enumerate() {
        put(line);
        if number == 0 {
            put(&widths.map(|width| "-".repeat(width)));
        }
    }
    for row in rows {
        if let Some(error) = &row.error {
            let _ = write!(text, "\n{} failed: {error}\n", row.name);
        }
    }
    text
}

//! The list of containers as rows, in Docker's fields.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::{ContainerState, ContainerSummary};
use crate::image::rfc3339;

use super::super::human;
use super::super::list::Fields;
use super::super::template::{Field, Shape};

pub(super) const FIELDS: Fields = Fields {
    shape: &[
        Field::new("ID", Shape::Text),
        Field::new("Image", Shape::Text),
        Field::new("Command", Shape::Text),
        Field::new("RunningFor", Shape::Text),
        Field::new("CreatedAt", Shape::Text),
        Field::new("Status", Shape::Text),
        Field::new("State", Shape::Text),
        Field::new("Names", Shape::Text),
        Field::new("Labels", Shape::Text),
        Field::new("Size", Shape::Text),
    ],
    headers: &[
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "CREATED AT",
        "STATUS",
        "STATE",
        "NAMES",
        "LABELS",
        "SIZE",
    ],
};

/// How much of a command a line shows.
const COMMAND_WIDTH: usize = 20;

/// The template of the table.
pub(super) fn table(size: bool) -> String {
    let size = if size { "\t{{.Size}}" } else { "" };
    format!(
        "{{{{.ID}}}}\t{{{{.Image}}}}\t{{{{.Command}}}}\t{{{{.RunningFor}}}}\t{{{{.Status}}}}\t{{{{.Names}}}}{size}"
    )
}

pub(super) fn id(container: &ContainerSummary, full: bool) -> &str {
    if full { container.id.as_str() } else { container.id.short() }
}

/// The rows; sizes are left empty.
pub(super) fn of(containers: &[ContainerSummary], full: bool, now: Timestamp) -> Vec<Value> {
    let row = |container: &ContainerSummary| {
        let command = container.command.join(" ");
        let command = if full { command } else { human::cut(&command, COMMAND_WIDTH) };
        let labels = &container.config.labels;
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let running = container.state == ContainerState::Running;
        json!({
            "ID": id(container, full),
            "Image": container.image,
            "Command": format!("\"{}\"", human::harmless(&command)),
            "RunningFor": ago(container.created, now),
            "CreatedAt": rfc3339(container.created),
            "Status": status(container, now),
            "State": if running { "running" } else { "exited" },
            "Names": container.name,
            "Labels": labels.join(","),
            "Size": "",
        })
    };
    containers.iter().map(row).collect()
}

fn status(container: &ContainerSummary, now: Timestamp) -> String {
    match container.state {
        ContainerState::Running => {
            let up = Duration::try_from(now.duration_since(container.created)).unwrap_or_default();
            format!("Up {}", human::duration(up))
        }
        ContainerState::Exited { code, finished } => {
            // Of one that was killed nobody knows.
            let code = code.map_or_else(|| "?".to_owned(), |code| code.to_string());
            let when = finished.map(|time| format!(" {}", ago(time, now))).unwrap_or_default();
            format!("Exited ({code}){when}")
        }
    }
}

fn ago(time: Timestamp, now: Timestamp) -> String {
    human::ago(Some(&rfc3339(time)), now)
}

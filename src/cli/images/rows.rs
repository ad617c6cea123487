//! The list of images as rows: one for each name, as Docker has them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::ImageSummary;
use crate::oci::Reference;

use super::super::human;
use super::super::list::Fields;
use super::super::template::{Field, Shape};
use super::id;

pub(super) const FIELDS: Fields = Fields {
    shape: &[
        Field::new("Repository", Shape::Text),
        Field::new("Tag", Shape::Text),
        Field::new("Digest", Shape::Text),
        Field::new("ID", Shape::Text),
        Field::new("CreatedSince", Shape::Text),
        Field::new("CreatedAt", Shape::Text),
        Field::new("Size", Shape::Text),
        Field::new("SharedSize", Shape::Text),
        Field::new("UniqueSize", Shape::Text),
        Field::new("VirtualSize", Shape::Text),
        Field::new("Containers", Shape::Text),
    ],
    headers: &[
        "REPOSITORY",
        "TAG",
        "DIGEST",
        "IMAGE ID",
        "CREATED",
        "CREATED AT",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "VIRTUAL SIZE",
        "CONTAINERS",
    ],
};

/// What Docker prints for `--format raw`.
const RAW: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\n\
    virtual_size: {{.Size}}\n";

/// The template of a word for `--format`.
pub(super) fn template(format: &str) -> String {
    if format.trim() == "raw" { RAW.to_owned() } else { format.to_owned() }
}

/// The template of the table.
pub(super) fn table(digests: bool) -> String {
    let digest = if digests { "{{.Digest}}\t" } else { "" };
    format!("{{{{.Repository}}}}\t{{{{.Tag}}}}\t{digest}{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}")
}

/// The rows, those of the first image first. What has no name is called `<none>`.
pub(super) fn of(images: &[ImageSummary], full: bool, now: Timestamp) -> Vec<Value> {
    const NONE: &str = "<none>";
    let mut rows = Vec::new();
    for image in images {
        let row = |name: String, tag: &str| row(image, (&name, tag), full, now);
        if image.names.is_empty() {
            rows.push(row(NONE.to_owned(), NONE));
        }
        let name = |name: &Reference| row(name.familiar_name(), name.tag().unwrap_or(NONE));
        rows.extend(image.names.iter().map(name));
    }
    rows
}

fn row(image: &ImageSummary, (repository, tag): (&str, &str), full: bool, now: Timestamp) -> Value {
    json!({
        "Repository": repository,
        "Tag": tag,
        "Digest": image.manifest.to_string(),
        "ID": id(image, full),
        "CreatedSince": human::ago(image.created.as_deref(), now),
        "CreatedAt": created_at(image.created.as_deref()),
        "Size": human::size(image.size),
        "SharedSize": human::size(image.shared),
        "UniqueSize": human::size(image.size.saturating_sub(image.shared)),
        "VirtualSize": human::size(image.size),
        "Containers": "N/A",
    })
}

/// A time as Go prints it, in UTC.
fn created_at(time: Option<&str>) -> String {
    match time.map(str::parse::<Timestamp>) {
        Some(Ok(time)) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        _ => "N/A".to_owned(),
    }
}

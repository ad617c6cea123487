//! `du`, and `system df`: what a store holds and what it takes on disk.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::{CacheRecord, ContainerState, Disk, EngineError, RecordFilter, RecordKind, Usage};
use crate::image::rfc3339;

use super::error::CliError;
use super::list::{Fields, ListFormat};
use super::table::Table;
use super::template::{Field, Shape};
use super::{App, human, print};

/// Show what the store holds and what it takes on disk
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every byte counts once: for images, then for containers, then for what is kept for later builds. \
    SIZE is what the disk gives; sparse and small files have another size when they are read, which `--format json` \
    has as `Apparent`. RECLAIMABLE is what can be removed: `strata prune --all --images --containers` removes all of it."
)]
pub(super) struct DuArgs {
    /// Only some of what is kept for builds: `type=`, `id=`, `description~=`, `shared=`, `inuse=`, `until=`; may be
    /// repeated. Lists these records
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print `table`, `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// List each image, container and record
    #[arg(short, long)]
    verbose: bool,
}

pub(super) fn run(app: &App, args: &DuArgs) -> Result<ExitCode, CliError> {
    let format = ListFormat::parse(args.format.as_deref(), SUMMARY_TABLE)?;
    let filter = filter(&args.filter)?;
    let mut usage = app.engine()?.usage()?;
    let now = Timestamp::now();
    let text = if !args.filter.is_empty() {
        usage.records.retain(|record| filter.accepts(record));
        let format = ListFormat::parse(args.format.as_deref(), RECORD_TABLE)?;
        let mut text = format.render(RECORD_FIELDS, &records(&usage.records, now))?;
        if args.format.is_none() {
            text.push_str(&format!("Total: {}\n", human::size(usage.cache().used)));
        }
        text
    } else if args.verbose && matches!(format, ListFormat::Json) {
        format!("{}\n", everything(&usage, now))
    } else if args.verbose {
        tables(&usage, now)?
    } else {
        format.render(SUMMARY_FIELDS, &summary(&usage))?
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads `--filter`s.
pub(super) fn filter(typed: &[String]) -> Result<RecordFilter, CliError> {
    let mut filter = RecordFilter::default();
    for text in typed {
        filter.add(text, Timestamp::now()).map_err(EngineError::from)?;
    }
    Ok(filter)
}

const SUMMARY_FIELDS: Fields = Fields {
    shape: &[
        Field::new("Type", Shape::Text),
        Field::new("TotalCount", Shape::Text),
        Field::new("Active", Shape::Text),
        Field::new("Size", Shape::Text),
        Field::new("Apparent", Shape::Text),
        Field::new("Reclaimable", Shape::Text),
    ],
    headers: &["TYPE", "TOTAL", "ACTIVE", "SIZE", "APPARENT", "RECLAIMABLE"],
};

const SUMMARY_TABLE: &str = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

/// How kinds of records are called in the summary.
fn title(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Result => "Build results",
        RecordKind::CacheMount => "Cache mounts",
        RecordKind::File => "Fetched files",
        RecordKind::Mirror => "Git mirrors",
        RecordKind::Scan => "Context scans",
        RecordKind::Failed => "Failed steps",
        RecordKind::Export => "Exported layers",
    }
}

fn summary(usage: &Usage) -> Vec<Value> {
    let line = |title: &str, (total, active): (usize, usize), size: Disk, free: u64| {
        let share = (free * 100).checked_div(size.used).unwrap_or_default();
        json!({
            "Type": title,
            "TotalCount": total.to_string(),
            "Active": active.to_string(),
            "Size": human::size(size.used),
            "Apparent": human::size(size.apparent),
            "Reclaimable": format!("{} ({share}%)", human::size(free)),
        })
    };
    let used = usage.images.iter().filter(|image| image.containers > 0).count();
    let running = |state: ContainerState| state == ContainerState::Running;
    let runs = usage.containers.iter().filter(|one| running(one.container.state)).count();
    let ended = usage.containers.iter().filter(|one| !running(one.container.state));
    let ended: u64 = ended.map(|one| one.disk.used).sum();
    let mut lines = vec![
        line("Images", (usage.images.len(), used), usage.all_images, usage.unused_images.used),
        line(
            "Containers",
            (usage.containers.len(), runs),
            usage.all_containers,
            ended.min(usage.all_containers.used),
        ),
    ];
    for kind in RecordKind::ALL {
        let of_kind = || usage.records.iter().filter(move |record| record.kind == kind);
        let free: Disk = of_kind().filter(|record| !record.in_use).map(|record| record.frees).sum();
        let active = of_kind().filter(|record| record.in_use || record.shared).count();
        let size = of_kind().map(|record| record.frees).sum();
        lines.push(line(title(kind), (of_kind().count(), active), size, free.used));
    }
    let mut other = line("Other", (0, 0), usage.other(), 0);
    other["TotalCount"] = "".into();
    other["Active"] = "".into();
    lines.push(other);
    lines
}

const RECORD_FIELDS: Fields = Fields {
    shape: &[
        Field::new("ID", Shape::Text),
        Field::new("CacheType", Shape::Text),
        Field::new("Description", Shape::Text),
        Field::new("Size", Shape::Text),
        Field::new("Apparent", Shape::Text),
        Field::new("Reclaimable", Shape::Text),
        Field::new("CreatedAt", Shape::Text),
        Field::new("CreatedSince", Shape::Text),
        Field::new("LastUsedAt", Shape::Text),
        Field::new("LastUsedSince", Shape::Text),
        Field::new("Shared", Shape::Text),
        Field::new("InUse", Shape::Text),
    ],
    headers: &[
        "ID",
        "TYPE",
        "DESCRIPTION",
        "SIZE",
        "APPARENT",
        "RECLAIMABLE",
        "CREATED AT",
        "CREATED",
        "LAST USED AT",
        "LAST USED",
        "SHARED",
        "IN USE",
    ],
};

const RECORD_TABLE: &str =
    "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.Reclaimable}}\t{{.LastUsedSince}}\t{{.Description}}";

/// So much of an id tells records apart.
const ID_WIDTH: usize = 12;

/// How much of a description a line shows.
const DESCRIPTION_WIDTH: usize = 60;

/// Records as rows.
pub(super) fn records(records: &[CacheRecord], now: Timestamp) -> Vec<Value> {
    let ago = |time: Timestamp| human::ago(Some(&rfc3339(time)), now);
    let row = |record: &CacheRecord| {
        json!({
            "ID": record.id.chars().take(ID_WIDTH).collect::<String>(),
            "CacheType": record.kind.word(),
            "Description": human::cut(&human::harmless(&record.description), DESCRIPTION_WIDTH),
            "Size": human::size(record.disk.used),
            "Apparent": human::size(record.disk.apparent),
            "Reclaimable": human::size(if record.in_use { 0 } else { record.frees.used }),
            "CreatedAt": rfc3339(record.created),
            "CreatedSince": ago(record.created),
            "LastUsedAt": rfc3339(record.last_use),
            "LastUsedSince": ago(record.last_use),
            "Shared": record.shared.to_string(),
            "InUse": record.in_use.to_string(),
        })
    };
    records.iter().map(row).collect()
}

fn image_rows(usage: &Usage) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for image in &usage.images {
        let names = image.image.names.iter().map(crate::oci::Reference::familiar);
        let mut names: Vec<String> = names.collect();
        if names.is_empty() {
            names.push("<none>".to_owned());
        }
        rows.push(vec![
            names.join(", "),
            image.image.id.short(),
            image.image.created.clone().unwrap_or_default(),
            human::size(image.disk.used),
            human::size(image.disk.used.saturating_sub(image.unique.used)),
            human::size(image.unique.used),
            image.containers.to_string(),
        ]);
    }
    rows
}

fn tables(usage: &Usage, now: Timestamp) -> Result<String, CliError> {
    let mut images =
        Table::new(["IMAGE", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"]);
    for row in image_rows(usage) {
        let [name, id, created, size, shared, unique, containers] =
            <[String; 7]>::try_from(row).unwrap_or_else(|row| unreachable!("a row has seven cells: {row:?}"));
        let created = human::ago(Some(&created), now);
        images.row([name, id, created, size, shared, unique, containers]);
    }
    let mut containers = Table::new(["CONTAINER ID", "IMAGE", "SIZE", "CREATED", "NAMES"]);
    for one in &usage.containers {
        let container = &one.container;
        containers.row([
            container.id.short().to_owned(),
            container.image.clone(),
            human::size(one.disk.used),
            human::ago(Some(&rfc3339(container.created)), now),
            container.name.clone(),
        ]);
    }
    let format = ListFormat::parse(None, RECORD_TABLE)?;
    let records = format.render(RECORD_FIELDS, &records(&usage.records, now))?;
    Ok(format!(
        "Images:\n\n{}\nContainers:\n\n{}\nKept for builds:\n\n{records}\nTotal: {} on disk, {} of other things\n",
        images.render(),
        containers.render(),
        human::size(usage.total.used),
        human::size(usage.other().used),
    ))
}

/// Everything with exact numbers, for programs.
fn everything(usage: &Usage, now: Timestamp) -> Value {
    let images = usage.images.iter().map(|image| {
        json!({
            "ID": image.image.id.to_string(),
            "Names": image.image.names.iter().map(crate::oci::Reference::familiar).collect::<Vec<_>>(),
            "Size": image.disk.used,
            "Apparent": image.disk.apparent,
            "UniqueSize": image.unique.used,
            "Containers": image.containers,
        })
    });
    let containers = usage.containers.iter().map(|one| {
        json!({
            "ID": one.container.id.as_str(),
            "Names": one.container.name,
            "Size": one.disk.used,
            "Apparent": one.disk.apparent,
        })
    });
    let records = records(&usage.records, now).into_iter().zip(&usage.records).map(|(mut row, record)| {
        row["ID"] = json!(record.id);
        row["Description"] = json!(record.description);
        row["Size"] = json!(record.disk.used);
        row["Apparent"] = json!(record.disk.apparent);
        row["Reclaimable"] = json!(if record.in_use { 0 } else { record.frees.used });
        row["Shared"] = json!(record.shared);
        row["InUse"] = json!(record.in_use);
        row
    });
    json!({
        "Images": images.collect::<Vec<_>>(),
        "Containers": containers.collect::<Vec<_>>(),
        "BuildCache": records.collect::<Vec<_>>(),
        "Other": usage.other().used,
        "Total": usage.total.used,
    })
}

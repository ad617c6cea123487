//! `prune`, and `system prune`.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};

use crate::dockerfile::parse_duration;
use crate::engine::{
    CacheRecord, ContainerFilter, Disk, Engine, EngineError, ImageFilter, PruneRequest, Removed, Space,
};

use super::error::{CliError, ErrorKind};
use super::{App, confirm, du, human, limits, print};

/// Remove what is kept for later builds, the least recently used first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What a running build or container uses stays. Images and containers are touched only if they are \
    asked for."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct PruneArgs {
    /// Also records of what images need, and with `--images` also images with names
    #[arg(short, long)]
    all: bool,
    /// Also containers that have ended
    #[arg(long)]
    containers: bool,
    /// Only show which records would go
    #[arg(long, conflicts_with_all = ["containers", "images"])]
    dry_run: bool,
    /// Only some: `type=`, `id=`, `description~=`, `until=`, `unused-for=`, and for images and containers `label=`; may
    /// be repeated
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Also images without a name that no container is of
    #[arg(long)]
    images: bool,
    /// Keep what was used within this time, such as `48h`
    #[arg(long, value_name = "TIME")]
    keep_duration: Option<String>,
    /// Remove until no more than this is left, such as `10GB`
    #[arg(long, value_name = "BYTES")]
    max_used_space: Option<String>,
    /// Remove until this much of the disk is free
    #[arg(long, value_name = "BYTES")]
    min_free_space: Option<String>,
    /// Always leave this much
    #[arg(long, value_name = "BYTES", alias = "keep-storage")]
    reserved_space: Option<String>,
    /// Say more of each record
    #[arg(short, long)]
    verbose: bool,
}

/// Remove what nothing needs: ended containers, images without a name, what is kept for later builds
#[derive(Debug, clap::Args)]
pub(super) struct SystemPruneArgs {
    /// Also images with names that no container is of
    #[arg(short, long)]
    all: bool,
    /// Only some: `until=TIME`, `label=NAME[=VALUE]`; may be repeated
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

pub(super) fn system(app: &App, args: &SystemPruneArgs) -> Result<ExitCode, CliError> {
    let SystemPruneArgs { all, filter, force } = args;
    run(
        app,
        &PruneArgs {
            all: *all,
            containers: true,
            dry_run: false,
            filter: filter.clone(),
            force: *force,
            images: true,
            keep_duration: None,
            max_used_space: None,
            min_free_space: None,
            reserved_space: None,
            verbose: false,
        },
    )
}

pub(super) fn run(app: &App, args: &PruneArgs) -> Result<ExitCode, CliError> {
    let wanted = Wanted::read(args)?;
    if !confirm::agreed(&warning(args), args.force || args.dry_run)? {
        return Ok(ExitCode::SUCCESS);
    }
    let engine = app.engine()?;
    let mut text = String::new();
    let mut freed = Disk::default();
    if args.containers {
        let (removed, disk) = engine.prune_containers(&wanted.containers)?;
        freed += disk;
        text.extend(removed.iter().map(|id| format!("Deleted container: {id}\n")));
    }
    if args.images {
        let (removed, disk) = engine.prune_images(&wanted.images, args.all)?;
        freed += disk;
        text.extend(removed.iter().map(|one| match one {
            Removed::Untagged(name) => format!("Untagged: {name}\n"),
            Removed::Deleted(id) => format!("Deleted: {id}\n"),
        }));
    }
    if let Some(request) = &wanted.records {
        text.push_str(&records(&engine, request, args, &mut freed)?);
    }
    let label = if args.dry_run { "Would reclaim" } else { "Total reclaimed space" };
    text.push_str(&format!("{label}: {}\n", human::size(freed.used)));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn records(
    engine: &Engine,
    request: &PruneRequest,
    args: &PruneArgs,
    freed: &mut Disk,
) -> Result<String, CliError> {
    let pruned = engine.prune(request)?;
    *freed += pruned.freed;
    let now = Timestamp::now();
    let line = |record: &CacheRecord| {
        let id: String = record.id.chars().take(12).collect();
        let (kind, size) = (record.kind.word(), human::size(record.disk.used));
        let what = human::cut(&human::harmless(&record.description), 80);
        if args.verbose {
            let used = human::ago(Some(&crate::image::rfc3339(record.last_use)), now);
            format!("{id}\t{kind}\t{size}\tlast used {used}\t{what}\n")
        } else {
            format!("{id}\t{kind}\t{size}\t{what}\n")
        }
    };
    Ok(pruned.records.iter().map(line).collect())
}

fn warning(args: &PruneArgs) -> String {
    let mut what = Vec::new();
    if args.containers {
        what.push("all containers that have ended");
    }
    match (args.images, args.all) {
        (true, true) => what.push("all images that no container is of"),
        (true, false) => what.push("all images without a name"),
        _ => {}
    }
    what.push("what is kept for later builds");
    format!("This removes {}, as far as the filters say.", what.join(", "))
}

/// What was typed, as the engine takes it.
struct Wanted {
    /// `None` if the filters speak of images and containers only.
    records: Option<PruneRequest>,
    images: ImageFilter,
    containers: ContainerFilter,
}

impl Wanted {
    fn read(args: &PruneArgs) -> Result<Self, CliError> {
        let now = Timestamp::now();
        let of_images = |text: &&String| ["label=", "label!="].iter().any(|name| text.starts_with(name));
        let (labels, others): (Vec<_>, Vec<_>) = args.filter.iter().partition(of_images);
        if !labels.is_empty() && !args.images && !args.containers {
            return Err(usage("records of builds have no labels".to_owned())
                .hint("with `--images` or `--containers` a label chooses among these"));
        }
        let (mut images, mut containers) = (ImageFilter::default(), ContainerFilter::default());
        for text in labels.iter().chain(others.iter().filter(|text| text.starts_with("until="))) {
            images.add(text, now).map_err(EngineError::from)?;
            containers.add(text, now).map_err(EngineError::from)?;
        }
        let others: Vec<String> = others.into_iter().cloned().collect();
        let request = PruneRequest {
            filter: du::filter(&others)?,
            unused_since: args.keep_duration.as_deref().map(|text| moment(text, now)).transpose()?,
            space: Space {
                reserved: bytes("--reserved-space", args.reserved_space.as_deref())?,
                max_used: bytes("--max-used-space", args.max_used_space.as_deref())?,
                min_free: bytes("--min-free-space", args.min_free_space.as_deref())?,
            },
            all: args.all,
            dry_run: args.dry_run,
        };
        Ok(Self { records: labels.is_empty().then_some(request), images, containers })
    }
}

fn moment(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    parse_duration(text)
        .filter(|nanos| *nanos >= 0)
        .and_then(|nanos| now.checked_sub(SignedDuration::from_nanos(nanos)).ok())
        .ok_or_else(|| usage(format!("`--keep-duration {text}` is no time: expected one such as `48h`")))
}

fn bytes(flag: &'static str, text: Option<&str>) -> Result<Option<u64>, CliError> {
    text.map(|text| limits::size(flag, text).map_err(|error| usage(error.to_string()))).transpose()
}

fn usage(message: String) -> CliError {
    CliError::new(ErrorKind::Usage, message)
}

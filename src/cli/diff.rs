//! `diff`: what differs between two images or two layers.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::engine::{Compared, Comparison, ConfigChange};
use crate::tree::{Aspect, Difference, Entry, Kind};

use super::error::{CliError, ErrorKind};
use super::{App, completions, containers, files, human, inspect, print};

/// Show what differs between two images or two layers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A line for each path: `A` is added, `D` deleted, `C` changed, and what of it. Contents are \
    compared by their digests, so that nothing is read or mounted."
)]
pub(super) struct DiffArgs {
    /// End with code 1 if there is a difference
    #[arg(long)]
    exit_code: bool,
    /// Print `text` or `json`
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    /// Print only settings and numbers, and not each path
    #[arg(long, conflicts_with = "format")]
    summary: bool,
    /// Look at the times of files, too
    #[arg(long)]
    times: bool,
    /// An image, the digest of a layer or its beginning, or a container
    #[arg(value_name = "FROM", add = completions::images())]
    from: String,
    /// An image or a layer; without it an image is compared with the one in the store that it was built from, and of a
    /// container is shown what it changed
    #[arg(value_name = "TO", add = completions::images())]
    to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(app: &App, args: &DiffArgs) -> Result<ExitCode, CliError> {
    let engine = app.engine()?;
    // Alone, the name of a container stands for what it changed, as in Docker.
    if args.to.is_none()
        && let Some(text) = containers::changes(&engine, &args.from, args.format == Format::Json)?
    {
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = engine.compare(&args.from, args.to.as_deref(), args.times)?;
    let text = match args.format {
        Format::Text => text(&found, args.summary),
        Format::Json => format!("{}\n", inspect::pretty(&json(&found))),
    };
    print(&text)?;
    let differs = !found.files.is_empty() || !found.config.is_empty();
    Ok(if args.exit_code && differs { ExitCode::from(ErrorKind::General.code()) } else { ExitCode::SUCCESS })
}

/// Files of one kind of change, counted.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    paths: u64,
    /// By how many bytes the contents grow.
    bytes: i64,
}

/// What is added, changed and deleted.
fn counts(files: &[Difference]) -> [(char, Count); 3] {
    let mut counts = [('A', Count::default()), ('C', Count::default()), ('D', Count::default())];
    for file in files {
        let letter = letter(file);
        for (_, count) in counts.iter_mut().filter(|(known, _)| *known == letter) {
            count.paths += 1;
            count.bytes += growth(file);
        }
    }
    counts
}

fn letter(file: &Difference) -> char {
    match (&file.before, &file.after) {
        (None, _) => 'A',
        (_, None) => 'D',
        _ => 'C',
    }
}

fn growth(file: &Difference) -> i64 {
    let size = |entry: &Option<Entry>| entry.as_ref().map_or(0, Entry::size) as i64;
    size(&file.after) - size(&file.before)
}

fn signed(bytes: i64) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{}", human::size(bytes.unsigned_abs()))
}

fn text(found: &Comparison, summary: bool) -> String {
    let mut text = format!("{}\n", heading(found));
    for change in &found.config {
        text.push_str(&setting(change));
    }
    if !summary {
        text.extend(found.files.iter().map(line));
    }
    let [(_, added), (_, changed), (_, deleted)] = counts(&found.files);
    let (before, after) = (size(&found.before), size(&found.after));
    text.push_str(&format!(
        "{} added ({}), {} changed ({}), {} deleted ({}); {} -> {}\n",
        added.paths,
        signed(added.bytes),
        changed.paths,
        signed(changed.bytes),
        deleted.paths,
        signed(deleted.bytes),
        human::size(before),
        human::size(after),
    ));
    text
}

fn heading(found: &Comparison) -> String {
    let name = |side: &Compared| match side {
        Compared::Image { name, .. } => name.clone(),
        Compared::Layer { id, .. } => format!("layer {}", id.digest().short()),
    };
    format!("{} -> {}", name(&found.before), name(&found.after))
}

fn size(side: &Compared) -> u64 {
    match side {
        Compared::Image { size, .. } | Compared::Layer { size, .. } => *size,
    }
}

/// `C Env PATH: "/bin" -> "/usr/bin"`.
fn setting(change: &ConfigChange) -> String {
    let key = change.key.as_ref().map_or_else(String::new, |key| format!(" {}", human::harmless(key)));
    let name = format!("{}{key}", change.setting);
    // An empty object says no more than its name.
    let value = |value: &Value| human::harmless(&value.to_string());
    match (&change.before, &change.after) {
        (None, Some(Value::Object(_))) => format!("A {name}\n"),
        (Some(Value::Object(_)), None) => format!("D {name}\n"),
        (None, Some(after)) => format!("A {name}: {}\n", value(after)),
        (Some(before), None) => format!("D {name}: {}\n", value(before)),
        (before, after) => {
            let side = |side: &Option<Value>| side.as_ref().map_or_else(String::new, value);
            format!("C {name}: {} -> {}\n", side(before), side(after))
        }
    }
}

/// `C /etc/passwd  content +12B, mode 0644 -> 0600`.
fn line(file: &Difference) -> String {
    let path = human::path(file.path.as_bytes());
    let entry = file.after.as_ref().or(file.before.as_ref());
    let slash = if entry.is_some_and(Entry::is_directory) { "/" } else { "" };
    let mut what: Vec<String> = Vec::new();
    match (&file.before, &file.after) {
        (Some(before), Some(after)) => {
            what.extend(file.aspects.iter().map(|one| aspect(*one, before, after)))
        }
        _ if entry.is_some_and(|entry| entry.size() > 0) => what.push(signed(growth(file))),
        _ => what.extend(entry.filter(|entry| entry.is_whiteout()).map(|_| "whiteout".to_owned())),
    }
    let what = if what.is_empty() { String::new() } else { format!("  {}", what.join(", ")) };
    format!("{} /{path}{slash}{what}\n", letter(file))
}

fn aspect(aspect: Aspect, before: &Entry, after: &Entry) -> String {
    let pair = |before: String, after: String| format!("{} {before} -> {after}", word(aspect));
    let both = |of: fn(&Entry) -> String| pair(of(before), of(after));
    match aspect {
        Aspect::Content => format!("{} {}", word(aspect), signed(after.size() as i64 - before.size() as i64)),
        Aspect::Type => both(|entry| files::kind(&entry.kind).1.to_owned()),
        Aspect::Target => both(target),
        Aspect::Mode => both(mode),
        Aspect::Owner => both(|entry| format!("{}:{}", entry.uid, entry.gid)),
        Aspect::Time => both(files::time),
        Aspect::Device | Aspect::Opacity | Aspect::Attributes => word(aspect).to_owned(),
    }
}

fn word(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Type => "type",
        Aspect::Content => "content",
        Aspect::Target => "target",
        Aspect::Device => "device",
        Aspect::Opacity => "opacity",
        Aspect::Mode => "mode",
        Aspect::Owner => "owner",
        Aspect::Attributes => "attributes",
        Aspect::Time => "time",
    }
}

fn target(entry: &Entry) -> String {
    match &entry.kind {
        Kind::Symlink { target } => human::path(target),
        Kind::Hardlink { target } => format!("/{}", human::path(target.as_bytes())),
        _ => String::new(),
    }
}

fn mode(entry: &Entry) -> String {
    format!("{:04o}", entry.mode)
}

fn json(found: &Comparison) -> Value {
    let side = |side: &Compared| match side {
        Compared::Image { id, name, size } => {
            json!({ "Type": "image", "Name": name, "Id": id.to_string(), "Size": size })
        }
        Compared::Layer { id, size } => json!({ "Type": "layer", "Id": id.to_string(), "Size": size }),
    };
    let summary = counts(&found.files).map(|(letter, count)| {
        let name = match letter {
            'A' => "Added",
            'C' => "Changed",
            _ => "Deleted",
        };
        (name.to_owned(), json!({ "Paths": count.paths, "Bytes": count.bytes }))
    });
    json!({
        "From": side(&found.before),
        "To": side(&found.after),
        "Config": found.config.iter().map(setting_json).collect::<Vec<_>>(),
        "Files": found.files.iter().map(file_json).collect::<Vec<_>>(),
        "Summary": Map::from_iter(summary),
    })
}

fn setting_json(change: &ConfigChange) -> Value {
    let mut value = json!({ "Setting": change.setting, "From": change.before, "To": change.after });
    if let Some(key) = &change.key {
        value["Key"] = key.as_str().into();
    }
    value
}

fn file_json(file: &Difference) -> Value {
    let mut value = json!({
        "Path": format!("/{}", human::path(file.path.as_bytes())),
        "Change": letter(file).to_string(),
    });
    if !file.aspects.is_empty() {
        value["What"] = file.aspects.iter().map(|aspect| word(*aspect)).collect();
    }
    for (name, side) in [("From", &file.before), ("To", &file.after)] {
        if let Some(entry) = side {
            value[name] = entry_json(entry);
        }
    }
    value
}

fn entry_json(entry: &Entry) -> Value {
    let mut value = json!({ "Type": files::kind(&entry.kind).1 });
    if entry.is_whiteout() {
        return value;
    }
    value["Mode"] = mode(entry).into();
    value["UID"] = entry.uid.into();
    value["GID"] = entry.gid.into();
    value["Modified"] = files::time(entry).into();
    match &entry.kind {
        Kind::File { size, digest } => {
            value["Size"] = (*size).into();
            value["Digest"] = digest.to_string().into();
        }
        Kind::Symlink { .. } | Kind::Hardlink { .. } => value["Target"] = target(entry).into(),
        _ => {}
    }
    value
}

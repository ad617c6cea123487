//! `ls`, `cat`, `cp`: files of an image, without running it.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::{CopyRequest, CopyTarget, EngineError, Shown};
use crate::tree::{Entry, Kind};

use super::error::{CliError, ErrorKind};
use super::list::{Fields, ListFormat};
use super::template::{Field, Shape};
use super::{App, archives, complain, completions, human, print};

/// List files of an image
#[derive(Debug, clap::Args)]
pub(super) struct LsArgs {
    /// Print `table`, `json`, or a Go template, such as `{{.Path}} {{.Size}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show modes, owners, sizes and times, too
    #[arg(short)]
    long: bool,
    /// Show what is below directories, too, each with its whole path
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Name or id of the image
    #[arg(add = completions::images())]
    image: String,
    /// Directory or file in the image
    #[arg(default_value = "/")]
    path: String,
}

const FIELDS: Fields = Fields {
    shape: &[
        Field::new("Path", Shape::Text),
        Field::new("Name", Shape::Text),
        Field::new("Type", Shape::Text),
        Field::new("Mode", Shape::Text),
        Field::new("UID", Shape::Number),
        Field::new("GID", Shape::Number),
        Field::new("Size", Shape::Number),
        Field::new("Modified", Shape::Text),
        Field::new("Target", Shape::Text),
        Field::new("Digest", Shape::Text),
        Field::new("Layer", Shape::Text),
    ],
    headers: &["PATH", "NAME", "TYPE", "MODE", "UID", "GID", "SIZE", "MODIFIED", "TARGET", "DIGEST", "LAYER"],
};

const TABLE: &str = "{{.Mode}}\t{{.UID}}\t{{.GID}}\t{{.Size}}\t{{.Modified}}\t{{.Path}}";

pub(super) fn ls(app: &App, args: &LsArgs) -> Result<ExitCode, CliError> {
    let format = args.format.as_deref().map(|format| ListFormat::parse(Some(format), TABLE)).transpose()?;
    let shown = app.engine()?.open_image(&args.image)?.list(&args.path, args.recursive)?;
    let text = match format {
        Some(format) => format.render(FIELDS, &shown.iter().map(row).collect::<Vec<_>>())?,
        None if args.long => long(&shown, args.recursive),
        None => shown.iter().map(|one| format!("{}\n", name(one, args.recursive))).collect(),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn name(shown: &Shown, whole: bool) -> String {
    let path = &shown.found.entry.path;
    if whole { format!("/{}", human::path(path.as_bytes())) } else { human::path(path.name()) }
}

/// Lines as of `ls -l`, with numbers for owners: names are the image's business.
fn long(shown: &[Shown], whole: bool) -> String {
    let numbers = |one: &Shown| {
        let entry = &one.found.entry;
        let size = match entry.kind {
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                format!("{}, {}", device.major, device.minor)
            }
            _ => entry.size().to_string(),
        };
        [entry.uid.to_string(), entry.gid.to_string(), size]
    };
    let numbers: Vec<[String; 3]> = shown.iter().map(numbers).collect();
    let width = |column: usize| numbers.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let [owners, groups, sizes] = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (one, [owner, group, size]) in shown.iter().zip(&numbers) {
        let entry = &one.found.entry;
        let (mode, time, name) = (mode(entry), time(entry), name(one, whole));
        text.push_str(&format!("{mode} {owner:>owners$} {group:>groups$} {size:>sizes$} {time} {name}"));
        if let Kind::Symlink { target } = &entry.kind {
            text.push_str(&format!(" -> {}", human::path(target)));
        }
        text.push('\n');
    }
    text
}

fn row(shown: &Shown) -> Value {
    let entry = &shown.found.entry;
    let (target, digest) = match &entry.kind {
        Kind::Symlink { target } => (human::path(target), String::new()),
        Kind::File { digest, .. } => (String::new(), digest.to_string()),
        _ => Default::default(),
    };
    json!({
        "Path": format!("/{}", human::path(entry.path.as_bytes())),
        "Name": human::path(entry.path.name()),
        "Type": kind(&entry.kind).1,
        "Mode": mode(entry),
        "UID": entry.uid,
        "GID": entry.gid,
        "Size": entry.size(),
        "Modified": time(entry),
        "Target": target,
        "Digest": digest,
        "Layer": shown.layer.to_string(),
    })
}

/// The letter and the word for what something is.
pub(super) fn kind(kind: &Kind) -> (char, &'static str) {
    match kind {
        Kind::File { .. } | Kind::Hardlink { .. } => ('-', "file"),
        Kind::Directory { .. } => ('d', "directory"),
        Kind::Symlink { .. } => ('l', "link"),
        Kind::CharDevice(_) => ('c', "character device"),
        Kind::BlockDevice(_) => ('b', "block device"),
        Kind::Fifo => ('p', "pipe"),
        Kind::Socket => ('s', "socket"),
        Kind::Whiteout => ('w', "whiteout"),
    }
}

/// `-rwsr-xr-x`.
fn mode(entry: &Entry) -> String {
    let mut text = String::from(kind(&entry.kind).0);
    let specials = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    for (shift, (special, with, without)) in [6, 3, 0].into_iter().zip(specials) {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

pub(super) fn time(entry: &Entry) -> String {
    let time = Timestamp::from_second(entry.mtime.seconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Print files of an image
#[derive(Debug, clap::Args)]
pub(super) struct CatArgs {
    /// Name or id of the image
    #[arg(add = completions::images())]
    image: String,
    /// Files in the image
    #[arg(required = true)]
    paths: Vec<String>,
}

pub(super) fn cat(app: &App, args: &CatArgs) -> Result<ExitCode, CliError> {
    let image = app.engine()?.open_image(&args.image)?;
    let mut out = Quiet(io::stdout().lock());
    let mut failures = Vec::new();
    for path in &args.paths {
        // The others are printed all the same, as by `cat`.
        failures.extend(image.read(path, &mut out).err().map(CliError::from));
    }
    CliError::all(failures).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Standard output, whose reader may go away.
struct Quiet<W>(W);

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Copy files out of an image
#[derive(Debug, clap::Args)]
pub(super) struct CpArgs {
    /// Keep owners; otherwise the copies are yours
    #[arg(short, long)]
    archive: bool,
    /// Copy what PATH leads to where it is a link, and not the link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Say nothing of what was copied
    #[arg(short, long)]
    quiet: bool,
    /// What to copy; a PATH that ends with `/.` stands for what is in a directory
    #[arg(value_name = "IMAGE:PATH", add = completions::images())]
    source: String,
    /// Where to; `-` writes a tar to standard output
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

pub(super) fn cp(app: &App, args: &CpArgs) -> Result<ExitCode, CliError> {
    let (image, path) = source(&args.source)?;
    let to_stdout = args.destination == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        return Err(archives::terminal("refusing to write an archive to a terminal", "a path"));
    }
    let request = CopyRequest {
        image: image.to_owned(),
        path: path.to_owned(),
        follow: args.follow_link,
        owners: args.archive,
    };
    let size = archives::transfer(app, |engine, reporter, cancel| -> Result<u64, EngineError> {
        let mut stdout = io::stdout();
        let target =
            if to_stdout { CopyTarget::Tar(&mut stdout) } else { CopyTarget::Path(&args.destination) };
        engine.copy_out(&request, target, reporter, cancel)
    })?;
    if !args.quiet && !to_stdout {
        complain(&format!("copied {} to {}\n", human::size(size), args.destination.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The image and the path. A name may have colons itself, so a path begins with `/`.
fn source(text: &str) -> Result<(&str, &str), CliError> {
    match text.find(":/") {
        Some(at) if at > 0 => Ok((&text[..at], &text[at + 1..])),
        _ => Err(CliError::new(ErrorKind::Usage, format!("`{text}` does not name a file of an image"))
            .hint("write the image, a colon, and the path from `/`, such as `busybox:/etc/passwd`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Time;

    #[test]
    fn modes_are_shown_as_ls_does() {
        for (bits, text) in [
            (0o755, "drwxr-xr-x"),
            (0o1777, "drwxrwxrwt"),
            (0o1776, "drwxrwxrwT"),
            (0o6750, "drwsr-s---"),
            (0o6640, "drwSr-S---"),
            (0, "d---------"),
        ] {
            assert_eq!(mode(&Entry::directory("d".into(), bits, Time::default())), text);
        }
    }

    #[test]
    fn a_source_is_an_image_and_a_path() {
        for (text, expected) in [
            ("busybox:/etc", Some(("busybox", "/etc"))),
            ("busybox:1.0:/etc/x:y", Some(("busybox:1.0", "/etc/x:y"))),
            ("localhost:5000/a/b:1:/", Some(("localhost:5000/a/b:1", "/"))),
            ("busybox:etc", None),
            (":/etc", None),
            ("/etc", None),
        ] {
            assert_eq!(source(text).ok(), expected, "{text}");
        }
    }
}

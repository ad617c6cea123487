//! What is in the layers of an image, as `tar` lists it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::env::Env;

/// One line for each entry of the layers above the first `skip`, an empty line between two layers.
pub(crate) fn list(env: &Env, image: &str, skip: usize) -> String {
    let dir = tempfile::tempdir_in(env.path("")).unwrap();
    env.hand_over(dir.path());
    let archive = dir.path().join("image.tar");
    let _ = env.strata(["save", "-o", archive.to_str().unwrap(), image]).success();
    let _ = tar(dir.path(), &["-xf", "image.tar"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap().iter().skip(skip);
    let listed = layers.map(|layer| {
        let list = ["--numeric-owner", "--utc", "--full-time", "-tvf", layer.as_str().unwrap()];
        let lines = tar(dir.path(), &list);
        lines.lines().map(|line| format!("{}\n", without_now(line))).collect::<String>()
    });
    listed.collect::<Vec<String>>().join("\n")
}

fn tar(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("tar").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "tar {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A line of the list, blanks made single, and `now` for the time of something that the build made.
fn without_now(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mode, owner, size, date, time, path @ ..] = &words[..] else { return line.to_owned() };
    let is_new =
        date.split('-').next().and_then(|year| year.parse().ok()).is_some_and(|year: u32| year > 2020);
    let time = if is_new { "now".to_owned() } else { format!("{date} {time}") };
    format!("{mode} {owner} {size} {time} {}", path.join(" "))
}

/// A document with `…` for each digest and each time of a build.
pub(crate) fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown += "sha256:…";
        shown += part.get(64..).unwrap_or_default();
    }
    let mut parts = shown.split("\"created\":\"");
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        timeless += "\"created\":\"…";
        timeless += part.find('"').map_or("", |end| &part[end..]);
    }
    timeless + "\n"
}

/// A text with `…` for digests, and dots for ids and for the times of a build, which leave columns where they are. Times of
/// files that a case made stay.
pub(crate) fn timeless(text: &str) -> String {
    let mut shown = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let is_time = |word: &str| word.len() >= 20 && word.starts_with("20") && word.ends_with('Z');
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word.strip_prefix("sha256:").unwrap_or(word) {
            hex if hex.len() == 64 && is_hex(hex) => shown.push('…'),
            id if id.len() == 12 && is_hex(id) => shown += &"·".repeat(12),
            time if is_time(time) && !time.starts_with("2001") => shown += &"·".repeat(20),
            _ => shown += word,
        }
        let end = after.find(is_word).unwrap_or(after.len());
        shown += &after[..end];
        rest = &after[end..];
    }
    shown
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

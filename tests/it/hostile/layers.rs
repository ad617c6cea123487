//! Hostile layers: `testdata/hostile/layers.txt` has archives, in the language of [`archive`], and what each way in
//! makes of them.
//!
//! A case is a line `=== TITLE`, the archive, and for each way a line `--- WAY` with the words below it, or with what
//! lies in the image then: mode, path, size, and where a link leads. `load` stands for two ways that must agree: a
//! docker-archive from a file, and an OCI layout as a stream.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use super::archive;
use super::image::{Image, docker_archive};
use super::place::{Admission, Place, assert_snapshot};

/// How much of what lies in an image is shown.
const LINES: usize = 12;
const COLUMNS: usize = 120;

/// The stores of one thread. What has been unpacked is not unpacked again, so the two ways of `load` need one each.
struct Stores {
    docker: Place,
    oci: Place,
}

impl Stores {
    fn new() -> Self {
        let stores = Self { docker: Place::new(), oci: Place::new() };
        let _ = stores.oci.env.dockerfile("context", "FROM scratch\nADD in.tar /\n");
        stores
    }

    /// What a case is expected to say.
    fn check(&self, text: &str) -> String {
        let tar = archive::of(text);
        let archive = self.docker.file("hostile.tar", &docker_archive(&[&tar]));
        let docker = self.docker.admit(&["load", "-q", "-i", archive.to_str().unwrap()], None);
        let docker = unnamed(&shown(&self.docker, docker));
        let archive = self.oci.file("hostile.tar", &Image::of_tars(&[&tar]).layout());
        let oci = self.oci.admit(&["load", "-q"], Some(&archive));
        assert_eq!(unnamed(&shown(&self.oci, oci)), docker, "{text}");

        let archive = self.docker.file("hostile.tar", &tar);
        let import = self.docker.admit(&["import", "-"], Some(&archive));
        let import = shown(&self.docker, import);

        let context = self.oci.env.path("context");
        fs::write(context.join("in.tar"), &tar).unwrap();
        let add = self.oci.admit(&["build", "-q", context.to_str().unwrap()], None);
        let add = shown(&self.oci, add);
        // Where the Dockerfile is shown is always the same.
        let kept =
            |line: &&str| !line.contains('|') && !line.starts_with(" -->") && !line.contains("= help:");
        let add: String = add.lines().filter(kept).map(|line| format!("{line}\n")).collect();

        let mut found = format!("--- load\n{docker}");
        for (way, words) in [("import", import), ("ADD", add)] {
            found += &format!("--- {way}\n{}", if words == docker { "the same\n" } else { &words });
        }
        found
    }

    /// Sees that the stores are whole, and that nothing stays when all of it is removed.
    fn close(self) {
        for place in [self.docker, self.oci] {
            place.assert_whole();
            place.assert_takes_the_next();
        }
    }
}

/// What became of an image: what was said against it, or the beginning of what lies in it.
fn shown(place: &Place, admission: Admission) -> String {
    let image = match admission {
        Admission::Refused(words) => return words,
        Admission::Image(image) => image,
    };
    let line = "{{.Mode}} {{.UID}}:{{.GID}} {{.Path}} {{.Size}}{{if .Target}} -> {{.Target}}{{end}}";
    let files = place.env.strata(["ls", "-R", "--format", line, &image]).success().stdout;
    let cut = |line: &str| match line.char_indices().nth(COLUMNS) {
        Some((at, _)) => format!("{}…, {} bytes\n", &line[..at], line.len()),
        None => format!("{line}\n"),
    };
    let mut text: String = files.lines().take(LINES).map(cut).collect();
    let more = files.lines().count().saturating_sub(LINES);
    if more > 0 {
        text += &format!("and {more} more\n");
    }
    if text.is_empty() { "nothing in it\n".to_owned() } else { text }
}

/// The words without the name of a layer, which is another one in each form of an archive.
fn unnamed(text: &str) -> String {
    let mut words = text.splitn(3, '`');
    match (words.next(), words.next(), words.next()) {
        (Some(before), Some(_), Some(after)) if before.ends_with("layer ") => format!("{before}LAYER{after}"),
        _ => text.to_owned(),
    }
}

#[test]
fn layers_do_no_harm() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile/layers.txt");
    let text = fs::read_to_string(path).unwrap();
    let cases: Vec<(usize, &str)> = text
        .split("=== ")
        .skip(1)
        .map(|case| case.split_once("--- ").map_or(case, |(case, _)| case).trim_end_matches('\n'))
        .enumerate()
        .collect();
    let (left, done) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let stores = Stores::new();
                while let Some(&(number, case)) = { left.lock().unwrap().next() } {
                    let archive = case.split_once('\n').unwrap().1;
                    let found = format!("=== {case}\n{}", stores.check(archive));
                    done.lock().unwrap().push((number, found));
                }
                stores.close();
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort();
    let found: Vec<String> = done.into_iter().map(|(_, found)| found).collect();
    assert_snapshot("layers.txt", &found.join("\n"));
}

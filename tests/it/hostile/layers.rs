//! Hostile layers: `testdata/hostile/layers.txt` has archives, in the language of [`archive`], and
//! what each way in says of them.
//!
//! A case is a line `=== TITLE`, the archive, and for each way a line `--- WAY` with the words below it. `load` stands for
//! four ways that must agree: a docker-archive and an OCI layout, from a file and as a stream.

use std::fs;
use std::sync::Mutex;
use std::thread;

use super::archive;
use super::image::{Image, docker_archive};
use super::place::{Place, assert_snapshot, said};

/// The name of a layer in both forms of an archive.
fn unnamed(text: &str) -> String {
    let mut words = text.splitn(3, '`');
    match (words.next(), words.next(), words.next()) {
        (Some(before), Some(_), Some(after)) if before.ends_with("layer ") => format!("{before}LAYER{after}"),
        _ => text.to_owned(),
    }
}

fn check(text: &str) -> String {
    let (tar, place) = (archive::of(text), Place::new());
    let docker = unnamed(&place.load(&docker_archive(&[&tar])));
    let oci = unnamed(&place.load(&Image::of_tars(&[&tar]).layout()));
    assert_eq!(docker, oci, "{text}");

    let path = place.file("hostile.tar", &tar);
    let file = said(&place.run(["import", path.to_str().unwrap()], None), "hostile.tar");
    place.assert_clean(&file);
    let stream = said(&place.run(["import", "-"], Some(&path)), "hostile.tar");
    place.assert_clean(&stream);
    assert_eq!(file, stream, "{text}");

    let context = place.env.dockerfile("context", "FROM scratch\nADD in.tar /\n");
    fs::rename(path, context.join("in.tar")).unwrap();
    let add = said(&place.run(["build", "-q", context.to_str().unwrap()], None), "");
    // Where the Dockerfile is shown is always the same.
    let kept = |line: &&str| !line.contains('|') && !line.starts_with(" -->") && !line.contains("= help:");
    let add: String = add.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    format!("--- load\n{docker}--- import\n{file}--- ADD\n{add}")
}

#[test]
fn layers_do_no_harm() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile/layers.txt");
    let text = fs::read_to_string(path).unwrap();
    let cases: Vec<(usize, &str)> = text
        .split("=== ")
        .skip(1)
        .map(|case| case.split_once("--- ").map_or(case, |(case, _)| case).trim_end())
        .enumerate()
        .collect();
    let (left, done) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&(number, case)) = { left.lock().unwrap().next() } {
                    let archive = case.split_once('\n').unwrap().1;
                    let found = format!("=== {case}\n{}", check(archive));
                    done.lock().unwrap().push((number, found));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort();
    let found: Vec<String> = done.into_iter().map(|(_, found)| found).collect();
    assert_snapshot("layers.txt", &found.join("\n"));
}

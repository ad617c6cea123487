//! Small things that become large: decompression bombs, documents of megabytes, thousands of layers.

use std::fs;

use serde_json::json;

use super::archive::{of, of_files, of_program};
use super::image::{Image, config, digest, docker_archive, gzip};
use super::place::{Place, said};

/// Zeros that a bomb grows to, in bytes: enough for the limit on growth, and more than the memory that there is.
const ZEROS: usize = 400 << 20;

/// A tar with a file of zeros, compressed by `compress` piece by piece.
fn bomb<W>(mut to: W, finish: impl Fn(W) -> Vec<u8>) -> Vec<u8>
where
    W: std::io::Write,
{
    let head = of(&format!("z {ZEROS} zeros\ncut"));
    to.write_all(&head).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..ZEROS / piece.len() {
        to.write_all(&piece).unwrap();
    }
    to.write_all(&[0; 1024]).unwrap();
    finish(to)
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    vec![
        ("gzip", bomb(gzip, |gzip| gzip.finish().unwrap())),
        ("zstd", bomb(zstd, |zstd| zstd.finish().unwrap())),
    ]
}

#[test]
fn bombs_are_stopped_on_every_way() {
    let place = Place::new();
    for (format, bomb) in bombs() {
        let grows = format!("caused by: the {format} data grows to more than 1000 times its size\n");
        // As the whole archive, as a layer of each form, as a root file system, and as an archive of a context.
        let whole = place.load(&bomb);
        assert_eq!(whole, format!("error: cannot decompress the archive\n{grows}"), "{format}");
        let image = Image::with_config(vec![bomb.clone()], config(&[b"whatever"]).to_string());
        let docker = of_files(&[
            ("manifest.json", json!([{ "Config": "c", "Layers": ["l"] }]).to_string().into_bytes()),
            ("c", image.config.clone()),
            ("l", bomb.clone()),
        ]);
        for archive in [image.layout(), docker] {
            let said = place.load(&archive);
            assert!(said.starts_with("error: cannot decompress the layer `"), "{said}");
            assert!(said.ends_with(&grows), "{said}");
        }
        let path = place.file("hostile.tar", &bomb);
        let said = said(&place.run(["import", path.to_str().unwrap()], None), "hostile.tar");
        assert_eq!(said, format!("error: cannot decompress the archive\n{grows}"));
        place.clear(&said);
        let context = place.env.dockerfile("context", "FROM scratch\nADD in.tar /\n");
        fs::rename(path, context.join("in.tar")).unwrap();
        let add = place.run(["build", "-q", context.to_str().unwrap()], None).code(1).stderr;
        assert!(add.contains(&format!("the {format} data grows to more than 1000 times")), "{add}");
    }
}

#[test]
fn documents_of_megabytes_are_read_without_keeping_them() {
    let place = Place::new();
    let tar = of("f a 1");
    let good = Image::of_tars(&[&tar]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let stuffed = |text: &str, stuffing: &str| text.replacen('{', &format!("{{{stuffing},"), 1);
    let most = 4_000_000;
    // A tree of these values would take a hundred times as much.
    let maps = format!("\"x\":[{}{{}}]", r#"{"":0},"#.repeat(most / 7));
    let numbers = format!("\"x\":[{}0]", "0,".repeat(most / 2));
    for stuffing in [&maps, &numbers] {
        let config = stuffed(&text(&good.config), stuffing);
        assert_eq!(place.load(&Image::with_config(good.layers.clone(), config).layout()), "accepted\n");
        let manifest = stuffed(&text(&good.manifest), stuffing);
        let image = Image::with_manifest(good.layers.clone(), good.config.clone(), manifest);
        assert_eq!(place.load(&image.layout()), "accepted\n");
        let image = Image::of_tars(&[&tar]);
        let index = stuffed(&text(&image.index), stuffing);
        assert_eq!(place.load(&image.with_index(index).layout()), "accepted\n");
    }
    let history = stuffed(&text(&good.config), &format!("\"history\":[{}{{}}]", "{},".repeat(most / 3)));
    let said = place.load(&Image::with_config(good.layers.clone(), history).layout());
    assert!(said.contains("should be a list of at most 10000 lines of history"), "{said}");

    let huge = " ".repeat(5 << 20);
    let said = place.load(&Image::of_tars(&[&tar]).with_index(huge.clone()).layout());
    assert_eq!(said, "error: `index.json` in the archive has 5242880 bytes, more than 4194304\n");
    let manifest = text(&good.manifest) + &huge;
    let name = digest(manifest.as_bytes()).replace("sha256:", "blobs/sha256/");
    let image = Image::with_manifest(good.layers.clone(), good.config.clone(), manifest);
    let said = place.load(&image.layout());
    assert!(said.starts_with(&format!("error: `{name}` in the archive has 5")), "{said}");
}

/// Tars of one small file each, and one of them with the program that says what there is.
fn many_tars(count: usize) -> Vec<Vec<u8>> {
    let program = of_program("busybox", &fs::read("/bin/busybox").unwrap());
    let small = (1..count).map(|number| of(&format!("f file{number} {number}\nf last {number}")));
    std::iter::once(program).chain(small).collect()
}

#[test]
fn more_layers_than_one_overlay_takes_can_be_run() {
    let place = Place::new();
    let mut tars = many_tars(600);
    // The lowest overlay has the files of the first hundred, and marks and files above it hide some.
    tars[599] = of("f .wh.file3\nd dir\nf dir/.wh..wh..opq\nf dir/new 1");
    tars[50] = of("f .wh.file4");
    tars[10] = of("d dir\nf dir/old 1");
    let tars: Vec<&[u8]> = tars.iter().map(Vec::as_slice).collect();
    let path = place.file("hostile.tar", &docker_archive(&tars));
    let _ = place.run(["load", "-q", "-i", path.to_str().unwrap()], None).success();
    let dockerfile = "FROM hostile:1\nRUN [\"/busybox\", \"rm\", \"/file5\"]\nCOPY --from=hostile:1 /file7 /there/\n\
                      RUN [\"/busybox\", \"cp\", \"/there/file7\", \"/dir/\"]\n";
    let context = place.env.dockerfile("context", dockerfile);
    let _ = place.run(["build", "-q", "-t", "built", context.to_str().unwrap()], None).success();
    let script = "ls /dir; cat /last; cd /; for i in 2 3 4 5 6 10 50 500; do test -e file$i && echo $i; done";
    let shown = place.run(["run", "--rm", "built", "/busybox", "sh", "-c", script], None).success();
    assert_eq!(shown.stdout, "file7\nnew\n5982\n6\n500\n");
}

#[test]
fn the_same_layer_can_come_thousands_of_times() {
    let place = Place::new();
    let tar = of("f a 1");
    let tars = vec![&tar[..]; 2000];
    assert_eq!(place.load(&docker_archive(&tars)), "accepted\n");
    let layers = vec![gzip(&tar); 2000];
    assert_eq!(place.load(&Image::with_config(layers, config(&tars).to_string()).layout()), "accepted\n");
}

/// What is kept of each layer until all have come must not be an open file.
#[test]
fn layers_are_taken_with_few_open_files() {
    let place = Place::new();
    let tars: Vec<Vec<u8>> = (0..600).map(|number| of(&format!("f file{number} x"))).collect();
    let plain: Vec<&[u8]> = tars.iter().map(Vec::as_slice).collect();
    // Every other one comes compressed, and is kept as it came.
    let blobs = tars.iter().enumerate().map(|(i, tar)| if i % 2 == 0 { gzip(tar) } else { tar.clone() });
    let blobs: Vec<Vec<u8>> = blobs.collect();
    let image = Image::with_config(blobs.clone(), config(&plain).to_string());
    let names: Vec<String> = (0..blobs.len()).map(|number| format!("{number}.tar")).collect();
    let list = json!([{ "Config": "c", "Layers": names }]).to_string().into_bytes();
    let files = [("manifest.json".to_owned(), list), ("c".to_owned(), image.config.clone())];
    let files: Vec<_> = files.into_iter().chain(names.into_iter().zip(blobs)).collect();
    let docker = place.file("docker.tar", &of_files(&files));
    let _ = place.file("oci.tar", &image.layout());
    let directory = place.env.context("layout");
    place.env.host(&directory, "tar -xf ../oci.tar");
    for archive in [docker, directory] {
        let script = "ulimit -n 256; exec \"$0\" \"$@\"";
        let load = place.env.command(["load", "-q", "-i", archive.to_str().unwrap()]);
        let mut few = std::process::Command::new("sh");
        few.args(["-c", script]).arg(load.get_program()).args(load.get_args());
        let _ = place.env.run(few).success();
        place.clear("accepted");
    }
}

//! Paths as long as a tar of a layer may have them, on every way in and out. Below the directory of a store they are longer
//! than what a system call takes.

use std::fs;
use std::path::{Path, PathBuf};

use strata::sys::reach::Reach;

use crate::support::env::Env;

/// The longest path that we read, in bytes.
const LONGEST: usize = 4096;

/// A directory's name; with the slash 64 bytes.
fn directory() -> String {
    "d".repeat(63)
}

/// The path of `length` bytes of a file or, in place of it, of something else.
fn long(length: usize) -> PathBuf {
    let mut path: PathBuf = vec![directory(); 63].iter().collect();
    path.push("f".repeat(length - 64 * 63));
    assert_eq!(path.as_os_str().len(), length);
    path
}

/// Makes a file and a link with the longest paths below `root`; and a directory, which a context cannot have so deep.
fn make(root: &Path, with_directory: bool) {
    let file = long(LONGEST);
    let parent = root.join(file.parent().unwrap());
    let mut made = root.to_owned();
    for _ in 0..63 {
        made.push(directory());
        fs::create_dir(Reach::to(&made).unwrap()).unwrap();
    }
    fs::write(Reach::to(&root.join(&file)).unwrap(), "deep").unwrap();
    let named = |letter: &str| parent.join(letter.repeat(64));
    std::os::unix::fs::symlink("f", Reach::to(&named("l")).unwrap()).unwrap();
    if with_directory {
        fs::create_dir(Reach::to(&named("e")).unwrap()).unwrap();
    }
}

/// Sees whether the file and the link that [`make`] makes are below `root`.
fn check(root: &Path, way: &str) {
    let file = root.join(long(LONGEST));
    let content = Reach::to(&file).and_then(fs::read_to_string);
    assert_eq!(content.unwrap_or_else(|error| panic!("{way}: {error}")), "deep", "{way}");
    let parent = Reach::to(file.parent().unwrap()).and_then(fs::read_dir).unwrap();
    let is_file = |entry: &fs::DirEntry| !entry.file_type().unwrap().is_dir();
    let mut names: Vec<u8> = parent
        .map(|entry| entry.unwrap())
        .filter(is_file)
        .map(|entry| entry.file_name().as_encoded_bytes()[0])
        .collect();
    names.sort_unstable();
    assert_eq!(names, b"fl", "{way}");
}

/// Sends an image with such paths out on every way, and sees what arrives.
fn send(env: &Env, image: &str) {
    let _ = env.strata(["fsck"]).success();
    let listed = env.strata(["ls", "-R", image]).success().stdout;
    assert!(listed.lines().filter(|line| line.len() == LONGEST + 1).count() >= 2, "{image}");
    let file = format!("/{}", long(LONGEST).display());
    assert_eq!(env.strata(["cat", image, &file]).success().stdout, "deep");

    let other = Env::new();
    other.hand_image(env, image);
    let _ = other.strata(["fsck"]).success();
    let context = other.dockerfile("context", &format!("FROM {image}\nFROM scratch\nCOPY --from=0 / /\n"));
    let context = context.to_str().unwrap();
    // The second time what is there is replaced.
    for output in ["type=local,dest=out", "type=local,dest=out,mode=delete"] {
        let _ = other.strata(["build", "-q", "-o", output, context]).success();
        check(&other.path("out"), output);
    }
    let _ = other.strata(["build", "-q", "-o", "type=tar,dest=out.tar", context]).success();
    let _ = other.strata(["import", "out.tar", "again:1"]).success();
    assert_eq!(other.strata(["cat", "again:1", &file]).success().stdout, "deep");
}

#[test]
fn images_from_tars_may_have_them() {
    let env = Env::new();
    make(&env.context("root"), true);
    env.host(&env.path("root"), "tar --format=gnu -cf ../root.tar *");
    let _ = env.strata(["import", "root.tar", "image:1"]).success();
    send(&env, "image:1");
}

#[test]
fn contexts_may_have_them() {
    let env = Env::new();
    let context = env.dockerfile("context", "FROM scratch\nCOPY . /\n");
    make(&context, false);
    let _ = env.strata(["build", "-q", "-t", "image:1", context.to_str().unwrap()]).success();
    send(&env, "image:1");
    // Archives, too.
    env.host(&context, "tar --format=gnu -cf in.tar d*; rm -r d*");
    fs::write(context.join("Dockerfile"), "FROM scratch\nADD in.tar /\n").unwrap();
    let _ = env.strata(["build", "-q", "-t", "image:2", context.to_str().unwrap()]).success();
    send(&env, "image:2");
}

#[test]
fn commands_may_make_them_and_no_longer_ones() {
    for env in [Env::new(), Env::without_overlays()] {
        env.add_busybox();
        let make = |length: usize| {
            let name = |letter: &str| letter.repeat(length - 64 * 63);
            let (file, link, empty) = (name("f"), name("l"), name("e"));
            let way = format!("for i in $(seq 63); do mkdir {d}; cd -P {d}; done", d = directory());
            format!("FROM busybox\nRUN {way}; printf deep > {file}; ln -s f {link}; mkdir {empty}\n")
        };
        let context = env.dockerfile("context", &make(LONGEST));
        let _ = env.strata(["build", "-q", "-t", "image:1", context.to_str().unwrap()]).success();
        send(&env, "image:1");
        fs::write(context.join("Dockerfile"), make(LONGEST + 1)).unwrap();
        let said = env.strata(["build", "-q", context.to_str().unwrap()]).code(1).stderr;
        assert!(said.contains("cannot be in a layer: the path has more than 4096 bytes"), "{said}");
    }
}

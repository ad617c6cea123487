//! `cp` out of images: where things land, and that nothing lands elsewhere.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::env::Env;

/// A place with an image that has files of all kinds.
fn place() -> Env {
    let env = Env::with_busybox();
    env.dockerfile(
        "context",
        "FROM busybox\nRUN mkdir -p /d/sub && echo file >/d/file && echo deep >/d/sub/deep && ln /d/file /d/hard \
         && ln -s file /d/link && ln -s /etc/passwd /d/out && ln -s ../../../../../victim /d/way \
         && chown 5:6 /d/file /d/sub && chmod 4750 /d/file && mkfifo /d/pipe && ln -s /d /e\n",
    );
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    env
}

/// What lies below a directory, sorted: `path`, `path -> target`, `path/`.
fn tree(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path).unwrap();
            lines.push(if metadata.is_symlink() {
                format!("{name} -> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                format!("{name}/")
            } else {
                name
            });
            if metadata.is_dir() {
                ahead.push(path);
            }
        }
    }
    lines.sort();
    lines
}

const ALL: [&str; 8] = [
    "file",
    "hard",
    "link -> file",
    "out -> /etc/passwd",
    "pipe",
    "sub/",
    "sub/deep",
    "way -> ../../../../../victim",
];

fn below(dir: &str) -> Vec<String> {
    let mut lines = vec![format!("{dir}/")];
    lines.extend(ALL.iter().map(|line| format!("{dir}/{line}")));
    lines
}

#[test]
fn things_land_where_docker_puts_them() {
    let env = place();
    for (i, (source, to, found)) in [
        // To a name that is not there, and into a directory that is.
        ("/d/file", "new", vec!["new".to_owned()]),
        ("/d/file", "there", vec!["there/".to_owned(), "there/file".to_owned()]),
        ("/d/file", "there/", vec!["there/".to_owned(), "there/file".to_owned()]),
        ("/d", "new", below("new")),
        ("/d", "new/", below("new")),
        ("/d", "there", [vec!["there/".to_owned()], below("there/d")].concat()),
        // What is in a directory.
        ("/d/.", "new", below("new")),
        ("/d/.", "there", below("there")),
        ("/d/sub/", "there", vec!["there/".to_owned(), "there/sub/".to_owned(), "there/sub/deep".to_owned()]),
        // A link is copied itself, unless it is told otherwise or is on the way.
        ("/e", "new", vec!["new -> /d".to_owned()]),
        ("/e/.", "new", below("new")),
        ("/e/sub", "new", vec!["new/".to_owned(), "new/deep".to_owned()]),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = env.context(&format!("to-{i}"));
        if to.starts_with("there") {
            fs::create_dir(dir.join("there")).unwrap();
        }
        let mut command = env.command(["cp", &format!("image:{source}"), to]);
        command.current_dir(&dir);
        let _ = env.run(command).success();
        assert_eq!(tree(&dir), found, "{source} {to}");
    }
}

#[test]
fn metadata_come_along_and_owners_on_request() {
    let env = place();
    let _ = env.strata(["cp", "-q", "image:/d", "mine"]).success();
    let metadata = fs::metadata(env.path("mine/file")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.permissions().mode() & 0o7777), (0, 0, 0o4750));
    assert_eq!(metadata.ino(), fs::metadata(env.path("mine/hard")).unwrap().ino());
    let _ = env.strata(["cp", "-a", "image:/d", "theirs"]).success();
    for name in ["theirs/file", "theirs/sub"] {
        let metadata = fs::metadata(env.path(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (5, 6), "{name}");
    }
    let said = env.strata(["cp", "-L", "image:/d/link", "followed"]).success().stderr;
    assert_eq!(said, "copied 5B to followed\n");
    assert_eq!(fs::read_to_string(env.path("followed")).unwrap(), "file\n");
}

#[test]
fn a_tar_goes_to_standard_output() {
    let env = place();
    for (source, flags, names) in [
        ("image:/d/sub", "", "sub/\nsub/deep\n"),
        ("image:/d/sub/.", "", "deep\n"),
        ("image:/d/link", "", "link\n"),
        ("image:/d/link", "-L", "link\n"),
    ] {
        let script = format!("strata cp {flags} {source} - | tar -t >names");
        env.host(&env.path("."), &script);
        assert_eq!(fs::read_to_string(env.path("names")).unwrap(), names, "{source} {flags}");
    }
}

#[test]
fn nothing_leaves_the_place_that_was_named() {
    let env = place();
    let victim = env.context("victim");
    let to = env.context("to");
    // A link that lies at the destination already does not lead files of the image out of it.
    fs::create_dir(to.join("d")).unwrap();
    symlink(&victim, to.join("d/sub")).unwrap();
    let output = env.strata(["cp", "image:/d", "to"]);
    assert!(output.status.success(), "{}", output.stderr);
    assert_eq!(tree(&victim), [""; 0]);
    assert_eq!(tree(&to.join("d/sub")), ["deep"]);
    // What a link names is replaced where it lies, and devices stay what they are.
    fs::write(env.path("real"), "before").unwrap();
    symlink("real", env.path("link")).unwrap();
    let _ = env.strata(["cp", "image:/d/file", "link"]).success();
    assert_eq!(fs::read_to_string(env.path("real")).unwrap(), "file\n");
    assert!(fs::symlink_metadata(env.path("link")).unwrap().is_symlink());
    let mut full = Command::new("mknod");
    assert!(
        full.arg(env.path("null")).args(["c", "1", "3"]).stdout(Stdio::null()).status().unwrap().success()
    );
    let stderr = env.strata(["cp", "image:/d/file", "null"]).code(1).stderr;
    assert_eq!(stderr, "error: cannot copy to `null`: it is neither a file nor a directory\n");
}

#[test]
fn ordinary_users_cannot_keep_owners() {
    let env = Env::as_user(crate::support::user::User::with_ranges());
    env.add_busybox();
    let stderr = env.strata(["cp", "-a", "busybox:/etc/passwd", "passwd"]).code(1).stderr;
    assert!(
        stderr.starts_with("error: owners can be kept by root only\nhelp: leave `--archive` out"),
        "{stderr}"
    );
    let _ = env.strata(["cp", "busybox:/etc/passwd", "passwd"]).success();
    assert!(fs::read_to_string(env.path("passwd")).unwrap().starts_with("root:"));
}

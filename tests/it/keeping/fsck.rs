//! `fsck`, on stores that were damaged in each way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::support::env::Env;
use crate::support::gate::Gate;

const DOCKERFILE: &str = "FROM busybox\nRUN echo one >/one && ln -s one /link && mkdir /d\nRUN rm /one\n";

/// A store with two images, an export and a container.
fn store() -> Env {
    let env = Env::with_busybox();
    let context = env.dockerfile("image", DOCKERFILE);
    let context = context.to_str().unwrap();
    let _ = env.strata(["build", "-q", "-t", "image", context]).success();
    let _ = env.strata(["build", "-q", "-o", "type=oci,dest=o.tar", context]).success();
    let _ = env.strata(["run", "--name", "kept", "busybox", "touch", "/new"]).success();
    env
}

/// The directory of a part of the layer that holds `file`.
fn part_with(env: &Env, file: &str) -> PathBuf {
    let mut found = Vec::new();
    for layer in fs::read_dir(env.root().join("layers/sha256")).unwrap() {
        for part in fs::read_dir(layer.unwrap().path()).unwrap() {
            let part = part.unwrap().path();
            if part.join(file).symlink_metadata().is_ok() {
                found.push(part);
            }
        }
    }
    // The one where it is no whiteout.
    found.retain(|part| part.join(file).is_file());
    found.remove(0)
}

fn blob(env: &Env, digest: &str) -> PathBuf {
    env.root().join("blobs/sha256").join(digest.trim().strip_prefix("sha256:").unwrap())
}

fn sql(env: &Env, text: &str) {
    Connection::open(env.root().join("strata.db"))
        .unwrap()
        .execute_batch(&format!("PRAGMA foreign_keys = OFF; {text}"))
        .unwrap();
}

/// Checks the damaged store: `found` is said without a repair, with the exit code, and `quick` tells whether that needs
/// no contents. After a repair it is whole, with the images `left`.
fn check(env: &Env, found: &str, code: i32, quick: bool, left: &[&str]) {
    let before = env.strata(["fsck"]).code(code).stdout;
    assert!(before.contains(found), "{found}\n{before}");
    let quickly = env.strata(["fsck", "--quick"]).code(if quick { code } else { 0 }).stdout;
    assert_eq!(quickly.contains(found), quick, "{quickly}");
    // Nothing was touched so far.
    assert_eq!(env.strata(["fsck"]).code(code).stdout, before);
    let repaired = env.strata(["fsck", "--repair"]).code(if code == 4 { 3 } else { code }).stdout;
    assert!(repaired.contains(found) && !repaired.contains("not repaired"), "{repaired}");
    let after = env.strata(["fsck"]).success().stdout;
    assert!(after.ends_with(": whole\n") && after.lines().count() == 1, "{after}");
    let images = env.strata(["images", "--format", "{{.Repository}}"]).success().stdout;
    let mut images: Vec<&str> = images.lines().filter(|name| *name != "<none>").collect();
    images.sort_unstable();
    assert_eq!(images, left, "{repaired}");
    for image in left {
        assert_eq!(env.sh(image, "echo runs"), "runs\n");
    }
    // What was removed can be made again.
    let context = env.path("image");
    if left.contains(&"busybox") {
        let _ = env.strata(["build", "-q", "-t", "image", context.to_str().unwrap()]).success();
        assert_eq!(env.sh("image", "ls -d /d; readlink /link"), "/d\none\n");
    }
}

const BOTH: &[&str] = &["busybox", "image"];

#[test]
fn a_store_in_use_is_whole() {
    for env in [store(), Env::without_overlays()] {
        if !env.root().join("blobs").exists() {
            env.add_busybox();
            let context = env.dockerfile("image", DOCKERFILE);
            let _ = env.strata(["build", "-q", "-t", "image", context.to_str().unwrap()]).success();
        }
        for args in [&["fsck"][..], &["fsck", "--quick"], &["fsck", "--repair"]] {
            let said = env.strata(args).success().stdout;
            assert!(said.ends_with(": whole\n") && said.lines().count() == 1, "{said}");
        }
        assert_eq!(env.sh("image", "ls -d /d"), "/d\n");
    }
}

#[test]
fn contents_that_changed_are_found() {
    let env = store();
    let file = part_with(&env, "one").join("one");
    // The same size and time, so that only its bytes tell.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "two\n").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    check(&env, "the content of `/one` in a stored layer is damaged", 4, false, &["busybox"]);
}

type Damage = fn(&Path);

#[test]
fn files_that_are_not_as_the_index_has_them_are_found() {
    for (damage, found) in [
        ((|part| fs::remove_file(part.join("one")).unwrap()) as Damage, "`/one` of layer"),
        (|part| fs::write(part.join("one"), "longer than it was").unwrap(), "has another size"),
        (
            |part| fs::set_permissions(part.join("d"), fs::Permissions::from_mode(0o700)).unwrap(),
            "`/d` of layer",
        ),
        (|part| std::os::unix::fs::chown(part.join("d"), Some(5), None).unwrap(), "has another owner"),
        (
            |part| {
                fs::remove_file(part.join("link")).unwrap();
                std::os::unix::fs::symlink("two", part.join("link")).unwrap();
            },
            "leads elsewhere",
        ),
        (|part| fs::write(part.join("extra"), "").unwrap(), "which its index has not"),
        (|part| fs::remove_dir_all(part).unwrap(), " lacks layers/sha256/"),
        (|part| fs::write(part.parent().unwrap().join("index"), "nonsense").unwrap(), "is damaged"),
        (|part| fs::remove_file(part.parent().unwrap().join("index")).unwrap(), " lacks layers/sha256/"),
    ] {
        let env = store();
        damage(&part_with(&env, "one"));
        check(&env, found, 4, true, &["busybox"]);
    }
}

#[test]
fn blobs_that_are_gone_or_changed_are_found() {
    for (damage, quick, found) in [
        ((|path| fs::remove_file(path).unwrap()) as Damage, true, "the file of the blob "),
        (|path| fs::write(path, "short").unwrap(), true, " has 5 bytes instead of "),
        (
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[10] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            true,
            " has the digest ",
        ),
    ] {
        let env = store();
        damage(&blob(&env, &env.image_id("image")));
        let said = env.strata(["fsck", "--quick"]).code(4).stdout;
        assert_eq!(said.contains(found), quick && found != " has the digest ", "{said}");
        assert!(said.contains("the image image:latest lacks its document "), "{said}");
        let repaired = env.strata(["fsck", "--repair"]).code(3).stdout;
        assert!(repaired.contains(found), "{repaired}");
        let after = env.strata(["fsck"]).success().stdout;
        assert!(after.ends_with(": whole\n"), "{after}");
        assert_eq!(env.strata(["images", "-q"]).success().stdout.lines().count(), 1);
    }
    // One that an export made is made again.
    let env = store();
    let database = Connection::open(env.root().join("strata.db")).unwrap();
    let name: String =
        database.query_row("SELECT lower(hex(digest)) FROM encodings LIMIT 1", [], |row| row.get(0)).unwrap();
    fs::remove_file(env.root().join("blobs/sha256").join(name)).unwrap();
    check(&env, "the file of the blob ", 4, true, BOTH);
}

#[test]
fn rows_that_speak_of_nothing_are_found() {
    for (damage, found, code) in [
        (
            "INSERT INTO refs VALUES ('docker.io/library/ghost:latest', zeroblob(32), NULL)",
            "the name docker.io/library/ghost:latest stands for no image",
            4,
        ),
        (
            "INSERT INTO records VALUES (NULL, zeroblob(32), zeroblob(32), zeroblob(32), zeroblob(32), zeroblob(32), '{}', 0, 0)",
            "cache records name layer 000000000000",
            4,
        ),
        (
            "INSERT INTO encodings VALUES (zeroblob(32), 'gzip-5', zeroblob(32))",
            "the gzip-5 form of layer 0",
            4,
        ),
    ] {
        let env = store();
        sql(&env, damage);
        check(&env, found, code, true, BOTH);
    }
}

#[test]
fn an_image_whose_layer_has_no_row_is_removed_by_a_repair() {
    let env = store();
    sql(
        &env,
        "DELETE FROM layers WHERE diff_id IN (SELECT diff_id FROM records ORDER BY id DESC LIMIT 1);
        DELETE FROM parts WHERE diff_id NOT IN (SELECT diff_id FROM layers)",
    );
    check(&env, "the image image:latest lacks layer ", 4, true, &["busybox"]);
}

#[test]
fn leftovers_are_no_problem() {
    for path in ["blobs/sha256/stray", "layers/sha256/stray/p0", "layers/sha256/empty"] {
        let env = store();
        let stray = env.root().join(path);
        fs::create_dir_all(if path.starts_with("blobs") { stray.parent().unwrap() } else { &stray }).unwrap();
        if path.starts_with("blobs") {
            fs::write(&stray, "x").unwrap();
        }
        check(&env, &format!("leftover: nothing speaks of {path}\n"), 0, true, BOTH);
        assert!(!stray.exists());
    }
}

#[test]
fn a_container_without_its_files_is_told_and_left_to_the_user() {
    let env = store();
    fs::remove_dir_all(part_with(&env, "new")).unwrap();
    let said = env.strata(["fsck", "--repair"]).code(4).stdout;
    assert!(said.contains("the container kept lacks layer ") && said.contains("strata rm"), "{said}");
    let _ = env.strata(["rm", "kept"]).success();
    let after = env.strata(["fsck"]).success().stdout;
    assert!(after.ends_with(": whole\n"), "{after}");

    let env = store();
    fs::remove_dir_all(env.root().join("containers")).unwrap();
    check(&env, "the directory of the container kept is not there", 4, true, BOTH);
    // What it changed is a layer, and was whole.
    assert_eq!(env.strata(["diff", "kept"]).success().stdout, "A /new\n");
    let _ = env.strata(["rm", "kept"]).success();
}

#[test]
fn a_build_may_go_on_meanwhile() {
    let (env, gate) = (store(), Gate::new());
    let text = format!("FROM image\nRUN echo made >/made\nRUN {} >/told\n", gate.command());
    let context = env.dockerfile("running", &text);
    let mut running = env.spawn(["build", "--progress=plain", "-t", "running", context.to_str().unwrap()]);
    let waiting = gate.wait();
    for args in [&["fsck"][..], &["fsck", "--repair"]] {
        let said = env.strata(args).success().stdout;
        assert!(said.ends_with(": whole\n"), "{said}");
    }
    waiting.tell("told");
    running.wait_for(|_| false);
    assert!(running.end().0.success());
    assert_eq!(env.sh("running", "cat /made /told"), "made\ntold");
}

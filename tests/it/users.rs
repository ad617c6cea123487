//! Ordinary users: what they make is what root makes, what they lack is named, and nothing of them is left.

mod nested;
mod networks;
mod single;

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::env::{BUSYBOX, Env};
use crate::support::user::User;

/// What of an image does not say when it was made.
fn timeless(env: &Env, image: &str) -> Value {
    let mut config = env.image_config(image);
    config["created"].take();
    for entry in config["history"].as_array_mut().unwrap() {
        entry["created"].take();
    }
    config
}

#[test]
fn a_user_makes_the_same_image_as_root() {
    let (root, user) = (Env::with_busybox(), Env::as_user(User::with_ranges()));
    user.hand_image(&root, BUSYBOX);
    // Every time is set, so that nothing depends on when it was made.
    let dockerfile = "FROM busybox\n\
        COPY --chown=u:ug app /app\n\
        RUN echo made >/app/made && chown 33:34 /app/made && chmod 4755 /app/made && ln /app/made /app/same \\\n\
         && mkfifo /app/pipe && rm -r /app/old && mkdir /app/old && touch -d @1000000000 /app/* /app\n\
        RUN rm /app/file && touch -d @1000000000 /app\n";
    for env in [&root, &user] {
        let context = env.dockerfile("context", dockerfile);
        fs::create_dir_all(context.join("app/old/deep")).unwrap();
        fs::write(context.join("app/file"), "content").unwrap();
        fs::set_permissions(context.join("app/file"), Permissions::from_mode(0o600)).unwrap();
        let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        for path in ["app/file", "app/old/deep", "app/old", "app"] {
            File::open(context.join(path)).unwrap().set_times(time).unwrap();
        }
        env.hand_over(&context);
        let _ = env.strata(["build", "-q", "-t", "image", context.to_str().unwrap()]).success();
    }
    assert_eq!(timeless(&user, "image"), timeless(&root, "image"));
}

#[test]
fn a_users_store_is_in_the_users_home_and_for_nobody_else() {
    let env = Env::as_user(User::with_ranges());
    let context = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.env_clear().env("HOME", env.path("")).args(["build", "-q", "-t", "x"]).arg(&context);
    env.by_user(&mut command);
    let _ = env.run(command).success();
    let store = env.path(".local/share/strata");
    assert_eq!(fs::metadata(&store).unwrap().mode() & 0o7777, 0o700);

    let roots =
        Command::new(env!("CARGO_BIN_EXE_strata")).arg("--root").arg(&store).arg("images").output().unwrap();
    let said = env.redact(&String::from_utf8_lossy(&roots.stderr));
    let expected = "error: the store at [DIR]/.local/share/strata was made with other user and group ids\n\
        help: a store belongs to the user who made it: choose another directory with `--root`\n";
    assert_eq!(said, expected);
}

#[test]
fn files_of_a_local_output_belong_to_the_user() {
    let (root, user) = (Env::with_busybox(), User::with_ranges());
    let env = Env::as_user(user);
    env.hand_image(&root, BUSYBOX);
    let context = env.dockerfile("context", "FROM busybox\nRUN touch /f && chown 7:8 /f\n");
    let out = env.path("out");
    let _ = env.strata(["build", "-o", out.to_str().unwrap(), context.to_str().unwrap()]).success();
    for name in ["f", "bin/busybox", "etc"] {
        let found = fs::metadata(out.join(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (user.uid, user.gid), "{name}");
    }
}

#[test]
fn a_layer_with_a_device_is_roots() {
    let env = Env::as_user(User::with_ranges());
    let tree = env.context("tree");
    let made = Command::new("mknod").arg(tree.join("device")).args(["c", "1", "3"]).status().unwrap();
    assert!(made.success());
    let archive = env.path("tree.tar");
    let packed =
        Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&archive).arg("device").status().unwrap();
    assert!(packed.success());
    env.hand_over(&archive);
    let said = env.strata(["import", archive.to_str().unwrap(), "image"]).code(1).stderr;
    assert!(said.contains("only root can make device nodes"), "{said}");
    assert!(said.contains("help: run it as root"), "{said}");
}

#[test]
fn where_user_namespaces_are_switched_off_the_remedy_is_named() {
    let env = Env::new();
    // The limit of a namespace of its own; without its bounding set, its root is as good as a user.
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" images";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_strata")]);
    let said = env.run(command).code(1).stderr;
    let expected = "error: cannot make a user namespace, in which strata works for everybody but root\n\
        caused by: No space left on device (os error 28)\n\
        help: allow user namespaces, as root: `sysctl user.max_user_namespaces=15000`\n";
    assert_eq!(said, expected);
}

/// The program with the libraries that it needs, as a root file system.
fn program_tree(into: &Path) {
    let program = env!("CARGO_BIN_EXE_strata");
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries {
        let place = into.join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    }
    fs::create_dir_all(into.join("usr/bin")).unwrap();
    fs::copy(program, into.join("usr/bin/strata")).unwrap();
}

#[test]
fn what_is_mounted_of_the_machine_has_what_is_mounted_below_it() {
    let env = Env::as_user(User::with_ranges());
    env.add_busybox();
    let script =
        "test -e /machine/proc/version && touch /machine/dev/x /machine/tmp/x 2>&1 | grep -c Read-only";
    let args = ["run", "--rm", "--network=none", "-v", "/:/machine:ro", BUSYBOX, "sh", "-c", script];
    assert_eq!(env.strata(args).success().stdout, "2\n");
}

//! One context, one image: whoever builds it, where, when, and with how many threads.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::env::Env;
use crate::support::user::User;

/// Has everything whose time could depend on when or how it was made.
const DOCKERFILE: &str = "FROM busybox AS made
RUN mkdir -p /made/sub && echo 1 >/made/sub/f && ln /made/sub/f /made/hard && ln -s f /made/sub/soft && mkfifo /made/pipe
FROM busybox
RUN echo early >/early && chmod 600 /etc/passwd && rm /etc/group
COPY . /app/deep/
COPY --chmod=750 --chown=5:6 young /owned/young
COPY <<EOF /inline
text
EOF
COPY --from=made /made /made
COPY --link old /linked/
WORKDIR /work/here
ENV a=b
CMD [\"sh\"]
";

const OLD: Duration = Duration::from_secs(981_173_106);
const YOUNG: Duration = Duration::from_secs(1_081_173_106);

fn context(env: &Env, name: &str) -> PathBuf {
    let context = env.dockerfile(name, DOCKERFILE);
    for (file, time) in [("old", OLD), ("young", YOUNG), ("Dockerfile", OLD)] {
        let path = context.join(file);
        if file != "Dockerfile" {
            fs::write(&path, file).unwrap();
        }
        set_time(&path, SystemTime::UNIX_EPOCH + time);
    }
    context
}

fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A context as another place has it, with all times.
fn copy(from: &Path, env: &Env, name: &str) -> PathBuf {
    let to = env.path(name);
    assert!(Command::new("cp").arg("-a").args([from, &to]).status().unwrap().success());
    env.hand_over(&to);
    to
}

/// The digest of the manifest that a build writes.
fn built(env: &Env, context: &Path, threads: &str, flags: &[&str]) -> String {
    let (archive, metadata) = (env.path("image.tar"), env.path("metadata"));
    let output = format!("type=oci,dest={}", archive.display());
    let mut command = env.command(["build", "-q", "-o", &output, "--metadata-file"]);
    command.arg(&metadata).args(flags).arg(context).env("RAYON_NUM_THREADS", threads);
    let _ = env.run(command).success();
    let metadata: serde_json::Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap().to_owned();
    let listed = Command::new("tar").args(["-tf"]).arg(&archive).output().unwrap();
    let blob = format!("blobs/{}", digest.replace(':', "/"));
    assert!(String::from_utf8(listed.stdout).unwrap().lines().any(|line| line == blob), "{digest}");
    digest
}

#[test]
fn a_context_gives_one_image_wherever_and_by_whomever_it_is_built() {
    let (root, user) = (Env::with_busybox(), Env::as_user(User::with_ranges()));
    user.hand_image(&root, "busybox");
    let first = context(&root, "context");
    let second = copy(&first, &user, "elsewhere");
    let expected = built(&root, &first, "1", &["--reproducible"]);
    assert_eq!(built(&user, &second, "2", &["--reproducible"]), expected);
    // Again, without what the first build left.
    assert_eq!(built(&root, &first, "2", &["--reproducible", "--no-cache"]), expected);
    // It is the time of the youngest file.
    let epoch = format!("SOURCE_DATE_EPOCH={}", YOUNG.as_secs());
    assert_eq!(built(&root, &first, "1", &["--reproducible", "--build-arg", &epoch]), expected);
    assert_ne!(built(&root, &first, "1", &[]), expected);
}

#[test]
fn what_the_cache_had_before_makes_no_difference() {
    let (old, new) = (Env::with_busybox(), Env::new());
    new.hand_image(&old, "busybox");
    let first = context(&old, "context");
    // Files of the base are as young as the first steps, because the test has just made it: leave them.
    let dockerfile = DOCKERFILE.replace(" && chmod 600 /etc/passwd && rm /etc/group", "");
    fs::write(first.join("Dockerfile"), dockerfile).unwrap();
    set_time(&first.join("Dockerfile"), SystemTime::UNIX_EPOCH + OLD);
    let _ = built(&old, &first, "1", &[]);
    // The epoch lies after all that the clock has given so far.
    set_time(&first.join("young"), SystemTime::now() + Duration::from_secs(3600));
    let second = copy(&first, &new, "elsewhere");
    let expected = built(&old, &first, "1", &["--reproducible"]);
    assert_eq!(built(&new, &second, "1", &["--reproducible"]), expected);
}

#[test]
fn the_time_is_that_of_the_commit() {
    let env = Env::with_busybox();
    let repository = env.context("repository");
    let context = context(&env, "repository/sub");
    let commit = "git init -q . && git add . && git -c user.name=n -c user.email=e commit -q -m 1";
    env.host(&repository, commit);
    let of_commit = built(&env, &context, "1", &["--reproducible"]);
    let mut command = env.command(["build", "-q", "--reproducible", "-t", "image"]);
    let _ = env
        .run({
            command.arg(&context);
            command
        })
        .success();
    assert_eq!(env.image_config("image")["created"], "2023-11-14T22:13:20Z");
    // Files have it, too, whenever they were checked out; a directory that is in no commit has a time of its own.
    for time in [SystemTime::now(), SystemTime::UNIX_EPOCH + OLD * 2 / 3] {
        set_time(&context.join("young"), time);
        assert_eq!(built(&env, &context, "2", &["--reproducible", "--no-cache"]), of_commit);
    }
    let outside = copy(&context, &env, "repository/untracked");
    assert_ne!(built(&env, &outside, "2", &["--reproducible"]), of_commit);
}

#[test]
fn the_environment_says_the_time() {
    let env = Env::with_busybox();
    let context = context(&env, "context");
    for (flags, created) in [
        (&[][..], "2001-09-09T01:46:40Z"),
        (&["--build-arg", "SOURCE_DATE_EPOCH=7"], "1970-01-01T00:00:07Z"),
        (&["-o", "type=image,source-date-epoch=8"], "1970-01-01T00:00:08Z"),
    ] {
        let mut command = env.command(["build", "-q", "-t", "image"]);
        command.args(flags).arg(&context).env("SOURCE_DATE_EPOCH", "1000000000");
        let _ = env.run(command).success();
        assert_eq!(env.image_config("image")["created"], created);
    }
    let mut command = env.command(["build", "-q", "-t", "image", "-o", "type=image,source-date-epoch="]);
    command.arg(&context).env("SOURCE_DATE_EPOCH", "1000000000");
    let _ = env.run(command).success();
    assert_ne!(env.image_config("image")["created"], "2001-09-09T01:46:40Z");
}

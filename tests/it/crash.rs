//! What a killed build leaves, and what a crash of the machine does: the next command clears it and goes on.

mod networks;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::env::Env;
use crate::support::leftovers::{in_progress, marker, mounts, processes, wait_for_no_processes};
use crate::support::progress::Report;
use crate::support::running::Running;
use crate::support::tree;

/// A build of a few dozen lines of output: files of the context, commands that write, stages beside each other.
fn dockerfile(marker: &str) -> String {
    format!(
        "FROM busybox AS side\n\
         RUN : {marker}; for i in $(seq 20); do echo $i; echo $i >/side-$i; done\n\
         FROM busybox\n\
         WORKDIR /w\n\
         COPY tree tree\n\
         RUN : {marker}; for i in $(seq 20); do echo $i; mkdir -p d/$i; echo $i >d/$i/f; done; rm -r tree/1\n\
         COPY --from=side /side-* side/\n\
         RUN : {marker}; sh -c ': {marker}; cat side/*' & wait; ln d/1/f linked\n"
    )
}

/// A build that can be killed.
struct Victim {
    env: Env,
    context: PathBuf,
    marker: String,
}

impl Victim {
    fn new(name: &str) -> Self {
        let (env, marker) = (Env::with_busybox(), marker(name));
        let context = env.dockerfile("context", &dockerfile(&marker));
        for i in 0..200 {
            let file = context.join(format!("tree/{}/{i}", i % 7));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{i}").repeat(1000)).unwrap();
        }
        Self { env, context, marker }
    }

    fn start(&self) -> Running {
        self.env.spawn(["build", "--progress=plain", "-t", "image", self.context.to_str().unwrap()])
    }

    /// Builds to the end; gives how many lines that took, and what is in the image.
    fn build(&self) -> (usize, String) {
        let (status, _, stderr) = self.start().end();
        assert!(status.success(), "{status}\n{stderr}");
        assert_eq!(in_progress(&self.env.root()), Vec::<String>::new());
        (stderr.lines().count(), tree::list(&self.env, "image", &["/w", "/etc"]))
    }

    /// Kills the build, and sees that the next command clears what is left without a word.
    fn kill(&self, build: Running) {
        build.signal(Signal::KILL);
        let (status, _, stderr) = build.end();
        assert!(!status.success() || stderr.contains("image sha256:"), "{status}\n{stderr}");
        wait_for_no_processes(&self.marker);
        let start = Instant::now();
        loop {
            let next = self.env.strata(["images"]).success();
            assert_eq!(next.stderr, "");
            // The process that holds a sandbox dies after its first one, and its lock with it.
            if fs::read_dir(self.env.root().join("work")).unwrap().count() <= 1 {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{:?} is left", in_progress(&self.env.root()));
        }
        assert_eq!(mounts(&self.env.root()), Vec::<String>::new());
    }
}

/// Does `cases` on all cores.
fn each(cases: usize, test: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case >= cases {
                        return;
                    }
                    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(case))).is_err() {
                        failed.lock().unwrap().push(case);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), Vec::<usize>::new());
}

#[test]
fn a_build_can_be_killed_after_any_of_its_lines() {
    const POINTS: usize = 16;
    let (lines, clean) = Victim::new("clean").build();
    each(POINTS, |point| {
        let victim = Victim::new(&format!("line {point}"));
        let mut build = victim.start();
        let mut left = 1 + point * lines / POINTS;
        build.wait_for(|_| {
            left -= 1;
            left == 0
        });
        victim.kill(build);
        assert_eq!(victim.build().1, clean, "after a kill at point {point} of {POINTS}");
    });
}

#[test]
fn a_build_can_be_killed_at_any_time() {
    let victim = Victim::new("timed");
    let start = Instant::now();
    let (_, clean) = victim.build();
    let whole = start.elapsed();
    each(8, |point| {
        let victim = Victim::new(&format!("time {point}"));
        let start = Instant::now();
        let build = victim.start();
        // Between the lines: here time itself is what is varied.
        while start.elapsed() < whole * (2 * point as u32 + 1) / 20 {
            thread::yield_now();
        }
        victim.kill(build);
        assert_eq!(victim.build().1, clean, "after a kill at point {point}");
    });
}

#[test]
fn builds_can_be_killed_again_and_again_in_one_store() {
    let victim = Victim::new("again");
    let mut killed = 0;
    loop {
        let mut build = victim.start();
        // Every time one line further than what was done before.
        let running = build.wait_for(|line| line.ends_with(" 20") || line.contains("tree tree"));
        victim.kill(build);
        killed += 1;
        if !running || killed == 6 {
            break;
        }
    }
    let (_, found) = victim.build();
    assert_eq!(found, Victim::new("again, clean").build().1);
    assert_eq!(processes(&victim.marker), Vec::<i32>::new());
}

/// Says that the machine went down before anything was synced.
fn forget_the_boot(env: &Env) {
    let database = rusqlite::Connection::open(env.root().join("strata.db")).unwrap();
    database
        .execute_batch("UPDATE layers SET boot = 'x', synced = 0; UPDATE blobs SET boot = 'x', synced = 0")
        .unwrap();
}

/// The file of this name in the store's layers.
fn in_layers(env: &Env, name: &str) -> PathBuf {
    let mut directories = vec![env.root().join("layers")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            }
        }
    }
    panic!("no `{name}` in the layers");
}

#[test]
fn what_a_crash_of_the_machine_damaged_is_made_again() {
    // What is in the file afterwards, and what becomes of the step that made it.
    let damages = [
        ("nothing", Some("12345"), "cached"),
        ("gone", None, "ran"),
        ("empty", Some(""), "ran"),
        ("zeros", Some("\0\0\0\0\0"), "ran"),
    ];
    for (name, left, state) in damages {
        let env = Env::with_busybox();
        let context = env.dockerfile("context", "FROM busybox\nCOPY victim /\nRUN cat /victim >/copy\n");
        fs::write(context.join("victim"), "12345").unwrap();
        let build = ["build", "--progress=plain", "-t", "image", context.to_str().unwrap()];
        let _ = env.strata(build).success();
        let _ = env.strata(["images"]).success();
        forget_the_boot(&env);
        let victim = in_layers(&env, "victim");
        match left {
            Some(text) => fs::write(victim, text).unwrap(),
            None => fs::remove_file(victim).unwrap(),
        }
        let report = Report::read(&env.strata(build).success().stderr);
        assert_eq!(
            (report.step("COPY victim /").state, report.step("/copy").state),
            (state, "cached"),
            "{name}"
        );
        assert_eq!(env.sh("image", "cat /victim /copy"), "1234512345", "{name}");
    }
}

#[test]
fn an_index_of_which_a_crash_of_the_machine_damaged_a_part_is_forgotten() {
    let both = "linux/amd64,linux/arm64";
    for damaged in ["index", "manifest", "config"] {
        let env = Env::new();
        let context = env.dockerfile("context", "FROM scratch\nARG TARGETARCH\nENV ARCH=$TARGETARCH\n");
        let build = ["build", "-q", "--platform", both, "-t", "app", context.to_str().unwrap()];
        let index = env.strata(build).success().stdout.trim().to_owned();
        let blob = |digest: &str| env.root().join("blobs").join(digest.replace(':', "/"));
        let read = |digest: &str| -> serde_json::Value {
            serde_json::from_slice(&fs::read(blob(digest)).unwrap()).unwrap()
        };
        let manifest = read(&index)["manifests"][1]["digest"].as_str().unwrap().to_owned();
        let config = read(&manifest)["config"]["digest"].as_str().unwrap().to_owned();
        let _ = env.strata(["images"]).success();
        forget_the_boot(&env);
        let lost = match damaged {
            "index" => &index,
            "manifest" => &manifest,
            _ => &config,
        };
        fs::write(blob(lost), "").unwrap();
        // The name is left to the other image.
        let left = env.strata(["inspect", "-f", "{{.Architecture}}", "app"]).success().stdout;
        assert_eq!(left, "amd64\n", "{damaged}");
        let whole = env.strata(["fsck"]).success().stdout;
        assert!(whole.ends_with(": whole\n"), "{damaged}: {whole}");
        assert_eq!(env.strata(build).success().stdout.trim(), index, "{damaged}");
    }
}

#[test]
fn documents_that_a_crash_of_the_machine_damaged_are_made_again() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", "FROM busybox\nRUN echo 1 >/f\n");
    let build = ["build", "-q", "-t", "image", context.to_str().unwrap()];
    let _ = env.strata(build).success();
    let id = env.image_id("image");
    forget_the_boot(&env);
    fs::write(env.root().join("blobs/sha256").join(&id["sha256:".len()..]), "").unwrap();
    // The image cannot be shown any more, but the others can, and it can be built.
    let images = env.strata(["images"]).success();
    assert!(images.stdout.contains("busybox"), "{}", images.stdout);
    let _ = env.strata(build).success();
    assert_eq!(env.image_id("image"), id);
    assert_eq!(env.sh("image", "cat /f"), "1\n");
}

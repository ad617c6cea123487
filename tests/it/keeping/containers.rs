//! Containers that stay after their command.

use std::fs;

use rustix::process::Signal;

use crate::support::env::{Env, Output};
use crate::support::gate::Gate;
use crate::support::leftovers::{assert_clean, in_progress, marker};

/// Changes some files of the test's image: one is new, one is another, one is gone, and so is a directory.
const WORK: &str =
    "echo new >/new; echo u:x:7:7::/: >/etc/passwd; rm /etc/group; mkdir -p /d/e; ln /new /d/e/same";

const CHANGES: &str = "A /d\nA /d/e\nA /d/e/same\nC /etc\nD /etc/group\nC /etc/passwd\nA /new\n";

fn keep(env: &Env, name: &str, script: &str) -> Output {
    env.strata(["run", "--name", name, "busybox", "sh", "-c", script])
}

/// What `ps` lists, by a template.
fn listed(env: &Env, args: &[&str]) -> String {
    let format = "{{.Names}} {{.Image}} {{.State}} {{.Status}}";
    let args = [&["ps", "--format", format], args].concat();
    let text = env.strata(args).success().stdout;
    // How long ago depends on the machine.
    let words = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let known = if words[3] == "Up" { 4 } else { 5 };
        words[..known].join(" ") + "\n"
    };
    text.lines().map(words).collect()
}

fn containers(env: &Env) -> usize {
    fs::read_dir(env.root().join("containers")).map_or(0, Iterator::count)
}

#[test]
fn a_container_with_a_name_stays_and_others_do_not() {
    let env = Env::with_busybox();
    let _ = env.strata(["run", "busybox", "true"]).success();
    let _ = env.strata(["run", "--rm", "--name", "gone", "busybox", "true"]).success();
    assert_eq!((listed(&env, &["-a"]).as_str(), containers(&env)), ("", 0));
    let _ = keep(&env, "stays", "exit 3").code(3);
    assert_eq!(listed(&env, &[]), "");
    assert_eq!(listed(&env, &["-a"]), "stays busybox exited Exited (3)\n");
    // Without a name, but told to stay: it gets one.
    let _ = env.strata(["run", "--rm=false", "busybox", "true"]).success();
    let name = env.strata(["ps", "-l", "--format", "{{.Names}}"]).success().stdout;
    assert!(name.trim().split_once('_').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()), "{name}");
    let ids = env.strata(["ps", "-aq", "--no-trunc"]).success().stdout;
    let is_id = |id: &str| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(ids.lines().count() == 2 && ids.lines().all(is_id), "{ids}");
    // The container's host name is its id, as in Docker.
    let short = env.strata(["ps", "-aq", "-f", "name=stays"]).success().stdout;
    let hostname = env.strata(["inspect", "-f", "{{.Config.Hostname}}", "stays"]).success().stdout;
    assert_eq!(hostname, short);
    let removed = env.strata(["rm", "stays", name.trim()]).success().stdout;
    assert_eq!(removed, format!("stays\n{name}"));
    assert_eq!((listed(&env, &["-a"]).as_str(), containers(&env)), ("", 0));
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
}

#[test]
fn what_a_container_changed_can_be_seen_exported_and_made_an_image() {
    for env in [Env::with_busybox(), Env::without_overlays()] {
        if !env.root().join("blobs").exists() {
            env.add_busybox();
        }
        let _ = keep(&env, "work", WORK).success();
        assert_eq!(env.strata(["diff", "work"]).success().stdout, CHANGES);
        assert_eq!(env.strata(["container", "diff", "work"]).success().stdout, CHANGES);
        let shown = |args: &[&str]| env.strata([&["inspect", "-f"], args].concat()).success().stdout;
        let sizes = shown(&["{{.SizeRw}} {{.SizeRootFs}}", "-s", "work"]);
        let [own, all] = [0, 1].map(|i| sizes.split_whitespace().nth(i).unwrap().parse::<u64>().unwrap());
        let image: u64 = shown(&["{{.Size}}", "busybox"]).trim().parse().unwrap();
        assert!(own > 0 && all == image + own, "{sizes}, the image has {image}");
        let _ = env.strata(["inspect", "-f", "{{.SizeRw}}", "work"]).code(1);

        let _ = env.strata(["export", "-o", "work.tar", "work"]).success();
        let streamed = env.command(["export", "work"]).output().unwrap();
        assert_eq!(streamed.stdout, fs::read(env.path("work.tar")).unwrap());
        env.host(
            &env.context("unpacked"),
            "tar -xf ../work.tar && grep -q 7:7 etc/passwd && test ! -e etc/group && test new -ef d/e/same && test -x bin/busybox",
        );

        let id = env
            .strata([
                "commit",
                "-a",
                "A. Uthor",
                "-m",
                "because",
                "-c",
                "ENV A=b",
                "-c",
                "CMD [\"cat\", \"/new\"]",
                "work",
                "made:1",
            ])
            .success()
            .stdout;
        assert_eq!(id.trim(), env.image_id("made:1"));
        assert_eq!(env.strata(["run", "--rm", "made:1"]).success().stdout, "new\n");
        assert_eq!(env.sh("made:1", "echo $A; test -e /etc/group || echo gone"), "b\ngone\n");
        let config = env.image_config("made:1");
        let history = config["history"].as_array().unwrap();
        let last = history.last().unwrap();
        assert_eq!(
            (&last["created_by"], &last["comment"], &last["author"], &config["author"]),
            (&"cat /new".into(), &"because".into(), &"A. Uthor".into(), &"A. Uthor".into())
        );
        let layers = config["rootfs"]["diff_ids"].as_array().unwrap().len();
        assert_eq!(history.iter().filter(|entry| entry["empty_layer"] != true).count(), layers);

        // Files of it can be looked at like an image's.
        assert_eq!(env.strata(["cat", "work", "/new"]).success().stdout, "new\n");
        let _ = env.strata(["cp", "-q", "work:/etc/passwd", "copied"]).success();
        assert_eq!(fs::read_to_string(env.path("copied")).unwrap(), "u:x:7:7::/:\n");

        // The beginning of an id may be an image's name, a short id is the container's.
        let short = env.strata(["ps", "-aq"]).success().stdout;
        assert_eq!(env.strata(["diff", short.trim()]).success().stdout, CHANGES);
        let _ = env.strata(["tag", "busybox", &short[..3]]).success();
        let kind = env.strata(["inspect", "-f", "{{.Architecture}}", &short[..3]]).success().stdout;
        assert_ne!(kind, "<no value>\n");
        let _ = env.strata(["rmi", &short[..3]]).success();

        // The image stays without the container, and the layer with the image.
        let _ = env.strata(["rm", "work"]).success();
        assert_eq!(env.sh("made:1", "cat /d/e/same"), "new\n");
        let layers = fs::read_dir(env.root().join("layers/sha256")).unwrap().count();
        let _ = env.strata(["rmi", "made:1"]).success();
        assert_eq!(fs::read_dir(env.root().join("layers/sha256")).unwrap().count(), layers - 1);
    }
}

#[test]
fn a_container_that_changed_nothing_makes_an_image_without_a_layer() {
    let env = Env::with_busybox();
    let _ = keep(&env, "idle", "true").success();
    assert_eq!(env.strata(["diff", "idle"]).success().stdout, "");
    let _ = env.strata(["commit", "idle", "same"]).success();
    let (base, made) = (env.image_config("busybox"), env.image_config("same"));
    assert_eq!(made["rootfs"], base["rootfs"]);
    assert_eq!(made["config"]["Cmd"], serde_json::json!(["sh", "-c", "true"]));
}

#[test]
fn names_belong_to_one_container() {
    let env = Env::with_busybox();
    let _ = keep(&env, "one", "true").success();
    let refused = keep(&env, "one", "true").code(125).stderr;
    assert!(refused.starts_with("error: the name `one` is taken by the container "), "{refused}");
    assert!(
        refused.ends_with("help: remove that one with `strata rm one`, or choose another name\n"),
        "{refused}"
    );
    for name in ["", "x", "a/b", "-x", "ä b"] {
        let refused = env.strata(["run", &format!("--name={name}"), "busybox", "true"]).code(125).stderr;
        assert!(refused.starts_with(&format!("error: `{name}` is no name for a container\n")), "{refused}");
    }
    let _ = env.strata(["rename", "one", "two"]).success();
    let _ = keep(&env, "one", "true").success();
    let refused = env.strata(["rename", "one", "two"]).code(1).stderr;
    assert!(refused.starts_with("error: the name `two` is taken"), "{refused}");
    let unknown = env.strata(["rm", "twö"]).code(1).stderr;
    assert_eq!(unknown, "error: there is no container `twö`\nhelp: did you mean `two`?\n");
    assert_eq!(containers(&env), 2);
}

#[test]
fn what_cannot_be_run_does_not_stay() {
    let env = Env::with_busybox();
    let _ = env.strata(["run", "--name", "typo", "busybox", "bussybox"]).code(127);
    assert_eq!((listed(&env, &["-a"]).as_str(), containers(&env)), ("", 0));
    let _ = env.strata(["run", "--name", "typo", "busybox", "busybox"]).success();
}

#[test]
fn a_container_that_runs_is_seen_and_left_alone() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let script = format!("echo before >/f; {} >/told", gate.command());
    let mut running = env.spawn(["run", "--name", "busy", "busybox", "sh", "-c", &script]);
    let waiting = gate.wait();
    assert_eq!(listed(&env, &[]), "busy busybox running Up\n");
    for (args, purpose) in [
        (&["rm", "busy"][..], "be removed"),
        (&["diff", "busy"], "be looked into"),
        (&["export", "-o", "x.tar", "busy"], "be looked into"),
        (&["commit", "busy"], "be looked into"),
        (&["cat", "busy", "/f"], "be looked into"),
    ] {
        let refused = env.strata(args).code(1).stderr;
        let expected = format!("error: the container `busy` is running: it cannot {purpose}\n");
        assert!(refused.starts_with(&expected), "{refused}");
    }
    assert_eq!(env.strata(["container", "prune", "-f"]).success().stdout, "Total reclaimed space: 0B\n");
    waiting.tell("after");
    assert!(!running.wait_for(|_| false));
    let (status, _, stderr) = running.end();
    assert!(status.success(), "{stderr}");
    assert_eq!(env.strata(["diff", "busy"]).success().stdout, "A /f\nA /told\n");
}

#[test]
fn a_container_whose_strata_is_killed_has_ended_nobody_knows_how() {
    let (env, gate, marker) = (Env::with_busybox(), Gate::new(), marker("a killed container"));
    let script = format!("echo before >/f; rm /etc/group; {}; sleep {marker}", gate.command());
    let running = env.spawn(["run", "--name", "killed", "busybox", "sh", "-c", &script]);
    let waiting = gate.wait();
    running.signal(Signal::KILL);
    drop(running);
    drop(waiting);
    crate::support::leftovers::wait_for_no_processes(&marker);
    assert_eq!(listed(&env, &["-a"]), "killed busybox exited Exited (?)\n");
    let state = env.strata(["inspect", "-f", "{{json .State.ExitCode}}", "killed"]).success().stdout;
    assert_eq!(state, "null\n");
    assert_eq!(env.strata(["diff", "killed"]).success().stdout, "C /etc\nD /etc/group\nA /f\n");
    let _ = env.strata(["commit", "killed", "saved"]).success();
    assert_eq!(env.sh("saved", "cat /f; test -e /etc/group || echo gone"), "before\ngone\n");
    let _ = env.strata(["rm", "killed"]).success();
    assert_eq!(containers(&env), 0);
    assert_clean(&env.root(), &marker);
}

#[test]
fn a_running_container_can_be_removed_by_force() {
    let (env, gate, marker) = (Env::with_busybox(), Gate::new(), marker("a container removed by force"));
    let script = format!("{}; sleep {marker}", gate.command());
    let running = env.spawn(["run", "--name", "busy", "busybox", "sh", "-c", &script]);
    let waiting = gate.wait();
    assert_eq!(env.strata(["rm", "-f", "busy"]).success().stdout, "busy\n");
    drop(waiting);
    assert!(!running.end().0.success());
    assert_eq!((listed(&env, &["-a"]).as_str(), containers(&env)), ("", 0));
    assert_clean(&env.root(), &marker);
    // As in Docker, one that is gone is no failure then.
    let _ = env.strata(["rm", "-f", "busy"]).success();
}

#[test]
fn a_directory_whose_row_never_came_goes() {
    let env = Env::with_busybox();
    let lost = env.root().join("containers").join("ab".repeat(32));
    fs::create_dir_all(lost.join("upper")).unwrap();
    let _ = env.strata(["ps"]).success();
    assert!(!lost.exists());
}

#[test]
fn a_container_holds_the_layers_of_its_image() {
    let env = Env::with_busybox();
    fs::copy("/bin/busybox", env.context("tree").join("sh")).unwrap();
    env.host(&env.path("tree"), "echo x >f && tar -cf ../tree.tar .");
    let _ = env.strata(["import", "tree.tar", "imported"]).success();
    let _ = env.strata(["run", "--name", "user", "imported", "/sh", "-c", ": >/new"]).success();
    let refused = env.strata(["rmi", "imported"]).code(1).stderr;
    assert!(refused.contains("is used by the container `user`\n"), "{refused}");
    let _ = env.strata(["rmi", "-f", "imported"]).success();
    // Not even the image's documents are needed.
    let _ = env.strata(["commit", "user", "again"]).success();
    assert_eq!(env.strata(["ls", "again", "/"]).success().stdout, "f\nnew\nsh\n");
    let _ = env.strata(["rmi", "again"]).success();
    let layers = || fs::read_dir(env.root().join("layers/sha256")).unwrap().count();
    let before = layers();
    let _ = env.strata(["rm", "user"]).success();
    assert_eq!(layers(), before - 2);
}

#[test]
fn lists_are_filtered() {
    let env = Env::with_busybox();
    let context = env.dockerfile("labelled", "FROM busybox\nLABEL a=b\n");
    let _ = env.strata(["build", "-q", "-t", "labelled", context.to_str().unwrap()]).success();
    let _ = keep(&env, "first", "exit 1").code(1);
    let _ = env.strata(["run", "--name", "second", "labelled", "true"]).success();
    for (filters, names) in [
        (&["name=fir"][..], "first\n"),
        (&["exited=1"], "first\n"),
        (&["exited=1", "exited=0"], "second\nfirst\n"),
        (&["ancestor=labelled"], "second\n"),
        (&["ancestor=nothing"], ""),
        (&["label=a"], "second\n"),
        (&["label=a=b", "label=c"], ""),
        (&["status=running"], ""),
        (&["before=second"], "first\n"),
        (&["since=first"], "second\n"),
        (&["until=1h"], ""),
    ] {
        let filters = filters.iter().flat_map(|filter| ["-f", filter]);
        let args = ["ps", "-a", "--format", "{{.Names}}"].into_iter().chain(filters);
        assert_eq!(env.strata(args).success().stdout, names);
    }
    let refused = env.strata(["ps", "-f", "colour=red"]).code(1).stderr;
    assert!(refused.starts_with("error: there is no filter `colour`; there are `ancestor`"), "{refused}");
    let pruned = env.strata(["container", "prune", "--filter", "label=a", "--force"]).success().stdout;
    assert!(pruned.contains("Total reclaimed space: "), "{pruned}");
    assert_eq!(env.strata(["ps", "-a", "--format", "{{.Names}}"]).success().stdout, "first\n");
    let asked = env.strata(["container", "prune"]).code(1).stderr;
    assert!(asked.contains("standard input is no terminal"), "{asked}");
}

#[test]
fn logs_are_said_not_to_be_kept() {
    let env = Env::with_busybox();
    for args in [&["logs", "-f", "x"][..], &["container", "logs", "x"]] {
        let said = env.strata(args).code(1).stderr;
        assert!(
            said.starts_with("error: there are no logs of `x`: what a container prints is not kept\n"),
            "{said}"
        );
    }
}

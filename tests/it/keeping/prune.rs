//! `du` and `prune`.

use std::fs;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::env::Env;
use crate::support::gate::Gate;
use crate::support::leftovers::in_progress;

/// Three steps of 256 KiB each over the test's image.
const THREE: &str = "FROM busybox\nRUN head -c 262144 /dev/urandom >/a\nRUN head -c 262144 /dev/urandom >/b\n\
    RUN head -c 262144 /dev/urandom >/c\n";

fn build(env: &Env, name: &str, dockerfile: &str) {
    let context = env.dockerfile(name, dockerfile);
    let _ = env.strata(["build", "-q", "-t", name, context.to_str().unwrap()]).success();
}

fn everything(env: &Env) -> Value {
    serde_json::from_str(&env.strata(["du", "-v", "--format", "json"]).success().stdout).unwrap()
}

/// The descriptions of the records of a type, the last used first.
fn records(env: &Env, kind: &str) -> Vec<String> {
    let all = everything(env);
    let of_kind = all["BuildCache"].as_array().unwrap().iter().filter(|record| record["CacheType"] == kind);
    of_kind.map(|record| record["Description"].as_str().unwrap().to_owned()).collect()
}

/// Sets when the records were used last, in days before now, the step of `/a` first.
fn age(env: &Env, days: [i64; 3]) {
    let database = Connection::open(env.root().join("strata.db")).unwrap();
    for (name, days) in ["/a", "/b", "/c"].iter().zip(days) {
        let changed = database.execute(
            "UPDATE records SET last_use = last_use - 86400 * ?1 WHERE CAST(details AS TEXT) LIKE '%>' || ?2 || '\"%'",
            (days, name),
        );
        assert!(changed.unwrap() > 0);
    }
}

/// What `du` of the machine says of the store.
fn on_disk(env: &Env) -> u64 {
    let output = Command::new("du").args(["-s", "--block-size=1"]).arg(env.root()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split('\t').next().unwrap().parse().unwrap()
}

fn ended(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn every_byte_counts_once() {
    let env = Env::with_busybox();
    build(&env, "image", THREE);
    build(
        &env,
        "cached",
        "FROM busybox\nRUN --mount=type=cache,target=/c,id=mine head -c 65536 /dev/zero >/c/f\n",
    );
    let _ = env
        .strata(["build", "-q", "-o", "type=oci,dest=o.tar", env.path("image").to_str().unwrap()])
        .success();
    let _ = env
        .strata(["run", "--name", "kept", "image", "sh", "-c", "head -c 131072 /dev/urandom >/d"])
        .success();
    let all = everything(&env);
    let sum = |list: &str, field: &str| -> u64 {
        all[list].as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum()
    };
    // Images share the base; what they have in common counts once.
    let total = all["Total"].as_u64().unwrap();
    let off = total.abs_diff(on_disk(&env));
    assert!(off * 20 < total, "{total} is not what is on the disk: {off} more or less");
    assert!(sum("Images", "UniqueSize") < sum("Images", "Size"));
    assert!((131_072..262_144).contains(&sum("Containers", "Size")), "{all}");
    assert!(records(&env, "exec.cachemount")[0].contains("mine"), "{all}");
    assert_eq!(records(&env, "export").len(), 6);
    // That of the base, at most: a context of nothing but a Dockerfile is not scanned.
    assert!(records(&env, "source.local").len() <= 1);
    // Steps of images are the images'.
    let results: Vec<&Value> = all["BuildCache"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["CacheType"] == "regular")
        .collect();
    assert!(results.iter().all(|record| record["Shared"] == true && record["Reclaimable"] == 0), "{all}");
    let _ = env.strata(["rm", "kept"]).success();
    let _ = env.strata(["rmi", "image"]).success();
    let freed: u64 = everything(&env)["BuildCache"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["CacheType"] == "regular")
        .map(|record| record["Reclaimable"].as_u64().unwrap())
        .sum();
    assert!((3 * 262_144..4 * 262_144).contains(&freed), "{freed}");
    let summary = env.strata(["du"]).success().stdout;
    let first: Vec<&str> = summary.lines().map(|line| line.split("   ").next().unwrap()).collect();
    assert_eq!(
        first,
        [
            "TYPE",
            "Images",
            "Containers",
            "Build results",
            "Cache mounts",
            "Fetched files",
            "Git mirrors",
            "Context scans",
            "Failed steps",
            "Exported layers",
            "Other"
        ]
    );
    assert_eq!(env.strata(["system", "df"]).success().stdout, summary);
    let verbose = env.strata(["du", "-v"]).success().stdout;
    assert!(verbose.contains("UNIQUE SIZE") && verbose.contains("exec.cachemount"), "{verbose}");
    let filtered = env.strata(["du", "--filter", "type=exec.cachemount", "--format", "{{.CacheType}}"]);
    assert_eq!(filtered.success().stdout, "exec.cachemount\n");
}

#[test]
fn the_least_recently_used_goes_first_and_only_as_much_as_is_asked_for() {
    let env = Env::with_busybox();
    build(&env, "image", THREE);
    let _ = env.strata(["rmi", "image"]).success();
    age(&env, [10, 30, 20]);
    let prune = |args: &[&str]| {
        env.strata([&["prune", "-f", "--filter", "description~=urandom"], args].concat()).success().stdout
    };
    let left = || {
        records(&env, "regular")
            .iter()
            .filter_map(|text| Some(text.split_once('>')?.1.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(left(), ["/a", "/c", "/b"]);
    // Enough room: nothing goes.
    assert_eq!(prune(&["--max-used-space", "1GB"]), "Total reclaimed space: 0B\n");
    assert_eq!(prune(&["--keep-duration", "720h1m"]), "Total reclaimed space: 0B\n");
    let planned = prune(&["--max-used-space", "600KB", "--dry-run"]);
    assert!(planned.contains(">/b\n") && ended(&planned).starts_with("Would reclaim: 2"), "{planned}");
    assert_eq!(left().len(), 3);
    let gone = prune(&["--max-used-space", "600KB"]);
    assert_eq!(gone.replace("Total reclaimed space", "Would reclaim"), planned);
    assert_eq!(left(), ["/a", "/c"]);
    let gone = prune(&["--keep-duration", "360h"]);
    assert!(gone.contains(">/c\n"), "{gone}");
    assert_eq!(left(), ["/a"]);
    let gone = prune(&["--reserved-space", "1GB"]);
    assert_eq!(gone, "Total reclaimed space: 0B\n");
    let gone = prune(&["--filter", "unused-for=240h"]);
    assert!(gone.contains(">/a\n"), "{gone}");
    assert_eq!(left(), [] as [&str; 0]);
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
}

#[test]
fn what_images_need_stays_unless_it_is_asked_for() {
    let env = Env::with_busybox();
    build(&env, "image", THREE);
    let before = records(&env, "regular").len();
    let pruned = env.strata(["prune", "-f", "--filter", "type=regular"]).success().stdout;
    assert_eq!(pruned, "Total reclaimed space: 0B\n");
    assert_eq!(records(&env, "regular").len(), before);
    // The records go, the layers stay with the image.
    let _ = env.strata(["prune", "-f", "--all"]).success();
    assert_eq!(records(&env, "regular").len(), 0);
    assert_eq!(env.sh("image", "wc -c </a"), "262144\n");
    assert_eq!(env.strata(["images", "-q"]).success().stdout.lines().count(), 2);
    // Then images: those without a name, then those with one that no container is of.
    build(&env, "image", "FROM busybox\nRUN echo another >/a\n");
    let _ = env.strata(["run", "--name", "kept", "busybox", "true"]).success();
    let gone = env.strata(["prune", "-f", "--images"]).success().stdout;
    assert!(gone.starts_with("Deleted: sha256:"), "{gone}");
    assert_eq!(env.strata(["images", "-q"]).success().stdout.lines().count(), 2);
    let gone = env.strata(["system", "prune", "-f", "--filter", "label=nothing"]).success().stdout;
    assert_eq!(gone, "Total reclaimed space: 0B\n");
    let gone = env.strata(["prune", "-f", "--images", "--all"]).success().stdout;
    assert!(gone.contains("Untagged: image:latest\n") && !gone.contains("busybox"), "{gone}");
    let gone = env.strata(["system", "prune", "-f", "-a"]).success().stdout;
    assert!(gone.contains("Deleted container: ") && gone.contains("Untagged: busybox:latest\n"), "{gone}");
    for place in ["layers/sha256", "blobs/sha256", "containers"] {
        assert_eq!(fs::read_dir(env.root().join(place)).unwrap().count(), 0, "{place}");
    }
}

#[test]
fn caches_exports_scans_and_failed_steps_go_by_their_types() {
    let env = Env::with_busybox();
    let context = env.context("all");
    fs::write(
        context.join("Dockerfile"),
        "FROM busybox\nCOPY f /\nRUN --mount=type=cache,target=/c,id=mine echo x >/c/f\n",
    )
    .unwrap();
    fs::write(context.join("f"), "f").unwrap();
    let context = context.to_str().unwrap();
    let _ = env.strata(["build", "-q", "-o", "type=oci,dest=o.tar", context]).success();
    let failing = env.dockerfile("failing", "FROM busybox\nRUN false\n");
    let _ = env.strata(["build", "-q", failing.to_str().unwrap()]).code(1);
    for kind in ["exec.cachemount", "export", "source.local", "failed"] {
        assert!(!records(&env, kind).is_empty(), "{kind}");
        let gone = env.strata(["prune", "-f", "-v", "--filter", &format!("type={kind}")]).success().stdout;
        assert!(gone.contains(&format!("\t{kind}\t")) && gone.contains("last used"), "{gone}");
        assert_eq!(records(&env, kind), [] as [&str; 0]);
    }
    assert!(!records(&env, "regular").is_empty());
    // All of it is made again.
    let _ = env.strata(["build", "-q", "-o", "type=oci,dest=o.tar", context]).success();
    let wrong = env.strata(["prune", "-f", "--filter", "type=nothing"]).code(1).stderr;
    assert!(wrong.starts_with("error: the filter `type` cannot be `nothing`: expected `regular`"), "{wrong}");
    let asked = env.strata(["prune"]).code(1).stderr;
    assert!(asked.ends_with("help: say `--force` to remove it without a question\n"), "{asked}");
}

#[test]
fn a_build_at_the_same_time_loses_nothing() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    build(&env, "earlier", "FROM busybox\nRUN head -c 262144 /dev/urandom >/a\n");
    let layers = || fs::read_dir(env.root().join("layers/sha256")).unwrap().count();
    // Only the cache has the layer of the step now, and the build takes it from there.
    let _ = env.strata(["rmi", "earlier"]).success();
    let text = format!(
        "FROM busybox\nRUN head -c 262144 /dev/urandom >/a\nRUN --mount=type=cache,target=/c,id=used echo mine >/c/f && {} >/told\n\
         RUN cat /a /told >/b\n",
        gate.command()
    );
    let context = env.dockerfile("later", &text);
    let mut running = env.spawn(["build", "--progress=plain", "-t", "later", context.to_str().unwrap()]);
    let waiting = gate.wait();
    let _ = env.strata(["rmi", "busybox"]).success();
    let during = layers();
    let gone = env.strata(["prune", "-f", "-a"]).success().stdout;
    assert!(!gone.contains("urandom") && !gone.contains("used"), "{gone}");
    assert_eq!(layers(), during);
    assert_eq!(records(&env, "exec.cachemount").len(), 1);
    waiting.tell("told");
    running.wait_for(|_| false);
    let (status, _, stderr) = running.end();
    assert!(status.success(), "{stderr}");
    assert_eq!(env.sh("later", "cat /told; wc -c </b"), "told262148\n");
    assert_eq!(
        env.strata(["fsck"]).success().stdout.lines().last().unwrap().split(": ").nth(1),
        Some("whole")
    );
}

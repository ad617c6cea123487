//! Images for several platforms: built, listed, sent, kept in files and removed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use strata::oci::{ManifestDigest, Reference};
use strata::store::Store;

use crate::support::env::Env;
use crate::support::registry::Registry;
use crate::support::user::User;

const BOTH: &str = "linux/amd64,linux/arm64";

/// The build stage runs here, whatever the image is for; its first step does not ask what that is.
const CROSS: &str = "
FROM --platform=$BUILDPLATFORM busybox AS build
RUN echo once >>/count
ARG TARGETARCH
RUN echo $TARGETARCH >/arch
FROM scratch
COPY --from=build /count /arch /
ENTRYPOINT [\"/none\"]
";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a tool prints.
fn tool(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Builds and gives what is printed: what was built goes by it.
fn build(env: &Env, dockerfile: &str, args: &[&str]) -> String {
    let context = env.dockerfile("context", dockerfile);
    env.hand_over(&context);
    let all = [&["build", "-q"], args, &[context.to_str().unwrap()]].concat();
    env.strata(all).success().stdout.trim().to_owned()
}

/// The platforms that an index lists.
fn platforms(index: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = index["manifests"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            format!("{}/{}", text(&entry["platform"]["os"]), text(&entry["platform"]["architecture"]))
        })
        .collect()
}

fn index_of(env: &Env, name: &str) -> Value {
    json(&env.strata(["manifest", "inspect", name]).success().stdout)
}

fn check_cross_build(env: &Env) {
    env.add_busybox();
    let args = ["--platform", BOTH, "--platform", "linux/amd64", "-t", "app", "--progress=plain"];
    let context = env.dockerfile("context", CROSS);
    env.hand_over(&context);
    let all = [&["build"], &args[..], &[context.to_str().unwrap()]].concat();
    let output = env.strata(all).success();
    // What asks for nothing of the target is done once, for both.
    let steps = |text: &str| output.stderr.matches(text).count();
    assert_eq!(steps("] RUN echo once >>/count\n"), 1, "{}", output.stderr);
    for name in [
        "[linux/amd64 build 2/3] RUN echo once",
        "[linux/amd64 build 3/3] RUN echo $TARGETARCH",
        "[linux/amd64->arm64 build 3/3] RUN echo $TARGETARCH",
        "[linux/arm64 stage-1 1/1] COPY",
    ] {
        assert!(output.stderr.contains(name), "{name}: {}", output.stderr);
    }
    assert_eq!(platforms(&index_of(env, "app")), ["linux/amd64", "linux/arm64"]);
    for (platform, arch) in [("linux/amd64", "amd64\n"), ("linux/arm64", "arm64\n")] {
        let out = env.path(arch.trim());
        let dest = format!("type=local,dest={}", out.display());
        build(env, CROSS, &["--platform", platform, "-o", &dest]);
        assert_eq!(fs::read_to_string(out.join("arch")).unwrap(), arch);
        assert_eq!(fs::read_to_string(out.join("count")).unwrap(), "once\n");
        let inspected = env.strata(["inspect", "--platform", platform, "-f", "{{.Architecture}}", "app"]);
        assert_eq!(inspected.success().stdout, arch);
    }
    // One image is taken where one is wanted: the machine's.
    assert_eq!(env.strata(["inspect", "-f", "{{.Architecture}}", "app"]).success().stdout, "amd64\n");
    let other = env.strata(["inspect", "--platform", "linux/s390x", "app"]).code(1).stderr;
    assert_eq!(other, "error: the image `app` is for linux/amd64 and linux/arm64, not for linux/s390x\n");
}

#[test]
fn a_build_stage_of_the_machine_is_shared_by_all_platforms() {
    check_cross_build(&Env::new());
}

#[test]
fn an_ordinary_user_builds_for_several_platforms() {
    check_cross_build(&Env::as_user(User::with_ranges()));
}

#[test]
fn one_name_is_another_image_on_each_platform() {
    let env = Env::new();
    let base = |arch: &str| format!("FROM scratch\nARG TARGETARCH\nLABEL of={arch}\nENV BASE=$TARGETARCH\n");
    build(&env, &base("any"), &["--platform", BOTH, "-t", "base"]);
    let text = "FROM --platform=$BUILDPLATFORM base AS build\nFROM base\nLABEL child=yes\n";
    build(&env, text, &["--platform", "linux/arm64", "-t", "child"]);
    let config = env.image_config("child");
    assert_eq!(
        (config["architecture"].as_str(), &config["config"]["Env"][1]),
        (Some("arm64"), &"BASE=arm64".into())
    );
    let text = "FROM --platform=$BUILDPLATFORM base AS build\nFROM base\nCOPY --from=build / /\n";
    build(&env, text, &["--platform", BOTH, "-t", "children"]);
    for arch in ["amd64", "arm64"] {
        let platform = format!("linux/{arch}");
        let found =
            env.strata(["inspect", "--platform", &platform, "-f", "{{json .Config.Env}}", "children"]);
        assert!(found.success().stdout.contains(&format!("BASE={arch}")));
    }
}

#[test]
fn a_name_of_an_index_stands_for_its_own_images_only() {
    let env = Env::new();
    let index = |version: u32, platforms: &str| {
        let text = format!(
            "ARG TARGETARCH\nFROM scratch AS amd64\nENV V=0\nFROM scratch AS arm64\nENV V={version}\n\
             FROM scratch AS s390x\nFROM $TARGETARCH\n"
        );
        build(&env, &text, &["--platform", platforms, "-t", &format!("x:{version}")])
    };
    index(1, BOTH);
    index(2, BOTH);
    index(3, "linux/amd64,linux/s390x");
    for version in [1, 2] {
        let text = format!("FROM x:{version}\nLABEL child=yes\n");
        build(&env, &text, &["--platform", "linux/arm64", "-t", "child"]);
        let variables = &env.image_config("child")["config"]["Env"];
        assert!(variables.to_string().contains(&format!("\"V={version}\"")), "{variables}");
    }
    let other = env.strata(["inspect", "--platform", "linux/arm64", "x:3"]).code(1).stderr;
    assert_eq!(other, "error: the image `x:3` is for linux/amd64 and linux/s390x, not for linux/arm64\n");
}

#[test]
fn a_base_is_for_the_same_variant() {
    let env = Env::new();
    let text = "FROM scratch\nARG TARGETVARIANT\nENV V=$TARGETVARIANT\n";
    build(&env, text, &["--platform", "linux/arm/v6,linux/arm/v7", "-t", "base"]);
    // There is none for the last one: then the architecture decides.
    for (platform, variant) in [("linux/arm/v7", "v7"), ("linux/arm/v6", "v6"), ("linux/arm/v5", "v6")] {
        build(&env, "FROM base\nLABEL child=yes\n", &["--platform", platform, "-t", "child"]);
        let variables = &env.image_config("child")["config"]["Env"];
        assert!(variables.to_string().contains(&format!("\"V={variant}\"")), "{platform}: {variables}");
    }
}

#[test]
fn what_has_changed_since_it_was_looked_at_is_not_removed() {
    let env = Env::new();
    let index =
        build(&env, "FROM scratch\nARG TARGETARCH\nENV A=$TARGETARCH\n", &["--platform", BOTH, "-t", "app"]);
    build(&env, "FROM scratch\nENV alone=1\n", &["-t", "alone"]);
    let store = Store::open(&env.root()).unwrap();
    let row = |name: &str| store.find_ref(&name.parse::<Reference>().unwrap().to_string()).unwrap().unwrap();
    let (listed, alone) = (row("app"), row("alone"));
    assert!(!store.remove_image_if(&listed.manifest, &listed.names).unwrap(), "an index lists it");
    assert!(!store.remove_image_if(&alone.manifest, &[]).unwrap(), "it has a name");
    let index = ManifestDigest(index.parse().unwrap());
    assert!(!store.remove_index_if(&index, &[]).unwrap(), "it has a name");
    assert!(!store.remove_ref_to(&listed.names[0], &listed.manifest).unwrap(), "it stands for the index");
    assert!(store.remove_index_if(&index, &listed.names).unwrap());
    assert!(store.remove_image_if(&listed.manifest, &[]).unwrap());
    assert!(store.remove_image_if(&alone.manifest, &alone.names).unwrap());
    // Nothing is remembered of what is gone, and that is no error.
    store.set_repo_digest("docker.io/library/alone", &alone.manifest, &alone.manifest).unwrap();
    assert_eq!(store.repo_digests(&alone.manifest).unwrap(), []);
}

#[test]
fn what_is_wrong_on_one_platform_says_on_which() {
    let env = Env::with_busybox();
    let text = "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\nRUN [ $TARGETARCH = amd64 ]\n";
    let context = env.dockerfile("context", text);
    let args =
        ["build", "--platform", BOTH, "-t", "bad", "-o", "type=oci,dest=bad.tar", context.to_str().unwrap()];
    let stderr = env.strata(args).code(1).stderr;
    assert!(stderr.contains("[linux/amd64->arm64 2/2] RUN [ $TARGETARCH"), "{stderr}");
    assert!(!env.path("bad.tar").exists());
    let text = "ARG TARGETARCH\nFROM base-$TARGETARCH\n";
    build(&env, "FROM scratch\n", &["-t", "base-amd64"]);
    let context = env.dockerfile("context", text);
    let args = ["build", "--pull=never", "--platform", BOTH, "-t", "bad", context.to_str().unwrap()];
    let stderr = env.strata(args).code(1).stderr;
    assert!(stderr.contains("there is no image `base-arm64`"), "{stderr}");
    assert!(stderr.contains("note: this is so for linux/arm64"), "{stderr}");
    let _ = env.strata(["inspect", "bad"]).code(1);
}

#[test]
fn digests_stay_on_the_way_through_files_and_registries() {
    let (env, other, registry) = (Env::with_busybox(), Env::new(), Registry::plain());
    let name = registry.name("app:1");
    let pushed = build(&env, CROSS, &["--platform", BOTH, "-t", &name, "--push"]);
    let skopeo =
        |args: &[&str]| tool("skopeo", &[&["inspect", "--tls-verify=false", "--raw"], args].concat());
    let raw = skopeo(&[&format!("docker://{name}")]);
    assert_eq!(platforms(&json(&raw)), ["linux/amd64", "linux/arm64"]);
    let digest = |text: &str| format!("sha256:{}", tool_digest(text));
    assert_eq!(digest(&raw), pushed);
    // Others read all of it.
    let layout = env.path("all");
    tool(
        "skopeo",
        &[
            "copy",
            "-q",
            "--all",
            "--src-tls-verify=false",
            &format!("docker://{name}"),
            &format!("oci:{}:app", layout.display()),
        ],
    );
    // Saved, loaded, pushed: nothing changes.
    for (form, file) in [("docker-archive", "a.tar"), ("oci-archive", "b.tar"), ("oci-dir", "c")] {
        let path = env.path(file);
        let _ = env.strata(["save", "--format", form, "-o", path.to_str().unwrap(), &name]).success();
        let loaded = other.strata(["load", "-i", path.to_str().unwrap()]).success().stdout;
        assert_eq!(loaded, format!("Loaded image: {name}\n"), "{form}");
        let again = registry.name(&format!("again:{}", &file[..1]));
        let _ = other.strata(["tag", &name, &again]).success();
        let report = other.strata(["push", "--format=json", &again]).success().stdout;
        assert_eq!(json(report.lines().last().unwrap())["digest"], pushed, "{form}");
        assert_eq!(skopeo(&[&format!("docker://{again}")]), raw, "{form}");
        let _ = other.strata(["rmi", &again]).success();
    }
    // What skopeo wrote is taken whole, too.
    let _ = other.strata(["load", "-i", layout.to_str().unwrap()]).success();
    // What is not compressed in the store is when it is pushed, and is known to be the same afterwards.
    let plain = registry.name("plain:1");
    let stored = build(&env, CROSS, &["--platform", BOTH, "-t", &plain]);
    let report = json(&env.strata(["push", "--format=json", &plain]).success().stdout);
    let index = json(&skopeo(&[&format!("docker://{plain}")]));
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
    assert_ne!(report["digest"], stored);
    let by_digest = format!("{}@{}", registry.name("plain"), report["digest"].as_str().unwrap());
    assert_eq!(env.strata(["inspect", "-f", "{{.Architecture}}", &by_digest]).success().stdout, "amd64\n");
    // One image alone is asked for by its platform.
    let alone = registry.name("alone:1");
    let _ = other.strata(["tag", &name, &alone]).success();
    let _ = other.strata(["push", "-q", "--platform", "linux/arm64", &alone]).success();
    let manifest = json(&skopeo(&[&format!("docker://{alone}")]));
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
}

fn tool_digest(text: &str) -> String {
    strata::oci::Digest::of(text.as_bytes()).hex()
}

#[test]
fn an_index_goes_with_its_last_name() {
    let env = Env::with_busybox();
    let before = blobs(&env);
    let index = build(&env, CROSS, &["--platform", BOTH, "-t", "app"]);
    let _ = env.strata(["tag", "app", "other"]).success();
    let listed = env.strata(["images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"]).success().stdout;
    assert!(
        listed.contains(&format!("app {index}\n")) && listed.contains(&format!("other {index}\n")),
        "{listed}"
    );
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let tree = env.strata(["images", "--tree"]).success().stdout;
    assert!(tree.contains("├─ linux/amd64 ") && tree.contains("└─ linux/arm64 "), "{tree}");
    let whole = env.strata(["fsck"]).success().stdout;
    assert!(whole.ends_with(": whole\n"), "{whole}");
    // An image of it is not removed by itself.
    let arm = env.strata(["inspect", "--platform", "linux/arm64", "-f", "{{.Id}}", "app"]).success().stdout;
    let refused = env.strata(["rmi", arm.trim()]).code(1).stderr;
    assert!(refused.contains("is one of those of `app:latest`"), "{refused}");
    assert_eq!(env.strata(["rmi", "other"]).success().stdout, "Untagged: other:latest\n");
    let removed = env.strata(["rmi", "app"]).success().stdout;
    assert!(removed.starts_with(&format!("Untagged: app:latest\nDeleted: {index}\nDeleted: ")), "{removed}");
    assert_eq!(removed.lines().count(), 4, "{removed}");
    assert_eq!(blobs(&env), before);
}

#[test]
fn an_index_is_forgotten_with_an_image_that_is_forced_out() {
    let env = Env::with_busybox();
    build(&env, CROSS, &["--platform", BOTH, "-t", "app"]);
    let arm = env.strata(["inspect", "--platform", "linux/arm64", "-f", "{{.Id}}", "app"]).success().stdout;
    let refused = env.strata(["rmi", arm.trim()]).code(1).stderr;
    assert!(refused.contains("or use --force, which forgets the index, too"), "{refused}");
    let _ = env.strata(["rmi", "--force", arm.trim()]).success();
    // The name is left to the other image, which is whole.
    assert!(index_of(&env, "app").get("manifests").is_none());
    assert_eq!(env.strata(["inspect", "-f", "{{.Architecture}}", "app"]).success().stdout, "amd64\n");
    let _ = env.strata(["save", "-o", env.path("a.tar").to_str().unwrap(), "app"]).success();
}

#[test]
fn an_index_that_lacks_an_image_does_not_go_out() {
    let env = Env::with_busybox();
    build(&env, CROSS, &["--platform", BOTH, "-t", "app"]);
    let arm = index_of(&env, "app")["manifests"][1]["digest"].as_str().unwrap().to_owned();
    let database = rusqlite::Connection::open(env.root().join("strata.db")).unwrap();
    let remove = format!(
        "PRAGMA foreign_keys = OFF; DELETE FROM images WHERE hex(manifest) = upper('{}')",
        &arm["sha256:".len()..]
    );
    database.execute_batch(&remove).unwrap();
    let file = env.path("a.tar");
    let save = ["save", "-o", file.to_str().unwrap(), "app"];
    let stderr = env.strata(save).code(1).stderr;
    assert!(stderr.contains(&format!("`app:latest` lists the image {arm}, which is not in the")), "{stderr}");
    assert!(stderr.contains("`--platform`") && !file.exists(), "{stderr}");
    let _ = env.strata([&save[..], &["--platform", "linux/amd64"]].concat()).success();
}

#[test]
fn what_has_lost_its_name_is_pruned() {
    let env = Env::with_busybox();
    let before = blobs(&env);
    let index = build(&env, CROSS, &["--platform", BOTH]);
    let listed = env.strata(["images", "-q", "--no-trunc", "-f", "dangling=true"]).success().stdout;
    assert_eq!(listed, format!("{index}\n"));
    let _ = env.strata(["prune", "-f", "--images"]).success();
    assert_eq!(blobs(&env), before);
}

fn blobs(env: &Env) -> Vec<String> {
    let names = fs::read_dir(env.root().join("blobs/sha256")).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_index_that_lost_its_document_leaves_its_names_to_an_image() {
    let env = Env::with_busybox();
    let index = build(&env, CROSS, &["--platform", BOTH, "-t", "app"]);
    fs::remove_file(env.root().join("blobs").join(index.replace(':', "/"))).unwrap();
    let _ = env.strata(["fsck", "--repair"]).code(3);
    let whole = env.strata(["fsck"]).success().stdout;
    assert!(whole.ends_with(": whole\n"), "{whole}");
    assert_eq!(env.strata(["inspect", "-f", "{{.Architecture}}", "app"]).success().stdout, "amd64\n");
}

#[test]
fn annotations_of_an_index_are_where_they_should_be() {
    let env = Env::with_busybox();
    let layout = env.path("layout");
    let output = format!("type=oci,tar=false,dest={},annotation-index.org.example.b=2", layout.display());
    let index = build(
        &env,
        CROSS,
        &[
            "--platform",
            BOTH,
            "-t",
            "app",
            "-o",
            &output,
            "--annotation",
            "index:org.example.a=1",
            "--annotation",
            "index-descriptor:org.example.c=3",
            "--annotation",
            "manifest[linux/arm64]:org.example.d=4",
            "--annotation",
            "manifest-descriptor[linux/amd64]:org.example.e=5",
        ],
    );
    let read = |path: &Path| json(&fs::read_to_string(path).unwrap());
    let blob = |digest: &str| read(&layout.join("blobs").join(digest.replace(':', "/")));
    let entry = read(&layout.join("index.json"))["manifests"][0].clone();
    assert_eq!(entry["digest"], index);
    assert_eq!(entry["annotations"]["org.example.c"], "3");
    let list = blob(&index);
    assert_eq!(list["annotations"], json(r#"{"org.example.a": "1", "org.example.b": "2"}"#));
    assert_eq!(list["manifests"][0]["annotations"], json(r#"{"org.example.e": "5"}"#));
    assert_eq!(list["manifests"][1]["annotations"], Value::Null);
    let manifest = |number: usize| blob(list["manifests"][number]["digest"].as_str().unwrap());
    assert_eq!(manifest(0)["annotations"], Value::Null);
    assert_eq!(manifest(1)["annotations"], json(r#"{"org.example.d": "4"}"#));
}

#[test]
fn what_has_no_place_for_an_index_is_refused() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", CROSS);
    for (output, message) in [
        (
            "type=docker,dest=x.tar",
            "the image is for several platforms, and a docker archive holds one for each name",
        ),
        (
            "type=local,platform-split=false,dest=x",
            "`/arch` for linux/arm64 is not the same as for linux/amd64",
        ),
    ] {
        let args = ["build", "-q", "--platform", BOTH, "-o", output, context.to_str().unwrap()];
        let stderr = env.strata(args).code(1).stderr;
        assert!(stderr.contains(message), "{stderr}");
        assert!(!env.path("x").exists() && !env.path("x.tar").exists());
    }
}

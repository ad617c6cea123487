//! Images in registries that are looked at and put together where they are; skopeo reads what comes of it.

mod attested;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::env::{Env, Output};
use crate::support::registry::{Registry, run};
use attested::{Attested, layer, statement};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Builds an image for a platform and pushes it; gives the digest of its manifest.
fn push(env: &Env, name: &str, platform: &str) -> String {
    let context = env.dockerfile(&name.replace(['/', ':'], "-"), "FROM scratch\nCOPY Dockerfile /\n");
    fs::write(context.join("Dockerfile"), format!("FROM scratch\nCOPY Dockerfile /\n# {name}\n")).unwrap();
    let context = context.to_str().unwrap();
    let _ = env.strata(["build", "-q", "--platform", platform, "-t", name, context]).success();
    let _ = env.strata(["push", "-q", name]).success();
    skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{name}")])
        .trim()
        .to_owned()
}

fn skopeo(args: &[&str]) -> String {
    String::from_utf8(run(Command::new("skopeo").args(["--override-arch", "amd64"]).args(args))).unwrap()
}

/// The document that a name stands for, byte for byte.
fn raw(name: &str) -> String {
    skopeo(&["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")])
}

fn document(name: &str) -> Value {
    serde_json::from_str(&raw(name)).unwrap()
}

/// Whether another program gets all of an image, of all platforms.
fn is_whole(env: &Env, name: &str) {
    let directory = env.path("copied");
    let target = format!("dir:{}", directory.display());
    skopeo(&["copy", "-q", "--all", "--src-tls-verify=false", &format!("docker://{name}"), &target]);
    fs::remove_dir_all(directory).unwrap();
}

fn create(env: &Env, args: &[&str]) -> Output {
    env.strata([&["imagetools", "create", "--progress=plain"], args].concat())
}

fn inspect(env: &Env, name: &str, format: &str) -> String {
    env.strata(["imagetools", "inspect", "--format", format, name]).success().stdout
}

/// The platforms that an index lists, in its order.
fn platforms(index: &Value) -> Vec<String> {
    let entries = index["manifests"].as_array().unwrap().iter();
    let text = |entry: &Value, name: &str| entry["platform"][name].as_str().unwrap().to_owned();
    entries.map(|entry| format!("{}/{}", text(entry, "os"), text(entry, "architecture"))).collect()
}

#[test]
fn images_of_other_repositories_become_one() {
    let (registry, env) = (Registry::plain(), Env::new());
    let [amd64, arm64, both] = ["amd64:1", "arm64:1", "team/both:1"].map(|rest| registry.name(rest));
    let digests =
        [("linux/amd64", &amd64), ("linux/arm64", &arm64)].map(|(platform, name)| push(&env, name, platform));
    let latest = registry.name("team/both");
    let created = create(&env, &["-t", &both, "-t", &latest, &amd64, &arm64]).success();
    assert_eq!(created.stdout, "");
    assert!(
        created.stderr.contains(&format!("mounted from {}", registry.name("arm64"))),
        "{}",
        created.stderr
    );

    let index = document(&both);
    assert_eq!(index["mediaType"], OCI_INDEX);
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
    assert_eq!(raw(&latest), raw(&both));
    is_whole(&env, &both);
    let other = Env::new();
    let _ = other.strata(["pull", "-q", "--platform", "linux/arm64", &both]).success();
    assert_eq!(other.image_config(&both)["architecture"], "arm64");

    // What is there already is not sent again.
    let again = create(&env, &["-t", &registry.name("team/both:2"), &amd64, &arm64]).success().stderr;
    assert!(again.contains("CACHED") && !again.contains("mounted"), "{again}");

    let shown = env.strata(["imagetools", "inspect", &both]).success().stdout;
    let digest = inspect(&env, &both, "{{.Manifest.Digest}}");
    let expected = format!(
        "Name:      {both}\nMediaType: {OCI_INDEX}\nDigest:    {digest}\n\
         Manifests:\n  Name:      {both}@{}\n  MediaType: {OCI_MANIFEST}\n  Platform:  linux/amd64\n\n  \
         Name:      {both}@{}\n  MediaType: {OCI_MANIFEST}\n  Platform:  linux/arm64\n",
        digests[0], digests[1]
    );
    assert_eq!(shown, expected);
    assert_eq!(inspect(&env, &both, "{{ .Manifest }}"), shown);
    assert_eq!(env.strata(["imagetools", "inspect", "--raw", &both]).success().stdout, raw(&both));
}

#[test]
fn attestations_go_along_from_one_registry_to_another() {
    let (source, target, env) = (Registry::plain(), Registry::plain(), Env::new());
    let image = Attested::make(&env.context("layout"));
    let from = source.name("app:1");
    image.push(&from);

    // One platform: its image, and what is attested of it.
    let one = target.name("one:1");
    let _ = create(&env, &["-t", &one, "--platform", "linux/arm64", &from]).success();
    assert_eq!(platforms(&document(&one)), ["linux/arm64", "unknown/unknown"]);
    let here = |digest: &str| target.blob(digest).exists();
    assert!(here(&layer("arm64")) && here(&statement("arm64")));
    assert!(!here(&layer("amd64")) && !here(&statement("amd64")));
    is_whole(&env, &one);
    assert_eq!(inspect(&env, &one, "{{.Image.Architecture}} {{.SBOM.SPDX.name}}"), "arm64 sbom of arm64\n");
    let none = env.strata(["imagetools", "create", "--dry-run", "-p", "linux/s390x", &from]).code(1).stderr;
    let expected = "error: there is no image for linux/s390x: there is linux/amd64, linux/arm64\n";
    assert!(none.ends_with(expected), "{none}");

    // All of it keeps its digest.
    let all = target.name("all:1");
    let _ = create(&env, &["-t", &all, &from]).success();
    assert_eq!(raw(&all), raw(&from));
    is_whole(&env, &all);

    let shown = |format: &str| inspect(&env, &all, format);
    assert_eq!(shown("{{(index .Image \"linux/arm64\").OS}}"), "linux\n");
    assert_eq!(
        shown("{{range $platform, $image := .Image}}{{$platform}} {{end}}"),
        "linux/amd64 linux/arm64 \n"
    );
    assert_eq!(shown("{{(index .Provenance \"linux/amd64\").SLSA.buildType}}"), "build of amd64\n");
    assert_eq!(shown("{{len (index .SBOM \"linux/amd64\").AdditionalSPDXs}}"), "0\n");
    assert_eq!(
        shown("{{json (index .SBOM \"linux/amd64\")}}"),
        "{\n  \"SPDX\": {\n    \"name\": \"sbom of amd64\"\n  }\n}\n"
    );
    let text = env.strata(["imagetools", "inspect", &all]).success().stdout;
    let about = format!(
        "  Platform:    unknown/unknown\n  Annotations:\n    vnd.docker.reference.digest: {}\n    \
         vnd.docker.reference.type:   attestation-manifest\n",
        image.manifest("amd64")
    );
    assert!(text.contains(&about), "{text}");
}

#[test]
fn a_damaged_blob_is_not_passed_on() {
    let (source, target, env) = (Registry::plain(), Registry::plain(), Env::new());
    let image = Attested::make(&env.context("layout"));
    let from = source.name("app:1");
    image.push(&from);
    let blob = source.blob(&layer("amd64"));
    let length = fs::metadata(&blob).unwrap().len();
    fs::write(&blob, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
    let failed = create(&env, &["-t", &target.name("app:1"), &from]).code(1).stderr;
    assert!(failed.contains("sent a blob with digest sha256:"), "{failed}");
    assert!(failed.contains(&format!("and {} was asked for", layer("amd64"))), "{failed}");
    let missing = env.strata(["imagetools", "inspect", &target.name("app:1")]).code(1).stderr;
    assert!(missing.contains("was not found in the registry"), "{missing}");
}

#[test]
fn an_index_grows_and_is_annotated() {
    let (registry, env) = (Registry::plain(), Env::new());
    let app = |tag: &str| registry.name(&format!("app:{tag}"));
    let digests = [("amd64", "linux/amd64"), ("arm64", "linux/arm64")]
        .map(|(tag, platform)| push(&env, &app(tag), platform));
    let metadata = env.path("metadata.json");
    let metadata = metadata.to_str().unwrap();
    let (both, amd64) = (app("both"), app("amd64"));
    let remarks = ["index:a=1", "manifest-descriptor[linux/amd64]:b=2"];
    let args = ["-t", &both, "--metadata-file", metadata, &amd64];
    let annotations = remarks.map(|remark| ["--annotation", remark]).concat();
    let _ = create(&env, &[&args[..], &annotations].concat()).success();
    let index = document(&both);
    assert_eq!(index["annotations"], json!({"a": "1"}));
    assert_eq!(index["manifests"][0]["annotations"], json!({"b": "2"}));
    let written: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let descriptor = json!({
        "mediaType": OCI_INDEX,
        "digest": inspect(&env, &both, "{{.Manifest.Digest}}").trim(),
        "size": raw(&both).len(),
    });
    assert_eq!(written, json!({"containerimage.descriptor": descriptor, "image.name": app("both")}));

    // A digest alone is where all others are; a descriptor says more of what is there.
    let described = env.path("described.json");
    let said = json!({"digest": digests[1], "platform": {"os.version": "10.1"}, "annotations": {"c": "3"}});
    fs::write(&described, said.to_string()).unwrap();
    let file = described.to_str().unwrap();
    let shown = create(&env, &["--dry-run", "--append", "-t", &both, "-f", file, &digests[0]]).success();
    let grown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(platforms(&grown), ["linux/amd64", "linux/arm64"]);
    assert_eq!(grown["manifests"][0]["annotations"], json!({"b": "2"}));
    assert_eq!(grown["manifests"][1]["platform"]["os.version"], "10.1");
    assert_eq!(grown["manifests"][1]["annotations"], json!({"c": "3"}));
    assert_eq!(document(&both), index, "nothing has changed");
    let _ = create(&env, &["--append", "-t", &both, "-f", file]).success();
    let entries = &document(&both)["manifests"];
    assert_eq!(entries, &grown["manifests"]);

    // A single manifest stays one if it is told to.
    let _ = create(&env, &["--prefer-index=false", "-t", &registry.name("copy:1"), &app("arm64")]).success();
    assert_eq!(raw(&registry.name("copy:1")), raw(&app("arm64")));
    is_whole(&env, &registry.name("copy:1"));
}

#[test]
fn what_cannot_be_is_said_with_a_way_out() {
    let (registry, env) = (Registry::plain(), Env::new());
    let name = registry.name("app:1");
    let digest = push(&env, &name, "linux/amd64");
    let here = registry.name("here:1");
    let _ = env.strata(["tag", &name, &here]).success();
    let elsewhere = registry.name("elsewhere:1");
    for (args, message, help) in [
        (vec![], "there are no sources", "name images of registries, or files that do with `--file`"),
        (
            vec![&name[..]],
            "the new image has no name",
            "give it one with `--tag`, or look at it with `--dry-run`",
        ),
        (
            vec!["--dry-run", &here],
            &format!("cannot read `{here}`"),
            &format!("the store has this image: push it first: `strata push {here}`"),
        ),
        (
            vec!["--append", "-t", &elsewhere, &name],
            &format!("cannot read `{elsewhere}`"),
            "leave `--append` out if there is no such image yet",
        ),
        (
            vec!["--append", "--dry-run", &name],
            "there is nothing to append to",
            "name the image with `--tag`",
        ),
        (
            vec!["-t", &elsewhere, &name, &digest],
            &format!("in which repository `{digest}` is cannot be told"),
            "write it as `NAME@sha256…`",
        ),
        (
            vec!["--dry-run", "--annotation", "a=b", &name],
            "there is no place for the annotation `a`: a manifest with it would be another image",
            "annotate the index (`index:KEY=VALUE`)",
        ),
        (vec!["--dry-run", "a/B"], "`a/B` is not an image reference", "write `a/b`"),
    ] {
        let stderr = create(&env, &args).code(1).stderr;
        assert!(stderr.contains(&format!("error: {message}")), "{args:?}\n{stderr}");
        assert!(stderr.contains(&format!("help: {help}")), "{args:?}\n{stderr}");
    }
    let stderr = env.strata(["imagetools", "inspect", &here]).code(1).stderr;
    assert!(stderr.contains(&format!("`strata inspect {here}` shows the one in the store")), "{stderr}");
}

#[test]
fn a_manifest_is_one_image() {
    let (registry, env) = (Registry::plain(), Env::new());
    let name = registry.name("app:1");
    let digest = push(&env, &name, "linux/amd64");
    let shown = env.strata(["imagetools", "inspect", &name]).success().stdout;
    assert_eq!(shown, format!("Name:      {name}\nMediaType: {OCI_MANIFEST}\nDigest:    {digest}\n"));
    let size = raw(&name).len();
    assert_eq!(
        inspect(&env, &name, "{{json .Manifest}}"),
        format!(
            "{{\n  \"digest\": \"{digest}\",\n  \"mediaType\": \"{OCI_MANIFEST}\",\n  \"size\": {size}\n}}\n"
        )
    );
    for (format, expected) in [
        ("{{.Name}}", name.as_str()),
        ("{{.Image.Architecture}} {{len .Image.RootFS.DiffIDs}} {{.Image.Config.User}}", "amd64 1 "),
        ("{{json .Provenance}}{{json .SBOM}}", "{}{}"),
        ("{{range .Image.History}}{{.CreatedBy}}{{end}}", "COPY Dockerfile / # buildkit"),
    ] {
        assert_eq!(inspect(&env, &name, format), format!("{expected}\n"), "{format}");
    }
    let wrong = env.strata(["imagetools", "inspect", "--format", "{{.Nothing}}", &name]).code(1).stderr;
    assert!(wrong.contains("cannot use the template of `--format`"), "{wrong}");
}

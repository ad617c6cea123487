//! Images that go through skopeo from each form to each other one and back to us, by the same digests.

use std::path::Path;

use serde_json::Value;
use strata::oci::Digest;

use super::{image, json_of, reference_of, tool};
use crate::support::env::Env;
use crate::support::registry::Registry;

const NAME: &str = "app:1";

/// An image in all forms that strata writes, as skopeo calls them.
struct Forms {
    env: Env,
    registry: Registry,
    places: Vec<String>,
}

impl Forms {
    fn new() -> Self {
        let (env, registry) = (Env::with_busybox(), Registry::plain());
        let context = image(&env);
        let [directory, archive, docker, saved] =
            ["layout", "oci.tar", "docker.tar", "saved.tar"].map(|name| env.path(name));
        let path = |path: &Path| path.display().to_string();
        let context = context.to_str().unwrap();
        // One build for all: gzip layers throughout, so that the manifest is the same.
        for output in [
            format!("type=oci,tar=false,dest={}", directory.display()),
            format!("type=oci,dest={}", archive.display()),
            format!("type=docker,compression=gzip,dest={}", docker.display()),
        ] {
            let _ = env.strata(["build", "-q", "-t", NAME, "-o", &output, context]).success();
        }
        let _ = env.strata(["build", "-q", "-t", NAME, context]).success();
        let _ = env.strata(["save", "-o", &path(&saved), NAME]).success();
        let remote = registry.name(NAME);
        let _ = env.strata(["tag", NAME, &remote]).success();
        let _ = env.strata(["push", "-q", &remote]).success();
        let places = vec![
            format!("oci:{}:{}", directory.display(), reference_of(&directory)),
            format!("oci-archive:{}", archive.display()),
            format!("oci-archive:{}", docker.display()),
            format!("docker://{remote}"),
        ];
        Self { env, registry, places }
    }

    fn is_remote(place: &str) -> bool {
        place.starts_with("docker://")
    }

    /// The manifest's digest at a place.
    fn digest(place: &str) -> String {
        let mut args = vec!["inspect", "--raw"];
        args.extend(Self::is_remote(place).then_some("--tls-verify=false"));
        args.push(place);
        Digest::of(&tool("skopeo", &args).stdout).to_string()
    }

    fn copy(from: &str, to: &str) {
        let mut args = vec!["--insecure-policy", "copy", "-q", "--preserve-digests"];
        args.extend(Self::is_remote(from).then_some("--src-tls-verify=false"));
        args.extend(Self::is_remote(to).then_some("--dest-tls-verify=false"));
        args.extend([from, to]);
        tool("skopeo", &args);
    }

    /// Where skopeo puts copies, and what we read of each: a path, or a name in the registry.
    fn targets(&self, number: usize) -> [(String, String); 3] {
        let path = |name: &str| self.env.path(&format!("{name}-{number}")).display().to_string();
        let (layout, archive) = (path("layout"), path("archive"));
        let remote = self.registry.name(&format!("copy{number}:1"));
        [
            (format!("oci:{layout}:docker.io/library/copy:1"), layout),
            (format!("oci-archive:{archive}:docker.io/library/copy:1"), archive),
            (format!("docker://{remote}"), remote),
        ]
    }
}

#[test]
fn no_way_through_skopeo_changes_a_digest() {
    let forms = Forms::new();
    let id = forms.env.image_id(NAME);
    let digest = Forms::digest(&forms.places[0]);
    for (number, from) in forms.places.iter().enumerate() {
        assert_eq!(Forms::digest(from), digest, "{from}");
        for (to, ours) in forms.targets(number) {
            Forms::copy(from, &to);
            assert_eq!(Forms::digest(&to), digest, "{from} {to}");
            let other = Env::new();
            let name = if Forms::is_remote(&to) {
                let _ = other.strata(["pull", "-q", &ours]).success();
                ours
            } else {
                let _ = other.strata(["load", "-q", "-i", &ours]).success();
                "copy:1".to_owned()
            };
            assert_eq!(other.image_id(&name), id, "{from} {to}");
            // And out again as it came.
            let back = forms.registry.name("back:1");
            let _ = other.strata(["tag", &name, &back]).success();
            let _ = other.strata(["push", "-q", &back]).success();
            assert_eq!(Forms::digest(&format!("docker://{back}")), digest, "{from} {to}");
        }
    }
}

/// The older form has no manifest whose digest could stay; the config does.
#[test]
fn docker_archives_keep_the_config() {
    let forms = Forms::new();
    let from = format!("docker-archive:{}", forms.env.path("saved.tar").display());
    let copy = forms.env.path("copy.tar");
    let to = format!("docker-archive:{}:docker.io/library/copy:1", copy.display());
    tool("skopeo", &["--insecure-policy", "copy", "-q", &from, &to]);
    let other = Env::new();
    let _ = other.strata(["load", "-q", "-i", copy.to_str().unwrap()]).success();
    assert_eq!(other.image_id("copy:1"), forms.env.image_id(NAME));
}

#[test]
fn what_umoci_repacks_is_loaded() {
    let forms = Forms::new();
    let layout = forms.env.path("layout").display().to_string();
    let bundle = forms.env.path("bundle");
    let tag = reference_of(Path::new(&layout));
    tool("umoci", &["unpack", "--image", &format!("{layout}:{tag}"), bundle.to_str().unwrap()]);
    std::fs::write(bundle.join("rootfs/d/c"), "more\n").unwrap();
    std::fs::remove_file(bundle.join("rootfs/d/b")).unwrap();
    tool("umoci", &["repack", "--image", &format!("{layout}:new"), bundle.to_str().unwrap()]);
    // umoci keeps the annotation with our name for its own image.
    let archive = forms.env.path("repacked.tar").display().to_string();
    Forms::copy(&format!("oci:{layout}:new"), &format!("oci-archive:{archive}:docker.io/library/new:1"));
    let _ = forms.env.strata(["load", "-q", "-i", &archive]).success();
    assert_eq!(forms.env.sh("new:1", "cd /d; ls; cat c"), "c\nmore\n");
    let config = json_of(&tool("skopeo", &["inspect", "--config", &format!("oci:{layout}:new")]));
    let layers = |config: &Value| config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    let (ours, theirs) = (layers(&forms.env.image_config(NAME)), layers(&config));
    assert_eq!(theirs[..ours.len()], ours);
    assert_eq!(theirs.len(), ours.len() + 1);
}

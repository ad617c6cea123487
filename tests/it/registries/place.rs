//! A registry, a bad connection to it, and stores that use them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::env::Env;
use crate::support::flaky::{Flaky, Seen};
use crate::support::registry::{Registry, run};

/// A plain registry behind a connection that can be spoiled, and a store.
pub(super) struct Place {
    pub(super) registry: Registry,
    pub(super) flaky: Flaky,
    pub(super) env: Env,
}

impl Place {
    /// An empty registry and a store with `busybox`.
    pub(super) fn new() -> Self {
        let registry = Registry::plain();
        let flaky = Flaky::start(registry.host());
        Self { registry, flaky, env: Env::with_busybox() }
    }

    /// A name of an image in the registry, which is the same for all stores.
    pub(super) fn name(&self, rest: &str) -> String {
        self.flaky.name(rest)
    }

    /// Builds an image of files with random bytes of these sizes, a layer each, above `busybox`, and pushes it.
    pub(super) fn push_random(&self, rest: &str, sizes: &[usize]) -> String {
        let name = self.name(rest);
        let context = self.env.context(&format!("context-{}", rest.replace(['/', ':'], "-")));
        let mut dockerfile = "FROM busybox\n".to_owned();
        for (i, size) in sizes.iter().enumerate() {
            fs::write(context.join(format!("file-{i}")), random(rest, i, *size)).unwrap();
            dockerfile += &format!("COPY file-{i} /\n");
        }
        fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        let _ = self.env.strata(["build", "-q", "-t", &name, context.to_str().unwrap()]).success();
        let _ = self.env.strata(["push", "-q", &name]).success();
        self.flaky.take_seen();
        name
    }

    /// The manifest that the registry has under a name.
    pub(super) fn manifest(&self, rest: &str) -> Value {
        serde_json::from_slice(&self.raw_manifest(rest)).unwrap()
    }

    /// Its bytes.
    pub(super) fn raw_manifest(&self, rest: &str) -> Vec<u8> {
        let (repository, reference) = rest.split_once([':', '@']).unwrap();
        let reference =
            if reference.len() == 64 { format!("sha256:{reference}") } else { reference.to_owned() };
        let url = format!("http://{}/v2/{repository}/manifests/{reference}", self.registry.host());
        let accept = "Accept: application/vnd.oci.image.index.v1+json, \
            application/vnd.oci.image.manifest.v1+json, \
            application/vnd.docker.distribution.manifest.v2+json";
        run(Command::new("curl").args(["-sSf", "-H", accept, &url]))
    }

    /// Puts a document into the registry.
    pub(super) fn put_manifest(&self, rest: &str, media_type: &str, document: &Value) {
        let (repository, tag) = rest.split_once(':').unwrap();
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.registry.host());
        let header = format!("Content-Type: {media_type}");
        run(Command::new("curl").args([
            "-sSf",
            "-X",
            "PUT",
            "-H",
            &header,
            "-d",
            &document.to_string(),
            &url,
        ]));
    }

    /// The digests of the blobs that were asked for.
    pub(super) fn blobs_read(seen: &[Seen]) -> Vec<String> {
        let gets = seen.iter().filter(|seen| seen.method == "GET");
        gets.filter_map(|seen| Some(seen.target.split_once("/blobs/")?.1.to_owned())).collect()
    }
}

/// Bytes that do not compress, and are the same every time.
fn random(name: &str, number: usize, size: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(number as u64 + 1, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
    let mut next = move || {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(&mut next).take(size).collect()
}

/// The digest of a manifest's layers.
pub(super) fn layers(manifest: &Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// The digest in the lines that a pull or a push ends with.
pub(super) fn digest_in(text: &str) -> String {
    let start = text.find("sha256:").unwrap_or_else(|| panic!("no digest in {text}"));
    text[start..][..71].to_owned()
}

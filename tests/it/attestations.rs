//! Provenance and SBOMs: what is said, where it stands, and that others find it there.

mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::registry::Registry;
use crate::support::server::Server;

const SPDX: &str = "https://spdx.dev/Document";
const SLSA: &str = "https://slsa.dev/provenance/v1";
const SECRET: &str = "correct horse battery staple";

/// A generator of SBOMs that lists files. It follows BuildKit's `sbom-protocol.md`, and fails if it could write to what
/// it scans.
const SCANNER: &str = r#"#!/bin/sh
set -e
scan() {
    if touch "$1/touched" 2>/dev/null; then echo "$1 can be written to" >&2; exit 1; fi
    files=
    for file in $(cd "$1" && find . -type f | sort); do files="$files,{\"fileName\":\"${file#./}\"}"; done
    printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document",' >/tmp/out
    printf '"predicate":{"spdxVersion":"SPDX-2.3","name":"%s","comment":"%s","files":[%s]}}' \
        "$(basename "$1")" "$BUILDKIT_SCAN_NOTE" "${files#,}" >>/tmp/out
    cp /tmp/out "$BUILDKIT_SCAN_DESTINATION/$(basename "$1").spdx.json"
}
scan "$BUILDKIT_SCAN_SOURCE"
if [ -n "$BUILDKIT_SCAN_SOURCE_EXTRAS" ]; then
    for extra in "$BUILDKIT_SCAN_SOURCE_EXTRAS"/*; do scan "$extra"; done
fi
"#;

/// A store with busybox and, as `scanner`, a generator that does what the script says.
fn with_scanner(script: &str) -> Env {
    let env = Env::with_busybox();
    let context =
        env.dockerfile("scanner", "FROM busybox\nCOPY --chmod=755 scan /scan\nENTRYPOINT [\"/scan\"]\n");
    fs::write(context.join("scan"), script).unwrap();
    let _ = env.strata(["build", "-q", "-t", "scanner", "scanner"]).success();
    env
}

fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// The documents of a layout.
struct Layout(PathBuf);

impl Layout {
    /// The layout that an archive is.
    fn unpacked(env: &Env, archive: &str) -> Self {
        let dir = env.context(&format!("unpacked-{archive}"));
        let _ = tool("tar", &["-xf", env.path(archive).to_str().unwrap(), "-C", dir.to_str().unwrap()]);
        Self(dir)
    }

    fn blob(&self, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        read(self.0.join("blobs/sha256").join(digest))
    }

    /// What the only name stands for, and its descriptor.
    fn index(&self) -> (Value, Value) {
        let descriptor = read(self.0.join("index.json"))["manifests"][0].clone();
        (self.blob(&descriptor), descriptor)
    }

    /// The descriptors of the image and of what is said of it, and the statements.
    fn attested(&self) -> (Value, Value, Vec<Value>) {
        let (index, _) = self.index();
        let [image, attestation] = &index["manifests"].as_array().unwrap()[..] else {
            panic!("not an image and a manifest about it: {index:#}");
        };
        let manifest = self.blob(attestation);
        let layers = manifest["layers"].as_array().unwrap();
        let statements = layers.iter().map(|layer| {
            let statement = self.blob(layer);
            assert_eq!(layer["mediaType"], "application/vnd.in-toto+json");
            assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], statement["predicateType"]);
            statement
        });
        (image.clone(), attestation.clone(), statements.collect())
    }
}

/// Whether a text is anywhere below a directory.
fn is_said(text: &str, dir: &Path) -> bool {
    let found = Command::new("grep").args(["-rqF", text]).arg(dir).status().unwrap();
    found.success()
}

#[test]
fn what_is_said_of_an_image_follows_it_to_a_registry() {
    let (env, registry) = (with_scanner(SCANNER), Registry::plain());
    let context = env.dockerfile(
        "context",
        "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true\n\
         FROM busybox AS build\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nARG WHO\n\
         RUN --mount=type=secret,id=token test -s /run/secrets/token && echo $WHO >/made\n\
         FROM scratch\nCOPY --from=build /made /\nCOPY own /\n",
    );
    fs::write(context.join("own"), "own\n").unwrap();
    fs::write(env.path("token"), SECRET).unwrap();
    let name = registry.name("team/app:1");
    let _ = env
        .strata([
            "build",
            "--provenance=mode=max,builder-id=https://example.org/1",
            "--sbom=generator=scanner,NOTE=noted",
            "--secret=id=token,src=token",
            "--build-arg=WHO=me",
            "--push",
            "-t",
            &name,
            "--metadata-file=metadata.json",
            "context",
        ])
        .success();
    let layout = env.path("copied");
    let source = format!("docker://{name}");
    let to = format!("oci:{}:app", layout.display());
    let _ = tool("skopeo", &["copy", "-q", "--all", "--src-tls-verify=false", &source, &to]);
    let layout = Layout(layout);
    let (image, attestation, statements) = layout.attested();
    assert_eq!(image["platform"]["os"], "linux");
    assert_eq!(attestation["platform"], json!({"architecture": "unknown", "os": "unknown"}));
    assert_eq!(
        attestation["annotations"],
        json!({
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        })
    );
    let metadata = read(env.path("metadata.json"));
    assert_eq!(metadata["containerimage.digest"], layout.index().1["digest"]);

    let types: Vec<&str> = statements.iter().map(|it| it["predicateType"].as_str().unwrap()).collect();
    assert_eq!(types, [SPDX, SPDX, SPDX, SLSA]);
    let platform = image["platform"]["architecture"].as_str().unwrap();
    let purl = format!("pkg:docker/{}/team/app@1?platform=linux%2F{platform}", registry.host());
    let digest = image["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    for statement in &statements {
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(statement["subject"], json!([{"name": purl, "digest": {"sha256": digest}}]));
    }
    let listed = |statement: &Value| -> Vec<String> {
        let files = statement["predicate"]["files"].as_array().unwrap().iter();
        files.map(|file| file["fileName"].as_str().unwrap().to_owned()).collect()
    };
    let of = |name: &str| {
        let found = statements.iter().find(|it| it["predicate"]["name"] == name);
        found.unwrap_or_else(|| panic!("nothing is said of {name}: {statements:#?}"))
    };
    assert_eq!(statements[0]["predicate"]["name"], "sbom");
    assert_eq!(statements[0]["predicate"]["comment"], "noted");
    assert_eq!(listed(of("sbom")), ["made", "own"]);
    assert_eq!(listed(of("sbom-context")), ["Dockerfile", "own"]);
    assert!(listed(of("sbom-build")).contains(&"bin/busybox".to_owned()));

    let predicate = &statements[3]["predicate"];
    assert_eq!(predicate["runDetails"]["builder"]["id"], "https://example.org/1");
    let definition = &predicate["buildDefinition"];
    let request = &definition["externalParameters"]["request"];
    assert_eq!(request["args"], json!({"build-arg:WHO": "me", "force-network-mode": "host"}));
    assert_eq!(request["secrets"], json!([{"id": "token", "optional": true}]));
    assert_eq!(definition["externalParameters"]["configSource"], json!({"path": "Dockerfile"}));
    let steps = definition["internalParameters"]["buildConfig"]["llbDefinition"].as_array().unwrap();
    // Scanning is no part of how the image was made.
    assert_eq!(steps.len(), 5, "{steps:#?}");
    let layers = &predicate["runDetails"]["metadata"]["buildkit_metadata"]["layers"];
    let of_image = layout.blob(&image)["layers"].clone();
    assert_eq!(layers["step4:0"], json!([of_image]));
    let template = "{{json .Provenance.SLSA.runDetails.builder}}";
    let seen = env.strata(["imagetools", "inspect", "--format", template, &name]).success().stdout;
    assert_eq!(serde_json::from_str::<Value>(&seen).unwrap(), json!({"id": "https://example.org/1"}));
    // What the metadata has may be seen by more people.
    let reported = &metadata["buildx.build.provenance"];
    assert_eq!(
        reported["buildDefinition"]["externalParameters"]["request"]["args"],
        json!({
            "force-network-mode": "host",
        })
    );
    assert!(!is_said(SECRET, &layout.0) && !is_said(SECRET, &env.root()));
}

#[test]
fn the_same_build_says_the_same() {
    // The base is the same; the machine, as it were, is another.
    let base = Env::with_busybox();
    let digest = |flags: &[&str], is_elsewhere: bool| {
        let env = Env::new();
        env.hand_image(&base, "busybox");
        let context = env.dockerfile("context", "FROM busybox\nCOPY own /\nRUN echo made >/made\n");
        fs::write(context.join("own"), "own\n").unwrap();
        let mut command = env.command(["build", "-q", "--provenance=mode=max", "--metadata-file=m.json"]);
        command.args(["-o", "type=oci,dest=out.tar,name=app"]).args(flags);
        if is_elsewhere {
            command.arg("-f").arg(context.join("Dockerfile")).arg(&context);
        } else {
            command.arg("context");
        }
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        let _ = env.run(command).success();
        read(env.path("m.json"))["containerimage.digest"].clone()
    };
    assert_eq!(digest(&["--reproducible"], false), digest(&["--reproducible"], true));
    let args = ["--reproducible", "--build-arg=UNUSED=1"];
    assert_ne!(digest(&["--reproducible"], false), digest(&args, false), "what was asked for is said");
}

#[test]
fn a_store_has_an_image_with_what_is_said_of_it() {
    let env = Env::with_busybox();
    let _ = env.dockerfile("context", "FROM busybox\nRUN echo made >/made\nCMD [\"cat\", \"/made\"]\n");
    let _ = env.strata(["build", "-q", "--provenance=mode=min", "-t", "app", "context"]).success();
    assert_eq!(env.strata(["run", "--rm", "app"]).success().stdout, "made\n");
    let _ = env.strata(["save", "--format=oci-archive", "-o", "app.tar", "app"]).success();
    let (image, _, statements) = Layout::unpacked(&env, "app.tar").attested();
    let digest = image["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert_eq!(statements[0]["subject"][0]["digest"]["sha256"], digest);
    let metadata = &statements[0]["predicate"]["runDetails"]["metadata"];
    for name in ["invocationId", "startedOn", "finishedOn"] {
        assert!(metadata[name].is_string(), "{metadata:#}");
    }
    // It goes on as it came.
    let other = Env::new();
    let _ = other.strata(["load", "-q", "-i", env.path("app.tar").to_str().unwrap()]).success();
    let _ = other.strata(["save", "--format=oci-archive", "-o", "again.tar", "app"]).success();
    let first = Layout::unpacked(&env, "app.tar").index().1["digest"].take();
    assert_eq!(Layout::unpacked(&other, "again.tar").index().1["digest"], first);
    // It goes with the image.
    let _ = env.strata(["rmi", "app"]).success();
    let _ = env.strata(["prune", "-a", "-f"]).success();
    assert!(!is_said("Statement/v1", &env.root().join("blobs")));
}

#[test]
fn directories_and_archives_have_files_with_it() {
    let env = with_scanner(SCANNER);
    let context = env.dockerfile("context", "FROM scratch\nCOPY sub /sub/\n");
    fs::create_dir(context.join("sub")).unwrap();
    fs::write(context.join("sub/f"), "f\n").unwrap();
    let build = |flags: &[&str]| {
        let mut command = env.command(["build", "-q", "--provenance=true", "--sbom=generator=scanner"]);
        command.args(flags).arg("context");
        let _ = env.run(command).success();
    };
    build(&["-o", "out", "-o", "type=tar,dest=out.tar,attestation-prefix=app."]);
    let provenance = read(env.path("out/provenance.json"));
    assert_eq!(provenance["predicateType"], SLSA);
    let sum = tool("sha256sum", &[context.join("sub/f").to_str().unwrap()]);
    let subject = json!([{"name": "sub/f", "digest": {"sha256": sum.split(' ').next().unwrap()}}]);
    assert_eq!(provenance["subject"], subject);
    let sbom = read(env.path("out/sbom.spdx.json"));
    assert_eq!((&sbom["predicateType"], &sbom["subject"]), (&json!(SPDX), &subject));
    let listing = tool("tar", &["-tf", env.path("out.tar").to_str().unwrap()]);
    let mut names: Vec<&str> = listing.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["app.provenance.json", "app.sbom.spdx.json", "sub/", "sub/f"]);
    // The fingerprint of the context is what the specification's command prints.
    let command =
        "find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum | cut -f1 -d' '";
    let printed = env.host(&context, command);
    let dependencies = provenance["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let context = dependencies.iter().find(|it| it["name"] == "context").unwrap();
    assert_eq!(context["digest"], json!({"dirHash": printed.trim()}));
    // Provenance for images only is in no directory, and a mirror keeps what belongs to it.
    fs::write(env.path("out/stale"), "").unwrap();
    let mut command =
        env.command(["build", "-q", "--provenance=inline-only=true", "--sbom=generator=scanner"]);
    command.args(["-o", "type=local,dest=out,mode=delete,platform-split=true", "context"]);
    let _ = env.run(command).success();
    let listed = env.host(&env.path("out"), "find . -type f | sed 's,linux_[a-z0-9]*,P,' | sort");
    assert_eq!(listed, "./P/sbom.spdx.json\n./P/sub/f\n");
}

#[test]
fn provenance_names_what_the_build_was_made_of() {
    let env = Env::with_busybox();
    let registry = Registry::plain();
    let base = registry.name("busybox:1");
    let _ = env.strata(["tag", "busybox", &base]).success();
    let _ = env.strata(["push", &base]).success();
    let (git, http) = (env.context("site/git/r.git"), env.context("site/http"));
    fs::write(git.join("Dockerfile"), format!("FROM {base}\nCOPY Dockerfile /\n")).unwrap();
    let commit = env
        .host(
            &git,
            "git init -q -b main .; git config user.name n; git config user.email e; git add .; git commit -qm 1; git rev-parse HEAD",
        )
        .trim()
        .to_owned();
    let server = Server::start(&env);
    let place = |text: &str| server.address(text, "site");
    fs::write(http.join("file"), "file\n").unwrap();
    let url = place("{{http}}/file");
    let _ = env.dockerfile("context", &format!("FROM {base}\nADD {url} /\n"));
    let dependencies = |arguments: &[&str]| {
        let mut command = env.command(["build", "-q", "--provenance=true", "-o", "out"]);
        command.args(arguments);
        let _ = env.run(command).success();
        let predicate = read(env.path("out/provenance.json"))["predicate"].take();
        fs::remove_dir_all(env.path("out")).unwrap();
        predicate
    };
    let predicate = dependencies(&["context"]);
    let resolved = predicate["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let digests = env.strata(["inspect", "-f", "{{json .RepoDigests}}", &base]).success().stdout;
    let digest = resolved[0]["digest"]["sha256"].as_str().unwrap();
    assert!(digests.contains(digest), "{digests} {resolved:#?}");
    let purl = format!("pkg:docker/{}/busybox@1?platform=linux%2F", registry.host());
    assert!(resolved[0]["uri"].as_str().unwrap().starts_with(&purl), "{resolved:#?}");
    let sum = tool("sha256sum", &[http.join("file").to_str().unwrap()]);
    assert_eq!(resolved[1], json!({"uri": url, "digest": {"sha256": sum.split(' ').next().unwrap()}}));
    assert_eq!(resolved[2]["name"], "dockerfile");
    let completeness = &predicate["runDetails"]["metadata"]["buildkit_completeness"];
    assert_eq!(*completeness, json!({"request": true, "resolvedDependencies": false}));

    let address = place("{{git}}/r.git");
    let predicate = dependencies(&[&address]);
    let origin = json!({"uri": address, "digest": {"sha1": commit}});
    let definition = &predicate["buildDefinition"];
    assert_eq!(definition["resolvedDependencies"][1], origin);
    let source = &definition["externalParameters"]["configSource"];
    assert_eq!((&source["uri"], &source["digest"]), (&origin["uri"], &origin["digest"]));
    let metadata = &predicate["runDetails"]["metadata"];
    assert_eq!(metadata["buildkit_completeness"]["resolvedDependencies"], true);
    assert_eq!(metadata["buildkit_hermetic"], true);
}

#[test]
fn an_artifact_has_the_image_as_its_subject() {
    let env = Env::new();
    let _ = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let _ = env
        .strata([
            "build",
            "-q",
            "--provenance=version=v0.2",
            "-o",
            "type=oci,dest=a.tar,oci-artifact=true",
            "-o",
            "type=oci,dest=b.tar,attestation-inline=false",
            "context",
        ])
        .success();
    let layout = Layout::unpacked(&env, "a.tar");
    let (image, attestation, statements) = layout.attested();
    assert_eq!(layout.blob(&attestation)["subject"]["digest"], image["digest"]);
    assert_eq!(statements[0]["predicateType"], "https://slsa.dev/provenance/v0.2");
    assert_eq!(statements[0]["predicate"]["buildType"], "https://mobyproject.org/buildkit@v1");
    let (image, _) = Layout::unpacked(&env, "b.tar").index();
    assert!(image["layers"].is_array(), "it goes without: {image:#}");
}

#[test]
fn each_platform_has_its_own() {
    let env = with_scanner(SCANNER);
    let context = env.dockerfile("context", "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n");
    for name in ["amd64", "arm64"] {
        fs::write(context.join(name), name).unwrap();
    }
    let flags = ["--platform=linux/amd64,linux/arm64", "--provenance=mode=min", "--sbom=generator=scanner"];
    let mut command = env.command(["build", "-q", "--metadata-file=m.json", "--annotation=index:a=b"]);
    command.args(flags).args(["-o", "type=oci,dest=out.tar", "context"]);
    let _ = env.run(command).success();
    let layout = Layout::unpacked(&env, "out.tar");
    let (index, _) = layout.index();
    let manifests = index["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 4, "{index:#}");
    for (number, name) in ["amd64", "arm64"].into_iter().enumerate() {
        let (image, about) = (&manifests[number], &manifests[number + 2]);
        assert_eq!(image["platform"]["architecture"], name);
        assert_eq!(about["annotations"]["vnd.docker.reference.digest"], image["digest"]);
        let sbom = layout.blob(&layout.blob(about)["layers"][0]);
        assert_eq!(sbom["predicate"]["files"], json!([{"fileName": name}]));
    }
    let metadata = read(env.path("m.json"));
    for name in ["amd64", "arm64"] {
        assert!(metadata[format!("buildx.build.provenance/linux/{name}")].is_object(), "{metadata:#}");
    }
    let mut command =
        env.command(["build", "-q", "-o", "split", "-o", "type=local,dest=flat,platform-split=false"]);
    command.args(flags).arg("context");
    let _ = env.run(command).success();
    let listed = |name: &str| env.host(&env.path(name), "find . -name 'provenance*' | sort");
    assert_eq!(listed("split"), "./linux_amd64/provenance.json\n./linux_arm64/provenance.json\n");
    assert_eq!(listed("flat"), "./provenance.linux_amd64.json\n./provenance.linux_arm64.json\n");
}

#[test]
fn an_image_with_what_is_said_of_it_has_an_index_to_annotate() {
    let env = Env::new();
    let _ = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let build = |flags: &[&str]| {
        let mut command = env.command(["build", "-q", "--annotation=index:a=b"]);
        command.args(["-o", "type=oci,dest=out.tar"]).args(flags).arg("context");
        env.run(command)
    };
    let _ = build(&["--provenance=true"]).success();
    assert_eq!(Layout::unpacked(&env, "out.tar").index().0["annotations"], json!({"a": "b"}));
    let refused = build(&[]).code(1).stderr;
    assert!(refused.contains("the annotation `a` is for an index"), "{refused}");
}

#[test]
fn a_generator_that_says_nothing_useful_fails_the_build() {
    let build = |script: &str| {
        let env = with_scanner(script);
        let _ = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
        let flags = ["build", "-q", "--sbom=generator=scanner", "-t", "app", "context"];
        let output = env.strata(flags).code(1);
        assert!(!env.strata(["images", "-q", "app"]).success().stdout.contains(':'), "no image is made");
        output.stderr
    };
    for (script, expected) in [
        (":", "the SBOM generator `scanner:latest` wrote nothing into `/run/out`"),
        ("echo x >$BUILDKIT_SCAN_DESTINATION/a", "wrote `/run/out/a`, which cannot be attached"),
        ("ln -s /etc/passwd $BUILDKIT_SCAN_DESTINATION/a", "wrote `/run/out/a`, which is no regular file"),
        ("exit 3", "generating sbom using docker.io/library/scanner:latest"),
    ] {
        let stderr = build(&format!("#!/bin/sh\n{script}\n"));
        assert!(stderr.contains(expected), "{script}: {stderr}");
    }
    let env = Env::new();
    let _ = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let missing = env.strata(["build", "-q", "--sbom=generator=no/where", "context"]).code(1);
    assert!(
        missing.stderr.starts_with("error: there is no image `no/where:latest` in the store"),
        "{missing:?}"
    );
}

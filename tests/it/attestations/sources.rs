//! Where what a build was made of came from, as its provenance has it, and what of it nobody else may see.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use serde_json::{Value, json};

use super::read;
use crate::support::env::Env;
use crate::support::registry::Registry;
use crate::support::server::Server;
use crate::support::user::User;

/// The predicate of a build's provenance, and what the build said.
fn provenance(env: &Env, arguments: &[&str]) -> (Value, String) {
    let mut command = env.command(["build", "--progress=plain", "-o", "out"]);
    command.args(arguments);
    let built = env.run(command).success();
    let predicate = read(env.path("out/provenance.json"))["predicate"].take();
    fs::remove_dir_all(env.path("out")).unwrap();
    (predicate, built.stderr)
}

fn is_complete(predicate: &Value) -> bool {
    predicate["runDetails"]["metadata"]["buildkit_completeness"]["resolvedDependencies"].as_bool().unwrap()
}

#[test]
fn the_dockerfile_is_where_it_was_read() {
    let env = Env::new();
    let (git, http) = (env.context("site/git/r.git"), env.context("site/http"));
    fs::create_dir(git.join("docker")).unwrap();
    fs::write(git.join("docker/dockerfile"), "FROM scratch\nCOPY dockerfile /\n").unwrap();
    let commit = env.host(
        &git,
        "git init -q -b main .; git config user.name n; git config user.email e; git add .; git commit -qm 1; git rev-parse HEAD",
    );
    fs::write(http.join("far"), "FROM scratch\nCOPY dockerfile /far\n").unwrap();
    fs::write(env.path("near"), "FROM scratch\nCOPY --from=lib dockerfile /near\n").unwrap();
    let server = Server::start(&env);
    let place = |text: &str| server.address(text, "site");
    let (context, far) = (place("{{git}}/r.git#main:docker"), place("{{http}}/far?signature=x"));
    let parameters = |arguments: &[&str]| {
        let mut all = vec!["--provenance=true"];
        all.extend(arguments);
        let (mut predicate, _) = provenance(&env, &all);
        let complete = is_complete(&predicate);
        (predicate["buildDefinition"]["externalParameters"].take(), complete)
    };
    // In the repository, by the name that it has there.
    let (found, complete) = parameters(&[&context]);
    let (uri, digest) = (place("{{git}}/r.git#main"), json!({"sha1": commit.trim()}));
    assert_eq!(found["configSource"], json!({"uri": uri, "digest": digest, "path": "docker/dockerfile"}));
    assert!(complete);
    // At a URL of its own.
    let (found, complete) = parameters(&["-f", &far, &context]);
    let source = &found["configSource"];
    assert_eq!((&source["uri"], source.get("path")), (&json!(place("{{http}}/far")), None));
    assert!(complete && source["digest"]["sha256"].is_string(), "{source:#}");
    // On this machine, though the files are not.
    let lib = format!("--build-context=lib={context}");
    let (found, complete) = parameters(&["-f", "near", &lib, &context]);
    assert_eq!(found["configSource"], json!({"path": "near"}));
    assert_eq!(found["request"]["locals"], json!([{"name": "dockerfile"}]));
    assert_eq!(found["request"]["args"]["context:lib"], json!(context));
    assert!(!complete);
}

#[test]
fn an_image_that_no_registry_has_is_a_local_one() {
    let (env, registry) = (Env::with_busybox(), Registry::plain());
    let id = env.image_id("busybox");
    let short = id.strip_prefix("sha256:").unwrap()[..12].to_owned();
    let dependency = |base: &str| {
        let _ = env
            .dockerfile("context", &format!("FROM {base} AS base\nFROM scratch\nCOPY --from=base /etc /\n"));
        let (predicate, _) = provenance(&env, &["--provenance=true", "context"]);
        predicate["buildDefinition"]["resolvedDependencies"][0].clone()
    };
    for base in ["busybox", &short, &id] {
        let found = dependency(base);
        assert_eq!((&found["name"], found.get("uri")), (&json!(base), None));
        assert!(found["digest"]["sha256"].is_string(), "{found:#}");
    }
    let name = registry.name("busybox:1");
    let _ = env.strata(["tag", "busybox", &name]).success();
    let _ = env.strata(["push", &name]).success();
    let found = dependency(&name);
    let purl = format!("pkg:docker/{}/busybox@1?platform=linux%2F", registry.host());
    assert!(found["uri"].as_str().unwrap().starts_with(&purl), "{found:#}");
    // Under that name only.
    assert_eq!(dependency("busybox")["name"], "busybox");
}

#[test]
fn a_context_that_cannot_be_read_goes_without_a_digest() {
    let env = Env::as_user(User::with_ranges());
    let context = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    env.hand_over(&context);
    fs::write(context.join("hidden"), "x").unwrap();
    fs::set_permissions(context.join("hidden"), Permissions::from_mode(0o600)).unwrap();
    chown(context.join("hidden"), Some(0), Some(0)).unwrap();
    let warning = "the provenance has no digest of `context`: cannot open `hidden` of the context";
    let (predicate, said) = provenance(&env, &["--provenance=true", "context"]);
    let dependencies = predicate["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    assert!(dependencies.contains(&json!({"name": "context"})), "{dependencies:#?}");
    assert!(said.contains(warning), "{said}");
    // Where there is no place for it, nobody looks.
    let (_, said) = provenance(&env, &["--provenance=version=v0.2", "context"]);
    assert!(!said.contains("no digest"), "{said}");
}

#[test]
fn passwords_in_addresses_are_not_said() {
    let env = Env::with_busybox();
    let _ = env.dockerfile("context", "FROM busybox\nARG REPO\nRUN true\n");
    let (predicate, _) = provenance(
        &env,
        &[
            "--provenance=mode=max",
            "--build-arg=REPO=https://me:secret@example.org/a",
            "--build-arg=http_proxy=me:secret@example.org:3128",
            "--ulimit=nofile=512:1024",
            "--ulimit=core=-1",
            "--shm-size=32m",
            "context",
        ],
    );
    assert_eq!(
        predicate["buildDefinition"]["externalParameters"]["request"]["args"],
        json!({
            "build-arg:REPO": "https://example.org/a",
            "build-arg:http_proxy": "example.org:3128",
            "force-network-mode": "host",
            "shm-size": "33554432",
            "ulimit": "nofile=512:1024,core=-1:-1",
        })
    );
    let all = predicate.to_string();
    assert!(all.contains("REPO=https://example.org/a") && !all.contains("secret"), "{all}");
}

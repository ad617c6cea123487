//! Who we are to a registry, and by which way it is reached, when images travel.

use std::fs;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::json;

use super::place::{Place, layers};
use crate::support::env::{BUSYBOX, Env, Output};
use crate::support::flaky::Fault;
use crate::support::http::{answer, serve};
use crate::support::registry::{Auth, Kind, PASSWORD, Registry, USER};
use crate::support::token::TokenServer;

/// Writes down who the user of a place is to a registry.
fn introduce(env: &Env, host: &str) {
    let auth = BASE64.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({ "auths": { host: { "auth": auth } } });
    fs::write(env.context(".docker").join("config.json"), config.to_string()).unwrap();
}

#[test]
fn certificates_and_passwords_are_taken_from_the_users_files() {
    let registry = Registry::start(Kind { tls: true, auth: Auth::Password, ..Kind::default() });
    let (host, name) = (registry.host(), registry.name("team/app:1"));
    let env = Env::with_busybox();
    let _ = env.strata(["tag", BUSYBOX, &name]).success();

    let unknown = env.strata(["push", &name]).code(1).stderr;
    assert!(
        unknown.contains(&format!("no secure connection to `{host}`: invalid peer certificate")),
        "{unknown}"
    );
    let certificates = env.context(&format!(".config/containers/certs.d/{host}"));
    fs::copy(registry.ca(), certificates.join("ca.crt")).unwrap();

    let stranger = env.strata(["push", &name]).code(1).stderr;
    let denied = format!("push access denied for `{host}/team/app`: unauthorized");
    assert!(stranger.contains(&denied), "{stranger}");
    assert!(stranger.contains(&format!("`strata login {host}`")), "{stranger}");
    let stranger = env.strata(["pull", &registry.name("other:1")]).code(1).stderr;
    assert!(stranger.contains(&format!("pull access denied for `{host}/other`")), "{stranger}");

    introduce(&env, host);
    let _ = env.strata(["push", &name]).success();
    let id = env.image_id(BUSYBOX);
    let _ = env.strata(["rmi", "-f", &id]).success();
    let _ = env.strata(["pull", &name]).success();
    assert_eq!(env.image_id(&name), id);
}

#[test]
fn tokens_are_asked_for_what_is_needed() {
    let tokens = TokenServer::start();
    let registry = Registry::start(Kind { auth: Auth::Token(&tokens), ..Kind::default() });
    let env = Env::with_busybox();
    let (public, private) = (registry.name("public/app:1"), registry.name("private/app:1"));
    for name in [&public, &private] {
        let _ = env.strata(["tag", BUSYBOX, name]).success();
    }
    let denied = env.strata(["push", &public]).code(1).stderr;
    assert!(denied.contains("push access denied"), "{denied}");
    introduce(&env, registry.host());
    let _ = env.strata(["push", &public]).success();
    // To take blobs from another repository is a right of its own.
    let pushed = env.strata(["push", "--progress=plain", &private]).success().stderr;
    assert!(pushed.contains(&format!("mounted from {}", registry.name("public/app"))), "{pushed}");

    let anybody = Env::new();
    let _ = anybody.strata(["pull", &public]).success();
    let denied = anybody.strata(["pull", &private]).code(1).stderr;
    assert!(denied.contains("pull access denied"), "{denied}");
}

#[test]
fn passwords_do_not_follow_redirects_to_other_hosts() {
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = config.to_string();
    let digest = strata::oci::Digest::of(config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest.to_string(),
            "size": config.len(),
        },
        "layers": [],
    });
    let shown = Arc::new(Mutex::new(Vec::new()));
    let elsewhere = serve({
        let shown = Arc::clone(&shown);
        move |request| {
            shown.lock().unwrap().push(request.header("authorization").to_owned());
            Ok(answer("200 OK", &[], config.as_bytes()))
        }
    });
    let registry = serve(move |request| {
        let location = format!("http://{elsewhere}{}", request.path);
        Ok(match request.path.as_str() {
            _ if request.header("authorization").is_empty() => {
                answer("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"x\"")], b"")
            }
            "/v2/app/manifests/1" => answer("200 OK", &[], manifest.to_string().as_bytes()),
            _ => answer("307 Temporary Redirect", &[("Location", &location)], b""),
        })
    });
    let env = Env::new();
    introduce(&env, &registry.to_string());
    let _ = env.strata(["pull", &format!("{registry}/app:1")]).success();
    assert_eq!(*shown.lock().unwrap(), [""]);
}

#[test]
fn a_mirror_is_asked_first_and_believed_only_as_far_as_it_is_right() {
    let place = Place::new();
    place.push_random("app:1", &[300_000]);
    let layer = layers(&place.manifest("app:1")).pop().unwrap();
    let settings = place.env.path("registries.conf");
    let text = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        place.registry.host(),
        place.flaky.host()
    );
    fs::write(&settings, text).unwrap();
    let pull = |env: &Env| -> Output {
        let mut command = env.command(["pull", "--progress=plain", &place.registry.name("app:1")]);
        command.env("STRATA_REGISTRY_CONFIG", &settings);
        env.run(command).success()
    };
    let _ = pull(&Env::new());
    assert_eq!(place.flaky.count("GET", &layer), 1);

    place.flaky.spoil(1, "GET", &layer, Fault::Flip(100_000));
    let told = pull(&Env::new()).stderr;
    assert!(told.contains("; trying another endpoint"), "{told}");

    place.flaky.spoil(100, "GET", "", Fault::Status("404 Not Found"));
    let _ = pull(&Env::new());
    place.flaky.heal();
    place.flaky.spoil(100, "GET", &layer, Fault::Cut(10_000));
    let env = Env::new();
    let _ = pull(&env);
    assert_eq!(env.image_id(&place.registry.name("app:1")), place.env.image_id(&place.name("app:1")));
}

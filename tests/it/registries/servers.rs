//! That the servers of the tests behave as their settings say, as other programs see it.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::flaky::{Fault, Flaky};
use crate::support::registry::{Auth, Kind, PASSWORD, Registry, USER, run};
use crate::support::token::TokenServer;

/// What `curl` prints: the body, then the status in a line of its own; and its exit code.
fn curl(args: &[&str]) -> (String, i32) {
    let output = Command::new("curl").args(["-sS", "-w", "\n%{http_code}"]).args(args).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

fn status(args: &[&str]) -> String {
    let (out, code) = curl(args);
    assert_eq!(code, 0, "{args:?}");
    out.lines().last().unwrap().to_owned()
}

/// Begins an upload; gives where it goes on.
fn begin(base: &str, repository: &str) -> String {
    let start = format!("{base}/v2/{repository}/blobs/uploads/");
    let head = run(Command::new("curl").args(["-sS", "-X", "POST", "-D", "-", "-o", "/dev/null", &start]));
    let head = String::from_utf8(head).unwrap();
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(name, _)| name.eq_ignore_ascii_case("location")).unwrap().1.trim().to_owned()
}

/// An upload is begun and finished with `content`; gives the path of the blob.
fn upload(base: &str, repository: &str, content: &str) -> String {
    let digest = strata::oci::Digest::of(content.as_bytes());
    let place = format!("{}&digest={digest}", begin(base, repository));
    let length = "Content-Type: application/octet-stream";
    assert_eq!(status(&["-X", "PUT", "-H", length, "--data-binary", content, &place]), "201");
    format!("{base}/v2/{repository}/blobs/{digest}")
}

#[test]
fn a_plain_registry_is_open() {
    let registry = Registry::plain();
    let blob = upload(&format!("http://{}", registry.host()), "a", "content");
    assert_eq!(curl(&[&blob]).0, "content\n200");
}

#[test]
fn passwords_and_certificates_are_wanted_where_the_settings_say_so() {
    let registry = Registry::start(Kind { tls: true, auth: Auth::Password, ..Kind::default() });
    let url = format!("https://{}/v2/", registry.host());
    let ca = registry.ca();
    let ca = ca.to_str().unwrap();
    assert_eq!(curl(&[&url]).1, 60, "an authority that nobody knows");
    assert_eq!(status(&["--cacert", ca, &url]), "401");
    assert_eq!(status(&["--cacert", ca, "-u", &format!("{USER}:{PASSWORD}"), &url]), "200");
    assert_eq!(status(&["--cacert", ca, "-u", &format!("{USER}:other"), &url]), "401");

    let registry = Registry::start(Kind { client_certificate: true, ..Kind::default() });
    let url = format!("https://{}/v2/", registry.host());
    let (certificate, key) = registry.client_certificate();
    let (ca, certificate, key) = (registry.ca(), certificate, key);
    let [ca, certificate, key] = [&ca, &certificate, &key].map(|path| path.to_str().unwrap());
    assert_ne!(curl(&["--cacert", ca, &url]).1, 0);
    assert_eq!(status(&["--cacert", ca, "--cert", certificate, "--key", key, &url]), "200");
}

#[test]
fn tokens_give_the_rights_that_their_owner_has() {
    let tokens = TokenServer::start();
    let registry = Registry::start(Kind { auth: Auth::Token(&tokens), ..Kind::default() });
    let flaky = Flaky::start(registry.host());
    let name = format!("docker://{}", flaky.name("public/a:1"));
    let layout = tempfile::tempdir().unwrap();
    let source = format!("oci:{}/layout:a", layout.path().display());
    let script = "umoci init --layout layout; umoci new --image layout:a";
    run(Command::new("sh").args(["-ec", script]).current_dir(&layout));
    let copy = |args: &[&str]| {
        let mut command = Command::new("skopeo");
        command.args([
            "copy",
            "-q",
            "--insecure-policy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
        ]);
        command.args(args).output().unwrap().status.success()
    };
    let creds = format!("{USER}:{PASSWORD}");
    assert!(!copy(&[&source, &name]), "anybody may not push");
    assert!(copy(&["--dest-creds", &creds, &source, &name]));
    let seen = tokens.take_requests();
    assert!(seen.contains(&"GET nothing repository:public/a:pull,push".to_owned()), "{seen:?}");
    assert!(seen.contains(&"GET password repository:public/a:pull,push".to_owned()), "{seen:?}");
    let target = format!("dir:{}", layout.path().join("out").display());
    assert!(copy(&[&name, &target]), "anybody may pull what is public");
    let private = format!("docker://{}", registry.name("private/a:1"));
    assert!(!copy(&[&private, &target]));
}

#[test]
fn a_flaky_registry_spoils_what_it_is_told_to_and_nothing_else() {
    let registry = Registry::plain();
    let flaky = Flaky::start(registry.host());
    let blob = upload(&format!("http://{}", flaky.host()), "a", "0123456789");
    assert!(registry.blob(blob.rsplit('/').next().unwrap()).exists());
    assert_eq!(flaky.count("POST", "/uploads/"), 1);
    flaky.take_seen();

    for fault in [
        Fault::Cut(4),
        Fault::Flip(2),
        Fault::Slow(1),
        Fault::Status("503 Service Unavailable"),
        Fault::TooMany("7"),
        Fault::Lost,
    ] {
        flaky.spoil(1, "GET", "/blobs/", fault);
    }
    assert_eq!(status(&[&format!("http://{}/v2/", flaky.host())]), "200");
    let get = || Command::new("curl").args(["-sS", "-i", &blob]).output().unwrap();
    let (cut, flipped, slow) = (get(), get(), get());
    assert_eq!((cut.status.code(), cut.stdout.ends_with(b"\r\n\r\n0123")), (Some(18), true));
    assert!(flipped.stdout.ends_with(b"\r\n\r\n01\xcd3456789"), "{flipped:?}");
    assert!(slow.stdout.ends_with(b"\r\n\r\n0123456789"), "{slow:?}");
    assert!(get().stdout.starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
    let too_many = String::from_utf8(get().stdout).unwrap();
    assert!(too_many.starts_with("HTTP/1.1 429 ") && too_many.contains("Retry-After: 7\r\n"), "{too_many}");
    assert_eq!(get().status.code(), Some(52), "no answer at all");
    assert!(get().stdout.ends_with(b"0123456789"));
    assert_eq!(flaky.count("GET", "/blobs/"), 7);

    flaky.spoil(usize::MAX, "GET", "", Fault::Status("500 Internal Server Error"));
    assert_eq!(status(&[&blob]), "500");
    flaky.heal();
    assert_eq!(status(&[&blob]), "200");
}

#[test]
fn what_is_held_back_comes_when_it_is_released() {
    let registry = Registry::plain();
    let flaky = Flaky::start(registry.host());
    let blob = upload(&format!("http://{}", flaky.host()), "a", "0123456789");
    flaky.spoil(1, "GET", "/blobs/", Fault::Hold(3));
    let mut child = Command::new("curl").args(["-sSN", &blob]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 3];
    out.read_exact(&mut first).unwrap();
    assert!(child.try_wait().unwrap().is_none());
    flaky.release();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"012", "3456789"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_upload_that_is_cut_is_one_that_the_registry_gives_up() {
    let registry = Registry::plain();
    let flaky = Flaky::start(registry.host());
    let place = begin(&format!("http://{}", flaky.host()), "a");
    assert_eq!(status(&[&place]), "204");
    flaky.spoil(1, "PATCH", "/uploads/", Fault::CutUpload(4));
    let patch = ["-X", "PATCH", "-H", "Content-Type: application/octet-stream", "--data-binary"];
    assert_ne!(curl(&[&patch[..], &["0123456789", &place]].concat()).1, 0);
    // The state in the address says that no byte has come, and the registry does not believe it any more.
    assert_eq!(status(&[&place]), "404");
}

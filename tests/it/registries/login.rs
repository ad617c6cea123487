//! Who we are to registries, with real ones, real helpers' protocol, and skopeo as the other program.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use strata::sys::terminal;

use crate::support::env::{Env, Output};
use crate::support::registry::{Auth, Kind, PASSWORD, Registry, USER, run};
use crate::support::token::{IDENTITY_TOKEN, TokenServer};
use crate::support::user::User;

/// A registry that wants a password over TLS.
fn with_password() -> Registry {
    Registry::start(Kind { tls: true, auth: Auth::Password, ..Kind::default() })
}

/// `login` with a password on standard input.
fn login(env: &Env, host: &str, password: &str) -> Output {
    login_of(env, env.command(["login", "-u", USER, "--password-stdin", host]), password)
}

fn login_of(env: &Env, mut command: Command, password: &str) -> Output {
    let input = env.path("password");
    fs::write(&input, password).unwrap();
    env.hand_over(&input);
    command.stdin(File::open(input).unwrap());
    env.run(command)
}

fn config(env: &Env) -> serde_json::Value {
    serde_json::from_slice(&fs::read(env.path(".docker/config.json")).unwrap()).unwrap()
}

#[test]
fn a_password_is_checked_before_it_is_kept() {
    let (env, registry) = (Env::new(), with_password());
    let host = registry.host();
    let stranger = login(&env, host, PASSWORD).code(1).stderr;
    assert!(
        stranger.contains(&format!("no secure connection to `{host}`: invalid peer certificate")),
        "{stranger}"
    );
    registry.trust(&env);

    let wrong = login(&env, host, "other").code(1);
    assert_eq!(wrong.stdout, "");
    assert!(
        wrong.stderr.starts_with(&format!("error: `{host}` refused the credentials of `{USER}`: ")),
        "{}",
        wrong.stderr
    );
    assert!(wrong.stderr.ends_with("help: check the user name and the password\n"), "{}", wrong.stderr);
    assert!(!env.path(".docker").exists());

    let done = login(&env, host, &format!("{PASSWORD}\r\n")).success();
    assert_eq!(done.stdout, "Login Succeeded\n");
    let told = "warning: the password is kept unencrypted in `[DIR]/.docker/config.json`; ";
    assert!(done.stderr.starts_with(told), "{}", done.stderr);
    let mode = fs::metadata(env.path(".docker/config.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let again = env.strata(["login", host]).success();
    assert_eq!(again.stdout, "Authenticating with existing credentials...\nLogin Succeeded\n");
}

#[test]
fn an_ordinary_user_has_a_file_of_its_own() {
    let user = User::with_ranges();
    let (env, registry) = (Env::as_user(user), with_password());
    registry.trust(&env);
    let _ = login(&env, registry.host(), PASSWORD).success();
    let file = fs::metadata(env.path(".docker/config.json")).unwrap();
    assert_eq!((file.uid(), file.permissions().mode() & 0o777), (user.uid, 0o600));
    let _ = env.strata(["login", registry.host()]).success();
}

#[test]
fn skopeo_reads_what_we_write_and_we_read_what_it_writes() {
    let (env, registry) = (Env::new(), with_password());
    let host = registry.host();
    registry.trust(&env);
    let _ = login(&env, host, PASSWORD).success();
    env.context("session");
    let skopeo = |args: &[&str]| {
        let mut command = Command::new("skopeo");
        command.args(args).env_clear().env("PATH", "/usr/bin").env("HOME", env.path(""));
        command.env("XDG_RUNTIME_DIR", env.path("session"));
        command
    };
    let user = run(&mut skopeo(&["login", "--get-login", host]));
    assert_eq!(String::from_utf8(user).unwrap().trim(), USER);

    fs::remove_dir_all(env.path(".docker")).unwrap();
    let ca = env.path(&format!(".config/containers/certs.d/{host}"));
    let args = ["login", "-u", USER, "-p", PASSWORD, "--cert-dir", ca.to_str().unwrap(), host];
    run(&mut skopeo(&args));
    let ours = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("XDG_RUNTIME_DIR", env.path("session"));
        env.run(command)
    };
    let known = ours(&["login", host]).success();
    assert_eq!(known.stdout, "Authenticating with existing credentials...\nLogin Succeeded\n");

    // What another program wrote is its own.
    let left = ours(&["logout", host]).success();
    assert_eq!(left.stdout, format!("Not logged in to {host}\n"));
    let told = format!(
        "warning: `[DIR]/session/containers/auth.json`, which another program wrote, has credentials for `{host}` too\n"
    );
    assert_eq!(left.stderr, told);

    // Both write the file that both are told of.
    let shared = env.path("auth.json");
    let mut command = env.command(["login", "-u", USER, "--password-stdin", host]);
    command.env("REGISTRY_AUTH_FILE", &shared);
    let _ = login_of(&env, command, PASSWORD).success();
    run(skopeo(&["logout", host]).env("REGISTRY_AUTH_FILE", &shared));
    let mut command = env.command(["login", host]);
    command.env("REGISTRY_AUTH_FILE", &shared);
    assert!(env.run(command).code(1).stderr.contains("cannot ask who you are"));
}

#[test]
fn a_logout_forgets_one_registry() {
    let env = Env::new();
    fs::create_dir(env.path(".docker")).unwrap();
    let file = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dTpw"}, "quay.io": {"auth": "dTpw"}}, "x": 1}"#;
    fs::write(env.path(".docker/config.json"), file).unwrap();
    let logout = |args: &[&str]| env.strata([&["logout"], args].concat()).success().stdout;
    assert_eq!(logout(&[]), "Removing login credentials for https://index.docker.io/v1/\n");
    assert_eq!(logout(&["docker.io"]), "Not logged in to https://index.docker.io/v1/\n");
    assert_eq!(logout(&["https://quay.io/v2/"]), "Removing login credentials for quay.io\n");
    assert_eq!(config(&env), serde_json::json!({"auths": {}, "x": 1}));
}

/// A helper that keeps what it is given in files beside it; it fails for servers that begin with `bad`.
const HELPER: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$1" >>calls
case $1 in
  store) input=$(cat); name=$(echo "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr / _); echo "$input" >"kept-$name" ;;
  *) name=$(cat | tr / _)
     case $name in bad*) echo "the vault is locked"; exit 1 ;; esac
     [ -e "kept-$name" ] || { echo "credentials not found in native keychain"; exit 1; }
     if [ "$1" = get ]; then cat "kept-$name"; else rm "kept-$name"; fi ;;
esac
"#;

/// Puts the helper where the binary finds it; gives its directory.
fn helper(env: &Env, config: &str) -> std::path::PathBuf {
    let directory = env.context("bin");
    let program = directory.join("docker-credential-of-a-test");
    fs::write(&program, HELPER).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(env.context(".docker").join("config.json"), config).unwrap();
    directory
}

fn with_path(env: &Env, directory: &Path, args: &[&str]) -> Command {
    let mut command = env.command(args);
    command.env("PATH", format!("{}:/usr/bin:/bin", directory.display()));
    command
}

#[test]
fn helpers_keep_what_the_file_does_not() {
    let (env, registry) = (Env::new(), with_password());
    registry.trust(&env);
    let host = registry.host();
    let bin = helper(&env, r#"{"credsStore": "of-a-test", "x": 1}"#);
    let command = with_path(&env, &bin, &["login", "-u", USER, "--password-stdin", host]);
    let done = login_of(&env, command, PASSWORD).success();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("Login Succeeded\n", ""));
    assert_eq!(config(&env), serde_json::json!({"credsStore": "of-a-test", "x": 1, "auths": {(host): {}}}));
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(bin.join(format!("kept-{host}"))).unwrap()).unwrap();
    assert_eq!(kept, serde_json::json!({"ServerURL": host, "Username": USER, "Secret": PASSWORD}));

    let known = env.run(with_path(&env, &bin, &["login", host])).success();
    assert_eq!(known.stdout, "Authenticating with existing credentials...\nLogin Succeeded\n");
    let left = env.run(with_path(&env, &bin, &["logout", host])).success();
    assert_eq!(left.stdout, format!("Removing login credentials for {host}\n"));
    assert!(!bin.join(format!("kept-{host}")).exists());
    assert_eq!(config(&env)["auths"], serde_json::json!({}));
    let left = env.run(with_path(&env, &bin, &["logout", host])).success();
    assert_eq!(left.stdout, format!("Not logged in to {host}\n"));
}

#[test]
fn what_a_helper_says_is_told() {
    let env = Env::new();
    let bin = helper(&env, r#"{"credHelpers": {"bad.example": "of-a-test"}}"#);
    let failed = env.run(with_path(&env, &bin, &["login", "bad.example"])).code(1).stderr;
    let told = "error: `docker-credential-of-a-test get` failed for `bad.example`: the vault is locked\n";
    assert_eq!(failed, told);
    // It is asked for its own registry only.
    fs::remove_file(bin.join("calls")).unwrap();
    let _ = env.run(with_path(&env, &bin, &["logout", "good.example"])).success();
    assert!(!bin.join("calls").exists());
}

#[test]
fn a_server_of_tokens_gets_the_password_or_an_identity_token() {
    let (env, tokens) = (Env::new(), TokenServer::start());
    let registry = Registry::start(Kind { auth: Auth::Token(&tokens), ..Kind::default() });
    let host = registry.host();
    let refused = login(&env, host, "other").code(1).stderr;
    assert!(refused.contains("incorrect username or password"), "{refused}");
    let done = login(&env, host, PASSWORD).success();
    assert!(done.stderr.starts_with("warning: the identity token is kept unencrypted"), "{}", done.stderr);
    assert!(tokens.take_requests().iter().all(|line| line.contains(" password")));
    // From then on the token that was given stands for the password, which is not kept.
    let kept = serde_json::json!({"auth": "dXNlcjo=", "identitytoken": IDENTITY_TOKEN});
    assert_eq!(config(&env), serde_json::json!({"auths": {(host): kept}}));
    let _ = env.strata(["login", host]).success();
    assert_eq!(tokens.take_requests(), ["POST identity token"]);
}

#[test]
fn an_open_registry_takes_any_client_that_shows_its_certificate() {
    let env = Env::new();
    let registry = Registry::start(Kind { client_certificate: true, ..Kind::default() });
    registry.trust(&env);
    let _ = login(&env, registry.host(), "any").code(1);
    let directory = env.path(&format!(".config/containers/certs.d/{}", registry.host()));
    let (certificate, key) = registry.client_certificate();
    fs::copy(certificate, directory.join("me.cert")).unwrap();
    fs::copy(key, directory.join("me.key")).unwrap();
    let _ = login(&env, registry.host(), "any").success();
}

#[test]
fn a_terminal_is_asked_and_does_not_show_the_password() {
    let (env, registry) = (Env::new(), with_password());
    registry.trust(&env);
    let terminal = terminal::open_pair(Path::new("/dev/ptmx")).unwrap();
    let mut command = env.command(["login", registry.host()]);
    let ends = [(); 3].map(|()| Stdio::from(terminal.slave.try_clone().unwrap()));
    let [stdin, stdout, stderr] = ends;
    let mut child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
    drop((command, terminal.slave));
    let mut master = File::from(terminal.master);
    let mut shown = String::new();
    let mut wait_for = |master: &mut File, question: &str| {
        let mut bytes = [0; 4096];
        while !shown.contains(question) {
            let count = master.read(&mut bytes).unwrap();
            shown.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        shown.clone()
    };
    wait_for(&mut master, "Username: ");
    master.write_all(format!("{USER}\n").as_bytes()).unwrap();
    wait_for(&mut master, "Password: ");
    master.write_all(format!("wrong\x15{PASSWORD}\r").as_bytes()).unwrap();
    let shown = wait_for(&mut master, "Login Succeeded");
    assert!(child.wait().unwrap().success());
    assert!(!shown.contains("wrong") && !shown.contains(PASSWORD), "{shown}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let env = Env::new();
    for (args, expected) in [
        (&["login", "h.example"][..], "`--username` is missing"),
        (&["login", "-u", "u", "h.example"], "`--password-stdin` is missing"),
        (&["login", "--password-stdin", "h.example"], "--username <USERNAME>"),
        (&["login", "-u", "u", "-p", "p", "--password-stdin"], "cannot be used with"),
        (&["login", "-u", "u", "-p", "", "h.example"], "error: the password is empty"),
        (&["login", "-u", "u", "-p", "p", "team"], "error: `team` is not a registry"),
    ] {
        let mut command = env.command(args);
        command.stdin(Stdio::null());
        let stderr = env.run(command).code(1).stderr;
        assert!(stderr.contains(expected), "{args:?}\n{stderr}");
    }
    assert!(!env.path(".docker").exists());
}

#[test]
fn a_broken_file_is_named() {
    let env = Env::new();
    fs::write(env.context(".docker").join("config.json"), "{\n\"auths\": {,}}").unwrap();
    let stderr = env.strata(["login", "h.example"]).code(1).stderr;
    let told = "error: cannot read the credentials in `[DIR]/.docker/config.json`, line 2, column 11: key must be a string\n";
    assert!(stderr.starts_with(told), "{stderr}");
}

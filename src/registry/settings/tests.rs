//! Settings as `containers-registries.conf(5)` describes them.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A system's directory, a user's, and one for certificates.
struct Place(TempDir);

impl Place {
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = place.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        place
    }

    fn system(text: &str) -> Self {
        Self::with(&[("system/registries.conf", text)])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self) -> Settings {
        Settings::new(SettingsFiles {
            only: None,
            directories: ["system", "user"].map(|name| self.path(name)).into(),
            certificates: ["user/certs.d", "certs.d"].map(|name| self.path(name)).into(),
        })
    }

    /// Where a reference is asked for: `mirror` before mirrors, `insecure` behind what is.
    fn endpoints(&self, reference: &str) -> Vec<String> {
        let endpoints = self.settings().endpoints(&reference.parse().unwrap()).unwrap();
        let shown = endpoints.iter().map(|endpoint| {
            let mirror = if endpoint.is_mirror { "mirror " } else { "" };
            let insecure = if endpoint.skip_verify { " insecure" } else { "" };
            assert!(!endpoint.plain_http);
            format!("{mirror}{} {}{insecure}", endpoint.host, endpoint.repository)
        });
        shown.collect()
    }

    fn error(&self, reference: &str) -> String {
        self.redact(&self.settings().endpoints(&reference.parse().unwrap()).unwrap_err())
    }

    fn redact(&self, text: &impl ToString) -> String {
        text.to_string().replace(self.0.path().to_str().unwrap(), "[DIR]")
    }
}

#[test]
fn without_settings_a_registry_is_at_its_host() {
    let place = Place::with(&[]);
    assert_eq!(place.endpoints("node:12"), ["registry-1.docker.io library/node"]);
    assert_eq!(place.endpoints("quay.io:443/a/b"), ["quay.io:443 a/b"]);
    assert_eq!(place.settings().host("docker.io").unwrap().host, "registry-1.docker.io");
}

#[test]
fn the_longest_prefix_decides() {
    let place = Place::system(
        r#"
unqualified-search-registries = ["quay.io"]
[[registry]]
location = "example.com"
insecure = true
[[registry]]
prefix = "example.com/team"
location = "inner.example/deep/team2"
[[registry]]
prefix = "*.wild.example"
location = "all.example/wild"
[[registry]]
prefix = "*.kept.wild.example:5000"
insecure = true
[[registry]]
prefix = "docker.io/library"
location = "docker.io/mirrored"
"#,
    );
    for (reference, expected) in [
        ("example.com/a", "example.com a insecure"),
        ("example.com:5000/a", "example.com:5000 a"),
        ("example.com/team/app:1", "inner.example deep/team2/app"),
        ("example.com/teams/app", "example.com teams/app insecure"),
        ("a.wild.example/x", "all.example wild/x"),
        ("a.b.wild.example/x/y", "all.example wild/x/y"),
        ("wild.example/x", "wild.example x"),
        ("example.org/a.wild.example/x", "example.org a.wild.example/x"),
        ("a.kept.wild.example:5000/x", "a.kept.wild.example:5000 x insecure"),
        ("node", "registry-1.docker.io mirrored/node"),
        ("me/node", "registry-1.docker.io me/node"),
    ] {
        assert_eq!(place.endpoints(reference), [expected], "{reference}");
    }
    let host = place.settings().host("example.com").unwrap();
    assert_eq!((host.host.as_str(), host.skip_verify), ("example.com", true));
}

#[test]
fn mirrors_come_first_where_they_are_for_the_reference() {
    let place = Place::system(
        r#"
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "all.example/hub"
insecure = true
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.example"
pull-from-mirror = "tag-only"
[[registry]]
location = "quay.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
"#,
    );
    let own = "registry-1.docker.io library/node";
    let all = "mirror all.example hub/library/node insecure";
    let digest = format!("@sha256:{}", "0".repeat(64));
    assert_eq!(place.endpoints("node"), [all, "mirror tags.example library/node", own]);
    assert_eq!(place.endpoints(&format!("node{digest}")), [all, "mirror digests.example library/node", own]);
    assert_eq!(place.endpoints("quay.io/a"), ["quay.io a"]);
    assert_eq!(place.endpoints(&format!("quay.io/a{digest}")), ["mirror m.example a", "quay.io a"]);
}

#[test]
fn what_is_blocked_is_an_error_with_its_place() {
    let place = Place::system(
        "[[registry]]\nlocation = \"a.example\"\n\n[[registry]]\nprefix = \"a.example/bad\"\nblocked = true\n",
    );
    assert_eq!(place.endpoints("a.example/good"), ["a.example good"]);
    assert_eq!(
        place.error("a.example/bad/x"),
        "`a.example/bad/x` is blocked by `[DIR]/system/registries.conf`, line 4"
    );
}

#[test]
fn users_settings_go_before_the_systems_and_drop_ins_before_both() {
    let rule = |host: &str| format!("[[registry]]\nprefix = \"a.example\"\nlocation = \"{host}\"\n");
    let other = "[[registry]]\nprefix = \"b.example\"\nlocation = \"other\"\n".to_owned();
    let files = [
        ("system/registries.conf", rule("system") + &other),
        ("user/registries.conf", rule("user")),
        ("system/registries.conf.d/10.conf", rule("system-10")),
        ("system/registries.conf.d/20.conf", rule("system-20")),
        ("system/registries.conf.d/30.conf.off", "no TOML at all".to_owned()),
        ("user/registries.conf.d/05.conf", rule("user-05")),
    ];
    for (count, host) in [(1, "system"), (2, "user"), (3, "system-10"), (4, "system-20"), (6, "user-05")] {
        let files: Vec<(&str, &str)> =
            files.iter().take(count).map(|(name, text)| (*name, text.as_str())).collect();
        let place = Place::with(&files);
        assert_eq!(place.endpoints("a.example/x"), [format!("{host} x")]);
        // A user's file takes the place of the system's as a whole.
        let expected = if count == 1 { "other x" } else { "b.example x" };
        assert_eq!(place.endpoints("b.example/x"), [expected]);
    }
    let place = Place::with(&[("only.conf", &other), ("system/registries.conf", &rule("system"))]);
    let only = SettingsFiles { only: Some(place.path("only.conf")), ..(*place.settings().files).clone() };
    let endpoints = Settings::new(only).endpoints(&"a.example/x".parse().unwrap()).unwrap();
    assert_eq!(endpoints[0].host, "a.example");
    let missing =
        Settings::new(SettingsFiles { only: Some(place.path("no.conf")), ..SettingsFiles::default() });
    let error = missing.endpoints(&"a.example/x".parse().unwrap()).unwrap_err();
    assert_eq!(place.redact(&error), "cannot read the settings of registries in `[DIR]/no.conf`");
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, line, reason) in [
        ("\n[[registry]\n", 2, "unclosed array table, expected `]`"),
        ("[[registry]]\nlocation = 1\n", 2, "invalid type: integer `1`, expected a string"),
        ("\n[[registry]]\ninsecure = true\n", 2, "a registry has neither `prefix` nor `location`"),
        (
            "[[registry]]\nlocation = \"https://a\"\n",
            1,
            "`https://a` has a scheme; write a host with an optional path",
        ),
        ("[[registry]]\nlocation = \"a b\"\n", 1, "`a b` is not a host with an optional path"),
        ("[[registry]]\nlocation = \"/\"\n", 1, "`/` is not a host with an optional path"),
        (
            "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"never\"\n",
            5,
            "unknown variant `never`, expected one of `all`, `digest-only`, `tag-only`",
        ),
        (
            "[[registry]]\nlocation = \"a\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = \"b\"\n\
             pull-from-mirror = \"all\"\n",
            1,
            "`mirror-by-digest-only` and `pull-from-mirror` cannot both say when a mirror is used",
        ),
    ] {
        let place = format!("`[DIR]/system/registries.conf`, line {line}");
        let expected = format!("cannot use the settings of registries in {place}: {reason}");
        assert_eq!(Place::system(text).error("x"), expected, "{text}");
    }
    let place = Place::system("[[registry]]\nprefix = \"a.example/x\"\nlocation = \"b\"\n");
    let expected =
        "`a.example/x` becomes `b` by `[DIR]/system/registries.conf`, line 1, and that names no repository";
    assert_eq!(place.error("a.example/x"), expected);
    assert_eq!(place.endpoints("a.example/x/y"), ["b y"]);
}

#[test]
fn unknown_keys_are_told() {
    let place = Place::system(
        r#"
short-name-mode = "enforcing"
credential-helpers = ["x"]
[aliases]
"a" = "b.example/a"
[[registry]]
location = "a"
colour = "red"
[[registry.mirror]]
location = "b"
shape = 1
[registries.search]
registries = []
"#,
    );
    let settings = place.settings();
    assert!(settings.unknown().is_empty(), "nothing has been needed");
    settings.host("a").unwrap();
    let told = settings.unknown().iter().map(|unknown| place.redact(unknown));
    let not = "in `[DIR]/system/registries.conf` is not known and not followed";
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            format!("`credential-helpers` {not}"),
            format!("`registries` {not}: it is of the old form of the file; write `[[registry]]`"),
            format!("`registry[0].colour` {not}"),
            format!("`registry[0].mirror[0].shape` {not}"),
        ]
    );
}

#[test]
fn certificates_are_those_of_the_first_directory_that_has_the_host() {
    let place = Place::with(&[
        ("certs.d/a.example:5000/b.crt", ""),
        ("certs.d/a.example:5000/a.crt", ""),
        ("certs.d/a.example:5000/z.cert", ""),
        ("certs.d/a.example:5000/z.key", ""),
        ("certs.d/a.example:5000/README", ""),
        ("certs.d/b.example/ca.crt", ""),
        ("user/certs.d/b.example/own.crt", ""),
        ("certs.d/half.example/x.cert", ""),
        ("certs.d/other-half.example/x.key", ""),
        ("certs.d/docker.io/ca.crt", ""),
    ]);
    let endpoint = |host: &str| place.settings().host(host);
    let path = |name: &str| place.path(name);
    let found = endpoint("a.example:5000").unwrap();
    assert_eq!(found.ca, ["a.crt", "b.crt"].map(|name| path("certs.d/a.example:5000").join(name)));
    let pair = ["z.cert", "z.key"].map(|name| path("certs.d/a.example:5000").join(name));
    assert_eq!(found.client_cert, Some(pair.into()));
    assert_eq!(endpoint("b.example").unwrap().ca, [path("user/certs.d/b.example/own.crt")]);
    assert_eq!(endpoint("docker.io").unwrap().ca, [path("certs.d/docker.io/ca.crt")]);
    assert_eq!(endpoint("c.example").unwrap().ca, Vec::<PathBuf>::new());
    assert_eq!(
        place.redact(&endpoint("half.example").unwrap_err()),
        "`[DIR]/certs.d/half.example/x.cert` has no `x.key` beside it"
    );
    assert_eq!(
        place.redact(&endpoint("other-half.example").unwrap_err()),
        "`[DIR]/certs.d/other-half.example/x.key` has no `x.cert` beside it"
    );
}

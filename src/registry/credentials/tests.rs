//! Files as Docker, podman and people write them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// A directory with files of credentials.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(text: &str) -> Self {
        let place = Self::new();
        fs::write(place.path("a.json"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self) -> CredentialStore {
        CredentialStore::new(["a.json", "b.json"].map(|name| self.path(name)).into())
    }

    fn find(&self, host: &str, repository: &str) -> Option<(String, String, bool)> {
        let found = self.store().find(host, repository).unwrap()?;
        Some((found.username, found.secret, found.is_identity_token))
    }

    fn error(&self, host: &str) -> String {
        self.store().find(host, "").unwrap_err().to_string().replace(self.0.path().to_str().unwrap(), "[DIR]")
    }
}

type Known = Option<(String, String, bool)>;

#[expect(clippy::unnecessary_wraps, reason = "what is compared with it may be nothing")]
fn known(username: &str, secret: &str, is_identity_token: bool) -> Known {
    Some((username.to_owned(), secret.to_owned(), is_identity_token))
}

fn password(username: &str, secret: &str) -> Credentials {
    Credentials { username: username.to_owned(), secret: secret.to_owned(), is_identity_token: false }
}

#[test]
fn all_forms_of_an_entry_are_read() {
    let place = Place::with(
        r#"{"auths": {
            "auth.example": {"auth": "dTpwOnE="},
            "filled.example": {"auth": "dTpwAAA="},
            "plain.example": {"username": "u", "password": "p"},
            "token.example": {"auth": "dTo=", "identitytoken": "t"},
            "only-token.example": {"identitytoken": "t"},
            "helper.example": {},
            "null.example": null,
            "https://index.docker.io/v1/": {"auth": "aHViOnA="}
        }, "HttpHeaders": {"x": 1}}"#,
    );
    for (host, expected) in [
        ("auth.example", known("u", "p:q", false)),
        ("filled.example", known("u", "p", false)),
        ("plain.example", known("u", "p", false)),
        ("token.example", known("u", "t", true)),
        ("only-token.example", known("", "t", true)),
        ("helper.example", None),
        ("null.example", None),
        ("docker.io", known("hub", "p", false)),
        ("registry-1.docker.io", known("hub", "p", false)),
        ("other.example", None),
    ] {
        assert_eq!(place.find(host, "a/b"), expected, "{host}");
    }
}

#[test]
fn the_smallest_namespace_of_the_first_file_counts() {
    let place = Place::with(
        r#"{"auths": {
            "quay.io": {"auth": "YWxsOnA="},
            "quay.io/team": {"auth": "dGVhbTpw"},
            "quay.io/team/app": {"auth": "YXBwOnA="}
        }}"#,
    );
    let second =
        r#"{"auths": {"quay.io/team/other": {"auth": "b3RoZXI6cA=="}, "b.example": {"auth": "Yjpw"}}}"#;
    fs::write(place.path("b.json"), second).unwrap();
    for (host, repository, user) in [
        ("quay.io", "team/app", "app"),
        ("quay.io", "team/app/part", "app"),
        ("quay.io", "team/apple", "team"),
        ("quay.io", "team/other", "team"),
        ("quay.io", "teams", "all"),
        ("quay.io", "", "all"),
        ("b.example", "x", "b"),
    ] {
        assert_eq!(place.find(host, repository), known(user, "p", false), "{host}/{repository}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place_and_without_secrets() {
    for (text, expected) in [
        (
            "{\n \"auths\": [}",
            "cannot read the credentials in `[DIR]/a.json`, line 2, column 12: expected value",
        ),
        ("[]", "cannot read the credentials in `[DIR]/a.json`, line 1, column 1: expected an object"),
        (r#"{"auths": 1}"#, "cannot use the credentials in `[DIR]/a.json`: `auths` is not an object"),
        (
            r#"{"auths": {"h": "s3cret"}}"#,
            "cannot use the credentials in `[DIR]/a.json`: `auths.h` is not an object",
        ),
        (
            r#"{"auths": {"h": {"auth": "s3cret"}}}"#,
            "cannot use the credentials in `[DIR]/a.json`: `auths.h.auth` is not a user and a password in base64",
        ),
        (
            r#"{"auths": {"h": {"identitytoken": ["s3cret"]}}}"#,
            "cannot use the credentials in `[DIR]/a.json`: `auths.h.identitytoken` is not a string",
        ),
        (
            r#"{"credHelpers": {"h": {}}}"#,
            "cannot use the credentials in `[DIR]/a.json`: `credHelpers.h` is not a string",
        ),
        (
            r#"{"credsStore": 7}"#,
            "cannot use the credentials in `[DIR]/a.json`: `credsStore` is not a string",
        ),
    ] {
        assert_eq!(Place::with(text).error("h"), expected, "{text}");
    }
    // Another registry's entry is none of this one's business.
    let place = Place::with(r#"{"auths": {"x": 1, "h": {"auth": "dTpw"}}}"#);
    assert_eq!(place.find("h", ""), known("u", "p", false));
}

#[test]
fn missing_and_empty_files_hold_nothing() {
    for place in [Place::new(), Place::with(""), Place::with(" \n"), Place::with("{}")] {
        assert_eq!(place.find("h", ""), None);
        assert!(!place.store().erase("h").unwrap());
    }
    assert!(!Place::new().path("a.json").exists());
}

#[test]
fn what_is_saved_is_private_and_leaves_the_rest_alone() {
    let text =
        r#"{"auths": {"https://h/v1/": {"auth": "YTpi"}, "x": {"auth": "eDp5"}}, "detachKeys": "ctrl-e"}"#;
    let place = Place::with(text);
    fs::set_permissions(place.path("a.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let kept = place.store().save("h", &password("u", "p:q")).unwrap();
    assert_eq!(kept, Kept::File(place.path("a.json")));
    let expected = "{\n\t\"auths\": {\n\t\t\"h\": {\n\t\t\t\"auth\": \"dTpwOnE=\"\n\t\t},\n\t\t\"x\": {\n\t\t\t\"auth\": \
                    \"eDp5\"\n\t\t}\n\t},\n\t\"detachKeys\": \"ctrl-e\"\n}\n";
    assert_eq!(fs::read_to_string(place.path("a.json")).unwrap(), expected);
    assert_eq!(fs::metadata(place.path("a.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "no lock and no new file is left");

    assert!(place.store().erase("h").unwrap());
    assert_eq!((place.find("h", ""), place.find("x", "")), (None, known("x", "y", false)));
    assert!(!place.store().erase("h").unwrap());
}

#[test]
fn a_token_is_saved_as_one() {
    let place = Place::new();
    let token = Credentials { is_identity_token: true, ..password("u", "t") };
    place.store().save("docker.io", &token).unwrap();
    assert_eq!(place.find("docker.io", "library/a"), known("u", "t", true));
    assert!(fs::read_to_string(place.path("a.json")).unwrap().contains("https://index.docker.io/v1/"));
}

#[test]
fn a_link_to_the_file_stays_one() {
    let place = Place::new();
    fs::create_dir(place.path("dotfiles")).unwrap();
    fs::write(place.path("dotfiles/c.json"), "{}").unwrap();
    std::os::unix::fs::symlink("dotfiles/c.json", place.path("a.json")).unwrap();
    place.store().save("h", &password("u", "p")).unwrap();
    assert!(fs::symlink_metadata(place.path("a.json")).unwrap().is_symlink());
    assert!(fs::read_to_string(place.path("dotfiles/c.json")).unwrap().contains("dTpw"));
}

#[test]
fn directories_are_made_for_their_owner_only() {
    let place = Place::new();
    let path = place.path("home/.docker/config.json");
    CredentialStore::new(vec![path.clone()]).save("h", &password("u", "p")).unwrap();
    let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn logins_at_the_same_time_all_stay() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for i in 0..8 {
            let store = place.store();
            scope.spawn(move || store.save(&format!("h{i}"), &password("u", "p")).unwrap());
        }
    });
    for i in 0..8 {
        assert_eq!(place.find(&format!("h{i}"), ""), known("u", "p", false), "{i}");
    }
}

#[test]
fn helpers_that_cannot_be_started_are_named_with_their_file() {
    let place = Place::with(
        r#"{"credsStore": "of-no-package", "credHelpers": {"up.example": "../up", "file.example": ""}}"#,
    );
    let error = place.error("h");
    assert_eq!(
        error,
        "cannot start `docker-credential-of-no-package`, which `[DIR]/a.json` names for credentials of `h`"
    );
    let remedy = place.store().find("h", "").unwrap_err().remedy().unwrap();
    assert!(remedy.starts_with("install `docker-credential-of-no-package`, or remove it from"), "{remedy}");
    assert!(place.error("up.example").starts_with("cannot start `docker-credential-../up`"));
    assert_eq!(place.find("file.example", ""), None);
}

#[test]
fn nothing_shows_secrets() {
    let shown = format!("{:?}", Credentials { is_identity_token: true, ..password("user", "s3cret") });
    assert!(shown.contains("user") && !shown.contains("s3cret"), "{shown}");
}

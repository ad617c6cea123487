//! What names mean, and which are refused.

use proptest::prelude::*;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn reference(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn names_are_completed_and_shown_short() {
    let at = format!("@sha256:{HEX}");
    for (text, complete, familiar) in [
        ("koa-server-image", "docker.io/library/koa-server-image:latest", "koa-server-image:latest"),
        ("node:12.20.1", "docker.io/library/node:12.20.1", "node:12.20.1"),
        ("library/node", "docker.io/library/node:latest", "node:latest"),
        ("docker.io/node", "docker.io/library/node:latest", "node:latest"),
        ("docker.io/library/node", "docker.io/library/node:latest", "node:latest"),
        ("index.docker.io/node", "docker.io/library/node:latest", "node:latest"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("GHCR/x", "GHCR/x:latest", "GHCR/x:latest"),
        ("ghcr.io/a/b-c__d.e/f:v1_2-3.4", "ghcr.io/a/b-c__d.e/f:v1_2-3.4", "ghcr.io/a/b-c__d.e/f:v1_2-3.4"),
        ("[::1]:5000/x:1", "[::1]:5000/x:1", "[::1]:5000/x:1"),
        ("[2001:db8::1]/x", "[2001:db8::1]/x:latest", "[2001:db8::1]/x:latest"),
        ("a---b", "docker.io/library/a---b:latest", "a---b:latest"),
        ("a:_", "docker.io/library/a:_", "a:_"),
    ] {
        let parsed = reference(text);
        assert_eq!(parsed.to_string(), complete, "{text}");
        assert_eq!(parsed.familiar(), familiar, "{text}");
    }
    for (text, complete) in [
        (format!("node{at}"), format!("docker.io/library/node{at}")),
        (format!("host:5000/a/b:tag{at}"), format!("host:5000/a/b:tag{at}")),
    ] {
        assert_eq!(reference(&text).to_string(), complete);
    }
}

#[test]
fn parts_are_apart() {
    let parsed = reference(&format!("host:5000/a/b:tag@sha256:{HEX}"));
    assert_eq!((parsed.domain(), parsed.path(), parsed.tag()), ("host:5000", "a/b", Some("tag")));
    assert_eq!(parsed.digest().map(|digest| digest.digest().hex()), Some(HEX.to_owned()));
    let pinned = reference(&format!("a@sha256:{HEX}"));
    assert_eq!(pinned.tag(), None, "a digest alone brings no tag");
    assert_eq!(pinned.name(), "docker.io/library/a");
}

#[test]
fn other_texts_are_refused() {
    use ReferenceErrorKind as Kind;
    let component = |text: &str| Kind::Component { component: text.to_owned() };
    let domain = |text: &str| Kind::Domain { domain: text.to_owned() };
    let tag = |text: &str| Kind::Tag { tag: text.to_owned() };
    let upper = |text: &str| Kind::UpperCase { path: text.to_owned() };
    let digest = |text: &str| Kind::Digest { digest: text.to_owned() };
    for (text, kind) in [
        ("", Kind::Empty),
        (HEX, Kind::Id),
        ("https://ghcr.io/a", Kind::Scheme { scheme: "https".to_owned() }),
        ("Node", upper("Node")),
        ("ghcr.io/A/b", upper("A/b")),
        ("node:", tag("")),
        ("node:-1", tag("-1")),
        ("node:.1", tag(".1")),
        ("node:a b", tag("a b")),
        ("node:a:b", tag("a:b")),
        ("node:é", tag("é")),
        ("-node", component("-node")),
        ("node-", component("node-")),
        ("a..b", component("a..b")),
        ("a___b", component("a___b")),
        ("a._b", component("a._b")),
        ("a//b", component("")),
        ("/a", component("")),
        ("a/", component("")),
        ("a b", component("a b")),
        ("ä", component("ä")),
        ("a\n", component("a\n")),
        ("host:/a", domain("host:")),
        ("host:x/a", domain("host:x")),
        ("-h.io/a", domain("-h.io")),
        ("h-.io/a", domain("h-.io")),
        ("h..io/a", domain("h..io")),
        ("[::1/a", domain("[::1")),
        ("[::1]x.y/a", domain("[::1]x.y")),
        ("[nope:]/a", domain("[nope:]")),
        ("node@", digest("")),
        ("node@sha256:00", digest("sha256:00")),
        ("node@sha512:00", digest("sha512:00")),
        ("node@a@b", digest("a@b")),
    ] {
        assert_eq!(text.parse::<Reference>().map_err(|error| error.kind), Err(kind), "{text}");
    }
}

#[test]
fn lengths_have_limits() {
    let path = "a".repeat(255 - "library/".len());
    assert!(path.parse::<Reference>().is_ok());
    let longer = format!("{path}a").parse::<Reference>().unwrap_err();
    assert_eq!(longer.kind, ReferenceErrorKind::PathLength { length: 256 });

    let tag = "t".repeat(128);
    assert!(format!("a:{tag}").parse::<Reference>().is_ok());
    let longer = format!("a:{tag}t").parse::<Reference>().unwrap_err();
    assert_eq!(longer.kind, ReferenceErrorKind::TagLength { length: 129 });
}

#[test]
fn remedies_are_references() {
    for (text, remedy) in [
        ("ghcr.io/My/App:V1", Some("write `ghcr.io/my/app:V1`")),
        ("Busybox", Some("write `busybox`")),
        ("MyOrg/App:V1", Some("write `myorg/app:V1`")),
        ("localhost:5000/App", Some("write `localhost:5000/app`")),
        ("http://a/b", Some("write `a/b`")),
        ("a:", None),
    ] {
        assert_eq!(text.parse::<Reference>().unwrap_err().remedy().as_deref(), remedy, "{text}");
    }
}

proptest! {
    #[test]
    fn printed_references_are_read_back(
        domain in "(localhost|[a-z][a-z0-9]{0,5}\\.[a-z]{2,3}|h:[0-9]{1,5}|\\[::1\\]:1)",
        path in "[a-z0-9]{1,6}([._]|__|-{1,3})[a-z0-9]{1,6}(/[a-z0-9]{1,6}){0,3}",
        tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        digest in proptest::option::of(any::<[u8; 32]>()),
    ) {
        let mut text = format!("{domain}/{path}");
        if let Some(tag) = &tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = digest {
            text = format!("{text}@{}", crate::oci::Digest::from_bytes(digest));
        }
        let first = reference(&text);
        prop_assert_eq!(&reference(&first.to_string()), &first);
        prop_assert_eq!(&reference(&first.familiar()), &first);
        prop_assert_eq!(first.tag().is_some(), tag.is_some() || digest.is_none());
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}") {
        if let Ok(first) = text.parse::<Reference>() {
            prop_assert_eq!(&reference(&first.to_string()), &first);
            prop_assert_eq!(&reference(&first.familiar()), &first);
        } else if let Err(error) = text.parse::<Reference>() {
            let _ = (error.to_string(), error.remedy());
        }
    }
}

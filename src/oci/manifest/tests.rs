//! What is read, what is refused, and the exact bytes that are written.

use super::*;
use crate::oci::Compression;

const CONFIG: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// The bytes are those that Go's `json.MarshalIndent(manifest, "", "  ")` writes.
const MANIFEST: &str = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "size": 0
    }
  ],
  "annotations": {
    "a": "1",
    "b": "2",
    "c": "3"
  }
}"#;

const INDEX: &str = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      "size": 2,
      "annotations": {
        "org.opencontainers.image.ref.name": "latest"
      },
      "platform": {
        "architecture": "amd64",
        "os": "linux"
      }
    }
  ]
}"#;

#[test]
fn manifests_have_exact_bytes() {
    let manifest = Manifest {
        media_type: MediaType::Manifest,
        config: Descriptor::of(MediaType::Config, b"{}"),
        layers: vec![Descriptor::of(MediaType::layer(Compression::Gzip), b"")],
        annotations: [("c", "3"), ("a", "1"), ("b", "2")].map(|(k, v)| (k.into(), v.into())).into(),
    };
    assert_eq!(String::from_utf8(manifest.to_json()).unwrap(), MANIFEST);
    assert_eq!(Manifest::from_json(MANIFEST.as_bytes()).unwrap(), manifest);
    assert_eq!(manifest.digest().0, Digest::of(MANIFEST.as_bytes()));
}

#[test]
fn indexes_have_exact_bytes() {
    let index = Index::from_json(INDEX.as_bytes()).unwrap();
    assert_eq!(index.manifests[0].platform.as_ref().map(ToString::to_string).as_deref(), Some("linux/amd64"));
    assert_eq!(String::from_utf8(index.to_json()).unwrap(), INDEX);
    assert_eq!(index.digest().0, Digest::of(INDEX.as_bytes()));
}

#[test]
fn empty_lists_are_written_as_go_writes_them() {
    let index = Index { media_type: MediaType::Index, manifests: vec![], annotations: BTreeMap::new() };
    let text = "{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"application/vnd.oci.image.index.v1+json\",\n  \"manifests\": []\n}";
    assert_eq!(String::from_utf8(index.to_json()).unwrap(), text);
}

#[test]
fn docker_documents_are_read() {
    let text = MANIFEST
        .replace("application/vnd.oci.image.manifest.v1+json", MediaType::DockerManifest.as_str())
        .replace("application/vnd.oci.image.config.v1+json", MediaType::DockerConfig.as_str())
        .replace("application/vnd.oci.image.layer.v1.tar+gzip", MediaType::DockerLayerGzip.as_str());
    let manifest = Manifest::from_json(text.as_bytes()).unwrap();
    assert_eq!(manifest.media_type, MediaType::DockerManifest);
    assert_eq!(manifest.config.media_type, MediaType::DockerConfig);
    assert_eq!(manifest.layers[0].media_type, MediaType::DockerLayerGzip);
    assert_eq!(String::from_utf8(manifest.to_json()).unwrap(), text);

    let text = INDEX.replace("application/vnd.oci.image.index.v1+json", MediaType::DockerList.as_str());
    assert_eq!(Index::from_json(text.as_bytes()).unwrap().media_type, MediaType::DockerList);
}

#[test]
fn a_missing_type_is_found_by_the_fields_or_the_announcement() {
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{CONFIG}","size":2}},"layers":null}}"#
    );
    let index = r#"{"schemaVersion":2,"manifests":null,"mediaType":null}"#;
    for (text, declared, expected) in [
        (manifest.as_str(), None, MediaType::Manifest),
        (&manifest, Some(MediaType::DockerManifest), MediaType::DockerManifest),
        (index, None, MediaType::Index),
        (index, Some(MediaType::DockerList), MediaType::DockerList),
    ] {
        let found = match Document::from_json(text.as_bytes(), declared.as_ref()).unwrap() {
            Document::Manifest(manifest) => manifest.media_type,
            Document::Index(index) => index.media_type,
        };
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn wrong_documents_are_refused() {
    let descriptor = |digest: &str| format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":2}}"#);
    let config = descriptor(CONFIG);
    let sha512 = descriptor(&format!("sha512:{}", "0".repeat(128)));
    let climbing = descriptor("sha256:../../etc/passwd");
    for (fields, message) in [
        (
            "x".to_owned(),
            "not a valid image manifest or image index: it is not JSON: key must be a string, in line 1, column 21",
        ),
        (format!(r#""config":{config}"#), "not a valid image manifest: it has no `layers`"),
        (r#""layers":[]"#.to_owned(), "not a valid image manifest: it has no `config`"),
        (
            format!(r#""config":{config},"layers":{{}}"#),
            "not a valid image manifest: `layers` is an object, and should be a list",
        ),
        (r#""manifests":[{}]"#.to_owned(), "not a valid image index: `manifests[0]` has no `mediaType`"),
        (
            r#""mediaType":1,"manifests":[]"#.to_owned(),
            "not a valid image manifest or image index: `mediaType` is the number `1`, and should be a string",
        ),
        (
            r#""mediaType":"text/plain","manifests":[]"#.to_owned(),
            "the media type is `text/plain`, expected an image manifest or an image index",
        ),
        (format!(r#""config":{config},"manifests":[]"#), "the document is a manifest and an index at once"),
        (
            r#""a":1"#.to_owned(),
            "the document is neither a manifest nor an index: it has no `config`, `layers` or `manifests`",
        ),
        (
            format!(r#""config":{sha512},"layers":[]"#),
            "not a valid image manifest: `config.digest`: `sha512:0000",
        ),
        (
            format!(r#""config":{climbing},"layers":[]"#),
            "not a valid image manifest: `config.digest`: `sha256:../../etc/passwd` is not a digest: expected `sha256:` and 64",
        ),
    ] {
        let text = format!(r#"{{"schemaVersion":2, {fields}}}"#);
        let error = Document::from_json(text.as_bytes(), None).unwrap_err();
        let message_found = match &error {
            ManifestError::Json { source, .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        // Some end with the rest of a long text.
        assert!(message_found.starts_with(message), "{text}: {message_found}");
    }
}

#[test]
fn versions_sizes_and_announcements_are_checked() {
    for (text, message) in [
        (r#"{"schemaVersion":1}"#, "schema version 1 is not supported: only version 2 is"),
        (r#"{"schemaVersion":"2"}"#, "schema version \"2\" is not supported: only version 2 is"),
        ("{}", "it has no `schemaVersion`, which should be 2"),
    ] {
        let error = Document::from_json(text.as_bytes(), None).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    let big = vec![b' '; DOCUMENT_MAX as usize + 1];
    assert!(
        matches!(Document::from_json(&big, None), Err(ManifestError::TooBig { size }) if size == DOCUMENT_MAX + 1)
    );

    let error = Document::from_json(MANIFEST.as_bytes(), Some(&MediaType::Index)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the media type is `application/vnd.oci.image.manifest.v1+json`, expected an image index"
    );
    assert!(matches!(Index::from_json(MANIFEST.as_bytes()), Err(ManifestError::MediaType { .. })));
    assert!(matches!(Manifest::from_json(INDEX.as_bytes()), Err(ManifestError::MediaType { .. })));
}

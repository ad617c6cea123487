//! Exact configs and manifests from small plans.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::oci::{Config, DiffId, Digest, History, Platform, RootFs};
use crate::plan::{BaseId, HistoryItem, Root, StepId, Target};

fn diff_id(n: u8) -> DiffId {
    DiffId(Digest::from_bytes([n; 32]))
}

fn item(created_by: &str, step: Option<u32>) -> HistoryItem {
    HistoryItem { created_by: Some(created_by.to_owned()), step: step.map(StepId) }
}

fn target(base: Option<BaseId>, history: Vec<HistoryItem>) -> Target {
    let config = Config { env: vec!["PATH=/bin".to_owned()], ..Config::default() };
    let platform = Platform { os: "linux".into(), architecture: "arm".into(), variant: "v7".into() };
    Target { stage: None, root: Root::Scratch, base, config, author: Some("me".into()), platform, history }
}

fn layers(times: &[(u32, i64)]) -> BTreeMap<StepId, BuiltLayer> {
    let layer = |&(step, seconds): &(u32, i64)| {
        let created = Timestamp::new(seconds, 0).unwrap();
        (StepId(step), BuiltLayer { diff_id: diff_id(step as u8 + 0xa0), created })
    };
    times.iter().map(layer).collect()
}

/// Each entry's text, time and whether it has a layer.
fn summary(config: &ImageConfig) -> Vec<(&str, &str, bool)> {
    fn or_dash(text: Option<&String>) -> &str {
        text.map_or("-", |text| text)
    }
    let history = config.history.iter();
    history
        .map(|entry| {
            (or_dash(entry.created_by.as_ref()), or_dash(entry.created.as_ref()), !entry.empty_layer)
        })
        .collect()
}

fn base(entries: &[(&str, bool)], layers: u8) -> ImageConfig {
    let history = entries.iter().map(|(by, has_layer)| History {
        created: Some("2001-01-01T00:00:00Z".into()),
        created_by: Some((*by).to_owned()),
        empty_layer: !has_layer,
        ..History::default()
    });
    ImageConfig {
        os: "linux".into(),
        architecture: "arm".into(),
        created: Some("2002-02-02T00:00:00Z".into()),
        history: history.collect(),
        rootfs: RootFs { diff_ids: (1..=layers).map(diff_id).collect(), ..RootFs::default() },
        ..ImageConfig::default()
    }
}

#[test]
fn config_from_scratch_is_exact() {
    let target = target(None, vec![item("ENV a=b", None), item("COPY a / # buildkit", Some(3))]);
    let config = assemble(&target, None, &layers(&[(3, 86_400)]), None).unwrap();
    assert_eq!(
        String::from_utf8(config.to_json()).unwrap(),
        concat!(
            r#"{"architecture":"arm","config":{"Env":["PATH=/bin"]},"created":"1970-01-02T00:00:00Z","#,
            r#""history":[{"created":"1970-01-02T00:00:00Z","created_by":"ENV a=b","#,
            r#""comment":"buildkit.dockerfile.v0","empty_layer":true},"#,
            r#"{"created":"1970-01-02T00:00:00Z","created_by":"COPY a / # buildkit","#,
            r#""comment":"buildkit.dockerfile.v0"}],"os":"linux","#,
            r#""rootfs":{"type":"layers","diff_ids":["sha256:"#,
            r#"a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3"]},"#,
            r#""variant":"v7","author":"me"}"#
        )
    );
}

#[test]
fn times_come_from_layers_only() {
    let history =
        vec![item("a", None), item("b", Some(0)), item("c", None), item("d", Some(1)), item("e", None)];
    let base = base(&[("base", true)], 1);
    let config =
        assemble(&target(Some(BaseId(0)), history), Some(&base), &layers(&[(0, 60), (1, 120)]), None)
            .unwrap();
    assert_eq!(
        summary(&config),
        [
            ("base", "2001-01-01T00:00:00Z", true),
            ("a", "1970-01-01T00:01:00Z", false),
            ("b", "1970-01-01T00:01:00Z", true),
            ("c", "1970-01-01T00:01:00Z", false),
            ("d", "1970-01-01T00:02:00Z", true),
            ("e", "1970-01-01T00:02:00Z", false),
        ]
    );
    assert_eq!(config.created.as_deref(), Some("1970-01-01T00:02:00Z"));
    assert_eq!(config.rootfs.diff_ids, [diff_id(1), diff_id(0xa0), diff_id(0xa1)]);
}

#[test]
fn an_epoch_is_the_time_of_all_that_is_new() {
    let history = vec![item("a", None), item("b", Some(0)), item("c", None)];
    let (target, base) = (target(Some(BaseId(0)), history), base(&[("base", true)], 1));
    let epoch = Some(Timestamp::new(5, 0).unwrap());
    let config = assemble(&target, Some(&base), &layers(&[(0, 60)]), epoch).unwrap();
    assert_eq!(
        summary(&config),
        [
            ("base", "2001-01-01T00:00:00Z", true),
            ("a", "1970-01-01T00:00:05Z", false),
            ("b", "1970-01-01T00:00:05Z", true),
            ("c", "1970-01-01T00:00:05Z", false),
        ]
    );
    assert_eq!(config.created.as_deref(), Some("1970-01-01T00:00:05Z"));
}

#[test]
fn without_layers_times_are_the_bases_or_none() {
    let history = vec![item("a", None)];
    let base = base(&[("base", true)], 1);
    let config =
        assemble(&target(Some(BaseId(0)), history.clone()), Some(&base), &BTreeMap::new(), None).unwrap();
    assert_eq!(config.created.as_deref(), Some("2001-01-01T00:00:00Z"));
    let config = assemble(&target(None, history), None, &BTreeMap::new(), None).unwrap();
    assert_eq!(config.created, None);
    assert_eq!(summary(&config), [("a", "-", false)]);
}

/// A base's history, how many layers it has, and the history that comes of it.
type Repair = (&'static [(&'static str, bool)], u8, &'static [(&'static str, &'static str, bool)]);

#[test]
fn base_history_is_put_right() {
    let cases: [Repair; 3] = [
        // More history than layers.
        (
            &[("x", true), ("y", false), ("z", true)],
            1,
            &[
                ("x", "2001-01-01T00:00:00Z", true),
                ("y", "2001-01-01T00:00:00Z", false),
                ("z", "2001-01-01T00:00:00Z", false),
            ],
        ),
        // More layers than history.
        (&[("x", true)], 2, &[("x", "2001-01-01T00:00:00Z", true), ("-", "2002-02-02T00:00:00Z", true)]),
        // No history at all.
        (&[], 1, &[("-", "2002-02-02T00:00:00Z", true)]),
    ];
    for (entries, layer_count, expected) in cases {
        let base = base(entries, layer_count);
        let target = target(Some(BaseId(0)), vec![item("new", Some(0))]);
        let config = assemble(&target, Some(&base), &layers(&[(0, 60)]), None).unwrap();
        let mut expected = expected.to_vec();
        expected.push(("new", "1970-01-01T00:01:00Z", true));
        assert_eq!(summary(&config), expected);
        let with_layer = config.history.iter().filter(|entry| !entry.empty_layer).count();
        assert_eq!(with_layer, config.rootfs.diff_ids.len());
    }
}

#[test]
fn a_step_without_a_layer_is_an_error() {
    let target = target(None, vec![item("RUN x # buildkit", Some(0))]);
    let error = assemble(&target, None, &BTreeMap::new(), None).unwrap_err();
    assert_eq!(error.to_string(), "no layer was made for `RUN x # buildkit`");
}

#[test]
fn manifest_describes_the_configs_bytes() {
    let config = assemble(&target(None, Vec::new()), None, &BTreeMap::new(), None).unwrap();
    let layer = Descriptor::new(MediaType::Layer, *diff_id(7).digest(), 1024);
    let manifest = manifest(&config, vec![layer.clone()]);
    assert_eq!(manifest.config.digest, Digest::of(&config.to_json()));
    assert_eq!(manifest.config.size, config.to_json().len() as u64);
    let read = Manifest::from_json(&manifest.to_json()).unwrap();
    assert_eq!(read, manifest);
    assert_eq!(read.layers, [layer]);
}

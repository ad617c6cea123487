//! `inspect -f`: what Docker's client prints of the same image.

use super::with_context;
use crate::support::env::Env;

/// A template and what it prints of an image that sets nothing.
const OF_A_BARE_IMAGE: &[(&str, &str)] = &[
    ("{{.Config.Labels.nope}}", "<no value>"),
    ("{{index .Config.Labels \"nope\"}}", ""),
    ("{{.Config.Labels}} {{json .Config.Labels}} {{len .Config.Labels}}", "map[] null 0"),
    ("{{.Config.Healthcheck}} {{json .Config.Healthcheck}}", "<nil> null"),
    ("{{.Config.Shell}} {{.Config.OnBuild}} {{.Config.Entrypoint}}", "[] [] []"),
    ("{{.Config.ExposedPorts}} {{.Config.Volumes}}", "map[] map[]"),
    ("{{.Config.StopTimeout}} {{.Config.Tty}} [{{.Config.Hostname}}]", "<nil> false []"),
    ("[{{.Author}}{{.Comment}}{{.Container}}{{.Parent}}{{.OsVersion}}]", "[buildkit.dockerfile.v0]"),
    ("{{eq .ID .Id}} {{.Descriptor.MediaType}}", "true application/vnd.oci.image.manifest.v1+json"),
    ("{{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{else}}none{{end}}", "none"),
];

#[test]
fn empty_fields_print_as_dockers() {
    let env = with_context("FROM scratch\nCOPY f /\n");
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    for (template, expected) in OF_A_BARE_IMAGE {
        let printed = env.strata(["inspect", "-f", template, "image"]).success().stdout;
        assert_eq!(printed, format!("{expected}\n"), "{template}");
    }
}

#[test]
fn fields_that_are_set_print_as_dockers() {
    let env = with_context(
        "FROM scratch\nLABEL a=1 b=\"two words\"\nEXPOSE 80 53/udp\nVOLUME /data\n\
         HEALTHCHECK --interval=90s CMD [\"true\"]\nCMD [\"a\", \"b\"]\nCOPY f /\n",
    );
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    for (template, expected) in [
        ("{{.Config.Labels}} {{.Config.Labels.a}}", "map[a:1 b:two words] 1"),
        ("{{.Config.ExposedPorts}} {{.Config.Volumes}}", "map[53/udp:{} 80/tcp:{}] map[/data:{}]"),
        ("{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck}}", "1m30s {[CMD true] 1m30s 0s 0s 0s 0}"),
        ("{{.Config.Cmd}} {{json .Config.Cmd}}", "[a b] [\"a\",\"b\"]"),
    ] {
        let printed = env.strata(["inspect", "-f", template, "image"]).success().stdout;
        assert_eq!(printed, format!("{expected}\n"), "{template}");
    }
}

#[test]
fn a_field_that_docker_does_not_have_is_named() {
    let env = Env::with_busybox();
    for (template, field) in [("{{.Confg}}", "`.Confg`"), ("{{.Config.Nope}}", "`.Config.Nope`")] {
        let output = env.strata(["inspect", "-f", template, "busybox"]).code(1);
        assert_eq!(output.stdout, "");
        assert!(
            output.stderr.starts_with("error: cannot use the template of `--format`\ncaused by: ")
                && output.stderr.contains(&format!("there is no field {field}; there are `")),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn formats_that_are_no_templates() {
    let env = Env::with_busybox();
    let indented = env.strata(["inspect", "busybox"]).success().stdout;
    assert_eq!(env.strata(["inspect", "-f", "", "busybox"]).success().stdout, indented);
    let compact = env.strata(["inspect", "-f", "json", "busybox"]).success().stdout;
    assert!(compact.starts_with("[{\"") && compact.lines().count() == 1, "{compact}");
    let parsed = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    assert_eq!(parsed(&compact), parsed(&indented));
}

#[test]
fn the_images_that_are_there_are_shown_and_all_others_named() {
    let env = Env::with_busybox();
    let output =
        env.strata(["inspect", "-f", "{{.RepoTags}}", "nope-1", "busybox", "nope-2", "busybox"]).code(1);
    assert_eq!(output.stdout, "[busybox:latest]\n[busybox:latest]\n");
    let errors: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        errors,
        ["error: there is no image `nope-1` in the store", "error: there is no image `nope-2` in the store"]
    );
}

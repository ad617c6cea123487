//! What templates print, and what is refused. Where the value allows it, the results are those of Docker's own
//! client.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn image() -> Value {
    json!({
        "Id": "sha256:0123",
        "RepoTags": ["a:1", "b:2"],
        "RepoDigests": null,
        "Size": 72_800_000_u64,
        "Ratio": 0.5,
        "Config": {
            "Env": ["PATH=/bin", "A=b c"],
            "Labels": {"x": "1", "y": "two"},
            "Cmd": null,
            "ExposedPorts": {"3000/tcp": {}},
            "User": "",
            "Healthy": true,
        },
        "RootFS": {"Type": "layers", "Layers": ["sha256:a<b"]},
    })
}

fn render(template: &str) -> Result<String, TemplateError> {
    Template::parse(template)?.render(&image(), Shape::Any)
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (template, text) in cases {
        assert_eq!(render(template).as_deref(), Ok(*text), "{template}");
    }
}

#[test]
fn fields_are_printed_as_go_does() {
    check(&[
        ("", ""),
        ("plain }} text", "plain }} text"),
        ("{{.Id}}", "sha256:0123"),
        ("{{ .Id }}\\n", "sha256:0123\\n"),
        ("{{.Config.Env}}", "[PATH=/bin A=b c]"),
        ("{{.Config.Labels}}", "map[x:1 y:two]"),
        ("{{.Config.Labels.x}}", "1"),
        ("{{.Config.Cmd}}", "<no value>"),
        ("{{.Config.ExposedPorts}}", "map[3000/tcp:map[]]"),
        ("{{.Size}} {{.Ratio}} {{.Config.Healthy}}", "72800000 0.5 true"),
        ("{{.RootFS}}", "map[Layers:[sha256:a<b] Type:layers]"),
        ("{{$.Id}} {{(.Config).User}}{{(index .RepoTags 0)}}", "sha256:0123 a:1"),
        (
            "{{1}} {{-7}} {{1.5}} {{1e3}} {{1e21}} {{0.00001}} {{true}} {{\"a\\tb\"}} {{`a\\b`}}",
            "1 -7 1.5 1000 1e+21 1e-05 true a\tb a\\b",
        ),
        ("{{\"\\x41\\u00e9\\\"\\\\\"}}", "Aé\"\\"),
    ]);
}

#[test]
fn types_say_what_empty_values_are() {
    const HEALTH: Shape = Shape::Struct(&[
        Field::new("Test", Shape::List(&Shape::Text)),
        Field::new("Interval", Shape::Duration),
    ]);
    const CONFIG: Shape = Shape::Struct(&[
        Field::new("Env", Shape::List(&Shape::Text)),
        Field::new("Labels", Shape::Map(&Shape::Text)),
        Field::new("Ports", Shape::Map(&Shape::Struct(&[]))),
        Field::new("Health", Shape::Pointer(&HEALTH)),
        Field::new("Tty", Shape::Truth),
    ]);
    const IMAGE: Shape = Shape::Struct(&[
        Field::renamed("ID", "Id", Shape::Text),
        Field::new("Author", Shape::Text),
        Field::new("Size", Shape::Number),
        Field::new("Config", Shape::Pointer(&CONFIG)),
        Field::new("Parent", Shape::Pointer(&CONFIG)),
    ]);
    let full = json!({
        "Id": "sha256:0123",
        "More": {"x": null},
        "Config": {
            "Labels": {"x": "1"},
            "Ports": {"80/tcp": {}},
            "Health": {"Interval": 90_500_000_000_u64},
        },
    });
    let empty = json!({"Id": "", "Config": {"Labels": null, "Health": null}});
    let render = |template: &str, value| match Template::parse(template).unwrap().render(value, IMAGE) {
        Ok(text) => text,
        Err(error) => error.kind.to_string(),
    };
    for (template, of_full, of_empty) in [
        ("{{.ID}}{{.Id}}", "sha256:0123sha256:0123", ""),
        ("{{.Author}}|{{.Size}}|{{.Config.Tty}}", "|0|false", "|0|false"),
        ("{{.Config.Env}}|{{json .Config.Env}}", "[]|null", "[]|null"),
        ("{{.Config.Labels}}|{{json .Config.Labels}}", "map[x:1]|{\"x\":\"1\"}", "map[]|null"),
        ("{{.Config.Labels.x}} {{.Config.Labels.nope}}", "1 <no value>", "<no value> <no value>"),
        ("{{with .Config}}{{index .Labels \"nope\"}}.{{len .Labels}}{{end}}", ".1", ".0"),
        ("{{.Config.Ports}} {{index .Config.Ports \"1/udp\"}}", "map[80/tcp:{}] {}", "map[] {}"),
        ("{{range $port, $_ := .Config.Ports}}{{$port}}{{end}}", "80/tcp", ""),
        ("{{.Config.Health}}", "{[] 1m30.5s}", "<nil>"),
        ("{{.Config.Health.Interval}}", "1m30.5s", "cannot take the field `.Config.Health.Interval` of nil"),
        ("{{.Parent}} {{json .Parent}}{{if .Parent}}x{{end}}", "<nil> null", "<nil> null"),
        ("{{println .Config.Env}}{{slice .Config.Env 0}}", "[]\n[]", "[]\n[]"),
        (
            "{{.More.x}}",
            "<no value>",
            "there is no field `.More`; there are `ID`, `Author`, `Size`, `Config`, `Parent`",
        ),
        (
            "{{.Config.Nope}}",
            "there is no field `.Config.Nope`; there are `Env`, `Labels`, `Ports`, `Health`, `Tty`",
            "there is no field `.Config.Nope`; there are `Env`, `Labels`, `Ports`, `Health`, `Tty`",
        ),
    ] {
        assert_eq!(
            (render(template, &full), render(template, &empty)),
            (of_full.to_owned(), of_empty.to_owned()),
            "{template}"
        );
    }
}

#[test]
fn durations_are_go_s() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (250_000_000, "250ms"),
        (30_000_000_000, "30s"),
        (60_000_000_000, "1m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (-90_000_000_000_i64, "-1m30s"),
    ] {
        assert_eq!(
            Template::parse("{{.}}").unwrap().render(&json!(nanos), Shape::Duration).as_deref(),
            Ok(text)
        );
    }
}

#[test]
fn json_is_compact_and_not_escaped_for_html() {
    check(&[
        ("{{json .RootFS}}", r#"{"Layers":["sha256:a<b"],"Type":"layers"}"#),
        ("{{json .RepoDigests}}{{json .Id}}", r#"null"sha256:0123""#),
        ("{{.Config.Env | json}}", r#"["PATH=/bin","A=b c"]"#),
        ("{{json .}}", &image().to_string()),
    ]);
}

#[test]
fn blocks_branch_and_repeat() {
    check(&[
        ("{{range .RepoTags}}{{.}} {{end}}", "a:1 b:2 "),
        ("{{range $i, $t := .RepoTags}}{{$i}}={{$t}};{{end}}", "0=a:1;1=b:2;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "x=1;y=two;"),
        ("{{range $t := .RepoTags}}{{$t}}{{.}}{{$.Size}} {{end}}", "a:1a:172800000 b:2b:272800000 "),
        ("{{range .RepoDigests}}x{{else}}none{{end}}", "none"),
        ("{{range $p, $_ := .Config.ExposedPorts}}{{$p}}{{end}}", "3000/tcp"),
        ("{{range split \"a,b\" \",\"}}<{{.}}>{{end}}", "<a><b>"),
        ("{{if .Config.User}}u{{else}}root{{end}}", "root"),
        ("{{if .Config.Cmd}}a{{else if .Config.Env}}b{{else}}c{{end}}", "b"),
        ("{{if false}}a{{else if false}}b{{else if true}}c{{else}}d{{end}}!", "c!"),
        ("{{with .Config.Labels}}{{.x}}{{end}}", "1"),
        ("{{with .Config.User}}{{.}}{{else}}nobody{{end}}", "nobody"),
        ("{{with $x := .Id}}{{$x}}{{.}}{{end}}", "sha256:0123sha256:0123"),
        ("{{with .Config.Cmd}}a{{else with .Id}}{{.}}{{end}}", "sha256:0123"),
        ("{{$x := .Id}}{{$x}}{{$x = 2}}{{$x}}", "sha256:01232"),
        ("{{$n := \"\"}}{{range .RepoTags}}{{$n = .}}{{end}}{{$n}}", "b:2"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
    ]);
}

#[test]
fn functions_are_go_s_and_docker_s() {
    check(&[
        ("{{index .Config.Labels \"x\"}}", "1"),
        ("{{index .Config.Labels \"none\"}}", ""),
        ("{{index .RepoTags 1}}", "b:2"),
        ("{{index .Config \"Env\" 0}}", "PATH=/bin"),
        ("{{index .Config.ExposedPorts \"80/tcp\"}}", "<no value>"),
        ("{{index .Config.Cmd \"x\"}}", ""),
        ("{{len .RepoTags}} {{len .Id}} {{len .Config.Labels}} {{len .RepoDigests}}", "2 11 2 0"),
        ("{{join .RepoTags \",\"}}", "a:1,b:2"),
        ("{{join .RepoDigests \",\"}}", ""),
        (
            "{{upper .Id}} {{lower \"AbC\"}} {{title \"two words it's x_y\"}}",
            "SHA256:0123 abc Two Words It'S X_y",
        ),
        ("{{split .Id \":\"}} {{split \"ab\" \"\"}}", "[sha256 0123] [a b]"),
        (
            "{{pad \"x\" 1 2}}|{{pad \"\" 1 2}}|{{truncate \"abcdef\" 3}}|{{truncate \"ab\" 9}}",
            " x  ||abc|ab",
        ),
        ("{{slice .Id 7}} {{slice .Id 7 9}} {{slice .RepoTags 1}}", "0123 01 [b:2]"),
        ("{{println .Id 1}}{{println}}", "sha256:0123 1\n\n"),
        ("{{print 1 2 \"a\" 3 4}}", "1 2a3 4"),
        (
            "{{eq 1 1}} {{eq .Id \"x\" \"sha256:0123\"}} {{ne 1 2}} {{eq .Config.Cmd nil}}",
            "true true true true",
        ),
        ("{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge \"b\" \"a\"}} {{lt 1 1.5}}", "true true false true true"),
        ("{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" \"x\"}} {{or 0 \"\"}} {{not 0}}", "0 2 x  true"),
        ("{{or true (index .RepoTags 99)}} {{and false (index .RepoTags 99)}}", "true false"),
        ("{{.Id | upper | printf \"%s!\"}}", "SHA256:0123!"),
        ("{{\",\" | join .RepoTags}}", "a:1,b:2"),
        ("{{if and (eq .Size 72800000) (not .Config.User)}}yes{{end}}", "yes"),
        ("{{(len .RepoTags) | printf \"%03d\"}}", "002"),
    ]);
}

#[test]
fn printf_formats() {
    check(&[
        ("{{printf \"%s %v %d%%\" .Id .RepoTags .Size}}", "sha256:0123 [a:1 b:2] 72800000%"),
        ("{{printf \"%q %x %X\" \"a\\n\\\"\" \"hi\" 255}}", "\"a\\n\\\"\" 6869 FF"),
        ("{{printf \"[%5s|%-5s|%05d|%+d|%.2s]\" \"ab\" \"ab\" -42 7 \"abc\"}}", "[   ab|ab   |-0042|+7|ab]"),
        ("{{printf \"%.2f %8.3f %e %t\" .Ratio .Ratio .Ratio true}}", "0.50    0.500 5.000000e-01 true"),
        ("{{printf \"%b %o %#x %v\" 5 8 255 nil}}", "101 10 0xff <nil>"),
    ]);
}

#[test]
fn trim_markers_and_comments_vanish() {
    check(&[
        ("a  {{- 1 -}}  b", "a1b"),
        ("a \n\t{{- 1}} b", "a1 b"),
        ("a {{1 -}} \n b", "a 1b"),
        ("a{{/* }} {{ */}}b", "ab"),
        ("a {{- /* x */ -}} b", "ab"),
        ("{{range .RepoTags -}}\n  {{.}}\n{{- end}}", "a:1b:2"),
    ]);
}

#[test]
fn mistakes_are_found_before_any_output() {
    use TemplateErrorKind as K;
    let unexpected = |found: &str, expected| K::Unexpected { found: found.to_owned(), expected };
    let unsupported = |word: &str| K::Unsupported { word: word.to_owned() };
    let value = "a value or a function";
    for (template, column, kind) in [
        ("ab{{.Id", 3, K::OpenAction),
        ("{{", 1, K::OpenAction),
        ("{{\"a}}", 3, K::OpenString),
        ("{{`a}}", 3, K::OpenString),
        ("{{/* a }}", 1, K::OpenComment),
        ("{{/* a */ }}", 1, K::OpenComment),
        ("{{\"\\q\"}}", 4, K::Escape { escape: "\\q".to_owned() }),
        ("{{\"\\xff\"}}", 4, K::Escape { escape: "\\xff".to_owned() }),
        ("{{1x}}", 3, K::Number { text: "1x".to_owned() }),
        ("{{0x1F}}", 3, K::Number { text: "0x1F".to_owned() }),
        ("{{.Id ! 1}}", 7, K::Character { found: '!' }),
        ("{{'a'}}", 3, unsupported("'…' (a character)")),
        ("{{}}", 3, unexpected("`}}`", value)),
        ("{{.Id | }}", 9, unexpected("`}}`", value)),
        ("{{.Id | .Size}}", 9, unexpected("value", "a function after `|`")),
        ("{{(.Id}}", 7, unexpected("`}}`", "`)`")),
        ("{{.Id)}}", 6, unexpected("`)`", "`}}`")),
        ("{{if .Id}}x", 1, K::NoEnd { keyword: "if" }),
        ("a{{range .Id}}x{{else}}y", 2, K::NoEnd { keyword: "range" }),
        ("{{if .Id}}{{else}}{{else}}{{end}}", 19, unexpected("`else`", "`end`")),
        ("{{end}}", 1, unexpected("`end`", "text or an action outside of blocks")),
        ("{{if}}{{end}}", 5, unexpected("`}}`", value)),
        ("{{template \"x\"}}", 3, unsupported("template")),
        ("{{range .RepoTags}}{{break}}{{end}}", 22, unsupported("break")),
        ("{{html .Id}}", 3, unsupported("html")),
        ("{{nope .Id}}", 3, K::Function { name: "nope".to_owned() }),
        ("{{json if}}", 8, unexpected("`if`", value)),
        ("{{$x}}", 3, K::Variable { name: "$x".to_owned() }),
        ("{{$x = 1}}", 3, K::Variable { name: "$x".to_owned() }),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", 32, K::Variable { name: "$x".to_owned() }),
        ("{{.Id 1}}", 3, K::NotAFunction { what: "the field `Id`".to_owned() }),
        ("{{3 -2}}", 3, K::NotAFunction { what: "a value".to_owned() }),
        ("{{json.Id}}", 7, unexpected("`.` behind `json`", "a space")),
    ] {
        assert_eq!(Template::parse(template).err(), Some(kind.at(column - 1)), "{template}");
    }
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(65), ")".repeat(65));
    assert_eq!(Template::parse(&deep).err().map(|error| error.kind), Some(K::Depth));
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_place() {
    for (template, message) in [
        (
            "x {{.Foo}}",
            "column 5: there is no field `.Foo`; there are `Config`, `Id`, `Ratio`, `RepoDigests`, `RepoTags`, `RootFS`, `Size`",
        ),
        ("{{.RootFS.Type.X}}", "column 15: cannot take the field `.RootFS.Type.X` of a string"),
        ("{{.Config.Cmd.X}}", "column 14: cannot take the field `.Config.Cmd.X` of nil"),
        ("{{index .RepoTags 2}}", "column 3: index 2 is out of range: the length is 2"),
        (
            "{{index .RepoTags \"a\"}}",
            "column 3: `index` cannot be used with a string: expected a whole number",
        ),
        ("{{index .Config.Labels 1}}", "column 3: `index` cannot be used with a number: expected a string"),
        ("{{index .Id 1}}", "column 3: `index` cannot be used with a string: expected a list or a map"),
        ("{{len}}", "column 3: `len` takes one argument, not 0"),
        ("{{json .Id .Id}}", "column 3: `json` takes one argument, not 2"),
        ("{{len 3}}", "column 3: `len` cannot be used with a number: expected a string, a list or a map"),
        ("{{upper .Size}}", "column 3: `upper` cannot be used with a number: expected a string"),
        ("{{slice .Id 5 2}}", "column 3: index 5:2 is out of range: the length is 11"),
        ("{{slice .Id -1}}", "column 3: index -1 is out of range: the length is 11"),
        ("{{eq .Id 1}}", "column 3: cannot compare a string with a number"),
        ("{{eq .RepoTags .RepoTags}}", "column 3: cannot compare a list with a list"),
        ("{{lt nil 1}}", "column 3: cannot compare nil with a number"),
        ("{{range .Id}}{{end}}", "column 9: cannot range over a string"),
        ("{{printf \"%d\" .Id}}", "column 3: `printf` cannot do `%d` with a string"),
        ("{{printf \"%5z\" .Id}}", "column 3: `printf` cannot do `%5z`"),
        ("{{printf \"%99999s\" .Id}}", "column 3: `printf` cannot do `%99999s`"),
        ("{{printf \"%\" .Id}}", "column 3: `printf` cannot do `%`"),
        (
            "{{printf \"%s\"}}",
            "column 3: `printf` cannot be used with too few arguments: expected one for each verb",
        ),
        (
            "{{printf \"x\" 1}}",
            "column 3: `printf` cannot be used with too many arguments: expected one for each verb",
        ),
    ] {
        let error = render(template).unwrap_err().to_string();
        assert_eq!(error, format!("the format has an error at {message}"), "{template}");
    }
}

#[test]
fn list_formats_have_escapes_outside_of_strings() {
    assert_eq!(unescape_list_format(r" {{.Id}}\t{{.Tag}}\n "), "{{.Id}}\t{{.Tag}}\n");
}

proptest! {
    #[test]
    fn any_template_ends_without_a_panic(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("{{"), Just("}}"), Just("{{- "), Just(" -}}"), Just("."), Just(".Config"), Just(".Id "),
                Just("$x"), Just(" := "), Just(", "), Just("("), Just(")"), Just(" | "), Just("if "), Just("range "),
                Just("with "), Just("else "), Just("end"), Just("json "), Just("index "), Just("slice "), Just("printf "),
                Just("\"%5.1s\""), Just("\"é\""), Just("`"), Just("0"), Just("-1 "), Just("9e99 "), Just("/*"), Just("*/"),
                Just("truncate "), Just("\\"), Just("\n"), Just("é"),
            ],
            0..14,
        )
    ) {
        let _ = render(&pieces.concat());
    }
}

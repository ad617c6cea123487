//! Looking for images, and the settings that say where.

use std::fs;

use serde_json::json;

use crate::support::env::Env;
use crate::support::flaky::Flaky;
use crate::support::http;
use crate::support::registry::{Auth, Kind, PASSWORD, Registry, USER};

/// A settings file that sends Docker Hub's search elsewhere; what is unknown in it is told.
fn settings(env: &Env, location: &str) -> String {
    let path = env.path("registries.conf");
    let text = format!("[[registry]]\nprefix = \"index.docker.io\"\nlocation = \"{location}\"\ncolour = 1\n");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What Docker Hub answers to a search for `node` of at most 3.
#[expect(clippy::unnecessary_wraps, reason = "servers of the tests answer so")]
fn hub(request: &http::Request) -> std::io::Result<Vec<u8>> {
    let result = |name: &str, description: &str, stars, official| {
        json!({"name": name, "description": description, "star_count": stars, "is_official": official,
               "is_automated": false, "is_trusted": false})
    };
    let long = "Node.js is a JavaScript-based platform for\nserver-side and networking applications.";
    let all = [
        result("node", long, 13_000, true),
        result("me/node", "", 2, false),
        result("x/node", "x", 7, false),
    ];
    Ok(if request.path == "/v1/search" && request.query == "q=node&n=3" {
        http::json("200 OK", &json!({"num_results": 3, "query": "node", "results": all}))
    } else {
        http::status("404 Not Found")
    })
}

#[test]
fn docker_hub_is_searched() {
    let env = Env::new();
    let server = http::serve(hub);
    let settings = settings(&env, &server.to_string());
    let search = |args: &[&str]| {
        let all = [&["search", "--registry-config", &settings, "--limit", "3"], args, &["node"]].concat();
        env.strata(all).success()
    };
    let found = search(&[]);
    assert_eq!(
        found.stdout,
        "\
NAME      DESCRIPTION                                     STARS     OFFICIAL
node      Node.js is a JavaScript-based platform for s…   13000     [OK]
me/node                                                   2         
x/node    x                                               7         
"
    );
    assert_eq!(
        found.stderr,
        "warning: `registry[0].colour` in `[DIR]/registries.conf` is not known and not followed\n"
    );
    for (args, expected) in [
        (&["--format", "{{.Name}}", "--filter", "stars=5"][..], "node\nx/node\n"),
        (&["--format", "{{.Name}}", "--filter", "stars=3", "--filter", "is-official=false"], "x/node\n"),
        (
            &["--format", "{{.Description}}", "--no-trunc", "--filter", "is-official=true"],
            "Node.js is a JavaScript-based platform for server-side and networking applications.\n",
        ),
        (
            &["--format", "json", "--filter", "stars=2", "--filter", "stars=7", "--filter", "is-official=0"],
            "{\"Description\":\"x\",\"IsAutomated\":\"false\",\"IsOfficial\":\"false\",\"Name\":\"x/node\",\"StarCount\":\"7\"}\n",
        ),
    ] {
        assert_eq!(search(args).stdout, expected, "{args:?}");
    }
}

#[test]
fn other_registries_list_their_names_page_by_page() {
    let registry = Registry::plain();
    registry.make_repositories((0..1001).map(|i| format!("team/app-{i:04}")).chain(["other".to_owned()]));
    let flaky = Flaky::start(registry.host());
    let env = Env::new();
    let host = flaky.host();
    let search = |args: &[&str], text: &str| {
        let term = format!("{host}/{text}");
        let all = [&["search", "--format", "{{.Name}}"], args, &[&term]].concat();
        env.strata(all).success().stdout
    };
    assert_eq!(search(&[], "app-1000"), format!("{host}/team/app-1000\n"));
    assert_eq!(flaky.count("GET", "/v2/_catalog"), 2);
    flaky.take_seen();
    assert_eq!(search(&["--limit", "1"], "app-000"), format!("{host}/team/app-0000\n"));
    assert_eq!(flaky.count("GET", "/v2/_catalog"), 1, "enough was found on the first page");
    assert_eq!(search(&[], "nothing"), "");
}

#[test]
fn what_cannot_be_searched_says_why() {
    let env = Env::new();
    let closed = Registry::start(Kind { auth: Auth::Password, ..Kind::default() });
    let host = closed.host();
    let refused = env.strata(["search", &format!("{host}/x")]).code(1).stderr;
    assert!(refused.ends_with(&format!("help: log in: `strata login {host}`\n")), "{refused}");
    let _ = env.strata(["login", "-u", USER, "-p", PASSWORD, host]).success();
    let _ = env.strata(["search", &format!("{host}/x")]).success();

    let silent = http::serve(|_| Ok(http::status("404 Not Found")));
    let none = env.strata(["search", &format!("{silent}/x")]).code(1).stderr;
    assert_eq!(none, format!("error: `{silent}` does not list its repositories\n"));

    for (args, expected) in [
        (&["--limit", "101", "x"][..], "101 is not in 1..=100"),
        (
            &["--filter", "size=1", "x"],
            "error: `--filter size=1`: there is no such filter\nhelp: there are `stars=N`",
        ),
        (&["--format", "{{.Nmae}}", "x"], "there is no field `.Nmae`"),
        (
            &["--registry-config", "no.conf", "x"],
            "error: cannot read the settings of registries in `no.conf`",
        ),
    ] {
        let stderr = env.strata([&["search"], args].concat()).code(1).stderr;
        assert!(stderr.contains(expected), "{args:?}\n{stderr}");
    }
}

#[test]
fn what_is_blocked_is_not_asked() {
    let env = Env::new();
    let registry = Registry::plain();
    let flaky = Flaky::start(registry.host());
    let text = format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", flaky.host());
    fs::write(env.context(".config/containers").join("registries.conf"), text).unwrap();
    let name = flaky.name("x");
    let stderr = env.strata(["search", &name]).code(1).stderr;
    let place = "`[DIR]/.config/containers/registries.conf`, line 1";
    assert!(stderr.starts_with(&format!("error: `{}` is blocked by {place}\n", flaky.host())), "{stderr}");
    assert!(flaky.take_seen().is_empty());
}

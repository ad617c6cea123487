//! The page of `layers --html`, in a browser.

use std::fs;
use std::process::Command;

use crate::support::env::Env;

/// The page as the browser has it when its script has run.
fn loaded(env: &Env, page: &str) -> String {
    let mut browser = Command::new("chromium-headless-shell");
    // Root's browser has no sandbox of its own. Its time is virtual: it ends when nothing is left to be done.
    browser.args(["--no-sandbox", "--dump-dom", "--virtual-time-budget=5000", "--window-size=1200,900"]);
    browser.arg(format!("--user-data-dir={}", env.path("profile").display()));
    browser.arg(format!("file://{}", env.path(page).display())).env("HOME", env.path("."));
    let output = browser.output().expect("the browser is missing: apt-get install chromium-headless-shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_draws_the_image_whatever_its_files_are_called() {
    let env = Env::with_busybox();
    env.dockerfile(
        "context",
        "FROM busybox\n\
         RUN mkdir '/<' && cd / && for name in '<img src=x onerror=document.body.dataset.owned=1>' \
         '</script><script>document.body.dataset.owned=1;' '{{data}}' '\"quoted\" & more'; do \
         head -c 300000 /dev/zero >\"$name\"; done\n\
         RUN rm '/{{data}}'\n",
    );
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let said = env.strata(["layers", "--html", "page.html", "image"]).success();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", "written to page.html\n"));
    let text = fs::read_to_string(env.path("page.html")).unwrap();
    for outside in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!text.contains(outside), "{outside}");
    }
    let page = loaded(&env, "page.html");
    assert!(!page.contains("data-owned"), "a name of a file has been taken for a part of the page");
    let cells = |text: &str| page.matches(text).count();
    assert!(cells("class=\"cell") >= 8, "{page}");
    for shown in [
        "<span>Layer 1<em>",
        "<span>&lt;img src=x onerror=document.body.dataset.owned=1&gt;<em>300kB</em></span>",
        "<span>script&gt;&lt;script&gt;document.body.dataset.owned=1;<em>300kB</em></span>",
        "<span>\"quoted\" &amp; more<em>300kB</em></span>",
        "<code>/{{data}}</code></td><td>",
    ] {
        assert!(page.contains(shown), "{shown}\n{page}");
    }
    assert_eq!(cells("class=\"cell waste\""), 1, "{page}");
}

#[test]
fn an_image_without_files_has_a_page() {
    let env = Env::new();
    env.dockerfile("context", "FROM scratch\nLABEL a=b\n");
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let _ = env.strata(["layers", "--html", "page.html", "image"]).success();
    let page = loaded(&env, "page.html");
    assert!(page.contains("data-cells=\"0\"") && page.contains("<h1>image:latest</h1>"), "{page}");
}

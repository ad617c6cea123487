//! Caches of package managers that a layer of the image keeps.

use crate::lint::shell::Simple;
use crate::lint::stage::At;
use crate::lint::{Findings, rule};

use super::{RunAt, apt};

/// A package manager whose cache is of no use in an image.
struct Manager {
    /// Whether a command fills the cache.
    fills: fn(&Simple) -> bool,
    /// Whether a command empties it.
    empties: fn(&Simple) -> bool,
    /// Parts of the targets of cache mounts that keep it out of the layer.
    mounts: &'static [&'static str],
    /// Words that switch it off wherever they stand in the RUN.
    off: &'static [&'static str],
    /// A variable that switches it off.
    variable: Option<&'static str>,
    /// Words to mark.
    mark: &'static [&'static str],
    what: &'static str,
    help: &'static str,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        fills: |simple| apt(simple) == Some("update"),
        empties: |simple| removes(simple, &["/var/lib/apt"]),
        mounts: &["/var/lib/apt"],
        off: &[],
        variable: None,
        mark: &["apt-get update", "apt update"],
        what: "the package lists in `/var/lib/apt/lists` stay in the layer",
        help: "end the RUN with `&& rm -rf /var/lib/apt/lists/*`, or keep them beside the image: `RUN --mount=type=cache,target=/var/lib/apt --mount=type=cache,target=/var/cache/apt …`",
    },
    Manager {
        fills: |simple| {
            simple.program() == "apk" && matches!(simple.verb(&["-X", "--repository"]), Some("add"))
        },
        empties: |simple| removes(simple, &["/var/cache/apk"]) || simple.has("clean"),
        mounts: &["/var/cache/apk", "/etc/apk/cache"],
        off: &["--no-cache"],
        variable: None,
        mark: &["apk add", "apk"],
        what: "the package index in `/var/cache/apk` stays in the layer",
        help: "write `apk add --no-cache …`",
    },
    Manager {
        fills: |simple| {
            matches!(simple.program(), "dnf" | "yum" | "microdnf")
                && matches!(simple.verb(&["-c", "--enablerepo"]), Some("install" | "update" | "upgrade"))
        },
        empties: |simple| {
            matches!(simple.program(), "dnf" | "yum" | "microdnf") && simple.has("clean")
                || removes(simple, &["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"])
        },
        mounts: &["/var/cache"],
        off: &[],
        variable: None,
        mark: &["microdnf", "dnf", "yum"],
        what: "the package index in `/var/cache` stays in the layer",
        help: "end the RUN with `&& dnf clean all`, or keep it beside the image: `RUN --mount=type=cache,target=/var/cache/dnf …`",
    },
    Manager {
        fills: |simple| pip(simple).is_some_and(|verb| verb == "install"),
        empties: |simple| removes(simple, &[".cache"]) || pip(simple).is_some_and(|verb| verb == "cache"),
        mounts: &["pip", ".cache"],
        off: &["--no-cache-dir", "PIP_NO_CACHE_DIR"],
        variable: Some("PIP_NO_CACHE_DIR"),
        mark: &["pip install", "pip3 install", "pip"],
        what: "the downloads in `~/.cache/pip` stay in the layer",
        help: "write `pip install --no-cache-dir …`, or keep them beside the image: `RUN --mount=type=cache,target=/root/.cache/pip pip install …`",
    },
    Manager {
        fills: |simple| simple.program() == "npm" && matches!(simple.verb(&[]), Some("install" | "i" | "ci")),
        empties: |simple| {
            removes(simple, &[".npm", "npm-cache"])
                || simple.program() == "npm" && simple.has("cache") && simple.has("clean")
        },
        mounts: &["npm"],
        off: &["--cache", "npm_config_cache"],
        variable: Some("npm_config_cache"),
        mark: &["npm ci", "npm install", "npm"],
        what: "the downloads in `~/.npm` stay in the layer",
        help: "keep them beside the image: `RUN --mount=type=cache,target=/root/.npm npm …`",
    },
];

/// What a `pip` does.
fn pip(simple: &Simple) -> Option<&str> {
    let program = simple.program();
    if program.starts_with("pip") && program[3..].bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return simple.verb(&[]);
    }
    match simple.arguments() {
        [flag, module, verb, ..] if program.starts_with("python") && flag == "-m" && module == "pip" => {
            Some(verb)
        }
        _ => None,
    }
}

fn removes(simple: &Simple, places: &[&str]) -> bool {
    matches!(simple.program(), "rm" | "find")
        && simple.arguments().iter().any(|argument| places.iter().any(|place| argument.contains(place)))
}

pub(super) fn check(at: &At<'_, '_>, run: &RunAt<'_>, findings: &mut Findings) {
    // A RUN that only fetches the lists has a worse fault, and a script may well clean up.
    if super::updates_alone(run) || run.commands.iter().any(super::is_opaque) {
        return;
    }
    let text = at.facts.text(at.span());
    for manager in &MANAGERS {
        let is_off = manager.off.iter().any(|word| text.contains(word))
            || manager.variable.is_some_and(|name| at.state.scope.get(name).is_some())
            || run.caches(manager.mounts);
        let fills = run.commands.iter().any(|simple| (manager.fills)(simple));
        if fills && !is_off && !run.commands.iter().any(|simple| (manager.empties)(simple)) {
            findings
                .add(&rule::PACKAGE_CACHE_IN_LAYER, at.span(), at.place_of(manager.mark), manager.what)
                .help(manager.help);
        }
    }
}

//! Rules about secrets: what an image or its history would show to everybody.

use std::fs::File;
use std::io::Read as _;

use crate::diagnostic::Span;
use crate::dockerfile::ast::{Files, InstructionKind};
use crate::dockerfile::word::Word;
use crate::tree::TreePath;

use super::context::{Local, copied_whole};
use super::stage::At;
use super::{Findings, rule};

/// Words of a name that say that its value is secret (BuildKit's).
const SECRET_WORDS: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];

/// Words of a name that say that it is not, whatever the others are (BuildKit's).
const PUBLIC_WORDS: [&str; 3] = ["public", "file", "version"];

/// How values begin that are keys or tokens, how long the rest is at least, and what they are.
const TOKENS: [(&str, usize, &str); 20] = [
    ("AKIA", 16, "an access key of AWS"),
    ("ASIA", 16, "an access key of AWS"),
    ("ghp_", 30, "a token of GitHub"),
    ("gho_", 30, "a token of GitHub"),
    ("ghs_", 30, "a token of GitHub"),
    ("ghu_", 30, "a token of GitHub"),
    ("github_pat_", 40, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("npm_", 36, "a token of npm"),
    ("pypi-AgEI", 40, "a token of PyPI"),
    ("xoxb-", 20, "a token of Slack"),
    ("xoxp-", 20, "a token of Slack"),
    ("sk_live_", 20, "a key of Stripe"),
    ("rk_live_", 20, "a key of Stripe"),
    ("sk-ant-", 40, "a key of Anthropic"),
    ("sk-proj-", 40, "a key of OpenAI"),
    ("AIza", 35, "a key of Google"),
    ("hf_", 30, "a token of Hugging Face"),
    ("dckr_pat_", 20, "a token of Docker Hub"),
    ("SG.", 60, "a key of SendGrid"),
];

pub(super) fn check(at: &At<'_, '_>, findings: &mut Findings) {
    match &at.instruction.kind {
        InstructionKind::Arg(arg) => {
            for item in &arg.items {
                name(at, "ARG", &item.name, findings);
                if let Some(default) = &item.default {
                    value(at, default, findings);
                }
            }
        }
        InstructionKind::Env(pairs) => {
            for pair in &pairs.pairs {
                name(at, "ENV", &pair.key, findings);
                value(at, &pair.value, findings);
            }
        }
        InstructionKind::Copy(copy) if copy.from.is_none() => files(at, &copy.files, findings),
        InstructionKind::Add(add) => files(at, &add.files, findings),
        _ => {}
    }
}

fn name(at: &At<'_, '_>, instruction: &str, word: &Word, findings: &mut Findings) {
    let Ok(name) = at.state.scope.expand(word) else { return };
    let name = name.text;
    let has =
        |known: &[&str]| name.split('_').any(|part| known.iter().any(|word| part.eq_ignore_ascii_case(word)));
    if has(&SECRET_WORDS) && !has(&PUBLIC_WORDS) {
        let message =
            format!("Do not use ARG or ENV instructions for sensitive data ({instruction} \"{name}\")");
        findings.add(&rule::SECRETS_USED_IN_ARG_OR_ENV, at.span(), word.span, message).help(format!(
            "give it to the commands that need it: `RUN --mount=type=secret,id={name},env={name} …`"
        ));
    }
}

fn value(at: &At<'_, '_>, word: &Word, findings: &mut Findings) {
    let Ok(value) = at.state.scope.expand(word) else { return };
    let value = value.text.trim();
    let what = if value.contains("PRIVATE KEY-----") {
        Some("a private key")
    } else {
        TOKENS.iter().find(|(prefix, length, _)| is_token(value, prefix, *length)).map(|(_, _, what)| *what)
    };
    if let Some(what) = what {
        let keyword = at.instruction.kind.keyword();
        findings
            .add(&rule::SECRET_VALUE, at.span(), word.span, format!("this looks like {what}, which the image's history shows to everybody"))
            .help("revoke it, and give the new one to the commands that need it: `RUN --mount=type=secret,id=…,env=… …`")
            .note(format!("the values of {keyword} are part of the image"));
    }
}

/// Whether a value is `prefix` and at least so many letters and digits, not all of them the same (as in an example).
fn is_token(value: &str, prefix: &str, length: usize) -> bool {
    let Some(rest) = value.strip_prefix(prefix) else { return false };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let first = rest.bytes().next();
    rest.len() >= length && rest.bytes().all(allowed) && rest.bytes().any(|b| Some(b) != first)
}

fn files(at: &At<'_, '_>, files: &Files, findings: &mut Findings) {
    for word in &files.sources {
        let Ok(source) = at.state.scope.expand(word) else { continue };
        if source.text.contains("://") {
            continue;
        }
        let local = Local::new(at.facts);
        if copied_whole(&source.text) {
            for name in local.top_level_files() {
                file(at, &local, &name, word.span, true, findings);
            }
        } else {
            file(at, &local, &source.text, word.span, false, findings);
        }
    }
}

/// Reports the file of the context at `path` if it holds secrets, as far as can be told.
fn file(at: &At<'_, '_>, local: &Local<'_>, path: &str, place: Span, along: bool, findings: &mut Findings) {
    let Some(kind) = Kind::of(path) else { return };
    let path = TreePath::clean(path.as_bytes());
    if local.hides(&path) || kind.proof().is_some_and(|proof| !holds(local, &path, proof)) {
        return;
    }
    let shown = path.as_path().display();
    let message = if along {
        format!("this takes `{shown}` along, {}, which stays in the layer", kind.words())
    } else {
        format!("`{shown}` is {}, which stays in the layer even if it is removed later", kind.words())
    };
    let finding = findings.add(&rule::SECRET_FILE_COPIED, at.span(), place, message);
    if along {
        finding.help(format!("add a line `{shown}` to `.dockerignore`"));
    } else {
        finding.help(format!(
            "mount it where it is needed: `RUN --mount=type=secret,id={}` with `--secret id={0},src={shown}`",
            String::from_utf8_lossy(path.name()).trim_start_matches('.')
        ));
    }
}

/// Kinds of files that hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Environment,
    PrivateKey,
    MaybeKey,
    MaybeLogin,
    Login,
}

impl Kind {
    /// What a file of this name is.
    fn of(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let name = path.rsplit('/').next().unwrap_or_default();
        let below = |directory: &str| path == directory || path.ends_with(&format!("/{directory}"));
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match name {
            ".env" => Some(Self::Environment),
            "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" | ".ssh" => Some(Self::PrivateKey),
            ".npmrc" | ".pypirc" | ".yarnrc.yml" => Some(Self::MaybeLogin),
            ".netrc" | ".git-credentials" | ".pgpass" | "kubeconfig" | ".aws" | ".kube" => Some(Self::Login),
            _ if below(".aws/credentials") || below(".kube/config") || below(".docker/config.json") => {
                Some(Self::Login)
            }
            _ if name.strip_prefix(".env.").is_some_and(is_real_environment) => Some(Self::Environment),
            _ if matches!(extension, "pem" | "key") => Some(Self::MaybeKey),
            _ if matches!(extension, "p12" | "pfx") => Some(Self::PrivateKey),
            _ => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Environment => "a file of settings that are mostly secret",
            Self::PrivateKey | Self::MaybeKey => "a private key",
            Self::MaybeLogin | Self::Login => "a file with somebody's login",
        }
    }

    /// Words, one of which must be in the file, for names that harmless files have, too.
    fn proof(self) -> Option<&'static [&'static str]> {
        match self {
            Self::MaybeKey => Some(&["PRIVATE KEY-----"]),
            Self::MaybeLogin => Some(&["_auth", "_password", "password", "npmAuthToken"]),
            Self::Environment | Self::PrivateKey | Self::Login => None,
        }
    }
}

/// Whether `.env.REST` is not an example without values.
fn is_real_environment(rest: &str) -> bool {
    !["example", "sample", "template", "dist", "defaults", "test"].iter().any(|word| rest.contains(word))
}

/// Whether the beginning of a file has one of the words. What cannot be read has none.
fn holds(local: &Local<'_>, path: &TreePath, words: &[&str]) -> bool {
    const MOST: u64 = 64 << 10;
    let Some(root) = local.root() else { return false };
    let path = root.join(path.as_path());
    // Opening a pipe would wait for somebody to write.
    if !path.is_file() {
        return false;
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    read.is_ok() && words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_secrets() {
        let secret = [
            ".env",
            "conf/.env.production",
            "id_rsa",
            ".ssh/",
            "~/.aws/credentials",
            "tls/server.pem",
            ".npmrc",
        ];
        let harmless =
            [".env.example", "id_rsa.pub", "credentials.md", "environment", "Dockerfile", "key", ""];
        for name in secret {
            assert!(Kind::of(name).is_some(), "{name}");
        }
        for name in harmless {
            assert_eq!(Kind::of(name), None, "{name}");
        }
    }

    #[test]
    fn tokens_are_told_from_examples() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        assert!(is_token(&token, "ghp_", 30));
        assert!(!is_token("ghp_short", "ghp_", 30));
        assert!(!is_token(&format!("ghp_{}", "x".repeat(36)), "ghp_", 30));
        assert!(!is_token(&format!("{token} and more"), "ghp_", 30));
    }
}

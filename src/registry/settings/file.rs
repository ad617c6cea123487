//! A file of settings: the second form of `containers-registries.conf(5)`, in TOML.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::error::{Place, SettingsError, UnknownSetting};
use super::rule::{Mirror, MirrorUse, Prefix, Rule};

/// The keys of a file. Those besides `registry` are about names that do not say which registry they are of; names are
/// completed as Docker does it here, so that there is nothing to follow.
const FILE_KEYS: [&str; 4] = ["registry", "unqualified-search-registries", "short-name-mode", "aliases"];
/// The keys of a registry.
const REGISTRY_KEYS: [&str; 6] =
    ["prefix", "location", "insecure", "blocked", "mirror-by-digest-only", "mirror"];
/// The keys of a mirror.
const MIRROR_KEYS: [&str; 3] = ["location", "insecure", "pull-from-mirror"];

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<Spanned<RegistryTable>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistryTable {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<MirrorTable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<PullFromMirror>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFromMirror {
    All,
    DigestOnly,
    TagOnly,
}

/// Reads a file: its rules, and what of it says nothing to us.
pub(super) fn read(path: &Path) -> Result<(Vec<Rule>, Vec<UnknownSetting>), SettingsError> {
    let text =
        fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    let file = File { path, text: &text };
    let wrong =
        |error: &toml::de::Error| file.wrong(error.span().map_or(0, |span| span.start), error.message());
    let document: Document = toml::from_str(&text).map_err(|error| wrong(&error))?;
    let table: Table = toml::from_str(&text).map_err(|error| wrong(&error))?;
    let rules = document.registry.into_iter().map(|table| file.rule(table)).collect::<Result<_, _>>()?;
    Ok((rules, file.unknown(&table)))
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        Place { path: self.path.to_owned(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }

    fn wrong(&self, offset: usize, reason: impl Into<String>) -> SettingsError {
        SettingsError::Wrong { place: self.place(offset), reason: reason.into() }
    }

    fn rule(&self, table: Spanned<RegistryTable>) -> Result<Rule, SettingsError> {
        let offset = table.span().start;
        let table = table.into_inner();
        let location = table.location.map(|text| self.location(offset, &text)).transpose()?;
        let prefix = match table.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => Prefix::new(&self.location(offset, prefix)?),
            None => match &location {
                Some(location) => Prefix::new(location),
                None => return Err(self.wrong(offset, "a registry has neither `prefix` nor `location`")),
            },
        };
        if matches!((&prefix, &location), (Prefix::Subdomains(_), Some(location)) if location.starts_with('*'))
        {
            return Err(self.wrong(offset, "a `location` cannot begin with `*`"));
        }
        let only = |mirror: &MirrorTable| match (&mirror.pull_from_mirror, table.mirror_by_digest_only) {
            (None, true) => Ok(MirrorUse::DigestOnly),
            (None | Some(PullFromMirror::All), false) => Ok(MirrorUse::Always),
            (Some(PullFromMirror::DigestOnly), false) => Ok(MirrorUse::DigestOnly),
            (Some(PullFromMirror::TagOnly), false) => Ok(MirrorUse::TagOnly),
            (Some(_), true) => Err(self.wrong(
                offset,
                "`mirror-by-digest-only` and `pull-from-mirror` cannot both say when a mirror is used",
            )),
        };
        let mirror = |mirror: &MirrorTable| {
            let location = self.location(offset, &mirror.location)?;
            Ok(Mirror { location, insecure: mirror.insecure, used: only(mirror)? })
        };
        Ok(Rule {
            mirrors: table.mirror.iter().map(mirror).collect::<Result<_, SettingsError>>()?,
            prefix,
            location,
            insecure: table.insecure,
            blocked: table.blocked,
            place: self.place(offset),
        })
    }

    /// A host with an optional port and path.
    fn location(&self, offset: usize, text: &str) -> Result<String, SettingsError> {
        let trimmed = text.trim_end_matches('/');
        if text.contains("://") {
            return Err(
                self.wrong(offset, format!("`{text}` has a scheme; write a host with an optional path"))
            );
        }
        let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '\\');
        if trimmed.is_empty() || trimmed.starts_with('/') || trimmed.contains(bad) {
            return Err(self.wrong(offset, format!("`{text}` is not a host with an optional path")));
        }
        Ok(trimmed.to_owned())
    }

    fn unknown(&self, table: &Table) -> Vec<UnknownSetting> {
        let mut found = Vec::new();
        self.note(&mut found, "", table, &FILE_KEYS);
        for (i, registry) in tables(table.get("registry")) {
            let place = format!("registry[{i}].");
            self.note(&mut found, &place, registry, &REGISTRY_KEYS);
            for (j, mirror) in tables(registry.get("mirror")) {
                self.note(&mut found, &format!("{place}mirror[{j}]."), mirror, &MIRROR_KEYS);
            }
        }
        found
    }

    fn note(&self, found: &mut Vec<UnknownSetting>, place: &str, table: &Table, known: &[&str]) {
        let unknown = table.keys().filter(|key| !known.contains(&key.as_str()));
        found.extend(
            unknown.map(|key| UnknownSetting { path: self.path.to_owned(), key: format!("{place}{key}") }),
        );
    }
}

/// The tables of an array of tables.
fn tables(value: Option<&Value>) -> impl Iterator<Item = (usize, &Table)> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.enumerate().filter_map(|(i, item)| Some((i, item.as_table()?)))
}

//! Which attestations a build makes, and the flags that say so: `--attest`, `--provenance` and `--sbom`.

use std::collections::BTreeMap;

use crate::attest::{Mode, Version};
use crate::oci::{Reference, ReferenceError};

use super::super::output::csv::{self, CsvError};

/// The generator that is asked for an SBOM if no other is named, as in BuildKit.
const DEFAULT_GENERATOR: &str = "docker/buildkit-syft-scanner:stable-1";

/// What a file with the provenance is called.
const PROVENANCE_FILE: &str = "provenance.json";

/// What provenance may be told, for errors.
const PROVENANCE_ATTRIBUTES: &str =
    "mode, version, builder-id, reproducible, inline-only, filename and disabled";

/// The attestations of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttestRequest {
    /// How it was made.
    pub provenance: Option<ProvenanceSpec>,
    /// What is in it.
    pub sbom: Option<SbomSpec>,
}

/// A provenance as the user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenanceSpec {
    /// How much it says.
    pub mode: Mode,
    /// In which version of SLSA's format.
    pub version: Version,
    /// Who builds, a URI; empty if that is not said.
    pub builder: String,
    /// Whether the user says that the build can be made again, bit by bit; `None` if nothing was said.
    pub reproducible: Option<bool>,
    /// Whether it goes with images only.
    pub inline_only: bool,
    /// What a file with it is called.
    pub file_name: String,
}

/// An SBOM as the user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomSpec {
    /// The image whose command makes it.
    pub generator: Reference,
    /// What it is told, by the names of its variables without BuildKit's prefix.
    pub parameters: BTreeMap<String, String>,
}

/// A flag about attestations cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{flag}` is wrong: {problem}")]
pub struct AttestError {
    flag: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error("it has no `type`; there are provenance and sbom")]
    NoType,
    #[error("there is no type `{0}`; there are provenance and sbom")]
    Type(String),
    #[error("`{0}` is not `name=value`")]
    Word(String),
    #[error("`{0}` stands twice")]
    Twice(String),
    #[error("`{0}` must be `true` or `false`, not `{1}`")]
    Bool(String, String),
    #[error("`mode` must be `min` or `max`, not `{0}`")]
    Mode(String),
    #[error("`version` must be `v1` or `v0.2`, not `{0}`")]
    Version(String),
    #[error("`filename` must be the name of a file, not `{0}`")]
    FileName(String),
    #[error(transparent)]
    Generator(#[from] ReferenceError),
    #[error("provenance has no attribute `{0}`; there are {PROVENANCE_ATTRIBUTES}")]
    ProvenanceAttribute(String),
    #[error(
        "an SBOM has no attribute `{0}`; there are generator and disabled, and names in capitals for the generator"
    )]
    SbomAttribute(String),
    #[error("the {0} is said by another flag already")]
    TypeTwice(&'static str),
}

impl AttestRequest {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.provenance.is_none() && self.sbom.is_none()
    }

    /// Reads the values of `--attest`, and those of `--provenance` and `--sbom`.
    pub fn parse(
        attest: &[String],
        provenance: Option<&str>,
        sbom: Option<&str>,
    ) -> Result<Self, AttestError> {
        let typed = attest.iter().map(|text| (format!("--attest {text}"), text.clone()));
        let short = |flag: &str, kind: &str, text: Option<&str>| {
            text.map(|text| (format!("--{flag}={text}"), written_out(kind, text)))
        };
        let all =
            typed.chain(short("provenance", "provenance", provenance)).chain(short("sbom", "sbom", sbom));
        let mut reading = Reading::default();
        for (flag, text) in all {
            reading.read(&text).map_err(|problem| AttestError { flag, problem })?;
        }
        Ok(reading.found)
    }
}

/// A short flag as `--attest` would say it.
fn written_out(kind: &str, text: &str) -> String {
    match boolean(text) {
        Some(wanted) => format!("type={kind},disabled={}", !wanted),
        None => format!("type={kind},{text}"),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What was said so far.
#[derive(Default)]
struct Reading {
    found: AttestRequest,
    has_provenance: bool,
    has_sbom: bool,
}

impl Reading {
    fn read(&mut self, text: &str) -> Result<(), Problem> {
        let mut attributes = Attributes::read(text)?;
        let disabled = attributes.boolean("disabled")?.unwrap_or(false);
        match attributes.take("type").ok_or(Problem::NoType)?.as_str() {
            "provenance" => {
                once(&mut self.has_provenance, "provenance")?;
                let spec = provenance(attributes)?;
                self.found.provenance = (!disabled).then_some(spec);
            }
            "sbom" => {
                once(&mut self.has_sbom, "SBOM")?;
                let spec = sbom(attributes)?;
                self.found.sbom = (!disabled).then_some(spec);
            }
            other => return Err(Problem::Type(other.to_owned())),
        }
        Ok(())
    }
}

fn once(seen: &mut bool, what: &'static str) -> Result<(), Problem> {
    if std::mem::replace(seen, true) { Err(Problem::TypeTwice(what)) } else { Ok(()) }
}

fn provenance(mut attributes: Attributes) -> Result<ProvenanceSpec, Problem> {
    let mode = match attributes.take("mode").as_deref() {
        Some("min") => Mode::Min,
        None | Some("max" | "full") => Mode::Max,
        Some(other) => return Err(Problem::Mode(other.to_owned())),
    };
    let version = match attributes.take("version") {
        None => Version::default(),
        Some(text) => text.parse().map_err(|()| Problem::Version(text))?,
    };
    let file_name = attributes.take("filename").unwrap_or_else(|| PROVENANCE_FILE.to_owned());
    if file_name.contains('/') || matches!(file_name.as_str(), "" | "." | "..") {
        return Err(Problem::FileName(file_name));
    }
    let spec = ProvenanceSpec {
        mode,
        version,
        builder: attributes.take("builder-id").unwrap_or_default(),
        reproducible: attributes.boolean("reproducible")?,
        inline_only: attributes.boolean("inline-only")?.unwrap_or(false),
        file_name,
    };
    match attributes.0.pop() {
        Some((name, _)) => Err(Problem::ProvenanceAttribute(name)),
        None => Ok(spec),
    }
}

fn sbom(mut attributes: Attributes) -> Result<SbomSpec, Problem> {
    let generator = attributes.take("generator").filter(|name| !name.is_empty());
    let generator = generator.as_deref().unwrap_or(DEFAULT_GENERATOR).parse()?;
    let is_variable =
        |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let mut parameters = BTreeMap::new();
    for (name, value) in attributes.0 {
        if !is_variable(&name) {
            return Err(Problem::SbomAttribute(name));
        }
        parameters.insert(name, value);
    }
    Ok(SbomSpec { generator, parameters })
}

/// The attributes that were not used yet.
struct Attributes(Vec<(String, String)>);

impl Attributes {
    fn read(text: &str) -> Result<Self, Problem> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for field in csv::fields(text)? {
            let (name, value) = field.split_once('=').ok_or_else(|| Problem::Word(field.clone()))?;
            let name = name.trim();
            if attributes.iter().any(|(other, _)| other == name) {
                return Err(Problem::Twice(name.to_owned()));
            }
            attributes.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(attributes))
    }

    fn take(&mut self, wanted: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| name == wanted)?;
        Some(self.0.remove(at).1)
    }

    fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        boolean(&text).map(Some).ok_or_else(|| Problem::Bool(name.to_owned(), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(
        attest: &[&str],
        provenance: Option<&str>,
        sbom: Option<&str>,
    ) -> Result<AttestRequest, String> {
        let attest: Vec<String> = attest.iter().map(|&text| text.to_owned()).collect();
        AttestRequest::parse(&attest, provenance, sbom).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_say_what_is_made() {
        let plain = parsed(&[], Some("true"), None).unwrap();
        let ProvenanceSpec { mode, version, builder, reproducible, inline_only, file_name } =
            plain.provenance.clone().unwrap();
        assert_eq!((mode, version, inline_only), (Mode::Max, Version::V1, false));
        assert_eq!((builder.as_str(), reproducible, file_name.as_str()), ("", None, "provenance.json"));
        assert_eq!(parsed(&["type=provenance"], None, None).unwrap(), plain);
        assert!(parsed(&[], None, None).unwrap().is_empty());
        assert!(parsed(&[], Some("false"), Some("0")).unwrap().is_empty());
        assert!(
            parsed(&["type=provenance,disabled=true", "type=sbom,disabled=1"], None, None)
                .unwrap()
                .is_empty()
        );
        let all =
            "mode=min,version=v0.2,builder-id=https://x/1,reproducible=true,inline-only=true,filename=p.json";
        let spec = parsed(&[], Some(all), None).unwrap().provenance.unwrap();
        assert_eq!(
            spec,
            ProvenanceSpec {
                mode: Mode::Min,
                version: Version::V02,
                builder: "https://x/1".to_owned(),
                reproducible: Some(true),
                inline_only: true,
                file_name: "p.json".to_owned(),
            }
        );
        let sbom = parsed(&[], None, Some("generator=me/scan,EXTRA_SCANNERS=a")).unwrap().sbom.unwrap();
        assert_eq!(sbom.generator.familiar(), "me/scan:latest");
        assert_eq!(sbom.parameters, BTreeMap::from([("EXTRA_SCANNERS".to_owned(), "a".to_owned())]));
        let sbom = parsed(&["type=sbom"], None, None).unwrap().sbom.unwrap();
        assert_eq!(sbom.generator.familiar(), DEFAULT_GENERATOR);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (attest, provenance, sbom, expected) in [
            (
                &["mode=max"][..],
                None,
                None,
                "`--attest mode=max` is wrong: it has no `type`; there are provenance and sbom",
            ),
            (
                &["type=vex"],
                None,
                None,
                "`--attest type=vex` is wrong: there is no type `vex`; there are provenance and sbom",
            ),
            (
                &[],
                Some("mode=all"),
                None,
                "`--provenance=mode=all` is wrong: `mode` must be `min` or `max`, not `all`",
            ),
            (&[], Some("max"), None, "`--provenance=max` is wrong: `max` is not `name=value`"),
            (
                &[],
                Some("version=v2"),
                None,
                "`--provenance=version=v2` is wrong: `version` must be `v1` or `v0.2`, not `v2`",
            ),
            (
                &[],
                Some("reproducible=maybe"),
                None,
                "`--provenance=reproducible=maybe` is wrong: `reproducible` must be `true` or `false`, not `maybe`",
            ),
            (
                &[],
                Some("filename=a/b"),
                None,
                "`--provenance=filename=a/b` is wrong: `filename` must be the name of a file, not `a/b`",
            ),
            (
                &[],
                Some("moed=max"),
                None,
                "`--provenance=moed=max` is wrong: provenance has no attribute `moed`; there are mode, version, builder-id, reproducible, inline-only, filename and disabled",
            ),
            (
                &[],
                None,
                Some("image=x"),
                "`--sbom=image=x` is wrong: an SBOM has no attribute `image`; there are generator and disabled, and names in capitals for the generator",
            ),
            (
                &[],
                None,
                Some("generator=X"),
                "`--sbom=generator=X` is wrong: `X` is not an image reference: the repository name `X` must be lowercase",
            ),
            (
                &["type=sbom,type=sbom"],
                None,
                None,
                "`--attest type=sbom,type=sbom` is wrong: `type` stands twice",
            ),
            (
                &["type=provenance"],
                Some("false"),
                None,
                "`--provenance=false` is wrong: the provenance is said by another flag already",
            ),
        ] {
            assert_eq!(parsed(attest, provenance, sbom).unwrap_err(), expected);
        }
    }
}

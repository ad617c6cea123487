//! The in-toto statement: what is said (the predicate), of what (the subjects).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::oci::Digest;

use super::origin::{DigestSet, digest_set};

/// The version of statements that are written (in-toto attestation framework, version 1).
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// The predicate type of a software bill of materials in SPDX's JSON.
pub const SPDX: &str = "https://spdx.dev/Document";

/// How predicates about the origin of something begin. Only the builder makes them.
const PROVENANCE: &str = "https://slsa.dev/provenance/";

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name; `_` if it has none.
    #[serde(default = "nameless")]
    pub name: String,
    /// Its digests.
    pub digest: DigestSet,
}

impl Subject {
    /// Something of this digest.
    pub fn new(name: Option<String>, digest: &Digest) -> Self {
        Self { name: name.unwrap_or_else(nameless), digest: digest_set(digest) }
    }
}

fn nameless() -> String {
    "_".to_owned()
}

/// A predicate with its subjects. The order of the fields is that of in-toto's own library.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    /// What kind of predicate it is, a URI.
    pub predicate_type: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What is said.
    pub predicate: Value,
}

impl Statement {
    /// The bytes that a manifest refers to.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("text and numbers are JSON: {error}"))
    }

    /// The text of a file that people look into.
    pub fn to_pretty_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self)
            .unwrap_or_else(|error| unreachable!("text and numbers are JSON: {error}"))
    }
}

/// Something that is said of a build's result, before it is known which form that result takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Attestation {
    /// What a file with it is called.
    pub file_name: String,
    /// Whether it goes with images only, and into no directory of files.
    pub inline_only: bool,
    /// What kind of predicate it is.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Value,
    /// What it is about, where that is something else than the result as a whole.
    pub subjects: Vec<Subject>,
}

/// A generator's file is no statement that can be attached.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// It is something else.
    #[error("it is no in-toto statement")]
    Json(#[from] serde_json::Error),
    /// Whoever scans files does not know where they come from.
    #[error("it is a statement about provenance, which only the builder makes")]
    Provenance,
}

impl Attestation {
    /// Reads what an SBOM generator wrote to the file `file_name`: an in-toto statement of any version, whose subjects
    /// may be missing.
    pub fn generated(file_name: &str, json: &[u8]) -> Result<Self, StatementError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Generated {
            predicate_type: String,
            #[serde(default)]
            subject: Option<Vec<Subject>>,
            predicate: Value,
        }
        let Generated { predicate_type, subject, predicate } = serde_json::from_slice(json)?;
        if predicate_type.starts_with(PROVENANCE) {
            return Err(StatementError::Provenance);
        }
        Ok(Self {
            file_name: file_name.to_owned(),
            inline_only: false,
            predicate_type,
            predicate,
            subjects: subject.unwrap_or_default(),
        })
    }

    /// The statement about a result, which `subjects` name.
    pub fn about(&self, subjects: &[Subject]) -> Statement {
        let subject = if self.subjects.is_empty() { subjects.to_vec() } else { self.subjects.clone() };
        Statement {
            kind: STATEMENT,
            predicate_type: self.predicate_type.clone(),
            subject,
            predicate: self.predicate.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","files":[]}}"#;

    #[test]
    fn a_statement_has_the_fields_of_the_specification() {
        let attestation = Attestation::generated("sbom.spdx.json", GENERATED.as_bytes()).unwrap();
        let digest = Digest::of(b"image");
        let statement = attestation.about(&[Subject::new(None, &digest)]);
        let expected = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document","subject":[{{"name":"_","digest":{{"sha256":"{}"}}}}],"predicate":{{"files":[],"spdxVersion":"SPDX-2.3"}}}}"#,
            digest.hex()
        );
        assert_eq!(String::from_utf8(statement.to_json()).unwrap(), expected);
    }

    #[test]
    fn subjects_of_its_own_stay() {
        let own = GENERATED
            .replace("\"predicate\":", r#""subject":[{"name":"a","digest":{"sha1":"00"}}],"predicate":"#);
        let attestation = Attestation::generated("a.json", own.as_bytes()).unwrap();
        let subjects = attestation.about(&[Subject::new(None, &Digest::of(b""))]).subject;
        assert_eq!(subjects.len(), 1);
        assert_eq!(subjects[0].digest["sha1"], "00");
        // Written out as nothing, they are missing.
        let null = GENERATED.replace("\"predicate\":", r#""subject":null,"predicate":"#);
        assert!(Attestation::generated("a.json", null.as_bytes()).unwrap().subjects.is_empty());
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let provenance = GENERATED.replace(SPDX, "https://slsa.dev/provenance/v1");
        for (text, expected) in [
            ("", "it is no in-toto statement"),
            ("{}", "it is no in-toto statement"),
            ("[1]", "it is no in-toto statement"),
            (&GENERATED[1..], "it is no in-toto statement"),
            (&format!("{GENERATED}{{}}"), "it is no in-toto statement"),
            (&provenance, "it is a statement about provenance, which only the builder makes"),
        ] {
            let error = Attestation::generated("a.json", text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}

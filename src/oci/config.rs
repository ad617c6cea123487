//! The image config (image-spec, config.md) with Docker's extensions.
//!
//! `oci-spec`'s type lacks Docker's fields (`Healthcheck`, `OnBuild`, `Shell`, `ArgsEscaped`), which images carry
//! also under OCI media types, and keeps labels in a map without an order; so the config is a type of our own.
//! Fields that are not known are dropped, as BuildKit does. The JSON is compact and its keys are in a fixed
//! order, because the image id is its digest.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Platform;
use super::digest::{DiffId, Digest, ImageId};
use super::json::{self, JsonError};

/// An image config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Go's name of the architecture.
    pub architecture: String,
    /// What a container of the image runs, and how.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: Config,
    /// When the image was made (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What made each layer, and what changed nothing but the config; at most [`HISTORY_MAX`] lines.
    #[serde(default, deserialize_with = "limited_history")]
    pub history: Vec<History>,
    /// Go's name of the operating system.
    pub os: String,
    /// The version of the operating system; Windows images have one.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The layers.
    pub rootfs: RootFs,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Who maintains the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// The part of an image config that a container starts with. Names and order are those of Docker's JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// User, `name-or-id[:group-or-id]`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports, such as `80/tcp`; documentation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Environment, each `NAME=value`, in the order in which the names first appeared.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// First words of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Rest of the command, or all of it where there is no entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How to tell whether a container is well (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The command is one string already, for Windows (Docker).
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// Paths whose content should live outside the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Directory that the command starts in.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Instructions for images built from this one (Docker).
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that ends a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The shell of shell-form instructions (Docker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// How long a history may be. A line that says nothing has two bytes, and takes fifty times as much in memory.
pub const HISTORY_MAX: usize = 10_000;

/// What commands find programs with, unless the image's variables say otherwise.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An empty JSON object: the value in maps that stand for sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// How to tell whether a container is well. Times are nanoseconds; zero means inherited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time after which a check has failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time after the start in which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between checks in the start period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that mean unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// One line of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark of the builder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The instruction made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The layers' diff ids, lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

impl ImageConfig {
    /// Reads a config.
    pub fn from_json(bytes: &[u8]) -> Result<Self, JsonError> {
        json::object(bytes)
    }

    /// What the image is for.
    pub fn platform(&self) -> Platform {
        Platform::normalized(&self.os, &self.architecture, self.variant.as_deref().unwrap_or_default())
    }

    /// The bytes whose digest is the image id.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|error| unreachable!("a config is always valid JSON: {error}"))
    }

    /// The image id.
    pub fn id(&self) -> ImageId {
        ImageId(Digest::of(&self.to_json()))
    }
}

/// Docker writes `null` for an empty list, map or object.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A history of a length that makes sense; `null` for none.
fn limited_history<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<History>, D::Error> {
    struct Lines;

    impl<'de> Visitor<'de> for Lines {
        type Value = Vec<History>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {HISTORY_MAX} lines of history")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut lines = Vec::new();
            while let Some(line) = list.next_element()? {
                if lines.len() == HISTORY_MAX {
                    return Err(A::Error::invalid_length(HISTORY_MAX + 1, &self));
                }
                lines.push(line);
            }
            Ok(lines)
        }
    }

    deserializer.deserialize_any(Lines)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_json_round_trips_in_a_fixed_order() {
        let text = r#"{"architecture":"amd64","config":{"User":"u","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Cmd":["c"],"Healthcheck":{"Test":["NONE"]},"WorkingDir":"/w","Labels":{"a":"1","b":"2"},"Shell":["/bin/ash"]},"created":"2020-01-01T00:00:00Z","history":[{"created_by":"x","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = ImageConfig::from_json(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(config.to_json()).unwrap(), text);
    }

    #[test]
    fn null_and_unknown_fields_are_taken() {
        let text = r#"{"architecture":"amd64","os":"linux","x":1,"config":{"Env":null,"Labels":null,"Cmd":null,"Memory":3},"history":null,"rootfs":{"type":"layers","diff_ids":null}}"#;
        let config = ImageConfig::from_json(text.as_bytes()).unwrap();
        assert_eq!(config.config, Config::default());
        assert!(config.history.is_empty());
    }
}

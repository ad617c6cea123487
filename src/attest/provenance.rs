//! Provenance: what was built how from what, as a SLSA predicate.
//!
//! Owns how the facts of a build are written down in version 1 and in version 0.2, with BuildKit's extensions to both, and
//! what of them `mode=min` leaves out.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::oci::Platform;

use super::origin::{Material, Origin};
use super::steps::Graph;

/// How the request's arguments begin that `mode=min` leaves out: the user's values.
const VALUES: [&str; 2] = ["build-arg:", "label:"];

/// A version of SLSA's predicate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// `https://slsa.dev/provenance/v1`.
    #[default]
    V1,
    /// `https://slsa.dev/provenance/v0.2`.
    V02,
}

impl Version {
    /// The predicate type.
    pub const fn predicate_type(self) -> &'static str {
        match self {
            Self::V1 => "https://slsa.dev/provenance/v1",
            Self::V02 => "https://slsa.dev/provenance/v0.2",
        }
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "v1" => Ok(Self::V1),
            "v0.2" => Ok(Self::V02),
            _ => Err(()),
        }
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing that the user may not want to be known: no values of arguments, no names of secrets, no steps.
    Min,
    /// All that is known.
    #[default]
    Max,
}

/// What the build was told by: the Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigSource {
    /// What has it, if that is not the user's machine.
    pub origin: Option<Origin>,
    /// Its path there, or its name on the user's machine.
    pub path: Option<String>,
}

/// What the user asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The options of the frontend, in BuildKit's names: `target`, `build-arg:NAME`, `label:NAME`.
    pub args: BTreeMap<String, String>,
    /// Names of secrets, and whether the build would go without.
    pub secrets: BTreeMap<String, bool>,
    /// Names of SSH agents, and whether the build would go without.
    pub agents: BTreeMap<String, bool>,
    /// What was read of the user's machine.
    pub locals: Vec<String>,
}

/// When a build ran, and what tells it from others. Two builds that make the same differ in this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// A name that no other build has.
    pub id: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// When it was done.
    pub finished: String,
}

/// What can be relied on to be complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Whether all that was used is named by something that anybody can get.
    pub materials: bool,
    /// Whether no command could reach a network, either.
    pub hermetic: bool,
}

/// The facts of a build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    /// Who built it, a URI; empty if that was not said.
    pub builder: String,
    /// What the user says of it: that it can be made again, bit by bit.
    pub reproducible: bool,
    /// What the build was told by.
    pub source: ConfigSource,
    /// What was asked for.
    pub request: Request,
    /// The platform that it was built on.
    pub platform: Option<Platform>,
    /// What was used.
    pub materials: Vec<Material>,
    /// What is complete.
    pub complete: Completeness,
    /// When it ran; left out where the same build shall give the same statement.
    pub invocation: Option<Invocation>,
    /// The steps, with their places in the Dockerfile and their layers.
    pub graph: Graph,
}

impl Provenance {
    /// The predicate.
    pub fn predicate(&self, version: Version, mode: Mode) -> Value {
        match version {
            Version::V1 => self.v1(mode),
            Version::V02 => self.v02(mode),
        }
    }

    fn v1(&self, mode: Mode) -> Value {
        let mut external = Map::new();
        external.insert("configSource".into(), self.config_source("path"));
        external.insert("request".into(), self.request(mode));
        let mut internal = Map::new();
        internal
            .extend(self.platform.as_ref().map(|it| ("builderPlatform".to_owned(), it.to_string().into())));
        let mut metadata = Map::new();
        if let Some(Invocation { id, started, finished }) = &self.invocation {
            metadata.insert("invocationId".into(), json!(id));
            metadata.insert("startedOn".into(), json!(started));
            metadata.insert("finishedOn".into(), json!(finished));
        }
        metadata.insert("buildkit_hermetic".into(), self.complete.hermetic.into());
        metadata.insert("buildkit_reproducible".into(), self.reproducible.into());
        metadata.insert(
            "buildkit_completeness".into(),
            json!({
                "request": self.is_request_complete(mode),
                "resolvedDependencies": self.complete.materials,
            }),
        );
        metadata.insert("buildkit_metadata".into(), self.extra(mode));
        if mode == Mode::Max {
            internal.insert("buildConfig".into(), self.graph.definition());
        }
        json!({
            "buildDefinition": {
                "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
                "externalParameters": external,
                "internalParameters": internal,
                "resolvedDependencies": self.materials.iter().map(descriptor).collect::<Vec<_>>(),
            },
            "runDetails": { "builder": { "id": self.builder }, "metadata": metadata },
        })
    }

    fn v02(&self, mode: Mode) -> Value {
        let mut metadata = Map::new();
        if let Some(Invocation { id, started, finished }) = &self.invocation {
            metadata.insert("buildInvocationID".into(), json!(id));
            metadata.insert("buildStartedOn".into(), json!(started));
            metadata.insert("buildFinishedOn".into(), json!(finished));
        }
        metadata.insert("reproducible".into(), self.reproducible.into());
        metadata.insert(
            "completeness".into(),
            json!({
                "parameters": self.is_request_complete(mode),
                "environment": true,
                "materials": self.complete.materials,
            }),
        );
        metadata.insert("https://mobyproject.org/buildkit@v1#hermetic".into(), self.complete.hermetic.into());
        metadata.insert("https://mobyproject.org/buildkit@v1#metadata".into(), self.extra(mode));
        let environment = self.platform.as_ref().map(|platform| json!({ "platform": platform.to_string() }));
        // A material of this version is an address: what has none is no material.
        let materials: Vec<Value> = self
            .materials
            .iter()
            .filter(|material| matches!(material, Material::Public(_)))
            .map(descriptor)
            .collect();
        let mut predicate = json!({
            "builder": { "id": self.builder },
            "buildType": "https://mobyproject.org/buildkit@v1",
            "invocation": {
                "configSource": self.config_source("entryPoint"),
                "parameters": self.request(mode),
                "environment": environment.unwrap_or_else(|| json!({})),
            },
            "materials": materials,
            "metadata": metadata,
        });
        if mode == Mode::Max {
            predicate["buildConfig"] = self.graph.definition();
        }
        predicate
    }

    fn config_source(&self, path: &str) -> Value {
        let ConfigSource { origin, path: file } = &self.source;
        let mut source = Map::new();
        if let Some(Origin { uri, digest }) = origin {
            source.insert("uri".into(), json!(uri));
            source.insert("digest".into(), json!(digest));
        }
        source.extend(file.as_ref().map(|file| (path.to_owned(), json!(file))));
        source.into()
    }

    fn request(&self, mode: Mode) -> Value {
        let Request { args, secrets, agents, locals } = &self.request;
        let is_shown = |name: &str| mode == Mode::Max || !is_value(name);
        let args: BTreeMap<_, _> = args.iter().filter(|(name, _)| is_shown(name)).collect();
        let mut request = Map::new();
        request.insert("frontend".into(), "dockerfile.v0".into());
        request.insert("args".into(), json!(args));
        if mode == Mode::Max {
            request.extend(given("secrets", secrets));
            request.extend(given("ssh", agents));
        }
        if !locals.is_empty() {
            let locals: Vec<Value> = locals.iter().map(|name| json!({ "name": name })).collect();
            request.insert("locals".into(), locals.into());
        }
        request.into()
    }

    fn is_request_complete(&self, mode: Mode) -> bool {
        mode == Mode::Max || !self.request.args.keys().any(|name| is_value(name))
    }

    fn extra(&self, mode: Mode) -> Value {
        match mode {
            Mode::Min => json!({}),
            Mode::Max => self.graph.metadata(),
        }
    }
}

fn is_value(name: &str) -> bool {
    VALUES.iter().any(|prefix| name.starts_with(prefix))
}

/// A list of what was given under a name, if anything was.
fn given(name: &str, ids: &BTreeMap<String, bool>) -> Option<(String, Value)> {
    let list = ids.iter().map(|(id, optional)| match optional {
        true => json!({ "id": id, "optional": true }),
        false => json!({ "id": id }),
    });
    (!ids.is_empty()).then(|| (name.to_owned(), list.collect()))
}

/// A resource descriptor of in-toto.
fn descriptor(material: &Material) -> Value {
    match material {
        Material::Public(Origin { uri, digest }) => json!({ "uri": uri, "digest": digest }),
        Material::Local { name, digest } if digest.is_empty() => json!({ "name": name }),
        Material::Local { name, digest } => json!({ "name": name, "digest": digest }),
    }
}

#[cfg(test)]
mod tests;

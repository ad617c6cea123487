//! The facts of a build, as its provenance has them.

use std::collections::BTreeMap;

use crate::attest::{
    Completeness, ConfigSource, Graph, Material, Mode, Origin, Provenance, Request, digest_set, graph,
    image_purl, published,
};
use crate::diagnostic::Source;
use crate::dockerfile::remote::RemoteSource;
use crate::exec::ResourceLimit;
use crate::network::HostAddress;
use crate::oci::{Digest, Platform, Reference};
use crate::plan::{BaseImage, Images, MountKind, NetworkMode, Plan, StepKind};

use super::super::build::BuildRequest;
use super::super::context::{BuildInput, LAYOUT, NamedSource};
use super::super::platforms::Planned;
use super::{Begun, ProvenanceSpec};

/// Where the context and the Dockerfile are from.
#[derive(Debug, Clone)]
pub(super) struct SourceOf {
    context: Option<Origin>,
    dockerfile: ConfigSource,
    /// The Dockerfile's text.
    text: Source,
}

impl SourceOf {
    /// What a build was told by.
    pub(super) fn new(input: &BuildInput) -> Self {
        Self {
            context: input.files.origin.clone(),
            dockerfile: input.dockerfile_source.clone(),
            text: input.dockerfile.clone(),
        }
    }
}

/// What is known of what was built for a platform.
pub(super) struct Known<'a> {
    pub(super) request: &'a BuildRequest,
    /// What the user asked for.
    pub(super) planned: &'a Planned,
    pub(super) bases: &'a Images,
    /// An image that ran, but is in no layer: the generator of the SBOM.
    pub(super) generator: Option<&'a BaseImage>,
    pub(super) source: &'a SourceOf,
    /// What was read besides images.
    pub(super) read: Vec<Material>,
    pub(super) begun: &'a Begun,
}

impl Known<'_> {
    /// The facts that provenance says.
    pub(super) fn provenance(self, spec: &ProvenanceSpec) -> Provenance {
        let Planned { options, plan, epoch } = self.planned;
        let locals = self.locals();
        let materials = self.materials(&locals);
        let is_public = |material: &Material| matches!(material, Material::Public(_));
        let complete = locals.is_empty() && materials.iter().all(is_public);
        let bases: Vec<(String, usize)> = plan.bases.iter().map(|base| self.base(base)).collect();
        let graph = match spec.mode {
            Mode::Min => Graph::default(),
            Mode::Max => graph(plan, &bases, (self.file_name(), &self.source.text)),
        };
        let (secrets, agents) = given(plan);
        Provenance {
            builder: spec.builder.clone(),
            reproducible: spec.reproducible.unwrap_or(self.request.reproducible),
            source: self.source.dockerfile.clone(),
            request: Request { args: self.args(), secrets, agents, locals },
            platform: Some(options.build_platform.clone()),
            complete: Completeness { materials: complete, hermetic: complete && !reaches_network(plan) },
            // A build that has a time of its own must not depend on when it ran.
            invocation: epoch.is_none().then(|| self.begun.done()),
            graph,
            materials,
        }
    }

    /// The Dockerfile's name, where it has one.
    fn file_name(&self) -> &str {
        self.source.dockerfile.path.as_deref().unwrap_or("Dockerfile")
    }

    /// What was read of the user's machine, by BuildKit's names.
    fn locals(&self) -> Vec<String> {
        let context = self.source.context.is_none();
        let dockerfile = self.source.dockerfile.origin.is_none();
        let named = self.read.iter().filter_map(|material| match material {
            Material::Local { name, .. } if name != "context" => Some(name.clone()),
            _ => None,
        });
        let own = [("context", context), ("dockerfile", dockerfile)].into_iter().filter(|(_, read)| *read);
        own.map(|(name, _)| name.to_owned()).chain(named).collect()
    }

    fn args(&self) -> BTreeMap<String, String> {
        let (request, options) = (self.request, &self.planned.options);
        let mut args = BTreeMap::new();
        let mut add = |name: String, value: String| drop(args.insert(name, value));
        for (name, value) in &options.build_args {
            add(format!("build-arg:{name}"), published(name, value));
        }
        for (name, value) in &request.labels {
            add(format!("label:{name}"), value.clone());
        }
        for context in &request.contexts {
            let value = match &context.source {
                NamedSource::Directory(_) => format!("local:{}", context.name),
                NamedSource::Image(reference) => format!("docker-image://{reference}"),
                // Where it lies on this machine means nothing elsewhere.
                NamedSource::Layout(_) => format!("{LAYOUT}{}", context.name),
                NamedSource::Remote(RemoteSource::Http(url)) => url.without_query(),
                NamedSource::Remote(RemoteSource::Git(source)) => source.to_string(),
            };
            add(format!("context:{}", context.name), value);
        }
        if let Some(target) = &request.target {
            add("target".into(), target.clone());
        }
        if request.no_cache || !request.no_cache_stages.is_empty() {
            let stages = if request.no_cache { String::new() } else { request.no_cache_stages.join(",") };
            add("no-cache".into(), stages);
        }
        match request.network {
            Some(NetworkMode::Host) => add("force-network-mode".into(), "host".into()),
            Some(NetworkMode::None) => add("force-network-mode".into(), "none".into()),
            Some(NetworkMode::Private) | None => {}
        }
        if !request.extra_hosts.is_empty() {
            let hosts = request.extra_hosts.iter().map(|host| match host.address {
                HostAddress::Ip(address) => format!("{}={address}", host.name),
                HostAddress::Gateway => format!("{}=host-gateway", host.name),
            });
            add("add-hosts".into(), hosts.collect::<Vec<_>>().join(","));
        }
        if let Some(size) = request.limits.shm_size {
            add("shm-size".into(), size.to_string());
        }
        if !request.limits.resources.is_empty() {
            let limits = request.limits.resources.iter().map(ulimit);
            add("ulimit".into(), limits.collect::<Vec<_>>().join(","));
        }
        args
    }

    /// A base as an identifier of BuildKit's, and the number of its layers.
    fn base(&self, base: &crate::plan::Base) -> (String, usize) {
        let reference = &base.key.reference;
        let Some(image) = self.bases.get(&base.key) else { return (reference.clone(), 0) };
        let name = if reference.starts_with(LAYOUT) {
            format!("{LAYOUT}{}", self.layout_name(reference))
        } else {
            format!("docker-image://{}", image.name)
        };
        let has_digest = name.contains("@sha256:");
        let digest = image.manifest.filter(|_| !has_digest).map(|digest| format!("@{digest}"));
        (format!("{name}{}", digest.unwrap_or_default()), image.config.rootfs.diff_ids.len())
    }

    /// What the user calls the image of a layout.
    fn layout_name(&self, reference: &str) -> String {
        let named = self.request.contexts.iter().find(
            |context| matches!(&context.source, NamedSource::Layout(layout) if layout.text == reference),
        );
        named.map(|context| context.name.clone()).unwrap_or_default()
    }

    fn materials(&self, locals: &[String]) -> Vec<Material> {
        let Planned { options, plan, .. } = self.planned;
        let bases = plan.bases.iter().filter_map(|base| {
            let image = self.bases.get(&base.key)?;
            let reference = &base.key.reference;
            let is_layout = reference.starts_with(LAYOUT);
            let name = if is_layout { self.layout_name(reference) } else { reference.clone() };
            image_material(image, name, &base.key.platform)
        });
        let generator = self
            .generator
            .and_then(|image| image_material(image, image.name.clone(), &options.build_platform));
        let mut materials: Vec<Material> = bases.chain(generator).chain(self.read.iter().cloned()).collect();
        let text = digest_set(&Digest::of(self.source.text.text().as_bytes()));
        let fetched = [&self.source.context, &self.source.dockerfile.origin].into_iter().flatten();
        materials.extend(fetched.cloned().map(Material::Public));
        if locals.iter().any(|name| name == "dockerfile") {
            materials.push(Material::Local { name: "dockerfile".to_owned(), digest: text });
        }
        let mut known: Vec<Material> = Vec::with_capacity(materials.len());
        for material in materials {
            if !known.contains(&material) {
                known.push(material);
            }
        }
        known
    }
}

/// An image that was used, under the digest that the user named, or else that of its manifest. What only this machine is
/// known to have goes by `own_name`: its name may be something else, or nothing, elsewhere.
fn image_material(image: &BaseImage, own_name: String, default: &Platform) -> Option<Material> {
    if !image.is_public {
        return Some(Material::Local { name: own_name, digest: digest_set(&image.manifest?.0) });
    }
    let reference: Reference = image.name.parse().ok()?;
    let digest = reference.digest().or(image.manifest)?;
    let config = &image.config;
    let platform = if config.os.is_empty() {
        default.clone()
    } else {
        Platform::normalized(&config.os, &config.architecture, config.variant.as_deref().unwrap_or_default())
    };
    let uri = image_purl(&reference, &platform);
    Some(Material::Public(Origin { uri, digest: digest_set(&digest.0) }))
}

/// A limit as BuildKit writes it, where -1 is none.
fn ulimit(ResourceLimit { resource, soft, hard }: &ResourceLimit) -> String {
    let number = |limit: u64| if limit == u64::MAX { "-1".to_owned() } else { limit.to_string() };
    format!("{}={}:{}", resource.name(), number(*soft), number(*hard))
}

/// Whether a command can reach a network.
fn reaches_network(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| matches!(&step.kind, StepKind::Run(run) if run.network != NetworkMode::None))
}

type Names = BTreeMap<String, bool>;

/// The names of the secrets and of the agents that commands get, and whether all would do without.
fn given(plan: &Plan) -> (Names, Names) {
    let (mut secrets, mut agents) = (Names::new(), Names::new());
    let note = |names: &mut Names, id: &String, required: bool| {
        *names.entry(id.clone()).or_insert(true) &= !required;
    };
    for step in &plan.steps {
        let StepKind::Run(run) = &step.kind else { continue };
        for mount in &run.mounts {
            match &mount.kind {
                MountKind::Secret(secret) => note(&mut secrets, &secret.id, secret.required),
                MountKind::Ssh(agent) => note(&mut agents, &agent.id, agent.required),
                MountKind::Bind(_) | MountKind::Cache(_) | MountKind::Tmpfs { .. } => {}
            }
        }
        for variable in &run.secret_variables {
            note(&mut secrets, &variable.id, variable.required);
        }
    }
    (secrets, agents)
}

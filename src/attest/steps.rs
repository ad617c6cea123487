//! A plan as BuildKit writes down the steps of a build: LLB as JSON, the places of the steps in the Dockerfile, and their
//! layers.
//!
//! Owns the translation. It says what a plan says: which command ran with which variables on what, and what was
//! copied from where. Values that go into no key (proxies, which may hold passwords) and all that was secret are left out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::diagnostic::Source as Text;
use crate::dockerfile::mount::Sharing;
use crate::oci::{Descriptor, Platform};
use crate::plan::{
    BaseId, Bind, Cache, ContextId, ContextName, Copy, Mount, MountKind, NetworkMode, Place, Plan, Root, Run,
    Secret, Source, Step, StepId, StepKind, Workdir,
};
use crate::tree::TreePath;

use super::redact::published;

/// The input of an action that starts from nothing.
const NOTHING: i64 = -1;

/// The steps of a build.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    definition: Vec<Value>,
    locations: BTreeMap<String, Value>,
    dockerfile: Option<Value>,
    layers: BTreeMap<String, Value>,
    /// What the target consists of: the base, then each step that has a layer of its own.
    chain: Vec<String>,
    /// How many layers the base has.
    base_layers: usize,
}

impl Graph {
    /// The same with the layers that the image has in its manifest, lowest first.
    #[must_use]
    pub fn with_layers(mut self, layers: &[Descriptor]) -> Self {
        for (number, output) in self.chain.iter().enumerate() {
            let count = self.base_layers + number;
            let bare: Vec<Descriptor> = layers
                .iter()
                .take(count)
                .map(|layer| Descriptor::new(layer.media_type.clone(), layer.digest, layer.size))
                .collect();
            if !output.is_empty() && count > 0 && bare.len() == count {
                self.layers.insert(output.clone(), json!([bare]));
            }
        }
        self
    }

    /// What `buildConfig` is.
    pub(super) fn definition(&self) -> Value {
        json!({ "llbDefinition": self.definition })
    }

    /// What BuildKit's extension `metadata` is.
    pub(super) fn metadata(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(dockerfile) = &self.dockerfile {
            let source = json!({ "infos": [dockerfile], "locations": self.locations });
            metadata.insert("source".into(), source);
        }
        if !self.layers.is_empty() {
            metadata.insert("layers".into(), json!(self.layers));
        }
        metadata.into()
    }
}

/// Writes down a plan. `bases` are its bases as identifiers, with the number of their layers; the Dockerfile has a name
/// that means something elsewhere, too.
pub fn graph(plan: &Plan, bases: &[(String, usize)], (name, text): (&str, &Text)) -> Graph {
    let mut writer =
        Writer { plan, graph: Graph::default(), contexts: BTreeMap::new(), steps: BTreeMap::new() };
    for (base, (identifier, _)) in plan.bases.iter().zip(bases) {
        let mut op = source(identifier);
        op["platform"] = platform(&base.key.platform);
        writer.add(&op, &[]);
    }
    for id in plan.step_ids() {
        let output = writer.step(plan.step(id));
        let lines = text.line_range(plan.step(id).span);
        let range = json!({ "start": { "line": lines.start() }, "end": { "line": lines.end() } });
        writer.graph.locations.insert(output.clone(), json!({ "locations": [{ "ranges": [range] }] }));
        writer.steps.insert(id, output);
    }
    let mut graph = writer.graph;
    let history = plan.target.history.iter().filter_map(|item| item.step);
    let of_base = |BaseId(number): BaseId| format!("step{number}:0");
    graph.base_layers = plan.target.base.map_or(0, |BaseId(number)| bases[number as usize].1);
    graph.chain = vec![plan.target.base.map(of_base).unwrap_or_default()];
    graph.chain.extend(history.filter_map(|id| Some(format!("{}:0", writer.steps.get(&id)?))));
    graph.dockerfile = Some(json!({
        "filename": name,
        "language": "Dockerfile",
        "data": BASE64.encode(text.text()),
    }));
    graph
}

fn platform(Platform { os, architecture, variant }: &Platform) -> Value {
    let mut platform = json!({ "Architecture": architecture, "OS": os });
    if !variant.is_empty() {
        platform["Variant"] = json!(variant);
    }
    platform
}

fn source(identifier: &str) -> Value {
    json!({ "Op": { "source": { "identifier": identifier } } })
}

/// A growing definition.
struct Writer<'a> {
    plan: &'a Plan,
    graph: Graph,
    contexts: BTreeMap<ContextId, String>,
    steps: BTreeMap<StepId, String>,
}

/// What a step reads, each once, by its place in the step's list of inputs.
#[derive(Default)]
struct Inputs(Vec<String>);

impl Inputs {
    fn number(&mut self, output: Option<String>) -> i64 {
        let Some(output) = output else { return NOTHING };
        let known = self.0.iter().position(|known| *known == output);
        known.unwrap_or_else(|| {
            self.0.push(output);
            self.0.len() - 1
        }) as i64
    }
}

impl Writer<'_> {
    fn add(&mut self, op: &Value, inputs: &[String]) -> String {
        let id = format!("step{}", self.graph.definition.len());
        let mut step = json!({ "id": id, "op": op });
        if !inputs.is_empty() {
            step["inputs"] = json!(inputs);
        }
        self.graph.definition.push(step);
        id
    }

    fn root(&self, root: Root) -> Option<String> {
        match root {
            Root::Scratch => None,
            Root::Base(BaseId(number)) => Some(format!("step{number}:0")),
            Root::Step(id) => self.steps.get(&id).map(|name| format!("{name}:0")),
        }
    }

    fn context(&mut self, id: ContextId) -> String {
        if let Some(known) = self.contexts.get(&id) {
            return known.clone();
        }
        let name = match &self.plan.contexts[id.0 as usize] {
            ContextName::Main => "context",
            ContextName::Named(name) => name,
        };
        let output = format!("{}:0", self.add(&source(&format!("local://{name}")), &[]));
        self.contexts.insert(id, output.clone());
        output
    }

    fn step(&mut self, step: &Step) -> String {
        let mut inputs = Inputs::default();
        let from = inputs.number(self.root(step.from));
        let op = match &step.kind {
            StepKind::Run(run) => self.run(run, from, &mut inputs),
            StepKind::Copy(copy) => self.copy(copy, from, &mut inputs),
            StepKind::Workdir(workdir) => file(vec![make_directory(workdir)], from),
        };
        self.add(&op, &inputs.0)
    }

    fn run(&self, run: &Run, from: i64, inputs: &mut Inputs) -> Value {
        let mut meta = Map::new();
        meta.insert("args".into(), json!(run.args));
        let env: Vec<String> =
            run.env.iter().map(|(name, value)| format!("{name}={}", published(name, value))).collect();
        meta.insert("env".into(), json!(env));
        meta.insert("cwd".into(), json!(run.cwd));
        if !run.user.is_empty() {
            meta.insert("user".into(), json!(run.user));
        }
        let mut mounts = vec![json!({ "input": from, "dest": "/", "output": 0 })];
        mounts.extend(run.mounts.iter().map(|it| self.mount(it, inputs)));
        let mut exec = Map::new();
        exec.insert("meta".into(), meta.into());
        exec.insert("mounts".into(), mounts.into());
        match run.network {
            NetworkMode::Private => {}
            NetworkMode::Host => drop(exec.insert("network".into(), 1.into())),
            NetworkMode::None => drop(exec.insert("network".into(), 2.into())),
        }
        if run.insecure {
            exec.insert("security".into(), 1.into());
        }
        if !run.secret_variables.is_empty() {
            let variables = run.secret_variables.iter().map(
                |variable| json!({ "ID": variable.id, "name": variable.name, "optional": !variable.required }),
            );
            exec.insert("secretenv".into(), variables.collect());
        }
        json!({ "Op": { "exec": exec } })
    }

    fn mount(&self, Mount { target, kind }: &Mount, inputs: &mut Inputs) -> Value {
        let mut mount = json!({ "input": NOTHING, "dest": target.to_string(), "output": NOTHING });
        let select = |mount: &mut Value, path: &TreePath| {
            if !path.is_root() {
                mount["selector"] = path.to_string().into();
            }
        };
        match kind {
            MountKind::Bind(Bind { from, source, read_write }) => {
                mount["input"] = inputs.number(self.root(*from)).into();
                select(&mut mount, source);
                if !read_write {
                    mount["readonly"] = true.into();
                }
            }
            MountKind::Cache(Cache { id, seed, sharing, read_only, .. }) => {
                if let Some(seed) = seed {
                    mount["input"] = inputs.number(self.root(seed.from)).into();
                    select(&mut mount, &seed.source);
                }
                mount["mountType"] = 3.into();
                let id = id.clone().unwrap_or_else(|| target.to_string());
                mount["cacheOpt"] = json!({ "ID": id, "sharing": sharing_number(*sharing) });
                if *read_only {
                    mount["readonly"] = true.into();
                }
            }
            MountKind::Tmpfs { size } => {
                mount["mountType"] = 4.into();
                if let Some(size) = size {
                    mount["TmpfsOpt"] = json!({ "size": size });
                }
            }
            MountKind::Secret(secret) => {
                mount["mountType"] = 1.into();
                mount["secretOpt"] = given(secret);
            }
            MountKind::Ssh(secret) => {
                mount["mountType"] = 2.into();
                mount["SSHOpt"] = given(secret);
            }
        }
        mount
    }

    fn copy(&mut self, copy: &Copy, from: i64, inputs: &mut Inputs) -> Value {
        let mut actions = Vec::with_capacity(copy.sources.len());
        for source in &copy.sources {
            let (input, path) = match source {
                Source::Pattern(pattern) => {
                    let input = match copy.from {
                        Place::Context(id) => Some(self.context(id)),
                        Place::Root(root) => self.root(root),
                    };
                    (input, format!("/{pattern}"))
                }
                Source::Http { url, .. } => {
                    let name = url.file_name().unwrap_or_default();
                    (Some(self.fetched(&url.without_query())), format!("/{name}"))
                }
                Source::Git(tree) => {
                    let reference = tree.reference.as_deref().map(|name| format!("#{name}"));
                    (Some(self.repository(&tree.redacted(), &reference.unwrap_or_default())), "/".to_owned())
                }
                Source::Inline(file) => {
                    actions.push(json!({ "mkfile": {
                        "path": shown(copy, &file.name),
                        "mode": 0o644,
                        "data": BASE64.encode(&file.content),
                    } }));
                    continue;
                }
            };
            let mut action = json!({ "src": path, "dest": shown(copy, "") });
            if copy.unpacks(source) {
                action["attemptUnpackDockerCompatibility"] = true.into();
            }
            if !copy.exclude.is_empty() {
                action["excludePatterns"] = json!(copy.exclude);
            }
            actions.push(json!({ "copy": action, "secondaryInput": inputs.number(input) }));
        }
        file(actions, from)
    }

    /// A repository, whose scheme is in an attribute, as in BuildKit.
    fn repository(&mut self, address: &str, reference: &str) -> String {
        let bare = address.split_once("://").map_or(address, |(_, bare)| bare);
        let mut op = source(&format!("git://{bare}{reference}"));
        op["Op"]["source"]["attrs"] = json!({ "git.fullurl": address });
        format!("{}:0", self.add(&op, &[]))
    }

    fn fetched(&mut self, address: &str) -> String {
        format!("{}:0", self.add(&source(address), &[]))
    }
}

/// Where a copy puts things; what is named goes into a directory.
fn shown(copy: &Copy, name: &str) -> String {
    let end = if copy.destination.directory && !copy.destination.path.is_root() { "/" } else { "" };
    let name = if copy.destination.directory { name } else { "" };
    format!("{}{end}{name}", copy.destination.path)
}

/// Changes of files, each of what the one before left; the last one is the result.
fn file(actions: Vec<Value>, from: i64) -> Value {
    let last = actions.len().saturating_sub(1);
    let own = actions.iter().filter_map(|action| action["secondaryInput"].as_i64());
    let inputs = own.chain([from]).max().unwrap_or(NOTHING) + 1;
    let actions = actions.into_iter().enumerate().map(|(number, mut action)| {
        let secondary = action.as_object_mut().and_then(|action| action.remove("secondaryInput"));
        json!({
            "input": if number == 0 { from } else { inputs + number as i64 - 1 },
            "secondaryInput": secondary.unwrap_or_else(|| NOTHING.into()),
            "output": if number == last { 0 } else { NOTHING },
            "Action": action,
        })
    });
    json!({ "Op": { "file": { "actions": actions.collect::<Vec<_>>() } } })
}

fn make_directory(workdir: &Workdir) -> Value {
    json!({ "mkdir": { "path": workdir.path.to_string(), "mode": 0o755, "makeParents": true } })
}

fn given(Secret { id, required, owner }: &Secret) -> Value {
    let mut given = json!({ "ID": id, "optional": !required });
    for (name, number) in [("uid", owner.uid), ("gid", owner.gid), ("mode", owner.mode)] {
        if let Some(number) = number {
            given[name] = number.into();
        }
    }
    given
}

fn sharing_number(sharing: Sharing) -> u8 {
    match sharing {
        Sharing::Shared => 0,
        Sharing::Private => 1,
        Sharing::Locked => 2,
    }
}

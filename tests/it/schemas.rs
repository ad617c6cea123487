//! Everything that strata writes as an image holds to the JSON schemas of the OCI image specification
//! (`testdata/oci-schemas`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::support::env::{BUSYBOX, Env};
use crate::support::registry::{Registry, run};

/// The schemas of documents, compiled.
struct Schemas(BTreeMap<&'static str, Validator>);

const LAYOUT: &str = "image-layout-schema.json";
const INDEX: &str = "image-index-schema.json";
const MANIFEST: &str = "image-manifest-schema.json";
const CONFIG: &str = "config-schema.json";
const DESCRIPTOR: &str = "content-descriptor.json";

impl Schemas {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/oci-schemas");
        let mut all = Map::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_some_and(|extension| extension == "json") {
                let mut schema = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                join(&mut schema, &name);
                all.insert(name, schema);
            }
        }
        let compile = |name| {
            let schema = json!({ "$ref": format!("#/$defs/{name}"), "$defs": all });
            (name, jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
        };
        Self([LAYOUT, INDEX, MANIFEST, CONFIG, DESCRIPTOR].map(compile).into())
    }

    /// What is wrong with a document.
    fn errors(&self, schema: &str, document: &Value) -> Vec<String> {
        let errors = self.0[schema].iter_errors(document);
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn check(&self, schema: &str, document: &Value) {
        assert_eq!(self.errors(schema, document), Vec::<String>::new(), "{schema}\n{document:#}");
    }
}

/// Makes a file part of one schema: what it calls by the name of a file stands beside it then.
fn join(schema: &mut Value, file: &str) {
    match schema {
        Value::Object(fields) => {
            // Names of schemas on the web, of which nothing is fetched.
            fields.remove("$schema");
            fields.remove("id");
            if let Some(Value::String(to)) = fields.get_mut("$ref") {
                let (name, pointer) = to.split_once('#').unwrap_or((to, ""));
                let name = if name.is_empty() { file } else { name };
                *to = format!("#/$defs/{name}{pointer}");
            }
            fields.values_mut().for_each(|value| join(value, file));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| join(value, file)),
        _ => {}
    }
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Checks all documents of an OCI layout; gives the media types that were seen.
fn check_layout(schemas: &Schemas, dir: &Path) -> Vec<String> {
    schemas.check(LAYOUT, &document(&dir.join("oci-layout")));
    let index = document(&dir.join("index.json"));
    schemas.check(INDEX, &index);
    let blob = |descriptor: &Value| {
        schemas.check(DESCRIPTOR, descriptor);
        dir.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
    };
    let mut types = Vec::new();
    for entry in index["manifests"].as_array().unwrap() {
        let manifest = document(&blob(entry));
        schemas.check(MANIFEST, &manifest);
        assert_eq!(manifest["mediaType"], entry["mediaType"]);
        schemas.check(CONFIG, &document(&blob(&manifest["config"])));
        for layer in manifest["layers"].as_array().unwrap() {
            assert_eq!(fs::metadata(blob(layer)).unwrap().len(), layer["size"].as_u64().unwrap());
            types.push(layer["mediaType"].as_str().unwrap().to_owned());
        }
    }
    types
}

/// A context whose image has something of every field.
fn context(env: &Env) -> PathBuf {
    let dockerfile = format!(
        "FROM {BUSYBOX}\nLABEL a=1 \"b c\"=\"2\"\nENV A=b\nEXPOSE 80 53/udp\nVOLUME /v\nUSER u:ug\nWORKDIR /w\n\
         STOPSIGNAL 9\nHEALTHCHECK --interval=3s CMD true\nSHELL [\"/bin/sh\", \"-c\"]\nONBUILD RUN true\n\
         MAINTAINER somebody\nCOPY Dockerfile /\nENTRYPOINT [\"sh\"]\nCMD [\"-c\", \"true\"]\n"
    );
    env.dockerfile("context", &dockerfile)
}

fn unpack(env: &Env, archive: &Path) -> PathBuf {
    let dir = archive.with_extension("unpacked");
    fs::create_dir(&dir).unwrap();
    run(Command::new("tar").arg("-xf").arg(archive).current_dir(&dir));
    assert!(dir.starts_with(env.path("")));
    dir
}

#[test]
fn what_is_written_to_files_holds_to_the_schemas() {
    let (schemas, env) = (Schemas::new(), Env::with_busybox());
    let context = context(&env);
    let build = |output: &str| {
        let context = context.to_str().unwrap();
        let _ = env.strata(["build", "-q", "-t", "app:1", "-o", output, context]).success();
    };
    for (compression, ending) in [("uncompressed", ".tar"), ("gzip", ".tar+gzip"), ("zstd", ".tar+zstd")] {
        for form in ["oci", "docker"] {
            let path = env.path(&format!("{form}-{compression}.tar"));
            build(&format!("type={form},compression={compression},dest={}", path.display()));
            let types = check_layout(&schemas, &unpack(&env, &path));
            assert!(types.len() > 2 && types.iter().all(|it| it.ends_with(ending)), "{form}: {types:?}");
        }
    }
    let layout = env.path("layout");
    build(&format!("type=oci,tar=false,dest={}", layout.display()));
    check_layout(&schemas, &layout);

    build("type=image");
    let root = env.path("root.tar");
    run(Command::new("tar").arg("-cf").arg(&root).args(["-C", context.to_str().unwrap(), "Dockerfile"]));
    let _ = env.strata(["import", "-c", "CMD x", "-m", "a remark", root.to_str().unwrap(), "in:1"]).success();
    let saved = env.path("saved.tar");
    let _ = env.strata(["save", "-o", saved.to_str().unwrap(), "app:1", "in:1", BUSYBOX]).success();
    check_layout(&schemas, &unpack(&env, &saved));
}

#[test]
fn what_is_pushed_holds_to_the_schemas() {
    let (schemas, env, registry) = (Schemas::new(), Env::with_busybox(), Registry::plain());
    let name = registry.name("app:1");
    let context = context(&env);
    let _ = env.strata(["build", "-q", "-t", &name, context.to_str().unwrap()]).success();
    let _ = env.strata(["push", "-q", &name]).success();
    let url = format!("http://{}/v2/app/manifests/1", registry.host());
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let manifest: Value =
        serde_json::from_slice(&run(Command::new("curl").args(["-sSf", "-H", accept, &url]))).unwrap();
    schemas.check(MANIFEST, &manifest);
    schemas.check(CONFIG, &document(&registry.blob(manifest["config"]["digest"].as_str().unwrap())));
}

/// The text of the specification asks for a layer only "for portability"; BuildKit writes such images, too.
#[test]
fn an_image_without_layers_breaks_one_rule() {
    let (schemas, env) = (Schemas::new(), Env::new());
    let context = env.dockerfile("context", "FROM scratch\nLABEL a=b\n");
    let layout = env.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let _ = env.strata(["build", "-q", "-o", &output, context.to_str().unwrap()]).success();
    let index = document(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let errors = schemas.errors(MANIFEST, &document(&layout.join("blobs").join(digest)));
    assert_eq!(errors, ["/layers: [] has less than 1 item"]);
}

/// The schemas as they are joined refuse what they should.
#[test]
fn wrong_documents_break_the_rules() {
    let schemas = Schemas::new();
    let good = json!({ "mediaType": "a/b", "digest": "sha256:00", "size": 1 });
    schemas.check(DESCRIPTOR, &good);
    for (field, value) in [
        ("mediaType", json!("nothing")),
        ("digest", json!("00")),
        ("size", json!("1")),
        ("urls", json!(["no url"])),
        ("annotations", json!({ "a": 1 })),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(schemas.errors(DESCRIPTOR, &bad).len(), 1, "{bad}");
        let manifest = json!({ "schemaVersion": 2, "config": bad, "layers": [good] });
        assert_eq!(schemas.errors(MANIFEST, &manifest).len(), 1, "{manifest}");
        let index = json!({ "schemaVersion": 2, "manifests": [bad] });
        assert_eq!(schemas.errors(INDEX, &index).len(), 1, "{index}");
    }
    let config = json!({ "architecture": "a", "os": "b", "rootfs": { "type": "layers", "diff_ids": [] } });
    schemas.check(CONFIG, &config);
    for (pointer, value) in [("/os", json!(1)), ("/rootfs/type", json!("x")), ("/architecture", Value::Null)]
    {
        let mut bad = config.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(schemas.errors(CONFIG, &bad).len(), 1, "{bad}");
    }
    let mut dated = config;
    dated["created"] = json!("yesterday");
    assert_eq!(schemas.errors(CONFIG, &dated).len(), 1);
}

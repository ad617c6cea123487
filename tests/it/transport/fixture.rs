//! A store with images that are made without a build, and the tools of others.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use strata::exec::CancelToken;
use strata::layer::{ApplyOptions, Marks, TarWriter, apply};
use strata::oci::{
    Config, Descriptor, Digest, History, ImageConfig, Manifest, ManifestDigest, MediaType, Platform,
    Reference, RootFs,
};
use strata::progress::{Reporter, Silent};
use strata::store::{NewLayer, Store, TarSource, WorkDir};
use strata::transport::{
    Bundle, Destination, ExportError, Exported, IndexLook, Input, LoadError, LoadOptions, Loaded, Packing,
    Session, SourceImage, load, prepare, write_docker, write_oci, write_oci_directory,
};
use strata::tree::{Entry, Index, Kind, Time, Xattr};

/// An image of the store and what it is to be called where it goes.
pub(crate) struct Source {
    image: SourceImage,
    names: Vec<Reference>,
}

fn exported(bundles: &[Bundle]) -> Vec<Exported> {
    bundles.iter().flat_map(Bundle::images).map(|image| image.exported.clone()).collect()
}

/// One store in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) cancel: CancelToken,
    pub(crate) reporter: Reporter,
    // Dropped before the store's directory goes.
    work: Option<WorkDir>,
}

/// An image in a store.
pub(crate) struct Made {
    pub(crate) manifest: ManifestDigest,
    pub(crate) diff_ids: Vec<strata::oci::DiffId>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let work = Some(store.work_dir().unwrap());
        let reporter = Reporter::new(Arc::new(Silent));
        Self { dir, store, cancel: CancelToken::new().unwrap(), reporter, work }
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session { store: &self.store, work: self.work.as_ref().unwrap(), cancel: &self.cancel }
    }

    /// Ends the command: its work directory goes, with what it left there.
    pub(crate) fn next_command(&mut self) {
        self.work = None;
        self.work = Some(self.store.work_dir().unwrap());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a layer of these entries into the store.
    pub(crate) fn layer(&self, entries: &[(Entry, &[u8])]) -> Descriptor {
        let session = self.session();
        let mut sorted: BTreeMap<_, _> = BTreeMap::new();
        for (entry, content) in entries {
            sorted.insert(entry.path.clone(), (entry, content));
        }
        let mut tar = TarWriter::new(Vec::new());
        for (entry, content) in sorted.values() {
            tar.append(entry, **content).unwrap();
        }
        let tar = tar.finish().unwrap();
        let part = session.work.path().join("made");
        fs::create_dir(&part).unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).unwrap();
        let applied =
            apply(&tar[..], File::open(&part).unwrap().into(), ApplyOptions::new(Marks::Trusted)).unwrap();
        assert!(applied.regenerates);
        let new = NewLayer {
            diff_id: applied.diff_id,
            index: &applied.index,
            tar_size: applied.bytes,
            source: TarSource::Writer,
            directory: &part,
            below: Vec::new(),
        };
        self.store.publish_layer(&new, session.work).unwrap();
        Descriptor::new(MediaType::Layer, applied.diff_id.0, applied.bytes)
    }

    /// Makes an image of layers, lowest first, as a build does.
    pub(crate) fn image(&self, layers: Vec<Descriptor>, command: &str) -> Made {
        let diff_ids: Vec<_> = layers.iter().map(|layer| strata::oci::DiffId(layer.digest)).collect();
        let platform = Platform::host();
        let created = Some("2020-01-02T03:04:05Z".to_owned());
        let config = ImageConfig {
            architecture: platform.architecture,
            os: platform.os,
            config: Config { cmd: Some(vec![command.to_owned()]), ..Config::default() },
            created: created.clone(),
            history: diff_ids
                .iter()
                .map(|_| History { created: created.clone(), ..History::default() })
                .collect(),
            rootfs: RootFs { diff_ids: diff_ids.clone(), ..RootFs::default() },
            ..ImageConfig::default()
        };
        let config_json = config.to_json();
        let manifest = Manifest {
            media_type: MediaType::Manifest,
            config: Descriptor::of(MediaType::Config, &config_json),
            layers,
            annotations: BTreeMap::new(),
        };
        let json = manifest.to_json();
        let session = self.session();
        self.store.put_blob(session.work, &config_json).unwrap();
        self.store.put_blob(session.work, &json).unwrap();
        let digest = ManifestDigest(Digest::of(&json));
        let media_type = MediaType::Manifest;
        self.store.put_image(&digest, media_type.as_str(), json.len() as u64, &config.id()).unwrap();
        Made { manifest: digest, diff_ids }
    }

    /// An image of two layers with a bit of everything.
    pub(crate) fn usual(&self) -> Made {
        let noise = noise(700_000);
        let big = file("usr/big", &noise);
        let lower = self.layer(&[
            dir("etc", 0o755),
            file("etc/hosts", b"localhost\n"),
            file("etc/gone", b"x"),
            dir("usr", 0o755),
            link("usr/big-too", &big.0),
            big,
        ]);
        let mut secret = file("srv/secret", b"s");
        secret.0.mode = 0o4750;
        (secret.0.uid, secret.0.gid) = (1000, 1001);
        secret.0.xattrs = vec![capability()];
        let upper = self.layer(&[
            dir("etc", 0o755),
            (Entry::whiteout("etc/gone".into()), b""),
            dir("srv", 0o1777),
            secret,
            (symlink("srv/link", "../etc/hosts"), b""),
            (Entry::new("srv/pipe".into(), Kind::Fifo, 0o600, time()), b""),
        ]);
        self.image(vec![lower, upper], "a command")
    }

    pub(crate) fn source(&self, made: &Made, names: &[&str]) -> Source {
        let names = names.iter().map(|name| name.parse::<Reference>().unwrap()).collect();
        self.stored(&made.manifest, names)
    }

    pub(crate) fn stored(&self, manifest: &ManifestDigest, names: Vec<Reference>) -> Source {
        Source { image: SourceImage::stored(&self.store, manifest).unwrap(), names }
    }

    fn bundles(&self, images: &[Source], packing: Packing) -> Result<Vec<Bundle>, ExportError> {
        let step = self.reporter.start("prepare");
        let bundle = |source: &Source| {
            let prepared = prepare(self.session(), std::slice::from_ref(&source.image), packing, &step)?;
            Ok(Bundle::new(prepared, Vec::new(), IndexLook::default(), source.names.clone()))
        };
        let bundles = images.iter().map(bundle).collect();
        step.done();
        bundles
    }

    pub(crate) fn save(&self, images: &[Source], name: &str) -> Result<Vec<Exported>, ExportError> {
        let bundles = self.bundles(images, Packing::AsListed)?;
        let step = self.reporter.start("save");
        let written = write_docker(self.session(), &bundles, Destination::File(&self.path(name)), &step);
        step.done();
        written.map(|()| exported(&bundles))
    }

    pub(crate) fn oci(
        &self,
        images: &[Source],
        packing: Packing,
        name: &str,
    ) -> Result<Vec<Exported>, ExportError> {
        let bundles = self.bundles(images, packing)?;
        let step = self.reporter.start("export");
        let written = write_oci(self.session(), &bundles, Destination::File(&self.path(name)), &step);
        step.done();
        written.map(|()| exported(&bundles))
    }

    pub(crate) fn oci_directory(
        &self,
        images: &[Source],
        packing: Packing,
        name: &str,
    ) -> Result<Vec<Exported>, ExportError> {
        let bundles = self.bundles(images, packing)?;
        let step = self.reporter.start("export");
        let written = write_oci_directory(self.session(), &bundles, &self.path(name), &step);
        step.done();
        written.map(|()| exported(&bundles))
    }

    pub(crate) fn load(&self, path: &Path) -> Result<Vec<Loaded>, LoadError> {
        load(self.session(), Input::Path(path), &LoadOptions::default(), &self.reporter)
    }

    pub(crate) fn load_stream(&self, mut bytes: &[u8]) -> Result<Vec<Loaded>, LoadError> {
        load(self.session(), Input::Stream(&mut bytes), &LoadOptions::default(), &self.reporter)
    }

    /// The index of a layer in the store.
    pub(crate) fn index(&self, diff_id: &strata::oci::DiffId) -> Index {
        self.store.layer_index(diff_id).unwrap().read_all().unwrap()
    }

    /// Everything below the store's root but the database, the locks and the skeleton.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for directory in ["blobs", "layers", "work"] {
            list(&self.store.root().join(directory), &mut files);
        }
        files.sort();
        files
    }
}

fn list(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            list(&path, into);
        }
        into.push(path);
    }
}

pub(crate) fn time() -> Time {
    Time::from_seconds(1_500_000_000)
}

pub(crate) fn dir(path: &str, mode: u32) -> (Entry, &'static [u8]) {
    (Entry::directory(path.into(), mode, time()), b"")
}

pub(crate) fn file<'a>(path: &str, content: &'a [u8]) -> (Entry, &'a [u8]) {
    let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content) };
    (Entry::new(path.into(), kind, 0o644, time()), content)
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    Entry::new(path.into(), Kind::Symlink { target: target.as_bytes().into() }, 0o777, time())
}

/// Another name of the file that `first` is.
fn link(path: &str, first: &Entry) -> (Entry, &'static [u8]) {
    let kind = Kind::Hardlink { target: first.path.clone() };
    (Entry { path: path.into(), kind, ..first.clone() }, b"")
}

/// `cap_net_raw+ep`, as the kernel keeps it (capability.h, revision 2).
pub(crate) fn capability() -> Xattr {
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Xattr { name: b"security.capability"[..].into(), value: value.into() }
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Runs a program of another project and returns what it prints.
pub(crate) fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; apt-get install skopeo umoci zstd"));
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    stdout
}

/// `skopeo copy` without a policy.
pub(crate) fn skopeo_copy(from: &str, to: &str, options: &[&str]) {
    let mut args = vec!["--insecure-policy", "copy", "-q"];
    args.extend(options);
    args.extend([from, to]);
    tool("skopeo", &args);
}

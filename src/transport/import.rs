//! Makes an image of one layer out of the tar of a root file system.
//!
//! The layer is normalised: its tar is the one that our writer makes of the files, in the order of a walk, whatever
//! the order, the format and the tricks of the tar that came. Directories that the tar left out are real ones.

use std::io::{self, Cursor, Read};

use crate::layer::{ApplyError, ArchiveError, Decompressor, Limits, Parts, StreamOptions, stream};
use crate::oci::digest::Digester;
use crate::oci::{
    Config, Descriptor, DiffId, Digest, History, ImageConfig, Manifest, ManifestDigest, MediaType, Platform,
    Reference, RootFs,
};
use crate::progress::{Reporter, Step};
use crate::store::{StoreError, TarSource};
use crate::tree::{Index, IndexFile};

use super::Session;
use super::archive::Input;
use super::load::Loaded;
use super::load_error::{LoadError, end};
use super::looks::{EMPTY, HEAD, looks};
use super::meter::Meter;
use super::publish::{NewImage, NewParts, UnpackError, UnpackedLayer, publish, save_index, unpack_into};

/// What an imported image says of itself.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What a container of it runs, and how.
    pub config: Config,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The remark in its history, such as `Imported from -`.
    pub comment: String,
    /// Its names; there may be none.
    pub names: Vec<Reference>,
    /// How much a compressed tar may grow to.
    pub limits: Limits,
}

/// Imports the tar of a root file system, plain or in one of the forms that [`Decompressor`] reads.
pub fn import(
    session: Session<'_>,
    input: Input<'_>,
    options: &ImportOptions,
    reporter: &Reporter,
) -> Result<Loaded, LoadError> {
    let step = reporter.start("import the root file system");
    let result = run(session, input, options, &step);
    end(step, result)
}

fn run(
    session: Session<'_>,
    input: Input<'_>,
    options: &ImportOptions,
    step: &Step<'_>,
) -> Result<Loaded, LoadError> {
    let mut file;
    let (input, size): (&mut (dyn Read + Send), _) = match input {
        Input::Stream(stream) => (stream, None),
        Input::Path(path) => {
            file = std::fs::File::open(path).map_err(|source| LoadError::io("open", path, source))?;
            let metadata = file.metadata().map_err(|source| LoadError::io("look at", path, source))?;
            if metadata.is_dir() {
                return Err(LoadError::Directory(path.to_owned()));
            }
            (&mut file, metadata.is_file().then_some(metadata.len()))
        }
    };
    let meter = Meter::new(step, session.cancel, size);
    let mut tar = Decompressor::new(meter.metered(input), options.limits).map_err(LoadError::read)?;
    let mut head = Vec::new();
    tar.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(LoadError::read)?;
    if head.is_empty() {
        return Err(LoadError::NotTar(EMPTY));
    }
    let tar = Cursor::new(&head).chain(tar);
    // The layer's name is not known yet, and no other is being unpacked.
    let place = DiffId(Digest::of(b"import"));
    let mut layer = match unpack_into(session, place, options.limits.bytes, tar) {
        Ok((_, layer)) => layer,
        Err(UnpackError::Load(error)) => return Err(error),
        Err(UnpackError::Apply(ApplyError::Archive(ArchiveError::Read { source }))) => {
            return Err(LoadError::read(source));
        }
        Err(UnpackError::Apply(source)) => {
            return Err(match looks(&head).filter(|_| is_first_header(&source)) {
                Some(looks) => LoadError::NotTar(looks),
                None => LoadError::Import { source },
            });
        }
    };
    normalise(&mut layer)?;
    let image = image(&layer, options);
    let loaded =
        Loaded { manifest: image.manifest, id: image.id.0, names: image.names.clone(), tags: Vec::new() };
    publish(session, NewParts { blobs: Vec::new(), layers: vec![layer] }, &[image], &[])?;
    Ok(loaded)
}

/// Whether it is the very first header that is wrong.
fn is_first_header(error: &ApplyError) -> bool {
    matches!(
        error,
        ApplyError::Archive(ArchiveError::Truncated { name } | ArchiveError::Checksum { name }) if name.is_empty()
    )
}

/// Gives the layer the name and the size of the tar that our writer makes of it.
fn normalise(layer: &mut UnpackedLayer) -> Result<(), LoadError> {
    let index = IndexFile::open(&layer.index).and_then(|index| index.read_all()).map_err(StoreError::from)?;
    let mut entries = index.into_entries();
    for entry in &mut entries {
        entry.implied = false;
    }
    let mut tar = Digester::new(io::sink());
    let parts = [layer.directory.clone()];
    let options = StreamOptions { digests: false, ..StreamOptions::default() };
    stream(&entries, &Parts(&parts), &mut tar, options)
        .map_err(|error| LoadError::Reread { source: Box::new(error) })?;
    let (_, digest, size) = tar.finish();
    let index = Index::from_sorted(entries)
        .unwrap_or_else(|error| unreachable!("the entries of an index are in order: {error}"));
    layer.index = save_index(&layer.directory, &index)?;
    (layer.diff_id, layer.tar_size, layer.source) = (DiffId(digest), size, TarSource::Writer);
    Ok(())
}

fn image(layer: &UnpackedLayer, options: &ImportOptions) -> NewImage {
    let platform = &options.platform;
    let config = ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: (!platform.variant.is_empty()).then(|| platform.variant.clone()),
        config: options.config.clone(),
        created: Some(options.created.clone()),
        history: vec![History {
            created: Some(options.created.clone()),
            comment: Some(options.comment.clone()),
            ..History::default()
        }],
        rootfs: RootFs { diff_ids: vec![layer.diff_id], ..RootFs::default() },
        ..ImageConfig::default()
    };
    let config_json = config.to_json();
    let manifest = Manifest {
        media_type: MediaType::Manifest,
        config: Descriptor::of(MediaType::Config, &config_json),
        layers: vec![Descriptor::new(MediaType::Layer, layer.diff_id.0, layer.tar_size)],
        annotations: std::collections::BTreeMap::default(),
    };
    let manifest_json = manifest.to_json();
    NewImage {
        manifest: ManifestDigest(Digest::of(&manifest_json)),
        manifest_json,
        media_type: manifest.media_type,
        id: config.id(),
        config_json,
        names: options.names.clone(),
    }
}

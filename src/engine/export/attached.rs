//! What is said of images and files goes out with them: manifests beside those of the images, files beside the files.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::attest::Subject;
use crate::oci::{ContentDigest, DiffId, Digest, Platform, Reference};
use crate::store::{Layer, TarSource};
use crate::transport::{Companion, Merged, Piece, Prepared};
use crate::tree::{Entry, Found, Kind, Time, TreePath};

use super::super::build::Metadata;
use super::super::error::EngineError;
use super::super::output::ImageLook;
use super::{Exporting, PlatformBuild};

/// The mode of files with attestations, as in BuildKit.
const MODE: u32 = 0o600;

impl Exporting<'_> {
    /// The manifests that go beside those of the images.
    pub(super) fn companions(
        &self,
        look: &ImageLook,
        images: &[Prepared],
        names: &[Reference],
    ) -> Vec<Companion> {
        let attached = self.builds.iter().zip(images).filter_map(|(build, image)| {
            let exported = &image.exported;
            let platform = exported.manifest.platform.as_ref().unwrap_or(build.platform);
            let said = (names, platform);
            let about = (&exported.manifest, &exported.layers[..]);
            let made = build.attested.manifest(about, said, look.attestation_shape)?;
            Some(Companion::new(made.descriptor, made.json, made.blobs))
        });
        if look.unattested { Vec::new() } else { attached.collect() }
    }

    /// What the report has of how the image was made, by the platforms if there are several.
    pub(in crate::engine) fn reported_provenance(&self) -> Vec<(Option<Platform>, Metadata)> {
        let Some(mode) = self.request.reported_provenance else { return Vec::new() };
        let are_several = self.builds.len() > 1;
        let reported = self.builds.iter().filter_map(|build| {
            Some((are_several.then(|| build.platform.clone()), build.attested.metadata(mode)?))
        });
        reported.collect()
    }

    /// The files with what is said of the files of `piece`, if anything is. What is not in a directory of its own has the
    /// platform in its name, if there are several.
    pub(super) fn attached_files(
        &self,
        build: &PlatformBuild<'_>,
        piece: &Piece,
        prefix: &str,
    ) -> Result<Option<Piece>, EngineError> {
        let subjects: Vec<Subject> = piece.merged.found.iter().filter_map(subject).collect();
        let mut files = build.attested.files(&subjects, prefix);
        if files.is_empty() {
            return Ok(None);
        }
        if piece.directory.is_none() && self.builds.len() > 1 {
            let platform = piece.label.replace('/', "_");
            for (name, _) in &mut files {
                *name = match name.rsplit_once('.') {
                    Some((stem, extension)) => format!("{stem}.{platform}.{extension}"),
                    None => format!("{name}.{platform}"),
                };
            }
        }
        let label = format!("what is said of {}", piece.label);
        let directory = self.session.work.path().join(format!("attached-{}", piece.label.replace('/', "_")));
        let merged = laid_out(files, directory)?;
        Ok(Some(Piece { label, directory: piece.directory.clone(), merged }))
    }
}

fn subject(found: &Found) -> Option<Subject> {
    match found.entry.kind {
        Kind::File { digest, .. } => {
            let path = found.entry.path.to_string();
            Some(Subject::new(Some(path.trim_start_matches('/').to_owned()), &digest))
        }
        _ => None,
    }
}

/// Files as a file system of their own, whose contents lie in `directory`.
fn laid_out(files: Vec<(String, Vec<u8>)>, directory: PathBuf) -> Result<Merged, EngineError> {
    fs::create_dir_all(&directory).map_err(|source| EngineError::Io {
        operation: "make",
        path: directory.clone(),
        source,
    })?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Time::from_seconds(since.as_secs() as i64);
    let mut found = Vec::with_capacity(files.len());
    for (name, content) in files {
        let path = TreePath::from(name.as_str());
        let place = directory.join(&name);
        let kind = Kind::File { size: content.len() as u64, digest: Digest::of(&content) };
        fs::write(&place, content).map_err(|source| EngineError::Io {
            operation: "write",
            path: place,
            source,
        })?;
        found.push(Found { entry: Entry::new(path.clone(), kind, MODE, now), layer: 0, content: path });
    }
    found.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
    let layer = Layer {
        diff_id: DiffId(Digest::of(b"")),
        content: ContentDigest(Digest::of(b"")),
        tar_size: 0,
        size: 0,
        source: TarSource::Writer,
        implied: false,
        parts: vec![directory],
    };
    Ok(Merged { found, layers: vec![layer] })
}

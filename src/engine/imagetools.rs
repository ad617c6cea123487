//! Images where they are, in registries: looked at, and put together to new ones, without being brought.
//!
//! Owns which source is meant by what a user writes, and the order of things: all sources are found before anything is
//! changed, what they name is where the new image goes before its index is, and tags come last.

mod error;
mod given;
mod look;

use std::collections::BTreeMap;

use crate::exec::CancelToken;
use crate::oci::{
    Descriptor, Document, Entry, EntryPlatform, ImageConfig, Listing, Manifest, Platform, Reference,
};
use crate::progress::Reporter;
use crate::registry::{Registries, Repository, Watch, Which};
use crate::transport::{
    self, Combined, CopySource, EntryAnnotation, PullError, PushTarget, RemoteDocument, Session, Source,
    Wishes,
};

use super::Engine;
use super::error::EngineError;
use super::output::{Annotation, Level};
pub use error::ImagetoolsError;
pub use given::{GivenSource, GivenSourceError};
pub use look::{Attestations, RemoteImages, RemoteLook, look};

/// What to put together.
#[derive(Debug, Clone)]
pub struct IndexRequest {
    /// What it is to be called; may be empty if it is only to be shown.
    pub tags: Vec<Reference>,
    /// Of what.
    pub sources: Vec<GivenSource>,
    /// Whether what the first tag stands for is the first source.
    pub append: bool,
    /// Whether a single manifest becomes an index, too.
    pub prefer_index: bool,
    /// Which images it has; all, if none is named.
    pub platforms: Vec<Platform>,
    /// Remarks on the index and on what it lists.
    pub annotations: Vec<Annotation>,
    /// Whether nothing is to be changed anywhere.
    pub dry_run: bool,
}

/// An image that was put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndex {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Engine {
    /// Puts an image together of others, and gives it its names in their registries.
    pub fn create_index(
        &self,
        registries: &Registries,
        request: &IndexRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<NewIndex, EngineError> {
        let creating = Creating { engine: self, registries, reporter, cancel };
        let created = creating.create(request);
        created.map_err(|error| EngineError::Imagetools(Box::new(error)))
    }
}

/// What it takes to create.
#[derive(Clone, Copy)]
struct Creating<'a> {
    engine: &'a Engine,
    registries: &'a Registries,
    reporter: &'a Reporter,
    cancel: &'a CancelToken,
}

/// What a source is to the image that is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// In another repository.
    Source,
    /// In a repository that the image goes to.
    Neighbour,
    /// What is added to.
    Target,
}

/// A source that was found.
struct Found<'r> {
    repository: Repository<'r>,
    /// The repository in full.
    name: String,
    source: Source,
}

impl<'a> Creating<'a> {
    fn create(self, request: &IndexRequest) -> Result<NewIndex, ImagetoolsError> {
        let wishes = wishes(request)?;
        let found = self.find_all(request)?;
        let sources: Vec<Source> = found.iter().map(|found| found.source.clone()).collect();
        let combined = transport::combine(&sources, &wishes)?;
        if !request.dry_run {
            for (name, tags) in by_repository(&request.tags) {
                self.send(&combined, &found, &name, &tags)?;
            }
        }
        let descriptor = Descriptor::of(combined.media_type, &combined.bytes);
        Ok(NewIndex { descriptor, bytes: combined.bytes })
    }

    fn find_all(self, request: &IndexRequest) -> Result<Vec<Found<'a>>, ImagetoolsError> {
        let mut found = Vec::new();
        if request.append {
            let name = request.tags.first().ok_or(ImagetoolsError::NothingToAppendTo)?;
            found.push(self.find(name, None, Role::Target)?);
        }
        let repository = given::only_repository(&request.tags, &request.sources);
        for source in &request.sources {
            let name = source.reference(repository.as_ref())?;
            // What is written to is read where it is written: a mirror may be behind.
            let is_here = request.tags.iter().any(|tag| tag.name() == name.name());
            let role = if is_here { Role::Neighbour } else { Role::Source };
            found.push(self.find(&name, source.said(), role)?);
        }
        Ok(found)
    }

    /// Reads a source; `said` is what the user says of it besides its name.
    fn find(
        self,
        name: &Reference,
        said: Option<&given::Said>,
        role: Role,
    ) -> Result<Found<'a>, ImagetoolsError> {
        let step = self.reporter.start(&format!("resolve {name}"));
        let found = self.read(name, said, role);
        match &found {
            Ok(_) => step.done(),
            Err(error) if error.is_canceled() => step.canceled(),
            Err(error) => step.failed(error.to_string()),
        }
        found.map_err(|error| match error {
            ImagetoolsError::Source { name, source, .. } => {
                let in_store = error::is_absent(&source) && self.engine.find(&name.to_string()).is_ok();
                ImagetoolsError::Source { name, in_store, is_target: role == Role::Target, source }
            }
            other => other,
        })
    }

    fn read(
        self,
        name: &Reference,
        said: Option<&given::Said>,
        role: Role,
    ) -> Result<Found<'a>, ImagetoolsError> {
        let failed = |source: PullError| ImagetoolsError::source(name, source);
        let repository = match role {
            Role::Source => self.registries.repository(name),
            Role::Neighbour | Role::Target => self.registries.own_repository(name, false),
        };
        let repository = repository.map_err(|error| failed(error.into()))?;
        let is_canceled = || self.cancel.is_canceled();
        let watch = Watch { is_canceled: &is_canceled, note: &drop };
        let read = RemoteDocument::read(&repository, &which(name), &watch).map_err(failed)?;
        let media_type = read.media_type().clone();
        let mut entry = Entry::new(media_type.clone(), read.digest.0, read.bytes.len() as u64);
        if let Some(said) = said {
            said.put_over(&mut entry)?;
        }
        let listing = match &read.document {
            Document::Manifest(manifest) => {
                complete_platform(&mut entry, &repository, manifest, watch).map_err(failed)?;
                None
            }
            Document::Index(_) => Listing::from_json(&read.bytes, Some(&media_type))
                .map_err(|source| failed(PullError::Manifest { manifest: read.digest, source }))?,
        };
        let source = Source { entry, listing, bytes: read.bytes };
        Ok(Found { repository, name: name.name(), source })
    }

    /// Brings what the image is made of into a repository, then the image under its tags there.
    fn send(
        self,
        image: &Combined,
        found: &[Found<'_>],
        name: &str,
        tags: &[Reference],
    ) -> Result<(), ImagetoolsError> {
        let Some(first) = tags.first() else { return Ok(()) };
        let failed = |source| ImagetoolsError::Push { name: first.familiar(), source: Box::new(source) };
        let target = self.registries.own_repository(first, false).map_err(|error| failed(error.into()))?;
        let work = self.engine.store.work_dir().map_err(|error| failed(error.into()))?;
        let session = Session { store: &self.engine.store, work: &work, cancel: self.cancel };
        let tags: Vec<String> = tags.iter().filter_map(|tag| tag.tag().map(str::to_owned)).collect();
        let target = PushTarget { repository: &target, name, tags: &tags };
        for (number, found) in found.iter().enumerate().filter(|(_, found)| found.name != name) {
            let from_here = image.parts.iter().filter(|(_, source)| *source == number);
            let roots: Vec<Descriptor> = from_here.map(|(entry, _)| entry.clone().into()).collect();
            if roots.is_empty() {
                continue;
            }
            let from = CopySource { repository: &found.repository, name: &found.name };
            transport::copy(session, from, target, &roots, self.reporter).map_err(|source| {
                let (from, to) = (found.name.clone(), name.to_owned());
                ImagetoolsError::Copy { from, to, source: Box::new(source) }
            })?;
        }
        transport::put(session, target, &image.media_type, &image.bytes, self.reporter).map_err(failed)?;
        Ok(())
    }
}

/// Tags with the repository that they are in, in which they have their order.
fn by_repository(tags: &[Reference]) -> BTreeMap<String, Vec<Reference>> {
    let mut repositories: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
    for tag in tags {
        repositories.entry(tag.name()).or_default().push(tag.clone());
    }
    repositories
}

/// Which manifest of its repository a reference names.
fn which(name: &Reference) -> Which {
    match (name.digest(), name.tag()) {
        (Some(digest), _) => Which::Digest(digest),
        (None, tag) => Which::Tag(tag.unwrap_or_default().to_owned()),
    }
}

/// Says of a manifest what its image runs on, as far as nobody has said it.
fn complete_platform(
    entry: &mut Entry,
    repository: &Repository<'_>,
    manifest: &Manifest,
    watch: Watch<'_>,
) -> Result<(), PullError> {
    let is_known =
        entry.platform.as_ref().is_some_and(|own| !own.os.is_empty() && !own.architecture.is_empty());
    if is_known || !manifest.config.media_type.is_config() {
        return Ok(());
    }
    let json = look::config_json(repository, manifest, watch)?;
    let config = ImageConfig::from_json(&json).map_err(PullError::Config)?;
    let platform =
        Platform::normalized(&config.os, &config.architecture, config.variant.as_deref().unwrap_or_default());
    let own = entry.platform.get_or_insert_default();
    let found = EntryPlatform::from(&platform);
    if own.architecture.is_empty() {
        own.architecture = found.architecture;
        own.variant = own.variant.take().or(found.variant);
    }
    if own.os.is_empty() {
        own.os = found.os;
    }
    Ok(())
}

fn wishes(request: &IndexRequest) -> Result<Wishes, ImagetoolsError> {
    let mut wishes = Wishes {
        prefer_index: request.prefer_index,
        platforms: request.platforms.clone(),
        ..Wishes::default()
    };
    for Annotation { level, platform, key, value } in request.annotations.clone() {
        match (level, platform) {
            (Level::Index, None) => drop(wishes.of_index.insert(key, value)),
            (Level::Index, Some(_)) => return Err(ImagetoolsError::IndexForPlatform { key }),
            (Level::ManifestDescriptor, platform) => {
                wishes.of_entries.push(EntryAnnotation { platform, key, value });
            }
            (Level::Manifest | Level::IndexDescriptor, _) => {
                return Err(ImagetoolsError::NoPlaceFor { key, level });
            }
        }
    }
    Ok(wishes)
}

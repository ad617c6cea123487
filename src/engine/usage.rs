//! What a store holds and what it takes on disk.
//!
//! Every byte counts once, for the first that needs it: images, then containers that stay, then what is kept for later
//! builds. A directory that several build results stack belongs to the one that was used last: whoever removes the least
//! recently used first frees it with that one.

mod filter;
mod ledger;
mod prune;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rayon::prelude::*;

use crate::cache::Details;
use crate::oci::DiffId;
use crate::store::{CachedLayer, Disk, EncodingRow, Stashed, StoreError};

use super::containers::ContainerSummary;
use super::error::EngineError;
use super::images::{ImageFilter, ImageSummary};
use super::{ContainerFilter, Engine};

use ledger::{Ledger, Users};

pub use filter::RecordFilter;
pub use prune::{PruneRequest, Pruned, Space};

/// What kind of thing is kept for later builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// The layer that a step made.
    Result,
    /// What a cache mount holds.
    CacheMount,
    /// A file that was fetched from a URL.
    File,
    /// A mirror of a Git repository.
    Mirror,
    /// What a scan of a context has learned.
    Scan,
    /// What a failed step left.
    Failed,
    /// A compressed form of a layer.
    Export,
}

impl RecordKind {
    /// All kinds, in the order of lists.
    pub const ALL: [Self; 7] =
        [Self::Result, Self::CacheMount, Self::File, Self::Mirror, Self::Scan, Self::Failed, Self::Export];

    /// The word for filters: BuildKit's where it has one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Result => "regular",
            Self::CacheMount => "exec.cachemount",
            Self::File => "source.http",
            Self::Mirror => "source.git",
            Self::Scan => "source.local",
            Self::Failed => "failed",
            Self::Export => "export",
        }
    }
}

/// Something that is kept for later builds.
#[derive(Debug, Clone)]
pub struct CacheRecord {
    /// What kind of thing it is.
    pub kind: RecordKind,
    /// What tells it from others of its kind.
    pub id: String,
    /// What it is, for people.
    pub description: String,
    /// What it takes.
    pub disk: Disk,
    /// What would be freed without it: nothing of what an image or a container needs, too.
    pub frees: Disk,
    /// When it came.
    pub created: Timestamp,
    /// When it was used last.
    pub last_use: Timestamp,
    /// Whether an image or a container needs it.
    pub shared: bool,
    /// Whether a running command uses it.
    pub in_use: bool,
    key: Key,
}

/// How a record is found again.
#[derive(Debug, Clone)]
enum Key {
    Layer(DiffId),
    Encoding(EncodingRow),
    Name(String),
}

/// What an image takes.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// The image.
    pub image: ImageSummary,
    /// What it takes, with what it shares.
    pub disk: Disk,
    /// What no other image and no container needs.
    pub unique: Disk,
    /// How many containers are of it.
    pub containers: usize,
}

/// What a container has changed.
#[derive(Debug, Clone)]
pub struct ContainerUsage {
    /// The container.
    pub container: ContainerSummary,
    /// What it takes besides its image.
    pub disk: Disk,
}

/// What a store holds.
#[derive(Debug, Clone)]
pub struct Usage {
    /// The images, the newest first.
    pub images: Vec<ImageUsage>,
    /// What all images take together.
    pub all_images: Disk,
    /// What images without containers take, and nobody else.
    pub unused_images: Disk,
    /// The containers that stay, the last one first.
    pub containers: Vec<ContainerUsage>,
    /// What all containers take that is no image's.
    pub all_containers: Disk,
    /// What is kept for later builds, by kind and then the last used first.
    pub records: Vec<CacheRecord>,
    /// All there is, with the database, what is being made, and what nobody needs any more.
    pub total: Disk,
}

impl Usage {
    /// What belongs to no image, container or record: the database, what is being made, and what nobody needs any more.
    pub fn other(&self) -> Disk {
        let known = self.all_images + self.all_containers + self.cache();
        Disk {
            used: self.total.used.saturating_sub(known.used),
            apparent: self.total.apparent.saturating_sub(known.apparent),
        }
    }

    /// What is kept for later builds alone.
    pub fn cache(&self) -> Disk {
        self.records.iter().map(|record| record.frees).sum()
    }
}

impl Engine {
    /// What the store holds now. Builds may go on meanwhile.
    pub fn usage(&self) -> Result<Usage, EngineError> {
        let images = self.single_images(&ImageFilter::default())?;
        let containers = self.containers(&ContainerFilter::default())?;
        let (cached, encodings) = (self.store.cached_layers()?, self.store.encodings()?);
        let mut ledger = Ledger::open(&self.store)?;
        self.note_images(&images, &mut ledger)?;
        let own = self.note_containers(&containers, &mut ledger)?;
        for (number, result) in cached.iter().enumerate() {
            ledger.note_layer(&result.layer, |users| {
                users.results.insert(number);
            });
        }
        for encoding in &encodings {
            ledger.note(self.store.blob_file(&encoding.blob.0), |_| {});
        }
        ledger.measure()?;
        let leased = self.store.leased_layers()?;
        let mut records = self.stashed_records()?;
        records.extend(results(&cached, &ledger, &leased));
        records.extend(self.exports(encodings, &ledger, &leased));
        records.sort_by(|a, b| (a.kind, b.last_use, &a.id).cmp(&(b.kind, a.last_use, &b.id)));
        let containers = containers.into_iter().zip(own);
        let containers: Vec<ContainerUsage> =
            containers.map(|(container, own)| ContainerUsage { container, disk: ledger.sum(&own) }).collect();
        let images = image_usage(images, &containers, &ledger);
        let idle = |users: &Users| {
            !users.images.is_empty()
                && users.containers.is_empty()
                && users.images.iter().all(|&image| images[image].containers == 0)
        };
        Ok(Usage {
            all_images: ledger.sum_where(|users| !users.images.is_empty()),
            unused_images: ledger.sum_where(idle),
            all_containers: ledger.sum_where(|users| users.images.is_empty() && !users.containers.is_empty()),
            containers,
            images,
            records,
            total: Disk::of(self.root())?,
        })
    }

    fn note_images(&self, images: &[ImageSummary], ledger: &mut Ledger) -> Result<(), EngineError> {
        for (number, image) in images.iter().enumerate() {
            let note = |users: &mut Users| {
                users.images.insert(number);
            };
            let (blobs, layers) = self.needed_by(image)?;
            for blob in &blobs {
                ledger.note(self.store.blob_file(blob), note);
            }
            for layer in &layers {
                ledger.note_layer(layer, note);
            }
        }
        Ok(())
    }

    /// Gives what belongs to each container alone, besides its image's layers.
    fn note_containers(
        &self,
        containers: &[ContainerSummary],
        ledger: &mut Ledger,
    ) -> Result<Vec<Vec<PathBuf>>, EngineError> {
        let mut all = Vec::with_capacity(containers.len());
        for (number, container) in containers.iter().enumerate() {
            let note = |users: &mut Users| {
                users.containers.insert(number);
            };
            let row = self.find_container(container.id.as_str())?;
            let place = self.store.container_place(&row.id);
            ledger.note(place.clone(), note);
            row.layers.iter().chain(&row.layer).for_each(|layer| ledger.note_layer(layer, note));
            let layer = row.layer.iter().flat_map(|layer| ledger.of_layer(layer).iter().cloned());
            all.push(layer.chain([place]).collect());
        }
        Ok(all)
    }

    /// The compressed forms of layers. One that something else needs, too, frees nothing.
    fn exports(
        &self,
        encodings: Vec<EncodingRow>,
        ledger: &Ledger,
        leased: &HashSet<DiffId>,
    ) -> Vec<CacheRecord> {
        let mut counted = HashSet::new();
        let record = |encoding: EncodingRow| {
            let path = self.store.blob_file(&encoding.blob.0);
            let shared = ledger.users(&path).is_some_and(Users::is_held);
            let needed = shared || ledger.users(&path).is_some_and(|users| !users.results.is_empty());
            let (disk, time) = (ledger.sum([&path]), timestamp(modified(&path)));
            let frees = if counted.insert(path) && !needed { disk } else { Disk::default() };
            CacheRecord {
                kind: RecordKind::Export,
                id: encoding.blob.0.hex(),
                description: format!("{} of layer {}", encoding.encoding, encoding.layer.0.short()),
                disk,
                frees,
                created: time,
                last_use: time,
                shared,
                in_use: leased.contains(&encoding.layer),
                key: Key::Encoding(encoding),
            }
        };
        encodings.into_iter().map(record).collect()
    }

    /// What is kept in directories of its own.
    fn stashed_records(&self) -> Result<Vec<CacheRecord>, EngineError> {
        let mut found = Vec::new();
        let stashed = [
            (RecordKind::CacheMount, self.store.cache_mounts()?),
            (RecordKind::File, self.store.fetched_files()?),
            (RecordKind::Mirror, self.store.git_mirrors()?),
            (RecordKind::Scan, self.store.stat_caches()?),
        ];
        for (kind, all) in stashed {
            found.extend(all.into_iter().map(|one| (kind, one)));
        }
        let kept = self.failed_steps()?.into_iter().map(|step| Stashed {
            path: self.store.kept_place(&step.id),
            about: step.step.unwrap_or_default(),
            created: step.created,
            last_use: step.created,
            in_use: self.store.is_kept_in_use(&step.id),
            name: step.id,
        });
        found.extend(kept.map(|one| (RecordKind::Failed, one)));
        let record = |(kind, one): (RecordKind, Stashed)| -> Result<CacheRecord, StoreError> {
            let disk = Disk::of(&one.path)?;
            Ok(CacheRecord {
                kind,
                id: one.name.trim_end_matches(".git").trim_end_matches("/0").to_owned(),
                description: match kind {
                    RecordKind::Scan => "scan of a context".to_owned(),
                    _ => one.about,
                },
                disk,
                frees: disk,
                created: timestamp(one.created),
                last_use: timestamp(one.last_use),
                shared: false,
                in_use: one.in_use,
                key: Key::Name(one.name),
            })
        };
        Ok(found.into_par_iter().map(record).collect::<Result<_, _>>()?)
    }
}

/// What steps made. What several have in common belongs to the one that was used last.
fn results<'a>(
    cached: &'a [CachedLayer],
    ledger: &'a Ledger,
    leased: &'a HashSet<DiffId>,
) -> impl Iterator<Item = CacheRecord> + 'a {
    let is_last = |users: &Users, number: usize| {
        users.results.iter().max_by_key(|&&other| (cached[other].last_use, other)) == Some(&number)
    };
    cached.iter().enumerate().map(move |(number, result)| {
        let paths = ledger.of_layer(&result.layer);
        let free = |path: &&PathBuf| {
            ledger.users(path).is_some_and(|users| !users.is_held() && is_last(users, number))
        };
        let details = Details::from_json(&result.details);
        let description = details.map_or_else(|| "<unreadable>".to_owned(), |details| details.step);
        CacheRecord {
            kind: RecordKind::Result,
            id: result.layer.0.hex(),
            description: match result.records {
                1 => description,
                more => format!("{description} (on {more} bases)"),
            },
            disk: ledger.sum(paths),
            frees: ledger.sum(paths.iter().filter(free)),
            created: Timestamp::from_second(result.created).unwrap_or_default(),
            last_use: Timestamp::from_second(result.last_use).unwrap_or_default(),
            // Its index is its own: who holds that holds the layer.
            shared: paths
                .iter()
                .any(|path| path.ends_with("index") && ledger.users(path).is_some_and(Users::is_held)),
            in_use: leased.contains(&result.layer),
            key: Key::Layer(result.layer),
        }
    })
}

fn image_usage(images: Vec<ImageSummary>, containers: &[ContainerUsage], ledger: &Ledger) -> Vec<ImageUsage> {
    let usage = |(number, image): (usize, ImageSummary)| ImageUsage {
        disk: ledger.sum_where(|users| users.images.contains(&number)),
        unique: ledger.sum_where(|users| {
            users.images.len() == 1 && users.images.contains(&number) && users.containers.is_empty()
        }),
        containers: containers.iter().filter(|one| one.container.image_id.0 == image.id).count(),
        image,
    };
    images.into_iter().enumerate().map(usage).collect()
}

fn modified(path: &std::path::Path) -> SystemTime {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(UNIX_EPOCH)
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

//! The config of a built image.
//!
//! The history of an image has one entry that is not an "empty layer" for each layer. Our own entries keep to that;
//! those of a base image are put right first, the way BuildKit does, because everything that is added after them
//! depends on the count.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::oci::{DiffId, History, ImageConfig, RootFs};
use crate::plan::{HistoryItem, StepId, Target};

use super::time::rfc3339;

/// The comment on entries of a build.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// The comment on entries that stand for layers without history: a base image's, or a context's.
const REPAIRED: &str = "buildkit.exporter.image.v0";

/// A layer that a step made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltLayer {
    /// Its digest.
    pub diff_id: DiffId,
    /// When the step ran, now or when it was first run.
    pub created: Timestamp,
}

/// The parts of an image do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A step of the target has no layer.
    #[error("no layer was made for `{created_by}`")]
    MissingLayer {
        /// The instruction.
        created_by: String,
    },
}

/// Makes the config of the image that `target` describes. `base` is the config of the target's base, `layers` has the
/// layer of each step in the target's history.
///
/// With `epoch` all that is new has that time. Otherwise an instruction without a layer is dated by the layer before it
/// in this build, those before the first layer by that one, and if the build made no layers by the base image.
pub fn assemble(
    target: &Target,
    base: Option<&ImageConfig>,
    layers: &BTreeMap<StepId, BuiltLayer>,
    epoch: Option<Timestamp>,
) -> Result<ImageConfig, AssembleError> {
    let mut history = base.map(repaired_history).unwrap_or_default();
    let mut diff_ids = base.map(|base| base.rootfs.diff_ids.clone()).unwrap_or_default();
    let built: Vec<Option<&BuiltLayer>> =
        target.history.iter().map(|item| layer(item, layers)).collect::<Result<_, _>>()?;
    let first = built.iter().flatten().next().map(|layer| rfc3339(layer.created));
    let inherited = || history.iter().rev().find_map(|entry| entry.created.clone());
    let epoch = epoch.map(rfc3339);
    let mut created = epoch.clone().or(first).or_else(inherited);
    let mut added = Vec::with_capacity(built.len());
    for (item, layer) in target.history.iter().zip(&built) {
        if let Some(layer) = layer {
            created = epoch.clone().or_else(|| Some(rfc3339(layer.created)));
            diff_ids.push(layer.diff_id);
        }
        added.push(History {
            created: created.clone(),
            created_by: item.created_by.clone(),
            author: None,
            comment: Some(if item.created_by.is_some() { COMMENT } else { REPAIRED }.to_owned()),
            empty_layer: layer.is_none(),
        });
    }
    history.extend(added);
    let platform = &target.platform;
    Ok(ImageConfig {
        architecture: platform.architecture.clone(),
        config: target.config.clone(),
        created: epoch.or_else(|| history.iter().rev().find_map(|entry| entry.created.clone())),
        history,
        os: platform.os.clone(),
        os_version: base.and_then(|base| base.os_version.clone()),
        rootfs: RootFs { diff_ids, ..RootFs::default() },
        variant: (!platform.variant.is_empty()).then(|| platform.variant.clone()),
        author: target.author.clone(),
    })
}

/// The layer that belongs to an entry; `None` if the instruction makes none.
fn layer<'l>(
    item: &HistoryItem,
    layers: &'l BTreeMap<StepId, BuiltLayer>,
) -> Result<Option<&'l BuiltLayer>, AssembleError> {
    item.step
        .map(|step| {
            layers.get(&step).ok_or_else(|| AssembleError::MissingLayer {
                created_by: item.created_by.clone().unwrap_or_else(|| "FROM".to_owned()),
            })
        })
        .transpose()
}

/// A base image's history with one entry for each layer: what is too much loses its layer, what is missing is added.
fn repaired_history(base: &ImageConfig) -> Vec<History> {
    let mut history = base.history.clone();
    let mut left = base.rootfs.diff_ids.len();
    for entry in history.iter_mut().filter(|entry| !entry.empty_layer) {
        match left.checked_sub(1) {
            Some(less) => left = less,
            None => entry.empty_layer = true,
        }
    }
    let missing =
        History { created: base.created.clone(), comment: Some(REPAIRED.to_owned()), ..History::default() };
    history.extend(std::iter::repeat_n(missing, left));
    history
}

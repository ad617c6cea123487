//! What a command stands on: a root that it may change, over the layers of a state.
//!
//! In most stores that is an overlay. Where none can be mounted it is a copy, with reflinks where the file system has
//! them; what was changed is found by a comparison of the whole with the layers then.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::exec::{self, CancelToken, MountApi, Upper};
use crate::layer::{Committed, Marks, Placer, commit, commit_whole, survey_whole};
use crate::store::Store;
use crate::sys::reach::Reach;
use crate::tree::{Found, Kind, LayerView, TreePath, View};

use super::error::StepError;
use super::state::{Opened, new_part};

/// A root for one command.
#[derive(Debug)]
pub struct Ground {
    /// What a sandbox mounts.
    pub root: exec::Root,
    /// Where the changes are found afterwards: an upper, or the whole.
    pub(super) directory: PathBuf,
}

impl Ground {
    /// Makes a root of what `opened` shows, with its directories in `scratch`. `left` is the directory of another root of
    /// the same: what was changed there is in this one, too, and what changes here does not change it.
    pub(super) fn make(
        opened: &Opened,
        left: Option<&Path>,
        (store, scratch): (&Store, &Path),
        cancel: &CancelToken,
    ) -> Result<Self, StepError> {
        let upper = make_upper(scratch)?;
        let directory = upper.dir.clone();
        let plain = !store.has_overlays();
        let lowers = if plain {
            match left {
                None => copy(opened, &directory, cancel)?,
                Some(left) => copy_directory(left, &directory, cancel)?,
            }
            vec![directory.clone()]
        } else {
            left.map(Path::to_owned).into_iter().chain(opened.lowers(scratch)?).collect()
        };
        let root = exec::Root {
            lowers,
            skeleton: store.skeleton(),
            upper: Some(upper),
            plain,
            volatile: true,
            mount_api: MountApi::Best,
        };
        Ok(Self { root, directory })
    }

    /// Makes a layer of what was changed; the command must be gone. `stubs` are what the sandbox made to mount on.
    pub(super) fn commit(&self, opened: &Opened, stubs: &[TreePath]) -> Result<Committed, StepError> {
        commit_directory(&self.directory, self.root.plain, opened, stubs)
    }
}

/// Makes a layer of the directory of a root that no command uses any more: the upper of an overlay, or a `plain` whole.
pub(super) fn commit_directory(
    path: &Path,
    plain: bool,
    opened: &Opened,
    stubs: &[TreePath],
) -> Result<Committed, StepError> {
    let directory = File::open(path).map_err(failed("open", path))?;
    let committed = if plain {
        commit_whole(directory.as_fd(), &opened.view, stubs)
    } else {
        commit(directory.as_fd(), &opened.view, stubs, Marks::here(true))
    };
    Ok(committed?)
}

/// Makes in `scratch` the two empty directories that a writable overlay needs.
pub(super) fn make_upper(scratch: &Path) -> Result<Upper, StepError> {
    let upper = Upper { dir: scratch.join("upper"), work: scratch.join("work") };
    for directory in [&upper.dir, &upper.work] {
        fs::create_dir(directory).map_err(failed("make", directory))?;
    }
    // Overlayfs shows the upper's root as the root of the merged tree.
    fs::set_permissions(&upper.dir, fs::Permissions::from_mode(0o755))
        .map_err(failed("set the mode of", &upper.dir))?;
    Ok(upper)
}

/// Copies what `opened` shows into `into`, a new or empty directory. Names of one file stay names of one file.
pub(super) fn copy(opened: &Opened, into: &Path, cancel: &CancelToken) -> Result<(), StepError> {
    copy_view(&opened.view, &|found| opened.content_path(found), into, cancel)
}

/// The same for the directory of a root that is a copy itself and that nobody changes.
fn copy_directory(whole: &Path, into: &Path, cancel: &CancelToken) -> Result<(), StepError> {
    let directory = File::open(whole).map_err(failed("open", whole))?;
    let index = survey_whole(directory.as_fd())?;
    let view = View::new(vec![LayerView::Memory(Arc::new(index))]);
    copy_view(&view, &|found| whole.join(found.content.as_path()), into, cancel)
}

fn copy_view(
    view: &View,
    content: &(dyn Fn(&Found) -> PathBuf + Sync),
    into: &Path,
    cancel: &CancelToken,
) -> Result<(), StepError> {
    let found = view.walk(&TreePath::root())?;
    let placer = new_part(into, Marks::None)?;
    let mut names: HashMap<(usize, &TreePath), &TreePath> = HashMap::new();
    let (mut files, mut links) = (Vec::new(), Vec::new());
    for found in &found {
        let entry = &found.entry;
        let first = match names.entry((found.layer, &found.content)) {
            _ if entry.is_directory() => None,
            Slot::Occupied(first) => Some(*first.get()),
            Slot::Vacant(slot) => {
                slot.insert(&entry.path);
                None
            }
        };
        match (first, &entry.kind) {
            (Some(first), _) => links.push((first, &entry.path)),
            (None, Kind::File { .. }) => files.push(found),
            (None, _) => placer.place(entry)?,
        }
    }
    files.par_iter().try_for_each(|found| {
        if cancel.is_canceled() {
            return Err(StepError::Canceled);
        }
        copy_file(&content(found), found, &placer)
    })?;
    for (target, path) in links {
        placer.link(target, path)?;
    }
    Ok(placer.close()?)
}

fn copy_file(path: &Path, found: &Found, placer: &Placer) -> Result<(), StepError> {
    let mut content = Reach::to(path).and_then(File::open).map_err(failed("open", path))?;
    let mut file = placer.create(&found.entry.path)?;
    // By copy_file_range(2), which shares the blocks where that can be done.
    io::copy(&mut content, &mut file).map_err(failed("copy", path))?;
    Ok(placer.finish(&file, &found.entry)?)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Io { operation, path, source }
}

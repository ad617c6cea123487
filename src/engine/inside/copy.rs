//! Files out of an image onto the machine, as `docker cp` takes them out of a container.

use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::exec::CancelToken;
use crate::progress::Reporter;
use crate::store::StoreError;
use crate::transport::{self, Destination, LocalOptions, Merged, Session};
use crate::tree::{Found, LastLink, TreePath};
use crate::user::is_confined;

use super::super::Engine;
use super::super::error::EngineError;
use super::super::look_error::LookError;
use super::ImageFiles;

/// What is taken out of an image.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// The image.
    pub image: String,
    /// The path in it. One that ends with `/.` stands for what is in a directory.
    pub path: String,
    /// Whether what a link leads to is taken, where the path is one.
    pub follow: bool,
    /// Whether owners stay as they are in the image.
    pub owners: bool,
}

/// Where it goes.
pub enum CopyTarget<'a> {
    /// To this place, or into the directory that is there.
    Path(&'a Path),
    /// Into a stream, as a tar. It always has the owners of the image.
    Tar(&'a mut (dyn std::io::Write + Send)),
}

impl fmt::Debug for CopyTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
        }
    }
}

impl Engine {
    /// Takes files out of an image; says how many bytes they hold.
    pub fn copy_out(
        &self,
        request: &CopyRequest,
        to: CopyTarget<'_>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<u64, EngineError> {
        let files = self.open_image(&request.image)?;
        let source = files.source(request)?;
        let session = Session { store: &self.store, work: &files.work, cancel };
        let step = reporter.start("copying");
        let size = match to {
            CopyTarget::Tar(out) => {
                let merged = source.named(&source.name);
                let size = size(&merged);
                transport::write_plain_tar(session, &merged, None, Destination::Stream(out), &step)?;
                size
            }
            CopyTarget::Path(path) => {
                if request.owners && (is_confined() || !rustix::process::geteuid().is_root()) {
                    return Err(LookError::Owners.into());
                }
                let (directory, name) = source.place(path)?;
                let mut merged = source.named(&name);
                if !request.owners {
                    own(&mut merged);
                }
                transport::write_local(session, &merged, LocalOptions::default(), &directory, &step)?;
                size(&merged)
            }
        };
        step.done();
        Ok(size)
    }
}

/// What was found at the path that is copied.
struct Source {
    /// The path that it was found at, with links on the way followed.
    real: TreePath,
    /// What it is called by itself; the root for what is in a directory, but not the directory.
    name: TreePath,
    directory: bool,
    merged: Merged,
}

impl ImageFiles {
    fn source(&self, request: &CopyRequest) -> Result<Source, EngineError> {
        let named = TreePath::clean(request.path.as_bytes());
        let inner = request.path.ends_with('/') || request.path.ends_with("/.");
        let last = if request.follow || inner { LastLink::Follow } else { LastLink::Keep };
        let real = self.resolve(&named, last)?;
        let directory = self.lookup(&real)?.is_none_or(|found| found.entry.is_directory());
        if inner && !directory {
            let image = self.image.clone();
            let problem = crate::tree::ResolveError::NotADirectory { path: named, at: real };
            return Err(LookError::NoPath { image, problem: Box::new(problem), similar: None }.into());
        }
        let content_only = named.is_root() || request.path.ends_with("/.");
        let name = if content_only { TreePath::root() } else { TreePath::clean(named.name()) };
        let found = self.stack.view().walk(&real).map_err(StoreError::from)?;
        let merged = Merged { found, layers: self.stack.layers().to_vec() };
        Ok(Source { real, name, directory, merged })
    }
}

impl Source {
    /// What is copied, with its path in the image replaced by `name`.
    fn named(&self, name: &TreePath) -> Merged {
        let rename = |found: &Found| {
            let below = found.entry.path.below(&self.real)?;
            let path = name.join(&below);
            let mut found = found.clone();
            found.entry.path = path;
            // The directory that is there already, or the tar as a whole.
            (!found.entry.path.is_root()).then_some(found)
        };
        Merged {
            found: self.merged.found.iter().filter_map(rename).collect(),
            layers: self.merged.layers.clone(),
        }
    }

    /// The directory of the machine that is written to, and what the source is called there.
    fn place(&self, to: &Path) -> Result<(PathBuf, TreePath), LookError> {
        let refuse = |problem| LookError::CopyTo { path: to.to_owned(), problem };
        let ends_with_slash = to.as_os_str().as_encoded_bytes().ends_with(b"/");
        match fs::metadata(to) {
            Ok(metadata) if metadata.is_dir() => Ok((to.to_owned(), self.name.clone())),
            Ok(_) if self.directory => Err(refuse("a directory cannot take the place of what is there")),
            Ok(metadata) if !metadata.is_file() => Err(refuse("it is neither a file nor a directory")),
            Ok(_) if ends_with_slash => Err(refuse("it is not a directory")),
            // What a link points to is replaced, not the link.
            Ok(_) => {
                split(&fs::canonicalize(to).unwrap_or_else(|_| to.to_owned())).ok_or_else(|| refuse(NO_NAME))
            }
            Err(_) if ends_with_slash && !self.directory => Err(refuse("there is no such directory")),
            Err(_) => {
                let (parent, name) = split(to).ok_or_else(|| refuse(NO_NAME))?;
                match fs::metadata(&parent) {
                    Ok(metadata) if metadata.is_dir() => Ok((parent, name)),
                    Ok(_) => Err(refuse("what should be the directory above it is none")),
                    Err(_) => Err(refuse("the directory above it is not there")),
                }
            }
        }
    }
}

const NO_NAME: &str = "it has no name";

/// The directory of a path, and its name there.
fn split(path: &Path) -> Option<(PathBuf, TreePath)> {
    let Some(Component::Normal(name)) = path.components().next_back() else { return None };
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    Some((parent.to_owned(), TreePath::from_normal(name.as_encoded_bytes())?))
}

/// Gives everything to whoever runs the program.
fn own(merged: &mut Merged) {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for found in &mut merged.found {
        (found.entry.uid, found.entry.gid) = (uid, gid);
    }
}

fn size(merged: &Merged) -> u64 {
    merged.found.iter().map(|found| found.entry.size()).sum()
}

//! Where the files and the Dockerfile of a build come from.
//!
//! Owns how a source becomes a directory and a text. Files that do not lie in a directory of the user's are brought
//! into the build's work directory and vanish with it; whoever sent them decides nothing of what is read elsewhere on
//! this machine: links in them are followed inside that directory only. Must not know what a build makes of them.

mod fetch;
mod named;
mod stream;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::attest::{ConfigSource, Origin};
use crate::context::{Dockerignore, DockerignoreError, Root};
use crate::diagnostic::Source;
use crate::dockerfile::remote::{self, HttpUrl, RemoteError, RemoteSource};
use crate::exec::CancelToken;
use crate::progress::Reporter;
use crate::remote::Clients;
use crate::store::{Store, WorkDir};
use crate::tree::TreePath;

use super::Host;
use super::error::{BuildError, EngineError};

pub(super) use named::LAYOUT;
pub use named::{ContextSpec, ContextSpecError, Layout, NamedSource};

/// Where the files of a build are.
#[derive(Debug, Clone)]
pub enum ContextSource {
    /// In this directory.
    Directory(PathBuf),
    /// In what this gives to read, such as standard input: a tar, compressed or not. If it is none it is the text of
    /// the Dockerfile, and there are no files.
    Stream(Arc<File>),
    /// Somewhere else.
    Remote(RemoteSource),
}

/// Where the Dockerfile is.
#[derive(Debug, Clone)]
pub enum Dockerfile {
    /// `Dockerfile` in the context, or `dockerfile` if there is none of that name.
    InContext,
    /// This file. It is looked for in the context first if that is no directory of the user's.
    At(PathBuf),
    /// What this gives to read, such as standard input.
    Stream(Arc<File>),
    /// At this URL.
    Remote(HttpUrl),
}

impl ContextSource {
    /// A context as people name it: a directory, or something that has to be fetched.
    pub fn named(text: &Path) -> Result<Self, RemoteError> {
        Ok(match remote(text).transpose()? {
            Some(source) => Self::Remote(source),
            None => Self::Directory(text.to_owned()),
        })
    }
}

impl Dockerfile {
    /// A Dockerfile as people name it: a path or a URL.
    pub fn named(text: &Path) -> Result<Self, RemoteError> {
        Ok(match text.to_str() {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Self::Remote(HttpUrl::new(url)?)
            }
            _ => Self::At(text.to_owned()),
        })
    }
}

/// What has to be fetched, if the text names that and no directory of this name is there.
fn remote(text: &Path) -> Option<Result<RemoteSource, RemoteError>> {
    if text.is_dir() { None } else { remote::parse_context(text.to_str()?) }
}

/// The files and the Dockerfile of a build, ready to be read.
#[derive(Debug)]
pub(super) struct BuildInput {
    /// The files.
    pub(super) files: Directory,
    /// The Dockerfile.
    pub(super) dockerfile: Source,
    /// Where that really is from.
    pub(super) dockerfile_source: ConfigSource,
    /// When the commit was made that the files were fetched of, in seconds since 1970.
    pub(super) commit_time: Option<i64>,
}

/// A directory with the files of a context.
#[derive(Debug)]
pub(super) struct Directory {
    /// Where.
    pub(super) root: PathBuf,
    /// Whether that is the user's own, where a later build may find it again.
    pub(super) is_lasting: bool,
    /// What of the files is hidden.
    pub(super) ignore: Arc<Dockerignore>,
    /// Where they were fetched from.
    pub(super) origin: Option<Origin>,
}

/// The files of a build, in a directory.
enum Files {
    /// The user's own.
    Own(PathBuf),
    /// In the work directory.
    Brought(Root, Option<Origin>),
}

impl Files {
    /// The same with what of it is hidden.
    fn directory(&self, ignore: Dockerignore) -> Directory {
        let (root, is_lasting) = self.place();
        Directory { root, is_lasting, ignore: Arc::new(ignore), origin: self.origin().cloned() }
    }

    /// Where they were fetched from.
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Own(_) => None,
            Self::Brought(_, origin) => origin.as_ref(),
        }
    }

    /// The directory, and whether it will be there for another build.
    fn place(&self) -> (PathBuf, bool) {
        match self {
            Self::Own(path) => (path.clone(), true),
            Self::Brought(root, _) => (root.path().to_owned(), false),
        }
    }
}

/// The directory of the build's own context in the work directory.
const MAIN: &str = "context";

/// What messages call a Dockerfile that came as a stream.
const STREAM: &str = "<stdin>";

/// A Dockerfile that was found.
struct Found {
    text: String,
    /// What messages call it.
    name: String,
    /// Where it is, if it is a file beside which an ignore file may be.
    place: Option<Place>,
    /// Where it was fetched from, if no file is beside it.
    origin: Option<Origin>,
}

enum Place {
    /// A path of this machine.
    Host(PathBuf),
    /// A path in files that were brought.
    Inside(PathBuf),
}

/// What bringing files needs.
#[derive(Clone, Copy)]
pub(super) struct Bringing<'a> {
    pub(super) host: &'a Host,
    pub(super) store: &'a Store,
    pub(super) work: &'a WorkDir,
    pub(super) clients: &'a Clients,
    pub(super) reporter: &'a Reporter,
    pub(super) cancel: &'a CancelToken,
}

/// Gets files and Dockerfile ready.
pub(super) fn prepare(
    context: &ContextSource,
    dockerfile: &Dockerfile,
    bringing: Bringing<'_>,
) -> Result<BuildInput, EngineError> {
    let mut commit_time = None;
    let (files, text) = match context {
        ContextSource::Directory(path) => (Files::Own(directory(path)?), None),
        ContextSource::Stream(file) => {
            let step = bringing.reporter.start("[internal] load remote build context");
            let (root, text) = stream::unpack(file, MAIN, &step, bringing)?;
            step.done();
            (Files::Brought(root, None), text)
        }
        ContextSource::Remote(RemoteSource::Http(url)) => {
            let (root, text, origin) = fetch::unpack(url, MAIN, bringing)?;
            (Files::Brought(root, Some(origin)), text)
        }
        ContextSource::Remote(RemoteSource::Git(source)) => {
            let (root, origin, time) = fetch::git(source, MAIN, bringing)?;
            commit_time = Some(time);
            (Files::Brought(root, Some(origin)), None)
        }
    };
    let found = match (text, dockerfile) {
        (None, dockerfile) => find(&files, dockerfile, bringing)?,
        (Some(text), Dockerfile::InContext) => {
            Found { origin: files.origin().cloned(), ..Found::alone(text, name_of(context)) }
        }
        (Some(_), _) => return Err(Box::new(BuildError::TwoDockerfiles).into()),
    };
    let subdir = match context {
        ContextSource::Remote(RemoteSource::Git(source)) => source.subdir.as_deref(),
        _ => None,
    };
    let mut input = with_ignore(&files, found, subdir.unwrap_or_default())?;
    input.commit_time = commit_time;
    Ok(input)
}

/// The same where nothing has to be brought anywhere; `None` if something has.
pub(super) fn in_place(
    context: &ContextSource,
    dockerfile: &Dockerfile,
    (host, cancel): (&Host, &CancelToken),
) -> Result<Option<BuildInput>, EngineError> {
    let ContextSource::Directory(path) = context else { return Ok(None) };
    let found = |files: &Files| match dockerfile {
        Dockerfile::Remote(_) => Ok(None),
        Dockerfile::Stream(file) => streamed(file, cancel).map(Some),
        Dockerfile::InContext => named(files, None, host).map(Some),
        Dockerfile::At(path) => named(files, Some(path), host).map(Some),
    };
    let files = Files::Own(directory(path)?);
    found(&files)?.map(|found| with_ignore(&files, found, "")).transpose()
}

/// `subdir` is where the files are in what they are from.
fn with_ignore(files: &Files, found: Found, subdir: &str) -> Result<BuildInput, EngineError> {
    let ignore = ignore(files, found.place.as_ref()).map_err(|error| Box::new(error.into()))?;
    let dockerfile_source = config_source(files, &found, subdir);
    let dockerfile = Source::new(found.name, found.text);
    Ok(BuildInput { files: files.directory(ignore), dockerfile, dockerfile_source, commit_time: None })
}

/// Where a Dockerfile really is from. It is the user's own if it was found beside a context that is not.
fn config_source(files: &Files, found: &Found, subdir: &str) -> ConfigSource {
    match &found.place {
        // The directories of the user's machine mean nothing elsewhere.
        Some(Place::Host(path)) => {
            let path = path.file_name().map(|name| name.to_string_lossy().into_owned());
            ConfigSource { origin: None, path }
        }
        Some(Place::Inside(path)) => {
            let inside = TreePath::clean(path.as_os_str().as_encoded_bytes());
            let path = TreePath::clean(format!("{subdir}{inside}").as_bytes());
            ConfigSource { origin: files.origin().cloned(), path: Some(path.as_path().display().to_string()) }
        }
        None => ConfigSource { origin: found.origin.clone(), path: None },
    }
}

/// The files of the named context `name`, of which the last one of that name counts. It has an ignore file of its own.
pub(super) fn named_directory(
    name: &str,
    contexts: &[ContextSpec],
    bringing: Bringing<'_>,
) -> Result<Directory, EngineError> {
    let number = contexts.iter().rposition(|context| context.name == name);
    // The name may have characters that a directory's cannot have.
    let into = format!("{MAIN}-{}", number.unwrap_or_default());
    let (root, origin) = match number.map(|number| &contexts[number].source) {
        Some(NamedSource::Directory(path)) => return own_directory(name, path),
        Some(NamedSource::Remote(RemoteSource::Git(source))) => {
            let (root, origin, _) = fetch::git(source, &into, bringing)?;
            (root, origin)
        }
        Some(NamedSource::Remote(RemoteSource::Http(url))) => fetch::file(url, &into, bringing)?,
        Some(NamedSource::Image(_) | NamedSource::Layout(_)) | None => {
            return own_directory(name, Path::new(""));
        }
    };
    let files = Files::Brought(root, Some(origin));
    let ignore = ignore(&files, None).map_err(|error| Box::new(error.into()))?;
    Ok(files.directory(ignore))
}

fn own_directory(name: &str, path: &Path) -> Result<Directory, EngineError> {
    let no_directory = || BuildError::NoNamedContext { name: name.to_owned(), path: path.to_owned() };
    let root = fs::canonicalize(path).ok().filter(|root| root.is_dir());
    let root = root.ok_or_else(|| Box::new(no_directory()))?;
    let ignore = Dockerignore::find(&root, None).map_err(|error| Box::new(error.into()))?;
    Ok(Files::Own(root).directory(ignore))
}

/// What messages call a context that is the text of a Dockerfile.
fn name_of(context: &ContextSource) -> String {
    match context {
        ContextSource::Remote(RemoteSource::Http(url)) => url.redacted(),
        _ => STREAM.to_owned(),
    }
}

/// A directory of the work directory, open.
fn opened(path: &Path) -> Result<Root, EngineError> {
    Ok(Root::open(path).map_err(|error| Box::new(BuildError::Context(error)))?)
}

fn directory(path: &Path) -> Result<PathBuf, EngineError> {
    match fs::canonicalize(path) {
        Ok(root) if root.is_dir() => Ok(root),
        _ => Err(Box::new(BuildError::NoContext { path: path.to_owned() }).into()),
    }
}

impl Found {
    /// A text that nothing is beside.
    fn alone(text: String, name: String) -> Self {
        Self { text, name, place: None, origin: None }
    }
}

fn find(files: &Files, dockerfile: &Dockerfile, bringing: Bringing<'_>) -> Result<Found, EngineError> {
    match dockerfile {
        Dockerfile::Stream(file) => streamed(file, bringing.cancel),
        Dockerfile::Remote(url) => {
            let (text, origin) = fetch::text(url, bringing)?;
            Ok(Found { origin: Some(origin), ..Found::alone(text, url.redacted()) })
        }
        Dockerfile::InContext => named(files, None, bringing.host),
        Dockerfile::At(path) => named(files, Some(path), bringing.host),
    }
}

fn streamed(file: &File, cancel: &CancelToken) -> Result<Found, EngineError> {
    Ok(Found::alone(stream::text(file, Vec::new(), cancel)?, STREAM.to_owned()))
}

/// The Dockerfile at a path, or the one that the context has by itself.
fn named(files: &Files, path: Option<&Path>, host: &Host) -> Result<Found, EngineError> {
    let missing = |path: &Path| Box::new(BuildError::NoDockerfile { path: path.to_owned() }).into();
    match (path, files) {
        (None, Files::Own(root)) => {
            let upper = root.join("Dockerfile");
            let lower = || on_host(&root.join("dockerfile"), host);
            let found = on_host(&upper, host)?.map_or_else(lower, |it| Ok(Some(it)));
            found?.ok_or_else(|| missing(&upper))
        }
        (None, Files::Brought(root, _)) => {
            let upper = Path::new("Dockerfile");
            let found =
                inside(root, upper)?.map_or_else(|| inside(root, "dockerfile".as_ref()), |it| Ok(Some(it)));
            found?.ok_or_else(|| missing(upper))
        }
        (Some(path), Files::Own(_)) => on_host(path, host)?.ok_or_else(|| missing(path)),
        (Some(path), Files::Brought(root, _)) => {
            let found = inside(root, path)?.map_or_else(|| on_host(path, host), |it| Ok(Some(it)));
            found?.ok_or_else(|| missing(path))
        }
    }
}

fn on_host(path: &Path, host: &Host) -> Result<Option<Found>, EngineError> {
    let place = Place::Host(path.to_owned());
    found(path, fs::read(path), |text| Found { place: Some(place), ..Found::alone(text, host.shown(path)) })
}

fn inside(root: &Root, path: &Path) -> Result<Option<Found>, EngineError> {
    let place = Place::Inside(path.to_owned());
    let name = path.display().to_string();
    found(path, root.read(path), |text| Found { place: Some(place), ..Found::alone(text, name) })
}

fn found(
    path: &Path,
    read: io::Result<Vec<u8>>,
    found: impl FnOnce(String) -> Found,
) -> Result<Option<Found>, EngineError> {
    match read {
        Ok(bytes) => Ok(Some(found(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Box::new(BuildError::Dockerfile { path: path.to_owned(), source }).into()),
    }
}

/// The ignore file: the one beside the Dockerfile, or the one of the context.
fn ignore(files: &Files, dockerfile: Option<&Place>) -> Result<Dockerignore, DockerignoreError> {
    let root = match (files, dockerfile) {
        (Files::Own(root), Some(Place::Host(path))) => return Dockerignore::find(root, Some(path)),
        (Files::Own(root), _) => return Dockerignore::find(root, None),
        (Files::Brought(root, _), _) => root,
    };
    if let Some(Place::Host(path)) = dockerfile
        && let Some(ignore) = Dockerignore::read(Dockerignore::beside(path))?
    {
        return Ok(ignore);
    }
    let beside = match dockerfile {
        Some(Place::Inside(path)) => Some(Dockerignore::beside(path)),
        _ => None,
    };
    for file in beside.into_iter().chain([PathBuf::from(".dockerignore")]) {
        match root.read(&file) {
            Ok(text) => return Dockerignore::parse(&text, Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DockerignoreError::Read { file, source }),
        }
    }
    Ok(Dockerignore::default())
}

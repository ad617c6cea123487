//! Sources of ADD that have to be fetched.
//!
//! Owns what of a file or a repository counts for the cache, and when what is brought. A server is asked at every
//! build, because only it knows whether something has changed; what has not is not sent again. The files of a commit
//! never change, so that what they are is remembered: as long as a reference names the same commit, a step that the
//! cache has needs neither its repository nor its files. Fetched things lie in directories of their own that go when
//! the step ends; copies and mirrors are kept in the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::attest::Origin;
use crate::context::Dockerignore;
use crate::dockerfile::remote::{GitRef, HttpUrl, ModificationTime};
use crate::oci::{CacheKey, ContentDigest, Digest, FingerprintHasher};
use crate::plan::{Copy, Source};
use crate::progress;
use crate::remote::git::{GitRequest, Resolved};
use crate::remote::http::{Fetched as FetchedFile, HttpRequest, Origin as FileOrigin};
use crate::remote::{self, Watch};
use crate::tree::{Entry, Kind, Time, TreePath};

use super::Solver;
use super::choose::Choosing;
use super::context::{Context, ContextOptions};
use super::error::StepError;
use super::source::{ItemKind, Origin as ContentOrigin, Piece, Selection, SourceItem, from_context};

/// What a file is called whose URL ends without a name, as BuildKit calls it.
const UNNAMED: &str = "__unnamed__";

/// The mode of a file from a server.
const MODE: u32 = 0o600;

/// A source whose server was asked.
pub(super) struct Fetched {
    /// Which of the instruction's sources it is.
    number: usize,
    /// What of it counts for the cache.
    pub(super) digest: ContentDigest,
    content: Content,
}

enum Content {
    /// It is there.
    Here(Brought),
    /// A tree of which only is known what it is.
    Known(Box<Tree>),
}

/// A thing that is there, and where.
struct Brought {
    item: SourceItem,
    directory: Temporary,
}

/// The files of a commit.
struct Tree {
    request: GitRequest,
    resolved: Resolved,
}

/// A directory that goes when it is not needed any more.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left goes with the build's work directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fetched things that are put now; they stay until this is dropped.
pub(super) struct Kept(#[expect(dead_code, reason = "what it holds goes when it is dropped")] Vec<Temporary>);

impl Solver<'_> {
    /// Asks the servers of a step's sources, one after the other.
    pub(super) fn fetch(&self, step: usize, copy: &Copy) -> Result<Vec<Fetched>, StepError> {
        let exclude = excluding(&copy.exclude)?;
        let is_excluded = |url| exclude.verdict(&TreePath::clean(file_name(url).as_bytes())).is_hidden();
        let mut fetched = Vec::new();
        for (number, source) in copy.sources.iter().enumerate() {
            let found = match source {
                Source::Pattern(_) | Source::Inline(_) => continue,
                Source::Http { url, .. } if is_excluded(url) => continue,
                Source::Http { url, checksum } => self.fetch_file(url, *checksum, step),
                Source::Git(tree) => self.resolve(tree, &copy.exclude, step),
            };
            let (digest, content) = found.map_err(|error| error.of_source(number))?;
            fetched.push(Fetched { number, digest, content });
        }
        Ok(fetched)
    }

    /// Adds fetched sources to what the others select, and checks out what was not needed before.
    pub(super) fn add_fetched(
        &self,
        copy: &Copy,
        fetched: Vec<Fetched>,
        selection: &mut Selection,
    ) -> Result<Kept, StepError> {
        let mut kept = Vec::with_capacity(fetched.len());
        for Fetched { number, content, .. } in fetched {
            let Brought { item, directory } = match content {
                Content::Here(brought) => brought,
                Content::Known(tree) => {
                    let line = self.reporter.start(&tree.request.source.to_string());
                    let out = self.check_out(&tree, &copy.exclude, &line);
                    ended(out, line, |line, _| line.done()).map_err(|error| error.of_source(number))?
                }
            };
            selection.sources[number].push(item);
            kept.push(directory);
        }
        Ok(Kept(kept))
    }

    fn fetch_file(
        &self,
        url: &HttpUrl,
        checksum: Option<Digest>,
        step: usize,
    ) -> Result<(ContentDigest, Content), StepError> {
        let line = self.reporter.start(&url.redacted());
        let fetched = self.bring_file(url, checksum, &line);
        let (file, directory) = ended(fetched, line, |line, (file, _)| match file.origin {
            FileOrigin::Downloaded => line.done(),
            FileOrigin::Unchanged | FileOrigin::Kept => line.cached(),
        })?;
        self.materials.note(step, Origin::file(url, &file.digest));
        let item = file_item(file, file_name(url));
        Ok((counted(&item), Content::Here(Brought { item, directory })))
    }

    fn bring_file(
        &self,
        url: &HttpUrl,
        checksum: Option<Digest>,
        line: &progress::Step<'_>,
    ) -> Result<(FetchedFile, Temporary), StepError> {
        let directory = Temporary(self.scratch()?);
        let authorization = self.options.clients.logins.of_file(url);
        let request = HttpRequest { url: url.clone(), checksum, authorization };
        let (keep, into) = (self.store.sources("http")?, directory.0.join("fetched"));
        let http = &self.options.clients.http;
        let file = self.watched(line, |watch| http.fetch(&request, &keep, &into, watch))?;
        if file.origin == FileOrigin::Downloaded {
            line.transfer(file.size, Some(file.size));
        }
        Ok((file, directory))
    }

    /// Asks which commit is meant, and checks it out if it is not known what its files are.
    fn resolve(
        &self,
        source: &GitRef,
        exclude: &[String],
        step: usize,
    ) -> Result<(ContentDigest, Content), StepError> {
        let line = self.reporter.start(&source.to_string());
        let authorization = self.options.clients.logins.of_tree(source);
        let request = GitRequest { source: source.clone(), authorization };
        let known = self.known(request, exclude, (step, &line));
        ended(known, line, |line, (_, content)| match content {
            Content::Here(_) => line.done(),
            Content::Known(_) => line.cached(),
        })
    }

    fn known(
        &self,
        request: GitRequest,
        exclude: &[String],
        (step, line): (usize, &progress::Step<'_>),
    ) -> Result<(ContentDigest, Content), StepError> {
        let resolved = self.watched(line, |watch| self.options.clients.git.resolve(&request, watch))?;
        line.note(format!("commit {}", resolved.commit()));
        self.materials.note(step, Origin::commit(&request.source, resolved.commit()));
        let tree = Tree { request, resolved };
        let key = tree.key(exclude);
        if let Some(digest) = self.store.memo(&key)? {
            return Ok((tree.counted(ContentDigest(digest)), Content::Known(Box::new(tree))));
        }
        let brought = self.check_out(&tree, exclude, line)?;
        let digest = counted(&brought.item);
        self.store.set_memo(&key, digest.digest())?;
        Ok((tree.counted(digest), Content::Here(brought)))
    }

    fn check_out(
        &self,
        tree: &Tree,
        exclude: &[String],
        line: &progress::Step<'_>,
    ) -> Result<Brought, StepError> {
        let directory = Temporary(self.scratch()?);
        let (keep, into) = (self.store.sources("git")?, directory.0.join("tree"));
        let git = &self.options.clients.git;
        let out =
            self.watched(line, |watch| git.checkout(&tree.request, &tree.resolved, &keep, &into, watch))?;
        Ok(Brought { item: tree_item(&out.directory, exclude)?, directory })
    }

    fn watched<T>(&self, line: &progress::Step<'_>, act: impl FnOnce(&Watch<'_>) -> T) -> T {
        remote::watched(line, &|| self.cancel.is_canceled(), act)
    }
}

impl Tree {
    /// What counts, given what counts of the files. Times do not, as nowhere, unless the commit's is asked for.
    fn counted(&self, files: ContentDigest) -> ContentDigest {
        if self.request.source.mtime == ModificationTime::Checkout {
            return files;
        }
        let mut hasher = FingerprintHasher::new("git tree with times v1");
        hasher.value(files.digest());
        hasher.bytes(self.resolved.commit().as_bytes());
        ContentDigest(hasher.finish())
    }

    /// Under which it is remembered what the files are. Of a `.git` counts where it comes from, because it says so
    /// itself.
    fn key(&self, exclude: &[String]) -> CacheKey {
        let source = &self.request.source;
        let mut hasher = FingerprintHasher::new("git tree v1");
        hasher.bytes(self.resolved.commit().as_bytes());
        hasher.value(&source.subdir);
        hasher.value(&source.submodules);
        let keeps = source.keep_git_dir == Some(true);
        hasher.value(&keeps.then(|| (source.redacted(), source.reference.clone())));
        hasher.value(exclude);
        CacheKey(hasher.finish())
    }
}

/// Ends the line of what was fetched, with `well` unless it failed.
fn ended<'r, T>(
    result: Result<T, StepError>,
    line: progress::Step<'r>,
    well: impl FnOnce(progress::Step<'r>, &T),
) -> Result<T, StepError> {
    match &result {
        Ok(value) => well(line, value),
        Err(StepError::Canceled) => line.canceled(),
        Err(error) => line.failed(error.to_string()),
    }
    result
}

/// What of a thing counts: the same as if it came from a context.
fn counted(item: &SourceItem) -> ContentDigest {
    Selection::digest_of([item])
}

/// What a file is called.
fn file_name(url: &HttpUrl) -> String {
    url.file_name().unwrap_or_else(|| UNNAMED.to_owned())
}

/// What is left out of what is fetched.
fn excluding(patterns: &[String]) -> Result<Dockerignore, StepError> {
    Ok(Dockerignore::from_patterns(patterns.iter().map(String::as_bytes))?)
}

fn file_item(file: FetchedFile, name: String) -> SourceItem {
    let kind = Kind::File { size: file.size, digest: file.digest };
    let time = Time::from_seconds(file.last_modified.unwrap_or(0));
    let entry = Entry::new(TreePath::root(), kind, MODE, time);
    SourceItem {
        real: TreePath::clean(name.as_bytes()),
        name: name.into_bytes().into(),
        kind: ItemKind::File,
        pieces: vec![Piece { entry, origin: Some(ContentOrigin::File(file.path)), file: None }],
    }
}

/// All that is in a directory of ours, but for what is excluded.
fn tree_item(directory: &Path, exclude: &[String]) -> Result<SourceItem, StepError> {
    let options =
        ContextOptions { root: directory.to_owned(), ignore: Arc::default(), stat_cache: None, origin: None };
    let context = Context::scan(&options)?;
    let choosing = Choosing { exclude: excluding(exclude)?, parents: false };
    let choices = context.choose("", &choosing).map_err(|error| StepError::BadSource {
        source_path: directory.display().to_string(),
        why: error.to_string(),
    })?;
    let items = from_context(&context, &[choices])?.into_iter().flatten();
    let mut pieces = Vec::new();
    let mut kind = ItemKind::Directory(None);
    for item in items {
        kind = item.kind;
        pieces.extend(item.pieces);
    }
    for piece in &mut pieces {
        if let Some(ContentOrigin::Context(path)) = &piece.origin {
            piece.origin = Some(ContentOrigin::File(directory.join(path.as_path())));
        }
    }
    Ok(SourceItem { name: Box::default(), real: TreePath::root(), kind, pieces })
}

//! Files that have to be fetched.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::attest::Origin;
use crate::context::Root;
use crate::dockerfile::remote::{GitRef, HttpUrl};
use crate::progress::Step;
use crate::remote::git::{GitError, GitRequest};
use crate::remote::http::{Fetched, HttpError, HttpRequest};
use crate::remote::{self, Watch};

use super::super::error::{BuildError, EngineError};
use super::{Bringing, opened, stream};

/// The name of a file whose URL has none, as BuildKit calls it.
const NAMELESS: &str = "download";

/// Fetches a tree into the new directory `name` of the work directory; says which commit it is and when that was made.
pub(super) fn git(
    source: &GitRef,
    name: &str,
    bringing: Bringing<'_>,
) -> Result<(Root, Origin, i64), EngineError> {
    let step = bringing.reporter.start(&format!("[internal] load git source {}", source.redacted()));
    let request =
        GitRequest { source: source.clone(), authorization: bringing.clients.logins.of_tree(source) };
    let into = bringing.work.path().join(name);
    let keep = bringing.store.sources("git")?;
    let checked_out = watched(&step, bringing, |watch| {
        let git = &bringing.clients.git;
        let resolved = git.resolve(&request, watch)?;
        git.checkout(&request, &resolved, &keep, &into, watch)
    });
    let checked_out = checked_out.map_err(git_error)?;
    step.done();
    let origin = Origin::commit(source, &checked_out.commit);
    Ok((opened(&checked_out.directory)?, origin, checked_out.commit_time))
}

/// Fetches a file and, if it is an archive, unpacks it into the new directory `name` of the work directory. What is no
/// archive is a text, which is given beside the empty directory.
pub(super) fn unpack(
    url: &HttpUrl,
    name: &str,
    bringing: Bringing<'_>,
) -> Result<(Root, Option<String>, Origin), EngineError> {
    let step = bringing.reporter.start(&format!("[internal] load remote build context {}", url.redacted()));
    let fetched = download(url, &step, bringing)?;
    let file = File::open(&fetched.path).map_err(failed("open", &fetched.path))?;
    let (root, text) = stream::unpack(&file, name, &step, bringing)?;
    fs::remove_file(&fetched.path).map_err(failed("remove", &fetched.path))?;
    step.done();
    Ok((root, text, Origin::file(url, &fetched.digest)))
}

/// Fetches a file into the new directory `name` of the work directory. It is as BuildKit makes it: for its owner only,
/// with the server's time.
pub(super) fn file(url: &HttpUrl, name: &str, bringing: Bringing<'_>) -> Result<(Root, Origin), EngineError> {
    let step = bringing.reporter.start(&format!("[context {name}] {}", url.redacted()));
    let fetched = download(url, &step, bringing)?;
    let directory = stream::new_directory(name, bringing)?;
    let path = directory.join(fetched.file_name.as_deref().unwrap_or(NAMELESS));
    let place = || -> io::Result<()> {
        // The download may be one file with the copy that is kept.
        fs::copy(&fetched.path, &path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let modified = u64::try_from(fetched.last_modified.unwrap_or_default()).unwrap_or_default();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
        File::options().write(true).open(&path)?.set_times(FileTimes::new().set_modified(time))?;
        fs::remove_file(&fetched.path)
    };
    place().map_err(failed("make", &path))?;
    step.done();
    Ok((opened(&directory)?, Origin::file(url, &fetched.digest)))
}

/// Fetches a Dockerfile.
pub(super) fn text(url: &HttpUrl, bringing: Bringing<'_>) -> Result<(String, Origin), EngineError> {
    let step = bringing.reporter.start(&format!("[internal] load remote Dockerfile {}", url.redacted()));
    let fetched = download(url, &step, bringing)?;
    let file = File::open(&fetched.path).map_err(failed("open", &fetched.path))?;
    let text = stream::text(&file, Vec::new(), bringing.cancel)?;
    fs::remove_file(&fetched.path).map_err(failed("remove", &fetched.path))?;
    step.done();
    Ok((text, Origin::file(url, &fetched.digest)))
}

fn download(url: &HttpUrl, step: &Step<'_>, bringing: Bringing<'_>) -> Result<Fetched, EngineError> {
    let request =
        HttpRequest { url: url.clone(), checksum: None, authorization: bringing.clients.logins.of_file(url) };
    let (keep, into) = (bringing.store.sources("http")?, bringing.work.path().join("download"));
    watched(step, bringing, |watch| bringing.clients.http.fetch(&request, &keep, &into, watch))
        .map_err(http_error)
}

/// Does something that tells the step how far it is, and that ends when the build is canceled.
fn watched<T>(step: &Step<'_>, bringing: Bringing<'_>, act: impl FnOnce(&Watch<'_>) -> T) -> T {
    remote::watched(step, &|| bringing.cancel.is_canceled(), act)
}

fn git_error(error: GitError) -> EngineError {
    Box::new(match error {
        GitError::Canceled { .. } => BuildError::Interrupted,
        error => BuildError::Git(error),
    })
    .into()
}

fn http_error(error: HttpError) -> EngineError {
    Box::new(match error {
        HttpError::Canceled { .. } => BuildError::Interrupted,
        error => BuildError::Http(error),
    })
    .into()
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    let path: PathBuf = path.to_owned();
    move |source| EngineError::Io { operation, path, source }
}

//! Writing a repository: blobs that it lacks, then the manifest.
//!
//! A small blob goes in one request, which every registry takes. A large one goes in parts, so that a connection that
//! breaks costs no more than a part: the registry is asked how much it has, and the rest follows; if it has forgotten
//! the upload, it starts anew. A registry that takes no parts gets large blobs in one request, too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use reqwest::{Method, StatusCode};
use tokio::sync::mpsc::{Receiver, channel};
use url::Url;

use crate::oci::{Digest, ManifestDigest, MediaType};

use super::Watch;
use super::client::Repository;
use super::error::RegistryError;
use super::fetch::{Which, header};
use super::host::{Ask, Host, Payload, Target};
use super::retry::{Attempts, pause, persist};
use super::token::Scope;

/// How much of a large blob goes in one request: more than the least that registries want (5 MiB), little enough to be
/// sent again.
const PART: u64 = 16 << 20;
/// How much of a file is read at a time.
const PIECE: usize = 256 << 10;
/// How many pieces wait to be sent. With [`PIECE`] it bounds the memory of an upload.
const PIECES: usize = 4;

/// What is uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its bytes, from the beginning of the file.
    pub file: Arc<File>,
    /// How many these are.
    pub size: u64,
    /// Their digest.
    pub digest: Digest,
}

/// How a blob came into a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Its bytes were sent.
    Uploaded,
    /// The registry had it, in this other repository.
    Mounted(String),
}

impl Repository<'_> {
    /// Whether the registry has a blob in this repository.
    pub fn has_blob(&self, blob: &Digest, watch: &Watch<'_>) -> Result<bool, RegistryError> {
        let (host, path) = self.own()?;
        let retry = self.registries.retry(host);
        let asked =
            self.registries.wait(watch, persist(retry, watch, async || has_blob(host, path, blob).await));
        asked.map_err(|error| self.cannot_write(error))
    }

    /// Brings a blob into the repository. `others` are repositories that may have it, named in full; `sent`
    /// takes how many bytes have been sent so far.
    pub fn upload(
        &self,
        blob: &Upload,
        others: &[String],
        sent: &dyn Fn(u64),
        watch: &Watch<'_>,
    ) -> Result<Sent, RegistryError> {
        let (host, path) = self.own()?;
        let count = Arc::new(AtomicU64::new(0));
        let tick = || match count.load(Ordering::Relaxed) {
            0 => {}
            count => sent(count),
        };
        let done = self.registries.wait_ticking(watch, tick, async {
            let mut session = None;
            for other in others {
                let Some(from) = self.registries.path_at(host, other) else { continue };
                match mount(host, path, &from, &blob.digest).await {
                    Ok(Mounting::Done) => return Ok(Sent::Mounted(other.clone())),
                    Ok(Mounting::Upload(location)) => {
                        session = Some(location);
                        break;
                    }
                    // It is only a short cut.
                    Err(error) if error.is_of_endpoint() => {}
                    Err(error) => return Err(error),
                }
            }
            let sending = Sending { host, path, blob, count: &count, scope: Scope::push(path) };
            sending.persist(session, Attempts::new(self.registries.retry(host)), watch).await?;
            Ok(Sent::Uploaded)
        });
        tick();
        done.map_err(|error| self.cannot_write(error))
    }

    /// Lets the registry take a blob from another of its repositories, which is named in full; whether it did. `false`
    /// is also the answer for a repository of another registry.
    pub fn mount(&self, blob: &Digest, from: &str, watch: &Watch<'_>) -> Result<bool, RegistryError> {
        let (host, path) = self.own()?;
        let Some(from) = self.registries.path_at(host, from) else { return Ok(false) };
        match self.registries.wait(watch, mount(host, path, &from, blob)) {
            Ok(Mounting::Done) => Ok(true),
            // It is only a short cut. An upload that was begun instead is the registry's to forget.
            Ok(Mounting::Upload(_)) => Ok(false),
            Err(error) if error.is_of_endpoint() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a manifest or an index into the repository, under a tag or under its digest alone.
    pub fn put_manifest(
        &self,
        which: &Which,
        media_type: &MediaType,
        bytes: &[u8],
        watch: &Watch<'_>,
    ) -> Result<ManifestDigest, RegistryError> {
        let (host, path) = self.own()?;
        let scope = Scope::push(path);
        let target = format!("{path}/manifests/{which}");
        let mut ask = Ask::new(Method::PUT, Target::Api(&target), &scope);
        ask.headers.push((CONTENT_TYPE, media_type.as_str().to_owned()));
        ask.payload = Payload::Bytes(bytes);
        let put = async || host.ask(&ask).await.map(drop);
        let done = self.registries.wait(watch, persist(self.registries.retry(host), watch, put));
        done.map_err(|error| self.cannot_write(error))?;
        Ok(ManifestDigest(Digest::of(bytes)))
    }
}

async fn has_blob(host: &Host, path: &str, blob: &Digest) -> Result<bool, RegistryError> {
    let (scope, target) = (Scope::push(path), format!("{path}/blobs/{blob}"));
    match host.ask(&Ask::new(Method::HEAD, Target::Api(&target), &scope)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_status(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What comes of asking for a mount.
enum Mounting {
    /// The blob is there.
    Done,
    /// It is not; an upload has been begun instead.
    Upload(Url),
}

/// Lets the registry take a blob from another of its repositories.
async fn mount(host: &Host, path: &str, other: &str, blob: &Digest) -> Result<Mounting, RegistryError> {
    let scope = Scope::mount(path, other);
    let target = format!("{path}/blobs/uploads/?mount={blob}&from={other}");
    let response = host.ask(&Ask::new(Method::POST, Target::Api(&target), &scope)).await?;
    match response.status() {
        StatusCode::CREATED => Ok(Mounting::Done),
        _ => host.location(&response).map(Mounting::Upload),
    }
}

/// One blob on its way.
struct Sending<'a> {
    host: &'a Host,
    path: &'a str,
    blob: &'a Upload,
    count: &'a Arc<AtomicU64>,
    scope: Scope,
}

/// How far an upload is.
struct Progress {
    /// Where it goes on, and how much the registry has; `None` if it has not begun.
    session: Option<(Url, u64)>,
    /// Whether the blob goes in one request.
    whole: bool,
}

impl Sending<'_> {
    /// Sends until the registry has everything. An upload may have been begun already.
    async fn persist(
        &self,
        session: Option<Url>,
        mut attempts: Attempts,
        watch: &Watch<'_>,
    ) -> Result<(), RegistryError> {
        let whole = self.blob.size <= PART;
        let mut progress = Progress { session: session.map(|location| (location, 0)), whole };
        let mut best = 0;
        loop {
            let Err(error) = self.send(&mut progress).await else { return Ok(()) };
            let arrived = progress.session.as_ref().map_or(0, |(_, offset)| *offset);
            if !progress.whole && arrived == 0 && takes_no_parts(&error) {
                progress = Progress { session: None, whole: true };
                continue;
            }
            if arrived > best {
                best = arrived;
                attempts.renew();
            }
            pause(&mut attempts, error, watch).await?;
            // The answer may have been all that was lost.
            if has_blob(self.host, self.path, &self.blob.digest).await.unwrap_or(false) {
                return Ok(());
            }
            progress.session = match progress.session {
                Some((location, _)) if !progress.whole => self.arrived(&location).await,
                _ => None,
            };
        }
    }

    /// Begins an upload, or goes on with one, to its end.
    async fn send(&self, progress: &mut Progress) -> Result<(), RegistryError> {
        let (mut location, mut offset) = match &progress.session {
            Some(session) => session.clone(),
            None => (self.begin().await?, 0),
        };
        let size = self.blob.size;
        progress.session = Some((location.clone(), offset));
        if progress.whole {
            return self.finish(location, Some(size)).await;
        }
        while offset < size {
            let end = size.min(offset + PART);
            location = self.add(&location, offset, end).await?;
            offset = end;
            progress.session = Some((location.clone(), offset));
        }
        self.finish(location, None).await
    }

    async fn begin(&self) -> Result<Url, RegistryError> {
        let target = format!("{}/blobs/uploads/", self.path);
        let response = self.host.ask(&Ask::new(Method::POST, Target::Api(&target), &self.scope)).await?;
        self.host.location(&response)
    }

    /// Where an upload goes on and how much of it has arrived, if the registry remembers it.
    async fn arrived(&self, location: &Url) -> Option<(Url, u64)> {
        let response = self.host.ask(&Ask::new(Method::GET, Target::At(location), &self.scope)).await.ok()?;
        let next = self.host.location(&response).unwrap_or_else(|_| location.clone());
        let count = arrived(&header(&response, RANGE.as_str())?)?;
        (count <= self.blob.size).then_some((next, count))
    }

    /// Sends a part, without ending the upload.
    async fn add(&self, location: &Url, offset: u64, end: u64) -> Result<Url, RegistryError> {
        let body = self.body(offset, end);
        let mut ask = Ask::new(Method::PATCH, Target::At(location), &self.scope);
        ask.headers = octets(end - offset);
        ask.headers.push((CONTENT_RANGE, format!("{offset}-{}", end - 1)));
        ask.payload = Payload::Stream(&body, self.count);
        let response = self.host.ask(&ask).await?;
        self.host.location(&response)
    }

    /// Ends an upload: with all bytes of the blob, which are so many, or without any.
    async fn finish(&self, mut location: Url, whole: Option<u64>) -> Result<(), RegistryError> {
        location.query_pairs_mut().append_pair("digest", &self.blob.digest.to_string());
        let mut ask = Ask::new(Method::PUT, Target::At(&location), &self.scope);
        let body = self.body(0, whole.unwrap_or_default());
        if let Some(size) = whole {
            ask.headers = octets(size);
            ask.payload = Payload::Stream(&body, self.count);
        }
        self.host.ask(&ask).await.map(drop)
    }

    /// Makes a body of the bytes from `offset` to `end`.
    fn body(&self, offset: u64, end: u64) -> impl Fn() -> reqwest::Body + Sync {
        move || {
            let file = Arc::clone(&self.blob.file);
            self.count.store(offset, Ordering::Relaxed);
            reqwest::Body::wrap(FileBody::start(file, offset, end, Arc::clone(self.count)))
        }
    }
}

/// The headers of a body of so many bytes.
fn octets(length: u64) -> Vec<(HeaderName, String)> {
    vec![(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, length.to_string())]
}

/// Whether a registry has refused a part because it is one.
fn takes_no_parts(error: &RegistryError) -> bool {
    [400, 404, 405, 411, 413, 415, 416, 501].iter().any(|&status| error.is_status(status))
}

/// How many bytes a registry has by its `Range`: `0-1023`, or `0-0` also for none.
fn arrived(range: &str) -> Option<u64> {
    let last: u64 = range.trim().trim_start_matches("bytes=").split_once('-')?.1.parse().ok()?;
    // One byte alone is sent again.
    Some(if last == 0 { 0 } else { last + 1 })
}

/// The bytes of a file as a body. A thread that may wait for the disk reads them.
struct FileBody {
    pieces: Receiver<io::Result<Bytes>>,
    left: u64,
    count: Arc<AtomicU64>,
}

impl FileBody {
    fn start(file: Arc<File>, offset: u64, end: u64, count: Arc<AtomicU64>) -> Self {
        let (sender, pieces) = channel(PIECES);
        tokio::task::spawn_blocking(move || {
            let mut offset = offset;
            while offset < end {
                let piece = read_piece(&file, offset, end);
                offset += piece.as_ref().map_or(end, |piece| piece.len() as u64);
                // Nobody takes it any more.
                if sender.blocking_send(piece).is_err() {
                    return;
                }
            }
        });
        Self { pieces, left: end - offset, count }
    }
}

fn read_piece(file: &File, offset: u64, end: u64) -> io::Result<Bytes> {
    let mut piece = vec![0; PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE))];
    file.read_exact_at(&mut piece, offset)?;
    Ok(piece.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(piece) = ready!(self.pieces.poll_recv(context)) else { return Poll::Ready(None) };
        if let Ok(piece) = &piece {
            self.left -= piece.len() as u64;
            self.count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_read() {
        for (range, expected) in
            [("0-1023", Some(1024)), ("0-0", Some(0)), ("bytes=0-9", Some(10)), ("", None), ("0-x", None)]
        {
            assert_eq!(arrived(range), expected, "{range}");
        }
    }
}

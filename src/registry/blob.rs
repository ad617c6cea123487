//! Reading a repository's blobs.
//!
//! A blob is never handed out whole without having been verified: its reader fails at its end if it is not what its
//! digest says. One whose connection breaks is asked for from where it broke, at the same endpoint or the next; an
//! endpoint that sent wrong bytes is not asked for that blob again.

use std::io::{self, Read, Write as _};
use std::sync::PoisonError;

use bytes::{Buf as _, Bytes};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};

use crate::oci::digest::Digester;
use crate::oci::{Descriptor, Digest};

use super::Watch;
use super::client::Repository;
use super::error::RegistryError;
use super::fetch::header;
use super::host::{Ask, Host, Target};
use super::retry::{Attempts, pause};
use super::token::Scope;

/// How many bytes count as progress of a connection that breaks again and again.
const PROGRESS: u64 = 64 << 10;

impl Repository<'_> {
    /// Starts to read a blob. Errors of the reader are [`RegistryError`]s inside of [`io::Error`]s.
    pub fn blob<'w>(&'w self, blob: &Descriptor, watch: Watch<'w>) -> BlobReader<'w> {
        let retry = self.endpoints.first().map(|(host, _)| self.registries.retry(host)).unwrap_or_default();
        BlobReader {
            repository: self,
            watch,
            wanted: blob.digest,
            size: blob.size,
            endpoint: 0,
            response: None,
            ahead: Bytes::new(),
            chunk: Bytes::new(),
            taken: Digester::new(io::sink()),
            attempts: Attempts::new(retry),
            broke_at: 0,
            is_done: false,
        }
    }

    /// Whether a blob that came wrong can be had from another endpoint.
    pub fn has_other_source(&self, blob: &Digest) -> bool {
        (0..self.endpoints.len()).any(|endpoint| !self.is_wrong(endpoint, blob))
    }

    fn is_wrong(&self, endpoint: usize, blob: &Digest) -> bool {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).contains(&(endpoint, *blob))
    }
}

/// A blob that is being read. Its last byte is followed by an end or by an error: the bytes are those of the digest, or
/// the reader fails.
#[derive(Debug)]
pub struct BlobReader<'r> {
    repository: &'r Repository<'r>,
    watch: Watch<'r>,
    wanted: Digest,
    size: u64,
    endpoint: usize,
    response: Option<Response>,
    /// What was read already of the response.
    ahead: Bytes,
    /// What the caller has not taken yet.
    chunk: Bytes,
    taken: Digester<io::Sink>,
    attempts: Attempts,
    /// How far it was when the connection broke last.
    broke_at: u64,
    is_done: bool,
}

impl BlobReader<'_> {
    /// Reads the next piece, however often that takes.
    fn advance(&mut self) -> Result<(), RegistryError> {
        let (registries, watch) = (self.repository.registries, self.watch);
        registries.wait(&watch, async {
            loop {
                match self.piece().await {
                    Ok(()) => return Ok(()),
                    Err(error) => self.recover(error).await?,
                }
            }
        })
    }

    /// Reads the next piece, or sees that there is none.
    async fn piece(&mut self) -> Result<(), RegistryError> {
        let left = self.size - self.taken.count();
        let Some((host, path)) = self.repository.endpoints.get(self.endpoint) else {
            return Err(self.repository.no_endpoint());
        };
        if left == 0 {
            self.response = None;
            return self.verify(host);
        }
        if self.repository.is_wrong(self.endpoint, &self.wanted) {
            return Err(host.protocol(format!("it has sent other bytes for {}", self.wanted)));
        }
        let mut response = if let Some(response) = self.response.take() {
            response
        } else {
            let (response, ahead) = open(host, path, &self.wanted, self.taken.count()).await?;
            self.ahead = ahead;
            response
        };
        let ahead = Some(std::mem::take(&mut self.ahead)).filter(|ahead| !ahead.is_empty());
        let chunk = match ahead {
            Some(ahead) => Some(ahead),
            None => host.chunk(&mut response).await?,
        };
        let Some(chunk) = chunk else {
            let reason = format!("{left} bytes are missing");
            return Err(RegistryError::Broken { host: host.name.clone(), reason });
        };
        if chunk.len() as u64 > left {
            let (host, limit) = (host.name.clone(), self.size);
            return Err(RegistryError::TooLarge { host, what: "a blob", limit });
        }
        self.response = Some(response);
        self.taken.write_all(&chunk).map_err(RegistryError::Upload)?;
        self.chunk = chunk;
        if self.taken.count() - self.broke_at >= PROGRESS {
            self.attempts.renew();
        }
        Ok(())
    }

    /// Compares the digest of all that was read.
    fn verify(&mut self, host: &Host) -> Result<(), RegistryError> {
        self.is_done = true;
        let (_, found, _) = std::mem::replace(&mut self.taken, Digester::new(io::sink())).finish();
        if found == self.wanted {
            return Ok(());
        }
        let mut wrong = self.repository.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        // Its first bytes may have come from another endpoint, which then has to show itself.
        wrong.insert((self.endpoint, self.wanted));
        let (host, expected) = (host.name.clone(), self.wanted);
        Err(RegistryError::Digest { host, what: "a blob", expected, found })
    }

    /// Gets ready to go on after a failure: after a pause, at the next endpoint, or not at all.
    async fn recover(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.response = None;
        self.ahead = Bytes::new();
        if self.is_done || !error.is_of_endpoint() {
            return Err(error);
        }
        self.broke_at = self.taken.count();
        let Err(error) = pause(&mut self.attempts, error, &self.watch).await else { return Ok(()) };
        match self.repository.endpoints.get(self.endpoint + 1) {
            Some((host, _)) => {
                self.endpoint += 1;
                self.attempts = Attempts::new(self.repository.registries.retry(host));
                Ok(())
            }
            None => Err(self.repository.cannot_read(&format!("@{}", self.wanted), error)),
        }
    }
}

/// Asks for a blob from `offset` on: the answer, and what of it has been read already.
async fn open(
    host: &Host,
    path: &str,
    blob: &Digest,
    offset: u64,
) -> Result<(Response, Bytes), RegistryError> {
    let (scope, target) = (Scope::pull(path), format!("{path}/blobs/{blob}"));
    let mut ask = Ask::new(Method::GET, Target::Api(&target), &scope);
    if offset > 0 {
        ask.headers.push((RANGE, format!("bytes={offset}-")));
    }
    let mut response = host.ask(&ask).await?;
    let begin = header(&response, CONTENT_RANGE.as_str()).and_then(|range| range_start(&range));
    match response.status() {
        StatusCode::PARTIAL_CONTENT if begin == Some(offset) => Ok((response, Bytes::new())),
        StatusCode::OK => {
            // It sends everything: what is here already is passed over.
            let ahead = pass_over(host, &mut response, offset).await?;
            Ok((response, ahead))
        }
        _ => Err(host.protocol("it sent another part of a blob than was asked for")),
    }
}

/// Reads the first `count` bytes of an answer away; what has been read beyond them is returned.
async fn pass_over(host: &Host, response: &mut Response, count: u64) -> Result<Bytes, RegistryError> {
    let mut left = count;
    while left > 0 {
        let Some(mut chunk) = host.chunk(response).await? else {
            return Err(host.protocol("it sent less of a blob than before"));
        };
        let passed = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        chunk.advance(passed);
        left -= passed as u64;
        if !chunk.is_empty() {
            return Ok(chunk);
        }
    }
    Ok(Bytes::new())
}

/// Where a part begins: `bytes 200-1000/67589`.
fn range_start(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes")?.trim().split('-').next()?.trim().parse().ok()
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.is_done {
            self.advance().map_err(io::Error::other)?;
        }
        let n = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (range, expected) in [
            ("bytes 200-1000/67589", Some(200)),
            ("bytes 0-0/*", Some(0)),
            ("bytes */67589", None),
            ("items 1-2/3", None),
        ] {
            assert_eq!(range_start(range), expected, "{range}");
        }
    }
}

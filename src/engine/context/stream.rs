//! What comes as a stream: told apart by its first bytes, unpacked or read as text.

use std::fs::{self, File, Permissions};
use std::io::{self, Cursor, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};

use crate::context::Root;
use crate::exec::CancelToken;
use crate::layer::{
    ApplyError, ApplyOptions, ArchiveError, Contents, Decompressor, HEAD, Marks, apply, is_archive,
};
use crate::progress::Step;
use crate::transport::DEFAULT_LIMITS;

use super::super::error::{BuildError, EngineError};
use super::{Bringing, opened};

/// No Dockerfile is larger, in bytes: what is, was meant to be something else.
const LARGEST_TEXT: u64 = 16 << 20;

/// How many bytes pass between two reports.
const STRIDE: u64 = 4 << 20;

/// Makes a directory in the work directory.
pub(super) fn new_directory(name: &str, bringing: Bringing<'_>) -> Result<PathBuf, EngineError> {
    let path = bringing.work.path().join(name);
    let failed = |operation| {
        let path = path.clone();
        move |source| EngineError::Io { operation, path, source }
    };
    fs::create_dir(&path).map_err(failed("make"))?;
    fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed("set the mode of"))?;
    Ok(path)
}

/// Unpacks an archive into the new directory `name` of the work directory. A stream that is no archive is a text, which
/// is given beside the empty directory.
pub(super) fn unpack(
    stream: &File,
    name: &str,
    step: &Step<'_>,
    bringing: Bringing<'_>,
) -> Result<(Root, Option<String>), EngineError> {
    let path = new_directory(name, bringing)?;
    let mut reader = Interruptible { stream, cancel: bringing.cancel, step: Some(step), count: 0 };
    let mut head = Vec::with_capacity(HEAD);
    let read = reader.by_ref().take(HEAD as u64).read_to_end(&mut head);
    read.map_err(|source| unreadable(source, bringing.cancel))?;
    let text = if is_archive(&head) {
        let directory = File::open(&path);
        let directory =
            directory.map_err(|source| EngineError::Io { operation: "open", path: path.clone(), source })?;
        untar(Cursor::new(head).chain(reader), directory.into(), bringing.cancel)?;
        None
    } else {
        Some(text(stream, head, bringing.cancel)?)
    };
    Ok((opened(&path)?, text))
}

fn untar(stream: impl Read, into: OwnedFd, cancel: &CancelToken) -> Result<(), EngineError> {
    let tar = Decompressor::new(stream, DEFAULT_LIMITS).map_err(|source| unreadable(source, cancel))?;
    let options = ApplyOptions {
        contents: Contents::Files,
        max_bytes: DEFAULT_LIMITS.bytes,
        ..ApplyOptions::new(Marks::None)
    };
    match apply(tar, into, options) {
        Ok(_) => Ok(()),
        Err(ApplyError::Archive(ArchiveError::Read { source })) => Err(unreadable(source, cancel)),
        Err(source) => Err(Box::new(BuildError::Unpack { source }).into()),
    }
}

/// The text that begins with `head`.
pub(super) fn text(stream: &File, head: Vec<u8>, cancel: &CancelToken) -> Result<String, EngineError> {
    let rest = Interruptible { stream, cancel, step: None, count: 0 };
    let mut bytes = head;
    rest.take(LARGEST_TEXT).read_to_end(&mut bytes).map_err(|source| unreadable(source, cancel))?;
    if bytes.len() as u64 >= LARGEST_TEXT {
        return Err(Box::new(BuildError::NoText { limit: LARGEST_TEXT }).into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unreadable(source: io::Error, cancel: &CancelToken) -> EngineError {
    if cancel.is_canceled() {
        return Box::new(BuildError::Interrupted).into();
    }
    Box::new(BuildError::Stream { source }).into()
}

/// A stream that nobody has to wait for: canceling ends the reading, also when nothing comes.
struct Interruptible<'a> {
    stream: &'a File,
    cancel: &'a CancelToken,
    step: Option<&'a Step<'a>>,
    count: u64,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let canceled = self.cancel.as_fd();
        let mut waiting = [PollFd::new(self.stream, PollFlags::IN), PollFd::new(&canceled, PollFlags::IN)];
        poll(&mut waiting, None)?;
        if !waiting[1].revents().is_empty() {
            return Err(io::Error::other("canceled"));
        }
        let n = self.stream.read(buffer)?;
        let before = self.count;
        self.count += n as u64;
        if let Some(step) = self.step
            && before / STRIDE != self.count / STRIDE
        {
            step.transfer(self.count, None);
        }
        Ok(n)
    }
}

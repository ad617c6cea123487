//! An SSH agent for a sandbox: a socket of the step's own, which passes on to the agent of the user.
//!
//! The user's own socket is not mounted: its owner and mode are the user's, and who has it may do everything. What a
//! command may ask for are the public keys and signatures, as in BuildKit; all else an agent does is refused here.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A socket that answers while this lives.
#[derive(Debug)]
pub(super) struct Agent {
    socket: PathBuf,
    /// The directory that the socket is in.
    directory: File,
    ended: Arc<AtomicBool>,
}

const NAME: &str = "agent";

/// Message numbers of draft-miller-ssh-agent.
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// The longest message that OpenSSH takes.
const MAX_MESSAGE: u32 = 256 * 1024;

impl Agent {
    /// Listens in `directory` for what is to be passed on to the socket `agent`.
    pub(super) fn start(directory: &Path, agent: &Path) -> io::Result<Self> {
        let socket = directory.join(NAME);
        let directory = File::open(directory)?;
        let listener = UnixListener::bind(short_path(&directory))?;
        let ended = Arc::new(AtomicBool::new(false));
        let (over, agent) = (Arc::clone(&ended), agent.to_owned());
        spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let agent = agent.clone();
                // A client that gets no answer is told so by the end of its connection.
                let _ = client.and_then(|client| spawn(move || drop(answer(client, &agent))));
            }
        })?;
        Ok(Self { socket, directory, ended })
    }

    /// The socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the one who waits for clients.
        let _ = UnixStream::connect(short_path(&self.directory));
    }
}

/// The socket by a path that fits an address (unix(7): 108 bytes), however deep the store lies.
fn short_path(directory: &File) -> String {
    format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("ssh agent".into()).spawn(work).map(drop)
}

/// Answers a client's requests until it ends.
fn answer(mut client: UnixStream, agent: &Path) -> io::Result<()> {
    let mut agent = UnixStream::connect(agent)?;
    while let Some(request) = read_message(&mut client)? {
        let reply = match request.first() {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                write_message(&mut agent, &request)?;
                read_message(&mut agent)?.ok_or(io::ErrorKind::UnexpectedEof)?
            }
            _ => vec![FAILURE],
        };
        write_message(&mut client, &reply)?;
    }
    Ok(())
}

/// A message without its length; `None` if there are no more.
fn read_message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

fn write_message(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every request with itself.
    fn echo(socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            while let Ok(Some(message)) = read_message(&mut client) {
                write_message(&mut client, &message).unwrap();
            }
        });
    }

    #[test]
    fn only_keys_and_signatures_can_be_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        echo(&dir.path().join("user"));
        let agent = Agent::start(dir.path(), &dir.path().join("user")).unwrap();
        let mut client = UnixStream::connect(agent.socket()).unwrap();
        for (request, reply) in [
            (&b"\x0b"[..], &b"\x0b"[..]),
            (b"\x0dkey", b"\x0dkey"),
            // Adding and removing keys, locking, extensions, nothing.
            (b"\x11key", b"\x05"),
            (b"\x12key", b"\x05"),
            (b"\x13", b"\x05"),
            (b"\x16password", b"\x05"),
            (b"\x19key", b"\x05"),
            (b"\x1bquery", b"\x05"),
            (b"", b"\x05"),
            (b"\x0b", b"\x0b"),
        ] {
            write_message(&mut client, request).unwrap();
            assert_eq!(read_message(&mut client).unwrap().as_deref(), Some(reply), "{request:?}");
        }
    }

    #[test]
    fn who_says_too_much_is_not_listened_to() {
        let dir = tempfile::tempdir().unwrap();
        echo(&dir.path().join("user"));
        let agent = Agent::start(dir.path(), &dir.path().join("user")).unwrap();
        let mut client = UnixStream::connect(agent.socket()).unwrap();
        client.write_all(&(MAX_MESSAGE + 1).to_be_bytes()).unwrap();
        assert_eq!(read_message(&mut client).unwrap(), None);
    }
}

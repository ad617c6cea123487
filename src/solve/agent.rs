//! An SSH agent for a sandbox: a socket of the step's own, which passes on to the agent of the user.
//!
//! The user's own socket is not mounted, because its owner and mode are the user's.

use std::fs::File;
use std::io;
use std::net::Shutdown;
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

impl Agent {
    /// Listens in `directory` for what is to be passed on to the socket `agent`.
    pub(super) fn start(directory: &Path, agent: &Path) -> io::Result<Self> {
        let socket = directory.join(NAME);
        let directory = File::open(directory)?;
        let listener = UnixListener::bind(short_path(&directory))?;
        let ended = Arc::new(AtomicBool::new(false));
        let (over, agent) = (Arc::clone(&ended), agent.to_owned());
        thread::Builder::new().name("ssh agent".into()).spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                // A client that gets no answer is told so by the end of its connection.
                if let Ok(client) = client
                    && let Ok(server) = UnixStream::connect(&agent)
                {
                    let _ = pass_on(&client, &server);
                }
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

/// Starts to pass everything on, both ways, until both sides have ended.
fn pass_on(client: &UnixStream, server: &UnixStream) -> io::Result<()> {
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::Builder::new().name("ssh agent".into()).spawn(move || {
            // Whatever ends one way ends it for good.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        })?;
    }
    Ok(())
}

//! A place in a build where it waits for the test: a RUN that reads from a socket of the test's.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

/// What commands connect to.
pub(crate) struct Gate(TcpListener);

/// A command that waits; it goes on when this is dropped.
pub(crate) struct Waiting(TcpStream);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// A shell command that waits at the gate and prints what it is told there.
    pub(crate) fn command(&self) -> String {
        format!("nc 127.0.0.1 {} </dev/null", self.0.local_addr().unwrap().port())
    }

    /// Waits for a command.
    pub(crate) fn wait(&self) -> Waiting {
        Waiting(self.0.accept().unwrap().0)
    }

    /// Whether a command waits now that was not met yet.
    pub(crate) fn is_somebody_there(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let there = self.0.accept().is_ok();
        self.0.set_nonblocking(false).unwrap();
        there
    }
}

impl Waiting {
    /// Tells the command something, and lets it go on.
    pub(crate) fn tell(mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }
}

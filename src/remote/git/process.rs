//! A child process that is read from until it ends, and that ends when nobody wants it any more.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a child has to remove its temporary files when it is told to end, and how often that is looked at.
const GRACE: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How many of its last lines an error repeats.
const LAST_LINES: usize = 4;

/// What is passed on of a line, and what is kept of what it prints.
const MAX_LINE: usize = 8 * 1024;
const MAX_PRINTED: usize = 16 * 1024 * 1024;

/// Something that a child wrote.
pub(super) enum Piece {
    Printed(Vec<u8>),
    Said(Vec<u8>),
}

/// What came of a child while it was waited for.
pub(super) enum Next {
    Piece(Piece),
    Nothing,
    /// It and its helpers have closed both outputs.
    End,
}

/// A child that leads a process group. Dropping it ends the group.
pub(super) struct Running {
    child: Child,
    pieces: Receiver<Piece>,
}

impl Running {
    /// Starts a command whose outputs are pipes.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let (sender, pieces) = sync_channel(8);
        let (printed, said) = (child.stdout.take(), child.stderr.take());
        let running = Self { child, pieces };
        // Threads of their own, not joined: a helper that escaped could hold a pipe.
        if let Some(printed) = printed {
            let sender = sender.clone();
            thread::Builder::new().spawn(move || pass_on(printed, Piece::Printed, &sender))?;
        }
        if let Some(said) = said {
            thread::Builder::new().spawn(move || pass_on(said, Piece::Said, &sender))?;
        }
        Ok(running)
    }

    pub(super) fn next(&mut self, patience: Duration) -> Next {
        match self.pieces.recv_timeout(patience) {
            Ok(piece) => Next::Piece(piece),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // As long as it has not been waited for, its number is its own.
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::TERM);
        for _ in 0..GRACE.as_millis() / BETWEEN_LOOKS.as_millis() {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn pass_on(mut from: impl Read, piece: fn(Vec<u8>) -> Piece, sender: &SyncSender<Piece>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                if sender.send(piece(buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// What a child wrote.
#[derive(Default)]
pub(super) struct Output {
    printed: Vec<u8>,
    line: Vec<u8>,
    last: VecDeque<String>,
}

impl Output {
    /// Takes a piece; lines of the child's messages go to `log`.
    pub(super) fn add(&mut self, piece: Piece, log: &dyn Fn(&str)) {
        match piece {
            Piece::Printed(bytes) => {
                let room = MAX_PRINTED.saturating_sub(self.printed.len());
                self.printed.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Piece::Said(bytes) => {
                for byte in bytes {
                    self.say(byte, log);
                }
            }
        }
    }

    fn say(&mut self, byte: u8, log: &dyn Fn(&str)) {
        match byte {
            // A percentage that the next one overwrites.
            b'\r' => self.line.clear(),
            b'\n' => self.end_line(log),
            _ if self.line.len() < MAX_LINE => self.line.push(byte),
            _ => {}
        }
    }

    fn end_line(&mut self, log: &dyn Fn(&str)) {
        let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if line.is_empty() {
            return;
        }
        log(&line);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// What it printed.
    pub(super) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// Its last words.
    pub(super) fn said(mut self, status: ExitStatus) -> String {
        self.end_line(&|_| ());
        if self.last.is_empty() {
            return format!("git ended with {status}");
        }
        self.last.into_iter().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn lines_are_passed_on_whole_and_percentages_are_not() {
        let logged = RefCell::new(Vec::new());
        let log = |line: &str| logged.borrow_mut().push(line.to_owned());
        let mut output = Output::default();
        for piece in ["one: 1%\rone: 2%\rone: do", "ne.\n\ntwo\nthree\nfour\nfi", "ve"] {
            output.add(Piece::Said(piece.as_bytes().to_vec()), &log);
        }
        assert_eq!(*logged.borrow(), ["one: done.", "two", "three", "four"]);
        assert_eq!(output.said(ExitStatus::from_raw(256)), "two; three; four; five");
        assert_eq!(Output::default().said(ExitStatus::from_raw(256)), "git ended with exit status: 1");
    }
}

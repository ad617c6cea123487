//! Namespaces that nobody uses: those that are free, the first one while it is being made, and those on their way out.
//!
//! Making and taking down cost tens to hundreds of milliseconds, most of it in other programs, so both can be done on
//! threads of their own. Nothing depends on them: whoever gets no namespace makes one and hears why that fails, and
//! what is not taken down is found by the next command, as after a kill.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::{Connected, Maker, NetworkError};

#[derive(Debug)]
pub(super) struct Pool {
    maker: Maker,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    free: Vec<Connected>,
    /// Whether there is or was one, or is one on its way.
    begun: bool,
    coming: Option<JoinHandle<Option<Connected>>>,
    going: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn new(maker: Maker) -> Self {
        Self { maker, held: Mutex::default() }
    }

    pub(super) fn maker(&self) -> &Maker {
        &self.maker
    }

    /// Begins to make the first one. Later ones are made when they are taken.
    pub(super) fn begin(&self) {
        let mut held = self.held();
        if !std::mem::replace(&mut held.begun, true) {
            let maker = self.maker.clone();
            held.coming = Builder::new().spawn(move || maker.make(&[]).ok()).ok();
        }
    }

    /// Whether [`Pool::begin`] has nothing to do.
    pub(super) fn is_begun(&self) -> bool {
        self.held().begun
    }

    /// One that nobody else uses.
    pub(super) fn take(&self) -> Result<Connected, NetworkError> {
        let coming = {
            let mut held = self.held();
            held.begun = true;
            if let Some(free) = held.free.pop() {
                return Ok(free);
            }
            held.coming.take()
        };
        match coming.and_then(finished) {
            Some(connected) => Ok(connected),
            None => self.maker.make(&[]),
        }
    }

    pub(super) fn give_back(&self, connected: Connected) {
        self.held().free.push(connected);
    }

    /// Takes down, aside, what nobody uses.
    pub(super) fn begin_close(&self) {
        let mut held = self.held();
        let (free, coming) = (std::mem::take(&mut held.free), held.coming.take());
        if !free.is_empty() || coming.is_some() {
            held.going.extend(Builder::new().spawn(move || remove(free, coming)).ok());
        }
    }

    /// Takes down what nobody uses and waits for what is on its way.
    pub(super) fn close(&self) {
        let Held { free, coming, going, .. } = std::mem::take(&mut *self.held());
        remove(free, coming);
        for thread in going {
            let _ = thread.join();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(free: Vec<Connected>, coming: Option<JoinHandle<Option<Connected>>>) {
    free.into_iter().chain(coming.and_then(finished)).for_each(Connected::remove);
}

/// What a thread made, once it is done.
fn finished(thread: JoinHandle<Option<Connected>>) -> Option<Connected> {
    thread.join().ok().flatten()
}

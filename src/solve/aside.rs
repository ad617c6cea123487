//! Work that no step waits for, on a thread of its own: stages and control groups for the next RUNs get ready while
//! others run, and directories that are not needed any more are removed.
//!
//! A sandbox of which stage and group are ready costs half: neither the start of a process counts any more nor the
//! move into a group of version 1, for which the kernel takes 10 ms on a machine that is at rest.
//!
//! Invariant: the thread lives as long as the stages that it started, as their parent-death signal demands. Nothing
//! depends on what is done here: whoever gets no stage makes one, and what is not removed goes with the build.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::cgroup::{Cgroups, Group, Limits};
use crate::exec::{Executor, Stage};

/// The thread, once there was something to do, and what it was asked for.
pub(super) struct Aside {
    maker: Maker,
    desk: Mutex<Desk>,
    ready: Mutex<Option<Receiver<Option<Ready>>>>,
}

/// A stage that waits for what it is to do, in its group. In this order they are dropped.
pub(super) struct Ready {
    pub(super) stage: Stage,
    pub(super) group: Option<Group>,
}

struct Desk {
    worker: Option<(Sender<Errand>, JoinHandle<()>)>,
    /// RUNs that have not begun.
    left: usize,
    /// Stages that were asked for and not taken.
    unclaimed: usize,
}

enum Errand {
    Stage,
    Remove(PathBuf),
}

/// What a stage is made from.
#[derive(Clone)]
struct Maker {
    executor: Executor,
    cgroups: Cgroups,
    limits: Limits,
}

impl Aside {
    /// For a plan with so many RUNs, whose groups have these limits.
    pub(super) fn new(runs: usize, executor: &Executor, cgroups: &Cgroups, limits: &Limits) -> Self {
        let maker = Maker { executor: executor.clone(), cgroups: cgroups.clone(), limits: limits.clone() };
        let desk = Mutex::new(Desk { worker: None, left: runs, unclaimed: 0 });
        Self { maker, desk, ready: Mutex::default() }
    }

    /// A RUN begins, which may turn out to be cached.
    pub(super) fn begin(&self) {
        let mut desk = lock(&self.desk);
        desk.left = desk.left.saturating_sub(1);
    }

    /// A stage will be wanted soon.
    pub(super) fn expect(&self) {
        let mut desk = lock(&self.desk);
        if desk.unclaimed == 0 {
            self.order(&mut desk);
        }
    }

    /// A stage, if there is one or will soon be. The next one is begun if there may be a use for it.
    pub(super) fn take(&self) -> Option<Ready> {
        let mut desk = lock(&self.desk);
        if desk.unclaimed == 0 {
            return None;
        }
        desk.unclaimed -= 1;
        if desk.left > desk.unclaimed {
            self.order(&mut desk);
        }
        drop(desk);
        lock(&self.ready).as_ref()?.recv().ok()?
    }

    /// Has a directory of the build's work directory removed.
    pub(super) fn remove(&self, directory: PathBuf) {
        self.send(&mut lock(&self.desk), Errand::Remove(directory));
    }

    /// Waits for what is under way and ends the stages that nobody took.
    pub(super) fn finish(&self) {
        let mut desk = lock(&self.desk);
        (desk.left, desk.unclaimed) = (0, 0);
        if let Some((errands, thread)) = desk.worker.take() {
            drop(errands);
            let unused = lock(&self.ready).take();
            unused.into_iter().flatten().for_each(drop);
            let _ = thread.join();
        }
    }

    fn order(&self, desk: &mut Desk) {
        if self.send(desk, Errand::Stage) {
            desk.unclaimed += 1;
        }
    }

    fn send(&self, desk: &mut Desk, errand: Errand) -> bool {
        let (errands, _) = desk.worker.get_or_insert_with(|| {
            let (errands, orders) = channel();
            let (done, ready) = channel();
            *lock(&self.ready) = Some(ready);
            let maker = self.maker.clone();
            (errands, thread::spawn(move || work(&maker, &orders, &done)))
        });
        errands.send(errand).is_ok()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.finish();
    }
}

fn work(maker: &Maker, orders: &Receiver<Errand>, done: &Sender<Option<Ready>>) {
    for errand in orders {
        match errand {
            Errand::Stage => {
                let _ = done.send(maker.make());
            }
            Errand::Remove(directory) => {
                let _ = fs::remove_dir_all(directory);
            }
        }
    }
}

impl Maker {
    /// Whoever gets nothing tries again, and says why it fails.
    fn make(&self) -> Option<Ready> {
        let mut stage = self.executor.start_ahead().ok()?;
        let group = self.cgroups.make(&self.limits).ok()?;
        if let Some(group) = group.as_ref().filter(|group| group.limits().is_empty()) {
            stage.enter(group).ok()?;
        }
        Some(Ready { stage, group })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Runs the nodes of a graph on threads, each when what it needs is done.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};

/// What is under way.
struct Queue {
    ready: BTreeSet<usize>,
    waiting: Vec<usize>,
    left: usize,
    failed: bool,
    /// Threads that were started, the caller's included, and those of them that have nothing to do.
    threads: usize,
    idle: usize,
}

/// Results of the nodes that are done.
pub(super) struct Results<T>(Vec<OnceLock<T>>);

impl<T> Results<T> {
    /// The result of a node that the asking node depends on.
    pub(super) fn get(&self, node: usize) -> &T {
        self.0[node].get().unwrap_or_else(|| unreachable!("node {node} was used before it was done"))
    }

    fn into_inner(self) -> Vec<T> {
        self.0.into_iter().filter_map(OnceLock::into_inner).collect()
    }
}

/// Runs `work` for every node; node `n` needs the results of `needs[n]`, all of them smaller than `n`. At most `jobs`
/// run at once, the smaller ones first. After the first failure no further node starts, `stop` is called once so
/// that running ones may end early, and that failure is returned.
///
/// A node's thread lives until the node is done, as the parent-death signal of its sandbox demands. A thread that has
/// finished a node goes on with the next one itself; others are woken, or started, only for what is ready besides, so
/// that a chain of cached steps is one thread's work.
pub(super) fn run<T: Send + Sync, E: Send>(
    needs: &[Vec<usize>],
    jobs: usize,
    stop: impl Fn() + Sync,
    work: impl Fn(usize, &Results<T>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let ready = (0..needs.len()).filter(|&n| waiting[n] == 0).collect();
    let crew = Crew {
        needs,
        jobs,
        stop,
        work,
        results: Results((0..needs.len()).map(|_| OnceLock::new()).collect()),
        queue: Mutex::new(Queue { ready, waiting, left: needs.len(), failed: false, threads: 1, idle: 0 }),
        changed: Condvar::new(),
        first_error: Mutex::new(None),
    };
    thread::scope(|scope| crew.join(scope));
    match crew.first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(crew.results.into_inner()),
    }
}

/// The threads and what they share.
struct Crew<'a, T, E, S, W> {
    needs: &'a [Vec<usize>],
    jobs: usize,
    stop: S,
    work: W,
    results: Results<T>,
    queue: Mutex<Queue>,
    changed: Condvar,
    first_error: Mutex<Option<E>>,
}

impl<T, E, S, W> Crew<'_, T, E, S, W>
where
    T: Send + Sync,
    E: Send,
    S: Fn() + Sync,
    W: Fn(usize, &Results<T>) -> Result<T, E> + Sync,
{
    /// What a thread does until there is nothing left.
    fn join<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let _on_panic = OnPanic { queue: &self.queue, changed: &self.changed, stop: &self.stop };
        let mut queue = lock(&self.queue);
        while !queue.failed && queue.left > 0 {
            let Some(node) = queue.ready.pop_first() else {
                queue.idle += 1;
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            };
            self.call_others(&mut queue, scope);
            drop(queue);
            let result = (self.work)(node, &self.results);
            queue = lock(&self.queue);
            self.settle(&mut queue, node, result);
        }
        self.changed.notify_all();
    }

    /// Sees to it that somebody takes what else is ready.
    fn call_others<'scope>(&'scope self, queue: &mut Queue, scope: &'scope Scope<'scope, '_>) {
        let ready = queue.ready.len();
        for _ in 0..ready.min(queue.idle) {
            self.changed.notify_one();
        }
        for _ in queue.idle..ready {
            if queue.threads < self.jobs {
                queue.threads += 1;
                scope.spawn(|| self.join(scope));
            }
        }
    }

    fn settle(&self, queue: &mut Queue, node: usize, result: Result<T, E>) {
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                // Later failures are what the stop made of other nodes.
                if !std::mem::replace(&mut queue.failed, true) {
                    *lock(&self.first_error) = Some(error);
                    (self.stop)();
                }
                return;
            }
        };
        let _ = self.results.0[node].set(value);
        queue.left -= 1;
        for (later, needs) in self.needs.iter().enumerate().filter(|(_, needs)| needs.contains(&node)) {
            queue.waiting[later] -= needs.iter().filter(|&&n| n == node).count();
            if queue.waiting[later] == 0 {
                queue.ready.insert(later);
            }
        }
    }
}

/// Lets the other threads end if this one panics, so that the panic is seen instead of a build that hangs.
struct OnPanic<'a, F: Fn()> {
    queue: &'a Mutex<Queue>,
    changed: &'a Condvar,
    stop: &'a F,
}

impl<F: Fn()> Drop for OnPanic<'_, F> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(self.queue).failed = true;
            (self.stop)();
            self.changed.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_node_sees_the_results_that_it_needs() {
        let needs = vec![vec![], vec![0], vec![0], vec![1, 2], vec![3, 3]];
        let sums = run(
            &needs,
            3,
            || {},
            |node, results: &Results<usize>| {
                Ok::<_, ()>(node + needs[node].iter().map(|&n| *results.get(n)).sum::<usize>())
            },
        );
        assert_eq!(sums, Ok(vec![0, 1, 2, 6, 16]));
    }

    #[test]
    fn independent_nodes_run_at_the_same_time() {
        let together = Barrier::new(3);
        let needs = vec![vec![], vec![], vec![]];
        // Ends only if all three are inside at once.
        let done = run(
            &needs,
            3,
            || {},
            |_, _: &Results<()>| {
                together.wait();
                Ok::<_, ()>(())
            },
        );
        assert_eq!(done.map(|d| d.len()), Ok(3));
    }

    #[test]
    fn a_chain_stays_on_one_thread() {
        let needs: Vec<Vec<usize>> = (0..50usize).map(|n| n.checked_sub(1).into_iter().collect()).collect();
        let threads = run(&needs, 4, || {}, |_, _: &Results<_>| Ok::<_, ()>(thread::current().id())).unwrap();
        assert!(threads.iter().all(|id| *id == thread::current().id()), "{threads:?}");
    }

    #[test]
    fn what_becomes_ready_together_runs_together() {
        // Twice, because the threads of the first time are idle at the second.
        let (together, needs) =
            (Barrier::new(3), [vec![], vec![0], vec![0], vec![0], vec![1, 2, 3], vec![4], vec![4], vec![4]]);
        let work = |node, _: &Results<()>| {
            if !matches!(node, 0 | 4) {
                together.wait();
            }
            Ok::<_, ()>(())
        };
        assert_eq!(run(&needs, 3, || {}, work).map(|done| done.len()), Ok(8));
    }

    #[test]
    fn a_failure_stops_what_has_not_begun_and_calls_stop_once() {
        let (stops, ran) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let needs = vec![vec![], vec![0], vec![1]];
        let stop = || {
            stops.fetch_add(1, Ordering::SeqCst);
        };
        let result = run(&needs, 2, stop, |node, _: &Results<()>| {
            ran.fetch_add(1, Ordering::SeqCst);
            if node == 1 { Err(node) } else { Ok(()) }
        });
        assert_eq!(result, Err(1));
        assert_eq!((stops.into_inner(), ran.into_inner()), (1, 2));
    }

    #[test]
    fn the_first_failure_is_returned_whatever_fails_after_it() {
        let (together, failed) = (Barrier::new(2), Barrier::new(2));
        let work = |node, _: &Results<()>| {
            together.wait();
            if node == 0 {
                // Goes on only after the other one has failed.
                failed.wait();
            }
            Err::<(), _>(node)
        };
        let stop = || {
            failed.wait();
        };
        assert_eq!(run(&[vec![], vec![]], 2, stop, work), Err(1));
    }

    #[test]
    fn no_nodes_are_done_at_once() {
        assert_eq!(run(&[], 4, || {}, |_, _: &Results<()>| Ok::<_, ()>(())), Ok(vec![]));
    }
}

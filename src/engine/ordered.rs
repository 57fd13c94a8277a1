//! Numbered pieces of work on all cores, their results handed on in order of their numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::Resources;
use crate::error::{Error, ErrorKind, Result, refuse};

/// Results that wait for an earlier one, at most so many a worker: what is held in memory stays bounded.
const AHEAD: u64 = 4;

struct Waiting<R, F> {
    /// The number that is handed on next.
    next: u64,
    done: BTreeMap<u64, R>,
    take: F,
}

/// Wakes whoever waits when a worker panics.
struct Wake<'a> {
    stop: &'a AtomicBool,
    moved: &'a Condvar,
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop.store(true, Ordering::Relaxed);
            self.moved.notify_all();
        }
    }
}

/// Runs `make` for 0..count on up to `workers` threads, each with a `state` of its own, and hands the results to `take` in
/// order, so that what `take` adds up or writes does not depend on the threads.
pub(super) fn in_order<S, R: Send>(
    count: u64,
    workers: u64,
    resources: &Resources<'_>,
    state: impl Fn() -> S + Sync,
    make: impl Fn(u64, &mut S) -> Result<R> + Sync,
    take: impl FnMut(u64, R) -> Result<()> + Send,
) -> Result<()> {
    let mut numbers = 0..count;
    in_order_from(workers.min(count.max(1)), resources, || Ok(numbers.next()), state, make, take)
}

/// As [`in_order`] for pieces of work that `pull` gives one after the other, until it gives none.
pub(crate) fn in_order_from<S, T: Send, R: Send>(
    workers: u64,
    resources: &Resources<'_>,
    pull: impl FnMut() -> Result<Option<T>> + Send,
    state: impl Fn() -> S + Sync,
    make: impl Fn(T, &mut S) -> Result<R> + Sync,
    take: impl FnMut(u64, R) -> Result<()> + Send,
) -> Result<()> {
    let stop = AtomicBool::new(false);
    let feed = Mutex::new((0u64, pull));
    let failed: Mutex<Option<(u64, Error)>> = Mutex::new(None);
    let waiting = Mutex::new(Waiting { next: 0, done: BTreeMap::new(), take });
    let moved = Condvar::new();
    let workers = workers.max(1);
    let fail = |i: u64, error: Error| {
        stop.store(true, Ordering::Relaxed);
        let mut first = failed.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(at, _)| i < *at) {
            *first = Some((i, error));
        }
    };
    let worker = || {
        // A worker that ends by panic must not leave the others waiting for its result.
        let _wake = Wake { stop: &stop, moved: &moved };
        let mut state = state();
        while !stop.load(Ordering::Relaxed) {
            let (i, pulled) = {
                let (next, pull) = &mut *feed.lock().unwrap_or_else(PoisonError::into_inner);
                let i = *next;
                *next += 1;
                let cancelled = resources.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
                (i, if cancelled { refuse!(Interrupted, "interrupted") } else { pull() })
            };
            let result = match pulled {
                Ok(None) => break,
                Ok(Some(work)) => make(work, &mut state),
                Err(error) => Err(error),
            };
            let mut queue = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(result) => {
                    // Whoever has the next number never waits here, so this ends.
                    while i >= queue.next + AHEAD * workers && !stop.load(Ordering::Relaxed) {
                        queue = moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    }
                    let Waiting { next, done, take } = &mut *queue;
                    done.insert(i, result);
                    while let Some(result) = done.remove(next) {
                        if let Err(error) = take(*next, result) {
                            fail(*next, error);
                            break;
                        }
                        *next += 1;
                    }
                }
                Err(error) => fail(i, error),
            }
            drop(queue);
            moved.notify_all();
        }
    };
    let panicked = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
        worker();
        handles.into_iter().any(|h| h.join().is_err())
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None if panicked => Err(Error::new(ErrorKind::Io, "a worker thread failed; please report this as a bug")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for workers in [1, 2, 7] {
            let mut seen = Vec::new();
            let make = |i: u64, calls: &mut u64| {
                *calls += 1;
                std::thread::sleep(std::time::Duration::from_micros((i * 7919) % 300));
                Ok(i * i)
            };
            in_order(
                200,
                workers,
                &Resources::default(),
                || 0,
                make,
                |i, r| {
                    seen.push((i, r));
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (0..200).map(|i| (i, i * i)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_failure_ends_the_work_and_is_told() {
        let make = |i: u64, _: &mut ()| if i == 50 { refuse!(Io, "fifty") } else { Ok(()) };
        let result = in_order(1000, 3, &Resources::default(), || (), make, |_, ()| Ok(()));
        assert_eq!(result.unwrap_err().to_string(), "fifty");
        assert!(in_order(0, 3, &Resources::default(), || (), make, |_, ()| Ok(())).is_ok());
    }
}

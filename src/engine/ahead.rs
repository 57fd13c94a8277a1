//! Numbered pieces of work done before they are asked for, by threads of their own, and handed out in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Result, refuse};
use crate::pipeline::Work;

/// Makes piece `i`.
pub(super) type Make<R> = dyn Fn(u64, &mut Work) -> Result<R> + Send + Sync;

struct State<R> {
    /// The first piece that no thread has begun.
    next: u64,
    /// The first piece that was not handed out.
    wanted: u64,
    done: BTreeMap<u64, Result<R>>,
    stop: bool,
    failed: bool,
}

struct Shared<R> {
    count: u64,
    /// Pieces, at most, that are begun and not yet handed out.
    window: u64,
    state: Mutex<State<R>>,
    moved: Condvar,
    make: Box<Make<R>>,
    steps: usize,
}

/// An iterator of the pieces. Dropping it ends its threads.
pub(super) struct Ahead<R> {
    shared: Arc<Shared<R>>,
    threads: Vec<JoinHandle<()>>,
    /// Of the calling thread, where there are no others.
    own: Option<Work>,
    next: u64,
}

/// Says that a thread ended by panic, so that nobody waits for what it was making.
struct Alarm<'a, R>(&'a Shared<R>);

impl<R> Drop for Alarm<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).failed = true;
            self.0.moved.notify_all();
        }
    }
}

fn work_through<R>(shared: &Shared<R>) {
    let _alarm = Alarm(shared);
    let mut work = Work::new(shared.steps);
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if state.stop || state.next >= shared.count {
            return;
        }
        if state.next >= state.wanted + shared.window {
            state = shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let i = state.next;
        state.next += 1;
        drop(state);
        let made = (shared.make)(i, &mut work);
        state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing after an error is handed out.
        state.stop |= made.is_err();
        state.done.insert(i, made);
        shared.moved.notify_all();
    }
}

impl<R: Send + 'static> Ahead<R> {
    /// Pieces 0 … `count` − 1 made by `threads` threads, each with a [`Work`] for `steps` steps, at most `window` of them at a time
    /// begun and not handed out. Without threads the one that asks makes them.
    pub(super) fn new(count: u64, threads: usize, window: u64, steps: usize, make: Box<Make<R>>) -> Result<Self> {
        let state = State { next: 0, wanted: 0, done: BTreeMap::new(), stop: false, failed: false };
        let window = window.max(threads as u64).max(1);
        let shared = Arc::new(Shared { count, window, state: Mutex::new(state), moved: Condvar::new(), make, steps });
        let mut ahead = Self { shared, threads: Vec::new(), own: None, next: 0 };
        for _ in 0..threads.min(usize::try_from(count).unwrap_or(usize::MAX)) {
            let shared = Arc::clone(&ahead.shared);
            match std::thread::Builder::new().spawn(move || work_through(&shared)) {
                Ok(thread) => ahead.threads.push(thread),
                // As many as there are do the work.
                Err(_) => break,
            }
        }
        if ahead.threads.is_empty() {
            ahead.own = Some(Work::new(steps));
        }
        Ok(ahead)
    }

    /// Pieces in all.
    pub(super) fn pieces(&self) -> u64 {
        self.shared.count
    }

    /// Pieces not handed out yet.
    pub(super) fn left(&self) -> u64 {
        self.shared.count - self.next.min(self.shared.count)
    }
}

impl<R> Iterator for Ahead<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        if self.next >= self.shared.count {
            return None;
        }
        let i = self.next;
        self.next += 1;
        let made = match &mut self.own {
            Some(work) => (self.shared.make)(i, work),
            None => {
                let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    if let Some(made) = state.done.remove(&i) {
                        state.wanted = i + 1;
                        self.shared.moved.notify_all();
                        break made;
                    }
                    if state.failed {
                        break refuse!(Io, "a worker thread failed; please report this as a bug");
                    }
                    state = self.shared.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        if made.is_err() {
            self.next = self.shared.count;
        }
        Some(made)
    }
}

impl<R> Drop for Ahead<R> {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.shared.moved.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked was told of when it was waited for.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize) -> Ahead<u64> {
        let make = |i: u64, _: &mut Work| if i == 70 { refuse!(Refused, "seventy") } else { Ok(i * i) };
        Ahead::new(100, threads, 5, 0, Box::new(make)).unwrap()
    }

    #[test]
    fn pieces_come_in_order_and_an_error_is_the_last() {
        for threads in [0, 1, 3, 9] {
            let all: Vec<Result<u64>> = squares(threads).collect();
            assert_eq!(all.len(), 71);
            assert!(all[..70].iter().enumerate().all(|(i, r)| *r.as_ref().unwrap() == (i * i) as u64));
            assert!(all[70].is_err());
        }
    }

    #[test]
    fn no_more_than_the_window_is_made_ahead_and_dropping_ends_the_threads() {
        use std::sync::atomic::{AtomicU64, Ordering};
        let begun = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&begun);
        let make = move |i: u64, _: &mut Work| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(i)
        };
        let mut ahead = Ahead::new(1000, 2, 6, 0, Box::new(make)).unwrap();
        assert_eq!(ahead.next().unwrap().unwrap(), 0);
        drop(ahead);
        assert!(begun.load(Ordering::SeqCst) <= 7);
        assert_eq!(Arc::strong_count(&begun), 1);
    }
}

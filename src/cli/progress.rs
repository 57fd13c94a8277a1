//! A progress bar on standard error, for people who wait.
//!
//! Workers only store a number; one thread looks at it ten times a second and draws. Runs shorter than [`PATIENCE`] draw
//! nothing at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::size;
use crate::engine::{Phase, Progress};
use crate::error::{Result, refuse};

/// A bar for less than this would only flicker.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two looks.
const TICK: Duration = Duration::from_millis(100);
/// The phase stands in the bits above the bytes, so that both are stored at once. No file has 2^60 bytes.
const PHASE_SHIFT: u32 = 60;

/// Runs `job` with something to call after each part, and draws a bar meanwhile if `shown`.
pub(super) fn with_bar<R>(shown: bool, job: impl FnOnce(Option<&(dyn Fn(Progress) + Sync)>) -> Result<R>) -> Result<R> {
    if !shown {
        return job(None);
    }
    let (state, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let tell = |progress: Progress| {
        total.store(progress.total, Ordering::Relaxed);
        state.store(pack(progress.phase, progress.done), Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        let (done, waiting) = channel::<()>();
        let ticker = std::thread::Builder::new().spawn_scoped(scope, || draw(&state, &total, waiting));
        let result = job(Some(&tell));
        // Hanging up ends the ticker at once, not at its next look.
        drop(done);
        match ticker.map(|t| t.join()) {
            Ok(Ok(())) => result,
            _ => result.and_then(|_| refuse!(Io, "the progress bar failed; run again with --quiet")),
        }
    })
}

fn pack(phase: Phase, done: u64) -> u64 {
    let number: u64 = match phase {
        Phase::Fitting => 1,
        Phase::Compacting => 2,
        Phase::Restoring => 3,
        Phase::Checking => 4,
        Phase::Comparing => 5,
    };
    number << PHASE_SHIFT | done.min((1 << PHASE_SHIFT) - 1)
}

/// What a packed state says: words for the phase (`None` before the first part) and bytes done.
fn unpack(state: u64) -> (Option<&'static str>, u64) {
    let words = match state >> PHASE_SHIFT {
        1 => Some("looking"),
        2 => Some("compacting"),
        3 => Some("restoring"),
        4 => Some("checking"),
        5 => Some("comparing"),
        _ => None,
    };
    (words, state & ((1 << PHASE_SHIFT) - 1))
}

fn draw(state: &AtomicU64, total: &AtomicU64, waiting: Receiver<()>) {
    let start = Instant::now();
    let mut current = None;
    while waiting.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let (phase, done) = unpack(state.load(Ordering::Relaxed));
        let Some(phase) = phase.filter(|_| start.elapsed() >= PATIENCE) else { continue };
        let total = total.load(Ordering::Relaxed);
        // Each pass has a bar of its own: rate and time left are those of the pass.
        let (shown, bar, since, from) = current.get_or_insert_with(|| (phase, bar(phase, total), start, 0));
        if *shown != phase || bar.position() > done + total / 2 {
            bar.finish_and_clear();
            (*shown, *bar, *since, *from) = (phase, self::bar(phase, total), Instant::now(), done);
        }
        let moved = done.saturating_sub(*from) as f64 / since.elapsed().as_secs_f64().max(1e-3);
        let left = total.saturating_sub(done) as f64 / moved.max(1.0);
        let left = if moved >= 1.0 { format!("{} left", time(left)) } else { String::new() };
        bar.set_message(format!("{} of {}  {}/s  {left}", size(done), size(total), size(moved as u64)));
        bar.set_position(done);
    }
    if let Some((_, bar, ..)) = current {
        bar.finish_and_clear();
    }
}

fn bar(phase: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{prefix:>10} [{bar:24}] {percent:>3}%  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(phase);
    bar
}

/// Seconds for someone who waits: `4 s`, `2 min 5 s`, `1 h 12 min`.
fn time(seconds: f64) -> String {
    let s = seconds.ceil() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_and_bytes_survive_in_one_word() {
        for phase in [Phase::Fitting, Phase::Compacting, Phase::Restoring, Phase::Checking, Phase::Comparing] {
            let (words, done) = unpack(pack(phase, 8_000_000_000_000));
            assert!(words.is_some());
            assert_eq!(done, 8_000_000_000_000);
        }
        assert_eq!(unpack(0).0, None);
    }

    #[test]
    fn the_result_of_the_job_comes_through_with_and_without_a_bar() {
        for shown in [false, true] {
            let result = with_bar(shown, |tell| {
                assert_eq!(tell.is_some(), shown);
                if let Some(tell) = tell {
                    tell(Progress { phase: Phase::Compacting, done: 1, total: 2 });
                }
                Ok(7)
            });
            assert_eq!(result.ok(), Some(7));
        }
    }

    #[test]
    fn time_left_is_written_in_two_units_at_most() {
        assert_eq!((time(3.2), time(125.0), time(4320.0)), ("4 s".into(), "2 min 5 s".into(), "1 h 12 min".into()));
    }
}

//! Bounds hold, whatever the values: random chunks that try them, coded, decoded, and judged by integer arithmetic of its own.
//!
//! `cargo test` looks at 10^7 values, or at as many as twenty seconds allow. The long run, and one chunk again:
//!
//! ```sh
//! NDCOMPACT_BOUND_VALUES=1e9 cargo test --release --test bounds -- --nocapture
//! NDCOMPACT_BOUND_SEED=123 cargo test --test bounds -- --nocapture
//! ```
//!
//! `NDCOMPACT_BOUND_DUMP=FOLDER` writes the float chunks among the first 4000 seeds as `.npy` with their bounds, and how this
//! library did on them: scripts/peer_violations.py holds other compressors against the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails should say where, and a long one what it counted"
)]

mod arrays;
mod dump;
mod exact;
mod judge;
mod run;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use judge::Verdict;
use run::Outcome;

/// Values of an ordinary run.
const VALUES: f64 = 1e7;
/// An ordinary run ends after this; a slow machine looks at fewer values.
const TIME: Duration = Duration::from_secs(20);
/// The most elements of a chunk.
const MOST: u64 = 1 << 19;

#[derive(Default)]
struct Count {
    chunks: u64,
    values: u64,
    changed: u64,
    patched: u64,
    fell_back: u64,
    before: u64,
    after: u64,
    broken: u64,
}

#[derive(Default)]
struct Counts {
    rows: BTreeMap<(&'static str, String), Count>,
    broken: Vec<String>,
}

impl Counts {
    fn add(&mut self, kind: &'static str, name: &str, outcome: &Outcome) {
        let row = self.rows.entry((kind, name.to_owned())).or_default();
        row.chunks += 1;
        row.values += outcome.verdict.values;
        row.changed += outcome.verdict.changed;
        row.patched += outcome.patched;
        row.fell_back += u64::from(outcome.fell_back);
        row.before += outcome.before;
        row.after += outcome.after;
        row.broken += outcome.verdict.broken;
    }

    fn print(&self) {
        println!("| | | chunks | values | changed | patched | lossless after all | ratio | violations |");
        println!("|---|---|---|---|---|---|---|---|---|");
        for ((kind, name), c) in &self.rows {
            println!(
                "| {kind} | {name} | {} | {} | {} | {} | {} | {:.2} | {} |",
                c.chunks,
                c.values,
                c.changed,
                c.patched,
                c.fell_back,
                c.before as f64 / c.after.max(1) as f64,
                c.broken
            );
        }
    }
}

/// A chunk's outcome, where a panic is a broken promise as well.
fn look(seed: u64) -> (arrays::Case, Outcome) {
    let case = arrays::case(seed, MOST);
    let outcome = catch_unwind(AssertUnwindSafe(|| run::run(&case))).unwrap_or_else(|_| Outcome {
        verdict: Verdict { broken: 1, first: Some("a panic".to_owned()), ..Verdict::default() },
        ..Outcome::default()
    });
    (case, outcome)
}

fn describe(seed: u64, case: &arrays::Case, outcome: &Outcome) -> String {
    format!(
        "seed {seed}: {} of {:?} inside {:?}, {}, {}, {:?}, fill {:x?}, {} steps: {} broken of {}, first {}",
        case.chunk.dtype(),
        case.valid,
        case.chunk.shape(),
        case.maker,
        case.limits,
        case.coding,
        case.fill,
        case.steps.len(),
        outcome.verdict.broken,
        outcome.verdict.values,
        outcome.verdict.first.as_deref().unwrap_or("none")
    )
}

#[test]
fn no_bound_is_broken() {
    if let Some(folder) = std::env::var_os("NDCOMPACT_BOUND_DUMP") {
        return dump::dump(folder.as_ref());
    }
    if let Ok(seed) = std::env::var("NDCOMPACT_BOUND_SEED") {
        let seed = seed.parse().unwrap();
        let (case, outcome) = look(seed);
        println!("{}", describe(seed, &case, &outcome));
        assert_eq!(outcome.verdict.broken, 0);
        return;
    }
    let asked = std::env::var("NDCOMPACT_BOUND_VALUES").ok().map(|v| v.parse::<f64>().unwrap());
    let (values, time) = (asked.unwrap_or(VALUES) as u64, if asked.is_some() { Duration::MAX } else { TIME });
    let first = std::env::var("NDCOMPACT_BOUND_FIRST").map_or(0, |v| v.parse().unwrap());

    let (next, seen, counts) = (AtomicU64::new(first), AtomicU64::new(0), Mutex::new(Counts::default()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while seen.load(Ordering::Relaxed) < values && start.elapsed() < time {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (case, outcome) = look(seed);
                    let before = seen.fetch_add(outcome.verdict.values, Ordering::Relaxed);
                    let step = 50_000_000;
                    if before / step != (before + outcome.verdict.values) / step {
                        println!("{:.2e} values after {:.0} s", before as f64, start.elapsed().as_secs_f64());
                    }
                    let mut counts = counts.lock().unwrap();
                    counts.add("dtype", case.chunk.dtype().name(), &outcome);
                    counts.add("bound", case.limits, &outcome);
                    counts.add("values", case.maker, &outcome);
                    counts.add("effort", &case.coding.effort.to_string(), &outcome);
                    if outcome.verdict.broken > 0 && counts.broken.len() < 20 {
                        counts.broken.push(describe(seed, &case, &outcome));
                    }
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    counts.print();
    println!(
        "{} values in {} chunks, {:.0} s: {} violations",
        seen.load(Ordering::Relaxed),
        next.load(Ordering::Relaxed) - first,
        start.elapsed().as_secs_f64(),
        counts.rows.iter().filter(|((kind, _), _)| *kind == "dtype").map(|(_, c)| c.broken).sum::<u64>()
    );
    assert!(counts.broken.is_empty(), "bounds were broken:\n{}", counts.broken.join("\n"));
}

#[test]
fn chunks_that_once_broke_a_bound_keep_it() {
    // Mean squares of triangles: most errors fell on elements that stand twice.
    for seed in [4530, 84_778, 97_455] {
        let (case, outcome) = look(seed);
        assert_eq!(outcome.verdict.broken, 0, "{}", describe(seed, &case, &outcome));
    }
}

#[test]
fn the_judge_sees_what_breaks_a_bound() {
    // The same chunks, with one element moved just beyond its bound, or a NaN's payload changed: found in each of them.
    let mut found = BTreeMap::new();
    for seed in 0..3000 {
        let case = arrays::case(seed, 2000);
        if let Some(kind) = run::spoil(&case, seed) {
            *found.entry(kind).or_insert(0) += 1;
        }
    }
    println!("{found:?}");
    for kind in ["one ulp beyond max_abs", "one beyond max_abs", "lossless", "not finite", "made infinite", "fill"] {
        assert!(found.get(kind).is_some_and(|n| *n >= 5), "{kind}: {found:?}");
    }
}

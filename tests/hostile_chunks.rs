//! Coded chunks that lie, with a checksum that says they do not: an error or other values, never a panic, never much memory, never
//! for long.
//!
//! `NDCOMPACT_HOSTILE_SEED=123` tries one again; `NDCOMPACT_HOSTILE_CHUNKS=1e6` tries more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]
#![allow(clippy::print_stdout, reason = "how many were tried, and how many of them decoded")]

#[allow(dead_code, reason = "bounds are tried by another test")]
#[path = "bounds/arrays.rs"]
mod arrays;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use arrays::{Case, Random, case};
use ndcompact::array::Buf;
use ndcompact::coding::{Coding, Effort};
use ndcompact::{DType, Spec, filter};

/// Damaged chunks of an ordinary run.
const CHUNKS: f64 = 60_000.0;
/// An ordinary run ends after this.
const TIME: Duration = Duration::from_secs(15);
/// A chunk of a few thousand elements takes microseconds; this is for machines that do other things.
const LONGEST: Duration = Duration::from_secs(2);
/// The most elements of a chunk.
const MOST: u64 = 3000;
/// The most memory of a decoder: eight times the chunk, and what coders take however small a chunk is.
const TIMES_CHUNK: usize = 8;
const ANY_CHUNK: usize = 1 << 20;

thread_local! {
    /// Bytes that this thread holds, and the most it held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(bytes: isize) {
    // The allocator is also asked while a thread ends and its cells are gone.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

#[expect(unsafe_code, reason = "counting what is allocated takes an allocator; it hands all requests on unchanged")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist for a moment, unless the system is lucky.
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The coded form of a case.
fn coded(case: &Case) -> Vec<u8> {
    let (mut out, mut restored, mut scratch) = (Vec::new(), Buf::new(), filter::Scratch::default());
    let Case { chunk, valid, values, steps, coding, fill, .. } = case;
    filter::encode(chunk, valid, values, steps, coding, *fill, &mut scratch, &mut out, &mut restored).unwrap();
    out
}

/// Damages a chunk in one to four places, or puts parts of two together.
fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    // Early bytes hold the parameters: half of all damage goes there.
    let place = |random: &mut Random, n: usize| {
        let n = if random.percent(50) { n.min(48) } else { n };
        random.below(n as u64) as usize
    };
    for _ in 0..1 + random.below(4) {
        if bytes.len() < 6 {
            bytes.extend(other);
        }
        let n = bytes.len();
        let at = place(random, n);
        match random.below(10) {
            0..3 => bytes[at] ^= 1 << random.below(8),
            3 => bytes[at] = random.next() as u8,
            4 => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            5 => bytes.truncate(at.max(5)),
            6 => {
                // A number that is far too large, where a varint may stand.
                let end = (at + 1 + random.below(9) as usize).min(n);
                bytes[at..end].fill(0xff);
            }
            7 => {
                let from = place(random, other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            8 => {
                let end = (at + 1 + random.below(16) as usize).min(n);
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + 1 + random.below(64) as usize).min(n);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

/// Writes the checksum that the damaged bytes should have, so that the parsers behind it are reached.
fn repair(bytes: &mut [u8]) {
    if let Some((sum, rest)) = bytes.split_at_mut_checked(4) {
        sum.copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
    }
}

/// Decodes, and gives whether it could be; panics where a promise is broken.
fn try_decode(seed: u64, chunk: &Spec, bytes: &[u8]) -> bool {
    let (mut scratch, mut out) = (filter::Scratch::default(), Buf::new());
    HELD.set((0, 0));
    let start = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| filter::decode(chunk, bytes, &mut scratch, &mut out)));
    let (took, (_, most)) = (start.elapsed(), HELD.get());
    let Ok(done) = done else { panic!("seed {seed}: decoding {} bytes as {chunk} panicked", bytes.len()) };
    let allowed = TIMES_CHUNK * chunk.bytes() as usize + ANY_CHUNK;
    assert!(most as usize <= allowed, "seed {seed}: {most} bytes held for {chunk} ({} bytes coded)", bytes.len());
    assert!(took < LONGEST, "seed {seed}: {took:?} for {chunk}");
    if done.is_ok() {
        assert_eq!((out.dtype(), out.len() as u64), (chunk.dtype(), chunk.count()), "seed {seed}");
    }
    done.is_ok()
}

/// A chunk of classes: few values that stand in areas, or in every plane alike, with some anywhere. Coded as such, of any dtype.
fn class_map(seed: u64) -> Case {
    let mut random = Random(seed ^ 0x00c1_a55e);
    let random = &mut random;
    let shape = random.pick::<&[u64]>(&[&[2500], &[50, 50], &[40, 2, 31], &[6, 20, 20], &[25, 50, 2], &[3, 4, 12, 15]]);
    let dtype = random.pick(DType::ALL);
    let row = *shape.last().unwrap() as usize;
    let plane = shape.iter().rev().take(2).product::<u64>() as usize;
    let back = random.pick(&[1, row, row + 1, plane]);
    let count = random.pick(&[2, 3, 9, 16, 17, 100]).min(if dtype == DType::Bool { 2 } else { 256 });
    let size = dtype.part().size();
    let whole = dtype.size();
    let kinds: Vec<Vec<u8>> = (0..count)
        .map(|i| match dtype {
            DType::Bool => vec![i as u8],
            _ => (0..whole / size).flat_map(|_| random.next().to_le_bytes()[..size].to_vec()).collect(),
        })
        .collect();
    let n = shape.iter().product::<u64>() as usize;
    let mut classes = vec![0; n];
    for i in 0..n {
        let like = if random.percent(60) { 1 } else { back };
        classes[i] = if random.percent(3) { random.below(count) as usize } else { classes[i.saturating_sub(like)] };
    }
    let mut values = Buf::new();
    values.reset(dtype, n as u64).unwrap();
    for (to, class) in values.bytes_mut().chunks_exact_mut(whole).zip(classes) {
        to.copy_from_slice(&kinds[class]);
    }
    let effort = Effort::try_from(random.pick(&[5, 9])).unwrap();
    Case {
        chunk: Spec::new(dtype, shape).unwrap(),
        valid: shape.to_vec(),
        values,
        steps: Vec::new(),
        coding: Coding { effort, ..Coding::default() },
        fill: None,
        maker: "classes",
        limits: "none",
    }
}

/// Damaged forms of the chunk of `seed` that `make` makes: `times` of them. Gives how many still decoded.
fn attack(seed: u64, times: u64, make: impl Fn(u64) -> Case) -> u64 {
    let mut random = Random(seed ^ 0xda_3a6e);
    let mine = make(seed);
    let other = coded(&make(seed + 1));
    let good = coded(&mine);
    assert!(try_decode(seed, &mine.chunk, &good), "seed {seed}: the chunk itself");
    let mut decoded = 0;
    for _ in 0..times {
        let mut bad = good.clone();
        damage(&mut random, &mut bad, &other);
        repair(&mut bad);
        let chunk = match random.below(20) {
            // The right bytes for the wrong dtype or shape.
            0 => Spec::new(random.pick(DType::ALL), mine.chunk.shape()).unwrap(),
            1 => Spec::new(mine.chunk.dtype(), [1 + random.below(MOST)]).unwrap(),
            _ => mine.chunk.clone(),
        };
        decoded += u64::from(try_decode(seed, &chunk, &bad));
    }
    decoded
}

#[test]
fn damaged_chunks_neither_panic_nor_take_much_memory_or_time() {
    const TIMES: u64 = 40;
    if let Ok(seed) = std::env::var("NDCOMPACT_HOSTILE_SEED") {
        println!("{} decoded", attack(seed.parse().unwrap(), TIMES, |seed| case(seed, MOST)));
        return;
    }
    let asked = std::env::var("NDCOMPACT_HOSTILE_CHUNKS").ok().map(|v| v.parse::<f64>().unwrap());
    let (chunks, time) = (asked.unwrap_or(CHUNKS) as u64, if asked.is_some() { Duration::MAX } else { TIME });
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()) as u64;
    let start = Instant::now();
    let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let work = |first: u64| {
            let (mut tried, mut decoded) = (0, 0);
            for seed in (first..chunks / TIMES).step_by(threads as usize) {
                if start.elapsed() > time {
                    break;
                }
                decoded += attack(seed, TIMES, |seed| case(seed, MOST));
                tried += TIMES;
            }
            (tried, decoded)
        };
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    let (tried, decoded) = counts.iter().fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
    println!("{tried} damaged chunks, {decoded} of them decoded all the same, {:.1} s", start.elapsed().as_secs_f64());
    assert!(tried > 0);
}

#[test]
fn damaged_class_maps_neither_panic_nor_take_much_memory_or_time() {
    /// The first byte of elements that are coded as classes, behind checksum and version.
    const CLASSES: (usize, u8) = (5, 5);
    let mut as_classes = 0;
    for seed in 0..100 {
        let map = class_map(seed);
        let good = coded(&map);
        let mut back = Buf::new();
        filter::decode(&map.chunk, &good, &mut filter::Scratch::default(), &mut back).unwrap();
        assert_eq!(back.bytes(), map.values.bytes(), "seed {seed}: every bit comes back");
        as_classes += usize::from(good[CLASSES.0] == CLASSES.1);
        attack(seed, 40, class_map);
    }
    assert!(as_classes > 50, "{as_classes} of 100 were coded as classes");
}

#[test]
fn random_bytes_are_no_chunks() {
    let mut random = Random(7);
    for seed in 0..2000 {
        let shape: Vec<u64> = (0..random.below(5)).map(|_| 1 + random.below(12)).collect();
        let chunk = Spec::new(random.pick(DType::ALL), shape).unwrap();
        let mut bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        // The version, so that the rest is looked at; flags of partial chunks and of steps as well.
        if let Some(flags) = bytes.get_mut(4) {
            *flags = random.pick(&[0x01, 0x11, 0x21, 0x31]);
        }
        repair(&mut bytes);
        try_decode(seed, &chunk, &bytes);
    }
}

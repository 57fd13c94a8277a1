//! Any part of a matrix across its diagonal: transposes and comparisons over the runs of `layout`, for bands of rows and
//! slices. Whole matrices go faster by `kernels`.

use std::ops::Range;

use super::image::{Image, Word};
use super::kernels::{EDGE_NARROW, EDGE_WIDE};
use super::layout::Runs;

/// Columns of a block of tiles: 64 eight-byte words are eight cache lines of a row, enough to keep the prefetcher
/// going, and 64 rows of that are 32 KiB, one first-level cache.
const BLOCK: u64 = 64;

/// Maps a line (a row or a column) to the place of its element 0 in a slice; wraps below zero.
pub(super) trait Lines: Copy {
    fn line(self, at: u64) -> usize;
}

impl<F: Fn(u64) -> usize + Copy> Lines for F {
    #[inline(always)]
    fn line(self, at: u64) -> usize {
        self(at)
    }
}

/// Lines that each start at a place of their own: the place of element 0, for lines from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) first: u64,
    pub(super) places: &'a [usize],
}

impl Lines for Table<'_> {
    #[inline(always)]
    fn line(self, at: u64) -> usize {
        self.places[(at - self.first) as usize]
    }
}

/// `to[line(c) + r] = image of from[row(r) + c]` for each `(r, c)` of `runs`. `DOWN` walks blocks down the rows first, so
/// that pieces of `to` are written whole; otherwise along the columns first, so that pieces of `from` are read whole.
#[inline(always)]
pub(super) fn transpose<W: Word, I: Image<W>, const DOWN: bool>(
    runs: Runs,
    from: &[W],
    row: impl Lines,
    to: &mut [W],
    line: impl Lines,
) {
    if size_of::<W>() >= 8 {
        transpose_by::<W, I, EDGE_WIDE, DOWN>(runs, from, row, to, line);
    } else {
        transpose_by::<W, I, EDGE_NARROW, DOWN>(runs, from, row, to, line);
    }
}

#[inline(always)]
fn transpose_by<W: Word, I: Image<W>, const E: usize, const DOWN: bool>(
    runs: Runs,
    from: &[W],
    row: impl Lines,
    to: &mut [W],
    line: impl Lines,
) {
    walk::<E, DOWN, _>(
        runs,
        to,
        #[inline(always)]
        |to, r, c| {
            let image = across::<W, I, E>(tile(from, row, r, c));
            place(image, to, line, c, r);
        },
        #[inline(always)]
        |to, r, c| to[line.line(c).wrapping_add(r as usize)] = I::of(from[row.line(r).wrapping_add(c as usize)]),
    );
}

/// `to[row(r) + c] = image of from[line(c) + r]` for each `(r, c)` of `runs`: [`transpose`] the other way, with pieces of
/// the rows of `to` written whole.
#[inline(always)]
pub(super) fn untranspose<W: Word, I: Image<W>>(
    runs: Runs,
    from: &[W],
    line: impl Lines,
    to: &mut [W],
    row: impl Lines,
) {
    if size_of::<W>() >= 8 {
        untranspose_by::<W, I, EDGE_WIDE>(runs, from, line, to, row);
    } else {
        untranspose_by::<W, I, EDGE_NARROW>(runs, from, line, to, row);
    }
}

#[inline(always)]
fn untranspose_by<W: Word, I: Image<W>, const E: usize>(
    runs: Runs,
    from: &[W],
    line: impl Lines,
    to: &mut [W],
    row: impl Lines,
) {
    walk::<E, false, _>(
        runs,
        to,
        #[inline(always)]
        |to, r, c| {
            let image = across::<W, I, E>(tile(from, line, c, r));
            place(image, to, row, r, c);
        },
        #[inline(always)]
        |to, r, c| to[row.line(r).wrapping_add(c as usize)] = I::of(from[line.line(c).wrapping_add(r as usize)]),
    );
}

/// Whether `images[line(c) + r]` is the image of `kept[row(r) + c]` for each `(r, c)` of `runs`.
#[inline(always)]
pub(super) fn agrees<W: Word, I: Image<W>>(
    runs: Runs,
    kept: &[W],
    row: impl Lines,
    images: &[W],
    line: impl Lines,
) -> bool {
    if size_of::<W>() >= 8 {
        agrees_by::<W, I, EDGE_WIDE>(runs, kept, row, images, line)
    } else {
        agrees_by::<W, I, EDGE_NARROW>(runs, kept, row, images, line)
    }
}

#[inline(always)]
fn agrees_by<W: Word, I: Image<W>, const E: usize>(
    runs: Runs,
    kept: &[W],
    row: impl Lines,
    images: &[W],
    line: impl Lines,
) -> bool {
    let mut acc = [W::zeroed(); E];
    walk::<E, true, _>(
        runs,
        &mut acc,
        #[inline(always)]
        |acc, r, c| {
            let a = across::<W, I, E>(tile(kept, row, r, c));
            let b = tile::<W, E>(images, line, c, r);
            for (a, b) in a.iter().zip(&b) {
                for ((acc, a), b) in acc.iter_mut().zip(a).zip(b) {
                    *acc = W::gather(*acc, *a, *b);
                }
            }
        },
        #[inline(always)]
        |acc, r, c| {
            let kept = kept[row.line(r).wrapping_add(c as usize)];
            acc[0] = W::gather(acc[0], I::of(kept), images[line.line(c).wrapping_add(r as usize)]);
        },
    );
    acc.iter().all(|w| *w == W::zeroed())
}

/// The square of `E` elements from place `at` of each of the lines `first..first + E`.
#[inline(always)]
fn tile<W: Word, const E: usize>(values: &[W], line: impl Lines, first: u64, at: u64) -> [[W; E]; E] {
    let mut tile = [[W::zeroed(); E]; E];
    for (i, row) in tile.iter_mut().enumerate() {
        let start = line.line(first + i as u64).wrapping_add(at as usize);
        row.copy_from_slice(&values[start..start + E]);
    }
    tile
}

/// Writes a square to place `at` of each of the lines from `first` on.
#[inline(always)]
fn place<W: Word, const E: usize>(square: [[W; E]; E], to: &mut [W], line: impl Lines, first: u64, at: u64) {
    for (i, row) in square.iter().enumerate() {
        let start = line.line(first + i as u64).wrapping_add(at as usize);
        to[start..start + E].copy_from_slice(row);
    }
}

/// The images of a square, transposed. Whole squares by value: the compiler keeps them in registers and shuffles.
#[inline(always)]
fn across<W: Word, I: Image<W>, const E: usize>(square: [[W; E]; E]) -> [[W; E]; E] {
    let mut out = [[W::zeroed(); E]; E];
    for (i, row) in square.iter().enumerate() {
        for (j, word) in row.iter().enumerate() {
            out[j][i] = I::of(*word);
        }
    }
    out
}

/// Visits each element of `runs` once: by squares of `E` x `E` where they fit, else one by one.
#[inline(always)]
fn walk<const E: usize, const DOWN: bool, S: ?Sized>(
    runs: Runs,
    state: &mut S,
    mut square: impl FnMut(&mut S, u64, u64),
    mut single: impl FnMut(&mut S, u64, u64),
) {
    let edge = E as u64;
    let (columns, all) = (runs.columns(), runs.all_rows());
    let mut block = columns.start;
    while block < columns.end {
        let end = (block + BLOCK).min(columns.end);
        let squared = block + (end - block) / edge * edge;
        let shared = common(runs, block..squared, 0..u64::MAX);
        let tiles = (shared.end - shared.start) / edge;
        let done = shared.start..shared.start + tiles * edge;
        if DOWN {
            for c in (block..squared).step_by(E) {
                for t in 0..tiles {
                    square(state, done.start + t * edge, c);
                }
            }
        } else {
            for t in 0..tiles {
                for c in (block..squared).step_by(E) {
                    square(state, done.start + t * edge, c);
                }
            }
        }
        // What the shared rows leave over, near the diagonal and at the window's ends: by smaller groups of columns.
        let rest = if done == all { block..block } else { block..squared };
        for c in rest.step_by(E) {
            for side in [0..done.start, done.end..u64::MAX] {
                let rows = common(runs, c..c + edge, side.clone());
                let tiles = (rows.end - rows.start) / edge;
                for t in 0..tiles {
                    square(state, rows.start + t * edge, c);
                }
                let squared = rows.start..rows.start + tiles * edge;
                for c in c..c + edge {
                    let own = runs.rows(c);
                    let own = own.start.max(side.start)..own.end.min(side.end);
                    (own.start..own.end.min(squared.start)).for_each(|r| single(state, r, c));
                    (own.start.max(squared.end)..own.end).for_each(|r| single(state, r, c));
                }
            }
        }
        for c in squared..end {
            runs.rows(c).for_each(|r| single(state, r, c));
        }
        block = end;
    }
}

/// The rows within `side` that all of `columns` have; an empty range at a place that is in none of them otherwise.
#[inline(always)]
fn common(runs: Runs, columns: Range<u64>, side: Range<u64>) -> Range<u64> {
    if columns.is_empty() {
        return side.start..side.start;
    }
    // Of any columns, the first or the last has the latest start and the earliest end.
    let (a, b) = (runs.rows(columns.start), runs.rows(columns.end - 1));
    let (start, end) = (side.start.max(a.start).max(b.start), side.end.min(a.end).min(b.end));
    if start >= end { side.start..side.start } else { start..end }
}

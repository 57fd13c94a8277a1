//! Parts of a matrix: which elements of the other side a part needs, and how they become it.
//!
//! A part that is a whole unit needs the whole other unit. Any other needs, forward, its kept elements row by row and
//! then their mirror images column by column (the runs of `layout`); inverse, the mirror images of its dropped elements
//! column by column and then its kept elements row by row. So a band of rows of a huge matrix costs spans as long as
//! the band is high, and no list grows faster than rows plus columns.

use std::ops::Range;

use super::band::{Table, agrees, transpose, untranspose};
use super::image::{Image, Word};
use super::kernels::{mirrors, pack, unpack};
use super::layout::{Layout, Part, Runs, Side, Window, parts};
use super::refusal::Judge;
use crate::array::Span;
use crate::array::simd::vectorize;
use crate::transform::Refused;

/// The input columns that row `r` of a packed part needs: its kept ones, and the diagonal where that is kept once and
/// for the row's first element.
fn upper_columns(layout: Layout, window: Window, r: u64) -> Range<u64> {
    let columns = window.columns(r, layout.columns(r));
    let diagonal = layout.side == Side::Strict && columns.start == r + 1 && !columns.is_empty();
    columns.start - u64::from(diagonal)..columns.end
}

/// Whether the diagonal of the last row, which no packed element stands for, is checked with this part.
fn with_last_diagonal(layout: Layout, part: Part) -> bool {
    layout.side == Side::Strict && part.end == layout.count()
}

/// Appends the input elements that packed elements `want` need.
pub(super) fn forward_need(layout: Layout, want: &[Span], need: &mut Vec<Span>) {
    let n = layout.n;
    for part in parts(want, layout.count()) {
        let origin = part.unit * layout.wide();
        if part.len() == layout.count() {
            Span::push(need, Span::new(origin, layout.wide()));
            continue;
        }
        let window = layout.packed_window(part.start, part.end);
        for r in window.row_range() {
            let columns = upper_columns(layout, window, r);
            Span::push(need, Span::new(origin + r * n + columns.start, columns.end - columns.start));
        }
        if with_last_diagonal(layout, part) {
            Span::push(need, Span::new(origin + n * n - 1, 1));
        }
        push_runs(layout.kept_runs(window), |c, r| origin + c * n + r, need);
    }
}

/// Appends the packed elements that original elements `want` need.
pub(super) fn inverse_need(layout: Layout, want: &[Span], need: &mut Vec<Span>) {
    for part in parts(want, layout.wide()) {
        let origin = part.unit * layout.count();
        if part.len() == layout.wide() {
            Span::push(need, Span::new(origin, layout.count()));
            continue;
        }
        let window = layout.wide_window(part.start, part.end);
        push_runs(layout.dropped_runs(window), |c, r| origin + layout.row_base(c).wrapping_add(r), need);
        for r in window.row_range() {
            let columns = window.columns(r, layout.columns(r));
            let start = origin + layout.row_base(r).wrapping_add(columns.start);
            Span::push(need, Span::new(start, columns.end - columns.start));
        }
    }
}

fn push_runs(runs: Runs, place: impl Fn(u64, u64) -> u64, need: &mut Vec<Span>) {
    for c in runs.columns() {
        let rows = runs.rows(c);
        if !rows.is_empty() {
            Span::push(need, Span::new(place(c, rows.start), rows.end - rows.start));
        }
    }
}

/// Where the run of each column starts, less its first row, when runs lie end to end from `cursor`, which moves behind
/// them.
fn places(runs: Runs, cursor: &mut usize) -> Vec<usize> {
    runs.columns()
        .map(|c| {
            let rows = runs.rows(c);
            let place = cursor.wrapping_sub(rows.start as usize);
            *cursor += (rows.end - rows.start) as usize;
            place
        })
        .collect()
}

/// Where each packed row of a part starts, less its first column.
fn row_bases(layout: Layout, window: Window, part: Part) -> Vec<usize> {
    window.row_range().map(|r| layout.row_base(r).wrapping_sub(part.start) as usize).collect()
}

/// Packs a whole matrix and judges what does not mirror.
pub(super) fn forward_matrix<W: Word, I: Image<W>>(
    layout: Layout,
    judge: &Judge<W>,
    origin: u64,
    matrix: &[W],
    packed: &mut [W],
    refused: &mut Refused,
) {
    pack(layout, matrix, packed);
    let n = layout.n;
    if let Some(constant) = judge.diagonal {
        let diagonal = || matrix.iter().step_by(n as usize + 1);
        if !diagonal().all(|w| *w == constant) {
            diagonal().zip(0..).for_each(|(w, i)| judge.diagonal(origin + i * (n + 1), *w, refused));
        }
    }
    if mirrors::<W, I>(layout, matrix) {
        return;
    }
    for r in 0..n {
        for c in layout.columns(r).filter(|c| *c != r) {
            let (kept, dropped) = (matrix[(r * n + c) as usize], matrix[(c * n + r) as usize]);
            judge.pair::<I>(origin + c * n + r, kept, dropped, refused);
        }
    }
}

/// Packs the elements `want`, from what [`forward_need`] lists for them.
pub(super) fn forward<W: Word, I: Image<W>>(
    layout: Layout,
    judge: &Judge<W>,
    want: &[Span],
    input: &[W],
    out: &mut [W],
    refused: &mut Refused,
) {
    let n = layout.n;
    let (mut from, mut to) = (0usize, 0usize);
    for part in parts(want, layout.count()) {
        let origin = part.unit * layout.wide();
        let packed = &mut out[to..to + part.len() as usize];
        to += packed.len();
        if part.len() == layout.count() {
            let matrix = &input[from..from + layout.wide() as usize];
            from += matrix.len();
            forward_matrix::<W, I>(layout, judge, origin, matrix, packed, refused);
            continue;
        }
        let window = layout.packed_window(part.start, part.end);
        let mut done = 0;
        for r in window.row_range() {
            let kept = window.columns(r, layout.columns(r));
            if upper_columns(layout, window, r).start != kept.start {
                judge.diagonal(origin + r * (n + 1), input[from], refused);
                from += 1;
            }
            let len = (kept.end - kept.start) as usize;
            packed[done..done + len].copy_from_slice(&input[from..from + len]);
            (from, done) = (from + len, done + len);
        }
        if with_last_diagonal(layout, part) {
            judge.diagonal(origin + n * n - 1, input[from], refused);
            from += 1;
        }
        let runs = layout.kept_runs(window);
        let places = places(runs, &mut from);
        let bases = row_bases(layout, window, part);
        let rows = Table { first: window.first.0, places: &bases };
        let columns = Table { first: runs.columns().start, places: &places };
        let packed = &*packed;
        let same = vectorize(
            #[inline(always)]
            || agrees::<W, I>(runs, packed, rows, input, columns),
        );
        if !same {
            for (c, place) in runs.columns().zip(&places) {
                for r in runs.rows(c) {
                    let kept = packed[(layout.row_base(r).wrapping_add(c) - part.start) as usize];
                    judge.pair::<I>(origin + c * n + r, kept, input[place.wrapping_add(r as usize)], refused);
                }
            }
        }
    }
}

/// Unpacks the elements `want`, from what [`inverse_need`] lists for them.
pub(super) fn inverse<W: Word, I: Image<W>>(
    layout: Layout,
    diagonal: Option<W>,
    want: &[Span],
    input: &[W],
    out: &mut [W],
) {
    let n = layout.n;
    let (mut from, mut to) = (0usize, 0usize);
    for part in parts(want, layout.wide()) {
        let wide = &mut out[to..to + part.len() as usize];
        to += wide.len();
        if part.len() == layout.wide() {
            let packed = &input[from..from + layout.count() as usize];
            from += packed.len();
            unpack::<W, I>(layout, packed, diagonal, wide);
            continue;
        }
        let window = layout.wide_window(part.start, part.end);
        let runs = layout.dropped_runs(window);
        let places = places(runs, &mut from);
        scatter::<W, I>(runs, input, &places, wide, |r| (r * n).wrapping_sub(part.start) as usize);
        for r in window.row_range() {
            let columns = window.columns(r, layout.columns(r));
            let place = (r * n + columns.start).wrapping_sub(part.start) as usize;
            let len = (columns.end - columns.start) as usize;
            if len > 0 {
                wide[place..place + len].copy_from_slice(&input[from..from + len]);
                from += len;
            }
            if let (Some(value), false) = (diagonal, window.columns(r, r..r + 1).is_empty()) {
                wide[(r * (n + 1) - part.start) as usize] = value;
            }
        }
    }
}

/// `to[row(r) + c] = image of runs[place of c + r]`: the transpose of what [`transpose`] does, so that rows of `to` are
/// written in pieces.
fn scatter<W: Word, I: Image<W>>(
    runs: Runs,
    from: &[W],
    places: &[usize],
    to: &mut [W],
    row: impl Fn(u64) -> usize + Copy,
) {
    let columns = Table { first: runs.columns().start, places };
    vectorize(
        #[inline(always)]
        || untranspose::<W, I>(runs, from, columns, to, row),
    );
}

/// What a restore gives at the input elements that [`forward_need`] lists for `want`.
pub(super) fn reconstruct<W: Word, I: Image<W>>(
    layout: Layout,
    diagonal: Option<W>,
    want: &[Span],
    packed: &[W],
    back: &mut [W],
) {
    let (mut from, mut to) = (0usize, 0usize);
    for part in parts(want, layout.count()) {
        let packed = &packed[from..from + part.len() as usize];
        from += packed.len();
        if part.len() == layout.count() {
            let matrix = &mut back[to..to + layout.wide() as usize];
            to += matrix.len();
            unpack::<W, I>(layout, packed, diagonal, matrix);
            continue;
        }
        let window = layout.packed_window(part.start, part.end);
        let mut done = 0;
        for r in window.row_range() {
            let kept = window.columns(r, layout.columns(r));
            if let (Some(value), true) = (diagonal, upper_columns(layout, window, r).start != kept.start) {
                back[to] = value;
                to += 1;
            }
            let len = (kept.end - kept.start) as usize;
            back[to..to + len].copy_from_slice(&packed[done..done + len]);
            (to, done) = (to + len, done + len);
        }
        if let (Some(value), true) = (diagonal, with_last_diagonal(layout, part)) {
            back[to] = value;
            to += 1;
        }
        let runs = layout.kept_runs(window);
        let places = places(runs, &mut to);
        let bases = row_bases(layout, window, part);
        let rows = Table { first: window.first.0, places: &bases };
        let columns = Table { first: runs.columns().start, places: &places };
        let back = &mut *back;
        vectorize(
            #[inline(always)]
            || transpose::<W, I, true>(runs, packed, rows, back, columns),
        );
    }
}

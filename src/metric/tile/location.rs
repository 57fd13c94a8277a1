//! Where errors are: by index along each axis, and by chunk.

use super::compensated::Compensated;
use super::known::{Known, power_of_two};
use super::tile_box::TileBox;
use crate::array::{index_of, simd::vectorize};
use crate::metric::comparison::{AxisErrors, ChunkError, ChunkErrors, SliceError};
use crate::metric::figure::Number;

/// Slices kept along one axis; longer axes are kept in groups of equal length.
const SLICES: u64 = 4096;

/// Chunks kept; arrays of more have no errors by chunk.
const CHUNKS: u64 = 1 << 20;

/// Groups at least this long are taken as runs, shorter ones column by column.
const LONG_GROUP: u64 = 64;

/// Errors of one part of the array; squares are of errors times [`Known::error_scale`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ErrorSum {
    max_abs: f64,
    squares: Compensated,
    pairs: f64,
}

impl ErrorSum {
    pub(super) fn new(max_abs: f64, squares: f64, pairs: f64) -> Self {
        Self { max_abs, squares: squares.into(), pairs }
    }

    pub(super) fn add(&mut self, other: ErrorSum) {
        self.max_abs = self.max_abs.max(other.max_abs);
        self.squares.merge(other.squares);
        self.pairs += other.pairs;
    }

    fn rmse(self, scale: f64) -> f64 {
        // Said first: a minimum with NaN is the other operand, and nothing at all would pass for no error.
        if self.pairs == 0.0 {
            return f64::NAN;
        }
        let mean = self.squares.value() / self.pairs;
        // Squares of errors 2^-900 times smaller than the largest of the array have lost digits: the largest of them
        // is what RMSE is at most.
        let lost = self.max_abs > 0.0 && mean < power_of_two(-960);
        if lost { self.max_abs } else { (mean.sqrt() / scale).min(self.max_abs) }
    }
}

/// Indices of an axis that share an entry: 1, or more on axes of more than [`SLICES`] indices.
fn group(len: u64) -> u64 {
    len.div_ceil(SLICES).max(1)
}

/// Lengths of the grid of chunks; `None` without chunks, or with more than are kept.
fn grid(shape: &[u64], chunk: Option<&[u64]>) -> Option<Vec<u64>> {
    let chunk = chunk?;
    let fits = chunk.len() == shape.len() && !chunk.contains(&0);
    let grid: Vec<u64> = fits.then(|| shape.iter().zip(chunk).map(|(d, c)| d.div_ceil(*c)).collect())?;
    let count = grid.iter().try_fold(1u64, |n, g| n.checked_mul(*g))?;
    (count <= CHUNKS).then_some(grid)
}

/// Neighbours of a row that share a chunk and a group of the last axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) from: usize,
    pub(super) to: usize,
    group: usize,
    chunk: usize,
}

/// Errors of one tile by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Located {
    /// For each axis the first entry, and entries from there on.
    axes: Vec<(u64, Vec<ErrorSum>)>,
    /// Flat places of chunks in the grid of chunks, and their errors.
    chunks: Vec<(u64, ErrorSum)>,
}

/// Adds up the errors of a tile by place.
#[derive(Debug)]
pub(super) struct Locator {
    located: Located,
    first: Vec<u64>,
    groups: Vec<u64>,
    chunk: Vec<u64>,
    /// Chunks of the tile along each axis: the first, and how many.
    reach: Vec<(u64, usize)>,
    pub(super) pieces: Vec<Piece>,
    columns: Columns,
}

impl Locator {
    pub(super) fn new(place: &TileBox, known: &Known<'_>) -> Self {
        let (shape, core, first) = (place.shape(), place.core(), place.start().to_vec());
        let groups: Vec<u64> = shape.iter().map(|d| group(*d)).collect();
        let grid = grid(shape, known.chunk);
        // One chunk as large as the array where there are none.
        let chunk: Vec<u64> = match (&grid, known.chunk) {
            (Some(_), Some(chunk)) => chunk.to_vec(),
            _ => shape.to_vec(),
        };
        let sides = || first.iter().zip(core);
        let span = |(start, core): (&u64, &u64), unit: u64| {
            let unit = unit.max(1);
            (start / unit, ((start + core).div_ceil(unit) - start / unit) as usize)
        };
        let entries = |(side, group): ((&u64, &u64), &u64)| {
            let (from, count) = span(side, *group);
            (from, vec![ErrorSum::default(); count])
        };
        let axes: Vec<_> = sides().zip(&groups).map(entries).collect();
        let reach: Vec<(u64, usize)> = sides().zip(&chunk).map(|(side, c)| span(side, *c)).collect();
        let mut located = Located { axes, chunks: Vec::new() };
        if let Some(grid) = &grid {
            located.chunks = chunk_places(&reach, grid);
        }
        let mut out = Self { located, first, groups, chunk, reach, pieces: Vec::new(), columns: Columns::default() };
        out.cut_row(core.last().copied().unwrap_or(1));
        out
    }

    fn last(&self) -> (u64, u64, u64) {
        let last = |v: &[u64]| v.last().copied().unwrap_or(1).max(1);
        (self.first.last().copied().unwrap_or(0), last(&self.groups), last(&self.chunk))
    }

    fn by_columns(&self) -> bool {
        self.last().1 < LONG_GROUP
    }

    /// Cuts a row of `len` elements where the chunk or a long group changes.
    fn cut_row(&mut self, len: u64) {
        let (first, group, chunk) = self.last();
        let by_columns = self.by_columns();
        let mut from = 0;
        while from < len {
            let at = first + from;
            let next = |unit: u64| (at / unit + 1).saturating_mul(unit) - first;
            let to = len.min(next(chunk)).min(if by_columns { len } else { next(group) });
            self.pieces.push(Piece {
                from: from as usize,
                to: to as usize,
                group: (at / group - first / group) as usize,
                chunk: (at / chunk - first / chunk) as usize,
            });
            from = to;
        }
        if by_columns {
            self.columns.reset(len as usize);
        }
    }

    /// Adds the errors of piece `piece` of the row at `index` on the leading axes.
    pub(super) fn add(&mut self, index: &[usize], piece: Piece, sum: ErrorSum) {
        for (axis, i) in index.iter().enumerate() {
            let (Some(first), Some(group)) = (self.first.get(axis), self.groups.get(axis)) else { continue };
            if let Some((from, entries)) = self.located.axes.get_mut(axis)
                && let Some(entry) = entries.get_mut(((first + *i as u64) / group - *from) as usize)
            {
                entry.add(sum);
            }
        }
        if !self.by_columns()
            && let Some(entry) = self.located.axes.last_mut().and_then(|(_, e)| e.get_mut(piece.group))
        {
            entry.add(sum);
        }
        if self.located.chunks.is_empty() {
            return;
        }
        let mut at = 0;
        for (axis, (from, count)) in self.reach.iter().enumerate() {
            let here = match (index.get(axis), self.first.get(axis), self.chunk.get(axis)) {
                (Some(i), Some(first), Some(chunk)) => ((first + *i as u64) / chunk - from) as usize,
                _ => piece.chunk,
            };
            at = at * count + here;
        }
        if let Some((_, entry)) = self.located.chunks.get_mut(at) {
            entry.add(sum);
        }
    }

    /// Adds a whole row to the entries of the last axis; `full` if nothing is missing in it.
    pub(super) fn add_row(&mut self, e: &[f64], scale: f64, full: bool) {
        if self.by_columns() {
            self.columns.add(e, scale, full);
        }
    }

    pub(super) fn finish(mut self) -> Located {
        if self.by_columns() {
            let (first, group, _) = self.last();
            let sums = self.columns.sums();
            if let Some((from, entries)) = self.located.axes.last_mut() {
                for (i, sum) in sums.enumerate() {
                    if let Some(entry) = entries.get_mut(((first + i as u64) / group - *from) as usize) {
                        entry.add(sum);
                    }
                }
            }
        }
        self.located
    }
}

/// Flat places, in the grid of chunks, of the chunks that a tile touches, in C order.
fn chunk_places(reach: &[(u64, usize)], grid: &[u64]) -> Vec<(u64, ErrorSum)> {
    let mut places = vec![0u64];
    for ((from, count), len) in reach.iter().zip(grid) {
        let next = |place: u64| (0..*count as u64).map(move |i| place * len + from + i);
        places = places.into_iter().flat_map(next).collect();
    }
    places.into_iter().map(|place| (place, ErrorSum::default())).collect()
}

/// Errors of every column of a tile.
#[derive(Debug, Default)]
struct Columns {
    max_abs: Vec<f64>,
    squares: Vec<f64>,
    pairs: Vec<f64>,
    full_rows: f64,
}

impl Columns {
    fn reset(&mut self, len: usize) {
        for side in [&mut self.max_abs, &mut self.squares, &mut self.pairs] {
            side.clear();
            side.resize(len, 0.0);
        }
    }

    fn add(&mut self, e: &[f64], scale: f64, full: bool) {
        vectorize(
            #[inline(always)]
            || {
                for ((max, squares), e) in self.max_abs.iter_mut().zip(&mut self.squares).zip(e) {
                    let size = e.abs();
                    *max = if size > *max { size } else { *max };
                    let scaled = if e.is_nan() { 0.0 } else { e * scale };
                    *squares += scaled * scaled;
                }
            },
        );
        if full {
            self.full_rows += 1.0;
        } else {
            for (pairs, e) in self.pairs.iter_mut().zip(e) {
                *pairs += if e.is_nan() { 0.0 } else { 1.0 };
            }
        }
    }

    fn sums(&self) -> impl Iterator<Item = ErrorSum> + '_ {
        let columns = self.max_abs.iter().zip(&self.squares).zip(&self.pairs);
        columns.map(|((max_abs, squares), pairs)| ErrorSum::new(*max_abs, *squares, pairs + self.full_rows))
    }
}

/// Errors of the whole array by place.
#[derive(Debug, Clone)]
pub(super) struct Places {
    axes: Vec<Vec<ErrorSum>>,
    chunks: Vec<ErrorSum>,
}

impl Places {
    pub(super) fn new(shape: &[u64], known: &Known<'_>) -> Self {
        let entries = |len: &u64| vec![ErrorSum::default(); len.div_ceil(group(*len)) as usize];
        let chunks = grid(shape, known.chunk).map_or(0, |g| g.iter().product::<u64>());
        Self { axes: shape.iter().map(entries).collect(), chunks: vec![ErrorSum::default(); chunks as usize] }
    }

    pub(super) fn merge(&mut self, next: &Located) {
        for (sums, (from, entries)) in self.axes.iter_mut().zip(&next.axes) {
            for (sum, entry) in sums.iter_mut().skip(*from as usize).zip(entries) {
                sum.add(*entry);
            }
        }
        for (place, entry) in &next.chunks {
            if let Some(sum) = self.chunks.get_mut(*place as usize) {
                sum.add(*entry);
            }
        }
    }

    /// Errors along every axis.
    pub(super) fn axes(&self, shape: &[u64], scale: f64) -> Vec<AxisErrors> {
        let along = |(axis, (sums, len)): (usize, (&Vec<ErrorSum>, &u64))| {
            let group = group(*len);
            let slice = |(i, sum): (u64, &ErrorSum)| SliceError {
                from: i * group,
                to: ((i + 1) * group).min(*len),
                max_abs: sum.max_abs,
                rmse: Number(sum.rmse(scale)),
            };
            let slices: Vec<SliceError> = (0..).zip(sums).map(slice).collect();
            let worst = (0..).zip(&slices).filter(|(_, s)| s.rmse.0 > 0.0);
            // The first of equals.
            let worst = worst.reduce(|a, b| if b.1.rmse.0 > a.1.rmse.0 { b } else { a }).map(|(i, _)| i);
            AxisErrors { axis, slices, worst }
        };
        self.axes.iter().zip(shape).enumerate().map(along).collect()
    }

    /// Errors by chunk, the worst by largest error first, the first of equals in C order first.
    pub(super) fn chunks(&self, shape: &[u64], known: &Known<'_>) -> Option<ChunkErrors> {
        let (grid, chunk) = (grid(shape, known.chunk)?, known.chunk?);
        let scale = known.error_scale();
        let mut order: Vec<(usize, &ErrorSum)> =
            self.chunks.iter().enumerate().filter(|(_, s)| s.pairs > 0.0).collect();
        order.sort_by(|a, b| b.1.max_abs.total_cmp(&a.1.max_abs).then(a.0.cmp(&b.0)));
        let error = |(place, sum): &(usize, &ErrorSum)| ChunkError {
            index: index_of(&grid, *place as u64).iter().zip(chunk).map(|(i, c)| i * c).collect(),
            max_abs: sum.max_abs,
            rmse: Number(sum.rmse(scale)),
        };
        let worst = order.iter().take(ChunkErrors::LISTED).map(error).collect();
        Some(ChunkErrors { shape: chunk.to_vec(), count: self.chunks.len() as u64, worst })
    }
}

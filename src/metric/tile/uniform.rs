//! SSIM: structural similarity in a uniform window, as scikit-image computes it by default.
//!
//! For every window of 7 × 7 elements of the last two axes, or 7 × 7 × 7 of the last three, that lies within the array,
//! with means m, sample variances v and the sample covariance c (over n − 1) of the two arrays in the window,
//!
//! `(2 m_x m_y + C1) (2 c + C2) / ((m_x² + m_y² + C1) (v_x + v_y + C2))`, `C1 = (0.01 R)²`, `C2 = (0.03 R)²`,
//!
//! with R the range of the original. The figure is the mean over windows: that of
//! `skimage.metrics.structural_similarity(x, y, data_range=x.max() - x.min())` (Wang et al. 2004) computed in float64.
//! Arrays of four axes and more are taken as many arrays of three. Windows that hold a missing value are left out.
//!
//! Sums of a window are of values less the centre of the original's range, over a power of two near R: so neither a large
//! mean nor a large magnitude costs digits. They are sums of at most 7 at a time, never running sums, so a missing or a
//! huge value reaches its own windows alone.

use super::compensated::{Compensated, LANES, fold, padded, room};
use super::known::{Known, exponent, power_of_two};
use super::tile_box::Geometry;
use super::tiling::UNIFORM_REACH;
use crate::array::simd::vectorize;

const REACH: usize = UNIFORM_REACH as usize;
const WIDTH: usize = 2 * REACH + 1;

/// Sums of one window: x, y, x² + y², x·y.
const FIELDS: usize = 4;

/// Elements of work space, so that rows of sums stay in the second-level cache.
const WORK: usize = 48 << 10;

/// Largest scaled magnitude of a restored value: a window that holds such a value has SSIM 0 to 30 digits, and its
/// products stay finite.
const LIMIT: f64 = (1u128 << 112) as f64;

/// How values are scaled, and the constants that go with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uniform {
    scale: f64,
    centre: f64,
    c1: f64,
    c2: f64,
    axes: usize,
}

impl Uniform {
    /// `None` where SSIM cannot be computed by windows: a range of 0, or no room for one.
    pub(super) fn of(known: &Known<'_>, axes: usize) -> Option<Self> {
        let (low, high) = known.range_x;
        let half = high / 2.0 - low / 2.0;
        if axes == 0 || !(half > 0.0 && half.is_finite()) {
            return None;
        }
        let scale = power_of_two((-1 - exponent(half)).clamp(-1074, 1000));
        let range = high * scale - low * scale;
        let square = |x: f64| x * x;
        Some(Self {
            scale,
            centre: low * scale + range / 2.0,
            c1: square(0.01 * range),
            c2: square(0.03 * range),
            axes,
        })
    }

    /// Adds the windows whose centres are in the core to `score`.
    pub(super) fn add(
        &self,
        geometry: &Geometry,
        shape: &[u64],
        start: &[u64],
        pair: (&[f64], &[f64]),
        work: &mut Vec<f64>,
        score: &mut Score,
    ) {
        let Some(lead) = geometry.core.len().checked_sub(self.axes) else { return };
        let Some(centres) = centres(geometry, shape, start, self.axes, REACH) else { return };
        let ([planes, rows, columns], strides) = last_three(&centres, geometry, self.axes);
        geometry.each(lead, |_, offset| {
            let block = (WORK / (WIDTH * FIELDS * planes.stack())).clamp(64, 512);
            let blocks = columns.len().div_ceil(block).max(1);
            for b in 0..blocks {
                let (from, to) = (columns.len() * b / blocks, columns.len() * (b + 1) / blocks);
                let columns = Centres { from: columns.from + from, to: columns.from + to, reach: columns.reach };
                let shapes = [planes, rows, columns];
                vectorize(
                    #[inline(always)]
                    || self.block(pair, offset, shapes, strides, work, score),
                );
            }
        });
    }

    /// Rows outside, planes inside: seven rows of every plane are kept, then seven planes of one row.
    #[inline(always)]
    fn block(
        &self,
        (x, y): (&[f64], &[f64]),
        offset: usize,
        [planes, rows, columns]: [Centres; 3],
        [plane_stride, row_stride]: [usize; 2],
        work: &mut Vec<f64>,
        score: &mut Score,
    ) {
        let width = columns.len();
        let input = width + 2 * columns.reach;
        let unit = FIELDS * width;
        let stack = planes.stack();
        let work = room(work, FIELDS * input + 2 * unit + (stack + 1) * WIDTH * unit);
        let (fields, rest) = work.split_at_mut(FIELDS * input);
        let (sums, rest) = rest.split_at_mut(unit);
        let (whole, rest) = rest.split_at_mut(unit);
        let (ring, pile) = rest.split_at_mut(stack * WIDTH * unit);
        for row in rows.from - rows.reach..rows.to + rows.reach {
            for plane in 0..stack {
                let at = offset
                    + (planes.from - planes.reach + plane) * plane_stride
                    + row * row_stride
                    + (columns.from - columns.reach);
                let (Some(x), Some(y)) = (x.get(at..at + input), y.get(at..at + input)) else { return };
                self.fields(x, y, fields);
                let rows_of_plane = &mut ring[plane * WIDTH * unit..(plane + 1) * WIDTH * unit];
                let slot = row % WIDTH;
                for field in 0..FIELDS {
                    let to = slot * unit + field * width;
                    sum_along(&fields[field * input..(field + 1) * input], &mut rows_of_plane[to..to + width]);
                }
                if row < rows.from + rows.reach {
                    continue;
                }
                if self.axes < 3 {
                    sum_across(rows_of_plane, sums);
                    self.score(sums, (WIDTH * WIDTH) as f64, score);
                } else {
                    let slot = plane % WIDTH;
                    sum_across(rows_of_plane, &mut pile[slot * unit..(slot + 1) * unit]);
                    if plane + 1 >= WIDTH {
                        sum_across(pile, whole);
                        self.score(whole, (WIDTH * WIDTH * WIDTH) as f64, score);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn fields(&self, x: &[f64], y: &[f64], fields: &mut [f64]) {
        let n = x.len();
        let (a, rest) = fields.split_at_mut(n);
        let (b, rest) = rest.split_at_mut(n);
        let (squares, products) = rest.split_at_mut(n);
        let values = x.iter().zip(y);
        let out = a.iter_mut().zip(b).zip(squares.iter_mut().zip(products));
        for ((x, y), ((a, b), (s, p))) in values.zip(out) {
            let x = x * self.scale - self.centre;
            let y = y * self.scale - self.centre;
            // Comparisons that NaN passes unchanged.
            let y = if y > LIMIT { LIMIT } else { y };
            let y = if y < -LIMIT { -LIMIT } else { y };
            (*a, *b, *s, *p) = (x, y, x * x + y * y, x * y);
        }
    }

    /// Adds a row of windows of `n` elements each.
    #[inline(always)]
    fn score(&self, sums: &[f64], n: f64, score: &mut Score) {
        let width = sums.len() / FIELDS;
        let (x, rest) = sums.split_at(width);
        let (y, rest) = rest.split_at(width);
        let (squares, products) = rest.split_at(width);
        let mut row = RowScore::default();
        let ((x, xr), (y, yr)) = (x.as_chunks(), y.as_chunks());
        let ((s, sr), (p, pr)) = (squares.as_chunks(), products.as_chunks());
        for ((x, y), (s, p)) in x.iter().zip(y).zip(s.iter().zip(p)) {
            row.add(self.windows([x, y, s, p], n));
        }
        if !xr.is_empty() {
            row.add(self.windows([&padded(xr), &padded(yr), &padded(sr), &padded(pr)], n));
        }
        score.add(row);
    }

    /// SSIM of windows of `n` elements from their sums.
    #[inline(always)]
    fn windows(&self, [x, y, squares, products]: [&[f64; LANES]; 4], n: f64) -> [f64; LANES] {
        let (share, sample) = (1.0 / n, n / (n - 1.0));
        let mut values = [f64::NAN; LANES];
        for (l, value) in values.iter_mut().enumerate() {
            let (ux, uy) = (x[l] * share, y[l] * share);
            let (mx, my) = (ux + self.centre, uy + self.centre);
            let variances = sample * (squares[l] * share - (ux * ux + uy * uy));
            let covariance = sample * (products[l] * share - ux * uy);
            *value = ((2.0 * (mx * my) + self.c1) * (2.0 * covariance + self.c2))
                / ((mx * mx + my * my + self.c1) * (variances + self.c2));
        }
        values
    }
}

/// The sums of seven values, lane by lane: written out, or the compiler finds no vectors in so many rows.
#[inline(always)]
fn sum(v: [&[f64; LANES]; WIDTH]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for l in 0..LANES {
        sums[l] = ((v[0][l] + v[1][l]) + (v[2][l] + v[3][l])) + ((v[4][l] + v[5][l]) + v[6][l]);
    }
    sums
}

/// The sums of seven rows.
#[inline(always)]
fn sum_rows(rows: [&[f64]; WIDTH], sums: &mut [f64]) {
    let n = sums.len();
    let [r0, r1, r2, r3, r4, r5, r6] = rows;
    let (c0, t0) = r0[..n].as_chunks();
    let (c1, t1) = r1[..n].as_chunks();
    let (c2, t2) = r2[..n].as_chunks();
    let (c3, t3) = r3[..n].as_chunks();
    let (c4, t4) = r4[..n].as_chunks();
    let (c5, t5) = r5[..n].as_chunks();
    let (c6, t6) = r6[..n].as_chunks();
    let (out, rest) = sums.as_chunks_mut::<LANES>();
    // Slices of one length, so that no place is checked inside the loop.
    let m = out.len();
    let c: [&[[f64; LANES]]; WIDTH] = [&c0[..m], &c1[..m], &c2[..m], &c3[..m], &c4[..m], &c5[..m], &c6[..m]];
    for i in 0..m {
        out[i] = sum([&c[0][i], &c[1][i], &c[2][i], &c[3][i], &c[4][i], &c[5][i], &c[6][i]]);
    }
    if !rest.is_empty() {
        let last = sum([&padded(t0), &padded(t1), &padded(t2), &padded(t3), &padded(t4), &padded(t5), &padded(t6)]);
        for (sum, value) in rest.iter_mut().zip(last) {
            *sum = value;
        }
    }
}

/// The sums of every seven neighbours.
#[inline(always)]
fn sum_along(values: &[f64], sums: &mut [f64]) {
    let n = sums.len();
    let v = &values[..n + WIDTH - 1];
    sum_rows([&v[..n], &v[1..n + 1], &v[2..n + 2], &v[3..n + 3], &v[4..n + 4], &v[5..n + 5], &v[6..n + 6]], sums);
}

/// The sums of seven rows that lie one after the other.
#[inline(always)]
fn sum_across(rows: &[f64], sums: &mut [f64]) {
    let n = sums.len();
    let (r0, rest) = rows.split_at(n);
    let (r1, rest) = rest.split_at(n);
    let (r2, rest) = rest.split_at(n);
    let (r3, rest) = rest.split_at(n);
    let (r4, rest) = rest.split_at(n);
    let (r5, r6) = rest.split_at(n);
    sum_rows([r0, r1, r2, r3, r4, r5, r6], sums);
}

/// Positions of window centres along one axis of a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Centres {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) reach: usize,
}

impl Centres {
    pub(super) fn len(self) -> usize {
        self.to - self.from
    }

    /// Positions that the windows cover.
    pub(super) fn stack(self) -> usize {
        self.len() + 2 * self.reach
    }
}

/// The centres in the core whose windows of `reach` lie within the array, along each of the last `axes` axes, counted
/// from the tile's first element with halo; `None` without any.
pub(super) fn centres(
    geometry: &Geometry,
    shape: &[u64],
    start: &[u64],
    axes: usize,
    reach: usize,
) -> Option<Vec<Centres>> {
    let lead = geometry.core.len().checked_sub(axes)?;
    let sides = geometry.core.iter().zip(&geometry.before).zip(shape.iter().zip(start)).skip(lead);
    let along = |((core, before), (len, start)): ((&usize, &usize), (&u64, &u64))| {
        let first = (reach as u64).saturating_sub(*start) as usize;
        let last = (len - start).saturating_sub(reach as u64).min(*core as u64) as usize;
        (first < last).then_some(Centres { from: before + first, to: before + last, reach })
    };
    sides.map(along).collect()
}

/// Planes, rows and columns of a window of two or three axes; a window of two has one plane.
pub(super) fn last_three(centres: &[Centres], geometry: &Geometry, axes: usize) -> ([Centres; 3], [usize; 2]) {
    let one = Centres { from: 0, to: 1, reach: 0 };
    let centre = |from_end: usize| if from_end > axes { one } else { centres[axes - from_end] };
    let stride = |from_end: usize| {
        let axis = geometry.strides.len().checked_sub(from_end);
        axis.and_then(|a| geometry.strides.get(a)).copied().unwrap_or(0)
    };
    ([centre(3), centre(2), centre(1)], [if axes < 3 { 0 } else { stride(3) }, stride(2)])
}

/// The mean of a figure over windows: their sum and their number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Score {
    sum: Compensated,
    windows: f64,
}

impl Score {
    #[inline(always)]
    pub(super) fn add(&mut self, row: RowScore) {
        self.sum.add(fold(row.sum));
        self.windows += fold(row.windows);
    }

    /// Adds windows of value 1.
    pub(super) fn add_ones(&mut self, windows: usize) {
        self.sum.add(windows as f64);
        self.windows += windows as f64;
    }

    pub(super) fn merge(&mut self, other: Score) {
        self.sum.merge(other.sum);
        self.windows += other.windows;
    }

    /// How many windows.
    pub(super) fn windows(self) -> u64 {
        self.windows as u64
    }

    /// The mean; NaN without windows.
    pub(super) fn mean(self) -> f64 {
        self.sum.value() / self.windows
    }
}

/// The windows of one row, in lanes.
#[derive(Default)]
pub(super) struct RowScore {
    sum: [f64; LANES],
    windows: [f64; LANES],
}

impl RowScore {
    /// Adds the values that are numbers: windows of missing values have none.
    #[inline(always)]
    pub(super) fn add(&mut self, values: [f64; LANES]) {
        for (l, value) in values.into_iter().enumerate() {
            let there = !value.is_nan();
            self.sum[l] += if there { value } else { 0.0 };
            self.windows[l] += if there { 1.0 } else { 0.0 };
        }
    }
}

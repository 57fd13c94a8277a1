//! DSSIM: the data SSIM of Baker, Pinard and Hammerling (2022), as NCAR's ldcpy computes it (`ssim_value_fp_fast`).
//!
//! For each plane of the last two axes, with `lo` and `hi` the smallest and largest value of both arrays in that plane:
//!
//! 1. Values become levels `round((v − lo) / (hi − lo) · 255)`, halves to even (a plane of one value: one level).
//! 2. Weighted means m of both, of their squares and of their product are taken in a window of 11 × 11 elements with
//!    Gaussian weights (σ = 1.5 elements, sum 1). Missing values are left out and the other weights raised in
//!    proportion.
//! 3. With `v = m(a²) − m(a)²`, `c = m(ab) − m(a) m(b)` of levels over 255 and `C = 1e-8`, the value of a window is
//!    `(2 m_a m_b + C) (2 c + C) / ((m_a² + m_b² + C) (v_a + v_b + C))`.
//! 4. The value of the plane is the mean over windows that lie within it and whose centre is not missing.
//!
//! The figure is the least value of all planes. Planes with less than 11 indices on an axis have no window, and planes
//! without pairs no value: ldcpy gives NaN for both, here such planes are left out.
//!
//! Everything is in float64; ldcpy computes float32 arrays in float32. Where a window is of one level in each array the
//! variances are rounding errors beside C, in ldcpy and here alike: there single windows agree to about 1e-8, and exactly
//! where both arrays are of the same levels.

use super::compensated::{LANES, padded, room};
use super::known::Known;
use super::tile_box::Geometry;
use super::tiling::GAUSSIAN_REACH;
use super::uniform::{Centres, RowScore, Score, centres, last_three};
use crate::array::simd::vectorize;

const REACH: usize = GAUSSIAN_REACH as usize;
const WIDTH: usize = 2 * REACH + 1;

/// exp(−k²/4.5) for k = 0 to 5, normalised so that the weights of a window add up to 1. The first is rounded so that the
/// sum of [`weigh`] is exactly 1: then windows with missing values elsewhere give the same bits with and without dividing
/// by the sum of weights.
const WEIGHTS: [f64; REACH + 1] = [
    0.2660117248617944,
    0.21300553771125366,
    0.1093606895097,
    0.03600077212843082,
    0.007598758135239184,
    0.0010283800844791099,
];

/// The highest level.
const LEVELS: f64 = 255.0;

/// The constants of SSIM, of levels instead of shares.
const C: f64 = 1e-8 * LEVELS * LEVELS;

/// Columns of one block, so that eleven rows of sums stay in the second-level cache.
const BLOCK: usize = 256;

/// Weighted sums of one window: a, b, a² + b², a·b, and the weights themselves.
const FIELDS: usize = 5;

/// A plane's place among all planes, and its windows in this tile.
pub(super) type PlaneScore = (u64, Score);

/// Adds one entry for each plane that the tile's core touches.
pub(super) fn add(
    geometry: &Geometry,
    shape: &[u64],
    start: &[u64],
    (x, y): (&[f64], &[f64]),
    known: &Known<'_>,
    work: &mut Vec<f64>,
    planes: &mut Vec<PlaneScore>,
) {
    let Some(lead) = geometry.core.len().checked_sub(2) else { return };
    let Some(centres) = centres(geometry, shape, start, 2, REACH) else { return };
    let ([_, rows, columns], [_, stride]) = last_three(&centres, geometry, 2);
    geometry.each(lead, |index, offset| {
        let place = index.iter().zip(start).zip(shape).fold(0, |p, ((i, s), len)| p * len + s + *i as u64);
        let Some(levels) = usize::try_from(place).ok().and_then(|p| known.planes.get(p)).and_then(Levels::of) else {
            return;
        };
        let mut score = Score::default();
        let blocks = columns.len().div_ceil(BLOCK);
        for b in 0..blocks {
            let (from, to) = (columns.len() * b / blocks, columns.len() * (b + 1) / blocks);
            let columns = Centres { from: columns.from + from, to: columns.from + to, reach: REACH };
            let first = offset + (rows.from - REACH) * stride + columns.from - REACH;
            let plane = Block { x, y, first, stride, rows: rows.len(), columns: columns.len(), levels };
            vectorize(
                #[inline(always)]
                || {
                    if plane.is_alike() {
                        // Every window of equal levels is exactly 1: most of a field with small errors.
                        score.add_ones(rows.len() * columns.len());
                    } else if plane.has_missing() {
                        plane.add::<5>(work, &mut score)
                    } else {
                        plane.add::<4>(work, &mut score)
                    }
                },
            );
        }
        planes.push((place, score));
    });
}

/// How values become levels.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// 1, or ½ where the range would overflow.
    scale: f64,
    low: f64,
    range: f64,
}

impl Levels {
    fn of(ends: &(f64, f64)) -> Option<Self> {
        let (low, high) = *ends;
        if !(low <= high && low.is_finite() && high.is_finite()) {
            return None;
        }
        let scale = if (high - low).is_finite() { 1.0 } else { 0.5 };
        let range = high * scale - low * scale;
        Some(Self { scale, low: low * scale, range: if range > 0.0 { range } else { 1.0 } })
    }

    #[inline(always)]
    fn level(self, v: f64) -> f64 {
        ((v * self.scale - self.low) / self.range * LEVELS).round_ties_even()
    }
}

/// Windows of some columns of a plane.
#[derive(Debug, Clone, Copy)]
struct Block<'a> {
    x: &'a [f64],
    y: &'a [f64],
    /// Where the first window begins.
    first: usize,
    stride: usize,
    rows: usize,
    columns: usize,
    levels: Levels,
}

impl Block<'_> {
    #[inline(always)]
    fn row(&self, row: usize) -> (&[f64], &[f64]) {
        let from = self.first + row * self.stride;
        let to = from + self.columns + 2 * REACH;
        (self.x.get(from..to).unwrap_or_default(), self.y.get(from..to).unwrap_or_default())
    }

    /// Whether no value is missing and both arrays are of the same levels everywhere.
    #[inline(always)]
    fn is_alike(&self) -> bool {
        (0..self.rows + 2 * REACH).all(|row| {
            let (x, y) = self.row(row);
            let levels = x.iter().zip(y).map(|(x, y)| (self.levels.level(*x), self.levels.level(*y)));
            // A missing value is NaN in both and unlike itself.
            levels.fold(true, |alike, (x, y)| alike & (x == y))
        })
    }

    #[inline(always)]
    fn has_missing(&self) -> bool {
        (0..self.rows + 2 * REACH).any(|row| self.row(row).0.iter().fold(false, |any, v| any | v.is_nan()))
    }

    /// `N` is 4 without missing values, when the sum of weights is 1, and 5 with them.
    #[inline(always)]
    fn add<const N: usize>(&self, work: &mut Vec<f64>, score: &mut Score) {
        let (width, input) = (self.columns, self.columns + 2 * REACH);
        let unit = N * width;
        let work = room(work, FIELDS * input + (WIDTH + 1) * unit + width);
        let (fields, rest) = work.split_at_mut(FIELDS * input);
        let (ring, rest) = rest.split_at_mut(WIDTH * unit);
        let (sums, centre) = rest.split_at_mut(unit);
        for row in 0..self.rows + 2 * REACH {
            let (x, y) = self.row(row);
            if x.len() != input || y.len() != input {
                return;
            }
            self.fields::<N>(x, y, fields);
            let slot = row % WIDTH;
            for field in 0..N {
                let to = slot * unit + field * width;
                weigh_along(&fields[field * input..(field + 1) * input], &mut ring[to..to + width]);
            }
            if row < 2 * REACH {
                continue;
            }
            let of = |i: usize| (row + 1 + i) % WIDTH * unit;
            let rows: [&[f64]; WIDTH] = std::array::from_fn(|i| &ring[of(i)..of(i) + unit]);
            weigh_across(rows, sums);
            if N == FIELDS {
                let middle = self.row(row - REACH).0;
                centre.copy_from_slice(&middle[REACH..REACH + width]);
            }
            rate::<N>(sums, centre, score);
        }
    }

    #[inline(always)]
    fn fields<const N: usize>(&self, x: &[f64], y: &[f64], fields: &mut [f64]) {
        let n = x.len();
        let (a, rest) = fields.split_at_mut(n);
        let (b, rest) = rest.split_at_mut(n);
        let (squares, rest) = rest.split_at_mut(n);
        let (products, there) = rest.split_at_mut(n);
        let values = x.iter().zip(y);
        let out = a.iter_mut().zip(b).zip(squares.iter_mut().zip(products));
        for ((x, y), ((a, b), (s, p))) in values.zip(out) {
            let (x, y) = (self.levels.level(*x), self.levels.level(*y));
            let (x, y) = if N == FIELDS && x.is_nan() { (0.0, 0.0) } else { (x, y) };
            (*a, *b, *s, *p) = (x, y, x * x + y * y, x * y);
        }
        if N == FIELDS {
            for (there, x) in there.iter_mut().zip(x) {
                *there = if x.is_nan() { 0.0 } else { 1.0 };
            }
        }
    }
}

/// The weighted sums of eleven values around the one in the middle, lane by lane. Lanes are written out because the
/// compiler finds vectors here, and does not in a loop over single elements of so many rows: 0.7 against 2.5 ns a sum.
#[inline(always)]
fn weigh(v: [&[f64; LANES]; WIDTH]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for l in 0..LANES {
        sums[l] = WEIGHTS[0] * v[REACH][l];
    }
    for k in 1..=REACH {
        for l in 0..LANES {
            sums[l] += WEIGHTS[k] * (v[REACH - k][l] + v[REACH + k][l]);
        }
    }
    sums
}

/// The weighted sums of eleven rows.
#[inline(always)]
fn weigh_across(rows: [&[f64]; WIDTH], sums: &mut [f64]) {
    let n = sums.len();
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10] = rows;
    let (c0, t0) = r0[..n].as_chunks();
    let (c1, t1) = r1[..n].as_chunks();
    let (c2, t2) = r2[..n].as_chunks();
    let (c3, t3) = r3[..n].as_chunks();
    let (c4, t4) = r4[..n].as_chunks();
    let (c5, t5) = r5[..n].as_chunks();
    let (c6, t6) = r6[..n].as_chunks();
    let (c7, t7) = r7[..n].as_chunks();
    let (c8, t8) = r8[..n].as_chunks();
    let (c9, t9) = r9[..n].as_chunks();
    let (c10, t10) = r10[..n].as_chunks();
    let (out, rest) = sums.as_chunks_mut::<LANES>();
    // Slices of one length, so that no place is checked inside the loop.
    let m = out.len();
    let c: [&[[f64; LANES]]; WIDTH] =
        [&c0[..m], &c1[..m], &c2[..m], &c3[..m], &c4[..m], &c5[..m], &c6[..m], &c7[..m], &c8[..m], &c9[..m], &c10[..m]];
    for i in 0..m {
        out[i] = weigh([
            &c[0][i], &c[1][i], &c[2][i], &c[3][i], &c[4][i], &c[5][i], &c[6][i], &c[7][i], &c[8][i], &c[9][i],
            &c[10][i],
        ]);
    }
    if !rest.is_empty() {
        let last = weigh([
            &padded(t0),
            &padded(t1),
            &padded(t2),
            &padded(t3),
            &padded(t4),
            &padded(t5),
            &padded(t6),
            &padded(t7),
            &padded(t8),
            &padded(t9),
            &padded(t10),
        ]);
        for (sum, value) in rest.iter_mut().zip(last) {
            *sum = value;
        }
    }
}

/// The weighted sums of every eleven neighbours.
#[inline(always)]
fn weigh_along(values: &[f64], sums: &mut [f64]) {
    let n = sums.len();
    let v = &values[..n + WIDTH - 1];
    weigh_across(
        [
            &v[..n],
            &v[1..n + 1],
            &v[2..n + 2],
            &v[3..n + 3],
            &v[4..n + 4],
            &v[5..n + 5],
            &v[6..n + 6],
            &v[7..n + 7],
            &v[8..n + 8],
            &v[9..n + 9],
            &v[10..n + 10],
        ],
        sums,
    );
}

/// The value of one window from its weighted means.
#[inline(always)]
fn window(a: f64, b: f64, squares: f64, products: f64) -> f64 {
    let covariance = products - a * b;
    let variances = squares - (a * a + b * b);
    ((2.0 * (a * b) + C) * (2.0 * covariance + C)) / ((a * a + b * b + C) * (variances + C))
}

/// Field `k` of a row of sums, in lanes and the rest.
#[inline(always)]
fn field(sums: &[f64], k: usize, width: usize) -> (&[[f64; LANES]], &[f64]) {
    sums[k * width..(k + 1) * width].as_chunks()
}

/// Windows from weighted sums, by the sums of their weights; none where the centre is missing.
#[inline(always)]
fn partial([a, b, s, p, w, centre]: [&[f64; LANES]; 6]) -> [f64; LANES] {
    let mut values = [f64::NAN; LANES];
    for l in 0..LANES {
        let value = window(a[l] / w[l], b[l] / w[l], s[l] / w[l], p[l] / w[l]);
        values[l] = if centre[l].is_nan() { f64::NAN } else { value };
    }
    values
}

/// Windows from weighted sums whose weights add up to 1.
#[inline(always)]
fn complete([a, b, s, p]: [&[f64; LANES]; 4]) -> [f64; LANES] {
    let mut values = [f64::NAN; LANES];
    for l in 0..LANES {
        values[l] = window(a[l], b[l], s[l], p[l]);
    }
    values
}

/// Adds a row of windows.
#[inline(always)]
fn rate<const N: usize>(sums: &[f64], centre: &[f64], score: &mut Score) {
    let width = sums.len() / N;
    let ((a, ar), (b, br)) = (field(sums, 0, width), field(sums, 1, width));
    let ((s, sr), (p, pr)) = (field(sums, 2, width), field(sums, 3, width));
    let mut row = RowScore::default();
    if N == FIELDS {
        let ((w, wr), (c, cr)) = (field(sums, 4, width), centre.as_chunks());
        for i in 0..a.len() {
            row.add(partial([&a[i], &b[i], &s[i], &p[i], &w[i], &c[i]]));
        }
        if !ar.is_empty() {
            row.add(partial([&padded(ar), &padded(br), &padded(sr), &padded(pr), &padded(wr), &padded(cr)]));
        }
    } else {
        for i in 0..a.len() {
            row.add(complete([&a[i], &b[i], &s[i], &p[i]]));
        }
        if !ar.is_empty() {
            row.add(complete([&padded(ar), &padded(br), &padded(sr), &padded(pr)]));
        }
    }
    score.add(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_a_gaussian_that_adds_up_to_exactly_one() {
        let gauss = |k: usize| (-((k * k) as f64) / 4.5).exp();
        let whole = gauss(0) + 2.0 * (1..=REACH).map(gauss).sum::<f64>();
        for (k, weight) in WEIGHTS.iter().enumerate() {
            assert!((weight - gauss(k) / whole).abs() < 2e-16, "{k}: {weight} {}", gauss(k) / whole);
        }
        assert_eq!(weigh([&[1.0; LANES]; WIDTH]), [1.0; LANES]);
    }

    #[test]
    fn halves_become_even_levels_and_the_widest_range_does_not_overflow() {
        let levels = Levels::of(&(0.0, 510.0)).unwrap();
        assert_eq!([1.0, 3.0, 5.0, 510.0].map(|v| levels.level(v)), [0.0, 2.0, 2.0, 255.0]);
        let wide = Levels::of(&(-f64::MAX, f64::MAX)).unwrap();
        assert_eq!([-f64::MAX, f64::MAX].map(|v| wide.level(v)), [0.0, 255.0]);
        assert!(Levels::of(&(f64::INFINITY, f64::NEG_INFINITY)).is_none());
        assert!(Levels::of(&(f64::NAN, f64::NAN)).is_none());
    }
}

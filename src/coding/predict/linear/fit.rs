//! Factors from samples of a chunk.
//!
//! Each sample counts less the more it is off: weights 1 / (4 s² + r²), where r is what the prediction so far leaves over and s the
//! median of |r|; the first r are the differences along axes that suit the chunk best. So coasts, fronts and holes do not
//! decide for all the rest: plain least squares were up to 1.9 bits a value worse on real arrays (pressure, sea surface).

use super::super::super::estimate::Histogram;
use super::neighbours::{Place, Rows, TERMS, Window, own_terms, terms};
use super::solve::{STEP, Samples, Solution, sum};
use super::{CONSTANT_SHIFT, Factors, MASKS, Model, Piece, Pieces, ROUNDING, SHIFT};
use crate::array::simd::vectorize;

/// Values of a block about: a set of factors takes 50 bytes, one or two hundredths of a bit a value.
const BLOCK: usize = 1 << 15;

/// Samples of a block; of the rows on an edge as many.
const SAMPLES: usize = 1 << 11;

/// Samples that are next to each other.
const RUN: usize = 32;

/// Scatters numbers: a multiple of the golden ratio.
const HASH: u64 = 0x9e37_79b9_7f4a_7c15 >> 8;

/// Passes with new weights. More gain little but time.
const PASSES: usize = 3;

/// Samples a term needs at least.
const SAMPLES_A_TERM: usize = 16;

/// Rows at least this long: shorter ones take more time than what is saved is worth.
const WIDTH: usize = 16;

/// Factors up to this can be kept; larger ones are of no use.
const MOST: f64 = 512.0;

/// Constants up to this can be kept.
const MOST_CONSTANT: f64 = 1e12;

/// Rounding of factors may shift predictions by this part of what they leave over.
const INEXACT: f64 = 0.05;

/// Least and most bits after the point that factors are kept with: below the least nothing is saved in bytes.
const BITS: [u8; 2] = [9, SHIFT as u8];

/// A fitted model and what it promises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Fitted {
    /// Bits a value of the residuals, with the factors, by the samples.
    pub(in crate::coding) bits: f64,
    /// Bits a value of differences along the axes given, by the same samples.
    pub(in crate::coding) plain: f64,
}

/// Buffers to fit in.
#[derive(Debug, Default)]
pub(in crate::coding) struct Fitter {
    window: Window,
    samples: Samples,
    /// Values sampled, and terms of each in columns.
    values: Vec<i32>,
    terms: Vec<f64>,
    /// What differences along axes leave over, and what factors do.
    differences: Vec<f64>,
    left: Vec<f64>,
    sorted: Vec<f64>,
}

/// Counts of residuals over all samples.
#[derive(Debug, Default)]
struct Counts {
    fitted: Histogram,
    plain: Histogram,
}

impl Fitter {
    /// Fits `model` to `v` of `dims`, for which differences along `axes` are the best. `None` where rows are too short or values too few.
    pub(in crate::coding) fn fit(&mut self, v: &[i32], dims: &[usize], axes: u8, model: &mut Model) -> Option<Fitted> {
        let rows = Rows::new(dims);
        if dims.len() > 4 || rows.width < WIDTH || v.len() < SAMPLES {
            return None;
        }
        Some(vectorize(
            #[inline(always)]
            || self.fit_all(v, dims, &rows, axes, model),
        ))
    }

    #[inline(always)]
    fn fit_all(&mut self, v: &[i32], dims: &[usize], rows: &Rows, axes: u8, model: &mut Model) -> Fitted {
        let one = rows.count() == 1;
        let blocks = (v.len() / BLOCK).max(1);
        model.axes = axes;
        model.block = if one { rows.width.div_ceil(blocks) } else { rows.count().div_ceil(blocks) };
        let pieces = Pieces::new(dims, model.block);
        let inside = rows.inside();
        let mut by_mask: [Vec<u32>; MASKS] = Default::default();
        for i in 0..pieces.count {
            by_mask[usize::from(rows.place(pieces.get(i).row).mask)].push(i as u32);
        }
        let mut counts = Counts::default();
        let mut head = Vec::new();
        model.edges.clear();
        for mask in 0..MASKS as u8 {
            let outer = mask.count_ones() as usize;
            let mut factors = Factors::plain(outer, rows.listed(axes, mask));
            if mask & !inside == 0 && mask != inside {
                let list = &by_mask[usize::from(mask)];
                let share = list.len() as f64 / pieces.count as f64;
                factors = self.fit_one(v, &pieces, list, factors, share * blocks as f64, &mut counts);
            }
            model.edges.push(factors);
        }
        model.blocks.clear();
        let plain = Factors::plain(inside.count_ones() as usize, rows.listed(axes, inside));
        let step = if one { 1 } else { model.block };
        let mut list = &by_mask[usize::from(inside)][..];
        for block in 0..Model::count(dims, model.block) {
            let n = list.partition_point(|i| (*i as usize) < (block + 1) * step);
            let (these, others) = list.split_at(n);
            list = others;
            let factors = self.fit_one(v, &pieces, these, plain, 1.0, &mut counts);
            model.blocks.push(factors);
        }
        model.write(dims, &mut head);
        let head = 8.0 * head.len() as f64 / v.len() as f64;
        Fitted { bits: counts.fitted.bits() + head, plain: counts.plain.bits() }
    }

    /// Factors for the pieces in `list`, or `plain` where they are better; `share` of the samples are counted.
    #[inline(always)]
    fn fit_one(
        &mut self,
        v: &[i32],
        pieces: &Pieces,
        list: &[u32],
        plain: Factors,
        share: f64,
        counts: &mut Counts,
    ) -> Factors {
        let Some(first) = list.first() else { return plain };
        let place = pieces.rows.place(pieces.get(*first as usize).row);
        let terms = terms(place.outer());
        let n = self.gather(v, pieces, list, terms);
        if n == 0 {
            return plain;
        }
        self.residuals(&plain, terms, n);
        self.differences.clear();
        self.differences.extend_from_slice(&self.left);
        let fitted = if n < SAMPLES_A_TERM * terms { None } else { self.regress(&plain, terms, n) };
        let mut better = plain;
        let mut before = Histogram::default();
        for r in &self.differences[..n] {
            before.add(*r as i64);
        }
        if let Some(fitted) = fitted {
            self.residuals(&fitted, terms, n);
            let mut after = Histogram::default();
            for r in &self.left[..n] {
                after.add(*r as i64);
            }
            let mut head = Vec::new();
            fitted.write(place.outer(), &mut head);
            let values: usize = list.iter().map(|i| pieces.get(*i as usize).len).sum();
            if after.bits() + 8.0 * head.len() as f64 / (values as f64) < before.bits() {
                better = fitted;
            }
        }
        if better.bits == 0 {
            self.left.clear();
            self.left.extend_from_slice(&self.differences);
        }
        // Evenly spread, as many as this class has of the whole.
        let counted = ((share.min(1.0) * SAMPLES as f64) as usize).min(n);
        for i in 0..counted {
            let at = i * n / counted;
            counts.fitted.add(self.left[at] as i64);
            counts.plain.add(self.differences[at] as i64);
        }
        better
    }

    /// Takes samples of the pieces in `list`: how many.
    #[inline(always)]
    fn gather(&mut self, v: &[i32], pieces: &Pieces, list: &[u32], terms: usize) -> usize {
        let runs_a_piece = pieces.each.div_ceil(RUN);
        let runs = list.len() * runs_a_piece;
        let wanted = (SAMPLES / RUN).min(runs);
        let room = (wanted * RUN).next_multiple_of(STEP);
        self.values.clear();
        self.values.resize(room, 0);
        self.terms.clear();
        self.terms.resize(room * terms, 0.0);
        let mut n = 0;
        for i in 0..wanted {
            // Anywhere within even steps: even steps alone may meet a period of the data.
            let (low, high) = (i * runs / wanted, (i + 1) * runs / wanted);
            let run = low + ((i as u64).wrapping_mul(HASH) >> 32 & 0xffff) as usize * (high - low) / (1 << 16);
            let Piece { row, from, len } = pieces.get(list[run / runs_a_piece] as usize);
            let start = run % runs_a_piece * len / runs_a_piece;
            let end = (run % runs_a_piece + 1) * len / runs_a_piece;
            let len = end - start;
            let place: Place = pieces.rows.place(row);
            self.window.gather(v, &pieces.rows, place, from + start, len, true);
            self.values[n..n + len].copy_from_slice(&v[row * pieces.rows.width + from + start..][..len]);
            let own = own_terms(place.outer());
            for (k, (column, at)) in self.terms.chunks_exact_mut(room).zip(self.window.starts).enumerate() {
                let column = &mut column[n..n + len];
                if k < own {
                    for (o, x) in column.iter_mut().zip(&self.window.own[at..at + len]) {
                        *o = f64::from(*x);
                    }
                } else {
                    column.copy_from_slice(&self.window.values[at..at + len]);
                }
            }
            n += len;
        }
        n
    }

    /// What `factors` leave over of the samples.
    #[inline(always)]
    fn residuals(&mut self, factors: &Factors, terms: usize, n: usize) {
        let room = self.values.len();
        let unit = f64::from(1u32 << SHIFT);
        self.left.clear();
        self.left.resize(room, factors.constant as f64 * f64::from(1u32 << CONSTANT_SHIFT) / unit);
        for (column, c) in self.terms.chunks_exact(room).zip(&factors.each[..terms]) {
            let c = f64::from(*c) / unit;
            for (sum, x) in self.left.iter_mut().zip(column) {
                *sum += x * c;
            }
        }
        for (r, x) in self.left.iter_mut().zip(&self.values) {
            *r = f64::from(*x) - ((*r + ROUNDING) - ROUNDING);
        }
        self.left[n..].fill(0.0);
    }

    #[inline(always)]
    fn regress(&mut self, plain: &Factors, terms: usize, n: usize) -> Option<Factors> {
        let room = self.values.len();
        let samples = &mut self.samples;
        samples.columns.clear();
        let mut means = [0.0; TERMS];
        for (column, mean) in self.terms.chunks_exact(room).zip(&mut means) {
            // Columns are padded with zeros.
            *mean = sum(column) / n as f64;
            samples.columns.extend(column.iter().map(|x| *x - *mean));
        }
        samples.target.clear();
        samples.target.extend_from_slice(&self.differences);
        let mut solution = Solution { factors: [0.0; TERMS], constant: 0.0, spread: 0.0 };
        let mut scale = 1.0;
        for _ in 0..PASSES {
            self.sorted.clear();
            self.sorted.extend(self.left[..n].iter().map(|r| r.abs()));
            let (_, median, _) = self.sorted.select_nth_unstable_by(n / 2, f64::total_cmp);
            // Rounding alone leaves a third of a level.
            scale = *median + 0.3;
            let squared = scale * scale;
            samples.weights.clear();
            samples.weights.extend(self.left.iter().map(|r| squared / (4.0 * squared + r * r)));
            samples.weights[n..].fill(0.0);
            solution = samples.solve(terms)?;
            self.left.clear();
            self.left.extend(samples.target.iter().map(|t| t - solution.constant));
            for (column, c) in samples.columns.chunks_exact(room).zip(solution.factors) {
                for (r, x) in self.left.iter_mut().zip(column) {
                    *r -= c * x;
                }
            }
        }
        quantise(plain, &solution, &means, terms, solution.spread / scale)
    }
}

/// Factors in the units of the stream. `spread`: the root of the sum of mean squares by which terms differ from the first, in units of what
/// is left over; it says what rounding does, as what all terms have in common goes to the first, whose factor is kept in full.
fn quantise(plain: &Factors, solution: &Solution, means: &[f64; TERMS], terms: usize, spread: f64) -> Option<Factors> {
    let [least, most] = BITS;
    let mut bits = least;
    // The error of a rounded factor is 0.3 units.
    while bits < most && 0.3 * spread > INEXACT * f64::from(1u32 << bits) {
        bits += 1;
    }
    let unit = f64::from(1u32 << SHIFT);
    let mut factors = Factors { each: [0; TERMS], constant: 0, bits };
    let drop = SHIFT - u32::from(bits);
    let mut lost = 0.0;
    for j in (0..terms).rev() {
        let exact = f64::from(plain.each[j]) / unit + solution.factors[j];
        if exact.is_nan() || exact.abs() >= MOST {
            return None;
        }
        factors.each[j] = if j == 0 {
            ((exact + lost) * unit).round() as i32
        } else {
            let kept = ((exact * f64::from(1u32 << bits)).round() as i32) << drop;
            lost += exact - f64::from(kept) / unit;
            kept
        };
    }
    // Means were taken off the terms before.
    let mut constant = solution.constant;
    for ((kept, plain), mean) in factors.each.iter().zip(&plain.each).zip(means.iter()).take(terms) {
        constant -= (f64::from(*kept) - f64::from(*plain)) / unit * mean;
    }
    if constant.is_nan() || constant.abs() >= MOST_CONSTANT {
        return None;
    }
    factors.constant = (constant * f64::from(1u32 << (SHIFT - CONSTANT_SHIFT))).round() as i64;
    Some(factors)
}

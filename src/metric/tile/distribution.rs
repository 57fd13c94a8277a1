//! Kolmogorov-Smirnov distance of the two arrays, from counts in bins.

use std::f64::consts::PI;

use super::known::{Known, power_of_two};

/// Equal bins between the smallest and the largest value of both arrays.
const BINS: usize = 1 << 16;

/// Adding this rounds a float below 2^51 to an integer and leaves that integer in the low bits.
const TO_INTEGER: f64 = (1u64 << 52) as f64;

/// Positions computed at a time.
const CHUNK: usize = 256;

/// Distance of the distributions of original and restored values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KsDistance {
    /// max over t of |share of originals ≤ t − share of restored ≤ t|, over the edges of bins: never more than the
    /// distance itself. NaN without pairs.
    pub distance: f64,
    /// How much more the distance may be: at most the largest share of changed values in one bin.
    pub error: f64,
    /// [`ks_p`] of `distance` and the number of pairs.
    pub p: f64,
}

/// Kolmogorov's limit distribution for two samples of `n` values each: the probability of a distance above `distance`
/// between samples of one distribution, `K(sqrt(n/2) · distance)`, with `K(t) = 2 Σ (−1)^(k−1) exp(−2 k² t²)`.
///
/// Values of an array are neither independent nor is its restored form another sample, so this is a score of likeness
/// in the range 0 to 1, as ldcpy reports it, and no probability.
///
/// ```
/// use ndcompact::metric::ks_p;
/// assert!((ks_p(0.02, 10_000.0) - 0.036631).abs() < 1e-6);
/// assert_eq!(ks_p(0.0, 10_000.0), 1.0);
/// ```
pub fn ks_p(distance: f64, n: f64) -> f64 {
    let t = (n / 2.0).sqrt() * distance;
    if t.is_nan() {
        f64::NAN
    } else if t <= 0.0 {
        1.0
    } else if t < 0.9 {
        // The same function as a theta series that converges quickly for small t.
        let term = |k: i32| (-f64::from(2 * k - 1).powi(2) * PI * PI / (8.0 * t * t)).exp();
        1.0 - (2.0 * PI).sqrt() / t * (1..=6).map(term).sum::<f64>()
    } else {
        let sign = |k: i32| if k % 2 == 1 { 2.0 } else { -2.0 };
        (1..=6).rev().map(|k| sign(k) * (-2.0 * f64::from(k * k) * t * t).exp()).sum()
    }
}

/// Counts of changed values by bin. Pairs that are equal move no distribution, so they are not counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Bins<C> {
    x: Vec<C>,
    y: Vec<C>,
}

impl Bins<u32> {
    /// Counts the changed pairs of a run.
    pub(super) fn add(&mut self, x: &[f64], y: &[f64], e: &[f64], known: &Known<'_>) {
        if !e.iter().any(|e| e.abs() > 0.0) {
            return;
        }
        for side in [&mut self.x, &mut self.y] {
            side.resize(BINS, 0);
        }
        let (Ok(in_x), Ok(in_y)) =
            (<&mut [u32; BINS]>::try_from(&mut *self.x), <&mut [u32; BINS]>::try_from(&mut *self.y))
        else {
            return;
        };
        let grid = Grid::of(known);
        let mut places = [[0u16; CHUNK]; 2];
        for ((x, y), e) in x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(e.chunks(CHUNK)) {
            let [at_x, at_y] = &mut places;
            grid.places(x, at_x);
            grid.places(y, at_y);
            for ((at_x, at_y), e) in at_x.iter().zip(at_y.iter()).zip(e) {
                // A missing value has no size either.
                let changed = u32::from(e.abs() > 0.0);
                in_x[usize::from(*at_x)] += changed;
                in_y[usize::from(*at_y)] += changed;
            }
        }
    }
}

impl Bins<u64> {
    pub(super) fn merge(&mut self, next: &Bins<u32>) {
        for (sum, side) in [(&mut self.x, &next.x), (&mut self.y, &next.y)] {
            sum.resize(side.len().max(sum.len()), 0);
            for (sum, n) in sum.iter_mut().zip(side) {
                *sum += u64::from(*n);
            }
        }
    }

    /// The distance over `pairs` pairs.
    pub(super) fn distance(&self, pairs: u64) -> KsDistance {
        let n = pairs as f64;
        let (mut at_edges, mut at_most, mut before) = (0, 0, 0i64);
        for (x, y) in self.x.iter().zip(&self.y) {
            let (x, y) = (*x as i64, *y as i64);
            // Inside a bin the difference is at most as if all of one array came first.
            at_most = at_most.max(before + x).max(y - before);
            before += x - y;
            at_edges = at_edges.max(before.abs());
        }
        let distance = at_edges as f64 / n;
        KsDistance { distance, error: (at_most.max(at_edges) - at_edges) as f64 / n, p: ks_p(distance, pairs as f64) }
    }
}

/// Where values lie between the smallest and the largest.
#[derive(Debug, Clone, Copy)]
struct Grid {
    scale: f64,
    low: f64,
    bins_a_unit: f64,
}

impl Grid {
    fn of(known: &Known<'_>) -> Self {
        let low = known.range_x.0.min(known.range_y.0);
        let high = known.range_x.1.max(known.range_y.1);
        let scale = if (high - low).is_finite() { 1.0 } else { power_of_two(-1) };
        let range = high * scale - low * scale;
        // A range of subnormal numbers leaves the quotient infinite; then all values share the first bin.
        let bins_a_unit = Some((BINS - 1) as f64 / range).filter(|b| b.is_finite()).unwrap_or(0.0);
        Self { scale, low: low * scale, bins_a_unit }
    }

    /// The bin of every value: bins grow with values, and that is all the distance needs. Missing values get any.
    fn places(self, values: &[f64], places: &mut [u16; CHUNK]) {
        crate::array::simd::vectorize(
            #[inline(always)]
            || {
                for (place, v) in places.iter_mut().zip(values) {
                    let t = (v * self.scale - self.low) * self.bins_a_unit;
                    let t = if t > 0.0 { t } else { 0.0 };
                    let t = if t < (BINS - 1) as f64 { t } else { (BINS - 1) as f64 };
                    *place = (t + TO_INTEGER).to_bits() as u16;
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(x: &[f64], y: &[f64]) -> f64 {
        let share = |v: &[f64], t: f64| v.iter().filter(|v| **v <= t).count() as f64 / v.len() as f64;
        x.iter().chain(y).map(|t| (share(x, *t) - share(y, *t)).abs()).fold(0.0, f64::max)
    }

    fn measured(x: &[f64], y: &[f64]) -> KsDistance {
        let ends = |v: &[f64]| v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (v.min(a), v.max(b)));
        let known = Known { range_x: ends(x), range_y: ends(y), ..Known::default() };
        let e: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
        let (mut bins, mut sum) = (Bins::default(), Bins::<u64>::default());
        bins.add(x, y, &e, &known);
        sum.merge(&bins);
        sum.distance(x.len() as u64)
    }

    #[test]
    fn the_distance_lies_between_the_one_at_edges_and_that_plus_its_error() {
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        for (scale, shift) in [(1.0, 0.0), (1.0, 0.1), (1e300, 1e298), (1e-300, 0.0), (1e-6, 0.0)] {
            let x: Vec<f64> = (0..700).map(|_| (next() - 0.5) * scale).collect();
            let mut y: Vec<f64> = x.iter().map(|x| x + shift + next() * 1e-6 * scale).collect();
            y[0] = scale * 50.0;
            let (ks, truth) = (measured(&x, &y), exact(&x, &y));
            assert!(ks.distance <= truth + 1e-15 && truth <= ks.distance + ks.error + 1e-15, "{ks:?} {truth}");
            assert!(ks.error < 0.1);
        }
    }

    #[test]
    fn equal_arrays_have_distance_zero_without_error_even_where_all_values_share_a_bin() {
        let x = [3.0; 50];
        assert_eq!(measured(&x, &x), KsDistance { distance: 0.0, error: 0.0, p: 1.0 });
    }

    #[test]
    fn the_p_value_is_that_of_scipy_stats() {
        // scipy.special.kolmogorov(t), as t = sqrt(n/2) · distance with n = 2.
        for (t, p) in SCIPY {
            assert!((ks_p(t, 2.0) - p).abs() <= 1e-12 * p.max(1e-300), "{t}: {} {p}", ks_p(t, 2.0));
        }
        assert!(ks_p(f64::NAN, 2.0).is_nan());
    }

    const SCIPY: [(f64, f64); 16] = [
        (0.04, 1.0),
        (0.1, 1.0),
        (0.2, 0.999999999999495),
        (0.3, 0.9999906941986655),
        (0.5, 0.9639452436648751),
        (0.7, 0.7112351950296893),
        (0.82, 0.5119717052984973),
        (0.89, 0.4066850049180472),
        (0.91, 0.3790723461446418),
        (1.0, 0.26999967167735456),
        (1.36, 0.049485876755377876),
        (2.0, 0.0006709252557796953),
        (3.0, 3.045995948942526e-08),
        (5.0, 3.8574996959278356e-22),
        (10.0, 2.767793053473475e-87),
        (18.0, 7.554499944724249e-282),
    ];
}

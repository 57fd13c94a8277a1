//! Exact sums of a chunk of floats at vector speed, by error-free extraction.
//!
//! Each lane holds an accumulator near S = 1.5 · 2^k, so large that adding a value v rounds it to a multiple q of S's
//! last place; `q = (acc + v) − acc` and `r = v − q` are exact, and r goes on to the next, 2^43 times finer, fold. While
//! 2^(k−1) bounds what a lane gathers, the accumulators stay within one power of two, so their bits minus those of S
//! are the exact sum of the q as an integer. Once every r is zero the integers of all folds are the whole sum. Cost:
//! three additions a fold and value, less than one compensated addition (method: Demmel, Nguyen, "Parallel reproducible
//! summation", 2015, with the exactness test in place of their truncation).

use pulp::{Simd, WithSimd};

use super::exact_sum::ExactSum;
use crate::array::simd::with_vectors;

/// Chunks are whole multiples of this: of [`VECTORS`] vectors of the widest kind, 8 lanes of f64, filled up with zeros.
pub(super) const LANES: usize = 32;

/// Vectors in flight: enough independent chains to hide the latency of an addition, few enough for 16 registers.
const VECTORS: usize = 4;

/// Elements at a time: both sides and their errors (24 kB of f64) stay in the first cache.
pub(super) const CHUNK: usize = 1024;

/// Most values one lane gathers from a chunk, as a power of two: vectors of a single lane, two of them, 2^10 values.
const LOG_PER_LANE: i32 = 9;

/// Exponent of S above that of the largest value: 2^(E+1) bounds it, 2^9 of them, and S holds half its power of two.
const HEADROOM: i32 = LOG_PER_LANE + 2;

/// Bits from one fold to the next: residuals are at most half a last place of S, 2^(k−53), and 2^9 of them must stay
/// within 2^(k'−1).
const FOLD_BITS: i32 = 53 - LOG_PER_LANE - 1;

/// Magnitudes whose squares as f64 are normal and finite. Inside, a square is rounded once to f64 before it is summed;
/// outside, it is summed exactly from its 106 bits: a rule for each value alone, so no chunking changes a sum.
const SMALL: i32 = -480;
const LARGE: i32 = 500;

/// A fold with this last place surely holds all bits of ordinary squares, at least 2^(2·SMALL − 52), wherever the
/// steps of [`FOLD_BITS`] fall; its anchor is still a normal number.
const LOWEST_SQUARE: i32 = 2 * SMALL - 52 - FOLD_BITS;

/// Folds done in one sweep; more go through [`deep`].
const MAX_FUSED: usize = 3;

/// How many folds to begin with, for errors and for their squares. Only speed depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Folds {
    errors: Guess,
    squares: Guess,
}

#[derive(Debug, Clone, Copy)]
struct Guess {
    folds: usize,
    /// Whether the last chunk needed more: one such chunk is chance (a tiny error among large ones), two are the data.
    missed: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self { folds: 1, missed: true }
    }
}

impl Guess {
    fn learn(&mut self, needed: usize) {
        if needed > self.folds && self.missed {
            *self = Guess { folds: needed, missed: false };
        } else {
            self.missed = needed > self.folds;
        }
    }
}

fn exponent(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// 1.5 · 2^k for a normal k.
fn anchor(k: i32) -> f64 {
    f64::from_bits((((k + 1023) as u64) << 52) | 1 << 51)
}

/// Adds the errors `e` to `bias` and their squares to `squares`, both exactly. `max` is the largest magnitude in `e`,
/// whose length is a multiple of [`LANES`] and at most a chunk.
pub(super) fn add_sums(e: &[f64], max: f64, folds: &mut Folds, bias: &mut ExactSum, squares: &mut ExactSum) {
    if max == 0.0 {
        return;
    }
    let top = exponent(max);
    // Exact folds end at a last place of at least 2^SMALL, so every nonzero error is at least that large too and its
    // square an ordinary one.
    if (SMALL..LARGE).contains(&top) && add_values::<false>(e, top, SMALL, &mut folds.errors, bias) {
        if !add_values::<true>(e, exponent(max * max), LOWEST_SQUARE, &mut folds.squares, squares) {
            squares_one_by_one(e, squares);
        }
    } else {
        e.iter().for_each(|e| bias.add(*e));
        squares_one_by_one(e, squares);
    }
}

/// Adds `values` to `sum` exactly; `max` and the length as in [`add_sums`].
pub(super) fn add_sum(values: &[f64], max: f64, folds: &mut Folds, sum: &mut ExactSum) {
    if max == 0.0 {
        return;
    }
    let top = exponent(max);
    if !((SMALL..LARGE).contains(&top) && add_values::<false>(values, top, SMALL, &mut folds.errors, sum)) {
        values.iter().for_each(|v| sum.add(*v));
    }
}

/// The slow path, for chunks with errors beyond 2^LARGE or a range of magnitudes that no folding covers.
#[cold]
#[inline(never)]
fn squares_one_by_one(e: &[f64], squares: &mut ExactSum) {
    for &e in e.iter().filter(|e| **e != 0.0) {
        if (SMALL..LARGE).contains(&exponent(e)) {
            squares.add(e * e);
        } else {
            squares.add_square(e, 0);
        }
    }
}

/// Adds `e` (or its squares) to `sum` if folds with last places of at least 2^`lowest` hold all their bits; else adds
/// nothing and says so. `top` is the exponent of the largest value.
fn add_values<const SQUARE: bool>(e: &[f64], top: i32, lowest: i32, guess: &mut Guess, sum: &mut ExactSum) -> bool {
    let k = top + HEADROOM;
    for folds in guess.folds..=MAX_FUSED {
        let last_place = k - 52 - FOLD_BITS * (folds as i32 - 1);
        if last_place < lowest {
            return false;
        }
        let exact = match folds {
            1 => fused::<1, VECTORS, SQUARE>(e, k, sum),
            2 => fused::<2, VECTORS, SQUARE>(e, k, sum),
            // Two vectors, or the accumulators would not fit the registers.
            _ => fused::<3, 2, SQUARE>(e, k, sum),
        };
        if exact {
            guess.learn(folds);
            return true;
        }
    }
    guess.learn(MAX_FUSED + 1);
    deep::<SQUARE>(e, k, lowest, sum)
}

/// `K` folds in one sweep over `V` vectors at a time; adds to `sum` only if they hold every bit.
fn fused<const K: usize, const V: usize, const SQUARE: bool>(e: &[f64], k: i32, sum: &mut ExactSum) -> bool {
    let anchors = std::array::from_fn(|f| anchor(k - FOLD_BITS * f as i32));
    let Some(gathered) = with_vectors(Gather::<K, V, SQUARE> { e, anchors }) else {
        return false;
    };
    for (f, n) in gathered.into_iter().enumerate() {
        sum.add_integer(n.into(), k - FOLD_BITS * f as i32 - 52);
    }
    true
}

/// What `K` folds gather in units of their last places, or `None` if a bit is left over.
struct Gather<'a, const K: usize, const V: usize, const SQUARE: bool> {
    e: &'a [f64],
    anchors: [f64; K],
}

impl<const K: usize, const V: usize, const SQUARE: bool> WithSimd for Gather<'_, K, V, SQUARE> {
    type Output = Option<[i64; K]>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut acc = self.anchors.map(|a| [simd.splat_f64s(a); V]);
        let mut rest = [simd.splat_f64s(0.0); V];
        let (vectors, _) = S::as_simd_f64s(self.e);
        let (groups, _) = vectors.as_chunks::<V>();
        for group in groups {
            for v in 0..V {
                let mut r = if SQUARE { simd.mul_f64s(group[v], group[v]) } else { group[v] };
                for (f, acc) in acc.iter_mut().enumerate() {
                    let next = simd.add_f64s(acc[v], r);
                    let q = simd.sub_f64s(next, acc[v]);
                    acc[v] = next;
                    if f + 1 < K {
                        r = simd.sub_f64s(r, q);
                    } else {
                        // Whether r − q is zero, without the addition that limits the speed.
                        rest[v] = simd.or_f64s(rest[v], simd.xor_f64s(r, q));
                    }
                }
            }
        }
        // The sign bit alone is −0 against 0.
        let rest: &[u64] = bytemuck::cast_slice(&rest);
        let exact = rest.iter().fold(0, |a, b| a | b) << 1 == 0;
        exact.then(|| std::array::from_fn(|f| gathered(bytemuck::cast_slice(&acc[f]), self.anchors[f])))
    }
}

/// What the lanes gathered, in units of the anchor's last place; each lane at most 2^51, so their sum fits.
#[inline(always)]
fn gathered(acc: &[f64], anchor: f64) -> i64 {
    acc.iter().map(|a| a.to_bits().wrapping_sub(anchor.to_bits()) as i64).fold(0, i64::wrapping_add)
}

/// As many folds as it takes, one sweep each, for chunks whose magnitudes range over 30 decades and more.
#[cold]
#[inline(never)]
fn deep<const SQUARE: bool>(e: &[f64], mut k: i32, lowest: i32, sum: &mut ExactSum) -> bool {
    let mut values: Vec<f64> = e.iter().map(|e| if SQUARE { e * e } else { *e }).collect();
    let mut found = Vec::new();
    while k - 52 >= lowest {
        let anchor = anchor(k);
        let mut acc = [anchor; LANES];
        let mut rest = 0;
        let (chunks, _) = values.as_chunks_mut::<LANES>();
        for chunk in chunks {
            for (r, acc) in chunk.iter_mut().zip(&mut acc) {
                let next = *acc + *r;
                *r -= next - *acc;
                *acc = next;
                rest |= r.to_bits() << 1;
            }
        }
        found.push((gathered(&acc, anchor), k - 52));
        if rest == 0 {
            found.iter().for_each(|(n, power)| sum.add_integer((*n).into(), *power));
            return true;
        }
        k -= FOLD_BITS;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(e: &[f64]) {
        let max = e.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
        let (mut bias, mut squares) = (ExactSum::new(), ExactSum::new());
        add_sums(e, max, &mut Folds::default(), &mut bias, &mut squares);
        let (mut plain, mut plain_squares) = (ExactSum::new(), ExactSum::new());
        e.iter().for_each(|e| plain.add(*e));
        squares_one_by_one(e, &mut plain_squares);
        assert_eq!(bias, plain);
        assert_eq!(squares, plain_squares);
    }

    #[test]
    fn a_full_chunk_of_the_largest_mantissas_stays_exact() {
        for sign in [1.0, -1.0] {
            check(&[sign * 1.0f64.next_down(); 1024]);
            check(&[sign * 2.0f64.next_down(); 1024]);
            // Residuals of exactly half a last place in every lane and fold.
            check(&[sign * (1.0 + 2f64.powi(-42) + 2f64.powi(-52)); 1024]);
            let halves: Vec<f64> = (0..1024).map(|i| if i < LANES { 1.0 } else { sign * 2f64.powi(-42) }).collect();
            check(&halves);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn folded_sums_equal_sums_one_by_one(
            seeds in prop::collection::vec((any::<u64>(), 0.0f64..1.0), 64),
            centre in -520i32..510,
            spread in 0i32..700,
        ) {
            let e: Vec<f64> = (0..1024).map(|i| {
                let (bits, u) = seeds[i % 64];
                let exponent = (centre - (f64::from(spread) * u) as i32).clamp(-1020, 1020);
                f64::from_bits(bits.rotate_left(i as u32 / 16) & !(0x7ff << 52) | ((exponent + 1023) as u64) << 52)
            }).collect();
            check(&e);
        }
    }
}

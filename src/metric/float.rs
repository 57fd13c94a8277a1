//! Comparing a block of real floats: one small loop a quantity, because a loop that mixes quantities does not vectorise.
//!
//! Each loop is a function of its own that enters [`vectorize`]: all of them inlined into one large function were no
//! longer vectorised (7 times slower), and were compiled once more for every dtype. Loops that reduce integers are
//! flat; those that reduce floats are written in explicit vectors (lanes in an array stayed in memory, 3 times slower).

use pulp::{Simd, WithSimd};

use super::class::{Class, ClassCount};
use super::fold::{CHUNK, Folds, LANES, add_sums};
use super::loss::Loss;
use super::places::Places;
use super::word::Word;
use crate::array::simd::{vectorize, with_vectors};

/// `n` rounded up to whole vectors.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES).min(CHUNK)
}

/// What a chunk needs besides its elements, kept from chunk to chunk.
struct Work {
    /// Both sides as f64, unless they are.
    wide: [[f64; CHUNK]; 2],
    e: [f64; CHUNK],
    folds: Folds,
    /// Whether the last chunk held NaN or Inf, so that the next is expected to.
    masked: bool,
}

/// Compares `x` (original) with `y` (restored), whose elements stand at `places`.
pub(super) fn compare<W: Word>(loss: &mut Loss, mut places: Places<'_>, x: &[W], y: &[W]) {
    let mut work = Work { wide: [[0.0; CHUNK]; 2], e: [0.0; CHUNK], folds: Folds::default(), masked: false };
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let here = places.take(x.len());
        let n = padded(x.len());
        if n == x.len() {
            chunk(loss, here, x, y, &mut work);
        } else {
            // Zeros against zeros change nothing that is counted.
            let (mut tail_x, mut tail_y) = ([W::ZERO; CHUNK], [W::ZERO; CHUNK]);
            tail_x[..x.len()].copy_from_slice(x);
            tail_y[..x.len()].copy_from_slice(y);
            chunk(loss, here, &tail_x[..n], &tail_y[..n], &mut work);
            let padding = (n - x.len()) as u64;
            loss.count -= padding;
            loss.finite -= padding;
        }
    }
}

/// One chunk, a multiple of [`LANES`] long.
fn chunk<W: Word>(loss: &mut Loss, places: Places<'_>, x: &[W], y: &[W], work: &mut Work) {
    let n = x.len() as u64;
    loss.count += n;
    if bytemuck::cast_slice::<W, u8>(x) == bytemuck::cast_slice::<W, u8>(y) {
        loss.finite += count(x, y, |x, _| x.is_finite());
        return;
    }
    let Work { wide: [wide_x, wide_y], e, folds, masked } = work;
    let e = &mut e[..x.len()];
    let (max, all_finite) = difference(W::widen(x, wide_x), W::widen(y, wide_y), e, masked);
    let (changed, odd) = changes(x, y);
    loss.changed += changed;
    loss.finite += n;
    if odd {
        add_classes(loss, places, x, y, Class::FINITE);
    }
    if !all_finite {
        let seen = non_finite(x, y);
        loss.finite -= seen.pairs;
        loss.nan_payload += seen.nan_payload;
        loss.changed -= seen.nan_payload;
        if seen.harm > 0 {
            add_classes(loss, places, x, y, Class::NON_FINITE);
        }
        add_overflows(loss, places, x, y, e);
    }
    add_sums(e, max, folds, &mut loss.bias, &mut loss.squares);
    if loss.may_be_worst(max, || places.lowest()) {
        for ((at, e), (x, y)) in places.iter().zip(&*e).zip(x.iter().zip(y)) {
            if e.abs() == max {
                loss.offer_real(max, at, x.value(), y.value());
            }
        }
    }
}

/// Writes `x − y` to `e`, 0 where that is not finite (NaN and Inf on either side, differences beyond f64); returns the
/// largest magnitude and whether all were finite. `masked` says, and learns, whether to expect that they are not.
pub(super) fn difference(x: &[f64], y: &[f64], e: &mut [f64], masked: &mut bool) -> (f64, bool) {
    if !*masked {
        let (max, all_finite) = with_vectors(Difference::<false> { x, y, e });
        if all_finite {
            return (max, true);
        }
    }
    let (max, all_finite) = with_vectors(Difference::<true> { x, y, e });
    *masked = !all_finite;
    (max, all_finite)
}

struct Difference<'a, const MASKED: bool> {
    x: &'a [f64],
    y: &'a [f64],
    e: &'a mut [f64],
}

impl<const MASKED: bool> WithSimd for Difference<'_, MASKED> {
    type Output = (f64, bool);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, bool) {
        let (infinity, zero) = (simd.splat_f64s(f64::INFINITY), simd.splat_f64s(0.0));
        // Added to the bits of a magnitude, carries into the sign bit if and only if that is NaN or Inf.
        let carry = simd.splat_u64s(1 << 52);
        let (mut max, mut carried) = ([zero; 4], [simd.splat_u64s(0); 4]);
        let ((x, _), (y, _), (e, _)) = (S::as_simd_f64s(self.x), S::as_simd_f64s(self.y), S::as_mut_simd_f64s(self.e));
        let ((x, _), (y, _), (e, _)) = (x.as_chunks::<4>(), y.as_chunks::<4>(), e.as_chunks_mut::<4>());
        for ((x, y), e) in x.iter().zip(y).zip(e) {
            for v in 0..4 {
                let t = simd.sub_f64s(x[v], y[v]);
                let size = simd.abs_f64s(t);
                carried[v] = simd.or_u64s(carried[v], simd.add_u64s(simd.transmute_u64s_f64s(size), carry));
                if MASKED {
                    // A NaN compares false, so it can neither be nor hide the maximum.
                    let finite = simd.less_than_f64s(size, infinity);
                    e[v] = simd.select_f64s(finite, t, zero);
                    max[v] = simd.max_f64s(simd.abs_f64s(e[v]), max[v]);
                } else {
                    e[v] = t;
                    max[v] = simd.max_f64s(size, max[v]);
                }
            }
        }
        let largest = bytemuck::cast_slice::<_, f64>(&max).iter().fold(0.0, |m: f64, a| m.max(*a));
        let carried = bytemuck::cast_slice::<_, u64>(&carried).iter().fold(0, |a, c| a | c);
        (largest, carried >> 63 == 0)
    }
}

/// What a chunk with NaN or Inf holds.
#[derive(Default)]
struct NonFinite {
    /// Pairs with NaN or Inf on either side.
    pairs: u64,
    /// Those of them that are a change of class.
    harm: u64,
    /// NaN against another NaN.
    nan_payload: u64,
}

fn non_finite<W: Word>(x: &[W], y: &[W]) -> NonFinite {
    let one = |test: bool| if test { W::ONE } else { W::ZERO };
    let pairs = count(x, y, |x, y| !(x.is_finite() & y.is_finite()));
    let (nan_payload, harm) = vectorize(
        #[inline(always)]
        || {
            x.iter().zip(y).fold((W::ZERO, W::ZERO), |(payload, harm), (x, y)| {
                let (nans, differ) = (x.is_nan() & y.is_nan(), x != y);
                let odd = !(x.is_finite() & y.is_finite()) & differ & !nans;
                (payload.plus(one(nans & differ)), harm.plus(one(odd)))
            })
        },
    );
    NonFinite { pairs, harm: harm.number(), nan_payload: nan_payload.number() }
}

/// How many pairs satisfy `test`.
#[inline(always)]
pub(super) fn count<W: Word>(x: &[W], y: &[W], test: impl Fn(W, W) -> bool) -> u64 {
    // A chunk's 1024 fit a word of any width.
    vectorize(
        #[inline(always)]
        || x.iter().zip(y).fold(W::ZERO, |n, (x, y)| n.plus(if test(*x, *y) { W::ONE } else { W::ZERO })),
    )
    .number()
}

/// How many words differ, and whether any sign or any zeroness does, or any changed value is now subnormal.
pub(super) fn changes<W: Word>(x: &[W], y: &[W]) -> (u64, bool) {
    let (n, odd) = vectorize(
        #[inline(always)]
        || {
            x.iter().zip(y).fold((W::ZERO, W::ZERO), |(n, odd), (x, y)| {
                // Taking one away flips the highest bit of +0 and of −0 and of no other word.
                let odd = odd | (*x ^ *y) | (x.minus(W::ONE) ^ y.minus(W::ONE));
                // Below zero if and only if y is subnormal or zero; looked at only where it changed.
                let small = y.magnitude().minus(W::MIN_NORMAL);
                let (one, small) = if x != y { (W::ONE, small) } else { (W::ZERO, W::ZERO) };
                (n.plus(one), odd | small)
            })
        },
    );
    (n.number(), odd & W::SIGN != W::ZERO)
}

/// Counts the `classes` of a chunk and finds the first of each.
#[inline(never)]
pub(super) fn add_classes<W: Word>(loss: &mut Loss, places: Places<'_>, x: &[W], y: &[W], classes: &[Class]) {
    for &class in classes {
        let n = match class {
            Class::FiniteToNan => count(x, y, |x, y| W::changed_class(Class::FiniteToNan, x, y)),
            Class::FiniteToInf => count(x, y, |x, y| W::changed_class(Class::FiniteToInf, x, y)),
            Class::NanToOther => count(x, y, |x, y| W::changed_class(Class::NanToOther, x, y)),
            Class::InfToOther => count(x, y, |x, y| W::changed_class(Class::InfToOther, x, y)),
            Class::SignFlip => count(x, y, |x, y| W::changed_class(Class::SignFlip, x, y)),
            Class::NonzeroToZero => count(x, y, |x, y| W::changed_class(Class::NonzeroToZero, x, y)),
            Class::ZeroToNonzero => count(x, y, |x, y| W::changed_class(Class::ZeroToNonzero, x, y)),
            Class::ZeroSign => count(x, y, |x, y| W::changed_class(Class::ZeroSign, x, y)),
            Class::NormalToSubnormal => count(x, y, |x, y| W::changed_class(Class::NormalToSubnormal, x, y)),
            Class::FillToOther | Class::OtherToFill => 0,
        };
        if n == 0 {
            continue;
        }
        let mut first = None;
        if loss.class(class).first.is_none_or(|first| places.lowest() < first) {
            let pairs = x.iter().zip(y).zip(places.iter());
            first = pairs.filter(|((x, y), _)| W::changed_class(class, **x, **y)).map(|(_, at)| at).min();
        }
        loss.add_class(class, ClassCount { count: n, first });
    }
}

/// Finite pairs whose difference lies beyond f64 (1e308 against −1e308): halves are exact, so sums stay exact, and the
/// maximum saturates at the largest f64.
fn add_overflows<W: Word>(loss: &mut Loss, places: Places<'_>, x: &[W], y: &[W], e: &[f64]) {
    let huge = |w: W| w.is_finite() & (w.magnitude() >= W::HALF_MAX);
    if count(x, y, |x, y| huge(x) | huge(y)) == 0 {
        return;
    }
    for (((x, y), e), at) in x.iter().zip(y).zip(e).zip(places.iter()) {
        let (x, y) = (x.value(), y.value());
        let half = x / 2.0 - y / 2.0;
        if *e == 0.0 && half.is_finite() && half.abs() > f64::MAX / 2.0 {
            loss.bias.add_times_power(half, 1);
            loss.squares.add_square(half, 1);
            loss.offer_real(f64::MAX, at, x, y);
        }
    }
}

//! Integers in steps: all of them without loss in their common step, or within a bound in odd steps.

use super::kernel::{BLOCK, Count, Stats, drive, flag};
use super::survey::Survey;
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, with_integer};
use crate::coding::Bound;
use crate::coding::bound::Value;
use crate::coding::bytes::{Put, Reader};
use crate::coding::holes::Holes;
use crate::error::{Result, refuse};

/// x' = `base` + k·`step`, clamped to the dtype. |x' − x| <= step / 2; none where all x − base are multiples of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) struct Whole {
    pub(super) base: i128,
    pub(super) step: u64,
}

/// Least and greatest of an integer dtype.
pub(super) fn range(dtype: DType) -> (i128, i128) {
    if dtype == DType::Bool {
        return (0, 1);
    }
    with_integer!(dtype, T => (T::MIN.into(), T::MAX.into()), else (0, 0))
}

/// The largest whole number that every value may be off by.
pub(super) fn room(survey: &Survey, bound: &Bound) -> u64 {
    if bound.is_lossless() {
        return 0;
    }
    let (low, high) = survey.whole;
    // The smallest magnitude has the strictest relative limit.
    let least = if low <= 0 && high >= 0 { 0 } else { low.unsigned_abs().min(high.unsigned_abs()) };
    let square = bound.mean_square.map_or(u128::MAX, |s| (3.0 * s).sqrt() as u128);
    // A step of the whole range is one value for all; the quarter keeps twice the room in 64 bits.
    let most = high.abs_diff(low).min(u128::from(u64::MAX / 4));
    bound.whole_limit(least).unwrap_or(u128::MAX).min(square).min(most) as u64
}

impl Whole {
    /// The steps that `bound` allows, in multiples of the sample's common step.
    pub(super) fn fit(survey: &Survey, bound: &Bound) -> Self {
        let (low, high) = survey.whole;
        let room = room(survey, bound);
        // A base off the middle must leave all differences within 64 bits.
        let common = if high - low < 1 << 62 { common(survey).max(1) } else { 1 };
        // Multiples of the common step, or any odd step: whichever is wider.
        let (by_steps, free) = (common.saturating_mul(2 * (room / common) + 1), 2 * room + 1);
        let step = if room / common > u64::MAX / 4 / common { free } else { by_steps.max(free) };
        let anchor = survey.wholes.first().copied().unwrap_or(low);
        // Rounded up: neither end is 2^63 or more above it.
        let middle = low + (high - low + 1) / 2;
        // The base nearest the middle (or 0, where that is among the values) that is whole steps from a value.
        let aim =
            if low <= 0 && high >= 0 && high < i128::from(i32::MAX) && low > i128::from(i32::MIN) { 0 } else { middle };
        let base = if common == 1 { aim } else { aim + (anchor - aim).rem_euclid(common.into()) };
        Self { base: if base > high { base - i128::from(common) } else { base }, step }
    }

    pub(super) fn int(&self, x: i128) -> i128 {
        let d = x - self.base + i128::from(self.step / 2);
        d.div_euclid(self.step.into())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put_u64(self.base as u64);
        out.put_varint(self.step);
    }

    pub(super) fn read(reader: &mut Reader<'_>, dtype: DType) -> Result<Self> {
        let (base, step) = (reader.u64()?, reader.varint()?);
        let base = if dtype == DType::U64 { i128::from(base) } else { i128::from(base as i64) };
        let (least, most) = range(dtype);
        if step == 0 || base < least || base > most {
            return refuse!(Corrupt, "a coded chunk has integers of {dtype} in steps of {step} from {base}");
        }
        Ok(Self { base, step })
    }

    pub(super) fn forward<K: Count>(
        &self,
        values: &Buf,
        bound: &Bound,
        fill: Option<u64>,
        ints: &mut [K],
        holes: &mut Holes,
    ) -> Stats {
        let (this, bool) = (*self, values.dtype() == DType::Bool);
        with_integer!(values.dtype(), T => {
            let v = values.slice::<T>();
            let fill = fill.map(|f| f as T);
            let mut y = [T::default(); BLOCK];
            let grid = Steps::<T>::new(&this, bool);
            let exact = bound.is_lossless();
            drive(
                ints,
                holes,
                |start, k, flags| {
                    let n = k.len();
                    let (x, y) = (&v[start..start + n], &mut y[..n]);
                    vectorize(
                        #[inline(always)]
                        || {
                            // A copy of its own, which no store can change: else the loops stay scalar, 4 times slower.
                            let own = grid;
                            for i in 0..n {
                                k[i] = own.int(x[i]);
                            }
                            for i in 0..n {
                                y[i] = own.value(k[i]);
                            }
                        },
                    );
                    let mut any = bound.doubt(x, y, flags);
                    if let Some(fill) = fill {
                        any |= flag(x, flags, |x| x == fill);
                    }
                    any
                },
                |i, k| {
                    let (x, y) = (v[i], grid.value(k));
                    Some(x) == fill || if exact { x != y } else { !bound.allows_int(x.into(), y.into()) }
                },
            )
        }, else Stats { min: 0, max: 0, holes: 0 })
    }

    pub(super) fn inverse<K: Count>(&self, ints: &[K], out: &mut Buf) {
        let (this, bool) = (*self, out.dtype() == DType::Bool);
        with_integer!(out.dtype(), T => {
            let grid = Steps::<T>::new(&this, bool);
            let out = out.slice_mut::<T>();
            vectorize(
                #[inline(always)]
                || {
                    let own = grid;
                    for (k, out) in ints.iter().zip(out) {
                        *out = own.value(*k);
                    }
                },
            );
        }, else ());
    }
}

/// The common divisor of the sample's differences; 0 where all are equal.
fn common(survey: &Survey) -> u64 {
    let Some(first) = survey.wholes.first() else { return 0 };
    let mut step = 0u128;
    for x in &survey.wholes {
        let (mut a, mut b) = (x.abs_diff(*first), step);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        step = a;
        if step == 1 {
            break;
        }
    }
    u64::try_from(step).unwrap_or(1)
}

/// The map in the arithmetic that an element type needs.
#[derive(Clone, Copy)]
struct Steps<T> {
    base: T,
    /// `base` where it fits 64 bits with its sign.
    base_i64: i64,
    step: i64,
    per: f64,
    wide_step: u64,
    least: T,
    most: T,
}

trait Element: Copy + Value + Default {
    fn steps(w: &Whole, bool: bool) -> Steps<Self>;
    fn int<K: Count>(s: &Steps<Self>, x: Self) -> K;
    fn value<K: Count>(s: &Steps<Self>, k: K) -> Self;
}

impl<T: Element> Steps<T> {
    fn new(w: &Whole, bool: bool) -> Self {
        T::steps(w, bool)
    }
    #[inline(always)]
    fn int<K: Count>(&self, x: T) -> K {
        T::int(self, x)
    }
    #[inline(always)]
    fn value<K: Count>(&self, k: K) -> T {
        T::value(self, k)
    }
}

macro_rules! common {
    ($T:ty) => {
        fn steps(w: &Whole, bool: bool) -> Steps<Self> {
            Steps {
                base: w.base as $T,
                base_i64: w.base as i64,
                step: w.step as i64,
                per: 1.0 / w.step as f64,
                wide_step: w.step,
                least: if bool { 0 as $T } else { <$T>::MIN },
                most: if bool { 1 as $T } else { <$T>::MAX },
            }
        }
    };
}

/// 1.5·2^23: added to |y| < 2^22, it leaves y rounded to the nearest integer in the low bits.
const MAGIC: f32 = (3u32 << 22) as f32;

/// Up to 16 bits: 32-bit integers hold all between, whatever a damaged chunk says. Quotients d/step in float32 are off by
/// 2^-23·d/step at most, and a tie is at least 1/(2·step) away where the step is odd: rounding is right for d < 2^22.
macro_rules! narrow {
    ($($T:ty)*) => { $(impl Element for $T {
        common! { $T }
        #[inline(always)]
        fn int<K: Count>(s: &Steps<Self>, x: Self) -> K {
            let y = i32::from(x).wrapping_sub(s.base_i64 as i32) as f32 * s.per as f32;
            K::from_i64(((y + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32).into())
        }
        #[inline(always)]
        fn value<K: Count>(s: &Steps<Self>, k: K) -> Self {
            let x = (s.base_i64 as i32).wrapping_add((k.to_i64() as i32).wrapping_mul(s.step as i32));
            x.clamp(s.least.into(), s.most.into()) as $T
        }
    })* };
}
narrow! { u8 i8 u16 i16 }

/// 32 bits: float64 holds all between exactly, and vectors convert nothing else.
macro_rules! medium {
    ($($T:ty)*) => { $(impl Element for $T {
        common! { $T }
        #[inline(always)]
        fn int<K: Count>(s: &Steps<Self>, x: Self) -> K {
            K::nearest((f64::from(x) - s.base_i64 as f64) * s.per)
        }
        #[inline(always)]
        fn value<K: Count>(s: &Steps<Self>, k: K) -> Self {
            let x = s.base_i64 as f64 + k.wide() * s.step as f64;
            let (least, most) = (f64::from(s.least), f64::from(s.most));
            let x = if x > least { x } else { least };
            let x = if x < most { x } else { most };
            i64::nearest(x) as $T
        }
    })* };
}
medium! { u32 i32 }

/// 64 bits: products need 128.
macro_rules! wide {
    ($($T:ty)*) => { $(impl Element for $T {
        common! { $T }
        #[inline(always)]
        fn int<K: Count>(s: &Steps<Self>, x: Self) -> K {
            let d = x.wrapping_sub(s.base) as i64;
            if s.wide_step == 1 {
                return K::from_i64(d);
            }
            // Towards zero first: neither the sum nor the step may overflow.
            let (q, r) = (d.unsigned_abs() / s.wide_step, d.unsigned_abs() % s.wide_step);
            let q = (q + u64::from(r > s.wide_step / 2)) as i64;
            K::from_i64(if d < 0 { q.wrapping_neg() } else { q })
        }
        #[inline(always)]
        fn value<K: Count>(s: &Steps<Self>, k: K) -> Self {
            if s.wide_step == 1 {
                return s.base.wrapping_add(k.to_i64() as $T);
            }
            let x = i128::from(s.base) + i128::from(k.to_i64()) * i128::from(s.wide_step);
            x.clamp(s.least.into(), s.most.into()) as $T
        }
    })* };
}
wide! { u64 i64 }

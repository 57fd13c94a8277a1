//! The sub-grid of a bound for integers: finer than their steps, so that interpolation between them has room.

use super::even::FINE_LIMIT;
use super::kernel::{BLOCK, Count, Stats, drive, flag};
use super::survey::Survey;
use super::whole;
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, with_integer};
use crate::coding::Bound;
use crate::coding::bound::Value;
use crate::coding::bytes::{Put, Reader};
use crate::coding::holes::Holes;
use crate::error::{Result, refuse};

/// Widest range of values: differences and their products are exact in float64.
const WIDEST: i128 = 1 << 50;

/// x' = `base` + round(k·`unit`), clamped to the dtype, with unit = (2n + 1)/q for a bound of n and a `fineness` of q (odd).
///
/// A predictor may give back any integer within (q − 1)/2 of k: then |k'·unit − (x − base)| < n + ½, so |x' − x| <= n. Equality
/// would need 2(x − base)·q = (2n + 1)·(an odd number), even against odd.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Fine {
    pub(super) base: i128,
    pub(in crate::coding) unit: f64,
    pub(in crate::coding) fineness: u32,
}

impl Fine {
    /// The grid of the greatest fineness at most `fineness` that leaves the integers below the limit of interpolation. `None`
    /// where the bound is less than 1, the range too wide, or nothing finer than the plain steps fits.
    pub(super) fn fit(dtype: DType, survey: &Survey, bound: &Bound, fineness: u32) -> Option<Self> {
        let room = whole::room(survey, bound);
        let (low, high) = survey.whole;
        if room == 0 || !survey.regular || high - low >= WIDEST || dtype == DType::Bool {
            return None;
        }
        let base = low + (high - low) / 2;
        let reach = (high - base).max(base - low) as f64;
        let mut q = fineness | 1;
        while q > 1 {
            let unit = (2 * room + 1) as f64 / f64::from(q);
            if reach / unit < FINE_LIMIT - 1.0 {
                return Some(Self { base, unit, fineness: q });
            }
            q = q / 2 - u32::from((q / 2).is_multiple_of(2));
        }
        None
    }

    pub(super) fn int(&self, x: i128) -> i128 {
        i64::nearest((x - self.base) as f64 / self.unit).into()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put_u64(self.base as u64);
        out.put_f64(self.unit);
        out.put_varint(self.fineness.into());
    }

    pub(super) fn read(reader: &mut Reader<'_>, dtype: DType) -> Result<Self> {
        let (base, unit, q) = (reader.u64()?, reader.f64()?, reader.length(u16::MAX.into())?);
        let base = if dtype == DType::U64 { i128::from(base) } else { i128::from(base as i64) };
        let (least, most) = whole::range(dtype);
        if !(unit > 0.0 && unit.is_finite()) || q % 2 == 0 || base < least || base > most {
            return refuse!(
                Corrupt,
                "a coded chunk has a grid of {dtype} of step {unit} from {base} with fineness {q}"
            );
        }
        Ok(Self { base, unit, fineness: q as u32 })
    }

    pub(super) fn forward<K: Count>(
        &self,
        values: &Buf,
        bound: &Bound,
        fill: Option<u64>,
        ints: &mut [K],
        holes: &mut Holes,
    ) -> Stats {
        let (base, unit, per) = (self.base, self.unit, 1.0 / self.unit);
        with_integer!(values.dtype(), T => {
            let v = values.slice::<T>();
            let (base, fill) = (base as T, fill.map(|f| f as T));
            let mut y = [T::default(); BLOCK];
            drive(
                ints,
                holes,
                |start, k, flags| {
                    let n = k.len();
                    let (x, y) = (&v[start..start + n], &mut y[..n]);
                    vectorize(
                        #[inline(always)]
                        || {
                            for i in 0..n {
                                k[i] = K::nearest(T::less(x[i], base) * per);
                            }
                            for i in 0..n {
                                y[i] = T::more(base, k[i].wide() * unit);
                            }
                        },
                    );
                    let mut any = bound.doubt(x, y, flags);
                    if let Some(fill) = fill {
                        any |= flag(x, flags, |x| x == fill);
                    }
                    any
                },
                |i, k| !bound.allows_int(v[i].into(), T::more(base, k.wide() * unit).into()),
            )
        }, else Stats::default())
    }

    pub(super) fn inverse<K: Count>(&self, ints: &[K], out: &mut Buf) {
        let (base, unit, bool) = (self.base, self.unit, out.dtype() == DType::Bool);
        with_integer!(out.dtype(), T => {
            let (base, out) = (base as T, out.slice_mut::<T>());
            vectorize(
                #[inline(always)]
                || {
                    for (k, out) in ints.iter().zip(&mut *out) {
                        *out = T::more(base, k.wide() * unit);
                    }
                },
            );
            if bool {
                out.iter_mut().for_each(|x| *x = (*x).min(1));
            }
        }, else ());
    }
}

/// An integer and its distance from the base in float64.
trait Near: Value + Into<i128> {
    /// x − base, exact below 2^51.
    fn less(x: Self, base: Self) -> f64;
    /// base + the nearest integer of `d`, clamped.
    fn more(base: Self, d: f64) -> Self;
}

macro_rules! narrow {
    ($($T:ty)*) => { $(impl Near for $T {
        #[inline(always)]
        fn less(x: Self, base: Self) -> f64 {
            f64::from(x) - f64::from(base)
        }
        #[inline(always)]
        fn more(base: Self, d: f64) -> Self {
            let x = f64::from(base) + d;
            let (least, most) = (f64::from(<$T>::MIN), f64::from(<$T>::MAX));
            let x = if x > least { x } else { least };
            let x = if x < most { x } else { most };
            i64::nearest(x) as $T
        }
    })* };
}
narrow! { u8 i8 u16 i16 u32 i32 }

macro_rules! wide {
    ($($T:ty, $add:ident;)*) => { $(impl Near for $T {
        #[inline(always)]
        fn less(x: Self, base: Self) -> f64 {
            Count::wide(x.wrapping_sub(base) as i64)
        }
        #[inline(always)]
        fn more(base: Self, d: f64) -> Self {
            base.$add(i64::nearest(d))
        }
    })* };
}
wide! { u64, saturating_add_signed; i64, saturating_add; }

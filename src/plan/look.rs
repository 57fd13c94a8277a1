//! One look at all values: range, special values, and which shorter forms they may have. What is found here is only a guess at
//! what the steps can do without loss; [`super::find`] proves each one by running them.

use half::slice::HalfFloatSliceExt;

use crate::array::simd::vectorize;
use crate::array::{Buf, DType, DTypeKind, with_float, with_integer};
use crate::error::Result;
use crate::transform::{Fill, Range};

/// Values taken at a time: they stay in the first-level cache.
const CHUNK: usize = 1024;

/// More decimals than this are no sign of decimal data: float64 has 15 to 17.
const MAX_DIGITS: u32 = 15;

/// Codes of a grid stay below this, where float64 holds them and their halves.
const MOST_CODE: f64 = (1u64 << 51) as f64;

/// More distinct values than this are not few.
pub(super) const FEW: usize = 256;

/// What all values have in common, gathered part by part. Merging is independent of order.
#[derive(Debug, Clone)]
pub(super) struct Look {
    dtype: DType,
    fill: Option<u64>,
    /// Finite values other than the fill value, complex ones by their parts.
    pub(super) range: Range,
    /// Every mantissa bit that occurs in a finite float.
    mantissa: u64,
    /// Whether float32 and float16 hold every finite float.
    pub(super) float32: bool,
    pub(super) float16: bool,
    /// Decimals that give every finite float back; over [`MAX_DIGITS`]: none do.
    digits: u32,
    /// The greatest common divisor of the values in units of the last of those decimals; 0 of zeros alone.
    divisor: u64,
    /// Bit patterns that occurred, sorted; `None` once there are more than [`FEW`], and for complex values.
    distinct: Option<Vec<u64>>,
}

/// Euclid's algorithm; gcd(0, n) = n.
fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Look {
    /// At an array of `dtype`; values of `fill`'s bits are only counted.
    pub(super) fn new(dtype: DType, fill: Option<Fill>) -> Result<Self> {
        let fill = fill.filter(|_| dtype.part() == dtype);
        Ok(Self {
            dtype,
            fill: fill.map(|f| f.bits(dtype)).transpose()?,
            range: Range::new(fill),
            mantissa: 0,
            float32: true,
            float16: true,
            digits: 0,
            divisor: 0,
            distinct: (dtype.part() == dtype).then(Vec::new),
        })
    }

    /// Takes all values of `buf` in.
    pub(super) fn add(&mut self, buf: &Buf) -> Result<()> {
        self.range.add(buf)?;
        self.add_distinct(buf);
        let part = self.dtype.part();
        match part.kind() {
            DTypeKind::Float => with_float!(part, T => self.add_floats::<T>(buf.slice()), else ()),
            DTypeKind::Int | DTypeKind::Uint => {
                with_integer!(part, T => self.add_integers(buf.slice::<T>().iter().map(|v| i128::from(*v))), else ());
            }
            _ => {}
        }
        Ok(())
    }

    fn add_floats<T: Plain>(&mut self, values: &[T]) {
        let mut wide = [0f64; CHUNK];
        let fill = self.fill;
        for chunk in values.chunks(CHUNK) {
            // What is not finite, and the fill value, becomes 0, which every shorter form holds.
            let mantissa = vectorize(
                #[inline(always)]
                || {
                    let mut all = 0;
                    for (w, v) in wide.iter_mut().zip(chunk) {
                        let x = v.wide();
                        let counts = x.is_finite() & (fill != Some(v.raw()));
                        *w = if counts { x } else { 0.0 };
                        all |= if counts { v.raw() } else { 0 };
                    }
                    all
                },
            );
            self.mantissa |= mantissa & ((1 << T::MANTISSA) - 1);
            self.add_wide(&wide[..chunk.len()], T::MANTISSA < 52);
        }
    }

    fn add_wide(&mut self, values: &[f64], single: bool) {
        if self.float32 {
            let lost = vectorize(
                #[inline(always)]
                || values.iter().fold(0, |lost, v| lost | (f64::from(*v as f32).to_bits() ^ v.to_bits())),
            );
            self.float32 = lost == 0;
            self.float16 &= self.float32;
        }
        if self.float16 {
            self.float16 = is_float16(values);
        }
        while self.digits <= MAX_DIGITS && !decimals(values, self.digits, single) {
            self.digits += 1;
            self.divisor = self.divisor.saturating_mul(10);
        }
        if self.digits <= MAX_DIGITS && self.divisor != 1 {
            let scale = power(self.digits);
            self.divide(values.iter().map(|v| (v * scale).round_ties_even().abs() as u64));
        }
    }

    fn add_integers(&mut self, values: impl Iterator<Item = i128>) {
        let fill = self.fill.map(|bits| signed(self.dtype, bits));
        self.divide(values.filter(|v| Some(*v) != fill).map(|v| v.unsigned_abs() as u64));
    }

    fn divide(&mut self, values: impl Iterator<Item = u64>) {
        let mut divisor = self.divisor;
        for v in values {
            if divisor == 1 {
                break;
            }
            if divisor == 0 || v % divisor != 0 {
                divisor = gcd(divisor, v);
            }
        }
        self.divisor = divisor;
    }

    fn add_distinct(&mut self, buf: &Buf) {
        if self.distinct.is_none() {
            return;
        }
        match self.dtype.size() {
            1 => self.add_words(buf.slice::<u8>().iter().map(|w| u64::from(*w))),
            2 => self.add_words(buf.slice::<u16>().iter().map(|w| u64::from(*w))),
            4 => self.add_words(buf.slice::<u32>().iter().map(|w| u64::from(*w))),
            _ => self.add_words(buf.slice::<u64>().iter().copied()),
        }
    }

    fn add_words(&mut self, words: impl Iterator<Item = u64>) {
        let Some(seen) = &mut self.distinct else { return };
        let mut last = None;
        for word in words {
            // Runs of one value are common.
            if last == Some(word) {
                continue;
            }
            last = Some(word);
            if let Err(place) = seen.binary_search(&word) {
                if seen.len() == FEW {
                    self.distinct = None;
                    return;
                }
                seen.insert(place, word);
            }
        }
    }

    /// Adds what another look at other values of the same array found.
    pub(super) fn merge(&mut self, mut other: Look) {
        self.range.merge(&other.range);
        self.mantissa |= other.mantissa;
        self.float32 &= other.float32;
        self.float16 &= other.float16;
        for look in [&mut *self, &mut other] {
            look.divisor = if look.digits > MAX_DIGITS { 1 } else { look.divisor };
        }
        let digits = self.digits.max(other.digits);
        let finer = |look: &Look| look.divisor.saturating_mul(10u64.saturating_pow(digits - look.digits));
        self.divisor = gcd(finer(self), finer(&other));
        self.digits = digits;
        let words = other.distinct;
        match words {
            Some(words) => self.add_words(words.into_iter()),
            None => self.distinct = None,
        }
    }

    /// Least and greatest finite value, where there is one.
    pub(super) fn bounds(&self) -> Option<(f64, f64)> {
        let float = self.dtype.part().kind() == DTypeKind::Float;
        let (low, high) = self.range.integers;
        (self.range.finite > 0).then_some(if float { self.range.floats } else { (low as f64, high as f64) })
    }

    /// The grid that gives every value back: a number of decimals, and of how many of its last ones the values are multiples.
    pub(super) fn grid(&self) -> Option<(u32, u64)> {
        (self.digits <= MAX_DIGITS && self.range.finite > 0).then_some((self.digits, self.divisor.max(1)))
    }

    /// How many of the lowest bits of the mantissa are zero in every finite float, where any bit is not.
    pub(super) fn idle_bits(&self) -> Option<u32> {
        (self.mantissa != 0).then(|| self.mantissa.trailing_zeros())
    }

    /// How many different bit patterns there are, if few.
    pub(super) fn few(&self) -> Option<usize> {
        self.distinct.as_ref().map(Vec::len)
    }
}

/// The integer whose low bits are `bits`.
fn signed(dtype: DType, bits: u64) -> i128 {
    let shift = 64 - 8 * dtype.size() as u32;
    if dtype.kind() == DTypeKind::Int { i128::from(((bits << shift) as i64) >> shift) } else { i128::from(bits) }
}

/// 10^`digits`, exact: at most 10^15.
fn power(digits: u32) -> f64 {
    10u64.pow(digits.min(MAX_DIGITS + 3)) as f64
}

/// Whether decimals of `digits` digits give every value back; as float32 where `single`.
fn decimals(values: &[f64], digits: u32, single: bool) -> bool {
    let scale = power(digits);
    vectorize(
        #[inline(always)]
        move || {
            values.iter().fold(true, |all, v| {
                let code = (v * scale).round_ties_even();
                let d = code / scale;
                all & (code.abs() < MOST_CODE) & ((d == *v) | (single & (d as f32 == *v as f32)))
            })
        },
    )
}

/// Whether float16 holds every one of `values`, which float32 holds.
fn is_float16(values: &[f64]) -> bool {
    let (mut single, mut half, mut back) = ([0f32; CHUNK], [half::f16::ZERO; CHUNK], [0f32; CHUNK]);
    let n = values.len().min(CHUNK);
    single[..n].iter_mut().zip(values).for_each(|(s, v)| *s = *v as f32);
    half[..n].convert_from_f32_slice(&single[..n]);
    half[..n].convert_to_f32_slice(&mut back[..n]);
    single[..n].iter().zip(&back[..n]).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// A float and its bits.
trait Plain: Copy {
    /// Explicit mantissa bits.
    const MANTISSA: u32;
    fn wide(self) -> f64;
    fn raw(self) -> u64;
}

macro_rules! plain {
    ($($T:ty, $mantissa:literal;)*) => { $(impl Plain for $T {
        const MANTISSA: u32 = $mantissa;

        #[inline(always)]
        fn wide(self) -> f64 {
            f64::from(self)
        }

        #[inline(always)]
        fn raw(self) -> u64 {
            u64::from(self.to_bits())
        }
    })* };
}
plain! { half::f16, 10; f32, 23; f64, 52; }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Element;

    fn of<T: Element>(values: &[T], fill: Option<Fill>) -> Look {
        let mut all = Look::new(T::DTYPE, fill).unwrap();
        // In two parts, merged against their order.
        let (a, b) = values.split_at(values.len() / 2);
        for part in [b, a] {
            let mut one = Look::new(T::DTYPE, fill).unwrap();
            one.add(&Buf::from_slice(part).unwrap()).unwrap();
            all.merge(one);
        }
        all
    }

    #[test]
    fn decimals_and_common_steps_are_found_across_parts() {
        assert_eq!(of(&[0.5, 1.25, -3.0, 0.0], None).grid(), Some((2, 25)));
        assert_eq!(of(&[0.1, 20.35, -7.0, f64::NAN], None).grid(), Some((2, 5)));
        assert_eq!(of(&[0.1f32, 273.15, 9.99], None).grid(), Some((2, 1)));
        assert_eq!(of(&[3600i64, -7200, 1_000_800], None).grid(), Some((0, 3600)));
        assert_eq!(of(&[0u16, 0, 0], None).grid(), Some((0, 1)));
        assert_eq!(of(&[1.0, std::f64::consts::PI, 2.0, 4.0], None).grid(), None);
        assert_eq!(of(&[0.25, 1e20, 1.5, 2.0], Some(Fill::Float(1e20))).grid(), Some((2, 25)));
    }

    #[test]
    fn precision_in_use_and_few_values_are_told() {
        let look = of(&[0.1f32, 0.2, 0.3, 7.0].map(f64::from), None);
        assert!(look.float32 && !look.float16);
        assert_eq!((look.idle_bits(), look.few()), (Some(29), Some(4)));
        assert!(of(&[1.5, 2.25, 65504.0], None).float16);
        assert!(!of(&[1.5, 2.25, 65520.0], None).float16);
        let many: Vec<u32> = (0..300).collect();
        assert_eq!(of(&many, None).few(), None);
    }
}

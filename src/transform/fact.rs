//! What a step may have to know about the data before its parameters are settled, gathered in one pass.

use std::fmt;
use std::str::FromStr;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::array::simd::vectorize;
use crate::array::{Buf, DType, DTypeKind, with_float, with_integer};
use crate::error::{Error, Result, refuse};

/// A fill value ("missing here"), as the user or a file's `_FillValue` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fill {
    /// A non-negative integer.
    Uint(u64),
    /// A negative integer.
    Int(i64),
    /// Any other number.
    Float(f64),
}

impl Fill {
    /// The bit pattern of the fill value as an element of `dtype`, in the low bits. Refused where the dtype cannot hold it.
    pub fn bits(self, dtype: DType) -> Result<u64> {
        let as_float = match self {
            Fill::Uint(u) => u as f64,
            Fill::Int(i) => i as f64,
            Fill::Float(x) => x,
        };
        let as_int = match self {
            Fill::Uint(u) => Some(i128::from(u)),
            Fill::Int(i) => Some(i128::from(i)),
            Fill::Float(x) => (x.fract() == 0.0 && x.abs() < 1e19).then_some(x as i128),
        };
        let bits = match dtype {
            DType::F16 => {
                let h = super::float16::from_f64(as_float);
                (h.is_finite() || !as_float.is_finite()).then(|| u64::from(h.to_bits()))
            }
            DType::F32 => {
                let f = as_float as f32;
                (f.is_finite() || !as_float.is_finite()).then(|| u64::from(f.to_bits()))
            }
            DType::F64 => Some(as_float.to_bits()),
            // The low 64 bits of an integer that the dtype holds are its bits, sign-extended.
            other => {
                as_int.filter(|i| with_integer!(other, T => T::try_from(*i).is_ok(), else false)).map(|i| i as u64)
            }
        };
        match bits {
            Some(bits) => Ok(bits & (u64::MAX >> (64 - 8 * dtype.size().min(8)))),
            None => refuse!(Recipe, "the fill value {self} is not a {dtype} value; give one that {dtype} can hold"),
        }
    }
}

impl FromStr for Fill {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(u) = text.parse() {
            return Ok(Fill::Uint(u));
        }
        if let Ok(i) = text.parse() {
            return Ok(Fill::Int(i));
        }
        match text.parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(Fill::Float(x)),
            Ok(x) => refuse!(Usage, "the fill value {x} needs no flag: NaN and infinities always come back exactly"),
            Err(_) => refuse!(Usage, "the fill value {text:?} is not a number; write e.g. 1e20 or -9999"),
        }
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fill::Uint(u) => write!(f, "{u}"),
            Fill::Int(i) => write!(f, "{i}"),
            Fill::Float(x) => write!(f, "{x:e}"),
        }
    }
}

/// What must be known about a step's input before its parameters are settled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FactNeeded {
    /// Nothing.
    Nothing,
    /// The first element.
    First,
    /// The range of all finite values other than `fill`, and which special values occur.
    Range {
        /// The fill value, kept out of the range.
        fill: Option<Fill>,
    },
}

/// What is known, in answer to a [`FactNeeded`].
#[derive(Debug, Clone)]
pub enum Fact {
    /// Nothing was asked.
    Nothing,
    /// The first element, or an empty buffer for an empty array.
    First(Buf),
    /// The range.
    Range(Range),
}

/// The range of the finite values of real data without the fill value, and how often each special value occurs.
/// Exact for every dtype: integers are held as integers. Merging is independent of order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    fill: Option<Fill>,
    /// Finite values other than the fill value.
    pub finite: u64,
    /// Least and greatest finite float (as `f64`, exactly).
    pub floats: (f64, f64),
    /// Least and greatest integer.
    pub integers: (i128, i128),
    /// NaN values.
    pub nan: u64,
    /// Positive infinities.
    pub pos_inf: u64,
    /// Negative infinities.
    pub neg_inf: u64,
    /// Values with the fill value's bits.
    pub fills: u64,
}

/// Values looked at between two questions whether anything special was among them.
const CHUNK: usize = 1024;

impl Range {
    /// The range of nothing yet, with `fill` to be kept out.
    pub fn new(fill: Option<Fill>) -> Self {
        Self {
            fill,
            finite: 0,
            floats: (f64::INFINITY, f64::NEG_INFINITY),
            integers: (i128::MAX, i128::MIN),
            nan: 0,
            pos_inf: 0,
            neg_inf: 0,
            fills: 0,
        }
    }

    /// The range of one integer dtype's possible values up to `ceiling`: for a step whose parameters tell its output.
    pub fn up_to(ceiling: u64) -> Self {
        Self { finite: 1, integers: (0, i128::from(ceiling)), ..Self::new(None) }
    }

    /// The range of `count` zeros.
    pub fn of_zeros(count: u64, fill: Option<Fill>) -> Self {
        let empty = Self::new(fill);
        if count == 0 { empty } else { Self { finite: count, floats: (0.0, 0.0), integers: (0, 0), ..empty } }
    }

    /// Takes all values of `buf` in. Complex values by their parts.
    pub fn add(&mut self, buf: &Buf) -> Result<()> {
        let dtype = buf.dtype().part();
        let fill = self.fill.map(|f| f.bits(dtype)).transpose()?;
        match dtype.kind() {
            DTypeKind::Float => with_float!(dtype, T => self.add_floats::<T>(buf.slice(), fill), else {}),
            _ => with_integer!(dtype, T => self.add_integers::<T>(buf.slice(), fill), else {}),
        }
        Ok(())
    }

    fn add_floats<T: RealFloat>(&mut self, values: &[T], fill: Option<u64>) {
        // A fill value that cannot occur: a NaN pattern nobody asked for is found by the NaN test anyway.
        let fill_bits = fill.unwrap_or(T::NAN_BITS);
        for chunk in values.chunks(CHUNK) {
            let (low, high, special) = vectorize(
                #[inline(always)]
                || scan_floats(chunk, fill_bits),
            );
            if !special {
                self.finite += chunk.len() as u64;
                self.floats = (self.floats.0.min(low), self.floats.1.max(high));
                continue;
            }
            for v in chunk {
                let x = v.wide();
                if fill == Some(v.raw()) {
                    self.fills += 1;
                } else if x.is_nan() {
                    self.nan += 1;
                } else if x == f64::INFINITY {
                    self.pos_inf += 1;
                } else if x == f64::NEG_INFINITY {
                    self.neg_inf += 1;
                } else {
                    self.finite += 1;
                    self.floats = (self.floats.0.min(x), self.floats.1.max(x));
                }
            }
        }
    }

    fn add_integers<T: Copy + Ord + Into<i128> + TryFrom<i128>>(&mut self, values: &[T], fill: Option<u64>) {
        let fill = fill.and_then(|bits| {
            let size = size_of::<T>();
            let shift = 64 - 8 * size;
            // The fill's low bits as this dtype: try the unsigned reading, then the sign-extended one.
            T::try_from(i128::from(bits)).or_else(|_| T::try_from(i128::from(((bits << shift) as i64) >> shift))).ok()
        });
        let mut bounds: Option<(T, T)> = None;
        let mut finite = 0;
        for v in values {
            if fill == Some(*v) {
                self.fills += 1;
                continue;
            }
            finite += 1;
            bounds = Some(bounds.map_or((*v, *v), |(a, b)| (a.min(*v), b.max(*v))));
        }
        self.finite += finite;
        if let Some((low, high)) = bounds {
            self.integers = (self.integers.0.min(low.into()), self.integers.1.max(high.into()));
        }
    }

    /// Takes all that `other` has seen in.
    pub fn merge(&mut self, other: &Range) {
        self.finite += other.finite;
        self.floats = (self.floats.0.min(other.floats.0), self.floats.1.max(other.floats.1));
        self.integers = (self.integers.0.min(other.integers.0), self.integers.1.max(other.integers.1));
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
        self.fills += other.fills;
    }
}

/// The floats whose range can be taken.
trait RealFloat: Copy {
    /// A NaN that arithmetic does not make, so that no value is taken for an absent fill value.
    const NAN_BITS: u64;
    fn wide(self) -> f64;
    fn raw(self) -> u64;
}

macro_rules! real_float {
    ($($T:ty, $wide:expr;)*) => { $(impl RealFloat for $T {
        const NAN_BITS: u64 = (<$T>::NAN.to_bits() as u64) | 1;
        #[inline(always)]
        fn wide(self) -> f64 { let wide: fn($T) -> f64 = $wide; wide(self) }
        #[inline(always)]
        fn raw(self) -> u64 { u64::from(self.to_bits()) }
    })* };
}
real_float! {
    f16, |x| f64::from(super::float16::to_f32(x));
    f32, f64::from;
    f64, |x| x;
}

#[inline(always)]
fn scan_floats<T: RealFloat>(chunk: &[T], fill_bits: u64) -> (f64, f64, bool) {
    const LANES: usize = 16;
    let mut low = [f64::INFINITY; LANES];
    let mut high = [f64::NEG_INFINITY; LANES];
    let mut special = [0u64; LANES];
    let (groups, rest) = chunk.as_chunks::<LANES>();
    let mut step = |l: usize, v: T| {
        let x = v.wide();
        low[l] = if x < low[l] { x } else { low[l] };
        high[l] = if x > high[l] { x } else { high[l] };
        special[l] |= u64::from(!x.is_finite()) | u64::from(v.raw() == fill_bits);
    };
    for group in groups {
        for (l, v) in group.iter().enumerate() {
            step(l, *v);
        }
    }
    for v in rest {
        step(0, *v);
    }
    let low = low.iter().copied().fold(f64::INFINITY, f64::min);
    let high = high.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high, special.iter().any(|s| *s != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_values_are_counted_and_kept_out_of_the_range() {
        let mut values = vec![1.5f32; 3000];
        values[5] = f32::NAN;
        values[1100] = f32::INFINITY;
        values[2900] = 1e20;
        values[2999] = -7.0;
        let mut range = Range::new(Some(Fill::Float(1e20)));
        range.add(&Buf::from_slice(&values).unwrap()).unwrap();
        assert_eq!((range.finite, range.nan, range.pos_inf, range.neg_inf, range.fills), (2997, 1, 1, 0, 1));
        assert_eq!(range.floats, (-7.0, 1.5));
    }

    #[test]
    fn integer_fills_are_kept_out_whatever_their_sign() {
        let mut range = Range::new(Some(Fill::Int(-9999)));
        range.add(&Buf::from_slice(&[3i16, -9999, 8]).unwrap()).unwrap();
        assert_eq!((range.finite, range.fills, range.integers), (2, 1, (3, 8)));
        assert!(Fill::Int(-1).bits(DType::U8).is_err());
        assert_eq!(Fill::Uint(u64::MAX).bits(DType::U64).ok(), Some(u64::MAX));
    }
}

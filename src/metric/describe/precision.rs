//! How much of its dtype's precision an array uses: what a lossless step could drop.

use half::slice::HalfFloatSliceExt;

use crate::array::simd::vectorize;
use crate::array::{DType, DTypeKind};
use crate::metric::comparison::Precision;
use crate::metric::fold::CHUNK;

/// More decimal digits than this are no sign of decimal data: float64 has 15 to 17.
const MAX_DIGITS: u32 = 15;

/// Gathers it, chunk by chunk. Bits are or-ed, flags and-ed, digits maximal: any order gives the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PrecisionSeen {
    /// Every mantissa bit that occurred, of values as f64.
    mantissa: u64,
    float32: bool,
    float16: bool,
    /// Digits that suffice so far; over [`MAX_DIGITS`]: none do.
    digits: u32,
    /// Whether values have only 24 bits, so that fewer digits give them back.
    single: bool,
    /// float16: its own spacing decides.
    half: bool,
    applies: bool,
}

impl PrecisionSeen {
    pub(super) fn new(dtype: DType) -> Self {
        let part = dtype.part();
        Self {
            mantissa: 0,
            float32: true,
            float16: true,
            digits: 0,
            single: part == DType::F32,
            half: part == DType::F16,
            applies: dtype.kind() == DTypeKind::Float,
        }
    }

    /// Takes a chunk in. `values` are finite: what is not was set to 0.
    pub(super) fn add(&mut self, values: &[f64]) {
        if !self.applies {
            return;
        }
        self.mantissa |= self.mantissas(values);
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
        while self.digits <= MAX_DIGITS && !self.enough(values) {
            self.digits += 1;
        }
    }

    /// Every explicit mantissa bit of the dtype that occurs, at the place where float64 has it.
    fn mantissas(&self, values: &[f64]) -> u64 {
        let narrow = |bits: u64, kept: u32| (bits & ((1 << kept) - 1)) << (52 - kept);
        // Subnormals of a narrower dtype are normal as float64, with other bits.
        if self.half {
            values.iter().fold(0, |m, v| m | narrow(super::to_half(*v).to_bits().into(), 10))
        } else if self.single {
            values.iter().fold(0, |m, v| m | narrow((*v as f32).to_bits().into(), 23))
        } else {
            vectorize(
                #[inline(always)]
                || values.iter().fold(0, |m, v| m | v.to_bits()),
            ) & ((1 << 52) - 1)
        }
    }

    /// Whether decimals of `digits` digits give every value back.
    fn enough(&self, values: &[f64]) -> bool {
        let scale = 10f64.powi(self.digits as i32);
        // From here on decimals lie closer than the values themselves.
        let dense = match (self.half, self.single) {
            (true, _) => 2048.0,
            (_, true) => 16_777_216.0,
            _ => 9_007_199_254_740_992.0,
        };
        let decimal = move |v: f64| (v * scale).round_ties_even() / scale;
        if self.half {
            let same = |v: &f64| super::to_half(decimal(*v)) == super::to_half(*v) || (v * scale).abs() >= dense;
            return values.iter().all(same);
        }
        let single = self.single;
        // No early end: whole vectors are faster than finding the first value that needs more digits.
        vectorize(
            #[inline(always)]
            move || {
                values.iter().fold(true, |enough, v| {
                    let d = decimal(*v);
                    let same = (d == *v) | ((v * scale).abs() >= dense) | (single & (d as f32 == *v as f32));
                    enough & same
                })
            },
        )
    }

    pub(super) fn merge(&mut self, other: &PrecisionSeen) {
        self.mantissa |= other.mantissa;
        self.float32 &= other.float32;
        self.float16 &= other.float16;
        self.digits = self.digits.max(other.digits);
    }

    pub(super) fn finish(&self) -> Option<Precision> {
        self.applies.then(|| Precision {
            mantissa_bits: Some(if self.mantissa == 0 { 0 } else { 52 - self.mantissa.trailing_zeros() }),
            float16: self.float16,
            float32: self.float32,
            decimal_digits: (self.digits <= MAX_DIGITS).then_some(self.digits),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dtype: DType, values: &[f64]) -> Precision {
        let mut seen = PrecisionSeen::new(dtype);
        values.chunks(3).for_each(|c| seen.add(c));
        seen.finish().unwrap()
    }

    #[test]
    fn precision_in_use_is_told_in_bits_and_digits() {
        let p = of(DType::F64, &[0.5, 1.25, -3.0, 0.0]);
        assert_eq!(p, Precision { mantissa_bits: Some(2), float16: true, float32: true, decimal_digits: Some(2) });
        let p = of(DType::F64, &[0.1, 20.35, -7.0]);
        assert_eq!((p.float32, p.decimal_digits, p.mantissa_bits), (false, Some(2), Some(51)));
        let p = of(DType::F32, &[f64::from(0.1f32), f64::from(273.15f32)]);
        assert_eq!((p.float16, p.float32, p.decimal_digits), (false, true, Some(2)));
        let p = of(DType::F64, &[std::f64::consts::PI / 10.0]);
        assert_eq!(p.decimal_digits, None);
        assert_eq!(of(DType::F64, &[1e300]).decimal_digits, Some(0));
        assert!(of(DType::F64, &[65504.0]).float16);
        assert!(!of(DType::F64, &[65520.0]).float16);
        assert_eq!(PrecisionSeen::new(DType::I32).finish(), None);
    }
}

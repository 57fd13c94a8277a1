//! Mantissa rounding: the dtype stays, the low bits become zero, and what compresses afterwards gets smaller.

use half::f16;
use serde::{Deserialize, Serialize};

use super::{Asked, Fact, FactNeeded, Fidelity, Fill, Io, Refusal, Refused, Step, Transform, unfit};
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, DTypeKind, Span, Spec, total, with_float};
use crate::error::{Error, ErrorKind, Result, refuse};

/// Keeps `keepbits` explicit mantissa bits, rounding to nearest, ties to even; complex values by their parts.
///
/// For every normal x: |restored − x| ≤ 2^−(keepbits + 1) · |x|. Finite values stay finite, signed zeros, infinities and
/// NaN keep their bits, and rounding again changes nothing. JSON: `{"step": "bit-round", "keepbits": 10}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitRound {
    /// Explicit mantissa bits kept: 0 up to one fewer than the dtype has.
    pub keepbits: u8,
    /// A value that comes back with its exact bits though the mantissa would not: the array's fill value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
}

/// A float with its mantissa bits at hand: `f16`, `f32`, `f64`.
pub trait Mantissa: Copy {
    /// Explicit mantissa bits: 10, 23, 52.
    const MANTISSA_BITS: u8;

    /// This value rounded to the mantissa bits that `dropped` (not 0) leaves.
    #[doc(hidden)]
    fn without_low_bits(self, dropped: u32) -> Self;
}

macro_rules! mantissa {
    // `$signed` is the same word with a sign: AVX2 compares 64-bit words only so.
    ($($T:ident $word:ident $signed:ident $mantissa:literal;)*) => { $(impl Mantissa for $T {
        const MANTISSA_BITS: u8 = $mantissa;

        #[inline(always)]
        fn without_low_bits(self, dropped: u32) -> Self {
            const SIGN: $word = 1 << ($word::BITS - 1);
            const INFINITY: $word = $T::INFINITY.to_bits();
            let unit: $word = 1 << (dropped & ($word::BITS - 1));
            let bits = self.to_bits();
            let magnitude = bits & !SIGN;
            // Half a unit less one, and one more where the last kept bit is 1: nearest, ties to even. The carry into the
            // exponent is the right one, and subnormals need nothing of their own.
            let up = (unit >> 1) - 1 + (magnitude >> (dropped & ($word::BITS - 1)) & 1);
            let rounded = (magnitude.wrapping_add(up) & unit.wrapping_neg()) as $signed;
            let largest = (INFINITY - unit) as $signed;
            let rounded = (if rounded > largest { largest } else { rounded }) as $word;
            let special = magnitude as $signed >= INFINITY as $signed;
            $T::from_bits((bits & SIGN) | if special { magnitude } else { rounded })
        }
    })* };
}
mantissa! {
    f16 u16 i16 10;
    f32 u32 i32 23;
    f64 u64 i64 52;
}

/// Rounds each of `from` to `keepbits` explicit mantissa bits, nearest, ties to even, into `to`.
///
/// A value that would round up to infinity becomes the largest finite one with that many bits. Infinities, NaN and signed
/// zeros keep their bits. For normal x the error is at most 2^−(keepbits + 1) · |x|, for subnormal x at most half of the
/// lowest kept bit. Complex values: cast the slice to their parts.
///
/// Refused with `ErrorKind::Usage` where the lengths differ, with `ErrorKind::Recipe` where the type has fewer bits.
///
/// ```
/// use ndcompact::transform::bit_round;
///
/// let mut rounded = [0.0f32; 4];
/// bit_round(&[1.3, 1.375, -0.0, f32::MAX], &mut rounded, 2)?;
/// assert_eq!(rounded, [1.25, 1.5, -0.0, 1.75 * 2f32.powi(127)]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
pub fn bit_round<T: Mantissa>(from: &[T], to: &mut [T], keepbits: u8) -> Result<()> {
    if from.len() != to.len() {
        return refuse!(Usage, "{} values do not fit a slice of {}; give slices of one length", from.len(), to.len());
    }
    let Some(dropped) = T::MANTISSA_BITS.checked_sub(keepbits).map(u32::from) else {
        return refuse!(Recipe, "{keepbits} mantissa bits of {} cannot be kept; give at most that", T::MANTISSA_BITS);
    };
    if dropped == 0 {
        to.copy_from_slice(from);
        return Ok(());
    }
    vectorize(
        #[inline(always)]
        move || {
            for (x, y) in from.iter().zip(to) {
                *y = x.without_low_bits(dropped);
            }
        },
    );
    Ok(())
}

/// Puts back every word that was `kept`.
fn keep<W: Copy + PartialEq>(from: &[W], to: &mut [W], kept: W) {
    vectorize(
        #[inline(always)]
        move || {
            for (x, y) in from.iter().zip(to) {
                *y = if *x == kept { kept } else { *y };
            }
        },
    );
}

/// Mantissa bits of the float dtype or of the parts of the complex one; none for other dtypes.
fn mantissa_bits(dtype: DType) -> Option<u8> {
    with_float!(dtype.part(), T => Some(T::MANTISSA_BITS), else None)
}

impl Transform for BitRound {
    fn fidelity(&self, _input: &Spec) -> Fidelity {
        Fidelity::Lossy { max_abs: None, max_rel: Some(0.5f64.powi(i32::from(self.keepbits) + 1)) }
    }

    fn output(&self, input: &Spec) -> Result<Spec> {
        match mantissa_bits(input.dtype()) {
            Some(bits) if self.keepbits < bits => {
                self.fill.map(|fill| fill.bits(input.dtype().part())).transpose()?;
                Ok(input.clone())
            }
            Some(bits) => Err(Error::new(
                ErrorKind::Recipe,
                format!(
                    "step bit-round does not fit {input}: keeping {} of {bits} mantissa bits changes nothing; keep 0 to {}, \
                     or leave the step out",
                    self.keepbits,
                    bits - 1
                ),
            )),
            None if input.dtype().kind() == DTypeKind::Bool => {
                Err(unfit("bit-round", input, "floats and complex numbers; booleans pack with --bits"))
            }
            None => Err(unfit(
                "bit-round",
                input,
                "floats and complex numbers; integers pack with --scale-offset or --bits",
            )),
        }
    }

    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, _refused: &mut Refused) -> Result<()> {
        out.reset(io.output.dtype(), total(at))?;
        let part = io.input.dtype().part();
        with_float!(part, T => bit_round::<T>(input.slice(), out.slice_mut(), self.keepbits)?, else {
            self.output(&io.input)?;
        });
        if let Some(fill) = self.fill {
            let bits = fill.bits(part)?;
            match part {
                DType::F16 => keep(input.slice::<u16>(), out.slice_mut(), bits as u16),
                DType::F32 => keep(input.slice::<u32>(), out.slice_mut(), bits as u32),
                _ => keep(input.slice::<u64>(), out.slice_mut(), bits),
            }
        }
        Ok(())
    }

    fn inverse(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        out.reset(io.input.dtype(), total(at))?;
        if input.bytes().len() != out.bytes().len() {
            return refuse!(Usage, "{} packed elements for {} original ones; give as many", input.len(), out.len());
        }
        out.bytes_mut().copy_from_slice(input.bytes());
        Ok(())
    }

    fn explain(&self, _io: &Io, refusal: &Refusal, index: &[u64], _worst: &[u64]) -> String {
        // Every value can be rounded, so this is a caller's refusal under this step's name.
        format!("{} values cannot be rounded: first {} at {index:?}", refusal.count, refusal.first_value.0)
    }

    fn describe(&self) -> String {
        let s = if self.keepbits == 1 { "" } else { "s" };
        format!("{} mantissa bit{s} kept, round to nearest even", self.keepbits)
    }
}

impl Asked for BitRound {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        self.output(input)?;
        Ok(FactNeeded::Nothing)
    }

    fn settle(&self, input: &Spec, _fact: &Fact) -> Result<Step> {
        self.output(input)?;
        Ok(Step::BitRound(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the bits that differ from the nearest kept pattern are found by trying both neighbours.
    fn slow(x: f32, keepbits: u8) -> f32 {
        let unit = 1u32 << (23 - keepbits);
        let magnitude = x.to_bits() & 0x7fff_ffff;
        if magnitude >= 0x7f80_0000 {
            return x;
        }
        let below = magnitude / unit * unit;
        let (low, high) = (magnitude - below, below + unit - magnitude);
        let up = high < low || (high == low && below / unit % 2 == 1);
        let rounded = if up && below + unit < 0x7f80_0000 { below + unit } else { below };
        f32::from_bits((x.to_bits() & 0x8000_0000) | rounded)
    }

    fn rounded<T: Mantissa>(values: &[T], keepbits: u8) -> Vec<T> {
        let mut out = values.to_vec();
        bit_round(values, &mut out, keepbits).unwrap();
        out
    }

    fn io(step: &BitRound, dtype: DType, n: usize) -> Io {
        let input = Spec::new(dtype, [n as u64]).unwrap();
        Io { output: step.output(&input).unwrap(), input }
    }

    fn forward(step: &BitRound, io: &Io, at: &[Span], input: &Buf) -> Buf {
        let (mut out, mut refused) = (Buf::new(), Refused::default());
        step.forward(io, at, input, &mut out, &mut refused).unwrap();
        assert!(refused.is_empty());
        out
    }

    proptest! {
        #[test]
        fn float32_is_the_nearest_kept_pattern(bits in prop::collection::vec(any::<u32>(), 1..200), keepbits in 0u8..=23) {
            let values: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
            for (x, y) in values.iter().zip(rounded(&values, keepbits)) {
                prop_assert_eq!(y.to_bits(), slow(*x, keepbits).to_bits(), "{:e}", x);
            }
        }

        #[test]
        fn the_bound_holds_and_rounding_again_changes_nothing(
            bits in prop::collection::vec(any::<u64>(), 1..200),
            keepbits in 0u8..10,
        ) {
            fn check<T: Mantissa + Into<f64>>(values: &[T], keepbits: u8, least: f64, bits: fn(T) -> u64) {
                let once = rounded(values, keepbits);
                for (x, y) in values.iter().zip(&once) {
                    let (a, b): (f64, f64) = ((*x).into(), (*y).into());
                    if !a.is_finite() {
                        assert_eq!(bits(*x), bits(*y));
                        continue;
                    }
                    assert!(b.is_finite() && a.is_sign_negative() == b.is_sign_negative());
                    let bound = a.abs().max(least) * 0.5f64.powi(i32::from(keepbits) + 1);
                    assert!((a - b).abs() <= bound, "{a:e} to {b:e} with {keepbits} bits");
                }
                let twice = rounded(&once, keepbits);
                assert!(once.iter().zip(&twice).all(|(x, y)| bits(*x) == bits(*y)));
            }
            let doubles: Vec<f64> = bits.iter().map(|b| f64::from_bits(*b)).collect();
            let halves: Vec<f16> = bits.iter().map(|b| f16::from_bits(*b as u16)).collect();
            check(&doubles, keepbits, f64::MIN_POSITIVE, f64::to_bits);
            check(&halves, keepbits, f16::MIN_POSITIVE.into(), |h| h.to_bits().into());
        }

        #[test]
        fn any_part_is_the_part_of_the_whole(
            bits in prop::collection::vec(any::<u64>(), 1..100),
            cuts in (0usize..100, 0usize..100, 0usize..100),
            keepbits in 0u8..10,
        ) {
            for dtype in [DType::F16, DType::F32, DType::F64, DType::C64, DType::C128] {
                let step = BitRound { keepbits, fill: None };
                let mut whole = Buf::new();
                whole.reset(dtype, (bits.len() * 8 / dtype.size()) as u64).unwrap();
                let n = whole.len();
                whole.bytes_mut().copy_from_slice(&bytemuck::cast_slice(&bits)[..n * dtype.size()]);
                let io = io(&step, dtype, n);
                let packed = forward(&step, &io, &[Span::new(0, n as u64)], &whole);
                let (a, b, c) = (cuts.0 % (n + 1), cuts.1 % (n + 1), cuts.2 % (n + 1));
                let want = [Span::new(a.min(b) as u64, a.abs_diff(b) as u64), Span::new(c as u64, (n - c) as u64)];
                let size = dtype.size();
                let take = |buf: &Buf| {
                    let mut part = Buf::new();
                    part.reset(dtype, total(&want)).unwrap();
                    let bytes = |s: &Span| &buf.bytes()[s.start as usize * size..s.end() as usize * size];
                    part.bytes_mut().copy_from_slice(&want.iter().flat_map(bytes).copied().collect::<Vec<_>>());
                    part
                };
                let (mut need, mut out, mut refused) = (Vec::new(), Buf::new(), Refused::default());
                step.forward_need(&io, &want, &mut need);
                prop_assert_eq!(&need[..], &want[..]);
                step.forward_part(&io, &want, &need, &take(&whole), &mut out, &mut refused).unwrap();
                let expected = take(&packed);
                prop_assert_eq!(out.bytes(), expected.bytes());
                let mut back = Buf::new();
                step.inverse_part(&io, &want, &need, &out, &mut back).unwrap();
                prop_assert_eq!(back.bytes(), out.bytes());
                prop_assert_eq!(back.dtype(), dtype);
            }
        }
    }

    #[test]
    fn what_would_become_infinite_stays_finite() {
        assert_eq!(rounded(&[f32::MAX, f32::MIN], 0), [2f32.powi(127), -(2f32.powi(127))]);
        assert_eq!(rounded(&[f64::MAX], 1), [1.5 * 2f64.powi(1023)]);
        assert_eq!(rounded(&[f16::MAX, f16::INFINITY], 3), [f16::from_f32(61440.0), f16::INFINITY]);
        let nan = f64::from_bits(0x7ff0_0000_0000_0001);
        assert_eq!(rounded(&[nan], 0)[0].to_bits(), nan.to_bits());
    }

    #[test]
    fn more_bits_than_there_are_and_other_dtypes_are_refused_with_what_fits() {
        let output = |keepbits, dtype| BitRound { keepbits, fill: None }.output(&Spec::new(dtype, [2]).unwrap());
        assert!(output(9, DType::F16).is_ok() && output(22, DType::C64).is_ok() && output(51, DType::C128).is_ok());
        for (keepbits, dtype, says) in [
            (10, DType::F16, "keep 0 to 9"),
            (30, DType::F32, "keep 0 to 22"),
            (52, DType::F64, "keep 0 to 51"),
            (1, DType::Bool, "--bits"),
            (1, DType::I16, "--scale-offset"),
        ] {
            let error = output(keepbits, dtype).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Recipe);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(bit_round(&[1f32], &mut [0f32], 24).is_err());
        assert!(bit_round(&[1f32], &mut [0f32; 2], 3).is_err());
        assert_eq!(rounded(&[1.1f32], 23), [1.1]);
    }

    #[test]
    fn its_json_is_its_parameters() {
        let step: Step = serde_json::from_str(r#"{"step":"bit-round","keepbits":7}"#).unwrap();
        assert_eq!(step, Step::BitRound(BitRound { keepbits: 7, fill: None }));
        assert!(serde_json::from_str::<Step>(r#"{"step":"bit-round","keepbits":7,"bits":1}"#).is_err());
    }
}

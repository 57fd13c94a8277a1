//! The even grid of a bound: values at k·unit + offset.

use super::kernel::{Count, Grid, Work};
use super::survey::Survey;
use crate::array::DType;
use crate::coding::Bound;
use crate::coding::bytes::{Put, Reader};
use crate::error::{Result, refuse};

/// Integers of a sub-grid stay below this, so that interpolation of four axes stays inside 32 bits.
pub(in crate::coding) const FINE_LIMIT: f64 = (1u32 << 22) as f64;

/// Integers of a plain grid stay below this: float64 rounds and rebuilds them exactly.
const PLAIN_LIMIT: f64 = (1u64 << 50) as f64;

/// The part of a limit that grids use, unless values are so large beside it that rounding leaves less.
const COMMON: f64 = 1.0 - 1.0 / (1 << 20) as f64;

/// The smallest unit whose reciprocal is a float64 with room for quotients.
const LEAST_UNIT: f64 = 1e-290;

/// x' = k·`unit` + `offset` in float64, rounded once to the dtype.
///
/// With `fineness` q (odd) the unit is 2e/q: a predictor may give back any integer within (q − 1)/2 of k, and x' is still
/// within e of x. q = 1 is the plain grid, whose integers come back as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Even {
    pub(in crate::coding) unit: f64,
    pub(in crate::coding) offset: f64,
    pub(in crate::coding) fineness: u32,
    reciprocal: f64,
}

impl Even {
    /// The grid for floats of `dtype` within `bound`, of the greatest fineness at most `fineness` that the integers leave room
    /// for (halved until they do). `None` where the bound leaves no room for rounding to the dtype: code without loss.
    pub(in crate::coding) fn fit(dtype: DType, survey: &Survey, bound: &Bound, fineness: u32) -> Option<Self> {
        if !survey.regular {
            return None;
        }
        // A predictor moves the integer of zero on a sub-grid, but not on the plain one.
        let zeros = fineness > 1 && survey.low <= 0.0 && survey.high >= 0.0;
        let limit = survey.limit(bound, zeros)?;
        let most = survey.high.max(-survey.low);
        let room = rounding(dtype, most + limit);
        // The same for all chunks where rounding leaves room for it, so that values of one come back from another as they are.
        let e = (limit - room).min(limit * COMMON);
        if e <= limit / 2.0 || e.is_nan() {
            return None;
        }
        let (middle, half) = (survey.low / 2.0 + survey.high / 2.0, survey.high / 2.0 - survey.low / 2.0);
        // Zero stays exactly zero where it is among the values; but one cell that holds them all is better still.
        if fineness > 1 && most + 2.0 * limit >= greatest(dtype) {
            // What a predictor moves could leave the dtype.
            return None;
        }
        let offset = if survey.low <= 0.0 && survey.high >= 0.0 && half > e { 0.0 } else { middle };
        let reach = (survey.high - offset).max(offset - survey.low);
        let mut q = (fineness | 1).max(1);
        loop {
            let unit = 2.0 * e / f64::from(q);
            let top = if q > 1 { FINE_LIMIT } else { PLAIN_LIMIT };
            if unit > LEAST_UNIT && unit.is_finite() && reach / unit < top - 1.0 {
                return Self::new(unit, offset, q);
            }
            if q == 1 {
                return None;
            }
            q = if q > 3 { (q / 2) | 1 } else { 1 };
        }
    }

    fn new(unit: f64, offset: f64, fineness: u32) -> Option<Self> {
        let reciprocal = 1.0 / unit;
        let good = unit > 0.0 && unit.is_finite() && offset.is_finite() && fineness % 2 == 1;
        (good && reciprocal.is_finite()).then_some(Self { unit, offset, fineness, reciprocal })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put_f64(self.unit);
        out.put_f64(self.offset);
        out.put_varint(self.fineness.into());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (unit, offset, q) = (reader.f64()?, reader.f64()?, reader.length(u16::MAX.into())?);
        match Self::new(unit, offset, q as u32) {
            Some(even) => Ok(even),
            None => refuse!(Corrupt, "a coded chunk has a grid of step {unit} from {offset} with fineness {q}"),
        }
    }
}

/// The greatest finite value of a float dtype.
fn greatest(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::MAX.to_f64(),
        DType::F32 => f32::MAX.into(),
        _ => f64::MAX,
    }
}

/// The most that a float of `dtype` of magnitude `most` is off after k·unit + offset and the rounding to the dtype, with the
/// rounding of x/unit: half a spacing, and a little for the operations before it.
pub(super) fn rounding(dtype: DType, most: f64) -> f64 {
    let power = |e: u64| f64::from_bits((1023 - e) << 52);
    match dtype {
        DType::F16 => most * power(11) + power(25) + most * power(22),
        DType::F32 => most * power(24) + most * power(49) + f64::from_bits(1 << 22),
        _ => most * power(51),
    }
}

impl<W: Work, K: Count> Grid<W, K> for Even {
    #[inline(always)]
    fn int(&self, x: W) -> K {
        K::nearest((x.wide() - self.offset) * self.reciprocal)
    }
    #[inline(always)]
    fn value(&self, k: K) -> W {
        W::from_wide(k.wide() * self.unit + self.offset)
    }
}

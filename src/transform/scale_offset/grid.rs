//! Which number a code stands for: the forms of a grid, their checks and their error bounds.

use serde::{Deserialize, Serialize};

use crate::array::{DType, DTypeKind, with_integer};
use crate::error::{Result, refuse};

/// Largest |base + code| of a float grid. Up to here rounding by [`ROUNDER`](super::kernel) is exact and a code is exact in
/// `f64`; a step of at least four float64 spacings keeps every multiple below it.
pub(super) const MAX_MULTIPLE: i64 = 1 << 51;
/// Largest code of a grid that starts at an offset: `x - offset` may be twice as large as the multiple itself.
pub(super) const MAX_FROM_OFFSET: u64 = 1 << 50;
/// Decimals beyond which 10^digits or its inverse is no finite normal `f64`.
pub(super) const MAX_DIGITS: i32 = 308;

/// The grid of a scale-offset step: which number a code stands for.
///
/// `k = base + code` is an integer; every formula below is evaluated in `f64` (integers: exactly) with the one rounding it
/// names, clamped to the finite values of the original dtype, then rounded to that dtype.
///
/// JSON: one key, for example `{"decimal": {"digits": 4, "base": -1200}}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Grid {
    /// `value = k / 10^digits`, one correctly rounded division (`k * 10^-digits` where `digits < 0`). Floats whose decimal
    /// form has at most `digits` decimals come back with the same bits for `0 <= digits <= 22` (float16 and float32: 11).
    Decimal {
        /// Decimals kept; may be negative.
        digits: i32,
        /// The multiple of code 0.
        base: i64,
    },
    /// `value = k * step_size`, one correctly rounded multiplication.
    Multiple {
        /// Distance between neighbouring values.
        step_size: f64,
        /// The multiple of code 0.
        base: i64,
    },
    /// `value = offset + code * step_size`, rounded once (a fused multiply-add).
    Even {
        /// Distance between neighbouring values.
        step_size: f64,
        /// The value of code 0.
        offset: f64,
    },
    /// For integers, exactly: `value = offset + (base + code) * step_size`. With a step of 1 nothing is lost.
    Whole {
        /// Distance between neighbouring values.
        step_size: u64,
        /// The multiple of code 0, from -2^63 to 2^64 - 1.
        #[serde(with = "integer", default)]
        base: i128,
        /// What the multiples are counted from, from -2^63 to 2^64 - 1.
        #[serde(with = "integer", default)]
        offset: i128,
    },
}

/// A float grid as the kernels take it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lattice {
    Decimal(Decimal),
    Multiple(Multiple),
    Even(Even),
}

/// `k / power`
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    pub(super) power: f64,
    pub(super) base: f64,
}

/// `k * step`
#[derive(Debug, Clone, Copy)]
pub(super) struct Multiple {
    pub(super) step: f64,
    pub(super) base: f64,
}

/// `offset + code * step`
#[derive(Debug, Clone, Copy)]
pub(super) struct Even {
    pub(super) step: f64,
    pub(super) offset: f64,
}

/// An integer grid as the kernels take it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    pub(super) step: u64,
    pub(super) base: i128,
    pub(super) offset: i128,
}

/// 10^`n` as the nearest `f64`; `powi` would be off by some units in the last place.
pub(super) fn power_of_ten(n: u32) -> f64 {
    format!("1e{n}").parse().unwrap_or(f64::INFINITY)
}

impl Grid {
    /// The distance between neighbouring values (for a decimal grid, the nearest `f64` to it).
    pub fn step(&self) -> f64 {
        match *self {
            Grid::Decimal { digits, .. } if digits >= 0 => 1.0 / power_of_ten(digits.unsigned_abs()),
            Grid::Decimal { digits, .. } => power_of_ten(digits.unsigned_abs()),
            Grid::Multiple { step_size, .. } | Grid::Even { step_size, .. } => step_size,
            Grid::Whole { step_size, .. } => step_size as f64,
        }
    }

    /// The number that `code` stands for, before it is rounded to the original dtype; integers beyond 2^53 to the nearest
    /// `f64`.
    pub fn value(&self, code: u64) -> f64 {
        match (self.lattice(), self.whole()) {
            (Some(lattice), _) => lattice.value(code as f64),
            (None, Some(whole)) => whole.value(code) as f64,
            (None, None) => f64::NAN,
        }
    }

    /// Whether the same bits come back.
    pub fn is_exact(&self) -> bool {
        matches!(self, Grid::Whole { step_size: 1, .. })
    }

    pub(super) fn lattice(&self) -> Option<Lattice> {
        Some(match *self {
            Grid::Decimal { digits, base } if digits >= 0 => {
                Lattice::Decimal(Decimal { power: power_of_ten(digits.unsigned_abs()), base: base as f64 })
            }
            Grid::Decimal { base, .. } => Lattice::Multiple(Multiple { step: self.step(), base: base as f64 }),
            Grid::Multiple { step_size, base } => Lattice::Multiple(Multiple { step: step_size, base: base as f64 }),
            Grid::Even { step_size, offset } => Lattice::Even(Even { step: step_size, offset }),
            Grid::Whole { .. } => return None,
        })
    }

    pub(super) fn whole(&self) -> Option<Whole> {
        match *self {
            // No division by zero, should a step come here unchecked.
            Grid::Whole { step_size, base, offset } => Some(Whole { step: step_size.max(1), base, offset }),
            _ => None,
        }
    }

    /// Refuses a grid that cannot carry `dtype` with codes up to `largest`: recorded parameters come from files.
    pub(super) fn check(&self, dtype: DType, largest: u64) -> Result<()> {
        let float = dtype.kind() == DTypeKind::Float;
        if float == matches!(self, Grid::Whole { .. }) {
            let takes = if float {
                "integers; for floats the grid is decimal, multiple or even"
            } else {
                "floats; for integers the grid is whole"
            };
            return refuse!(Recipe, "scale-offset: this grid is for {takes}; the array is {dtype}");
        }
        if let Grid::Decimal { digits, .. } = *self
            && digits.unsigned_abs() > MAX_DIGITS.unsigned_abs()
        {
            return refuse!(Recipe, "scale-offset: {digits} decimals; float64 allows -{MAX_DIGITS} to {MAX_DIGITS}");
        }
        match *self {
            Grid::Decimal { base, .. } | Grid::Multiple { base, .. } => {
                let top = i128::from(base) + i128::from(largest);
                let most = i128::from(MAX_MULTIPLE);
                if i128::from(base) < -most || top > most {
                    return refuse!(
                        Recipe,
                        "scale-offset: multiples {base} to {top} of the step; at most 2^51 either side of 0 are exact"
                    );
                }
            }
            Grid::Even { offset, .. } => {
                if largest > MAX_FROM_OFFSET {
                    return refuse!(
                        Recipe,
                        "scale-offset: a largest code of {largest}; at most 2^50 are exact from an offset"
                    );
                }
                if !offset.is_finite() {
                    return refuse!(Recipe, "scale-offset: an offset of {offset}; it must be finite");
                }
            }
            Grid::Whole { step_size, base, offset } => {
                let word = i128::from(i64::MIN)..=i128::from(u64::MAX);
                if step_size == 0 || !word.contains(&base) || !word.contains(&offset) {
                    return refuse!(
                        Recipe,
                        "scale-offset: step {step_size}, base {base}, offset {offset} of an integer grid; the step must be at least 1, the others from -2^63 to 2^64 - 1"
                    );
                }
                let (low, high) = bounds(dtype);
                let (first, last) = (offset + base, offset + base + i128::from(largest));
                if step_size == 1 && (first < low || last > high) {
                    return refuse!(
                        Recipe,
                        "scale-offset: the codes stand for {first} to {last}; {dtype} holds {low} to {high}"
                    );
                }
            }
        }
        let step = self.step();
        if !(step > 0.0 && step.is_finite()) {
            return refuse!(Recipe, "scale-offset: a step of {step}; it must be positive and finite");
        }
        Ok(())
    }

    /// A bound on |original - restored| that holds exactly for every value of `dtype` with a code up to `largest`.
    pub(super) fn max_abs(&self, dtype: DType, largest: u64) -> f64 {
        if let Grid::Whole { step_size, .. } = *self {
            // Rounded up where `f64` does not hold it.
            let half = step_size / 2;
            let bound = half as f64;
            return if bound as u64 >= half { bound } else { bound.next_up() };
        }
        let half = (self.step() / 2.0).next_up();
        let magnitude = self.value(0).abs().max(self.value(largest).abs()).min(largest_finite(dtype));
        let narrow = spacing(dtype, magnitude) / 2.0;
        // Below float64 the arithmetic is float64's: at most eight of its roundings, each 2^-53 of the magnitude. For float64
        // the nearest code is exact but for 2^-53 steps, and the value is rounded once: the last two units cover the rest.
        let arithmetic = if dtype == DType::F64 { 0.0 } else { (magnitude + self.step()) * f64::powi(2.0, -50) };
        (half + narrow.max(f64::from_bits(1)) + arithmetic).next_up().next_up()
    }
}

impl Lattice {
    pub(super) fn value(&self, code: f64) -> f64 {
        use super::kernel::Rule;
        match self {
            Lattice::Decimal(g) => g.value(code),
            Lattice::Multiple(g) => g.value(code),
            Lattice::Even(g) => g.value(code),
        }
    }
}

impl Whole {
    /// The exact value of `code`, before it is clamped to the dtype. Saturates for codes that no check admits.
    #[inline(always)]
    pub(super) fn value(&self, code: u64) -> i128 {
        (self.base + i128::from(code)).saturating_mul(i128::from(self.step)).saturating_add(self.offset)
    }

    /// The nearest code to `x`, ties to the even multiple; may be negative or beyond the largest.
    #[inline(always)]
    pub(super) fn nearest(&self, x: i128) -> i128 {
        let from = x - self.offset;
        // Hardware division where it fits; the 128-bit one is a call.
        let (multiple, rest) = match (i64::try_from(from), i64::try_from(self.step)) {
            (Ok(d), Ok(s)) => (i128::from(d.div_euclid(s)), d.rem_euclid(s) as u64),
            _ => (from.div_euclid(self.step.into()), from.rem_euclid(self.step.into()) as u64),
        };
        let above = self.step - rest;
        let up = rest > above || (rest == above && multiple & 1 == 1);
        multiple + i128::from(up) - self.base
    }
}

/// The least and the greatest value of an integer dtype.
pub(super) fn bounds(dtype: DType) -> (i128, i128) {
    with_integer!(dtype, T => (i128::from(T::MIN), i128::from(T::MAX)), else (0, 0))
}

/// The greatest finite value of a float dtype.
pub(super) fn largest_finite(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 65504.0,
        DType::F32 => f32::MAX.into(),
        _ => f64::MAX,
    }
}

/// The distance from `magnitude` to the next greater value of a float dtype; above its last one, as below it.
pub(super) fn spacing(dtype: DType, magnitude: f64) -> f64 {
    let (mantissa, least) = match dtype {
        DType::F16 => (10, -14),
        DType::F32 => (23, -126),
        _ => (52, -1022),
    };
    let field = ((magnitude.min(largest_finite(dtype)).to_bits() >> 52) & 0x7ff) as i32;
    let power = (field.max(1) - 1023).max(least) - mantissa;
    if power >= -1022 { f64::from_bits(((power + 1023) as u64) << 52) } else { f64::from_bits(1 << (power + 1074)) }
}

/// Integers of either sign as JSON numbers: an `i64` where it fits, else a `u64`.
mod integer {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Word {
        Int(i64),
        Uint(u64),
    }

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(int), _) => Word::Int(int).serialize(serializer),
            (_, Ok(uint)) => Word::Uint(uint).serialize(serializer),
            _ => Err(S::Error::custom(format!("{value} is outside -2^63 to 2^64 - 1"))),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        Ok(match Word::deserialize(deserializer)? {
            Word::Int(int) => int.into(),
            Word::Uint(uint) => uint.into(),
        })
    }
}

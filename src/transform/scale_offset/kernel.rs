//! The kernels: floats to codes and back, a chunk at a time, everything special by selects.
//!
//! All arithmetic is in `f64` lanes, also the choice of reserved codes, so that one vector width serves throughout: a
//! land mask of half NaN costs what clean data cost. Codes below 2^52 are read out of the mantissa of `code + 2^52`.

use half::f16;

use super::grid::{Decimal, Even, Lattice, Multiple};
use super::number::{Code, Marks};
use crate::array::simd::vectorize;
use crate::transform::float16;

/// Values between two questions whether one had no code: large enough to amortise it, small enough to stay in L1.
pub(super) const CHUNK: usize = 1024;

/// Adding and taking away 1.5 * 2^52 rounds to the nearest integer, ties to even, for |q| <= 2^51; `round_ties_even` is a
/// library call without SSE4.1.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// 2^52: where the mantissa's last bit is 1.
const MANTISSA: f64 = 4_503_599_627_370_496.0;

/// The mantissa of a float.
const CODE_BITS: u64 = (1 << 52) - 1;

/// No value is treated otherwise than by the grid: no selects.
pub(super) const PLAIN: u8 = 0;
/// NaN or a fill value occur, as in every array with a land mask; infinities do not.
pub(super) const MISSING: u8 = 1;
/// Infinities occur too.
pub(super) const ALL: u8 = 2;

/// A float grid's arithmetic.
pub(super) trait Rule: Copy {
    /// The nearest code, ties to the even multiple; anything outside the grid stays outside it, NaN stays NaN. With `exact`,
    /// nearest in exact arithmetic up to 2^-53 of a step; without, up to some roundings of `f64`.
    fn nearest(self, x: f64, exact: bool) -> f64;
    /// The value of a code, rounded once.
    fn value(self, code: f64) -> f64;
}

#[inline(always)]
fn round(q: f64) -> f64 {
    (q + ROUNDER) - ROUNDER
}

/// `k` moved to the neighbour where the remainder is beyond half a step. The quotient was rounded before it was rounded to an
/// integer; near 2^51 steps that costs a quarter of a step, which the fused remainder shows.
#[inline(always)]
fn settle(k: f64, remainder: f64, half: f64) -> f64 {
    let up = if remainder > half { 1.0 } else { 0.0 };
    let down = if remainder < -half { 1.0 } else { 0.0 };
    k + up - down
}

impl Rule for Decimal {
    #[inline(always)]
    fn nearest(self, x: f64, exact: bool) -> f64 {
        let mut k = round(x * self.power);
        if exact {
            // As `settle`, cheaper in units of the step: the remainder rounds to the correction itself.
            k += round(x.mul_add(self.power, -k));
        }
        k - self.base
    }

    #[inline(always)]
    fn value(self, code: f64) -> f64 {
        (self.base + code) / self.power
    }
}

impl Rule for Multiple {
    #[inline(always)]
    fn nearest(self, x: f64, exact: bool) -> f64 {
        // A division, because the inverse of a small step overflows.
        let mut k = round(x / self.step);
        if exact {
            k = settle(k, (-k).mul_add(self.step, x), self.step * 0.5);
        }
        k - self.base
    }

    #[inline(always)]
    fn value(self, code: f64) -> f64 {
        (self.base + code) * self.step
    }
}

impl Rule for Even {
    #[inline(always)]
    fn nearest(self, x: f64, exact: bool) -> f64 {
        let from = x - self.offset;
        let mut k = round(from / self.step);
        if exact {
            // Knuth's two-sum: what the subtraction lost.
            let back = from - x;
            let lost = (x - (from - back)) - (self.offset + back);
            k = settle(k, (-k).mul_add(self.step, from) + lost, self.step * 0.5);
        }
        k
    }

    #[inline(always)]
    fn value(self, code: f64) -> f64 {
        code.mul_add(self.step, self.offset)
    }
}

/// A float dtype.
pub(super) trait Float: Copy {
    /// Whether the nearest code must be found in exact arithmetic: below float64, float64's arithmetic is fine enough.
    const EXACT: bool;
    const LARGEST: f64;
    /// Half the least subnormal: the greatest magnitude that rounds to zero.
    const ROUNDS_TO_ZERO: f64;
    fn wide(self) -> f64;
    fn narrow(x: f64) -> Self;
    fn from_low_bits(bits: u64) -> Self;
}

impl Float for f16 {
    const EXACT: bool = false;
    const LARGEST: f64 = 65504.0;
    const ROUNDS_TO_ZERO: f64 = 1.0 / (1u64 << 25) as f64;
    #[inline(always)]
    fn wide(self) -> f64 {
        float16::to_f32(self).into()
    }
    #[inline(always)]
    fn narrow(x: f64) -> Self {
        float16::from_f64(x)
    }
    fn from_low_bits(bits: u64) -> Self {
        f16::from_bits(bits as u16)
    }
}

impl Float for f32 {
    const EXACT: bool = false;
    const LARGEST: f64 = f32::MAX as f64;
    // 2^-150, by its bits.
    const ROUNDS_TO_ZERO: f64 = f64::from_bits((1023 - 150) << 52);
    #[inline(always)]
    fn wide(self) -> f64 {
        self.into()
    }
    #[inline(always)]
    fn narrow(x: f64) -> Self {
        x as f32
    }
    fn from_low_bits(bits: u64) -> Self {
        f32::from_bits(bits as u32)
    }
}

impl Float for f64 {
    const EXACT: bool = true;
    const LARGEST: f64 = f64::MAX;
    const ROUNDS_TO_ZERO: f64 = 0.0;
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn narrow(x: f64) -> Self {
        x
    }
    fn from_low_bits(bits: u64) -> Self {
        f64::from_bits(bits)
    }
}

/// [`Marks`] in `f64` lanes: NaN stands for a code that does not exist, and compares unequal to every code.
#[derive(Debug, Clone, Copy)]
struct Lanes {
    largest: f64,
    /// The ordinary code whose value has the fill value's bits: only the fill value itself may come back as it.
    taken: f64,
    nan: f64,
    pos_inf: f64,
    neg_inf: f64,
    fill: f64,
    /// The fill value widened; without one a NaN, whose code is NaN's.
    fill_value: f64,
}

impl Lanes {
    fn new<T: Float>(marks: &Marks, lattice: Lattice) -> Self {
        let code = |c: Option<u64>| c.map_or(f64::NAN, |c| c as f64);
        let r = marks.reserved;
        let value = marks.fill_bits.map(|bits| T::from_low_bits(bits).wide());
        let taken = value.map_or(f64::NAN, |fill| {
            let c = match lattice {
                Lattice::Decimal(g) => g.nearest(fill, T::EXACT),
                Lattice::Multiple(g) => g.nearest(fill, T::EXACT),
                Lattice::Even(g) => g.nearest(fill, T::EXACT),
            };
            let back = T::narrow(restored::<T>(lattice.value(c))).wide();
            let ordinary = (0.0..=marks.largest as f64).contains(&c);
            if ordinary && back.to_bits() == fill.to_bits() { c } else { f64::NAN }
        });
        Self {
            largest: marks.largest as f64,
            taken,
            nan: code(r.nan),
            pos_inf: code(r.pos_inf),
            neg_inf: code(r.neg_inf),
            fill: if value.is_some() { code(r.fill) } else { code(r.nan) },
            fill_value: value.unwrap_or(f64::NAN),
        }
    }
}

/// The code of `x`, or NaN where it has none.
#[inline(always)]
fn code_of<T: Float, G: Rule, const SPECIAL: u8>(grid: G, lanes: &Lanes, x: f64) -> f64 {
    let c = grid.nearest(x, T::EXACT);
    let mut c = if (c >= 0.0) & (c <= lanes.largest) { c } else { f64::NAN };
    if SPECIAL != PLAIN {
        // First of all: reserved codes given below are not the grid's.
        c = if c == lanes.taken { f64::NAN } else { c };
    }
    if SPECIAL == ALL {
        c = if x == f64::INFINITY { lanes.pos_inf } else { c };
        c = if x == f64::NEG_INFINITY { lanes.neg_inf } else { c };
    }
    if SPECIAL != PLAIN {
        c = if x.is_nan() { lanes.nan } else { c };
        c = if x.to_bits() == lanes.fill_value.to_bits() { lanes.fill } else { c };
    }
    c
}

/// Codes of one chunk; whether any value had none.
#[inline(always)]
fn forward_chunk<T: Float, C: Code, G: Rule, const SPECIAL: u8>(
    grid: G,
    lanes: &Lanes,
    values: &[T],
    codes: &mut [C],
) -> bool {
    let mut bad = 0u64;
    for (v, code) in values.iter().zip(codes) {
        let c = code_of::<T, G, SPECIAL>(grid, lanes, v.wide());
        bad |= u64::from(c.is_nan());
        *code = C::truncate((c + MANTISSA).to_bits() & CODE_BITS);
    }
    bad != 0
}

#[inline(always)]
fn forward_all<T: Float, C: Code, G: Rule, const SPECIAL: u8>(
    grid: G,
    lanes: &Lanes,
    values: &[T],
    codes: &mut [C],
    without: &mut dyn FnMut(usize),
) {
    for (n, (values, codes)) in values.chunks(CHUNK).zip(codes.chunks_mut(CHUNK)).enumerate() {
        if forward_chunk::<T, C, G, SPECIAL>(grid, lanes, values, codes) {
            for (i, v) in values.iter().enumerate() {
                if code_of::<T, G, SPECIAL>(grid, lanes, v.wide()).is_nan() {
                    without(n * CHUNK + i);
                }
            }
        }
    }
}

/// Values to codes; calls `without` with the place of each value that has no code (its code is unspecified).
pub(super) fn forward<T: Float, C: Code>(
    lattice: Lattice,
    marks: &Marks,
    values: &[T],
    codes: &mut [C],
    without: &mut dyn FnMut(usize),
) {
    let lanes = Lanes::new::<T>(marks, lattice);
    macro_rules! run {
        ($grid:expr, $special:ident) => {
            vectorize(
                #[inline(always)]
                || forward_all::<T, C, _, $special>($grid, &lanes, values, codes, without),
            )
        };
    }
    match (lattice, marks.special()) {
        (Lattice::Decimal(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Decimal(g), MISSING) => run!(g, MISSING),
        (Lattice::Decimal(g), _) => run!(g, ALL),
        (Lattice::Multiple(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Multiple(g), MISSING) => run!(g, MISSING),
        (Lattice::Multiple(g), _) => run!(g, ALL),
        (Lattice::Even(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Even(g), MISSING) => run!(g, MISSING),
        (Lattice::Even(g), _) => run!(g, ALL),
    }
}

/// A grid value as it comes back, but for the rounding to the dtype.
#[inline(always)]
fn restored<T: Float>(x: f64) -> f64 {
    // The outermost grid value may lie beyond the dtype's last finite one, which is then the nearer to the original.
    let x = if x > T::LARGEST { T::LARGEST } else { x };
    let x = if x < -T::LARGEST { -T::LARGEST } else { x };
    // A negative value that the dtype rounds to zero would come back as -0.
    if x.abs() <= T::ROUNDS_TO_ZERO { 0.0 } else { x }
}

#[inline(always)]
fn inverse_all<T: Float, C: Code, G: Rule, const SPECIAL: u8>(grid: G, lanes: &Lanes, codes: &[C], values: &mut [T]) {
    for (code, v) in codes.iter().zip(values) {
        let c = code.lane();
        let mut x = restored::<T>(grid.value(c));
        if SPECIAL == ALL {
            x = if c == lanes.pos_inf { f64::INFINITY } else { x };
            x = if c == lanes.neg_inf { f64::NEG_INFINITY } else { x };
        }
        if SPECIAL != PLAIN {
            x = if c == lanes.fill { lanes.fill_value } else { x };
            x = if c == lanes.nan { f64::NAN } else { x };
        }
        *v = T::narrow(x);
    }
}

/// Codes to values. A code above all that the step uses gives some finite value.
pub(super) fn inverse<T: Float, C: Code>(lattice: Lattice, marks: &Marks, codes: &[C], values: &mut [T]) {
    let lanes = Lanes::new::<T>(marks, lattice);
    macro_rules! run {
        ($grid:expr, $special:ident) => {
            vectorize(
                #[inline(always)]
                || inverse_all::<T, C, _, $special>($grid, &lanes, codes, values),
            )
        };
    }
    match (lattice, marks.special()) {
        (Lattice::Decimal(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Decimal(g), MISSING) => run!(g, MISSING),
        (Lattice::Decimal(g), _) => run!(g, ALL),
        (Lattice::Multiple(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Multiple(g), MISSING) => run!(g, MISSING),
        (Lattice::Multiple(g), _) => run!(g, ALL),
        (Lattice::Even(g), PLAIN) => run!(g, PLAIN),
        (Lattice::Even(g), MISSING) => run!(g, MISSING),
        (Lattice::Even(g), _) => run!(g, ALL),
    }
}

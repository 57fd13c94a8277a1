//! The number types on both sides of the step, and the plain functions on slices.

use half::f16;
use serde::{Deserialize, Serialize};

use super::grid::Grid;
use super::{kernel, whole};
use crate::array::{DType, Element};
use crate::error::{Result, refuse};

/// The codes that stand for no number of the grid. Only what occurred when the step was fitted has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    /// NaN, of any sign and payload; comes back as the quiet NaN without payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan: Option<u64>,
    /// Positive infinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pos_inf: Option<u64>,
    /// Negative infinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neg_inf: Option<u64>,
    /// The fill value; on an exact integer grid that has it among its values, its ordinary code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<u64>,
}

impl Reserved {
    /// Each reserved code with the name of what it stands for, in the order they are given out.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [("NaN", self.nan), ("+Inf", self.pos_inf), ("-Inf", self.neg_inf), ("fill", self.fill)]
            .into_iter()
            .filter_map(|(name, code)| code.map(|c| (name, c)))
    }
}

/// What a kernel has to know besides the grid.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// The largest ordinary code.
    pub(super) largest: u64,
    pub(super) reserved: Reserved,
    /// The fill value's bits in the original dtype.
    pub(super) fill_bits: Option<u64>,
}

impl Marks {
    /// Which selects the kernels need.
    pub(super) fn special(&self) -> u8 {
        let r = self.reserved;
        match (r.pos_inf.or(r.neg_inf), r.nan.or(r.fill).or(self.fill_bits)) {
            (Some(_), _) => kernel::ALL,
            (None, Some(_)) => kernel::MISSING,
            (None, None) => kernel::PLAIN,
        }
    }
}

/// The kernels of one dtype; not for implementing elsewhere.
pub trait Kernels: Sized {
    #[doc(hidden)]
    fn forward<C: Code>(
        grid: &Grid,
        marks: &Marks,
        values: &[Self],
        codes: &mut [C],
        without: &mut dyn FnMut(usize),
    ) -> Result<()>;
    #[doc(hidden)]
    fn inverse<C: Code>(grid: &Grid, marks: &Marks, codes: &[C], values: &mut [Self]) -> Result<()>;
}

macro_rules! kernels {
    ($($T:ty: $module:ident by $form:ident;)*) => { $(
        impl Kernels for $T {
            fn forward<C: Code>(grid: &Grid, marks: &Marks, values: &[Self], codes: &mut [C], without: &mut dyn FnMut(usize)) -> Result<()> {
                match grid.$form() {
                    Some(form) => { $module::forward(form, marks, values, codes, without); Ok(()) }
                    None => grid.check(<$T>::DTYPE, marks.largest),
                }
            }
            fn inverse<C: Code>(grid: &Grid, marks: &Marks, codes: &[C], values: &mut [Self]) -> Result<()> {
                match grid.$form() {
                    Some(form) => { $module::inverse(form, marks, codes, values); Ok(()) }
                    None => grid.check(<$T>::DTYPE, marks.largest),
                }
            }
        }
        impl GridValue for $T {}
    )* };
}
kernels! {
    f16: kernel by lattice; f32: kernel by lattice; f64: kernel by lattice;
    i8: whole by whole; i16: whole by whole; i32: whole by whole; i64: whole by whole;
    u8: whole by whole; u16: whole by whole; u32: whole by whole; u64: whole by whole;
}

/// A number that a [`Grid`] can carry: `f16`, `f32`, `f64` and every integer.
pub trait GridValue: Element + Kernels {}

/// The words that codes are made of; not for implementing elsewhere.
pub trait Code: Copy {
    /// The low bits of `word`.
    #[doc(hidden)]
    fn truncate(word: u64) -> Self;
    /// The code.
    #[doc(hidden)]
    fn word(self) -> u64;
    /// The code as a float; exact below 2^52, some finite number above.
    #[doc(hidden)]
    fn lane(self) -> f64;
}

/// A code of a [`Grid`]: `u8`, `u16`, `u32` or `u64`.
pub trait GridCode: Element + Code {}

macro_rules! codes {
    ($($C:ty, $lane:expr;)*) => { $(
        impl Code for $C {
            #[inline(always)]
            fn truncate(word: u64) -> Self { word as $C }
            #[inline(always)]
            fn word(self) -> u64 { self.into() }
            #[inline(always)]
            fn lane(self) -> f64 { let lane: fn($C) -> f64 = $lane; lane(self) }
        }
        impl GridCode for $C {}
    )* };
}
codes! {
    // Through `i32`, which has a conversion instruction in every vector width.
    u8, |c| f64::from(i32::from(c));
    u16, |c| f64::from(i32::from(c));
    u32, f64::from;
    // By the mantissa of 2^52: there is no conversion instruction for 64 bits before AVX-512.
    u64, |c| f64::from_bits((c & 0x000f_ffff_ffff_ffff) | 0x4330_0000_0000_0000) - 4_503_599_627_370_496.0;
}

fn ready<T: GridValue, C: GridCode>(grid: &Grid, largest: u64, values: usize, codes: usize) -> Result<Marks> {
    grid.check(T::DTYPE, largest)?;
    if values != codes {
        return refuse!(Usage, "{values} values and {codes} codes; give slices of the same length");
    }
    let width = C::DTYPE;
    if DType::unsigned_for(largest).size() > width.size() {
        return refuse!(Usage, "codes up to {largest} do not fit {width}; use {}", DType::unsigned_for(largest));
    }
    Ok(Marks { largest, reserved: Reserved::default(), fill_bits: None })
}

/// Writes the nearest code of `grid` for each value: `code = round(value / step) - base`, ties to the even multiple (for a
/// grid from an offset `round((value - offset) / step)`).
///
/// Guarantee: `|value - grid.value(code)| <= step / 2`, up to float64's rounding of the grid value.
///
/// Refused ([`ErrorKind::Refused`](crate::ErrorKind::Refused)) if a value, NaN and infinities included, has no code in
/// `0..=largest`; the message names the first. What else it refuses: slices of different length, a code type too narrow for
/// `largest`, a grid that does not fit the dtype.
///
/// ```
/// use ndcompact::transform::{Grid, dequantize, quantize};
///
/// let grid = Grid::Decimal { digits: 2, base: -150 };
/// let mut codes = [0u8; 3];
/// quantize(&grid, 255, &[-1.5, 0.004, 0.12], &mut codes)?;
/// assert_eq!(codes, [0, 150, 162]);
/// let mut back = [0f64; 3];
/// dequantize(&grid, &codes, &mut back)?;
/// assert_eq!(back, [-1.5, 0.0, 0.12]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
pub fn quantize<T: GridValue, C: GridCode>(grid: &Grid, largest: u64, values: &[T], codes: &mut [C]) -> Result<()> {
    let marks = ready::<T, C>(grid, largest, values.len(), codes.len())?;
    let mut first = None;
    T::forward(grid, &marks, values, codes, &mut |at| {
        first.get_or_insert(at);
    })?;
    let Some(at) = first else { return Ok(()) };
    let value = crate::array::Buf::from_slice(&values[at..=at])?.scalar(0);
    let (low, high) = (grid.value(0), grid.value(largest));
    refuse!(Refused, "value {value} at {at} is not on the grid from {low} to {high}; choose a grid that holds it")
}

/// Writes the value of each code: [`Grid`]'s formula, clamped to the finite values of `T` and rounded to it. The inverse of
/// [`quantize`] up to half a step; zero comes back as +0. A code that `quantize` did not give stands for some finite value.
///
/// Errors: slices of different length, a grid that does not fit the dtype.
pub fn dequantize<T: GridValue, C: GridCode>(grid: &Grid, codes: &[C], values: &mut [T]) -> Result<()> {
    let marks = ready::<T, C>(grid, 0, values.len(), codes.len())?;
    T::inverse(grid, &marks, codes, values)
}

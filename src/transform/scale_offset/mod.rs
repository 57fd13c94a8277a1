//! Values to unsigned integers on an even grid: `code = round((x - offset) / step)`.
//!
//! Guarantee: `|x - restored| <= step / 2`, plus half a spacing of the dtype at the largest magnitude, where the grid value is
//! rounded to it; integers with a step of 1 come back exactly, and so do NaN, infinities and the fill value, which get codes of
//! their own above the largest ordinary one. The sign of zero is lost: -0 comes back as +0, as does a negative value that
//! rounds to zero; the loss report counts both as a change of class.

mod ask;
mod grid;
mod kernel;
mod number;
#[cfg(test)]
mod tests;
mod whole;

use serde::{Deserialize, Serialize};

use super::{Fidelity, Fill, Io, Refusal, Refused, Transform, Why, unfit};
use crate::array::{Buf, DType, DTypeKind, Scalar, Span, Spec, position, with_float, with_integer};
use crate::error::{Error, ErrorKind, Result, refuse};

pub use ask::{Resolution, ScaleOffsetAsk};
pub use grid::Grid;
pub use number::{GridCode, GridValue, Reserved, dequantize, quantize};
use number::{Kernels, Marks};

/// What the step takes, for messages.
const FITS: &str =
    "float16, float32, float64 and integers (bool: use bitpack; complex: split into real and imaginary part)";

/// Values to unsigned integers on an even grid, as recorded.
///
/// ```
/// use ndcompact::transform::{Grid, Reserved, ScaleOffset, Transform};
/// use ndcompact::DType;
///
/// let step = ScaleOffset {
///     to: DType::U16,
///     grid: Grid::Decimal { digits: 1, base: -400 },
///     largest: 900,
///     reserved: Reserved { nan: Some(901), ..Reserved::default() },
///     fill: None,
/// };
/// assert_eq!(step.describe(), "uint16, step 1e-1 (1 decimal), NaN kept");
/// assert_eq!(step.ceiling(), Some(901));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleOffset {
    /// The unsigned dtype of the codes.
    pub to: DType,
    /// Which number a code stands for.
    pub grid: Grid,
    /// The largest ordinary code; values that would need another are refused.
    pub largest: u64,
    /// Codes of NaN, infinities and the fill value.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reserved: Reserved,
    /// The fill value, which comes back bit for bit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
}

fn is_default(reserved: &Reserved) -> bool {
    *reserved == Reserved::default()
}

/// Runs `$body` with `$C` as the unsigned type of `$dtype`, or `$other`.
macro_rules! with_code {
    ($dtype:expr, $C:ident => $body:expr, else $other:expr) => {
        match $dtype {
            DType::U8 => {
                type $C = u8;
                $body
            }
            DType::U16 => {
                type $C = u16;
                $body
            }
            DType::U32 => {
                type $C = u32;
                $body
            }
            DType::U64 => {
                type $C = u64;
                $body
            }
            _ => $other,
        }
    };
}

/// Runs `$body` with `$T` as the real type of `$dtype`, or `$other`.
macro_rules! with_value {
    ($dtype:expr, $T:ident => $body:expr, else $other:expr) => {
        match $dtype.kind() {
            DTypeKind::Float => with_float!($dtype, $T => $body, else $other),
            DTypeKind::Int | DTypeKind::Uint => with_integer!($dtype, $T => $body, else $other),
            _ => $other,
        }
    };
}

impl ScaleOffset {
    /// CF conventions' `(scale_factor, add_offset)`: `value ~ code * scale_factor + add_offset` for ordinary codes, to some
    /// roundings of `f64`. None where either is not finite.
    pub fn cf(&self) -> Option<(f64, f64)> {
        let (scale, offset) = (self.grid.step(), self.grid.value(0));
        (scale.is_finite() && offset.is_finite()).then_some((scale, offset))
    }

    /// The code of NaN, if NaN occurred.
    pub fn nan_code(&self) -> Option<u64> {
        self.reserved.nan
    }

    /// The code of positive infinity, if it occurred.
    pub fn pos_inf_code(&self) -> Option<u64> {
        self.reserved.pos_inf
    }

    /// The code of negative infinity, if it occurred.
    pub fn neg_inf_code(&self) -> Option<u64> {
        self.reserved.neg_inf
    }

    /// The code of the fill value, if it occurred.
    pub fn fill_code(&self) -> Option<u64> {
        self.reserved.fill
    }

    /// The largest code in use.
    fn highest(&self) -> u64 {
        self.reserved.iter().map(|(_, code)| code).fold(self.largest, u64::max)
    }

    fn marks(&self, dtype: DType) -> Result<Marks> {
        let fill_bits = self.fill.map(|fill| fill.bits(dtype)).transpose()?;
        Ok(Marks { largest: self.largest, reserved: self.reserved, fill_bits })
    }

    /// Refuses parameters that contradict each other or the dtype: they may come from a file or by hand.
    fn check(&self, dtype: DType) -> Result<()> {
        self.grid.check(dtype, self.largest)?;
        let highest = self.highest();
        let fits = matches!(self.to, DType::U8 | DType::U16 | DType::U32 | DType::U64);
        if !fits || DType::unsigned_for(highest).size() > self.to.size() {
            return refuse!(
                Recipe,
                "scale-offset: codes up to {highest} in {}; they need {}",
                self.to,
                DType::unsigned_for(highest)
            );
        }
        if let Some(fill) = self.fill {
            check_fill(fill)?;
            fill.bits(dtype)?;
        } else if let Some(code) = self.reserved.fill {
            return refuse!(
                Recipe,
                "scale-offset: code {code} is for a fill value, but no fill value is given; add \"fill\""
            );
        }
        let float = dtype.kind() == DTypeKind::Float;
        // Above this, codes are not exact in the kernels' `f64`.
        const MOST: u64 = (1 << 52) - 1;
        if float && highest > MOST {
            return refuse!(Recipe, "scale-offset: code {highest}; codes of floats reach at most 2^52 - 1");
        }
        let codes: Vec<(&str, u64)> = self.reserved.iter().collect();
        for (i, (name, code)) in codes.iter().enumerate() {
            if !float && *name != "fill" {
                return refuse!(Recipe, "scale-offset: code {code} is for {name}, which {dtype} does not have");
            }
            if *code <= self.largest && !self.is_own_code(dtype, *code) {
                return refuse!(
                    Recipe,
                    "scale-offset: code {code} is for {name} and for the value {}; reserved codes stand above {}",
                    self.grid.value(*code),
                    self.largest
                );
            }
            if let Some((other, _)) = codes[..i].iter().find(|(_, c)| c == code) {
                return refuse!(Recipe, "scale-offset: code {code} is for {name} and for {other}; each needs its own");
            }
        }
        Ok(())
    }

    /// Whether the nearest grid value of `value` has an ordinary code.
    fn is_inside(&self, dtype: DType, value: Scalar) -> bool {
        let code = match (value, self.grid.whole()) {
            (Scalar::Int(i), Some(whole)) => u64::try_from(whole.nearest(i)).ok(),
            (Scalar::Float(x), None) => ask::nearest(&self.grid, dtype, x).ok().and_then(|c| u64::try_from(c).ok()),
            _ => None,
        };
        code.is_some_and(|c| c <= self.largest)
    }

    /// Whether `code` is the one that the fill value has anyway, on an exact grid.
    fn is_own_code(&self, dtype: DType, code: u64) -> bool {
        match (self.grid.whole(), self.fill.and_then(|f| f.bits(dtype).ok())) {
            (Some(whole), Some(bits)) => whole.step == 1 && whole.value(code) == signed(dtype, bits),
            _ => false,
        }
    }
}

/// The integer whose low bits are `bits`.
fn signed(dtype: DType, bits: u64) -> i128 {
    let shift = 64 - 8 * dtype.size();
    if dtype.kind() == DTypeKind::Int { i128::from(((bits << shift) as i64) >> shift) } else { i128::from(bits) }
}

fn check_fill(fill: Fill) -> Result<()> {
    match fill {
        Fill::Float(x) if !x.is_finite() => {
            refuse!(
                Recipe,
                "scale-offset: the fill value {x} needs no mention: NaN and infinities always come back exactly"
            )
        }
        _ => Ok(()),
    }
}

/// Whether two elements have the same bits.
fn is_same(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// How far outside `low..=high` a value is; infinite for NaN.
fn outside(value: Scalar, low: f64, high: f64) -> f64 {
    let x = match value {
        Scalar::Int(i) => i as f64,
        Scalar::Float(x) => x,
        _ => f64::NAN,
    };
    (low - x).max(x - high).max(if x.is_nan() { f64::INFINITY } else { 0.0 })
}

impl Transform for ScaleOffset {
    fn fidelity(&self, input: &Spec) -> Fidelity {
        if self.grid.is_exact() {
            return Fidelity::Exact;
        }
        Fidelity::Lossy { max_abs: Some(self.grid.max_abs(input.dtype(), self.largest)), max_rel: None }
    }

    fn output(&self, input: &Spec) -> Result<Spec> {
        if !matches!(input.dtype().kind(), DTypeKind::Float | DTypeKind::Int | DTypeKind::Uint) {
            return Err(unfit("scale-offset", input, FITS));
        }
        self.check(input.dtype())?;
        input.with_dtype(self.to)
    }

    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()> {
        let (dtype, to) = (input.dtype(), io.output.dtype());
        out.reset(to, input.len() as u64)?;
        let marks = self.marks(dtype)?;
        let (low, high) = (self.grid.value(0), self.grid.value(self.largest));
        let fill = self.fill.map(|_| fill_scalar(dtype, &marks)).transpose()?;
        let mut without = |i: usize| {
            let value = input.scalar(i);
            // Without a code although inside the range: a value that would come back as the fill value.
            let other = fill.filter(|fill| self.is_inside(dtype, value) && !is_same(value, *fill));
            refused.add(Why::OutOfRange, position(at, i as u64), value, other, outside(value, low, high));
        };
        with_value!(dtype, T => with_code!(to, C => {
            T::forward::<C>(&self.grid, &marks, input.slice(), out.slice_mut(), &mut without)
        }, else Err(mismatch(dtype, to))), else Err(mismatch(dtype, to)))
    }

    fn inverse(&self, io: &Io, _at: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        let (dtype, to) = (io.input.dtype(), input.dtype());
        out.reset(dtype, input.len() as u64)?;
        let marks = self.marks(dtype)?;
        with_value!(dtype, T => with_code!(to, C => {
            T::inverse::<C>(&self.grid, &marks, input.slice(), out.slice_mut())
        }, else Err(mismatch(dtype, to))), else Err(mismatch(dtype, to)))
    }

    fn ceiling(&self) -> Option<u64> {
        Some(self.highest())
    }

    fn explain(&self, io: &Io, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String {
        let (low, high) = (Scalar::Float(self.grid.value(0)), Scalar::Float(self.grid.value(self.largest)));
        let count = refusal.count;
        let values = if count == 1 { "a value".to_owned() } else { format!("{count} values") };
        let (first, fill) = refusal.first_value;
        let mut text = format!("scale-offset has no code for {values} of this {} array: ", io.input.dtype());
        text += &format!("{}{first} at {index:?}", if count == 1 { "" } else { "the first is " });
        if count > 1 && worst != index {
            text += &format!(", the farthest {} at {worst:?}", refusal.worst_value.0);
        }
        let unit = Scalar::Float(self.grid.step());
        text += &format!("; the recorded grid holds {low} to {high} in steps of {unit}");
        let special = |s: Scalar| matches!(s, Scalar::Float(x) if !x.is_finite());
        if let Some(fill) = fill {
            text += &format!(
                ". The first would come back as the fill value {fill}, which stands for missing values; use a finer step, or another fill value, or none"
            );
        } else if special(first) || special(refusal.worst_value.0) {
            let kept: Vec<&str> = self.reserved.iter().map(|(name, _)| name).collect();
            let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
            text +=
                &format!(" (reserved codes: {kept}). Fit the step to these data, so that NaN and infinities get codes");
        } else {
            text += ". Fit the step to these data (ask for digits, a step size or bits instead of a recorded grid), or take the values out of range away";
        }
        text
    }

    fn describe(&self) -> String {
        let step = self.grid.step();
        let unit = Scalar::Float(step);
        let mut text = match self.grid {
            Grid::Decimal { digits, .. } if digits > 0 => {
                format!("{}, step 1e-{digits} ({digits} decimal{})", self.to, if digits == 1 { "" } else { "s" })
            }
            Grid::Decimal { digits, .. } if digits < 0 => format!("{}, step 1e{}", self.to, digits.unsigned_abs()),
            Grid::Decimal { .. } => format!("{}, step 1", self.to),
            Grid::Multiple { .. } => format!("{}, step {unit}", self.to),
            Grid::Even { offset, .. } => format!("{}, step {unit} from {}", self.to, Scalar::Float(offset)),
            Grid::Whole { step_size: 1, .. } => format!("{}, step 1 (exact)", self.to),
            Grid::Whole { step_size, .. } => format!("{}, step {step_size}", self.to),
        };
        let kept: Vec<&str> = self.reserved.iter().map(|(name, _)| name).collect();
        if !kept.is_empty() {
            text += &format!(", {} kept", kept.join(", "));
        }
        text
    }
}

/// The fill value as an element of `dtype`.
fn fill_scalar(dtype: DType, marks: &Marks) -> Result<Scalar> {
    let mut buf = Buf::new();
    buf.reset(dtype, 1)?;
    let bits = marks.fill_bits.unwrap_or(0);
    match dtype.size() {
        1 => buf.slice_mut::<u8>()[0] = bits as u8,
        2 => buf.slice_mut::<u16>()[0] = bits as u16,
        4 => buf.slice_mut::<u32>()[0] = bits as u32,
        _ => buf.slice_mut::<u64>()[0] = bits,
    }
    Ok(buf.scalar(0))
}

fn mismatch(dtype: DType, to: DType) -> Error {
    let message = format!(
        "step scale-offset between {dtype} and {to}; it takes {FITS} and gives uint8, uint16, uint32 or uint64"
    );
    Error::new(ErrorKind::Recipe, message)
}

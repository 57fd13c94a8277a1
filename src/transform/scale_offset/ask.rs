//! Scale-offset as it is asked for, and the grid that follows from the range of the data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::grid::{Grid, MAX_DIGITS, bounds, power_of_ten, spacing};
use super::{FITS, Reserved, ScaleOffset, check_fill, signed};
use crate::array::{DType, DTypeKind, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::transform::{Asked, Fact, FactNeeded, Fill, Range, Step, unfit};

/// The most bits that can be asked for.
const MAX_BITS: u8 = 32;

/// A float64 step is at least this many spacings at the largest magnitude: then multiples stay below 2^51, where rounding by
/// addition is exact, and a restored value lies within an eighth of a step of its grid point.
const F64_SPACINGS: f64 = 4.0;

/// A float16 or float32 step is more than one spacing by this part, unless it is exactly one: a restored value must lie less
/// than half a step from its grid point, or it could be given the neighbour's code the next time.
const ABOVE_SPACING: f64 = 1.0 + 1.0 / (1 << 20) as f64;

/// How fine a grid is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolution {
    /// A step of 10^-D, on multiples of it; D may be negative.
    Digits(i32),
    /// A step of this size, on multiples of it.
    Step(f64),
    /// The step that spreads the data's range over all codes of this many bits, from the least value.
    Bits(u8),
}

/// Scale-offset as it is asked for.
///
/// JSON: `{"step": "scale-offset", "digits": 4}`, or `"step_size": 0.5`, or `"bits": 12` (exactly one), and optionally
/// `"fill": -9999`. (`step_size`, because `step` is the name of the step.)
///
/// ```
/// use ndcompact::transform::ScaleOffsetAsk;
///
/// let ask: ScaleOffsetAsk = "step=0.5".parse()?;
/// assert_eq!(ask, ScaleOffsetAsk::step(0.5));
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ScaleOffsetAsk {
    /// How fine a grid.
    pub resolution: Resolution,
    /// The value that marks what is missing; comes back bit for bit.
    pub fill: Option<Fill>,
}

/// The JSON form.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_size: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bits: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<Fill>,
}

impl From<ScaleOffsetAsk> for Fields {
    fn from(ask: ScaleOffsetAsk) -> Self {
        let fields = Fields { fill: ask.fill, ..Fields::default() };
        match ask.resolution {
            Resolution::Digits(d) => Fields { digits: Some(d), ..fields },
            Resolution::Step(s) => Fields { step_size: Some(s), ..fields },
            Resolution::Bits(n) => Fields { bits: Some(n), ..fields },
        }
    }
}

impl TryFrom<Fields> for ScaleOffsetAsk {
    type Error = Error;

    fn try_from(fields: Fields) -> Result<Self> {
        let resolution = match (fields.digits, fields.step_size, fields.bits) {
            (Some(d), None, None) => Resolution::Digits(d),
            (None, Some(s), None) => Resolution::Step(s),
            (None, None, Some(n)) => Resolution::Bits(n),
            (None, None, None) => {
                return refuse!(Recipe, "scale-offset needs one of digits, step_size and bits; none is given");
            }
            _ => {
                return refuse!(
                    Recipe,
                    "scale-offset takes only one of digits, step_size and bits; leave the others out"
                );
            }
        };
        resolution.check()?;
        Ok(Self { resolution, fill: fields.fill })
    }
}

/// As after `--scale-offset`: `4`, `step=0.5`, `bits=12`.
impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resolution::Digits(d) => write!(f, "{d}"),
            Resolution::Step(s) => write!(f, "step={s:e}"),
            Resolution::Bits(n) => write!(f, "bits={n}"),
        }
    }
}

impl FromStr for ScaleOffsetAsk {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.trim().split_once('=') {
            None => text.trim().parse().map(Resolution::Digits).ok(),
            Some(("digits", d)) => d.parse().map(Resolution::Digits).ok(),
            Some(("step", s)) => s.parse().map(Resolution::Step).ok(),
            Some(("bits", n)) => n.parse().map(Resolution::Bits).ok(),
            Some(_) => None,
        };
        let Some(resolution) = parsed else {
            return refuse!(
                Usage,
                "cannot read {text:?} after --scale-offset; write decimals (4), step=0.5 or bits=12"
            );
        };
        resolution.check()?;
        Ok(Self { resolution, fill: None })
    }
}

impl Resolution {
    /// Refuses what is nonsense for any data.
    fn check(self) -> Result<()> {
        match self {
            Resolution::Digits(d) if d.unsigned_abs() > MAX_DIGITS.unsigned_abs() => {
                refuse!(Recipe, "scale-offset: {d} decimals; float64 allows -{MAX_DIGITS} to {MAX_DIGITS}")
            }
            Resolution::Step(s) if !(s > 0.0 && s.is_finite()) => {
                refuse!(Recipe, "scale-offset: a step of {s}; it must be positive and finite, e.g. step=0.5")
            }
            Resolution::Bits(n) if !(1..=MAX_BITS).contains(&n) => {
                refuse!(Recipe, "scale-offset: {n} bits; it takes 1 to {MAX_BITS}")
            }
            _ => Ok(()),
        }
    }
}

/// The finest step that keeps the laws for floats up to `magnitude`.
fn finest(dtype: DType, magnitude: f64) -> f64 {
    let one = spacing(dtype, magnitude);
    if dtype == DType::F64 { one * F64_SPACINGS } else { one }
}

/// Whether `step` keeps the laws; `anchored` grids consist of multiples of the step.
fn is_coarse_enough(dtype: DType, magnitude: f64, step: f64, anchored: bool) -> bool {
    let least = finest(dtype, magnitude);
    match dtype {
        DType::F64 => step >= least,
        _ => (anchored && step == least) || step >= least * ABOVE_SPACING,
    }
}

impl ScaleOffsetAsk {
    /// A step of 10^-`digits`.
    pub fn digits(digits: i32) -> Self {
        Self { resolution: Resolution::Digits(digits), fill: None }
    }

    /// A step of `size`.
    pub fn step(size: f64) -> Self {
        Self { resolution: Resolution::Step(size), fill: None }
    }

    /// All codes of `bits` bits over the data's range.
    pub fn bits(bits: u8) -> Self {
        Self { resolution: Resolution::Bits(bits), fill: None }
    }

    /// The same with a fill value, which comes back bit for bit.
    #[must_use]
    pub fn with_fill(self, fill: Fill) -> Self {
        Self { fill: Some(fill), ..self }
    }

    /// Refuses what does not fit `input`, whatever its values.
    fn check(&self, input: &Spec) -> Result<()> {
        let dtype = input.dtype();
        let integer = matches!(dtype.kind(), DTypeKind::Int | DTypeKind::Uint);
        if !integer && dtype.kind() != DTypeKind::Float {
            return Err(unfit("scale-offset", input, FITS));
        }
        self.resolution.check()?;
        if let Some(fill) = self.fill {
            check_fill(fill)?;
            fill.bits(dtype)?;
        }
        match self.resolution {
            Resolution::Digits(d) if integer && d > 0 => {
                refuse!(
                    Recipe,
                    "scale-offset: {d} decimals of {dtype}, which has none; --scale-offset 0 is exact for integers"
                )
            }
            // 10^19 is the last power below 2^64.
            Resolution::Digits(d) if integer && d < -19 => {
                refuse!(
                    Recipe,
                    "scale-offset: a step of 1e{} is beyond every {dtype} value; use --scale-offset -19 or finer",
                    -d
                )
            }
            Resolution::Step(s) if integer && (s.fract() != 0.0 || s >= 18_446_744_073_709_551_616.0) => {
                refuse!(
                    Recipe,
                    "scale-offset: a step of {s:e} for {dtype}; integers take a whole step from 1 (exact) to 2^64 - 1, e.g. step={}",
                    if s < 1e18 { s.ceil() } else { 1.0 }
                )
            }
            _ => Ok(()),
        }
    }

    fn integers(&self, dtype: DType, range: &Range) -> Result<ScaleOffset> {
        let (least, greatest) = if range.finite == 0 { (0, 0) } else { range.integers };
        let (low, high) = bounds(dtype);
        if least < low || greatest > high || least > greatest {
            return refuse!(Recipe, "scale-offset: a range of {least} to {greatest}, which {dtype} does not hold");
        }
        let span = (greatest - least) as u64;
        let has_fill = range.fills > 0;
        let (step, base, offset) = match self.resolution {
            Resolution::Digits(d) => (10u64.checked_pow(d.unsigned_abs()).unwrap_or(u64::MAX), None, 0),
            Resolution::Step(s) => (s as u64, None, 0),
            Resolution::Bits(n) => {
                let fill = self.fill.map(|f| f.bits(dtype)).transpose()?.map(|bits| signed(dtype, bits));
                let all = (1u64 << n) - 1;
                // The fill value needs a code of its own unless the grid is exact and has it.
                let inside = fill.is_some_and(|f| (least..=greatest).contains(&f));
                let levels = if has_fill && !(inside && span <= all) { all - 1 } else { all };
                if levels == 0 && span > 0 {
                    return refuse!(
                        Refused,
                        "scale-offset: 1 bit holds the fill value and one other; the data range over {least} to {greatest}: use bits=2 or more"
                    );
                }
                // A whole step, rounded up: with room enough it is 1 and nothing is lost.
                let step = span.div_ceil(levels.max(1)).max(1);
                if step == 1 { (1, None, 0) } else { (step, Some(0), least) }
            }
        };
        let mut whole = super::grid::Whole { step, base: 0, offset };
        whole.base = base.unwrap_or_else(|| whole.nearest(least));
        let grid = Grid::Whole { step_size: step, base: whole.base, offset };
        let largest = u64::try_from(whole.nearest(greatest)).unwrap_or(u64::MAX);
        let fill_code = if has_fill {
            let own = self.fill.map(|f| f.bits(dtype)).transpose()?.map(|bits| signed(dtype, bits) - whole.base);
            let own = own.and_then(|c| u64::try_from(c).ok()).filter(|c| step == 1 && *c <= largest);
            Some(own.unwrap_or(largest.saturating_add(1)))
        } else {
            None
        };
        self.record(grid, largest, Reserved { fill: fill_code, ..Reserved::default() })
    }

    fn floats(&self, dtype: DType, range: &Range) -> Result<ScaleOffset> {
        let (least, greatest) = if range.finite == 0 { (0.0, 0.0) } else { range.floats };
        if !(least.is_finite() && greatest.is_finite() && least <= greatest) {
            return refuse!(
                Recipe,
                "scale-offset: a range of {least:e} to {greatest:e} is not one of finite {dtype} values"
            );
        }
        let magnitude = least.abs().max(greatest.abs());
        let present = [range.nan, range.pos_inf, range.neg_inf, range.fills];
        let reserved = present.iter().filter(|n| **n > 0).count() as u64;
        let grid = match self.resolution {
            Resolution::Digits(digits) => Grid::Decimal { digits, base: 0 },
            Resolution::Step(step_size) => Grid::Multiple { step_size, base: 0 },
            Resolution::Bits(n) => {
                let all = (1u64 << n) - 1;
                // Adding zero turns an offset of -0 into +0.
                let offset = least + 0.0;
                if range.finite > 0 && least < greatest {
                    if all <= reserved {
                        let needs = 64 - (reserved + 1).leading_zeros();
                        return refuse!(
                            Refused,
                            "scale-offset: {n} bits cannot hold {reserved} reserved codes and a range from {least:e} to {greatest:e}; use bits={needs} or more"
                        );
                    }
                    let span = greatest - least;
                    if !span.is_finite() {
                        return refuse!(
                            Refused,
                            "scale-offset: the range from {least:e} to {greatest:e} is wider than float64 holds; use step={:e}",
                            greatest / all as f64
                        );
                    }
                    Grid::Even { step_size: span / (all - reserved) as f64, offset }
                } else {
                    let codes = reserved + u64::from(range.finite > 0);
                    if codes > all + 1 {
                        return refuse!(
                            Refused,
                            "scale-offset: {n} bits cannot hold {codes} codes; use bits={}",
                            64 - (codes - 1).leading_zeros()
                        );
                    }
                    // One value: exact with any step. The finest one, so that no other value passes for it later; 1e-300,
                    // because the spacing at 0 is no step that a reader of CF attributes can multiply by.
                    Grid::Even { step_size: (finest(dtype, magnitude) * 2.0).max(1e-300), offset }
                }
            }
        };
        let anchored = !matches!(grid, Grid::Even { .. });
        if (anchored || least < greatest)
            && magnitude > 0.0
            && !is_coarse_enough(dtype, magnitude, grid.step(), anchored)
        {
            return Err(self.too_fine(dtype, (least, greatest), reserved, grid.step()));
        }
        let largest_of =
            |grid: &Grid| -> Result<(i64, i64)> { Ok((nearest(grid, dtype, least)?, nearest(grid, dtype, greatest)?)) };
        let (first, last) = largest_of(&grid)?;
        let (grid, largest) = match grid {
            Grid::Decimal { digits, .. } => (Grid::Decimal { digits, base: first }, last - first),
            Grid::Multiple { step_size, .. } => (Grid::Multiple { step_size, base: first }, last - first),
            other => (other, last),
        };
        let largest = largest.unsigned_abs();
        let mut next = largest;
        let codes = present.map(|count| {
            next += u64::from(count > 0);
            (count > 0).then_some(next)
        });
        let [nan, pos_inf, neg_inf, fill] = codes;
        self.record(grid, largest, Reserved { nan, pos_inf, neg_inf, fill })
    }

    fn record(&self, grid: Grid, largest: u64, reserved: Reserved) -> Result<ScaleOffset> {
        let mut step = ScaleOffset { to: DType::U64, grid, largest, reserved, fill: self.fill };
        step.to = DType::unsigned_for(step.highest());
        Ok(step)
    }

    fn too_fine(&self, dtype: DType, (least, greatest): (f64, f64), reserved: u64, step: f64) -> Error {
        let magnitude = least.abs().max(greatest.abs());
        let one = spacing(dtype, magnitude);
        let remedy = match self.resolution {
            Resolution::Digits(d) => (-MAX_DIGITS..d).rev().map(Resolution::Digits).find(
                |r| matches!(r, Resolution::Digits(d) if is_coarse_enough(dtype, magnitude, digits_step(*d), true)),
            ),
            Resolution::Step(_) => Some(Resolution::Step(finest(dtype, magnitude))),
            Resolution::Bits(n) => (1..n)
                .rev()
                .filter(|n| (1u64 << n) - 1 > reserved)
                .find(|n| {
                    is_coarse_enough(dtype, magnitude, (greatest - least) / ((1u64 << n) - 1 - reserved) as f64, false)
                })
                .map(Resolution::Bits),
        };
        let remedy = match remedy {
            Some(finest) => format!("the finest that works is --scale-offset {finest}"),
            None => format!("use --scale-offset step={:e}", finest(dtype, magnitude)),
        };
        let floor = if dtype == DType::F64 { "4 times that" } else { "that" };
        let message = format!(
            "scale-offset: a step of {step:e} is too fine for {dtype} values up to {magnitude:e}, which are {one:e} apart there, and a step must be at least {floor}; {remedy}"
        );
        Error::new(ErrorKind::Refused, message)
    }
}

/// The step of `digits` decimals.
fn digits_step(digits: i32) -> f64 {
    let power = power_of_ten(digits.unsigned_abs());
    if digits >= 0 { 1.0 / power } else { power }
}

/// The code that the kernel itself gives the finite `x` on `grid`, which starts at multiple 0 or at the least value.
pub(super) fn nearest(grid: &Grid, dtype: DType, x: f64) -> Result<i64> {
    use super::grid::{Lattice, MAX_MULTIPLE};
    use super::kernel::{Float, Rule};
    let exact = crate::array::with_float!(dtype, T => <T as Float>::EXACT, else true);
    let code = match grid.lattice() {
        Some(Lattice::Decimal(g)) => g.nearest(x, exact),
        Some(Lattice::Multiple(g)) => g.nearest(x, exact),
        Some(Lattice::Even(g)) => g.nearest(x, exact),
        None => f64::NAN,
    };
    if code.abs() <= MAX_MULTIPLE as f64 {
        return Ok(code as i64);
    }
    refuse!(
        Refused,
        "scale-offset: {x:e} is {code:e} steps of {:e} away from 0; at most 2^51 are exact: use a larger step",
        grid.step()
    )
}

impl Asked for ScaleOffsetAsk {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        self.check(input)?;
        Ok(FactNeeded::Range { fill: self.fill })
    }

    fn settle(&self, input: &Spec, fact: &Fact) -> Result<Step> {
        self.check(input)?;
        let Fact::Range(range) = fact else {
            return refuse!(Recipe, "scale-offset needs the range of the data before its step can be settled");
        };
        let dtype = input.dtype();
        let step =
            if dtype.kind() == DTypeKind::Float { self.floats(dtype, range)? } else { self.integers(dtype, range)? };
        step.check(dtype)?;
        Ok(Step::ScaleOffset(step))
    }
}

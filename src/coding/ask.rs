//! A coding as it is asked for, and as it is recorded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Bound;
use crate::error::{Error, Result, refuse};

/// How hard a chunk is tried to be made small: 1 (fastest) to 9 (smallest). Decoding is as fast for all but the last few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Effort(u8);

impl Effort {
    /// Fastest.
    pub const LEAST: Effort = Effort(1);
    /// Smallest.
    pub const MOST: Effort = Effort(9);

    /// The number.
    pub const fn level(self) -> u8 {
        self.0
    }
}

impl Default for Effort {
    fn default() -> Self {
        Effort(5)
    }
}

impl TryFrom<u8> for Effort {
    type Error = Error;

    fn try_from(level: u8) -> Result<Self> {
        match level {
            1..=9 => Ok(Effort(level)),
            _ => refuse!(Usage, "effort {level} is not in 1 to 9"),
        }
    }
}

impl From<Effort> for u8 {
    fn from(effort: Effort) -> u8 {
        effort.0
    }
}

impl FromStr for Effort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<u8>() {
            Ok(level) => Effort::try_from(level),
            Err(_) => refuse!(Usage, "effort {text:?} is not a number from 1 to 9"),
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A coding as it is recorded: what it may change, in numbers that need no look at the data, and how hard it tried.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// What may change.
    pub bound: Bound,
    /// How hard chunks were tried to be made small.
    #[serde(default)]
    pub effort: Effort,
}

/// A coding as it is asked for. All limits that are given hold together; with none, or all zero, every bit comes back.
///
/// ```
/// use ndcompact::coding::CodingAsk;
///
/// let ask = CodingAsk { max_range_rel: Some(1e-3), ..CodingAsk::default() };
/// assert!(ask.needs_range());
/// let coding = ask.settle(Some((-128.0, 128.0)))?;
/// assert!((coding.bound.max_abs.unwrap() - 0.256).abs() < 1e-15);
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodingAsk {
    /// |x − y| of every finite value at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs: Option<f64>,
    /// |x − y| at most this times max(|x|, `rel_floor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rel: Option<f64>,
    /// Magnitude below which `max_rel` is relative to it; 0 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rel_floor: Option<f64>,
    /// |x − y| at most this times the range of the array's finite values, fill value excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_range_rel: Option<f64>,
    /// Peak signal to noise ratio of the whole array at least this, in dB: 20 log10(range / root mean square error).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psnr: Option<f64>,
    /// How hard to try.
    #[serde(default)]
    pub effort: Effort,
}

impl CodingAsk {
    /// Refuses numbers that cannot be limits.
    pub fn check(&self) -> Result<()> {
        let limits = [
            ("--max-abs", self.max_abs),
            ("--max-rel", self.max_rel),
            ("--rel-floor", self.rel_floor),
            ("--max-range-rel", self.max_range_rel),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit.filter(|l| !(l.is_finite() && *l >= 0.0)) {
                return refuse!(Usage, "{name} {limit} cannot be a limit; give a finite number of at least 0");
            }
        }
        if let Some(db) = self.psnr.filter(|db| !(*db > 0.0 && *db <= 2000.0)) {
            return refuse!(Usage, "--psnr {db} cannot be kept; give decibels above 0, up to 2000");
        }
        if self.rel_floor.is_some() && self.max_rel.is_none() {
            return refuse!(Usage, "--rel-floor says where --max-rel becomes absolute; give --max-rel as well");
        }
        Ok(())
    }

    /// Whether the range of the data must be known first.
    pub fn needs_range(&self) -> bool {
        self.max_range_rel.is_some() || self.psnr.is_some()
    }

    /// The recorded coding. `range` holds the least and the greatest finite value, `None` where there is none.
    pub fn settle(&self, range: Option<(f64, f64)>) -> Result<Coding> {
        self.check()?;
        // Rounded down, as a limit may be; halved first, so that the whole range of float64 has a width.
        let half = range.map_or(0.0, |(least, greatest)| (greatest / 2.0 - least / 2.0).max(0.0));
        let by_range = self.max_range_rel.map(|r| product_below(product_below(half, r), 2.0));
        let mut max_abs = match (self.max_abs, by_range) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let rmse = self.psnr.map(|db| half / power_of_ten(db / 20.0));
        let mut mean_square = rmse.map(|rmse| product_below(product_below(rmse, rmse), 4.0));
        if let (Some(rmse), true) = (rmse, mean_square.is_some_and(f64::is_infinite)) {
            // No float64 holds the square: every error below the root keeps the mean below it as well.
            let most = product_below(rmse, 2.0);
            (max_abs, mean_square) = (Some(max_abs.map_or(most, |e| e.min(most))), None);
        }
        let rel_floor = self.rel_floor.unwrap_or(0.0);
        Ok(Coding { bound: Bound { max_abs, max_rel: self.max_rel, rel_floor, mean_square }, effort: self.effort })
    }
}

/// Digits of the exponent's fraction that are used: all that a float64 has.
const FRACTION_BITS: u32 = 52;
/// More than the rounding errors of that many products.
const ABOVE: f64 = 1.0 + 1e-13;

/// 10^x for x from 0 to 100, a little too large rather than too small. Square roots and products alone: `powf` differs from machine
/// to machine.
fn power_of_ten(x: f64) -> f64 {
    let whole = x.floor();
    let mut power = (0..whole as u32).fold(1.0, |p, _| p * 10.0);
    let (mut rest, mut root) = (x - whole, 10.0f64);
    for _ in 0..FRACTION_BITS {
        root = root.sqrt();
        rest *= 2.0;
        if rest >= 1.0 {
            rest -= 1.0;
            power *= root;
        }
    }
    power * ABOVE
}

/// The largest float64 known not to exceed a·b (both at least 0) by more than nothing: the rounded product, or the one below it.
fn product_below(a: f64, b: f64) -> f64 {
    let product = a * b;
    // Whether rounding went up shows in the quotient only roughly; one spacing less is always safe, and exact products
    // (by powers of two, or zero) are left as they are.
    let exact = b == 0.0 || (b.to_bits() & ((1 << 52) - 1)) == 0 || (a.to_bits() & ((1 << 52) - 1)) == 0;
    if exact || product == 0.0 { product } else { product.next_down() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_close_from_above() {
        for x in [0.0, 0.05, 1.0, 1.5, 3.0103, 7.25, 50.0, 100.0] {
            let exact = 10f64.powf(x);
            assert!(power_of_ten(x) >= exact && power_of_ten(x) < exact * (1.0 + 1e-12), "{x}");
        }
    }

    #[test]
    fn limits_are_checked_and_the_strictest_holds() {
        let ask = CodingAsk { max_abs: Some(0.5), max_range_rel: Some(0.125), ..CodingAsk::default() };
        assert_eq!(ask.settle(Some((0.0, 8.0))).unwrap().bound.max_abs, Some(0.5));
        assert_eq!(ask.settle(Some((0.0, 2.0))).unwrap().bound.max_abs, Some(0.25));
        assert_eq!(ask.settle(None).unwrap().bound.max_abs, Some(0.0), "no finite value, nothing to change");
        let wide = CodingAsk { max_range_rel: Some(0.5), ..CodingAsk::default() };
        assert_eq!(wide.settle(Some((f64::MIN, f64::MAX))).unwrap().bound.max_abs, Some(f64::MAX));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(CodingAsk { max_abs: Some(bad), ..CodingAsk::default() }.settle(None).is_err());
            assert!(CodingAsk { psnr: Some(bad), ..CodingAsk::default() }.settle(None).is_err());
        }
        assert!(CodingAsk { rel_floor: Some(1.0), ..CodingAsk::default() }.settle(None).is_err());
        assert!(CodingAsk::default().settle(None).unwrap().bound.is_lossless());
        assert!("0".parse::<Effort>().is_err() && "10".parse::<Effort>().is_err());
    }
}

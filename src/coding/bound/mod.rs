//! What coding may change, and the exact judgement of whether a value may stand for another.

mod exact;
mod slices;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(in crate::coding) use tests::{Numbers, judge};

pub(in crate::coding) use slices::{Value, squared_error};

use serde::{Deserialize, Serialize};

use crate::error::{Result, refuse};

/// What coding may change. All limits that are given hold together; lossless where none is given or one of them is 0.
///
/// Its JSON is its recorded form; an absent field is no such limit.
///
/// ```
/// use ndcompact::coding::Bound;
///
/// let bound = Bound { max_abs: Some(0.5), ..Bound::default() };
/// assert!(bound.allows_f64(1.0, 1.5) && !bound.allows_f64(1.0, 1.5000000000000002));
/// assert!(!bound.allows_f64(1.0, f64::NAN));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// |x − y| of every finite value is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs: Option<f64>,
    /// |x − y| is at most this times max(|x|, `rel_floor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rel: Option<f64>,
    /// Magnitude below which `max_rel` is relative to it.
    #[serde(default)]
    pub rel_floor: f64,
    /// The mean of (x − y)² over a chunk is at most this. Says nothing of a single element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_square: Option<f64>,
}

impl Bound {
    /// Refuses numbers that cannot be limits: negative, NaN, infinite.
    ///
    /// # Errors
    /// `Recipe`, naming the limit.
    pub fn check(&self) -> Result<()> {
        let limits = [
            ("max_abs", self.max_abs),
            ("max_rel", self.max_rel),
            ("rel_floor", Some(self.rel_floor)),
            ("mean_square", self.mean_square),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit.filter(|l| !(l.is_finite() && *l >= 0.0)) {
                return refuse!(Recipe, "{name} {limit} cannot be a limit; give a finite number of at least 0");
            }
        }
        Ok(())
    }

    /// Whether every bit comes back.
    pub fn is_lossless(&self) -> bool {
        let limits = [self.max_abs, self.max_rel, self.mean_square];
        limits.iter().all(Option::is_none) || limits.contains(&Some(0.0))
    }

    /// Whether `y` may stand for `x`, decided in exact arithmetic: for finite x, |x − y| <= `max_abs` and |x − y| <=
    /// `max_rel`·max(|x|, `rel_floor`), those that are given. NaN and infinities only bit for bit; a finite value never for
    /// them or they for it. Lossless: the same bits. float16 and float32 widen to float64 exactly.
    ///
    /// The product of the relative limit is rounded down to a float64: a difference that needs more than 53 bits to be told
    /// from it may be refused, never allowed wrongly.
    pub fn allows_f64(&self, x: f64, y: f64) -> bool {
        if x.to_bits() == y.to_bits() {
            return true;
        }
        if self.is_lossless() || !x.is_finite() || !y.is_finite() {
            return false;
        }
        let abs = self.max_abs.is_none_or(|e| exact::is_within(x, y, e));
        let rel = |r: f64| exact::is_within(x, y, exact::product_down(r, x.abs().max(self.rel_floor)));
        abs && self.max_rel.is_none_or(rel)
    }

    /// Whether `y` may stand for `x`, integers of at most 64 bits, decided exactly as in [`Bound::allows_f64`].
    pub fn allows_int(&self, x: i128, y: i128) -> bool {
        if x == y {
            return true;
        }
        let d = x.abs_diff(y);
        !self.is_lossless() && self.whole_limit(x.unsigned_abs()).is_none_or(|limit| d <= limit)
    }

    /// The largest whole number that an integer of `magnitude` may be off by; `None` where nothing limits it.
    pub(in crate::coding) fn whole_limit(&self, magnitude: u128) -> Option<u128> {
        let abs = self.max_abs.map(|e| e as u128); // Towards zero, saturating: the floor.
        let rel = self.max_rel.map(|r| {
            // A float floor is compared as a float: both are exact below 2^53, and above it the smaller product is taken.
            let by_value = exact::whole_product_down(r, magnitude);
            by_value.max(exact::product_down(r, self.rel_floor) as u128)
        });
        match (abs, rel) {
            (Some(a), Some(r)) => Some(a.min(r)),
            (a, r) => a.or(r),
        }
    }
}

//! The written form of a loss: what stands in files and in `--json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::loss::Loss;
use crate::array::{Scalar, index_of};

/// A value in JSON: a number, a boolean, or `[real, imaginary]`. Only finite values occur.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// Integers that fit `i64`.
    Int(i64),
    /// Larger integers.
    Uint(u64),
    /// Floats.
    Float(f64),
    /// Complex numbers: real part, imaginary part.
    Complex([f64; 2]),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Int(i) => match (i64::try_from(i), u64::try_from(i)) {
                (Ok(i), _) => Value::Int(i),
                (_, Ok(u)) => Value::Uint(u),
                _ => Value::Float(i as f64),
            },
            Scalar::Float(x) => Value::Float(x),
            Scalar::Complex(re, im) => Value::Complex([re, im]),
        }
    }
}

/// Units in the last place that a sum of two written errors may be off.
const ROUNDINGS: f64 = 4.0;

/// What a run lost, written down. Every number is finite, so that JSON can hold it.
///
/// ```
/// use ndcompact::array::{Buf, Span};
/// use ndcompact::metric::{Loss, LossRecord};
/// let mut loss = Loss::new();
/// loss.add(&[Span::new(0, 4)], &Buf::from_slice(&[1i32, 2, 3, 4])?, &Buf::from_slice(&[1i32, 2, 3, 0])?)?;
/// let json = serde_json::to_string(&loss.to_record(&[2, 2])).unwrap();
/// assert_eq!(
///     json,
///     r#"{"count":4,"changed":1,"max_abs":4.0,"max_abs_at":[1,1],"original":4,"restored":0,"rmse":2.0,"mean_error":1.0,"classes":{"nonzero_to_zero":1}}"#
/// );
/// assert_eq!(serde_json::from_str::<LossRecord>(&json).unwrap(), loss.to_record(&[2, 2]));
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossRecord {
    /// Elements compared.
    pub count: u64,
    /// Elements whose bits differ; NaN against another NaN is no change.
    pub changed: u64,
    /// Elements that differ only in the bits of a NaN; left out if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nan_payload: u64,
    /// Elements that are not finite on either side, over which no error is taken; left out if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_finite: u64,
    /// The largest absolute error.
    pub max_abs: f64,
    /// The index of the first element that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs_at: Option<Vec<u64>>,
    /// The original value there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Value>,
    /// The restored value there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Value>,
    /// Root of the mean square error.
    pub rmse: f64,
    /// Mean of original − restored; of complex numbers the real part.
    pub mean_error: f64,
    /// The imaginary part of the mean error of complex numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_error_imag: Option<f64>,
    /// Counts of the class changes that occurred, by [`Class::name`](super::Class::name).
    #[serde(default)]
    pub classes: BTreeMap<String, u64>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl LossRecord {
    /// Adds what was lost on further rows: `self` of the first `rows` rows of an array, `more` of those behind them.
    ///
    /// Counts, the largest error and its place are those of the whole array; `rmse` and `mean_error` come from the written numbers,
    /// each addition rounding in the last places, `rmse` never down.
    pub fn append(&mut self, rows: u64, more: &LossRecord) {
        let (a, b) = (self.finite() as f64, more.finite() as f64);
        if b > 0.0 {
            let (p, q) = (a / (a + b), b / (a + b));
            // Neither square can overflow or vanish this way.
            let rmse = (self.rmse * p.sqrt()).hypot(more.rmse * q.sqrt());
            // Up: what a file says of itself is held against what it holds.
            self.rmse = rmse * (1.0 + ROUNDINGS * f64::EPSILON);
            let mean = |x: f64, y: f64| x.mul_add(p, y * q);
            self.mean_error = mean(self.mean_error, more.mean_error);
            if self.mean_error_imag.is_some() || more.mean_error_imag.is_some() {
                let [x, y] = [self.mean_error_imag, more.mean_error_imag].map(Option::unwrap_or_default);
                self.mean_error_imag = Some(mean(x, y));
            }
        }
        self.count = self.count.saturating_add(more.count);
        self.changed = self.changed.saturating_add(more.changed);
        self.nan_payload = self.nan_payload.saturating_add(more.nan_payload);
        self.not_finite = self.not_finite.saturating_add(more.not_finite);
        // Of equal ones the first is told.
        if more.max_abs > self.max_abs {
            self.max_abs = more.max_abs;
            self.max_abs_at = more.max_abs_at.clone();
            if let Some(first) = self.max_abs_at.as_mut().and_then(|at| at.first_mut()) {
                *first = first.saturating_add(rows);
            }
            (self.original, self.restored) = (more.original, more.restored);
        }
        for (class, n) in &more.classes {
            let all = self.classes.entry(class.clone()).or_default();
            *all = all.saturating_add(*n);
        }
    }

    /// Elements over which errors are taken.
    fn finite(&self) -> u64 {
        self.count.saturating_sub(self.not_finite)
    }

    pub(super) fn new(loss: &Loss, shape: &[u64]) -> Self {
        let worst = loss.worst();
        Self {
            count: loss.count(),
            changed: loss.changed(),
            nan_payload: loss.nan_payload(),
            not_finite: loss.count() - loss.count_finite(),
            max_abs: loss.max_abs(),
            max_abs_at: worst.map(|w| index_of(shape, w.at)),
            original: worst.map(|w| w.original.into()),
            restored: worst.map(|w| w.restored.into()),
            rmse: loss.rmse(),
            mean_error: loss.mean_error(),
            mean_error_imag: loss.mean_error_imag(),
            classes: loss.classes().map(|(class, n)| (class.name().to_owned(), n.count)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Buf, Span};

    #[test]
    fn the_loss_of_two_parts_is_that_of_the_whole() {
        let x: Vec<f64> = (0..60).map(|i| if i == 41 { f64::NAN } else { f64::from(i) * 0.37 }).collect();
        let y: Vec<f64> = x.iter().map(|x| (x * 8.0).round() / 8.0).collect();
        let loss = |from: usize, to: usize| {
            let mut loss = Loss::new();
            let [a, b] = [&x, &y].map(|v| Buf::from_slice(&v[from..to]).unwrap());
            loss.add(&[Span::new(0, (to - from) as u64)], &a, &b).unwrap();
            loss.to_record(&[(to - from) as u64 / 3, 3])
        };
        for cut in [0, 3, 30, 45, 57] {
            let (mut both, whole) = (loss(0, cut), loss(0, 60));
            both.append(cut as u64 / 3, &loss(cut, 60));
            assert!((both.rmse - whole.rmse).abs() < 1e-15 && (both.mean_error - whole.mean_error).abs() < 1e-15);
            (both.rmse, both.mean_error) = (whole.rmse, whole.mean_error);
            assert_eq!(both, whole, "{cut}");
        }
    }
}

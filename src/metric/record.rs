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

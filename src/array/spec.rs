//! Dtype and shape, checked once so that no later product can overflow.

use std::fmt;

use super::DType;
use crate::error::{Result, refuse};

/// The most axes an array may have; NumPy's own limit since 2.0.
pub const MAX_AXES: usize = 64;

/// Dtype and shape of an array in C order. Its number of bytes fits `i64`, as file offsets must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    dtype: DType,
    shape: Vec<u64>,
    count: u64,
}

impl Spec {
    /// A spec, refused if it has more than [`MAX_AXES`] axes or more than 2^63 − 1 bytes.
    pub fn new(dtype: DType, shape: impl Into<Vec<u64>>) -> Result<Self> {
        let shape = shape.into();
        if shape.len() > MAX_AXES {
            return refuse!(Corrupt, "an array of {} axes; at most {MAX_AXES} are possible", shape.len());
        }
        let count = if shape.contains(&0) { Some(0) } else { shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d)) };
        let fits = |n: &u64| n.checked_mul(dtype.size() as u64).is_some_and(|b| b <= i64::MAX as u64);
        match count.filter(fits) {
            Some(count) => Ok(Self { dtype, shape, count }),
            None => {
                refuse!(Corrupt, "shape {} of {dtype} is over 2^63 bytes, more than any file can hold", Shape(&shape))
            }
        }
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Lengths of the axes, outermost first.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Number of elements; 1 for a 0-d array.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of bytes of all elements.
    pub fn bytes(&self) -> u64 {
        self.count * self.dtype.size() as u64
    }

    /// Length of the last axis; 1 for a 0-d array.
    pub fn last_axis(&self) -> u64 {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The same shape with another dtype.
    pub fn with_dtype(&self, dtype: DType) -> Result<Self> {
        Self::new(dtype, self.shape.clone())
    }

    /// The n-d index of the element at flat position `at`.
    pub fn index(&self, at: u64) -> Vec<u64> {
        index_of(&self.shape, at)
    }
}

/// The n-d index of flat C-order position `at` in an array of `shape`.
pub fn index_of(shape: &[u64], mut at: u64) -> Vec<u64> {
    let mut index = vec![0; shape.len()];
    for (i, d) in index.iter_mut().zip(shape).rev() {
        *i = at % (*d).max(1);
        at /= (*d).max(1);
    }
    index
}

/// A shape as NumPy prints it: `(3,)`, `(2, 3)`, `()`.
struct Shape<'a>(&'a [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, d) in self.0.iter().enumerate() {
            write!(f, "{}{d}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, Shape(&self.shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_shape_is_refused_and_an_empty_one_is_not() {
        assert!(Spec::new(DType::F64, [u64::MAX, 2]).is_err());
        assert!(Spec::new(DType::F64, [1 << 60]).is_err());
        assert_eq!(Spec::new(DType::F64, [u64::MAX, 0]).map(|s| s.count()).ok(), Some(0));
        assert_eq!(Spec::new(DType::F64, []).map(|s| s.count()).ok(), Some(1));
    }
}

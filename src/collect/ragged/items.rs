//! Which items are meant.

use std::str::FromStr;

use crate::array::{AxisSlice, Slice};
use crate::error::{Error, Result, refuse};

/// A range of items as NumPy slices one axis: `10:20`, `-5:`, `::2`; a single number is one item.
///
/// ```
/// use ndcompact::collect::ragged::Range;
/// let last: Range = "-5:-1".parse()?;
/// assert_eq!(last.of(100)?.collect::<Vec<_>>(), [95, 96, 97, 98]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range(AxisSlice);

impl Range {
    /// All items.
    pub const ALL: Range = Range(AxisSlice::Range { start: None, stop: None, step: 1 });

    /// One item; a negative number counts from the end.
    pub const fn one(i: i64) -> Self {
        Range(AxisSlice::At(i))
    }

    /// The numbers that it means of `n` items, in its order.
    ///
    /// # Errors
    /// `Usage` for a single item that there is not. Ranges are cut at the ends, as in NumPy.
    pub fn of(&self, n: u64) -> Result<impl ExactSizeIterator<Item = u64> + use<>> {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        let (first, step, count) = match self.0 {
            AxisSlice::At(i) => {
                let at = if i < 0 { i.saturating_add(n) } else { i };
                if at < 0 || at >= n {
                    return refuse!(Usage, "there is no item {i}: there are {n}, numbered from 0");
                }
                (at, 1, 1)
            }
            AxisSlice::Ellipsis => (0, 1, n as u64),
            AxisSlice::Range { start, stop, step } => {
                let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
                let clip = |v: i64| if v < 0 { v.saturating_add(n).max(low) } else { v.min(high) };
                let first = start.map_or(if step > 0 { 0 } else { n - 1 }, clip);
                let last = stop.map_or(if step > 0 { n } else { -1 }, clip);
                let distance = if step > 0 { last - first } else { first - last };
                let count = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) };
                (first, step, count)
            }
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok((0..count).map(move |k| first.wrapping_add((k as i64).wrapping_mul(step)) as u64))
    }
}

impl FromStr for Range {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<Slice>()?.0.as_slice() {
            [] => refuse!(Usage, "an empty range means no item; write : for all"),
            [AxisSlice::Range { step: 0, .. }] => {
                refuse!(Usage, "{text:?} has a step of 0; write e.g. ::2 for every other item, ::-1 for all backwards")
            }
            [one] => Ok(Self(*one)),
            _ => refuse!(Usage, "{text:?} has several axes; items have one: write e.g. 10:20, -5: or ::2"),
        }
    }
}

impl From<std::ops::Range<u64>> for Range {
    fn from(range: std::ops::Range<u64>) -> Self {
        let end = |n: u64| Some(i64::try_from(n).unwrap_or(i64::MAX));
        Range(AxisSlice::Range { start: end(range.start), stop: end(range.end), step: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_numpy() {
        let of = |text: &str, n| text.parse::<Range>().unwrap().of(n).map(|r| r.collect::<Vec<_>>());
        assert_eq!(of(":", 3).unwrap(), [0, 1, 2]);
        assert_eq!(of("-2:", 5).unwrap(), [3, 4]);
        assert_eq!(of("::-2", 5).unwrap(), [4, 2, 0]);
        assert_eq!(of("7:9", 5).unwrap(), [0u64; 0]);
        assert_eq!(of("-1", 5).unwrap(), [4]);
        assert!(of("5", 5).is_err() && of("-6", 5).is_err());
        assert_eq!(of(":", 0).unwrap(), [0u64; 0]);
        for bad in ["1,2", "", "0:5:0", "5:0:0", "::0"] {
            assert!(bad.parse::<Range>().is_err(), "{bad:?}");
        }
        assert_eq!(Range::from(1..3).of(2).unwrap().collect::<Vec<_>>(), [1]);
    }
}

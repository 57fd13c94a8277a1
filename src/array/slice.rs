//! NumPy basic slicing (`0:10, :, -1, ::2, …`), resolved to spans of the sliced array.

use std::fmt;
use std::str::FromStr;

use super::{Span, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};

/// What is taken of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisSlice {
    /// `start:stop:step`; missing ends as in NumPy.
    Range {
        /// First index, negative counts from the end.
        start: Option<i64>,
        /// Index after the last, negative counts from the end.
        stop: Option<i64>,
        /// Step, never 0.
        step: i64,
    },
    /// One index; the axis disappears from the result.
    At(i64),
    /// `...`: as many whole axes as are left.
    Ellipsis,
}

/// A slice of an array in NumPy's basic syntax, without new axes.
///
/// ```
/// let slice: ndcompact::Slice = "0:10, ..., -1".parse()?;
/// let spec = ndcompact::Spec::new(ndcompact::DType::F32, [100, 5, 7])?;
/// assert_eq!(slice.of(&spec)?.shape(), [10, 5]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slice(pub Vec<AxisSlice>);

/// One resolved axis: positions `start + i * step` for `i < count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Picked {
    start: u64,
    step: i64,
    count: u64,
    /// Elements of the array between neighbours on this axis.
    stride: u64,
}

/// A [`Slice`] resolved against a spec: the shape of the result, and where each span of it stands in the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    shape: Vec<u64>,
    axes: Vec<Picked>,
    /// Elements of the result below each axis.
    below: Vec<u64>,
    /// The longest run of the result that is consecutive in the array.
    run: u64,
}

impl Slice {
    /// The spec of the result.
    pub fn of(&self, spec: &Spec) -> Result<Spec> {
        Spec::new(spec.dtype(), self.resolve(spec)?.shape)
    }

    pub(crate) fn resolve(&self, spec: &Spec) -> Result<Resolved> {
        let dims = spec.shape();
        let named = self.0.iter().filter(|a| !matches!(a, AxisSlice::Ellipsis)).count();
        if named > dims.len() {
            return refuse!(Usage, "the slice {self} names {named} axes; the array is {spec}, of {} axes", dims.len());
        }
        let whole = AxisSlice::Range { start: None, stop: None, step: 1 };
        let mut list: Vec<AxisSlice> = Vec::with_capacity(dims.len());
        let mut seen = false;
        for axis in &self.0 {
            match axis {
                AxisSlice::Ellipsis if seen => return refuse!(Usage, "the slice {self} has more than one `...`"),
                AxisSlice::Ellipsis => {
                    seen = true;
                    list.extend(std::iter::repeat_n(whole, dims.len() - named));
                }
                other => list.push(*other),
            }
        }
        list.resize(dims.len(), whole);
        let mut stride = 1;
        let mut axes = Vec::with_capacity(dims.len());
        let mut shape = Vec::new();
        for (axis, (slice, d)) in list.iter().zip(dims).enumerate().rev() {
            let mut picked = pick(*slice, *d, axis).map_err(|e| e.at(format!("slice {self}")))?;
            picked.stride = stride;
            stride *= (*d).max(1);
            if !matches!(slice, AxisSlice::At(_)) {
                shape.push(picked.count);
            }
            axes.push(picked);
        }
        axes.reverse();
        shape.reverse();
        let mut below = vec![1u64; axes.len()];
        for i in (0..axes.len().saturating_sub(1)).rev() {
            below[i] = below[i + 1] * axes[i + 1].count;
        }
        // Innermost axes that are taken whole and in order make one run with the next axis out.
        let mut run = 1;
        for (a, d) in axes.iter().zip(dims).rev() {
            if a.step != 1 && a.count != 1 {
                break;
            }
            run *= a.count;
            if a.count != *d {
                break;
            }
        }
        Ok(Resolved { shape, axes, below, run })
    }
}

impl Resolved {
    /// The positions in the array of the elements at `want` of the result, in order, appended to `spans`.
    pub(crate) fn spans(&self, want: Span, spans: &mut Vec<Span>) {
        let mut at = want.start;
        while at < want.end() {
            let in_run = at % self.run.max(1);
            let len = (self.run - in_run).min(want.end() - at);
            Span::push(spans, Span::new(self.source(at), len));
            at += len;
        }
    }

    /// The longest run of the result that is consecutive in the array, in elements.
    pub(crate) fn run(&self) -> u64 {
        self.run.max(1)
    }

    /// The position in the array of the element at `at` of the result.
    fn source(&self, at: u64) -> u64 {
        self.axes
            .iter()
            .zip(&self.below)
            .map(|(a, below)| {
                let i = (at / below) % a.count.max(1);
                a.start.wrapping_add_signed((i as i64).wrapping_mul(a.step)) * a.stride
            })
            .sum()
    }
}

fn pick(slice: AxisSlice, d: u64, axis: usize) -> Result<Picked> {
    let n = d as i64;
    match slice {
        AxisSlice::At(i) => {
            let at = if i < 0 { i + n } else { i };
            if at < 0 || at >= n {
                return refuse!(Usage, "index {i} is outside axis {axis} of length {d}");
            }
            Ok(Picked { start: at as u64, step: 1, count: 1, stride: 0 })
        }
        AxisSlice::Range { start, stop, step } => {
            if step == 0 {
                return refuse!(Usage, "a step of 0 on axis {axis}; give 1 or another step");
            }
            let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
            let clip = |v: i64| if v < 0 { v.saturating_add(n).max(low) } else { v.min(high) };
            let first = start.map_or(if step > 0 { 0 } else { n - 1 }, clip);
            let last = stop.map_or(if step > 0 { n } else { -1 }, clip);
            let distance = if step > 0 { last - first } else { first - last };
            let count = if distance <= 0 { 0 } else { (distance as u64).div_ceil(step.unsigned_abs()) };
            Ok(Picked { start: if count == 0 { 0 } else { first as u64 }, step, count, stride: 0 })
        }
        AxisSlice::Ellipsis => Ok(Picked { start: 0, step: 1, count: d, stride: 0 }),
    }
}

impl FromStr for Slice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
        let bad = |part: &str| {
            Error::new(
                ErrorKind::Usage,
                format!("cannot read {part:?} in slice {text:?}; write e.g. 0:10,:,3 or ...,-5:,::2"),
            )
        };
        let mut axes = Vec::new();
        for part in inner.split(',').map(str::trim) {
            if part.is_empty() {
                // NumPy allows one trailing comma.
                continue;
            }
            if part == "..." || part == "…" {
                axes.push(AxisSlice::Ellipsis);
                continue;
            }
            let number = |s: &str| -> Result<Option<i64>> {
                if s.trim().is_empty() { Ok(None) } else { s.trim().parse().map(Some).map_err(|_| bad(part)) }
            };
            let pieces: Vec<&str> = part.split(':').collect();
            axes.push(match pieces[..] {
                [at] => AxisSlice::At(number(at)?.ok_or_else(|| bad(part))?),
                [a, b] => AxisSlice::Range { start: number(a)?, stop: number(b)?, step: 1 },
                [a, b, c] => AxisSlice::Range { start: number(a)?, stop: number(b)?, step: number(c)?.unwrap_or(1) },
                _ => return Err(bad(part)),
            });
        }
        Ok(Slice(axes))
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |v: &Option<i64>| v.map(|v| v.to_string()).unwrap_or_default();
        for (i, axis) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            match axis {
                AxisSlice::At(i) => write!(f, "{i}")?,
                AxisSlice::Ellipsis => f.write_str("...")?,
                AxisSlice::Range { start, stop, step: 1 } => write!(f, "{}:{}", end(start), end(stop))?,
                AxisSlice::Range { start, stop, step } => write!(f, "{}:{}:{step}", end(start), end(stop))?,
            }
        }
        Ok(())
    }
}

impl From<&[ndarray::SliceInfoElem]> for Slice {
    fn from(elems: &[ndarray::SliceInfoElem]) -> Self {
        Slice(
            elems
                .iter()
                .filter_map(|e| match *e {
                    ndarray::SliceInfoElem::Slice { start, end, step } => Some(AxisSlice::Range {
                        // ndarray counts `start..end` before it applies a negative step: reversed, not re-anchored.
                        start: Some(if step < 0 { end.map_or(-1, |e| e as i64 - 1) } else { start as i64 }),
                        stop: if step < 0 { (start > 0).then(|| start as i64 - 1) } else { end.map(|e| e as i64) },
                        step: step as i64,
                    }),
                    ndarray::SliceInfoElem::Index(i) => Some(AxisSlice::At(i as i64)),
                    ndarray::SliceInfoElem::NewAxis => None,
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    fn taken(text: &str, shape: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let spec = Spec::new(DType::U8, shape).unwrap();
        let slice: Slice = text.parse().unwrap();
        let out = slice.of(&spec).unwrap();
        let mut spans = Vec::new();
        slice.resolve(&spec).unwrap().spans(Span::new(0, out.count()), &mut spans);
        (out.shape().to_vec(), spans.iter().flat_map(|s| s.start..s.end()).collect())
    }

    #[test]
    fn slices_take_what_numpy_takes() {
        assert_eq!(taken("1:3,:,2", &[4, 2, 3]), (vec![2, 2], vec![8, 11, 14, 17]));
        assert_eq!(taken("...,-1", &[2, 3]), (vec![2], vec![2, 5]));
        assert_eq!(taken("::-1", &[4]), (vec![4], vec![3, 2, 1, 0]));
        assert_eq!(taken("-1:-4:-2", &[5]), (vec![2], vec![4, 2]));
        assert_eq!(taken("::2,1", &[3, 2]), (vec![2], vec![1, 5]));
        assert_eq!(taken("5:2", &[8]), (vec![0], vec![]));
        assert_eq!(taken("", &[2]), (vec![2], vec![0, 1]));
        assert_eq!(taken("", &[]), (vec![], vec![0]));
        assert_eq!(taken("100:,:", &[3, 4]), (vec![0, 4], vec![]));
    }

    #[test]
    fn a_bad_slice_says_what_is_wrong() {
        let spec = Spec::new(DType::U8, [3]).unwrap();
        for text in ["3", "-4", "0,0", "...,..."] {
            assert!(text.parse::<Slice>().unwrap().of(&spec).is_err(), "{text}");
        }
        assert!("::0".parse::<Slice>().unwrap().of(&spec).is_err());
        assert!("a:b".parse::<Slice>().is_err());
    }
}

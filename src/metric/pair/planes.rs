//! The range of every plane of the last two axes, over both arrays: what data SSIM scales by.

use super::widen::{blank, widen};
use crate::array::simd::vectorize;
use crate::array::{Buf, Span};
use crate::metric::fold::CHUNK;

/// More planes than this are too many to look at one by one.
const MAX_PLANES: u64 = 1 << 20;

/// Smallest and largest finite value of each plane.
#[derive(Debug, Clone)]
pub struct PlaneRanges {
    /// Elements of a plane.
    plane: u64,
    fill: Option<u64>,
    ranges: Vec<(f64, f64)>,
}

impl PlaneRanges {
    /// For arrays of `shape`; `None` with fewer than two axes, without an element, or with too many planes.
    pub fn new(shape: &[u64], fill: Option<u64>) -> Option<Self> {
        let [lead @ .., h, w] = shape else { return None };
        let plane = h.checked_mul(*w).filter(|n| *n > 0)?;
        let planes = lead.iter().try_fold(1u64, |n, d| n.checked_mul(*d)).filter(|n| (1..=MAX_PLANES).contains(n))?;
        Some(Self { plane, fill, ranges: vec![(f64::INFINITY, f64::NEG_INFINITY); planes as usize] })
    }

    /// Takes a block of both arrays in, whose elements stand at `at`: values that are missing on either side are left out.
    pub fn add(&mut self, at: &[Span], original: &Buf, restored: &Buf) {
        let mut from = 0;
        let (mut chunk, mut other) = ([0.0; CHUNK], [0.0; CHUNK]);
        for span in at {
            let mut position = span.start;
            while position < span.end() {
                let end = (position / self.plane + 1) * self.plane;
                let n = (end.min(span.end()) - position).min(CHUNK as u64) as usize;
                let m = super::padded(n);
                let (x, y) = (&mut chunk[..m], &mut other[..m]);
                for (values, buf) in [(&mut *x, original), (&mut *y, restored)] {
                    values[n..].fill(f64::NAN);
                    widen(buf, from, &mut values[..n]);
                    if let Some(fill) = self.fill {
                        blank(buf, fill, from, &mut values[..n]);
                    }
                }
                vectorize(
                    #[inline(always)]
                    || {
                        for (x, y) in x.iter_mut().zip(y.iter_mut()) {
                            // NaN where either is no number, else 0.
                            let missing = *x * 0.0 + *y * 0.0;
                            (*x, *y) = (*x + missing, *y + missing);
                        }
                    },
                );
                for values in [&*x, &*y] {
                    let (max, min) = super::extremes(values);
                    if let Some(range) = self.ranges.get_mut((position / self.plane) as usize)
                        && min <= max
                    {
                        *range = (range.0.min(min), range.1.max(max));
                    }
                }
                from += n;
                position += n as u64;
            }
        }
    }

    /// Takes what another gathered in.
    pub fn merge(&mut self, other: PlaneRanges) {
        for (a, b) in self.ranges.iter_mut().zip(other.ranges) {
            *a = (a.0.min(b.0), a.1.max(b.1));
        }
    }

    /// Smallest and largest value of each plane; (Inf, −Inf) for one without a finite value.
    pub fn ranges(&self) -> &[(f64, f64)] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plane_has_its_own_range_whatever_the_blocks() {
        let values: Vec<f32> = (0..24).map(|i| if i == 3 { f32::NAN } else { (i * 7 % 24) as f32 }).collect();
        let mut a = PlaneRanges::new(&[2, 3, 4], Some(1f32.to_bits().into())).unwrap();
        a.add(&[Span::new(0, 24)], &Buf::from_slice(&values).unwrap(), &Buf::from_slice(&values).unwrap());
        let mut b = PlaneRanges::new(&[2, 3, 4], Some(1f32.to_bits().into())).unwrap();
        b.add(&[Span::new(5, 19)], &Buf::from_slice(&values[5..]).unwrap(), &Buf::from_slice(&values[5..]).unwrap());
        let mut c = PlaneRanges::new(&[2, 3, 4], Some(1f32.to_bits().into())).unwrap();
        c.add(&[Span::new(0, 5)], &Buf::from_slice(&values[..5]).unwrap(), &Buf::from_slice(&values[..5]).unwrap());
        b.merge(c);
        assert_eq!(a.ranges(), b.ranges());
        let plain = |p: usize| {
            let of = values[p * 12..(p + 1) * 12].iter().filter(|v| !v.is_nan() && **v != 1.0).map(|v| f64::from(*v));
            (of.clone().fold(f64::INFINITY, f64::min), of.fold(f64::NEG_INFINITY, f64::max))
        };
        assert_eq!(a.ranges(), [plain(0), plain(1)]);
        assert!(PlaneRanges::new(&[5], None).is_none());
        assert!(PlaneRanges::new(&[0, 5], None).is_none());
    }
}

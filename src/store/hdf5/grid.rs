//! How chunks lie in an array: which chunk an element is in, and which shape chunks are given.

use crate::array::{DType, Span, Spec};
use crate::error::{Result, refuse};
use crate::pipeline::Grain;

/// The largest unit (a packed matrix, say) that chunks are made to hold whole; larger ones are cut, since a reader decodes
/// whole chunks.
pub const MAX_UNIT_BYTES: u64 = 8 << 20;

/// The largest slab of chunks that reads are advised to keep together.
const MAX_GRAIN_BYTES: u64 = 32 << 20;

/// A regular grid of chunks over an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    counts: Vec<u64>,
    /// The innermost axis along which neighbours in the array may lie in different chunks or places.
    axis: usize,
    /// Elements of the array between neighbours along that axis.
    row: u64,
}

/// Consecutive elements of the array that are consecutive in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The chunk's number in C order.
    pub(super) chunk: u64,
    /// The first one's place in the chunk.
    pub(super) from: u64,
    /// How many.
    pub(super) len: u64,
}

impl Grid {
    /// Chunks of shape `chunk` over an array of `shape`.
    pub(super) fn new(shape: &[u64], chunk: &[u64]) -> Result<Self> {
        if shape.is_empty() || shape.len() != chunk.len() || chunk.contains(&0) {
            return refuse!(Corrupt, "chunks of shape {chunk:?} cannot lie in an array of shape {shape:?}");
        }
        if chunk.iter().try_fold(1u64, |n, d| n.checked_mul(*d)).is_none_or(|n| n > i64::MAX as u64 / 16) {
            return refuse!(Corrupt, "chunks of shape {chunk:?} are larger than any file");
        }
        let mut axis = shape.len() - 1;
        while axis > 0 && shape[axis] == chunk[axis] {
            axis -= 1;
        }
        let row = shape[axis + 1..].iter().product();
        let counts = shape.iter().zip(chunk).map(|(d, c)| d.div_ceil(*c)).collect();
        Ok(Self { shape: shape.to_vec(), chunk: chunk.to_vec(), counts, axis, row })
    }

    /// Chunks along each axis.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Elements of a chunk, padding included.
    pub(super) fn elements(&self) -> u64 {
        self.chunk.iter().product()
    }

    /// The longest run from flat position `at` on.
    pub(super) fn run(&self, at: u64) -> Run {
        let (mut rest, mut chunk, mut from) = (at, 0, 0);
        let (mut chunk_stride, mut place_stride) = (1u64, 1u64);
        let mut left = 0;
        for k in (0..self.shape.len()).rev() {
            let i = rest % self.shape[k].max(1);
            rest /= self.shape[k].max(1);
            let (c, within) = (i / self.chunk[k], i % self.chunk[k]);
            chunk += c * chunk_stride;
            from += within * place_stride;
            // Past the array's end only wrapping keeps these in range; no element is there.
            chunk_stride = chunk_stride.wrapping_mul(self.counts[k]);
            place_stride = place_stride.wrapping_mul(self.chunk[k]);
            if k == self.axis {
                let end = (c + 1).saturating_mul(self.chunk[k]).min(self.shape[k]);
                left = (end - i) * self.row - at % self.row;
            }
        }
        Run { chunk, from, len: left }
    }

    /// Where reads are best cut: at the slabs of whole chunks, where they are not too large for one read.
    pub(super) fn grain(&self, dtype: DType) -> Option<Grain> {
        let axis = self.chunk.iter().position(|c| *c > 1).unwrap_or(self.axis);
        let row: u64 = self.shape[axis + 1..].iter().product();
        let step = self.chunk[axis].min(self.shape[axis]).checked_mul(row)?;
        let period = self.shape[axis] * row;
        (step > 0 && step.saturating_mul(dtype.size() as u64) <= MAX_GRAIN_BYTES).then_some(Grain { period, step })
    }
}

/// The shape of chunks that are each one piece in C order, `(1, …, 1, k, whole, …, whole)`, of about `target` bytes.
/// `unit` elements belong together: a chunk holds whole units unless one is larger than 8 MiB.
pub(super) fn plan(spec: &Spec, unit: u64, target: u64) -> Vec<u64> {
    let (shape, size) = (spec.shape(), spec.dtype().size() as u64);
    let unit = if unit.saturating_mul(size) > MAX_UNIT_BYTES { 1 } else { unit.max(1) };
    let most = (target / size).max(1);
    let mut axis = shape.len().saturating_sub(1);
    let mut row = 1;
    while axis > 0 && (row * shape[axis] <= most || row < unit && row * shape[axis] <= unit) {
        row *= shape[axis];
        axis -= 1;
    }
    let mut chunk = vec![1; shape.len()];
    let Some(length) = shape.get(axis).copied() else { return chunk };
    chunk[axis + 1..].copy_from_slice(&shape[axis + 1..]);
    // Rows that go together, so that a chunk holds whole units.
    let together = unit / gcd(unit, row);
    let together = if together > length || together.saturating_mul(row).saturating_mul(size) > MAX_UNIT_BYTES {
        1
    } else {
        together
    };
    let groups = length.div_ceil(together);
    let k = divide(groups, (most / row.saturating_mul(together)).max(1));
    chunk[axis] = (k * together).min(length);
    chunk
}

/// How many of `length` go into one chunk, at most `most`: a divisor of `length` where one is at least half of `most`, else
/// the number that leaves the least padding in as few chunks.
fn divide(length: u64, most: u64) -> u64 {
    if length <= most {
        return length.max(1);
    }
    if let Some(k) = (most.div_ceil(2)..=most).rev().find(|k| length.is_multiple_of(*k)) {
        return k;
    }
    length.div_ceil(length.div_ceil(most))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Calls `visit` with start and extent of each box that `span` of an array of `shape` falls into, in order: at most two an
/// axis.
pub(super) fn boxes(shape: &[u64], span: Span, mut visit: impl FnMut(&[u64], &[u64]) -> Result<()>) -> Result<()> {
    let (mut at, mut left) = (span.start, span.len);
    let mut count = vec![1; shape.len()];
    while left > 0 {
        let start = crate::array::index_of(shape, at);
        // The outermost axis whose inner indices are all zero and one step of which fits.
        let (mut axis, mut stride) = (shape.len() - 1, 1u64);
        while axis > 0 && start[axis] == 0 && stride * shape[axis] <= left {
            stride *= shape[axis];
            axis -= 1;
        }
        count.fill(1);
        count[axis + 1..].copy_from_slice(&shape[axis + 1..]);
        count[axis] = (shape[axis] - start[axis]).min(left / stride);
        visit(&start, &count)?;
        at += count[axis] * stride;
        left -= count[axis] * stride;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn planned(dtype: DType, shape: &[u64], unit: u64) -> Vec<u64> {
        plan(&Spec::new(dtype, shape).unwrap(), unit, 1 << 20)
    }

    #[test]
    fn chunks_hold_whole_units_and_divide_the_axis_where_they_can() {
        assert_eq!(planned(DType::F16, &[1000, 10011], 10011), [50, 10011]);
        assert_eq!(planned(DType::F64, &[1000, 141, 141], 1), [5, 141, 141]);
        assert_eq!(planned(DType::F64, &[10_000_000], 1), [125_000]);
        assert_eq!(planned(DType::U8, &[7, 200_000], 1), [4, 200_000]);
        assert_eq!(planned(DType::F64, &[3, 900_000], 900_000), [1, 900_000]);
        assert_eq!(planned(DType::F64, &[3, 1000, 1000], 1_000_000), [1, 1000, 1000]);
        assert_eq!(planned(DType::F32, &[5, 1_000_003 * 4], 1_000_003 * 4)[0], 1);
        assert_eq!(planned(DType::U8, &[3], 1), [3]);
        assert_eq!(planned(DType::U8, &[], 1), [0u64; 0]);
    }

    proptest! {
        #[test]
        fn runs_cover_every_element_once_where_it_belongs(
            dims in prop::collection::vec((1u64..6, 1u64..7), 1..4)
        ) {
            let (shape, chunk): (Vec<_>, Vec<_>) = dims.into_iter().unzip();
            let grid = Grid::new(&shape, &chunk).unwrap();
            let total: u64 = shape.iter().product();
            let mut at = 0;
            while at < total {
                let run = grid.run(at);
                prop_assert!(run.len > 0);
                for j in 0..run.len {
                    let index = crate::array::index_of(&shape, at + j);
                    let number = index.iter().zip(&chunk).zip(grid.counts()).fold(0, |n, ((i, c), k)| n * k + i / c);
                    let place = index.iter().zip(&chunk).fold(0, |n, (i, c)| n * c + i % c);
                    prop_assert_eq!((run.chunk, run.from + j), (number, place));
                }
                at += run.len;
            }
        }

        #[test]
        fn boxes_cover_a_span_in_order(dims in prop::collection::vec(1u64..6, 1..5), a in 0u64..700, n in 0u64..700) {
            let total: u64 = dims.iter().product();
            let start = a % total;
            let span = Span::new(start, n % (total - start + 1));
            let mut at = span.start;
            let mut boxes_seen = 0;
            boxes(&dims, span, |start, count| {
                boxes_seen += 1;
                for j in 0..count.iter().product() {
                    let within = crate::array::index_of(count, j);
                    let flat = dims.iter().zip(start.iter().zip(within)).fold(0, |f, (d, (s, w))| f * d + s + w);
                    assert_eq!(flat, at);
                    at += 1;
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(at, span.end());
            prop_assert!(boxes_seen <= 2 * dims.len());
        }

        #[test]
        fn planned_chunks_are_one_piece_and_of_bounded_size(
            dims in prop::collection::vec(1u64..5000, 1..4), unit in 1u64..5000
        ) {
            let spec = Spec::new(DType::F32, dims.clone()).unwrap();
            let chunk = plan(&spec, unit, 1 << 16);
            let cut = chunk.iter().position(|c| *c > 1).unwrap_or(chunk.len() - 1);
            prop_assert_eq!(&chunk[cut + 1..], &dims[cut + 1..]);
            prop_assert!(chunk.iter().zip(&dims).all(|(c, d)| c >= &1 && c <= d));
            let bytes: u64 = chunk.iter().product::<u64>() * 4;
            prop_assert!(bytes <= MAX_UNIT_BYTES);
        }
    }
}

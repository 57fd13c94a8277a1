//! Which parts of an array candidates are tried on: boxes as chunks are cut, spread over the array, the same at each run.

use crate::array::{Buf, Span, Spec, total};
use crate::error::Result;
use crate::pipeline::{Source, Work};

/// Arrays up to this size are tried whole: that takes no longer than a person waits.
const WHOLE_BYTES: u64 = 128 << 10;
/// Of larger ones this part is tried with every candidate, so that all tries together take a small part of trying the whole …
const PART: u64 = 32;
/// … and of large ones so much: more would tell hardly more.
const MOST_FIRST: u64 = 16 << 20;
/// Boxes are not smaller than this, or coders have no time to adapt.
const LEAST_BOX: u64 = 16 << 10;
/// At least so many boxes: data differ from place to place.
const LEAST_BOXES: u64 = 8;
/// At least so many where boxes would be too small, and in the second round, whose boxes are as large as the budget allows.
const FEWEST_BOXES: u64 = 2;
/// The second round takes at most this much of large arrays.
const MOST_FINAL: u64 = 64 << 20;

/// One box.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) spec: Spec,
    spans: Vec<Span>,
    /// Its values, where they are kept for all candidates.
    kept: Option<Buf>,
}

impl Piece {
    /// Lets `with` see the values: kept, or read from `source`.
    pub(super) fn with_values<R>(&self, source: &dyn Source, with: impl FnOnce(&Buf) -> Result<R>) -> Result<R> {
        match &self.kept {
            Some(values) => with(values),
            None => {
                let mut values = Buf::new();
                source.read(&self.spans, &mut values, &mut Work::new(1))?;
                with(&values)
            }
        }
    }
}

/// The boxes of one array.
#[derive(Debug)]
pub(super) struct Sample {
    /// The array they are of.
    pub(super) of: Spec,
    /// Chunks that the array would have.
    pub(super) chunks: u64,
    pub(super) pieces: Vec<Piece>,
    /// Whether every element is in one of them.
    pub(super) whole: bool,
    /// Whether they are smaller than chunks, which coders that adapt do worse on.
    pub(super) small: bool,
}

/// How much of an array is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Extent {
    /// A small part, in boxes all over the array.
    First,
    /// This many bytes, in few large boxes.
    Final(u64),
    /// All of it.
    Whole,
}

impl Sample {
    /// Elements in all boxes.
    pub(super) fn elements(&self) -> u64 {
        self.pieces.iter().map(|p| p.spec.count()).sum()
    }

    /// Bytes of all boxes.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|p| p.spec.bytes()).sum()
    }

    /// Boxes of `source`, which is cut into chunks of shape `chunk`. At most `memory` bytes, and for a sample of the whole at most so
    /// many kept.
    pub(super) fn of(source: &dyn Source, chunk: &[u64], extent: Extent, memory: u64) -> Result<Self> {
        let spec = source.spec();
        let counts: Vec<u64> = spec.shape().iter().zip(chunk).map(|(d, c)| d.div_ceil((*c).max(1))).collect();
        let chunks = if spec.count() == 0 { 0 } else { counts.iter().product() };
        let boxes = boxes(spec, chunk, &counts, chunks, extent, memory);
        let keep = extent != Extent::Whole || spec.bytes() <= memory;
        let whole = boxes.iter().map(|b| b.1.iter().product::<u64>()).sum::<u64>() == spec.count();
        let mut work = Work::new(1);
        let mut pieces = Vec::with_capacity(boxes.len());
        for (start, shape) in boxes {
            let mut spans = Vec::new();
            rows(spec.shape(), &start, &shape, &mut spans);
            let spec = Spec::new(spec.dtype(), shape)?;
            debug_assert_eq!(total(&spans), spec.count());
            let mut kept = None;
            if keep {
                source.read(&spans, kept.insert(Buf::new()), &mut work)?;
            }
            pieces.push(Piece { spec, spans, kept });
        }
        let largest = pieces.iter().map(|p| p.spec.count()).max().unwrap_or(0);
        let small = !whole && largest < chunk.iter().product();
        Ok(Self { of: spec.clone(), chunks, pieces, whole, small })
    }
}

/// The chunks of an array of `spec`, whose last `whole` axes are not cut, in the filtered layout.
pub(super) fn chunk(spec: &Spec, whole: usize) -> Vec<u64> {
    #[cfg(feature = "hdf5")]
    if let Ok(boxes) = crate::store::hdf5::Boxes::new(spec, whole, &crate::store::hdf5::ChunkAsk::Auto) {
        return boxes.chunk().to_vec();
    }
    // Without the layout nothing but estimates depends on it.
    const USUAL_BYTES: u64 = 2 << 20;
    let axes = spec.shape().len().saturating_sub(whole);
    cut(spec.shape(), spec.dtype().size() as u64, USUAL_BYTES, axes)
}

/// A box of at most `most` bytes: the longest of the first `axes` axes is halved until it fits.
pub(super) fn cut(shape: &[u64], size: u64, most: u64, axes: usize) -> Vec<u64> {
    let mut cut = shape.to_vec();
    while cut.iter().product::<u64>() * size > most {
        // The outermost of the longest ones.
        let Some(longest) = (0..axes).rev().max_by_key(|a| cut[*a]).filter(|a| cut[*a] > 1) else { break };
        cut[longest] = cut[longest].div_ceil(2);
    }
    cut
}

type Corner = Vec<u64>;

/// Start and shape of each box.
fn boxes(
    spec: &Spec,
    chunk: &[u64],
    counts: &[u64],
    chunks: u64,
    extent: Extent,
    memory: u64,
) -> Vec<(Corner, Vec<u64>)> {
    let size = spec.dtype().size() as u64;
    let bytes = spec.bytes();
    if spec.count() == 0 {
        return Vec::new();
    }
    let grid = |i: u64| {
        let start: Vec<u64> = crate::array::index_of(counts, i).iter().zip(chunk).map(|(i, c)| i * c).collect();
        let shape = start.iter().zip(chunk).zip(spec.shape()).map(|((s, c), d)| (*c).min(d - s)).collect();
        (start, shape)
    };
    if extent == Extent::Whole || bytes <= WHOLE_BYTES {
        return (0..chunks).map(grid).collect();
    }
    let (want, least) = match extent {
        Extent::Final(bytes) => (bytes.min(MOST_FINAL), FEWEST_BOXES),
        _ => ((bytes / PART).min(MOST_FIRST), LEAST_BOXES),
    };
    let want = want.min(memory).max(FEWEST_BOXES * LEAST_BOX);
    let chunk_bytes = chunk.iter().product::<u64>() * size;
    if want >= least * chunk_bytes {
        let n = (want / chunk_bytes).min(chunks).max(1);
        // One from the middle of each of n equal runs of chunks.
        return (0..n).map(|j| grid(((2 * j + 1) * chunks) / (2 * n))).collect();
    }
    let shape = cut(chunk, size, (want / least).max(LEAST_BOX), chunk.len());
    let n = (want / (shape.iter().product::<u64>() * size).max(1)).clamp(FEWEST_BOXES, 1 << 16);
    let free: Vec<u64> = spec.shape().iter().zip(&shape).map(|(d, b)| d - b).collect();
    (0..n).map(|j| (free.iter().enumerate().map(|(a, f)| spread(j, n, a, *f)).collect(), shape.clone())).collect()
}

/// Where box `j` of `n` starts along axis `a`: evenly along the first, and along the others by multiples of irrational numbers,
/// so that few boxes lie in all corners and in the middle.
fn spread(j: u64, n: u64, a: usize, free: u64) -> u64 {
    // The fractions of the square roots of 2, 3, 5, 7, 11, in 2^-32.
    const ROOTS: [u64; 5] = [1_779_033_703, 3_144_134_277, 1_013_904_242, 2_773_480_762, 1_359_893_119];
    let fraction = match a {
        0 => ((2 * j + 1) << 32) / (2 * n),
        _ => (ROOTS[(a - 1) % ROOTS.len()].wrapping_mul(2 * j + 1) >> 1) & 0xffff_ffff,
    };
    ((u128::from(fraction) * u128::from(free + 1)) >> 32) as u64
}

/// The spans of a box in C order.
fn rows(shape: &[u64], start: &[u64], extent: &[u64], spans: &mut Vec<Span>) {
    let Some((last, outer)) = extent.split_last() else {
        spans.push(Span::new(0, 1));
        return;
    };
    let rows: u64 = outer.iter().product();
    for row in 0..rows {
        let index = crate::array::index_of(outer, row);
        let mut at = 0;
        for (a, d) in shape.iter().enumerate() {
            at = at * d + start[a] + index.get(a).copied().unwrap_or(0);
        }
        Span::push(spans, Span::new(at, *last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Memory;

    fn sample(shape: &[u64]) -> Sample {
        let count: u64 = shape.iter().product();
        let values: Vec<u32> = (0..count as u32).collect();
        let spec = Spec::new(crate::array::DType::U32, shape).unwrap();
        let chunk = chunk(&spec, 0);
        let source = Memory::new(spec, Buf::from_slice(&values).unwrap()).unwrap();
        Sample::of(&source, &chunk, Extent::First, 1 << 25).unwrap()
    }

    #[test]
    fn small_arrays_are_taken_whole_and_once() {
        for shape in [vec![], vec![5], vec![30, 2, 400], vec![1, 20_000], vec![0, 3]] {
            let s = sample(&shape);
            let mut seen: Vec<u32> =
                s.pieces.iter().flat_map(|p| p.kept.as_ref().unwrap().slice::<u32>().to_vec()).collect();
            seen.sort_unstable();
            assert!(s.whole);
            assert_eq!(seen, (0..shape.iter().product::<u64>() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn boxes_of_larger_ones_hold_the_values_of_their_place_and_are_a_small_part() {
        for shape in [vec![4_000_000u64], vec![2000, 1500], vec![40, 300, 300], vec![3, 1_200_000]] {
            let s = sample(&shape);
            assert!(!s.whole && s.pieces.len() >= 2);
            assert!(s.bytes() <= s.of.bytes() / 16, "{shape:?}: {}", s.bytes());
            for p in &s.pieces {
                let values = p.kept.as_ref().unwrap().slice::<u32>();
                let (extent, first) = (p.spec.shape(), s.of.index(values[0].into()));
                for (i, v) in values.iter().enumerate().step_by(37) {
                    let inside = crate::array::index_of(extent, i as u64);
                    let index: Vec<u64> = first.iter().zip(&inside).map(|(a, b)| a + b).collect();
                    assert_eq!(s.of.index((*v).into()), index);
                }
            }
        }
    }

    #[test]
    fn axes_that_stay_whole_are_not_cut() {
        assert_eq!(cut(&[1000, 10011], 8, 1 << 20, 1), [8, 10011]);
        assert_eq!(cut(&[1, 500_000], 8, 1 << 20, 2), [1, 125_000]);
        assert_eq!(cut(&[1000, 1000], 4, 1 << 20, 2), [500, 500]);
        assert_eq!(cut(&[7], 4, 1 << 20, 1), [7]);
        let spec = Spec::new(crate::array::DType::F64, [50, 100, 100]).unwrap();
        assert_eq!(chunk(&spec, 2)[1..], [100, 100]);
    }
}

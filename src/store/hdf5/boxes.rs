//! How an array is cut into the chunks of the `filtered` layout: boxes, thick along every axis, each coded by itself.

use crate::array::{Span, Spec, index_of};
use crate::error::{Result, refuse};
use crate::filter::merge;

/// The largest chunk unless told: decoded in tens of milliseconds, and as much as helps prediction and entropy coders.
pub const MAX_CHUNK_BYTES: u64 = 2 << 20;

/// HDF5 holds a chunk's bytes in 32 bits.
const MOST_CHUNK_BYTES: u64 = u32::MAX as u64;

/// Elements that a chunk keeps along an axis where it can: predictors lose at every face of a box.
const THICK: u64 = 8;

/// Bytes of a row of a chunk that are kept together where possible: shorter reads of a file cost more than the bytes do.
const ROW_BYTES: u64 = 4 << 10;

/// A regular grid of boxes over an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boxes {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    counts: Vec<u64>,
}

/// How chunks are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ChunkAsk {
    /// As few as possible of at most [`MAX_CHUNK_BYTES`].
    #[default]
    Auto,
    /// As few as possible of at most so many bytes.
    Bytes(u64),
    /// Of this shape; axes of the array that are shorter are taken whole.
    Shape(Vec<u64>),
}

impl Boxes {
    /// The boxes of the array `spec`, whose last `whole` axes must not be cut. Balanced: none is much smaller than the others.
    ///
    /// # Errors
    /// `Usage` for shapes that do not fit the array, cut what belongs together, or are over 4 GiB.
    pub fn new(spec: &Spec, whole: usize, ask: &ChunkAsk) -> Result<Self> {
        let shape = spec.shape();
        let chunk = match ask {
            ChunkAsk::Auto => plan(spec, whole, MAX_CHUNK_BYTES),
            ChunkAsk::Bytes(most) => plan(spec, whole, *most),
            ChunkAsk::Shape(given) if given.len() != shape.len() => {
                return refuse!(
                    Usage,
                    "--chunks names {} and the array is {spec}; give one number an axis, or a size such as 1MiB",
                    if given.len() == 1 { "1 axis".to_owned() } else { format!("{} axes", given.len()) }
                );
            }
            ChunkAsk::Shape(given) if given.contains(&0) => {
                return refuse!(Usage, "--chunks {given:?}: a chunk has at least one element along each axis");
            }
            ChunkAsk::Shape(given) => given.iter().zip(shape).map(|(c, d)| *c.min(d)).collect(),
        };
        let kept = shape.len().saturating_sub(whole);
        if chunk[kept..] != shape[kept..] {
            return refuse!(
                Usage,
                "chunks of {chunk:?} cut the last {whole} axes of {spec}, which the steps need whole; give {:?} there",
                &shape[kept..]
            );
        }
        let bytes = chunk.iter().try_fold(spec.dtype().size() as u64, |n, d| n.checked_mul(*d));
        if bytes.is_none_or(|b| b > MOST_CHUNK_BYTES) {
            return refuse!(
                Usage,
                "chunks of {chunk:?} {} are over 4 GiB, more than HDF5 allows; give smaller --chunks, or --layout plain",
                spec.dtype()
            );
        }
        let boxes = Self::over(shape, &chunk);
        if !boxes.merges() {
            return refuse!(
                Usage,
                "chunks of {:?} cut the first of {} axes into what is no piece; give 1 there",
                boxes.chunk,
                shape.len()
            );
        }
        Ok(boxes)
    }

    /// Boxes of shape `chunk` over an array of `shape`, as some file has them.
    pub(super) fn over(shape: &[u64], chunk: &[u64]) -> Self {
        let counts = shape.iter().zip(chunk).map(|(d, c)| d.div_ceil((*c).max(1))).collect();
        Self { counts, shape: shape.to_vec(), chunk: chunk.to_vec() }
    }

    /// Whether the axes that the filter's parameters merge are cut into pieces that are consecutive.
    fn merges(&self) -> bool {
        let merged = self.shape.len() + 1 - merge(&self.shape).len().max(1);
        let group = self.shape.iter().zip(&self.chunk).take(merged);
        let mut after = group.skip_while(|(_, c)| **c == 1);
        after.next();
        merged <= 1 || after.all(|(d, c)| d == c)
    }

    /// The chunk's shape.
    pub fn chunk(&self) -> &[u64] {
        &self.chunk
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().product()
    }

    /// The first index of box `i` along each axis, and its extent inside the array.
    pub fn at(&self, i: u64) -> (Vec<u64>, Vec<u64>) {
        let first: Vec<u64> = index_of(&self.counts, i).iter().zip(&self.chunk).map(|(n, c)| n * c).collect();
        let extent = first.iter().zip(self.shape.iter().zip(&self.chunk)).map(|(f, (d, c))| (d - f).min(*c)).collect();
        (first, extent)
    }

    /// The spans of box `i`, in order, appended to `spans`.
    pub fn spans(&self, i: u64, spans: &mut Vec<Span>) {
        let (first, extent) = self.at(i);
        let Some((row, outer)) = extent.split_last() else { return };
        for at in 0..outer.iter().product() {
            let start = index_of(outer, at)
                .iter()
                .chain([&0])
                .zip(first.iter().zip(&self.shape))
                .fold(0, |n, (i, (f, d))| n * d + f + i);
            Span::push(spans, Span::new(start, *row));
        }
    }
}

/// The shape of as few chunks as possible of at most `most` bytes.
fn plan(spec: &Spec, whole: usize, most: u64) -> Vec<u64> {
    let (size, mut chunk) = (spec.dtype().size() as u64, spec.shape().to_vec());
    let most = (most / size).max(1);
    if spec.count() == 0 {
        return chunk;
    }
    let axes = chunk.len().saturating_sub(whole);
    // Twice over the axes that may be cut, outermost first: keeping chunks thick, and if that does not do, as it must be. Where
    // something is kept whole (matrices), boxes hold as many of those as fit and need no thickness.
    for pass in 0..2 {
        for a in 0..axes {
            let elements: u64 = chunk.iter().product();
            if elements <= most {
                return chunk;
            }
            let keep = match (pass, whole) {
                (0, 0) if a + 1 == spec.shape().len() => (ROW_BYTES / size).max(THICK),
                (0, 0) => THICK,
                _ => 1,
            };
            let others = elements / chunk[a];
            // The most of this axis that fits, but at least what is to be kept; then as even as the pieces can be.
            let fits = (most / others).max(keep).min(chunk[a]).max(1);
            let pieces = spec.shape()[a].div_ceil(fits);
            chunk[a] = spec.shape()[a].div_ceil(pieces);
        }
    }
    chunk
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::array::DType;

    fn planned(dtype: DType, shape: &[u64], whole: usize) -> Vec<u64> {
        Boxes::new(&Spec::new(dtype, shape).unwrap(), whole, &ChunkAsk::Auto).unwrap().chunk().to_vec()
    }

    #[test]
    fn chunks_are_few_even_and_thick() {
        assert_eq!(planned(DType::F64, &[512, 512], 0), [512, 512], "up to 2 MiB are one chunk");
        assert_eq!(planned(DType::F64, &[1000, 1000], 0), [250, 1000]);
        assert_eq!(planned(DType::F32, &[10_000_000], 0), [500_000]);
        assert_eq!(planned(DType::F64, &[1000, 141, 141], 0), [13, 141, 141]);
        assert_eq!(planned(DType::F64, &[1000, 141, 141], 2), [13, 141, 141]);
        assert_eq!(planned(DType::F64, &[3, 1000, 1000], 2), [1, 1000, 1000], "a matrix stays whole");
        assert_eq!(planned(DType::F32, &[512, 512, 512], 0), [8, 128, 512]);
        assert_eq!(planned(DType::U8, &[1, 1, 5], 0), [1, 1, 5]);
    }

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        let spec = Spec::new(DType::F64, [10, 20, 20]).unwrap();
        let given = |whole, shape: &[u64]| Boxes::new(&spec, whole, &ChunkAsk::Shape(shape.to_vec()));
        assert_eq!(given(2, &[3, 64, 64]).unwrap().chunk(), [3, 20, 20]);
        assert!(given(2, &[3, 10, 20]).is_err() && given(0, &[3, 10]).is_err() && given(0, &[3, 0, 1]).is_err());
        let huge = Spec::new(DType::F64, [2, 100_000, 100_000]).unwrap();
        assert!(Boxes::new(&huge, 2, &ChunkAsk::Auto).is_err());
        let many = Spec::new(DType::U8, vec![2; 20]).unwrap();
        assert!(Boxes::new(&many, 0, &ChunkAsk::Auto).is_ok());
        let cut = |n: usize| {
            let mut shape = vec![2; 20];
            shape[n] = 1;
            Boxes::new(&many, 0, &ChunkAsk::Shape(shape))
        };
        assert!(cut(0).is_ok() && cut(3).is_err() && cut(12).is_ok());
    }

    proptest! {
        #[test]
        fn every_element_is_in_one_box(dims in prop::collection::vec((1u64..6, 1u64..7), 1..4)) {
            let (shape, chunk): (Vec<_>, Vec<_>) = dims.into_iter().unzip();
            let spec = Spec::new(DType::U8, shape).unwrap();
            let boxes = Boxes::new(&spec, 0, &ChunkAsk::Shape(chunk)).unwrap();
            let mut seen = vec![0; spec.count() as usize];
            for i in 0..boxes.count() {
                let mut spans = Vec::new();
                boxes.spans(i, &mut spans);
                for at in spans.iter().flat_map(|s| s.start..s.end()) {
                    seen[at as usize] += 1;
                }
            }
            prop_assert!(seen.iter().all(|n| *n == 1));
        }

        #[test]
        fn planned_chunks_fit(dims in prop::collection::vec(1u64..3000, 1..4), most in 8u64..1 << 16) {
            let spec = Spec::new(DType::F64, dims.clone()).unwrap();
            let chunk = plan(&spec, 0, most);
            prop_assert!(chunk.iter().zip(&dims).all(|(c, d)| c >= &1 && c <= d));
            prop_assert!(chunk.iter().product::<u64>() * 8 <= most.max(8));
        }
    }
}

//! Symmetric matrices too large for one chunk: square tiles on and above the diagonal are stored, what users open mirrors them.

use super::Boxes;
use super::boxes::ChunkAsk;
use super::grid::MAX_UNIT_BYTES;
use super::read::BATCH;
use crate::array::{Buf, Span, Spec, index_of};
use crate::error::Result;
use crate::pipeline::{Source, Work};

/// The attribute of the mirroring dataset that names the one of tiles.
pub(super) const TILES: &str = "ndcompact_tiles";

/// The attribute of the dataset of tiles: it is no array of its own.
pub(super) const PART: &str = "ndcompact_part";

/// Bytes of a tile, at most: rows and columns of a large matrix touch many tiles, and each is decoded whole.
const TILE_BYTES: u64 = 1 << 20;

/// Sides are multiples of this, so that predictors and vectors work on whole blocks.
const SIDE_STEP: u64 = 16;

/// First index and extent along each axis.
pub(super) type Selection = (Vec<u64>, Vec<u64>);

/// What a mirroring dataset shows where.
pub(super) struct Mapping {
    /// The place in it.
    pub(super) at: Selection,
    /// The place in the dataset of tiles; both pair in row-major order.
    pub(super) from: Selection,
}

/// The tiles of an array whose last two axes are symmetric matrices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    boxes: Boxes,
    shape: Vec<u64>,
    /// The side of a tile.
    side: u64,
    /// Tiles along each axis of a matrix.
    blocks: u64,
}

impl Tiles {
    /// The tiles of `spec`, where its last two axes are square and one matrix is over 8 MiB.
    pub fn of(spec: &Spec) -> Option<Self> {
        let [.., rows, columns] = spec.shape() else { return None };
        let size = spec.dtype().size() as u64;
        if rows != columns || spec.count() == 0 || rows * columns * size <= MAX_UNIT_BYTES {
            return None;
        }
        let side = (TILE_BYTES / size).isqrt() / SIDE_STEP * SIDE_STEP;
        Self::with_side(spec, side).ok()
    }

    /// As [`Tiles::of`], of a side that a file gives.
    pub(super) fn with_side(spec: &Spec, side: u64) -> Result<Self> {
        let shape = spec.shape().to_vec();
        let mut chunk = vec![1; shape.len()];
        chunk.iter_mut().rev().take(2).for_each(|c| *c = side);
        let boxes = Boxes::new(spec, 0, &ChunkAsk::Shape(chunk))?;
        Ok(Self { boxes, side, blocks: spec.last_axis().div_ceil(side.max(1)), shape })
    }

    /// All tiles of the array, stored or not, as boxes.
    pub fn boxes(&self) -> &Boxes {
        &self.boxes
    }

    fn per_matrix(&self) -> u64 {
        self.blocks * (self.blocks + 1) / 2
    }

    fn matrices(&self) -> u64 {
        self.shape.iter().rev().skip(2).product()
    }

    /// How many tiles are stored.
    pub fn count(&self) -> u64 {
        self.matrices() * self.per_matrix()
    }

    /// The box that is the `k`-th stored tile, and whether it lies on the diagonal.
    pub fn number(&self, k: u64) -> (u64, bool) {
        let (matrix, mut left) = (k / self.per_matrix(), k % self.per_matrix());
        let mut row = 0;
        while left >= self.blocks - row {
            left -= self.blocks - row;
            row += 1;
        }
        (matrix * self.blocks * self.blocks + row * self.blocks + row + left, left == 0)
    }

    /// The stored elements that the `span` of the whole array is made of, one after the other, given to `visit`.
    pub(super) fn mirrored(&self, span: Span, mut visit: impl FnMut(Span) -> Result<()>) -> Result<()> {
        let n = self.shape.last().copied().unwrap_or(1).max(1);
        let mut at = span.start;
        while at < span.end() {
            let (row, column) = (at / n, at % n);
            let (base, i) = (row / n * n * n, row % n);
            let end = (span.end() - at + column).min(n);
            // Left of its diagonal tile, a row is the column of the tiles above.
            let turn = (i / self.side * self.side).clamp(column, end);
            for j in column..turn {
                visit(Span::new(base + j * n + i, 1))?;
            }
            if turn < end {
                visit(Span::new(base + i * n + turn, end - turn))?;
            }
            at += end - column;
        }
        Ok(())
    }

    /// What the mirroring dataset shows where.
    pub(super) fn mappings(&self) -> impl Iterator<Item = Mapping> + '_ {
        let n = self.shape.last().copied().unwrap_or(0);
        let lead = self.shape.len().saturating_sub(2);
        let first = move |matrix: u64, last: [u64; 2]| -> Vec<u64> {
            index_of(&self.shape[..lead], matrix).into_iter().chain(last).collect()
        };
        let extent = move |last: [u64; 2]| -> Vec<u64> { std::iter::repeat_n(1, lead).chain(last).collect() };
        (0..self.matrices()).flat_map(move |m| {
            let upper = (0..self.blocks).map(move |b| {
                let at = b * self.side;
                let region = (first(m, [at, at]), extent([self.side.min(n - at), n - at]));
                Mapping { at: region.clone(), from: region }
            });
            let lower = (self.side.min(n)..n).map(move |i| {
                let left = i / self.side * self.side;
                Mapping { at: (first(m, [i, 0]), extent([1, left])), from: (first(m, [0, i]), extent([left, 1])) }
            });
            upper.chain(lower)
        })
    }
}

/// The elements of `spans` from the tiles that mirror them, a batch at a time.
pub(super) fn mirrored(
    tiles: &Tiles,
    inner: &dyn Source,
    spans: &[Span],
    out: &mut Buf,
    work: &mut Work,
) -> Result<()> {
    let (mut batch, mut buf, mut to) = (Vec::with_capacity(BATCH), Buf::new(), 0);
    let mut flush = |batch: &mut Vec<Span>| -> Result<()> {
        inner.read(batch, &mut buf, work)?;
        let bytes = buf.bytes();
        out.bytes_mut()[to..to + bytes.len()].copy_from_slice(bytes);
        to += bytes.len();
        batch.clear();
        Ok(())
    };
    for span in spans {
        tiles.mirrored(*span, |from| {
            batch.push(from);
            if batch.len() == BATCH { flush(&mut batch) } else { Ok(()) }
        })?;
    }
    flush(&mut batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;

    #[test]
    fn every_element_comes_from_a_stored_tile() {
        let spec = Spec::new(DType::U8, [2, 11, 11]).unwrap();
        let tiles = Tiles::with_side(&spec, 4).unwrap();
        assert_eq!((tiles.count(), tiles.blocks), (12, 3));
        let mut stored = vec![false; 2 * 121];
        for k in 0..tiles.count() {
            let (number, diagonal) = tiles.number(k);
            let first = tiles.boxes().at(number).0;
            assert!(first[1] <= first[2] && diagonal == (first[1] == first[2]));
            let mut spans = Vec::new();
            tiles.boxes().spans(number, &mut spans);
            spans.iter().flat_map(|s| s.start..s.end()).for_each(|at| stored[at as usize] = true);
        }
        let mut seen = Vec::new();
        for span in [Span::new(0, 50), Span::new(50, 192)] {
            let visit = |s: Span| {
                seen.extend(s.start..s.end());
                Ok(())
            };
            tiles.mirrored(span, visit).unwrap();
        }
        assert_eq!(seen.len(), 242);
        for (at, from) in seen.iter().enumerate() {
            let (m, i, j) = (at as u64 / 121, at as u64 / 11 % 11, at as u64 % 11);
            assert!(stored[*from as usize]);
            assert!(*from == m * 121 + i * 11 + j || *from == m * 121 + j * 11 + i);
        }
        // The mappings say the same.
        let mut shown = vec![u64::MAX; 242];
        for Mapping { at, from } in tiles.mappings() {
            let places = |(start, extent): &Selection| -> Vec<u64> {
                let flat =
                    |k| index_of(extent, k).iter().zip(start).zip([2, 11, 11]).fold(0, |n, ((i, s), d)| n * d + i + s);
                (0..extent.iter().product()).map(flat).collect()
            };
            for (to, source) in places(&at).into_iter().zip(places(&from)) {
                assert_eq!(shown[to as usize], u64::MAX);
                shown[to as usize] = source;
            }
        }
        assert_eq!(shown, seen);
    }

    #[test]
    fn only_large_matrices_are_cut_into_tiles() {
        let tiles = |shape: &[u64]| Tiles::of(&Spec::new(DType::F64, shape).unwrap());
        assert!(tiles(&[1024, 1024]).is_none() && tiles(&[2000, 1999]).is_none() && tiles(&[5]).is_none());
        assert_eq!(tiles(&[3, 1500, 1500]).unwrap().side, 352);
    }
}

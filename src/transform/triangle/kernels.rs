//! One matrix at a time, on plain slices: pack, unpack, test for symmetry.
//!
//! Speed: what crosses the diagonal goes in square tiles, tiles in panels of rows. A panel's lines on both sides are found
//! and checked once for many tiles (checking them for each tile costs three times the moving), and each piece written is
//! several cache lines long.

use std::marker::PhantomData;
use std::ops::Range;

use super::image::{Image, Same, Word};
use super::layout::{Layout, Side};
use crate::array::simd::vectorize;

/// Edge of a tile of words of eight bytes or more.
pub(super) const EDGE_WIDE: usize = 4;

/// Edge of a tile of narrower words: as many bytes.
pub(super) const EDGE_NARROW: usize = 8;

/// Tiles of a panel side by side: 256 bytes of eight-byte or four-byte words, so that most cache lines are written whole.
const STRIPS: usize = 8;

/// The upper triangle of a symmetric n x n matrix in the order of `np.triu_indices(n)`.
///
/// `packed[k] = matrix[r * n + c]` for the k-th pair `(r, c)` with `r <= c`, row by row.
///
/// # Panics
/// Unless `matrix` has `n * n` and `packed` has `n * (n + 1) / 2` elements.
///
/// ```
/// let mut packed = [0.0; 3];
/// ndcompact::transform::pack_upper(&[1.0, 2.0, 2.0, 3.0], 2, &mut packed);
/// assert_eq!(packed, [1.0, 2.0, 3.0]);
/// ```
pub fn pack_upper<T: Copy>(matrix: &[T], n: usize, packed: &mut [T]) {
    let layout = Layout { n: n as u64, side: Side::Upper };
    check_lengths(layout, matrix.len(), packed.len());
    pack(layout, matrix, packed);
}

/// The symmetric n x n matrix of an upper triangle: the inverse of [`pack_upper`].
///
/// `matrix[r * n + c] = matrix[c * n + r] = packed[k]` for the k-th pair `(r, c)` with `r <= c`, row by row.
///
/// # Panics
/// Unless `matrix` has `n * n` and `packed` has `n * (n + 1) / 2` elements.
///
/// ```
/// let mut matrix = [0u32; 4];
/// ndcompact::transform::unpack_upper(&[1, 2, 3], 2, &mut matrix);
/// assert_eq!(matrix, [1, 2, 2, 3]);
/// ```
pub fn unpack_upper<W: Word>(packed: &[W], n: usize, matrix: &mut [W]) {
    let layout = Layout { n: n as u64, side: Side::Upper };
    check_lengths(layout, matrix.len(), packed.len());
    unpack::<W, Same>(layout, packed, None, matrix);
}

/// Whether an n x n matrix equals its transpose bit for bit. Floats go in as their bits (`bytemuck::cast_slice`), so that
/// -0 differs from +0 and a NaN equals itself.
///
/// # Panics
/// Unless `matrix` has `n * n` elements.
///
/// ```
/// let same: &[u64] = bytemuck::cast_slice(&[1.0f64, 2.0, 2.0, f64::NAN]);
/// assert!(ndcompact::transform::is_symmetric(same, 2));
/// assert!(!ndcompact::transform::is_symmetric(&[1u8, 2, 3, 4], 2));
/// ```
pub fn is_symmetric<W: Word>(matrix: &[W], n: usize) -> bool {
    assert_eq!(matrix.len(), n * n, "an n x n matrix of n = {n}");
    mirrors::<W, Same>(Layout { n: n as u64, side: Side::Upper }, matrix)
}

fn check_lengths(layout: Layout, wide: usize, packed: usize) {
    assert_eq!(
        (wide as u64, packed as u64),
        (layout.wide(), layout.count()),
        "matrix and triangle of n = {}",
        layout.n
    );
}

/// The kept elements of a matrix, row by row.
pub(super) fn pack<T: Copy>(layout: Layout, matrix: &[T], packed: &mut [T]) {
    let n = layout.n as usize;
    let mut at = 0;
    for r in 0..layout.n {
        let kept = layout.columns(r);
        let (start, len) = (r as usize * n + kept.start as usize, (kept.end - kept.start) as usize);
        packed[at..at + len].copy_from_slice(&matrix[start..start + len]);
        at += len;
    }
}

/// The matrix of a triangle: kept elements, their images, and the constant diagonal where there is one.
pub(super) fn unpack<W: Word, I: Image<W>>(layout: Layout, packed: &[W], diagonal: Option<W>, matrix: &mut [W]) {
    vectorize(
        #[inline(always)]
        || {
            let visit = Unpack::<W, I> { layout, packed, matrix: &mut *matrix, image: PhantomData };
            if size_of::<W>() >= 8 {
                visit_all::<EDGE_WIDE>(layout, visit)
            } else {
                visit_all::<EDGE_NARROW>(layout, visit)
            };
        },
    );
    if let Some(value) = diagonal {
        matrix.iter_mut().step_by(layout.n as usize + 1).for_each(|w| *w = value);
    }
}

/// Whether every dropped element is the image of its kept one. The diagonal is not looked at.
pub(super) fn mirrors<W: Word, I: Image<W>>(layout: Layout, matrix: &[W]) -> bool {
    vectorize(
        #[inline(always)]
        || {
            let visit = Compare::<W, I> { n: layout.n as usize, matrix, differs: W::zeroed(), image: PhantomData };
            if size_of::<W>() >= 8 {
                visit_all::<EDGE_WIDE>(layout, visit)
            } else {
                visit_all::<EDGE_NARROW>(layout, visit)
            }
        },
    )
}

/// What is done with each kept element off the diagonal and its image.
trait Visit {
    /// Rows `rows`, before anything else of them.
    fn begin(&mut self, rows: Range<usize>);
    /// The kept elements of rows `r..r + S * E` in columns `columns`, `E * E` at a time.
    fn panel<const E: usize, const S: usize>(&mut self, r: usize, columns: Range<usize>);
    /// One kept element.
    fn one(&mut self, r: usize, c: usize);
    /// Whether to go on.
    fn go_on(&self) -> bool;
}

/// Visits each kept element off the diagonal once, in panels of `STRIPS * E` rows; whether the visit wanted to go on to
/// the end.
#[inline(always)]
fn visit_all<const E: usize>(layout: Layout, mut visit: impl Visit) -> bool {
    let n = layout.n as usize;
    let lower = layout.side == Side::Lower;
    let height = STRIPS * E;
    let mut top = 0;
    while top < n && visit.go_on() {
        let end = (top + height).min(n);
        visit.begin(top..end);
        // Columns that all rows of a full panel keep; beside them stands its block on the diagonal.
        let inner = if end - top == height {
            visit.panel::<E, STRIPS>(top, if lower { 0..top } else { end..n });
            top..end
        } else {
            0..n
        };
        let mut r = top;
        while r + E <= end {
            visit.panel::<E, 1>(r, if lower { inner.start..r } else { r + E..inner.end });
            for i in 0..E {
                for j in 0..i {
                    if lower { visit.one(r + i, r + j) } else { visit.one(r + j, r + i) }
                }
            }
            r += E;
        }
        for r in r..end {
            (if lower { inner.start..r } else { r + 1..inner.end }).for_each(|c| visit.one(r, c));
        }
        top = end;
    }
    visit.go_on()
}

/// `S * E` rows of `len` elements.
#[inline(always)]
fn rows_of<W, const E: usize, const S: usize>(
    values: &[W],
    len: usize,
    start: impl Fn(usize) -> usize,
) -> [[&[W]; E]; S] {
    let mut rows: [[&[W]; E]; S] = [[&[]; E]; S];
    for (s, strip) in rows.iter_mut().enumerate() {
        for (i, row) in strip.iter_mut().enumerate() {
            let start = start(s * E + i);
            *row = &values[start..start + len];
        }
    }
    rows
}

/// The first columns of the tiles that cover `len >= E` columns. The last one overlaps its neighbour where `len` is no
/// multiple of `E`: the same elements once more cost less than a few one by one.
#[inline(always)]
fn tiles<const E: usize>(len: usize) -> impl Iterator<Item = usize> {
    (0..len.div_ceil(E)).map(move |t| (t * E).min(len - E))
}

struct Unpack<'a, W, I> {
    layout: Layout,
    packed: &'a [W],
    matrix: &'a mut [W],
    image: PhantomData<I>,
}

impl<W: Word, I: Image<W>> Visit for Unpack<'_, W, I> {
    #[inline(always)]
    fn begin(&mut self, rows: Range<usize>) {
        let n = self.layout.n as usize;
        for r in rows {
            let kept = self.layout.columns(r as u64);
            let (from, to) = (self.layout.row_start(r as u64) as usize, r * n + kept.start as usize);
            let len = (kept.end - kept.start) as usize;
            self.matrix[to..to + len].copy_from_slice(&self.packed[from..from + len]);
        }
    }

    #[inline(always)]
    fn panel<const E: usize, const S: usize>(&mut self, r: usize, columns: Range<usize>) {
        let (n, layout) = (self.layout.n as usize, self.layout);
        if columns.len() < E {
            for c in columns {
                (r..r + S * E).for_each(|r| self.one(r, c));
            }
            return;
        }
        let start = |k: usize| (layout.row_base((r + k) as u64) as usize).wrapping_add(columns.start);
        let rows = rows_of::<W, E, S>(self.packed, columns.len(), start);
        for c in tiles::<E>(columns.len()) {
            // Split line by line: an iterator over chunks divides by n for each tile.
            let mut below = &mut self.matrix[(columns.start + c) * n..];
            let mut lines: [&mut [[W; E]]; E] = std::array::from_fn(
                #[inline(always)]
                |_| {
                    let (line, rest) = std::mem::take(&mut below).split_at_mut(n);
                    below = rest;
                    line[r..r + S * E].as_chunks_mut::<E>().0
                },
            );
            for (s, strip) in rows.iter().enumerate() {
                // By reference: a narrow square copied first does not fit the registers and goes through the stack.
                let square: [&[W]; E] = std::array::from_fn(
                    #[inline(always)]
                    |i| &strip[i][c..c + E],
                );
                for (j, line) in lines.iter_mut().enumerate() {
                    let line = &mut line[s];
                    for i in 0..E {
                        line[i] = I::of(square[i][j]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn one(&mut self, r: usize, c: usize) {
        let from = (self.layout.row_base(r as u64) as usize).wrapping_add(c);
        self.matrix[c * self.layout.n as usize + r] = I::of(self.packed[from]);
    }

    #[inline(always)]
    fn go_on(&self) -> bool {
        true
    }
}

struct Compare<'a, W, I> {
    n: usize,
    matrix: &'a [W],
    differs: W,
    image: PhantomData<I>,
}

impl<W: Word, I: Image<W>> Visit for Compare<'_, W, I> {
    #[inline(always)]
    fn begin(&mut self, _rows: Range<usize>) {}

    #[inline(always)]
    fn panel<const E: usize, const S: usize>(&mut self, r: usize, columns: Range<usize>) {
        let n = self.n;
        if columns.len() < E {
            for c in columns {
                (r..r + S * E).for_each(|r| self.one(r, c));
            }
            return;
        }
        let rows = rows_of::<W, E, S>(self.matrix, columns.len(), |k| (r + k) * n + columns.start);
        let mut acc = [W::zeroed(); E];
        for c in tiles::<E>(columns.len()) {
            let lines: [&[[W; E]]; E] = std::array::from_fn(
                #[inline(always)]
                |j| {
                    let start = (columns.start + c + j) * n + r;
                    self.matrix[start..start + S * E].as_chunks::<E>().0
                },
            );
            for (s, strip) in rows.iter().enumerate() {
                let mut square = [[W::zeroed(); E]; E];
                for i in 0..E {
                    square[i].copy_from_slice(&strip[i][c..c + E]);
                }
                for (j, line) in lines.iter().enumerate() {
                    for i in 0..E {
                        acc[i] = W::gather(acc[i], I::of(square[i][j]), line[s][i]);
                    }
                }
            }
        }
        for word in acc {
            self.differs = W::gather(self.differs, word, W::zeroed());
        }
    }

    #[inline(always)]
    fn one(&mut self, r: usize, c: usize) {
        self.differs = W::gather(self.differs, I::of(self.matrix[r * self.n + c]), self.matrix[c * self.n + r]);
    }

    #[inline(always)]
    fn go_on(&self) -> bool {
        self.differs == W::zeroed()
    }
}

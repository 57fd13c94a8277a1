//! An array larger than memory, block after block along its first axis, decoded ahead on all cores.

use std::ops::Range;

use ndarray::{ArrayD, IxDyn};

use super::ahead::Ahead;
use super::{BLOCK_BYTES, Reader, Resources, prefer};
use crate::array::{AxisSlice, Element, Slice, Span};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::Work;
use crate::recipe::Axes;

/// A block of this many bytes suits most uses: large against the cost of handing it over, small against memory.
const SUGGESTED_BYTES: u64 = 4 << 20;

/// Decoded pieces of a block are moved on while they are in the cache, unless a chunk is larger.
const PIECE_BYTES: u64 = 4 << 20;

/// Iterator of `(rows, block)` in order; made by [`Reader::blocks`]. After an error it ends.
pub struct Blocks<T> {
    pub(super) ahead: Ahead<(Range<u64>, ArrayD<T>)>,
}

impl<T> std::fmt::Debug for Blocks<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocks").finish_non_exhaustive()
    }
}

impl<T: Element> Iterator for Blocks<T> {
    type Item = Result<(Range<u64>, ArrayD<T>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.ahead.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Fewer where an error ends it.
        let left = usize::try_from(self.ahead.left()).ok();
        (0, left)
    }
}

/// Rows `rows` along the first axis.
fn rows_of(rows: &Range<u64>) -> Slice {
    let end = |v: u64| Some(i64::try_from(v).unwrap_or(i64::MAX));
    Slice(vec![AxisSlice::Range { start: end(rows.start), stop: end(rows.end), step: 1 }])
}

impl Reader {
    /// Rows along the first axis, and the bytes of one; refuses another dtype than `T` and arrays without an axis.
    pub(super) fn rows<T: Element>(&self) -> Result<(u64, u64)> {
        if T::DTYPE != self.spec().dtype() {
            return refuse!(
                Usage,
                "the array is {}, not {}; read it as {} or convert it afterwards",
                self.spec().dtype(),
                T::DTYPE,
                self.spec().dtype()
            );
        }
        match self.spec().shape().first() {
            Some(rows) => Ok((*rows, self.spec().bytes() / (*rows).max(1))),
            None => refuse!(Usage, "a 0-d array has no rows to go through; read it whole"),
        }
    }

    /// Rows of the file's own chunks along the first axis, where it has chunks that are boxes of the array.
    pub(super) fn chunk_rows(&self) -> Option<u64> {
        self.chunk().and_then(|chunk| chunk.first().copied()).filter(|rows| *rows > 0)
    }

    /// A number of rows that suits [`Reader::blocks`]: whole chunks, of about 4 MiB.
    pub fn suggested_rows(&self) -> u64 {
        let rows = self.spec().shape().first().copied().unwrap_or(1).max(1);
        let row_bytes = (self.spec().bytes() / rows).max(1);
        let step = self.chunk_rows().unwrap_or(1);
        ((SUGGESTED_BYTES / row_bytes).div_ceil(step).max(1) * step).min(rows)
    }

    /// The array in blocks of `rows` along its first axis (the last may have fewer), in order, decoded ahead on all cores within
    /// [`ReadOptions::memory`](super::ReadOptions). Blocks of whole chunks are fastest, see [`Reader::suggested_rows`]; others are
    /// put together from chunks that the cache holds.
    ///
    /// ```no_run
    /// let reader = ndcompact::Reader::open("grids.h5")?;
    /// let mut sum = 0.0;
    /// for block in reader.blocks::<f64>(reader.suggested_rows())? {
    ///     let (_rows, values) = block?;
    ///     sum += values.sum();
    /// }
    /// # Ok::<(), ndcompact::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` for another dtype than `T`, 0-d arrays and blocks of no rows.
    pub fn blocks<T: Element>(&self, rows: u64) -> Result<Blocks<T>> {
        let (all, _) = self.rows::<T>()?;
        if rows == 0 {
            return refuse!(Usage, "blocks of 0 rows never end; give at least 1");
        }
        let count = if self.spec().count() == 0 { u64::from(all > 0) } else { all.div_ceil(rows) };
        let rows = if self.spec().count() == 0 { all.max(1) } else { rows };
        Ok(Blocks { ahead: self.blocks_ahead(rows, count)? })
    }

    /// The first `count` blocks of `rows`.
    pub(super) fn blocks_ahead<T: Element>(&self, rows: u64, count: u64) -> Result<Ahead<(Range<u64>, ArrayD<T>)>> {
        let (all, row_bytes) = self.rows::<T>()?;
        let options = self.options;
        let reader = self.clone();
        let range = move |i: u64| i * rows..i.saturating_add(1).saturating_mul(rows).min(all);
        // A block in its final place and on its way there.
        let block_bytes = row_bytes.saturating_mul(rows.min(all)).max(1);
        let window = options.memory / 2 / block_bytes;
        let (threads, ahead) = match options.read_ahead {
            Some(ahead) => (options.threads.get(), u64::from(ahead)),
            None => (0, 0),
        };
        let steps = self.pipeline.stages().len();
        if threads as u64 > window {
            // Too large for one a thread: all threads work on the same block.
            let make = move |i: u64, _: &mut Work| {
                let rows = range(i);
                reader.slice_with(&rows_of(&rows)).map(|values| (rows, values))
            };
            return Ahead::new(count, threads.min(1), 1, steps, Box::new(make));
        }
        let make = move |i: u64, work: &mut Work| {
            let rows = range(i);
            reader.block(&rows, work).map(|values| (rows, values))
        };
        Ahead::new(count, threads, window.min(threads as u64 + ahead), steps, Box::new(make))
    }

    /// One block by one thread, moved to its place piece by piece while pieces are in the cache.
    fn block<T: Element>(&self, rows: &Range<u64>, work: &mut Work) -> Result<ArrayD<T>> {
        let resources: Resources<'static> = self.options.resources();
        self.with_view(Axes::C, Some(&rows_of(rows)), &resources, |view, unit| {
            let count = view.spec().count();
            let mut values: Vec<T> = Vec::new();
            if values.try_reserve_exact(count as usize).is_err() {
                return refuse!(Io, "no memory for a block of {}", view.spec());
            }
            let size = T::DTYPE.size() as u64;
            let before = rows.start * (self.spec().count() / self.spec().shape().first().copied().unwrap_or(1).max(1));
            // Pieces end where chunks do.
            let chunks = prefer(self.opened.as_ref(), self.pipeline.unit().output, self.pipeline.unit().input);
            let step = match chunks {
                Some(step) if step > 0 => step * (PIECE_BYTES / size / step).clamp(1, 8),
                _ => (BLOCK_BYTES / size).max(1).div_ceil(unit) * unit,
            };
            let [mut buf, other] = std::mem::take(&mut work.gather);
            let mut at = 0;
            while at < count {
                let end = ((before + at) / step + 1).saturating_mul(step).saturating_sub(before).min(count);
                let span = Span::new(at, end - at);
                view.read(&[span], &mut buf, work)?;
                values.extend_from_slice(buf.elements::<T>()?);
                at = end;
            }
            work.gather = [buf, other];
            let shape: Vec<usize> = view.spec().shape().iter().map(|d| *d as usize).collect();
            to_array(&shape, values)
        })
    }
}

/// An array of `shape` that takes `values` over.
pub(super) fn to_array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|e| Error::new(ErrorKind::Usage, format!("a block of shape {shape:?} does not fit an ndarray: {e}")))
}

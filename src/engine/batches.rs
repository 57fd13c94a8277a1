//! Minibatches along the first axis: in order, mixed chunk by chunk at the decoder's speed, or row by row.

use ndarray::ArrayD;

use super::ahead::Ahead;
use super::blocks::{room_for, to_array};
use super::shuffled::{Permutation, derived, shuffle};
use super::{Reader, Resources};
use crate::array::{Buf, Element, Slice, Span};
use crate::error::{Result, refuse};
use crate::pipeline::Work;
use crate::recipe::Axes;

/// Rows read together where a file has no chunks, in bytes.
const STRETCH_BYTES: u64 = 256 << 10;

/// Rows that are mixed with one another, in bytes, unless told: several chunks.
const MIXED_BYTES: u64 = 16 << 20;

/// How rows are mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// Chunks come in random order; the rows of this many chunks (`None`: of about 16 MiB, at least two) are mixed with one another.
    /// Each chunk is decoded once, so this runs at the decoder's speed.
    Chunks(Option<u64>),
    /// Any row may follow any other. A batch decodes about as many chunks as it has rows.
    Rows,
}

/// How minibatches are made.
///
/// ```
/// use ndcompact::engine::{BatchOptions, Mixing};
///
/// let usual = BatchOptions { size: 64, shuffle: Some(42), ..BatchOptions::default() };
/// let fully_random = BatchOptions { mixing: Mixing::Rows, ..usual };
/// # let _ = fully_random;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// Rows of a batch.
    pub size: u64,
    /// The seed that rows are mixed by; the same seed gives the same batches, whatever the machine. `None`: in order.
    pub shuffle: Option<u64>,
    /// How they are mixed.
    pub mixing: Mixing,
    /// Whether a last batch of fewer rows is left out.
    pub drop_last: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { size: 32, shuffle: None, mixing: Mixing::Chunks(None), drop_last: false }
    }
}

/// One minibatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<T> {
    /// The rows' indices along the array's first axis.
    pub rows: Vec<u64>,
    /// Their values.
    pub values: ArrayD<T>,
}

/// Rows read together, in the order in which they are handed out.
struct Lot {
    rows: Vec<u64>,
    values: Buf,
}

enum From<T> {
    /// Each piece of work is a batch.
    Whole(Ahead<Batch<T>>),
    /// Batches are cut from lots of rows.
    Lots { ahead: Ahead<Lot>, now: Option<Lot>, taken: usize },
}

/// Iterator of [`Batch`]es; made by [`Reader::batches`]. After an error it ends.
pub struct Batches<T> {
    from: From<T>,
    size: u64,
    drop_last: bool,
    left: u64,
    /// Elements of a row, and its shape.
    row: usize,
    row_shape: Vec<usize>,
}

impl<T> std::fmt::Debug for Batches<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<T: Element> Batches<T> {
    /// Cuts the next batch from lots.
    fn cut(&mut self, size: u64) -> Result<Batch<T>> {
        let From::Lots { ahead, now, taken } = &mut self.from else { return refuse!(Usage, "batches come whole") };
        let mut batch = Batch { rows: Vec::with_capacity(size as usize), values: to_array(&[0], Vec::new())? };
        let mut values: Vec<T> = Vec::new();
        if values.try_reserve_exact(size as usize * self.row).is_err() {
            return refuse!(Io, "no memory for a batch of {size} rows");
        }
        while (batch.rows.len() as u64) < size {
            let lot = match now {
                Some(lot) if *taken < lot.rows.len() => lot,
                _ => {
                    let Some(next) = ahead.next() else { break };
                    *taken = 0;
                    now.insert(next?)
                }
            };
            let n = (lot.rows.len() - *taken).min(size as usize - batch.rows.len());
            batch.rows.extend_from_slice(&lot.rows[*taken..*taken + n]);
            values.extend_from_slice(&lot.values.elements::<T>()?[*taken * self.row..(*taken + n) * self.row]);
            *taken += n;
        }
        let shape: Vec<usize> = std::iter::once(batch.rows.len()).chain(self.row_shape.iter().copied()).collect();
        batch.values = to_array(&shape, values)?;
        Ok(batch)
    }
}

impl<T: Element> Iterator for Batches<T> {
    type Item = Result<Batch<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.size.min(self.left);
        if size == 0 || (self.drop_last && size < self.size) {
            return None;
        }
        self.left -= size;
        let batch = match &mut self.from {
            From::Whole(ahead) => ahead.next()?,
            From::Lots { .. } => self.cut(size),
        };
        if batch.is_err() {
            self.left = 0;
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = if self.drop_last { self.left / self.size } else { self.left.div_ceil(self.size) };
        (0, usize::try_from(left).ok())
    }
}

impl Reader {
    /// The array's rows (along its first axis) in minibatches, read and decoded ahead by other threads. Every row comes once.
    ///
    /// # Errors
    /// `Usage` for another dtype than `T`, 0-d arrays and batches of no rows.
    pub fn batches<T: Element>(&self, options: BatchOptions) -> Result<Batches<T>> {
        let (all, row_bytes) = self.rows::<T>()?;
        let BatchOptions { size, shuffle, mixing, drop_last } = options;
        if size == 0 {
            return refuse!(Usage, "batches of 0 rows never end; give at least 1");
        }
        let size = size.min(all.max(1));
        if options.size > all && drop_last {
            // Not even one full batch.
            return self.batched(From::Whole(self.ahead(0, 1, |_, _| refuse!(Usage, "no batch"))?), options, 0);
        }
        let from = match (shuffle, mixing) {
            (None, _) => {
                let ahead = self.blocks_ahead::<T>(size, all.div_ceil(size))?;
                return self.batched(From::Whole(self.renamed(ahead)?), options, all);
            }
            (Some(seed), Mixing::Rows) => From::Whole(self.random(all, size, row_bytes, seed)?),
            (Some(seed), Mixing::Chunks(chunks)) => {
                let ahead = self.lots(all, row_bytes, seed, chunks)?;
                From::Lots { ahead, now: None, taken: 0 }
            }
        };
        self.batched(from, options, all)
    }

    fn batched<T>(&self, from: From<T>, options: BatchOptions, left: u64) -> Result<Batches<T>> {
        let row_shape: Vec<usize> = self.spec().shape().iter().skip(1).map(|d| *d as usize).collect();
        let row = row_shape.iter().product();
        Ok(Batches { from, size: options.size, drop_last: options.drop_last, left, row, row_shape })
    }

    /// Blocks as batches, made by the calling thread from what others decode.
    fn renamed<T: Element>(&self, blocks: Ahead<(std::ops::Range<u64>, ArrayD<T>)>) -> Result<Ahead<Batch<T>>> {
        let count = blocks.pieces();
        let blocks = std::sync::Mutex::new(blocks);
        let make = move |_: u64, _: &mut Work| {
            let next = blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            match next {
                Some(block) => block.map(|(rows, values)| Batch { rows: rows.collect(), values }),
                None => refuse!(Io, "a block is missing; please report this as a bug"),
            }
        };
        Ahead::new(count, 0, 1, 0, Box::new(make))
    }

    /// Pieces of work of so many bytes each, ahead on as many threads as memory allows.
    fn ahead<R: Send + 'static>(
        &self,
        count: u64,
        bytes: u64,
        make: impl Fn(u64, &mut Work) -> Result<R> + Send + Sync + 'static,
    ) -> Result<Ahead<R>> {
        let most = (self.options.memory / bytes.max(1)).max(1);
        let (threads, ahead) = match self.options.read_ahead {
            Some(ahead) => ((self.options.threads.get() as u64).min(most), u64::from(ahead)),
            None => (0, 0),
        };
        Ahead::new(count, threads as usize, most.min(threads + ahead), self.pipeline.stages().len(), Box::new(make))
    }

    /// Reads rows, in the order given, into `to`.
    fn read_rows(&self, rows: &[u64], to: &mut Buf, work: &mut Work) -> Result<()> {
        let resources: Resources<'static> = self.options.resources();
        self.with_view(Axes::C, Some(&Slice::default()), &resources, |view, _| {
            let row = view.spec().count() / view.spec().shape().first().copied().unwrap_or(1).max(1);
            let mut spans = Vec::with_capacity(rows.len());
            rows.iter().for_each(|r| Span::push(&mut spans, Span::new(r * row, row)));
            view.read(&spans, to, work)
        })
    }

    /// Batches of rows from anywhere.
    fn random<T: Element>(&self, all: u64, size: u64, row_bytes: u64, seed: u64) -> Result<Ahead<Batch<T>>> {
        let reader = self.clone();
        let order = Permutation::new(all, seed);
        let make = move |i: u64, work: &mut Work| {
            let rows: Vec<u64> = (i * size..((i + 1) * size).min(all)).map(|k| order.at(k)).collect();
            let mut values = Buf::new();
            // Chunks met again in later batches may still be in the cache.
            work.keep = true;
            reader.read_rows(&rows, &mut values, work)?;
            let shape: Vec<usize> = std::iter::once(rows.len() as u64)
                .chain(reader.spec().shape().iter().skip(1).copied())
                .map(|d| d as usize)
                .collect();
            let values = to_array(&shape, values.elements::<T>()?.to_vec())?;
            Ok(Batch { rows, values })
        };
        self.ahead(all.div_ceil(size), 2 * row_bytes.saturating_mul(size), make)
    }

    /// Lots of rows: some stretches of rows (chunks), drawn at random, their rows mixed.
    fn lots(&self, all: u64, row_bytes: u64, seed: u64, chunks: Option<u64>) -> Result<Ahead<Lot>> {
        // What follows may depend on the file and the options alone: the order is the seed's.
        let rows = self.chunk_rows().unwrap_or((STRETCH_BYTES / row_bytes.max(1)).max(1)).min(all.max(1));
        let bytes = row_bytes.saturating_mul(rows).max(1);
        let stretches = all.div_ceil(rows);
        let each = chunks.unwrap_or((MIXED_BYTES / bytes).max(2)).clamp(1, stretches.max(1));
        let order = Permutation::new(stretches, seed);
        let reader = self.clone();
        let make = move |i: u64, work: &mut Work| {
            let drawn: Vec<u64> = (i * each..((i + 1) * each).min(stretches)).map(|k| order.at(k)).collect();
            let stretch = |s: u64| s * rows..((s + 1) * rows).min(all);
            let mut mixed: Vec<u64> = drawn.iter().flat_map(|s| stretch(*s)).collect();
            shuffle(&mut mixed, derived(seed, i));
            let mut place: Vec<(u64, usize)> = mixed.iter().copied().zip(0..).collect();
            place.sort_unstable();
            let mut values = room_for(&reader, mixed.len() as u64)?;
            let [mut buf, other] = std::mem::take(&mut work.gather);
            for s in drawn {
                let want: Vec<u64> = stretch(s).collect();
                reader.read_rows(&want, &mut buf, work)?;
                let size = (buf.bytes().len() / want.len().max(1)).max(1);
                for (row, bytes) in want.iter().zip(buf.bytes().chunks_exact(size)) {
                    if let Ok(found) = place.binary_search_by_key(row, |(r, _)| *r) {
                        let to = place[found].1 * size;
                        values.bytes_mut()[to..to + size].copy_from_slice(bytes);
                    }
                }
            }
            work.gather = [buf, other];
            Ok(Lot { rows: mixed, values })
        };
        self.ahead(stretches.div_ceil(each.max(1)), bytes.saturating_mul(each + 1), make)
    }
}

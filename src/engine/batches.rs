//! Minibatches along the first axis: in order, mixed chunk by chunk at the decoder's speed, or row by row.

use std::collections::VecDeque;
use std::sync::Arc;

use ndarray::ArrayD;

use super::ahead::Ahead;
use super::blocks::to_array;
use super::lots::{Borders, Lot, Lots};
use super::shuffled::Permutation;
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

enum From<T> {
    /// Each piece of work is a batch.
    Whole(Ahead<Batch<T>>),
    /// Each piece of work is a lot: the batches inside of it, and its rows of those that reach over its ends. `rows` of them are done.
    Lots { ahead: Ahead<Lot<T>>, borders: Arc<Borders<T>>, reader: Box<Reader>, inside: VecDeque<Batch<T>>, rows: u64 },
}

/// Lots that are made ahead, and batches that reach over their ends.
type LotsAhead<T> = (Ahead<Lot<T>>, Arc<Borders<T>>);

/// Iterator of [`Batch`]es; made by [`Reader::batches`]. After an error it ends.
pub struct Batches<T> {
    from: From<T>,
    size: u64,
    drop_last: bool,
    left: u64,
    /// Batches, and rows, handed out so far.
    next: u64,
    done: u64,
}

impl<T> std::fmt::Debug for Batches<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<T: Element> Batches<T> {
    /// Batch `number`, which ends with row `end` of the order, once all lots that it has rows of are done.
    fn next_of_lots(&mut self, number: u64, end: u64) -> Option<Result<Batch<T>>> {
        let From::Lots { ahead, borders, reader, inside, rows } = &mut self.from else { return None };
        while *rows < end {
            match ahead.next()? {
                Ok(lot) => {
                    *rows += lot.rows;
                    inside.extend(lot.inside);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        match borders.take(number, reader) {
            Some(batch) => Some(batch),
            None => inside.pop_front().map(Ok),
        }
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
        self.done += size;
        let batch = match &mut self.from {
            From::Whole(ahead) => ahead.next()?,
            From::Lots { .. } => self.next_of_lots(self.next, self.done)?,
        };
        if batch.is_err() {
            self.left = 0;
        }
        self.next += 1;
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
            return Ok(batched(From::Whole(self.ahead(0, 1, |_, _| refuse!(Usage, "no batch"))?), options, 0));
        }
        let from = match (shuffle, mixing) {
            (None, _) => {
                let ahead = self.blocks_ahead::<T>(size, all.div_ceil(size))?;
                return Ok(batched(From::Whole(self.renamed(ahead)?), options, all));
            }
            (Some(seed), Mixing::Rows) => From::Whole(self.random(all, size, row_bytes, seed)?),
            (Some(seed), Mixing::Chunks(chunks)) => {
                let (ahead, borders) = self.lots(all, size, row_bytes, seed, chunks)?;
                From::Lots { ahead, borders, reader: Box::new(self.clone()), inside: VecDeque::new(), rows: 0 }
            }
        };
        Ok(batched(from, options, all))
    }

    /// The shape of so many rows.
    pub(super) fn shape_of(&self, rows: usize) -> Vec<usize> {
        std::iter::once(rows).chain(self.spec().shape().iter().skip(1).map(|d| *d as usize)).collect()
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
    pub(super) fn read_rows(&self, rows: &[u64], to: &mut Buf, work: &mut Work) -> Result<()> {
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
            let [mut buf, other] = std::mem::take(&mut work.gather);
            // Chunks met again in later batches may still be in the cache.
            work.keep = true;
            reader.read_rows(&rows, &mut buf, work)?;
            let mut values: Vec<T> = Vec::new();
            if values.try_reserve_exact(buf.len()).is_err() {
                return refuse!(Io, "no memory for a batch of {} rows", rows.len());
            }
            values.extend_from_slice(buf.elements::<T>()?);
            work.gather = [buf, other];
            let values = to_array(&reader.shape_of(rows.len()), values)?;
            Ok(Batch { rows, values })
        };
        self.ahead(all.div_ceil(size), 2 * row_bytes.saturating_mul(size), make)
    }

    /// Lots of rows: some stretches of rows (chunks), drawn at random, their rows mixed.
    fn lots<T: Element>(
        &self,
        all: u64,
        size: u64,
        row_bytes: u64,
        seed: u64,
        chunks: Option<u64>,
    ) -> Result<LotsAhead<T>> {
        // What follows may depend on the file and the options alone: the order is the seed's.
        let stretch = self.chunk_rows().unwrap_or((STRETCH_BYTES / row_bytes.max(1)).max(1)).min(all.max(1));
        let bytes = row_bytes.saturating_mul(stretch).max(1);
        let stretches = all.div_ceil(stretch);
        let each = chunks.unwrap_or((MIXED_BYTES / bytes).max(2)).clamp(1, stretches.max(1));
        let lots = Lots { all, stretch, each, size, seed, order: Permutation::new(stretches, seed) };
        let borders = Arc::new(Borders::new());
        let (reader, shared) = (self.clone(), Arc::clone(&borders));
        let make = move |i: u64, work: &mut Work| lots.make(i, &reader, &shared, work);
        // A lot as it is, a stretch on its way there, and a batch that reaches over the end.
        let share = bytes.saturating_mul(each + 1).saturating_add(row_bytes.saturating_mul(size));
        Ok((self.ahead(stretches.div_ceil(each.max(1)), share, make)?, borders))
    }
}

fn batched<T>(from: From<T>, options: BatchOptions, left: u64) -> Batches<T> {
    Batches { from, size: options.size, drop_last: options.drop_last, left, next: 0, done: 0 }
}

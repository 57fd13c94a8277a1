//! Lots of rows that are mixed with one another: read stretch by stretch, each row copied once, to its place in its batch.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Reader;
use super::batches::Batch;
use super::blocks::to_array;
use super::shuffled::{Permutation, derived, shuffle};
use crate::array::Element;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::Work;

/// How the rows of an array are drawn: stretches in random order, `each` of them a lot, whose rows are mixed.
pub(super) struct Lots {
    /// Rows of the array, of a stretch (the last may have fewer), and stretches of a lot.
    pub(super) all: u64,
    pub(super) stretch: u64,
    pub(super) each: u64,
    /// Rows of a batch.
    pub(super) size: u64,
    pub(super) seed: u64,
    /// Of stretches.
    pub(super) order: Permutation,
}

/// A lot that is done.
pub(super) struct Lot<T> {
    pub(super) rows: u64,
    /// The batches that have no row of another lot, in order.
    pub(super) inside: Vec<Batch<T>>,
}

/// A batch in the making.
struct Open<T> {
    number: u64,
    /// Its first row's place in the order.
    start: u64,
    rows: Vec<u64>,
    values: Vec<T>,
}

/// Batches that have rows of several lots, by number.
pub(super) struct Borders<T>(Mutex<HashMap<u64, Arc<Mutex<Open<T>>>>>);

impl<T: Element> Borders<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Batch `number`, which lots have begun and whose lots are all done; `None` where it lay inside of one.
    pub(super) fn take(&self, number: u64, reader: &Reader) -> Option<Result<Batch<T>>> {
        let open = locked(&self.0).remove(&number)?;
        let open = std::mem::replace(&mut *locked(&open), Open { number, start: 0, rows: vec![], values: vec![] });
        Some(open.finish(reader))
    }

    /// Batch `number`, made by `make` if no lot has begun it.
    fn begun(&self, number: u64, make: impl FnOnce() -> Result<Open<T>>) -> Result<Arc<Mutex<Open<T>>>> {
        let mut all = locked(&self.0);
        if let Some(open) = all.get(&number) {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(Mutex::new(make()?));
        all.insert(number, Arc::clone(&open));
        Ok(open)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Element> Open<T> {
    /// Puts row `row` at place `place` of the order.
    fn put(&mut self, place: u64, row: u64, values: &[T]) {
        let at = (place - self.start) as usize;
        self.rows[at] = row;
        self.values[at * values.len()..(at + 1) * values.len()].copy_from_slice(values);
    }

    fn finish(self, reader: &Reader) -> Result<Batch<T>> {
        Ok(Batch { values: to_array(&reader.shape_of(self.rows.len()), self.values)?, rows: self.rows })
    }
}

impl Lots {
    fn rows_of(&self, stretch: u64) -> Range<u64> {
        stretch * self.stretch..((stretch + 1) * self.stretch).min(self.all)
    }

    /// The place in the order of the first row of the lot that begins with drawn stretch `first`.
    fn start(&self, first: u64) -> u64 {
        let last = self.all.div_ceil(self.stretch).saturating_sub(1);
        let missing = (last + 1) * self.stretch - self.all;
        // The stretch at the end of the array is the one that may be short.
        if self.order.place_of(last) < first { first * self.stretch - missing } else { first * self.stretch }
    }

    fn open<T: Element>(&self, number: u64, reader: &Reader) -> Result<Open<T>> {
        let start = number * self.size;
        let rows = (start + self.size).min(self.all) - start;
        let row = reader.spec().count() / self.all.max(1);
        // Memory that nobody has touched comes zeroed: no pass over it before rows are put there.
        match bytemuck::try_zeroed_vec((rows * row) as usize) {
            Ok(values) => Ok(Open { number, start, rows: vec![0; rows as usize], values }),
            Err(()) => refuse!(Io, "no memory for a batch of {rows} rows of {}", reader.spec()),
        }
    }

    /// Makes lot `i`: what it has of batches that reach over its ends goes to `borders`.
    pub(super) fn make<T: Element>(
        &self,
        i: u64,
        reader: &Reader,
        borders: &Borders<T>,
        work: &mut Work,
    ) -> Result<Lot<T>> {
        let stretches = self.all.div_ceil(self.stretch);
        let first = i * self.each;
        let drawn: Vec<Range<u64>> =
            (first..(first + self.each).min(stretches)).map(|k| self.rows_of(self.order.at(k))).collect();
        let rows: u64 = drawn.iter().map(|r| r.end - r.start).sum();
        let start = self.start(first);
        let end = start + rows;
        let mut mixed: Vec<u64> = (0..rows).collect();
        shuffle(&mut mixed, derived(self.seed, i));
        // Where each row goes, in the order in which they are read.
        let mut places = vec![0u64; rows as usize];
        mixed.iter().zip(start..).for_each(|(row, place)| places[*row as usize] = place);

        let inside_end = if end == self.all { end.div_ceil(self.size) } else { end / self.size };
        let inside = start.div_ceil(self.size)..inside_end.max(start.div_ceil(self.size));
        let mut own: Vec<Open<T>> = inside.clone().map(|n| self.open(n, reader)).collect::<Result<_>>()?;
        let over = |n: u64| (!inside.contains(&n)).then(|| borders.begun(n, || self.open(n, reader))).transpose();
        let (head, tail) = (start / self.size, (end - 1) / self.size);
        let ends = [over(head)?, if tail > head { over(tail)? } else { None }];

        let [mut buf, other] = std::mem::take(&mut work.gather);
        let mut to = places.iter();
        for rows in drawn {
            let want: Vec<u64> = rows.collect();
            reader.read_rows(&want, &mut buf, work)?;
            let values = buf.elements::<T>()?;
            let row = values.len() / want.len().max(1);
            // In ascending order, as every lot takes them.
            let [mut a, mut b] = ends.each_ref().map(|open| open.as_ref().map(|open| locked(open)));
            for ((at, row_number), place) in want.iter().enumerate().zip(&mut to) {
                let number = place / self.size;
                let open =
                    match (number.checked_sub(inside.start).and_then(|k| own.get_mut(k as usize)), &mut a, &mut b) {
                        (Some(open), ..) => open,
                        (None, Some(open), _) if open.number == number => &mut **open,
                        (None, _, Some(open)) if open.number == number => &mut **open,
                        _ => {
                            let what = format!("batch {number} is missing; please report this as a bug");
                            return Err(Error::new(ErrorKind::Io, what));
                        }
                    };
                open.put(*place, *row_number, &values[at * row..(at + 1) * row]);
            }
        }
        work.gather = [buf, other];
        Ok(Lot { rows, inside: own.into_iter().map(|open| open.finish(reader)).collect::<Result<_>>()? })
    }
}

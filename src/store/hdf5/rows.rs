//! Datasets of variable-length rows: h5py's `vlen_dtype`, PyTables' `VLArray`.

use std::collections::VecDeque;

use super::heap::{Heap, Reference};
use super::list::{absolute, describe, open_file};
use super::raw::{self, Id, vlen};
use super::read::{Dataset, check_filters};
use crate::array::{Buf, DType, Span, Spec};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::Place;

/// Rows asked of the library at first; more where they are short.
const FEW: u64 = 16;

/// Bytes of rows that are read together, about.
const BATCH_BYTES: u64 = 4 << 20;

/// Rows that are read together at most.
const BATCH_ROWS: u64 = 1 << 16;

/// Bytes of a row in memory: its length and where it is.
const ROW_BYTES: usize = 16;

/// The attribute by which PyTables says that the numbers stand for something else.
const PSEUDO_ATOM: &str = "PSEUDOATOM";

/// A dataset of numbers in rows of variable length. What it holds itself, where each row lies, is read as any dataset; the rows are taken
/// from the file's heap. Behind filters that are plugins, and for numbers that no machine has, the library reads them.
#[derive(Debug)]
pub struct Rows {
    name: String,
    row: vlen::Row,
    count: u64,
    next: u64,
    batch: u64,
    lies: Option<Lies>,
    dataset: Id,
}

/// Where rows lie.
struct Lies {
    references: Dataset,
    heap: Heap,
    /// Those of the next rows.
    next: VecDeque<Reference>,
    work: Work,
}

impl std::fmt::Debug for Lies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lies").field("heap", &self.heap).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens the dataset at `place`; without a name, the only one of this kind where there is no dataset of numbers. `None` where that is
    /// no dataset of variable-length rows.
    ///
    /// # Errors
    /// `Unsupported` for rows of anything but numbers, PyTables' strings and pickled objects among them, and for more than one axis;
    /// `Corrupt`; `Io`.
    pub fn open(place: &Place) -> Result<Option<Self>> {
        let file = open_file(&place.path)?;
        let at = |e: Error| e.at(place);
        let mut found = Vec::new();
        let names = match &place.member {
            Some(name) => vec![absolute(name)?],
            None => raw::file::datasets(&file).map_err(at)?,
        };
        for name in names {
            if !raw::file::exists(&file, &name).map_err(at)? {
                return Ok(None);
            }
            // What is no dataset, or none of numbers, is told by whoever opens it as an array.
            let Ok(dataset) = raw::dataset::open(&file, &name) else { return Ok(None) };
            let stored = raw::dtype::of_dataset(&dataset).map_err(at)?;
            if vlen::is_one(&stored) {
                found.push((name, dataset, stored));
            } else if place.member.is_none() && describe(&dataset, &name).is_ok() {
                return Ok(None);
            }
        }
        let Some((name, dataset, stored)) = found.pop() else { return Ok(None) };
        if !found.is_empty() {
            return refuse!(
                Usage,
                "{place} holds {} datasets of rows; name one, for example {place}:{name}",
                found.len() + 1
            );
        }
        if raw::attribute::exists(&dataset, PSEUDO_ATOM).map_err(at)? {
            return refuse!(
                Unsupported,
                "{place}: {name} holds Python strings or pickled objects as bytes (PyTables' {PSEUDO_ATOM}), which are never unpickled; \
                 write its rows as arrays of numbers first, for example with np.save"
            );
        }
        let row = vlen::row(&stored, &name).map_err(at)?;
        let shape = raw::dataset::shape(&dataset).map_err(at)?;
        let count = match shape.as_deref() {
            Some([count]) => *count,
            _ => {
                return refuse!(
                    Unsupported,
                    "{place}: {name} has rows along {} axes; rows along one axis are items. Write it anew with one axis",
                    shape.map_or(0, |s| s.len())
                );
            }
        };
        let creation = raw::dataset::creation(&dataset, 1, &row.memory, ROW_BYTES).map_err(at)?;
        check_filters(&creation.filters).map_err(|e| e.at(format!("{place}: {name}")))?;
        let again = raw::dataset::open(&file, &name).map_err(at)?;
        let references = match row.has_wide_addresses {
            true => Dataset::references(again, &name, count, &creation, &place.path).map_err(at)?,
            false => None,
        };
        let lies = match references {
            Some(references) => {
                let descriptor = raw::file::descriptor(&file, &place.path).map_err(at)?;
                let heap = Heap::new(descriptor, raw::file::base(&file).map_err(at)?).map_err(at)?;
                Some(Lies { references, heap, next: VecDeque::new(), work: Work::new(0) })
            }
            None => None,
        };
        Ok(Some(Self { name, row, count, next: 0, batch: FEW, lies, dataset }))
    }

    /// Rows in all.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Dtype of the elements.
    pub fn dtype(&self) -> DType {
        self.row.dtype
    }

    /// Axes of a row: one, and those of its elements.
    pub fn axes(&self) -> u64 {
        1 + self.row.inner.len() as u64
    }

    /// The next rows, as many as go well into memory together; none at the end.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged; `Io`.
    pub fn next_rows(&mut self) -> Result<Vec<(Spec, Buf)>> {
        if self.next == self.count {
            return Ok(Vec::new());
        }
        let (first, each) = (self.next, self.row.inner.iter().product::<u64>());
        let size = each.saturating_mul(self.row.dtype.size() as u64);
        let rows = match &mut self.lies {
            Some(lies) if self.row.plain.is_some() => lies.rows(first, self.count, &self.row, size),
            lies => {
                let count = self.batch.min(self.count - first);
                let sound = match lies {
                    Some(lies) => lies.check(first, count, self.row.stored_bytes as u64),
                    None => Ok(()),
                };
                sound.and_then(|()| vlen::read(&self.dataset, &self.row, first, count, size as usize))
            }
        };
        let rows = rows.map_err(|e| e.at(format!("{}, from row {first} on", self.name)))?;
        let (bytes, count) = (rows.iter().map(Vec::len).sum::<usize>() as u64, rows.len() as u64);
        self.next += count;
        self.batch = (BATCH_BYTES * count / bytes.max(1)).clamp(1, self.batch * 4).min(BATCH_ROWS);
        let one = |bytes: Vec<u8>| {
            let len = (bytes.len() as u64).checked_div(size).unwrap_or(0);
            let spec = Spec::new(self.row.dtype, [&[len][..], &self.row.inner].concat())?;
            let mut buf = Buf::new();
            buf.reset(spec.dtype(), spec.count())?;
            buf.bytes_mut().copy_from_slice(&bytes);
            Ok((spec, buf))
        };
        rows.into_iter().map(one).collect()
    }
}

impl Lies {
    /// Reads where rows from `first` on of `count` lie, some of them.
    fn look(&mut self, first: u64, count: u64) -> Result<()> {
        let mut buf = Buf::new();
        let span = Span::new(first, count.min(BATCH_ROWS));
        self.references.read(&[span], &mut buf, &mut self.work)?;
        self.next.extend(Reference::all(buf.bytes()));
        Ok(())
    }

    /// The bytes of the next rows, in native order, of elements of `size` bytes.
    fn rows(&mut self, first: u64, count: u64, row: &vlen::Row, size: u64) -> Result<Vec<Vec<u8>>> {
        if self.next.is_empty() {
            self.look(first, count - first)?;
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(reference) = self.next.front()
            && bytes < BATCH_BYTES
        {
            let mut values = self.heap.row(reference, size)?.to_vec();
            if let Some(order) = row.plain {
                order.to_native(row.dtype, &mut values);
            }
            bytes += values.len() as u64;
            rows.push(values);
            self.next.pop_front();
        }
        Ok(rows)
    }

    /// Refuses rows that are not what they claim to be: the library makes room for all elements that one claims before it looks.
    fn check(&mut self, first: u64, count: u64, stored_bytes: u64) -> Result<()> {
        self.look(first, count)?;
        self.next.drain(..).try_for_each(|reference| self.heap.row(&reference, stored_bytes).map(drop))
    }
}

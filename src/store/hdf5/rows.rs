//! Datasets of variable-length rows: h5py's `vlen_dtype`, PyTables' `VLArray`.

use super::list::{absolute, describe, open_file};
use super::raw::{self, Id, vlen};
use super::read::check_filters;
use crate::array::{Buf, DType, Spec};
use crate::error::{Error, Result, refuse};
use crate::store::Place;

/// Rows asked for at first; more where they are short.
const FEW: u64 = 16;

/// Bytes of rows that are read together, about.
const BATCH_BYTES: u64 = 4 << 20;

/// Bytes of a row in memory: its length and where it is.
const ROW_BYTES: usize = 16;

/// The attribute by which PyTables says that the numbers stand for something else.
const PSEUDO_ATOM: &str = "PSEUDOATOM";

/// A dataset of numbers in rows of variable length. The library reads it: all other rows go by positioned reads, but these stand in its
/// heap.
#[derive(Debug)]
pub struct Rows {
    name: String,
    row: vlen::Row,
    count: u64,
    next: u64,
    batch: u64,
    dataset: Id,
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
            _ => return refuse!(Unsupported, "{place}: {name} has shape {shape:?}; rows along one axis are supported"),
        };
        let filters = raw::dataset::creation(&dataset, 1, &row.memory, ROW_BYTES).map_err(at)?.filters;
        check_filters(&filters).map_err(|e| e.at(format!("{place}: {name}")))?;
        Ok(Some(Self { name, row, count, next: 0, batch: FEW, dataset }))
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
        let count = self.batch.min(self.count - self.next);
        if count == 0 {
            return Ok(Vec::new());
        }
        let each = self.row.inner.iter().product::<u64>();
        let size = (each as usize).saturating_mul(self.row.dtype.size());
        let at = |e: Error| e.at(format!("{}, rows {}..{}", self.name, self.next, self.next + count));
        let rows = vlen::read(&self.dataset, &self.row, self.next, count, size).map_err(at)?;
        let bytes = rows.iter().map(Vec::len).sum::<usize>() as u64;
        self.next += count;
        self.batch = (BATCH_BYTES * count / bytes.max(1)).clamp(1, self.batch * 4).min(1 << 16);
        let one = |bytes: Vec<u8>| {
            let len = bytes.len().checked_div(size).unwrap_or(0) as u64;
            let spec = Spec::new(self.row.dtype, [&[len][..], &self.row.inner].concat())?;
            let mut buf = Buf::new();
            buf.reset(spec.dtype(), spec.count())?;
            buf.bytes_mut().copy_from_slice(&bytes);
            Ok((spec, buf))
        };
        rows.into_iter().map(one).collect()
    }
}

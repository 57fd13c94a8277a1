//! One array out of a bundle.

use std::borrow::Cow;

use ndarray::ArrayD;

use super::index::Entry;
use crate::array::{Buf, Element, to_ndarray};
use crate::engine::{Resources, restored_npy};
use crate::error::{Result, refuse};
use crate::recipe::Record;
use crate::store::{NpyHead, reversed};

/// An array as it came out of a bundle, its checksum compared.
#[derive(Debug, Clone)]
pub struct Item {
    entry: Entry,
    /// Its `.npy` file.
    npy: Vec<u8>,
    head: NpyHead,
}

impl Item {
    /// From the bytes of its `.npy` file.
    pub(super) fn of_npy(entry: Entry, npy: Vec<u8>) -> Result<Self> {
        let head = NpyHead::of(&npy, npy.len() as u64).map_err(|e| e.at(&entry.name))?;
        let stored = entry.stored()?;
        if head.shown != stored || head.record.is_some() != entry.packed.is_some() {
            return refuse!(
                Corrupt,
                "{}: the index says {stored}, its file {}; the index is another bundle's",
                entry.name,
                head.shown
            );
        }
        let item = Self { entry, npy, head };
        if let Some(record) = item.record()?
            && record.shown()? != item.entry.spec()?
        {
            return refuse!(
                Corrupt,
                "{}: the index says {}, its recipe {}; the index is another bundle's",
                item.entry.name,
                item.entry.spec()?,
                record.shown()?
            );
        }
        Ok(item)
    }

    /// From its stored elements in native byte order, in the order in which its own file has them, and its recipe.
    #[cfg(feature = "hdf5")]
    pub(super) fn of_elements(entry: Entry, elements: &Buf, record: Option<&str>) -> Result<Self> {
        use crate::array::ByteOrder;
        use crate::recipe::Axes;
        let stored = entry.stored()?;
        let (order, fortran) = match record.map(Record::from_json).transpose()? {
            Some(record) => (ByteOrder::Little, record.axes == Axes::F),
            None => (entry.order(), entry.fortran),
        };
        let mut npy = NpyHead::write(&stored, order, fortran, record)?;
        let start = npy.len();
        npy.extend_from_slice(elements.bytes());
        // Turning bytes around is its own inverse.
        order.to_native(stored.dtype(), &mut npy[start..]);
        Self::of_npy(entry, npy)
    }

    /// What the index says of it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The bytes of its `.npy` file as the bundle holds it: of a compacted array the packed one, with its recipe.
    pub fn npy(&self) -> &[u8] {
        &self.npy
    }

    /// The bytes of the `.npy` file of the array as it was before it was compacted, as far as the steps keep it; of an ordinary array
    /// those that the bundle holds.
    ///
    /// # Errors
    /// `Corrupt` for damaged recipes; `Io` without memory.
    pub fn original_npy(&self) -> Result<Cow<'_, [u8]>> {
        self.original_npy_with(&Resources::default())
    }

    /// As [`Item::original_npy`], with threads and memory to choose.
    ///
    /// # Errors
    /// As [`Item::original_npy`].
    pub fn original_npy_with(&self, resources: &Resources<'_>) -> Result<Cow<'_, [u8]>> {
        match self.head.record {
            Some(_) => Ok(Cow::Owned(restored_npy(&self.npy, resources).map_err(|e| e.at(&self.entry.name))?)),
            None => Ok(Cow::Borrowed(&self.npy)),
        }
    }

    pub(super) fn head(&self) -> &NpyHead {
        &self.head
    }

    /// The record of how it was compacted, if it was.
    ///
    /// # Errors
    /// `Corrupt` for damaged records.
    pub fn record(&self) -> Result<Option<Record>> {
        self.head.record.as_deref().map(Record::from_json).transpose()
    }

    /// The array, as it was before it was compacted.
    ///
    /// # Errors
    /// `Usage` where it is of another dtype than `T`.
    pub fn array<T: Element>(&self) -> Result<ArrayD<T>> {
        let npy = self.original_npy()?;
        let head = NpyHead::of(&npy, npy.len() as u64)?;
        let (mut buf, shown) = (Buf::new(), &head.shown);
        buf.reset(shown.dtype(), shown.count())?;
        buf.bytes_mut().copy_from_slice(&npy[head.data_at as usize..]);
        head.order.to_native(shown.dtype(), buf.bytes_mut());
        if !head.fortran || shown.shape().len() < 2 {
            return to_ndarray(shown, &buf);
        }
        Ok(to_ndarray(&reversed(shown)?, &buf)?.reversed_axes())
    }
}

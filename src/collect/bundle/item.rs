//! One array out of a bundle.

use ndarray::ArrayD;

use super::index::Entry;
use crate::array::{Buf, Element, Spec, to_ndarray};
use crate::error::{Result, refuse};
use crate::recipe::Record;
use crate::store::NpyHead;

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
        if head.shown.dtype() != entry.dtype || head.shown.shape() != entry.shape {
            return refuse!(
                Corrupt,
                "{}: the index says {:?} {}, its file {}; the index is another bundle's",
                entry.name,
                entry.shape,
                entry.dtype,
                head.shown
            );
        }
        Ok(Self { entry, npy, head })
    }

    /// From its elements in native byte order, in the order in which its own file has them.
    #[cfg(feature = "hdf5")]
    pub(super) fn of_elements(entry: Entry, elements: &Buf) -> Result<Self> {
        let mut npy = NpyHead::write(&entry.spec()?, entry.order(), entry.fortran, None)?;
        let start = npy.len();
        npy.extend_from_slice(elements.bytes());
        // Turning bytes around is its own inverse.
        entry.order().to_native(entry.dtype, &mut npy[start..]);
        Self::of_npy(entry, npy)
    }

    /// What the index says of it.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The bytes of its `.npy` file.
    pub fn npy(&self) -> &[u8] {
        &self.npy
    }

    pub(super) fn head(&self) -> &NpyHead {
        &self.head
    }

    /// The record of how it was compacted before it was bundled, if it was.
    ///
    /// # Errors
    /// `Corrupt` for damaged records.
    pub fn record(&self) -> Result<Option<Record>> {
        self.head.record.as_deref().map(Record::from_json).transpose()
    }

    /// Its elements in native byte order, in the order in which its file has them.
    pub(super) fn elements(&self) -> Result<Buf> {
        let mut buf = Buf::new();
        buf.reset(self.entry.dtype, self.head.shown.count())?;
        buf.bytes_mut().copy_from_slice(&self.npy[self.head.data_at as usize..]);
        self.head.order.to_native(self.entry.dtype, buf.bytes_mut());
        Ok(buf)
    }

    /// The array.
    ///
    /// # Errors
    /// `Usage` where it is of another dtype than `T`.
    pub fn array<T: Element>(&self) -> Result<ArrayD<T>> {
        let (buf, shown) = (self.elements()?, &self.head.shown);
        if !self.head.fortran || shown.shape().len() < 2 {
            return to_ndarray(shown, &buf);
        }
        let reversed: Vec<u64> = shown.shape().iter().rev().copied().collect();
        Ok(to_ndarray(&Spec::new(shown.dtype(), reversed)?, &buf)?.reversed_axes())
    }
}

//! `compact restore INDEX:NAME`: one array of a bundle as a file of its own.

use std::path::Path;
use std::time::Instant;

use super::item::Item;
use crate::array::ByteOrder;
use crate::engine::{Reader, RestoreOptions, Restored, Target, restore};
use crate::error::{Result, refuse};
use crate::report::Side;
use crate::store::{Format, Growing, NpyHead, Place, temporary_npy};

/// Whether `path` has the name of a bundle's index.
pub fn is_index(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(".index.npz"))
}

impl Item {
    /// Writes the array, or a slice of it, to `target`: as it was before it was compacted, if it was, else as it is.
    ///
    /// # Errors
    /// As [`restore`]; `Usage` where an array that was not compacted is to become HDF5.
    pub fn restore(&self, target: &Target, options: &RestoreOptions<'_>) -> Result<Restored> {
        let start = Instant::now();
        let entry = self.entry();
        let place = Place { path: entry.file.clone().into(), member: Some(entry.name.clone()) };
        let side = |place: &Place, shape: &[u64], bytes: u64, stored: u64| Side {
            place: place.to_string(),
            format: Format::Npy.name(),
            dtype: entry.dtype,
            shape: shape.to_vec(),
            array_bytes: bytes,
            stored_bytes: stored,
        };
        let all = self.head().shown.bytes();
        let input = side(&place, &entry.shape, all, self.npy().len() as u64);
        if self.record()?.is_some() {
            let file = temporary_npy(self.npy())?;
            let mut restored = restore(&Place { path: file.path().to_owned(), member: None }, target, options)?;
            restored.input = input;
            return Ok(restored);
        }
        let (shape, bytes, npy) = match &options.slice {
            None => (entry.shape.clone(), all, None),
            Some(slice) => {
                let file = temporary_npy(self.npy())?;
                let reader = Reader::at(&Place { path: file.path().to_owned(), member: None })?;
                let (spec, mut part) = reader.part_with(slice, &options.resources)?;
                let order = ByteOrder::Little;
                order.to_native(spec.dtype(), part.bytes_mut());
                let mut npy = NpyHead::write(&spec, order, false, None)?;
                npy.extend_from_slice(part.bytes());
                (spec.shape().to_vec(), spec.bytes(), Some(npy))
            }
        };
        let npy = npy.as_deref().unwrap_or_else(|| self.npy());
        let output = match target {
            Target::DryRun => None,
            Target::Place(to) if to.member.is_none() && Format::of_name(&to.path) == Some(Format::Npy) => {
                let mut file = Growing::create(&to.path, options.replace)?;
                file.push(npy)?;
                file.finish()?.commit(None, options.sync)?;
                Some(side(to, &shape, bytes, npy.len() as u64))
            }
            Target::Place(to) => {
                return refuse!(
                    Usage,
                    "{to}: an ordinary array of a bundle is restored to .npy; `compact x.npy -o {to}` makes something else of that"
                );
            }
        };
        Ok(Restored { input, output, shape, seconds: start.elapsed().as_secs_f64() })
    }
}

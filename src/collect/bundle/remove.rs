//! Inputs deleted once everything in the bundle was read back from disk and compared with them.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::feed::{Feed, Part, PartBytes, UNIT_BYTES, Work};
use super::index::Format;
use super::make::whole;
use super::names;
use super::open::Bundle;
use super::run::Count;
use crate::array::{Buf, Span};
use crate::engine::{Phase, Resources, in_order_from};
use crate::error::{Result, refuse};
use crate::metric::{Loss, LossRecord};
use crate::store::{FileKind, Found, NpyHead, remove_unchanged};

/// Compares every array of `found` with what the bundle at `index` holds, then deletes those files of which everything is in
/// it. How many were deleted, and how many were kept.
///
/// # Errors
/// `Corrupt` at the first difference: nothing is deleted. `Refused` for an input that was changed meanwhile.
pub(super) fn sources(found: &[Found], index: &Path, resources: &Resources<'_>) -> Result<(u64, u64)> {
    let bundle = Bundle::open(index)?;
    let total = found.iter().map(|f| f.size).sum();
    let mut count = Count { resources, total, done: 0, phase: Phase::Comparing };
    let single: Vec<Found> = found.iter().filter(|f| f.kind == FileKind::Npy).cloned().collect();
    let (names, _) = compare(&single, &bundle, &mut count)?;
    let mut whole: Vec<&Found> = Vec::new();
    for one in found {
        let all = match one.kind {
            FileKind::Npy => names.contains(&names::array_name(&one.name)?),
            FileKind::Npz | FileKind::Tar(_) => compare(std::slice::from_ref(one), &bundle, &mut count)?.1,
            FileKind::Pickle | FileKind::Other | FileKind::Link => false,
        };
        if all {
            whole.push(one);
        }
    }
    for one in &whole {
        remove_unchanged(one)?;
    }
    Ok((whole.len() as u64, (found.len() - whole.len()) as u64))
}

/// The names of the arrays of `found`, all of which are in `bundle`, and whether nothing was passed over.
fn compare(found: &[Found], bundle: &Bundle, count: &mut Count<'_>) -> Result<(HashSet<String>, bool)> {
    let (mut names, mut all) = (HashSet::new(), true);
    let resources = count.resources;
    let feed = Mutex::new(Feed::new(found, UNIT_BYTES));
    // The array that parts are compared with.
    let large: Mutex<Option<Arc<Held>>> = Mutex::new(None);
    let alone = Resources { threads: NonZeroUsize::MIN, progress: None, ..*resources };
    let make = |work: Work, (): &mut ()| -> Result<Compared> {
        let mut done = Compared { same: Vec::new(), all: true, read: 0, lost: None };
        match work {
            Work::Small(files) => {
                for file in files {
                    let (name, bytes, head) = whole(file)?;
                    done.read += bytes.len() as u64;
                    let Ok(head) = head else {
                        done.all = false;
                        continue;
                    };
                    let held = Held::new(bundle, &name, head.record.is_some(), &alone)?;
                    held.no_more_lost(held.compare(bundle.format(), &head, 0, &bytes)?)?;
                    done.same.push(name);
                }
            }
            Work::Part(Part { name, head, bytes, last, at, .. }) => {
                let bytes = match bytes {
                    PartBytes::InFile(stretch) => stretch.bytes(0, stretch.len())?,
                    PartBytes::Here(bytes) => bytes,
                };
                let held = {
                    let mut kept = large.lock().unwrap_or_else(PoisonError::into_inner);
                    match &*kept {
                        Some(held) if held.name == name => Arc::clone(held),
                        _ => {
                            let held = Held::new(bundle, &name, head.record.is_some(), &alone)?;
                            Arc::clone(kept.insert(Arc::new(held)))
                        }
                    }
                };
                let loss = held.compare(bundle.format(), &head, at, &bytes)?;
                done.lost = Some((held, loss, last));
                done.read = bytes.len() as u64;
                if last {
                    done.same.push(name);
                }
            }
        }
        Ok(done)
    };
    let mut lost = Loss::new();
    in_order_from(
        resources.threads.get() as u64,
        resources,
        || feed.lock().unwrap_or_else(PoisonError::into_inner).pull(),
        || (),
        make,
        |_, done: Compared| {
            if let Some((held, loss, last)) = done.lost {
                lost.merge(&loss);
                if last {
                    held.no_more_lost(std::mem::take(&mut lost))?;
                }
            }
            names.extend(done.same);
            all &= done.all;
            count.add(done.read);
            Ok(())
        },
    )?;
    let skipped = feed.into_inner().unwrap_or_else(PoisonError::into_inner).skipped.count();
    Ok((names, all && skipped == 0))
}

/// What comparing a piece of work came to.
struct Compared {
    same: Vec<String>,
    all: bool,
    read: u64,
    /// A part of a larger array: what it is compared with, what it lost, and whether it was the last one.
    lost: Option<(Arc<Held>, Loss, bool)>,
}

/// An array of the bundle, as its input is to be.
struct Held {
    name: String,
    npy: Vec<u8>,
    head: NpyHead,
    /// What its steps lost, if it went through any.
    record: Option<LossRecord>,
}

impl Held {
    /// The array called `name`; `as_it_is` says that the input was compacted already.
    fn new(bundle: &Bundle, name: &str, as_it_is: bool, resources: &Resources<'_>) -> Result<Self> {
        let item = bundle.get(name)?;
        let record = item.record()?.filter(|_| !as_it_is);
        let npy = match record {
            Some(_) => item.original_npy_with(resources)?.into_owned(),
            None => item.npy().to_vec(),
        };
        let head = NpyHead::of(&npy, npy.len() as u64)?;
        Ok(Self { name: name.to_owned(), npy, head, record: record.and_then(|r| r.loss) })
    }

    /// Compares the bytes of an input from `at` on. HDF5 has elements alone, and so has what went through steps.
    ///
    /// # Errors
    /// `Corrupt` where they differ and nothing was to be lost.
    fn compare(&self, format: Format, head: &NpyHead, at: u64, bytes: &[u8]) -> Result<Loss> {
        let theirs = &self.head;
        let same_kind = head.shown == theirs.shown && head.order == theirs.order && head.fortran == theirs.fortran;
        // Headers of other programs may be of another length.
        let elements = format == Format::Hdf5 || self.record.is_some();
        let (from, ours) = match (at, elements) {
            (0, true) => (theirs.data_at, &bytes[head.data_at as usize..]),
            (at, true) => (at - head.data_at + theirs.data_at, bytes),
            (at, false) => (at, bytes),
        };
        let in_bundle = self.npy.get(from as usize..from as usize + ours.len());
        let mut loss = Loss::new();
        match (in_bundle.filter(|_| same_kind), &self.record) {
            (Some(there), None) if there == ours => {}
            (Some(there), Some(_)) => {
                let dtype = head.shown.dtype();
                let (mut before, mut after) = (Buf::new(), Buf::new());
                for (buf, bytes) in [(&mut before, ours), (&mut after, there)] {
                    buf.reset(dtype, (bytes.len() / dtype.size()) as u64)?;
                    buf.bytes_mut().copy_from_slice(bytes);
                    head.order.to_native(dtype, buf.bytes_mut());
                }
                loss.add(&[Span::new(0, before.len() as u64)], &before, &after)?;
            }
            _ => return self.differs(),
        }
        Ok(loss)
    }

    /// Refuses where more was lost than the recipe says.
    fn no_more_lost(&self, loss: Loss) -> Result<()> {
        let Some(said) = &self.record else { return Ok(()) };
        if loss.max_abs() > said.max_abs || (said.changed == 0 && loss.changed() > 0) {
            return self.differs();
        }
        Ok(())
    }

    fn differs<T>(&self) -> Result<T> {
        refuse!(
            Corrupt,
            "{} is not in the bundle as it is in its file; nothing was deleted. If nobody wrote to the file, please report this as a \
             bug",
            self.name
        )
    }
}

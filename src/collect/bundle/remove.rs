//! Inputs deleted once everything in the bundle was read back from disk and compared with them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::feed::{Feed, Part, PartBytes, Work};
use super::index::Format;
use super::item::Item;
use super::make::whole;
use super::names;
use super::open::Bundle;
use super::run::Count;
use crate::engine::{Phase, Resources, in_order_from};
use crate::error::{Result, refuse};
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
            FileKind::Pickle | FileKind::Other => false,
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
    let feed = Mutex::new(Feed::new(found));
    // The array that parts are compared with.
    let large: Mutex<Option<Arc<Item>>> = Mutex::new(None);
    let make = |work: Work, (): &mut ()| -> Result<(Vec<String>, bool, u64)> {
        match work {
            Work::Small(files) => {
                let (mut same, mut all, mut read) = (Vec::new(), true, 0);
                for file in files {
                    let (name, bytes, head) = whole(file)?;
                    read += bytes.len() as u64;
                    let Ok(head) = head else {
                        all = false;
                        continue;
                    };
                    let item = bundle.get(name.as_str())?;
                    held(&item, bundle.format(), &name, &head, 0, &bytes)?;
                    same.push(name);
                }
                Ok((same, all, read))
            }
            Work::Part(Part { name, head, bytes, last, at, .. }) => {
                let bytes = match bytes {
                    PartBytes::InFile(stretch) => stretch.bytes(0, stretch.len())?,
                    PartBytes::Here(bytes) => bytes,
                };
                let item = {
                    let mut kept = large.lock().unwrap_or_else(PoisonError::into_inner);
                    match &*kept {
                        Some(item) if item.entry().name == name => Arc::clone(item),
                        _ => Arc::clone(kept.insert(Arc::new(bundle.get(name.as_str())?))),
                    }
                };
                held(&item, bundle.format(), &name, &head, at, &bytes)?;
                Ok((if last { vec![name] } else { Vec::new() }, true, bytes.len() as u64))
            }
        }
    };
    in_order_from(
        resources.threads.get() as u64,
        resources,
        || feed.lock().unwrap_or_else(PoisonError::into_inner).pull(),
        || (),
        make,
        |_, (same, is_all, read)| {
            names.extend(same);
            all &= is_all;
            count.add(read);
            Ok(())
        },
    )?;
    let skipped = feed.into_inner().unwrap_or_else(PoisonError::into_inner).skipped.count();
    Ok((names, all && skipped == 0))
}

/// Refuses where the bytes of a `.npy` file from `at` on are not those in the bundle. HDF5 has elements alone.
fn held(item: &Item, format: Format, name: &str, head: &NpyHead, at: u64, bytes: &[u8]) -> Result<()> {
    let theirs = item.head();
    let same_kind = head.shown == theirs.shown && head.order == theirs.order && head.fortran == theirs.fortran;
    // Headers of other programs may be of another length.
    let (from, ours) = match (at, format) {
        (0, Format::Hdf5) => (theirs.data_at, &bytes[head.data_at as usize..]),
        (at, Format::Hdf5) => (at - head.data_at + theirs.data_at, bytes),
        (at, _) => (at, bytes),
    };
    let in_bundle = item.npy().get(from as usize..from as usize + ours.len());
    if !same_kind || in_bundle != Some(ours) {
        return refuse!(
            Corrupt,
            "{name} is not in the bundle as it is in its file; nothing was deleted. If nobody wrote to the file, please report this \
             as a bug"
        );
    }
    Ok(())
}

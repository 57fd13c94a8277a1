//! An array as one of several of an output: a member of an archive, or a dataset of a file in the making.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
#[cfg(feature = "hdf5")]
use std::sync::Arc;

use super::ordered::in_order;
use super::{Phase, Progress, Resources};
use crate::array::{ByteOrder, Spec};
use crate::error::{Error, Result};
#[cfg(feature = "hdf5")]
use crate::store::hdf5::Container;
use crate::store::{Format, NpyWriter, NpzWriter, Packer, Place, Slot, blocks, read_block};

/// What takes the array, and under which name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inside<'a> {
    Npz(&'a RefCell<NpzWriter>, &'a str),
    #[cfg(feature = "hdf5")]
    Hdf5(&'a Arc<Container>, &'a str),
}

impl Inside<'_> {
    pub(super) fn format(&self) -> Format {
        match self {
            Inside::Npz(..) => Format::Npz,
            #[cfg(feature = "hdf5")]
            Inside::Hdf5(..) => Format::Hdf5,
        }
    }
}

/// The `.npy` file that becomes a member: where it is written to.
pub(super) enum Stage {
    /// In its place in the archive.
    InPlace(Slot),
    /// In a file without a name, to be compressed.
    Beside(File, u64),
}

/// Starts the member `name` of `npz` as a `.npy` file; `held` says that it is opened by itself before it is added.
pub(super) fn start(
    npz: &RefCell<NpzWriter>,
    name: &str,
    spec: &Spec,
    fortran: bool,
    order: ByteOrder,
    draft: Option<&str>,
    held: bool,
) -> Result<(NpyWriter, Stage)> {
    let mut npz = npz.borrow_mut();
    let shown = npz.target().join(name);
    let bytes = NpyWriter::bytes_for(spec, fortran, order, draft).map_err(|e| e.at(shown.display()))?;
    let (file, base, stage) = if npz.packing().is_none() && !held {
        let slot = npz.start(name, bytes)?;
        (npz.file()?, slot.data_at(), Stage::InPlace(slot))
    } else {
        let failed = |e| Error::io("using a temporary file (TMPDIR names the folder for them)", e);
        let file = tempfile::tempfile().map_err(failed)?;
        (file.try_clone().map_err(failed)?, 0, Stage::Beside(file, bytes))
    };
    Ok((NpyWriter::inside(file, base, bytes, shown, spec, fortran, order)?, stage))
}

/// Ends the member, with the record `json`, if `check` allows it: it is called with a place where one that is held can be opened. The bytes that it takes up in the archive.
pub(super) fn finish(
    npz: &RefCell<NpzWriter>,
    name: &str,
    writer: NpyWriter,
    stage: Stage,
    json: Option<&str>,
    resources: &Resources<'_>,
    check: impl FnOnce(&Place) -> Result<()>,
) -> Result<u64> {
    let sum = writer.finish_inside(json)?;
    let mut npz = npz.borrow_mut();
    match stage {
        Stage::InPlace(slot) => {
            let bytes = slot.size();
            npz.finish_member(slot, bytes, sum)
        }
        Stage::Beside(file, bytes) => {
            check(&Place { path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())), member: None })?;
            add_to_npz(&mut npz, name, &file, bytes, resources)
        }
    }
}

/// As [`NpzWriter::add`], compressing on all cores.
///
/// # Errors
/// As [`NpzWriter::add`]; `Interrupted`.
pub fn add_to_npz(npz: &mut NpzWriter, name: &str, npy: &File, len: u64, resources: &Resources<'_>) -> Result<u64> {
    let packing = npz.packing();
    let count = blocks(len);
    if !packing.is_by_blocks() || count == 1 || packing.is_none() {
        return npz.add(name, npy, len);
    }
    let slot = npz.start(name, len)?;
    let (mut sum, mut packed, mut done) = (crc32fast::Hasher::new(), 0, 0u64);
    let state = || (Packer::default(), Vec::new());
    let make = |i: u64, (packer, raw): &mut (Packer, Vec<u8>)| {
        let failed = |e| Error::io(format!("reading {name}, to add it to the archive"), e);
        let block = read_block(npy, len, i, raw).map_err(failed)?;
        let (before, new) = raw.split_at(block.before);
        let mut sum = crc32fast::Hasher::new();
        sum.update(new);
        let mut out = Vec::new();
        packer.pack(packing, before, new, block.last, &mut out)?;
        Ok((out, sum, new.len() as u64))
    };
    let take = |_, (out, part, bytes): (Vec<u8>, crc32fast::Hasher, u64)| {
        npz.write(&slot, packed, &out)?;
        packed += out.len() as u64;
        sum.combine(&part);
        done += bytes;
        if let Some(tell) = resources.progress {
            tell(Progress { phase: Phase::Compacting, done, total: len });
        }
        Ok(())
    };
    in_order(count, resources.threads.get() as u64, resources, state, make, take)?;
    npz.finish_member(slot, packed, sum.finalize())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::store::{NpzCodec, Replace};

    #[test]
    fn any_number_of_threads_makes_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..1_000_000u32).flat_map(|i| (i / 5 * 3).to_le_bytes()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut all = Vec::new();
        for threads in [0, 1, 2, 5] {
            let path = dir.path().join(format!("{threads}.npz"));
            let packing = NpzCodec::Deflate.with(Some(1)).unwrap();
            let mut npz = NpzWriter::create(&path, packing, Replace::Never).unwrap();
            match NonZeroUsize::new(threads) {
                None => npz.add("a", &file, bytes.len() as u64).unwrap(),
                Some(threads) => {
                    let resources = Resources { threads, ..Resources::default() };
                    add_to_npz(&mut npz, "a", &file, bytes.len() as u64, &resources).unwrap()
                }
            };
            npz.finish(false).unwrap();
            all.push(std::fs::read(path).unwrap());
        }
        assert!(all.windows(2).all(|w| w[0] == w[1]));
    }
}

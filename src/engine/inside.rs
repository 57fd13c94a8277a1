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
use crate::error::{Error, Result, refuse};
#[cfg(feature = "hdf5")]
use crate::store::hdf5::Container;
use crate::store::{Format, NpyWriter, NpzWriter, PackedMember, Packer, Packing, Place, Slot, blocks, read_block};

/// What takes the array, and under which name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inside<'a> {
    Npz(Archive<'a>, &'a str),
    #[cfg(feature = "hdf5")]
    Hdf5(&'a Arc<Container>, &'a str),
}

/// The archive that takes a member: at once, or when its turn has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Archive<'a> {
    Now(&'a RefCell<NpzWriter>),
    InTurn(&'a Draft),
}

/// A member that is made beside others, before its turn to be added has come.
#[derive(Debug)]
pub(super) struct Draft {
    target: PathBuf,
    packing: Packing,
    packer: RefCell<Packer>,
    packed: RefCell<PackedMember>,
}

impl Draft {
    /// One for an archive that will be called `target`; `packer` is kept from one to the next.
    pub(super) fn new(target: PathBuf, packing: Packing, packer: Packer) -> Self {
        Self { target, packing, packer: RefCell::new(packer), packed: RefCell::default() }
    }

    /// What was made, and the packer.
    pub(super) fn end(self) -> (PackedMember, Packer) {
        (self.packed.into_inner(), self.packer.into_inner())
    }
}

impl Inside<'_> {
    /// Whether it can be opened by itself before the file around it is complete.
    pub(super) fn is_readable(&self) -> bool {
        matches!(self, Inside::Npz(..))
    }

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
    /// In its place in the archive; its bytes.
    InPlace(Slot, u64),
    /// In a file without a name, to be compressed.
    Beside(File, u64),
}

/// Starts the member `name` of `npz` as a `.npy` file; `held` says that it is opened by itself before it is added.
pub(super) fn start(
    archive: Archive<'_>,
    name: &str,
    spec: &Spec,
    fortran: bool,
    order: ByteOrder,
    draft: Option<&str>,
    held: bool,
) -> Result<(NpyWriter, Stage)> {
    let shown = match archive {
        Archive::Now(npz) => npz.borrow().target().join(name),
        Archive::InTurn(draft) => draft.target.join(name),
    };
    let bytes = NpyWriter::bytes_for(spec, fortran, order, draft).map_err(|e| e.at(shown.display()))?;
    let (file, base, stage) = if let Archive::Now(npz) = archive
        && npz.borrow().packing().is_none()
        && !held
    {
        let mut npz = npz.borrow_mut();
        let slot = npz.start(name, bytes)?;
        npz.leave(bytes)?;
        (npz.file()?, slot.data_at(), Stage::InPlace(slot, bytes))
    } else {
        let failed = |e| Error::io("using a temporary file (TMPDIR names the folder for them)", e);
        let file = tempfile::tempfile().map_err(failed)?;
        (file.try_clone().map_err(failed)?, 0, Stage::Beside(file, bytes))
    };
    Ok((NpyWriter::inside(file, base, bytes, shown, spec, fortran, order)?, stage))
}

/// Ends the member, with the record `json`, if `check` allows it: it is called with a place where one that is held can be opened. The bytes that it takes up in the archive.
pub(super) fn finish(
    archive: Archive<'_>,
    name: &str,
    writer: NpyWriter,
    stage: Stage,
    json: Option<&str>,
    resources: &Resources<'_>,
    check: impl FnOnce(&Place) -> Result<()>,
) -> Result<u64> {
    let sum = writer.finish_inside(json)?;
    match (stage, archive) {
        (Stage::InPlace(slot, bytes), Archive::Now(npz)) => npz.borrow_mut().end(slot, bytes, sum),
        (Stage::InPlace(..), Archive::InTurn(_)) => {
            refuse!(Io, "{name} was written to an archive whose turn it was not; please report this as a bug")
        }
        (Stage::Beside(file, bytes), archive) => {
            check(&Place { path: PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())), member: None })?;
            match archive {
                Archive::Now(npz) => add_to_npz(&mut npz.borrow_mut(), name, &file, bytes, resources),
                Archive::InTurn(draft) => {
                    let mut packed = PackedMember { size: bytes, ..PackedMember::default() };
                    let take = |part: &[u8]| {
                        packed.bytes.extend_from_slice(part);
                        Ok(())
                    };
                    packed.crc = draft.packer.borrow_mut().pack_file(draft.packing, &file, bytes, take)?;
                    let stored = packed.bytes.len() as u64;
                    draft.packed.replace(packed);
                    Ok(stored)
                }
            }
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
    let (mut sum, mut done) = (crc32fast::Hasher::new(), 0u64);
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
        npz.push(&out)?;
        sum.combine(&part);
        done += bytes;
        if let Some(tell) = resources.progress {
            tell(Progress { phase: Phase::Compacting, done, total: len });
        }
        Ok(())
    };
    in_order(count, resources.threads.get() as u64, resources, state, make, take)?;
    npz.end(slot, len, sum.finalize())
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

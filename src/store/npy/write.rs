//! Writing a `.npy` file by position, header last.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::header::{self, NUMPY_MAX_HEADER};
use super::padding;
use super::read::sidecar_path;
use crate::array::{Buf, ByteOrder, Spec};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Sink, Work};
use crate::store::{Pending, Place, Replace};

/// A `.npy` file in the making. Parts may come in any order; the header, with the record, is written last into room kept
/// for it.
#[derive(Debug)]
pub struct NpyWriter {
    to: To,
    /// What is in the file, axes in file order.
    spec: Spec,
    shown: Spec,
    fortran: bool,
    byte_order: ByteOrder,
    /// Bytes of the header.
    room: u64,
    /// CRC-32 of each part written: position, bytes, sum.
    sums: Mutex<Vec<(u64, u64, u32)>>,
    replace: Replace,
    /// Where the record goes if not into the header.
    sidecar: Option<PathBuf>,
}

/// What is written to.
#[derive(Debug)]
enum To {
    /// A file of its own.
    Whole(Pending),
    /// A part of a file, from a byte on: a member of an archive, or what becomes one.
    Part { file: File, base: u64, shown: PathBuf },
}

impl To {
    fn file(&self) -> &File {
        match self {
            To::Whole(pending) => pending.file(),
            To::Part { file, .. } => file,
        }
    }

    fn base(&self) -> u64 {
        match self {
            To::Whole(_) => 0,
            To::Part { base, .. } => *base,
        }
    }

    fn shown(&self) -> &Path {
        match self {
            To::Whole(pending) => pending.target(),
            To::Part { shown, .. } => shown,
        }
    }
}

impl NpyWriter {
    /// Starts `target`. `spec` is the array with its axes in file order; with `fortran` NumPy shows them reversed. Room is
    /// kept in the header for a record of `draft`'s length (its JSON with the longest numbers that may occur); with
    /// `sidecar`, or where it does not fit into a header that NumPy reads, it goes beside the file.
    pub fn create(
        target: &Path,
        spec: &Spec,
        fortran: bool,
        byte_order: ByteOrder,
        draft: Option<&str>,
        sidecar: bool,
        replace: Replace,
    ) -> Result<Self> {
        let shown = if fortran { super::read::reversed(spec)? } else { spec.clone() };
        let mut room = header::format(&shown, byte_order, fortran, b"", 0).len();
        let mut beside = None;
        if let Some(draft) = draft {
            let bits = padding::encode(draft)?;
            let with = header::format(&shown, byte_order, fortran, &bits, 0).len();
            if sidecar || with > NUMPY_MAX_HEADER {
                beside = Some(sidecar_path(target));
            } else {
                room = with;
            }
        }
        let pending = Pending::create(target, replace)?;
        // One left over from another file would be taken for this one's, or stands where this one's goes.
        let stale = sidecar_path(target);
        if replace == Replace::Never && stale.exists() {
            return refuse!(
                Exists,
                "{} exists already and would be taken for the recipe of {}; remove it, or use --force",
                stale.display(),
                target.display()
            );
        }
        pending.reserve(room as u64 + spec.bytes())?;
        Ok(Self {
            to: To::Whole(pending),
            spec: spec.clone(),
            shown,
            fortran,
            byte_order,
            room: room as u64,
            sums: Mutex::new(Vec::new()),
            replace,
            sidecar: beside,
        })
    }

    /// Bytes of a file of `spec`, header included, with room for a record of `draft`'s length in its header.
    ///
    /// # Errors
    /// `Unsupported` where the record does not fit into a header that NumPy reads.
    pub(crate) fn bytes_for(spec: &Spec, fortran: bool, order: ByteOrder, draft: Option<&str>) -> Result<u64> {
        let shown = if fortran { super::read::reversed(spec)? } else { spec.clone() };
        let bits = draft.map(padding::encode).transpose()?.unwrap_or_default();
        let room = header::format(&shown, order, fortran, &bits, 0).len();
        if room > NUMPY_MAX_HEADER {
            return refuse!(
                Unsupported,
                "the recipe takes {room} bytes, more than NumPy reads in a header; write HDF5"
            );
        }
        Ok(room as u64 + spec.bytes())
    }

    /// As [`NpyWriter::create`] in a part of `file`, from byte `base` on, of as many bytes as [`NpyWriter::bytes_for`] says; `shown`
    /// names it in messages.
    pub(crate) fn inside(
        file: File,
        base: u64,
        bytes: u64,
        shown: PathBuf,
        spec: &Spec,
        fortran: bool,
        byte_order: ByteOrder,
    ) -> Result<Self> {
        Ok(Self {
            to: To::Part { file, base, shown },
            spec: spec.clone(),
            shown: if fortran { super::read::reversed(spec)? } else { spec.clone() },
            fortran,
            byte_order,
            room: bytes - spec.bytes(),
            sums: Mutex::new(Vec::new()),
            replace: Replace::Never,
            sidecar: None,
        })
    }

    /// Writes the header of a part of a file, with the record `json`. The checksum of header and data.
    pub(crate) fn finish_inside(self, json: Option<&str>) -> Result<u32> {
        let bits = json.map(padding::encode).transpose()?.unwrap_or_default();
        let head = header::format(&self.shown, self.byte_order, self.fortran, &bits, self.room as usize);
        if head.len() as u64 > self.room {
            return refuse!(
                Unsupported,
                "{}: the recipe came out longer than the {} bytes kept for it; write HDF5",
                self.to.shown().display(),
                self.room
            );
        }
        let failed = |e| Error::io(format!("writing {}", self.to.shown().display()), e);
        self.to.file().write_all_at(&head, self.to.base()).map_err(failed)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head);
        sum.combine(&crc32fast::Hasher::new_with_initial_len(self.crc32(), self.spec.bytes()));
        Ok(sum.finalize())
    }

    /// CRC-32 of all data bytes as they stand in the file. Call it when every part has been written.
    pub fn crc32(&self) -> u32 {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sums.sort_unstable();
        let mut all = crc32fast::Hasher::new();
        for (_, len, crc) in sums {
            all.combine(&crc32fast::Hasher::new_with_initial_len(crc, len));
        }
        all.finalize()
    }

    /// Writes the header with the record `json` and gives the file its name. Returns its size in bytes.
    pub fn finish(self, json: Option<&str>, sync: bool) -> Result<u64> {
        self.finish_if(json, sync, |_| Ok(()))
    }

    /// As [`NpyWriter::finish`], if `check` allows it: it is called with a place where the complete file can be opened while it
    /// has no name. On its error nothing is left.
    pub fn finish_if(self, json: Option<&str>, sync: bool, check: impl FnOnce(&Place) -> Result<()>) -> Result<u64> {
        let To::Whole(pending) = self.to else {
            return refuse!(Usage, "{}: a part of a file has no name to be given", self.to.shown().display());
        };
        let failed = |e| Error::io(format!("writing {}", pending.target().display()), e);
        let bits = match (json, &self.sidecar) {
            (Some(json), None) => padding::encode(json)?,
            _ => Vec::new(),
        };
        let room = self.room as usize;
        let mut head = header::format(&self.shown, self.byte_order, self.fortran, &bits, room);
        let mut sidecar = self.sidecar;
        if head.len() > room {
            // The record came out longer than its draft: it goes beside the file instead.
            head = header::format(&self.shown, self.byte_order, self.fortran, b"", room);
            sidecar = Some(sidecar_path(pending.target()));
        }
        pending.file().write_all_at(&head, 0).map_err(failed)?;
        check(&Place { path: pending.path(), member: None })?;
        let stale = sidecar_path(pending.target());
        // The record first: an array without it could not be undone.
        let fresh = match (sidecar, json) {
            (Some(path), Some(json)) => {
                let fresh = !path.exists();
                let beside = Pending::create(&path, self.replace)?;
                beside.file().write_all_at(json.as_bytes(), 0).map_err(failed)?;
                beside.commit(sync)?;
                Some(fresh)
            }
            _ => None,
        };
        let done = pending.commit(sync);
        let remove = if done.is_ok() { fresh.is_none() } else { fresh == Some(true) };
        if remove && stale.exists() {
            std::fs::remove_file(&stale).map_err(|e| Error::io(format!("removing {}", stale.display()), e))?;
        }
        done.map(|()| self.room + self.spec.bytes())
    }
}

impl Sink for NpyWriter {
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()> {
        let dtype = self.spec.dtype();
        let place = self.to.base() + self.room + at * dtype.size() as u64;
        let failed = |e| Error::io(format!("writing {}", self.to.shown().display()), e);
        let sum = |bytes: &[u8]| {
            let sum = (at, bytes.len() as u64, crc32fast::hash(bytes));
            self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
            self.to.file().write_all_at(bytes, place).map_err(failed)
        };
        if self.byte_order == ByteOrder::NATIVE || dtype.word() == 1 {
            return sum(part.bytes());
        }
        let Some(scratch) = work.slot::<Vec<u8>>(self as *const Self as usize) else { return Ok(()) };
        scratch.clear();
        scratch.extend_from_slice(part.bytes());
        self.byte_order.to_native(dtype, scratch);
        sum(scratch)
    }
}

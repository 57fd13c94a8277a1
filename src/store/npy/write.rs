//! Writing a `.npy` file by position, header last.

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
    pending: Pending,
    /// What is in the file, axes in file order.
    spec: Spec,
    shown: Spec,
    fortran: bool,
    byte_order: ByteOrder,
    data_at: u64,
    /// CRC-32 of each part written: position, bytes, sum.
    sums: Mutex<Vec<(u64, u64, u32)>>,
    replace: Replace,
    /// Where the record goes if not into the header.
    sidecar: Option<PathBuf>,
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
            pending,
            spec: spec.clone(),
            shown,
            fortran,
            byte_order,
            data_at: room as u64,
            sums: Mutex::new(Vec::new()),
            replace,
            sidecar: beside,
        })
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
        let failed = |e| Error::io(format!("writing {}", self.pending.target().display()), e);
        let bits = match (json, &self.sidecar) {
            (Some(json), None) => padding::encode(json)?,
            _ => Vec::new(),
        };
        let room = self.data_at as usize;
        let mut head = header::format(&self.shown, self.byte_order, self.fortran, &bits, room);
        let mut sidecar = self.sidecar;
        if head.len() > room {
            // The record came out longer than its draft: it goes beside the file instead.
            head = header::format(&self.shown, self.byte_order, self.fortran, b"", room);
            sidecar = Some(sidecar_path(self.pending.target()));
        }
        self.pending.file().write_all_at(&head, 0).map_err(failed)?;
        check(&Place { path: self.pending.path(), member: None })?;
        let stale = sidecar_path(self.pending.target());
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
        let done = self.pending.commit(sync);
        let remove = if done.is_ok() { fresh.is_none() } else { fresh == Some(true) };
        if remove && stale.exists() {
            std::fs::remove_file(&stale).map_err(|e| Error::io(format!("removing {}", stale.display()), e))?;
        }
        done.map(|()| self.data_at + self.spec.bytes())
    }
}

impl Sink for NpyWriter {
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()> {
        let dtype = self.spec.dtype();
        let place = self.data_at + at * dtype.size() as u64;
        let failed = |e| Error::io(format!("writing {}", self.pending.target().display()), e);
        let sum = |bytes: &[u8]| {
            let sum = (at, bytes.len() as u64, crc32fast::hash(bytes));
            self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
            self.pending.file().write_all_at(bytes, place).map_err(failed)
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

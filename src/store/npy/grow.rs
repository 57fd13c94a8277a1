//! A `.npy` file that gets more rows, in place.
//!
//! The old file stays what readers see until the last moment: rows go behind its end, and when they are on disk the header is
//! rewritten, in one write, to tell of them. Before the first row a *mark* is put at the end of the header's padding, so that bytes
//! behind the array are known for what they are if nobody comes to finish; NumPy sees neither.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::header::{self, Header, MAX_LENGTH, NUMPY_MAX_HEADER};
use super::padding::{self, MARK};
use super::read::{NpyFile, sidecar_path};
use crate::array::{Buf, ByteOrder, DType, Spec};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Sink, Work};
use crate::store::{Pending, Replace};

/// A header is rewritten in place only where it lies in one page: such a write is done or not, whatever happens to the process.
const PAGE: usize = 4096;

/// A `.npy` file in C order that gets more rows along its first axis; as a [`Sink`] it takes elements at their place in the whole
/// array. Dropped without [`NpyGrowing::finish`] it is as it was, byte for byte.
#[derive(Debug)]
pub struct NpyGrowing {
    target: PathBuf,
    /// Where rows are written to.
    file: File,
    /// The new file, where rows are not added in place.
    pending: Option<Pending>,
    /// The old header and length, where they are.
    undo: Option<(Vec<u8>, u64)>,
    /// The old file, locked against others who append.
    lock: Option<File>,
    spec: Spec,
    order: ByteOrder,
    fortran: bool,
    data_at: u64,
    sums: Mutex<Vec<(u64, u64, u32)>>,
    left_over: u64,
    /// The record that stood beside the old file, and goes into the new one's header.
    stale: Option<PathBuf>,
}

/// Room for the header of an array of `spec`'s kind with any number of rows and a record like `draft`.
fn room(spec: &Spec, order: ByteOrder, fortran: bool, draft: Option<&str>) -> Result<u64> {
    let row: u64 = spec.shape().iter().skip(1).product();
    let most = i64::MAX as u64 / (row.max(1) * spec.dtype().size() as u64);
    let mut shape = spec.shape().to_vec();
    if let Some(first) = shape.first_mut() {
        *first = most;
    }
    let bits = draft.map(padding::encode).transpose()?.unwrap_or_default();
    let padding = [bits.as_slice(), MARK].concat();
    let len = header::format(&Spec::new(spec.dtype(), shape)?, order, fortran, &padding, 0).len();
    // One that comes out longer moves the array; that is rarer than a header over a page.
    Ok(len.min(PAGE) as u64)
}

impl NpyGrowing {
    /// Starts `target` with no rows; each will have the shape `row`. Room for the header is kept as for a record like `draft`.
    ///
    /// # Errors
    /// `Exists` where `target` is there and `replace` does not allow to replace it; `Io`.
    pub fn create(
        target: &Path,
        dtype: DType,
        row: &[u64],
        order: ByteOrder,
        draft: Option<&str>,
        replace: Replace,
    ) -> Result<Self> {
        let spec = Spec::new(dtype, [&[0], row].concat())?;
        let stale = sidecar_path(target);
        if replace == Replace::Never && stale.exists() {
            return refuse!(
                Exists,
                "{} exists already and would be taken for the recipe of {}; remove it, or use --force",
                stale.display(),
                target.display()
            );
        }
        let pending = Pending::create(target, replace)?;
        let data_at = room(&spec, order, false, draft)?;
        Self::in_new(target.to_owned(), pending, spec, order, false, data_at)
    }

    fn in_new(
        target: PathBuf,
        pending: Pending,
        spec: Spec,
        order: ByteOrder,
        fortran: bool,
        data_at: u64,
    ) -> Result<Self> {
        let file = pending.file().try_clone().map_err(|e| Error::io("duplicating a file's descriptor", e))?;
        let stale = Some(sidecar_path(&target)).filter(|path| path.exists());
        Ok(Self {
            target,
            file,
            pending: Some(pending),
            undo: None,
            lock: None,
            spec,
            order,
            fortran,
            data_at,
            sums: Mutex::default(),
            left_over: 0,
            stale,
        })
    }

    /// Opens `target` to add rows. What an append that was cut short left behind the array is dropped. Where the header has no
    /// room, the array goes into a new file that replaces the old one when it is whole, with room for a record like `draft`.
    ///
    /// # Errors
    /// `Unsupported` for an array in Fortran order, and one without axes; `Exists` while another program appends; `Corrupt` as
    /// [`NpyFile::open`]; `Io`.
    pub fn open(target: &Path, draft: Option<&str>) -> Result<Self> {
        // What a symbolic link points at grows, not the link.
        let failed = |e| Error::io(format!("opening {} to append", target.display()), e);
        let target = &std::fs::canonicalize(target).map_err(failed)?;
        let old = NpyFile::open(target)?;
        if old.shown().shape().is_empty() {
            return refuse!(Usage, "{}: an array without axes has none to append along", target.display());
        }
        if old.is_fortran() && old.shown().shape().len() > 1 {
            return refuse!(
                Unsupported,
                "{} is in Fortran order: its first axis is the innermost in the file, and rows cannot be added behind it; save it in C \
                 order (np.save of np.ascontiguousarray), or convert it to HDF5",
                target.display()
            );
        }
        let file = OpenOptions::new().read(true).write(true).open(target).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return refuse!(
                    Exists,
                    "another program is appending to {}; wait for it and run again",
                    target.display()
                );
            }
            // A file system without locks.
            Err(_) => {}
        }
        let len = file.metadata().map_err(failed)?.len();
        // Once more under the lock: somebody may just have finished.
        let header = Header::read(&file, 0, len).map_err(|e| e.at(target.display()))?;
        let spec = header.spec.clone();
        let (end, order, fortran) = (header.data_at + spec.bytes(), header.byte_order, header.fortran);
        let left_over = len.saturating_sub(end);
        let mut bytes = vec![0; header.data_at as usize];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let spare = bytes.len().checked_sub(MARK.len() + 1).map(|at| &bytes[at..bytes.len() - 1]);
        let is_free = spare.is_some_and(|s| s == MARK || s.iter().all(|b| *b == b' '));
        if sidecar_path(target).exists() || bytes.len() > PAGE || bytes[6] != 1 || !is_free {
            let pending = Pending::create(target, Replace::Allowed)?;
            let permissions = file.metadata().map_err(failed)?.permissions();
            pending.file().set_permissions(permissions).map_err(failed)?;
            let data_at = room(&spec, order, fortran, draft)?;
            copy(&file, header.data_at, pending.file(), data_at, spec.bytes()).map_err(failed)?;
            let mut grown = Self::in_new(target.clone(), pending, spec, order, fortran, data_at)?;
            (grown.left_over, grown.lock) = (left_over, Some(file));
            return Ok(grown);
        }
        let mut marked = bytes.clone();
        let (at, last) = (marked.len() - 1 - MARK.len(), marked.len() - 1);
        bytes[at..last].fill(b' ');
        marked[at..last].copy_from_slice(MARK);
        if left_over > 0 {
            file.set_len(end).map_err(failed)?;
        }
        file.write_all_at(&marked, 0).and_then(|()| file.sync_data()).map_err(failed)?;
        Ok(Self {
            target: target.clone(),
            file,
            pending: None,
            undo: Some((bytes, end)),
            lock: None,
            spec,
            order,
            fortran,
            data_at: header.data_at,
            sums: Mutex::default(),
            left_over,
            stale: None,
        })
    }

    /// Dtype and shape before rows were added.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether rows are added to the file itself; else a new one replaces it.
    pub fn is_in_place(&self) -> bool {
        self.undo.is_some()
    }

    /// Bytes that an append which was cut short had left, now dropped.
    pub fn left_over(&self) -> u64 {
        self.left_over
    }

    /// CRC-32 of all data bytes: of the old ones, which is `old`, and of those written since.
    pub fn crc32(&self, old: u32) -> u32 {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sums.sort_unstable();
        let mut all = crc32fast::Hasher::new_with_initial_len(old, self.spec.bytes());
        for (_, len, crc) in sums {
            all.combine(&crc32fast::Hasher::new_with_initial_len(crc, len));
        }
        all.finalize()
    }

    /// Tells of all rows, `rows` in all: the data to disk, then the header with the record `json`. The bytes of the file.
    ///
    /// # Errors
    /// `Unsupported` where the record is longer than a header that NumPy reads; `Io`. On an error the file is as it was.
    pub fn finish(mut self, rows: u64, json: Option<&str>, sync: bool) -> Result<u64> {
        let target = self.target.clone();
        let failed = |e| Error::io(format!("writing {}", target.display()), e);
        let mut shape = self.spec.shape().to_vec();
        if let Some(first) = shape.first_mut() {
            *first = rows;
        }
        let spec = Spec::new(self.spec.dtype(), shape)?;
        let bits = json.map(padding::encode).transpose()?.unwrap_or_default();
        let mut head = header::format(&spec, self.order, self.fortran, &bits, self.data_at as usize);
        if head.len() > MAX_LENGTH || head.len() > NUMPY_MAX_HEADER {
            return refuse!(
                Unsupported,
                "{}: the record does not fit a header that NumPy reads ({} bytes); use HDF5",
                target.display(),
                head.len()
            );
        }
        if head.len() as u64 > self.data_at {
            // No room: the array moves into a new file.
            head = header::format(&spec, self.order, self.fortran, &[bits.as_slice(), MARK].concat(), 0);
            let end = head.len() - 1;
            head[end - MARK.len()..end].fill(b' ');
            let pending = Pending::create(&target, Replace::Allowed)?;
            copy(&self.file, self.data_at, pending.file(), head.len() as u64, spec.bytes()).map_err(failed)?;
            if let Some(meta) = self.undo.as_ref().and_then(|_| self.file.metadata().ok()) {
                pending.file().set_permissions(meta.permissions()).map_err(failed)?;
            }
            pending.file().write_all_at(&head, 0).map_err(failed)?;
            pending.commit(true)?;
            self.undo = None;
        } else if let Some(pending) = self.pending.take() {
            pending.file().write_all_at(&head, 0).map_err(failed)?;
            pending.commit(sync)?;
        } else {
            self.file.sync_data().map_err(failed)?;
            self.file.write_all_at(&head, 0).map_err(failed)?;
            self.undo = None;
            self.file.sync_data().map_err(failed)?;
        }
        if let Some(stale) = self.stale.take() {
            std::fs::remove_file(&stale).map_err(|e| Error::io(format!("removing {}", stale.display()), e))?;
        }
        Ok(head.len() as u64 + spec.bytes())
    }
}

impl Drop for NpyGrowing {
    fn drop(&mut self) {
        if let Some((header, end)) = &self.undo {
            // What fails here leaves the mark, which the next append understands.
            let _ = self.file.set_len(*end).and_then(|()| self.file.write_all_at(header, 0));
        }
        // Closing would not do while a process that was just started has the descriptor too.
        let _ = flock(self.lock.as_ref().unwrap_or(&self.file), FlockOperation::Unlock);
    }
}

impl Sink for NpyGrowing {
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()> {
        let dtype = self.spec.dtype();
        let place = self.data_at + at * dtype.size() as u64;
        let write = |bytes: &[u8]| {
            let sum = (at, bytes.len() as u64, crc32fast::hash(bytes));
            self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
            let failed = |e| Error::io(format!("writing {}", self.target.display()), e);
            self.file.write_all_at(bytes, place).map_err(failed)
        };
        if self.order == ByteOrder::NATIVE || dtype.word() == 1 {
            return write(part.bytes());
        }
        let Some(scratch) = work.slot::<Vec<u8>>(self as *const Self as usize) else { return Ok(()) };
        scratch.clear();
        scratch.extend_from_slice(part.bytes());
        self.order.to_native(dtype, scratch);
        write(scratch)
    }
}

/// `len` bytes of one file to a place in another, within the kernel where that can be.
fn copy(from: &File, at: u64, to: &File, place: u64, len: u64) -> io::Result<()> {
    let (mut read, mut written, mut left) = (at, place, len);
    while left > 0 {
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), left as usize) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => left -= n as u64,
            Err(_) => break,
        }
    }
    let mut block = vec![0; (1 << 20).min(left as usize)];
    while left > 0 {
        let n = block.len().min(left as usize);
        from.read_exact_at(&mut block[..n], read)?;
        to.write_all_at(&block[..n], written)?;
        (read, written, left) = (read + n as u64, written + n as u64, left - n as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Span;
    use crate::pipeline::Source;
    use crate::store::NpyWriter;

    fn make(path: &Path, rows: i32) {
        let spec = Spec::new(DType::I32, [rows as u64, 2]).unwrap();
        let writer = NpyWriter::create(path, &spec, false, ByteOrder::Little, None, false, Replace::Allowed).unwrap();
        let values: Vec<i32> = (0..2 * rows).collect();
        writer.write(0, &Buf::from_slice(&values).unwrap(), &mut Work::new(0)).unwrap();
        writer.finish(None, false).unwrap();
    }

    fn rows(path: &Path) -> u64 {
        let file = NpyFile::open(path).unwrap();
        let mut back = Buf::new();
        file.read(&[Span::new(0, file.spec().count())], &mut back, &mut Work::new(0)).unwrap();
        assert!(back.elements::<i32>().unwrap().iter().copied().eq(0..file.spec().count() as i32));
        file.shown().shape()[0]
    }

    fn more(grown: &NpyGrowing, from: i32, to: i32) {
        let values: Vec<i32> = (2 * from..2 * to).collect();
        grown.write(2 * from as u64, &Buf::from_slice(&values).unwrap(), &mut Work::new(0)).unwrap();
    }

    #[test]
    fn the_old_array_is_there_until_the_new_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        make(&path, 5);
        let before = std::fs::read(&path).unwrap();
        let grown = NpyGrowing::open(&path, None).unwrap();
        assert!(grown.is_in_place());
        more(&grown, 5, 9);
        assert_eq!(rows(&path), 5);
        assert!(NpyGrowing::open(&path, None).is_err(), "two at once");
        drop(grown);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let grown = NpyGrowing::open(&path, None).unwrap();
        more(&grown, 5, 1000);
        grown.finish(1000, None, false).unwrap();
        assert_eq!(rows(&path), 1000);
        let again = dir.path().join("b.npy");
        make(&again, 1000);
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
    }

    #[test]
    fn what_nobody_finished_is_known_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        make(&path, 5);
        let grown = NpyGrowing::open(&path, None).unwrap();
        more(&grown, 5, 9);
        // As a killed process would leave it.
        std::mem::forget(grown);
        assert_eq!((rows(&path), NpyFile::open(&path).unwrap().left_over()), (5, 32));
        let copy = dir.path().join("c.npy");
        std::fs::copy(&path, &copy).unwrap();
        let grown = NpyGrowing::open(&copy, None).unwrap();
        assert_eq!(grown.left_over(), 32);
        more(&grown, 5, 6);
        grown.finish(6, None, false).unwrap();
        assert_eq!((rows(&copy), NpyFile::open(&copy).unwrap().left_over()), (6, 0));
    }

    #[test]
    fn an_array_without_room_in_its_header_moves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let dict = b"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(dict.len() as u16 + 1).to_le_bytes());
        bytes.extend_from_slice(dict);
        bytes.push(b'\n');
        bytes.extend((0..6i32).flat_map(i32::to_le_bytes));
        std::fs::write(&path, &bytes).unwrap();
        let grown = NpyGrowing::open(&path, None).unwrap();
        assert!(!grown.is_in_place());
        more(&grown, 3, 7);
        assert_eq!(rows(&path), 3);
        grown.finish(7, None, false).unwrap();
        assert_eq!(rows(&path), 7);
        assert!(NpyGrowing::open(&path, None).unwrap().is_in_place());
    }
}

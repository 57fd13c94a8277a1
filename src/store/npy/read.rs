//! Reading a `.npy` file (or one that stands uncompressed inside another file) by position.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::header::Header;
use super::padding;
use crate::array::{Buf, ByteOrder, Span, Spec, total};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::bytes::{Bytes, Positioned};

/// Pieces that lie closer together than this are fetched with one read: a system call costs about as much as copying it.
const GAP_BYTES: u64 = 4096;
/// The most that one such read may cover.
const COVER_BYTES: u64 = 1 << 20;
/// A sidecar is refused above this size; real ones have about 1 kB.
const MAX_SIDECAR: u64 = 1 << 20;

/// An open `.npy` file. As a [`Source`] it hands out its elements in the order in which they stand in the file: for Fortran
/// order that is C order of the reversed shape.
#[derive(Debug)]
pub struct NpyFile {
    file: Bytes,
    path: PathBuf,
    /// What is in the file, axes in file order.
    spec: Spec,
    /// What NumPy shows.
    shown: Spec,
    header: Header,
    bytes: u64,
    sums: Option<Sums>,
    /// Whether a record may stand beside the file: not for one inside another file or a stream.
    may_have_sidecar: bool,
}

/// The CRC-32 that the bytes must have, and those of the parts read so far.
#[derive(Debug)]
struct Sums {
    /// What stands before the data and belongs to the sum (a zip member's sum covers its header).
    before: crc32fast::Hasher,
    expected: u32,
    /// Position, bytes, sum.
    parts: Mutex<Vec<(u64, u64, u32)>>,
}

impl NpyFile {
    /// Opens `path`. The header is checked against the file's size before anything of that size is allocated.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
        let meta = file.metadata().map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
        if meta.is_dir() {
            return refuse!(Usage, "{} is a folder; give an array file", path.display());
        }
        Ok(Self { may_have_sidecar: true, ..Self::from_file(file, path, 0, meta.len())? })
    }

    /// The `.npy` file that takes up `len` bytes from `base` of `file`; `path` names it in messages.
    pub(in crate::store) fn from_file(file: impl Into<Bytes>, path: &Path, base: u64, len: u64) -> Result<Self> {
        let file = file.into();
        let at = |e: Error| e.at(path.display());
        let header = Header::read(&file, base, len).map_err(at)?;
        let have = len - (header.data_at - base);
        let want = header.spec.bytes();
        if have < want {
            return refuse!(
                Corrupt,
                "{}: the header says {} ({want} bytes), the file holds {have}; it is cut short or forged",
                path.display(),
                header.spec
            );
        }
        if have > want && !padding::is_marked(&header.padding) {
            return refuse!(
                Corrupt,
                "{}: {} bytes stand behind the array of {}; nothing may be lost silently. If they are further arrays, save them to files of their own",
                path.display(),
                have - want,
                header.spec
            );
        }
        let shown = header.spec.clone();
        let spec = if header.fortran { reversed(&shown)? } else { shown.clone() };
        Ok(Self { file, path: path.to_owned(), spec, shown, header, bytes: len, sums: None, may_have_sidecar: false })
    }

    /// Dtype and shape as NumPy shows them.
    pub fn shown(&self) -> &Spec {
        &self.shown
    }

    /// Whether the file is in Fortran order.
    pub fn is_fortran(&self) -> bool {
        self.header.fortran
    }

    /// The byte order of the file.
    pub fn byte_order(&self) -> ByteOrder {
        self.header.byte_order
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes behind the array that an append which is under way, or was cut short, has written: no part of the array.
    pub fn left_over(&self) -> u64 {
        self.bytes.saturating_sub(self.header.data_at + self.spec.bytes())
    }

    /// Where the data start in the file.
    pub fn data_at(&self) -> u64 {
        self.header.data_at
    }

    /// The file and the first byte in it of the elements.
    pub(in crate::store) fn region(&self) -> (&Bytes, u64) {
        (&self.file, self.header.data_at)
    }

    /// Expects `crc32` of the whole file, header included.
    pub(in crate::store) fn expecting(mut self, crc32: u32) -> Result<Self> {
        let mut head = vec![0; (self.bytes - self.spec.bytes()) as usize];
        let base = self.header.data_at - head.len() as u64;
        self.file.fill_at(&mut head, base).map_err(|e| Error::io(format!("reading {}", self.path.display()), e))?;
        let mut before = crc32fast::Hasher::new();
        before.update(&head);
        self.sums = Some(Sums { before, expected: crc32, parts: Mutex::default() });
        Ok(self)
    }

    /// Expects `crc32` of the data, unless a sum over more is expected already.
    pub(in crate::store) fn expect_data(&mut self, crc32: u32) {
        if self.sums.is_none() {
            self.sums = Some(Sums { before: crc32fast::Hasher::new(), expected: crc32, parts: Mutex::default() });
        }
    }

    /// Compares the sum of what was read with what is expected. Parts that were not each read once, in one piece, are read
    /// again from the first byte to the last.
    pub(in crate::store) fn verify(&self) -> Result<()> {
        let Some(sums) = &self.sums else { return Ok(()) };
        let mut parts = std::mem::take(&mut *sums.parts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.sort_unstable();
        // A pass that fits parameters reads the same parts again.
        parts.dedup();
        let mut end = 0;
        let size = self.spec.dtype().size() as u64;
        let gapless = parts.iter().all(|(at, len, _)| at * size == std::mem::replace(&mut end, at * size + len));
        let mut all = sums.before.clone();
        if gapless && end == self.spec.bytes() {
            for (_, len, crc) in parts {
                all.combine(&crc32fast::Hasher::new_with_initial_len(crc, len));
            }
        } else {
            let mut block = vec![0; COVER_BYTES as usize];
            let mut at = 0;
            while at < self.spec.bytes() {
                let n = (self.spec.bytes() - at).min(COVER_BYTES) as usize;
                self.read_at(&mut block[..n], at / size)?;
                all.update(&block[..n]);
                at += n as u64;
            }
        }
        let found = all.finalize();
        if found == sums.expected {
            return Ok(());
        }
        refuse!(
            Corrupt,
            "{}: the data have checksum {found:08x}, {:08x} is recorded; the file is damaged. Take it from a backup",
            self.path.display(),
            sums.expected
        )
    }

    /// The record's JSON: from the header's padding, else from the sidecar beside the file.
    pub fn record(&self) -> Result<Option<String>> {
        if let Some(json) = padding::decode(&self.header.padding).map_err(|e| e.at(self.path.display()))? {
            return Ok(Some(json));
        }
        if !self.may_have_sidecar {
            return Ok(None);
        }
        let path = sidecar_path(&self.path);
        let failed = |e| Error::io(format!("reading {}", path.display()), e);
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(e)),
            Ok(meta) if meta.len() > MAX_SIDECAR => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{} has {} bytes, too many for a record", path.display(), meta.len()),
            )),
            Ok(_) => std::fs::read_to_string(&path).map(Some).map_err(failed),
        }
    }

    fn read_at(&self, bytes: &mut [u8], element: u64) -> Result<()> {
        let at = self.header.data_at + element * self.spec.dtype().size() as u64;
        self.file.fill_at(bytes, at).map_err(|e| Error::io(format!("reading {} at byte {at}", self.path.display()), e))
    }
}

/// The spec with its axes in reverse: how a Fortran-ordered array stands in memory, seen in C order.
pub(crate) fn reversed(spec: &Spec) -> Result<Spec> {
    let mut shape = spec.shape().to_vec();
    shape.reverse();
    Spec::new(spec.dtype(), shape)
}

/// Where the record stands that does not fit into `path`'s header: `NAME.npy.compact.json`.
pub fn sidecar_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".compact.json");
    PathBuf::from(name)
}

/// Spans from `first` on that one read should fetch together: how many, and the range they cover.
fn cover(spans: &[Span], size: u64) -> (usize, Span) {
    let (mut low, mut high) = (spans[0].start, spans[0].end());
    let mut n = 1;
    for span in &spans[1..] {
        let (l, h) = (low.min(span.start), high.max(span.end()));
        let gap = if span.start >= high { span.start - high } else { low.saturating_sub(span.end()) };
        if gap * size > GAP_BYTES || (h - l) * size > COVER_BYTES {
            break;
        }
        (low, high, n) = (l, h, n + 1);
    }
    (n, Span::new(low, high - low))
}

impl Source for NpyFile {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let dtype = self.spec.dtype();
        let size = dtype.size();
        out.reset(dtype, total(spans))?;
        if let Some(bad) = spans.iter().find(|s| s.end() > self.spec.count()) {
            return refuse!(
                Usage,
                "elements {}..{} are outside {} of {}",
                bad.start,
                bad.end(),
                self.path.display(),
                self.spec
            );
        }
        let bytes = out.bytes_mut();
        let mut to = 0;
        let mut rest = spans;
        while !rest.is_empty() {
            let (n, range) = cover(rest, size as u64);
            if n == 1 {
                let len = range.len as usize * size;
                self.read_at(&mut bytes[to..to + len], range.start)?;
                to += len;
            } else if let Some(scratch) = work.slot::<Vec<u8>>(self as *const Self as usize) {
                let len = range.len as usize * size;
                if scratch.len() < len {
                    scratch.resize(len, 0);
                }
                self.read_at(&mut scratch[..len], range.start)?;
                for span in &rest[..n] {
                    let from = (span.start - range.start) as usize * size;
                    let len = span.len as usize * size;
                    bytes[to..to + len].copy_from_slice(&scratch[from..from + len]);
                    to += len;
                }
            }
            rest = &rest[n..];
        }
        if let (Some(sums), [span]) = (&self.sums, spans) {
            let sum = (span.start, bytes.len() as u64, crc32fast::hash(bytes));
            sums.parts.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
        }
        self.header.byte_order.to_native(dtype, bytes);
        Ok(())
    }
}

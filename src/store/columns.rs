//! A table by columns in an ordinary `.npz` file: opened without reading it, single cells read by position, each page of it held
//! against a checksum when it is read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::npy::NpyHead;
use super::{Archive, NpzCodec, Replace, Stretch, ZipWriter};
use crate::array::{ByteOrder, DType, Spec};
use crate::error::{Result, refuse};

/// Columns of a table at most, and members of the archive.
const MOST_COLUMNS: usize = 256;

/// Bytes of a member that have a checksum of their own: what a cell costs to read, and a checksum to keep.
const PAGE: u64 = 4096;
/// The last member: CRC-32 of every page of the others, one member behind the other. The zip directory's own would take reading
/// a whole column for one cell.
const CHECKS: &str = "checks";

/// A table in the making. Its columns are 1-D arrays.
#[derive(Debug)]
pub struct ColumnsWriter {
    zip: ZipWriter,
    checks: Vec<u8>,
}

impl ColumnsWriter {
    /// Starts a table that will be called `target`.
    ///
    /// # Errors
    /// As [`super::Pending::create`].
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        Ok(Self { zip: ZipWriter::create(target, replace)?, checks: Vec::new() })
    }

    /// Adds a column of `dtype` with the little-endian elements `bytes`.
    ///
    /// # Errors
    /// `Io`.
    pub fn add(&mut self, name: &str, dtype: DType, bytes: &[u8]) -> Result<()> {
        let spec = Spec::new(dtype, [(bytes.len() / dtype.size()) as u64])?;
        let mut member = NpyHead::write(&spec, ByteOrder::Little, false, None)?;
        member.extend_from_slice(bytes);
        for page in member.chunks(PAGE as usize) {
            self.checks.extend_from_slice(&crc32fast::hash(page).to_le_bytes());
        }
        self.member(name, &member)
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let size = bytes.len() as u64;
        let slot = self.zip.start(&format!("{name}.npy"), NpzCodec::None, size)?;
        self.zip.push(bytes)?;
        self.zip.end(slot, size, crc32fast::hash(bytes)).map(drop)
    }

    /// Gives the table its name.
    ///
    /// # Errors
    /// As [`super::Pending::commit`].
    pub fn commit(mut self, sync: bool) -> Result<u64> {
        let spec = Spec::new(DType::U32, [self.checks.len() as u64 / 4])?;
        let mut checks = NpyHead::write(&spec, ByteOrder::Little, false, None)?;
        checks.append(&mut self.checks);
        self.member(CHECKS, &checks)?;
        let done = self.zip.finish()?;
        let bytes = done.sign().bytes;
        done.commit(None, sync)?;
        Ok(bytes)
    }
}

/// An open table.
#[derive(Debug, Clone)]
pub struct Columns {
    file: Stretch,
    /// Name, first byte, bytes and number of the first page of each member.
    members: Vec<(String, u64, u64, u64)>,
    checks: Stretch,
}

/// One column.
#[derive(Debug, Clone)]
pub struct Column {
    member: Stretch,
    /// Bytes of its header.
    head: u64,
    /// Bytes of an element.
    size: u64,
    /// CRC-32 of all pages, and where this member's begin.
    checks: Stretch,
    first: u64,
    /// The page that was read last: neighbours are asked for next.
    last: Arc<Mutex<(u64, Vec<u8>)>>,
}

impl Columns {
    /// Opens the table at `path`: its list of members alone is read.
    ///
    /// # Errors
    /// `Corrupt` for what is no archive of uncompressed arrays; `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Stretch::open(path)?;
        let archive = Archive::open(path)?;
        let count = archive.members();
        if count > MOST_COLUMNS {
            return refuse!(
                Corrupt,
                "{}: it has {count} members where at most {MOST_COLUMNS} are expected; it is no index of a bundle",
                path.display()
            );
        }
        let (mut members, mut checks, mut pages) = (Vec::new(), None, 0u64);
        for name in archive.names() {
            let Some((at, len, _)) = archive.in_place(name)? else {
                return refuse!(Corrupt, "{}, member {name}: it is compressed where it must not be", path.display());
            };
            if name == CHECKS {
                checks = Some((at, len));
                continue;
            }
            members.push((name.to_owned(), at, len, pages));
            pages += len.div_ceil(PAGE);
        }
        // What follows its header are four bytes a page.
        let checks = match checks {
            Some((at, len)) if len > pages * 4 => file.part(at + (len - pages * 4), pages * 4)?,
            _ => {
                return refuse!(
                    Corrupt,
                    "{} has no checksums for {pages} pages; it is no index of a bundle, or damaged",
                    path.display()
                );
            }
        };
        Ok(Self { file, members, checks })
    }

    /// Column `name`, which must be of `dtype`.
    ///
    /// # Errors
    /// `Corrupt` where it is missing, of another dtype, or not one-dimensional.
    pub fn column(&self, name: &str, dtype: DType) -> Result<Column> {
        let path = self.file.path().display();
        let Some((_, at, len, first)) = self.members.iter().find(|m| m.0 == name) else {
            return refuse!(Corrupt, "{path} has no column {name}; it is no index of a bundle, or of another version");
        };
        let member = self.file.part(*at, *len)?;
        let mut column = Column {
            member,
            head: 0,
            size: 1,
            checks: self.checks.clone(),
            first: *first,
            last: Arc::new(Mutex::new((u64::MAX, Vec::new()))),
        };
        let head = column.read(0, (*len).min(12)).and_then(|start| NpyHead::needs(&start));
        let head = head.and_then(|n| NpyHead::of(&column.read(0, n)?, *len));
        let head = head.map_err(|e| e.at(format!("{path}:{name}")))?;
        if head.shown.dtype() != dtype
            || head.shown.shape().len() != 1
            || head.order != ByteOrder::Little && dtype.word() > 1
        {
            return refuse!(Corrupt, "{path}: column {name} is {}, where one axis of {dtype} is expected", head.shown);
        }
        (column.head, column.size) = (head.data_at, dtype.size() as u64);
        Ok(column)
    }
}

impl Column {
    /// Rows.
    pub fn len(&self) -> u64 {
        (self.member.len() - self.head) / self.size
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `len` bytes of the member from `at` on, in pages that are as they were written.
    fn read(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        // Refuses what lies outside.
        self.member.part(at, len)?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let (from, to) = (at / PAGE, (at + len - 1) / PAGE);
        let within = |bytes: &[u8]| bytes[(at - from * PAGE) as usize..][..len as usize].to_vec();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if from == to && last.0 == from {
            return Ok(within(&last.1));
        }
        let bytes = self.member.bytes(from * PAGE, self.member.len().min((to + 1) * PAGE) - from * PAGE)?;
        let checks = self.checks.bytes((self.first + from) * 4, (to - from + 1) * 4)?;
        for ((page, check), number) in bytes.chunks(PAGE as usize).zip(checks.chunks_exact(4)).zip(from..) {
            if crc32fast::hash(page).to_le_bytes() != *check {
                return refuse!(
                    Corrupt,
                    "{}: the checksum of bytes {} to {} is another; the index is damaged, make the bundle anew or fetch another copy",
                    self.member.path().display(),
                    self.member.start() + number * PAGE,
                    self.member.start() + number * PAGE + page.len() as u64
                );
            }
        }
        let found = within(&bytes);
        if from == to {
            *last = (from, bytes);
        }
        Ok(found)
    }

    /// Row `i` as a number.
    ///
    /// # Errors
    /// `Corrupt` where there is no such row; `Io`.
    pub fn get(&self, i: u64) -> Result<u64> {
        let mut word = [0; 8];
        let Some(at) = i.checked_mul(self.size).and_then(|at| at.checked_add(self.head)) else {
            return refuse!(Corrupt, "there is no row {i}");
        };
        let size = self.size.min(8);
        word[..size as usize].copy_from_slice(&self.read(at, size)?);
        Ok(u64::from_le_bytes(word))
    }

    /// The bytes of rows from..to.
    ///
    /// # Errors
    /// `Corrupt` where there are no such rows; `Io`.
    pub fn bytes(&self, from: u64, to: u64) -> Result<Vec<u8>> {
        let Some(rows) = to.checked_sub(from).filter(|_| to <= self.len()) else {
            return refuse!(Corrupt, "{}: rows {from} to {to} of {}", self.member.path().display(), self.len());
        };
        self.read(self.head + from * self.size, rows * self.size)
    }

    /// Rows from..to as numbers.
    ///
    /// # Errors
    /// As [`Column::bytes`].
    pub fn numbers(&self, from: u64, to: u64) -> Result<Vec<u64>> {
        let bytes = self.bytes(from, to)?;
        let word = |b: &[u8]| b.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
        Ok(bytes.chunks_exact(self.size as usize).map(word).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_page_is_noticed_where_the_page_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.npz");
        let numbers: Vec<u64> = (0..3000).map(|i| i * i).collect();
        let mut writer = ColumnsWriter::create(&path, Replace::Never).unwrap();
        writer.add("few", DType::U8, b"abc").unwrap();
        writer.add("many", DType::U64, bytemuck::cast_slice(&numbers)).unwrap();
        writer.add("none", DType::U32, &[]).unwrap();
        writer.commit(false).unwrap();
        let table = Columns::open(&path).unwrap();
        let many = table.column("many", DType::U64).unwrap();
        assert_eq!((many.len(), many.get(2999).unwrap(), many.get(5).unwrap()), (3000, 2999 * 2999, 25));
        assert_eq!(many.numbers(400, 2000).unwrap(), numbers[400..2000]);
        assert_eq!(table.column("few", DType::U8).unwrap().bytes(1, 3).unwrap(), b"bc");
        assert!(table.column("none", DType::U32).unwrap().is_empty());
        assert!(many.get(3000).is_err() && many.bytes(0, 3001).is_err() && many.get(u64::MAX).is_err());
        let good = std::fs::read(&path).unwrap();
        let start = table.members[1].1 as usize;
        for at in (start..start + 24_000).step_by(997) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            std::fs::write(&path, bad).unwrap();
            let read = Columns::open(&path).and_then(|t| t.column("many", DType::U64)?.numbers(0, 3000));
            assert!(read.is_err(), "byte {at}");
        }
    }
}

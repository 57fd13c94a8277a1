//! A table by columns in an ordinary `.npz` file: opened without reading it, single cells read by position.

use std::path::Path;

use super::npy::NpyHead;
use super::{Archive, NpzCodec, Replace, Stretch, ZipWriter};
use crate::array::{ByteOrder, DType, Spec};
use crate::error::{Result, refuse};

/// Columns of a table at most, and members of the archive.
const MOST_COLUMNS: usize = 256;

/// A table in the making. Its columns are 1-D arrays.
#[derive(Debug)]
pub struct ColumnsWriter(ZipWriter);

impl ColumnsWriter {
    /// Starts a table that will be called `target`.
    ///
    /// # Errors
    /// As [`super::Pending::create`].
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        ZipWriter::create(target, replace).map(Self)
    }

    /// Adds a column of `dtype` with the little-endian elements `bytes`.
    ///
    /// # Errors
    /// `Io`.
    pub fn add(&mut self, name: &str, dtype: DType, bytes: &[u8]) -> Result<()> {
        let spec = Spec::new(dtype, [(bytes.len() / dtype.size()) as u64])?;
        let head = NpyHead::write(&spec, ByteOrder::Little, false, None)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head);
        sum.update(bytes);
        let size = (head.len() + bytes.len()) as u64;
        let slot = self.0.start(&format!("{name}.npy"), NpzCodec::None, size)?;
        self.0.push(&head)?;
        self.0.push(bytes)?;
        self.0.end(slot, size, sum.finalize()).map(drop)
    }

    /// Gives the table its name.
    ///
    /// # Errors
    /// As [`super::Pending::commit`].
    pub fn commit(self, sync: bool) -> Result<u64> {
        let done = self.0.finish()?;
        let bytes = done.sign().bytes;
        done.commit(None, sync)?;
        Ok(bytes)
    }
}

/// An open table.
#[derive(Debug, Clone)]
pub struct Columns {
    file: Stretch,
    /// Name, first byte, bytes of each member.
    members: Vec<(String, u64, u64)>,
}

/// One column.
#[derive(Debug, Clone)]
pub struct Column {
    data: Stretch,
    size: u64,
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
        let place = |name: &str| match archive.in_place(name)? {
            Some((at, len, _)) => Ok((name.to_owned(), at, len)),
            None => refuse!(Corrupt, "{}, member {name}: it is compressed where it must not be", path.display()),
        };
        let members = archive.names().map(place).collect::<Result<_>>()?;
        Ok(Self { file, members })
    }

    /// Column `name`, which must be of `dtype`.
    ///
    /// # Errors
    /// `Corrupt` where it is missing, of another dtype, or not one-dimensional.
    pub fn column(&self, name: &str, dtype: DType) -> Result<Column> {
        let path = self.file.path().display();
        let Some((_, at, len)) = self.members.iter().find(|m| m.0 == name) else {
            return refuse!(Corrupt, "{path} has no column {name}; it is no index of a bundle, or of another version");
        };
        let member = self.file.part(*at, *len)?;
        let first = member.bytes(0, (*len).min(12))?;
        let head = NpyHead::needs(&first).and_then(|n| NpyHead::of(&member.bytes(0, n)?, *len));
        let head = head.map_err(|e| e.at(format!("{path}:{name}")))?;
        if head.shown.dtype() != dtype
            || head.shown.shape().len() != 1
            || head.order != ByteOrder::Little && dtype.word() > 1
        {
            return refuse!(Corrupt, "{path}: column {name} is {}, where one axis of {dtype} is expected", head.shown);
        }
        Ok(Column { data: member.part(head.data_at, len - head.data_at)?, size: dtype.size() as u64 })
    }
}

impl Column {
    /// Rows.
    pub fn len(&self) -> u64 {
        self.data.len() / self.size
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Row `i` as a number.
    ///
    /// # Errors
    /// `Corrupt` where there is no such row; `Io`.
    pub fn get(&self, i: u64) -> Result<u64> {
        let mut word = [0; 8];
        let Some(at) = i.checked_mul(self.size) else { return refuse!(Corrupt, "there is no row {i}") };
        self.data.read_at(at, &mut word[..self.size.min(8) as usize])?;
        Ok(u64::from_le_bytes(word))
    }

    /// The bytes of rows from..to.
    ///
    /// # Errors
    /// `Corrupt` where there are no such rows; `Io`.
    pub fn bytes(&self, from: u64, to: u64) -> Result<Vec<u8>> {
        let Some(rows) = to.checked_sub(from).filter(|_| to <= self.len()) else {
            return refuse!(Corrupt, "{}: rows {from} to {to} of {}", self.data.path().display(), self.len());
        };
        self.data.bytes(from * self.size, rows * self.size)
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

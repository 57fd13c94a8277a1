//! An output that grows at its end, and of which earlier bytes may be set right.

use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Pending, Replace};
use crate::error::{Error, Result};

/// Bytes gathered before one write.
const WRITE_BYTES: usize = 1 << 20;
/// The end of a file that [`Growing::finish`] sums up.
const TAIL_BYTES: u64 = 1 << 16;

/// A file in the making, as [`Pending`].
#[derive(Debug)]
pub struct Growing {
    pending: Pending,
    buffer: Vec<u8>,
    written: u64,
}

/// By what a finished file is known again without reading all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Its bytes.
    pub bytes: u64,
    /// CRC-32 of its last 64 KiB.
    pub tail: u32,
}

impl Sign {
    /// Of the file `file`.
    pub(in crate::store) fn of(file: &std::fs::File) -> std::io::Result<Self> {
        let bytes = file.metadata()?.len();
        let len = bytes.min(TAIL_BYTES);
        let mut tail = vec![0; len as usize];
        file.read_exact_at(&mut tail, bytes - len)?;
        Ok(Self { bytes, tail: crc32fast::hash(&tail) })
    }
}

impl Growing {
    /// Starts an output that will be called `target`, as [`Pending::create`].
    ///
    /// # Errors
    /// As [`Pending::create`].
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        Ok(Self { pending: Pending::create(target, replace)?, buffer: Vec::new(), written: 0 })
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// `Io`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > WRITE_BYTES {
            self.write_out()?;
        }
        if bytes.len() >= WRITE_BYTES {
            self.write(bytes)?;
            self.written += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Sets the bytes from `at` on, which were pushed before.
    ///
    /// # Errors
    /// `Io`.
    pub fn set(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.write_out()?;
        let failed = |e| Error::io(format!("writing {}", self.pending.target().display()), e);
        self.pending.file().write_all_at(bytes, at).map_err(failed)
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let failed = |e| Error::io(format!("writing {}", self.pending.target().display()), e);
        self.pending.file().write_all_at(bytes, self.written).map_err(failed)
    }

    fn write_out(&mut self) -> Result<()> {
        self.write(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes everything out; the file has no name yet.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<Finished> {
        self.write_out()?;
        Finished::of(self.pending)
    }
}

/// A complete file that waits for its name.
#[derive(Debug)]
pub struct Finished {
    pending: Pending,
    sign: Sign,
}

impl Finished {
    pub(in crate::store) fn of(pending: Pending) -> Result<Self> {
        let failed = |e| Error::io(format!("reading {} back", pending.target().display()), e);
        let sign = Sign::of(pending.file()).map_err(failed)?;
        Ok(Self { pending, sign })
    }

    /// By what it is known again.
    pub fn sign(&self) -> Sign {
        self.sign
    }

    /// Gives it its name, or `name` instead.
    ///
    /// # Errors
    /// As [`Pending::commit`].
    pub fn commit(self, name: Option<&Path>, sync: bool) -> Result<()> {
        match name {
            Some(name) => self.pending.renamed(name).commit(sync),
            None => self.pending.commit(sync),
        }
    }
}

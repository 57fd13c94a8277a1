//! A stretch of a file, read by position from several threads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Sign;
use crate::error::{Error, Result, refuse};

/// Bytes read at a time where a stretch is read from one end to the other.
const READ_BYTES: usize = 1 << 16;

/// Consecutive bytes of an open file.
#[derive(Debug, Clone)]
pub struct Stretch {
    file: Arc<File>,
    path: Arc<PathBuf>,
    at: u64,
    len: u64,
}

impl Stretch {
    /// All of the file at `path`.
    ///
    /// # Errors
    /// `Io`; `Usage` for a folder.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("opening {}", path.display()), e);
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return refuse!(Usage, "{} is not a file", path.display());
        }
        Ok(Self::of(file, path, 0, meta.len()))
    }

    /// `len` bytes of `from` in a temporary file without a name; `path` names them in messages.
    ///
    /// # Errors
    /// `Corrupt` where there are fewer; `Io`.
    pub fn spool(from: &mut impl Read, len: u64, path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("unpacking {} to a temporary file", path.display()), e);
        let mut file = tempfile::tempfile().map_err(failed)?;
        match io::copy(&mut from.take(len), &mut file) {
            Ok(n) if n == len => Ok(Self::of(file, path, 0, len)),
            Ok(n) => refuse!(Corrupt, "{}: {n} bytes are there of {len}; it is cut short", path.display()),
            Err(e) => Err(failed(e)),
        }
    }

    /// `len` bytes from `at` of `file` on; `path` names it in messages.
    pub(in crate::store) fn of(file: File, path: &Path, at: u64, len: u64) -> Self {
        Self { file: Arc::new(file), path: Arc::new(path.to_owned()), at, len }
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be read by others as well.
    pub(in crate::store) fn file(&self) -> Result<File> {
        self.file.try_clone().map_err(|e| Error::io(format!("opening {}", self.path.display()), e))
    }

    /// How many bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it begins in the file.
    pub fn start(&self) -> u64 {
        self.at
    }

    /// `len` of its bytes from `at` on.
    ///
    /// # Errors
    /// `Corrupt` where it has not so many.
    pub fn part(&self, at: u64, len: u64) -> Result<Self> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return refuse!(
                Corrupt,
                "{}: {len} bytes at {at} lie outside the {} there are; it is cut short, or another file than expected",
                self.path.display(),
                self.len
            );
        }
        Ok(Self { at: self.at + at, len, ..self.clone() })
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// As [`Stretch::part`]; `Io`.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let part = self.part(at, out.len() as u64)?;
        part.file
            .read_exact_at(out, part.at)
            .map_err(|e| Error::io(format!("reading {} at byte {}", self.path.display(), part.at), e))
    }

    /// `len` bytes from `at` on.
    ///
    /// # Errors
    /// As [`Stretch::read_at`].
    pub fn bytes(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        let part = self.part(at, len)?;
        let mut out = vec![0; part.len as usize];
        self.read_at(at, &mut out)?;
        Ok(out)
    }

    /// By what the file is known again.
    ///
    /// # Errors
    /// `Io`.
    pub fn sign(&self) -> Result<Sign> {
        Sign::of(&self.file).map_err(|e| Error::io(format!("reading {}", self.path.display()), e))
    }

    /// Its bytes from first to last.
    pub fn stream(&self) -> impl Read + Send + use<> {
        io::BufReader::with_capacity(READ_BYTES, Streamed { of: self.clone(), at: 0 })
    }
}

/// A temporary file without a name that is written from one end to the other.
#[derive(Debug)]
pub struct Spooled {
    to: io::BufWriter<File>,
    len: u64,
}

impl Spooled {
    /// Starts one.
    ///
    /// # Errors
    /// `Io`.
    pub fn create() -> Result<Self> {
        Ok(Self { to: io::BufWriter::new(tempfile::tempfile().map_err(temporary)?), len: 0 })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// `Io`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        io::Write::write_all(&mut self.to, bytes).map_err(temporary)
    }

    /// What was written, to be read by position.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(self) -> Result<Stretch> {
        let file = self.to.into_inner().map_err(|e| temporary(e.into_error()))?;
        Ok(Stretch::of(file, Path::new("a temporary file"), 0, self.len))
    }
}

fn temporary(e: io::Error) -> Error {
    Error::io("using a temporary file (TMPDIR names the folder for them)", e)
}

struct Streamed {
    of: Stretch,
    at: u64,
}

impl Read for Streamed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.of.len - self.at).unwrap_or(usize::MAX));
        let n = self.of.file.read_at(&mut out[..most], self.of.at + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// All bytes of the small file at `path`, which must be `size`: more or fewer mean that it is being written to.
///
/// # Errors
/// `Refused` for another size; `Io`.
pub fn read_whole(path: &Path, size: u64) -> Result<Vec<u8>> {
    let failed = |e| Error::io(format!("reading {}", path.display()), e);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = vec![0; size as usize + 1];
    let mut have = 0;
    // One call for the bytes, and with room for one more none to see the end.
    loop {
        match file.read_at(&mut bytes[have..], have as u64).map_err(failed)? {
            0 => break,
            n => have += n,
        }
        if have as u64 >= size {
            break;
        }
    }
    if have as u64 != size {
        return refuse!(
            Refused,
            "{} had {size} bytes when the run began and has others now; run again when nobody writes to it",
            path.display()
        );
    }
    bytes.truncate(have);
    Ok(bytes)
}

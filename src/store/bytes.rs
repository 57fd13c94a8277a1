//! What arrays are read from by position: a file, or one whose bytes lie in memory.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Mapping;
use crate::error::{Result, refuse};

/// A whole file in memory, shared with whoever reads it.
#[derive(Clone)]
pub struct Image(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Image {
    /// Takes `bytes` over, without copying them.
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.bytes().len())
    }
}

/// Bytes that are read by position.
pub(in crate::store) trait Positioned {
    /// As [`FileExt::read_at`].
    fn get_at(&self, to: &mut [u8], at: u64) -> io::Result<usize>;

    /// As [`FileExt::read_exact_at`].
    fn fill_at(&self, to: &mut [u8], at: u64) -> io::Result<()>;
}

impl Positioned for File {
    fn get_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        self.read_at(to, at)
    }

    fn fill_at(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(to, at)
    }
}

impl Positioned for Image {
    fn get_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        let all = self.bytes();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(all.len());
        let len = to.len().min(all.len() - from);
        to[..len].copy_from_slice(&all[from..from + len]);
        Ok(len)
    }

    fn fill_at(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        match self.get_at(to, at)? {
            n if n == to.len() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the bytes end before")),
        }
    }
}

/// A file or an image of one.
#[derive(Debug, Clone)]
pub(in crate::store) enum Bytes {
    File(Arc<File>),
    Memory(Image),
}

impl From<File> for Bytes {
    fn from(file: File) -> Self {
        Self::File(Arc::new(file))
    }
}

impl Bytes {
    pub(in crate::store) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.metadata().map(|m| m.len()),
            Self::Memory(image) => Ok(image.bytes().len() as u64),
        }
    }

    /// `len` bytes from byte `at` on without reading them.
    pub(in crate::store) fn map(&self, at: u64, len: u64) -> Result<Mapping> {
        match self {
            Self::File(file) => Mapping::new(file, at, len),
            Self::Memory(image) => Mapping::of_image(image.clone(), at, len),
        }
    }

    /// The file, where it is one.
    pub(in crate::store) fn file(&self) -> Result<&File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Memory(_) => refuse!(Usage, "bytes in memory are no file"),
        }
    }
}

impl Positioned for Bytes {
    fn get_at(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.get_at(to, at),
            Self::Memory(image) => image.get_at(to, at),
        }
    }

    fn fill_at(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.fill_at(to, at),
            Self::Memory(image) => image.fill_at(to, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_as_a_file_of_its_bytes() {
        let image = Image::new((0..100u8).collect::<Vec<_>>());
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(image.bytes(), 0).unwrap();
        for (at, len) in [(0, 10), (95, 5), (95, 6), (100, 0), (100, 1), (u64::MAX, 3), (7, 0)] {
            let (mut a, mut b) = (vec![0; len], vec![0; len]);
            let same = (image.fill_at(&mut a, at).is_ok(), file.fill_at(&mut b, at).is_ok());
            // No file reaches that far, so the system refuses the place itself.
            if at <= i64::MAX as u64 {
                assert_eq!(image.get_at(&mut a, at).unwrap(), file.get_at(&mut b, at).unwrap());
                assert_eq!(a, b);
            }
            assert_eq!(same.0, same.1, "{at} {len}");
        }
    }
}

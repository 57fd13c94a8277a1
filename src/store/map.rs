//! Files seen as memory: only the pages that are looked at are read.

use std::fs::File;
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

use super::Image;
use crate::error::{Error, Result, refuse};

/// Bytes of a file mapped into memory, read-only.
///
/// A file that is replaced by another of its name stays as it was here. One that another program cuts short while it is mapped
/// ends this process with SIGBUS when the lost part is looked at, as it would end any that maps files; one that is written over
/// shows the new bytes, which no type here takes for more than bytes and numbers.
#[derive(Debug)]
pub struct Mapping {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// No bytes, which cannot be mapped.
    Nothing,
    File(Mmap),
    /// A part of a file that is in memory already.
    Memory(Image, Range<usize>),
}

impl Mapping {
    /// Maps `len` bytes of `file` from byte `at` on.
    ///
    /// # Errors
    /// `Corrupt` where the file is shorter; `Io` as the operating system says.
    pub fn new(file: &File, at: u64, len: u64) -> Result<Self> {
        let have = file.metadata().map_err(|e| Error::io("asking for the file's length", e))?.len();
        if at.checked_add(len).is_none_or(|end| end > have) {
            return refuse!(Corrupt, "{len} bytes from byte {at} on do not fit the file's {have}: it is cut short");
        }
        let Ok(length) = usize::try_from(len) else {
            return refuse!(Io, "{len} bytes are more than this machine can address");
        };
        if length == 0 {
            return Ok(Self { held: Held::Nothing });
        }
        #[expect(
            unsafe_code,
            reason = "the mapping is read-only and seen as bytes or numbers alone, of which any are valid; the type's documentation \
                      says what happens when the file is cut short"
        )]
        let map = unsafe { MmapOptions::new().offset(at).len(length).map(file) };
        map.map(|map| Self { held: Held::File(map) }).map_err(|e| Error::io("mapping the file into memory", e))
    }

    /// `len` bytes of `image` from byte `at` on, where they are.
    pub(in crate::store) fn of_image(image: Image, at: u64, len: u64) -> Result<Self> {
        let have = image.bytes().len();
        match (usize::try_from(at), at.checked_add(len).map(usize::try_from)) {
            (Ok(start), Some(Ok(end))) if end <= have => Ok(Self { held: Held::Memory(image, start..end) }),
            _ => refuse!(Corrupt, "{len} bytes from byte {at} on do not fit the {have} in memory: it is cut short"),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Nothing => &[],
            Held::File(map) => map,
            // The range was held against the image when it was made.
            Held::Memory(image, range) => image.bytes().get(range.clone()).unwrap_or(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_mapping_starts_at_any_byte_and_never_reaches_past_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&(0..200u8).collect::<Vec<_>>().repeat(100)).unwrap();
        assert_eq!(Mapping::new(&file, 4111, 3).unwrap().bytes(), [111, 112, 113]);
        assert!(Mapping::new(&file, 20_000, 0).unwrap().bytes().is_empty());
        assert!(Mapping::new(&file, 19_999, 2).is_err());
        assert!(Mapping::new(&file, u64::MAX, 2).is_err());
    }
}

//! HDF5's global heap, where rows of variable length lie: read by position, nothing of it believed before it is looked at.
//!
//! libhdf5 makes room for as many elements as a row claims before it looks whether the heap has them; here a row is what the heap
//! has, and both must agree.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result, refuse};

/// What a collection of the heap begins with, and its version.
const SIGNATURE: &[u8; 5] = b"GCOL\x01";

/// Bytes before the first object of a collection, and before each object's own.
const HEADER_BYTES: u64 = 16;

/// Objects begin at multiples of this.
const ALIGN: u64 = 8;

/// Collections that are kept: rows that follow each other lie in the same or the next one.
const KEPT: usize = 4;

/// Where a row says that its elements are: 16 bytes in the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    /// Elements.
    pub(super) len: u64,
    /// The collection, and the object in it.
    address: u64,
    index: u32,
}

/// Bytes of a [`Reference`] in files whose addresses have 8 bytes.
pub(super) const REFERENCE_BYTES: usize = 16;

impl Reference {
    /// All that `bytes` hold.
    pub(super) fn all(bytes: &[u8]) -> impl Iterator<Item = Self> + '_ {
        let (all, _) = bytes.as_chunks::<REFERENCE_BYTES>();
        all.iter().map(|bytes| {
            let [a, b, c, d, address @ .., i, j, k, l] = *bytes;
            Self {
                len: u64::from(u32::from_le_bytes([a, b, c, d])),
                address: u64::from_le_bytes(address),
                index: u32::from_le_bytes([i, j, k, l]),
            }
        })
    }
}

/// The heap of a file.
#[derive(Debug)]
pub(super) struct Heap {
    file: File,
    length: u64,
    /// The byte of the file that addresses count from.
    base: u64,
    kept: Vec<Collection>,
}

#[derive(Debug)]
struct Collection {
    address: u64,
    bytes: Vec<u8>,
    /// First byte and bytes of each object, by its number; none where there is no such object.
    objects: Vec<Option<(u64, u64)>>,
}

impl Heap {
    /// The heap of `file`, whose addresses count from byte `base`.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn new(file: File, base: u64) -> Result<Self> {
        let length = file.metadata().map_err(|e| Error::io("asking for the file's length", e))?.len();
        Ok(Self { file, length, base, kept: Vec::new() })
    }

    /// The bytes of the row that `reference` stands for, whose elements have `size` bytes.
    ///
    /// # Errors
    /// `Corrupt` where there is no such object, or it is of another length; `Io`.
    pub(super) fn row(&mut self, reference: &Reference, size: u64) -> Result<&[u8]> {
        if reference.len == 0 || reference.address == 0 {
            return match reference.len {
                0 => Ok(&[]),
                n => refuse!(Corrupt, "a row of {n} elements that lies nowhere: the file is damaged"),
            };
        }
        let at = match self.kept.iter().position(|c| c.address == reference.address) {
            Some(at) => at,
            None => {
                let new = self.collection(reference.address)?;
                if self.kept.len() == KEPT {
                    self.kept.remove(0);
                }
                self.kept.push(new);
                self.kept.len() - 1
            }
        };
        let found = &self.kept[at];
        let object = found.objects.get(reference.index as usize).copied().flatten();
        let Some((start, bytes)) = object else {
            return refuse!(
                Corrupt,
                "a row lies in object {} of the heap at byte {}, which has none of that number: the file is damaged",
                reference.index,
                reference.address
            );
        };
        if reference.len.checked_mul(size) != Some(bytes) {
            return refuse!(
                Corrupt,
                "a row claims {} elements of {size} bytes, and its heap holds {bytes} bytes: the file is damaged",
                reference.len
            );
        }
        Ok(&found.bytes[start as usize..(start + bytes) as usize])
    }

    /// Reads the collection at `address`.
    fn collection(&self, address: u64) -> Result<Collection> {
        let damaged = |what: &str| -> Result<Collection> {
            refuse!(Corrupt, "the heap of rows at byte {address} {what}: the file is damaged")
        };
        let read = |to: &mut [u8], at: u64| {
            let len = to.len();
            let failed = |e| Error::io(format!("reading {len} bytes of the heap at {at}"), e);
            self.file.read_exact_at(to, at).map_err(failed)
        };
        let Some(start) = address.checked_add(self.base).filter(|s| s.saturating_add(HEADER_BYTES) <= self.length)
        else {
            return damaged("lies behind the file's end");
        };
        let mut head = [0; HEADER_BYTES as usize];
        read(&mut head, start)?;
        let size = number(&head[8..]);
        if !head.starts_with(SIGNATURE) || size < HEADER_BYTES {
            return damaged("is none");
        }
        if size > self.length - start {
            return damaged("reaches behind the file's end");
        }
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size as usize).is_err() {
            return refuse!(Io, "no memory for {size} bytes of rows");
        }
        bytes.resize(size as usize, 0);
        read(&mut bytes, start)?;
        let (mut objects, mut at) = (Vec::new(), HEADER_BYTES);
        while at + HEADER_BYTES <= size {
            let head = &bytes[at as usize..];
            let (index, len) = (usize::from(u16::from_le_bytes([head[0], head[1]])), number(&head[8..]));
            // Object 0 is what is free, up to the end.
            if index == 0 {
                break;
            }
            let (first, room) = (at + HEADER_BYTES, size - at - HEADER_BYTES);
            if len > room {
                return damaged("has an object that reaches behind its end");
            }
            if objects.len() <= index {
                objects.resize(index + 1, None);
            }
            if objects[index].replace((first, len)).is_some() {
                return damaged("has two objects of one number");
            }
            at = first + len.next_multiple_of(ALIGN).min(room);
        }
        Ok(Collection { address, bytes, objects })
    }
}

/// The little-endian number that `bytes` begin with.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::ErrorKind;

    /// A file that begins with 32 bytes of something else and goes on with a heap of `objects`.
    fn heap(objects: &[(u16, &[u8])]) -> (Vec<u8>, u64) {
        let mut bytes = vec![7; 32];
        let mut body = Vec::new();
        for (index, data) in objects {
            body.extend_from_slice(&index.to_le_bytes());
            body.extend_from_slice(&[1, 0, 0, 0, 0, 0]);
            body.extend_from_slice(&(data.len() as u64).to_le_bytes());
            body.extend_from_slice(data);
            body.resize(body.len().next_multiple_of(8), 0);
        }
        body.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(b"GCOL\x01\0\0\0");
        bytes.extend_from_slice(&(16 + body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        (bytes, 32)
    }

    fn open(bytes: &[u8]) -> Heap {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Heap::new(file, 0).unwrap()
    }

    fn reference(len: u64, address: u64, index: u32) -> Reference {
        let bytes = [&(len as u32).to_le_bytes()[..], &address.to_le_bytes(), &index.to_le_bytes()].concat();
        let one = Reference::all(&bytes).next().unwrap();
        assert_eq!(one, Reference { len, address, index });
        one
    }

    #[test]
    fn rows_are_found_by_their_numbers() {
        let (bytes, at) = heap(&[(2, b"abcdef"), (1, b"12345678"), (9, b"xy")]);
        let mut heap = open(&bytes);
        assert_eq!(heap.row(&reference(3, at, 2), 2).unwrap(), b"abcdef");
        assert_eq!(heap.row(&reference(1, at, 1), 8).unwrap(), b"12345678");
        assert_eq!(heap.row(&reference(2, at, 9), 1).unwrap(), b"xy");
        assert_eq!(heap.row(&reference(0, 0, 0), 1).unwrap(), b"");
    }

    #[test]
    fn what_a_damaged_heap_claims_is_an_error_and_makes_nothing() {
        let (good, at) = heap(&[(1, b"12345678"), (2, b"abc")]);
        let fails = |bytes: &[u8], r: Reference, size: u64| {
            let e = open(bytes).row(&r, size).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Corrupt, "{e}");
        };
        for r in [(4_000_000_000, at, 1), (7, at, 1), (8, at, 3), (8, 0, 1), (8, u64::MAX, 1), (8, 5, 1), (1, at, 0)] {
            fails(&good, reference(r.0, r.1, r.2), 1);
        }
        fails(&good, reference(8, at, 1), u64::MAX);
        // Its length, and that of its first object.
        for (place, value) in [(40, u64::MAX), (40, 1 << 20), (40, 3), (56, u64::MAX), (56, 1 << 40), (56, 60)] {
            let mut forged = good.clone();
            forged[place..place + 8].copy_from_slice(&value.to_le_bytes());
            fails(&forged, reference(8, at, 1), 1);
        }
        let mut twice = good.clone();
        let second = 32 + 16 + 16 + 8;
        twice[second] = 1;
        fails(&twice, reference(8, at, 1), 1);
        fails(&good[..60], reference(8, at, 1), 1);
    }
}

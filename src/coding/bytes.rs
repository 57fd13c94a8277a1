//! Little-endian numbers, varints and blocks of bytes: what every part of a chunk is written with, and read from untrusted
//! bytes with every take checked.

use crate::error::{Error, ErrorKind, Result, refuse};

/// Bytes of the longest varint of 64 bits.
const LONGEST_VARINT: u32 = 10;

/// Reads on from the front of untrusted bytes.
#[derive(Debug, Clone)]
pub(in crate::coding) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::coding) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(in crate::coding) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// All that is left.
    pub(in crate::coding) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    pub(in crate::coding) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.left.split_at_checked(n) {
            Some((taken, left)) => {
                self.left = left;
                Ok(taken)
            }
            None => {
                refuse!(Corrupt, "a coded chunk ends where {n} bytes more should stand ({} are left)", self.left.len())
            }
        }
    }

    /// A varint length and as many bytes.
    pub(in crate::coding) fn block(&mut self) -> Result<&'a [u8]> {
        let n = self.length(usize::MAX)?;
        self.take(n)
    }

    /// A varint that must not exceed `most`.
    pub(in crate::coding) fn length(&mut self, most: usize) -> Result<usize> {
        let n = self.varint()?;
        match usize::try_from(n) {
            Ok(n) if n <= most => Ok(n),
            _ => refuse!(Corrupt, "a coded chunk gives a length of {n}; at most {most} can stand here"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Error::new(ErrorKind::Corrupt, "a coded chunk is cut short"))
    }

    pub(in crate::coding) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[b]| b)
    }

    pub(in crate::coding) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(in crate::coding) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(in crate::coding) fn f64(&mut self) -> Result<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Seven bits a byte, the lowest first, the top bit set in all but the last.
    pub(in crate::coding) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for i in 0..LONGEST_VARINT {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if i == LONGEST_VARINT - 1 && bits > 1 {
                break;
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        refuse!(Corrupt, "a number in a coded chunk is longer than 64 bits")
    }

    /// A varint of 0, −1, 1, −2, …
    pub(in crate::coding) fn signed(&mut self) -> Result<i64> {
        self.varint().map(|z| (z >> 1) as i64 ^ -((z & 1) as i64))
    }
}

/// Appends numbers and blocks as [`Reader`] reads them.
pub(in crate::coding) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.put(&[value as u8]);
    }

    fn put_signed(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn put_block(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put(bytes);
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn put_f64(&mut self, value: f64) {
        self.put(&value.to_le_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_and_nothing_is_read_past_the_end() {
        let mut bytes = Vec::new();
        for v in [0, 1, 127, 128, 300, u64::MAX] {
            bytes.put_varint(v);
        }
        for v in [0, -1, 1, i64::MIN, i64::MAX] {
            bytes.put_signed(v);
        }
        bytes.put_block(b"abc");
        bytes.put_f64(-0.0);
        let mut r = Reader::new(&bytes);
        for v in [0, 1, 127, 128, 300, u64::MAX] {
            assert_eq!(r.varint().unwrap(), v);
        }
        for v in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(r.signed().unwrap(), v);
        }
        assert_eq!(r.block().unwrap(), b"abc");
        assert_eq!(r.f64().unwrap().to_bits(), (-0.0f64).to_bits());
        assert!(r.is_empty() && r.u8().is_err() && r.take(1).is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err(), "more than 64 bits");
        assert!(Reader::new(&[0xff; 4]).block().is_err());
    }
}

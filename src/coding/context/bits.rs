//! Bits that are stored as they are: table headers, low bits, escaped values.

/// Appends bits, the lowest first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    word: u64,
    count: u32,
}

impl BitWriter {
    /// The low `n <= 32` bits of `value`.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u32, n: u32) {
        self.word |= (u64::from(value) & ((1 << n) - 1)) << self.count;
        self.count += n;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.word as u32).to_le_bytes());
            self.word >>= 32;
            self.count -= 32;
        }
    }

    /// Any number: 5 bits of length and the bits below its leading one.
    pub(super) fn put_long(&mut self, value: u32) {
        let wide = u64::from(value) + 1;
        let length = wide.ilog2();
        self.put(length, 6);
        self.put(wide as u32, length);
    }

    /// All bytes, and an empty writer.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let word = self.word.to_le_bytes();
        self.bytes.extend_from_slice(&word[..self.count.div_ceil(8) as usize]);
        out.extend_from_slice(&self.bytes);
        self.clear();
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.word = 0;
        self.count = 0;
    }

    /// Bytes that [`Self::finish`] would append.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.count.div_ceil(8) as usize
    }
}

/// Reads what [`BitWriter`] wrote; after the end, zeros.
#[derive(Debug, Clone)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bit: 0 }
    }

    /// The next `n <= 32` bits.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        let from = self.bit / 8;
        let word = match self.bytes.get(from..).and_then(<[u8]>::first_chunk) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.near_the_end(from),
        };
        let value = word >> (self.bit % 8) & ((1 << n) - 1);
        self.bit += n as usize;
        value as u32
    }

    #[cold]
    fn near_the_end(&self, from: usize) -> u64 {
        let mut word = [0; 8];
        for (w, b) in word.iter_mut().zip(self.bytes.get(from..).unwrap_or_default()) {
            *w = *b;
        }
        u64::from_le_bytes(word)
    }

    /// What `put_long` wrote.
    pub(super) fn take_long(&mut self) -> u32 {
        let length = self.take(6).min(32);
        let low = u64::from(self.take(length));
        ((1 << length | low) - 1) as u32
    }

    /// Whether more was taken than there is.
    pub(super) fn overrun(&self) -> bool {
        self.bit > self.bytes.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_in_order() {
        let mut writer = BitWriter::default();
        let long = [0, 1, 2, 5, 1000, u32::MAX - 1, u32::MAX];
        for i in 0..200_u32 {
            writer.put(i.wrapping_mul(0x9E37_79B9), i % 33);
            writer.put_long(long[i as usize % long.len()]);
        }
        let (mut bytes, n) = (Vec::new(), writer.len());
        writer.finish(&mut bytes);
        assert_eq!(bytes.len(), n);
        let mut reader = BitReader::new(&bytes);
        for i in 0..200_u32 {
            assert_eq!(u64::from(reader.take(i % 33)), u64::from(i.wrapping_mul(0x9E37_79B9)) & ((1 << (i % 33)) - 1));
            assert_eq!(reader.take_long(), long[i as usize % long.len()]);
        }
        assert!(!reader.overrun());
        assert_eq!(reader.take(32), 0);
    }
}

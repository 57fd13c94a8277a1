//! A row's bits where they lie.

use crate::transform::BitOrder;

/// A row's bits of a crop: its bytes, the first bit in them, and how many.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) first: usize,
    pub(super) len: usize,
}

impl Bits<'_> {
    /// Set bits, by words; the padding and what stands before are masked out.
    pub(super) fn count_ones(self, order: BitOrder) -> u64 {
        let end = self.first + self.len;
        let (Some((head, rest)), last) = (self.bytes.split_first(), (end % 8) as u32) else { return 0 };
        let (from, until) = match order {
            BitOrder::Big => (0xFFu8 >> self.first, if last == 0 { 0xFF } else { !(0xFFu8 >> last) }),
            BitOrder::Little => (0xFFu8 << self.first, if last == 0 { 0xFF } else { !(0xFFu8 << last) }),
        };
        let Some((tail, middle)) = rest.split_last() else { return u64::from((head & from & until).count_ones()) };
        let (words, left) = middle.as_chunks::<8>();
        let whole: u64 = words.iter().map(|w| u64::from(u64::from_ne_bytes(*w).count_ones())).sum();
        let left: u64 = left.iter().map(|b| u64::from(b.count_ones())).sum();
        whole + left + u64::from((head & from).count_ones()) + u64::from((tail & until).count_ones())
    }

    /// Gives the bits to `take` in words of up to 64, the first in the lowest; bits beyond the number given with them are 0.
    pub(super) fn words(self, order: BitOrder, mut take: impl FnMut(u64, u32)) {
        let mut done = 0;
        while done < self.len {
            let at = self.first + done;
            let (byte, shift) = (at / 8, at % 8);
            let mut nine = [0u8; 9];
            let have = self.bytes.len().saturating_sub(byte).min(9);
            nine[..have].copy_from_slice(&self.bytes[byte..byte + have]);
            if order == BitOrder::Big {
                nine.iter_mut().for_each(|b| *b = b.reverse_bits());
            }
            let [a, b, c, d, e, f, g, h, last] = nine;
            let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> shift;
            let high = if shift == 0 { 0 } else { u64::from(last) << (64 - shift) };
            let n = (self.len - done).min(64) as u32;
            take((low | high) & (u64::MAX >> (64 - n)), n);
            done += n as usize;
        }
    }
}

//! HDF5's checksum, fletcher32 over big-endian 16-bit words.

use crate::array::simd::vectorize;

/// Sums kept side by side.
const LANES: usize = 32;

/// Rows of [`LANES`] words summed before the 32-bit sums could overflow: `R (R + 1) / 2 * 65535 < 2^32`.
const ROWS: usize = 256;

/// The modulus of both sums.
const M: u64 = 0xffff;

/// The checksum that HDF5 computes of `bytes`.
///
/// With words `w_0 … w_(n-1)`: the low half is `sum w_i`, the high half `sum (n - i) w_i`, both modulo 65535, where a sum
/// that is a positive multiple of 65535 is written 0xffff and not 0. Words are summed as they lie, least byte first, and
/// the bytes of the sums exchanged in the end: modulo 65535 that is the same (a factor of 256).
pub(super) fn fletcher32(bytes: &[u8]) -> u32 {
    let (words, odd) = bytes.as_chunks::<2>();
    let (mut s1, mut s2, mut any) = vectorize(
        #[inline(always)]
        || sums(words),
    );
    if let [last] = odd {
        // The odd byte is the high half of a big-endian word: the low half of one that lies in memory.
        s1 = (s1 + u64::from(*last)) % M;
        s2 = (s2 + s1) % M;
        any |= *last != 0;
    }
    let half = |sum: u64| -> u32 {
        let sum = match sum {
            0 if any => M,
            other => other,
        };
        u32::from((sum as u16).swap_bytes())
    };
    (half(s2) << 16) | half(s1)
}

/// Whether `stored` (four bytes after the data) is the checksum of `bytes`. Old files have its halves' bytes exchanged.
pub(super) fn matches(bytes: &[u8], stored: [u8; 4]) -> bool {
    let is = fletcher32(bytes).to_le_bytes();
    stored == is || stored == [is[1], is[0], is[3], is[2]]
}

#[inline(always)]
fn sums(words: &[[u8; 2]]) -> (u64, u64, bool) {
    let (mut s1, mut s2, mut any) = (0u64, 0u64, false);
    let (rows, rest) = words.as_chunks::<LANES>();
    for block in rows.chunks(ROWS) {
        let (mut a, mut b) = ([0u32; LANES], [0u32; LANES]);
        for row in block {
            for l in 0..LANES {
                a[l] += u32::from(u16::from_le_bytes(row[l]));
                b[l] += a[l];
            }
        }
        // Lane l of row r is word r * LANES + l: it counts LANES * (rows - r) - l times in this block's second sum.
        let sum: u64 = a.iter().map(|x| u64::from(*x)).sum();
        let twice: u64 = b.iter().map(|x| u64::from(*x)).sum::<u64>() * LANES as u64;
        let less: u64 = a.iter().enumerate().map(|(l, x)| l as u64 * u64::from(*x)).sum();
        let count = (block.len() * LANES) as u64;
        s2 = (s2 + count * s1 + twice - less) % M;
        s1 = (s1 + sum) % M;
        any |= sum != 0;
    }
    for word in rest {
        let w = u64::from(u16::from_le_bytes(*word));
        s1 = (s1 + w) % M;
        s2 = (s2 + s1) % M;
        any |= w != 0;
    }
    (s1, s2, any)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Word by word, with the carries folded as soon as they could matter.
    fn by_definition(bytes: &[u8]) -> u32 {
        let fold = |x: u64| (x & 0xffff) + (x >> 16);
        let (mut s1, mut s2) = (0u64, 0u64);
        for pair in bytes.chunks(2) {
            let w = u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
            s1 = fold(s1 + w);
            s2 = fold(s2 + s1);
        }
        ((fold(s2) << 16) | fold(s1)) as u32
    }

    #[test]
    fn the_fast_sum_is_the_defined_one() {
        for len in [0, 1, 2, 3, 63, 64, 65, 1000, 16384, 16385, 50_001] {
            for fill in [0u8, 1, 0xff] {
                assert_eq!(fletcher32(&vec![fill; len]), by_definition(&vec![fill; len]), "{len} {fill}");
            }
            let mixed: Vec<u8> = (0..len).map(|i| (i * i * 7 + i / 3) as u8).collect();
            assert_eq!(fletcher32(&mixed), by_definition(&mixed), "{len}");
        }
    }
}

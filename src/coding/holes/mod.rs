//! Elements that come back exactly whatever the map does: NaN, infinities, fill values, outliers, what would break the bound.
//!
//! A few bit patterns make up most of them (a fill value over land, one NaN): for each of these *kinds* a mask says where it
//! stands. The rest are *strays*: positions and bits.

mod mask;
mod patches;
#[cfg(test)]
mod tests;

pub(in crate::coding) use patches::Patches;

use crate::array::Buf;
use crate::coding::bytes::Put;
use crate::coding::entropy::pack_bytes;
use crate::error::{Result, refuse};

/// Most kinds: a fill value, a NaN, an infinity. More patterns than that have no mask worth its bytes.
const MOST_KINDS: usize = 3;
/// Elements from which on a pattern is a kind: below, a mask costs more than the strays.
const KIND: usize = 8;
/// Distinct patterns that are counted; all later ones are strays.
const COUNTED: usize = 32;
/// Effort of packing strays: they are few.
const LEVEL: i32 = 9;

/// In the first byte: the number of kinds, and whether there are strays.
const KINDS: u8 = 3;
const STRAYS: u8 = 4;

/// Which elements of a chunk are holes.
#[derive(Debug, Default, Clone)]
pub(in crate::coding) struct Holes {
    len: usize,
    words: Vec<u64>,
    count: usize,
}

impl Holes {
    /// Makes this `n` elements without a hole.
    pub(in crate::coding) fn clear(&mut self, n: usize) -> Result<()> {
        let words = n.div_ceil(64);
        if words > self.words.len() && self.words.try_reserve_exact(words - self.words.len()).is_err() {
            return refuse!(Io, "no memory for the holes of a chunk of {n} elements");
        }
        self.words.clear();
        self.words.resize(words, 0);
        (self.len, self.count) = (n, 0);
        Ok(())
    }

    /// Marks the elements from `start` (a multiple of 64) on whose flag is not 0 (flags are 0 to 3).
    pub(in crate::coding) fn mark(&mut self, start: usize, flags: &[u8]) {
        debug_assert!(start.is_multiple_of(64) && start + flags.len() <= self.len);
        for (word, flags) in self.words[start / 64..].iter_mut().zip(flags.chunks(64)) {
            let before = word.count_ones();
            for (g, flags) in flags.chunks(8).enumerate() {
                let mut eight = [0; 8];
                eight[..flags.len()].copy_from_slice(flags);
                // Each byte to its lowest bit, then those to the highest byte.
                let eight = u64::from_le_bytes(eight);
                let low = (eight | eight >> 1) & (u64::MAX / 0xff);
                *word |= (low.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * g);
            }
            self.count += (word.count_ones() - before) as usize;
        }
    }

    /// Marks element `i`.
    pub(in crate::coding) fn set(&mut self, i: usize) {
        let bit = 1 << (i % 64);
        self.count += usize::from(self.words[i / 64] & bit == 0);
        self.words[i / 64] |= bit;
    }

    /// Whether element `i` is a hole.
    pub(in crate::coding) fn contains(&self, i: usize) -> bool {
        self.words[i / 64] >> (i % 64) & 1 != 0
    }

    /// Whether the same elements are holes in `other`.
    pub(in crate::coding) fn same(&self, other: &Holes) -> bool {
        self.words == other.words
    }

    /// The marks as one flag an element.
    pub(in crate::coding) fn flags(&self, flags: &mut Vec<bool>) {
        flags.clear();
        flags.extend((0..self.len).map(|i| self.contains(i)));
    }

    /// Number of holes.
    pub(in crate::coding) fn count(&self) -> usize {
        self.count
    }

    /// Positions of the holes, ascending.
    pub(in crate::coding) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        positions(&self.words)
    }

    /// Copies the holes' elements from `original` to `restored`, of the same real dtype and length: what decoding will give.
    pub(in crate::coding) fn keep(&self, original: &Buf, restored: &mut Buf) {
        let size = original.dtype().size();
        let (from, to) = (original.bytes(), restored.bytes_mut());
        for i in self.iter() {
            let place = i * size..(i + 1) * size;
            if let (Some(to), Some(from)) = (to.get_mut(place.clone()), from.get(place)) {
                to.copy_from_slice(from);
            }
        }
    }

    /// Appends where the holes of `values` stand and what they hold. `dims` is the chunk's shape.
    pub(in crate::coding) fn write(&self, dims: &[usize], values: &Buf, out: &mut Vec<u8>) {
        match values.dtype().size() {
            1 => self.write_words(dims, values.slice::<u8>(), out),
            2 => self.write_words(dims, values.slice::<u16>(), out),
            4 => self.write_words(dims, values.slice::<u32>(), out),
            _ => self.write_words(dims, values.slice::<u64>(), out),
        }
    }

    fn write_words<W: Copy + Into<u64>>(&self, dims: &[usize], values: &[W], out: &mut Vec<u8>) {
        if self.count == 0 {
            out.push(0);
            return;
        }
        let kinds = self.kinds(values);
        let held: usize = kinds.iter().map(|k| k.1).sum();
        let strays = self.count - held;
        out.push(kinds.len() as u8 | if strays > 0 { STRAYS } else { 0 });
        let mut marks = Vec::new();
        for (bits, _) in &kinds {
            out.put(&bits.to_le_bytes()[..size_of::<W>()]);
            marks.clear();
            marks.resize(self.words.len(), 0u64);
            for i in self.iter().filter(|i| values[*i].into() == *bits) {
                marks[i / 64] |= 1 << (i % 64);
            }
            mask::write(&marks, self.len, dims, out);
        }
        if strays > 0 {
            let mut gaps = Vec::new();
            let mut planes = vec![Vec::with_capacity(strays); size_of::<W>()];
            let mut next = 0;
            for i in self.iter() {
                let bits: u64 = values[i].into();
                if kinds.iter().any(|k| k.0 == bits) {
                    continue;
                }
                gaps.put_varint((i - next) as u64);
                next = i + 1;
                for (plane, byte) in planes.iter_mut().zip(bits.to_le_bytes()) {
                    plane.push(byte);
                }
            }
            for plane in &planes {
                gaps.extend_from_slice(plane);
            }
            out.put_varint(strays as u64);
            pack_bytes(&gaps, LEVEL, out);
        }
    }

    /// The patterns that many holes hold, the most frequent first.
    fn kinds<W: Copy + Into<u64>>(&self, values: &[W]) -> Vec<(u64, usize)> {
        let mut seen: Vec<(u64, usize)> = Vec::with_capacity(COUNTED);
        let mut last = 0;
        for i in self.iter() {
            let bits = values[i].into();
            if seen.get(last).is_none_or(|s| s.0 != bits) {
                match seen.iter().position(|s| s.0 == bits) {
                    Some(at) => last = at,
                    None if seen.len() < COUNTED => {
                        last = seen.len();
                        seen.push((bits, 0));
                    }
                    None => continue,
                }
            }
            seen[last].1 += 1;
        }
        seen.retain(|s| s.1 >= KIND);
        seen.sort_unstable_by_key(|s| (std::cmp::Reverse(s.1), s.0));
        seen.truncate(MOST_KINDS);
        seen
    }
}

/// Positions of the bits that are set, ascending.
fn positions(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().filter(|(_, w)| **w != 0).flat_map(|(at, word)| {
        let mut word = *word;
        std::iter::from_fn(move || {
            let bit = word.trailing_zeros() as usize;
            (word != 0).then(|| {
                word &= word - 1;
                at * 64 + bit
            })
        })
    })
}

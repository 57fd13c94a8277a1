//! Holes as they are read back.

use super::{KINDS, MOST_KINDS, STRAYS, mask, positions};
use crate::array::{Buf, DType};
use crate::coding::bytes::Reader;
use crate::coding::entropy::unpack_bytes;
use crate::error::{Result, refuse};

/// The exact elements of a chunk: put into it last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::coding) struct Patches {
    /// Bit pattern, and the marks of where it stands.
    kinds: Vec<(u64, Vec<u64>)>,
    strays: Strays,
}

/// Positions and bits as they were written, checked: a list of both would take many times the memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Strays {
    count: usize,
    /// Varints of the gaps between positions, then all first bytes of the elements, all second ones, …
    bytes: Vec<u8>,
    /// Where the gaps end.
    gaps: usize,
}

impl Patches {
    /// Reads what [`super::Holes::write`] wrote for a chunk of shape `dims` and of `dtype` (a real one).
    ///
    /// Takes time and memory in proportion to the elements and the bytes, whatever the bytes are.
    ///
    /// # Errors
    /// `Corrupt` for bytes that no encoder writes; `Io` without memory.
    pub(in crate::coding) fn read(reader: &mut Reader<'_>, dims: &[usize], dtype: DType) -> Result<Self> {
        let n = dims.iter().product::<usize>();
        let size = dtype.size();
        let head = reader.u8()?;
        let count = usize::from(head & KINDS);
        if head & !(KINDS | STRAYS) != 0 || count > MOST_KINDS {
            return refuse!(Corrupt, "the exact elements of a coded chunk begin with {head:#04x}");
        }
        let mut patches = Self::default();
        for _ in 0..count {
            let mut bits = [0; 8];
            bits[..size].copy_from_slice(reader.take(size)?);
            patches.kinds.push((u64::from_le_bytes(bits), mask::read(reader, n, dims)?));
        }
        if head & STRAYS != 0 {
            let strays = reader.length(n)?;
            // A gap below 128 takes one byte; a longer one at most gap/128 more, and all together are no more than the chunk.
            let most = strays.saturating_mul(1 + size).saturating_add(n / 128);
            patches.strays = Strays::check(unpack_bytes(reader, most)?, strays, n, size)?;
        }
        Ok(patches)
    }

    /// Whether there is nothing to put in.
    #[cfg(test)]
    pub(in crate::coding) fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.strays.count == 0
    }

    /// Puts the exact elements into `out`, the chunk that they were read for.
    pub(in crate::coding) fn apply(&self, out: &mut Buf) {
        match out.dtype().size() {
            1 => self.put(out.slice_mut::<u8>(), |b| b as u8),
            2 => self.put(out.slice_mut::<u16>(), |b| b as u16),
            4 => self.put(out.slice_mut::<u32>(), |b| b as u32),
            _ => self.put(out.slice_mut::<u64>(), |b| b),
        }
    }

    fn put<W: Copy>(&self, out: &mut [W], word: impl Fn(u64) -> W) {
        for (bits, marks) in &self.kinds {
            let value = word(*bits);
            for (marks, out) in marks.iter().zip(out.chunks_mut(64)) {
                if *marks == u64::MAX {
                    out.fill(value);
                } else {
                    for i in positions(&[*marks]) {
                        if let Some(out) = out.get_mut(i) {
                            *out = value;
                        }
                    }
                }
            }
        }
        let size = size_of::<W>();
        for (stray, i) in self.strays.positions().enumerate() {
            let bytes =
                (0..size).filter_map(|b| self.strays.bytes.get(self.strays.gaps + b * self.strays.count + stray));
            let bits = bytes.enumerate().fold(0, |bits, (b, byte)| bits | u64::from(*byte) << (8 * b));
            if let Some(out) = out.get_mut(i) {
                *out = word(bits);
            }
        }
    }
}

impl Strays {
    /// Refuses positions beyond `n` and lengths that do not fit.
    fn check(bytes: Vec<u8>, count: usize, n: usize, size: usize) -> Result<Self> {
        let mut reader = Reader::new(&bytes);
        let mut next = 0usize;
        for _ in 0..count {
            let at = next.saturating_add(reader.length(n)?);
            if at >= n {
                return refuse!(Corrupt, "a coded chunk of {n} elements has an exact one at {at}");
            }
            next = at + 1;
        }
        let rest = reader.rest().len();
        if Some(rest) != count.checked_mul(size) {
            return refuse!(Corrupt, "{count} exact elements of a coded chunk have {rest} bytes");
        }
        let gaps = bytes.len() - rest;
        Ok(Self { count, bytes, gaps })
    }

    fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        let mut reader = Reader::new(&self.bytes);
        let mut next = 0usize;
        (0..self.count).map_while(move |_| {
            let at = next.checked_add(reader.varint().ok()? as usize)?;
            next = at + 1;
            Some(at)
        })
    }
}

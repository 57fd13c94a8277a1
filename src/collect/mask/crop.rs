//! A box of a packed mask: counted, or unpacked.

use std::ops::ControlFlow::{self, Break, Continue};

use bitvec::vec::BitVec;
use ndarray::{ArrayD, IxDyn};

use super::bits::Bits;
use super::{Bytes, PackedMask};
use crate::array::{Buf, Span, index_of};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Source, Work};

/// Bytes of rows that are read together where they cannot be mapped: at first, and once more are wanted.
const FEW_BYTES: u64 = 64 << 10;
const MANY_BYTES: u64 = 1 << 20;

/// A box of a [`PackedMask`]: nothing of it is read before it is asked for.
#[derive(Debug, Clone)]
pub struct MaskCrop<'a> {
    pub(super) mask: &'a PackedMask,
    pub(super) start: Vec<u64>,
    pub(super) shape: Vec<u64>,
}

impl MaskCrop<'_> {
    /// Lengths of its axes.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Its elements.
    pub fn len(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements are set, counted by words without unpacking.
    ///
    /// # Errors
    /// None of a mapped mask; of one in chunks, `Corrupt` and `Io` where a chunk cannot be decoded or read.
    pub fn count_ones(&self) -> Result<u64> {
        let mut ones = 0;
        self.all_rows(|row| ones += row.count_ones(self.mask.order))?;
        Ok(ones)
    }

    /// Whether any element is set. Not much is read after the first such.
    ///
    /// # Errors
    /// As [`MaskCrop::count_ones`].
    pub fn any(&self) -> Result<bool> {
        self.rows(|row| if row.count_ones(self.mask.order) > 0 { Break(()) } else { Continue(()) })
            .map(|f| f.is_break())
    }

    /// Whether all elements are set; true where there are none, as in NumPy. Not much is read after the first that is not.
    ///
    /// # Errors
    /// As [`MaskCrop::count_ones`].
    pub fn all(&self) -> Result<bool> {
        let is_full = |row: Bits<'_>| row.count_ones(self.mask.order) == row.len as u64;
        self.rows(|row| if is_full(row) { Continue(()) } else { Break(()) }).map(|f| f.is_continue())
    }

    /// The elements in C order, one bit each.
    ///
    /// # Errors
    /// `Io` where memory does not suffice; as [`MaskCrop::count_ones`].
    pub fn to_bits(&self) -> Result<BitVec> {
        let mut bits = BitVec::new();
        let words = usize::try_from(self.len().div_ceil(u64::from(usize::BITS))).unwrap_or(usize::MAX);
        let mut words_of: Vec<usize> = room(words)?;
        let (mut word, mut filled) = (0u64, 0u32);
        self.all_rows(|row| {
            row.words(self.mask.order, |bits, n| {
                word |= bits << filled;
                if filled + n >= 64 {
                    words_of.push(word as usize);
                    // What did not fit; all of it did where nothing was there before.
                    word = if filled == 0 { 0 } else { bits >> (64 - filled) };
                    filled = filled + n - 64;
                } else {
                    filled += n;
                }
            });
        })?;
        if filled > 0 {
            words_of.push(word as usize);
        }
        if usize::BITS == 64 {
            bits = BitVec::from_vec(words_of);
            bits.truncate(self.len() as usize);
        } else {
            self.all_rows(|row| {
                row.words(self.mask.order, |word, n| (0..n).for_each(|i| bits.push(word >> i & 1 == 1)));
            })?;
        }
        Ok(bits)
    }

    /// The elements as an array of the crop's shape.
    ///
    /// # Errors
    /// `Io` where memory does not suffice; as [`MaskCrop::count_ones`].
    pub fn to_array(&self) -> Result<ArrayD<bool>> {
        let mut values: Vec<bool> = room(usize::try_from(self.len()).unwrap_or(usize::MAX))?;
        self.all_rows(|row| {
            row.words(self.mask.order, |word, n| values.extend((0..n).map(|i| word >> i & 1 == 1)));
        })?;
        let shape: Vec<usize> = self.shape.iter().map(|d| *d as usize).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| {
            Error::new(ErrorKind::Usage, format!("the crop {:?} does not fit an ndarray: {e}", self.shape))
        })
    }

    fn all_rows(&self, mut take: impl FnMut(Bits<'_>)) -> Result<()> {
        self.rows(|row| {
            take(row);
            Continue(())
        })
        .map(|_| ())
    }

    /// Gives the bits of each row of the crop along the last axis to `take`, until it breaks off.
    fn rows(&self, mut take: impl FnMut(Bits<'_>) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let mask = self.mask;
        let lead = self.shape.len().saturating_sub(1);
        let row_bytes = mask.shape.last().copied().unwrap_or(0).div_ceil(8);
        let (first, len) = (self.start.last().copied().unwrap_or(0), self.shape.last().copied().unwrap_or(0));
        let count: u64 = if len == 0 { 0 } else { self.shape[..lead].iter().product() };
        let span = |i: u64| {
            let row = index_of(&self.shape[..lead], i)
                .iter()
                .zip(&self.start)
                .zip(&mask.shape)
                .fold(0, |row, ((i, start), length)| row * length + start + i);
            let from = row * row_bytes + first / 8;
            Span::new(from, row * row_bytes + (first + len).div_ceil(8) - from)
        };
        let (before, len) = ((first % 8) as usize, len as usize);
        let reader = match &mask.bytes {
            Bytes::Mapped(mapping) => {
                for i in 0..count {
                    let span = span(i);
                    // Always there: the mapping is as long as the shape says.
                    let bytes = mapping.bytes().get(span.start as usize..span.end() as usize);
                    if bytes.is_some_and(|bytes| take(Bits { bytes, first: before, len }).is_break()) {
                        return Ok(Break(()));
                    }
                }
                return Ok(Continue(()));
            }
            Bytes::Read(reader) => reader,
        };
        let (mut buf, mut work, mut spans) = (Buf::new(), Work::new(0), Vec::new());
        work.keep = true;
        // Few rows at first, since the answer may be in them.
        let each = (first + len as u64).div_ceil(8) - first / 8;
        let (mut at, mut rows) = (0, (FEW_BYTES / each).max(1));
        while at < count {
            let end = (at + rows).min(count);
            spans.clear();
            (at..end).for_each(|i| Span::push(&mut spans, span(i)));
            reader.opened().read(&spans, &mut buf, &mut work)?;
            for bytes in buf.bytes().chunks_exact(each as usize) {
                if take(Bits { bytes, first: before, len }).is_break() {
                    return Ok(Break(()));
                }
            }
            (at, rows) = (end, (2 * rows).min((MANY_BYTES / each).max(1)));
        }
        Ok(Continue(()))
    }
}

/// Room for so many items.
fn room<T>(len: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    match items.try_reserve_exact(len) {
        Ok(()) => Ok(items),
        Err(_) => refuse!(Io, "no memory for {len} values of a mask; take a smaller crop"),
    }
}

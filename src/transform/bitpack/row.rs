//! Rows of values and rows of bytes: which belongs to which, and packing whole rows and parts of them.

use std::ops::Range;

use super::bits::{self, GROUP, Packable, pack_bits, pack_nbits, unpack_bits, unpack_nbits};
use super::{BitOrder, Unit};
use crate::array::simd::vectorize;
use crate::array::{Scalar, Span};
use crate::error::{Result, refuse};
use crate::transform::{Refused, Why};

/// Values tested between two questions whether any did not fit.
const CHUNK: usize = 4096;

/// Bits of a byte.
const BYTE: u64 = 8;

/// The rows of an array: `len` values of `bits` bits each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) len: u64,
    pub(super) bits: u32,
}

/// A part of a row, in elements of the side that was cut.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) row: u64,
    pub(super) within: Range<u64>,
}

/// `spans` cut at the borders of rows of `len` elements.
pub(super) fn parts(spans: &[Span], len: u64) -> impl Iterator<Item = Part> + '_ {
    spans.iter().filter(move |s| s.len > 0 && len > 0).flat_map(move |span| {
        (span.start / len..=(span.end() - 1) / len).map(move |row| {
            let origin = row * len;
            Part { row, within: span.start.saturating_sub(origin)..(span.end() - origin).min(len) }
        })
    })
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Rows {
    const fn n(self) -> u64 {
        self.bits as u64
    }

    /// Bytes of `values` values laid end to end, rounded up; saturating, and `Spec::new` refuses what saturates.
    fn bytes_up(self, values: u64) -> u64 {
        // Whole groups first, so that nothing overflows early.
        (values / BYTE).saturating_mul(self.n()).saturating_add((values % BYTE * self.n()).div_ceil(BYTE))
    }

    /// Bytes of a packed row.
    pub(super) fn bytes(self) -> u64 {
        self.bytes_up(self.len)
    }

    /// Whether rows fill their last byte, so that the bits run on from row to row.
    fn run_on(self) -> bool {
        (self.len % BYTE * self.n()).is_multiple_of(BYTE)
    }

    /// The smallest piece that packs alone: the fewest values that fill whole bytes, or a row.
    pub(super) fn unit(self) -> Unit {
        if self.run_on() {
            let common = gcd(BYTE, self.n());
            Unit { input: BYTE / common, output: self.n() / common }
        } else {
            Unit { input: self.len, output: self.bytes() }
        }
    }

    /// Values and bytes of the pieces in which `values` values in whole units are packed: all at once, or row by row.
    pub(super) fn piece(self, values: usize) -> (usize, usize) {
        let len = if self.run_on() { values.max(1) } else { self.len as usize };
        (len, (self.bytes_up(len as u64) as usize).max(1))
    }

    /// The values that bytes `within` of a row hold any bit of.
    pub(super) fn values_of(self, within: Range<u64>) -> Range<u64> {
        let n = self.n();
        let start = within.start / n * BYTE + within.start % n * BYTE / n;
        let end = within.end / n * BYTE + (within.end % n * BYTE).div_ceil(n);
        start..end.min(self.len)
    }

    /// The bytes that hold any bit of values `within` of a row.
    pub(super) fn bytes_of(self, within: Range<u64>) -> Range<u64> {
        within.start / BYTE * self.n() + within.start % BYTE * self.n() / BYTE..self.bytes_up(within.end)
    }

    /// The input position of the value that the byte at packed position `at` begins with.
    pub(super) fn origin(self, at: u64) -> u64 {
        let bytes = self.bytes().max(1);
        at / bytes * self.len + self.values_of(at % bytes..at % bytes + 1).start
    }
}

/// How values become bits, and which ones cannot.
pub(super) struct Packer {
    pub(super) bits: u32,
    pub(super) order: BitOrder,
    pub(super) signed: bool,
    /// The least value that fits.
    pub(super) low: i64,
    /// The greatest value that fits.
    pub(super) high: i64,
    pub(super) boolean: bool,
}

impl Packer {
    /// Refuses the values that do not fit; `start` is the position of the first.
    pub(super) fn check<T: Packable>(&self, values: &[T], start: u64, refused: &mut Refused) {
        for (chunk, k) in values.chunks(CHUNK).zip(0u64..) {
            let outside = vectorize(
                #[inline(always)]
                || T::any_outside(chunk, self.low, self.high),
            );
            if outside {
                let positions = start + k * CHUNK as u64..;
                chunk.iter().zip(positions).for_each(|(v, at)| self.check_one(v.wide(), at, refused));
            }
        }
    }

    fn check_one(&self, value: i128, at: u64, refused: &mut Refused) {
        if (i128::from(self.low)..=i128::from(self.high)).contains(&value) {
            return;
        }
        let why = if self.boolean { Why::NotBool } else { Why::OutOfRange };
        // Ranks by the bits needed: -128 takes as many as 127.
        let magnitude = if value < 0 { !value } else { value };
        refused.add(why, at, Scalar::Int(value), None, magnitude as f64);
    }

    /// Refuses a bool array whose packed values are not all 0 or 1: no file of ours has them.
    pub(super) fn check_restored<T: Packable>(&self, values: &[T]) -> Result<()> {
        if self.boolean && self.bits > 1 && T::any_outside(values, 0, 1) {
            return refuse!(Corrupt, "a packed value of a bool array is neither 0 nor 1; the file is damaged");
        }
        Ok(())
    }

    /// Packs values from the beginning of a group on.
    pub(super) fn pack<T: Packable>(&self, values: &[T], out: &mut [u8]) {
        match T::as_bytes(values) {
            Some(bytes) if self.bits == 1 => pack_bits(bytes, self.order, out),
            _ => pack_nbits(values, self.bits, self.order, out),
        }
    }

    /// Unpacks values from the beginning of a group on.
    pub(super) fn unpack<T: Packable>(&self, bytes: &[u8], out: &mut [T]) {
        if self.bits == 1
            && !self.signed
            && let Some(out) = T::as_bytes_mut(out)
        {
            unpack_bits(bytes, self.order, out);
        } else {
            unpack_nbits(bytes, self.bits, self.order, self.signed, out);
        }
    }

    /// Packs the bytes `want` of `rows` from the values that hold any bit of them.
    pub(super) fn pack_parts<T: Packable>(
        &self,
        rows: Rows,
        want: &[Span],
        input: &[T],
        out: &mut [u8],
        refused: &mut Refused,
    ) {
        let n = u64::from(self.bits);
        let (mut from, mut to) = (0usize, 0usize);
        for part in parts(want, rows.bytes()) {
            let (bytes, held) = (part.within.clone(), rows.values_of(part.within));
            let values = &input[from..from + (held.end - held.start) as usize];
            let out = &mut out[to..to + (bytes.end - bytes.start) as usize];
            (from, to) = (from + values.len(), to + out.len());
            // A value is judged where its first bit stands, so that parts together judge it once.
            let shared = usize::from(rows.bytes_of(held.start..held.end).start < bytes.start);
            if let Some(own) = values.get(shared..) {
                self.check(own, part.row * rows.len + held.start + shared as u64, refused);
            }
            // Whole groups by the fast way, the bytes before and after bit by bit.
            let head = bytes.start.next_multiple_of(n).min(bytes.end);
            let tail = if bytes.end == rows.bytes() { bytes.end } else { (bytes.end / n * n).max(head) };
            for slow in [bytes.start..head, tail..bytes.end] {
                let out = &mut out[(slow.start - bytes.start) as usize..(slow.end - bytes.start) as usize];
                out.fill(0);
                if slow.is_empty() {
                    continue;
                }
                // Counted from the group, so that no product overflows.
                let group = slow.start / n;
                for k in rows.values_of(slow.clone()) {
                    let value = values[(k - held.start) as usize].low_bits();
                    bits::set(out, slow.start - group * n, k - group * BYTE, self.bits, self.order, value);
                }
            }
            if head < tail {
                let held_fast = rows.values_of(head..tail);
                let values = &values[(held_fast.start - held.start) as usize..(held_fast.end - held.start) as usize];
                self.pack(values, &mut out[(head - bytes.start) as usize..(tail - bytes.start) as usize]);
            }
        }
    }

    /// Unpacks the values `want` of `rows` from the bytes that hold any bit of them.
    pub(super) fn unpack_parts<T: Packable>(&self, rows: Rows, want: &[Span], input: &[u8], out: &mut [T]) {
        let (mut from, mut to) = (0usize, 0usize);
        for part in parts(want, rows.len) {
            let bytes = rows.bytes_of(part.within.clone());
            let out = &mut out[to..to + (part.within.end - part.within.start) as usize];
            to += out.len();
            let held = &input[from..from + (bytes.end - bytes.start) as usize];
            from += held.len();
            self.unpack_part(part.within, bytes.start, held, out);
        }
    }

    /// The values that [`Rows::values_of`] names for the bytes `want`, from these bytes.
    pub(super) fn reconstruct_parts<T: Packable>(&self, rows: Rows, want: &[Span], input: &[u8], back: &mut [T]) {
        let (mut from, mut to) = (0usize, 0usize);
        for part in parts(want, rows.bytes()) {
            let held = &input[from..from + (part.within.end - part.within.start) as usize];
            from += held.len();
            let values = rows.values_of(part.within.clone());
            let out = &mut back[to..to + (values.end - values.start) as usize];
            to += out.len();
            self.unpack_part(values, part.within.start, held, out);
        }
    }

    /// Unpacks values `within` of a row of which `bytes` are there, from byte `first` on.
    fn unpack_part<T: Packable>(&self, within: Range<u64>, first: u64, bytes: &[u8], out: &mut [T]) {
        let n = u64::from(self.bits);
        // Whole groups whose bytes are all there by the fast way, the values before and after bit by bit.
        let head = within.start.next_multiple_of(GROUP as u64).max(first.div_ceil(n) * BYTE).min(within.end);
        let rows = Rows { len: u64::MAX, bits: self.bits };
        let there = first + bytes.len() as u64;
        let tail =
            if rows.bytes_up(within.end) <= there { within.end } else { (there / n * BYTE).clamp(head, within.end) };
        for slow in [within.start..head, tail..within.end] {
            for k in slow {
                let group = (first / n).min(k / BYTE);
                let value = bits::get(bytes, first - group * n, k - group * BYTE, self.bits, self.order);
                let shift = bits::MAX_BITS - self.bits;
                out[(k - within.start) as usize] = if self.signed {
                    T::from_signed(((value << shift) as i32) >> shift)
                } else {
                    T::from_unsigned(value)
                };
            }
        }
        if head < tail {
            let held = rows.bytes_of(head..tail);
            let bytes = &bytes[(held.start - first) as usize..(held.end - first) as usize];
            self.unpack(bytes, &mut out[(head - within.start) as usize..(tail - within.start) as usize]);
        }
    }
}

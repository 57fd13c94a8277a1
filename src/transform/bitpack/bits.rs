//! Kernels: one packed row at a time, on plain slices.
//!
//! Speed: one bit a value goes by a multiplication of eight bytes at once. N bits go by fours (N <= 16) or twos, joined
//! side by side in one 64-bit word, which vectorises; only the last join, of eight values to N bytes, is done one by one,
//! in 128 bits. N is a constant of each copy of the code, so that no shift is decided at run time.

use super::BitOrder;
use crate::array::simd::vectorize;

/// Values of one group: whatever N, eight values fill N whole bytes.
pub(super) const GROUP: usize = 8;

/// Values handled at a time between two stages: small enough for the first-level cache, a multiple of [`GROUP`].
const CHUNK: usize = 1024;

/// The widest value.
pub(super) const MAX_BITS: u32 = 32;

/// Bytes moved at once: a group of the widest values in two such moves.
const STEP: usize = 16;

/// An integer element that can be packed: `bool` goes as `u8`.
pub trait Packable: Copy + Send + Sync {
    /// The low 32 bits, two's complement.
    #[doc(hidden)]
    fn low_bits(self) -> u32;
    /// From the low 32 bits, sign-extended where the caller wants a sign.
    #[doc(hidden)]
    fn from_signed(bits: i32) -> Self;
    /// From the low 32 bits, zero-extended.
    #[doc(hidden)]
    fn from_unsigned(bits: u32) -> Self;
    /// The value.
    #[doc(hidden)]
    fn wide(self) -> i128;
    /// The values as bytes, if they are bytes.
    #[doc(hidden)]
    fn as_bytes(values: &[Self]) -> Option<&[u8]>;
    /// The values as bytes, if they are bytes.
    #[doc(hidden)]
    fn as_bytes_mut(values: &mut [Self]) -> Option<&mut [u8]>;
    /// Whether any value lies outside `low..=high` (both clamped to what the type holds).
    #[doc(hidden)]
    fn any_outside(values: &[Self], low: i64, high: i64) -> bool;
}

macro_rules! packable {
    ($($T:ty),*) => { $(impl Packable for $T {
        #[inline(always)]
        fn low_bits(self) -> u32 { self as u32 }
        #[inline(always)]
        fn from_signed(bits: i32) -> Self { bits as $T }
        #[inline(always)]
        fn from_unsigned(bits: u32) -> Self { bits as $T }
        #[inline(always)]
        fn wide(self) -> i128 { self.into() }
        #[inline(always)]
        fn as_bytes(values: &[Self]) -> Option<&[u8]> { (size_of::<$T>() == 1).then(|| bytemuck::cast_slice(values)) }
        #[inline(always)]
        fn as_bytes_mut(values: &mut [Self]) -> Option<&mut [u8]> {
            if size_of::<$T>() == 1 { Some(bytemuck::cast_slice_mut(values)) } else { None }
        }
        #[inline(always)]
        fn any_outside(values: &[Self], low: i64, high: i64) -> bool {
            let low = <$T>::try_from(low).unwrap_or(<$T>::MIN);
            let high = <$T>::try_from(high).unwrap_or(<$T>::MAX);
            values.iter().fold(false, |any, v| any | (*v < low) | (*v > high))
        }
    })* };
}
packable!(u8, u16, u32, u64, i8, i16, i32, i64);

/// Multiplying eight 0/1 bytes by this gathers the first byte's bit at bit 56, the last one's at bit 63.
const GATHER_LITTLE: u64 = 0x0102_0408_1020_4080;
/// As [`GATHER_LITTLE`], the first byte's bit at bit 63.
const GATHER_BIG: u64 = 0x8040_2010_0804_0201;
/// A one in each byte: copies a byte to all eight.
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
/// A one in each 16-bit lane.
const EACH_LANE: u64 = 0x0001_0001_0001_0001;
/// Added to a byte with at most one bit set, carries into its top bit if that bit is set.
const CARRY: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// Packs 0/1 bytes to bits, one row: `np.packbits(values, bitorder=order)`. Only the lowest bit of a byte counts.
///
/// # Panics
/// Unless `out` has `values.len().div_ceil(8)` bytes.
///
/// ```
/// use ndcompact::transform::{BitOrder, pack_bits};
/// let mut out = [0; 2];
/// pack_bits(&[1, 1, 0, 0, 0, 0, 0, 0, 1], BitOrder::Big, &mut out);
/// assert_eq!(out, [0b1100_0000, 0b1000_0000]);
/// ```
pub fn pack_bits(values: &[u8], order: BitOrder, out: &mut [u8]) {
    assert_eq!(out.len(), values.len().div_ceil(8), "bytes for {} bits", values.len());
    match order {
        BitOrder::Big => vectorize(
            #[inline(always)]
            || gather::<GATHER_BIG>(values, out),
        ),
        BitOrder::Little => vectorize(
            #[inline(always)]
            || gather::<GATHER_LITTLE>(values, out),
        ),
    }
}

#[inline(always)]
fn gather<const FACTOR: u64>(values: &[u8], out: &mut [u8]) {
    let (groups, rest) = values.as_chunks::<8>();
    let byte = |group: &[u8; 8]| ((u64::from_le_bytes(*group) & EACH_BYTE).wrapping_mul(FACTOR) >> 56) as u8;
    for (byte_out, group) in out.iter_mut().zip(groups) {
        *byte_out = byte(group);
    }
    if let (Some(last), false) = (out.last_mut(), rest.is_empty()) {
        let mut group = [0; 8];
        group[..rest.len()].copy_from_slice(rest);
        *last = byte(&group);
    }
}

/// Unpacks bits to 0/1 bytes, one row: `np.unpackbits(bytes, bitorder=order, count=out.len())`.
///
/// # Panics
/// Unless `bytes` has `out.len().div_ceil(8)` bytes.
///
/// ```
/// use ndcompact::transform::{BitOrder, unpack_bits};
/// let mut out = [9; 3];
/// unpack_bits(&[0b1010_0000], BitOrder::Big, &mut out);
/// assert_eq!(out, [1, 0, 1]);
/// ```
pub fn unpack_bits(bytes: &[u8], order: BitOrder, out: &mut [u8]) {
    assert_eq!(bytes.len(), out.len().div_ceil(8), "bytes for {} bits", out.len());
    match order {
        // The mask picks from each copy of the byte the bit that belongs there.
        BitOrder::Big => vectorize(
            #[inline(always)]
            || scatter::<GATHER_LITTLE>(bytes, out),
        ),
        BitOrder::Little => vectorize(
            #[inline(always)]
            || scatter::<GATHER_BIG>(bytes, out),
        ),
    }
}

#[inline(always)]
fn scatter<const MASK: u64>(bytes: &[u8], out: &mut [u8]) {
    let (groups, rest) = out.as_chunks_mut::<8>();
    // The mask's lowest byte is 0x80 for big, 0x01 for little: the first value's bit.
    let spread = |byte: u8| {
        (((u64::from(byte).wrapping_mul(EACH_BYTE) & MASK).wrapping_add(CARRY) >> 7) & EACH_BYTE).to_le_bytes()
    };
    for (group, byte) in groups.iter_mut().zip(bytes) {
        *group = spread(*byte);
    }
    if let (Some(byte), false) = (bytes.last(), rest.is_empty()) {
        rest.copy_from_slice(&spread(*byte)[..rest.len()]);
    }
}

/// Runs `$body` with the constant `$N` equal to `$bits` (1..=32), or `$other`.
macro_rules! with_bits {
    ($bits:expr, $N:ident => $body:expr, else $other:expr; $($n:literal)*) => {
        match $bits { $($n => { const $N: usize = $n; $body })* _ => $other }
    };
    ($bits:expr, $N:ident => $body:expr, else $other:expr) => {
        with_bits!($bits, $N => $body, else $other; 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27
            28 29 30 31 32)
    };
}

/// Packs the low `bits` bits (1 to 32) of each value, one row, without any gap; the last byte is filled with zeros.
///
/// Big order: value k takes bits `k * bits ..` of the row counted from the highest bit of its first byte, its own highest
/// bit first. Little order: counted from the lowest bit of the first byte, its own lowest bit first.
///
/// # Panics
/// Unless `out` has `(values.len() * bits).div_ceil(8)` bytes.
///
/// ```
/// use ndcompact::transform::{BitOrder, pack_nbits};
/// let mut out = [0; 3];
/// pack_nbits(&[0xabcu16, 0x123], 12, BitOrder::Big, &mut out);
/// assert_eq!(out, [0xab, 0xc1, 0x23]);
/// pack_nbits(&[0xabcu16, 0x123], 12, BitOrder::Little, &mut out);
/// assert_eq!(out, [0xbc, 0x3a, 0x12]);
/// ```
pub fn pack_nbits<T: Packable>(values: &[T], bits: u32, order: BitOrder, out: &mut [u8]) {
    assert_eq!(
        out.len(),
        (values.len() * bits as usize).div_ceil(8),
        "bytes for {} values of {bits} bits",
        values.len()
    );
    // Dtypes and widths meet in lanes: kernels for each dtype and for each width, not for each pair of both.
    let mut lanes: Lanes = [0; CHUNK / 2];
    for (i, values) in values.chunks(CHUNK).enumerate() {
        let out = &mut out[i * (CHUNK / GROUP * bits as usize)..];
        let groups = values.len().div_ceil(GROUP);
        if values.len() < CHUNK {
            // A short last chunk leaves zeros behind its values.
            lanes.fill(0);
        }
        to_lanes(values, bits, &mut lanes);
        with_bits!(bits, N => match order {
            BitOrder::Big => join::<N, true>(&mut lanes, groups, out),
            BitOrder::Little => join::<N, false>(&mut lanes, groups, out),
        }, else {});
    }
}

/// One chunk's values side by side: 16 bits each for widths up to 16 (in the first half), else 32 bits each.
type Lanes = [u64; CHUNK / 2];

fn to_lanes<T: Packable>(values: &[T], bits: u32, lanes: &mut Lanes) {
    let narrow = bits <= 16;
    vectorize(
        #[inline(always)]
        move || {
            if narrow {
                for (lane, v) in bytemuck::cast_slice_mut::<u64, u16>(lanes).iter_mut().zip(values) {
                    *lane = (v.low_bits() as u16).to_le();
                }
            } else {
                for (lane, v) in bytemuck::cast_slice_mut::<u64, u32>(lanes).iter_mut().zip(values) {
                    *lane = v.low_bits().to_le();
                }
            }
        },
    );
}

fn from_lanes<T: Packable>(lanes: &Lanes, bits: u32, signed: bool, out: &mut [T]) {
    let narrow = bits <= 16;
    vectorize(
        #[inline(always)]
        move || {
            if narrow {
                let lanes = bytemuck::cast_slice::<u64, u16>(lanes).iter().map(|v| u32::from(u16::from_le(*v)));
                extend(lanes, bits, signed, out);
            } else {
                let lanes = bytemuck::cast_slice::<u64, u32>(lanes).iter().map(|v| u32::from_le(*v));
                extend(lanes, bits, signed, out);
            }
        },
    );
}

fn join<const N: usize, const BIG: bool>(lanes: &mut Lanes, groups: usize, out: &mut [u8]) {
    vectorize(
        #[inline(always)]
        move || match lanes.first_chunk_mut() {
            Some(half) if N <= 16 => join_fours::<N, BIG>(half, groups, out),
            _ => join_twos::<N, BIG>(lanes, groups, out),
        },
    );
}

fn split<const N: usize, const BIG: bool>(bytes: &[u8], groups: usize, lanes: &mut Lanes) {
    vectorize(
        #[inline(always)]
        move || match lanes.first_chunk_mut() {
            Some(half) if N <= 16 => split_fours::<N, BIG>(bytes, groups, half),
            _ => split_twos::<N, BIG>(bytes, groups, lanes),
        },
    );
}

/// Writes groups of N bytes, one for each of the first `groups` of `words`; of a last one that `bytes` cuts short, what
/// there is room for.
#[inline(always)]
fn write_groups<const N: usize, W: Copy>(
    bytes: &mut [u8],
    words: &[W],
    groups: usize,
    write: impl Fn(&mut [u8; N], W),
) {
    let (whole, rest) = bytes.as_chunks_mut::<N>();
    for (place, words) in whole.iter_mut().zip(words).take(groups) {
        write(place, *words);
    }
    if let (true, Some(words)) = (whole.len() < groups, words.get(whole.len())) {
        let mut place = [0; N];
        write(&mut place, *words);
        rest.copy_from_slice(&place[..rest.len()]);
    }
}

/// Writes the first N bytes of two sixteens.
#[inline(always)]
fn put<const N: usize>(place: &mut [u8; N], first: [u8; STEP], second: [u8; STEP]) {
    let cut = N.min(STEP);
    place[..cut].copy_from_slice(&first[..cut]);
    place[cut..].copy_from_slice(&second[..N - cut]);
}

/// Hands out each of `groups` groups of N bytes with what follows, `REACH` bytes in all; zeros follow the last byte.
#[inline(always)]
fn read_groups<const N: usize, const REACH: usize>(
    bytes: &[u8],
    groups: usize,
    mut read: impl FnMut(usize, &[u8; REACH]),
) {
    let direct = if bytes.len() < REACH { 0 } else { ((bytes.len() - REACH) / N + 1).min(groups) };
    for g in 0..direct {
        if let Some(place) = bytes[g * N..].first_chunk() {
            read(g, place);
        }
    }
    for g in direct..groups {
        let mut place = [0; REACH];
        let rest = &bytes[g * N..];
        let len = rest.len().min(N);
        place[..len].copy_from_slice(&rest[..len]);
        read(g, &place);
    }
}

/// Joins values that stand by fours in words, 16 bits each, the first lowest (N <= 16).
#[inline(always)]
fn join_fours<const N: usize, const BIG: bool>(lanes: &mut [u64; CHUNK / 4], groups: usize, bytes: &mut [u8]) {
    // In two steps of two, each over all lanes at once: 16 bits apart to N, then 32 bits apart to 2 N.
    let mask = u64::from(low_mask(N as u32)) * EACH_LANE;
    let (even, low) = (0x0000_ffff_0000_ffff, u64::from(u32::MAX));
    for word in lanes.iter_mut() {
        let x = u64::from_le(*word) & mask;
        let (a, b) = (x & even, x >> 16 & even);
        let y = if BIG { a << N | b } else { a | b << N };
        let (a, b) = (y & low, y >> 32);
        let z = if BIG { a << (2 * N) | b } else { a | b << (2 * N) };
        *word = match (N.is_multiple_of(2), BIG) {
            // Whole bytes already: put them in their order while all lanes are at hand.
            (true, true) => (z << (64 - 4 * N)).swap_bytes().to_le(),
            (true, false) => z.to_le(),
            (false, _) => z,
        };
    }
    let (pairs, _) = lanes.as_chunks::<2>();
    write_groups::<N, _>(
        bytes,
        pairs,
        groups,
        #[inline(always)]
        |place, pair| {
            if N.is_multiple_of(2) {
                let [a, b] = pair.map(u64::to_ne_bytes);
                // Eight bytes at once; the second word overwrites what the first has too many.
                place[..N.min(8)].copy_from_slice(&a[..N.min(8)]);
                place[N / 2..].copy_from_slice(&b[..N / 2]);
                return;
            }
            let [a, b] = pair.map(u128::from);
            let joined = if BIG {
                ((a << (4 * N) | b) << (128 - 8 * N)).to_be_bytes()
            } else {
                (a | b << (4 * N)).to_le_bytes()
            };
            put(place, joined, [0; STEP]);
        },
    );
}

/// Joins values that stand by twos in words, 32 bits each, the first lowest (16 < N <= 32).
#[inline(always)]
fn join_twos<const N: usize, const BIG: bool>(lanes: &mut [u64; CHUNK / 2], groups: usize, bytes: &mut [u8]) {
    let mask = u64::from(low_mask(N as u32));
    for word in lanes.iter_mut() {
        let x = u64::from_le(*word);
        let (a, b) = (x & mask, x >> 32 & mask);
        *word = if BIG { a << N | b } else { a | b << N };
    }
    // A group's 8 N bits are two halves of 4 N, moved together over the middle of two 128-bit numbers.
    let half = 4 * N as u32;
    let (fours, _) = lanes.as_chunks::<4>();
    write_groups::<N, _>(
        bytes,
        fours,
        groups,
        #[inline(always)]
        |place, four| {
            let [a, b, c, d] = four.map(u128::from);
            if BIG {
                let (first, second) = (a << (2 * N) | b, c << (2 * N) | d);
                let over = second.checked_shr(2 * half - 128).unwrap_or(0);
                put(place, (first << (128 - half) | over).to_be_bytes(), (second << (256 - 2 * half)).to_be_bytes());
            } else {
                let (first, second) = (a | b << (2 * N), c | d << (2 * N));
                let over = second.checked_shl(half).unwrap_or(0);
                put(place, (first | over).to_le_bytes(), (second >> (128 - half)).to_le_bytes());
            }
        },
    );
}

/// Unpacks values of `bits` bits (1 to 32), one row as [`pack_nbits`] made it, sign-extended if `signed`.
///
/// # Panics
/// Unless `bytes` has `(out.len() * bits).div_ceil(8)` bytes.
///
/// ```
/// use ndcompact::transform::{BitOrder, unpack_nbits};
/// let mut out = [0i16; 2];
/// unpack_nbits(&[0xff, 0xf0, 0x05], 12, BitOrder::Big, true, &mut out);
/// assert_eq!(out, [-1, 5]);
/// ```
pub fn unpack_nbits<T: Packable>(bytes: &[u8], bits: u32, order: BitOrder, signed: bool, out: &mut [T]) {
    assert_eq!(bytes.len(), (out.len() * bits as usize).div_ceil(8), "bytes for {} values of {bits} bits", out.len());
    let mut lanes: Lanes = [0; CHUNK / 2];
    for (i, out) in out.chunks_mut(CHUNK).enumerate() {
        let bytes = &bytes[i * (CHUNK / GROUP * bits as usize)..];
        let groups = out.len().div_ceil(GROUP);
        with_bits!(bits, N => match order {
            BitOrder::Big => split::<N, true>(bytes, groups, &mut lanes),
            BitOrder::Little => split::<N, false>(bytes, groups, &mut lanes),
        }, else {});
        from_lanes(&lanes, bits, signed, out);
    }
}

/// Values of `bits` bits to elements, sign-extended if `signed`.
#[inline(always)]
fn extend<T: Packable>(values: impl Iterator<Item = u32>, bits: u32, signed: bool, out: &mut [T]) {
    if signed {
        let above = 32 - bits;
        out.iter_mut().zip(values).for_each(|(to, v)| *to = T::from_signed(((v << above) as i32) >> above));
    } else {
        out.iter_mut().zip(values).for_each(|(to, v)| *to = T::from_unsigned(v));
    }
}

/// Sixteen bytes from `at` (at most sixteen from the end) as a number whose first bit is the highest (`BIG`) or the lowest.
#[inline(always)]
fn load<const BIG: bool>(bytes: &[u8], at: usize) -> u128 {
    let mut word = [0u8; STEP];
    word.copy_from_slice(&bytes[at..at + STEP]);
    if BIG { u128::from_be_bytes(word) } else { u128::from_le_bytes(word) }
}

/// The inverse of [`join_fours`].
#[inline(always)]
fn split_fours<const N: usize, const BIG: bool>(bytes: &[u8], groups: usize, lanes: &mut [u64; CHUNK / 4]) {
    let (pairs, _) = lanes.as_chunks_mut::<2>();
    read_groups::<N, STEP>(
        bytes,
        groups,
        #[inline(always)]
        |g, place| {
            let word = load::<BIG>(place, 0);
            // Bits of neighbours that come along are masked off below.
            pairs[g] = if BIG {
                [(word >> (128 - 4 * N)) as u64, (word >> (128 - 8 * N)) as u64]
            } else {
                [word as u64, (word >> (4 * N)) as u64]
            };
        },
    );
    let mask = u64::from(low_mask(N as u32));
    for word in lanes.iter_mut() {
        let x = *word;
        let (a, b, c, d) =
            if BIG { (x >> (3 * N), x >> (2 * N), x >> N, x) } else { (x, x >> N, x >> (2 * N), x >> (3 * N)) };
        *word = ((a & mask) | (b & mask) << 16 | (c & mask) << 32 | (d & mask) << 48).to_le();
    }
}

/// The inverse of [`join_twos`].
#[inline(always)]
fn split_twos<const N: usize, const BIG: bool>(bytes: &[u8], groups: usize, lanes: &mut [u64; CHUNK / 2]) {
    let (half, odd) = (4 * N, 4 * N % 8);
    let (fours, _) = lanes.as_chunks_mut::<4>();
    read_groups::<N, { 2 * STEP }>(
        bytes,
        groups,
        #[inline(always)]
        |g, place| {
            let (first, second) = (load::<BIG>(place, 0), load::<BIG>(place, half / 8));
            fours[g] = if BIG {
                let second = second << odd;
                [
                    (first >> (128 - 2 * N)) as u64,
                    (first >> (128 - half)) as u64,
                    (second >> (128 - 2 * N)) as u64,
                    (second >> (128 - half)) as u64,
                ]
            } else {
                let second = second >> odd;
                [first as u64, (first >> (2 * N)) as u64, second as u64, (second >> (2 * N)) as u64]
            };
        },
    );
    let mask = u64::from(low_mask(N as u32));
    for word in lanes.iter_mut() {
        let x = *word;
        let (a, b) = if BIG { (x >> N, x) } else { (x, x >> N) };
        *word = ((a & mask) | (b & mask) << 32).to_le();
    }
}

/// The lowest `bits` (1 to 32) bits.
#[inline(always)]
pub(super) const fn low_mask(bits: u32) -> u32 {
    u32::MAX >> (MAX_BITS - bits)
}

/// Value `k` of a row whose bytes from `first_byte` on are `bytes`; bits outside of them are taken as zeros.
pub(super) fn get(bytes: &[u8], first_byte: u64, k: u64, bits: u32, order: BitOrder) -> u32 {
    let mut value = 0u64;
    let start = k * u64::from(bits);
    let mut done = 0;
    while done < bits {
        let at = start + u64::from(done);
        let (shift, take) = ((at % 8) as u32, (8 - (at % 8) as u32).min(bits - done));
        let byte = (at / 8).checked_sub(first_byte).and_then(|i| bytes.get(i as usize)).copied().unwrap_or(0);
        let piece = |low: u32| u64::from(byte >> low) & ((1 << take) - 1);
        match order {
            BitOrder::Big => value = value << take | piece(8 - shift - take),
            BitOrder::Little => value |= piece(shift) << done,
        }
        done += take;
    }
    value as u32
}

/// Sets value `k` into zeroed `bytes`, the row's bytes from `first_byte` on; bits outside of them are dropped.
pub(super) fn set(bytes: &mut [u8], first_byte: u64, k: u64, bits: u32, order: BitOrder, value: u32) {
    let value = u64::from(value & low_mask(bits));
    let start = k * u64::from(bits);
    let mut done = 0;
    while done < bits {
        let at = start + u64::from(done);
        let (shift, take) = ((at % 8) as u32, (8 - (at % 8) as u32).min(bits - done));
        let piece = match order {
            BitOrder::Big => (value >> (bits - done - take) & ((1 << take) - 1)) << (8 - shift - take),
            BitOrder::Little => (value >> done & ((1 << take) - 1)) << shift,
        };
        if let Some(byte) = (at / 8).checked_sub(first_byte).and_then(|i| bytes.get_mut(i as usize)) {
            *byte |= piece as u8;
        }
        done += take;
    }
}

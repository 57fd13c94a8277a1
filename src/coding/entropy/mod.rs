//! Residuals to bytes by well-kept coders: pco for numbers, zstd on split bytes for what repeats.

mod pack;
mod pco;
mod split;

use bytemuck::Pod;

pub(in crate::coding) use pack::{pack_bytes, unpack_bytes};
pub(in crate::coding) use pco::{Numbers, pack, unpack};
pub(in crate::coding) use split::{split_pack, split_unpack};

/// An integer of the width that a chunk's map needs. Arithmetic wraps, in the coder as in the decoder.
pub(in crate::coding) trait Int: Numbers + Pod + Copy + Ord + Send + Sync {
    /// Bytes.
    const SIZE: usize;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn to_i64(self) -> i64;
    /// The low bits.
    fn from_i64(value: i64) -> Self;
    /// 0, −1, 1, −2, … to 0, 1, 2, 3, …, as little-endian bytes.
    fn zigzag(self) -> [u8; 8];
    fn unzigzag(bytes: [u8; 8]) -> Self;
}

macro_rules! ints {
    ($($T:ty, $U:ty;)*) => { $(impl Int for $T {
        const SIZE: usize = size_of::<$T>();

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            self.wrapping_add(other)
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            self.wrapping_sub(other)
        }

        #[inline(always)]
        fn to_i64(self) -> i64 {
            i64::from(self)
        }

        #[inline(always)]
        fn from_i64(value: i64) -> Self {
            value as Self
        }

        #[inline(always)]
        fn zigzag(self) -> [u8; 8] {
            u64::from(((self << 1) ^ (self >> (<$T>::BITS - 1))) as $U).to_le_bytes()
        }

        #[inline(always)]
        fn unzigzag(bytes: [u8; 8]) -> Self {
            let z = u64::from_le_bytes(bytes) as $U;
            (z >> 1) as $T ^ ((z & 1) as $T).wrapping_neg()
        }
    })* };
}
ints! { i32, u32; i64, u64; }

//! A block of elements: one grow-only allocation whose dtype can change, so that workers reuse it.

use bytemuck::{AnyBitPattern, CheckedBitPattern, NoUninit, Pod, Zeroable};
use half::f16;
use num_complex::Complex;

use super::{DType, Scalar, dtype};
use crate::error::{Result, refuse};

/// A Rust type that is an element of some [`DType`].
pub trait Element: NoUninit + CheckedBitPattern + Zeroable + Send + Sync {
    /// The dtype this type is.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($T:ty => $D:ident),* $(,)?) => { $(impl Element for $T { const DTYPE: DType = DType::$D; })* };
}
elements! {
    bool => Bool, i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    f16 => F16, f32 => F32, f64 => F64, Complex<f32> => C64, Complex<f64> => C128,
}

/// A block of elements in C order and native byte order.
///
/// Keeps its allocation when it is [reset](Buf::reset) to another length or dtype: one allocation per block costs 4 to
/// 5 times the work done on it.
#[derive(Debug, Default, Clone)]
pub struct Buf {
    dtype: Option<DType>,
    len: usize,
    /// Eight-byte words, so that every element type is aligned.
    words: Vec<u64>,
}

impl Buf {
    /// An empty buffer that has allocated nothing.
    pub const fn new() -> Self {
        Self { dtype: None, len: 0, words: Vec::new() }
    }

    /// Makes this a buffer of `len` elements of `dtype` with unspecified values. Refused, not aborted, without memory.
    pub fn reset(&mut self, dtype: DType, len: u64) -> Result<()> {
        let words = usize::try_from(len).ok().and_then(|n| n.checked_mul(dtype.size())).map(|b| b.div_ceil(8));
        let Some(words) = words else {
            return refuse!(Io, "a block of {len} {dtype} elements is larger than this machine can address");
        };
        if words > self.words.len() {
            if self.words.try_reserve_exact(words - self.words.len()).is_err() {
                return refuse!(Io, "no memory for a block of {len} {dtype} elements ({} bytes)", words * 8);
            }
            self.words.resize(words, 0);
        }
        self.dtype = Some(dtype);
        self.len = len as usize;
        Ok(())
    }

    /// A buffer that holds a copy of `values`.
    pub fn from_slice<T: Element>(values: &[T]) -> Result<Self> {
        let mut buf = Self::new();
        buf.reset(T::DTYPE, values.len() as u64)?;
        buf.bytes_mut().copy_from_slice(bytemuck::cast_slice(values));
        Ok(buf)
    }

    /// The dtype ([`DType::U8`] before the first reset).
    pub fn dtype(&self) -> DType {
        self.dtype.unwrap_or(DType::U8)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the allocation holds, used or not.
    pub fn capacity_bytes(&self) -> usize {
        self.words.len() * 8
    }

    fn byte_len(&self) -> usize {
        self.len * self.dtype().size()
    }

    /// All elements as native-endian bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.byte_len()]
    }

    /// All elements as native-endian bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let n = self.byte_len();
        &mut bytemuck::cast_slice_mut(&mut self.words)[..n]
    }

    /// The same memory seen as elements of `T`, which must be as wide as the dtype or a part or word of it.
    pub fn slice<T: AnyBitPattern>(&self) -> &[T] {
        debug_assert!(self.dtype().size().is_multiple_of(size_of::<T>()));
        bytemuck::cast_slice(self.bytes())
    }

    /// As [`Buf::slice`], to be written.
    pub fn slice_mut<T: Pod>(&mut self) -> &mut [T] {
        debug_assert!(self.dtype().size().is_multiple_of(size_of::<T>()));
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    /// All elements as `T`, if that is the dtype (and, for `bool`, every byte is 0 or 1).
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        if T::DTYPE != self.dtype() {
            return refuse!(
                Usage,
                "the array is {}, not {}; read it as {} or convert it afterwards",
                self.dtype(),
                T::DTYPE,
                self.dtype()
            );
        }
        match bytemuck::checked::try_cast_slice(self.bytes()) {
            Ok(s) => Ok(s),
            Err(_) => refuse!(Corrupt, "a {} element has a bit pattern that is none of its values", self.dtype()),
        }
    }

    /// The element at `at` as a scalar.
    pub fn scalar(&self, at: usize) -> Scalar {
        let size = self.dtype().size();
        dtype::scalar(self.dtype(), &self.bytes()[at * size..(at + 1) * size])
    }
}

//! What the mirror shows: the value that stands across the diagonal, as a map of bits.

use bytemuck::Pod;

/// A machine word as wide as one element: symmetry is decided on bits, so only the width of a dtype matters.
///
/// Implemented for `u8`, `u16`, `u32`, `u64` and `[u64; 2]` (complex128).
pub trait Word: Pod + PartialEq + Send + Sync {
    /// `acc | (a ^ b)`: nonzero once any two words differed.
    #[doc(hidden)]
    fn gather(acc: Self, a: Self, b: Self) -> Self;
}

macro_rules! words {
    ($($W:ty),*) => { $(impl Word for $W {
        #[inline(always)]
        fn gather(acc: Self, a: Self, b: Self) -> Self { acc | (a ^ b) }
    })* };
}
words!(u8, u16, u32, u64);

impl Word for [u64; 2] {
    #[inline(always)]
    fn gather(acc: Self, a: Self, b: Self) -> Self {
        [acc[0] | (a[0] ^ b[0]), acc[1] | (a[1] ^ b[1])]
    }
}

/// The bits that must stand across the diagonal from a kept word.
pub(super) trait Image<W: Word> {
    fn of(word: W) -> W;
}

/// Symmetric: the same bits.
pub(super) struct Same;
/// Skew-symmetric integers: the two's complement negative, wrapping as NumPy's does.
pub(super) struct NegativeInt;
/// Skew-symmetric floats: the sign bit flipped, but both zeros give +0, as `a - a.T` does.
pub(super) struct NegativeFloat;
/// Skew-symmetric complex numbers: both parts as [`NegativeFloat`].
pub(super) struct NegativeComplex;
/// Hermitian: the imaginary part as [`NegativeFloat`].
pub(super) struct Conjugate;

impl<W: Word> Image<W> for Same {
    #[inline(always)]
    fn of(word: W) -> W {
        word
    }
}

macro_rules! negatives {
    ($($W:ty),*) => { $(impl Image<$W> for NegativeInt {
        #[inline(always)]
        fn of(word: $W) -> $W { word.wrapping_neg() }
    }
    impl Image<$W> for NegativeFloat {
        #[inline(always)]
        fn of(word: $W) -> $W {
            const SIGN: $W = 1 << (<$W>::BITS - 1);
            if word & !SIGN == 0 { 0 } else { word ^ SIGN }
        }
    })* };
}
negatives!(u8, u16, u32, u64);

impl Image<u64> for NegativeComplex {
    #[inline(always)]
    fn of(word: u64) -> u64 {
        let parts: [u32; 2] = bytemuck::cast(word);
        bytemuck::cast(parts.map(<NegativeFloat as Image<u32>>::of))
    }
}

impl Image<[u64; 2]> for NegativeComplex {
    #[inline(always)]
    fn of(word: [u64; 2]) -> [u64; 2] {
        word.map(<NegativeFloat as Image<u64>>::of)
    }
}

impl Image<u64> for Conjugate {
    #[inline(always)]
    fn of(word: u64) -> u64 {
        let [re, im]: [u32; 2] = bytemuck::cast(word);
        bytemuck::cast([re, NegativeFloat::of(im)])
    }
}

impl Image<[u64; 2]> for Conjugate {
    #[inline(always)]
    fn of([re, im]: [u64; 2]) -> [u64; 2] {
        [re, NegativeFloat::of(im)]
    }
}

/// Runs `$body` with `$W` as the word of `$dtype` and `$I` as the image that `$kind` asks for. Pairs that
/// `Triangle::output` refuses run as plain symmetric ones.
macro_rules! with_image {
    ($kind:expr, $dtype:expr, $W:ident, $I:ident => $body:expr) => {{
        use $crate::array::DTypeKind as K;
        use $crate::transform::triangle::image as im;
        macro_rules! run {
            ($Word:ty, $Image:ty) => {{
                type $W = $Word;
                type $I = $Image;
                $body
            }};
        }
        match ($kind, $dtype.kind(), $dtype.size()) {
            (TriangleKind::Skew, K::Int, 1) => run!(u8, im::NegativeInt),
            (TriangleKind::Skew, K::Int, 2) => run!(u16, im::NegativeInt),
            (TriangleKind::Skew, K::Int, 4) => run!(u32, im::NegativeInt),
            (TriangleKind::Skew, K::Int, _) => run!(u64, im::NegativeInt),
            (TriangleKind::Skew, K::Float, 2) => run!(u16, im::NegativeFloat),
            (TriangleKind::Skew, K::Float, 4) => run!(u32, im::NegativeFloat),
            (TriangleKind::Skew, K::Float, _) => run!(u64, im::NegativeFloat),
            (TriangleKind::Skew, K::Complex, 8) => run!(u64, im::NegativeComplex),
            (TriangleKind::Skew, K::Complex, _) => run!([u64; 2], im::NegativeComplex),
            (TriangleKind::Hermitian, K::Complex, 8) => run!(u64, im::Conjugate),
            (TriangleKind::Hermitian, K::Complex, _) => run!([u64; 2], im::Conjugate),
            (_, _, 1) => run!(u8, im::Same),
            (_, _, 2) => run!(u16, im::Same),
            (_, _, 4) => run!(u32, im::Same),
            (_, _, 8) => run!(u64, im::Same),
            _ => run!([u64; 2], im::Same),
        }
    }};
}
pub(super) use with_image;

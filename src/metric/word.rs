//! The bits of a float as an unsigned word: class tests that no rounding or quieting of NaN can fool.

use std::ops::{BitAnd, BitOr, BitXor, Not};

use bytemuck::Pod;
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::class::Class;
use super::fold::CHUNK;
use crate::array::simd::vectorize;

/// The bits of an f16, f32 or f64.
pub(super) trait Word:
    Pod + Eq + Ord + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
    /// The sign bit.
    const SIGN: Self;
    /// The bits of +Inf.
    const INFINITY: Self;
    /// The bits of the smallest positive normal value.
    const MIN_NORMAL: Self;
    /// No bit.
    const ZERO: Self;
    /// The lowest bit.
    const ONE: Self;

    /// The value; exact.
    fn value(self) -> f64;

    /// The word as a count.
    fn number(self) -> u64;

    /// `self + other`, for counters that cannot overflow.
    fn plus(self, other: Self) -> Self;

    /// `self − other`, wrapping.
    fn minus(self, other: Self) -> Self;

    /// At most half the largest f64, or +Inf for types whose differences f64 always holds.
    const HALF_MAX: Self;

    /// The values of `words` as f64, exact; written to `wide` if they are not f64 already.
    fn widen<'a>(words: &'a [Self], wide: &'a mut [f64]) -> &'a [f64];

    /// The bits without the sign.
    #[inline(always)]
    fn magnitude(self) -> Self {
        self & !Self::SIGN
    }

    /// ±0.
    #[inline(always)]
    fn is_zero(self) -> bool {
        self.magnitude() == Self::ZERO
    }

    /// Any NaN.
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.magnitude() > Self::INFINITY
    }

    /// Neither NaN nor Inf.
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.magnitude() < Self::INFINITY
    }

    /// ±Inf.
    #[inline(always)]
    fn is_infinite(self) -> bool {
        self.magnitude() == Self::INFINITY
    }

    /// Neither zero nor normal.
    #[inline(always)]
    fn is_subnormal(self) -> bool {
        (self.magnitude() < Self::MIN_NORMAL) & !self.is_zero()
    }

    /// Whether the signs differ.
    #[inline(always)]
    fn opposite(self, other: Self) -> bool {
        (self ^ other) & Self::SIGN != Self::ZERO
    }

    /// Whether `x` to `y` is a change of `class`. Bitwise `&` keeps the loops over it free of branches.
    #[inline(always)]
    fn changed_class(class: Class, x: Self, y: Self) -> bool {
        let finite = x.is_finite() & y.is_finite();
        match class {
            Class::FiniteToNan => x.is_finite() & y.is_nan(),
            Class::FiniteToInf => x.is_finite() & y.is_infinite(),
            Class::NanToOther => x.is_nan() & !y.is_nan(),
            Class::InfToOther => x.is_infinite() & (x != y),
            Class::SignFlip => finite & !x.is_zero() & !y.is_zero() & x.opposite(y),
            Class::NonzeroToZero => x.is_finite() & !x.is_zero() & y.is_zero(),
            Class::ZeroToNonzero => x.is_zero() & !y.is_zero() & y.is_finite(),
            Class::ZeroSign => x.is_zero() & y.is_zero() & (x != y),
            Class::NormalToSubnormal => x.is_finite() & (x.magnitude() >= Self::MIN_NORMAL) & y.is_subnormal(),
            // What a fill value is only the caller knows: `Loss::add_fills`.
            Class::FillToOther | Class::OtherToFill => false,
        }
    }
}

macro_rules! word {
    ($W:ty, $F:ty, half_max: $half_max:expr, |$words:ident, $wide:ident| $widen:expr) => {
        impl Word for $W {
            const SIGN: Self = 1 << (<$W>::BITS - 1);
            const INFINITY: Self = <$F>::INFINITY.to_bits();
            const MIN_NORMAL: Self = <$F>::MIN_POSITIVE.to_bits();
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const HALF_MAX: Self = $half_max;

            #[inline(always)]
            fn value(self) -> f64 {
                <$F>::from_bits(self).into()
            }

            #[inline(always)]
            fn number(self) -> u64 {
                self.into()
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            fn widen<'a>($words: &'a [Self], $wide: &'a mut [f64]) -> &'a [f64] {
                $widen
            }
        }
    };
}

word!(u64, f64, half_max: (f64::MAX / 2.0).to_bits(), |words, _wide| bytemuck::cast_slice(words));
word!(u32, f32, half_max: f32::INFINITY.to_bits(), |words, wide| {
    vectorize(
        #[inline(always)]
        || wide.iter_mut().zip(words).for_each(|(wide, word)| *wide = f32::from_bits(*word).into()),
    );
    &wide[..words.len()]
});
word!(u16, f16, half_max: f16::INFINITY.to_bits(), |words, wide| {
    // `half` converts whole slices with the machine's own instruction; one value at a time it would not vectorise.
    let mut narrow = [0f32; CHUNK];
    let narrow = &mut narrow[..words.len()];
    bytemuck::cast_slice::<u16, f16>(words).convert_to_f32_slice(narrow);
    u32::widen(bytemuck::cast_slice(narrow), wide);
    &wide[..words.len()]
});

//! Comparing a block of integers, exactly. Lossy integer steps are rare, so only small errors get the widest vectors.

use bytemuck::Pod;

use super::class::{Class, ClassCount};
use super::fold::CHUNK;
use super::loss::{Loss, Worst};
use super::places::Places;
use crate::array::simd::vectorize;
use crate::array::{DType, Scalar};

/// Errors below this have squares whose sum over a chunk fits 32 bits: 1024 · 2^22.
const TINY: u64 = 1 << 11;

/// Errors below this have squares whose sum over a chunk fits 64 bits: 1024 · 2^52.
const SMALL: u64 = 1 << 26;

/// An integer type.
pub(super) trait Integer: Pod + Ord {
    /// The unsigned type of the same width.
    type Distance: Copy + Ord + Default + Into<u64>;
    /// |self − other|.
    fn distance(self, other: Self) -> Self::Distance;
    /// `self − other` modulo 2^64.
    fn wrapping(self, other: Self) -> i64;
    /// The value modulo 2^32.
    fn low(self) -> i32;
    /// Below zero.
    fn is_negative(self) -> bool;
    /// Zero.
    fn is_zero(self) -> bool;
    /// The value.
    fn wide(self) -> i128;
}

macro_rules! integers {
    ($($T:ty => $U:ty),*) => { $(impl Integer for $T {
        type Distance = $U;
        #[inline(always)]
        fn distance(self, other: Self) -> $U {
            self.abs_diff(other)
        }
        #[inline(always)]
        fn wrapping(self, other: Self) -> i64 {
            (self as i64).wrapping_sub(other as i64)
        }
        #[inline(always)]
        fn low(self) -> i32 {
            self as i32
        }
        #[inline(always)]
        #[allow(unused_comparisons, reason = "the same lines serve unsigned types")]
        fn is_negative(self) -> bool {
            self < 0
        }
        #[inline(always)]
        fn is_zero(self) -> bool {
            self == 0
        }
        #[inline(always)]
        fn wide(self) -> i128 {
            self.into()
        }
    })* };
}
integers!(i8 => u8, i16 => u16, i32 => u32, i64 => u64, u8 => u8, u16 => u16, u32 => u32, u64 => u64);

/// Compares `x` (original) with `y` (restored), whose elements stand at `places`.
pub(super) fn compare<T: Integer>(loss: &mut Loss, dtype: DType, mut places: Places<'_>, x: &[T], y: &[T]) {
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let here = places.take(x.len());
        loss.count += x.len() as u64;
        loss.finite += x.len() as u64;
        if bytemuck::cast_slice::<T, u8>(x) != bytemuck::cast_slice::<T, u8>(y) {
            chunk(loss, dtype, here, x, y);
        }
    }
}

fn chunk<T: Integer>(loss: &mut Loss, dtype: DType, places: Places<'_>, x: &[T], y: &[T]) {
    let max: u64 = each(x, y, T::Distance::default(), |m, x, y| m.max(x.distance(y))).into();
    loss.changed += u64::from(each(x, y, 0u32, |n, x, y| n.wrapping_add(u32::from(x != y))));
    add_sums(loss, x, y, max);
    let odd = |x: T, y: T| u8::from((x.is_zero() != y.is_zero()) | (x.is_negative() != y.is_negative()));
    if each(x, y, 0, |any, x, y| any | odd(x, y)) != 0 {
        add_classes(loss, places, x, y);
    }
    if loss.may_be_worst(max as f64, || places.lowest()) {
        let scalar = |v: T| if dtype == DType::Bool { Scalar::Bool(!v.is_zero()) } else { Scalar::Int(v.wide()) };
        for ((x, y), at) in x.iter().zip(y).zip(places.iter()) {
            if x.distance(*y).into() == max {
                let (original, restored) = (scalar(*x), scalar(*y));
                loss.offer(Worst { abs: max as f64, exact: max, at, original, restored });
            }
        }
    }
}

fn add_sums<T: Integer>(loss: &mut Loss, x: &[T], y: &[T], max: u64) {
    if max < TINY {
        let sum = each(x, y, 0i32, |s, x, y| s.wrapping_add(x.low().wrapping_sub(y.low())));
        let square = |x: T, y: T| x.low().wrapping_sub(y.low()).wrapping_pow(2) as u32;
        let squares = each(x, y, 0u32, |s, x, y| s.wrapping_add(square(x, y)));
        loss.bias.add_integer(sum.into(), 0);
        loss.squares.add_unsigned(squares.into());
    } else if max < SMALL {
        let sum = each(x, y, 0i64, |s, x, y| s.wrapping_add(x.wrapping(y)));
        let square = |x: T, y: T| x.wrapping(y).wrapping_mul(x.wrapping(y)) as u64;
        let squares = each(x, y, 0u64, |s, x, y| s.wrapping_add(square(x, y)));
        loss.bias.add_integer(sum.into(), 0);
        loss.squares.add_unsigned(squares.into());
    } else {
        for (x, y) in x.iter().zip(y) {
            loss.bias.add_integer(x.wide() - y.wide(), 0);
            let distance: u64 = x.distance(*y).into();
            loss.squares.add_unsigned(u128::from(distance) * u128::from(distance));
        }
    }
}

/// Folds all pairs; integer reductions, so that the compiler may reorder and vectorise them.
#[inline(always)]
fn each<T: Integer, A>(x: &[T], y: &[T], zero: A, step: impl Fn(A, T, T) -> A) -> A {
    vectorize(
        #[inline(always)]
        || x.iter().zip(y).fold(zero, |a, (x, y)| step(a, *x, *y)),
    )
}

#[inline(always)]
fn is_flip<T: Integer>(x: T, y: T) -> bool {
    !x.is_zero() & !y.is_zero() & (x.is_negative() != y.is_negative())
}

#[inline(always)]
fn is_vanished<T: Integer>(x: T, y: T) -> bool {
    !x.is_zero() & y.is_zero()
}

#[inline(always)]
fn is_appeared<T: Integer>(x: T, y: T) -> bool {
    x.is_zero() & !y.is_zero()
}

fn add_classes<T: Integer>(loss: &mut Loss, places: Places<'_>, x: &[T], y: &[T]) {
    add_class(loss, places, x, y, Class::SignFlip, is_flip);
    add_class(loss, places, x, y, Class::NonzeroToZero, is_vanished);
    add_class(loss, places, x, y, Class::ZeroToNonzero, is_appeared);
}

#[inline(always)]
fn add_class<T: Integer>(
    loss: &mut Loss,
    places: Places<'_>,
    x: &[T],
    y: &[T],
    class: Class,
    is: impl Fn(T, T) -> bool,
) {
    let count = u64::from(each(x, y, 0u32, |n, x, y| n.wrapping_add(u32::from(is(x, y)))));
    if count == 0 {
        return;
    }
    let mut first = None;
    if loss.class(class).first.is_none_or(|first| places.lowest() < first) {
        first = x.iter().zip(y).zip(places.iter()).filter(|((x, y), _)| is(**x, **y)).map(|(_, at)| at).min();
    }
    loss.add_class(class, ClassCount { count, first });
}

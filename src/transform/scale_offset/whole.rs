//! The kernels for integers: all in integer arithmetic, exact at both ends of every dtype.

use super::grid::Whole;
use super::kernel::CHUNK;
use super::number::{Code, Marks};
use crate::array::simd::vectorize;

/// An integer dtype and the unsigned word as wide, in which differences are exact modulo its width.
pub(super) trait Integer: Copy + Into<i128> + PartialEq {
    const LEAST: i128;
    const GREATEST: i128;
    /// `self - low` modulo the width, zero-extended.
    fn above(self, low: Self) -> u64;
    /// `self + code` modulo the width.
    fn plus(self, code: u64) -> Self;
    fn from_low_bits(bits: u64) -> Self;
    /// `x` clamped to the dtype.
    fn clamped(x: i128) -> Self;
}

macro_rules! integer {
    ($($T:ty => $U:ty),*) => { $(impl Integer for $T {
        const LEAST: i128 = <$T>::MIN as i128;
        const GREATEST: i128 = <$T>::MAX as i128;
        #[inline(always)]
        fn above(self, low: Self) -> u64 { u64::from((self as $U).wrapping_sub(low as $U)) }
        #[inline(always)]
        fn plus(self, code: u64) -> Self { (self as $U).wrapping_add(code as $U) as $T }
        fn from_low_bits(bits: u64) -> Self { bits as $T }
        #[inline(always)]
        fn clamped(x: i128) -> Self { x.clamp(Self::LEAST, Self::GREATEST) as $T }
    })* };
}
integer!(i8 => u8, i16 => u16, i32 => u32, i64 => u64, u8 => u8, u16 => u16, u32 => u32, u64 => u64);

/// The first value of an exact grid, if it is one and the dtype holds it and the last.
fn exact_from<T: Integer>(grid: Whole, marks: &Marks) -> Option<T> {
    let low = grid.offset + grid.base;
    let fits = low >= T::LEAST && low + i128::from(marks.largest) <= T::GREATEST;
    (grid.step == 1 && fits).then(|| T::clamped(low))
}

/// One chunk of an exact grid; whether any value had no code. A value below `low` wraps to one above the largest code,
/// because the last value of the grid fits the dtype.
#[inline(always)]
fn exact_chunk<T: Integer, C: Code, const FILL: bool>(
    low: T,
    largest: u64,
    fill: (T, u64),
    values: &[T],
    codes: &mut [C],
) -> bool {
    let mut bad = false;
    for (v, code) in values.iter().zip(codes) {
        let above = v.above(low);
        let is_fill = FILL & (*v == fill.0);
        bad |= (above > largest) & !is_fill;
        *code = C::truncate(if is_fill { fill.1 } else { above });
    }
    bad
}

/// Values to codes; calls `without` with the place of each value that has no code (its code is unspecified).
pub(super) fn forward<T: Integer, C: Code>(
    grid: Whole,
    marks: &Marks,
    values: &[T],
    codes: &mut [C],
    without: &mut dyn FnMut(usize),
) {
    let fill = marks.fill_bits.map(T::from_low_bits);
    if let Some(low) = exact_from::<T>(grid, marks) {
        // A fill value without a code of its own is refused where it lies outside the grid, and exact where it lies on it.
        let (fill, fill_code) = (fill.unwrap_or(low), marks.reserved.fill);
        let coded = (fill, fill_code.unwrap_or(0));
        for (n, (values, codes)) in values.chunks(CHUNK).zip(codes.chunks_mut(CHUNK)).enumerate() {
            let bad = vectorize(
                #[inline(always)]
                || match fill_code {
                    Some(_) => exact_chunk::<T, C, true>(low, marks.largest, coded, values, codes),
                    None => exact_chunk::<T, C, false>(low, marks.largest, coded, values, codes),
                },
            );
            if bad {
                for (i, v) in values.iter().enumerate() {
                    if v.above(low) > marks.largest && !(fill_code.is_some() && *v == fill) {
                        without(n * CHUNK + i);
                    }
                }
            }
        }
        return;
    }
    // The ordinary code whose value is the fill value: only the fill value itself may come back as it.
    let taken = fill
        .map(|f| grid.nearest(f.into()))
        .filter(|c| u64::try_from(*c).is_ok_and(|c| fill == Some(T::clamped(grid.value(c)))));
    for (i, (v, code)) in values.iter().zip(codes).enumerate() {
        let c = if fill == Some(*v) {
            marks.reserved.fill
        } else {
            let c = grid.nearest((*v).into());
            u64::try_from(c).ok().filter(|n| *n <= marks.largest && taken != Some(c))
        };
        match c {
            Some(c) => *code = C::truncate(c),
            None => {
                *code = C::truncate(0);
                without(i);
            }
        }
    }
}

/// Codes to values. A code above all that the step uses gives some value.
pub(super) fn inverse<T: Integer, C: Code>(grid: Whole, marks: &Marks, codes: &[C], values: &mut [T]) {
    let fill = marks.fill_bits.map(T::from_low_bits).zip(marks.reserved.fill);
    match (exact_from::<T>(grid, marks), fill) {
        (Some(low), None) => vectorize(
            #[inline(always)]
            || {
                for (c, v) in codes.iter().zip(values) {
                    *v = low.plus(c.word());
                }
            },
        ),
        (Some(low), Some((fill, fill_code))) => vectorize(
            #[inline(always)]
            || {
                for (c, v) in codes.iter().zip(values) {
                    let x = low.plus(c.word());
                    *v = if c.word() == fill_code { fill } else { x };
                }
            },
        ),
        (None, fill) => {
            for (c, v) in codes.iter().zip(values) {
                *v = match fill {
                    Some((fill, code)) if c.word() == code => fill,
                    _ => T::clamped(grid.value(c.word())),
                };
            }
        }
    }
}

//! How many floats of the dtype lie between original and restored.

use crate::array::simd::vectorize;
use crate::array::{Buf, DType};

/// Writes the distance of each pair from `from` on to `apart`, 0 where either is not finite; returns sum and largest.
///
/// Floats of a dtype are numbered in the order of their values, −0 and +0 alike, so that neighbours are one apart.
pub(super) fn distances(original: &Buf, restored: &Buf, from: usize, apart: &mut [u64]) -> (u128, u64) {
    let n = apart.len();
    match original.dtype() {
        DType::F64 => {
            let (x, y) = (&original.slice::<u64>()[from..from + n], &restored.slice::<u64>()[from..from + n]);
            vectorize(
                #[inline(always)]
                || {
                    for ((d, x), y) in apart.iter_mut().zip(x).zip(y) {
                        let finite = (x << 1 < INFINITY_64 << 1) & (y << 1 < INFINITY_64 << 1);
                        *d = if finite { number_64(*x).abs_diff(number_64(*y)) } else { 0 };
                    }
                },
            );
        }
        DType::F32 => {
            let (x, y) = (&original.slice::<u32>()[from..from + n], &restored.slice::<u32>()[from..from + n]);
            vectorize(
                #[inline(always)]
                || {
                    for ((d, x), y) in apart.iter_mut().zip(x).zip(y) {
                        let finite = (x << 1 < INFINITY_32 << 1) & (y << 1 < INFINITY_32 << 1);
                        *d = if finite { u64::from(number_32(*x).abs_diff(number_32(*y))) } else { 0 };
                    }
                },
            );
        }
        DType::F16 => {
            let (x, y) = (&original.slice::<u16>()[from..from + n], &restored.slice::<u16>()[from..from + n]);
            for ((d, x), y) in apart.iter_mut().zip(x).zip(y) {
                let finite = (x << 1 < INFINITY_16 << 1) & (y << 1 < INFINITY_16 << 1);
                *d = if finite { u64::from(number_16(*x).abs_diff(number_16(*y))) } else { 0 };
            }
        }
        _ => apart.fill(0),
    }
    // Halves, whose sums over a chunk cannot overflow.
    let (high, low, most) = vectorize(
        #[inline(always)]
        || {
            apart.iter().fold((0u64, 0u64, 0u64), |(high, low, most), d| {
                (high + (d >> 32), low + (d & 0xffff_ffff), most.max(*d))
            })
        },
    );
    ((u128::from(high) << 32) + u128::from(low), most)
}

const INFINITY_64: u64 = f64::INFINITY.to_bits();
const INFINITY_32: u32 = f32::INFINITY.to_bits();
const INFINITY_16: u16 = 0x7c00;

#[inline(always)]
fn number_64(bits: u64) -> i64 {
    let size = (bits & !(1 << 63)) as i64;
    if bits >> 63 == 0 { size } else { -size }
}

#[inline(always)]
fn number_32(bits: u32) -> i32 {
    let size = (bits & !(1 << 31)) as i32;
    if bits >> 31 == 0 { size } else { -size }
}

#[inline(always)]
fn number_16(bits: u16) -> i16 {
    let size = (bits & !(1 << 15)) as i16;
    if bits >> 15 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_apart_and_zeros_are_the_same() {
        let x = Buf::from_slice(&[1.0, 0.0, -0.0, f64::from_bits(1), f64::NAN, f64::MAX]).unwrap();
        let y =
            Buf::from_slice(&[1.0f64.next_up(), -0.0, f64::from_bits(1), -f64::from_bits(1), 1.0, f64::MIN]).unwrap();
        let mut apart = [9; 6];
        let (sum, most) = distances(&x, &y, 0, &mut apart);
        assert_eq!(&apart[..5], &[1, 0, 1, 2, 0]);
        assert_eq!(apart[5], 2 * f64::MAX.to_bits());
        assert_eq!((sum, most), (4 + u128::from(apart[5]), apart[5]));
        let mut apart = [0; 2];
        distances(&Buf::from_slice(&[1f32, -2.0]).unwrap(), &Buf::from_slice(&[1.5f32, -2.0]).unwrap(), 0, &mut apart);
        assert_eq!(apart, [1 << 22, 0]);
    }
}

//! Residuals to whole steps and back, a row at a time.

use super::HOLE;

/// Quotients of an f32 division are exact up to this many steps: its error, below 2^-23 of the quotient, stays under
/// the 1/510 that separates any quotient by an odd step of at most 255 from a tie.
const EXACT_IN_F32: u32 = 8192;

/// Adding this to a float below 2^22 leaves its rounded value in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;

/// `xs` and its prediction `p` to numbers of steps `v`; `xs` becomes the reconstruction. Holes become their prediction.
#[inline(always)]
pub(super) fn steps(step: i32, xs: &mut [i32], p: &[i32], v: &mut [i32]) {
    if step == 1 {
        for ((x, p), v) in xs.iter_mut().zip(p).zip(v) {
            *v = if *x == HOLE { 0 } else { x.wrapping_sub(*p) };
            *x = p.wrapping_add(*v);
        }
        return;
    }
    let mut largest = 0;
    for (x, p) in xs.iter().zip(p) {
        let r = if *x == HOLE { 0 } else { x.wrapping_sub(*p) };
        largest = largest.max(r.unsigned_abs());
    }
    if largest / step.unsigned_abs().max(1) < EXACT_IN_F32 && largest < 1 << 24 {
        let inverse = 1.0 / step as f32;
        for ((x, p), v) in xs.iter_mut().zip(p).zip(v) {
            let r = if *x == HOLE { 0 } else { x.wrapping_sub(*p) };
            *v = ((r as f32 * inverse + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
            *x = p.wrapping_add(v.wrapping_mul(step));
        }
    } else {
        let half = i64::from(step) / 2;
        for ((x, p), v) in xs.iter_mut().zip(p).zip(v) {
            let r = if *x == HOLE { 0 } else { x.wrapping_sub(*p) };
            *v = (i64::from(r) + half).div_euclid(i64::from(step)) as i32;
            *x = p.wrapping_add(v.wrapping_mul(step));
        }
    }
}

/// A prediction `p` and numbers of steps to reconstructed values.
#[inline(always)]
pub(super) fn values(step: i32, p: &[i32], v: &[i32], xs: &mut [i32]) {
    for ((x, p), v) in xs.iter_mut().zip(p).zip(v) {
        *x = p.wrapping_add(v.wrapping_mul(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_nearest_whole_ones_for_every_odd_step() {
        for step in (1..256).step_by(2) {
            for scale in [1, 77, 8191 * step / 4, 8192 * step, 1 << 23] {
                let mut xs: Vec<i32> = (-9..10).map(|i: i32| i.wrapping_mul(scale) / 9 + i).collect();
                let was = xs.clone();
                let p = vec![scale / 7; xs.len()];
                let mut v = vec![0; xs.len()];
                steps(step, &mut xs, &p, &mut v);
                for ((x, was), (p, v)) in xs.iter().zip(&was).zip(p.iter().zip(&v)) {
                    assert!((x - was).abs() <= step / 2, "{was} to {x} by {step}");
                    assert_eq!(*x, p + v * step);
                }
            }
        }
    }
}

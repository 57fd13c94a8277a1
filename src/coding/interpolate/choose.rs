//! The best predictor of a class, from samples.

use super::HOLE;
use super::predict::{self, Choice};
use super::schedule::{Level, Set};
use crate::coding::context::cost::log2_q16;

/// Values a predictor is judged by: enough that a choice is rarely wrong by 1 %, few enough to cost a tenth of coding.
const SAMPLE: usize = 2048;

/// Values that are looked at however few there are; of more, a quarter up to [`SAMPLE`].
const LEAST: usize = 512;

/// Residuals are counted in this many whole steps about 0.
const BINS: usize = 64;

/// Scratch of a choice.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    rows: Vec<[usize; 3]>,
    sums: Vec<i32>,
}

/// The choice whose residuals have the least entropy over sampled whole rows of the class, and that entropy in bits a
/// value.
#[inline(always)]
pub(super) fn best(level: &Level, planes: &[i32], class: Set, step: i32, sampler: &mut Sampler) -> (Choice, f64) {
    let dims = level.plane_dims(class);
    let w = dims[3];
    let count = dims[0] * dims[1] * dims[2];
    let wanted = (SAMPLE.min((count * w / 4).max(LEAST)) / w).clamp(1, count);
    sampler.rows.clear();
    for i in 0..wanted {
        // Middle of each of `wanted` equal parts, moved a little so that a period of the rows is not met.
        let part = count / wanted;
        let r = i * count / wanted + (i * 7919 + part / 2) % part.max(1);
        let r = r.min(count - 1);
        sampler.rows.push([r / dims[2] / dims[1], r / dims[2] % dims[1], r % dims[2]]);
    }
    // Of very long rows, a part would be enough; they are few.
    let sums = super::grown(&mut sampler.sums, w);
    let mut best = None;
    let mut sampled = 1;
    for choice in Choice::of(class) {
        let mut counts = [0_u32; BINS];
        let mut escaped = 0_u64;
        for at in &sampler.rows {
            predict::row(level, planes, class, choice, *at, &mut *sums);
            let row = level.start(class) + ((at[0] * dims[1] + at[1]) * dims[2] + at[2]) * w;
            let inverse = 1.0 / step as f32;
            for (x, p) in planes[row..row + w].iter().zip(&mut *sums) {
                let r = if *x == HOLE { 0 } else { x.wrapping_sub(*p) };
                let v = r as f32 * inverse;
                *p = ((v.clamp(-1e6, 1e6) + 12_582_912.0).to_bits() as i32)
                    .wrapping_sub(12_582_912_f32.to_bits() as i32);
            }
            for v in &*sums {
                let bin = v.wrapping_add(BINS as i32 / 2) as usize;
                if let Some(count) = counts.get_mut(bin) {
                    *count += 1;
                } else {
                    escaped += u64::from(2 * v.unsigned_abs().ilog2() + 2);
                    counts[0] += 1;
                }
            }
        }
        let n = counts.iter().sum::<u32>();
        let own: u64 = counts.iter().map(|c| u64::from(*c) * u64::from(log2_q16(*c))).sum();
        let bits = (u64::from(n) * u64::from(log2_q16(n)) - own) + (escaped << 16);
        if best.is_none_or(|(least, _)| bits < least) {
            best = Some((bits, choice));
            sampled = n;
        }
    }
    let (bits, choice) = best.unwrap_or((0, Choice { axes: class, cubic: true }));
    (choice, bits as f64 / 65536.0 / f64::from(sampled.max(1)))
}

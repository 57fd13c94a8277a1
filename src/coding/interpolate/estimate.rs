//! What interpolation would cost, without coding.

use super::schedule::{Level, levels};
use super::{HOLE, Params, Scratch, check, choose, grown, planes};
use crate::array::simd::vectorize;

/// Levels that are looked at: in two dimensions they hold 15 of 16 values, and the others are like the last.
const LEVELS: usize = 2;

/// What contexts leave of the entropy of a class's residuals together: geometric mean of ideal code lengths over eleven
/// real arrays at four bounds. Single arrays are from 0.7 to 1.0: the estimate ranks, it does not promise.
const CONTEXTS: f64 = 0.86;

/// Estimated bits a value of coding `xs` under `params`; infinite where the arguments fit no chunk. `xs` is as for
/// [`encode`](super::encode), and is not changed. Only + - * / on floats: the same on every machine.
pub(in crate::coding) fn estimate(
    xs: &[i32],
    holes: Option<&[bool]>,
    dims: &[usize],
    params: &Params,
    scratch: &mut Scratch,
) -> f64 {
    if check(xs.len(), dims).is_err() || params.q.is_multiple_of(2) {
        return f64::INFINITY;
    }
    let Scratch { sampler, planes, grid, .. } = scratch;
    grid.clear();
    grid.extend_from_slice(xs);
    if let Some(holes) = holes {
        grid.iter_mut().zip(holes).for_each(|(x, hole)| *x = if *hole { HOLE } else { *x });
    }
    let (mut bits, mut values) = (0.0, 0.0);
    for (i, level) in levels(dims, params.schedule).iter().enumerate().take(LEVELS) {
        let planes = grown(planes, level.len());
        vectorize(
            #[inline(always)]
            || {
                planes::split(level, &grid[..level.len()], planes);
                let base = level.range(0);
                grid[..base.len()].copy_from_slice(&planes[base]);
                fill_holes(level, planes);
            },
        );
        for class in level.classes() {
            let each = vectorize(
                #[inline(always)]
                || choose::best(level, planes, class, params.step(i), sampler).1,
            );
            let n = level.range(class).len() as f64;
            bits += n * each;
            values += n;
        }
    }
    if values > 0.0 { bits / values * CONTEXTS } else { 32.0 }
}

/// Holes are predicted from while coding only after they were filled; here the value before stands for that.
#[inline(always)]
fn fill_holes(level: &Level, planes: &mut [i32]) {
    let mut last = 0;
    for x in &mut planes[..level.len()] {
        if *x == HOLE {
            *x = last;
        }
        last = *x;
    }
}

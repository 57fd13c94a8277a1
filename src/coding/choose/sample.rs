//! Which axes to take differences along, from a sample of rows.

use super::super::context::cost::log2_q16;
use super::super::entropy::Int;
use super::super::estimate::Histogram;
use super::super::predict::Lag;

/// Rows looked at, spread over the chunk: enough that estimates hold to a few parts in a hundred.
const ROWS: usize = 48;
/// Values of a row looked at, from its middle.
const ROW_VALUES: usize = 192;

/// What differences along a set of axes would cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::coding) struct Estimate {
    /// One bit an axis.
    pub(in crate::coding) axes: u8,
    /// Bits a value.
    pub(in crate::coding) bits: f64,
}

/// Estimates for every set of axes of `v` (of `dims`), the cheapest first; of equal ones the set with fewer axes.
pub(in crate::coding) fn axes<T: Int>(v: &[T], dims: &[usize]) -> Vec<Estimate> {
    let Some((&width, outer)) = dims.split_last() else { return Vec::new() };
    let sets = 1usize << dims.len();
    let mut histograms = vec![Histogram::default(); sets];
    let len = width.min(ROW_VALUES);
    let from = (width - len) / 2;
    let rows: usize = outer.iter().product();
    let zero = T::from_i64(0);
    // One row of differences for each set of outer axes, with one value before it for the last axis.
    let mut differences = vec![vec![zero; len + 1]; sets / 2];
    // Short rows are looked at in greater number.
    let wanted = (ROWS * ROW_VALUES).div_ceil(len).min(rows).max(1);
    for i in 0..wanted {
        // Odd positions in even steps, so that no period of the data meets all of them.
        let row = ((2 * i + 1) as u128 * rows as u128 / (2 * wanted) as u128) as usize;
        for (set, out) in differences.iter_mut().enumerate() {
            out.fill(zero);
            add_corners(v, outer, width, row, set, from, out);
        }
        for (set, row) in differences.iter().enumerate() {
            let last = sets / 2;
            for pair in row.windows(2) {
                histograms[set].add(pair[1].to_i64());
                histograms[set | last].add(pair[1].sub(pair[0]).to_i64());
            }
        }
    }
    let mut estimates: Vec<Estimate> =
        histograms.iter().enumerate().map(|(axes, h)| Estimate { axes: axes as u8, bits: h.bits() }).collect();
    estimates.sort_by(|a, b| a.bits.total_cmp(&b.bits).then(a.axes.count_ones().cmp(&b.axes.count_ones())));
    estimates
}

/// Adds to `out` the differences along the outer axes in `set` at row `row`: the signed sum of the rows at the corners.
fn add_corners<T: Int>(v: &[T], outer: &[usize], width: usize, row: usize, set: usize, from: usize, out: &mut [T]) {
    let mut corner = set;
    loop {
        // `corner` runs over the subsets of `set`: the axes along which one step back is taken.
        let (mut left, mut stride, mut at, mut outside) = (row, 1, row, false);
        for (a, n) in outer.iter().enumerate().rev() {
            if corner >> a & 1 == 1 {
                outside |= left % n == 0;
                at = at.wrapping_sub(stride);
            }
            left /= n;
            stride *= n;
        }
        if !outside {
            let minus = corner.count_ones() % 2 == 1;
            let start = at * width + from;
            // The value before the row's first one is outside, and zero, where the row starts at the array's edge.
            let (source, out) = if from == 0 {
                (&v[start..start + out.len() - 1], &mut out[1..])
            } else {
                (&v[start - 1..start - 1 + out.len()], &mut *out)
            };
            for (o, x) in out.iter_mut().zip(source) {
                *o = if minus { o.sub(*x) } else { o.add(*x) };
            }
        }
        if corner == 0 {
            return;
        }
        corner = (corner - 1) & set;
    }
}

/// Longest lag that is looked for.
const LONGEST_LAG: usize = 64;
/// Rows and values of a row that lags are looked for in.
const LAG_ROWS: usize = 16;
const LAG_VALUES: usize = 48;
/// Bits a value that a lag must promise more than neighbours do.
const LAG_GAIN: f64 = 0.15;
/// An estimate with a lag must be below the best without one by this factor: of many lags one always looks good by chance.
pub(super) const LAG_MARGIN: f64 = 0.96;

/// The lag along the first or the last axis whose differences are least, where they are clearly less than neighbours'.
pub(in crate::coding) fn lag<T: Int>(v: &[T], dims: &[usize]) -> Option<Lag> {
    let mut best: Option<(f64, Lag)> = None;
    let mut axes = vec![0, dims.len().saturating_sub(1)];
    axes.dedup();
    for axis in axes {
        let n = *dims.get(axis)?;
        let stride: usize = dims[axis + 1..].iter().product();
        let longest = LONGEST_LAG.min(n / 3);
        if longest < 2 {
            continue;
        }
        let mut costs = vec![0u64; longest + 1];
        for (by, cost) in costs.iter_mut().enumerate().skip(1) {
            for i in 0..LAG_ROWS {
                // Spread over what has `longest` values before it, the same places for every lag.
                let from = longest * stride;
                let room = v.len().saturating_sub(from + LAG_VALUES);
                let at = from + ((2 * i + 1) as u128 * room as u128 / (2 * LAG_ROWS) as u128) as usize;
                for j in at..(at + LAG_VALUES).min(v.len()) {
                    // In blocks of an inner axis the first values look into the block before: few, and the same for all lags.
                    let d = v[j].sub(v[j - by * stride]).to_i64().unsigned_abs();
                    *cost += u64::from(log2_q16((d.min(u32::MAX as u64 / 2) * 2 + 1) as u32));
                }
            }
        }
        let per_value = |cost: u64| cost as f64 / (65536 * LAG_ROWS * LAG_VALUES) as f64;
        let Some((by, least)) = costs.iter().enumerate().skip(2).min_by_key(|(_, c)| **c) else { continue };
        let gain = per_value(costs[1]) - per_value(*least);
        if gain > LAG_GAIN && best.is_none_or(|b| gain > b.0) {
            best = Some((gain, Lag { axis, by }));
        }
    }
    best.map(|b| b.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::predict::Differences;
    use crate::coding::{estimate, predict};

    #[test]
    fn the_sample_agrees_with_the_whole() {
        // Smooth along two axes, unrelated along the first.
        let dims = [6, 40, 60];
        let v: Vec<i32> = (0..dims.iter().product::<usize>())
            .map(|at| {
                let (i, j, k) = (at / 2400, at / 60 % 40, at % 60);
                let noise = (at as u32).wrapping_mul(2_654_435_761) >> 30;
                ((i * 7919) % 1000 + j * j + 3 * k + noise as usize) as i32
            })
            .collect();
        let estimates = axes(&v, &dims);
        for Estimate { axes, bits } in &estimates {
            let mut whole = v.clone();
            predict::forward(&mut whole, &dims, Differences::along(*axes));
            let exact = estimate::bits(&whole);
            assert!((bits - exact).abs() < 0.15 * exact + 0.4, "{axes:03b}: sampled {bits}, whole {exact}");
        }
        let best = estimates[0].axes;
        assert!(best & 0b110 == 0b110 || best == 0b100, "{estimates:?}");
        // Five levels of many times, in turn.
        let v: Vec<i32> = (0..60 * 50).map(|at| (at / 50 % 5) * (at / 50 % 5) * 977 + at / 250 + at % 50).collect();
        assert_eq!(lag(&v, &[60, 50]), Some(Lag { axis: 0, by: 5 }));
        assert_eq!(lag(&(0..3000).collect::<Vec<i32>>(), &[60, 50]), None);
        for dims in [vec![1], vec![2, 1, 3], vec![5]] {
            let v = vec![3i64; dims.iter().product()];
            assert_eq!(axes(&v, &dims)[0].axes.count_ones(), 0, "constant data need no differences");
        }
    }
}

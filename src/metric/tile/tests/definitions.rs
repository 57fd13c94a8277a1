//! The definitions of the figures, written out element by element.

use super::{Neighbours, Pair, assert_close, range};
use crate::metric::tile::Tiling;

/// All n-d indices of `shape` in C order.
fn indices(shape: &[u64]) -> Vec<Vec<u64>> {
    (0..shape.iter().product::<u64>()).map(|i| crate::array::index_of(shape, i)).collect()
}

fn flat(shape: &[u64], index: &[u64]) -> usize {
    index.iter().zip(shape).fold(0, |f, (i, d)| f * d + i) as usize
}

/// Flat positions of the window of `reach` around `index` on the last `axes` axes; `None` if it leaves the array.
fn window(shape: &[u64], index: &[u64], axes: usize, reach: u64) -> Option<Vec<usize>> {
    let lead = shape.len() - axes;
    for k in lead..shape.len() {
        if index[k] < reach || index[k] + reach >= shape[k] {
            return None;
        }
    }
    let width = vec![2 * reach + 1; axes];
    let place = |shift: Vec<u64>| {
        let mut at = index.to_vec();
        for (k, s) in shift.iter().enumerate() {
            at[lead + k] = at[lead + k] + s - reach;
        }
        flat(shape, &at)
    };
    Some(indices(&width).into_iter().map(place).collect())
}

fn ssim(pair: &Pair, axes: usize) -> f64 {
    let (low, high) = range(&pair.x);
    let (c1, c2) = ((0.01 * (high - low)).powi(2), (0.03 * (high - low)).powi(2));
    let mut values = Vec::new();
    for index in indices(&pair.shape) {
        let Some(places) = window(&pair.shape, &index, axes, 3) else { continue };
        let n = places.len() as f64;
        let of = |v: &[f64]| -> Vec<f64> { places.iter().map(|p| v[*p]).collect() };
        let (x, y) = (of(&pair.x), of(&pair.y));
        if x.iter().any(|v| v.is_nan()) {
            continue;
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
        let (mx, my) = (mean(&x), mean(&y));
        let products = |a: &[f64], ma: f64, b: &[f64], mb: f64| {
            a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>() / (n - 1.0)
        };
        let (vx, vy, c) = (products(&x, mx, &x, mx), products(&y, my, &y, my), products(&x, mx, &y, my));
        values.push((2.0 * mx * my + c1) * (2.0 * c + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)));
    }
    values.iter().sum::<f64>() / values.len() as f64
}

fn dssim(pair: &Pair) -> f64 {
    let size = pair.shape.iter().rev().take(2).product::<u64>() as usize;
    let shape = &pair.shape[pair.shape.len() - 2..];
    let mut worst = f64::INFINITY;
    for (x, y) in pair.x.chunks(size).zip(pair.y.chunks(size)) {
        let (low, high) = range(x.iter().chain(y));
        let level = |v: &f64| ((v - low) / (high - low) * 255.0).round_ties_even() / 255.0;
        let (a, b): (Vec<f64>, Vec<f64>) = (x.iter().map(level).collect(), y.iter().map(level).collect());
        let mut values = Vec::new();
        for index in indices(shape) {
            let Some(places) = window(shape, &index, 2, 5) else { continue };
            if a[flat(shape, &index)].is_nan() {
                continue;
            }
            let weight = |k: usize| {
                let (i, j) = ((k / 11) as f64 - 5.0, (k % 11) as f64 - 5.0);
                (-(i * i + j * j) / 4.5).exp()
            };
            let there = || places.iter().enumerate().filter(|(_, p)| !a[**p].is_nan());
            let whole: f64 = there().map(|(k, _)| weight(k)).sum();
            let mean = |v: &dyn Fn(usize) -> f64| there().map(|(k, p)| weight(k) * v(*p)).sum::<f64>() / whole;
            let (ma, mb) = (mean(&|p| a[p]), mean(&|p| b[p]));
            let va = mean(&|p| (a[p] - ma).powi(2));
            let vb = mean(&|p| (b[p] - mb).powi(2));
            let c = mean(&|p| (a[p] - ma) * (b[p] - mb));
            let e = 1e-8;
            values.push((2.0 * ma * mb + e) * (2.0 * c + e) / ((ma * ma + mb * mb + e) * (va + vb + e)));
        }
        if !values.is_empty() {
            worst = worst.min(values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    worst
}

fn autocorrelation(pair: &Pair, axis: usize) -> f64 {
    let e = pair.errors();
    let there: Vec<f64> = e.iter().copied().filter(|e| !e.is_nan()).collect();
    let mean = there.iter().sum::<f64>() / there.len() as f64;
    let whole: f64 = there.iter().map(|e| (e - mean).powi(2)).sum();
    let mut sum = 0.0;
    for index in indices(&pair.shape).iter().filter(|i| i[axis] + 1 < pair.shape[axis]) {
        let mut next = index.clone();
        next[axis] += 1;
        let (a, b) = (e[flat(&pair.shape, index)], e[flat(&pair.shape, &next)]);
        if !a.is_nan() && !b.is_nan() {
            sum += (a - mean) * (b - mean);
        }
    }
    if pair.shape[axis] < 2 { f64::NAN } else { sum / whole }
}

/// Largest and root mean square error of the elements for which `of` holds.
fn errors(pair: &Pair, of: impl Fn(&[u64]) -> bool) -> (f64, f64) {
    let e = pair.errors();
    let all = indices(&pair.shape);
    let there: Vec<f64> =
        all.iter().filter(|i| of(i)).map(|i| e[flat(&pair.shape, i)]).filter(|e| !e.is_nan()).collect();
    let rmse = (there.iter().map(|e| e * e).sum::<f64>() / there.len() as f64).sqrt();
    (there.iter().fold(0.0, |m, e| e.abs().max(m)), rmse)
}

fn check(pair: &Pair, found: &Neighbours, ssim_axes: usize) {
    let tolerance = 1e-11;
    if ssim_axes > 0 {
        assert_close("ssim", found.ssim, ssim(pair, ssim_axes), tolerance);
    } else {
        assert!(found.ssim.is_nan());
    }
    if pair.shape.iter().rev().take(2).all(|d| *d > 10) && pair.shape.len() > 1 {
        assert_close("dssim", found.dssim, dssim(pair), tolerance);
    } else {
        assert!(found.dssim.is_nan());
    }
    for (axis, r) in found.autocorrelation.iter().enumerate() {
        assert_close("autocorrelation", *r, autocorrelation(pair, axis), 1e-10);
    }
    for by_axis in &found.axes {
        for slice in &by_axis.slices {
            let (max_abs, rmse) = errors(pair, |i| (slice.from..slice.to).contains(&i[by_axis.axis]));
            assert_eq!(slice.max_abs, max_abs);
            assert_close("rmse", slice.rmse.0, rmse, 1e-13);
        }
    }
    let chunks = found.chunks.as_ref().unwrap();
    for chunk in &chunks.worst {
        let inside = |i: &[u64]| i.iter().zip(&chunk.index).zip(&chunks.shape).all(|((i, c), d)| c <= i && *i < c + d);
        let (max_abs, rmse) = errors(pair, inside);
        assert_eq!(chunk.max_abs, max_abs);
        assert_close("rmse", chunk.rmse.0, rmse, 1e-13);
    }
    let worst = chunks.worst.first().unwrap().max_abs;
    assert_eq!(worst, errors(pair, |_| true).0);
    assert!(chunks.worst.windows(2).all(|w| w[0].max_abs >= w[1].max_abs));
    let listed: u64 = found.histogram.as_ref().unwrap().counts.iter().sum();
    assert_eq!(listed, pair.x.iter().filter(|x| !x.is_nan()).count() as u64);
    assert_eq!(found.magnitudes.iter().map(|m| m.count).sum::<u64>(), listed);
}

#[test]
fn figures_keep_their_definitions_for_every_number_of_axes_with_and_without_missing_values() {
    let cases: &[(&[u64], &[u64], usize)] = &[
        (&[60], &[7], 0),
        (&[12, 19], &[5, 4], 2),
        (&[7, 8], &[7, 3], 2),
        (&[6, 40], &[1, 1], 0),
        (&[8, 12, 13], &[3, 5, 13], 3),
        (&[5, 11, 16], &[2, 4, 4], 2),
        (&[2, 7, 8, 11], &[1, 7, 3, 5], 3),
        (&[3, 2, 12, 11], &[2, 2, 12, 5], 2),
        (&[2, 1, 3, 2, 4], &[1, 1, 2, 2, 3], 0),
    ];
    for (shape, chunk, ssim_axes) in cases {
        for (seed, missing) in [(1, 0), (2, 53), (3, 2003)] {
            let mut pair = Pair::field(shape, seed, 0.2, missing);
            pair.chunk = Some(chunk.to_vec());
            check(&pair, &pair.whole(), *ssim_axes);
            let core: Vec<u64> = shape.iter().map(|d| d.div_ceil(3)).collect();
            check(&pair, &pair.measure(&Tiling::with_core(shape, &core)), *ssim_axes);
        }
    }
}

#[test]
fn a_missing_value_takes_part_in_no_mean() {
    let pair = Pair::field(&[11, 12, 13], 8, 0.2, 61);
    let without: Vec<f64> = pair.x.iter().copied().filter(|x| !x.is_nan()).collect();
    let mean = without.iter().sum::<f64>() / without.len() as f64;
    let std = (without.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / without.len() as f64).sqrt();
    assert_close("std", pair.whole().std_x, std, 1e-13);
}

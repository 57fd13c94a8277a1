//! Differences along any set of axes: none, along one axis, or along all of them, which is the n-dimensional Lorenzo predictor
//! (Ibarria et al. 2003): a value is predicted by the corners of the cell that ends in it, outside being zero.

use crate::array::simd::vectorize;
use crate::coding::entropy::Int;

/// What is taken from each value: see [`forward`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::coding) struct Differences {
    /// Axes along which the value before is subtracted, one bit each.
    pub(in crate::coding) axes: u8,
    /// Before that: what stands further back.
    pub(in crate::coding) lag: Option<Lag>,
}

/// Subtracting the value `by` places before along `axis`: for axes that hold several series in turn (levels of several times, hours
/// of several days).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) struct Lag {
    pub(in crate::coding) axis: usize,
    pub(in crate::coding) by: usize,
}

impl Differences {
    /// Along each axis of `axes`.
    pub(in crate::coding) fn along(axes: u8) -> Self {
        Self { axes, lag: None }
    }
}

/// The first slab along an axis has nothing before it. With one axis only, its values are told apart along the others, so that
/// they do not cost more than all the rest.
fn first_slab(axes: u8, dims: &[usize]) -> Option<usize> {
    (axes.count_ones() == 1).then(|| axes.trailing_zeros() as usize).filter(|a| *a < dims.len())
}

/// Replaces `v` (of `dims`, C order) by its differences: across the lag, if any, then along every axis whose bit is set.
pub(in crate::coding) fn forward<T: Int>(v: &mut [T], dims: &[usize], how: Differences) {
    let axes = how.axes;
    if let Some(lag) = how.lag {
        vectorize(
            #[inline(always)]
            || lagged(v, dims, lag),
        );
    }
    for a in 0..dims.len() {
        if axes >> a & 1 == 1 {
            vectorize(
                #[inline(always)]
                || differences(v, dims, a),
            );
        }
    }
    if let Some(a) = first_slab(axes, dims) {
        each_first(v, dims, a, |slab, rest| forward_all(slab, rest));
    }
}

/// Undoes [`forward`].
pub(in crate::coding) fn inverse<T: Int>(v: &mut [T], dims: &[usize], how: Differences) {
    let axes = how.axes;
    if let Some(a) = first_slab(axes, dims) {
        each_first(v, dims, a, |slab, rest| inverse_all(slab, rest));
    }
    for a in (0..dims.len()).rev() {
        if axes >> a & 1 == 1 {
            vectorize(
                #[inline(always)]
                || sums(v, dims, a),
            );
        }
    }
    if let Some(lag) = how.lag {
        vectorize(
            #[inline(always)]
            || unlagged(v, dims, lag),
        );
    }
}

/// `v[i] -= v[i - by]` along the lag's axis, from the end.
#[inline(always)]
fn lagged<T: Int>(v: &mut [T], dims: &[usize], Lag { axis, by }: Lag) {
    let stride = dims[axis + 1..].iter().product::<usize>() * by;
    for block in v.chunks_exact_mut((dims[axis] * (stride / by)).max(1)) {
        // Back from the end in steps of the lag: what is subtracted has not changed yet.
        let mut end = block.len();
        while end > stride {
            let start = end.saturating_sub(stride).max(stride);
            let (before, from) = block.split_at_mut(start);
            let before = &before[start - stride..];
            for (x, p) in from[..end - start].iter_mut().zip(before) {
                *x = x.sub(*p);
            }
            end = start;
        }
    }
}

/// Undoes [`lagged`].
#[inline(always)]
fn unlagged<T: Int>(v: &mut [T], dims: &[usize], Lag { axis, by }: Lag) {
    let stride = dims[axis + 1..].iter().product::<usize>() * by;
    for block in v.chunks_exact_mut((dims[axis] * (stride / by)).max(1)) {
        let mut start = stride;
        while start < block.len() {
            let end = (start + stride).min(block.len());
            let (before, from) = block.split_at_mut(start);
            let before = &before[start - stride..];
            for (x, p) in from[..end - start].iter_mut().zip(before) {
                *x = x.add(*p);
            }
            start = end;
        }
    }
}

fn forward_all<T: Int>(v: &mut [T], dims: &[usize]) {
    for a in 0..dims.len() {
        vectorize(
            #[inline(always)]
            || differences(v, dims, a),
        );
    }
}

fn inverse_all<T: Int>(v: &mut [T], dims: &[usize]) {
    for a in (0..dims.len()).rev() {
        vectorize(
            #[inline(always)]
            || sums(v, dims, a),
        );
    }
}

/// The first slab along axis `a`, where it lies in one piece (the outermost axis); inner axes' first slabs are single columns,
/// whose differences would cost more time than they save.
fn each_first<T: Int>(v: &mut [T], dims: &[usize], a: usize, f: impl Fn(&mut [T], &[usize])) {
    if a == 0 && dims.len() > 1 {
        let slab: usize = dims[1..].iter().product();
        f(&mut v[..slab], &dims[1..]);
    }
}

/// `v[i] -= v[i - 1]` along axis `a`, from the end.
#[inline(always)]
fn differences<T: Int>(v: &mut [T], dims: &[usize], a: usize) {
    let stride: usize = dims[a + 1..].iter().product();
    for block in v.chunks_exact_mut((dims[a] * stride).max(1)) {
        if stride == 1 {
            for i in (1..block.len()).rev() {
                block[i] = block[i].sub(block[i - 1]);
            }
        } else {
            for row in (1..dims[a]).rev() {
                let (before, from) = block.split_at_mut(row * stride);
                let before = &before[(row - 1) * stride..];
                for (x, p) in from[..stride].iter_mut().zip(before) {
                    *x = x.sub(*p);
                }
            }
        }
    }
}

/// `v[i] += v[i - 1]` along axis `a`, from the start.
#[inline(always)]
fn sums<T: Int>(v: &mut [T], dims: &[usize], a: usize) {
    let stride: usize = dims[a + 1..].iter().product();
    for block in v.chunks_exact_mut((dims[a] * stride).max(1)) {
        if stride == 1 {
            let mut sum = T::from_i64(0);
            for x in block {
                sum = sum.add(*x);
                *x = sum;
            }
        } else {
            for row in 1..dims[a] {
                let (before, from) = block.split_at_mut(row * stride);
                let before = &before[(row - 1) * stride..];
                for (x, p) in from[..stride].iter_mut().zip(before) {
                    *x = x.add(*p);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<i64> {
        (0..n as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 60)) as i64).collect()
    }

    #[test]
    fn every_set_of_axes_is_undone() {
        for dims in [vec![1], vec![17], vec![5, 7], vec![1, 9], vec![3, 4, 5], vec![2, 3, 4, 5]] {
            let n = dims.iter().product();
            let lags = (0..dims.len()).flat_map(|axis| [2, 3, 7].map(|by| Some(Lag { axis, by }))).chain([None]);
            for (axes, lag) in lags.flat_map(|lag| (0..1u8 << dims.len()).map(move |axes| (axes, lag))) {
                let how = Differences { axes, lag };
                let wide = numbers(n);
                let mut v = wide.clone();
                forward(&mut v, &dims, how);
                inverse(&mut v, &dims, how);
                assert_eq!(v, wide, "{dims:?} {how:?}");
                let narrow: Vec<i32> = wide.iter().map(|x| *x as i32).collect();
                let mut v = narrow.clone();
                forward(&mut v, &dims, how);
                inverse(&mut v, &dims, how);
                assert_eq!(v, narrow, "{dims:?} {how:?}");
            }
        }
    }

    #[test]
    fn a_plane_leaves_nothing_but_its_corner_to_lorenzo() {
        let mut v: Vec<i32> = (0..6).flat_map(|i| (0..8).map(move |j| 3 * i - 2 * j + 5)).collect();
        forward(&mut v, &[6, 8], Differences::along(0b11));
        for (at, x) in v.iter().enumerate() {
            let (i, j) = (at / 8, at % 8);
            let expected = match (i, j) {
                (0, 0) => 5,
                (0, _) => -2,
                (_, 0) => 3,
                _ => 0,
            };
            assert_eq!(*x, expected);
        }
    }
}

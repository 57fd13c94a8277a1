//! The value between finished neighbours, a row at a time.

use super::schedule::{Level, Set};

/// Which neighbours a class is predicted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Axes, all odd in the class, along which is interpolated; the mean of them where several.
    pub(super) axes: Set,
    /// Four points along an axis instead of two.
    pub(super) cubic: bool,
}

impl Choice {
    /// Choices of a class, the likeliest first: all its axes, each alone, each left out.
    pub(super) fn of(class: Set) -> impl Iterator<Item = Self> {
        let all = std::iter::once(class);
        let several = class.count_ones() >= 2;
        let single = (0..4).map(|a| 1 << a).filter(move |s: &Set| several && class & s != 0);
        let without = (0..4)
            .map(|a| 1 << a)
            .filter(move |s: &Set| class.count_ones() >= 3 && class & s != 0)
            .map(move |s| class & !s);
        all.chain(single).chain(without).flat_map(|axes| [true, false].map(|cubic| Self { axes, cubic }))
    }

    /// As one byte.
    pub(super) fn to_byte(self) -> u8 {
        self.axes | u8::from(self.cubic) << 4
    }

    /// From a byte, if it fits the class.
    pub(super) fn from_byte(byte: u8, class: Set) -> Option<Self> {
        let choice = Self { axes: byte & 15, cubic: byte >> 4 & 1 != 0 };
        (byte < 32 && choice.axes != 0 && choice.axes & !class == 0).then_some(choice)
    }
}

/// What a neighbour sum is joined to the sums of other axes by. Sums are in sixteenths of a value.
#[derive(Clone, Copy)]
enum Join {
    First,
    Add,
    /// The third of three axes: 3 a + 3 b + 2 c of 128.
    Third,
}

#[inline(always)]
fn cubic(p: i32, b: i32, d: i32, r: i32) -> i32 {
    let t = b.wrapping_add(d);
    t.wrapping_shl(3).wrapping_add(t).wrapping_sub(p).wrapping_sub(r)
}

/// `4 (3 near + far) - 2 (far + beyond)` for the ends, where one of four points is missing: 12 b + 6 d - 2 p.
#[inline(always)]
fn three(near: i32, far: i32, beyond: i32) -> i32 {
    near.wrapping_mul(12).wrapping_add(far.wrapping_mul(6)).wrapping_sub(beyond.wrapping_mul(2))
}

#[inline(always)]
fn two(b: i32, d: i32) -> i32 {
    b.wrapping_add(d).wrapping_mul(8)
}

#[inline(always)]
fn beyond(b: i32, p: i32) -> i32 {
    b.wrapping_mul(24).wrapping_sub(p.wrapping_mul(8))
}

/// Joins `sums` into `acc`.
#[inline(always)]
fn put(acc: &mut [i32], how: Join, sums: impl Iterator<Item = i32>) {
    match how {
        Join::First => acc.iter_mut().zip(sums).for_each(|(a, s)| *a = s),
        Join::Add => acc.iter_mut().zip(sums).for_each(|(a, s)| *a = a.wrapping_add(s)),
        Join::Third => acc.iter_mut().zip(sums).for_each(|(a, s)| {
            *a = a.wrapping_mul(3).wrapping_add(s.wrapping_mul(2));
        }),
    }
}

/// Along an outer axis: whole rows before, at, after and after that. All formulas are one place's in a row.
#[inline(always)]
fn across(
    acc: &mut [i32],
    how: Join,
    cubic_: bool,
    p: Option<&[i32]>,
    b: &[i32],
    d: Option<&[i32]>,
    r: Option<&[i32]>,
) {
    let (p, r) = if cubic_ { (p, r) } else { (p.filter(|_| d.is_none()), None) };
    match (p, d, r) {
        (Some(p), Some(d), Some(r)) => {
            put(acc, how, p.iter().zip(b).zip(d).zip(r).map(|(((p, b), d), r)| cubic(*p, *b, *d, *r)));
        }
        (Some(p), Some(d), None) => put(acc, how, p.iter().zip(b).zip(d).map(|((p, b), d)| three(*b, *d, *p))),
        (None, Some(d), Some(r)) => put(acc, how, b.iter().zip(d).zip(r).map(|((b, d), r)| three(*d, *b, *r))),
        (None, Some(d), None) => put(acc, how, b.iter().zip(d).map(|(b, d)| two(*b, *d))),
        (Some(p), None, _) => put(acc, how, p.iter().zip(b).map(|(p, b)| beyond(*b, *p))),
        (None, None, _) => put(acc, how, b.iter().map(|b| b.wrapping_mul(16))),
    }
}

/// The sum at place `j` near an end of a row.
#[inline(always)]
fn end(x: &[i32], j: usize, cubic_: bool) -> i32 {
    let b = x[j];
    let p = if j > 0 { Some(x[j - 1]) } else { None };
    let d = x.get(j + 1).copied();
    let r = x.get(j + 2).copied();
    let (p, r) = if cubic_ { (p, r) } else { (p.filter(|_| d.is_none()), None) };
    match (p, d, r) {
        (Some(p), Some(d), Some(r)) => cubic(p, b, d, r),
        (Some(p), Some(d), None) => three(b, d, p),
        (None, Some(d), Some(r)) => three(d, b, r),
        (None, Some(d), None) => two(b, d),
        (Some(p), None, _) => beyond(b, p),
        (None, None, _) => b.wrapping_mul(16),
    }
}

/// Along the last axis: places `c - 1` to `c + 2` of one row of as many values as `acc`, or one more.
#[inline(always)]
fn along(acc: &mut [i32], how: Join, cubic_: bool, x: &[i32]) {
    let w = acc.len();
    // The inside, where all four (two) neighbours stand; then the ends one by one.
    let (lo, hi) = if cubic_ { (1.min(w), x.len().saturating_sub(2).min(w)) } else { (0, (x.len() - 1).min(w)) };
    if lo < hi {
        if cubic_ {
            let sums = x.iter().zip(&x[1..]).zip(&x[2..]).zip(&x[3..]);
            put(&mut acc[lo..hi], how, sums.map(|(((p, b), d), r)| cubic(*p, *b, *d, *r)));
        } else {
            put(&mut acc[lo..hi], how, x.iter().zip(&x[1..]).map(|(b, d)| two(*b, *d)));
        }
    }
    let hi = hi.max(lo);
    for j in (0..lo).chain(hi..w) {
        put(&mut acc[j..=j], how, std::iter::once(end(x, j, cubic_)));
    }
}

/// Predicts the row `at` of the plane of `class` from finished planes into `acc`.
#[inline(always)]
pub(super) fn row(level: &Level, planes: &[i32], class: Set, choice: Choice, at: [usize; 3], acc: &mut [i32]) {
    let mut how = Join::First;
    let count = choice.axes.count_ones();
    for axis in 0..4 {
        if choice.axes >> axis & 1 == 0 {
            continue;
        }
        let set = class & !(1 << axis);
        let dims = level.plane_dims(set);
        let start = level.start(set);
        let w = dims[3];
        let index = (at[0] * dims[1] + at[1]) * dims[2] + at[2];
        let x = &planes[start + index * w..];
        if axis == 3 {
            along(acc, how, choice.cubic, &x[..w]);
        } else {
            let step = w * [dims[1] * dims[2], dims[2], 1][axis];
            let (c, n) = (at[axis], dims[axis]);
            let before = (c > 0).then(|| &planes[start + index * w - step..][..w]);
            let after = (c + 1 < n).then(|| &x[step..][..w]);
            let beyond = (c + 2 < n).then(|| &x[2 * step..][..w]);
            across(acc, how, choice.cubic, before, &x[..w], after, beyond);
        }
        how = match how {
            Join::First => Join::Add,
            Join::Add if count == 3 => Join::Third,
            other => other,
        };
    }
    let (half, shift) = [(0, 0), (8, 4), (16, 5), (64, 7), (32, 6)][count as usize % 5];
    for a in acc {
        *a = a.wrapping_add(half) >> shift;
    }
}

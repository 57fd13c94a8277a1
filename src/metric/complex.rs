//! Comparing a block of complex numbers: parts are split into chunks of their own, then compared as floats.

use pulp::{Simd, WithSimd};

use super::class::Class;
use super::exact_sum::ExactSum;
use super::float::{add_classes, changes, difference, padded};
use super::fold::{CHUNK, Folds, add_sums};
use super::loss::{Loss, Worst};
use super::places::Places;
use super::word::Word;
use crate::array::Scalar;
use crate::array::simd::{vectorize, with_vectors};

/// The real and the imaginary parts of a chunk.
struct Parts<T> {
    re: [T; CHUNK],
    im: [T; CHUNK],
}

impl<T: Copy> Parts<T> {
    fn new(zero: T) -> Self {
        Self { re: [zero; CHUNK], im: [zero; CHUNK] }
    }

    /// Splits `pairs`; `n` numbers in all, filled up with `zero`.
    fn split(&mut self, pairs: &[T], n: usize, zero: T) {
        let (pairs, _) = pairs.as_chunks::<2>();
        self.re[pairs.len()..n].fill(zero);
        self.im[pairs.len()..n].fill(zero);
        vectorize(
            #[inline(always)]
            || {
                for (([a, b], re), im) in pairs.iter().zip(&mut self.re).zip(&mut self.im) {
                    (*re, *im) = (*a, *b);
                }
            },
        );
    }
}

/// What a chunk needs besides its elements, kept from chunk to chunk.
struct Work {
    /// Both sides of one part as f64, unless they are.
    wide: [[f64; CHUNK]; 2],
    e: Parts<f64>,
    /// Of the real and of the imaginary part.
    folds: [Folds; 2],
    /// Whether the last chunk held NaN or Inf.
    masked: bool,
}

/// Compares `x` (original) with `y` (restored), real and imaginary parts by turns, whose elements stand at `places`.
pub(super) fn compare<W: Word>(loss: &mut Loss, mut places: Places<'_>, x: &[W], y: &[W]) {
    let mut bias_imag = loss.bias_imag.take().unwrap_or_default();
    let (mut px, mut py) = (Parts::new(W::ZERO), Parts::new(W::ZERO));
    let mut work = Work { wide: [[0.0; CHUNK]; 2], e: Parts::new(0.0), folds: [Folds::default(); 2], masked: false };
    for (x, y) in x.chunks(2 * CHUNK).zip(y.chunks(2 * CHUNK)) {
        let count = x.len() / 2;
        let n = padded(count);
        px.split(x, n, W::ZERO);
        py.split(y, n, W::ZERO);
        chunk(loss, &mut bias_imag, places.take(count), (&px, &py), &mut work, n);
        loss.count += count as u64;
        loss.finite -= (n - count) as u64;
    }
    loss.bias_imag = Some(bias_imag);
}

fn chunk<W: Word>(
    loss: &mut Loss,
    bias_imag: &mut ExactSum,
    places: Places<'_>,
    (x, y): (&Parts<W>, &Parts<W>),
    work: &mut Work,
    n: usize,
) {
    let (xr, xi, yr, yi) = (&x.re[..n], &x.im[..n], &y.re[..n], &y.im[..n]);
    let Work { wide, e, folds, masked } = work;
    let (er, ei) = (&mut e.re[..n], &mut e.im[..n]);
    let [wide_x, wide_y] = wide;
    let (max_re, finite_re) = difference(W::widen(xr, wide_x), W::widen(yr, wide_y), er, masked);
    let (max_im, finite_im) = difference(W::widen(xi, wide_x), W::widen(yi, wide_y), ei, masked);
    loss.finite += n as u64;
    let (mut max_re, mut max_im) = (max_re, max_im);
    if !(finite_re && finite_im) {
        without_non_finite(loss, bias_imag, places, (x, y), (er, ei));
        (max_re, max_im) = (largest(er), largest(ei));
    }
    let (changed_re, odd_re) = changes(xr, yr);
    let (changed_im, odd_im) = changes(xi, yi);
    if changed_re + changed_im > 0 {
        let pairs = (xr, yr, xi, yi);
        let any = count(pairs, |x, y| x != y);
        // Only where there is a NaN can a changed word be no changed value.
        let changed =
            if finite_re && finite_im { any } else { count(pairs, |x, y| (x != y) & !(x.is_nan() & y.is_nan())) };
        loss.changed += changed;
        loss.nan_payload += any - changed;
    }
    for (x, y, finite, odd) in [(xr, yr, finite_re, odd_re), (xi, yi, finite_im, odd_im)] {
        if odd {
            add_classes(loss, places, x, y, Class::FINITE);
        }
        if !finite {
            add_classes(loss, places, x, y, Class::NON_FINITE);
        }
    }
    let [folds_re, folds_im] = folds;
    add_sums(er, max_re, folds_re, &mut loss.bias, &mut loss.squares);
    add_sums(ei, max_im, folds_im, bias_imag, &mut loss.squares);
    if loss.may_be_worst(largest_modulus(er, ei, max_re.max(max_im)), || places.lowest()) {
        for (i, at) in places.iter().enumerate() {
            offer(loss, at, modulus(er[i], ei[i]), [xr[i], xi[i]], [yr[i], yi[i]]);
        }
    }
}

/// How many numbers have a part that satisfies `test`.
#[inline(always)]
fn count<W: Word>((xr, yr, xi, yi): (&[W], &[W], &[W], &[W]), test: impl Fn(W, W) -> bool) -> u64 {
    vectorize(
        #[inline(always)]
        || {
            xr.iter().zip(yr).zip(xi.iter().zip(yi)).fold(W::ZERO, |n, ((xr, yr), (xi, yi))| {
                n.plus(if test(*xr, *yr) | test(*xi, *yi) { W::ONE } else { W::ZERO })
            })
        },
    )
    .number()
}

fn offer<W: Word>(loss: &mut Loss, at: u64, abs: f64, x: [W; 2], y: [W; 2]) {
    let scalar = |[re, im]: [W; 2]| Scalar::Complex(re.value(), im.value());
    if abs > 0.0 {
        loss.offer(Worst { abs, exact: 0, at, original: scalar(x), restored: scalar(y) });
    }
}

/// Takes numbers with a part that is NaN or Inf out of the errors and counts them out; sums differences beyond f64.
fn without_non_finite<W: Word>(
    loss: &mut Loss,
    bias_imag: &mut ExactSum,
    places: Places<'_>,
    (x, y): (&Parts<W>, &Parts<W>),
    (er, ei): (&mut [f64], &mut [f64]),
) {
    let mut places = places.iter();
    for i in 0..er.len() {
        let at = places.next();
        let (a, b) = ([x.re[i], x.im[i]], [y.re[i], y.im[i]]);
        if !a.into_iter().chain(b).all(W::is_finite) {
            loss.finite -= 1;
            (er[i], ei[i]) = (0.0, 0.0);
            continue;
        }
        let [half_re, half_im] = [0, 1].map(|p: usize| a[p].value() / 2.0 - b[p].value() / 2.0);
        for (half, e, imag) in [(half_re, &mut er[i], false), (half_im, &mut ei[i], true)] {
            if half.abs() > f64::MAX / 2.0 {
                let bias = if imag { &mut *bias_imag } else { &mut loss.bias };
                bias.add_times_power(half, 1);
                loss.squares.add_square(half, 1);
                *e = 0.0;
                if let Some(at) = at {
                    offer(loss, at, f64::MAX, a, b);
                }
            }
        }
    }
}

fn largest(e: &[f64]) -> f64 {
    e.iter().fold(0.0, |m: f64, e| m.max(e.abs()))
}

/// An upper bound, close to the largest modulus of `er + i·ei`, whose parts are at most `max`.
fn largest_modulus(er: &[f64], ei: &[f64], max: f64) -> f64 {
    // Outside, squares would overflow or vanish, and the plain bound costs only time.
    if !(1e-100..1e100).contains(&max) {
        return (max * 1.5).min(f64::MAX);
    }
    // The modulus computed one by one may differ in its last places.
    with_vectors(LargestSquare { er, ei }).sqrt() * (1.0 + 8.0 * f64::EPSILON)
}

struct LargestSquare<'a> {
    er: &'a [f64],
    ei: &'a [f64],
}

impl WithSimd for LargestSquare<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut max = [simd.splat_f64s(0.0); 4];
        let ((er, _), (ei, _)) = (S::as_simd_f64s(self.er), S::as_simd_f64s(self.ei));
        let ((er, _), (ei, _)) = (er.as_chunks::<4>(), ei.as_chunks::<4>());
        for (er, ei) in er.iter().zip(ei) {
            for v in 0..4 {
                let square = simd.add_f64s(simd.mul_f64s(er[v], er[v]), simd.mul_f64s(ei[v], ei[v]));
                max[v] = simd.max_f64s(square, max[v]);
            }
        }
        bytemuck::cast_slice::<_, f64>(&max).iter().fold(0.0, |m: f64, a| m.max(*a))
    }
}

/// |re + i·im|, scaled by a power of two against overflow and underflow: the same on every machine, unlike `hypot`.
pub(super) fn modulus(re: f64, im: f64) -> f64 {
    let max = re.abs().max(im.abs());
    if max == 0.0 || re == 0.0 || im == 0.0 {
        return max;
    }
    let (up, down) = if max > 1e100 {
        (2f64.powi(-600), 2f64.powi(600))
    } else if max < 1e-100 {
        (2f64.powi(600), 2f64.powi(-600))
    } else {
        (1.0, 1.0)
    };
    let (re, im) = (re * up, im * up);
    ((re * re + im * im).sqrt() * down).min(f64::MAX)
}

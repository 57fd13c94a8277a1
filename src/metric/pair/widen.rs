//! Both sides of a comparison as f64, and their difference, whatever the dtype.

use half::f16;
use half::slice::HalfFloatSliceExt;
use num_complex::Complex;

use crate::array::simd::vectorize;
use crate::array::{Buf, DType, DTypeKind, with_integer, with_word};
use crate::error::{Result, refuse};
use crate::metric::complex::modulus;
use crate::metric::matrix::ABSENT;

/// Elements `from..from + out.len()` of `buf` as f64: exact but for 64-bit integers beyond 2^53, which are rounded; complex
/// numbers as their modulus.
pub(in crate::metric) fn widen(buf: &Buf, from: usize, out: &mut [f64]) {
    let n = out.len();
    match buf.dtype() {
        DType::F64 => out.copy_from_slice(&buf.slice::<f64>()[from..from + n]),
        DType::F32 => {
            let x = &buf.slice::<f32>()[from..from + n];
            vectorize(
                #[inline(always)]
                || out.iter_mut().zip(x).for_each(|(o, x)| *o = f64::from(*x)),
            );
        }
        DType::F16 => buf.slice::<f16>()[from..from + n].convert_to_f64_slice(out),
        DType::C64 => {
            let x = &buf.slice::<Complex<f32>>()[from..from + n];
            out.iter_mut().zip(x).for_each(|(o, x)| *o = modulus_or_nan(x.re.into(), x.im.into()));
        }
        DType::C128 => {
            let x = &buf.slice::<Complex<f64>>()[from..from + n];
            out.iter_mut().zip(x).for_each(|(o, x)| *o = modulus_or_nan(x.re, x.im));
        }
        dtype => with_integer!(dtype, T => integers(&buf.slice::<T>()[from..from + n], out), else ()),
    }
}

/// `modulus` says nothing of NaN: any NaN part makes NaN, else any infinite part makes infinity.
fn modulus_or_nan(re: f64, im: f64) -> f64 {
    match (re.is_nan() || im.is_nan(), re.is_infinite() || im.is_infinite()) {
        (true, _) => f64::NAN,
        (_, true) => f64::INFINITY,
        _ => modulus(re, im),
    }
}

/// An integer as the nearest f64.
trait ToF64: Copy {
    fn to_f64(self) -> f64;
}

macro_rules! to_f64 {
    ($($T:ty),*) => { $(impl ToF64 for $T {
        #[inline(always)]
        fn to_f64(self) -> f64 {
            self as f64
        }
    })* };
}
to_f64!(i8, i16, i32, i64, u8, u16, u32, u64);

fn integers<T: ToF64>(x: &[T], out: &mut [f64]) {
    vectorize(
        #[inline(always)]
        || out.iter_mut().zip(x).for_each(|(o, x)| *o = x.to_f64()),
    );
}

/// `original − restored` of elements `from..from + e.len()`, rounded once; NaN unless both are finite; differences beyond f64
/// saturate. Complex numbers: the modulus of the difference. `x` and `y` are the same elements widened.
pub(in crate::metric) fn subtract(original: &Buf, restored: &Buf, from: usize, x: &[f64], y: &[f64], e: &mut [f64]) {
    let n = e.len();
    match original.dtype() {
        // Widened 64-bit integers are rounded; their difference must not be.
        DType::I64 => wide(&original.slice::<i64>()[from..from + n], &restored.slice::<i64>()[from..from + n], e),
        DType::U64 => wide(&original.slice::<u64>()[from..from + n], &restored.slice::<u64>()[from..from + n], e),
        DType::C64 => {
            let (x, y) = (original.slice::<Complex<f32>>(), restored.slice::<Complex<f32>>());
            for ((e, x), y) in e.iter_mut().zip(&x[from..from + n]).zip(&y[from..from + n]) {
                *e = apart([x.re.into(), x.im.into()], [y.re.into(), y.im.into()]);
            }
        }
        DType::C128 => {
            let (x, y) = (original.slice::<Complex<f64>>(), restored.slice::<Complex<f64>>());
            for ((e, x), y) in e.iter_mut().zip(&x[from..from + n]).zip(&y[from..from + n]) {
                *e = apart([x.re, x.im], [y.re, y.im]);
            }
        }
        dtype if dtype.kind() == DTypeKind::Float => vectorize(
            #[inline(always)]
            || {
                for ((e, x), y) in e.iter_mut().zip(x).zip(y) {
                    // 0 times a number is 0, times NaN or infinity it is NaN.
                    let missing = x * 0.0 + y * 0.0;
                    *e = (x - y).clamp(-f64::MAX, f64::MAX) + missing;
                }
            },
        ),
        _ => e.iter_mut().zip(x).zip(y).for_each(|((e, x), y)| *e = x - y),
    }
}

fn apart(x: [f64; 2], y: [f64; 2]) -> f64 {
    if !x.into_iter().chain(y).all(f64::is_finite) {
        return f64::NAN;
    }
    modulus((x[0] - y[0]).clamp(-f64::MAX, f64::MAX), (x[1] - y[1]).clamp(-f64::MAX, f64::MAX))
}

fn wide<T: Copy + Into<i128>>(x: &[T], y: &[T], e: &mut [f64]) {
    for ((e, x), y) in e.iter_mut().zip(x).zip(y) {
        *e = ((*x).into() - (*y).into()) as f64;
    }
}

/// Both sides and their difference as f64, NaN in all three wherever a pair has no error: NaN or infinite on either side, or
/// `fill` (the fill value's bits). Otherwise exact as far as f64 is: 64-bit integers beyond 2^53 are rounded, their difference
/// is rounded once. Complex numbers give moduli, and the modulus of the difference.
pub fn triple(
    original: &Buf,
    restored: &Buf,
    fill: Option<u64>,
    x: &mut Vec<f64>,
    y: &mut Vec<f64>,
    e: &mut Vec<f64>,
) -> Result<()> {
    if original.dtype() != restored.dtype() || original.len() != restored.len() {
        return refuse!(Usage, "blocks of different dtype or length cannot be compared");
    }
    let n = original.len();
    for out in [&mut *x, &mut *y, &mut *e] {
        out.resize(n, 0.0);
    }
    widen(original, 0, x);
    widen(restored, 0, y);
    subtract(original, restored, 0, x, y, e);
    if let Some(fill) = fill {
        blank(original, fill, 0, e);
        blank(restored, fill, 0, e);
    }
    vectorize(
        #[inline(always)]
        || {
            for ((x, y), e) in x.iter_mut().zip(y.iter_mut()).zip(e.iter()) {
                // NaN where there is no error, else 0.
                let missing = *e * 0.0;
                *x += missing;
                *y += missing;
            }
        },
    );
    Ok(())
}

/// The elements of `buf` as f64, a NaN that [`largest_asymmetry`](crate::metric::largest_asymmetry) knows for the fill value's
/// bits.
pub fn present(buf: &Buf, fill: Option<u64>, out: &mut Vec<f64>) {
    out.resize(buf.len(), 0.0);
    widen(buf, 0, out);
    if let Some(fill) = fill {
        put(buf, fill, 0, out, ABSENT);
    }
}

/// Writes NaN to `to` wherever the element of `buf` has the bits `fill`; returns how many.
pub(in crate::metric) fn blank(buf: &Buf, fill: u64, from: usize, to: &mut [f64]) -> u64 {
    put(buf, fill, from, to, f64::NAN)
}

fn put(buf: &Buf, fill: u64, from: usize, to: &mut [f64], what: f64) -> u64 {
    let mut found = 0;
    with_word!(buf.dtype(), W => {
        let words = &buf.slice::<W>()[from..from + to.len()];
        for (to, word) in to.iter_mut().zip(words) {
            if <W as Low>::low(*word) == fill {
                *to = what;
                found += 1;
            }
        }
    });
    found
}

/// The bits of a word, to be compared with a fill value's.
pub(super) trait Low {
    /// The low 64 bits.
    fn low(self) -> u64;
}

macro_rules! low {
    ($($W:ty),*) => { $(impl Low for $W {
        #[inline(always)]
        fn low(self) -> u64 {
            self.into()
        }
    })* };
}
low!(u8, u16, u32, u64);

impl Low for [u64; 2] {
    // Fill values are for real numbers; `Pairs::new` refuses them elsewhere.
    fn low(self) -> u64 {
        self[0]
    }
}

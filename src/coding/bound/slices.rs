//! The judgement over whole chunks, at the speed of memory.

use half::slice::HalfFloatSliceExt;

use super::Bound;
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, Element, with_integer};
use crate::error::{Result, refuse};

/// Elements that are judged at once; only a block with a doubtful one is looked at again, one by one. Small enough for the
/// innermost cache, large enough that the dispatch on the machine's vectors costs nothing.
const BLOCK: usize = 1024;

/// Rounded relative limits are lowered by this before a difference is compared with them, which covers the rounding of the
/// product, of the widened integers and of the difference; what falls between is judged exactly.
const SURELY: f64 = 1.0 - 1.0 / (1u64 << 50) as f64;

impl Bound {
    /// Appends to `found` the positions where `decoded` may not stand for `original` (real dtypes; mean squares are not
    /// judged here).
    ///
    /// # Errors
    /// `Usage` where the two differ in dtype or length, or are complex.
    pub(in crate::coding) fn violations(&self, original: &Buf, decoded: &Buf, found: &mut Vec<usize>) -> Result<()> {
        check(original, decoded)?;
        if self.is_lossless() {
            // Bits against bits, whatever they mean: a widened signalling NaN would no longer show its payload.
            match original.dtype().size() {
                1 => self.integers::<u8>(original.slice(), decoded.slice(), found),
                2 => self.integers::<u16>(original.slice(), decoded.slice(), found),
                4 => self.integers::<u32>(original.slice(), decoded.slice(), found),
                _ => self.integers::<u64>(original.slice(), decoded.slice(), found),
            }
            return Ok(());
        }
        match original.dtype() {
            DType::F16 => {
                let mut wide = [[0f32; BLOCK]; 2];
                let (x, y) = (original.slice::<half::f16>(), decoded.slice::<half::f16>());
                for (b, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
                    let [wx, wy] = &mut wide;
                    let (wx, wy) = (&mut wx[..x.len()], &mut wy[..y.len()]);
                    x.convert_to_f32_slice(wx);
                    y.convert_to_f32_slice(wy);
                    let same = |i: usize| x[i].to_bits() == y[i].to_bits();
                    self.floats(b * BLOCK, wx, wy, same, found);
                }
            }
            DType::F32 => {
                let (x, y) = (original.slice::<f32>(), decoded.slice::<f32>());
                for (b, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
                    self.floats(b * BLOCK, x, y, |i| x[i].to_bits() == y[i].to_bits(), found);
                }
            }
            DType::F64 => {
                let (x, y) = (original.slice::<f64>(), decoded.slice::<f64>());
                for (b, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
                    self.floats(b * BLOCK, x, y, |i| x[i].to_bits() == y[i].to_bits(), found);
                }
            }
            dtype => with_integer!(dtype, T => self.integers::<T>(original.slice(), decoded.slice(), found), else ()),
        }
        Ok(())
    }

    /// Judges one block of floats: quickly all of them, then exactly those in doubt. `same` compares the bits of two elements
    /// before they were widened.
    fn floats<T: Value>(&self, start: usize, x: &[T], y: &[T], same: impl Fn(usize) -> bool, found: &mut Vec<usize>) {
        let mut doubtful = [0u8; BLOCK];
        if self.doubt(x, y, &mut doubtful[..x.len()]) {
            for i in (0..x.len()).filter(|i| doubtful[*i] != 0) {
                let (x, y) = (x[i].wide(), y[i].wide());
                if !(same(i) || x.is_finite() && self.allows_f64(x, y)) {
                    found.push(start + i);
                }
            }
        }
    }

    fn integers<T: Whole>(&self, x: &[T], y: &[T], found: &mut Vec<usize>) {
        let mut doubtful = [0u8; BLOCK];
        for (b, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
            if self.doubt(x, y, &mut doubtful[..x.len()]) {
                for i in (0..x.len()).filter(|i| doubtful[*i] != 0) {
                    if !self.allows_int(x[i].whole(), y[i].whole()) {
                        found.push(b * BLOCK + i);
                    }
                }
            }
        }
    }

    /// Sets a flag for every element that is not surely allowed, and says whether there is one. Never misses one that is not
    /// allowed.
    pub(in crate::coding) fn doubt<T: Value>(&self, x: &[T], y: &[T], doubtful: &mut [u8]) -> bool {
        let n = x.len();
        assert!(y.len() == n && doubtful.len() == n);
        if self.is_lossless() {
            return vectorize(
                #[inline(always)]
                || {
                    for i in 0..n {
                        doubtful[i] = u8::from(!T::same(x[i], y[i]));
                    }
                    any(doubtful)
                },
            );
        }
        // No limit on single elements: any finite value may stand for any other.
        let abs = self.max_abs.unwrap_or(f64::INFINITY);
        let limit = T::limit(abs);
        let (rel, floor) = (self.max_rel.map(|r| r * SURELY), self.rel_floor);
        vectorize(
            #[inline(always)]
            || {
                match rel {
                    None => {
                        for i in 0..n {
                            doubtful[i] = u8::from(!T::within(x[i], y[i], limit));
                        }
                    }
                    Some(rel) => {
                        for i in 0..n {
                            let (d, m) = (T::distance(x[i], y[i]), x[i].wide().abs());
                            let m = if m > floor { m } else { floor };
                            doubtful[i] = u8::from(!(d < abs && d < rel * m));
                        }
                    }
                }
                any(doubtful)
            },
        )
    }
}

#[inline(always)]
fn any(flags: &[u8]) -> bool {
    let mut all = 0;
    for f in flags {
        all |= *f;
    }
    all != 0
}

fn check(original: &Buf, decoded: &Buf) -> Result<()> {
    if original.dtype() != decoded.dtype()
        || original.len() != decoded.len()
        || original.dtype().part() != original.dtype()
    {
        return refuse!(
            Usage,
            "{} {} elements cannot be judged by {} {}",
            original.len(),
            original.dtype(),
            decoded.len(),
            decoded.dtype()
        );
    }
    Ok(())
}

/// An element that is compared in float64.
pub(in crate::coding) trait Value: Copy {
    /// An absolute limit in the arithmetic of the elements.
    type Limit: Copy;
    /// The limit that is surely kept where [`Value::within`] says so.
    fn limit(abs: f64) -> Self::Limit;
    /// Whether |x − y| surely keeps the limit.
    fn within(x: Self, y: Self, limit: Self::Limit) -> bool;
    /// Itself as float64, rounded where that has too few bits (wide integers alone).
    fn wide(self) -> f64;
    /// |x − y|, rounded to nearest; NaN or infinite where one of them is not finite.
    fn distance(x: Self, y: Self) -> f64;
    /// Whether the bits are equal.
    fn same(x: Self, y: Self) -> bool;
}

/// An integer element.
trait Whole: Value {
    fn whole(self) -> i128;
}

macro_rules! floats {
    ($($T:ty)*) => { $(impl Value for $T {
        type Limit = f64;
        fn limit(abs: f64) -> f64 {
            abs
        }
        #[inline(always)]
        fn within(x: Self, y: Self, limit: f64) -> bool {
            Self::distance(x, y) < limit
        }
        #[inline(always)]
        fn wide(self) -> f64 {
            f64::from(self)
        }
        #[inline(always)]
        fn distance(x: Self, y: Self) -> f64 {
            (f64::from(x) - f64::from(y)).abs()
        }
        #[inline(always)]
        fn same(x: Self, y: Self) -> bool {
            x.to_bits() == y.to_bits()
        }
    })* };
}
floats! { f32 f64 }

macro_rules! integers {
    ($($T:ty, $U:ty;)*) => { $(
        impl Value for $T {
            type Limit = $U;
            // Towards zero and saturating: the floor.
            fn limit(abs: f64) -> $U {
                abs as $U
            }
            #[inline(always)]
            fn within(x: Self, y: Self, limit: $U) -> bool {
                x.abs_diff(y) <= limit
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn distance(x: Self, y: Self) -> f64 {
                x.abs_diff(y) as f64
            }
            #[inline(always)]
            fn same(x: Self, y: Self) -> bool {
                x == y
            }
        }
        impl Whole for $T {
            fn whole(self) -> i128 {
                i128::from(self)
            }
        }
    )* };
}
integers! { u8, u8; u16, u16; u32, u32; u64, u64; i8, u8; i16, u16; i32, u32; i64, u64; }

/// Lanes of the sums of squares: enough to hide the latency of additions; fixed, as the order of additions decides the sum.
const LANES: usize = 16;

/// The sum of (x − y)² over the elements where both are finite, in a fixed order: the same on every machine.
///
/// # Errors
/// `Usage` where the two differ in dtype or length, or are complex.
pub(in crate::coding) fn squared_error(original: &Buf, decoded: &Buf) -> Result<f64> {
    check(original, decoded)?;
    fn run<T: Value + Element>(x: &[T], y: &[T]) -> f64 {
        vectorize(
            #[inline(always)]
            || {
                let mut sums = [0f64; LANES];
                let (xs, x_rest) = x.as_chunks::<LANES>();
                let (ys, y_rest) = y.as_chunks::<LANES>();
                for (x, y) in xs.iter().zip(ys) {
                    for l in 0..LANES {
                        sums[l] += square(x[l], y[l]);
                    }
                }
                for (l, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
                    sums[l] += square(*x, *y);
                }
                sums.iter().sum()
            },
        )
    }
    #[inline(always)]
    fn square<T: Value>(x: T, y: T) -> f64 {
        let d = T::distance(x, y);
        if d < f64::INFINITY { d * d } else { 0.0 }
    }
    Ok(match original.dtype() {
        DType::F16 => {
            let (x, y) = (original.slice::<half::f16>(), decoded.slice::<half::f16>());
            let mut wide = [[0f32; BLOCK]; 2];
            let mut sum = 0.0;
            for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
                let [wx, wy] = &mut wide;
                x.convert_to_f32_slice(&mut wx[..x.len()]);
                y.convert_to_f32_slice(&mut wy[..y.len()]);
                sum += run(&wx[..x.len()], &wy[..y.len()]);
            }
            sum
        }
        DType::F32 => run::<f32>(original.slice(), decoded.slice()),
        DType::F64 => run::<f64>(original.slice(), decoded.slice()),
        dtype => with_integer!(dtype, T => run::<T>(original.slice(), decoded.slice()), else 0.0),
    })
}

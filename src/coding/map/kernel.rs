//! The loops that all maps share: blocks of values to integers, each judged by what the inverse makes of it.

use half::slice::HalfFloatSliceExt;

use crate::array::simd::vectorize;
use crate::coding::Bound;
use crate::coding::bound::Value;
use crate::coding::entropy::Int;
use crate::coding::holes::Holes;

/// Elements handled at once: they and their integers stay in the innermost cache, and the dispatch on the machine's vectors
/// costs nothing.
pub(super) const BLOCK: usize = 1024;

/// 1.5·2^52: added to |y| < 2^51, it leaves y rounded to the nearest integer (ties to even) in the low bits. AVX2 has no
/// conversion between float64 and 64-bit integers, and `round` is no vector instruction before SSE4.1.
const MAGIC: f64 = (3u64 << 51) as f64;

/// An integer that floats are rounded to and made of.
pub(super) trait Count: Int {
    /// The nearest integer of |y| < 2^51 that fits; the low bits of something for any other `y`.
    fn nearest(y: f64) -> Self;
    /// Itself, exact below 2^51; some float for any other.
    fn wide(self) -> f64;
}

impl Count for i32 {
    #[inline(always)]
    fn nearest(y: f64) -> Self {
        (y + MAGIC).to_bits() as i32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Count for i64 {
    #[inline(always)]
    fn nearest(y: f64) -> Self {
        (y + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i64
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from_bits(MAGIC.to_bits().wrapping_add(self as u64)) - MAGIC
    }
}

/// `y` rounded to the nearest integer, ties to even, for |y| < 2^51.
#[inline(always)]
pub(super) fn nearest(y: f64) -> f64 {
    (y + MAGIC) - MAGIC
}

/// What becomes of the values of a chunk as integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::coding) struct Stats {
    /// Least integer (0 where every element is a hole).
    pub min: i64,
    /// Greatest integer.
    pub max: i64,
    /// Elements kept exactly.
    pub holes: usize,
}

/// A flag of an element that must be looked at by itself.
pub(super) const DOUBT: u8 = 1;
/// A flag of an element that is a hole whatever its integer.
pub(super) const SURE: u8 = 2;

/// Flags taken together: a word of them tells at once that none is set.
const GROUP: usize = 8;

/// Runs `block` (start, integers, flags; says whether it set a flag) over `ints`, asks `is_hole` (position, integer) about
/// elements in doubt, and gives holes the integer of the element before them.
pub(super) fn drive<K: Int>(
    ints: &mut [K],
    holes: &mut Holes,
    mut block: impl FnMut(usize, &mut [K], &mut [u8]) -> bool,
    is_hole: impl Fn(usize, K) -> bool,
) -> Stats {
    let (mut last, mut first) = (K::from_i64(0), None);
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    let mut flags = [0u8; BLOCK];
    for (b, k) in ints.chunks_mut(BLOCK).enumerate() {
        let start = b * BLOCK;
        let flags = &mut flags[..k.len()];
        if block(start, k, flags) {
            for (g, (k, flags)) in k.chunks_mut(GROUP).zip(flags.chunks_mut(GROUP)).enumerate() {
                let start = start + g * GROUP;
                last = group(start, k, flags, last, &mut first, &is_hole);
            }
            holes.mark(start, flags);
        } else {
            first = first.or(Some(start));
            last = k[k.len() - 1];
        }
        // Leading holes hold 0 so far, which is no integer of the chunk.
        let Some(first) = first else { continue };
        let (low, high) = range(&k[first.saturating_sub(start)..]);
        (min, max) = (min.min(low), max.max(high));
    }
    match first {
        Some(first) => {
            let value = ints[first];
            ints[..first].fill(value);
        }
        None => (min, max) = (0, 0),
    }
    Stats { min, max, holes: holes.count() }
}

/// Decides the flags of a few elements and repeats integers over holes; gives the last integer that is none of a hole.
#[inline(always)]
fn group<K: Int>(
    start: usize,
    k: &mut [K],
    flags: &mut [u8],
    mut last: K,
    first: &mut Option<usize>,
    is_hole: &impl Fn(usize, K) -> bool,
) -> K {
    if let Ok(eight) = <[u8; GROUP]>::try_from(&*flags) {
        let word = u64::from_le_bytes(eight);
        if word == 0 {
            *first = first.or(Some(start));
            return k[k.len() - 1];
        }
        if word & (u64::from(SURE) * (u64::MAX / 0xff)) == u64::from(SURE) * (u64::MAX / 0xff) {
            k.fill(last);
            return last;
        }
    }
    for (i, (k, flag)) in k.iter_mut().zip(flags).enumerate() {
        if *flag == DOUBT && !is_hole(start + i, *k) {
            *flag = 0;
        }
        if *flag == 0 {
            last = *k;
            *first = first.or(Some(start + i));
        } else {
            *k = last;
        }
    }
    last
}

fn range<K: Int>(k: &[K]) -> (i64, i64) {
    vectorize(
        #[inline(always)]
        || {
            let Some(first) = k.first() else { return (i64::MAX, i64::MIN) };
            let (mut min, mut max) = (*first, *first);
            for k in k {
                min = min.min(*k);
                max = max.max(*k);
            }
            (min.to_i64(), max.to_i64())
        },
    )
}

/// float32 or float64, in which the values of a chunk are handled; float16 as float32.
pub(super) trait Work: Copy + PartialEq + Value {
    const ZERO: Self;
    type Bits: Copy + PartialEq;
    fn bits(self) -> Self::Bits;
    /// Rounds to nearest.
    fn from_wide(x: f64) -> Self;
    fn from_single(x: f32) -> Self;
}

impl Work for f32 {
    const ZERO: Self = 0.0;
    type Bits = u32;
    #[inline(always)]
    fn bits(self) -> u32 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_wide(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn from_single(x: f32) -> Self {
        x
    }
}

impl Work for f64 {
    const ZERO: Self = 0.0;
    type Bits = u64;
    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_wide(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn from_single(x: f32) -> Self {
        x.into()
    }
}

/// A float dtype: how a block of it becomes [`Work`] and is made of it.
pub(super) trait Stored: Copy {
    type Work: Work;
    /// Copies, or widens exactly.
    fn widen(from: &[Self], to: &mut [Self::Work]);
    /// Copies, or rounds to nearest.
    fn narrow(from: &[Self::Work], to: &mut [Self]);
    /// What [`Stored::narrow`] makes of the values, back in their place.
    fn settle(values: &mut [Self::Work]);
}

macro_rules! stored {
    ($($T:ty)*) => { $(impl Stored for $T {
        type Work = $T;
        #[inline(always)]
        fn widen(from: &[Self], to: &mut [Self]) {
            to.copy_from_slice(from);
        }
        #[inline(always)]
        fn narrow(from: &[Self], to: &mut [Self]) {
            to.copy_from_slice(from);
        }
        #[inline(always)]
        fn settle(_: &mut [Self]) {}
    })* };
}
stored! { f32 f64 }

impl Stored for half::f16 {
    type Work = f32;
    fn widen(from: &[Self], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
    fn narrow(from: &[f32], to: &mut [Self]) {
        to.convert_from_f32_slice(from);
    }
    fn settle(values: &mut [f32]) {
        let mut narrow = [half::f16::ZERO; BLOCK];
        let narrow = &mut narrow[..values.len()];
        narrow.convert_from_f32_slice(values);
        narrow.convert_to_f32_slice(values);
    }
}

/// An even, companded or found grid in the reals: one expression each way.
pub(super) trait Grid<W, K>: Copy {
    /// The integer of `x`: the nearest, but nobody relies on it, as [`Grid::value`] is judged.
    fn int(&self, x: W) -> K;
    /// The value of `k`: IEEE operations alone, the same on every machine.
    fn value(&self, k: K) -> W;
}

/// Floats to integers of `grid`; elements that are not finite, are `fill` or would break `bound` become holes.
pub(super) fn forward<T: Stored, K: Int, G: Grid<T::Work, K>>(
    grid: &G,
    values: &[T],
    bound: &Bound,
    fill: Option<T::Work>,
    ints: &mut [K],
    holes: &mut Holes,
) -> Stats {
    let (mut x, mut y) = ([T::Work::ZERO; BLOCK], [T::Work::ZERO; BLOCK]);
    let lossless = bound.is_lossless();
    let grid = *grid;
    drive(
        ints,
        holes,
        |start, k, flags| {
            let n = k.len();
            let (x, y) = (&mut x[..n], &mut y[..n]);
            T::widen(&values[start..start + n], x);
            vectorize(
                #[inline(always)]
                || {
                    for i in 0..n {
                        k[i] = grid.int(x[i]);
                    }
                    for i in 0..n {
                        y[i] = grid.value(k[i]);
                    }
                },
            );
            T::settle(y);
            let mut any = bound.doubt(x, y, flags);
            // Lossless, NaN has its own bits; within a bound it is in doubt already, and need not be looked at by itself.
            if lossless || any {
                any |= flag(x, flags, |x| !x.wide().is_finite());
            }
            if let Some(fill) = fill {
                any |= flag(x, flags, |x| x.bits() == fill.bits());
            }
            any
        },
        |i, k| {
            let (mut x, mut y) = ([T::Work::ZERO], [grid.value(k)]);
            T::widen(&values[i..=i], &mut x);
            T::settle(&mut y);
            let [x] = x;
            let wide = x.wide();
            !wide.is_finite() || fill.is_some_and(|f| f.bits() == x.bits()) || !bound.allows_f64(wide, y[0].wide())
        },
    )
}

/// Flags the elements that `is` picks as [`SURE`], and says whether there was one.
#[inline(always)]
pub(super) fn flag<W: Copy>(x: &[W], flags: &mut [u8], is: impl Fn(W) -> bool) -> bool {
    vectorize(
        #[inline(always)]
        || {
            let mut any = 0;
            for (x, flag) in x.iter().zip(flags) {
                let f = u8::from(is(*x)) * SURE;
                *flag |= f;
                any |= f;
            }
            any != 0
        },
    )
}

/// Integers of `grid` to floats.
pub(super) fn inverse<T: Stored, K: Int, G: Grid<T::Work, K>>(grid: &G, ints: &[K], out: &mut [T]) {
    let grid = *grid;
    let mut y = [T::Work::ZERO; BLOCK];
    for (k, out) in ints.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let y = &mut y[..k.len()];
        vectorize(
            #[inline(always)]
            || {
                for i in 0..k.len() {
                    y[i] = grid.value(k[i]);
                }
            },
        );
        T::narrow(y, &mut out[..k.len()]);
    }
}

//! Conversions between floats of different width, bit for bit what NumPy's `astype` gives.
//!
//! Slices go through vectorised functions that are right for all values but NaN; where a NaN or infinity shows on the narrow
//! side, its group is done again by the exact functions. No conversion goes through `half`: its float64 to
//! float16 rounds twice, and its slice conversions change signalling NaN.

use half::{bf16, f16};

use crate::array::simd::vectorize;
use crate::error::{Result, refuse};

/// A float that converts to `To` as NumPy's `astype` does it, NaN payloads included.
///
/// To a narrower float the result is the nearest value, ties to the one whose last bit is 0; what lies beyond the range
/// becomes infinite. To a wider float every value is exact. Of NaN, as of NumPy:
/// * between `f16` and any other float the sign and the leading payload bits stay, signalling or not; a payload that would
///   vanish becomes 1;
/// * between `f32` and `f64` the NaN becomes quiet and keeps its sign and leading payload bits;
/// * to `bf16` it becomes the quiet NaN of its sign (0x7fc0 or 0xffc0).
///
/// `f64` to `bf16` rounds to `f32` first, as `ml_dtypes`, the reference for bfloat16 in NumPy, does: a value less than
/// 2^-25 of itself away from a tie is taken for the tie. The error stays within 2^-8 of the value.
///
/// ```
/// use half::f16;
/// use ndcompact::transform::float16::AsType;
///
/// let h: f16 = 2049.0f64.astype(); // halfway between 2048 and 2050
/// assert_eq!(h.to_f64(), 2048.0);
/// ```
pub trait AsType<To>: Copy {
    /// This value as `To`.
    fn astype(self) -> To;

    /// Converts a chunk, NaN only so far as that it can be told from [`AsType::has_special`].
    #[doc(hidden)]
    fn convert_numbers(from: &[Self], to: &mut [To]);

    /// Whether the narrow side of a chunk so converted has an infinity or NaN.
    #[doc(hidden)]
    fn has_special(from: &[Self], to: &[To]) -> bool;
}

/// Converts all of `from` into `to`, which must be of the same length (`ErrorKind::Usage` if not).
///
/// ```
/// use half::f16;
/// use ndcompact::transform::float16::astype;
///
/// let mut halves = [f16::ZERO; 3];
/// astype(&[1.0f64, 1e-8, 70000.0], &mut halves)?;
/// assert_eq!(halves, [f16::ONE, f16::ZERO, f16::INFINITY]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
pub fn astype<A: AsType<B>, B>(from: &[A], to: &mut [B]) -> Result<()> {
    astype_seeing(from, to, |_, _, _| {})
}

/// As [`astype`]; afterwards `see` gets each chunk whose narrow side has an infinity or NaN, with its position. Chunks
/// start at multiples of an even number, so that both parts of a complex number are seen together.
pub(crate) fn astype_seeing<A: AsType<B>, B>(
    from: &[A],
    to: &mut [B],
    mut see: impl FnMut(usize, &[A], &mut [B]),
) -> Result<()> {
    if from.len() != to.len() {
        return refuse!(Usage, "{} values do not fit a slice of {}; give slices of one length", from.len(), to.len());
    }
    vectorize(
        #[inline(always)]
        || {
            for (i, (a, b)) in from.chunks(CHUNK).zip(to.chunks_mut(CHUNK)).enumerate() {
                A::convert_numbers(a, b);
                if A::has_special(a, b) {
                    for (a, b) in a.chunks(GROUP).zip(b.chunks_mut(GROUP)) {
                        if A::has_special(a, b) {
                            each(a, b, A::astype);
                        }
                    }
                    see(i * CHUNK, a, b);
                }
            }
        },
    );
    Ok(())
}

/// Rounds to half precision as NumPy does.
#[inline]
pub(crate) fn from_f64(x: f64) -> f16 {
    x.astype()
}

/// Widens half precision as NumPy does; vectorises.
#[inline(always)]
pub(crate) fn to_f32(x: f16) -> f32 {
    let wide = i32::from(x.to_bits() as i16) as u32;
    let magnitude = (wide << 13) & 0x0fff_e000;
    // The exponent's bias grows by 112; infinity and NaN, whose exponent is all ones, need as much again.
    let beyond = if magnitude >= F16_INF << 13 { 112 << 23 } else { 0 };
    let normal = magnitude + (112 << 23) + beyond;
    // A subnormal gets a leading 1 as if it were normal, which is then subtracted: no subnormal arithmetic, which is slow.
    let subnormal = (f32::from_bits(magnitude + (113 << 23)) - f32::from_bits(113 << 23)).to_bits();
    let magnitude = if magnitude < 1 << 23 { subnormal } else { normal };
    f32::from_bits((wide & F32_SIGN) | magnitude)
}

/// Values between two looks for infinities and NaN. Longer chunks convert 5 % faster out of the cache, but hold up the
/// reading ahead from memory and have more to do again for one NaN.
const CHUNK: usize = 256;

/// Values that pass through a middle type together, and that are done again together for a NaN among them. A loop over
/// 8-byte and 2-byte lanes at once gets vectors of 4; two loops over a middle of 4 bytes get 4 and 8 and are 1.5 times as
/// fast. Half of this, the loops are unrolled into each other and lose it.
const GROUP: usize = 32;

const F16_INF: u32 = 0x7c00;
const F16_PAYLOAD: u16 = 0x03ff;
const F32_SIGN: u32 = 1 << 31;
const F32_INF: u32 = 0x7f80_0000;
const F32_QUIET: u32 = 0x0040_0000;
const F64_INF: u64 = 0x7ff0_0000_0000_0000;
const F64_QUIET: u64 = 0x0008_0000_0000_0000;
/// Mantissa bits of a binary64 that a binary32 has not.
const BELOW_F32: u64 = (1 << 29) - 1;

#[inline(always)]
fn each<A: Copy, B>(from: &[A], to: &mut [B], convert: impl Fn(A) -> B) {
    for (x, y) in from.iter().zip(to) {
        *y = convert(*x);
    }
}

#[inline(always)]
fn in_groups<A: Copy, M: Copy + Default, B>(from: &[A], to: &mut [B], first: impl Fn(A) -> M, second: impl Fn(M) -> B) {
    let (from, from_rest) = from.as_chunks::<GROUP>();
    let (to, to_rest) = to.as_chunks_mut::<GROUP>();
    let mut middle = [M::default(); GROUP];
    for (a, b) in from.iter().zip(to) {
        each(a, &mut middle, &first);
        each(&middle, b, &second);
    }
    each(from_rest, to_rest, |x| second(first(x)));
}

/// To the nearest float32 that has a 1 in its last place, unless exact ("round to odd"): the one rounding after which a
/// second one to at most 22 bits gives what rounding once would give.
#[inline(always)]
fn round_to_odd(x: f64) -> f32 {
    let bits = x.to_bits();
    let sticky = (bits & BELOW_F32) + BELOW_F32;
    f64::from_bits((bits | sticky) & !BELOW_F32) as f32
}

/// Any value but NaN, which becomes infinite.
#[inline(always)]
fn number_to_f16(x: f32) -> f16 {
    let bits = x.to_bits();
    // 65536 rounds to the pattern after the largest finite one, which is infinity; the clamp makes all above it the same.
    let magnitude = (bits & !F32_SIGN).min(143 << 23);
    // 2^e of the value; below 2^-14, where float16's steps stay the same, that of 2^-14.
    let power = (magnitude & F32_INF).max(113 << 23);
    // 2^(e + 13) has a last place of 2^(e - 10), float16's: the addition rounds, and leaves the 11-bit mantissa in its sum's
    // low bits. Above 11 bits it carries into the exponent, as it should.
    let rounded = f32::from_bits(magnitude) + f32::from_bits(power + (13 << 23));
    let half = rounded.to_bits().wrapping_add(power >> 13).wrapping_sub(113 << 10);
    f16::from_bits(((half & 0x7fff) | (bits >> 16 & 0x8000)) as u16)
}

/// A NaN of the sign and payload bits at the places where a float16 has them.
#[inline(always)]
fn f16_nan(bits: u16) -> f16 {
    let payload = bits & F16_PAYLOAD;
    f16::from_bits((bits & 0x8000) | F16_INF as u16 | if payload == 0 { 1 } else { payload })
}

/// Any value; NaN becomes the quiet NaN of its sign.
#[inline(always)]
fn f32_to_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let nan = (bits >> 16 & 0x8000) | 0x7fc0;
    bf16::from_bits(if bits & !F32_SIGN > F32_INF { nan } else { rounded } as u16)
}

#[inline(always)]
fn bf16_to_f32(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

// Rust leaves the sign and payload of a converted NaN open, so these two spell out what the hardware does.
#[inline(always)]
fn f64_to_f32(x: f64) -> f32 {
    let bits = x.to_bits();
    let nan = (bits >> 32) as u32 & F32_SIGN | F32_INF | F32_QUIET | (bits >> 29) as u32 & (F32_QUIET - 1);
    if x.is_nan() { f32::from_bits(nan) } else { x as f32 }
}

#[inline(always)]
fn f32_to_f64(x: f32) -> f64 {
    let bits = u64::from(x.to_bits());
    let nan = (bits >> 31) << 63 | F64_INF | F64_QUIET | (bits << 29) & (F64_QUIET - 1);
    if x.is_nan() { f64::from_bits(nan) } else { f64::from(x) }
}

#[inline(always)]
fn f16_to_f64(x: f16) -> f64 {
    let bits = u64::from(x.to_bits());
    let nan = (bits >> 15) << 63 | F64_INF | (bits & u64::from(F16_PAYLOAD)) << 42;
    if x.is_nan() { f64::from_bits(nan) } else { f64::from(to_f32(x)) }
}

#[inline(always)]
fn f64_to_f16(x: f64) -> f16 {
    let bits = x.to_bits();
    let nan = f16_nan((bits >> 48) as u16 & 0x8000 | (bits >> 42) as u16 & F16_PAYLOAD);
    if x.is_nan() { nan } else { number_to_f16(round_to_odd(x)) }
}

#[inline(always)]
fn f32_to_f16(x: f32) -> f16 {
    let bits = x.to_bits();
    let nan = f16_nan((bits >> 16) as u16 & 0x8000 | (bits >> 13) as u16 & F16_PAYLOAD);
    if x.is_nan() { nan } else { number_to_f16(x) }
}

/// A float that others are narrowed to, seen as its bits.
pub(crate) trait Narrow: Copy {
    /// Whether it is an infinity.
    fn infinite(self) -> bool;
    /// Of an infinity, the largest finite value of its sign: the bit pattern before it.
    fn before(self) -> Self;
    /// Whether any of `values` is an infinity or NaN.
    fn any_special(values: &[Self]) -> bool;
}

macro_rules! narrow {
    ($($T:ident $inf:expr;)*) => { $(impl Narrow for $T {
        #[inline(always)]
        fn infinite(self) -> bool {
            $T::is_infinite(self)
        }

        #[inline(always)]
        fn before(self) -> Self {
            $T::from_bits(self.to_bits() - 1)
        }

        #[inline(always)]
        fn any_special(values: &[Self]) -> bool {
            let mut greatest = 0;
            for x in values {
                // Shifted, the sign is gone.
                greatest = (x.to_bits() << 1).max(greatest);
            }
            greatest >= $inf << 1
        }
    })* };
}
narrow! {
    f16 F16_INF as u16;
    bf16 (F32_INF >> 16) as u16;
    f32 F32_INF;
}

macro_rules! astype {
    ($($A:ident => $B:ident: $exact:expr, numbers $via:ident($($number:expr),*), special on $side:ident;)*) => {
        $(impl AsType<$B> for $A {
            #[inline(always)]
            fn astype(self) -> $B {
                $exact(self)
            }

            #[inline(always)]
            fn convert_numbers(from: &[$A], to: &mut [$B]) {
                $via(from, to, $($number),*);
            }

            #[inline(always)]
            fn has_special(from: &[$A], to: &[$B]) -> bool {
                let (_, _) = (from, to);
                Narrow::any_special($side!(from, to))
            }
        })*
    };
}
macro_rules! input {
    ($from:expr, $to:expr) => {
        $from
    };
}
macro_rules! output {
    ($from:expr, $to:expr) => {
        $to
    };
}
astype! {
    f64 => f16: f64_to_f16, numbers in_groups(round_to_odd, number_to_f16), special on output;
    f32 => f16: f32_to_f16, numbers each(number_to_f16), special on output;
    f64 => bf16: |x| f32_to_bf16(f64_to_f32(x)), numbers in_groups(|x| x as f32, f32_to_bf16), special on output;
    f32 => bf16: f32_to_bf16, numbers each(f32_to_bf16), special on output;
    f64 => f32: f64_to_f32, numbers each(|x| x as f32), special on output;
    f16 => f32: to_f32, numbers each(to_f32), special on input;
    f16 => f64: f16_to_f64, numbers in_groups(to_f32, f64::from), special on input;
    bf16 => f32: bf16_to_f32, numbers each(bf16_to_f32), special on input;
    bf16 => f64: |x| f32_to_f64(bf16_to_f32(x)), numbers in_groups(bf16_to_f32, f64::from), special on input;
    f32 => f64: f32_to_f64, numbers each(f64::from), special on input;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random words (SplitMix64), the same on every run.
    fn words(seed: u64, n: usize) -> impl Iterator<Item = u64> {
        (1..=n as u64).map(move |i| {
            let x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        })
    }

    /// All values of a 16-bit float with `bits` mantissa bits from 0 up to the first beyond the range, from their definition.
    fn ladder(bits: u32, bias: i32) -> Vec<f64> {
        let exponents = 1u32 << (15 - bits);
        let value = |pattern: u32| {
            let (exponent, mantissa) = (pattern >> bits, pattern & ((1 << bits) - 1));
            let (exponent, lead) = if exponent == 0 { (1, 0) } else { (exponent as i32, 1 << bits) };
            f64::from(lead + mantissa) * 2f64.powi(exponent - bias - bits as i32)
        };
        (0..=(exponents - 1) << bits).map(value).collect()
    }

    /// The pattern of the rung nearest to `x`, the even one of two: by comparison with the exact midpoint.
    fn nearest(ladder: &[f64], x: f64) -> u16 {
        let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
        let x = x.abs();
        let above = ladder.partition_point(|rung| *rung <= x);
        let below = above - 1;
        if above == ladder.len() {
            return sign | below as u16;
        }
        let middle = ladder[below].midpoint(ladder[above]);
        let up = x > middle || (x == middle && below % 2 == 1);
        sign | (if up { above } else { below }) as u16
    }

    /// Every rung, every midpoint, and what stands `ulps` away from them, of both signs.
    fn around(ladder: &[f64], ulps: &[i64]) -> Vec<f64> {
        let middles = ladder.windows(2).map(|pair| pair[0].midpoint(pair[1]));
        let points: Vec<f64> = ladder.iter().copied().chain(middles).collect();
        let near = points.iter().flat_map(|x| ulps.iter().map(|u| x.to_bits().saturating_add_signed(*u)));
        near.map(f64::from_bits).filter(|x| !x.is_nan()).flat_map(|x| [x, -x]).collect()
    }

    #[test]
    fn float16_is_the_nearest_value_at_every_tie_and_beside_it() {
        let ladder = ladder(10, 15);
        let mut values = around(&ladder, &[-(1 << 29), -(1 << 28), -1, 0, 1, 1 << 28, 1 << 29]);
        // Any value at all, then values of float16's exponents with mantissas of any length.
        values.extend(words(1, 200_000).map(f64::from_bits).filter(|x| !x.is_nan()));
        values.extend(words(2, 1_000_000).map(|w| {
            let exponent = 1023 - 30 + (w >> 52) % 50;
            f64::from_bits(((w & !(0x7ff << 52)) | exponent << 52) & (u64::MAX << (w % 52)))
        }));
        let mut halves = vec![f16::ZERO; values.len()];
        astype(&values, &mut halves).unwrap();
        for (x, h) in values.iter().zip(&halves) {
            assert_eq!(h.to_bits(), nearest(&ladder, *x), "{x:e}");
            assert_eq!(from_f64(*x).to_bits(), h.to_bits(), "{x:e}");
        }
        let singles: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        astype(&singles, &mut halves).unwrap();
        for (x, h) in singles.iter().zip(&halves) {
            assert_eq!(h.to_bits(), nearest(&ladder, f64::from(*x)), "{x:e}");
        }
    }

    #[test]
    fn bfloat16_is_the_nearest_value_to_the_float32() {
        let ladder = ladder(7, 127);
        let mut values = around(&ladder, &[-(1 << 29), -(1 << 28), -1, 0, 1, 1 << 28, 1 << 29]);
        values.extend(words(3, 200_000).map(|w| f64::from(f32::from_bits(w as u32))).filter(|x| !x.is_nan()));
        let singles: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        let (mut wide, mut narrow) = (vec![bf16::ZERO; values.len()], vec![bf16::ZERO; values.len()]);
        astype(&values, &mut wide).unwrap();
        astype(&singles, &mut narrow).unwrap();
        for (x, (a, b)) in singles.iter().zip(wide.iter().zip(&narrow)) {
            assert_eq!(a.to_bits(), nearest(&ladder, f64::from(*x)), "{x:e}");
            assert_eq!(b.to_bits(), a.to_bits(), "{x:e}");
        }
    }

    #[test]
    fn every_half_widens_to_the_value_it_is_defined_as() {
        let ladder = ladder(10, 15);
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let (mut singles, mut doubles) = (vec![0f32; halves.len()], vec![0f64; halves.len()]);
        astype(&halves, &mut singles).unwrap();
        astype(&halves, &mut doubles).unwrap();
        for (h, (s, d)) in halves.iter().zip(singles.iter().zip(&doubles)) {
            let magnitude = usize::from(h.to_bits() & 0x7fff);
            if magnitude < 0x7c00 {
                assert_eq!(d.abs(), ladder[magnitude]);
            } else {
                assert_eq!((d.is_infinite(), d.is_nan()), (magnitude == 0x7c00, magnitude > 0x7c00));
            }
            assert_eq!(d.is_sign_negative(), h.is_sign_negative());
            assert_eq!(s.to_bits(), to_f32(*h).to_bits());
            assert!(f64::from(*s) == *d || d.is_nan());
            // There and back nothing changes, NaN included.
            let (a, b): (f16, f16) = (d.astype(), s.astype());
            assert_eq!((a.to_bits(), b.to_bits()), (h.to_bits(), h.to_bits()));
        }
    }

    /// Converts one NaN alone, and among numbers in a slice.
    fn nan<A: AsType<B> + From<i8>, B: Copy + Default>(x: A) -> [B; 2] {
        let mut from = [A::from(1); 700];
        from[600] = x;
        let mut to = [B::default(); 700];
        astype(&from, &mut to).unwrap();
        [x.astype(), to[600]]
    }

    // Taken from NumPy 2.4.6 and ml_dtypes 0.6.0 on x86-64.
    #[test]
    fn nan_becomes_what_numpy_makes_of_it() {
        for (bits, half, single, brain) in [
            (0x7ff0000000000001u64, 0x7c01u16, 0x7fc00000u32, 0x7fc0u16),
            (0xfff0000000000001, 0xfc01, 0xffc00000, 0xffc0),
            (0x7ff8000000000001, 0x7e00, 0x7fc00000, 0x7fc0),
            (0xfff8123456789abc, 0xfe04, 0xffc091a2, 0xffc0),
            (0x7fffffffffffffff, 0x7fff, 0x7fffffff, 0x7fc0),
            (0x7ff4000000000000, 0x7d00, 0x7fe00000, 0x7fc0),
            (0x7ff003ffffffffff, 0x7c01, 0x7fc01fff, 0x7fc0),
            (0x7ff0040000000000, 0x7c01, 0x7fc02000, 0x7fc0),
        ] {
            let x = f64::from_bits(bits);
            assert_eq!(nan::<_, f16>(x).map(f16::to_bits), [half; 2], "{bits:x}");
            assert_eq!(nan::<_, f32>(x).map(f32::to_bits), [single; 2], "{bits:x}");
            assert_eq!(nan::<_, bf16>(x).map(bf16::to_bits), [brain; 2], "{bits:x}");
        }
        for (bits, half, double, brain) in [
            (0x7f800001u32, 0x7c01u16, 0x7ff8000020000000u64, 0x7fc0u16),
            (0xff800001, 0xfc01, 0xfff8000020000000, 0xffc0),
            (0x7fc00001, 0x7e00, 0x7ff8000020000000, 0x7fc0),
            (0xffc12345, 0xfe09, 0xfff82468a0000000, 0xffc0),
            (0x7fffffff, 0x7fff, 0x7fffffffe0000000, 0x7fc0),
            (0x7fa00000, 0x7d00, 0x7ffc000000000000, 0x7fc0),
            (0x7f801fff, 0x7c01, 0x7ff803ffe0000000, 0x7fc0),
        ] {
            let x = f32::from_bits(bits);
            assert_eq!(nan::<_, f16>(x).map(f16::to_bits), [half; 2], "{bits:x}");
            assert_eq!(nan::<_, f64>(x).map(f64::to_bits), [double; 2], "{bits:x}");
            assert_eq!(nan::<_, bf16>(x).map(bf16::to_bits), [brain; 2], "{bits:x}");
        }
        for (bits, single, double) in [
            (0x7c01u16, 0x7f802000u32, 0x7ff0040000000000u64),
            (0xfc01, 0xff802000, 0xfff0040000000000),
            (0x7e01, 0x7fc02000, 0x7ff8040000000000),
            (0xffff, 0xffffe000, 0xfffffc0000000000),
            (0x7d00, 0x7fa00000, 0x7ff4000000000000),
        ] {
            let x = f16::from_bits(bits);
            assert_eq!(nan::<_, f32>(x).map(f32::to_bits), [single; 2], "{bits:x}");
            assert_eq!(nan::<_, f64>(x).map(f64::to_bits), [double; 2], "{bits:x}");
        }
        for (bits, single, double) in [
            (0x7f81u16, 0x7f810000u32, 0x7ff8200000000000u64),
            (0xff81, 0xff810000, 0xfff8200000000000),
            (0x7fc1, 0x7fc10000, 0x7ff8200000000000),
        ] {
            let x = bf16::from_bits(bits);
            assert_eq!(nan::<_, f32>(x).map(f32::to_bits), [single; 2], "{bits:x}");
            assert_eq!(nan::<_, f64>(x).map(f64::to_bits), [double; 2], "{bits:x}");
        }
    }

    #[test]
    fn slices_of_two_lengths_are_refused() {
        assert!(astype(&[1.0f64; 3], &mut [0f32; 4]).is_err());
    }
}

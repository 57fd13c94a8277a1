//! A sum of floats and of their squares without any rounding, so that its parts may be added in any order.

/// Weight of the lowest bit is `2^-SHIFT`: below 2^-2148, the square of the smallest float, and a whole number of limbs.
const SHIFT: i32 = 34 * 64;

/// Room above for 2^64 squares of the largest float (below 2^2112) and a sign.
const LIMBS: usize = 68;

/// Exponent of the lowest bit of any f64.
const MIN_EXPONENT: i32 = -1074;

/// An exact sum: a fixed-point number that covers every f64, every product of two, and 2^64 of them.
///
/// Addition is associative and commutative bit for bit; [`ExactSum::to_f64`] rounds once, to nearest even.
///
/// ```
/// use ndcompact::metric::ExactSum;
/// let mut sum = ExactSum::new();
/// for x in [1e300, 1.0, -1e300, 1e-300] {
///     sum.add(x);
/// }
/// assert_eq!(sum.to_f64(), 1.0);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ExactSum {
    /// Two's complement, lowest limb first: each number has one representation, so equality is equality of values.
    limbs: [u64; LIMBS],
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ExactSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExactSum({:e})", self.to_f64())
    }
}

/// `m`, `e` with `x = ±m · 2^e` for finite `x`.
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, MIN_EXPONENT) } else { (fraction | 1 << 52, MIN_EXPONENT + exponent - 1) }
}

/// `m · 2^e` without overflow on the way; saturates at the largest f64.
fn scale(m: f64, e: i32) -> f64 {
    let power = |e: i32| f64::from_bits(((e + 1023) as u64) << 52);
    let mut out = m;
    let mut e = e.clamp(-4000, 4000);
    // `m` is between 1 and 2^129: no step leaves the range before the result does, and only the last can round.
    while e > 1000 {
        out *= power(1000);
        e -= 1000;
    }
    while e < -1000 {
        out *= power(-1000);
        e += 1000;
    }
    (out * power(e)).clamp(-f64::MAX, f64::MAX)
}

impl ExactSum {
    /// Zero.
    pub const fn new() -> Self {
        Self { limbs: [0; LIMBS] }
    }

    /// Adds `x`. NaN and infinities have no place in a sum of errors and are left out.
    pub fn add(&mut self, x: f64) {
        self.add_times_power(x, 0);
    }

    /// Adds `x · 2^power` for finite `x`.
    pub(super) fn add_times_power(&mut self, x: f64, power: i32) {
        if x.is_finite() {
            let (m, e) = parts(x);
            self.accumulate(m.into(), e + power, x.is_sign_negative());
        }
    }

    /// Adds `(x · 2^power)²` exactly: no overflow, no underflow, no rounding.
    pub(super) fn add_square(&mut self, x: f64, power: i32) {
        if x.is_finite() {
            let (m, e) = parts(x);
            self.accumulate(u128::from(m) * u128::from(m), 2 * (e + power), false);
        }
    }

    /// Adds `n · 2^power`.
    pub(super) fn add_integer(&mut self, n: i128, power: i32) {
        self.accumulate(n.unsigned_abs(), power, n < 0);
    }

    /// Adds the integer `n`.
    pub(super) fn add_unsigned(&mut self, n: u128) {
        self.accumulate(n, 0, false);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        let mut carry = false;
        for (a, b) in self.limbs.iter_mut().zip(&other.limbs) {
            let (s, c0) = a.overflowing_add(*b);
            let (s, c1) = s.overflowing_add(carry.into());
            (*a, carry) = (s, c0 | c1);
        }
    }

    /// Takes another sum away.
    pub(super) fn subtract(&mut self, other: &ExactSum) {
        self.merge(&other.negated());
    }

    fn negated(&self) -> ExactSum {
        let mut out = self.clone();
        let mut carry = true;
        for limb in &mut out.limbs {
            (*limb, carry) = (!*limb).overflowing_add(carry.into());
        }
        out
    }

    /// Adds `±m · 2^exponent`; `exponent` is at least −`SHIFT`.
    fn accumulate(&mut self, m: u128, exponent: i32, negative: bool) {
        debug_assert!(exponent >= -SHIFT, "an exponent below the lowest bit");
        if m == 0 {
            return;
        }
        let bit = (exponent + SHIFT).max(0) as usize;
        let (limb, shift) = (bit / 64, bit % 64);
        // 128 bits shifted by less than 64 lie in three limbs.
        let low = m << shift;
        let high = if shift == 0 { 0 } else { (m >> (128 - shift)) as u64 };
        let words = [low as u64, (low >> 64) as u64, high];
        let mut carry = false;
        for (i, a) in self.limbs.iter_mut().skip(limb).enumerate() {
            let word = words.get(i).copied().unwrap_or(0);
            if i >= words.len() && !carry {
                break;
            }
            let (s, c0, c1);
            if negative {
                let (t, b0) = a.overflowing_sub(word);
                (s, c1) = t.overflowing_sub(carry.into());
                c0 = b0;
            } else {
                let (t, b0) = a.overflowing_add(word);
                (s, c1) = t.overflowing_add(carry.into());
                c0 = b0;
            }
            *a = s;
            carry = c0 | c1;
        }
    }

    /// Whether the sum is below zero.
    fn is_negative(&self) -> bool {
        self.limbs.last().is_some_and(|top| top >> 63 == 1)
    }

    /// `(m, e)` with the magnitude of the sum equal to `m · 2^e` but for what lies below the lowest bit of `m`, which is
    /// set if anything does; the highest bit of `m` is set unless the sum is 0.
    fn leading(&self) -> (u64, i32) {
        let magnitude = if self.is_negative() { self.negated() } else { self.clone() };
        let Some(top) = magnitude.limbs.iter().rposition(|l| *l != 0) else {
            return (0, 0);
        };
        let at = |i: usize| magnitude.limbs.get(i).copied().unwrap_or(0);
        let below = if top == 0 { 0 } else { at(top - 1) };
        let zeros = at(top).leading_zeros();
        let pair = (u128::from(at(top)) << 64 | u128::from(below)) << zeros;
        let rest = pair as u64 != 0 || magnitude.limbs.iter().take(top.saturating_sub(1)).any(|l| *l != 0);
        ((pair >> 64) as u64 | u64::from(rest), top as i32 * 64 - zeros as i32 - SHIFT)
    }

    /// `(m, e)` with the magnitude of the sum over `n` equal to `m · 2^e`, `m` rounded once to 53 bits.
    fn quotient(&self, n: u64) -> (f64, i32) {
        let (m, e) = self.leading();
        let m = u128::from(m) << 64;
        let (q, rest) = (m / u128::from(n), m % u128::from(n));
        // At least 64 bits with a sticky lowest one: the conversion is the only rounding.
        ((q | u128::from(rest != 0)) as f64, e - 64)
    }

    /// The sum, rounded once to nearest even; saturates at ±`f64::MAX`.
    pub fn to_f64(&self) -> f64 {
        self.mean(1)
    }

    /// The sum over `n`, to 1 unit in the last place; 0 for `n` = 0.
    pub fn mean(&self, n: u64) -> f64 {
        if n == 0 {
            return 0.0;
        }
        let (m, e) = self.quotient(n);
        scale(if self.is_negative() { -m } else { m }, e)
    }

    /// The square root of the sum over `n`, to 1 unit in the last place even where the sum itself would overflow or
    /// underflow; 0 for `n` = 0 and for a negative sum.
    pub fn root_mean(&self, n: u64) -> f64 {
        if n == 0 || self.is_negative() {
            return 0.0;
        }
        let (m, e) = self.quotient(n);
        let odd = e.rem_euclid(2);
        scale(if odd == 1 { (2.0 * m).sqrt() } else { m.sqrt() }, (e - odd) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extremes_neither_overflow_nor_vanish() {
        let mut sum = ExactSum::new();
        for _ in 0..1000 {
            sum.add_square(f64::MAX, 1);
        }
        assert_eq!(sum.root_mean(1000), f64::MAX, "twice the largest float saturates");
        let mut sum = ExactSum::new();
        sum.add_square(f64::from_bits(1), 0);
        assert_eq!(sum.root_mean(1), f64::from_bits(1));
        assert_eq!(sum.to_f64(), 0.0);
        for x in [f64::MAX, f64::MIN_POSITIVE, 5e-324, -5e-324, 1.0, -0.1, 1e300] {
            let mut sum = ExactSum::new();
            sum.add(x);
            assert_eq!(sum.to_f64(), x);
        }
        assert_eq!((ExactSum::new().to_f64(), ExactSum::new().mean(0), ExactSum::new().root_mean(0)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn integers_of_128_bits_are_exact() {
        let mut sum = ExactSum::new();
        sum.add_unsigned(u128::MAX);
        sum.add_integer(-i128::MAX, 0);
        sum.add_integer(-i128::MAX, 0);
        assert_eq!(sum.to_f64(), 1.0);
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_sum_and_opposites_cancel(bits in prop::collection::vec(any::<u64>(), 0..60), cut in 0usize..60) {
            let xs: Vec<f64> = bits.iter().map(|b| f64::from_bits(*b)).filter(|x| x.is_finite()).collect();
            let cut = cut.min(xs.len());
            let of = |xs: &[f64]| { let mut s = ExactSum::new(); xs.iter().for_each(|x| s.add(*x)); s };
            let (mut a, b, whole) = (of(&xs[..cut]), of(&xs[cut..]), of(&xs));
            let mut c = b.clone();
            c.merge(&a);
            a.merge(&b);
            prop_assert_eq!(&a, &whole);
            prop_assert_eq!(&c, &whole);
            c.subtract(&whole);
            prop_assert_eq!(c, ExactSum::new());
        }

        #[test]
        fn a_sum_of_integers_rounds_as_an_integer_does(xs in prop::collection::vec(any::<i64>(), 1..40)) {
            let mut sum = ExactSum::new();
            xs.iter().for_each(|x| sum.add_integer((*x).into(), 0));
            let exact: i128 = xs.iter().map(|x| i128::from(*x)).sum();
            prop_assert_eq!(sum.to_f64(), exact as f64);
        }
    }
}

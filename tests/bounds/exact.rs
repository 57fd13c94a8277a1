//! Exact comparison of stored numbers on integers alone: what the bounds are judged with. Shares nothing with the library, whose
//! own check is on trial too.

use std::cmp::Ordering;

/// A finite number ±m · 2^e, exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    negative: bool,
    m: u64,
    e: i32,
}

impl Number {
    /// The value of a float64, and so of any narrower float; `None` for NaN and the infinities.
    pub(crate) fn of_f64(x: f64) -> Option<Self> {
        let bits = x.to_bits();
        let (field, fraction) = ((bits >> 52) as i32 & 0x7ff, bits & ((1 << 52) - 1));
        let (m, e) = match field {
            0x7ff => return None,
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, field - 1075),
        };
        Some(Self { negative: bits >> 63 == 1, m, e })
    }

    /// The value of an integer of at most 64 bits and a sign.
    pub(crate) fn of_int(x: i128) -> Self {
        Self { negative: x < 0, m: u64::try_from(x.unsigned_abs()).unwrap(), e: 0 }
    }

    fn magnitude(self) -> Big {
        Big::new(u128::from(self.m), self.e)
    }

    /// |self − other|.
    fn distance(self, other: Self) -> Size {
        let (high, low) = if self.e >= other.e { (self, other) } else { (other, self) };
        let apart = (high.e - low.e) as u32;
        // 64 bits of mantissa, 60 of shift, one of the sum: all inside i128.
        if high.m == 0 {
            return Size::Small(u128::from(low.m), low.e);
        }
        if apart <= 60 {
            let signed = |n: Self, shift: u32| {
                let m = i128::from(n.m) << shift;
                if n.negative { -m } else { m }
            };
            return Size::Small((signed(high, apart) - signed(low, 0)).unsigned_abs(), low.e);
        }
        let (a, b) = (self.magnitude(), other.magnitude());
        Size::Large(if self.negative == other.negative { a.difference(&b) } else { a.sum(&b) })
    }
}

/// A size (at least 0), exactly.
#[derive(Clone, Debug)]
enum Size {
    Small(u128, i32),
    Large(Big),
}

impl Size {
    fn big(self) -> Big {
        match self {
            Size::Small(m, e) => Big::new(m, e),
            Size::Large(big) => big,
        }
    }

    fn at_most(self, m: u128, e: i32) -> bool {
        match self {
            Size::Small(a, b) => compare((a, b), (m, e)) != Ordering::Greater,
            Size::Large(big) => big.compare(&Big::new(m, e)) != Ordering::Greater,
        }
    }
}

/// a · 2^p against b · 2^q.
fn compare((a, p): (u128, i32), (b, q): (u128, i32)) -> Ordering {
    if a == 0 || b == 0 {
        return a.cmp(&b);
    }
    // The places of the highest bits decide, unless they are the same; then both fit 128 bits with their highest bits aligned.
    let top = |m: u128, e: i32| 128 - m.leading_zeros() as i32 + e;
    top(a, p).cmp(&top(b, q)).then_with(|| (a << a.leading_zeros()).cmp(&(b << b.leading_zeros())))
}

/// Whether |x − y| <= `most`.
pub(crate) fn within(x: Number, y: Number, most: Number) -> bool {
    !most.negative && x.distance(y).at_most(u128::from(most.m), most.e)
}

/// Whether |x − y| <= `rel` · max(|x|, `floor`).
pub(crate) fn within_relative(x: Number, y: Number, rel: Number, floor: Number) -> bool {
    let size = |n: Number| (u128::from(n.m), n.e);
    let base = if compare(size(x), size(floor)) == Ordering::Less { floor } else { x };
    !rel.negative && x.distance(y).at_most(u128::from(rel.m) * u128::from(base.m), rel.e + base.e)
}

/// |x − y|² of a complex number, or of a real one where the second pair is (0, 0).
pub(crate) fn square_distance(re: (Number, Number), im: (Number, Number)) -> Big {
    let square = |(x, y): (Number, Number)| {
        let d = x.distance(y).big();
        d.product(&d)
    };
    square(re).sum(&square(im))
}

/// |z|² of a complex number.
pub(crate) fn square_modulus(re: Number, im: Number) -> Big {
    let square = |n: Number| n.magnitude().product(&n.magnitude());
    square(re).sum(&square(im))
}

/// n · 2^e of any length, at least 0: slow, right, and seldom needed.
#[derive(Clone, Debug)]
pub(crate) struct Big {
    /// The lowest first.
    limbs: Vec<u64>,
    e: i32,
}

impl Big {
    pub(crate) fn new(m: u128, e: i32) -> Self {
        Self { limbs: vec![m as u64, (m >> 64) as u64], e }.trimmed()
    }

    pub(crate) fn of(n: Number) -> Self {
        n.magnitude()
    }

    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The limbs with the exponent `e`, which is not above its own.
    fn lowered(&self, e: i32) -> Vec<u64> {
        if self.is_zero() {
            return Vec::new();
        }
        let shift = (self.e - e) as usize;
        let mut out = vec![0; shift / 64];
        let (up, mut carry) = (shift % 64, 0);
        for limb in &self.limbs {
            let wide = u128::from(*limb) << up | u128::from(carry);
            out.push(wide as u64);
            carry = (wide >> 64) as u64;
        }
        out.push(carry);
        out
    }

    fn aligned(&self, other: &Self) -> (Vec<u64>, Vec<u64>, i32) {
        let e = if self.is_zero() {
            other.e
        } else if other.is_zero() {
            self.e
        } else {
            self.e.min(other.e)
        };
        let (mut a, mut b) = (self.lowered(e), other.lowered(e));
        let n = a.len().max(b.len());
        a.resize(n, 0);
        b.resize(n, 0);
        (a, b, e)
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let (a, b, _) = self.aligned(other);
        a.iter().rev().cmp(b.iter().rev())
    }

    pub(crate) fn sum(&self, other: &Self) -> Self {
        let (mut a, b, e) = self.aligned(other);
        let mut carry = 0;
        for (x, y) in a.iter_mut().zip(&b) {
            let wide = u128::from(*x) + u128::from(*y) + carry;
            *x = wide as u64;
            carry = wide >> 64;
        }
        a.push(carry as u64);
        Self { limbs: a, e }.trimmed()
    }

    /// |self − other|.
    fn difference(&self, other: &Self) -> Self {
        let (mut a, mut b, e) = self.aligned(other);
        if a.iter().rev().lt(b.iter().rev()) {
            std::mem::swap(&mut a, &mut b);
        }
        let mut borrow = false;
        for (x, y) in a.iter_mut().zip(&b) {
            let (d, first) = x.overflowing_sub(*y);
            let (d, second) = d.overflowing_sub(u64::from(borrow));
            (*x, borrow) = (d, first || second);
        }
        Self { limbs: a, e }.trimmed()
    }

    pub(crate) fn product(&self, other: &Self) -> Self {
        let mut limbs = vec![0u64; self.limbs.len() + other.limbs.len()];
        for (i, x) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (j, y) in other.limbs.iter().enumerate() {
                let wide = u128::from(*x) * u128::from(*y) + u128::from(limbs[i + j]) + carry;
                limbs[i + j] = wide as u64;
                carry = wide >> 64;
            }
            limbs[i + other.limbs.len()] = carry as u64;
        }
        Self { limbs, e: self.e + other.e }.trimmed()
    }
}

#[test]
fn one_ulp_beyond_a_bound_is_seen_at_every_magnitude() {
    let number = |x: f64| Number::of_f64(x).unwrap();
    // The next double above y is outside where y is just inside: 1 + 2^-30 from 1, and through subnormals and the largest.
    for (x, y, e) in [(1.0, 1.0 + 2f64.powi(-30), 2f64.powi(-30)), (0.0, 5e-324, 5e-324), (0.0, f64::MAX, f64::MAX)] {
        assert!(within(number(x), number(y), number(e)));
        assert!(!within(number(x), number(y), number(e.next_down())));
    }
    // In floating point all of these are one number: 1e16 − 1 and 1e-300 beyond it.
    assert!(!within(number(1e16), number(-1e-300), number(1e16)));
    assert!(within(number(1e16), number(1e-300), number(1e16)));
    assert!(within(number(0.3), number(0.1), number(0.2)), "0.3 - 0.1 of float64 is below 0.2 of float64");
    assert!(!within(number(0.1), number(0.4), number(0.3)), "0.4 - 0.1 of float64 is above 0.3 of float64");
    // Half and half: -MAX to MAX is farther than any float64.
    assert!(!within(number(f64::MAX), number(-f64::MAX), number(f64::MAX)));
    assert!(within(Number::of_int(i128::from(u64::MAX)), Number::of_int(0), number(2f64.powi(64))));
    assert!(!within(Number::of_int(i128::from(i64::MIN)), Number::of_int(i128::from(i64::MAX)), number(2f64.powi(63))));
}

#[test]
fn relative_and_complex_limits_are_exact() {
    let number = |x: f64| Number::of_f64(x).unwrap();
    let relative = |x, y, r, f| within_relative(number(x), number(y), number(r), number(f));
    assert!(relative(4.0, 4.5, 0.125, 0.0) && !relative(4.0, 4.5f64.next_up(), 0.125, 0.0));
    assert!(relative(0.0, -0.0, 0.5, 0.0) && !relative(0.0, 5e-324, 0.5, 0.0));
    assert!(relative(0.0, 0.5, 0.25, 2.0) && !relative(0.0, 0.5f64.next_up(), 0.25, 2.0));
    assert!(relative(5e-324, 1e-323, 1.0, 0.0) && !relative(5e-324, 1.5e-323, 1.0, 0.0));
    assert!(relative(f64::MAX, -f64::MAX, 2.0, 0.0) && !relative(f64::MAX, -f64::MAX, 2f64.next_down(), 0.0));
    // 3-4-5, and the next double of a leg.
    let z = |dx: f64, dy: f64| square_distance((number(0.0), number(dx)), (number(0.0), number(dy)));
    let square = |x: f64| Big::of(number(x)).product(&Big::of(number(x)));
    assert_eq!(z(3.0, 4.0).compare(&square(5.0)), Ordering::Equal);
    assert_eq!(z(3.0, 4f64.next_up()).compare(&square(5.0)), Ordering::Greater);
    assert_eq!(z(1e-300, 5.0).compare(&square(5.0)), Ordering::Greater);
    assert_eq!(square_modulus(number(-1e-320), number(1e308)).compare(&square(1e308)), Ordering::Greater);
    assert_eq!(z(0.0, 0.0).compare(&square(0.0)), Ordering::Equal);
}

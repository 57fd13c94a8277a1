use half::f16;

use super::*;
use crate::array::{Buf, Element};

/// An independent judge: non-negative whole multiples of 2^-2148 (the square of the least float64), in 64-bit limbs.
#[derive(Clone, PartialEq, Eq)]
struct Exact(Vec<u64>);

const LIMBS: usize = 70;

impl Exact {
    fn of(x: f64) -> Self {
        let bits = x.abs().to_bits();
        let (e, f) = ((bits >> 52) as usize, bits & ((1 << 52) - 1));
        let (m, shift) = if e == 0 { (f, 1074) } else { (f | 1 << 52, 1074 + e - 1) };
        let mut limbs = vec![0; LIMBS];
        let wide = u128::from(m) << (shift % 64);
        limbs[shift / 64] = wide as u64;
        limbs[shift / 64 + 1] = (wide >> 64) as u64;
        Self(limbs)
    }

    fn distance(a: &Self, b: &Self) -> Self {
        let (a, b) = if a.cmp(b) { (b, a) } else { (a, b) };
        let mut borrow = false;
        Self(
            a.0.iter()
                .zip(&b.0)
                .map(|(a, b)| {
                    let (d, c1) = a.overflowing_sub(*b);
                    let (d, c2) = d.overflowing_sub(u64::from(borrow));
                    borrow = c1 | c2;
                    d
                })
                .collect(),
        )
    }

    fn sum(a: &Self, b: &Self) -> Self {
        let mut carry = false;
        Self(
            a.0.iter()
                .zip(&b.0)
                .map(|(a, b)| {
                    let (s, c1) = a.overflowing_add(*b);
                    let (s, c2) = s.overflowing_add(u64::from(carry));
                    carry = c1 | c2;
                    s
                })
                .collect(),
        )
    }

    /// a·b for floats.
    fn product(a: f64, b: f64) -> Self {
        let (mut sum, b) = (vec![0u64; LIMBS], Self::of(b));
        let a = Self::of(a);
        // Multiples of 2^-2148 both: the product is cut at the same unit, which two float64 never need.
        for (i, x) in a.0.iter().enumerate().filter(|x| *x.1 != 0) {
            let mut carry = 0u128;
            for (j, y) in b.0.iter().enumerate() {
                // Units: 2^(64 i − 2148)·2^(64 j − 2148).
                let bit = 64 * (i + j) as i64 - 2148;
                let wide = u128::from(*x) * u128::from(*y) + carry;
                carry = wide >> 64;
                let (low, at) = (wide as u64, bit);
                add(&mut sum, low, at);
            }
        }
        Self(sum)
    }

    /// self <= other
    fn cmp(&self, other: &Self) -> bool {
        self.0.iter().rev().le(other.0.iter().rev())
    }
}

fn add(sum: &mut [u64], value: u64, bit: i64) {
    if value == 0 {
        return;
    }
    let (value, bit) = if bit < 0 {
        assert!(bit > -64 && value.trailing_zeros() as i64 >= -bit, "nothing is cut");
        (value >> -bit, 0)
    } else {
        (value, bit as usize)
    };
    let wide = u128::from(value) << (bit % 64);
    let mut at = bit / 64;
    let mut carry = wide;
    while carry != 0 && at < sum.len() {
        let total = u128::from(sum[at]) + (carry & u128::from(u64::MAX));
        sum[at] = total as u64;
        carry = (carry >> 64) + (total >> 64);
        at += 1;
    }
}

/// Whether y may stand for x, by whole numbers alone.
pub(in crate::coding) fn judge(bound: &Bound, x: f64, y: f64) -> bool {
    if bound.is_lossless() || !x.is_finite() || !y.is_finite() {
        return x.to_bits() == y.to_bits();
    }
    let (ex, ey) = (Exact::of(x), Exact::of(y));
    let same_sign = x.is_sign_negative() == y.is_sign_negative();
    let d = if same_sign { Exact::distance(&ex, &ey) } else { Exact::sum(&ex, &ey) };
    let abs = bound.max_abs.is_none_or(|e| d.cmp(&Exact::of(e)));
    abs && bound.max_rel.is_none_or(|r| d.cmp(&Exact::product(r, x.abs().max(bound.rel_floor))))
}

/// A small generator of repeatable numbers (SplitMix64).
pub(in crate::coding) struct Numbers(pub(in crate::coding) u64);

impl Numbers {
    pub(in crate::coding) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::coding) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// In [0, 1).
    pub(in crate::coding) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

const ODD: [f64; 16] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-320,
    2.2250738585072014e-308,
    1.0,
    1.0000000000000002,
    0.1,
    -0.3,
    1e16,
    1e300,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NAN,
];

#[test]
fn the_judgement_is_that_of_exact_arithmetic() {
    let mut numbers = Numbers(1);
    let mut kept = 0;
    for round in 0..60_000 {
        let x = if round % 3 == 0 { ODD[numbers.below(16) as usize] } else { f64::from_bits(numbers.next()) };
        let e = ODD[numbers.below(14) as usize].abs();
        // Values about x ± e, where the judgement is hard.
        let y = match numbers.below(4) {
            0 => x + e,
            1 => (x - e).next_up(),
            2 => (x + e).next_up(),
            _ => f64::from_bits(x.to_bits().wrapping_add(numbers.below(4))),
        };
        let abs = Bound { max_abs: Some(e), ..Bound::default() };
        assert_eq!(abs.allows_f64(x, y), judge(&abs, x, y), "{x:e} {y:e} within {e:e}");
        let r = [0.5, 0.1, 1e-3, 1.0, 1e-300][numbers.below(5) as usize];
        let y = [x + r * x, (x - r * x).next_down(), y][numbers.below(3) as usize];
        let floor = [0.0, 1e-3, 1e10][numbers.below(3) as usize];
        let rel = Bound { max_rel: Some(r), rel_floor: floor, ..Bound::default() };
        if rel.allows_f64(x, y) {
            kept += 1;
            assert!(judge(&rel, x, y), "{x:e} {y:e} within {r:e} of {floor:e}");
        } else if judge(&rel, x, y) {
            // Only by less than a rounding of the product.
            let d = (x - y).abs();
            assert!(d >= (r * x.abs().max(floor)).next_down(), "{x:e} {y:e} within {r:e} of {floor:e}");
        }
    }
    assert!(kept > 1000);
}

#[test]
fn lossless_is_bit_for_bit_and_infinite_is_never_near() {
    let lossless = Bound::default();
    assert!(lossless.is_lossless() && !lossless.allows_f64(0.0, -0.0));
    assert!(lossless.allows_f64(f64::NAN, f64::NAN) && !lossless.allows_f64(f64::NAN, -f64::NAN));
    let wide = Bound { max_abs: Some(f64::MAX), ..Bound::default() };
    assert!(wide.allows_f64(0.0, -0.0) && !wide.allows_f64(f64::MAX, f64::INFINITY));
    assert!(!wide.allows_f64(f64::INFINITY, f64::MAX) && !wide.allows_f64(f64::MAX, f64::MIN));
    let zero = Bound { max_abs: Some(1.0), max_rel: Some(0.0), ..Bound::default() };
    assert!(zero.is_lossless(), "all limits hold together");
    assert!(Bound { max_abs: Some(-1.0), ..Bound::default() }.check().is_err());
    let json = serde_json::to_string(&wide).unwrap();
    assert_eq!(serde_json::from_str::<Bound>(&json).unwrap(), wide);
    assert!(serde_json::from_str::<Bound>(r#"{"most": 1}"#).is_err());
}

#[test]
fn integers_are_judged_exactly_to_the_ends_of_64_bits() {
    let bound = Bound { max_abs: Some(2.5), ..Bound::default() };
    assert!(bound.allows_int(i64::MAX.into(), i128::from(i64::MAX) - 2) && !bound.allows_int(0, 3));
    let rel = Bound { max_rel: Some(0.1), rel_floor: 25.0, ..Bound::default() };
    assert!(rel.allows_int(1, 3) && !rel.allows_int(1, 4), "a tenth of the floor");
    assert!(rel.allows_int(-100, -90) && !rel.allows_int(-100, -89));
    // A tenth of 2^64 − 1 is 1844674407370955161.5, and 0.1 is a little above a tenth.
    let most = i128::from(u64::MAX);
    assert!(rel.allows_int(most, most - 1_844_674_407_370_955_161));
    assert!(!rel.allows_int(most, most - 1_844_674_407_370_955_300));
}

fn found<T: Element>(bound: &Bound, x: &[T], y: &[T]) -> Vec<usize> {
    let mut found = Vec::new();
    bound.violations(&Buf::from_slice(x).unwrap(), &Buf::from_slice(y).unwrap(), &mut found).unwrap();
    found
}

#[test]
fn violations_are_those_of_single_elements() {
    let mut numbers = Numbers(7);
    let bounds = [
        Bound::default(),
        Bound { max_abs: Some(0.25), ..Bound::default() },
        Bound { max_rel: Some(1e-3), ..Bound::default() },
        Bound { max_abs: Some(1e-3), max_rel: Some(1e-3), rel_floor: 0.5, ..Bound::default() },
        Bound { mean_square: Some(1.0), ..Bound::default() },
    ];
    for bound in bounds {
        let x: Vec<f64> = (0..5000).map(|_| f64::from_bits(numbers.next() >> 2 | 0x3f << 56)).collect();
        let y: Vec<f64> =
            x.iter().map(|x| x + [0.0, 0.25, 1e-3 * x, 1e-3, f64::NAN][numbers.below(5) as usize]).collect();
        let want: Vec<usize> = (0..x.len()).filter(|i| !bound.allows_f64(x[*i], y[*i])).collect();
        assert_eq!(found(&bound, &x, &y), want);
        let narrow = |v: &[f64]| v.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        let (x32, y32) = (narrow(&x), narrow(&y));
        let same = |i: usize| x32[i].to_bits() == y32[i].to_bits();
        let allowed = |i: usize| same(i) || bound.allows_f64(x32[i].into(), y32[i].into());
        assert_eq!(found(&bound, &x32, &y32), (0..x.len()).filter(|i| !allowed(*i)).collect::<Vec<_>>());
        let x16: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let y16: Vec<f16> =
            x16.iter().map(|x| f16::from_bits(x.to_bits().wrapping_add(numbers.below(3) as u16))).collect();
        let same = |i: usize| x16[i].to_bits() == y16[i].to_bits();
        let allowed = |i: usize| same(i) || !x16[i].is_nan() && bound.allows_f64(x16[i].into(), y16[i].into());
        assert_eq!(found(&bound, &x16, &y16), (0..x16.len()).filter(|i| !allowed(*i)).collect::<Vec<_>>());
        let xi: Vec<i64> = (0..5000).map(|_| numbers.next() as i64 >> numbers.below(64)).collect();
        let yi: Vec<i64> = xi.iter().map(|x| x.wrapping_add(numbers.below(3) as i64)).collect();
        let want: Vec<usize> = (0..xi.len()).filter(|i| !bound.allows_int(xi[*i].into(), yi[*i].into())).collect();
        assert_eq!(found(&bound, &xi, &yi), want);
    }
}

#[test]
fn squared_errors_are_summed_over_what_is_finite() {
    let x: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let mut y: Vec<f32> = x.iter().map(|x| x + 0.5).collect();
    y[7] = f32::NAN;
    let sum = squared_error(&Buf::from_slice(&x).unwrap(), &Buf::from_slice(&y).unwrap()).unwrap();
    assert_eq!(sum, 999.0 * 0.25);
}

//! How far two elements lie apart, exactly enough to keep a stated tolerance.

use crate::array::Scalar;

/// The distance of two elements, rounded to nearest: 0 where only zero's sign or NaN's payload differs, infinite
/// between NaN and a number. Complex numbers: the modulus.
pub(super) fn distance(a: Scalar, b: Scalar) -> f64 {
    match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => (a - b).unsigned_abs() as f64,
        (Scalar::Bool(a), Scalar::Bool(b)) => f64::from(u8::from(a != b)),
        (Scalar::Float(a), Scalar::Float(b)) => gap(a, b),
        (Scalar::Complex(ar, ai), Scalar::Complex(br, bi)) => gap(ar, br).hypot(gap(ai, bi)),
        _ => f64::INFINITY,
    }
}

/// Whether the distance, before any rounding, is at most `tolerance`.
pub(super) fn within(a: Scalar, b: Scalar, tolerance: f64) -> bool {
    match (a, b) {
        // Saturates for a tolerance beyond every integer.
        (Scalar::Int(a), Scalar::Int(b)) => (a - b).abs() <= tolerance.floor() as i128,
        (Scalar::Float(a), Scalar::Float(b)) => gap_within(a, b, tolerance),
        (Scalar::Complex(ar, ai), Scalar::Complex(br, bi)) => {
            gap_within(ar, br, tolerance) && gap_within(ai, bi, tolerance) && distance(a, b) <= tolerance
        }
        _ => distance(a, b) <= tolerance,
    }
}

fn gap(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        0.0
    } else if a.is_nan() || b.is_nan() {
        f64::INFINITY
    } else {
        (a - b).abs()
    }
}

fn gap_within(a: f64, b: f64, tolerance: f64) -> bool {
    let gap = gap(a, b);
    if gap != tolerance || gap == 0.0 || !gap.is_finite() {
        return gap <= tolerance && gap.is_finite();
    }
    // The rounded distance equals the tolerance: what the rounding took away decides (Knuth's two-sum of a and -b).
    let difference = a - b;
    let part = difference - a;
    let lost = (a - (difference - part)) + (-b - part);
    lost == 0.0 || (lost < 0.0) == (difference > 0.0)
}

/// A tolerance of two digits that certainly covers a distance that was rounded to `distance` (finite, not 0).
pub(super) fn covering(distance: f64) -> String {
    let above = distance.next_up();
    let exponent = above.log10().floor() as i32;
    // One digit position up or down repairs a logarithm that was rounded the wrong way.
    for exponent in exponent - 1..=exponent + 1 {
        for digits in 10..100u32 {
            let text = format!("{}.{}e{exponent}", digits / 10, digits % 10);
            if text.parse::<f64>().is_ok_and(|t| t >= above && t.is_finite()) {
                return text;
            }
        }
    }
    format!("{:e}", f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_hidden_by_rounding_is_not_within_the_tolerance() {
        // 1 + 2^-60 rounds to 1.
        let (a, b) = (Scalar::Float(1.0), Scalar::Float(-(2f64.powi(-60))));
        assert_eq!(distance(a, b), 1.0);
        assert!(!within(a, b, 1.0));
        assert!(!within(b, a, 1.0));
        assert!(within(Scalar::Float(1.0), Scalar::Float(2f64.powi(-60)), 1.0));
        let (a, b) = (Scalar::Int((1 << 53) + 1), Scalar::Int(0));
        assert!(!within(a, b, 2f64.powi(53)));
        assert!(within(a, b, 1e300));
    }

    #[test]
    fn nan_is_near_nan_only() {
        let nan = Scalar::Float(f64::NAN);
        assert!(within(nan, nan, 0.0));
        assert!(!within(nan, Scalar::Float(1.0), f64::MAX));
        assert!(within(Scalar::Float(0.0), Scalar::Float(-0.0), 0.0));
        assert!(!within(Scalar::Float(f64::INFINITY), Scalar::Float(f64::NEG_INFINITY), f64::MAX));
    }

    #[test]
    fn the_suggested_tolerance_is_large_enough() {
        for d in [2.2e-16, 1.0, 0.5, 9.95, 1e-300, 5e-324, 123_456.0, 9.9e307, 1e22, 2f64.powi(63)] {
            let text = covering(d);
            assert!(text.parse::<f64>().unwrap() > d, "{d} {text}");
            assert!(text.parse::<f64>().unwrap() <= d * 1.2 || d < 1e-320, "{d} {text}");
        }
    }
}

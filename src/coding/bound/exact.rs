//! Comparisons and products of floats without rounding errors.

/// Bits of a float64's fraction, without the leading one.
const FRACTION: u32 = 52;

/// Whether |x − y| <= `limit` exactly, for finite `x` and `y`.
///
/// Rounding is monotonic: a rounded difference below the limit means an exact one at most at it, above means above. Only
/// equality leaves the sign of the rounding error open, which Knuth's TwoSum gives exactly (overflow makes it NaN: refused).
pub(super) fn is_within(x: f64, y: f64, limit: f64) -> bool {
    let (greater, less) = if x >= y { (x, y) } else { (y, x) };
    let d = greater - less;
    if d != limit {
        return d < limit;
    }
    let part = d - greater;
    let error = (greater - (d - part)) + (-less - part);
    error <= 0.0
}

/// The largest float64 that is not above a·b, for finite a, b >= 0 (the greatest finite one where a·b is beyond).
pub(super) fn product_down(a: f64, b: f64) -> f64 {
    let (ma, ea) = parts(a);
    let (mb, eb) = parts(b);
    let product = u128::from(ma) * u128::from(mb);
    if product == 0 {
        return 0.0;
    }
    let exponent = ea + eb;
    let length = (128 - product.leading_zeros()) as i32;
    // Keep 53 bits, fewer where the lowest would fall below the smallest subnormal.
    let drop = (length - 53).max(-1074 - exponent);
    let kept = if drop >= 128 {
        0
    } else if drop >= 0 {
        (product >> drop) as u64
    } else {
        (product as u64) << -drop
    };
    compose(kept, exponent + drop)
}

/// The whole part of a·m, for finite a >= 0 and m <= 2^64; saturates.
pub(super) fn whole_product_down(a: f64, m: u128) -> u128 {
    let (ma, ea) = parts(a);
    let product = u128::from(ma) * m; // At most 53 + 65 bits.
    if ea <= -128 {
        0
    } else if ea <= 0 {
        product >> -ea
    } else if product.leading_zeros() as i32 > ea || product == 0 {
        product << ea.min(127)
    } else {
        u128::MAX
    }
}

/// x = m·2^e with whole m < 2^53, for finite x >= 0.
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let exponent = ((bits >> FRACTION) & 0x7ff) as i32;
    let fraction = bits & ((1 << FRACTION) - 1);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << FRACTION, exponent - 1075) }
}

/// m·2^e where that is a float64 (m < 2^53, and of full length unless e = −1074); the greatest finite one beyond the range.
fn compose(m: u64, e: i32) -> f64 {
    if m >> FRACTION == 0 {
        return f64::from_bits(m);
    }
    if e > 971 {
        return f64::MAX;
    }
    f64::from_bits((((e + 1075) as u64) << FRACTION) | (m & ((1 << FRACTION) - 1)))
}

//! What the first pass over two arrays tells the second.

/// What has to be known of both arrays before tiles are measured: all of it over the pairs of finite values that are
/// not fill values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Mean of the original.
    pub mean_x: f64,
    /// Mean of the restored.
    pub mean_y: f64,
    /// Mean of the errors.
    pub mean_e: f64,
    /// Smallest and largest original.
    pub range_x: (f64, f64),
    /// Smallest and largest restored value.
    pub range_y: (f64, f64),
    /// Largest |e|.
    pub max_abs: f64,
    /// Number of pairs.
    pub pairs: u64,
    /// Smallest and largest value of both arrays together in each plane of the last two axes, planes in C order;
    /// anything unordered (NaN) for a plane without pairs. Empty: no DSSIM.
    pub planes: &'a [(f64, f64)],
    /// Shape of chunks in the array's axes; `None`: no errors by chunk.
    pub chunk: Option<&'a [u64]>,
    /// Whether x and y are moduli of complex numbers and e the modulus of their difference: then errors have no sign,
    /// and Pearson correlation, autocorrelation and the histogram of signed errors are left undefined.
    pub moduli: bool,
}

/// 2^`power`, for powers that a float has.
pub(super) fn power_of_two(power: i32) -> f64 {
    match power {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (power + 1074)),
        -1022..=1023 => f64::from_bits(((power + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

/// `k` with 2^k ≤ |x| < 2^(k+1) for finite x ≠ 0; 1024 for infinities.
#[inline(always)]
pub(super) fn exponent(x: f64) -> i32 {
    let bits = x.to_bits() & !(1 << 63);
    let field = (bits >> 52) as i32;
    if field == 0 { -1011 - bits.leading_zeros() as i32 } else { field - 1023 }
}

/// The power of two that brings values of at most `largest` below 2^`to`: it multiplies without rounding, so squares
/// and their sums neither overflow nor lose small values before they must.
pub(super) fn scale_to(largest: f64, to: i32) -> f64 {
    if largest == 0.0 || largest.is_nan() { 1.0 } else { power_of_two((to - 1 - exponent(largest)).clamp(-1074, 1000)) }
}

/// Where sums of squares keep the widest range: 2^480 squared, 2^40 times, is below the largest float.
pub(super) const HIGH: i32 = 480;

impl Known<'_> {
    /// What errors are multiplied with before they are squared.
    pub(super) fn error_scale(&self) -> f64 {
        scale_to(self.max_abs, HIGH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_the_binary_form_down_to_the_smallest_float() {
        for (x, k) in [(1.0, 0), (1.5, 0), (2.0, 1), (0.75, -1), (5e-324, -1074), (1e-310, -1030), (f64::MAX, 1023)] {
            assert_eq!(exponent(x), k, "{x}");
            assert_eq!(exponent(-x), k);
            assert!(power_of_two(k) <= x && x / 2.0 < power_of_two(k));
        }
    }

    #[test]
    fn scaled_values_stay_below_the_power_asked_for() {
        for x in [1e300, 1e-300, 3.0, f64::MAX, 1e-310] {
            let scaled = x * scale_to(x, HIGH);
            assert!(scaled < power_of_two(HIGH) && (scaled >= power_of_two(HIGH - 1) || x < 1e-150), "{x}");
        }
        assert_eq!(scale_to(0.0, HIGH), 1.0);
    }
}

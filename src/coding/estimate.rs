//! What residuals will cost, without coding them: decides between predictors, so it must be the same on every machine.

#[cfg(test)]
use super::entropy::Int;

/// Magnitudes up to this have a symbol each (two, with the sign).
const SMALL: u64 = 16;
/// One symbol a sign and a power of two above, with its next bit; the bits below are raw.
const SYMBOLS: usize = 2 * SMALL as usize + 4 * 64;

/// The symbol of a residual and its raw bits.
#[inline(always)]
fn symbol(v: i64) -> (usize, u32) {
    let magnitude = v.unsigned_abs();
    let sign = usize::from(v < 0);
    if magnitude < SMALL {
        return (2 * magnitude as usize + sign, 0);
    }
    let top = magnitude.ilog2();
    let next = (magnitude >> (top - 1) & 1) as usize;
    (2 * SMALL as usize + 4 * top as usize + 2 * next + sign, top - 1)
}

/// Counts of residuals, from which their order-0 entropy follows.
#[derive(Debug, Clone)]
pub(in crate::coding) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    raw: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SYMBOLS], total: 0, raw: 0 }
    }
}

impl Histogram {
    #[inline(always)]
    pub(in crate::coding) fn add(&mut self, v: i64) {
        let (symbol, raw) = symbol(v);
        self.counts[symbol] += 1;
        self.raw += u64::from(raw);
        self.total += 1;
    }

    /// Bits a value: the entropy of the symbols and their raw bits.
    pub(in crate::coding) fn bits(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let total = self.total as f64;
        let whole: f64 = total * log2(total);
        let parts: f64 = self.counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) * log2(f64::from(*c))).sum();
        (whole - parts + self.raw as f64) / total
    }
}

/// Bits a value of all of `v`.
#[cfg(test)]
pub(in crate::coding) fn bits<T: Int>(v: &[T]) -> f64 {
    let mut histogram = Histogram::default();
    for x in v {
        histogram.add(x.to_i64());
    }
    histogram.bits()
}

/// log2 of a positive normal number to about 1e-9, by multiplications and divisions alone: `f64::log2` differs from machine to machine.
pub(in crate::coding) fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // To [1/sqrt 2, sqrt 2), then ln m = 2 artanh((m - 1) / (m + 1)) by its series.
    let (m, exponent) = if m > std::f64::consts::SQRT_2 { (m / 2.0, exponent + 1) } else { (m, exponent) };
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    let series = 1.0 + t2 * (1.0 / 3.0 + t2 * (1.0 / 5.0 + t2 * (1.0 / 7.0 + t2 * (1.0 / 9.0 + t2 / 11.0))));
    exponent as f64 + 2.0 * t * series * std::f64::consts::LOG2_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_close_and_entropy_is_that_of_the_definition() {
        for x in [1.0, 1.5, 2.0, 3.0, 7.0, 1e6, 1e15] {
            assert!((log2(x) - f64::log2(x)).abs() < 1e-8, "{x}");
        }
        let v: Vec<i32> = (0..4096).map(|i| i % 4).collect();
        assert!((bits(&v) - 2.0).abs() < 1e-6);
        assert_eq!(bits(&[5i64; 100]), 0.0);
        let wide: Vec<i64> = (0..1 << 16).collect();
        assert!((bits(&wide) - 16.0).abs() < 0.1, "{}", bits(&wide));
        bits(&[i64::MIN, i64::MAX]);
    }
}

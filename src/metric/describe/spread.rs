//! Squares about a known mean.

use crate::array::{Buf, DType};
use crate::metric::exact_sum::ExactSum;
use crate::metric::float::padded;
use crate::metric::fold::{CHUNK, Folds, add_sums};
use crate::metric::pair::{blank, widen};

/// Sum of squares of finite values about a known mean: exact but for one rounding a value and one a square, so that it is the
/// same in any order.
#[derive(Debug, Clone)]
pub struct Spread {
    mean: f64,
    fill: Option<u64>,
    count: u64,
    deviations: ExactSum,
    squares: ExactSum,
    folds: Folds,
}

impl Spread {
    /// About `mean`. Elements with the bits `fill` are left out.
    pub fn about(mean: f64, fill: Option<u64>) -> Self {
        Self { mean, fill, count: 0, deviations: ExactSum::new(), squares: ExactSum::new(), folds: Folds::default() }
    }

    /// Adds the elements of a block.
    pub fn add(&mut self, buf: &Buf) {
        let mut chunk = [0.0; CHUNK];
        let mut from = 0;
        while from < buf.len() {
            let n = CHUNK.min(buf.len() - from);
            let values = &mut chunk[..padded(n)];
            values[n..].fill(f64::NAN);
            widen(buf, from, &mut values[..n]);
            if let Some(fill) = self.fill {
                blank(buf, fill, from, &mut values[..n]);
            }
            let mut max = 0.0f64;
            for value in values.iter_mut() {
                let is_finite = value.is_finite();
                self.count += u64::from(is_finite);
                *value = if is_finite { (*value - self.mean).clamp(-f64::MAX, f64::MAX) } else { 0.0 };
                max = max.max(value.abs());
            }
            if matches!(buf.dtype(), DType::I64 | DType::U64) {
                max = self.wide(buf, from, &mut values[..n]);
            }
            add_sums(values, max, &mut self.folds, &mut self.deviations, &mut self.squares);
            from += n;
        }
    }

    /// As above for 64-bit integers: the difference from the mean's integer is exact, where f64 would round the values first.
    /// Fill values were set to 0 and stay so. The largest magnitude.
    fn wide(&self, buf: &Buf, from: usize, values: &mut [f64]) -> f64 {
        let mean = self.mean.round() as i128;
        let words = &buf.slice::<u64>()[from..from + values.len()];
        let mut max = 0.0f64;
        for (value, word) in values.iter_mut().zip(words).filter(|(_, w)| Some(**w) != self.fill) {
            let integer = if buf.dtype() == DType::I64 { i128::from(*word as i64) } else { i128::from(*word) };
            *value = (integer - mean) as f64;
            max = max.max(value.abs());
        }
        max
    }

    /// Adds what another gathered about the same mean.
    pub fn merge(&mut self, other: &Spread) {
        self.count += other.count;
        self.deviations.merge(&other.deviations);
        self.squares.merge(&other.squares);
    }

    /// The standard deviation over n; NaN without any value.
    pub fn std(&self) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let (root, off) = (self.squares.root_mean(self.count), self.deviations.mean(self.count));
        // The known mean is rounded: what it is off enters the squares. Nothing to take away where that rounds to nothing.
        let share = off / root;
        if root > 0.0 && share.is_finite() { root * (1.0 - share * share).max(0.0).sqrt() } else { root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_survives_a_large_mean_and_huge_values() {
        let values: Vec<f64> = (0..5000).map(|i| 1e9 + f64::from(i % 7)).chain([f64::NAN, 3.5]).collect();
        let mut spread = Spread::about(1e9 + 3.0, Some(3.5f64.to_bits()));
        spread.add(&Buf::from_slice(&values).unwrap());
        // numpy.std((numpy.arange(5000) % 7).astype(float))
        assert!((spread.std() - 2.000_249_734_408_181_5).abs() < 1e-12, "{}", spread.std());
        let mut spread = Spread::about(0.0, None);
        spread.add(&Buf::from_slice(&[1e300, -1e300]).unwrap());
        assert!((spread.std() / 1e300 - 1.0).abs() < 1e-15);
        assert!(Spread::about(0.0, None).std().is_nan());
    }
}

//! Quantiles of magnitudes: exact for arrays that fit, from a histogram of their bits for all others.

/// Mantissa bits that tell bins apart: a bin is at most 2^−12 of its values wide.
const BITS: u32 = 12;

/// Bins of one binary order of magnitude.
const ROW: usize = 1 << BITS;

/// Binary orders of magnitude of f64.
const ROWS: usize = 1 << 11;

/// A histogram of magnitudes by exponent and leading mantissa bits. Counts are integers, so any order of merging is the same.
///
/// *Guarantee:* the value of any rank is at most 2^−12 of itself too large, and never too small.
#[derive(Debug, Clone, Default)]
pub(in crate::metric) struct Magnitudes {
    /// One row an exponent, made when first needed: errors lie in few.
    rows: Vec<Option<Box<[u64]>>>,
    count: u64,
    zeros: u64,
}

impl Magnitudes {
    /// Counts magnitudes (of either sign); NaN is left out.
    pub(in crate::metric) fn add(&mut self, values: &[f64]) {
        if self.rows.is_empty() {
            self.rows.resize(ROWS, None);
        }
        for value in values {
            if value.is_nan() {
                continue;
            }
            let bits = value.to_bits() & !(1 << 63);
            if bits == 0 {
                self.zeros += 1;
                self.count += 1;
                continue;
            }
            let (row, bin) = ((bits >> 52) as usize, (bits >> (52 - BITS)) as usize % ROW);
            if let Some(place) = self.rows.get_mut(row) {
                let row = place.get_or_insert_with(|| vec![0; ROW].into_boxed_slice());
                row[bin] += 1;
                self.count += 1;
            }
        }
    }

    pub(in crate::metric) fn merge(&mut self, other: &Magnitudes) {
        if self.rows.is_empty() {
            self.rows.resize(ROWS, None);
        }
        self.count += other.count;
        self.zeros += other.zeros;
        for (mine, theirs) in self.rows.iter_mut().zip(&other.rows) {
            match (&mut *mine, theirs) {
                (Some(mine), Some(theirs)) => mine.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a += b),
                (None, Some(_)) => mine.clone_from(theirs),
                (_, None) => {}
            }
        }
    }

    /// Bins that are not empty, in order: their smallest and largest value, and how many.
    fn bins(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        let zero = (self.zeros > 0).then_some((0.0, 0.0, self.zeros));
        let rows = self.rows.iter().enumerate().filter_map(|(r, row)| Some((r, row.as_ref()?)));
        let bins = rows.flat_map(|(r, row)| {
            row.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(b, n)| {
                let low = f64::from_bits(((r as u64) << 52) | (b as u64) << (52 - BITS));
                let high = f64::from_bits((((r as u64) << 52) | (b as u64) << (52 - BITS)) + (1 << (52 - BITS)) - 1);
                (low, high, *n)
            })
        });
        zero.into_iter().chain(bins)
    }

    /// The quantile at `share`, never too small, so that a limit which it keeps is kept; NaN without any value.
    pub(in crate::metric) fn quantile(&self, share: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let rank = ((self.count - 1) as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (_, high, n) in self.bins() {
            seen += n;
            if seen > rank {
                return high;
            }
        }
        f64::NAN
    }

    /// At most `most` points of the cumulative distribution: a value, and the share of values up to it.
    pub(in crate::metric) fn cumulative(&self, most: usize) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let (mut seen, mut next) = (0u64, 0u64);
        let step = (self.count / most.max(1) as u64).max(1);
        for (_, high, n) in self.bins() {
            seen += n;
            if seen >= next || seen == self.count {
                points.push((high, seen as f64 / self.count as f64));
                next = seen + step;
            }
        }
        points
    }
}

/// The quantile at `share` of sorted values, linear between neighbours as `numpy.quantile`; NaN without any value.
pub(in crate::metric) fn of_sorted(values: &[f64], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let (a, b) = (values[low.min(last)], values[(low + 1).min(last)]);
    // NumPy's own way of interpolating, which keeps the result between the two.
    if part >= 0.5 { b - (b - a) * (1.0 - part) } else { a + (b - a) * part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_knows_any_quantile_to_its_stated_error() {
        let mut state = 9u64;
        let mut values: Vec<f64> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let u = (state >> 11) as f64 / (1u64 << 53) as f64;
                (u * 40.0 - 30.0).exp2() * if state & 1 == 0 { 1.0 } else { -1.0 }
            })
            .collect();
        let (mut whole, mut a, mut b) = (Magnitudes::default(), Magnitudes::default(), Magnitudes::default());
        whole.add(&values);
        a.add(&values[..777]);
        b.add(&values[777..]);
        b.merge(&a);
        values.iter_mut().for_each(|v| *v = v.abs());
        values.sort_by(f64::total_cmp);
        for share in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((values.len() - 1) as f64 * share).ceil() as usize;
            let (found, exact) = (whole.quantile(share), values[rank]);
            assert!(found >= exact && found - exact <= exact * 2f64.powi(-12), "{share}: {found} {exact}");
            assert_eq!(found, b.quantile(share));
        }
        let points = whole.cumulative(100);
        assert!(points.len() <= 102 && points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        assert_eq!(points.last().unwrap().1, 1.0);
    }

    #[test]
    fn quantiles_of_sorted_values_lie_between_neighbours_as_in_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .5, .9, 1])
        let values = [1.0, 2.0, 4.0, 8.0];
        let found: Vec<f64> = [0.0, 0.5, 0.9, 1.0].iter().map(|s| of_sorted(&values, *s)).collect();
        assert!(found.iter().zip([1.0, 3.0, 6.8, 8.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert!(of_sorted(&[], 0.5).is_nan());
    }
}

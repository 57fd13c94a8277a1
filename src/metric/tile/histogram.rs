//! Counts of signed errors in equal bins, and errors by the magnitude of the original.

use super::compensated::Compensated;
use super::known::{Known, exponent, scale_to};
use crate::metric::comparison::{Histogram, MagnitudeError};

/// Bins of signed errors.
pub(super) const ERROR_BINS: usize = 120;

/// Equal bins from −max |e| to max |e|. A bin holds its lower end; the last holds its upper end too: as
/// `numpy.histogram(e, bins=120, range=(-m, m))`.
#[derive(Debug, Clone)]
pub(super) struct ErrorBins {
    scale: f64,
    bins_a_unit: f64,
    /// The ends of bins, of scaled errors; the last is repeated, so that any seven-bit place has an end.
    ends: [f64; 128],
}

impl ErrorBins {
    /// `None` where errors have no sign, are all 0, or have no finite range.
    pub(super) fn of(known: &Known<'_>) -> Option<Self> {
        if known.moduli || !(known.max_abs > 0.0 && known.max_abs.is_finite()) {
            return None;
        }
        let scale = scale_to(known.max_abs, 1);
        let most = known.max_abs * scale;
        let step = 2.0 * most / ERROR_BINS as f64;
        let end = |i: usize| if i < ERROR_BINS { i as f64 * step - most } else { most };
        let ends = std::array::from_fn(|i| end(i.min(ERROR_BINS)));
        Some(Self { scale, bins_a_unit: ERROR_BINS as f64 / (2.0 * most), ends })
    }

    /// Counts errors, each in its bin.
    pub(super) fn add(&self, e: &[f64], counts: &mut ErrorCounts) {
        let most = self.ends[ERROR_BINS];
        for (i, e) in e.iter().enumerate() {
            let there = !e.is_nan();
            let e = e * self.scale;
            // Casts of NaN and of negative numbers give 0.
            let guess = (((e + most) * self.bins_a_unit) as u32).min(ERROR_BINS as u32 - 1) as usize;
            // Rounding may put the guess one bin off.
            let low = usize::from(e < self.ends[guess & 127]);
            let high = usize::from(e >= self.ends[(guess + 1) & 127] && guess + 1 < ERROR_BINS);
            counts.0[((guess + high).wrapping_sub(low)) & 127][i % 4] += u32::from(there);
        }
    }

    /// The counts with their ends.
    pub(super) fn finish(known: &Known<'_>, counts: &[u64]) -> Option<Histogram> {
        Self::of(known)?;
        let counts = if counts.is_empty() { vec![0; ERROR_BINS] } else { counts.to_vec() };
        Some(Histogram { from: -known.max_abs, to: known.max_abs, counts })
    }
}

/// Counts of one tile, each in four places, so that neighbours in one bin need not wait for each other.
#[derive(Debug, Clone)]
pub(super) struct ErrorCounts([[u32; 4]; 128]);

impl Default for ErrorCounts {
    fn default() -> Self {
        Self([[0; 4]; 128])
    }
}

impl ErrorCounts {
    /// Adds these to the counts of all tiles.
    pub(super) fn add_to(&self, sums: &mut Vec<u64>) {
        sums.resize(ERROR_BINS, 0);
        for (sum, counts) in sums.iter_mut().zip(&self.0) {
            *sum += counts.iter().map(|n| u64::from(*n)).sum::<u64>();
        }
    }
}

/// The lowest binary exponent of a float, and how many there are.
const LOWEST: i32 = -1074;
const EXPONENTS: usize = 1024 + 1074;

/// Errors of originals of one binary order of magnitude.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    count: u64,
    max_abs: f64,
    sum: Compensated,
}

/// Errors by the binary exponent of the original; zeros and missing values are left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Magnitudes(Vec<Order>);

/// Values looked at together: mostly they are of one order.
const TOGETHER: usize = 16;

impl Magnitudes {
    fn order(&mut self, k: i32) -> Option<&mut Order> {
        self.0.resize(EXPONENTS, Order::default());
        self.0.get_mut((k - LOWEST) as usize)
    }

    /// Adds the errors of a run.
    pub(super) fn add(&mut self, x: &[f64], e: &[f64]) {
        let ((x, x_rest), (e, e_rest)) = (x.as_chunks::<TOGETHER>(), e.as_chunks::<TOGETHER>());
        for (x, e) in x.iter().zip(e) {
            match common_order(x, e) {
                Some((k, max_abs, sum)) => self.put(k, TOGETHER as u64, max_abs, sum),
                None => self.add_each(x, e),
            }
        }
        self.add_each(x_rest, e_rest);
    }

    #[inline(always)]
    fn put(&mut self, k: i32, count: u64, max_abs: f64, sum: f64) {
        if let Some(order) = self.order(k) {
            order.count += count;
            order.max_abs = if max_abs > order.max_abs { max_abs } else { order.max_abs };
            order.sum.add(sum);
        }
    }

    fn add_each(&mut self, x: &[f64], e: &[f64]) {
        for (x, e) in x.iter().zip(e) {
            if !e.is_nan() && *x != 0.0 {
                self.put(exponent(*x), 1, e.abs(), e.abs());
            }
        }
    }

    pub(super) fn merge(&mut self, next: &Magnitudes) {
        if !next.0.is_empty() {
            self.0.resize(EXPONENTS, Order::default());
        }
        for (sum, order) in self.0.iter_mut().zip(&next.0).filter(|(_, o)| o.count > 0) {
            sum.count += order.count;
            sum.max_abs = sum.max_abs.max(order.max_abs);
            sum.sum.merge(order.sum);
        }
    }

    /// One row for each order of magnitude that occurs, smallest first.
    pub(super) fn finish(&self) -> Vec<MagnitudeError> {
        let rows = self.0.iter().zip(LOWEST..).filter(|(order, _)| order.count > 0);
        let row = |(order, exponent): (&Order, i32)| {
            // Errors near the largest float may overflow in their sum, but their mean is below the largest of them.
            let mean_abs = (order.sum.value() / order.count as f64).min(order.max_abs);
            MagnitudeError { exponent, count: order.count, max_abs: order.max_abs, mean_abs }
        };
        rows.map(row).collect()
    }
}

/// The order of magnitude of all of `x`, with the largest and the sum of |e|, if there is one normal order and nothing
/// is missing.
#[inline(always)]
fn common_order(x: &[f64; TOGETHER], e: &[f64; TOGETHER]) -> Option<(i32, f64, f64)> {
    const FIELD: u64 = 0x7ff << 52;
    let field = x[0].to_bits() & FIELD;
    let (mut unlike, mut max_abs, mut sums) = (0, [0.0f64; 4], [0.0f64; 4]);
    for i in 0..TOGETHER {
        unlike |= (x[i].to_bits() & FIELD) ^ field;
        let size = e[i].abs();
        max_abs[i % 4] = if size > max_abs[i % 4] { size } else { max_abs[i % 4] };
        sums[i % 4] += size;
    }
    let largest = max_abs[0].max(max_abs[1]).max(max_abs[2].max(max_abs[3]));
    // All missing share the field of NaN.
    let one = unlike == 0 && field != 0 && field != FIELD;
    one.then(|| ((field >> 52) as i32 - 1023, largest, (sums[0] + sums[1]) + (sums[2] + sums[3])))
}

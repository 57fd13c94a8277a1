//! A running sum that keeps what rounding takes away.

/// A sum with its rounding error carried along (Neumaier 1974): as if computed in twice the precision.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Compensated {
    sum: f64,
    rest: f64,
}

impl Compensated {
    #[inline(always)]
    pub(super) fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        self.rest += if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        self.sum = sum;
    }

    pub(super) fn merge(&mut self, other: Compensated) {
        self.add(other.sum);
        self.rest += other.rest;
    }

    /// The sum, rounded once.
    pub(super) fn value(self) -> f64 {
        // An infinite sum has lost its rest: ∞ − ∞ is no number.
        if self.sum.is_finite() { self.sum + self.rest } else { self.sum }
    }
}

impl From<f64> for Compensated {
    fn from(sum: f64) -> Self {
        Self { sum, rest: 0.0 }
    }
}

/// Sums are taken in this many lanes, one vector register of AVX2, so that they vectorise without a change of order.
pub(super) const LANES: usize = 4;

/// The sum of the lanes.
#[inline(always)]
pub(super) fn fold(lanes: [f64; LANES]) -> f64 {
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// The first lanes from `values`, the others NaN: a missing value, which every figure leaves out.
#[inline(always)]
pub(super) fn padded(values: &[f64]) -> [f64; LANES] {
    let mut lanes = [f64::NAN; LANES];
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = *value;
    }
    lanes
}

/// The first `len` values of work space that only grows. They hold whatever was there: clearing them would cost as much as
/// some figures.
pub(super) fn room(work: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if work.len() < len {
        work.resize(len, 0.0);
    }
    &mut work[..len]
}

//! The k worst pairs.

use std::cmp::Ordering;

use crate::array::Scalar;

/// One pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::metric) struct Pair {
    /// What it is ranked by.
    pub(in crate::metric) by: f64,
    /// Flat position.
    pub(in crate::metric) at: u64,
    /// The original value.
    pub(in crate::metric) original: Scalar,
    /// The restored value.
    pub(in crate::metric) restored: Scalar,
}

/// Larger first, then earlier.
fn order(a: &Pair, b: &Pair) -> Ordering {
    b.by.total_cmp(&a.by).then(a.at.cmp(&b.at))
}

/// The pairs with the largest values, at most as many as asked for; ties go to the lowest position.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::metric) struct Top {
    most: usize,
    pairs: Vec<Pair>,
}

impl Top {
    pub(in crate::metric) fn new(most: usize) -> Self {
        Self { most, pairs: Vec::with_capacity(most.min(64)) }
    }

    /// Whether a pair of `by` at `lowest` or later may get in.
    #[inline(always)]
    pub(in crate::metric) fn may_take(&self, by: f64, lowest: impl FnOnce() -> u64) -> bool {
        match self.pairs.last() {
            Some(last) if self.pairs.len() >= self.most => by > last.by || (by == last.by && lowest() < last.at),
            _ => self.most > 0,
        }
    }

    pub(in crate::metric) fn offer(&mut self, pair: Pair) {
        if self.may_take(pair.by, || pair.at) {
            let place = self.pairs.partition_point(|p| order(p, &pair) == Ordering::Less);
            self.pairs.insert(place, pair);
            self.pairs.truncate(self.most);
        }
    }

    pub(in crate::metric) fn merge(&mut self, other: &Top) {
        other.pairs.iter().for_each(|p| self.offer(*p));
    }

    /// The pairs, worst first.
    pub(in crate::metric) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_in_order_whatever_the_order_of_offers() {
        let pair = |by: f64, at| Pair { by, at, original: Scalar::Float(by), restored: Scalar::Float(0.0) };
        let all: Vec<Pair> = (0..40).map(|i| pair(f64::from(i % 7), u64::from(i as u32))).collect();
        let mut sorted = all.clone();
        sorted.sort_by(order);
        let (mut a, mut b) = (Top::new(9), Top::new(9));
        all.iter().rev().for_each(|p| a.offer(*p));
        all.iter().step_by(3).for_each(|p| b.offer(*p));
        let mut c = Top::new(9);
        all.iter().enumerate().filter(|(i, _)| i % 3 != 0).for_each(|(_, p)| c.offer(*p));
        b.merge(&c);
        assert_eq!(a.pairs(), &sorted[..9]);
        assert_eq!(b, a);
    }
}

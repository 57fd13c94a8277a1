//! Orders that look random, follow from a seed, and take no memory.

/// A mixing of 64 bits (the finaliser of SplitMix64): the same on every machine.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Rounds of the cipher: four make a good permutation, and more cost nothing beside decoding.
const ROUNDS: u64 = 6;

/// A permutation of 0 … n − 1: a Feistel cipher on the next power of four, walked until it lands inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    n: u64,
    half: u32,
    seed: u64,
}

impl Permutation {
    /// The one that `seed` gives.
    pub(super) fn new(n: u64, seed: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self { n, half: bits.div_ceil(2).max(1), seed: mix(seed) }
    }

    /// Where the `i`-th comes from, for `i < n`.
    pub(super) fn at(&self, i: u64) -> u64 {
        // At most four times as many places as are wanted: a few turns on average.
        let mut x = i;
        loop {
            x = self.cipher(x);
            if x < self.n || self.n == 0 {
                return x;
            }
        }
    }

    /// The `i` for which [`at`](Self::at) gives `x`, for `x < n`.
    pub(super) fn place_of(&self, x: u64) -> u64 {
        let mut i = x;
        loop {
            i = self.decipher(i);
            if i < self.n || self.n == 0 {
                return i;
            }
        }
    }

    fn cipher(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half, x & self.mask());
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.turned(right, round));
        }
        left << self.half | right
    }

    fn decipher(&self, x: u64) -> u64 {
        let (mut left, mut right) = (x >> self.half, x & self.mask());
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.turned(left, round), left);
        }
        left << self.half | right
    }

    fn mask(&self) -> u64 {
        (1u64 << self.half) - 1
    }

    /// What one half does to the other.
    fn turned(&self, half: u64, round: u64) -> u64 {
        mix(half ^ self.seed.wrapping_add(round.wrapping_mul(0xA5A5_5A5B))) & self.mask()
    }
}

/// Puts `items` into the order that `seed` gives (Fisher and Yates).
pub(super) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = mix(seed);
    for i in (1..items.len()).rev() {
        state = mix(state);
        // The high word of a product: even but for 2^-64 · i.
        items.swap(i, ((u128::from(state) * (i as u128 + 1)) >> 64) as usize);
    }
}

/// Another seed, for part `i`.
pub(super) fn derived(seed: u64, i: u64) -> u64 {
    mix(seed ^ mix(i))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_met_once() {
        for n in [0, 1, 2, 3, 4, 5, 17, 64, 1000, 4097] {
            let permutation = Permutation::new(n, 7);
            let mut seen: Vec<u64> = (0..n).map(|i| permutation.at(i)).collect();
            assert!(seen.iter().enumerate().all(|(i, x)| permutation.place_of(*x) == i as u64));
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
        assert!(Permutation::new(u64::MAX, 1).at(5) < u64::MAX);
    }

    #[test]
    fn neighbours_are_torn_apart_and_seeds_differ() {
        let (a, b) = (Permutation::new(10_000, 1), Permutation::new(10_000, 2));
        let distance: u64 = (1..10_000).map(|i| a.at(i).abs_diff(a.at(i - 1))).sum();
        // A third of the length on average where places are independent.
        assert!((2_800..3_900).contains(&(distance / 9_999)), "{}", distance / 9_999);
        assert!((0..10_000).filter(|i| a.at(*i) == b.at(*i)).count() < 20);
    }

    #[test]
    fn each_item_may_come_anywhere() {
        let mut counts = [[0u32; 5]; 5];
        for seed in 0..5000 {
            let mut items = [0usize, 1, 2, 3, 4];
            shuffle(&mut items, seed);
            items.iter().enumerate().for_each(|(place, item)| counts[place][*item] += 1);
        }
        assert!(counts.iter().flatten().all(|c| (850..1150).contains(c)), "{counts:?}");
    }
}

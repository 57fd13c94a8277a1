//! How many distinct values there are, estimated in 16 kB whatever the size of the array.

/// Registers, as a power of two; the standard error is 1.04/√(2^14) = 0.81 %.
const LOG_REGISTERS: u32 = 14;
const REGISTERS: usize = 1 << LOG_REGISTERS;

/// A HyperLogLog sketch. Merging takes maxima, so any order gives the same.
///
/// Method: Flajolet et al. 2007, with the estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog
/// sketches", 2017, algorithm 6, which needs no tables of bias.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distinct {
    registers: Vec<u8>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { registers: vec![0; REGISTERS] }
    }
}

/// The finaliser of MurmurHash3: every bit of the key moves half the bits of the hash.
#[inline(always)]
fn hash(mut key: u64) -> u64 {
    // Zero would hash to itself.
    key ^= 0x9e37_79b9_7f4a_7c15;
    key ^= key >> 33;
    key = key.wrapping_mul(0xff51_afd7_ed55_8ccd);
    key ^= key >> 33;
    key = key.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ key >> 33
}

impl Distinct {
    /// Takes a value's key in.
    #[inline(always)]
    pub(super) fn add(&mut self, key: u64) {
        let hash = hash(key);
        let at = (hash >> (64 - LOG_REGISTERS)) as usize;
        // The bit set below the index bounds the rank at 64 − 14 + 1.
        let rank = ((hash << LOG_REGISTERS) | 1 << (LOG_REGISTERS - 1)).leading_zeros() as u8 + 1;
        let register = &mut self.registers[at];
        *register = rank.max(*register);
    }

    /// Takes the finite ones of `values` in. Runs of one value are common, and a value seen just before changes nothing.
    pub(super) fn add_values(&mut self, values: &[f64]) {
        // The bits of a NaN: no key is that.
        let mut last = u64::MAX;
        for value in values.iter().filter(|v| v.is_finite()) {
            // Both zeros are one value.
            let key = (value + 0.0).to_bits();
            if key != last {
                self.add(key);
            }
            last = key;
        }
    }

    pub(super) fn merge(&mut self, other: &Distinct) {
        self.registers.iter_mut().zip(&other.registers).for_each(|(a, b)| *a = (*a).max(*b));
    }

    /// The estimate.
    pub(super) fn estimate(&self) -> f64 {
        const Q: usize = 64 - LOG_REGISTERS as usize;
        let m = REGISTERS as f64;
        let mut counts = [0u32; Q + 2];
        for register in &self.registers {
            counts[*register as usize] += 1;
        }
        let mut z = m * tau(1.0 - f64::from(counts[Q + 1]) / m);
        for count in counts[1..=Q].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        m * m / (2.0 * std::f64::consts::LN_2 * z)
    }
}

/// x + Σ x^(2^k) 2^(k−1).
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_within_four_standard_errors_and_merging_changes_nothing() {
        for n in [0u64, 1, 10, 1000, 20_000, 300_000, 3_000_000] {
            let (mut whole, mut a, mut b) = (Distinct::default(), Distinct::default(), Distinct::default());
            for i in 0..n {
                // Floats that count up: few of their bits differ.
                let key = (i as f64 / 8.0).to_bits();
                whole.add(key);
                if i % 3 == 0 { a.add(key) } else { b.add(key) }
            }
            a.merge(&b);
            assert_eq!(a, whole);
            let error = (whole.estimate() - n as f64).abs();
            assert!(error <= 4.0 * 0.0081 * n as f64 + 0.5, "{n}: {}", whole.estimate());
        }
    }
}

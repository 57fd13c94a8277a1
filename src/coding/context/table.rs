//! Frequencies of symbols: a two-sided geometric shape of two parameters, or each frequency on its own.

use super::bits::{BitReader, BitWriter};
use super::cost::log2_q16;
use super::rans::{SCALE, SCALE_BITS};

/// Symbols of a table: the numbers -127..=127 as 1..=255, and [`ESCAPE`] for all others.
pub(super) const SYMBOLS: usize = 256;

/// The symbol of 0.
pub(super) const ZERO: usize = 128;

/// The symbol of numbers that have none of their own in a table.
pub(super) const ESCAPE: usize = 0;

/// Bits of an escaped number beyond its symbol, about: sign, length and digits.
const ESCAPE_BITS: u64 = 13;

/// Counts or frequencies of the symbols.
pub(super) type Counts = [u32; SYMBOLS];

/// Frequencies of 0 in 4096ths: the logistic function in quarters, and near 1 each step.
const ZEROS: [u16; 64] = [
    6, 7, 8, 9, 9, 9, 10, 11, 12, 13, 17, 21, 27, 35, 45, 58, 74, 94, 120, 153, 194, 246, 311, 391, 488, 606, 747, 912,
    1102, 1314, 1546, 1793, 2048, 2303, 2550, 2782, 2994, 3184, 3349, 3490, 3608, 3705, 3785, 3850, 3902, 3943, 3976,
    4002, 4022, 4038, 4051, 4061, 4069, 4075, 4079, 4083, 4086, 4088, 4090, 4091, 4092, 4093, 4094, 4095,
];

/// What each further magnitude is rarer by, in 65536ths: means of |v| - 1 from 0 to 43, a factor e^(1/4) apart.
const RATIOS: [u16; 32] = [
    21, 360, 790, 1334, 2019, 2878, 3947, 5267, 6882, 8833, 11_155, 13_872, 16_986, 20_474, 24_280, 28_317, 32_470,
    36_615, 40_624, 44_389, 47_825, 50_882, 53_541, 55_808, 57_707, 59_276, 60_558, 61_594, 62_425, 63_088, 63_614,
    64_030,
];

/// A table as it is sent.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Indices into [`ZEROS`] and [`RATIOS`].
    Geometric(u8, u8),
    /// Rounded weights, see [`round_weight`], one for each 2^group symbols: wide tables of few values have no more to say.
    Explicit { group: u32, weights: Box<[u16; SYMBOLS]> },
}

/// Significant bits of an explicit weight below its leading one: rounding costs 0.0007 bit a symbol.
const MANTISSA: u32 = 3;

/// Keeps the leading bits of a weight.
fn round_weight(weight: u32) -> u32 {
    let spare = weight.max(1).ilog2().saturating_sub(MANTISSA);
    // Rounded to nearest; a carry into the next power of two is fine, but for the one that has no code.
    let rounded = (weight + (1 << spare >> 1)) >> spare << spare;
    rounded.min(((2 << MANTISSA) - 1) << (SCALE_BITS - 1 - MANTISSA))
}

fn weight_bits(weight: u16) -> u32 {
    if weight == 0 { 4 } else { 4 + weight.ilog2().min(MANTISSA) }
}

impl Shape {
    /// The better of both shapes for `counts` (n > 0 in all), its frequencies and what counts and table cost, in
    /// 65536ths of a bit.
    pub(super) fn fit(counts: &Counts, coarse: u32) -> (Self, Counts, u64) {
        let geometric = Self::geometric(counts);
        let frequencies = geometric.frequencies(coarse);
        let bits = cost(counts, &frequencies) + (geometric.bits() << 16);
        let mut best = (geometric, frequencies, bits);
        let (first, last) = support(counts);
        for group in GROUPS.into_iter().take_while(|g| *g == 0 || last > first + WIDE) {
            let explicit = Self::explicit(counts, coarse, group);
            // Not worth the look when the weights alone cost more.
            if explicit.bits() << 16 < best.2 {
                let own = explicit.frequencies(coarse);
                let own_bits = cost(counts, &own) + (explicit.bits() << 16);
                if own_bits < best.2 {
                    best = (explicit, own, own_bits);
                }
            }
        }
        best
    }

    fn geometric(counts: &Counts) -> Self {
        let n = total(counts);
        let zeros = u64::from(counts[ZERO]);
        let (first, last) = support(counts);
        let others = n - zeros;
        let beyond: u64 = (first as u64..=last as u64)
            .map(|s| s.abs_diff(ZERO as u64).saturating_sub(1) * u64::from(counts[s as usize]))
            .sum::<u64>()
            + ZERO as u64 * u64::from(counts[ESCAPE]);
        let zero = nearest(&ZEROS, ((zeros << SCALE_BITS) + n / 2) / n.max(1));
        let ratio = nearest(&RATIOS, (beyond << 16) / (beyond + others).max(1));
        Self::Geometric(zero, ratio)
    }

    fn explicit(counts: &Counts, coarse: u32, group: u32) -> Self {
        let n = total(counts);
        let all = u64::from(SCALE >> coarse);
        let weight = |c: u64| match c {
            0 => 0,
            c => round_weight(((c * all + n / 2) / n.max(1)).max(1) as u32) as u16,
        };
        let mut weights = Box::new([0; SYMBOLS]);
        for (weights, counts) in weights.chunks_mut(1 << group).zip(counts.chunks(1 << group)) {
            let sum: u64 = counts.iter().map(|c| u64::from(*c)).sum();
            weights.fill(weight(sum.div_ceil(1 << group)));
        }
        // The escape is no neighbour of the number after it.
        weights[ESCAPE] = weight(u64::from(counts[ESCAPE]));
        Self::Explicit { group, weights }
    }

    /// Bits of the table's header.
    fn bits(&self) -> u64 {
        match self {
            Self::Geometric(..) => 1 + 6 + 5,
            Self::Explicit { group, weights } => {
                let shared = shared(weights, *group, groups(weights, *group));
                u64::from(1 + 2 + 8 + 8 + weight_bits(weights[ESCAPE]) + shared.map(weight_bits).sum::<u32>())
            }
        }
    }

    pub(super) fn write(&self, out: &mut BitWriter) {
        match self {
            Self::Geometric(zero, ratio) => {
                out.put(0, 1);
                out.put(u32::from(*zero), 6);
                out.put(u32::from(*ratio), 5);
            }
            Self::Explicit { group, weights } => {
                out.put(1, 1);
                let (first, last) = groups(weights, *group);
                out.put(*group, 2);
                out.put(first as u32, 8);
                out.put(last as u32, 8);
                put_weight(out, weights[ESCAPE]);
                shared(weights, *group, (first, last)).for_each(|w| put_weight(out, w));
            }
        }
    }

    pub(super) fn read(bits: &mut BitReader) -> Self {
        if bits.take(1) == 0 {
            let zero = bits.take(6);
            return Self::Geometric(zero as u8, bits.take(5) as u8);
        }
        let group = bits.take(2);
        let first = bits.take(8) as usize;
        let last = bits.take(8) as usize;
        let mut weights = Box::new([0; SYMBOLS]);
        let escape = take_weight(bits);
        for group in weights.chunks_mut(1 << group).take(last + 1).skip(first) {
            group.fill(take_weight(bits));
        }
        weights[ESCAPE] = escape;
        Self::Explicit { group, weights }
    }

    /// Frequencies that add up to [`SCALE`], each a multiple of 2^coarse, none as large as [`SCALE`].
    pub(super) fn frequencies(&self, coarse: u32) -> Counts {
        let total = SCALE >> coarse;
        let mut f = [0; SYMBOLS];
        match self {
            Self::Geometric(zero, ratio) => {
                let zero = (u32::from(ZEROS[usize::from(*zero & 63)]) >> coarse).clamp(1, total - 1);
                let ratio = u64::from(RATIOS[usize::from(*ratio & 31)]);
                let rest = total - zero;
                let mut mass = u64::from(rest) << 16;
                let mut given = 0;
                for k in 1..ZERO {
                    let part = (mass * (65_536 - ratio)) >> 16;
                    let each = (part >> 17) as u32;
                    if each == 0 {
                        break;
                    }
                    f[ZERO - k] = each;
                    f[ZERO + k] = each;
                    given += 2 * each;
                    mass -= part;
                }
                let escape = ((mass >> 16) as u32).clamp(1, (rest - given).max(1));
                f[ESCAPE] = escape;
                // What rounding left over is the zero's; it gives way where nothing was left for the escape.
                f[ZERO] = total - given - escape;
            }
            Self::Explicit { weights, .. } => {
                let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
                for (f, w) in f.iter_mut().zip(weights.iter()) {
                    if *w > 0 {
                        *f = (u64::from(*w) * u64::from(total) / sum.max(1)).max(1) as u32;
                    }
                }
                // The most frequent symbol takes the rounding; forged tables may need more than it has.
                let mut given: u32 = f.iter().sum();
                while given > total {
                    let most = largest(&f);
                    let less = (given - total).min(f[most] - 1);
                    f[most] -= less;
                    given -= less;
                }
                f[largest(&f)] += total - given;
            }
        }
        // A table of one symbol would not fit its 12 bits: the escape takes one place of it.
        let most = largest(&f);
        if f[most] == total {
            f[most] -= 1;
            f[if most == ESCAPE { ZERO } else { ESCAPE }] += 1;
        }
        f.map(|f| f << coarse)
    }
}

/// All of `counts`.
fn total(counts: &Counts) -> u64 {
    counts.iter().map(|c| u64::from(*c)).sum()
}

fn largest(f: &Counts) -> usize {
    let mut most = 0;
    for (i, v) in f.iter().enumerate() {
        if *v > f[most] {
            most = i;
        }
    }
    most
}

fn nearest(table: &[u16], value: u64) -> u8 {
    let above = table.partition_point(|t| u64::from(*t) < value).min(table.len() - 1);
    let below = above.saturating_sub(1);
    let nearer = u64::from(table[above]).abs_diff(value) < u64::from(table[below]).abs_diff(value);
    (if nearer { above } else { below }) as u8
}

/// Symbols that share a weight, as logarithms, to be tried.
const GROUPS: [u32; 3] = [0, 2, 3];

/// Symbols beyond which sharing is tried.
const WIDE: usize = 16;

/// First and last group with a weight; (1, 0) when there is none.
fn groups(weights: &[u16; SYMBOLS], group: u32) -> (usize, usize) {
    let (first, last) = support(weights);
    if last < first { (1, 0) } else { (first >> group, last >> group) }
}

/// The weights of groups `first..=last`: the last symbol's of each, which is never the escape.
fn shared(weights: &[u16; SYMBOLS], group: u32, (first, last): (usize, usize)) -> impl Iterator<Item = u16> {
    weights.chunks(1 << group).take(last + 1).skip(first).filter_map(|g| g.last().copied())
}

/// First and last number's symbol with a weight; (1, 0) when there is none.
fn support<T: Copy + Default + PartialEq>(weights: &[T; SYMBOLS]) -> (usize, usize) {
    let some = |s: &usize| weights[*s] != T::default();
    let first = (1..SYMBOLS).find(some).unwrap_or(1);
    let last = (first..SYMBOLS).rev().find(some).unwrap_or(0);
    (first, last)
}

fn put_weight(out: &mut BitWriter, weight: u16) {
    if weight == 0 {
        out.put(0, 4);
        return;
    }
    let log = weight.ilog2();
    out.put(log + 1, 4);
    let digits = log.min(MANTISSA);
    out.put(u32::from(weight) >> (log - digits), digits);
}

fn take_weight(bits: &mut BitReader) -> u16 {
    match bits.take(4).min(SCALE_BITS) {
        0 => 0,
        length => {
            let log = length - 1;
            let digits = log.min(MANTISSA);
            ((1 << digits | bits.take(digits)) << (log - digits)) as u16
        }
    }
}

/// What `counts` cost by `frequencies`, in 65536ths of a bit. Numbers without a symbol of their own are escaped.
fn cost(counts: &Counts, frequencies: &Counts) -> u64 {
    let price = |f: u32| u64::from((SCALE_BITS << 16) - log2_q16(f));
    let escape = price(frequencies[ESCAPE].max(1)) + (ESCAPE_BITS << 16);
    let (first, last) = support(counts);
    let pairs = counts.iter().zip(frequencies).enumerate();
    let escaped = u64::from(counts[ESCAPE]) * escape;
    let numbers = pairs.take(last + 1).skip(first);
    let numbers: u64 = numbers
        .map(|(_, (c, f))| match (*c, *f) {
            (0, _) => 0,
            (c, f) if f > 0 => u64::from(c) * price(f),
            (c, _) => u64::from(c) * escape,
        })
        .sum();
    numbers + escaped
}

/// Fills the table's entries: frequency and start as the coder needs them, and the symbol.
pub(super) fn entries(frequencies: &Counts, coarse: u32, entries: &mut [u32]) {
    let mut start = 0;
    for (symbol, f) in frequencies.iter().enumerate() {
        if *f > 0 {
            let (from, to) = ((start >> coarse) as usize, ((start + f) >> coarse) as usize);
            let entry = start | f << SCALE_BITS | (symbol as u32) << (2 * SCALE_BITS);
            if let Some(own) = entries.get_mut(from..to) {
                own.fill(entry);
            }
            start += f;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: &Shape, coarse: u32) {
        let f = shape.frequencies(coarse);
        assert_eq!(f.iter().sum::<u32>(), SCALE);
        assert!(f.iter().all(|f| f.is_multiple_of(1 << coarse) && *f < SCALE));
        let mut writer = BitWriter::default();
        shape.write(&mut writer);
        let mut bytes = Vec::new();
        writer.finish(&mut bytes);
        assert_eq!(bytes.len() as u64, shape.bits().div_ceil(8));
        assert_eq!(Shape::read(&mut BitReader::new(&bytes)).frequencies(coarse), f);
    }

    #[test]
    fn every_table_adds_up_and_comes_back() {
        for coarse in 0..4 {
            for zero in 0..64 {
                for ratio in 0..32 {
                    let shape = Shape::Geometric(zero, ratio);
                    check(&shape, coarse);
                    assert!(shape.frequencies(coarse)[ESCAPE] > 0);
                }
            }
            for seed in 0..200_u64 {
                let mut counts = [0; SYMBOLS];
                for (i, c) in counts.iter_mut().enumerate() {
                    let r = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(i as u64 * 2 + 1) >> 40;
                    if r % 7 < seed % 8 {
                        *c = (r as u32 & 4095) >> (r % 13);
                    }
                }
                counts[ZERO] += 1;
                let shape = Shape::explicit(&counts, coarse, seed as u32 % 4);
                check(&shape, coarse);
                let f = shape.frequencies(coarse);
                assert!(counts.iter().zip(&f).all(|(c, f)| *c == 0 || *f > 0));
            }
        }
    }

    #[test]
    fn forged_tables_still_add_up() {
        for seed in 0..500_u64 {
            let bytes: Vec<u8> = (0..60)
                .map(|i| ((seed + 1).wrapping_mul(0x2545_F491_4F6C_DD1D).wrapping_mul(i + 3) >> 50) as u8)
                .collect();
            let shape = Shape::read(&mut BitReader::new(&bytes));
            for coarse in 0..4 {
                assert_eq!(shape.frequencies(coarse).iter().sum::<u32>(), SCALE);
            }
        }
        assert_eq!(
            Shape::Explicit { group: 0, weights: Box::new([0; SYMBOLS]) }.frequencies(0).iter().sum::<u32>(),
            SCALE
        );
    }
}

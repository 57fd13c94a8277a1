//! An adaptive binary arithmetic coder: decisions that are nearly sure cost nearly nothing.

/// How likely a decision is to be a 1, learnt as it goes.
pub(in crate::coding) trait Estimate {
    /// The part of `range` that a 1 takes.
    fn share(&self, range: u32) -> u32;
    /// Takes in what the decision was.
    fn learn(&mut self, bit: bool);
}

/// Takes decisions through a coder: an encoder writes those it is told, a decoder reads them and tells.
///
/// What is coded is walked through by one function for both, so that they cannot differ.
pub(in crate::coding) trait Decide {
    /// Whether decisions are read: then those passed in mean nothing.
    const READS: bool;
    /// The decision, which is `bit` where it is written.
    fn decide<E: Estimate>(&mut self, bit: bool, chance: &mut E) -> bool;
}

/// Bits of a probability.
const BITS: u32 = 16;
/// Probabilities stay this far from 0 and 1, so that a surprise costs 12 bits at most.
const LEAST: u16 = 16;
/// An estimate is an average of what it has seen until it has seen this many; from then on old ones fade.
const MEMORY: u8 = 255;

/// An estimate in 16 bits. It comes no nearer to a sure decision than 1 in 256, where its steps round to nothing.
#[derive(Debug, Clone, Copy)]
pub(in crate::coding) struct Chance {
    one: u16,
    seen: u8,
}

impl Chance {
    /// Nothing known.
    pub(in crate::coding) const EVEN: Chance = Chance { one: 1 << (BITS - 1), seen: 0 };
}

impl Estimate for Chance {
    #[inline(always)]
    fn share(&self, range: u32) -> u32 {
        ((u64::from(range) * u64::from(self.one)) >> BITS) as u32
    }

    #[inline(always)]
    fn learn(&mut self, bit: bool) {
        let target = if bit { u16::MAX } else { 0 };
        let (one, seen) = (i32::from(self.one), i32::from(self.seen));
        // Steps of 1/(seen + 1.5): the estimate after n is (ones + ½·½) / (n + ½), nearly.
        let step = (i32::from(target) - one) * 2 / (2 * seen + 3);
        self.one = (one + step).clamp(LEAST.into(), (u16::MAX - LEAST).into()) as u16;
        self.seen = self.seen.saturating_add(u8::from(self.seen < MEMORY));
    }
}

/// Bits of a fine probability, and of the count beside it in one word.
const FINE_BITS: u32 = 22;
const COUNT_BITS: u32 = 32 - FINE_BITS;
/// The largest count, from which on old decisions fade.
const FINE_MEMORY: u32 = (1 << COUNT_BITS) - 1;
/// Fine probabilities stay this far from 0 and 1: a surprise costs 16 bits at most, a sure decision 1/45,000 of one.
const FINE_LEAST: i32 = 64;
/// 65536 / (n + 1.5): the step of an estimate that has seen n.
const STEPS: [u16; 1 << COUNT_BITS] = {
    let mut steps = [0; 1 << COUNT_BITS];
    let mut n = 0;
    while n < steps.len() {
        steps[n] = (131_072 / (2 * n + 3)) as u16;
        n += 1;
    }
    steps
};

/// An estimate in 22 bits, for decisions that are sure a thousand times in a row.
#[derive(Debug, Clone, Copy)]
pub(in crate::coding) struct FineChance(u32);

impl FineChance {
    /// Nothing known.
    pub(in crate::coding) const EVEN: FineChance = FineChance(1 << 31);

    /// Of 2^22.
    #[inline(always)]
    pub(in crate::coding) fn one(self) -> u32 {
        self.0 >> COUNT_BITS
    }

    /// Whether it has seen anything.
    #[inline(always)]
    pub(in crate::coding) fn has_seen(self) -> bool {
        self.0 & FINE_MEMORY != 0
    }
}

impl Estimate for FineChance {
    #[inline(always)]
    fn share(&self, range: u32) -> u32 {
        ((u64::from(range) * u64::from(self.one())) >> FINE_BITS) as u32
    }

    #[inline(always)]
    fn learn(&mut self, bit: bool) {
        const MOST: i32 = (1 << FINE_BITS) - 1;
        let (one, seen) = (self.one() as i32, self.0 & FINE_MEMORY);
        let target = if bit { MOST } else { 0 };
        let step = (i64::from(target - one) * i64::from(STEPS[seen as usize])) >> 16;
        let one = (one + step as i32).clamp(FINE_LEAST, MOST + 1 - FINE_LEAST) as u32;
        self.0 = one << COUNT_BITS | (seen + u32::from(seen < FINE_MEMORY));
    }
}

/// Codes decisions into bytes. The interval [low, high] is narrowed by each, and leading bytes leave it as they become equal.
#[derive(Debug)]
pub(in crate::coding) struct Encoder<'a> {
    low: u32,
    high: u32,
    out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub(in crate::coding) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, out }
    }

    /// Writes what tells the interval; bytes past the end count as 0.
    pub(in crate::coding) fn finish(self) {
        // Some value in [low, high] has zeros after its first byte, or low itself is told in full.
        if self.low > 0 {
            let first = (self.low >> 24) + 1;
            if first <= self.high >> 24 {
                self.out.push(first as u8);
            } else {
                self.out.extend_from_slice(&self.low.to_be_bytes());
            }
        }
    }
}

impl Decide for Encoder<'_> {
    const READS: bool = false;

    #[inline(always)]
    fn decide<E: Estimate>(&mut self, bit: bool, chance: &mut E) -> bool {
        // Ones below the cut and at it, zeros above.
        let middle = self.low + chance.share(self.high - self.low);
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        chance.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.out.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// Reads the decisions of an [`Encoder`]. Bytes past the end are 0, so any bytes give some decisions.
#[derive(Debug)]
pub(in crate::coding) struct Decoder<'a> {
    low: u32,
    high: u32,
    value: u32,
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(in crate::coding) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { low: 0, high: u32::MAX, value: 0, bytes };
        for _ in 0..4 {
            decoder.shift();
        }
        (decoder.low, decoder.high) = (0, u32::MAX);
        decoder
    }

    #[inline(always)]
    fn shift(&mut self) {
        let byte = match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                *byte
            }
            None => 0,
        };
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        self.value = self.value << 8 | u32::from(byte);
    }
}

impl Decide for Decoder<'_> {
    const READS: bool = true;

    #[inline(always)]
    fn decide<E: Estimate>(&mut self, _: bool, chance: &mut E) -> bool {
        let middle = self.low + chance.share(self.high - self.low);
        let bit = self.value <= middle;
        if bit {
            self.high = middle;
        } else {
            self.low = middle.wrapping_add(1);
        }
        chance.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            self.shift();
        }
        bit
    }
}

//! An adaptive binary arithmetic coder: decisions that are nearly sure cost nearly nothing.

/// Bits of a probability.
const BITS: u32 = 16;
/// Probabilities stay this far from 0 and 1, so that a surprise costs 12 bits at most.
const LEAST: u16 = 16;
/// An estimate is an average of what it has seen until it has seen this many; from then on old ones fade.
const MEMORY: u8 = 255;

/// The probability that a decision is a 1, learnt as it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    one: u16,
    seen: u8,
}

impl Chance {
    /// Nothing known.
    pub(super) const EVEN: Chance = Chance { one: 1 << (BITS - 1), seen: 0 };

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

/// Codes decisions into bytes. The interval [low, high] is narrowed by each, and leading bytes leave it as they become equal.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    low: u32,
    high: u32,
    out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, out }
    }

    #[inline(always)]
    pub(super) fn code(&mut self, bit: bool, chance: &mut Chance) {
        let middle = split(self.low, self.high, chance);
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
    }

    /// Writes what tells the interval; bytes past the end count as 0.
    pub(super) fn finish(self) {
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

/// Where the interval is cut: ones below and at it, zeros above.
#[inline(always)]
fn split(low: u32, high: u32, chance: &Chance) -> u32 {
    low + ((u64::from(high - low) * u64::from(chance.one)) >> BITS) as u32
}

/// Reads the decisions of an [`Encoder`]. Bytes past the end are 0, so any bytes give some decisions.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    low: u32,
    high: u32,
    value: u32,
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
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

    #[inline(always)]
    pub(super) fn decide(&mut self, chance: &mut Chance) -> bool {
        let middle = split(self.low, self.high, chance);
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

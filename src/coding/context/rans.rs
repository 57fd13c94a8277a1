//! Range coding by asymmetric numeral systems, with four states in turn so that their chains of work overlap.
//!
//! States are below 2^63 and refilled by 32 bits when below 2^31, rarely enough that the branch is predicted. Frequencies
//! are of 4096.

/// Frequencies of a table add up to 2^this.
pub(super) const SCALE_BITS: u32 = 12;

/// See [`SCALE_BITS`].
pub(super) const SCALE: u32 = 1 << SCALE_BITS;

/// States: enough that their chains (look-up, multiply, add: 12 cycles) fill the time of one another.
pub(super) const LANES: usize = 4;

/// Segments of fewer values are the first lane's alone: small chunks then hold one state.
const SHORT: usize = 32;

/// A state never falls below this.
pub(super) const LOW: u64 = 1 << 31;

/// Reciprocals: quotients of states by frequencies without a division (Alverson's method; exact below 2^63).
struct Reciprocal {
    factor: u64,
    shift: u32,
}

static RECIPROCALS: [Reciprocal; SCALE as usize] = {
    let mut table = [const { Reciprocal { factor: u64::MAX, shift: 0 } }; SCALE as usize];
    let mut f = 2;
    while f < SCALE as u64 {
        let shift = 64 - (f - 1).leading_zeros();
        let factor = (1_u128 << (shift + 63)).div_ceil(f as u128);
        table[f as usize] = Reciprocal { factor: factor as u64, shift: shift - 1 };
        f += 1;
    }
    table
};

/// How the encoder codes one symbol of one table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Code {
    factor: u64,
    start: u16,
    /// 0: no such symbol.
    pub(super) frequency: u16,
    shift: u32,
}

impl Code {
    /// `frequency` below 4096, `start + frequency <= 4096`.
    pub(super) fn new(start: u32, frequency: u32) -> Self {
        let Reciprocal { factor, shift } = RECIPROCALS[frequency as usize % SCALE as usize];
        Self { factor, start: start as u16, frequency: frequency as u16, shift }
    }

    /// The state before this symbol is decoded from the state after it.
    #[inline(always)]
    fn put(self, x: &mut u64, words: &mut Vec<u32>) {
        let frequency = u64::from(self.frequency);
        if *x >= frequency << (63 - SCALE_BITS) {
            words.push(*x as u32);
            *x >>= 32;
        }
        // For a frequency of 1 the reciprocal gives x - 1.
        let quotient = ((u128::from(*x) * u128::from(self.factor)) >> 64) as u64 >> self.shift;
        let short = if self.frequency == 1 { u64::from(SCALE) - 1 } else { 0 };
        // x + start + quotient (4096 - f) = 4096 quotient + (x - quotient f) + start
        *x = *x + u64::from(self.start) + short + quotient * (u64::from(SCALE) - frequency);
    }
}

/// A plane of symbols, each an index of its code.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// Where its symbols end.
    pub(super) end: usize,
    pub(super) segment: usize,
    /// Where its codes begin.
    pub(super) codes: usize,
}

/// Codes all planes so that they decode in their order; words in decoding order are appended to `out` after the states.
/// `symbols` are indices of a plane's codes.
pub(super) fn encode(planes: &[Plane], symbols: &[u16], codes: &[Code], words: &mut Vec<u32>, out: &mut Vec<u8>) {
    words.clear();
    let [mut x0, mut x1, mut x2, mut x3] = [LOW; LANES];
    for (i, plane) in planes.iter().enumerate().rev() {
        let start = i.checked_sub(1).and_then(|i| planes.get(i)).map_or(0, |p| p.end);
        let symbols = &symbols[start..plane.end];
        let codes = &codes[plane.codes..];
        for symbols in symbols.chunks(plane.segment).rev() {
            if symbols.len() < SHORT {
                symbols.iter().rev().for_each(|s| codes[usize::from(*s)].put(&mut x0, words));
                continue;
            }
            let (fours, rest) = symbols.as_chunks::<LANES>();
            for (s, x) in rest.iter().zip([&mut x0, &mut x1, &mut x2]).rev() {
                codes[usize::from(*s)].put(x, words);
            }
            for s in fours.iter().rev() {
                codes[usize::from(s[3])].put(&mut x3, words);
                codes[usize::from(s[2])].put(&mut x2, words);
                codes[usize::from(s[1])].put(&mut x1, words);
                codes[usize::from(s[0])].put(&mut x0, words);
            }
        }
    }
    let states = [x0, x1, x2, x3];
    // A state that was never touched needs no bytes.
    let used = states.iter().enumerate().map(|(i, x)| u8::from(*x != LOW) << i).sum();
    out.push(used);
    for x in states.iter().filter(|x| **x != LOW) {
        out.extend_from_slice(&x.to_le_bytes());
    }
    words.reverse();
    out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
}

/// States and the words that refill them.
#[derive(Debug, Clone)]
pub(super) struct States<'a> {
    x: [u64; LANES],
    words: &'a [u8],
    /// Words asked for after the end: the stream is cut short or forged.
    missing: bool,
}

impl<'a> States<'a> {
    /// What [`encode`] appended.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (used, mut words) = bytes.split_first()?;
        let mut x = [LOW; LANES];
        for (i, x) in x.iter_mut().enumerate() {
            if used >> i & 1 != 0 {
                let (state, rest) = words.split_first_chunk()?;
                *x = u64::from_le_bytes(*state);
                words = rest;
            }
        }
        Some(Self { x, words, missing: false })
    }

    /// Whether the words did not suffice.
    pub(super) fn missing(&self) -> bool {
        self.missing
    }

    /// Decodes a symbol for each context. `entries`: for each of up to 16 tables, 4096 >> `coarse` entries of
    /// [`Entry`](super::table::entry); `tables`: which table a context has.
    ///
    /// The lanes take turns; segments too short for that are the first lane's.
    #[inline(always)]
    pub(super) fn symbols(
        &mut self,
        entries: &[u32; 65536],
        coarse: u32,
        tables: &[u8; 256],
        contexts: &[u8],
        symbols: &mut [u8],
    ) {
        let n = contexts.len().min(symbols.len());
        let (contexts, symbols) = (&contexts[..n], &mut symbols[..n]);
        let [mut x0, mut x1, mut x2, mut x3] = self.x;
        let mut words = self.words;
        let mut missing = self.missing;
        let coarse = coarse & 7;
        macro_rules! step {
            ($x:ident, $context:expr, $symbol:expr) => {{
                let slot = $x as usize & (SCALE as usize - 1);
                let table = usize::from(tables[usize::from($context)] & 15) << SCALE_BITS;
                let entry = entries[(table | slot) >> coarse];
                let frequency = u64::from(entry >> SCALE_BITS & (SCALE - 1));
                let start = u64::from(entry & (SCALE - 1));
                $symbol = (entry >> (2 * SCALE_BITS)) as u8;
                $x = frequency.wrapping_mul($x >> SCALE_BITS).wrapping_add(slot as u64).wrapping_sub(start);
                if $x < LOW {
                    match words.split_first_chunk() {
                        Some((word, rest)) => {
                            $x = $x << 32 | u64::from(u32::from_le_bytes(*word));
                            words = rest;
                        }
                        None => missing = true,
                    }
                }
            }};
        }
        if n < SHORT {
            for (c, s) in contexts.iter().zip(symbols) {
                step!(x0, *c, *s);
            }
        } else {
            let (contexts, last) = contexts.as_chunks::<LANES>();
            let (symbols, last_symbols) = symbols.as_chunks_mut::<LANES>();
            for (c, s) in contexts.iter().zip(symbols) {
                step!(x0, c[0], s[0]);
                step!(x1, c[1], s[1]);
                step!(x2, c[2], s[2]);
                step!(x3, c[3], s[3]);
            }
            let mut pairs = last.iter().zip(last_symbols);
            if let Some((c, s)) = pairs.next() {
                step!(x0, *c, *s);
            }
            if let Some((c, s)) = pairs.next() {
                step!(x1, *c, *s);
            }
            if let Some((c, s)) = pairs.next() {
                step!(x2, *c, *s);
            }
        }
        self.x = [x0, x1, x2, x3];
        self.words = words;
        self.missing = missing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_divide_exactly() {
        for f in 2..u64::from(SCALE) {
            let Reciprocal { factor, shift } = RECIPROCALS[f as usize];
            for x in [LOW, (f << 51) - 1, (f << 51) - f, f * 0x1234_5678_9abc / 7, f * 0x7_ffff_ffff - 1] {
                assert_eq!((((u128::from(x) * u128::from(factor)) >> 64) as u64) >> shift, x / f, "{x} / {f}");
            }
        }
    }
}

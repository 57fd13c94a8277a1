//! Bins of activity to few tables: neighbouring bins join while that saves bits.

use super::activity::BINS;
use super::bits::{BitReader, BitWriter};
use super::cost::{FINE, log2_fine};
use super::table::{Counts, ESCAPE, SYMBOLS, Shape, ZERO, entries};

/// Tables of a plane at most: their entries are 16 kB each and should stay near.
pub(super) const TABLES: usize = 16;

/// Entries of all tables.
pub(super) const ENTRIES: usize = 65_536;

/// What a table costs at least: its shape, shift and bins, in 65536ths of a bit.
const TABLE_COST: u64 = 20 << 16;

/// log2(e) in 2^-26ths.
const LOG2_E: u64 = 96_817_625;

/// Means from which a geometric code is like an exponential one.
const FAR: u64 = 64;

/// Counts and sums of magnitudes of one or more bins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Sums {
    /// One more value.
    #[inline(always)]
    pub(super) fn add(&mut self, v: i32) {
        self.count += 1;
        self.sum += u64::from(v.unsigned_abs());
    }

    pub(super) fn joined(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum }
    }

    /// Bits of the magnitudes if they are geometric, the entropy of the best such code: n log((n+s)/n) + s log((n+s)/s),
    /// in 65536ths. Signs are not counted: no context changes them. For at most 2^31 numbers up to 2^31.
    pub(super) fn bits(self) -> u64 {
        let (n, s) = (self.count, self.sum);
        let all = log2_fine(n + s);
        let of_counts = u128::from(n) * u128::from(all - log2_fine(n).min(all));
        let of_sum = if s > FAR * n {
            // s log2(1 + n/s) = log2(e) (n - n^2 / 2s + ...): no difference of near numbers times a large one.
            u128::from(n - n / (2 * FAR)) * u128::from(LOG2_E)
        } else {
            u128::from(s) * u128::from(all - log2_fine(s).min(all))
        };
        ((of_counts + of_sum) >> (FINE - 16)) as u64
    }

    /// How many low bits of numbers of this mean are stored as they are: the mean above them is 8 to 16.
    fn shift(self) -> u32 {
        let mean = self.sum / self.count.max(1);
        if mean < 24 { 0 } else { (mean.ilog2() - 3).min(30) }
    }
}

/// Bits of all bins, each with a code and a table of its own.
pub(super) fn total_bits(bins: &[Sums; 256]) -> u64 {
    bins.iter()
        .take(BINS)
        .filter(|b| b.count > 0)
        .map(|b| b.bits().saturating_add(TABLE_COST / 2))
        .fold(0, u64::saturating_add)
}

/// One table and the bins it serves: from the end of the one before to `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    pub(super) end: usize,
    pub(super) shift: u32,
    pub(super) sums: Sums,
}

/// Joins neighbouring bins while the geometric estimate gains, and beyond that down to [`TABLES`].
pub(super) fn join(bins: &[Sums; 256]) -> Vec<Cluster> {
    let mut parts: Vec<(Cluster, u64)> = Vec::with_capacity(BINS);
    for (i, sums) in bins.iter().enumerate().take(BINS) {
        if sums.count > 0 {
            parts.push((Cluster { end: i + 1, shift: 0, sums: *sums }, sums.bits()));
        }
    }
    let loss = |a: &(Cluster, u64), b: &(Cluster, u64)| {
        let bits = a.0.sums.joined(b.0.sums).bits();
        bits.saturating_sub(a.1).saturating_sub(b.1)
    };
    let mut losses: Vec<u64> = parts.windows(2).map(|w| loss(&w[0], &w[1])).collect();
    while let Some((i, least)) = losses.iter().copied().enumerate().min_by_key(|(_, l)| *l) {
        if least >= TABLE_COST && parts.len() <= TABLES {
            break;
        }
        let (next, _) = parts.remove(i + 1);
        losses.remove(i);
        let sums = parts[i].0.sums.joined(next.sums);
        parts[i] = (Cluster { end: next.end, shift: 0, sums }, sums.bits());
        if i > 0 {
            losses[i - 1] = loss(&parts[i - 1], &parts[i]);
        }
        if i + 1 < parts.len() {
            losses[i] = loss(&parts[i], &parts[i + 1]);
        }
    }
    parts
        .into_iter()
        .map(|(mut c, _)| {
            c.shift = c.sums.shift();
            c
        })
        .collect()
}

/// The tables of a plane.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// Which table a bin has.
    pub(super) of_bin: [u8; 256],
    /// Low bits that are stored as they are, by table.
    pub(super) shifts: [u32; TABLES],
    /// Frequencies, by table.
    pub(super) frequencies: [Counts; TABLES],
    /// log2 of the multiple that frequencies are: smaller tables for fewer values.
    pub(super) coarse: u32,
    pub(super) any_shift: bool,
    /// Shifts by bin, where any is not 0.
    pub(super) shift_of_bin: [u8; 256],
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            of_bin: [0; 256],
            shifts: [0; TABLES],
            frequencies: [[0; SYMBOLS]; TABLES],
            coarse: 0,
            any_shift: false,
            shift_of_bin: [0; 256],
        }
    }
}

impl Tables {
    /// Which table each bin of `clusters` has.
    pub(super) fn assign(&mut self, clusters: &[Cluster]) {
        let mut from = 0;
        self.any_shift = false;
        for (i, c) in clusters.iter().enumerate().take(TABLES) {
            self.of_bin[from.min(c.end)..c.end].fill(i as u8);
            from = c.end;
            self.shifts[i] = c.shift;
            self.any_shift |= c.shift > 0;
        }
        // Bins beyond the last cluster do not occur in what the encoder wrote.
        self.of_bin[from..].fill(clusters.len().saturating_sub(1).min(TABLES - 1) as u8);
        for (shift, table) in self.shift_of_bin.iter_mut().zip(&self.of_bin) {
            *shift = self.shifts[usize::from(*table) % TABLES] as u8;
        }
    }

    /// Joins neighbouring clusters of one shift whose tables cost more than they gain, fits the rest and writes them.
    /// `counts`: of each cluster's symbols. Which table each cluster of before now has.
    pub(super) fn fit(
        &mut self,
        clusters: &mut Vec<Cluster>,
        counts: &mut Vec<Counts>,
        coarse: u32,
        out: &mut BitWriter,
    ) -> Vec<usize> {
        self.coarse = coarse;
        let fit = |c: &Counts| Shape::fit(c, coarse);
        let sum = |a: &Counts, b: &Counts| std::array::from_fn(|i| a[i] + b[i]);
        let mut fits: Vec<_> = counts.iter().map(fit).collect();
        let before: Vec<usize> = clusters.iter().map(|c| c.end).collect();
        let mut i = 0;
        while i + 1 < clusters.len() {
            if clusters[i].shift == clusters[i + 1].shift {
                let both: Counts = sum(&counts[i], &counts[i + 1]);
                let one = fit(&both);
                // 15 bits: shift and end of the table that falls away.
                if one.2 < fits[i].2 + fits[i + 1].2 + (15 << 16) {
                    let next = clusters.remove(i + 1);
                    clusters[i] =
                        Cluster { end: next.end, shift: next.shift, sums: clusters[i].sums.joined(next.sums) };
                    counts[i] = both;
                    counts.remove(i + 1);
                    fits[i] = one;
                    fits.remove(i + 1);
                    i = i.saturating_sub(1);
                    continue;
                }
            }
            i += 1;
        }
        self.assign(clusters);
        out.put(coarse, 2);
        out.put(clusters.len() as u32, 5);
        let (mut from, mut shift) = (0, 0);
        for ((c, fit), own) in clusters.iter().zip(&fits).zip(&mut self.frequencies) {
            out.put((c.end - from) as u32, 7);
            from = c.end;
            out.put(u32::from(c.shift != shift), 1);
            if c.shift != shift {
                out.put(c.shift, 5);
                shift = c.shift;
            }
            fit.0.write(out);
            *own = fit.1;
        }
        before.iter().map(|end| clusters.partition_point(|c| c.end < *end)).collect()
    }

    /// Reads what [`Self::fit`] wrote; false if no table follows and the plane is all 0. Any bits make valid tables.
    pub(super) fn read(&mut self, bits: &mut BitReader, room: &mut [u32; ENTRIES]) -> bool {
        self.coarse = bits.take(2);
        let count = (bits.take(5) as usize).min(TABLES);
        let (mut from, mut shift) = (0, 0);
        let mut clusters = Vec::with_capacity(count);
        let size = super::rans::SCALE as usize >> self.coarse;
        for i in 0..count {
            from = (from + bits.take(7) as usize).min(256);
            if bits.take(1) == 1 {
                shift = bits.take(5);
            }
            clusters.push(Cluster { end: from, shift, sums: Sums::default() });
            let frequencies = Shape::read(bits).frequencies(self.coarse);
            entries(&frequencies, self.coarse, &mut room[i * size..(i + 1) * size]);
        }
        self.assign(&clusters);
        count > 0
    }

    /// Counts the symbols of each table and writes, for each value, table x 64 + symbol. Numbers out of reach are escapes.
    pub(super) fn count(&self, bins: &[u8], v: &[i32], symbols: &mut [u16]) -> Vec<Counts> {
        // Two counters of each in turn: adding to the same one waits for the memory.
        let mut counts = vec![[[0_u32; SYMBOLS * TABLES]; 2]; 1];
        let Some([even, odd]) = counts.first_mut() else { return Vec::new() };
        let mut bases = [0_u16; 256];
        bases.iter_mut().zip(&self.of_bin).for_each(|(b, t)| *b = u16::from(*t) * SYMBOLS as u16);
        let symbol = |bin: u8, v: i32| {
            let shift = self.shift_of_bin[usize::from(bin)];
            let high = (i64::from(v) + (1_i64 << shift >> 1)) >> shift;
            let symbol = high + ZERO as i64;
            // 1 to 255, or the escape's 0.
            let symbol = if (symbol as u64) < SYMBOLS as u64 { symbol as u16 } else { ESCAPE as u16 };
            bases[usize::from(bin)] + symbol
        };
        let (v2, v1) = v.as_chunks::<2>();
        let (b2, b1) = bins.as_chunks::<2>();
        let (s2, s1) = symbols.as_chunks_mut::<2>();
        for ((v, b), s) in v2.iter().zip(b2).zip(s2) {
            *s = [symbol(b[0], v[0]), symbol(b[1], v[1])];
            even[usize::from(s[0]) % (SYMBOLS * TABLES)] += 1;
            odd[usize::from(s[1]) % (SYMBOLS * TABLES)] += 1;
        }
        for ((v, b), s) in v1.iter().zip(b1).zip(s1) {
            *s = symbol(*b, *v);
            even[usize::from(*s) % (SYMBOLS * TABLES)] += 1;
        }
        let (even, odd) = (even.as_chunks::<SYMBOLS>().0, odd.as_chunks::<SYMBOLS>().0);
        even.iter().zip(odd).map(|(a, b)| std::array::from_fn(|i| a[i] + b[i])).collect()
    }
}

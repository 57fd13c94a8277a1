//! Planes of residuals to bytes.

use super::activity::{self, Geometry, Parts, WEIGHTS};
use super::bits::BitWriter;
use super::cluster::{self, Cluster, Sums, TABLES, Tables};
use super::rans::{self, Code, Plane};
use super::table::{Counts, ESCAPE, SYMBOLS};
use crate::array::simd::vectorize;
use crate::coding::bytes::Put;

/// Values by which the weights of a plane are chosen.
const SAMPLE: usize = 2048;

/// Codes planes of residuals one after another into one stream.
#[derive(Debug, Default)]
pub(in crate::coding) struct Encoder {
    /// All planes' symbols as indices of their codes.
    symbols: Vec<u16>,
    codes: Vec<Code>,
    planes: Vec<Plane>,
    bits: BitWriter,
    words: Vec<u32>,
    bins: Vec<u8>,
    parts: Parts,
    tables: Tables,
}

impl Encoder {
    /// Begins a stream.
    pub(in crate::coding) fn start(&mut self) {
        self.symbols.clear();
        self.codes.clear();
        self.planes.clear();
        self.bits.clear();
    }

    /// Ends the stream: length of the bits, the bits, the states and words.
    pub(in crate::coding) fn finish(&mut self, out: &mut Vec<u8>) {
        out.put_varint(self.bits.len() as u64);
        self.bits.finish(out);
        rans::encode(&self.planes, &self.symbols, &self.codes, &mut self.words, out);
    }

    /// Appends a plane. `magnitudes` are those of `v`; `coarse` the sums of 2 `axes` coarser ones (empty with `axes` 0).
    pub(in crate::coding) fn plane(
        &mut self,
        geometry: Geometry,
        v: &[i32],
        magnitudes: &[u16],
        coarse: &[u16],
        axes: u32,
    ) {
        let any = vectorize(
            #[inline(always)]
            || v.iter().fold(0, |any, v| any | v),
        );
        if any == 0 {
            // No tables: 2 bits of coarseness, 5 of their number.
            self.bits.put(0, 7);
            return;
        }
        let weights = self.choose(geometry, v, magnitudes, coarse, axes);
        if self.bins.len() < v.len() {
            self.bins.resize(v.len(), 0);
        }
        let (parts, bins) = (&mut self.parts, &mut self.bins[..v.len()]);
        vectorize(
            #[inline(always)]
            || {
                let mut at = 0;
                for bins in bins.chunks_mut(geometry.segment) {
                    parts.gather(geometry, magnitudes, coarse, axes, at, bins.len());
                    parts.bins(WEIGHTS[weights], bins);
                    at += bins.len();
                }
            },
        );
        let mut sums = [Sums::default(); 256];
        count(&mut sums, bins, v);
        let mut clusters: Vec<Cluster> = cluster::join(&sums);
        self.tables.assign(&clusters);
        let first = self.symbols.len();
        self.symbols.resize(first + v.len(), 0);
        let symbols = &mut self.symbols[first..];
        let mut counts = self.tables.count(bins, v, symbols);
        counts.truncate(clusters.len());
        // Filling 4096 entries for a table of few values would take longer than decoding them (estimated, not timed).
        let coarse_tables = match v.len() / clusters.len().max(1) {
            0..=255 => 3,
            256..=1023 => 2,
            1024..=4095 => 1,
            _ => 0,
        };
        let shifts = self.tables.shifts;
        let merged = self.tables.fit(&mut clusters, &mut counts, coarse_tables, &mut self.bits);
        self.bits.put(weights as u32, 4);
        // Codes by the tables of before the fit, which the symbols hold.
        self.planes.push(Plane { end: first + v.len(), segment: geometry.segment, codes: self.codes.len() });
        let from = self.codes.len();
        for table in &merged {
            let mut start = 0;
            for f in &self.tables.frequencies[*table % TABLES] {
                self.codes.push(if *f > 0 { Code::new(start, *f) } else { Code::default() });
                start += f;
            }
        }
        let codes = &self.codes[from..];
        // What has no symbol of its own in its table, and the bits below symbols.
        let lacks = |(counts, own): (&Counts, &Counts)| {
            counts[ESCAPE] > 0 || counts.iter().zip(own).any(|(count, frequency)| *count > 0 && *frequency == 0)
        };
        let escapes = counts.iter().zip(&self.tables.frequencies).any(lacks);
        if !escapes && !self.tables.any_shift {
            return;
        }
        let mut bits = std::mem::take(&mut self.bits);
        for ((v, bins), symbols) in
            v.chunks(geometry.segment).zip(bins.chunks(geometry.segment)).zip(symbols.chunks_mut(geometry.segment))
        {
            for (symbol, v) in symbols.iter_mut().zip(v).filter(|_| escapes) {
                if codes[usize::from(*symbol)].frequency == 0 {
                    *symbol &= !(SYMBOLS as u16 - 1);
                }
                if usize::from(*symbol) % SYMBOLS == ESCAPE {
                    let shift = shifts[usize::from(*symbol) / SYMBOLS % TABLES];
                    let high = (i64::from(*v) + (1_i64 << shift >> 1)) >> shift;
                    bits.put(u32::from(high < 0), 1);
                    bits.put_long(high.unsigned_abs() as u32);
                }
            }
            if self.tables.any_shift {
                for (bin, v) in bins.iter().zip(v) {
                    let shift = self.tables.shift_of_bin[usize::from(*bin)];
                    bits.put((i64::from(*v) + (1_i64 << shift >> 1)) as u32, u32::from(shift));
                }
            }
        }
        self.bits = bits;
    }

    /// The weights under which a sample of segments costs least.
    fn choose(&mut self, geometry: Geometry, v: &[i32], magnitudes: &[u16], coarse: &[u16], axes: u32) -> usize {
        let segments = v.len().div_ceil(geometry.segment);
        let wanted = (SAMPLE.min(v.len() / 8) / geometry.segment).clamp(1, segments);
        let mut sums = [[Sums::default(); 256]; WEIGHTS.len()];
        let mut bins = std::mem::take(&mut self.bins);
        if bins.len() < geometry.segment {
            bins.resize(geometry.segment, 0);
        }
        for i in 0..wanted {
            let at = (i * segments + segments / 2) / wanted * geometry.segment;
            // Of very long segments the first part must do.
            let n = geometry.segment.min(v.len() - at).min(2 * SAMPLE);
            let (parts, v) = (&mut self.parts, &v[at..at + n]);
            vectorize(
                #[inline(always)]
                || parts.gather(geometry, magnitudes, coarse, axes, at, n),
            );
            for (w, sums) in WEIGHTS.iter().zip(&mut sums) {
                if (axes == 0 && w.coarse > 0) || (geometry.slab == 0 && w.before != w.plane && w.coarse == 0) {
                    continue;
                }
                vectorize(
                    #[inline(always)]
                    || parts.bins(*w, &mut bins[..n]),
                );
                count(sums, &bins[..n], v);
            }
        }
        self.bins = bins;
        let costs = sums.iter().enumerate().filter(|(_, s)| s.iter().any(|s| s.count > 0));
        costs.map(|(i, s)| (cluster::total_bits(s), i)).min().map_or(0, |(_, i)| i)
    }
}

/// Adds values to the sums of their bins.
fn count(sums: &mut [Sums; 256], bins: &[u8], v: &[i32]) {
    // Two sums of each bin in turn: adding to the same one waits for the memory.
    let mut odd = [Sums::default(); 256];
    let (bins, bin) = bins.as_chunks::<2>();
    let (pairs, last) = v.as_chunks::<2>();
    for (bins, v) in bins.iter().zip(pairs) {
        sums[usize::from(bins[0])].add(v[0]);
        odd[usize::from(bins[1])].add(v[1]);
    }
    for (bin, v) in bin.iter().zip(last) {
        sums[usize::from(*bin)].add(*v);
    }
    for (sums, odd) in sums.iter_mut().zip(odd) {
        *sums = sums.joined(odd);
    }
}

/// Fills `out` with the magnitudes of `v`.
pub(in crate::coding) fn magnitudes(v: &[i32], out: &mut Vec<u16>) {
    out.resize(v.len(), 0);
    vectorize(
        #[inline(always)]
        || activity::magnitudes(v, out),
    );
}

//! How active the surroundings of each value are: the context it is coded in.

use super::magnitude;

/// How a plane of residuals lies: flat, in segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) struct Geometry {
    /// Values of a segment: whole rows.
    pub(in crate::coding) segment: usize,
    /// How far back the plane before stands; 0 where there is none.
    pub(in crate::coding) slab: usize,
}

/// Least values of a segment: short rows are taken together, for whole vectors and four full lanes.
const SEGMENT: usize = 128;

impl Geometry {
    /// Of a plane of rows of `row` values, `rows` of which are a plane of the two last axes.
    pub(in crate::coding) fn new(row: usize, rows: usize) -> Self {
        let row = row.max(1);
        let segment = row * SEGMENT.div_ceil(row);
        let slab = row * rows;
        Self { segment, slab: if slab > segment { slab } else { 0 } }
    }
}

/// How much each neighbour counts: the segment before (3 values about the same place), the plane before (1), and coarser
/// levels (2 an axis). The encoder takes the best for each plane of residuals by a sample: 2.5 % smaller than the sum of
/// all on real arrays, and up to a quarter where one axis is no continuation of the values (levels of several times).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) before: u8,
    pub(super) plane: u8,
    pub(super) coarse: u8,
}

/// All weightings there are; a stream holds an index.
pub(super) const WEIGHTS: [Weights; 9] = [
    Weights { before: 0, plane: 0, coarse: 4 },
    Weights { before: 4, plane: 4, coarse: 0 },
    Weights { before: 2, plane: 2, coarse: 2 },
    Weights { before: 4, plane: 4, coarse: 1 },
    Weights { before: 1, plane: 1, coarse: 4 },
    Weights { before: 8, plane: 0, coarse: 0 },
    Weights { before: 0, plane: 8, coarse: 0 },
    Weights { before: 2, plane: 6, coarse: 1 },
    Weights { before: 6, plane: 2, coarse: 1 },
];

/// Bins of activity: quarter octaves of at most 4095 x 24 x 9 / 12 + 1.
pub(super) const BINS: usize = 80;

/// Rows of the three parts of an activity, each scaled to 24 times a mean magnitude.
#[derive(Debug, Default)]
pub(in crate::coding) struct Parts {
    padded: Vec<u16>,
    before: Vec<i32>,
    plane: Vec<i32>,
    coarse: Vec<i32>,
}

impl Parts {
    /// Gathers the parts of the segment `at..at + n` of a plane whose magnitudes before `at` are known. `coarse` holds
    /// the sums of 2 `axes` coarser magnitudes (`axes` 0: none).
    #[inline(always)]
    pub(super) fn gather(
        &mut self,
        geometry: Geometry,
        magnitudes: &[u16],
        coarse: &[u16],
        axes: u32,
        at: usize,
        n: usize,
    ) {
        for part in [&mut self.before, &mut self.plane, &mut self.coarse] {
            // Grown only: a call for each segment must not clear.
            if part.len() < n {
                part.resize(n, 0);
            }
        }
        let (before, plane, coarse_) = (&mut self.before[..n], &mut self.plane[..n], &mut self.coarse[..n]);
        if axes > 0 {
            let factor = [0, 12, 6, 4, 3][axes as usize % 5];
            for (c, m) in coarse_.iter_mut().zip(&coarse[at..at + n]) {
                *c = i32::from(*m) * factor;
            }
        } else {
            coarse_.fill(0);
        }
        if at >= geometry.segment {
            let from = at - geometry.segment;
            // What stands right of the last one may be of this very segment: the ends are doubled instead.
            self.padded.clear();
            self.padded.push(magnitudes[from]);
            self.padded.extend_from_slice(&magnitudes[from..from + n]);
            self.padded.push(magnitudes[from + n - 1]);
            let p = &self.padded[..n + 2];
            for (((b, l), m), r) in before.iter_mut().zip(p).zip(&p[1..]).zip(&p[2..]) {
                *b = (i32::from(*l) + 2 * i32::from(*m) + i32::from(*r)) * 6;
            }
        } else {
            before.copy_from_slice(coarse_);
        }
        if geometry.slab >= geometry.segment && geometry.slab > 0 && at >= geometry.slab {
            for (p, m) in plane.iter_mut().zip(&magnitudes[at - geometry.slab..][..n]) {
                *p = i32::from(*m) * 24;
            }
        } else {
            plane.copy_from_slice(before);
        }
    }

    /// The bins of the gathered segment.
    #[inline(always)]
    pub(super) fn bins(&self, weights: Weights, bins: &mut [u8]) {
        let n = bins.len();
        let (b, p, c) = (i32::from(weights.before), i32::from(weights.plane), i32::from(weights.coarse));
        for (((bin, before), plane), coarse) in
            bins.iter_mut().zip(&self.before[..n]).zip(&self.plane[..n]).zip(&self.coarse[..n])
        {
            // At most 4095 x 24 x 9 < 2^24: exact in f32. Exponent and two bits of the mantissa: quarter octaves.
            let activity = before * b + plane * p + coarse * c + ONE;
            *bin = ((activity as f32).to_bits() >> 21).wrapping_sub((ONE as f32).to_bits() >> 21) as u8;
        }
    }
}

/// What stands for 1 in an activity: one neighbour of magnitude 1 in twelve moves it by a quarter octave.
const ONE: i32 = 12;

/// Magnitudes of numbers.
#[inline(always)]
pub(super) fn magnitudes(v: &[i32], out: &mut [u16]) {
    for (m, v) in out.iter_mut().zip(v) {
        *m = magnitude(*v);
    }
}

//! What a chunk's values are like: the one look at all of them before maps are chosen.

use half::slice::HalfFloatSliceExt;

use super::kernel::{BLOCK, Work};
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, with_integer};
use crate::coding::Bound;

/// Most elements that structure is sought in before all are looked at. The smallest count for which a chance match of a
/// structure is out of the question and tables of some thousands of values show.
pub(super) const SAMPLE: usize = 4096;
/// Neighbours taken together into the sample: enough that steps between neighbours show.
const RUN: usize = 32;
/// Lanes of the reductions.
const LANES: usize = 16;

/// The regular (finite, not fill) elements of a chunk in numbers.
#[derive(Debug, Clone, Default)]
pub(in crate::coding) struct Survey {
    /// Whether there is one.
    pub(in crate::coding) regular: bool,
    /// Least value (0 without any).
    pub(in crate::coding) low: f64,
    /// Greatest value.
    pub(in crate::coding) high: f64,
    /// Least magnitude that is not 0 (0 without any).
    pub(in crate::coding) least: f64,
    /// Least and greatest value of an integer dtype.
    pub(in crate::coding) whole: (i128, i128),
    /// Some of the regular values of a float dtype.
    pub(super) sample: Vec<f64>,
    /// As many of an integer dtype.
    pub(super) wholes: Vec<i128>,
}

impl Survey {
    /// Looks at all of `values`; reuses the sample's allocation.
    pub(in crate::coding) fn of(&mut self, values: &Buf, fill: Option<u64>) {
        let (mut sample, mut wholes) = (std::mem::take(&mut self.sample), std::mem::take(&mut self.wholes));
        sample.clear();
        wholes.clear();
        *self = Self { sample, wholes, ..Self::default() };
        match values.dtype() {
            DType::F16 => {
                let fill = fill.map(|f| half::f16::from_bits(f as u16).to_f32());
                let v = values.slice::<half::f16>();
                let mut wide = [0f32; BLOCK];
                let mut extremes = Extremes::new();
                for v in v.chunks(BLOCK) {
                    let wide = &mut wide[..v.len()];
                    v.convert_to_f32_slice(wide);
                    extremes.take(wide, fill);
                }
                self.finish(extremes, v.len(), |i| v[i].to_f64(), fill.map(f64::from));
            }
            DType::F32 => self.floats(values.slice::<f32>(), fill.map(|f| f32::from_bits(f as u32))),
            DType::F64 => self.floats(values.slice::<f64>(), fill.map(f64::from_bits)),
            dtype => with_integer!(dtype, T => {
                let v = values.slice::<T>();
                let fill = fill.map(|f| f as T);
                self.integers(v, fill, i128::from, T::MIN, T::MAX);
            }, else ()),
        }
    }

    fn floats<W: Work>(&mut self, v: &[W], fill: Option<W>) {
        let mut extremes = Extremes::new();
        extremes.take(v, fill);
        self.finish(extremes, v.len(), |i| v[i].wide(), fill.map(|f| f.wide()));
    }

    fn finish(&mut self, e: Extremes, len: usize, at: impl Fn(usize) -> f64, fill: Option<f64>) {
        if e.low <= e.high {
            (self.regular, self.low, self.high) = (true, e.low, e.high);
        }
        self.least = if e.least.is_finite() { e.least } else { 0.0 };
        let fill = fill.map(f64::to_bits);
        let regular = |x: &f64| x.is_finite() && Some(x.to_bits()) != fill;
        self.sample.extend(places(len).map(at).filter(regular));
    }

    fn integers<T: Copy + Ord>(&mut self, v: &[T], fill: Option<T>, whole: impl Fn(T) -> i128, least: T, most: T) {
        // Results are returned, not written through references: that keeps the loops in vectors.
        let (low, high) = vectorize(
            #[inline(always)]
            || {
                let (mut low, mut high) = (most, least);
                match fill {
                    None => {
                        for x in v {
                            low = low.min(*x);
                            high = high.max(*x);
                        }
                    }
                    Some(fill) => {
                        for x in v {
                            low = low.min(if *x == fill { most } else { *x });
                            high = high.max(if *x == fill { least } else { *x });
                        }
                    }
                }
                (low, high)
            },
        );
        // Where all are fill, the ends stay crossed (or the dtype has one value between them, and so has the chunk).
        if low <= high && !v.is_empty() {
            self.regular = true;
            self.whole = (whole(low), whole(high));
            (self.low, self.high) = (self.whole.0 as f64, self.whole.1 as f64);
        }
        self.wholes.extend(places(v.len()).map(|i| v[i]).filter(|x| Some(*x) != fill).map(whole));
    }

    /// The magnitude in the middle of the sample's.
    pub(in crate::coding) fn typical(&self) -> f64 {
        let mut magnitudes: Vec<f64> = self.sample.iter().map(|x| x.abs()).collect();
        let middle = magnitudes.len() / 2;
        if magnitudes.is_empty() {
            return 0.0;
        }
        // Land may be more than half of a chunk: the quarter below the middle still shows the rest.
        *magnitudes.select_nth_unstable_by(middle / 2, f64::total_cmp).1
    }

    /// The absolute limit that keeps `bound` at every element of a float dtype: the strictest of what is given. A mean square
    /// counts as that of an even spread within the limit, e²/3. Zeros are left out, as grids keep them exactly, but where `zeros`
    /// says that they count. `None` for no room at all.
    pub(super) fn limit(&self, bound: &Bound, zeros: bool) -> Option<f64> {
        let least = if zeros { 0.0 } else { self.least };
        if bound.is_lossless() {
            return None;
        }
        let abs = bound.max_abs.unwrap_or(f64::MAX);
        let rel = bound.max_rel.map_or(f64::MAX, |r| (r * least.max(bound.rel_floor)).next_down());
        let square = bound.mean_square.map_or(f64::MAX, |s| (3.0 * s).sqrt());
        // A limit beyond the greatest magnitude allows nothing more than that does, and steps made of it could overflow.
        let most = self.high.max(-self.low).max(f64::MIN_POSITIVE);
        let limit = abs.min(rel).min(square).min(most);
        (limit > 0.0).then_some(limit)
    }
}

/// Positions of at most [`SAMPLE`] elements, in runs spread evenly.
pub(super) fn places(len: usize) -> impl Iterator<Item = usize> {
    let runs = if len <= SAMPLE { 1 } else { SAMPLE / RUN };
    let run = if len <= SAMPLE { len } else { RUN };
    let stride = if runs > 1 { (len - run) as f64 / (runs - 1) as f64 } else { 0.0 };
    (0..runs).flat_map(move |r| {
        let start = ((r as f64 * stride) as usize).min(len - run);
        start..start + run
    })
}

/// Least, greatest, and least magnitude but 0.
struct Extremes {
    low: f64,
    high: f64,
    least: f64,
}

impl Extremes {
    fn new() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY, least: f64::INFINITY }
    }

    fn take<W: Work>(&mut self, v: &[W], fill: Option<W>) {
        // float32 reduces in its own width: twice the lanes.
        let (low, high, least) = vectorize(
            #[inline(always)]
            || {
                let mut low = [f64::INFINITY; LANES];
                let mut high = [f64::NEG_INFINITY; LANES];
                let mut least = [f64::INFINITY; LANES];
                let (blocks, rest) = v.as_chunks::<LANES>();
                for b in blocks {
                    step(b, fill, &mut low, &mut high, &mut least);
                }
                for x in rest {
                    step(&[*x; LANES], fill, &mut low, &mut high, &mut least);
                }
                (low, high, least)
            },
        );
        for l in 0..LANES {
            self.low = if low[l] < self.low { low[l] } else { self.low };
            self.high = if high[l] > self.high { high[l] } else { self.high };
            self.least = if least[l] < self.least { least[l] } else { self.least };
        }
    }
}

#[inline(always)]
fn step<W: Work>(
    x: &[W; LANES],
    fill: Option<W>,
    low: &mut [f64; LANES],
    high: &mut [f64; LANES],
    least: &mut [f64; LANES],
) {
    for l in 0..LANES {
        let wide = x[l].wide();
        let odd = !wide.is_finite() || fill.is_some_and(|f| f.bits() == x[l].bits());
        // NaN fails every comparison below.
        let value = if odd { f64::NAN } else { wide };
        low[l] = if value < low[l] { value } else { low[l] };
        high[l] = if value > high[l] { value } else { high[l] };
        let magnitude = if value == 0.0 { f64::NAN } else { value.abs() };
        least[l] = if magnitude < least[l] { magnitude } else { least[l] };
    }
}

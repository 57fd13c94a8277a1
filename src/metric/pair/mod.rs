//! Original against restored, pair by pair: everything that needs no neighbour and no mean.

mod fill;
mod planes;
mod quantile;
#[cfg(test)]
mod tests;
mod top;
mod ulp;
mod widen;

use std::collections::BTreeMap;

pub use self::planes::PlaneRanges;
pub(super) use self::widen::{blank, subtract, widen};
pub use self::widen::{present, triple};

use self::fill::Masked;
use self::quantile::Magnitudes;
use self::top::{Pair, Top};
use super::class::{Class, ClassCount};
use super::comparison::{Cell, Element};
use super::describe::SAMPLE;
use super::exact_sum::ExactSum;
use super::figure::{Figure, Figures};
use super::float::padded;
use super::fold::{CHUNK, Folds, add_sum};
use super::loss::Loss;
use super::places::Places;
use crate::array::simd::vectorize;
use crate::array::{Buf, DType, DTypeKind, Scalar, Span, index_of, scalar};
use crate::error::{Result, refuse};

/// How pairs are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOptions {
    /// The fill value's bits, in the low bits. Only for real numbers.
    pub fill: Option<u64>,
    /// Originals of at most this magnitude have no relative error.
    pub rel_floor: f64,
    /// The relative error above which a pair counts for [`Figure::SpatialRel`].
    pub spatial_tol: f64,
    /// Worst pairs to keep.
    pub worst: usize,
    /// Whether figures beyond [`Loss`] are wanted.
    pub all: bool,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self { fill: None, rel_floor: 0.0, spatial_tol: 1e-4, worst: 10, all: true }
    }
}

/// A largest value and the first place of it.
#[derive(Debug, Clone, Copy)]
struct Largest {
    value: f64,
    at: u64,
    pair: Option<(Scalar, Scalar)>,
}

impl Default for Largest {
    fn default() -> Self {
        Self { value: f64::NEG_INFINITY, at: u64::MAX, pair: None }
    }
}

impl Largest {
    fn offer(&mut self, other: Largest) {
        if other.pair.is_some() && (other.value > self.value || (other.value == self.value && other.at < self.at)) {
            *self = other;
        }
    }
}

/// Original against restored, added up block by block. The result is the same for any blocks, threads and order of merging.
#[derive(Debug, Clone)]
pub struct Pairs {
    dtype: DType,
    options: PairOptions,
    loss: Loss,
    fills: u64,
    pairs: u64,
    /// Largest e, largest −e, largest |e/x|, largest distance in ULP.
    largest: [Largest; 4],
    absolute: ExactSum,
    relative: ExactSum,
    /// Pairs with a relative error.
    related: u64,
    beyond_tolerance: u64,
    /// Whether a relative error is beyond f64.
    steep: bool,
    ulps: u128,
    folds: [Folds; 2],
    worst: Top,
    magnitudes: Magnitudes,
    /// All |e|, where the array is small enough.
    kept: Option<Vec<f64>>,
}

const LARGEST_E: usize = 0;
const LARGEST_MINUS_E: usize = 1;
const LARGEST_RELATIVE: usize = 2;
const LARGEST_ULP: usize = 3;

/// What one worker keeps from block to block.
#[derive(Debug, Default)]
pub struct PairScratch(Masked);

impl Pairs {
    /// Of arrays of `dtype` that will have `total` elements. Refused: a fill value for complex numbers.
    pub fn new(dtype: DType, total: u64, options: PairOptions) -> Result<Self> {
        if options.fill.is_some() && dtype.kind() == DTypeKind::Complex {
            return refuse!(Usage, "a fill value is for real numbers, and the array is {dtype}; leave --fill out");
        }
        Ok(Self {
            dtype,
            options,
            loss: Loss::new(),
            fills: 0,
            pairs: 0,
            largest: Default::default(),
            absolute: ExactSum::new(),
            relative: ExactSum::new(),
            related: 0,
            beyond_tolerance: 0,
            steep: false,
            ulps: 0,
            folds: Default::default(),
            worst: Top::new(options.worst),
            magnitudes: Magnitudes::default(),
            kept: (options.all && total <= SAMPLE).then(Vec::new),
        })
    }

    /// Compares `original` with `restored`, whose elements stand at the positions `at`. Refused if dtypes or lengths differ.
    pub fn add(&mut self, at: &[Span], original: &Buf, restored: &Buf, scratch: &mut PairScratch) -> Result<()> {
        if original.dtype() != self.dtype {
            return refuse!(Usage, "a block of {} in a comparison of {}", original.dtype(), self.dtype);
        }
        let Some(fill) = self.options.fill else { return self.add_present(at, original, restored) };
        if original.dtype() != restored.dtype() || original.len() != restored.len() {
            return self.loss.add(at, original, restored);
        }
        let masked = &mut scratch.0;
        let fills = masked.take(at, original, restored, fill)?;
        self.add_present(&masked.at, &masked.original, &masked.restored)?;
        self.fills += fills.both;
        self.loss.add_fills(fills.both, fills.lost, fills.made, self.dtype.kind() == DTypeKind::Float);
        Ok(())
    }

    /// As [`Pairs::add`], where no pair holds a fill value.
    fn add_present(&mut self, at: &[Span], original: &Buf, restored: &Buf) -> Result<()> {
        self.loss.add(at, original, restored)?;
        if !self.options.all {
            return Ok(());
        }
        let mut places = Places::new(at, original.len());
        let (mut x, mut y, mut e) = ([0.0; CHUNK], [0.0; CHUNK], [0.0; CHUNK]);
        let mut from = 0;
        while from < original.len() {
            let n = CHUNK.min(original.len() - from);
            let m = padded(n);
            widen(original, from, &mut x[..n]);
            widen(restored, from, &mut y[..n]);
            subtract(original, restored, from, &x[..n], &y[..n], &mut e[..n]);
            let missing = e[..n].iter().filter(|e| e.is_nan()).count();
            e[n..m].fill(f64::NAN);
            x[n..m].fill(0.0);
            let here = places.take(n);
            let pair = |i: usize| (element(original, from + i), element(restored, from + i));
            self.chunk(here, &x[..m], &mut e[..m], n, missing, &pair);
            if self.dtype.kind() == DTypeKind::Float {
                self.ulp(here, original, restored, from, &e[..n], &pair);
            }
            from += n;
        }
        Ok(())
    }

    /// `e` holds NaN where no error is taken, and beyond its first `n` entries.
    fn chunk(
        &mut self,
        places: Places<'_>,
        x: &[f64],
        e: &mut [f64],
        n: usize,
        missing: usize,
        pair: &dyn Fn(usize) -> (Scalar, Scalar),
    ) {
        self.pairs += (n - missing) as u64;
        self.magnitudes.add(&e[..n]);
        if let Some(kept) = &mut self.kept {
            kept.extend(e[..n].iter().filter(|e| !e.is_nan()).map(|e| e.abs()));
        }
        let mut ratio = [0.0; CHUNK];
        let ratio = &mut ratio[..e.len()];
        let (floor, tolerance) = (self.options.rel_floor, self.options.spatial_tol);
        let (related, beyond) = ratios(x, e, ratio, floor, tolerance);
        self.related += related;
        self.steep |= ratio.contains(&f64::INFINITY);
        if self.steep {
            ratio.iter_mut().for_each(|r| *r = r.min(f64::MAX));
        }
        self.beyond_tolerance += beyond;
        if missing == n {
            return;
        }
        let (largest, lowest) = extremes(e);
        let most = largest.max(-lowest);
        if self.dtype.kind() != DTypeKind::Complex {
            self.offer(LARGEST_E, largest, places, &e[..n], 1.0, pair);
            self.offer(LARGEST_MINUS_E, -lowest, places, &e[..n], -1.0, pair);
        }
        let (steepest, _) = extremes(ratio);
        if related > 0 {
            self.offer(LARGEST_RELATIVE, steepest, places, &ratio[..n], 1.0, pair);
        }
        if most > 0.0 && self.worst.may_take(most, || places.lowest()) {
            for ((i, e), at) in e[..n].iter().enumerate().zip(places.iter()) {
                let by = e.abs();
                if by > 0.0 && self.worst.may_take(by, || at) {
                    let (original, restored) = pair(i);
                    self.worst.offer(Pair { by, at, original, restored });
                }
            }
        }
        vectorize(
            #[inline(always)]
            || e.iter_mut().for_each(|e| *e = if e.is_nan() { 0.0 } else { e.abs() }),
        );
        let [errors, ratios] = &mut self.folds;
        add_sum(e, most, errors, &mut self.absolute);
        add_sum(ratio, steepest, ratios, &mut self.relative);
    }

    /// Offers the first of `values` (times `sign`) that equals `value`.
    fn offer(
        &mut self,
        which: usize,
        value: f64,
        places: Places<'_>,
        values: &[f64],
        sign: f64,
        pair: &dyn Fn(usize) -> (Scalar, Scalar),
    ) {
        let best = self.largest[which];
        if value > best.value || (value == best.value && places.lowest() < best.at) {
            let found = values.iter().zip(places.iter()).enumerate().filter(|(_, (v, _))| **v * sign == value);
            if let Some((i, (_, at))) = found.min_by_key(|(_, (_, at))| *at) {
                self.largest[which].offer(Largest { value, at, pair: Some(pair(i)) });
            }
        }
    }

    fn ulp(
        &mut self,
        places: Places<'_>,
        original: &Buf,
        restored: &Buf,
        from: usize,
        e: &[f64],
        pair: &dyn Fn(usize) -> (Scalar, Scalar),
    ) {
        let mut apart = [0u64; CHUNK];
        let apart = &mut apart[..e.len()];
        let (sum, most) = ulp::distances(original, restored, from, apart);
        self.ulps += sum;
        let best = self.largest[LARGEST_ULP];
        if most as f64 > best.value || (most as f64 == best.value && places.lowest() < best.at) {
            let found = apart.iter().zip(places.iter()).enumerate().filter(|(_, (d, _))| **d == most);
            if let Some((i, (_, at))) = found.min_by_key(|(_, (_, at))| *at) {
                let (a, b) = pair(i);
                if finite(a) && finite(b) {
                    self.largest[LARGEST_ULP].offer(Largest { value: most as f64, at, pair: Some((a, b)) });
                }
            }
        }
    }

    /// Adds what another accumulator gathered from other elements.
    pub fn merge(&mut self, other: Pairs) {
        self.loss.merge(&other.loss);
        self.fills += other.fills;
        self.pairs += other.pairs;
        self.largest.iter_mut().zip(other.largest).for_each(|(a, b)| a.offer(b));
        self.absolute.merge(&other.absolute);
        self.relative.merge(&other.relative);
        self.related += other.related;
        self.beyond_tolerance += other.beyond_tolerance;
        self.steep |= other.steep;
        self.ulps += other.ulps;
        self.worst.merge(&other.worst);
        self.magnitudes.merge(&other.magnitudes);
        if let (Some(mine), Some(theirs)) = (&mut self.kept, other.kept) {
            mine.extend(theirs);
        }
    }

    /// The loss: counts, classes, largest error, sums.
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// Pairs of finite values that are no fill values.
    pub fn pairs(&self) -> u64 {
        self.loss.count_finite()
    }

    /// Originals with |x| at most the floor, over which no relative error is taken.
    pub fn rel_skipped(&self) -> u64 {
        self.pairs - self.related
    }

    /// Writes what was found into `figures`; those over the original's range need half of it:
    /// halves cannot overflow.
    pub fn figures(&mut self, figures: &mut Figures, accuracy: &mut BTreeMap<Figure, String>, half: f64) {
        let n = self.pairs();
        if self.loss.count() > 0 {
            figures.set(
                Figure::EqualFraction,
                (self.loss.count() - self.loss.changed()) as f64 / self.loss.count() as f64,
            );
        }
        if n == 0 {
            return;
        }
        let rmse = self.loss.rmse();
        figures.set(Figure::MaxAbs, self.largest_error());
        figures.set(Figure::MeanError, self.loss.mean_error());
        figures.set(Figure::Rmse, rmse);
        if !self.options.all {
            return;
        }
        let complex = self.dtype.kind() == DTypeKind::Complex;
        if complex {
            figures.set(Figure::MeanError, f64::NAN);
        } else {
            figures.set(Figure::MaxError, self.largest[LARGEST_E].value);
            figures.set(Figure::MinError, -self.largest[LARGEST_MINUS_E].value);
        }
        figures.set(Figure::MeanAbs, self.absolute.mean(n));
        figures.set(Figure::SpatialRel, self.beyond_tolerance as f64 / n as f64);
        if self.related > 0 {
            let over = |value: f64| if self.steep { f64::INFINITY } else { value };
            figures.set(Figure::MaxRel, over(self.largest[LARGEST_RELATIVE].value.max(0.0)));
            figures.set(Figure::MeanRel, over(self.relative.mean(self.related)));
        }
        if self.dtype.kind() == DTypeKind::Float {
            figures.set(Figure::MaxUlp, self.largest[LARGEST_ULP].value.max(0.0));
            figures.set(Figure::MeanUlp, self.ulps as f64 / n as f64);
        }
        let by_range = |e: f64| match (e, half) {
            (0.0, _) => 0.0,
            (_, h) if h > 0.0 => e / 2.0 / h,
            _ => f64::NAN,
        };
        figures.set(Figure::Nrmse, by_range(rmse));
        figures.set(Figure::MaxRange, by_range(self.loss.max_abs()));
        let psnr = if rmse == 0.0 { f64::INFINITY } else { -20.0 * by_range(rmse).log10() };
        figures.set(Figure::Psnr, psnr);
        let shares = [(Figure::P50Abs, 0.5), (Figure::P90Abs, 0.9), (Figure::P99Abs, 0.99), (Figure::P999Abs, 0.999)];
        if let Some(kept) = &mut self.kept {
            kept.sort_unstable_by(f64::total_cmp);
        }
        for (figure, share) in shares {
            match &self.kept {
                Some(sorted) => figures.set(figure, quantile::of_sorted(sorted, share)),
                None => {
                    figures.set(figure, self.magnitudes.quantile(share));
                    accuracy.insert(figure, "at most 2.5e-4 of itself too large".to_owned());
                }
            }
        }
    }

    /// The largest |e|, never less than it is: integers beyond 2^53 are rounded up, and what may be beyond f64 is infinite.
    fn largest_error(&self) -> f64 {
        let Some(worst) = self.loss.worst() else { return 0.0 };
        match worst.abs {
            f64::MAX => f64::INFINITY,
            abs if worst.exact > 0 && (abs as u128) < u128::from(worst.exact) => abs.next_up(),
            abs => abs,
        }
    }

    /// Points of the cumulative distribution of |e|: a value, and the share of pairs up to it.
    pub fn cumulative(&self) -> Vec<(f64, f64)> {
        const POINTS: usize = 200;
        self.magnitudes.cumulative(POINTS)
    }

    /// The elements where figures are largest, in an array of `shape`.
    pub fn places(&self, shape: &[u64]) -> BTreeMap<Figure, Element> {
        let mut places = BTreeMap::new();
        if let Some(worst) = self.loss.worst() {
            places.insert(Figure::MaxAbs, element_at(shape, worst.at, (worst.original, worst.restored)));
        }
        let found = [
            (Figure::MaxError, LARGEST_E),
            (Figure::MinError, LARGEST_MINUS_E),
            (Figure::MaxRel, LARGEST_RELATIVE),
            (Figure::MaxUlp, LARGEST_ULP),
        ];
        for (figure, which) in found {
            let Largest { value, at, pair } = self.largest[which];
            if let Some(pair) = pair.filter(|_| value != 0.0) {
                places.insert(figure, element_at(shape, at, pair));
            }
        }
        places
    }

    /// The worst pairs, worst first.
    pub fn worst(&self, shape: &[u64]) -> Vec<Element> {
        self.worst.pairs().iter().map(|p| element_at(shape, p.at, (p.original, p.restored))).collect()
    }

    /// How often each class occurred, and where first.
    pub fn classes(&self) -> impl Iterator<Item = (Class, ClassCount)> + '_ {
        Class::ALL.iter().map(|c| (*c, self.loss.class(*c)))
    }
}

fn element_at(shape: &[u64], at: u64, (original, restored): (Scalar, Scalar)) -> Element {
    Element { index: index_of(shape, at), original: Cell(original), restored: Cell(restored) }
}

fn element(buf: &Buf, i: usize) -> Scalar {
    let size = buf.dtype().size();
    scalar(buf.dtype(), &buf.bytes()[i * size..(i + 1) * size])
}

fn finite(value: Scalar) -> bool {
    match value {
        Scalar::Float(x) => x.is_finite(),
        Scalar::Complex(re, im) => re.is_finite() && im.is_finite(),
        Scalar::Bool(_) | Scalar::Int(_) => true,
    }
}

/// Writes |e/x| to `ratio`, 0 where there is none; returns how many there are, and how many errors are beyond `tolerance`.
fn ratios(x: &[f64], e: &[f64], ratio: &mut [f64], floor: f64, tolerance: f64) -> (u64, u64) {
    vectorize(
        #[inline(always)]
        move || {
            let (mut related, mut beyond) = (0u64, 0u64);
            for ((x, e), r) in x.iter().zip(e).zip(ratio) {
                let (size, error) = (x.abs(), e.abs());
                // NaN compares false.
                let counts = (size > floor) & (error >= 0.0);
                *r = if counts { error / size } else { 0.0 };
                related += u64::from(counts);
                let allowed = tolerance * if size == 0.0 { 1.0 } else { size };
                beyond += u64::from(error > allowed);
            }
            (related, beyond)
        },
    )
}

/// The largest and the smallest of `values`, NaN left out.
fn extremes(values: &[f64]) -> (f64, f64) {
    crate::array::simd::with_vectors(Extremes { values })
}

struct Extremes<'a> {
    values: &'a [f64],
}

impl pulp::WithSimd for Extremes<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> (f64, f64) {
        let (mut max, mut min) = ([simd.splat_f64s(f64::MIN); 4], [simd.splat_f64s(f64::MAX); 4]);
        let (vectors, _) = S::as_simd_f64s(self.values);
        let (groups, _) = vectors.as_chunks::<4>();
        for group in groups {
            for v in 0..4 {
                // What is left out must be no operand: what a maximum makes of NaN differs between machines.
                let counts = simd.less_than_or_equal_f64s(simd.abs_f64s(group[v]), simd.splat_f64s(f64::MAX));
                max[v] = simd.max_f64s(simd.select_f64s(counts, group[v], max[v]), max[v]);
                min[v] = simd.min_f64s(simd.select_f64s(counts, group[v], min[v]), min[v]);
            }
        }
        let max = bytemuck::cast_slice::<_, f64>(&max).iter().fold(f64::MIN, |m, v| m.max(*v));
        let min = bytemuck::cast_slice::<_, f64>(&min).iter().fold(f64::MAX, |m, v| m.min(*v));
        (max, min)
    }
}

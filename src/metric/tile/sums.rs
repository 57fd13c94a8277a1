//! What one tile adds to the figures, and the figures of all tiles.

use super::Tile;
use super::distribution::{Bins, KsDistance};
use super::gaussian::{self, PlaneScore};
use super::histogram::{ErrorBins, ErrorCounts, Magnitudes};
use super::known::Known;
use super::location::{ErrorSum, Located, Locator, Places};
use super::moments::{Centring, Moments, run};
use super::tiling::{Tiling, Windows};
use super::uniform::{Score, Uniform};
use crate::metric::comparison::{AxisErrors, ChunkErrors, Histogram, MagnitudeError};

/// Work space of one thread; it only grows.
#[derive(Debug, Default)]
pub struct Scratch {
    work: Vec<f64>,
}

/// What one tile adds to the figures.
#[derive(Debug, Clone)]
pub struct TileSums {
    moments: Moments,
    uniform: Score,
    planes: Vec<PlaneScore>,
    bins: Bins<u32>,
    errors: ErrorCounts,
    magnitudes: Magnitudes,
    located: Located,
}

impl TileSums {
    /// Measures the core of a tile.
    pub fn measure<'a>(tile: &Tile<'a>, known: &Known<'_>, scratch: &mut Scratch) -> TileSums {
        let (place, x, y, e) = (tile.place(), tile.x(), tile.y(), tile.e());
        let geometry = place.geometry();
        let axes = geometry.core.len();
        let centring = Centring::of(known);
        let scale = known.error_scale();
        let error_bins = ErrorBins::of(known);
        let mut moments = Moments::with_axes(axes);
        let mut locator = Locator::new(place, known);
        let pieces = std::mem::take(&mut locator.pieces);
        let (mut bins, mut errors, mut magnitudes) = (Bins::default(), ErrorCounts::default(), Magnitudes::default());
        let (row, margin) = (geometry.row(), geometry.margin());
        geometry.each(axes.saturating_sub(1), |index, offset| {
            let from = offset + margin;
            let part = |v: &'a [f64], from: usize, to: usize| v.get(from..to).unwrap_or_default();
            let (x, y, e) = (part(x, from, from + row), part(y, from, from + row), part(e, from, from + row));
            let mut full = true;
            for piece in &pieces {
                let part = |v| part(v, piece.from, piece.to);
                let sums = run(part(x), part(y), part(e), centring);
                full &= sums.pairs == (piece.to - piece.from) as f64;
                moments.add(&sums);
                locator.add(index, *piece, ErrorSum::new(sums.max_abs, sums.ee, sums.pairs));
            }
            locator.add_row(e, scale, full);
            bins.add(x, y, e, known);
            magnitudes.add(x, e);
            if let Some(error_bins) = &error_bins {
                error_bins.add(e, &mut errors);
            }
        });
        if !known.moduli {
            moments.add_neighbours(&geometry, e, centring, &mut scratch.work);
        }
        let windows = Windows::of(place.shape());
        let mut uniform = Score::default();
        if let Some(measure) = Uniform::of(known, windows.uniform) {
            measure.add(&geometry, place.shape(), place.start(), (x, y), &mut scratch.work, &mut uniform);
        }
        let mut planes = Vec::new();
        if windows.gaussian && !known.planes.is_empty() {
            gaussian::add(&geometry, place.shape(), place.start(), (x, y), known, &mut scratch.work, &mut planes);
        }
        TileSums { moments, uniform, planes, bins, errors, magnitudes, located: locator.finish() }
    }
}

/// What all tiles add up to.
#[derive(Debug, Clone)]
pub struct Totals {
    tiling: Tiling,
    moments: Moments,
    uniform: Score,
    planes: Vec<Score>,
    bins: Bins<u64>,
    errors: Vec<u64>,
    magnitudes: Magnitudes,
    places: Places,
}

/// The figures of the second pass. NaN: not defined for these arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Standard deviation of the original (over n).
    pub std_x: f64,
    /// Standard deviation of the restored (over n).
    pub std_y: f64,
    /// Pearson correlation of original and restored.
    pub pearson: f64,
    /// Autocorrelation of errors at lag 1 along each axis: Σ d_i d_(i+1) / Σ d_i², d = e − mean e, over neighbours
    /// neither of which is missing.
    pub autocorrelation: Vec<f64>,
    /// Structural similarity.
    pub ssim: f64,
    /// The least DSSIM of all planes.
    pub dssim: f64,
    /// The plane that has it: its place among the planes of the last two axes, in C order.
    pub dssim_plane: Option<u64>,
    /// Distance of the distributions.
    pub ks: KsDistance,
    /// Signed errors.
    pub histogram: Option<Histogram>,
    /// Error against magnitude.
    pub magnitudes: Vec<MagnitudeError>,
    /// Errors along every axis.
    pub axes: Vec<AxisErrors>,
    /// Errors by chunk.
    pub chunks: Option<ChunkErrors>,
}

impl Totals {
    /// Nothing yet, of an array that is cut by `tiling`.
    pub fn new(tiling: &Tiling, known: &Known<'_>) -> Self {
        let shape: Vec<u64> = tiling.shape().collect();
        Self {
            tiling: tiling.clone(),
            moments: Moments::with_axes(shape.len()),
            uniform: Score::default(),
            planes: vec![Score::default(); known.planes.len()],
            bins: Bins::default(),
            errors: Vec::new(),
            magnitudes: Magnitudes::default(),
            places: Places::new(&shape, known),
        }
    }

    /// Adds the next tile. In the order of [`Tiling::tile`] the figures are the same whatever measured the tiles.
    pub fn add(&mut self, next: &TileSums) {
        self.moments.merge(&next.moments);
        self.uniform.merge(next.uniform);
        for (plane, score) in &next.planes {
            if let Some(sum) = usize::try_from(*plane).ok().and_then(|p| self.planes.get_mut(p)) {
                sum.merge(*score);
            }
        }
        self.bins.merge(&next.bins);
        next.errors.add_to(&mut self.errors);
        self.magnitudes.merge(&next.magnitudes);
        self.places.merge(&next.located);
    }

    /// The figures of all tiles added so far.
    pub fn finish(self, known: &Known<'_>) -> Neighbours {
        let shape: Vec<u64> = self.tiling.shape().collect();
        let axes = self.tiling.axes();
        let (std_x, std_y, pearson) = self.moments.deviations(known);
        let mut autocorrelation = self.moments.autocorrelation(shape.iter().copied());
        for (axis, value) in autocorrelation.iter_mut().enumerate() {
            if known.moduli || !self.tiling.has_neighbours(axis) {
                *value = f64::NAN;
            }
        }
        autocorrelation.truncate(axes);
        let rated = (0u64..).zip(&self.planes).filter(|(_, s)| s.windows() > 0).map(|(i, s)| (i, s.mean()));
        let worst = rated.reduce(|a, b| if b.1 < a.1 { b } else { a });
        let mut by_axis = self.places.axes(&shape, known.error_scale());
        by_axis.truncate(axes);
        Neighbours {
            std_x,
            std_y,
            pearson,
            autocorrelation,
            ssim: self.ssim(known, &shape),
            dssim: worst.map_or(f64::NAN, |(_, value)| value),
            dssim_plane: worst.map(|(plane, _)| plane),
            ks: self.bins.distance(known.pairs),
            histogram: ErrorBins::finish(known, &self.errors),
            magnitudes: self.magnitudes.finish(),
            axes: by_axis,
            chunks: self.places.chunks(&shape, known).filter(|_| axes > 0),
        }
    }

    /// A constant original has no range to measure windows by: equal arrays are alike, others undefined.
    fn ssim(&self, known: &Known<'_>, shape: &[u64]) -> f64 {
        let constant = known.range_x.0 == known.range_x.1;
        let room = Windows::of(shape).uniform > 0 && known.pairs > 0;
        if constant && room && known.max_abs == 0.0 { 1.0 } else { self.uniform.mean() }
    }
}

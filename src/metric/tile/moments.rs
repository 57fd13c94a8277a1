//! Standard deviations, correlation and autocorrelation: sums of products of values taken from their known means.

use super::compensated::{Compensated, LANES, fold, padded, room};
use super::known::{HIGH, Known, exponent, power_of_two, scale_to};
use super::tile_box::Geometry;
use crate::array::simd::vectorize;

/// What values are multiplied with and then shifted by before they are squared. The factors are powers of two, so the
/// results are those of the values themselves, without overflow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Centring {
    scale_x: f64,
    scale_y: f64,
    error_scale: f64,
    mean_x: f64,
    mean_y: f64,
    mean_e: f64,
}

impl Centring {
    pub(super) fn of(known: &Known<'_>) -> Self {
        let (scale_x, scale_y) = (value_scale(known.range_x), value_scale(known.range_y));
        let error_scale = known.error_scale();
        Self {
            scale_x,
            scale_y,
            error_scale,
            mean_x: known.mean_x * scale_x,
            mean_y: known.mean_y * scale_y,
            mean_e: known.mean_e * error_scale,
        }
    }
}

/// The factor of the values of an array; deviations from the mean are less than twice as large as the largest value.
fn value_scale(range: (f64, f64)) -> f64 {
    scale_to(range.0.abs().max(range.1.abs()), HIGH - 1)
}

/// Sums over a run of neighbours in a row, with x, y as `x · scale − mean` and e as `e · scale`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) pairs: f64,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) xx: f64,
    pub(super) yy: f64,
    pub(super) xy: f64,
    pub(super) ee: f64,
    pub(super) dd: f64,
    /// Largest |e|, not scaled.
    pub(super) max_abs: f64,
}

/// The sums over one run.
pub(super) fn run(x: &[f64], y: &[f64], e: &[f64], c: Centring) -> Run {
    vectorize(
        #[inline(always)]
        || run_kernel(x, y, e, c),
    )
}

#[inline(always)]
fn run_kernel(x: &[f64], y: &[f64], e: &[f64], c: Centring) -> Run {
    let mut lanes = Lanes::default();
    let ((x, x_rest), (y, y_rest), (e, e_rest)) = (x.as_chunks(), y.as_chunks(), e.as_chunks());
    for ((x, y), e) in x.iter().zip(y).zip(e) {
        lanes.add(x, y, e, c);
    }
    if !e_rest.is_empty() {
        lanes.add(&padded(x_rest), &padded(y_rest), &padded(e_rest), c);
    }
    Run {
        pairs: fold(lanes.pairs),
        x: fold(lanes.x),
        y: fold(lanes.y),
        xx: fold(lanes.xx),
        yy: fold(lanes.yy),
        xy: fold(lanes.xy),
        ee: fold(lanes.ee),
        dd: fold(lanes.dd),
        max_abs: lanes.max_abs.iter().fold(0.0, |m, v| v.max(m)),
    }
}

#[derive(Default)]
struct Lanes {
    pairs: [f64; LANES],
    x: [f64; LANES],
    y: [f64; LANES],
    xx: [f64; LANES],
    yy: [f64; LANES],
    xy: [f64; LANES],
    ee: [f64; LANES],
    dd: [f64; LANES],
    max_abs: [f64; LANES],
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, x: &[f64; LANES], y: &[f64; LANES], e: &[f64; LANES], c: Centring) {
        for l in 0..LANES {
            let there = !e[l].is_nan();
            let keep = |v: f64| if there { v } else { 0.0 };
            let dx = keep(x[l] * c.scale_x - c.mean_x);
            let dy = keep(y[l] * c.scale_y - c.mean_y);
            let es = keep(e[l] * c.error_scale);
            let de = keep(es - c.mean_e);
            self.pairs[l] += keep(1.0);
            self.x[l] += dx;
            self.y[l] += dy;
            self.xx[l] += dx * dx;
            self.yy[l] += dy * dy;
            self.xy[l] += dx * dy;
            self.ee[l] += es * es;
            self.dd[l] += de * de;
            let size = e[l].abs();
            self.max_abs[l] = if size > self.max_abs[l] { size } else { self.max_abs[l] };
        }
    }
}

/// Sums over many runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pairs: f64,
    x: Compensated,
    y: Compensated,
    xx: Compensated,
    yy: Compensated,
    xy: Compensated,
    dd: Compensated,
    /// Sum of d[i] · d[i+1] along each axis.
    lags: Vec<Compensated>,
}

impl Moments {
    pub(super) fn with_axes(axes: usize) -> Self {
        Self { lags: vec![Compensated::default(); axes], ..Self::default() }
    }

    pub(super) fn add(&mut self, run: &Run) {
        self.pairs += run.pairs;
        for (sum, x) in [
            (&mut self.x, run.x),
            (&mut self.y, run.y),
            (&mut self.xx, run.xx),
            (&mut self.yy, run.yy),
            (&mut self.xy, run.xy),
            (&mut self.dd, run.dd),
        ] {
            sum.add(x);
        }
    }

    pub(super) fn merge(&mut self, next: &Moments) {
        self.pairs += next.pairs;
        for (sum, other) in [
            (&mut self.x, next.x),
            (&mut self.y, next.y),
            (&mut self.xx, next.xx),
            (&mut self.yy, next.yy),
            (&mut self.xy, next.xy),
            (&mut self.dd, next.dd),
        ] {
            sum.merge(other);
        }
        for (sum, other) in self.lags.iter_mut().zip(&next.lags) {
            sum.merge(*other);
        }
    }

    /// Adds the products of neighbours whose first element is in the core. `d` is work space.
    pub(super) fn add_neighbours(&mut self, geometry: &Geometry, e: &[f64], c: Centring, d: &mut Vec<f64>) {
        let d = room(d, e.len());
        vectorize(
            #[inline(always)]
            || {
                for (d, e) in d.iter_mut().zip(e) {
                    // A missing value is 0 here, so it adds nothing to any product.
                    *d = if e.is_nan() { 0.0 } else { e * c.error_scale - c.mean_e };
                }
            },
        );
        let (axes, row, margin) = (geometry.core.len(), geometry.row(), geometry.margin());
        let at_end = |axis: usize, i: usize| {
            let after = geometry.after.get(axis).is_some_and(|a| *a > 0);
            !after && geometry.core.get(axis).is_none_or(|len| i + 1 >= *len)
        };
        geometry.each(axes.saturating_sub(1), |index, offset| {
            let from = offset + margin;
            let Some(here) = d.get(from..from + row) else { return };
            for (axis, sum) in self.lags.iter_mut().enumerate() {
                let stride = geometry.strides.get(axis).copied().unwrap_or(1);
                let next = match index.get(axis) {
                    Some(i) if at_end(axis, *i) => continue,
                    Some(_) => d.get(from + stride..from + stride + row),
                    // Along the row itself the last element has a neighbour only if there is halo after it.
                    None => d.get(from + 1..from + row + usize::from(!at_end(axis, row))),
                };
                sum.add(next.map_or(0.0, |next| dot(here, next)));
            }
        });
    }

    /// Standard deviations of x and y (over n), and their Pearson correlation; NaN where undefined.
    pub(super) fn deviations(&self, known: &Known<'_>) -> (f64, f64, f64) {
        let n = self.pairs;
        let (x, y) = (self.x.value(), self.y.value());
        // The known means are rounded; what is left of the sums of deviations takes that back.
        let central = |products: Compensated, a: f64, b: f64| products.value() - a * (b / n);
        let (xx, yy) = (central(self.xx, x, x).max(0.0), central(self.yy, y, y).max(0.0));
        let constant = |range: (f64, f64)| range.0 == range.1;
        let std = |squares: f64, range: (f64, f64)| {
            if constant(range) && n > 0.0 { 0.0 } else { (squares / n).sqrt() / value_scale(range) }
        };
        // Powers of two keep the product in range; the root of an exact square is exact, so equal arrays have a
        // correlation of exactly 1.
        let half = |squares: f64| power_of_two(-exponent(squares).div_euclid(2));
        let (half_x, half_y) = (half(xx), half(yy));
        let product = ((xx * half_x * half_x) * (yy * half_y * half_y)).sqrt();
        let defined = !known.moduli && !constant(known.range_x) && !constant(known.range_y) && product > 0.0;
        let pearson =
            if defined { (central(self.xy, x, y) * half_x * half_y / product).clamp(-1.0, 1.0) } else { f64::NAN };
        (std(xx, known.range_x), std(yy, known.range_y), pearson)
    }

    /// Autocorrelation of errors at lag 1 along each axis of `lengths`; NaN where undefined.
    pub(super) fn autocorrelation(&self, lengths: impl Iterator<Item = u64>) -> Vec<f64> {
        let whole = self.dd.value();
        let of = |(sum, len): (&Compensated, u64)| if whole > 0.0 && len > 1 { sum.value() / whole } else { f64::NAN };
        self.lags.iter().zip(lengths).map(of).collect()
    }
}

/// The sum of products of the elements that both have.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let len = a.len().min(b.len());
    let (a, b) = (a.get(..len).unwrap_or_default(), b.get(..len).unwrap_or_default());
    vectorize(
        #[inline(always)]
        || {
            let mut sums = [[0.0; LANES]; 2];
            let (a, a_rest) = a.as_chunks::<{ 2 * LANES }>();
            let (b, b_rest) = b.as_chunks::<{ 2 * LANES }>();
            for (a, b) in a.iter().zip(b) {
                for l in 0..2 * LANES {
                    sums[l / LANES][l % LANES] += a[l] * b[l];
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
            fold(sums[0]) + fold(sums[1]) + rest
        },
    )
}

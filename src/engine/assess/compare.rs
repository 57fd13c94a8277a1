//! Two arrays in, everything that can be said of their difference out.

use std::collections::BTreeMap;

use super::first::{First, first};
use super::{matrices, pictures, second, spread};
use crate::array::{DType, Scalar, Span, Spec, index_of, scalar};
use crate::engine::Resources;
use crate::error::{Result, refuse};
use crate::metric::{
    Cell, Class, ClassRow, Comparison, Describe, Effort, Element, Figure, Figures, Neighbours, Number, Structure, ks_p,
};
use crate::pipeline::{Source, Work};

/// How two arrays are compared.
#[derive(Clone)]
pub struct CompareOptions<'a> {
    /// How much is found: the first pass alone, or all.
    pub effort: Effort,
    /// Also what the arrays are by themselves (distinct values, entropy, precision), spectra and pictures.
    pub deep: bool,
    /// The fill value's bits, in the low bits.
    pub fill: Option<u64>,
    /// Originals of at most this magnitude have no relative error.
    pub rel_floor: f64,
    /// The relative error above which a pair counts for [`Figure::SpatialRel`].
    pub spatial_tol: f64,
    /// Worst elements to list.
    pub worst: usize,
    /// Keep a sample for the Kolmogorov-Smirnov distance even where the rest of `deep` is not wanted.
    pub distances: bool,
    /// Compute the eigenvalues of every matrix, not only of those with the largest errors.
    pub all_eigenvalues: bool,
    /// Shape of the chunks that the restored array is stored in, in the array's own axes.
    pub chunk: Option<Vec<u64>>,
    /// Threads, memory, progress.
    pub resources: &'a Resources<'a>,
}

/// The two arrays. Both have the same dtype and shape.
pub(in crate::engine) struct Ends<'a> {
    pub(in crate::engine) original: &'a dyn Source,
    pub(in crate::engine) restored: &'a dyn Source,
    /// Steps in the chain behind each.
    pub(in crate::engine) original_steps: usize,
    pub(in crate::engine) restored_steps: usize,
    /// Elements of the smallest part of `restored` that is made at once, and bytes in flight for it.
    pub(in crate::engine) unit: u64,
    pub(in crate::engine) unit_bytes: u64,
}

impl<'a> Ends<'a> {
    /// Two arrays with nothing behind them.
    pub(in crate::engine) fn new(original: &'a dyn Source, restored: &'a dyn Source) -> Self {
        Self { original, restored, original_steps: 0, restored_steps: 0, unit: 1, unit_bytes: 0 }
    }
}

/// Compares two arrays of the same dtype and shape.
///
/// Counts, extremes and sums are the same for any memory bound and number of threads, bit for bit.
///
/// # Errors
/// `Usage` for different dtypes or shapes; whatever reading gives.
///
/// ```
/// use ndcompact::array::{Buf, DType, Spec};
/// use ndcompact::engine::{CompareOptions, Resources, compare};
/// use ndcompact::metric::{Effort, Figure};
/// use ndcompact::pipeline::Memory;
///
/// let spec = Spec::new(DType::F64, [2, 3])?;
/// let original = Memory::new(spec.clone(), Buf::from_slice(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?)?;
/// let restored = Memory::new(spec, Buf::from_slice(&[0.0, 1.0, 2.0, 3.0, 4.5, 5.0])?)?;
/// let resources = Resources::default();
/// let comparison = compare(&original, &restored, &CompareOptions::new(&resources))?;
/// assert_eq!(comparison.figures.get(Figure::MaxAbs), 0.5);
/// assert_eq!(comparison.worst[0].index, [1, 1]);
/// # Ok::<(), ndcompact::Error>(())
/// ```
pub fn compare(original: &dyn Source, restored: &dyn Source, options: &CompareOptions<'_>) -> Result<Comparison> {
    compare_ends(&Ends::new(original, restored), options)
}

impl<'a> CompareOptions<'a> {
    /// Everything, with the usual tolerances.
    pub fn new(resources: &'a Resources<'a>) -> Self {
        Self {
            effort: Effort::Matrices,
            deep: true,
            fill: None,
            rel_floor: 0.0,
            spatial_tol: 1e-4,
            worst: 10,
            distances: false,
            all_eigenvalues: false,
            chunk: None,
            resources,
        }
    }
}

pub(in crate::engine) fn compare_ends(ends: &Ends<'_>, options: &CompareOptions<'_>) -> Result<Comparison> {
    let spec = ends.original.spec();
    if spec != ends.restored.spec() {
        let what = if spec.dtype() == ends.restored.spec().dtype() { "shape" } else { "dtype" };
        return refuse!(
            Usage,
            "the original is {spec}, the other is {}: arrays of different {what} cannot be compared",
            ends.restored.spec()
        );
    }
    let First { mut pairs, mut describes, planes } = first(ends, options)?;
    let shape = spec.shape();
    let (mut figures, mut accuracy) = (Figures::default(), BTreeMap::new());
    let half = describes[0].half_range();
    pairs.figures(&mut figures, &mut accuracy, half);
    let tiles = options.effort >= Effort::Tiles;
    let [x, y] = &mut describes;
    let mut neighbours = if tiles { Some(second::second(ends, options, &pairs, x, y, planes.as_ref())?) } else { None };
    let mut std = [f64::NAN; 2];
    if let Some(found) = &neighbours {
        std = spread::std(ends, options, [&*x, &*y], pairs.pairs(), found)?;
    }
    if options.effort >= Effort::Pairs {
        statistics(&mut figures, &mut accuracy, [&mut *x, &mut *y], std, neighbours.as_ref());
    }
    let (original, restored) = (x.finish(std[0]), y.finish(std[1]));
    let structure = match options.effort {
        Effort::Matrices => matrices::structure(ends, options, &pairs, &describes)?,
        _ => None,
    };
    if let Some(structure) = &structure {
        if structure.eigenvalue_shift.is_some() {
            let text = "within a small multiple of n 2^-53 |eigenvalue|: its last digits depend on the machine";
            accuracy.insert(Figure::EigenvalueShift, text.to_owned());
        }
        structure_figures(&mut figures, structure, spec.dtype(), spec.count());
    }
    let places = pairs.places(shape);
    let worst = pairs.worst(shape);
    let (spectrum, plane) = if options.deep && tiles && pairs.pairs() > 0 {
        let at = places.get(&Figure::MaxAbs).map(|e| e.index.clone());
        (pictures::spectrum(ends, options)?, pictures::plane(ends, options, at)?)
    } else {
        (None, None)
    };
    let loss = pairs.loss();
    let (axes, chunks, histogram, magnitudes, autocorrelation) = match neighbours.take() {
        Some(n) => (n.axes, n.chunks, n.histogram, n.magnitudes, n.autocorrelation),
        None => Default::default(),
    };
    Ok(Comparison {
        shape: shape.to_vec(),
        count: loss.count(),
        pairs: pairs.pairs(),
        changed: loss.changed(),
        nan_payload: loss.nan_payload(),
        rel_skipped: pairs.rel_skipped(),
        figures,
        accuracy,
        autocorrelation: autocorrelation.into_iter().map(Number).collect(),
        classes: classes(ends, &pairs)?,
        places,
        worst,
        original,
        restored,
        axes,
        chunks,
        histogram,
        cumulative: pairs.cumulative(),
        magnitudes,
        spectrum,
        structure,
        plane,
    })
}

/// Figures of two arrays' statistics, and those of the second pass.
fn statistics(
    figures: &mut Figures,
    accuracy: &mut BTreeMap<Figure, String>,
    [x, y]: [&mut Describe; 2],
    std: [f64; 2],
    neighbours: Option<&Neighbours>,
) {
    figures.set(Figure::MeanShift, (x.mean() - y.mean()).abs());
    figures.set(Figure::MinShift, (x.range().0 - y.range().0).abs());
    figures.set(Figure::MaxShift, (x.range().1 - y.range().1).abs());
    let Some(found) = neighbours else { return };
    figures.set(Figure::StdShift, (std[0] - std[1]).abs());
    let rmse = figures.get(Figure::Rmse);
    let by_std = if rmse == 0.0 {
        0.0
    } else if std[0] > 0.0 {
        rmse / std[0]
    } else {
        f64::NAN
    };
    figures.set(Figure::NrmseStd, by_std);
    figures.set(Figure::Pearson, found.pearson);
    let largest = found.autocorrelation.iter().copied().filter(|r| !r.is_nan());
    if let Some(largest) = largest.max_by(|a, b| a.abs().total_cmp(&b.abs())) {
        figures.set(Figure::Autocorrelation, largest);
    }
    figures.set(Figure::Ssim, found.ssim);
    figures.set(Figure::Dssim, found.dssim);
    if !found.dssim.is_nan() {
        accuracy.insert(Figure::Dssim, "within 1e-7: its constants of 1e-8 enlarge rounding".to_owned());
    }
    if x.is_rounded() || y.is_rounded() {
        let off = 2f64.powi(-52) * x.range().1.abs().max(x.range().0.abs()) / (2.0 * x.half_range());
        for figure in [Figure::Pearson, Figure::Ssim, Figure::Dssim, Figure::KsDistance, Figure::KsP] {
            accuracy.insert(figure, format!("within {off:.1e}: integers beyond 2^53 are rounded"));
        }
    }
    let (distance, off) = match x.distance(y) {
        Some(distance) => (distance, 0.0),
        // The upper end of what it can be: a limit that this keeps is kept.
        None => ((found.ks.distance + found.ks.error).min(1.0), found.ks.error),
    };
    figures.set(Figure::KsDistance, distance);
    // Twice the effective size of two samples, which for equal ones is the size of either.
    let (nx, ny) = (x.finite() as f64, y.finite() as f64);
    let n = 2.0 * nx * ny / (nx + ny);
    figures.set(Figure::KsP, ks_p(distance, n));
    if off > 0.0 {
        accuracy.insert(Figure::KsDistance, format!("at most {off:.2e} too large"));
        accuracy.insert(Figure::KsP, "of the distance as it was found".to_owned());
    }
}

fn structure_figures(figures: &mut Figures, structure: &Structure, dtype: DType, count: u64) {
    let mut set = |figure, value: Option<f64>| figures.set(figure, value.unwrap_or(f64::NAN));
    set(Figure::Asymmetry, structure.restored_asymmetry);
    set(Figure::EigenvalueShift, structure.eigenvalue_shift);
    set(Figure::RowSumShift, structure.row_sum_shift);
    // Of no element nothing can be said.
    if dtype == DType::Bool
        && count > 0
        && let (Some(a), Some(b)) = (structure.original_popcount, structure.restored_popcount)
    {
        set(Figure::PopcountShift, Some(a.abs_diff(b) as f64));
        let (both, either) = (structure.intersection.unwrap_or(0), structure.union.unwrap_or(0));
        // Two empty masks are alike.
        set(Figure::Iou, Some(if either == 0 { 1.0 } else { both as f64 / either as f64 }));
    }
}

/// Every class with its first element, whose values are read once more.
fn classes(ends: &Ends<'_>, pairs: &crate::metric::Pairs) -> Result<Vec<ClassRow>> {
    let spec = ends.original.spec();
    let mut rows = Vec::with_capacity(Class::ALL.len());
    for (name, found) in pairs.classes() {
        let first = match found.first {
            Some(at) => Some(element(ends, spec, at)?),
            None => None,
        };
        rows.push(ClassRow { name, count: found.count, first });
    }
    Ok(rows)
}

fn element(ends: &Ends<'_>, spec: &Spec, at: u64) -> Result<Element> {
    let value = |source: &dyn Source, steps: usize| -> Result<Scalar> {
        let mut buf = crate::array::Buf::new();
        source.read(&[Span::new(at, 1)], &mut buf, &mut Work::new(steps))?;
        Ok(scalar(spec.dtype(), buf.bytes()))
    };
    Ok(Element {
        index: index_of(spec.shape(), at),
        original: Cell(value(ends.original, ends.original_steps)?),
        restored: Cell(value(ends.restored, ends.restored_steps)?),
    })
}

//! What a comparison of two arrays found, as data: what budgets judge and reports show.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::class::Class;
use super::figure::{Figure, Figures, Number};
use crate::array::Scalar;

/// A value in JSON: a number, a boolean, `[real, imaginary]`; `"nan"`, `"inf"`, `"-inf"` where JSON has no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell(pub Scalar);

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A float that may be NaN or infinite.
        struct Float(f64);
        impl Serialize for Float {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0.is_nan() { serializer.serialize_str("nan") } else { Number(self.0).serialize(serializer) }
            }
        }
        match self.0 {
            Scalar::Bool(b) => serializer.serialize_bool(b),
            Scalar::Int(i) => match (i64::try_from(i), u64::try_from(i)) {
                (Ok(i), _) => serializer.serialize_i64(i),
                (_, Ok(u)) => serializer.serialize_u64(u),
                _ => serializer.serialize_f64(i as f64),
            },
            Scalar::Float(x) => Float(x).serialize(serializer),
            Scalar::Complex(re, im) => [Float(re), Float(im)].serialize(serializer),
        }
    }
}

/// One element of both arrays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Element {
    /// Its n-d index.
    pub index: Vec<u64>,
    /// The original value.
    pub original: Cell,
    /// The restored value.
    pub restored: Cell,
}

/// How often values became another kind of value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassRow {
    /// [`Class::name`].
    #[serde(serialize_with = "class_name")]
    pub name: Class,
    /// How many (parts, for complex numbers).
    pub count: u64,
    /// The first of them in C order.
    pub first: Option<Element>,
}

fn class_name<S: Serializer>(class: &Class, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.name())
}

/// A number that may be infinite.
fn maybe_number<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    number.map(Number).serialize(serializer)
}

/// A count that is exact, or estimated where counting would need the whole array in memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Whether it is exact.
    pub exact: bool,
    /// In words how it was found and how far off it may be, if not exact.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub method: &'static str,
}

/// How much of the dtype's precision an array uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Precision {
    /// Explicit mantissa bits that are not zero in every finite value; `None` for integers.
    pub mantissa_bits: Option<u32>,
    /// Whether float16 holds every value exactly.
    pub float16: bool,
    /// Whether float32 holds every value exactly.
    pub float32: bool,
    /// The fewest decimal digits after the point that give every finite value back; `None` if more than 15.
    pub decimal_digits: Option<u32>,
}

/// One array by itself. Fill values are left out of all but their own count; complex numbers count by modulus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Elements.
    pub count: u64,
    /// Elements that are neither NaN, infinite nor fill values: what the statistics are over.
    pub finite: u64,
    /// The smallest.
    pub min: Number,
    /// The largest.
    pub max: Number,
    /// The mean.
    pub mean: Number,
    /// The standard deviation (over n); `null` where it was not computed.
    pub std: Number,
    /// The smallest magnitude that is not zero.
    pub smallest_nonzero: Number,
    /// Zeros of either sign.
    pub zeros: u64,
    /// NaN.
    pub nan: u64,
    /// +Inf.
    pub pos_inf: u64,
    /// −Inf.
    pub neg_inf: u64,
    /// Fill values.
    pub fill: u64,
    /// Distinct values among the finite ones.
    pub distinct: Option<Estimate>,
    /// Entropy of the finite values as symbols, in bits a value.
    pub entropy: Option<Estimate>,
    /// How much precision is in use.
    pub precision: Option<Precision>,
}

/// Errors of a range of indices along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SliceError {
    /// The first index.
    pub from: u64,
    /// The index after the last; `from + 1` unless the axis is too long to list every index.
    pub to: u64,
    /// The largest absolute error there.
    pub max_abs: f64,
    /// Root of the mean square error there; `null` without finite pairs.
    pub rmse: Number,
}

/// Errors along one axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AxisErrors {
    /// The axis, as NumPy counts it.
    pub axis: usize,
    /// One entry an index, or an equal number of indices.
    pub slices: Vec<SliceError>,
    /// The entry with the largest RMSE; `None` where all errors are 0.
    pub worst: Option<usize>,
}

/// Errors of one chunk of a chunked file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkError {
    /// The index of the chunk's first element.
    pub index: Vec<u64>,
    /// The largest absolute error there.
    pub max_abs: f64,
    /// Root of the mean square error there; `null` without finite pairs.
    pub rmse: Number,
}

/// Errors by the chunks in which the compacted file is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkErrors {
    /// Chunk shape in the original array's axes.
    pub shape: Vec<u64>,
    /// How many chunks.
    pub count: u64,
    /// The worst by largest error, at most [`ChunkErrors::LISTED`].
    pub worst: Vec<ChunkError>,
}

impl ChunkErrors {
    /// Chunks listed at most.
    pub const LISTED: usize = 10;
}

/// Equal bins between two ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// The lower end of the first bin.
    pub from: f64,
    /// The upper end of the last bin.
    pub to: f64,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

/// Error against magnitude: largest and mean absolute error of the values of each binary order of magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MagnitudeError {
    /// Values from 2^exponent on, below 2^(exponent + 1).
    pub exponent: i32,
    /// How many.
    pub count: u64,
    /// Their largest absolute error.
    pub max_abs: f64,
    /// Their mean absolute error.
    pub mean_abs: f64,
}

/// Power of the array and of its errors by frequency, averaged over lines along one axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// The axis, as NumPy counts it.
    pub axis: usize,
    /// Values of one line.
    pub length: usize,
    /// How many lines were averaged.
    pub lines: u64,
    /// Cycles a sample of each entry, from 1/length to 1/2.
    pub frequency: Vec<f64>,
    /// Mean |DFT|² / length of the original.
    pub original: Vec<f64>,
    /// Mean |DFT|² / length of the errors.
    pub error: Vec<f64>,
}

/// A plane of the array as pixels, made smaller where it is large.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// The index of the plane on the leading axes.
    pub index: Vec<u64>,
    /// Rows and columns of the plane itself.
    pub shape: (u64, u64),
    /// Rows and columns of pixels.
    pub pixels: (usize, usize),
    /// Means of the original under each pixel, row by row; NaN where nothing is finite.
    pub original: Vec<f64>,
    /// Means of the restored.
    pub restored: Vec<f64>,
    /// The error of the largest magnitude under each pixel.
    pub error: Vec<f64>,
}

/// Matrices and masks.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Structure {
    /// How many matrices (or masks) the array holds.
    pub matrices: u64,
    /// Rows of one matrix.
    pub n: u64,
    /// Largest |a_ji − a_ij| of the original.
    #[serde(serialize_with = "maybe_number")]
    pub original_asymmetry: Option<f64>,
    /// Largest |a_ji − a_ij| of the restored.
    #[serde(serialize_with = "maybe_number")]
    pub restored_asymmetry: Option<f64>,
    /// Of how many matrices eigenvalues were computed: those with the largest errors.
    pub eigen_matrices: u64,
    /// Largest shift of an eigenvalue.
    pub eigenvalue_shift: Option<f64>,
    /// Its bound (Weyl): the largest 2-norm of the error of those matrices.
    pub error_norm: Option<f64>,
    /// Largest |sum of a row's errors|.
    #[serde(serialize_with = "maybe_number")]
    pub row_sum_shift: Option<f64>,
    /// True values of the original mask.
    pub original_popcount: Option<u64>,
    /// True values of the restored mask.
    pub restored_popcount: Option<u64>,
    /// True in both.
    pub intersection: Option<u64>,
    /// True in either.
    pub union: Option<u64>,
}

/// Everything a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Shape as NumPy shows it.
    pub shape: Vec<u64>,
    /// Elements compared.
    pub count: u64,
    /// Pairs of finite values that are not fill values: what errors are over.
    pub pairs: u64,
    /// Elements whose bits differ; NaN against another NaN is no change.
    pub changed: u64,
    /// Elements that differ only in the bits of a NaN.
    pub nan_payload: u64,
    /// Originals with |x| at most rel_floor, over which no relative error is taken.
    pub rel_skipped: u64,
    /// Every figure.
    pub figures: Figures,
    /// How far figures that are not exact may be off, in words.
    pub accuracy: BTreeMap<Figure, String>,
    /// Autocorrelation of errors at lag 1 along each axis.
    pub autocorrelation: Vec<Number>,
    /// Every class, those that did not occur too.
    pub classes: Vec<ClassRow>,
    /// The elements where a figure is largest.
    pub places: BTreeMap<Figure, Element>,
    /// The worst elements by absolute error, worst first.
    pub worst: Vec<Element>,
    /// Both arrays by themselves.
    pub original: Description,
    /// See `original`.
    pub restored: Description,
    /// Errors along each axis.
    pub axes: Vec<AxisErrors>,
    /// Errors by chunks.
    pub chunks: Option<ChunkErrors>,
    /// Signed errors.
    pub histogram: Option<Histogram>,
    /// Absolute error, and the share of pairs with at most that.
    pub cumulative: Vec<(f64, f64)>,
    /// Error against magnitude.
    pub magnitudes: Vec<MagnitudeError>,
    /// Power spectrum.
    pub spectrum: Option<Spectrum>,
    /// Matrices and masks.
    pub structure: Option<Structure>,
    /// The worst plane, to be drawn.
    #[serde(skip)]
    pub plane: Option<Plane>,
}

impl Comparison {
    /// The element where `figure` has its value.
    pub fn place(&self, figure: Figure) -> Option<&Element> {
        self.places.get(&figure)
    }

    /// How often a class change happened.
    pub fn class(&self, class: Class) -> Option<&ClassRow> {
        self.classes.iter().find(|row| row.name == class)
    }
}

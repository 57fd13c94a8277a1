//! What both kinds of report share: the ends of a run and its steps.

use serde::Serialize;

use crate::array::{DType, Scalar};
use crate::coding::{Bound, Coding};
use crate::metric::LossRecord;
use crate::transform::Step;

/// One end of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Where it is, as written on a command line.
    pub place: String,
    /// `npy`, `npz` or `hdf5`.
    pub format: &'static str,
    /// Dtype.
    pub dtype: DType,
    /// Shape as NumPy or h5py shows it.
    pub shape: Vec<u64>,
    /// Bytes of the elements.
    pub array_bytes: u64,
    /// Bytes on disk, headers included.
    pub stored_bytes: u64,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    /// The recorded step.
    #[serde(flatten)]
    pub step: Step,
    /// The step in a few words.
    pub words: String,
    /// Dtype after it.
    pub dtype: DType,
    /// Shape after it.
    pub shape: Vec<u64>,
    /// Bytes of the elements after it.
    pub bytes: u64,
    /// The largest absolute error that is possible, where the parameters tell it.
    pub bound: Option<f64>,
    /// The largest error relative to the magnitude of a normal value, where the parameters tell it.
    pub bound_rel: Option<f64>,
    /// What this step lost by itself; `None` for an exact step.
    pub loss: Option<LossRecord>,
}

/// The coding of a run, after its steps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CodingReport {
    /// The recorded coding: what it may change, and how hard it tried.
    #[serde(flatten)]
    pub coding: Coding,
    /// The coding in a few words.
    pub words: String,
    /// The shape of a chunk; empty where there is none.
    pub chunk: Vec<u64>,
    /// How many chunks.
    pub chunks: u64,
    /// Bytes of all coded chunks.
    pub bytes: u64,
    /// Finite values that are kept exactly because the bound could not be kept otherwise.
    pub patched: u64,
    /// Chunks that were stored without loss although a bound allowed some.
    pub fell_back: u64,
    /// What was lost from the original to what decoding the chunks and undoing the steps gives; `None` for a lossless coding.
    pub loss: Option<LossRecord>,
}

/// What a coding may change, in a few words: `max abs 1e-3`, or `lossless`.
pub fn bound_words(bound: &Bound) -> String {
    if bound.is_lossless() {
        return "lossless".to_owned();
    }
    let mut words = Vec::new();
    words.extend(bound.max_abs.map(|e| format!("max abs {}", Scalar::Float(e))));
    words.extend(bound.max_rel.map(|e| match bound.rel_floor {
        floor if floor > 0.0 => format!("max rel {} of max(|x|, {})", Scalar::Float(e), Scalar::Float(floor)),
        _ => format!("max rel {}", Scalar::Float(e)),
    }));
    words.extend(bound.mean_square.map(|e| format!("RMSE {} a chunk", Scalar::Float(e.sqrt()))));
    words.join(", ")
}

//! What both kinds of report share: the ends of a run and its steps.

use serde::Serialize;

use crate::array::DType;
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

//! What appending did.

use serde::Serialize;

use crate::array::DType;
use crate::metric::LossRecord;
use crate::report::StepReport;

/// What appending did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Appended {
    /// The array that got more rows.
    pub place: String,
    /// `npy` or `hdf5`.
    pub format: &'static str,
    /// The dtype that a restore gives.
    pub dtype: DType,
    /// Rows that were added.
    pub rows: u64,
    /// The shape that a restore gives now.
    pub shape: Vec<u64>,
    /// Bytes of the file now.
    pub stored_bytes: u64,
    /// Whether the file has a recipe; else it is an ordinary array.
    pub compacted: bool,
    /// Whether the same bits come back.
    pub exact: bool,
    /// The steps, and what each lost on the added rows.
    pub steps: Vec<StepReport>,
    /// What was lost on the added rows, their index counted from the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<LossRecord>,
    /// What was lost on all rows, as it now stands in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossRecord>,
    /// Whether the rows went into the file itself; else a new file replaced it.
    pub in_place: bool,
    /// Whether the array was written anew because it could not grow as it was: a fixed shape, a header without room.
    pub made_anew: bool,
    /// Bytes dropped that an append which was cut short had left.
    pub left_over: u64,
    /// Chunks that got parameters of their own.
    pub refitted: u64,
    /// Whether all was only tried.
    pub dry_run: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

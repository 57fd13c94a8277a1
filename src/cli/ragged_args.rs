//! The arguments of `compact ragged`, and those of `compact restore` for items.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::args::{OUTPUT, OutputArgs, RunArgs, StepArgs};
use super::bounds::CodedArgs;

/// Examples for `ragged`.
pub(super) const EXAMPLES: &str = "\
Examples:
  compact ragged images/ -o images.h5            every .npy file of a folder, img2 before img10
  compact ragged runs.npz -o runs.h5 --f32       the members of an archive, as float32
  compact ragged old.h5:/vlen -o new.h5          h5py's and PyTables' variable-length rows
  compact ragged speech/ -o speech.h5 --max-abs 1e-4
  compact ragged more/ -o images.h5 --append     items behind those that are there
  compact restore images.h5 --item 17 -o x.npy
  compact restore images.h5 --items -5: -o last/
  compact restore images.h5 --items 10:20 -o some.npz

Exit codes: 0 done, 1 the recipe cannot hold the values, 2 all else. After 1 and 2 OUT is as it was.";

#[derive(Debug, Args)]
pub(super) struct RaggedArgs {
    /// Items: folders of .npy files, files, archive.npz, archive.npz:NAME, file.h5:/DATASET
    ///
    /// The items, in this order: the .npy files of a folder and of those inside it, a file, the members of archive.npz, one array
    /// (archive.npz:NAME, file.h5:/DATASET), or the rows of a dataset of variable-length sequences (h5py's vlen_dtype, PyTables' VLArray).
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) inputs: Vec<OsString>,
    /// Add the items behind those that OUT has, through its own recipe
    #[arg(long, help_heading = OUTPUT)]
    pub(super) append: bool,
    #[command(flatten)]
    pub(super) steps: StepArgs,
    #[command(flatten)]
    pub(super) bounds: CodedArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// Which items of a ragged array `compact restore` gives back.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ItemArgs {
    /// One item of a ragged array, as one .npy file; a negative number counts from the end
    #[arg(long, value_name = "I", allow_hyphen_values = true, conflicts_with_all = ["slice", "items"], help_heading = OUTPUT)]
    pub(super) item: Option<i64>,
    /// Items of a ragged array, as NumPy slices one axis ('10:20', '-5:'), into a folder of .npy files or a .npz archive
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, conflicts_with = "slice", help_heading = OUTPUT)]
    pub(super) items: Option<String>,
}

impl ItemArgs {
    /// Whether any item is asked for.
    pub(super) fn are_some(&self) -> bool {
        self.item.is_some() || self.items.is_some()
    }
}

//! The arguments of `compact append`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::args::RunArgs;

/// Examples for `append`.
pub(super) const EXAMPLES: &str = "\
Examples:
  compact append grids.compact.npy day2.npy day3.npy
  compact append run.h5:/packed/data more.npz:grids
  produce | compact append log.h5 -              rows from standard input, as .npy
  compact append grids.h5 day2.npy --dry-run     would all values fit the file's recipe?
  compact append run.npz extra.npy --as mask     one more array in an archive

Exit codes: 0 appended, 1 the recipe cannot hold the values, 2 all else. After 1 and 2 FILE is as it was.";

#[derive(Debug, Args)]
pub(super) struct AppendArgs {
    /// Array that gets more rows: x.npy, x.h5 or x.h5:/group/name, compacted or ordinary; or x.npz, which gets more arrays
    ///
    /// Array that gets more rows: x.npy, x.h5 or x.h5:/group/name, compacted or ordinary. An archive, x.npz, gets MORE as further
    /// arrays, each called as it was in its file or as its file is, with the compression of the archive's last array. It is copied, and
    /// replaced when the copy is whole.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: OsString,
    /// Arrays of rows to append, in this order: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for standard input
    ///
    /// Arrays of rows to append, in this order: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for a .npy file on standard input.
    /// All axes but the first must be those of FILE's array, and so must the dtype; an array of the shape of one row is one row.
    #[arg(value_name = "MORE", required = true, value_hint = ValueHint::FilePath)]
    pub(super) more: Vec<OsString>,
    /// Chunks whose values the recipe cannot hold get parameters of their own (filtered layout)
    ///
    /// In the filtered layout: chunks whose values the recorded steps cannot hold (beyond a fitted range, more bits) get parameters of
    /// their own, fitted to their values; the precision stays. In the plain layout one recipe is for all, and such values are refused.
    #[arg(long)]
    pub(super) refit_chunks: bool,
    /// Name of the array in the archive
    #[arg(long = "as", value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Replace arrays of the archive that have the name of one of MORE
    #[arg(long)]
    pub(super) force: bool,
    /// Say what would be refused and lost, write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

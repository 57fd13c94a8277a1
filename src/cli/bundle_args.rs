//! The arguments of `bundle`, `list` and `extract`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::args::{OUTPUT, RunArgs, StepArgs};
use super::bounds::BoundArgs;
use super::number;
use super::select::Group;
use crate::store::Compression;

/// A size in bytes: `200MB`, `1GiB`, `5000000`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match number::bytes(text) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(format!("{text:?} is no size; write 200MB, 1GiB, or bytes")),
        }
    }
}

/// The codecs of bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BundleCodecArg {
    /// Not compressed
    None,
    /// Every HDF5 program reads it
    Deflate,
    /// Smaller and faster; Python needs `import hdf5plugin`
    Zstd,
}

impl From<BundleCodecArg> for Compression {
    fn from(arg: BundleCodecArg) -> Self {
        match arg {
            BundleCodecArg::None => Compression::None,
            BundleCodecArg::Deflate => Compression::Deflate,
            BundleCodecArg::Zstd => Compression::Zstd,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct BundleArgs {
    /// Files (.npy, .npz, .tar and .tar.gz/.bz2/.xz/.zst of these), folders, patterns
    #[arg(value_name = "INPUTS", value_hint = ValueHint::AnyPath, required_unless_present = "files_from")]
    pub(super) inputs: Vec<PathBuf>,
    /// Also the files and folders in this list, one a line or each ended by NUL; - for standard input
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath)]
    pub(super) files_from: Option<PathBuf>,
    /// Output: .h5 (smallest), .npz, .tar, .tar.gz, .tar.bz2, .tar.xz or .tar.zst; the index goes beside
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(super) output: PathBuf,
    /// About the size of one file of the bundle, after compression
    #[arg(long, value_name = "SIZE", default_value = "200MB")]
    pub(super) target_size: Size,
    #[command(flatten)]
    pub(super) steps: StepArgs,
    #[command(flatten)]
    pub(super) bound: BoundArgs,
    /// The steps and bounds that follow are of the arrays whose names match, and of those alone
    ///
    /// The steps and bounds that follow are of the arrays whose names match, and of those alone; those before the first --select are of
    /// all other arrays. Names are those that `compact list` shows; * is any characters, folders too. Of several that match, the last one
    /// counts; those that follow one another directly share what comes after them. Without any step after it the arrays are kept as they
    /// are.
    #[arg(long, value_name = "PATTERN", help_heading = "Several arrays")]
    pub(super) select: Vec<String>,
    /// The groups of `--select`, which are taken out of the command line before it is read.
    #[arg(skip)]
    pub(super) groups: Vec<Group>,
    /// Compression that other programs have, instead of our coding (.h5), or none (.npz, whose members can then be mapped)
    ///
    /// Compression that other programs have: of .h5 none, deflate (h5py alone reads it) or zstd (h5py with hdf5plugin) instead of our own
    /// coding, which is smaller; of .npz deflate, or none, so that members can be mapped. The ending of a .tar says how it is compressed.
    #[arg(long, value_name = "CODEC", value_enum, help_heading = OUTPUT)]
    pub(super) codec: Option<BundleCodecArg>,
    /// Level of the compression: gzip, bzip2 1-9, xz 0-9, zstd 1-19 (.h5: deflate 1-12, zstd 1-22)
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub(super) level: Option<u8>,
    /// Refuse files that hold no arrays instead of passing over them
    #[arg(long)]
    pub(super) strict: bool,
    /// Delete the inputs, after everything was read back from disk and compared
    #[arg(long)]
    pub(super) remove_sources: bool,
    /// Replace an existing bundle of that name, with all of its files
    #[arg(short, long)]
    pub(super) force: bool,
    /// Read everything and run the steps, compress and write nothing: what would be bundled, passed over, refused
    #[arg(long, conflicts_with = "remove_sources")]
    pub(super) dry_run: bool,
    /// Have files on disk before they get their names
    #[arg(long)]
    pub(super) sync: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The index of a bundle (OUT.index.npz), or a file of the bundle with the index beside
    #[arg(value_name = "INDEX", value_hint = ValueHint::FilePath)]
    pub(super) index: PathBuf,
    /// Only these: names, patterns such as 'runs/*', numbers
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// File, offset, bytes, checksum and steps as well
    #[arg(short, long)]
    pub(super) long: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExtractArgs {
    /// The index of a bundle (OUT.index.npz), or a file of the bundle with the index beside
    #[arg(value_name = "INDEX", value_hint = ValueHint::FilePath)]
    pub(super) index: PathBuf,
    /// Names, patterns such as 'runs/*', or numbers; all arrays where none is given
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Folder to write below; nothing is written outside of it
    #[arg(short, long, value_name = "FOLDER", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(super) output: PathBuf,
    /// Compacted arrays as the bundle holds them, with their recipes, not as they were before
    #[arg(long)]
    pub(super) packed: bool,
    /// Replace existing files
    #[arg(short, long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

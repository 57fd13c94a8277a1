//! The arguments of `bundle`, `list` and `extract`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::args::RunArgs;
use super::number;

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
    /// Level of the compression: gzip, bzip2 1-9, xz 0-9, zstd 1-19
    #[arg(long, value_name = "N")]
    pub(super) level: Option<u8>,
    /// Refuse files that hold no arrays instead of passing over them
    #[arg(long)]
    pub(super) strict: bool,
    /// Delete the inputs, after everything was read back from disk and compared
    #[arg(long)]
    pub(super) remove_sources: bool,
    /// Replace an existing bundle of that name
    #[arg(short, long)]
    pub(super) force: bool,
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
    /// File, offset, bytes and checksum as well
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
    /// Replace existing files
    #[arg(short, long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

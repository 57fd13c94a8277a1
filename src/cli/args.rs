//! The command line, as clap reads it; help, completions and the man page are made of this one definition.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::append_args::{self, AppendArgs};
use super::bits::Bits;
use super::bounds::{BOUNDS, BoundArgs, CodedArgs};
use super::bundle_args::{BundleArgs, ExtractArgs, ListArgs};
use super::help;
use super::limits::LimitArgs;
use super::many_args::{ManyArgs, OnlyArgs};
use super::number::{CacheSize, Memory, Threads};
use super::ragged_args::{self, ItemArgs, RaggedArgs};
use crate::array::Slice;
use crate::transform::{Fill, ScaleOffsetAsk};

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(Style::new());

const STEPS: &str = "Steps";
pub(super) const OUTPUT: &str = "Output";
const RUN: &str = "Run";
pub(super) const LIMITS: &str = "Limits";

#[derive(Debug, Parser)]
#[command(
    name = "compact",
    version,
    about = help::ABOUT,
    long_about = help::LONG_ABOUT,
    override_usage = help::USAGE,
    after_help = help::EXAMPLES,
    after_long_help = help::after_long(),
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    styles = STYLES
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) compact: CompactArgs,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give the original array back, whole or a slice of it
    ///
    /// Gives the original array back from the compacted file alone, with its shape, dtype, byte order and axis order; or a
    /// slice of it, for which only the parts that it needs are read.
    #[command(after_help = help::RESTORE_EXAMPLES, max_term_width = 100)]
    Restore(RestoreArgs),
    /// Add rows to an array's file along its first axis, through the file's own recipe
    ///
    /// Adds the arrays MORE, in their order, to the array in FILE along its first axis. The file keeps its recipe: the rows pass the same steps
    /// with the same parameters, and values that these cannot hold are refused. Until all rows are on disk FILE is what it was.
    #[command(after_help = append_args::EXAMPLES, max_term_width = 100)]
    Append(AppendArgs),
    /// Put arrays of one dtype and many shapes into one file, each got at by itself
    ///
    /// Puts arrays of one dtype, one number of axes and any shapes into one HDF5 file: their values end to end, compressed, with the sizes
    /// and shapes beside (CF's contiguous ragged representation). `compact restore OUT --item 17` gives one of them back, reading only the
    /// chunks under it; `compact restore OUT` all of them.
    #[command(after_help = ragged_args::EXAMPLES, max_term_width = 100)]
    Ragged(RaggedArgs),
    /// Put thousands to millions of small arrays into few large files, with an index
    ///
    /// Puts all arrays of INPUTS into files of about --target-size that ordinary tools read, and writes OUT.index.npz beside, by which
    /// one array is read without the others. An interrupted run goes on where it was with the same command.
    #[command(after_help = help::BUNDLE_EXAMPLES, max_term_width = 100)]
    Bundle(BundleArgs),
    /// Say what a bundle holds
    #[command(max_term_width = 100)]
    List(ListArgs),
    /// Write arrays of a bundle as .npy files, by name, pattern or number
    #[command(max_term_width = 100)]
    Extract(ExtractArgs),
    /// Compare a file with its original: every metric, as a table, a page (.html), .md, .json, .csv or .xml
    ///
    /// Compares what COMPACTED restores to (or holds, if it is an ordinary array: any tool may have made it) with ORIGINAL, read
    /// again from disk, and says what was lost, where, by which step, and whether a budget allows it.
    #[command(after_help = help::REPORT_EXAMPLES, max_term_width = 100)]
    Report(ReportArgs),
    /// Hold a file against limits: one line each, PASSED or FAILED, and an exit code for CI
    ///
    /// Compares what COMPACTED restores to with ORIGINAL, read again from disk, and holds it against limits: those given as flags, or
    /// those of a budget file. Without any limit a compacted file must keep what it says of itself and what its steps make of the original, and an ordinary array must
    /// equal the original. Every change of class (a value became NaN, infinite, zero, of the other sign, ...) fails unless allowed.
    #[command(after_help = help::VERIFY_EXAMPLES, max_term_width = 100)]
    Verify(VerifyArgs),
    /// Say what an array is like and which recipe makes it smallest, with the command to run
    ///
    /// Looks at every value and says what the data already are; then tries candidate recipes on samples, from lossless up, and says
    /// of each: size, errors, speeds, and what reads the file without this program. The last line is the command to run.
    #[command(after_help = help::PLAN_EXAMPLES, max_term_width = 100)]
    Plan(PlanArgs),
    /// Write a starting budget file for an array
    #[command(subcommand, max_term_width = 100)]
    Budget(BudgetCommand),
    /// Say what a file holds, how it was made, what that lost, and how Python opens it
    #[command(max_term_width = 100)]
    Info(InfoArgs),
    /// Print the completion script of a shell
    ///
    /// Prints the completion script of a shell, for example:
    /// compact completions bash > ~/.local/share/bash-completion/completions/compact
    #[command(max_term_width = 100)]
    Completions(CompletionsArgs),
    /// Print the man page, or write one for each subcommand into a folder
    #[command(max_term_width = 100)]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(super) struct CompactArgs {
    /// Array: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for standard input
    ///
    /// The array to compact: file.npy, archive.npz:NAME, file.h5:/DATASET (NetCDF-4 as well), or - for a .npy file on standard
    /// input. Without NAME or /DATASET all arrays of the file are meant, which go into one .npz or HDF5 file.
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::FilePath)]
    pub(super) input: Option<OsString>,
    #[command(flatten)]
    pub(super) steps: StepArgs,
    #[command(flatten)]
    pub(super) bounds: CodedArgs,
    /// Choose the recipe: the smallest file within the bound, as `compact plan` finds it
    ///
    /// Choose the recipe: plan as `compact plan` does, run the best candidate, and hold the whole output against the bound before it
    /// gets its name. Without a bound the recipe is lossless. Each array of a file with several gets a recipe of its own.
    #[arg(long, help_heading = BOUNDS)]
    pub(super) auto: bool,
    #[command(flatten)]
    pub(super) many: ManyArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Budget file (TOML): the output is read again and held against it before it gets its name
    ///
    /// Budget file (TOML, see docs/budgets.md): the output is read again, restored, and held against it before it gets its name.
    /// Over budget means exit code 1, no output, and the finest change of the steps that would keep it.
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub(super) budget: Option<PathBuf>,
    /// Keep the recipe in OUT.compact.json beside a .npy output, not in its header
    #[arg(long, help_heading = OUTPUT)]
    pub(super) sidecar: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// Round to float16: 11 significant bits, up to 65504
    ///
    /// Round float64 or float32 to float16, to nearest, ties to even, bit for bit as NumPy's astype(float16): relative error at
    /// most 2^-11 from 6.1e-5 up, below that an absolute error of at most 3.0e-8. A finite value that would become infinite
    /// (65520 and beyond) is refused unless --overflow allows it.
    #[arg(long, help_heading = STEPS)]
    pub(super) f16: bool,
    /// Round to float32: 24 significant bits, up to 3.4e38
    ///
    /// Round float64 to float32 (complex128 to complex64), to nearest, ties to even, as NumPy's astype: relative error at most
    /// 2^-24 of normal values.
    #[arg(long, help_heading = STEPS)]
    pub(super) f32: bool,
    /// Round to bfloat16: 8 significant bits, up to 3.4e38
    ///
    /// Round float64 or float32 to bfloat16, to nearest, ties to even: relative error at most 2^-8 of normal values. NumPy
    /// has no such dtype: the bits are stored as uint16, which ml_dtypes.bfloat16 views.
    #[arg(long, help_heading = STEPS)]
    pub(super) bf16: bool,
    /// Finite values beyond the range of --f16, --f32 or --bf16: refuse, or make them infinite or the largest finite
    #[arg(long, value_name = "WHAT", value_enum, help_heading = STEPS)]
    pub(super) overflow: Option<OverflowArg>,
    /// Whole steps of 10^-D (or step=S, or the range in N bits), as unsigned integers
    ///
    /// Store x as the unsigned integer round((x - offset) / step) in the fewest whole bytes that hold the data's range. D gives
    /// a step of 10^-D (D may be negative), step=S a step of S in the unit of the data, bits=N the step that spreads the range
    /// over 2^N codes (N at most 32). The error is at most step/2, before the result is rounded to the array's dtype (half a
    /// spacing of the dtype more). Integers with D = 0 come back exactly. NaN, infinities and
    /// the --fill value have codes of their own and come back exactly.
    #[arg(long, value_name = "D|step=S|bits=N", allow_hyphen_values = true, help_heading = STEPS)]
    pub(super) scale_offset: Option<ScaleOffsetAsk>,
    /// Value that marks missing data, for --scale-offset, --keepbits and bounds; comes back exactly
    ///
    /// Value that marks missing data, for --scale-offset, --keepbits and bounds: it is kept out of the range and comes back bit for
    /// bit. Default: the _FillValue or missing_value of an HDF5 or NetCDF-4 input. NaN and infinities need no flag.
    #[arg(long, value_name = "V", allow_hyphen_values = true, help_heading = STEPS)]
    pub(super) fill: Option<Fill>,
    /// Keep one triangle of symmetric matrices (the last two axes)
    ///
    /// Keep one triangle of the matrices that the last two axes form: n x n to n(n+1)/2 values, any leading axes. The same bits
    /// come back; a matrix that is not symmetric in every bit is refused with the largest difference and where it is.
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "upper",
        help_heading = STEPS
    )]
    pub(super) triangle: Option<TriangleArg>,
    /// Largest difference of mirror images that --triangle accepts, in the unit of the data
    ///
    /// Largest difference |a[j,i] - a[i,j]| that --triangle accepts, in the unit of the data. The kept triangle's value then
    /// stands for both, and the report counts what that changed.
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = STEPS)]
    pub(super) symmetry_tol: Option<f64>,
    /// Pack booleans, or integers that fit N bits, along the last axis
    ///
    /// Pack booleans, or integers that fit N bits (1 to 32; default the fewest that fit, 1 for booleans), along the last axis,
    /// each row padded to whole bytes. The same values come back. --bits=order=little puts the first value into the lowest bits;
    /// with N = 1 that is NumPy's packbits(axis=-1, bitorder='little'), and without it packbits(axis=-1).
    #[arg(
        long,
        value_name = "N,order=little",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = STEPS
    )]
    pub(super) bits: Option<Bits>,
    /// Round floats to N mantissa bits; dtype unchanged, compresses better
    ///
    /// Round the mantissa of floats to N explicit bits, to nearest, ties to even: relative error at most 2^-(N+1). The dtype
    /// stays, so it saves room only with a --codec or a narrower float. No finite value becomes infinite; NaN is not touched.
    #[arg(long, value_name = "N", help_heading = STEPS)]
    pub(super) keepbits: Option<u8>,
    /// Steps from a JSON file, in the order given there
    ///
    /// Take the steps from a JSON file, in the order given there: a list such as [{"step": "triangle"}, {"step": "cast", "to":
    /// "float16"}], or an object with such a list under "steps", as `compact info --json` prints.
    #[arg(
        long,
        value_name = "FILE.json",
        value_hint = ValueHint::FilePath,
        help_heading = STEPS,
        conflicts_with_all = ["f16", "f32", "bf16", "overflow", "scale_offset", "triangle", "symmetry_tol", "bits", "keepbits"]
    )]
    pub(super) recipe: Option<PathBuf>,
}

impl StepArgs {
    /// Whether no step is asked for; a fill value is none.
    pub(super) fn are_none(&self) -> bool {
        let Self { f16, f32, bf16, overflow, scale_offset, fill: _, triangle, symmetry_tol, bits, keepbits, recipe } =
            self;
        !(*f16 || *f32 || *bf16)
            && overflow.is_none()
            && scale_offset.is_none()
            && triangle.is_none()
            && symmetry_tol.is_none()
            && bits.is_none()
            && keepbits.is_none()
            && recipe.is_none()
    }
}

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Output: out.npy, out.npz, out.h5, out.h5:/group/name, or a folder
    ///
    /// Output: out.npy, out.npz, out.h5, out.h5:/group/name (added to the file if it exists, whose other content stays), or a folder.
    /// Default: beside the input, NAME.compact.npy or NAME.compact.h5; for restore NAME.npy, or NAME.restored.npy if that exists; .npz
    /// for all arrays of a .npz file.
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::AnyPath, help_heading = OUTPUT)]
    pub(super) output: Option<OsString>,
    /// Compression of HDF5 and .npz output [default: none]
    ///
    /// Compression of HDF5 and .npz output. NumPy reads .npz with none or deflate; with zstd it needs Python 3.14.
    #[arg(long, value_name = "CODEC", value_enum, help_heading = OUTPUT)]
    pub(super) codec: Option<CodecArg>,
    /// How hard --codec works: deflate 1 to 12 [default: 4; .npz 1 to 9, 6], zstd 1 to 22 [default: 3]
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub(super) level: Option<u8>,
    /// Replace an output that exists, once the new one is complete
    #[arg(long, help_heading = OUTPUT)]
    pub(super) force: bool,
    /// Wait until the output is on disk, not only in the system's cache
    #[arg(long, help_heading = OUTPUT)]
    pub(super) sync: bool,
    /// Find all sizes and errors, write nothing
    #[arg(long, help_heading = OUTPUT)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Worker threads [default: as many as there are cores]
    #[arg(long, value_name = "N", help_heading = RUN)]
    pub(super) threads: Option<Threads>,
    /// Bound on the memory of blocks in flight, e.g. 256MiB, 1GB or bytes; at least 16MiB
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = RUN)]
    pub(super) memory: Memory,
    /// Print the result as one JSON object, with exact bytes
    ///
    /// Print the result as one JSON object on standard output, sizes in bytes: "status" is "ok", or "error" with "kind" and
    /// "message".
    #[arg(long, help_heading = RUN)]
    pub(super) json: bool,
    /// No table and no progress bar; errors are still printed
    #[arg(short, long, help_heading = RUN)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Array: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for standard input
    ///
    /// The array: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for a .npy file on standard input. Without NAME or /DATASET every array
    /// of the file is planned by itself.
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub(super) input: OsString,
    #[command(flatten)]
    pub(super) bound: BoundArgs,
    /// Budget file (TOML): candidates that break it on the samples are not chosen
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath, help_heading = BOUNDS)]
    pub(super) budget: Option<PathBuf>,
    /// Value that marks missing data [default: what the file declares, or what is found]
    #[arg(long, value_name = "V", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) fill: Option<Fill>,
    /// Output that the command is for: only candidates of its kind (.npy or .h5) are tried; nothing is written
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::AnyPath, help_heading = OUTPUT)]
    pub(super) output: Option<OsString>,
    /// Try every candidate on the whole array: exact sizes, many times slower
    #[arg(long, help_heading = RUN)]
    pub(super) whole: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// Compacted file: x.compact.npy, x.h5, x.h5:/group/name, or - for a .npy or .npz on standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) input: OsString,
    /// Only this part, in NumPy's syntax: '0:10,:,3' or '...,::2'; may be given several times
    ///
    /// Only this part, in NumPy's syntax: '0:10,:,3' or '...,::2'; of ordinary arrays as well. Only the bytes or chunks that it needs are
    /// read. Given several times, each part goes to a file of its own: NAME.slice.npy, NAME.slice-2.npy, ..., or with -o OUT.npy to
    /// OUT-1.npy, OUT-2.npy, ...
    #[arg(long, value_name = "SLICE", allow_hyphen_values = true, help_heading = OUTPUT)]
    pub(super) slice: Vec<Slice>,
    /// Memory for decoded chunks while slices are read, e.g. 32MiB or 0; chunks that slices share are decoded once
    #[arg(long, value_name = "SIZE", default_value = "32MiB", help_heading = RUN)]
    pub(super) cache: CacheSize,
    #[command(flatten)]
    pub(super) only: OnlyArgs,
    #[command(flatten)]
    pub(super) items: ItemArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// What both `report` and `verify` compare.
#[derive(Debug, Args)]
pub(super) struct PairArgs {
    /// The array as it was: file.npy, archive.npz:NAME, file.h5:/DATASET, or - for standard input
    #[arg(value_name = "ORIGINAL", value_hint = ValueHint::FilePath)]
    pub(super) original: OsString,
    /// What became of it: a compacted file, or any array file of the same shape and dtype
    #[arg(value_name = "COMPACTED", value_hint = ValueHint::FilePath)]
    pub(super) compacted: OsString,
    /// Value that marks missing data: changes to and from it are told apart, and it enters no other metric
    ///
    /// Value that marks missing data: changes to and from it are told apart, and it enters no other metric. Default: what the
    /// files declare (_FillValue of HDF5 and NetCDF-4, the recipe's fill value).
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    pub(super) fill: Option<Fill>,
    /// Worst elements to list
    #[arg(long, value_name = "K", default_value_t = 10)]
    pub(super) worst: u16,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) pair: PairArgs,
    /// Budget file (TOML) to hold it against: docs/budgets.md
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub(super) budget: Option<PathBuf>,
    /// File to write: .html .md .json .csv .xml (JUnit); may be given several times. Rows are added to an existing .csv
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Vec<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) pair: PairArgs,
    /// Budget file (TOML); where a flag sets the same limit, the stricter of the two holds
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath, help_heading = LIMITS)]
    pub(super) budget: Option<PathBuf>,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    /// Write the result as JUnit XML
    #[arg(long, value_name = "FILE.xml", value_hint = ValueHint::FilePath)]
    pub(super) junit: Option<PathBuf>,
    /// Replace the JUnit file if it exists
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum BudgetCommand {
    /// Write a filled-in starting budget from an array's own scale
    Init(InitArgs),
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The array (or a .npz or HDF5 file, for all of its arrays)
    #[arg(value_name = "ARRAY", value_hint = ValueHint::FilePath)]
    pub(super) input: OsString,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
    /// Value that marks missing data
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    pub(super) fill: Option<Fill>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// File: x.npy, x.npz, x.npz:NAME, x.h5, x.h5:/DATASET, or - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) input: OsString,
    /// Print one JSON object, with exact bytes
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Folder for compact.1, compact-restore.1, ...; without it compact.1 is printed
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OverflowArg {
    /// Refuse the run and say how many, the first, the largest
    Error,
    /// Make them infinite, as NumPy does
    Inf,
    /// Make them the largest finite value of their sign
    Saturate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TriangleArg {
    /// Symmetric; in the order of np.triu_indices(n)
    Upper,
    /// Symmetric; in the order of np.tril_indices(n)
    Lower,
    /// Symmetric with a constant diagonal, kept once; n(n-1)/2 values
    Strict,
    /// Skew-symmetric, a[j,i] = -a[i,j]; n(n-1)/2 values
    Skew,
    /// Complex, a[j,i] = conj(a[i,j])
    Hermitian,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CodecArg {
    /// Not compressed
    None,
    /// Every HDF5 program reads it
    Deflate,
    /// Smaller and faster; Python needs `import hdf5plugin`
    Zstd,
    /// Fastest; Python needs `import hdf5plugin`
    Lz4,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn negative_values_are_values_and_not_flags() {
        let cli = Cli::try_parse_from(["compact", "a.npy", "--fill", "-9999", "--scale-offset", "-2"]).unwrap();
        assert_eq!(cli.compact.steps.fill, Some(Fill::Int(-9999)));
        assert_eq!(cli.compact.steps.scale_offset, Some(ScaleOffsetAsk::digits(-2)));
        let cli = Cli::try_parse_from(["compact", "a.npy", "--fill", "-1e20", "--scale-offset=-2"]).unwrap();
        assert_eq!(cli.compact.steps.fill, Some(Fill::Float(-1e20)));
    }

    #[test]
    fn flags_with_optional_values_do_not_swallow_the_input() {
        let cli = Cli::try_parse_from(["compact", "--triangle", "--bits", "a.npy"]).unwrap();
        assert_eq!(cli.compact.input, Some("a.npy".into()));
        assert_eq!(cli.compact.steps.triangle, Some(TriangleArg::Upper));
        let cli = Cli::try_parse_from(["compact", "--triangle=lower", "--bits=3,order=little", "./info"]).unwrap();
        assert_eq!(cli.compact.input, Some("./info".into()));
        assert_eq!(cli.compact.steps.triangle, Some(TriangleArg::Lower));
    }

    #[test]
    fn a_subcommand_needs_no_input_of_the_main_command() {
        assert!(Cli::try_parse_from(["compact", "info", "a.npy"]).is_ok());
        assert!(Cli::try_parse_from(["compact", "--f16"]).is_err());
        assert!(Cli::try_parse_from(["compact", "a.npy", "--recipe", "r.json", "--f16"]).is_err());
    }
}

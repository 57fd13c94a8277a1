//! The longer texts of `--help` and of the man page.

/// One line on what the program is.
pub(super) const ABOUT: &str = "Make an array file small by reversible steps, and say exactly what was lost";

/// What the program is, for `--help`.
pub(super) const LONG_ABOUT: &str = "\
Make an array file (.npy, .npz, HDF5, NetCDF-4) small by reversible steps, and say exactly what was lost.

The output is an ordinary .npy, .npz or HDF5 file of the packed values, which NumPy or h5py open without this program. It knows how to be undone: `compact restore` needs that file alone. Every run compares all restored values with the original ones and prints the largest error, where it is, the RMSE, and every value that became NaN, infinite, zero or changed its sign. What the steps cannot carry is refused before anything is written.

With a bound (--max-abs 1e-3 and the like) in place of a precision, every value comes back within it, and the output is HDF5 of the original's dtype and shape, each chunk coded behind a filter of this program.

A .npz or HDF5 file without :NAME means all its arrays: they go into one file, and --select gives some of them steps of their own.\n\nSteps may be given in any order; they run in this one: triangle, keepbits, scale-offset, f16/f32/bf16, bits. --recipe gives another order. Without any step the array is converted from one kind of file to another.";

/// How the command is called.
pub(super) const USAGE: &str = "\
compact INPUT [STEPS] [BOUNDS] [-o OUT]
       compact restore FILE [-o OUT] [--slice '0:10,:,3']
       compact append FILE MORE...
       compact report ORIGINAL FILE [--budget B.toml] [-o page.html]
       compact verify ORIGINAL FILE [--max-abs E | --budget B.toml] [--junit out.xml]
       compact plan INPUT [--max-abs E] [--budget B.toml]
       compact budget init ARRAY
       compact bundle INPUTS -o OUT | list INDEX | extract INDEX NAME
       compact info FILE
       compact completions SHELL | man [-o FOLDER]";

/// Real calls, for `-h` and `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  compact grids.npy --triangle --f16             symmetric matrices as float16 triangles
  compact grids.npy --triangle --f16 -o grids.h5 --codec zstd
  compact temp.nc:/t2m --scale-offset 2          0.01 steps; NaN and _FillValue come back
  compact temp.npy --max-abs 1e-3                every value within 0.001, as small as it gets
  compact mask.npy --bits                        booleans, 8 to the byte
  compact runs.npz:weights --bf16 --dry-run      what it would save and cost, unwritten
  compact a.npz --f16 --select 'mask_*' --bits -o b.npz   all arrays, masks to bits
  compact plan grids.npy --max-abs 1e-4          what would be smallest, and the command
  compact grids.npy --auto --max-abs 1e-4        the smallest file that keeps 1e-4
  compact restore grids.compact.npy              the original shape and dtype again
  compact restore grids.h5 --slice '0:10,:,3' -o part.npy
  compact append grids.compact.npy day2.npy      more rows, through the file's own recipe
  compact ragged images/ -o images.h5            arrays of many shapes in one file
  compact restore images.h5 --item 17 -o x.npy   one of them
  compact info grids.compact.npy                 what it is and how Python opens it";

/// What the short help leaves out.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the data refuse (not symmetric, out of range, ...); nothing was written
  2  wrong command line, recipe or file, or the operating system refused; no output was left

Files:
  Sizes are in SI units: 1 MB = 1,000,000 bytes. The original is never changed. An output appears under its name whole or not at all, and replaces nothing without --force. An input called like a command (`info`, `report`, ...) is given with its folder: ./info.";

/// What follows the long help.
pub(super) fn after_long() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

/// Examples for `report`.
pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  compact report grids.npy grids.compact.npy                  a table
  compact report grids.npy grids.h5 --budget grids.toml -o grids.html -o grids.md
  compact report before.nc:/t2m after.nc:/t2m -o all.csv      one row more

Exit codes, with --budget: 0 within budget, 1 over budget, 2 could not check.";

/// Examples for `verify`.
pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  compact verify grids.npy grids.compact.npy --max-abs 0.01 --psnr 60
  compact verify grids.npy grids.compact.npy                  does it keep what it says of itself?
  compact verify run.npz run.h5 --budget run.toml --junit out.xml

Exit codes: 0 within all limits, 1 over one, 2 could not check (files that differ in shape or dtype, a limit on what is not
defined, a budget with a mistake).";

/// Examples for `plan`.
pub(super) const PLAN_EXAMPLES: &str = "\
Examples:
  compact plan grids.npy                         lossless candidates, and what bounds would give
  compact plan temp.nc:/t2m --max-abs 0.01       the smallest that keeps every value within 0.01
  compact plan run.npz:weights --budget run.toml
  compact plan grids.npy -o grids.npy.small.npy  .npy candidates alone

`compact INPUT --auto` with the same bound runs the best one and checks the whole array.";

/// Examples for `bundle`.
pub(super) const BUNDLE_EXAMPLES: &str = "\
Examples:
  compact bundle runs/ -o runs.h5                smallest: coded without loss
  compact bundle runs/ old.tar.gz -o all.tar.zst --target-size 1GB
  compact bundle runs/ -o runs.tar.zst --select '*/mask' --bits --select '*/grid' --triangle --f16
  compact bundle runs/ -o runs.h5 --max-abs 1e-3 --select '*/ids'
  find . -name '*.npy' -print0 | compact bundle --files-from - -o all.npz
  compact list all.index.npz 'runs/*'
  compact extract all.index.npz runs/0017 -o /tmp
  compact restore all.index.npz:runs/0017 -o one.npy";

/// Examples for `restore`.
pub(super) const RESTORE_EXAMPLES: &str = "\
Examples:
  compact restore grids.compact.npy              writes grids.npy, or grids.restored.npy
  compact restore grids.compact.npy -o /data/    into a folder
  compact restore grids.h5:/packed/data --slice '...,-1' -o last.npy
  compact restore b.npz -o a.npz                 all arrays of an archive
  compact restore images.h5 --items -5: -o last/ items of a ragged array, each a .npy file
  compact restore grids.compact.npy --dry-run    checks that it can be restored";

//! From the flags of output and run to what the engine is told.

use super::args::{CodecArg, OutputArgs, RunArgs};
#[cfg(feature = "hdf5")]
use super::bounds::Chunks;
use super::names;
use crate::engine::{Progress, Resources, Target};
use crate::error::{Result, refuse};
use crate::store::{Format, NpzCodec, Packing, Place, Replace};

/// Threads and memory as asked for, and whom to tell how far it is.
pub(super) fn resources<'a>(run: &RunArgs, progress: Option<&'a (dyn Fn(Progress) + Sync)>) -> Resources<'a> {
    let usual = Resources::default();
    Resources {
        threads: run.threads.map_or(usual.threads, |t| t.0),
        memory: run.memory.0,
        progress,
        // Ctrl-C ends the process as it stands: outputs have no name until they are complete.
        cancel: None,
    }
}

/// Whether an existing output may be replaced.
pub(super) fn replace(output: &OutputArgs) -> Replace {
    if output.force { Replace::Allowed } else { Replace::Never }
}

/// Where the run writes to: nowhere in a dry run.
pub(super) fn target(output: &OutputArgs, place: Option<Place>) -> Target {
    match place {
        Some(place) if !output.dry_run => Target::Place(place),
        _ => Target::DryRun,
    }
}

/// Where the output goes to; `None` for a dry run of what has no name.
pub(super) fn place(
    input: &Place,
    output: &OutputArgs,
    name: impl FnOnce(&Place) -> Result<Place>,
) -> Result<Option<Place>> {
    if output.dry_run && output.output.is_none() && names::is_stdin(input) {
        return Ok(None);
    }
    name(input).map(Some)
}

/// Refuses flags that the output's kind of file has no use for.
pub(super) fn check(output: &OutputArgs, sidecar: bool, place: Option<&Place>) -> Result<()> {
    if let (Some(level), None) = (output.level, output.codec) {
        return refuse!(Usage, "--level {level} does nothing without --codec; add --codec deflate or --codec zstd");
    }
    let Some(place) = place else { return Ok(()) };
    match Format::of_name(&place.path) {
        Some(Format::Npy) if output.codec.is_some_and(|c| c != CodecArg::None) => {
            let h5 = place.path.with_extension("h5");
            refuse!(Usage, "{place}: --codec is for HDF5, a .npy file is never compressed; give -o {}", h5.display())
        }
        Some(Format::Hdf5) if sidecar => {
            refuse!(Usage, "{place}: --sidecar is for .npy, an HDF5 file has the recipe in attributes; leave it out")
        }
        Some(Format::Npz) if sidecar => {
            refuse!(Usage, "{place}: --sidecar is for .npy, an archive has the recipe with each array; leave it out")
        }
        _ => Ok(()),
    }
}

/// How members of `.npz` output are compressed, if that is what `place` is.
pub(super) fn npz(output: &OutputArgs, place: Option<&Place>) -> Result<Packing> {
    let codec = match output.codec.unwrap_or(CodecArg::None) {
        _ if place.is_none_or(|p| Format::of_name(&p.path) != Some(Format::Npz)) => return Ok(Packing::default()),
        CodecArg::None => NpzCodec::None,
        CodecArg::Deflate => NpzCodec::Deflate,
        CodecArg::Zstd => NpzCodec::Zstd,
        CodecArg::Lz4 => {
            return refuse!(Usage, "--codec lz4 is for HDF5, no .npz has it; take deflate, or zstd for Python 3.14");
        }
    };
    codec.with(output.level)
}

/// How HDF5 output is stored.
#[cfg(feature = "hdf5")]
pub(super) fn hdf5(output: &OutputArgs, chunks: Option<&Chunks>) -> Result<crate::store::hdf5::Options> {
    use crate::store::hdf5::{Codec, Options};
    let codec = match output.codec.unwrap_or(CodecArg::None) {
        CodecArg::None => Codec::None,
        CodecArg::Deflate => Codec::Deflate,
        CodecArg::Zstd => Codec::Zstd,
        CodecArg::Lz4 => Codec::Lz4,
    };
    codec.level(output.level)?;
    let chunk_bytes = match chunks {
        Some(Chunks::Bytes(bytes)) => *bytes,
        _ => Options::default().chunk_bytes,
    };
    Ok(Options { codec, level: output.level, chunk_bytes, ..Options::default() })
}

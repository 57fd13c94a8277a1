//! Volumes of HDF5: arrays that are stored alike end to end in one dataset, in chunks that are coded on all cores.

#[cfg(feature = "hdf5")]
mod run;
#[cfg(feature = "hdf5")]
mod stream;
#[cfg(feature = "hdf5")]
mod volume;

#[cfg(feature = "hdf5")]
pub(super) use run::run;

use super::choice::{BundleSteps, limits};
use crate::error::{Result, refuse};
use crate::store::Compression;

/// The dataset of the elements in a group of a volume.
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "there is no HDF5 to read"))]
pub(super) fn values_of(group: &str) -> String {
    format!("/{group}/values")
}

/// The dataset of the recipes in a group of a volume.
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "there is no HDF5 to read"))]
pub(super) fn recipes_of(group: &str) -> String {
    format!("/{group}/recipes")
}

/// The codec of chunks and its level; `None` for our own coding.
pub(super) type Coder = Option<(Compression, u8)>;

/// The codec of chunks as asked for. Refuses what an HDF5 bundle cannot be told.
pub(super) fn coder<'a>(
    codec: Option<Compression>,
    level: Option<u8>,
    all: impl Iterator<Item = &'a BundleSteps>,
) -> Result<Coder> {
    if cfg!(not(feature = "hdf5")) {
        return refuse!(Unsupported, "this build has no HDF5; build with the feature `hdf5`, or take .tar.zst");
    }
    let Some(codec) = codec else {
        return match level {
            Some(level) => refuse!(
                Usage,
                "--level {level} does nothing without --codec: HDF5 bundles are coded, and --effort says how hard; leave it out"
            ),
            None => Ok(None),
        };
    };
    if let Some(ask) = all.filter_map(|s| s.coding.as_ref()).next() {
        return refuse!(
            Usage,
            "--codec {} and a bound ({}): a bound needs coded chunks, which are the compression; leave one of them out",
            codec.name(),
            limits(ask).join(", ")
        );
    }
    if !matches!(codec, Compression::None | Compression::Deflate | Compression::Zstd) {
        return refuse!(Usage, "HDF5 bundles know the codecs none, deflate and zstd, not {}", codec.name());
    }
    #[cfg(feature = "hdf5")]
    let level = of_hdf5(codec).level(level)?;
    #[cfg(not(feature = "hdf5"))]
    let level = codec.level(level)?;
    Ok(Some((codec, level)))
}

/// As HDF5's filters are called.
#[cfg(feature = "hdf5")]
fn of_hdf5(codec: Compression) -> crate::store::hdf5::Codec {
    use crate::store::hdf5::Codec;
    match codec {
        Compression::Deflate => Codec::Deflate,
        Compression::Zstd => Codec::Zstd,
        _ => Codec::None,
    }
}

#[cfg(not(feature = "hdf5"))]
pub(super) fn run(
    _: &mut super::run::Run<'_>,
    _: &mut super::feed::Feed<'_>,
    _: super::volume::Room,
    _: super::make::How<'_>,
    _: super::rows::Rows,
    _: &mut super::run::Count<'_>,
) -> Result<(super::rows::Rows, super::run::Skipped)> {
    refuse!(Unsupported, "this build has no HDF5")
}

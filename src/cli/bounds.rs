//! From the flags of bounds to the coding that is asked for.

use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::args::{CodecArg, OutputArgs};
use super::number::bytes;
use crate::coding::{CodingAsk, Effort};
use crate::error::{Error, Result, refuse};
use crate::store::{Format, Place};

pub(super) const BOUNDS: &str = "Bounds";

/// What may be lost, and how hard to try.
#[derive(Debug, Clone, Copy, Default, PartialEq, Args)]
pub(super) struct BoundArgs {
    /// Largest absolute error: |x - y| at most E, of every finite value; 0 for lossless coding
    ///
    /// Largest absolute error: |x - y| is at most E for every finite value, in the unit of the data. Checked on what decoding gives
    /// before anything is written; what would break it is kept exactly. NaN, infinities and fill values come back exactly. 0 codes
    /// without any loss, bit for bit. Implies --layout filtered, as all bounds do; several hold together.
    #[arg(long, value_name = "E", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) max_abs: Option<f64>,
    /// Largest relative error: |x - y| at most E * |x|
    ///
    /// Largest relative error: |x - y| is at most E * max(|x|, F), where F is --rel-floor, or 0.
    #[arg(long, value_name = "E", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) max_rel: Option<f64>,
    /// Magnitude below which --max-rel is relative to it [default: 0]
    #[arg(long, value_name = "F", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) rel_floor: Option<f64>,
    /// Largest absolute error as a part of the range of the finite values
    ///
    /// Largest absolute error as a part of the range (largest - smallest finite value of the whole array, fill value left out).
    #[arg(long, value_name = "E", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) max_range_rel: Option<f64>,
    /// Peak signal to noise ratio of at least DB decibels: 20 log10(range / RMSE)
    ///
    /// Peak signal to noise ratio of at least DB decibels: 20 log10(range / RMSE), the range being that of the whole array's finite
    /// values. It limits the mean of squares, not the error of a single value.
    #[arg(long, value_name = "DB", allow_hyphen_values = true, help_heading = BOUNDS)]
    pub(super) psnr: Option<f64>,
    /// How hard to try to make it small, 1 (fastest) to 9 [default: 5]
    #[arg(long, value_name = "1..9", help_heading = BOUNDS)]
    pub(super) effort: Option<Effort>,
}

/// What may be lost, and how the coded output is laid out.
#[derive(Debug, Args)]
pub(super) struct CodedArgs {
    #[command(flatten)]
    pub(super) bound: BoundArgs,
    /// How the output is laid out: plain, or filtered [default: filtered with a bound, else plain]
    #[arg(long, value_name = "LAYOUT", value_enum, help_heading = BOUNDS)]
    pub(super) layout: Option<LayoutArg>,
    /// Shape of the chunks, as 64,64,64, or their largest size, as 1MiB [default: 2MiB]
    ///
    /// Shape of the chunks, one number an axis, as 64,64,64; or their largest size, as 1MiB: they are then as few as possible, even
    /// and thick. Each is coded by itself, and reading a part of the array decodes the chunks that it touches.
    #[arg(long, value_name = "SHAPE|SIZE", help_heading = BOUNDS)]
    pub(super) chunks: Option<Chunks>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LayoutArg {
    /// The packed values: NumPy and h5py open them without this program
    Plain,
    /// HDF5 of the original's dtype and shape, each chunk coded behind a filter of this program
    Filtered,
}

/// The value of `--chunks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunks {
    Bytes(u64),
    Shape(Vec<u64>),
}

impl FromStr for Chunks {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // A bare number is one of elements, as everywhere else: chunks of so many bytes are asked for with a unit.
        if text.contains(',') || text.bytes().all(|b| b.is_ascii_digit()) {
            let parts = text.trim_end_matches(',').split(',');
            let shape: Option<Vec<u64>> = parts.map(|d| d.trim().parse().ok().filter(|d| *d > 0)).collect();
            return match shape {
                Some(shape) => Ok(Self::Shape(shape)),
                None => refuse!(Usage, "{text:?} is no shape of chunks; write e.g. 64,64,64, or a size such as 1MiB"),
            };
        }
        match bytes(text) {
            Some(0) | None => {
                refuse!(Usage, "{text:?} is neither a size (1MiB) nor a shape (64,64,64; 64, for one axis)")
            }
            Some(bytes) => Ok(Self::Bytes(bytes)),
        }
    }
}

impl BoundArgs {
    /// What is asked for, with or without a limit.
    fn wish(&self) -> Result<CodingAsk> {
        let BoundArgs { max_abs, max_rel, rel_floor, max_range_rel, psnr, effort } = *self;
        let ask = CodingAsk { max_abs, max_rel, rel_floor, max_range_rel, psnr, effort: effort.unwrap_or_default() };
        ask.check()?;
        Ok(ask)
    }

    /// What is asked for where all is coded in any case, so that an effort alone is of use; `None` where nothing is given.
    ///
    /// # Errors
    /// As [`BoundArgs::ask`].
    pub(super) fn ask_or_effort(&self) -> Result<Option<CodingAsk>> {
        let ask = self.wish()?;
        Ok(Some(ask).filter(|_| self.has_bound() || self.effort.is_some()))
    }

    fn has_bound(&self) -> bool {
        [self.max_abs, self.max_rel, self.max_range_rel, self.psnr].iter().any(Option::is_some)
    }

    /// What is asked for; `None` where no limit is given (an effort alone is none).
    ///
    /// # Errors
    /// `Usage` for numbers that cannot be limits.
    pub(super) fn ask(&self) -> Result<Option<CodingAsk>> {
        let ask = self.wish()?;
        Ok(self.has_bound().then_some(ask))
    }
}

impl CodedArgs {
    /// Whether the output is to be in the filtered layout.
    pub(super) fn is_filtered(&self) -> bool {
        self.bound.has_bound() || self.layout == Some(LayoutArg::Filtered)
    }

    /// What is asked of the coding; `None` for the plain layout.
    pub(super) fn ask(&self) -> Result<Option<CodingAsk>> {
        let ask = self.bound.wish()?;
        if self.bound.has_bound() && self.layout == Some(LayoutArg::Plain) {
            return refuse!(Usage, "a bound needs coded chunks, and --layout plain has none; leave one of them out");
        }
        if let (false, Some(effort)) = (self.is_filtered(), self.bound.effort) {
            return refuse!(
                Usage,
                "--effort {effort} does nothing without a bound or --layout filtered; add one of them"
            );
        }
        Ok(self.is_filtered().then_some(ask))
    }

    /// Refuses what does not go with the filtered layout.
    pub(super) fn check(&self, output: &OutputArgs, place: Option<&Place>) -> Result<()> {
        if !self.is_filtered() {
            if let Some(Chunks::Shape(_)) = self.chunks {
                return refuse!(
                    Usage,
                    "--chunks gives the chunks of the filtered layout a shape; add --layout filtered or a bound, or give a size"
                );
            }
            if let Some(place) =
                place.filter(|p| self.chunks.is_some() && Format::of_name(&p.path) != Some(Format::Hdf5))
            {
                return refuse!(Usage, "{place}: --chunks is for HDF5, .npy and .npz files have none; leave it out");
            }
            return Ok(());
        }
        if output.codec.is_some_and(|c| c != CodecArg::None) {
            return refuse!(
                Usage,
                "--codec does nothing in the filtered layout: the coding is the compression; leave it out"
            );
        }
        if let Some(place) = place.filter(|p| matches!(Format::of_name(&p.path), Some(Format::Npy | Format::Npz))) {
            return refuse!(
                Usage,
                "{place}: coded chunks have lengths of their own, which .npy and .npz cannot hold; use -o {}",
                place.path.with_extension("h5").display()
            );
        }
        Ok(())
    }

    /// The filtered layout as asked for.
    #[cfg(feature = "hdf5")]
    pub(super) fn coded(&self) -> Result<Option<crate::engine::CodedOptions>> {
        use crate::store::hdf5::ChunkAsk;
        let chunks = match &self.chunks {
            None => ChunkAsk::Auto,
            Some(Chunks::Bytes(bytes)) => ChunkAsk::Bytes(*bytes),
            Some(Chunks::Shape(shape)) => ChunkAsk::Shape(shape.clone()),
        };
        Ok(self.ask()?.map(|ask| crate::engine::CodedOptions { ask, chunks }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_alone_is_no_bound_and_nonsense_is_refused() {
        assert_eq!(BoundArgs { effort: Some(Effort::MOST), ..BoundArgs::default() }.ask().unwrap(), None);
        let ask = BoundArgs { max_abs: Some(1e-3), ..BoundArgs::default() }.ask().unwrap().unwrap();
        assert_eq!((ask.max_abs, ask.effort), (Some(1e-3), Effort::default()));
        assert!(BoundArgs { max_rel: Some(-1.0), ..BoundArgs::default() }.ask().is_err());
        assert!(BoundArgs { rel_floor: Some(1.0), ..BoundArgs::default() }.ask().is_err());
    }

    #[test]
    fn chunks_are_a_shape_or_a_size() {
        assert_eq!("64,8".parse::<Chunks>().ok(), Some(Chunks::Shape(vec![64, 8])));
        assert_eq!("64,".parse::<Chunks>().ok(), Some(Chunks::Shape(vec![64])));
        assert_eq!("640".parse::<Chunks>().ok(), Some(Chunks::Shape(vec![640])));
        assert!("0".parse::<Chunks>().is_err() && "".parse::<Chunks>().is_err());
        assert_eq!("1MiB".parse::<Chunks>().ok(), Some(Chunks::Bytes(1 << 20)));
        for bad in ["", "0", "0,3", "a,b", "4x4", "-1"] {
            assert!(bad.parse::<Chunks>().is_err(), "{bad}");
        }
    }
}

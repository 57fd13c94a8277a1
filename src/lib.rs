//! Make n-dimensional arrays small by composable, reversible steps, say exactly what was lost, and get the array back in its
//! original shape and dtype.
//!
//! Three promises stand above all else:
//! 1. **Nothing is lost silently.** Every run measures its own loss on every element; NaN, infinities, fill values, overflow
//!    and asymmetry are either carried exactly or refused with the offending index.
//! 2. **A file knows how to be undone.** Restoring needs the file alone.
//! 3. **Outputs are ordinary files.** `np.load`, h5py and xarray open them without this crate.
//!
//! Where to begin:
//! * a file in, a smaller file out: [`engine::compact`], [`engine::restore`]
//! * an array in memory: [`Compacted`]
//! * rows as they are made, and rows behind those of a file: [`ArrayWriter`], [`engine::append`]
//! * reading a compacted file, whole or by slice, into `ndarray`: [`Reader`]
//! * crops and counts of a mask packed to bits, where it lies in the file: [`collect::PackedMask`]
//! * items of many shapes in one file: [`collect`]
//! * one transform on a slice of numbers: the functions of [`transform`]
//! * how a recipe is built: [`Ask`], [`recipe::asks_from_json`]
//!
//! ```
//! use ndarray::Array3;
//! use ndcompact::{Compacted, recipe::asks_from_json};
//!
//! let grids = Array3::from_shape_fn((4, 3, 3), |(k, i, j)| (k + i * j) as f64).into_dyn();
//! let asks = asks_from_json(r#"[{"step": "triangle"}, {"step": "cast", "to": "float16"}]"#)?;
//! let packed = Compacted::new(grids.view(), &asks)?;
//! assert_eq!(packed.steps()[1].shape, [4, 6]);
//! assert_eq!(packed.restore::<f64>()?, grids);
//! # Ok::<(), ndcompact::Error>(())
//! ```
//!
//! Layers, each importing only what stands left of it: [`error`], [`mod@array`], {[`transform`], [`coding`], [`metric`]},
//! [`pipeline`], [`filter`], [`recipe`], {[`store`], [`report`]}, [`engine`], {[`plan`](mod@plan), [`collect`]}, the command line.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")
)]

pub mod array;
#[cfg(feature = "cli")]
pub mod cli;
pub mod coding;
pub mod collect;
pub mod engine;
pub mod error;
pub mod filter;
pub mod metric;
pub mod pipeline;
pub mod plan;
pub mod recipe;
pub mod report;
pub mod store;
pub mod transform;

pub use array::{DType, Slice, Spec};
pub use engine::{ArrayWriter, Compacted, Reader};
pub use error::{Error, ErrorKind, Result};
pub use store::Npz;
pub use transform::Ask;

/// The README's examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctest;

/// And so are those of the pages about collections.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/append.md")]
    mod append {}
    #[doc = include_str!("../docs/bundles.md")]
    mod bundles {}
    #[doc = include_str!("../docs/masks-and-slices.md")]
    mod masks_and_slices {}
    #[doc = include_str!("../docs/npz.md")]
    mod npz {}
    #[cfg(feature = "hdf5")]
    #[doc = include_str!("../docs/ragged.md")]
    mod ragged {}
}

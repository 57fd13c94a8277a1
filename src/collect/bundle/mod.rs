//! Bundles: thousands to millions of small arrays in few large files that ordinary tools read, with an index beside by which one
//! array is read without the others.
//!
//! ```no_run
//! use ndcompact::collect::bundle::{Bundle, BundleOptions, bundle};
//!
//! bundle(&["runs".into()], "runs.h5".as_ref(), &BundleOptions::default())?;
//! let runs = Bundle::open("runs.index.npz".as_ref())?;
//! let grid = runs.get("runs/0017/grid")?.array::<f64>()?;
//! let last = runs.get(runs.len() - 1)?;
//! # Ok::<(), ndcompact::Error>(())
//! ```

mod choice;
mod extract;
mod feed;
mod hdf5;
mod index;
mod item;
mod journal;
mod make;
mod names;
mod open;
mod rehearse;
mod remove;
mod restore;
mod rows;
mod run;
mod volume;

pub use choice::{BundleGroup, BundleSteps, BundledArray};
pub use extract::{Extracted, Form};
pub use index::{Entry, Format, PackedEntry};
pub use item::Item;
pub use names::index_path;
pub use open::{Bundle, Key};
pub use restore::is_index;
pub use run::{BundleOptions, Bundled, Skipped, bundle};

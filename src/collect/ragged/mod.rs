//! Ragged arrays: items of one dtype and one number of axes, each of its own shape, in one HDF5 file.
//!
//! All items' elements stand end to end in one dataset, through a recipe and compression as any array's; beside it stand how many each item
//! has (CF's contiguous ragged representation), their shapes, and a sparse index. An item is read from the chunks under it.
//!
//! ```
//! use ndarray::{Array2, ArrayD};
//! use ndcompact::DType;
//! use ndcompact::collect::ragged::{Ragged, RaggedOptions};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("images.h5");
//! let mut images = Ragged::create(&path, DType::U8, 2, &RaggedOptions::default())?;
//! for n in 1..100_usize {
//!     images.push(Array2::from_elem((n, 2 * n), n as u8).into_dyn().view())?;
//! }
//! images.finish()?;
//!
//! let images = Ragged::open(&path)?;
//! assert_eq!(images.len(), 99);
//! assert_eq!(images.shape(16)?, [17, 34]);
//! let last: ArrayD<u8> = images.get(98)?;
//! assert!(last.shape() == [99, 198] && last.iter().all(|x| *x == 99));
//! assert_eq!(images.slice::<u8>(10..13)?.len(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod gather;
mod items;
mod layout;
mod names;
mod open;
mod scatter;
mod sources;
mod writer;

pub use gather::{Input, InputKind, ragged};
pub use items::Range;
pub use layout::{EVERY, MARK};
pub use open::{Items, Ragged};
pub use scatter::{ScatterOptions, Scattered, scatter};
pub use sources::Sources;
pub use writer::{RaggedOptions, RaggedReport, RaggedWriter};

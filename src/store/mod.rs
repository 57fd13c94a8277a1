//! Arrays in files: the only layer that touches the file system.

#[cfg(feature = "hdf5")]
pub mod hdf5;
mod npy;
mod npz;
mod open;
mod output;
mod spool;

pub use npy::{NpyFile, NpyWriter, sidecar_path};
pub use npz::members;
pub use open::{Format, Opened, Place, open};
pub use output::{Pending, Replace};

pub(crate) use npy::reversed;
pub(crate) use open::same_file;
pub(crate) use spool::Spool;

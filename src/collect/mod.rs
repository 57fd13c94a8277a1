//! Many arrays, and parts of them: what people script around single files.

pub mod bundle;
mod mask;
#[cfg(feature = "hdf5")]
pub mod ragged;

pub use mask::{MaskCrop, PackedMask};

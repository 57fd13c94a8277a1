//! Many arrays, and parts of them: what people script around single files.

mod mask;

pub use mask::{MaskCrop, PackedMask};

//! `.npy` files: read in parts by many threads, written in parts, with the record in the header's padding.

mod grow;
mod head;
mod header;
mod padding;
mod read;
mod write;

pub use grow::NpyGrowing;
pub use head::NpyHead;
pub(super) use header::Header;
pub(crate) use read::reversed;
pub use read::{NpyFile, sidecar_path};
pub use write::NpyWriter;

//! `.npz` archives: zip files whose members are `.npy` files. Read by member, mapped in place, written aligned.
//!
//! Zip is read and written here, not by a library: what is trusted of an archive and when, at which byte a member's data start,
//! and that the same arrays give the same bytes are the whole matter.

mod directory;
mod map;
mod name;
mod pack;
mod read;
mod write;
mod zip;

pub use map::{Mapped, Npz, Scattered};
pub use pack::{NpzCodec, Packing};
pub(crate) use pack::{PackedMember, Packer};
pub use read::{Archive, Unpacking, members};
pub(super) use read::{Stands, open};
pub use write::NpzWriter;
pub(crate) use write::{blocks, read_block};
pub use zip::{Slot, ZipWriter};

//! Arrays in files: the only layer that touches the file system.

mod append;
mod checksum;
mod folder;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod map;
mod npy;
mod npz;
mod open;
mod output;
mod spool;

pub use append::append;
pub use checksum::sha256;
pub use folder::{FolderOutput, items_in};
pub use map::Mapping;
pub use npy::{NpyFile, NpyGrowing, NpyWriter, sidecar_path};
pub use npz::{Archive, Mapped, Npz, NpzCodec, NpzWriter, Packing, Scattered, Unpacking, members};
pub use open::{Format, Opened, Place, arrays, file_bytes, is_archive, is_hdf5, open, open_bytes};
pub use output::{Pending, Replace};

pub(crate) use npy::reversed;
pub(crate) use npz::{Packer, Slot, blocks, read_block};
pub(crate) use open::{is_zip, open_in, same_file};
pub(crate) use spool::Spool;

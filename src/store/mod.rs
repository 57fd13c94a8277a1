//! Arrays in files: the only layer that touches the file system.

mod append;
mod below;
mod bytes;
mod checksum;
mod columns;
mod compression;
mod folder;
mod growing;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod lanes;
mod map;
mod npy;
mod npz;
mod open;
mod output;
mod pattern;
mod spool;
mod stretch;
mod tar;
mod walk;
#[cfg(feature = "hdf5")]
mod window;

pub use append::append;
pub use below::{Temporary, TemporaryFolder, make_folder, temporary, temporary_npy, write_below};
pub use bytes::Image;
pub use checksum::sha256;
pub use columns::{Column, Columns, ColumnsWriter};
pub use compression::Compression;
pub use folder::{FolderOutput, items_in};
pub use growing::{Finished, Growing, Sign};
pub use map::Mapping;
pub use npy::{NpyFile, NpyGrowing, NpyHead, NpyWriter, sidecar_path};
pub use npz::{Archive, Mapped, Npz, NpzCodec, NpzWriter, Packing, Scattered, Slot, Unpacking, ZipWriter, members};
pub use open::{Format, Opened, Place, arrays, file_bytes, is_archive, is_hdf5, open, open_bytes};
pub use output::{Pending, Replace};
pub use pattern::{Pattern, is_pattern};
pub use stretch::{Spooled, Stretch, read_whole};
pub use tar::{END as TAR_END, TarEntry, TarKind, TarReader, header as tar_header, padding as tar_padding};
pub use walk::{FileKind, Found, forget, names_in, remove_unchanged, walk};

pub(crate) use npy::reversed;
pub(crate) use npz::{PackedMember, Packer, blocks, read_block};
#[cfg(feature = "hdf5")]
pub(crate) use open::open_window;
pub(crate) use open::{is_zip, open_in, open_npy, same_file};
pub(crate) use spool::Spool;
#[cfg(feature = "hdf5")]
pub(crate) use window::WindowOf;

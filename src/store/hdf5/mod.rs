//! HDF5 files: reading datasets as other programs write them, writing datasets that other programs read.
//!
//! libhdf5 runs one call at a time. So the library is asked only where things are; elements are read with positioned reads,
//! and chunks are decoded and encoded by our own threads outside its lock. What we cannot decode ourselves it reads for us.

mod attribute;
mod boxes;
mod codec;
mod container;
mod filter;
mod fletcher;
mod grid;
mod grow;
mod heap;
mod layout;
mod line;
mod list;
mod lock;
mod lz4;
mod lzf;
mod ragged;
mod raw;
mod read;
mod rows;
mod shuffle;
mod sources;
mod table;
mod tiles;
mod write;
mod zstandard;

pub use attribute::{AttributeValue, MAX_ATTRIBUTE_BYTES, RECIPE};
pub use boxes::{Boxes, ChunkAsk, MAX_CHUNK_BYTES};
pub use codec::{Codec, Options};
pub use container::{Container, Overhead};
pub use grid::MAX_UNIT_BYTES;
pub use grow::{Encoded, Growing, GrowingLayout};
pub use line::{Line, LineScratch};
pub use list::{file_text, list};
pub use lock::Lock;
pub use ragged::{RAGGED, refuse_ragged_rows};
pub use read::{ChunkSteps, Dataset};
pub use rows::Rows;
pub use tiles::Tiles;
pub use write::{Writer, default_name};

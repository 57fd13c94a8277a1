//! tar archives: written so that same input gives same bytes, read as a stream without trusting any of it.

mod read;
mod write;

pub use read::{TarEntry, TarKind, TarReader};
pub use write::{END, header, padding};

/// tar counts in blocks of this many bytes.
const BLOCK: usize = 512;

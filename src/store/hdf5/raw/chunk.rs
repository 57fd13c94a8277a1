//! Chunks as they are stored: where they lie, and writing them.

use std::ffi::{c_int, c_uint, c_void};

use hdf5_metno_sys::h5::{haddr_t, hsize_t};
use hdf5_metno_sys::h5d::{H5Dchunk_iter, H5Dread_chunk2, H5Dwrite_chunk};
use hdf5_metno_sys::h5p::H5P_DEFAULT;

use super::{Id, call};
use crate::error::{Result, refuse};

/// Where a stored chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Stored {
    /// The chunk's number in C order of all chunks, written or not.
    pub(in super::super) number: u64,
    /// Its first byte in the file.
    pub(in super::super) address: u64,
    /// Its stored bytes.
    pub(in super::super) bytes: u64,
    /// The filters that were left out, one bit each.
    pub(in super::super) skipped: u32,
}

struct Gathering<'a> {
    chunk: &'a [u64],
    /// Chunks along each axis.
    counts: &'a [u64],
    most: usize,
    found: Vec<Stored>,
    overflow: bool,
    outside: bool,
}

/// Every stored chunk, in order of its number; `None` where there are more than `most`.
pub(in super::super) fn table(dataset: &Id, chunk: &[u64], counts: &[u64], most: usize) -> Result<Option<Vec<Stored>>> {
    extern "C" fn visit(
        offset: *const hsize_t,
        skipped: c_uint,
        address: haddr_t,
        bytes: hsize_t,
        to: *mut c_void,
    ) -> c_int {
        #[expect(unsafe_code, reason = "the library passes the pointer given below and one offset an axis")]
        let (to, offset) = unsafe {
            let to = &mut *to.cast::<Gathering<'_>>();
            let offset = std::slice::from_raw_parts(offset, to.chunk.len());
            (to, offset)
        };
        let mut number = 0u64;
        for ((at, chunk), count) in offset.iter().zip(to.chunk).zip(to.counts) {
            let along = at / chunk;
            if along >= *count {
                // A chunk beyond the edge: left over where the dataset shrank; no element lies in it.
                to.outside = true;
                return 0;
            }
            number = number.wrapping_mul(*count).wrapping_add(along);
        }
        if to.found.len() >= to.most || to.found.try_reserve(1).is_err() {
            to.overflow = true;
            return 1;
        }
        to.found.push(Stored { number, address, bytes, skipped });
        0
    }
    if chunk.len() != counts.len() || chunk.contains(&0) {
        return refuse!(Corrupt, "chunks of shape {chunk:?} along {} axes", counts.len());
    }
    let mut gathering = Gathering { chunk, counts, most, found: Vec::new(), overflow: false, outside: false };
    let to = (&raw mut gathering).cast::<c_void>();
    call!(Corrupt, H5Dchunk_iter(dataset.0, H5P_DEFAULT, Some(visit), to), "reading where the chunks lie")?;
    if gathering.overflow {
        return Ok(None);
    }
    let mut found = gathering.found;
    found.sort_unstable();
    if found.windows(2).any(|w| w[0].number == w[1].number) {
        return refuse!(Corrupt, "the list of chunks names one of them twice");
    }
    Ok(Some(found))
}

/// Writes the stored bytes of the chunk whose first element is at `offset`; `skipped` names the filters left out.
pub(in super::super) fn write(dataset: &Id, offset: &[u64], skipped: u32, bytes: &[u8]) -> Result<()> {
    let (n, data) = (bytes.len(), bytes.as_ptr().cast());
    call!(Io, H5Dwrite_chunk(dataset.0, H5P_DEFAULT, skipped, offset.as_ptr(), n, data), "writing chunk {offset:?}")
        .map(drop)
}

/// The stored bytes and the left-out filters of the chunk whose first element is at `offset`: one look-up in the index, where
/// [`table`] walks all of it. A chunk that was never written is an error as a damaged index is.
pub(in super::super) fn look(dataset: &Id, offset: &[u64]) -> Result<(u64, u32)> {
    fetch(dataset, offset, None)
}

/// Reads the stored bytes of the chunk whose first element is at `offset` into `out`, which must have the length that [`look`]
/// gave; what it gives now comes back.
pub(in super::super) fn read(dataset: &Id, offset: &[u64], out: &mut [u8]) -> Result<(u64, u32)> {
    fetch(dataset, offset, Some(out))
}

fn fetch(dataset: &Id, offset: &[u64], out: Option<&mut [u8]>) -> Result<(u64, u32)> {
    let (to, mut bytes) = match out {
        Some(out) => (out.as_mut_ptr().cast::<c_void>(), out.len()),
        None => (std::ptr::null_mut(), 0),
    };
    let mut skipped = 0;
    call!(
        Corrupt,
        H5Dread_chunk2(dataset.0, H5P_DEFAULT, offset.as_ptr(), &raw mut skipped, to, &raw mut bytes),
        "reading chunk {offset:?}"
    )?;
    Ok((bytes as u64, skipped))
}

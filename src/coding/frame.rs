//! The frame of a coded chunk: version, checksum, how much of the chunk is inside the array, what the caller puts in front.

use super::bytes::{Put, Reader};
use crate::error::{Error, ErrorKind, Result, refuse};

/// The version of the frame and of all that stands inside it.
const VERSION: u8 = 1;
/// Set where the chunk reaches over the array's edge and the extents inside follow.
const PARTIAL: u8 = 0x10;
/// Set where a header of the caller's follows.
const HEADED: u8 = 0x20;

/// Bytes before what the checksum covers.
const SUM_BYTES: usize = 4;

/// An opened frame.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// Elements along each axis of the chunk that lie inside the array.
    pub(crate) valid: Vec<u64>,
    /// What the caller put in front.
    pub(crate) header: &'a [u8],
    /// The coded elements.
    pub(crate) body: &'a [u8],
}

/// Starts a chunk of shape `chunk` of which `valid` lies inside the array; what is appended to `out` afterwards is its body, until
/// [`finish`].
pub(crate) fn start(chunk: &[u64], valid: &[u64], header: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.put(&[0; SUM_BYTES]);
    let partial = chunk != valid;
    out.put(&[VERSION | if partial { PARTIAL } else { 0 } | if header.is_empty() { 0 } else { HEADED }]);
    if partial {
        for n in valid {
            out.put_varint(*n);
        }
    }
    if !header.is_empty() {
        out.put_block(header);
    }
}

/// Completes what [`start`] began: the checksum (CRC-32 as in zip and PNG) of all bytes behind it.
pub(crate) fn finish(out: &mut [u8]) {
    if let Some((sum, rest)) = out.split_at_mut_checked(SUM_BYTES) {
        sum.copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
    }
}

/// Opens the frame of a chunk of shape `chunk`.
pub(crate) fn open<'a>(chunk: &[u64], bytes: &'a [u8]) -> Result<Frame<'a>> {
    let mut reader = Reader::new(bytes);
    let stored = reader.u32()?;
    let sum = crc32fast::hash(&bytes[SUM_BYTES..]);
    if stored != sum {
        return refuse!(Corrupt, "a coded chunk is damaged: its checksum is {stored:08x}, its bytes give {sum:08x}");
    }
    let flags = reader.u8()?;
    if flags & 0x0f != VERSION || flags & !(0x0f | PARTIAL | HEADED) != 0 {
        return Err(newer(flags));
    }
    let mut valid = chunk.to_vec();
    if flags & PARTIAL != 0 {
        for n in &mut valid {
            let inside = reader.varint()?;
            if inside > *n || inside == 0 {
                return refuse!(
                    Corrupt,
                    "a coded chunk says that {inside} of its {n} elements along an axis are valid"
                );
            }
            *n = inside;
        }
    }
    let header = if flags & HEADED != 0 { reader.block()? } else { &[] };
    Ok(Frame { valid, header, body: reader.rest() })
}

/// What the caller put in front of a chunk of `axes` axes, of which `bytes` are the first; `None` where it is not all there.
pub(crate) fn header(axes: usize, bytes: &[u8]) -> Result<Option<&[u8]>> {
    let mut reader = Reader::new(bytes);
    let (_, flags) = (reader.u32()?, reader.u8()?);
    if flags & 0x0f != VERSION || flags & !(0x0f | PARTIAL | HEADED) != 0 {
        return Err(newer(flags));
    }
    if flags & PARTIAL != 0 {
        for _ in 0..axes {
            reader.varint()?;
        }
    }
    if flags & HEADED == 0 {
        return Ok(Some(&[]));
    }
    // What ends too early goes on behind what was read.
    Ok(reader.block().ok())
}

/// The error for a chunk of a version that is not known.
fn newer(flags: u8) -> Error {
    let text = format!(
        "a chunk is coded in version {} (flags {flags:02x}); this program reads {VERSION}. Use a newer version of it",
        flags & 0x0f
    );
    Error::new(ErrorKind::Unsupported, text)
}

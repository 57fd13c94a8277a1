//! The context coder: small integers, most of them 0, in well under one bit where their neighbours are small too.
//!
//! A plane of residuals is cut into segments of whole rows. The magnitudes that are known before a segment is decoded (the
//! segment before it, the plane before it, coarser levels) make one activity for each of its values; activities fall into
//! bins of a quarter octave; neighbouring bins share one static table of frequencies, sent before the plane; the tables
//! drive four interleaved rANS states. No context needs a value of its own segment, so that contexts are made by whole
//! vectors, and the loop over symbols is a look-up, a multiplication and an addition. The value just decoded as a further
//! context would gain 0.9 % of ideal code length (eleven real arrays, four bounds) and put itself into that loop's chain.

pub(in crate::coding) mod activity;
mod bits;
mod cluster;
pub(in crate::coding) mod cost;
mod decoder;
mod encoder;
mod rans;
mod table;

pub(in crate::coding) use activity::Geometry;
pub(in crate::coding) use decoder::{Decoder, Room};
pub(in crate::coding) use encoder::Encoder;

use crate::coding::bytes::Reader;
use crate::error::Result;

/// Magnitudes beyond this look alike to the contexts: sums of eight must fit `u16`.
const MAX_MAGNITUDE: u32 = 4095;

/// What the contexts keep of a coded number.
#[inline(always)]
pub(in crate::coding) fn magnitude(v: i32) -> u16 {
    v.unsigned_abs().min(MAX_MAGNITUDE) as u16
}

/// Buffers of the context coder, to be used again from chunk to chunk.
#[derive(Debug, Default)]
pub(in crate::coding) struct Scratch {
    encoder: Encoder,
    room: Room,
    magnitudes: Vec<u16>,
}

/// How the residuals of a chunk in C order lie.
fn geometry(dims: &[usize]) -> Geometry {
    let row = dims.last().copied().unwrap_or(1);
    let rows = dims.len().checked_sub(2).and_then(|a| dims.get(a)).copied().unwrap_or(1);
    Geometry::new(row, rows)
}

/// Codes the residuals `v` of a chunk of `dims`, in C order, of any predictor.
///
/// # Errors
/// None as yet.
pub(in crate::coding) fn encode(v: &[i32], dims: &[usize], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<()> {
    encoder::magnitudes(v, &mut scratch.magnitudes);
    scratch.encoder.start();
    scratch.encoder.plane(geometry(dims), v, &scratch.magnitudes, &[], 0);
    scratch.encoder.finish(out);
    Ok(())
}

/// Decodes what [`encode`] wrote, and nothing after it.
///
/// # Errors
/// Corrupt: the bytes end too early. Forged bytes may also give wrong residuals.
pub(in crate::coding) fn decode(bytes: &[u8], dims: &[usize], v: &mut [i32], scratch: &mut Scratch) -> Result<()> {
    scratch.magnitudes.resize(v.len(), 0);
    let mut decoder = Decoder::new(&mut Reader::new(bytes), &mut scratch.room)?;
    decoder.plane(geometry(dims), v, &mut scratch.magnitudes, &[], 0);
    decoder.finish()
}

#[cfg(test)]
pub(in crate::coding) mod tests;

//! Residuals to bytes: one coder of several, with its name in front.

use super::bytes::{Put, Reader};
use super::entropy::{self, Int};
use super::{Effort, context};
use crate::error::{Result, refuse};

/// A coder of residuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::coding) enum Coder {
    /// All are the same.
    Constant,
    /// Bins of values: wide integers, and few but scattered values.
    Pco,
    /// Planes of bytes through a dictionary coder: what repeats.
    Split,
    /// Magnitudes of neighbours as contexts: most of what is predicted well. 32-bit integers alone.
    Context,
}

impl Coder {
    const ALL: [Coder; 4] = [Coder::Constant, Coder::Pco, Coder::Split, Coder::Context];

    fn number(self) -> u8 {
        Coder::ALL.iter().position(|c| *c == self).unwrap_or_default() as u8
    }
}

/// pco's level: 8 is hardly larger than 12 and several times faster.
const PCO_LEVEL: u8 = 8;

/// zstd's level at each effort: 19 takes seconds a chunk, so it is for the highest alone.
pub(in crate::coding) fn zstd_level(effort: Effort) -> i32 {
    match effort.level() {
        1..=3 => 1,
        4..=6 => 3,
        7..=8 => 12,
        _ => 19,
    }
}

/// Buffers of the coders.
#[derive(Debug, Default)]
pub(in crate::coding) struct Scratch {
    planes: Vec<u8>,
    context: context::Scratch,
}

/// Appends `v` (of `dims`) as `coder` codes it.
pub(in crate::coding) fn pack<T: Residual>(
    coder: Coder,
    v: &[T],
    dims: &[usize],
    effort: Effort,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<()> {
    out.put(&[coder.number()]);
    match coder {
        Coder::Constant => {
            out.put_signed(v.first().map_or(0, |x| x.to_i64()));
            Ok(())
        }
        Coder::Pco => entropy::pack(v, PCO_LEVEL, false, out),
        Coder::Split => {
            entropy::split_pack(v, zstd_level(effort), &mut scratch.planes, out);
            Ok(())
        }
        Coder::Context => T::context_pack(v, dims, &mut scratch.context, out),
    }
}

/// Fills `v` from what [`pack`] wrote.
pub(in crate::coding) fn unpack<T: Residual>(
    reader: &mut Reader<'_>,
    dims: &[usize],
    v: &mut [T],
    scratch: &mut Scratch,
) -> Result<()> {
    let number = reader.u8()?;
    match Coder::ALL.get(usize::from(number)) {
        Some(Coder::Constant) => {
            v.fill(T::from_i64(reader.signed()?));
            Ok(())
        }
        Some(Coder::Pco) => entropy::unpack(reader.rest(), v),
        Some(Coder::Split) => entropy::split_unpack(reader, v),
        Some(Coder::Context) => T::context_unpack(reader.rest(), dims, v, &mut scratch.context),
        None => refuse!(Corrupt, "a coded chunk names coder {number}, which there is not"),
    }
}

/// Integers and how the context coder takes them.
pub(in crate::coding) trait Residual: Int {
    fn context_pack(v: &[Self], dims: &[usize], scratch: &mut context::Scratch, out: &mut Vec<u8>) -> Result<()>;
    fn context_unpack(bytes: &[u8], dims: &[usize], v: &mut [Self], scratch: &mut context::Scratch) -> Result<()>;
}

impl Residual for i32 {
    fn context_pack(v: &[i32], dims: &[usize], scratch: &mut context::Scratch, out: &mut Vec<u8>) -> Result<()> {
        context::encode(v, dims, scratch, out)
    }

    fn context_unpack(bytes: &[u8], dims: &[usize], v: &mut [i32], scratch: &mut context::Scratch) -> Result<()> {
        context::decode(bytes, dims, v, scratch)
    }
}

impl Residual for i64 {
    fn context_pack(_: &[i64], _: &[usize], _: &mut context::Scratch, _: &mut Vec<u8>) -> Result<()> {
        refuse!(Unsupported, "the context coder takes 32-bit integers")
    }

    fn context_unpack(_: &[u8], _: &[usize], _: &mut [i64], _: &mut context::Scratch) -> Result<()> {
        refuse!(Corrupt, "a coded chunk has 64-bit integers from the context coder, which takes none")
    }
}

//! How members are compressed: block by block, so that blocks can be compressed at the same time and the bytes do not depend on
//! how many were.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::directory::{DEFLATED, STORED, ZSTD};
use crate::error::{Error, ErrorKind, Result, refuse};

/// How the members of an archive are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NpzCodec {
    /// Not compressed: NumPy reads it, and it can be mapped into memory.
    #[default]
    None,
    /// zlib's deflate: NumPy reads it.
    Deflate,
    /// Zstandard: smaller and faster. NumPy needs Python 3.14 for it; older ones cannot read it.
    Zstd,
}

/// A codec and its level, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packing {
    codec: NpzCodec,
    level: u8,
}

/// Bytes that are compressed by themselves: enough that little is lost at the seams, few enough that a member of some MB keeps all
/// cores busy.
pub(crate) const BLOCK: usize = 1 << 20;
/// How far back deflate looks: what stands before a block is given to it so that nothing is lost at the seam.
pub(crate) const WINDOW: usize = 1 << 15;

impl NpzCodec {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            NpzCodec::None => "none",
            NpzCodec::Deflate => "deflate",
            NpzCodec::Zstd => "zstd",
        }
    }

    /// The number zip has for it.
    pub(super) fn method(self) -> u16 {
        match self {
            NpzCodec::None => STORED,
            NpzCodec::Deflate => DEFLATED,
            NpzCodec::Zstd => ZSTD,
        }
    }

    /// With `level`, or the usual one: deflate 1 to 9 (6, as NumPy), zstd 1 to 22 (3).
    ///
    /// # Errors
    /// `Usage` for a level that cannot be; `Unsupported` for zstd in a build without it.
    pub fn with(self, level: Option<u8>) -> Result<Packing> {
        let (low, high, usual) = match self {
            NpzCodec::None => (0, 0, 0),
            NpzCodec::Deflate => (1, 9, 6),
            NpzCodec::Zstd => (1, 22, 3),
        };
        if self == NpzCodec::Zstd && !cfg!(feature = "zstd") {
            return refuse!(Unsupported, "this build has no zstd; build with the feature `zstd`, or take deflate");
        }
        match level {
            Some(l) if self == NpzCodec::None => refuse!(Usage, "codec none has no levels; leave level {l} out"),
            Some(l) if !(low..=high).contains(&l) => {
                refuse!(Usage, "codec {} of .npz has levels {low} to {high}, not {l}", self.name())
            }
            l => Ok(Packing { codec: self, level: l.unwrap_or(usual) }),
        }
    }
}

impl Packing {
    /// The codec.
    pub fn codec(self) -> NpzCodec {
        self.codec
    }

    #[cfg(feature = "zstd")]
    pub(super) fn level(self) -> u8 {
        self.level
    }

    /// Whether members stand in the archive as they are.
    pub(crate) fn is_none(self) -> bool {
        self.codec == NpzCodec::None
    }

    /// Whether blocks of a member are packed independently of each other.
    pub(crate) fn is_by_blocks(self) -> bool {
        self.codec != NpzCodec::Zstd
    }
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("compressing failed: {why}"))
}

/// Compresses blocks; keeps its working memory from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    deflate: Option<Compress>,
}

impl Packer {
    /// Appends `block`, compressed, to `out`: part of a stream if others follow it, the end of it if it is the `last`. `before` is
    /// what stands before it, up to [`WINDOW`] bytes.
    pub(crate) fn pack(
        &mut self,
        packing: Packing,
        before: &[u8],
        block: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match packing.codec {
            NpzCodec::None => out.extend_from_slice(block),
            NpzCodec::Deflate => {
                let level = Compression::new(packing.level.into());
                let deflate = self.deflate.get_or_insert_with(|| Compress::new(level, false));
                deflate.reset();
                if !before.is_empty() {
                    deflate.set_dictionary(before).map_err(failed)?;
                }
                let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
                // Deflate adds 5 bytes to 16 kB at worst, and a few at the end.
                out.reserve(block.len() + block.len() / 1024 + 64);
                let start = deflate.total_in();
                loop {
                    let used = (deflate.total_in() - start) as usize;
                    let status = deflate.compress_vec(&block[used..], out, flush).map_err(failed)?;
                    let all = (deflate.total_in() - start) as usize == block.len();
                    match (status, last) {
                        (Status::StreamEnd, _) => break,
                        // Room is left, so the flush was written whole.
                        (_, false) if all && out.len() < out.capacity() => break,
                        _ => out.reserve(out.capacity().max(1 << 12)),
                    }
                }
            }
            NpzCodec::Zstd => return refuse!(Usage, "zstd packs members whole, not by blocks"),
        }
        Ok(())
    }
}

/// A `.npy` file as it will stand in an archive: made by any thread, handed to [`NpzWriter::add_packed`](super::NpzWriter::add_packed).
#[derive(Debug, Default)]
pub(crate) struct PackedMember {
    /// Bytes of the `.npy` file.
    pub(crate) size: u64,
    /// Their checksum.
    pub(crate) crc: u32,
    /// The same compressed.
    pub(crate) bytes: Vec<u8>,
}

#[cfg(feature = "hdf5")]
impl Packer {
    /// Packs the whole `.npy` file `npy`: the same bytes as [`NpzWriter::add`](super::NpzWriter::add) makes of it.
    pub(crate) fn member(&mut self, packing: Packing, npy: Vec<u8>) -> Result<PackedMember> {
        let (size, crc) = (npy.len() as u64, crc32fast::hash(&npy));
        let packed = match packing.codec {
            NpzCodec::None => npy,
            NpzCodec::Zstd => zstandard(packing, &npy)?,
            NpzCodec::Deflate => {
                let mut packed = Vec::new();
                let count = npy.len().div_ceil(BLOCK).max(1);
                for i in 0..count {
                    let (from, to) = (i * BLOCK, npy.len().min((i + 1) * BLOCK));
                    let before = &npy[from.saturating_sub(WINDOW)..from];
                    self.pack(packing, before, &npy[from..to], i + 1 == count, &mut packed)?;
                }
                packed
            }
        };
        Ok(PackedMember { size, crc, bytes: packed })
    }
}

#[cfg(feature = "hdf5")]
fn zstandard(packing: Packing, npy: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), packing.level.into()).map_err(failed)?;
    encoder.set_pledged_src_size(Some(npy.len() as u64)).map_err(failed)?;
    encoder.include_contentsize(true).map_err(failed)?;
    npy.chunks(BLOCK).try_for_each(|block| encoder.write_all(block)).map_err(failed)?;
    encoder.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn blocks_joined_are_one_stream() {
        let data: Vec<u8> = (0..60_000u32).flat_map(|i| (i / 7 * 3).to_le_bytes()).collect();
        let noise: Vec<u8> = (0..70_000u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        for data in [&data[..], &noise, b"", b"x"] {
            for level in [1, 6, 9] {
                for size in [5000usize, 65_536, BLOCK] {
                    let packing = NpzCodec::Deflate.with(Some(level)).unwrap();
                    let (mut packer, mut out) = (Packer::default(), Vec::new());
                    let count = data.len().div_ceil(size).max(1);
                    for i in 0..count {
                        let (from, to) = (i * size, data.len().min((i + 1) * size));
                        let before = &data[from.saturating_sub(WINDOW)..from];
                        packer.pack(packing, before, &data[from..to], i + 1 == count, &mut out).unwrap();
                    }
                    let mut back = Vec::new();
                    flate2::read::DeflateDecoder::new(&out[..]).read_to_end(&mut back).unwrap();
                    assert!(back == data, "{} bytes, level {level}, blocks of {size}", data.len());
                }
            }
        }
    }

    #[test]
    fn levels_that_cannot_be_are_refused() {
        assert!(NpzCodec::Deflate.with(Some(0)).is_err() && NpzCodec::Deflate.with(Some(10)).is_err());
        assert!(NpzCodec::None.with(Some(1)).is_err());
        assert!(NpzCodec::Deflate.with(None).is_ok());
        assert_eq!(NpzCodec::Zstd.with(Some(22)).is_ok(), cfg!(feature = "zstd"));
    }
}

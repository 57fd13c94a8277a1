//! Bytes to fewer bytes: zstd where it is built in, deflate elsewhere, stored where neither helps.

use std::io::Read;

use crate::coding::bytes::{Put, Reader};
use crate::error::{Error, ErrorKind, Result, refuse};

/// How a block of bytes is packed.
const STORED: u8 = 0;
const DEFLATE: u8 = 1;
const ZSTD: u8 = 2;

/// Appends `bytes`, packed as small as zstd of `level` makes them (deflate in builds without C).
pub(in crate::coding) fn pack_bytes(bytes: &[u8], level: i32, out: &mut Vec<u8>) {
    let packed = squeezed(bytes, level).filter(|(_, packed)| packed.len() < bytes.len());
    match packed {
        Some((how, packed)) => {
            out.put(&[how]);
            out.put_varint(bytes.len() as u64);
            out.put_block(&packed);
        }
        None => {
            out.put(&[STORED]);
            out.put_block(bytes);
        }
    }
}

/// Reads a block that [`pack_bytes`] wrote, of at most `most` bytes unpacked.
pub(in crate::coding) fn unpack_bytes(reader: &mut Reader<'_>, most: usize) -> Result<Vec<u8>> {
    let how = reader.u8()?;
    if how == STORED {
        let len = reader.length(most)?;
        return reader.take(len).map(<[u8]>::to_vec);
    }
    let len = reader.length(most)?;
    let packed = reader.block()?;
    let bytes = match how {
        DEFLATE => inflated(packed, len)?,
        ZSTD => unzstd(packed, len)?,
        other => return refuse!(Corrupt, "a coded chunk packs bytes in way {other}, which this program does not know"),
    };
    if bytes.len() != len {
        return refuse!(Corrupt, "a block of a coded chunk unpacks to {} bytes, not {len}", bytes.len());
    }
    Ok(bytes)
}

fn inflated(packed: &[u8], len: usize) -> Result<Vec<u8>> {
    let mut bytes = room(len)?;
    flate2::read::DeflateDecoder::new(packed)
        .take(len as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("a block of a coded chunk: {e}")))?;
    Ok(bytes)
}

fn room(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(len) {
        Ok(()) => Ok(bytes),
        Err(_) => refuse!(Io, "no memory for {len} bytes of a coded chunk"),
    }
}

#[cfg(feature = "zstd")]
fn squeezed(bytes: &[u8], level: i32) -> Option<(u8, Vec<u8>)> {
    zstd::bulk::compress(bytes, level).ok().map(|packed| (ZSTD, packed))
}

#[cfg(not(feature = "zstd"))]
fn squeezed(bytes: &[u8], level: i32) -> Option<(u8, Vec<u8>)> {
    use std::io::Write;
    // zstd's levels go to 22, deflate's to 9.
    let level = flate2::Compression::new(level.clamp(1, 9) as u32);
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(|packed| (DEFLATE, packed))
}

#[cfg(feature = "zstd")]
fn unzstd(packed: &[u8], len: usize) -> Result<Vec<u8>> {
    let mut bytes = room(len)?;
    bytes.resize(len, 0);
    let n = zstd::bulk::decompress_to_buffer(packed, &mut bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("a block of a coded chunk: {e}")))?;
    bytes.truncate(n);
    Ok(bytes)
}

#[cfg(not(feature = "zstd"))]
fn unzstd(_packed: &[u8], _len: usize) -> Result<Vec<u8>> {
    refuse!(Unsupported, "a chunk is packed with zstd, which this build leaves out; build with the feature `zstd`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_forged_lengths_are_refused() {
        for bytes in [Vec::new(), vec![7; 100_000], (0..=255).collect::<Vec<u8>>()] {
            let mut out = Vec::new();
            pack_bytes(&bytes, 3, &mut out);
            assert_eq!(unpack_bytes(&mut Reader::new(&out), bytes.len()).unwrap(), bytes);
            if !bytes.is_empty() {
                assert!(unpack_bytes(&mut Reader::new(&out), bytes.len() - 1).is_err(), "more than there is room for");
            }
            for cut in 0..out.len().min(40) {
                assert!(unpack_bytes(&mut Reader::new(&out[..cut]), bytes.len()).is_err());
            }
        }
    }
}

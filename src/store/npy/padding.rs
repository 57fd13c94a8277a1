//! A record inside a `.npy` header's padding, as spaces (0) and tabs (1): every reader tried ignores it.
//!
//! Bits, most significant first: magic (16), version (8), payload length in bytes (16), payload (deflated JSON), CRC-32 of
//! all the bytes before it (32). Anything else in the padding is no record.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::error::{Error, ErrorKind, Result, refuse};

const MAGIC: [u8; 2] = [0xC0, 0x3D];
const VERSION: u8 = 1;
/// Magic, version, length; and the CRC at the end.
const FRAME: usize = 5;
const CRC: usize = 4;
/// A record's JSON is refused above this when unpacked; real ones have about 1 kB.
const MAX_JSON: u64 = 1 << 16;

/// Stands at the very end of the padding while rows are being appended: bytes behind the array are then no part of it.
pub(super) const MARK: &[u8; 16] = b"\t \t \t  \t\t  \t\t\t \t";

/// Whether `padding` ends with [`MARK`].
pub(super) fn is_marked(padding: &[u8]) -> bool {
    padding.strip_suffix(b"\n").unwrap_or(padding).ends_with(MARK)
}

/// Bytes of padding that a record of `json` takes.
pub(super) fn encode(json: &str) -> Result<Vec<u8>> {
    let failed = |e| Error::io("packing the record", e);
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(json.as_bytes()).map_err(failed)?;
    let payload = deflated.finish().map_err(failed)?;
    let Ok(len) = u16::try_from(payload.len()) else {
        return refuse!(Unsupported, "a record of {} bytes does not fit a .npy header", payload.len());
    };
    let mut bytes = Vec::with_capacity(FRAME + payload.len() + CRC);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&payload);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    Ok(bytes.iter().flat_map(|b| (0..8).rev().map(move |i| if b >> i & 1 == 1 { b'\t' } else { b' ' })).collect())
}

/// The record's JSON in `padding`, `None` where there is none, an error where there was one and it is damaged.
pub(super) fn decode(padding: &[u8]) -> Result<Option<String>> {
    let damaged = |why: &str| -> Result<Option<String>> {
        refuse!(
            Corrupt,
            "the recipe in the header is damaged ({why}); the array cannot be restored from this file alone"
        )
    };
    let text = padding.strip_suffix(b"\n").unwrap_or(padding);
    // A mark alone is no record; behind one it is not looked at.
    let plain = text.strip_suffix(MARK).unwrap_or(text);
    if !plain.contains(&b'\t') {
        return Ok(None);
    }
    if text.iter().any(|b| !matches!(b, b' ' | b'\t')) {
        return damaged("characters other than spaces and tabs");
    }
    let (groups, _) = text.as_chunks::<8>();
    let bytes: Vec<u8> = groups.iter().map(|g| g.iter().fold(0, |n, b| n << 1 | u8::from(*b == b'\t'))).collect();
    let Some((frame, rest)) = bytes.split_at_checked(FRAME) else { return damaged("cut short") };
    if frame[..2] != MAGIC {
        return damaged("no magic");
    }
    let len = usize::from(u16::from_be_bytes([frame[3], frame[4]]));
    let (Some(payload), Some(crc)) = (rest.get(..len), rest.get(len..len + CRC)) else { return damaged("cut short") };
    if crc32fast::hash(&bytes[..FRAME + len]).to_be_bytes() != *crc {
        return damaged("wrong checksum");
    }
    if frame[2] != VERSION {
        return refuse!(
            Unsupported,
            "the recipe in the header has version {}; this program reads {VERSION}. Use a newer one",
            frame[2]
        );
    }
    let mut json = String::new();
    let mut inflated = DeflateDecoder::new(payload).take(MAX_JSON + 1);
    match inflated.read_to_string(&mut json) {
        Ok(n) if n as u64 <= MAX_JSON => Ok(Some(json)),
        Ok(_) => Err(Error::new(ErrorKind::Corrupt, "the recipe in the header unpacks to more than 64 kB")),
        Err(e) => damaged(&e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_every_flipped_bit_is_noticed() {
        let json = r#"{"ndcompact":1,"steps":[{"step":"cast","to":"float16"}]}"#;
        let good = encode(json).unwrap();
        assert_eq!(decode(&good).unwrap().as_deref(), Some(json));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = if bad[at] == b' ' { b'\t' } else { b' ' };
            assert!(decode(&bad).is_err(), "bit {at}");
        }
    }

    #[test]
    fn plain_padding_holds_no_record() {
        assert_eq!(decode(b"        \n").unwrap(), None);
        assert_eq!(decode(b"").unwrap(), None);
        assert_eq!(decode(&[b"   ", &MARK[..], b"\n"].concat()).unwrap(), None);
    }
}

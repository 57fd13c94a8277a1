//! What a stream of bytes is compressed with, in blocks that stand alone, so that one can be unpacked without the others and
//! ordinary tools still read all of them one after the other.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;

use super::lanes;
use super::{NpzCodec, Packer};
use crate::error::{Error, ErrorKind, Result, refuse};

/// The dictionary of xz blocks: no block is much larger, and each of its bytes costs memory.
const XZ_DICTIONARY: u32 = 2 << 20;
/// The memory that reading others' xz files may take, in KiB: what `xz -9` asks of its readers, and a little.
const XZ_MEMORY_KIB: u32 = 80 << 10;

/// What a stream is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip: blocks are its members.
    Gzip,
    /// bzip2: blocks are its streams.
    Bzip2,
    /// xz: blocks are its streams.
    Xz,
    /// Zstandard: blocks are its frames. Needs the feature `zstd`.
    Zstd,
    /// Raw deflate, as zip holds it: blocks end at a byte and refer to nothing before them.
    Deflate,
}

/// What packing keeps from one block to the next, with the level it was made for: to make it anew takes longer than a small array.
#[derive(Default)]
struct Kept {
    deflate: Option<(u8, Packer)>,
    #[cfg(feature = "zstd")]
    zstd: Option<(u8, zstd::bulk::Compressor<'static>)>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

fn damaged(e: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the compressed bytes are damaged or cut short: {e}"))
}

impl Compression {
    /// All that a `.tar` may be compressed with.
    pub const OF_TAR: &'static [Compression] =
        &[Compression::None, Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

    /// The name in indexes and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Deflate => "deflate",
        }
    }

    /// Bytes that small files are gathered to for one block, before packing: to read one of them all of it is unpacked, which
    /// takes a few milliseconds with each of these. Larger blocks gain 1 % at most.
    pub const fn block_bytes(self) -> u64 {
        match self {
            Compression::Bzip2 => 128 << 10,
            Compression::Xz | Compression::Gzip | Compression::Zstd => 256 << 10,
            Compression::None | Compression::Deflate => 1 << 20,
        }
    }

    /// The compression of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = Self::OF_TAR.iter().chain(&[Compression::Deflate]);
        all.copied().find(|c| c.name() == name)
    }

    /// The compression of the tar archive that a file's name stands for, and the length of the ending; `None` for other names.
    pub fn of_tar(path: &Path) -> Option<(Self, usize)> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let endings = [
            (".tar", Compression::None),
            (".tar.gz", Compression::Gzip),
            (".tgz", Compression::Gzip),
            (".tar.bz2", Compression::Bzip2),
            (".tbz2", Compression::Bzip2),
            (".tbz", Compression::Bzip2),
            (".tar.xz", Compression::Xz),
            (".txz", Compression::Xz),
            (".tar.zst", Compression::Zstd),
            (".tzst", Compression::Zstd),
        ];
        endings.iter().find(|(e, _)| name.len() > e.len() && name.ends_with(e)).map(|(e, c)| (*c, e.len()))
    }

    /// The least and the greatest level and the one taken unless told, where there are levels.
    pub const fn levels(self) -> Option<(u8, u8, u8)> {
        match self {
            Compression::None => None,
            Compression::Gzip | Compression::Deflate => Some((1, 9, 6)),
            Compression::Bzip2 => Some((1, 9, 9)),
            Compression::Xz => Some((0, 9, 6)),
            Compression::Zstd => Some((1, 19, 3)),
        }
    }

    /// `level`, or the usual one, checked.
    ///
    /// # Errors
    /// `Usage` for levels that there are not; `Unsupported` for zstd in a build without it.
    pub fn level(self, level: Option<u8>) -> Result<u8> {
        if self == Compression::Zstd && cfg!(not(feature = "zstd")) {
            return refuse!(Unsupported, "this build has no zstd; build with the feature `zstd`, or take .tar.gz");
        }
        match (self.levels(), level) {
            (None, None) => Ok(0),
            (None, Some(l)) => refuse!(Usage, "nothing is compressed here; leave --level {l} out"),
            (Some((low, high, _)), Some(l)) if !(low..=high).contains(&l) => {
                refuse!(Usage, "{} has levels {low} to {high}, not {l}", self.name())
            }
            (Some((_, _, usual)), l) => Ok(l.unwrap_or(usual)),
        }
    }

    /// One block of `bytes`, appended to `out`; `last` ends a deflate stream and means nothing to the others.
    ///
    /// # Errors
    /// `Io` without memory; `Unsupported` as [`Compression::level`].
    pub fn pack(self, level: u8, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let failed = |e: io::Error| Error::io(format!("compressing with {}", self.name()), e);
        let flate = || flate2::Compression::new(u32::from(level));
        match self {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                let mut to = GzEncoder::new(&mut *out, flate());
                to.write_all(bytes).map_err(failed)?;
                to.finish().map_err(failed)?;
            }
            Compression::Deflate => KEPT.with_borrow_mut(|kept| {
                let packing = NpzCodec::Deflate.with(Some(level))?;
                let packer = kept.deflate.take().filter(|(l, _)| *l == level).map_or_else(Packer::default, |(_, p)| p);
                let (_, packer) = kept.deflate.insert((level, packer));
                packer.pack(packing, &[], bytes, last, out)
            })?,
            Compression::Bzip2 => {
                let mut to = bzip2::write::BzEncoder::new(&mut *out, bzip2::Compression::new(u32::from(level)));
                to.write_all(bytes).map_err(failed)?;
                to.finish().map_err(failed)?;
            }
            Compression::Xz => {
                let mut options = lzma_rust2::XzOptions::with_preset(u32::from(level));
                let lzma = &mut options.lzma_options;
                lzma.dict_size = lzma.dict_size.min(XZ_DICTIONARY);
                // The usual three bits of the byte before say little of a byte of a number, its place within the number much.
                let place = lanes::width(bytes).trailing_zeros();
                if place > 0 {
                    (lzma.lp, lzma.pb, lzma.lc) = (place, place, 4 - place);
                }
                let mut to = lzma_rust2::XzWriter::new(&mut *out, options).map_err(failed)?;
                to.write_all(bytes).map_err(failed)?;
                to.finish().map_err(failed)?;
            }
            Compression::Zstd => {
                #[cfg(feature = "zstd")]
                KEPT.with_borrow_mut(|kept| {
                    let packer = match kept.zstd.take() {
                        Some((l, packer)) if l == level => packer,
                        _ => zstd::bulk::Compressor::new(i32::from(level))?,
                    };
                    let (_, packer) = kept.zstd.insert((level, packer));
                    let start = out.len();
                    out.resize(start + zstd::zstd_safe::compress_bound(bytes.len()), 0);
                    let n = packer.compress_to_buffer(bytes, &mut out[start..])?;
                    out.truncate(start + n);
                    Ok(())
                })
                .map_err(failed)?;
                #[cfg(not(feature = "zstd"))]
                self.level(None)?;
            }
        }
        Ok(())
    }

    /// The `want` bytes of one block; not a byte more is ever unpacked.
    ///
    /// # Errors
    /// `Corrupt` where the block holds fewer or more, or is damaged.
    pub fn unpack(self, packed: &[u8], want: u64) -> Result<Vec<u8>> {
        if self == Compression::None {
            return if packed.len() as u64 == want {
                Ok(packed.to_vec())
            } else {
                refuse!(Corrupt, "a block of {} bytes is said to have {want}", packed.len())
            };
        }
        let mut out = Vec::new();
        // A deflate block that is not the last has no end.
        let most = if self == Compression::Deflate { want } else { want.saturating_add(1) };
        self.reader(packed)?.take(most).read_to_end(&mut out).map_err(damaged)?;
        if out.len() as u64 != want {
            return refuse!(Corrupt, "a compressed block unpacks to {} bytes where {want} are expected", out.len());
        }
        Ok(out)
    }

    /// What `from` unpacks to, all of its blocks.
    ///
    /// # Errors
    /// As [`Compression::level`].
    pub fn reader<'a>(self, from: impl Read + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Compression::None => Box::new(from),
            Compression::Gzip => Box::new(MultiGzDecoder::new(from)),
            Compression::Deflate => Box::new(DeflateDecoder::new(from)),
            Compression::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(from)),
            Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(from, true, XZ_MEMORY_KIB)),
            Compression::Zstd => {
                self.level(None)?;
                #[cfg(feature = "zstd")]
                let reader: Box<dyn Read + Send + 'a> =
                    Box::new(zstd::stream::read::Decoder::new(from).map_err(|e| Error::io("starting zstd", e))?);
                #[cfg(not(feature = "zstd"))]
                let reader: Box<dyn Read + Send + 'a> = Box::new(from);
                reader
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_unpack_alone_and_one_after_the_other() {
        let first: Vec<u8> = (0..200_000u32).map(|i| (i / 7 % 251) as u8).collect();
        let second = vec![5u8; 70_000];
        for c in Compression::OF_TAR.iter().chain(&[Compression::Deflate]).copied() {
            let Ok(level) = c.level(None) else { continue };
            let (mut a, mut b) = (Vec::new(), Vec::new());
            c.pack(level, &first, false, &mut a).unwrap();
            c.pack(level, &second, true, &mut b).unwrap();
            assert_eq!(c.unpack(&a, first.len() as u64).unwrap(), first, "{c:?}");
            assert_eq!(c.unpack(&b, second.len() as u64).unwrap(), second, "{c:?}");
            assert!(c == Compression::Deflate || c.unpack(&a, first.len() as u64 - 1).is_err(), "{c:?}");
            assert!(c.unpack(&a[..a.len() / 2], first.len() as u64).is_err(), "{c:?}");
            let mut whole = Vec::new();
            c.reader([&a[..], &b].concat().as_slice()).unwrap().read_to_end(&mut whole).unwrap();
            assert_eq!(whole, [&first[..], &second].concat(), "{c:?}");
        }
    }

    #[test]
    fn endings_name_compressions() {
        for (name, is) in [
            ("a.tar", Some(Compression::None)),
            ("a.TAR.GZ", Some(Compression::Gzip)),
            ("a.txz", Some(Compression::Xz)),
            (".tar", None),
            ("a.npy", None),
        ] {
            assert_eq!(Compression::of_tar(Path::new(name)).map(|c| c.0), is, "{name}");
        }
    }
}

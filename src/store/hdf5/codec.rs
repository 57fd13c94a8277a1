//! What a dataset's chunks are compressed with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::array::ByteOrder;
use crate::error::{Error, ErrorKind, Result, refuse};

/// The compressor of a dataset's chunks. Shuffle stands before it, a checksum (fletcher32) after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Chunks as they are, with a checksum.
    #[default]
    None,
    /// zlib's deflate (filter 1): every HDF5 program reads it.
    Deflate,
    /// Zstandard (registered filter 32015): smaller and faster; readers need its plugin.
    Zstd,
    /// LZ4 (registered filter 32004): fastest; readers need its plugin.
    Lz4,
}

impl Codec {
    /// All of them, plainest first.
    pub const ALL: &'static [Codec] = &[Codec::None, Codec::Deflate, Codec::Zstd, Codec::Lz4];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Deflate => "deflate",
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
        }
    }

    /// The least and the greatest level and the one taken unless told, where there are levels.
    pub const fn levels(self) -> Option<(u8, u8, u8)> {
        match self {
            Codec::None | Codec::Lz4 => None,
            // 4 is what h5py takes: hardly larger than 9, several times faster.
            Codec::Deflate => Some((1, 12, 4)),
            Codec::Zstd => Some((1, 22, 3)),
        }
    }

    /// `level`, or the usual one, checked.
    pub fn level(self, level: Option<u8>) -> Result<u8> {
        match (self.levels(), level) {
            (None, None) => Ok(0),
            (None, Some(l)) => refuse!(Usage, "codec {self} has no levels; leave level {l} out"),
            (Some((low, high, _)), Some(l)) if !(low..=high).contains(&l) => {
                refuse!(Usage, "codec {self} has levels {low} to {high}, not {l}")
            }
            (Some((_, _, usual)), l) => Ok(l.unwrap_or(usual)),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Codec::ALL.iter().copied().find(|c| c.name() == name).ok_or_else(|| {
            let all: Vec<_> = Codec::ALL.iter().map(|c| c.name()).collect();
            Error::new(ErrorKind::Usage, format!("there is no codec {name:?}; take one of {}", all.join(", ")))
        })
    }
}

/// How a dataset is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What chunks are compressed with.
    pub codec: Codec,
    /// How hard; `None` for the codec's usual level.
    pub level: Option<u8>,
    /// Bytes of a chunk before compression, about.
    pub chunk_bytes: u64,
    /// Byte order in the file.
    pub byte_order: ByteOrder,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            codec: Codec::None,
            level: None,
            // The default chunk cache before HDF5 2.0: larger chunks are decoded again at each access.
            chunk_bytes: 1 << 20,
            byte_order: ByteOrder::Little,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_levels_are_checked() {
        for codec in Codec::ALL {
            assert_eq!(codec.name().parse::<Codec>().unwrap(), *codec);
        }
        assert!("gzip9".parse::<Codec>().is_err());
        assert_eq!(Codec::Deflate.level(None).unwrap(), 4);
        assert!(Codec::Zstd.level(Some(23)).is_err());
        assert!(Codec::Lz4.level(Some(1)).is_err());
    }
}

//! A `.npy` file as bytes in memory: what its header says, and a header made anew.

use super::header::{self, Header, MAGIC};
use super::padding;
use crate::array::{ByteOrder, Spec};
use crate::error::{Result, refuse};

/// What the beginning of a `.npy` file says of the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyHead {
    /// Dtype and shape as NumPy shows them.
    pub shown: Spec,
    /// The byte order of the data.
    pub order: ByteOrder,
    /// Whether the data are in Fortran order.
    pub fortran: bool,
    /// The first byte of the data.
    pub data_at: u64,
    /// The record of how the array was compacted (JSON), where the header carries one.
    pub record: Option<String>,
}

impl NpyHead {
    /// Bytes that the header takes, from the first twelve of the file.
    ///
    /// # Errors
    /// `Corrupt` for what does not begin as a `.npy` file does, or claims a header of more than 1 MiB.
    pub fn needs(first: &[u8]) -> Result<u64> {
        if first.len() < 10 || first[..6] != *MAGIC {
            return refuse!(Corrupt, "not a .npy file: it does not begin with \\x93NUMPY");
        }
        let needs = match first[6] {
            1 => 10 + u64::from(u16::from_le_bytes([first[8], first[9]])),
            2 | 3 if first.len() >= 12 => {
                12 + u64::from(u32::from_le_bytes([first[8], first[9], first[10], first[11]]))
            }
            v => return refuse!(Corrupt, "not a .npy file that can be read: format version {v} is unknown"),
        };
        if needs > header::MAX_HEADER as u64 {
            return refuse!(Corrupt, "not a .npy file that can be read: its header claims {needs} bytes");
        }
        Ok(needs)
    }

    /// Reads the header in `bytes`, the beginning of a file of `len` bytes, which must be what it says.
    ///
    /// # Errors
    /// `Corrupt` for damaged headers and lengths that do not fit; `Unsupported` for dtypes that are not numbers, Python objects
    /// among them.
    pub fn of(bytes: &[u8], len: u64) -> Result<Self> {
        let data_at = Self::needs(bytes)?;
        let start = if bytes[6] == 1 { 10 } else { 12 };
        let Some(text) = bytes.get(start..data_at as usize) else {
            return refuse!(Corrupt, "its header claims {data_at} bytes; the file has {len}");
        };
        let Header { spec, byte_order, fortran, padding, .. } = Header::parse(text)?;
        if data_at + spec.bytes() != len {
            return refuse!(
                Corrupt,
                "the header says {spec}, {} bytes with the header, the file holds {len}; it is cut short, forged, or holds more than an array",
                data_at + spec.bytes()
            );
        }
        Ok(Self { shown: spec, order: byte_order, fortran, data_at, record: padding::decode(&padding)? })
    }

    /// The header of a file of little-endian or other data, with `record` (JSON) in its padding.
    ///
    /// # Errors
    /// `Unsupported` for records that no header holds.
    pub fn write(shown: &Spec, order: ByteOrder, fortran: bool, record: Option<&str>) -> Result<Vec<u8>> {
        let bits = record.map(padding::encode).transpose()?.unwrap_or_default();
        let bytes = header::format(shown, order, fortran, &bits, 0);
        if bytes.len() > header::NUMPY_MAX_HEADER {
            return refuse!(Unsupported, "the record does not fit a header that NumPy reads");
        }
        Ok(bytes)
    }
}

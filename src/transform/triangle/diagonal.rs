//! The constant diagonal that a strict or skew triangle keeps once: raw bits, safe in JSON.

use std::fmt;

use bytemuck::bytes_of_mut;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::image::Word;
use crate::array::{Buf, ByteOrder, DType, Scalar};
use crate::error::Result;

/// The widest element: complex128.
const WIDEST: usize = 16;

/// The bits of one element. JSON: a string of lower-case hex digits, two a byte, most significant first; of a complex
/// number the real part, then the imaginary part. Survives NaN payloads and -0, which no JSON number does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ElementBits {
    /// Big-endian words.
    bytes: [u8; WIDEST],
    len: usize,
}

impl ElementBits {
    /// All bits zero: 0, +0, false.
    pub fn zero(dtype: DType) -> Self {
        Self { bytes: [0; WIDEST], len: dtype.size() }
    }

    /// The first element of `buf`; zero for an empty one.
    pub fn first_of(buf: &Buf) -> Self {
        let mut bits = Self::zero(buf.dtype());
        if let Some(element) = buf.bytes().get(..bits.len) {
            bits.bytes[..bits.len].copy_from_slice(element);
            // Its own inverse.
            ByteOrder::Big.to_native(buf.dtype(), &mut bits.bytes[..bits.len]);
        }
        bits
    }

    /// Bytes of the element.
    pub fn size(&self) -> usize {
        self.len
    }

    /// The element as a word of this machine; its bytes are those of a `dtype` element.
    pub(super) fn word<W: Word>(&self, dtype: DType) -> W {
        let mut word = W::zeroed();
        let bytes = bytes_of_mut(&mut word);
        if bytes.len() == self.len {
            bytes.copy_from_slice(&self.bytes[..self.len]);
            ByteOrder::Big.to_native(dtype, bytes);
        }
        word
    }

    /// The element as a value of `dtype`.
    pub(super) fn scalar(&self, dtype: DType) -> Result<Scalar> {
        let mut buf = Buf::new();
        buf.reset(dtype, 1)?;
        let mut bytes = self.bytes;
        ByteOrder::Big.to_native(dtype, &mut bytes[..self.len]);
        let len = buf.bytes().len().min(self.len);
        buf.bytes_mut()[..len].copy_from_slice(&bytes[..len]);
        Ok(buf.scalar(0))
    }

    /// The value where the digits tell it for every dtype of their width, else the digits: for tables, which do not know
    /// the dtype.
    pub(super) fn plain(&self) -> String {
        if self.bytes == [0; WIDEST] { "0".to_owned() } else { format!("of bits 0x{self}") }
    }

    /// Whether it is a zero of either sign.
    pub(super) fn is_zero(&self, dtype: DType) -> bool {
        match self.scalar(dtype) {
            Ok(Scalar::Int(i)) => i == 0,
            Ok(Scalar::Bool(b)) => !b,
            Ok(Scalar::Float(x)) => x == 0.0,
            Ok(Scalar::Complex(re, im)) => re == 0.0 && im == 0.0,
            Err(_) => false,
        }
    }
}

impl fmt::Display for ElementBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes[..self.len].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for ElementBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementBits({self})")
    }
}

impl Serialize for ElementBits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ElementBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<u8>> = text
            .bytes()
            .map(|b| match b {
                b'0'..=b'9' => Some(b - b'0'),
                b'a'..=b'f' => Some(b - b'a' + 10),
                _ => None,
            })
            .collect();
        match digits {
            Some(digits) if matches!(digits.len(), 2 | 4 | 8 | 16 | 32) => {
                let mut bits = Self { bytes: [0; WIDEST], len: digits.len() / 2 };
                for (byte, pair) in bits.bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = pair[0] << 4 | pair[1];
                }
                Ok(bits)
            }
            _ => Err(serde::de::Error::custom(format!(
                "diagonal {text:?} is not the bits of an element: 2, 4, 8, 16 or 32 lower-case hex digits"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::bytes_of;
    use num_complex::Complex;

    #[test]
    fn bits_survive_json_for_every_width() {
        let nan = f64::from_bits(0x7ff0_0000_0000_0001);
        let buffers = [
            (Buf::from_slice(&[true]).unwrap(), "\"01\""),
            (Buf::from_slice(&[-2i16]).unwrap(), "\"fffe\""),
            (Buf::from_slice(&[1.0f32]).unwrap(), "\"3f800000\""),
            (Buf::from_slice(&[nan]).unwrap(), "\"7ff0000000000001\""),
            (Buf::from_slice(&[Complex::new(1.0f32, -0.0)]).unwrap(), "\"3f80000080000000\""),
            (Buf::from_slice(&[Complex::new(-0.0, nan)]).unwrap(), "\"80000000000000007ff0000000000001\""),
        ];
        for (buf, json) in buffers {
            let bits = ElementBits::first_of(&buf);
            assert_eq!(serde_json::to_string(&bits).unwrap(), json);
            let back: ElementBits = serde_json::from_str(json).unwrap();
            assert_eq!(back, bits);
            crate::array::with_word!(buf.dtype(), W => {
                assert_eq!(bytes_of(&back.word::<W>(buf.dtype())), buf.bytes());
            });
        }
        for bad in ["\"\"", "\"3F80\"", "\"123\"", "\"000000\"", "7"] {
            assert!(serde_json::from_str::<ElementBits>(bad).is_err(), "{bad}");
        }
    }
}

//! The header of a `.npy` file: a Python dict literal of three keys, read without trusting any of it.

use crate::array::{ByteOrder, DType, MAX_AXES, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::bytes::Positioned;

/// Magic of every `.npy` file.
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Magic, two version bytes, a two-byte length: what stands before the dict of a version 1.0 header.
const PREFIX: usize = 10;
/// As above with a length of four bytes, in versions 2 and 3.
const LONG_PREFIX: usize = 12;
/// NumPy starts the data at a multiple of this.
const ALIGN: usize = 64;
/// The longest header NumPy reads without being asked to trust it (`max_header_size`).
pub(super) const NUMPY_MAX_HEADER: usize = 10_000;
/// The longest file header of version 1.0, whose length has two bytes, in whole alignments.
pub(super) const MAX_LENGTH: usize = (PREFIX + u16::MAX as usize) / ALIGN * ALIGN;
/// The longest header we read; versions 2 and 3 could claim 4 GB.
pub(super) const MAX_HEADER: usize = 1 << 20;

/// What a header says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Header {
    /// Dtype and shape as NumPy shows them.
    pub(in crate::store) spec: Spec,
    pub(in crate::store) byte_order: ByteOrder,
    pub(in crate::store) fortran: bool,
    /// Where the data start in the file.
    pub(in crate::store) data_at: u64,
    /// What stands behind the dict: padding, which may carry a record.
    pub(super) padding: Vec<u8>,
}

fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("not a .npy file that can be read: {what}"))
}

impl Header {
    /// A header has at most this many bytes.
    pub(in crate::store) const MOST: u64 = (LONG_PREFIX + MAX_HEADER) as u64;

    /// A file that begins with this many bytes begins with the length of its header.
    pub(in crate::store) const FIRST: u64 = LONG_PREFIX as u64;

    /// How many bytes the header has, in a file of `len` bytes that begins with `first`.
    pub(in crate::store) fn bytes_in(first: &[u8], len: u64) -> Result<usize> {
        frame(&first[..first.len().min(LONG_PREFIX)], len).map(|(start, size)| start + size)
    }

    /// Reads the header that starts at `base` of `file`, of which `len` bytes follow.
    pub(super) fn read(file: &impl Positioned, base: u64, len: u64) -> Result<Self> {
        let mut prefix = [0u8; LONG_PREFIX];
        let have = prefix.len().min(len as usize);
        file.fill_at(&mut prefix[..have], base).map_err(|e| Error::io("reading the header", e))?;
        let (start, size) = frame(&prefix[..have], len)?;
        let mut text = vec![0u8; size];
        file.fill_at(&mut text, base + start as u64).map_err(|e| Error::io("reading the header", e))?;
        let mut header = Self::parse(&text)?;
        header.data_at = base + (start + size) as u64;
        Ok(header)
    }

    /// The header of a `.npy` file of `len` bytes that begins with `bytes`, held against that length. `bytes` need not reach beyond
    /// the header.
    pub(in crate::store) fn of_bytes(bytes: &[u8], len: u64) -> Result<Self> {
        let (start, size) = frame(&bytes[..bytes.len().min(LONG_PREFIX)], len)?;
        let Some(text) = bytes.get(start..start + size) else {
            return Err(corrupt(format!("its header claims {size} bytes; the file has {len}")));
        };
        let mut header = Self::parse(text)?;
        header.data_at = (start + size) as u64;
        let (have, want) = (len - header.data_at, header.spec.bytes());
        if have != want {
            return Err(corrupt(format!("its header says {} ({want} bytes), and {have} bytes follow", header.spec)));
        }
        Ok(header)
    }

    /// Parses the dict and keeps what follows it.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let mut p = Parser { text, at: 0 };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        p.expect(b'{')?;
        while !p.eat(b'}') {
            let key = p.string()?;
            p.expect(b':')?;
            match key.as_str() {
                "descr" => descr = Some(p.descr()?),
                "fortran_order" => fortran = Some(p.boolean()?),
                "shape" => shape = Some(p.shape()?),
                other => return Err(corrupt(format!("its header has an unknown key {other:?}"))),
            }
            if !p.eat(b',') {
                p.expect(b'}')?;
                break;
            }
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(corrupt("its header lacks descr, fortran_order or shape"));
        };
        let (dtype, byte_order) = parse_descr(&descr)?;
        Ok(Self { spec: Spec::new(dtype, shape)?, byte_order, fortran, data_at: 0, padding: text[p.at..].to_vec() })
    }
}

/// Where the dict starts and how long it is, in a file of `len` bytes that begins with `prefix`.
fn frame(prefix: &[u8], len: u64) -> Result<(usize, usize)> {
    if prefix.len() < PREFIX || prefix[..6] != *MAGIC {
        return Err(corrupt("it does not begin with \\x93NUMPY"));
    }
    let (start, size) = match prefix[6] {
        1 => (PREFIX, usize::from(u16::from_le_bytes([prefix[8], prefix[9]]))),
        2 | 3 if prefix.len() == LONG_PREFIX => {
            (LONG_PREFIX, u32::from_le_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]) as usize)
        }
        v => return Err(corrupt(format!("format version {v}.{} is unknown (1, 2 and 3 are read)", prefix[7]))),
    };
    if size > MAX_HEADER || (start + size) as u64 > len {
        return Err(corrupt(format!("its header claims {size} bytes; the file has {len}")));
    }
    Ok((start, size))
}

/// The dtype and byte order of a NumPy type string such as `<f8`. Types that are not plain numbers are refused by name.
fn parse_descr(descr: &str) -> Result<(DType, ByteOrder)> {
    let (order, code) = match descr.as_bytes().first() {
        Some(b'<' | b'|') => (ByteOrder::Little, &descr[1..]),
        Some(b'>') => (ByteOrder::Big, &descr[1..]),
        Some(b'=') => (ByteOrder::NATIVE, &descr[1..]),
        _ => (ByteOrder::NATIVE, descr),
    };
    if let Some(dtype) = DType::ALL.iter().find(|d| d.code() == code) {
        return Ok((*dtype, if dtype.word() == 1 { ByteOrder::Little } else { order }));
    }
    let what = match code.as_bytes().first() {
        Some(b'O') => {
            "Python objects (pickled); they are never unpickled here. Load it with NumPy and save its numbers"
        }
        Some(b'U' | b'S' | b'a') => "strings; only numbers and booleans can be compacted",
        Some(b'M') => "datetime64; store `a.view('int64')` and note the unit",
        Some(b'm') => "timedelta64; store `a.view('int64')` and note the unit",
        Some(b'V') => "raw bytes or a structured record; save each field as an array of its own",
        Some(b'f' | b'c') => "a float wider than 64 bits; convert it to float64 first",
        _ => "unknown here",
    };
    refuse!(Unsupported, "its dtype {descr:?} is {what}")
}

/// A header for `spec` with `padding` behind the dict, filled with spaces to NumPy's alignment and to at least `at_least`
/// bytes in all.
pub(super) fn format(spec: &Spec, byte_order: ByteOrder, fortran: bool, padding: &[u8], at_least: usize) -> Vec<u8> {
    let order = match (spec.dtype().word(), byte_order) {
        (1, _) => '|',
        (_, ByteOrder::Little) => '<',
        (_, ByteOrder::Big) => '>',
    };
    let mut shape = String::from("(");
    for (i, d) in spec.shape().iter().enumerate() {
        shape += &if i == 0 { d.to_string() } else { format!(", {d}") };
    }
    shape += if spec.shape().len() == 1 { ",)" } else { ")" };
    let dict = format!(
        "{{'descr': '{order}{}', 'fortran_order': {}, 'shape': {shape}, }}",
        spec.dtype().code(),
        if fortran { "True" } else { "False" },
    );
    let total = (PREFIX + dict.len() + padding.len() + 1).max(at_least).next_multiple_of(ALIGN);
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&((total - PREFIX) as u16).to_le_bytes());
    out.extend_from_slice(dict.as_bytes());
    out.extend_from_slice(padding);
    out.resize(total - 1, b' ');
    out.push(b'\n');
    out
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(corrupt(format!("its header lacks {:?} at byte {}", byte as char, self.at)))
        }
    }

    fn string(&mut self) -> Result<String> {
        let quote = self.peek().filter(|b| matches!(b, b'\'' | b'"'));
        let Some(quote) = quote else { return Err(corrupt(format!("its header lacks a string at byte {}", self.at))) };
        let start = self.at + 1;
        let len = self.text[start..].iter().position(|b| *b == quote);
        let Some(len) = len else { return Err(corrupt("a string in its header does not end")) };
        self.at = start + len + 1;
        Ok(String::from_utf8_lossy(&self.text[start..start + len]).into_owned())
    }

    /// The type string; a list (structured dtype) is refused by name.
    fn descr(&mut self) -> Result<String> {
        if self.peek() == Some(b'[') || self.peek() == Some(b'(') {
            return refuse!(
                Unsupported,
                "its dtype is structured (several named fields); save each field as an array of its own"
            );
        }
        self.string()
    }

    fn word(&mut self) -> &str {
        self.peek();
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_alphanumeric) {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at]).unwrap_or("")
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => Err(corrupt(format!("fortran_order is {other:?}, neither True nor False"))),
        }
    }

    fn shape(&mut self) -> Result<Vec<u64>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.eat(b')') {
            // Python 2 wrote long integers with a trailing L.
            let number = self.word().trim_end_matches('L').parse();
            let Ok(number) = number else {
                return Err(corrupt(format!("its shape is unreadable at byte {}", self.at)));
            };
            shape.push(number);
            if shape.len() > MAX_AXES {
                return Err(corrupt(format!("its shape has more than {MAX_AXES} axes")));
            }
            if !self.eat(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for shape in [vec![], vec![0], vec![3, 4], vec![1; 32]] {
            for dtype in DType::ALL {
                for (order, fortran) in [(ByteOrder::Little, false), (ByteOrder::Big, true)] {
                    let spec = Spec::new(*dtype, shape.clone()).unwrap();
                    let bytes = format(&spec, order, fortran, b" \t ", 0);
                    assert_eq!(bytes.len() % ALIGN, 0);
                    let header = Header::parse(&bytes[PREFIX..]).unwrap();
                    assert_eq!((header.spec, header.fortran), (spec, fortran));
                    assert_eq!(&header.padding[..3], b" \t ");
                    assert!(dtype.word() == 1 || header.byte_order == order);
                }
            }
        }
    }

    #[test]
    fn dtypes_that_are_not_numbers_are_refused_by_name() {
        for (descr, word) in [
            ("'|O'", "object"),
            ("'<U5'", "strings"),
            ("'<M8[ns]'", "datetime64"),
            ("[('a', '<f8')]", "structured"),
            ("'<f16'", "wider"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}\n");
            let error = Header::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{descr}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn damaged_headers_are_errors_and_never_panics() {
        let spec = Spec::new(DType::F32, [3, 4]).unwrap();
        let good = format(&spec, ByteOrder::Little, false, b"", 0);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let _ = Header::parse(&bad[PREFIX..]);
            }
            let _ = Header::parse(&good[..at]);
        }
    }
}

//! Members of a tar archive, one after the other, from a stream that cannot be rewound.

use std::io::{self, Read};

use super::{BLOCK, write::padding};
use crate::error::{Error, Result, refuse};

/// Names and pax headers above this are no names.
const MAX_HEADER: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarKind {
    /// A file with bytes of its own.
    File,
    /// A folder.
    Folder,
    /// A second name of another member.
    HardLink,
    /// A link by name.
    Link,
    /// A file with holes, of which only what is between them stands here.
    Sparse,
    /// A device, or what else has no bytes of its own.
    Other,
}

impl TarKind {
    /// Why no array is read from such a member; `None` for files and folders.
    pub fn why_not(self) -> Option<&'static str> {
        match self {
            TarKind::File | TarKind::Folder => None,
            TarKind::HardLink => Some("a hard link to another member; unpack the archive to have both"),
            TarKind::Link => Some("a symbolic link; unpack the archive to follow it"),
            TarKind::Sparse => Some("a sparse file; unpack the archive to have it whole"),
            TarKind::Other => Some("no file"),
        }
    }
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Its name as it stands there; nothing about it is checked.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub kind: TarKind,
}

/// Reads members and, as [`Read`], the bytes of the current one.
#[derive(Debug)]
pub struct TarReader<R> {
    from: R,
    left: u64,
    padding: usize,
    ended: bool,
}

impl<R: Read> TarReader<R> {
    /// The archive that `from` gives.
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0, ended: false }
    }

    /// The next member, passing over what was not read of this one; `None` at the archive's end mark.
    ///
    /// # Errors
    /// `Corrupt` for wrong checksums, sizes that are no numbers, and streams that stop before the end mark.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        let (mut long, mut size, mut sparse) = (None, None, false);
        while !self.ended {
            self.skip()?;
            let block = self.block()?;
            if block.iter().all(|b| *b == 0) {
                self.ended = true;
                break;
            }
            check(&block)?;
            let own = number(&block[124..136])?;
            let kind = block[156];
            match kind {
                b'x' | b'g' | b'L' | b'K' => {
                    if own > MAX_HEADER {
                        return refuse!(Corrupt, "the tar archive has a header of {own} bytes");
                    }
                    self.begin(own);
                    let mut text = vec![0; own as usize];
                    self.read_exact(&mut text).map_err(cut)?;
                    match kind {
                        b'x' => sparse |= pax(&text, &mut long, &mut size)?,
                        b'L' => long = Some(name(&text)),
                        _ => {}
                    }
                }
                _ => {
                    let size = size.unwrap_or(own);
                    let mut short = name(&block[..100]);
                    if block[257..263] == *b"ustar\0" && block[345] != 0 {
                        short = format!("{}/{short}", name(&block[345..500]));
                    }
                    let (kind, len) = match kind {
                        b'0' | 0 | b'7' if sparse => (TarKind::Sparse, size),
                        b'0' | 0 | b'7' => (TarKind::File, size),
                        b'5' => (TarKind::Folder, 0),
                        b'1' => (TarKind::HardLink, 0),
                        b'2' => (TarKind::Link, 0),
                        b'3' | b'4' | b'6' => (TarKind::Other, 0),
                        b'S' if block[482] == 0 => (TarKind::Sparse, size),
                        b'S' => {
                            return refuse!(
                                Unsupported,
                                "{short} is a sparse file with a long map, behind which the archive cannot be read; unpack it first"
                            );
                        }
                        _ => (TarKind::Other, size),
                    };
                    self.begin(len);
                    return Ok(Some(TarEntry { name: long.unwrap_or(short), size: len, kind }));
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, len: u64) {
        self.left = len;
        self.padding = if len > i64::MAX as u64 { 0 } else { padding(len) };
    }

    fn block(&mut self) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.from.read_exact(&mut block).map_err(cut)?;
        Ok(block)
    }

    /// Reads to the end of the member.
    fn skip(&mut self) -> Result<()> {
        let mut scratch = [0; 8192];
        while self.left > 0 {
            let n = scratch.len().min(self.left as usize);
            self.from.read_exact(&mut scratch[..n]).map_err(cut)?;
            self.left -= n as u64;
        }
        self.from.read_exact(&mut scratch[..self.padding]).map_err(cut)?;
        self.padding = 0;
        Ok(())
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.from.read(&mut out[..most])?;
        if n == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

fn cut(e: io::Error) -> Error {
    Error::new(crate::error::ErrorKind::Corrupt, format!("the tar archive is damaged or cut short: {e}"))
}

fn check(block: &[u8; BLOCK]) -> Result<()> {
    let spaces = 148..156;
    let sum: u64 = block.iter().enumerate().map(|(i, b)| if spaces.contains(&i) { 32 } else { u64::from(*b) }).sum();
    if number(&block[148..156])? != sum {
        return refuse!(Corrupt, "a header in the tar archive has a wrong checksum; it is damaged or no tar archive");
    }
    Ok(())
}

/// Octal digits, or with the first bit set a big-endian binary number.
fn number(field: &[u8]) -> Result<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        if high[0] != 0x80 || high[1..].iter().any(|b| *b != 0) || low[0] & 0x80 != 0 {
            return refuse!(Corrupt, "a size in the tar archive is over 2^63 bytes");
        }
        return Ok(low.iter().fold(0, |n, b| n << 8 | u64::from(*b)));
    }
    let text = name(field);
    let digits = text.trim_matches(' ');
    if digits.is_empty() {
        return Ok(0);
    }
    match u64::from_str_radix(digits, 8) {
        Ok(n) => Ok(n),
        Err(_) => refuse!(Corrupt, "{digits:?} in the tar archive is no octal number"),
    }
}

/// Text up to the first NUL.
fn name(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Name and size in a pax header, and whether it is one of a sparse file.
fn pax(text: &[u8], long: &mut Option<String>, size: &mut Option<u64>) -> Result<bool> {
    let (mut rest, mut sparse) = (text, false);
    while !rest.is_empty() {
        let record = rest.iter().position(|b| *b == b' ').and_then(|space| {
            let len: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
            (len <= rest.len() && len > space + 1).then(|| (&rest[space + 1..len - 1], len))
        });
        let Some((record, len)) = record else {
            return refuse!(Corrupt, "a pax header in the tar archive is damaged");
        };
        rest = &rest[len..];
        if let Some(path) = record.strip_prefix(b"path=") {
            *long = Some(String::from_utf8_lossy(path).into_owned());
        }
        if let Some(bytes) = record.strip_prefix(b"size=") {
            let bytes = std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok()).filter(|n| *n <= i64::MAX as u64);
            let Some(bytes) = bytes else { return refuse!(Corrupt, "a pax header in the tar archive has no size") };
            *size = Some(bytes);
        }
        sparse |= record.starts_with(b"GNU.sparse");
        // The name that it has on disk: the other one is where GNU tar keeps it for those who know of no holes.
        if let Some(path) = record.strip_prefix(b"GNU.sparse.name=") {
            *long = Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    Ok(sparse)
}

#[cfg(test)]
mod tests {
    use super::super::write::{END, header};
    use super::*;
    use crate::error::ErrorKind;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in members {
            header(name, bytes.len() as u64, &mut out);
            out.extend_from_slice(bytes);
            out.resize(out.len() + padding(bytes.len() as u64), 0);
        }
        out.extend_from_slice(&END);
        out
    }

    #[test]
    fn what_is_written_is_read_back_with_names_of_any_length() {
        let long = format!("{}/ü.npy", "folder".repeat(40));
        let members = [("a.npy", &b"abc"[..]), (&long, &[7; 1000]), ("empty", b"")];
        let bytes = archive(&members);
        let mut tar = TarReader::new(&bytes[..]);
        for (name, content) in members {
            let entry = tar.next_entry().unwrap().unwrap();
            assert_eq!((entry.name.as_str(), entry.size, entry.kind), (name, content.len() as u64, TarKind::File));
            let mut read = vec![0; content.len()];
            tar.read_exact(&mut read).unwrap();
            assert_eq!(read, content);
        }
        assert_eq!(tar.next_entry().unwrap(), None);
    }

    #[test]
    fn a_cut_or_damaged_archive_is_an_error_and_never_a_shorter_one() {
        let bytes = archive(&[("a.npy", &[1; 600]), ("b.npy", &[2; 10])]);
        for cut in 0..bytes.len() - 512 {
            let mut tar = TarReader::new(&bytes[..cut]);
            let result = std::iter::from_fn(|| tar.next_entry().transpose()).collect::<Result<Vec<_>>>();
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt, "{cut}");
        }
        // The last byte of the checksum's field stands behind the NUL that ends its digits.
        for at in (0..512).filter(|at| *at != 155) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let mut tar = TarReader::new(&bad[..]);
            assert!(tar.next_entry().is_err(), "{at}");
        }
    }
}

//! zip archives of arrays, as `.npz` files are: written member by member, read member by member.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::{Compression, Finished, Growing, Replace, Stretch};
use crate::error::{Error, ErrorKind, Result, refuse};

/// Uncompressed members begin at multiples of this, so that they can be mapped into memory as arrays.
const ALIGN: u64 = 64;
/// The id of the extra field that holds nothing but room.
const ROOM: u16 = 0xd935;
/// 1 January 1980, the first day that zip knows: same input, same bytes.
const DATE: u16 = 0x21;
/// Deflate makes no more of a byte than this.
const MOST_RATIO: u64 = 1032;
/// What does not fit 32 bits stands in a field of 64.
const WIDE: u64 = u32::MAX as u64;

/// One member as the archive's end lists it.
#[derive(Debug)]
struct Listed {
    name: String,
    method: Compression,
    crc32: u32,
    packed: u64,
    size: u64,
    at: u64,
}

/// An archive in the making.
#[derive(Debug)]
pub struct ZipVolume {
    to: Growing,
    members: Vec<Listed>,
    data_at: u64,
}

impl ZipVolume {
    /// Starts an archive that will be called `target`.
    ///
    /// # Errors
    /// As [`super::Pending::create`].
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        Ok(Self { to: Growing::create(target, replace)?, members: Vec::new(), data_at: 0 })
    }

    /// Bytes that the archive has if it ends here.
    pub fn len(&self) -> u64 {
        self.to.len() + self.members.iter().map(|m| 70 + m.name.len() as u64).sum::<u64>()
    }

    /// Bytes of members so far.
    pub fn at(&self) -> u64 {
        self.to.len()
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a member whose packed bytes are all there; where they begin.
    ///
    /// # Errors
    /// `Io`; `Usage` for names over 65535 bytes.
    pub fn add(&mut self, name: &str, method: Compression, crc32: u32, size: u64, packed: &[u8]) -> Result<u64> {
        let at = self.to.len();
        let member = Listed { name: name.to_owned(), method, crc32, packed: packed.len() as u64, size, at };
        let head = member.header(false)?;
        self.to.push(&head)?;
        self.to.push(packed)?;
        self.members.push(member);
        Ok(at + head.len() as u64)
    }

    /// Begins a member that comes in parts; where its bytes begin.
    ///
    /// # Errors
    /// As [`ZipVolume::add`].
    pub fn begin(&mut self, name: &str, method: Compression) -> Result<u64> {
        let at = self.to.len();
        let member = Listed { name: name.to_owned(), method, crc32: 0, packed: 0, size: 0, at };
        let head = member.header(true)?;
        self.to.push(&head)?;
        self.members.push(member);
        self.data_at = at + head.len() as u64;
        Ok(self.data_at)
    }

    /// Appends packed bytes to the member that was begun.
    ///
    /// # Errors
    /// `Io`.
    pub fn push(&mut self, packed: &[u8]) -> Result<()> {
        self.to.push(packed)
    }

    /// Ends the member that was begun.
    ///
    /// # Errors
    /// `Io`.
    pub fn end(&mut self, crc32: u32, size: u64) -> Result<()> {
        let packed = self.to.len() - self.data_at;
        let Some(member) = self.members.last_mut() else { return Ok(()) };
        (member.crc32, member.size, member.packed) = (crc32, size, packed);
        let (at, head) = (member.at, member.header(true)?);
        self.to.set(at, &head)
    }

    /// Writes the list of members. The file has no name yet.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<Finished> {
        let start = self.to.len();
        let mut block = Vec::new();
        for member in &self.members {
            member.list(&mut block);
            if block.len() >= 1 << 20 {
                self.to.push(&block)?;
                block.clear();
            }
        }
        self.to.push(&block)?;
        let (n, len) = (self.members.len() as u64, self.to.len() - start);
        let mut end = Vec::new();
        if n > 0xfffe || start >= WIDE || len >= WIDE {
            let at = self.to.len();
            put(&mut end, &[&0x0606_4b50u32.to_le_bytes(), &44u64.to_le_bytes(), &0x032du16.to_le_bytes()]);
            put(&mut end, &[&45u16.to_le_bytes(), &[0; 8], &n.to_le_bytes(), &n.to_le_bytes(), &len.to_le_bytes()]);
            put(&mut end, &[&start.to_le_bytes(), &0x0706_4b50u32.to_le_bytes(), &[0; 4], &at.to_le_bytes()]);
            put(&mut end, &[&1u32.to_le_bytes()]);
        }
        let count = (n.min(0xffff) as u16).to_le_bytes();
        let narrow = |x: u64| (x.min(WIDE) as u32).to_le_bytes();
        put(&mut end, &[&0x0605_4b50u32.to_le_bytes(), &[0; 4], &count, &count, &narrow(len), &narrow(start), &[0; 2]]);
        self.to.push(&end)?;
        self.to.finish()
    }
}

fn put(to: &mut Vec<u8>, fields: &[&[u8]]) {
    fields.iter().for_each(|f| to.extend_from_slice(f));
}

impl Listed {
    fn method(&self) -> u16 {
        if self.method == Compression::Deflate { 8 } else { 0 }
    }

    fn flags(&self) -> u16 {
        if self.name.is_ascii() { 0 } else { 1 << 11 }
    }

    /// The header before the member's bytes; `wide` leaves room for sizes of 64 bits.
    fn header(&self, wide: bool) -> Result<Vec<u8>> {
        let wide = wide || self.size >= WIDE || self.packed >= WIDE;
        let Ok(name) = u16::try_from(self.name.len()) else {
            return refuse!(Usage, "a name of {} bytes is too long for a zip archive", self.name.len());
        };
        let mut extra = Vec::new();
        if wide {
            put(&mut extra, &[&1u16.to_le_bytes(), &16u16.to_le_bytes()]);
            put(&mut extra, &[&self.size.to_le_bytes(), &self.packed.to_le_bytes()]);
        }
        let before = self.at + 30 + u64::from(name) + extra.len() as u64;
        if self.method == Compression::None && !before.is_multiple_of(ALIGN) {
            let room = ((before + 4).next_multiple_of(ALIGN) - before - 4) as u16;
            put(&mut extra, &[&ROOM.to_le_bytes(), &room.to_le_bytes()]);
            extra.resize(extra.len() + usize::from(room), 0);
        }
        let narrow = |x: u64| if wide { u32::MAX } else { x as u32 }.to_le_bytes();
        let version: u16 = if wide { 45 } else { 20 };
        let mut out = Vec::new();
        put(&mut out, &[&0x0403_4b50u32.to_le_bytes(), &version.to_le_bytes(), &self.flags().to_le_bytes()]);
        put(&mut out, &[&self.method().to_le_bytes(), &[0; 2], &DATE.to_le_bytes(), &self.crc32.to_le_bytes()]);
        put(&mut out, &[&narrow(self.packed), &narrow(self.size), &name.to_le_bytes()]);
        put(&mut out, &[&(extra.len() as u16).to_le_bytes(), self.name.as_bytes(), &extra]);
        Ok(out)
    }

    /// Its lines in the list at the archive's end.
    fn list(&self, out: &mut Vec<u8>) {
        let mut extra = Vec::new();
        let mut narrow = |x: u64| {
            if x >= WIDE {
                extra.extend_from_slice(&x.to_le_bytes());
            }
            (x.min(WIDE) as u32).to_le_bytes()
        };
        // In the order in which the wide fields must stand.
        let (size, packed, at) = (narrow(self.size), narrow(self.packed), narrow(self.at));
        let version: u16 = if extra.is_empty() { 20 } else { 45 };
        if !extra.is_empty() {
            let len = (extra.len() as u16).to_le_bytes();
            extra.splice(0..0, [1, 0, len[0], len[1]]);
        }
        put(out, &[&0x0201_4b50u32.to_le_bytes(), &(3 << 8 | 20u16).to_le_bytes(), &version.to_le_bytes()]);
        put(out, &[&self.flags().to_le_bytes(), &self.method().to_le_bytes(), &[0; 2], &DATE.to_le_bytes()]);
        put(out, &[&self.crc32.to_le_bytes(), &packed, &size, &(self.name.len() as u16).to_le_bytes()]);
        put(out, &[&(extra.len() as u16).to_le_bytes(), &[0; 6], &(0o100_644u32 << 16).to_le_bytes(), &at]);
        put(out, &[self.name.as_bytes(), &extra]);
    }
}

/// Name (without `.npy`), first byte and bytes of all members, which must be uncompressed and at most `most`.
pub(super) fn stored(path: &Path, most: usize) -> Result<Vec<(String, u64, u64)>> {
    let damaged = |e: String| Error::new(ErrorKind::Corrupt, format!("{}: damaged zip archive: {e}", path.display()));
    let file = File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(e.to_string()))?;
    if zip.len() > most {
        return Err(damaged(format!("it has {} members where at most {most} are expected", zip.len())));
    }
    let mut found = Vec::new();
    for i in 0..zip.len() {
        let member = zip.by_index_raw(i).map_err(|e| damaged(e.to_string()))?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        match member.data_start().filter(|_| member.compression() == CompressionMethod::Stored) {
            Some(start) => found.push((name.trim_end_matches(".npy").to_owned(), start, member.size())),
            None => return Err(damaged(format!("{name} is compressed where it must not be"))),
        }
    }
    Ok(found)
}

/// The members of an archive, to be read one by one.
#[derive(Debug)]
pub struct ZipMembers {
    zip: ZipArchive<BufReader<File>>,
    /// The same file, to read members in place.
    file: Stretch,
    path: PathBuf,
}

impl ZipMembers {
    /// Opens the archive at `path`. Members that overlap, or claim more bytes than theirs can unpack to, are found here.
    ///
    /// # Errors
    /// `Corrupt` for damaged and forged archives; `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?, path)
    }

    /// The archive that `len` bytes of `from` hold, unpacked to a temporary file; `path` names it in messages.
    ///
    /// # Errors
    /// As [`ZipMembers::open`].
    pub fn of_stream(from: &mut impl Read, len: u64, path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("unpacking {} to a temporary file", path.display()), e);
        let mut file = tempfile::tempfile().map_err(failed)?;
        std::io::copy(&mut from.take(len), &mut file).map_err(failed)?;
        Self::of(file, path)
    }

    fn of(file: File, path: &Path) -> Result<Self> {
        let damaged =
            |e: String| Error::new(ErrorKind::Corrupt, format!("{}: damaged zip archive: {e}", path.display()));
        let io = |e| Error::io(format!("looking at {}", path.display()), e);
        let len = file.metadata().map_err(io)?.len();
        let again = Stretch::of(file.try_clone().map_err(io)?, path, 0, len);
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(e.to_string()))?;
        let mut places = Vec::new();
        for i in 0..zip.len() {
            let member = zip.by_index_raw(i).map_err(|e| damaged(e.to_string()))?;
            let (packed, size) = (member.compressed_size(), member.size());
            if size > packed.saturating_mul(MOST_RATIO).saturating_add(MOST_RATIO) {
                return Err(damaged(format!("member {i} claims {size} bytes of {packed}")));
            }
            places.push((member.header_start(), packed));
        }
        places.sort_unstable();
        if places.windows(2).any(|w| w[0].0.saturating_add(w[0].1) > w[1].0) {
            return Err(damaged("its members overlap".to_owned()));
        }
        Ok(Self { zip, file: again, path: path.to_owned() })
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.zip.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.zip.is_empty()
    }

    fn damaged(&self, i: usize, e: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{}, member {i}: damaged zip archive: {e}", self.path.display()))
    }

    /// Name and bytes of member `i`.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn name(&mut self, i: usize) -> Result<(String, u64)> {
        let path = self.path.clone();
        let failed = |e: zip::result::ZipError| {
            Error::new(ErrorKind::Corrupt, format!("{}, member {i}: damaged zip archive: {e}", path.display()))
        };
        let member = self.zip.by_index_raw(i).map_err(failed)?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        Ok((name, member.size()))
    }

    /// All bytes of member `i`, which is small.
    ///
    /// # Errors
    /// `Corrupt` where they are not as many as it claims, or do not have its checksum.
    pub fn read(&mut self, i: usize) -> Result<Vec<u8>> {
        let path = self.path.clone();
        let failed = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Corrupt, format!("{}, member {i}: damaged zip archive: {e}", path.display()))
        };
        let mut member = self.zip.by_index(i).map_err(|e| failed(&e))?;
        let (size, mut out) = (member.size(), Vec::new());
        member.by_ref().take(size + 1).read_to_end(&mut out).map_err(|e| failed(&e))?;
        if out.len() as u64 != size {
            return Err(failed(&format!("it unpacks to {} bytes where it claims {size}", out.len())));
        }
        Ok(out)
    }

    /// Member `i` to be read by position: in place where it is not compressed, else in a temporary file without a name.
    ///
    /// # Errors
    /// As [`ZipMembers::read`]; `Io`.
    pub fn spool(&mut self, i: usize) -> Result<Stretch> {
        let path = self.path.clone();
        let mut member =
            self.zip.by_index(i).map_err(|e| Error::new(ErrorKind::Corrupt, e.to_string()).at(path.display()))?;
        let size = member.size();
        if member.compression() == CompressionMethod::Stored
            && let Some(start) = member.data_start()
        {
            drop(member);
            return self.file.part(start, size);
        }
        let failed = |e| Error::io(format!("unpacking {} to a temporary file", path.display()), e);
        let mut file = tempfile::tempfile().map_err(failed)?;
        let copied = std::io::copy(&mut member.by_ref().take(size + 1), &mut file);
        drop(member);
        match copied {
            Ok(n) if n == size => {}
            Ok(n) => return Err(self.damaged(i, format!("it unpacks to {n} bytes where it claims {size}"))),
            Err(e) => return Err(self.damaged(i, e)),
        }
        file.flush().and_then(|()| file.seek(SeekFrom::Start(0))).map_err(failed)?;
        Ok(Stretch::of(file, &path, 0, size))
    }
}

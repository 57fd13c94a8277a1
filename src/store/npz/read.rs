//! Reading members: stored ones where they stand, packed ones as streams, or through a temporary file that has no name.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::directory::{DEFLATED, DEFLATED64, Directory, Entry, STORED, ZSTD};
use super::name::{ENDING, with_ending};
use super::pack::NpzCodec;
use crate::array::Spec;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::Stretch;
use crate::store::bytes::{Bytes, Positioned};
use crate::store::npy::{Header, NpyFile};

/// Packed bytes read, and unpacked bytes moved, at a time.
const COPY_BYTES: usize = 1 << 18;
/// Members of up to so many bytes are unpacked in memory: an engine's blocks take more.
const IN_MEMORY: u64 = 16 << 20;
/// Deflate never makes more than 1032 bytes of one, and ends take a few.
const DEFLATE_MOST: u64 = 1032;
const ENDS: u64 = 1 << 10;
/// Deflate64 makes 65,538 bytes of 18 bits at best, zstd a block of 128 KiB of 4 bytes.
const WIDEST_MOST: u64 = 1 << 15;

/// An open `.npz` archive, whose members are read one by one. Opening it reads its directory alone.
///
/// ```no_run
/// let archive = ndcompact::store::Archive::open("run.npz".as_ref())?;
/// for name in archive.names() {
///     println!("{name}");
/// }
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Bytes,
    directory: Directory,
    /// Members that are arrays by their first bytes, though their names lack the ending: NumPy goes by the bytes.
    bare: BTreeSet<String>,
}

/// The first bytes of a `.npy` file.
const NPY_MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Where and how a member stands in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Stands {
    /// Bytes in the archive.
    pub(in crate::store) packed: u64,
    /// How it is packed, in a word; `None` where it is not.
    pub(in crate::store) method: Option<&'static str>,
}

/// The names of the arrays in the archive at `path`, as NumPy gives them (without `.npy`).
pub fn members(path: &Path) -> Result<Vec<String>> {
    Ok(Archive::open(path)?.names().map(str::to_owned).collect())
}

/// Opens array `name` of the archive at `path`; without a name, the only one.
pub(in crate::store) fn open(archive: &Archive, name: Option<&str>) -> Result<(NpyFile, Stands)> {
    match name {
        Some(name) => archive.npy(name),
        None => {
            let mut names = archive.names();
            match (names.next(), names.count()) {
                (Some(only), 0) => match archive.others().next() {
                    None => archive.npy(only),
                    Some(other) => {
                        let path = archive.path.display();
                        refuse!(
                            Usage,
                            "{path} holds {only} and {} members that are no arrays ({other}); name the array: {path}:{only}, or leave the \
                             others out with --skip-others",
                            archive.others().count()
                        )
                    }
                },
                (None, _) => refuse!(Usage, "{} holds no arrays", archive.path.display()),
                (first, more) => {
                    let path = archive.path.display();
                    refuse!(
                        Usage,
                        "{path} holds {} arrays ({}); name one: {path}:NAME",
                        more + usize::from(first.is_some()),
                        archive.listed()
                    )
                }
            }
        }
    }
}

impl Archive {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// `Corrupt` where it is damaged: cut short, members that overlap or lie outside of it; `Unsupported` where it is in several
    /// parts; `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
        Self::from_file(file, path)
    }

    /// The archive that the next `len` bytes of `from` are, through a temporary file; `path` names it in messages.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of_stream(from: &mut impl Read, len: u64, path: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("unpacking {} to a temporary file", path.display()), e);
        let mut file = tempfile::tempfile().map_err(failed)?;
        io::copy(&mut from.take(len), &mut file).map_err(failed)?;
        Self::from_file(file, path)
    }

    /// The archive that `file` is; `path` names it in messages.
    pub(in crate::store) fn from_file(file: impl Into<Bytes>, path: &Path) -> Result<Self> {
        let file = file.into();
        let len = file.len().map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
        let directory = Directory::read(&file, len).map_err(|e| e.at(path.display()))?;
        let mut archive = Self { path: path.to_owned(), file, directory, bare: BTreeSet::new() };
        archive.bare = archive.find_bare();
        Ok(archive)
    }

    /// The archive's file name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its arrays, as NumPy gives them (without `.npy`), in the order of the archive.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.directory.entries.iter().filter_map(|e| match e.name.strip_suffix(ENDING) {
            None if self.bare.contains(&e.name) => Some(e.name.as_str()),
            name => name,
        })
    }

    /// The names of its other members: no arrays. Folders are none.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let names = self.directory.entries.iter().map(|e| e.name.as_str());
        names.filter(|n| !n.ends_with(ENDING) && !n.ends_with('/') && !self.bare.contains(*n))
    }

    fn find_bare(&self) -> BTreeSet<String> {
        let unnamed = self.directory.entries.iter().filter(|e| !e.name.ends_with(ENDING) && !e.name.ends_with('/'));
        let begins = |e: &&Entry| {
            let mut head = [0; NPY_MAGIC.len()];
            // What cannot be read is no array that could be dropped: opening it says why.
            let is_read = self.stream(e).and_then(|mut s| s.block(&mut head)).is_ok();
            // Two that NumPy gives one name: the one with the ending has it.
            is_read && head == *NPY_MAGIC && self.directory.find(&format!("{}{ENDING}", e.name)).is_none()
        };
        unnamed.filter(begins).map(|e| e.name.clone()).collect()
    }

    /// The bytes of the `.npy` file that array `name` is, as a stream in bounded memory. Their number and their checksum are held against
    /// what the archive says.
    ///
    /// # Errors
    /// `Usage` where there is no such array; `Corrupt` and `Unsupported` as the member is.
    pub fn unpack(&self, name: &str) -> Result<Unpacking<'_>> {
        let entry = self.entry(name)?;
        self.stream(entry).map_err(|e| e.at(self.shown(entry)))
    }

    /// Dtype and shape of array `name`, of which only the header is read.
    ///
    /// # Errors
    /// `Unsupported` where it holds no numbers, or is packed or encrypted in a way that is not read; `Usage` and `Corrupt` as
    /// [`Archive::unpack`].
    pub fn spec(&self, name: &str) -> Result<Spec> {
        let entry = self.entry(name)?;
        let at = |e: Error| e.at(self.shown(entry));
        let mut stream = self.stream(entry).map_err(at)?;
        let mut start = vec![0; Header::FIRST.min(entry.size) as usize];
        stream.block(&mut start)?;
        let more = Header::bytes_in(&start, entry.size).map_err(at)?;
        let have = start.len();
        start.resize(more.max(have), 0);
        stream.block(&mut start[have..])?;
        Ok(Header::of_bytes(&start, entry.size).map_err(at)?.spec)
    }

    fn stream(&self, entry: &Entry) -> Result<Unpacking<'_>> {
        let at = entry.data_at(&self.file, &self.directory)?;
        let section = Section { file: &self.file, at, end: at + entry.packed };
        let most = match entry.method {
            STORED => entry.packed,
            DEFLATED => entry.packed.saturating_mul(DEFLATE_MOST).saturating_add(ENDS),
            _ => entry.packed.saturating_mul(WIDEST_MOST).saturating_add(ENDS),
        };
        if entry.size > most || (entry.method == STORED && entry.size != entry.packed) {
            return refuse!(
                Corrupt,
                "damaged zip archive: {} bytes cannot be packed into {}",
                entry.size,
                entry.packed
            );
        }
        let packed = BufReader::with_capacity(COPY_BYTES.min(entry.packed as usize + 1), section);
        let decoder = match entry.method {
            STORED => Decoder::Stored(packed),
            DEFLATED => Decoder::Deflate(Box::new(flate2::bufread::DeflateDecoder::new(packed))),
            DEFLATED64 => Decoder::Deflate64(Box::new(deflate64::Deflate64Decoder::with_buffer(packed))),
            ZSTD => zstandard(packed)?,
            other => {
                return refuse!(
                    Unsupported,
                    "it is packed by zip method {other}; only stored, deflate, deflate64 and zstd are read. Unpack it and pack it anew"
                );
            }
        };
        let (size, left, expected) = (entry.size, entry.size, entry.crc);
        Ok(Unpacking { decoder, size, left, expected, sum: crc32fast::Hasher::new(), place: self.shown(entry) })
    }

    /// Array `name` as a `.npy` file that is read by position: in place where it is stored, else unpacked to a temporary file.
    pub(in crate::store) fn npy(&self, name: &str) -> Result<(NpyFile, Stands)> {
        let entry = self.entry(name)?;
        let shown = self.path.join(&entry.name);
        let at = |e: Error| e.at(self.shown(entry));
        let mut stands = Stands { packed: entry.packed, method: None };
        if entry.method == STORED {
            let start = entry.data_at(&self.file, &self.directory).map_err(at)?;
            self.stream(entry).map_err(at)?;
            return Ok((
                NpyFile::from_file(self.file.clone(), &shown, start, entry.size)?.expecting(entry.crc)?,
                stands,
            ));
        }
        stands.method = Some(match entry.method {
            DEFLATED => "deflated",
            DEFLATED64 => "deflated (deflate64)",
            _ => "packed by zstd",
        });
        Ok((self.spooled(entry, &shown)?, stands))
    }

    fn spooled(&self, entry: &Entry, shown: &Path) -> Result<NpyFile> {
        NpyFile::from_file(self.unpacked(entry, shown)?, shown, 0, entry.size)
    }

    /// The `.npy` file that `entry` is, in a temporary file without a name; one in memory where it is small. Unpacking cannot be entered in the middle; positioned
    /// reads need the bytes somewhere other than memory.
    fn unpacked(&self, entry: &Entry, shown: &Path) -> Result<File> {
        let failed = |e| {
            Error::io(
                format!("unpacking {} to a temporary file (TMPDIR names the folder for them)", shown.display()),
                e,
            )
        };
        let at = |e: Error| e.at(self.shown(entry));
        let mut stream = self.stream(entry).map_err(at)?;
        let file = if entry.size <= IN_MEMORY { in_memory() } else { tempfile::tempfile() }.map_err(failed)?;
        let mut block = vec![0; COPY_BYTES.max(Header::MOST as usize).min(entry.size as usize + 1)];
        loop {
            let is_first = stream.done() == 0;
            let n = stream.block(&mut block)?;
            if n == 0 {
                return Ok(file);
            }
            // Before anything is written, its header must agree with what the archive says of its size.
            if is_first {
                Header::of_bytes(&block[..n], entry.size).map_err(at)?;
            }
            (&file).write_all(&block[..n]).map_err(failed)?;
        }
    }

    /// Calls `take` with every member and its bytes as they stand in the archive.
    pub(super) fn each_packed(&self, mut take: impl FnMut(Packed<'_>, &mut Section<'_>) -> Result<()>) -> Result<()> {
        self.directory.entries.iter().try_for_each(|entry| {
            let at = entry.data_at(&self.file, &self.directory).map_err(|e| e.at(self.shown(entry)))?;
            let Entry { name, method, crc, size, packed, .. } = entry;
            let member = Packed { name, method: *method, crc: *crc, size: *size, packed: *packed };
            take(member, &mut Section { file: &self.file, at, end: at + entry.packed })
        })
    }

    /// Whether there is an array `name`.
    pub fn holds(&self, name: &str) -> bool {
        self.directory.find(&format!("{name}{ENDING}")).is_some()
    }

    /// How its last array is packed: what is added to it is packed likewise.
    pub fn codec(&self) -> NpzCodec {
        match self.directory.entries.iter().rev().find(|e| e.name.ends_with(ENDING)).map(|e| e.method) {
            Some(DEFLATED | DEFLATED64) => NpzCodec::Deflate,
            Some(ZSTD) => NpzCodec::Zstd,
            _ => NpzCodec::None,
        }
    }

    /// How many members there are, arrays or not.
    pub fn members(&self) -> usize {
        self.directory.entries.len()
    }

    /// Whole name and unpacked bytes of member `i`, in the order of the archive.
    pub fn member(&self, i: usize) -> Option<(&str, u64)> {
        self.directory.entries.get(i).map(|e| (e.name.as_str(), e.size))
    }

    /// All bytes of member `i`, which is small: what it claims to have is allocated.
    ///
    /// # Errors
    /// As [`Archive::unpack`].
    pub fn read(&self, i: usize) -> Result<Vec<u8>> {
        let entry = self.numbered(i)?;
        let mut stream = self.stream(entry).map_err(|e| e.at(self.shown(entry)))?;
        let mut bytes = vec![0; entry.size as usize];
        let have = stream.block(&mut bytes)?;
        bytes.truncate(have);
        stream.block(&mut [0])?;
        Ok(bytes)
    }

    /// Array number `i` as a `.npy` file to be read by position: in place where it is not compressed, else in a temporary file without a
    /// name.
    ///
    /// # Errors
    /// As [`Archive::unpack`]; `Unsupported` and `Corrupt` as its header is.
    pub fn spool(&self, i: usize) -> Result<Stretch> {
        let entry = self.numbered(i)?;
        let failed = |e| Error::io(format!("reading {}", self.path.display()), e);
        if entry.method == STORED {
            let at = |e: Error| e.at(self.shown(entry));
            self.stream(entry).map_err(at)?;
            let start = entry.data_at(&self.file, &self.directory).map_err(at)?;
            return Ok(Stretch::of(self.file.file()?.try_clone().map_err(failed)?, &self.path, start, entry.size));
        }
        let shown = self.path.join(&entry.name);
        Ok(Stretch::of(self.unpacked(entry, &shown)?, &self.path, 0, entry.size))
    }

    /// Whether member `i` is packed in a way that is read, whatever it holds.
    pub fn is_readable(&self, i: usize) -> bool {
        self.numbered(i).and_then(|entry| self.stream(entry)).is_ok()
    }

    fn numbered(&self, i: usize) -> Result<&Entry> {
        match self.directory.entries.get(i) {
            Some(entry) => Ok(entry),
            None => refuse!(Usage, "{} has {} members; there is no member {i}", self.path.display(), self.members()),
        }
    }

    /// The bytes of array `name` in the archive's file, where it is stored as it is: from where, how many, and their checksum.
    pub(in crate::store) fn in_place(&self, name: &str) -> Result<Option<(u64, u64, u32)>> {
        let entry = self.entry(name)?;
        if entry.method != STORED {
            return Ok(None);
        }
        let at = |e: Error| e.at(self.shown(entry));
        self.stream(entry).map_err(at)?;
        Ok(Some((entry.data_at(&self.file, &self.directory).map_err(at)?, entry.size, entry.crc)))
    }

    pub(super) fn file(&self) -> Result<&File> {
        self.file.file()
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        // `a.npy` is array `a`, unless there is one that NumPy calls `a.npy`.
        let found = self.directory.find(&format!("{name}{ENDING}")).or_else(|| self.directory.find(&with_ending(name)));
        let found = found.or_else(|| self.directory.find(name).filter(|e| self.bare.contains(&e.name)));
        match found {
            Some(entry) => Ok(entry),
            None => refuse!(Usage, "{} has no array {name:?}; it has {}", self.path.display(), self.listed()),
        }
    }

    fn shown(&self, entry: &Entry) -> String {
        let name = entry.name.strip_suffix(ENDING).unwrap_or(&entry.name);
        format!("{}, member {name}", self.path.display())
    }

    /// The first few names, for messages.
    fn listed(&self) -> String {
        const SHOWN: usize = 10;
        let mut names = self.names();
        let mut text = names.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
        if names.next().is_some() {
            text += ", …";
        }
        if text.is_empty() { "none".into() } else { text }
    }
}

/// A file that lies in memory and has no name.
fn in_memory() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("ndcompact", rustix::fs::MemfdFlags::CLOEXEC)?))
}

#[cfg(feature = "zstd")]
fn zstandard(packed: BufReader<Section<'_>>) -> Result<Decoder<'_>> {
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(|e| Error::io("starting zstd", e))?;
    Ok(Decoder::Zstd(Box::new(decoder)))
}

#[cfg(not(feature = "zstd"))]
fn zstandard(_: BufReader<Section<'_>>) -> Result<Decoder<'_>> {
    refuse!(Unsupported, "it is packed by zstd and this build has none; build with the feature `zstd`")
}

/// A member as its archive lists it.
pub(super) struct Packed<'a> {
    /// Its whole name.
    pub(super) name: &'a str,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) size: u64,
    /// Bytes in the archive.
    pub(super) packed: u64,
}

/// A part of a file as a stream.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a Bytes,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = (self.end - self.at).min(out.len() as u64) as usize;
        let n = self.file.get_at(&mut out[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

enum Decoder<'a> {
    Stored(BufReader<Section<'a>>),
    Deflate(Box<flate2::bufread::DeflateDecoder<BufReader<Section<'a>>>>),
    Deflate64(Box<deflate64::Deflate64Decoder<BufReader<Section<'a>>>>),
    #[cfg(feature = "zstd")]
    Zstd(Box<zstd::stream::read::Decoder<'a, BufReader<Section<'a>>>>),
}

impl Read for Decoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Stored(packed) => packed.read(out),
            Decoder::Deflate(packed) => packed.read(out),
            Decoder::Deflate64(packed) => packed.read(out),
            #[cfg(feature = "zstd")]
            Decoder::Zstd(packed) => packed.read(out),
        }
    }
}

/// The bytes of a member on their way out. At the end their number and checksum are held against what the archive says.
pub struct Unpacking<'a> {
    decoder: Decoder<'a>,
    size: u64,
    left: u64,
    expected: u32,
    sum: crc32fast::Hasher,
    place: String,
}

impl std::fmt::Debug for Unpacking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacking").field("place", &self.place).field("left", &self.left).finish_non_exhaustive()
    }
}

impl Unpacking<'_> {
    /// How many bytes it has in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn done(&self) -> u64 {
        self.size - self.left
    }

    /// The next bytes into `out`; 0 only at the end, when the sums have been compared.
    pub(in crate::store) fn block(&mut self, out: &mut [u8]) -> Result<usize> {
        let damaged = |why: String| {
            let message = format!("{}: damaged zip archive: {why}", self.place);
            Err(Error::new(ErrorKind::Corrupt, message))
        };
        let mut n = 0;
        while n < out.len() {
            match self.decoder.read(&mut out[n..]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return damaged(e.to_string()),
            }
        }
        let Some(left) = self.left.checked_sub(n as u64) else {
            return damaged(format!("it unpacks to more than the {} bytes it claims", self.size));
        };
        self.left = left;
        self.sum.update(&out[..n]);
        if n == 0 && !out.is_empty() {
            if left > 0 {
                return damaged(format!("it unpacks to {left} bytes fewer than the {} it claims", self.size));
            }
            let found = self.sum.clone().finalize();
            if found != self.expected {
                return damaged(format!("its bytes have checksum {found:08x}, {:08x} is recorded", self.expected));
            }
        }
        Ok(n)
    }
}

impl Read for Unpacking<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.block(out).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
    }
}

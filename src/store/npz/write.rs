//! Writing an archive: members one after the other, each where NumPy reads it and a map can use it.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::name::{self, ENDING};
use super::pack::{BLOCK, Packer, Packing, WINDOW};
use crate::error::{Error, Result, refuse};
use crate::store::{Pending, Replace};

/// Data of members that are not compressed start at a multiple of this, and so does, inside of them, their array: what a map
/// needs for any dtype, and vector instructions like best.
pub(super) const ALIGN: u64 = 64;
/// 1 January 1980, 0:00, the first moment that zip knows: the same arrays give the same bytes, whenever they are written.
const DATE: u16 = 0x21;
/// Version 6.3 of the format, by a Unix: what the permissions below are then understood as.
const MADE_BY: u16 = 3 << 8 | 63;
/// An ordinary file that all may read.
const PERMISSIONS: u32 = 0o100_644 << 16;
const UTF8: u16 = 1 << 11;
/// Numbers from here on stand in fields of 64 bits.
const WIDE: u64 = u32::MAX as u64;
/// Extra fields: numbers of 64 bits, and padding as Android's zipalign writes it.
const ZIP64: u16 = 1;
const PADDING: u16 = 0xd935;
/// What a field of padding has at least: its number, its length, and the alignment.
const LEAST_PADDING: u64 = 6;
const LOCAL_BYTES: u64 = 30;

/// An archive in the making: it takes `.npy` files, one after the other, and appears whole or not at all. The same files in the
/// same order give the same bytes.
///
/// Members that are not compressed start at multiples of 64 bytes, so that they can be mapped in place.
#[derive(Debug)]
pub struct NpzWriter {
    pending: Pending,
    packing: Packing,
    done: Vec<Done>,
    names: HashSet<String>,
    at: u64,
    /// Kept from member to member: its working memory costs more than a small member.
    packer: Packer,
}

/// A member that was written.
#[derive(Debug)]
struct Done {
    name: String,
    header_at: u64,
    method: u16,
    size: u64,
    packed: u64,
    crc: u32,
}

/// Room for the data of a member in the making, at the end of the archive.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    header_at: u64,
    data_at: u64,
    size: u64,
    method: u16,
    extra: Vec<u8>,
}

impl Slot {
    /// Where its data start in the archive's file.
    pub(crate) fn data_at(&self) -> u64 {
        self.data_at
    }

    /// Bytes of what it unpacks to.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl NpzWriter {
    /// Starts an archive that will be called `target`.
    ///
    /// # Errors
    /// `Exists` where `target` is there already and `replace` does not allow to replace it; `Io`.
    pub fn create(target: &Path, packing: Packing, replace: Replace) -> Result<Self> {
        let pending = Pending::create(target, replace)?;
        Ok(Self { pending, packing, done: Vec::new(), names: HashSet::new(), at: 0, packer: Packer::default() })
    }

    /// The name it will have.
    pub fn target(&self) -> &Path {
        self.pending.target()
    }

    /// How its members are compressed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Adds array `name` (with or without `.npy`): the first `len` bytes of `npy`, a complete `.npy` file. Returns the bytes that it takes
    /// up, compressed.
    ///
    /// # Errors
    /// `Usage` for names that are taken or could lead out of a folder; `Io`.
    pub fn add(&mut self, name: &str, npy: &File, len: u64) -> Result<u64> {
        let mut slot = self.start(name, len)?;
        let (mut sum, mut packed) = (crc32fast::Hasher::new(), 0);
        if !self.packing.is_by_blocks() {
            return self.add_whole(slot, npy, len);
        }
        let (mut raw, mut out) = (Vec::new(), Vec::new());
        for i in 0..blocks(len) {
            out.clear();
            let block = read_block(npy, len, i, &mut raw).map_err(|e| self.reading(name, e))?;
            sum.update(&raw[block.before..]);
            let (before, new) = raw.split_at(block.before);
            self.packer.pack(self.packing, before, new, block.last, &mut out)?;
            self.write(&slot, packed, &out)?;
            packed += out.len() as u64;
        }
        slot.size = len;
        self.finish_member(slot, packed, sum.finalize())
    }

    /// As [`NpzWriter::add`] where a member is one stream.
    #[cfg(feature = "zstd")]
    fn add_whole(&mut self, slot: Slot, npy: &File, len: u64) -> Result<u64> {
        use std::io::Write;

        let failed = |e| Error::io("compressing", e);
        let level = i32::from(self.packing.level());
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).map_err(failed)?;
        encoder.set_pledged_src_size(Some(len)).map_err(failed)?;
        encoder.include_contentsize(true).map_err(failed)?;
        let (mut sum, mut packed, mut raw) = (crc32fast::Hasher::new(), 0, Vec::new());
        for i in 0..blocks(len) {
            let block = read_block(npy, len, i, &mut raw).map_err(|e| self.reading(&slot.name, e))?;
            sum.update(&raw[block.before..]);
            encoder.write_all(&raw[block.before..]).map_err(failed)?;
            let out = encoder.get_mut();
            self.write(&slot, packed, out)?;
            packed += out.len() as u64;
            out.clear();
        }
        let out = encoder.finish().map_err(failed)?;
        self.write(&slot, packed, &out)?;
        packed += out.len() as u64;
        self.finish_member(slot, packed, sum.finalize())
    }

    #[cfg(not(feature = "zstd"))]
    fn add_whole(&mut self, _: Slot, _: &File, _: u64) -> Result<u64> {
        refuse!(Unsupported, "this build has no zstd; build with the feature `zstd`, or take deflate")
    }

    /// Makes room for array `name` of `len` bytes, at the end of the archive. Its data are written from `Slot::data_at` on, and
    /// [`NpzWriter::finish_member`] is called before the next is started.
    pub(crate) fn start(&mut self, name: &str, len: u64) -> Result<Slot> {
        let plain = name.strip_suffix(ENDING).unwrap_or(name);
        name::check(plain)?;
        let name = format!("{plain}{ENDING}");
        if self.names.contains(&name) {
            return refuse!(
                Usage,
                "{}: two arrays would be called {plain:?}; give one of them another name",
                self.target().display()
            );
        }
        let method = self.packing.method();
        let mut extra = Vec::new();
        // What packs worst gains a few bytes a block.
        if len.saturating_add(len / 512).saturating_add(1 << 16) >= WIDE {
            extra.extend_from_slice(&ZIP64.to_le_bytes());
            extra.extend_from_slice(&16u16.to_le_bytes());
            extra.extend_from_slice(&[0; 16]);
        }
        let header_at = self.at;
        let mut data_at = header_at + LOCAL_BYTES + (name.len() + extra.len()) as u64;
        if self.packing.is_none() && !data_at.is_multiple_of(ALIGN) {
            let padding = (data_at + LEAST_PADDING).next_multiple_of(ALIGN) - data_at;
            extra.extend_from_slice(&PADDING.to_le_bytes());
            extra.extend_from_slice(&(padding as u16 - 4).to_le_bytes());
            extra.extend_from_slice(&(ALIGN as u16).to_le_bytes());
            extra.resize(extra.len() + (padding - LEAST_PADDING) as usize, 0);
            data_at += padding;
        }
        Ok(Slot { name, header_at, data_at, size: len, method, extra })
    }

    /// Writes packed bytes of the member in the making, from its byte `at` on.
    pub(crate) fn write(&self, slot: &Slot, at: u64, packed: &[u8]) -> Result<()> {
        let failed = |e| Error::io(format!("writing {}", self.target().display()), e);
        self.pending.file().write_all_at(packed, slot.data_at + at).map_err(failed)
    }

    /// The archive's file, for one who writes a member's data in place.
    pub(crate) fn file(&self) -> Result<File> {
        self.pending.file().try_clone().map_err(|e| Error::io(format!("writing {}", self.target().display()), e))
    }

    /// Ends the member in the making, of which `packed` bytes were written; `crc` is the checksum of what it unpacks to.
    pub(crate) fn finish_member(&mut self, slot: Slot, packed: u64, crc: u32) -> Result<u64> {
        let Slot { name, header_at, data_at, size, method, mut extra } = slot;
        let wide = extra.starts_with(&ZIP64.to_le_bytes());
        if wide {
            extra[4..12].copy_from_slice(&size.to_le_bytes());
            extra[12..20].copy_from_slice(&packed.to_le_bytes());
        }
        let number = |n: u64| if wide { u32::MAX } else { n as u32 };
        let mut head = Vec::with_capacity((data_at - header_at) as usize);
        head.extend_from_slice(b"PK\x03\x04");
        head.extend_from_slice(&needed(method, wide).to_le_bytes());
        common(&mut head, &name, method, crc);
        head.extend_from_slice(&number(packed).to_le_bytes());
        head.extend_from_slice(&number(size).to_le_bytes());
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(&(extra.len() as u16).to_le_bytes());
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(&extra);
        let failed = |e| Error::io(format!("writing {}", self.target().display()), e);
        self.pending.file().write_all_at(&head, header_at).map_err(failed)?;
        self.names.insert(name.clone());
        self.done.push(Done { name, header_at, method, size, packed, crc });
        self.at = data_at + packed;
        Ok(packed)
    }

    /// Writes the directory and gives the archive its name. Its bytes. `sync` asks for it to be on disk when this returns; where it
    /// replaces another, it always is.
    ///
    /// # Errors
    /// `Exists` where the file came into being meanwhile; `Io`.
    pub fn finish(self, sync: bool) -> Result<u64> {
        let start = self.at;
        let mut tail = Vec::new();
        for member in &self.done {
            member.describe(&mut tail);
        }
        let (size, count) = (tail.len() as u64, self.done.len() as u64);
        if count >= u64::from(u16::MAX) || size >= WIDE || start >= WIDE {
            let at = start + size;
            tail.extend_from_slice(b"PK\x06\x06");
            tail.extend_from_slice(&44u64.to_le_bytes());
            tail.extend_from_slice(&MADE_BY.to_le_bytes());
            tail.extend_from_slice(&45u16.to_le_bytes());
            tail.extend_from_slice(&[0; 8]);
            for number in [count, count, size, start] {
                tail.extend_from_slice(&number.to_le_bytes());
            }
            tail.extend_from_slice(b"PK\x06\x07");
            tail.extend_from_slice(&0u32.to_le_bytes());
            tail.extend_from_slice(&at.to_le_bytes());
            tail.extend_from_slice(&1u32.to_le_bytes());
        }
        let count = count.min(u64::from(u16::MAX)) as u16;
        tail.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        tail.extend_from_slice(&count.to_le_bytes());
        tail.extend_from_slice(&count.to_le_bytes());
        tail.extend_from_slice(&(size.min(WIDE) as u32).to_le_bytes());
        tail.extend_from_slice(&(start.min(WIDE) as u32).to_le_bytes());
        tail.extend_from_slice(&0u16.to_le_bytes());
        let failed = |e| Error::io(format!("writing {}", self.pending.target().display()), e);
        self.pending.file().write_all_at(&tail, start).map_err(failed)?;
        let bytes = start + tail.len() as u64;
        self.pending.file().set_len(bytes).map_err(failed)?;
        self.pending.commit(sync)?;
        Ok(bytes)
    }

    fn reading(&self, name: &str, e: std::io::Error) -> Error {
        Error::io(format!("reading {name}, to add it to {}", self.target().display()), e)
    }
}

impl Done {
    /// Appends its entry in the directory.
    fn describe(&self, out: &mut Vec<u8>) {
        let mut wide = Vec::new();
        let mut number = |n: u64| {
            if n >= WIDE {
                wide.extend_from_slice(&n.to_le_bytes());
            }
            n.min(WIDE) as u32
        };
        // In the order in which the field of 64 bits has them.
        let (size, packed, at) = (number(self.size), number(self.packed), number(self.header_at));
        out.extend_from_slice(b"PK\x01\x02");
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        out.extend_from_slice(&needed(self.method, !wide.is_empty()).to_le_bytes());
        common(out, &self.name, self.method, self.crc);
        out.extend_from_slice(&packed.to_le_bytes());
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        let extra = if wide.is_empty() { 0 } else { wide.len() as u16 + 4 };
        out.extend_from_slice(&extra.to_le_bytes());
        // No comment, the first disk, no text.
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&PERMISSIONS.to_le_bytes());
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        if extra > 0 {
            out.extend_from_slice(&ZIP64.to_le_bytes());
            out.extend_from_slice(&(extra - 4).to_le_bytes());
            out.extend_from_slice(&wide);
        }
    }
}

/// What stands alike in both headers of a member: flags, method, time, date, checksum.
fn common(out: &mut Vec<u8>, name: &str, method: u16, crc: u32) {
    let flags = if name.is_ascii() { 0 } else { UTF8 };
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&method.to_le_bytes());
    out.extend_from_slice(&0u16.to_le_bytes());
    out.extend_from_slice(&DATE.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The version of the format that a reader must know.
fn needed(method: u16, wide: bool) -> u16 {
    match method {
        super::directory::ZSTD => 63,
        _ if wide => 45,
        _ => 20,
    }
}

/// How many blocks `len` bytes are packed in: one at least, which ends the stream.
pub(crate) fn blocks(len: u64) -> u64 {
    len.div_ceil(BLOCK as u64).max(1)
}

/// What was read for a block.
pub(crate) struct Block {
    /// Bytes that stand before it, for the packer to look back to.
    pub(crate) before: usize,
    pub(crate) last: bool,
}

/// Reads block `i` of the first `len` bytes of `npy` into `raw`, what stands before it first.
pub(crate) fn read_block(npy: &File, len: u64, i: u64, raw: &mut Vec<u8>) -> std::io::Result<Block> {
    let from = i * BLOCK as u64;
    let before = from.min(WINDOW as u64);
    let to = (from + BLOCK as u64).min(len);
    raw.resize((to - from + before) as usize, 0);
    npy.read_exact_at(raw, from - before)?;
    Ok(Block { before: before as usize, last: to == len })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::{Archive, NpzCodec};
    use super::*;
    use crate::error::ErrorKind;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn written(path: &Path, packing: Packing, members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut npz = NpzWriter::create(path, packing, Replace::Allowed).unwrap();
        for (name, bytes) in members {
            npz.add(name, &file(bytes), bytes.len() as u64).unwrap();
        }
        let bytes = npz.finish(false).unwrap();
        let whole = std::fs::read(path).unwrap();
        assert_eq!(bytes, whole.len() as u64);
        whole
    }

    #[test]
    fn members_come_back_from_every_codec_and_the_same_files_give_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let long: Vec<u8> = (0..900_000u32).flat_map(|i| (i / 9 * 5).to_le_bytes()).collect();
        let members = [("a", b"12345".to_vec()), ("g/größe", long), ("empty.npy", Vec::new()), ("z", vec![7; BLOCK])];
        let codecs = [NpzCodec::None, NpzCodec::Deflate, NpzCodec::Zstd];
        for packing in codecs.into_iter().filter_map(|c| c.with(None).ok()) {
            let first = written(&path, packing, &members);
            assert!(first == written(&path, packing, &members));
            let archive = Archive::open(&path).unwrap();
            assert_eq!(archive.names().collect::<Vec<_>>(), ["a", "g/größe", "empty", "z"]);
            for (name, bytes) in &members {
                let mut back = Vec::new();
                archive.unpack(name.strip_suffix(".npy").unwrap_or(name)).unwrap().read_to_end(&mut back).unwrap();
                assert!(back == *bytes, "{packing:?} {name}");
                if packing.codec() == NpzCodec::None {
                    let plain = name.strip_suffix(".npy").unwrap_or(name);
                    assert_eq!(archive.in_place(plain).unwrap().unwrap().0 % ALIGN, 0);
                }
            }
            let mut zip = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
            assert_eq!(zip.len(), 4);
            if packing.codec() != NpzCodec::Zstd {
                let mut back = Vec::new();
                zip.by_name("g/größe.npy").unwrap().read_to_end(&mut back).unwrap();
                assert!(back == members[1].1);
            }
        }
    }

    #[test]
    fn more_members_than_two_bytes_count_are_all_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("many.npz");
        let one = file(b"x");
        let mut npz = NpzWriter::create(&path, NpzCodec::None.with(None).unwrap(), Replace::Never).unwrap();
        for i in 0..66_000 {
            npz.add(&format!("m{i}"), &one, 1).unwrap();
        }
        npz.finish(false).unwrap();
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.names().count(), 66_000);
        assert_eq!(archive.unpack("m65999").unwrap().size(), 1);
        assert_eq!(zip::ZipArchive::new(File::open(&path).unwrap()).unwrap().len(), 66_000);
    }

    #[test]
    fn a_member_beyond_four_gigabytes_has_numbers_of_64_bits() {
        // Written as a hole: only headers take up room.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.npz");
        let mut npz = NpzWriter::create(&path, NpzCodec::None.with(None).unwrap(), Replace::Never).unwrap();
        let len = 5 << 30;
        let slot = npz.start("long", len).unwrap();
        npz.write(&slot, len - 3, b"end").unwrap();
        npz.finish_member(slot, len, 0).unwrap();
        npz.add("after", &file(b"123"), 3).unwrap();
        npz.finish(false).unwrap();
        let archive = Archive::open(&path).unwrap();
        let (at, size, _) = archive.in_place("long").unwrap().unwrap();
        assert_eq!((at % ALIGN, size), (0, len));
        assert!(archive.in_place("after").unwrap().unwrap().0 > len);
        let mut zip = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(zip.by_name("long.npy").unwrap().size(), len);
        let mut back = String::new();
        zip.by_name("after.npy").unwrap().read_to_string(&mut back).unwrap();
        assert_eq!(back, "123");
    }

    #[test]
    fn names_are_taken_once_and_a_dropped_archive_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let mut npz = NpzWriter::create(&path, NpzCodec::None.with(None).unwrap(), Replace::Never).unwrap();
        npz.add("a", &file(b"1"), 1).unwrap();
        for bad in ["a", "a.npy", "../b", ""] {
            assert_eq!(npz.add(bad, &file(b"1"), 1).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
        }
        drop(npz);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

//! Writing an archive: members one after the other, each where NumPy reads it and a map can use it.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Archive;
use super::name::{self, ENDING};
use super::pack::{BLOCK, PackedMember, Packer, Packing, WINDOW};
use super::zip::{Slot, ZipWriter};
use crate::error::{Error, Result, refuse};
use crate::store::Replace;
use crate::store::output::AddedTo;

/// An archive in the making: it takes `.npy` files, one after the other, and appears whole or not at all. The same files in the
/// same order give the same bytes.
///
/// Members that are not compressed start at multiples of 64 bytes, so that they can be mapped in place.
#[derive(Debug)]
pub struct NpzWriter {
    zip: ZipWriter,
    packing: Packing,
    names: HashSet<String>,
    added_to: Option<AddedTo>,
    /// Kept from member to member: its working memory costs more than a small member.
    packer: Packer,
}

impl NpzWriter {
    /// Starts an archive that will be called `target`.
    ///
    /// # Errors
    /// `Exists` where `target` is there already and `replace` does not allow to replace it; `Io`.
    pub fn create(target: &Path, packing: Packing, replace: Replace) -> Result<Self> {
        let zip = ZipWriter::create(target, replace)?;
        Ok(Self { zip, packing, names: HashSet::new(), added_to: None, packer: Packer::default() })
    }

    /// A copy of the archive at `target` in the making, which takes more arrays and then replaces it. Its members are taken over as they
    /// are packed, in their order, but for the arrays of `without`; times and comments are not. Until [`NpzWriter::finish`] the archive
    /// is as it was, and it can be read meanwhile.
    ///
    /// # Errors
    /// `Corrupt` where `target` is no archive, or a damaged one; `Unsupported` for encrypted members; `Usage` for members of names that
    /// are not written; `Io`. [`NpzWriter::finish`] is refused where it was changed meanwhile.
    pub fn adding_to(target: &Path, packing: Packing, without: &[&str]) -> Result<Self> {
        let failed = |e| Error::io(format!("copying {}", target.display()), e);
        // What a symbolic link points at is replaced, not the link.
        let target = std::fs::canonicalize(target).map_err(failed)?;
        let added_to = AddedTo::locked(&target)?;
        let archive = Archive::open(&target)?;
        let mut new = Self { added_to: Some(added_to), ..Self::create(&target, packing, Replace::Allowed)? };
        let permissions = std::fs::metadata(&target).map_err(failed)?.permissions();
        new.zip.file()?.set_permissions(permissions).map_err(failed)?;
        archive.each_packed(|member, packed| {
            if without.iter().any(|name| member.name.strip_suffix(ENDING) == Some(*name)) {
                return Ok(());
            }
            name::check(member.name.trim_end_matches('/'))?;
            new.names.insert(member.name.to_owned());
            let slot = new.zip.start_as(member.name, member.method, member.size.max(member.packed))?;
            let mut block = vec![0; BLOCK];
            loop {
                let n = packed.read(&mut block).map_err(failed)?;
                if n == 0 {
                    return new.zip.end(slot, member.size, member.crc).map(drop);
                }
                new.zip.push(&block[..n])?;
            }
        })?;
        Ok(new)
    }

    /// The name it will have.
    pub fn target(&self) -> &Path {
        self.zip.target()
    }

    /// How its members are compressed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds array `name` (with or without `.npy`): the first `len` bytes of `npy`, a complete `.npy` file. Returns the bytes that it takes
    /// up, compressed.
    ///
    /// # Errors
    /// `Usage` for names that are taken or could lead out of a folder; `Io`.
    pub fn add(&mut self, name: &str, npy: &File, len: u64) -> Result<u64> {
        let slot = self.start(name, len)?;
        let mut packer = std::mem::take(&mut self.packer);
        let crc = packer.pack_file(self.packing, npy, len, |packed| self.push(packed))?;
        self.packer = packer;
        self.end(slot, len, crc)
    }

    /// Adds array `name`, packed as [`NpzWriter::packing`] says.
    ///
    /// # Errors
    /// As [`NpzWriter::add`].
    pub(crate) fn add_packed(&mut self, name: &str, member: &PackedMember) -> Result<u64> {
        let slot = self.start(name, member.size)?;
        self.push(&member.bytes)?;
        self.end(slot, member.size, member.crc)
    }

    /// Starts array `name` of `len` bytes, at the end of the archive. Its packed bytes are pushed, or written to the file from
    /// `Slot::data_at` on and [left room for](NpzWriter::leave), and it is ended before the next is started.
    pub(crate) fn start(&mut self, name: &str, len: u64) -> Result<Slot> {
        let plain = name.strip_suffix(ENDING).unwrap_or(name);
        name::check(plain)?;
        let name = format!("{plain}{ENDING}");
        if !self.names.insert(name.clone()) {
            return refuse!(
                Usage,
                "{}: two arrays would be called {plain:?}; give one of them another name",
                self.target().display()
            );
        }
        self.zip.start(&name, self.packing.codec(), len)
    }

    /// Appends packed bytes to the member in the making.
    pub(crate) fn push(&mut self, packed: &[u8]) -> Result<()> {
        self.zip.push(packed)
    }

    /// Leaves room for `bytes` of the member in the making, which are written to [`NpzWriter::file`] by others.
    pub(crate) fn leave(&mut self, bytes: u64) -> Result<()> {
        self.zip.leave(bytes)
    }

    /// The archive's file, for one who writes a member's data in place.
    pub(crate) fn file(&self) -> Result<File> {
        self.zip.file()
    }

    /// Ends the member in the making, which unpacks to `size` bytes with the checksum `crc`. Its packed bytes.
    pub(crate) fn end(&mut self, slot: Slot, size: u64, crc: u32) -> Result<u64> {
        self.zip.end(slot, size, crc)
    }

    /// Writes the directory and gives the archive its name. Its bytes. `sync` asks for it to be on disk when this returns; where it
    /// replaces another, it always is.
    ///
    /// # Errors
    /// `Exists` where the file came into being meanwhile; `Io`.
    pub fn finish(self, sync: bool) -> Result<u64> {
        let done = self.zip.finish()?;
        if let Some(original) = &self.added_to {
            original.is_as_it_was()?;
        }
        let bytes = done.sign().bytes;
        done.commit(None, sync)?;
        Ok(bytes)
    }
}

impl Packer {
    /// Gives the first `len` bytes of `npy` to `out`, compressed. Their checksum.
    pub(crate) fn pack_file(
        &mut self,
        packing: Packing,
        npy: &File,
        len: u64,
        mut out: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u32> {
        let failed = |e| Error::io("reading an array, to add it to an archive", e);
        if !packing.is_by_blocks() {
            return pack_whole(packing, npy, len, out);
        }
        let (mut sum, mut raw, mut packed) = (crc32fast::Hasher::new(), Vec::new(), Vec::new());
        for i in 0..blocks(len) {
            packed.clear();
            let block = read_block(npy, len, i, &mut raw).map_err(failed)?;
            sum.update(&raw[block.before..]);
            let (before, new) = raw.split_at(block.before);
            self.pack(packing, before, new, block.last, &mut packed)?;
            out(&packed)?;
        }
        Ok(sum.finalize())
    }
}

/// As [`Packer::pack_file`] where a member is one stream.
#[cfg(feature = "zstd")]
fn pack_whole(packing: Packing, npy: &File, len: u64, mut out: impl FnMut(&[u8]) -> Result<()>) -> Result<u32> {
    use std::io::Write;

    let failed = |e| Error::io("compressing", e);
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), i32::from(packing.level())).map_err(failed)?;
    encoder.set_pledged_src_size(Some(len)).map_err(failed)?;
    encoder.include_contentsize(true).map_err(failed)?;
    let (mut sum, mut raw) = (crc32fast::Hasher::new(), Vec::new());
    for i in 0..blocks(len) {
        let read = |e| Error::io("reading an array, to add it to an archive", e);
        let block = read_block(npy, len, i, &mut raw).map_err(read)?;
        sum.update(&raw[block.before..]);
        encoder.write_all(&raw[block.before..]).map_err(failed)?;
        out(encoder.get_ref())?;
        encoder.get_mut().clear();
    }
    out(&encoder.finish().map_err(failed)?)?;
    Ok(sum.finalize())
}

#[cfg(not(feature = "zstd"))]
fn pack_whole(_: Packing, _: &File, _: u64, _: impl FnMut(&[u8]) -> Result<()>) -> Result<u32> {
    refuse!(Unsupported, "this build has no zstd; build with the feature `zstd`, or take deflate")
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

    use super::super::zip::ALIGN;
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
            let mut zip = ::zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
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
        assert_eq!(::zip::ZipArchive::new(File::open(&path).unwrap()).unwrap().len(), 66_000);
    }

    #[test]
    fn a_member_beyond_four_gigabytes_has_numbers_of_64_bits() {
        // Written as a hole: only headers take up room.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.npz");
        let mut npz = NpzWriter::create(&path, NpzCodec::None.with(None).unwrap(), Replace::Never).unwrap();
        let len = 5 << 30;
        let slot = npz.start("long", len).unwrap();
        npz.leave(len).unwrap();
        npz.file().unwrap().write_all_at(b"end", slot.data_at() + len - 3).unwrap();
        npz.end(slot, len, 0).unwrap();
        npz.add("after", &file(b"123"), 3).unwrap();
        npz.finish(false).unwrap();
        let archive = Archive::open(&path).unwrap();
        let (at, size, _) = archive.in_place("long").unwrap().unwrap();
        assert_eq!((at % ALIGN, size), (0, len));
        assert!(archive.in_place("after").unwrap().unwrap().0 > len);
        let mut zip = ::zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
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

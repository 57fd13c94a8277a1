//! Writing a zip archive: members that are packed already, one after the other, and the directory behind them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::directory::{STORED, UTF8, ZIP64, ZSTD};
use super::pack::NpzCodec;
use crate::error::{Error, Result, refuse};
use crate::store::{Finished, Pending, Replace};

/// Data of members that are not compressed start at a multiple of this, and so does, inside of them, their array: what a map
/// needs for any dtype, and vector instructions like best.
pub(super) const ALIGN: u64 = 64;
/// 1 January 1980, 0:00, the first moment that zip knows: the same arrays give the same bytes, whenever they are written.
const DATE: u16 = 0x21;
/// Version 6.3 of the format, by a Unix: what the permissions below are then understood as.
const MADE_BY: u16 = 3 << 8 | 63;
/// An ordinary file that all may read.
const PERMISSIONS: u32 = 0o100_644 << 16;
/// Numbers from here on stand in fields of 64 bits.
const WIDE: u64 = u32::MAX as u64;
/// The extra field for padding, as Android's zipalign writes it.
const PADDING: u16 = 0xd935;
/// What a field of padding has at least: its number, its length, and the alignment.
const LEAST_PADDING: u64 = 6;
const LOCAL_BYTES: u64 = 30;
/// Bytes that the end of the directory takes at most.
const END_BYTES: u64 = 98;
/// Bytes gathered before one write: small members cost no call each.
const WRITE_BYTES: usize = 1 << 20;

/// A zip archive in the making. The same members in the same order give the same bytes; those that are not compressed start at
/// multiples of 64 bytes, so that they can be mapped in place.
///
/// A member is [started](Self::start), its packed bytes are [pushed](Self::push), and it is [ended](Self::end), before the next.
#[derive(Debug)]
pub struct ZipWriter {
    pending: Pending,
    /// Bytes that are in the file; `gathered` follow them.
    written: u64,
    gathered: Vec<u8>,
    directory: Vec<u8>,
    members: u64,
}

/// A member in the making.
#[derive(Debug)]
pub struct Slot {
    name: String,
    header_at: u64,
    data_at: u64,
    method: u16,
    extra: Vec<u8>,
}

impl Slot {
    /// The member's whole name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its data start in the archive's file.
    pub fn data_at(&self) -> u64 {
        self.data_at
    }
}

impl ZipWriter {
    /// Starts an archive that will be called `target`.
    ///
    /// # Errors
    /// As [`Pending::create`].
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        let pending = Pending::create(target, replace)?;
        Ok(Self { pending, written: 0, gathered: Vec::new(), directory: Vec::new(), members: 0 })
    }

    /// The name it will have.
    pub fn target(&self) -> &Path {
        self.pending.target()
    }

    /// How many members it has.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Bytes of members so far.
    pub fn at(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    /// Bytes that the archive has if it ends here, at most.
    pub fn bytes(&self) -> u64 {
        self.at() + self.directory.len() as u64 + END_BYTES
    }

    /// Starts the member of the whole name `name`, which unpacks to `most` bytes at most, and takes up hardly more. Names are not looked at beyond what zip can
    /// hold.
    ///
    /// # Errors
    /// `Usage` for names over 65,535 bytes; `Io`.
    pub fn start(&mut self, name: &str, codec: NpzCodec, most: u64) -> Result<Slot> {
        self.start_as(name, codec.method(), most)
    }

    pub(super) fn start_as(&mut self, name: &str, method: u16, most: u64) -> Result<Slot> {
        if name.len() > usize::from(u16::MAX) {
            return refuse!(Usage, "a name of {} bytes is too long for a zip archive", name.len());
        }
        let mut extra = Vec::new();
        // What packs worst gains a few bytes a block.
        if most.saturating_add(most / 512).saturating_add(1 << 16) >= WIDE {
            put(&mut extra, &[&ZIP64.to_le_bytes(), &16u16.to_le_bytes(), &[0; 16]]);
        }
        let header_at = self.at();
        let mut data_at = header_at + LOCAL_BYTES + (name.len() + extra.len()) as u64;
        if method == STORED && !data_at.is_multiple_of(ALIGN) {
            let padding = (data_at + LEAST_PADDING).next_multiple_of(ALIGN) - data_at;
            put(
                &mut extra,
                &[&PADDING.to_le_bytes(), &(padding as u16 - 4).to_le_bytes(), &(ALIGN as u16).to_le_bytes()],
            );
            extra.resize(extra.len() + (padding - LEAST_PADDING) as usize, 0);
            data_at += padding;
        }
        // Its header is set when it ends.
        self.gathered.resize(self.gathered.len() + (data_at - header_at) as usize, 0);
        Ok(Slot { name: name.to_owned(), header_at, data_at, method, extra })
    }

    /// Appends packed bytes to the member in the making.
    ///
    /// # Errors
    /// `Io`.
    pub fn push(&mut self, packed: &[u8]) -> Result<()> {
        if self.gathered.len() + packed.len() > WRITE_BYTES {
            self.write_out()?;
        }
        if packed.len() < WRITE_BYTES {
            self.gathered.extend_from_slice(packed);
            return Ok(());
        }
        self.write_at(packed, self.written)?;
        self.written += packed.len() as u64;
        Ok(())
    }

    /// Leaves room for `bytes` of the member in the making, which are written to [`ZipWriter::file`] by others.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn leave(&mut self, bytes: u64) -> Result<()> {
        self.write_out()?;
        self.written += bytes;
        Ok(())
    }

    /// The archive's file, for one who writes a member's data in place.
    pub(super) fn file(&self) -> Result<File> {
        self.pending.file().try_clone().map_err(|e| self.failed(e))
    }

    /// Ends the member in the making; `size` and `crc` are the number and the checksum of the bytes that it unpacks to. Its packed bytes.
    ///
    /// # Errors
    /// `Io`.
    pub fn end(&mut self, slot: Slot, size: u64, crc: u32) -> Result<u64> {
        let packed = self.at() - slot.data_at;
        let Slot { name, header_at, method, mut extra, .. } = slot;
        let is_wide = extra.starts_with(&ZIP64.to_le_bytes());
        if is_wide {
            extra[4..12].copy_from_slice(&size.to_le_bytes());
            extra[12..20].copy_from_slice(&packed.to_le_bytes());
        }
        let number = |n: u64| if is_wide { u32::MAX } else { n as u32 }.to_le_bytes();
        let mut head = Vec::new();
        put(&mut head, &[b"PK\x03\x04", &needed(method, is_wide).to_le_bytes()]);
        common(&mut head, &name, method, crc);
        put(&mut head, &[&number(packed), &number(size), &(name.len() as u16).to_le_bytes()]);
        put(&mut head, &[&(extra.len() as u16).to_le_bytes(), name.as_bytes(), &extra]);
        match header_at.checked_sub(self.written) {
            Some(at) => self.gathered[at as usize..at as usize + head.len()].copy_from_slice(&head),
            None => self.write_at(&head, header_at)?,
        }
        self.describe(&name, header_at, method, [size, packed], crc);
        self.members += 1;
        Ok(packed)
    }

    /// Appends an entry to the directory.
    fn describe(&mut self, name: &str, header_at: u64, method: u16, [size, packed]: [u64; 2], crc: u32) {
        let mut wide = Vec::new();
        let mut number = |n: u64| {
            if n >= WIDE {
                wide.extend_from_slice(&n.to_le_bytes());
            }
            (n.min(WIDE) as u32).to_le_bytes()
        };
        // In the order in which the field of 64 bits has them.
        let (size, packed, at) = (number(size), number(packed), number(header_at));
        let out = &mut self.directory;
        put(out, &[b"PK\x01\x02", &MADE_BY.to_le_bytes(), &needed(method, !wide.is_empty()).to_le_bytes()]);
        common(out, name, method, crc);
        let extra = if wide.is_empty() { 0 } else { wide.len() as u16 + 4 };
        put(out, &[&packed, &size, &(name.len() as u16).to_le_bytes(), &extra.to_le_bytes()]);
        // No comment, the first disk, no text.
        put(out, &[&[0; 6], &PERMISSIONS.to_le_bytes(), &at, name.as_bytes()]);
        if extra > 0 {
            put(out, &[&ZIP64.to_le_bytes(), &(extra - 4).to_le_bytes(), &wide]);
        }
    }

    /// Writes the directory. The file has no name yet.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish(mut self) -> Result<Finished> {
        let (start, count) = (self.at(), self.members);
        let mut tail = std::mem::take(&mut self.directory);
        let size = tail.len() as u64;
        if count >= u64::from(u16::MAX) || size >= WIDE || start >= WIDE {
            put(&mut tail, &[b"PK\x06\x06", &44u64.to_le_bytes(), &MADE_BY.to_le_bytes(), &45u16.to_le_bytes()]);
            tail.extend_from_slice(&[0; 8]);
            [count, count, size, start].iter().for_each(|n| tail.extend_from_slice(&n.to_le_bytes()));
            put(&mut tail, &[b"PK\x06\x07", &[0; 4], &(start + size).to_le_bytes(), &1u32.to_le_bytes()]);
        }
        let count = (count.min(u64::from(u16::MAX)) as u16).to_le_bytes();
        let narrow = |n: u64| (n.min(WIDE) as u32).to_le_bytes();
        put(&mut tail, &[b"PK\x05\x06\0\0\0\0", &count, &count, &narrow(size), &narrow(start), &[0; 2]]);
        self.push(&tail)?;
        self.write_out()?;
        self.pending.file().set_len(self.written).map_err(|e| self.failed(e))?;
        Finished::of(self.pending)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.pending.file().write_all_at(bytes, at).map_err(|e| self.failed(e))
    }

    fn write_out(&mut self) -> Result<()> {
        self.write_at(&self.gathered, self.written)?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    fn failed(&self, e: std::io::Error) -> Error {
        Error::io(format!("writing {}", self.target().display()), e)
    }
}

fn put(to: &mut Vec<u8>, fields: &[&[u8]]) {
    fields.iter().for_each(|f| to.extend_from_slice(f));
}

/// What stands alike in both headers of a member: flags, method, time, date, checksum.
fn common(out: &mut Vec<u8>, name: &str, method: u16, crc: u32) {
    let flags = if name.is_ascii() { 0 } else { UTF8 };
    put(out, &[&flags.to_le_bytes(), &method.to_le_bytes(), &[0; 2], &DATE.to_le_bytes(), &crc.to_le_bytes()]);
}

/// The version of the format that a reader must know.
fn needed(method: u16, is_wide: bool) -> u16 {
    match method {
        ZSTD => 63,
        _ if is_wide => 45,
        _ => 20,
    }
}

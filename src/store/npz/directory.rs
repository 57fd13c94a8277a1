//! The central directory of a zip archive, read without trusting any of it.

use std::collections::HashMap;

use super::name;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::bytes::Positioned;

/// The record that stands last, before a comment.
const END: [u8; 4] = *b"PK\x05\x06";
const END_BYTES: usize = 22;
/// Where it is that the record with numbers of 64 bits stands.
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_BYTES: usize = 56;
/// One member in the directory, and before its data.
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const CENTRAL_BYTES: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_BYTES: usize = 30;
/// A comment has at most this many bytes.
const MAX_COMMENT: usize = u16::MAX as usize;
/// A directory longer than this is none: it would be of more than ten million arrays.
const MAX_DIRECTORY: u64 = 1 << 30;

const ENCRYPTED: u16 = 1;
pub(super) const UTF8: u16 = 1 << 11;
/// The extra field that holds numbers of 64 bits.
pub(super) const ZIP64: u16 = 1;

/// The methods of members that are read.
pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
pub(super) const DEFLATED64: u16 = 9;
pub(super) const ZSTD: u16 = 93;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its whole name.
    pub(super) name: String,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Bytes of what it unpacks to.
    pub(super) size: u64,
    encrypted: bool,
    /// Whether another member has the same name.
    twice: bool,
    header_at: u64,
    /// The bytes of its name, to be held against those before its data.
    raw: Vec<u8>,
}

/// All members of an archive.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    /// Where it starts; no member reaches beyond.
    start: u64,
}

fn damaged(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("damaged zip archive: {why}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// What the end of an archive says of its directory.
struct End {
    entries: u64,
    size: u64,
    /// Where the directory starts in the file.
    start: u64,
    /// Bytes that stand before the archive, by which all places are off.
    before: u64,
}

impl End {
    fn read(file: &impl Positioned, len: u64) -> Result<Self> {
        let failed = |e| Error::io("reading the end of the archive", e);
        let tail_len = len.min((END_BYTES + MAX_COMMENT + LOCATOR_BYTES + END64_BYTES) as u64) as usize;
        let tail_at = len - tail_len as u64;
        let mut tail = vec![0; tail_len];
        file.fill_at(&mut tail, tail_at).map_err(failed)?;
        let last = tail_len.saturating_sub(END_BYTES);
        let is_end = |at: &usize| {
            tail[*at..].starts_with(&END) && at + END_BYTES + usize::from(u16_at(&tail, at + 20)) <= tail_len
        };
        let Some(at) = (0..=last).rev().filter(|at| at + END_BYTES <= tail_len).find(is_end) else {
            return Err(damaged("its directory, which stands at the end, is missing; the file is cut short or no zip"));
        };
        let record = &tail[at..];
        let mut disks = u32::from(u16_at(record, 4)) | u32::from(u16_at(record, 6));
        let (mut entries, mut size, mut said) =
            (u64::from(u16_at(record, 10)), u64::from(u32_at(record, 12)), u64::from(u32_at(record, 16)));
        let mut end = tail_at + at as u64;
        if at >= LOCATOR_BYTES && tail[at - LOCATOR_BYTES..].starts_with(&LOCATOR) {
            // Where bytes stand before the archive, the place is off by those: the record stands just before its locator.
            let named = u64_at(&tail, at - LOCATOR_BYTES + 8);
            let usual = (end - LOCATOR_BYTES as u64).checked_sub(END64_BYTES as u64);
            let mut record = [0; END64_BYTES];
            let mut found = None;
            for place in [Some(named), usual].into_iter().flatten() {
                if place.checked_add(END64_BYTES as u64).is_some_and(|e| e <= end) {
                    file.fill_at(&mut record, place).map_err(failed)?;
                    if record.starts_with(&END64) {
                        found = Some(place);
                        break;
                    }
                }
            }
            let Some(place) = found else {
                return Err(damaged("the zip64 record of its directory is not where it is said to be"));
            };
            disks = u32_at(&record, 16) | u32_at(&record, 20);
            (entries, size, said) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
            end = place;
        }
        if disks != 0 {
            return refuse!(Unsupported, "the zip archive is in several parts; join them first, as with `zip -s 0`");
        }
        let start = end.checked_sub(size).filter(|start| *start >= said);
        let Some(start) = start else {
            return Err(damaged(format!(
                "its directory is to have {size} bytes from byte {said}, and ends at byte {end}"
            )));
        };
        Ok(Self { entries, size, start, before: start - said })
    }
}

impl Directory {
    /// Reads the directory of the archive that `file`, of `len` bytes, is.
    ///
    /// # Errors
    /// `Corrupt` where numbers contradict each other, members overlap or lie outside of the file; `Unsupported` for archives in
    /// several parts; `Io`.
    pub(super) fn read(file: &impl Positioned, len: u64) -> Result<Self> {
        let end = End::read(file, len)?;
        if end.size > MAX_DIRECTORY || end.entries.saturating_mul(CENTRAL_BYTES as u64) > end.size {
            return Err(damaged(format!("{} members cannot be in a directory of {} bytes", end.entries, end.size)));
        }
        let mut bytes = vec![0; end.size as usize];
        file.fill_at(&mut bytes, end.start).map_err(|e| Error::io("reading the directory of the archive", e))?;
        let mut entries = Vec::with_capacity(end.entries as usize);
        let mut rest = &bytes[..];
        for i in 0..end.entries {
            let (entry, used) = Entry::parse(rest, end.before).map_err(|e| match e.kind() {
                ErrorKind::Corrupt => e.at(format!("member {i}")),
                _ => e,
            })?;
            entries.push(entry);
            rest = &rest[used..];
        }
        refuse_overlap(&entries, end.start)?;
        let mut by_name: HashMap<String, usize> = HashMap::with_capacity(entries.len());
        for i in 0..entries.len() {
            if let Some(other) = by_name.insert(entries[i].name.clone(), i) {
                entries[i].twice = true;
                entries[other].twice = true;
            }
        }
        Ok(Self { entries, by_name, start: end.start })
    }

    /// The member whose whole name is `name`.
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|i| &self.entries[*i])
    }
}

impl Entry {
    fn parse(bytes: &[u8], before: u64) -> Result<(Self, usize)> {
        if bytes.len() < CENTRAL_BYTES || !bytes.starts_with(&CENTRAL) {
            return Err(damaged("its entry in the directory is missing"));
        }
        let lens = [28, 30, 32].map(|at| usize::from(u16_at(bytes, at)));
        let used = CENTRAL_BYTES + lens.iter().sum::<usize>();
        if bytes.len() < used {
            return Err(damaged("its entry reaches beyond the directory"));
        }
        let raw = &bytes[CENTRAL_BYTES..CENTRAL_BYTES + lens[0]];
        let extra = &bytes[CENTRAL_BYTES + lens[0]..CENTRAL_BYTES + lens[0] + lens[1]];
        let flags = u16_at(bytes, 8);
        let Some(name) = name::decode(raw, flags & UTF8 != 0) else {
            return Err(damaged(format!("its name {:?} is not UTF-8", String::from_utf8_lossy(raw))));
        };
        let mut size = u64::from(u32_at(bytes, 24));
        let mut packed = u64::from(u32_at(bytes, 20));
        let mut header_at = u64::from(u32_at(bytes, 42));
        let mut wide = zip64(extra).unwrap_or_default();
        for value in [&mut size, &mut packed, &mut header_at] {
            if *value == u64::from(u32::MAX)
                && let Some((number, rest)) = wide.split_first_chunk::<8>()
            {
                (*value, wide) = (u64::from_le_bytes(*number), rest);
            }
        }
        let Some(header_at) = header_at.checked_add(before) else {
            return Err(damaged(format!("{name}: its place is beyond any file")));
        };
        let entry = Self {
            name,
            method: u16_at(bytes, 10),
            crc: u32_at(bytes, 16),
            packed,
            size,
            encrypted: flags & ENCRYPTED != 0,
            twice: false,
            header_at,
            raw: raw.to_vec(),
        };
        Ok((entry, used))
    }

    /// Where its data start in `file`.
    ///
    /// # Errors
    /// `Usage` where another member has its name, `Unsupported` where it is encrypted, `Corrupt` where its header is another's or its data lie outside of the archive.
    pub(super) fn data_at(&self, file: &impl Positioned, directory: &Directory) -> Result<u64> {
        if self.twice {
            return refuse!(
                Corrupt,
                "the archive holds several members of this name, and it is not clear which is meant; write it anew with distinct names"
            );
        }
        if self.encrypted {
            return refuse!(Unsupported, "it is encrypted; unpack it with its password and pack it without");
        }
        let mut header = vec![0; LOCAL_BYTES + self.raw.len()];
        let short = |_| damaged("its header lies outside of the file");
        file.fill_at(&mut header, self.header_at).map_err(short)?;
        if !header.starts_with(&LOCAL) {
            return Err(damaged(format!("no header stands at byte {}, where its is said to be", self.header_at)));
        }
        let (name, extra) = (usize::from(u16_at(&header, 26)), u64::from(u16_at(&header, 28)));
        if name != self.raw.len() || header[LOCAL_BYTES..] != self.raw {
            return Err(damaged("another name stands before its data than in the directory"));
        }
        let at = self.header_at + header.len() as u64 + extra;
        match at.checked_add(self.packed) {
            Some(end) if end <= directory.start => Ok(at),
            _ => Err(damaged(format!("{} bytes from byte {at} on reach into the directory", self.packed))),
        }
    }
}

/// The numbers of the zip64 field among `extra`.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let field = extra.get(4..4 + len)?;
        if id == ZIP64 {
            return Some(field);
        }
        extra = &extra[4 + len..];
    }
    None
}

/// Refuses members that share bytes: a small archive could unpack to any size.
fn refuse_overlap(entries: &[Entry], directory: u64) -> Result<()> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|e| e.header_at);
    let next = order.iter().skip(1).map(|e| (e.header_at, e.name.as_str())).chain([(directory, "the directory")]);
    for (entry, (next_at, next)) in order.iter().zip(next) {
        let least = (LOCAL_BYTES + entry.raw.len()) as u64;
        let end = entry.header_at.checked_add(least).and_then(|at| at.checked_add(entry.packed));
        if end.is_none_or(|end| end > next_at) {
            return Err(damaged(format!(
                "member {}, of {} bytes at byte {}, overlaps {next}",
                entry.name, entry.packed, entry.header_at
            )));
        }
    }
    Ok(())
}

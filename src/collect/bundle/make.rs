//! One piece of work on one core: files read, looked at, summed up and packed.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::choice::{Choice, Packed, unfit};
use super::feed::{From, Part, PartBytes, Whole, Work};
use super::index::Format;
use super::rows::About;
use crate::engine::{Resources, pack_npy};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Compression, NpyHead, tar_header, tar_padding};

/// What files are made into.
#[derive(Debug, Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) format: Format,
    pub(super) level: u8,
    pub(super) choice: &'a Choice<'a>,
    pub(super) memory: u64,
}

impl How<'_> {
    /// One core of several, each of which has an array at hand.
    fn resources(&self) -> Resources<'static> {
        Resources { threads: NonZeroUsize::MIN, memory: self.memory, ..Resources::default() }
    }
}

/// An array, or a part of a larger one, within [`Made::bytes`].
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) about: Arc<About>,
    /// What its steps made of it, if it went through any on the way.
    pub(super) packed: Option<Arc<Packed>>,
    pub(super) first: bool,
    pub(super) last: bool,
    /// tar: its first byte in the unpacked block. Otherwise the first byte of `bytes`.
    pub(super) at: u64,
    /// npz: its packed bytes. Otherwise as `size`.
    pub(super) len: u64,
    /// Its bytes before packing; in HDF5 those of elements alone.
    pub(super) size: u64,
    /// The checksum of these.
    pub(super) sum: crc32fast::Hasher,
}

/// What became of a piece of work.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) pieces: Vec<Piece>,
    pub(super) bytes: Vec<u8>,
    /// tar: bytes of the block before packing.
    pub(super) unpacked: u64,
    /// Files that hold no array of numbers.
    pub(super) passed: Vec<(String, Error)>,
    /// Bytes read.
    pub(super) read: u64,
    /// Arrays taken or passed over that end here.
    pub(super) ended: u64,
}

impl Made {
    /// Whether an array goes on that began before.
    pub(super) fn goes_on(&self) -> bool {
        self.pieces.first().is_some_and(|p| !p.first)
    }
}

pub(super) fn make(work: Work, how: How<'_>) -> Result<Made> {
    match work {
        Work::Small(files) => small(files, how),
        Work::Part(part) => one_part(part, how),
    }
}

/// The bytes of `file`, and what its header says.
pub(super) fn whole(file: Whole) -> Result<(String, Vec<u8>, Result<NpyHead>)> {
    let (bytes, place) = match file.from {
        From::Path(path) => (store::read_whole(&path, file.size)?, path.display().to_string()),
        From::Here(bytes) => (bytes, file.name.clone()),
    };
    let head = match NpyHead::of(&bytes, bytes.len() as u64) {
        Err(e) if e.kind() != ErrorKind::Unsupported => return Err(e.at(place)),
        other => other,
    };
    Ok((file.name, bytes, head))
}

fn summed(bytes: &[u8]) -> crc32fast::Hasher {
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes);
    sum
}

fn small(files: Vec<Whole>, how: How<'_>) -> Result<Made> {
    let mut made = Made::default();
    for file in files {
        let (name, mut bytes, head) = whole(file)?;
        made.read += bytes.len() as u64;
        made.ended += 1;
        let head = match head {
            Ok(head) => head,
            Err(e) => {
                made.passed.push((name, e));
                continue;
            }
        };
        let (mut head, mut packed) = (head, None);
        if let Some((steps, select)) = how.choice.of(&name) {
            let made = pack_npy(&head, &bytes, steps.ask(), &how.resources()).map_err(|e| unfit(&name, e))?;
            packed = Some(Arc::new(Packed::new(&name, select, steps, &made.record, &made.head.shown, made.coding)?));
            (head, bytes) = (made.head, made.npy);
        }
        let about = match About::of(&head, packed.as_ref().and_then(|p| p.ask.as_ref())) {
            Ok(about) => Arc::new(about),
            Err(e) if e.kind() == ErrorKind::Unsupported => {
                made.passed.push((name, e));
                continue;
            }
            Err(e) => return Err(e.at(name)),
        };
        let piece = |at: u64, len: u64, of: &[u8]| Piece {
            name: name.clone(),
            about: Arc::clone(&about),
            packed: packed.clone(),
            first: true,
            last: true,
            at,
            len,
            size: of.len() as u64,
            sum: summed(of),
        };
        let piece = match how.format {
            Format::Tar(_) => {
                tar_header(&format!("{name}.npy"), bytes.len() as u64, &mut made.bytes);
                let at = made.bytes.len() as u64;
                made.bytes.extend_from_slice(&bytes);
                made.bytes.resize(made.bytes.len() + tar_padding(bytes.len() as u64), 0);
                piece(at, bytes.len() as u64, &bytes)
            }
            Format::Npz(compression) => {
                let at = made.bytes.len() as u64;
                compression.pack(how.level, &bytes, true, &mut made.bytes)?;
                piece(at, made.bytes.len() as u64 - at, &bytes)
            }
            Format::Hdf5 => {
                let elements = &mut bytes[head.data_at as usize..];
                head.order.to_native(head.shown.dtype(), elements);
                let at = made.bytes.len() as u64;
                made.bytes.extend_from_slice(elements);
                piece(at, elements.len() as u64, elements)
            }
        };
        made.pieces.push(piece);
    }
    finish(made, how)
}

fn one_part(part: Part, how: How<'_>) -> Result<Made> {
    let Part { name, head, about, packed, bytes, first, last, file_bytes, .. } = part;
    let mut bytes = match bytes {
        PartBytes::InFile(stretch) => stretch.bytes(0, stretch.len())?,
        PartBytes::Here(bytes) => bytes,
    };
    let mut made = Made { read: bytes.len() as u64, ended: u64::from(last), ..Made::default() };
    let (size, sum) = (bytes.len() as u64, crc32fast::Hasher::new());
    let mut piece = Piece { name, about, packed, first, last, at: 0, len: 0, size, sum };
    match how.format {
        Format::Tar(_) => {
            if first {
                tar_header(&format!("{}.npy", piece.name), file_bytes, &mut made.bytes);
            }
            piece.at = made.bytes.len() as u64;
            piece.sum = summed(&bytes);
            made.bytes.append(&mut bytes);
            if last {
                made.bytes.resize(made.bytes.len() + tar_padding(file_bytes), 0);
            }
            piece.len = piece.size;
        }
        Format::Npz(compression) => {
            piece.sum = summed(&bytes);
            compression.pack(how.level, &bytes, last, &mut made.bytes)?;
            piece.len = made.bytes.len() as u64;
        }
        Format::Hdf5 => {
            if first {
                bytes.drain(..head.data_at as usize);
            }
            head.order.to_native(head.shown.dtype(), &mut bytes);
            piece.sum = summed(&bytes);
            piece.size = bytes.len() as u64;
            piece.len = piece.size;
            made.bytes = bytes;
        }
    }
    made.pieces.push(piece);
    finish(made, how)
}

/// Packs the block of a tar archive.
fn finish(mut made: Made, how: How<'_>) -> Result<Made> {
    made.unpacked = made.bytes.len() as u64;
    if let Format::Tar(compression) = how.format
        && compression != Compression::None
        && !made.bytes.is_empty()
    {
        let mut packed = Vec::with_capacity(made.bytes.len() / 2);
        compression.pack(how.level, &made.bytes, true, &mut packed)?;
        made.bytes = packed;
    }
    Ok(made)
}

//! Volumes of archives: blocks in, files of about the size asked out.

use std::path::{Path, PathBuf};

use super::index::{Format, VolumeRow};
use super::make::{How, Made};
use super::names;
use super::rows::Rows;
use crate::error::Result;
use crate::store::{Compression, Finished, Growing, NpzCodec, Replace, Slot, TAR_END, ZipWriter};

/// Where volumes go, and how large they get.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) output: PathBuf,
    pub(super) stem: String,
    pub(super) target_size: u64,
    /// Volumes that an interrupted run has finished.
    pub(super) finished: usize,
    pub(super) replace: Replace,
    pub(super) sync: bool,
}

impl Room {
    /// The name of volume `number`, from 0 on; a bundle of one has the output's own.
    pub(super) fn name(&self, number: usize, is_only: bool) -> PathBuf {
        if is_only { self.output.clone() } else { names::volume_path(&self.output, &self.stem, number + 1) }
    }

    /// Whether volume `number`, from 0 on, may replace a file: an interrupted run may have named one more than its journal says.
    pub(super) fn replace(&self, number: usize) -> Replace {
        if self.finished > 0 && number == self.finished { Replace::Allowed } else { self.replace }
    }

    /// What the index says of a volume that has its name now.
    pub(super) fn row(&self, path: &Path, bytes: u64, tail: u32) -> VolumeRow {
        let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        VolumeRow { file, bytes, tail_crc32: tail }
    }
}

/// The archive that grows.
#[derive(Debug)]
enum Archive {
    Tar(Growing),
    /// With the member that came in parts so far.
    Npz(ZipWriter, Option<Slot>),
}

/// Takes what was made, in its order.
#[derive(Debug)]
pub(super) struct Volumes<'a> {
    room: Room,
    how: How<'a>,
    open: Option<Archive>,
    /// Arrays in the open volume.
    arrays: u64,
    pub(super) rows: Rows,
    large: Option<Large>,
}

/// An array that came in parts so far.
#[derive(Debug)]
struct Large {
    block: u64,
    offset: u64,
    size: u64,
    sum: crc32fast::Hasher,
}

impl<'a> Volumes<'a> {
    pub(super) fn new(room: Room, how: How<'a>, rows: Rows) -> Self {
        Self { room, how, open: None, arrays: 0, rows, large: None }
    }

    /// Whether `made` belongs into another volume than the one that is open.
    pub(super) fn is_full_for(&self, made: &Made) -> bool {
        let len = match &self.open {
            Some(Archive::Tar(to)) => to.len(),
            Some(Archive::Npz(to, _)) => to.bytes(),
            None => 0,
        };
        self.arrays > 0 && !made.goes_on() && len + made.bytes.len() as u64 > self.room.target_size
    }

    /// Appends `made`.
    pub(super) fn push(&mut self, made: &Made) -> Result<()> {
        if made.pieces.is_empty() {
            return Ok(());
        }
        let number = self.rows.volumes.len();
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                // The number of the first volume is needed only if there is a second.
                let name = self.room.name(number, number == 0);
                none.insert(match self.how.format {
                    Format::Npz(_) => Archive::Npz(ZipWriter::create(&name, self.room.replace(number))?, None),
                    _ => Archive::Tar(Growing::create(&name, self.room.replace(number))?),
                })
            }
        };
        let volume = number as u32;
        let codec = if self.how.format.compression() == Compression::None { NpzCodec::None } else { NpzCodec::Deflate };
        let mut block = self.rows.blocks.len();
        if let Archive::Tar(to) = open {
            self.rows.blocks.push(volume, to.len(), made.bytes.len() as u64, made.unpacked);
            to.push(&made.bytes)?;
        }
        for piece in &made.pieces {
            let sum = piece.sum.clone();
            if let Archive::Npz(to, slot) = open {
                let packed = &made.bytes[piece.at as usize..(piece.at + piece.len) as usize];
                if piece.first {
                    // How long it gets is seen at its end.
                    let most = if piece.last { piece.size } else { u64::MAX };
                    *slot = Some(to.start(&format!("{}.npy", piece.name), codec, most)?);
                }
                block = self.rows.blocks.len();
                self.rows.blocks.push(volume, to.at(), piece.len, piece.size);
                to.push(packed)?;
            }
            let offset = if matches!(self.how.format, Format::Npz(_)) { 0 } else { piece.at };
            let whole = match (piece.first, self.large.take()) {
                (false, Some(mut large)) => {
                    large.sum.combine(&sum);
                    large.size += piece.size;
                    large
                }
                _ => Large { block, offset, size: piece.size, sum },
            };
            if !piece.last {
                self.large = Some(whole);
                continue;
            }
            let crc32 = whole.sum.finalize();
            if let Archive::Npz(to, slot) = &mut *open
                && let Some(slot) = slot.take()
            {
                to.end(slot, whole.size, crc32)?;
            }
            self.rows.push(&piece.name, &piece.about, whole.block, whole.offset, whole.size, crc32)?;
            if let Some(packed) = &piece.packed {
                self.rows.reports.insert(self.rows.len() - 1, packed.report.clone());
            }
            self.arrays += 1;
        }
        Ok(())
    }

    /// Ends the open volume and gives it its name; `last` if none follows.
    pub(super) fn close(&mut self, last: bool) -> Result<()> {
        let done: Finished = match self.open.take() {
            Some(Archive::Npz(to, _)) => to.finish()?,
            Some(Archive::Tar(mut to)) => {
                let mut end = Vec::new();
                self.how.format.compression().pack(self.how.level, &TAR_END, true, &mut end)?;
                to.push(&end)?;
                to.finish()?
            }
            None => return Ok(()),
        };
        self.arrays = 0;
        let number = self.rows.volumes.len();
        let name = self.room.name(number, last && number == 0);
        let sign = done.sign();
        done.commit(Some(&name), self.room.sync)?;
        self.rows.volumes.push(self.room.row(&name, sign.bytes, sign.tail));
        Ok(())
    }
}

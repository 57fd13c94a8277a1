//! Where the chunks of a dataset lie: looked up one by one while few are wanted, listed all at once when many are.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::filter::room;
use super::grid::Grid;
use super::raw::{Id, chunk};
use crate::array::index_of;
use crate::error::{Result, refuse};

/// Datasets of so many chunks are listed when they are opened, in about a millisecond: damage is told early.
const LISTED_AT_ONCE: u64 = 1024;

/// All chunks are listed once this part of them was looked up one by one, which takes several times as long a chunk and holds the
/// library's lock.
const LOOKED_UP: u64 = 16;

/// No fewer look-ups than this are made one by one.
const SINGLE_LOOKUPS: u64 = 64;

/// Chunks whose places are kept in memory, 32 bytes each; where there are more, each is looked up.
const MAX_CHUNKS: usize = 1 << 22;

/// The chunks of one dataset.
#[derive(Debug)]
pub(super) struct Table {
    chunk: Vec<u64>,
    counts: Vec<u64>,
    /// Bytes of the file.
    length: u64,
    /// Whether every chunk must be there: we write all of them, and HDF5 takes one that its index has lost for one never written.
    complete: bool,
    listed: OnceLock<Vec<chunk::Stored>>,
    too_many: AtomicBool,
    lookups: AtomicU64,
}

/// What was read of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetched {
    pub(super) bytes: usize,
    pub(super) skipped: u32,
}

impl Table {
    pub(super) fn new(grid: &Grid, chunk: &[u64], length: u64) -> Self {
        Self {
            chunk: chunk.to_vec(),
            counts: grid.counts().to_vec(),
            length,
            complete: false,
            listed: OnceLock::new(),
            too_many: AtomicBool::new(false),
            lookups: AtomicU64::new(0),
        }
    }

    /// Lists the chunks of a small dataset now. `complete` says that none may be missing.
    pub(super) fn prepare(&mut self, dataset: &Id, complete: bool) -> Result<()> {
        self.complete = complete;
        if self.count() <= LISTED_AT_ONCE { self.list(dataset).map(drop) } else { Ok(()) }
    }

    /// Chunks of the dataset, written or not. A forged shape can have more than fit a number.
    fn count(&self) -> u64 {
        self.counts.iter().fold(1, |n, c| n.saturating_mul(*c))
    }

    /// Whether the places of all chunks are in memory.
    pub(super) fn is_listed(&self) -> bool {
        self.listed.get().is_some()
    }

    /// Stored bytes of all chunks, if they are listed.
    pub(super) fn known(&self) -> Option<u64> {
        self.listed.get().map(|all| all.iter().map(|s| s.bytes).sum())
    }

    /// All stored chunks in order of their numbers.
    pub(super) fn all(&self, dataset: &Id) -> Result<&[chunk::Stored]> {
        match self.list(dataset)? {
            Some(all) => Ok(all),
            None => refuse!(Unsupported, "it has more than {MAX_CHUNKS} chunks"),
        }
    }

    fn list(&self, dataset: &Id) -> Result<Option<&[chunk::Stored]>> {
        if let Some(all) = self.listed.get() {
            return Ok(Some(all));
        }
        if self.too_many.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // Entries that a file of this length can hold: a stored chunk is at least a byte.
        let most = MAX_CHUNKS.min(usize::try_from(self.length).unwrap_or(usize::MAX));
        let Some(found) = chunk::table(dataset, &self.chunk, &self.counts, most)? else {
            self.too_many.store(true, Ordering::Relaxed);
            return Ok(None);
        };
        for stored in &found {
            if stored.address.checked_add(stored.bytes).is_none_or(|end| end > self.length) {
                return refuse!(
                    Corrupt,
                    "chunk {} ({} bytes at {}) does not fit the file's {} bytes: it is cut short",
                    stored.number,
                    stored.bytes,
                    stored.address,
                    self.length
                );
            }
        }
        let (all, have) = (self.count(), found.len() as u64);
        if self.complete && have != all {
            return refuse!(
                Corrupt,
                "{} of its {all} chunks are missing: the file is damaged",
                all.saturating_sub(have)
            );
        }
        Ok(Some(self.listed.get_or_init(|| found)))
    }

    /// Where chunk `number` lies; `None` where it was never written.
    pub(super) fn find(&self, dataset: &Id, number: u64) -> Result<Option<chunk::Stored>> {
        let all = self.all(dataset)?;
        Ok(all.binary_search_by_key(&number, |s| s.number).ok().map(|found| all[found]))
    }

    /// Reads the stored bytes of chunk `number` to the beginning of `raw`; `None` where it was never written. `check` is told the
    /// left-out filters and the length before anything is allocated; `pread` reads from a byte of the file on.
    pub(super) fn fetch(
        &self,
        dataset: &Id,
        number: u64,
        raw: &mut Vec<u8>,
        check: impl Fn(u32, u64) -> Result<()>,
        pread: impl Fn(u64, &mut [u8]) -> Result<()>,
    ) -> Result<Option<Fetched>> {
        let single = !self.is_listed()
            && (self.too_many.load(Ordering::Relaxed)
                || self.lookups.fetch_add(1, Ordering::Relaxed) < SINGLE_LOOKUPS.max(self.count() / LOOKED_UP));
        if single && let Ok((bytes, skipped)) = self.look(dataset, number) {
            if bytes > self.length {
                return refuse!(Corrupt, "{bytes} bytes in a file of {}: it is cut short", self.length);
            }
            check(skipped, bytes)?;
            let read = chunk::read(dataset, &self.offset(number), room(raw, bytes as usize)?)?;
            if read != (bytes, skipped) {
                return refuse!(Io, "the file changed while it was read");
            }
            return Ok(Some(Fetched { bytes: bytes as usize, skipped }));
        }
        // Never written, or damaged: the list tells which. Where there are too many to list, the look-up's word must do.
        let Some(all) = self.list(dataset)? else {
            return match self.complete {
                true => self.look(dataset, number).map(|_| None),
                false => Ok(None),
            };
        };
        let Ok(found) = all.binary_search_by_key(&number, |s| s.number) else { return Ok(None) };
        let stored = all[found];
        check(stored.skipped, stored.bytes)?;
        pread(stored.address, room(raw, stored.bytes as usize)?)?;
        Ok(Some(Fetched { bytes: stored.bytes as usize, skipped: stored.skipped }))
    }

    fn look(&self, dataset: &Id, number: u64) -> Result<(u64, u32)> {
        chunk::look(dataset, &self.offset(number))
    }

    /// The first element of chunk `number`.
    fn offset(&self, number: u64) -> Vec<u64> {
        index_of(&self.counts, number).iter().zip(&self.chunk).map(|(i, c)| i * c).collect()
    }
}

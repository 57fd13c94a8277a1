//! `compact restore INDEX:NAME`: one array of a bundle, whole or a slice of it.

use std::path::Path;
use std::time::Instant;

use super::index::{Entry, Format};
use super::open::{Bundle, Key};
use crate::engine::{ReadOptions, Reader, RestoreOptions, Restored, Target, restore_opened};
use crate::error::{Result, refuse};
use crate::report::Side;
use crate::store::{self, Compression, Growing, Opened, Place, open_npy};

/// Arrays up to this part of the memory bound are read in one piece where they are wanted whole.
const WHOLE_PART: u64 = 4;

/// Whether `path` has the name of a bundle's index.
pub fn is_index(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(".index.npz"))
}

impl Bundle {
    /// An array, to be read in parts: what a slice needs is read and decoded, and nothing else, where the bundle is HDF5, a plain tar,
    /// or a `.npz` whose members are not compressed. A compressed member is unpacked to a temporary file first.
    ///
    /// Checksums are those of whole arrays, so parts are not held against them; coded chunks have their own.
    ///
    /// # Errors
    /// As [`Bundle::get`].
    pub fn reader<'a>(&self, key: impl Into<Key<'a>>) -> Result<Reader> {
        self.reader_with(key, ReadOptions::default())
    }

    /// As [`Bundle::reader`], with cache, threads and memory to choose.
    ///
    /// # Errors
    /// As [`Bundle::get`].
    pub fn reader_with<'a>(&self, key: impl Into<Key<'a>>, options: ReadOptions) -> Result<Reader> {
        let entry = self.entry(key)?;
        let place = self.place(&entry);
        let opened = self.opened(&entry, false).map_err(|e| e.at(&place))?;
        let reader = Reader::of_with(opened, options)?;
        let fits = *reader.opened().shown() == entry.stored()? && *reader.spec() == entry.spec()?;
        if !fits || reader.record().is_some() != entry.packed.is_some() {
            return refuse!(
                Corrupt,
                "{place}: the index says {}, the volume {}; the index is another bundle's",
                entry.spec()?,
                reader.spec()
            );
        }
        Ok(reader)
    }

    pub(super) fn place(&self, entry: &Entry) -> Place {
        Place { path: self.path().to_owned(), member: Some(entry.name.clone()) }
    }

    /// Opens an array where it lies; `whole` has its checksum compared once it was read.
    fn opened(&self, entry: &Entry, whole: bool) -> Result<Opened> {
        let place = self.place(entry);
        match self.format() {
            Format::Hdf5 => self.window(entry, whole, place),
            Format::Tar(Compression::None) | Format::Npz(Compression::None) => {
                open_npy(&self.in_place(entry)?, place, whole.then_some(entry.crc32))
            }
            // Compared while it is unpacked.
            _ => open_npy(&self.unpacked(entry)?, place, None),
        }
    }

    /// Writes an array, or a slice of it, to `target`: as it was before it was compacted, if it was, else as it is.
    ///
    /// # Errors
    /// As [`Bundle::get`] and [`restore`](crate::engine::restore).
    pub fn restore<'a>(
        &self,
        key: impl Into<Key<'a>>,
        target: &Target,
        options: &RestoreOptions<'_>,
    ) -> Result<Restored> {
        let (start, entry) = (Instant::now(), self.entry(key)?);
        let place = self.place(&entry);
        let is_whole = options.slice.is_none();
        let is_npy = |to: &Place| store::Format::of_name(&to.path) == Some(store::Format::Npy) && to.member.is_none();
        if let (true, None, Target::Place(to)) = (is_whole, &entry.packed, target)
            && is_npy(to)
            && entry.bytes <= options.resources.memory / WHOLE_PART
        {
            // The file as it was, its header included.
            let item = self.get(entry.number)?;
            let mut file = Growing::create(&to.path, options.replace)?;
            file.push(item.npy())?;
            file.finish()?.commit(None, options.sync)?;
            let side = |place: &Place, stored_bytes: u64| Side {
                place: place.to_string(),
                format: store::Format::Npy.name(),
                dtype: entry.dtype,
                shape: entry.shape.clone(),
                array_bytes: item.head().shown.bytes(),
                stored_bytes,
            };
            let len = item.npy().len() as u64;
            let (input, output) = (side(&place, entry.bytes), Some(side(to, len)));
            return Ok(Restored { input, output, shape: entry.shape.clone(), seconds: start.elapsed().as_secs_f64() });
        }
        let reading = ReadOptions {
            cache_bytes: if is_whole { 0 } else { options.cache_bytes.unwrap_or(ReadOptions::default().cache_bytes) },
            threads: options.resources.threads,
            memory: options.resources.memory,
            ..ReadOptions::default()
        };
        let reader = match is_whole {
            false => self.reader_with(entry.number, reading)?,
            true => Reader::of_with(self.opened(&entry, true).map_err(|e| e.at(&place))?, reading)?,
        };
        restore_opened(reader, target, options)
    }
}

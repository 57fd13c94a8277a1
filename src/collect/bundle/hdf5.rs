//! Volumes of HDF5: the arrays of one dtype end to end in one dataset, coded in chunks on all cores.

use super::feed::Feed;
use super::make::How;
use super::rows::Rows;
use super::run::{Count, Run, Skipped};
use super::volume::Room;
use crate::array::DType;
use crate::error::{Result, refuse};

/// Where the elements of arrays of `dtype` stand in a volume.
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "there is no HDF5 to read"))]
pub(super) fn values_of(dtype: DType) -> String {
    format!("/{dtype}/values")
}

/// Refuses what an HDF5 bundle cannot be told.
pub(super) fn check(level: Option<u8>) -> Result<()> {
    if cfg!(not(feature = "hdf5")) {
        return refuse!(Unsupported, "this build has no HDF5; build with the feature `hdf5`, or take .tar.zst");
    }
    match level {
        Some(level) => refuse!(Usage, "HDF5 bundles are coded as well as it gets; leave --level {level} out"),
        None => Ok(()),
    }
}

#[cfg(not(feature = "hdf5"))]
pub(super) fn run(
    _: &mut Run<'_>,
    _: &mut Feed<'_>,
    _: Room,
    _: How,
    _: Rows,
    _: &mut Count<'_>,
) -> Result<(Rows, Skipped)> {
    check(None)?;
    refuse!(Unsupported, "this build has no HDF5")
}

#[cfg(feature = "hdf5")]
pub(super) use with::run;

#[cfg(feature = "hdf5")]
mod with {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::array::{Buf, Spec};
    use crate::coding::Coding;
    use crate::collect::bundle::make::{Made, make};
    use crate::engine::in_order_from;
    use crate::filter::{self, Outcome, Scratch};
    use crate::store::Stretch;
    use crate::store::hdf5::{Container, Line, Overhead};

    /// Bytes of a chunk: small enough that most arrays of a hundred thousand elements have chunks of their own kind, large
    /// enough for the coding to learn what it codes.
    const CHUNK_BYTES: u64 = 256 << 10;
    /// Bytes of arrays that are gathered before their chunks are coded.
    const ROUND_BYTES: u64 = 64 << 20;

    /// The arrays of one dtype in the open volume.
    struct Kind {
        line: Line,
        /// Elements that make no whole chunk yet.
        rest: Vec<u8>,
        /// Bytes handed over, `rest` included.
        bytes: u64,
        /// Chunks handed over.
        chunks: u64,
        /// Its number among blocks of the index.
        block: u64,
        /// The first of its arrays, for the names and shapes beside.
        items: Vec<u64>,
    }

    /// A chunk to be coded.
    struct Job {
        dtype: DType,
        number: u64,
        bytes: Vec<u8>,
    }

    /// An array that comes in parts.
    struct Large {
        offset: u64,
        size: u64,
        sum: crc32fast::Hasher,
    }

    struct Volume {
        container: Arc<Container>,
        kinds: BTreeMap<&'static str, Kind>,
        jobs: Vec<Job>,
        coded: u64,
        arrays: u64,
        large: Option<Large>,
    }

    pub(in crate::collect::bundle) fn run(
        run: &mut Run<'_>,
        feed: &mut Feed<'_>,
        room: Room,
        how: How,
        mut rows: Rows,
        count: &mut Count<'_>,
    ) -> Result<(Rows, Skipped)> {
        let round = ROUND_BYTES.min(room.target_size.max(CHUNK_BYTES));
        let mut open: Option<Volume> = None;
        let mut left = true;
        while left {
            let volume = match &mut open {
                Some(volume) => volume,
                none => none.insert(Volume::create(&room, rows.volumes.len())?),
            };
            // A full volume only waits for the end of its last array.
            let is_full = volume.coded >= room.target_size;
            left = gather(run, feed, how, volume, &mut rows, count, if is_full { 0 } else { round })?;
            code(run, volume)?;
            // An array that comes in parts stays in one volume.
            if left && volume.arrays > 0 && volume.large.is_none() && volume.coded >= room.target_size {
                let full = open.take();
                // Whether more arrays follow is known only by looking.
                left = feed.has_more()?;
                if let Some(volume) = full {
                    volume.finish(&room, &mut rows, !left)?;
                }
                if left {
                    run.save(&rows)?;
                }
            }
        }
        if run.options.strict {
            // Before the last volume has its name.
            feed.skipped.refuse()?;
        }
        if let Some(volume) = open
            && volume.arrays > 0
        {
            volume.finish(&room, &mut rows, true)?;
        }
        Ok((rows, feed.skipped.clone()))
    }

    /// Reads arrays on all cores until `round` bytes are there; whether there are more.
    fn gather(
        run: &mut Run<'_>,
        feed: &mut Feed<'_>,
        how: How,
        volume: &mut Volume,
        rows: &mut Rows,
        count: &mut Count<'_>,
        round: u64,
    ) -> Result<bool> {
        let resources = &run.options.resources;
        let pulled = Mutex::new((feed, 0u64, true));
        let pull = || {
            let (feed, bytes, left) = &mut *pulled.lock().unwrap_or_else(PoisonError::into_inner);
            if *bytes >= ROUND_BYTES || (*bytes >= round && (round > 0 || !feed.is_inside())) {
                return Ok(None);
            }
            let work = feed.pull()?;
            *left = work.is_some();
            *bytes += work.as_ref().map_or(0, |w| w.bytes());
            Ok(work)
        };
        let number = rows.volumes.len() as u32;
        in_order_from(
            resources.threads.get() as u64,
            resources,
            pull,
            || (),
            |work, ()| make(work, how),
            |_, made: Made| {
                run.note(&made)?;
                run.fed += made.ended;
                count.add(made.read);
                volume.take(made, rows, number)
            },
        )?;
        Ok(pulled.into_inner().unwrap_or_else(PoisonError::into_inner).2)
    }

    /// Codes whole chunks on all cores.
    fn code(run: &Run<'_>, volume: &mut Volume) -> Result<()> {
        let resources = &run.options.resources;
        let mut jobs = std::mem::take(&mut volume.jobs).into_iter();
        let (kinds, coded) = (&volume.kinds, &mut volume.coded);
        in_order_from(
            resources.threads.get() as u64,
            resources,
            || Ok(jobs.next()),
            || (Scratch::default(), Buf::new(), Buf::new()),
            |job: Job, (scratch, values, restored)| {
                let size = job.dtype.size();
                let chunk = Spec::new(job.dtype, [CHUNK_BYTES / size as u64])?;
                let valid = (job.bytes.len() / size) as u64;
                values.reset(job.dtype, valid)?;
                values.bytes_mut().copy_from_slice(&job.bytes);
                let (mut out, coding) = (Vec::new(), Coding::default());
                match filter::encode(&chunk, &[valid], values, &[], &coding, None, scratch, &mut out, restored)? {
                    Outcome::Coded(_) if restored.bytes() == job.bytes => Ok((job.dtype, job.number, out)),
                    _ => refuse!(Refused, "a chunk does not come back as it was; please report this as a bug"),
                }
            },
            |_, (dtype, number, bytes)| {
                let Some(kind) = kinds.get(dtype.name()) else { return refuse!(Io, "no dataset of {dtype} is open") };
                *coded += bytes.len() as u64;
                kind.line.write(number, &bytes)
            },
        )
    }

    impl Volume {
        fn create(room: &Room, number: usize) -> Result<Self> {
            let name = room.name(number, number == 0);
            let container = Arc::new(Container::create(&name, Overhead::Least, room.replace(number))?);
            Ok(Self { container, kinds: BTreeMap::new(), jobs: Vec::new(), coded: 0, arrays: 0, large: None })
        }

        fn take(&mut self, made: Made, rows: &mut Rows, number: u32) -> Result<()> {
            for piece in &made.pieces {
                let dtype = piece.about.shown.dtype();
                let kind = match self.kinds.entry(dtype.name()) {
                    std::collections::btree_map::Entry::Occupied(kind) => kind.into_mut(),
                    std::collections::btree_map::Entry::Vacant(none) => {
                        let chunk = CHUNK_BYTES / dtype.size() as u64;
                        let line = Line::create_in(&self.container, &values_of(dtype), dtype, chunk)?;
                        let block = rows.blocks.len();
                        rows.blocks.push(number, 0, 0, 0);
                        none.insert(Kind { line, rest: Vec::new(), bytes: 0, chunks: 0, block, items: Vec::new() })
                    }
                };
                let sum = piece.sum.clone();
                let whole = match (piece.first, self.large.take()) {
                    (false, Some(mut large)) => {
                        large.sum.combine(&sum);
                        large.size += piece.size;
                        large
                    }
                    _ => Large { offset: kind.bytes, size: piece.size, sum },
                };
                kind.rest.extend_from_slice(&made.bytes[piece.at as usize..(piece.at + piece.len) as usize]);
                kind.bytes += piece.len;
                let whole_bytes = kind.rest.len() / CHUNK_BYTES as usize * CHUNK_BYTES as usize;
                for bytes in kind.rest[..whole_bytes].chunks_exact(CHUNK_BYTES as usize) {
                    self.jobs.push(Job { dtype, number: kind.chunks, bytes: bytes.to_vec() });
                    kind.chunks += 1;
                }
                kind.rest.drain(..whole_bytes);
                if piece.last {
                    kind.items.push(rows.len());
                    let crc32 = whole.sum.finalize();
                    rows.push(&piece.name, &piece.about, kind.block, whole.offset, whole.size, crc32)?;
                    self.arrays += 1;
                } else {
                    self.large = Some(whole);
                }
            }
            Ok(())
        }

        /// Writes what is left, with names and shapes beside, and gives the volume its name.
        fn finish(mut self, room: &Room, rows: &mut Rows, last: bool) -> Result<()> {
            let mut scratch = Scratch::default();
            for (dtype, kind) in &mut self.kinds {
                let Some(dtype) = DType::from_name(dtype) else { return refuse!(Io, "{dtype} is no dtype") };
                let size = dtype.size();
                if !kind.rest.is_empty() {
                    let chunk = Spec::new(dtype, [CHUNK_BYTES / size as u64])?;
                    let valid = (kind.rest.len() / size) as u64;
                    let (mut values, mut restored, mut out) = (Buf::new(), Buf::new(), Vec::new());
                    values.reset(dtype, valid)?;
                    values.bytes_mut().copy_from_slice(&kind.rest);
                    let coding = Coding::default();
                    filter::encode(
                        &chunk,
                        &[valid],
                        &values,
                        &[],
                        &coding,
                        None,
                        &mut scratch,
                        &mut out,
                        &mut restored,
                    )?;
                    if restored.bytes() != kind.rest {
                        return refuse!(Refused, "a chunk does not come back as it was; please report this as a bug");
                    }
                    kind.line.set_len(kind.bytes / size as u64)?;
                    kind.line.write(kind.chunks, &out)?;
                }
                kind.line.set_len(kind.bytes / size as u64)?;
                rows.blocks.bytes[kind.block as usize] = kind.bytes;
                beside(&self.container, dtype, &kind.items, rows)?;
            }
            let Self { container, kinds, .. } = self;
            drop(kinds);
            let Some(container) = Arc::into_inner(container) else { return refuse!(Io, "the volume is still in use") };
            let number = rows.volumes.len();
            let name = room.name(number, last && number == 0);
            container.finish_as(&name, room.sync)?;
            let sign = Stretch::open(&name)?.sign()?;
            rows.volumes.push(room.row(&name, sign.bytes, sign.tail));
            Ok(())
        }
    }

    /// Names, shapes and places of the arrays of one dtype, for those who have the volume alone.
    fn beside(container: &Arc<Container>, dtype: DType, items: &[u64], rows: &Rows) -> Result<()> {
        let (mut names, mut name_ends) = (Vec::new(), Vec::new());
        let (mut shapes, mut shape_ends): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        let (mut offsets, mut fortran) = (Vec::new(), Vec::new());
        for i in items {
            names.extend_from_slice(rows.name(*i));
            name_ends.push(names.len() as u64);
            shapes.extend_from_slice(rows.shape(*i));
            shape_ends.push(shapes.len() as u64);
            offsets.push(rows.offset[*i as usize] / dtype.size() as u64);
            fortran.push(rows.is_fortran(*i));
        }
        let write = |name: &str, values: Buf| Line::write_whole(container, &format!("/{dtype}/{name}"), values);
        write("names", Buf::from_slice(&names)?)?;
        write("name_ends", Buf::from_slice(&name_ends)?)?;
        write("shapes", Buf::from_slice(&shapes)?)?;
        write("shape_ends", Buf::from_slice(&shape_ends)?)?;
        write("offsets", Buf::from_slice(&offsets)?)?;
        write("fortran", Buf::from_slice(&fortran)?)
    }
}

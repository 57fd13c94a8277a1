//! Rows into an HDF5 file: a dataset of a container, with what of it stands in the file as it was.

use std::sync::Arc;

use super::WriterOptions;
use super::boxes::{Grown, How, Sums};
use super::rows::row_of;
use super::store::Batch;
use crate::array::Spec;
use crate::coding::Coding;
use crate::engine::{coded, hdf5};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Memory, Pipeline, Source, Tally};
use crate::recipe::{FORMAT_CODED, Record};
use crate::store::hdf5::{
    Boxes, ChunkAsk, Codec, Container, Dataset, Growing, GrowingLayout, Lock, MAX_CHUNK_BYTES, MAX_UNIT_BYTES, Options,
    Overhead, default_name,
};
use crate::store::{Place, Replace};

/// Unused room is kept up to this part of a file.
const WASTE_PART: u64 = 8;

/// The least bytes of a chunk where one that is not full takes as much room as one that is.
const PADDED_BYTES: u64 = 64 << 10;

/// The least bytes of a chunk of one of the datasets of a file.
const LEAST_BYTES: u64 = 8 << 10;

#[derive(Debug)]
pub(super) struct Hdf5 {
    growing: Growing,
    old: Option<Dataset>,
    old_rows: u64,
    /// The first row whose chunk is still to be written.
    next: u64,
    coding: Option<Coding>,
    fill: Option<u64>,
    made_anew: bool,
    sums: Sums,
    /// Whether the file is finished with the dataset.
    is_alone: bool,
    // Last, so that the dataset is let go of before.
    container: Arc<Container>,
}

impl std::fmt::Debug for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sums").field("refitted", &self.refitted).finish_non_exhaustive()
    }
}

/// The bits of the fill value among the values that are coded.
fn fill(record: &Record, spec: &Spec) -> Result<Option<u64>> {
    let fill = record.original.fill.filter(|_| spec.dtype().part() == spec.dtype());
    fill.map(|f| f.bits(spec.dtype())).transpose()
}

/// Bytes of rows that may wait for their chunks to be full: they are in memory twice while they are handed over, beside what coding takes.
fn waiting(options: &WriterOptions<'_>) -> u64 {
    options.resources.memory / 4
}

/// The unit that chunks of the packed array hold whole.
fn unit(pipeline: &Pipeline) -> u64 {
    let unit = pipeline.unit().output;
    let large = unit.saturating_mul(pipeline.output().dtype().size() as u64) > MAX_UNIT_BYTES;
    if large { pipeline.cut().map_or(1, |c| c.step) } else { unit }
}

impl Hdf5 {
    pub(super) fn make(
        place: &Place,
        mut record: Record,
        options: &WriterOptions<'_>,
        first: &Memory,
    ) -> Result<(Self, Option<Record>)> {
        let pipeline = Pipeline::bind(first.spec(), &record.steps)?;
        let coding = match &options.coded {
            Some(asked) => Some(coded::settle(&options.resources, first, &options.asks, record.original.fill, asked)?),
            None => None,
        };
        let shown = if coding.is_some() { pipeline.input() } else { pipeline.output() };
        let name = place.member.clone().unwrap_or_else(|| default_name(shown.dtype()).to_owned());
        let container = match place.member.is_some() && place.path.exists() {
            _ if options.into.is_some() => None,
            true => {
                let container = Container::open(&place.path)?;
                if options.replace == Replace::Allowed && container.holds(&name)? {
                    container.remove(&name)?;
                }
                Some(container)
            }
            false => {
                let overhead = if coding.is_some() { Overhead::Least } else { Overhead::Usual };
                // Where a dataset is named, a file that came into being meanwhile is not replaced.
                let replace = if place.member.is_some() { Replace::Never } else { options.replace };
                Some(Container::create(&place.path, overhead, replace)?)
            }
        };
        let (is_alone, container) = match (container.map(Arc::new), &options.into) {
            (Some(own), _) => (true, own),
            (None, Some(shared)) => (false, shared.clone()),
            (None, None) => return refuse!(Usage, "{place}: there is no file to write to"),
        };
        let row = &shown.shape()[1..];
        let mut plain = options.hdf5;
        if plain.codec == Codec::None || options.into.is_some() {
            // A chunk that is not full takes as much room as one that is: few rows shall not take that of many.
            plain.chunk_bytes = plain.chunk_bytes.min(shown.bytes().max(if options.into.is_some() {
                LEAST_BYTES
            } else {
                PADDED_BYTES
            }));
        }
        let layout = match (&options.coded, &coding) {
            (Some(asked), Some(_)) => {
                GrowingLayout::Coded(&asked.chunks, coded::whole_axes(&pipeline), waiting(options))
            }
            _ => GrowingLayout::Plain(&plain, unit(&pipeline)),
        };
        let growing = Growing::create(&container, &name, shown.dtype(), row, layout)?;
        let fill = fill(&record, shown)?;
        if coding.is_some() {
            (record.ndcompact, record.coding) = (FORMAT_CODED, coding);
        }
        let record = Some(record).filter(|r| r.coding.is_some() || !r.steps.is_empty());
        let (old, sums) = (None, Sums::default());
        Ok((
            Self { growing, old, old_rows: 0, next: 0, coding, fill, made_anew: false, sums, is_alone, container },
            record,
        ))
    }

    /// Opens the dataset at `place`, of a file that is locked unless it is the copy that `options` hold, and its name.
    pub(super) fn open(
        place: &Place,
        lock: Option<Lock>,
        record: Option<&Record>,
        options: &WriterOptions<'_>,
    ) -> Result<(Self, String)> {
        let old = Dataset::open(&place.path, place.member.as_deref())?;
        let name = old.name().to_owned();
        let old_rows = old.spec().shape().first().copied().unwrap_or(0);
        let coding = record.and_then(|r| r.coding);
        let fill = record.map(|r| fill(r, old.spec())).transpose()?.flatten();
        let whole = match record {
            _ if options.into.is_some() => match &options.into {
                Some(shared) if !shared.holds(&name)? => Some(moved(shared, place, &old)?),
                _ => None,
            },
            Some(record) if !old.can_grow() || wastes(place, &old)? => {
                anew(place, held(place, &lock)?, &old, record, options)?
            }
            _ => None,
        };
        let (container, growing, next) = match whole {
            Some(whole) => whole,
            None if old.can_grow() => {
                let container = match &options.into {
                    Some(shared) => shared.clone(),
                    None => Arc::new(Container::open_locked(held(place, &lock)?)?),
                };
                let growing = Growing::open(&container, &name)?;
                let (_, next) = growing.first_box(old_rows);
                (container, growing, next)
            }
            None => {
                return refuse!(
                    Unsupported,
                    "{place}: the shape of {name} is fixed, so it cannot get more rows; copy it once with `compact {place} -o NEW.h5` and \
                     append to that, or make it with maxshape=(None, ...)"
                );
            }
        };
        let (made_anew, sums) = (!old.can_grow(), Sums::default());
        let is_alone = options.into.is_none();
        Ok((Self { growing, old: Some(old), old_rows, next, coding, fill, made_anew, sums, is_alone, container }, name))
    }

    pub(super) fn slab(&self) -> u64 {
        self.growing.boxes().chunk().first().copied().unwrap_or(1).max(1)
    }

    pub(super) fn is_coded(&self) -> bool {
        self.coding.is_some()
    }

    pub(super) fn is_made_anew(&self) -> bool {
        self.made_anew
    }

    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    pub(super) fn is_behind(&self) -> bool {
        self.growing.spec().shape().first().is_some_and(|rows| *rows < self.old_rows)
    }

    pub(super) fn take(
        &mut self,
        batch: &Batch<'_>,
        record: Option<&Record>,
        options: &WriterOptions<'_>,
    ) -> Result<(Tally, bool)> {
        let total = self.old_rows + batch.before + batch.rows;
        self.growing.set_rows(total)?;
        let grown = Grown { growing: &self.growing, old: self.old.as_ref(), old_rows: self.old_rows, from: self.next };
        let (tally, ends) = match &self.coding {
            None => {
                let packing = batch.pipeline.packing(batch.behind);
                let bytes = batch.pipeline.unit_bytes();
                let steps = batch.pipeline.stages().len();
                (grown.write(&packing, steps, bytes, &options.resources)?, true)
            }
            Some(coding) => {
                let tally = batch.tried(options)?;
                if tally.is_refused() && !options.refit_chunks {
                    return Ok((tally, true));
                }
                let steps = record.map(|r| r.steps.as_slice()).unwrap_or_default();
                let how = How { steps, coding: *coding, fill: self.fill, refit: options.refit_chunks };
                let sums = grown.code(batch.behind, &how, &options.resources)?;
                self.sums.merge(&sums);
                (tally, !options.refit_chunks)
            }
        };
        self.next = total / self.slab() * self.slab();
        Ok((tally, ends))
    }

    pub(super) fn finish(self, place: Place, record: &mut Option<Record>, sync: bool) -> Result<(Place, u64)> {
        let Self { growing, old, container, coding, is_alone, .. } = self;
        let place = Place { path: place.path, member: Some(growing.name().to_owned()) };
        drop(old);
        let json = record.as_ref().map(Record::to_json).transpose()?;
        let attributes = match (&*record, coding) {
            (Some(record), Some(_)) => hdf5::coded_attributes(record),
            (Some(record), None) => hdf5::attributes(record),
            (None, _) => Vec::new(),
        };
        let bytes = growing.finish(json.as_deref(), &attributes)?;
        if !is_alone {
            return Ok((place, bytes));
        }
        match Arc::into_inner(container) {
            Some(container) => Ok((place, container.finish(sync)?)),
            None => refuse!(Usage, "{place}: its file is still in use"),
        }
    }
}

/// The lock of the file, taken before anything of it was read.
fn held(place: &Place, lock: &Option<Lock>) -> Result<Lock> {
    match lock {
        Some(lock) => Ok(lock.clone()),
        None => Lock::take(&place.path),
    }
}

/// Whether a copy of the file would hold more room that nothing uses than is worth keeping: a chunk that is written again leaves its
/// old place behind, and HDF5 forgets such places when a file is closed.
fn wastes(place: &Place, old: &Dataset) -> Result<bool> {
    let meta = std::fs::metadata(&place.path).map_err(|e| Error::io(format!("looking at {place}"), e))?;
    let boxes = old.spec().shape().first().copied().unwrap_or(0).div_ceil(old.chunk().map_or(1, |c| c[0]).max(1));
    // The last slab of chunks will leave its place.
    let last = old.stored_bytes() / boxes.max(1);
    let unused = meta.len().saturating_sub(old.stored_bytes()) + last;
    Ok(old.is_alone()? && unused > meta.len() / WASTE_PART)
}

/// Dataset `old` in another file: whole chunks are taken over as they are. The first row that is still to be written.
fn moved(to: &Arc<Container>, place: &Place, old: &Dataset) -> Result<(Arc<Container>, Growing, u64)> {
    let Some(chunk) = old.chunk() else { return refuse!(Unsupported, "{place}: it is not stored in chunks") };
    let mut growing = Growing::create_like(to, old.name(), old, chunk)?;
    growing.take_attributes(old)?;
    let rows = growing.take_chunks(old)?;
    Ok((to.clone(), growing, rows))
}

/// A dataset of ours made anew: whole chunks are taken over as they are. The first row that is still to be written. `None` where it
/// could grow as it is and has attributes that are not copied.
fn anew(
    place: &Place,
    lock: Lock,
    old: &Dataset,
    record: &Record,
    options: &WriterOptions<'_>,
) -> Result<Option<(Arc<Container>, Growing, u64)>> {
    let (name, spec) = (old.name().to_owned(), old.spec().clone());
    let coded = record.coding.is_some();
    let pipeline = record.pipeline()?;
    if old.layout().starts_with("virtual") {
        return refuse!(
            Unsupported,
            "{place}: its matrices are stored in tiles that another dataset mirrors, which cannot grow; restore it, and compact it with \
             --chunks or in the plain layout"
        );
    }
    if let Some(way) = old.other_ways()? {
        if old.can_grow() {
            return Ok(None);
        }
        return refuse!(
            Unsupported,
            "{place}: its shape is fixed, so another dataset would take its name, and {way}, which would still lead to the old rows. Copy it \
             to a file of its own (`compact {place} -o NEW.h5`) and append to that, or remove the links and references"
        );
    }
    let container = match old.is_alone()? {
        true => Container::anew(lock, if coded { Overhead::Least } else { Overhead::Usual })?,
        false => {
            let container = Container::open_locked(lock)?;
            container.remove(&name)?;
            container
        }
    };
    let container = Arc::new(container);
    let row = &spec.shape()[1..];
    let mut growing = match old.chunk() {
        // Of an empty array nothing says how it was to be stored.
        None => {
            let (plain, chunks) = (Options::default(), ChunkAsk::Auto);
            let layout = match coded {
                true => GrowingLayout::Coded(&chunks, coded::whole_axes(&pipeline), waiting(options)),
                false => GrowingLayout::Plain(&plain, unit(&pipeline)),
            };
            Growing::create(&container, &name, spec.dtype(), row, layout)?
        }
        Some(chunk) if old.can_grow() => Growing::create_like(&container, &name, old, chunk)?,
        Some(chunk) => {
            let pads = !coded && old.stored_bytes() >= old.spec().bytes();
            Growing::create_like(&container, &name, old, &thicker(chunk, &spec, coded, pads))?
        }
    };
    let left = growing.take_attributes(old)?;
    if !left.is_empty() && old.can_grow() {
        return Ok(None);
    }
    if !left.is_empty() {
        return refuse!(
            Unsupported,
            "{place}: its shape is fixed, so it is to be made anew, and its attributes {} are of a kind that is not copied (text of variable \
             length, references); remove them, or write them as text of a fixed length",
            left.join(", ")
        );
    }
    let rows = growing.take_chunks(old)?;
    Ok(Some((container, growing, rows)))
}

/// The shape of chunks for more rows: as they were, but where one slab held all rows, it was only as thick as there were any.
/// `pads`: chunks that are not full take as much room as full ones.
fn thicker(chunk: &[u64], spec: &Spec, coded: bool, pads: bool) -> Vec<u64> {
    let mut thicker = chunk.to_vec();
    let rows = spec.shape().first().copied().unwrap_or(0);
    let beside: u64 = chunk.iter().skip(1).product::<u64>() * spec.dtype().size() as u64;
    let most = match (coded, pads) {
        (true, _) => MAX_CHUNK_BYTES,
        (false, true) => PADDED_BYTES,
        (false, false) => Options::default().chunk_bytes,
    };
    if let Some(first) = thicker.first_mut().filter(|first| **first >= rows) {
        *first = (*first).max(most / beside.max(1));
    }
    // What a filter's parameters merge must stay in one piece.
    let fits = Boxes::new(&Spec::clone(spec), 0, &ChunkAsk::Shape(thicker.clone())).is_ok();
    if fits && row_of(spec) > 0 { thicker } else { chunk.to_vec() }
}

//! The file that rows go into: made new, or opened as it is.

use super::WriterOptions;
use super::rows::{Behind, SinkBehind, Tail, row_of, with_rows};
use crate::array::{ByteOrder, Spec};
use crate::engine::compact::{Target, draft, format_of};
use crate::engine::{Flow, Nowhere, Phase, Reader, WriteTo, prefer, run};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::LossRecord;
use crate::pipeline::{Memory, Pipeline, Source, Tally};
use crate::recipe::{Axes, Record};
#[cfg(feature = "hdf5")]
use crate::store::hdf5::Lock;
use crate::store::{Format, NpyGrowing, Place, Replace};
use crate::transform::Step;

#[cfg(feature = "hdf5")]
pub(super) use super::hdf5::Hdf5;

/// Rows on their way.
pub(super) struct Batch<'a> {
    /// The rows alone.
    pub(super) source: &'a dyn Source,
    /// The rows behind those that were handed over before.
    pub(super) behind: &'a Behind<'a>,
    /// The steps, bound to that.
    pub(super) pipeline: &'a Pipeline,
    /// Rows handed over before.
    pub(super) before: u64,
    pub(super) rows: u64,
    pub(super) phase: Phase,
}

impl Batch<'_> {
    /// Runs `with` on the packed rows alone, and how they are cut.
    pub(super) fn packed<R>(&self, with: impl FnOnce(&Flow<'_>) -> Result<R>) -> Result<R> {
        let packing = self.pipeline.packing(self.behind);
        let packed = self.pipeline.output();
        let (from, spec) = (self.before * row_of(packed), with_rows(packed, self.rows)?);
        let tail = Tail { inner: &packing, spec, from };
        let unit = self.pipeline.unit();
        with(&Flow {
            source: &tail,
            steps: self.pipeline.stages().len(),
            unit: unit.output,
            unit_bytes: self.pipeline.unit_bytes(),
            cut: self.pipeline.cut(),
            prefer: prefer(self.source, unit.input, unit.output),
            phase: self.phase,
            original_bytes: self.source.spec().bytes(),
        })
    }

    /// What the steps refuse and lose, nothing written.
    pub(super) fn tried(&self, options: &WriterOptions<'_>) -> Result<Tally> {
        self.packed(|flow| run(flow, &Nowhere, None, &options.resources))
    }
}

/// Where rows go.
#[derive(Debug)]
pub(super) enum Store {
    Npy {
        file: Box<NpyGrowing>,
        /// Rows there before.
        old_rows: u64,
    },
    #[cfg(feature = "hdf5")]
    Hdf5(Box<Hdf5>),
}

/// An array as it was opened.
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) row: Spec,
    pub(super) rows: u64,
    pub(super) record: Option<Record>,
    pub(super) store: Store,
}

/// Refuses steps that need more than one row.
pub(super) fn check_rows(row: &Spec, steps: &[Step]) -> Result<()> {
    let fits = |rows: u64| {
        let bound = with_rows(row, rows).and_then(|spec| Pipeline::bind(&spec, steps));
        bound.is_ok_and(|p| row.count().is_multiple_of(p.unit().input) && p.output().shape().first() == Some(&rows))
    };
    // One row may be a whole matrix, or one packed row, where two are neither.
    if fits(1) && fits(2) {
        return Ok(());
    }
    let names: Vec<&str> = steps.iter().map(Step::name).collect();
    refuse!(
        Usage,
        "its steps ({}) need the first axis whole, so nothing can be appended along it; restore the array, append to that, and compact the \
         whole",
        names.join(", ")
    )
}

/// Refuses what would be refused later, after much work.
pub(super) fn check(place: &Place, options: &WriterOptions<'_>) -> Result<()> {
    #[cfg(feature = "hdf5")]
    if let Some(coded) = &options.coded {
        coded.ask.check()?;
        if format_of(&Target::Place(place.clone()))? != Format::Hdf5 {
            return refuse!(Usage, "{place}: coded chunks have lengths of their own, which .npy cannot hold; use HDF5");
        }
        if coded.ask.needs_range() {
            return refuse!(
                Usage,
                "{place}: a bound relative to the range needs all values first, and rows come one after the other; give it as an absolute \
                 one"
            );
        }
    }
    #[cfg(feature = "hdf5")]
    if options.into.is_some() {
        return Ok(());
    }
    if options.replace == Replace::Never && place.member.is_none() && place.path.exists() {
        return refuse!(
            Exists,
            "{place} exists already; open it to append, choose another name, or allow to replace it"
        );
    }
    Ok(())
}

/// Starts a new file for rows of which `first` are the first. The record that the file gets, if any.
pub(super) fn make(
    place: &Place,
    record: Record,
    options: &WriterOptions<'_>,
    first: &Memory,
) -> Result<(Store, Option<Record>)> {
    let pipeline = Pipeline::bind(first.spec(), &record.steps)?;
    if format_of(&Target::Place(place.clone()))? == Format::Npy {
        let packed = pipeline.output();
        let record = Some(record).filter(|r| !r.steps.is_empty());
        let draft = record.as_ref().map(|r| draft(&most_rows(r))).transpose()?;
        let (row, little) = (&packed.shape()[1..], ByteOrder::Little);
        let file = NpyGrowing::create(&place.path, packed.dtype(), row, little, draft.as_deref(), options.replace)?;
        return Ok((Store::Npy { file: Box::new(file), old_rows: 0 }, record));
    }
    #[cfg(feature = "hdf5")]
    {
        let (hdf5, record) = Hdf5::make(place, record, options, first)?;
        Ok((Store::Hdf5(Box::new(hdf5)), record))
    }
    #[cfg(not(feature = "hdf5"))]
    refuse!(Unsupported, "{place}: this build has no HDF5")
}

/// The record with the most rows that there could be, for the length of their number.
fn most_rows(record: &Record) -> Record {
    let mut most = record.clone();
    let row: u64 = most.original.shape.iter().skip(1).product();
    if let Some(first) = most.original.shape.first_mut() {
        *first = i64::MAX as u64 / (row.max(1) * record.original.dtype.size() as u64);
    }
    most
}

/// Opens the array at `place` to add rows.
pub(super) fn open(place: &Place, options: &WriterOptions<'_>) -> Result<Opened> {
    #[cfg_attr(not(feature = "hdf5"), expect(unused_mut, reason = "no other files are opened twice"))]
    let mut reader = Reader::at(place)?;
    #[cfg(feature = "hdf5")]
    let lock = match reader.opened().format() {
        Format::Hdf5 if options.into.is_none() => {
            // Opened once more under the lock: somebody may just have finished.
            drop(reader);
            let lock = Lock::take(&place.path)?;
            reader = Reader::at(place)?;
            Some(lock)
        }
        _ => None,
    };
    let (format, record) = (reader.opened().format(), reader.record().cloned());
    let shown = reader.spec().clone();
    let Some(rows) = shown.shape().first().copied() else {
        return refuse!(Usage, "{place} is {shown}: without axes there is none to append along");
    };
    let row = with_rows(&shown, 1)?;
    if row.count() == 0 {
        return refuse!(Usage, "{place} is {shown}: its rows have no elements");
    }
    if let Some(record) = &record {
        if record.axes == Axes::F || (reader.opened().is_fortran() && shown.shape().len() > 1) {
            return refuse!(
                Unsupported,
                "{place} is in Fortran order: its first axis is the innermost in the file, and rows cannot be added behind it; restore it \
                 and compact it in C order, or into HDF5"
            );
        }
        check_rows(&row, &record.steps).map_err(|e| e.at(place))?;
    }
    let refit_plain = options.refit_chunks && record.as_ref().is_none_or(|r| r.coding.is_none());
    if refit_plain {
        return refuse!(
            Usage,
            "{place}: chunks get parameters of their own in the filtered layout alone, where each holds its recipe; here one recipe is for \
             all. Restore it and compact it with --layout filtered"
        );
    }
    let store = match format {
        Format::Npz => {
            return refuse!(
                Unsupported,
                "{place}: members of an archive cannot grow; append to a .npy or HDF5 file and make the archive of that"
            );
        }
        Format::Npy => {
            if place.path == std::path::Path::new("-") {
                return refuse!(Usage, "standard input cannot be appended to; name a file");
            }
            let draft = record.as_ref().map(|r| draft(&most_rows(r))).transpose()?;
            // The file is opened once more, to be written.
            drop(reader);
            let file = NpyGrowing::open(&place.path, draft.as_deref())?;
            if file.spec().shape().first() != Some(&rows) {
                return refuse!(Exists, "{place} was changed by another program just now; run again");
            }
            Store::Npy { file: Box::new(file), old_rows: rows }
        }
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => {
            drop(reader);
            let (hdf5, name) = Hdf5::open(place, lock, record.as_ref(), options)?;
            let place = Place { path: place.path.clone(), member: Some(name) };
            return Ok(Opened { place, row, rows, record, store: Store::Hdf5(Box::new(hdf5)) });
        }
        #[cfg(not(feature = "hdf5"))]
        Format::Hdf5 => return refuse!(Unsupported, "{place}: this build has no HDF5"),
    };
    Ok(Opened { place: place.clone(), row, rows, record, store })
}

impl Store {
    /// Rows after whose multiples chunks end.
    pub(super) fn slab(&self) -> u64 {
        match self {
            Store::Npy { .. } => 1,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.slab(),
        }
    }

    /// Packs and writes rows: what was refused and lost, and whether what was refused ends the run.
    pub(super) fn take(
        &mut self,
        batch: &Batch<'_>,
        record: Option<&Record>,
        options: &WriterOptions<'_>,
    ) -> Result<(Tally, bool)> {
        match self {
            Store::Npy { file, old_rows } => {
                let before = (*old_rows + batch.before) * row_of(batch.pipeline.output());
                let sink = SinkBehind { inner: file.as_ref(), before };
                let tally = batch.packed(|flow| run(flow, &WriteTo(&sink), None, &options.resources))?;
                let _ = record;
                Ok((tally, true))
            }
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.take(batch, record, options),
        }
    }

    /// A refusal with the remedies there are.
    pub(super) fn explain(&self, e: Error, place: &Place, steps: &[Step], options: &WriterOptions<'_>) -> Error {
        let fitted = steps.iter().any(|s| matches!(s, Step::ScaleOffset(_) | Step::BitPack(_)))
            || steps.iter().any(|s| matches!(s, Step::Triangle(t) if t.diagonal.is_some()));
        let more = match self {
            _ if !fitted || options.refit_chunks => "",
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) if h5.is_coded() => {
                ". With --refit-chunks, chunks that do not fit get parameters of their own"
            }
            _ => ". The file keeps its recipe: to hold these rows, restore it and compact all rows anew",
        };
        Error::new(
            ErrorKind::Refused,
            format!("rows to append to {place} (their index counts from the first of them): {e}{more}"),
        )
    }

    /// Whether chunks of old rows are still to be written.
    pub(super) fn is_behind(&self) -> bool {
        match self {
            Store::Npy { .. } => false,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.is_behind(),
        }
    }

    /// What coding lost on the added rows.
    #[cfg_attr(not(feature = "hdf5"), expect(unused_variables, reason = "no other files hold coded chunks"))]
    pub(super) fn coded_loss(&self, shape: &[u64]) -> Option<LossRecord> {
        match self {
            Store::Npy { .. } => None,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.is_coded().then(|| h5.sums().loss.to_record(shape)),
        }
    }

    pub(super) fn is_in_place(&self) -> bool {
        match self {
            Store::Npy { file, old_rows } => *old_rows > 0 && file.is_in_place(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(_) => false,
        }
    }

    pub(super) fn is_made_anew(&self) -> bool {
        match self {
            Store::Npy { file, old_rows } => *old_rows > 0 && !file.is_in_place(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.is_made_anew(),
        }
    }

    pub(super) fn left_over(&self) -> u64 {
        match self {
            Store::Npy { file, .. } => file.left_over(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(_) => 0,
        }
    }

    pub(super) fn refitted(&self) -> u64 {
        match self {
            Store::Npy { .. } => 0,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.sums().refitted,
        }
    }

    /// Writes the record and ends the file of `rows` rows in all: its place, and its bytes.
    pub(super) fn finish(
        self,
        place: Place,
        record: &mut Option<Record>,
        rows: u64,
        sync: bool,
    ) -> Result<(Place, u64)> {
        match self {
            Store::Npy { file, old_rows } => {
                if let Some(record) = record {
                    record.crc32 =
                        if old_rows == 0 { Some(file.crc32(0)) } else { record.crc32.map(|c| file.crc32(c)) };
                }
                let json = record.as_ref().map(Record::to_json).transpose()?;
                let bytes = file.finish(rows, json.as_deref(), sync)?;
                Ok((place, bytes))
            }
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.finish(place, record, sync),
        }
    }
}

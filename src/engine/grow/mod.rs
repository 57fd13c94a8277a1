//! A writer that takes rows as they are made, and appending rows to files.

mod append;
mod bits;
#[cfg(feature = "hdf5")]
mod boxes;
#[cfg(feature = "hdf5")]
mod hdf5;
mod report;
mod rows;
mod store;

use std::time::Instant;

use ndarray::ArrayViewD;

pub use append::{AppendOptions, append};
pub use report::Appended;

use super::tallied::{nothing_lost, refuse_broken_bounds, refuse_if_refused, summarise};
use super::{Phase, Resources, Target, fit};
use crate::array::{Buf, ByteOrder, DType, Element, Spec, from_ndarray};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::LossRecord;
use crate::pipeline::{Memory, Pipeline, Source, Tally};
use crate::recipe::{Axes, FORMAT, Original, Record};
use crate::store::{Format, Place, Replace};
use crate::transform::{Ask, Fill, Step};
use rows::{Behind, with_rows};
use store::Store;

/// Rows are gathered to about so many bytes before they are packed and written.
const BATCH_BYTES: u64 = 8 << 20;

/// How an [`ArrayWriter`] writes.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions<'a> {
    /// The steps in order. What they have to know of the data (a range, the fewest bits) is found in the first rows, and values that
    /// come later and do not fit are refused. For a file that exists they are the file's own.
    pub asks: Vec<Ask>,
    /// The value that marks missing data.
    pub fill: Option<Fill>,
    /// Whether an existing file may be replaced by a new one.
    pub replace: Replace,
    /// Have the output on disk before it gets its name.
    pub sync: bool,
    /// The codec of a new HDF5 file, and its level.
    #[cfg(feature = "hdf5")]
    pub hdf5: crate::store::hdf5::Options,
    /// The `filtered` layout: chunks through the steps and a coding, each by itself; `None` for the plain one.
    #[cfg(feature = "hdf5")]
    pub coded: Option<super::CodedOptions>,
    /// In the `filtered` layout: chunks that the steps refuse get parameters of their own, fitted to their values.
    pub refit_chunks: bool,
    /// The HDF5 file in the making that the array becomes part of, under the name that its place gives; for an array to be opened, that
    /// file is a copy of its own ([`Container::open`](crate::store::hdf5::Container::open)). Who made it finishes it.
    #[cfg(feature = "hdf5")]
    pub into: Option<std::sync::Arc<crate::store::hdf5::Container>>,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// Writes an array row by row, along its first axis, as a simulation makes it: larger than memory, of any number of rows, which need not
/// be known beforehand. A new file appears whole or not at all when the writer is finished; one that exists stays what it was
/// until then.
///
/// *Guarantee:* what it writes is what compacting all rows at once would restore to, for steps whose parameters do not depend on the data, and
/// for all others as far as the first rows tell. In `.npy` the bytes of the elements are the same; HDF5 chunks have a shape that does not
/// depend on the number of rows.
///
/// ```
/// use ndarray::{Array1, Array2};
/// use ndcompact::{ArrayWriter, DType, Reader, engine::WriterOptions, recipe::asks_from_json, store::Place};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log.npy");
/// let place = Place { path, member: None };
/// let asks = asks_from_json(r#"[{"step": "cast", "to": "float16"}]"#)?;
/// let mut log = ArrayWriter::create(&place, DType::F64, &[3], &WriterOptions { asks, ..WriterOptions::default() })?;
/// for step in 0..100 {
///     log.push(Array1::from_elem(3, f64::from(step)).into_dyn().view())?;
/// }
/// assert_eq!(log.finish()?.shape, [100, 3]);
///
/// let mut log = ArrayWriter::open(&place, &WriterOptions::default())?;
/// log.push(Array2::<f64>::zeros((2, 3)).into_dyn().view())?;
/// assert_eq!(log.finish()?.shape, [102, 3]);
/// assert_eq!(Reader::at(&place)?.slice::<f64>("98:101, 0")?, ndarray::arr1(&[98.0, 99.0, 0.0]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ArrayWriter<'a> {
    place: Place,
    options: WriterOptions<'a>,
    /// One row more than none: dtype and shape of rows.
    row: Spec,
    /// Rows that the file had.
    old_rows: u64,
    /// `None` for an ordinary array.
    record: Option<Record>,
    /// `None` until the first rows tell what the steps have to know.
    store: Option<Store>,
    /// Rows handed over.
    taken: u64,
    /// Rows that wait, native bytes.
    waiting: Vec<u8>,
    tally: Tally,
    start: Instant,
}

impl<'a> ArrayWriter<'a> {
    /// Starts a new array of `dtype` whose rows have the shape `row`, at `place`: `x.npy`, `x.h5` or `x.h5:/group/name`.
    ///
    /// # Errors
    /// `Usage` for rows without elements, steps that do not fit or that need more than one row, a bound that is relative to the range of all
    /// values, and coded chunks in `.npy`; `Exists` where there is something at `place` and `replace` does not allow to replace it.
    pub fn create(place: &Place, dtype: DType, row: &[u64], options: &WriterOptions<'a>) -> Result<Self> {
        super::compact::format_of(&Target::Place(place.clone()))?;
        let row = Spec::new(dtype, [&[1], row].concat())?;
        if row.count() == 0 {
            return refuse!(Usage, "{place}: rows of {row} have no elements");
        }
        store::check(place, options)?;
        let mut options = options.clone();
        for ask in &mut options.asks {
            ask.offer_fill(options.fill);
        }
        Ok(Self::of(place.clone(), options, row, 0, None, None))
    }

    /// Opens the array at `place` to add rows. It keeps its recipe: rows pass the same steps, with the recorded parameters, and
    /// the same coding.
    ///
    /// # Errors
    /// `Usage` where there is no axis to append along, and where the steps need more than one row (one symmetric matrix, bits packed
    /// along the only axis); `Unsupported` for archives, Fortran order, and shapes of other programs' datasets that are fixed.
    pub fn open(place: &Place, options: &WriterOptions<'a>) -> Result<Self> {
        let opened = store::open(place, options)?;
        Ok(Self::of(opened.place, options.clone(), opened.row, opened.rows, opened.record, Some(opened.store)))
    }

    fn of(
        place: Place,
        options: WriterOptions<'a>,
        row: Spec,
        old_rows: u64,
        record: Option<Record>,
        store: Option<Store>,
    ) -> Self {
        let steps = record.as_ref().map_or(options.asks.len(), |r| r.steps.len());
        let (waiting, tally, start) = (Vec::new(), Tally::new(steps), Instant::now());
        Self { place, options, row, old_rows, record, store, taken: 0, waiting, tally, start }
    }

    /// Dtype and shape with all rows so far.
    pub fn spec(&self) -> Result<Spec> {
        with_rows(&self.row, self.old_rows + self.taken + self.waiting.len() as u64 / self.row.bytes())
    }

    /// Adds one row, or a block of rows.
    ///
    /// # Errors
    /// `Usage` for another dtype or shape; `Refused` for values that the recipe cannot hold; `Io`. After an error nothing is kept
    /// of what was pushed: drop the writer.
    pub fn push<T: Element>(&mut self, rows: ArrayViewD<'_, T>) -> Result<()> {
        let (spec, buf) = from_ndarray(&rows)?;
        self.push_buf(&spec, &buf)
    }

    /// As [`ArrayWriter::push`], of whatever dtype: the elements of `spec` in C order.
    pub fn push_buf(&mut self, spec: &Spec, rows: &Buf) -> Result<()> {
        self.rows_in(spec).map_err(|e| e.at(&self.place))?;
        if rows.dtype() != spec.dtype() || rows.len() as u64 != spec.count() {
            return refuse!(Usage, "{} {} elements cannot be an array of {spec}", rows.len(), rows.dtype());
        }
        self.waiting.extend_from_slice(rows.bytes());
        self.flush(false)
    }

    /// How many rows an array of `spec` is, which may be one row by itself.
    fn rows_in(&self, spec: &Spec) -> Result<u64> {
        let row = &self.row.shape()[1..];
        match spec.shape() {
            shape if spec.dtype() == self.row.dtype() && shape == row => Ok(1),
            [rows, rest @ ..] if spec.dtype() == self.row.dtype() && rest == row => Ok(*rows),
            _ => {
                let mut takes = self.row.shape().iter().skip(1).map(u64::to_string).collect::<Vec<_>>();
                takes.insert(0, "N".to_owned());
                refuse!(
                    Usage,
                    "it takes rows of {}, {} ({}{}), and these are {spec}; convert them first",
                    self.row.dtype(),
                    if row.is_empty() { "single values" } else { "all axes but the first as they are" },
                    takes.join(", "),
                    if takes.len() == 1 { "," } else { "" },
                )
            }
        }
    }

    /// Hands over what waits: all of it, or whole slabs of chunks once there is enough.
    fn flush(&mut self, all: bool) -> Result<()> {
        let each = self.row.bytes();
        let waiting = self.waiting.len() as u64 / each;
        let mut rows = waiting;
        if !all {
            if self.waiting.len() as u64 >= BATCH_BYTES.min(self.options.resources.memory / 4) && self.store.is_none() {
                self.make()?;
            }
            let Some(store) = &self.store else { return Ok(()) };
            let (have, slab) = (self.old_rows + self.taken, store.slab());
            rows = ((have + waiting) / slab * slab).saturating_sub(have);
            if rows == 0 || rows * each < BATCH_BYTES.min(self.options.resources.memory / 4) {
                return Ok(());
            }
        }
        if self.store.is_none() {
            self.make()?;
        }
        let rest = self.waiting.split_off((rows * each) as usize);
        let block = std::mem::replace(&mut self.waiting, rest);
        self.take(&self.block(&block)?)
    }

    fn block(&self, bytes: &[u8]) -> Result<Memory> {
        let spec = with_rows(&self.row, bytes.len() as u64 / self.row.bytes())?;
        let mut buf = Buf::new();
        buf.reset(spec.dtype(), spec.count())?;
        buf.bytes_mut().copy_from_slice(bytes);
        Memory::new(spec, buf)
    }

    /// Settles the steps by what waits and starts the file.
    fn make(&mut self) -> Result<()> {
        let first = self.block(&self.waiting)?;
        let resources = &self.options.resources;
        let steps = fit::settle(&first, &self.options.asks, resources)?;
        store::check_rows(&self.row, &steps).map_err(|e| e.at(&self.place))?;
        let record = Record {
            ndcompact: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            original: Original {
                dtype: self.row.dtype(),
                byte_order: ByteOrder::Little,
                axes: Axes::C,
                shape: with_rows(&self.row, 0)?.shape().to_vec(),
                fill: self.options.fill,
                cf: None,
            },
            axes: Axes::C,
            steps,
            coding: None,
            loss: None,
            crc32: None,
        };
        let (store, record) = store::make(&self.place, record, &self.options, &first)?;
        (self.store, self.record) = (Some(store), record);
        Ok(())
    }

    fn steps(&self) -> Vec<Step> {
        self.record.as_ref().map(|r| r.steps.clone()).unwrap_or_default()
    }

    /// Packs and writes the rows of `source`, which must end where chunks do unless they are the last.
    fn take(&mut self, source: &dyn Source) -> Result<()> {
        let rows = source.spec().shape().first().copied().unwrap_or(0);
        let steps = self.steps();
        let Some(store) = &mut self.store else { return refuse!(Usage, "{}: nothing to write to", self.place) };
        let whole = with_rows(&self.row, self.taken + rows)?;
        let before = self.taken * self.row.count();
        let rows_behind = Behind { inner: source, spec: whole.clone(), before };
        let pipeline = Pipeline::bind(&whole, &steps)?;
        let batch = store::Batch {
            source,
            behind: &rows_behind,
            pipeline: &pipeline,
            before: self.taken,
            rows,
            phase: Phase::Compacting,
        };
        let (tally, refused) = store.take(&batch, self.record.as_ref(), &self.options)?;
        let told = refuse_if_refused(&pipeline, &tally).and_then(|()| refuse_broken_bounds(&pipeline, &tally));
        if let (Err(e), true) = (told, refused) {
            return Err(store.explain(e, &self.place, &steps, &self.options));
        }
        self.tally.merge(tally);
        self.taken += rows;
        Ok(())
    }

    /// Writes what waits and the record, and ends the file. What was done.
    ///
    /// # Errors
    /// As [`ArrayWriter::push`]; `Exists` where a file came into being, or was changed, meanwhile.
    pub fn finish(mut self) -> Result<Appended> {
        if self.store.is_none() || !self.waiting.is_empty() {
            self.flush(true)?;
        }
        self.end()
    }

    fn end(mut self) -> Result<Appended> {
        let steps = self.steps();
        let session = with_rows(&self.row, self.taken)?;
        let Some(mut store) = self.store.take() else { return refuse!(Usage, "{}: nothing to write to", self.place) };
        if store.is_behind() {
            // A dataset made anew, and no rows that would bring its old ones along.
            let none = Memory::new(with_rows(&self.row, 0)?, self.block(&[])?.buf().clone())?;
            let pipeline = Pipeline::bind(&session, &steps)?;
            let before = self.taken;
            let behind = Behind { inner: &none, spec: session.clone(), before: session.count() };
            let (source, phase) = (&none as &dyn Source, Phase::Compacting);
            let batch = store::Batch { source, behind: &behind, pipeline: &pipeline, before, rows: 0, phase };
            store.take(&batch, self.record.as_ref(), &self.options)?;
        }
        let pipeline = Pipeline::bind(&session, &steps)?;
        let (reports, mut added) = summarise(&pipeline, &self.tally);
        if let Some(coded) = store.coded_loss(session.shape()) {
            added = coded;
        }
        let exact = self.record.as_ref().map(Record::is_exact).transpose()?.unwrap_or(true);
        if exact {
            if added.changed + added.nan_payload > 0 {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!(
                        "{}: {} values changed where none may; nothing was kept. Please report this as a bug",
                        self.place, added.changed
                    ),
                ));
            }
            added = nothing_lost(&session);
        }
        let total = with_rows(&self.row, self.old_rows + self.taken)?;
        if let Some(record) = &mut self.record {
            record.original.shape = total.shape().to_vec();
            env!("CARGO_PKG_VERSION").clone_into(&mut record.tool);
            match (&mut record.loss, self.old_rows) {
                (Some(loss), 1..) => loss.append(self.old_rows, &added),
                (None, 1..) => {}
                (loss, 0) => *loss = Some(added.clone()),
            }
        }
        let in_place = store.is_in_place();
        let (left_over, made_anew, refitted) = (store.left_over(), store.is_made_anew(), store.refitted());
        let format = Format::of_name(&self.place.path).unwrap_or(Format::Npy);
        let (place, stored_bytes) = store.finish(self.place, &mut self.record, total.shape()[0], self.options.sync)?;
        Ok(Appended {
            place: place.to_string(),
            format: format.name(),
            dtype: total.dtype(),
            rows: self.taken,
            shape: total.shape().to_vec(),
            stored_bytes,
            compacted: self.record.is_some(),
            exact,
            steps: reports,
            added: self.record.as_ref().map(|_| added),
            loss: self.record.and_then(|r: Record| r.loss) as Option<LossRecord>,
            in_place,
            made_anew,
            left_over,
            refitted,
            dry_run: false,
            seconds: self.start.elapsed().as_secs_f64(),
        })
    }
}

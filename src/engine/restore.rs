//! A compacted file in, the original array out: whole, or a slice of it, to a file or into memory.

use std::sync::Arc;
use std::time::Instant;

use ndarray::ArrayD;

use super::compact::{format_of, never_the_input};
use super::held::{Held, Units};
use super::inside::{self, Inside};
use super::memory::Gather;
use super::reading::{DEFAULT_CACHE, ReadOptions, SMALL_BYTES, Works};
use super::tallied::side;
use super::transposed::Transposed;
use super::{Flow, Nowhere, Phase, Resources, Target, WriteTo, prefer, run, spooled};
use crate::array::{Buf, Element, Slice, Span, Spec, to_ndarray};
use crate::error::{Result, refuse};
use crate::pipeline::{Pipeline, Sliced, Source};
use crate::recipe::{Axes, Original, Record};
use crate::report::Side;
use crate::store::{Format, NpyWriter, Opened, Packing, Place, Replace, open, reversed};

/// How an array is restored.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions<'a> {
    /// Take only this part.
    pub slice: Option<Slice>,
    /// Bytes of decoded chunks kept for a slice, so that none is decoded twice; `None` for [`ReadOptions`]' own number. The whole
    /// array needs none.
    pub cache_bytes: Option<u64>,
    /// Whether an output of the same name may be replaced.
    pub replace: Replace,
    /// Have the output on disk before it gets its name, even where it replaces nothing.
    pub sync: bool,
    /// How members of `.npz` output are compressed.
    pub npz: Packing,
    /// The codec of HDF5 output, and its level.
    #[cfg(feature = "hdf5")]
    pub hdf5: crate::store::hdf5::Options,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Restored {
    /// The compacted file. After a slice of a dataset of many chunks its stored bytes are the whole file's: adding up its chunks would
    /// take longer than the slice.
    pub input: Side,
    /// What was written; `None` for a dry run.
    pub output: Option<Side>,
    /// Dtype and shape of what was restored.
    pub shape: Vec<u64>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// An open array file: a compacted one, seen as the array it was made from, or an ordinary one, seen as it is.
///
/// ```no_run
/// let reader = ndcompact::Reader::open("grids.compact.npy")?;
/// let first: ndarray::ArrayD<f64> = reader.slice("0, :, ::2")?;
/// # Ok::<(), ndcompact::Error>(())
/// ```
///
/// Clones read the same open file and share what it keeps in memory.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) opened: Arc<Opened>,
    pub(super) record: Option<Record>,
    pub(super) pipeline: Pipeline,
    pub(super) shown: Spec,
    /// The axis order in which `pipeline` gives the original.
    pub(super) axes: Axes,
    pub(super) options: ReadOptions,
    pub(super) works: Arc<Works>,
    /// Restored matrices, where those are kept.
    pub(super) units: Option<Arc<Units>>,
}

impl Reader {
    /// Opens the array at `place`: `file.npy`, `archive.npz:name` or `file.h5:/group/name`.
    pub fn open(place: &str) -> Result<Self> {
        Self::open_with(place, ReadOptions::default())
    }

    /// Opens the array at `place`, to be read once: nothing is kept from slice to slice.
    pub fn at(place: &Place) -> Result<Self> {
        Self::of(open(place)?)
    }

    /// As [`Reader::at`] for what is open already.
    pub(crate) fn of(opened: Opened) -> Result<Self> {
        Self::of_with(opened, ReadOptions { cache_bytes: 0, ..ReadOptions::default() })
    }

    pub(crate) fn of_with(mut opened: Opened, options: ReadOptions) -> Result<Self> {
        let record = opened.record()?;
        let (pipeline, shown, axes) = match &record {
            Some(record) => (record.shown_through()?, record.shown()?, record.axes),
            None => {
                let axes = if opened.is_fortran() { Axes::F } else { Axes::C };
                (Pipeline::bind(opened.spec(), &[])?, opened.shown().clone(), axes)
            }
        };
        // Half for either side, where both are kept.
        let units = Units::new(&pipeline, options.cache_bytes / 2).map(Arc::new);
        opened.keep_chunks(if units.is_some() { options.cache_bytes / 2 } else { options.cache_bytes });
        Ok(Self { opened: Arc::new(opened), record, pipeline, shown, axes, options, works: Arc::default(), units })
    }

    /// Dtype and shape of the original array.
    pub fn spec(&self) -> &Spec {
        &self.shown
    }

    /// How the file was made; `None` for an ordinary array.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// What stands between the elements that the file shows and the original: the steps, bound to the original array; none where
    /// they were run inside of coded chunks.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Whether the same bits come back as were compacted.
    pub fn is_exact(&self) -> bool {
        self.record.as_ref().is_none_or(|r| r.is_exact().unwrap_or(false))
    }

    /// The file itself, and what is in it.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Has what is read held against the recorded checksum by [`Opened::verify`](crate::store::Opened).
    ///
    /// # Errors
    /// `Usage` where clones of this read the same open file.
    pub(super) fn expect_recorded(&mut self) -> Result<()> {
        let Some(sum) = self.record.as_ref().and_then(|r| r.crc32) else { return Ok(()) };
        match Arc::get_mut(&mut self.opened) {
            Some(opened) => opened.expect(sum),
            None => {
                return refuse!(Usage, "{}: others read it, so its checksum cannot be watched", self.opened.place());
            }
        }
        Ok(())
    }

    /// The shape of the chunks the file is stored in, in the original array's axes; `None` where it is not chunked, and where
    /// its chunks are no boxes of the original.
    pub(super) fn chunk(&self) -> Option<Vec<u64>> {
        let chunk = self.opened.chunk()?;
        let (packed, shown) = (self.opened.shown().shape(), self.shown.shape());
        if packed == shown && self.pipeline.is_elementwise() {
            return Some(chunk.to_vec());
        }
        // Steps along the last axes: chunks that hold those whole cut the leading ones alone.
        let lead = packed.iter().zip(shown).take_while(|(a, b)| a == b).count();
        let whole = chunk.get(lead..)?.iter().zip(packed.get(lead..)?).all(|(c, d)| c >= d);
        let cut = chunk.get(..lead)?.iter().chain(shown.get(lead..)?);
        (whole && lead > 0).then(|| cut.copied().collect())
    }

    /// The whole original array in memory. `T` must be its dtype's type.
    pub fn read<T: Element>(&self) -> Result<ArrayD<T>> {
        self.slice_with(&Slice::default())
    }

    /// A slice of the original array, in NumPy's syntax; only what it needs is read.
    pub fn slice<T: Element>(&self, slice: &str) -> Result<ArrayD<T>> {
        self.slice_with(&slice.parse()?)
    }

    /// As [`Reader::slice`], with the slice as a value (`ndarray`'s `s![…]` converts into one).
    pub fn slice_with<T: Element>(&self, slice: &Slice) -> Result<ArrayD<T>> {
        self.with_view(Axes::C, Some(slice), &self.options.resources(), |view, unit| {
            if view.spec().bytes() > SMALL_BYTES {
                return to_ndarray(view.spec(), &self.gathered(view, unit, &self.options.resources())?);
            }
            self.works.with(self, |work| {
                let [mut buf, other] = std::mem::take(&mut work.gather);
                let read = view.read(&[Span::new(0, view.spec().count())], &mut buf, work);
                let array = read.and_then(|()| to_ndarray(view.spec(), &buf));
                work.gather = [buf, other];
                array
            })
        })
    }

    /// A slice of the original array, of whatever dtype it is.
    pub fn part(&self, slice: &Slice) -> Result<(Spec, Buf)> {
        self.part_with(slice, &self.options.resources())
    }

    /// As [`Reader::part`], with threads and memory to choose. The result itself comes on top of the memory bound.
    pub fn part_with(&self, slice: &Slice, resources: &Resources<'_>) -> Result<(Spec, Buf)> {
        self.with_view(Axes::C, Some(slice), resources, |view, unit| {
            let buf = if view.spec().bytes() <= SMALL_BYTES {
                let mut buf = Buf::new();
                let whole = [Span::new(0, view.spec().count())];
                self.works.with(self, |work| view.read(&whole, &mut buf, work))?;
                buf
            } else {
                self.gathered(view, unit, resources)?
            };
            Ok((view.spec().clone(), buf))
        })
    }

    /// All of `view`, read by all threads.
    fn gathered(&self, view: &dyn Source, unit: u64, resources: &Resources<'_>) -> Result<Buf> {
        let mut buf = Buf::new();
        buf.reset(view.spec().dtype(), view.spec().count())?;
        let to = Gather::new(&mut buf);
        run(&self.flow(view, unit), &to, None, resources)?;
        Ok(buf)
    }

    /// How `view` of the original array is cut.
    pub(super) fn flow<'a>(&self, view: &'a dyn Source, unit: u64) -> Flow<'a> {
        let size = view.spec().dtype().size() as u64;
        Flow {
            source: view,
            steps: self.pipeline.stages().len(),
            unit,
            // Parts of units need up to their share of the packed side as well.
            unit_bytes: if unit == 1 { 4 * size } else { self.pipeline.unit_bytes() },
            cut: None,
            prefer: match view.grain() {
                Some(grain) => Some(grain.step),
                None => prefer(self.opened.as_ref(), self.pipeline.unit().output, self.pipeline.unit().input),
            },
            phase: Phase::Restoring,
            original_bytes: view.spec().bytes(),
        }
    }

    /// Runs `with` on the original array (or `slice` of it) in the given axis order, and the elements of its unit.
    pub(super) fn with_view<R>(
        &self,
        axes: Axes,
        slice: Option<&Slice>,
        resources: &Resources<'_>,
        with: impl FnOnce(&dyn Source, u64) -> Result<R>,
    ) -> Result<R> {
        // Chunks that lie across C order are decoded once each into a temporary file; a slice reads only what it needs.
        let opened = self.opened.as_ref();
        let pieces = if slice.is_none() { spooled::by_pieces(opened, resources)? } else { None };
        let stored: &dyn Source = pieces.as_ref().map_or(opened, |s| s);
        let restoring = self.pipeline.restoring(stored);
        let held;
        let restoring: &dyn Source = match (&self.units, slice) {
            (Some(units), Some(_)) => {
                held = Held { inner: &restoring, units };
                &held
            }
            _ => &restoring,
        };
        let unit = self.pipeline.unit().input;
        let (spool, transposed);
        let (view, unit): (&dyn Source, u64) = if self.axes == axes || self.shown.shape().len() < 2 {
            (restoring, unit)
        } else if slice.is_none() && (unit > 1 || (pieces.is_none() && opened.overhead() > 0)) {
            // Units would be taken apart, and chunks decoded, for every slab; made whole once, their elements are only moved.
            spool = spooled::in_order(&self.flow(restoring, unit), resources)?;
            transposed = Transposed::new(&spool, resources.share())?;
            (&transposed, 1)
        } else {
            transposed = Transposed::new(restoring, resources.share())?;
            (&transposed, 1)
        };
        match slice {
            None => with(view, unit),
            Some(slice) => {
                let sliced = Sliced::new(view, slice)?;
                let unit = if sliced.run().is_multiple_of(unit) { unit } else { 1 };
                with(&sliced, unit)
            }
        }
    }
}

/// Restores the original array (or a slice of it) from the compacted file at `input` into `target`, with its dtype, byte
/// order and axis order. A slice may be taken of an ordinary array as well.
pub fn restore(input: &Place, target: &Target, options: &RestoreOptions<'_>) -> Result<Restored> {
    restore_all(input, &[(options.slice.clone(), target.clone())], options)?
        .pop()
        .map_or_else(|| refuse!(Usage, "there is nothing to restore"), Ok)
}

/// As [`restore`], several slices of one file, each into a target of its own; `options.slice` is not used. Chunks that slices
/// share are decoded once, as far as the cache reaches.
pub fn restore_all(
    input: &Place,
    parts: &[(Option<Slice>, Target)],
    options: &RestoreOptions<'_>,
) -> Result<Vec<Restored>> {
    let mut slices: Option<Reader> = None;
    let mut done = Vec::with_capacity(parts.len());
    for (slice, target) in parts {
        let options = RestoreOptions { slice: slice.clone(), ..options.clone() };
        if let Target::Place(place) = target
            && Format::of_name(&place.path) == Some(Format::Npz)
        {
            done.push(super::many::restore_one(input, place, &options)?);
            continue;
        }
        let reader = match (&slices, slice) {
            (Some(reader), Some(_)) => reader.clone(),
            (None, Some(_)) => {
                let cache_bytes = options.cache_bytes.unwrap_or(DEFAULT_CACHE);
                let reader = Reader::of_with(open(input)?, ReadOptions { cache_bytes, ..ReadOptions::default() })?;
                slices.insert(reader).clone()
            }
            (_, None) => Reader::at(input)?,
        };
        done.push(restore_part(reader, input, target, options)?);
    }
    Ok(done)
}

/// Restores what was opened as one of many into `target`: as it was before it was compacted, if it was, else as it is.
///
/// # Errors
/// `Usage` for `.npz` targets; else as [`restore`].
pub(crate) fn restore_opened(reader: Reader, target: &Target, options: &RestoreOptions<'_>) -> Result<Restored> {
    if let Target::Place(place) = target
        && Format::of_name(&place.path) == Some(Format::Npz)
    {
        return refuse!(Usage, "{place}: one array is restored to .npy or .h5; give such a name");
    }
    let original = match &reader.record {
        Some(record) => record.original.clone(),
        None => ordinary(&reader)?,
    };
    opened(reader, &original, target, None, options)
}

fn restore_part(reader: Reader, input: &Place, target: &Target, mut options: RestoreOptions<'_>) -> Result<Restored> {
    let original = match &reader.record {
        Some(record) => record.original.clone(),
        // Archives are restored whole, whatever was done to which member; so is one of them.
        None if options.slice.is_some() || reader.opened.format() == Format::Npz => ordinary(&reader)?,
        None => {
            return refuse!(
                Usage,
                "{input} is an ordinary array of {}: there is no recipe in it or beside it, so nothing to undo",
                reader.shown
            );
        }
    };
    if let Target::Place(place) = target {
        options.replace = never_the_input(input, place, options.replace)?;
    }
    opened(reader, &original, target, None, &options)
}

/// Restores what was opened, to be stored as `original` says; `inside` takes it, where the output holds several arrays.
pub(super) fn opened(
    mut reader: Reader,
    original: &Original,
    target: &Target,
    inside: Option<Inside<'_>>,
    options: &RestoreOptions<'_>,
) -> Result<Restored> {
    let start = Instant::now();
    let input = reader.opened.place().clone();
    if options.slice.is_none() {
        reader.expect_recorded()?;
    }
    let format = inside.map_or_else(|| format_of(target), |i| Ok(i.format()))?;
    let to_npy = format != Format::Hdf5;
    let order = original.byte_order;
    // A slice is a new array and comes in C order; the whole comes in the order it had.
    let axes = if to_npy && options.slice.is_none() { original.axes } else { Axes::C };
    let (shape, output) = reader.with_view(axes, options.slice.as_ref(), &options.resources, |view, unit| {
        let flow = reader.flow(view, unit);
        let resources = &options.resources;
        let fortran = axes == Axes::F && view.spec().shape().len() > 1;
        let shown = if fortran { reversed(view.spec())? } else { view.spec().clone() };
        let member = match inside {
            Some(Inside::Npz(npz, name)) => Some((npz, name)),
            _ => None,
        };
        let output = match (target, member) {
            (Target::DryRun, _) => {
                run(&flow, &Nowhere, None, resources)?;
                reader.opened.verify()?;
                None
            }
            (Target::Place(place), Some((npz, name))) => {
                let (writer, stage) = inside::start(npz, name, view.spec(), fortran, order, None, false)?;
                run(&flow, &WriteTo(&writer), None, resources)?;
                reader.opened.verify()?;
                let bytes = inside::finish(npz, name, writer, stage, None, resources, |_| Ok(()))?;
                Some(side(place, Format::Npz, &shown, bytes))
            }
            (Target::Place(place), None) if to_npy => {
                let writer = NpyWriter::create(&place.path, view.spec(), fortran, order, None, false, options.replace)?;
                run(&flow, &WriteTo(&writer), None, resources)?;
                reader.opened.verify()?;
                let bytes = writer.finish(None, options.sync)?;
                Some(side(place, Format::Npy, &shown, bytes))
            }
            (Target::Place(place), None) => Some(reader.to_hdf5(place, inside, &flow, original, options)?),
        };
        Ok((view.spec().shape().to_vec(), output))
    })?;
    let stored_bytes =
        if options.slice.is_some() { reader.opened.stored_bytes_soon() } else { reader.opened.stored_bytes() };
    Ok(Restored {
        input: side(&input, reader.opened.format(), reader.opened.shown(), stored_bytes),
        shape: output.as_ref().map_or(shape, |o: &Side| o.shape.clone()),
        output,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// An array that nothing was done to.
fn ordinary(reader: &Reader) -> Result<Original> {
    Ok(Original {
        dtype: reader.shown.dtype(),
        byte_order: reader.opened.byte_order(),
        axes: reader.axes,
        shape: reader.shown.shape().to_vec(),
        fill: reader.opened.fill()?,
        cf: reader.opened.cf()?,
    })
}

#[cfg(not(feature = "hdf5"))]
impl Reader {
    fn to_hdf5(
        &self,
        place: &Place,
        _: Option<Inside<'_>>,
        _: &Flow<'_>,
        _: &Original,
        _: &RestoreOptions<'_>,
    ) -> Result<Side> {
        refuse!(Unsupported, "{place}: this build has no HDF5")
    }
}

//! Writing items as they come.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ndarray::ArrayViewD;
use serde::Serialize;

use super::layout::{AXIS, CHARACTER, ENTRY, EVERY, ITEM, Layout, MARK, NAME, OFFSET, VALUE, place};
use super::names::Numbered;
use super::open::Ragged;
use crate::array::{Buf, DType, Element, MAX_AXES, Span, Spec, from_ndarray};
use crate::engine::{ArrayWriter, WriterOptions};
use crate::error::{Result, refuse};
use crate::metric::LossRecord;
use crate::pipeline::{Source, Work};
use crate::report::StepReport;
use crate::store::Replace;
use crate::store::hdf5::{AttributeValue, Codec, Container, Lock, Options, Overhead};

/// Items whose sizes are gathered before they are handed on.
const GATHERED: usize = 4096;

/// Bytes of a chunk of values: one item decodes one or two of them.
const CHUNK_BYTES: u64 = 256 << 10;

/// Bytes of a chunk of sizes, shapes, names.
const INDEX_CHUNK_BYTES: u64 = 64 << 10;

/// Bytes of an item that are in memory at once.
const BLOCK_BYTES: u64 = 4 << 20;

/// Unused room is kept up to this part of a file.
const WASTE_PART: u64 = 8;

/// Values beyond which the 4 KiB of a heap for references are little.
const MANY_VALUES: u64 = 1 << 17;

/// The longest name, in bytes.
const MAX_NAME_BYTES: u64 = 4096;

/// How a ragged array is written.
#[derive(Debug, Clone)]
pub struct RaggedOptions<'a> {
    /// How the values are: steps, codec or coding, threads and memory. Its `into` is not used.
    pub values: WriterOptions<'a>,
    /// Bytes of the longest name; 0 for items without names. A file keeps what it was made with.
    pub name_bytes: u64,
    /// Only try: what would be refused and lost, and the bytes that the values would take.
    pub dry_run: bool,
}

impl Default for RaggedOptions<'_> {
    /// Lossless: shuffle and deflate, chunks of 256 KiB.
    fn default() -> Self {
        let hdf5 = Options { codec: Codec::Deflate, chunk_bytes: CHUNK_BYTES, ..Options::default() };
        Self { values: WriterOptions { hdf5, ..WriterOptions::default() }, name_bytes: 0, dry_run: false }
    }
}

/// What writing items did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaggedReport {
    /// The file.
    pub place: String,
    /// Items that it holds now.
    pub items: u64,
    /// Items that were added.
    pub added: u64,
    /// Dtype of an item.
    pub dtype: DType,
    /// Axes of an item.
    pub axes: u64,
    /// Elements of all items.
    pub values: u64,
    /// Bytes of all items' elements.
    pub bytes: u64,
    /// Bytes of the file; in a dry run those of the values alone.
    pub stored_bytes: u64,
    /// Whether all was only tried.
    pub dry_run: bool,
    /// Whether the same bits come back.
    pub exact: bool,
    /// The steps, and what each lost on the added items.
    pub steps: Vec<StepReport>,
    /// What was lost on all values, by their place among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossRecord>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A ragged array in the making, or one that gets more items: the file appears, or changes, whole or not at all, when it is
/// finished.
#[derive(Debug)]
pub struct RaggedWriter<'a> {
    path: PathBuf,
    layout: Layout,
    dtype: DType,
    /// Items of the file before.
    old: u64,
    /// Items, and elements, in all.
    items: u64,
    total: u64,
    values: ArrayWriter<'a>,
    row_size: Column<'a>,
    shape: Option<Column<'a>>,
    /// Where there are more items than one entry of it is for.
    offset: Option<Column<'a>>,
    name: Names<'a>,
    /// How the columns are written.
    index: WriterOptions<'a>,
    is_new: bool,
    dry_run: bool,
    sync: bool,
    start: Instant,
    // Last, so that the datasets are let go of before.
    container: Arc<Container>,
}

/// How items are called.
#[derive(Debug)]
enum Names<'a> {
    None,
    /// None yet, of so many bytes at most.
    Open(u64),
    Numbered(Numbered, u64),
    Column(Box<Column<'a>>, u64),
}

/// A dataset beside the values, a row an item (or an entry of the index).
#[derive(Debug)]
struct Column<'a> {
    to: ArrayWriter<'a>,
    dtype: DType,
    row: u64,
    waiting: Vec<u8>,
}

impl<'a> Column<'a> {
    fn new(to: ArrayWriter<'a>, dtype: DType, row: u64) -> Self {
        Self { to, dtype, row, waiting: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(bytes);
        let rows = self.waiting.len() / (self.row as usize * self.dtype.size());
        if rows >= GATHERED { self.flush() } else { Ok(()) }
    }

    fn numbers(&mut self, numbers: &[u64]) -> Result<()> {
        for n in numbers {
            // Below 2^63, as a spec's element count is.
            self.put(&(*n as i64).to_ne_bytes())?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let count = self.waiting.len() as u64 / self.dtype.size() as u64;
        let shape =
            if self.row == 1 && self.dtype == DType::I64 { vec![count] } else { vec![count / self.row, self.row] };
        let mut buf = Buf::new();
        buf.reset(self.dtype, count)?;
        buf.bytes_mut().copy_from_slice(&self.waiting);
        self.waiting.clear();
        self.to.push_buf(&Spec::new(self.dtype, shape)?, &buf)
    }

    fn finish(mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        self.to.finish().map(drop)
    }
}

impl<'a> RaggedWriter<'a> {
    /// Starts a file at `path` for items of `dtype` with `axes` axes.
    ///
    /// # Errors
    /// `Exists` where there is a file and it may not be replaced; `Usage` for steps that need more than one value, more than 64 axes, and
    /// bounds that are relative to the range of all values; `Io`.
    pub fn create(path: &Path, dtype: DType, axes: u64, options: &RaggedOptions<'a>) -> Result<Self> {
        if axes > MAX_AXES as u64 {
            return refuse!(Usage, "items of {axes} axes; at most {MAX_AXES} are possible");
        }
        if options.name_bytes > MAX_NAME_BYTES {
            return refuse!(Usage, "names of {} bytes; at most {MAX_NAME_BYTES} are possible", options.name_bytes);
        }
        let write = &options.values;
        let layout = Layout::new(dtype, axes, &write.asks, write.coded.as_ref());
        let container = Arc::new(Container::create(path, Overhead::Least, write.replace)?);
        let values = WriterOptions { into: Some(container.clone()), replace: Replace::Never, ..write.clone() };
        let index = index_options(&values);
        let column = |name: &str, dtype, row: &[u64]| -> Result<Column<'a>> {
            let to = ArrayWriter::create(&place(path, name), dtype, row, &index)?;
            Ok(Column::new(to, dtype, row.iter().product()))
        };
        let name = if options.name_bytes == 0 { Names::None } else { Names::Open(options.name_bytes) };
        Ok(Self {
            values: ArrayWriter::create(&place(path, &layout.values), dtype, &[], &values)?,
            row_size: column(&layout.row_size, DType::I64, &[])?,
            shape: layout.shape.as_ref().map(|s| column(s, DType::I64, &[axes])).transpose()?,
            offset: None,
            name,
            index,
            path: path.to_owned(),
            layout,
            dtype,
            old: 0,
            items: 0,
            total: 0,
            is_new: true,
            dry_run: options.dry_run,
            sync: write.sync,
            start: Instant::now(),
            container,
        })
    }

    /// Opens the file at `path` to add items behind those it has. It keeps its recipe.
    ///
    /// # Errors
    /// As [`Ragged::open`]; `Io`.
    pub fn open(path: &Path, options: &RaggedOptions<'a>) -> Result<Self> {
        // Before anything is read: somebody else may be about to add items.
        let lock = Lock::take(path)?;
        let old = Ragged::open(path)?;
        old.check_end()?;
        let (items, total, dtype) = (old.len(), old.values_count(), old.dtype());
        let (layout, width) = (old.layout().clone(), old.name_bytes());
        // A chunk that is written again leaves its old place unused; where that is much, the file is made anew.
        let (used, last) = old.used_bytes();
        let waste = old.stored_bytes()?.saturating_sub(used) + last;
        let is_new = waste > old.stored_bytes()? / WASTE_PART && old.is_alone()?;
        drop(old);
        let container = match is_new {
            true => Container::anew(lock, Overhead::Least)?,
            false => Container::open_locked(lock)?,
        };
        let container = Arc::new(container);
        let values = WriterOptions { into: Some(container.clone()), ..options.values.clone() };
        let index = index_options(&values);
        let column = |name: &str, dtype, row: u64| -> Result<Column<'a>> {
            Ok(Column::new(ArrayWriter::open(&place(path, name), &index)?, dtype, row))
        };
        let name = match (&layout.name, &layout.numbered, width) {
            (Some(name), _, Some(width)) => Names::Column(Box::new(column(name, DType::U8, width)?), width),
            (_, Some(numbered), _) => Names::Numbered(numbered.clone(), options.name_bytes),
            _ => Names::None,
        };
        Ok(Self {
            values: ArrayWriter::open(&place(path, &layout.values), &values)?,
            row_size: column(&layout.row_size, DType::I64, 1)?,
            shape: layout.shape.as_ref().map(|s| column(s, DType::I64, layout.axes)).transpose()?,
            offset: layout.offset.as_ref().map(|o| column(o, DType::I64, 1)).transpose()?,
            name,
            index,
            path: path.to_owned(),
            layout,
            dtype,
            old: items,
            items,
            total,
            is_new,
            dry_run: options.dry_run,
            sync: options.values.sync,
            start: Instant::now(),
            container,
        })
    }

    /// Items so far, those of the file before among them.
    pub fn len(&self) -> u64 {
        self.items
    }

    /// Whether there is no item yet.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Dtype of an item.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Axes of an item.
    pub fn axes(&self) -> u64 {
        self.layout.axes
    }

    /// Adds an item.
    ///
    /// # Errors
    /// `Usage` for another dtype or number of axes; `Refused` for values that the recipe cannot hold; `Io`. After an error nothing
    /// is kept of what was pushed: drop the writer.
    pub fn push<T: Element>(&mut self, item: ArrayViewD<'_, T>) -> Result<()> {
        let (spec, buf) = from_ndarray(&item)?;
        self.push_buf(None, &spec, &buf)
    }

    /// Adds an item under a name, in a file that was made with room for names.
    ///
    /// # Errors
    /// As [`RaggedWriter::push`]; `Usage` for names that are too long, or hold a NUL.
    pub fn push_named<T: Element>(&mut self, name: &str, item: ArrayViewD<'_, T>) -> Result<()> {
        let (spec, buf) = from_ndarray(&item)?;
        self.push_buf(Some(name), &spec, &buf)
    }

    /// Adds an item of whatever dtype: the elements of `spec` in C order.
    pub fn push_buf(&mut self, name: Option<&str>, spec: &Spec, values: &Buf) -> Result<()> {
        self.begin(name, spec)?;
        self.values.push_buf(&Spec::new(spec.dtype(), [spec.count()])?, values)?;
        self.end(spec)
    }

    /// Adds an item that is read in parts, so that it may be larger than memory.
    pub fn push_source(&mut self, name: Option<&str>, source: &dyn Source) -> Result<()> {
        let spec = source.spec();
        self.begin(name, spec)?;
        let most = (BLOCK_BYTES / spec.dtype().size() as u64).max(1);
        let (mut buf, mut at, mut work) = (Buf::new(), 0, Work::new(0));
        while at < spec.count() {
            let len = most.min(spec.count() - at);
            source.read(&[Span::new(at, len)], &mut buf, &mut work)?;
            self.values.push_buf(&Spec::new(spec.dtype(), [len])?, &buf)?;
            at += len;
        }
        self.end(spec)
    }

    /// Checks an item and takes its name.
    fn begin(&mut self, name: Option<&str>, spec: &Spec) -> Result<()> {
        if spec.dtype() != self.dtype || spec.shape().len() as u64 != self.layout.axes {
            return refuse!(
                Usage,
                "item {}{} is {spec}; all items of {} are {} with {} axes. Convert it first",
                self.items,
                name.map(|n| format!(" ({n})")).unwrap_or_default(),
                self.path.display(),
                self.dtype,
                self.layout.axes
            );
        }
        self.put_name(name.unwrap_or_default())?;
        Ok(())
    }

    fn put_name(&mut self, name: &str) -> Result<()> {
        let (i, place) = (self.items, &self.path);
        if let Names::Open(width) = self.name {
            self.name = match Numbered::from(name).filter(|_| i == 0) {
                Some(numbered) => Names::Numbered(numbered, width),
                None => Names::Column(Box::new(self.name_column(width)?), width),
            };
        } else if let Names::Numbered(numbered, width) = &self.name
            && numbered.name(i) != name
        {
            let (numbered, width) = (numbered.clone(), *width);
            // They are in order: the last is the longest.
            let width = [width, numbered.name(i).len() as u64, name.len() as u64].into_iter().max().unwrap_or(1);
            let mut column = self.name_column(width)?;
            for k in 0..i {
                column.put(&padded(&numbered.name(k), width))?;
            }
            self.name = Names::Column(Box::new(column), width);
        }
        match &mut self.name {
            Names::Column(column, width) if name.len() as u64 <= *width && !name.contains('\0') => {
                column.put(&padded(name, *width))
            }
            Names::Column(_, width) => refuse!(
                Usage,
                "item {i}: the name {name:?} does not fit the {width} bytes that {} has for names; give a shorter one",
                place.display()
            ),
            _ => Ok(()),
        }
    }

    fn name_column(&self, width: u64) -> Result<Column<'a>> {
        if width > MAX_NAME_BYTES {
            return refuse!(Usage, "names of {width} bytes; at most {MAX_NAME_BYTES} are possible");
        }
        let to = ArrayWriter::create(&place(&self.path, NAME), DType::U8, &[width], &self.index)?;
        Ok(Column::new(to, DType::U8, width))
    }

    fn end(&mut self, spec: &Spec) -> Result<()> {
        if self.items.is_multiple_of(EVERY) && self.items > 0 {
            if self.offset.is_none() {
                let to = ArrayWriter::create(&place(&self.path, OFFSET), DType::I64, &[], &self.index)?;
                self.offset.insert(Column::new(to, DType::I64, 1)).numbers(&[0])?;
            }
            if let Some(offset) = &mut self.offset {
                offset.numbers(&[self.total])?;
            }
        }
        self.row_size.numbers(&[spec.count()])?;
        if let Some(shape) = &mut self.shape {
            shape.numbers(spec.shape())?;
        }
        let all = self.total.checked_add(spec.count());
        let Some(total) = all.filter(|n| Spec::new(self.dtype, [*n]).is_ok()) else {
            return refuse!(Usage, "{}: all items together are over 2^63 bytes", self.path.display());
        };
        (self.total, self.items) = (total, self.items + 1);
        Ok(())
    }

    /// Writes what waits, and gives the file its name. What was done.
    ///
    /// # Errors
    /// As [`RaggedWriter::push`]; `Exists` where a file came into being, or was changed, meanwhile.
    pub fn finish(self) -> Result<RaggedReport> {
        let Self { mut layout, container, path, name, .. } = self;
        let (mut is_new, mut width) = (self.is_new, None);
        let done = self.values.finish()?;
        self.row_size.finish()?;
        if let Some(offset) = self.offset {
            offset.finish()?;
            is_new |= layout.offset.is_none();
            layout.offset = Some(OFFSET.to_owned());
        }
        if let Some(shape) = self.shape {
            shape.finish()?;
        }
        match name {
            Names::Numbered(numbered, _) if layout.numbered.is_none() => {
                (layout.numbered, is_new) = (Some(numbered), true);
            }
            Names::Column(column, bytes) => {
                column.finish()?;
                width = Some(bytes);
                is_new |= layout.name.is_none();
                (layout.name, layout.numbered) = (Some(NAME.to_owned()), None);
            }
            _ => {}
        }
        // Whatever lets go of the file but the container.
        drop(self.index);
        if is_new {
            describe(&container, &layout)?;
        }
        dimensions(&container, &layout, self.total, self.items, width)?;
        let Some(container) = Arc::into_inner(container) else {
            return refuse!(Usage, "{}: its file is still in use", path.display());
        };
        // Dropped, the file leaves nothing.
        let stored_bytes = if self.dry_run { done.stored_bytes } else { container.finish(self.sync)? };
        Ok(RaggedReport {
            place: path.display().to_string(),
            items: self.items,
            added: self.items - self.old,
            dtype: self.dtype,
            axes: layout.axes,
            values: self.total,
            bytes: Spec::new(self.dtype, [self.total])?.bytes(),
            stored_bytes,
            dry_run: self.dry_run,
            exact: done.exact,
            steps: done.steps,
            loss: done.loss,
            seconds: self.start.elapsed().as_secs_f64(),
        })
    }
}

/// A name as it stands in its row.
fn padded(name: &str, width: u64) -> Vec<u8> {
    let mut row = name.as_bytes().to_vec();
    row.resize(width as usize, 0);
    row
}

/// How what stands beside the values is written: always without loss.
fn index_options<'a>(values: &WriterOptions<'a>) -> WriterOptions<'a> {
    let hdf5 = Options { codec: Codec::Deflate, level: Some(9), chunk_bytes: INDEX_CHUNK_BYTES, ..Options::default() };
    WriterOptions {
        hdf5,
        replace: values.replace,
        resources: values.resources,
        into: values.into.clone(),
        ..WriterOptions::default()
    }
}

/// What other programs are told, that does not change when items are added: CF's contiguous ragged representation.
fn describe(container: &Container, layout: &Layout) -> Result<()> {
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    container.describe("/", &[("Conventions", text("CF-1.11")), (MARK, AttributeValue::Text(layout.to_json()?))])?;
    let along = |path: &str, dimensions: &[i32]| {
        container.describe(path, &[("_Netcdf4Coordinates", AttributeValue::I32s(dimensions.to_vec()))])
    };
    container.describe(&layout.row_size, &[("sample_dimension", text(&VALUE[1..]))])?;
    along(&layout.values, &[0])?;
    along(&layout.row_size, &[1])?;
    if let Some(offset) = &layout.offset {
        along(offset, &[2])?;
    }
    if let Some(shape) = &layout.shape {
        along(shape, &[1, 3])?;
    }
    if let Some(name) = &layout.name {
        along(name, &[1, 4])?;
    }
    Ok(())
}

/// The lengths of the dimensions.
fn dimensions(container: &Container, layout: &Layout, values: u64, items: u64, width: Option<u64>) -> Result<()> {
    container.dimension(VALUE, values, 0)?;
    container.dimension(ITEM, items, 1)?;
    let mut lengths = vec![values, items];
    if layout.offset.is_some() {
        lengths.push(items.div_ceil(EVERY));
        container.dimension(ENTRY, items.div_ceil(EVERY), 2)?;
    }
    if layout.shape.is_some() {
        lengths.push(layout.axes);
        container.dimension(AXIS, layout.axes, 3)?;
    }
    if let Some(width) = width {
        lengths.push(width);
        container.dimension(CHARACTER, width, 4)?;
    }
    // h5netcdf knows a dimension by its length, where references do not name it.
    let count = lengths.len();
    lengths.sort_unstable();
    lengths.dedup();
    let referred = lengths.len() < count || values > MANY_VALUES;
    let along = |path: &str, dimensions: &[&str]| container.lies_along(path, if referred { dimensions } else { &[] });
    along(&layout.values, &[VALUE])?;
    along(&layout.row_size, &[ITEM])?;
    if let Some(offset) = &layout.offset {
        along(offset, &[ENTRY])?;
    }
    if let Some(shape) = &layout.shape {
        along(shape, &[ITEM, AXIS])?;
    }
    if let Some(name) = &layout.name {
        along(name, &[ITEM, CHARACTER])?;
    }
    Ok(())
}

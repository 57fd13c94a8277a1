//! Reading items.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayD;

use super::items::Range;
use super::layout::{AXIS, CHARACTER, ENTRY, EVERY, ITEM, Layout, VALUE, place};
use super::names::Numbered;
use super::writer::{RaggedOptions, RaggedWriter};
use crate::array::{Buf, DType, Element, Span, Spec, to_ndarray};
use crate::engine::Reader;
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Source, Work};
use crate::store::{arrays, file_bytes};

/// A ragged array in a file: any number of items of one dtype and one number of axes, each of its own shape.
///
/// *Guarantee:* `get(i)` is what was pushed as the `i`-th item, as far as the recipe is exact; it decodes the chunks that the item lies in and
/// a chunk of each of the datasets beside. All that the file says is checked before it is used.
#[derive(Debug)]
pub struct Ragged {
    path: String,
    layout: Layout,
    values: Reader,
    row_size: Reader,
    shape: Option<Reader>,
    offset: Option<Reader>,
    name: Option<Reader>,
    items: u64,
    state: Mutex<State>,
}

/// What is kept from read to read: decoded chunks, and the entries around the last item.
#[derive(Default)]
struct State {
    values: Work,
    beside: Work,
    buf: Buf,
    group: Option<Arc<Group>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// The items between two entries of the index.
struct Group {
    number: u64,
    /// Elements before each item, and before the item after the last.
    starts: Vec<u64>,
    /// Lengths of all items' axes; empty for items of fewer than two axes.
    shapes: Vec<u64>,
}

impl Ragged {
    /// Starts a file at `path` for items of `dtype` with `axes` axes: [`RaggedWriter::create`].
    ///
    /// # Errors
    /// As there.
    pub fn create<'a>(path: &Path, dtype: DType, axes: u64, options: &RaggedOptions<'a>) -> Result<RaggedWriter<'a>> {
        RaggedWriter::create(path, dtype, axes, options)
    }

    /// Opens the file at `path` to add items: [`RaggedWriter::open`].
    ///
    /// # Errors
    /// As there.
    pub fn append<'a>(path: &Path, options: &RaggedOptions<'a>) -> Result<RaggedWriter<'a>> {
        RaggedWriter::open(path, options)
    }

    /// Whether the file at `path` is an HDF5 file that says that it holds a ragged array.
    pub fn is_one(path: &Path) -> bool {
        matches!(Layout::find(path), Ok(Some(_)))
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// `Usage` where it holds no ragged array; `Corrupt` where its datasets do not fit together; `Unsupported` for newer layouts; `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let Some(layout) = Layout::find(path)? else {
            return refuse!(Usage, "{shown} holds no ragged array; make one with `compact ragged INPUTS -o {shown}`");
        };
        let open = |name: &str| Reader::at(&place(path, name));
        let (values, row_size) = (open(&layout.values)?, open(&layout.row_size)?);
        let offset = layout.offset.as_deref().map(open).transpose()?;
        let shape = layout.shape.as_deref().map(open).transpose()?;
        let name = layout.name.as_deref().map(open).transpose()?;
        let count = |reader: &Reader| reader.spec().shape().first().copied().unwrap_or(0);
        let items = count(&row_size);
        let is = |reader: &Reader, dtype: Option<DType>, shape: &[u64]| {
            dtype.is_none_or(|d| d == reader.spec().dtype()) && reader.spec().shape() == shape
        };
        let width = name.as_ref().and_then(|n| n.spec().shape().get(1)).copied().unwrap_or(0);
        let fits = is(&values, None, &[count(&values)])
            && is(&row_size, Some(DType::I64), &[items])
            && offset.as_ref().is_none_or(|o| is(o, Some(DType::I64), &[items.div_ceil(EVERY)]))
            && (offset.is_some() || items <= EVERY)
            && shape.as_ref().is_none_or(|s| is(s, Some(DType::I64), &[items, layout.axes]))
            && name.as_ref().is_none_or(|n| is(n, Some(DType::U8), &[items, width]));
        if !fits {
            return refuse!(
                Corrupt,
                "{shown}: {} of {} items and the datasets beside it do not fit together: the file is damaged, or another program has \
                 changed it",
                layout.row_size,
                items
            );
        }
        for reader in [&values, &row_size].into_iter().chain(&offset).chain(&shape).chain(&name) {
            // A chunk is at least a byte: nothing is made of what is not there.
            let chunk: u64 = reader.opened().chunk().map_or(1, |c| c.iter().product());
            let chunks = reader.opened().spec().count().div_ceil(chunk.max(1));
            if chunks > reader.opened().stored_bytes() {
                return refuse!(
                    Corrupt,
                    "{}: most of its chunks are missing: the file is damaged",
                    reader.opened().place()
                );
            }
        }
        let state = State { values: Work::new(values.pipeline().stages().len()), ..State::default() };
        let path = shown.to_string();
        Ok(Self { path, layout, values, row_size, shape, offset, name, items, state: Mutex::new(state) })
    }

    /// Its file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Items.
    pub fn len(&self) -> u64 {
        self.items
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Dtype of an item.
    pub fn dtype(&self) -> DType {
        self.values.spec().dtype()
    }

    /// Axes of an item.
    pub fn axes(&self) -> u64 {
        self.layout.axes
    }

    /// Elements of all items.
    pub fn values_count(&self) -> u64 {
        self.values.spec().count()
    }

    /// All items' elements, end to end: the dataset and its recipe.
    pub fn values(&self) -> &Reader {
        &self.values
    }

    /// Bytes that each name has, where items have names.
    pub fn name_bytes(&self) -> Option<u64> {
        self.name.as_ref().and_then(|n| n.spec().shape().get(1)).copied()
    }

    /// Bytes of the longest name; 0 where items have none.
    pub(super) fn longest_name(&self) -> u64 {
        let last = |n: &Numbered| n.name(self.items.saturating_sub(1)).len() as u64;
        self.name_bytes().or(self.layout.numbered.as_ref().map(last)).unwrap_or(0)
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// `Io`.
    pub fn stored_bytes(&self) -> Result<u64> {
        file_bytes(Path::new(&self.path))
    }

    fn readers(&self) -> impl Iterator<Item = &Reader> {
        [&self.values, &self.row_size].into_iter().chain(&self.offset).chain(&self.shape).chain(&self.name)
    }

    /// Bytes that all datasets take in the file, and of these about those of the last chunk of each.
    pub(super) fn used_bytes(&self) -> (u64, u64) {
        self.readers().fold((0, 0), |(all, last), reader| {
            let (stored, opened) = (reader.opened().stored_bytes(), reader.opened());
            let chunk: u64 = opened.chunk().map_or(1, |c| c.iter().product());
            (all + stored, last + stored / opened.spec().count().div_ceil(chunk.max(1)).max(1))
        })
    }

    /// Whether the file holds no other dataset.
    pub(super) fn is_alone(&self) -> Result<bool> {
        let ours = |name: &String| [VALUE, ITEM, ENTRY, AXIS, CHARACTER].contains(&name.as_str());
        let others = arrays(Path::new(&self.path))?.into_iter().filter(|name| !ours(name)).count();
        Ok(others == self.readers().count())
    }

    /// Whether items have names.
    pub fn is_named(&self) -> bool {
        self.layout.numbered.is_some() || self.layout.name.is_some()
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shape of item `i`.
    ///
    /// # Errors
    /// `Usage` where there is no such item; `Corrupt` where what the file says of it contradicts itself; `Io`.
    pub fn shape(&self, i: u64) -> Result<Vec<u64>> {
        Ok(self.locate(i)?.1.shape().to_vec())
    }

    /// The name of item `i`; `None` where items have none.
    ///
    /// # Errors
    /// As [`Ragged::shape`].
    pub fn name(&self, i: u64) -> Result<Option<String>> {
        self.check(i)?;
        if let Some(numbered) = &self.layout.numbered {
            return Ok(Some(numbered.name(i)));
        }
        let (Some(reader), Some(width)) = (&self.name, self.name_bytes()) else { return Ok(None) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { beside, buf, .. } = &mut *state;
        read(reader, &[Span::new(i * width, width)], buf, beside)?;
        let bytes = buf.bytes();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[..end]) {
            Ok("") => Ok(None),
            Ok(name) => Ok(Some(name.to_owned())),
            Err(_) => refuse!(Corrupt, "{}: the name of item {i} is not UTF-8", self.path),
        }
    }

    /// Item `i` as an array of its shape. `T` must be its dtype's type.
    ///
    /// # Errors
    /// As [`Ragged::shape`]; `Usage` for another dtype.
    pub fn get<T: Element>(&self, i: u64) -> Result<ArrayD<T>> {
        let (spec, buf) = self.item(i)?;
        to_ndarray(&spec, &buf)
    }

    /// Item `i`, of whatever dtype, in C order.
    ///
    /// # Errors
    /// As [`Ragged::shape`].
    pub fn item(&self, i: u64) -> Result<(Spec, Buf)> {
        let (span, spec) = self.locate(i)?;
        let mut buf = Buf::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        read(&self.values, &[span], &mut buf, &mut state.values)?;
        Ok((spec, buf))
    }

    /// The items of `range`, in its order. [`Range`] is made of `a..b` and of NumPy's `a:b:c`.
    ///
    /// # Errors
    /// As [`Ragged::shape`].
    pub fn slice<T: Element>(&self, range: impl Into<Range>) -> Result<Vec<ArrayD<T>>> {
        range.into().of(self.items)?.map(|i| self.get(i)).collect()
    }

    /// All items in order, one in memory at a time.
    pub fn iter<T: Element>(&self) -> Items<'_, T> {
        Items { ragged: self, next: 0, of: std::marker::PhantomData }
    }

    /// What a thread keeps that reads values.
    pub(super) fn worker(&self) -> Work {
        Work::new(self.values.pipeline().stages().len())
    }

    /// The elements of `spans` of all values, into `out`; `work` is the calling thread's own.
    pub(super) fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        read(&self.values, spans, out, work)
    }

    /// Refuses values that belong to no item, and items without values: the last item must end where the values do.
    ///
    /// # Errors
    /// `Corrupt` where it does not, as where another program has added to one of the datasets alone.
    pub fn check_end(&self) -> Result<()> {
        match self.items {
            0 if self.values_count() > 0 => {
                refuse!(Corrupt, "{} has no item and {} values: the file is damaged", self.path, self.values_count())
            }
            0 => Ok(()),
            n => self.locate(n - 1).map(drop),
        }
    }

    fn check(&self, i: u64) -> Result<()> {
        if i >= self.items {
            return refuse!(Usage, "{} holds {} items; there is no item {i}", self.path, self.items);
        }
        Ok(())
    }

    /// Where the elements of item `i` are, and its dtype and shape.
    pub(super) fn locate(&self, i: u64) -> Result<(Span, Spec)> {
        self.check(i)?;
        let group = self.group(i / EVERY)?;
        let at = (i % EVERY) as usize;
        let (Some(start), Some(end)) = (group.starts.get(at), group.starts.get(at + 1)) else {
            return refuse!(Corrupt, "{}: its index has no item {i}", self.path);
        };
        let len = end - start;
        let axes = self.layout.axes as usize;
        let shape = match axes {
            0 => Vec::new(),
            1 => vec![len],
            _ => group.shapes.get(at * axes..(at + 1) * axes).unwrap_or_default().to_vec(),
        };
        let spec = Spec::new(self.dtype(), shape).map_err(|e| e.at(format!("{}, item {i}", self.path)))?;
        if spec.count() != len {
            return refuse!(Corrupt, "{}: item {i} is {spec} and has {len} values: the file is damaged", self.path);
        }
        Ok((Span::new(*start, len), spec))
    }

    /// The items between two entries of the index, all that is said of them held against the entries.
    fn group(&self, number: u64) -> Result<Arc<Group>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = state.group.as_ref().filter(|g| g.number == number) {
            return Ok(group.clone());
        }
        let State { beside, buf, .. } = &mut *state;
        let damaged = |what: &str| -> Error {
            let text = format!("{}: {what} around item {}: the file is damaged", self.path, number * EVERY);
            Error::new(crate::error::ErrorKind::Corrupt, text)
        };
        let bounds = match &self.offset {
            None => vec![0],
            Some(offset) => {
                let entries = offset.spec().count();
                read(offset, &[Span::new(number, 2.min(entries - number))], buf, beside)?;
                numbers(buf)?.ok_or_else(|| damaged("a negative offset"))?
            }
        };
        let first = number * EVERY;
        let count = EVERY.min(self.items - first);
        let (start, end) = match bounds.as_slice() {
            [start, end] => (*start, *end),
            [start] => (*start, self.values_count()),
            _ => return Err(damaged("no offset")),
        };
        read(&self.row_size, &[Span::new(first, count)], buf, beside)?;
        let sizes = numbers(buf)?.ok_or_else(|| damaged("a negative row size"))?;
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut at = start;
        starts.push(at);
        for size in sizes {
            at = at
                .checked_add(size)
                .filter(|at| *at <= end)
                .ok_or_else(|| damaged("more values than its index has"))?;
            starts.push(at);
        }
        if at != end || end > self.values_count() || (number == 0 && start != 0) {
            let words = format!("row sizes that end at {at}, and {end} values before the next");
            return Err(damaged(&words));
        }
        let shapes = match &self.shape {
            Some(shape) => {
                let axes = self.layout.axes;
                read(shape, &[Span::new(first * axes, count * axes)], buf, beside)?;
                numbers(buf)?.ok_or_else(|| damaged("a negative length of an axis"))?
            }
            None => Vec::new(),
        };
        let group = Arc::new(Group { number, starts, shapes });
        state.group = Some(group.clone());
        Ok(group)
    }
}

/// The elements of `spans` of what `reader` restores to.
fn read(reader: &Reader, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
    reader.pipeline().restoring(reader.opened()).read(spans, out, work).map_err(|e| e.at(reader.opened().place()))
}

/// The numbers of a buffer of int64; `None` where one is negative.
fn numbers(buf: &Buf) -> Result<Option<Vec<u64>>> {
    Ok(buf.elements::<i64>()?.iter().map(|n| u64::try_from(*n).ok()).collect())
}

/// Iterates over all items: [`Ragged::iter`].
#[derive(Debug)]
pub struct Items<'a, T> {
    ragged: &'a Ragged,
    next: u64,
    of: std::marker::PhantomData<T>,
}

impl<T: Element> Iterator for Items<'_, T> {
    type Item = Result<ArrayD<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let i = self.next;
        (i < self.ragged.items).then(|| {
            self.next += 1;
            self.ragged.get(i)
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.ragged.items - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

//! Datasets that get more rows along their first axis.

use std::sync::Arc;

use super::attribute::{AttributeValue, MAX_ATTRIBUTE_BYTES, RECIPE};
use super::boxes::{Boxes, ChunkAsk};
use super::codec::Options;
use super::container::Container;
use super::filter::{Filters, Scratch, check_coded, room};
use super::grid::plan;
use super::list::{Described, absolute, describe};
use super::raw::dataset::{Growth, Layout, NewFilter};
use super::raw::{self, Id};
use super::read::Dataset;
use super::write::checked_name;
use crate::array::{Buf, ByteOrder, DType, Spec};
use crate::error::{Error, Result, refuse};
use crate::filter::{self, ChunkSpec};

/// Rows that chunks are planned for where the number of rows is not known: many.
const MANY_BYTES: u64 = 1 << 40;

/// How a new dataset is stored.
#[derive(Debug, Clone)]
pub enum GrowingLayout<'a> {
    /// Elements through a codec; so many elements of a row belong together.
    Plain(&'a Options, u64),
    /// Chunks that are coded and handed over with [`Growing::write_coded`]; so many of the last axes stay whole. All chunks side by side, which
    /// wait in memory for their rows, have at most so many bytes, or are one row thick.
    Coded(&'a ChunkAsk, usize, u64),
}

/// A dataset of a [`Container`] that gets more rows along its first axis: [`Growing::set_rows`], then every box of
/// [`Growing::boxes`] that has new rows, whole, with the rows that it had before.
///
/// Coding a chunk ([`Growing::encode`]) needs no lock and is for many threads; handing it over ([`Growing::write`]) is for one at a
/// time, in the order in which chunks shall lie in the file. A chunk that is written again takes its new place in the file and leaves its
/// old one free for what comes later in the same container.
///
/// Rows that stand in a chunk already are read from the file as it was, with [`Dataset`]: the container's copy is not to be read.
///
/// ```
/// # #[cfg(feature = "hdf5")] {
/// use std::sync::Arc;
/// use ndcompact::DType;
/// use ndcompact::array::Buf;
/// use ndcompact::pipeline::Work;
/// use ndcompact::store::{Replace, hdf5::{Container, Growing, GrowingLayout, Options, Overhead}};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log.h5");
/// let file = Arc::new(Container::create(&path, Overhead::Usual, Replace::Never)?);
/// let options = Options { chunk_bytes: 32, ..Options::default() };
/// let mut log = Growing::create(&file, "/log", DType::F64, &[2], GrowingLayout::Plain(&options, 1))?;
/// log.set_rows(3)?;
/// for (i, rows) in [&[1.0, 2.0, 3.0, 4.0][..], &[5.0, 6.0]].iter().enumerate() {
///     let chunk = log.encode(i as u64, &Buf::from_slice(rows)?, &mut Work::new(0))?;
///     log.write(i as u64, &chunk)?;
/// }
/// log.finish(None, &[])?;
/// Arc::into_inner(file).expect("one owner").finish(false)?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Growing {
    name: String,
    spec: Spec,
    order: ByteOrder,
    boxes: Boxes,
    way: Way,
    /// The bytes of elements outside of the array, as they stand in the file.
    fill: Vec<u8>,
    key: usize,
    // Closed in this order: the library lets go of the dataset before the file.
    dataset: Id,
    container: Arc<Container>,
}

/// Who makes chunks of elements.
#[derive(Debug)]
enum Way {
    Own(Filters),
    Coded,
    /// The library: filters of other programs.
    Library(Id),
}

/// What [`Growing::encode`] makes of the elements of a box.
#[derive(Debug)]
pub struct Encoded(Kind);

#[derive(Debug)]
enum Kind {
    Chunk(u32, Vec<u8>),
    Elements(Vec<u8>),
}

impl Encoded {
    /// Its bytes, as they go into the file (before the library's own filters, where those are used).
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Chunk(_, bytes) | Kind::Elements(bytes) => bytes.len(),
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one worker keeps.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    padded: Vec<u8>,
}

impl Growing {
    /// Starts dataset `name` of `container` with no rows; each will have the shape `row`.
    ///
    /// # Errors
    /// `Exists` where it has something of that name; `Usage` for rows without elements, and levels and chunks that cannot be; `Io`.
    pub fn create(
        container: &Arc<Container>,
        name: &str,
        dtype: DType,
        row: &[u64],
        layout: GrowingLayout<'_>,
    ) -> Result<Self> {
        let each = Spec::new(dtype, row)?;
        let path = checked_name(container.target(), Some(name), &Spec::new(dtype, [&[0], row].concat())?)?;
        let place = format!("{}:{path}", container.target().display());
        let at = |e: Error| e.at(&place);
        container.refuse_taken(&path)?;
        if each.count() == 0 {
            return refuse!(Usage, "{place}: rows of {each} have no elements; give rows that have some");
        }
        let rows = |n: u64| Spec::new(dtype, [&[n], row].concat());
        let (chunk, filters, order) = match layout {
            GrowingLayout::Plain(options, unit) => {
                let level = options.codec.level(options.level)?;
                let fit = (options.chunk_bytes / each.bytes()).max(1);
                let chunk =
                    if fit > 1 { rows(fit)?.shape().to_vec() } else { plan(&rows(1)?, unit, options.chunk_bytes) };
                let filters = Filters::new(options.codec, level, dtype).describe();
                (chunk, filters, options.byte_order)
            }
            GrowingLayout::Coded(ask, whole, most) => {
                // Only as many rows as may wait: no chunk is thicker than that.
                let many = rows((most.min(MANY_BYTES) / each.bytes()).max(1))?;
                let boxes = Boxes::new(&many, whole, ask)?;
                if let ChunkAsk::Shape(asked) = ask
                    && asked.first() > boxes.chunk().first()
                {
                    return refuse!(
                        Usage,
                        "{place}: chunks of {asked:?} would have {} bytes of rows wait in memory, where {most} may; give {} along the first \
                         axis, or more memory",
                        each.bytes().saturating_mul(asked.first().copied().unwrap_or(1)),
                        boxes.chunk().first().copied().unwrap_or(1)
                    );
                }
                let parameters = ChunkSpec::new(&Spec::new(dtype, boxes.chunk())?)?.parameters()?;
                let filter = NewFilter { id: filter::ID, parameters, optional: false };
                (boxes.chunk().to_vec(), vec![filter], ByteOrder::Little)
            }
        };
        Self::make(container, path, rows(0)?, order, &chunk, &filters).map_err(at)
    }

    /// Starts dataset `name` of `container` as `old` is, but with no rows, and in chunks of shape `chunk`.
    pub fn create_like(container: &Arc<Container>, name: &str, old: &Dataset, chunk: &[u64]) -> Result<Self> {
        let path = absolute(name)?;
        let place = format!("{}:{path}", container.target().display());
        let at = |e: Error| e.at(&place);
        container.refuse_taken(&path)?;
        let creation = creation_of(old.id(), old.spec_of())?;
        let mut shape = old.spec_of().shape().to_vec();
        let Some(first) = shape.first_mut() else { return refuse!(Usage, "{place}: it has no axis to grow along") };
        *first = 0;
        let spec = Spec::new(old.spec_of().dtype(), shape)?;
        let filters: Vec<NewFilter> = match creation.filters.iter().any(|f| f.id == filter::ID) {
            true => {
                let parameters = ChunkSpec::new(&Spec::new(spec.dtype(), chunk)?)?.parameters()?;
                vec![NewFilter { id: filter::ID, parameters, optional: false }]
            }
            false => match Filters::of(&creation.filters) {
                // An empty dataset was made without chunks; it gets what one of ours has.
                Some(_) if creation.filters.is_empty() => Filters::new(super::Codec::None, 0, spec.dtype()).describe(),
                Some(filters) => filters.describe(),
                None => return refuse!(Unsupported, "{place}: its filters are not ours to write"),
            },
        };
        Self::make(container, path, spec, old.byte_order(), chunk, &filters).map_err(at)
    }

    fn make(
        container: &Arc<Container>,
        path: String,
        spec: Spec,
        order: ByteOrder,
        chunk: &[u64],
        filters: &[NewFilter],
    ) -> Result<Self> {
        let stored = raw::dtype::build(spec.dtype(), order)?;
        let file = container.file();
        raw::file::make_groups(file, &path)?;
        let (shape, growth) = (spec.shape(), Growth::FirstAxis);
        let dataset = raw::dataset::create_growing(file, &path, &stored, shape, Some(chunk), filters, growth)?;
        Self::of(container, path, dataset)
    }

    /// Opens dataset `name` of `container`, to add rows.
    ///
    /// # Errors
    /// `Usage` where there is no such dataset; `Unsupported` where its shape is fixed, its dtype is none of ours, or its filters are
    /// not at hand.
    pub fn open(container: &Arc<Container>, name: &str) -> Result<Self> {
        let path = absolute(name)?;
        let place = format!("{}:{path}", container.target().display());
        let dataset = raw::dataset::open(container.file(), &path).map_err(|e| e.at(&place))?;
        let most = raw::dataset::most(&dataset)?;
        if most.first() != Some(&None) {
            return refuse!(Unsupported, "{place}: its shape is fixed, so it cannot get more rows");
        }
        Self::of(container, path, dataset).map_err(|e| e.at(&place))
    }

    fn of(container: &Arc<Container>, name: String, dataset: Id) -> Result<Self> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let Described { spec, order, plain } = describe(&dataset, &name)?;
        let creation = creation_of(&dataset, &spec)?;
        let Layout::Chunked(chunk) = &creation.layout else {
            return refuse!(Unsupported, "{name} is not stored in chunks, so it cannot get more rows");
        };
        check_coded(&creation.filters, plain.then_some((&spec, order)), chunk)?;
        let way = match Filters::of(&creation.filters).filter(|_| plain && !creation.bare_edges) {
            Some(_) if creation.filters.iter().map(|f| f.id).eq([filter::ID]) => Way::Coded,
            Some(filters) if !filters.are_coded() => Way::Own(filters),
            _ => {
                if let Some(f) = creation.filters.iter().find(|f| !raw::dataset::is_available(f.id)) {
                    return refuse!(
                        Unsupported,
                        "it is stored through filter {} ({}), which is not at hand to write it; set HDF5_PLUGIN_PATH to the folder that \
                         holds its plugin",
                        f.id,
                        f.name
                    );
                }
                let stored = raw::dtype::of_dataset(&dataset)?;
                Way::Library(raw::dtype::in_memory(&stored, spec.dtype())?)
            }
        };
        let boxes = Boxes::over(spec.shape(), chunk);
        let mut fill = creation.fill;
        order.to_native(spec.dtype(), &mut fill);
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { name, order, boxes, way, fill, key, spec, dataset, container: container.clone() })
    }

    /// The absolute name within the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Dtype and shape, with the rows it has by now.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// How it is cut into chunks.
    pub fn boxes(&self) -> &Boxes {
        &self.boxes
    }

    /// Whether its chunks are coded, so that [`Growing::write_coded`] takes them.
    pub fn is_coded(&self) -> bool {
        matches!(self.way, Way::Coded)
    }

    /// The first box that rows from `row` on are in, and the first row of it.
    pub fn first_box(&self, row: u64) -> (u64, u64) {
        let (chunk, shape) = (self.boxes.chunk(), self.spec.shape());
        let beside: u64 = shape.iter().zip(chunk).skip(1).map(|(d, c)| d.div_ceil((*c).max(1))).product();
        let c = chunk.first().copied().unwrap_or(1).max(1);
        (row / c * beside, row / c * c)
    }

    /// Gives it `rows` rows, at least as many as it has. Each box with new rows must be written before the container is finished.
    pub fn set_rows(&mut self, rows: u64) -> Result<()> {
        let mut shape = self.spec.shape().to_vec();
        match shape.first_mut() {
            Some(first) if *first <= rows => *first = rows,
            _ => return refuse!(Usage, "{}: {rows} rows are fewer than {}", self.name, self.spec),
        }
        let spec = Spec::new(self.spec.dtype(), shape)?;
        raw::dataset::set_shape(&self.dataset, spec.shape()).map_err(|e| e.at(&self.name))?;
        self.boxes = Boxes::over(spec.shape(), self.boxes.chunk());
        self.spec = spec;
        Ok(())
    }

    /// Makes the chunk of box `i` of the elements inside it, native byte order, C order.
    pub fn encode(&self, i: u64, values: &Buf, work: &mut crate::pipeline::Work) -> Result<Encoded> {
        let (_, extent) = self.boxes.at(i);
        let size = self.spec.dtype().size();
        let inside = extent.iter().product::<u64>();
        if values.dtype() != self.spec.dtype() || values.len() as u64 != inside {
            return refuse!(Usage, "{} {} elements are not a box of {extent:?}", values.len(), values.dtype());
        }
        let filters = match &self.way {
            Way::Own(filters) => filters,
            Way::Library(_) => return Ok(Encoded(Kind::Elements(values.bytes().to_vec()))),
            Way::Coded => return refuse!(Usage, "{} takes coded chunks", self.name),
        };
        let Some(Kept { scratch, padded }) = work.slot::<Kept>(self.key) else {
            return refuse!(Usage, "a worker's state is of another kind");
        };
        let chunk = self.boxes.chunk();
        let elements = chunk.iter().product::<u64>();
        let whole = if inside == elements && self.order == ByteOrder::NATIVE {
            values.bytes()
        } else {
            let padded = room(padded, elements as usize * size)?;
            self.pad(&extent, values.bytes(), padded);
            padded
        };
        let (skipped, stored) = filters.encode_any(whole, scratch)?;
        Ok(Encoded(Kind::Chunk(skipped, stored)))
    }

    /// `inside`, of `extent`, at the front corner of a chunk, as it stands in the file.
    fn pad(&self, extent: &[u64], inside: &[u8], out: &mut [u8]) {
        let (chunk, size) = (self.boxes.chunk(), self.spec.dtype().size());
        for to in out.chunks_exact_mut(size) {
            to.copy_from_slice(&self.fill);
        }
        let row = extent.last().copied().unwrap_or(1) as usize * size;
        for (i, from) in inside.chunks_exact(row.max(1)).enumerate() {
            let (mut left, mut at, mut stride) = (i as u64, 0, chunk.last().copied().unwrap_or(1));
            for a in (0..chunk.len().saturating_sub(1)).rev() {
                at += left % extent[a] * stride;
                left /= extent[a];
                stride *= chunk[a];
            }
            let to = &mut out[at as usize * size..][..row];
            to.copy_from_slice(from);
            self.order.to_native(self.spec.dtype(), to);
        }
    }

    /// Hands over the chunk of box `i`.
    pub fn write(&self, i: u64, encoded: &Encoded) -> Result<()> {
        let (first, extent) = self.boxes.at(i);
        let result = match (&encoded.0, &self.way) {
            (Kind::Elements(bytes), Way::Library(memory)) => {
                raw::dataset::write_box(&self.dataset, memory, &first, &extent, bytes)
            }
            (Kind::Chunk(skipped, bytes), _) => raw::chunk::write(&self.dataset, &first, *skipped, bytes),
            _ => refuse!(Usage, "elements for a dataset of chunks"),
        };
        result.map_err(|e| e.at(format!("{}:{}", self.container.target().display(), self.name)))
    }

    /// Hands over the coded bytes of box `i`.
    pub fn write_coded(&self, i: u64, bytes: &[u8]) -> Result<()> {
        if !self.is_coded() {
            return refuse!(Usage, "{} is not in the filtered layout", self.name);
        }
        let (first, _) = self.boxes.at(i);
        raw::chunk::write(&self.dataset, &first, 0, bytes)
            .map_err(|e| e.at(format!("{}:{}", self.container.target().display(), self.name)))
    }

    /// Takes over, as they are stored, the chunks of `old` that hold whole chunks' worth of rows, and gives the rows that this makes:
    /// 0 where `old` is cut another way. The chunks of further rows are left out.
    pub fn take_chunks(&mut self, old: &Dataset) -> Result<u64> {
        let (chunk, shape) = (self.boxes.chunk().to_vec(), old.spec_of().shape());
        let (Some(table), Some(c)) = (old.stored_chunks()?, chunk.first()) else { return Ok(0) };
        if old.chunk() != Some(chunk.as_slice()) {
            return Ok(0);
        }
        let rows = shape.first().copied().unwrap_or(0) / c * c;
        if rows == 0 {
            return Ok(0);
        }
        self.set_rows(rows)?;
        for stored in table.iter().take_while(|s| s.number < self.boxes.count()) {
            let bytes = old.stored_bytes_of(stored)?;
            let (first, _) = self.boxes.at(stored.number);
            raw::chunk::write(&self.dataset, &first, stored.skipped, &bytes)?;
        }
        Ok(rows)
    }

    /// Copies the attributes of `old` that are of a fixed size; the names of those that are not.
    pub fn take_attributes(&self, old: &Dataset) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for name in raw::attribute::names(old.id())? {
            if !raw::attribute::copy(old.id(), &self.dataset, &name)? {
                left.push(name);
            }
        }
        Ok(left)
    }

    /// Writes the record (JSON; `None` leaves what is there) and `attributes` in place of those of the same names, and closes the
    /// dataset. The bytes of its chunks.
    pub fn finish(self, record_json: Option<&str>, attributes: &[(String, AttributeValue)]) -> Result<u64> {
        let place = format!("{}:{}", self.container.target().display(), self.name);
        let at = |e: Error| e.at(&place);
        let record = record_json.map(|json| (RECIPE.to_owned(), AttributeValue::Text(json.to_owned())));
        if record_json.is_some_and(|json| json.len() > MAX_ATTRIBUTE_BYTES) {
            return refuse!(
                Unsupported,
                "{place}: the record does not fit the {MAX_ATTRIBUTE_BYTES} bytes of an attribute"
            );
        }
        for (name, value) in record.iter().chain(attributes) {
            raw::attribute::remove(&self.dataset, name).map_err(at)?;
            value.write(&self.dataset, name, self.spec.dtype()).map_err(at)?;
        }
        Ok(raw::dataset::storage_size(&self.dataset))
    }
}

fn creation_of(dataset: &Id, spec: &Spec) -> Result<raw::dataset::Creation> {
    let stored = raw::dtype::of_dataset(dataset)?;
    let memory = raw::dtype::in_memory(&stored, spec.dtype())?;
    raw::dataset::creation(dataset, spec.shape().len(), &memory, spec.dtype().size())
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Overhead};
    use super::*;
    use crate::array::Span;
    use crate::pipeline::{Source, Work};
    use crate::store::Replace;

    /// Adds rows of one int32, `from` on, chunk by chunk.
    fn add(log: &mut Growing, old: Option<&Dataset>, rows: std::ops::Range<u64>) {
        log.set_rows(rows.end).unwrap();
        let (first, _) = log.first_box(rows.start);
        for i in first..log.boxes().count() {
            let mut values = Buf::new();
            let (at, extent) = log.boxes().at(i);
            let kept = rows.start.saturating_sub(at[0]);
            if let (Some(old), 1..) = (old, kept) {
                old.read(&[Span::new(at[0], kept)], &mut values, &mut Work::new(0)).unwrap();
            }
            let mut all = if kept > 0 { values.elements::<i32>().unwrap().to_vec() } else { Vec::new() };
            all.extend((at[0] + kept..at[0] + extent[0]).map(|n| n as i32));
            let chunk = log.encode(i, &Buf::from_slice(&all).unwrap(), &mut Work::new(0)).unwrap();
            log.write(i, &chunk).unwrap();
        }
    }

    #[test]
    fn rows_come_in_any_numbers_and_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        let options = Options { codec: Codec::Deflate, chunk_bytes: 40, ..Options::default() };
        let file = Arc::new(Container::create(&path, Overhead::Usual, Replace::Never).unwrap());
        let mut log = Growing::create(&file, "/log", DType::I32, &[], GrowingLayout::Plain(&options, 1)).unwrap();
        add(&mut log, None, 0..13);
        log.finish(None, &[]).unwrap();
        Arc::into_inner(file).unwrap().finish(false).unwrap();
        for (from, to) in [(13, 14), (14, 20), (20, 41)] {
            let old = Dataset::open(&path, Some("/log")).unwrap();
            assert!(old.can_grow() && old.chunk() == Some(&[10]));
            let file = Arc::new(Container::open(&path).unwrap());
            let mut log = Growing::open(&file, "/log").unwrap();
            add(&mut log, Some(&old), from..to);
            log.finish(None, &[]).unwrap();
            drop(old);
            Arc::into_inner(file).unwrap().finish(false).unwrap();
            let mut back = Buf::new();
            let all = Dataset::open(&path, None).unwrap();
            all.read(&[Span::new(0, to)], &mut back, &mut Work::new(0)).unwrap();
            assert!(back.elements::<i32>().unwrap().iter().copied().eq(0..to as i32));
        }
    }
}

//! A dataset as a sink of parts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Boxes;
use super::attribute::{AttributeValue, MAX_ATTRIBUTE_BYTES, RECIPE};
use super::codec::Options;
use super::container::{Container, Overhead};
use super::filter::{Filters, Scratch, room};
use super::grid::plan;
use super::list::absolute;
use super::raw::dataset::NewFilter;
use super::raw::{self, Id};
use super::tiles::{PART, TILES, Tiles};
use crate::array::{Buf, ByteOrder, DType, Spec, index_of};
use crate::error::{Error, Result, refuse};
use crate::filter::{self, ChunkSpec};
use crate::pipeline::{Grain, Sink, Work};
use crate::store::{Place, Replace};

/// The name a dataset of `dtype` is given where none is asked for.
///
/// float16 goes into a group: netCDF4-python crashes on a float16 dataset in the root group.
pub const fn default_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "/packed/data",
        _ => "/data",
    }
}

/// A dataset in the making: written in parts by several threads, in a file that appears whole or not at all.
///
/// Chunks are encoded by the writing threads; only handing them over is one at a time. A `Writer` that is dropped without
/// [`Writer::finish`] leaves nothing, and what it would have added to is as it was.
#[derive(Debug)]
pub struct Writer {
    spec: Spec,
    order: ByteOrder,
    name: String,
    chunks: Option<Chunks>,
    /// The boxes of coded chunks, where it is in the `filtered` layout.
    boxes: Option<Boxes>,
    /// The tiles that `dataset` holds, and the dataset's name: what users open mirrors them.
    tiles: Option<(Tiles, String)>,
    written: AtomicU64,
    key: usize,
    // Closed in this order: the library lets go of the dataset before the file.
    dataset: Id,
    home: Home,
}

/// Where a dataset is made.
#[derive(Debug)]
struct Home {
    container: Arc<Container>,
    /// Whether the file is finished with the dataset.
    is_alone: bool,
}

impl Home {
    /// The file at `target`, for one dataset.
    fn alone(target: &Path, name: &str, is_named: bool, replace: Replace, overhead: Overhead) -> Result<Self> {
        let container = match is_named && target.exists() {
            true => Container::add_to(target, name, replace)?,
            // Who named a dataset allowed that to be replaced, not a file that came into being meanwhile.
            false => Container::create(target, overhead, if is_named { Replace::Never } else { replace })?,
        };
        Ok(Self { container: Arc::new(container), is_alone: true })
    }

    fn file(&self) -> &Id {
        self.container.file()
    }

    fn target(&self) -> &Path {
        self.container.target()
    }
}

/// How a chunked dataset is cut.
#[derive(Debug)]
struct Chunks {
    filters: Filters,
    grain: Grain,
    /// Elements of a chunk, padding included.
    elements: u64,
}

/// What one worker keeps of one writer.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    padded: Vec<u8>,
}

impl Writer {
    /// Starts dataset `name` of the file `target`; without a name the file is to hold this dataset alone, under
    /// [`default_name`].
    ///
    /// Where `target` exists and a name is given, the dataset is added to it and all else in it stays; a dataset of that
    /// name is replaced only if `replace` allows it. Without a name, `replace` decides on the whole file. `unit` elements
    /// belong together (a packed matrix): chunks hold whole units unless one is larger than 8 MiB.
    ///
    /// # Errors
    /// `Exists` as told above; `Usage` for levels and names that cannot be; `Unsupported` beyond 32 axes; `Corrupt` where
    /// `target` is not HDF5 and a dataset is to be added to it; `Io`.
    pub fn create(
        target: &Path,
        name: Option<&str>,
        spec: &Spec,
        options: &Options,
        replace: Replace,
        unit: u64,
    ) -> Result<Self> {
        let path = checked_name(target, name, spec)?;
        let home = Home::alone(target, &path, name.is_some(), replace, Overhead::Usual)?;
        Self::plain(home, path, spec, options, unit)
    }

    /// As [`Writer::create`], as one of the datasets of `container`.
    ///
    /// # Errors
    /// `Exists` where it has something of that name already; else as [`Writer::create`].
    pub fn create_in(
        container: &Arc<Container>,
        name: &str,
        spec: &Spec,
        options: &Options,
        unit: u64,
    ) -> Result<Self> {
        let (home, path) = Self::shared(container, name, spec)?;
        Self::plain(home, path, spec, options, unit)
    }

    fn shared(container: &Arc<Container>, name: &str, spec: &Spec) -> Result<(Home, String)> {
        let path = checked_name(container.target(), Some(name), spec)?;
        container.refuse_taken(&path)?;
        Ok((Home { container: container.clone(), is_alone: false }, path))
    }

    fn plain(home: Home, path: String, spec: &Spec, options: &Options, unit: u64) -> Result<Self> {
        let level = options.codec.level(options.level)?;
        let place = format!("{}:{path}", home.target().display());
        let at = |e: Error| e.at(&place);
        let (file, shape) = (home.file(), spec.shape());
        let stored = raw::dtype::build(spec.dtype(), options.byte_order)?;
        raw::file::make_groups(file, &path).map_err(at)?;
        let (dataset, chunks) = if shape.is_empty() || spec.count() == 0 {
            (raw::dataset::create(file, &path, &stored, shape, None, &[]).map_err(at)?, None)
        } else {
            let chunk = plan(spec, unit, options.chunk_bytes);
            let filters = Filters::new(options.codec, level, spec.dtype());
            let dataset = raw::dataset::create(file, &path, &stored, shape, Some(&chunk), &filters.describe());
            let axis = chunk.iter().position(|c| *c > 1).unwrap_or(chunk.len() - 1);
            let row: u64 = shape[axis + 1..].iter().product();
            let grain = Grain { period: shape[axis] * row, step: chunk[axis] * row };
            (dataset.map_err(at)?, Some(Chunks { filters, grain, elements: chunk.iter().product() }))
        };
        Ok(Self::of(spec, options.byte_order, path, chunks, None, dataset, home))
    }

    /// Starts a dataset in the `filtered` layout, of `spec`'s dtype (little-endian) and shape, in chunks that are coded `boxes`,
    /// each given to [`Writer::write_coded`]. Where there are none (0-d and empty arrays) it holds the elements as they are.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_coded(
        target: &Path,
        name: Option<&str>,
        spec: &Spec,
        boxes: Option<&Boxes>,
        replace: Replace,
    ) -> Result<Self> {
        let path = checked_name(target, name, spec)?;
        let home = Home::alone(target, &path, name.is_some(), replace, Overhead::Least)?;
        Self::coded(home, path, spec, boxes)
    }

    /// As [`Writer::create_coded`], as one of the datasets of `container`.
    ///
    /// # Errors
    /// As [`Writer::create_in`].
    pub fn create_coded_in(container: &Arc<Container>, name: &str, spec: &Spec, boxes: Option<&Boxes>) -> Result<Self> {
        let (home, path) = Self::shared(container, name, spec)?;
        Self::coded(home, path, spec, boxes)
    }

    fn coded(home: Home, path: String, spec: &Spec, boxes: Option<&Boxes>) -> Result<Self> {
        let place = format!("{}:{path}", home.target().display());
        let at = |e: Error| e.at(&place);
        let stored = raw::dtype::build(spec.dtype(), ByteOrder::Little)?;
        let (chunk, filters) = match boxes {
            Some(boxes) => {
                let parameters = ChunkSpec::new(&Spec::new(spec.dtype(), boxes.chunk())?)?.parameters()?;
                (Some(boxes.chunk()), vec![NewFilter { id: filter::ID, parameters, optional: false }])
            }
            None => (None, Vec::new()),
        };
        raw::file::make_groups(home.file(), &path).map_err(at)?;
        let dataset = raw::dataset::create(home.file(), &path, &stored, spec.shape(), chunk, &filters).map_err(at)?;
        Ok(Self::of(spec, ByteOrder::Little, path, None, boxes.cloned(), dataset, home))
    }

    /// As [`Writer::create_coded`] for large symmetric matrices: only the stored ones of `tiles` are to be given to
    /// [`Writer::write_coded`]. They go into a dataset beside, which the one that users open mirrors.
    pub fn create_tiled(
        target: &Path,
        name: Option<&str>,
        spec: &Spec,
        tiles: &Tiles,
        replace: Replace,
    ) -> Result<Self> {
        let path = checked_name(target, name, spec)?;
        let home = Home::alone(target, &path, name.is_some(), replace, Overhead::Least)?;
        let beside = if name.is_some() { format!("{path}_tiles") } else { "/packed/tiles".to_owned() };
        Self::tiled(home, path, beside, spec, tiles, replace)
    }

    /// As [`Writer::create_tiled`], as one of the datasets of `container`.
    ///
    /// # Errors
    /// As [`Writer::create_in`].
    pub fn create_tiled_in(container: &Arc<Container>, name: &str, spec: &Spec, tiles: &Tiles) -> Result<Self> {
        let (home, path) = Self::shared(container, name, spec)?;
        let beside = format!("{path}_tiles");
        Self::tiled(home, path, beside, spec, tiles, Replace::Never)
    }

    fn tiled(home: Home, path: String, beside: String, spec: &Spec, tiles: &Tiles, replace: Replace) -> Result<Self> {
        let place = format!("{}:{path}", home.target().display());
        let at = |e: Error| e.at(&place);
        let file = home.file();
        let stored = raw::dtype::build(spec.dtype(), ByteOrder::Little)?;
        if raw::file::exists(file, &beside).map_err(at)? {
            // Left over from the dataset that is replaced; anything else keeps its place.
            let left = raw::dataset::open(file, &beside).map_err(at)?;
            if replace == Replace::Never || !raw::attribute::exists(&left, PART).map_err(at)? {
                return refuse!(
                    Exists,
                    "{} holds {beside} already, which the tiles of {path} would be called; choose another name",
                    home.target().display()
                );
            }
            drop(left);
            raw::file::unlink(file, &beside).map_err(at)?;
        }
        let chunk = tiles.boxes().chunk();
        let parameters = ChunkSpec::new(&Spec::new(spec.dtype(), chunk)?)?.parameters()?;
        let filters = [NewFilter { id: filter::ID, parameters, optional: false }];
        raw::file::make_groups(file, &path).map_err(at)?;
        raw::file::make_groups(file, &beside).map_err(at)?;
        let dataset = raw::dataset::create(file, &beside, &stored, spec.shape(), Some(chunk), &filters).map_err(at)?;
        AttributeValue::U64(1).write(&dataset, PART, spec.dtype()).map_err(at)?;
        let boxes = Some(tiles.boxes().clone());
        let mut writer = Self::of(spec, ByteOrder::Little, path, None, boxes, dataset, home);
        writer.tiles = Some((tiles.clone(), beside));
        Ok(writer)
    }

    fn of(
        spec: &Spec,
        order: ByteOrder,
        name: String,
        chunks: Option<Chunks>,
        boxes: Option<Boxes>,
        dataset: Id,
        home: Home,
    ) -> Self {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        let written = AtomicU64::new(0);
        let spec = spec.clone();
        Self { spec, order, name, chunks, boxes, tiles: None, written, key, dataset, home }
    }

    /// Hands over the coded bytes of box `i`. Each box once; the file's bytes depend on their order.
    pub fn write_coded(&self, i: u64, bytes: &[u8]) -> Result<()> {
        let Some(boxes) = &self.boxes else { return refuse!(Usage, "{} is not in the filtered layout", self.name) };
        let (first, extent) = boxes.at(i);
        raw::chunk::write(&self.dataset, &first, 0, bytes)
            .map_err(|e| e.at(format!("{}:{}", self.home.target().display(), self.name)))?;
        // A tile beside the diagonal is shown twice.
        let mirrored = self.tiles.is_some() && !matches!(first.as_slice(), [.., i, j] if i == j);
        let elements: u64 = extent.iter().product();
        self.written.fetch_add(elements * if mirrored { 2 } else { 1 }, Ordering::Relaxed);
        Ok(())
    }

    /// The dataset's absolute name within the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes the record (JSON; `None` for an ordinary dataset) and `attributes`, closes the file and gives it its name. The bytes of the whole file.
    ///
    /// `sync` asks for the file to be on disk when this returns; where it replaces another, it always is. One of several datasets of
    /// a [`Container`] is closed alone, and the bytes are those of its chunks.
    ///
    /// # Errors
    /// `Usage` where elements are missing; `Unsupported` for text over [`MAX_ATTRIBUTE_BYTES`]; `Exists` where the file
    /// came into being meanwhile, or the one added to has changed meanwhile; `Io`.
    pub fn finish(self, record_json: Option<&str>, attributes: &[(String, AttributeValue)], sync: bool) -> Result<u64> {
        self.finish_if(record_json, attributes, sync, None::<fn(&Place) -> Result<()>>)
    }

    /// As [`Writer::finish`], if `check` allows it: it is called with a place where the complete dataset can be opened while
    /// the file has no name. On its error nothing is left.
    pub fn finish_if(
        self,
        record_json: Option<&str>,
        attributes: &[(String, AttributeValue)],
        sync: bool,
        check: Option<impl FnOnce(&Place) -> Result<()>>,
    ) -> Result<u64> {
        let Self { spec, name, written, mut dataset, home, tiles, .. } = self;
        let place = format!("{}:{name}", home.target().display());
        let at = |e: Error| e.at(&place);
        let written = written.into_inner();
        if written != spec.count() {
            return refuse!(
                Usage,
                "{place}: {written} of {} elements were written; write all before finishing",
                spec.count()
            );
        }
        if let Some((tiles, beside)) = tiles {
            let stored = raw::dtype::build(spec.dtype(), ByteOrder::Little)?;
            dataset =
                raw::dataset::create_virtual(home.file(), &name, &stored, spec.shape(), &beside, tiles.mappings())
                    .map_err(at)?;
            AttributeValue::Text(beside).write(&dataset, TILES, spec.dtype()).map_err(at)?;
        }
        if let Some(json) = record_json {
            if json.len() > MAX_ATTRIBUTE_BYTES {
                return refuse!(
                    Unsupported,
                    "{place}: the record has {} bytes; HDF5 holds at most {MAX_ATTRIBUTE_BYTES} in an attribute",
                    json.len()
                );
            }
            AttributeValue::Text(json.to_owned()).write(&dataset, RECIPE, spec.dtype()).map_err(at)?;
        }
        for (name, value) in attributes {
            value.write(&dataset, name, spec.dtype()).map_err(at)?;
        }
        let stored = raw::dataset::storage_size(&dataset);
        drop(dataset);
        let container = match (home.is_alone, check.is_some()) {
            (true, _) => Arc::into_inner(home.container),
            (false, false) => return Ok(stored),
            (false, true) => {
                return refuse!(Usage, "{place}: a dataset among others is checked once its file is finished");
            }
        };
        let Some(container) = container else {
            return refuse!(Usage, "{place}: its file is still in use");
        };
        let check = check.map(|check| |path: &Path| check(&Place { path: path.to_owned(), member: Some(name) }));
        container.finish_if(sync, check)
    }

    fn write_chunks(&self, chunks: &Chunks, at: u64, part: &Buf, kept: &mut Kept) -> Result<()> {
        let Grain { period, step } = chunks.grain;
        let size = self.spec.dtype().size();
        let (mut at, mut bytes) = (at, part.bytes());
        while !bytes.is_empty() {
            let within = at % period;
            let len = step.min(period - within);
            if !within.is_multiple_of(step) || bytes.len() < len as usize * size {
                return refuse!(
                    Usage,
                    "a part from {at} on with {} elements left does not end where chunks of {step} elements do",
                    bytes.len() / size
                );
            }
            let (mine, rest) = bytes.split_at(len as usize * size);
            let whole = if len == chunks.elements && self.order == ByteOrder::NATIVE {
                mine
            } else {
                let padded = room(&mut kept.padded, chunks.elements as usize * size)?;
                let (data, padding) = padded.split_at_mut(mine.len());
                data.copy_from_slice(mine);
                padding.fill(0);
                self.order.to_native(self.spec.dtype(), data);
                padded
            };
            let (skipped, stored) = chunks.filters.encode(whole, &mut kept.scratch)?;
            raw::chunk::write(&self.dataset, &index_of(self.spec.shape(), at), skipped, stored)?;
            (at, bytes) = (at + len, rest);
        }
        Ok(())
    }
}

impl Sink for Writer {
    fn write(&self, at: u64, part: &Buf, work: &mut Work) -> Result<()> {
        let place = |e: Error| e.at(format!("{}:{}", self.home.target().display(), self.name));
        let len = part.len() as u64;
        if part.dtype() != self.spec.dtype() || at.checked_add(len).is_none_or(|end| end > self.spec.count()) {
            return refuse!(Usage, "{len} {} elements at {at} do not fit {}", part.dtype(), self.spec);
        }
        if self.boxes.is_some() {
            return refuse!(Usage, "{} takes coded chunks", self.name);
        }
        match &self.chunks {
            None if len == 0 => {}
            None => raw::dataset::write_all(&self.dataset, part.dtype(), len, part.bytes()).map_err(place)?,
            Some(chunks) => {
                let Some(kept) = work.slot::<Kept>(self.key) else {
                    return refuse!(Usage, "a worker's state is of another kind");
                };
                self.write_chunks(chunks, at, part, kept).map_err(place)?;
            }
        }
        self.written.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }

    fn grain(&self) -> Option<Grain> {
        self.chunks.as_ref().map(|c| c.grain)
    }
}

/// The absolute name of the dataset, checked; [`default_name`] without one.
pub(super) fn checked_name(target: &Path, name: Option<&str>, spec: &Spec) -> Result<String> {
    if spec.shape().len() > raw::dataset::MAX_AXES {
        return refuse!(
            Unsupported,
            "{spec} has {} axes; HDF5 has at most {}",
            spec.shape().len(),
            raw::dataset::MAX_AXES
        );
    }
    let path = absolute(name.unwrap_or(default_name(spec.dtype())))?;
    if spec.dtype() == DType::F16 && path.matches('/').count() == 1 {
        return refuse!(
            Usage,
            "a float16 dataset {path} in the root group crashes netCDF4-python; put it into a group: {}:/group{path}",
            target.display()
        );
    }
    Ok(path)
}

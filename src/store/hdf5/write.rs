//! A dataset as a sink of parts.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Boxes;
use super::attribute::{AttributeValue, MAX_ATTRIBUTE_BYTES, RECIPE};
use super::codec::Options;
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
use crate::store::{Pending, Place, Replace};

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
    // Closed in this order: the library lets go before the file does.
    dataset: Id,
    file: Id,
    pending: Pending,
    added_to: Option<Original>,
}

/// How a chunked dataset is cut.
#[derive(Debug)]
struct Chunks {
    filters: Filters,
    grain: Grain,
    /// Elements of a chunk, padding included.
    elements: u64,
}

/// The file that a dataset is added to, as it was when it was copied.
#[derive(Debug)]
struct Original {
    path: PathBuf,
    identity: (u64, u64, u64, i64, i64),
}

impl Original {
    fn identity(path: &Path) -> Result<(u64, u64, u64, i64, i64)> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(format!("looking at {}", path.display()), e))?;
        Ok((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    }
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
        let level = options.codec.level(options.level)?;
        let Started { path, pending, file, added_to } = start(target, name, spec, replace, raw::file::Overhead::Usual)?;
        let at = |e: Error| e.at(format!("{}:{path}", target.display()));
        let stored = raw::dtype::build(spec.dtype(), options.byte_order)?;
        let (dataset, chunks) = if spec.shape().is_empty() || spec.count() == 0 {
            (raw::dataset::create(&file, &path, &stored, spec.shape(), None, &[]).map_err(at)?, None)
        } else {
            let chunk = plan(spec, unit, options.chunk_bytes);
            let filters = Filters::new(options.codec, level, spec.dtype());
            let dataset = raw::dataset::create(&file, &path, &stored, spec.shape(), Some(&chunk), &filters.describe());
            let axis = chunk.iter().position(|c| *c > 1).unwrap_or(chunk.len() - 1);
            let row: u64 = spec.shape()[axis + 1..].iter().product();
            let grain = Grain { period: spec.shape()[axis] * row, step: chunk[axis] * row };
            (dataset.map_err(at)?, Some(Chunks { filters, grain, elements: chunk.iter().product() }))
        };
        Ok(Self::of(spec, options.byte_order, path, chunks, None, dataset, file, pending, added_to))
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
        let Started { path, pending, file, added_to } = start(target, name, spec, replace, raw::file::Overhead::Least)?;
        let at = |e: Error| e.at(format!("{}:{path}", target.display()));
        let stored = raw::dtype::build(spec.dtype(), ByteOrder::Little)?;
        let (chunk, filters) = match boxes {
            Some(boxes) => {
                let parameters = ChunkSpec::new(&Spec::new(spec.dtype(), boxes.chunk())?)?.parameters()?;
                (Some(boxes.chunk()), vec![NewFilter { id: filter::ID, parameters, optional: false }])
            }
            None => (None, Vec::new()),
        };
        raw::file::make_groups(&file, &path).map_err(at)?;
        let dataset = raw::dataset::create(&file, &path, &stored, spec.shape(), chunk, &filters).map_err(at)?;
        Ok(Self::of(spec, ByteOrder::Little, path, None, boxes.cloned(), dataset, file, pending, added_to))
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
        let Started { path, pending, file, added_to } = start(target, name, spec, replace, raw::file::Overhead::Least)?;
        let at = |e: Error| e.at(format!("{}:{path}", target.display()));
        let stored = raw::dtype::build(spec.dtype(), ByteOrder::Little)?;
        let beside = if name.is_some() { format!("{path}_tiles") } else { "/packed/tiles".to_owned() };
        if raw::file::exists(&file, &beside).map_err(at)? {
            // Left over from the dataset that is replaced; anything else keeps its place.
            let left = raw::dataset::open(&file, &beside).map_err(at)?;
            if replace == Replace::Never || !raw::attribute::exists(&left, PART).map_err(at)? {
                return refuse!(
                    Exists,
                    "{} holds {beside} already, which the tiles of {path} would be called; choose another name",
                    target.display()
                );
            }
            drop(left);
            raw::file::unlink(&file, &beside).map_err(at)?;
        }
        let chunk = tiles.boxes().chunk();
        let parameters = ChunkSpec::new(&Spec::new(spec.dtype(), chunk)?)?.parameters()?;
        let filters = [NewFilter { id: filter::ID, parameters, optional: false }];
        raw::file::make_groups(&file, &path).map_err(at)?;
        raw::file::make_groups(&file, &beside).map_err(at)?;
        let dataset = raw::dataset::create(&file, &beside, &stored, spec.shape(), Some(chunk), &filters).map_err(at)?;
        AttributeValue::U64(1).write(&dataset, PART, spec.dtype()).map_err(at)?;
        let boxes = Some(tiles.boxes().clone());
        let mut writer = Self::of(spec, ByteOrder::Little, path, None, boxes, dataset, file, pending, added_to);
        writer.tiles = Some((tiles.clone(), beside));
        Ok(writer)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one struct")]
    fn of(
        spec: &Spec,
        order: ByteOrder,
        name: String,
        chunks: Option<Chunks>,
        boxes: Option<Boxes>,
        dataset: Id,
        file: Id,
        pending: Pending,
        added_to: Option<Original>,
    ) -> Self {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        let written = AtomicU64::new(0);
        let spec = spec.clone();
        Self { spec, order, name, chunks, boxes, tiles: None, written, key, dataset, file, pending, added_to }
    }

    /// Hands over the coded bytes of box `i`. Each box once; the file's bytes depend on their order.
    pub fn write_coded(&self, i: u64, bytes: &[u8]) -> Result<()> {
        let Some(boxes) = &self.boxes else { return refuse!(Usage, "{} is not in the filtered layout", self.name) };
        let (first, extent) = boxes.at(i);
        raw::chunk::write(&self.dataset, &first, 0, bytes)
            .map_err(|e| e.at(format!("{}:{}", self.pending.target().display(), self.name)))?;
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
    /// `sync` asks for the file to be on disk when this returns; where it replaces another, it always is.
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
        let Self { spec, name, written, mut dataset, file, mut pending, added_to, tiles, .. } = self;
        let place = format!("{}:{name}", pending.target().display());
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
            dataset = raw::dataset::create_virtual(&file, &name, &stored, spec.shape(), &beside, tiles.mappings())
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
        drop(dataset);
        raw::file::close(file).map_err(at)?;
        if let Some(original) = &added_to
            && Original::identity(&original.path)? != original.identity
        {
            return refuse!(
                Exists,
                "{} was changed by another program meanwhile; it was left as it is, run again",
                original.path.display()
            );
        }
        if let Some(check) = check {
            let path = pending.name()?.to_owned();
            check(&Place { path, member: Some(name.clone()) })?;
        }
        let failed = |e: io::Error| Error::io(format!("finishing {}", pending.target().display()), e);
        let bytes = pending.file().metadata().map_err(failed)?.len();
        pending.commit(sync)?;
        Ok(bytes)
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
        let place = |e: Error| e.at(format!("{}:{}", self.pending.target().display(), self.name));
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

/// A file in the making that waits for its dataset.
struct Started {
    path: String,
    pending: Pending,
    file: Id,
    added_to: Option<Original>,
}

/// Checks that dataset `name` of `spec` can be made in `target`, and opens what it will be made in.
fn start(
    target: &Path,
    name: Option<&str>,
    spec: &Spec,
    replace: Replace,
    overhead: raw::file::Overhead,
) -> Result<Started> {
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
    raw::filter::register();
    let (pending, file, added_to) = match name {
        Some(_) if target.exists() => add_to(target, &path, replace)?,
        _ => {
            let pending = Pending::create(target, replace)?;
            let file = raw::file::create(&pending.path(), overhead).map_err(|e| e.at(target.display()))?;
            (pending, file, None)
        }
    };
    Ok(Started { path, pending, file, added_to })
}

/// A copy of `target` in the making, opened to take dataset `path`.
fn add_to(target: &Path, path: &str, replace: Replace) -> Result<(Pending, Id, Option<Original>)> {
    // What a symbolic link points at is replaced, not the link.
    let target = std::fs::canonicalize(target).map_err(|e| Error::io(format!("opening {}", target.display()), e))?;
    let shown = target.display();
    if !target.is_file() || !raw::file::is_hdf5(&target)? {
        return refuse!(
            Corrupt,
            "{shown} exists and is not an HDF5 file, so no dataset can be added; it was left as it is"
        );
    }
    let source = raw::file::open(&target).map_err(|e| e.at(&shown))?;
    let exists = raw::file::exists(&source, path).map_err(|e| e.at(&shown))?;
    if exists && replace == Replace::Never {
        return refuse!(Exists, "{shown} holds {path} already; choose another name, or --force to replace it");
    }
    if exists && raw::dataset::open(&source, path).is_err() {
        return refuse!(Usage, "{path} in {shown} is not a dataset and is not replaced by one; choose another name");
    }
    drop(source);
    let identity = Original::identity(&target)?;
    let pending = Pending::create(&target, Replace::Allowed)?;
    let copying = |e: io::Error| Error::io(format!("copying {shown}"), e);
    let mut from = File::open(&target).map_err(copying)?;
    io::copy(&mut from, &mut pending.file()).map_err(copying)?;
    let permissions = from.metadata().map_err(copying)?.permissions();
    pending.file().set_permissions(permissions).map_err(copying)?;
    let file = raw::file::open_to_write(&pending.path()).map_err(|e| e.at(&shown))?;
    if exists {
        raw::file::unlink(&file, path).map_err(|e| e.at(&shown))?;
    }
    Ok((pending, file, Some(Original { path: target, identity })))
}

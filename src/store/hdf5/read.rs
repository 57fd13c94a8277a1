//! A dataset as a source of parts.

mod about;
mod origin;
mod references;

pub use about::ChunkSteps;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use origin::Origin;

use super::attribute::RECIPE;
use super::boxes::Boxes;
use super::filter::{DecodedChunk, Filters, Scratch, check_coded, room};
use super::grid::{Grid, boxes};
use super::layout;
use super::list::{Described, absolute, describe, named, only, open_file};
use super::raw::dataset::{Creation, FilterInfo, Layout};
use super::raw::{self, Id};
use super::sources;
use super::table::{self, Table};
use super::tiles::{self, TILES, Tiles};
use crate::array::{Buf, ByteOrder, Span, Spec, total};
use crate::error::{Error, Result, refuse};
use crate::pipeline::{Cache, Grain, Source, Work};
use crate::store::Image;
use crate::store::bytes::{Bytes, Positioned};

/// Bytes of decoded chunks that a worker keeps; at least two chunks are kept.
const CACHE_BYTES: u64 = 8 << 20;

/// The number of HDF5's szip filter, which no plugin brings.
const SZIP: i32 = 4;

/// Chunks that a worker keeps at most: they are searched one by one.
const CACHE_CHUNKS: u64 = 64;

/// Runs gathered before chunks are visited; bounds the list where runs are single elements.
pub(super) const BATCH: usize = 1 << 15;

/// Unfiltered runs of at least so many bytes are read straight to their place.
const DIRECT_BYTES: u64 = 64 << 10;

/// Spans closer than this are read in one go, up to [`JOINED_BYTES`].
const GAP_BYTES: u64 = 8 << 10;
const JOINED_BYTES: u64 = 1 << 20;

/// How elements are got at.
#[derive(Debug)]
enum Access {
    /// One after the other from a byte of the file on.
    Contiguous { address: u64 },
    /// Nothing was ever written.
    Unwritten,
    /// Chunks whose filters we run ourselves.
    Chunks { grid: Grid, filters: Filters, table: Table },
    /// In the tiles on and above the diagonals of symmetric matrices, which another dataset holds.
    Tiles { tiles: Tiles, inner: Box<Dataset> },
    /// By the library, one call at a time.
    Library { memory: Id },
}

/// A dataset of an HDF5 file (or a variable of a NetCDF-4 file), readable in parts by several threads.
#[derive(Debug)]
pub struct Dataset {
    name: String,
    spec: Spec,
    order: ByteOrder,
    access: Access,
    /// The shape of the chunks, of whatever filters.
    chunk: Option<Vec<u64>>,
    fill: Vec<u8>,
    layout: String,
    file: Bytes,
    key: usize,
    /// Decoded chunks for all threads; without it each worker keeps some of its own.
    cache: Option<Cache<DecodedChunk>>,
    // Last, so that it is closed last.
    dataset: Id,
}

/// What one worker keeps of one dataset.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    raw: Vec<u8>,
    runs: Vec<Placed>,
    chunks: Vec<Decoded>,
    clock: u64,
}

struct Decoded {
    number: u64,
    used: u64,
    bytes: Vec<u8>,
}

/// A run of one chunk and the element of the output that it begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    chunk: u64,
    to: u64,
    from: u64,
    len: u64,
}

impl Dataset {
    /// Opens dataset `name` of the file at `path`; without a name the only compacted dataset, else the only one of numbers.
    ///
    /// # Errors
    /// `Usage` where the name does not exist or none is given and several could be meant (the message lists them);
    /// `Unsupported` for dtypes other than numbers and booleans, and for filters that are not at hand; `Corrupt` for
    /// damaged files; `Io` as the operating system says.
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self> {
        Self::of(&open_file(path)?, name, Origin { path, image: None })
    }

    /// As [`Dataset::open`], of the file that `image` is; `shown` is what messages call it.
    ///
    /// # Errors
    /// As [`Dataset::open`]; `Unsupported` for what lies in other files.
    pub(in crate::store) fn open_image(image: &Image, name: Option<&str>, shown: &Path) -> Result<Self> {
        raw::filter::register();
        let (file, own) = raw::image::open(image).map_err(|e| e.at(shown.display()))?;
        Self::of(&file, name, Origin { path: shown, image: Some((image, &own)) })
    }

    fn of(file: &Id, name: Option<&str>, origin: Origin<'_>) -> Result<Self> {
        let path = origin.path;
        let at = |e: Error| e.at(path.display());
        let name = match name {
            Some(name) => absolute(name)?,
            None => only(file, path)?,
        };
        if !raw::file::exists(file, &name).map_err(at)? {
            return refuse!(Usage, "{} holds no dataset {name}{}", path.display(), named(file));
        }
        let dataset = raw::dataset::open(file, &name).map_err(at)?;
        Self::new(dataset, name.clone(), origin).map_err(|e| e.at(format!("{}:{name}", path.display())))
    }

    fn new(dataset: Id, name: String, origin: Origin<'_>) -> Result<Self> {
        let Described { spec, order, plain } = describe(&dataset, &name)?;
        let stored = raw::dtype::of_dataset(&dataset)?;
        let memory = raw::dtype::in_memory(&stored, spec.dtype())?;
        let size = spec.dtype().size();
        let creation = raw::dataset::creation(&dataset, spec.shape().len(), &memory, size)?;
        let layout = layout::words(&creation);
        if let Layout::Chunked(chunk) = &creation.layout {
            check_coded(&creation.filters, plain.then_some((&spec, order)), chunk)?;
        }
        let file = origin.bytes(&dataset)?;
        let length = file.len().map_err(|e| Error::io("asking for the file's length", e))?;
        let mut access = access(&spec, plain, &creation, length)?;
        if let Some(Access::Chunks { table, .. }) = &mut access {
            table.prepare(&dataset, raw::attribute::exists(&dataset, RECIPE)?)?;
        }
        if creation.layout == Layout::Virtual
            && plain
            && let Some(beside) = raw::attribute::text(&dataset, TILES)?
        {
            return Self::tiled(dataset, name, spec, order, &beside, origin);
        }
        if origin.image.is_some() && matches!(creation.layout, Layout::Virtual | Layout::External) {
            return refuse!(
                Unsupported,
                "its elements lie in other files, which bytes in memory do not name; open it by its file's name"
            );
        }
        let access = match access {
            Some(access) => access,
            None => {
                if creation.layout == Layout::Virtual {
                    sources::refuse_missing(&dataset, &name)?;
                }
                check_filters(&creation.filters)?;
                Access::Library { memory }
            }
        };
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        // As it would lie in the file, so that one swap of bytes serves written and unwritten elements.
        let mut fill = creation.fill;
        order.to_native(spec.dtype(), &mut fill);
        let chunk = match creation.layout {
            Layout::Chunked(shape) => Some(shape),
            _ => None,
        };
        Ok(Self { name, spec, order, access, chunk, fill, layout, file, key, cache: None, dataset })
    }

    /// The dataset that mirrors the tiles in dataset `beside`.
    fn tiled(
        dataset: Id,
        name: String,
        spec: Spec,
        order: ByteOrder,
        beside: &str,
        origin: Origin<'_>,
    ) -> Result<Self> {
        let file = raw::file::of(&dataset)?;
        let other = raw::dataset::open(&file, beside)?;
        if raw::attribute::exists(&other, TILES)? {
            return refuse!(Corrupt, "its tiles {beside} are themselves made of tiles");
        }
        let inner = Self::new(other, beside.to_owned(), origin).map_err(|e| e.at(beside))?;
        let side = inner.chunk.as_ref().and_then(|c| c.last()).copied().unwrap_or(0).max(1);
        let tiles = Tiles::with_side(&spec, side)?;
        let fits = inner.spec == spec && inner.order == order && inner.chunk.as_deref() == Some(tiles.boxes().chunk());
        let (true, Access::Chunks { table, .. }) = (fits, &inner.access) else {
            return refuse!(Corrupt, "its tiles {beside} are {} in {}, no tiles of {spec}", inner.spec, inner.layout);
        };
        let table = table.all(&inner.dataset)?;
        let is_there = |k| table.binary_search_by_key(&tiles.number(k).0, |s| s.number).is_ok();
        // So many entries are in memory already; what claims more is missing some.
        if table.len() as u64 != tiles.count() || !(0..tiles.count()).all(is_there) {
            return refuse!(Corrupt, "{} tiles of {} are in {beside}: the file is damaged", table.len(), tiles.count());
        }
        static KEYS: AtomicUsize = AtomicUsize::new(1 << 32);
        Ok(Self {
            name,
            order: inner.order,
            chunk: inner.chunk.clone(),
            fill: inner.fill.clone(),
            layout: format!("virtual, mirrors {beside}: {}", inner.layout),
            cache: None,
            file: inner.file.clone(),
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            access: Access::Tiles { tiles, inner: Box::new(inner) },
            spec,
            dataset,
        })
    }

    fn chunked(
        &self,
        (grid, filters, table): (&Grid, &Filters, &Table),
        spans: &[Span],
        out: &mut [u8],
        keep: bool,
        kept: &mut Kept,
    ) -> Result<()> {
        let mut to = 0;
        kept.runs.clear();
        for span in spans {
            let mut at = span.start;
            while at < span.end() {
                let run = grid.run(at);
                let len = run.len.min(span.end() - at);
                kept.runs.push(Placed { chunk: run.chunk, to, from: run.from, len });
                (at, to) = (at + len, to + len);
                if kept.runs.len() == BATCH {
                    self.visit((grid, filters, table), out, keep, kept)?;
                }
            }
        }
        self.visit((grid, filters, table), out, keep, kept)
    }

    /// Serves the gathered runs chunk by chunk, so that each chunk is decoded once however runs alternate between chunks.
    fn visit(
        &self,
        (grid, filters, table): (&Grid, &Filters, &Table),
        out: &mut [u8],
        keep: bool,
        kept: &mut Kept,
    ) -> Result<()> {
        let mut runs = std::mem::take(&mut kept.runs);
        if !runs.is_sorted() {
            runs.sort_unstable();
        }
        let elements = grid.elements();
        let size = self.spec.dtype().size();
        let chunk_bytes = elements * size as u64;
        for group in runs.chunk_by(|a, b| a.chunk == b.chunk) {
            let number = group[0].chunk;
            let failed = |e: Error| e.at(format!("chunk {number}"));
            if filters.may_be_idle() && (table.is_listed() || chunk_bytes > CACHE_BYTES) {
                let Some(stored) = table.find(&self.dataset, number)? else {
                    self.hand_out_fill(group, out);
                    continue;
                };
                if filters.is_idle(stored.skipped)
                    && (chunk_bytes > CACHE_BYTES || group.iter().all(|r| r.len * size as u64 >= DIRECT_BYTES))
                {
                    filters.check(stored.skipped, stored.bytes, chunk_bytes).map_err(failed)?;
                    for run in group {
                        self.pread(stored.address + run.from * size as u64, place(out, run.to, run.len, size))?;
                    }
                    continue;
                }
            }
            if let Some(cache) = &self.cache
                && cache.takes(chunk_bytes)
            {
                let is_whole = matches!(group, [run] if run.len == elements);
                // Whole chunks are decoded to where they are wanted, unless they may be wanted once more.
                let decoded = if is_whole && !keep {
                    cache.get(number)
                } else {
                    let decode = || self.decode_new((filters, table), number, chunk_bytes, kept);
                    cache.get_or_make(number, chunk_bytes, decode).map_err(failed)?
                };
                if let Some(decoded) = decoded {
                    self.hand_out(group, decoded.get(), out);
                    continue;
                }
                if !is_whole {
                    self.hand_out_fill(group, out);
                    continue;
                }
            }
            if let [run] = group
                && run.len == elements
            {
                let fetched = self.fetch((filters, table), number, chunk_bytes, &mut kept.raw).map_err(failed)?;
                let Some(fetched) = fetched else {
                    self.hand_out_fill(group, out);
                    continue;
                };
                let target = place(out, run.to, run.len, size);
                let raw = &kept.raw[..fetched.bytes];
                filters.decode(fetched.skipped, raw, target, &mut kept.scratch).map_err(failed)?;
                continue;
            }
            match self.decoded((filters, table), number, chunk_bytes, kept).map_err(failed)? {
                Some(decoded) => self.hand_out(group, decoded, out),
                None => self.hand_out_fill(group, out),
            }
        }
        runs.clear();
        kept.runs = runs;
        Ok(())
    }

    /// Copies the runs of one chunk out of its decoded bytes.
    fn hand_out(&self, group: &[Placed], decoded: &[u8], out: &mut [u8]) {
        let size = self.spec.dtype().size();
        for run in group {
            let from = run.from as usize * size;
            place(out, run.to, run.len, size).copy_from_slice(&decoded[from..from + run.len as usize * size]);
        }
    }

    /// The elements of a chunk that was never written.
    fn hand_out_fill(&self, group: &[Placed], out: &mut [u8]) {
        for run in group {
            fill(&self.fill, place(out, run.to, run.len, self.spec.dtype().size()));
        }
    }

    /// Reads the stored bytes of a chunk of `bytes` to the beginning of `raw`; `None` where it was never written.
    fn fetch(
        &self,
        (filters, table): (&Filters, &Table),
        number: u64,
        bytes: u64,
        raw: &mut Vec<u8>,
    ) -> Result<Option<table::Fetched>> {
        let check = |skipped, stored| filters.check(skipped, stored, bytes);
        table.fetch(&self.dataset, number, raw, check, |at, to| self.pread(at, to))
    }

    /// The decoded bytes of a chunk, in memory of their own.
    fn decode_new(
        &self,
        (filters, table): (&Filters, &Table),
        number: u64,
        bytes: u64,
        kept: &mut Kept,
    ) -> Result<Option<DecodedChunk>> {
        let Some(fetched) = self.fetch((filters, table), number, bytes, &mut kept.raw)? else { return Ok(None) };
        filters.decode_new(fetched.skipped, &mut kept.raw, fetched.bytes, bytes as usize, &mut kept.scratch).map(Some)
    }

    /// The decoded bytes of a chunk, kept for the worker's next read; `None` where it was never written.
    fn decoded<'k>(
        &self,
        chunks: (&Filters, &Table),
        number: u64,
        bytes: u64,
        kept: &'k mut Kept,
    ) -> Result<Option<&'k [u8]>> {
        kept.clock += 1;
        let place = match kept.chunks.iter().position(|c| c.number == number) {
            Some(place) => place,
            None => {
                let Some(fetched) = self.fetch(chunks, number, bytes, &mut kept.raw)? else { return Ok(None) };
                let most = (CACHE_BYTES / bytes.max(1)).clamp(1, CACHE_CHUNKS) as usize;
                let mut buffer = Vec::new();
                if kept.chunks.len() >= most
                    && let Some(oldest) = (0..kept.chunks.len()).min_by_key(|i| kept.chunks[*i].used)
                {
                    buffer = kept.chunks.swap_remove(oldest).bytes;
                }
                let target = room(&mut buffer, bytes as usize)?;
                chunks.0.decode(fetched.skipped, &kept.raw[..fetched.bytes], target, &mut kept.scratch)?;
                kept.chunks.push(Decoded { number, used: 0, bytes: buffer });
                kept.chunks.len() - 1
            }
        };
        kept.chunks[place].used = kept.clock;
        Ok(Some(&kept.chunks[place].bytes))
    }

    fn contiguous(&self, address: u64, spans: &[Span], out: &mut [u8], kept: &mut Kept) -> Result<()> {
        let size = self.spec.dtype().size() as u64;
        let mut spans = spans;
        let mut out = out;
        while let Some(first) = spans.first() {
            // As many spans as lie close together, ascending.
            let mut count = 1;
            let mut end = first.end();
            while let Some(next) = spans.get(count)
                && next.start >= end
                && (next.start - end) * size <= GAP_BYTES
                && (next.end() - first.start) * size <= JOINED_BYTES
            {
                (count, end) = (count + 1, next.end());
            }
            let (group, rest) = spans.split_at(count);
            let (target, later) = out.split_at_mut((total(group) * size) as usize);
            if let [span] = group {
                self.pread(address + span.start * size, target)?;
            } else {
                let raw = room(&mut kept.raw, ((end - first.start) * size) as usize)?;
                self.pread(address + first.start * size, raw)?;
                let mut to = 0;
                for span in group {
                    let (from, len) = (((span.start - first.start) * size) as usize, (span.len * size) as usize);
                    target[to..to + len].copy_from_slice(&raw[from..from + len]);
                    to += len;
                }
            }
            (spans, out) = (rest, later);
        }
        Ok(())
    }

    fn pread(&self, at: u64, to: &mut [u8]) -> Result<()> {
        let len = to.len();
        self.file.fill_at(to, at).map_err(|e| Error::io(format!("reading {len} bytes at {at} of {}", self.name), e))
    }
}

impl Source for Dataset {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        let dtype = self.spec.dtype();
        for span in spans {
            if span.start.checked_add(span.len).is_none_or(|end| end > self.spec.count()) {
                return refuse!(
                    Usage,
                    "{} elements from {} on are outside an array of {}",
                    span.len,
                    span.start,
                    self.spec
                );
            }
        }
        out.reset(dtype, total(spans))?;
        if let Access::Tiles { tiles, inner } = &self.access {
            return tiles::mirrored(tiles, inner.as_ref(), spans, out, work);
        }
        let keep = work.keep;
        let Some(kept) = work.slot::<Kept>(self.key) else {
            return refuse!(Usage, "a worker's state is of another kind");
        };
        let bytes = out.bytes_mut();
        match &self.access {
            Access::Unwritten => fill(&self.fill, bytes),
            Access::Contiguous { address } => self.contiguous(*address, spans, bytes, kept)?,
            Access::Chunks { grid, filters, table } => {
                let result = self.chunked((grid, filters, table), spans, bytes, keep, kept);
                result.map_err(|e| e.at(&self.name))?;
            }
            // Served above.
            Access::Tiles { .. } => {}
            Access::Library { memory } => {
                return by_library(&self.dataset, memory, &self.spec, spans, bytes).map_err(|e| e.at(&self.name));
            }
        }
        self.order.to_native(dtype, bytes);
        Ok(())
    }

    fn grain(&self) -> Option<Grain> {
        match &self.access {
            Access::Chunks { grid, .. } => grid.grain(self.spec.dtype()),
            _ => None,
        }
    }

    fn overhead(&self) -> u64 {
        let chunk = self.chunk.as_ref().map_or(0, |c| c.iter().product::<u64>() * self.spec.dtype().size() as u64);
        match &self.access {
            // The raw chunk and one for filters to work in, and those kept decoded.
            Access::Chunks { .. } => 2 * chunk + chunk.max(CACHE_BYTES),
            Access::Tiles { inner, .. } => inner.overhead() + (BATCH * size_of::<Span>()) as u64,
            _ => chunk,
        }
    }

    fn pieces(&self) -> u64 {
        let (Some(chunk), shape) = (&self.chunk, self.spec.shape()) else { return 0 };
        if chunk.len() != shape.len() || chunk.contains(&0) || self.spec.count() == 0 {
            return 0;
        }
        let all = shape.iter().zip(chunk).map(|(d, c)| d.div_ceil(*c)).product();
        let size = self.spec.dtype().size() as u64;
        match &self.access {
            // Chunks side by side across the last axes: C order meets each again in every row, unless all of a row are kept.
            Access::Chunks { .. } => {
                let axis = chunk.iter().position(|c| *c > 1).unwrap_or(0);
                let beside: u64 =
                    shape[axis + 1..].iter().zip(&chunk[axis + 1..]).map(|(d, c)| d.div_ceil(*c)).product();
                let slab = chunk[axis].saturating_mul(shape[axis + 1..].iter().product()).saturating_mul(size);
                if beside > 1 && slab > CACHE_BYTES { all } else { 0 }
            }
            Access::Library { .. } | Access::Tiles { .. } => all,
            _ => 0,
        }
    }

    fn piece(&self, i: u64, spans: &mut Vec<Span>) {
        let (Some(chunk), shape) = (&self.chunk, self.spec.shape()) else { return };
        Boxes::over(shape, chunk).spans(i, spans);
    }
}

/// How to read it without the library, where that is possible.
fn access(spec: &Spec, plain: bool, creation: &Creation, length: u64) -> Result<Option<Access>> {
    if !plain {
        return Ok(None);
    }
    match &creation.layout {
        Layout::Contiguous(None) => Ok(Some(Access::Unwritten)),
        Layout::Contiguous(Some(address)) => {
            if address.checked_add(spec.bytes()).is_none_or(|end| end > length) {
                return refuse!(
                    Corrupt,
                    "{} bytes of elements from byte {address} on do not fit the file's {length} bytes: it is cut short",
                    spec.bytes()
                );
            }
            Ok(Some(Access::Contiguous { address: *address }))
        }
        Layout::Chunked(shape) if !creation.bare_edges => {
            let Some(filters) = Filters::of(&creation.filters) else { return Ok(None) };
            let grid = Grid::new(spec.shape(), shape)?;
            let table = Table::new(&grid, shape, length);
            Ok(Some(Access::Chunks { grid, filters, table }))
        }
        _ => Ok(None),
    }
}

pub(super) fn check_filters(filters: &[FilterInfo]) -> Result<()> {
    for f in filters {
        if f.id == SZIP {
            return refuse!(
                Unsupported,
                "it is stored through filter {SZIP} (szip), which this program does not have; store it anew with \
                 `h5repack -f GZIP=6 IN OUT`, of an HDF5 that reads szip"
            );
        }
        if !raw::dataset::is_available(f.id) {
            return refuse!(
                Unsupported,
                "it is stored through filter {} ({}), which is not at hand; set HDF5_PLUGIN_PATH to the folder that holds its \
                 plugin (after `pip install hdf5plugin`: the folder that `python -c 'import hdf5plugin; \
                 print(hdf5plugin.PLUGIN_PATH)'` prints)",
                f.id,
                if f.name.is_empty() { "without a name" } else { &f.name }
            );
        }
    }
    Ok(())
}

fn by_library(dataset: &Id, memory: &Id, spec: &Spec, spans: &[Span], out: &mut [u8]) -> Result<()> {
    let size = spec.dtype().size();
    if spec.shape().is_empty() {
        // Each span of a 0-d array is its one element or nothing.
        for element in out.chunks_exact_mut(size) {
            raw::dataset::read_box(dataset, memory, &[], &[], element)?;
        }
        return Ok(());
    }
    let mut to = 0;
    for span in spans {
        boxes(spec.shape(), *span, |start, count| {
            let len = count.iter().product::<u64>() as usize * size;
            let target = &mut out[to..to + len];
            to += len;
            raw::dataset::read_box(dataset, memory, start, count, target)
        })?;
    }
    Ok(())
}

fn place(out: &mut [u8], to: u64, len: u64, size: usize) -> &mut [u8] {
    &mut out[to as usize * size..(to + len) as usize * size]
}

fn fill(element: &[u8], out: &mut [u8]) {
    for to in out.chunks_exact_mut(element.len()) {
        to.copy_from_slice(element);
    }
}

//! A dataset of one axis that gets longer, in chunks that are coded or compressed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::filter::{Filters, Scratch};
use super::raw::dataset::{Growth, NewFilter};
use super::raw::{self, Id};
use super::{Codec, Container, Options, Writer};
use crate::array::{Buf, ByteOrder, DType, Spec};
use crate::error::{Result, refuse};
use crate::filter::{self, ChunkSpec};
use crate::pipeline::{Sink, Work};

/// A dataset of one axis, in the `filtered` layout or behind a codec that other programs have, whose length need not be known before it is written.
#[derive(Debug)]
pub struct Line {
    chunk: u64,
    dtype: DType,
    /// What chunks pass through that are not coded.
    filters: Option<Filters>,
    len: AtomicU64,
    dataset: Id,
    place: String,
    // Closed last.
    _container: Arc<Container>,
}

/// What one worker keeps from chunk to chunk.
#[derive(Default)]
pub struct LineScratch(Scratch, Vec<u8>);

impl Line {
    /// Starts dataset `name` of `container`, of elements of `dtype` (little-endian) in chunks of `chunk`: coded ones, or compressed by
    /// a codec at a level.
    ///
    /// # Errors
    /// `Exists` where the container has something of that name; `Io`.
    pub fn create_in(
        container: &Arc<Container>,
        name: &str,
        dtype: DType,
        chunk: u64,
        codec: Option<(Codec, u8)>,
    ) -> Result<Self> {
        let place = format!("{}:{name}", container.target().display());
        container.refuse_taken(name)?;
        let stored = raw::dtype::build(dtype, ByteOrder::Little)?;
        let parameters = ChunkSpec::new(&Spec::new(dtype, [chunk])?)?.parameters()?;
        let plain = codec.map(|(codec, level)| Filters::new(codec, level, dtype));
        let filters = match &plain {
            Some(filters) => filters.describe(),
            None => vec![NewFilter { id: filter::ID, parameters, optional: false }],
        };
        raw::file::make_groups(container.file(), name).map_err(|e| e.at(&place))?;
        let dataset = raw::dataset::create_growing(
            container.file(),
            name,
            &stored,
            &[0],
            Some(&[chunk]),
            &filters,
            Growth::FirstAxis,
        )
        .map_err(|e| e.at(&place))?;
        let len = AtomicU64::new(0);
        Ok(Self { chunk, dtype, filters: plain, len, dataset, place, _container: Arc::clone(container) })
    }

    /// Whether its chunks are compressed by a codec, as [`Line::encode`] does it.
    pub fn is_plain(&self) -> bool {
        self.filters.is_some()
    }

    /// The chunk of the elements `bytes` (native byte order; fewer than a chunk at the end) behind the codec, and which filters it went
    /// without.
    ///
    /// # Errors
    /// `Io` without memory; `Usage` where chunks are coded.
    pub fn encode(&self, bytes: &[u8], scratch: &mut LineScratch) -> Result<(u32, Vec<u8>)> {
        let Some(filters) = &self.filters else { return refuse!(Usage, "{}: its chunks are coded", self.place) };
        let LineScratch(scratch, whole) = scratch;
        whole.clear();
        whole.extend_from_slice(bytes);
        whole.resize(self.chunk as usize * self.dtype.size(), 0);
        // Turning bytes around is its own inverse.
        ByteOrder::Little.to_native(self.dtype, whole);
        let (skipped, stored) = filters.encode(whole, scratch)?;
        Ok((skipped, stored.to_vec()))
    }

    /// Appends the bytes of chunk `number`, which went without the filters `skipped`; those before it must be there.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, number: u64, skipped: u32, bytes: &[u8]) -> Result<()> {
        let (first, end) = (number * self.chunk, (number + 1) * self.chunk);
        if self.len.load(Ordering::Relaxed) <= first {
            self.set_len(end)?;
        }
        raw::chunk::write(&self.dataset, &[first], skipped, bytes).map_err(|e| e.at(&self.place))
    }

    /// Sets the length in elements.
    ///
    /// # Errors
    /// `Io`.
    pub fn set_len(&self, len: u64) -> Result<()> {
        self.len.store(len, Ordering::Relaxed);
        raw::dataset::set_shape(&self.dataset, &[len]).map_err(|e| e.at(&self.place))
    }

    /// Dataset `name` of `container` with `values` and no filter, as every HDF5 program reads it.
    ///
    /// # Errors
    /// As [`Line::create_in`].
    pub fn write_whole(container: &Arc<Container>, name: &str, values: Buf) -> Result<()> {
        let spec = Spec::new(values.dtype(), [values.len() as u64])?;
        let deflated = Options { codec: Codec::Deflate, ..Options::default() };
        let writer = Writer::create_in(container, name, &spec, &deflated, 1)?;
        if let Some(grain) = writer.grain() {
            let size = spec.dtype().size();
            let mut part = Buf::new();
            let mut at = 0;
            while at < spec.count() {
                let len = grain.step.min(spec.count() - at);
                part.reset(spec.dtype(), len)?;
                let from = at as usize * size;
                part.bytes_mut().copy_from_slice(&values.bytes()[from..from + len as usize * size]);
                writer.write(at, &part, &mut Work::new(0))?;
                at += len;
            }
        }
        writer.finish(None, &[], false).map(drop)
    }
}

//! One dataset of a volume: the elements of arrays that are stored alike, end to end, cut into chunks.

use std::sync::Arc;

use super::{Coder, of_hdf5, values_of};
use crate::array::{Buf, DType, Scalar, Span, Spec};
use crate::coding::{Coding, CodingAsk, Effort};
use crate::collect::bundle::choice::Packed;
use crate::collect::bundle::rows::About;
use crate::error::{Result, refuse};
use crate::filter::{self, Outcome};
use crate::metric::Loss;
use crate::store::hdf5::{Container, Line, LineScratch};
use crate::transform::Fill;

/// Bytes of a chunk: small enough that most arrays of a hundred thousand elements have chunks of their own kind, large
/// enough for the coding to learn what it codes.
pub(super) const CHUNK_BYTES: u64 = 256 << 10;

/// What the arrays of one stream have in common: the dtype that is stored, and what coding may change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alike {
    pub(super) dtype: DType,
    /// `None` for the usual coding without loss.
    pub(super) ask: Option<CodingAsk>,
    /// The value that comes back exactly beside a bound.
    fill: Option<(Fill, u64)>,
}

impl Alike {
    pub(super) fn of(about: &About, packed: Option<&Packed>) -> Result<Self> {
        let dtype = about.stored().dtype();
        let plain = Self { dtype, ask: None, fill: None };
        let Some((packed, coding)) = packed.and_then(|p| Some((p, p.report.coding?))) else { return Ok(plain) };
        if coding.bound.is_lossless() {
            // What was asked for does not matter, but how hard.
            let ask = CodingAsk { effort: coding.effort, ..CodingAsk::default() };
            return Ok(Self { ask: Some(ask).filter(|a| a.effort != Effort::default()), ..plain });
        }
        let fill = packed.fill.filter(|_| dtype == about.shown.dtype() && dtype.part() == dtype);
        let fill = fill.map(|f| f.bits(dtype).map(|bits| (f, bits))).transpose()?;
        Ok(Self { dtype, ask: packed.ask, fill })
    }

    /// The group's name: `float64`, `float64_max_abs_1e-3`.
    pub(super) fn name(&self) -> String {
        let mut name = self.dtype.to_string();
        if let Some(ask) = &self.ask {
            let limits = [
                ("max_abs", ask.max_abs),
                ("max_rel", ask.max_rel),
                ("rel_floor", ask.rel_floor),
                ("max_range_rel", ask.max_range_rel),
                ("psnr", ask.psnr),
            ];
            for (limit, x) in limits {
                name.extend(x.map(|x| format!("_{limit}_{}", Scalar::Float(x))));
            }
            if ask.effort != Effort::default() {
                name += &format!("_effort_{}", ask.effort);
            }
        }
        name.extend(self.fill.map(|(fill, _)| format!("_fill_{fill}")));
        name
    }

    fn is_lossy(&self) -> bool {
        self.ask.is_some_and(|a| CodingAsk { effort: Effort::default(), ..a } != CodingAsk::default())
    }

    /// Whether each array has chunks of its own: its range settles what these may change.
    fn stands_alone(&self) -> bool {
        self.ask.is_some_and(|a| a.needs_range())
    }
}

/// A part of an array within a chunk.
#[derive(Debug)]
struct Segment {
    /// The array's number.
    row: u64,
    /// Its first element within the array.
    at: u64,
    /// First byte in the chunk, and bytes.
    from: usize,
    len: usize,
}

/// A chunk to be coded.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) stream: usize,
    number: u64,
    bytes: Vec<u8>,
    coding: Coding,
    /// Where arrays lie in it, where coding may change them.
    segments: Vec<Segment>,
}

/// A coded chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) stream: usize,
    pub(super) number: u64,
    pub(super) skipped: u32,
    pub(super) bytes: Vec<u8>,
    /// What arrays became: number, sum of what decoding gives, loss.
    pub(super) measured: Vec<(u64, crc32fast::Hasher, Loss)>,
}

/// What a worker keeps from chunk to chunk.
#[derive(Default)]
pub(super) struct Scratch {
    filter: filter::Scratch,
    line: LineScratch,
    values: Buf,
    restored: Buf,
}

/// The arrays of one kind in the open volume.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) alike: Alike,
    pub(super) line: Line,
    /// Its number in the volume.
    number: usize,
    /// Its number among blocks of the index.
    pub(super) block: u64,
    /// Elements that make no whole chunk yet.
    rest: Vec<u8>,
    segments: Vec<Segment>,
    coding: Coding,
    /// Chunks handed over.
    chunks: u64,
    /// The numbers of its arrays, for the names and shapes beside.
    pub(super) items: Vec<u64>,
}

impl Stream {
    pub(super) fn create(
        container: &Arc<Container>,
        alike: Alike,
        coder: Coder,
        number: usize,
        block: u64,
    ) -> Result<Self> {
        let chunk = CHUNK_BYTES / alike.dtype.size() as u64;
        let codec = coder.map(|(codec, level)| (of_hdf5(codec), level));
        let line = Line::create_in(container, &values_of(&alike.name()), alike.dtype, chunk, codec)?;
        let (rest, segments, items) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { alike, line, number, block, rest, segments, coding: Coding::default(), chunks: 0, items })
    }

    /// Bytes handed over, as they would lie end to end.
    pub(super) fn bytes(&self) -> u64 {
        self.chunks * CHUNK_BYTES + self.rest.len() as u64
    }

    /// Prepares for array `row` to begin, to be coded by `coding`; where it begins.
    pub(super) fn begin(&mut self, coding: Option<Coding>, jobs: &mut Vec<Job>) -> u64 {
        if self.alike.stands_alone() {
            self.flush(jobs);
        }
        self.coding = coding.unwrap_or_default();
        self.bytes()
    }

    /// Appends `bytes` of array `row`, of which `before` bytes came before.
    pub(super) fn push(&mut self, row: u64, before: u64, mut bytes: &[u8], jobs: &mut Vec<Job>) {
        let mut at = before / self.alike.dtype.size() as u64;
        while !bytes.is_empty() {
            if self.rest.capacity() == 0 {
                // Grown by doubling, each chunk would be copied twice.
                self.rest.reserve_exact(CHUNK_BYTES as usize);
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES as usize - self.rest.len()));
            if self.alike.is_lossy() {
                self.segments.push(Segment { row, at, from: self.rest.len(), len: now.len() });
            }
            self.rest.extend_from_slice(now);
            at += (now.len() / self.alike.dtype.size()) as u64;
            bytes = later;
            if self.rest.len() == CHUNK_BYTES as usize {
                self.flush(jobs);
            }
        }
    }

    /// Hands over what is there as a chunk, if there is anything.
    pub(super) fn flush(&mut self, jobs: &mut Vec<Job>) {
        if self.rest.is_empty() {
            return;
        }
        jobs.push(Job {
            stream: self.number,
            number: self.chunks,
            bytes: std::mem::take(&mut self.rest),
            coding: self.coding,
            segments: std::mem::take(&mut self.segments),
        });
        self.chunks += 1;
    }

    /// Codes one of its chunks.
    pub(super) fn code(&self, job: &Job, scratch: &mut Scratch) -> Result<Chunk> {
        let Scratch { filter, line, values, restored } = scratch;
        let mut chunk =
            Chunk { stream: job.stream, number: job.number, skipped: 0, bytes: Vec::new(), measured: Vec::new() };
        if self.line.is_plain() {
            (chunk.skipped, chunk.bytes) = self.line.encode(&job.bytes, line)?;
            return Ok(chunk);
        }
        let (dtype, size) = (self.alike.dtype, self.alike.dtype.size());
        let whole = Spec::new(dtype, [CHUNK_BYTES / size as u64])?;
        let valid = (job.bytes.len() / size) as u64;
        values.reset(dtype, valid)?;
        values.bytes_mut().copy_from_slice(&job.bytes);
        let fill = self.alike.fill.map(|(_, bits)| bits);
        match filter::encode(&whole, &[valid], values, &[], &job.coding, fill, filter, &mut chunk.bytes, restored)? {
            Outcome::Coded(_) if self.alike.is_lossy() => {}
            Outcome::Coded(_) if restored.bytes() == job.bytes => return Ok(chunk),
            _ => return refuse!(Refused, "a chunk does not come back as it was; please report this as a bug"),
        }
        let (mut before, mut after) = (Buf::new(), Buf::new());
        for Segment { row, at, from, len } in &job.segments {
            let (range, count) = (*from..*from + *len, (*len / size) as u64);
            before.reset(dtype, count)?;
            before.bytes_mut().copy_from_slice(&job.bytes[range.clone()]);
            after.reset(dtype, count)?;
            after.bytes_mut().copy_from_slice(&restored.bytes()[range]);
            let (mut sum, mut loss) = (crc32fast::Hasher::new(), Loss::new());
            sum.update(after.bytes());
            loss.add(&[Span::new(*at, count)], &before, &after)?;
            chunk.measured.push((*row, sum, loss));
        }
        Ok(chunk)
    }
}

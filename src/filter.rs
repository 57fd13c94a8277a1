//! The filter of the `filtered` layout: one chunk through a recipe's steps and its coding, to bytes, and back.
//!
//! A dataset behind this filter has the original's dtype and shape; each chunk stands for itself. These functions need the chunk
//! and the filter's parameters, nothing else: no file, no library, no other chunk.

use crate::array::{Buf, ByteOrder, DType, Span, Spec};
use crate::coding::{self, Aim, Coded, Coding, frame, mean_square};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Memory, Pipeline, Source, Tally, Work};
use crate::transform::Step;

/// The filter's number, from the range that HDF5 leaves for testing (256 to 511).
pub const ID: i32 = 410;

/// The filter's name in files.
pub const NAME: &str = "ndcompact 1; https://crates.io/crates/ndcompact";

/// The first parameter: the version of the parameters.
const VERSION: u32 = 1;

/// Set in the second parameter, beside the dtype's number, where words stand most significant byte first.
const BIG_ENDIAN: u32 = 0x100;

/// Parameters before the extents of the chunk.
const BEFORE_EXTENTS: usize = 2;

/// More than 16 parameters crash readers (h5py 3.7 reads past its stack): axes beyond are merged into the first one.
const MOST_EXTENTS: usize = 16 - BEFORE_EXTENTS;

/// Bytes of the text of all steps; more is no recipe.
const MOST_STEPS_BYTES: usize = 1 << 16;

/// Bytes that a chunk's steps are within, and what stands before them.
pub const MOST_HEAD_BYTES: u64 = MOST_STEPS_BYTES as u64 + 1024;

/// Dtype and shape of a chunk, as the filter's parameters give them.
///
/// At most 16 numbers: version 1; the dtype's place in [`DType::ALL`] (plus 256 for big-endian words); the chunk's extents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSpec {
    /// Dtype and extents; leading axes merged where there are more than fourteen.
    pub spec: Spec,
    /// Byte order of the elements in a decoded chunk.
    pub order: ByteOrder,
}

impl ChunkSpec {
    /// For chunks of `spec`, little-endian.
    pub fn new(spec: &Spec) -> Result<Self> {
        let merged = merge(spec.shape());
        Ok(Self { spec: Spec::new(spec.dtype(), merged)?, order: ByteOrder::Little })
    }

    /// The filter's parameters.
    ///
    /// # Errors
    /// `Usage` where an extent is over 32 bits, which HDF5 does not allow a chunk either.
    pub fn parameters(&self) -> Result<Vec<u32>> {
        let number = DType::ALL.iter().position(|d| *d == self.spec.dtype()).unwrap_or_default() as u32;
        let order = if self.order == ByteOrder::Big { BIG_ENDIAN } else { 0 };
        let mut parameters = vec![VERSION, number | order];
        for extent in self.spec.shape() {
            match u32::try_from(*extent) {
                Ok(extent) => parameters.push(extent),
                Err(_) => return refuse!(Usage, "a chunk of {} is over 2^32 along an axis", self.spec),
            }
        }
        Ok(parameters)
    }

    /// Reads the filter's parameters.
    pub fn from_parameters(parameters: &[u32]) -> Result<Self> {
        let [version, kind, extents @ ..] = parameters else {
            return refuse!(Corrupt, "the filter ndcompact has {} parameters; it has at least two", parameters.len());
        };
        if *version != VERSION {
            return refuse!(Unsupported, "the filter ndcompact is of version {version}; this program reads {VERSION}");
        }
        let order = if kind & BIG_ENDIAN != 0 { ByteOrder::Big } else { ByteOrder::Little };
        let Some(dtype) = DType::ALL.get((kind & !BIG_ENDIAN) as usize) else {
            return refuse!(Corrupt, "the filter ndcompact names dtype {kind}, which there is not");
        };
        if extents.contains(&0) || extents.len() > MOST_EXTENTS {
            return refuse!(Corrupt, "the filter ndcompact names a chunk of extents {extents:?}");
        }
        let shape: Vec<u64> = extents.iter().map(|e| u64::from(*e)).collect();
        Ok(Self { spec: Spec::new(*dtype, shape)?, order })
    }
}

/// The extents as the parameters hold them.
pub fn merge(shape: &[u64]) -> Vec<u64> {
    let over = shape.len().saturating_sub(MOST_EXTENTS);
    if over == 0 {
        return shape.to_vec();
    }
    let (first, rest) = shape.split_at(over + 1);
    std::iter::once(first.iter().product()).chain(rest.iter().copied()).collect()
}

/// What coding a chunk came to.
#[derive(Debug)]
pub enum Outcome {
    /// Coded; what each step refused is empty.
    Coded(Coded),
    /// The steps do not fit the values: what each refused. Nothing was coded.
    Refused(Box<Tally>),
}

/// Buffers kept from chunk to chunk.
#[derive(Default)]
pub struct Scratch {
    coding: coding::Scratch,
    work: Work,
    packed: Buf,
    back: Buf,
}

/// Codes the chunk `values`, of which `valid` elements along each axis of `chunk` (native byte order, C order, without what lies
/// outside the array) are given: `steps`, then `coding`. `restored` becomes what [`decode`] will give for `valid`.
///
/// # Errors
/// As [`Pipeline::bind`] for steps that do not fit the chunk; as [`coding::encode`].
#[expect(clippy::too_many_arguments, reason = "the chunk, what to do with it, and the three things that come out")]
pub fn encode(
    chunk: &Spec,
    valid: &[u64],
    values: &Buf,
    steps: &[Step],
    coding: &Coding,
    fill: Option<u64>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
    restored: &mut Buf,
) -> Result<Outcome> {
    let inside = Spec::new(chunk.dtype(), valid)?;
    if steps.is_empty() {
        frame::start(chunk.shape(), valid, &[], out);
        let coded = coding::encode(&inside, values, coding, fill, &mut scratch.coding, out, restored)?;
        frame::finish(out);
        return Ok(Outcome::Coded(coded));
    }
    let header = serde_json::to_vec(steps)
        .map_err(|e| Error::new(ErrorKind::Recipe, format!("the steps cannot be written as JSON: {e}")))?;
    let pipeline = Pipeline::bind(&inside, steps)?;
    let source = Memory::new(inside.clone(), values.clone())?;
    scratch.work = Work::new(steps.len());
    let packing = pipeline.packing_unmeasured(&source);
    let all = [Span::new(0, pipeline.output().count())];
    packing.read(&all, &mut scratch.packed, &mut scratch.work)?;
    if scratch.work.tally.is_refused() {
        return Ok(Outcome::Refused(Box::new(std::mem::take(&mut scratch.work.tally))));
    }
    frame::start(chunk.shape(), valid, &header, out);
    let packed = pipeline.output().clone();
    let fill_packed = fill.filter(|_| packed.dtype() == chunk.dtype());
    let start = out.len();
    // What stands twice in the original is coded once: its errors weigh twice there, all others less.
    let mut aim = Aim::new(&coding.bound, inside.count() as f64 / (2 * packed.count().max(1)) as f64);
    loop {
        let aimed = Coding { bound: *aim.bound(), ..*coding };
        let Scratch { coding, packed: values_packed, back, .. } = &mut *scratch;
        let mut coded = coding::encode(&packed, values_packed, &aimed, fill_packed, coding, out, back)?;
        unpack(&pipeline, std::mem::take(back), restored)?;
        if aim.is_kept(|| mean_square(values, restored, fill))? {
            coded.fell_back |= aim.gave_up();
            frame::finish(out);
            return Ok(Outcome::Coded(coded));
        }
        out.truncate(start);
    }
}

/// The bytes of the whole chunk `values` of `chunk` as they are, in a frame: for when coding fails, which a filter must not.
///
/// # Errors
/// `Io` without memory.
pub fn stored(chunk: &Spec, values: &Buf) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    frame::start(chunk.shape(), chunk.shape(), &[], &mut out);
    coding::store(values, &mut out)?;
    frame::finish(&mut out);
    Ok(out)
}

/// The original behind `packed`.
fn unpack(pipeline: &Pipeline, packed: Buf, out: &mut Buf) -> Result<()> {
    let packed = Memory::new(pipeline.output().clone(), packed)?;
    let all = [Span::new(0, pipeline.input().count())];
    pipeline.restoring(&packed).read(&all, out, &mut Work::new(pipeline.stages().len()))
}

/// Decodes a chunk of `chunk` from `bytes`: all of its elements into `out`, in native byte order; those outside the array are
/// zero.
///
/// # Errors
/// `Corrupt` for bytes that no encoder writes, a damaged chunk among them; `Unsupported` for newer versions.
pub fn decode(chunk: &Spec, bytes: &[u8], scratch: &mut Scratch, out: &mut Buf) -> Result<()> {
    let frame = frame::open(chunk.shape(), bytes)?;
    let inside = Spec::new(chunk.dtype(), frame.valid.clone())?;
    let whole = frame.valid == chunk.shape();
    if frame.header.is_empty() {
        if whole {
            return coding::decode(&inside, frame.body, &mut scratch.coding, out);
        }
        coding::decode(&inside, frame.body, &mut scratch.coding, &mut scratch.back)?;
        return pad(chunk, &frame.valid, &scratch.back, out);
    }
    if frame.header.len() > MOST_STEPS_BYTES {
        return refuse!(Corrupt, "a coded chunk has {} bytes of steps", frame.header.len());
    }
    let steps: Vec<Step> = serde_json::from_slice(frame.header)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("a coded chunk's steps cannot be read: {e}")))?;
    let pipeline = Pipeline::bind(&inside, &steps)?;
    // No step makes more bytes of a chunk than it had, but for forged ones.
    if pipeline.output().bytes() > 2 * inside.bytes() + 16 {
        return refuse!(Corrupt, "a coded chunk of {inside} claims to hold {}", pipeline.output());
    }
    let mut packed = std::mem::take(&mut scratch.packed);
    coding::decode(pipeline.output(), frame.body, &mut scratch.coding, &mut packed)?;
    if whole {
        return unpack(&pipeline, packed, out);
    }
    unpack(&pipeline, packed, &mut scratch.back)?;
    pad(chunk, &frame.valid, &scratch.back, out)
}

/// The steps of a chunk of `axes` axes (as [`merge`] gives them), of which `bytes` are the first, without looking at the rest; `None` where they
/// are not all there. A chunk's checksum is not compared.
///
/// # Errors
/// As [`decode`].
pub fn steps_of(axes: usize, bytes: &[u8]) -> Result<Option<Vec<Step>>> {
    let Some(header) = frame::header(axes, bytes)? else { return Ok(None) };
    if header.is_empty() {
        return Ok(Some(Vec::new()));
    }
    serde_json::from_slice(header)
        .map(Some)
        .map_err(|e| Error::new(ErrorKind::Corrupt, format!("a coded chunk's steps cannot be read: {e}")))
}

/// `inside`, of extents `valid`, at the front corner of `chunk`; zeros elsewhere.
fn pad(chunk: &Spec, valid: &[u64], inside: &Buf, out: &mut Buf) -> Result<()> {
    out.reset(chunk.dtype(), chunk.count())?;
    out.bytes_mut().fill(0);
    let size = chunk.dtype().size();
    let row = valid.last().copied().unwrap_or(1) as usize * size;
    let (Some(rows), shape) = (inside.bytes().len().checked_div(row), chunk.shape()) else { return Ok(()) };
    for i in 0..rows as u64 {
        // The row's index among valid rows, then its place in the chunk.
        let (mut left, mut at, mut stride) = (i, 0u64, shape.last().copied().unwrap_or(1));
        for a in (0..shape.len().saturating_sub(1)).rev() {
            at += left % valid[a] * stride;
            left /= valid[a];
            stride *= shape[a];
        }
        let (to, from) = (at as usize * size, i as usize * row);
        out.bytes_mut()[to..to + row].copy_from_slice(&inside.bytes()[from..from + row]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Effort;

    #[test]
    fn chunks_over_the_edge_come_back_and_damage_is_found() {
        let chunk = Spec::new(DType::F32, [3, 4, 5]).unwrap();
        let (mut scratch, mut out, mut restored) = (Scratch::default(), Vec::new(), Buf::new());
        for valid in [[3u64, 4, 5], [2, 3, 4], [1, 4, 1]] {
            let n: u64 = valid.iter().product();
            let values: Vec<f32> = (0..n).map(|i| i as f32 * 0.5).collect();
            let values = Buf::from_slice(&values).unwrap();
            let coding = Coding { effort: Effort::default(), ..Coding::default() };
            encode(&chunk, &valid, &values, &[], &coding, None, &mut scratch, &mut out, &mut restored).unwrap();
            assert_eq!(restored.bytes(), values.bytes());
            let mut back = Buf::new();
            decode(&chunk, &out, &mut scratch, &mut back).unwrap();
            let all = back.elements::<f32>().unwrap();
            let mut k = 0;
            for (at, x) in all.iter().enumerate() {
                let (i, j, l) = (at / 20, at / 5 % 4, at % 5);
                if (i as u64) < valid[0] && (j as u64) < valid[1] && (l as u64) < valid[2] {
                    assert_eq!(*x, k as f32 * 0.5);
                    k += 1;
                } else {
                    assert_eq!(*x, 0.0);
                }
            }
            for at in 0..out.len() {
                let mut bad = out.clone();
                bad[at] ^= 4;
                assert!(decode(&chunk, &bad, &mut scratch, &mut back).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn parameters_are_at_most_sixteen_and_read_back() {
        for shape in [vec![], vec![7], vec![2; 14], vec![2; 20]] {
            let spec = ChunkSpec::new(&Spec::new(DType::C64, shape).unwrap()).unwrap();
            let parameters = spec.parameters().unwrap();
            assert!(parameters.len() <= 16);
            assert_eq!(ChunkSpec::from_parameters(&parameters).unwrap(), spec);
        }
        for bad in [&[][..], &[1], &[2, 0, 3], &[1, 99, 3], &[1, 0, 0]] {
            assert!(ChunkSpec::from_parameters(bad).is_err());
        }
    }
}

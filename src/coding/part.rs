//! One part of a chunk, real numbers of one dtype, to bytes and back: maps, predictors and coders put together.

use half::f16;

use super::aim::{Aim, mean_square};
use super::bytes::{Put, Reader};
use super::choose::{self, Choice, Predictor};
use super::classes::{self, Classes};
use super::holes::{Holes, Patches};
use super::map::{Ints, IntsRef, Map, Stats, Survey};
use super::predict::{self, Differences, Lag, linear};
use super::residual;
use super::{Bound, Coded, Effort, entropy, interpolate};
use crate::array::{Buf, DType, DTypeKind, with_float, with_integer};
use crate::error::{Result, refuse};

/// How a part is coded: its first byte.
const STORED: u8 = 0;
const TYPED: u8 = 1;
const SHUFFLED: u8 = 2;
const NARROW: u8 = 3;
const WIDE: u8 = 4;
const CLASSES: u8 = 5;

/// What stands before residuals: differences along the axes of the low bits, or one of these.
const LINEAR: u8 = 0x20;
const FINE: u8 = 0x80;

/// Set where a lag follows.
const LAGGED: u8 = 0x10;

/// An extreme value this many times farther from 0 than all others is taken for a mark of what is missing.
const FAR: f64 = 1e3;

/// One real part of a chunk.
#[derive(Debug, Clone, Copy)]
pub(in crate::coding) struct Part<'a> {
    /// Its elements' dtype.
    pub(in crate::coding) dtype: DType,
    /// Its shape as predictors see it.
    pub(in crate::coding) dims: &'a [usize],
}

/// Buffers kept from part to part.
#[derive(Debug, Default)]
pub(in crate::coding) struct Scratch {
    pub(in crate::coding) survey: Survey,
    pub(in crate::coding) tried: Vec<Mapped>,
    pub(in crate::coding) fine: Mapped,
    pub(in crate::coding) work: Work,
    pub(in crate::coding) trial: Vec<u8>,
    pub(in crate::coding) best: Vec<u8>,
    found: Vec<usize>,
    extra: Holes,
}

/// The values of a part under a map.
#[derive(Debug, Default)]
pub(in crate::coding) struct Mapped {
    pub(in crate::coding) ints: Ints,
    pub(in crate::coding) holes: Holes,
    /// The map and the holes as they are written.
    pub(in crate::coding) head: Vec<u8>,
    map_bytes: usize,
}

impl Mapped {
    /// Puts `values` through `map`. Holes are the dearest thing to write: those of `before` are taken over where they are the same.
    #[expect(clippy::too_many_arguments, reason = "what is mapped and how, and the mapping before it")]
    pub(in crate::coding) fn fill(
        &mut self,
        part: &Part<'_>,
        map: &Map,
        values: &Buf,
        survey: &Survey,
        bound: &Bound,
        fill: Option<u64>,
        before: Option<&Mapped>,
    ) -> Result<Stats> {
        let stats = map.forward(values, survey, bound, fill, &mut self.ints, &mut self.holes)?;
        self.head.clear();
        map.write(&mut self.head);
        self.map_bytes = self.head.len();
        match before.filter(|b| b.holes.same(&self.holes)) {
            Some(before) => self.head.put(before.head.get(before.map_bytes..).unwrap_or_default()),
            None => self.holes.write(part.dims, values, &mut self.head),
        }
        Ok(stats)
    }
}

/// What one pass through predictor and coder works in.
#[derive(Debug, Default)]
pub(in crate::coding) struct Work {
    ints: Ints,
    residual: residual::Scratch,
    pub(in crate::coding) interpolate: interpolate::Scratch,
    /// The fitted model that `Predictor::Linear` stands for, and what it was fitted in.
    pub(in crate::coding) linear: linear::Model,
    pub(in crate::coding) fitter: linear::Fitter,
    rows: linear::Scratch,
    pub(in crate::coding) flags: Vec<bool>,
    body: Vec<u8>,
}

fn put_differences(how: Differences, out: &mut Vec<u8>) {
    match how.lag {
        None => out.put(&[how.axes]),
        Some(Lag { axis, by }) => {
            out.put(&[how.axes | LAGGED, axis as u8]);
            out.put_varint(by as u64);
        }
    }
}

/// Appends the bytes of `values` as they are.
pub(in crate::coding) fn store(values: &Buf, out: &mut Vec<u8>) {
    out.put(&[STORED]);
    out.put(values.bytes());
}

impl Part<'_> {
    /// Elements.
    pub(in crate::coding) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Appends the coded form of `values` to `out`; `restored` becomes what decoding it gives, within `bound` everywhere.
    #[expect(clippy::too_many_arguments, reason = "what to code and how, and the three things that come out")]
    pub(in crate::coding) fn encode(
        &self,
        values: &Buf,
        bound: &Bound,
        effort: Effort,
        fill: Option<u64>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
        restored: &mut Buf,
    ) -> Result<Coded> {
        let start = out.len();
        scratch.survey.of(values, fill);
        let fill = fill.or_else(|| self.undeclared(values, bound, &mut scratch.survey));
        let mut aim = Aim::new(bound, 1.0);
        loop {
            let each = if aim.gave_up() { Bound::default() } else { *bound };
            let mut coded = self.try_bound(values, &each, aim.bound(), effort, fill, scratch, out, restored)?;
            if aim.is_kept(|| mean_square(values, restored, fill))? {
                coded.fell_back |= aim.gave_up();
                return Ok(coded);
            }
            out.truncate(start);
        }
    }

    /// The bits of an extreme value that stands for what is missing although nobody said so: far beyond all others. `survey` is of
    /// the others then. One such value would leave no room for a grid of the bound; kept exactly it costs almost nothing.
    fn undeclared(&self, values: &Buf, bound: &Bound, survey: &mut Survey) -> Option<u64> {
        if bound.is_lossless() || self.dtype.kind() != DTypeKind::Float || !survey.regular {
            return None;
        }
        let reach = survey.high.max(-survey.low);
        let extreme = if survey.high == reach { survey.high } else { survey.low };
        // As every value of the dtype widens exactly, so does this one narrow.
        let bits = match self.dtype {
            DType::F16 => f16::from_f64(extreme).to_bits().into(),
            DType::F32 => (extreme as f32).to_bits().into(),
            _ => extreme.to_bits(),
        };
        if reach < FAR * survey.typical() {
            return None;
        }
        survey.of(values, Some(bits));
        let rest = survey.high.max(-survey.low);
        if survey.regular && rest <= reach / FAR {
            return Some(bits);
        }
        survey.of(values, None);
        None
    }

    /// As [`Part::encode`], aiming at `aim`, which is at most `bound`.
    #[expect(clippy::too_many_arguments, reason = "one step of the function above, with its aim")]
    fn try_bound(
        &self,
        values: &Buf,
        bound: &Bound,
        aim: &Bound,
        effort: Effort,
        fill: Option<u64>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
        restored: &mut Buf,
    ) -> Result<Coded> {
        let start = out.len();
        choose::smallest(self, values, aim, effort, fill, scratch)?;
        out.put(&scratch.best);
        self.decode(&scratch.best, &mut scratch.work, restored)?;
        // The promise is kept here, whatever went on before: every element of what the decoder gives is held against its bound.
        let each = Bound { mean_square: None, ..*bound };
        let each = match (bound.is_lossless(), each.is_lossless()) {
            (true, _) => Bound::default(),
            // A mean square says nothing of single elements but that what is not finite stays.
            (false, true) => Bound { max_abs: Some(f64::MAX), ..Bound::default() },
            (false, false) => each,
        };
        let mut found = std::mem::take(&mut scratch.found);
        found.clear();
        each.violations(values, restored, &mut found)?;
        let patched = found.len() as u64;
        scratch.extra.clear(self.len())?;
        for at in &found {
            scratch.extra.set(*at);
        }
        scratch.found = found;
        if patched > 0 {
            scratch.extra.write(self.dims, values, out);
            scratch.extra.keep(values, restored);
        }
        let coded = Coded { patched, fell_back: false };
        if out.len() - start > values.bytes().len() {
            out.truncate(start);
            store(values, out);
            restored.bytes_mut().copy_from_slice(values.bytes());
            return Ok(Coded { patched: 0, fell_back: !bound.is_lossless() });
        }
        Ok(coded)
    }

    /// Writes `mapped` coded as `choice` says to `out` (cleared first).
    pub(in crate::coding) fn write(
        &self,
        choice: Choice,
        mapped: &Mapped,
        effort: Effort,
        work: &mut Work,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Mapped { ints, holes, head, .. } = mapped;
        out.clear();
        out.put(&[if matches!(ints.view(), IntsRef::Wide(_)) { WIDE } else { NARROW }]);
        out.put(head);
        let mut body = std::mem::take(&mut work.body);
        body.clear();
        let done = match ints.view() {
            IntsRef::Narrow(k) => {
                work.ints.narrow(k.len())?.copy_from_slice(k);
                self.residuals(choice, holes, effort, work, &mut body)
            }
            IntsRef::Wide(k) => {
                let v = work.ints.wide(k.len())?;
                v.copy_from_slice(k);
                let Predictor::Differences(how) = choice.predictor else {
                    return refuse!(Unsupported, "only differences take 64-bit integers");
                };
                predict::forward(v, self.dims, how);
                put_differences(how, &mut body);
                residual::pack(choice.coder, v, self.dims, effort, &mut work.residual, &mut body)
            }
        };
        out.put_block(&body);
        work.body = body;
        done
    }

    fn residuals(
        &self,
        choice: Choice,
        holes: &Holes,
        effort: Effort,
        work: &mut Work,
        body: &mut Vec<u8>,
    ) -> Result<()> {
        let v = work.ints.narrow(self.len())?;
        match choice.predictor {
            Predictor::Differences(how) => {
                predict::forward(v, self.dims, how);
                put_differences(how, body);
            }
            Predictor::Linear(lag) => {
                let how = Differences { axes: 0, lag };
                predict::forward(v, self.dims, how);
                work.linear.forward(v, self.dims, &mut work.rows);
                body.put(&[LINEAR]);
                put_differences(how, body);
                work.linear.write(self.dims, body);
            }
            Predictor::Fine(params) => {
                body.put(&[FINE]);
                holes.flags(&mut work.flags);
                let flags = (holes.count() > 0).then_some(work.flags.as_slice());
                return interpolate::encode(v, flags, self.dims, &params, &mut work.interpolate, body);
            }
        }
        residual::pack(choice.coder, v, self.dims, effort, &mut work.residual, body)
    }

    /// Writes `values` as pco finds them, without looking at the shape.
    pub(in crate::coding) fn write_typed(&self, values: &Buf, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.put(&[TYPED]);
        let mut body = Vec::new();
        with_float!(self.dtype, T => entropy::pack(values.slice::<T>(), 8, true, &mut body)?,
            else with_integer!(self.dtype, T => entropy::pack(values.slice::<T>(), 8, true, &mut body)?, else ()));
        out.put_block(&body);
        Ok(())
    }

    /// Writes the bytes of `values`, all first bytes of elements first, packed with zstd of `level`.
    pub(in crate::coding) fn write_shuffled(&self, values: &Buf, level: i32, out: &mut Vec<u8>) {
        out.clear();
        out.put(&[SHUFFLED]);
        let size = self.dtype.size();
        let n = self.len();
        let mut bytes = vec![0; n * size];
        for (b, plane) in bytes.chunks_exact_mut(n.max(1)).enumerate() {
            for (to, from) in plane.iter_mut().zip(values.bytes().iter().skip(b).step_by(size)) {
                *to = *from;
            }
        }
        entropy::pack_bytes(&bytes, level, out);
    }

    /// Writes a chunk of few distinct values.
    pub(in crate::coding) fn write_classes(&self, classes: &mut Classes, out: &mut Vec<u8>) {
        out.clear();
        out.put(&[CLASSES]);
        classes.write(self.dtype.size(), out);
    }

    /// Puts what `bytes` hold into `out`.
    pub(in crate::coding) fn decode(&self, bytes: &[u8], work: &mut Work, out: &mut Buf) -> Result<()> {
        let n = self.len();
        out.reset(self.dtype, n as u64)?;
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            STORED => {
                let len = out.bytes().len();
                out.bytes_mut().copy_from_slice(reader.take(len)?);
            }
            TYPED => {
                let body = reader.block()?;
                with_float!(self.dtype, T => entropy::unpack(body, out.slice_mut::<T>())?,
                    else with_integer!(self.dtype, T => entropy::unpack(body, out.slice_mut::<T>())?, else ()));
            }
            SHUFFLED => {
                let size = self.dtype.size();
                let bytes = entropy::unpack_bytes(&mut reader, n * size)?;
                if bytes.len() != n * size {
                    return refuse!(Corrupt, "a coded chunk holds {} bytes of {}", bytes.len(), n * size);
                }
                for (b, plane) in bytes.chunks_exact(n.max(1)).enumerate() {
                    for (to, from) in out.bytes_mut().iter_mut().skip(b).step_by(size).zip(plane) {
                        *to = *from;
                    }
                }
            }
            CLASSES => classes::read(&mut reader, self.dims, out)?,
            width @ (NARROW | WIDE) => self.decode_ints(width == WIDE, &mut reader, work, out)?,
            other => return refuse!(Corrupt, "a chunk is coded in way {other}, which this program does not know"),
        }
        if !reader.is_empty() {
            Patches::read(&mut reader, self.dims, self.dtype)?.apply(out);
        }
        if !reader.is_empty() {
            return refuse!(Corrupt, "a coded chunk is followed by something else");
        }
        if self.dtype == DType::Bool {
            for b in out.bytes_mut() {
                *b = u8::from(*b != 0);
            }
        }
        Ok(())
    }

    fn read_differences(&self, first: u8, reader: &mut Reader<'_>) -> Result<Differences> {
        let axes = first & !LAGGED;
        if axes >> self.dims.len() != 0 {
            return refuse!(Corrupt, "a coded chunk of {} axes predicts in way {first:#04x}", self.dims.len());
        }
        if first & LAGGED == 0 {
            return Ok(Differences::along(axes));
        }
        let axis = usize::from(reader.u8()?);
        let by = reader.length(self.dims.get(axis).copied().unwrap_or(0))?;
        if by == 0 {
            return refuse!(Corrupt, "a coded chunk of {} axes looks {by} back along axis {axis}", self.dims.len());
        }
        Ok(Differences { axes, lag: Some(Lag { axis, by }) })
    }

    fn decode_ints(&self, wide: bool, reader: &mut Reader<'_>, work: &mut Work, out: &mut Buf) -> Result<()> {
        let map = Map::read(reader, self.dtype)?;
        let patches = Patches::read(reader, self.dims, self.dtype)?;
        let mut body = Reader::new(reader.block()?);
        let predictor = body.u8()?;
        let n = self.len();
        if wide {
            let how = self.read_differences(predictor, &mut body)?;
            let v = work.ints.wide(n)?;
            residual::unpack(&mut body, self.dims, v, &mut work.residual)?;
            predict::inverse(v, self.dims, how);
        } else {
            let v = work.ints.narrow(n)?;
            match predictor {
                FINE => interpolate::decode(body.rest(), self.dims, v, &mut work.interpolate)?,
                LINEAR => {
                    let first = body.u8()?;
                    let how = self.read_differences(first, &mut body)?;
                    let model = linear::Model::read(&mut body, self.dims)?;
                    residual::unpack(&mut body, self.dims, v, &mut work.residual)?;
                    model.inverse(v, self.dims, &mut work.rows);
                    predict::inverse(v, self.dims, how);
                }
                predictor => {
                    let how = self.read_differences(predictor, &mut body)?;
                    residual::unpack(&mut body, self.dims, v, &mut work.residual)?;
                    predict::inverse(v, self.dims, how);
                }
            }
        }
        map.inverse(work.ints.view(), out);
        patches.apply(out);
        Ok(())
    }
}

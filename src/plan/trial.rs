//! One candidate on one box: encoded, decoded, compared, timed.

use std::time::{Duration, Instant};

use crate::array::{Buf, Scalar, Span, Spec};
use crate::coding::{self, Bound, Coding};
use crate::error::Result;
use crate::metric::Loss;
use crate::pipeline::{Memory, Pipeline, Source, Work};
use crate::transform::Step;

/// The level of zstd behind plain chunks, `--codec zstd`'s usual one.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

/// What becomes of the packed values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Coder {
    /// Stored as they are.
    Plain,
    /// Bytes shuffled, then zstd: HDF5's standard filters.
    Zstd,
    /// The coding of the filtered layout.
    Coded(Coding),
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Trial {
    /// Bytes of the coded box.
    pub(super) bytes: u64,
    /// What was lost.
    pub(super) loss: Loss,
    /// Values that break a pointwise relative bound.
    pub(super) broken: u64,
    pub(super) encode: Duration,
    pub(super) decode: Duration,
}

impl Trial {
    pub(super) fn merge(&mut self, other: &Trial) {
        self.bytes += other.bytes;
        self.loss.merge(&other.loss);
        self.broken += other.broken;
        self.encode += other.encode;
        self.decode += other.decode;
    }

    /// Of a part of the boxes: multiplied by what all of them have more of.
    pub(super) fn stand_for(&mut self, bytes: f64, elements: f64) {
        self.bytes = (self.bytes as f64 * bytes) as u64;
        self.broken = (self.broken as f64 * elements) as u64;
        (self.encode, self.decode) = (self.encode.mul_f64(elements), self.decode.mul_f64(elements));
    }
}

/// Runs `steps` and `coder` on `original`, a box of `spec`, and back. `None` where the steps refuse its values.
pub(super) fn run(
    spec: &Spec,
    original: &Buf,
    steps: &[Step],
    coder: Coder,
    bound: &Bound,
    fill: Option<u64>,
) -> Result<Option<Trial>> {
    let pipeline = Pipeline::bind(spec, steps)?;
    let mut trial = Trial::default();
    let (mut packed, mut restored) = (Buf::new(), Buf::new());
    let start = Instant::now();
    let mut source = None;
    if !steps.is_empty() {
        let memory = source.insert(Memory::new(spec.clone(), original.clone())?);
        let mut work = Work::new(steps.len());
        let all = [Span::new(0, pipeline.output().count())];
        pipeline.packing_unmeasured(memory).read(&all, &mut packed, &mut work)?;
        if work.tally.is_refused() {
            return Ok(None);
        }
    }
    let values = if steps.is_empty() { original } else { &packed };
    let mut decoded = Buf::new();
    match coder {
        Coder::Plain => {
            trial.bytes = values.bytes().len() as u64;
            trial.encode = start.elapsed();
        }
        Coder::Zstd => {
            let coded = deflate(values)?;
            trial.bytes = coded.len() as u64;
            trial.encode = start.elapsed();
            let start = Instant::now();
            inflate(&coded, values, &mut decoded)?;
            trial.decode = start.elapsed();
        }
        Coder::Coded(coding) => {
            let mut scratch = coding::Scratch::default();
            let mut coded = Vec::new();
            let fill = fill.filter(|_| values.dtype() == spec.dtype());
            let packed = pipeline.output();
            coding::encode(packed, values, &coding, fill, &mut scratch, &mut coded, &mut restored)?;
            trial.bytes = coded.len() as u64;
            trial.encode = start.elapsed();
            let start = Instant::now();
            coding::decode(packed, &coded, &mut scratch, &mut decoded)?;
            trial.decode = start.elapsed();
        }
    }
    let unpacked = if decoded.is_empty() { values } else { &decoded };
    let start = Instant::now();
    let back = if steps.is_empty() {
        unpacked
    } else {
        let memory = Memory::new(pipeline.output().clone(), unpacked.clone())?;
        let all = [Span::new(0, spec.count())];
        pipeline.restoring(&memory).read(&all, &mut restored, &mut Work::new(steps.len()))?;
        &restored
    };
    trial.decode += start.elapsed();
    trial.loss.add(&[Span::new(0, spec.count())], original, back)?;
    if let Some(limit) = bound.max_rel.filter(|_| trial.loss.changed() > 0) {
        trial.broken = relative(original, back, limit, bound.rel_floor);
    }
    Ok(Some(trial))
}

/// How many values are off by more than `limit` of their magnitude, or of `floor` where that is larger.
fn relative(original: &Buf, restored: &Buf, limit: f64, floor: f64) -> u64 {
    let broken = |i: &usize| {
        let (error, size) = match (original.scalar(*i), restored.scalar(*i)) {
            (Scalar::Float(x), Scalar::Float(y)) => ((x - y).abs(), x.abs()),
            (Scalar::Int(x), Scalar::Int(y)) => ((x - y).unsigned_abs() as f64, x.unsigned_abs() as f64),
            (Scalar::Complex(a, b), Scalar::Complex(c, d)) => ((a - c).hypot(b - d), a.hypot(b)),
            _ => (0.0, 0.0),
        };
        error > limit * size.max(floor)
    };
    (0..original.len()).filter(broken).count() as u64
}

/// Bytes of equal significance together, as HDF5's shuffle.
fn shuffled(values: &Buf) -> Vec<u8> {
    let (bytes, size) = (values.bytes(), values.dtype().size());
    let n = bytes.len() / size;
    let mut out = vec![0; bytes.len()];
    if n > 0 {
        for (plane, out) in out.chunks_exact_mut(n).enumerate() {
            out.iter_mut().zip(bytes[plane..].iter().step_by(size)).for_each(|(o, b)| *o = *b);
        }
    }
    out
}

#[cfg(feature = "zstd")]
fn deflate(values: &Buf) -> Result<Vec<u8>> {
    zstd::bulk::compress(&shuffled(values), ZSTD_LEVEL).map_err(|e| crate::error::Error::io("compressing a sample", e))
}

#[cfg(feature = "zstd")]
fn inflate(coded: &[u8], like: &Buf, out: &mut Buf) -> Result<()> {
    let (n, size) = (like.len(), like.dtype().size());
    let planes =
        zstd::bulk::decompress(coded, n * size).map_err(|e| crate::error::Error::io("decompressing a sample", e))?;
    out.reset(like.dtype(), n as u64)?;
    let bytes = out.bytes_mut();
    if n > 0 {
        for (plane, from) in planes.chunks_exact(n).enumerate() {
            bytes[plane..].iter_mut().step_by(size).zip(from).for_each(|(b, p)| *b = *p);
        }
    }
    Ok(())
}

/// Without zstd there is no such candidate.
#[cfg(not(feature = "zstd"))]
fn deflate(values: &Buf) -> Result<Vec<u8>> {
    Ok(shuffled(values))
}

#[cfg(not(feature = "zstd"))]
fn inflate(_: &[u8], _: &Buf, _: &mut Buf) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::transform::{Cast, CastTo, Overflow};

    #[test]
    fn every_coder_gives_the_values_back() {
        let values: Vec<f64> = (0..5000).map(|i| f64::from(i % 77) * 0.125).collect();
        let spec = Spec::new(DType::F64, [50, 100]).unwrap();
        let values = Buf::from_slice(&values).unwrap();
        let cast = [Step::Cast(Cast { to: CastTo::Float16, overflow: Overflow::Error })];
        for coder in [Coder::Plain, Coder::Zstd, Coder::Coded(Coding::default())] {
            for steps in [&[][..], &cast] {
                let trial = run(&spec, &values, steps, coder, &Bound::default(), None).unwrap().unwrap();
                assert_eq!(trial.loss.changed(), 0, "{coder:?} {steps:?}");
                assert!(trial.bytes > 0 && trial.bytes <= 40_000);
            }
        }
    }

    #[test]
    fn a_relative_bound_is_held_against_each_value() {
        let (a, b) = (
            Buf::from_slice(&[1.0, -100.0, 0.0, f64::NAN]).unwrap(),
            Buf::from_slice(&[1.02, -101.0, 1e-3, f64::NAN]).unwrap(),
        );
        assert_eq!(relative(&a, &b, 0.01, 0.0), 2);
        assert_eq!(relative(&a, &b, 0.01, 0.1), 1);
        assert_eq!(relative(&a, &b, 0.02, 2.0), 0);
    }
}

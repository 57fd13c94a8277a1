//! Random arrays with recipes that fit them, and independent ways of looking at the results.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fmt;

use half::f16;
use ndcompact::array::{AxisSlice, Buf, DType, DTypeKind, Element, Scalar, Slice, Span, Spec, to_ndarray};
use ndcompact::engine::Resources;
use ndcompact::pipeline::{Memory, Sliced, Source, Work};
use ndcompact::recipe::asks_from_json;
use ndcompact::{Ask, Compacted};
use num_complex::Complex;
use proptest::prelude::*;

/// An array and steps that fit it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    spec: Spec,
    buf: Buf,
    recipe: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.spec, self.recipe, &self.buf.bytes()[..self.buf.bytes().len().min(400)])
    }
}

/// A small generator of its own, so that a case is a seed and shrinks to one.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

/// Values that trouble: zeros of both signs, subnormals, halves of steps, big and small ones.
fn float(random: &mut Random, special: bool) -> f64 {
    match random.below(if special { 14 } else { 10 }) {
        0 => 0.0,
        1 => -0.0,
        2 => random.below(100) as f64 / 8.0 - 6.0,
        3 => 0.005 * random.below(4000) as f64,
        4 => 3e-8 * random.below(50) as f64,
        5..=9 => (random.next() as f64 / u64::MAX as f64 - 0.5) * 200.0,
        10 | 11 => f64::NAN,
        12 => f64::INFINITY,
        _ => f64::NEG_INFINITY,
    }
}

fn fill(spec: &Spec, random: &mut Random, special: bool, small: Option<u32>) -> Buf {
    let n = spec.count() as usize;
    fn collect<T: Element>(n: usize, mut f: impl FnMut() -> T) -> Buf {
        Buf::from_slice(&(0..n).map(|_| f()).collect::<Vec<T>>()).unwrap()
    }
    let mask = small.map_or(u64::MAX, |b| (1u64 << b) - 1);
    match spec.dtype() {
        DType::Bool => collect(n, || random.next() & 1 == 1),
        DType::U8 => collect(n, || (random.next() & mask) as u8),
        DType::U16 => collect(n, || (random.next() & mask) as u16),
        DType::U32 => collect(n, || (random.next() & mask) as u32),
        DType::U64 => collect(n, || random.next() & mask),
        DType::I8 => collect(n, || (random.next() & mask) as i8),
        DType::I16 => collect(n, || (random.next() & mask) as i16),
        DType::I32 => collect(n, || (random.next() & mask) as i32),
        DType::I64 => collect(n, || (random.next() & mask) as i64),
        DType::F16 => collect(n, || f16::from_f32(float(random, special) as f32)),
        DType::F32 => collect(n, || float(random, special) as f32),
        DType::F64 => collect(n, || float(random, special)),
        DType::C64 => collect(n, || Complex::new(float(random, special) as f32, float(random, special) as f32)),
        DType::C128 => collect(n, || Complex::new(float(random, special), float(random, special))),
    }
}

/// Makes the last two axes symmetric in the sense of `kind`, bit for bit.
fn symmetrise(spec: &Spec, buf: &mut Buf, kind: &str) {
    let n = spec.last_axis() as usize;
    let size = spec.dtype().size();
    let word = spec.dtype().word();
    let sign = |bytes: &mut [u8]| match spec.dtype().kind() {
        DTypeKind::Int => {
            let mut carry = true;
            for b in bytes {
                let (v, c) = (!*b).overflowing_add(u8::from(carry));
                (*b, carry) = (v, c);
            }
        }
        _ => {
            let zero = bytes[..bytes.len() - 1].iter().all(|b| *b == 0) && bytes[bytes.len() - 1] & 0x7f == 0;
            let last = bytes.len() - 1;
            bytes[last] = if zero { 0 } else { bytes[last] ^ 0x80 };
        }
    };
    for matrix in buf.bytes_mut().chunks_exact_mut((n * n * size).max(1)) {
        for i in 0..n {
            for j in 0..n {
                let (from, to) = ((i * n + j) * size, (j * n + i) * size);
                if i == j && matches!(kind, "strict" | "skew") {
                    matrix[from..from + size].fill(0);
                } else if i < j {
                    matrix.copy_within(from..from + size, to);
                    let mirror = &mut matrix[to..to + size];
                    match kind {
                        "skew" => mirror.chunks_exact_mut(word).for_each(sign),
                        "hermitian" => sign(&mut mirror[word..]),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Any dtype, any shape, any steps that fit.
pub(crate) fn any_case() -> impl Strategy<Value = Case> {
    any::<u64>().prop_map(|seed| {
        let mut random = Random(seed);
        let dtype = DType::ALL[random.below(DType::ALL.len() as u64) as usize];
        let mut shape: Vec<u64> =
            (0..random.below(4)).map(|_| [0, 1, 2, 3, 5, 9, 17][random.below(7) as usize]).collect();
        let mut steps: Vec<String> = Vec::new();
        let mut triangle = None;
        if random.below(2) == 0 {
            let n = [0, 1, 2, 5, 8, 13][random.below(6) as usize];
            shape.truncate(2);
            shape.extend([n, n]);
            let mut kinds = vec!["upper", "lower", "strict"];
            if matches!(dtype.kind(), DTypeKind::Int | DTypeKind::Float | DTypeKind::Complex) {
                kinds.push("skew");
            }
            if dtype.kind() == DTypeKind::Complex {
                kinds.push("hermitian");
            }
            let mut kind = kinds[random.below(kinds.len() as u64) as usize];
            if n == 1 && matches!(kind, "strict" | "skew") {
                // Refused: nothing would be kept beside the diagonal.
                kind = "upper";
            }
            steps.push(format!(r#"{{"step":"triangle","kind":"{kind}"}}"#));
            triangle = Some(kind);
        }
        let spec = Spec::new(dtype, shape).unwrap();
        let mut small = None;
        let mut special = random.below(3) == 0;
        let axes = spec.shape().len();
        match dtype.kind() {
            DTypeKind::Float | DTypeKind::Complex => {
                if random.below(3) == 0 {
                    steps.push(format!(r#"{{"step":"bit-round","keepbits":{}}}"#, 1 + random.below(8)));
                }
                let real = dtype.kind() == DTypeKind::Float;
                match random.below(4) {
                    0 if real => {
                        let digits = random.below(3);
                        // float16 has a spacing of 0.0625 at 100.
                        let digits = if dtype == DType::F16 { 0 } else { digits };
                        steps.push(format!(r#"{{"step":"scale-offset","digits":{digits}}}"#));
                        if random.below(2) == 0 && axes > 0 {
                            steps.push(r#"{"step":"bitpack"}"#.into());
                        }
                    }
                    1 if matches!(dtype, DType::F32 | DType::F64) => {
                        steps.push(r#"{"step":"cast","to":"float16"}"#.into())
                    }
                    2 if matches!(dtype, DType::F64 | DType::C128) => {
                        steps.push(r#"{"step":"cast","to":"float32"}"#.into())
                    }
                    3 if matches!(dtype, DType::F32 | DType::F64) => {
                        steps.push(r#"{"step":"cast","to":"bfloat16"}"#.into())
                    }
                    _ => {}
                }
            }
            _ => {
                special = false;
                let bits = 1 + random.below(u64::from(8 * dtype.size() as u32).min(30)) as u32;
                match random.below(3) {
                    0 if dtype != DType::Bool => {
                        steps.push(r#"{"step":"scale-offset","digits":0}"#.into());
                    }
                    1 if axes > 0 => {
                        small = Some(bits);
                        let order = ["big", "little"][random.below(2) as usize];
                        steps.push(format!(r#"{{"step":"bitpack","order":"{order}"}}"#));
                    }
                    _ => {}
                }
            }
        }
        let mut buf = fill(&spec, &mut random, special, small);
        if let Some(kind) = triangle {
            symmetrise(&spec, &mut buf, kind);
        }
        Case { spec, buf, recipe: format!("[{}]", steps.join(",")) }
    })
}

impl Case {
    /// A stack of symmetric matrices, cast to float16.
    pub(crate) fn example() -> Self {
        let spec = Spec::new(DType::F64, [3, 4, 4]).unwrap();
        let mut buf = fill(&spec, &mut Random(7), false, None);
        symmetrise(&spec, &mut buf, "upper");
        let recipe = r#"[{"step":"triangle","kind":"upper"},{"step":"cast","to":"float16"}]"#.into();
        Self { spec, buf, recipe }
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn buf(&self) -> &Buf {
        &self.buf
    }

    pub(crate) fn asks(&self) -> Vec<Ask> {
        asks_from_json(&self.recipe).unwrap()
    }

    pub(crate) fn compact(&self, resources: &Resources<'_>) -> Compacted {
        fn with<T: Element>(case: &Case, resources: &Resources<'_>) -> Compacted {
            let array = to_ndarray::<T>(&case.spec, &case.buf).unwrap();
            Compacted::with(array.view(), &case.asks(), resources).unwrap_or_else(|e| panic!("{e}: {case}"))
        }
        match self.spec.dtype() {
            DType::Bool => with::<bool>(self, resources),
            DType::I8 => with::<i8>(self, resources),
            DType::I16 => with::<i16>(self, resources),
            DType::I32 => with::<i32>(self, resources),
            DType::I64 => with::<i64>(self, resources),
            DType::U8 => with::<u8>(self, resources),
            DType::U16 => with::<u16>(self, resources),
            DType::U32 => with::<u32>(self, resources),
            DType::U64 => with::<u64>(self, resources),
            DType::F16 => with::<f16>(self, resources),
            DType::F32 => with::<f32>(self, resources),
            DType::F64 => with::<f64>(self, resources),
            DType::C64 => with::<Complex<f32>>(self, resources),
            DType::C128 => with::<Complex<f64>>(self, resources),
        }
    }

    pub(crate) fn restore(&self, packed: &Compacted) -> Buf {
        let pipeline = packed.record().pipeline().unwrap();
        let mut buf = Buf::new();
        let all = [Span::new(0, self.spec.count())];
        pipeline.restoring(packed.packed()).read(&all, &mut buf, &mut Work::new(pipeline.stages().len())).unwrap();
        buf
    }

    /// The largest error and the number of changed values, found one by one.
    pub(crate) fn true_loss(&self, restored: &Buf) -> (f64, u64) {
        let size = self.spec.dtype().size();
        let (mut max, mut changed) = (0.0f64, 0);
        for i in 0..self.buf.len() {
            let same = self.buf.bytes()[i * size..(i + 1) * size] == restored.bytes()[i * size..(i + 1) * size];
            let (error, nan) = match (self.buf.scalar(i), restored.scalar(i)) {
                (Scalar::Float(a), Scalar::Float(b)) => ((a - b).abs(), a.is_nan() && b.is_nan()),
                (Scalar::Int(a), Scalar::Int(b)) => ((a - b).abs() as f64, false),
                (Scalar::Complex(a, b), Scalar::Complex(c, d)) => ((a - c).hypot(b - d), false),
                _ => (0.0, false),
            };
            if error.is_finite() {
                max = max.max(error);
            }
            changed += u64::from(!same && !nan);
        }
        (max, changed)
    }
}

/// The bytes of all elements, with every NaN the same NaN where only that may differ.
pub(crate) fn bits(buf: &Buf) -> Vec<u8> {
    buf.bytes().to_vec()
}

/// A slice that fits `spec`, from arbitrary numbers.
pub(crate) fn slice_for(spec: &Spec, picks: &[(u64, u64, i64, bool)]) -> Slice {
    let axes = spec.shape().iter().zip(picks).map(|(d, (a, b, step, at))| {
        let d = *d as i64;
        let (a, b) = ((a % (2 * d as u64 + 3)) as i64 - d - 1, (b % (2 * d as u64 + 3)) as i64 - d - 1);
        if *at && d > 0 {
            AxisSlice::At(a.rem_euclid(d))
        } else {
            AxisSlice::Range { start: Some(a), stop: (b != 0).then_some(b), step: if *step == 0 { 1 } else { *step } }
        }
    });
    // NumPy reads a start of -1 - d as the beginning; so do we.
    Slice(axes.collect())
}

/// The elements of a slice of `source`.
pub(crate) fn take(source: &dyn Source, slice: &Slice) -> (Spec, Buf) {
    let sliced = Sliced::new(source, slice).unwrap();
    let mut buf = Buf::new();
    sliced.read(&[Span::new(0, sliced.spec().count())], &mut buf, &mut Work::new(8)).unwrap();
    (sliced.spec().clone(), buf)
}

/// An array in memory as a source.
pub(crate) fn memory<T: Element>(shape: &[u64], values: &[T]) -> Memory {
    Memory::new(Spec::new(T::DTYPE, shape).unwrap(), Buf::from_slice(values).unwrap()).unwrap()
}

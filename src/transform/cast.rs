//! To a narrower float and back.

use bytemuck::Pod;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::float16::{AsType, Narrow, astype, astype_seeing};
use super::{Asked, Fact, FactNeeded, Fidelity, Io, Refusal, Refused, Step, Transform, Why, unfit};
use crate::array::{Buf, DType, DTypeKind, Span, Spec, total};
use crate::error::{Error, Result};

/// What a cast makes of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CastTo {
    /// IEEE binary16.
    Float16,
    /// IEEE binary32 (complex64 for complex input).
    Float32,
    /// The upper half of a binary32, stored as `uint16`.
    Bfloat16,
}

impl CastTo {
    fn name(self) -> &'static str {
        match self {
            CastTo::Float16 => "float16",
            CastTo::Float32 => "float32",
            CastTo::Bfloat16 => "bfloat16",
        }
    }

    /// Explicit mantissa bits.
    fn mantissa_bits(self) -> i32 {
        match self {
            CastTo::Float16 => 10,
            CastTo::Float32 => 23,
            CastTo::Bfloat16 => 7,
        }
    }

    fn largest(self) -> f64 {
        match self {
            CastTo::Float16 => f16::MAX.to_f64(),
            CastTo::Float32 => f32::MAX.into(),
            CastTo::Bfloat16 => bf16::MAX.to_f64(),
        }
    }
}

/// What becomes of finite values beyond the target's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// They refuse the run.
    #[default]
    Error,
    /// They become infinite, as NumPy makes them.
    Inf,
    /// They become the largest finite value of their sign.
    Saturate,
}

/// Rounds to a narrower float, nearest, ties to even; bit for bit what NumPy's `astype` gives (for bfloat16, what
/// `ml_dtypes` gives), and back likewise.
///
/// For every x that is normal in the target, if no overflow was allowed: |restored − x| ≤ 2^−(m + 1) · |x| with m = 10
/// (float16), 23 (float32), 7 (bfloat16). Infinities stay, NaN stays NaN ([`AsType`] says with which bits).
/// JSON: `{"step": "cast", "to": "float16", "overflow": "error"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The target.
    pub to: CastTo,
    /// What becomes of values beyond its range.
    #[serde(default)]
    pub overflow: Overflow,
}

impl Cast {
    /// The output's dtype, if the cast narrows.
    fn narrowed(&self, from: DType) -> Option<DType> {
        match (self.to, from) {
            (CastTo::Float16, DType::F64 | DType::F32) => Some(DType::F16),
            (CastTo::Bfloat16, DType::F64 | DType::F32) => Some(DType::U16),
            (CastTo::Float32, DType::F64) => Some(DType::F32),
            (CastTo::Float32, DType::C128) => Some(DType::C64),
            _ => None,
        }
    }

    fn unfit(&self, input: &Spec) -> Error {
        let to = self.to.name();
        let takes = if self.to == CastTo::Float32 { "float64 or complex128" } else { "float64 or float32" };
        let fits = match input.dtype().kind() {
            DTypeKind::Bool => format!("{takes} to {to}; booleans pack exactly with --bits"),
            DTypeKind::Int | DTypeKind::Uint => format!("{takes} to {to}; integers pack exactly with --scale-offset 0"),
            DTypeKind::Complex if input.dtype() == DType::C128 => {
                format!("{takes} to {to}; complex128 becomes complex64 with --f32, or is rounded with --keepbits")
            }
            DTypeKind::Complex => format!("{takes} to {to}; complex64 can be rounded with --keepbits"),
            DTypeKind::Float if input.dtype() == DType::F16 => {
                format!(
                    "{takes} to {to}, which makes nothing smaller here; leave it out, or use --keepbits or --scale-offset"
                )
            }
            DTypeKind::Float => {
                format!("{takes} to {to}, which makes nothing smaller here; leave it out, or use --f16 or --bf16")
            }
        };
        unfit("cast", input, &fits)
    }

    fn narrow<A, B>(&self, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()>
    where
        A: AsType<B> + Into<f64> + Pod,
        B: Narrow + Pod,
    {
        // A complex number is refused once, whichever of its parts overflowed.
        let parts = if input.dtype().kind() == DTypeKind::Complex { 2 } else { 1 };
        let mut places = Places { spans: at, passed: 0 };
        astype_seeing(input.slice::<A>(), out.slice_mut::<B>(), |start, from, to| match self.overflow {
            Overflow::Inf => {}
            Overflow::Saturate => {
                for (x, y) in from.iter().zip(to) {
                    if overflowed(*x, *y).is_some() {
                        *y = y.before();
                    }
                }
            }
            Overflow::Error => {
                for (i, (x, y)) in from.chunks(parts).zip(to.chunks(parts)).enumerate() {
                    let beyond = x.iter().zip(y).filter_map(|(x, y)| overflowed(*x, *y)).reduce(f64::max);
                    if let Some(magnitude) = beyond {
                        let i = start / parts + i;
                        refused.add(Why::Overflow, places.position(i as u64), input.scalar(i), None, magnitude);
                    }
                }
            }
        })
    }
}

/// The magnitude of a finite value that became infinite.
#[inline(always)]
fn overflowed<A: Into<f64>, B: Narrow>(from: A, to: B) -> Option<f64> {
    let x: f64 = from.into();
    (to.infinite() && x.is_finite()).then(|| x.abs())
}

/// Flat positions of the elements of spans laid end to end, asked for in ascending order.
struct Places<'a> {
    spans: &'a [Span],
    /// Elements of the spans before the first of `spans`.
    passed: u64,
}

impl Places<'_> {
    fn position(&mut self, i: u64) -> u64 {
        while let [first, rest @ ..] = self.spans
            && i - self.passed >= first.len
        {
            self.passed += first.len;
            self.spans = rest;
        }
        self.spans.first().map_or(0, |s| s.start) + (i - self.passed)
    }
}

impl Transform for Cast {
    fn fidelity(&self, _input: &Spec) -> Fidelity {
        // A value beyond the range is as wrong as it is large, once that is allowed.
        let max_rel = (self.overflow == Overflow::Error).then(|| 0.5f64.powi(self.to.mantissa_bits() + 1));
        Fidelity::Lossy { max_abs: None, max_rel }
    }

    fn output(&self, input: &Spec) -> Result<Spec> {
        match self.narrowed(input.dtype()) {
            Some(dtype) => input.with_dtype(dtype),
            None => Err(self.unfit(input)),
        }
    }

    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()> {
        out.reset(io.output.dtype(), total(at))?;
        match (self.to, io.input.dtype().part()) {
            (CastTo::Float16, DType::F64) => self.narrow::<f64, f16>(at, input, out, refused),
            (CastTo::Float16, DType::F32) => self.narrow::<f32, f16>(at, input, out, refused),
            (CastTo::Bfloat16, DType::F64) => self.narrow::<f64, bf16>(at, input, out, refused),
            (CastTo::Bfloat16, DType::F32) => self.narrow::<f32, bf16>(at, input, out, refused),
            (CastTo::Float32, DType::F64) => self.narrow::<f64, f32>(at, input, out, refused),
            _ => Err(self.unfit(&io.input)),
        }
    }

    fn inverse(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        out.reset(io.input.dtype(), total(at))?;
        match (self.to, io.input.dtype().part()) {
            (CastTo::Float16, DType::F64) => astype::<f16, f64>(input.slice(), out.slice_mut()),
            (CastTo::Float16, DType::F32) => astype::<f16, f32>(input.slice(), out.slice_mut()),
            (CastTo::Bfloat16, DType::F64) => astype::<bf16, f64>(input.slice(), out.slice_mut()),
            (CastTo::Bfloat16, DType::F32) => astype::<bf16, f32>(input.slice(), out.slice_mut()),
            (CastTo::Float32, DType::F64) => astype::<f32, f64>(input.slice(), out.slice_mut()),
            _ => Err(self.unfit(&io.input)),
        }
    }

    fn explain(&self, io: &Io, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String {
        let Refusal { count, first_value: (first, _), worst_value: (largest, _), .. } = refusal;
        let to = self.to.name();
        let limit = self.to.largest();
        let limit = if limit < 1e16 { limit.to_string() } else { format!("{limit:e}") };
        let found = if *count == 1 {
            format!("1 finite value is beyond {to}'s range (largest finite {limit}): {first} at {index:?}")
        } else {
            format!(
                "{count} finite values are beyond {to}'s range (largest finite {limit}): first {first} at {index:?}, \
                 largest {largest} at {worst:?}"
            )
        };
        let instead = match (self.to, io.input.dtype()) {
            (CastTo::Float16, DType::F64) => "use --f32, --scale-offset, or allow it",
            (_, DType::F64) => "use --scale-offset, or allow it",
            (CastTo::Float16, _) => "use --bf16, --scale-offset, or allow it",
            (_, DType::C128) => "leave the cast out, or allow it",
            _ => "use --scale-offset, or allow it",
        };
        format!("{found}; {instead} with --overflow inf or --overflow saturate")
    }

    fn describe(&self) -> String {
        let beyond = match self.overflow {
            Overflow::Error => "",
            Overflow::Inf => "; beyond its range infinite",
            Overflow::Saturate => "; beyond its range the largest finite",
        };
        format!("{}, round to nearest even{beyond}", self.to.name())
    }
}

impl Asked for Cast {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        self.output(input)?;
        Ok(FactNeeded::Nothing)
    }

    fn settle(&self, input: &Spec, _fact: &Fact) -> Result<Step> {
        self.output(input)?;
        Ok(Step::Cast(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Scalar;
    use num_complex::Complex;
    use proptest::prelude::*;

    const FITTING: [(CastTo, DType, DType); 6] = [
        (CastTo::Float16, DType::F64, DType::F16),
        (CastTo::Float16, DType::F32, DType::F16),
        (CastTo::Bfloat16, DType::F64, DType::U16),
        (CastTo::Bfloat16, DType::F32, DType::U16),
        (CastTo::Float32, DType::F64, DType::F32),
        (CastTo::Float32, DType::C128, DType::C64),
    ];

    fn bound(to: CastTo, overflow: Overflow, dtype: DType, n: usize) -> (Cast, Io) {
        let (step, input) = (Cast { to, overflow }, Spec::new(dtype, [n as u64]).unwrap());
        (step.clone(), Io { output: step.output(&input).unwrap(), input })
    }

    fn forward(step: &Cast, io: &Io, at: &[Span], input: &Buf) -> (Buf, Refused) {
        let (mut out, mut refused) = (Buf::new(), Refused::default());
        step.forward(io, at, input, &mut out, &mut refused).unwrap();
        (out, refused)
    }

    fn inverse(step: &Cast, io: &Io, at: &[Span], input: &Buf) -> Buf {
        let mut out = Buf::new();
        step.inverse(io, at, input, &mut out).unwrap();
        out
    }

    fn whole(n: usize) -> [Span; 1] {
        [Span::new(0, n as u64)]
    }

    fn take(buf: &Buf, spans: &[Span]) -> Buf {
        let size = buf.dtype().size();
        let mut part = Buf::new();
        part.reset(buf.dtype(), total(spans)).unwrap();
        let bytes = |s: &Span| &buf.bytes()[s.start as usize * size..s.end() as usize * size];
        part.bytes_mut().copy_from_slice(&spans.iter().flat_map(bytes).copied().collect::<Vec<_>>());
        part
    }

    /// Values around every target's range, and any bits at all.
    fn any_bits() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            (-50i32..50, any::<i32>()).prop_map(|(e, m)| (f64::from(m) * 2f64.powi(e - 31)).to_bits()),
            (-70000.0..70000.0f64).prop_map(f64::to_bits),
        ]
    }

    fn buf_of(dtype: DType, bits: &[u64]) -> Buf {
        let doubles: Vec<f64> = bits.iter().map(|b| f64::from_bits(*b)).collect();
        match dtype {
            DType::F32 => Buf::from_slice(&doubles.iter().map(|x| *x as f32).collect::<Vec<_>>()).unwrap(),
            DType::C128 => {
                Buf::from_slice(&doubles.iter().map(|x| Complex::new(*x, x / 3.0)).collect::<Vec<_>>()).unwrap()
            }
            _ => Buf::from_slice(&doubles).unwrap(),
        }
    }

    fn parts(buf: &Buf) -> Vec<f64> {
        match buf.dtype().part() {
            DType::F32 => buf.slice::<f32>().iter().map(|x| f64::from(*x)).collect(),
            _ => buf.slice::<f64>().to_vec(),
        }
    }

    proptest! {
        #[test]
        fn casting_the_restored_array_gives_the_same_bits_and_the_bound_holds(
            bits in prop::collection::vec(any_bits(), 0..600),
            overflow in prop_oneof![Just(Overflow::Error), Just(Overflow::Inf), Just(Overflow::Saturate)],
        ) {
            for (to, dtype, packed) in FITTING {
                let n = bits.len();
                let (step, io) = bound(to, overflow, dtype, n);
                let input = buf_of(dtype, &bits);
                let (out, refused) = forward(&step, &io, &whole(n), &input);
                prop_assert_eq!((out.dtype(), out.len()), (packed, n));
                let back = inverse(&step, &io, &whole(n), &out);
                prop_assert_eq!((back.dtype(), back.len()), (dtype, n));
                let (again, none) = forward(&step, &io, &whole(n), &back);
                prop_assert_eq!(again.bytes(), out.bytes());
                prop_assert!(none.is_empty());
                let least = match to {
                    CastTo::Float16 => f16::MIN_POSITIVE.to_f64(),
                    _ => f64::from(f32::MIN_POSITIVE),
                };
                let mut beyond = 0;
                for (x, y) in parts(&input).into_iter().zip(parts(&back)) {
                    let inside = x.abs() <= to.largest();
                    if x.is_nan() || x.is_infinite() {
                        prop_assert!(y.is_nan() == x.is_nan() && (x.is_nan() || x == y));
                    } else if y.is_infinite() || (!inside && overflow == Overflow::Saturate) {
                        prop_assert!(!inside);
                        prop_assert!(overflow != Overflow::Saturate || y == to.largest().copysign(x));
                        beyond += u64::from(y.is_infinite());
                    } else {
                        let rel = 0.5f64.powi(to.mantissa_bits() + 1);
                        prop_assert!((x - y).abs() <= rel * x.abs().max(least), "{} {:e} {:e}", to.name(), x, y);
                    }
                }
                let counted = refused.entries.iter().map(|r| r.count).sum::<u64>();
                if overflow != Overflow::Error {
                    prop_assert_eq!(counted, 0);
                } else if dtype != DType::C128 {
                    prop_assert_eq!(counted, beyond);
                }
            }
        }

        #[test]
        fn any_blocks_and_any_slice_equal_the_whole(
            bits in prop::collection::vec(any_bits(), 1..600),
            cuts in (0usize..600, 0usize..600, 0usize..600),
        ) {
            for (to, dtype, _) in FITTING {
                let n = bits.len();
                let (step, io) = bound(to, Overflow::Error, dtype, n);
                let input = buf_of(dtype, &bits);
                let (packed, refused) = forward(&step, &io, &whole(n), &input);
                let back = inverse(&step, &io, &whole(n), &packed);

                let cut = cuts.0 % (n + 1);
                let blocks = [Span::new(0, cut as u64), Span::new(cut as u64, (n - cut) as u64)];
                let mut merged = Refused::default();
                for block in blocks.map(|b| [b]) {
                    let (out, part) = forward(&step, &io, &block, &take(&input, &block));
                    let expected = take(&packed, &block);
                prop_assert_eq!(out.bytes(), expected.bytes());
                    merged.merge(part);
                }
                prop_assert_eq!(&merged, &refused);

                let (a, b) = (cuts.1 % (n + 1), cuts.2 % (n + 1));
                let want = [Span::new(a as u64, (n - a) as u64), Span::new(a.min(b) as u64, a.abs_diff(b) as u64)];
                let (mut need, mut out, mut part) = (Vec::new(), Buf::new(), Refused::default());
                step.forward_need(&io, &want, &mut need);
                step.forward_part(&io, &want, &need, &take(&input, &need), &mut out, &mut part).unwrap();
                let expected = take(&packed, &want);
                prop_assert_eq!(out.bytes(), expected.bytes());
                need.clear();
                step.inverse_need(&io, &want, &mut need);
                step.inverse_part(&io, &want, &need, &take(&packed, &need), &mut out).unwrap();
                let expected = take(&back, &want);
                prop_assert_eq!(out.bytes(), expected.bytes());
            }
        }
    }

    #[test]
    fn overflow_is_refused_where_it_stands_and_infinity_is_none() {
        let mut values = vec![1.0f64; 2000];
        (values[700], values[701], values[1900]) = (f64::INFINITY, 70000.5, -1.2e6);
        // Rounds down to the largest finite value, and up to infinity.
        (values[10], values[11]) = (65519.99, 65520.0);
        let (step, io) = bound(CastTo::Float16, Overflow::Error, DType::F64, 4000);
        let at = [Span::new(100, 1000), Span::new(3000, 1000)];
        let (_, refused) = forward(&step, &io, &at, &Buf::from_slice(&values).unwrap());
        let [entry] = &refused.entries[..] else { panic!("{refused:?}") };
        assert_eq!((entry.why, entry.count, entry.first, entry.worst_at), (Why::Overflow, 3, 111, 3900));
        assert_eq!((entry.worst, entry.worst_value.0), (1.2e6, Scalar::Float(-1.2e6)));
        assert_eq!(
            step.explain(&io, entry, &[3, 5], &[7, 1]),
            "3 finite values are beyond float16's range (largest finite 65504): first 65520 at [3, 5], largest -1200000 at \
             [7, 1]; use --f32, --scale-offset, or allow it with --overflow inf or --overflow saturate"
        );
    }

    #[test]
    fn a_complex_number_is_refused_once() {
        let values = [Complex::new(1e300, -1e301), Complex::new(f64::NEG_INFINITY, 2.0), Complex::new(0.0, 1e39)];
        let (step, io) = bound(CastTo::Float32, Overflow::Error, DType::C128, 3);
        let (_, refused) = forward(&step, &io, &whole(3), &Buf::from_slice(&values).unwrap());
        let [entry] = &refused.entries[..] else { panic!("{refused:?}") };
        assert_eq!((entry.count, entry.first, entry.worst_at, entry.worst), (2, 0, 0, 1e301));
    }

    #[test]
    fn what_does_not_get_smaller_is_refused_with_what_would_fit() {
        for dtype in DType::ALL {
            for to in [CastTo::Float16, CastTo::Float32, CastTo::Bfloat16] {
                let step = Cast { to, overflow: Overflow::Error };
                let output = step.output(&Spec::new(*dtype, [2, 3]).unwrap());
                let fitting = FITTING.iter().find(|f| (f.0, f.1) == (to, *dtype));
                assert_eq!(output.as_ref().ok().map(Spec::dtype), fitting.map(|f| f.2), "{to:?} {dtype}");
                let Err(error) = output else { continue };
                let says = match dtype.kind() {
                    DTypeKind::Bool => "--bits",
                    DTypeKind::Int | DTypeKind::Uint => "--scale-offset 0",
                    DTypeKind::Complex => "--keepbits",
                    DTypeKind::Float => "leave it out",
                };
                assert!(error.to_string().contains(says), "{error}");
            }
        }
    }

    #[test]
    fn its_json_is_its_parameters() {
        let read = |text| serde_json::from_str::<Step>(text);
        let step = Step::Cast(Cast { to: CastTo::Bfloat16, overflow: Overflow::Saturate });
        let text = r#"{"step":"cast","to":"bfloat16","overflow":"saturate"}"#;
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
        assert_eq!(read(text).unwrap(), step);
        let plain = read(r#"{"step":"cast","to":"float16"}"#).unwrap();
        assert_eq!(plain, Step::Cast(Cast { to: CastTo::Float16, overflow: Overflow::Error }));
        assert!(read(r#"{"step":"cast","to":"float8"}"#).is_err());
        assert!(read(r#"{"step":"cast","to":"float16","digits":3}"#).is_err());
    }
}

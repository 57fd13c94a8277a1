//! Whether the last two axes hold symmetric, skew-symmetric or Hermitian matrices, all of them.

use super::find::Known;
use super::finding::{Finding, Kind};
use super::flags::number;
use crate::array::{Buf, DTypeKind, Scalar, Span};
use crate::engine::{Resources, tally};
use crate::error::Result;
use crate::metric::Value;
use crate::pipeline::{Pipeline, Source, Work};
use crate::transform::{Ask, TriangleAsk, TriangleKind, Why};

/// Pairs of mirror images that are compared before a whole pass is spent on a kind.
const PAIRS: u64 = 64;

/// The largest difference of mirror images, relative to the largest value, that is taken for rounding and not for another matrix.
const ROUNDING: f64 = 1e-6;

/// Adds what holds for the matrices of `source` to `known`.
pub(super) fn find(source: &dyn Source, known: &mut Known, resources: &Resources<'_>) -> Result<()> {
    let spec = source.spec();
    let [.., rows, n] = *spec.shape() else { return Ok(()) };
    let dtype = spec.dtype();
    if rows != n || n < 2 || known.look.few() == Some(1) {
        return Ok(());
    }
    let complex = dtype.kind() == DTypeKind::Complex;
    let signed = matches!(dtype.kind(), DTypeKind::Int | DTypeKind::Float) || complex;
    let scale = known.look.bounds().map_or(0.0, |(low, high)| low.abs().max(high.abs()));
    let likely = likely(source, n, scale)?;
    let kinds = [
        (TriangleKind::Upper, "symmetric", likely.symmetric),
        (TriangleKind::Skew, "skew-symmetric", likely.skew && signed),
        (TriangleKind::Hermitian, "Hermitian", likely.hermitian && complex),
    ];
    for (kind, word, likely) in kinds {
        if !likely {
            continue;
        }
        match difference(source, known, kind, None, resources)? {
            None => continue,
            Some(0.0) => {
                let constant = kind == TriangleKind::Upper
                    && difference(source, known, TriangleKind::Strict, None, resources)? == Some(0.0);
                let kind = if constant { TriangleKind::Strict } else { kind };
                let ask = Ask::Triangle(TriangleAsk { kind, tolerance: None });
                let text = if constant { "symmetric with a constant diagonal" } else { word };
                known.findings.push(Finding::lossless(Kind::Symmetric, text, vec![ask.clone()], None));
                known.triangle = Some(ask);
                return Ok(());
            }
            Some(worst) if worst.is_finite() && worst <= ROUNDING * scale => {
                // Exact in the unit of the data, but for the rounding of the difference itself.
                let tolerance = worst.next_up();
                if kind == TriangleKind::Skew
                    || difference(source, known, kind, Some(tolerance), resources)? != Some(0.0)
                {
                    continue;
                }
                let ask = Ask::Triangle(TriangleAsk { kind, tolerance: Some(tolerance) });
                let flags = super::flags::of_steps(std::slice::from_ref(&ask), None);
                let text = format!("{word} to {} only: {flags} changes values by at most that", number(worst));
                let found = Finding::note(Kind::NearlySymmetric, text).with(Value::Float(worst));
                known.findings.push(Finding { flags: Some(flags), asks: vec![ask.clone()], ..found });
                known.nearly = Some((ask, tolerance));
                return Ok(());
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The largest difference that a triangle of `kind` refuses, 0 where it refuses nothing; `None` where it does not fit at all.
fn difference(
    source: &dyn Source,
    known: &Known,
    kind: TriangleKind,
    tolerance: Option<f64>,
    resources: &Resources<'_>,
) -> Result<Option<f64>> {
    let ask = Ask::Triangle(TriangleAsk { kind, tolerance });
    let Some(steps) = known.settle(source, &[ask])? else { return Ok(None) };
    let Ok(pipeline) = Pipeline::bind(source.spec(), &steps) else { return Ok(None) };
    let tally = tally(source, &pipeline, resources)?;
    let refused = tally.steps.first().map(|s| &s.refused.entries);
    let worst = refused.into_iter().flatten().fold(0.0, |worst: f64, r| match r.why {
        Why::Asymmetric => worst.max(if r.worst > 0.0 { r.worst } else { f64::INFINITY }),
        _ => f64::INFINITY,
    });
    Ok(Some(worst))
}

/// What a few pairs allow.
struct Likely {
    symmetric: bool,
    skew: bool,
    hermitian: bool,
}

/// Compares a few mirror images all over the array: matrices of no symmetry are told without a pass over all.
fn likely(source: &dyn Source, n: u64, scale: f64) -> Result<Likely> {
    let mut likely = Likely { symmetric: true, skew: true, hermitian: true };
    let count = source.spec().count();
    let (mut one, mut other, mut work) = (Buf::new(), Buf::new(), Work::new(0));
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    // The same places at each run: a multiplicative generator, its high bits.
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(state) * u128::from(limit)) >> 64) as u64
    };
    for _ in 0..PAIRS {
        if !(likely.symmetric || likely.skew || likely.hermitian) {
            break;
        }
        let (matrix, i, j) = (below(count / (n * n)), below(n), below(n));
        if i == j {
            continue;
        }
        source.read(&[Span::new(matrix * n * n + i * n + j, 1)], &mut one, &mut work)?;
        source.read(&[Span::new(matrix * n * n + j * n + i, 1)], &mut other, &mut work)?;
        let near = |a: f64, b: f64| a == b || (a - b).abs() <= ROUNDING * scale || (a.is_nan() && b.is_nan());
        let ((a, x), (b, y)) = (parts(one.scalar(0)), parts(other.scalar(0)));
        likely.symmetric &= near(a, b) && near(x, y);
        likely.skew &= near(a, -b) && near(x, -y);
        likely.hermitian &= near(a, b) && near(x, -y);
    }
    Ok(likely)
}

fn parts(value: Scalar) -> (f64, f64) {
    match value {
        Scalar::Bool(b) => (f64::from(u8::from(b)), 0.0),
        Scalar::Int(i) => (i as f64, 0.0),
        Scalar::Float(x) => (x, 0.0),
        Scalar::Complex(re, im) => (re, im),
    }
}

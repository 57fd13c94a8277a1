//! What each step lost by itself: the recorded steps, run once more on the original.

use crate::array::DType;
use crate::engine::tallied::{refuse_if_refused, summarise};
use crate::engine::{Flow, Nowhere, Phase, Reader, Resources, run};
use crate::error::{ErrorKind, Result};
use crate::metric::{Description, LossRecord};
use crate::pipeline::{Pipeline, Tally};
use crate::recipe::Record;
use crate::report::StepReport;
use crate::transform::{CastTo, Overflow, Step};

/// The steps of `record` with what each lost of `original`, from the arrays between them; and why there are none, where the
/// steps refuse this original, so that the file cannot have been made of it.
pub(super) fn steps(
    original: &Reader,
    record: &Record,
    resources: &Resources<'_>,
) -> Result<(Vec<StepReport>, Option<String>)> {
    let pipeline = record.pipeline()?;
    match run_again(original, record, &pipeline, resources)? {
        Ok(tally) => Ok((summarise(&pipeline, &tally).0, None)),
        Err(e) => Ok((Vec::new(), Some(format!("the recorded steps refuse this original: {e}")))),
    }
}

/// What all steps of `record` lose of `original`; `None` where they refuse it.
pub(super) fn total(original: &Reader, record: &Record, resources: &Resources<'_>) -> Result<Option<LossRecord>> {
    let pipeline = record.pipeline()?;
    Ok(run_again(original, record, &pipeline, resources)?.ok().map(|tally| summarise(&pipeline, &tally).1))
}

/// Runs the steps and counts; the inner error is their refusal.
fn run_again(
    original: &Reader,
    record: &Record,
    pipeline: &Pipeline,
    resources: &Resources<'_>,
) -> Result<Result<Tally>> {
    let tally = original.with_view(record.axes, None, resources, |view, _| {
        let packing = pipeline.packing(view);
        let flow = Flow::packing(pipeline, &packing, view, Phase::Comparing);
        run(&flow, &Nowhere, None, resources)
    })?;
    match refuse_if_refused(pipeline, &tally) {
        Ok(()) => Ok(Ok(tally)),
        Err(e) if e.kind() == ErrorKind::Refused => Ok(Err(e)),
        Err(e) => Err(e),
    }
}

/// Gives steps whose bound is relative the absolute bound that follows for values as large as the original's: r · max |x|, or
/// below the normal values r times the smallest of those; after other such steps, values are larger by what those may add.
pub(super) fn bound_over(steps: &mut [StepReport], dtype: DType, original: &Description) {
    let mut largest = original.min.0.abs().max(original.max.0.abs());
    let mut part = dtype.part();
    for step in steps {
        let least = match &step.step {
            // Overflow that is allowed has no bound.
            Step::Cast(cast) if cast.overflow == Overflow::Error => smallest_normal(Some(cast.to), part),
            Step::BitRound(_) => smallest_normal(None, part),
            _ => f64::NAN,
        };
        if let (None, Some(relative)) = (step.bound, step.bound_rel) {
            let bound = relative * largest.max(least);
            step.bound = (bound.is_finite() && !least.is_nan()).then_some(bound);
            largest *= 1.0 + relative;
        }
        part = step.dtype.part();
    }
}

/// The smallest normal value of what a step rounds to.
fn smallest_normal(to: Option<CastTo>, from: DType) -> f64 {
    match (to, from) {
        (Some(CastTo::Float16), _) | (None, DType::F16) => 2f64.powi(-14),
        (Some(CastTo::Float32 | CastTo::Bfloat16), _) | (None, DType::F32) => f32::MIN_POSITIVE.into(),
        _ => f64::MIN_POSITIVE,
    }
}

//! What a run did: each step with dtype, shape, bytes and the error it added, and the loss in all.

use serde::Serialize;

use crate::array::Spec;
use crate::error::{Error, ErrorKind, Result};
use crate::metric::{Criterion, Loss, LossRecord};
use crate::pipeline::{Pipeline, StepTally, Tally};
use crate::report::{CodingReport, Side, StepReport};
use crate::store::{Format, Place};
use crate::transform::Fidelity;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was read.
    pub input: Side,
    /// What was written; `None` for a dry run.
    pub output: Option<Side>,
    /// Bytes of the packed elements.
    pub packed_bytes: u64,
    /// Bytes of the input's elements over the bytes of the output (of the packed elements in a dry run).
    pub ratio: f64,
    /// Whether the same bits come back.
    pub exact: bool,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// How chunks were coded after the steps; `None` in the plain layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coding: Option<CodingReport>,
    /// Original against restored, over every element.
    pub loss: LossRecord,
    /// Each limit of the budget and what was measured on the output; empty without a budget.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// One end of a run.
pub(super) fn side(place: &Place, format: Format, spec: &Spec, stored_bytes: u64) -> Side {
    Side {
        place: place.to_string(),
        format: format.name(),
        dtype: spec.dtype(),
        shape: spec.shape().to_vec(),
        array_bytes: spec.bytes(),
        stored_bytes,
    }
}

/// Loss on the original array from a loss on stage `k`'s input, where all but `once` may stand for two elements.
fn on_original(pipeline: &Pipeline, k: usize, loss: &Loss, once: &Loss) -> LossRecord {
    let mut whole = loss.clone();
    if pipeline.is_doubled(k) {
        whole = loss.doubled_except(once);
        // What a step keeps in its parameters (a constant diagonal) comes back as it was.
        whole.add_exact(pipeline.input().count().saturating_sub(whole.count()));
    }
    let loss = whole;
    let mut record = loss.to_record(pipeline.input().shape());
    record.max_abs_at = loss.worst().map(|w| pipeline.original_index(k, w.at));
    record
}

/// The steps' reports and the loss in all.
pub(super) fn summarise(pipeline: &Pipeline, tally: &Tally) -> (Vec<StepReport>, LossRecord) {
    let steps: Vec<StepReport> = pipeline
        .stages()
        .iter()
        .zip(&tally.steps)
        .enumerate()
        .map(|(k, (stage, StepTally { loss, once, .. }))| StepReport {
            step: stage.step.clone(),
            words: stage.step.transform().describe(),
            dtype: stage.io.output.dtype(),
            shape: pipeline.shown_shape(&stage.io.output),
            bytes: stage.io.output.bytes(),
            bound: match stage.step.transform().fidelity(&stage.io.input) {
                Fidelity::Lossy { max_abs, .. } => max_abs,
                Fidelity::Exact => Some(0.0),
            },
            bound_rel: match stage.step.transform().fidelity(&stage.io.input) {
                Fidelity::Lossy { max_rel, .. } => max_rel,
                Fidelity::Exact => None,
            },
            loss: pipeline.stage_is_lossy(k).then(|| on_original(pipeline, k, loss, once)),
        })
        .collect();
    let total = match pipeline.total_from() {
        Some(k) => on_original(pipeline, k, &tally.total, &tally.total_once),
        None => steps.iter().find_map(|s| s.loss.clone()).unwrap_or_else(|| nothing_lost(pipeline.input())),
    };
    (steps, total)
}

/// The loss of an exact run, which needs no measuring: the steps' laws say so, and tests hold them to it.
pub(super) fn nothing_lost(spec: &Spec) -> LossRecord {
    LossRecord { count: spec.count(), ..Loss::new().to_record(spec.shape()) }
}

/// The refusal of a run in which a step met values it cannot carry.
pub(super) fn refuse_if_refused(pipeline: &Pipeline, tally: &Tally) -> Result<()> {
    for (k, (stage, step)) in pipeline.stages().iter().zip(&tally.steps).enumerate() {
        if let Some(refusal) = step.refused.entries.first() {
            let first = pipeline.original_index(k, refusal.first);
            let worst = pipeline.original_index(k, refusal.worst_at);
            let message = stage.step.transform().explain(&stage.io, refusal, &first, &worst);
            return Err(Error::new(ErrorKind::Refused, message));
        }
    }
    Ok(())
}

/// Holds every step to the bound it stated before a value was seen.
pub(super) fn refuse_broken_bounds(pipeline: &Pipeline, tally: &Tally) -> Result<()> {
    for (stage, step) in pipeline.stages().iter().zip(&tally.steps) {
        let Fidelity::Lossy { max_abs: Some(bound), .. } = stage.step.transform().fidelity(&stage.io.input) else {
            continue;
        };
        if step.loss.max_abs() > bound {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{}: an error of {} is over the {bound} that the step promises; nothing was kept. Please report this as a bug",
                    stage.step.name(),
                    step.loss.max_abs()
                ),
            ));
        }
    }
    Ok(())
}

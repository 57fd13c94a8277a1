//! What may be lost: from limits that were asked for and a budget to one coding, and whether a trial keeps it.

use super::PlanOptions;
use super::candidate::Keeps;
use crate::coding::{Coding, CodingAsk};
use crate::error::Result;
use crate::metric::{Class, Figure, Limits, Loss};

/// What may be lost, settled for one array.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// As asked for, in flags or by the budget; `None` where nothing was.
    pub(super) ask: Option<CodingAsk>,
    /// In numbers that need no look at the data.
    pub(super) coding: Coding,
    budget: Option<Limits>,
    /// The width of the range of the array's finite values.
    range: f64,
}

impl Wish {
    /// From `options`, for an array with finite values in `bounds`.
    pub(super) fn new(options: &PlanOptions<'_>, bounds: Option<(f64, f64)>) -> Result<Self> {
        let range = bounds.map_or(0.0, |(low, high)| high - low);
        let mut ask = options.ask;
        if let Some(budget) = options.budget {
            let from = allowed(budget, range);
            if from != CodingAsk::default() {
                ask = Some(ask.map_or(from, |ask| stricter(&ask, &from)));
            }
        }
        let mut settled = ask.unwrap_or_default();
        settled.effort = options.effort.unwrap_or_default();
        let coding = settled.settle(bounds)?;
        Ok(Self { ask: ask.map(|_| settled), coding, budget: options.budget.cloned(), range })
    }

    /// Whether `loss`, with `broken` values beyond a pointwise relative bound, is allowed. `slack`: what steps before the sampled array lost besides.
    pub(super) fn judge(&self, loss: &Loss, broken: u64, slack: f64) -> Keeps {
        let bound = &self.coding.bound;
        let changed = loss.changed() + loss.nan_payload();
        let error = loss.max_abs() + slack;
        let special =
            [Class::FiniteToNan, Class::FiniteToInf, Class::NanToOther, Class::InfToOther, Class::FillToOther];
        let kept = if self.ask.is_none() || bound.is_lossless() {
            changed == 0 && slack == 0.0
        } else {
            bound.max_abs.is_none_or(|e| error <= e)
                && broken == 0
                && loss.nan_payload() == 0
                // A sample's mean is no proof: the whole array is judged when it is written.
                && bound.mean_square.is_none_or(|ms| loss.rmse() * loss.rmse() <= ms * (1.0 + 1e-9))
                && special.iter().all(|class| loss.class(*class).count == 0)
        };
        let budget = self.budget.as_ref().is_none_or(|budget| self.within(budget, loss, error));
        if kept && budget { Keeps::Kept } else { Keeps::Broken }
    }

    /// Whether the figures that a sample tells are within `budget`.
    fn within(&self, budget: &Limits, loss: &Loss, error: f64) -> bool {
        let limit = |figure| budget.figures.get(&figure).copied();
        let rmse = loss.rmse();
        let psnr = limit(Figure::Psnr).is_none_or(|db| rmse == 0.0 || 20.0 * (self.range / rmse).log10() >= db);
        psnr && limit(Figure::MaxAbs).is_none_or(|e| error <= e)
            && limit(Figure::Rmse).is_none_or(|e| rmse <= e)
            && loss.classes().all(|(class, n)| budget.allow.get(&class).is_some_and(|most| n.count <= *most))
    }
}

/// What a budget allows, as a coding can be asked for it.
fn allowed(budget: &Limits, range: f64) -> CodingAsk {
    let limit = |figure| budget.figures.get(&figure).copied();
    // In hundredths of a decibel, rounded up: the stricter side.
    let by_rmse = limit(Figure::Rmse)
        .filter(|rmse| *rmse > 0.0 && range > 0.0)
        .map(|rmse| (2000.0 * (range / rmse).log10()).ceil() / 100.0)
        .filter(|db| *db > 0.0);
    let psnr = match (limit(Figure::Psnr), by_rmse) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    CodingAsk {
        max_abs: limit(Figure::MaxAbs),
        max_rel: limit(Figure::MaxRel),
        psnr: psnr.filter(|db| *db > 0.0 && *db <= 2000.0),
        ..CodingAsk::default()
    }
}

/// Both at once.
fn stricter(a: &CodingAsk, b: &CodingAsk) -> CodingAsk {
    let least = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let max_rel = least(a.max_rel, b.max_rel);
    CodingAsk {
        max_abs: least(a.max_abs, b.max_abs),
        max_rel,
        // The budget's has no floor.
        rel_floor: if max_rel == b.max_rel { None } else { a.rel_floor },
        max_range_rel: a.max_range_rel,
        psnr: match (a.psnr, b.psnr) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        },
        effort: a.effort,
    }
}

/// What an output is held against before it gets its name: the bound of `plan`, and `budget` where there is one.
///
/// `None` without a budget where no value is finite: there is no error then, and no figure of one.
/// Changes of class between finite values are within a bound on errors, and allowed by it; a budget allows what it names.
///
/// # Errors
/// `Usage` for limits that cannot be.
pub fn limits(plan: &super::Plan, budget: Option<&Limits>) -> Result<Option<Limits>> {
    let Some((low, high)) = plan.bounds.filter(|_| plan.array_bytes > 0) else {
        return Ok(budget.cloned());
    };
    let mut limits = budget.cloned().unwrap_or_default();
    let bound = &plan.bound;
    let mut most = |figure, limit: Option<f64>| -> Result<()> {
        if let Some(limit) = limit {
            let limit = limits.figures.get(&figure).map_or(limit, |set| set.min(limit));
            limits.set(figure, limit)?;
        }
        Ok(())
    };
    let lossless = plan.asked.is_none() || bound.is_lossless();
    most(Figure::MaxAbs, if lossless { Some(0.0) } else { bound.max_abs })?;
    if !lossless {
        if bound.max_rel.is_some() && low.abs().max(high.abs()) <= bound.rel_floor {
            // No value has a relative error: all are held to the floor's.
            most(Figure::MaxAbs, bound.max_rel.map(|rel| (rel * bound.rel_floor).next_up()))?;
        } else {
            most(Figure::MaxRel, bound.max_rel)?;
        }
        most(Figure::Rmse, bound.mean_square.map(f64::sqrt))?;
    }
    if budget.is_none() && !lossless {
        for class in
            [Class::SignFlip, Class::NonzeroToZero, Class::ZeroToNonzero, Class::ZeroSign, Class::NormalToSubnormal]
        {
            limits.set_allow(class, Limits::ANY);
        }
    }
    if !lossless && bound.max_rel.is_some() && bound.rel_floor > 0.0 {
        limits.set_rel_floor(bound.rel_floor)?;
    }
    Ok(Some(limits))
}

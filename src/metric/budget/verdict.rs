//! The verdict: each limit against what was measured.

use serde::{Serialize, Serializer};

use super::{Limits, Scope, SliceLimit};
use crate::metric::class::Class;
use crate::metric::comparison::{AxisErrors, Comparison, Element, SliceError, Structure};
use crate::metric::figure::{Direction, Figure, Number};

/// How a check ended. Ordered: the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Within the limit.
    Passed,
    /// The figure is not defined for these arrays, so nothing can be said. Never taken for passed.
    Unknown,
    /// Over the limit.
    Failed,
}

impl Outcome {
    /// `PASSED`, `FAILED`, `NOT CHECKED`.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "PASSED",
            Outcome::Unknown => "NOT CHECKED",
            Outcome::Failed => "FAILED",
        }
    }
}

/// One limit and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Criterion {
    /// The stable name: a figure's, a class's, or `max_abs[axis 0]`.
    pub name: String,
    /// The same in a few words.
    pub label: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was measured.
    pub measured: Number,
    /// What is allowed.
    pub allowed: Number,
    /// Whether `allowed` is the most or the least.
    #[serde(serialize_with = "direction")]
    pub direction: Direction,
    /// Share of what is allowed that was used, 1 at the limit: `(measured - best) / (allowed - best)` from [`Scope::best`], at
    /// least 0. `null` where there is no such share: without a measured value, or a best one that is a number (PSNR).
    pub used: Number,
    /// The worst element, if there is one.
    pub at: Option<Element>,
    /// Why nothing can be said, which slice is the worst, or how far a figure that is not exact may be off.
    pub reason: Option<String>,
}

fn direction<S: Serializer>(direction: &Direction, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match direction {
        Direction::AtMost => "at_most",
        Direction::AtLeast => "at_least",
    })
}

/// Holds `comparison` against `limits`: one criterion a limit, one a class that occurred or is limited, in that order.
///
/// What cannot be said is [`Outcome::Unknown`], never passed: a figure that is undefined (no finite pair, a range of zero),
/// an axis that is missing or was not measured, a class that was not counted. So are limits that limit no size of error
/// ([`Limits::is_empty`]), with a criterion `limits` that says so; the list is never empty.
pub fn judge(limits: &Limits, comparison: &Comparison) -> Vec<Criterion> {
    let nothing = limits.is_empty().then(no_limit);
    let figures = limits.figures.iter().map(|(figure, limit)| by_figure(*figure, *limit, comparison));
    let slices = limits.slices.iter().map(|limit| by_slice(*limit, comparison));
    let classes = Class::ALL.iter().filter_map(|class| by_class(*class, limits, comparison));
    nothing.into_iter().chain(figures).chain(slices).chain(classes).collect()
}

/// The worst outcome; [`Outcome::Unknown`] of no criterion at all, for then nothing was held against anything.
pub fn worst(criteria: &[Criterion]) -> Outcome {
    criteria.iter().map(|c| c.outcome).max().unwrap_or(Outcome::Unknown)
}

/// What stands for limits that are not there.
fn no_limit() -> Criterion {
    Criterion {
        name: "limits".to_owned(),
        label: "limits on the size of errors".to_owned(),
        outcome: Outcome::Unknown,
        measured: Number(f64::NAN),
        allowed: Number(f64::NAN),
        direction: Direction::AtMost,
        used: Number(f64::NAN),
        at: None,
        reason: Some("the budget has no limit on the size of errors for this array".to_owned()),
    }
}

fn within(direction: Direction, measured: f64, limit: f64) -> Outcome {
    let good = match direction {
        _ if measured.is_nan() => return Outcome::Unknown,
        Direction::AtMost => measured <= limit,
        Direction::AtLeast => measured >= limit,
    };
    if good { Outcome::Passed } else { Outcome::Failed }
}

/// Share of the way from the best value to the limit; 0 of nothing is nothing.
fn used(best: f64, measured: f64, limit: f64) -> f64 {
    let (way, whole) = (measured - best, limit - best);
    match way / whole {
        _ if way == 0.0 => 0.0,
        share if share.is_nan() || best.is_infinite() || whole == 0.0 => f64::NAN,
        share => share.max(0.0),
    }
}

fn by_figure(figure: Figure, limit: f64, comparison: &Comparison) -> Criterion {
    let value = comparison.figures.get(figure);
    let held = if figure.by_magnitude() { value.abs() } else { value };
    let partial = (figure == Figure::EigenvalueShift).then(|| unseen_matrices(limit, comparison)).flatten();
    let (outcome, reason) = match (within(figure.direction(), held, limit), partial) {
        (Outcome::Unknown, _) => (Outcome::Unknown, Some(why_undefined(figure, comparison))),
        (Outcome::Passed, Some(partial)) => (Outcome::Unknown, Some(partial)),
        (outcome, _) => (outcome, comparison.accuracy.get(&figure).cloned()),
    };
    Criterion {
        name: figure.name().to_owned(),
        label: figure.label().to_owned(),
        outcome,
        measured: Number(value),
        allowed: Number(limit),
        direction: figure.direction(),
        used: Number(used(Scope::of(figure).best, held, limit)),
        at: comparison.place(figure).cloned(),
        reason,
    }
}

/// Why a limit on eigenvalues may be broken by matrices whose eigenvalues were not computed; `None` if it cannot.
///
/// By Weyl an eigenvalue shifts at most by the 2-norm of the error, which is at most n times its largest element.
fn unseen_matrices(limit: f64, comparison: &Comparison) -> Option<String> {
    let structure = comparison.structure.as_ref()?;
    let bound = comparison.figures.get(Figure::MaxAbs) * structure.n as f64;
    let unseen = structure.eigen_matrices < structure.matrices && (bound.is_nan() || bound > limit);
    unseen.then(|| {
        let Structure { eigen_matrices, matrices, .. } = structure;
        format!("eigenvalues were computed for {eigen_matrices} of {matrices} matrices only")
    })
}

/// Why a figure has no value.
fn why_undefined(figure: Figure, comparison: &Comparison) -> String {
    let (x, y) = (&comparison.original, &comparison.restored);
    let words = match figure {
        _ if comparison.count == 0 => "the arrays have no element",
        Figure::PopcountShift | Figure::Iou if comparison.structure.as_ref().is_some_and(|s| s.union == Some(0)) => {
            "no value of either mask is true"
        }
        _ if comparison.pairs == 0 => "there is no pair of finite values to compare",
        Figure::Nrmse | Figure::MaxRange | Figure::Psnr if x.min == x.max => "the original is constant: its range is 0",
        Figure::NrmseStd | Figure::Pearson | Figure::Ssim if x.min == x.max || y.min == y.max => {
            "an array is constant: its standard deviation is 0"
        }
        Figure::MaxRel | Figure::MeanRel => "no original is larger in magnitude than rel_floor",
        Figure::Ssim => "it needs two axes or more of at least 7 indices",
        Figure::Autocorrelation => "the errors are all equal, or no axis has two indices",
        Figure::PopcountShift | Figure::Iou => "it is defined for masks: arrays of bool",
        Figure::Asymmetry | Figure::EigenvalueShift | Figure::RowSumShift => {
            "it is defined for square matrices in the last two axes"
        }
        _ => "it is not defined for this dtype and shape, or was not measured",
    };
    words.to_owned()
}

fn by_slice(limit: SliceLimit, comparison: &Comparison) -> Criterion {
    let axes = comparison.shape.len() as i64;
    let axis = if limit.axis < 0 { limit.axis.saturating_add(axes) } else { limit.axis };
    let errors = comparison.axes.iter().find(|a| i64::try_from(a.axis) == Ok(axis));
    let value = |s: &SliceError| if limit.figure == Figure::Rmse { s.rmse.0 } else { s.max_abs };
    let judged = |s: &SliceError| slice_outcome(limit, s);
    // An outcome that is worse comes first: of RMSEs of several indices the larger need not be the worse.
    let defined = errors.into_iter().flat_map(|e| &e.slices).filter(|s| !s.rmse.0.is_nan() || s.max_abs > 0.0);
    // The first of equals: `max_by` gives the last.
    let worse = |a: &&SliceError, b: &&SliceError| judged(a).cmp(&judged(b)).then(value(a).total_cmp(&value(b)));
    let worst = defined.reduce(|a, b| if worse(&b, &a).is_gt() { b } else { a });
    let measured = worst.map_or(f64::NAN, value);
    let outcome = match (worst, errors) {
        (Some(s), Some(e)) if covers(e, comparison) => judged(s),
        (Some(s), _) => judged(s).max(Outcome::Unknown),
        (None, _) => Outcome::Unknown,
    };
    let reason = match (worst, errors) {
        (Some(s), Some(e)) => where_worst(s, e, axis, outcome, covers(e, comparison)),
        (None, Some(_)) if comparison.count == 0 => "the arrays have no element".to_owned(),
        (None, Some(_)) => "there is no pair of finite values to compare".to_owned(),
        _ if (0..axes).contains(&axis) => format!("errors along axis {} were not measured", limit.axis),
        _ => format!("the array of {axes} axes has no axis {}", limit.axis),
    };
    Criterion {
        name: format!("{}[axis {}]", limit.figure.name(), limit.axis),
        label: format!("{}, each slice of axis {}", limit.figure.label(), limit.axis),
        outcome,
        measured: Number(measured),
        allowed: Number(limit.limit),
        direction: Direction::AtMost,
        used: Number(used(0.0, measured, limit.limit)),
        at: None,
        reason: Some(reason),
    }
}

/// The outcome of one entry, which may stand for several indices.
///
/// The RMSE over several is one of theirs or between them, so one of them is over the limit if it is. If it is not, one of
/// them may still be, unless even the largest error is within the limit.
fn slice_outcome(limit: SliceLimit, slice: &SliceError) -> Outcome {
    let rmse = limit.figure == Figure::Rmse;
    let value = if rmse { slice.rmse.0 } else { slice.max_abs };
    match within(Direction::AtMost, value, limit.limit) {
        Outcome::Passed if rmse && slice.to.saturating_sub(slice.from) > 1 => {
            within(Direction::AtMost, slice.max_abs, limit.limit).min(Outcome::Unknown)
        }
        outcome => outcome,
    }
}

/// Whether the entries go over the whole axis without a gap.
fn covers(errors: &AxisErrors, comparison: &Comparison) -> bool {
    let end = errors.slices.iter().try_fold(0, |end, s| (s.from == end).then_some(s.to));
    end.is_some() && end == comparison.shape.get(errors.axis).copied()
}

fn where_worst(slice: &SliceError, errors: &AxisErrors, axis: i64, outcome: Outcome, covered: bool) -> String {
    let last = slice.to.saturating_sub(1).max(slice.from);
    let place = match last == slice.from {
        true => format!("index {last} of axis {axis}"),
        false => format!("indices {} to {last} of axis {axis}", slice.from),
    };
    match outcome {
        Outcome::Unknown if !covered => format!("only {} slices of axis {axis} were measured", errors.slices.len()),
        Outcome::Unknown => format!("one RMSE was measured over {place}; that of a single index may be larger"),
        _ => format!("worst at {place}"),
    }
}

fn by_class(class: Class, limits: &Limits, comparison: &Comparison) -> Option<Criterion> {
    let row = comparison.class(class);
    let allowed = limits.allow.get(&class).copied();
    if allowed.is_none() && row.is_some_and(|r| r.count == 0) {
        return None;
    }
    let most = allowed.unwrap_or(0);
    let limit = if most == Limits::ANY { f64::INFINITY } else { most as f64 };
    let measured = row.map_or(f64::NAN, |r| r.count as f64);
    Some(Criterion {
        name: class.name().to_owned(),
        label: class.words().to_owned(),
        outcome: match row {
            None => Outcome::Unknown,
            Some(row) if row.count <= most => Outcome::Passed,
            Some(_) => Outcome::Failed,
        },
        measured: Number(measured),
        allowed: Number(limit),
        direction: Direction::AtMost,
        used: Number(if limit.is_infinite() { f64::NAN } else { used(0.0, measured, limit) }),
        at: row.and_then(|r| r.first.clone()),
        reason: row.is_none().then(|| "changes of this class were not counted".to_owned()),
    })
}

//! A budget held against an output before it gets its name, and the finest change of the steps that would keep it.

use super::assess::compare::{Ends, compare_ends};
use super::assess::distances;
use super::transposed::Transposed;
use super::{CompareOptions, Resources, fit};
#[cfg(feature = "hdf5")]
use crate::coding::Bound;
use crate::error::{Error, ErrorKind, Result};
use crate::metric::budget::{judge, worst};
use crate::metric::{Criterion, Figure, Limits, Outcome};
use crate::pipeline::{Pipeline, Source};
use crate::transform::{Ask, BitRound, CastTo, Resolution, Step};

/// How fine mantissas and grids are tried at most: beyond that a budget asks for the original.
const TRIES: u8 = 8;

/// What a budget is held against while compacting.
pub(super) struct Budgeted<'a> {
    pub(super) limits: &'a Limits,
    pub(super) resources: &'a Resources<'a>,
    /// The original, in the axis order of the steps.
    pub(super) source: &'a dyn Source,
    /// Whether that is the reverse of what people see.
    pub(super) reversed: bool,
    /// The fill value's bits.
    pub(super) fill: Option<u64>,
}

impl Budgeted<'_> {
    /// Compares the original with what `packed` restores to.
    pub(super) fn judge(&self, pipeline: &Pipeline, packed: &dyn Source) -> Result<Vec<Criterion>> {
        let restoring = pipeline.restoring(packed);
        let share = self.resources.share();
        let (original, restored);
        let (mut ends, unit);
        let steps = pipeline.stages().len();
        if self.reversed {
            original = Transposed::new(self.source, share)?;
            restored = Transposed::new(&restoring, share)?;
            (ends, unit) = (Ends::new(&original, &restored), 1);
        } else {
            (ends, unit) = (Ends::new(self.source, &restoring), pipeline.unit().input);
        }
        ends.original_steps = steps;
        ends.restored_steps = steps;
        ends.unit = unit;
        ends.unit_bytes = if unit > 1 { pipeline.unit_bytes() } else { 0 };
        let mut options = CompareOptions::new(self.resources);
        options.effort = self.limits.effort();
        options.deep = false;
        options.distances = distances(self.limits);
        options.all_eigenvalues = self.limits.figures.contains_key(&Figure::EigenvalueShift);
        options.fill = self.fill;
        options.rel_floor = self.limits.rel_floor.unwrap_or(options.rel_floor);
        options.spatial_tol = self.limits.spatial_tol.unwrap_or(options.spatial_tol);
        Ok(judge(self.limits, &compare_ends(&ends, &options)?))
    }

    /// The criteria, if all are kept; else the refusal, which names each that is not and the finest change of `asks` that
    /// would keep all.
    pub(super) fn hold(&self, criteria: Vec<Criterion>, asks: &[Ask]) -> Result<Vec<Criterion>> {
        hold(criteria, || {
            Ok(match self.finer(asks)? {
                Some(change) => format!("{change} keeps the budget"),
                None => {
                    "no finer setting of these steps keeps it; leave the lossy ones out or widen the budget".to_owned()
                }
            })
        })
    }

    /// The first change of one step, from small to large, that keeps the budget, tried on all of the data.
    fn finer(&self, asks: &[Ask]) -> Result<Option<String>> {
        for (i, ask) in asks.iter().enumerate().rev() {
            for (words, finer) in finer(ask, self.source.spec().dtype().size()) {
                let mut asks = asks.to_vec();
                match finer {
                    Some(finer) => asks[i] = finer,
                    None => {
                        asks.remove(i);
                    }
                }
                if self.keeps(&asks)? {
                    return Ok(Some(words));
                }
            }
        }
        Ok(None)
    }

    /// Whether an array packed with `asks` would keep the budget. Steps that refuse the data do not.
    fn keeps(&self, asks: &[Ask]) -> Result<bool> {
        let settled = fit::settle(self.source, asks, self.resources);
        let pipeline = match settled.and_then(|steps| Pipeline::bind(self.source.spec(), &steps)) {
            Ok(pipeline) => pipeline,
            Err(e) if matches!(e.kind(), ErrorKind::Refused | ErrorKind::Recipe) => return Ok(false),
            Err(e) => return Err(e),
        };
        let packing = pipeline.packing_unmeasured(self.source);
        let criteria = self.judge(&pipeline, &packing)?;
        Ok(criteria.iter().all(|c| c.outcome == Outcome::Passed))
    }
}

/// The criteria, if all are kept; else the refusal with the `remedy`.
pub(super) fn hold(criteria: Vec<Criterion>, remedy: impl FnOnce() -> Result<String>) -> Result<Vec<Criterion>> {
    let worst = worst(&criteria);
    if worst == Outcome::Passed {
        return Ok(criteria);
    }
    let broken: Vec<String> =
        criteria.iter().filter(|c| c.outcome != Outcome::Passed).map(Criterion::sentence).collect();
    let broken = broken.join("\n  ");
    if worst == Outcome::Unknown {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the budget could not be checked, so nothing was kept:\n  {broken}"),
        ));
    }
    Err(Error::new(ErrorKind::Refused, format!("over budget, so nothing was kept:\n  {broken}\n{}", remedy()?)))
}

/// As [`Budgeted::hold`] for an array that was coded within `bound`: how much smaller it would have to be, only coding would tell.
#[cfg(feature = "hdf5")]
pub(super) fn hold_bound(criteria: Vec<Criterion>, bound: &Bound) -> Result<Vec<Criterion>> {
    let asked = |figure: Figure| criteria.iter().find(|c| c.name == figure.name()).map(|c| c.allowed.0);
    let (max_abs, max_rel) = (asked(Figure::MaxAbs), asked(Figure::MaxRel));
    hold(criteria, || {
        Ok(match (bound.max_abs, bound.max_rel) {
            // What the budget says itself, where that is a bound.
            (Some(e), _) if max_abs.is_some_and(|most| most < e) => {
                format!("a smaller bound keeps it: --max-abs {:e}", max_abs.unwrap_or(e))
            }
            (_, Some(e)) if max_rel.is_some_and(|most| most < e) => {
                format!("a smaller bound keeps it: --max-rel {:e}", max_rel.unwrap_or(e))
            }
            (Some(e), _) => format!("a smaller bound may keep it; try --max-abs {:e}", e / 2.0),
            (None, Some(e)) => format!("a smaller bound may keep it; try --max-rel {:e}", e / 2.0),
            (None, None) => "a stricter bound may keep it; try a larger --psnr".to_owned(),
        })
    })
}

/// Finer forms of a request, the smallest change first: in words, and the request (`None`: left out).
fn finer(ask: &Ask, size: usize) -> Vec<(String, Option<Ask>)> {
    let out = |name: &str| (format!("leaving out the step {name}"), None);
    match ask {
        Ask::BitRound(round) | Ask::Settled(Step::BitRound(round)) => {
            let most = match size {
                2 => 10,
                4 => 23,
                _ => 52,
            };
            let bits = (round.keepbits + 1..most).take(usize::from(TRIES));
            bits.map(|keepbits| {
                let words = format!("--keepbits {keepbits} instead of {}", round.keepbits);
                (words, Some(Ask::BitRound(BitRound { keepbits, ..round.clone() })))
            })
            .chain([out("bit-round")])
            .collect()
        }
        Ask::ScaleOffset(grid) => {
            let with = |resolution| {
                let mut finer = grid.clone();
                finer.resolution = resolution;
                Some(Ask::ScaleOffset(finer))
            };
            let tries: Vec<_> = match grid.resolution {
                Resolution::Digits(d) => (1..=i32::from(TRIES))
                    .map(|k| (format!("--scale-offset {} instead of {d}", d + k), with(Resolution::Digits(d + k))))
                    .collect(),
                Resolution::Step(step) => (1..=i32::from(TRIES))
                    .map(|k| step / 2f64.powi(k))
                    .map(|s| (format!("--scale-offset step={s} instead of step={step}"), with(Resolution::Step(s))))
                    .collect(),
                Resolution::Bits(bits) => (bits + 1..=32)
                    .take(usize::from(TRIES))
                    .map(|b| (format!("--scale-offset bits={b} instead of bits={bits}"), with(Resolution::Bits(b))))
                    .collect(),
            };
            tries.into_iter().chain([out("scale-offset")]).collect()
        }
        Ask::Cast(cast) | Ask::Settled(Step::Cast(cast)) => {
            let wider: &[CastTo] = match cast.to {
                CastTo::Bfloat16 => &[CastTo::Float16, CastTo::Float32],
                CastTo::Float16 => &[CastTo::Float32],
                CastTo::Float32 => &[],
            };
            let flag = |to: CastTo| match to {
                CastTo::Float16 => "--f16",
                CastTo::Float32 => "--f32",
                CastTo::Bfloat16 => "--bf16",
            };
            let tries = wider.iter().filter(|to| size > 4 || **to != CastTo::Float32).map(|to| {
                let mut finer = cast.clone();
                finer.to = *to;
                (format!("{} instead of {}", flag(*to), flag(cast.to)), Some(Ask::Cast(finer)))
            });
            tries.chain([out("cast")]).collect()
        }
        _ => Vec::new(),
    }
}

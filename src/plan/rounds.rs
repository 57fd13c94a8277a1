//! Candidates on samples: all on small boxes, then those that may be the smallest on larger ones.
//!
//! Coders that adapt do worse on small boxes than on chunks, each to its own degree, so that small boxes alone order them wrongly;
//! large boxes for all would take as long as the work itself.

use std::sync::Arc;

use super::candidate::Target;
use super::find::Known;
use super::recipes::Recipe;
use super::sample::{Extent, Sample};
use super::trial::{self, Coder, Trial};
use super::wish::Wish;
use crate::engine::{Resources, each};
use crate::error::Result;
use crate::metric::Loss;
use crate::pipeline::{Pipeline, Source};
use crate::transform::Ask;

/// What a `.npy` output has beside its elements: a header with the recipe in its padding.
const NPY_BYTES: u64 = 4224;
/// What an HDF5 output has beside its chunks, and for each of them: superblock, headers, attributes; index entry, frame.
const HDF5_BYTES: u64 = 1400;
const CHUNK_BYTES: u64 = 40;

/// Samples take this part of the memory: with packed forms and what coders keep it becomes a few times as much.
const PART_OF_MEMORY: u64 = 8;

/// The second round may cost this share of coding the whole array with every candidate.
const FINAL_SHARE: f64 = 0.04;
/// At most this part of the array: with more, the whole would be as cheap.
const MOST_FINAL: f64 = 0.5;
/// Those up to so many times the smallest may turn out smaller: small boxes misjudge a coder by less.
const CLOSE: f64 = 2.0;
/// So many of each kind of file go on.
const OF_EACH: usize = 2;

/// What the tries of one recipe came to.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// The last sample it was tried on.
    pub(super) sample: Arc<Sample>,
    /// What it came to there; `None` where its steps refuse values.
    pub(super) trial: Option<Trial>,
    /// What was lost in all rounds.
    pub(super) loss: Loss,
    /// Values that break a pointwise relative bound, in all rounds.
    pub(super) broken: u64,
    /// What the estimates of the first round are multiplied by, for those that were not in the second.
    scale: f64,
}

impl Outcome {
    /// Bytes of the whole file.
    pub(super) fn bytes(&self, recipe: &Recipe, pipeline: &Pipeline) -> u64 {
        let (sample, coded) = (&self.sample, self.trial.as_ref().map_or(0, |t| t.bytes));
        // Of a small sample the coded bytes stand for those of all.
        let scaled = match (sample.whole, sample.elements()) {
            (true, _) | (_, 0) => coded,
            (_, n) => {
                let all = u128::from(coded) * u128::from(sample.of.count()) / u128::from(n);
                (all as f64 * self.scale) as u64
            }
        };
        let steps = &recipe.steps;
        let header = if steps.is_empty() { 0 } else { serde_json::to_vec(steps).map_or(0, |json| json.len() as u64) };
        match recipe.target() {
            Target::Npy => NPY_BYTES + pipeline.output().bytes(),
            Target::Hdf5Zstd => HDF5_BYTES + scaled + sample.chunks * CHUNK_BYTES,
            Target::Hdf5Filtered => HDF5_BYTES + scaled + sample.chunks * (CHUNK_BYTES + header),
        }
    }
}

/// What is tried on what.
#[derive(Clone, Copy)]
pub(super) struct Rounds<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) known: &'a Known,
    pub(super) recipes: &'a [Recipe],
    pub(super) wish: &'a Wish,
    pub(super) resources: &'a Resources<'a>,
}

/// For each way in which candidates begin (nothing, a triangle), the boxes of the array that it makes.
pub(super) type Samples = Vec<(Vec<Ask>, Arc<Sample>)>;

impl Rounds<'_> {
    /// The samples of the first round, and what each recipe came to.
    pub(super) fn run(&self, whole: bool) -> Result<(Samples, Vec<Outcome>)> {
        let all: Vec<usize> = (0..self.recipes.len()).collect();
        let extent = |_: &Recipe| if whole { Extent::Whole } else { Extent::First };
        let samples = self.samples(&all, extent)?;
        let mut outcomes = self.round(&all, &samples)?;
        let finalists = self.finalists(&outcomes)?;
        if finalists.len() > 1 {
            let cost = |i: &usize| cost(&self.recipes[*i]);
            let share = FINAL_SHARE * all.iter().map(cost).sum::<f64>() / finalists.iter().map(cost).sum::<f64>();
            let share = share.min(MOST_FINAL);
            let extent = |r: &Recipe| {
                let of = samples.iter().find(|(base, _)| *base == r.asks[..r.base]);
                Extent::Final(of.map_or(0, |(_, s)| (s.of.bytes() as f64 * share) as u64))
            };
            let larger = self.samples(&finalists, extent)?;
            let mut scales: Vec<(Target, f64)> = Vec::with_capacity(finalists.len());
            for (i, again) in finalists.iter().zip(self.round(&finalists, &larger)?) {
                let first = &mut outcomes[*i];
                first.loss.merge(&again.loss);
                first.broken += again.broken;
                let density = |s: &Sample, t: &Option<Trial>| {
                    t.as_ref().map_or(0.0, |t| t.bytes as f64) / s.elements().max(1) as f64
                };
                let before = density(&first.sample, &first.trial).max(f64::MIN_POSITIVE);
                scales.push((self.recipes[*i].target(), density(&again.sample, &again.trial) / before));
                (first.sample, first.trial) = (again.sample, again.trial);
            }
            // The boxes of the second round lie elsewhere: where these cost more, the others would have cost more there too.
            let most = |of: Option<Target>| {
                let alike = scales.iter().filter(|(target, _)| of.is_none_or(|of| of == *target));
                alike.map(|(_, scale)| *scale).reduce(f64::max)
            };
            for (i, outcome) in outcomes.iter_mut().enumerate().filter(|(i, _)| !finalists.contains(i)) {
                outcome.scale = most(Some(self.recipes[i].target())).or(most(None)).unwrap_or(1.0);
            }
        }
        Ok((samples, outcomes))
    }

    /// Those that may be the smallest, where small boxes do not tell.
    fn finalists(&self, outcomes: &[Outcome]) -> Result<Vec<usize>> {
        let mut ranked = Vec::new();
        let mut least = u64::MAX;
        for (i, (recipe, outcome)) in self.recipes.iter().zip(outcomes).enumerate() {
            let kept = self.wish.judge(&outcome.loss, outcome.broken, recipe.slack) == super::Keeps::Kept;
            if outcome.trial.is_some() && kept && recipe.asked {
                let bytes = outcome.bytes(recipe, &Pipeline::bind(self.source.spec(), &recipe.steps)?);
                least = least.min(bytes);
                ranked.push((bytes, i));
            }
        }
        ranked.sort_unstable();
        let mut finalists = Vec::new();
        for target in [Target::Hdf5Zstd, Target::Hdf5Filtered] {
            let of = ranked.iter().filter(|(bytes, i)| {
                self.recipes[*i].target() == target
                    && *bytes as f64 <= CLOSE * least as f64
                    && outcomes[*i].sample.small
            });
            finalists.extend(of.take(OF_EACH).map(|(_, i)| *i));
        }
        finalists.sort_unstable();
        Ok(finalists)
    }

    fn samples(&self, of: &[usize], extent: impl Fn(&Recipe) -> Extent) -> Result<Samples> {
        let mut samples: Samples = Vec::new();
        for recipe in of.iter().map(|i| &self.recipes[*i]) {
            let (base, steps) = (&recipe.asks[..recipe.base], &recipe.steps[..recipe.base]);
            if samples.iter().any(|(known, _)| known == base) {
                continue;
            }
            let pipeline = Pipeline::bind(self.source.spec(), steps)?;
            let packing = pipeline.packing_unmeasured(self.source);
            let memory = self.resources.memory / PART_OF_MEMORY;
            samples.push((base.to_vec(), Arc::new(Sample::of(&packing, recipe.base > 0, extent(recipe), memory)?)));
        }
        Ok(samples)
    }

    /// The recipes `of` on every box of their base, on all cores; sums do not depend on the order.
    fn round(&self, of: &[usize], samples: &Samples) -> Result<Vec<Outcome>> {
        let spec = self.source.spec();
        let dtype = spec.dtype();
        let fill = self.known.fill.filter(|_| dtype.part() == dtype).map(|f| f.bits(dtype)).transpose()?;
        let sampled: Vec<(&Recipe, &Arc<Sample>)> = of
            .iter()
            .map(|i| &self.recipes[*i])
            .filter_map(|r| samples.iter().find(|(base, _)| *base == r.asks[..r.base]).map(|(_, s)| (r, s)))
            .collect();
        let tasks: Vec<(usize, usize)> =
            sampled.iter().enumerate().flat_map(|(i, (_, s))| (0..s.pieces.len()).map(move |p| (i, p))).collect();
        let trials = each(tasks.len(), self.resources, |t| {
            let (i, p) = tasks[t];
            let (recipe, piece) = (sampled[i].0, &sampled[i].1.pieces[p]);
            let (before, steps) = recipe.steps.split_at(recipe.base);
            let pipeline = Pipeline::bind(spec, before)?;
            piece.with_values(&pipeline.packing_unmeasured(self.source), |values| {
                trial::run(&piece.spec, values, steps, recipe.coder, &self.wish.coding.bound, fill)
            })
        })?;
        let mut sums: Vec<Option<Trial>> = vec![Some(Trial::default()); sampled.len()];
        for ((i, _), trial) in tasks.iter().zip(&trials) {
            match (&mut sums[*i], trial) {
                (Some(sum), Some(trial)) => sum.merge(trial),
                (sum, _) => *sum = None,
            }
        }
        let outcome = |((_, sample), trial): (&(&Recipe, &Arc<Sample>), Option<Trial>)| Outcome {
            sample: Arc::clone(sample),
            loss: trial.as_ref().map(|t| t.loss.clone()).unwrap_or_default(),
            broken: trial.as_ref().map_or(0, |t| t.broken),
            trial,
            scale: 1.0,
        };
        Ok(sampled.iter().zip(sums).map(outcome).collect())
    }
}

/// Roughly how long a candidate takes, as a share of zstd's: fixed, so that no clock decides.
fn cost(recipe: &Recipe) -> f64 {
    match recipe.coder {
        Coder::Plain => 0.1,
        Coder::Zstd => 1.0,
        Coder::Coded(coding) => match coding.effort.level() {
            0..=3 => 1.0,
            4..=6 => 3.0,
            _ => 10.0,
        },
    }
}

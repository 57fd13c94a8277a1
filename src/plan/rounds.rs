//! Candidates on samples: all on small boxes, then those that may be the smallest on larger ones.
//!
//! Coders that adapt do worse on small boxes than on chunks, each to its own degree, so that small boxes alone order them wrongly;
//! large boxes for all would take as long as the work itself.

use std::sync::Arc;

use super::NO_HURRY_BYTES;
use super::candidate::Target;
use super::find::Known;
use super::recipes::Recipe;
use super::sample::{self, Extent, Sample};
use super::trial::{self, Coder, Trial};
use super::wish::Wish;
use crate::array::Spec;
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

/// Packed matrices up to this size stay whole in a chunk; larger ones are cut into tiles of about the size below.
const MATRIX_BYTES: u64 = 4 << 20;
const TILE_BYTES: u64 = 1 << 20;

/// Samples take this part of the memory: with packed forms and what coders keep it becomes a few times as much.
const PART_OF_MEMORY: u64 = 8;

/// The second round may cost this share of coding the whole array with every candidate.
const FINAL_SHARE: f64 = 0.02;
/// … and this where a plan takes the highest effort anyway, which leaves less to choose.
const FINAL_SHARE_NO_HURRY: f64 = 0.006;
/// At most this part of the array: with more, the whole would be as cheap.
const MOST_FINAL: f64 = 0.5;
/// Those up to so many times the smallest may turn out smaller: small boxes misjudge a coder by less.
const CLOSE: f64 = 1.5;
/// So many of HDF5's own filters go on, and so many of the filtered layout.
const MOST_ZSTD: usize = 1;
const MOST_CODED: usize = 3;

/// Where a plan takes the highest effort anyway, slow ones are tried on so many of the boxes, for the table alone: with all of
/// them 17 of 65 plans took more than a tenth of the exhaustive search's time, with two 11, with one 1 or 2.
const SLOW_BOXES: usize = 1;
/// What slow efforts gain on small boxes, they gain on chunks to this power: they gain by what repeats, and more repeats there.
const MORE_REPEATS: i32 = 2;
/// Where zstd comes to at most so many times what a quick effort does, much repeats, …
const REPEATS: f64 = 1.25;
/// … and the long searches of slow efforts are expected to gain at least this, whatever small boxes say.
const LONG_SEARCH: f64 = 0.95;

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
        if !finalists.is_empty() {
            let cost = |i: &usize| cost(&self.recipes[*i]);
            let share = if self.no_hurry() { FINAL_SHARE_NO_HURRY } else { FINAL_SHARE };
            let share = share * all.iter().map(cost).sum::<f64>() / finalists.iter().map(cost).sum::<f64>();
            let share = share.min(MOST_FINAL);
            let extent = |r: &Recipe| {
                let of = samples.iter().find(|(base, _)| *base == r.asks[..r.base]);
                Extent::Final(of.map_or(0, |(_, s)| (s.of.bytes() as f64 * share) as u64))
            };
            let larger = self.samples(&finalists, extent)?;
            let again = self.round(&finalists, &larger)?;
            self.take(&finalists, again, &mut outcomes)?;
        }
        Ok((samples, outcomes))
    }

    /// Puts what the second round told into `outcomes`: for the finalists what they came to, for the others a factor.
    fn take(&self, finalists: &[usize], again: Vec<Outcome>, outcomes: &mut [Outcome]) -> Result<()> {
        let density =
            |s: &Sample, t: &Option<Trial>| t.as_ref().map_or(0.0, |t| t.bytes as f64) / s.elements().max(1) as f64;
        let firsts: Vec<f64> = outcomes.iter().map(|o| density(&o.sample, &o.trial).max(f64::MIN_POSITIVE)).collect();
        let mut scales: Vec<(usize, f64)> = Vec::with_capacity(finalists.len());
        for (i, again) in finalists.iter().zip(again) {
            let first = &mut outcomes[*i];
            first.loss.merge(&again.loss);
            first.broken += again.broken;
            scales.push((*i, density(&again.sample, &again.trial) / firsts[*i]));
            (first.sample, first.trial) = (again.sample, again.trial);
        }
        // The boxes of the second round lie elsewhere: where these cost more, the others would have cost more there too.
        let most = |of: Option<Target>| {
            let alike = scales.iter().filter(|(i, _)| of.is_none_or(|of| of == self.recipes[*i].target()));
            alike.map(|(_, scale)| *scale).reduce(f64::max)
        };
        let zstd = self.kept(outcomes, |i| finalists.contains(&i) && self.recipes[i].coder == Coder::Zstd)?;
        for i in (0..outcomes.len()).filter(|i| !finalists.contains(i)) {
            let recipe = &self.recipes[i];
            let quick = self.quicker(i).and_then(|q| Some((q, scales.iter().find(|(i, _)| *i == q)?.1)));
            outcomes[i].scale = match quick {
                Some((q, scale)) => {
                    // As the same coding at a quick effort, times what was gained beside that.
                    let gain = (firsts[i] / firsts[q]).min(1.0).powi(MORE_REPEATS);
                    let coded = self.bytes(q, outcomes)? as f64;
                    let repeats = zstd.first().is_some_and(|(bytes, _)| *bytes as f64 <= coded * REPEATS);
                    let gain = if repeats { gain.min(LONG_SEARCH) } else { gain };
                    scale * gain * firsts[q] / firsts[i]
                }
                None => most(Some(recipe.target())).or(most(None)).unwrap_or(1.0),
            };
        }
        Ok(())
    }

    /// Bytes of the whole file of recipe `i`.
    fn bytes(&self, i: usize, outcomes: &[Outcome]) -> Result<u64> {
        let recipe = &self.recipes[i];
        Ok(outcomes[i].bytes(recipe, &Pipeline::bind(self.source.spec(), &recipe.steps)?))
    }

    /// The recipe that differs from the slow recipe `i` by the highest of the quick efforts.
    fn quicker(&self, i: usize) -> Option<usize> {
        let slow = &self.recipes[i];
        let (Coder::Coded(coding), true) = (slow.coder, slow.is_slow()) else { return None };
        let alike = |r: &Recipe| match r.coder {
            Coder::Coded(c) => c.bound == coding.bound && r.steps == slow.steps && r.base == slow.base && !r.is_slow(),
            _ => false,
        };
        let quick = (0..self.recipes.len()).filter(|i| alike(&self.recipes[*i]));
        quick.max_by_key(|i| self.recipes[*i].effort())
    }

    /// Where among `of` the quick recipe stands that tells how the slow recipe `i` does on boxes it is not tried on.
    fn beside(&self, i: usize, of: &[usize]) -> Option<usize> {
        let quick = self.quicker(i).filter(|_| self.no_hurry())?;
        of.iter().position(|o| *o == quick)
    }

    fn no_hurry(&self) -> bool {
        self.source.spec().bytes() <= NO_HURRY_BYTES
    }

    /// Those that `of` admits and that keep what was asked for, with their bytes, the smallest first.
    fn kept(&self, outcomes: &[Outcome], of: impl Fn(usize) -> bool) -> Result<Vec<(u64, usize)>> {
        let mut kept = Vec::new();
        for (i, (recipe, outcome)) in self.recipes.iter().zip(outcomes).enumerate() {
            let keeps = self.wish.judge(&outcome.loss, outcome.broken, recipe.slack) == super::Keeps::Kept;
            if outcome.trial.is_some() && keeps && recipe.asked && of(i) {
                kept.push((self.bytes(i, outcomes)?, i));
            }
        }
        kept.sort_unstable();
        Ok(kept)
    }

    /// Those that may be the smallest, where small boxes do not tell. What a slow effort comes to is told by a quick one.
    fn finalists(&self, outcomes: &[Outcome]) -> Result<Vec<usize>> {
        let kept = self.kept(outcomes, |i| self.quicker(i).is_none())?;
        let least = kept.first().map_or(0, |(bytes, _)| *bytes);
        let mut finalists = Vec::new();
        for (target, most) in [(Target::Hdf5Zstd, MOST_ZSTD), (Target::Hdf5Filtered, MOST_CODED)] {
            let of = kept.iter().filter(|(bytes, i)| {
                self.recipes[*i].target() == target
                    && *bytes as f64 <= CLOSE * least as f64
                    && outcomes[*i].sample.small
            });
            finalists.extend(of.take(most).map(|(_, i)| *i));
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
            let chunk = self.chunk(recipe.base > 0, pipeline.output());
            samples.push((base.to_vec(), Arc::new(Sample::of(&packing, &chunk, extent(recipe), memory)?)));
        }
        Ok(samples)
    }

    /// The chunks of `packed`, the array or the packed triangles of its matrices: as the array's own are.
    fn chunk(&self, triangles: bool, packed: &Spec) -> Vec<u64> {
        if !triangles {
            return sample::chunk(packed, 0);
        }
        let row = packed.last_axis();
        let size = packed.dtype().size() as u64;
        if row * size > MATRIX_BYTES {
            // Cut into tiles.
            return sample::cut(packed.shape(), size, TILE_BYTES, packed.shape().len());
        }
        let mut chunk = sample::chunk(self.source.spec(), 2);
        chunk.truncate(packed.shape().len().saturating_sub(1));
        chunk.push(row);
        chunk
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
        // The quick recipe that a slow one is read beside, where it need not run on all boxes.
        let beside: Vec<Option<usize>> =
            of.iter().zip(&sampled).map(|(i, (_, s))| self.beside(*i, of).filter(|_| !s.whole)).collect();
        let boxes = |i: usize, s: &Sample| match beside[i] {
            Some(_) => s.pieces.len().min(SLOW_BOXES),
            None => s.pieces.len(),
        };
        // Evenly among all.
        let tasks: Vec<(usize, usize)> = (sampled.iter().enumerate())
            .flat_map(|(i, (_, s))| {
                let (n, all) = (boxes(i, s), s.pieces.len());
                (0..n).map(move |j| (i, (2 * j + 1) * all / (2 * n)))
            })
            .collect();
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
        for (i, quick) in beside.iter().enumerate() {
            let (Some(quick), Some(sum)) = (quick, &mut sums[i]) else { continue };
            let bytes =
                |p: usize| tasks.iter().zip(&trials).find(|(t, _)| **t == (*quick, p))?.1.as_ref().map(|t| t.bytes);
            let pieces = &sampled[i].1.pieces;
            let tried: Vec<usize> = tasks.iter().filter(|t| t.0 == i).map(|t| t.1).collect();
            let some: u64 = tried.iter().filter_map(|p| bytes(*p)).sum();
            let all: u64 = (0..pieces.len()).filter_map(bytes).sum();
            let elements: u64 = tried.iter().map(|p| pieces[*p].spec.count()).sum();
            sum.stand_for(all as f64 / some.max(1) as f64, sampled[i].1.elements() as f64 / elements.max(1) as f64);
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

/// Roughly how long a candidate takes, as a multiple of zstd's time: fixed, so that no clock decides.
fn cost(recipe: &Recipe) -> f64 {
    match recipe.coder {
        Coder::Plain => 0.1,
        Coder::Zstd => 1.0,
        Coder::Coded(coding) => match coding.effort.level() {
            0..=3 => 2.0,
            4..=5 => 4.0,
            6 => 6.0,
            7..=8 => 20.0,
            _ => 100.0,
        },
    }
}

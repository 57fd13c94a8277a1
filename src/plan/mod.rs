//! Which recipe? What the data already are, candidates tried on samples, and the one to run.
//!
//! First every value is looked at ([`Finding`]s, each proved by running its steps on the whole array), then candidates are tried on
//! boxes spread over the array ([`Candidate`]s).
//!
//! The choice: of all candidates that keep what was asked for, those whose estimated size is within 2 % of the smallest are as good;
//! of them the one of the fastest class of coder is taken (0 none; 1 HDF5's own filters; 2, 3, 4, 5 the filtered layout at efforts 1
//! to 3, 4 and 5, 6 to 8, 9), of these the smallest, of these the first of the list. Arrays of up to 8 MiB are coded in seconds at
//! any effort, and small samples of them tell little of what long searches find: there it is the highest effort. Measured times are told but decide nothing, so
//! that the same array and the same wish give the same choice on every machine.

mod candidate;
mod find;
mod finding;
mod flags;
mod look;
mod recipes;
mod rounds;
mod sample;
mod symmetry;
mod trial;
mod wish;

use serde::Serialize;

pub use candidate::{Candidate, Keeps, Target};
pub use finding::{Finding, Kind};
pub use wish::limits;

use crate::array::{DType, Spec};
use crate::coding::{Bound, Coding, CodingAsk, Effort};
use crate::engine::{Reader, Resources, with_array};
use crate::error::{Result, refuse};
use crate::metric::Limits;
use crate::pipeline::Pipeline;
use crate::store::{Format, Place};
use crate::transform::{Ask, Fill};
use find::Known;
use recipes::{Recipe, Wanted};
use rounds::{Outcome, Rounds};
use sample::Sample;
use trial::{Coder, Trial};
use wish::Wish;

/// Up to this size every effort takes seconds.
const NO_HURRY_BYTES: u64 = 8 << 20;

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions<'a> {
    /// What may be lost; with nothing given, nothing.
    pub ask: Option<CodingAsk>,
    /// How hard the coding may try; without it several efforts are tried.
    pub effort: Option<Effort>,
    /// A budget: candidates that break it on the sample are not chosen. Without `ask` its limits are what may be lost.
    pub budget: Option<&'a Limits>,
    /// The fill value, where the file declares none or another one.
    pub fill: Option<Fill>,
    /// Try every candidate on the whole array, which gives exact sizes and takes long.
    pub whole: bool,
    /// Whether `.npy` files may be made.
    pub npy: bool,
    /// Whether HDF5 files may be made.
    pub hdf5: bool,
    /// Whether HDF5 files behind this program's filter may be made.
    pub filtered: bool,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

impl Default for PlanOptions<'_> {
    fn default() -> Self {
        let hdf5 = cfg!(feature = "hdf5");
        Self {
            ask: None,
            effort: None,
            budget: None,
            fill: None,
            whole: false,
            npy: true,
            hdf5,
            filtered: hdf5,
            resources: Resources::default(),
        }
    }
}

/// What candidates were tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// Boxes of the array.
    pub boxes: u64,
    /// Bytes of their elements.
    pub bytes: u64,
    /// Whether they are the whole array, so that sizes and errors are those of all of it.
    pub whole: bool,
}

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The steps that are asked for, in order.
    pub asks: Vec<Ask>,
    /// The fill value, where the file declares none.
    pub fill: Option<Fill>,
    /// The coding behind them; `None` for plain layouts.
    pub coding: Option<CodingAsk>,
    /// The kind of file.
    pub target: Target,
    /// All of it as flags of the command line, without input and output.
    pub flags: String,
}

impl Choice {
    /// The format of the file.
    pub fn format(&self) -> Format {
        if self.target == Target::Npy { Format::Npy } else { Format::Hdf5 }
    }
}

/// What the data are, what was tried, and what to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The array, as written on a command line.
    pub place: String,
    /// Its dtype.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Bytes of its elements.
    pub array_bytes: u64,
    /// Bytes it takes on disk now.
    pub stored_bytes: u64,
    /// The fill value: declared, given or found.
    pub fill: Option<Fill>,
    /// What the data already are.
    pub findings: Vec<Finding>,
    /// What may be lost, as it was asked for.
    pub asked: Option<CodingAsk>,
    /// The same in numbers that hold for this array.
    pub bound: Bound,
    /// What candidates were tried on.
    pub sample: Sampled,
    /// The candidates, lossless ones first.
    pub candidates: Vec<Candidate>,
    /// The flags of the best one.
    pub best: Option<String>,
    #[serde(skip)]
    flag_fill: Option<Fill>,
    #[serde(skip)]
    bounds: Option<(f64, f64)>,
}

impl Plan {
    /// What to run: the best candidate; `None` where none keeps what was asked for.
    pub fn best(&self) -> Option<Choice> {
        self.ranked().into_iter().next()
    }

    /// What to run, and what to run where the whole array breaks what a sample promised: the best first.
    pub fn ranked(&self) -> Vec<Choice> {
        let order = candidate::ranking(&self.candidates, self.array_bytes <= NO_HURRY_BYTES);
        order.into_iter().filter_map(|i| self.candidates.get(i)).map(|c| self.choice(c)).collect()
    }

    fn choice(&self, candidate: &Candidate) -> Choice {
        Choice {
            asks: candidate.asks.clone(),
            fill: self.flag_fill,
            coding: candidate.coding,
            target: candidate.target,
            flags: candidate.flags.clone(),
        }
    }
}

/// Plans how to make the array at `place` small.
///
/// Memory: blocks in flight and samples, within the bound of `options.resources`. Time: a few passes over the array, and each
/// candidate on a thirty-second of it (at most 16 MiB; arrays of up to 128 KiB whole), then the few that may be the smallest on more.
/// A slow effort is judged by what it gains over a quick one on the same boxes, on one box alone where the highest effort is taken
/// anyway (arrays of up to 8 MiB).
///
/// # Errors
/// `Usage` for an array that is compacted already, and for limits that cannot be; else what reading the file gives.
pub fn plan(place: &Place, options: &PlanOptions<'_>) -> Result<Plan> {
    let reader = Reader::at(place)?;
    if reader.record().is_some_and(|record| !record.is_original()) {
        return refuse!(Usage, "{place} is compacted already; restore it first, or plan for its original");
    }
    let declared = match options.fill {
        Some(fill) => Some(fill),
        None => reader.opened().fill()?,
    };
    if let Some(fill) = options.fill {
        let dtype = reader.spec().dtype();
        if dtype.part() == dtype {
            fill.bits(dtype)?;
        }
    }
    let resources = &options.resources;
    let stored_bytes = reader.opened().stored_bytes();
    with_array(&reader, resources, |source| {
        let known = find::find(source, declared, options.fill.is_some(), resources)?;
        let wish = Wish::new(options, known.look.bounds())?;
        let wanted = Wanted {
            ask: wish.ask.as_ref(),
            coding: &wish.coding,
            effort: options.effort,
            npy: options.npy,
            hdf5: options.hdf5,
            coded: options.filtered && options.hdf5,
        };
        let recipes = recipes::list(source, &known, wanted)?;
        let rounds = Rounds { source, known: &known, recipes: &recipes, wish: &wish, resources };
        let (samples, outcomes) = rounds.run(options.whole)?;
        let spec = source.spec();
        let mut candidates = (recipes.iter().zip(&outcomes))
            .map(|(recipe, outcome)| told(spec, &known, recipe, outcome, &wish))
            .collect::<Result<Vec<Candidate>>>()?;
        candidate::mark(&mut candidates, source.spec().bytes() <= NO_HURRY_BYTES);
        let sampled = samples.first().map_or(Sampled { boxes: 0, bytes: 0, whole: true }, |(_, s)| Sampled {
            boxes: s.pieces.len() as u64,
            bytes: s.bytes(),
            whole: s.whole,
        });
        Ok(Plan {
            place: place.to_string(),
            dtype: source.spec().dtype(),
            shape: source.spec().shape().to_vec(),
            array_bytes: source.spec().bytes(),
            stored_bytes,
            fill: known.fill,
            flag_fill: known.flag_fill(),
            bounds: known.look.bounds(),
            asked: wish.ask,
            bound: wish.coding.bound,
            sample: sampled,
            best: candidates.iter().find(|c| c.best).map(|c| c.flags.clone()),
            findings: known.findings,
            candidates,
        })
    })
}

/// What a recipe came to.
fn told(spec: &Spec, known: &Known, recipe: &Recipe, outcome: &Outcome, wish: &Wish) -> Result<Candidate> {
    let pipeline = Pipeline::bind(spec, &recipe.steps)?;
    let target = recipe.target();
    let none = Trial::default();
    let (sample, trial) = (&*outcome.sample, outcome.trial.as_ref());
    let sum = trial.unwrap_or(&none);
    let bytes = match trial {
        Some(_) => outcome.bytes(recipe, &pipeline),
        None => 0,
    };
    let rate = |time: std::time::Duration| sum_bytes(sample, spec) / time.as_secs_f64().max(1e-9) / 1e6;
    Ok(Candidate {
        flags: written(known, recipe),
        target,
        asks: recipe.asks.clone(),
        coding: recipe.coding,
        bytes,
        estimated: target != Target::Npy && !sample.whole,
        ratio: if bytes == 0 { 0.0 } else { spec.bytes() as f64 / bytes as f64 },
        max_error: outcome.loss.max_abs() + recipe.slack,
        rmse: outcome.loss.rmse(),
        encode_mb_s: rate(sum.encode),
        decode_mb_s: rate(sum.decode),
        speed_class: speed_class(recipe),
        reads: reads(recipe, target).to_owned(),
        keeps: match trial {
            None => Keeps::Refused,
            Some(_) if !recipe.asked => Keeps::NotAsked,
            Some(_) => wish.judge(&outcome.loss, outcome.broken, recipe.slack),
        },
        front: false,
        best: false,
    })
}

/// Bytes of the original that a sample stands for.
fn sum_bytes(sample: &Sample, spec: &Spec) -> f64 {
    sample.elements() as f64 / sample.of.count().max(1) as f64 * spec.bytes() as f64
}

/// A recipe as flags.
fn written(known: &Known, recipe: &Recipe) -> String {
    let steps = flags::of_steps(&recipe.asks, known.flag_fill());
    match (recipe.coder, &recipe.coding) {
        (Coder::Coded(_), Some(coding)) => {
            let fill = known.flag_fill().filter(|_| !steps.contains("--fill")).map(flags::fill_flag);
            let words = [Some(steps), Some(flags::of_coding(coding)), fill];
            words.into_iter().flatten().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
        }
        (Coder::Zstd, _) => {
            [steps, "--codec zstd".to_owned()].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
        }
        _ => steps,
    }
}

fn speed_class(recipe: &Recipe) -> u8 {
    match recipe.coder {
        Coder::Plain => 0,
        Coder::Zstd => 1,
        Coder::Coded(Coding { effort, .. }) => match effort.level() {
            0..=3 => 2,
            4..=5 => 3,
            6..=8 => 4,
            _ => 5,
        },
    }
}

/// What opens the file without this program, and what it shows.
fn reads(recipe: &Recipe, target: Target) -> &'static str {
    let has = |name: &str| recipe.asks.iter().any(|a| a.name() == name);
    match target {
        Target::Hdf5Filtered => "h5py with the filter: the values themselves",
        Target::Npy if has("bitpack") => "np.load, then unpack the bits",
        Target::Npy if has("scale-offset") => "np.load gives codes: value = code * step + offset",
        Target::Npy if has("triangle") => "np.load gives the triangle",
        Target::Npy => "np.load",
        Target::Hdf5Zstd if has("scale-offset") && !has("triangle") => "xarray (CF), with hdf5plugin",
        Target::Hdf5Zstd if has("scale-offset") => "h5py gives codes of the triangle, with hdf5plugin",
        Target::Hdf5Zstd if has("triangle") => "h5py gives the triangle, with hdf5plugin",
        Target::Hdf5Zstd => "h5py, with hdf5plugin",
    }
}

//! `compact plan FILE` and `compact FILE --auto` on all arrays of a file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::{CompactArgs, PlanArgs};
use super::voice::Voice;
use super::{assessing, many_table, names, options, plan_table, planning, progress};
use crate::engine::{
    CompactGroup, CompactOptions, Many, ManyOptions, Member, Places, Skipped, Target, compact, compact_many, places,
};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::Limits;
use crate::plan::{Choice, Plan, PlanOptions, limits, plan};
use crate::store::{Format, NpzCodec, Pattern, Place};

/// The plans of all arrays of a file.
#[derive(Serialize)]
struct Told {
    arrays: Vec<Named>,
    /// What was left out since it is no array of numbers.
    skipped: Vec<Skipped>,
}

/// The plan of one of them.
#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    plan: Plan,
    /// The command line of the best candidate.
    command: Option<String>,
}

/// What ran, and as what.
#[derive(Serialize)]
struct Ran<'a> {
    #[serde(flatten)]
    many: &'a Many<Member>,
    /// The flags that were chosen for each array; those that are not here are kept as they are.
    chosen: &'a BTreeMap<String, String>,
}

/// Plans every array by itself, and tells the plans.
pub(super) fn run(input: &Place, args: &PlanArgs, voice: &Voice) -> Result<()> {
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let Places { arrays, skipped } = places(input, &[], true)?;
    if let Some(budget) = &budget {
        budget.check_names(arrays.iter().map(|(name, _)| name.as_str()))?;
    }
    let ask = args.bound.ask()?;
    let given = args.output.as_deref();
    let formats = match given.map(|text| Format::of_name(&names::place(text).path)) {
        Some(Some(Format::Npz)) => (true, false),
        _ => planning::formats(given)?,
    };
    let arrays = progress::with_bar(voice.shows_progress(), |tell| {
        let plan_one = |(name, place): (String, Place)| {
            let usual = PlanOptions::default();
            let settings = PlanOptions {
                ask,
                effort: args.bound.effort,
                budget: budget.as_ref().map(|b| b.of(Some(&name))),
                fill: args.fill,
                whole: args.whole,
                npy: formats.0,
                hdf5: formats.1 && usual.hdf5,
                filtered: formats.1 && usual.filtered,
                resources: options::resources(&args.run, tell),
            };
            let plan = plan(&place, &settings)?;
            // A line for one array needs an output of its own.
            let command = match plan.best() {
                Some(choice) if given.is_none() => Some(planning::command(&place, None, &choice, args)?),
                _ => None,
            };
            Ok(Named { name, plan, command })
        };
        arrays.into_iter().map(plan_one).collect::<Result<Vec<_>>>()
    })?;
    let told = Told { arrays, skipped };
    voice.result(&told, |paint| {
        let tables = told.arrays.iter().map(|a| plan_table::plan(&a.plan, a.command.as_deref(), paint));
        let left = told.skipped.iter().map(|s| paint.warn(&format!("left out: {}: {}", s.name, s.why)) + "\n");
        tables.chain(left).collect::<Vec<_>>().join("\n")
    })
}

/// An array, and what may be run on it: the best first.
struct Planned {
    name: String,
    place: Place,
    choices: Vec<Choice>,
    /// The one that is run; behind the last one the array is kept as it is.
    at: usize,
    limits: Option<Limits>,
}

impl Planned {
    fn choice(&self) -> Option<&Choice> {
        self.choices.get(self.at)
    }
}

/// Plans every array, runs the best candidate of each, and holds each array of the output against what was asked for before the file
/// gets its name. Where an array breaks what its samples promised, its next one is run; one without any is kept as it is.
pub(super) fn auto(input: &Place, args: &CompactArgs, voice: &Voice) -> Result<()> {
    if args.sidecar {
        return refuse!(Usage, "--sidecar is for a .npy output; several arrays have their recipes with them");
    }
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let ask = args.bounds.bound.ask()?;
    let place = names::compacted_many(input, args.output.output.as_deref(), ask.is_some())?;
    options::check(&args.output, false, Some(&place))?;
    let to_npz = Format::of_name(&place.path) == Some(Format::Npz);
    let target = options::target(&args.output, Some(place.clone()));
    let (only, skip_others) = (args.many.only.patterns()?, args.many.only.skip_others);
    let arrays = places(input, &only, skip_others)?.arrays;
    if let Some(budget) = &budget {
        budget.check_names(places(input, &[], true)?.arrays.iter().map(|(name, _)| name.as_str()))?;
    }
    let (many, chosen) = progress::with_bar(voice.shows_progress(), |tell| {
        let resources = options::resources(&args.run, tell);
        let plan_one = |(name, place): (String, Place)| {
            let usual = PlanOptions::default();
            let budget = budget.as_ref().map(|b| b.of(Some(&name)));
            let settings = PlanOptions {
                ask,
                effort: args.bounds.bound.effort,
                budget,
                fill: args.steps.fill,
                whole: false,
                npy: to_npz,
                hdf5: !to_npz && usual.hdf5,
                filtered: !to_npz && usual.filtered,
                resources,
            };
            let plan = plan(&place, &settings)?;
            let limits = limits(&plan, budget)?;
            Ok(Planned { name, place, choices: plan.ranked(), at: 0, limits })
        };
        let mut arrays = arrays.into_iter().map(plan_one).collect::<Result<Vec<Planned>>>()?;
        loop {
            let groups = arrays.iter().filter_map(|array| {
                let options = planning::settings(array.choice()?, array.limits.as_ref(), args, resources);
                Some(CompactGroup { patterns: vec![Pattern::exactly(&array.name)], options })
            });
            let settings = ManyOptions {
                common: CompactOptions {
                    replace: options::replace(&args.output),
                    sync: args.output.sync,
                    // Lossless, and every NumPy reads it.
                    npz: if to_npz { NpzCodec::Deflate.with(None)? } else { Default::default() },
                    resources,
                    ..CompactOptions::default()
                },
                groups: groups.collect(),
                only: only.clone(),
                skip_others,
                budget: None,
            };
            match compact_many(input, &target, &settings) {
                Ok(many) => {
                    let flags = |a: &Planned| Some((a.name.clone(), a.choice()?.flags.clone()));
                    return Ok((many, arrays.iter().filter_map(flags).collect::<BTreeMap<_, _>>()));
                }
                Err(e) if e.kind() == ErrorKind::Refused => next_choices(&mut arrays, e, |array, choice| {
                    let settings = planning::settings(choice, array.limits.as_ref(), args, resources);
                    compact(&array.place, &Target::DryRun, &settings).map(drop)
                })?,
                Err(e) => return Err(e),
            }
        }
    })?;
    let in_the_way = Some(place).filter(|p| args.output.dry_run && !args.output.force && p.path.exists());
    voice.result(&Ran { many: &many, chosen: &chosen }, |paint| {
        many_table::compacted(&many, in_the_way.as_ref(), Some(&chosen), paint)
    })
}

/// Takes the next choice of each array that breaks what its samples promised, as `dry_run` of all of it tells; `refusal` where it is
/// none.
fn next_choices(
    arrays: &mut [Planned],
    refusal: Error,
    dry_run: impl Fn(&Planned, &Choice) -> Result<()>,
) -> Result<()> {
    let mut changed = false;
    for array in arrays {
        let Some(choice) = array.choice() else { continue };
        match dry_run(array, choice) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Refused => {
                array.at += 1;
                changed = true;
            }
            Err(e) => return Err(e),
        }
    }
    if changed { Ok(()) } else { Err(refusal) }
}

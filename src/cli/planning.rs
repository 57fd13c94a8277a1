//! `compact plan INPUT` and `compact INPUT --auto`.

use std::ffi::OsStr;

use serde::Serialize;

use super::args::{CompactArgs, PlanArgs};
use super::voice::Voice;
use super::{assessing, compacting, many, names, options, plan_table, planning_many, progress, table};
#[cfg(feature = "hdf5")]
use crate::engine::CodedOptions;
use crate::engine::{CompactOptions, Report, Resources, Target, compact};
use crate::error::{ErrorKind, Result, refuse};
use crate::metric::Limits;
use crate::plan::{Choice, Plan, PlanOptions, limits, plan};
#[cfg(feature = "hdf5")]
use crate::store::hdf5::ChunkAsk;
use crate::store::{Format, Place};

/// A plan and the line that runs it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// The command line of the best candidate.
    command: Option<&'a str>,
}

/// What ran, and as what.
#[derive(Serialize)]
struct Ran<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// The flags of the candidate that was run.
    chosen: &'a str,
}

/// Plans, and tells the plan.
pub(super) fn run(args: &PlanArgs, voice: &Voice) -> Result<()> {
    let input = compacting::input(&args.input)?;
    if many::is_meant(&input, false, args.output.as_deref())? {
        return planning_many::run(&input, args, voice);
    }
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let limits = budget.as_ref().map(|b| assessing::limits_of(b, &input)).transpose()?;
    let ask = args.bound.ask()?;
    let given = args.output.as_deref();
    let formats = formats(given)?;
    let plan = progress::with_bar(voice.shows_progress(), |tell| {
        let usual = PlanOptions::default();
        let settings = PlanOptions {
            ask,
            effort: args.bound.effort,
            budget: limits,
            fill: args.fill,
            whole: args.whole,
            npy: formats.0,
            hdf5: formats.1 && usual.hdf5,
            filtered: formats.1 && usual.filtered,
            resources: options::resources(&args.run, tell),
        };
        plan(&input, &settings)
    })?;
    let command = match plan.best() {
        Some(choice) if !names::is_stdin(&input) => Some(command(&input, given, &choice, args)?),
        _ => None,
    };
    voice.result(&Told { plan: &plan, command: command.as_deref() }, |paint| {
        plan_table::plan(&plan, command.as_deref(), paint)
    })
}

/// The line that runs `choice`.
pub(super) fn command(input: &Place, given: Option<&OsStr>, choice: &Choice, args: &PlanArgs) -> Result<String> {
    use super::readers::shell;
    let output = place(input, given, choice)?;
    let mut words = vec!["compact".to_owned(), shell(&input.to_string())];
    if !choice.flags.is_empty() {
        words.push(choice.flags.clone());
    }
    if let Some(budget) = &args.budget {
        words.extend(["--budget".to_owned(), shell(&budget.display().to_string())]);
    }
    words.extend(["-o".to_owned(), shell(&output.to_string())]);
    Ok(words.join(" "))
}

/// Plans, runs the best candidate, and holds the whole of its output against what was asked for before it gets its name; where
/// the array breaks what the samples promised, the next one is run.
pub(super) fn auto(args: &CompactArgs, voice: &Voice) -> Result<()> {
    let input = compacting::input(args.input.as_deref().unwrap_or_default())?;
    if names::is_stdin(&input) {
        return refuse!(Usage, "--auto reads its input twice; write standard input to a file first");
    }
    if !args.many.groups.is_empty() {
        return refuse!(Usage, "--auto chooses the steps of every array; leave --auto or --select out");
    }
    if !args.steps.are_none() {
        return refuse!(Usage, "--auto chooses the steps; leave --auto or the steps out");
    }
    if args.output.codec.is_some() || args.output.level.is_some() {
        return refuse!(Usage, "--auto chooses the codec; leave --auto or --codec and --level out");
    }
    if args.bounds.layout.is_some() || args.bounds.chunks.is_some() {
        return refuse!(Usage, "--auto chooses the layout; leave --auto or --layout and --chunks out");
    }
    if many::is_meant(&input, args.many.are_given(), args.output.output.as_deref())? {
        return planning_many::auto(&input, args, voice);
    }
    let budget = args.budget.as_deref().map(assessing::read_budget).transpose()?;
    let budget = budget.as_ref().map(|b| assessing::limits_of(b, &input)).transpose()?;
    let ask = args.bounds.bound.ask()?;
    let given = args.output.output.as_deref();
    let formats = formats(given)?;
    let (plan, choice, report, place) = progress::with_bar(voice.shows_progress(), |tell| {
        let usual = PlanOptions::default();
        let settings = PlanOptions {
            ask,
            effort: args.bounds.bound.effort,
            budget,
            fill: args.steps.fill,
            whole: false,
            npy: formats.0,
            hdf5: formats.1 && usual.hdf5,
            filtered: formats.1 && usual.filtered,
            resources: options::resources(&args.run, tell),
        };
        let plan = plan(&input, &settings)?;
        let limits = limits(&plan, budget)?;
        let mut broken = None;
        for choice in plan.ranked() {
            let place = place(&input, given, &choice)?;
            options::check(&args.output, args.sidecar, Some(&place))?;
            let target = options::target(&args.output, Some(place.clone()));
            let resources = options::resources(&args.run, tell);
            match run_choice(&input, &target, &choice, limits.as_ref(), args, resources) {
                Ok(report) => return Ok((plan, choice, report, place)),
                // The array breaks what its samples promised.
                Err(e) if e.kind() == ErrorKind::Refused => broken = broken.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        match broken {
            Some(e) => Err(e.at("no candidate keeps the bound on the whole array")),
            None => refuse!(
                Refused,
                "{input}: no recipe keeps what was asked for; `compact plan {input}` shows what was tried"
            ),
        }
    })?;
    let in_the_way =
        Some(place).filter(|p| args.output.dry_run && !args.output.force && p.member.is_none() && p.path.exists());
    let ran = Ran { report: &report, chosen: &choice.flags };
    voice.result(&ran, |paint| {
        let sentence = plan_table::chosen(&plan, &choice, paint);
        sentence + &table::compacted(&report, in_the_way.as_ref(), paint)
    })
}

/// Runs a choice: the one place where plans meet what the engine can write. The output is read again and held against `limits`
/// before it gets its name.
fn run_choice(
    input: &Place,
    target: &Target,
    choice: &Choice,
    limits: Option<&Limits>,
    args: &CompactArgs,
    resources: Resources<'_>,
) -> Result<Report> {
    compact(input, target, &settings(choice, limits, args, resources))
}

/// What the engine is told to run `choice`.
pub(super) fn settings<'a>(
    choice: &Choice,
    limits: Option<&'a Limits>,
    args: &CompactArgs,
    resources: Resources<'a>,
) -> CompactOptions<'a> {
    CompactOptions {
        asks: choice.asks.clone(),
        fill: choice.fill,
        budget: limits,
        replace: options::replace(&args.output),
        sidecar: args.sidecar && choice.format() == Format::Npy,
        sync: args.output.sync,
        npz: Default::default(),
        exact_nan: true,
        #[cfg(feature = "hdf5")]
        hdf5: hdf5(choice),
        #[cfg(feature = "hdf5")]
        coded: choice.coding.map(|ask| CodedOptions { ask, chunks: ChunkAsk::Auto }),
        resources,
    }
}

#[cfg(feature = "hdf5")]
fn hdf5(choice: &Choice) -> crate::store::hdf5::Options {
    use crate::store::hdf5::{Codec, Options};
    let codec = if choice.target == crate::plan::Target::Hdf5Zstd { Codec::Zstd } else { Codec::None };
    Options { codec, ..Options::default() }
}

/// Which formats the output's name leaves open: `.npy`, HDF5.
pub(super) fn formats(given: Option<&OsStr>) -> Result<(bool, bool)> {
    let Some(text) = given else { return Ok((true, true)) };
    let place = names::place(text);
    if place.path.is_dir() {
        return Ok((true, true));
    }
    match Format::of_name(&place.path) {
        Some(Format::Npy) => Ok((true, false)),
        Some(Format::Hdf5) => Ok((false, true)),
        _ => {
            refuse!(Usage, "{place}: the kind of file is not clear; give a name that ends in .npy or .h5, or a folder")
        }
    }
}

/// Where a choice goes to: as given, or the usual name with the ending of its format.
fn place(input: &Place, given: Option<&OsStr>, choice: &Choice) -> Result<Place> {
    let mut place = names::compacted(input, given, choice.coding.is_some())?;
    if given.is_none_or(|text| names::place(text).path.is_dir()) {
        place.path.set_extension(if choice.format() == Format::Npy { "npy" } else { "h5" });
    }
    Ok(place)
}

//! All arrays of a file in, one file with all of them out: archives and HDF5 files, each array with its own steps and record.

mod add;
mod list;
mod output;
mod run;

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::budgeted::hold;
use super::compact::never_the_input;
use super::inside::Inside;
use super::{
    CompactOptions, Phase, Progress, Reader, Report, Resources, RestoreOptions, Restored, Target, assess, compact,
    restore,
};
use crate::error::{ErrorKind, Result, refuse};
use crate::metric::{Budget, Limits};
use crate::recipe::{Axes, Original};
use crate::store::{Archive, Format, Opened, Pattern, Place, is_zip, open};
use crate::transform::Fill;
pub use add::{Added, AddedArray, add};
pub(super) use list::APART;
use list::{Found, List};
use output::Output;
use run::{Run, SMALL};

/// Options for the arrays whose names match.
#[derive(Debug, Clone)]
pub struct CompactGroup<'a> {
    /// An array belongs to the group if one of these matches its name.
    pub patterns: Vec<Pattern>,
    /// How it is compacted.
    pub options: CompactOptions<'a>,
}

/// How all arrays of a file are compacted.
#[derive(Debug, Clone, Default)]
pub struct ManyOptions<'a> {
    /// How those are compacted that no group has; and whether the output may replace a file, its codec, threads, memory and
    /// progress.
    pub common: CompactOptions<'a>,
    /// Of several groups that have an array, the last one counts.
    pub groups: Vec<CompactGroup<'a>>,
    /// Only arrays whose names match one of these are taken; all where there are none.
    pub only: Vec<Pattern>,
    /// Leave members out that are no arrays of numbers, and tell them; else they are an error.
    pub skip_others: bool,
    /// What may be lost of each array, by its name; of those of a group with a budget of its own, that. Every array is held against it
    /// before the file gets its name.
    pub budget: Option<&'a Budget>,
}

/// What became of all arrays of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Many<M> {
    /// The file that was read.
    pub input: String,
    /// The file that was written; `None` in a dry run.
    pub output: Option<String>,
    /// The arrays, in the order of the input.
    pub members: Vec<M>,
    /// What was left out since it is no array of numbers.
    pub skipped: Vec<Skipped>,
    /// How many arrays were not asked for.
    pub not_taken: u64,
    /// Bytes of the elements of all arrays that were read (restored, for a restore).
    pub array_bytes: u64,
    /// Bytes of the output; of the packed elements, in a dry run.
    pub stored_bytes: u64,
    /// The one over the other.
    pub ratio: f64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// An array that was compacted among others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// Its name in the input.
    pub name: String,
    /// The pattern that chose its steps; `None` where none did.
    pub select: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub report: Report,
}

/// An array that was restored among others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoredMember {
    /// Its name in the input.
    pub name: String,
    /// Whether it was compacted; an ordinary array is copied as it is.
    pub compacted: bool,
    /// What was done.
    #[serde(flatten)]
    pub restored: Restored,
}

/// A member that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it is no array of numbers.
    pub why: String,
}

/// Compacts all arrays of the file at `input` (a `.npz` archive, an HDF5 file) into one: HDF5 or `.npz`, as the name of `target`
/// says. Each keeps its name, and has a record of its own.
///
/// The output appears whole or not at all: one array that its steps cannot carry is an error that names it, and nothing is left.
///
/// # Errors
/// `Usage` for patterns that match no array; `Unsupported` for members that are no arrays of numbers; else as
/// [`compact`](fn@super::compact).
pub fn compact_many(input: &Place, target: &Target, options: &ManyOptions<'_>) -> Result<Many<Member>> {
    let start = Instant::now();
    if let Target::Place(Place { path, member: Some(member) }) = target
        && Format::of_name(path) == Some(Format::Npz)
    {
        return refuse!(Usage, "{}:{member} is a name for one array; give the archive alone", path.display());
    }
    let list = List::of(input)?;
    let (taken, skipped, not_taken) = list.take(&options.only, options.skip_others)?;
    let chosen: Vec<Option<(&CompactGroup<'_>, &Pattern)>> = taken
        .iter()
        .map(|found| {
            let fits = |g: &'_ CompactGroup<'_>| g.patterns.iter().position(|p| p.matches(&found.name));
            options.groups.iter().rev().find_map(|g| fits(g).map(|i| (g, &g.patterns[i])))
        })
        .collect();
    list::each_matches(options.groups.iter().flat_map(|g| &g.patterns), "--select", &taken)?;
    let common = &options.common;
    if let Target::Place(place) = target {
        never_the_input(input, place, common.replace)?;
    }
    if let Some(budget) = options.budget {
        budget.check_names(list.names())?;
    }
    #[cfg(feature = "hdf5")]
    let all_coded = common.coded.is_some() && options.groups.iter().all(|g| g.options.coded.is_some());
    #[cfg(not(feature = "hdf5"))]
    let all_coded = false;
    let output = Output::start(target, common.npz, common.replace, all_coded)?;
    let limits = |i: usize| {
        let of_array = || options.budget.map(|b| b.of(Some(&taken[i].name))).filter(|l| **l != Limits::default());
        chosen[i].map_or(common, |(g, _)| &g.options).budget.or_else(of_array)
    };
    let run = Run { target, output: &output, resources: &common.resources, phase: Phase::Compacting, small: SMALL };
    let make = |i: usize, place: &Target, inside: Option<Inside<'_>>, resources: Resources<'_>| {
        let used = chosen[i].map_or(common, |(g, _)| &g.options);
        let settings = CompactOptions { resources, budget: limits(i), ..used.clone() };
        compact::opened(list.open(&taken[i])?, place, inside, &settings).map_err(|e| match e.kind() {
            // These do not name their array by themselves.
            ErrorKind::Recipe | ErrorKind::Usage => e.at(format!("array {}", taken[i].name)),
            _ => e,
        })
    };
    let mut members: Vec<Member> = Vec::with_capacity(taken.len());
    run.all(&taken, make, |report| {
        let i = members.len();
        members.push(Member { name: taken[i].name.clone(), select: chosen[i].map(|(_, p)| p.to_string()), report });
    })?;
    let mut held = Vec::new();
    for (i, found) in taken.iter().enumerate() {
        if let (Some(limits), Some(dataset)) = (limits(i), output.dataset(found, members.get(i))) {
            let fill = chosen[i].map_or(common, |(g, _)| &g.options).fill;
            held.push(Held { at: i, found, dataset, limits, fill });
        }
    }
    let check = |written: &Path| held.iter().try_for_each(|h| h.check(&list, written, &common.resources, &mut members));
    let check = if held.is_empty() { None } else { Some(check) };
    let stored_bytes = match output.finish_if(common.sync, check)? {
        Some(bytes) => bytes,
        None => members.iter().map(|m| m.report.packed_bytes).sum(),
    };
    let array_bytes = members.iter().map(|m| m.report.input.array_bytes).sum();
    Ok(Many {
        input: input.to_string(),
        output: shown(target),
        members,
        skipped,
        not_taken,
        array_bytes,
        stored_bytes,
        ratio: ratio(array_bytes, stored_bytes),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// A dataset that a budget is held against once the file around it is complete: HDF5 does not open one that is being written.
struct Held<'a> {
    /// Its number among the members.
    at: usize,
    found: &'a Found,
    dataset: String,
    limits: &'a Limits,
    fill: Option<Fill>,
}

impl Held<'_> {
    /// Compares it with the original, and tells the member what came of it.
    fn check(&self, list: &List, written: &Path, resources: &Resources<'_>, members: &mut [Member]) -> Result<()> {
        let name = &self.found.name;
        let original = Reader::of(list.open(self.found)?)?;
        let place = Place { path: written.to_owned(), member: Some(self.dataset.clone()) };
        let criteria = assess::criteria(&original, &Reader::at(&place)?, self.limits, self.fill, resources)?;
        let kept = hold(criteria, || {
            Ok(format!("finer steps or a smaller bound may keep it; --select '{name}' gives them to this array alone"))
        });
        let criteria = kept.map_err(|e| e.at(original.opened().place()))?;
        if let Some(member) = members.get_mut(self.at) {
            member.report.criteria = criteria;
        }
        Ok(())
    }
}

/// The arrays of a file, each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Their names and where each is, in the order of the file.
    pub arrays: Vec<(String, Place)>,
    /// What was left out since it is no array of numbers.
    pub skipped: Vec<Skipped>,
}

/// The arrays of the file at `input` that are taken.
///
/// # Errors
/// As [`compact_many`].
pub fn places(input: &Place, only: &[Pattern], skip_others: bool) -> Result<Places> {
    let (taken, skipped, _) = List::of(input)?.take(only, skip_others)?;
    let place = |f: Found| (f.name.clone(), Place { path: input.path.clone(), member: Some(f.name) });
    Ok(Places { arrays: taken.into_iter().map(place).collect(), skipped })
}

/// Restores all arrays of the file at `input` into one: `.npz` or HDF5, as the name of `target` says. Ordinary arrays among them are
/// copied as they are.
///
/// # Errors
/// `Usage` where no array was compacted, and for a slice; else as [`compact_many`].
pub fn restore_many(
    input: &Place,
    target: &Target,
    options: &RestoreOptions<'_>,
    only: &[Pattern],
    skip_others: bool,
) -> Result<Many<RestoredMember>> {
    let start = Instant::now();
    if let Some(slice) = &options.slice {
        return refuse!(Usage, "--slice {slice} is of one array, and {input} holds several; name one: {input}:NAME");
    }
    let list = List::of(input)?;
    let (taken, skipped, not_taken) = list.take(only, skip_others)?;
    if let Target::Place(place) = target {
        never_the_input(input, place, options.replace)?;
    }
    let output = Output::start(target, options.npz, options.replace, false)?;
    // What is packed into bits restores to 64 times of it.
    let small = SMALL / 8;
    let run = Run { target, output: &output, resources: &options.resources, phase: Phase::Restoring, small };
    let make = |i: usize, place: &Target, inside: Option<Inside<'_>>, resources: Resources<'_>| {
        let settings = RestoreOptions { resources, ..options.clone() };
        let reader = Reader::of(list.open(&taken[i])?)?;
        let original = match reader.record() {
            Some(record) => record.original.clone(),
            None => as_it_is(reader.opened())?,
        };
        let compacted = reader.record().is_some();
        Ok((compacted, restore::opened(reader, &original, place, inside, &settings)?))
    };
    let mut members = Vec::with_capacity(taken.len());
    run.all(&taken, make, |(compacted, restored)| {
        members.push(RestoredMember { name: taken[members.len()].name.clone(), compacted, restored });
    })?;
    // An archive may have been packed without a step, in a way that not all NumPy read; its members come back as they were.
    if !list.is_archive() && !members.iter().any(|m| m.compacted) {
        return refuse!(
            Usage,
            "{input} holds {} ordinary arrays: there is no recipe in it, so nothing to undo; `compact {input} -o OUTPUT` copies them",
            members.len()
        );
    }
    let array_bytes = members
        .iter()
        .map(|m| m.restored.output.as_ref().map_or(m.restored.input.array_bytes, |o| o.array_bytes))
        .sum();
    let stored_bytes = output.finish(options.sync)?.unwrap_or(array_bytes);
    Ok(Many {
        input: input.to_string(),
        output: shown(target),
        members,
        skipped,
        not_taken,
        array_bytes,
        stored_bytes,
        ratio: ratio(array_bytes, stored_bytes),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Compacts the one array at `input` into an archive that holds it alone, under the name that `target` or the input gives.
pub(super) fn one(input: &Place, target: &Place, options: &CompactOptions<'_>) -> Result<Report> {
    let replace = never_the_input(input, target, options.replace)?;
    let added = target.member.is_some() && target.path.exists();
    let opened = open(input)?;
    let found = Found { name: name_of(input, target, &opened), spec: opened.shown().clone() };
    let target = Target::Place(target.clone());
    let output = Output::start(&target, options.npz, replace, false)?;
    let (place, inside) = (output::place(&target, &found.name), output.inside(&found.name));
    let mut report = compact::opened(opened, &place, inside, options)?;
    let bytes = output.finish(options.sync)?;
    if let (Some(bytes), Some(side), false) = (bytes, &mut report.output, added) {
        side.stored_bytes = bytes;
        report.ratio = ratio(report.input.array_bytes, bytes);
    }
    Ok(report)
}

/// Restores the one array at `input` into an archive that holds it alone.
pub(super) fn restore_one(input: &Place, target: &Place, options: &RestoreOptions<'_>) -> Result<Restored> {
    let replace = never_the_input(input, target, options.replace)?;
    let added = target.member.is_some() && target.path.exists();
    let reader = Reader::at(input)?;
    let original = match reader.record() {
        Some(record) => record.original.clone(),
        None if reader.opened().format() == Format::Npz => as_it_is(reader.opened())?,
        None => {
            return refuse!(
                Usage,
                "{input} is an ordinary array of {}: there is no recipe in it or beside it, so nothing to undo",
                reader.spec()
            );
        }
    };
    let found = Found { name: name_of(input, target, reader.opened()), spec: reader.spec().clone() };
    let target = Target::Place(target.clone());
    let output = Output::start(&target, options.npz, replace, false)?;
    let (place, inside) = (output::place(&target, &found.name), output.inside(&found.name));
    let mut restored = restore::opened(reader, &original, &place, inside, options)?;
    let bytes = output.finish(options.sync)?;
    if let (Some(bytes), Some(side), false) = (bytes, &mut restored.output, added) {
        side.stored_bytes = bytes;
    }
    Ok(restored)
}

/// What an array is called in an archive of its own: as is asked for, as it was called, or as its file is.
fn name_of(input: &Place, target: &Place, opened: &Opened) -> String {
    if let Some(name) = &target.member {
        return name.strip_suffix(".npy").unwrap_or(name).to_owned();
    }
    match input.member.as_deref().or_else(|| opened.own_name()) {
        Some(name) => list::plain(name, opened.shown()),
        None => {
            let stem = input.path.file_stem().unwrap_or_default().to_string_lossy();
            let stem = stem.strip_suffix(".compact").unwrap_or(&stem);
            // What np.savez calls arrays without a name.
            if stem.is_empty() || stem == "-" { "arr_0".to_owned() } else { stem.to_owned() }
        }
    }
}

/// How an array that was not compacted is stored.
fn as_it_is(opened: &Opened) -> Result<Original> {
    Ok(Original {
        dtype: opened.shown().dtype(),
        byte_order: opened.byte_order(),
        axes: if opened.is_fortran() { Axes::F } else { Axes::C },
        shape: opened.shown().shape().to_vec(),
        fill: opened.fill()?,
        cf: opened.cf()?,
    })
}

/// Runs `job` on one array of several, its progress told as a part of all.
fn in_all<R>(
    resources: &Resources<'_>,
    before: u64,
    total: u64,
    job: impl FnOnce(Resources<'_>) -> Result<R>,
) -> Result<R> {
    let Some(outer) = resources.progress else { return job(*resources) };
    let tell = |p: Progress| outer(Progress { phase: p.phase, done: (before + p.done).min(total), total });
    job(Resources { progress: Some(&tell), ..*resources })
}

fn shown(target: &Target) -> Option<String> {
    match target {
        Target::Place(place) => Some(place.to_string()),
        Target::DryRun => None,
    }
}

fn ratio(before: u64, after: u64) -> f64 {
    if before == 0 { 1.0 } else { before as f64 / after.max(1) as f64 }
}

/// Whether the file at `input` is one of which all arrays are meant: it can hold several, none is named, and it is not clear which
/// one would be.
///
/// # Errors
/// As opening it.
pub fn is_many(input: &Place) -> Result<bool> {
    if input.member.is_some() {
        return Ok(false);
    }
    let arrays = crate::store::arrays(&input.path)?;
    // Members beside a single array are left out by request alone, as those beside several.
    if arrays.len() == 1 && is_zip(&input.path)? && Archive::open(&input.path)?.others().next().is_some() {
        return Ok(true);
    }
    if arrays.len() < 2 {
        return Ok(false);
    }
    if Format::of_name(&input.path) == Some(Format::Hdf5) {
        // One compacted dataset, or one that is not the scale of an axis, is meant where none is named.
        return Ok(open(input).is_err_and(|e| e.kind() == ErrorKind::Usage));
    }
    Ok(true)
}

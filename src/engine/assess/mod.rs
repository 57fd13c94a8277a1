//! Original against what a compacted file restores to, read again from disk: the report, and the verdict of a budget.

mod alone;
mod attribution;
pub(super) mod compare;
mod first;
mod idle;
mod matrices;
mod pictures;
mod second;
mod sides;
mod spread;

use std::time::Instant;

use self::compare::{Ends, compare_ends};
use super::many::APART;
use super::tallied::side;
use super::{Reader, Resources};
use crate::coding::Bound;
use crate::error::{Error, Result, refuse};
use crate::metric::budget::{judge, worst};
use crate::metric::{Budget, Class, Comparison, Criterion, Effort, Figure, Limits, Number, Outcome};
use crate::recipe::{Axes, Record};
use crate::report::{ArrayReport, BudgetNote, Document, REPORT_FORMAT};
use crate::store::{Opened, Place, arrays, sha256};
use crate::transform::Fill;

pub(super) use idle::Idle;

pub use alone::describe;
pub use compare::{CompareOptions, compare};

/// How files are compared.
#[derive(Debug, Clone, Default)]
pub struct AssessOptions<'a> {
    /// What may be lost; without it, and without `promise`, nothing is judged.
    pub budget: Option<&'a Budget>,
    /// Without a budget: hold every file against what it says of itself.
    pub promise: bool,
    /// Where the budget came from, to be told.
    pub source: Option<String>,
    /// Find everything; else only what the budget needs.
    pub full: bool,
    /// The fill value, where the files declare none or another one.
    pub fill: Option<Fill>,
    /// Worst elements to list.
    pub worst: usize,
    /// The command line, to be told.
    pub command: Option<String>,
    /// Threads, memory, progress.
    pub resources: Resources<'a>,
}

/// Compares the array at `original` with what the file at `compacted` restores to (or holds, if it is an ordinary array): both
/// are opened and decoded here, so that what is judged is what is on disk. Of files with several arrays those of the same name
/// are compared.
///
/// # Errors
/// `Usage` for different dtypes or shapes, and for arrays that one of the files has not; whatever opening and reading give.
pub fn assess(original: &Place, compacted: &Place, options: &AssessOptions<'_>) -> Result<Document> {
    let start = Instant::now();
    let pairs = pairs(original, compacted, options.budget)?;
    let names = || pairs.iter().filter_map(|(name, ..)| name.as_deref());
    if let Some(budget) = options.budget.filter(|_| names().next().is_some()) {
        budget.check_names(names())?;
    }
    let not_compared = left_out(original, compacted, &pairs)?;
    let mut reports = Vec::with_capacity(pairs.len());
    let checksum = |place: &Place| if options.full { sha256(&place.path) } else { Ok(None) };
    // One file, one checksum; computed meanwhile, since it cannot be computed in parts.
    let sum = std::thread::scope(|scope| -> Result<Option<String>> {
        let sum = scope.spawn(|| checksum(original));
        for (name, original, compacted) in &pairs {
            let (a, b) = (Reader::at(original)?, Reader::at(compacted)?);
            let at = |e: Error| if pairs.len() > 1 { e.at(name.as_deref().unwrap_or_default()) } else { e };
            reports.push(array(name.clone(), &a, &b, options).map_err(at)?);
        }
        match sum.join() {
            Ok(sum) => sum,
            Err(_) => refuse!(Io, "a worker thread failed; please report this as a bug"),
        }
    })?;
    for report in &mut reports {
        report.sha256.clone_from(&sum);
    }
    Ok(Document {
        ndcompact_report: REPORT_FORMAT,
        tool: concat!("ndcompact ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: options.command.clone(),
        verdict: reports.iter().filter_map(|r| r.verdict).max(),
        budget: (options.budget.is_some() || options.promise).then(|| BudgetNote {
            source: options.source.clone(),
            note: options.budget.and_then(|b| b.note.clone()),
            author: options.budget.and_then(|b| b.author.clone()),
        }),
        not_compared,
        arrays: reports,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The pairs of arrays to compare, each with its name where there are several.
fn pairs(original: &Place, compacted: &Place, budget: Option<&Budget>) -> Result<Vec<(Option<String>, Place, Place)>> {
    let listed_name = |names: &[String]| names.first().map(|n| n.trim_start_matches('/').to_owned());
    let listed = |place: &Place| if place.member.is_some() { Ok(Vec::new()) } else { arrays(&place.path) };
    let (left, right) = (listed(original)?, listed(compacted)?);
    let is_there = |name: &String| right.iter().any(|r| r.trim_start_matches('/') == name.trim_start_matches('/'));
    if left.len() < 2 && !(right.len() > 1 && left.iter().any(is_there)) {
        let name = name_of(original).or_else(|| listed_name(&left));
        return Ok(vec![(name, original.clone(), compacted.clone())]);
    }
    if right.len() < 2 {
        return refuse!(
            Usage,
            "{original} holds {} arrays and {compacted} one; name the original's array: {original}:NAME",
            left.len()
        );
    }
    let bare = |name: &str| name.trim_start_matches('/').to_owned();
    let wanted: Vec<&String> = match budget {
        Some(budget) if !budget.arrays.is_empty() && budget.limits == Limits::default() => {
            let known = |name: &str| left.iter().any(|l| bare(l) == bare(name));
            if let Some(name) = budget.arrays.keys().find(|name| !known(name)) {
                return refuse!(
                    Usage,
                    "the budget has limits for array {name:?}, and {original} holds {}",
                    left.join(", ")
                );
            }
            left.iter().filter(|l| budget.arrays.keys().any(|k| bare(k) == bare(l))).collect()
        }
        _ => left.iter().collect(),
    };
    let mut pairs = Vec::with_capacity(wanted.len());
    for name in wanted {
        // float16 datasets cannot stand in the root group, and are called by their name within another.
        let (name_bare, apart) = (bare(name), |long: &str, short: &str| {
            long.strip_prefix(APART).and_then(|rest| rest.strip_prefix('/')) == Some(short)
        });
        let same = right.iter().find(|r| bare(r) == name_bare);
        let near = || right.iter().find(|r| apart(&bare(r), &name_bare) || apart(&name_bare, &bare(r)));
        let Some(other) = same.or_else(near) else {
            return refuse!(
                Usage,
                "{original} holds array {name:?}, and {compacted} has none of that name: it holds {}",
                right.join(", ")
            );
        };
        let at = |place: &Place, member: &str| Place { path: place.path.clone(), member: Some(member.to_owned()) };
        pairs.push((Some(bare(name)), at(original, name), at(compacted, other)));
    }
    Ok(pairs)
}

/// Arrays that only one of the files has, and those that the budget has no limits for: never passed over without a word.
fn left_out(original: &Place, compacted: &Place, pairs: &[(Option<String>, Place, Place)]) -> Result<Vec<String>> {
    if pairs.len() < 2 && (original.member.is_some() || compacted.member.is_some()) {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for (place, taken) in [(original, 0), (compacted, 1)] {
        let listed = if place.member.is_some() { Vec::new() } else { arrays(&place.path)? };
        // Of a file with a single array that one was taken, whatever its name.
        if listed.len() < 2 {
            continue;
        }
        let used = |name: &String| {
            pairs.iter().any(|(_, a, b)| (if taken == 0 { a } else { b }).member.as_ref() == Some(name))
        };
        out.extend(listed.iter().filter(|name| !used(name)).map(|name| format!("{place}:{name}")));
    }
    Ok(out)
}

fn name_of(place: &Place) -> Option<String> {
    place.member.as_ref().map(|m| m.trim_start_matches('/').to_owned())
}

/// What `limits` make of one pair of open arrays.
pub(super) fn criteria(
    original: &Reader,
    compacted: &Reader,
    limits: &Limits,
    fill: Option<Fill>,
    resources: &Resources<'_>,
) -> Result<Vec<Criterion>> {
    let budget = Budget::from(limits.clone());
    let options = AssessOptions { budget: Some(&budget), fill, resources: *resources, ..AssessOptions::default() };
    Ok(array(None, original, compacted, &options)?.criteria)
}

/// Compares one pair of open arrays.
fn array(
    name: Option<String>,
    original: &Reader,
    compacted: &Reader,
    options: &AssessOptions<'_>,
) -> Result<ArrayReport> {
    comparable(original, compacted)?;
    let promise = options.budget.is_none() && options.promise;
    let own;
    let limits = match options.budget {
        Some(budget) => budget.of(name.as_deref()),
        None => {
            own = if promise { promised(original, compacted, &options.resources)? } else { Limits::default() };
            &own
        }
    };
    let judged = promise || options.budget.is_some();
    let resources = &options.resources;
    let settings = CompareOptions {
        effort: if options.full { Effort::Matrices } else { limits.effort() },
        deep: options.full,
        // What a file says of itself was measured on all values, fill values too.
        fill: if promise { None } else { fill(original, compacted, options.fill)? },
        rel_floor: limits.rel_floor.unwrap_or(0.0),
        spatial_tol: limits.spatial_tol.unwrap_or(1e-4),
        worst: options.worst,
        distances: distances(limits),
        all_eigenvalues: limits.figures.contains_key(&Figure::EigenvalueShift),
        chunk: compacted.chunk(),
        resources,
    };
    let comparison = original.with_view(Axes::C, None, resources, |view, _| {
        compacted.with_view(Axes::C, None, resources, |other, unit| {
            let ends = Ends {
                original: view,
                restored: other,
                original_steps: original.pipeline().stages().len(),
                restored_steps: compacted.pipeline().stages().len(),
                unit,
                unit_bytes: if unit > 1 { compacted.pipeline().unit_bytes() } else { 0 },
            };
            compare_ends(&ends, &settings)
        })
    })?;
    original.opened().verify()?;
    compacted.opened().verify()?;
    let criteria = match (judged, promise) {
        (false, _) => Vec::new(),
        (true, true) if comparison.count == 0 => vec![nothing_differs()],
        (true, true) => judge(&known(limits, &comparison), &comparison),
        (true, false) => judge(limits, &comparison),
    };
    let (mut steps, steps_note) = match compacted.record() {
        Some(record) if options.full => attribution::steps(original, record, resources)?,
        _ => (Vec::new(), None),
    };
    attribution::bound_over(&mut steps, original.spec().dtype(), &comparison.original);
    let coded = compacted.record().and_then(|r| r.coding).filter(|_| options.full);
    let bound_of_coding = coded.map(|c| if c.bound.is_lossless() { Some(0.0) } else { c.bound.max_abs });
    let bounds: Option<Vec<f64>> = steps.iter().map(|s| s.bound).chain(bound_of_coding).collect();
    let side = |o: &Opened| -> Result<_> { Ok(side(o.place(), o.format(), o.shown(), o.bytes_on_disk()?)) };
    let (before, after) = (original.spec().bytes(), compacted.opened().bytes_on_disk()?);
    Ok(ArrayReport {
        name,
        original: side(original.opened())?,
        sha256: None,
        compacted: side(compacted.opened())?,
        ratio: if before == 0 { 1.0 } else { before as f64 / after.max(1) as f64 },
        record: compacted.record().cloned(),
        verdict: judged.then(|| worst(&criteria)),
        criteria,
        bound: bounds.filter(|b| !b.is_empty()).map(|b| Number(b.iter().sum())),
        steps,
        steps_note,
        comparison,
    })
}

/// Whether the distance of the two distributions is limited, so that it should be exact where it can be.
pub(super) fn distances(limits: &Limits) -> bool {
    [Figure::KsDistance, Figure::KsP].iter().any(|f| limits.figures.contains_key(f))
}

/// Refuses what cannot be compared, before anything is read.
fn comparable(original: &Reader, compacted: &Reader) -> Result<()> {
    let (a, b) = (original.spec(), compacted.spec());
    if a == b {
        return Ok(());
    }
    let (x, y) = (original.opened().place(), compacted.opened().place());
    let restored = if compacted.record().is_some() { "restores to" } else { "holds" };
    if a.shape() != b.shape() {
        return refuse!(Usage, "{x} holds {a} and {y} {restored} {b}: arrays of different shape cannot be compared");
    }
    refuse!(
        Usage,
        "{x} holds {a} and {y} {restored} {b}: arrays of different dtype cannot be compared; convert {y} to {} first",
        a.dtype()
    )
}

/// The fill value's bits: as asked for, else as a file declares it.
fn fill(original: &Reader, compacted: &Reader, asked: Option<Fill>) -> Result<Option<u64>> {
    let dtype = original.spec().dtype();
    if let Some(fill) = asked {
        return fill.bits(dtype).map(Some);
    }
    let declared = match original.opened().fill()? {
        Some(fill) => Some(fill),
        None => compacted.record().and_then(|r| r.original.fill),
    };
    Ok(declared.filter(|_| dtype.part() == dtype).and_then(|fill| fill.bits(dtype).ok()))
}

/// What a compacted file says of itself, as limits: the errors that were measured when it was made, and no more than its steps
/// make of this original now, so that a record which claims too much allows nothing. An ordinary array must equal the original.
fn promised(original: &Reader, compacted: &Reader, resources: &Resources<'_>) -> Result<Limits> {
    let mut limits = Limits::default();
    let Some(record) = compacted.record() else {
        limits.set(Figure::EqualFraction, 1.0)?;
        return Ok(limits);
    };
    let Some(of_steps) = attribution::total(original, record, resources)? else {
        return refuse!(
            Usage,
            "{}: its steps refuse {}, so it was made of another array; give limits to compare them all the same",
            compacted.opened().place(),
            original.opened().place()
        );
    };
    let loss = match &record.coding {
        Some(coding) if !coding.bound.is_lossless() => {
            hold_to_bound(&mut limits, &coding.bound, record)?;
            let Some(mut loss) = record.loss.clone() else {
                return refuse!(Corrupt, "{}: the recipe does not say what was lost", compacted.opened().place());
            };
            // What the bound allows the coding, on top of what the steps make of this original.
            if let Some(most) = coding.bound.max_abs {
                let both = if of_steps.max_abs > 0.0 { (of_steps.max_abs + most).next_up() } else { most };
                loss.max_abs = loss.max_abs.min(both);
            }
            loss
        }
        // A coding that the array has left since: what it lost stands in the record alone.
        None if record.steps.is_empty() && record.loss.is_some() => record.loss.clone().unwrap_or(of_steps),
        _ => {
            let mut loss = of_steps;
            if let Some(said) = &record.loss {
                (loss.max_abs, loss.rmse) = (loss.max_abs.min(said.max_abs), loss.rmse.min(said.rmse));
                for (name, n) in &mut loss.classes {
                    *n = (*n).min(said.classes.get(name).copied().unwrap_or(0));
                }
            }
            loss
        }
    };
    limits.set(Figure::MaxAbs, loss.max_abs.max(0.0))?;
    limits.set(Figure::Rmse, loss.rmse.max(0.0))?;
    for class in Class::ALL {
        if let Some(n) = loss.classes.get(class.name()) {
            limits.set_allow(*class, *n);
        }
    }
    Ok(limits)
}

/// Those of `limits`, which a file makes for itself, that say something of these arrays: where no value is finite there is no error
/// to limit, but how many come back bit for bit.
fn known(limits: &Limits, comparison: &Comparison) -> Limits {
    let mut known = limits.clone();
    if comparison.figures.defined(Figure::MaxRel).is_none() {
        known.figures.remove(&Figure::MaxRel);
    }
    if comparison.pairs == 0 {
        known.figures.retain(|figure, _| *figure == Figure::EqualFraction);
        // Changes of class are limited all the same; with no limit at all nothing would be said.
        known.figures.entry(Figure::EqualFraction).or_insert(0.0);
    }
    known
}

/// Of arrays without elements, which are equal.
fn nothing_differs() -> Criterion {
    let figure = Figure::EqualFraction;
    Criterion {
        name: figure.name().to_owned(),
        label: figure.label().to_owned(),
        outcome: Outcome::Passed,
        measured: Number(1.0),
        allowed: Number(1.0),
        direction: figure.direction(),
        used: Number(0.0),
        at: None,
        reason: Some("the arrays have no element, and the same shape and dtype".to_owned()),
    }
}

/// The recorded bound itself, where a figure of the whole array says the same.
fn hold_to_bound(limits: &mut Limits, bound: &Bound, record: &Record) -> Result<()> {
    // Values that the steps alone change may be off by more.
    if record.pipeline()?.is_exact()
        && let (Some(most), true) = (bound.max_rel, bound.max_abs.is_none())
    {
        // The figure is a quotient of floats: two roundings.
        limits.set(Figure::MaxRel, most * (1.0 + 4.0 * f64::EPSILON))?;
        limits.set_rel_floor(bound.rel_floor)?;
    }
    Ok(())
}

//! `compact bundle`, `compact list`, `compact extract`.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Serialize;

use super::args::StepArgs;
use super::bounds::BoundArgs;
use super::bundle_args::{BundleArgs, ExtractArgs, ListArgs};
use super::number::{count, error, ratio, seconds, shape, size};
use super::select::{Group, GroupFlags};
use super::table::{aligned, labelled};
use super::voice::{Paint, Voice};
use super::{options, progress, steps};
use crate::collect::bundle::{
    self, Bundle, BundleGroup, BundleOptions, BundleSteps, Bundled, BundledArray, Entry, Form,
};
use crate::error::{Error, Result, refuse};
use crate::store::{self, Replace};

/// A list of names longer than this is none.
const MOST_LIST: u64 = 1 << 30;

fn replace(force: bool) -> Replace {
    if force { Replace::Allowed } else { Replace::Never }
}

/// Makes a bundle and tells what it came to.
pub(super) fn bundle(args: &BundleArgs, voice: &Voice) -> Result<()> {
    let mut inputs = args.inputs.clone();
    if let Some(list) = &args.files_from {
        let failed = |e| Error::io(format!("reading the list {}", list.display()), e);
        let mut names = Vec::new();
        if list.as_os_str() == "-" {
            std::io::stdin().lock().take(MOST_LIST).read_to_end(&mut names).map_err(failed)?;
        } else {
            names = std::fs::read(list).map_err(failed)?;
        }
        inputs.extend(store::names_in(&names)?);
    }
    let groups = args.groups.iter().map(group).collect::<Result<Vec<_>>>()?;
    let common = chosen(&args.steps, &args.bound)?;
    let bundled = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = BundleOptions {
            steps: common,
            groups,
            codec: args.codec.map(Into::into),
            target_size: args.target_size.0,
            level: args.level,
            strict: args.strict,
            dry_run: args.dry_run,
            remove_sources: args.remove_sources,
            replace: replace(args.force),
            sync: args.sync,
            resources: options::resources(&args.run, tell),
        };
        bundle::bundle(&inputs, &args.output, &settings)
    })?;
    let in_the_way = args.dry_run && !args.force && (args.output.exists() || bundled.index.exists());
    voice.result(&bundled, |paint| told(&bundled, in_the_way, paint))
}

/// Steps and bound of flags.
fn chosen(steps: &StepArgs, bound: &BoundArgs) -> Result<BundleSteps> {
    let coding = bound.ask_or_effort()?;
    Ok(BundleSteps { asks: steps::asks(steps, coding.is_some())?, fill: steps.fill, coding })
}

fn group(group: &Group) -> Result<BundleGroup> {
    let GroupFlags { steps, bounds } = &group.flags;
    let flag = match (&bounds.chunks, &bounds.layout) {
        (Some(_), _) => Some("--chunks"),
        (_, Some(_)) => Some("--layout"),
        _ => None,
    };
    if let Some(flag) = flag {
        return refuse!(
            Usage,
            "{flag} is of one array's own dataset; a bundle has chunks and layout of its own, leave it out"
        );
    }
    let patterns = group.patterns.iter().map(|p| p.parse()).collect::<Result<_>>()?;
    Ok(BundleGroup { patterns, steps: chosen(steps, &bounds.bound)? })
}

/// What steps and bounds came to, in all arrays together.
fn lost(packed: &[BundledArray], arrays: u64, paint: Paint) -> Vec<(&'static str, String)> {
    if packed.is_empty() {
        return vec![("loss", paint.good("lossless: the same bits come back"))];
    }
    let (before, after) = packed.iter().fold((0, 0), |(b, a), p| (b + p.array_bytes, a + p.packed_bytes));
    let steps = format!(
        "{} of {} arrays, {} -> {} before compression",
        count(packed.len() as u64),
        count(arrays),
        size(before),
        size(after)
    );
    let lossy: Vec<&BundledArray> = packed.iter().filter(|p| !p.exact).collect();
    let mut lines = vec![("packed", steps)];
    let worst = lossy.iter().max_by(|a, b| a.loss.max_abs.total_cmp(&b.loss.max_abs));
    lines.push(match worst {
        None => ("loss", paint.good("lossless: the same bits come back")),
        Some(worst) => {
            let values: u64 = lossy.iter().map(|p| p.loss.changed).sum();
            let most = format!("max abs {} in {}", error(worst.loss.max_abs), worst.name);
            let all = "--json has the figures of each";
            ("loss", format!("{} arrays, {} values changed, {most}; {all}", count(lossy.len() as u64), count(values)))
        }
    });
    let mut classes = BTreeMap::<&str, u64>::new();
    for (class, n) in packed.iter().flat_map(|p| &p.loss.classes) {
        *classes.entry(class).or_default() += n;
    }
    classes.retain(|_, n| *n > 0);
    if !classes.is_empty() {
        let all: Vec<_> = classes.iter().map(|(class, n)| format!("{class} {}", count(*n))).collect();
        lines.push(("classes", paint.warn(&all.join(", "))));
    }
    lines
}

/// What was given and holds no arrays.
fn passed_over(bundled: &Bundled, paint: Paint) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let skipped = &bundled.skipped;
    if skipped.pickles > 0 {
        let names = skipped.pickle_names.join(", ");
        lines.push(("skipped", paint.warn(&format!("{} pickles: {names}", count(skipped.pickles)))));
        let remedy = "pickles run code when opened, so they never are; in Python: np.save('x.npy', pickle.load(open('x.pkl', 'rb')))";
        lines.push(("", remedy.to_owned()));
    }
    if skipped.others > 0 {
        let names = skipped.other_names.join(", ");
        lines.push(("skipped", paint.warn(&format!("{} passed over: {names}", count(skipped.others)))));
    }
    lines
}

fn told(bundled: &Bundled, in_the_way: bool, paint: Paint) -> String {
    let mut lines = Vec::new();
    if bundled.dry_run {
        let what = format!("{} arrays, {} of files", count(bundled.arrays), size(bundled.input_bytes));
        let members = format!("{} of arrays", size(bundled.array_bytes));
        lines.push(("dry run", format!("{what}, nothing written")));
        lines.push(("size", format!("{members} -> {} before compression", size(bundled.stored_bytes))));
        lines.extend(passed_over(bundled, paint));
        lines.extend(lost(&bundled.packed, bundled.arrays, paint));
        if in_the_way {
            let index = bundled.index.display();
            lines.push((
                "note",
                paint.warn(&format!("{index}, or its output, exists; the run itself will need --force")),
            ));
        }
        return labelled(&lines, paint);
    }
    lines.push((
        "bundled",
        format!(
            "{} array{}, {} -> {} ({}) in {}",
            count(bundled.arrays),
            if bundled.arrays == 1 { "" } else { "s" },
            size(bundled.input_bytes),
            size(bundled.stored_bytes),
            ratio(bundled.input_bytes as f64 / bundled.stored_bytes.max(1) as f64),
            seconds(bundled.seconds)
        ),
    ));
    if bundled.resumed > 0 {
        lines.push(("resumed", format!("{} of them were there from an interrupted run", count(bundled.resumed))));
    }
    let (first, last) = (bundled.volumes.first(), bundled.volumes.last());
    if let (Some(first), Some(last)) = (first, last) {
        let files = match bundled.volumes.len() {
            1 => first.display().to_string(),
            n => format!("{n} files, {} to {}", first.display(), last.display()),
        };
        lines.push(("files", files));
    }
    lines.push(("index", format!("{} ({})", bundled.index.display(), size(bundled.index_bytes))));
    lines.extend(passed_over(bundled, paint));
    if !bundled.replaced.is_empty() {
        let names: Vec<_> = bundled.replaced.iter().map(|p| p.display().to_string()).collect();
        lines.push(("deleted", format!("{}, of the bundle that this one replaces", names.join(", "))));
    }
    if bundled.removed + bundled.kept > 0 {
        let kept = if bundled.kept > 0 { format!("; {} kept", count(bundled.kept)) } else { String::new() };
        lines.push((
            "removed",
            format!("{} inputs, after all was read back and compared{kept}", count(bundled.removed)),
        ));
    }
    lines.extend(lost(&bundled.packed, bundled.arrays, paint));
    lines.push(("list", format!("compact list {}", bundled.index.display())));
    labelled(&lines, paint)
}

#[derive(Serialize)]
struct Listed<'a> {
    index: String,
    format: &'static str,
    arrays: &'a [Entry],
}

/// Tells what a bundle holds.
pub(super) fn list(args: &ListArgs, voice: &Voice) -> Result<()> {
    let bundle = Bundle::open(&args.index)?;
    let entries = numbers(&bundle, &args.names)?.into_iter().map(|n| bundle.entry(n)).collect::<Result<Vec<_>>>()?;
    let listed =
        Listed { index: bundle.path().display().to_string(), format: bundle.format().name(), arrays: &entries };
    voice.result(&listed, |paint| {
        let mut titles = vec!["name", "dtype", "shape", "number"];
        if args.long {
            titles.extend(["bytes", "crc32", "offset", "file", "packed", "steps"]);
        }
        let mut rows = vec![titles.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(entries.iter().map(|e| {
            let mut row = vec![e.name.clone(), e.dtype.to_string(), shape(&e.shape), e.number.to_string()];
            if args.long {
                let sum = format!("{:08x}", e.crc32);
                row.extend([e.bytes.to_string(), sum, e.offset.to_string(), e.file.clone()]);
                let packed = e.packed.as_ref();
                row.push(packed.map(|p| format!("{} {}", p.dtype, shape(&p.shape))).unwrap_or_default());
                row.push(packed.map(|p| p.steps.clone()).unwrap_or_default());
            }
            row
        }));
        let mut lines = aligned(&rows).into_iter();
        let titles = lines.next().map(|t| paint.dim(&t) + "\n").unwrap_or_default();
        titles + &lines.map(|l| l + "\n").collect::<String>()
    })
}

/// The arrays that `names` mean, each once; all where there are none.
fn numbers(bundle: &Bundle, names: &[String]) -> Result<Vec<u64>> {
    if names.is_empty() {
        return Ok((0..bundle.len()).collect());
    }
    let mut numbers = Vec::new();
    for name in names {
        numbers.extend(bundle.select(name)?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Writes arrays as files.
pub(super) fn extract(args: &ExtractArgs, voice: &Voice) -> Result<()> {
    let bundle = Bundle::open(&args.index)?;
    let numbers = numbers(&bundle, &args.names)?;
    let extracted = progress::with_bar(voice.shows_progress(), |tell| {
        let form = if args.packed { Form::Packed } else { Form::Original };
        let resources = options::resources(&args.run, tell);
        bundle.extract(&numbers, &args.output, form, replace(args.force), &resources)
    })?;
    voice.result(&extracted, |paint| {
        let what = format!("{} files, {}", count(extracted.files), size(extracted.bytes));
        let place = match extracted.paths.as_slice() {
            [only] if extracted.files == 1 => only.display().to_string(),
            _ => extracted.folder.display().to_string(),
        };
        labelled(&[("extracted", what), ("to", place)], paint)
    })
}

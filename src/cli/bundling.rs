//! `compact bundle`, `compact list`, `compact extract`.

use std::io::Read;

use serde::Serialize;

use super::bundle_args::{BundleArgs, ExtractArgs, ListArgs};
use super::number::{count, ratio, seconds, shape, size};
use super::table::{aligned, labelled};
use super::voice::{Paint, Voice};
use super::{options, progress};
use crate::collect::bundle::{self, Bundle, BundleOptions, Bundled, Entry};
use crate::error::{Error, Result};
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
    let bundled = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = BundleOptions {
            target_size: args.target_size.0,
            level: args.level,
            strict: args.strict,
            remove_sources: args.remove_sources,
            replace: replace(args.force),
            sync: args.sync,
            resources: options::resources(&args.run, tell),
        };
        bundle::bundle(&inputs, &args.output, &settings)
    })?;
    voice.result(&bundled, |paint| told(&bundled, paint))
}

fn told(bundled: &Bundled, paint: Paint) -> String {
    let mut lines = vec![(
        "bundled",
        format!(
            "{} arrays, {} -> {} ({}) in {}",
            count(bundled.arrays),
            size(bundled.input_bytes),
            size(bundled.stored_bytes),
            ratio(bundled.input_bytes as f64 / bundled.stored_bytes.max(1) as f64),
            seconds(bundled.seconds)
        ),
    )];
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
    let skipped = &bundled.skipped;
    if skipped.pickles > 0 {
        let names = skipped.pickle_names.join(", ");
        lines.push(("skipped", paint.warn(&format!("{} pickles: {names}", count(skipped.pickles)))));
        let remedy = "pickles run code when opened, so they never are; in Python: np.save('x.npy', pickle.load(open('x.pkl', 'rb')))";
        lines.push(("", remedy.to_owned()));
    }
    if skipped.others > 0 {
        let names = skipped.other_names.join(", ");
        lines.push(("skipped", paint.warn(&format!("{} without arrays: {names}", count(skipped.others)))));
    }
    if bundled.removed + bundled.kept > 0 {
        let kept = if bundled.kept > 0 { format!("; {} kept", count(bundled.kept)) } else { String::new() };
        lines.push((
            "removed",
            format!("{} inputs, after all was read back and compared{kept}", count(bundled.removed)),
        ));
    }
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
            titles.extend(["bytes", "crc32", "offset", "file"]);
        }
        let mut rows = vec![titles.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(entries.iter().map(|e| {
            let mut row = vec![e.name.clone(), e.dtype.to_string(), shape(&e.shape), e.number.to_string()];
            if args.long {
                let sum = format!("{:08x}", e.crc32);
                row.extend([e.bytes.to_string(), sum, e.offset.to_string(), e.file.clone()]);
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
        bundle.extract(&numbers, &args.output, replace(args.force), &options::resources(&args.run, tell))
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

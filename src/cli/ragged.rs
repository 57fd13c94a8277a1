//! `compact ragged INPUTS -o OUT`, and ragged arrays in `compact restore` and `compact info`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{RestoreArgs, RunArgs};
use super::number::{count, ratio, seconds, shape, size};
use super::ragged_args::RaggedArgs;
use super::table::{labelled, loss};
use super::voice::{Paint, Voice};
use super::{bounds, compacting, names, options, progress, steps};
use crate::array::DType;
use crate::collect::ragged::{
    Input, Ragged, RaggedOptions, RaggedReport, Range, ScatterOptions, Scattered, Sources, ragged, scatter,
};
use crate::engine::{self, AssessOptions, WriterOptions};
use crate::error::{Result, refuse};
use crate::metric::LossRecord;
use crate::report::Document;
use crate::store::hdf5::ChunkAsk;
use crate::store::{Format, Place, sha256};

/// Bytes of a coded chunk of values unless told otherwise: an item decodes one or two.
const CODED_CHUNK_BYTES: u64 = 512 << 10;

/// Makes a ragged array as the arguments say and tells what that did.
pub(super) fn run(args: &RaggedArgs, voice: &Voice) -> Result<()> {
    let to = output(args)?;
    let is_coded = args.bounds.ask()?.is_some();
    let asks = steps::asks(&args.steps, is_coded)?;
    let place = Place { path: to.clone(), member: None };
    args.bounds.check(&args.output, Some(&place))?;
    options::check(&args.output, false, Some(&place))?;
    if args.append && (is_coded || !asks.is_empty() || args.output.codec.is_some()) {
        return refuse!(
            Usage,
            "--append keeps the recipe that {} has; leave steps, bounds and --codec out",
            to.display()
        );
    }
    let mut inputs = Vec::new();
    for input in &args.inputs {
        inputs.extend(Input::all(&compacting::input(input)?)?);
    }
    let usual = RaggedOptions::default().values.hdf5;
    let mut hdf5 = options::hdf5(&args.output, args.bounds.chunks.as_ref())?;
    if args.output.codec.is_none() {
        (hdf5.codec, hdf5.level) = (usual.codec, usual.level);
    }
    if !matches!(args.bounds.chunks, Some(bounds::Chunks::Bytes(_))) {
        hdf5.chunk_bytes = usual.chunk_bytes;
    }
    let mut coded = args.bounds.coded()?;
    if let Some(coded) = &mut coded
        && coded.chunks == ChunkAsk::Auto
    {
        coded.chunks = ChunkAsk::Bytes(CODED_CHUNK_BYTES);
    }
    let report = progress::with_bar(voice.shows_progress(), |tell| {
        let values = WriterOptions {
            asks,
            fill: args.steps.fill,
            replace: options::replace(&args.output),
            sync: args.output.sync,
            hdf5,
            coded,
            resources: options::resources(&args.run, tell),
            ..WriterOptions::default()
        };
        ragged(&inputs, &to, args.append, &RaggedOptions { values, name_bytes: 0, dry_run: args.output.dry_run })
    })?;
    voice.result(&report, |paint| made(&report, paint))
}

/// Where the ragged array goes: into a file of HDF5.
fn output(args: &RaggedArgs) -> Result<PathBuf> {
    let Some(given) = &args.output.output else {
        return refuse!(Usage, "give the file to write with -o OUT.h5");
    };
    let place = names::place(given);
    if let Some(member) = &place.member {
        return refuse!(
            Usage,
            "a ragged array has a file of its own; give -o {} without :{member}",
            place.path.display()
        );
    }
    match Format::of_name(&place.path) {
        Some(Format::Hdf5) => Ok(place.path),
        _ => refuse!(Usage, "{place}: a ragged array is an HDF5 file; give a name that ends in .h5"),
    }
}

fn items(n: u64) -> String {
    format!("{} item{}", count(n), if n == 1 { "" } else { "s" })
}

fn axes(n: u64) -> String {
    format!("{n} {}", if n == 1 { "axis" } else { "axes" })
}

fn made(report: &RaggedReport, paint: Paint) -> String {
    let verb = if report.dry_run { "dry run: " } else { "" };
    let what = match report.added == report.items {
        true => items(report.items),
        false => format!("{} added: now {}", items(report.added), count(report.items)),
    };
    let exact = if report.exact { ", exact" } else { "" };
    let head =
        format!("{verb}{}: {what} of {} with {}{exact}", paint.bold(&report.place), report.dtype, axes(report.axes));
    let whole = if report.dry_run { " for the values alone" } else { "" };
    let mut lines = vec![(
        "size",
        format!(
            "{} -> {}{whole} ({}), {}",
            size(report.bytes),
            size(report.stored_bytes),
            ratio(report.bytes as f64 / report.stored_bytes.max(1) as f64),
            seconds(report.seconds)
        ),
    )];
    if let Some(record) = &report.loss {
        lines.extend(loss(record, report.exact, false, paint));
    }
    format!("{head}\n{}", labelled(&lines, paint))
}

/// Whether `place` is the file of a ragged array, not one of its datasets.
pub(super) fn is_one(place: &Place) -> bool {
    place.member.is_none() && Ragged::is_one(&place.path)
}

/// Compares all items with what they were made of.
pub(super) fn assess(
    original: &Place,
    ragged: &Place,
    settings: &AssessOptions<'_>,
    run: &RunArgs,
    voice: &Voice,
) -> Result<Document> {
    let array = Ragged::open(&ragged.path)?;
    let inputs = Input::all(original)?;
    let sources = progress::with_bar(voice.shows_progress(), |tell| {
        Sources::of(&inputs, &array, &options::resources(run, tell))
    })?;
    let mut document = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = AssessOptions { resources: options::resources(run, tell), ..settings.clone() };
        engine::assess(&sources.original(), sources.values(), &settings)
    })?;
    // The temporary file's name and checksum would mean nothing to a reader.
    let sum = if settings.full && original.path.is_file() { sha256(&original.path)? } else { None };
    for report in &mut document.arrays {
        report.original.place = original.to_string();
        report.sha256.clone_from(&sum);
    }
    Ok(document)
}

/// Whether `compact restore` is asked for items.
pub(super) fn is_meant(args: &RestoreArgs, input: &Place) -> bool {
    args.items.are_some() || (input.member.is_none() && args.slice.is_empty() && Ragged::is_one(&input.path))
}

/// Restores items and tells what was done.
pub(super) fn restore(args: &RestoreArgs, input: &Place, voice: &Voice) -> Result<()> {
    if input.member.is_some() {
        return refuse!(Usage, "--item and --items are for a ragged array's file; give {}", input.path.display());
    }
    let (which, is_one) = match (&args.items.item, &args.items.items) {
        (Some(i), _) => (Range::one(*i), true),
        (None, Some(text)) => (text.parse()?, false),
        (None, None) => (Range::ALL, false),
    };
    let array = Ragged::open(&input.path)?;
    let to = target(args, input, &array, which, is_one)?;
    let is_archive = Format::of_name(&to) == Some(Format::Npz);
    if !is_archive && (args.output.codec.is_some() || args.output.level.is_some()) {
        return refuse!(
            Usage,
            "{}: .npy files are never compressed; leave --codec out, or give an archive's name (-o ITEMS.npz)",
            to.display()
        );
    }
    let packing = options::npz(&args.output, Some(&Place { path: to.clone(), member: None }))?;
    let done = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = ScatterOptions {
            packing,
            replace: options::replace(&args.output),
            sync: args.output.sync,
            dry_run: args.output.dry_run,
            resources: options::resources(&args.run, tell),
        };
        scatter(&array, which, is_one, &to, &settings)
    })?;
    voice.result(&done, |paint| restored(&done, paint))
}

fn restored(done: &Scattered, paint: Paint) -> String {
    let what = match &done.shape {
        Some(of) => format!("{} {}", done.dtype, shape(of)),
        None => format!("{} of {}", items(done.items), done.dtype),
    };
    let to = match &done.output {
        Some(to) => paint.bold(to),
        None => "dry run".to_owned(),
    };
    format!("{to}: {what}, {}, {}\n", size(done.bytes), seconds(done.seconds))
}

/// Where items go to: a file for one, a folder or an archive for several.
fn target(args: &RestoreArgs, input: &Place, array: &Ragged, which: Range, is_one: bool) -> Result<PathBuf> {
    let given = args.output.output.as_deref().map(Path::new);
    if given == Some(Path::new("-")) {
        return refuse!(Usage, "-o -: items cannot go to standard output; give a file name, or a folder for several");
    }
    let stem = input.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if !is_one {
        let folder = given.map_or_else(|| input.path.with_file_name(format!("{stem}.items")), Path::to_path_buf);
        if !matches!(Format::of_name(&folder), None | Some(Format::Npz)) {
            return refuse!(
                Usage,
                "{}: several items go into a folder or a .npz archive; give its name",
                folder.display()
            );
        }
        return Ok(folder);
    }
    let number = which.of(array.len())?.next().unwrap_or(0);
    let name = format!("{stem}.item-{number}.npy");
    match given {
        None => Ok(input.path.with_file_name(name)),
        Some(folder) if folder.is_dir() => Ok(folder.join(name)),
        Some(file) if Format::of_name(file) == Some(Format::Npy) => Ok(file.to_path_buf()),
        Some(file) => {
            refuse!(Usage, "{}: an item is restored into a .npy file; give a name that ends so", file.display())
        }
    }
}

/// What a ragged array's file holds.
#[derive(Debug, Serialize)]
struct RaggedInfo {
    place: String,
    format: &'static str,
    ragged: bool,
    items: u64,
    dtype: DType,
    axes: u64,
    values: u64,
    original_bytes: u64,
    stored_bytes: u64,
    named: bool,
    exact: bool,
    layout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<LossRecord>,
}

/// Tells what a ragged array's file holds.
pub(super) fn info(place: &Place, voice: &Voice) -> Result<()> {
    let array = Ragged::open(&place.path)?;
    array.check_end()?;
    let values = array.values();
    let info = RaggedInfo {
        place: place.to_string(),
        format: Format::Hdf5.name(),
        ragged: true,
        items: array.len(),
        dtype: array.dtype(),
        axes: array.axes(),
        values: array.values_count(),
        original_bytes: values.spec().bytes(),
        stored_bytes: array.stored_bytes()?,
        named: array.is_named(),
        exact: values.is_exact(),
        layout: values.opened().layout(),
        loss: values.record().and_then(|r| r.loss.clone()),
    };
    voice.result(&info, |paint| {
        let named = if info.named { ", with names" } else { "" };
        let exact = if info.exact { "exact" } else { "not exact" };
        let head = format!(
            "{}: a ragged array of {} of {} with {}{named}",
            paint.bold(&info.place),
            items(info.items),
            info.dtype,
            axes(info.axes)
        );
        let mut lines = vec![
            ("size", format!("{} of values, {} on disk", size(info.original_bytes), size(info.stored_bytes))),
            ("values", format!("{}, {}; {exact}", values.opened().place(), info.layout)),
            ("one item", format!("compact restore {place} --item 0")),
            (
                "Python",
                "a = row_size[:].cumsum(); item i is values[a[i] - row_size[i] : a[i]].reshape(shape[i])".to_owned(),
            ),
        ];
        if let Some(record) = &info.loss {
            lines.extend(loss(record, info.exact, false, paint));
        }
        format!("{head}\n{}", labelled(&lines, paint))
    })
}

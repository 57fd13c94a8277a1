//! `compact append FILE MORE…`.

use super::append_args::AppendArgs;
use super::number::{count, error, seconds, shape, size};
use super::table::{labelled, loss};
use super::voice::{Paint, Voice};
use super::{compacting, names, options, progress};
use crate::engine::{Added, AppendOptions, Appended, add, append};
use crate::error::{Result, refuse};
use crate::store::{Format, Place, Replace};

/// Appends what the arguments name and tells what that did.
pub(super) fn run(args: &AppendArgs, voice: &Voice) -> Result<()> {
    let file = names::place(&args.file);
    if names::is_stdin(&file) {
        return refuse!(Usage, "standard input cannot be appended to; name a file");
    }
    let more = args.more.iter().map(|m| compacting::input(m)).collect::<Result<Vec<Place>>>()?;
    if more.iter().filter(|place| names::is_stdin(place)).count() > 1 {
        return refuse!(Usage, "- stands for standard input, which can be read once; give it once");
    }
    let is_archive = file.member.is_none() && Format::of_name(&file.path) == Some(Format::Npz);
    if is_archive {
        return to_archive(&file, &more, args, voice);
    }
    if args.name.is_some() || args.force {
        return refuse!(
            Usage,
            "--as and --force are for further arrays in an archive (compact append x.npz MORE); {file} gets rows"
        );
    }
    let appended = progress::with_bar(voice.shows_progress(), |tell| {
        let settings = AppendOptions {
            refit_chunks: args.refit_chunks,
            dry_run: args.dry_run,
            sync: false,
            resources: options::resources(&args.run, tell),
        };
        append(&file, &more, &settings)
    })?;
    voice.result(&appended, |paint| text(&appended, paint))
}

/// Adds arrays to an archive and tells which.
fn to_archive(file: &Place, more: &[Place], args: &AppendArgs, voice: &Voice) -> Result<()> {
    if args.refit_chunks {
        return refuse!(
            Usage,
            "--refit-chunks is for rows in HDF5; {file} gets further arrays, which keep their recipes"
        );
    }
    let replace = if args.force { Replace::Allowed } else { Replace::Never };
    let added = progress::with_bar(voice.shows_progress(), |tell| {
        let resources = options::resources(&args.run, tell);
        add(&file.path, more, args.name.as_deref(), replace, args.dry_run, &resources)
    })?;
    voice.result(&added, |paint| added_text(&added, paint))
}

fn added_text(added: &Added, paint: Paint) -> String {
    let n = added.added.len();
    let (verb, now) = if added.dry_run { ("dry run: would add", "then") } else { ("added", "now") };
    let arrays = if n == 1 { "array" } else { "arrays" };
    let all = count(added.arrays);
    let mut text = format!("{verb} {} {arrays} to {}: {now} {all} in it\n", count(n as u64), paint.bold(&added.place));
    for array in &added.added {
        let instead = if array.replaced { ", in place of the one there was" } else { "" };
        let what = format!("{} {}, {}", array.dtype, shape(&array.shape), size(array.stored_bytes));
        text += &format!("  {}: {what}{instead}\n", array.name);
    }
    let how = format!("{} on disk, {}", size(added.stored_bytes), seconds(added.seconds));
    if added.dry_run { text } else { text + &labelled(&[("size", how)], paint) }
}

fn text(appended: &Appended, paint: Paint) -> String {
    let rows = format!("{} row{}", count(appended.rows), if appended.rows == 1 { "" } else { "s" });
    let change = match (&appended.added, appended.exact) {
        (None, _) => "an ordinary array".to_owned(),
        (Some(_), true) => "exact".to_owned(),
        (Some(added), false) => match &appended.loss {
            Some(all) if all.max_abs > added.max_abs || appended.shape.first() == Some(&appended.rows) => {
                format!("largest error {}, unchanged", error(all.max_abs))
            }
            Some(all) => format!("largest error {}", error(all.max_abs)),
            None => format!("largest error of the rows {}", error(added.max_abs)),
        },
    };
    let (verb, now) = if appended.dry_run { ("dry run: would append", "then") } else { ("appended", "now") };
    let what = format!("{verb} {rows} to {}: {now} {}; {change}", paint.bold(&appended.place), shape(&appended.shape));
    let mut lines = Vec::new();
    if !appended.dry_run {
        let how = match (appended.in_place, appended.made_anew) {
            (true, _) => "rows added in place",
            (_, true) => "the array was written anew to let it grow; from now on it can",
            _ => "a new file replaced the old one",
        };
        lines.push(("size", format!("{} on disk, {how}, {}", size(appended.stored_bytes), seconds(appended.seconds))));
    }
    if appended.left_over > 0 {
        let words = format!("{} of an append that was cut short were dropped", size(appended.left_over));
        lines.push(("note", paint.warn(&words)));
    }
    if appended.refitted > 0 {
        lines.push(("note", format!("{} chunks got parameters of their own", count(appended.refitted))));
    }
    if let Some(record) = &appended.loss {
        lines.extend(loss(record, appended.exact, appended.steps.is_empty() && appended.exact, paint));
    }
    format!("{what}\n{}", labelled(&lines, paint))
}

//! What a run on all arrays of a file did, for people.

use std::collections::BTreeMap;

use super::number::{count, error, rate, ratio, seconds, shape, size};
use super::readers::shell;
use super::table::{aligned, labelled, smaller};
use super::voice::Paint;
use crate::engine::{Many, Member, RestoredMember};
use crate::report::Side;
use crate::store::Place;

/// Arrays with a line of their own at most; `--json` has all.
const SHOWN: usize = 40;
/// Left-out members that are named.
const NAMED: usize = 10;

/// The report of a compaction.
///
/// `flags` are those that were chosen for each array, where it was not the user who chose.
pub(super) fn compacted(
    many: &Many<Member>,
    in_the_way: Option<&Place>,
    flags: Option<&BTreeMap<String, String>>,
    paint: Paint,
) -> String {
    let last = if flags.is_some() { "chosen" } else { "--select" };
    let mut rows = vec![row("array", "dtype", "shape", ["size", "ratio", "max error", last].map(str::to_owned))];
    for member in many.members.iter().take(SHOWN) {
        let report = &member.report;
        let made: &Side = report.output.as_ref().unwrap_or(&report.input);
        let lost = if report.exact { "exact".to_owned() } else { error(report.loss.max_abs) };
        let bytes = report.output.as_ref().map_or(report.packed_bytes, |o| o.stored_bytes);
        let by = ratio(report.input.array_bytes as f64 / bytes.max(1) as f64);
        let select = match flags {
            Some(flags) => flags.get(&member.name).cloned().unwrap_or_else(|| "as it is".to_owned()),
            None => member.select.clone().unwrap_or_default(),
        };
        rows.push(row(&member.name, &made.dtype.to_string(), &shape(&made.shape), [size(bytes), by, lost, select]));
    }
    let mut text = title(many, paint) + &table(&rows, many.members.len(), paint);
    let before = size(many.array_bytes);
    let after = if many.output.is_some() { "on disk" } else { "and headers" };
    let mut lines = vec![("size", format!("{before} -> {} {after}, {}", size(many.stored_bytes), smaller(many.ratio)))];
    let lossy = many.members.iter().filter(|m| !m.report.exact).count();
    lines.push((
        "loss",
        match lossy {
            0 => paint.good("lossless: the same bits come back"),
            n => {
                format!("{} of {} arrays with the errors above; --json has all figures", count(n as u64), arrays(many))
            }
        },
    ));
    for member in many.members.iter().filter(|m| m.report.loss.classes.values().any(|n| *n > 0)).take(NAMED) {
        let classes: Vec<_> = member.report.loss.classes.iter().map(|(c, n)| format!("{c} {}", count(*n))).collect();
        lines.push(("classes", paint.warn(&format!("{}: {}", member.name, classes.join(", ")))));
    }
    left_out(many, &mut lines, paint);
    // Arrays without a step are the originals.
    let done = many.members.iter().any(|m| !m.report.steps.is_empty() || m.report.coding.is_some());
    if let Some(output) = many.output.as_ref().filter(|_| done) {
        lines.push(("undo", format!("compact restore {}", shell(output))));
    }
    if let Some(place) = in_the_way {
        lines.push(("note", paint.warn(&format!("{place} exists; the run itself will need --force or another -o"))));
    }
    text += "\n";
    text + &labelled(&lines, paint)
}

/// The report of a restore.
pub(super) fn restored(many: &Many<RestoredMember>, paint: Paint) -> String {
    let mut rows = vec![row("array", "dtype", "shape", ["size", "", "", ""].map(str::to_owned))];
    for member in many.members.iter().take(SHOWN) {
        let made = member.restored.output.as_ref().unwrap_or(&member.restored.input);
        let what = if member.compacted { String::new() } else { "ordinary, as it was".to_owned() };
        let cells = [size(made.array_bytes), what, String::new(), String::new()];
        rows.push(row(&member.name, &made.dtype.to_string(), &shape(&member.restored.shape), cells));
    }
    let mut text = title(many, paint) + &table(&rows, many.members.len(), paint);
    let mut lines = vec![("size", format!("{}, {} on disk", size(many.array_bytes), size(many.stored_bytes)))];
    left_out(many, &mut lines, paint);
    text += "\n";
    text + &labelled(&lines, paint)
}

fn arrays<M>(many: &Many<M>) -> String {
    count(many.members.len() as u64)
}

fn title<M>(many: &Many<M>, paint: Paint) -> String {
    let time = paint.dim(&format!(" in {}, {}", seconds(many.seconds), rate(many.array_bytes, many.seconds)));
    let n = arrays(many) + if many.members.len() == 1 { " array" } else { " arrays" };
    let input = paint.bold(&many.input);
    match &many.output {
        Some(output) => format!("{input} -> {}: {n}{time}\n\n", paint.bold(output)),
        None => format!("{input}: dry run of {n}, nothing written;{time}\n\n"),
    }
}

fn row(name: &str, dtype: &str, dims: &str, rest: [String; 4]) -> Vec<String> {
    [name, dtype, dims].map(str::to_owned).into_iter().chain(rest).collect()
}

fn table(rows: &[Vec<String>], all: usize, paint: Paint) -> String {
    let mut text = String::new();
    for (i, line) in aligned(rows).into_iter().enumerate() {
        text += &if i == 0 { paint.dim(&line) } else { line };
        text.push('\n');
    }
    if all > SHOWN {
        text += &paint.dim(&format!("and {} more; --json has all\n", count((all - SHOWN) as u64)));
    }
    text
}

/// What is not in the output.
fn left_out<M>(many: &Many<M>, lines: &mut Vec<(&'static str, String)>, paint: Paint) {
    for skipped in many.skipped.iter().take(NAMED) {
        lines.push(("left out", paint.warn(&format!("{}: {}", skipped.name, skipped.why))));
    }
    if many.skipped.len() > NAMED {
        let more = count((many.skipped.len() - NAMED) as u64);
        lines.push(("left out", paint.warn(&format!("and {more} more that are no arrays of numbers"))));
    }
    if many.not_taken > 0 {
        lines.push(("left out", format!("{} that --only does not name", count(many.not_taken))));
    }
}

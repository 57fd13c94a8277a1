//! Reports for people: thin tables that fit 80 columns.

use super::number::{at_most, count, error, rate, ratio, seconds, shape, size};
use super::readers::{Reading, notes, readings, shell};
use super::voice::Paint;
use crate::array::{DType, Scalar};
use crate::engine::{Reader, Report, Restored, StepReport};
use crate::metric::{Class, LossRecord, Value};
use crate::report::CodingReport;
use crate::store::Place;

/// Columns of the table of steps: name, dtype, shape to the left; size, ratio, errors to the right.
const LEFT: usize = 3;

/// The report of a compaction. `in_the_way` is the existing file that the run after a dry run would meet.
pub(super) fn compacted(report: &Report, in_the_way: Option<&Place>, paint: Paint) -> String {
    let time = format!(" in {}, {}", seconds(report.seconds), rate(report.input.array_bytes, report.seconds));
    let mut text = match &report.output {
        Some(output) => {
            format!("{} -> {}{}\n\n", paint.bold(&report.input.place), paint.bold(&output.place), paint.dim(&time))
        }
        None => format!("{}: dry run, nothing written;{}\n\n", paint.bold(&report.input.place), paint.dim(&time)),
    };
    text += &steps(report, paint);
    let mut lines = vec![("size", sizes(report))];
    lines.extend(loss(&report.loss, report.exact, report.steps.is_empty() && report.coding.is_none(), paint));
    lines.extend(super::report_table::kept(&report.criteria, paint));
    if let Some(output) = &report.output {
        lines.extend(opening(&Place::parse(&output.place)));
        lines.push(("undo", format!("compact restore {}", shell(&output.place))));
    }
    if let Some(place) = in_the_way {
        lines.push(("note", paint.warn(&format!("{place} exists; the run itself will need --force or another -o"))));
    }
    text + "\n" + &labelled(&lines, paint)
}

fn steps(report: &Report, paint: Paint) -> String {
    let row = |name: &str, dtype: DType, dims: &[u64], bytes: u64, loss: [String; 3]| -> Vec<String> {
        let [ratio, max, rmse] = loss;
        vec![name.to_owned(), dtype.to_string(), shape(dims), size(bytes), ratio, max, rmse]
    };
    let titles = ["step", "dtype", "shape", "size", "ratio", "max error", "RMSE"].map(str::to_owned).to_vec();
    let input = &report.input;
    let mut rows = vec![titles, row("(input)", input.dtype, &input.shape, input.array_bytes, Default::default())];
    for step in &report.steps {
        let smaller = ratio(input.array_bytes as f64 / step.bytes.max(1) as f64);
        let (max, rmse) = match &step.loss {
            None => ("exact".to_owned(), String::new()),
            Some(loss) => (error(loss.max_abs), error(loss.rmse)),
        };
        rows.push(row(step.step.name(), step.dtype, &step.shape, step.bytes, [smaller, max, rmse]));
    }
    if let Some(coding) = &report.coding {
        let smaller = ratio(input.array_bytes as f64 / coding.bytes.max(1) as f64);
        let (max, rmse) = match &coding.loss {
            None => ("exact".to_owned(), String::new()),
            Some(loss) => (error(loss.max_abs), error(loss.rmse)),
        };
        rows.push(row("coding", input.dtype, &input.shape, coding.bytes, [smaller, max, rmse]));
    }
    let mut lines = aligned(&rows).into_iter();
    let mut text = lines.next().map(|titles| paint.dim(&titles) + "\n").unwrap_or_default();
    text += &lines.next().map(|input| input + "\n").unwrap_or_default();
    let words = report.steps.iter().map(words).chain(report.coding.as_ref().map(coding_words));
    for (words, line) in words.zip(lines) {
        text += &format!("{line}\n{}\n", paint.dim(&format!("  {words}")));
    }
    text
}

/// A step in words, with the bound it keeps.
fn words(step: &StepReport) -> String {
    match step.bound {
        Some(bound) if bound > 0.0 => format!("{}; error at most {}", step.words, at_most(bound)),
        _ => step.words.clone(),
    }
}

/// A coding in words, and what it took to keep its bound.
fn coding_words(coding: &CodingReport) -> String {
    let mut text = format!("{}, effort {}", coding.words, coding.coding.effort);
    if coding.chunks > 0 {
        text += &format!("; {} of {}", plural(coding.chunks, "chunk"), shape(&coding.chunk));
    }
    if coding.patched > 0 {
        text += &format!("; {} kept exactly", plural(coding.patched, "value"));
    }
    if coding.fell_back > 0 {
        text += &format!("; {} without loss", plural(coding.fell_back, "chunk"));
    }
    text
}

fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Rows in columns that are as wide as their widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
        .collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, width))| match c {
                c if c < LEFT => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Lines with a word before each; a word that repeats is written once.
pub(super) fn labelled(lines: &[(&str, String)], paint: Paint) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut last = "";
    for (label, line) in lines {
        let shown = if *label == last { "" } else { label };
        text += &format!("{}  {line}\n", paint.dim(&format!("{shown:<width$}")));
        last = label;
    }
    text
}

fn sizes(report: &Report) -> String {
    let input = &report.input;
    let mut before = size(input.array_bytes);
    if input.stored_bytes < input.array_bytes {
        before += &format!(" ({} on disk)", size(input.stored_bytes));
    }
    let after = match &report.output {
        Some(output) => format!("{} on disk", size(output.stored_bytes)),
        None => format!("{} and a header", size(report.packed_bytes)),
    };
    format!("{before} -> {after}, {}", smaller(report.ratio))
}

/// A ratio in words.
pub(super) fn smaller(by: f64) -> String {
    match by {
        by if by >= 1.005 => format!("{} smaller", ratio(by)),
        by if by > 0.995 => "the same size".to_owned(),
        by => format!("{} larger", ratio(1.0 / by.max(f64::MIN_POSITIVE))),
    }
}

/// What was lost, in lines. `converted` says that no step ran, so that any loss is an earlier one.
pub(super) fn loss(loss: &LossRecord, exact: bool, converted: bool, paint: Paint) -> Vec<(&'static str, String)> {
    if exact && !(converted && loss.changed > 0) {
        return vec![("loss", paint.good("lossless: the same bits come back"))];
    }
    let mut lines = Vec::new();
    if exact {
        lines.push(("loss", "none by this conversion; below, that of the compaction before".to_owned()));
    }
    if loss.changed == 0 {
        lines.push((
            "loss",
            paint.good(&format!("none: all {} restored values equal the original ones", count(loss.count))),
        ));
    } else {
        lines.extend(worst(loss).map(|line| ("error", line)));
        let mean = format!("RMSE {}, mean error {}", error(loss.rmse), error(loss.mean_error));
        lines.push(("error", mean + " (original - restored)"));
        lines.push(("changed", format!("{} of {} values", count(loss.changed), count(loss.count))));
    }
    if loss.not_finite > 0 {
        let finite = count(loss.count.saturating_sub(loss.not_finite));
        let others = count(loss.not_finite);
        lines.push(("changed", format!("errors are over {finite} finite values; {others} others are NaN or infinite")));
    }
    let classes: Vec<_> =
        Class::ALL.iter().filter_map(|c| Some((c, loss.classes.get(c.name()).filter(|n| **n > 0)?))).collect();
    for (class, n) in &classes {
        lines.push(("classes", paint.warn(&format!("{}: {}", class.words(), count(**n)))));
    }
    if loss.nan_payload > 0 {
        lines.push(("classes", format!("NaN whose bits changed, still NaN: {}", count(loss.nan_payload))));
    }
    if classes.is_empty() {
        lines.push(("classes", "none changed: NaN, infinity, zero and sign are kept everywhere".to_owned()));
    }
    lines
}

fn worst(loss: &LossRecord) -> impl Iterator<Item = String> {
    let at = loss.max_abs_at.as_ref().map(|at| format!(", at {at:?}")).unwrap_or_default();
    let values = match (loss.original, loss.restored) {
        (Some(original), Some(restored)) => Some(format!("{} became {}", scalar(original), scalar(restored))),
        _ => None,
    };
    [format!("at most {}{at}", at_most(loss.max_abs))].into_iter().chain(values)
}

fn scalar(value: Value) -> Scalar {
    match value {
        Value::Bool(b) => Scalar::Bool(b),
        Value::Int(i) => Scalar::Int(i.into()),
        Value::Uint(u) => Scalar::Int(u.into()),
        Value::Float(x) => Scalar::Float(x),
        Value::Complex([re, im]) => Scalar::Complex(re, im),
    }
}

/// How Python opens the output, and what the values mean.
fn opening(place: &Place) -> Vec<(&'static str, String)> {
    // The file itself knows best what is in it.
    let Ok(reader) = Reader::at(place) else { return Vec::new() };
    let (opened, pipeline) = (reader.opened(), reader.pipeline());
    let readings = readings(place, opened.format(), opened.shown(), pipeline, &opened.layout());
    let first = readings.iter().take(1).flat_map(reading);
    first.chain(notes(pipeline)).map(|line| ("open", line)).collect()
}

/// One way to open a file, in one line or two.
pub(super) fn reading(reading: &Reading) -> Vec<String> {
    /// What a line has beside the label, in a terminal of 80 columns.
    const WIDTH: usize = 68;
    let line = format!("{} gives {}", reading.code, reading.gives);
    match line.chars().count() {
        0..=WIDTH => vec![line],
        _ => vec![reading.code.clone(), format!("  gives {}", reading.gives)],
    }
}

/// What a restore did. `reader` is the compacted file, where it can be asked again.
pub(super) fn restored(restored: &Restored, reader: Option<&Reader>, paint: Paint) -> String {
    let input = paint.bold(&restored.input.place);
    let Some(output) = &restored.output else {
        return format!("{input}: dry run, nothing written; it can be restored to shape {}\n", shape(&restored.shape));
    };
    let time = format!(" in {}, {}", seconds(restored.seconds), rate(output.array_bytes, restored.seconds));
    let mut text = format!("{input} -> {}{}\n\n", paint.bold(&output.place), paint.dim(&time));
    let mut lines = vec![("array", format!("{} {}, {}", output.dtype, shape(&output.shape), size(output.array_bytes)))];
    if let Some(reader) = reader
        && let Some(loss) = reader.record().and_then(|r| r.loss.as_ref())
    {
        let is_part = reader.spec().shape() != output.shape;
        if reader.is_exact() {
            lines.push(("loss", paint.good("lossless: these are the original's bits")));
        } else if loss.changed == 0 {
            lines.push(("loss", paint.good("none: every value equals the original one")));
        } else {
            let of = if is_part { "; measured on the whole array" } else { "" };
            lines.push(("loss", format!("max error {}, RMSE {}{of}", at_most(loss.max_abs), error(loss.rmse))));
        }
    }
    text += &labelled(&lines, paint);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lossy() -> LossRecord {
        serde_json::from_str(
            r#"{"count":4,"changed":3,"not_finite":1,"max_abs":0.0078125,"max_abs_at":[1,0],"original":10.3,"restored":10.3125,
                "rmse":1e-3,"mean_error":0.0,"classes":{"nonzero_to_zero":2}}"#,
        )
        .unwrap()
    }

    fn text(record: &LossRecord, exact: bool) -> String {
        labelled(&loss(record, exact, false, Paint::none()), Paint::none())
    }

    #[test]
    fn a_change_of_class_is_never_left_out_and_none_is_said() {
        let mut record = lossy();
        let shown = text(&record, false);
        assert!(shown.contains("at most 0.0078125, at [1, 0]\n") && shown.contains("10.3 became 10.3125"), "{shown}");
        assert!(shown.contains("nonzero values became zero: 2"), "{shown}");
        assert!(shown.contains("3 of 4 values"), "{shown}");
        record.classes.clear();
        assert!(text(&record, false).contains("none changed"), "{}", text(&record, false));
        assert!(text(&record, true).contains("lossless"));
    }

    #[test]
    fn a_conversion_tells_the_loss_of_the_compaction_before() {
        let lines = labelled(&loss(&lossy(), true, true, Paint::none()), Paint::none());
        assert!(lines.contains("compaction before") && lines.contains("0.0078125"), "{lines}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |list: [&str; 4]| list.map(str::to_owned).to_vec();
        let rows = [cells(["step", "dtype", "shape", "size"]), cells(["triangle", "f8", "(3,)", "24 B"])];
        assert_eq!(aligned(&rows), ["step      dtype  shape  size", "triangle  f8     (3,)   24 B"]);
    }

    #[test]
    fn ratios_are_told_in_the_right_direction() {
        assert_eq!(smaller(7.944), "7.94 x smaller");
        assert_eq!(smaller(0.5), "2.00 x larger");
        assert_eq!(smaller(0.999), "the same size");
    }
}

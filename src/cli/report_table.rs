//! Comparisons for people: the table of `compact report`, the lines of `compact verify`.

use std::path::PathBuf;

use super::number::{at_most, count, error, shape, size};
use super::table::{labelled, smaller};
use super::voice::Paint;
use crate::array::Scalar;
use crate::metric::{Criterion, Description, Element, Estimate, Figure, Group, Number, Outcome};
use crate::report::{ArrayReport, Document, number as numbers};

/// Groups of figures in the order of the table, each with its label.
const GROUPS: &[(Group, &str)] = &[
    (Group::Error, "error"),
    (Group::Relative, "relative"),
    (Group::Likeness, "likeness"),
    (Group::Statistics, "shift"),
    (Group::Structure, "structure"),
];

/// The verdict: one line a criterion, and one that sums up.
pub(super) fn verdict(document: &Document, paint: Paint) -> String {
    let mut text = String::new();
    let several = document.arrays.len() > 1;
    for array in &document.arrays {
        for criterion in &array.criteria {
            let name = array.name.as_deref().filter(|_| several).map(|n| format!("{n}: ")).unwrap_or_default();
            text += &format!("{}  {name}{}\n", outcome(criterion.outcome, paint), criterion.sentence());
        }
    }
    text += &summary(document, paint);
    text
}

fn outcome(outcome: Outcome, paint: Paint) -> String {
    // As wide as the longest, so that names stand in one column.
    let word = format!("{:<11}", outcome.word());
    match outcome {
        Outcome::Passed => paint.good(&word),
        Outcome::Unknown => paint.warn(&word),
        Outcome::Failed => paint.bad(&word),
    }
}

fn summary(document: &Document, paint: Paint) -> String {
    let Some(verdict) = document.verdict else { return String::new() };
    let of = |outcome| document.criteria().filter(|(_, c)| c.outcome == outcome).count();
    let all = document.criteria().count();
    let source = document.budget.as_ref().and_then(|b| b.source.as_deref());
    let source = source.map(|s| format!(" ({s})")).unwrap_or_default();
    let counts = match verdict {
        Outcome::Passed if all == 1 => format!("the criterion is within budget{source}"),
        Outcome::Passed => format!("all {all} criteria within budget{source}"),
        Outcome::Failed => format!("{} of {all} criteria over budget{source}", of(Outcome::Failed)),
        Outcome::Unknown => format!("{} of {all} criteria could not be checked{source}", of(Outcome::Unknown)),
    };
    let left: String =
        document.not_compared.iter().map(|name| format!("{}  {name}\n", paint.warn("not compared"))).collect();
    let kept: u64 = document.arrays.iter().map(|a| a.comparison.count).sum();
    format!("{left}{}  {counts}; {} values compared\n", outcome(verdict, paint), count(kept))
}

/// The whole comparison.
pub(super) fn report(document: &Document, written: &[PathBuf], paint: Paint) -> String {
    let mut text = String::new();
    for array in &document.arrays {
        text += &one(array, paint);
        text.push('\n');
    }
    if document.verdict.is_some() {
        text += &verdict(document, paint);
    }
    if let Some(budget) = &document.budget {
        let lines: Vec<(&str, String)> = [("note", &budget.note), ("author", &budget.author)]
            .into_iter()
            .filter_map(|(label, line)| Some((label, line.clone()?)))
            .collect();
        text += &labelled(&lines, paint);
    }
    for path in written {
        text += &format!("written: {}\n", path.display());
    }
    text
}

fn one(array: &ArrayReport, paint: Paint) -> String {
    let c = &array.comparison;
    let mut text = format!("{} against {}\n\n", paint.bold(&array.compacted.place), paint.bold(&array.original.place));
    let mut lines = vec![(
        "array",
        format!("{} {}, {} values", array.original.dtype, shape(&array.original.shape), count(c.count)),
    )];
    lines.push((
        "size",
        format!(
            "{} -> {} on disk, {}",
            size(array.original.array_bytes),
            size(array.compacted.stored_bytes),
            smaller(array.ratio)
        ),
    ));
    lines.extend(steps(array));
    if let Some(note) = &array.steps_note {
        lines.push(("steps", paint.warn(note)));
    }
    if c.changed == 0 {
        let but = match c.nan_payload {
            0 => ", bit for bit".to_owned(),
            n => format!(", but for the bits of {} NaN", count(n)),
        };
        lines.push(("loss", paint.good(&format!("none: every value equals the original one{but}"))));
    } else {
        lines.push(("changed", format!("{} of {} values", count(c.changed), count(c.count))));
    }
    if c.pairs < c.count {
        let others = count(c.count - c.pairs);
        lines.push((
            "changed",
            format!("errors are over {} pairs; {others} others hold NaN, Inf or fill", count(c.pairs)),
        ));
    }
    for (group, label) in GROUPS {
        let figures: Vec<(Figure, f64)> = c.figures.iter().filter(|(f, _)| f.group() == *group).collect();
        for (figure, value) in figures {
            let place = c.place(figure).map(|e| format!(", {}", element(e))).unwrap_or_default();
            lines.push((label, format!("{:<36}{}{place}", figure.label(), numbers::figure(figure, value))));
        }
    }
    for row in c.classes.iter().filter(|r| r.count > 0) {
        let first = row.first.as_ref().map(|e| format!(", first {}", element(e))).unwrap_or_default();
        lines.push(("classes", paint.warn(&format!("{}: {}{first}", row.name.words(), count(row.count)))));
    }
    if c.classes.iter().all(|r| r.count == 0) {
        lines.push(("classes", "none changed: NaN, infinity, zero and sign are kept everywhere".to_owned()));
    }
    for axis in &c.axes {
        if let Some(slice) = axis.worst.and_then(|w| axis.slices.get(w)) {
            let which = if slice.to == slice.from + 1 {
                format!("index {}", slice.from)
            } else {
                format!("indices {} to {}", slice.from, slice.to - 1)
            };
            let errors = format!("RMSE {}, max {}", number(slice.rmse.0), error(slice.max_abs));
            lines.push(("worst slice", format!("axis {}: {which}, {errors}", axis.axis)));
        }
    }
    if let Some(chunks) = &c.chunks
        && let Some(worst) = chunks.worst.first().filter(|w| w.max_abs > 0.0)
    {
        let at = format!("the one at {:?}, max {}, RMSE {}", worst.index, error(worst.max_abs), number(worst.rmse.0));
        lines.push(("worst chunk", format!("of {}: {at}", count(chunks.count))));
    }
    for e in &c.worst {
        lines.push(("worst", element(e)));
    }
    text += &labelled(&lines, paint);
    text += &format!("\n{}", data(&c.original, &c.restored, paint));
    text
}

fn steps(array: &ArrayReport) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for step in &array.steps {
        let error = step.loss.as_ref().map_or("exact".to_owned(), |l| format!("error {}", error(l.max_abs)));
        let bound = match (step.bound, step.bound_rel) {
            (Some(b), _) if b > 0.0 => format!(", at most {} possible", at_most(b)),
            (None, Some(r)) => format!(", at most {} of each value possible", at_most(r)),
            _ => String::new(),
        };
        lines.push(("steps", format!("{}: {error}{bound} ({})", step.step.name(), step.words)));
    }
    if let (Some(bound), true) = (array.bound, array.steps.len() > 1) {
        let total = array.comparison.figures.get(Figure::MaxAbs);
        lines.push(("steps", format!("together {} of {} possible", number(total), at_most(bound.0))));
    }
    lines
}

/// An element in words: where, what it was, what it became.
fn element(e: &Element) -> String {
    format!("at {:?}: {} became {}", e.index, e.original.0, e.restored.0)
}

/// A figure: six digits.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    Scalar::Float(format!("{value:.5e}").parse().unwrap_or(value)).to_string()
}

/// Both arrays side by side.
fn data(original: &Description, restored: &Description, paint: Paint) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut row = |label: &str, of: &dyn Fn(&Description) -> String| {
        rows.push([label.to_owned(), of(original), of(restored)]);
    };
    let float = |n: Number| number(n.0);
    row("finite values", &|d| count(d.finite));
    row("min", &|d| float(d.min));
    row("max", &|d| float(d.max));
    row("mean", &|d| float(d.mean));
    row("standard deviation", &|d| float(d.std));
    row("smallest nonzero magnitude", &|d| float(d.smallest_nonzero));
    row("zeros", &|d| count(d.zeros));
    for (label, of) in [
        ("NaN", (|d| d.nan) as fn(&Description) -> u64),
        ("+Inf", |d| d.pos_inf),
        ("-Inf", |d| d.neg_inf),
        ("fill values", |d| d.fill),
    ] {
        if of(original) + of(restored) > 0 {
            row(label, &|d| count(of(d)));
        }
    }
    let estimate = |e: Option<Estimate>, unit: &str| match e {
        Some(e) => format!("{}{}{unit}", if e.exact { "" } else { "about " }, number(e.value)),
        None => "-".to_owned(),
    };
    row("distinct values", &|d| match d.distinct {
        Some(e) if e.exact => count(e.value as u64),
        e => estimate(e, ""),
    });
    row("entropy", &|d| estimate(d.entropy, " bits"));
    if original.precision.is_some() || restored.precision.is_some() {
        let of = |d: &Description, with: &dyn Fn(crate::metric::Precision) -> String| {
            d.precision.map_or("-".to_owned(), with)
        };
        row("mantissa bits in use", &|d| of(d, &|p| p.mantissa_bits.map_or("-".to_owned(), |b| b.to_string())));
        row("decimal digits", &|d| of(d, &|p| p.decimal_digits.map_or("over 15".to_owned(), |b| b.to_string())));
        row("fits", &|d| {
            of(d, &|p| {
                if p.float16 {
                    "float16"
                } else if p.float32 {
                    "float32"
                } else {
                    "float64"
                }
                .to_owned()
            })
        });
    }
    let widths: Vec<usize> = (0..3).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let width = |c: usize, least: usize| widths.get(c).copied().unwrap_or(0).max(least);
    let (w0, w1, w2) = (width(0, 0), width(1, 8), width(2, 8));
    let mut text = paint.dim(&format!("{:<w0$}  {:>w1$}  {:>w2$}", "data", "original", "restored")) + "\n";
    for [label, a, b] in rows {
        let line = format!("{label:<w0$}  {a:>w1$}  {b:>w2$}");
        text += &(line.trim_end().to_owned() + "\n");
    }
    text
}

/// The criteria of a compaction's budget, in lines.
pub(super) fn kept(criteria: &[Criterion], paint: Paint) -> Vec<(&'static str, String)> {
    criteria.iter().map(|c| ("budget", format!("{} {}", paint.good(c.outcome.word()), c.sentence()))).collect()
}

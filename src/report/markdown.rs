//! The Markdown form: a comment on a pull request. The verdict and what decided it stand open, the rest folded.

use std::fmt::Write;

use super::{ArrayReport, Document, number, text};
use crate::metric::{Criterion, Description, Element, Figure, Outcome};

/// The most characters of a comment; GitHub refuses comments over 65,536.
const MOST: usize = 60_000;
/// Arrays listed in the table of arrays, the worst first.
const ARRAYS: usize = 50;
/// Criteria listed for an array, the worst first.
const CRITERIA: usize = 40;
/// Elements listed for an array.
const ELEMENTS: usize = 10;
/// The figures of the short table.
const SHORT: &[Figure] =
    &[Figure::MaxAbs, Figure::Rmse, Figure::MeanError, Figure::MaxRel, Figure::Psnr, Figure::EqualFraction];

/// Names of arrays that were not compared, at most.
const NOT_COMPARED: usize = 20;

/// The comment.
pub(super) fn comment(document: &Document) -> String {
    let mut out =
        format!("## {} {}\n\n{}\n", icon(document.verdict), text::verdict(document.verdict), text::summary(document));
    if let Some(budget) = &document.budget {
        let source = budget.source.as_deref().map(|s| format!(" from {}", code(s))).unwrap_or_default();
        let author = budget.author.as_deref().map(|a| format!(", set by {}", plain(a))).unwrap_or_default();
        let _ = write!(out, "\nBudget{source}{author}.\n");
        for line in budget.note.iter().flat_map(|note| text::shown_lines(note).lines().map(plain).collect::<Vec<_>>()) {
            let _ = writeln!(out, "> {line}");
        }
    }
    if !document.not_compared.is_empty() {
        let names: Vec<String> = document.not_compared.iter().take(NOT_COMPARED).map(|n| code(n)).collect();
        let more = document.not_compared.len().saturating_sub(NOT_COMPARED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = write!(out, "\n**Not compared:** {}{more}.\n", names.join(", "));
    }
    let arrays = text::worst_first(document);
    if arrays.len() > 1 {
        out += &table_of_arrays(&arrays);
    }
    let mut left_out = 0;
    for (_, array) in &arrays {
        let part = section(array, arrays.len() == 1);
        if out.len() + part.len() > MOST {
            left_out += 1;
        } else {
            out += &part;
        }
    }
    if left_out > 0 {
        let _ = write!(
            out,
            "\nTo keep this short, details of {} are left out; the JSON form has all.\n",
            text::plural(left_out, "array", "arrays")
        );
    }
    let command = document.command.as_deref().map(|c| format!(": {}", code(c))).unwrap_or_default();
    let _ = write!(out, "\n<sub>{} in {}{command}</sub>\n", plain(&document.tool), number::seconds(document.seconds));
    out
}

/// A mark that Markdown shows everywhere, unlike in shape and not only in colour.
fn icon(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "✅",
        Some(Outcome::Failed) => "❌",
        Some(Outcome::Unknown) => "❓",
        None => "ℹ️",
    }
}

fn table_of_arrays(arrays: &[(usize, &ArrayReport)]) -> String {
    let mut out =
        "\n| | array | dtype | shape | smaller | largest absolute error | RMSE |\n|---|---|---|---|--:|--:|--:|\n"
            .to_owned();
    for (_, array) in arrays.iter().take(ARRAYS) {
        let figure = |f| number::figure(f, array.comparison.figures.get(f));
        let _ = writeln!(
            out,
            "| {} {} | {} | {} | {} | {} | {} | {} |",
            icon(array.verdict),
            text::verdict(array.verdict),
            code(&text::name(array)),
            array.original.dtype,
            number::shape(&array.original.shape),
            number::ratio(array.ratio),
            figure(Figure::MaxAbs),
            figure(Figure::Rmse),
        );
    }
    if arrays.len() > ARRAYS {
        let _ = writeln!(
            out,
            "\n{} not listed, none with a worse verdict.",
            text::plural(arrays.len() - ARRAYS, "array", "arrays")
        );
    }
    out
}

fn section(array: &ArrayReport, alone: bool) -> String {
    let mut open = criteria(array);
    let comparison = &array.comparison;
    let mut rest = files(array);
    let mut figures = "\n| figure | value |\n|---|--:|\n".to_owned();
    for figure in SHORT {
        if let Some(value) = comparison.figures.defined(*figure) {
            let _ = writeln!(figures, "| {} | {} |", figure.label(), number::figure(*figure, value));
        }
    }
    let _ = writeln!(
        figures,
        "| values changed | {} of {} |",
        number::count(comparison.changed),
        number::count(comparison.count)
    );
    open += &figures;
    open += &classes(array);
    rest += &steps(array);
    rest += &all_figures(array);
    rest += &data(array);
    rest += &elements(array);
    if alone {
        return format!(
            "{open}\n<details><summary>Files, steps, all figures, worst elements</summary>\n{rest}\n</details>\n"
        );
    }
    let title = format!("{} {} {}", icon(array.verdict), text::verdict(array.verdict), html(&text::name(array)));
    format!("\n<details><summary>{title}</summary>\n{open}{rest}\n</details>\n")
}

fn criteria(array: &ArrayReport) -> String {
    if array.criteria.is_empty() {
        return String::new();
    }
    let mut list: Vec<&Criterion> = array.criteria.iter().collect();
    // Stable, so that the order of the budget stays within an outcome.
    list.sort_by_key(|c| text::gravity(c));
    let mut out = "\n| | criterion | measured | allowed | used | where |\n|---|---|--:|--:|--:|---|\n".to_owned();
    for c in list.iter().take(CRITERIA) {
        let place = c.at.as_ref().map(|at| became(at, array));
        let place = place.into_iter().chain(c.reason.as_deref().map(plain)).collect::<Vec<_>>().join("; ");
        let _ = writeln!(
            out,
            "| {} {} | {} | {} | {} | {} | {place} |",
            icon(Some(c.outcome)),
            c.outcome.word(),
            plain(&c.label),
            number::measured(c),
            number::allowed(c),
            number::percent(c.used.0),
        );
    }
    if list.len() > CRITERIA {
        let _ = writeln!(
            out,
            "\n{} not listed, none with a worse outcome.",
            text::plural(list.len() - CRITERIA, "criterion", "criteria")
        );
    }
    out
}

fn became(at: &Element, array: &ArrayReport) -> String {
    let value = |cell| number::cell(cell, array.original.dtype);
    format!("{}: {} became {}", number::index(&at.index), value(at.original), value(at.restored))
}

fn classes(array: &ArrayReport) -> String {
    let rows: Vec<_> = array.comparison.classes.iter().filter(|row| row.count > 0).collect();
    if rows.is_empty() {
        return "\nNo value changed its class: NaN, infinity, zero and sign are kept everywhere.\n".to_owned();
    }
    let mut out = "\n| class change | count | first |\n|---|--:|---|\n".to_owned();
    for row in rows {
        let first = row.first.as_ref().map(|at| became(at, array)).unwrap_or_default();
        let _ = writeln!(out, "| {} | {} | {first} |", row.name.words(), number::count(row.count));
    }
    out
}

fn files(array: &ArrayReport) -> String {
    let mut out = "\n| | file | dtype | shape | elements | on disk |\n|---|---|---|---|--:|--:|\n".to_owned();
    for (label, side) in [("original", &array.original), ("compacted", &array.compacted)] {
        let _ = writeln!(
            out,
            "| {label} | {} | {} | {} | {} | {} |",
            code(&side.place),
            side.dtype,
            number::shape(&side.shape),
            number::size(side.array_bytes),
            number::size(side.stored_bytes),
        );
    }
    if let Some(sum) = &array.sha256 {
        let _ = write!(out, "\nSHA-256 of the original: {}\n", code(sum));
    }
    let _ = write!(out, "\nRecipe: {}. Ratio: {}.\n", plain(&text::recipe(array)), number::ratio(array.ratio));
    out
}

fn steps(array: &ArrayReport) -> String {
    if array.steps.is_empty() {
        return array.steps_note.as_ref().map(|note| format!("\n{}\n", plain(note))).unwrap_or_default();
    }
    let mut out = "\n| step | bound | largest absolute error | RMSE |\n|---|--:|--:|--:|\n".to_owned();
    for step in &array.steps {
        let bound = match (step.bound, step.bound_rel) {
            (Some(bound), _) => number::at_most(bound),
            (None, Some(rel)) => format!("{} of a value", number::at_most(rel)),
            (None, None) => "-".to_owned(),
        };
        let (max, rmse) = match &step.loss {
            Some(loss) => (number::digits(loss.max_abs, 4), number::digits(loss.rmse, 4)),
            None => ("exact".to_owned(), String::new()),
        };
        let _ = writeln!(out, "| {} | {bound} | {max} | {rmse} |", plain(&step.words));
    }
    let figures = &array.comparison.figures;
    let bound = array.bound.filter(|b| !b.0.is_nan()).map(|b| number::at_most(b.0)).unwrap_or_else(|| "-".to_owned());
    let total = |f| number::figure(f, figures.get(f));
    let _ = writeln!(out, "| **total** | {bound} | {} | {} |", total(Figure::MaxAbs), total(Figure::Rmse));
    out
}

fn all_figures(array: &ArrayReport) -> String {
    let mut out = String::new();
    for (group, title) in text::GROUPS {
        let list: Vec<_> = array.comparison.figures.iter().filter(|(figure, _)| figure.group() == group).collect();
        if !list.is_empty() {
            let _ = write!(out, "\n| {title} | value | definition |\n|---|--:|---|\n");
        }
        for (figure, value) in list {
            let value = number::figure(figure, value);
            let _ = writeln!(out, "| {} | {value} | {} |", figure.label(), plain(figure.definition()));
        }
    }
    out
}

fn data(array: &ArrayReport) -> String {
    let (x, y) = (&array.comparison.original, &array.comparison.restored);
    let mut out = "\n| the data | original | restored |\n|---|--:|--:|\n".to_owned();
    for (label, a, b) in [
        ("minimum", x.min, y.min),
        ("maximum", x.max, y.max),
        ("mean", x.mean, y.mean),
        ("standard deviation", x.std, y.std),
    ] {
        let (a, b) = number::pair(a.0, b.0);
        let _ = writeln!(out, "| {label} | {a} | {b} |");
    }
    let infinite = |d: &Description| d.pos_inf.saturating_add(d.neg_inf);
    for (label, a, b) in
        [("NaN", x.nan, y.nan), ("infinite", infinite(x), infinite(y)), ("fill values", x.fill, y.fill)]
    {
        let _ = writeln!(out, "| {label} | {} | {} |", number::count(a), number::count(b));
    }
    if let (Some(a), Some(b)) = (&x.distinct, &y.distinct) {
        let _ = writeln!(out, "| distinct values | {} | {} |", number::estimate(a), number::estimate(b));
    }
    out
}

fn elements(array: &ArrayReport) -> String {
    if array.comparison.worst.is_empty() {
        return String::new();
    }
    let mut out = "\n| worst elements | original | restored | error |\n|---|--:|--:|--:|\n".to_owned();
    for at in array.comparison.worst.iter().take(ELEMENTS) {
        let value = |cell| number::cell(cell, array.original.dtype);
        let error = number::difference(at.original, at.restored).map(|e| number::digits(e, 4)).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {error} |",
            number::index(&at.index),
            value(at.original),
            value(at.restored)
        );
    }
    out
}

/// Text in which nothing is Markdown or HTML.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text::shown(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Text inside HTML tags.
fn html(text: &str) -> String {
    text::shown(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A name in the typeface of code, safe in table cells too: an HTML element, because a code span keeps the backslash
/// before a `|` in some renderers and not in others.
fn code(text: &str) -> String {
    let mut out = "<code>".to_owned();
    for c in text::shown(text).chars() {
        match c {
            '&' | '<' | '>' | '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' | '!' | '@' | ':' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Form, fixture};

    #[test]
    fn a_comment_starts_with_the_verdict_and_is_never_too_long() {
        for (name, document) in fixture::all() {
            let text = Form::Markdown.write(document).unwrap();
            let first = text.lines().next().unwrap();
            assert!(first.starts_with("## ") && first.ends_with(text::verdict(document.verdict)), "{name}: {first}");
            assert!(text.chars().count() < 65_536, "{name}: {}", text.len());
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count(), "{name}");
        }
    }

    #[test]
    fn rows_of_a_table_have_as_many_cells_as_its_head() {
        for (name, document) in fixture::all() {
            let text = Form::Markdown.write(document).unwrap();
            let mut cells = None;
            for line in text.lines() {
                let count = line.replace("\\|", "").matches('|').count();
                if !line.starts_with('|') {
                    cells = None;
                } else {
                    assert_eq!(*cells.get_or_insert(count), count, "{name}: {line}");
                }
            }
        }
    }

    #[test]
    fn nothing_from_outside_is_markup() {
        let text = Form::Markdown.write(&fixture::failed()).unwrap();
        for bad in ["<script", "<b>", "**bold**", "<!--", "\u{202e}", "\u{7}", "`c`"] {
            assert!(!text.contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_failure_says_where_and_what() {
        let text = Form::Markdown.write(&fixture::failed()).unwrap();
        let row = text.lines().find(|l| l.contains("finite values became NaN")).unwrap();
        assert!(row.contains("FAILED") && row.contains("(0, 52, 8)") && row.contains("became NaN"), "{row}");
    }
}

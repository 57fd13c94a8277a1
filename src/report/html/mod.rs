//! The page for reviewers: one file, no script, no request, the verdict first.

mod axis;
mod chart;
mod gallery;
mod picture;
mod plot;
mod section;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{ArrayReport, Document, number, text};
use crate::error::Result;
use crate::metric::{Criterion, Figure, Outcome};

/// The most bytes of a page; a page that mails and opens anywhere is under 2 MB.
const MOST: usize = 1_900_000;
/// Of them for the picture files of all arrays together.
const PICTURES: usize = 1_200_000;
/// Of them for the picture files of one array: more pixels than that, nobody sees on a screen.
const PICTURES_OF_ONE: usize = 500_000;
/// An array's pictures are not made smaller than this.
const PICTURES_AT_LEAST: usize = 20_000;
/// Percent of the room for the numbers of arrays that do not all fit; the rest is for pictures.
const NUMBERS: usize = 60;
/// Rows of the table of arrays.
const ARRAYS: usize = 500;
/// Names of arrays that were not compared.
const NOT_COMPARED: usize = 20;
/// Criteria named beside the verdict.
const NAMED: usize = 8;

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(document: &Document) -> Result<String> {
    let arrays = text::worst_first(document);
    let alone = arrays.len() == 1;
    let head = html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // Nothing may be fetched, whatever a name or note holds.
            meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'";
            title { (text::verdict(document.verdict)) " · " (title(document)) }
            style { (PreEscaped(STYLE)) }
        }
    };
    // With a link for every row, which is the longest that it can become.
    let top = |kept: usize| {
        html! {
            (verdict(document))
            @if !alone { (table_of_arrays(&arrays, kept)) }
        }
    };
    let bottom = footer(document);
    let room = MOST.saturating_sub(head.0.len() + top(arrays.len()).0.len() + bottom.0.len());
    let (sections, left_out) = sections(&arrays, room)?;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head)
            body {
                main {
                    (top(sections.len()))
                    @for section in &sections { (PreEscaped(section)) }
                    @if let Some(sentence) = &left_out { p.note { (sentence) } }
                }
                (bottom)
            }
        }
    };
    Ok(markup.into_string() + "\n")
}

/// The sections of the arrays that fit `room`: the worst first, with pictures as long as there is room for all numbers.
fn sections(arrays: &[(usize, &ArrayReport)], room: usize) -> Result<(Vec<String>, Option<String>)> {
    let alone = arrays.len() == 1;
    let share = (PICTURES / arrays.len().max(1)).clamp(PICTURES_AT_LEAST, PICTURES_OF_ONE);
    let plain: Vec<String> = arrays.iter().map(|(at, array)| section::array(*at, array, alone, None)).collect();
    let all: usize = plain.iter().map(String::len).sum();
    // Where not all numbers fit, pictures of the worst arrays say more than the numbers of the best.
    let for_numbers = if all <= room { room } else { room / 100 * NUMBERS };
    let mut kept = 0;
    let mut used = 0;
    while let Some(length) = plain.get(kept).map(String::len).filter(|n| used + n <= for_numbers) {
        used += length;
        kept += 1;
    }
    let mut list = Vec::with_capacity(kept);
    let mut drawn = 0;
    for ((at, array), plain) in arrays.iter().zip(plain).take(kept) {
        // Once one did not fit, the later ones, which are no worse, are not tried: drawing takes time.
        let gallery = if drawn == list.len() { Some(gallery::pictures(array, share)?) } else { None };
        let full = gallery.map(|g| section::array(*at, array, alone, Some(g)));
        match full.filter(|full| used + full.len() - plain.len().min(full.len()) <= room) {
            Some(full) => {
                used += full.len().saturating_sub(plain.len());
                drawn += 1;
                list.push(full);
            }
            None => list.push(plain),
        }
    }
    let mut sentence = String::new();
    if drawn < kept {
        sentence += &format!(" Pictures of {} are left out.", text::plural(kept - drawn, "array", "arrays"));
    }
    if kept < arrays.len() {
        sentence += &format!(
            " Details of {} are left out; the JSON form has all.",
            text::plural(arrays.len() - kept, "array", "arrays")
        );
    }
    let left_out = (!sentence.is_empty())
        .then(|| format!("To keep this page small, arrays with the worst outcome come first.{sentence}"));
    Ok((list, left_out))
}

/// What the page is about, for its title.
fn title(document: &Document) -> String {
    match document.arrays.as_slice() {
        [] => "no arrays".to_owned(),
        [one] => text::name(one),
        [first, ..] => format!(
            "{} of {}",
            text::plural(document.arrays.len(), "array", "arrays"),
            text::shown(&first.original.place)
        ),
    }
}

/// The class of the style sheet for an outcome.
fn tone(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "passed",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Unknown) => "unknown",
        None => "none",
    }
}

/// A mark beside a verdict, told apart by its shape and not by its colour.
fn mark(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "✓",
        Some(Outcome::Failed) => "✗",
        Some(Outcome::Unknown) => "?",
        None => "–",
    }
}

/// An outcome as a word and a mark.
fn badge(outcome: Option<Outcome>) -> Markup {
    html! { span class={ "badge " (tone(outcome)) } { span aria-hidden="true" { (mark(outcome)) } " " (text::verdict(outcome)) } }
}

fn verdict(document: &Document) -> Markup {
    let mut bad: Vec<(&ArrayReport, &Criterion)> =
        document.criteria().filter(|(_, c)| c.outcome != Outcome::Passed).collect();
    bad.sort_by_key(|(_, c)| text::gravity(c));
    html! {
        header class={ "verdict " (tone(document.verdict)) } {
            p.kind { "Error report: original against restored" }
            h1 {
                span.mark aria-hidden="true" { (mark(document.verdict)) }
                @if document.verdict.is_none() { "No budget given" } @else { (text::verdict(document.verdict)) }
            }
            p.subject { (title(document)) }
            p { (text::summary(document)) @if let [array] = document.arrays.as_slice() { " " (at_a_glance(array)) } }
            @if !bad.is_empty() {
                ul.reasons {
                    @for (array, c) in bad.iter().take(NAMED) {
                        li {
                            @if document.arrays.len() > 1 { (text::name(array)) ": " }
                            strong { (c.label) } ": "
                            @if c.outcome == Outcome::Unknown {
                                "could not be checked"
                                @if let Some(reason) = &c.reason { ", because " (text::shown(reason)) }
                            } @else {
                                (number::measured(c)) ", allowed " (number::allowed(c))
                                @if let Some(at) = &c.at { ", at " (number::index(&at.index)) }
                            }
                        }
                    }
                    @if bad.len() > NAMED { li { "and " (text::plural(bad.len() - NAMED, "more", "more")) } }
                }
            }
            @if !document.not_compared.is_empty() {
                p.note.warn {
                    strong { "Not compared: " }
                    (text::shown(&document.not_compared.iter().take(NOT_COMPARED).cloned().collect::<Vec<_>>().join(", ")))
                    @if document.not_compared.len() > NOT_COMPARED { " and " (document.not_compared.len() - NOT_COMPARED) " more" }
                    "."
                }
            }
            @if let Some(budget) = &document.budget {
                dl.budget {
                    @if let Some(source) = &budget.source { div { dt { "Budget" } dd { code { (text::shown(source)) } } } }
                    @if let Some(author) = &budget.author { div { dt { "Set by" } dd { (text::shown(author)) } } }
                    @if let Some(note) = &budget.note { div { dt { "Note" } dd.lines { (text::shown_lines(note)) } } }
                }
            }
        }
    }
}

/// The loss of one array in a sentence, for those who read no further.
fn at_a_glance(array: &ArrayReport) -> String {
    let comparison = &array.comparison;
    let changes: u64 = comparison.classes.iter().map(|row| row.count).sum();
    let classes = match changes {
        0 => "no value changed its class".to_owned(),
        n => format!("{} class changes", number::count(n)),
    };
    match comparison.figures.defined(Figure::MaxAbs) {
        _ if comparison.count == 0 => String::new(),
        _ if comparison.changed == 0 => "Every value came back as it was.".to_owned(),
        Some(max) => format!(
            "{} of {} values changed, finite ones by at most {}; {classes}.",
            number::count(comparison.changed),
            number::count(comparison.count),
            number::at_most(max)
        ),
        None => format!(
            "{} of {} values changed; {classes}.",
            number::count(comparison.changed),
            number::count(comparison.count)
        ),
    }
}

fn table_of_arrays(arrays: &[(usize, &ArrayReport)], kept: usize) -> Markup {
    if arrays.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Arrays" }
            div.scroll role="region" aria-label="Arrays" tabindex="0" {
                table.wide {
                    thead { tr {
                        th scope="col" { "Verdict" } th scope="col" { "Array" } th scope="col" { "Dtype" } th scope="col" { "Shape" }
                        th.n scope="col" { "Ratio" } th.n scope="col" { "Largest error" } th.n scope="col" { "RMSE" } th.n scope="col" { "Not kept" }
                    } }
                    tbody {
                        @for (row, (at, array)) in arrays.iter().take(ARRAYS).enumerate() {
                            tr {
                                td { (badge(array.verdict)) }
                                th scope="row" {
                                    @if row < kept { a href={ "#array-" (at) } { (text::name(array)) } } @else { (text::name(array)) }
                                }
                                td { (array.original.dtype) }
                                td { (number::shape(&array.original.shape)) }
                                td.n { (number::ratio(array.ratio)) }
                                td.n { (figure(array, Figure::MaxAbs)) }
                                td.n { (figure(array, Figure::Rmse)) }
                                td.n { @if array.criteria.is_empty() { "–" } @else {
                                    (array.criteria.iter().filter(|c| c.outcome != Outcome::Passed).count()) " of " (array.criteria.len())
                                } }
                            }
                        }
                    }
                }
            }
            @if arrays.len() > ARRAYS {
                p.note { (text::plural(arrays.len() - ARRAYS, "array is", "arrays are")) " not listed, none with a worse verdict." }
            }
        }
    }
}

/// A figure of an array, or a dash.
fn figure(array: &ArrayReport, figure: Figure) -> String {
    array.comparison.figures.defined(figure).map_or_else(|| "–".to_owned(), |x| number::figure(figure, x))
}

fn footer(document: &Document) -> Markup {
    html! {
        footer {
            details {
                summary { "How each figure is computed" }
                p { "e = original − restored, over the n pairs of finite values that are not fill values." }
                dl.definitions {
                    @for figure in Figure::ALL {
                        div { dt { (figure.label()) } dd { (figure.definition()) " " code { (figure.name()) } } }
                    }
                }
            }
            p { "Made by " (text::shown(&document.tool)) " in " (number::seconds(document.seconds)) "." }
            @if let Some(command) = &document.command { p { code.command { (text::shown(command)) } } }
        }
    }
}

#[cfg(test)]
mod tests;

//! What the page says of one array.

use maud::{Markup, html};

use super::{badge, tables};
use crate::report::{ArrayReport, Side, number, text};

/// The section of the array at place `at`; alone on its page, its parts have headings of the second level, else of the third.
pub(super) fn array(at: usize, array: &ArrayReport, alone: bool, gallery: Option<Markup>) -> String {
    let part = |title: &str, body: Markup| part(title, alone, body);
    let comparison = &array.comparison;
    let markup = html! {
        section.array id={ "array-" (at) } {
            @if !alone { h2 { (badge(array.verdict)) " " (text::name(array)) } }
            (part("What was compared", files(array)))
            @if !array.criteria.is_empty() { (part("Budget", tables::criteria(array))) }
            @if !array.steps.is_empty() { (part("What each step lost", tables::steps(array))) }
            @if let Some(note) = &array.steps_note { p.note.warn { (note) } }
            (part("Class changes", tables::classes(array)))
            (part("Figures", tables::figures(array)))
            (part("The data", tables::data(array)))
            @if let Some(structure) = &comparison.structure { (part("Matrices and masks", tables::structure(structure))) }
            @if !comparison.worst.is_empty() { (part("Worst elements", tables::worst(array))) }
            @if comparison.axes.iter().any(|a| a.slices.len() > 1 && a.worst.is_some()) { (part("Worst slice of each axis", tables::axes(array))) }
            @if let Some(chunks) = &comparison.chunks { (part("Worst chunks", tables::chunks(chunks))) }
            @if let Some(gallery) = gallery.filter(|g| !g.0.is_empty()) { (part("Pictures", gallery)) }
        }
    };
    markup.into_string()
}

fn part(title: &str, alone: bool, body: Markup) -> Markup {
    html! {
        section {
            @if alone { h2 { (title) } } @else { h3 { (title) } }
            (body)
        }
    }
}

fn files(array: &ArrayReport) -> Markup {
    html! {
        div.scroll role="region" aria-label="Files" tabindex="0" {
            table.wide {
                thead { tr {
                    th scope="col" { "" } th scope="col" { "File" } th scope="col" { "Format" } th scope="col" { "Dtype" }
                    th scope="col" { "Shape" } th.n scope="col" { "Elements" } th.n scope="col" { "On disk" }
                } }
                tbody { (side("Original", &array.original)) (side("Compacted", &array.compacted)) }
            }
        }
        dl.facts {
            @if let Some(name) = &array.name { div { dt { "Array" } dd { code { (text::shown(name)) } } } }
            @if let Some(sum) = &array.sha256 { div { dt { "SHA-256 of the original" } dd { code.sum { (text::shown(sum)) } } } }
            div { dt { "Ratio" } dd { (number::ratio(array.ratio)) ", elements of the original to the compacted file" } }
            div { dt { "Recipe" } dd { (text::recipe(array)) } }
        }
        @if let Some(record) = &array.record {
            details {
                summary { "Recipe as JSON" }
                pre { code { (serde_json::to_string_pretty(record).unwrap_or_default()) } }
            }
        }
    }
}

fn side(label: &str, side: &Side) -> Markup {
    html! {
        tr {
            th scope="row" { (label) }
            td { code { (text::shown(&side.place)) } }
            td { (side.format) }
            td { (side.dtype) }
            td.shape { (number::shape(&side.shape)) }
            td.n { (number::size(side.array_bytes)) }
            td.n { (number::size(side.stored_bytes)) }
        }
    }
}

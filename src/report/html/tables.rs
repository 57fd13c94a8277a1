//! The tables of an array.

use maud::{Markup, html};

use super::badge;
use super::chart::extent;
use crate::array::DType;
use crate::metric::{
    ChunkErrors, Class, Criterion, Description, Element, Estimate, Figure, Outcome, Precision, Structure,
};
use crate::report::{ArrayReport, number, text};

/// Criteria listed at most, the worst first.
const CRITERIA: usize = 100;
/// Elements listed at most.
const ELEMENTS: usize = 50;

/// A row of the table of the data: its label, and what stands in it.
type Row<T> = (&'static str, fn(&Description) -> T);

/// A table in a box of its own that scrolls where it is too wide.
fn table(label: &str, columns: &[(&str, bool)], rows: Markup) -> Markup {
    // Tables with words in them as wide as the page; of numbers alone, so narrow that the eye keeps to its row.
    let wide = columns.iter().filter(|(_, right)| !right).count() > 2;
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table.wide[wide] {
                thead { tr { @for (title, right) in columns { th.n[*right] scope="col" { (title) } } } }
                tbody { (rows) }
            }
        }
    }
}

pub(super) fn criteria(array: &ArrayReport) -> Markup {
    let mut list: Vec<&Criterion> = array.criteria.iter().collect();
    if list.len() > CRITERIA {
        list.sort_by_key(|c| text::gravity(c));
    }
    let columns = [
        ("Outcome", false),
        ("Criterion", false),
        ("Measured", true),
        ("Allowed", true),
        ("Share used", false),
        ("Where", false),
    ];
    let rows = html! {
        @for c in list.iter().take(CRITERIA) {
            tr {
                td { (badge(Some(c.outcome))) }
                th scope="row" { (text::shown(&c.label)) }
                td.n { (number::measured(c)) }
                td.n { (number::allowed(c)) }
                td.share { (share(c)) }
                td.became {
                    @if let Some(at) = &c.at { (became(at, array.original.dtype)) }
                    @if let Some(reason) = &c.reason { @if c.at.is_some() { "; " } (text::shown(reason)) }
                }
            }
        }
    };
    html! {
        (table("Budget", &columns, rows))
        @if list.len() > CRITERIA {
            p.note { (text::plural(list.len() - CRITERIA, "criterion is", "criteria are")) " not listed, none with a worse outcome." }
        }
    }
}

/// A bar of the share used; what is over runs to the end, with a mark at the limit.
fn share(c: &Criterion) -> Markup {
    let used = c.used.0;
    // At 80 of 100 parts stands the limit, so that there is room to be over it.
    let width = if used.is_nan() { 0.0 } else { (used * 80.0).clamp(0.0, 100.0) };
    html! {
        @if used.is_nan() {
            // No share of a limit from below, none of nothing.
            span.soft { @if c.outcome == Outcome::Failed && c.allowed.0 == 0.0 { "none is allowed" } @else { "–" } }
        } @else {
            svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.back width="100" height="10" {}
                rect class={ "used " (super::tone(Some(c.outcome))) } width=(format!("{width:.1}")) height="10" {}
                rect.limit x="79.4" width="1.2" height="10" {}
            }
            " " (number::percent(used))
        }
    }
}

/// `(3, 4): 1.25 became 1.2`.
fn became(at: &Element, dtype: DType) -> String {
    format!(
        "{}: {} became {}",
        number::index(&at.index),
        number::cell(at.original, dtype),
        number::cell(at.restored, dtype)
    )
}

pub(super) fn steps(array: &ArrayReport) -> Markup {
    let columns = [
        ("Step", false),
        ("Dtype", false),
        ("Shape", false),
        ("Size", true),
        ("Bound known beforehand", true),
        ("Largest error measured", true),
        ("RMSE", true),
    ];
    let bounded = |bound: Option<f64>| bound.filter(|b| !b.is_nan()).map_or_else(|| "–".to_owned(), number::at_most);
    let figures = &array.comparison.figures;
    let total = figures.get(Figure::MaxAbs);
    let bound = array.bound.map(|b| b.0);
    let rows = html! {
        @for step in &array.steps {
            tr {
                th scope="row" { (step.step.name()) " " span.soft { (step.words) } }
                td { (step.dtype) }
                td.shape { (number::shape(&step.shape)) }
                td.n { (number::size(step.bytes)) }
                td.n {
                    @if step.loss.is_none() && step.bound.is_none() { "exact" }
                    @else if let (None, Some(rel)) = (step.bound, step.bound_rel) { (number::at_most(rel)) " of a value" }
                    @else { (bounded(step.bound)) }
                }
                @match &step.loss {
                    Some(loss) => { td.n { (number::digits(loss.max_abs, 4)) } td.n { (number::digits(loss.rmse, 4)) } }
                    None => { td.n { "0" } td.n { "0" } }
                }
            }
        }
        tr.total {
            th scope="row" { "Sum of bounds, and the whole as measured" }
            td {} td {} td {}
            td.n { (bounded(bound)) }
            td.n { (super::figure(array, Figure::MaxAbs)) }
            td.n { (super::figure(array, Figure::Rmse)) }
        }
    };
    html! {
        (table("Steps", &columns, rows))
        @match bound.filter(|b| !b.is_nan() && !total.is_nan()) {
            Some(bound) if total > bound => p.note.warn {
                strong { "The measured error is larger than the bounds allow." }
                " The compacted file holds something other than what its recipe made of this original."
            }
            Some(bound) if bound > 0.0 => p.note { "The whole error is " (number::percent(total / bound)) " of the sum of bounds." }
            _ => {}
        }
    }
}

pub(super) fn classes(array: &ArrayReport) -> Markup {
    let columns = [("Change", false), ("Count", true), ("Budget", false), ("First", false)];
    let limited = |class: Class| array.criteria.iter().find(|c| c.name == class.name());
    let comparison = &array.comparison;
    let occurred = comparison.classes.iter().filter(|row| row.count > 0).count();
    let rows = html! {
        @for row in &comparison.classes {
            tr.soft[row.count == 0] {
                th scope="row" { (row.name.words()) }
                td.n { (number::count(row.count)) }
                td.share { @match limited(row.name) {
                    Some(c) => { (badge(Some(c.outcome))) " " (number::allowed(c)) }
                    None if array.verdict.is_some() => "none allowed"
                    None => "–"
                } }
                td.became { @if let Some(at) = &row.first { (became(at, array.original.dtype)) } }
            }
        }
    };
    html! {
        p { @match occurred {
            0 => "No value changed its class: NaN, infinity, zero and sign are kept everywhere."
            n => { (text::plural(n, "kind", "kinds")) " of change occurred." }
        }
        @if comparison.nan_payload > 0 { " NaN whose bits changed, still NaN: " (number::count(comparison.nan_payload)) "." } }
        (table("Class changes", &columns, rows))
    }
}

pub(super) fn figures(array: &ArrayReport) -> Markup {
    let comparison = &array.comparison;
    html! {
        p {
            "Over " (number::count(comparison.pairs)) " pairs of finite values; "
            (number::count(comparison.changed)) " of " (number::count(comparison.count)) " values changed."
            @if comparison.rel_skipped > 0 { " Relative errors leave out " (number::count(comparison.rel_skipped)) " originals at or below rel_floor." }
        }
        div.groups {
            @for (group, title) in text::GROUPS {
                @let list: Vec<(Figure, f64)> = comparison.figures.iter().filter(|(f, _)| f.group() == group).collect();
                @if !list.is_empty() {
                    div.scroll role="region" aria-label=(title) tabindex="0" {
                        table.figures {
                            thead { tr { th scope="col" { (title) } th.n scope="col" { "Value" } } }
                            tbody { @for (figure, value) in list { tr {
                                th scope="row" title=(figure.definition()) {
                                    (figure.label())
                                    @if let Some(how) = comparison.accuracy.get(&figure) { span.soft { " (" (how) ")" } }
                                }
                                td.n {
                                    (number::figure(figure, value))
                                    @if let Some(at) = comparison.place(figure) { span.soft.where { "at " (number::index(&at.index)) } }
                                }
                            } } }
                        }
                    }
                }
            }
        }
        @if comparison.autocorrelation.iter().any(|x| !x.0.is_nan()) {
            p.note {
                "Autocorrelation of errors at lag 1 by axis: "
                (comparison.autocorrelation.iter().map(|x| if x.0.is_nan() { "–".to_owned() } else { number::digits(x.0, 3) }).collect::<Vec<_>>().join(", "))
                "."
            }
        }
    }
}

pub(super) fn data(array: &ArrayReport) -> Markup {
    let (x, y) = (&array.comparison.original, &array.comparison.restored);
    let columns = [("", false), ("Original", true), ("Restored", true), ("", false)];
    let numbers: [Row<f64>; 5] = [
        ("minimum", |d| d.min.0),
        ("maximum", |d| d.max.0),
        ("mean", |d| d.mean.0),
        ("standard deviation", |d| d.std.0),
        ("smallest nonzero magnitude", |d| d.smallest_nonzero.0),
    ];
    let counts: [Row<u64>; 7] = [
        ("elements", |d| d.count),
        ("finite, not fill", |d| d.finite),
        ("zeros", |d| d.zeros),
        ("NaN", |d| d.nan),
        ("+Inf", |d| d.pos_inf),
        ("−Inf", |d| d.neg_inf),
        ("fill values", |d| d.fill),
    ];
    let other: [Row<String>; 4] = [
        ("distinct values", |d| estimated(d.distinct.as_ref(), "")),
        ("entropy, bits a value", |d| estimated(d.entropy.as_ref(), "")),
        ("mantissa bits in use", |d| {
            d.precision.and_then(|p| p.mantissa_bits).map_or_else(|| "–".to_owned(), |b| b.to_string())
        }),
        ("held exactly by", |d| d.precision.map_or_else(|| "–".to_owned(), exact_in)),
    ];
    let row = |label: &str, a: String, b: String| {
        let unlike = if a == b { "" } else { "differs" };
        html! { tr { th scope="row" { (label) } td.n { (a) } td.n { (b) } td.soft { (unlike) } } }
    };
    let rows = html! {
        @for (label, of) in counts { (row(label, number::count(of(x)), number::count(of(y)))) }
        @for (label, of) in numbers { @let (a, b) = number::pair(of(x), of(y)); (row(label, a, b)) }
        @for (label, of) in other { (row(label, of(x), of(y))) }
    };
    let methods: Vec<&str> = [x.distinct, x.entropy, y.distinct, y.entropy]
        .iter()
        .flatten()
        .filter(|e| !e.exact)
        .map(|e| e.method)
        .collect();
    html! {
        (table("The data", &columns, rows))
        @if let Some(method) = methods.first().filter(|m| !m.is_empty()) { p.note { "What is called “about” is estimated: " (method) "." } }
    }
}

fn estimated(estimate: Option<&Estimate>, none: &str) -> String {
    estimate.map_or_else(|| if none.is_empty() { "–".to_owned() } else { none.to_owned() }, number::estimate)
}

/// `float32`, `4 decimals`, what the values would fit without loss.
fn exact_in(p: Precision) -> String {
    let mut fits = Vec::new();
    fits.extend(p.float16.then(|| "float16".to_owned()));
    fits.extend(p.float32.then(|| "float32".to_owned()));
    fits.extend(p.decimal_digits.map(|d| text::plural(d as usize, "decimal", "decimals")));
    if fits.is_empty() { "only itself".to_owned() } else { fits.join(", ") }
}

pub(super) fn structure(s: &Structure) -> Markup {
    let columns = [("", false), ("Original", true), ("Restored", true)];
    let number = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| number::digits(x, 4));
    let whole = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), number::count);
    let rows = html! {
        @if s.original_asymmetry.is_some() || s.restored_asymmetry.is_some() {
            tr { th scope="row" { "largest asymmetry, |a[j, i] − a[i, j]|" } td.n { (number(s.original_asymmetry)) } td.n { (number(s.restored_asymmetry)) } }
        }
        @if s.original_popcount.is_some() || s.restored_popcount.is_some() {
            tr { th scope="row" { "true values" } td.n { (whole(s.original_popcount)) } td.n { (whole(s.restored_popcount)) } }
        }
    };
    let mut words = Vec::new();
    if let (Some(shift), Some(norm)) = (s.eigenvalue_shift, s.error_norm) {
        words.push(format!(
            "Eigenvalues of {} moved by {} at most; no eigenvalue can move by more than the 2-norm of the error, {} (Weyl).",
            text::plural(s.eigen_matrices as usize, "matrix", "matrices"),
            number::digits(shift, 4),
            number::digits(norm, 4)
        ));
    }
    words.extend(s.row_sum_shift.map(|x| format!("No row's sum changed by more than {}.", number::at_most(x))));
    if let (Some(both), Some(either)) = (s.intersection, s.union) {
        words.push(format!("True in both arrays: {}; in either: {}.", number::count(both), number::count(either)));
    }
    html! {
        p { (text::plural(s.matrices as usize, "matrix", "matrices")) " of " (number::count(s.n)) " rows. " (words.join(" ")) }
        @if !rows.0.is_empty() { (table("Structure", &columns, rows)) }
    }
}

pub(super) fn worst(array: &ArrayReport) -> Markup {
    let columns = [("Index", false), ("Original", true), ("Restored", true), ("Error", true)];
    let dtype = array.original.dtype;
    let list = &array.comparison.worst;
    let rows = html! {
        @for at in list.iter().take(ELEMENTS) {
            tr {
                th scope="row" { (number::index(&at.index)) }
                td.n { (number::cell(at.original, dtype)) }
                td.n { (number::cell(at.restored, dtype)) }
                td.n { (number::difference(at.original, at.restored).map_or_else(|| "–".to_owned(), |e| number::digits(e, 4))) }
            }
        }
    };
    html! {
        (table("Worst elements", &columns, rows))
        @if list.len() > ELEMENTS { p.note { (list.len() - ELEMENTS) " more in the JSON form." } }
    }
}

pub(super) fn axes(array: &ArrayReport) -> Markup {
    let columns = [
        ("Axis", true),
        ("Length", true),
        ("Worst slice by RMSE", false),
        ("RMSE there", true),
        ("Of the whole RMSE", true),
        ("Largest error there", true),
    ];
    let whole = array.comparison.figures.get(Figure::Rmse);
    let rows = html! {
        @for axis in array.comparison.axes.iter().filter(|a| a.slices.len() > 1) {
            @if let Some(slice) = axis.worst.and_then(|w| axis.slices.get(w)) {
                tr {
                    th.n scope="row" { (axis.axis) }
                    td.n { (array.comparison.shape.get(axis.axis).map_or_else(String::new, |d| number::count(*d))) }
                    td { (extent(slice)) }
                    td.n { (number::digits(slice.rmse.0, 4)) }
                    td.n { @if whole > 0.0 && whole.is_finite() { (number::digits(slice.rmse.0 / whole, 3)) " ×" } @else { "–" } }
                    td.n { (number::digits(slice.max_abs, 4)) }
                }
            }
        }
    };
    table("Worst slices", &columns, rows)
}

pub(super) fn chunks(chunks: &ChunkErrors) -> Markup {
    let columns = [("First element of the chunk", false), ("Largest error", true), ("RMSE", true)];
    let rows = html! {
        @for chunk in &chunks.worst {
            tr {
                th scope="row" { (number::index(&chunk.index)) }
                td.n { (number::digits(chunk.max_abs, 4)) }
                td.n { @if chunk.rmse.0.is_nan() { "–" } @else { (number::digits(chunk.rmse.0, 4)) } }
            }
        }
    };
    html! {
        p { (number::count(chunks.count)) " chunks of shape " (number::index(&chunks.shape)) "; listed are those with the largest errors." }
        (table("Chunks", &columns, rows))
    }
}

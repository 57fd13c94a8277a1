//! The pictures of an array on the page: charts, and the images of its worst plane.

use maud::{Markup, PreEscaped, html};

use super::chart::{self, Chart};
use super::picture::{self, Picture};
use super::plot::{Ink, SIZE};
use crate::error::Result;
use crate::metric::Plane;
use crate::report::{ArrayReport, number, text};

/// All pictures; the images in at most `most` characters.
pub(super) fn pictures(array: &ArrayReport, most: usize) -> Result<Markup> {
    let charts = chart::charts(array)?;
    let plane = match &array.comparison.plane {
        Some(plane) => picture::pictures(plane, most)?.map(|made| images(array, plane, &made)),
        None => None,
    };
    Ok(html! {
        @if !charts.is_empty() { div.charts { @for chart in &charts { (figure(chart)) } } }
        @if let Some(plane) = plane { (plane) }
    })
}

fn figure(chart: &Chart) -> Markup {
    let (width, height) = SIZE;
    html! {
        figure.chart {
            figcaption {
                strong { (chart.title) }
                @for (ink, label) in &chart.legend { span.key { (swatch(*ink)) (label) } }
            }
            svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-label={ (chart.title) ". " (chart.words) } {
                (PreEscaped(&chart.svg))
            }
            p.note { (chart.words) }
        }
    }
}

/// A bit of a line as the chart has it: by its dashes the two series are told apart without colour.
fn swatch(ink: Ink) -> Markup {
    let class = match ink {
        Ink::Second => "second",
        Ink::Bound => "bound",
        _ => "first",
    };
    html! { svg.swatch viewBox="0 0 24 8" aria-hidden="true" { line class=(class) x1="0" y1="4" x2="24" y2="4" {} } }
}

fn images(array: &ArrayReport, plane: &Plane, made: &picture::Pictures) -> Markup {
    let what = match (array.comparison.structure.is_some(), array.comparison.shape.len() > 2) {
        (true, true) => format!("Heat map of the worst matrix, at {}", number::index(&plane.index)),
        (true, false) => "Heat map of the matrix".to_owned(),
        (false, true) => format!("Worst plane, at {} on the leading axes", number::index(&plane.index)),
        (false, false) => "The plane".to_owned(),
    };
    let (rows, columns) = plane.shape;
    let smaller = (made.pixels.0 as u64, made.pixels.1 as u64) != plane.shape;
    html! {
        figure.plane {
            figcaption {
                strong { (what) }
                " " (number::count(rows)) " rows, " (number::count(columns)) " columns"
                @if smaller {
                    ", shown in " (made.pixels.0) " by " (made.pixels.1) " pixels: means of the data, the error of largest magnitude under each"
                }
                "."
                @if array.original.dtype.kind() == crate::array::DTypeKind::Complex { " Moduli." }
            }
            div.images {
                (image("Original", &made.original, made.pixels))
                (image("Restored", &made.restored, made.pixels))
                (image("Error", &made.error, made.pixels))
            }
            @if [&made.original, &made.restored, &made.error].iter().any(|p| p.missing) {
                p.note { span.hatch aria-hidden="true" {} " Grey hatching: NaN, infinite or fill values" }
            }
        }
    }
}

fn image(title: &str, picture: &Picture, (rows, columns): (usize, usize)) -> Markup {
    let (low, high) = picture.ends;
    let text = |x: f64| number::digits(x, 4);
    let words = format!("{title}: values from {} to {}, by colour.", text(low), text(high));
    html! {
        figure {
            figcaption { (title) }
            img.raster src=(picture.uri) width=(columns) height=(rows) alt=(text::shown(&words));
            img.scale src=(picture.bar) width="254" height="1" alt="";
            div.ends { span { (text(low)) } span { (text(low / 2.0 + high / 2.0)) } span { (text(high)) } }
        }
    }
}

//! Drawing: axes and marks to the inside of an SVG element.
//!
//! The drawing crate knows only fixed colours. Each ink is drawn in a colour of its own that no eye sees, and stands as a
//! variable of the style sheet in the end, so that one picture serves light, dark and paper.

use std::fmt::Display;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use crate::error::{Error, ErrorKind, Result};

/// Width and height of a chart in its own units; the page scales it.
pub(super) const SIZE: (u32, u32) = (440, 290);
/// Text height; the backend writes it smaller by 1.24.
const TEXT: f64 = 15.5;

/// What a mark is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Grid,
    Frame,
    /// The main series.
    First,
    /// The second series, dashed.
    Second,
    /// Filled areas of the main series.
    Fill,
    /// Bounds and the worst.
    Bound,
}

impl Ink {
    const ALL: [Ink; 7] = [Ink::Text, Ink::Grid, Ink::Frame, Ink::First, Ink::Second, Ink::Fill, Ink::Bound];

    fn marker(self) -> RGBColor {
        RGBColor(1, 2, 3 + self as u8)
    }

    /// The attribute's value that stands for the marker in the end, up to its closing quote.
    fn style(self) -> &'static str {
        match self {
            Ink::Text => "var(--text)",
            Ink::Grid => "var(--grid)",
            Ink::Frame => "var(--soft)",
            Ink::First => "var(--ink-1)",
            Ink::Second => "var(--ink-2)\" stroke-dasharray=\"6 3",
            Ink::Fill => "var(--fill)",
            Ink::Bound => "var(--ink-3)\" stroke-dasharray=\"2 3",
        }
    }
}

/// Something drawn, in data coordinates.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// A line through points.
    Line(Ink, Vec<(f64, f64)>),
    /// Dots.
    Dots(Ink, Vec<(f64, f64)>),
    /// A line through points with the area down to the axis.
    Area(Vec<(f64, f64)>),
    /// A line from bottom to top.
    Vertical(Ink, f64),
}

/// The inside of an SVG element of [`SIZE`].
pub(super) fn draw(x: &Axis, y: &Axis, marks: &[Mark]) -> Result<String> {
    let mut svg = String::new();
    paint(&mut svg, x, y, marks)
        .map_err(|e| Error::new(ErrorKind::Unsupported, format!("a chart cannot be drawn: {e}")))?;
    Ok(themed(&svg))
}

/// An axis as the drawing crate wants it: our ticks with our labels.
struct Coord<'a>(&'a Axis);

impl Ranged for Coord<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let (from, to) = self.0.ends;
        let share = if to > from { (value - from) / (to - from) } else { 0.5 };
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.0.ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.0.ends.0..self.0.ends.1
    }
}

impl ValueFormatter<f64> for Coord<'_> {
    fn format_ext(&self, value: &f64) -> String {
        let found = self.0.ticks.iter().find(|(place, _)| place == value);
        found.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

fn failed(e: impl Display) -> String {
    e.to_string()
}

fn paint(svg: &mut String, x: &Axis, y: &Axis, marks: &[Mark]) -> Result<(), String> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (low, high) = y.ends;
    let mut chart = ChartBuilder::on(&root)
        .margin_top(26)
        .margin_right(22)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(Coord(x), Coord(y))
        .map_err(failed)?;
    let text = ("sans-serif", TEXT).into_font().color(&Ink::Text.marker());
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(Ink::Grid.marker())
        .axis_style(Ink::Frame.marker())
        .label_style(text.clone())
        .draw()
        .map_err(failed)?;
    for mark in marks {
        let place = |points: &[(f64, f64)]| points.iter().map(|(a, b)| (x.at(*a), y.at(*b))).collect::<Vec<_>>();
        match mark {
            Mark::Line(ink, points) => {
                chart
                    .draw_series(std::iter::once(PathElement::new(place(points), ink.marker().stroke_width(2))))
                    .map_err(failed)?;
            }
            Mark::Dots(ink, points) => {
                let dots = place(points).into_iter().map(|at| Circle::new(at, 3, ink.marker().filled()));
                chart.draw_series(dots).map_err(failed)?;
            }
            Mark::Area(points) => {
                let line = place(points);
                let ends = [line.last(), line.first()].into_iter().flatten().map(|(a, _)| (*a, low));
                let outline: Vec<_> = line.iter().copied().chain(ends).collect();
                chart
                    .draw_series(std::iter::once(Polygon::new(outline, Ink::Fill.marker().filled())))
                    .map_err(failed)?;
                chart
                    .draw_series(std::iter::once(PathElement::new(line, Ink::First.marker().stroke_width(1))))
                    .map_err(failed)?;
            }
            Mark::Vertical(ink, at) => {
                let line = vec![(x.at(*at), low), (x.at(*at), high)];
                chart
                    .draw_series(std::iter::once(PathElement::new(line, ink.marker().stroke_width(2))))
                    .map_err(failed)?;
            }
        }
    }
    let (width, height) = (SIZE.0 as i32, SIZE.1 as i32);
    let title = |text: &str, at: (i32, i32), pos: Pos| {
        let style = ("sans-serif", TEXT).into_font().color(&Ink::Frame.marker()).pos(pos);
        root.draw(&Text::new(text.to_owned(), at, style)).map_err(failed)
    };
    title(&y.title, (4, 4), Pos::new(HPos::Left, VPos::Top))?;
    title(&x.title, (width - 22, height - 4), Pos::new(HPos::Right, VPos::Bottom))?;
    root.present().map_err(failed)
}

/// The drawing without its outer element, its inks as variables of the style sheet.
fn themed(svg: &str) -> String {
    let inside = svg.split_once('>').map_or(svg, |(_, rest)| rest);
    let inside = inside.rsplit_once("</svg>").map_or(inside, |(rest, _)| rest);
    let mut out = inside
        .replace(" opacity=\"1\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(">\n", ">")
        .replace("\n<", "<");
    for ink in Ink::ALL {
        let RGBColor(r, g, b) = ink.marker();
        out = out.replace(&format!("#{r:02X}{g:02X}{b:02X}"), ink.style());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_becomes_a_variable_and_no_colour_is_left() {
        let points = vec![(0.0, 1.0), (0.5, 0.2), (1.0, 0.7)];
        let marks = [
            Mark::Area(points.clone()),
            Mark::Line(Ink::Second, points.clone()),
            Mark::Dots(Ink::First, points),
            Mark::Vertical(Ink::Bound, 0.3),
        ];
        let (x, y) = (Axis::linear("a < b", 0.0, 1.0), Axis::log("y", 0.1, 1.0));
        let svg = draw(&x, &y, &marks).unwrap();
        assert!(!svg.contains('#') && !svg.contains("<svg") && !svg.contains("</svg"), "{svg}");
        for ink in Ink::ALL {
            assert!(svg.contains(ink.style()), "{ink:?}");
        }
        assert!(svg.contains("a &lt; b"));
    }
}

//! The charts of an array: each from the data to axes, marks, and the same in words.

use super::axis::Axis;
use super::plot::{self, Ink, Mark};
use crate::error::Result;
use crate::metric::{AxisErrors, Comparison, Figure, Histogram, MagnitudeError, SliceError, Spectrum};
use crate::report::{ArrayReport, number, text};

/// Points of a line at most: a chart has no more columns to show them in.
const POINTS: usize = 300;
/// Points up to which each has its dot.
const DOTTED: usize = 40;
/// Axes that are drawn; the table has all.
const AXES: usize = 4;
/// The ratio of largest to smallest from which on an axis is logarithmic.
const WIDE: f64 = 100.0;

/// A chart, drawn and in words.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    /// The inside of the SVG element.
    pub(super) svg: String,
    /// What is to be seen, with numbers, for those who do not see it.
    pub(super) words: String,
    /// The marks and what they stand for.
    pub(super) legend: Vec<(Ink, &'static str)>,
}

/// All charts for which there are data.
pub(super) fn charts(array: &ArrayReport) -> Result<Vec<Chart>> {
    let comparison = &array.comparison;
    let bound = array.bound.map(|b| b.0).filter(|b| b.is_finite() && *b > 0.0);
    let mut list = Vec::new();
    if let Some(h) = comparison.histogram.as_ref().filter(|h| h.counts.iter().any(|n| *n > 0)) {
        list.push(histogram(h, bound)?);
    }
    if comparison.cumulative.iter().any(|(e, _)| *e > 0.0) {
        list.push(cumulative(comparison, bound)?);
    }
    if comparison.magnitudes.iter().any(|m| m.max_abs > 0.0) {
        list.push(magnitudes(&comparison.magnitudes)?);
    }
    if let Some(s) = comparison.spectrum.as_ref().filter(|s| s.original.iter().chain(&s.error).any(|p| *p > 0.0)) {
        list.push(spectrum(s)?);
    }
    for axis in drawn(&comparison.axes) {
        list.push(slices(axis)?);
    }
    Ok(list)
}

/// The axes on which errors are least even, in their order; none where there is but one slice or no error.
fn drawn(axes: &[AxisErrors]) -> Vec<&AxisErrors> {
    let peak = |a: &AxisErrors| a.worst.and_then(|w| a.slices.get(w)).map_or(0.0, |s| s.rmse.0);
    let mut list: Vec<_> = axes.iter().filter(|a| a.slices.len() > 1 && peak(a) > 0.0).collect();
    list.sort_by(|a, b| peak(b).total_cmp(&peak(a)));
    list.truncate(AXES);
    list.sort_by_key(|a| a.axis);
    list
}

/// The smallest and the largest of positive values.
fn positive(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| *v > 0.0 && v.is_finite()).fold(None, |ends, v| match ends {
        None => Some((v, v)),
        Some((a, b)) => Some((f64::min(a, v), f64::max(b, v))),
    })
}

/// A logarithmic axis where the values span more than [`WIDE`], else one from 0.
fn from_zero(title: &str, values: impl Iterator<Item = f64>) -> Axis {
    match positive(values) {
        Some((low, high)) if high / low > WIDE => Axis::log(title, low, high),
        Some((_, high)) => Axis::linear(title, 0.0, high * 1.05_f64.min(f64::MAX / high)),
        None => Axis::linear(title, 0.0, 1.0),
    }
}

fn histogram(h: &Histogram, bound: Option<f64>) -> Result<Chart> {
    let n = h.counts.len() as f64;
    // Each end by itself, since the difference of two huge ends overflows.
    let edge = |i: usize| h.from * (1.0 - i as f64 / n) + h.to * (i as f64 / n);
    let widest = h.from.abs().max(h.to.abs());
    let near = bound.filter(|b| *b / 4.0 <= widest);
    let most = h.counts.iter().copied().max().unwrap_or(0) as f64;
    // Wide enough for the bound's two lines, with a margin that keeps them off the frame.
    let reach = near.map_or(0.0, |b| b * 1.05);
    let x = Axis::linear("original − restored", h.from.min(-reach), h.to.max(reach));
    let least = h.counts.iter().copied().filter(|c| *c > 0).min().unwrap_or(1) as f64;
    let mut y = match most / least > WIDE {
        // A decade below 1, so that a single value is seen to be more than none.
        true => Axis::log("values, logarithmic", 0.5, most),
        false => Axis::linear("values", 0.0, most * 1.05),
    };
    y.ticks.retain(|(place, _)| *place >= 0.0);
    let outline = h.counts.iter().enumerate().flat_map(|(i, c)| [(edge(i), *c as f64), (edge(i + 1), *c as f64)]);
    let mut marks = vec![Mark::Area(outline.collect())];
    let mut legend = vec![(Ink::First, "values in each of equal bins")];
    if let Some(b) = near {
        marks.extend([Mark::Vertical(Ink::Bound, -b), Mark::Vertical(Ink::Bound, b)]);
        legend.push((Ink::Bound, "bound of the steps"));
    }
    let fullest = h.counts.iter().enumerate().max_by_key(|(_, c)| **c).map_or(0, |(i, _)| i);
    let mut words = format!(
        "Errors from {} to {} in {} bins; most ({}) between {} and {}.",
        number::digits(h.from, 3),
        number::digits(h.to, 3),
        h.counts.len(),
        number::count(most as u64),
        number::digits(edge(fullest), 3),
        number::digits(edge(fullest + 1), 3),
    );
    if let Some(b) = bound {
        words += &format!(" The steps' bound is ±{}", number::at_most(b));
        words += if near.is_some() { "." } else { ", far outside the picture." };
    }
    Ok(Chart { title: "Histogram of errors".to_owned(), svg: plot::draw(&x, &y, &marks)?, words, legend })
}

fn cumulative(comparison: &Comparison, bound: Option<f64>) -> Result<Chart> {
    let mut points: Vec<_> = comparison.cumulative.iter().copied().filter(|(e, _)| e.is_finite()).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let ends = positive(points.iter().map(|p| p.0));
    let near = bound.filter(|b| ends.is_some_and(|(_, high)| *b / 4.0 <= high));
    let x = from_zero("absolute error", points.iter().map(|p| p.0).chain(near));
    let y = Axis::linear("share of values with at most this error", 0.0, 1.0);
    let figure = |f: Figure| number::figure(f, comparison.figures.get(f));
    let words = format!(
        "Half of the values have an absolute error of at most {}, 90 % at most {}, 99 % at most {}, all at most {}.",
        figure(Figure::P50Abs),
        figure(Figure::P90Abs),
        figure(Figure::P99Abs),
        figure(Figure::MaxAbs),
    );
    let mut marks = vec![Mark::Line(Ink::First, thinned(&points))];
    let mut legend = vec![(Ink::First, "share of values")];
    if let Some(b) = near {
        marks.push(Mark::Vertical(Ink::Bound, b));
        legend.push((Ink::Bound, "bound of the steps"));
    }
    Ok(Chart {
        title: "Cumulative distribution of absolute error".to_owned(),
        svg: plot::draw(&x, &y, &marks)?,
        words,
        legend,
    })
}

/// At most [`POINTS`] points, evenly taken, with both ends.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(POINTS).max(1);
    points.iter().step_by(every).chain(points.last().filter(|_| every > 1)).copied().collect()
}

fn magnitudes(list: &[MagnitudeError]) -> Result<Chart> {
    // The middle of the range, since its end may be beyond the doubles; by exp2, since powi loses the subnormal ones.
    let at = |m: &MagnitudeError| (f64::from(m.exponent) + 0.5).exp2();
    let of = |value: fn(&MagnitudeError) -> f64| -> Vec<(f64, f64)> {
        list.iter().map(|m| (at(m), value(m))).filter(|(x, e)| *x > 0.0 && x.is_finite() && *e > 0.0).collect()
    };
    let (max, mean) = (of(|m| m.max_abs), of(|m| m.mean_abs));
    let ends = |values: &mut dyn Iterator<Item = f64>| positive(values).unwrap_or((1.0, 10.0));
    let (a, b) = ends(&mut max.iter().map(|p| p.0));
    let (c, d) = ends(&mut max.iter().chain(&mean).map(|p| p.1));
    let (x, y) = (Axis::log("magnitude of the original", a, b), Axis::log("absolute error", c, d));
    let exact = list.iter().filter(|m| m.max_abs == 0.0).count();
    let worst = list.iter().max_by(|a, b| a.max_abs.total_cmp(&b.max_abs));
    let mut words = worst.map_or_else(String::new, |m| {
        format!(
            "By binary orders of magnitude of the original. The largest error, {}, is that of values from {} to {}, \
             of which there are {}.",
            number::digits(m.max_abs, 3),
            power_of_two(m.exponent),
            power_of_two(m.exponent.saturating_add(1)),
            number::count(m.count),
        )
    });
    if exact > 0 {
        words += &format!(" Without any error, and so without a point: {}.", text::plural(exact, "order", "orders"));
    }
    let mut marks = vec![Mark::Line(Ink::First, max.clone()), Mark::Line(Ink::Second, mean)];
    if max.len() <= DOTTED {
        marks.push(Mark::Dots(Ink::First, max));
    }
    let legend = vec![(Ink::First, "largest"), (Ink::Second, "mean")];
    Ok(Chart { title: "Error against magnitude".to_owned(), svg: plot::draw(&x, &y, &marks)?, words, legend })
}

/// 2^exponent in plain digits where these are few.
fn power_of_two(exponent: i32) -> String {
    if (-4..=13).contains(&exponent) { 2f64.powi(exponent).to_string() } else { format!("2^{exponent}") }
}

fn spectrum(s: &Spectrum) -> Result<Chart> {
    let every = s.frequency.len().div_ceil(POINTS).max(1);
    let of = |powers: &[f64]| -> Vec<(f64, f64)> {
        let both: Vec<_> = s.frequency.iter().copied().zip(powers.iter().copied()).collect();
        let largest = |part: &[(f64, f64)]| part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        both.chunks(every).filter_map(largest).filter(|p| p.1 > 0.0 && p.1.is_finite()).collect()
    };
    let (original, error) = (of(&s.original), of(&s.error));
    let (low, high) = positive(original.iter().chain(&error).map(|p| p.1)).unwrap_or((1.0, 10.0));
    // Beyond 16 decades below the top there is only rounding.
    let y = Axis::log("power", low.max(high * 1e-20), high);
    let x = Axis::linear("frequency, cycles a sample", 0.0, 0.5);
    let above = s.original.iter().zip(&s.error).filter(|(o, e)| e >= o).count();
    let crossing = s.frequency.iter().zip(s.original.iter().zip(&s.error)).find(|(_, (o, e))| e >= o);
    let mut words = format!("Mean over {} along axis {}.", text::plural(s.lines as usize, "line", "lines"), s.axis);
    words += &match crossing {
        Some((f, _)) => format!(
            " The errors have as much power as the data or more at {above} of {} frequencies, first at {}.",
            s.frequency.len(),
            number::digits(*f, 3)
        ),
        None => " The errors have less power than the data at every frequency.".to_owned(),
    };
    if every > 1 {
        words += &format!(" Drawn: the largest of each {every} neighbouring frequencies.");
    }
    let mut marks = vec![Mark::Line(Ink::First, original)];
    let mut legend = vec![(Ink::First, "original")];
    if !error.is_empty() {
        marks.push(Mark::Line(Ink::Second, error));
        legend.push((Ink::Second, "error"));
    }
    Ok(Chart {
        title: format!("Power spectrum along axis {}", s.axis),
        svg: plot::draw(&x, &y, &marks)?,
        words,
        legend,
    })
}

fn slices(axis: &AxisErrors) -> Result<Chart> {
    let middle = |s: &SliceError| (s.from as f64 + s.to.saturating_sub(1) as f64) / 2.0;
    let every = axis.slices.len().div_ceil(POINTS).max(1);
    let of = |value: fn(&SliceError) -> f64| -> Vec<(f64, f64)> {
        let points: Vec<_> = axis.slices.iter().map(|s| (middle(s), value(s))).filter(|p| p.1.is_finite()).collect();
        points.chunks(every).filter_map(|part| part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))).collect()
    };
    let (max, rmse) = (of(|s| s.max_abs), of(|s| s.rmse.0));
    let last = axis.slices.last().map_or(1.0, |s| s.to.saturating_sub(1) as f64);
    let x = Axis::linear(&format!("index on axis {}", axis.axis), 0.0, last);
    let y = from_zero("absolute error of a slice", max.iter().chain(&rmse).map(|p| p.1));
    let mut marks = vec![Mark::Line(Ink::First, max.clone()), Mark::Line(Ink::Second, rmse)];
    if max.len() <= DOTTED {
        marks.push(Mark::Dots(Ink::First, max));
    }
    let mut legend = vec![(Ink::First, "largest"), (Ink::Second, "RMSE")];
    let mut words = String::new();
    if let Some(worst) = axis.worst.and_then(|w| axis.slices.get(w)) {
        marks.insert(0, Mark::Vertical(Ink::Bound, middle(worst)));
        legend.push((Ink::Bound, "worst slice"));
        let largest = number::digits(worst.max_abs, 3);
        words = format!(
            "Worst slice: {}, with RMSE {} and largest error {largest}.",
            extent(worst),
            number::digits(worst.rmse.0, 3)
        );
    }
    if every > 1 {
        words += &format!(" Drawn: the largest of each {every} neighbours.");
    }
    Ok(Chart {
        title: format!("Error by slice of axis {}", axis.axis),
        svg: plot::draw(&x, &y, &marks)?,
        words,
        legend,
    })
}

/// `index 7`, `indices 8 to 15`.
pub(super) fn extent(slice: &SliceError) -> String {
    match slice.to.saturating_sub(slice.from) {
        0 | 1 => format!("index {}", slice.from),
        _ => format!("indices {} to {}", slice.from, slice.to - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnormal_and_huge_magnitudes_have_their_places_in_the_chart() {
        let at = |exponent| MagnitudeError { exponent, count: 1, max_abs: 5e-324, mean_abs: 5e-324 };
        let chart = magnitudes(&[at(-1074), at(0), at(1023)]).unwrap();
        let dots: Vec<&str> = chart.svg.split("<circle cx=\"").skip(1).filter_map(|c| c.split('"').next()).collect();
        assert_eq!(dots.len(), 3, "{}", chart.svg);
        assert!(dots[0].parse::<i32>().unwrap() < dots[1].parse().unwrap() && dots[1] < dots[2], "{dots:?}");
    }

    #[test]
    fn only_the_axes_on_which_errors_vary_most_are_drawn_in_their_order() {
        let slice = |i: u64, rmse| SliceError { from: i, to: i + 1, max_abs: rmse, rmse: crate::metric::Number(rmse) };
        let axis = |axis, worst: f64| AxisErrors { axis, slices: vec![slice(0, 0.1), slice(1, worst)], worst: Some(1) };
        let one = AxisErrors { axis: 6, slices: vec![slice(0, 9.0)], worst: Some(0) };
        let list: Vec<_> =
            [0.2, 0.9, 0.3, 0.8, 0.7, 0.6].iter().enumerate().map(|(i, w)| axis(i, *w)).chain([one]).collect();
        assert_eq!(drawn(&list).iter().map(|a| a.axis).collect::<Vec<_>>(), [1, 3, 4, 5]);
    }
}

//! What a page shows besides numbers: the worst plane, and power spectra.

use super::compare::{CompareOptions, Ends};
use super::sides::Sides;
use crate::array::Span;
use crate::error::Result;
use crate::metric::{Plane, Spectrum};

/// Pixels along the longer side of a picture.
const PIXELS: u64 = 320;

/// Elements read at a time.
const STRIP: u64 = 1 << 18;

/// Lines that a spectrum is averaged over, and values of one.
const LINES: u64 = 512;
const LINE: u64 = 4096;
/// Shorter lines have no spectrum worth drawing.
const SHORTEST_LINE: u64 = 16;

/// The plane of the last two axes that holds `worst` (the first plane, if there is no worst element), made small.
pub(super) fn plane(ends: &Ends<'_>, options: &CompareOptions<'_>, worst: Option<Vec<u64>>) -> Result<Option<Plane>> {
    let [lead @ .., rows, columns] = ends.original.spec().shape() else { return Ok(None) };
    let (rows, columns) = (*rows, *columns);
    if rows < 2 || columns < 2 || lead.contains(&0) {
        return Ok(None);
    }
    let index: Vec<u64> = worst.map_or(vec![0; lead.len()], |w| w[..lead.len()].to_vec());
    let number = index.iter().zip(lead).fold(0, |n, (i, d)| n * d + i);
    let Some(start) = number.checked_mul(rows * columns) else { return Ok(None) };
    // Each axis by itself: a long and narrow plane keeps its few rows.
    let (by, across) = (rows.div_ceil(PIXELS).max(1), columns.div_ceil(PIXELS).max(1));
    let (high, wide) = (rows.div_ceil(by) as usize, columns.div_ceil(across) as usize);
    let mut plane = Plane {
        index,
        shape: (rows, columns),
        pixels: (high, wide),
        original: Vec::with_capacity(high * wide),
        restored: Vec::with_capacity(high * wide),
        error: Vec::with_capacity(high * wide),
    };
    let mut sides = Sides::new(ends, options.fill);
    for pixel_row in 0..high as u64 {
        let (from, to) = (pixel_row * by, ((pixel_row + 1) * by).min(rows));
        let mut sums = vec![(0.0, 0.0, 0u32, 0.0f64); wide];
        // A strip of rows may be longer than what should be read at once.
        let step = (STRIP / columns).max(1);
        for row in (from..to).step_by(step as usize) {
            let end = (row + step).min(to);
            sides.read(&[Span::new(start + row * columns, (end - row) * columns)])?;
            let values = sides.x.iter().zip(&sides.y).zip(&sides.e).enumerate();
            for (i, ((x, y), e)) in values.filter(|(_, (_, e))| !e.is_nan()) {
                let sum = &mut sums[(i as u64 % columns / across) as usize];
                (sum.0, sum.1, sum.2) = (sum.0 + x, sum.1 + y, sum.2 + 1);
                if e.abs() > sum.3.abs() {
                    sum.3 = *e;
                }
            }
        }
        for (x, y, n, e) in sums {
            let mean = |sum: f64| if n == 0 { f64::NAN } else { sum / f64::from(n) };
            plane.original.push(mean(x));
            plane.restored.push(mean(y));
            plane.error.push(if n == 0 { f64::NAN } else { e });
        }
    }
    Ok(Some(plane))
}

/// Mean power spectra of lines along the last axis (the longest, if that is short). Lines with a missing value are left out.
pub(super) fn spectrum(ends: &Ends<'_>, options: &CompareOptions<'_>) -> Result<Option<Spectrum>> {
    let spec = ends.original.spec();
    let shape = spec.shape();
    let longest = (0..shape.len()).max_by_key(|a| shape[*a]);
    let axis = match shape.len().checked_sub(1) {
        Some(last) if shape[last] >= SHORTEST_LINE => last,
        _ => match longest.filter(|a| shape[*a] >= SHORTEST_LINE) {
            Some(axis) => axis,
            None => return Ok(None),
        },
    };
    let length = shape[axis].min(LINE);
    let below: u64 = shape[axis + 1..].iter().product();
    let lines = spec.count() / shape[axis];
    let taken = lines.min(LINES);
    let mut sides = Sides::new(ends, options.fill);
    let mut power = crate::metric::PowerSum::new(length as usize);
    for line in 0..taken {
        // Evenly spaced lines: the same ones in every run.
        let line = (u128::from(line) * u128::from(lines) / u128::from(taken)) as u64;
        let first = line / below * below * shape[axis] + line % below;
        let mut spans = Vec::new();
        for i in 0..length {
            Span::push(&mut spans, Span::new(first + i * below, 1));
        }
        sides.read(&spans)?;
        if sides.e.iter().all(|e| !e.is_nan()) {
            power.add(&sides.x, &sides.e);
        }
    }
    Ok(power.finish(axis))
}

//! Pictures of the worst plane: original, restored and error as small PNG files inside the page.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use colorous::Gradient;

use crate::error::{Error, ErrorKind, Result};
use crate::metric::Plane;

/// For data: even steps of the data look even, to the colour-blind and in grey too.
const DATA: Gradient = colorous::CIVIDIS;
/// For errors: unlike hues on both sides of zero, told apart by the colour-blind. Read from its far end, so that red is positive.
const ERROR: Gradient = colorous::RED_BLUE;
/// Colours of the map; the two greys of the hatch stand after them in the palette.
const COLOURS: usize = 254;
/// Rows and columns of pixels at most.
const PIXELS: usize = 480;

/// One picture with its scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    /// The picture as a data URI.
    pub(super) uri: String,
    /// Its colours from the lowest to the highest, as a data URI.
    pub(super) bar: String,
    /// The values at both ends of the bar.
    pub(super) ends: (f64, f64),
    /// Whether some pixels have no value.
    pub(super) missing: bool,
}

/// The three pictures of a plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pictures {
    pub(super) original: Picture,
    pub(super) restored: Picture,
    pub(super) error: Picture,
    /// Rows and columns of pixels.
    pub(super) pixels: (usize, usize),
}

/// Values of pixels, row by row.
#[derive(Debug, Clone)]
struct Raster {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Raster {
    fn new((rows, columns): (usize, usize), values: &[f64]) -> Option<Self> {
        let fits = rows > 0 && columns > 0 && rows.checked_mul(columns) == Some(values.len());
        fits.then(|| Self { rows, columns, values: values.to_vec() })
    }

    /// The same with every `by` x `by` pixels made one by `join`.
    fn smaller(&self, by: usize, join: fn(&[f64]) -> f64) -> Self {
        if by <= 1 {
            return self.clone();
        }
        let (rows, columns) = (self.rows.div_ceil(by), self.columns.div_ceil(by));
        let mut values = Vec::with_capacity(rows * columns);
        let mut block = Vec::with_capacity(by * by);
        let lines: Vec<&[f64]> = self.values.chunks(self.columns).collect();
        for group in lines.chunks(by) {
            for column in 0..columns {
                block.clear();
                for line in group {
                    let part = line.iter().skip(column * by).take(by);
                    block.extend(part.copied().filter(|v| v.is_finite()));
                }
                values.push(join(&block));
            }
        }
        Self { rows, columns, values }
    }

    fn finite(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().filter(|v| v.is_finite())
    }
}

/// The mean; each value is divided first, so that a sum of huge ones does not overflow.
fn mean(block: &[f64]) -> f64 {
    if block.is_empty() {
        return f64::NAN;
    }
    block.iter().map(|v| v / block.len() as f64).sum()
}

/// The value of the largest magnitude.
fn largest(block: &[f64]) -> f64 {
    block.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(f64::NAN)
}

/// The pictures of `plane` in at most `most` characters, with fewer pixels if need be; `None` where there is no pixel.
pub(super) fn pictures(plane: &Plane, most: usize) -> Result<Option<Pictures>> {
    let raster = |values: &[f64]| Raster::new(plane.pixels, values);
    let (Some(original), Some(restored), Some(error)) =
        (raster(&plane.original), raster(&plane.restored), raster(&plane.error))
    else {
        return Ok(None);
    };
    let side = plane.pixels.0.max(plane.pixels.1);
    let mut by = side.div_ceil(PIXELS).max(1);
    loop {
        let made = three(&original.smaller(by, mean), &restored.smaller(by, mean), &error.smaller(by, largest))?;
        let length: usize =
            [&made.original, &made.restored, &made.error].iter().map(|p| p.uri.len() + p.bar.len()).sum();
        if length <= most || by >= side {
            return Ok(Some(made));
        }
        by += by.div_ceil(3);
    }
}

/// Original and restored on one scale, errors on one that has zero in its middle.
fn three(original: &Raster, restored: &Raster, error: &Raster) -> Result<Pictures> {
    let data = || original.finite().chain(restored.finite());
    let (low, high) = (data().fold(f64::INFINITY, f64::min), data().fold(f64::NEG_INFINITY, f64::max));
    let ends = if low <= high { (low, high) } else { (0.0, 0.0) };
    let most = error.finite().fold(0.0, |m: f64, e| m.max(e.abs()));
    Ok(Pictures {
        original: picture(original, ends, |t| DATA.eval_continuous(t))?,
        restored: picture(restored, ends, |t| DATA.eval_continuous(t))?,
        error: picture(error, (-most, most), |t| ERROR.eval_continuous(1.0 - t))?,
        pixels: (original.rows, original.columns),
    })
}

fn picture(raster: &Raster, ends: (f64, f64), colour: impl Fn(f64) -> colorous::Color) -> Result<Picture> {
    let (low, high) = ends;
    let index = |v: f64| {
        let share = if high > low { (v - low) / (high - low) } else { 0.5 };
        (share.clamp(0.0, 1.0) * (COLOURS - 1) as f64).round() as u8
    };
    let mut palette = Vec::with_capacity(3 * 256);
    for i in 0..COLOURS {
        palette.extend(colour(i as f64 / (COLOURS - 1) as f64).as_array());
    }
    // Two greys, neither of which is in a map.
    palette.extend([0x8c, 0x8c, 0x8c, 0xb4, 0xb4, 0xb4]);
    let hatch = |i: usize| {
        let (row, column) = (i / raster.columns, i % raster.columns);
        COLOURS as u8 + u8::from((row + column) / 2 % 2 == 1)
    };
    let bytes: Vec<u8> =
        raster.values.iter().enumerate().map(|(i, v)| if v.is_finite() { index(*v) } else { hatch(i) }).collect();
    let bar: Vec<u8> = (0..COLOURS as u8).collect();
    Ok(Picture {
        uri: uri(raster.columns, raster.rows, &bytes, &palette)?,
        bar: uri(COLOURS, 1, &bar, &palette)?,
        ends,
        missing: raster.values.iter().any(|v| !v.is_finite()),
    })
}

/// A PNG of palette indices as a data URI.
fn uri(width: usize, height: usize, indices: &[u8], palette: &[u8]) -> Result<String> {
    let bad = |e: String| Error::new(ErrorKind::Unsupported, format!("a picture cannot be made: {e}"));
    let side = |n: usize| u32::try_from(n).map_err(|e| bad(e.to_string()));
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(Cow::Borrowed(palette));
    encoder.set_compression(png::Compression::High);
    // Filters predict values, and indices are not values.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(|e| bad(e.to_string()))?;
    writer.write_image_data(indices).map_err(|e| bad(e.to_string()))?;
    writer.finish().map_err(|e| bad(e.to_string()))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(&png)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(rows: usize, columns: usize, value: impl Fn(usize) -> f64) -> Plane {
        let values: Vec<f64> = (0..rows * columns).map(value).collect();
        let error = values.iter().map(|v| v / 1000.0).collect();
        Plane {
            index: Vec::new(),
            shape: (rows as u64, columns as u64),
            pixels: (rows, columns),
            original: values.clone(),
            restored: values,
            error,
        }
    }

    /// Width, height and palette indices of a data URI.
    fn read(uri: &str) -> (usize, usize, Vec<u8>) {
        let png = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        (info.width as usize, info.height as usize, bytes)
    }

    #[test]
    fn pixels_are_the_values_on_the_scale_and_missing_ones_are_hatched() {
        let made = pictures(&plane(2, 3, |i| if i == 4 { f64::NAN } else { i as f64 }), usize::MAX).unwrap().unwrap();
        assert_eq!(made.original.ends, (0.0, 5.0));
        assert!(made.original.missing);
        let (width, height, indices) = read(&made.original.uri);
        assert_eq!((width, height), (3, 2));
        assert_eq!(indices[0], 0);
        assert_eq!(indices[5], COLOURS as u8 - 1);
        assert!(usize::from(indices[4]) >= COLOURS);
        assert_eq!(made.error.ends, (-0.005, 0.005));
    }

    #[test]
    fn a_plane_that_does_not_compress_gets_fewer_pixels_until_it_fits() {
        let noise = plane(480, 480, |i| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64);
        let made = pictures(&noise, 120_000).unwrap().unwrap();
        let length: usize = [&made.original, &made.restored, &made.error].iter().map(|p| p.uri.len()).sum();
        assert!(length <= 120_000 && made.pixels.0 >= 60, "{length} {:?}", made.pixels);
    }

    #[test]
    fn the_largest_error_survives_shrinking() {
        let mut one = plane(400, 400, |_| 0.0);
        one.error[12_345] = -7.0;
        let made = pictures(&one, 3000).unwrap().unwrap();
        assert_eq!(made.error.ends, (-7.0, 7.0));
        assert!(read(&made.error.uri).2.contains(&0));
    }

    #[test]
    fn planes_without_pixels_or_without_values_are_no_trouble() {
        assert_eq!(pictures(&plane(0, 5, |_| 0.0), usize::MAX).unwrap(), None);
        let made = pictures(&plane(3, 3, |_| f64::NAN), usize::MAX).unwrap().unwrap();
        assert_eq!(made.original.ends, (0.0, 0.0));
    }
}

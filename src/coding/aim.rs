//! A mean square is kept by trying: each attempt aims lower, until what comes back keeps it.

use half::f16;
use num_complex::Complex;

use super::Bound;
use super::bound::squared_error;
use crate::array::{Buf, DType};
use crate::error::Result;

/// Attempts within a bound; the one after them loses nothing.
const ATTEMPTS: usize = 4;
/// Aimed at this much less than the ratio says: errors are not quite proportional to steps.
const LOWER: f64 = 0.97;
/// Sums of at most 2^31 squares, rounded at each addition, are at most so much below the exact ones.
const ROUNDED: f64 = 1.0 + 1e-6;

/// The bounds that one attempt after the other is given.
#[derive(Debug)]
pub(crate) struct Aim {
    bound: Bound,
    /// The mean square to be kept, if there is one.
    most: Option<f64>,
    attempts: usize,
}

impl Aim {
    /// For keeping `bound`. Its mean square is aimed at `share` of it first, where one attempt is to be enough.
    pub(crate) fn new(bound: &Bound, share: f64) -> Self {
        let most = bound.mean_square.filter(|_| !bound.is_lossless());
        let mut bound = *bound;
        if let Some(mean) = &mut bound.mean_square {
            *mean *= share.min(1.0);
        }
        Self { bound, most, attempts: 0 }
    }

    /// What the next attempt may lose.
    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Whether attempts are over: the next one, or the one that was kept, loses nothing.
    pub(crate) fn gave_up(&self) -> bool {
        self.attempts >= ATTEMPTS
    }

    /// Whether an attempt keeps the mean square, which `mean` gives, rounded up if at all; else the next one aims lower.
    pub(crate) fn is_kept(&mut self, mean: impl FnOnce() -> Result<f64>) -> Result<bool> {
        let Some(most) = self.most.filter(|_| !self.gave_up()) else { return Ok(true) };
        let mean = mean()?;
        if mean <= most {
            return Ok(true);
        }
        self.attempts += 1;
        self.bound = match self.gave_up() {
            true => Bound::default(),
            false => Bound { mean_square: self.bound.mean_square.map(|m| m * (most / mean) * LOWER), ..self.bound },
        };
        Ok(false)
    }
}

/// The mean of the squared distances between elements and what is restored of them, rounded up. Elements that are not finite
/// (of complex numbers: in either part) or whose bits are `fill` add nothing and do not count, so that the mean over any number of
/// chunks is kept where each chunk's is.
pub(crate) fn mean_square(original: &Buf, restored: &Buf, fill: Option<u64>) -> Result<f64> {
    fn complex<T: Copy + Into<f64>>(x: &[Complex<T>], y: &[Complex<T>]) -> (f64, usize) {
        let (mut sum, mut count) = (0.0, 0);
        for (x, y) in x.iter().zip(y) {
            let (re, im): (f64, f64) = (x.re.into(), x.im.into());
            if re.is_finite() && im.is_finite() {
                sum += (re - y.re.into()).powi(2) + (im - y.im.into()).powi(2);
                count += 1;
            }
        }
        (sum, count)
    }
    let (sum, count) = match original.dtype() {
        DType::C64 => complex::<f32>(original.slice(), restored.slice()),
        DType::C128 => complex::<f64>(original.slice(), restored.slice()),
        _ => (squared_error(original, restored)?, original.len().saturating_sub(irregular(original, fill))),
    };
    Ok(sum * ROUNDED / count.max(1) as f64)
}

/// Real elements that are not finite, or are the fill value.
fn irregular(values: &Buf, fill: Option<u64>) -> usize {
    fn count<T: Copy + Into<f64>, W: Copy + Into<u64>>(values: &[T], words: &[W], fill: Option<u64>) -> usize {
        values.iter().zip(words).filter(|(x, w)| !(**x).into().is_finite() || Some((**w).into()) == fill).count()
    }
    fn same<W: Copy + Into<u64>>(words: &[W], fill: Option<u64>) -> usize {
        words.iter().filter(|w| Some((**w).into()) == fill).count()
    }
    match values.dtype() {
        DType::F16 => count::<f16, u16>(values.slice(), values.slice(), fill),
        DType::F32 => count::<f32, u32>(values.slice(), values.slice(), fill),
        DType::F64 => count::<f64, u64>(values.slice(), values.slice(), fill),
        dtype => match dtype.size() {
            1 => same::<u8>(values.slice(), fill),
            2 => same::<u16>(values.slice(), fill),
            4 => same::<u32>(values.slice(), fill),
            _ => same::<u64>(values.slice(), fill),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Coding, Scratch, encode};
    use super::*;
    use crate::array::Spec;

    #[test]
    fn complex_numbers_with_one_part_missing_keep_the_mean_square_of_the_others() {
        // The real parts of all but a few numbers are missing: errors of the few may not hide behind those of imaginary parts.
        let values: Vec<Complex<f64>> = (0..4000u32)
            .map(|i| {
                let noise = f64::from(i.wrapping_mul(2_654_435_761) >> 8);
                Complex::new(if i % 50 == 0 { noise } else { f64::NAN }, if i % 50 == 0 { noise * 0.7 } else { 0.0 })
            })
            .collect();
        let values = Buf::from_slice(&values).unwrap();
        let spec = Spec::new(DType::C128, [4000]).unwrap();
        let (mut scratch, mut out, mut restored) = (Scratch::default(), Vec::new(), Buf::new());
        let coding = Coding { bound: Bound { mean_square: Some(1e6), ..Bound::default() }, ..Coding::default() };
        encode(&spec, &values, &coding, None, &mut scratch, &mut out, &mut restored).unwrap();
        let mean = mean_square(&values, &restored, None).unwrap();
        assert!(mean > 0.0 && mean <= 1e6, "{mean}");
    }
}

//! Mean power spectra of lines of an array and of their errors.

use super::comparison::Spectrum;

/// Adds up |DFT|² of lines of one length.
#[derive(Debug)]
pub struct PowerSum {
    length: usize,
    lines: u64,
    original: Vec<f64>,
    error: Vec<f64>,
    #[cfg(feature = "report")]
    planner: Planner,
}

/// The plan of one length.
#[cfg(feature = "report")]
struct Planner(std::sync::Arc<dyn rustfft::Fft<f64>>);

#[cfg(feature = "report")]
impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Planner")
    }
}

impl PowerSum {
    /// Of lines of `length` values.
    pub fn new(length: usize) -> Self {
        let bins = length / 2;
        Self {
            length,
            lines: 0,
            original: vec![0.0; bins],
            error: vec![0.0; bins],
            #[cfg(feature = "report")]
            planner: Planner(rustfft::FftPlanner::new().plan_fft_forward(length)),
        }
    }

    /// Adds a line of the original and the errors on it, all finite. Without the feature `report` nothing is added.
    pub fn add(&mut self, original: &[f64], error: &[f64]) {
        #[cfg(feature = "report")]
        {
            use rustfft::num_complex::Complex;
            // One transform each: in one for both, errors would keep only what the larger values leave of their digits.
            for (values, sums) in [(original, &mut self.original), (error, &mut self.error)] {
                let mut line: Vec<Complex<f64>> = values.iter().map(|v| Complex::new(*v, 0.0)).collect();
                self.planner.0.process(&mut line);
                for (sum, term) in sums.iter_mut().zip(line.iter().skip(1)) {
                    *sum += term.norm_sqr() / self.length as f64;
                }
            }
            self.lines += 1;
        }
        #[cfg(not(feature = "report"))]
        let _ = (original, error);
    }

    /// The means; `None` without a line, and where a power is beyond f64.
    pub fn finish(self, axis: usize) -> Option<Spectrum> {
        let within = self.original.iter().chain(&self.error).all(|p| p.is_finite());
        if self.lines == 0 || !within {
            return None;
        }
        let mean = |sums: Vec<f64>| sums.into_iter().map(|s| s / self.lines as f64).collect();
        Some(Spectrum {
            axis,
            length: self.length,
            lines: self.lines,
            frequency: (1..=self.length / 2).map(|k| k as f64 / self.length as f64).collect(),
            original: mean(self.original),
            error: mean(self.error),
        })
    }
}

#[cfg(all(test, feature = "report"))]
mod tests {
    use super::*;

    #[test]
    fn a_pure_wave_has_all_its_power_at_its_own_frequency() {
        let n = 64;
        let wave = |k: f64, i: usize| (std::f64::consts::TAU * k * i as f64 / n as f64).cos();
        let x: Vec<f64> = (0..n).map(|i| 3.0 * wave(5.0, i)).collect();
        let e: Vec<f64> = (0..n).map(|i| 1e-3 * wave(20.0, i)).collect();
        let mut power = PowerSum::new(n);
        power.add(&x, &e);
        power.add(&x, &e);
        let s = power.finish(0).unwrap();
        // |DFT|²/n of A cos: (A n / 2)² / n.
        assert!((s.original[4] - 9.0 * 16.0).abs() < 1e-9 && (s.error[19] - 1e-6 * 16.0).abs() < 1e-15, "{s:?}");
        assert!(s.original.iter().enumerate().all(|(k, p)| k == 4 || *p < 1e-20));
        assert_eq!((s.lines, s.frequency[4]), (2, 5.0 / 64.0));
        assert!(PowerSum::new(8).finish(0).is_none());
    }
}

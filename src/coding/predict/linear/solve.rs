//! Weighted normal equations and their solution, in one order of operations everywhere: the factors decide bytes.

use super::neighbours::TERMS;

/// Lanes of a sum: whole vectors, in an order that is the same on every machine.
const LANES: usize = 8;

/// Σ a·b. Slices of one length, a multiple of [`LANES`].
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    fold(sums)
}

/// Σ a·b for four b at once: `a` is loaded once.
#[inline(always)]
fn dots(a: &[f64], b: [&[f64]; 4]) -> [f64; 4] {
    let mut sums = [[0.0; LANES]; 4];
    let b = b.map(|b| b.as_chunks::<LANES>().0);
    let a = a.as_chunks::<LANES>().0;
    let n = a.len();
    let b = b.map(|b| &b[..n]);
    for k in 0..n {
        for i in 0..LANES {
            sums[0][i] += a[k][i] * b[0][k][i];
            sums[1][i] += a[k][i] * b[1][k][i];
            sums[2][i] += a[k][i] * b[2][k][i];
            sums[3][i] += a[k][i] * b[3][k][i];
        }
    }
    sums.map(fold)
}

/// Σ a, of whole vectors.
#[inline(always)]
pub(super) fn sum(a: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for a in a.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            sums[i] += a[i];
        }
    }
    fold(sums)
}

#[inline(always)]
fn fold(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// What a variable's variance is raised by, of the mean variance: keeps nearly equal neighbours apart.
const RIDGE: f64 = 1e-9;
/// The same in squared levels: less than a level is rounding.
const RIDGE_LEVELS: f64 = 1e-3;

/// Samples of a regression, padded with zeros to whole vectors.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Columns of the terms, one after another, `rows` each; means removed.
    pub(super) columns: Vec<f64>,
    /// What is to be explained.
    pub(super) target: Vec<f64>,
    /// Weights; 0 for padding.
    pub(super) weights: Vec<f64>,
    weighted: Vec<f64>,
}

/// What explains a target best.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solution {
    pub(super) factors: [f64; TERMS],
    pub(super) constant: f64,
    /// The root of the sum of mean squares by which terms differ from the first.
    pub(super) spread: f64,
}

/// Samples are padded to a multiple of this.
pub(super) const STEP: usize = LANES;

impl Samples {
    /// The factors that explain the target with the least weighted squares, or `None` where there is no good solution.
    #[inline(always)]
    pub(super) fn solve(&mut self, terms: usize) -> Option<Solution> {
        let rows = self.target.len();
        let columns: Vec<&[f64]> = self.columns.chunks_exact(rows).take(terms).collect();
        let mut matrix = [[0.0; TERMS]; TERMS];
        let mut right = [0.0; TERMS];
        let mut means = [0.0; TERMS];
        let total = sum(&self.weights);
        self.weighted.clear();
        self.weighted.resize(rows, 0.0);
        let target = dot(&self.weights, &self.target) / total;
        for j in 0..terms {
            for ((o, w), x) in self.weighted.iter_mut().zip(&self.weights).zip(columns[j]) {
                *o = w * x;
            }
            let weighted = &self.weighted[..];
            means[j] = sum(weighted) / total;
            right[j] = dot(weighted, &self.target);
            let mut k = 0;
            while k <= j {
                let at = |i: usize| columns[(k + i).min(j)];
                let found = dots(weighted, [at(0), at(1), at(2), at(3)]);
                for (i, x) in found.into_iter().enumerate().take(j + 1 - k) {
                    matrix[j][k + i] = x;
                }
                k += 4;
            }
        }
        let mut trace = 0.0;
        for j in 0..terms {
            for k in 0..=j {
                matrix[j][k] -= total * (means[j] * means[k]);
            }
            right[j] -= total * (means[j] * target);
            trace += matrix[j][j];
        }
        let spread: f64 = (1..terms).map(|j| matrix[0][0] + matrix[j][j] - 2.0 * matrix[j][0]).sum();
        let ridge = RIDGE * trace / terms as f64 + RIDGE_LEVELS * total;
        for (j, row) in matrix.iter_mut().enumerate().take(terms) {
            row[j] += ridge;
        }
        let factors = cholesky(&mut matrix, right, terms)?;
        let mut constant = target;
        for j in 0..terms {
            constant -= factors[j] * means[j];
        }
        Some(Solution { factors, constant, spread: (spread.max(0.0) / total).sqrt() })
    }
}

/// Solves `matrix` (lower triangle, replaced) · x = `right`; `None` where the matrix is not positive definite.
fn cholesky(matrix: &mut [[f64; TERMS]; TERMS], right: [f64; TERMS], n: usize) -> Option<[f64; TERMS]> {
    for j in 0..n {
        for k in 0..=j {
            let mut sum = matrix[j][k];
            for (a, b) in matrix[j].iter().zip(&matrix[k]).take(k) {
                sum -= a * b;
            }
            if j == k {
                if sum.is_nan() || sum <= 0.0 {
                    return None;
                }
                matrix[j][j] = sum.sqrt();
            } else {
                matrix[j][k] = sum / matrix[k][k];
            }
        }
    }
    let mut x = right;
    for j in 0..n {
        for i in 0..j {
            x[j] -= matrix[j][i] * x[i];
        }
        x[j] /= matrix[j][j];
    }
    for j in (0..n).rev() {
        for i in j + 1..n {
            x[j] -= matrix[i][j] * x[i];
        }
        x[j] /= matrix[j][j];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_sum_of_terms_is_found() {
        let rows = 64;
        let mut s = Samples { weights: vec![1.0; rows], ..Samples::default() };
        let noise =
            |i: usize, j: usize| f64::from((i as u32 * 7 + j as u32 * 131).wrapping_mul(2_654_435_761) >> 16) / 16.0;
        s.columns = (0..3).flat_map(|j| (0..rows).map(move |i| noise(i, j))).collect();
        s.target = (0..rows).map(|i| 5.0 + 0.5 * noise(i, 0) - 2.0 * noise(i, 1) + 0.25 * noise(i, 2)).collect();
        let Solution { factors, constant, .. } = s.solve(3).unwrap();
        for (found, expected) in factors.iter().zip([0.5, -2.0, 0.25]) {
            assert!((found - expected).abs() < 1e-4, "{factors:?}");
        }
        assert!((constant - 5.0).abs() < 0.1, "{constant}");
        s.weights.fill(f64::NAN);
        assert!(s.solve(3).is_none());
    }
}

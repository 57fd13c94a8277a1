//! Single matrices: asymmetry and eigenvalues.

/// A NaN with bits of its own that stands for a declared fill value, where it has to be told from a NaN of the data.
pub(super) const ABSENT: f64 = f64::from_bits(0x7ff8_0000_0000_f111);

/// Columns compared at a time: both a block of rows and its mirror image stay in the cache.
const BLOCK: usize = 32;

/// Largest |a_ji − a_ij| of an n × n matrix. Equal infinities are alike, and so are two NaN; a value that is not finite beside
/// any other makes it infinite. What [`present`](super::present) wrote for fill values is left out.
pub fn largest_asymmetry(matrix: &[f64], n: usize) -> f64 {
    let mut largest = 0.0f64;
    for rows in (0..n).step_by(BLOCK) {
        for columns in (rows..n).step_by(BLOCK) {
            for i in rows..(rows + BLOCK).min(n) {
                for j in columns.max(i + 1)..(columns + BLOCK).min(n) {
                    largest = largest.max(difference(matrix[i * n + j], matrix[j * n + i]));
                }
            }
        }
    }
    largest
}

#[inline(always)]
fn difference(a: f64, b: f64) -> f64 {
    let difference = (a - b).abs();
    let absent = |v: f64| v.to_bits() == ABSENT.to_bits();
    match difference.is_nan() {
        false => difference,
        // Both infinite and alike, or both NaN; or a fill value, which says nothing.
        true if absent(a) || absent(b) || a == b || (a.is_nan() && b.is_nan()) => 0.0,
        true => f64::INFINITY,
    }
}

/// The eigenvalues of a symmetric n × n matrix of finite values in ascending order, on `threads` threads; `None` where the
/// method does not converge, and without the feature `report`.
///
/// Backward stable: each is off by at most a small multiple of n · 2^−53 · ‖a‖₂. Scaled by a power of two first, so that no
/// square overflows.
pub fn symmetric_eigenvalues(matrix: &[f64], n: usize, threads: usize) -> Option<Vec<f64>> {
    #[cfg(feature = "report")]
    {
        let largest = matrix.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return Some(vec![0.0; n]);
        }
        let exponent = (largest.to_bits() >> 52) as i32 - 1023;
        let (down, up) = if exponent.abs() > 400 {
            (2f64.powi((-exponent).clamp(-1000, 1000)), 2f64.powi(exponent.clamp(-1000, 1000)))
        } else {
            (1.0, 1.0)
        };
        let scaled: Vec<f64>;
        let matrix = if down == 1.0 {
            matrix
        } else {
            scaled = matrix.iter().map(|v| v * down).collect();
            &scaled
        };
        faer::set_global_parallelism(if threads > 1 { faer::Par::rayon(threads) } else { faer::Par::Seq });
        let view = faer::MatRef::from_row_major_slice(matrix, n, n);
        let values = view.self_adjoint_eigenvalues(faer::Side::Lower).ok()?;
        Some(values.into_iter().map(|v| v * up).collect())
    }
    #[cfg(not(feature = "report"))]
    {
        let _ = (matrix, n, threads);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asymmetry_is_the_largest_difference_of_mirror_images() {
        let n = 70;
        let mut m: Vec<f64> = (0..n * n).map(|k| ((k / n).min(k % n) * 3 + (k / n).max(k % n)) as f64).collect();
        assert_eq!(largest_asymmetry(&m, n), 0.0);
        m[65 * n + 2] += 0.5;
        m[3 * n + 69] -= 0.75;
        assert_eq!(largest_asymmetry(&m, n), 0.75);
        (m[4], m[4 * n]) = (f64::NAN, f64::NAN);
        (m[5], m[5 * n]) = (f64::INFINITY, f64::INFINITY);
        assert_eq!(largest_asymmetry(&m, n), 0.75);
        m[5] = f64::NEG_INFINITY;
        assert_eq!(largest_asymmetry(&m, n), f64::INFINITY);
        (m[5], m[4]) = (f64::INFINITY, 1.0);
        assert_eq!(largest_asymmetry(&m, n), f64::INFINITY);
    }

    #[cfg(feature = "report")]
    #[test]
    fn eigenvalues_of_known_matrices_are_found_at_any_scale() {
        // The second difference matrix has eigenvalues 2 − 2 cos(kπ/(n + 1)).
        let n = 50;
        for scale in [1.0, 1e300, 1e-300] {
            let value = |i: usize, j: usize| {
                if i == j {
                    2.0
                } else if i.abs_diff(j) == 1 {
                    -1.0
                } else {
                    0.0
                }
            };
            let m: Vec<f64> = (0..n * n).map(|k| value(k / n, k % n) * scale).collect();
            let found = symmetric_eigenvalues(&m, n, 1).unwrap();
            for (k, v) in found.iter().enumerate() {
                let exact = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64).cos();
                assert!((v / scale - exact).abs() < 1e-13, "{k}: {v} {exact}");
            }
        }
        assert_eq!(symmetric_eigenvalues(&[0.0; 9], 3, 2).unwrap(), [0.0; 3]);
    }
}

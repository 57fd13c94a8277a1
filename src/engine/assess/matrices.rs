//! What errors do to matrices and masks.

use super::compare::{CompareOptions, Ends};
use super::sides::Sides;
use crate::array::{DType, DTypeKind, Span};
use crate::engine::ordered::in_order;
use crate::error::Result;
use crate::metric::{Class, Describe, Pairs, Structure, largest_asymmetry, symmetric_eigenvalues};

/// The largest matrix that is held in memory: asymmetry and eigenvalues need all of it.
const MAX_N: u64 = 4096;

/// Matrices of which eigenvalues are computed have n³ up to this in all, but one is always done: eigenvalues of thousands of
/// small matrices would take many times as long as the rest of the report.
const EIGEN_WORK: u64 = 1 << 28;

/// Matrices that are listed by their errors, at most.
const MAX_LISTED: u64 = 1 << 16;

/// Elements read at a time from matrices that are not held whole.
const STRIP: u64 = 1 << 18;

/// What some matrices show.
#[derive(Debug, Default)]
struct Seen {
    row_sum: Option<f64>,
    /// Largest |a_ji − a_ij| of original and restored.
    asymmetry: Option<[f64; 2]>,
    /// Whether a value is missing.
    missing: bool,
    /// The matrices with the largest errors: largest |e| and number, worst first.
    worst: Vec<(f64, u64)>,
}

impl Seen {
    /// Takes more matrices in, and keeps the `most` worst.
    fn merge(&mut self, other: Seen, most: usize) {
        self.row_sum = self.row_sum.into_iter().chain(other.row_sum).reduce(f64::max);
        self.asymmetry = match (self.asymmetry, other.asymmetry) {
            (Some(a), Some(b)) => Some([a[0].max(b[0]), a[1].max(b[1])]),
            (a, b) => a.or(b),
        };
        self.missing |= other.missing;
        self.worst.extend(other.worst);
        // Sorting at every merge would cost more than looking at small matrices.
        if self.worst.len() > 2 * most {
            self.keep(most);
        }
    }

    fn keep(&mut self, most: usize) {
        self.worst.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.worst.truncate(most);
    }
}

/// What the errors do to the structure of the array: of square matrices in the last two axes, or of a mask.
pub(super) fn structure(
    ends: &Ends<'_>,
    options: &CompareOptions<'_>,
    pairs: &Pairs,
    describes: &[Describe; 2],
) -> Result<Option<Structure>> {
    let spec = ends.original.spec();
    if spec.dtype() == DType::Bool {
        return Ok(Some(mask(pairs, describes)));
    }
    let [lead @ .., rows, n] = spec.shape() else { return Ok(None) };
    let n = *n;
    if *rows != n || n < 2 || pairs.pairs() == 0 || spec.dtype().kind() == DTypeKind::Complex {
        return Ok(None);
    }
    let matrices: u64 = lead.iter().product();
    let mut structure = Structure { matrices, n, ..Structure::default() };
    let most = if options.all_eigenvalues { matrices } else { (EIGEN_WORK / n.pow(3)).clamp(1, MAX_LISTED) };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    // Small matrices many at a time: a read and a turn in the queue for each would take longer than the work.
    let batch = (STRIP / (n * n)).max(1);
    // A strip as stored and as f64, and one side of a matrix that is held whole.
    let bytes = STRIP.max(n) * 40 + if n <= MAX_N { n * n * 8 } else { 0 };
    let workers = (options.resources.threads.get() as u64).min(options.resources.memory / bytes.max(1)).max(1);
    let make = |i: u64, sides: &mut Sides<'_>| {
        let (first, last) = (i * batch, ((i + 1) * batch).min(matrices));
        if batch > 1 { look_at_small((first, last), n, sides, most) } else { look(i, n, sides) }
    };
    let mut seen = Seen::default();
    in_order(
        matrices.div_ceil(batch),
        workers,
        options.resources,
        || Sides::new(ends, options.fill),
        make,
        |_, s| {
            seen.merge(s, most);
            Ok(())
        },
    )?;
    seen.keep(most);
    structure.row_sum_shift = seen.row_sum;
    structure.original_asymmetry = seen.asymmetry.map(|a| a[0]);
    structure.restored_asymmetry = seen.asymmetry.map(|a| a[1]);
    let symmetric = structure.original_asymmetry == Some(0.0) && structure.restored_asymmetry == Some(0.0);
    if symmetric && !seen.missing {
        eigenvalues(ends, options, &seen.worst, &mut structure)?;
    }
    Ok(Some(structure))
}

/// True values before and after.
fn mask(pairs: &Pairs, [x, y]: &[Describe; 2]) -> Structure {
    let class = |class| pairs.loss().class(class).count;
    let (before, after) = (x.nonzero(), y.nonzero());
    Structure {
        matrices: 1,
        original_popcount: Some(before),
        restored_popcount: Some(after),
        intersection: Some(before - class(Class::NonzeroToZero)),
        union: Some(before + class(Class::ZeroToNonzero)),
        ..Structure::default()
    }
}

/// Matrices `first` to `last`, read at once.
fn look_at_small((first, last): (u64, u64), n: u64, sides: &mut Sides<'_>, most: usize) -> Result<Seen> {
    sides.read_own(&[Span::new(first * n * n, (last - first) * n * n)])?;
    let (n, mut all) = (n as usize, Seen::default());
    let both = sides.x.chunks_exact(n * n).zip(sides.y.chunks_exact(n * n));
    for ((i, errors), (x, y)) in (first..last).zip(sides.e.chunks_exact(n * n)).zip(both) {
        let (mut row_sum, mut largest) = (0.0f64, 0.0f64);
        for row in errors.chunks_exact(n) {
            let found = row_of(row);
            (row_sum, largest) = (row_sum.max(found.sum), largest.max(found.largest));
            all.missing |= found.missing;
        }
        let asymmetry = [largest_asymmetry(x, n), largest_asymmetry(y, n)];
        let one =
            Seen { row_sum: Some(row_sum), asymmetry: Some(asymmetry), missing: false, worst: vec![(largest, i)] };
        all.merge(one, most);
    }
    all.keep(most);
    Ok(all)
}

fn look(i: u64, n: u64, sides: &mut Sides<'_>) -> Result<Seen> {
    let (mut row_sum, mut largest, mut missing, mut asymmetry) = (0.0f64, 0.0f64, false, None);
    let whole = n * n <= STRIP;
    each_strip(i, n, sides, |_, sides| {
        for errors in sides.e.chunks_exact(n as usize) {
            let found = row_of(errors);
            (row_sum, largest) = (row_sum.max(found.sum), largest.max(found.largest));
            missing |= found.missing;
        }
        if whole {
            asymmetry = Some([largest_asymmetry(&sides.x, n as usize), largest_asymmetry(&sides.y, n as usize)]);
        }
    })?;
    if !whole && n <= MAX_N {
        let of = |which, sides: &mut Sides<'_>| -> Result<f64> {
            Ok(largest_asymmetry(&matrix(i, n, which, sides)?, n as usize))
        };
        asymmetry = Some([of(Which::Original, sides)?, of(Which::Restored, sides)?]);
    }
    Ok(Seen { row_sum: Some(row_sum), asymmetry, missing, worst: vec![(largest, i)] })
}

/// Reads matrix `i` in strips of whole rows and calls `act` with each one's first element within the matrix.
fn each_strip(i: u64, n: u64, sides: &mut Sides<'_>, mut act: impl FnMut(usize, &Sides<'_>)) -> Result<()> {
    let start = i * n * n;
    let step = (STRIP / n).max(1);
    for row in (0..n).step_by(step as usize) {
        let end = (row + step).min(n);
        sides.read_own(&[Span::new(start + row * n, (end - row) * n)])?;
        act((row * n) as usize, sides);
    }
    Ok(())
}

/// What is read of a matrix that is held whole: one side at a time, since the largest take 134 MB.
#[derive(Debug, Clone, Copy)]
enum Which {
    Original,
    Restored,
    Error,
}

/// One side of matrix `i`, whole.
fn matrix(i: u64, n: u64, which: Which, sides: &mut Sides<'_>) -> Result<Vec<f64>> {
    let mut out = vec![0.0; (n * n) as usize];
    each_strip(i, n, sides, |at, sides| {
        let from = match which {
            Which::Original => &sides.x,
            Which::Restored => &sides.y,
            Which::Error => &sides.e,
        };
        out[at..at + from.len()].copy_from_slice(from);
    })?;
    Ok(out)
}

/// The errors of one row.
struct Row {
    /// |Σ e|, compensated (Neumaier 1974); infinite where it is beyond f64.
    sum: f64,
    largest: f64,
    missing: bool,
}

fn row_of(errors: &[f64]) -> Row {
    let (mut sum, mut lost, mut largest, mut missing) = (0.0f64, 0.0, 0.0f64, false);
    for &e in errors {
        if e.is_nan() {
            missing = true;
            continue;
        }
        let next = sum + e;
        lost += if sum.abs() >= e.abs() { (sum - next) + e } else { (e - next) + sum };
        sum = next;
        largest = largest.max(e.abs());
    }
    let sum = (sum + lost).abs();
    Row { sum: if sum.is_nan() { f64::INFINITY } else { sum }, largest, missing }
}

/// Eigenvalue shifts of the matrices `worst`, each with its largest |e|.
fn eigenvalues(
    ends: &Ends<'_>,
    options: &CompareOptions<'_>,
    worst: &[(f64, u64)],
    structure: &mut Structure,
) -> Result<()> {
    let n = structure.n;
    structure.eigen_matrices = worst.len() as u64;
    let (mut shift, mut norm) = (Some(0.0f64), Some(0.0f64));
    let threads = options.resources.threads.get();
    // Small matrices one a thread, large ones one after the other on all threads.
    let (workers, inner) = if worst.len() >= threads { (threads as u64, 1) } else { (1, threads) };
    let make = |k: u64, sides: &mut Sides<'_>| -> Result<Option<(f64, f64)>> {
        let Some((largest, i)) = worst.get(k as usize).copied() else { return Ok(None) };
        if largest == 0.0 {
            return Ok(Some((0.0, 0.0)));
        }
        let mut of = |which| -> Result<Option<Vec<f64>>> {
            Ok(symmetric_eigenvalues(&matrix(i, n, which, sides)?, n as usize, inner))
        };
        let (a, b, e) = (of(Which::Original)?, of(Which::Restored)?, of(Which::Error)?);
        let (Some(a), Some(b), Some(e)) = (a, b, e) else { return Ok(None) };
        let shift = a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        let norm = e.iter().fold(0.0f64, |m, e| m.max(e.abs()));
        Ok(Some((shift, norm)))
    };
    let larger = |a: Option<f64>, b: Option<f64>| Some(a?.max(b?));
    in_order(
        worst.len() as u64,
        workers,
        options.resources,
        || Sides::new(ends, options.fill),
        make,
        |_, found| {
            shift = larger(shift, found.map(|f| f.0));
            norm = larger(norm, found.map(|f| f.1));
            Ok(())
        },
    )?;
    structure.eigenvalue_shift = shift;
    structure.error_norm = norm;
    Ok(())
}

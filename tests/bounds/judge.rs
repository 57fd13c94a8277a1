//! What a bound promises, held against what came back, element by element.

use ndcompact::DType;
use ndcompact::array::DTypeKind;
use ndcompact::coding::Bound;

use super::exact::{Big, Number, square_distance, square_modulus, within, within_relative};

/// What was found.
#[derive(Debug, Default, Clone)]
pub(crate) struct Verdict {
    /// Elements looked at.
    pub(crate) values: u64,
    /// Elements that broke a promise; the mean square of the whole counts as one.
    pub(crate) broken: u64,
    /// Elements that are NaN, infinite or the fill value and did not come back bit for bit: among the broken ones.
    pub(crate) lost: u64,
    /// Elements that are not the same bits as before: what the bound was used for.
    pub(crate) changed: u64,
    /// The first broken one.
    pub(crate) first: Option<String>,
}

struct Limits {
    bitwise: bool,
    max_abs: Option<Number>,
    max_rel: Option<(Number, Number)>,
    mean_square: Option<Number>,
}

impl Limits {
    fn of(bound: &Bound) -> Self {
        let number = |x: f64| Number::of_f64(x).expect("limits are finite");
        let all = [bound.max_abs, bound.max_rel, bound.mean_square];
        Self {
            bitwise: all.iter().flatten().all(|limit| *limit == 0.0),
            max_abs: bound.max_abs.map(number),
            max_rel: bound.max_rel.map(|r| (number(r), number(bound.rel_floor))),
            mean_square: bound.mean_square.map(number),
        }
    }

    fn real(&self, x: Number, y: Number) -> bool {
        self.max_abs.is_none_or(|e| within(x, y, e)) && self.max_rel.is_none_or(|(r, f)| within_relative(x, y, r, f))
    }

    /// The bounds hold for the modulus: |x − y| of complex numbers, and max_rel · max(|x|, floor) with |x| the modulus.
    fn complex(&self, (a, b): (Number, Number), (c, d): (Number, Number)) -> bool {
        let not_above = |limit: &Big| square_distance((a, c), (b, d)).compare(limit).is_le();
        let square = |n: Number| Big::of(n).product(&Big::of(n));
        self.max_abs.is_none_or(|e| not_above(&square(e)))
            && self.max_rel.is_none_or(|(r, f)| {
                let (size, floor) = (square_modulus(a, b), square(f));
                let base = if size.compare(&floor).is_lt() { floor } else { size };
                not_above(&base.product(&square(r)))
            })
    }
}

/// The parts of an element as float64, which holds every narrower float.
fn parts(dtype: DType, bytes: &[u8]) -> [f64; 2] {
    let two = |at: usize| [bytes[at], bytes[at + 1]];
    let four = |at: usize| f64::from(f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    let eight = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    match dtype {
        DType::F16 => [half::f16::from_le_bytes(two(0)).to_f64(), 0.0],
        DType::F32 => [four(0), 0.0],
        DType::F64 => [eight(0), 0.0],
        DType::C64 => [four(0), four(4)],
        DType::C128 => [eight(0), eight(8)],
        other => panic!("{other} is no float"),
    }
}

fn integer(dtype: DType, bytes: &[u8]) -> Number {
    let mut wide = [0u8; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = i128::from_le_bytes(wide);
    let bits = 8 * bytes.len() as u32;
    let negative = dtype.kind() == DTypeKind::Int && unsigned >> (bits - 1) & 1 == 1;
    Number::of_int(if negative { unsigned - (1 << bits) } else { unsigned })
}

/// Whether what is not the same bits as before may stand for it; counts what may not be touched at all.
fn allowed(dtype: DType, x: &[u8], y: &[u8], limits: &Limits, fill: Option<u64>, verdict: &mut Verdict) -> bool {
    let mut word = [0u8; 8];
    if x.len() <= 8 {
        word[..x.len()].copy_from_slice(x);
        if fill == Some(u64::from_le_bytes(word)) {
            verdict.lost += 1;
            return false;
        }
    }
    match dtype.kind() {
        _ if limits.bitwise => false,
        DTypeKind::Bool => y[0] <= 1 && limits.real(integer(dtype, x), integer(dtype, y)),
        DTypeKind::Int | DTypeKind::Uint => limits.real(integer(dtype, x), integer(dtype, y)),
        DTypeKind::Float | DTypeKind::Complex => {
            let (a, b) = (parts(dtype, x), parts(dtype, y));
            let halves = if dtype.kind() == DTypeKind::Complex { 2 } else { 1 };
            let width = dtype.size() / halves;
            let mut finite = Vec::with_capacity(2);
            for i in 0..halves {
                let part = i * width..(i + 1) * width;
                match (Number::of_f64(a[i]), Number::of_f64(b[i])) {
                    (Some(u), Some(v)) => finite.push((u, v)),
                    // What is not finite comes back bit for bit; what is finite stays so.
                    (None, _) if x[part.clone()] == y[part] => {}
                    (before, _) => {
                        verdict.lost += u64::from(before.is_none());
                        return false;
                    }
                }
            }
            match finite.as_slice() {
                [re, im] => limits.complex((re.0, im.0), (re.1, im.1)),
                // One part of a complex number is finite: it stands for itself.
                all => all.iter().all(|(u, v)| limits.real(*u, *v)),
            }
        }
    }
}

/// The sum of squared errors, exactly, over the elements that are finite in both parts, and their number. Fill values count as
/// elements without error.
fn squares(dtype: DType, original: &[u8], decoded: &[u8]) -> (Big, u64) {
    let (mut sum, mut n) = (Big::new(0, 0), 0);
    let zero = Number::of_int(0);
    for (x, y) in original.chunks_exact(dtype.size()).zip(decoded.chunks_exact(dtype.size())) {
        let (a, b) = match dtype.kind() {
            DTypeKind::Float | DTypeKind::Complex => {
                let (a, b) = (parts(dtype, x), parts(dtype, y));
                let all = (Number::of_f64(a[0]), Number::of_f64(a[1]), Number::of_f64(b[0]), Number::of_f64(b[1]));
                let (Some(p), Some(q), Some(r), Some(s)) = all else { continue };
                ((p, r), (q, s))
            }
            _ => ((integer(dtype, x), integer(dtype, y)), (zero, zero)),
        };
        n += 1;
        if x != y {
            sum = sum.sum(&square_distance(a, b));
        }
    }
    (sum, n)
}

/// Holds `decoded` against `original` (both little-endian). Elements whose bits are `fill` must come back as they were.
pub(crate) fn judge(dtype: DType, original: &[u8], decoded: &[u8], bound: &Bound, fill: Option<u64>) -> Verdict {
    let limits = Limits::of(bound);
    let size = dtype.size();
    let mut verdict = Verdict { values: (original.len() / size) as u64, ..Verdict::default() };
    if original.len() != decoded.len() {
        verdict.broken = verdict.values;
        verdict.first = Some(format!("{} bytes came back, not {}", decoded.len(), original.len()));
        return verdict;
    }
    if original == decoded {
        return verdict;
    }
    for (i, (x, y)) in original.chunks_exact(size).zip(decoded.chunks_exact(size)).enumerate() {
        if x == y {
            continue;
        }
        verdict.changed += 1;
        if !allowed(dtype, x, y, &limits, fill, &mut verdict) {
            verdict.broken += 1;
            verdict.first.get_or_insert_with(|| format!("element {i}: {}", show(dtype, x, y)));
        }
    }
    if let Some(most) = limits.mean_square.filter(|_| !limits.bitwise) {
        let (sum, n) = squares(dtype, original, decoded);
        if sum.compare(&Big::of(most).product(&Big::new(u128::from(n), 0))).is_gt() {
            verdict.broken += 1;
            verdict.first.get_or_insert_with(|| "the mean square".to_owned());
        }
    }
    verdict
}

fn show(dtype: DType, x: &[u8], y: &[u8]) -> String {
    match dtype.kind() {
        DTypeKind::Float | DTypeKind::Complex => {
            format!("{:?} became {:?} (bytes {x:02x?}, {y:02x?})", parts(dtype, x), parts(dtype, y))
        }
        _ => format!("{:?} became {:?}", integer(dtype, x), integer(dtype, y)),
    }
}

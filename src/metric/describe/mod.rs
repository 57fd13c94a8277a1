//! One array by itself: range, moments, special values, distinct values, entropy, precision in use.

mod distinct;
mod precision;
mod spread;

use pulp::{Simd, WithSimd};

pub use self::spread::Spread;

use self::distinct::Distinct;
use self::precision::PrecisionSeen;
use super::comparison::{Description, Estimate};
use super::exact_sum::ExactSum;
use super::figure::Number;
use super::float::padded;
use super::fold::{CHUNK, Folds, add_sum};
use super::pair::{blank, widen};
use crate::array::simd::{vectorize, with_vectors};
use crate::array::{Buf, DType, Span, with_integer};
use crate::error::Result;

/// Arrays up to this size are kept whole, to be sorted.
pub(super) const SAMPLE: u64 = 1 << 21;

/// Of larger ones at most so many evenly spaced values: sorting more would take longer than all else.
const SPACED: u64 = 1 << 19;

/// What an accumulator of one array looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeOptions {
    /// The fill value's bits, in the low bits.
    pub fill: Option<u64>,
    /// Also count distinct values, entropy and precision in use, and keep a sample: three times the work.
    pub deep: bool,
}

/// One array by itself, added up block by block. Counts, exact sums, extremes and a sample by position: the result is the
/// same for any blocks, threads and order of merging.
#[derive(Debug, Clone)]
pub struct Describe {
    dtype: DType,
    total: u64,
    options: DescribeOptions,
    count: u64,
    finite: u64,
    min: f64,
    max: f64,
    /// Smallest and largest of 64-bit integers, which f64 would round.
    wide: Option<(i128, i128)>,
    smallest: f64,
    zeros: u64,
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
    fill: u64,
    sum: ExactSum,
    folds: Folds,
    distinct: Distinct,
    precision: PrecisionSeen,
    /// Counts of each value, for dtypes of one or two bytes.
    values: Vec<u64>,
    stride: u64,
    /// Keys of the sampled values, in no order.
    sample: Vec<u64>,
}

impl Describe {
    /// Of an array of `dtype` that will have `total` elements.
    pub fn new(dtype: DType, total: u64, options: DescribeOptions) -> Self {
        let counted = options.deep && dtype.size() <= 2;
        Self {
            dtype,
            total,
            options,
            count: 0,
            finite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            wide: None,
            smallest: f64::INFINITY,
            zeros: 0,
            nan: 0,
            pos_inf: 0,
            neg_inf: 0,
            fill: 0,
            sum: ExactSum::new(),
            folds: Folds::default(),
            distinct: Distinct::default(),
            precision: PrecisionSeen::new(dtype),
            values: if counted { vec![0; 1 << (8 * dtype.size())] } else { Vec::new() },
            stride: if total <= SAMPLE { 1 } else { total.div_ceil(SPACED) },
            sample: Vec::new(),
        }
    }

    /// Adds the elements of `buf`, which stand at the positions `at`.
    pub fn add(&mut self, at: &[Span], buf: &Buf) -> Result<()> {
        let mut chunk = [0.0; CHUNK];
        let mut from = 0;
        while from < buf.len() {
            let n = CHUNK.min(buf.len() - from);
            let values = &mut chunk[..padded(n)];
            values[n..].fill(f64::NAN);
            widen(buf, from, &mut values[..n]);
            let fills = self.options.fill.map_or(0, |fill| blank(buf, fill, from, &mut values[..n]));
            if self.options.deep && self.values.is_empty() && !matches!(self.dtype, DType::I64 | DType::U64) {
                self.distinct.add_values(&values[..n]);
            }
            self.chunk(values, n, fills);
            if matches!(self.dtype, DType::I64 | DType::U64) {
                self.widest(buf, from, n);
            }
            if self.options.deep {
                self.keys(buf, from, n);
            }
            from += n;
        }
        if self.options.deep && self.values.is_empty() {
            self.take_sample(at, buf);
        }
        Ok(())
    }

    /// `values`: `n` of them, filled up with NaN; fill values are NaN too.
    fn chunk(&mut self, values: &mut [f64], n: usize, fills: u64) {
        self.count += n as u64;
        let seen = with_vectors(Extremes { values });
        self.min = self.min.min(seen.min);
        self.max = self.max.max(seen.max);
        self.smallest = self.smallest.min(seen.smallest);
        let mut largest = seen.min.abs().max(seen.max.abs());
        if seen.finite < n as u64 {
            let count = |test: fn(f64) -> bool| values[..n].iter().filter(|v| test(**v)).count() as u64;
            self.nan += count(f64::is_nan) - fills;
            self.pos_inf += count(|v| v == f64::INFINITY);
            self.neg_inf += count(|v| v == f64::NEG_INFINITY);
            self.fill += fills;
        }
        if seen.finite == 0 {
            largest = 0.0;
        }
        if seen.finite < values.len() as u64 {
            values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
        }
        self.finite += seen.finite;
        let zeros = vectorize(
            #[inline(always)]
            || values.iter().fold(0u64, |n, v| n + u64::from(v.to_bits() << 1 == 0)),
        );
        self.zeros += zeros - (values.len() as u64 - seen.finite);
        add_sum(values, largest, &mut self.folds, &mut self.sum);
        if self.options.deep {
            self.precision.add(values);
        }
    }

    fn widest(&mut self, buf: &Buf, from: usize, n: usize) {
        let fill = self.options.fill;
        let words = &buf.slice::<u64>()[from..from + n];
        let value = |w: u64| if self.dtype == DType::I64 { i128::from(w as i64) } else { i128::from(w) };
        for value in words.iter().filter(|w| Some(**w) != fill).map(|w| value(*w)) {
            let (min, max) = self.wide.unwrap_or((value, value));
            self.wide = Some((min.min(value), max.max(value)));
        }
    }

    fn keys(&mut self, buf: &Buf, from: usize, n: usize) {
        if !self.values.is_empty() {
            let fill = self.options.fill;
            match self.dtype.size() {
                1 => buf.slice::<u8>()[from..from + n].iter().for_each(|w| self.values[usize::from(*w)] += 1),
                _ => buf.slice::<u16>()[from..from + n].iter().for_each(|w| self.values[usize::from(*w)] += 1),
            }
            if let Some(place) = fill.and_then(|f| self.values.get_mut(f as usize)) {
                *place = 0;
            }
            return;
        }
        if matches!(self.dtype, DType::I64 | DType::U64) {
            // As f64 some of them would be one value.
            let fill = self.options.fill;
            let words = &buf.slice::<u64>()[from..from + n];
            words.iter().filter(|w| Some(**w) != fill).for_each(|w| self.distinct.add(*w));
        }
    }

    /// A number that orders as the value does; `None` for what is not finite, and for fill values. Both zeros are one value.
    #[inline(always)]
    fn key(&self, buf: &Buf, i: usize) -> Option<u64> {
        let fill = self.options.fill;
        match self.dtype {
            DType::F64 => float_key(buf.slice::<f64>()[i], fill == Some(buf.slice::<u64>()[i])),
            DType::F32 => float_key(buf.slice::<f32>()[i].into(), fill == Some(buf.slice::<u32>()[i].into())),
            DType::C64 | DType::C128 => {
                let mut modulus = [0.0];
                widen(buf, i, &mut modulus);
                float_key(modulus[0], false)
            }
            dtype => with_integer!(dtype, T => {
                let value = i128::from(buf.slice::<T>()[i]);
                let bits = value as u64 & (u64::MAX >> (64 - T::BITS));
                (Some(bits) != fill).then_some((value + (1 << 63)) as u64)
            }, else None),
        }
    }

    fn take_sample(&mut self, at: &[Span], buf: &Buf) {
        let mut base = 0;
        for span in at {
            let mut position = span.start.next_multiple_of(self.stride);
            while position < span.end() {
                let i = base + (position - span.start) as usize;
                if i < buf.len()
                    && let Some(key) = self.key(buf, i)
                {
                    self.sample.push(key);
                }
                position += self.stride;
            }
            base += span.len as usize;
        }
    }

    /// Adds what another accumulator gathered from other elements of the same array.
    pub fn merge(&mut self, other: Describe) {
        self.count += other.count;
        self.finite += other.finite;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.smallest = self.smallest.min(other.smallest);
        self.wide = match (self.wide, other.wide) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.zeros += other.zeros;
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
        self.fill += other.fill;
        self.sum.merge(&other.sum);
        self.distinct.merge(&other.distinct);
        self.precision.merge(&other.precision);
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
        self.sample.extend_from_slice(&other.sample);
    }

    /// Finite values, fill values left out.
    pub fn finite(&self) -> u64 {
        self.finite
    }

    /// Finite values that are not zero: the true ones of a mask.
    pub fn nonzero(&self) -> u64 {
        self.finite - self.zeros
    }

    /// The smallest and the largest finite value; NaN without any.
    pub fn range(&self) -> (f64, f64) {
        if self.finite == 0 { (f64::NAN, f64::NAN) } else { (self.min, self.max) }
    }

    /// Half of the largest finite value less the smallest, which cannot overflow; NaN without any.
    pub fn half_range(&self) -> f64 {
        match self.wide {
            Some((min, max)) => (max - min) as f64 / 2.0,
            // Exact but for the smallest floats: they are halved only where the difference would overflow.
            None if (self.range().1 - self.range().0).is_finite() => (self.range().1 - self.range().0) / 2.0,
            None => self.range().1 / 2.0 - self.range().0 / 2.0,
        }
    }

    /// Whether values are integers that f64 rounds.
    pub fn is_rounded(&self) -> bool {
        const EXACT: i128 = 1 << 53;
        self.wide.is_some_and(|(min, max)| min < -EXACT || max > EXACT)
    }

    /// The mean of the finite values; NaN without any.
    pub fn mean(&self) -> f64 {
        if self.finite == 0 { f64::NAN } else { self.sum.mean(self.finite) }
    }

    /// Counts of each key, where there are few possible values: keys ascend.
    fn counted(&self) -> Option<Vec<(u64, u64)>> {
        if self.values.is_empty() {
            return None;
        }
        let mut found = Vec::new();
        for (bits, n) in self.values.iter().enumerate().filter(|(_, n)| **n > 0) {
            let mut word = Buf::new();
            word.reset(self.dtype, 1).ok()?;
            word.bytes_mut().copy_from_slice(&(bits as u16).to_ne_bytes()[..self.dtype.size()]);
            let key = match self.dtype {
                DType::F16 => float_key(word.slice::<half::f16>()[0].into(), false),
                _ => self.key(&word, 0),
            };
            found.extend(key.map(|key| (key, *n)));
        }
        found.sort_unstable();
        Some(found)
    }

    /// The largest difference of the cumulative distributions of two arrays' finite values (Kolmogorov, Smirnov), where all
    /// values were kept or counted; `None` for large arrays, NaN without a finite value on either side.
    pub fn distance(&mut self, other: &mut Describe) -> Option<f64> {
        let (a, b) = (self.steps()?, other.steps()?);
        let total = |steps: &[(u64, u64)]| steps.iter().map(|(_, n)| u128::from(*n)).sum::<u128>();
        let (all_a, all_b) = (total(&a), total(&b));
        if all_a == 0 || all_b == 0 {
            return Some(f64::NAN);
        }
        // Over a common denominator all is exact.
        let (mut i, mut j, mut up_a, mut up_b, mut most) = (0, 0, 0u128, 0u128, 0u128);
        while let (Some(next_a), Some(next_b)) = (a.get(i), b.get(j)) {
            let key = next_a.0.min(next_b.0);
            while let Some((_, n)) = a.get(i).filter(|(k, _)| *k == key) {
                (up_a, i) = (up_a + u128::from(*n), i + 1);
            }
            while let Some((_, n)) = b.get(j).filter(|(k, _)| *k == key) {
                (up_b, j) = (up_b + u128::from(*n), j + 1);
            }
            most = most.max((up_a * all_b).abs_diff(up_b * all_a));
        }
        Some(most as f64 / (all_a * all_b) as f64)
    }

    /// How many values each key has, keys ascending, where all were kept or counted.
    fn steps(&mut self) -> Option<Vec<(u64, u64)>> {
        if let Some(counted) = self.counted() {
            return Some(counted);
        }
        if !self.options.deep || self.stride > 1 {
            return None;
        }
        self.sample.sort_unstable();
        Some(self.sample.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect())
    }

    /// What was found. `std` is found elsewhere, in a second pass.
    pub fn finish(&mut self, std: f64) -> Description {
        let (min, max) = self.range();
        let (distinct, entropy) = self.symbols();
        Description {
            count: self.count,
            finite: self.finite,
            min: Number(min),
            max: Number(max),
            mean: Number(self.mean()),
            std: Number(std),
            smallest_nonzero: Number(if self.smallest.is_finite() { self.smallest } else { f64::NAN }),
            zeros: self.zeros,
            nan: self.nan,
            pos_inf: self.pos_inf,
            neg_inf: self.neg_inf,
            fill: self.fill,
            distinct,
            entropy,
            precision: self.precision.finish().filter(|_| self.options.deep),
        }
    }

    fn symbols(&mut self) -> (Option<Estimate>, Option<Estimate>) {
        if !self.options.deep {
            return (None, None);
        }
        let exact = |value| Some(Estimate { value, exact: true, method: "" });
        if let Some(counts) = self.counted() {
            let mut merged: Vec<(u64, u64)> = Vec::with_capacity(counts.len());
            for (key, n) in counts {
                match merged.last_mut() {
                    Some((last, m)) if *last == key => *m += n,
                    _ => merged.push((key, n)),
                }
            }
            return (exact(merged.len() as f64), exact(entropy(merged.iter().map(|(_, n)| *n))));
        }
        let all = self.stride == 1;
        self.sample.sort_unstable();
        let runs: Vec<u64> = self.sample.chunk_by(|a, b| a == b).map(|run| run.len() as u64).collect();
        let bits = entropy(runs.iter().copied());
        if all {
            return (exact(runs.len() as f64), exact(bits));
        }
        let distinct = Estimate {
            value: self.distinct.estimate().round().min(self.finite as f64),
            exact: false,
            method: "HyperLogLog, within 3.3 % (four standard errors)",
        };
        // A sample shows fewer values than there are: Miller and Madow (1955) add what that hides on average.
        let hidden = (runs.len().max(1) - 1) as f64 / (2.0 * self.sample.len().max(1) as f64 * std::f64::consts::LN_2);
        let entropy = Estimate {
            value: bits + hidden,
            exact: false,
            method: "of evenly spaced values, corrected for those they miss: within about 3 % where values repeat, too small where most do not",
        };
        (Some(distinct), Some(entropy))
    }

    /// Elements the array will have.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// −Σ p log2 p over the shares of `counts`.
fn entropy(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let total = counts.clone().sum::<u64>() as f64;
    let mut sum = ExactSum::new();
    counts.map(|n| n as f64 / total).for_each(|p| sum.add(-p * p.log2()));
    sum.to_f64().max(0.0)
}

/// Bits of a float in an order that is the values'.
#[inline(always)]
fn float_key(value: f64, fill: bool) -> Option<u64> {
    if fill || !value.is_finite() {
        return None;
    }
    let bits = (value + 0.0).to_bits();
    Some(if bits >> 63 == 0 { bits | 1 << 63 } else { !bits })
}

/// To float16, by way of float32: right for values that are decimals of few digits, and only compared.
fn to_half(value: f64) -> half::f16 {
    half::f16::from_f32(value as f32)
}

/// Smallest, largest and smallest nonzero magnitude of the finite values of a chunk, and how many there are.
struct Extremes<'a> {
    values: &'a [f64],
}

struct Seen {
    min: f64,
    max: f64,
    smallest: f64,
    finite: u64,
}

impl WithSimd for Extremes<'_> {
    type Output = Seen;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Seen {
        let (inf, zero) = (simd.splat_f64s(f64::INFINITY), simd.splat_f64s(0.0));
        let minus = simd.splat_f64s(f64::NEG_INFINITY);
        let (none, one) = (simd.splat_u64s(0), simd.splat_u64s(1));
        let (mut min, mut max, mut smallest, mut finite) = ([inf; 2], [minus; 2], [inf; 2], [none; 2]);
        let (vectors, _) = S::as_simd_f64s(self.values);
        let (pairs, _) = vectors.as_chunks::<2>();
        for pair in pairs {
            for v in 0..2 {
                let size = simd.abs_f64s(pair[v]);
                let is_finite = simd.less_than_f64s(size, inf);
                min[v] = simd.min_f64s(simd.select_f64s(is_finite, pair[v], inf), min[v]);
                max[v] = simd.max_f64s(simd.select_f64s(is_finite, pair[v], minus), max[v]);
                let nonzero = simd.and_m64s(is_finite, simd.greater_than_f64s(size, zero));
                smallest[v] = simd.min_f64s(simd.select_f64s(nonzero, size, inf), smallest[v]);
                finite[v] = simd.add_u64s(finite[v], simd.select_u64s(is_finite, one, none));
            }
        }
        let fold = |v: &[S::f64s; 2], from: f64, with: fn(f64, f64) -> f64| -> f64 {
            bytemuck::cast_slice::<_, f64>(v).iter().copied().fold(from, with)
        };
        Seen {
            min: fold(&min, f64::INFINITY, f64::min),
            max: fold(&max, f64::NEG_INFINITY, f64::max),
            smallest: fold(&smallest, f64::INFINITY, f64::min),
            finite: bytemuck::cast_slice::<_, u64>(&finite).iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(buf: &Buf, fill: Option<u64>) -> Describe {
        let mut all = Describe::new(buf.dtype(), buf.len() as u64, DescribeOptions { fill, deep: true });
        all.add(&[Span::new(0, buf.len() as u64)], buf).unwrap();
        all
    }

    #[test]
    fn special_values_are_counted_and_enter_no_statistic() {
        let fill = Some((-9999.0f64).to_bits());
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -9999.0, 0.0, -0.0, 2.0, 2.0, -0.5];
        let d = of(&Buf::from_slice(&values).unwrap(), fill).finish(f64::NAN);
        assert_eq!((d.count, d.finite, d.nan, d.pos_inf, d.neg_inf, d.fill, d.zeros), (9, 5, 1, 1, 1, 1, 2));
        assert_eq!((d.min.0, d.max.0, d.mean.0, d.smallest_nonzero.0), (-0.5, 2.0, 0.7, 0.5));
        assert_eq!(d.distinct.map(|e| (e.value, e.exact)), Some((3.0, true)));
        let bits = d.entropy.unwrap().value;
        assert!((bits - 1.521_928_094_887_362_2).abs() < 1e-14, "{bits}");
    }

    #[test]
    fn integers_and_small_dtypes_are_counted_exactly() {
        let d = of(&Buf::from_slice(&[u64::MAX, u64::MAX - 1, 0]).unwrap(), None).finish(f64::NAN);
        assert_eq!((d.distinct.unwrap().value, d.zeros, d.precision), (3.0, 1, None));
        let d = of(&Buf::from_slice(&[-1i8, 3, 3, 127]).unwrap(), Some(0xff)).finish(f64::NAN);
        assert_eq!((d.distinct.unwrap().value, d.fill, d.finite, d.min.0), (2.0, 1, 3, 3.0));
        let halves = [half::f16::NAN, half::f16::NEG_ZERO, half::f16::ZERO, half::f16::ONE];
        let d = of(&Buf::from_slice(&halves).unwrap(), None).finish(f64::NAN);
        assert_eq!((d.distinct.unwrap().value, d.nan), (2.0, 1));
    }

    #[test]
    fn distributions_are_compared_by_value() {
        // scipy.stats.ks_2samp([1, 2, 3, 4], [1, 2, 2.5, 5, 6]).statistic
        let mut a = of(&Buf::from_slice(&[3.0, 1.0, 4.0, 2.0]).unwrap(), None);
        let mut b = of(&Buf::from_slice(&[6.0, 2.5, 1.0, 2.0, 5.0]).unwrap(), None);
        assert!((a.distance(&mut b).unwrap() - 0.4).abs() < 1e-15);
        assert_eq!(a.distance(&mut of(&Buf::from_slice(&[f64::NAN]).unwrap(), None)).map(f64::is_nan), Some(true));
    }
}

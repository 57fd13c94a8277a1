//! The accumulator of what a run lost.

use super::class::{CLASSES, Class, ClassCount};
use super::exact_sum::ExactSum;
use super::places::Places;
use super::record::LossRecord;
use super::{complex, float, integer};
use crate::array::{Buf, DType, Scalar, Span, total, with_integer};
use crate::error::{Result, refuse};

/// The pair with the largest absolute error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worst {
    /// The largest absolute error (of complex numbers: modulus of the difference); at most `f64::MAX`.
    pub abs: f64,
    /// The same exactly, for integers; 0 for other dtypes.
    pub exact: u64,
    /// Flat position of the first pair that has it.
    pub at: u64,
    /// The original value there.
    pub original: Scalar,
    /// The restored value there.
    pub restored: Scalar,
}

/// What was lost between originals and restored values, added up block by block.
///
/// *Guarantee:* the figures are the same for any blocks, threads and merge order, bit for bit: counts are integers,
/// ties of the maximum go to the lowest position, and Σe, Σe² over e = original − restored (one rounding each to f64)
/// are exact until they are rounded once. `rmse = √(Σe²/n)` and `mean_error = Σe/n` over the n pairs of finite values,
/// to 1 unit in the last place. NaN and Inf never reset, hide or enter a maximum or a sum; they are counted by
/// [`Class`]. Without any element every count and every error is 0.
///
/// `bool` is compared as 0 and 1. Complex errors are moduli; their class changes are counted by parts.
///
/// ```
/// use ndcompact::array::{Buf, Span};
/// use ndcompact::metric::Loss;
/// let original = Buf::from_slice(&[1.0, 2.0, f64::NAN])?;
/// let restored = Buf::from_slice(&[1.0, 2.5, f64::NAN])?;
/// let mut loss = Loss::new();
/// loss.add(&[Span::new(0, 3)], &original, &restored)?;
/// assert_eq!((loss.count(), loss.changed(), loss.max_abs()), (3, 1, 0.5));
/// assert_eq!(loss.worst().map(|w| w.at), Some(1));
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loss {
    pub(super) count: u64,
    pub(super) finite: u64,
    pub(super) changed: u64,
    pub(super) nan_payload: u64,
    pub(super) worst: Option<Worst>,
    pub(super) bias: ExactSum,
    /// Only for complex numbers, which are rare and would cost every loss half a kilobyte.
    pub(super) bias_imag: Option<Box<ExactSum>>,
    pub(super) squares: ExactSum,
    pub(super) classes: [ClassCount; CLASSES],
}

impl Loss {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares `original` with `restored`, whose elements stand at the positions `at`, several spans laid end to end.
    ///
    /// Refused if dtypes or numbers of elements differ.
    pub fn add(&mut self, at: &[Span], original: &Buf, restored: &Buf) -> Result<()> {
        let (x, y) = (original, restored);
        if x.dtype() != y.dtype() || x.len() != y.len() {
            return refuse!(
                Usage,
                "cannot compare {} {} elements with {} {} elements; restore to the original's dtype and length first",
                x.len(),
                x.dtype(),
                y.len(),
                y.dtype()
            );
        }
        if total(at) != x.len() as u64 {
            return refuse!(
                Usage,
                "positions of {} elements given for a block of {}; give one each",
                total(at),
                x.len()
            );
        }
        let at = Places::new(at, x.len());
        match x.dtype() {
            DType::F16 => float::compare::<u16>(self, at, x.slice(), y.slice()),
            DType::F32 => float::compare::<u32>(self, at, x.slice(), y.slice()),
            DType::F64 => float::compare::<u64>(self, at, x.slice(), y.slice()),
            DType::C64 => complex::compare::<u32>(self, at, x.slice(), y.slice()),
            DType::C128 => complex::compare::<u64>(self, at, x.slice(), y.slice()),
            dtype => with_integer!(dtype, T => integer::compare::<T>(self, dtype, at, x.slice(), y.slice()), else ()),
        }
        Ok(())
    }

    /// Adds what another accumulator gathered from other elements.
    pub fn merge(&mut self, other: &Loss) {
        self.count += other.count;
        self.finite += other.finite;
        self.changed += other.changed;
        self.nan_payload += other.nan_payload;
        if let Some(worst) = other.worst {
            self.offer(worst);
        }
        self.bias.merge(&other.bias);
        if let Some(bias) = &other.bias_imag {
            self.bias_imag.get_or_insert_default().merge(bias);
        }
        self.squares.merge(&other.squares);
        for (a, b) in self.classes.iter_mut().zip(other.classes) {
            a.merge(b);
        }
    }

    /// The loss of an array in which every element of `self` stands twice except those of `once`, which stand once:
    /// symmetric matrices measured on their triangle, `once` being the diagonal. Maxima and first positions stay.
    #[must_use]
    pub fn doubled_except(&self, once: &Loss) -> Loss {
        let twice = |all: u64, once: u64| all.saturating_add(all.saturating_sub(once));
        let sum = |all: &ExactSum, once: &ExactSum| {
            let mut out = all.clone();
            out.merge(all);
            out.subtract(once);
            out
        };
        let zero = Box::default();
        let mut out = self.clone();
        out.count = twice(self.count, once.count);
        out.finite = twice(self.finite, once.finite);
        out.changed = twice(self.changed, once.changed);
        out.nan_payload = twice(self.nan_payload, once.nan_payload);
        out.bias = sum(&self.bias, &once.bias);
        out.bias_imag = self.bias_imag.as_ref().map(|all| Box::new(sum(all, once.bias_imag.as_ref().unwrap_or(&zero))));
        out.squares = sum(&self.squares, &once.squares);
        for (out, once) in out.classes.iter_mut().zip(once.classes) {
            out.count = twice(out.count, once.count);
        }
        out
    }

    /// Counts `n` more elements, finite ones, that came back as they were.
    pub fn add_exact(&mut self, n: u64) {
        self.count += n;
        self.finite += n;
    }

    /// Counts pairs that hold a declared fill value: `both` on both sides, `lost` ones that became another value, `made` ones
    /// that another value became. `present`: they were compared already, as NaN with NaN.
    pub(super) fn add_fills(&mut self, both: u64, lost: ClassCount, made: ClassCount, present: bool) {
        if !present {
            self.count += both + lost.count + made.count;
        }
        self.changed += lost.count + made.count;
        self.add_class(Class::FillToOther, lost);
        self.add_class(Class::OtherToFill, made);
    }

    /// Elements compared.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Pairs of finite values (for complex numbers: all four parts finite), over which errors are taken.
    pub fn count_finite(&self) -> u64 {
        self.finite
    }

    /// Elements whose bits differ; NaN against another NaN is no change.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Elements that differ only in the bits of a NaN.
    pub fn nan_payload(&self) -> u64 {
        self.nan_payload
    }

    /// Whether every value came back: no value changed (a NaN's bits may have).
    pub fn is_lossless(&self) -> bool {
        self.changed == 0
    }

    /// The first pair with the largest absolute error; `None` if no finite pair differs in value.
    pub fn worst(&self) -> Option<&Worst> {
        self.worst.as_ref()
    }

    /// The largest absolute error.
    pub fn max_abs(&self) -> f64 {
        self.worst.map_or(0.0, |w| w.abs)
    }

    /// √(Σ|e|²/n) over the n pairs of finite values.
    pub fn rmse(&self) -> f64 {
        self.squares.root_mean(self.finite)
    }

    /// Σe/n over the n pairs of finite values, e = original − restored; of complex numbers the real part.
    pub fn mean_error(&self) -> f64 {
        self.bias.mean(self.finite)
    }

    /// The imaginary part of the mean error of complex numbers.
    pub fn mean_error_imag(&self) -> Option<f64> {
        self.bias_imag.as_ref().map(|b| b.mean(self.finite))
    }

    /// How often a class change happened, and where first.
    pub fn class(&self, class: Class) -> ClassCount {
        self.classes.get(class as usize).copied().unwrap_or_default()
    }

    /// Every class that occurred, in the order of [`Class::ALL`].
    pub fn classes(&self) -> impl Iterator<Item = (Class, ClassCount)> + '_ {
        Class::ALL.iter().map(|c| (*c, self.class(*c))).filter(|(_, n)| n.count > 0)
    }

    /// The written form, with positions as indices into an array of `shape`.
    pub fn to_record(&self, shape: &[u64]) -> LossRecord {
        LossRecord::new(self, shape)
    }

    /// Adds to a class.
    pub(super) fn add_class(&mut self, class: Class, add: ClassCount) {
        if let Some(count) = self.classes.get_mut(class as usize) {
            count.merge(add);
        }
    }

    /// Whether an error of `max` at `lowest` or later can become the worst.
    #[inline(always)]
    pub(super) fn may_be_worst(&self, max: f64, lowest: impl FnOnce() -> u64) -> bool {
        max > 0.0 && self.worst.is_none_or(|w| max > w.abs || (max == w.abs && lowest() < w.at))
    }

    /// Takes `candidate` if it is worse than the worst, or as bad and earlier.
    pub(super) fn offer(&mut self, candidate: Worst) {
        let better = |w: Worst| {
            let (a, b) = ((candidate.abs, candidate.exact), (w.abs, w.exact));
            a > b || (a == b && candidate.at < w.at)
        };
        if self.worst.is_none_or(better) {
            self.worst = Some(candidate);
        }
    }

    /// [`Loss::offer`] for floats.
    pub(super) fn offer_real(&mut self, abs: f64, at: u64, x: f64, y: f64) {
        self.offer(Worst { abs, exact: 0, at, original: Scalar::Float(x), restored: Scalar::Float(y) });
    }
}

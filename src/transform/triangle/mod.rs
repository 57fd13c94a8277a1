//! Symmetric matrices to their triangle: nearly half of every correlation, distance or covariance matrix goes.

mod band;
mod diagonal;
mod difference;
mod image;
mod kernels;
mod layout;
mod part;
mod refusal;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};

use self::image::{Word, with_image};
use self::layout::{Layout, Side, parts};
use self::refusal::Judge;
use super::{Asked, Copies, Fact, FactNeeded, Fidelity, Io, Refusal, Refused, Step, Transform, Unit, unfit};
use crate::array::{Buf, DTypeKind, Span, Spec};
use crate::error::{Result, refuse};

pub use self::diagonal::ElementBits;
pub use self::image::Word as TriangleWord;
pub use self::kernels::{is_symmetric, pack_upper, unpack_upper};

/// Which elements are kept, and what stands across the diagonal from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriangleKind {
    /// Symmetric; rows from the diagonal on, the order of `np.triu_indices(n)`.
    #[default]
    Upper,
    /// Symmetric; rows up to the diagonal, the order of `np.tril_indices(n)`.
    Lower,
    /// Symmetric with a constant diagonal, kept once; rows after the diagonal, the order of `np.triu_indices(n, 1)`.
    Strict,
    /// Skew-symmetric (`a[j, i] = -a[i, j]`, zero diagonal); laid out as [`TriangleKind::Strict`].
    Skew,
    /// Complex, `a[j, i] = conj(a[i, j])`; laid out as [`TriangleKind::Upper`].
    Hermitian,
}

impl TriangleKind {
    fn name(self) -> &'static str {
        match self {
            TriangleKind::Upper => "upper",
            TriangleKind::Lower => "lower",
            TriangleKind::Strict => "strict",
            TriangleKind::Skew => "skew",
            TriangleKind::Hermitian => "hermitian",
        }
    }

    fn side(self) -> Side {
        match self {
            TriangleKind::Upper | TriangleKind::Hermitian => Side::Upper,
            TriangleKind::Strict | TriangleKind::Skew => Side::Strict,
            TriangleKind::Lower => Side::Lower,
        }
    }

    /// Whether the diagonal is constant and kept in the step.
    fn keeps_diagonal_once(self) -> bool {
        self.side() == Side::Strict
    }
}

/// Recorded: the last two axes, n x n, become one of n (n + 1) / 2 elements (n (n − 1) / 2 without the diagonal).
///
/// Guarantee: without a tolerance the same bits come back, and any bit of difference from the mirror image is refused.
/// With a tolerance T, `|restored - original| <= T` (complex: the modulus), kept elements come back exactly, and NaN
/// against a number is refused.
///
/// A refused pair is reported at the flat input position of the dropped element (below the diagonal; above it for
/// [`TriangleKind::Lower`]), with the kept value first and the dropped one second, ranked by how far the dropped one lies
/// from the image of the kept one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triangle {
    /// Which elements are kept.
    pub kind: TriangleKind,
    /// The largest difference from the mirror image that is given up, in the unit of the values.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "non_negative")]
    pub tolerance: Option<f64>,
    /// The bits of the constant diagonal, for the kinds that keep it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagonal: Option<ElementBits>,
}

/// Asked: `{"step": "triangle", "kind": "upper", "tolerance": null}`, both optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TriangleAsk {
    /// Which elements are kept.
    pub kind: TriangleKind,
    /// The largest difference from the mirror image that is accepted; without it every bit counts.
    #[serde(deserialize_with = "non_negative")]
    pub tolerance: Option<f64>,
}

/// A tolerance is a finite number of at least 0.
fn is_tolerance(tolerance: f64) -> bool {
    tolerance.is_finite() && tolerance >= 0.0
}

fn non_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(t) if !is_tolerance(t) => {
            Err(serde::de::Error::custom(format!("tolerance {t} is not a number of at least 0")))
        }
        other => Ok(other),
    }
}

impl Triangle {
    /// The layout of the matrices of `input`, which [`Transform::output`] has accepted.
    fn layout(&self, input: &Spec) -> Layout {
        Layout { n: input.last_axis(), side: self.kind.side() }
    }

    fn judge<W: Word>(&self, input: &Spec) -> Judge<W> {
        Judge { dtype: input.dtype(), tolerance: self.tolerance, diagonal: self.constant(input) }
    }

    fn constant<W: Word>(&self, input: &Spec) -> Option<W> {
        self.diagonal.map(|bits| bits.word(input.dtype()))
    }

    /// What `output` checks of the request alone.
    fn check(kind: TriangleKind, tolerance: Option<f64>, input: &Spec) -> Result<Layout> {
        let (shape, dtype) = (input.shape(), input.dtype());
        if let Some(t) = tolerance.filter(|t| !is_tolerance(*t)) {
            return refuse!(Recipe, "step triangle: tolerance {t} is not a number of at least 0; give e.g. 1e-12");
        }
        let n = match *shape {
            [.., rows, columns] if rows == columns => columns,
            [.., rows, columns] => {
                let fits = format!("arrays whose last two axes are equally long, not {rows} and {columns}");
                return Err(unfit("triangle", input, &fits));
            }
            _ => {
                return Err(unfit(
                    "triangle",
                    input,
                    "arrays of at least two axes, the last two equally long: (..., n, n)",
                ));
            }
        };
        if kind == TriangleKind::Skew && matches!(dtype.kind(), DTypeKind::Bool | DTypeKind::Uint) {
            return Err(unfit(
                "triangle=skew",
                input,
                "signed integers, floats and complex numbers, which have negatives",
            ));
        }
        if kind == TriangleKind::Hermitian && dtype.kind() != DTypeKind::Complex {
            return Err(unfit(
                "triangle=hermitian",
                input,
                "complex64 and complex128; for real matrices use --triangle=upper",
            ));
        }
        if kind.keeps_diagonal_once() && n == 1 && input.count() > 0 {
            // Nothing would be packed, so nothing would ever be read and checked.
            let fits = "matrices with something beside their diagonal; for 1 x 1 use --triangle=upper or none";
            return Err(unfit(&format!("triangle={}", kind.name()), input, fits));
        }
        Ok(Layout { n, side: kind.side() })
    }
}

impl Transform for Triangle {
    fn fidelity(&self, _input: &Spec) -> Fidelity {
        match self.tolerance {
            None => Fidelity::Exact,
            Some(t) => Fidelity::Lossy { max_abs: Some(t), max_rel: None },
        }
    }

    fn output(&self, input: &Spec) -> Result<Spec> {
        let layout = Self::check(self.kind, self.tolerance, input)?;
        let (name, dtype) = (self.kind.name(), input.dtype());
        match self.diagonal {
            Some(_) if !self.kind.keeps_diagonal_once() => {
                return refuse!(
                    Recipe,
                    "step triangle={name} keeps its diagonal in the array; remove `diagonal` from the step"
                );
            }
            None if self.kind.keeps_diagonal_once() => {
                return refuse!(
                    Recipe,
                    "step triangle={name} needs its constant `diagonal`, as {} hex digits",
                    2 * dtype.size()
                );
            }
            Some(bits) if bits.size() != dtype.size() => {
                return refuse!(
                    Recipe,
                    "step triangle={name}: diagonal {bits} has {} bytes, {dtype} has {}",
                    bits.size(),
                    dtype.size()
                );
            }
            Some(bits) if self.kind == TriangleKind::Skew && !bits.is_zero(dtype) => {
                return refuse!(
                    Recipe,
                    "step triangle=skew: diagonal {bits} is not zero, as that of a skew-symmetric matrix is"
                );
            }
            _ => {}
        }
        let mut shape = input.shape().to_vec();
        shape.pop();
        shape.pop();
        shape.push(layout.count());
        Spec::new(dtype, shape)
    }

    fn unit(&self, input: &Spec) -> Unit {
        let layout = self.layout(input);
        // Zero only for an empty array, whose counts everything divides.
        Unit { input: layout.wide().max(1), output: layout.count().max(1) }
    }

    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()> {
        let layout = self.layout(&io.input);
        out.reset(io.output.dtype(), crate::array::total(at))?;
        let (wide, count) = (layout.wide() as usize, layout.count() as usize);
        if wide == 0 || count == 0 {
            return Ok(());
        }
        let first = at.first().map_or(0, |s| s.start / layout.count());
        with_image!(self.kind, io.input.dtype(), W, I => {
            let judge = self.judge::<W>(&io.input);
            let matrices = input.slice::<W>().chunks_exact(wide).zip(out.slice_mut::<W>().chunks_exact_mut(count));
            for (unit, (matrix, packed)) in (first..).zip(matrices) {
                part::forward_matrix::<W, I>(layout, &judge, unit * layout.wide(), matrix, packed, refused);
            }
        });
        Ok(())
    }

    fn inverse(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        let layout = self.layout(&io.input);
        out.reset(io.input.dtype(), crate::array::total(at))?;
        let (wide, count) = (layout.wide() as usize, layout.count() as usize);
        if wide == 0 || count == 0 {
            return Ok(());
        }
        with_image!(self.kind, io.input.dtype(), W, I => {
            let diagonal = self.constant::<W>(&io.input);
            let matrices = input.slice::<W>().chunks_exact(count).zip(out.slice_mut::<W>().chunks_exact_mut(wide));
            for (packed, matrix) in matrices {
                kernels::unpack::<W, I>(layout, packed, diagonal, matrix);
            }
        });
        Ok(())
    }

    fn forward_need(&self, io: &Io, want: &[Span], need: &mut Vec<Span>) {
        part::forward_need(self.layout(&io.input), want, need);
    }

    fn forward_part(
        &self,
        io: &Io,
        want: &[Span],
        _need: &[Span],
        input: &Buf,
        out: &mut Buf,
        refused: &mut Refused,
    ) -> Result<()> {
        let layout = self.layout(&io.input);
        out.reset(io.output.dtype(), crate::array::total(want))?;
        with_image!(self.kind, io.input.dtype(), W, I => {
            part::forward::<W, I>(layout, &self.judge(&io.input), want, input.slice(), out.slice_mut(), refused);
        });
        Ok(())
    }

    fn inverse_need(&self, io: &Io, want: &[Span], need: &mut Vec<Span>) {
        part::inverse_need(self.layout(&io.input), want, need);
    }

    fn inverse_part(&self, io: &Io, want: &[Span], _need: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        let layout = self.layout(&io.input);
        out.reset(io.input.dtype(), crate::array::total(want))?;
        with_image!(self.kind, io.input.dtype(), W, I => {
            part::inverse::<W, I>(layout, self.constant(&io.input), want, input.slice(), out.slice_mut());
        });
        Ok(())
    }

    fn reconstruct(&self, io: &Io, want: &[Span], need: &[Span], out: &Buf, back: &mut Buf) -> Result<()> {
        let layout = self.layout(&io.input);
        back.reset(io.input.dtype(), crate::array::total(need))?;
        with_image!(self.kind, io.input.dtype(), W, I => {
            part::reconstruct::<W, I>(layout, self.constant(&io.input), want, out.slice(), back.slice_mut());
        });
        Ok(())
    }

    fn origin(&self, io: &Io, at: u64) -> u64 {
        let layout = self.layout(&io.input);
        let count = layout.count().max(1);
        let (r, c) = layout.locate(at % count);
        at / count * layout.wide() + r * layout.n + c
    }

    fn copies(&self) -> Copies {
        match self.kind {
            TriangleKind::Upper | TriangleKind::Lower | TriangleKind::Strict => Copies::Twins,
            TriangleKind::Skew | TriangleKind::Hermitian => Copies::Image,
        }
    }

    fn unmirrored(&self, io: &Io, want: &[Span], visit: &mut dyn FnMut(usize)) {
        let layout = self.layout(&io.input);
        if self.kind.keeps_diagonal_once() {
            return;
        }
        let mut before = 0;
        for part in parts(want, layout.count()) {
            for r in layout.packed_window(part.start, part.end).row_range() {
                let place = layout.row_base(r).wrapping_add(r);
                if (part.start..part.end).contains(&place) {
                    visit((before + place - part.start) as usize);
                }
            }
            before += part.len();
        }
    }

    fn explain(&self, io: &Io, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String {
        refusal::explain(self, &io.input, refusal, index, worst)
    }

    fn describe(&self) -> String {
        let mut text = match self.kind {
            TriangleKind::Upper => "upper triangle".to_owned(),
            TriangleKind::Lower => "lower triangle".to_owned(),
            TriangleKind::Hermitian => "upper triangle, Hermitian".to_owned(),
            TriangleKind::Skew => "strict upper triangle, skew-symmetric".to_owned(),
            TriangleKind::Strict => "strict upper triangle".to_owned(),
        };
        if let (TriangleKind::Strict, Some(bits)) = (self.kind, self.diagonal) {
            text += &format!(", diagonal {}", bits.plain());
        }
        if let Some(t) = self.tolerance {
            text += &format!(", symmetric within {t:e}");
        }
        text
    }
}

impl Asked for TriangleAsk {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        Triangle::check(self.kind, self.tolerance, input)?;
        Ok(if self.kind.keeps_diagonal_once() { FactNeeded::First } else { FactNeeded::Nothing })
    }

    fn settle(&self, input: &Spec, fact: &Fact) -> Result<Step> {
        Triangle::check(self.kind, self.tolerance, input)?;
        let zero = ElementBits::zero(input.dtype());
        let diagonal = self.kind.keeps_diagonal_once().then(|| match fact {
            Fact::First(first) if !first.is_empty() => {
                let bits = ElementBits::first_of(first);
                // A skew-symmetric diagonal is zero, of whichever sign; any other value is refused where it stands.
                if self.kind == TriangleKind::Skew && !bits.is_zero(input.dtype()) { zero } else { bits }
            }
            _ => zero,
        });
        Ok(Step::Triangle(Triangle { kind: self.kind, tolerance: self.tolerance, diagonal }))
    }
}

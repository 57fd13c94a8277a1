//! Judging the elements that do not mirror, and saying what was found.

use bytemuck::bytes_of;

use super::difference::{covering, distance, within};
use super::image::{Image, Word};
use super::{Triangle, TriangleKind};
use crate::array::{DType, Scalar, Spec, scalar};
use crate::transform::{Refusal, Refused, Why};

/// What is needed to judge an element.
pub(super) struct Judge<W> {
    pub(super) dtype: DType,
    pub(super) tolerance: Option<f64>,
    /// The constant diagonal, where one is kept.
    pub(super) diagonal: Option<W>,
}

impl<W: Word> Judge<W> {
    fn scalar(&self, word: W) -> Scalar {
        scalar(self.dtype, bytes_of(&word))
    }

    /// Refuses the dropped element at input position `at` if it is not the image of `kept`, nor near enough to it.
    pub(super) fn pair<I: Image<W>>(&self, at: u64, kept: W, dropped: W, refused: &mut Refused) {
        let image = I::of(kept);
        if image == dropped {
            return;
        }
        let (expected, found) = (self.scalar(image), self.scalar(dropped));
        if !self.tolerance.is_some_and(|t| within(expected, found, t)) {
            refused.add(Why::Asymmetric, at, self.scalar(kept), Some(found), distance(expected, found));
        }
    }

    /// Refuses the diagonal element at input position `at` if it is not the constant one.
    pub(super) fn diagonal(&self, at: u64, found: W, refused: &mut Refused) {
        if let Some(constant) = self.diagonal.filter(|constant| *constant != found) {
            let (found, constant) = (self.scalar(found), self.scalar(constant));
            refused.add(Why::Diagonal, at, found, Some(constant), distance(found, constant));
        }
    }
}

/// `1 pair differs`, `2 pairs differ`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun} differs") } else { format!("{count} {noun}s differ") }
}

fn pair(value: (Scalar, Option<Scalar>)) -> String {
    match value.1 {
        Some(other) => format!("{} against {other}", value.0),
        None => value.0.to_string(),
    }
}

/// The message for refused elements: how many, where, both values, the remedy.
pub(super) fn explain(step: &Triangle, input: &Spec, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String {
    let worst_value = pair(refusal.worst_value);
    if refusal.why == Why::Diagonal {
        let first = pair(refusal.first_value);
        let found = counted(refusal.count, "diagonal element");
        return match step.kind {
            TriangleKind::Skew => format!(
                "the diagonal of a skew-symmetric matrix is zero, one and the same zero throughout: {found}, the first at \
                 {index:?} ({first}); use --triangle=upper if the matrix is symmetric, or none"
            ),
            _ => format!(
                "the diagonal is not constant: {found}, the first at {index:?} ({first}), the furthest at {worst:?} \
                 ({worst_value}); use --triangle=upper, which keeps the diagonal"
            ),
        };
    }
    let (property, kept) = match step.kind {
        TriangleKind::Skew => ("skew-symmetric", "upper"),
        TriangleKind::Hermitian => ("Hermitian", "upper"),
        TriangleKind::Lower => ("symmetric", "lower"),
        TriangleKind::Upper | TriangleKind::Strict => ("symmetric", "upper"),
    };
    let limit = step.tolerance.map(|t| format!(" by more than {t:e}")).unwrap_or_default();
    let found = format!("not {property}: {}{limit}", counted(refusal.count, "pair"));
    if refusal.worst == 0.0 {
        return format!(
            "{found} in bits only (the sign of a zero, or the payload of a NaN), the first at {index:?} ({}); use \
             --symmetry-tol 0 to keep the {kept} values",
            pair(refusal.first_value)
        );
    }
    if !refusal.worst.is_finite() {
        return format!(
            "{found}; no tolerance covers the difference at {worst:?} ({worst_value}); correct the {} array or leave \
             --triangle out",
            input.dtype()
        );
    }
    format!(
        "{found}; largest difference {} at {worst:?} ({worst_value}); use --symmetry-tol {} to keep the {kept} values",
        short(refusal.worst),
        covering(refusal.worst)
    )
}

/// Two digits, for people.
fn short(x: f64) -> String {
    if (1e-3..1e6).contains(&x) && x.fract() == 0.0 { format!("{x}") } else { format!("{x:.1e}") }
}

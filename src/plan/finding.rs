//! What the data already are, and the flags that make use of it.

use serde::Serialize;

use super::flags;
use crate::metric::Value;
use crate::transform::{Ask, Fill};

/// What kind of thing was found. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// No value at all.
    Empty,
    /// Every element has the same bits.
    Constant,
    /// A few different values only.
    FewDistinct,
    /// Only 0 and 1.
    ZeroOne,
    /// Floats that a narrower float holds.
    NarrowerFloat,
    /// Integers that fewer bits or a narrower dtype hold.
    NarrowerInteger,
    /// Floats that are all integers.
    Integers,
    /// Decimals of few digits.
    Decimals,
    /// Multiples of one step.
    CommonStep,
    /// The lowest bits of the mantissa are always zero.
    IdleBits,
    /// Matrices equal to their transpose, their negative transpose or their conjugate transpose.
    Symmetric,
    /// Matrices that are so but for a small difference.
    NearlySymmetric,
    /// One value far from all others that occurs often.
    FillValue,
    /// NaN or infinities.
    NotFinite,
    /// Values that a float16 would make infinite.
    BeyondFloat16,
}

/// Something that holds for all values of the array: every one was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// In words, the remedy's flags included.
    pub text: String,
    /// Flags that make use of it, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Whether those flags, run on this array, give the same bits back: proved by running their steps on all of it.
    pub lossless: bool,
    /// The number that matters: the step, the tolerance, the fill value, how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The share of the elements that it is about, where not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The steps behind the flags.
    #[serde(skip)]
    pub asks: Vec<Ask>,
}

impl Finding {
    /// Something to know, without a remedy.
    pub(super) fn note(kind: Kind, text: String) -> Self {
        Self { kind, text, flags: None, lossless: false, value: None, share: None, asks: Vec::new() }
    }

    /// Something that `asks` make use of without loss. `text` is followed by the flags.
    pub(super) fn lossless(kind: Kind, text: &str, asks: Vec<Ask>, fill: Option<Fill>) -> Self {
        let flags = flags::of_steps(&asks, fill);
        let text = format!("{text}: {flags} is lossless");
        Self { flags: Some(flags), lossless: true, asks, ..Self::note(kind, text) }
    }

    /// The same with its number.
    #[must_use]
    pub(super) fn with(self, value: impl Into<Value>) -> Self {
        Self { value: Some(value.into()), ..self }
    }
}

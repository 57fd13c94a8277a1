//! Array to array, reversible: the one trait, the one list of steps, what is asked for and what is recorded.

mod bit_round;
mod bitpack;
mod cast;
mod fact;
pub mod float16;
mod refused;
mod scale_offset;
mod triangle;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::array::{Buf, Span, Spec};
use crate::error::{Error, ErrorKind, Result};

pub use bit_round::{BitRound, Mantissa, bit_round};
pub use bitpack::{
    BitOrder, BitPack, BitPackAsk, Packable, bits_big, bits_little, pack_bits, pack_nbits, unpack_bits, unpack_nbits,
};
pub use cast::{Cast, CastTo, Overflow};
pub use fact::{Fact, FactNeeded, Fill, Range};
pub use refused::{Refusal, Refused, Why};
pub use scale_offset::{
    Grid, GridCode, GridValue, Reserved, Resolution, ScaleOffset, ScaleOffsetAsk, dequantize, quantize,
};
pub use triangle::{
    ElementBits, Triangle, TriangleAsk, TriangleKind, TriangleWord, is_symmetric, pack_upper, unpack_upper,
};

/// The smallest independent piece of a transform, in elements of either side: a matrix, a packed row, one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Elements of the original side.
    pub input: u64,
    /// Elements of the packed side.
    pub output: u64,
}

impl Unit {
    /// One element to one element.
    pub const ELEMENT: Unit = Unit { input: 1, output: 1 };
}

/// Both ends of a bound step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Io {
    /// The original side.
    pub input: Spec,
    /// The packed side.
    pub output: Spec,
}

/// Whether a step gives the same bits back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fidelity {
    /// The same bits come back.
    Exact,
    /// Values may change.
    Lossy {
        /// The largest possible absolute error, where it is known before any value is seen.
        max_abs: Option<f64>,
        /// The largest possible error relative to the magnitude of a normal value, where it is known beforehand.
        max_rel: Option<f64>,
    },
}

/// How many input elements one packed element stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// One.
    One,
    /// Two equal ones, but for those that [`Transform::unmirrored`] names.
    Twins,
    /// Itself and an image of it: a negative, a conjugate. What is lost on both is not twice what is lost on one (−0).
    Image,
}

/// A reversible map from array to array whose output spec follows from the input spec and its parameters alone.
///
/// Work comes in whole [units](Transform::unit) wherever it can; the `_need`/`_part` pair serves parts of a unit (a slice,
/// or a matrix larger than memory). For a transform of single elements both are the same and the defaults serve.
///
/// Laws, tested for every step: any blocks equal the whole; any slice equals the slice of the whole, in both directions;
/// exact steps give the same bits back; lossy ones satisfy `forward(inverse(forward(x))) = forward(x)` and keep the bound
/// they state.
pub trait Transform: Debug + Send + Sync {
    /// Whether the same bits come back from `input`, and the bound known beforehand if not.
    fn fidelity(&self, input: &Spec) -> Fidelity;

    /// The spec on the packed side. The only place that refuses a dtype or a shape; the message says what would fit.
    fn output(&self, input: &Spec) -> Result<Spec>;

    /// The smallest independent piece. Divides both sides' element counts.
    fn unit(&self, _input: &Spec) -> Unit {
        Unit::ELEMENT
    }

    /// Where a packed last axis may be cut inside a unit so that no input element is needed on both sides: at multiples of
    /// this many elements.
    fn cut(&self, _input: &Spec) -> u64 {
        1
    }

    /// Packs. `at` are the positions of `out` (for units other than single elements: one span of whole units); `input`
    /// holds exactly their elements. Values that the step cannot carry go to `refused`, at their position on the input side,
    /// and packing goes on, so that the refusal can count them all.
    fn forward(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf, refused: &mut Refused) -> Result<()>;

    /// Unpacks. `at` are the positions of `out` on the original side, whole units as in `forward`.
    fn inverse(&self, io: &Io, at: &[Span], input: &Buf, out: &mut Buf) -> Result<()>;

    /// The input elements that [`Transform::forward_part`] needs for packed elements `want`, appended to `need`.
    fn forward_need(&self, _io: &Io, want: &[Span], need: &mut Vec<Span>) {
        need.extend_from_slice(want);
    }

    /// Packs the elements `want` from the input elements `need`, as [`Transform::forward_need`] gave them.
    fn forward_part(
        &self,
        io: &Io,
        want: &[Span],
        _need: &[Span],
        input: &Buf,
        out: &mut Buf,
        refused: &mut Refused,
    ) -> Result<()> {
        self.forward(io, want, input, out, refused)
    }

    /// The packed elements that [`Transform::inverse_part`] needs for original elements `want`, appended to `need`.
    fn inverse_need(&self, _io: &Io, want: &[Span], need: &mut Vec<Span>) {
        need.extend_from_slice(want);
    }

    /// Unpacks the original elements `want` from the packed elements `need`.
    fn inverse_part(&self, io: &Io, want: &[Span], _need: &[Span], input: &Buf, out: &mut Buf) -> Result<()> {
        self.inverse(io, want, input, out)
    }

    /// What a restore will give at the input positions `need`, from the packed elements `out` at `want` that were just made
    /// of them: the other side of every comparison that measures a loss.
    fn reconstruct(&self, io: &Io, _want: &[Span], need: &[Span], out: &Buf, back: &mut Buf) -> Result<()> {
        self.inverse(io, need, out, back)
    }

    /// The input position that the packed element at `at` came from.
    fn origin(&self, _io: &Io, at: u64) -> u64 {
        at
    }

    /// How many input elements one packed element stands for.
    fn copies(&self) -> Copies {
        Copies::One
    }

    /// Calls `visit` with the place, within `want` laid end to end, of each packed element that stands for one input element
    /// only. Used where [`Transform::copies`] are twins.
    fn unmirrored(&self, _io: &Io, _want: &[Span], _visit: &mut dyn FnMut(usize)) {}

    /// The largest value of an integer output, where the parameters tell it; saves the next step a pass.
    fn ceiling(&self) -> Option<u64> {
        None
    }

    /// The message for values this step refused: how many, where, both values, the remedy. `index` is the n-d index in the
    /// original array of `refusal.first`, `worst` that of `refusal.worst_at`.
    fn explain(&self, io: &Io, refusal: &Refusal, index: &[u64], worst: &[u64]) -> String;

    /// The step in a few words, for tables: `"float16, round to nearest even"`.
    fn describe(&self) -> String;
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:literal $variant:ident($step:ty) asked $ask:ty;)*) => {
        /// A step with all its parameters: what is recorded in a file. JSON: `{"step": name, …parameters}`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "step")]
        pub enum Step { $($(#[$doc])* #[serde(rename = $name)] $variant($step),)* }

        /// A step as it is asked for, before the data have been seen. JSON as [`Step`]'s, with fewer parameters.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "step")]
        pub enum Ask {
            $($(#[$doc])* #[serde(rename = $name)] $variant($ask),)*
            /// A step with all its parameters, as a recorded recipe gives it.
            #[serde(skip)]
            Settled(Step),
        }

        impl Step {
            /// The names of all steps, in canonical order.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The name, as in JSON.
            pub fn name(&self) -> &'static str {
                match self { $(Step::$variant(_) => $name,)* }
            }

            /// The behaviour behind the parameters.
            pub fn transform(&self) -> &dyn Transform {
                match self { $(Step::$variant(s) => s,)* }
            }
        }

        impl Ask {
            /// The name, as in JSON.
            pub fn name(&self) -> &'static str {
                match self { $(Ask::$variant(_) => $name,)* Ask::Settled(step) => step.name() }
            }

            /// The request behind the parameters.
            pub fn asked(&self) -> &dyn Asked {
                match self { $(Ask::$variant(s) => s,)* Ask::Settled(step) => step }
            }

            /// The step's place in the canonical order.
            pub fn rank(&self) -> usize {
                Step::NAMES.iter().position(|n| *n == self.name()).unwrap_or(usize::MAX)
            }
        }
    };
}

// Canonical order: what removes whole elements comes first, so that everything after works on less; then what shortens
// values (rounding before narrowing); then what packs bits, whose output no other step understands.
steps! {
    /// Symmetric matrices to their upper triangle.
    "triangle" Triangle(Triangle) asked TriangleAsk;
    /// Mantissa rounded to fewer bits, dtype unchanged.
    "bit-round" BitRound(BitRound) asked BitRound;
    /// Values to unsigned integers on an even grid.
    "scale-offset" ScaleOffset(ScaleOffset) asked ScaleOffsetAsk;
    /// To a narrower float.
    "cast" Cast(Cast) asked Cast;
    /// Small integers and masks to their bits.
    "bitpack" BitPack(BitPack) asked BitPackAsk;
}

impl Ask {
    /// Whether the step works on single elements and keeps the shape, so that the order of the axes does not matter to it.
    pub fn is_elementwise(&self) -> bool {
        !matches!(self, Ask::Triangle(_) | Ask::BitPack(_) | Ask::Settled(Step::Triangle(_) | Step::BitPack(_)))
    }

    /// Gives the step the input's fill value, if it can use one and none was asked for.
    pub fn offer_fill(&mut self, fill: Option<Fill>) {
        match self {
            Ask::ScaleOffset(ask) => ask.fill = ask.fill.or(fill),
            Ask::BitRound(ask) => ask.fill = ask.fill.or(fill),
            _ => {}
        }
    }
}

/// A request for a step: what it has to know about the data, and the step that follows from it.
pub trait Asked: Debug {
    /// What must be known about the input before [`Asked::settle`]. Refuses a dtype or shape that cannot fit, before data move.
    fn needs(&self, input: &Spec) -> Result<FactNeeded>;

    /// The recorded step. `ceiling` is the largest input value where the step before tells it.
    fn settle(&self, input: &Spec, fact: &Fact) -> Result<Step>;
}

impl Asked for Step {
    fn needs(&self, input: &Spec) -> Result<FactNeeded> {
        self.transform().output(input).map(|_| FactNeeded::Nothing)
    }

    fn settle(&self, _input: &Spec, _fact: &Fact) -> Result<Step> {
        Ok(self.clone())
    }
}

/// The error for a dtype that a step does not take.
fn unfit(step: &str, input: &Spec, fits: &str) -> Error {
    Error::new(ErrorKind::Recipe, format!("step {step} does not fit {input}: it takes {fits}"))
}

//! What an array is: a dtype and a shape ([`Spec`]), elements in C order ([`Buf`]), ranges of them ([`Span`]).

mod buf;
mod dtype;
mod edge;
pub(crate) mod simd;
mod slice;
mod span;
mod spec;

pub use buf::{Buf, Element};
pub use dtype::{ByteOrder, DType, DTypeKind, Scalar};
pub use edge::{from_ndarray, to_ndarray};
pub(crate) use slice::Resolved;
pub use slice::{AxisSlice, Slice};
pub(crate) use span::position;
pub use span::{Span, total};
pub use spec::{MAX_AXES, Spec, index_of};

pub(crate) use dtype::{scalar, with_float, with_integer, with_word};

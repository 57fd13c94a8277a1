//! What a run lost: [`Loss`], a mergeable accumulator of errors and class changes, and [`LossRecord`], its written form.
//!
//! Every figure is the same for any blocks, any number of threads and any order of merging: counts are integers, a
//! maximum's ties go to the first position, and sums are exact until they are rounded once, at the end ([`ExactSum`]).

mod class;
mod complex;
mod exact_sum;
mod float;
mod fold;
mod integer;
#[cfg(test)]
mod laws;
mod loss;
mod places;
mod record;
mod word;

pub use class::{Class, ClassCount};
pub use exact_sum::ExactSum;
pub use loss::{Loss, Mirror, Worst};
pub use record::{LossRecord, Value};

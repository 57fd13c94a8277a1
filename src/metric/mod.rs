//! What a run lost: [`Loss`], a mergeable accumulator of errors and class changes, and [`LossRecord`], its written form.
//!
//! Every figure is the same for any blocks, any number of threads and any order of merging: counts are integers, a
//! maximum's ties go to the first position, and sums are exact until they are rounded once, at the end ([`ExactSum`]).

pub mod budget;
mod class;
mod comparison;
mod complex;
mod describe;
mod exact_sum;
mod figure;
mod float;
mod fold;
mod integer;
#[cfg(test)]
mod laws;
mod loss;
mod matrix;
mod pair;
mod places;
mod record;
mod spectrum;
mod tile;
mod word;

pub use budget::{Budget, Criterion, Limits, Outcome, SliceLimit};
pub use class::{Class, ClassCount};
pub use comparison::{
    AxisErrors, Cell, ChunkError, ChunkErrors, ClassRow, Comparison, Description, Element, Estimate, Histogram,
    MagnitudeError, Plane, Precision, SliceError, Spectrum, Structure,
};
pub use describe::{Describe, DescribeOptions, Spread};
pub use exact_sum::ExactSum;
pub use figure::{Direction, Effort, Figure, Figures, Group, Number, Unit};
pub use loss::{Loss, Worst};
pub use matrix::{largest_asymmetry, symmetric_eigenvalues};
pub use pair::{PairOptions, PairScratch, Pairs, PlaneRanges, present, triple};
pub use record::{LossRecord, Value};
pub use spectrum::PowerSum;
pub use tile::{Known, KsDistance, Neighbours, Scratch, Tile, TileBox, TileSums, Tiling, Totals, ks_p};

//! Checks a restored array against the original with the `approx` crate, element by element.
//!
//! Run with `cargo run --example approx_equal`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use approx::{assert_relative_eq, assert_ulps_eq};
use ndarray::{Array2, ArrayD};
use ndcompact::transform::BitRound;
use ndcompact::{Ask, Compacted, Result};

fn main() -> Result<()> {
    let field: ArrayD<f32> =
        Array2::from_shape_fn((50, 50), |(i, j)| ((i * 50 + j) as f32 * 0.002).exp().sqrt()).into_dyn();

    // Ten mantissa bits of 23: the dtype stays, and what compresses afterwards finds thirteen zero bits a value.
    let packed = Compacted::new(field.view(), &[Ask::BitRound(BitRound { keepbits: 10, fill: None })])?;
    let restored: ArrayD<f32> = packed.restore()?;

    // The bound is relative: half a unit of the last kept bit.
    let bound = 0.5f32.powi(11);
    for (a, b) in field.iter().zip(&restored) {
        assert_relative_eq!(*a, *b, max_relative = bound);
    }

    // Rounding again changes nothing: equal to the last bit.
    let twice: ArrayD<f32> =
        Compacted::new(restored.view(), &[Ask::BitRound(BitRound { keepbits: 10, fill: None })])?.restore()?;
    for (a, b) in restored.iter().zip(&twice) {
        assert_ulps_eq!(*a, *b, max_ulps = 0);
    }
    println!("{} values within a relative {bound:e}; largest absolute error {:e}", field.len(), packed.loss().max_abs);
    Ok(())
}

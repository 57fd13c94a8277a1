//! Temperatures with gaps to 16-bit integers of 0.01 K: missing values come back as they were.
//!
//! Run with `cargo run --example scale_offset_nan`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{Array2, ArrayD};
use ndcompact::transform::{Fill, ScaleOffsetAsk};
use ndcompact::{Ask, Compacted, DType, Result};

/// What the instrument writes where it measured nothing.
const MISSING: f32 = -9999.0;

fn main() -> Result<()> {
    let mut field: ArrayD<f32> =
        Array2::from_shape_fn((60, 100), |(i, j)| 273.15 + 20.0 * (i as f32 * 0.1).sin() + 0.01 * j as f32).into_dyn();
    field[[3, 7]] = f32::NAN;
    field[[59, 99]] = f32::INFINITY;
    field[[0, 0]] = MISSING;

    let ask = ScaleOffsetAsk::digits(2).with_fill(Fill::Float(MISSING.into()));
    let packed = Compacted::new(field.view(), &[Ask::ScaleOffset(ask)])?;

    // 40 K in steps of 0.01 K and three reserved codes need 13 bits; the smallest dtype that holds them is uint16.
    assert_eq!(packed.steps()[0].dtype, DType::U16);
    println!("{}", packed.steps()[0].words);

    let restored: ArrayD<f32> = packed.restore()?;
    assert!(restored[[3, 7]].is_nan());
    assert_eq!(restored[[59, 99]], f32::INFINITY);
    assert_eq!(restored[[0, 0]].to_bits(), MISSING.to_bits());

    // The bound is known before any value is converted, and held to.
    let bound = packed.steps()[0].bound.unwrap_or(f64::INFINITY);
    println!("largest error {}, bound {bound}", packed.loss().max_abs);
    assert!(packed.loss().max_abs <= bound && bound < 0.005_1);
    assert!(packed.loss().classes.is_empty(), "no value became another kind of value");
    Ok(())
}

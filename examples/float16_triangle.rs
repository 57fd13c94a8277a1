//! A stack of symmetric matrices to float16 upper triangles and back: an eighth of the bytes.
//!
//! Run with `cargo run --example float16_triangle`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{Array3, ArrayD};
use ndcompact::transform::{Cast, CastTo, Overflow, TriangleAsk};
use ndcompact::{Ask, Compacted, DType, Result};

fn main() -> Result<()> {
    // Distances between 40 points on a line, for 20 scales: symmetric in the last two axes.
    let grids: ArrayD<f64> =
        Array3::from_shape_fn((20, 40, 40), |(k, i, j)| (i as f64 - j as f64).abs() * 0.3 * (k + 1) as f64).into_dyn();

    // The order counts: packing the triangle first leaves half as many values to convert.
    let cast = Cast { to: CastTo::Float16, overflow: Overflow::Error };
    let steps = [Ask::Triangle(TriangleAsk::default()), Ask::Cast(cast)];
    let packed = Compacted::new(grids.view(), &steps)?;

    // The report has a line for each step: dtype, shape, bytes and the error it added.
    for step in packed.steps() {
        println!("{}: {} {:?}, {} bytes", step.words, step.dtype, step.shape, step.bytes);
    }
    assert_eq!(packed.steps()[1].shape, [20, 40 * 41 / 2]);
    assert_eq!(packed.steps()[1].dtype, DType::F16);
    assert!(packed.steps()[1].bytes * 7 < packed.spec().bytes());

    // Every run measures its own loss, over every element.
    let loss = packed.loss();
    println!("largest error {} at {:?}", loss.max_abs, loss.max_abs_at);
    let restored: ArrayD<f64> = packed.restore()?;
    let largest = grids.iter().zip(&restored).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert_eq!(loss.max_abs, largest);

    // Rounding to nearest: at most 2^-11 of the value.
    assert!(grids.iter().zip(&restored).all(|(a, b)| (a - b).abs() <= a.abs() / 2048.0));
    Ok(())
}

//! A boolean mask to one bit a value, and a row of it looked at with `bitvec` without unpacking anything.
//!
//! Run with `cargo run --example mask`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{Array2, ArrayD, s};
use ndcompact::transform::{BitPackAsk, bits_big};
use ndcompact::{Ask, Compacted, Result};

fn main() -> Result<()> {
    // Land and sea on a grid of 180 x 361 points.
    let mask = Array2::from_shape_fn((180, 361), |(i, j)| (i as i64 - 90).pow(2) + (j as i64 - 180).pow(2) < 5000);
    let packed = Compacted::new(mask.view().into_dyn(), &[Ask::BitPack(BitPackAsk::default())])?;

    // Each row starts on a byte of its own, as with NumPy's packbits(axis=-1): 361 bits take 46 bytes.
    assert_eq!(packed.steps()[0].shape, [180, 46]);
    println!("{} bytes became {}", packed.spec().bytes(), packed.steps()[0].bytes);

    // A packed row is a `bitvec` slice, most significant bit first.
    let bytes = packed.packed().buf().bytes();
    let row = bits_big(&bytes[90 * 46..91 * 46], 361);
    assert_eq!(row.count_ones(), mask.row(90).iter().filter(|b| **b).count());
    assert_eq!(row.first_one(), mask.row(90).iter().position(|b| *b));
    println!("row 90 has {} land points, the first at column {:?}", row.count_ones(), row.first_one());

    // Exact, whole or in part.
    assert_eq!(packed.restore::<bool>()?, mask.clone().into_dyn());
    let part: ArrayD<bool> = packed.slice(&"80:100, 100:200:7".parse()?)?;
    assert_eq!(part, mask.slice(s![80..100, 100..200;7]).into_dyn());
    Ok(())
}

//! Compacts a file, then reads one slice of the original array from the compacted one; only what it needs is read.
//!
//! Run with `cargo run --example slice_from_file`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ndarray::{Array3, ArrayD, s};
use ndcompact::engine::{CompactOptions, Target, compact};
use ndcompact::store::Place;
use ndcompact::transform::{Cast, CastTo, Overflow, TriangleAsk};
use ndcompact::{Ask, Reader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("grids.npy"), folder.path().join("grids.compact.npy"));
    let grids = Array3::from_shape_fn((100, 30, 30), |(k, i, j)| (k + i * j) as f64 / 8.0);
    ndarray_npy::write_npy(&input, &grids)?;

    let place = |path: &std::path::Path| Place { path: path.to_owned(), member: None };
    let cast = Cast { to: CastTo::Float16, overflow: Overflow::Error };
    let asks = vec![Ask::Triangle(TriangleAsk::default()), Ask::Cast(cast)];
    let options = CompactOptions { asks, ..CompactOptions::default() };
    let report = compact(&place(&input), &Target::Place(place(&output)), &options)?;
    println!("{} bytes became {}, {:.2} times smaller", report.input.stored_bytes, report.packed_bytes, report.ratio);

    // Restoring needs the file alone. NumPy's slice syntax …
    let reader = Reader::at(&place(&output))?;
    assert_eq!(reader.spec().shape(), [100, 30, 30]);
    let row: ArrayD<f64> = reader.slice("42, 3, ::-1")?;
    assert_eq!(row, grids.slice(s![42, 3, ..;-1]).into_dyn());

    // … or `ndarray`'s.
    let corner: ArrayD<f64> = reader.slice_with(&s![..;10, 1..3, 28..].as_ref().into())?;
    assert_eq!(corner, grids.slice(s![..;10, 1..3, 28..]).into_dyn());
    println!("row 3 of matrix 42: {row}");
    Ok(())
}

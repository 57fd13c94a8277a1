//! Goes through an array larger than memory, block after block or in shuffled minibatches, and says how fast.
//!
//! `cargo run --release --example iterate -- FILE [blocks | chunks | rows | slices | again | parts] [ROWS]`; without a file it makes a small
//! one. `again` takes the first ROWS matrices a hundred times over, one by one, `parts` a row of each.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Instant;

use ndcompact::engine::{BatchOptions, Mixing, ReadOptions};
use ndcompact::{Reader, Result};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let file = args.next();
    let (mode, rows) = (args.next().unwrap_or("blocks".into()), args.next().and_then(|r| r.parse().ok()));
    let (place, _folder) = match file {
        Some(file) => (file, None),
        None => small()?,
    };
    let reader = Reader::open_with(&place, ReadOptions::default())?;
    let start = Instant::now();
    let mut sum = 0.0;
    let mut bytes = 0;
    match mode.as_str() {
        "blocks" => {
            for block in reader.blocks::<f64>(rows.unwrap_or(reader.suggested_rows()))? {
                let (_, values) = block?;
                // One value a row: what is measured is the reading.
                sum += values.outer_iter().filter_map(|row| row.first().copied()).sum::<f64>();
                bytes += values.len() * 8;
            }
        }
        "slices" => {
            let all = reader.spec().shape()[0];
            let rows = rows.unwrap_or(reader.suggested_rows());
            for at in (0..all).step_by(rows as usize) {
                let values = reader.slice::<f64>(&format!("{at}:{}", at + rows))?;
                sum += values.outer_iter().filter_map(|row| row.first().copied()).sum::<f64>();
                bytes += values.len() * 8;
            }
        }
        "again" | "parts" => {
            let rows = rows.unwrap_or(50).min(reader.spec().shape()[0]);
            for at in (0..100).flat_map(|_| 0..rows) {
                let part = if mode == "parts" { format!("{at}, 7") } else { at.to_string() };
                let values = reader.slice::<f64>(&part)?;
                sum += values.first().copied().unwrap_or_default();
                bytes += values.len() * 8;
            }
        }
        mixing => {
            let mixing = if mixing == "rows" { Mixing::Rows } else { Mixing::Chunks(None) };
            let options = BatchOptions { size: rows.unwrap_or(32), shuffle: Some(1), mixing, drop_last: false };
            for batch in reader.batches::<f64>(options)? {
                let values = batch?.values;
                sum += values.outer_iter().filter_map(|row| row.first().copied()).sum::<f64>();
                bytes += values.len() * 8;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{bytes} bytes in {seconds:.4} s, {:.3} GB/s, sum of first values {sum:.3}", bytes as f64 / seconds / 1e9);
    Ok(())
}

/// A small file to try it on.
fn small() -> Result<(String, Option<tempfile::TempDir>)> {
    use ndcompact::engine::{CompactOptions, Target, compact};
    use ndcompact::store::Place;
    let failed = |e| ndcompact::Error::io("making a folder", e);
    let folder = tempfile::tempdir().map_err(failed)?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let values = ndarray::Array3::from_shape_fn((500, 40, 40), |(k, i, j)| (k * i + j) as f64);
    ndarray_npy::write_npy(at("x.npy"), &values)
        .map_err(|e| ndcompact::Error::new(ndcompact::ErrorKind::Io, e.to_string()))?;
    let output = at(if cfg!(feature = "hdf5") { "x.h5" } else { "x.compact.npy" });
    compact(&Place::parse(&at("x.npy")), &Target::Place(Place::parse(&output)), &CompactOptions::default())?;
    Ok((output, Some(folder)))
}

//! Every n-th array of a bundle, and how long that takes: `bundle_items [INDEX STEP ROUNDS]`; without an index it bundles some small arrays.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use ndcompact::collect::bundle::{Bundle, BundleOptions, bundle};

type Failure = Box<dyn std::error::Error>;

/// A thousand arrays in `folder`, bundled; the index.
fn some_arrays(folder: &Path) -> Result<PathBuf, Failure> {
    let inputs = folder.join("runs");
    std::fs::create_dir(&inputs)?;
    for i in 0..1000 {
        let values: Vec<f64> = (0..100 + i).map(|k| f64::from(k) * f64::from(i) / 8.0).collect();
        ndarray_npy::write_npy(inputs.join(format!("run{i:04}.npy")), &ndarray::Array1::from(values))?;
    }
    let bundled = bundle(&[inputs], &folder.join("runs.tar.gz"), &BundleOptions::default())?;
    println!("{} arrays, {} bytes as files, {} bundled", bundled.arrays, bundled.input_bytes, bundled.stored_bytes);
    Ok(bundled.index)
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir()?;
    let (index, step, rounds) = match args.as_slice() {
        [] => (some_arrays(folder.path())?, 100, 1),
        [index, step, rounds] => (index.into(), step.parse()?, rounds.parse()?),
        _ => return Err("usage: bundle_items [INDEX STEP ROUNDS]".into()),
    };
    let start = Instant::now();
    let bundle = Bundle::open(&index)?;
    let opened = start.elapsed();
    for _ in 0..rounds {
        let start = Instant::now();
        let (mut arrays, mut values, mut sum) = (0, 0, 0.0);
        for number in (0..bundle.len()).step_by(step) {
            let array = bundle.get(number)?.array::<f64>()?;
            arrays += 1;
            values += array.len();
            sum += array.first().copied().unwrap_or(0.0);
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{arrays} arrays, {values} values in {seconds:.6} s, opened in {:.6} s; {sum:.6}",
            opened.as_secs_f64()
        );
    }
    Ok(())
}

//! One row of an array in an archive, without reading the rest: `map_npz [ARCHIVE NAME ROW]`.
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use ndarray::Axis;
use ndcompact::{Npz, Result};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, path, name, row] = &args[..] {
        return show(path.as_ref(), name, row.parse().unwrap_or(0));
    }
    // Without arguments, an archive of its own.
    let folder = std::env::temp_dir().join(format!("map_npz-{}", std::process::id()));
    let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::File::create(folder.join("run.npz")));
    let file = made.map_err(|e| ndcompact::Error::io("making an archive", e))?;
    let mut npz = ndarray_npy::NpzWriter::new(file);
    let grid = ndarray::Array2::from_shape_fn((1000, 1000), |(i, j)| (i * j) as f64);
    let written = npz.add_array("grid", &grid).and_then(|()| npz.finish().map(drop));
    let shown = match written {
        Ok(()) => show(&folder.join("run.npz"), "grid", 7),
        Err(e) => Err(ndcompact::Error::new(ndcompact::ErrorKind::Io, e.to_string())),
    };
    // A folder that stays behind in the temporary one harms nobody.
    let _ = std::fs::remove_dir_all(&folder);
    shown
}

fn show(path: &std::path::Path, name: &str, row: usize) -> Result<()> {
    let npz = Npz::open(path)?;
    let array = npz.get::<f64>(name)?;
    let sum: f64 = match array.as_view() {
        Some(view) => view.index_axis(Axis(0), row).sum(),
        // At an odd place in the file, as np.savez leaves most: only the elements asked for are put together.
        None => (0..array.shape().get(1).copied().unwrap_or(0)).filter_map(|j| array.at(&[row, j])).sum(),
    };
    println!("{name} {:?}: row {row} adds up to {sum}", array.shape());
    Ok(())
}

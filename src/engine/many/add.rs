//! More arrays into an archive that is there.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::{is_many, name_of, places};
use crate::array::DType;
use crate::engine::inside::{Archive as Into, Inside};
use crate::engine::{CompactOptions, Resources, Target, compact};
use crate::error::{Result, refuse};
use crate::store::{Archive, NpzWriter, Packing, Place, Replace, open};

/// What was added to an archive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Added {
    /// The archive.
    pub place: String,
    /// The arrays that were added, in their order.
    pub added: Vec<AddedArray>,
    /// Arrays that it holds now.
    pub arrays: u64,
    /// Its bytes; as it was, in a dry run.
    pub stored_bytes: u64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// An array that was added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddedArray {
    /// Its name in the archive.
    pub name: String,
    /// Where it came from.
    pub input: String,
    /// As NumPy shows it.
    pub dtype: DType,
    /// Likewise.
    pub shape: Vec<u64>,
    /// Whether it took the place of one of its name.
    pub replaced: bool,
    /// Bytes in the archive; of its elements, in a dry run.
    pub stored_bytes: u64,
}

/// Adds the arrays at `more` (all of a file that holds several) to the archive at `path`, as they are: a compacted one keeps its record.
/// Each is called as it was, or as its file is; a single one `name`, if that is given. They are packed as the last array of the archive is.
///
/// The archive is copied and replaced when the copy is whole: whatever happens meanwhile, it is as it was or complete.
///
/// # Errors
/// `Exists` for names that are taken, unless `replace` allows to replace those arrays, and where another program changed the archive
/// meanwhile; `Usage` for two arrays of one name; else as reading and writing give.
pub fn add(
    path: &Path,
    more: &[Place],
    name: Option<&str>,
    replace: Replace,
    dry_run: bool,
    resources: &Resources<'_>,
) -> Result<Added> {
    let start = Instant::now();
    let mut inputs = Vec::new();
    for place in more {
        match is_many(place)? {
            true => inputs.extend(places(place, &[], false)?.arrays.into_iter().map(|(_, place)| place)),
            false => inputs.push(place.clone()),
        }
    }
    if let (Some(name), true) = (name, inputs.len() > 1) {
        return refuse!(
            Usage,
            "{name} is a name for one array, and {} are to be added; add them one by one",
            inputs.len()
        );
    }
    let to = Place { path: path.to_owned(), member: name.map(str::to_owned) };
    let archive = Archive::open(path)?;
    let mut added: Vec<AddedArray> = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let opened = open(input)?;
        let name = name_of(input, &to, &opened);
        if let Some(other) = added.iter().find(|a| a.name == name) {
            return refuse!(
                Usage,
                "{} and {input} would both be called {name}; add one of them with --as NAME",
                other.input
            );
        }
        added.push(AddedArray {
            replaced: archive.holds(&name),
            name,
            input: input.to_string(),
            dtype: opened.shown().dtype(),
            shape: opened.shown().shape().to_vec(),
            stored_bytes: opened.shown().bytes(),
        });
    }
    let names: Vec<&str> = added.iter().map(|a| a.name.as_str()).collect();
    refuse_taken(&archive, &names, replace)?;
    let before = archive.names().count() as u64;
    let arrays = before + added.iter().filter(|a| !a.replaced).count() as u64;
    let mut stored_bytes = crate::store::file_bytes(path)?;
    if !dry_run {
        let npz = RefCell::new(beside(path, &names, archive.codec().with(None)?, replace)?);
        for (input, array) in inputs.iter().zip(&mut added) {
            let options = CompactOptions { resources: *resources, ..CompactOptions::default() };
            let target = Target::Place(Place { path: path.to_owned(), member: Some(array.name.clone()) });
            let inside = Inside::Npz(Into::Now(&npz), &array.name);
            let report = compact::opened(open(input)?, &target, Some(inside), &options)?;
            array.stored_bytes = report.output.map_or(array.stored_bytes, |side| side.stored_bytes);
        }
        stored_bytes = npz.into_inner().finish(false)?;
    }
    let place = path.display().to_string();
    Ok(Added { place, added, arrays, stored_bytes, dry_run, seconds: start.elapsed().as_secs_f64() })
}

/// A copy of the archive at `path` in the making, ready to take arrays `names`: those of these names go if `replace` allows it.
pub(super) fn beside(path: &Path, names: &[&str], packing: Packing, replace: Replace) -> Result<NpzWriter> {
    let plain: Vec<&str> = names.iter().map(|name| name.strip_suffix(".npy").unwrap_or(name)).collect();
    refuse_taken(&Archive::open(path)?, &plain, replace)?;
    NpzWriter::adding_to(path, packing, &plain)
}

fn refuse_taken(archive: &Archive, names: &[&str], replace: Replace) -> Result<()> {
    match names.iter().find(|name| archive.holds(name)) {
        Some(name) if replace == Replace::Never => refuse!(
            Exists,
            "{} holds {name} already; choose another name, or --force to replace it",
            archive.path().display()
        ),
        _ => Ok(()),
    }
}

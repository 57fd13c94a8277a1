//! What a virtual dataset is made of: other datasets, mostly of other files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::raw::{self, Id};
use crate::error::{Result, refuse};

/// The variable of folders that libhdf5 looks for sources in.
const PREFIX: &str = "HDF5_VDS_PREFIX";
/// What stands in it for the folder of the virtual dataset's file.
const ORIGIN: &str = "${ORIGIN}";

/// Virtual datasets made of virtual ones are followed so deep.
const MAX_DEPTH: usize = 8;

/// Refuses a virtual dataset of which a source is not there: libhdf5 would hand out the fill value in its place, and nothing would tell
/// that from data.
///
/// # Errors
/// `Io`, with the first source that is missing.
pub(super) fn refuse_missing(dataset: &Id, name: &str) -> Result<()> {
    follow(dataset, name, MAX_DEPTH)
}

fn follow(dataset: &Id, name: &str, depth: usize) -> Result<()> {
    let file = raw::file::of(dataset)?;
    let path = raw::file::name_of(&file)?;
    for (source, inside) in raw::dataset::virtual_sources(dataset)? {
        // Numbered sources: those that are there say how large the dataset is, so none is missing.
        if [&source, &inside].iter().any(|s| s.replace("%%", "").contains("%b")) {
            continue;
        }
        let (source, inside) = (source.replace("%%", "%"), inside.replace("%%", "%"));
        let found = match source.as_str() {
            "." => at(&file, &inside)?,
            _ => {
                let opened = places(&path, Path::new(&source)).iter().find_map(|p| raw::file::open(p).ok());
                opened.map(|other| at(&other, &inside)).transpose()?.flatten()
            }
        };
        let Some(found) = found else {
            let shown = if source == "." { path.display().to_string() } else { source };
            return refuse!(
                Io,
                "it is virtual, and its source {shown}:{inside} is not there: what that held would read as the fill value. Put it beside {}, or \
                 into a folder that {PREFIX} names; to take the fill value for it, copy the dataset with h5py or h5repack first",
                path.display()
            );
        };
        if depth > 0 && raw::dataset::is_virtual(&found)? {
            follow(&found, &inside, depth - 1).map_err(|e| e.at(format!("source {inside} of {name}")))?;
        }
    }
    Ok(())
}

/// Dataset `name` of an open file, if there is one.
fn at(file: &Id, name: &str) -> Result<Option<Id>> {
    let name = super::list::absolute(name)?;
    if raw::file::exists(file, &name)? { raw::dataset::open(file, &name).map(Some) } else { Ok(None) }
}

/// Where libhdf5 looks for a source file that the file at `home` names.
fn places(home: &Path, source: &Path) -> Vec<PathBuf> {
    let folder_of = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let mut folders: Vec<PathBuf> = Vec::new();
    let own = folder_of(home);
    if let Some(prefixes) = std::env::var_os(PREFIX) {
        let given = prefixes.to_string_lossy().into_owned();
        folders.extend(given.split(':').map(|p| PathBuf::from(p.replace(ORIGIN, &own.to_string_lossy()))));
    }
    folders.push(own);
    folders.extend(std::fs::canonicalize(home).map(|home| folder_of(&home)));
    // One that was moved with its file is found by its last name.
    let last = if source.is_absolute() { Path::new(source.file_name().unwrap_or(OsStr::new(""))) } else { source };
    let beside = folders.iter().map(|f| f.join(last));
    std::iter::once(source.to_owned()).chain(beside).collect()
}

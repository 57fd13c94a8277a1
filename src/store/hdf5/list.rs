//! What datasets a file holds, and which of them is meant.

use std::path::Path;

use super::attribute::RECIPE;
use super::raw::dtype::Stored;
use super::raw::{self, Id};
use super::tiles::PART;
use crate::array::{ByteOrder, DType, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};

/// Datasets named in a message at most.
const NAMED: usize = 20;

/// A dataset's dtype and shape as it is stored.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) spec: Spec,
    pub(super) order: ByteOrder,
    /// Whether elements lie in the file exactly as in memory but for the order of their bytes.
    pub(super) plain: bool,
}

/// All datasets of the file at `path` by absolute name, each with its spec or the reason why it is not supported. Those
/// behind soft and external links are not listed, nor those that are parts of another.
pub fn list(path: &Path) -> Result<Vec<(String, Result<Spec>)>> {
    let file = open_file(path)?;
    let mut found = Vec::new();
    for name in raw::file::datasets(&file).map_err(|e| e.at(path.display()))? {
        let dataset = raw::dataset::open(&file, &name);
        if dataset.as_ref().is_ok_and(|d| raw::attribute::exists(d, PART).unwrap_or(false)) {
            continue;
        }
        let spec = dataset.and_then(|d| describe(&d, &name)).map(|d| d.spec);
        found.push((name, spec));
    }
    Ok(found)
}

/// The text of the file's own attribute `name`, if there is one.
///
/// # Errors
/// `Unsupported` where the attribute is not a string of fixed length; `Corrupt` where the file is not HDF5; `Io`.
pub fn file_text(path: &Path, name: &str) -> Result<Option<String>> {
    let file = open_file(path)?;
    if !raw::attribute::exists(&file, name).map_err(|e| e.at(path.display()))? {
        return Ok(None);
    }
    raw::attribute::text(&file, name).map_err(|e| e.at(path.display()))
}

/// Opens the file to read.
pub(super) fn open_file(path: &Path) -> Result<Id> {
    // Says "no such file" and "permission denied" as the operating system does.
    let file = std::fs::File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return refuse!(Usage, "{} is a folder, not an HDF5 file", path.display());
    }
    drop(file);
    raw::filter::register();
    match raw::file::open(path) {
        Ok(file) => Ok(file),
        // Asked only now: looking takes as long as opening.
        Err(_) if !raw::file::is_hdf5(path)? => Err(raw::file::not_hdf5(path)),
        Err(e) => Err(e.at(path.display())),
    }
}

/// The dtype, byte order and shape of `dataset`.
pub(super) fn describe(dataset: &Id, name: &str) -> Result<Described> {
    let stored = raw::dtype::of_dataset(dataset)?;
    let (dtype, order, plain): (DType, _, _) = match raw::dtype::recognise(&stored)? {
        Stored::Plain(dtype, order) => (dtype, order, true),
        Stored::Converted(dtype) => (dtype, ByteOrder::NATIVE, false),
        Stored::Refused(what) => return Err(raw::dtype::refused(name, &what)),
    };
    match raw::dataset::shape(dataset)? {
        Some(shape) => Ok(Described { spec: Spec::new(dtype, shape).map_err(|e| e.at(name))?, order, plain }),
        None => refuse!(Unsupported, "{name} has no elements and no shape (a null dataspace)"),
    }
}

/// `name` as an absolute path without empty parts.
pub(super) fn absolute(name: &str) -> Result<String> {
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.is_empty() {
        return refuse!(Usage, "{name:?} names no dataset; write e.g. file.h5:/group/name");
    }
    Ok(format!("/{}", parts.join("/")))
}

/// The dataset that is meant where none is named: the only compacted one, else the only one of numbers that is not the
/// scale of an axis.
pub(super) fn only(file: &Id, path: &Path) -> Result<String> {
    let (mut compacted, mut numeric) = (Vec::new(), Vec::new());
    for name in raw::file::datasets(file)? {
        let Ok(dataset) = raw::dataset::open(file, &name) else { continue };
        if describe(&dataset, &name).is_err() {
            continue;
        }
        if raw::attribute::exists(&dataset, RECIPE)? {
            compacted.push(name.clone());
        }
        let class = raw::attribute::text(&dataset, "CLASS").ok().flatten();
        if class.as_deref() != Some("DIMENSION_SCALE") {
            numeric.push(name);
        }
    }
    match (compacted.as_slice(), numeric.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one.clone()),
        ([], []) => refuse!(Usage, "{} holds no dataset of numbers{}", path.display(), named(file)),
        (many, _) => {
            let count = if many.is_empty() { numeric.len() } else { many.len() };
            let (path, kind) = (path.display(), if many.is_empty() { "datasets" } else { "compacted datasets" });
            refuse!(
                Usage,
                "{path} holds {count} {kind}; name one, for example {path}:{}{}",
                many.first().unwrap_or(&numeric[0]),
                named(file)
            )
        }
    }
}

/// The datasets of a file for the end of a message.
pub(super) fn named(file: &Id) -> String {
    let names = raw::file::datasets(file).unwrap_or_default();
    let mut text = String::new();
    for name in names.iter().take(NAMED) {
        let what = match raw::dataset::open(file, name).and_then(|d| describe(&d, name)) {
            Ok(described) => described.spec.to_string(),
            Err(e) if e.kind() == ErrorKind::Unsupported => "not numbers".to_owned(),
            Err(_) => "unreadable".to_owned(),
        };
        text.push_str(&format!("\n  {name}  {what}"));
    }
    if names.len() > NAMED {
        text.push_str(&format!("\n  and {} more", names.len() - NAMED));
    }
    if text.is_empty() { text } else { format!("; it holds{text}") }
}

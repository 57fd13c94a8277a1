//! Which files a command line means: files, folders, patterns, lists.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::Compression;
use super::{Pattern, is_pattern};
use crate::error::{Error, Result, refuse};

/// What a file holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// One array.
    Npy,
    /// Arrays with names.
    Npz,
    /// Files.
    Tar(Compression),
    /// Python objects; never opened.
    Pickle,
    /// A link to a folder, which might lead in circles, or to nothing.
    Link,
    /// Anything else.
    Other,
}

impl FileKind {
    /// By the ending of its name.
    pub fn of_name(path: &Path) -> Self {
        if let Some((compression, _)) = Compression::of_tar(path) {
            return FileKind::Tar(compression);
        }
        match path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
            "npy" => FileKind::Npy,
            "npz" => FileKind::Npz,
            "pkl" | "pickle" | "p" | "joblib" => FileKind::Pickle,
            _ => FileKind::Other,
        }
    }
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// Its name in a bundle: the path as it was given, without a root and without `..`, folders parted by `/`.
    pub name: String,
    /// What it holds.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub changed: i64,
}

/// Finds the files of `inputs` in their order: folders with all in them (by name), patterns with all that fit. A link to a file
/// is that file; links to folders and to nothing are found as what they are.
///
/// # Errors
/// `Io` for what is not there; `Usage` for patterns that nothing fits, names that are no UTF-8, and files given twice.
pub fn walk(inputs: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for input in inputs {
        match fs::metadata(input) {
            Ok(meta) if meta.is_dir() => folder(input, &mut found)?,
            Ok(meta) => found.push(file(input.clone(), &meta)?),
            Err(e) => {
                let pattern = input.to_str().filter(|t| is_pattern(t));
                let Some(pattern) = pattern else {
                    return Err(Error::io(format!("looking for {}", input.display()), e));
                };
                let (before, mut all) = (found.len(), Vec::new());
                // The folders before the first star need no search.
                let root: PathBuf =
                    input.components().take_while(|c| c.as_os_str().to_str().is_some_and(|t| !is_pattern(t))).collect();
                folder(if root.as_os_str().is_empty() { Path::new(".") } else { &root }, &mut all)?;
                let plain = pattern.trim_start_matches("./");
                let wanted = Pattern::of_paths(plain)?;
                let fits = |f: &Found| {
                    let path = f.path.to_str().unwrap_or_default();
                    wanted.matches(path.trim_start_matches("./"))
                };
                found.extend(all.into_iter().filter(fits));
                if found.len() == before {
                    return refuse!(Usage, "no file fits {pattern}; quote it if the shell should leave it alone");
                }
            }
        }
    }
    Ok(found)
}

/// The names in a list: one a line, or each ended by a NUL character where there is one.
pub fn names_in(list: &[u8]) -> Result<Vec<PathBuf>> {
    let end = if list.contains(&0) { 0 } else { b'\n' };
    let names = list.split(|b| *b == end).map(|n| if end == b'\n' { n.strip_suffix(b"\r").unwrap_or(n) } else { n });
    names
        .filter(|n| !n.is_empty())
        .map(|n| utf8(Path::new(std::ffi::OsStr::new(&*lossless(n)?))).map(PathBuf::from))
        .collect()
}

fn lossless(name: &[u8]) -> Result<String> {
    match String::from_utf8(name.to_vec()) {
        Ok(name) => Ok(name),
        Err(_) => refuse!(Usage, "the name {:?} in the list is no UTF-8", String::from_utf8_lossy(name)),
    }
}

fn utf8(path: &Path) -> Result<&str> {
    match path.to_str() {
        Some(text) => Ok(text),
        None => refuse!(Usage, "the name {} is no UTF-8, which names in a bundle are; rename it", path.display()),
    }
}

fn file(path: PathBuf, meta: &Metadata) -> Result<Found> {
    let mut name = String::new();
    for part in path.components() {
        if let Component::Normal(part) = part {
            if !name.is_empty() {
                name.push('/');
            }
            name += utf8(Path::new(part))?;
        }
    }
    let kind = if meta.is_file() { FileKind::of_name(&path) } else { FileKind::Other };
    let changed = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    Ok(Found { path, name, kind, size: meta.len(), changed })
}

/// All files below `path`, folder by folder in the order of names.
fn folder(path: &Path, found: &mut Vec<Found>) -> Result<()> {
    let failed = |e| Error::io(format!("reading the folder {}", path.display()), e);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        entries.push((entry.file_name(), entry.file_type().map_err(failed)?));
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in entries {
        let path = path.join(name);
        if kind.is_dir() {
            folder(&path, found)?;
            continue;
        }
        match fs::metadata(&path) {
            Ok(meta) if !meta.is_dir() => found.push(file(path, &meta)?),
            Ok(meta) => found.push(Found { kind: FileKind::Link, ..file(path, &meta)? }),
            Err(e) if kind.is_symlink() && e.kind() == std::io::ErrorKind::NotFound => {
                let meta = fs::symlink_metadata(&path).map_err(failed)?;
                found.push(Found { kind: FileKind::Link, ..file(path, &meta)? });
            }
            Err(e) => return Err(Error::io(format!("looking at {}", path.display()), e)),
        }
    }
    Ok(())
}

/// Deletes a file that was found, if it is as it was then.
///
/// # Errors
/// `Refused` for one that was changed; `Io`.
pub fn remove_unchanged(found: &Found) -> Result<()> {
    let failed = |e| Error::io(format!("deleting {}", found.path.display()), e);
    let now = file(found.path.clone(), &fs::metadata(&found.path).map_err(failed)?)?;
    if now != *found {
        return refuse!(Refused, "{} was changed meanwhile and was not deleted", found.path.display());
    }
    fs::remove_file(&found.path).map_err(failed)
}

/// Deletes a file that no one needs; one that stays does no harm.
pub fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_patterns_and_lists_give_files_in_order_with_names_that_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.npy", "b/10.npy", "a.npz", "x.tar.gz", "b/c/p.pkl", "t.txt"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = walk(&[dir.path().to_owned()]).unwrap();
        let ends: Vec<_> = found.iter().map(|f| f.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(ends, ["a.npz", "10.npy", "2.npy", "p.pkl", "t.txt", "x.tar.gz"]);
        assert_eq!(found[5].kind, FileKind::Tar(Compression::Gzip));
        assert!(found.iter().all(|f| !f.name.starts_with('/')));
        assert_eq!(walk(&[dir.path().join("b/*.npy")]).unwrap().len(), 2);
        assert_eq!(walk(&[dir.path().join("**/*.p*")]).unwrap().len(), 1);
        assert!(walk(&[dir.path().join("*.nothing")]).is_err());
        assert!(walk(&[dir.path().join("nothing")]).is_err());
        let dots = dir.path().join("b/../b/2.npy");
        assert!(!walk(&[dots]).unwrap()[0].name.contains(".."));
        assert_eq!(names_in(b"a\r\nb\n\n").unwrap(), [PathBuf::from("a"), "b".into()]);
        assert_eq!(names_in(b"a\nx\0b\0").unwrap(), [PathBuf::from("a\nx"), "b".into()]);
    }
}

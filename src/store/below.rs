//! Files written below a folder, and nowhere else.

use std::fs;
use std::io::{ErrorKind as Kind, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Growing, Replace};
use crate::error::{Error, Result, refuse};

/// Writes `bytes` to `name` below `folder`, with the folders on the way. Its path.
///
/// # Errors
/// `Corrupt` for names that lead out of the folder; `Usage` where a link stands on the way, which could; `Exists` where the file is
/// there and may not be replaced; `Io`.
pub fn write_below(folder: &Path, name: &str, bytes: &[u8], replace: Replace) -> Result<PathBuf> {
    let relative = Path::new(name);
    if name.is_empty() || !relative.components().all(|c| matches!(c, Component::Normal(_))) {
        return refuse!(Corrupt, "the name {name:?} leads out of {}; nothing was written", folder.display());
    }
    let mut place = folder.to_owned();
    if let Some(parent) = relative.parent() {
        for part in parent.components() {
            place.push(part);
            match fs::symlink_metadata(&place) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => {
                    return refuse!(
                        Usage,
                        "{} is not a folder (or a link to one); {name} is not written through it, choose another -o",
                        place.display()
                    );
                }
                Err(e) if e.kind() == Kind::NotFound => match fs::create_dir(&place) {
                    // Another thread may have made it.
                    Err(e) if e.kind() != Kind::AlreadyExists => {
                        return Err(Error::io(format!("creating {}", place.display()), e));
                    }
                    _ => {}
                },
                Err(e) => return Err(Error::io(format!("looking at {}", place.display()), e)),
            }
        }
    }
    let path = folder.join(relative);
    let mut to = Growing::create(&path, replace)?;
    to.push(bytes)?;
    to.finish()?.commit(None, false)?;
    Ok(path)
}

/// Makes `folder`, and those above it.
///
/// # Errors
/// `Io`.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(format!("creating {}", folder.display()), e))
}

/// A folder for temporary files, deleted with all in it when it is dropped.
#[derive(Debug)]
pub struct TemporaryFolder(tempfile::TempDir);

impl TemporaryFolder {
    /// Makes one where the system has its temporary files.
    ///
    /// # Errors
    /// `Io`.
    pub fn new() -> Result<Self> {
        let failed = |e| Error::io("making a temporary folder (TMPDIR names the place for them)", e);
        tempfile::tempdir().map(Self).map_err(failed)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A file without a name, gone when it is closed.
pub type Temporary = fs::File;

/// A temporary file without a name.
///
/// # Errors
/// `Io`.
pub fn temporary() -> Result<Temporary> {
    tempfile::tempfile().map_err(|e| Error::io("using a temporary file (TMPDIR names the folder for them)", e))
}

/// A temporary `.npy` file of `bytes`, deleted when it is dropped.
///
/// # Errors
/// `Io`.
pub fn temporary_npy(bytes: &[u8]) -> Result<tempfile::NamedTempFile> {
    let failed = |e| Error::io("writing a temporary file", e);
    let mut file = tempfile::Builder::new().suffix(".npy").tempfile().map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        for name in ["../out/x", "/tmp/x", "a/../../out/x", "link/x", "", ".."] {
            assert!(write_below(&inside, name, b"x", Replace::Allowed).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        let path = write_below(&inside, "a/b/c.npy", b"abc", Replace::Never).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"abc");
        assert!(write_below(&inside, "a/b/c.npy", b"abc", Replace::Never).is_err());
    }
}

//! Folders of arrays: reading them in a natural order, and writing one that appears whole or not at all.

use std::cmp::Ordering;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, refuse};

/// Folders inside of folders are searched so deep.
const MAX_DEPTH: usize = 32;

/// The `.npy` files of a folder and of those inside it, sorted so that `img2` comes before `img10`: what each is called (its path
/// within the folder, without `.npy`), and where it is. Links to folders and hidden files are left out.
///
/// # Errors
/// `Io`; `Unsupported` for names that are not UTF-8.
pub fn items_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    search(folder, "", MAX_DEPTH, &mut found)?;
    found.sort_by(|a, b| natural(&a.0, &b.0));
    Ok(found)
}

fn search(folder: &Path, within: &str, depth: usize, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let failed = |e| Error::io(format!("reading the folder {}", folder.display()), e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
        let Ok(name) = entry.file_name().into_string() else {
            return refuse!(Unsupported, "{}: its name is not UTF-8; rename it", path.display());
        };
        if name.starts_with('.') {
            continue;
        }
        let inside = if within.is_empty() { name } else { format!("{within}/{name}") };
        if kind.is_dir() && depth > 0 {
            search(&path, &inside, depth - 1, found)?;
        } else if let Some(stem) = inside.strip_suffix(".npy")
            && path.is_file()
        {
            found.push((stem.to_owned(), path));
        }
    }
    Ok(())
}

/// Compares names with numbers in them by the numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        match (x, y) {
            ([], []) => return a.cmp(b),
            ([], _) => return Ordering::Less,
            (_, []) => return Ordering::Greater,
            ([c, ..], [d, ..]) if c.is_ascii_digit() && d.is_ascii_digit() => {
                let (m, n) = (digits(x), digits(y));
                let (p, q) = (significant(&x[..m]), significant(&y[..n]));
                match p.len().cmp(&q.len()).then_with(|| p.cmp(q)) {
                    Ordering::Equal => (x, y) = (&x[m..], &y[n..]),
                    other => return other,
                }
            }
            ([c, rest @ ..], [d, more @ ..]) => match c.cmp(d) {
                Ordering::Equal => (x, y) = (rest, more),
                other => return other,
            },
        }
    }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn significant(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|b| **b == b'0').count()..]
}

/// A folder in the making. It stands under a hidden name beside its own and goes away when it is dropped.
#[derive(Debug)]
pub struct FolderOutput {
    making: tempfile::TempDir,
    target: PathBuf,
}

impl FolderOutput {
    /// Starts a folder that will be called `target`; an empty one of that name is taken.
    ///
    /// # Errors
    /// `Exists` where there is anything else; `Io`.
    pub fn create(target: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("creating the folder {}", target.display()), e);
        if std::fs::symlink_metadata(target).is_ok() {
            let is_empty = target.is_dir() && std::fs::read_dir(target).map_err(failed)?.next().is_none();
            if !is_empty {
                return refuse!(
                    Exists,
                    "{} exists already and is not an empty folder; give the name of a new one",
                    target.display()
                );
            }
        }
        let beside = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let making = tempfile::Builder::new()
            .prefix(".compact-")
            .suffix(".tmp")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(beside)
            .map_err(failed)?;
        Ok(Self { making, target: target.to_owned() })
    }

    /// Where to write the file `name`, which may have folders before it; these are made.
    ///
    /// # Errors
    /// `Corrupt` for names that lead out of the folder; `Io`.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let inside = Path::new(name);
        if name.is_empty() || !inside.components().all(|c| matches!(c, Component::Normal(_))) {
            return refuse!(Corrupt, "the name {name:?} would lead out of the folder {}", self.target.display());
        }
        let path = self.making.path().join(inside);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(format!("creating the folders of {name}"), e))?;
        }
        Ok(path)
    }

    /// Writes the file `name` of `parts`, one behind the other.
    ///
    /// # Errors
    /// As [`FolderOutput::file`]; `Exists` where two files would have the name.
    pub fn write(&self, name: &str, parts: &[&[u8]], sync: bool) -> Result<()> {
        use std::io::Write;
        let path = self.file(name)?;
        let mut file = match std::fs::File::create_new(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                return refuse!(Exists, "two files of {} would be called {name}", self.target.display());
            }
            file => file.map_err(|e| Error::io(format!("creating {name}"), e))?,
        };
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        written
            .and_then(|()| if sync { file.sync_all() } else { Ok(()) })
            .map_err(|e| Error::io(format!("writing {name}"), e))
    }

    /// Gives it its name.
    pub fn finish(self) -> Result<()> {
        let failed = |e| Error::io(format!("naming the folder {}", self.target.display()), e);
        std::fs::rename(self.making.path(), &self.target).map_err(failed)?;
        // It is gone under its old name: nothing is left to remove.
        let _ = self.making.keep();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["img10", "img2", "img1", "b", "img02", "a10b2", "a10b10", "img"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a10b2", "a10b10", "b", "img", "img1", "img02", "img2", "img10"]);
    }

    #[test]
    fn a_folder_appears_whole_and_no_name_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let folder = FolderOutput::create(&target).unwrap();
        std::fs::write(folder.file("a/b.npy").unwrap(), b"x").unwrap();
        for bad in ["../x", "/x", "a/../../x", "", "."] {
            assert!(folder.file(bad).is_err(), "{bad}");
        }
        assert!(!target.exists());
        drop(folder);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let folder = FolderOutput::create(&target).unwrap();
        std::fs::write(folder.file("b.npy").unwrap(), b"x").unwrap();
        folder.finish().unwrap();
        assert!(target.join("b.npy").is_file() && FolderOutput::create(&target).is_err());
    }
}

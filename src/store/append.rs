//! Adding lines to a text file that several programs may add to at once.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// Adds `text` to the file at `path` in one piece, if `fits` agrees with its first line. Others that add to it the same way wait
/// meanwhile, so that no line is lost. An empty text only checks that it could be done.
pub fn append(path: &Path, fits: impl FnOnce(&Path, &str) -> Result<()>, text: &str) -> Result<()> {
    let failed = |e| Error::io(format!("adding to {}", path.display()), e);
    let mut file = OpenOptions::new().read(true).append(true).open(path).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    let mut first = String::new();
    let head: &File = &file;
    BufReader::new(head).read_line(&mut first).map_err(failed)?;
    fits(path, &first)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_writers_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, "a,b\n").unwrap();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let path = &path;
                scope.spawn(move || append(path, |_, _| Ok(()), &format!("{i},{i}\n")).unwrap());
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 9);
        let refuse = |_: &Path, first: &str| crate::error::refuse!(Exists, "{first}");
        assert!(append(&path, refuse, "x").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 9);
    }
}

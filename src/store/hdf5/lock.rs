//! One writer of a file at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::raw;
use crate::error::{Error, Result, refuse};

/// How often a file that is replaced while it is opened is opened again.
const TRIES: usize = 100;

/// The right to replace an HDF5 file by a changed copy, from before the file is read until the copy has its name: two that
/// copied the same file would each lose what the other added. It ends with the process, however that ends, and leaves nothing.
/// Readers are not kept out: they see the old file until the new one has its name. Clones share one lock.
#[derive(Debug, Clone)]
pub struct Lock {
    // Held open: closing it ends the lock.
    file: Arc<File>,
    target: PathBuf,
}

impl Lock {
    /// Locks the file at `target`, the one that a symbolic link leads to.
    ///
    /// # Errors
    /// `Exists` while another writer has it; `Io` where it does not exist or may not be written.
    pub fn take(target: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::io(format!("opening {} to add to it", target.display()), e);
        for _ in 0..TRIES {
            let path = std::fs::canonicalize(target).map_err(failed)?;
            let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
            if !raw::lock::try_lock(&file).map_err(failed)? {
                return refuse!(
                    Exists,
                    "another program is adding to {}; it was left as it is, wait for it and run again",
                    target.display()
                );
            }
            // Who had it before may just have replaced the file: then this is the old one, which has no name any more.
            let (locked, named) = (file.metadata().map_err(failed)?, std::fs::metadata(&path));
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Self { file: Arc::new(file), target: path });
            }
        }
        refuse!(Exists, "{} is replaced by other programs all the time; run again", target.display())
    }

    /// The file, links seen through.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// The file as it was when it was locked.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn one_has_it_at_a_time_and_a_replaced_file_is_locked_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        std::fs::write(&path, b"old").unwrap();
        let link = dir.path().join("link.h5");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let first = Lock::take(&path).unwrap();
        for name in [&path, &link] {
            let refused = Lock::take(name).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Exists);
            assert!(refused.to_string().contains("another program is adding"), "{refused}");
        }
        // As libhdf5 locks what it reads.
        let reader = File::open(&path).unwrap();
        rustix::fs::flock(&reader, rustix::fs::FlockOperation::NonBlockingLockShared).unwrap();
        let new = dir.path().join("new");
        std::fs::write(&new, b"new").unwrap();
        std::fs::rename(&new, &path).unwrap();
        let second = Lock::take(&link).unwrap();
        drop(first);
        assert!(Lock::take(&path).is_err(), "the old file's lock is not the new one's");
        drop(second);
        Lock::take(&path).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

//! An output that appears whole under its name or not at all.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, flock};

use crate::error::{Error, ErrorKind, Result, refuse};

/// Whether an existing file of the output's name may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replace {
    /// No: the run is refused before any work.
    #[default]
    Never,
    /// Yes, once the new file is complete and on disk. It gets the permissions of the one it replaces; a symbolic link is itself
    /// replaced, as `mv` does, and what it led to stays.
    Allowed,
}

/// A file in the making. It has no name (`O_TMPFILE`) until [`Pending::commit`], so that a killed process leaves nothing
/// behind; where the file system has no such files, a hidden temporary name is used and removed on every orderly way out.
#[derive(Debug)]
pub struct Pending {
    file: File,
    target: PathBuf,
    replace: Replace,
    named: Option<tempfile::TempPath>,
}

impl Pending {
    /// Starts an output that will be called `target`. Refused where `target` exists and may not be replaced.
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        let exists = std::fs::symlink_metadata(target);
        if let Ok(meta) = &exists {
            if meta.is_dir() {
                return refuse!(Usage, "{} is a folder; give a file name for the output", target.display());
            }
            if replace == Replace::Never {
                return refuse!(
                    Exists,
                    "{} exists already; choose another name, or --force to replace it",
                    target.display()
                );
            }
        }
        let folder = folder_of(target);
        if !folder.is_dir() {
            return refuse!(Io, "the folder {} does not exist; create it first", folder.display());
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let (file, named) = match rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => (File::from(fd), None),
            Err(
                rustix::io::Errno::OPNOTSUPP
                | rustix::io::Errno::ISDIR
                | rustix::io::Errno::NOENT
                | rustix::io::Errno::INVAL,
            ) => {
                let temp = tempfile::Builder::new()
                    .prefix(".compact-")
                    .suffix(".tmp")
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                    .tempfile_in(folder)
                    .map_err(|e| Error::io(format!("creating a file in {}", folder.display()), e))?;
                let (file, path) = temp.into_parts();
                (file, Some(path))
            }
            Err(e) => return Err(Error::io(format!("creating a file in {}", folder.display()), e.into())),
        };
        if let Ok(meta) = exists
            && meta.is_file()
        {
            let failed = |e| Error::io(format!("giving the new {} the old one's permissions", target.display()), e);
            file.set_permissions(meta.permissions()).map_err(failed)?;
        }
        Ok(Self { file, target: target.to_owned(), replace, named })
    }

    /// The file to write to, by position.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name it will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A path under which a library that wants to open files itself finds this one while it has no name.
    pub fn path(&self) -> PathBuf {
        match &self.named {
            Some(path) => path.to_path_buf(),
            None => PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
        }
    }

    /// Gives the file a hidden temporary name in its folder, for libraries that resolve names themselves. It keeps that until
    /// it is committed or dropped: a file that has lost its last name can never get another.
    pub fn name(&mut self) -> Result<&Path> {
        if self.named.is_none() {
            let failed = |e: io::Error| Error::io(format!("naming {} for a moment", self.target.display()), e);
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |to: &Path| {
                rustix::fs::linkat(CWD, unnamed.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
            };
            let temp =
                tempfile::Builder::new().prefix(".compact-").suffix(".tmp").make_in(folder_of(&self.target), link);
            self.named = Some(temp.map_err(failed)?.into_temp_path());
        }
        Ok(self.named.as_deref().unwrap_or(&self.target))
    }

    /// Sets the length and has the blocks reserved, so that a full disk shows now and writing is fast. File systems that
    /// cannot reserve only set the length.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        let failed = |e: io::Error| Error::io(format!("reserving {bytes} bytes for {}", self.target.display()), e);
        if bytes > 0 {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {}
                Err(e) => return Err(failed(e.into())),
            }
        }
        self.file.set_len(bytes).map_err(failed)
    }

    /// The same file, to be called `target` (in the same folder) instead.
    pub(in crate::store) fn renamed(mut self, target: &Path) -> Self {
        self.target = target.to_owned();
        self
    }

    /// Gives the file its name. What it replaces is replaced at once and only after the new file is on disk; a fresh output
    /// is not synced, since a power cut then costs nothing that the input cannot make again (`sync` asks for it all the same).
    pub fn commit(self, sync: bool) -> Result<()> {
        let failed = |what: &str, e: io::Error| Error::io(format!("{what} {}", self.target.display()), e);
        let replaces = self.replace == Replace::Allowed && std::fs::symlink_metadata(&self.target).is_ok();
        if sync || replaces {
            self.file.sync_all().map_err(|e| failed("syncing", e))?;
        }
        if let Some(named) = self.named {
            let result = match self.replace {
                Replace::Allowed => named.persist(&self.target),
                Replace::Never => named.persist_noclobber(&self.target),
            };
            return result.map_err(|e| Error::io(format!("naming {}", self.target.display()), e.error));
        }
        let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |to: &Path| rustix::fs::linkat(CWD, unnamed.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW);
        if !replaces {
            return match link(&self.target) {
                Err(rustix::io::Errno::EXIST) if self.replace == Replace::Never => Err(Error::new(
                    ErrorKind::Exists,
                    format!("{} appeared while it was being made; it was left as it is", self.target.display()),
                )),
                other => other.map_err(|e| failed("naming", e.into())),
            };
        }
        // A link cannot replace: give it a temporary name first, then rename over.
        let folder = folder_of(&self.target);
        let stem = tempfile::Builder::new()
            .prefix(".compact-")
            .suffix(".tmp")
            .make_in(folder, |p| link(p).map_err(io::Error::from));
        let path = stem.map_err(|e| failed("naming", e))?.into_temp_path();
        path.persist(&self.target).map_err(|e| Error::io(format!("replacing {}", self.target.display()), e.error))
    }
}

/// The file that something is added to in a copy, as it was when it was copied.
#[derive(Debug)]
pub(in crate::store) struct AddedTo {
    path: PathBuf,
    /// Device, file, bytes, and when it was changed last.
    identity: (u64, u64, u64, i64, i64),
    /// Held open: closing it ends the lock.
    _lock: Option<File>,
}

impl AddedTo {
    pub(in crate::store) fn new(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), identity: Self::identity(path)?, _lock: None })
    }

    /// The same with a lock that keeps other writers out until this is dropped: two that copied the same file would each lose what the
    /// other added.
    pub(in crate::store) fn locked(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::io(format!("opening {} to add to it", path.display()), e);
        let file = File::open(path).map_err(failed)?;
        // A file system without locks grants it: changes are noticed all the same.
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
            return refuse!(
                Exists,
                "another program is adding to {}; it was left as it is, wait for it and run again",
                path.display()
            );
        }
        let locked = file.metadata().map_err(failed)?;
        let new = Self { _lock: Some(file), ..Self::new(path)? };
        // Who had it before may just have replaced it: then what is locked has no name any more.
        if (locked.dev(), locked.ino()) != (new.identity.0, new.identity.1) {
            return refuse!(Exists, "{} was replaced by another program; run again", path.display());
        }
        Ok(new)
    }

    fn identity(path: &Path) -> Result<(u64, u64, u64, i64, i64)> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(format!("looking at {}", path.display()), e))?;
        Ok((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    }

    /// Refuses to go on where another program changed it meanwhile: what that did would be lost.
    pub(in crate::store) fn is_as_it_was(&self) -> Result<()> {
        if Self::identity(&self.path)? != self.identity {
            return refuse!(
                Exists,
                "{} was changed by another program meanwhile; it was left as it is, run again",
                self.path.display()
            );
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_at_a_time_adds_to_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        std::fs::write(&path, b"old").unwrap();
        let first = AddedTo::locked(&path).unwrap();
        assert_eq!(AddedTo::locked(&path).unwrap_err().kind(), ErrorKind::Exists);
        first.is_as_it_was().unwrap();
        std::fs::write(&path, b"longer").unwrap();
        assert!(first.is_as_it_was().is_err());
        drop(first);
        AddedTo::locked(&path).unwrap();
    }

    #[test]
    fn an_output_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.npy");
        let pending = Pending::create(&target, Replace::Never).unwrap();
        pending.file().write_all(b"half").unwrap();
        drop(pending);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_replaced_without_leave_and_with_it_the_whole_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.npy");
        std::fs::write(&target, b"old").unwrap();
        assert_eq!(Pending::create(&target, Replace::Never).unwrap_err().kind(), ErrorKind::Exists);
        let pending = Pending::create(&target, Replace::Allowed).unwrap();
        pending.file().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        pending.commit(false).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        // Permissions stay; a link is replaced, not what it leads to.
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o600)).unwrap();
        let link = dir.path().join("link.npy");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        for name in [&target, &link] {
            let pending = Pending::create(name, Replace::Allowed).unwrap();
            pending.file().write_all(b"newer").unwrap();
            pending.commit(false).unwrap();
            assert!(std::fs::symlink_metadata(name).unwrap().is_file());
        }
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(std::fs::metadata(&link).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.npy");
        let pending = Pending::create(&target, Replace::Never).unwrap();
        std::fs::write(&target, b"other").unwrap();
        assert_eq!(pending.commit(false).unwrap_err().kind(), ErrorKind::Exists);
        assert_eq!(std::fs::read(&target).unwrap(), b"other");
    }
}

//! A file in the making that takes datasets.

use std::io;
use std::path::Path;

use super::attribute::AttributeValue;
use super::lock::Lock;
pub use super::raw::file::Overhead;
use super::raw::{self, Id};
use crate::array::{ByteOrder, DType};
use crate::error::{Error, Result, refuse};
use crate::store::output::AddedTo;
use crate::store::{Pending, Replace};

/// An HDF5 file in the making: it takes datasets, one after the other, and appears whole or not at all. Dropped without
/// [`Container::finish`] it leaves nothing, and what it would have replaced or added to is as it was.
///
/// Each dataset's [`Writer`](super::Writer) must be finished or dropped before the container is.
#[derive(Debug)]
pub struct Container {
    // Closed in this order: the library lets go before the file does.
    file: Id,
    pending: Pending,
    // The lock keeps our own writers out; others are noticed.
    added_to: Option<(Lock, AddedTo)>,
}

impl Container {
    /// Starts a file that will be called `target`.
    ///
    /// # Errors
    /// `Exists` where `target` is there already and `replace` does not allow to replace it; `Io`.
    pub fn create(target: &Path, overhead: Overhead, replace: Replace) -> Result<Self> {
        raw::filter::register();
        let pending = Pending::create(target, replace)?;
        let file = raw::file::create(&pending.path(), overhead).map_err(|e| e.at(target.display()))?;
        Ok(Self { file, pending, added_to: None })
    }

    /// A copy of the file at `target` in the making, which takes more datasets and then replaces it. What a symbolic link points
    /// at is replaced, not the link. Until it is finished or dropped nobody else can open the file so.
    ///
    /// # Errors
    /// `Corrupt` where `target` is not HDF5; `Exists` while another writer adds to it; `Io`.
    pub fn open(target: &Path) -> Result<Self> {
        if target.exists() && !target.is_file() {
            return refuse!(Corrupt, "{} exists and is not a file, so no dataset can be added", target.display());
        }
        Self::open_locked(Lock::take(target)?)
    }

    /// As [`Container::open`], of a file that was locked before it was read.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub fn open_locked(lock: Lock) -> Result<Self> {
        raw::filter::register();
        let target = lock.target();
        let shown = target.display();
        if !raw::file::is_hdf5(target)? {
            return refuse!(
                Corrupt,
                "{shown} exists and is not an HDF5 file, so no dataset can be added; it was left as it is"
            );
        }
        let original = AddedTo::new(target)?;
        let pending = Pending::create(target, Replace::Allowed)?;
        let copying = |e: io::Error| Error::io(format!("copying {shown}"), e);
        let mut from = lock.file();
        // Blocks shared where the file system can, so that the copy costs nothing; else copied within the kernel.
        if rustix::fs::ioctl_ficlone(pending.file(), from).is_err() {
            io::copy(&mut from, &mut pending.file()).map_err(copying)?;
        }
        let permissions = from.metadata().map_err(copying)?.permissions();
        pending.file().set_permissions(permissions).map_err(copying)?;
        let file = raw::file::open_to_write(&pending.path()).map_err(|e| e.at(&shown))?;
        Ok(Self { file, pending, added_to: Some((lock, original)) })
    }

    /// A new file in the making that replaces the locked one, which may be read meanwhile.
    ///
    /// # Errors
    /// `Io`; [`Container::finish`] is refused where the file has changed meanwhile.
    pub fn anew(lock: Lock, overhead: Overhead) -> Result<Self> {
        let failed = |e| Error::io(format!("opening {}", lock.target().display()), e);
        let original = AddedTo::new(lock.target())?;
        let new = Self::create(lock.target(), overhead, Replace::Allowed)?;
        let permissions = lock.file().metadata().map_err(failed)?.permissions();
        new.pending.file().set_permissions(permissions).map_err(failed)?;
        Ok(Self { added_to: Some((lock, original)), ..new })
    }

    /// Whether something is called `path`.
    pub fn holds(&self, path: &str) -> Result<bool> {
        raw::file::exists(&self.file, &super::list::absolute(path)?).map_err(|e| e.at(self.target().display()))
    }

    /// As [`Container::open`], ready to take dataset `path`: one of that name goes if `replace` allows it.
    pub(super) fn add_to(target: &Path, path: &str, replace: Replace) -> Result<Self> {
        let shown = target.display();
        let lock = Lock::take(target)?;
        if raw::file::is_hdf5(target)? {
            // Asked before the file is copied.
            let source = raw::file::open(target).map_err(|e| e.at(&shown))?;
            let exists = raw::file::exists(&source, path).map_err(|e| e.at(&shown))?;
            if exists && replace == Replace::Never {
                return refuse!(Exists, "{shown} holds {path} already; choose another name, or --force to replace it");
            }
            if exists && raw::dataset::open(&source, path).is_err() {
                return refuse!(
                    Usage,
                    "{path} in {shown} is not a dataset and is not replaced by one; choose another name"
                );
            }
        }
        let container = Self::open_locked(lock)?;
        if raw::file::exists(&container.file, path).map_err(|e| e.at(&shown))? {
            raw::file::unlink(&container.file, path).map_err(|e| e.at(&shown))?;
        }
        Ok(container)
    }

    /// Takes dataset `path` away, to make room for another of its name.
    pub fn remove(&self, path: &str) -> Result<()> {
        raw::file::unlink(&self.file, path).map_err(|e| e.at(self.target().display()))
    }

    /// Gives dataset `path` (the file itself for `/`) attributes, in place of those of the same names.
    ///
    /// # Errors
    /// `Unsupported` for text over [`MAX_ATTRIBUTE_BYTES`](super::MAX_ATTRIBUTE_BYTES); `Usage` where there is no such dataset; `Io`.
    pub fn describe(&self, path: &str, attributes: &[(&str, AttributeValue)]) -> Result<()> {
        let at = |e: Error| e.at(format!("{}:{path}", self.target().display()));
        let dataset = if path == "/" { None } else { Some(raw::dataset::open(&self.file, path).map_err(at)?) };
        let object = dataset.as_ref().unwrap_or(&self.file);
        for (name, value) in attributes {
            raw::attribute::remove(object, name).map_err(at)?;
            // Values of the dataset's own dtype are not given here.
            value.write(object, name, DType::F64).map_err(at)?;
        }
        Ok(())
    }

    /// Makes `path` netCDF's dimension number `id`, of length `len`, in place of one of that name: a dataset without any element written.
    /// The variables that lie along it name it in `_Netcdf4Coordinates`.
    pub fn dimension(&self, path: &str, len: u64, id: i32) -> Result<()> {
        let at = |e: Error| e.at(format!("{}:{path}", self.target().display()));
        if raw::file::exists(&self.file, path).map_err(at)? {
            raw::file::unlink(&self.file, path).map_err(at)?;
        }
        let stored = raw::dtype::build(DType::F32, ByteOrder::Big).map_err(at)?;
        let dataset = raw::dataset::create(&self.file, path, &stored, &[len], None, &[]).map_err(at)?;
        let name = format!("This is a netCDF dimension but not a netCDF variable.{len:>10}");
        raw::attribute::write_c_text(&dataset, "CLASS", "DIMENSION_SCALE").map_err(at)?;
        raw::attribute::write_c_text(&dataset, "NAME", &name).map_err(at)?;
        raw::attribute::write_number(&dataset, "_Netcdf4Dimid", DType::I32, &id.to_ne_bytes()).map_err(at)
    }

    /// Ties the axes of dataset `path` to dimensions of [`Container::dimension`], by references: for programs that do not read
    /// `_Netcdf4Coordinates`. These take 4 KiB of the file; none at all takes away what there was.
    pub fn lies_along(&self, path: &str, dimensions: &[&str]) -> Result<()> {
        let at = |e: Error| e.at(format!("{}:{path}", self.target().display()));
        let dataset = raw::dataset::open(&self.file, path).map_err(at)?;
        raw::attribute::remove(&dataset, "DIMENSION_LIST").map_err(at)?;
        if dimensions.is_empty() {
            return Ok(());
        }
        raw::attribute::write_references(&self.file, &dataset, "DIMENSION_LIST", dimensions).map_err(at)
    }

    /// The name it will have.
    pub fn target(&self) -> &Path {
        self.pending.target()
    }

    pub(super) fn file(&self) -> &Id {
        &self.file
    }

    /// Refuses a name that something in the file has.
    pub(super) fn refuse_taken(&self, path: &str) -> Result<()> {
        let shown = self.target().display();
        if raw::file::exists(&self.file, path).map_err(|e| e.at(&shown))? {
            return refuse!(Exists, "{shown} holds {path} already; choose another name");
        }
        Ok(())
    }

    /// Closes the file and gives it its name. Its bytes. `sync` asks for it to be on disk when this returns; where it replaces
    /// another, it always is.
    ///
    /// # Errors
    /// `Exists` where the file came into being meanwhile, or the one added to has changed meanwhile; `Io`.
    pub fn finish(self, sync: bool) -> Result<u64> {
        self.finish_if(sync, None::<fn(&Path) -> Result<()>>)
    }

    /// As [`Container::finish`], called `target` (in the same folder) instead.
    ///
    /// # Errors
    /// As [`Container::finish`].
    pub fn finish_as(mut self, target: &Path, sync: bool) -> Result<u64> {
        self.pending = self.pending.renamed(target);
        self.finish(sync)
    }

    /// As [`Container::finish`], if `check` allows it: it is called with a path where the complete file can be opened while it has
    /// no name of its own. On its error nothing is left.
    pub fn finish_if(self, sync: bool, check: Option<impl FnOnce(&Path) -> Result<()>>) -> Result<u64> {
        let Self { file, mut pending, added_to } = self;
        raw::file::close(file).map_err(|e| e.at(pending.target().display()))?;
        if let Some((_, original)) = &added_to {
            original.is_as_it_was()?;
        }
        if let Some(check) = check {
            check(pending.name()?)?;
        }
        let failed = |e: io::Error| Error::io(format!("finishing {}", pending.target().display()), e);
        let bytes = pending.file().metadata().map_err(failed)?.len();
        pending.commit(sync)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Dataset, Options, Writer, list};
    use super::*;
    use crate::array::{Buf, Span, Spec};
    use crate::error::ErrorKind;
    use crate::pipeline::{Sink, Source, Work};

    fn add(container: &Arc<Container>, name: &str, values: &[i32]) -> Result<u64> {
        let spec = Spec::new(DType::I32, [values.len() as u64])?;
        let writer = Writer::create_in(container, name, &spec, &Options::default(), 1)?;
        writer.write(0, &Buf::from_slice(values)?, &mut Work::new(0))?;
        writer.finish(None, &[], false)
    }

    #[test]
    fn many_datasets_appear_at_once_and_none_replaces_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("many.h5");
        let container = Arc::new(Container::create(&path, Overhead::Usual, Replace::Never).unwrap());
        for i in 0..20 {
            add(&container, &format!("/g{}/x{i}", i % 3), &[i, i + 1, i * i]).unwrap();
        }
        assert_eq!(add(&container, "/g0/x0", &[1]).unwrap_err().kind(), ErrorKind::Exists);
        assert!(!path.exists());
        Arc::into_inner(container).unwrap().finish(false).unwrap();
        assert_eq!(list(&path).unwrap().len(), 20);
        let seven = Dataset::open(&path, Some("/g1/x7")).unwrap();
        let mut out = Buf::new();
        seven.read(&[Span::new(0, 3)], &mut out, &mut Work::new(0)).unwrap();
        assert_eq!(out.elements::<i32>().unwrap(), [7, 8, 49]);

        let more = Arc::new(Container::open(&path).unwrap());
        add(&more, "/extra", &[5]).unwrap();
        assert_eq!(list(&path).unwrap().len(), 20, "the old file is as it was until the new one is whole");
        Arc::into_inner(more).unwrap().finish(false).unwrap();
        assert_eq!(list(&path).unwrap().len(), 21);
    }

    #[test]
    fn a_container_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let container = Arc::new(Container::create(&dir.path().join("a.h5"), Overhead::Least, Replace::Never).unwrap());
        add(&container, "/x", &[1, 2]).unwrap();
        drop(container);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

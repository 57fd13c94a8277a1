//! Where the bytes of a dataset are read from without the library.

use std::path::Path;

use super::super::raw::{self, Id};
use crate::error::{Result, refuse};
use crate::store::Image;
use crate::store::bytes::Bytes;

/// The file that a dataset was looked for in.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) path: &'a Path,
    /// Where it lies in memory: its bytes, and what the library calls it.
    pub(super) image: Option<(&'a Image, &'a str)>,
}

impl Origin<'_> {
    /// What the elements of `dataset` are read from without the library.
    pub(super) fn bytes(&self, dataset: &Id) -> Result<Bytes> {
        let file = raw::file::of(dataset)?;
        let Some((image, own)) = self.image else { return raw::file::descriptor(&file, self.path).map(Bytes::from) };
        // The library would take the same bytes for any other file that is linked to.
        let name = raw::file::name_of(&file)?;
        if name != Path::new(own) {
            return refuse!(
                Unsupported,
                "it lies in another file, {}, which bytes in memory do not hold; open it by its file's name",
                name.display()
            );
        }
        Ok(Bytes::Memory(image.clone()))
    }
}

//! Rows of variable length as their dataset holds them: where each lies in the heap.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::layout;
use super::super::raw::dataset::Creation;
use super::super::raw::{self, Id};
use super::{Dataset, access};
use crate::array::{ByteOrder, DType, Spec};
use crate::error::{Error, Result};

impl Dataset {
    /// What `dataset`, of `rows` rows of variable length, holds itself: where each row lies, 16 bytes that here are one element. `None`
    /// where only the library can read it.
    pub(in super::super) fn references(
        dataset: Id,
        name: &str,
        rows: u64,
        creation: &Creation,
        path: &Path,
    ) -> Result<Option<Self>> {
        let spec = Spec::new(DType::C128, [rows])?;
        let file = raw::file::descriptor(&raw::file::of(&dataset)?, path)?;
        let length = file.metadata().map_err(|e| Error::io("asking for the file's length", e))?.len();
        let Some(access) = access(&spec, true, creation, length)? else { return Ok(None) };
        static KEYS: AtomicUsize = AtomicUsize::new(1 << 33);
        Ok(Some(Self {
            name: name.to_owned(),
            order: ByteOrder::NATIVE,
            access,
            chunk: None,
            fill: vec![0; spec.dtype().size()],
            layout: layout::words(creation),
            file: file.into(),
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            cache: None,
            spec,
            dataset,
        }))
    }
}

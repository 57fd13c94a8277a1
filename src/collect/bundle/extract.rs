//! `compact extract`: arrays of a bundle as files again.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::open::Bundle;
use crate::engine::{Phase, Progress, Resources, in_order_from};
use crate::error::Result;
use crate::store::{Replace, make_folder, write_below};

/// Arrays that one worker takes at a time: neighbours share a block.
const RUN: usize = 32;

/// What was extracted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extracted {
    /// The folder.
    pub folder: PathBuf,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first ten.
    pub paths: Vec<PathBuf>,
}

/// What is extracted of compacted arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The arrays as they were before.
    #[default]
    Original,
    /// The files as the bundle holds them, recipes included.
    Packed,
}

impl Bundle {
    /// Writes arrays as `.npy` files below `folder`, folders of their names included, on all cores.
    ///
    /// # Errors
    /// As [`Bundle::get`]; `Exists` for files that are there already; names that lead out of `folder` are `Corrupt`.
    pub fn extract(
        &self,
        numbers: &[u64],
        folder: &Path,
        form: Form,
        replace: Replace,
        resources: &Resources<'_>,
    ) -> Result<Extracted> {
        make_folder(folder)?;
        // Each worker has an array of its own.
        let alone = Resources { threads: NonZeroUsize::MIN, progress: None, ..*resources };
        let mut out = Extracted { folder: folder.to_owned(), files: 0, bytes: 0, paths: Vec::new() };
        let (mut runs, total) = (numbers.chunks(RUN), numbers.len() as u64);
        in_order_from(
            resources.threads.get().min(numbers.len().div_ceil(RUN)) as u64,
            resources,
            || Ok(runs.next()),
            || (),
            |run: &[u64], ()| {
                let mut written = Vec::new();
                for number in run {
                    let item = self.get(*number)?;
                    let name = format!("{}.npy", item.entry().name);
                    let npy = match form {
                        Form::Original => item.original_npy_with(&alone)?,
                        Form::Packed => item.npy().into(),
                    };
                    written.push((write_below(folder, &name, &npy, replace)?, npy.len() as u64));
                }
                Ok(written)
            },
            |_, written| {
                for (path, bytes) in written {
                    out.files += 1;
                    out.bytes += bytes;
                    if out.paths.len() < 10 {
                        out.paths.push(path);
                    }
                }
                if let Some(tell) = resources.progress {
                    tell(Progress { phase: Phase::Restoring, done: out.files, total });
                }
                Ok(())
            },
        )?;
        Ok(out)
    }
}

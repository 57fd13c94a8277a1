//! Items into files.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::items::Range;
use super::open::Ragged;
use crate::array::{ByteOrder, DType};
use crate::engine::{Phase, Progress, Resources};
use crate::error::{Result, refuse};
use crate::pipeline::{Sink, Work};
use crate::store::{FolderOutput, NpyWriter, Replace};

/// How items are restored.
#[derive(Debug, Clone, Default)]
pub struct ScatterOptions<'a> {
    /// Whether a file may be replaced. Folders never are.
    pub replace: Replace,
    /// Have a file on disk before it gets its name.
    pub sync: bool,
    /// Read all and write nothing.
    pub dry_run: bool,
    /// Progress.
    pub resources: Resources<'a>,
}

/// What restoring items did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scattered {
    /// The file or folder; `None` for a dry run.
    pub output: Option<String>,
    /// Items written.
    pub items: u64,
    /// Dtype of an item.
    pub dtype: DType,
    /// The shape, where it is one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Bytes of their elements.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Where items go to.
enum To {
    Nowhere,
    File,
    Folder(FolderOutput),
}

/// Restores `which` items: one item alone (a number, as [`Range::one`]) into the `.npy` file `to`, several into the folder `to`, which
/// appears when all are there. An item is called as it was when it was made, else by its number.
///
/// # Errors
/// As [`Ragged::item`]; `Exists` where there is something at `to`; `Corrupt` for names that lead out of the folder, or that two items
/// have; `Io`.
pub fn scatter(
    ragged: &Ragged,
    which: Range,
    is_one: bool,
    to: &Path,
    options: &ScatterOptions<'_>,
) -> Result<Scattered> {
    let start = Instant::now();
    let items = which.of(ragged.len())?;
    let count = items.len() as u64;
    if is_one && count != 1 {
        return refuse!(Usage, "{count} items do not fit one file; give a folder");
    }
    let output = match (options.dry_run, is_one) {
        (true, _) => To::Nowhere,
        (false, true) => To::File,
        (false, false) => To::Folder(FolderOutput::create(to)?),
    };
    let digits = ragged.len().saturating_sub(1).to_string().len();
    let (mut bytes, mut shape) = (0, None);
    for (k, i) in items.enumerate() {
        if options.resources.cancel.is_some_and(|c| c.load(std::sync::atomic::Ordering::Relaxed)) {
            return refuse!(Interrupted, "interrupted; nothing was written");
        }
        let (spec, buf) = ragged.item(i)?;
        let write = |path: &Path, replace| -> Result<()> {
            let writer = NpyWriter::create(path, &spec, false, ByteOrder::Little, None, false, replace)?;
            writer.write(0, &buf, &mut Work::new(0))?;
            writer.finish(None, options.sync).map(drop)
        };
        match &output {
            To::Nowhere => {}
            To::File => write(to, options.replace)?,
            To::Folder(folder) => {
                let name = ragged.name(i)?.unwrap_or_else(|| format!("{i:0digits$}"));
                write(&folder.file(&format!("{name}.npy"))?, Replace::Never)?;
            }
        }
        bytes += spec.bytes();
        if is_one {
            shape = Some(spec.shape().to_vec());
        }
        if let Some(tell) = options.resources.progress {
            let total = (u128::from(bytes) * u128::from(count) / (k as u128 + 1)) as u64;
            tell(Progress { phase: Phase::Restoring, done: bytes, total });
        }
    }
    let output = match output {
        To::Nowhere => None,
        To::File => Some(to.display().to_string()),
        To::Folder(folder) => {
            folder.finish()?;
            Some(to.display().to_string())
        }
    };
    Ok(Scattered { output, items: count, dtype: ragged.dtype(), shape, bytes, seconds: start.elapsed().as_secs_f64() })
}

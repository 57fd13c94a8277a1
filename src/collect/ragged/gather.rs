//! Arrays in files, each an item.

use std::path::Path;

use super::writer::{RaggedOptions, RaggedReport, RaggedWriter};
use crate::array::DType;
use crate::engine::{Phase, Progress, Reader, with_array};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::hdf5::Rows;
use crate::store::{Place, is_archive, is_hdf5, items_in, members};

/// An array that becomes an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub place: Place,
    /// What the item will be called.
    pub name: String,
    /// Whether it is a dataset of variable-length rows, each an item.
    pub has_rows: bool,
}

impl Input {
    /// The arrays that `place` stands for, in order: the `.npy` files of a folder and of those inside it (sorted so that `img2` comes before
    /// `img10`), the members of an archive, or one array.
    ///
    /// # Errors
    /// `Usage` for folders without any; `Io`.
    pub fn all(place: &Place) -> Result<Vec<Self>> {
        let path = &place.path;
        if place.member.is_none() && path.is_dir() {
            let found = items_in(path)?;
            if found.is_empty() {
                return refuse!(Usage, "{} holds no .npy file; give a folder of them", path.display());
            }
            return Ok(found
                .into_iter()
                .map(|(name, path)| Self { place: Place { path, member: None }, name, has_rows: false })
                .collect());
        }
        if place.member.is_none() && is_archive(path)? {
            let of = |name: String| Self {
                place: Place { path: path.clone(), member: Some(name.clone()) },
                name,
                has_rows: false,
            };
            let found: Vec<Self> = members(path)?.into_iter().map(of).collect();
            if found.is_empty() {
                return refuse!(Usage, "{} holds no array", path.display());
            }
            return Ok(found);
        }
        if is_hdf5(path)? && Rows::open(place)?.is_some() {
            return Ok(vec![Self { place: place.clone(), name: String::new(), has_rows: true }]);
        }
        let name = match &place.member {
            Some(member) => member.trim_start_matches('/').to_owned(),
            None => path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        Ok(vec![Self { place: place.clone(), name, has_rows: false }])
    }
}

/// Makes a ragged array at `to` of `inputs`, or with `append` adds them to the one there. Each is read in parts.
///
/// # Errors
/// `Usage` where there is none, and where one differs from the first in dtype or number of axes (both are named); else as
/// [`RaggedWriter`] and [`Reader::at`]. After an error `to` is as it was.
pub fn ragged(inputs: &[Input], to: &Path, append: bool, options: &RaggedOptions<'_>) -> Result<RaggedReport> {
    let tell = options.values.resources.progress;
    let mut options = options.clone();
    options.values.resources.progress = None;
    let resources = options.values.resources;
    let mut writer: Option<RaggedWriter<'_>> = None;
    if append {
        writer = Some(RaggedWriter::open(to, &options)?);
    }
    let mut bytes = 0u64;
    for (i, input) in inputs.iter().enumerate() {
        if resources.cancel.is_some_and(|c| c.load(std::sync::atomic::Ordering::Relaxed)) {
            return refuse!(Interrupted, "interrupted; nothing was written");
        }
        let (array, rows);
        let spec = if input.has_rows {
            let Some(opened) = Rows::open(&input.place)? else {
                return refuse!(Usage, "{}: its rows are gone; run again", input.place);
            };
            (array, rows) = (None, Some(opened));
            rows.as_ref().map(|r| (r.dtype(), r.axes()))
        } else {
            let reader = Reader::at(&input.place)?;
            let kind = (reader.spec().dtype(), reader.spec().shape().len() as u64);
            (array, rows) = (Some(reader), None);
            Some(kind)
        };
        let Some(kind) = spec else { continue };
        let writer = match &mut writer {
            Some(writer) => writer,
            None => {
                if options.name_bytes == 0 {
                    options.name_bytes = inputs.iter().map(|i| i.name.len() as u64).max().unwrap_or(0);
                }
                writer.insert(RaggedWriter::create(to, kind.0, kind.1, &options)?)
            }
        };
        if kind != (writer.dtype(), writer.axes()) {
            return Err(differs(input, kind, inputs.first().filter(|_| !append), to, writer));
        }
        if let Some(mut rows) = rows {
            loop {
                let some = rows.next_rows().map_err(|e| e.at(&input.place))?;
                if some.is_empty() {
                    break;
                }
                for (spec, values) in &some {
                    writer.push_buf(None, spec, values)?;
                    bytes += spec.bytes();
                }
            }
        }
        if let Some(reader) = array {
            with_array(&reader, &resources, |source| {
                writer.push_source(Some(&input.name), source).map_err(|e| match e.kind() {
                    ErrorKind::Usage => e,
                    _ => e.at(&input.place),
                })
            })?;
            bytes += reader.spec().bytes();
        }
        if let Some(tell) = tell {
            let total = (u128::from(bytes) * inputs.len() as u128 / (i as u128 + 1)) as u64;
            tell(Progress { phase: Phase::Compacting, done: bytes, total });
        }
    }
    match writer {
        Some(writer) => writer.finish(),
        None => refuse!(Usage, "there is no item to make a ragged array of"),
    }
}

/// The error for an input that is not as the others are.
fn differs(input: &Input, kind: (DType, u64), first: Option<&Input>, to: &Path, writer: &RaggedWriter<'_>) -> Error {
    let others = match first {
        Some(first) => format!("{} is", first.place),
        None => format!("the items of {} are", to.display()),
    };
    let text = format!(
        "{} is {} with {} axes, but {others} {} with {}; all items have one dtype and one number of axes. Leave it out, or convert it first",
        input.place,
        kind.0,
        kind.1,
        writer.dtype(),
        writer.axes()
    );
    Error::new(ErrorKind::Usage, text)
}

//! What stands where in the file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::names::Numbered;
use crate::array::{DType, MAX_AXES};
use crate::engine::CodedOptions;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{Place, hdf5};
use crate::transform::{Ask, CastTo, Step};

/// The file's attribute that says that it holds a ragged array, and where: JSON.
pub const MARK: &str = hdf5::RAGGED;

/// Items between two entries of the index.
pub const EVERY: u64 = 1024;

/// netCDF's dimensions: of all values, of items, of the index, of an item's axes, of the characters of a name.
pub(super) const VALUE: &str = "/value";
pub(super) const ITEM: &str = "/item";
pub(super) const ENTRY: &str = "/entry";
pub(super) const AXIS: &str = "/axis";
pub(super) const CHARACTER: &str = "/character";

/// The dataset of the index.
pub(super) const OFFSET: &str = "/offset";

/// The dataset of names.
pub(super) const NAME: &str = "/name";

/// The version of the layout. A reader refuses what is newer than it knows.
const VERSION: u32 = 1;

/// What the attribute [`MARK`] holds: the names of the datasets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    /// The version of the layout.
    pub(super) version: u32,
    /// Axes of an item.
    pub(super) axes: u64,
    /// All items' elements, end to end.
    pub(super) values: String,
    /// Elements of each item.
    pub(super) row_size: String,
    /// Lengths of each item's axes, where there are two or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<String>,
    /// Elements before item 0, `every`, 2 `every`, …, where there are more items than `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<String>,
    /// Items between two entries of `offset`.
    pub(super) every: u64,
    /// The items' names: rows of bytes, padded with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The items' names, where they are numbers that grow by one with something around them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) numbered: Option<Numbered>,
}

impl Layout {
    /// For items of `axes` axes. A float16 dataset in the root group crashes netCDF4-python: it stands in a group.
    pub(super) fn new(dtype: DType, axes: u64, asks: &[Ask], coded: Option<&CodedOptions>) -> Self {
        let casts = |ask: &Ask| match ask {
            Ask::Cast(cast) | Ask::Settled(Step::Cast(cast)) => cast.to == CastTo::Float16,
            _ => false,
        };
        let half = dtype == DType::F16 || coded.is_none() && asks.iter().any(casts);
        Self {
            version: VERSION,
            axes,
            values: if half { "/packed/values" } else { "/values" }.to_owned(),
            row_size: "/row_size".to_owned(),
            shape: (axes > 1).then(|| "/shape".to_owned()),
            offset: None,
            every: EVERY,
            name: None,
            numbered: None,
        }
    }

    /// Reads the layout of the file at `path`; `None` where it holds no ragged array.
    pub(super) fn find(path: &Path) -> Result<Option<Self>> {
        let Some(json) = hdf5::file_text(path, MARK)? else { return Ok(None) };
        let at = |e: Error| e.at(path.display());
        let layout: Self = serde_json::from_str(&json)
            .map_err(|e| at(Error::new(ErrorKind::Corrupt, format!("the attribute {MARK} cannot be read: {e}"))))?;
        if layout.version > VERSION {
            return refuse!(
                Unsupported,
                "{}: a ragged array of layout {}; this program reads {VERSION}, take a newer one",
                path.display(),
                layout.version
            );
        }
        let fits =
            layout.axes <= MAX_AXES as u64 && layout.shape.is_some() == (layout.axes > 1) && layout.every == EVERY;
        if !fits {
            return refuse!(Corrupt, "{}: the attribute {MARK} contradicts itself: {json}", path.display());
        }
        Ok(Some(layout))
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::new(ErrorKind::Io, format!("the layout cannot be written as JSON: {e}")))
    }
}

/// Dataset `name` of the file at `path`.
pub(super) fn place(path: &Path, name: &str) -> Place {
    Place { path: path.to_owned(), member: Some(name.to_owned()) }
}

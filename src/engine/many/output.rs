//! The one file that all arrays go into.

use std::cell::RefCell;
use std::path::Path;
#[cfg(feature = "hdf5")]
use std::sync::Arc;

use super::list::{Found, plain};
use super::{Member, add};
use crate::engine::Target;
use crate::engine::inside::{Archive, Inside};
use crate::error::{Result, refuse};
#[cfg(feature = "hdf5")]
use crate::store::hdf5::{Container, Overhead};
use crate::store::{Format, NpzWriter, Packing, Place, Replace};

/// Where array `name` of `target` goes to.
pub(super) fn place(target: &Target, name: &str) -> Target {
    match target {
        Target::Place(place) => Target::Place(Place { path: place.path.clone(), member: Some(name.to_owned()) }),
        Target::DryRun => Target::DryRun,
    }
}

/// A file in the making that takes arrays; it appears whole or not at all.
pub(super) enum Output {
    Npz(Box<RefCell<NpzWriter>>),
    #[cfg(feature = "hdf5")]
    /// And the group that all go into.
    Hdf5(Arc<Container>, String),
    DryRun,
}

impl Output {
    /// Starts `target`. `least` asks for as little as HDF5 can need.
    pub(super) fn start(target: &Target, npz: Packing, replace: Replace, least: bool) -> Result<Self> {
        let Target::Place(place) = target else { return Ok(Output::DryRun) };
        match Format::of_name(&place.path) {
            Some(Format::Npz) => {
                let writer = match &place.member {
                    // Into an archive that is there: all else in it stays.
                    Some(name) if place.path.exists() => add::beside(&place.path, &[name], npz, replace)?,
                    _ => NpzWriter::create(&place.path, npz, replace)?,
                };
                Ok(Output::Npz(Box::new(RefCell::new(writer))))
            }
            #[cfg(feature = "hdf5")]
            Some(Format::Hdf5) => {
                let overhead = if least { Overhead::Least } else { Overhead::Usual };
                let container = match &place.member {
                    // Into a group of a file: all else in it stays.
                    Some(_) if place.path.exists() => Container::open(&place.path)?,
                    // A file that comes into being meanwhile is not replaced.
                    Some(_) => Container::create(&place.path, overhead, Replace::Never)?,
                    None => Container::create(&place.path, overhead, replace)?,
                };
                Ok(Output::Hdf5(Arc::new(container), place.member.clone().unwrap_or_default()))
            }
            #[cfg(not(feature = "hdf5"))]
            Some(Format::Hdf5) => {
                let _ = least;
                refuse!(Unsupported, "{place} is to be HDF5 and this build has none; build with the feature `hdf5`")
            }
            _ => refuse!(
                Usage,
                "{place} cannot hold several arrays; give a name that ends in .npz or .h5, or name one of them"
            ),
        }
    }

    /// The name that an array gets in it.
    pub(super) fn name(&self, found: &Found) -> String {
        let name = plain(&found.name, &found.spec);
        match self {
            #[cfg(feature = "hdf5")]
            Output::Hdf5(_, group) => format!("{}/{name}", group.trim_matches('/')).trim_start_matches('/').to_owned(),
            _ => name,
        }
    }

    /// What takes array `name`; `None` in a dry run.
    pub(super) fn inside<'a>(&'a self, name: &'a str) -> Option<Inside<'a>> {
        match self {
            Output::Npz(npz) => Some(Inside::Npz(Archive::Now(npz), name)),
            #[cfg(feature = "hdf5")]
            Output::Hdf5(container, _) => Some(Inside::Hdf5(container, name)),
            Output::DryRun => None,
        }
    }

    /// The archive that it is.
    pub(super) fn npz(&self) -> Option<&RefCell<NpzWriter>> {
        match self {
            Output::Npz(npz) => Some(npz),
            _ => None,
        }
    }

    /// What the dataset of `found` is called in an HDF5 file, now that `made` of it is known; `None` in others, whose members are held
    /// against their budget one by one.
    pub(super) fn dataset(&self, found: &Found, made: Option<&Member>) -> Option<String> {
        match self {
            #[cfg(feature = "hdf5")]
            Output::Hdf5(..) => {
                let dtype = made.and_then(|m| m.report.output.as_ref()).map_or(found.spec.dtype(), |side| side.dtype);
                Some(crate::engine::hdf5::within(&self.name(found), dtype))
            }
            _ => {
                let _ = (found, made);
                None
            }
        }
    }

    /// Gives the file its name. Its bytes; `None` for a dry run.
    pub(super) fn finish(self, sync: bool) -> Result<Option<u64>> {
        self.finish_if(sync, None::<fn(&Path) -> Result<()>>)
    }

    /// As [`Output::finish`], if `check` allows it: of an HDF5 file, which it can open while that has no name of its own.
    pub(super) fn finish_if(self, sync: bool, check: Option<impl FnOnce(&Path) -> Result<()>>) -> Result<Option<u64>> {
        #[cfg(not(feature = "hdf5"))]
        let _ = check;
        match self {
            Output::Npz(npz) => npz.into_inner().finish(sync).map(Some),
            #[cfg(feature = "hdf5")]
            Output::Hdf5(container, _) => match Arc::into_inner(container) {
                Some(container) => container.finish_if(sync, check).map(Some),
                None => refuse!(Io, "the output is still in use; please report this as a bug"),
            },
            Output::DryRun => Ok(None),
        }
    }
}

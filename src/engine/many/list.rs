//! The arrays of a file, and which of them are taken.

use std::path::Path;

use super::Skipped;
use crate::array::{DType, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{Archive, Opened, Pattern, Place, arrays, is_zip, open, open_in};

/// The group for datasets that cannot stand in the root group: netCDF4-python crashes on float16 there.
pub(in crate::engine) const APART: &str = "packed";
/// Names in a message at most.
const NAMED: usize = 10;

/// The members of a file.
pub(super) struct List {
    from: From,
    /// Names, with what they hold or why that is no array of numbers.
    members: Vec<(String, Result<Spec>)>,
}

enum From {
    Npz(Archive),
    Hdf5(Place),
}

/// An array of the list.
pub(super) struct Found {
    /// Its name, without a leading slash.
    pub(super) name: String,
    /// What the file shows.
    pub(super) spec: Spec,
}

impl List {
    /// The members of the file at `input`.
    pub(super) fn of(input: &Place) -> Result<Self> {
        let path = &input.path;
        if let Some(member) = &input.member {
            return refuse!(Usage, "{input} names one array, {member}; give the file without a name to take all");
        }
        if is_zip(path)? {
            let archive = Archive::open(path)?;
            let mut members: Vec<(String, Result<Spec>)> =
                archive.names().map(|name| (name.to_owned(), archive.spec(name))).collect();
            for name in archive.others() {
                let why = refuse!(
                    Unsupported,
                    "{}, member {name}: it is no .npy file, its bytes do not begin as one does",
                    path.display()
                );
                members.push((name.to_owned(), why));
            }
            return Ok(Self { from: From::Npz(archive), members });
        }
        // Says what is wrong with a file that is none of ours.
        if arrays(path)?.is_empty() {
            open(input)?;
            return refuse!(Usage, "{input} holds one array; --only and --select are for .npz and HDF5 files");
        }
        Ok(Self { from: From::Hdf5(input.clone()), members: datasets(path)? })
    }

    /// Those that `only` names (all, where it is empty), those that are left out, and how many were not asked for.
    pub(super) fn take(&self, only: &[Pattern], skip_others: bool) -> Result<(Vec<Found>, Vec<Skipped>, u64)> {
        let (mut taken, mut skipped, mut not_taken) = (Vec::new(), Vec::new(), 0);
        for (name, what) in &self.members {
            if !only.is_empty() && !only.iter().any(|p| p.matches(name)) {
                not_taken += 1;
                continue;
            }
            match what {
                Ok(spec) => taken.push(Found { name: name.trim_start_matches('/').to_owned(), spec: spec.clone() }),
                Err(e) if e.kind() != ErrorKind::Unsupported => {
                    return Err(Error::new(e.kind(), e.to_string()));
                }
                Err(e) if skip_others => skipped.push(Skipped { name: name.clone(), why: e.to_string() }),
                Err(e) => return refuse!(Unsupported, "{e}; --skip-others leaves such members out"),
            }
        }
        each_matches(only, "--only", &taken)?;
        if taken.is_empty() {
            return refuse!(Usage, "{} holds no array of numbers", self.path().display());
        }
        Ok((taken, skipped, not_taken))
    }

    /// The names of all members, without leading slashes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.trim_start_matches('/'))
    }

    /// Opens one of them.
    pub(super) fn open(&self, found: &Found) -> Result<Opened> {
        match &self.from {
            From::Npz(archive) => open_in(archive, Some(&found.name)),
            From::Hdf5(file) => open(&Place { path: file.path.clone(), member: Some(format!("/{}", found.name)) }),
        }
    }

    pub(super) fn is_archive(&self) -> bool {
        matches!(self.from, From::Npz(_))
    }

    fn path(&self) -> &Path {
        match &self.from {
            From::Npz(archive) => archive.path(),
            From::Hdf5(file) => &file.path,
        }
    }
}

/// Refuses a pattern that no array has: it is misspelt.
pub(super) fn each_matches<'a>(
    patterns: impl IntoIterator<Item = &'a Pattern>,
    flag: &str,
    taken: &[Found],
) -> Result<()> {
    for pattern in patterns {
        if !taken.iter().any(|found| pattern.matches(&found.name)) {
            let mut names: Vec<_> = taken.iter().take(NAMED).map(|f| f.name.as_str()).collect();
            if taken.len() > NAMED {
                names.push("…");
            }
            return refuse!(Usage, "{flag} '{pattern}' matches no array; there are {}", names.join(", "));
        }
    }
    Ok(())
}

/// What array `name` of a file is called outside of it: without the group that float16 datasets are put into, since they cannot
/// stand in the root group.
pub(super) fn plain(name: &str, shown: &Spec) -> String {
    let name = name.trim_start_matches('/');
    let name = name.strip_suffix(".npy").unwrap_or(name);
    let apart = name.strip_prefix(APART).and_then(|rest| rest.strip_prefix('/'));
    match apart {
        Some(rest) if shown.dtype() == DType::F16 && !rest.contains('/') => rest.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(feature = "hdf5")]
fn datasets(path: &Path) -> Result<Vec<(String, Result<Spec>)>> {
    crate::store::hdf5::list(path)
}

#[cfg(not(feature = "hdf5"))]
fn datasets(_: &Path) -> Result<Vec<(String, Result<Spec>)>> {
    Ok(Vec::new())
}

//! What may be lost: limits on figures, allowed class changes, limits by slice; and the verdict on a comparison.

mod file;
#[cfg(test)]
mod file_tests;
mod near;
mod schema;
mod scope;
mod sentence;
mod start;
mod text;
#[cfg(test)]
mod traps;
mod verdict;

use std::collections::BTreeMap;

use super::class::Class;
use super::figure::{Effort, Figure};
use crate::error::{Result, refuse};

pub use near::nearest;
pub use scope::Scope;
pub use start::Start;
pub use verdict::{Criterion, Outcome, judge, worst};

/// What may be lost of one array.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Limits on figures: the most or the least, as [`Figure::direction`] says.
    pub figures: BTreeMap<Figure, f64>,
    /// Class changes that are allowed, each with how many; every other class fails the budget at its first occurrence.
    pub allow: BTreeMap<Class, u64>,
    /// Limits that hold for each slice along an axis by itself.
    pub slices: Vec<SliceLimit>,
    /// Originals of at most this magnitude have no relative error; 0 by default.
    pub rel_floor: Option<f64>,
    /// The relative error above which a pair counts for [`Figure::SpatialRel`]; 1e-4 by default.
    pub spatial_tol: Option<f64>,
}

/// A limit that holds for each slice along an axis by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceLimit {
    /// The axis; negative from the end, as NumPy counts.
    pub axis: i64,
    /// One of [`SliceLimit::FIGURES`].
    pub figure: Figure,
    /// The most that is allowed.
    pub limit: f64,
}

impl SliceLimit {
    /// The figures that are measured for each slice.
    pub const FIGURES: &'static [Figure] = &[Figure::MaxAbs, Figure::Rmse];
}

impl Limits {
    /// As many changes of a class as there are.
    pub const ANY: u64 = u64::MAX;

    /// Sets the limit on `figure`, in place of one that is set already.
    ///
    /// Refused ([`Usage`](crate::ErrorKind::Usage)) outside of [`Scope::of`] the figure: a limit that nothing can break,
    /// that nothing can keep, or NaN.
    pub fn set(&mut self, figure: Figure, limit: f64) -> Result<()> {
        Scope::of(figure).check(figure, limit)?;
        self.figures.insert(figure, limit);
        Ok(())
    }

    /// Sets a limit that each slice along `axis` must keep by itself.
    ///
    /// Refused ([`Usage`](crate::ErrorKind::Usage)) for a figure that is not measured by slice, for a limit that cannot be
    /// one, and for a second limit on the same figure of the same axis.
    pub fn set_slice(&mut self, slice: SliceLimit) -> Result<()> {
        let SliceLimit { axis, figure, limit } = slice;
        if !SliceLimit::FIGURES.contains(&figure) {
            return refuse!(
                Usage,
                "{figure} is not measured slice by slice, only {} are; limit it for the whole array",
                names(SliceLimit::FIGURES.iter().map(|f| f.name()))
            );
        }
        Scope::of(figure).check(figure, limit)?;
        if let Some(other) = self.slices.iter().find(|s| s.axis == axis && s.figure == figure) {
            return refuse!(
                Usage,
                "the slices of axis {axis} have two limits on {figure}, {} and {}; keep one of them",
                number(other.limit),
                number(limit)
            );
        }
        self.slices.push(slice);
        Ok(())
    }

    /// Allows up to `count` changes of `class`; [`Limits::ANY`] for as many as there are.
    pub fn set_allow(&mut self, class: Class, count: u64) {
        self.allow.insert(class, count);
    }

    /// Sets the magnitude up to which originals have no relative error. Refused unless finite and at least 0.
    pub fn set_rel_floor(&mut self, floor: f64) -> Result<()> {
        self.rel_floor = Some(magnitude("rel_floor", floor)?);
        Ok(())
    }

    /// Sets the tolerance of [`Figure::SpatialRel`]. Refused unless finite and at least 0.
    pub fn set_spatial_tol(&mut self, tolerance: f64) -> Result<()> {
        self.spatial_tol = Some(magnitude("spatial_tol", tolerance)?);
        Ok(())
    }

    /// Whether no size of error would be too large: no figure and no slice has a limit. Nothing can pass such limits.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.slices.is_empty()
    }

    /// What has to be measured to judge by these limits: the most that one of them needs.
    pub fn effort(&self) -> Effort {
        let slices = if self.slices.is_empty() { Effort::Loss } else { Effort::Tiles };
        self.figures.keys().map(|figure| figure.effort()).fold(slices, Effort::max)
    }
}

/// What may be lost of a file: a budget file, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    /// Why these limits: shown in reports.
    pub note: Option<String>,
    /// Who set them: shown in reports.
    pub author: Option<String>,
    /// For arrays that have no limits of their own.
    pub limits: Limits,
    /// Limits of named arrays, which replace `limits` for them.
    pub arrays: BTreeMap<String, Limits>,
}

impl From<Limits> for Budget {
    /// The same limits for every array, without a note: limits from a command line.
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

impl Budget {
    /// The limits that hold for array `name`.
    pub fn of(&self, name: Option<&str>) -> &Limits {
        name.map(plain)
            .and_then(|n| self.arrays.iter().find(|(k, _)| plain(k) == n))
            .map_or(&self.limits, |(_, limits)| limits)
    }

    /// Refuses ([`Usage`](crate::ErrorKind::Usage)) if an array of the budget is none of `names`, those of the files.
    ///
    /// A limit on an array that is not there would be kept by nothing at all: a misspelled name would leave the array
    /// that was meant under the limits of all others.
    pub fn check_names<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let names: Vec<&str> = names.into_iter().map(plain).collect();
        match self.arrays.keys().find(|key| !names.contains(&plain(key))) {
            None => Ok(()),
            Some(key) => {
                let remedy = near::remedy(plain(key), &names, "the files hold");
                refuse!(Usage, "the budget has limits for array {key:?}, which is not in the files; {remedy}")
            }
        }
    }
}

/// An array's name without HDF5's leading slash.
fn plain(name: &str) -> &str {
    name.trim_start_matches('/')
}

fn magnitude(key: &str, x: f64) -> Result<f64> {
    if x.is_finite() && x >= 0.0 {
        return Ok(x);
    }
    refuse!(Usage, "{key} = {} is not a magnitude; give a finite number of at least 0", number(x))
}

/// A number as budget files write it: the fewest digits that read back as the same.
fn number(x: f64) -> String {
    if x.is_nan() { "nan".to_owned() } else { crate::array::Scalar::Float(x).to_string() }
}

/// A list of words for a message.
fn names<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_is_no_more_than_the_limits_need() {
        let mut limits = Limits::default();
        assert_eq!(limits.effort(), Effort::Loss);
        limits.set(Figure::MaxAbs, 1.0).unwrap();
        assert_eq!(limits.effort(), Effort::Loss);
        limits.set(Figure::Psnr, 80.0).unwrap();
        assert_eq!(limits.effort(), Effort::Pairs);
        limits.set_slice(SliceLimit { axis: 0, figure: Figure::Rmse, limit: 1.0 }).unwrap();
        assert_eq!(limits.effort(), Effort::Tiles);
        limits.set(Figure::Iou, 1.0).unwrap();
        assert_eq!(limits.effort(), Effort::Matrices);
    }

    #[test]
    fn an_array_named_with_or_without_the_leading_slash_has_its_own_limits() {
        let mut own = Limits::default();
        own.set(Figure::Rmse, 0.5).unwrap();
        let budget = Budget { arrays: BTreeMap::from([("/a/b".to_owned(), own.clone())]), ..Budget::default() };
        assert_eq!(budget.of(Some("a/b")), &own);
        assert_eq!(budget.of(Some("/a/b")), &own);
        assert_eq!(budget.of(Some("c")), &Limits::default());
        assert_eq!(budget.of(None), &Limits::default());
    }

    #[test]
    fn limits_on_an_array_that_is_not_there_are_refused_with_the_nearest_name() {
        let budget =
            Budget { arrays: BTreeMap::from([("temprature".to_owned(), Limits::default())]), ..Budget::default() };
        let error = budget.check_names(["temperature", "/pressure"]).unwrap_err().to_string();
        assert!(error.contains("did you mean \"temperature\""), "{error}");
        assert!(budget.check_names(["/temprature"]).is_ok());
    }

    #[test]
    fn a_second_limit_on_the_same_slices_is_refused_with_both_values() {
        let mut limits = Limits::default();
        limits.set_slice(SliceLimit { axis: 0, figure: Figure::Rmse, limit: 1.0 }).unwrap();
        let error = limits.set_slice(SliceLimit { axis: 0, figure: Figure::Rmse, limit: 2.0 }).unwrap_err().to_string();
        assert!(error.contains('1') && error.contains('2') && error.contains("keep one"), "{error}");
        assert!(limits.set_slice(SliceLimit { axis: 0, figure: Figure::Ssim, limit: 0.9 }).is_err());
        assert!(limits.set_rel_floor(-1.0).is_err() && limits.set_spatial_tol(f64::NAN).is_err());
    }
}

//! Which steps an array of a bundle goes through, by its name, and what became of it.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::array::{DType, Scalar, Spec};
use crate::coding::{Coding, CodingAsk, Effort};
use crate::engine::{PackAsk, Pattern};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::metric::LossRecord;
use crate::recipe::Record;
use crate::transform::{Ask, Fill, Step};

/// What is done with an array before it is bundled; nothing unless told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BundleSteps {
    /// The steps in the order in which they run.
    pub asks: Vec<Ask>,
    /// The value that marks missing data.
    pub fill: Option<Fill>,
    /// What coding may change, in HDF5 bundles.
    pub coding: Option<CodingAsk>,
}

/// Steps for the arrays whose names match.
///
/// ```no_run
/// use ndcompact::collect::bundle::{BundleGroup, BundleOptions, BundleSteps, bundle};
/// use ndcompact::transform::{Ask, BitPackAsk};
///
/// let bits = BundleSteps { asks: vec![Ask::BitPack(BitPackAsk::default())], ..BundleSteps::default() };
/// let masks = BundleGroup { patterns: vec!["*/mask".parse()?], steps: bits };
/// let options = BundleOptions { groups: vec![masks], ..BundleOptions::default() };
/// for array in bundle(&["runs".into()], "runs.tar.zst".as_ref(), &options)?.packed {
///     println!("{}: {} -> {} bytes, {} values changed", array.name, array.array_bytes, array.packed_bytes, array.loss.changed);
/// }
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BundleGroup {
    /// An array belongs to the group if one of these matches its name.
    pub patterns: Vec<Pattern>,
    /// What is done with it.
    pub steps: BundleSteps,
}

/// What became of an array that went through steps or a bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledArray {
    /// Its name.
    pub name: String,
    /// The pattern that chose its steps; `None` where none did.
    pub select: Option<String>,
    /// Its dtype.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<u64>,
    /// The dtype after the steps.
    pub packed_dtype: DType,
    /// The shape after the steps.
    pub packed_shape: Vec<u64>,
    /// The steps, with all parameters.
    pub steps: Vec<Step>,
    /// What coding may change after them, where a bound was given.
    pub coding: Option<Coding>,
    /// Bytes of its elements.
    pub array_bytes: u64,
    /// Bytes of its elements after the steps.
    pub packed_bytes: u64,
    /// Whether the same bits come back.
    pub exact: bool,
    /// Original against restored, over every element.
    pub loss: LossRecord,
}

/// What a piece of an array that was packed on the way in is to be known by.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) report: BundledArray,
    /// What was asked of the coding; `None` where nothing was.
    pub(super) ask: Option<CodingAsk>,
    #[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "only coded chunks keep it apart"))]
    pub(super) fill: Option<Fill>,
}

impl BundleSteps {
    /// Whether the array stays as it is.
    pub fn is_none(&self) -> bool {
        self.asks.is_empty() && self.coding.is_none()
    }

    pub(super) fn ask(&self) -> PackAsk<'_> {
        PackAsk { asks: &self.asks, fill: self.fill, coding: self.coding.as_ref() }
    }
}

/// Steps and a coding in a few words: `triangle, cast, max abs 1e-3`; empty where there is none.
pub(super) fn words(steps: &[Step], coding: Option<&CodingAsk>) -> String {
    let names = steps.iter().map(|s| s.name().to_owned());
    names.chain(coding.iter().flat_map(|c| limits(c))).collect::<Vec<_>>().join(", ")
}

/// The limits of a coding, each in words.
pub(super) fn limits(ask: &CodingAsk) -> Vec<String> {
    let all = [
        ("max abs", ask.max_abs),
        ("max rel", ask.max_rel),
        ("rel floor", ask.rel_floor),
        ("max range rel", ask.max_range_rel),
        ("psnr", ask.psnr),
    ];
    let mut words: Vec<String> =
        all.iter().filter_map(|(name, limit)| limit.map(|x| format!("{name} {}", Scalar::Float(x)))).collect();
    if ask.effort != Effort::default() {
        words.push(format!("effort {}", ask.effort));
    }
    words
}

/// The error of an array that its steps do not take, with the remedy.
pub(super) fn unfit(name: &str, e: Error) -> Error {
    match e.kind() {
        ErrorKind::Recipe | ErrorKind::Refused | ErrorKind::Usage => {
            e.at(format!("{name} (--select '{name}' and what follows it choose other steps for it, or none)"))
        }
        _ => e.at(name),
    }
}

impl Packed {
    /// Of the array called `name`, which `select` chose `steps` for.
    pub(super) fn new(
        name: &str,
        select: Option<String>,
        steps: &BundleSteps,
        record: &Record,
        packed: &Spec,
        coding: Option<Coding>,
    ) -> Result<Self> {
        let Some(loss) = record.loss.clone() else {
            return refuse!(Recipe, "{name}: what its steps lost is not known");
        };
        if coding.is_some_and(|c| !c.bound.is_lossless()) && !record.pipeline()?.is_exact() {
            // What both lose could only be told by undoing both once more.
            return refuse!(
                Usage,
                "{name}: a bundle does not add up what a tolerance and a bound lose; leave --symmetry-tol out, or the bound"
            );
        }
        let original = record.shown()?;
        let report = BundledArray {
            name: name.to_owned(),
            select,
            dtype: original.dtype(),
            shape: original.shape().to_vec(),
            packed_dtype: packed.dtype(),
            packed_shape: packed.shape().to_vec(),
            steps: record.steps.clone(),
            coding,
            array_bytes: original.bytes(),
            packed_bytes: packed.bytes(),
            exact: record.is_exact()? && coding.is_none_or(|c| c.bound.is_lossless()),
            loss,
        };
        Ok(Self { report, ask: steps.coding, fill: steps.fill })
    }
}

/// The groups of a run, and which of their patterns some array has met.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    common: &'a BundleSteps,
    groups: &'a [BundleGroup],
    met: Vec<AtomicBool>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(common: &'a BundleSteps, groups: &'a [BundleGroup]) -> Self {
        let patterns = groups.iter().map(|g| g.patterns.len()).sum();
        Self { common, groups, met: std::iter::repeat_with(AtomicBool::default).take(patterns).collect() }
    }

    /// The steps of the array called `name`, and the pattern that chose them; `None` where it stays as it is. Of several groups that
    /// have it, the last one counts.
    pub(super) fn of(&self, name: &str) -> Option<(&'a BundleSteps, Option<String>)> {
        let (mut chosen, mut number) = ((self.common, None), 0);
        for group in self.groups {
            let mut first = None;
            for pattern in &group.patterns {
                if pattern.matches(name) {
                    self.met[number].store(true, Ordering::Relaxed);
                    first = first.or(Some(pattern));
                }
                number += 1;
            }
            if let Some(pattern) = first {
                chosen = (&group.steps, Some(pattern.to_string()));
            }
        }
        Some(chosen).filter(|(steps, _)| !steps.is_none())
    }

    /// Which patterns have been met, and those that were met by an interrupted run.
    pub(super) fn met(&self) -> Vec<bool> {
        self.met.iter().map(|m| m.load(Ordering::Relaxed)).collect()
    }

    pub(super) fn have_met(&self, before: &[bool]) {
        for (met, before) in self.met.iter().zip(before) {
            met.fetch_or(*before, Ordering::Relaxed);
        }
    }

    /// Refuses a pattern that no array has: it is misspelt.
    pub(super) fn each_matches(&self) -> Result<()> {
        let patterns = self.groups.iter().flat_map(|g| &g.patterns);
        match patterns.zip(&self.met).find(|(_, met)| !met.load(Ordering::Relaxed)) {
            Some((pattern, _)) => refuse!(
                Usage,
                "--select '{pattern}' matches no array; names are those that compact list shows, without .npy (* stands for folders too)"
            ),
            None => Ok(()),
        }
    }

    /// All that is asked for, as it is compared when an interrupted run goes on.
    pub(super) fn told(&self) -> String {
        let one = |steps: &BundleSteps| format!("{:?} {:?} {:?}", steps.asks, steps.fill, steps.coding);
        let groups = self.groups.iter().map(|g| {
            let patterns: Vec<String> = g.patterns.iter().map(ToString::to_string).collect();
            format!(" --select {patterns:?} {}", one(&g.steps))
        });
        std::iter::once(one(self.common)).chain(groups).collect()
    }
}

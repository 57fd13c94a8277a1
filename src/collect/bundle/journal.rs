//! What an interrupted bundle leaves beside its finished volumes, so that the same command goes on after them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::choice::{BundledArray, Choice};
use super::index::{self, Format, Index};
use super::make::How;
use super::rows::Rows;
use super::run::Skipped;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{self, Found, Replace, Stretch};

/// The journal of one output.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    format: Format,
    level: u8,
    target_size: u64,
    /// Steps, bounds, patterns and codec, to be compared.
    steps: String,
}

/// What must be the same when the run goes on.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    level: u8,
    target_size: u64,
    steps: String,
    fed: u64,
    skipped: Skipped,
    /// What became of arrays that went through steps.
    reports: BTreeMap<u64, BundledArray>,
    /// Which patterns some array has met.
    met: Vec<bool>,
    /// Path, bytes, time of change of each input.
    inputs: Vec<(String, u64, i64)>,
}

/// What an interrupted run has done.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The rows of its finished volumes.
    pub(super) rows: Rows,
    /// How many arrays and members these took from the inputs.
    pub(super) fed: u64,
    /// What was passed over.
    pub(super) skipped: Skipped,
    /// Which patterns some array has met.
    pub(super) met: Vec<bool>,
}

fn input(f: &Found) -> (String, u64, i64) {
    (f.path.display().to_string(), f.size, f.changed)
}

impl Journal {
    pub(super) fn new(output: &Path, stem: &str, how: How<'_>, target_size: u64, steps: String) -> Self {
        let path = output.with_file_name(format!("{stem}.partial"));
        Self { path, format: how.format, level: how.level, target_size, steps }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What an interrupted run has done; `None` where nothing was interrupted.
    pub(super) fn load(&self, found: &[Found], replace: Replace) -> Result<Option<Loaded>> {
        let shown = self.path.display();
        if !self.path.exists() {
            return Ok(None);
        }
        let loaded = self.compare(found);
        match (loaded, replace) {
            (Ok(loaded), _) => Ok(Some(loaded)),
            (Err(_), Replace::Allowed) => {
                self.remove();
                Ok(None)
            }
            (Err(e), Replace::Never) => {
                refuse!(Refused, "{shown} is left from an interrupted run that cannot go on: {e}; --force begins anew")
            }
        }
    }

    fn compare(&self, found: &[Found]) -> Result<Loaded> {
        let index = Index::open(&self.path)?;
        let Some(state) = index.resume.clone() else { return refuse!(Corrupt, "it is the index of a whole bundle") };
        let state: State =
            serde_json::from_value(state).map_err(|e| Error::new(ErrorKind::Corrupt, format!("it is damaged: {e}")))?;
        if index.format != self.format || state.level != self.level || state.target_size != self.target_size {
            return refuse!(
                Refused,
                "it made {} at level {} in volumes of {} bytes, and now {} at level {} in {} is asked for",
                index.format.name(),
                state.level,
                state.target_size,
                self.format.name(),
                self.level,
                self.target_size
            );
        }
        if state.steps != self.steps {
            return refuse!(
                Refused,
                "it had other steps, bounds, patterns or another codec than are asked for now; give the same ones"
            );
        }
        for (then, now) in state.inputs.iter().zip(found) {
            let now = input(now);
            if *then != now {
                let what = if then.0 == now.0 { "was changed" } else { "is another, or they come in another order" };
                return refuse!(Refused, "the input {} {what}", now.0);
            }
        }
        if state.inputs.len() != found.len() {
            return refuse!(Refused, "there were {} inputs and are {} now", state.inputs.len(), found.len());
        }
        for volume in &index.volumes {
            let path = self.path.with_file_name(&volume.file);
            if Stretch::open(&path)?.sign()? != volume.sign() {
                return refuse!(Refused, "the volume {} was changed", path.display());
            }
        }
        let mut rows = index.rows()?;
        rows.reports = state.reports;
        Ok(Loaded { rows, fed: state.fed, skipped: state.skipped, met: state.met })
    }

    /// Notes that `rows` are in finished volumes.
    pub(super) fn save(
        &self,
        found: &[Found],
        rows: &Rows,
        fed: u64,
        skipped: &Skipped,
        choice: &Choice<'_>,
    ) -> Result<()> {
        let state = State {
            level: self.level,
            target_size: self.target_size,
            steps: self.steps.clone(),
            fed,
            skipped: skipped.clone(),
            reports: rows.reports.clone(),
            met: choice.met(),
            inputs: found.iter().map(input).collect(),
        };
        let state = serde_json::to_value(state)
            .map_err(|e| Error::new(ErrorKind::Io, format!("the journal cannot be written as JSON: {e}")))?;
        index::write(&self.path, self.format, rows, Some(state), Replace::Allowed, false).map(drop)
    }

    pub(super) fn remove(&self) {
        // One that stays is compared with its inputs and volumes before it is believed.
        store::forget(&self.path);
    }
}

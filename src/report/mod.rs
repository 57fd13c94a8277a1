//! The report of a comparison as data, and its written forms: one file of code a form.
//!
//! The forms know nothing of files, threads or terminals: each is a function from a [`Document`] to text.

pub mod csv;
#[cfg(test)]
mod fixture;
mod form;
#[cfg(feature = "report")]
mod html;
mod json;
mod junit;
mod markdown;
pub(crate) mod number;
mod run;
#[cfg(test)]
mod schema;
mod text;

use serde::Serialize;

use crate::metric::{Comparison, Criterion, Number, Outcome};
use crate::recipe::Record;

pub use form::Form;
pub use run::{CodingReport, Side, StepReport, bound_words};

/// The version of the JSON form. Keys may be added under the same number; none changes its meaning.
pub const REPORT_FORMAT: u32 = 1;

/// Original against restored, for one pair of files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// [`REPORT_FORMAT`].
    pub ndcompact_report: u32,
    /// The program and its version.
    pub tool: String,
    /// The command line that made the report, where there was one.
    pub command: Option<String>,
    /// The worst outcome of all arrays; `None` without a budget.
    pub verdict: Option<Outcome>,
    /// The budget that was held against.
    pub budget: Option<BudgetNote>,
    /// Arrays of files with several that were not compared: only one file has them, or the budget has no limits for them.
    pub not_compared: Vec<String>,
    /// The arrays that were compared.
    pub arrays: Vec<ArrayReport>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What a budget says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BudgetNote {
    /// The budget file, if it came from one.
    pub source: Option<String>,
    /// Why these limits.
    pub note: Option<String>,
    /// Who set them.
    pub author: Option<String>,
}

/// One array: what it is, what was lost, and whether that is allowed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArrayReport {
    /// Its name in files of several arrays.
    pub name: Option<String>,
    /// The original.
    pub original: Side,
    /// SHA-256 of the original's file, as `sha256sum` prints it.
    pub sha256: Option<String>,
    /// The compacted file.
    pub compacted: Side,
    /// Bytes of the original's elements over the stored bytes of the compacted.
    pub ratio: f64,
    /// The record in the compacted file; `None` for an ordinary array.
    pub record: Option<Record>,
    /// The worst outcome of all criteria; `None` without a budget.
    pub verdict: Option<Outcome>,
    /// Each limit and what was measured.
    pub criteria: Vec<Criterion>,
    /// What each step lost by itself, from the intermediate arrays.
    pub steps: Vec<StepReport>,
    /// Why there are no steps though there is a record.
    pub steps_note: Option<String>,
    /// The sum of the steps' bounds, where every step has one.
    pub bound: Option<Number>,
    /// Everything the comparison found.
    pub comparison: Comparison,
}

impl Document {
    /// All criteria of all arrays, each with its array.
    pub fn criteria(&self) -> impl Iterator<Item = (&ArrayReport, &Criterion)> {
        self.arrays.iter().flat_map(|a| a.criteria.iter().map(move |c| (a, c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_every_report_is_text_that_ends_its_last_line() {
        // Where the environment names a folder, the forms are left there: for eyes, and for checks by other programs.
        let folder = std::env::var_os("NDCOMPACT_REPORTS").map(std::path::PathBuf::from);
        for (name, document) in fixture::all() {
            for form in Form::ALL.iter().filter(|form| cfg!(feature = "report") || **form != Form::Html) {
                let text = form.write(document).unwrap();
                assert!(text.ends_with('\n') && text.trim_end().len() + 1 == text.len(), "{name} as {form}");
                if let Some(folder) = &folder {
                    let file = folder.join(format!("{name}.{}", form.extensions()[0]));
                    std::fs::write(&file, &text).unwrap();
                }
            }
        }
    }

    #[cfg(feature = "report")]
    #[test]
    #[allow(clippy::print_stderr, reason = "a test that is skipped should say so")]
    fn pages_render_in_a_browser_without_a_complaint_or_a_request() {
        use std::process::Command;
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = root.join(".venv/bin/python");
        let python = if own.exists() { own } else { "python3".into() };
        let folder = tempfile::tempdir().unwrap();
        let pages: Vec<_> = fixture::all()
            .iter()
            .map(|(name, document)| {
                let page = folder.path().join(format!("{name}.html"));
                std::fs::write(&page, Form::Html.write(document).unwrap()).unwrap();
                page
            })
            .collect();
        let done = Command::new(python).arg(root.join("tests/interop/page_in_browser.py")).args(pages).output();
        let required = std::env::var_os("NDCOMPACT_REQUIRE_BROWSER").is_some();
        match done {
            Err(e) => assert!(!required, "no Python: {e}"),
            Ok(done) => {
                let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
                assert!(done.status.success(), "{out}{err}");
                eprint!("{out}");
            }
        }
    }
}

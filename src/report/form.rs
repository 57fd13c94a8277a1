//! The written forms, and which of them a file's name asks for.

use std::fmt;
use std::path::Path;

use super::{Document, csv, json, junit, markdown};
use crate::error::Result;

/// A written form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One page for reviewers, with pictures: a single file that needs no network and runs no script.
    Html,
    /// For a comment on a pull request.
    Markdown,
    /// Everything, with stable keys; `docs/schema/report.schema.json` describes it.
    Json,
    /// One row an array, fixed columns.
    Csv,
    /// JUnit XML as CI servers read it: one test case a criterion.
    JUnit,
}

impl Form {
    /// Every form.
    pub const ALL: &'static [Form] = &[Form::Html, Form::Markdown, Form::Json, Form::Csv, Form::JUnit];

    /// What a file's name may end in to ask for this form, the usual one first.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Form::Html => &["html", "htm"],
            Form::Markdown => &["md"],
            Form::Json => &["json"],
            Form::Csv => &["csv"],
            Form::JUnit => &["xml"],
        }
    }

    /// The form that a file's name asks for by its extension, in either case; `None` if it asks for none of them.
    ///
    /// ```
    /// use ndcompact::report::Form;
    /// assert_eq!(Form::of_name("out/Report.HTML"), Some(Form::Html));
    /// assert_eq!(Form::of_name("report.txt"), None);
    /// ```
    pub fn of_name(name: impl AsRef<Path>) -> Option<Form> {
        let extension = name.as_ref().extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.iter().copied().find(|form| form.extensions().contains(&extension.as_str()))
    }

    /// The report in this form, ending in a line feed.
    ///
    /// The HTML page stays under 2 MB and the Markdown under 60,000 characters however many arrays, axes and limits there
    /// are: what is left out is said. The other forms leave nothing out. [`Form::Html`] is refused as unsupported where the
    /// library was built without the feature `report`.
    pub fn write(self, document: &Document) -> Result<String> {
        match self {
            #[cfg(feature = "report")]
            Form::Html => super::html::page(document),
            #[cfg(not(feature = "report"))]
            Form::Html => crate::error::refuse!(
                Unsupported,
                "this program was built without HTML reports; build it with the feature `report`, or ask for .md or .json"
            ),
            Form::Markdown => Ok(markdown::comment(document)),
            Form::Json => json::text(document),
            Form::Csv => Ok(csv::header()? + &csv::rows(document)?),
            Form::JUnit => junit::suites(document),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Html => "HTML",
            Form::Markdown => "Markdown",
            Form::Json => "JSON",
            Form::Csv => "CSV",
            Form::JUnit => "JUnit XML",
        })
    }
}

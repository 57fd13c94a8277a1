//! The CSV form: one row an array under fixed columns, so that the rows of many runs make one table.

use csv::WriterBuilder;

use super::{ArrayReport, Document, text};
use crate::error::{Error, ErrorKind, Result};
use crate::metric::{Class, Description, Figure, Outcome};

/// A column: its name and what stands in it.
type Column = (String, Field);

/// What stands in a column, for an array.
type Field = Box<dyn Fn(&Document, &ArrayReport) -> String>;

/// One of the two arrays by itself, and what its columns' names begin with.
type Half = (&'static str, fn(&ArrayReport) -> &Description);

/// The header line with its line feed: the same for every report of this version.
pub fn header() -> Result<String> {
    line(columns().into_iter().map(|(name, _)| name))
}

/// One line an array, without the header.
///
/// Quoted as RFC 4180 says, lines ending in a line feed. Numbers have all their digits, so that they read back as the same
/// doubles; an undefined figure is an empty field, an infinite one `inf` or `-inf`.
pub fn rows(document: &Document) -> Result<String> {
    let columns = columns();
    let row = |array| line(columns.iter().map(|(_, field)| field(document, array)));
    document.arrays.iter().map(row).collect()
}

/// Whether rows can be appended to a file that starts with the line `first`: whether its columns are ours.
///
/// ```
/// use ndcompact::report::csv;
/// assert!(csv::fits(&csv::header()?)?);
/// assert!(!csv::fits("name,max_abs")?);
/// # Ok::<(), ndcompact::Error>(())
/// ```
pub fn fits(first: &str) -> Result<bool> {
    let plain = first.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
    Ok(plain == header()?.trim_end())
}

fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |name: &str, field: Field| {
        columns.push((name.to_owned(), field));
    };
    add("report_format", Box::new(|d, _| d.ndcompact_report.to_string()));
    add("tool", Box::new(|d, _| d.tool.clone()));
    add("array", Box::new(|_, a| a.name.clone().unwrap_or_default()));
    add("original", Box::new(|_, a| a.original.place.clone()));
    add("compacted", Box::new(|_, a| a.compacted.place.clone()));
    add("verdict", Box::new(|_, a| verdict(a.verdict).to_owned()));
    add("criteria", Box::new(|_, a| a.criteria.len().to_string()));
    add("failed", Box::new(|_, a| text::with_outcome(a, Outcome::Failed).count().to_string()));
    add("unknown", Box::new(|_, a| text::with_outcome(a, Outcome::Unknown).count().to_string()));
    add("sha256", Box::new(|_, a| a.sha256.clone().unwrap_or_default()));
    add("dtype", Box::new(|_, a| a.original.dtype.to_string()));
    add("shape", Box::new(|_, a| dims(&a.original.shape)));
    add("compacted_dtype", Box::new(|_, a| a.compacted.dtype.to_string()));
    add("compacted_shape", Box::new(|_, a| dims(&a.compacted.shape)));
    add("array_bytes", Box::new(|_, a| a.original.array_bytes.to_string()));
    add("original_stored_bytes", Box::new(|_, a| a.original.stored_bytes.to_string()));
    add("compacted_stored_bytes", Box::new(|_, a| a.compacted.stored_bytes.to_string()));
    add("ratio", Box::new(|_, a| number(a.ratio)));
    add("recipe", Box::new(|_, a| text::recipe_names(a)));
    add("bound", Box::new(|_, a| a.bound.map(|b| number(b.0)).unwrap_or_default()));
    add("count", Box::new(|_, a| a.comparison.count.to_string()));
    add("pairs", Box::new(|_, a| a.comparison.pairs.to_string()));
    add("changed", Box::new(|_, a| a.comparison.changed.to_string()));
    add("nan_payload", Box::new(|_, a| a.comparison.nan_payload.to_string()));
    add("rel_skipped", Box::new(|_, a| a.comparison.rel_skipped.to_string()));
    for figure in Figure::ALL {
        add(figure.name(), Box::new(|_, a| number(a.comparison.figures.get(*figure))));
    }
    for class in Class::ALL {
        add(class.name(), Box::new(|_, a| a.comparison.class(*class).map_or(0, |row| row.count).to_string()));
    }
    let sides: [Half; 2] = [("original", |a| &a.comparison.original), ("restored", |a| &a.comparison.restored)];
    for (side, of) in sides {
        add(&format!("{side}_min"), Box::new(move |_, a| number(of(a).min.0)));
        add(&format!("{side}_max"), Box::new(move |_, a| number(of(a).max.0)));
        add(&format!("{side}_mean"), Box::new(move |_, a| number(of(a).mean.0)));
        add(&format!("{side}_std"), Box::new(move |_, a| number(of(a).std.0)));
        add(&format!("{side}_nan"), Box::new(move |_, a| of(a).nan.to_string()));
        add(&format!("{side}_inf"), Box::new(move |_, a| (of(a).pos_inf + of(a).neg_inf).to_string()));
    }
    columns
}

/// The outcome as in JSON; nothing without a budget.
fn verdict(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "passed",
        Some(Outcome::Unknown) => "unknown",
        Some(Outcome::Failed) => "failed",
        None => "",
    }
}

/// `480x480`: no comma, so that spreadsheets leave it whole.
fn dims(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join("x")
}

fn number(x: f64) -> String {
    match x {
        x if x.is_nan() => String::new(),
        x if x == 0.0 || x.is_infinite() || (1e-5..1e16).contains(&x.abs()) => x.to_string(),
        x => format!("{x:e}"),
    }
}

fn line(fields: impl Iterator<Item = String>) -> Result<String> {
    let bad = |e: String| Error::new(ErrorKind::Unsupported, format!("the report cannot be written as CSV: {e}"));
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(fields).map_err(|e| bad(e.to_string()))?;
    let bytes = writer.into_inner().map_err(|e| bad(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Form, fixture};

    #[test]
    fn every_row_has_every_column_and_reads_back() {
        for (name, document) in fixture::all() {
            let text = Form::Csv.write(document).unwrap();
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            let header = reader.headers().unwrap().clone();
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), document.arrays.len(), "{name}");
            let at = |column: &str| header.iter().position(|h| h == column).unwrap();
            for (row, array) in rows.iter().zip(&document.arrays) {
                assert_eq!(&row[at("original")], array.original.place);
                for figure in Figure::ALL {
                    let (field, value) = (&row[at(figure.name())], array.comparison.figures.get(*figure));
                    match field {
                        "" => assert!(value.is_nan(), "{name} {figure}"),
                        field => {
                            assert_eq!(field.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{name} {figure}")
                        }
                    }
                }
                for class in Class::ALL {
                    assert_eq!(row[at(class.name())], array.comparison.class(*class).unwrap().count.to_string());
                }
            }
        }
    }

    #[test]
    fn column_names_are_unlike_and_rows_of_one_report_go_under_the_header_of_another() {
        let header = header().unwrap();
        let mut names: Vec<_> = header.trim_end().split(',').collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for first in [header.clone(), format!("\u{feff}{}\r\n", header.trim_end())] {
            assert!(fits(&first).unwrap());
        }
        assert!(!fits(header.trim_end().trim_end_matches("restored_inf")).unwrap());
    }
}

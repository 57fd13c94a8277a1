//! JUnit XML as Jenkins, GitLab and GitHub read it: one suite an array, one test case a criterion.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{ArrayReport, Document, number, text};
use crate::error::{Error, ErrorKind, Result};
use crate::metric::{Criterion, Direction, Outcome};

/// Test cases of a suite by how they ended.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(array: &ArrayReport) -> Self {
        let (failures, errors) =
            (text::with_outcome(array, Outcome::Failed).count(), text::with_outcome(array, Outcome::Unknown).count());
        match (array.criteria.len(), array.verdict) {
            // A suite without a case looks to CI servers as if the step had not run.
            (0, None) => Self { tests: 1, skipped: 1, ..Self::default() },
            (0, Some(Outcome::Passed)) => Self { tests: 1, ..Self::default() },
            (0, Some(_)) => Self { tests: 1, errors: 1, ..Self::default() },
            (tests, _) => Self { tests, failures, errors, skipped: 0 },
        }
    }
}

/// The XML document.
pub(super) fn suites(document: &Document) -> Result<String> {
    let bad = |e: String| Error::new(ErrorKind::Unsupported, format!("the report cannot be written as JUnit XML: {e}"));
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, document).map_err(|e| bad(e.to_string()))?;
    let text = String::from_utf8(writer.into_inner()).map_err(|e| bad(e.to_string()))?;
    Ok(text + "\n")
}

fn write(writer: &mut Writer<Vec<u8>>, document: &Document) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let counts: Vec<Counts> = document.arrays.iter().map(Counts::of).collect();
    let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>().to_string();
    let total = [
        ("name", clean(&document.tool)),
        ("tests", sum(|c| c.tests)),
        ("failures", sum(|c| c.failures)),
        ("errors", sum(|c| c.errors)),
        ("skipped", sum(|c| c.skipped)),
        ("time", time(document.seconds)),
    ];
    let root = writer.create_element("testsuites").with_attributes(borrowed(&total));
    if document.arrays.is_empty() {
        return root.write_empty().map(|_| ());
    }
    root.write_inner_content(|writer| {
        let share = document.seconds / document.arrays.len() as f64;
        document.arrays.iter().zip(&counts).try_for_each(|(array, counts)| suite(writer, array, *counts, share))
    })?;
    Ok(())
}

fn suite(writer: &mut Writer<Vec<u8>>, array: &ArrayReport, counts: Counts, seconds: f64) -> io::Result<()> {
    let name = text::name(array);
    let head = [
        ("name", clean(&name)),
        ("tests", counts.tests.to_string()),
        ("failures", counts.failures.to_string()),
        ("errors", counts.errors.to_string()),
        ("skipped", counts.skipped.to_string()),
        ("time", time(seconds)),
    ];
    writer.create_element("testsuite").with_attributes(borrowed(&head)).write_inner_content(|writer| {
        properties(writer, array)?;
        if array.criteria.is_empty() {
            return nothing_checked(writer, array, &name);
        }
        let each = seconds / array.criteria.len() as f64;
        array.criteria.iter().try_for_each(|criterion| case(writer, array, criterion, &name, each))
    })?;
    Ok(())
}

fn properties(writer: &mut Writer<Vec<u8>>, array: &ArrayReport) -> io::Result<()> {
    let mut list = vec![
        ("original".to_owned(), array.original.place.clone()),
        ("compacted".to_owned(), array.compacted.place.clone()),
        ("dtype".to_owned(), array.original.dtype.to_string()),
        ("shape".to_owned(), number::index(&array.original.shape)),
        ("recipe".to_owned(), text::recipe(array)),
        ("ratio".to_owned(), array.ratio.to_string()),
    ];
    list.extend(array.sha256.iter().map(|sum| ("sha256".to_owned(), sum.clone())));
    list.extend(array.comparison.figures.iter().map(|(figure, x)| (figure.name().to_owned(), format!("{x:?}"))));
    writer.create_element("properties").write_inner_content(|writer| {
        list.iter().try_for_each(|(name, value)| {
            let pair = [("name", clean(name)), ("value", clean(&text::shown(value)))];
            writer.create_element("property").with_attributes(borrowed(&pair)).write_empty().map(|_| ())
        })
    })?;
    Ok(())
}

fn case(
    writer: &mut Writer<Vec<u8>>,
    array: &ArrayReport,
    criterion: &Criterion,
    name: &str,
    seconds: f64,
) -> io::Result<()> {
    let head = [("classname", clean(name)), ("name", clean(&criterion.name)), ("time", time(seconds))];
    let element = writer.create_element("testcase").with_attributes(borrowed(&head));
    let (tag, kind) = match criterion.outcome {
        Outcome::Passed => return element.write_empty().map(|_| ()),
        Outcome::Failed => ("failure", "over budget"),
        Outcome::Unknown => ("error", "not checked"),
    };
    element.write_inner_content(|writer| {
        let reason = criterion.reason.as_deref().unwrap_or("it is not defined for these arrays");
        let message = match criterion.outcome {
            Outcome::Unknown => format!("{} could not be checked: {reason}", criterion.label),
            _ => {
                format!("{}: {}, allowed {}", criterion.label, number::measured(criterion), number::allowed(criterion))
            }
        };
        let head = [("message", clean(&message)), ("type", kind.to_owned())];
        let text = clean(&details(array, criterion));
        writer.create_element(tag).with_attributes(borrowed(&head)).write_text_content(BytesText::new(&text))?;
        Ok(())
    })?;
    Ok(())
}

/// The body of a failure: measured, allowed, used, where.
fn details(array: &ArrayReport, criterion: &Criterion) -> String {
    let mut lines =
        vec![format!("measured  {}", number::measured(criterion)), format!("allowed   {}", number::allowed(criterion))];
    if criterion.direction == Direction::AtMost && !criterion.used.0.is_nan() {
        lines.push(format!("used      {}", number::percent(criterion.used.0)));
    }
    if let Some(at) = &criterion.at {
        lines.push(format!("index     {}", number::index(&at.index)));
        lines.push(format!("original  {}", number::cell(at.original, array.original.dtype)));
        lines.push(format!("restored  {}", number::cell(at.restored, array.original.dtype)));
    }
    lines.extend(criterion.reason.as_ref().map(|reason| format!("reason    {reason}")));
    lines.join("\n")
}

/// The one case of an array without criteria.
fn nothing_checked(writer: &mut Writer<Vec<u8>>, array: &ArrayReport, name: &str) -> io::Result<()> {
    let head = [("classname", clean(name)), ("name", "budget".to_owned())];
    let element = writer.create_element("testcase").with_attributes(borrowed(&head));
    let (tag, message) = match array.verdict {
        Some(Outcome::Passed) => return element.write_empty().map(|_| ()),
        Some(_) => ("error", "no criterion was checked"),
        None => ("skipped", "no budget was given"),
    };
    element.write_inner_content(|writer| {
        writer.create_element(tag).with_attribute(("message", message)).write_empty()?;
        Ok(())
    })?;
    Ok(())
}

fn borrowed<'a, const N: usize>(pairs: &'a [(&'static str, String); N]) -> [(&'static str, &'a str); N] {
    pairs.each_ref().map(|(name, value)| (*name, value.as_str()))
}

/// Seconds as CI servers parse them.
fn time(seconds: f64) -> String {
    format!("{seconds:.3}")
}

/// Only characters that XML 1.0 has; the others stand as escapes. (What the writer escapes, it escapes itself.)
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Form, fixture};
    use quick_xml::{Reader, XmlVersion};
    use std::collections::BTreeMap;

    /// Elements as name and unescaped attributes; refuses what is not well-formed.
    fn elements(xml: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut list = Vec::new();
        let mut open = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    open += i32::from(matches!(event, Event::Start(_)));
                    let (Event::Start(e) | Event::Empty(e)) = event else { unreachable!() };
                    let attributes = e.attributes().map(|a| {
                        let a = a.unwrap();
                        (a.key.as_ref().to_owned(), a.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned())
                    });
                    list.push((e.name().as_ref().to_owned(), attributes.collect()));
                }
                Event::End(_) => open -= 1,
                _ => {}
            }
        }
        assert_eq!(open, 0);
        list
    }

    #[test]
    fn the_counts_are_those_of_the_cases() {
        for (name, document) in fixture::all() {
            let xml = Form::JUnit.write(document).unwrap();
            let list = elements(&xml);
            let count = |tag: &str| list.iter().filter(|(n, _)| n == tag).count();
            let (root, attributes) = &list[0];
            assert_eq!(root, "testsuites", "{name}");
            for (key, tag) in
                [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
            {
                assert_eq!(attributes[key], count(tag).to_string(), "{name}: {key}");
                let suites =
                    list.iter().filter(|(n, _)| n == "testsuite").map(|(_, a)| a[key].parse::<usize>().unwrap());
                assert_eq!(suites.sum::<usize>(), count(tag), "{name}: {key} by suite");
            }
            assert!(attributes["time"].parse::<f64>().is_ok());
            let failed = document.criteria().filter(|(_, c)| c.outcome == Outcome::Failed).count();
            assert_eq!(count("failure"), failed, "{name}");
        }
    }

    #[test]
    fn names_come_back_from_the_xml_and_forbidden_characters_do_not_enter_it() {
        let xml = Form::JUnit.write(&fixture::failed()).unwrap();
        assert!(xml.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        let list = elements(&xml);
        let suite = list.iter().find(|(n, _)| n == "testsuite").unwrap();
        assert_eq!(suite.1["name"], text::shown(fixture::NASTY));
    }

    #[test]
    fn what_was_not_checked_is_an_error_and_no_budget_is_skipped() {
        let list = elements(&Form::JUnit.write(&fixture::empty()).unwrap());
        assert!(list.iter().any(|(n, a)| n == "error" && a["message"].contains("no element")));
        let list = elements(&Form::JUnit.write(&fixture::plain()).unwrap());
        assert!(list.iter().any(|(n, a)| n == "skipped" && a["message"] == "no budget was given"));
    }
}

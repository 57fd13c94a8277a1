//! Writing a budget file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::file::ANY;
use super::{Budget, Limits, number};
use crate::metric::class::Class;
use crate::metric::figure::{Direction, Figure, Unit};

/// Where comments begin, so that they stand below one another.
const COMMENT: usize = 28;

impl Budget {
    /// The budget as a file, each limit with its meaning, in the order of [`Figure::ALL`] and [`Class::ALL`].
    ///
    /// Equal budgets give equal text, and [`Budget::from_toml`] reads it back as the same if each limit is one that
    /// [`Limits::set`] takes and no note is blank.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (key, words) in [("note", &self.note), ("author", &self.author)] {
            if let Some(words) = words {
                line(&mut text, &format!("{key} = {}", quoted(words)), "");
            }
        }
        limits(&mut text, &self.limits, "slice");
        for (name, own) in &self.arrays {
            let table = format!("arrays.{}", key(name));
            text.push('\n');
            line(&mut text, &format!("[{table}]"), "");
            limits(&mut text, own, &format!("{table}.slice"));
        }
        text.trim_start().to_owned()
    }
}

fn limits(text: &mut String, limits: &Limits, slice: &str) {
    for (figure, limit) in &limits.figures {
        line(text, &format!("{figure} = {}", number(*limit)), &meaning(*figure));
    }
    if !limits.allow.is_empty() {
        line(text, &format!("allow = {}", allow(&limits.allow)), "changes of class that may happen");
    }
    if let Some(floor) = limits.rel_floor {
        line(text, &format!("rel_floor = {}", number(floor)), "no relative error of originals up to this magnitude");
    }
    if let Some(tolerance) = limits.spatial_tol {
        line(text, &format!("spatial_tol = {}", number(tolerance)), "the tolerance of spatial_rel");
    }
    for limit in &limits.slices {
        text.push('\n');
        line(text, &format!("[[{slice}]]"), "each index of the axis by itself");
        line(text, &format!("axis = {}", limit.axis), "");
        line(text, &format!("{} = {}", limit.figure, number(limit.limit)), &meaning(limit.figure));
    }
}

fn allow(classes: &BTreeMap<Class, u64>) -> String {
    if classes.values().all(|count| *count == Limits::ANY) {
        let names: Vec<String> = classes.keys().map(|class| quoted(class.name())).collect();
        return format!("[{}]", names.join(", "));
    }
    let counts = classes.iter().map(|(class, count)| match *count {
        Limits::ANY => format!("{} = {}", class.name(), quoted(ANY)),
        count => format!("{} = {count}", class.name()),
    });
    format!("{{ {} }}", counts.collect::<Vec<_>>().join(", "))
}

/// What a limit on `figure` means, in a few words: `largest absolute error, at most; the unit of the data`.
pub(super) fn meaning(figure: Figure) -> String {
    let side = match figure.direction() {
        Direction::AtMost => "at most",
        Direction::AtLeast => "at least",
    };
    let unit = unit(figure.unit());
    format!("{}, {side}{}{unit}", figure.label(), if unit.is_empty() { "" } else { "; " })
}

/// A unit in words; nothing for shares and ratios.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Data => "the unit of the data",
        Unit::Ratio => "",
        Unit::Decibel => "dB",
        Unit::Count => "a count",
        Unit::Ulp => "ULP",
    }
}

/// Appends a line of TOML and a comment.
pub(super) fn line(text: &mut String, toml: &str, comment: &str) {
    // Writing to a string cannot fail.
    let _ = match comment {
        "" => writeln!(text, "{toml}"),
        _ => writeln!(text, "{toml:<COMMENT$} # {comment}"),
    };
}

/// A key, bare where TOML allows it.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quoted(name) }
}

/// A basic string of TOML.
pub(super) fn quoted(words: &str) -> String {
    let mut text = String::with_capacity(words.len() + 2);
    text.push('"');
    for c in words.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

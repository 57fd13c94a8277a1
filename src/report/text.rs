//! Words that the forms for people share: verdicts, titles, and names made safe to show.

use std::cmp::Reverse;

use super::{ArrayReport, Document};
use crate::metric::{Class, Criterion, Group, Outcome};

/// Characters of a name, note or command line that are shown; nobody reads more, and pages have a limit of size.
const SHOWN: usize = 2000;

/// The groups of figures with their titles, in the order of tables.
pub(super) const GROUPS: [(Group, &str); 5] = [
    (Group::Error, "Size of errors"),
    (Group::Relative, "Errors beside the data"),
    (Group::Likeness, "Likeness"),
    (Group::Statistics, "Shift of statistics"),
    (Group::Structure, "Matrices and masks"),
];

/// Text from outside as it may be shown: control characters and those that turn the direction of writing stand as escapes,
/// so that no name can pretend to be another; what is very long is cut.
pub(super) fn shown(text: &str) -> String {
    let hidden = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for c in text.chars().take(SHOWN) {
        match c {
            c if hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// As [`shown`], for text of several lines: line feeds stay.
pub(super) fn shown_lines(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let mut out = cut.lines().map(shown).collect::<Vec<_>>().join("\n");
    if cut.len() < text.len() {
        out.push('…');
    }
    out
}

/// The verdict in capitals.
pub(super) fn verdict(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("NO BUDGET GIVEN", Outcome::word)
}

/// The criteria of an array that ended so.
pub(super) fn with_outcome(array: &ArrayReport, outcome: Outcome) -> impl Iterator<Item = &Criterion> {
    array.criteria.iter().filter(move |c| c.outcome == outcome)
}

/// Where a criterion stands when the gravest come first: by its outcome, and class changes before sizes of errors, since a NaN
/// that appeared matters more than by how much an RMSE is over.
pub(super) fn gravity(criterion: &Criterion) -> (Reverse<Outcome>, bool) {
    let class = Class::ALL.iter().any(|class| class.name() == criterion.name);
    (Reverse(criterion.outcome), !class)
}

/// `1 array`, `2 arrays`.
pub(super) fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", super::number::count(n as u64), if n == 1 { one } else { many })
}

/// What the verdict rests on, in one sentence.
pub(super) fn summary(document: &Document) -> String {
    let total = document.criteria().count();
    let ended = |outcome| document.criteria().filter(|(_, c)| c.outcome == outcome).count();
    let (failed, unknown) = (ended(Outcome::Failed), ended(Outcome::Unknown));
    let of_arrays = match document.arrays.len() {
        1 => String::new(),
        n => {
            let bad = document.arrays.iter().filter(|a| a.verdict.is_some_and(|v| v != Outcome::Passed)).count();
            if bad == 0 { format!(" in {n} arrays") } else { format!(" in {bad} of {n} arrays") }
        }
    };
    let criteria = plural(total, "criterion", "criteria");
    match document.verdict {
        None if document.arrays.is_empty() => "No arrays were compared.".to_owned(),
        None => "Figures only: nothing says what is allowed.".to_owned(),
        Some(_) if total == 0 => "No criterion was checked.".to_owned(),
        Some(Outcome::Passed) if total == 1 => "The one criterion is kept.".to_owned(),
        Some(Outcome::Passed) => format!("All {criteria} kept{of_arrays}."),
        Some(_) if unknown == 0 => format!("{failed} of {criteria} not kept{of_arrays}."),
        Some(_) if failed == 0 => format!("{unknown} of {criteria} could not be checked{of_arrays}."),
        Some(_) => format!("{failed} of {criteria} not kept, {unknown} could not be checked{of_arrays}."),
    }
}

/// The array's name for headings: its own, else the original's place.
pub(super) fn name(array: &ArrayReport) -> String {
    shown(array.name.as_deref().unwrap_or(&array.original.place))
}

/// The recipe in words.
pub(super) fn recipe(array: &ArrayReport) -> String {
    match &array.record {
        None => "none: an ordinary array".to_owned(),
        Some(record) if record.steps.is_empty() => "no steps: the array as it was".to_owned(),
        Some(record) => record.steps.iter().map(|s| s.transform().describe()).collect::<Vec<_>>().join("; then "),
    }
}

/// The names of the recipe's steps: `triangle+cast`.
pub(super) fn recipe_names(array: &ArrayReport) -> String {
    array.record.iter().flat_map(|r| &r.steps).map(|s| s.name()).collect::<Vec<_>>().join("+")
}

/// Arrays with the worst outcomes first, as they come within an outcome.
pub(super) fn worst_first(document: &Document) -> Vec<(usize, &ArrayReport)> {
    let mut arrays: Vec<_> = document.arrays.iter().enumerate().collect();
    arrays.sort_by_key(|(_, a)| Reverse(a.verdict));
    arrays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_hides_a_character_or_turns_the_line() {
        assert_eq!(shown("a\u{202e}yap.npy\0\n"), "a\\u{202e}yap.npy\\u{0}\\u{a}");
        assert_eq!(shown("größe κ <&>\"'"), "größe κ <&>\"'");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), SHOWN + 1);
        assert_eq!(shown_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }
}

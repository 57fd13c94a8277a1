//! Names that are a number with something around it, which need no room of their own.

use serde::{Deserialize, Serialize};

/// The most digits of a number in a name.
const MAX_DIGITS: usize = 18;

/// Items that are called `before`, a number that grows by one from item to item, `after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    before: String,
    /// The number of item 0.
    first: u64,
    /// Digits at least, zeros before the number.
    digits: usize,
    after: String,
}

impl Numbered {
    /// For a collection whose first item is called `name`.
    pub(super) fn from(name: &str) -> Option<Self> {
        let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
        let start = name[..end]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
        let digits = &name[start..end];
        if digits.len() > MAX_DIGITS {
            return None;
        }
        let first = digits.parse().ok()?;
        let (before, after) = (name[..start].to_owned(), name[end..].to_owned());
        Some(Self { before, first, digits: digits.len(), after })
    }

    /// What item `i` is called.
    pub(super) fn name(&self, i: u64) -> String {
        let number = self.first.saturating_add(i);
        let Self { before, after, .. } = self;
        format!("{before}{number:0width$}{after}", width = self.digits.min(MAX_DIGITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_number_go_on_as_they_began() {
        let name = |first: &str, i| Numbered::from(first).map(|n| n.name(i));
        assert_eq!(name("img0", 12).as_deref(), Some("img12"));
        assert_eq!(name("v2/img098.x", 3).as_deref(), Some("v2/img101.x"));
        assert_eq!(name("é7ü", 1).as_deref(), Some("é8ü"));
        assert_eq!(name("12", 0).as_deref(), Some("12"));
        assert_eq!(name("abc", 0), None);
        assert_eq!(name("1234567890123456789", 0), None);
    }
}

//! Patterns of names, as shells and Python's `fnmatch` have them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, refuse};

/// A pattern of array names: `*` is any characters (also `/`), `?` is one, `[a-c]` one of these, `[!a-c]` one not of these.
///
/// ```
/// use ndcompact::engine::Pattern;
/// let masks: Pattern = "mask_*".parse()?;
/// assert!(masks.matches("mask_0/left") && !masks.matches("unmask_0"));
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
    /// Ranges, and whether a character must be outside of them.
    Among(Vec<(char, char)>, bool),
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return refuse!(Usage, "an empty pattern matches no array; write e.g. 'mask_*'");
        }
        // A name in HDF5 may be written from the root; patterns are of names without that slash.
        let letters: Vec<char> = text.trim_start_matches('/').chars().collect();
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(letter) = letters.get(at) {
            at += 1;
            parts.push(match letter {
                '*' => Part::Any,
                '?' => Part::One,
                '[' => {
                    let outside = matches!(letters.get(at), Some('!' | '^'));
                    let first = at + usize::from(outside);
                    // A bracket that stands first is one of the characters.
                    let end = (first + 1..letters.len()).find(|i| letters[*i] == ']');
                    let Some(end) = end else {
                        return refuse!(Usage, "pattern {text:?}: a [ has no ]; write [[] for the bracket itself");
                    };
                    let (mut ranges, mut i) = (Vec::new(), first);
                    while i < end {
                        if i + 2 < end && letters[i + 1] == '-' {
                            ranges.push((letters[i], letters[i + 2]));
                            i += 3;
                        } else {
                            ranges.push((letters[i], letters[i]));
                            i += 1;
                        }
                    }
                    at = end + 1;
                    Part::Among(ranges, outside)
                }
                letter => Part::Exactly(*letter),
            });
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl Pattern {
    /// Whether all of `name` fits; a leading `/` of either does not count.
    pub fn matches(&self, name: &str) -> bool {
        let letters: Vec<char> = name.trim_start_matches('/').chars().collect();
        let fits = |part: &Part, letter: char| match part {
            Part::Any | Part::One => true,
            Part::Exactly(c) => *c == letter,
            Part::Among(ranges, outside) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&letter)) != *outside,
        };
        // The last `*` takes one character more whenever what follows it does not fit: at most length times parts.
        let (mut part, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < letters.len() {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    star = Some((part, at));
                    part += 1;
                }
                Some(p) if fits(p, letters[at]) => (part, at) = (part + 1, at + 1),
                _ => match &mut star {
                    Some((any, from)) => {
                        *from += 1;
                        (part, at) = (*any + 1, *from);
                    }
                    None => return false,
                },
            }
        }
        self.parts[part..].iter().all(|p| *p == Part::Any)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "g/x", true),
            ("mask_*", "mask_", true),
            ("*_mask", "a_mask_mask", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("?", "ö", true),
            ("w[0-3]", "w2", true),
            ("w[0-3]", "w4", false),
            ("w[!0-3]", "w4", true),
            ("[]]", "]", true),
            ("[[]a", "[a", true),
            ("/g/*", "/g/x", true),
            ("g/*", "/g/x", true),
            ("**a", "a", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!("".parse::<Pattern>().is_err() && "[a".parse::<Pattern>().is_err());
    }

    #[test]
    fn many_stars_take_no_time_that_grows_with_their_number() {
        let pattern: Pattern = "*a".repeat(40).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(39)));
        assert!(!pattern.matches(&("a".repeat(5000) + "b")));
    }
}

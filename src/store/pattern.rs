//! Patterns of names, as shells and Python's `fnmatch` have them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, refuse};

/// Whether `text` holds what makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

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
    /// Whether a `/` fits what stands for one character.
    crosses: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any characters, also `/`.
    Any,
    /// Any characters within a folder.
    Within,
    /// Whole folders, each with its `/`; none, too.
    Folders,
    One,
    Exactly(char),
    /// Ranges, and whether a character must be outside of them.
    Among(Vec<(char, char)>, bool),
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, true)
    }
}

impl Pattern {
    /// A pattern of paths: `*` and `?` stay within a folder, `**` is any folders.
    ///
    /// ```
    /// use ndcompact::store::Pattern;
    /// let paths = Pattern::of_paths("run/**/[a-c]*.npy")?;
    /// assert!(paths.matches("run/a.npy") && paths.matches("run/x/y/b1.npy") && !paths.matches("run/a/x.npy"));
    /// # Ok::<(), ndcompact::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Usage` for a `[` without its `]`, and for an empty pattern.
    pub fn of_paths(text: &str) -> Result<Self> {
        Self::parse(text, false)
    }

    /// The pattern that `name` alone fits, whatever stands in it.
    pub fn exactly(name: &str) -> Self {
        let parts = name.trim_start_matches('/').chars().map(Part::Exactly).collect();
        Self { text: name.to_owned(), parts, crosses: true }
    }

    fn parse(text: &str, crosses: bool) -> Result<Self> {
        if text.is_empty() {
            return refuse!(Usage, "an empty pattern matches no array; write e.g. 'mask_*'");
        }
        // A name in HDF5 may be written from the root; patterns are of names without that slash.
        let letters: Vec<char> = text.trim_start_matches('/').chars().collect();
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(letter) = letters.get(at) {
            at += 1;
            parts.push(match letter {
                '*' if crosses => Part::Any,
                '*' if letters.get(at) == Some(&'*') => {
                    let begins = at == 1 || letters[at - 2] == '/';
                    at += 1;
                    let folders = begins && letters.get(at) == Some(&'/');
                    at += usize::from(folders);
                    if folders { Part::Folders } else { Part::Any }
                }
                '*' => Part::Within,
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
        Ok(Self { text: text.to_owned(), parts, crosses })
    }

    /// Whether all of `name` fits; a leading `/` of either does not count.
    pub fn matches(&self, name: &str) -> bool {
        let letters: Vec<char> = name.trim_start_matches('/').chars().collect();
        let fits = |part: &Part, letter: char| match part {
            Part::Exactly(c) => *c == letter,
            _ if letter == '/' && !self.crosses => false,
            Part::Among(ranges, outside) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&letter)) != *outside,
            _ => true,
        };
        // The last star takes more whenever what follows it does not fit: one within a folder first, then one across folders. What
        // stands before them need not be tried again, so this takes at most the product of both lengths.
        let (mut part, mut at) = (0, 0);
        let mut near: Option<(usize, usize)> = None;
        let mut far: Option<(usize, usize)> = None;
        loop {
            match (self.parts.get(part), letters.get(at)) {
                (None, None) => return true,
                (Some(Part::Any | Part::Folders), _) => {
                    (near, far) = (None, Some((part, at)));
                    part += 1;
                    continue;
                }
                (Some(Part::Within), _) => {
                    near = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(p), Some(letter)) if fits(p, *letter) => {
                    (part, at) = (part + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            if let Some((star, from)) = near
                && letters.get(from).is_some_and(|c| *c != '/')
            {
                near = Some((star, from + 1));
                (part, at) = (star + 1, from + 1);
                continue;
            }
            let Some((star, from)) = far else { return false };
            let step = match self.parts.get(star) {
                Some(Part::Folders) => letters[from..].iter().position(|c| *c == '/'),
                _ => (from < letters.len()).then_some(0),
            };
            let Some(step) = step else { return false };
            (near, far) = (None, Some((star, from + step + 1)));
            (part, at) = (star + 1, from + step + 1);
        }
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
    fn patterns_of_paths_match_what_a_shell_would_find() {
        for (pattern, name, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "ab/c", false),
            ("*", "", true),
            ("?", "/", false),
            ("a[/]b", "a/b", false),
            ("[!a]b", "ab", false),
            ("**/x.npy", "x.npy", true),
            ("**/x.npy", "a/b/x.npy", true),
            ("**/x.npy", "ax.npy", false),
            ("**/x.npy", "a/bx.npy", false),
            ("d/**", "d/a/b", true),
            ("d/**/e", "d/e", true),
            ("d/**/e", "d/a/b/e", true),
            ("d/**/e", "de", false),
            ("*a*b*", "xxaxxbx", true),
            ("*.npy", "a.npyx", false),
            ("*.npy", "run3/a.npy", false),
            ("/r/*.npy", "/r/a.npy", true),
            ("**/a*b/c", "x/axb/d/ayb/c", true),
            ("**/a/**/b*c", "x/a/y/a/b/c/bxc", true),
        ] {
            assert_eq!(Pattern::of_paths(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!(Pattern::exactly("a[*]").matches("a[*]") && !Pattern::exactly("a[*]").matches("a*"));
        assert!(Pattern::of_paths("").is_err() && Pattern::of_paths("a[").is_err());
    }

    #[test]
    fn many_stars_take_no_time_that_grows_with_their_number() {
        let pattern: Pattern = "*a".repeat(40).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(39)));
        assert!(!pattern.matches(&("a".repeat(5000) + "b")));
        let stars = "**a*".repeat(300);
        assert!(Pattern::of_paths(&stars).unwrap().matches(&"ab".repeat(2000)));
        assert!(!Pattern::of_paths(&(stars + "c")).unwrap().matches(&"ab".repeat(2000)));
    }
}

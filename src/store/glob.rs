//! Patterns of names, as shells have them: `*`, `?`, `[a-z]`, `[!x]`, `**`.

/// What `*` may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stars {
    /// Anything, folders too: for names inside a file.
    Anything,
    /// Anything within one folder; `**` for any folders: for paths.
    WithinFolder,
}

/// Whether `text` holds what makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `pattern` fits all of `name`.
///
/// ```
/// use ndcompact::store::{Stars, glob_fits};
///
/// assert!(glob_fits("run?/*_mask", "run3/left_mask", Stars::Anything));
/// assert!(!glob_fits("*.npy", "run3/a.npy", Stars::WithinFolder));
/// assert!(glob_fits("**/[a-c].npy", "run3/x/b.npy", Stars::WithinFolder));
/// ```
pub fn glob_fits(pattern: &str, name: &str, stars: Stars) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j) = (0, 0);
    // Where to go on when the latest star takes one character more: within a folder, and across folders. Going back to the
    // latest of each is enough, so time is bounded by the product of both lengths.
    let mut near: Option<(usize, usize)> = None;
    let mut far: Option<(usize, usize)> = None;
    loop {
        let fits = match p.get(i) {
            None => j == n.len(),
            Some('*') => {
                let double = p.get(i + 1) == Some(&'*');
                if double || stars == Stars::Anything {
                    i += 1 + usize::from(double);
                    // `**/` may stand for no folder at all.
                    if double && p.get(i) == Some(&'/') && (j == 0 || n[j - 1] == '/') {
                        i += 1;
                    }
                    (near, far) = (None, Some((i, j)));
                } else {
                    i += 1;
                    near = Some((i, j));
                }
                continue;
            }
            Some(c) => match n.get(j) {
                None => false,
                Some(d) => match c {
                    '?' => {
                        i += 1;
                        *d != '/' || stars == Stars::Anything
                    }
                    '[' => match class(&p[i..], *d) {
                        Some((len, inside)) => {
                            i += len;
                            inside
                        }
                        None => {
                            i += 1;
                            *d == '['
                        }
                    },
                    c => {
                        i += 1;
                        c == d
                    }
                },
            },
        };
        if fits {
            if i == p.len() && j == n.len() {
                return true;
            }
            if j < n.len() {
                j += 1;
                continue;
            }
        }
        // Back to the latest star, which takes one more.
        if let Some((at, from)) = near
            && n.get(from).is_some_and(|c| *c != '/')
        {
            near = Some((at, from + 1));
            (i, j) = (at, from + 1);
        } else if let Some((at, from)) = far
            && from < n.len()
        {
            far = Some((at, from + 1));
            near = None;
            (i, j) = (at, from + 1);
        } else {
            return false;
        }
    }
}

/// The length of the class that `p` begins with, and whether `c` is in it.
fn class(p: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(p.get(1), Some('!' | '^'));
    let first = 1 + usize::from(negated);
    let end = first + 1 + p.get(first + 1..)?.iter().position(|x| *x == ']')?;
    let inside = &p[first..end];
    let mut found = false;
    let mut k = 0;
    while k < inside.len() {
        if inside.get(k + 1) == Some(&'-') && k + 2 < inside.len() {
            found |= (inside[k]..=inside[k + 2]).contains(&c);
            k += 3;
        } else {
            found |= inside[k] == c;
            k += 1;
        }
    }
    Some((end + 1, found != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_a_shell_would_find() {
        let cases = [
            ("a*c", "abbc", true, true),
            ("a*c", "ab/c", false, true),
            ("**/x.npy", "x.npy", true, true),
            ("**/x.npy", "a/b/x.npy", true, true),
            ("d/**", "d/a/b", true, true),
            ("*", "", true, true),
            ("?", "/", false, true),
            ("[!a]b", "ab", false, false),
            ("[a-c]b", "bb", true, true),
            ("[]]", "]", true, true),
            ("a[", "a[", true, true),
            ("*a*b*", "xxaxxbx", true, true),
            ("*.npy", "a.npyx", false, false),
            ("**/a*b/c", "x/axb/d/ayb/c", true, true),
            ("", "", true, true),
            ("", "a", false, false),
        ];
        for (pattern, name, within, anything) in cases {
            assert_eq!(glob_fits(pattern, name, Stars::WithinFolder), within, "{pattern} {name}");
            assert_eq!(glob_fits(pattern, name, Stars::Anything), anything, "{pattern} {name}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_the_product_of_lengths() {
        assert!(!glob_fits(&"*a".repeat(500), &"a".repeat(499), Stars::Anything));
        let stars = "**a*".repeat(300);
        assert!(glob_fits(&stars, &"ab".repeat(2000), Stars::WithinFolder));
        assert!(!glob_fits(&(stars + "c"), &"ab".repeat(2000), Stars::WithinFolder));
    }
}

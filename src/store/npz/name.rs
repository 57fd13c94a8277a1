//! Names of members: as zip stores them, as NumPy gives them.

use crate::error::{Result, refuse};

/// What NumPy adds to an array's name.
pub(super) const ENDING: &str = ".npy";
/// A name's length stands in two bytes.
const MAX_NAME: usize = u16::MAX as usize;

/// What the bytes from 128 on stand for in names that do not say that they are UTF-8: IBM code page 437, as Python reads them.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The name that `bytes` stand for; `None` where they are to be UTF-8 and are not.
pub(super) fn decode(bytes: &[u8], is_utf8: bool) -> Option<String> {
    if is_utf8 || bytes.is_ascii() {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    let letter = |b: &u8| match b {
        0..128 => Some(char::from(*b)),
        b => CP437.chars().nth(usize::from(*b) - 128),
    };
    bytes.iter().map(letter).collect()
}

/// `name` with the ending of arrays.
pub(super) fn with_ending(name: &str) -> String {
    if name.ends_with(ENDING) { name.to_owned() } else { format!("{name}{ENDING}") }
}

/// Refuses names that a program which unpacks the archive could take for a place outside of its folder, and those that zip cannot
/// hold.
pub(super) fn check(name: &str) -> Result<()> {
    let why = match name {
        "" | ENDING => "it is empty",
        n if n.len() + ENDING.len() > MAX_NAME => "it is longer than zip can hold",
        n if n.contains(['\0', '\\']) => "it has a backslash or a NUL in it",
        n if n.starts_with('/') => "it begins with a slash",
        n if n.split('/').any(|part| matches!(part, "" | "." | "..")) => "a part of its path is empty, . or ..",
        _ => return Ok(()),
    };
    refuse!(Usage, "{name:?} cannot be the name of an array in a .npz file: {why}; choose another name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_python_reads_them() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(decode(b"a/b.npy", false).as_deref(), Some("a/b.npy"));
        assert_eq!(decode("größe".as_bytes(), true).as_deref(), Some("größe"));
        // 'gr\x94\xe1e'.decode('cp437')
        assert_eq!(decode(b"gr\x94\xe1e", false).as_deref(), Some("größe"));
        assert_eq!(decode(b"\xff\xfe", true), None);
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_not_written() {
        for bad in ["", "/a", "../a", "a/../b", "a//b", "a/", "a\\b", "a\0", ".npy", "./a"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "..a", "größe", "a.b", "a b"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        assert!(check(&"x".repeat(70_000)).is_err());
    }
}

//! Numbers with units, as they are read from a command line; how they are written stands with the reports.

use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::engine::DEFAULT_MEMORY;
use crate::error::{Error, Result, refuse};

pub(super) use crate::report::number::{at_most, count, ratio, seconds, shape, size};

/// Less memory than this would make blocks too small to work on at full speed, and saves nothing that matters.
const MIN_MEMORY: u64 = 16 << 20;
/// More threads than any machine has cores are a slip of the finger, and thousands of them would exhaust the memory.
const MAX_THREADS: usize = 1024;
/// The units of sizes, in bytes. `K`, `M`, `G`, `T` alone are decimal, as in the sizes that are printed.
const UNITS: &[(&str, u64)] = &[
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("", 1),
];

/// The value of `--memory`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory(pub(super) u64);

impl Default for Memory {
    fn default() -> Self {
        Self(DEFAULT_MEMORY)
    }
}

impl FromStr for Memory {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(bytes) = bytes(text) else {
            return refuse!(Usage, "{text:?} is not a size; write e.g. 256MiB, 1GB or 268435456");
        };
        if bytes < MIN_MEMORY {
            return refuse!(Usage, "{text:?} is too little memory to work in; give at least 16MiB");
        }
        Ok(Self(bytes))
    }
}

/// The value of `--cache`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheSize(pub(super) u64);

impl FromStr for CacheSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match bytes(text) {
            Some(bytes) => Ok(Self(bytes)),
            None => refuse!(Usage, "{text:?} is not a size; write e.g. 32MiB, 1GB or 0"),
        }
    }
}

/// A size as it is written, in bytes.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim())?.1;
    match number.parse::<u64>() {
        Ok(n) => n.checked_mul(unit),
        Err(_) => Some((number.parse::<f64>().ok()? * unit as f64) as u64),
    }
}

/// The value of `--threads`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Threads(pub(super) NonZeroUsize);

impl FromStr for Threads {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().parse::<usize>().map(NonZeroUsize::new) {
            Ok(Some(n)) if n.get() <= MAX_THREADS => Ok(Self(n)),
            Ok(None) => refuse!(Usage, "0 threads do no work; give 1 or more, or leave it out for one a core"),
            _ => refuse!(Usage, "{text:?} is not a number of threads from 1 to {MAX_THREADS}"),
        }
    }
}

/// Bytes a second in SI units.
pub(super) fn rate(bytes: u64, seconds: f64) -> String {
    format!("{}/s", size((bytes as f64 / seconds.max(1e-9)) as u64))
}

/// An error in a table: three digits, enough to compare it with a bound. Zero is `0`.
pub(super) fn error(x: f64) -> String {
    if x == 0.0 { "0".to_owned() } else { format!("{x:.2e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("256MiB", 256 << 20),
            ("1GB", 1_000_000_000),
            ("500M", 500_000_000),
            ("268435456", 268_435_456),
            ("1.5 gib", 3 << 29),
            ("16mib", 16 << 20),
        ] {
            assert_eq!(text.parse::<Memory>().ok(), Some(Memory(bytes)), "{text}");
        }
        for text in ["", "15MiB", "1XB", "-1GB", "99999999999TB", "1..5GB", "nan"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        assert!("0".parse::<Threads>().is_err());
        assert!("2000".parse::<Threads>().is_err());
    }

    #[test]
    fn the_default_written_in_the_help_is_the_default() {
        assert_eq!("256MiB".parse::<Memory>().ok(), Some(Memory::default()));
        assert_eq!("32MiB".parse::<CacheSize>().ok(), Some(CacheSize(crate::engine::DEFAULT_CACHE)));
    }

    #[test]
    fn errors_have_three_digits() {
        assert_eq!(error(0.0078125), "7.81e-3");
        assert_eq!(error(0.0), "0");
    }
}

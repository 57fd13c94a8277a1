//! How the command ends, as a calling program sees it.

use std::process::{ExitCode, Termination};

use crate::error::{Error, ErrorKind};

/// The exit codes. They are part of the interface and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done. A reader that closes the pipe early (`compact … | head -1`) is no failure.
    Done = 0,
    /// The data refuse: not symmetric, out of range, too wide for the recipe. Nothing was written.
    Refused = 1,
    /// All else: a command line, recipe or file that is wrong, or an operating system that refuses. No output was left.
    Failed = 2,
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        if error.kind() == ErrorKind::Refused { Exit::Refused } else { Exit::Failed }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// The name of a kind of error in JSON.
pub fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused => "refused",
        ErrorKind::Recipe => "recipe",
        ErrorKind::Usage => "usage",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Exists => "exists",
        ErrorKind::Io => "io",
        ErrorKind::Interrupted => "interrupted",
    }
}

//! The one error type: a kind that says when it happens, and a message that holds what, where, both values and the remedy.

use std::fmt;

/// What went wrong, as a program needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The values themselves do not allow the recipe: asymmetric, overflow, too wide, a bound that would break.
    Refused,
    /// A step does not fit the dtype or shape before it, or its parameters contradict each other.
    Recipe,
    /// A call or command line asks for something that does not exist or cannot be: a bad slice, an unknown name.
    Usage,
    /// A file or header breaks its own format: forged sizes, wrong checksum, cut short.
    Corrupt,
    /// A dtype, filter or format feature that is known by name but not supported.
    Unsupported,
    /// The output exists already and replacing it was not allowed.
    Exists,
    /// The operating system refused: no such file, no space, no permission.
    Io,
    /// The caller asked to stop.
    Interrupted,
}

/// An error: its [`ErrorKind`] and a message for people.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<std::io::Error>,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with a message that names both values and the remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// An operating-system error while doing `what` (for example `"reading /data/in.npy"`).
    pub fn io(what: impl fmt::Display, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::AlreadyExists => ErrorKind::Exists,
            std::io::ErrorKind::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Io,
        };
        Self { kind, message: format!("{what}: {source}"), source: Some(source) }
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same error with `place` put before its message: the file, the step, the member.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// Shorthand for `Err(Error::new(ErrorKind::$kind, format!(…)))`.
macro_rules! refuse {
    ($kind:ident, $($arg:tt)*) => {
        Err($crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)*)))
    };
}
pub(crate) use refuse;

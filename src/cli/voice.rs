//! What is said and where: results to standard output, talk and errors to standard error.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::exit::{Exit, kind_name};
use crate::error::{Error, ErrorKind, Result};

/// Styles for a terminal, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    fn new(is_terminal: bool) -> Self {
        // https://no-color.org: set to anything but nothing.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self { on: is_terminal && !unwanted && !dumb }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { on: false }
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// What the eye should find first.
    pub(super) fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// What explains and may be skipped.
    pub(super) fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// What went well.
    pub(super) fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What must not be missed.
    pub(super) fn warn(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// What went wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }
}

/// How this run speaks.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) json: bool,
    pub(super) quiet: bool,
    /// For standard output.
    pub(super) paint: Paint,
}

#[derive(Serialize)]
struct Success<'a, T> {
    status: &'static str,
    #[serde(flatten)]
    result: &'a T,
}

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    kind: &'static str,
    message: &'a str,
}

impl Voice {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, paint: Paint::new(io::stdout().is_terminal()) }
    }

    /// Whether a progress bar has someone to look at it.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Tells the result of a run: as JSON, as `text`, or not at all.
    pub(super) fn result<T: Serialize>(&self, result: &T, text: impl FnOnce(Paint) -> String) -> Result<()> {
        match (self.json, self.quiet) {
            (true, _) => print(json(&Success { status: "ok", result })?.as_bytes()),
            (false, true) => Ok(()),
            (false, false) => print(text(self.paint).as_bytes()),
        }
    }

    /// Tells an error, and how the run ends with it.
    pub(super) fn error(&self, error: &Error) -> Exit {
        let exit = Exit::from(error);
        if self.json {
            tell_failure(error.kind(), &error.to_string());
        }
        let word = Paint::new(io::stderr().is_terminal()).bad("error:");
        // With standard error closed there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{word} {error}");
        exit
    }
}

/// Writes to standard output. A reader that has seen enough is no error.
pub(super) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Error::io("writing to standard output", e)),
    }
}

/// Tells that the command line could not be understood, or the help that was asked for.
pub(super) fn not_understood(error: &clap::Error, args: &[OsString]) -> Exit {
    if error.use_stderr() && args.iter().any(|a| a == "--json") {
        let text = error.render().to_string();
        let message = text.split("\n\nUsage:").next().unwrap_or(&text);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        tell_failure(ErrorKind::Usage, message.trim_start_matches("error: "));
    }
    // As above: a closed pipe leaves nobody to tell.
    let _ = error.print();
    if error.use_stderr() { Exit::Failed } else { Exit::Done }
}

fn tell_failure(kind: ErrorKind, message: &str) {
    let failure = Failure { status: "error", kind: kind_name(kind), message };
    if let Ok(line) = json(&failure) {
        // The message goes to standard error all the same.
        let _ = print(line.as_bytes());
    }
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_string(value) {
        Ok(line) => Ok(line + "\n"),
        Err(e) => Err(Error::new(ErrorKind::Io, format!("the result cannot be written as JSON: {e}"))),
    }
}

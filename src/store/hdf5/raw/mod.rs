//! Every call into libhdf5, behind safe functions: nothing outside this folder sees an identifier's number or a pointer.
//!
//! The library runs one call at a time. Each call here holds its lock (`hdf5_metno::sync`), and so does closing an
//! identifier, wherever it is dropped.

pub(super) mod attribute;
pub(super) mod chunk;
pub(super) mod dataset;
pub(super) mod dtype;
pub(super) mod file;
pub(super) mod filter;
pub(super) mod image;
pub(super) mod lock;
pub(super) mod vlen;

use std::ffi::CString;
use std::fmt;

use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5i::{H5Idec_ref, hid_t};

use crate::error::{Error, ErrorKind, Result, refuse};

/// An open object of the library: a file, a dataset, a dtype, a property list. Closed when it is dropped.
#[derive(Debug)]
pub(super) struct Id(hid_t);

impl Drop for Id {
    fn drop(&mut self) {
        let id = self.0;
        sync(|| {
            #[expect(unsafe_code, reason = "the identifier is ours and is released once")]
            unsafe {
                H5Idec_ref(id)
            }
        });
    }
}

/// A return value of the library, negative for failure.
trait Status: Copy {
    fn failed(self) -> bool;
}

impl Status for i32 {
    fn failed(self) -> bool {
        self < 0
    }
}

impl Status for i64 {
    fn failed(self) -> bool {
        self < 0
    }
}

impl Status for isize {
    fn failed(self) -> bool {
        self < 0
    }
}

/// Runs `f` under the lock; a failure becomes an error of `kind` that says what was being done and what the library says.
fn checked<R: Status>(kind: ErrorKind, what: impl fmt::Display, f: impl FnOnce() -> R) -> Result<R> {
    sync(|| {
        let r = f();
        if !r.failed() {
            return Ok(r);
        }
        // The library does not pass on why the system refused to write; asked at once, the system still knows.
        let system = std::io::Error::last_os_error();
        let full = matches!(
            system.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge
        );
        let why = if full && kind == ErrorKind::Io { format!("{system}; ") } else { String::new() };
        Err(Error::new(kind, format!("{what}: {why}{}", last_error())))
    })
}

/// What the library said last, innermost cause first.
fn last_error() -> String {
    let stack = hdf5_metno::Error::query().ok().and_then(|e| e.stack());
    let Some(stack) = stack else { return "libhdf5 gives no reason".to_owned() };
    match (stack.last(), stack.first()) {
        (Some(cause), Some(outer)) if cause.desc() != outer.desc() => {
            format!("libhdf5: {} ({})", cause.desc(), outer.desc())
        }
        (Some(cause), _) => format!("libhdf5: {}", cause.desc()),
        _ => "libhdf5 gives no reason".to_owned(),
    }
}

/// One call of the library under its lock: `call!(Kind, function(arguments), "what was being done {}", …)?`.
macro_rules! call {
    ($kind:ident, $f:ident($($arg:expr),* $(,)?), $($what:tt)+) => {
        $crate::store::hdf5::raw::checked($crate::error::ErrorKind::$kind, format_args!($($what)+), || {
            #[expect(unsafe_code, reason = "identifiers and pointers in the arguments outlive the call, and the lock is held")]
            let r = unsafe { $f($($arg),*) };
            r
        })
    };
}
use call;

/// As [`call`] for functions that give an identifier.
macro_rules! open {
    ($kind:ident, $f:ident($($arg:expr),* $(,)?), $($what:tt)+) => {
        $crate::store::hdf5::raw::call!($kind, $f($($arg),*), $($what)+).map($crate::store::hdf5::raw::Id)
    };
}
use open;

/// A name as C wants it.
fn c_name(name: &str) -> Result<CString> {
    match CString::new(name) {
        Ok(name) => Ok(name),
        Err(_) => refuse!(Usage, "the name {name:?} holds a NUL character; HDF5 names cannot"),
    }
}

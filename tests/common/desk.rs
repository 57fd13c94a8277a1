//! A folder to run the command in, as people run it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say where"
)]

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with `sym.npy` (60 symmetric 5 x 5 matrices that float16 holds exactly) to run the command in.
pub(crate) struct Desk(TempDir);

pub(crate) const MATRICES: usize = 60;
pub(crate) const N: usize = 5;

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("sym.npy", "<f8", &[MATRICES, N, N], &bytes(&symmetric()));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, descr: &str, shape: &[usize], data: &[u8]) {
        fs::write(self.path(name), npy(descr, shape, data)).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compact"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs what must succeed and returns what it printed.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must end with `code` and returns its error message.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let before = self.names();
        let output = self.run(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
        assert!(message.starts_with("error: "), "{args:?}: {message}");
        assert_eq!(self.names(), before, "{args:?} left something behind");
        message
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.done(args);
        assert_eq!(text.lines().count(), 1, "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["status"], "ok");
        value
    }

    /// All names in the folder, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn symmetric() -> Vec<f64> {
    let value = |m: usize, i: usize, j: usize| (m * 31 + i.min(j) * 7 + i.max(j)) as f64 / 8.0 - 9.0;
    let mut values = Vec::new();
    for m in 0..MATRICES {
        for i in 0..N {
            values.extend((0..N).map(|j| value(m, i, j)));
        }
    }
    values
}

pub(crate) fn bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(crate) fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|d| format!("{d},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

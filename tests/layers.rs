//! The layers of the design, held against the `use` lines: nothing imports what stands right of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should say where")]

use std::fs;
use std::path::{Path, PathBuf};

/// Left before right; those of one row do not know each other.
const ROWS: &[&[&str]] = &[
    &["error"],
    &["array"],
    &["transform", "coding", "metric"],
    &["pipeline"],
    &["filter"],
    &["recipe"],
    &["store", "report"],
    &["engine"],
    &["plan", "collect"],
    &["cli"],
];

fn rank(layer: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&layer))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            let layer = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            (layer.trim_end_matches(".rs").to_owned(), path.clone(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The code without comments and in-file tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).filter(|l| !l.trim_start().starts_with("//"))
}

#[test]
fn no_layer_imports_one_to_its_right_or_a_sibling() {
    let mut bad = Vec::new();
    for (layer, path, text) in sources() {
        let Some(own) = rank(&layer) else { continue };
        for line in code(&text) {
            for piece in line.split("crate::").skip(1) {
                let other: String = piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let climbs = rank(&other).is_some_and(|r| r > own || (r == own && other != layer));
                if climbs {
                    bad.push(format!("{}: {layer} imports {other}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn only_their_own_layers_start_threads_touch_files_or_know_the_command_line() {
    let rules: &[(&str, &[&str])] = &[
        ("thread::scope", &["engine", "cli"]),
        ("thread::spawn", &["engine", "cli"]),
        ("std::fs::", &["store", "engine", "cli"]),
        ("File::open", &["store", "cli"]),
        ("clap::", &["cli"]),
        ("indicatif::", &["cli"]),
        ("hdf5_metno", &["store"]),
    ];
    let mut bad = Vec::new();
    for (layer, path, text) in sources() {
        for line in code(&text) {
            for (word, allowed) in rules {
                if line.contains(word) && !allowed.contains(&layer.as_str()) && layer != "main" {
                    bad.push(format!("{}: {word} in {layer}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn unsafe_code_stands_in_store_alone_and_says_why() {
    for (layer, path, text) in sources() {
        for line in code(&text) {
            if line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl") {
                assert_eq!(layer, "store", "{}: {}", path.display(), line.trim());
            }
            if line.contains("unsafe_code") && line.contains("allow(") {
                panic!("{}: use #[expect(unsafe_code, reason = …)]", path.display());
            }
        }
    }
}

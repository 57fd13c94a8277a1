//! Names: of arrays within a bundle, and of the files that a bundle is made of.

use std::path::{Path, PathBuf};

use super::index::Format;
use crate::error::{Result, refuse};
use crate::store::{self, Compression};

/// The longest name of an array.
pub(super) const MOST_BYTES: usize = 4096;

/// The name that a file's or a member's path stands for: relative, without `.npy`.
///
/// # Errors
/// `Corrupt` for names that lead out of the folder they are unpacked in: absolute ones, `..`; for empty ones, and for bytes that
/// no file name has.
pub(super) fn array_name(path: &str) -> Result<String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let name = path.strip_suffix(".npy").unwrap_or(path);
    check(name)?;
    Ok(name.to_owned())
}

/// What member `path` of the archive called `base` is called: it stands below the archive's name, which is not said twice where the
/// member's first folder has it already (`runs/0/grid` in `runs.tar.gz`).
pub(super) fn within(base: &str, path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let (folder, name) = match base.rsplit_once('/') {
        Some((folder, name)) => (Some(folder), name),
        None => (None, base),
    };
    let is_said = path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    match (is_said, folder) {
        (true, Some(folder)) => format!("{folder}/{path}"),
        (true, None) => path.to_owned(),
        (false, _) => format!("{base}/{path}"),
    }
}

/// Refuses names that are no relative paths below a folder.
pub(super) fn check(name: &str) -> Result<()> {
    let bad_part = |part: &str| part.is_empty() || part == "." || part == "..";
    if name.len() > MOST_BYTES || name.contains(['\0', '\n']) || name.split('/').any(bad_part) {
        let shown: String = name.chars().take(80).collect();
        return refuse!(
            Corrupt,
            "the name {shown:?} leads out of its folder or is none; rename it (relative, without `..`, at most {MOST_BYTES} bytes)"
        );
    }
    Ok(())
}

/// What kind of file `output` asks for, and the part of its name before the ending.
///
/// # Errors
/// `Usage` for other endings.
pub(super) fn format_of(output: &Path) -> Result<(Format, String)> {
    let name = output.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if let Some((compression, ending)) = Compression::of_tar(output) {
        return Ok((Format::Tar(compression), name[..name.len() - ending].to_owned()));
    }
    let stem = output.file_stem().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    match store::Format::of_name(output) {
        Some(store::Format::Npz) => Ok((Format::Npz(Compression::Deflate), stem)),
        Some(store::Format::Hdf5) => Ok((Format::Hdf5, stem)),
        _ => refuse!(
            Usage,
            "{}: the ending says what a bundle is: .h5, .npz, .tar, .tar.gz, .tar.bz2, .tar.xz or .tar.zst",
            output.display()
        ),
    }
}

/// The index that belongs to `path`: itself where it is one, else the one beside the file or the first of the files.
pub fn index_path(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if name.ends_with(".index.npz") {
        return path.to_owned();
    }
    let stem = format_of(path).map_or_else(|_| name.to_owned(), |(_, stem)| stem);
    let beside = |stem: &str| path.with_file_name(format!("{stem}.index.npz"));
    let digits = stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    let first = stem.len().checked_sub(digits + 1).filter(|_| digits >= 4).map(|n| beside(&stem[..n]));
    match first {
        Some(index) if !beside(&stem).exists() && index.exists() => index,
        _ => beside(&stem),
    }
}

/// The name of volume `number` (from 1 on).
pub(super) fn volume_path(output: &Path, stem: &str, number: usize) -> PathBuf {
    let name = output.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    output.with_file_name(format!("{stem}-{number:04}{}", &name[stem.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_a_folder_are_refused() {
        for bad in ["../a", "/a", "a/../b", "", "a//b", "a/./b", "a\0b", "..", ".", "a/", "a\nb"] {
            assert!(array_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(array_name("./a/b.npy").unwrap(), "a/b");
        assert_eq!(array_name("a..b").unwrap(), "a..b");
    }

    #[test]
    fn members_stand_below_their_archive_whose_name_is_said_once() {
        for (base, path, name) in [
            ("old", "x/a", "old/x/a"),
            ("old", "./x/a", "old/x/a"),
            ("runs", "runs/0/a", "runs/0/a"),
            ("d/runs", "runs/0/a", "d/runs/0/a"),
            ("runs", "runs2/a", "runs/runs2/a"),
            ("runs", "runs", "runs/runs"),
        ] {
            assert_eq!(within(base, path), name);
        }
    }

    #[test]
    fn the_names_of_files_follow_from_the_output() {
        let out = Path::new("d/out.tar.zst");
        let (format, stem) = format_of(out).unwrap();
        assert_eq!((format, stem.as_str()), (Format::Tar(Compression::Zstd), "out"));
        assert_eq!(volume_path(out, &stem, 2), Path::new("d/out-0002.tar.zst"));
        for path in ["d/out.tar.zst", "d/out.index.npz", "d/out.h5", "d/out.npz"] {
            assert_eq!(index_path(Path::new(path)), Path::new("d/out.index.npz"), "{path}");
        }
        assert!(format_of(Path::new("x.zip")).is_err());
    }
}

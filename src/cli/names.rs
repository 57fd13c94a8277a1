//! Which file an output goes to where none, or only a folder, was given.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Result, refuse};
use crate::store::{Format, Place};

/// What compacted files have before the ending of their names.
const MARK: &str = ".compact";

/// A place as written on the command line. Names that are not UTF-8 are whole paths.
pub(super) fn place(text: &OsStr) -> Place {
    match text.to_str() {
        Some(text) => Place::parse(text),
        None => Place { path: PathBuf::from(text), member: None },
    }
}

/// Whether `place` is standard input.
pub(super) fn is_stdin(place: &Place) -> bool {
    place.path == Path::new("-") && place.member.is_none()
}

/// The output of compacting `input`: `given`, or its default name inside the folder `given`, or that name beside the input.
/// Coded chunks go into HDF5 whatever the input is.
pub(super) fn compacted(input: &Place, given: Option<&OsStr>, is_coded: bool) -> Result<Place> {
    output(input, given, |folder| folder.join(compacted_name(input, is_coded)))
}

/// The output of restoring `input`, likewise. A default name never is that of a file that exists.
pub(super) fn restored(input: &Place, given: Option<&OsStr>, is_slice: bool) -> Result<Place> {
    output(input, given, |folder| restored_name(input, folder, is_slice, "npy", &[]))
}

/// The output of compacting all arrays of `input`, likewise.
pub(super) fn compacted_many(input: &Place, given: Option<&OsStr>, is_coded: bool) -> Result<Place> {
    let ending = if is_coded { "h5" } else { ending_many(input) };
    output(input, given, |folder| folder.join(joined(&stem(&input.path), &format!("{MARK}.{ending}"))))
}

/// The output of restoring all arrays of `input`, likewise.
pub(super) fn restored_many(input: &Place, given: Option<&OsStr>) -> Result<Place> {
    output(input, given, |folder| restored_name(input, folder, false, ending_many(input), &[]))
}

/// Archives go to archives, HDF5 to HDF5.
fn ending_many(input: &Place) -> &'static str {
    if Format::of_name(&input.path) == Some(Format::Hdf5) { "h5" } else { "npz" }
}

/// The output of a slice of `input`, likewise; of several, the one with `number`: `OUT-1.npy` where `OUT.npy` is given. No default
/// name is one of those `taken` by the slices before.
pub(super) fn sliced(input: &Place, given: Option<&OsStr>, number: Option<usize>, taken: &[PathBuf]) -> Result<Place> {
    let place = output(input, given, |folder| restored_name(input, folder, true, "npy", taken))?;
    let named = given.is_some_and(|g| !Path::new(g).is_dir() && place == self::place(g));
    let (Some(number), true) = (number, named) else { return Ok(place) };
    if let Some(member) = &place.member {
        let member = format!("{member}-{number}");
        return Ok(Place { path: place.path, member: Some(member) });
    }
    let mut name = joined(&stem(&place.path), &format!("-{number}"));
    if let Some(ending) = place.path.extension().filter(|_| Format::of_name(&place.path).is_some()) {
        name.push(".");
        name.push(ending);
    }
    Ok(Place { path: place.path.with_file_name(name), member: None })
}

fn output(input: &Place, given: Option<&OsStr>, default: impl FnOnce(&Path) -> PathBuf) -> Result<Place> {
    let folder = match given {
        None => None,
        Some(text) if text == "-" => {
            return refuse!(
                Usage,
                "-o -: the output cannot go to standard output, since its header is written last; give a file name"
            );
        }
        Some(text) if text.is_empty() => return refuse!(Usage, "the name after -o is empty; give a file name"),
        Some(text) => {
            let place = place(text);
            if !place.path.is_dir() {
                return Ok(place);
            }
            Some(place.path)
        }
    };
    if is_stdin(input) {
        return refuse!(Usage, "standard input has no name to make an output's name from; give a file name with -o");
    }
    let folder = folder.as_deref().or(input.path.parent()).unwrap_or(Path::new(""));
    Ok(Place { path: default(folder), member: None })
}

fn compacted_name(input: &Place, is_coded: bool) -> OsString {
    let format = Format::of_name(&input.path);
    let stem = match (format, &input.member) {
        (Some(Format::Npz), Some(member)) => last_part(member.strip_suffix(".npy").unwrap_or(member)),
        _ => stem(&input.path),
    };
    let ending = if is_coded || format == Some(Format::Hdf5) { "h5" } else { "npy" };
    joined(&stem, &format!("{MARK}.{ending}"))
}

fn restored_name(input: &Place, folder: &Path, is_slice: bool, ending: &str, taken: &[PathBuf]) -> PathBuf {
    let whole = match &input.member {
        Some(member) => last_part(member.strip_suffix(".npy").unwrap_or(member)),
        None => stem(&input.path),
    };
    let unmarked = whole.to_str().and_then(|s| s.strip_suffix(MARK)).filter(|s| !s.is_empty()).map(OsString::from);
    let base = unmarked.as_ref().unwrap_or(&whole);
    let mut first = if is_slice { None } else { unmarked.as_ref().map(|s| joined(s, &format!(".{ending}"))) };
    let word = if is_slice { "slice" } else { "restored" };
    let names = (1u64..).map(|i| match i {
        1 => joined(base, &format!(".{word}.{ending}")),
        i => joined(base, &format!(".{word}-{i}.{ending}")),
    });
    // The last resort is never reached: a folder does not hold so many files.
    first
        .take()
        .into_iter()
        .chain(names)
        .map(|name| folder.join(name))
        .find(|path| std::fs::symlink_metadata(path).is_err() && !taken.contains(path))
        .unwrap_or_else(|| folder.join(joined(base, &format!(".{ending}"))))
}

/// The file name without its ending, where that is one of an array file; `data.2024` keeps all.
fn stem(path: &Path) -> OsString {
    let name = if Format::of_name(path).is_some() { path.file_stem() } else { path.file_name() };
    name.unwrap_or(OsStr::new("array")).to_owned()
}

/// The name at the end of a member's path. A member cannot lead out of the folder.
fn last_part(member: &str) -> OsString {
    Path::new(member).file_name().unwrap_or(OsStr::new("array")).to_owned()
}

fn joined(stem: &OsStr, end: &str) -> OsString {
    let mut name = stem.to_owned();
    name.push(end);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact_name(input: &str) -> String {
        compacted(&Place::parse(input), None, false).unwrap().to_string()
    }

    #[test]
    fn an_output_stands_beside_its_input() {
        assert_eq!(compact_name("in.npy"), "in.compact.npy");
        assert_eq!(compact_name("dir/in.NPY"), "dir/in.compact.npy");
        assert_eq!(compact_name("dir/a.npz:weights/w1"), "dir/w1.compact.npy");
        assert_eq!(compact_name("dir/a.npz:../../x.npy"), "dir/x.compact.npy");
        assert_eq!(compact_name("dir/a.npz"), "dir/a.compact.npy");
        assert_eq!(compact_name("dir/t.nc:/t2m"), "dir/t.compact.h5");
        assert_eq!(compact_name("t.h5"), "t.compact.h5");
        assert_eq!(compacted(&Place::parse("in.npy"), None, true).unwrap().to_string(), "in.compact.h5");
        assert_eq!(compact_name("data.2024"), "data.2024.compact.npy");
        assert!(compacted(&Place::parse("-"), None, false).is_err());
    }

    #[test]
    fn a_folder_is_given_the_default_name_and_a_file_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().as_os_str();
        assert_eq!(
            compacted(&Place::parse("x/in.npy"), Some(given), false).unwrap().path,
            dir.path().join("in.compact.npy")
        );
        assert_eq!(
            compacted(&Place::parse("-"), Some(OsStr::new("o.h5:/g/x")), false).unwrap().member,
            Some("/g/x".to_owned())
        );
        assert!(compacted(&Place::parse("-"), Some(given), false).is_err());
        assert!(compacted(&Place::parse("in.npy"), Some(OsStr::new("-")), true).is_err());
    }

    #[test]
    fn a_restored_array_takes_a_name_that_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let input = Place { path: dir.path().join("x.compact.npy"), member: None };
        for expected in ["x.npy", "x.restored.npy", "x.restored-2.npy", "x.restored-3.npy"] {
            let output = restored(&input, None, false).unwrap().path;
            assert_eq!(output, dir.path().join(expected));
            std::fs::write(output, b"").unwrap();
        }
        assert_eq!(restored(&input, None, true).unwrap().path, dir.path().join("x.slice.npy"));
        let numbered = |given: &str, n| sliced(&input, Some(OsStr::new(given)), Some(n), &[]).unwrap().to_string();
        assert_eq!(numbered("out/crop.npy", 2), "out/crop-2.npy");
        assert_eq!(numbered("crop.h5:/g/x", 3), "crop.h5:/g/x-3");
        let taken = [dir.path().join("x.slice.npy")];
        assert_eq!(sliced(&input, None, Some(2), &taken).unwrap().path, dir.path().join("x.slice-2.npy"));
        let plain = Place { path: dir.path().join("y.npy"), member: None };
        assert_eq!(restored(&plain, None, false).unwrap().path, dir.path().join("y.restored.npy"));
        let h5 = Place { path: dir.path().join("z.compact.h5"), member: None };
        assert_eq!(restored(&h5, None, false).unwrap().path, dir.path().join("z.npy"));
    }
}

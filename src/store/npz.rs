//! Reading members of `.npz` archives: stored ones in place, deflated ones through a temporary file that has no name.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::NpyFile;
use crate::error::{Error, ErrorKind, Result, refuse};

/// Bytes moved at a time while inflating.
const COPY_BYTES: usize = 1 << 18;

fn damaged(path: &Path, member: Option<&str>, e: impl std::fmt::Display) -> Error {
    let member = member.map(|m| format!(", member {m}")).unwrap_or_default();
    Error::new(ErrorKind::Corrupt, format!("{}{member}: damaged zip archive: {e}", path.display()))
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::io(format!("opening {}", path.display()), e))?;
    ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(path, None, e))
}

/// The names of the arrays in the archive at `path`, as NumPy gives them (without `.npy`).
pub fn members(path: &Path) -> Result<Vec<String>> {
    names(path, &archive(path)?)
}

fn names(path: &Path, zip: &ZipArchive<BufReader<File>>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in zip.file_names() {
        let name = name.map_err(|e| damaged(path, None, e))?;
        names.extend(name.strip_suffix(".npy").map(str::to_owned));
    }
    Ok(names)
}

/// Opens array `name` of the archive at `path`; without a name, the only one.
pub(super) fn open(path: &Path, name: Option<&str>) -> Result<NpyFile> {
    let mut zip = archive(path)?;
    let names = names(path, &zip)?;
    let name = match (name, &names[..]) {
        (Some(name), _) => name.strip_suffix(".npy").unwrap_or(name).to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => {
            return refuse!(
                Usage,
                "{} holds {} arrays ({}); name one: {}:NAME",
                path.display(),
                names.len(),
                listed(&names),
                path.display()
            );
        }
    };
    let stored = format!("{name}.npy");
    let Some(index) = zip.index_for_name(&stored) else {
        return refuse!(Usage, "{} has no array {name:?}; it has {}", path.display(), listed(&names));
    };
    let shown = Path::new(path).join(&stored);
    let mut member = zip.by_index(index).map_err(|e| damaged(path, Some(&name), e))?;
    let (size, packed, method, crc) = (member.size(), member.compressed_size(), member.compression(), member.crc32());
    if method == CompressionMethod::Stored {
        let Some(start) = member.data_start() else {
            return Err(damaged(path, Some(&name), "its data have no place"));
        };
        drop(member);
        let file = zip.into_inner().into_inner();
        let len = file.metadata().map_err(|e| Error::io(format!("opening {}", path.display()), e))?.len();
        if size != packed || start.checked_add(size).is_none_or(|end| end > len) {
            return Err(damaged(path, Some(&name), format!("{size} bytes at {start} are outside its {len}")));
        }
        return NpyFile::from_file(file, &shown, start, size)?.expecting(crc);
    }
    // Inflating cannot be entered in the middle; positioned reads need the bytes somewhere other than memory.
    let failed = |e| Error::io(format!("unpacking {} to a temporary file", shown.display()), e);
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut out = BufWriter::with_capacity(COPY_BYTES, &mut file);
    let mut block = vec![0; COPY_BYTES];
    let mut left = size;
    loop {
        // The zip reader compares the CRC when it meets the end.
        let n = member.read(&mut block).map_err(|e| damaged(path, Some(&name), e))?;
        if n == 0 {
            break;
        }
        let Some(rest) = left.checked_sub(n as u64) else {
            return Err(damaged(path, Some(&name), format!("it unpacks to more than the {size} bytes it claims")));
        };
        left = rest;
        out.write_all(&block[..n]).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    drop(out);
    if left > 0 {
        return Err(damaged(path, Some(&name), format!("it unpacks to {left} bytes fewer than the {size} it claims")));
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    NpyFile::from_file(file, &shown, 0, size)
}

/// The first few names, for messages.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text += ", …";
    }
    if names.is_empty() { "none".into() } else { text }
}

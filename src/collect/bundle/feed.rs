//! Arrays of files, folders and archives one after the other, as work of about one block each.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choice::{Choice, Packed, unfit};
use super::index::Index;
use super::names;
use super::rows::About;
use super::run::Skipped;
use crate::engine::{Resources, pack_file};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{self, FileKind, Found, NpyHead, Stretch, TarKind, TarReader};

/// Bytes of one part of a larger file, and of the largest file that is one piece of work.
pub(super) const UNIT_BYTES: u64 = 1 << 20;
/// Files of one piece of work at most.
const UNIT_FILES: usize = 4096;
/// What a file costs besides its bytes.
const FILE_BYTES: u64 = 512;
/// An archive that unpacks to more than so many times its size, and [`SPARED_BYTES`], is taken for a bomb.
const MOST_RATIO: u64 = 10_000;
const SPARED_BYTES: u64 = 1 << 30;

/// A piece of work.
#[derive(Debug)]
pub(super) enum Work {
    /// Files that together make about one block.
    Small(Vec<Whole>),
    /// A part of one larger array.
    Part(Part),
}

impl Work {
    /// Bytes of files in it.
    #[cfg(feature = "hdf5")]
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Work::Small(files) => files.iter().map(|f| f.size).sum(),
            Work::Part(Part { bytes: PartBytes::InFile(stretch), .. }) => stretch.len(),
            Work::Part(Part { bytes: PartBytes::Here(bytes), .. }) => bytes.len() as u64,
        }
    }
}

/// A file of one array.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) from: From,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum From {
    Path(PathBuf),
    Here(Vec<u8>),
}

/// Consecutive bytes of a `.npy` file; the first part has the header.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) head: Arc<NpyHead>,
    pub(super) about: Arc<About>,
    pub(super) packed: Option<Arc<Packed>>,
    pub(super) bytes: PartBytes,
    pub(super) first: bool,
    pub(super) last: bool,
    /// Where it begins in its file.
    pub(super) at: u64,
    pub(super) file_bytes: u64,
}

#[derive(Debug)]
pub(super) enum PartBytes {
    InFile(Stretch),
    Here(Vec<u8>),
}

/// An archive that is being read.
enum Archive {
    Tar { tar: TarReader<Box<dyn Read + Send>>, place: PathBuf, base: String, most: u64, inner: Option<Zip> },
    Npz(Zip),
}

struct Zip {
    zip: store::Archive,
    next: usize,
    place: PathBuf,
    base: String,
}

/// An array that comes in parts.
struct Large {
    name: String,
    head: Arc<NpyHead>,
    about: Arc<About>,
    packed: Option<Arc<Packed>>,
    /// `None` for the current member of a tar archive.
    file: Option<Stretch>,
    /// Its first bytes, read to see the header.
    begun: Vec<u8>,
    at: u64,
    len: u64,
}

enum Next {
    Whole(Whole),
    Large(Large),
}

/// Gives work until there is none.
pub(super) struct Feed<'a> {
    found: &'a [Found],
    /// Bytes of small files that make one piece of work.
    block_bytes: u64,
    at: usize,
    archive: Option<Archive>,
    held: Option<Next>,
    large: Option<Large>,
    /// The steps of arrays that are too large for one piece of work, which go through them before they come in parts.
    packing: Option<(&'a Choice<'a>, Resources<'a>)>,
    pub(super) skipped: Skipped,
}

impl<'a> Feed<'a> {
    pub(super) fn new(found: &'a [Found], block_bytes: u64) -> Self {
        let block_bytes = block_bytes.min(UNIT_BYTES);
        let (at, skipped) = (0, Skipped::default());
        Self { found, block_bytes, at, archive: None, held: None, large: None, packing: None, skipped }
    }

    /// Gives large arrays as `choice` packs them.
    pub(super) fn packing(&mut self, choice: &'a Choice<'a>, resources: Resources<'a>) {
        self.packing = Some((choice, resources));
    }

    /// Whether an array was begun and is not at its end.
    #[cfg(feature = "hdf5")]
    pub(super) fn is_inside(&self) -> bool {
        self.large.is_some()
    }

    /// Whether there is another array.
    #[cfg(feature = "hdf5")]
    pub(super) fn has_more(&mut self) -> Result<bool> {
        if self.large.is_none() && self.held.is_none() {
            self.held = self.next()?;
        }
        Ok(self.large.is_some() || self.held.is_some())
    }

    /// Passes over the first `arrays`, which an interrupted run took.
    pub(super) fn pass_over(&mut self, arrays: u64) -> Result<()> {
        for _ in 0..arrays {
            if self.next()?.is_none() {
                return refuse!(Refused, "the inputs hold fewer arrays than the interrupted run took from them");
            }
        }
        Ok(())
    }

    /// The next piece of work.
    pub(super) fn pull(&mut self) -> Result<Option<Work>> {
        if self.large.is_some() {
            return self.part().map(Some);
        }
        let (mut files, mut bytes) = (Vec::new(), 0);
        loop {
            let next = match self.held.take() {
                Some(next) => Some(next),
                None => self.next()?,
            };
            match next {
                // A file that does not fit comes by itself, so that none has to be unpacked for a small one.
                Some(Next::Whole(whole)) if files.is_empty() || bytes + whole.size + FILE_BYTES <= self.block_bytes => {
                    bytes += whole.size + FILE_BYTES;
                    files.push(whole);
                    if files.len() >= UNIT_FILES {
                        break;
                    }
                }
                Some(Next::Large(large)) if files.is_empty() => {
                    self.large = Some(large);
                    return self.part().map(Some);
                }
                Some(next) => {
                    self.held = Some(next);
                    break;
                }
                None => break,
            }
        }
        Ok(if files.is_empty() { None } else { Some(Work::Small(files)) })
    }

    /// The next part of the large array.
    fn part(&mut self) -> Result<Work> {
        let Some(mut large) = self.large.take() else { return refuse!(Io, "no array was begun") };
        let first = large.at == 0;
        let data_at = large.head.data_at;
        // Parts hold whole elements, so that each can be coded by itself.
        let whole = UNIT_BYTES / large.head.shown.dtype().size() as u64 * large.head.shown.dtype().size() as u64;
        let end = if first { data_at + whole } else { large.at + whole }.min(large.len);
        let bytes = match &large.file {
            Some(file) => PartBytes::InFile(file.part(large.at, end - large.at)?),
            None => {
                let mut bytes = vec![0; (end - large.at) as usize];
                let begun = large.begun.len().min(bytes.len());
                let rest = large.begun.split_off(begun);
                bytes[..begun].copy_from_slice(&large.begun);
                large.begun = rest;
                let Some(Archive::Tar { tar, place, .. }) = &mut self.archive else {
                    return refuse!(Io, "no archive is open");
                };
                tar.read_exact(&mut bytes[begun..]).map_err(|e| cut(place, e))?;
                PartBytes::Here(bytes)
            }
        };
        let at = std::mem::replace(&mut large.at, end);
        let last = end == large.len;
        let part = Part {
            name: large.name.clone(),
            head: Arc::clone(&large.head),
            about: Arc::clone(&large.about),
            packed: large.packed.clone(),
            bytes,
            first,
            last,
            at,
            file_bytes: large.len,
        };
        if !last {
            self.large = Some(large);
        }
        Ok(Work::Part(part))
    }

    /// The next array of files and archives.
    fn next(&mut self) -> Result<Option<Next>> {
        loop {
            if let Some(archive) = &mut self.archive {
                let next = match archive {
                    Archive::Tar { tar, place, base, most, inner } => {
                        of_tar(tar, place, base, most, inner, self.packing, &mut self.skipped)?
                    }
                    Archive::Npz(zip) => of_zip(zip, self.packing, &mut self.skipped)?,
                };
                match next {
                    Some(next) => return Ok(Some(next)),
                    None => self.archive = None,
                }
                continue;
            }
            let Some(found) = self.found.get(self.at) else { return Ok(None) };
            self.at += 1;
            let path = &found.path;
            match found.kind {
                FileKind::Npy => {
                    let name = names::array_name(&found.name).map_err(|e| e.at(path.display()))?;
                    if found.size <= UNIT_BYTES {
                        let from = From::Path(path.clone());
                        return Ok(Some(Next::Whole(Whole { name, size: found.size, from })));
                    }
                    let file = Stretch::open(path)?;
                    let large = open_large(name, file, self.packing, &mut self.skipped);
                    if let Some(large) = large.map_err(|e| e.at(path.display()))? {
                        return Ok(Some(Next::Large(large)));
                    }
                }
                FileKind::Npz if Index::open(path).is_ok() => {
                    let why = "the index of a bundle, whose volumes hold the arrays";
                    self.skipped.other(&found.name, Some(&Error::new(ErrorKind::Unsupported, why)));
                }
                FileKind::Npz => {
                    let base = found.name[..found.name.len() - 4].to_owned();
                    let zip = store::Archive::open(path)?;
                    self.archive = Some(Archive::Npz(Zip { zip, next: 0, place: path.clone(), base }));
                }
                FileKind::Tar(compression) => {
                    let base = names::format_of(Path::new(&found.name)).map(|(_, stem)| stem)?;
                    let base = match found.name.rsplit_once('/') {
                        Some((folder, _)) => format!("{folder}/{base}"),
                        None => base,
                    };
                    let from = compression.reader(Stretch::open(path)?.stream())?;
                    let most = found.size.saturating_mul(MOST_RATIO).saturating_add(SPARED_BYTES);
                    let tar = TarReader::new(from);
                    self.archive = Some(Archive::Tar { tar, place: path.clone(), base, most, inner: None });
                }
                FileKind::Pickle => self.skipped.pickle(&found.name),
                FileKind::Other => self.skipped.other(&found.name, None),
                FileKind::Link => {
                    let why =
                        Error::new(ErrorKind::Unsupported, "a link to a folder, or to nothing; give what it leads to");
                    self.skipped.other(&found.name, Some(&why));
                }
            }
        }
    }
}

fn cut(place: &Path, e: std::io::Error) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{}: the archive is damaged or cut short: {e}", place.display()))
}

/// How large arrays are packed, if they are.
type Packing<'a> = Option<(&'a Choice<'a>, Resources<'a>)>;

/// Looks at the header of a file that is too large for one piece of work, and packs it if it is to be; `None` if it is passed over.
fn open_large(name: String, file: Stretch, packing: Packing<'_>, skipped: &mut Skipped) -> Result<Option<Large>> {
    let first = file.bytes(0, file.len().min(12))?;
    let head = NpyHead::needs(&first).and_then(|n| NpyHead::of(&file.bytes(0, n.min(file.len()))?, file.len()));
    let known = head.and_then(|head| Ok((About::of(&head, None)?, head)));
    let (mut about, mut head, mut file, mut packed) = match known {
        Ok((about, head)) => (about, head, file, None),
        Err(e) if e.kind() == ErrorKind::Unsupported => {
            skipped.other(&name, Some(&e));
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    if let Some((choice, resources)) = packing
        && let Some((steps, select)) = choice.of(&name)
    {
        let made = pack_file(&head, &file, steps.ask(), &resources).map_err(|e| unfit(&name, e))?;
        packed = Some(Arc::new(Packed::new(&name, select, steps, &made.record, &made.head.shown, made.coding)?));
        (head, file) = (made.head, made.npy);
        about = About::of(&head, steps.coding.as_ref())?;
    }
    let (head, about, len) = (Arc::new(head), Arc::new(about), file.len());
    Ok(Some(Large { name, head, about, packed, file: Some(file), begun: Vec::new(), at: 0, len }))
}

fn of_tar(
    tar: &mut TarReader<Box<dyn Read + Send>>,
    place: &Path,
    base: &str,
    most: &mut u64,
    inner: &mut Option<Zip>,
    packing: Packing<'_>,
    skipped: &mut Skipped,
) -> Result<Option<Next>> {
    loop {
        if let Some(zip) = inner {
            match of_zip(zip, packing, skipped)? {
                Some(next) => return Ok(Some(next)),
                None => *inner = None,
            }
        }
        let Some(entry) = tar.next_entry().map_err(|e| e.at(place.display()))? else { return Ok(None) };
        match most.checked_sub(entry.size) {
            Some(left) => *most = left,
            None => {
                return refuse!(
                    Corrupt,
                    "{}: it unpacks to over {MOST_RATIO} times its size, as archives do that are made to fill disks; unpack it by \
                     hand if it is meant",
                    place.display()
                );
            }
        }
        if entry.kind == TarKind::Folder {
            continue;
        }
        let full = names::within(base, &entry.name);
        if let Some(why) = entry.kind.why_not() {
            skipped.other(&full, Some(&Error::new(ErrorKind::Unsupported, why)));
            continue;
        }
        let kind = FileKind::of_name(Path::new(&entry.name));
        let at = |e: Error| e.at(format!("{}, member {}", place.display(), entry.name));
        match kind {
            FileKind::Npy => {
                names::array_name(&entry.name).map_err(at)?;
                let name = names::array_name(&full).map_err(at)?;
                if entry.size <= UNIT_BYTES {
                    let mut bytes = vec![0; entry.size as usize];
                    tar.read_exact(&mut bytes).map_err(|e| cut(place, e))?;
                    return Ok(Some(Next::Whole(Whole { name, size: entry.size, from: From::Here(bytes) })));
                }
                if packing.is_some_and(|(choice, _)| choice.of(&name).is_some()) {
                    // Steps look at an array more than once.
                    let file = Stretch::spool(tar, entry.size, place)?;
                    match open_large(name, file, packing, skipped).map_err(at)? {
                        Some(large) => return Ok(Some(Next::Large(large))),
                        None => continue,
                    }
                }
                let mut begun = vec![0; 12];
                tar.read_exact(&mut begun).map_err(|e| cut(place, e))?;
                let needs = NpyHead::needs(&begun).map_err(at)?.clamp(begun.len() as u64, entry.size);
                begun.resize(needs as usize, 0);
                tar.read_exact(&mut begun[12..]).map_err(|e| cut(place, e))?;
                match NpyHead::of(&begun, entry.size).and_then(|head| Ok((About::of(&head, None)?, head))) {
                    Ok((about, head)) => {
                        let (head, about, len) = (Arc::new(head), Arc::new(about), entry.size);
                        let packed = None;
                        return Ok(Some(Next::Large(Large {
                            name,
                            head,
                            about,
                            packed,
                            file: None,
                            begun,
                            at: 0,
                            len,
                        })));
                    }
                    Err(e) if e.kind() == ErrorKind::Unsupported => skipped.other(&full, Some(&e)),
                    Err(e) => return Err(at(e)),
                }
            }
            FileKind::Npz => {
                names::array_name(&entry.name).map_err(at)?;
                let place = place.join(&entry.name);
                let zip = store::Archive::of_stream(tar, entry.size, &place)?;
                *inner = Some(Zip { zip, next: 0, place, base: full[..full.len() - 4].to_owned() });
            }
            FileKind::Pickle => skipped.pickle(&full),
            FileKind::Tar(_) | FileKind::Other | FileKind::Link => skipped.other(&full, None),
        }
    }
}

fn of_zip(zip: &mut Zip, packing: Packing<'_>, skipped: &mut Skipped) -> Result<Option<Next>> {
    while let Some((member, size)) = zip.zip.member(zip.next) {
        let i = zip.next;
        zip.next += 1;
        if member.ends_with('/') {
            continue;
        }
        let full = names::within(&zip.base, member);
        if !member.ends_with(".npy") {
            skipped.other(&full, None);
            continue;
        }
        let at = |e: Error| e.at(format!("{}, member {member}", zip.place.display()));
        names::array_name(member).map_err(at)?;
        let name = names::array_name(&full).map_err(at)?;
        if size <= UNIT_BYTES {
            let bytes = zip.zip.read(i)?;
            return Ok(Some(Next::Whole(Whole { name, size, from: From::Here(bytes) })));
        }
        match zip.zip.spool(i) {
            Ok(file) => {
                if let Some(large) = open_large(name, file, packing, skipped).map_err(at)? {
                    return Ok(Some(Next::Large(large)));
                }
            }
            // As for small ones: what holds no numbers is passed over, what cannot be read is an error.
            Err(e) if e.kind() == ErrorKind::Unsupported && zip.zip.is_readable(i) => skipped.other(&full, Some(&e)),
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

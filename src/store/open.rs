//! Opens whatever array a name on the command line stands for.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::bytes::{Bytes, Positioned};
use super::npz::{self, Archive};
#[cfg(feature = "hdf5")]
use super::window::{Window, WindowOf};
use super::{Image, Mapping, NpyFile, Stretch};
use crate::array::{Buf, ByteOrder, Span, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::{Grain, Source, Work};
use crate::recipe::{Axes, CfPacking, Record};
use crate::transform::Fill;

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NumPy's single array.
    Npy,
    /// A zip archive of `.npy` members.
    Npz,
    /// HDF5, NetCDF-4 included.
    Hdf5,
}

impl Format {
    /// The format that a file name's ending stands for.
    pub fn of_name(path: &Path) -> Option<Format> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "npy" => Some(Format::Npy),
            "npz" => Some(Format::Npz),
            "h5" | "hdf5" | "hdf" | "he5" | "nc" | "nc4" | "h5py" => Some(Format::Hdf5),
            _ => None,
        }
    }

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Npz => "npz",
            Format::Hdf5 => "hdf5",
        }
    }
}

/// A file, and the array inside it where it can hold several: `file.npy`, `archive.npz:name`, `file.h5:/group/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The array inside.
    pub member: Option<String>,
}

impl Place {
    /// Reads a place as written. A file that exists under the whole text is meant as it stands.
    pub fn parse(text: &str) -> Self {
        let whole = Self { path: PathBuf::from(text), member: None };
        if whole.path.exists() {
            return whole;
        }
        for (at, _) in text.match_indices(':') {
            let path = Path::new(&text[..at]);
            if matches!(Format::of_name(path), Some(Format::Npz | Format::Hdf5)) && at + 1 < text.len() {
                return Self { path: path.to_owned(), member: Some(text[at + 1..].to_owned()) };
            }
        }
        whole
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.member.as_ref().map_or(Ok(()), |m| write!(f, ":{m}"))
    }
}

/// The kinds of stores behind an open array.
#[derive(Debug)]
enum Store {
    Npy(Box<NpyFile>),
    #[cfg(feature = "hdf5")]
    Hdf5(Box<super::hdf5::Dataset>),
    /// One array of a dataset that holds many.
    #[cfg(feature = "hdf5")]
    Window(Box<Window>),
}

/// An open array, of any format. As a [`Source`] it hands out elements in file order: [`Opened::is_fortran`] tells whether
/// that is the reverse of what NumPy shows.
#[derive(Debug)]
pub struct Opened {
    store: Store,
    place: Place,
    format: Format,
    /// The file in memory that it was opened from, which has no name.
    memory: Option<Image>,
    /// Where it is a member of an archive: how it stands there.
    member: Option<npz::Stands>,
    /// What it is called in that archive.
    own_name: Option<String>,
}

/// The first bytes of HDF5 files; with a user block they stand at 512, 1024, …
const HDF5_MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Opens array `name` of an archive that is open already; without a name, the only one.
pub(crate) fn open_in(archive: &Archive, name: Option<&str>) -> Result<Opened> {
    let (npy, stands) = npz::open(archive, name)?;
    let own_name = name.or_else(|| archive.names().next()).map(str::to_owned);
    let place = Place { path: archive.path().to_owned(), member: name.map(str::to_owned) };
    Ok(Opened {
        store: Store::Npy(Box::new(npy)),
        place,
        format: Format::Npz,
        member: Some(stands),
        own_name,
        memory: None,
    })
}

/// Opens the `.npy` file that `stretch` is, by itself or inside another file; `place` names it. `crc32` of all of it is compared by
/// [`Opened::verify`].
pub(crate) fn open_npy(stretch: &Stretch, place: Place, crc32: Option<u32>) -> Result<Opened> {
    let mut npy = NpyFile::from_file(stretch.file()?, stretch.path(), stretch.start(), stretch.len())?;
    if let Some(crc32) = crc32 {
        npy = npy.expecting(crc32)?;
    }
    Ok(Opened {
        store: Store::Npy(Box::new(npy)),
        place,
        format: Format::Npy,
        member: None,
        own_name: None,
        memory: None,
    })
}

/// Opens an array among others in the dataset at `from`; `place` names it.
#[cfg(feature = "hdf5")]
pub(crate) fn open_window(from: &Place, of: WindowOf, place: Place) -> Result<Opened> {
    let dataset = super::hdf5::Dataset::open(&from.path, from.member.as_deref())?;
    let window = Window::new(dataset, of).map_err(|e| e.at(&place))?;
    Ok(Opened {
        store: Store::Window(Box::new(window)),
        place,
        format: Format::Hdf5,
        member: None,
        own_name: None,
        memory: None,
    })
}

/// Opens the array at `place`. `-` is standard input, which must be a `.npy` file, or a `.npz` of which only one array is wanted.
pub fn open(place: &Place) -> Result<Opened> {
    if place.path == Path::new("-") {
        let shown = Path::new("standard input");
        let failed = |e| Error::io("reading standard input", e);
        let file = standard_input()?;
        let len = file.metadata().map_err(failed)?.len();
        let mut head = [0; 8];
        file.read_at(&mut head, 0).map_err(failed)?;
        if len == 0 {
            return refuse!(Corrupt, "standard input is empty");
        }
        if head.starts_with(b"PK") {
            let archive = Archive::from_file(file, shown)?;
            if place.member.is_none() && archive.names().nth(1).is_some() {
                return refuse!(
                    Usage,
                    "the archive on standard input holds several arrays, and no name can be given there; write it to a file, and name one: \
                     FILE.npz:NAME"
                );
            }
            let opened = open_in(&archive, place.member.as_deref())?;
            return Ok(Opened { place: place.clone(), ..opened });
        }
        if head == *HDF5_MAGIC {
            return refuse!(Unsupported, "HDF5 is not read from standard input; write it to a file and name that");
        }
        let store = Store::Npy(Box::new(NpyFile::from_file(file, shown, 0, len)?));
        return Ok(Opened {
            store,
            place: place.clone(),
            format: Format::Npy,
            member: None,
            own_name: None,
            memory: None,
        });
    }
    let path = &place.path;
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return refuse!(Usage, "{} is a folder; give an array file", path.display());
    }
    if meta.is_file() && meta.len() == 0 {
        return refuse!(Corrupt, "{} is empty", path.display());
    }
    refuse_pipe(&file, path)?;
    recognised(place, file.into())
}

/// Opens the array `member` of a whole file that is in memory: of an archive or an HDF5 file by its name, which may be left out
/// where there is one array. The bytes are read where they are.
pub fn open_bytes(bytes: Image, member: Option<&str>) -> Result<Opened> {
    let place = Place { path: PathBuf::from("bytes in memory"), member: member.map(str::to_owned) };
    let opened = recognised(&place, Bytes::Memory(bytes.clone()))?;
    Ok(Opened { memory: Some(bytes), ..opened })
}

/// Opens the array at `place` of `file`, whose first bytes tell what it is.
fn recognised(place: &Place, file: Bytes) -> Result<Opened> {
    let path = &place.path;
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let mut head = [0u8; 8];
    let have = file.get_at(&mut head, 0).map_err(failed)?;
    let (store, format) = if head.starts_with(b"\x93NUMPY") {
        if let Some(member) = &place.member {
            return refuse!(
                Usage,
                "{} is a .npy file and holds one array; there is no {member:?} in it",
                path.display()
            );
        }
        let npy = match &file {
            Bytes::File(_) => NpyFile::open(path)?,
            Bytes::Memory(image) => NpyFile::from_file(file.clone(), path, 0, image.bytes().len() as u64)?,
        };
        (Store::Npy(Box::new(npy)), Format::Npy)
    } else if head.starts_with(b"PK") {
        let opened = open_in(&Archive::from_file(file, path)?, place.member.as_deref())?;
        return Ok(Opened { place: place.clone(), ..opened });
    } else if head == *HDF5_MAGIC || Format::of_name(path) == Some(Format::Hdf5) {
        hdf5(path, place.member.as_deref(), &file)?
    } else if head.starts_with(b"CDF") {
        return refuse!(
            Unsupported,
            "{} is a NetCDF-3 file; convert it once with `nccopy -k nc4 IN OUT.nc`",
            path.display()
        );
    } else {
        return refuse!(
            Corrupt,
            "{} is no .npy, .npz or HDF5 file: it begins with {:?}",
            path.display(),
            String::from_utf8_lossy(&head[..have])
        );
    };
    Ok(Opened { store, place: place.clone(), format, member: None, own_name: None, memory: None })
}

#[cfg(feature = "hdf5")]
fn hdf5(path: &Path, member: Option<&str>, file: &Bytes) -> Result<(Store, Format)> {
    use super::hdf5::Dataset;
    let dataset = match file {
        Bytes::File(_) => Dataset::open(path, member)?,
        Bytes::Memory(image) => Dataset::open_image(image, member, path)?,
    };
    Ok((Store::Hdf5(Box::new(dataset)), Format::Hdf5))
}

#[cfg(not(feature = "hdf5"))]
fn hdf5(path: &Path, _member: Option<&str>, _file: &Bytes) -> Result<(Store, Format)> {
    refuse!(Unsupported, "{} is an HDF5 file and this build has none; build with the feature `hdf5`", path.display())
}

/// The names of the arrays of numbers that the file at `path` holds, if it can hold several; none for other files and for
/// standard input.
pub fn arrays(path: &Path) -> Result<Vec<String>> {
    if path == Path::new("-") {
        return Ok(Vec::new());
    }
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let mut head = [0u8; 8];
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return refuse!(Usage, "{} is a folder; give an array file", path.display());
    }
    refuse_pipe(&file, path)?;
    file.read_at(&mut head, 0).map_err(failed)?;
    if head.starts_with(b"PK") {
        return npz::members(path);
    }
    #[cfg(feature = "hdf5")]
    if head == *HDF5_MAGIC {
        let all = super::hdf5::list(path)?;
        return Ok(all.into_iter().filter(|(_, spec)| spec.is_ok()).map(|(name, _)| name).collect());
    }
    Ok(Vec::new())
}

/// Whether the file at `path` begins as a zip archive does.
pub(crate) fn is_zip(path: &Path) -> Result<bool> {
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return refuse!(Usage, "{} is a folder; give an array file", path.display());
    }
    let mut head = [0; 2];
    refuse_pipe(&file, path)?;
    file.read_at(&mut head, 0).map_err(failed)?;
    Ok(head == *b"PK")
}

/// Whether the file at `path` is a zip archive, by its first bytes.
pub fn is_archive(path: &Path) -> Result<bool> {
    if path == Path::new("-") {
        return Ok(false);
    }
    Ok(head_of(path)?.starts_with(b"PK"))
}

/// Whether the file at `path` is an HDF5 file, by its first bytes or its name.
pub fn is_hdf5(path: &Path) -> Result<bool> {
    Ok(path != Path::new("-") && (head_of(path)? == *HDF5_MAGIC || Format::of_name(path) == Some(Format::Hdf5)))
}

fn head_of(path: &Path) -> Result<[u8; 8]> {
    let failed = |e| Error::io(format!("opening {}", path.display()), e);
    let mut head = [0u8; 8];
    File::open(path).and_then(|file| file.read_at(&mut head, 0)).map_err(failed)?;
    Ok(head)
}

/// Refuses what cannot be read by position, before that is tried.
fn refuse_pipe(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_pipe = file.metadata().is_ok_and(|m| m.file_type().is_fifo());
    match is_pipe {
        true => refuse!(Usage, "{} is a pipe; give it as standard input: - < {}", path.display(), path.display()),
        false => Ok(()),
    }
}

/// Bytes of the file at `path`.
pub fn file_bytes(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|m| m.len()).map_err(|e| Error::io(format!("looking at {}", path.display()), e))
}

/// Whether two places lie in the same file, links and redirected standard input seen through.
pub(crate) fn same_file(a: &Place, b: &Place) -> bool {
    let identity = |place: &Place| {
        let stat = if place.path == Path::new("-") {
            rustix::fs::fstat(std::io::stdin())
        } else {
            rustix::fs::stat(&place.path)
        };
        stat.ok().map(|s| (s.st_dev, s.st_ino))
    };
    identity(a).is_some() && identity(a) == identity(b)
}

/// Standard input as a file that can be read by position: itself where it is one, else copied to one that has no name.
fn standard_input() -> Result<File> {
    let failed = |e| Error::io("reading standard input", e);
    let input = std::io::stdin();
    let fd = rustix::io::dup(&input).map_err(|e| failed(e.into()))?;
    let mut given = File::from(fd);
    if given.metadata().map_err(failed)?.is_file() {
        return Ok(given);
    }
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, &mut file);
    let mut block = vec![0; 1 << 18];
    loop {
        let n = given.read(&mut block).map_err(failed)?;
        if n == 0 {
            break;
        }
        out.write_all(&block[..n]).map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    drop(out);
    Ok(file)
}

impl Opened {
    /// Where it was opened.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The kind of file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The name by which its file knows it, where that was chosen by somebody: not those that this program gives a dataset that is
    /// alone.
    pub(crate) fn own_name(&self) -> Option<&str> {
        match &self.store {
            Store::Npy(_) => self.own_name.as_deref(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => Some(h5.name()).filter(|name| *name != super::hdf5::default_name(h5.spec().dtype())),
            #[cfg(feature = "hdf5")]
            Store::Window(_) => None,
        }
    }

    /// Dtype and shape as NumPy or h5py show them.
    pub fn shown(&self) -> &Spec {
        match &self.store {
            Store::Npy(npy) => npy.shown(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.spec(),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => &w.of.shown,
        }
    }

    /// Whether elements come in C order of the reversed shape.
    pub fn is_fortran(&self) -> bool {
        match &self.store {
            // With one axis or none there is nothing to reverse.
            Store::Npy(npy) => npy.is_fortran() && npy.shown().shape().len() > 1,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(_) => false,
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.of.fortran && w.of.shown.shape().len() > 1,
        }
    }

    /// The byte order in the file.
    pub fn byte_order(&self) -> ByteOrder {
        match &self.store {
            Store::Npy(npy) => npy.byte_order(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.byte_order(),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.of.order,
        }
    }

    /// The fill value that the file declares.
    pub fn fill(&self) -> Result<Option<Fill>> {
        match &self.store {
            Store::Npy(_) => Ok(None),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.fill(),
            #[cfg(feature = "hdf5")]
            Store::Window(_) => Ok(None),
        }
    }

    /// The CF packing that the file declares.
    pub fn cf(&self) -> Result<Option<CfPacking>> {
        match &self.store {
            Store::Npy(_) => Ok(None),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => Ok(h5.cf()?.map(|(scale_factor, add_offset)| CfPacking { scale_factor, add_offset })),
            #[cfg(feature = "hdf5")]
            Store::Window(_) => Ok(None),
        }
    }

    /// Bytes that the array takes up on disk: the file's for `.npy`, the stored chunks' for HDF5, the member's for `.npz`.
    pub fn stored_bytes(&self) -> u64 {
        match &self.store {
            Store::Npy(npy) => self.member.map_or(npy.file_bytes(), |m| m.packed),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.stored_bytes(),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.spec().bytes(),
        }
    }

    /// As [`Opened::stored_bytes`]; the file's length where chunks would have to be added up, which takes longer than a slice.
    pub(crate) fn stored_bytes_soon(&self) -> u64 {
        #[cfg(feature = "hdf5")]
        if let Store::Hdf5(h5) = &self.store
            && h5.known_bytes().is_none()
            && self.memory.is_none()
            && let Ok(meta) = std::fs::metadata(&self.place.path)
        {
            return meta.len();
        }
        self.stored_bytes()
    }

    /// Keeps up to `bytes` of decoded chunks as long as this is open, for all threads that read it; 0 keeps none. Files without
    /// chunks need none.
    #[cfg_attr(not(feature = "hdf5"), expect(unused_variables, reason = "no other files have chunks"))]
    pub(crate) fn keep_chunks(&mut self, bytes: u64) {
        match &mut self.store {
            Store::Npy(_) => {}
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.keep_chunks(bytes),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.dataset.keep_chunks(bytes),
        }
    }

    /// Maps the elements into memory, in the order of the file and its byte order; `None` where they do not lie in one piece.
    pub(crate) fn map(&self) -> Result<Option<Mapping>> {
        let bytes = self.spec().bytes();
        let (file, at) = match &self.store {
            Store::Npy(npy) => npy.region(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => match h5.region() {
                Some(region) => region,
                None => return Ok(None),
            },
            #[cfg(feature = "hdf5")]
            Store::Window(_) => return Ok(None),
        };
        file.map(at, bytes).map(Some).map_err(|e| e.at(&self.place))
    }

    /// Whether rows can be appended in place, without making the file anew.
    pub fn can_grow(&self) -> bool {
        match &self.store {
            Store::Npy(npy) => self.format == Format::Npy && !self.is_fortran() && !npy.shown().shape().is_empty(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.can_grow(),
            #[cfg(feature = "hdf5")]
            Store::Window(_) => false,
        }
    }

    /// Bytes behind the array that an append which is under way, or was cut short, has left: no part of it.
    pub fn left_over(&self) -> u64 {
        match &self.store {
            Store::Npy(npy) if self.format == Format::Npy => npy.left_over(),
            _ => 0,
        }
    }

    /// Of an array in the `filtered` layout that rows were appended to: the steps that its chunks were made with.
    ///
    /// # Errors
    /// As [`Dataset::chunk_steps`](super::hdf5::Dataset::chunk_steps).
    #[cfg(feature = "hdf5")]
    pub fn chunk_steps(&self) -> Result<Vec<super::hdf5::ChunkSteps>> {
        match &self.store {
            Store::Hdf5(h5) if h5.can_grow() => h5.chunk_steps(),
            _ => Ok(Vec::new()),
        }
    }

    /// The shape of its chunks, where it is stored in chunks.
    pub fn chunk(&self) -> Option<&[u64]> {
        match &self.store {
            Store::Npy(_) => None,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.chunk(),
            #[cfg(feature = "hdf5")]
            Store::Window(_) => None,
        }
    }

    /// Bytes on disk, headers included: the whole file's where it holds this array alone, else what the array takes up in it.
    pub fn bytes_on_disk(&self) -> Result<u64> {
        if self.format == Format::Hdf5 && self.memory.is_none() && arrays(&self.place.path)?.len() == 1 {
            let path = &self.place.path;
            let meta = std::fs::metadata(path).map_err(|e| Error::io(format!("reading {}", path.display()), e))?;
            return Ok(meta.len());
        }
        Ok(self.stored_bytes())
    }

    /// How it is laid out in the file, in a few words.
    pub fn layout(&self) -> String {
        if let Some(method) = self.member.and_then(|m| m.method) {
            return format!("{method} in the archive");
        }
        match &self.store {
            Store::Npy(npy) => format!("contiguous from byte {}", npy.data_at()),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.layout().to_owned(),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => format!("from element {} on in {}", w.of.start, w.dataset.layout()),
        }
    }

    /// The record that tells how the array was compacted, `None` for an ordinary array.
    pub fn record(&self) -> Result<Option<Record>> {
        let json = match &self.store {
            Store::Npy(npy) => npy.record()?,
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.record()?,
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.of.record.clone(),
        };
        let Some(json) = json else { return Ok(None) };
        let record = Record::from_json(&json).map_err(|e| e.at(&self.place))?;
        if record.coding.is_some() && self.format != Format::Hdf5 {
            return refuse!(Corrupt, "{}: the recipe codes chunks, which only HDF5 files hold", self.place);
        }
        let pipeline = record.shown_through().map_err(|e| e.at(&self.place))?;
        if pipeline.output() != self.spec() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: the recipe makes {}, the file holds {}", self.place, pipeline.output(), self.spec()),
            ));
        }
        // A flipped bit in `<f2` gives `>f2`, which no checksum of the data shows.
        let swapped = self.spec().dtype().word() > 1 && self.byte_order() != ByteOrder::Little;
        let turned = self.is_fortran() != (record.axes == Axes::F) && self.spec().shape().len() > 1;
        if swapped || turned {
            return refuse!(
                Corrupt,
                "{}: the header gives a byte or axis order in which compacted arrays are never written; the file is damaged or was \
                 rewritten by another program. Restore it from a backup",
                self.place
            );
        }
        Ok(Some(record))
    }

    /// Has sums taken while elements are read, to be compared by [`Opened::verify`] with `crc32` of all of them.
    pub(crate) fn expect(&mut self, crc32: u32) {
        match &mut self.store {
            Store::Npy(npy) => npy.expect_data(crc32),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(_) => {}
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.expect(crc32),
        }
    }

    /// Compares what was read with the sums that the file declares, reading again what was not read in one piece each.
    pub(crate) fn verify(&self) -> Result<()> {
        match &self.store {
            Store::Npy(npy) => npy.verify(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(_) => Ok(()),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.verify().map_err(|e| e.at(&self.place)),
        }
    }

    fn source(&self) -> &dyn Source {
        match &self.store {
            Store::Npy(npy) => npy.as_ref(),
            #[cfg(feature = "hdf5")]
            Store::Hdf5(h5) => h5.as_ref(),
            #[cfg(feature = "hdf5")]
            Store::Window(w) => w.as_ref(),
        }
    }
}

impl Source for Opened {
    fn spec(&self) -> &Spec {
        self.source().spec()
    }

    fn read(&self, spans: &[Span], out: &mut Buf, work: &mut Work) -> Result<()> {
        self.source().read(spans, out, work)
    }

    fn grain(&self) -> Option<Grain> {
        self.source().grain()
    }

    fn overhead(&self) -> u64 {
        self.source().overhead()
    }

    fn pieces(&self) -> u64 {
        self.source().pieces()
    }

    fn piece(&self, i: u64, spans: &mut Vec<Span>) {
        self.source().piece(i, spans);
    }
}

//! The index of a bundle: a table by columns, of which one array's row is read without the others.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names;
use super::rows::{Blocks, PackedRow, Rows};
#[cfg(feature = "hdf5")]
use crate::array::ByteOrder;
use crate::array::{DType, MAX_AXES, Spec};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{Column, Columns, ColumnsWriter, Compression, Replace, Sign};

/// The flag of arrays whose own files hold their elements in big-endian order.
pub(super) const BIG: u8 = 1;
/// The flag of arrays in Fortran order.
pub(super) const FORTRAN: u8 = 2;
/// The version of indexes that this program writes and reads.
const VERSION: u32 = 1;
/// What an index says in words is at most so long, tens of thousands of volumes included.
const MOST_ABOUT: u64 = 16 << 20;

/// The kind of file that a bundle's volumes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// tar archives of `.npy` files, compressed in blocks that stand alone.
    Tar(Compression),
    /// `.npz` archives, each member deflated by itself, or as it is.
    Npz(Compression),
    /// HDF5: arrays of one dtype end to end in one dataset.
    Hdf5,
}

impl Format {
    /// Its name in indexes and messages.
    pub fn name(self) -> &'static str {
        match self {
            Format::Tar(Compression::None) => "tar",
            Format::Tar(Compression::Gzip) => "tar.gz",
            Format::Tar(Compression::Bzip2) => "tar.bz2",
            Format::Tar(Compression::Xz) => "tar.xz",
            Format::Tar(Compression::Zstd | Compression::Deflate) => "tar.zst",
            Format::Npz(Compression::None) => "npz-stored",
            Format::Npz(_) => "npz",
            Format::Hdf5 => "hdf5",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let tars = Compression::OF_TAR.iter().map(|c| Format::Tar(*c));
        tars.chain([Format::Npz(Compression::Deflate), Format::Npz(Compression::None), Format::Hdf5])
            .find(|f| f.name() == name)
    }

    /// What its blocks are compressed with.
    pub(super) fn compression(self) -> Compression {
        match self {
            Format::Tar(compression) | Format::Npz(compression) => compression,
            Format::Hdf5 => Compression::None,
        }
    }
}

/// What the index says of one array.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its number, from 0 on, in the order in which arrays were taken.
    pub number: u64,
    /// Its dtype.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<u64>,
    /// Whether its `.npy` file is in big-endian byte order.
    pub big_endian: bool,
    /// Whether it is in Fortran order.
    pub fortran: bool,
    /// The volume that holds it.
    pub file: String,
    /// Bytes: of its `.npy` file in archives, of its elements in HDF5.
    pub bytes: u64,
    /// CRC-32 of those bytes.
    pub crc32: u32,
    /// Its first byte within the unpacked block (archives), or within the dataset of its dtype (HDF5).
    pub offset: u64,
    /// The block it begins in (archives), the dataset it is in (HDF5).
    pub block: u64,
    /// What is stored of it, where it was compacted: dtype, shape and byte counts above are the original's and the stored bytes'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed: Option<PackedEntry>,
}

/// What is stored of a compacted array.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackedEntry {
    /// The dtype after its steps.
    pub dtype: DType,
    /// The shape after its steps.
    pub shape: Vec<u64>,
    /// Its steps in a few words.
    pub steps: String,
    /// HDF5: first byte and bytes of its recipe in the group's table.
    #[serde(skip)]
    pub(super) recipe: (u64, u64),
}

impl Entry {
    /// Dtype and shape.
    ///
    /// # Errors
    /// `Corrupt` for forged shapes.
    pub fn spec(&self) -> Result<Spec> {
        Spec::new(self.dtype, self.shape.clone())
    }

    /// Dtype and shape of what is stored.
    ///
    /// # Errors
    /// `Corrupt` for forged shapes.
    pub fn stored(&self) -> Result<Spec> {
        match &self.packed {
            Some(packed) => Spec::new(packed.dtype, packed.shape.clone()),
            None => self.spec(),
        }
    }

    /// The byte order of its own file.
    #[cfg(feature = "hdf5")]
    pub(super) fn order(&self) -> ByteOrder {
        if self.big_endian { ByteOrder::Big } else { ByteOrder::Little }
    }
}

/// A volume, and by what it is known again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VolumeRow {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// CRC-32 of its last 64 KiB.
    pub(super) tail_crc32: u32,
}

impl VolumeRow {
    pub(super) fn sign(&self) -> Sign {
        Sign { bytes: self.bytes, tail: self.tail_crc32 }
    }
}

/// What stands in the index besides columns.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    ndcompact_bundle: u32,
    format: String,
    volumes: Vec<VolumeRow>,
    /// HDF5: the groups that `block_at` counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    /// The different steps of compacted arrays, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<String>,
    /// What an interrupted run needs to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<serde_json::Value>,
}

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    pub(super) format: Format,
    pub(super) volumes: Vec<VolumeRow>,
    pub(super) resume: Option<serde_json::Value>,
    groups: Vec<String>,
    packed: Option<Packed>,
    names: Column,
    name_ends: Column,
    by_name: Column,
    dtype: Column,
    flags: Column,
    shapes: Column,
    shape_ends: Column,
    offset: Column,
    bytes: Column,
    crc32: Column,
    block: Column,
    block_volume: Column,
    block_at: Column,
    block_packed: Column,
    block_bytes: Column,
}

/// The rows of compacted arrays alone.
#[derive(Debug)]
struct Packed {
    steps: Vec<String>,
    /// Numbers of arrays, ascending.
    numbers: Column,
    dtype: Column,
    shapes: Column,
    shape_ends: Column,
    step: Column,
    recipe_at: Column,
    recipe_bytes: Column,
}

impl Packed {
    fn open(columns: &Columns, steps: Vec<String>, path: &Path) -> Result<Option<Self>> {
        if steps.is_empty() {
            return Ok(None);
        }
        let u64s = |name| columns.column(name, DType::U64);
        let packed = Self {
            steps,
            numbers: u64s("packed")?,
            dtype: columns.column("packed_dtype", DType::U8)?,
            shapes: u64s("packed_shapes")?,
            shape_ends: u64s("packed_shape_ends")?,
            step: columns.column("packed_steps", DType::U32)?,
            recipe_at: u64s("recipe_at")?,
            recipe_bytes: u64s("recipe_bytes")?,
        };
        let n = packed.numbers.len();
        let all = [&packed.dtype, &packed.shape_ends, &packed.step, &packed.recipe_at, &packed.recipe_bytes];
        if all.iter().any(|c| c.len() != n) {
            return refuse!(Corrupt, "{}: its columns have different lengths", path.display());
        }
        Ok(Some(packed))
    }

    /// Row `at`.
    fn row(&self, at: u64, path: &Path) -> Result<PackedRow> {
        let (from, to) = range(&self.shape_ends, at, MAX_AXES as u64, path)?;
        let (code, steps) = (self.dtype.get(at)?, self.step.get(at)?);
        let Some(dtype) = DType::ALL.get(code as usize).filter(|_| steps < self.steps.len() as u64) else {
            return refuse!(Corrupt, "{}: a compacted array is of dtype {code} by steps {steps}", path.display());
        };
        Ok(PackedRow {
            dtype: *dtype,
            shape: self.shapes.numbers(from, to)?,
            steps: steps as u32,
            fortran: false,
            recipe: (self.recipe_at.get(at)?, self.recipe_bytes.get(at)?),
        })
    }

    /// The row of array `number`, by binary search; `None` for an ordinary array.
    fn find(&self, number: u64, path: &Path) -> Result<Option<PackedEntry>> {
        let (mut low, mut high) = (0, self.numbers.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.numbers.get(middle)?.cmp(&number) {
                std::cmp::Ordering::Equal => {
                    let PackedRow { dtype, shape, steps, recipe, .. } = self.row(middle, path)?;
                    let steps = self.steps.get(steps as usize).cloned().unwrap_or_default();
                    return Ok(Some(PackedEntry { dtype, shape, steps, recipe }));
                }
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

/// Where entry `i` of a column of texts or shapes begins and ends.
fn range(ends: &Column, i: u64, most: u64, path: &Path) -> Result<(u64, u64)> {
    let from = if i == 0 { 0 } else { ends.get(i - 1)? };
    let to = ends.get(i)?;
    if to.checked_sub(from).is_none_or(|len| len > most) {
        return refuse!(Corrupt, "{}: array {i} has a name or shape from {from} to {to}", path.display());
    }
    Ok((from, to))
}

/// Where a block lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) volume: u32,
    pub(super) at: u64,
    pub(super) packed: u64,
    pub(super) bytes: u64,
}

impl Index {
    /// Opens the index at `path`: its list of columns alone is read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let columns = Columns::open(path)?;
        let about = columns.column("about", DType::U8)?;
        if about.len() > MOST_ABOUT {
            return refuse!(Corrupt, "{}: its description has {} bytes", path.display(), about.len());
        }
        let about: About = serde_json::from_slice(&about.bytes(0, about.len())?).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{}: not the index of a bundle: {e}", path.display()))
        })?;
        if about.ndcompact_bundle != VERSION {
            return refuse!(
                Unsupported,
                "{}: an index of version {}; this program knows version {VERSION}",
                path.display(),
                about.ndcompact_bundle
            );
        }
        let Some(format) = Format::from_name(&about.format) else {
            return refuse!(Unsupported, "{}: bundles of {:?} are unknown", path.display(), about.format);
        };
        // Volumes stand beside the index; another folder is no place that an index may lead to.
        let bad = about.volumes.iter().find(|v| names::check(&v.file).is_err() || v.file.contains('/'));
        if let Some(bad) = bad {
            return refuse!(Corrupt, "{}: the volume {:?} is not in the folder of the index", path.display(), bad.file);
        }
        let u64s = |name| columns.column(name, DType::U64);
        let index = Self {
            path: path.to_owned(),
            format,
            volumes: about.volumes,
            resume: about.resume,
            packed: Packed::open(&columns, about.steps, path)?,
            groups: about.groups,
            names: columns.column("names", DType::U8)?,
            name_ends: u64s("name_ends")?,
            by_name: u64s("by_name")?,
            dtype: columns.column("dtype", DType::U8)?,
            flags: columns.column("flags", DType::U8)?,
            shapes: u64s("shapes")?,
            shape_ends: u64s("shape_ends")?,
            offset: u64s("offset")?,
            bytes: u64s("bytes")?,
            crc32: columns.column("crc32", DType::U32)?,
            block: u64s("block")?,
            block_volume: columns.column("block_volume", DType::U32)?,
            block_at: u64s("block_at")?,
            block_packed: u64s("block_packed")?,
            block_bytes: u64s("block_bytes")?,
        };
        let n = index.len();
        let of_items = [
            &index.name_ends,
            &index.by_name,
            &index.flags,
            &index.shape_ends,
            &index.offset,
            &index.bytes,
            &index.crc32,
            &index.block,
        ];
        let of_blocks = [&index.block_at, &index.block_packed, &index.block_bytes];
        if of_items.iter().any(|c| c.len() != n) || of_blocks.iter().any(|c| c.len() != index.block_volume.len()) {
            return refuse!(Corrupt, "{}: its columns have different lengths", path.display());
        }
        Ok(index)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.dtype.len()
    }

    fn name_bytes(&self, i: u64) -> Result<Vec<u8>> {
        let (from, to) = range(&self.name_ends, i, names::MOST_BYTES as u64, &self.path)?;
        self.names.bytes(from, to)
    }

    pub(super) fn name(&self, i: u64) -> Result<String> {
        let Ok(name) = String::from_utf8(self.name_bytes(i)?) else {
            return refuse!(Corrupt, "{}: the name of array {i} is no UTF-8", self.path.display());
        };
        names::check(&name).map_err(|e| e.at(self.path.display()))?;
        Ok(name)
    }

    /// The number of the array called `name`, by binary search.
    pub(super) fn find(&self, name: &str) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let number = self.by_name.get(middle)?;
            match self.name_bytes(number)?.as_slice().cmp(name.as_bytes()) {
                std::cmp::Ordering::Equal => return Ok(Some(number)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    pub(super) fn entry(&self, i: u64) -> Result<Entry> {
        if i >= self.len() {
            return refuse!(Usage, "{}: there is no array {i}; it has {}", self.path.display(), self.len());
        }
        let (from, to) = range(&self.shape_ends, i, MAX_AXES as u64, &self.path)?;
        let code = self.dtype.get(i)?;
        let Some(dtype) = DType::ALL.get(code as usize) else {
            return refuse!(Corrupt, "{}: array {i} is of dtype number {code}", self.path.display());
        };
        let (flags, block) = (self.flags.get(i)? as u8, self.block.get(i)?);
        let volume = self.block_volume.get(block)?;
        let Some(volume) = self.volumes.get(volume as usize) else {
            return refuse!(Corrupt, "{}: array {i} is in volume {volume}", self.path.display());
        };
        let packed = match &self.packed {
            Some(packed) => packed.find(i, &self.path)?,
            None => None,
        };
        Ok(Entry {
            packed,
            name: self.name(i)?,
            number: i,
            dtype: *dtype,
            shape: self.shapes.numbers(from, to)?,
            big_endian: flags & BIG != 0,
            fortran: flags & FORTRAN != 0,
            file: volume.file.clone(),
            bytes: self.bytes.get(i)?,
            crc32: self.crc32.get(i)? as u32,
            offset: self.offset.get(i)?,
            block,
        })
    }

    pub(super) fn block(&self, i: u64) -> Result<Block> {
        Ok(Block {
            volume: self.block_volume.get(i)? as u32,
            at: self.block_at.get(i)?,
            packed: self.block_packed.get(i)?,
            bytes: self.block_bytes.get(i)?,
        })
    }

    /// HDF5: the group of block `block`.
    #[cfg(feature = "hdf5")]
    pub(super) fn group(&self, block: &Block) -> Result<&str> {
        let group = usize::try_from(block.at).ok().and_then(|at| self.groups.get(at));
        match group.filter(|g| names::check(g).is_ok()) {
            Some(group) => Ok(group),
            None => refuse!(Corrupt, "{}: there is no group {}", self.path.display(), block.at),
        }
    }

    /// Everything in it, to be added to.
    pub(super) fn rows(&self) -> Result<Rows> {
        let narrow =
            |c: &Column| -> Result<Vec<u32>> { Ok(c.numbers(0, c.len())?.into_iter().map(|x| x as u32).collect()) };
        let wide = |c: &Column| c.numbers(0, c.len());
        let bytes = |c: &Column| c.bytes(0, c.len());
        let mut rows = Rows {
            names: bytes(&self.names)?,
            name_ends: wide(&self.name_ends)?,
            dtype: bytes(&self.dtype)?,
            flags: bytes(&self.flags)?,
            shapes: wide(&self.shapes)?,
            shape_ends: wide(&self.shape_ends)?,
            offset: wide(&self.offset)?,
            bytes: wide(&self.bytes)?,
            crc32: narrow(&self.crc32)?,
            block: wide(&self.block)?,
            blocks: Blocks {
                volume: narrow(&self.block_volume)?,
                at: wide(&self.block_at)?,
                packed: wide(&self.block_packed)?,
                bytes: wide(&self.block_bytes)?,
            },
            volumes: self.volumes.clone(),
            groups: self.groups.clone(),
            ..Rows::default()
        };
        if let Some(packed) = &self.packed {
            rows.steps.clone_from(&packed.steps);
            for at in 0..packed.numbers.len() {
                rows.packed.insert(packed.numbers.get(at)?, packed.row(at, &self.path)?);
            }
        }
        let ends = |ends: &[u64], len: usize| {
            ends.windows(2).all(|w| w[0] <= w[1]) && ends.last().copied().unwrap_or(0) == len as u64
        };
        if !ends(&rows.name_ends, rows.names.len()) || !ends(&rows.shape_ends, rows.shapes.len()) {
            return refuse!(Corrupt, "{}: its names or shapes are damaged", self.path.display());
        }
        rows.hash_names()?;
        Ok(rows)
    }
}

/// Writes the index of `rows` to `path`. Its bytes.
pub(super) fn write(
    path: &Path,
    format: Format,
    rows: &Rows,
    resume: Option<serde_json::Value>,
    replace: Replace,
    sync: bool,
) -> Result<u64> {
    let about = About {
        ndcompact_bundle: VERSION,
        format: format.name().to_owned(),
        volumes: rows.volumes.clone(),
        groups: rows.groups.clone(),
        steps: rows.steps.clone(),
        resume,
    };
    let about = serde_json::to_vec(&about)
        .map_err(|e| Error::new(ErrorKind::Io, format!("the index cannot be written as JSON: {e}")))?;
    let mut to = ColumnsWriter::create(path, replace)?;
    let wide = |x: &[u64]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let narrow = |x: &[u32]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    to.add("about", DType::U8, &about)?;
    to.add("dtype", DType::U8, &rows.dtype)?;
    to.add("flags", DType::U8, &rows.flags)?;
    to.add("names", DType::U8, &rows.names)?;
    to.add("name_ends", DType::U64, &wide(&rows.name_ends))?;
    to.add("by_name", DType::U64, &wide(&rows.by_name()))?;
    to.add("shapes", DType::U64, &wide(&rows.shapes))?;
    to.add("shape_ends", DType::U64, &wide(&rows.shape_ends))?;
    to.add("offset", DType::U64, &wide(&rows.offset))?;
    to.add("bytes", DType::U64, &wide(&rows.bytes))?;
    to.add("crc32", DType::U32, &narrow(&rows.crc32))?;
    to.add("block", DType::U64, &wide(&rows.block))?;
    to.add("block_volume", DType::U32, &narrow(&rows.blocks.volume))?;
    to.add("block_at", DType::U64, &wide(&rows.blocks.at))?;
    to.add("block_packed", DType::U64, &wide(&rows.blocks.packed))?;
    to.add("block_bytes", DType::U64, &wide(&rows.blocks.bytes))?;
    if !rows.packed.is_empty() {
        let place = |dtype: DType| DType::ALL.iter().position(|d| *d == dtype).unwrap_or_default() as u8;
        let (mut shapes, mut ends) = (Vec::new(), Vec::new());
        for packed in rows.packed.values() {
            shapes.extend_from_slice(&packed.shape);
            ends.push(shapes.len() as u64);
        }
        let column = |of: fn(&PackedRow) -> u64| wide(&rows.packed.values().map(of).collect::<Vec<u64>>());
        to.add("packed", DType::U64, &wide(&rows.packed.keys().copied().collect::<Vec<u64>>()))?;
        to.add("packed_dtype", DType::U8, &rows.packed.values().map(|p| place(p.dtype)).collect::<Vec<u8>>())?;
        to.add("packed_shapes", DType::U64, &wide(&shapes))?;
        to.add("packed_shape_ends", DType::U64, &wide(&ends))?;
        to.add("packed_steps", DType::U32, &narrow(&rows.packed.values().map(|p| p.steps).collect::<Vec<u32>>()))?;
        to.add("recipe_at", DType::U64, &column(|p| p.recipe.0))?;
        to.add("recipe_bytes", DType::U64, &column(|p| p.recipe.1))?;
    }
    to.commit(sync)
}

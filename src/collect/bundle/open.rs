//! A bundle, opened by its index.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::index::{Block, Entry, Format, Index};
use super::item::Item;
use super::names;
#[cfg(feature = "hdf5")]
use crate::array::DType;
use crate::error::{Result, refuse};
use crate::store::{Pattern, Stretch, is_pattern};

/// The largest block that is unpacked: about 2 MiB are written, and more for thousands of empty arrays.
const MOST_BLOCK: u64 = 64 << 20;

/// A recipe is about 1 kB.
#[cfg(feature = "hdf5")]
const MOST_RECIPE: u64 = 1 << 20;

/// By what an array is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// Its name.
    Name(&'a str),
    /// Its number, from 0 on.
    Number(u64),
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(name: &'a str) -> Self {
        Key::Name(name)
    }
}

impl From<u64> for Key<'_> {
    fn from(number: u64) -> Self {
        Key::Number(number)
    }
}

/// A bundle: arrays by name and number, each read without the others.
#[derive(Debug)]
pub struct Bundle {
    index: Index,
    kept: Mutex<Kept>,
}

/// What stays open between reads.
#[derive(Debug, Default)]
struct Kept {
    volumes: HashMap<u32, Stretch>,
    /// The block unpacked last: arrays that are read in order share it.
    block: Option<(u64, Arc<Vec<u8>>)>,
    #[cfg(feature = "hdf5")]
    datasets: HashMap<(u32, String), Arc<crate::engine::Reader>>,
}

impl Bundle {
    /// Opens the bundle at `path`: its index, or a volume with the index beside.
    ///
    /// # Errors
    /// `Corrupt` for what is no index; `Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let index = Index::open(&names::index_path(path))?;
        Ok(Self { index, kept: Mutex::default() })
    }

    /// The index file.
    pub fn path(&self) -> &Path {
        self.index.path()
    }

    /// Arrays.
    pub fn len(&self) -> u64 {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its volumes are.
    pub fn format(&self) -> Format {
        self.index.format
    }

    /// The number of the array called `name`.
    ///
    /// # Errors
    /// `Corrupt` for a damaged index; `Io`.
    pub fn find(&self, name: &str) -> Result<Option<u64>> {
        self.index.find(name)
    }

    /// The name of array `number`.
    ///
    /// # Errors
    /// As [`Bundle::entry`].
    pub fn name(&self, number: u64) -> Result<String> {
        self.index.name(number)
    }

    /// What the index says of an array.
    ///
    /// # Errors
    /// `Usage` where there is none; `Corrupt` for a damaged index; `Io`.
    pub fn entry<'a>(&self, key: impl Into<Key<'a>>) -> Result<Entry> {
        let number = match key.into() {
            Key::Number(number) => number,
            Key::Name(name) => match self.find(name)? {
                Some(number) => number,
                None => return self.not_there(name),
            },
        };
        self.index.entry(number)
    }

    fn not_there<T>(&self, name: &str) -> Result<T> {
        let shown = self.path().display();
        refuse!(Usage, "{shown} holds no array called {name}; compact list {shown} shows what it holds")
    }

    /// The numbers of all arrays that `wanted` means: a name, a pattern of names (`*` stands for folders too), or a number.
    ///
    /// # Errors
    /// `Usage` where there is none.
    pub fn select(&self, wanted: &str) -> Result<Vec<u64>> {
        let plain = wanted.strip_suffix(".npy").unwrap_or(wanted);
        for name in [wanted, plain] {
            if let Some(number) = self.find(name)? {
                return Ok(vec![number]);
            }
        }
        if let Some(number) = wanted.parse().ok().filter(|n| *n < self.len()) {
            return Ok(vec![number]);
        }
        let mut fit = Vec::new();
        if is_pattern(wanted) {
            let pattern: Pattern = wanted.parse()?;
            for number in 0..self.len() {
                if pattern.matches(&self.name(number)?) {
                    fit.push(number);
                }
            }
        }
        if fit.is_empty() { self.not_there(wanted) } else { Ok(fit) }
    }

    /// An array, its checksum compared. Only the blocks that hold it are read and unpacked.
    ///
    /// # Errors
    /// `Usage` where there is none; `Corrupt` for damaged volumes, and for volumes of another bundle; `Io`.
    pub fn get<'a>(&self, key: impl Into<Key<'a>>) -> Result<Item> {
        let entry = self.entry(key)?;
        let place = format!("{}:{}", self.path().display(), entry.name);
        let item = match self.format() {
            Format::Hdf5 => self.of_hdf5(entry),
            _ => self.of_archive(entry),
        };
        item.map_err(|e| e.at(place))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Volume `number`, which must be the one that the index was made with.
    fn volume(&self, number: u32) -> Result<Stretch> {
        if let Some(volume) = self.lock().volumes.get(&number) {
            return Ok(volume.clone());
        }
        let Some(row) = self.index.volumes.get(number as usize) else {
            return refuse!(Corrupt, "the index names volume {number} of {}", self.index.volumes.len());
        };
        let volume = Stretch::open(&self.path().with_file_name(&row.file))?;
        let sign = volume.sign()?;
        if sign != row.sign() {
            return refuse!(
                Corrupt,
                "{} has {} bytes that end in checksum {:08x}, and the index was made with {} that end in {:08x}: it was changed, \
                 cut short, or belongs to another bundle",
                volume.path().display(),
                sign.bytes,
                sign.tail,
                row.bytes,
                row.tail_crc32
            );
        }
        self.lock().volumes.insert(number, volume.clone());
        Ok(volume)
    }

    /// What block `number` unpacks to.
    fn block(&self, number: u64, block: Block) -> Result<Arc<Vec<u8>>> {
        if let Some((n, bytes)) = &self.lock().block
            && *n == number
        {
            return Ok(Arc::clone(bytes));
        }
        if block.bytes > MOST_BLOCK || block.packed > 2 * MOST_BLOCK {
            return refuse!(Corrupt, "block {number} claims {} bytes in {}", block.bytes, block.packed);
        }
        let packed = self.volume(block.volume)?.bytes(block.at, block.packed)?;
        let bytes = Arc::new(self.format().compression().unpack(&packed, block.bytes)?);
        self.lock().block = Some((number, Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// The `.npy` file of an array that is not compressed, where it lies: its blocks stand end to end.
    pub(super) fn in_place(&self, entry: &Entry) -> Result<Stretch> {
        let block = self.index.block(entry.block)?;
        match block.at.checked_add(entry.offset) {
            Some(at) => self.volume(block.volume)?.part(at, entry.bytes),
            None => refuse!(Corrupt, "it begins at byte {} of a block at {}", entry.offset, block.at),
        }
    }

    /// The `.npy` file of a compressed array in a temporary file, its checksum compared: block after block.
    pub(super) fn unpacked(&self, entry: &Entry) -> Result<Stretch> {
        let mut sum = crc32fast::Hasher::new();
        let mut to = crate::store::Spooled::create()?;
        self.blocks(entry, |bytes| {
            sum.update(bytes);
            to.push(bytes)
        })?;
        compare(sum.finalize(), entry)?;
        to.finish()
    }

    fn of_archive(&self, entry: Entry) -> Result<Item> {
        let mut out = Vec::new();
        self.blocks(&entry, |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        compare(crc32fast::hash(&out), &entry)?;
        Item::of_npy(entry, out)
    }

    /// Hands the bytes of an array's file to `take`, a block at a time.
    fn blocks(&self, entry: &Entry, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (mut number, mut skip, mut have) = (entry.block, entry.offset, 0);
        while have < entry.bytes {
            let block = self.index.block(number)?;
            let Some(inside) = block.bytes.checked_sub(skip).filter(|n| *n > 0) else {
                return refuse!(Corrupt, "it begins at byte {skip} of a block of {}", block.bytes);
            };
            let len = inside.min(entry.bytes - have);
            if self.format() == Format::Tar(crate::store::Compression::None) {
                if block.bytes != block.packed {
                    return refuse!(
                        Corrupt,
                        "block {number} is not compressed and claims {} of {}",
                        block.bytes,
                        block.packed
                    );
                }
                take(&self.volume(block.volume)?.part(block.at, block.packed)?.bytes(skip, len)?)?;
            } else {
                let bytes = self.block(number, block)?;
                take(&bytes[skip as usize..(skip + len) as usize])?;
            }
            have += len;
            (number, skip) = (number + 1, 0);
        }
        Ok(())
    }

    /// The dataset `name` of the volume of `block`.
    #[cfg(feature = "hdf5")]
    fn dataset(&self, block: &Block, name: String) -> Result<Arc<crate::engine::Reader>> {
        let key = (block.volume, name);
        if let Some(reader) = self.lock().datasets.get(&key) {
            return Ok(Arc::clone(reader));
        }
        let volume = self.volume(block.volume)?;
        let place = crate::store::Place { path: volume.path().to_owned(), member: Some(key.1.clone()) };
        let reader = Arc::new(crate::engine::Reader::at(&place)?);
        self.lock().datasets.insert(key, Arc::clone(&reader));
        Ok(reader)
    }

    /// The recipe of a compacted array.
    #[cfg(feature = "hdf5")]
    fn recipe(&self, entry: &Entry, block: &Block) -> Result<Option<String>> {
        let Some(packed) = &entry.packed else { return Ok(None) };
        let reader = self.dataset(block, super::hdf5::recipes_of(self.index.group(block)?))?;
        let (from, len) = packed.recipe;
        let known = reader.spec().count();
        if reader.spec().dtype() != DType::U8
            || len > MOST_RECIPE
            || from.checked_add(len).is_none_or(|end| end > known)
        {
            return refuse!(Corrupt, "a recipe of {len} bytes at {from} lies outside of {}", reader.spec());
        }
        let (_, bytes) = reader.part(&format!("{from}:{}", from + len).parse()?)?;
        match String::from_utf8(bytes.bytes().to_vec()) {
            Ok(recipe) => Ok(Some(recipe)),
            Err(_) => refuse!(Corrupt, "its recipe is no text"),
        }
    }

    /// The array where it lies in its dataset; `whole` has its checksum compared.
    #[cfg(feature = "hdf5")]
    pub(super) fn window(
        &self,
        entry: &Entry,
        whole: bool,
        place: crate::store::Place,
    ) -> Result<crate::store::Opened> {
        use crate::array::ByteOrder;
        use crate::recipe::{Axes, Record};
        use crate::store::{Place, WindowOf, open_window};
        let (block, shown) = (self.index.block(entry.block)?, entry.stored()?);
        let size = shown.dtype().size() as u64;
        if shown.bytes() != entry.bytes || !entry.offset.is_multiple_of(size) {
            return refuse!(Corrupt, "{shown} is said to have {} bytes at {}", entry.bytes, entry.offset);
        }
        let recipe = self.recipe(entry, &block)?;
        let (order, fortran) = match recipe.as_deref().map(Record::from_json).transpose()? {
            Some(record) => (ByteOrder::Little, record.axes == Axes::F),
            None => (entry.order(), entry.fortran),
        };
        let member = Some(super::hdf5::values_of(self.index.group(&block)?));
        let from = Place { path: self.volume(block.volume)?.path().to_owned(), member };
        let of = WindowOf { start: entry.offset / size, shown, fortran, order, record: recipe };
        let mut opened = open_window(&from, of, place)?;
        if whole {
            opened.expect(entry.crc32);
        }
        Ok(opened)
    }

    #[cfg(not(feature = "hdf5"))]
    pub(super) fn window(&self, _: &Entry, _: bool, place: crate::store::Place) -> Result<crate::store::Opened> {
        refuse!(Unsupported, "{place}: this build has no HDF5; build with the feature `hdf5`")
    }

    #[cfg(feature = "hdf5")]
    fn of_hdf5(&self, entry: Entry) -> Result<Item> {
        let spec = entry.stored()?;
        let size = spec.dtype().size() as u64;
        if spec.bytes() != entry.bytes || !entry.offset.is_multiple_of(size) {
            return refuse!(Corrupt, "{spec} is said to have {} bytes at {}", entry.bytes, entry.offset);
        }
        let block = self.index.block(entry.block)?;
        let reader = self.dataset(&block, super::hdf5::values_of(self.index.group(&block)?))?;
        let (from, to) = (entry.offset / size, (entry.offset / size).checked_add(spec.count()));
        let Some(to) = to.filter(|to| reader.spec().dtype() == spec.dtype() && *to <= reader.spec().count()) else {
            return refuse!(Corrupt, "{} elements from {from} on lie outside of {}", spec.count(), reader.spec());
        };
        let (_, elements) = reader.part(&format!("{from}:{to}").parse()?)?;
        compare(crc32fast::hash(elements.bytes()), &entry)?;
        let recipe = self.recipe(&entry, &block)?;
        Item::of_elements(entry, &elements, recipe.as_deref())
    }

    #[cfg(not(feature = "hdf5"))]
    fn of_hdf5(&self, _: Entry) -> Result<Item> {
        refuse!(Unsupported, "this build has no HDF5; build with the feature `hdf5`")
    }
}

fn compare(sum: u32, entry: &Entry) -> Result<()> {
    if sum != entry.crc32 {
        return refuse!(
            Corrupt,
            "its bytes have checksum {sum:08x} and the index says {:08x}: the volume {} is damaged",
            entry.crc32,
            entry.file
        );
    }
    Ok(())
}

//! The rows of an index in the making, by columns; about 80 bytes an array and its name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::choice::{self, BundledArray};
use super::index::{BIG, FORTRAN, VolumeRow};
use crate::array::{ByteOrder, DType, Spec};
use crate::coding::CodingAsk;
use crate::error::{Result, refuse};
use crate::recipe::{Axes, Record};
use crate::store::NpyHead;

/// The columns of items and blocks.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) names: Vec<u8>,
    pub(super) name_ends: Vec<u64>,
    pub(super) dtype: Vec<u8>,
    pub(super) flags: Vec<u8>,
    pub(super) shapes: Vec<u64>,
    pub(super) shape_ends: Vec<u64>,
    pub(super) offset: Vec<u64>,
    pub(super) bytes: Vec<u64>,
    pub(super) crc32: Vec<u32>,
    pub(super) block: Vec<u64>,
    pub(super) blocks: Blocks,
    pub(super) volumes: Vec<VolumeRow>,
    /// What is kept of arrays that are compacted, by their numbers.
    pub(super) packed: BTreeMap<u64, PackedRow>,
    /// The different steps of these, in words.
    pub(super) steps: Vec<String>,
    /// HDF5: the groups of blocks.
    pub(super) groups: Vec<String>,
    /// What became of arrays that went through steps.
    pub(super) reports: BTreeMap<u64, BundledArray>,
    pub(super) hashes: HashMap<u64, u64>,
    pub(super) hasher: RandomState,
}

/// What the index says of a compacted array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PackedRow {
    pub(super) dtype: DType,
    pub(super) shape: Vec<u64>,
    /// Its steps among [`Rows::steps`].
    pub(super) steps: u32,
    /// Whether it is stored in Fortran order; known until its volume is closed.
    pub(super) fortran: bool,
    /// HDF5: first byte and bytes of its recipe in the group's table.
    pub(super) recipe: (u64, u64),
}

/// The columns of blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) volume: Vec<u32>,
    pub(super) at: Vec<u64>,
    pub(super) packed: Vec<u64>,
    pub(super) bytes: Vec<u64>,
}

impl Blocks {
    pub(super) fn len(&self) -> u64 {
        self.at.len() as u64
    }

    pub(super) fn push(&mut self, volume: u32, at: u64, packed: u64, bytes: u64) {
        self.volume.push(volume);
        self.at.push(at);
        self.packed.push(packed);
        self.bytes.push(bytes);
    }
}

/// What a row says of an array besides its place: as it was before it was compacted, if it was.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) shown: Spec,
    pub(super) order: ByteOrder,
    pub(super) fortran: bool,
    pub(super) packed: Option<Arc<PackedAs>>,
}

/// What is stored of a compacted array.
#[derive(Debug)]
pub(super) struct PackedAs {
    pub(super) shown: Spec,
    pub(super) fortran: bool,
    /// Its steps in a few words.
    pub(super) steps: String,
    /// How it is undone, JSON.
    #[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "archives have it in the header"))]
    pub(super) record: String,
}

impl About {
    /// Of the file with the header `head`; `coding` is to follow its steps.
    ///
    /// # Errors
    /// `Corrupt` for damaged records; `Unsupported` for those of newer versions.
    pub(super) fn of(head: &NpyHead, coding: Option<&CodingAsk>) -> Result<Self> {
        let Some(json) = &head.record else {
            return Ok(Self { shown: head.shown.clone(), order: head.order, fortran: head.fortran, packed: None });
        };
        let record = Record::from_json(json)?;
        let many = head.shown.shape().len() > 1;
        let made = record.shown_through()?;
        let fits = made.shown_shape(made.output()) == head.shown.shape() && made.output().dtype() == head.shown.dtype();
        let swapped = head.shown.dtype().word() > 1 && head.order != ByteOrder::Little;
        if !fits || swapped || (head.fortran && many) != (record.axes == Axes::F && many) {
            return refuse!(
                Corrupt,
                "the recipe in its header makes something else than the file holds; it is damaged or was rewritten by another program"
            );
        }
        Ok(Self {
            shown: record.shown()?,
            order: record.original.byte_order,
            fortran: record.original.axes == Axes::F,
            packed: Some(Arc::new(PackedAs {
                shown: head.shown.clone(),
                fortran: head.fortran,
                steps: choice::words(&record.steps, coding),
                record: json.clone(),
            })),
        })
    }

    /// Dtype and shape of what is stored.
    #[cfg(feature = "hdf5")]
    pub(super) fn stored(&self) -> &Spec {
        self.packed.as_ref().map_or(&self.shown, |p| &p.shown)
    }
}

impl Rows {
    pub(super) fn len(&self) -> u64 {
        self.dtype.len() as u64
    }

    pub(super) fn name(&self, i: u64) -> &[u8] {
        let from = if i == 0 { 0 } else { self.name_ends[i as usize - 1] };
        &self.names[from as usize..self.name_ends[i as usize] as usize]
    }

    /// The shape of what is stored of array `i`.
    #[cfg(feature = "hdf5")]
    pub(super) fn stored_shape(&self, i: u64) -> &[u64] {
        if let Some(packed) = self.packed.get(&i) {
            return &packed.shape;
        }
        let from = if i == 0 { 0 } else { self.shape_ends[i as usize - 1] };
        &self.shapes[from as usize..self.shape_ends[i as usize] as usize]
    }

    /// Whether array `i` is stored in Fortran order.
    #[cfg(feature = "hdf5")]
    pub(super) fn is_fortran(&self, i: u64) -> bool {
        if let Some(packed) = self.packed.get(&i) {
            return packed.fortran;
        }
        self.flags[i as usize] & FORTRAN != 0
    }

    /// Makes the names that are there known, so that none comes twice.
    pub(super) fn hash_names(&mut self) -> Result<()> {
        for number in 0..self.len() {
            let Ok(name) = std::str::from_utf8(self.name(number)) else {
                return refuse!(Corrupt, "the name of array {number} is no UTF-8");
            };
            let hash = self.hasher.hash_one(name);
            self.hashes.insert(hash, number);
        }
        Ok(())
    }

    /// Adds an array.
    ///
    /// # Errors
    /// `Usage` for a name that is there already.
    pub(super) fn push(
        &mut self,
        name: &str,
        about: &About,
        block: u64,
        offset: u64,
        bytes: u64,
        crc32: u32,
    ) -> Result<()> {
        let number = self.len();
        let hash = self.hasher.hash_one(name);
        if let Some(other) = self.hashes.insert(hash, number)
            && self.name(other) == name.as_bytes()
        {
            return refuse!(
                Usage,
                "two arrays are called {name}; give folders that differ, or rename one: a bundle holds each name once"
            );
        }
        let place = DType::ALL.iter().position(|d| *d == about.shown.dtype()).unwrap_or_default();
        self.names.extend_from_slice(name.as_bytes());
        self.name_ends.push(self.names.len() as u64);
        self.dtype.push(place as u8);
        let big = about.order == ByteOrder::Big && about.shown.dtype().word() > 1;
        self.flags.push(if big { BIG } else { 0 } | if about.fortran { FORTRAN } else { 0 });
        self.shapes.extend_from_slice(about.shown.shape());
        self.shape_ends.push(self.shapes.len() as u64);
        self.offset.push(offset);
        self.bytes.push(bytes);
        self.crc32.push(crc32);
        self.block.push(block);
        if let Some(packed) = &about.packed {
            let (dtype, shape) = (packed.shown.dtype(), packed.shown.shape().to_vec());
            let steps = self.steps_called(&packed.steps);
            self.packed.insert(number, PackedRow { dtype, shape, steps, fortran: packed.fortran, recipe: (0, 0) });
        }
        Ok(())
    }

    /// The number of `steps` among the different ones.
    fn steps_called(&mut self, steps: &str) -> u32 {
        let known = self.steps.iter().position(|s| s == steps);
        known.unwrap_or_else(|| {
            self.steps.push(steps.to_owned());
            self.steps.len() - 1
        }) as u32
    }

    /// The numbers of all arrays in the order of their names.
    pub(super) fn by_name(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = (0..self.len()).collect();
        numbers.sort_unstable_by(|a, b| self.name(*a).cmp(self.name(*b)));
        numbers
    }
}

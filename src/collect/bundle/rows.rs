//! The rows of an index in the making, by columns; about 80 bytes an array and its name.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::index::{BIG, FORTRAN, VolumeRow};
use crate::array::{ByteOrder, DType, Spec};
use crate::error::{Result, refuse};
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
    pub(super) hashes: HashMap<u64, u64>,
    pub(super) hasher: RandomState,
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

/// What a row says of an array besides its place.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) shown: Spec,
    pub(super) order: ByteOrder,
    pub(super) fortran: bool,
}

impl From<&NpyHead> for About {
    fn from(head: &NpyHead) -> Self {
        Self { shown: head.shown.clone(), order: head.order, fortran: head.fortran }
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

    #[cfg(feature = "hdf5")]
    pub(super) fn shape(&self, i: u64) -> &[u64] {
        let from = if i == 0 { 0 } else { self.shape_ends[i as usize - 1] };
        &self.shapes[from as usize..self.shape_ends[i as usize] as usize]
    }

    #[cfg(feature = "hdf5")]
    pub(super) fn is_fortran(&self, i: u64) -> bool {
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
        Ok(())
    }

    /// The numbers of all arrays in the order of their names.
    pub(super) fn by_name(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = (0..self.len()).collect();
        numbers.sort_unstable_by(|a, b| self.name(*a).cmp(self.name(*b)));
        numbers
    }
}

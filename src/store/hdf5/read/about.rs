//! What a dataset says of itself, and where its bytes lie.

use serde::Serialize;

use super::super::attribute::RECIPE;
use super::super::filter::room;
use super::super::raw::{self, Id};
use super::{Access, Dataset};
use crate::array::{ByteOrder, Spec};
use crate::error::{Error, Result, refuse};
use crate::filter;
use crate::pipeline::Cache;
use crate::store::bytes::Bytes;
use crate::transform::{Fill, Step};

/// Bytes of a chunk that its steps are in, unless they are very many.
const USUAL_STEPS_BYTES: u64 = 1 << 10;

/// Steps that chunks of a dataset were made with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkSteps {
    /// How many chunks.
    pub chunks: u64,
    /// The number of the first of them, in C order of all.
    pub first: u64,
    /// With all their parameters.
    pub steps: Vec<Step>,
}

/// The attributes by which dimension scales and the datasets along them refer to each other.
const SCALES: [&str; 2] = ["DIMENSION_LIST", "REFERENCE_LIST"];

impl Dataset {
    /// The absolute name within the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The byte order in the file (the machine's own where elements are single bytes or converted while reading).
    pub fn byte_order(&self) -> ByteOrder {
        self.order
    }

    /// Layout and filters in words: `"chunks (50, 10011): shuffle, zstd(3), fletcher32"`.
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// The shape of the chunks, where it is stored in chunks.
    pub fn chunk(&self) -> Option<&[u64]> {
        self.chunk.as_deref()
    }

    /// Bytes that the elements take in the file, after compression.
    pub fn stored_bytes(&self) -> u64 {
        match &self.access {
            Access::Chunks { table, .. } => table.known().unwrap_or_else(|| raw::dataset::storage_size(&self.dataset)),
            Access::Tiles { inner, .. } => inner.stored_bytes(),
            _ => raw::dataset::storage_size(&self.dataset),
        }
    }

    /// As [`Dataset::stored_bytes`], where that is known without adding up all chunks.
    pub(in crate::store) fn known_bytes(&self) -> Option<u64> {
        match &self.access {
            Access::Chunks { table, .. } => table.known(),
            Access::Tiles { inner, .. } => inner.known_bytes(),
            _ => Some(self.stored_bytes()),
        }
    }

    /// Keeps up to `bytes` of decoded chunks as long as this is open, for all threads that read it; 0 keeps none.
    pub(in crate::store) fn keep_chunks(&mut self, bytes: u64) {
        self.cache = (bytes > 0).then(|| Cache::new(bytes));
        if let Access::Tiles { inner, .. } = &mut self.access {
            inner.keep_chunks(bytes);
        }
    }

    /// The file and the first byte in it of the elements, where they lie in one piece.
    pub(in crate::store) fn region(&self) -> Option<(&Bytes, u64)> {
        match self.access {
            Access::Contiguous { address } => Some((&self.file, address)),
            _ => None,
        }
    }

    /// The fill value that `_FillValue` (or `missing_value`) gives, where it is one number that the dtype can hold. NaN is
    /// none: it needs no telling.
    pub fn fill(&self) -> Result<Option<Fill>> {
        for name in ["_FillValue", "missing_value"] {
            let fill = raw::attribute::number(&self.dataset, name)?;
            if let Some(fill) = fill
                && !matches!(fill, Fill::Float(x) if x.is_nan())
                && fill.bits(self.spec.dtype().part()).is_ok()
            {
                return Ok(Some(fill));
            }
        }
        Ok(None)
    }

    /// CF's `scale_factor` and `add_offset`, if either is there.
    pub fn cf(&self) -> Result<Option<(f64, f64)>> {
        let number = |name| {
            Ok(raw::attribute::number(&self.dataset, name)?.map(|n| match n {
                Fill::Uint(n) => n as f64,
                Fill::Int(n) => n as f64,
                Fill::Float(x) => x,
            }))
        };
        let (scale, offset): (Option<f64>, Option<f64>) = (number("scale_factor")?, number("add_offset")?);
        let pair = (scale.unwrap_or(1.0), offset.unwrap_or(0.0));
        Ok((scale.or(offset).is_some() && pair.0.is_finite() && pair.1.is_finite()).then_some(pair))
    }

    /// The record of how this dataset was made, JSON, if it is one of ours.
    pub fn record(&self) -> Result<Option<String>> {
        raw::attribute::text(&self.dataset, RECIPE)
    }

    /// Whether it can get more rows along its first axis: its shape is not fixed there.
    pub fn can_grow(&self) -> bool {
        let most = raw::dataset::most(&self.dataset);
        !matches!(self.access, Access::Tiles { .. }) && most.is_ok_and(|most| most.first() == Some(&None))
    }

    /// Whether its file holds nothing else: no other dataset or group, and no attribute beside its own.
    pub fn is_alone(&self) -> Result<bool> {
        let file = raw::file::of(&self.dataset)?;
        // The groups on the way to it, the root group among them, and itself.
        let on_the_way = self.name.split('/').count();
        Ok(raw::file::objects(&file)?.len() == on_the_way && raw::attribute::names(&file)?.is_empty())
    }

    /// What would still lead to this dataset if another took its name: a second hard link, or references, which are not told
    /// apart by where they lead. `None` where there is nothing of the kind.
    pub(crate) fn other_ways(&self) -> Result<Option<String>> {
        let file = raw::file::of(&self.dataset)?;
        let own = raw::attribute::names(&self.dataset)?;
        // Scales and the datasets they belong to refer to each other, so that both tell.
        let has_scales = SCALES.iter().any(|s| own.iter().any(|name| name == s));
        let objects = raw::file::objects(&file)?;
        // The list gives each object once, by one of its names.
        if let Some(names) = raw::file::names_of(&self.dataset)?.checked_sub(1).filter(|n| *n > 0) {
            return Ok(Some(format!("it has {names} more hard link{}", if names == 1 { "" } else { "s" })));
        }
        for object in objects {
            let id = raw::file::open_object(&file, &object.path)?;
            if object.is_dataset && raw::dataset::refers(&id)? {
                return Ok(Some(format!("{} holds references", object.path)));
            }
            for name in raw::attribute::names(&id)? {
                let of_scales = SCALES.contains(&name.as_str());
                if (has_scales || !of_scales) && object.path != self.name && raw::attribute::refers(&id, &name)? {
                    return Ok(Some(format!("attribute {name} of {} holds references", object.path)));
                }
            }
        }
        Ok(None)
    }

    /// The chunks' stored bytes by number, as they are with the filters left out; `None` where chunks are not at hand one by one.
    pub(in super::super) fn stored_chunks(&self) -> Result<Option<&[raw::chunk::Stored]>> {
        match &self.access {
            Access::Chunks { table, .. } => table.all(&self.dataset).map(Some),
            _ => Ok(None),
        }
    }

    /// The stored bytes of one of [`Dataset::stored_chunks`].
    pub(in super::super) fn stored_bytes_of(&self, stored: &raw::chunk::Stored) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        room(&mut bytes, stored.bytes as usize)?;
        self.pread(stored.address, &mut bytes)?;
        Ok(bytes)
    }

    /// The first `most` stored bytes of one of [`Dataset::stored_chunks`].
    fn first_bytes_of(&self, stored: &raw::chunk::Stored, most: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let to = room(bytes, stored.bytes.min(most) as usize)?;
        self.pread(stored.address, to)
    }

    /// Of a dataset in the `filtered` layout: the steps that chunks were made with, each once, in the order in which they first occur. Of
    /// every chunk the first bytes are read. None for other datasets.
    ///
    /// # Errors
    /// `Corrupt` for chunks that do not begin as coded ones do; `Io`.
    pub fn chunk_steps(&self) -> Result<Vec<ChunkSteps>> {
        let mut found: Vec<ChunkSteps> = Vec::new();
        let (Some(chunk), Some(stored), Access::Chunks { filters, .. }) =
            (&self.chunk, self.stored_chunks()?, &self.access)
        else {
            return Ok(found);
        };
        if !filters.are_coded() {
            return Ok(found);
        }
        let (axes, mut bytes) = (filter::merge(chunk).len(), Vec::new());
        for one in stored {
            let at = |e: Error| e.at(format!("chunk {}", one.number));
            self.first_bytes_of(one, USUAL_STEPS_BYTES, &mut bytes)?;
            let head = &bytes[..one.bytes.min(USUAL_STEPS_BYTES) as usize];
            let steps = match filter::steps_of(axes, head).map_err(at)? {
                Some(steps) => steps,
                None => {
                    self.first_bytes_of(one, filter::MOST_HEAD_BYTES, &mut bytes)?;
                    let head = &bytes[..one.bytes.min(filter::MOST_HEAD_BYTES) as usize];
                    match filter::steps_of(axes, head).map_err(at)? {
                        Some(steps) => steps,
                        None => return refuse!(Corrupt, "chunk {} ends in its steps", one.number),
                    }
                }
            };
            match found.iter_mut().find(|f| f.steps == steps) {
                Some(same) => same.chunks += 1,
                None => found.push(ChunkSteps { chunks: 1, first: one.number, steps }),
            }
        }
        Ok(found)
    }

    /// Dtype and shape.
    pub(in super::super) fn spec_of(&self) -> &Spec {
        &self.spec
    }

    /// The dataset as the library knows it.
    pub(in super::super) fn id(&self) -> &Id {
        &self.dataset
    }
}

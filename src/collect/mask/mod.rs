//! Packed masks, cropped and counted without unpacking: where they lie in the file, or chunk by chunk.

mod bits;
mod crop;

use std::ops::Range;

pub use crop::MaskCrop;

use crate::array::DType;
use crate::engine::{ReadOptions, Reader};
use crate::error::{Result, refuse};
use crate::recipe::Axes;
use crate::store::Mapping;
use crate::transform::{BitOrder, Step};

/// A mask of one bit an element in a file: what `compact mask.npy --bits` makes of booleans, or `np.packbits(mask, axis=-1)`. Where its
/// bytes lie in one piece they are mapped into memory: opening reads the header alone, a crop the pages under it. Of an HDF5 dataset in
/// chunks, a crop decodes the chunks that it touches, and keeps them up to [`ReadOptions::cache_bytes`]. A compressed `.npz` member is
/// unpacked to a temporary file when it is opened.
///
/// ```no_run
/// use ndcompact::collect::PackedMask;
///
/// let mask = PackedMask::open("mask.compact.npy")?;
/// let crop = mask.crop(0..256, 1000..1256)?;
/// println!("{} of {} set", crop.count_ones()?, crop.len());
/// let values: ndarray::ArrayD<bool> = crop.to_array()?;
/// # let _ = values;
/// # Ok::<(), ndcompact::Error>(())
/// ```
///
/// A file that another program cuts short while it is mapped ends the process (SIGBUS), as with any mapping; one that is replaced under
/// its name stays as it was.
#[derive(Debug)]
pub struct PackedMask {
    bytes: Bytes,
    /// Of the mask, in elements.
    shape: Vec<u64>,
    order: BitOrder,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Bytes {
    Mapped(Mapping),
    Read(Box<Reader>),
}

impl PackedMask {
    /// Opens the mask at `place` (`mask.npy`, `archive.npz:mask`, `file.h5:/mask`), which must be a compacted boolean array packed to
    /// bits.
    ///
    /// # Errors
    /// `Usage` where it is no such array; otherwise as [`Reader::open`].
    pub fn open(place: &str) -> Result<Self> {
        Self::open_with(place, ReadOptions::default())
    }

    /// As [`PackedMask::open`], with a bound on the decoded chunks that are kept.
    ///
    /// # Errors
    /// As [`PackedMask::open`].
    pub fn open_with(place: &str, options: ReadOptions) -> Result<Self> {
        let reader = Reader::open_with(place, options)?;
        let steps = reader.record().map(|r| r.steps.as_slice());
        let Some([Step::BitPack(pack)]) = steps else {
            return refuse!(
                Usage,
                "{place} is {}, no mask packed to bits; make one with `compact MASK.npy --bits`, or read a file of np.packbits with \
                 PackedMask::from_packed",
                reader.spec()
            );
        };
        if pack.bits != 1 || reader.spec().dtype() != DType::Bool {
            return refuse!(
                Usage,
                "{place} is {} packed to {} bits a value; crops of it come from Reader::slice",
                reader.spec(),
                pack.bits
            );
        }
        if reader.record().is_some_and(|r| r.axes == Axes::F) && reader.spec().shape().len() > 1 {
            return refuse!(
                Usage,
                "{place} was packed in Fortran order, along its first axis; crops of it come from Reader::slice, or pack \
                 np.ascontiguousarray of the mask"
            );
        }
        let (shape, order) = (reader.spec().shape().to_vec(), pack.order);
        Self::of(reader, shape, order)
    }

    /// Opens the bytes of `np.packbits(mask, axis=-1, bitorder=order)` at `place`: an ordinary uint8 array whose last axis holds that of
    /// `shape` in bits, padded to whole bytes.
    ///
    /// # Errors
    /// `Usage` where the file's dtype or shape are others than `shape` packed; otherwise as [`PackedMask::open`].
    pub fn from_packed(place: &str, shape: &[u64], order: BitOrder) -> Result<Self> {
        let reader = Reader::open(place)?;
        let mut packed = shape.to_vec();
        if let Some(last) = packed.last_mut() {
            *last = last.div_ceil(8);
        }
        let is = reader.opened().shown();
        if shape.is_empty() || is.dtype() != DType::U8 || is.shape() != packed {
            return refuse!(
                Usage,
                "{place} holds {is}; a mask of shape {shape:?} is uint8 {packed:?} when packed along its last axis"
            );
        }
        if reader.opened().is_fortran() {
            return refuse!(
                Usage,
                "{place} is in Fortran order, in which the bytes of a row do not lie together; save np.ascontiguousarray of it"
            );
        }
        Self::of(reader, shape.to_vec(), order)
    }

    fn of(reader: Reader, shape: Vec<u64>, order: BitOrder) -> Result<Self> {
        let bytes = match reader.opened().map()? {
            Some(mapping) => Bytes::Mapped(mapping),
            None => Bytes::Read(Box::new(reader)),
        };
        Ok(Self { bytes, shape, order })
    }

    /// Lengths of the mask's axes.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The order of bits in a byte.
    pub fn order(&self) -> BitOrder {
        self.order
    }

    /// The whole mask, to be counted or unpacked.
    pub fn whole(&self) -> MaskCrop<'_> {
        MaskCrop { mask: self, start: vec![0; self.shape.len()], shape: self.shape.clone() }
    }

    /// Rows and columns of a mask of two axes.
    ///
    /// # Errors
    /// `Usage` where the mask has other than two axes, and for ranges that reach outside.
    pub fn crop(&self, rows: Range<u64>, columns: Range<u64>) -> Result<MaskCrop<'_>> {
        self.crop_nd(&[rows, columns])
    }

    /// One range along each axis.
    ///
    /// # Errors
    /// `Usage` for another number of ranges than axes, and for ranges that reach outside.
    pub fn crop_nd(&self, ranges: &[Range<u64>]) -> Result<MaskCrop<'_>> {
        if ranges.len() != self.shape.len() {
            return refuse!(Usage, "{} ranges for a mask of shape {:?}; give one an axis", ranges.len(), self.shape);
        }
        for (axis, (range, length)) in ranges.iter().zip(&self.shape).enumerate() {
            if range.start > range.end || range.end > *length {
                return refuse!(Usage, "{range:?} is outside axis {axis} of length {length}");
            }
        }
        let start = ranges.iter().map(|r| r.start).collect();
        let shape = ranges.iter().map(|r| r.end - r.start).collect();
        Ok(MaskCrop { mask: self, start, shape })
    }

    /// One element.
    ///
    /// # Errors
    /// `Usage` for an index outside; as [`MaskCrop::count_ones`].
    pub fn get(&self, index: &[u64]) -> Result<bool> {
        let ranges: Vec<Range<u64>> = index.iter().map(|i| *i..i.saturating_add(1)).collect();
        self.crop_nd(&ranges)?.any()
    }

    /// How many elements are set.
    ///
    /// # Errors
    /// As [`MaskCrop::count_ones`].
    pub fn count_ones(&self) -> Result<u64> {
        self.whole().count_ones()
    }

    /// Whether any element is set.
    ///
    /// # Errors
    /// As [`MaskCrop::count_ones`].
    pub fn any(&self) -> Result<bool> {
        self.whole().any()
    }

    /// Whether all elements are set; true where there are none, as in NumPy.
    ///
    /// # Errors
    /// As [`MaskCrop::count_ones`].
    pub fn all(&self) -> Result<bool> {
        self.whole().all()
    }
}

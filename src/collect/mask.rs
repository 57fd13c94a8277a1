//! Packed masks, cropped and counted where they lie in the file.

use std::ops::Range;

use bitvec::vec::BitVec;
use ndarray::{ArrayD, IxDyn};

use crate::array::{DType, index_of};
use crate::engine::Reader;
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::{Format, Mapping, Place};
use crate::transform::{BitOrder, Step};

/// A mask of one bit an element in a file mapped into memory: what `compact mask.npy --bits` makes of booleans, or `np.packbits(mask,
/// axis=-1)`. Opening reads the header alone, a crop the pages under it.
///
/// ```no_run
/// use ndcompact::collect::PackedMask;
///
/// let mask = PackedMask::open("mask.compact.npy")?;
/// let crop = mask.crop(0..256, 1000..1256)?;
/// println!("{} of {} set", crop.count_ones(), crop.len());
/// let values: ndarray::ArrayD<bool> = crop.to_array()?;
/// # let _ = values;
/// # Ok::<(), ndcompact::Error>(())
/// ```
///
/// A file that another program cuts short while it is mapped ends the process (SIGBUS), as with any mapping; one that is replaced under
/// its name stays as it was.
#[derive(Debug)]
pub struct PackedMask {
    bytes: Mapping,
    /// Of the mask, in elements.
    shape: Vec<u64>,
    order: BitOrder,
}

/// A box of a [`PackedMask`]: nothing of it is read before it is asked for.
#[derive(Debug, Clone)]
pub struct MaskCrop<'a> {
    mask: &'a PackedMask,
    start: Vec<u64>,
    shape: Vec<u64>,
}

/// A row's bits of a crop: its bytes, the first bit in them, and how many.
#[derive(Clone, Copy)]
struct Bits<'a> {
    bytes: &'a [u8],
    first: usize,
    len: usize,
}

impl PackedMask {
    /// Opens the mask at `place` (`mask.npy`, `archive.npz:mask`, `file.h5:/mask`), which must be a compacted boolean array packed to
    /// bits that lie in the file in one piece.
    ///
    /// # Errors
    /// `Usage` where it is no such array; `Unsupported` where its bytes are compressed or in chunks (the message has the remedy);
    /// otherwise as [`Reader::open`].
    pub fn open(place: &str) -> Result<Self> {
        let reader = Reader::at(&Place::parse(place))?;
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
        Self::of(&reader, place, reader.spec().shape().to_vec(), pack.order)
    }

    /// Opens the bytes of `np.packbits(mask, axis=-1, bitorder=order)` at `place`: an ordinary uint8 array whose last axis holds that of
    /// `shape` in bits, padded to whole bytes.
    ///
    /// # Errors
    /// `Usage` where the file's dtype or shape are others than `shape` packed; otherwise as [`PackedMask::open`].
    pub fn from_packed(place: &str, shape: &[u64], order: BitOrder) -> Result<Self> {
        let reader = Reader::at(&Place::parse(place))?;
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
        Self::of(&reader, place, shape.to_vec(), order)
    }

    fn of(reader: &Reader, place: &str, shape: Vec<u64>, order: BitOrder) -> Result<Self> {
        let Some(bytes) = reader.opened().map()? else {
            let what = match reader.opened().format() {
                Format::Hdf5 => "in chunks",
                _ => "compressed",
            };
            return refuse!(
                Unsupported,
                "the bits of {place} are stored {what} ({}), which cannot be mapped; make a .npy file of it (`compact restore {place} -o \
                 MASK.npy`, then `compact MASK.npy --bits`), or take crops with Reader::slice or `compact restore --slice`",
                reader.opened().layout()
            );
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
    /// `Usage` for an index outside.
    pub fn get(&self, index: &[u64]) -> Result<bool> {
        let ranges: Vec<Range<u64>> = index.iter().map(|i| *i..i.saturating_add(1)).collect();
        Ok(self.crop_nd(&ranges)?.any())
    }

    /// How many elements are set.
    pub fn count_ones(&self) -> u64 {
        self.whole().count_ones()
    }

    /// Whether any element is set.
    pub fn any(&self) -> bool {
        self.whole().any()
    }

    /// Whether all elements are set; true where there are none, as in NumPy.
    pub fn all(&self) -> bool {
        self.whole().all()
    }
}

impl<'a> MaskCrop<'a> {
    /// Lengths of its axes.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Its elements.
    pub fn len(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements are set, counted by words where they lie.
    pub fn count_ones(&self) -> u64 {
        self.rows().map(|row| row.count_ones(self.mask.order)).sum()
    }

    /// Whether any element is set. Rows after the first such are not read.
    pub fn any(&self) -> bool {
        self.rows().any(|row| row.count_ones(self.mask.order) > 0)
    }

    /// Whether all elements are set; true where there are none, as in NumPy. Rows after the first with a hole are not read.
    pub fn all(&self) -> bool {
        self.rows().all(|row| row.count_ones(self.mask.order) == row.len as u64)
    }

    /// The elements in C order, one bit each.
    ///
    /// # Errors
    /// `Io` where memory does not suffice.
    pub fn to_bits(&self) -> Result<BitVec> {
        let mut bits = BitVec::new();
        let words = usize::try_from(self.len().div_ceil(u64::from(usize::BITS))).unwrap_or(usize::MAX);
        let mut words_of: Vec<usize> = room(words)?;
        let (mut word, mut filled) = (0u64, 0u32);
        for row in self.rows() {
            row.words(self.mask.order, |bits, n| {
                word |= bits << filled;
                if filled + n >= 64 {
                    words_of.push(word as usize);
                    // What did not fit; all of it did where nothing was there before.
                    word = if filled == 0 { 0 } else { bits >> (64 - filled) };
                    filled = filled + n - 64;
                } else {
                    filled += n;
                }
            });
        }
        if filled > 0 {
            words_of.push(word as usize);
        }
        if usize::BITS == 64 {
            bits = BitVec::from_vec(words_of);
            bits.truncate(self.len() as usize);
        } else {
            for row in self.rows() {
                row.words(self.mask.order, |word, n| (0..n).for_each(|i| bits.push(word >> i & 1 == 1)));
            }
        }
        Ok(bits)
    }

    /// The elements as an array of the crop's shape.
    ///
    /// # Errors
    /// `Io` where memory does not suffice.
    pub fn to_array(&self) -> Result<ArrayD<bool>> {
        let mut values: Vec<bool> = room(usize::try_from(self.len()).unwrap_or(usize::MAX))?;
        for row in self.rows() {
            row.words(self.mask.order, |word, n| values.extend((0..n).map(|i| word >> i & 1 == 1)));
        }
        let shape: Vec<usize> = self.shape.iter().map(|d| *d as usize).collect();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| {
            Error::new(ErrorKind::Usage, format!("the crop {:?} does not fit an ndarray: {e}", self.shape))
        })
    }

    /// The bits of each row of the crop along the last axis.
    fn rows(&self) -> impl Iterator<Item = Bits<'a>> + '_ {
        let mask = self.mask;
        let lead = self.shape.len().saturating_sub(1);
        let row_bytes = mask.shape.last().copied().unwrap_or(0).div_ceil(8);
        let (first, len) = (self.start.last().copied().unwrap_or(0), self.shape.last().copied().unwrap_or(0));
        let count = if len == 0 { 0 } else { self.shape[..lead].iter().product() };
        (0..count).filter_map(move |i| {
            let within = index_of(&self.shape[..lead], i);
            let row = within
                .iter()
                .zip(&self.start)
                .zip(&mask.shape)
                .fold(0, |row, ((i, start), length)| row * length + start + i);
            let from = row * row_bytes + first / 8;
            let to = row * row_bytes + (first + len).div_ceil(8);
            // Always there: the mapping is as long as the shape says.
            let bytes = mask.bytes.bytes().get(from as usize..to as usize)?;
            Some(Bits { bytes, first: (first % 8) as usize, len: len as usize })
        })
    }
}

/// Room for so many items.
fn room<T>(len: usize) -> Result<Vec<T>> {
    let mut items = Vec::new();
    match items.try_reserve_exact(len) {
        Ok(()) => Ok(items),
        Err(_) => refuse!(Io, "no memory for {len} values of a mask; take a smaller crop"),
    }
}

impl Bits<'_> {
    /// Set bits, by words; the padding and what stands before are masked out.
    fn count_ones(self, order: BitOrder) -> u64 {
        let end = self.first + self.len;
        let (Some((head, rest)), last) = (self.bytes.split_first(), (end % 8) as u32) else { return 0 };
        let (from, until) = match order {
            BitOrder::Big => (0xFFu8 >> self.first, if last == 0 { 0xFF } else { !(0xFFu8 >> last) }),
            BitOrder::Little => (0xFFu8 << self.first, if last == 0 { 0xFF } else { !(0xFFu8 << last) }),
        };
        let Some((tail, middle)) = rest.split_last() else { return u64::from((head & from & until).count_ones()) };
        let (words, left) = middle.as_chunks::<8>();
        let whole: u64 = words.iter().map(|w| u64::from(u64::from_ne_bytes(*w).count_ones())).sum();
        let left: u64 = left.iter().map(|b| u64::from(b.count_ones())).sum();
        whole + left + u64::from((head & from).count_ones()) + u64::from((tail & until).count_ones())
    }

    /// Gives the bits to `take` in words of up to 64, the first in the lowest; bits beyond the number given with them are 0.
    fn words(self, order: BitOrder, mut take: impl FnMut(u64, u32)) {
        let mut done = 0;
        while done < self.len {
            let at = self.first + done;
            let (byte, shift) = (at / 8, at % 8);
            let mut nine = [0u8; 9];
            let have = self.bytes.len().saturating_sub(byte).min(9);
            nine[..have].copy_from_slice(&self.bytes[byte..byte + have]);
            if order == BitOrder::Big {
                nine.iter_mut().for_each(|b| *b = b.reverse_bits());
            }
            let [a, b, c, d, e, f, g, h, last] = nine;
            let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> shift;
            let high = if shift == 0 { 0 } else { u64::from(last) << (64 - shift) };
            let n = (self.len - done).min(64) as u32;
            take((low | high) & (u64::MAX >> (64 - n)), n);
            done += n as usize;
        }
    }
}

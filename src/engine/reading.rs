//! How an open array is read: what is kept in memory, how far ahead, on how many threads; files that lie in memory.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use bytemuck::AnyBitPattern;
use ndarray::{ArrayViewD, IxDyn, ShapeBuilder};

use super::{DEFAULT_MEMORY, Reader, Resources};
use crate::array::{ByteOrder, Element};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::pipeline::Work;
use crate::recipe::Axes;
use crate::store::{Image, Mapping, Place, open, open_bytes};

/// Decoded chunks that a [`Reader`] keeps unless told otherwise, in bytes.
pub const DEFAULT_CACHE: u64 = 32 << 20;

/// Slices of at most so many bytes are read by the calling thread: starting others takes longer.
pub(super) const SMALL_BYTES: u64 = 1 << 20;

/// How a [`Reader`] reads.
///
/// ```no_run
/// use ndcompact::{Reader, engine::ReadOptions};
///
/// let reader = Reader::open_with("grids.h5", ReadOptions { cache_bytes: 256 << 20, ..ReadOptions::default() })?;
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Bytes of decoded chunks kept as long as the reader lives, the least recently used dropped first, shared by all threads that
    /// read; 0 keeps none. A chunk larger than this is not kept.
    pub cache_bytes: u64,
    /// Threads that decode large slices, blocks and batches.
    pub threads: NonZeroUsize,
    /// Bound on the memory of blocks in flight, in bytes; what is handed out comes on top.
    pub memory: u64,
    /// Blocks or batches, at most, that iterators have decoded before they are asked for, besides the one that each thread works
    /// on; `None` decodes nothing before it is asked for, on the calling thread.
    pub read_ahead: Option<u32>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        let threads = Resources::default().threads;
        Self { cache_bytes: DEFAULT_CACHE, threads, memory: DEFAULT_MEMORY, read_ahead: Some(2) }
    }
}

impl ReadOptions {
    pub(super) fn resources(&self) -> Resources<'static> {
        Resources { threads: self.threads, memory: self.memory, ..Resources::default() }
    }
}

/// What the threads that read small slices keep from one to the next.
#[derive(Default)]
pub(super) struct Works(Mutex<Vec<Work>>);

impl Works {
    /// Lends an idle state to `job`, or a new one.
    pub(super) fn with<R>(&self, reader: &Reader, job: impl FnOnce(&mut Work) -> Result<R>) -> Result<R> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut work = idle.unwrap_or_else(|| Work::new(reader.pipeline.stages().len()));
        work.keep = true;
        let result = job(&mut work);
        // Slabs of a reversed array are large, and a reader that keeps nothing has no need of them.
        if reader.options.cache_bytes > 0 && reader.axes == Axes::C {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < reader.options.threads.get() {
                idle.push(work);
            }
        }
        result
    }
}

impl fmt::Debug for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Works").finish_non_exhaustive()
    }
}

/// Elements of a file mapped into memory, seen as an array without copying any.
#[derive(Debug)]
pub struct MappedArray<T> {
    mapping: Mapping,
    shape: Vec<usize>,
    is_fortran: bool,
    element: std::marker::PhantomData<T>,
}

impl<T: Element + AnyBitPattern> MappedArray<T> {
    /// The array.
    ///
    /// # Errors
    /// None that can happen: size and alignment were looked at when it was mapped.
    pub fn view(&self) -> Result<ArrayViewD<'_, T>> {
        let elements: &[T] = match bytemuck::try_cast_slice(self.mapping.bytes()) {
            Ok(elements) => elements,
            Err(e) => return refuse!(Io, "mapped elements cannot be seen as {}: {e}", T::DTYPE),
        };
        ArrayViewD::from_shape(IxDyn(&self.shape).set_f(self.is_fortran), elements)
            .map_err(|e| Error::new(ErrorKind::Usage, format!("the mapped elements do not fit an ndarray: {e}")))
    }
}

impl Reader {
    /// As [`Reader::open`], with cache, threads and memory to choose.
    pub fn open_with(place: &str, options: ReadOptions) -> Result<Self> {
        Self::of_with(open(&Place::parse(place))?, options)
    }

    /// Opens a whole file that lies in memory: `.npy`, `.npz` or HDF5, compacted or not. `member` names the array inside where there
    /// are several. The bytes are taken over and read where they are: `Vec<u8>`, `Arc<[u8]>`, a mapping, whatever has them. Of an
    /// HDF5 file what lies in other files (external links, virtual datasets) is refused.
    ///
    /// ```
    /// let mut file = b"\x93NUMPY\x01\x00".to_vec();
    /// let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }";
    /// file.extend_from_slice(&(118u16).to_le_bytes());
    /// file.extend_from_slice(format!("{header:<117}\n").as_bytes());
    /// file.extend_from_slice(&[7, 8, 9]);
    ///
    /// let reader = ndcompact::Reader::from_bytes(file, None)?;
    /// assert_eq!(reader.slice::<u8>("::-1")?, ndarray::arr1(&[9, 8, 7]).into_dyn());
    /// # Ok::<(), ndcompact::Error>(())
    /// ```
    pub fn from_bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static, member: Option<&str>) -> Result<Self> {
        Self::from_bytes_with(bytes, member, ReadOptions::default())
    }

    /// As [`Reader::from_bytes`], with cache, threads and memory to choose.
    pub fn from_bytes_with(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        member: Option<&str>,
        options: ReadOptions,
    ) -> Result<Self> {
        Self::of_with(open_bytes(Image::new(bytes), member)?, options)
    }

    /// How it reads.
    pub fn options(&self) -> ReadOptions {
        self.options
    }

    /// The array as it lies in the file, without copying it: only the pages that are looked at are read. `None` where that cannot
    /// be: what a recipe changed, chunks, another byte order than the machine's, elements that are not aligned for `T`. A file
    /// that is cut short meanwhile ends the process, see [`Mapping`].
    ///
    /// # Errors
    /// `Usage` where `T` is not the array's dtype; `Io` as the operating system says.
    pub fn mapped<T: Element + AnyBitPattern>(&self) -> Result<Option<MappedArray<T>>> {
        if T::DTYPE != self.shown.dtype() {
            return refuse!(Usage, "the array is {}, not {}", self.shown.dtype(), T::DTYPE);
        }
        let is_native = T::DTYPE.word() == 1 || self.opened.byte_order() == ByteOrder::NATIVE;
        if !is_native || !self.pipeline.stages().is_empty() {
            return Ok(None);
        }
        let Some(mapping) = self.opened.map()? else { return Ok(None) };
        if bytemuck::try_cast_slice::<u8, T>(mapping.bytes()).is_err() {
            return Ok(None);
        }
        let shape = self.shown.shape().iter().map(|d| *d as usize).collect();
        let is_fortran = self.opened.is_fortran();
        // What the file shows and what the array is differ only where a recipe stands between.
        Ok(Some(MappedArray { mapping, shape, is_fortran, element: std::marker::PhantomData }))
    }
}

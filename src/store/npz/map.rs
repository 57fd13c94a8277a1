//! Members mapped into memory: arrays without reading them first.

use std::marker::PhantomData;
use std::path::Path;

use bytemuck::checked;
use ndarray::{Array1, ArrayD, ArrayViewD, CowArray, IxDyn, ShapeBuilder};

use super::read::Archive;
use crate::array::{Buf, ByteOrder, Element, to_ndarray};
use crate::error::{Error, ErrorKind, Result, refuse};
use crate::store::Mapping;
use crate::store::npy::{Header, reversed};

/// A `.npz` archive mapped into memory. Arrays that are stored uncompressed are seen where they stand, with no byte read before it
/// is used; `np.load(…, mmap_mode='r')` reads them whole.
///
/// The file must not be changed or cut while it is mapped, as with `np.memmap`: values would change under their readers, and
/// reading what was cut off ends the process.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("run.npz");
/// # let mut npz = ndarray_npy::NpzWriter::new(std::fs::File::create(&path).unwrap());
/// # npz.add_array("weights", &ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]])).unwrap();
/// # npz.finish().unwrap();
/// let npz = ndcompact::Npz::open(&path)?;
/// let weights = npz.get::<f64>("weights")?;
/// assert_eq!(weights.at(&[1, 0]), Some(3.0));
/// assert_eq!(weights.to_cow().sum(), 10.0);
/// # Ok::<(), ndcompact::Error>(())
/// ```
#[derive(Debug)]
pub struct Npz {
    archive: Archive,
    map: Mapping,
}

/// An array of an archive.
#[derive(Debug, Clone)]
pub enum Mapped<'a, T: Element> {
    /// Where it stands in the file: nothing was read or copied.
    View(ArrayViewD<'a, T>),
    /// Where it stands in the file, at a place or in a byte order in which the processor cannot use it: elements are put together
    /// one by one as they are asked for.
    Scattered(Scattered<'a, T>),
    /// In memory: the archive holds it compressed.
    Owned(ArrayD<T>),
}

/// Elements in a file at any place and in any byte order.
#[derive(Debug, Clone)]
pub struct Scattered<'a, T: Element> {
    bytes: &'a [u8],
    shape: Vec<usize>,
    /// Elements from one index to the next, an axis each.
    strides: Vec<usize>,
    order: ByteOrder,
    element: PhantomData<T>,
}

impl Npz {
    /// Opens and maps the archive at `path`.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let archive = Archive::open(path)?;
        let file = archive.file()?;
        let len = file.metadata().map_err(|e| Error::io(format!("mapping {}", path.display()), e))?.len();
        let map = Mapping::new(file, 0, len).map_err(|e| e.at(path.display()))?;
        Ok(Self { archive, map })
    }

    /// The names of its arrays, in the order of the archive.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.archive.names()
    }

    /// The archive, for its members as streams.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Array `name`. `T` must be its dtype's type. Of one that is stored uncompressed only the header is read (of booleans all,
    /// since only 0 and 1 are such); its checksum is not compared, [`Npz::verify`] does that.
    ///
    /// # Errors
    /// `Usage` where there is no such array or `T` is not its type; `Corrupt` and `Unsupported` as the member is.
    pub fn get<T: Element>(&self, name: &str) -> Result<Mapped<'_, T>> {
        let Some((at, len, _)) = self.archive.in_place(name)? else { return self.unpacked(name).map(Mapped::Owned) };
        let end = at + len;
        let Some(bytes) = self.map.bytes().get(at as usize..end as usize) else {
            return refuse!(Corrupt, "{}: the file became shorter while it was opened", self.place(name));
        };
        let head = self.head::<T>(name, bytes, len)?;
        let data = &bytes[head.data_at as usize..];
        if head.spec.count() == 0 {
            let shape = head.spec.shape().iter().map(|d| *d as usize).collect::<Vec<_>>();
            let empty = ArrayViewD::from_shape(IxDyn(&shape), &[]);
            return empty.map(Mapped::View).map_err(|e| self.odd(name, e));
        }
        let shape: Vec<usize> = head.spec.shape().iter().map(|d| *d as usize).collect();
        let native = head.byte_order == ByteOrder::NATIVE || head.spec.dtype().word() == 1;
        if native && data.as_ptr().cast::<T>().is_aligned() {
            let values = checked::try_cast_slice::<u8, T>(data).map_err(|_| self.no_booleans(name))?;
            let view = ArrayViewD::from_shape(IxDyn(&shape).set_f(head.fortran), values);
            return view.map(Mapped::View).map_err(|e| self.odd(name, e));
        }
        let mut strides = vec![1; shape.len()];
        if head.fortran {
            (1..shape.len()).for_each(|i| strides[i] = strides[i - 1] * shape[i - 1]);
        } else {
            (1..shape.len()).rev().for_each(|i| strides[i - 1] = strides[i] * shape[i]);
        }
        Ok(Mapped::Scattered(Scattered { bytes: data, shape, strides, order: head.byte_order, element: PhantomData }))
    }

    /// Compares array `name` with its checksum, reading all of it.
    ///
    /// # Errors
    /// As [`Npz::get`].
    pub fn verify(&self, name: &str) -> Result<()> {
        let mut stream = self.archive.unpack(name)?;
        let mut block = vec![0; 1 << 18];
        while stream.block(&mut block)? > 0 {}
        Ok(())
    }

    /// A compressed member in memory.
    fn unpacked<T: Element>(&self, name: &str) -> Result<ArrayD<T>> {
        let mut stream = self.archive.unpack(name)?;
        let len = stream.size();
        let mut start = vec![0; len.min(Header::MOST) as usize];
        let have = stream.block(&mut start)?;
        let head = self.head::<T>(name, &start[..have], len)?;
        let spec = if head.fortran { reversed(&head.spec)? } else { head.spec.clone() };
        let mut buf = Buf::new();
        buf.reset(spec.dtype(), spec.count())?;
        let bytes = buf.bytes_mut();
        let (first, rest) = bytes.split_at_mut((have - head.data_at as usize).min(bytes.len()));
        first.copy_from_slice(&start[head.data_at as usize..have]);
        drop(start);
        if stream.block(rest)? != rest.len() {
            return refuse!(Corrupt, "{}: it ends before its array does", self.place(name));
        }
        // At the end, its number of bytes and their sum are compared.
        stream.block(&mut [0])?;
        head.byte_order.to_native(spec.dtype(), buf.bytes_mut());
        let array = to_ndarray::<T>(&spec, &buf).map_err(|e| e.at(self.place(name)))?;
        Ok(if head.fortran { array.reversed_axes() } else { array })
    }

    fn head<T: Element>(&self, name: &str, bytes: &[u8], len: u64) -> Result<Header> {
        let head = Header::of_bytes(bytes, len).map_err(|e| e.at(self.place(name)))?;
        if head.spec.dtype() != T::DTYPE {
            return refuse!(Usage, "{} is {}, not {}", self.place(name), head.spec, T::DTYPE);
        }
        Ok(head)
    }

    fn place(&self, name: &str) -> String {
        format!("{}, member {name}", self.archive.path().display())
    }

    fn no_booleans(&self, name: &str) -> Error {
        let message = format!("{}: there are bytes other than 0 and 1 among its booleans", self.place(name));
        Error::new(ErrorKind::Corrupt, message)
    }

    fn odd(&self, name: &str, e: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Unsupported, format!("{} does not fit an ndarray: {e}", self.place(name)))
    }
}

impl<'a, T: Element> Mapped<'a, T> {
    /// The shape, as NumPy shows it.
    pub fn shape(&self) -> &[usize] {
        match self {
            Mapped::View(view) => view.shape(),
            Mapped::Scattered(scattered) => &scattered.shape,
            Mapped::Owned(array) => array.shape(),
        }
    }

    /// The element at `index`; `None` outside of the array.
    pub fn at(&self, index: &[usize]) -> Option<T> {
        match self {
            Mapped::View(view) => view.get(index).copied(),
            Mapped::Scattered(scattered) => scattered.at(index),
            Mapped::Owned(array) => array.get(index).copied(),
        }
    }

    /// Whether it stands in the file, and nothing was copied.
    pub fn is_in_place(&self) -> bool {
        !matches!(self, Mapped::Owned(_))
    }

    /// An array to compute with: the one in the file where the processor can use it as it stands, else a copy.
    pub fn to_cow(&self) -> CowArray<'_, T, IxDyn> {
        match self {
            Mapped::View(view) => view.view().into(),
            Mapped::Scattered(scattered) => scattered.to_array().into(),
            Mapped::Owned(array) => array.view().into(),
        }
    }

    /// The view of the file, where the processor can use it as it stands. It lives as long as the [`Npz`].
    pub fn as_view(&self) -> Option<ArrayViewD<'a, T>> {
        match self {
            Mapped::View(view) => Some(view.clone()),
            _ => None,
        }
    }
}

impl<T: Element> Scattered<'_, T> {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The element at `index`; `None` outside of the array.
    pub fn at(&self, index: &[usize]) -> Option<T> {
        let inside = index.len() == self.shape.len() && index.iter().zip(&self.shape).all(|(i, d)| i < d);
        if !inside {
            return None;
        }
        self.element(index.iter().zip(&self.strides).map(|(i, s)| i * s).sum())
    }

    /// A copy that the processor can use.
    pub fn to_array(&self) -> ArrayD<T> {
        let is_fortran = self.strides.first().is_some_and(|s| *s == 1) && self.shape.len() > 1;
        let count = self.shape.iter().product();
        // Every element is there: the size was compared with the shape, and of these types any bytes are a value.
        let values: Vec<T> = (0..count).filter_map(|i| self.element(i)).collect();
        let shape = IxDyn(&self.shape).set_f(is_fortran);
        ArrayD::from_shape_vec(shape, values).unwrap_or_else(|_| Array1::from_vec(Vec::new()).into_dyn())
    }

    /// The `i`-th element in the file.
    fn element(&self, i: usize) -> Option<T> {
        /// The largest element, complex128.
        const LARGEST: usize = 16;
        let size = size_of::<T>();
        let from = self.bytes.get(i * size..(i + 1) * size)?;
        let mut bytes = [0; LARGEST];
        let bytes = bytes.get_mut(..size)?;
        bytes.copy_from_slice(from);
        self.order.to_native(T::DTYPE, bytes);
        checked::try_pod_read_unaligned(bytes).ok()
    }
}

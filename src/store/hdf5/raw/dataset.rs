//! Datasets: their shape, layout and filters; reading boxes of them; making them.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int, c_uint};

use hdf5_metno_sys::h5::HADDR_UNDEF;
use hdf5_metno_sys::h5d::{
    H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS, H5D_fill_value_t, H5D_layout_t, H5Dcreate2, H5Dget_create_plist,
    H5Dget_offset, H5Dget_space, H5Dget_storage_size, H5Dopen2, H5Dread, H5Dset_extent, H5Dwrite,
};
use hdf5_metno_sys::h5p::{
    H5P_CLS_DATASET_CREATE, H5P_CLS_LINK_CREATE, H5P_DEFAULT, H5Pcreate, H5Pfill_value_defined, H5Pget_chunk,
    H5Pget_chunk_opts, H5Pget_external_count, H5Pget_fill_value, H5Pget_filter2, H5Pget_layout, H5Pget_nfilters,
    H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename, H5Pset_chunk,
    H5Pset_create_intermediate_group, H5Pset_filter, H5Pset_obj_track_times, H5Pset_virtual,
};
use hdf5_metno_sys::h5s::{
    H5S_ALL, H5S_UNLIMITED, H5S_class_t, H5S_seloper_t, H5Screate, H5Screate_simple, H5Sget_simple_extent_dims,
    H5Sget_simple_extent_ndims, H5Sget_simple_extent_type, H5Sselect_hyperslab,
};
use hdf5_metno_sys::h5z::{H5Z_FLAG_MANDATORY, H5Z_FLAG_OPTIONAL, H5Zfilter_avail};

use super::{Id, c_name, call, dtype, open};
use crate::array::DType;
use crate::error::{Result, refuse};
use crate::store::hdf5::tiles::Mapping;

/// The most axes a dataset can have.
pub(in super::super) const MAX_AXES: usize = 32;

/// Filter parameters read at most; the registered filters use fewer than 16.
const MAX_PARAMETERS: usize = 64;

/// One filter of a dataset's pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct FilterInfo {
    pub(in super::super) id: i32,
    pub(in super::super) parameters: Vec<u32>,
    pub(in super::super) name: String,
}

/// Where a dataset's elements are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Layout {
    /// In the dataset's own header.
    Compact,
    /// One after the other from this byte of the file on; nothing was ever written without an address.
    Contiguous(Option<u64>),
    /// In other files.
    External,
    /// In chunks of this shape.
    Chunked(Vec<u64>),
    /// In other datasets.
    Virtual,
}

/// Opens the dataset at `path`.
pub(in super::super) fn open(file: &Id, path: &str) -> Result<Id> {
    let name = c_name(path)?;
    open!(Corrupt, H5Dopen2(file.0, name.as_ptr(), H5P_DEFAULT), "opening dataset {path}")
}

/// The shape; `None` for a dataset without any elements by nature (HDF5's null dataspace).
pub(in super::super) fn shape(dataset: &Id) -> Result<Option<Vec<u64>>> {
    let space = open!(Corrupt, H5Dget_space(dataset.0), "reading the shape")?;
    let class = hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open dataspace")]
        unsafe {
            H5Sget_simple_extent_type(space.0)
        }
    });
    if class == H5S_class_t::H5S_NULL {
        return Ok(None);
    }
    let axes = call!(Corrupt, H5Sget_simple_extent_ndims(space.0), "reading the shape")? as usize;
    let mut shape = vec![0u64; axes];
    call!(Corrupt, H5Sget_simple_extent_dims(space.0, shape.as_mut_ptr(), std::ptr::null_mut()), "reading the shape")?;
    Ok(Some(shape))
}

/// How a dataset is laid out, how it is filtered, and the value of elements that were never written.
#[derive(Debug)]
pub(in super::super) struct Creation {
    pub(in super::super) layout: Layout,
    pub(in super::super) filters: Vec<FilterInfo>,
    /// Whether chunks that reach over the edge are stored without any filter, and without saying so.
    pub(in super::super) bare_edges: bool,
    /// One element in native byte order.
    pub(in super::super) fill: Vec<u8>,
}

/// Reads a dataset's creation properties; the fill value is converted to `memory`, of `size` bytes.
pub(in super::super) fn creation(dataset: &Id, axes: usize, memory: &Id, size: usize) -> Result<Creation> {
    let list = open!(Corrupt, H5Dget_create_plist(dataset.0), "reading the layout")?;
    let (class, offset) = hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "both identifiers are open, a property list and a dataset")]
        unsafe {
            (H5Pget_layout(list.0), H5Dget_offset(dataset.0))
        }
    });
    let mut bare_edges = false;
    let layout = match class {
        H5D_layout_t::H5D_COMPACT => Layout::Compact,
        H5D_layout_t::H5D_CONTIGUOUS => match call!(Corrupt, H5Pget_external_count(list.0), "reading the layout")? {
            // With a user block the undefined address comes out moved by its length: ask for the bytes as well.
            0 => Layout::Contiguous((offset != HADDR_UNDEF && storage_size(dataset) > 0).then_some(offset)),
            _ => Layout::External,
        },
        H5D_layout_t::H5D_CHUNKED => {
            let mut chunk = vec![0u64; axes];
            let n = call!(Corrupt, H5Pget_chunk(list.0, axes as c_int, chunk.as_mut_ptr()), "reading the chunk shape")?;
            if n as usize != axes {
                return refuse!(Corrupt, "chunks of {n} axes in a dataset of {axes}");
            }
            let mut options = 0;
            call!(Corrupt, H5Pget_chunk_opts(list.0, &raw mut options), "reading the chunk options")?;
            bare_edges = options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS != 0;
            Layout::Chunked(chunk)
        }
        H5D_layout_t::H5D_VIRTUAL => Layout::Virtual,
        other => return refuse!(Corrupt, "a dataset layout of class {}", other as i32),
    };
    let count = call!(Corrupt, H5Pget_nfilters(list.0), "reading the filters")?;
    let filters = (0..count as c_uint).map(|i| filter(&list, i)).collect::<Result<_>>()?;
    let mut fill = vec![0u8; size];
    let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
    call!(Corrupt, H5Pfill_value_defined(list.0, &raw mut defined), "reading the fill value")?;
    if defined == H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
        call!(Corrupt, H5Pget_fill_value(list.0, memory.0, fill.as_mut_ptr().cast()), "reading the fill value")?;
    }
    Ok(Creation { layout, filters, bare_edges, fill })
}

/// Whether its elements hold references to other objects.
pub(in super::super) fn refers(dataset: &Id) -> Result<bool> {
    dtype::refers(&dtype::of_dataset(dataset)?)
}

/// Whether the dataset is made of others.
pub(in super::super) fn is_virtual(dataset: &Id) -> Result<bool> {
    let list = open!(Corrupt, H5Dget_create_plist(dataset.0), "reading the layout")?;
    let class = hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open property list")]
        unsafe {
            H5Pget_layout(list.0)
        }
    });
    Ok(class == H5D_layout_t::H5D_VIRTUAL)
}

/// The files and the datasets in them that a virtual dataset is made of, as it names them, each once; `.` is its own file.
pub(in super::super) fn virtual_sources(dataset: &Id) -> Result<BTreeSet<(String, String)>> {
    let list = open!(Corrupt, H5Dget_create_plist(dataset.0), "reading the layout")?;
    let mut count = 0usize;
    call!(Corrupt, H5Pget_virtual_count(list.0, &raw mut count), "reading the virtual layout")?;
    let mut sources = BTreeSet::new();
    for i in 0..count {
        let none = std::ptr::null_mut();
        let length = call!(Corrupt, H5Pget_virtual_filename(list.0, i, none, 0), "reading the virtual layout")?;
        let mut file = vec![0u8; length as usize + 1];
        let (to, room) = (file.as_mut_ptr().cast(), file.len());
        call!(Corrupt, H5Pget_virtual_filename(list.0, i, to, room), "reading the virtual layout")?;
        let length = call!(Corrupt, H5Pget_virtual_dsetname(list.0, i, none, 0), "reading the virtual layout")?;
        let mut name = vec![0u8; length as usize + 1];
        let (to, room) = (name.as_mut_ptr().cast(), name.len());
        call!(Corrupt, H5Pget_virtual_dsetname(list.0, i, to, room), "reading the virtual layout")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes[..bytes.len() - 1]).into_owned();
        sources.insert((text(file), text(name)));
    }
    Ok(sources)
}

fn filter(list: &Id, at: c_uint) -> Result<FilterInfo> {
    let mut flags = 0u32;
    let mut count = MAX_PARAMETERS;
    let mut parameters = vec![0u32; MAX_PARAMETERS];
    let mut name = [0u8; 128];
    let id = call!(
        Corrupt,
        H5Pget_filter2(
            list.0,
            at,
            &raw mut flags,
            &raw mut count,
            parameters.as_mut_ptr(),
            name.len(),
            name.as_mut_ptr().cast::<c_char>(),
            std::ptr::null_mut(),
        ),
        "reading filter {at}"
    )?;
    parameters.truncate(count);
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Ok(FilterInfo { id, parameters, name: String::from_utf8_lossy(&name[..end]).into_owned() })
}

/// Whether the library has filter `id` at hand, plugins included.
pub(in super::super) fn is_available(id: i32) -> bool {
    call!(Io, H5Zfilter_avail(id), "looking for filter {id}").is_ok_and(|a| a > 0)
}

/// Bytes that the elements take in the file.
pub(in super::super) fn storage_size(dataset: &Id) -> u64 {
    hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open dataset")]
        unsafe {
            H5Dget_storage_size(dataset.0)
        }
    })
}

/// Reads the box of `count` elements an axis from `start` on, or all (0-d) where both are empty, through the library.
/// `out` must hold exactly its elements.
pub(in super::super) fn read_box(
    dataset: &Id,
    memory: &Id,
    start: &[u64],
    count: &[u64],
    out: &mut [u8],
) -> Result<()> {
    let elements = count.iter().product::<u64>();
    if out.len() as u64 != elements * dtype::size(memory) as u64 {
        return refuse!(Usage, "a box of {elements} elements does not fill {} bytes", out.len());
    }
    let (in_memory, in_file) = if count.is_empty() {
        (None, None)
    } else {
        let in_file = open!(Corrupt, H5Dget_space(dataset.0), "reading elements")?;
        let axes = call!(Corrupt, H5Sget_simple_extent_ndims(in_file.0), "reading elements")? as usize;
        if axes != start.len() || axes != count.len() {
            return refuse!(Usage, "a box of {} axes in a dataset of {axes}", count.len());
        }
        let (set, each) = (H5S_seloper_t::H5S_SELECT_SET, dtype::none());
        let (start, count) = (start.as_ptr(), count.as_ptr());
        call!(Corrupt, H5Sselect_hyperslab(in_file.0, set, start, each, count, each), "choosing elements")?;
        (Some(open!(Io, H5Screate_simple(1, &raw const elements, each), "choosing elements")?), Some(in_file))
    };
    let (m, f) = (in_memory.as_ref().map_or(H5S_ALL, |s| s.0), in_file.as_ref().map_or(H5S_ALL, |s| s.0));
    call!(Corrupt, H5Dread(dataset.0, memory.0, m, f, H5P_DEFAULT, out.as_mut_ptr().cast()), "reading elements")
        .map(drop)
}

/// A filter of a dataset to be made.
#[derive(Debug, Clone)]
pub(in super::super) struct NewFilter {
    pub(in super::super) id: i32,
    pub(in super::super) parameters: Vec<u32>,
    /// Whether single chunks may go without it.
    pub(in super::super) optional: bool,
}

/// Whether a dataset may get more rows along its first axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Growth {
    Fixed,
    FirstAxis,
}

/// Makes a dataset at `path`, and the groups on the way. Without a chunk shape it is contiguous.
pub(in super::super) fn create(
    file: &Id,
    path: &str,
    stored: &Id,
    shape: &[u64],
    chunk: Option<&[u64]>,
    filters: &[NewFilter],
) -> Result<Id> {
    create_growing(file, path, stored, shape, chunk, filters, Growth::Fixed)
}

/// As [`create`]; one that grows must be chunked.
pub(in super::super) fn create_growing(
    file: &Id,
    path: &str,
    stored: &Id,
    shape: &[u64],
    chunk: Option<&[u64]>,
    filters: &[NewFilter],
    growth: Growth,
) -> Result<Id> {
    let list = open!(Io, H5Pcreate(*H5P_CLS_DATASET_CREATE), "preparing a dataset")?;
    // Same input, same bytes: no time of creation.
    call!(Io, H5Pset_obj_track_times(list.0, 0), "preparing a dataset")?;
    if let Some(chunk) = chunk {
        call!(Io, H5Pset_chunk(list.0, chunk.len() as c_int, chunk.as_ptr()), "setting the chunk shape")?;
        for f in filters {
            let flags = if f.optional { H5Z_FLAG_OPTIONAL } else { H5Z_FLAG_MANDATORY };
            let (n, values) = (f.parameters.len(), f.parameters.as_ptr());
            call!(Io, H5Pset_filter(list.0, f.id, flags, n, values), "setting filter {}", f.id)?;
        }
    }
    let links = open!(Io, H5Pcreate(*H5P_CLS_LINK_CREATE), "preparing a dataset")?;
    call!(Io, H5Pset_create_intermediate_group(links.0, 1), "preparing a dataset")?;
    let space = if shape.is_empty() {
        open!(Io, H5Screate(H5S_class_t::H5S_SCALAR), "setting the shape")?
    } else {
        let mut most = shape.to_vec();
        if let (Growth::FirstAxis, Some(first)) = (growth, most.first_mut()) {
            *first = H5S_UNLIMITED;
        }
        open!(Io, H5Screate_simple(shape.len() as c_int, shape.as_ptr(), most.as_ptr()), "setting the shape")?
    };
    let name = c_name(path)?;
    open!(
        Io,
        H5Dcreate2(file.0, name.as_ptr(), stored.0, space.0, links.0, list.0, H5P_DEFAULT),
        "creating dataset {path}"
    )
}

/// Gives a dataset that may grow another shape; what lies outside of it is lost.
pub(in super::super) fn set_shape(dataset: &Id, shape: &[u64]) -> Result<()> {
    call!(Io, H5Dset_extent(dataset.0, shape.as_ptr()), "changing the shape to {shape:?}").map(drop)
}

/// The lengths that the axes may grow to; `None` for those without a limit.
pub(in super::super) fn most(dataset: &Id) -> Result<Vec<Option<u64>>> {
    let space = open!(Corrupt, H5Dget_space(dataset.0), "reading the shape")?;
    let axes = call!(Corrupt, H5Sget_simple_extent_ndims(space.0), "reading the shape")? as usize;
    let mut most = vec![0u64; axes];
    call!(Corrupt, H5Sget_simple_extent_dims(space.0, std::ptr::null_mut(), most.as_mut_ptr()), "reading the shape")?;
    Ok(most.into_iter().map(|m| (m != H5S_UNLIMITED).then_some(m)).collect())
}

/// Makes a virtual dataset at `path` that shows elements of dataset `source` of the same file, of the same shape.
pub(in super::super) fn create_virtual(
    file: &Id,
    path: &str,
    stored: &Id,
    shape: &[u64],
    source: &str,
    mappings: impl Iterator<Item = Mapping>,
) -> Result<Id> {
    const WHAT: &str = "preparing a virtual dataset";
    let list = open!(Io, H5Pcreate(*H5P_CLS_DATASET_CREATE), "{WHAT}")?;
    call!(Io, H5Pset_obj_track_times(list.0, 0), "{WHAT}")?;
    let extent = || open!(Io, H5Screate_simple(shape.len() as c_int, shape.as_ptr(), dtype::none()), "{WHAT}");
    let (space, at, from) = (extent()?, extent()?, extent()?);
    let (source, once) = (c_name(source)?, vec![1u64; shape.len()]);
    let select = |space: &Id, (start, block): &(Vec<u64>, Vec<u64>)| {
        if start.len() != shape.len() || block.len() != shape.len() {
            return refuse!(Usage, "a selection of {} axes in a dataset of {}", start.len(), shape.len());
        }
        let (set, each) = (H5S_seloper_t::H5S_SELECT_SET, dtype::none());
        let (start, once, block) = (start.as_ptr(), once.as_ptr(), block.as_ptr());
        call!(Io, H5Sselect_hyperslab(space.0, set, start, each, once, block), "{WHAT}").map(drop)
    };
    for mapping in mappings {
        select(&at, &mapping.at)?;
        select(&from, &mapping.from)?;
        call!(Io, H5Pset_virtual(list.0, at.0, c".".as_ptr(), source.as_ptr(), from.0), "{WHAT}")?;
    }
    let links = open!(Io, H5Pcreate(*H5P_CLS_LINK_CREATE), "{WHAT}")?;
    call!(Io, H5Pset_create_intermediate_group(links.0, 1), "{WHAT}")?;
    let name = c_name(path)?;
    open!(
        Io,
        H5Dcreate2(file.0, name.as_ptr(), stored.0, space.0, links.0, list.0, H5P_DEFAULT),
        "creating dataset {path}"
    )
}

/// Writes all elements of a dataset that is not chunked, from native bytes.
pub(in super::super) fn write_all(dataset: &Id, of: DType, count: u64, bytes: &[u8]) -> Result<()> {
    let memory = dtype::build(of, crate::array::ByteOrder::NATIVE)?;
    if bytes.len() as u64 != count * of.size() as u64 {
        return refuse!(Usage, "{} bytes are not {count} elements of {of}", bytes.len());
    }
    call!(Io, H5Dwrite(dataset.0, memory.0, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.as_ptr().cast()), "writing elements")
        .map(drop)
}

/// Writes the box of `count` elements an axis from `start` on, from native bytes, through the library and its filters.
pub(in super::super) fn write_box(dataset: &Id, memory: &Id, start: &[u64], count: &[u64], bytes: &[u8]) -> Result<()> {
    const WHAT: &str = "writing elements";
    let elements = count.iter().product::<u64>();
    if bytes.len() as u64 != elements * dtype::size(memory) as u64 {
        return refuse!(Usage, "{} bytes do not fill a box of {elements} elements", bytes.len());
    }
    let in_file = open!(Corrupt, H5Dget_space(dataset.0), "{WHAT}")?;
    let axes = call!(Corrupt, H5Sget_simple_extent_ndims(in_file.0), "{WHAT}")? as usize;
    if axes != start.len() || axes != count.len() {
        return refuse!(Usage, "a box of {} axes in a dataset of {axes}", count.len());
    }
    let (set, each) = (H5S_seloper_t::H5S_SELECT_SET, dtype::none());
    let (start, count) = (start.as_ptr(), count.as_ptr());
    call!(Io, H5Sselect_hyperslab(in_file.0, set, start, each, count, each), "{WHAT}")?;
    let in_memory = open!(Io, H5Screate_simple(1, &raw const elements, each), "{WHAT}")?;
    let data = bytes.as_ptr().cast();
    call!(Io, H5Dwrite(dataset.0, memory.0, in_memory.0, in_file.0, H5P_DEFAULT, data), "{WHAT}").map(drop)
}

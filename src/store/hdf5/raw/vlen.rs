//! Rows of variable length, which the library keeps in its global heap.

use std::ffi::c_void;

use hdf5_metno_sys::h5d::{H5Dget_space, H5Dread};
use hdf5_metno_sys::h5p::H5P_DEFAULT;
use hdf5_metno_sys::h5s::{H5S_seloper_t, H5Screate_simple, H5Sselect_hyperslab};
use hdf5_metno_sys::h5t::{
    H5T_ARRAY, H5T_VLEN, H5Tarray_create2, H5Tget_array_dims2, H5Tget_array_ndims, H5Tget_super, H5Treclaim,
    H5Tvlen_create, hvl_t,
};

use super::super::heap::REFERENCE_BYTES;
use super::dtype::{self, Stored};
use super::{Id, call, open};
use crate::array::{ByteOrder, DType, MAX_AXES};
use crate::error::{Error, Result, refuse};

/// What a row's elements are.
#[derive(Debug)]
pub(in super::super) struct Row {
    /// The dtype that the library fills in memory.
    pub(in super::super) memory: Id,
    pub(in super::super) dtype: DType,
    /// The byte order in the file, where elements lie there as in memory but for that.
    pub(in super::super) plain: Option<ByteOrder>,
    /// Bytes of an element in the file.
    pub(in super::super) stored_bytes: usize,
    /// Whether addresses in the file have 8 bytes, as they do unless it was asked for otherwise.
    pub(in super::super) has_wide_addresses: bool,
    /// The shape of one element, where elements are small arrays.
    pub(in super::super) inner: Vec<u64>,
}

/// Whether `stored` is of variable length.
pub(in super::super) fn is_one(stored: &Id) -> bool {
    dtype::class(stored) == H5T_VLEN
}

/// The rows of a dataset whose dtype is `stored`, of variable length.
pub(in super::super) fn row(stored: &Id, name: &str) -> Result<Row> {
    const WHAT: &str = "reading a dtype of variable length";
    let base = open!(Corrupt, H5Tget_super(stored.0), "{WHAT}")?;
    let (element, inner) = if dtype::class(&base) == H5T_ARRAY {
        let axes = call!(Corrupt, H5Tget_array_ndims(base.0), "{WHAT}")? as usize;
        if axes >= MAX_AXES {
            return refuse!(Unsupported, "{name}: its elements have {axes} axes");
        }
        let mut inner = vec![0u64; axes];
        call!(Corrupt, H5Tget_array_dims2(base.0, inner.as_mut_ptr()), "{WHAT}")?;
        (open!(Corrupt, H5Tget_super(base.0), "{WHAT}")?, inner)
    } else {
        (base, Vec::new())
    };
    let (dtype, plain) = match dtype::recognise(&element)? {
        Stored::Plain(dtype, order) => (dtype, Some(order)),
        Stored::Converted(dtype) => (dtype, None),
        Stored::Refused(what) => {
            let remedy = ". Write its rows as arrays of numbers first (texts as their UTF-8 bytes, times as seconds), with np.save";
            let told = dtype::refused(name, &format!("rows of {what}"));
            return Err(Error::new(told.kind(), format!("{told}{remedy}")));
        }
    };
    let stored_bytes = dtype::size(&element).saturating_mul(inner.iter().product::<u64>() as usize);
    let has_wide_addresses = dtype::size(stored) == REFERENCE_BYTES;
    let mut memory = dtype::in_memory(&element, dtype)?;
    if !inner.is_empty() {
        memory = open!(Io, H5Tarray_create2(memory.0, inner.len() as u32, inner.as_ptr()), "{WHAT}")?;
    }
    let memory = open!(Io, H5Tvlen_create(memory.0), "{WHAT}")?;
    Ok(Row { memory, dtype, plain, stored_bytes, has_wide_addresses, inner })
}

/// Reads `count` rows from `first` on of a dataset with one axis: the bytes of each, in native order. `size` is that of one element.
pub(in super::super) fn read(dataset: &Id, row: &Row, first: u64, count: u64, size: usize) -> Result<Vec<Vec<u8>>> {
    const WHAT: &str = "reading rows of variable length";
    let in_file = open!(Corrupt, H5Dget_space(dataset.0), "{WHAT}")?;
    let (set, each) = (H5S_seloper_t::H5S_SELECT_SET, dtype::none());
    call!(Corrupt, H5Sselect_hyperslab(in_file.0, set, &raw const first, each, &raw const count, each), "{WHAT}")?;
    let in_memory = open!(Io, H5Screate_simple(1, &raw const count, each), "{WHAT}")?;
    let mut rows = vec![hvl_t { len: 0, p: std::ptr::null_mut() }; count as usize];
    let to = rows.as_mut_ptr().cast::<c_void>();
    let result = call!(Corrupt, H5Dread(dataset.0, row.memory.0, in_memory.0, in_file.0, H5P_DEFAULT, to), "{WHAT}");
    // Where reading fails the library frees some of the rows itself and says not which: what it leaves is lost, once, before the run ends.
    result?;
    let copied: Result<Vec<Vec<u8>>> = {
        let copy = |one: &hvl_t| -> Result<Vec<u8>> {
            let Some(len) = one.len.checked_mul(size) else {
                return refuse!(Corrupt, "a row of {} elements", one.len);
            };
            if len == 0 || one.p.is_null() {
                return Ok(Vec::new());
            }
            #[expect(
                unsafe_code,
                reason = "the library has filled `len` elements of `size` bytes at `p`, ours until reclaimed below"
            )]
            let bytes = unsafe { std::slice::from_raw_parts(one.p.cast::<u8>(), len) };
            let mut out = Vec::new();
            if out.try_reserve_exact(len).is_err() {
                return refuse!(Io, "no memory for a row of {len} bytes");
            }
            out.extend_from_slice(bytes);
            Ok(out)
        };
        rows.iter().map(copy).collect()
    };
    let given_back = call!(Io, H5Treclaim(row.memory.0, in_memory.0, H5P_DEFAULT, to), "{WHAT}");
    copied.and_then(|rows| given_back.map(|_| rows))
}

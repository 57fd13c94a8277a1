//! Attributes: fixed-length strings and single numbers. Variable-length data are never touched: they lie in the global
//! heap, where damage can make the library loop for ever.

use std::ffi::{CStr, c_char, c_int, c_void};

use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_metno_sys::h5a::{
    H5A_info_t, H5Acreate2, H5Adelete, H5Aexists, H5Aget_space, H5Aget_storage_size, H5Aget_type, H5Aiterate2, H5Aopen,
    H5Aread, H5Awrite,
};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5p::H5P_DEFAULT;
use hdf5_metno_sys::h5r::{H5R_type_t, H5Rcreate, hobj_ref_t};
use hdf5_metno_sys::h5s::{H5S_class_t, H5Screate, H5Screate_simple, H5Sget_simple_extent_npoints};
use hdf5_metno_sys::h5t::{
    H5T_FLOAT, H5T_INTEGER, H5T_REFERENCE, H5T_SGN_NONE, H5T_STD_REF_OBJ, H5T_STRING, H5T_VLEN, H5Tdetect_class,
    H5Tvlen_create, hvl_t,
};

use super::{Id, c_name, call, dtype, open};
use crate::array::{ByteOrder, DType};
use crate::error::{Result, refuse};
use crate::transform::Fill;

/// The largest attribute read; far above what fits an object header (64 kB).
const MAX_BYTES: usize = 1 << 20;

fn find(object: &Id, name: &str) -> Result<Option<Id>> {
    let c = c_name(name)?;
    if call!(Corrupt, H5Aexists(object.0, c.as_ptr()), "looking for attribute {name}")? == 0 {
        return Ok(None);
    }
    open!(Corrupt, H5Aopen(object.0, c.as_ptr(), H5P_DEFAULT), "opening attribute {name}").map(Some)
}

/// Whether there is an attribute `name`.
pub(in super::super) fn exists(object: &Id, name: &str) -> Result<bool> {
    let c = c_name(name)?;
    Ok(call!(Corrupt, H5Aexists(object.0, c.as_ptr()), "looking for attribute {name}")? > 0)
}

/// Whether attribute `name` holds references to other objects, in whatever it is made of.
pub(in super::super) fn refers(object: &Id, name: &str) -> Result<bool> {
    let Some(id) = find(object, name)? else { return Ok(false) };
    let stored = open!(Corrupt, H5Aget_type(id.0), "reading the dtype of attribute {name}")?;
    dtype::refers(&stored)
}

/// The fixed-length string `name`, if there is such an attribute.
pub(in super::super) fn text(object: &Id, name: &str) -> Result<Option<String>> {
    let Some(id) = find(object, name)? else { return Ok(None) };
    let stored = open!(Corrupt, H5Aget_type(id.0), "reading the dtype of attribute {name}")?;
    if dtype::class(&stored) != H5T_STRING || dtype::is_variable(&stored)? {
        return refuse!(Unsupported, "attribute {name} is not a fixed-length string");
    }
    let (points, len) = (points(&id, name)?, dtype::size(&stored));
    if points != 1 || len > MAX_BYTES {
        return refuse!(
            Corrupt,
            "attribute {name} holds {points} strings of {len} bytes; one of at most {MAX_BYTES} is expected"
        );
    }
    let mut bytes = vec![0u8; len];
    call!(Corrupt, H5Aread(id.0, stored.0, bytes.as_mut_ptr().cast()), "reading attribute {name}")?;
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(len);
    bytes.truncate(end);
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => refuse!(Corrupt, "attribute {name} is not valid UTF-8"),
    }
}

/// The single number `name`, if there is such an attribute and it is one number.
pub(in super::super) fn number(object: &Id, name: &str) -> Result<Option<Fill>> {
    let Some(id) = find(object, name)? else { return Ok(None) };
    let stored = open!(Corrupt, H5Aget_type(id.0), "reading the dtype of attribute {name}")?;
    let (class, size) = (dtype::class(&stored), dtype::size(&stored));
    if points(&id, name)? != 1 || size > 8 {
        return Ok(None);
    }
    let unsigned = dtype::call_sign(&stored) == H5T_SGN_NONE;
    let memory = match (class, unsigned) {
        (H5T_FLOAT, _) => DType::F64,
        (H5T_INTEGER, true) => DType::U64,
        (H5T_INTEGER, false) => DType::I64,
        _ => return Ok(None),
    };
    let memory_type = dtype::build(memory, ByteOrder::NATIVE)?;
    let mut bits = 0u64;
    call!(Corrupt, H5Aread(id.0, memory_type.0, (&raw mut bits).cast()), "reading attribute {name}")?;
    Ok(Some(match memory {
        DType::F64 => Fill::Float(f64::from_bits(bits)),
        DType::I64 if (bits as i64) < 0 => Fill::Int(bits as i64),
        _ => Fill::Uint(bits),
    }))
}

fn points(attribute: &Id, name: &str) -> Result<i64> {
    // A forged extent shows as a storage size beyond all bounds before anything is read.
    let stored = hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open attribute")]
        unsafe {
            H5Aget_storage_size(attribute.0)
        }
    });
    if stored > MAX_BYTES as u64 {
        return refuse!(Corrupt, "attribute {name} claims {stored} bytes; at most {MAX_BYTES} are read");
    }
    let space = open!(Corrupt, H5Aget_space(attribute.0), "reading the shape of attribute {name}")?;
    call!(Corrupt, H5Sget_simple_extent_npoints(space.0), "reading the shape of attribute {name}")
}

fn write(object: &Id, name: &str, stored: &Id, bytes: &[u8]) -> Result<()> {
    let c = c_name(name)?;
    let space = open!(Io, H5Screate(H5S_class_t::H5S_SCALAR), "writing attribute {name}")?;
    let id = open!(
        Io,
        H5Acreate2(object.0, c.as_ptr(), stored.0, space.0, H5P_DEFAULT, H5P_DEFAULT),
        "creating attribute {name}"
    )?;
    call!(Io, H5Awrite(id.0, stored.0, bytes.as_ptr().cast()), "writing attribute {name}").map(drop)
}

/// Writes a fixed-length UTF-8 string.
pub(in super::super) fn write_text(object: &Id, name: &str, text: &str) -> Result<()> {
    // An empty string is one NUL: strings of no length do not exist.
    let bytes = if text.is_empty() { &[0][..] } else { text.as_bytes() };
    write(object, name, &dtype::text(bytes.len())?, bytes)
}

/// Writes a fixed-length string that ends with a NUL, which the library asks of dimension scales.
pub(in super::super) fn write_c_text(object: &Id, name: &str, text: &str) -> Result<()> {
    let bytes = [text.as_bytes(), &[0]].concat();
    write(object, name, &dtype::c_text(bytes.len())?, &bytes)
}

/// Writes int32 numbers along one axis.
pub(in super::super) fn write_numbers(object: &Id, name: &str, numbers: &[i32]) -> Result<()> {
    let (c, count) = (c_name(name)?, numbers.len() as u64);
    let stored = dtype::build(DType::I32, ByteOrder::NATIVE)?;
    let space = open!(Io, H5Screate_simple(1, &raw const count, dtype::none()), "writing attribute {name}")?;
    let id = open!(
        Io,
        H5Acreate2(object.0, c.as_ptr(), stored.0, space.0, H5P_DEFAULT, H5P_DEFAULT),
        "creating attribute {name}"
    )?;
    call!(Io, H5Awrite(id.0, stored.0, numbers.as_ptr().cast()), "writing attribute {name}").map(drop)
}

/// Writes what ties a variable's axes to netCDF's dimensions: for each axis a list of one reference, to the dataset `targets` names. The lists
/// lie in the global heap, of which this takes 4 KiB.
pub(in super::super) fn write_references(file: &Id, object: &Id, name: &str, targets: &[&str]) -> Result<()> {
    let what = format!("writing attribute {name}");
    let mut references: Vec<hobj_ref_t> = vec![0; targets.len()];
    for (reference, target) in references.iter_mut().zip(targets) {
        let path = c_name(target)?;
        call!(
            Io,
            H5Rcreate((&raw mut *reference).cast(), file.0, path.as_ptr(), H5R_type_t::H5R_OBJECT1, -1),
            "{what}"
        )?;
    }
    let lists: Vec<hvl_t> = references.iter_mut().map(|r| hvl_t { len: 1, p: (&raw mut *r).cast() }).collect();
    let (c, count) = (c_name(name)?, lists.len() as u64);
    let stored = open!(Io, H5Tvlen_create(*H5T_STD_REF_OBJ), "{what}")?;
    let space = open!(Io, H5Screate_simple(1, &raw const count, dtype::none()), "{what}")?;
    let id = open!(Io, H5Acreate2(object.0, c.as_ptr(), stored.0, space.0, H5P_DEFAULT, H5P_DEFAULT), "{what}")?;
    call!(Io, H5Awrite(id.0, stored.0, lists.as_ptr().cast()), "{what}").map(drop)
}

/// Writes one number of `dtype`, whose native bytes are `bytes`.
pub(in super::super) fn write_number(object: &Id, name: &str, of: DType, bytes: &[u8]) -> Result<()> {
    if bytes.len() != of.size() {
        return refuse!(Usage, "attribute {name}: {} bytes are not one {of}", bytes.len());
    }
    write(object, name, &dtype::build(of, ByteOrder::NATIVE)?, bytes)
}

/// Takes attribute `name` away, if there is one.
pub(in super::super) fn remove(object: &Id, name: &str) -> Result<()> {
    if exists(object, name)? {
        let c = c_name(name)?;
        call!(Io, H5Adelete(object.0, c.as_ptr()), "removing attribute {name}")?;
    }
    Ok(())
}

/// The names of all attributes.
pub(in super::super) fn names(object: &Id) -> Result<Vec<String>> {
    extern "C" fn visit(_: hid_t, name: *const c_char, _: *const H5A_info_t, names: *mut c_void) -> c_int {
        #[expect(unsafe_code, reason = "the library passes a C string and the pointer given below")]
        let (name, names) = unsafe { (CStr::from_ptr(name), &mut *names.cast::<Vec<String>>()) };
        names.push(name.to_string_lossy().into_owned());
        0
    }
    let mut names: Vec<String> = Vec::new();
    let to = (&raw mut names).cast::<c_void>();
    let (by, order) = (H5_index_t::H5_INDEX_NAME, H5_iter_order_t::H5_ITER_INC);
    call!(Corrupt, H5Aiterate2(object.0, by, order, std::ptr::null_mut(), Some(visit), to), "listing the attributes")?;
    Ok(names)
}

/// Gives `to` the attribute `name` of `from`, of whatever dtype and shape of a fixed size; `false`, and nothing done, where it is of
/// variable length or refers to something.
pub(in super::super) fn copy(from: &Id, to: &Id, name: &str) -> Result<bool> {
    let Some(id) = find(from, name)? else { return Ok(false) };
    let stored = open!(Corrupt, H5Aget_type(id.0), "reading the dtype of attribute {name}")?;
    points(&id, name)?;
    for class in [H5T_VLEN, H5T_REFERENCE] {
        if call!(Corrupt, H5Tdetect_class(stored.0, class), "reading the dtype of attribute {name}")? > 0 {
            return Ok(false);
        }
    }
    if dtype::class(&stored) == H5T_STRING && dtype::is_variable(&stored)? {
        return Ok(false);
    }
    let space = open!(Corrupt, H5Aget_space(id.0), "reading the shape of attribute {name}")?;
    let count = call!(Corrupt, H5Sget_simple_extent_npoints(space.0), "reading the shape of attribute {name}")?;
    let bytes = usize::try_from(count).ok().and_then(|n| n.checked_mul(dtype::size(&stored)));
    let Some(len) = bytes.filter(|n| *n <= MAX_BYTES) else {
        return refuse!(Corrupt, "attribute {name} has {count} elements, too many to copy");
    };
    let mut bytes = vec![0u8; len.max(1)];
    call!(Corrupt, H5Aread(id.0, stored.0, bytes.as_mut_ptr().cast()), "reading attribute {name}")?;
    let c = c_name(name)?;
    let new = open!(
        Io,
        H5Acreate2(to.0, c.as_ptr(), stored.0, space.0, H5P_DEFAULT, H5P_DEFAULT),
        "creating attribute {name}"
    )?;
    call!(Io, H5Awrite(new.0, stored.0, bytes.as_ptr().cast()), "writing attribute {name}")?;
    Ok(true)
}

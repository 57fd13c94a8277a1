//! Dtypes as HDF5 stores them.

use std::ptr;

use hdf5_metno_sys::h5d::H5Dget_type;
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5t::*;

use super::{Id, call, open};
use crate::array::{ByteOrder, DType, DTypeKind};
use crate::error::{Error, ErrorKind, Result};

/// A stored dtype as we can take it.
#[derive(Debug)]
pub(in super::super) enum Stored {
    /// Stored exactly as one of ours, in this byte order.
    Plain(DType, ByteOrder),
    /// An integer with unused bits, or of a width that no machine has: the library converts it while reading.
    Converted(DType),
    /// Anything else, by name.
    Refused(String),
}

/// HDF5's dtype for `dtype` in `order`: bool is h5py's enum (FALSE, TRUE), complex h5py's compound (r, i).
pub(in super::super) fn build(dtype: DType, order: ByteOrder) -> Result<Id> {
    const WHAT: &str = "building a dtype";
    let copy = |of: &'static hid_t| open!(Io, H5Tcopy(*of), "{WHAT}");
    let id = match dtype {
        DType::Bool => {
            let id = open!(Io, H5Tenum_create(*H5T_STD_I8LE), "{WHAT}")?;
            for (name, value) in [(c"FALSE", 0i8), (c"TRUE", 1i8)] {
                call!(Io, H5Tenum_insert(id.0, name.as_ptr(), (&raw const value).cast()), "{WHAT}")?;
            }
            return Ok(id);
        }
        DType::C64 | DType::C128 => {
            let part = build(dtype.part(), order)?;
            let id = open!(Io, H5Tcreate(H5T_COMPOUND, dtype.size()), "{WHAT}")?;
            call!(Io, H5Tinsert(id.0, c"r".as_ptr(), 0, part.0), "{WHAT}")?;
            call!(Io, H5Tinsert(id.0, c"i".as_ptr(), dtype.word(), part.0), "{WHAT}")?;
            return Ok(id);
        }
        DType::F16 => {
            // IEEE 754 binary16: sign at bit 15, 5 exponent bits from bit 10, 10 mantissa bits, bias 15.
            let id = copy(H5T_IEEE_F32LE)?;
            call!(Io, H5Tset_fields(id.0, 15, 10, 5, 0, 10), "{WHAT}")?;
            call!(Io, H5Tset_size(id.0, 2), "{WHAT}")?;
            call!(Io, H5Tset_ebias(id.0, 15), "{WHAT}")?;
            id
        }
        DType::I8 => copy(H5T_STD_I8LE)?,
        DType::I16 => copy(H5T_STD_I16LE)?,
        DType::I32 => copy(H5T_STD_I32LE)?,
        DType::I64 => copy(H5T_STD_I64LE)?,
        DType::U8 => copy(H5T_STD_U8LE)?,
        DType::U16 => copy(H5T_STD_U16LE)?,
        DType::U32 => copy(H5T_STD_U32LE)?,
        DType::U64 => copy(H5T_STD_U64LE)?,
        DType::F32 => copy(H5T_IEEE_F32LE)?,
        DType::F64 => copy(H5T_IEEE_F64LE)?,
    };
    if order == ByteOrder::Big && dtype.size() > 1 {
        call!(Io, H5Tset_order(id.0, H5T_ORDER_BE), "{WHAT}")?;
    }
    Ok(id)
}

/// The dtype in memory that the library fills when it reads elements of `stored` itself.
pub(in super::super) fn in_memory(stored: &Id, dtype: DType) -> Result<Id> {
    let own = dtype.kind() == DTypeKind::Complex && class(stored) == H5T_COMPLEX || class(stored) == H5T_BITFIELD;
    if own {
        return open!(Io, H5Tget_native_type(stored.0, H5T_DIR_DEFAULT), "converting a dtype");
    }
    build(dtype, ByteOrder::NATIVE)
}

/// The dtype of `dataset`'s elements.
pub(in super::super) fn of_dataset(dataset: &Id) -> Result<Id> {
    open!(Corrupt, H5Dget_type(dataset.0), "reading the dtype")
}

/// Which of ours the stored dtype is.
pub(in super::super) fn recognise(stored: &Id) -> Result<Stored> {
    let (class, size) = (class(stored), size(stored));
    // PyTables' booleans.
    if class == H5T_BITFIELD && size == 1 {
        return Ok(Stored::Plain(DType::Bool, ByteOrder::NATIVE));
    }
    for dtype in DType::ALL {
        let kind = match class {
            H5T_INTEGER => matches!(dtype.kind(), DTypeKind::Int | DTypeKind::Uint),
            H5T_FLOAT => dtype.kind() == DTypeKind::Float,
            H5T_ENUM => dtype.kind() == DTypeKind::Bool,
            H5T_COMPOUND | H5T_COMPLEX => dtype.kind() == DTypeKind::Complex,
            _ => false,
        };
        if !kind || dtype.size() != size {
            continue;
        }
        for order in [ByteOrder::Little, ByteOrder::Big] {
            // HDF5 2's own complex type stores the same bytes as h5py's pair: compare the types of the parts.
            let same = if class == H5T_COMPLEX {
                let part = open!(Corrupt, H5Tget_super(stored.0), "reading the dtype")?;
                equal(&part, &build(dtype.part(), order)?)?
            } else {
                equal(stored, &build(*dtype, order)?)?
            };
            if same {
                // A single byte has no order.
                let order = if dtype.word() == 1 { ByteOrder::NATIVE } else { order };
                return Ok(Stored::Plain(*dtype, order));
            }
        }
    }
    if class == H5T_INTEGER && (1..=8).contains(&size) {
        let signed = call_sign(stored) == H5T_SGN_2;
        let wide = [(1, DType::I8, DType::U8), (2, DType::I16, DType::U16), (4, DType::I32, DType::U32)];
        let found = wide.iter().find(|w| w.0 >= size).copied().unwrap_or((8, DType::I64, DType::U64));
        return Ok(Stored::Converted(if signed { found.1 } else { found.2 }));
    }
    Ok(Stored::Refused(describe(class, stored, size)))
}

fn equal(a: &Id, b: &Id) -> Result<bool> {
    Ok(call!(Corrupt, H5Tequal(a.0, b.0), "comparing dtypes")? > 0)
}

fn describe(class: H5T_class_t, stored: &Id, size: usize) -> String {
    match class {
        H5T_FLOAT => {
            format!("a {size}-byte float that is none of float16, float32 and float64 (long double, bfloat16, …)")
        }
        H5T_TIME => "times".to_owned(),
        H5T_STRING => "strings".to_owned(),
        H5T_BITFIELD => format!("a bit field of {size} bytes"),
        H5T_OPAQUE => format!("opaque values of {size} bytes"),
        H5T_COMPOUND => {
            format!("a compound of {} members, {size} bytes, that is not h5py's complex (r, i)", members(stored))
        }
        H5T_COMPLEX => format!("a {size}-byte complex that is neither complex64 nor complex128"),
        H5T_REFERENCE => "references".to_owned(),
        H5T_ENUM => {
            format!("an enumeration of {} names that is not h5py's bool (FALSE = 0, TRUE = 1)", members(stored))
        }
        H5T_VLEN => "variable-length sequences".to_owned(),
        H5T_ARRAY => "small arrays as elements".to_owned(),
        _ => format!("a dtype of class {}", class as i32),
    }
}

/// Whether elements hold references to other objects, in whatever they are made of.
pub(super) fn refers(dtype: &Id) -> Result<bool> {
    Ok(call!(Corrupt, H5Tdetect_class(dtype.0, H5T_REFERENCE), "reading a dtype")? > 0)
}

/// The class of a dtype.
pub(super) fn class(dtype: &Id) -> H5T_class_t {
    hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open dtype")]
        unsafe {
            H5Tget_class(dtype.0)
        }
    })
}

/// Bytes of one element.
pub(super) fn size(dtype: &Id) -> usize {
    hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open dtype")]
        unsafe {
            H5Tget_size(dtype.0)
        }
    })
}

/// Whether and how an integer dtype is signed.
pub(super) fn call_sign(dtype: &Id) -> H5T_sign_t {
    hdf5_metno::sync::sync(|| {
        #[expect(unsafe_code, reason = "the identifier is an open integer dtype")]
        unsafe {
            H5Tget_sign(dtype.0)
        }
    })
}

fn members(dtype: &Id) -> i32 {
    call!(Corrupt, H5Tget_nmembers(dtype.0), "counting members").unwrap_or(0)
}

/// A fixed-length UTF-8 string dtype of `len` bytes (at least 1), padded with NUL.
pub(super) fn text(len: usize) -> Result<Id> {
    let id = open!(Io, H5Tcopy(*H5T_C_S1), "building a string dtype")?;
    call!(Io, H5Tset_size(id.0, len.max(1)), "building a string dtype")?;
    call!(Io, H5Tset_cset(id.0, H5T_CSET_UTF8), "building a string dtype")?;
    call!(Io, H5Tset_strpad(id.0, H5T_STR_NULLPAD), "building a string dtype")?;
    Ok(id)
}

/// A fixed-length string dtype of `len` bytes, the NUL at its end among them.
pub(super) fn c_text(len: usize) -> Result<Id> {
    let id = open!(Io, H5Tcopy(*H5T_C_S1), "building a string dtype")?;
    call!(Io, H5Tset_size(id.0, len.max(1)), "building a string dtype")?;
    Ok(id)
}

/// Whether a string dtype has variable length, and so lies in the global heap.
pub(super) fn is_variable(dtype: &Id) -> Result<bool> {
    Ok(call!(Corrupt, H5Tis_variable_str(dtype.0), "reading a string dtype")? > 0)
}

/// The error for a dtype that is not ours.
pub(in super::super) fn refused(name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{name} holds {what}; only numbers and booleans are supported, other data are never interpreted"),
    )
}

/// A null pointer for optional C arguments.
pub(super) fn none<T>() -> *const T {
    ptr::null()
}

//! A whole HDF5 file in memory, opened by the library's core driver where it lies.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_metno_sys::h5::herr_t;
use hdf5_metno_sys::h5f::{H5F_ACC_RDONLY, H5F_LIBVER_LATEST, H5Fopen};
use hdf5_metno_sys::h5fd::{H5FD_file_image_callbacks_t, H5FD_file_image_op_t};
use hdf5_metno_sys::h5p::{H5Pset_fapl_core, H5Pset_file_image, H5Pset_file_image_callbacks, H5Pset_file_locking};

use super::file::access;
use super::{Id, c_name, call, open};
use crate::error::Result;
use crate::store::Image;

/// What the driver allocates at a time when a file grows; these do not.
const INCREMENT: usize = 1 << 16;

/// The library believes that files of one name are one file: each image has its own, which no file can have.
fn name() -> Result<CString> {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    c_name(&format!("/dev/null/bytes in memory {}", OPENED.fetch_add(1, Ordering::Relaxed)))
}

#[expect(unsafe_code, reason = "the library passes on the pointer that `open` gave it, or one that `keep` made")]
fn image<'a>(kept: *mut c_void) -> &'a Image {
    unsafe { &*kept.cast::<Image>() }
}

// The library would copy the image twice. Whenever it asks for room for one it is given the image itself, which it only reads since the
// file is opened to be read; each of its holders keeps the image alive.

extern "C" fn allocate(size: usize, _: H5FD_file_image_op_t, kept: *mut c_void) -> *mut c_void {
    let bytes = image(kept).bytes();
    if bytes.len() == size { bytes.as_ptr().cast_mut().cast() } else { ptr::null_mut() }
}

extern "C" fn copy(
    to: *mut c_void,
    _: *const c_void,
    _: usize,
    _: H5FD_file_image_op_t,
    _: *mut c_void,
) -> *mut c_void {
    to
}

extern "C" fn grow(_: *mut c_void, _: usize, _: H5FD_file_image_op_t, _: *mut c_void) -> *mut c_void {
    ptr::null_mut()
}

extern "C" fn free(_: *mut c_void, _: H5FD_file_image_op_t, _: *mut c_void) -> herr_t {
    0
}

extern "C" fn keep(kept: *mut c_void) -> *mut c_void {
    Box::into_raw(Box::new(image(kept).clone())).cast()
}

extern "C" fn forget(kept: *mut c_void) -> herr_t {
    #[expect(unsafe_code, reason = "each pointer that `keep` made is given back once")]
    drop(unsafe { Box::from_raw(kept.cast::<Image>()) });
    0
}

/// Opens the file that `bytes` are, to read; the identifier keeps them alive. Its name comes with it.
pub(in super::super) fn open(bytes: &Image) -> Result<(Id, String)> {
    let (name, access) = (name()?, access(H5F_LIBVER_LATEST)?);
    call!(Io, H5Pset_file_locking(access.0, 0, 1), "setting file locks")?;
    call!(Io, H5Pset_fapl_core(access.0, INCREMENT, 0), "choosing how the file is read")?;
    let mut callbacks = H5FD_file_image_callbacks_t {
        image_malloc: Some(allocate),
        image_memcpy: Some(copy),
        image_realloc: Some(grow),
        image_free: Some(free),
        udata_copy: Some(keep),
        udata_free: Some(forget),
        udata: ptr::from_ref(bytes).cast_mut().cast(),
    };
    call!(Io, H5Pset_file_image_callbacks(access.0, &raw mut callbacks), "holding a file in memory")?;
    let (start, len) = (bytes.bytes().as_ptr().cast_mut().cast(), bytes.bytes().len());
    call!(Io, H5Pset_file_image(access.0, start, len), "holding a file in memory")?;
    let file = open!(Corrupt, H5Fopen(name.as_ptr(), H5F_ACC_RDONLY, access.0), "opening it as HDF5")?;
    Ok((file, name.to_string_lossy().into_owned()))
}

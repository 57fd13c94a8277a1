//! The registered filters zstd (32015) and lz4 (32004), given to the library for what it reads and writes itself.

use std::ffi::{c_char, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use hdf5_metno_sys::h5z::{H5Z_CLASS_T_VERS, H5Z_FLAG_REVERSE, H5Z_class2_t, H5Zregister};

use super::call;
use crate::store::hdf5::filter::{LZ4, ZSTD};
use crate::store::hdf5::{lz4, zstandard};

/// What a filter does with a whole buffer: the output's bytes, or nothing where it fails.
type Code = fn(decode: bool, parameters: &[u32], input: &[u8]) -> Option<Vec<u8>>;

/// Registers both filters, once a process. A failure shows where a dataset is made or read.
pub(in super::super) fn register() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        for (id, name, filter) in [(ZSTD, c"zstd", zstd_filter as Callback), (LZ4, c"lz4", lz4_filter as Callback)] {
            let class = H5Z_class2_t {
                version: H5Z_CLASS_T_VERS as i32,
                id,
                encoder_present: 1,
                decoder_present: 1,
                name: name.as_ptr().cast::<c_char>(),
                can_apply: None,
                set_local: None,
                filter: Some(filter),
            };
            // Failing leaves the filter unknown, which the next use of it reports by number and name.
            drop(call!(Io, H5Zregister((&raw const class).cast()), "registering filter {id}"));
        }
    });
}

type Callback = unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize;

#[expect(unsafe_code, reason = "the signature that libhdf5 calls")]
unsafe extern "C" fn zstd_filter(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: passed on as the library gave them.
    unsafe { run(zstandard::filter, flags, (count, values), bytes, room, buffer) }
}

#[expect(unsafe_code, reason = "the signature that libhdf5 calls")]
unsafe extern "C" fn lz4_filter(
    flags: c_uint,
    count: usize,
    values: *const c_uint,
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    // SAFETY: passed on as the library gave them.
    unsafe { run(lz4::filter, flags, (count, values), bytes, room, buffer) }
}

/// Replaces the library's buffer by the coded one and says how long that is; 0 for failure, and then the old one stays.
///
/// `bytes` is the input's length; `*room` is not: the library keeps larger buffers than it fills.
#[expect(unsafe_code, reason = "buffers change hands with libhdf5 through C's allocator")]
unsafe fn run(
    code: Code,
    flags: c_uint,
    (count, values): (usize, *const c_uint),
    bytes: usize,
    room: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    let coded = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the library passes `bytes` bytes at `*buffer` and `count` values.
        let (input, parameters) = unsafe {
            let parameters =
                if count == 0 || values.is_null() { &[] } else { std::slice::from_raw_parts(values, count) };
            (std::slice::from_raw_parts((*buffer).cast::<u8>(), bytes), parameters)
        };
        code(flags & H5Z_FLAG_REVERSE != 0, parameters, input)
    }));
    let Ok(Some(coded)) = coded else { return 0 };
    if coded.is_empty() {
        return 0;
    }
    // SAFETY: the new buffer is filled before it is handed over, the old one freed by the allocator it came from.
    unsafe {
        let new = libc::malloc(coded.len());
        if new.is_null() {
            return 0;
        }
        std::ptr::copy_nonoverlapping(coded.as_ptr(), new.cast::<u8>(), coded.len());
        libc::free(*buffer);
        *buffer = new;
        *room = coded.len();
    }
    coded.len()
}

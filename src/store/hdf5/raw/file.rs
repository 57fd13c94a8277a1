//! Files and what lies in them.

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t};
use hdf5_metno_sys::h5f::{
    H5F_ACC_RDONLY, H5F_ACC_RDWR, H5F_ACC_TRUNC, H5F_LIBVER_LATEST, H5F_libver_t, H5F_scope_t, H5Fclose, H5Fcreate,
    H5Fflush, H5Fget_create_plist, H5Fget_name, H5Fget_vfd_handle, H5Fis_accessible, H5Fopen,
};
use hdf5_metno_sys::h5g::H5Gcreate2;
use hdf5_metno_sys::h5i::{H5Iget_file_id, hid_t};
use hdf5_metno_sys::h5l::{H5Ldelete, H5Lexists};
use hdf5_metno_sys::h5o::{H5O_INFO_BASIC, H5O_info2_t, H5O_type_t, H5Oget_info3, H5Oopen, H5Ovisit3};
use hdf5_metno_sys::h5p::{
    H5P_CLS_FILE_ACCESS, H5P_CLS_FILE_CREATE, H5P_CLS_GROUP_CREATE, H5P_DEFAULT, H5Pcreate, H5Pget_userblock,
    H5Pset_fapl_stdio, H5Pset_file_locking, H5Pset_libver_bounds, H5Pset_meta_block_size, H5Pset_obj_track_times,
    H5Pset_small_data_block_size,
};

use super::{Id, c_name, call, open};
use crate::error::{Error, ErrorKind, Result, refuse};

fn c_path(path: &Path) -> Result<CString> {
    match CString::new(path.as_os_str().as_bytes()) {
        Ok(path) => Ok(path),
        Err(_) => refuse!(Usage, "the path {} holds a NUL character", path.display()),
    }
}

/// How files are opened: at most the file format of HDF5 1.10 is written, so that programs with libhdf5 1.10 read it, and
/// a file system that knows no locks is no error.
pub(super) fn access(high: H5F_libver_t) -> Result<Id> {
    let list = open!(Io, H5Pcreate(*H5P_CLS_FILE_ACCESS), "preparing to open an HDF5 file")?;
    call!(Io, H5Pset_libver_bounds(list.0, H5F_libver_t::H5F_LIBVER_EARLIEST, high), "bounding the file format")?;
    call!(Io, H5Pset_file_locking(list.0, 1, 1), "setting file locks")?;
    Ok(list)
}

/// Whether `path` is that of a file in memory, which has no other name.
fn is_nameless(path: &Path) -> bool {
    path.starts_with("/proc/self/fd")
}

/// As [`access`], for reading: a file without a name is left to C's driver, as when writing.
fn access_to_read(path: &Path) -> Result<Id> {
    let list = access(H5F_LIBVER_LATEST)?;
    if is_nameless(path) {
        call!(Io, H5Pset_fapl_stdio(list.0), "choosing how the file is read")?;
    }
    Ok(list)
}

/// As [`access`], for writing. The driver is C's buffered one, since the default driver resolves the links in a file's name
/// and so cannot open a file that has no name yet.
fn access_to_write(high: H5F_libver_t) -> Result<Id> {
    let list = access(high)?;
    call!(Io, H5Pset_fapl_stdio(list.0), "choosing how the file is written")?;
    // Nobody else can open a file without a name, and a lock would live on in any process started meanwhile.
    call!(Io, H5Pset_file_locking(list.0, 0, 1), "setting file locks")?;
    Ok(list)
}

/// Whether the file at `path` is HDF5.
pub(in super::super) fn is_hdf5(path: &Path) -> Result<bool> {
    let name = c_path(path)?;
    let access = access_to_read(path)?;
    let answer = call!(Io, H5Fis_accessible(name.as_ptr(), access.0), "looking at {}", path.display());
    Ok(matches!(answer, Ok(1..)))
}

/// Opens an existing file to read.
pub(in super::super) fn open(path: &Path) -> Result<Id> {
    let (name, access) = (c_path(path)?, access_to_read(path)?);
    open!(Corrupt, H5Fopen(name.as_ptr(), H5F_ACC_RDONLY, access.0), "opening it as HDF5")
}

/// Opens an existing file to add to. Files in a newer format than 1.10's stay in theirs.
pub(in super::super) fn open_to_write(path: &Path) -> Result<Id> {
    let name = c_path(path)?;
    let old = access_to_write(H5F_libver_t::H5F_LIBVER_V110)?;
    open!(Corrupt, H5Fopen(name.as_ptr(), H5F_ACC_RDWR, old.0), "opening it as HDF5").or_else(|_| {
        let latest = access_to_write(H5F_LIBVER_LATEST)?;
        open!(Corrupt, H5Fopen(name.as_ptr(), H5F_ACC_RDWR, latest.0), "opening it as HDF5")
    })
}

/// What a new file spends on its own structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overhead {
    /// What every program since HDF5 1.8 reads.
    Usual,
    /// As little as the format of HDF5 1.10 needs: less than half, which counts where an array is a few kilobytes when coded.
    Least,
}

/// Makes an empty HDF5 file of whatever lies at `path`.
pub(in super::super) fn create(path: &Path, overhead: Overhead) -> Result<Id> {
    let (name, access) = (c_path(path)?, access_to_write(H5F_libver_t::H5F_LIBVER_V110)?);
    let creation = open!(Io, H5Pcreate(*H5P_CLS_FILE_CREATE), "creating an HDF5 file")?;
    if overhead == Overhead::Least {
        // Same input, same bytes: no time of creation of the root group, which this format would have.
        call!(Io, H5Pset_obj_track_times(creation.0, 0), "creating an HDF5 file")?;
        let only = H5F_libver_t::H5F_LIBVER_V110;
        call!(Io, H5Pset_libver_bounds(access.0, only, only), "bounding the file format")?;
        // Blocks set aside for more structure stay as holes in the file.
        call!(Io, H5Pset_meta_block_size(access.0, 0), "choosing how the file is written")?;
        call!(Io, H5Pset_small_data_block_size(access.0, 0), "choosing how the file is written")?;
    }
    open!(Io, H5Fcreate(name.as_ptr(), H5F_ACC_TRUNC, creation.0, access.0), "creating an HDF5 file")
}

/// Makes the groups on the way to `path` (absolute) that do not exist, without times of creation.
pub(in super::super) fn make_groups(file: &Id, path: &str) -> Result<()> {
    let list = open!(Io, H5Pcreate(*H5P_CLS_GROUP_CREATE), "preparing a group")?;
    call!(Io, H5Pset_obj_track_times(list.0, 0), "preparing a group")?;
    for (end, _) in path.match_indices('/').skip(1) {
        let group = &path[..end];
        if !exists(file, group)? {
            let name = c_name(group)?;
            open!(Io, H5Gcreate2(file.0, name.as_ptr(), H5P_DEFAULT, list.0, H5P_DEFAULT), "creating group {group}")?;
        }
    }
    Ok(())
}

/// Writes everything out and closes the file. All other identifiers of it must have been dropped.
pub(in super::super) fn close(file: Id) -> Result<()> {
    call!(Io, H5Fflush(file.0, H5F_scope_t::H5F_SCOPE_LOCAL), "writing out the HDF5 file")?;
    let id = file.0;
    std::mem::forget(file);
    call!(Io, H5Fclose(id), "closing the HDF5 file").map(drop)
}

/// The file that `object` lies in (through an external link, not the file it was looked for in).
pub(in super::super) fn of(object: &Id) -> Result<Id> {
    open!(Io, H5Iget_file_id(object.0), "asking for the file of a dataset")
}

/// The byte of the file that addresses count from: the length of what another program put before it.
pub(in super::super) fn base(file: &Id) -> Result<u64> {
    let list = open!(Io, H5Fget_create_plist(file.0), "reading where the file begins")?;
    let mut base = 0;
    call!(Io, H5Pget_userblock(list.0, &raw mut base), "reading where the file begins")?;
    Ok(base)
}

/// The name by which `file` was opened.
pub(in super::super) fn name_of(file: &Id) -> Result<PathBuf> {
    let length = call!(Io, H5Fget_name(file.0, ptr::null_mut(), 0), "asking for the file's name")?;
    let mut name = vec![0u8; length as usize + 1];
    call!(Io, H5Fget_name(file.0, name.as_mut_ptr().cast(), name.len()), "asking for the file's name")?;
    name.truncate(length as usize);
    Ok(PathBuf::from(OsString::from_vec(name)))
}

/// The operating system's own file behind `file`, for positioned reads without the library. `opened` is the file that was opened
/// first: where that is in memory, the driver has no descriptor to give.
pub(in super::super) fn descriptor(file: &Id, opened: &Path) -> Result<File> {
    if is_nameless(opened) {
        let name = name_of(file)?;
        return File::open(&name).map_err(|e| Error::io(format!("opening {}", name.display()), e));
    }
    let mut handle: *mut c_void = ptr::null_mut();
    call!(Io, H5Fget_vfd_handle(file.0, H5P_DEFAULT, &raw mut handle), "asking for the file's descriptor")?;
    if handle.is_null() {
        return refuse!(Io, "libhdf5 gives no descriptor for the file");
    }
    #[expect(
        unsafe_code,
        reason = "the default driver hands out a pointer to its open descriptor, alive as long as `file`"
    )]
    let borrowed = unsafe { BorrowedFd::borrow_raw(*handle.cast::<c_int>()) };
    let owned = borrowed.try_clone_to_owned().map_err(|e| Error::io("duplicating the file's descriptor", e))?;
    Ok(File::from(owned))
}

/// A group, dataset or named dtype of a file.
pub(in super::super) struct Object {
    /// Its absolute path; `/.` for the root group.
    pub(in super::super) path: String,
    pub(in super::super) is_dataset: bool,
}

/// Everything in the file, each once, the root group too. Soft and external links are not followed.
pub(in super::super) fn objects(file: &Id) -> Result<Vec<Object>> {
    extern "C" fn visit(_: hid_t, name: *const c_char, info: *const H5O_info2_t, found: *mut c_void) -> c_int {
        #[expect(unsafe_code, reason = "the library passes a C string, a filled struct and the pointer given below")]
        let (name, info, found) = unsafe { (CStr::from_ptr(name), &*info, &mut *found.cast::<Vec<Object>>()) };
        let is_dataset = info.type_ == H5O_type_t::H5O_TYPE_DATASET;
        found.push(Object { path: format!("/{}", name.to_string_lossy()), is_dataset });
        0
    }
    let mut found: Vec<Object> = Vec::new();
    let to = (&raw mut found).cast::<c_void>();
    let (by, order) = (H5_index_t::H5_INDEX_NAME, H5_iter_order_t::H5_ITER_INC);
    call!(Corrupt, H5Ovisit3(file.0, by, order, Some(visit), to, H5O_INFO_BASIC), "listing the datasets")?;
    Ok(found)
}

/// The absolute paths of all datasets, each once. Soft and external links are not followed.
pub(in super::super) fn datasets(file: &Id) -> Result<Vec<String>> {
    Ok(objects(file)?.into_iter().filter(|o| o.is_dataset).map(|o| o.path).collect())
}

/// The names (hard links) that `object` has.
pub(in super::super) fn names_of(object: &Id) -> Result<u32> {
    let mut info = std::mem::MaybeUninit::<H5O_info2_t>::zeroed();
    call!(Corrupt, H5Oget_info3(object.0, info.as_mut_ptr(), H5O_INFO_BASIC), "counting the links to an object")?;
    #[expect(unsafe_code, reason = "the call succeeded and has filled it")]
    let info = unsafe { info.assume_init() };
    Ok(info.rc)
}

/// Opens whatever is called `path`.
pub(in super::super) fn open_object(file: &Id, path: &str) -> Result<Id> {
    let name = c_name(path)?;
    open!(Corrupt, H5Oopen(file.0, name.as_ptr(), H5P_DEFAULT), "opening {path}")
}

/// Whether something is called `path` (absolute), each group on the way included.
pub(in super::super) fn exists(file: &Id, path: &str) -> Result<bool> {
    for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
        let part = c_name(&path[..end])?;
        if call!(Corrupt, H5Lexists(file.0, part.as_ptr(), H5P_DEFAULT), "looking for {}", &path[..end])? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the name `path` away.
pub(in super::super) fn unlink(file: &Id, path: &str) -> Result<()> {
    let name = c_name(path)?;
    call!(Io, H5Ldelete(file.0, name.as_ptr(), H5P_DEFAULT), "removing {path}").map(drop)
}

/// The kind of error for a file that libhdf5 does not take.
pub(in super::super) fn not_hdf5(path: &Path) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{} is not an HDF5 file", path.display()))
}

//! A lock on a file that programs which only read it do not meet.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The byte that is locked: far behind the end of any file, so that nobody else's lock of a part is in the way.
const BYTE: libc::off_t = libc::off_t::MAX - 1;

/// Locks `file`, opened to write, against others that call this, until it is closed; whether nobody had it. It belongs to the
/// open file, so that two of one process keep each other out, and ends with the process. `flock`, which libhdf5 asks for when a
/// file is opened to be read, knows nothing of it. A file system without locks grants it.
pub(in super::super) fn try_lock(file: &File) -> io::Result<bool> {
    let what = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: BYTE,
        l_len: 1,
        l_pid: 0,
    };
    #[expect(unsafe_code, reason = "the descriptor is open, and the struct lives until the call returns")]
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const what) };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        Some(libc::EINVAL | libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP) => Ok(true),
        _ => Err(error),
    }
}

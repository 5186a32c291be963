//! Files: reading one at a position, whatever the handle's own position is and whoever shares it, and giving one that
//! has no name a name.

use std::fs::File;
use std::io;
use std::path::Path;

/// Reads from `position` on, as [`Read::read`](io::Read::read) does.
pub(crate) fn read_at(file: &File, out: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let found = std::os::unix::fs::FileExt::read_at(file, out, position);
        #[cfg(windows)]
        let found = std::os::windows::fs::FileExt::seek_read(file, out, position);
        match found {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            found => return found,
        }
    }
}

/// Gives a temporary file without a name the name `path`. False: it has a name, or there is no such file here, so it
/// has to be copied.
///
/// # Errors
/// `AlreadyExists` when something is there. (Whatever else is in the way is told by who copies.)
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn link_unnamed(file: &File, path: &Path) -> io::Result<bool> {
    link_unnamed_in(rustix::fs::CWD, file, path)
}

/// The same by a path that counts from an open folder.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn link_unnamed_in(
    folder: impl std::os::fd::AsFd,
    file: &File,
    path: impl AsRef<Path>,
) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    // A second name would not be a second file.
    if file.metadata()?.nlink() > 0 {
        return Ok(false);
    }
    // As open(2) says of `O_TMPFILE`; the short way, by an empty path, takes a privilege.
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(CWD, link.as_str(), folder, path.as_ref(), AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => Ok(false),
    }
}

/// The same where no file is without a name.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn link_unnamed(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(false)
}

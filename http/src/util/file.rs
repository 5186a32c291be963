//! Reading a file at a position, whatever the handle's own position is and whoever shares it.

use std::fs::File;
use std::io;

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

//! Putting a file into a folder, as a whole or not at all, and following no link on the way.
//!
//! The idea: a file without a name that anybody asks for is written to its end, and takes the name it is meant for in
//! one step. Whoever has the former file open goes on with that. What fails leaves nothing behind.

use super::walk::PASS;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How many names are tried for what nobody asks for.
const ATTEMPTS: usize = 8;

/// Lets `fill` write a file, which is at `path` below the open `root` from then on; false from it: it is not wanted.
/// Folders on the way are made if `makes_folders`.
pub(super) fn put(
    root: &OwnedFd,
    path: &[u8],
    makes_folders: bool,
    fill: &mut dyn FnMut(&File) -> io::Result<bool>,
) -> io::Result<bool> {
    let (folders, name) = match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], path),
    };
    let mut passed: Option<OwnedFd> = None;
    for folder in folders.split(|&byte| byte == b'/').filter(|folder| !folder.is_empty()) {
        let next = enter(passed.as_ref().unwrap_or(root), folder, makes_folders)?;
        passed = Some(next);
    }
    let temporary = TemporaryFile::new(passed.as_ref().unwrap_or(root))?;
    if !fill(&temporary.file)? {
        return Ok(false);
    }
    // Otherwise a name may be all that is left of it when the power fails.
    temporary.file.sync_all()?;
    temporary.take_name(name)?;
    Ok(true)
}

fn enter(here: &OwnedFd, name: &[u8], makes: bool) -> io::Result<OwnedFd> {
    let open = || openat(here, name, PASS | OFlags::NOFOLLOW, Mode::empty());
    match open() {
        Err(Errno::NOENT) if makes => match mkdirat(here, name, Mode::from_raw_mode(0o777)) {
            // Somebody else may be making it as well.
            Ok(()) | Err(Errno::EXIST) => Ok(open()?),
            Err(error) => Err(error.into()),
        },
        opened => Ok(opened?),
    }
}

/// A file of a hidden name, which is gone with this.
struct TemporaryFile<'a> {
    folder: &'a OwnedFd,
    name: String,
    file: File,
    is_named: bool,
}

impl<'a> TemporaryFile<'a> {
    fn new(folder: &'a OwnedFd) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Nobody else's, whatever lies there: neither a file nor a link.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut attempts = 0;
        loop {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".anthill-{:x}-{:x}-{count:x}", std::process::id(), now.as_nanos());
            match openat(folder, &*name, flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => return Ok(Self { folder, name, file: file.into(), is_named: false }),
                Err(Errno::EXIST) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What had the name before is gone then; a link itself, not what it leads to.
    fn take_name(mut self, name: &[u8]) -> io::Result<()> {
        renameat(self.folder, &*self.name, self.folder, name)?;
        self.is_named = true;
        Ok(())
    }
}

impl Drop for TemporaryFile<'_> {
    fn drop(&mut self) {
        if !self.is_named {
            if let Err(error) = unlinkat(self.folder, &*self.name, AtFlags::empty()) {
                let name = &self.name;
                log::warn!(target: "anthill_http::files", "the temporary file {name} is left behind: {error}");
            }
        }
    }
}

//! Opening by one call of the system that does not leave the root: `openat2` of Linux 5.6 and later.
//!
//! Absolute links are refused by it, wherever they lead. Of a path that is refused so it is asked where it leads, and
//! that is opened, again without leaving the root, so a wrong answer leads nowhere else.
//!
//! The rule: whatever is outside of the root, it is missing, and in no other way than what is nowhere.

use super::super::stamp::{FileKind, NodeStamp};
use super::OpenedNode;
use super::walk::{READ, accept, missing};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat, statat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How something is opened for nothing but to ask, so that it does not matter what it is.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// How often the system may say that something changed meanwhile.
const ATTEMPTS: usize = 8;

/// Opens what is at `path` below `root`. `None`: this system, or its rules for this process, have no such call.
pub(super) fn open(root: &OwnedFd, path: &[u8]) -> Option<io::Result<OpenedNode>> {
    match attempt(root, path) {
        Ok(opened) => Some(Ok(opened)),
        // A filter in front of the system that does not know the call says that it is not permitted.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM)) => None,
        Err(error) => Some(Err(error)),
    }
}

fn attempt(root: &OwnedFd, path: &[u8]) -> io::Result<OpenedNode> {
    match open_below(root, path) {
        Ok(file) => accept(file),
        Err(Errno::XDEV) => {
            let target = target_below(root, path).map_err(|_| missing())?;
            accept(open_below(root, &target).map_err(|error| match error {
                Errno::XDEV => missing(),
                error => error.into(),
            })?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a file or a folder; a device or a pipe is looked at and not opened. (What is opened then is looked at again.)
fn open_below(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    if kind_below(root, path)? == FileKind::Other {
        return Err(Errno::NOENT);
    }
    resolve(root, path, READ)
}

/// What is at `path`. Mostly that is told by its name, in one call; whoever is led astray by links on the way has a
/// wrong answer, with which nothing is opened outside. Of a link, and of what cannot be told so, it is asked without
/// leaving the root.
fn kind_below(root: &OwnedFd, path: &[u8]) -> Result<FileKind, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
    if let Ok(stat) = statat(root, if path.is_empty() { b"." } else { path }, flags) {
        if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
            return Ok(NodeStamp::from_stat(&stat).kind);
        }
    }
    let seen = resolve(root, path, LOOK)?;
    Ok(NodeStamp::from_stat(&fstat(&seen)?).kind)
}

fn resolve(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let mut attempts = 0;
    loop {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match openat2(root, path, flags, Mode::empty(), resolve) {
            // Somebody renamed something on the way.
            Err(Errno::AGAIN | Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
            found => return found,
        }
    }
}

/// Where `path` leads, as a path below `root`; an error when it leads elsewhere.
fn target_below(root: &OwnedFd, path: &[u8]) -> io::Result<Vec<u8>> {
    let target = openat(root, path, LOOK, Mode::empty())?;
    let (root, target) = (place(root)?, place(&target)?);
    let below = target.strip_prefix(&*root).ok_or_else(missing)?;
    match below {
        [] => Ok(b".".to_vec()),
        [b'/', below @ ..] => Ok(below.to_vec()),
        _ if root == b"/" => Ok(below.to_vec()),
        _ => Err(missing()),
    }
}

/// Where the system says that this is.
fn place(file: &impl AsFd) -> io::Result<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    Ok(readlinkat(rustix::fs::CWD, link, Vec::new())?.into_bytes())
}

//! Opening by one call of the system that does not leave the root: `openat2` of Linux 5.6 and later.
//!
//! Absolute links are refused by it, wherever they lead. Of a path that is refused so it is asked where it leads, and
//! that is opened, again without leaving the root, so a wrong answer leads nowhere else.
//!
//! First it is asked by its name what is there. So a device or a pipe is not opened; and where the root is open
//! already, what is found in it has to be that very file, or another folder has the root's name by now, which is opened
//! then.
//!
//! The rule: whatever is outside of the root, it is missing, and in no other way than what is nowhere.

use super::super::stamp::{FileKind, NodeStamp};
use super::OpenedNode;
use super::open_root::OpenRoot;
use super::walk::{READ, accept, missing, named, open_root};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat, statat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// How something is opened for nothing but to ask, so that it does not matter what it is.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// How often the system may say that something changed meanwhile.
const ATTEMPTS: usize = 8;

/// What there seems to be, by its name. Links on the way may have led outside, so nothing of it is told.
enum Seen {
    File(NodeStamp),
    Folder,
    /// A link, or what cannot be said so.
    Unclear,
}

/// Opens what is at `path` below the folder of the name `root`. `None`: this system, or its rules for this process,
/// have no such call.
pub(super) fn open(root: &Path, shared: &OpenRoot, path: &[u8]) -> Option<io::Result<OpenedNode>> {
    match attempt(root, shared, path) {
        Ok(opened) => Some(Ok(opened)),
        // A filter in front of the system that does not know the call says that it is not permitted.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM)) => None,
        Err(error) => Some(Err(error)),
    }
}

fn attempt(root: &Path, shared: &OpenRoot, path: &[u8]) -> io::Result<OpenedNode> {
    let seen = look(root, path)?;
    if let Seen::File(stamp) = &seen {
        if let Some(node) = shared.get().and_then(|root| open_there(root, path, stamp)) {
            return Ok(node);
        }
    }
    let root = open_root(root)?;
    let node = match open_below(&root, path, matches!(seen, Seen::Unclear)) {
        Ok(file) => accept(file),
        Err(Errno::XDEV) => {
            let target = target_below(&root, path).map_err(|_| missing())?;
            accept(open_below(&root, &target, true).map_err(|error| match error {
                Errno::XDEV => missing(),
                error => error.into(),
            })?)
        }
        Err(error) => Err(error.into()),
    }?;
    let root = if node.stamp.kind == FileKind::Regular { shared.share(root) } else { None };
    Ok(OpenedNode { root, ..node })
}

/// Asks by the whole name.
fn look(root: &Path, path: &[u8]) -> io::Result<Seen> {
    let flags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
    match statat(rustix::fs::CWD, named(root, path), flags) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => Ok(Seen::Unclear),
        Ok(stat) => {
            let stamp = NodeStamp::from_stat(&stat);
            match stamp.kind {
                FileKind::Regular => Ok(Seen::File(stamp)),
                FileKind::Folder => Ok(Seen::Folder),
                FileKind::Other => Err(missing()),
            }
        }
        Err(Errno::NOENT) => Err(missing()),
        Err(_) => Ok(Seen::Unclear),
    }
}

/// Opens it below a root that is open. `None`: another file than the one of that name is there, perhaps because that
/// was the root in earlier days. (Only then a pipe that had the same path there is opened, without waiting, for
/// nothing.)
fn open_there(root: Arc<OwnedFd>, path: &[u8], seen: &NodeStamp) -> Option<OpenedNode> {
    let node = accept(resolve(&root, path, READ).ok()?).ok()?;
    let is_it = (node.stamp.device, node.stamp.inode) == (seen.device, seen.inode);
    is_it.then(|| OpenedNode { root: Some(root), ..node })
}

/// Opens a file or a folder. One that `is_unclear` is looked at first, without leaving the root. (What is opened then
/// is looked at again.)
fn open_below(root: &OwnedFd, path: &[u8], is_unclear: bool) -> Result<OwnedFd, Errno> {
    if is_unclear {
        let seen = fstat(&resolve(root, path, LOOK)?)?;
        if NodeStamp::from_stat(&seen).kind == FileKind::Other {
            return Err(Errno::NOENT);
        }
    }
    resolve(root, path, READ)
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

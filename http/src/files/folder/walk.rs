//! Opening name by name, from one open folder to the next.
//!
//! The idea: each name is looked up in a folder that is open, and never followed by the system; a link is read and what
//! it says takes its place. The way back up is the list of open folders, so nothing above the root can be reached,
//! whatever is renamed meanwhile. An absolute link counts from the root if it begins with the root's own path, as given
//! or as resolved.

use super::super::file_system::FolderList;
use super::super::stamp::{FileKind, NodeStamp};
use super::{OpenedNode, entry};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open as open_path, openat, readlinkat, stat, statat};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// How files are opened: without waiting for whatever they turn out to be, and without becoming anybody's terminal.
pub(super) const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// How folders are opened that are only passed through.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// As many links as the system would follow.
const LINKS_MAX: usize = 40;

pub(super) fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

pub(super) fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(open_path(root, PASS, Mode::empty())?)
}

/// The name of what is at `path` below the folder of the name `root`.
pub(super) fn named(root: &Path, path: &[u8]) -> Vec<u8> {
    let root = root.as_os_str().as_bytes();
    let mut name = Vec::with_capacity(root.len() + 1 + path.len());
    name.extend_from_slice(root);
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}

/// What was opened, if it is a file or a folder.
pub(super) fn accept(file: OwnedFd) -> io::Result<OpenedNode> {
    let file = File::from(file);
    let stamp = NodeStamp::of(&file)?;
    match stamp.kind {
        FileKind::Other => Err(missing()),
        FileKind::Regular | FileKind::Folder => Ok(OpenedNode::new(file, stamp)),
    }
}

/// Opens what is at `path` below the folder of the name `root`, wherever links lead. A device or a pipe is looked at
/// and not opened. (What is opened then is looked at again.)
pub(super) fn open_anywhere(root: &Path, path: &[u8]) -> io::Result<OpenedNode> {
    let name = named(root, path);
    if NodeStamp::from_stat(&stat(&*name)?).kind == FileKind::Other {
        return Err(missing());
    }
    accept(open_path(&*name, READ, Mode::empty())?)
}

/// Opens what is at `path` below the folder of the name `root_path`.
pub(super) fn open(root_path: &Path, path: &[u8]) -> io::Result<OpenedNode> {
    let root = &open_root(root_path)?;
    let mut way = Way { root_path, root, passed: Vec::new(), ahead: VecDeque::new(), links: 0 };
    way.put_ahead(path);
    while let Some(name) = way.ahead.pop_front() {
        match &*name {
            b"" | b"." => {}
            b".." => {
                if way.passed.pop().is_none() {
                    way.come_back()?;
                }
            }
            name => {
                if let Some(file) = way.enter(name)? {
                    return Ok(file);
                }
            }
        }
    }
    accept(openat(way.here(), ".", READ, Mode::empty())?)
}

/// A path that is being walked.
struct Way<'a> {
    root_path: &'a Path,
    root: &'a OwnedFd,
    /// The folders below the root that lead here, open.
    passed: Vec<OwnedFd>,
    /// Names that are still to come.
    ahead: VecDeque<Vec<u8>>,
    links: usize,
}

impl Way<'_> {
    fn here(&self) -> &OwnedFd {
        self.passed.last().unwrap_or(self.root)
    }

    fn put_ahead(&mut self, path: &[u8]) {
        for name in path.rsplit(|&byte| byte == b'/') {
            self.ahead.push_front(name.to_vec());
        }
    }

    /// Goes to `name` in this folder. A file is the end of the way.
    fn enter(&mut self, name: &[u8]) -> io::Result<Option<OpenedNode>> {
        let stat = statat(self.here(), name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => self.follow(name).map(|()| None),
            FileType::Directory => {
                let folder = openat(self.here(), name, PASS | OFlags::NOFOLLOW, Mode::empty())?;
                self.passed.push(folder);
                Ok(None)
            }
            FileType::RegularFile if self.ahead.is_empty() => {
                accept(openat(self.here(), name, READ | OFlags::NOFOLLOW, Mode::empty())?).map(Some)
            }
            FileType::RegularFile => Err(io::ErrorKind::NotADirectory.into()),
            _ => Err(missing()),
        }
    }

    fn count_link(&mut self) -> io::Result<()> {
        self.links += 1;
        if self.links > LINKS_MAX { Err(missing()) } else { Ok(()) }
    }

    /// A link leads above the root; what is still to come may lead back. That is asked of the system, and walked then.
    fn come_back(&mut self) -> io::Result<()> {
        self.count_link()?;
        let root = std::fs::canonicalize(self.root_path)?;
        let mut outside = root.join("..");
        outside.extend(self.ahead.drain(..).map(std::ffi::OsString::from_vec));
        // What is outside is missing, however it is.
        let target = std::fs::canonicalize(outside).map_err(|_| missing())?;
        let below = target.strip_prefix(&root).map_err(|_| missing())?;
        self.put_ahead(below.as_os_str().as_bytes());
        Ok(())
    }

    /// Puts in the place of a link what it says.
    fn follow(&mut self, name: &[u8]) -> io::Result<()> {
        self.count_link()?;
        let target = readlinkat(self.here(), name, Vec::new())?.into_bytes();
        if !target.starts_with(b"/") {
            self.put_ahead(&target);
            return Ok(());
        }
        let below = self.below_root(&target).ok_or_else(missing)?;
        self.passed.clear();
        self.put_ahead(&below);
        Ok(())
    }

    /// What of an absolute path is below the root.
    fn below_root(&self, target: &[u8]) -> Option<Vec<u8>> {
        let target = Path::new(std::ffi::OsStr::from_bytes(target));
        let strip = |root: &Path, target: &Path| {
            target.strip_prefix(root).ok().map(|below| below.as_os_str().as_bytes().to_vec())
        };
        strip(self.root_path, target).or_else(|| {
            let root = std::fs::canonicalize(self.root_path).ok()?;
            strip(&root, target).or_else(|| strip(&root, &std::fs::canonicalize(target).ok()?))
        })
    }
}

/// What is in an open folder. Of links `of_link` says what they lead to; those that lead nowhere are left out.
pub(super) fn list(
    folder: &File,
    most: usize,
    of_link: impl Fn(&[u8]) -> Option<NodeStamp>,
) -> io::Result<FolderList> {
    let mut list = FolderList::default();
    let mut left = most;
    for found in Dir::read_from(folder)? {
        let found = found?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        // Whatever it is: what is left out takes time as well.
        list.is_cut = left == 0;
        if list.is_cut {
            break;
        }
        left -= 1;
        // What is gone by now, or cannot be looked at, is not there.
        let Ok(stat) = statat(folder, found.file_name(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let stamp = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => of_link(name),
            _ => Some(NodeStamp::from_stat(&stat)),
        };
        list.entries.extend(stamp.and_then(|stamp| entry(name, &stamp)));
    }
    Ok(list)
}

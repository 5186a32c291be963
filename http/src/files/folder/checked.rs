//! Opening where paths can only be looked at: the resolved path is below the root before the file is opened, and is the
//! same afterwards.

use super::super::file_system::FolderList;
use super::super::stamp::{FileKind, NodeStamp};
use super::{OpenedNode, entry};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Where a path that was checked by name leads.
fn place(root: &Path, path: &[u8], leads_out: bool) -> io::Result<PathBuf> {
    let path = std::str::from_utf8(path).map_err(|_| missing())?;
    let root = std::fs::canonicalize(root)?;
    let mut full = root.clone();
    full.extend(path.split('/').filter(|name| !name.is_empty()));
    let resolved = std::fs::canonicalize(full)?;
    if leads_out || resolved.starts_with(&root) { Ok(resolved) } else { Err(missing()) }
}

pub(super) fn open(root: &Path, path: &[u8], leads_out: bool) -> io::Result<OpenedNode> {
    let resolved = place(root, path, leads_out)?;
    let metadata = std::fs::symlink_metadata(&resolved)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(missing());
    }
    let file = open_at(&resolved, metadata.is_dir())?;
    let stamp = NodeStamp::of(&file)?;
    if stamp.kind == FileKind::Other || place(root, path, leads_out)? != resolved {
        return Err(missing());
    }
    Ok(OpenedNode { file, stamp })
}

#[cfg(windows)]
fn open_at(path: &Path, is_folder: bool) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    /// `FILE_FLAG_BACKUP_SEMANTICS`, without which no folder can be opened.
    const OF_FOLDERS: u32 = 0x0200_0000;
    OpenOptions::new().read(true).custom_flags(if is_folder { OF_FOLDERS } else { 0 }).open(path)
}

#[cfg(not(windows))]
fn open_at(path: &Path, _is_folder: bool) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

pub(super) fn list(
    root: &Path,
    path: &[u8],
    most: usize,
    of_link: impl Fn(&[u8]) -> Option<NodeStamp>,
) -> io::Result<FolderList> {
    let mut list = FolderList::default();
    let mut left = most;
    for found in std::fs::read_dir(place(root, path, true)?)? {
        // Whatever it is: what is left out takes time as well.
        list.is_cut = left == 0;
        if list.is_cut {
            break;
        }
        left -= 1;
        // A name that is no text is served to nobody.
        let Ok(name) = found?.file_name().into_string() else { continue };
        list.entries.extend(of_link(name.as_bytes()).and_then(|stamp| entry(name.as_bytes(), &stamp)));
    }
    Ok(list)
}

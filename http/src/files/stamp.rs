//! What the system knows of an open file, in the numbers by which one notices that it has changed.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of an open file. Two that are the same are of the same bytes, as far as the system's clock can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeStamp {
    pub(super) size: u64,
    pub(super) inode: u64,
    /// Since 1970, in nanoseconds; negative before.
    pub(super) modified: i128,
    /// When anything about it changed: its rights, its names.
    changed: i128,
    pub(super) kind: FileKind,
}

/// What a descriptor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Regular,
    Folder,
    /// A pipe, a socket, a device: what may block, or do something when it is opened.
    Other,
}

impl NodeStamp {
    #[cfg(unix)]
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    // The fields have other types on other systems.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    pub(super) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        use rustix::fs::FileType;
        let nanos = |seconds: i128, nanos: i128| seconds * 1_000_000_000 + nanos;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::Regular,
            FileType::Directory => FileKind::Folder,
            _ => FileKind::Other,
        };
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: stat.st_ino as u64,
            modified: nanos(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
            changed: nanos(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
            kind,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let kind = if metadata.is_file() {
            FileKind::Regular
        } else if metadata.is_dir() {
            FileKind::Folder
        } else {
            FileKind::Other
        };
        let modified = metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        });
        Ok(Self { size: metadata.len(), inode: 0, modified, changed: 0, kind })
    }

    /// The time of its last change; that of 1970 for earlier ones.
    pub(super) fn time(&self) -> SystemTime {
        let nanos = u128::try_from(self.modified).unwrap_or_default();
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or_default();
        let time = Duration::new(seconds, (nanos % 1_000_000_000) as u32);
        UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH)
    }
}

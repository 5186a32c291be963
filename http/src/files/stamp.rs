//! What the system knows of an open file, in the numbers by which one notices that it has changed.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of an open file. Two that [are the same](Self::is_same) are of the same bytes, if they are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeStamp {
    pub(super) size: u64,
    pub(super) inode: u64,
    /// Which file system it is on, whose inodes these are.
    pub(super) device: u64,
    /// Since 1970, in nanoseconds; negative before.
    pub(super) modified: i128,
    /// When anything about it changed: its bytes, its rights, its names. Nobody can set this time.
    pub(super) changed: i128,
    pub(super) kind: FileKind,
    /// Whether a change from now on would show in these times. They are those of a clock that stands still between its
    /// ticks: what was written to a moment ago may be so again, and look the same.
    pub(super) is_settled: bool,
}

/// Longer than a tick of any system's clock.
const TICK_NANOS: i128 = 20_000_000;

/// So much at most file systems round to that keep no fractions of a second (FAT keeps even ones).
const COARSE_NANOS: i128 = 2_000_000_000;

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
        // The clock is asked first: what happens in between must not look older than it is.
        let now = SystemTime::now();
        Ok(Self::from_stat(&rustix::fs::fstat(file)?).seen(now))
    }

    /// Of what was looked at by its name; for one that is open there is [`of`](Self::of).
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
            device: stat.st_dev as u64,
            modified: nanos(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
            changed: nanos(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
            kind,
            is_settled: false,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let now = SystemTime::now();
        let metadata = file.metadata()?;
        let kind = if metadata.is_file() {
            FileKind::Regular
        } else if metadata.is_dir() {
            FileKind::Folder
        } else {
            FileKind::Other
        };
        let modified = metadata.modified().map_or(0, nanos_of);
        // Of the time of other changes nothing is told.
        let (size, is_settled) = (metadata.len(), false);
        let stamp = Self { size, inode: 0, device: 0, modified, changed: 0, kind, is_settled };
        Ok(stamp.seen(now))
    }

    /// The same, of which at `now` or later was asked.
    fn seen(self, now: SystemTime) -> Self {
        let now = nanos_of(now);
        let tick_of = |time: i128| if time % 1_000_000_000 == 0 { COARSE_NANOS } else { TICK_NANOS };
        let is_over = |time: i128| now - time >= tick_of(time);
        // A time ahead that somebody gave it is none of the clock's.
        let is_settled = is_over(self.changed) && (is_over(self.modified) || self.modified > now);
        Self { is_settled, ..self }
    }

    /// Whether nothing has changed from the one to the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Self { is_settled: true, ..*self } == Self { is_settled: true, ..*other }
    }

    /// The time of its last change; that of 1970 for earlier ones.
    pub(super) fn time(&self) -> SystemTime {
        let nanos = u128::try_from(self.modified).unwrap_or_default();
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or_default();
        let time = Duration::new(seconds, (nanos % 1_000_000_000) as u32);
        UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH)
    }
}

/// Since 1970; negative before.
pub(super) fn nanos_of(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_tell_once_their_tick_is_over() {
        const SECOND: i128 = 1_000_000_000;
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let at = 1000 * SECOND;
        for (modified, changed, expected) in [
            (at - 30_000_001, at - 30_000_001, true),
            (at - 19_999_999, at - 30_000_001, false),
            (at - 30_000_001, at - 19_999_999, false),
            (at - 1, at - 1, false),
            // A clock elsewhere that is ahead.
            (at - 30_000_001, at + 1, false),
            // A time that was given to it.
            (at + 5 * SECOND, at - 30_000_001, true),
            (0, at - 30_000_001, true),
            // Times without fractions may be rounded.
            (at - SECOND, at - SECOND, false),
            (at - 2 * SECOND, at - 2 * SECOND, true),
        ] {
            let kind = FileKind::Regular;
            let is_settled = !expected;
            let stamp = NodeStamp { size: 1, inode: 1, device: 1, modified, changed, kind, is_settled };
            let seen = stamp.seen(now);
            assert_eq!(seen.is_settled, expected, "{modified} {changed}");
            assert!(seen.is_same(&stamp));
        }
    }
}

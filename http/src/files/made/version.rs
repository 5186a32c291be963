//! Which bytes a copy is of.
//!
//! The idea: a file's number on its file system, its size and its times say which version of which file it is. The time
//! of its last change of any kind is the system's alone: programs set the other one back, or give all files the same.
//!
//! The rule: a version has a name only once every further change would give it another one
//! ([`is_settled`](super::super::stamp::NodeStamp::is_settled)). So two of the same name have the same bytes, as far as
//! the file system keeps the time of changes: of one that does not nothing is made ([`tells_versions`]), nor of a file
//! whose time has no fraction of a second. That is one which somebody has made up, as those of an image are, to which
//! an overlay leads: the next image has the same ones for other bytes. A page that is mapped is written to again
//! without another time until the system has put it on the disk, and a long write has the time of its beginning; so
//! files are left alone for a while before anything is made of them.

use super::super::content::Content;
use super::super::stamp::{NodeStamp, nanos_of};
use std::fs::File;
use std::time::{Duration, SystemTime};

/// A version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileVersion {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// In nanoseconds, as all times here.
    pub(super) modified: i128,
    pub(super) changed: i128,
}

impl FileVersion {
    /// How many bytes it is written down in.
    pub(super) const BYTES: usize = 56;

    /// That of an open file. `None`: it is no file, or may change once more without becoming another version.
    pub(super) fn of(content: &Content) -> Option<Self> {
        let tells = |stamp: &&NodeStamp| stamp.is_settled && stamp.changed % 1_000_000_000 != 0;
        let stamp = content.stamp().filter(tells).filter(|_| content.is_file())?;
        Some(Self {
            device: stamp.device,
            inode: stamp.inode,
            size: stamp.size,
            modified: stamp.modified,
            changed: stamp.changed,
        })
    }

    /// The same, as the system has it now.
    pub(super) fn of_now(content: &Content) -> Option<Self> {
        Self::of(content).filter(|_| content.is_unchanged())
    }

    /// Which file it is a version of.
    pub(super) fn file(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether nothing has happened to it for so long.
    pub(super) fn is_left_alone_for(&self, age: Duration) -> bool {
        nanos_of(SystemTime::now()) - self.changed >= age.as_nanos() as i128
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.device, self.inode, self.size];
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        let times = [self.modified, self.changed];
        let times = times.iter().flat_map(|time| time.to_le_bytes());
        bytes.iter_mut().zip(numbers.chain(times)).for_each(|(place, byte)| *place = byte);
        bytes
    }
}

/// Whether a file is on a file system that keeps a time of changes of its own, and numbers that last. What lies behind
/// a network or another program may say what it likes, and some disks of old kinds have neither.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
pub(super) fn tells_versions(file: &File) -> bool {
    /// ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs, JFS (linux/magic.h and their own sources).
    const KNOWN: [u32; 9] = [
        0xef53,
        0x5846_5342,
        0x9123_683e,
        0x0102_1994,
        0x794c_7630,
        0x2fc1_2fc1,
        0xf2f5_2010,
        0xca45_1a4e,
        0x3153_464a,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|found| KNOWN.contains(&(found.f_type as u32)))
}

/// The same by the names that file systems have elsewhere.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd"))]
#[allow(clippy::unnecessary_cast)]
pub(super) fn tells_versions(file: &File) -> bool {
    const KNOWN: [&[u8]; 6] = [b"apfs", b"ufs", b"ffs", b"zfs", b"tmpfs", b"hammer2"];
    rustix::fs::fstatfs(file).is_ok_and(|found| {
        let name = found.f_fstypename.iter().map(|&byte| byte as u8);
        let name: Vec<u8> = name.take_while(|&byte| byte != 0).collect();
        KNOWN.contains(&&*name)
    })
}

/// Of others nothing is known.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "openbsd"
)))]
pub(super) fn tells_versions(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_shows() {
        let version = FileVersion { device: 1, inode: 2, size: 3, modified: 4, changed: 5 };
        let others = [
            FileVersion { device: 1 << 63, ..version },
            FileVersion { inode: 3, ..version },
            FileVersion { size: 2, ..version },
            FileVersion { modified: -4, ..version },
            FileVersion { changed: i128::MAX, ..version },
        ];
        for other in others {
            assert_ne!(version.to_bytes(), other.to_bytes(), "{other:?}");
        }
        assert_eq!(version.to_bytes()[24..40], 4_i128.to_le_bytes());
    }

    /// What is not on a disk at all has regular files, too, whose numbers and times mean nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn file_systems_are_told_apart() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).expect("a file beside the sources");
        assert!(tells_versions(&file));
        let made_up = File::open("/proc/self/status").expect("a file of the system's");
        assert!(made_up.metadata().expect("a file").is_file() && !tells_versions(&made_up));
    }

    #[test]
    fn times_that_somebody_has_made_up_tell_no_versions() {
        const SECOND: i128 = 1_000_000_000;
        let version = |changed| {
            let file = tempfile::tempfile().expect("a file");
            let stamp = NodeStamp::of(&file).expect("a file");
            let stamp = NodeStamp { modified: 1000 * SECOND, changed, is_settled: true, ..stamp };
            FileVersion::of(&Content::of_file(file, stamp)).map(|version| version.changed)
        };
        assert_eq!(version(1000 * SECOND + 1), Some(1000 * SECOND + 1));
        assert_eq!(version(1000 * SECOND), None);
    }
}

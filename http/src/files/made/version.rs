//! Which bytes a copy is of.
//!
//! The idea: a file's number on its file system, its size and its times say which version of which file it is. The time
//! of its last change of any kind is the system's alone: programs set the other one back, or give all files the same.
//!
//! The rule: a version has a name only once every further change would give it another one
//! ([`is_settled`](super::super::stamp::NodeStamp::is_settled)). So two of the same name have the same bytes.

use super::super::content::Content;

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
        let stamp = content.stamp().filter(|stamp| stamp.is_settled && content.is_file())?;
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
}

//! How much room copies take, and who makes room for others.
//!
//! The idea: what lies in the folder is counted when somebody is about to put something there, once a minute, since
//! others may use it as well, and when it seems to be full; in between what is added is. What was not used for longest
//! leaves then, of which nobody has to be told.
//!
//! The rule: what was used a moment ago stays. If all was, no more is made: otherwise copies would be made in turn only
//! to make room for one another.

use super::place::{CopyFolder, bytes_on_disk};
use crate::util::coarse::CoarseInstant;
use parking_lot::Mutex;
use std::io;
use std::time::{Duration, SystemTime};

/// What was used within this time stays.
const IN_USE: Duration = Duration::from_secs(600);

/// After this time it is counted again.
const COUNT_AGAIN: Duration = Duration::from_secs(60);

/// A copy that takes so long to be written is written by nobody any more.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// The bytes that copies may have together, and those that they have.
#[derive(Debug)]
pub(super) struct CopyRoom {
    most: u64,
    count_again: Duration,
    taken: Mutex<TakenRoom>,
}

#[derive(Debug, Default)]
struct TakenRoom {
    /// All of it, and when that was counted; `None`: nobody has yet.
    counted: Option<(u64, CoarseInstant)>,
    /// What was taken for copies that are not in the folder yet, or may not be.
    reserved: u64,
}

/// Room that was taken for a copy. It is given back unless the copy is [put there](Self::keep).
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    room: &'a CopyRoom,
    bytes: u64,
    is_kept: bool,
}

impl CopyRoom {
    pub(super) fn new(most: u64) -> Self {
        Self::counting_after(most, COUNT_AGAIN)
    }

    /// Which counts what others have put there after that time.
    pub(super) fn counting_after(most: u64, count_again: Duration) -> Self {
        Self { most, count_again, taken: Mutex::default() }
    }

    /// As one who counts a folder that is large, and takes long.
    #[cfg(test)]
    pub(super) fn held_while(&self, work: impl FnOnce()) {
        let _taken = self.taken.lock();
        work();
    }

    /// Whether a file of that length has no room, whatever else there is.
    pub(super) fn is_beyond(&self, length: u64) -> bool {
        bytes_on_disk(length) > self.most
    }

    /// Takes room for a file of that length. `None`: there is none.
    pub(super) fn take(&self, folder: &CopyFolder, length: u64) -> io::Result<Option<Reserved<'_>>> {
        let bytes = bytes_on_disk(length);
        let mut taken = self.taken.lock();
        let fits = |counted: u64| counted.saturating_add(bytes) <= self.most;
        let (counted, when) = match taken.counted {
            Some((counted, when)) if fits(counted) && when.elapsed() < self.count_again => (counted, when),
            _ => {
                // What nobody sees in the folder yet.
                let reserved = taken.reserved;
                let seen = self.tidy(folder, bytes.saturating_add(reserved))?;
                (seen.saturating_add(reserved), CoarseInstant::now())
            }
        };
        if !fits(counted) {
            taken.counted = Some((counted, when));
            return Ok(None);
        }
        taken.counted = Some((counted + bytes, when));
        taken.reserved += bytes;
        Ok(Some(Reserved { room: self, bytes, is_kept: false }))
    }

    /// Takes out what is left behind, and of the others so many that `bytes` more have room, and then some; how many
    /// are left.
    fn tidy(&self, folder: &CopyFolder, bytes: u64) -> io::Result<u64> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let before = |age: Duration| now as i128 - age.as_nanos() as i128;
        let mut entries = folder.entries()?;
        entries.retain(|entry| !(entry.is_new && entry.used <= before(LEFT_BEHIND) && folder.remove(entry)));
        let mut left = entries.iter().map(|entry| entry.bytes).sum::<u64>();
        if left.saturating_add(bytes) <= self.most {
            return Ok(left);
        }
        // So that this is not done for each copy.
        let aim = (self.most - self.most / 8).saturating_sub(bytes);
        entries.sort_unstable_by_key(|entry| entry.used);
        for entry in entries.iter().take_while(|entry| entry.used <= before(IN_USE)) {
            if left <= aim {
                break;
            }
            if !entry.is_new && folder.remove(entry) {
                left -= entry.bytes;
            }
        }
        Ok(left)
    }
}

impl Reserved<'_> {
    /// The copy is in the folder.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        taken.reserved -= self.bytes;
        if let Some((counted, _)) = taken.counted.as_mut().filter(|_| !self.is_kept) {
            *counted = counted.saturating_sub(self.bytes);
        }
    }
}

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
    /// And when they were counted; `None`: nobody has yet.
    taken: Mutex<Option<(u64, CoarseInstant)>>,
}

impl CopyRoom {
    pub(super) fn new(most: u64) -> Self {
        Self { most, taken: Mutex::new(None) }
    }

    /// Counts what there is, if nobody has, and takes out what processes have left behind that were killed.
    pub(super) fn count_once(&self, folder: &CopyFolder) -> io::Result<()> {
        // Whoever wants to put something there meanwhile waits: makers alone do.
        let mut taken = self.taken.lock();
        if taken.is_none() {
            *taken = Some((self.tidy(folder, 0)?, CoarseInstant::now()));
        }
        Ok(())
    }

    /// Whether a file of that length has no room, whatever else there is.
    pub(super) fn is_beyond(&self, length: u64) -> bool {
        bytes_on_disk(length) > self.most
    }

    /// Takes room for a file of that length. False: there is none.
    pub(super) fn take(&self, folder: &CopyFolder, length: u64) -> io::Result<bool> {
        let bytes = bytes_on_disk(length);
        let mut taken = self.taken.lock();
        let fits = |counted: u64| counted.saturating_add(bytes) <= self.most;
        let (counted, when) = match *taken {
            Some((counted, when)) if fits(counted) && when.elapsed() < COUNT_AGAIN => (counted, when),
            _ => (self.tidy(folder, bytes)?, CoarseInstant::now()),
        };
        let fits = fits(counted);
        *taken = Some((if fits { counted + bytes } else { counted }, when));
        Ok(fits)
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

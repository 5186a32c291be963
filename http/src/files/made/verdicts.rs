//! What is known about copies: which are there and whole, and which are not tried again, or not soon.

use super::version::FileVersion;
use crate::util::coarse::CoarseInstant;
use crate::values::coding::ContentCoding;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// A copy: of what, and in what.
pub(super) type CopyKey = (FileVersion, ContentCoding);

/// Of so many copies at most it is known, of the last ones; of others it is found out again.
const MOST: usize = 8192;

/// What has failed is tried again after this time.
pub(super) const RETRY: Duration = Duration::from_secs(60);

/// A copy that was read to its end and found to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WholeCopy {
    /// Its own number, length and time: the file that has its name is still the one that was read.
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified: i128,
    pub(super) checksum: u32,
}

/// What is known about a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    There(WholeCopy),
    /// It would hardly be smaller.
    NotWorthIt,
    /// Then it could not be made.
    Failed(CoarseInstant),
}

/// See the module's text. Another version of a file is another matter.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    known: HashMap<CopyKey, Verdict>,
    /// The first known first.
    line: VecDeque<CopyKey>,
}

impl Verdicts {
    pub(super) fn of(&self, key: &CopyKey) -> Option<Verdict> {
        self.known.get(key).copied()
    }

    pub(super) fn note(&mut self, key: CopyKey, verdict: Verdict) {
        if self.known.insert(key, verdict).is_some() {
            return;
        }
        self.line.push_back(key);
        if self.line.len() > MOST {
            if let Some(first) = self.line.pop_front() {
                self.known.remove(&first);
            }
        }
    }

    /// It is not so any more. (Its place in the line stays, which at worst is another one's that is forgotten early.)
    pub(super) fn forget(&mut self, key: &CopyKey) {
        self.known.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known() {
        let key = |inode: usize| {
            let version = FileVersion { device: 1, inode: inode as u64, size: 1, modified: 1, changed: 1 };
            (version, ContentCoding::ALL[0])
        };
        let mut verdicts = Verdicts::default();
        for number in 0..3 * MOST {
            verdicts.note(key(number), Verdict::Failed(CoarseInstant::now()));
            // Once more, which makes no second one of it.
            verdicts.note(key(number), Verdict::NotWorthIt);
        }
        assert_eq!((verdicts.known.len(), verdicts.line.len()), (MOST, MOST));
        assert!(verdicts.of(&key(2 * MOST - 1)).is_none());
        for number in 2 * MOST..3 * MOST {
            assert!(matches!(verdicts.of(&key(number)), Some(Verdict::NotWorthIt)), "{number}");
        }
    }
}

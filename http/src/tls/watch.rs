//! Whether files have changed: looked at by whoever connects, so that it takes no thread and nothing while nobody does.
//!
//! The idea: a certificate is of interest only when one is shown, so the first handshake behind a change is early
//! enough to see it. A look is a question to the system for each file, at most once in the interval, by one of those
//! who connect; the others go on with what there is. What is asked is the file at the end of all symbolic links, by its
//! number, its length and its time, so it does not matter whether a file is written over, another put in its place, or
//! a link or a folder on the way led elsewhere.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// Warnings of the end of a certificate are repeated so often.
const WARN_EVERY: Duration = Duration::from_secs(86_400);

/// What tells one state of a file from another. `None`: there is none, or it cannot be seen.
pub(super) type FileStamp = Option<(Option<SystemTime>, u64, u64)>;

/// When files are looked at; see the module's text.
pub(super) struct FileWatch {
    interval: Option<Duration>,
    looks: Mutex<Looks>,
}

struct Looks {
    next: Instant,
    /// The files as they were read, or tried, last.
    stamps: Vec<FileStamp>,
    /// They were tried, and something was wrong: they are tried again, because not all that was wrong need be seen by
    /// the stamps (descriptors that had run out, a file whose clock is coarse, a certificate that is not valid yet).
    is_wrong: bool,
    warned: Instant,
}

/// What a look has found to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Some file is another one.
    Changed,
    /// Files that were of no use are the same as far as can be seen.
    SameAsBefore,
}

impl FileWatch {
    pub(super) fn new(interval: Option<Duration>, stamps: Vec<FileStamp>) -> Self {
        let now = Instant::now();
        let next = interval.and_then(|interval| now.checked_add(interval)).unwrap_or(now);
        Self { interval, looks: Mutex::new(Looks { next, stamps, is_wrong: false, warned: now }) }
    }

    /// Looks, if it is time to, and nobody else does at this moment; `act` is told what was found, and says whether all
    /// is well then. `warn` is called once a day.
    pub(super) fn look(
        &self,
        stamps: impl FnOnce() -> Vec<FileStamp>,
        act: impl FnOnce(Found) -> bool,
        warn: impl FnOnce(),
    ) {
        let Some(interval) = self.interval else { return };
        let Some(mut looks) = self.looks.try_lock() else { return };
        let now = Instant::now();
        if now < looks.next {
            return;
        }
        looks.next = now.checked_add(interval).unwrap_or(now);
        if now.duration_since(looks.warned) >= WARN_EVERY {
            looks.warned = now;
            warn();
        }
        let seen = stamps();
        let found = if seen != looks.stamps {
            Found::Changed
        } else if looks.is_wrong {
            Found::SameAsBefore
        } else {
            Found::Nothing
        };
        // Before they are read: what changes meanwhile is found by the next look.
        looks.stamps = seen;
        looks.is_wrong = found != Found::Nothing && !act(found);
    }

    /// The files were read, by whoever asked for that, who had looked before; and all was well, or not.
    pub(super) fn note(&self, stamps: Vec<FileStamp>, is_well: bool) {
        let mut looks = self.looks.lock();
        (looks.stamps, looks.is_wrong) = (stamps, !is_well);
    }
}

/// That of the file at `path`.
pub(super) fn stamp(path: &Path) -> FileStamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok(), metadata.len(), number(&metadata)))
}

#[cfg(unix)]
fn number(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // Another disk may have a file of the same number; the time of the change tells them apart, and cannot be set.
    metadata.ino() ^ metadata.dev().rotate_left(32) ^ (metadata.ctime_nsec() as u64).rotate_left(16)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What looks find, by the stamps that they see and whether what is done then goes well.
    fn looks(watch: &FileWatch, seen: u64, goes_well: bool) -> Found {
        let mut found = Found::Nothing;
        let act = |what| {
            found = what;
            goes_well
        };
        watch.look(|| vec![Some((None, seen, 0))], act, || ());
        found
    }

    #[test]
    fn a_change_is_tried_once_and_a_failure_until_it_is_none() {
        let watch = FileWatch::new(Some(Duration::ZERO), vec![Some((None, 1, 0))]);
        for (seen, goes_well, found) in [
            (1, true, Found::Nothing),
            (2, true, Found::Changed),
            (2, true, Found::Nothing),
            // One of two files was written, then the other.
            (3, false, Found::Changed),
            (4, true, Found::Changed),
            (4, true, Found::Nothing),
            // What was wrong is put right, and cannot be seen from outside.
            (5, false, Found::Changed),
            (5, false, Found::SameAsBefore),
            (5, false, Found::SameAsBefore),
            (5, true, Found::SameAsBefore),
            (5, true, Found::Nothing),
        ] {
            assert_eq!(looks(&watch, seen, goes_well), found, "{seen}");
        }
        for is_well in [false, true] {
            watch.note(vec![Some((None, 6, 0))], is_well);
            let found = if is_well { Found::Nothing } else { Found::SameAsBefore };
            assert_eq!(looks(&watch, 6, true), found, "behind a call");
        }
    }

    #[test]
    fn nobody_looks_before_it_is_time_or_while_another_does() {
        let stamps = || vec![Some((None, 1, 0))];
        for interval in [None, Some(Duration::from_secs(3600))] {
            assert_eq!(looks(&FileWatch::new(interval, stamps()), 2, true), Found::Nothing);
        }
        let watch = FileWatch::new(Some(Duration::ZERO), stamps());
        let _other = watch.looks.lock();
        assert_eq!(looks(&watch, 2, true), Found::Nothing);
    }
}

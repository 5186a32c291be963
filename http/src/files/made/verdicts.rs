//! What is known about copies: which are there and whole, and which are not tried again, or not soon.

use super::super::used_map::UsedMap;
use super::packing::CODINGS;
use super::version::FileVersion;
use crate::util::coarse::CoarseInstant;
use crate::values::coding::ContentCoding;
use std::time::Duration;

/// A copy: of what, and in what.
pub(super) type CopyKey = (FileVersion, ContentCoding);

/// Of so many files at most it is known, of those that were asked about lately; of others it is found out again. Each
/// takes some 300 bytes, whatever is known of it.
const FILES_MAX: usize = 65_536;

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

/// What is known about a file, in each of [`CODINGS`].
pub(super) type FileVerdicts = [Option<Verdict>; CODINGS.len()];

/// See the module's text. Of each file one version is known, the last that something was found out about: copies of
/// others are not there any more.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    known: UsedMap<(u64, u64), Box<KnownFile>>,
}

#[derive(Debug)]
struct KnownFile {
    version: FileVersion,
    verdicts: FileVerdicts,
}

impl Verdicts {
    /// About all copies of that version, which counts as used.
    pub(super) fn of_file(&mut self, version: &FileVersion) -> FileVerdicts {
        let known = self.known.get(&version.file()).filter(|known| known.version == *version);
        known.map_or_else(FileVerdicts::default, |known| known.verdicts)
    }

    pub(super) fn of(&mut self, (version, coding): &CopyKey) -> Option<Verdict> {
        self.of_file(version)[place_of(*coding)?]
    }

    pub(super) fn note(&mut self, (version, coding): CopyKey, verdict: Verdict) {
        if let Some(place) = place_of(coding) {
            self.file(version).verdicts[place] = Some(verdict);
        }
    }

    /// None is worth it, but for those that are there.
    pub(super) fn note_unfit(&mut self, version: FileVersion) {
        for verdict in &mut self.file(version).verdicts {
            if !matches!(verdict, Some(Verdict::There(_))) {
                *verdict = Some(Verdict::NotWorthIt);
            }
        }
    }

    /// It is not so any more.
    pub(super) fn forget(&mut self, (version, coding): &CopyKey) {
        let Some(place) = place_of(*coding) else { return };
        let Some(known) = self.known.peek(&version.file()).filter(|known| known.version == *version) else {
            return;
        };
        known.verdicts[place] = None;
        if known.verdicts.iter().all(Option::is_none) {
            self.known.remove(&version.file());
        }
    }

    /// What is known about that version, which makes room by another file.
    fn file(&mut self, version: FileVersion) -> &mut KnownFile {
        let key = version.file();
        let is_known = self.known.peek(&key).is_some_and(|known| known.version == version);
        if !is_known {
            self.known.remove(&key);
            if self.known.len() >= FILES_MAX {
                self.known.take_unused();
            }
            let verdicts = FileVerdicts::default();
            self.known.insert(key, Box::new(KnownFile { version, verdicts }));
        }
        self.known.peek(&key).expect("it was put there")
    }
}

fn place_of(coding: ContentCoding) -> Option<usize> {
    CODINGS.iter().position(|known| *known == coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODING: ContentCoding = CODINGS[0];
    const WHOLE: WholeCopy = WholeCopy { inode: 1, size: 2, modified: 3, checksum: 4 };

    fn version(inode: u64) -> FileVersion {
        FileVersion { device: 1, inode, size: 1, modified: 1, changed: 1 }
    }

    fn key(inode: u64) -> CopyKey {
        (version(inode), CODING)
    }

    /// Also of more than are known, as long as they are used.
    #[test]
    fn those_that_are_used_are_known() {
        let mut verdicts = Verdicts::default();
        let (most, used) = (FILES_MAX as u64, FILES_MAX as u64 / 2);
        for number in 0..3 * most {
            verdicts.note(key(number), Verdict::Failed(CoarseInstant::now()));
            // Once more, which makes no second one of it.
            verdicts.note(key(number), Verdict::NotWorthIt);
            assert!(number < used || verdicts.of(&key(number % used)).is_some(), "{number}");
        }
        assert_eq!(verdicts.known.len(), FILES_MAX);
        assert!(verdicts.of(&key(most)).is_none());
        assert!(matches!(verdicts.of(&key(3 * most - 1)), Some(Verdict::NotWorthIt)));
    }

    #[test]
    fn each_version_and_coding_is_a_matter_of_its_own() {
        let mut verdicts = Verdicts::default();
        verdicts.note(key(1), Verdict::There(WHOLE));
        for &coding in CODINGS {
            assert_eq!(verdicts.of(&(version(1), coding)).is_some(), coding == CODING, "{coding:?}");
        }
        let next = FileVersion { changed: 2, ..version(1) };
        assert!(verdicts.of(&(next, CODING)).is_none() && verdicts.of(&key(2)).is_none());
        verdicts.forget(&(next, CODING));
        assert!(verdicts.of(&key(1)).is_some(), "another one was forgotten");
        verdicts.note((next, CODING), Verdict::NotWorthIt);
        assert!(verdicts.of(&key(1)).is_none() && verdicts.of(&(next, CODING)).is_some());
        verdicts.forget(&(next, CODING));
        assert_eq!((verdicts.of(&(next, CODING)).is_some(), verdicts.known.len()), (false, 0));
    }

    #[test]
    fn what_is_unfit_is_so_in_all_codings() {
        let mut verdicts = Verdicts::default();
        verdicts.note_unfit(version(1));
        let known = verdicts.of_file(&version(1));
        assert!(known.iter().all(|verdict| matches!(verdict, Some(Verdict::NotWorthIt))));
        verdicts.note(key(2), Verdict::There(WHOLE));
        verdicts.note_unfit(version(2));
        assert!(matches!(verdicts.of(&key(2)), Some(Verdict::There(WHOLE))), "it is there nevertheless");
    }
}

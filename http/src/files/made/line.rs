//! What waits for its copy, and what is known about copies: all that is decided under the lock.
//!
//! The idea: there are two lines. In the first stands what nothing is known of: whether its copy is there is soon found
//! out, by reading it. In the second stands what has none, and making one takes long. So what is there from before does
//! not wait behind what is made: while nobody reads, threads read; and not all of them pack at once.
//!
//! The rules: a file, of whichever version, stands in one of the lines at most once for each coding. Both are bounded;
//! what does not get in is asked for again. Nobody who can wait for a thread does so while there is none: who changes
//! what waits asks whether one [is lacking](CopyLine::lacks_thread).

use super::super::content::Content;
use super::verdicts::{CopyKey, FileVerdicts, RETRY, Verdict, Verdicts, WholeCopy};
use super::version::FileVersion;
use crate::util::coarse::CoarseInstant;
use crate::values::coding::ContentCoding;
use std::collections::{HashSet, VecDeque};

/// How many copies may be waited for in each line. Each holds its file open.
pub(super) const LINE_MAX: usize = 64;

/// A file, of whichever version, and a coding.
type JobKey = (u64, u64, ContentCoding);

/// See the module's text.
#[derive(Debug)]
pub(super) struct CopyLine {
    /// Those of which nothing is known.
    unknown: VecDeque<CopyJob>,
    /// Those that have none.
    missing: VecDeque<CopyJob>,
    /// Those in line and those that somebody sees to.
    begun: HashSet<JobKey>,
    verdicts: Verdicts,
    /// How many there are, those that are being started among them.
    threads: usize,
    /// How many of them pack.
    packing: usize,
    packing_max: usize,
    /// When the folder of copies could not be looked at.
    failed: Option<CoarseInstant>,
    /// When no copy could be put there; those that are there can be read nevertheless.
    packing_failed: Option<CoarseInstant>,
    /// Nobody wants any more.
    is_over: bool,
}

/// A copy that is wanted.
#[derive(Clone, Debug)]
pub(super) struct CopyJob {
    pub(super) plain: Content,
    pub(super) key: CopyKey,
}

/// What a thread is to do next.
#[derive(Debug)]
pub(super) enum CopyTask {
    /// To find out whether it is there.
    Look(CopyJob),
    /// To make it. [`CopyLine::leave`] says when that is over.
    Pack(CopyJob),
}

/// What is said to who asks for a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It stands in line from now on.
    Begun,
    /// It does already, or there is no room, or it has failed lately.
    NotNow,
    /// It is not worth it.
    Never,
    /// It was asked for, and is not in line any more: it may be there.
    IsOver,
}

/// What was found out about a copy that somebody has seen to.
#[derive(Clone, Copy, Debug)]
pub(super) enum CopyOutcome {
    Known(Verdict),
    /// No copy of the file is worth it, in whichever coding.
    Unfit,
    /// Nothing.
    Unknown,
}

impl CopyLine {
    /// Without threads. So many may pack at once, and one more is there to read.
    pub(super) fn new(packing_max: usize) -> Self {
        Self {
            unknown: VecDeque::new(),
            missing: VecDeque::new(),
            begun: HashSet::new(),
            verdicts: Verdicts::default(),
            threads: 0,
            packing: 0,
            packing_max,
            failed: None,
            packing_failed: None,
            is_over: false,
        }
    }

    /// What is known about the copies of that version.
    pub(super) fn known(&mut self, version: &FileVersion) -> FileVerdicts {
        self.verdicts.of_file(version)
    }

    /// Puts a file in line for its copy, if that is to be. `was_asked`: not for the first time.
    pub(super) fn ask(&mut self, plain: &Content, key: CopyKey, was_asked: bool) -> Answer {
        if self.begun.contains(&job_key(&key)) {
            return Answer::NotNow;
        }
        match self.verdicts.of(&key) {
            Some(Verdict::There(_)) => return Answer::IsOver,
            Some(Verdict::NotWorthIt) => return Answer::Never,
            Some(Verdict::Failed(then)) if then.elapsed() < RETRY => return Answer::NotNow,
            Some(Verdict::Failed(_)) => {}
            None if was_asked => return Answer::IsOver,
            None => {}
        }
        if self.is_closed() || self.unknown.len() >= LINE_MAX {
            return Answer::NotNow;
        }
        self.begun.insert(job_key(&key));
        self.unknown.push_back(CopyJob { plain: plain.clone(), key });
        Answer::Begun
    }

    /// Puts into the second line what has no copy. What has become of it; `None`: it stands there.
    pub(super) fn note_missing(&mut self, job: &CopyJob) -> Option<CopyOutcome> {
        if self.is_closed() {
            return Some(CopyOutcome::Unknown);
        }
        // Who asks is to go on with what is open, and not to have it looked for again and again meanwhile.
        if is_lately(self.packing_failed) || self.missing.len() >= LINE_MAX {
            return Some(CopyOutcome::Known(Verdict::Failed(CoarseInstant::now())));
        }
        self.missing.push_back(job.clone());
        None
    }

    /// Somebody has seen to it.
    pub(super) fn note_outcome(&mut self, key: CopyKey, outcome: CopyOutcome) {
        self.begun.remove(&job_key(&key));
        match outcome {
            CopyOutcome::Known(verdict) => self.verdicts.note(key, verdict),
            CopyOutcome::Unfit => self.verdicts.note_unfit(key.0),
            CopyOutcome::Unknown => self.verdicts.forget(&key),
        }
    }

    /// That copy is not there any more.
    pub(super) fn forget(&mut self, key: &CopyKey, gone: &WholeCopy) {
        if matches!(self.verdicts.of(key), Some(Verdict::There(known)) if known == *gone) {
            self.verdicts.forget(key);
        }
    }

    /// Counts another thread if one is lacking, which the caller has to start.
    pub(super) fn takes_thread(&mut self) -> bool {
        let is_lacking = self.lacks_thread();
        self.threads += usize::from(is_lacking);
        is_lacking
    }

    /// Whether something waits that no thread sees to that there is.
    fn lacks_thread(&self) -> bool {
        let reading = self.threads - self.packing;
        let is_unread = !self.unknown.is_empty() && reading == 0;
        let is_unpacked = !self.missing.is_empty() && self.packing < self.packing_max && reading < 2;
        self.threads <= self.packing_max && (is_unread || is_unpacked)
    }

    /// What a thread that does nothing is to do next. Without a task it is not counted any more, in the same step, so
    /// that who asks then sees that one is needed.
    pub(super) fn next_task(&mut self) -> Option<CopyTask> {
        let can_pack = self.packing < self.packing_max;
        let others_read = self.threads - self.packing > 1;
        let packs = can_pack && !self.missing.is_empty() && (others_read || self.unknown.is_empty());
        let task = if packs {
            self.missing.pop_front().map(CopyTask::Pack)
        } else {
            self.unknown.pop_front().map(CopyTask::Look)
        };
        match &task {
            Some(CopyTask::Pack(_)) => self.packing += 1,
            Some(CopyTask::Look(_)) => {}
            None => self.threads -= 1,
        }
        task
    }

    /// One that was packing does so no more.
    pub(super) fn leave(&mut self) {
        self.packing -= 1;
    }

    /// A thread is not there any more, or could not be started. What waits with nobody to see to it.
    pub(super) fn lose_thread(&mut self) -> Vec<CopyJob> {
        self.threads -= 1;
        if self.threads == 0 { self.take_jobs() } else { Vec::new() }
    }

    pub(super) fn has_threads(&self) -> bool {
        self.threads > 0
    }

    /// Lets nothing be tried for a while; what was in line.
    pub(super) fn rest(&mut self) -> Vec<CopyJob> {
        self.failed = Some(CoarseInstant::now());
        self.take_jobs()
    }

    /// Lets nothing be packed for a while; what was in line for that.
    pub(super) fn rest_packing(&mut self) -> Vec<CopyJob> {
        self.packing_failed = Some(CoarseInstant::now());
        let gone: Vec<CopyJob> = self.missing.drain(..).collect();
        for job in &gone {
            self.note_outcome(job.key, CopyOutcome::Known(Verdict::Failed(CoarseInstant::now())));
        }
        gone
    }

    /// Lets nothing be tried any more.
    pub(super) fn end(&mut self) -> Vec<CopyJob> {
        self.is_over = true;
        self.take_jobs()
    }

    fn is_closed(&self) -> bool {
        self.is_over || is_lately(self.failed)
    }

    fn take_jobs(&mut self) -> Vec<CopyJob> {
        let gone: Vec<CopyJob> = self.unknown.drain(..).chain(self.missing.drain(..)).collect();
        for job in &gone {
            self.begun.remove(&job_key(&job.key));
        }
        gone
    }

    /// How many wait in the two lines, and how many are begun.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> (usize, usize, usize) {
        (self.unknown.len(), self.missing.len(), self.begun.len())
    }
}

fn is_lately(then: Option<CoarseInstant>) -> bool {
    then.is_some_and(|then| then.elapsed() < RETRY)
}

fn job_key(&(version, coding): &CopyKey) -> JobKey {
    (version.device, version.inode, coding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::made::packing::CODINGS;

    const CODING: ContentCoding = CODINGS[0];

    fn version(inode: u64) -> FileVersion {
        FileVersion { device: 1, inode, size: 1, modified: 1, changed: 1 }
    }

    fn ask(line: &mut CopyLine, inode: u64) -> Answer {
        line.ask(&Content::from_static(b"text"), (version(inode), CODING), false)
    }

    /// What the next task is of, and whether that is to be packed.
    fn next(line: &mut CopyLine) -> Option<(u64, bool)> {
        match line.next_task()? {
            CopyTask::Look(job) => Some((job.key.0.inode, false)),
            CopyTask::Pack(job) => Some((job.key.0.inode, true)),
        }
    }

    fn job(inode: u64) -> CopyJob {
        CopyJob { plain: Content::from_static(b"text"), key: (version(inode), CODING) }
    }

    #[test]
    fn both_lines_are_bounded_each_for_itself() {
        let mut line = CopyLine::new(1);
        let most = LINE_MAX as u64;
        assert_eq!(ask(&mut line, 0), Answer::Begun);
        // Another version of what stands in line is the same matter, while there is room.
        let next_version = FileVersion { changed: 2, ..version(0) };
        let plain = Content::from_static(b"text");
        assert_eq!(line.ask(&plain, (next_version, CODING), false), Answer::NotNow);
        assert_eq!(line.lengths(), (1, 0, 1));
        for number in 1..most {
            assert_eq!(ask(&mut line, number), Answer::Begun);
        }
        assert_eq!(ask(&mut line, most), Answer::NotNow);
        assert!(line.takes_thread());
        for number in 0..most {
            assert_eq!(next(&mut line), Some((number, false)));
            assert!(line.note_missing(&job(number)).is_none());
        }
        // What is to be made keeps nobody from being read.
        assert_eq!((ask(&mut line, 0), ask(&mut line, most)), (Answer::NotNow, Answer::Begun));
        assert_eq!(next(&mut line), Some((most, false)));
        let outcome = line.note_missing(&job(most)).expect("there is no room");
        line.note_outcome(job(most).key, outcome);
        // Whoever asks again has it looked for no more, and goes on with what is open.
        assert_eq!((line.lengths(), ask(&mut line, most)), ((0, LINE_MAX, LINE_MAX), Answer::NotNow));
        assert_eq!(ask(&mut line, most + 1), Answer::Begun);
        // Whoever waits when it is over lets go of its file.
        assert_eq!((line.end().len(), line.lengths()), (LINE_MAX + 1, (0, 0, 0)));
        assert_eq!(ask(&mut line, 0), Answer::NotNow);
    }

    #[test]
    fn what_is_unknown_is_not_kept_waiting_by_what_is_packed() {
        let mut line = CopyLine::new(1);
        assert_eq!((ask(&mut line, 1), ask(&mut line, 2)), (Answer::Begun, Answer::Begun));
        assert!(line.takes_thread() && !line.takes_thread());
        assert_eq!(next(&mut line), Some((1, false)));
        assert!(line.note_missing(&job(1)).is_none());
        // While this one reads on, another packs.
        assert!(line.takes_thread() && !line.takes_thread());
        assert_eq!((next(&mut line), next(&mut line)), (Some((1, true)), Some((2, false))));
        assert!(line.note_missing(&job(2)).is_none());
        // No more pack than may, and nobody waits for them.
        assert_eq!((next(&mut line), line.threads), (None, 1));
        assert!(!line.takes_thread());
        assert_eq!(ask(&mut line, 3), Answer::Begun);
        assert!(line.takes_thread(), "the other one packs");
        assert_eq!((next(&mut line), next(&mut line)), (Some((3, false)), None));
        line.leave();
        line.note_outcome((version(1), CODING), CopyOutcome::Unfit);
        assert_eq!(next(&mut line), Some((2, true)));
        line.leave();
        assert_eq!((next(&mut line), line.threads, line.packing), (None, 0, 0));
        assert_eq!(ask(&mut line, 1), Answer::Never);
    }

    /// A single thread reads all there is before it packs.
    #[test]
    fn what_is_unknown_comes_first() {
        let mut line = CopyLine::new(3);
        for number in 1..=3 {
            assert_eq!(ask(&mut line, number), Answer::Begun);
        }
        assert!(line.takes_thread());
        for number in 1..=3 {
            assert_eq!(next(&mut line), Some((number, false)));
            assert!(line.note_missing(&job(number)).is_none());
        }
        for number in 1..=3 {
            assert_eq!(next(&mut line), Some((number, true)));
            // Then each that packs has another one do so.
            assert_eq!(line.takes_thread(), number < 3);
        }
        for _ in 0..3 {
            line.leave();
            assert!(line.lose_thread().is_empty());
        }
        assert!(!line.has_threads());
    }

    /// Reading needs neither room nor the right to write.
    #[test]
    fn where_nothing_can_be_put_copies_are_read() {
        let mut line = CopyLine::new(1);
        for number in 1..=3 {
            assert_eq!(ask(&mut line, number), Answer::Begun);
        }
        assert!(line.takes_thread());
        assert_eq!(next(&mut line), Some((1, false)));
        assert!(line.note_missing(&job(1)).is_none());
        assert_eq!((line.rest_packing().len(), line.lengths()), (1, (2, 0, 2)));
        assert_eq!(ask(&mut line, 1), Answer::NotNow);
        assert_eq!(next(&mut line), Some((2, false)));
        let outcome = line.note_missing(&job(2)).expect("nothing is packed for a while");
        line.note_outcome(job(2).key, outcome);
        assert_eq!((ask(&mut line, 2), ask(&mut line, 4)), (Answer::NotNow, Answer::Begun));
        assert_eq!(next(&mut line), Some((3, false)));
    }

    #[test]
    fn who_is_left_without_a_thread_is_not_in_line() {
        let mut line = CopyLine::new(1);
        assert_eq!(ask(&mut line, 1), Answer::Begun);
        assert!(line.takes_thread());
        assert_eq!((line.lose_thread().len(), line.lengths(), line.has_threads()), (1, (0, 0, 0), false));
        assert_eq!(ask(&mut line, 1), Answer::Begun);
        assert_eq!((line.rest().len(), line.lengths()), (1, (0, 0, 0)));
        assert_eq!(ask(&mut line, 1), Answer::NotNow, "nothing is tried for a while");
        assert!(line.note_missing(&job(2)).is_some());
    }
}

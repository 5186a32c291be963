//! Who makes copies: threads that are there while there is something to make.
//!
//! The idea: a request asks for a copy and goes on without it. What is asked for stands in [line](super::line), once
//! for each file and coding, of whichever version. A copy that is there from before is read to its end here as well,
//! and not by who asks for it.
//!
//! The rules: under the lock nothing is opened, closed, read or written. Where copies cannot be put none is tried for a
//! while, so that a folder that may not be written to costs nothing; what is the trouble of one copy keeps no other
//! from being made; and what is wrong is said once a minute, each kind of trouble for itself.

use super::super::content::Content;
use super::line::{Answer, CopyJob, CopyLine, CopyOutcome, CopyTask};
use super::packing::{PackError, Packed, SIZES, is_compressible, pack};
use super::place::{CopyFolder, NewCopy, is_of_one, is_of_process};
use super::room::CopyRoom;
use super::seal::is_sealed;
use super::verdicts::{CopyKey, FileVerdicts, Verdict, WholeCopy};
use super::version::{FileVersion, tells_versions};
use crate::util::coarse::CoarseInstant;
use crate::util::seldom::Seldom;
use crate::values::coding::CompressionLevel;
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many are made at once at most, however many cores there are: some codings take 40 MB for one.
const PACKING_MAX: usize = 4;

/// Makes copies until it is dropped; see the module's text.
#[derive(Debug)]
pub(in crate::files) struct CopyMaker {
    core: Arc<MakerCore>,
}

#[derive(Debug)]
struct MakerCore {
    root: PathBuf,
    level: CompressionLevel,
    room: CopyRoom,
    /// So long a file has to be left alone.
    min_age: Duration,
    line: Mutex<CopyLine>,
    troubles: Mutex<Troubles>,
    is_over: AtomicBool,
    #[cfg(test)]
    hooks: tests::Hooks,
}

/// What is said about making copies, each at its own time.
#[derive(Debug, Default)]
struct Troubles {
    place: Seldom,
    room: Seldom,
    file: Seldom,
    thread: Seldom,
}

impl CopyMaker {
    /// Makes copies below `root`, which may have so many bytes together, of files that were left alone for `min_age`.
    pub(super) fn start(root: PathBuf, level: CompressionLevel, most_bytes: u64, min_age: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::packing(root, level, most_bytes, min_age, (cores / 2).clamp(1, PACKING_MAX))
    }

    /// The same, which packs so many at once at most.
    fn packing(
        root: PathBuf,
        level: CompressionLevel,
        most_bytes: u64,
        min_age: Duration,
        packing_max: usize,
    ) -> Self {
        let core = MakerCore {
            root,
            level,
            room: CopyRoom::new(most_bytes),
            min_age,
            line: Mutex::new(CopyLine::new(packing_max)),
            troubles: Mutex::default(),
            is_over: AtomicBool::new(false),
            #[cfg(test)]
            hooks: tests::Hooks::default(),
        };
        Self { core: Arc::new(core) }
    }

    /// Whether this file is a copy, of whatever.
    pub(in crate::files) fn is_copy(&self, file: &Content) -> io::Result<bool> {
        if file.is_file() { is_sealed(file, *SIZES.end()) } else { Ok(false) }
    }

    /// Where copies are, if there are any. Fails when that cannot be said.
    pub(super) fn folder(&self) -> io::Result<Option<CopyFolder>> {
        match CopyFolder::open(&self.core.root) {
            Err(error) if !is_of_one(&error) => {
                self.core.pause(&error);
                Ok(None)
            }
            folder => folder,
        }
    }

    /// What is known about the copies of that version.
    pub(super) fn known(&self, version: &FileVersion) -> FileVerdicts {
        self.core.line.lock().known(version)
    }

    /// The copy of which that is known, and which is known no more if it is not there any more.
    pub(super) fn find(
        &self,
        folder: &io::Result<Option<CopyFolder>>,
        key: &CopyKey,
        known: &WholeCopy,
    ) -> Option<Content> {
        let found = match folder {
            Ok(Some(folder)) => folder.find(&key.0, key.1, known),
            Ok(None) => Ok(None),
            Err(_) => return None,
        };
        match found {
            Ok(Some(copy)) => return Some(copy),
            // It may well be there.
            Err(error) if is_of_process(&error) => {}
            Ok(None) | Err(_) => self.core.line.lock().forget(key, known),
        }
        None
    }

    /// Has a copy of `plain` made, which has that version. `was_asked`: not for the first time.
    pub(super) fn ask(&self, plain: &Content, key: CopyKey, was_asked: bool) -> Answer {
        if !key.0.is_left_alone_for(self.core.min_age) {
            return Answer::NotNow;
        }
        let (answer, lacks_thread) = {
            let mut line = self.core.line.lock();
            let answer = line.ask(plain, key, was_asked);
            (answer, answer == Answer::Begun && line.takes_thread())
        };
        if lacks_thread && !self.core.engage() {
            return Answer::NotNow;
        }
        answer
    }

    /// Takes out the copies of a file that is gone.
    pub(super) fn discard(&self, version: &FileVersion) {
        if let Ok(Some(folder)) = CopyFolder::open(&self.core.root) {
            folder.remove_of(version);
        }
    }
}

impl Drop for CopyMaker {
    fn drop(&mut self) {
        self.core.is_over.store(true, Ordering::Relaxed);
        let gone = self.core.line.lock().end();
        drop(gone);
    }
}

/// A thread that makes copies.
struct Engaged {
    core: Arc<MakerCore>,
    is_counted: bool,
    packs: bool,
}

impl Engaged {
    fn work(mut self) {
        while let Some(task) = self.next() {
            match &task {
                CopyTask::Look(job) => self.core.see_to(job, MakerCore::look, MakerCore::pause),
                CopyTask::Pack(job) => self.core.see_to(job, MakerCore::make, MakerCore::pause_packing),
            }
        }
    }

    /// The next task. If another one could be done meanwhile, somebody is engaged for it.
    fn next(&mut self) -> Option<CopyTask> {
        let (task, lacks_thread) = {
            let mut line = self.core.line.lock();
            if std::mem::take(&mut self.packs) {
                line.leave();
            }
            let task = line.next_task();
            self.is_counted = task.is_some();
            self.packs = matches!(task, Some(CopyTask::Pack(_)));
            (task, self.is_counted && line.takes_thread())
        };
        if lacks_thread {
            self.core.engage();
        }
        task
    }
}

impl Drop for Engaged {
    fn drop(&mut self) {
        // A coder has panicked. Who is behind it in line is asked for again, if there are no others to see to that.
        if self.is_counted {
            let (gone, lacks_thread) = {
                let mut line = self.core.line.lock();
                if self.packs {
                    line.leave();
                }
                (line.lose_thread(), line.takes_thread())
            };
            drop(gone);
            if lacks_thread {
                self.core.engage();
            }
        }
    }
}

/// A copy that somebody sees to. Unless something else is found out, it is not to be tried again.
struct BegunCopy<'a> {
    core: &'a MakerCore,
    key: CopyKey,
    /// `None`: it stands in line again.
    outcome: Option<CopyOutcome>,
}

impl Drop for BegunCopy<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.core.line.lock().note_outcome(self.key, outcome);
        }
    }
}

impl MakerCore {
    /// Starts a thread, which is counted already. False: there is none, and nothing is tried for a while.
    fn engage(self: &Arc<Self>) -> bool {
        let Err(error) = self.spawn() else { return true };
        let (gone, has_others) = {
            let mut line = self.line.lock();
            let mut gone = line.lose_thread();
            let has_others = line.has_threads();
            if !has_others {
                gone.extend(line.rest());
            }
            (gone, has_others)
        };
        drop(gone);
        self.say(
            |troubles| &mut troubles.thread,
            format_args!("compressed copies wait, because no thread can be had to make them: {error}"),
        );
        has_others
    }

    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        #[cfg(test)]
        self.hooks.at_spawn()?;
        let core = self.clone();
        let thread = std::thread::Builder::new().name("anthill-copies".to_owned());
        thread.spawn(move || Engaged { core, is_counted: true, packs: false }.work()).map(drop)
    }

    /// Does some work on a copy, and notes what has become of it.
    fn see_to(
        &self,
        job: &CopyJob,
        work: impl FnOnce(&Self, &CopyJob) -> Result<Option<CopyOutcome>, PackError>,
        pause: impl FnOnce(&Self, &io::Error),
    ) {
        let outcome = Some(CopyOutcome::Known(Verdict::NotWorthIt));
        let mut begun = BegunCopy { core: self, key: job.key, outcome };
        begun.outcome = work(self, job).unwrap_or_else(|error| {
            match error {
                PackError::Place(error) if !is_of_one(&error) => pause(self, &error),
                PackError::Place(error) | PackError::File(error) => self.say(
                    |troubles| &mut troubles.file,
                    format_args!(
                        "no compressed copy of the file of inode {} can be made, so it is sent as it is: {error}",
                        job.key.0.inode
                    ),
                ),
            }
            Some(CopyOutcome::Known(Verdict::Failed(CoarseInstant::now())))
        });
    }

    /// Whether the copy is there. If not, and it may be made, it stands in line for that, and has no outcome yet.
    fn look(&self, job: &CopyJob) -> Result<Option<CopyOutcome>, PackError> {
        let plain = &job.plain;
        if FileVersion::of_now(plain) != Some(job.key.0) {
            return Ok(Some(CopyOutcome::Unknown));
        }
        // One without a name was never meant to last, and whoever has it open has it alone.
        if plain.is_deleted() || !plain.file().is_some_and(tells_versions) {
            return Ok(Some(CopyOutcome::Unfit));
        }
        // From before, by another process, or when the file was open by another path.
        if let Some(there) = self.there(job)? {
            return Ok(Some(there));
        }
        if !is_compressible(plain).map_err(PackError::File)? {
            return Ok(Some(CopyOutcome::Unfit));
        }
        Ok(self.line.lock().note_missing(job))
    }

    /// The copy that lies there.
    fn there(&self, job: &CopyJob) -> Result<Option<CopyOutcome>, PackError> {
        let Some(folder) = CopyFolder::open(&self.root).map_err(PackError::Place)? else { return Ok(None) };
        let found = folder.verified(&job.key.0, job.key.1).map_err(PackError::Place)?;
        Ok(found.map(|whole| CopyOutcome::Known(Verdict::There(whole))))
    }

    fn make(&self, job: &CopyJob) -> Result<Option<CopyOutcome>, PackError> {
        // Somebody else may have made it while it stood in line.
        if let Some(there) = self.there(job)? {
            return Ok(Some(there));
        }
        let folder = CopyFolder::make(&self.root).map_err(PackError::Place)?;
        let new = NewCopy::new(&folder).map_err(PackError::Place)?;
        #[cfg(test)]
        self.hooks.at_pack(job)?;
        let goes_on = || !self.is_over.load(Ordering::Relaxed);
        match pack(&job.plain, job.key, self.level, new.file(), goes_on)? {
            Packed::Whole => {}
            Packed::NotWorthIt => return Ok(Some(CopyOutcome::Known(Verdict::NotWorthIt))),
            Packed::Changed | Packed::Stopped => return Ok(Some(CopyOutcome::Unknown)),
        }
        let length = new.file().metadata().map_err(PackError::Place)?.len();
        if self.room.is_beyond(length) {
            return Ok(Some(CopyOutcome::Known(Verdict::NotWorthIt)));
        }
        let Some(reserved) = self.room.take(&folder, length).map_err(PackError::Place)? else {
            self.tell_of_room();
            return Ok(Some(CopyOutcome::Unknown));
        };
        // Another process was faster.
        if let Some(there) = self.there(job)? {
            return Ok(Some(there));
        }
        new.take_name(&job.key.0, job.key.1).map_err(PackError::Place)?;
        reserved.keep();
        // Or puts its own in the place of this one just now; then that is found when it is asked for again.
        Ok(Some(self.there(job)?.unwrap_or(CopyOutcome::Unknown)))
    }

    fn tell_of_room(&self) {
        self.rest_packing();
        self.say(
            |troubles| &mut troubles.room,
            format_args!(
                "the compressed copies below {} have as many bytes as they may have, and were all used lately, so \
                 other files are sent as they are; compress_max_bytes says how many",
                self.root.display()
            ),
        );
    }

    /// Looks for no copies for a while, and makes none, because their folder cannot be had.
    fn pause(&self, error: &io::Error) {
        let gone = self.line.lock().rest();
        drop(gone);
        self.tell_of_place(error);
    }

    /// Makes none for a while; those that are there can be read.
    fn pause_packing(&self, error: &io::Error) {
        self.rest_packing();
        self.tell_of_place(error);
    }

    fn rest_packing(&self) {
        let gone = self.line.lock().rest_packing();
        drop(gone);
    }

    fn tell_of_place(&self, error: &io::Error) {
        self.say(
            |troubles| &mut troubles.place,
            format_args!(
                "compressed copies cannot be kept below {}, so files are sent as they are: {error}",
                self.root.display()
            ),
        );
    }

    fn say(&self, which: impl Fn(&mut Troubles) -> &mut Seldom, text: std::fmt::Arguments<'_>) {
        let is_due = which(&mut self.troubles.lock()).is_due(Instant::now());
        if is_due {
            log::warn!(target: "anthill_http::files", "{text}");
        }
    }
}

#[cfg(test)]
mod tests;

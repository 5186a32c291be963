//! Who makes copies: threads that are there while there is something to make.
//!
//! The idea: a request asks for a copy and goes on without it. What is asked for stands in a line of bounded length,
//! once for each file and coding, of whichever version; what does not get in is asked for again by the next request. A
//! copy that is there from before is read to its end here as well, and not by who asks for it.
//!
//! The rules: under the lock nothing is opened, closed, read or written. Where copies cannot be put none is tried for a
//! while, so that a folder that may not be written to costs nothing; and what is wrong is said once a minute, each kind
//! of trouble for itself.

use super::super::content::Content;
use super::packing::{PackError, Packed, SIZES, is_compressible, pack};
use super::place::{CopyFolder, NewCopy};
use super::room::CopyRoom;
use super::seal::is_sealed;
use super::verdicts::{CopyKey, RETRY, Verdict, Verdicts, WholeCopy};
use super::version::{FileVersion, tells_versions};
use crate::util::coarse::CoarseInstant;
use crate::util::seldom::Seldom;
use crate::values::coding::{CompressionLevel, ContentCoding};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many copies may be waited for. Each holds its file open.
const LINE_MAX: usize = 64;

/// How many are made at once at most, however many cores there are: some codings take 40 MB for one.
const THREADS_MAX: usize = 4;

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
    threads_max: usize,
    /// So long a file has to be left alone.
    min_age: Duration,
    line: Mutex<CopyLine>,
    troubles: Mutex<Troubles>,
    is_over: AtomicBool,
    #[cfg(test)]
    has_no_threads: AtomicBool,
}

/// A file, of whichever version, and a coding.
type JobKey = (u64, u64, ContentCoding);

/// What is to be made, and what is known about it.
#[derive(Debug, Default)]
struct CopyLine {
    jobs: VecDeque<CopyJob>,
    /// Those in line and those that are being made.
    begun: HashSet<JobKey>,
    verdicts: Verdicts,
    threads: usize,
    /// When copies could not be put anywhere.
    failed: Option<CoarseInstant>,
}

#[derive(Debug)]
struct CopyJob {
    plain: Content,
    key: CopyKey,
}

/// What is said about making copies, each at its own time.
#[derive(Debug, Default)]
struct Troubles {
    place: Seldom,
    room: Seldom,
    file: Seldom,
    thread: Seldom,
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

impl CopyMaker {
    /// Makes copies below `root`, which may have so many bytes together, of files that were left alone for `min_age`.
    pub(super) fn start(root: PathBuf, level: CompressionLevel, most_bytes: u64, min_age: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let core = MakerCore {
            root,
            level,
            room: CopyRoom::new(most_bytes),
            threads_max: (cores / 2).clamp(1, THREADS_MAX),
            min_age,
            line: Mutex::default(),
            troubles: Mutex::default(),
            is_over: AtomicBool::new(false),
            #[cfg(test)]
            has_no_threads: AtomicBool::new(false),
        };
        let maker = Self { core: Arc::new(core) };
        maker.core.line.lock().threads = 1;
        maker.engage();
        maker
    }

    /// Whether this file is a copy, of whatever.
    pub(in crate::files) fn is_copy(&self, file: &Content) -> io::Result<bool> {
        if file.is_file() { is_sealed(file, *SIZES.end()) } else { Ok(false) }
    }

    /// Where copies are, if there are any.
    pub(super) fn folder(&self) -> Option<CopyFolder> {
        match CopyFolder::open(&self.core.root) {
            Ok(folder) => folder,
            Err(error) => {
                self.core.pause(&error);
                None
            }
        }
    }

    /// What is known about a copy.
    pub(super) fn knows(&self, key: &CopyKey) -> Option<Verdict> {
        self.core.line.lock().verdicts.of(key)
    }

    /// That copy is not there any more.
    pub(super) fn forget(&self, key: &CopyKey, gone: &WholeCopy) {
        let mut line = self.core.line.lock();
        if matches!(line.verdicts.of(key), Some(Verdict::There(known)) if known == *gone) {
            line.verdicts.forget(key);
        }
    }

    /// Has a copy of `plain` made, which has that version. `was_asked`: not for the first time.
    pub(super) fn ask(&self, plain: &Content, key: CopyKey, was_asked: bool) -> Answer {
        if !key.0.is_left_alone_for(self.core.min_age) {
            return Answer::NotNow;
        }
        let mut line = self.core.line.lock();
        if line.begun.contains(&job_key(&key)) {
            return Answer::NotNow;
        }
        match line.verdicts.of(&key) {
            Some(Verdict::There(_)) => return Answer::IsOver,
            Some(Verdict::NotWorthIt) => return Answer::Never,
            Some(Verdict::Failed(then)) if then.elapsed() < RETRY => return Answer::NotNow,
            Some(Verdict::Failed(_)) => {}
            None if was_asked => return Answer::IsOver,
            None => {}
        }
        if line.is_paused() || line.jobs.len() >= LINE_MAX {
            return Answer::NotNow;
        }
        line.begun.insert(job_key(&key));
        line.jobs.push_back(CopyJob { plain: plain.clone(), key });
        let lacks_thread = line.threads < self.core.threads_max;
        line.threads += usize::from(lacks_thread);
        drop(line);
        if lacks_thread && !self.engage() {
            return Answer::NotNow;
        }
        Answer::Begun
    }

    /// Takes out the copies of a file that is gone.
    pub(super) fn discard(&self, version: &FileVersion) {
        if let Ok(Some(folder)) = CopyFolder::open(&self.core.root) {
            folder.remove_of(version);
        }
    }

    /// Starts a thread, which is counted already. False: there is none, and nothing is tried for a while.
    fn engage(&self) -> bool {
        let Err(error) = self.spawn() else { return true };
        let (gone, has_others) = {
            let mut line = self.core.line.lock();
            line.threads -= 1;
            let has_others = line.threads > 0;
            if has_others { (VecDeque::new(), true) } else { (line.rest(), false) }
        };
        drop(gone);
        self.core.say(
            |troubles| &mut troubles.thread,
            format_args!("compressed copies wait, because no thread can be had to make them: {error}"),
        );
        has_others
    }

    fn spawn(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.core.has_no_threads.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let core = self.core.clone();
        let thread = std::thread::Builder::new().name("anthill-copies".to_owned());
        thread.spawn(move || Engaged { core: &core, is_counted: true }.work()).map(drop)
    }
}

fn job_key(&(version, coding): &CopyKey) -> JobKey {
    (version.device, version.inode, coding)
}

impl Drop for CopyMaker {
    fn drop(&mut self) {
        self.core.is_over.store(true, Ordering::Relaxed);
        let gone = self.core.line.lock().take_jobs();
        drop(gone);
    }
}

impl CopyLine {
    fn is_paused(&self) -> bool {
        self.failed.is_some_and(|then| then.elapsed() < RETRY)
    }

    fn take_jobs(&mut self) -> VecDeque<CopyJob> {
        for job in &self.jobs {
            self.begun.remove(&job_key(&job.key));
        }
        std::mem::take(&mut self.jobs)
    }

    /// Lets nothing be tried for a while; what was in line.
    fn rest(&mut self) -> VecDeque<CopyJob> {
        self.failed = Some(CoarseInstant::now());
        self.take_jobs()
    }
}

/// A thread that makes copies.
struct Engaged<'a> {
    core: &'a MakerCore,
    is_counted: bool,
}

impl Engaged<'_> {
    fn work(mut self) {
        self.core.count();
        while let Some(job) = self.next() {
            self.core.carry_out(&job);
        }
    }

    /// Without another job it leaves, in one step, so that who asks then sees that a thread is needed.
    fn next(&mut self) -> Option<CopyJob> {
        let mut line = self.core.line.lock();
        let job = line.jobs.pop_front();
        if job.is_none() {
            line.threads -= 1;
            self.is_counted = false;
        }
        job
    }
}

impl Drop for Engaged<'_> {
    fn drop(&mut self) {
        // A coder has panicked. Who is behind it in line is asked for again, and others see to that.
        if self.is_counted {
            let gone = {
                let mut line = self.core.line.lock();
                line.threads -= 1;
                if line.threads == 0 { line.take_jobs() } else { VecDeque::new() }
            };
            drop(gone);
        }
    }
}

/// What has become of a job.
enum Made {
    There(WholeCopy),
    Not(Packed),
}

/// A copy that is being made. Unless something else is found out, it is not to be tried again.
struct BegunCopy<'a> {
    core: &'a MakerCore,
    key: CopyKey,
    verdict: Option<Verdict>,
}

impl Drop for BegunCopy<'_> {
    fn drop(&mut self) {
        let mut line = self.core.line.lock();
        line.begun.remove(&job_key(&self.key));
        match self.verdict {
            Some(verdict) => line.verdicts.note(self.key, verdict),
            None => line.verdicts.forget(&self.key),
        }
    }
}

impl MakerCore {
    /// Counts the copies there are, once.
    fn count(&self) {
        match CopyFolder::open(&self.root) {
            Ok(Some(folder)) => {
                if let Err(error) = self.room.count_once(&folder) {
                    self.pause(&error);
                }
            }
            Ok(None) => {}
            Err(error) => self.pause(&error),
        }
    }

    fn carry_out(&self, job: &CopyJob) {
        let mut begun = BegunCopy { core: self, key: job.key, verdict: Some(Verdict::NotWorthIt) };
        begun.verdict = match self.make(job) {
            Ok(Made::There(whole)) => Some(Verdict::There(whole)),
            Ok(Made::Not(Packed::NotWorthIt)) => Some(Verdict::NotWorthIt),
            Ok(Made::Not(_)) => None,
            Err(PackError::File(error)) => {
                self.say(
                    |troubles| &mut troubles.file,
                    format_args!(
                        "the file of inode {} cannot be compressed, so it is sent as it is: {error}",
                        job.key.0.inode
                    ),
                );
                Some(Verdict::Failed(CoarseInstant::now()))
            }
            Err(PackError::Place(error)) => {
                self.pause(&error);
                Some(Verdict::Failed(CoarseInstant::now()))
            }
        };
    }

    fn make(&self, job: &CopyJob) -> Result<Made, PackError> {
        let (plain, (version, coding)) = (&job.plain, job.key);
        if FileVersion::of_now(plain) != Some(version) {
            return Ok(Made::Not(Packed::Changed));
        }
        // One without a name was never meant to last, and whoever has it open has it alone.
        if plain.is_deleted() || !plain.file().is_some_and(tells_versions) {
            return Ok(Made::Not(Packed::NotWorthIt));
        }
        let folder = CopyFolder::open(&self.root).map_err(PackError::Place)?;
        // From before, by another process, or when the file was open by another path.
        if let Some(whole) = folder.and_then(|folder| folder.verified(&version, coding)) {
            return Ok(Made::There(whole));
        }
        if !is_compressible(plain, coding).map_err(PackError::File)? {
            return Ok(Made::Not(Packed::NotWorthIt));
        }
        let folder = CopyFolder::make(&self.root).map_err(PackError::Place)?;
        let new = NewCopy::new(&folder).map_err(PackError::Place)?;
        let goes_on = || !self.is_over.load(Ordering::Relaxed);
        let packed = pack(plain, job.key, self.level, new.file(), goes_on)?;
        if !matches!(packed, Packed::Whole) {
            return Ok(Made::Not(packed));
        }
        let length = new.file().metadata().map_err(PackError::Place)?.len();
        if self.room.is_beyond(length) {
            return Ok(Made::Not(Packed::NotWorthIt));
        }
        if !self.room.take(&folder, length).map_err(PackError::Place)? {
            self.tell_of_room();
            return Ok(Made::Not(Packed::Stopped));
        }
        new.take_name(&version, coding).map_err(PackError::Place)?;
        // Somebody may have taken it out again at once; that is no trouble of others.
        let problem = || io::Error::new(io::ErrorKind::NotFound, "its copy is gone already");
        folder.verified(&version, coding).map(Made::There).ok_or_else(|| PackError::File(problem()))
    }

    fn tell_of_room(&self) {
        self.rest();
        self.say(
            |troubles| &mut troubles.room,
            format_args!(
                "the compressed copies below {} have as many bytes as they may have, and were all used lately, so \
                 other files are sent as they are; compress_max_bytes says how many",
                self.root.display()
            ),
        );
    }

    /// Tries no more for a while.
    fn rest(&self) {
        let gone = self.line.lock().rest();
        drop(gone);
    }

    /// The same, and says why.
    fn pause(&self, error: &io::Error) {
        self.rest();
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
mod tests {
    use super::*;

    const CODING: ContentCoding = ContentCoding::ALL[0];

    /// A maker in a folder of its own, and a file with that in it.
    struct Bench {
        root: tempfile::TempDir,
        maker: CopyMaker,
    }

    impl Bench {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a folder");
            let copies = root.path().join("copies");
            std::fs::create_dir(&copies).expect("a folder");
            Self { root, maker: CopyMaker::start(copies, CompressionLevel::Fastest, 1 << 20, Duration::ZERO) }
        }

        fn file(&self, name: &str, bytes: &[u8]) -> (Content, CopyKey) {
            let path = self.root.path().join(name);
            std::fs::write(&path, bytes).expect("room");
            loop {
                let file = std::fs::File::open(&path).expect("a file");
                let content = Content::from_file(file).expect("a file");
                if let Some(version) = FileVersion::of(&content) {
                    return (content, (version, CODING));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }

        fn wait_for_threads(&self) {
            while self.maker.core.line.lock().threads > 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }

        /// Lets nothing be carried out from now on.
        fn hold(&self) {
            self.wait_for_threads();
            self.maker.core.line.lock().threads = self.maker.core.threads_max;
        }

        /// What is answered once nothing is under way.
        fn last_answer(&self, (content, key): &(Content, CopyKey)) -> Answer {
            while !self.maker.core.line.lock().begun.is_empty() {
                std::thread::sleep(Duration::from_millis(2));
            }
            self.maker.ask(content, *key, true)
        }
    }

    /// Bytes of which nothing is saved.
    fn noise() -> Vec<u8> {
        let numbers = (0_u64..2000).map(|number| {
            let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        });
        numbers.flat_map(|number| (number ^ (number >> 32)).to_le_bytes()).collect()
    }

    #[test]
    fn each_is_asked_for_until_there_is_an_answer() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        let archive = bench.file("archive", &noise());
        bench.hold();
        for (content, key) in [&text, &archive] {
            assert_eq!(bench.maker.ask(content, *key, false), Answer::Begun);
            // By whichever request, at whatever time.
            assert_eq!(bench.maker.ask(content, *key, true), Answer::NotNow);
            assert_eq!(bench.maker.ask(content, *key, false), Answer::NotNow);
        }
        assert_eq!(bench.maker.core.line.lock().jobs.len(), 2);
        assert!(bench.maker.engage());
        assert_eq!(bench.last_answer(&text), Answer::IsOver);
        assert_eq!(bench.last_answer(&archive), Answer::Never);
        let folder = bench.maker.folder().expect("it was made");
        let Some(Verdict::There(known)) = bench.maker.knows(&text.1) else { panic!("it is there") };
        assert!(folder.find(&text.1.0, CODING, &known).is_some());
        assert!(folder.verified(&archive.1.0, CODING).is_none());
        // Whoever misses it has it made again.
        folder.remove_of(&text.1.0);
        bench.maker.forget(&text.1, &known);
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::Begun);
        assert_eq!(bench.last_answer(&text), Answer::IsOver);
        // Another version is another matter.
        let next = bench.file("archive", &b"other text ".repeat(2000));
        assert_eq!(bench.maker.ask(&next.0, next.1, false), Answer::Begun);
        assert_eq!(bench.last_answer(&next), Answer::IsOver);
    }

    #[test]
    fn the_line_is_bounded() {
        let bench = Bench::new();
        bench.hold();
        let (content, (version, _)) = bench.file("text", b"some text");
        let key = |number: u64| (FileVersion { inode: number, ..version }, CODING);
        let most = LINE_MAX as u64;
        for number in 0..most {
            assert_eq!(bench.maker.ask(&content, key(number), false), Answer::Begun);
        }
        assert_eq!(bench.maker.ask(&content, key(most), false), Answer::NotNow);
        let next = (FileVersion { size: 7, ..key(0).0 }, CODING);
        assert_eq!(bench.maker.ask(&content, next, false), Answer::NotNow);
        // Whoever waits when it is over lets go of its file.
        let core = bench.maker.core.clone();
        drop(bench);
        let line = core.line.lock();
        assert!(line.jobs.is_empty() && line.begun.is_empty());
    }

    /// Nobody compresses anything for a place that is not there, nor asks for it with each request.
    #[test]
    fn where_nothing_can_be_put_nothing_is_tried_for_a_while() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        std::fs::remove_dir(bench.root.path().join("copies")).expect("empty");
        assert!(bench.maker.folder().is_none());
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::NotNow);
        assert!(bench.maker.core.line.lock().jobs.is_empty());
    }

    /// What failed is tried again, and known no more once it is there.
    #[test]
    fn what_has_failed_once_may_succeed_later() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        let note = |verdict| bench.maker.core.line.lock().verdicts.note(text.1, verdict);
        note(Verdict::Failed(CoarseInstant::now()));
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::NotNow);
        bench.maker.core.line.lock().verdicts.forget(&text.1);
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::Begun);
        assert_eq!(bench.last_answer(&text), Answer::IsOver);
    }

    #[test]
    fn without_a_thread_nothing_is_tried_for_a_while() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        bench.wait_for_threads();
        bench.maker.core.has_no_threads.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::NotNow);
            let line = bench.maker.core.line.lock();
            assert!(line.is_paused() && line.jobs.is_empty() && line.begun.is_empty() && line.threads == 0);
        }
    }

    /// Whoever stands behind it is not forgotten, and others are served.
    #[test]
    fn a_thread_that_panics_leaves_no_line_that_nobody_sees_to() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        bench.hold();
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::Begun);
        bench.maker.core.line.lock().threads = 1;
        drop(Engaged { core: &bench.maker.core, is_counted: true });
        {
            let line = bench.maker.core.line.lock();
            assert!(line.jobs.is_empty() && line.begun.is_empty() && line.threads == 0);
        }
        assert_eq!(bench.maker.ask(&text.0, text.1, false), Answer::Begun);
        assert_eq!(bench.last_answer(&text), Answer::IsOver);
    }

    #[test]
    fn what_has_changed_lately_is_left_alone() {
        let bench = Bench::new();
        let text = bench.file("text", &b"some text ".repeat(1000));
        let root = bench.root.path().join("copies");
        let patient = CopyMaker::start(root, CompressionLevel::Fastest, 1 << 20, Duration::from_secs(3600));
        assert_eq!(patient.ask(&text.0, text.1, false), Answer::NotNow);
        let old = FileVersion { changed: text.1.0.changed - 3_600_000_000_000, ..text.1.0 };
        assert_eq!(patient.ask(&text.0, (old, CODING), false), Answer::Begun);
    }
}

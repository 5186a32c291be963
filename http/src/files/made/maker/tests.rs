//! Makers with files of their own, in which things go wrong when a test wants it.

use super::*;
use crate::files::made::packing::CODINGS;
use crate::values::coding::ContentCoding;
use std::sync::atomic::AtomicUsize;

const CODING: ContentCoding = CODINGS[0];

/// What happens to makers in tests.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    has_no_threads: AtomicBool,
    gate: Mutex<Option<Arc<Gate>>>,
}

/// In front of packing.
#[derive(Debug, Default)]
struct Gate {
    /// How many have come to it.
    came: AtomicUsize,
    is_open: AtomicBool,
    /// What happens to the file of that number behind it.
    faults: Mutex<Vec<(u64, Fault)>>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Panic,
    Error(rustix::io::Errno),
}

impl Hooks {
    pub(super) fn at_spawn(&self) -> io::Result<()> {
        if self.has_no_threads.load(Ordering::Relaxed) {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(())
        }
    }

    pub(super) fn at_pack(&self, job: &CopyJob) -> Result<(), PackError> {
        let Some(gate) = self.gate.lock().clone() else { return Ok(()) };
        gate.came.fetch_add(1, Ordering::SeqCst);
        eventually("the gate is opened", || gate.is_open.load(Ordering::SeqCst));
        let fault = gate.faults.lock().iter().find(|(inode, _)| *inode == job.key.0.inode).copied();
        match fault {
            Some((_, Fault::Error(error))) => Err(PackError::Place(error.into())),
            Some((_, Fault::Panic)) => panic!("a coder panics, as a test wants it"),
            None => Ok(()),
        }
    }
}

impl Gate {
    fn wait_for(&self, count: usize) {
        eventually("somebody packs", || self.came.load(Ordering::SeqCst) >= count);
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

/// Waits for what has to come some time.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(50), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A maker in a folder of its own, of whose threads one packs at once, and files beside it.
struct Bench {
    root: tempfile::TempDir,
    maker: CopyMaker,
}

type PlainFile = (Content, CopyKey);

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("copies")).expect("a folder");
        let maker = Self::maker_in(root.path(), Duration::ZERO);
        Self { root, maker }
    }

    fn maker_in(root: &std::path::Path, min_age: Duration) -> CopyMaker {
        CopyMaker::packing(root.join("copies"), CompressionLevel::Fastest, 1 << 20, min_age, 1)
    }

    /// As the program is after another start.
    fn begin_anew(&mut self) {
        self.maker = Self::maker_in(self.root.path(), Duration::ZERO);
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PlainFile {
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

    fn text(&self, name: &str) -> PlainFile {
        self.file(name, &b"some text ".repeat(1000))
    }

    /// Lets nothing be packed until it is opened.
    fn gate(&self) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        *self.maker.core.hooks.gate.lock() = Some(gate.clone());
        gate
    }

    fn ask(&self, (content, key): &PlainFile) -> Answer {
        self.maker.ask(content, *key, false)
    }

    /// What is answered once nobody sees to it any more.
    #[track_caller]
    fn last_answer(&self, (content, key): &PlainFile) -> Answer {
        let answer = || self.maker.ask(content, *key, true);
        eventually("there is an answer", || answer() != Answer::NotNow);
        answer()
    }

    fn verdict(&self, (_, (version, _)): &PlainFile) -> Option<Verdict> {
        self.maker.known(version)[0]
    }

    #[track_caller]
    fn wait_for_the_end(&self) {
        eventually("all threads have left", || !self.maker.core.line.lock().has_threads());
        assert_eq!(self.maker.core.line.lock().lengths(), (0, 0, 0));
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
    let (text, archive) = (bench.text("text"), bench.file("archive", &noise()));
    let gate = bench.gate();
    assert_eq!(bench.ask(&text), Answer::Begun);
    gate.wait_for(1);
    // By whichever request, at whatever time.
    assert_eq!(bench.maker.ask(&text.0, text.1, true), Answer::NotNow);
    assert_eq!(bench.ask(&text), Answer::NotNow);
    assert_eq!(bench.ask(&archive), Answer::Begun);
    assert_eq!(bench.last_answer(&archive), Answer::Never);
    for verdict in bench.maker.known(&archive.1.0) {
        assert!(matches!(verdict, Some(Verdict::NotWorthIt)), "{verdict:?}");
    }
    gate.open();
    assert_eq!(bench.last_answer(&text), Answer::IsOver);
    let Some(Verdict::There(known)) = bench.verdict(&text) else { panic!("it is there") };
    let folder = bench.maker.folder();
    assert!(bench.maker.find(&folder, &text.1, &known).is_some());
    let folder = folder.expect("a folder").expect("it was made");
    assert!(folder.verified(&archive.1.0, CODING).expect("a folder").is_none());
    // Whoever misses it has it made again.
    folder.remove_of(&text.1.0);
    assert!(bench.maker.find(&Ok(Some(folder)), &text.1, &known).is_none());
    assert_eq!(bench.ask(&text), Answer::Begun);
    assert_eq!(bench.last_answer(&text), Answer::IsOver);
    // Another version is another matter.
    let next = bench.file("archive", &b"other text ".repeat(2000));
    assert_eq!(bench.ask(&next), Answer::Begun);
    assert_eq!(bench.last_answer(&next), Answer::IsOver);
    bench.wait_for_the_end();
}

/// After a start the first that are asked for may have no copy, and take long.
#[test]
fn what_is_there_does_not_wait_for_what_is_made() {
    let mut bench = Bench::new();
    let old: Vec<PlainFile> = ["1", "2", "3"].iter().map(|name| bench.text(name)).collect();
    for file in &old {
        assert_eq!(bench.ask(file), Answer::Begun);
        assert_eq!(bench.last_answer(file), Answer::IsOver);
    }
    bench.begin_anew();
    let new = [bench.text("new"), bench.text("newer")];
    let gate = bench.gate();
    for file in &new {
        assert_eq!(bench.ask(file), Answer::Begun);
    }
    gate.wait_for(1);
    for file in &old {
        assert_eq!(bench.ask(file), Answer::Begun);
        assert_eq!(bench.last_answer(file), Answer::IsOver);
        assert!(matches!(bench.verdict(file), Some(Verdict::There(_))));
    }
    for file in &new {
        assert_eq!(bench.maker.ask(&file.0, file.1, true), Answer::NotNow);
    }
    assert_eq!(gate.came.load(Ordering::SeqCst), 1, "no more than one at once");
    gate.open();
    for file in &new {
        assert_eq!(bench.last_answer(file), Answer::IsOver);
    }
    bench.wait_for_the_end();
}

/// Two handlers, or processes, pack the same, and the one has it there before the other.
#[test]
fn what_another_has_made_meanwhile_is_not_replaced() {
    let bench = Bench::new();
    let text = bench.text("text");
    let gate = bench.gate();
    assert_eq!(bench.ask(&text), Answer::Begun);
    gate.wait_for(1);
    let other = Bench::maker_in(bench.root.path(), Duration::ZERO);
    assert_eq!(other.ask(&text.0, text.1, false), Answer::Begun);
    eventually("the other one has it", || other.known(&text.1.0)[0].is_some());
    let Some(Verdict::There(known)) = other.known(&text.1.0)[0] else { panic!("it is there") };
    gate.open();
    assert_eq!(bench.last_answer(&text), Answer::IsOver);
    assert!(matches!(bench.verdict(&text), Some(Verdict::There(same)) if same == known));
    assert!(other.find(&other.folder(), &text.1, &known).is_some());
}

/// Copies of another life are read while somebody counts how many there are.
#[test]
fn what_is_there_does_not_wait_until_all_are_counted() {
    let mut bench = Bench::new();
    let old = bench.text("old");
    assert_eq!(bench.ask(&old), Answer::Begun);
    assert_eq!(bench.last_answer(&old), Answer::IsOver);
    bench.begin_anew();
    bench.maker.core.room.held_while(|| {
        assert_eq!(bench.ask(&old), Answer::Begun);
        assert_eq!(bench.last_answer(&old), Answer::IsOver);
        assert!(matches!(bench.verdict(&old), Some(Verdict::There(_))));
    });
    bench.wait_for_the_end();
}

/// Nobody compresses anything for a place that is not there, nor asks for it with each request.
#[test]
fn where_nothing_can_be_put_nothing_is_tried_for_a_while() {
    let bench = Bench::new();
    let text = bench.text("text");
    std::fs::remove_dir(bench.root.path().join("copies")).expect("empty");
    assert!(bench.maker.folder().expect("that is known").is_none());
    assert_eq!(bench.ask(&text), Answer::NotNow);
    assert_eq!(bench.maker.core.line.lock().lengths(), (0, 0, 0));
}

/// A disk that is full has no room for others either.
#[test]
fn a_full_disk_is_the_trouble_of_all() {
    let mut bench = Bench::new();
    let (old, one, other) = (bench.text("old"), bench.text("one"), bench.text("other"));
    assert_eq!(bench.ask(&old), Answer::Begun);
    assert_eq!(bench.last_answer(&old), Answer::IsOver);
    bench.begin_anew();
    let gate = bench.gate();
    gate.faults.lock().push((one.1.0.inode, Fault::Error(rustix::io::Errno::NOSPC)));
    assert_eq!((bench.ask(&one), bench.ask(&other)), (Answer::Begun, Answer::Begun));
    gate.wait_for(1);
    eventually("the other one waits", || bench.maker.core.line.lock().lengths() == (0, 1, 2));
    gate.open();
    bench.wait_for_the_end();
    assert!(matches!(bench.verdict(&one), Some(Verdict::Failed(_))));
    assert_eq!((bench.ask(&one), bench.ask(&other)), (Answer::NotNow, Answer::NotNow));
    assert_eq!(gate.came.load(Ordering::SeqCst), 1, "nobody has tried");
    // What is there is read.
    assert_eq!(bench.ask(&old), Answer::Begun);
    assert_eq!(bench.last_answer(&old), Answer::IsOver);
    assert!(matches!(bench.verdict(&old), Some(Verdict::There(_))));
}

/// What is wrong with one copy, or at one moment, keeps no other from being made.
#[test]
fn the_trouble_of_one_is_none_of_others() {
    use rustix::io::Errno;
    let bench = Bench::new();
    let gate = bench.gate();
    gate.open();
    for (number, error) in [Errno::MFILE, Errno::NFILE, Errno::ISDIR, Errno::FBIG].into_iter().enumerate() {
        let (one, other) = (bench.text(&format!("one {number}")), bench.text(&format!("other {number}")));
        gate.faults.lock().push((one.1.0.inode, Fault::Error(error)));
        assert_eq!(bench.ask(&one), Answer::Begun, "{error}");
        bench.wait_for_the_end();
        assert!(matches!(bench.verdict(&one), Some(Verdict::Failed(_))), "{error}");
        assert_eq!((bench.ask(&one), bench.ask(&other)), (Answer::NotNow, Answer::Begun), "{error}");
        assert_eq!(bench.last_answer(&other), Answer::IsOver, "{error}");
    }
}

/// A folder that has the name of a copy is seen before anything is packed in vain.
#[test]
fn a_folder_in_the_place_of_a_copy_is_seen_at_once() {
    let bench = Bench::new();
    let (one, other) = (bench.text("one"), bench.text("other"));
    assert_eq!(bench.ask(&one), Answer::Begun);
    assert_eq!(bench.last_answer(&one), Answer::IsOver);
    let Some(Verdict::There(known)) = bench.verdict(&one) else { panic!("it is there") };
    let place = std::fs::read_dir(bench.root.path().join("copies/.anthill-copies")).expect("it was made");
    let place = place.map(|entry| entry.expect("an entry").path()).next().expect("the copy");
    std::fs::remove_file(&place).expect("ours");
    std::fs::create_dir(&place).expect("ours");
    assert!(bench.maker.find(&bench.maker.folder(), &one.1, &known).is_none());
    let gate = bench.gate();
    assert_eq!(bench.ask(&one), Answer::Begun);
    bench.wait_for_the_end();
    assert!(matches!(bench.verdict(&one), Some(Verdict::Failed(_))));
    assert_eq!(gate.came.load(Ordering::SeqCst), 0);
    gate.open();
    assert_eq!(bench.ask(&other), Answer::Begun);
    assert_eq!(bench.last_answer(&other), Answer::IsOver);
}

/// What failed is tried again, and known no more once it is there.
#[test]
fn what_has_failed_once_may_succeed_later() {
    let bench = Bench::new();
    let text = bench.text("text");
    let settle = |outcome| bench.maker.core.line.lock().note_outcome(text.1, outcome);
    settle(CopyOutcome::Known(Verdict::Failed(CoarseInstant::now())));
    assert_eq!(bench.ask(&text), Answer::NotNow);
    settle(CopyOutcome::Unknown);
    assert_eq!(bench.ask(&text), Answer::Begun);
    assert_eq!(bench.last_answer(&text), Answer::IsOver);
}

#[test]
fn without_a_thread_nothing_is_tried_for_a_while() {
    let bench = Bench::new();
    let text = bench.text("text");
    bench.maker.core.hooks.has_no_threads.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(bench.ask(&text), Answer::NotNow);
        let line = bench.maker.core.line.lock();
        assert!(line.lengths() == (0, 0, 0) && !line.has_threads());
    }
    // Also when one can be had again, for a while.
    bench.maker.core.hooks.has_no_threads.store(false, Ordering::Relaxed);
    assert_eq!(bench.ask(&text), Answer::NotNow);
}

/// Whoever stands behind it is not forgotten, others are served, and that file is not tried again.
#[test]
fn a_coder_that_panics_keeps_nobody_from_a_copy() {
    let bench = Bench::new();
    let (bad, behind, later) = (bench.text("bad"), bench.text("behind"), bench.text("later"));
    let gate = bench.gate();
    gate.faults.lock().push((bad.1.0.inode, Fault::Panic));
    assert_eq!(bench.ask(&bad), Answer::Begun);
    gate.wait_for(1);
    assert_eq!(bench.ask(&behind), Answer::Begun);
    eventually("it waits to be packed", || bench.maker.core.line.lock().lengths() == (0, 1, 2));
    gate.open();
    assert_eq!(bench.last_answer(&bad), Answer::Never);
    // It is made, or asked for again by who opens the file anew.
    assert_eq!(bench.last_answer(&behind), Answer::IsOver);
    if bench.verdict(&behind).is_none() {
        assert_eq!(bench.ask(&behind), Answer::Begun);
        assert_eq!(bench.last_answer(&behind), Answer::IsOver);
    }
    assert!(matches!(bench.verdict(&behind), Some(Verdict::There(_))));
    assert_eq!(bench.ask(&later), Answer::Begun);
    assert_eq!(bench.last_answer(&later), Answer::IsOver);
    assert!(matches!(bench.verdict(&later), Some(Verdict::There(_))));
    bench.wait_for_the_end();
}

#[test]
fn who_waits_when_it_is_over_lets_go_of_its_file() {
    let bench = Bench::new();
    let (one, other) = (bench.text("one"), bench.text("other"));
    let gate = bench.gate();
    assert_eq!((bench.ask(&one), bench.ask(&other)), (Answer::Begun, Answer::Begun));
    eventually("one waits", || bench.maker.core.line.lock().lengths().1 == 1);
    gate.wait_for(1);
    let core = bench.maker.core.clone();
    let copies = bench.root.path().join("copies/.anthill-copies");
    let root = bench.root;
    drop(bench.maker);
    assert_eq!(core.line.lock().lengths(), (0, 0, 1), "but for that which is being packed");
    gate.open();
    eventually("all threads have left", || !core.line.lock().has_threads());
    assert_eq!(core.line.lock().lengths(), (0, 0, 0));
    assert_eq!(std::fs::read_dir(copies).expect("it was made").count(), 0, "it was given up");
    drop(root);
}

#[test]
fn what_has_changed_lately_is_left_alone() {
    let bench = Bench::new();
    let text = bench.text("text");
    let patient = Bench::maker_in(bench.root.path(), Duration::from_secs(3600));
    assert_eq!(patient.ask(&text.0, text.1, false), Answer::NotNow);
    let old = FileVersion { changed: text.1.0.changed - 3_600_000_000_000, ..text.1.0 };
    assert_eq!(patient.ask(&text.0, (old, CODING), false), Answer::Begun);
}

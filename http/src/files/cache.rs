//! Open files that are kept for a while, by the paths they were asked for.
//!
//! The idea: what is kept is a descriptor and what was found out about it. Before each use the descriptor is asked
//! whether its file is still the same, so what is written to, renamed over or deleted is noticed at once (outside of
//! Unix only what is written to); only what appears or changes on the way to it (a link, a copy, an index) is noticed
//! when the entry's time is over.
//!
//! The rules: descriptors are bounded in number; what is over is let go of by a thread that is there while anything is
//! kept. Under the lock nothing is done that takes the longer the more is kept, but by that thread. Files are closed,
//! threads started and logs written outside of the lock.

use super::found::FoundFile;
use super::used_map::UsedMap;
use crate::util::coarse::CoarseInstant;
use parking_lot::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Open files; see the module's text.
#[derive(Debug)]
pub(super) struct OpenFiles {
    kept: Arc<KeptFiles>,
}

#[derive(Debug)]
struct KeptFiles {
    duration: Duration,
    /// The most descriptors.
    most: usize,
    table: Mutex<KeptTable>,
}

#[derive(Debug, Default)]
struct KeptTable {
    /// By paths.
    entries: UsedMap<Arc<[u8]>, KeptFile>,
    descriptors: usize,
    /// While there is a keeper, or one is being started. It ends when this is dropped.
    keeper: Option<Sender<()>>,
}

#[derive(Debug)]
struct KeptFile {
    found: Arc<FoundFile>,
    opened: CoarseInstant,
}

impl OpenFiles {
    pub(super) fn new(duration: Duration, most: usize) -> Self {
        Self { kept: Arc::new(KeptFiles { duration, most, table: Mutex::default() }) }
    }

    /// The file that was found at `path`, if that is not too long ago and nothing has happened to it since.
    pub(super) fn get(&self, path: &[u8]) -> Option<Arc<FoundFile>> {
        let found = {
            let mut table = self.kept.table.lock();
            let entry = table.entries.get(path)?;
            (entry.opened.elapsed() < self.kept.duration).then(|| entry.found.clone())
        };
        let found = found.filter(|found| found.is_unchanged());
        if found.is_none() {
            let gone = self.kept.table.lock().remove(path);
            drop(gone);
        }
        found
    }

    /// Keeps what was found at `path`, if there is room for its descriptors and somebody to let go of them.
    pub(super) fn keep(&self, path: &[u8], found: &Arc<FoundFile>) {
        let cost = found.descriptors();
        if cost > self.kept.most {
            // What was kept is not what was found by now.
            let gone = self.kept.table.lock().remove(path);
            drop(gone);
            return;
        }
        let mut gone = Vec::new();
        let without_keeper = {
            let mut table = self.kept.table.lock();
            gone.extend(table.remove(path));
            while table.descriptors + cost > self.kept.most {
                let Some(unused) = table.take_unused() else { break };
                gone.push(unused);
            }
            table.insert(path, found);
            table.engage_keeper()
        };
        drop(gone);
        if let Some(end) = without_keeper {
            self.start_keeper(end);
        }
    }

    /// Lets go of everything.
    pub(super) fn clear(&self) {
        let gone = self.kept.table.lock().take_all();
        drop(gone);
    }

    fn start_keeper(&self, end: Receiver<()>) {
        let kept = Arc::downgrade(&self.kept);
        // So that nothing is there for longer than one and a half times its duration.
        let pause = (self.kept.duration / 2).max(Duration::from_millis(1));
        let keeper = std::thread::Builder::new().name("anthill-files".to_owned());
        if let Err(error) = keeper.spawn(move || keep_in_order(&kept, &end, pause)) {
            // Others may have relied on it meanwhile.
            let gone = {
                let mut table = self.kept.table.lock();
                table.keeper = None;
                table.take_all()
            };
            drop(gone);
            log::warn!("open files are not kept, because no thread can be had to let go of them: {error}");
        }
    }
}

/// Lets go of what is over until nothing is left, or nobody asks any more.
fn keep_in_order(kept: &Weak<KeptFiles>, end: &Receiver<()>, pause: Duration) {
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(pause) {
        let Some(kept) = kept.upgrade() else { return };
        let (gone, is_empty) = {
            let mut table = kept.table.lock();
            let gone = table.take_old(kept.duration);
            let is_empty = table.entries.len() == 0;
            if is_empty {
                table.keeper = None;
            }
            (gone, is_empty)
        };
        drop(gone);
        if is_empty {
            return;
        }
    }
}

impl KeptTable {
    fn insert(&mut self, path: &[u8], found: &Arc<FoundFile>) {
        self.descriptors += found.descriptors();
        self.entries.insert(path.into(), KeptFile { found: found.clone(), opened: CoarseInstant::now() });
    }

    fn remove(&mut self, path: &[u8]) -> Option<KeptFile> {
        let gone = self.entries.remove(path)?;
        self.descriptors -= gone.found.descriptors();
        Some(gone)
    }

    /// Takes out one that was not used lately.
    fn take_unused(&mut self) -> Option<KeptFile> {
        let gone = self.entries.take_unused()?;
        self.descriptors -= gone.found.descriptors();
        Some(gone)
    }

    /// Takes out what has been there for longer than `duration`.
    fn take_old(&mut self, duration: Duration) -> Vec<KeptFile> {
        let gone = self.entries.take_if(|entry| entry.opened.elapsed() >= duration);
        self.descriptors -= gone.iter().map(|entry| entry.found.descriptors()).sum::<usize>();
        gone
    }

    fn take_all(&mut self) -> Vec<KeptFile> {
        self.descriptors = 0;
        self.entries.take_all()
    }

    /// What a keeper is told its end by, if there is none and one is needed.
    fn engage_keeper(&mut self) -> Option<Receiver<()>> {
        if self.keeper.is_some() {
            return None;
        }
        let (sender, receiver) = mpsc::channel();
        self.keeper = Some(sender);
        Some(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::content::Content;
    use std::borrow::Cow;
    use std::fs::File;

    fn found() -> Arc<FoundFile> {
        found_in(tempfile::tempfile().expect("a file"))
    }

    fn found_in(file: File) -> Arc<FoundFile> {
        let content = Content::from_file(file).expect("a regular file");
        let media_type = Cow::Borrowed("a/b");
        Arc::new(FoundFile {
            content,
            media_type,
            cache_control: None,
            disposition: None,
            copies: Vec::new(),
            made: None,
            nosniff: false,
        })
    }

    fn assert_counted(files: &OpenFiles) -> usize {
        let table = files.kept.table.lock();
        let held: usize = table.entries.values().map(|entry| entry.found.descriptors()).sum();
        assert_eq!(held, table.descriptors);
        held
    }

    #[test]
    fn the_least_used_makes_room() {
        let files = OpenFiles::new(Duration::from_secs(3600), 2);
        for path in ["a", "b"] {
            files.keep(path.as_bytes(), &found());
        }
        assert!(files.get(b"a").is_some());
        files.keep(b"c", &found());
        assert_eq!(assert_counted(&files), 2);
        assert!(files.get(b"a").is_some() && files.get(b"b").is_none() && files.get(b"c").is_some());
        files.keep(b"c", &found());
        assert_eq!(assert_counted(&files), 2);
        files.clear();
        assert_eq!(assert_counted(&files), 0);
    }

    /// However many there are, and whoever uses them: what is looked at was used before, and no more than once for
    /// that.
    #[test]
    fn room_is_made_without_looking_at_all() {
        let files = OpenFiles::new(Duration::from_secs(3600), 1000);
        let found = found();
        let name = |number: usize| number.to_string().into_bytes();
        let mut uses = 0;
        for number in 0..10_000 {
            files.keep(&name(number), &found);
            if number % 3 == 0 {
                uses += usize::from(files.get(&name(number / 2)).is_some());
            }
        }
        assert_eq!(assert_counted(&files), 1000);
        assert!(uses > 100, "some are used: {uses}");
        let looks = files.kept.table.lock().entries.looks;
        assert!(looks <= 9000 + uses, "{looks} looks, {uses} uses");
    }

    #[test]
    fn nothing_is_kept_for_long_though_nobody_asks() {
        let files = OpenFiles::new(Duration::from_millis(20), 10);
        let first = found();
        files.keep(b"a", &first);
        while Arc::strong_count(&first) > 1 {
            std::thread::sleep(Duration::from_millis(5));
        }
        while files.kept.table.lock().keeper.is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(assert_counted(&files), 0);
        // And again.
        files.keep(b"a", &first);
        assert!(files.kept.table.lock().keeper.is_some());
        let kept = Arc::downgrade(&files.kept);
        drop(files);
        while kept.upgrade().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_was_written_to_is_not_kept() {
        let files = OpenFiles::new(Duration::from_secs(3600), 10);
        let file = tempfile::tempfile().expect("a file");
        let writer = file.try_clone().expect("a file");
        files.keep(b"a", &found_in(file));
        assert!(files.get(b"a").is_some());
        writer.set_len(5).expect("a longer file");
        assert!(files.get(b"a").is_none());
        assert_eq!(assert_counted(&files), 0);
    }
}

//! Open files that are kept for a while, by the paths they were asked for.
//!
//! The idea: what is kept is a descriptor and what was found out about it. Before each use the descriptor is asked
//! whether its file is still the same, so what is written to, renamed over or deleted is noticed at once; only what
//! appears or changes on the way to it (a link, a copy, an index) is noticed when the entry's time is over.
//!
//! The rules: descriptors are bounded in number; what is over is let go of by a thread that is there while anything is
//! kept. Files are closed outside of the lock.

use super::found::FoundFile;
use crate::util::coarse::CoarseInstant;
use parking_lot::Mutex;
use std::collections::HashMap;
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
    entries: HashMap<Box<[u8]>, KeptFile>,
    descriptors: usize,
    uses: u64,
    /// While there is a keeper. It ends when this is dropped.
    keeper: Option<Sender<()>>,
}

#[derive(Debug)]
struct KeptFile {
    found: Arc<FoundFile>,
    opened: CoarseInstant,
    /// The number of the last use.
    used: u64,
}

impl OpenFiles {
    pub(super) fn new(duration: Duration, most: usize) -> Self {
        Self { kept: Arc::new(KeptFiles { duration, most, table: Mutex::default() }) }
    }

    /// The file that was found at `path`, if that is not too long ago and nothing has happened to it since.
    pub(super) fn get(&self, path: &[u8]) -> Option<Arc<FoundFile>> {
        let found = {
            let mut table = self.kept.table.lock();
            let uses = table.uses + 1;
            let entry = table.entries.get_mut(path)?;
            entry.used = uses;
            let found = (entry.opened.elapsed() < self.kept.duration).then(|| entry.found.clone());
            table.uses = uses;
            found
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
            return;
        }
        let mut gone = Vec::new();
        {
            let mut table = self.kept.table.lock();
            gone.extend(table.remove(path));
            if table.descriptors + cost > self.kept.most {
                gone.extend(table.take_old(self.kept.duration));
            }
            while table.descriptors + cost > self.kept.most {
                let Some(oldest) = table.least_used() else { break };
                gone.extend(table.remove(&oldest));
            }
            if table.keeper.is_some() || self.start_keeper(&mut table) {
                table.uses += 1;
                let used = table.uses;
                let entry = KeptFile { found: found.clone(), opened: CoarseInstant::now(), used };
                table.entries.insert(path.into(), entry);
                table.descriptors += cost;
            }
        }
        drop(gone);
    }

    /// Lets go of everything.
    pub(super) fn clear(&self) {
        let gone = {
            let mut table = self.kept.table.lock();
            table.descriptors = 0;
            std::mem::take(&mut table.entries)
        };
        drop(gone);
    }

    fn start_keeper(&self, table: &mut KeptTable) -> bool {
        let (sender, receiver) = mpsc::channel();
        let kept = Arc::downgrade(&self.kept);
        // So that nothing is there for longer than one and a half times its duration.
        let pause = (self.kept.duration / 2).max(Duration::from_millis(1));
        let keeper = std::thread::Builder::new().name("anthill-files".to_owned());
        match keeper.spawn(move || keep_in_order(&kept, &receiver, pause)) {
            Ok(_) => {
                table.keeper = Some(sender);
                true
            }
            Err(error) => {
                log::warn!(
                    "open files are not kept, because no thread can be had to let go of them: {error}"
                );
                false
            }
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
            let is_empty = table.entries.is_empty();
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
    fn remove(&mut self, path: &[u8]) -> Option<KeptFile> {
        let gone = self.entries.remove(path)?;
        self.descriptors -= gone.found.descriptors();
        Some(gone)
    }

    /// Takes out what has been there for longer than `duration`.
    fn take_old(&mut self, duration: Duration) -> Vec<KeptFile> {
        let old: Vec<Box<[u8]>> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.opened.elapsed() >= duration)
            .map(|(path, _)| path.clone())
            .collect();
        old.iter().filter_map(|path| self.remove(path)).collect()
    }

    fn least_used(&self) -> Option<Box<[u8]>> {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        oldest.map(|(path, _)| path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::content::Content;
    use std::borrow::Cow;

    fn found() -> Arc<FoundFile> {
        let content = Content::from_file(tempfile::tempfile().expect("a file")).expect("a regular file");
        let media_type = Cow::Borrowed("a/b");
        Arc::new(FoundFile {
            content,
            media_type,
            cache_control: None,
            disposition: None,
            copies: Vec::new(),
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
        let content = Content::from_file(file).expect("a regular file");
        let media_type = Cow::Borrowed("a/b");
        let found = FoundFile {
            content,
            media_type,
            cache_control: None,
            disposition: None,
            copies: Vec::new(),
            nosniff: false,
        };
        files.keep(b"a", &Arc::new(found));
        assert!(files.get(b"a").is_some());
        writer.set_len(5).expect("a longer file");
        assert!(files.get(b"a").is_none());
        assert_eq!(assert_counted(&files), 0);
    }
}

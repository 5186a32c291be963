//! The pool's threads: their handles until somebody has joined them, and whether one of them is the cleaner.

use std::mem;

use super::Core;
use crate::sync::thread::{self, JoinHandle};

#[derive(Default)]
pub(super) struct Threads {
    /// Handles of all threads that nobody has joined yet.
    handles: Vec<JoinHandle<()>>,
    /// Handles that somebody took, or is about to bring: until then nobody must take the pool for one without threads.
    joining: usize,
    cleaner: CleanerStage,
}

/// Handles of the pool's threads are in somebody's hands; to be given back with [`Core::end_join`],
/// [`Core::thread_was_made`] or [`Core::cleaner_was_made`].
#[derive(Debug)]
#[must_use = "`wait` would wait for its end for ever"]
pub(crate) struct Joining(());

/// Whether there is a cleaner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CleanerStage {
    #[default]
    None,
    /// Its thread is being made, and may be refused; or has been made, and not begun.
    BeingMade,
    Alive,
}

/// How far a stopped pool has come.
pub(crate) enum Departure {
    /// Some worker or the cleaner is left, or somebody else joins threads.
    Pending,
    /// All threads have come to their end: join these.
    Join(Joining, Vec<JoinHandle<()>>),
    /// No thread is left.
    Over,
}

impl Threads {
    /// True when there is a cleaner, or one is being made.
    pub(super) fn has_cleaner(&self) -> bool {
        self.cleaner != CleanerStage::None
    }

    pub(super) fn keep(&mut self, handle: JoinHandle<()>) {
        self.handles.push(handle);
    }

    fn begin_join(&mut self) -> Joining {
        self.joining += 1;
        Joining(())
    }

    fn end_join(&mut self, joining: Joining) {
        let Joining(()) = joining;
        self.joining -= 1;
    }
}

impl<T> Core<T> {
    /// Takes the handles of threads that have come to their end, if there are any, so that they do not pile up. Joining
    /// one waits for no more than its thread-local destructors.
    pub(crate) fn begin_reaping(&mut self) -> Option<(Joining, Vec<JoinHandle<()>>)> {
        let alive = self.roster.workers() + usize::from(self.threads.has_cleaner());
        if self.threads.handles.len() <= alive {
            return None;
        }
        let (ended, alive): (Vec<_>, Vec<_>) =
            mem::take(&mut self.threads.handles).into_iter().partition(thread::is_finished);
        self.threads.handles = alive;
        (!ended.is_empty()).then(|| (self.threads.begin_join(), ended))
    }

    /// How far a stopped pool has come; the handles of all threads, once they only end.
    pub(crate) fn departure(&mut self) -> Departure {
        if self.open || self.roster.workers() > 0 || self.threads.has_cleaner() {
            return Departure::Pending;
        }
        let handles = mem::take(&mut self.threads.handles);
        if !handles.is_empty() {
            return Departure::Join(self.threads.begin_join(), handles);
        }
        if self.threads.joining > 0 { Departure::Pending } else { Departure::Over }
    }

    /// Threads were joined, but for these.
    pub(crate) fn end_join(&mut self, joining: Joining, alive: Vec<JoinHandle<()>>) {
        self.threads.end_join(joining);
        self.threads.handles.extend(alive);
    }

    /// A worker's thread is about to be made, and the worker may be gone again before its handle is brought.
    pub(crate) fn begin_thread(&mut self) -> Joining {
        self.threads.begin_join()
    }

    /// The worker's thread was made, or could not be made.
    pub(crate) fn thread_was_made(&mut self, joining: Joining, handle: Option<JoinHandle<()>>) {
        self.end_join(joining, handle.into_iter().collect());
    }

    /// Asks whether a cleaner is to be made: an open pool has something to look after, and none yet. Workers are looked
    /// after when they may `expire`.
    pub(crate) fn begin_cleaner(&mut self, expire: bool) -> Option<Joining> {
        if self.threads.has_cleaner() || !self.needs_cleaner(expire) {
            return None;
        }
        self.threads.cleaner = CleanerStage::BeingMade;
        Some(self.threads.begin_join())
    }

    /// The cleaner's thread was made, or could not be made.
    pub(crate) fn cleaner_was_made(&mut self, joining: Joining, handle: Option<JoinHandle<()>>) {
        self.threads.end_join(joining);
        match handle {
            // How far it has come it says itself: it may be here, and even have gone.
            Some(handle) => self.threads.keep(handle),
            None => self.threads.cleaner = CleanerStage::None,
        }
    }

    /// The cleaner's thread has begun.
    pub(crate) fn cleaner_begins(&mut self) {
        self.threads.cleaner = CleanerStage::Alive;
    }

    pub(crate) fn cleaner(&self) -> CleanerStage {
        self.threads.cleaner
    }

    /// True when the cleaner has nothing left to look after; it has gone by then.
    pub(crate) fn dismiss_cleaner(&mut self, expire: bool) -> bool {
        let is_over = !self.needs_cleaner(expire);
        if is_over {
            self.threads.cleaner = CleanerStage::None;
        }
        self.check();
        is_over
    }

    fn needs_cleaner(&self, expire: bool) -> bool {
        self.open && (self.agenda.is_in_use() || expire && self.roster.workers() > 0)
    }
}

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
    /// True while a cleaner exists or is being made.
    has_cleaner: bool,
}

/// Handles of the pool's threads are in somebody's hands; to be given back with [`Core::end_join`] or
/// [`Core::cleaner_was_made`].
#[derive(Debug)]
#[must_use = "`wait` would wait for its end for ever"]
pub(crate) struct Joining(());

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
        let alive = self.roster.workers() + usize::from(self.threads.has_cleaner);
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
        if self.open || self.roster.workers() > 0 || self.threads.has_cleaner {
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

    /// Asks whether a cleaner is to be made: there are workers in an open pool, and none yet.
    pub(crate) fn begin_cleaner(&mut self) -> Option<Joining> {
        if self.threads.has_cleaner || !self.open || self.roster.workers() == 0 {
            return None;
        }
        self.threads.has_cleaner = true;
        Some(self.threads.begin_join())
    }

    /// The cleaner's thread was made, or could not be made.
    pub(crate) fn cleaner_was_made(&mut self, joining: Joining, handle: Option<JoinHandle<()>>) {
        self.threads.end_join(joining);
        match handle {
            Some(handle) => self.threads.keep(handle),
            None => self.threads.has_cleaner = false,
        }
    }

    /// True when the cleaner has nothing left to watch; it has gone by then.
    pub(crate) fn dismiss_cleaner(&mut self) -> bool {
        let is_over = !self.open || self.roster.workers() == 0;
        if is_over {
            self.threads.has_cleaner = false;
        }
        is_over
    }
}

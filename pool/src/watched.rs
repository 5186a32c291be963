//! A lock whose state others wait for: until something happens in it, or until it has nothing left to do.
//!
//! Most of what happens concerns nobody, so those who wait are counted under the lock itself, and whoever unlocks
//! notifies only if there are any. That the state had nothing to do is a moment that may pass before anybody looks:
//! such moments are counted too, and a waiter that finds the count changed knows that there was one.
//!
//! The pool's core is such a state, and so is each share of a pool.

use crate::error::WaitError;
use crate::sync::{Condvar, Instant, Mutex, MutexGuard};

pub(crate) struct Watched<S> {
    state: Mutex<S>,
    /// Notified for the rare events that watchers wait for.
    events: Condvar,
}

/// What a watched state keeps for those who watch it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Threads that wait for an event right now.
    watchers: usize,
    /// How often the state had nothing left to do.
    idle_moments: u64,
}

/// A state that can be waited for.
pub(crate) trait Watchable {
    fn watch(&self) -> &Watch;
    fn watch_mut(&mut self) -> &mut Watch;

    /// True when there is nothing left to do.
    fn is_idle(&self) -> bool;

    /// Records an idle moment, if this is one. To be called after whatever can bring one about.
    fn note_idleness(&mut self) {
        if self.is_idle() {
            self.watch_mut().idle_moments += 1;
        }
    }

    /// True while some thread waits for an event.
    fn is_watched(&self) -> bool {
        self.watch().watchers > 0
    }
}

impl<S: Watchable> Watched<S> {
    pub(crate) fn new(state: S) -> Self {
        Watched { state: Mutex::new(state), events: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock()
    }

    /// Wakes everybody who watches.
    pub(crate) fn notify_watchers(&self) {
        self.events.notify_all();
    }

    /// Unlocks, and wakes those who watch, if there are any.
    pub(crate) fn unlock_and_notify(&self, state: MutexGuard<'_, S>) {
        let watched = state.is_watched();
        drop(state);
        if watched {
            self.notify_watchers();
        }
    }

    /// Sleeps until the next event; the flag is true when `deadline` passed.
    pub(crate) fn watch<'a>(
        &self,
        mut state: MutexGuard<'a, S>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, S>, bool) {
        state.watch_mut().watchers += 1;
        let (mut state, late) = match deadline {
            Some(deadline) => self.events.wait_until(state, deadline),
            None => (self.events.wait(state), false),
        };
        state.watch_mut().watchers -= 1;
        (state, late)
    }

    /// Waits until the state has nothing to do, or had nothing to do at some moment since the call.
    pub(crate) fn wait_idle(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let mut state = self.lock();
        let seen = state.watch().idle_moments;
        let mut late = false;
        loop {
            if state.is_idle() || state.watch().idle_moments != seen {
                return Ok(());
            }
            if late {
                return Err(WaitError::Timeout);
            }
            (state, late) = self.watch(state, deadline);
        }
    }
}

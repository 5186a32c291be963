//! Who listens to a hub.
//!
//! The rule: whoever sends to all of them holds the lock for a few at a time, so that others come and go meanwhile. Places
//! do not move: whoever was there before and stays is met exactly once.

use super::mailbox::{Mailbox, Outcome, WhenFull};
use super::sync::{Mutex, lock};
use crate::wire::wake::Waker;
use std::sync::Arc;

/// So many are sent to under one lock.
const AT_ONCE: usize = 128;

/// The mailboxes of a hub.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    state: Mutex<SubscribersState>,
}

#[derive(Debug, Default)]
struct SubscribersState {
    places: Vec<Option<Arc<Mailbox<Waker>>>>,
    vacant: Vec<usize>,
    is_closed: bool,
}

/// What came of an event for all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) queued: usize,
    pub(super) lost: u64,
}

impl Subscribers {
    /// Takes in a mailbox; says which place it has. `None`: nobody sends any more.
    pub(super) fn enter(&self, mailbox: &Arc<Mailbox<Waker>>) -> Option<usize> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return None;
        }
        if let Some(place) = state.vacant.pop() {
            state.places[place] = Some(mailbox.clone());
            return Some(place);
        }
        state.places.push(Some(mailbox.clone()));
        Some(state.places.len() - 1)
    }

    /// Forgets the mailbox at `place`.
    pub(super) fn leave(&self, place: usize) {
        let mut state = lock(&self.state);
        state.places[place] = None;
        state.vacant.push(place);
        if state.vacant.len() == state.places.len() {
            state.places = Vec::new();
            state.vacant = Vec::new();
        }
    }

    pub(super) fn count(&self) -> usize {
        let state = lock(&self.state);
        state.places.len() - state.vacant.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Posts `event` to everyone. `wakers` is memory that is used again.
    pub(super) fn post(
        &self,
        event: &Arc<[u8]>,
        room: usize,
        when_full: WhenFull,
        wakers: &mut Vec<Waker>,
    ) -> Tally {
        let mut tally = Tally::default();
        self.each(wakers, |mailbox| {
            let posted = mailbox.post(event, room, when_full);
            tally.queued += usize::from(posted.outcome == Outcome::Queued);
            tally.lost += posted.lost;
            posted.wakes
        });
        tally
    }

    /// Lets nobody in any more, and ends everyone's stream.
    pub(super) fn close(&self, wakers: &mut Vec<Waker>) {
        lock(&self.state).is_closed = true;
        self.each(wakers, |mailbox| mailbox.end());
    }

    /// Visits everyone who is there, and wakes those whose wakers are the answers.
    fn each(&self, wakers: &mut Vec<Waker>, mut visit: impl FnMut(&Mailbox<Waker>) -> Option<Waker>) {
        let mut next = 0;
        loop {
            let state = lock(&self.state);
            let end = state.places.len().min(next + AT_ONCE);
            let Some(places) = state.places.get(next..end).filter(|places| !places.is_empty()) else {
                return;
            };
            wakers.extend(places.iter().flatten().filter_map(|mailbox| visit(mailbox)));
            drop(state);
            next = end;
            for waker in wakers.drain(..) {
                waker.wake();
            }
        }
    }
}

//! Who is told what is sent to many.
//!
//! The rule: whoever sends to all of them holds the lock for a few at a time, so that others come and go meanwhile.
//! Places do not move: whoever was there before and stays is met exactly once.

use crate::wire::sync::{Mutex, lock};
use crate::wire::wake::Waker;
use std::sync::Arc;

/// So many are visited under one lock.
const AT_ONCE: usize = 128;

/// The members; see the module's text.
#[derive(Debug)]
pub(crate) struct MemberList<M> {
    state: Mutex<MemberListState<M>>,
}

#[derive(Debug)]
struct MemberListState<M> {
    places: Vec<Option<Arc<M>>>,
    vacant: Vec<usize>,
    is_closed: bool,
}

impl<M> Default for MemberList<M> {
    fn default() -> Self {
        let state = MemberListState { places: Vec::new(), vacant: Vec::new(), is_closed: false };
        Self { state: Mutex::new(state) }
    }
}

impl<M> MemberList<M> {
    /// Takes one in; says which place it has. `None`: nobody sends any more.
    pub(crate) fn enter(&self, member: &Arc<M>) -> Option<usize> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return None;
        }
        if let Some(place) = state.vacant.pop() {
            state.places[place] = Some(member.clone());
            return Some(place);
        }
        state.places.push(Some(member.clone()));
        Some(state.places.len() - 1)
    }

    /// Forgets who is at `place`.
    pub(crate) fn leave(&self, place: usize) {
        let mut state = lock(&self.state);
        let gone = state.places[place].take();
        state.vacant.push(place);
        if state.vacant.len() == state.places.len() {
            state.places = Vec::new();
            state.vacant = Vec::new();
        }
        drop(state);
        drop(gone);
    }

    pub(crate) fn count(&self) -> usize {
        let state = lock(&self.state);
        state.places.len() - state.vacant.len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
    }

    /// Visits everyone who is there, and wakes those whose wakers are the answers. `wakers` is memory that is used
    /// again.
    pub(crate) fn each(&self, wakers: &mut Vec<Waker>, mut visit: impl FnMut(&M) -> Option<Waker>) {
        let mut next = 0;
        loop {
            let state = lock(&self.state);
            let end = state.places.len().min(next + AT_ONCE);
            let Some(places) = state.places.get(next..end).filter(|places| !places.is_empty()) else {
                return;
            };
            wakers.extend(places.iter().flatten().filter_map(|member| visit(member)));
            drop(state);
            next = end;
            for waker in wakers.drain(..) {
                waker.wake();
            }
        }
    }
}

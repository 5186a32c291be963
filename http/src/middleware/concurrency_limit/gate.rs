//! Places, and who waits for one.
//!
//! The rule: a place that comes free is taken by somebody who waits, if anybody does; whoever comes later stands
//! behind.

use crate::ctx::{RequestCtx, ServerDue};
#[cfg(feature = "testing")]
use crate::util::test_clock::FollowsClock;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "testing")]
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Gate {
    places: usize,
    waiting_max: usize,
    pub(super) patience: Duration,
    pub(super) retry_after: Duration,
    state: Mutex<GateState>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    taken: usize,
    waiting: usize,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct GatePlace(Arc<Gate>);

impl Drop for GatePlace {
    fn drop(&mut self) {
        self.0.state.lock().taken -= 1;
        self.0.freed.notify_one();
    }
}

impl Gate {
    pub(super) fn new(places: usize, patience: Duration, waiting_max: usize, retry_after: Duration) -> Self {
        let (state, freed) = (Mutex::default(), Condvar::new());
        Self { places, waiting_max, patience, retry_after, state, freed }
    }

    pub(super) fn taken(&self) -> usize {
        self.state.lock().taken
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// A place for the request in `ctx`, if there is one within that time.
    pub(super) fn enter(self: &Arc<Self>, patience: Duration, ctx: &RequestCtx) -> Option<GatePlace> {
        let mut state = self.state.lock();
        if state.taken >= self.places || state.waiting > 0 {
            if patience.is_zero() || state.waiting >= self.waiting_max {
                return None;
            }
            let until = ctx.due_in(patience);
            #[cfg(feature = "testing")]
            let _told = until.as_ref().and_then(|until| until.tell(MovedGate(self.clone())));
            state.waiting += 1;
            loop {
                match &until {
                    Some(until) => _ = self.freed.wait_until(&mut state, until.at()),
                    None => self.freed.wait(&mut state),
                }
                // Whoever is late may have been told of a place.
                if state.taken < self.places || until.as_ref().is_some_and(ServerDue::has_come) {
                    break;
                }
            }
            state.waiting -= 1;
            if state.taken >= self.places {
                return None;
            }
        }
        state.taken += 1;
        if state.waiting > 0 && state.taken < self.places {
            // More than one place has come free before whoever was told of the first was here.
            self.freed.notify_one();
        }
        Some(GatePlace(self.clone()))
    }
}

/// A gate at which somebody waits by the clock of a test.
#[cfg(feature = "testing")]
struct MovedGate(Arc<Gate>);

#[cfg(feature = "testing")]
impl FollowsClock for MovedGate {
    /// Whoever waits is a handler that runs, for which the server says so.
    fn rests(&self, _: Option<Instant>) -> (bool, usize) {
        (true, 0)
    }

    fn look_again(&self) {
        // Whoever holds the lock has not looked at the clock yet, or waits already.
        let _state = self.0.state.lock();
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::{mem, thread};

    #[test]
    fn places_that_come_free_at_once_are_all_given() {
        let gate = Arc::new(Gate::new(2, Duration::ZERO, 9, Duration::ZERO));
        let places = [(); 2].map(|()| gate.enter(Duration::ZERO, &RequestCtx::default()).expect("a place"));
        let (entered, enters) = channel();
        for _ in 0..2 {
            let (gate, entered) = (gate.clone(), entered.clone());
            // For ever, so that nobody finds the place by being late.
            thread::spawn(move || {
                entered.send(gate.enter(Duration::MAX, &RequestCtx::default()).map(mem::forget))
            });
        }
        while gate.waiting() < 2 {
            thread::yield_now();
        }
        // Both are free, and of the one who came behind that nobody was told.
        let mut state = gate.state.lock();
        places.into_iter().for_each(mem::forget);
        state.taken = 0;
        gate.freed.notify_one();
        drop(state);
        for _ in 0..2 {
            assert_eq!(enters.recv_timeout(Duration::from_secs(10)), Ok(Some(())), "a place is not given");
        }
        assert_eq!((gate.taken(), gate.waiting()), (2, 0));
    }
}

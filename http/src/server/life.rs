//! Where in its life a server is: before its first connection, serving, ending, or between two lives.
//!
//! ```text
//!  Fresh ── let_in ──▶ Serving ── begin ──▶ Ending ── is_over, all ended ──▶ Ended ──┐
//!    │                    ▲                                                          │
//!    │ begin              └────────────────────── let_in ────────────────────────────┘
//!    ▼
//!  Cancelled: for good
//! ```
//!
//! The rule: whoever serves is let in first, and whoever shuts down says so first, both under one lock; so a shutdown
//! ends everybody who was let in before it, and nobody is let in behind it.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A server's life; see the module's text.
#[derive(Debug, Default)]
pub(super) struct Life {
    state: Mutex<LifeState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LifeState {
    phase: LifePhase,
    /// Shutdowns under way.
    shutdowns: usize,
    /// One of them has found that nobody serves any more.
    all_ended: bool,
    /// Listeners are being closed, or were.
    stops: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LifePhase {
    #[default]
    Fresh,
    Serving,
    Ending,
    Ended,
    Cancelled,
}

/// Whether somebody may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Open,
    /// A shutdown came before there was anything to serve: there never will be.
    Cancelled,
    /// A shutdown is under way, or has left something behind.
    Ending,
}

/// What a shutdown finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Somebody serves. `is_first`: nobody else has begun to shut down.
    End { is_first: bool },
    /// Nobody ever did, and nobody will.
    Cancel,
    /// Nobody does.
    Nothing,
}

impl Life {
    /// Somebody is about to serve.
    pub(super) fn let_in(&self) -> Entry {
        let mut state = self.state.lock();
        match state.phase {
            LifePhase::Fresh | LifePhase::Serving | LifePhase::Ended => {
                state.phase = LifePhase::Serving;
                Entry::Open
            }
            LifePhase::Ending => Entry::Ending,
            LifePhase::Cancelled => Entry::Cancelled,
        }
    }

    /// A shutdown begins; [`is_over`](Self::is_over) has to follow.
    pub(super) fn begin(&self) -> Task {
        let mut state = self.state.lock();
        state.shutdowns += 1;
        match state.phase {
            LifePhase::Fresh | LifePhase::Cancelled => {
                state.phase = LifePhase::Cancelled;
                Task::Cancel
            }
            LifePhase::Ended => Task::Nothing,
            LifePhase::Serving => {
                state.phase = LifePhase::Ending;
                Task::End { is_first: true }
            }
            LifePhase::Ending => Task::End { is_first: false },
        }
    }

    /// Waits, within a shutdown that has `begun`, until `delay` has passed or another shutdown has gone on.
    pub(super) fn wait_announced(&self, begun: Instant, delay: Duration) {
        let mut state = self.state.lock();
        let until = begun.checked_add(delay);
        while !state.stops {
            match until {
                None => self.changed.wait(&mut state),
                Some(until) => {
                    if self.changed.wait_until(&mut state, until).timed_out() {
                        break;
                    }
                }
            }
        }
        state.stops = true;
        self.changed.notify_all();
    }

    /// A shutdown is over. `all_ended`: nobody serves any more, which stays so, whatever others found that looked
    /// before. `open_again` is called when it was the last one and somebody may serve again, before anybody does.
    pub(super) fn is_over(&self, all_ended: bool, open_again: impl FnOnce()) {
        let mut state = self.state.lock();
        state.shutdowns -= 1;
        state.all_ended |= all_ended && state.phase == LifePhase::Ending;
        if state.shutdowns == 0 && state.all_ended {
            open_again();
            *state = LifeState { phase: LifePhase::Ended, ..LifeState::default() };
        }
        self.changed.notify_all();
    }

    /// Waits, when what was served has been told to end, for the end of all shutdowns that are under way. False:
    /// something is left.
    pub(super) fn wait_over(&self) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.shutdowns > 0);
        state.phase != LifePhase::Ending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_that_comes_first_is_kept() {
        let life = Life::default();
        assert_eq!(life.begin(), Task::Cancel);
        life.is_over(true, || panic!("nobody served"));
        assert_eq!((life.let_in(), life.begin()), (Entry::Cancelled, Task::Cancel));
        life.is_over(true, || panic!("nobody served"));
        assert_eq!(life.let_in(), Entry::Cancelled);
        assert!(life.wait_over());
    }

    #[test]
    fn one_life_after_the_other() {
        let life = Life::default();
        for _ in 0..2 {
            assert_eq!([life.let_in(), life.let_in()], [Entry::Open; 2]);
            assert_eq!(life.begin(), Task::End { is_first: true });
            assert_eq!((life.begin(), life.let_in()), (Task::End { is_first: false }, Entry::Ending));
            // One that has given up leaves everything as it is.
            life.is_over(false, || panic!("another one is under way"));
            life.is_over(false, || panic!("something is left"));
            assert!(!life.wait_over());
            assert_eq!((life.let_in(), life.begin()), (Entry::Ending, Task::End { is_first: false }));
            let mut is_open = false;
            life.is_over(true, || is_open = true);
            assert!(is_open && life.wait_over());
            // What one has found to have ended does so also for one that gave up before.
            assert_eq!((life.let_in(), life.begin()), (Entry::Open, Task::End { is_first: true }));
            assert_eq!(life.begin(), Task::End { is_first: false });
            life.is_over(true, || panic!("another one is under way"));
            let mut is_open = false;
            life.is_over(false, || is_open = true);
            assert!(is_open && life.wait_over());
            // With nothing to end, nothing is kept.
            assert_eq!(life.begin(), Task::Nothing);
            life.is_over(true, || panic!("nobody served"));
        }
    }

    #[test]
    fn whoever_goes_on_ends_the_delay_for_all() {
        let life = Life::default();
        let (_, _) = (life.let_in(), life.begin());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| life.wait_announced(Instant::now(), Duration::MAX));
            life.wait_announced(Instant::now(), Duration::ZERO);
            waiter.join().expect("the delay is over");
        });
    }
}

//! The server's clock as a time that only goes forward, and moments of it until which somebody waits.
//!
//! The idea: it goes as the system's does, so moments are the system's. Only a test may have moved it ahead; so a
//! moment is told anew each time, and whoever waits for one is woken when the clock is moved.
//!
//! The rule: whatever waits or counts here for longer than a moment asks this, or [`RequestCtx::time`], and never the
//! system. Else a test could not tell what happens in an hour.

use super::RequestCtx;
#[cfg(feature = "testing")]
use crate::util::test_clock::{FollowsClock, TestClock};
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A moment of the server's clock.
#[derive(Clone, Debug)]
pub(crate) struct ServerDue {
    /// By a clock that is as far ahead as that of the test can be.
    at: Instant,
    /// That of a test.
    #[cfg(feature = "testing")]
    clock: Option<TestClock>,
}

impl ServerDue {
    /// When it is, by the system's clock; as far as a test has moved the server's until now.
    pub(crate) fn at(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return self.at.checked_sub(clock.ahead()).unwrap_or(self.at);
        }
        self.at
    }

    /// Whether it has come.
    pub(crate) fn has_come(&self) -> bool {
        Instant::now() >= self.at()
    }

    /// The earlier one.
    pub(super) fn or_before(self, other: Option<&Self>) -> Self {
        match other {
            Some(other) if other.at < self.at => other.clone(),
            _ => self,
        }
    }

    /// Whether a test may move it.
    #[cfg(feature = "testing")]
    pub(super) fn is_of_test(&self) -> bool {
        self.clock.is_some()
    }

    /// Has somebody who waits for it told when a test has moved the clock, as long as he keeps what this gives.
    #[cfg(feature = "testing")]
    #[must_use = "nobody is told any more when it is dropped"]
    pub(crate) fn tell<F: FollowsClock + 'static>(&self, follower: F) -> Option<Arc<dyn FollowsClock>> {
        let clock = self.clock.as_ref()?;
        let follower: Arc<dyn FollowsClock> = Arc::new(follower);
        clock.tell(Arc::downgrade(&follower));
        Some(follower)
    }
}

/// The server's clock; without a server the system's.
impl RequestCtx {
    /// What it shows.
    pub(crate) fn instant(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = self.test_clock() {
            return clock.now();
        }
        Instant::now()
    }

    /// The moment when so much time has passed. `None`: that is beyond all time.
    pub(crate) fn due_in(&self, limit: Duration) -> Option<ServerDue> {
        #[cfg(feature = "testing")]
        let clock = self.test_clock().cloned();
        #[cfg(feature = "testing")]
        let limit = clock.as_ref().map_or(limit, |clock| limit.saturating_add(clock.ahead()));
        let at = Instant::now().checked_add(limit)?;
        Some(ServerDue {
            at,
            #[cfg(feature = "testing")]
            clock,
        })
    }
}

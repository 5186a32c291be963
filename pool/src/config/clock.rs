//! Where a pool reads the time from: the system, or a clock that a test moves by hand.

use crate::sync::Instant;

#[cfg(not(anthill_loom))]
pub(crate) use manual::Expire;
#[cfg(not(anthill_loom))]
pub use manual::ManualClock;

#[derive(Clone, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    // In models time is an argument already.
    #[cfg(not(anthill_loom))]
    Manual(ManualClock),
}

impl Clock {
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Clock::System => Instant::now(),
            #[cfg(not(anthill_loom))]
            Clock::Manual(clock) => clock.now(),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        !matches!(self, Clock::System)
    }
}

#[cfg(not(anthill_loom))]
mod manual {
    use std::fmt;
    use std::time::Duration;

    use crate::sync::{Arc, Instant, Mutex, Weak};

    /// A clock for tests that stands still until it is moved; given to a pool by
    /// [`WorkerPoolBuilder::clock`](crate::WorkerPoolBuilder::clock).
    ///
    /// It decides how long workers have been idle, how old queued payloads are, what times are measured, and when what
    /// was scheduled ([`after`](crate::TaskPool::after), [`every`](crate::TaskPool::every)) is due. Limits of waiting
    /// (`submit_timeout`, `wait_timeout`) stay in real time, because a thread really waits there. A pool with a manual
    /// clock has no cleaner thread: [`advance`](Self::advance) lets its workers go itself, and submits what is due. A
    /// clone is the same clock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{ManualClock, WorkerPool};
    ///
    /// let clock = ManualClock::new();
    /// let pool = WorkerPool::builder()
    ///     .max_idle_worker_duration(Duration::from_secs(3600))
    ///     .clock(&clock)
    ///     .build(|_: u8| {})?;
    /// pool.submit(1)?;
    /// pool.wait_idle()?;
    /// clock.advance(Duration::from_secs(3599));
    /// assert_eq!(pool.running(), 1);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(pool.running(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone)]
    pub struct ManualClock {
        state: Arc<Mutex<ClockState>>,
    }

    struct ClockState {
        now: Instant,
        pools: Vec<Weak<dyn Expire>>,
    }

    /// A pool, as its clock sees it.
    pub(crate) trait Expire: Send + Sync {
        /// The time has moved.
        fn time_moved(self: Arc<Self>);
    }

    impl ManualClock {
        /// A clock that begins now.
        #[must_use]
        pub fn new() -> Self {
            ManualClock { state: Arc::new(Mutex::new(ClockState { now: Instant::now(), pools: Vec::new() })) }
        }

        /// Moves the clock forward; when this returns, every worker that is due by then has been let go (its thread may
        /// still be ending), and what was scheduled for until then has been submitted.
        ///
        /// # Panics
        /// When the time would be too far ahead to be represented.
        pub fn advance(&self, by: Duration) {
            let mut state = self.state.lock();
            let moved = state.now.checked_add(by);
            state.now = moved.expect("a time that can be represented");
            state.pools.retain(|pool| pool.strong_count() > 0);
            let pools: Vec<_> = state.pools.iter().filter_map(Weak::upgrade).collect();
            // A pool looks at the clock under its own lock.
            drop(state);
            for pool in pools {
                pool.time_moved();
            }
        }

        /// What the clock shows.
        pub fn now(&self) -> Instant {
            self.state.lock().now
        }

        pub(crate) fn subscribe(&self, pool: Weak<dyn Expire>) {
            self.state.lock().pools.push(pool);
        }
    }

    impl Default for ManualClock {
        fn default() -> Self {
            Self::new()
        }
    }

    impl fmt::Debug for ManualClock {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("ManualClock").field("now", &self.now()).finish_non_exhaustive()
        }
    }
}

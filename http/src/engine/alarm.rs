//! The monitor's sleep: it may sleep as long as nobody is inside a handler, and must not a moment longer.
//!
//! The classic pair of flags: a driver *first* publishes that it is inside a handler and *then* looks whether the
//! monitor sleeps; the monitor *first* says that it sleeps and *then* looks whether somebody is inside. With a full
//! fence between the two steps on both sides at least one of them sees the other, so no handler runs unwatched.

use crate::engine::sync::{AtomicBool, Condvar, Instant, Mutex, Ordering, fence, lock, wait_until};

/// Wakes a sleeping monitor.
#[derive(Debug)]
pub(crate) struct Alarm {
    asleep: AtomicBool,
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Alarm { asleep: AtomicBool::new(false), rung: Mutex::new(false), condvar: Condvar::new() }
    }

    /// To be called after publishing something the monitor has to watch. Costs a fence and a load while it is awake.
    pub(crate) fn rouse(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    /// Wakes the monitor, or keeps its next sleep from happening.
    #[cold]
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.condvar.notify_one();
    }

    /// Sleeps until roused, or until `deadline`; not at all when `anything_to_watch` says so once the sleep is
    /// announced.
    pub(crate) fn sleep_unless(&self, anything_to_watch: impl FnOnce() -> bool, deadline: Option<Instant>) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !anything_to_watch() {
            let mut rung = lock(&self.rung);
            let mut is_late = false;
            while !*rung && !is_late {
                (rung, is_late) = wait_until(&self.condvar, rung, deadline);
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
        *lock(&self.rung) = false;
    }
}

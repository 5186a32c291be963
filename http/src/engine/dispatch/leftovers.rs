//! What users gave us, and what no driver may drop for now: dropping is the user's code, too, and may block. So is what
//! observers are told of connections that have ended.
//!
//! The rule: whoever may block drops it before it takes anything else up, and a driver does when it may run such code
//! again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Leftovers {
    things: Mutex<VecDeque<Box<dyn Send>>>,
    /// How many there are, for a look without the lock.
    count: AtomicUsize,
}

impl Leftovers {
    /// Leaves it to somebody else.
    pub(crate) fn leave(&self, thing: Box<dyn Send>) {
        let mut things = self.things.lock();
        things.push_back(thing);
        self.count.store(things.len(), Ordering::Relaxed);
    }

    /// Whether there are none, as far as can be seen without the lock.
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Takes the first, for the caller to drop it.
    #[inline]
    pub(crate) fn take(&self) -> Option<Box<dyn Send>> {
        if self.are_none() {
            return None;
        }
        let mut things = self.things.lock();
        let thing = things.pop_front();
        self.count.store(things.len(), Ordering::Relaxed);
        thing
    }
}

impl fmt::Debug for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftovers").field("count", &self.count).finish_non_exhaustive()
    }
}

//! How whoever serves a connection is told that there is something to send, while it waits for nothing but that.
//!
//! The rule: what tells knows nothing of the one that is told, and may outlive it.

use std::fmt;
use std::sync::Weak;

/// Somebody who serves connections and can be told to go on with one of them.
pub(crate) trait Wakes: Send + Sync {
    /// Goes on with the connection of this number, if there still is one. Waits for nobody.
    fn wake(&self, number: usize);

    /// The same, when its peer has ended its sending.
    fn wake_ended(&self, number: usize) {
        self.wake(number);
    }
}

/// Has one connection served again; see the module's text.
#[derive(Clone)]
pub(crate) struct Waker {
    whom: Weak<dyn Wakes>,
    number: usize,
}

impl Waker {
    /// One for the connection that `whom` knows by this number.
    pub(crate) fn new(whom: Weak<dyn Wakes>, number: usize) -> Self {
        Self { whom, number }
    }

    /// Has the connection served again.
    pub(crate) fn wake(&self) {
        if let Some(whom) = self.whom.upgrade() {
            whom.wake(self.number);
        }
    }

    /// The same, when the connection's peer has ended its sending.
    pub(crate) fn wake_ended(&self) {
        if let Some(whom) = self.whom.upgrade() {
            whom.wake_ended(self.number);
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("number", &self.number).finish_non_exhaustive()
    }
}

//! A thread that waits for the source of a response it sends.

use crate::wire::wake::Wakes;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// Where one thread waits until it is woken; see the module's text.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Parker {
    /// Waits until somebody has woken this since it waited last. False: `limit` passed first.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> bool {
        let mut is_woken = self.is_woken.lock();
        match limit {
            Some(limit) => {
                self.woken.wait_while_for(&mut is_woken, |is_woken| !*is_woken, limit);
            }
            None => self.woken.wait_while(&mut is_woken, |is_woken| !*is_woken),
        }
        std::mem::take(&mut is_woken)
    }

    /// Wakes the thread that waits, or that will.
    pub(crate) fn unpark(&self) {
        *self.is_woken.lock() = true;
        self.woken.notify_one();
    }
}

impl Wakes for Parker {
    fn wake(&self, _: usize) {
        self.unpark();
    }
}

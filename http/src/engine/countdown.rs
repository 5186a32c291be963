//! Waiting for the last of several threads: each counts itself off, and exactly one of them learns that it was the
//! last.

use crate::engine::sync::{Condvar, Instant, Mutex, lock, wait_until};

/// How many are left, and who waits for there to be none.
#[derive(Debug)]
pub(crate) struct Countdown {
    left: Mutex<usize>,
    over: Condvar,
}

impl Countdown {
    pub(crate) fn new(count: usize) -> Self {
        Countdown { left: Mutex::new(count), over: Condvar::new() }
    }

    /// `count` of those that are left have ended, or will never begin. True for the one caller that counted off the
    /// last: what has to be done once in the end is the caller's, and not of those who wait, because perhaps nobody
    /// does.
    #[must_use]
    pub(crate) fn count_off(&self, count: usize) -> bool {
        let mut left = lock(&self.left);
        *left -= count;
        let is_over = *left == 0;
        drop(left);
        if is_over {
            self.over.notify_all();
        }
        is_over
    }

    /// Nobody is left.
    pub(crate) fn is_over(&self) -> bool {
        *lock(&self.left) == 0
    }

    /// Waits until nobody is left. False: `deadline` came first.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut left = lock(&self.left);
        let mut is_late = false;
        while *left > 0 {
            if is_late {
                return false;
            }
            (left, is_late) = wait_until(&self.over, left, deadline);
        }
        true
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_limit_is_kept_and_the_truth_is_told() {
        let countdown = Countdown::new(3);
        assert!(!countdown.wait(Some(Instant::now())), "three are left");
        assert!(!countdown.count_off(2));
        let begun = Instant::now();
        assert!(!countdown.wait(Some(begun + Duration::from_millis(5))));
        assert!(begun.elapsed() >= Duration::from_millis(5));
        assert!(!countdown.is_over());
        assert!(countdown.count_off(1), "the last");
        assert!(countdown.wait(Some(begun)), "nobody is left, so a deadline that has passed does not count");
        assert!(countdown.wait(None));
    }
}

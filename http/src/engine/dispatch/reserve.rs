//! Threads in reserve: each waits for nothing but a shard to take over.
//!
//! A system can refuse a thread at any moment. A shard whose driver has blocked by then could not be taken over by
//! anybody, so threads for that are made when the engine starts, and stay. They are called when the pool has no worker
//! to give; whoever comes free then joins the reserve, until it is complete again.
//!
//! The rule for drivers, who look without the lock: with as many in reserve as there are drivers, each of them may run
//! code that blocks. (From the moment when one fewer is left no driver begins any more, and each of those who have
//! begun needs one: its shard's next driver has come out of this reserve, so it knows.)

use std::collections::VecDeque;

use crate::engine::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock, wait};

/// Threads that wait for an order.
#[derive(Debug)]
pub(crate) struct Reserve<T> {
    /// How many there are to be.
    size: usize,
    orders: Mutex<Orders<T>>,
    changed: Condvar,
    /// Those who wait, or are on their way, and have no order; for a look without the lock.
    standing: AtomicUsize,
}

#[derive(Debug)]
struct Orders<T> {
    given: VecDeque<T>,
    /// As `standing`.
    standing: usize,
    is_dismissed: bool,
}

impl<T> Reserve<T> {
    pub(crate) fn new(size: usize) -> Self {
        let orders = Orders { given: VecDeque::new(), standing: 0, is_dismissed: false };
        Reserve { size, orders: Mutex::new(orders), changed: Condvar::new(), standing: AtomicUsize::new(0) }
    }

    /// How many have no order.
    #[inline]
    pub(crate) fn standing(&self) -> usize {
        self.standing.load(Ordering::Relaxed)
    }

    /// All are there that are to be.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.standing() >= self.size
    }

    /// Counts one more in, if one is missing: it has to come to [`Reserve::stand`], or is counted out by
    /// [`Reserve::call_off`].
    #[must_use]
    pub(crate) fn expect_one(&self) -> bool {
        let mut orders = lock(&self.orders);
        let is_missing = orders.standing < self.size && !orders.is_dismissed;
        if is_missing {
            self.count(&mut orders, true);
        }
        is_missing
    }

    /// One that was counted in does not come.
    pub(crate) fn call_off(&self) {
        self.count(&mut lock(&self.orders), false);
    }

    /// Has one of them do this. False: all have something to do.
    #[must_use]
    pub(crate) fn order(&self, order: T) -> bool {
        let mut orders = lock(&self.orders);
        if orders.standing == 0 || orders.is_dismissed {
            return false;
        }
        self.count(&mut orders, false);
        orders.given.push_back(order);
        drop(orders);
        self.changed.notify_one();
        true
    }

    /// Waits for an order, as one that was counted in; `None`: there will be none any more.
    pub(crate) fn stand(&self) -> Option<T> {
        let mut orders = lock(&self.orders);
        loop {
            if orders.is_dismissed {
                return None;
            }
            if let Some(order) = orders.given.pop_front() {
                return Some(order);
            }
            orders = wait(&self.changed, orders);
        }
    }

    /// Does what is ordered, as one that was counted in, until an order was of use, as `does` says. Whoever was called
    /// in vain is in reserve again before anything else, unless all are there.
    pub(crate) fn stand_by(&self, mut does: impl FnMut(T) -> bool) {
        while let Some(order) = self.stand() {
            if does(order) || !self.expect_one() {
                return;
            }
        }
    }

    /// Nothing will be ordered any more.
    pub(crate) fn dismiss(&self) {
        let mut orders = lock(&self.orders);
        orders.is_dismissed = true;
        // What they were to take over has ended.
        orders.given.clear();
        drop(orders);
        self.changed.notify_all();
    }

    fn count(&self, orders: &mut Orders<T>, is_one_more: bool) {
        if is_one_more {
            orders.standing += 1;
        } else {
            orders.standing -= 1;
        }
        self.standing.store(orders.standing, Ordering::Relaxed);
    }
}

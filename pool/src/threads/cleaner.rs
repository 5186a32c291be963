//! The cleaner: lets workers go that have not been used for a while.
//!
//! It acts on the ready stack only. Which workers have to leave is decided under the core's lock, by binary search; they
//! are told after it is released. A cleaner exists while there are workers, and sleeps until the least recently used one
//! is due; a pool without workers has no thread at all.

use std::time::Duration;

use super::join::reap;
use super::shared::Shared;
use crate::core::{Order, Seat};
use crate::sync::Instant;

/// The cleaner does not look more often than this, however short the limit.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The cleaner thread's body.
pub(crate) fn live<T>(shared: &Shared<T>, limit: Duration) {
    let mut leaving = Vec::new();
    loop {
        let now = Instant::now();
        expire(shared, now, limit, &mut leaving);
        reap(shared);
        let mut core = shared.core.lock();
        if core.dismiss_cleaner() {
            shared.core.unlock_and_notify(core);
            return;
        }
        match core.next_expiry(now, limit) {
            Some(due) => {
                let due = due.max(now.checked_add(SHORTEST_SLEEP).unwrap_or(now));
                drop(shared.cleaner_condvar.wait_until(core, due));
            }
            None => drop(shared.cleaner_condvar.wait(core)),
        }
    }
}

/// Lets every worker go that at `now` has been idle for `limit` or longer.
pub(crate) fn expire<T>(shared: &Shared<T>, now: Instant, limit: Duration, leaving: &mut Vec<Seat<T>>) {
    let Some(cutoff) = now.checked_sub(limit) else { return };
    let mut core = shared.core.lock();
    core.expire(cutoff, leaving);
    shared.core.unlock_and_notify(core);
    for seat in leaving.drain(..) {
        seat.give(Order::Leave);
    }
}

//! The cleaner: lets workers go that have not been used for a while, and submits what was put on the agenda.
//!
//! Of workers it acts on the ready stack only. Which ones have to leave is decided under the core's lock, by binary
//! search; they are told after it is released. A cleaner exists while there are workers or an agenda, and sleeps until
//! the least recently used worker, or the next entry, is due; a pool without both has no thread at all.

use std::time::Duration;

use super::join::reap;
use super::shared::Shared;
use crate::core::{Order, Seat};
use crate::sync::{Arc, Instant};

/// The cleaner does not look at workers more often than this, however short the limit.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The cleaner thread's body. Workers are let go after `limit`, if there is one.
pub(crate) fn live<T>(shared: &Arc<Shared<T>>, limit: Option<Duration>) {
    let mut core = shared.core.lock();
    core.cleaner_begins();
    shared.core.unlock_and_notify(core);
    let mut leaving = Vec::new();
    loop {
        let now = Instant::now();
        if let Some(limit) = limit {
            expire(shared, now, limit, &mut leaving);
        }
        reap(shared);
        (shared.submit_due)(shared, now);
        let mut core = shared.core.lock();
        if core.dismiss_cleaner(limit.is_some()) {
            shared.core.unlock_and_notify(core);
            return;
        }
        let expiry = limit.and_then(|limit| core.next_expiry(now, limit));
        let expiry = expiry.map(|due| due.max(now.checked_add(SHORTEST_SLEEP).unwrap_or(now)));
        match [expiry, core.next_due()].into_iter().flatten().min() {
            Some(due) => drop(shared.cleaner_condvar.wait_until(core, due)),
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

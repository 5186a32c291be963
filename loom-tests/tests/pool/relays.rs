//! Held-back wake-ups: while one worker is on its way to a queue, further payloads are queued although others are idle;
//! the one on its way wakes the next.
//!
//! Each scene begins with idle workers. Payloads that wait for each other show that none is left behind: the pool must
//! bring as many workers to them as there are, without a stop to wake everybody.

use std::sync::Arc;

use anthill_pool::WorkerPool;
use anthill_pool::internal::Instant;

use crate::handlers::{all_wait_for, one_waits_for};
use crate::ledger::{Ledger, Payload};
use crate::scene::{LIMIT, close, expiring, explore, pool_of, settle, wait_for_all};
use crate::support::Preemptions::AtMost;

/// The pool with so many idle workers.
fn rested(pool: WorkerPool<Payload>, workers: usize) -> WorkerPool<Payload> {
    pool.prestart(workers).unwrap();
    pool.wait_idle().unwrap();
    pool
}

/// Submits so many payloads, none of which waits for a worker to come free.
#[track_caller]
fn submit_at_once(pool: &WorkerPool<Payload>, ledger: &Arc<Ledger>, payloads: usize) {
    for _ in 0..payloads {
        assert!(settle(pool.try_submit(ledger.payload())), "refused beside an idle worker");
    }
}

/// The second payload is queued while the first one's worker is on its way, and the first one waits for it: the other
/// worker is woken.
#[test]
fn second_payload_meets_worker_on_its_way() {
    explore("relay", AtMost(2), |ledger| {
        let pool = rested(pool_of(2, 2, one_waits_for(0, 1)), 2);
        submit_at_once(&pool, ledger, 2);
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// Three payloads, of which two wait for the third, and three idle workers: the one that was woken by another one wakes
/// the next.
#[test]
fn relayed_worker_relays() {
    explore("relay on", AtMost(1), |ledger| {
        let pool = rested(pool_of(3, 2, all_wait_for(0..2, 2)), 3);
        submit_at_once(&pool, ledger, 3);
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// The queue is full before the worker on its way has come: the next payload is not refused but wakes the second
/// worker, who then looks at the queue.
#[test]
fn full_queue_meets_worker_on_its_way() {
    explore("relay full", AtMost(2), |ledger| {
        let pool = rested(pool_of(2, 1, one_waits_for(0, 1)), 2);
        submit_at_once(&pool, ledger, 3);
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// The pool is stopped before the worker on its way has come: the one that was left asleep is needed to drain the
/// queue.
#[test]
fn stop_meets_worker_on_its_way() {
    explore("relay stop", AtMost(2), |ledger| {
        let pool = rested(pool_of(2, 2, one_waits_for(0, 1)), 2);
        submit_at_once(&pool, ledger, 2);
        let stats = close(pool, ledger);
        assert_eq!(stats.finished, 2);
    });
}

/// `stop_now` meets the same: what no worker has taken comes back, and those that were woken for it leave.
#[test]
fn stop_now_meets_worker_on_its_way() {
    explore("relay stop_now", AtMost(2), |ledger| {
        let pool = rested(pool_of(2, 2, Payload::run), 2);
        submit_at_once(&pool, ledger, 2);
        pool.stop_now().into_iter().for_each(Payload::hand_back);
        let now = pool.stats();
        assert!(now.workers == now.busy + now.idle, "counts after stop_now: {now:?}");
        close(pool, ledger);
    });
}

/// The cleaner comes while a payload is queued beside a worker that is idle for long: it is about to be woken, and is
/// not let go.
#[test]
fn expiry_meets_worker_on_its_way() {
    explore("relay expiry", AtMost(1), |ledger| {
        let pool = rested(expiring(2, 2, one_waits_for(0, 1)), 2);
        submit_at_once(&pool, ledger, 2);
        pool.expire(Instant::at(LIMIT));
        wait_for_all(&pool, ledger);
        close(pool, ledger);
    });
}

/// The cap is lowered before the worker on its way has come: the one left asleep goes, and the other runs both.
#[test]
fn lowering_meets_worker_on_its_way() {
    explore("relay resize", AtMost(2), |ledger| {
        let pool = rested(pool_of(2, 2, Payload::run), 2);
        submit_at_once(&pool, ledger, 2);
        pool.set_max_workers(1).unwrap();
        wait_for_all(&pool, ledger);
        assert_eq!(pool.running(), 1, "workers after the lowering");
        close(pool, ledger);
    });
}

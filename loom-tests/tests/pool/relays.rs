//! Held-back wake-ups: while one worker is on its way to a queue, further payloads are queued although others are idle;
//! the one on its way wakes the next.
//!
//! Each scene begins with idle workers. Payloads that wait for each other show that none is left behind: the pool must
//! bring as many workers to them as there are, without a stop to wake everybody.

use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::internal::Instant;

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, Ledger, Payload, close, explore, one_waits_for, settle};

const LIMIT: Duration = Duration::from_secs(1);

/// A pool with that many idle workers, all of which stay.
fn rested(
    workers: usize,
    queue: usize,
    handler: impl Fn(Payload) + Send + Sync + 'static,
) -> WorkerPool<Payload> {
    let builder =
        WorkerPool::builder().max_workers(workers).queue_capacity(queue).max_idle_worker_duration(None);
    let pool = builder.build(handler).unwrap();
    pool.prestart(workers).unwrap();
    pool.wait_idle().unwrap();
    pool
}

/// The second payload is queued while the first one's worker is on its way, and the first one waits for it: the other
/// worker is woken.
#[test]
fn second_payload_meets_worker_on_its_way() {
    explore("relay", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = rested(2, 2, one_waits_for(0, 1));
        for _ in 0..2 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 2, "a payload was left behind: {} of 2 ran", ledger.ran());
        close(pool, &ledger);
    });
}

/// Three payloads, of which two wait for the third, and three idle workers: the one that was woken by another one wakes
/// the next.
#[test]
fn relayed_worker_relays() {
    explore("relay on", AtMost(1), || {
        let ledger = Ledger::new();
        let gate = Gate::closed();
        let handler = move |payload: Payload| {
            if payload.number == 2 {
                gate.open();
            } else {
                gate.pass();
            }
            payload.run();
        };
        let pool = rested(3, 2, handler);
        for _ in 0..3 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 3, "a payload was left behind: {} of 3 ran", ledger.ran());
        close(pool, &ledger);
    });
}

/// The queue is full before the worker on its way has come: the next payload is not refused but wakes the second worker,
/// who then looks at the queue.
#[test]
fn full_queue_meets_worker_on_its_way() {
    explore("relay full", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = rested(2, 1, one_waits_for(0, 1));
        for _ in 0..3 {
            assert!(settle(pool.try_submit(ledger.payload())), "refused beside an idle worker");
        }
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 3, "a payload was left behind: {} of 3 ran", ledger.ran());
        close(pool, &ledger);
    });
}

/// The pool is stopped before the worker on its way has come: the one that was left asleep is needed to drain the queue.
#[test]
fn stop_meets_worker_on_its_way() {
    explore("relay stop", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = rested(2, 2, one_waits_for(0, 1));
        for _ in 0..2 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        let stats = close(pool, &ledger);
        assert_eq!(stats.finished, 2);
    });
}

/// `stop_now` meets the same: what no worker has taken comes back, and those that were woken for it leave.
#[test]
fn stop_now_meets_worker_on_its_way() {
    explore("relay stop_now", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = rested(2, 2, Payload::run);
        for _ in 0..2 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        pool.stop_now().into_iter().for_each(Payload::hand_back);
        let now = pool.stats();
        assert!(now.workers == now.busy + now.idle, "counts after stop_now: {now:?}");
        close(pool, &ledger);
    });
}

/// The cleaner comes while a payload is queued beside a worker that is idle for long: it is about to be woken, and is
/// not let go.
#[test]
fn expiry_meets_worker_on_its_way() {
    explore("relay expiry", AtMost(1), || {
        let ledger = Ledger::new();
        let pool = WorkerPool::builder()
            .max_workers(2)
            .queue_capacity(2)
            .max_idle_worker_duration(LIMIT)
            .build(one_waits_for(0, 1))
            .unwrap();
        pool.prestart(2).unwrap();
        pool.wait_idle().unwrap();
        for _ in 0..2 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        pool.expire(Instant::at(LIMIT));
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 2, "a payload was left behind: {} of 2 ran", ledger.ran());
        close(pool, &ledger);
    });
}

/// The cap is lowered before the worker on its way has come: the one left asleep goes, and the other runs both.
#[test]
fn lowering_meets_worker_on_its_way() {
    explore("relay resize", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = rested(2, 2, Payload::run);
        for _ in 0..2 {
            assert!(settle(pool.try_submit(ledger.payload())));
        }
        pool.set_max_workers(1).unwrap();
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 2, "a payload was left behind: {} of 2 ran", ledger.ran());
        assert_eq!(pool.running(), 1, "workers after the lowering");
        close(pool, &ledger);
    });
}

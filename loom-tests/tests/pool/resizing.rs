//! A cap that moves, against submitters, queued payloads and idle workers.

use anthill_pool::WorkerPool;
use loom::thread;

use crate::support::Preemptions::AtMost;
use crate::support::{Ledger, Payload, close, counting, explore, one_waits_for, settle};

fn pool(
    workers: usize,
    queue: usize,
    handler: impl Fn(Payload) + Send + Sync + 'static,
) -> WorkerPool<Payload> {
    WorkerPool::builder()
        .max_workers(workers)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .build(handler)
        .unwrap()
}

/// The only worker is held until the second payload runs, whose submitter is blocked, about to be, or not there yet
/// when the cap is raised: it gets a worker of its own.
#[test]
fn l16_raise_meets_blocked_submitter() {
    explore("l16", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = pool(1, 0, one_waits_for(0, 1));
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.submit(payload))))
        };
        pool.set_max_workers(2).unwrap();
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.spawned), (2, 2));
    });
}

/// The same with a payload in the queue, for which nobody waits.
#[test]
fn l16_raise_meets_queued_payload() {
    explore("l16 queue", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = pool(1, 1, one_waits_for(0, 1));
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.try_submit(payload))))
        };
        pool.set_max_workers(2).unwrap();
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.spawned), (2, 2));
    });
}

/// Two workers are idle, one of which must go, while one payload comes before or after the lowering and another one
/// after it: the two never run together.
#[test]
fn l17_lowering_meets_idle_workers() {
    explore("l17", AtMost(2), || {
        let ledger = Ledger::new();
        let (handler, most) = counting(0);
        let pool = pool(2, 0, handler);
        assert_eq!(pool.prestart(2).unwrap(), 2);
        pool.wait_idle().unwrap();
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.submit(payload))))
        };
        pool.set_max_workers(1).unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        let workers = pool.running();
        close(pool, &ledger);
        assert!(most() == 1, "{} payloads ran at a time above a cap of 1", most());
        assert_eq!(workers, 1, "workers after the lowering");
    });
}

/// Both workers are busy or just going idle: the one that comes free first leaves, and what is submitted after the
/// lowering is left to the other.
#[test]
fn l17_lowering_meets_busy_workers() {
    explore("l17 busy", AtMost(2), || {
        let ledger = Ledger::new();
        let (handler, most) = counting(2);
        let pool = pool(2, 0, handler);
        for _ in 0..2 {
            assert!(settle(pool.submit(ledger.payload())));
        }
        pool.set_max_workers(1).unwrap();
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.submit(payload))))
        };
        assert!(settle(pool.submit(ledger.payload())));
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        let workers = pool.running();
        close(pool, &ledger);
        assert!(most() == 1, "{} payloads ran at a time above a cap of 1", most());
        assert_eq!(workers, 1, "workers after the lowering");
    });
}

/// The cap goes down and up again while payloads come, of which the last two need two workers at a time: the count
/// follows, and nobody waits for a worker that left.
#[test]
fn l18_lowering_and_raising_meet_submissions() {
    explore("l18", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = pool(2, 0, one_waits_for(1, 2));
        assert!(settle(pool.submit(ledger.payload())));
        let resizer = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.set_max_workers(1).unwrap();
                pool.set_max_workers(2).unwrap();
            })
        };
        for _ in 0..2 {
            assert!(settle(pool.submit(ledger.payload())));
        }
        resizer.join().unwrap();
        pool.wait_idle().unwrap();
        let now = pool.stats();
        assert!(now.workers <= 2 && now.idle == now.workers, "the count follows the cap: {now:?}");
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.peak_workers), (3, 2));
    });
}

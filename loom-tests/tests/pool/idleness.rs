//! What `wait_idle` promises: it never returns early, and it always returns.

use anthill_pool::{SubmitError, WorkerPool};
use loom::thread;

use crate::support::Preemptions::AtMost;
use crate::support::{Ledger, Payload, close, explore, settle};

/// In two waves, with another submitter between them: `wait_idle` returns, and not before what was accepted before
/// the call has run.
#[test]
fn l29_wait_idle_meets_submissions() {
    explore("l29", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .max_idle_worker_duration(None)
            .build(Payload::run)
            .unwrap();
        let other = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.submit(payload))))
        };
        for mine in 1..=2 {
            assert!(settle(pool.submit(ledger.payload())));
            pool.wait_idle().unwrap();
            assert!(ledger.ran() >= mine, "wait_idle returned early: {} of {mine} ran", ledger.ran());
        }
        other.join().unwrap();
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 3, "wait_idle returned early: {} of 3 ran", ledger.ran());
        close(pool, &ledger);
    });
}

/// A blocked submitter whom a stop sends home does not keep the pool from being idle, whenever it looks; the last worker
/// that leaves makes it so.
#[test]
fn l29_wait_idle_meets_submitter_sent_home() {
    explore("l29 home", AtMost(3), || {
        let ledger = Ledger::new();
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(Payload::run).unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || {
                let outcome = pool.submit(payload);
                assert!(matches!(outcome, Ok(()) | Err(SubmitError::Closed(_))));
                settle(outcome);
            })
        };
        pool.stop();
        pool.wait_idle().unwrap();
        submitter.join().unwrap();
        close(pool, &ledger);
    });
}

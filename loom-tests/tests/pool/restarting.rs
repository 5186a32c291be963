//! Restarts against what is left of the pool's former life.

use std::time::Duration;

use anthill_pool::{SubmitError, WorkerPool};
use loom::thread;

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, Ledger, Lives, Payload, close, explore, settle};

/// The pool is opened again while its worker still runs, goes idle, was told to leave, or has left: that worker either
/// stays and counts, or leaves and does not; and never does it lower the count of those after it.
#[test]
fn l15_restart_meets_finishing_worker() {
    explore("l15", AtMost(3), || {
        let ledger = Ledger::new();
        let lives = Lives::new();
        let (starting, ending) = (lives.clone(), lives.clone());
        let pool = WorkerPool::builder()
            .max_workers(1)
            .max_idle_worker_duration(None)
            .on_worker_start(move |_| starting.start())
            .on_worker_stop(move |_| ending.end())
            .build(Payload::run)
            .unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        pool.stop();
        pool.restart();
        assert!(settle(pool.submit(ledger.payload())), "refused after the restart");
        pool.wait_idle().unwrap();
        let now = pool.stats();
        assert!((now.workers, now.idle) == (1, 1), "one worker is idle: {now:?}");
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.peak_workers), (2, 1));
        lives.check(stats.spawned as usize);
    });
}

/// A blocked submitter is turned away by a stop, and the pool is open again before it looks: it is turned away all the
/// same, and does not wait for a worker that may be gone.
#[test]
fn l15_restart_meets_submitter_turned_away() {
    explore("l15 turned away", AtMost(3), || {
        let ledger = Ledger::new();
        let gate = Gate::closed();
        let pool = {
            let gate = gate.clone();
            let handler = move |payload: Payload| {
                gate.pass();
                payload.run();
            };
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(handler).unwrap()
        };
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || {
                let outcome = pool.submit(payload);
                assert!(matches!(outcome, Err(SubmitError::Closed(_))), "it was turned away");
                settle(outcome);
            })
        };
        while pool.waiting() == 0 {
            thread::yield_now();
        }
        pool.stop();
        pool.restart();
        // The worker is held until here, so nobody could serve it.
        submitter.join().unwrap();
        gate.open();
        let stats = close(pool, &ledger);
        assert_eq!((stats.finished, stats.rejected), (1, 1));
    });
}

/// One thread stops, another one opens again, a payload comes at any time between: it is run or comes back, whoever is
/// last; and nothing is left over for the final stop.
#[test]
fn l15_restart_meets_stop_and_submission() {
    explore("l15 between", AtMost(2), || {
        let ledger = Ledger::new();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .max_idle_worker_duration(None)
            .build(Payload::run)
            .unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.stop();
                pool.restart();
            })
        };
        let accepted = usize::from(settle(pool.submit(ledger.payload())));
        other.join().unwrap();
        assert!(settle(pool.submit(ledger.payload())), "refused after the restart");
        pool.wait_idle().unwrap();
        assert!(ledger.ran() == 2 + accepted, "a payload was left behind: {} ran", ledger.ran());
        let stats = close(pool, &ledger);
        assert_eq!(stats.peak_workers, 1);
    });
}

/// The pool is opened again while its cleaner is told to end, ends, or has ended: there is one cleaner afterwards and
/// not two, so that the next stop ends it.
#[test]
fn l35_restart_meets_the_cleaners_end() {
    explore("l35 restart", AtMost(2), || {
        let ledger = Ledger::new();
        let alive = std::sync::Arc::new(());
        let pool = {
            let alive = alive.clone();
            WorkerPool::builder()
                .max_workers(1)
                .max_idle_worker_duration(Duration::from_secs(1))
                .build(move |payload: Payload| {
                    let _held_by_the_handler = &alive;
                    payload.run();
                })
                .unwrap()
        };
        assert!(settle(pool.submit(ledger.payload())));
        pool.stop();
        pool.restart();
        assert!(settle(pool.submit(ledger.payload())), "refused after the restart");
        close(pool, &ledger);
        let holders = std::sync::Arc::strong_count(&alive) - 1;
        assert!(holders == 0, "a thread of the pool outlived wait");
    });
}

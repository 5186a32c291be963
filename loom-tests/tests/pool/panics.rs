//! Panics of payloads, hooks and panic handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anthill_pool::{WhenFull, WorkerPool};

use crate::ledger::Payload;
use crate::scene::{accepted, close, explore, pool_of, stopped, submit, submitter};
use crate::support::Preemptions::{Any, AtMost};
use crate::support::planned_panic;

fn run_and_panic_at_first(payload: Payload) {
    let number = payload.number;
    payload.run();
    if number == 0 {
        planned_panic();
    }
}

/// The only worker's payload panics while a submitter waits for that worker: it is served.
#[test]
fn l19_panic_with_a_submitter_waiting() {
    explore("l19", AtMost(3), |ledger| {
        let pool = pool_of(1, 0, run_and_panic_at_first);
        submit(&pool, ledger, 1);
        submitter(&pool, ledger, accepted).join().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.panicked, stats.spawned), (2, 1, 1));
    });
}

/// A payload panics while the pool is being stopped: what is queued behind it still runs, and `wait` returns.
#[test]
fn l20_panic_meets_stop() {
    explore("l20", Any, |ledger| {
        let pool = pool_of(1, 1, run_and_panic_at_first);
        submit(&pool, ledger, 2);
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.panicked), (2, 1));
    });
}

/// Start hook, stop hook and panic handler panic: the worker does its work and leaves in order all the same.
#[test]
fn l21_panicking_hooks() {
    explore("l21", Any, |ledger| {
        let pool = WorkerPool::builder()
            .max_workers(1)
            .max_idle_worker_duration(None)
            .on_worker_start(|_| planned_panic())
            .on_worker_stop(|_| planned_panic())
            .on_panic(|_| planned_panic())
            .build(run_and_panic_at_first)
            .unwrap();
        submit(&pool, ledger, 2);
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.panicked, stats.spawned), (2, 1, 1));
    });
}

/// A payload whose drop panics when it was not run.
struct Explosive(Option<Payload>);

impl Drop for Explosive {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            payload.discard();
            planned_panic();
        }
    }
}

/// The worker takes a queued payload while another one displaces it: it runs, or is dropped; and a drop that panics
/// harms neither the submitter nor the pool's lock.
#[test]
fn l22_displaced_payload_panics_in_its_drop() {
    explore("l22", Any, |ledger| {
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .when_full(WhenFull::DiscardOldest)
            .max_idle_worker_duration(None)
            .build(|mut explosive: Explosive| explosive.0.take().unwrap().run())
            .unwrap();
        let mut accepted = 0;
        for _ in 0..3 {
            let submit = || pool.submit(Explosive(Some(ledger.payload()))).is_ok();
            accepted += u64::from(catch_unwind(AssertUnwindSafe(submit)).is_ok_and(|accepted| accepted));
        }
        let stats = stopped(pool);
        ledger.check_with(&stats);
        assert_eq!(stats.panicked, 0);
        assert!(
            accepted == 3 && stats.accepted == 3,
            "a payload's panic reached a submitter: {accepted} of 3"
        );
    });
}

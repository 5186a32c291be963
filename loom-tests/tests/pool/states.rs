//! Workers with a state of their own, which cannot always be made.

use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{SubmitError, WorkerPool, WorkerPoolBuilder};

use crate::ledger::Payload;
use crate::scene::{accepted, close, either_way, explore, settle, stopped, submit, submitter};
use crate::support::Preemptions::AtMost;
use crate::support::planned_panic;

/// A pool of one worker whose attempts to make a state fail where `failing` says so, counted from 0; payload number 0
/// panics if `panics`.
fn stateful(queue: usize, failing: fn(usize) -> bool, panics: bool) -> WorkerPool<Payload> {
    let builder: WorkerPoolBuilder<Payload> = WorkerPool::builder();
    let made = AtomicUsize::new(0);
    builder
        .max_workers(1)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .on_discard(|payload: Payload, _| payload.discard())
        .build_with_state(
            move |_| if failing(made.fetch_add(1, Ordering::Relaxed)) { Err("no state") } else { Ok(()) },
            move |(), payload: Payload| {
                let number = payload.number;
                payload.run();
                if panics && number == 0 {
                    planned_panic();
                }
            },
        )
        .unwrap()
}

/// The first worker's state cannot be made while a second payload waits for that worker to come to be: the first
/// payload comes back (unless the second's worker is there already), and the second gets a worker that can.
#[test]
fn failed_state_meets_waiting_payload() {
    explore("state", AtMost(2), |ledger| {
        let pool = stateful(1, |attempt| attempt == 0, false);
        let given = |pool: &WorkerPool<Payload>, payload| {
            let outcome = pool.submit(payload);
            assert!(matches!(outcome, Ok(()) | Err(SubmitError::StateFailed(..))));
            usize::from(settle(outcome))
        };
        let other = submitter(&pool, ledger, given);
        let accepted = given(&pool, ledger.payload()) + other.join().unwrap();
        assert!(accepted >= 1, "the second worker's state could be made");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned, stats.peak_workers), (accepted as u64, 1, 1));
    });
}

/// The pool is stopped while a worker makes its state: the payload that it was made for runs or comes back, and whoever
/// waits for the end of the pool waits for that worker's thread too, whether its state could be made or not.
#[test]
fn state_being_made_meets_stop() {
    for fails in [false, true] {
        explore("state stop", AtMost(3), move |ledger| {
            let pool = stateful(0, if fails { |_| true } else { |_| false }, false);
            let submitter = submitter(&pool, ledger, either_way);
            pool.stop();
            pool.wait().unwrap();
            let accepted = submitter.join().unwrap();
            assert!(!(fails && accepted), "accepted for a worker that never was");
            let stats = close(pool, ledger);
            assert_eq!(stats.finished, u64::from(accepted));
        });
    }
}

/// The last worker loses its state and cannot make a new one: what is queued is discarded, and a blocked submitter
/// makes a worker of its own.
#[test]
fn lost_state_meets_queue_and_submitter() {
    explore("state lost", AtMost(2), |ledger| {
        let pool = stateful(1, |attempt| attempt == 1, true);
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.panicked, stats.finished + stats.discarded), (1, 3));
    });
}

/// The same with nobody else who could make a worker for what is queued.
#[test]
fn lost_state_meets_queue() {
    explore("state queue", AtMost(3), |ledger| {
        let pool = stateful(1, |attempt| attempt == 1, true);
        submit(&pool, ledger, 2);
        pool.wait_idle().unwrap();
        let stats = close(pool, ledger);
        assert_eq!((stats.panicked, stats.finished + stats.discarded), (1, 2));
    });
}

/// What a payload of the nested scene does.
enum Act {
    Submit(WorkerPool<Act>),
    Panic,
    Nothing,
}

/// A worker waits for another one, which loses its state and leaves: the first one is served before, or told
/// that nobody will come.
#[test]
fn lost_state_meets_nested_submission() {
    explore("state nested", AtMost(2), |_| {
        let made = AtomicUsize::new(0);
        let pool = WorkerPool::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .build_with_state(
                move |_| if made.fetch_add(1, Ordering::Relaxed) == 2 { Err("no state") } else { Ok(()) },
                |(), act: Act| match act {
                    Act::Submit(pool) => match pool.submit(Act::Nothing) {
                        Ok(()) | Err(SubmitError::WouldDeadlock(_)) => {}
                        // Contained by the worker, but counted.
                        Err(_) => planned_panic(),
                    },
                    Act::Panic => planned_panic(),
                    Act::Nothing => {}
                },
            )
            .unwrap();
        pool.submit(Act::Submit(pool.clone())).unwrap();
        pool.submit(Act::Panic).unwrap();
        pool.wait_idle().unwrap();
        let stats = stopped(pool);
        assert_eq!((stats.panicked, stats.accepted), (1, stats.finished), "panicked, accepted: {stats:?}");
    });
}

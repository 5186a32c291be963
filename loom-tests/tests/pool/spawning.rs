//! Threads that are being made, and threads that are refused.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{SubmitError, WorkerPool};

use crate::handlers::held_at;
use crate::ledger::Payload;
use crate::scene::{accepted, close, either_way, explore, pool_of, settle, submit, submitter};
use crate::support::Preemptions::{Any, AtMost};
use crate::support::{Gate, beside, planned_panic};

/// What the system says to the n-th wish for a thread.
#[derive(Clone, Copy)]
enum Answer {
    Made,
    Refused,
    Panic,
}

/// A pool whose threads are answered for in turn, the last answer for ever.
fn answered(workers: usize, queue: usize, answers: &'static [Answer]) -> WorkerPool<Payload> {
    let asked = AtomicUsize::new(0);
    WorkerPool::builder()
        .max_workers(workers)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .spawner(move |new| match answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)] {
            Answer::Made => new.spawn(),
            Answer::Refused => Err(io::Error::other("refused")),
            Answer::Panic => planned_panic(),
        })
        .build(Payload::run)
        .unwrap()
}

/// No thread can be had: both submitters get their payload back, also the one that first waits for the outcome of the
/// other's attempt; no slot stays taken.
#[test]
fn l23_all_threads_refused() {
    explore("l23", AtMost(3), |ledger| {
        let pool = answered(2, 1, &[Answer::Refused]);
        let refused = |pool: &WorkerPool<Payload>, payload| {
            let outcome = pool.submit(payload);
            assert!(matches!(outcome, Err(SubmitError::SpawnFailed(..))));
            settle(outcome);
        };
        let other = submitter(&pool, ledger, refused);
        refused(&pool, ledger.payload());
        other.join().unwrap();
        assert_eq!(pool.running(), 0, "slots taken without a thread");
        let stats = close(pool, ledger);
        assert_eq!((stats.rejected, stats.spawned), (2, 0));
    });
}

/// A second thread is refused, but there is a worker: the payload waits for it, and nobody sees an error.
#[test]
fn l24_thread_refused_beside_a_worker() {
    explore("l24", AtMost(2), |ledger| {
        let pool = answered(2, 0, &[Answer::Made, Answer::Refused]);
        submit(&pool, ledger, 1);
        let other = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        other.join().unwrap();
        assert_eq!(pool.running(), 1, "slots taken without a thread");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (3, 1));
    });
}

/// A payload that comes while the first thread is being made is not queued behind a worker that may never be: the
/// thread is refused, and the payload's own submitter makes the next one.
#[test]
fn l23_queueing_meets_refused_thread() {
    explore("l23 queue", AtMost(3), |ledger| {
        let pool = answered(1, 1, &[Answer::Refused, Answer::Made]);
        let other = submitter(&pool, ledger, either_way);
        let mine = either_way(&pool, ledger.payload());
        let accepted = usize::from(mine) + usize::from(other.join().unwrap());
        assert!(accepted >= 1, "the second thread could be made");
        let stats = close(pool, ledger);
        assert_eq!(stats.finished as usize, accepted);
    });
}

/// A payload that comes while the first thread is being made is queued as soon as it is made, not only when that
/// worker comes free.
#[test]
fn l08_queueing_meets_thread_being_made() {
    explore("l08 queue", AtMost(3), |ledger| {
        let gate = Gate::closed();
        let pool = pool_of(1, 1, held_at(&gate, ..));
        let other = submitter(&pool, ledger, accepted);
        submit(&pool, ledger, 1);
        other.join().unwrap();
        gate.open();
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (2, 1));
    });
}

/// A stop comes while a thread is asked for and refused: the payload comes back, and `wait` returns.
#[test]
fn l08_stop_meets_refused_thread() {
    explore("l08 refused", Any, |ledger| {
        let pool = answered(1, 0, &[Answer::Refused]);
        let submitter = submitter(&pool, ledger, |pool, payload| {
            let outcome = pool.submit(payload);
            assert!(matches!(outcome, Err(SubmitError::Closed(_) | SubmitError::SpawnFailed(..))));
            settle(outcome);
        });
        pool.stop();
        pool.wait().unwrap();
        submitter.join().unwrap();
        close(pool, ledger);
    });
}

/// A spawner that panics is a thread refused: its slot does not stay taken, and the next payload gets a thread.
#[test]
fn l21_panicking_spawner_gives_the_slot_back() {
    explore("l21 spawner", AtMost(3), |ledger| {
        let pool = answered(1, 0, &[Answer::Panic, Answer::Made]);
        let other = submitter(&pool, ledger, either_way);
        let mine = either_way(&pool, ledger.payload());
        let accepted = u64::from(mine) + u64::from(other.join().unwrap());
        assert!(accepted >= 1, "the second thread could be made");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (accepted, 1));
    });
}

/// A worker that is made before it is needed counts as room from the moment it surely lives: a payload that comes while
/// its thread is being made, starts, or looks for work is not refused.
#[test]
fn submission_meets_prestart() {
    explore("prestart", AtMost(3), |ledger| {
        let pool = answered(1, 0, &[Answer::Made]);
        let other = beside(&pool, |pool| pool.prestart(1).unwrap());
        assert!(settle(pool.try_submit(ledger.payload())), "refused beside a worker without work");
        let made = other.join().unwrap();
        pool.wait_idle().unwrap();
        let now = pool.stats();
        assert!((now.workers, now.idle) == (1, 1), "one worker is idle: {now:?}");
        let stats = close(pool, ledger);
        assert_eq!((stats.finished, stats.spawned), (1, 1));
        assert!(made <= 1);
    });
}

/// The thread of a worker that is made in advance is refused, while a payload waits for it to come to be: the payload's
/// own submitter tries again.
#[test]
fn submission_meets_refused_prestart() {
    explore("prestart refused", AtMost(3), |ledger| {
        let pool = answered(1, 0, &[Answer::Refused, Answer::Made]);
        let other = beside(&pool, |pool| pool.prestart(1).is_ok_and(|made| made == 1));
        let outcome = pool.submit(ledger.payload());
        assert!(matches!(outcome, Ok(()) | Err(SubmitError::SpawnFailed(..))));
        let accepted = settle(outcome);
        let made = other.join().unwrap();
        pool.wait_idle().unwrap();
        let now = pool.stats();
        let there = usize::from(accepted || made);
        assert!((now.workers, now.idle) == (there, there), "idle are as many as were made: {now:?}");
        close(pool, ledger);
    });
}

//! The cleaner against submissions, stops and itself.
//!
//! Time is an argument: `expire` does what the cleaner does at that moment. A pool that expires has a cleaner's thread
//! all the same (it sleeps, as no time passes), and loom has room for five threads, so where a second worker would
//! bring a second cleaner too, its thread is refused instead.

use std::time::Duration;

use anthill_pool::internal::Instant;
use anthill_pool::{SubmitError, WorkerPool};

use crate::handlers::held_by_threads;
use crate::ledger::Payload;
use crate::scene::{
    LIMIT, Lives, close, either_way, expiring, explore, refused_beyond, settle, submit, submitter,
};
use crate::support::Preemptions::AtMost;
use crate::support::beside;

/// A pool of one worker, whose threads are counted and beyond so many refused.
fn counted(threads: usize, lives: &Lives) -> WorkerPool<Payload> {
    let builder = WorkerPool::builder().max_workers(1).max_idle_worker_duration(LIMIT);
    lives.of(builder).spawner(refused_beyond(threads)).build(Payload::run).unwrap()
}

/// The same idle worker is wanted by a submission and by the cleaner: one of them gets it, and it gets one order.
#[test]
fn l04_submission_meets_expiry() {
    explore("l04", AtMost(2), |ledger| {
        let lives = Lives::new();
        let pool = counted(1, &lives);
        submit(&pool, ledger, 1);
        pool.wait_idle().unwrap();
        let cleaner = beside(&pool, |pool| pool.expire(Instant::at(LIMIT)));
        let outcome = pool.try_submit(ledger.payload());
        let refused = matches!(outcome, Err(SubmitError::SpawnFailed(..)));
        assert!(settle(outcome) || refused, "with the worker gone a new thread is tried");
        cleaner.join().unwrap();
        let stats = close(pool, ledger);
        assert!(!refused || stats.expired == 1, "refused although the worker was there");
        lives.check(1);
    });
}

/// A worker let go by the cleaner gives its slot back at once, not when its thread has ended: the next payload is
/// not refused as if the pool were full.
#[test]
fn l06_submission_meets_retiring_worker() {
    explore("l06", AtMost(2), |ledger| {
        let lives = Lives::new();
        let pool = counted(2, &lives);
        submit(&pool, ledger, 1);
        pool.wait_idle().unwrap();
        pool.expire(Instant::at(LIMIT));
        assert_eq!(pool.running(), 0, "workers after all have expired");
        assert!(settle(pool.try_submit(ledger.payload())), "refused while a worker retires");
        let stats = close(pool, ledger);
        assert_eq!((stats.peak_workers, stats.spawned, stats.expired), (1, 2, 1));
        lives.check(2);
    });
}

/// A worker that was used within the limit stays. All moments are the origin here; where the cut falls between many is
/// checked by the ready stack's own property test.
#[test]
fn l04_expiry_spares_the_recently_used() {
    explore("l04 spares", AtMost(2), |ledger| {
        let lives = Lives::new();
        let pool = counted(1, &lives);
        submit(&pool, ledger, 1);
        let cleaner = beside(&pool, |pool| pool.expire(Instant::at(LIMIT - Duration::from_nanos(1))));
        assert!(settle(pool.submit(ledger.payload())), "the worker was let go too early");
        cleaner.join().unwrap();
        let stats = close(pool, ledger);
        assert!(stats.expired == 0, "the worker was let go too early");
    });
}

/// The same idle worker is told to leave by the cleaner or by the stop, once; `wait` joins it in both cases.
#[test]
fn l35_expiry_meets_stop() {
    explore("l35 expiry", AtMost(2), |ledger| {
        let lives = Lives::new();
        let pool = counted(1, &lives);
        submit(&pool, ledger, 1);
        let cleaner = beside(&pool, |pool| pool.expire(Instant::at(LIMIT)));
        pool.stop();
        pool.wait().unwrap();
        lives.check(1);
        cleaner.join().unwrap();
        close(pool, ledger);
    });
}

/// A stop comes while the cleaner's thread is being made, starts, sleeps or ends by itself: `wait` joins it.
#[test]
fn l35_cleaner_meets_stop() {
    explore("l35", AtMost(3), |ledger| {
        let (handler, holders) = held_by_threads();
        let pool = expiring(1, 0, handler);
        let submitter = submitter(&pool, ledger, either_way);
        pool.stop();
        pool.wait().unwrap();
        submitter.join().unwrap();
        close(pool, ledger);
        assert!(holders() == 0, "a thread of the pool outlived wait");
    });
}

//! Broadcasts: every worker there is runs them once, whatever else happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::WorkerPool;
use anthill_pool::internal::Instant;

use crate::ledger::Payload;
use crate::scene::{LIMIT, accepted, close, expiring, explore, pool_of, refused_beyond, submit, submitter};
use crate::support::Preemptions::AtMost;
use crate::support::beside;

/// A body that counts how often it is run.
fn counting_body() -> (impl Fn(usize) + Send + Sync + 'static, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let body = move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    (body, done)
}

fn check(done: &AtomicUsize, workers: usize) {
    let done = done.load(Ordering::Relaxed);
    assert!(done == workers, "{workers} workers were to do it, it was done {done} times");
}

/// One worker is idle and one is busy, or just going idle: both do it, without anything else to wake them.
#[test]
fn broadcast_meets_workers_going_idle() {
    explore("broadcast idle", AtMost(2), |ledger| {
        let pool = pool_of(2, 0, Payload::run);
        submit(&pool, ledger, 2);
        let (body, done) = counting_body();
        let workers = pool.broadcast(body);
        pool.wait_idle().unwrap();
        check(&done, workers);
        close(pool, ledger);
    });
}

/// The same idle worker is wanted for a broadcast, by the cleaner and by a payload: it does what it was counted for.
#[test]
fn broadcast_meets_expiry() {
    explore("broadcast expiry", AtMost(2), |ledger| {
        let pool = expiring(1, 0, Payload::run);
        submit(&pool, ledger, 1);
        let cleaner = beside(&pool, |pool| pool.expire(Instant::at(LIMIT)));
        let (body, done) = counting_body();
        let workers = pool.broadcast(body);
        cleaner.join().unwrap();
        close(pool, ledger);
        check(&done, workers);
    });
}

/// A stop comes at the same time: who was counted does it before it leaves, and who leaves first is not counted.
#[test]
fn broadcast_meets_stop() {
    explore("broadcast stop", AtMost(3), |ledger| {
        let pool = pool_of(1, 1, Payload::run);
        submit(&pool, ledger, 1);
        let stopper = beside(&pool, |pool| pool.stop());
        let (body, done) = counting_body();
        let workers = pool.broadcast(body);
        stopper.join().unwrap();
        close(pool, ledger);
        check(&done, workers);
    });
}

/// A worker is counted while its thread is being made, and the thread is refused: the others do it, and nothing is kept
/// for the one that never was.
#[test]
fn broadcast_meets_refused_thread() {
    explore("broadcast refused", AtMost(3), |ledger| {
        let builder = WorkerPool::builder().max_workers(2).max_idle_worker_duration(None);
        let pool = builder.spawner(refused_beyond(1)).build(Payload::run).unwrap();
        submit(&pool, ledger, 1);
        let submitter = submitter(&pool, ledger, accepted);
        let (body, done) = counting_body();
        let workers = pool.broadcast(body);
        assert!((1..=2).contains(&workers));
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        check(&done, 1);
        assert!(Arc::strong_count(&done) == 1, "a broadcast is kept that nobody will run");
        close(pool, ledger);
    });
}

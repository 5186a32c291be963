//! Broadcasts: every worker there is does its duty once, whatever else happens to it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::internal::Instant;
use loom::thread;

use crate::support::Preemptions::AtMost;
use crate::support::{Ledger, Payload, close, explore, settle};

const LIMIT: Duration = Duration::from_secs(1);

/// Counts how often a duty is done.
fn duty() -> (impl Fn(usize) + Send + Sync + 'static, Arc<AtomicUsize>) {
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
    explore("duty idle", AtMost(2), || {
        let ledger = Ledger::new();
        let pool =
            WorkerPool::builder().max_workers(2).max_idle_worker_duration(None).build(Payload::run).unwrap();
        for _ in 0..2 {
            assert!(settle(pool.submit(ledger.payload())));
        }
        let (body, done) = duty();
        let workers = pool.broadcast(body);
        pool.wait_idle().unwrap();
        check(&done, workers);
        close(pool, &ledger);
    });
}

/// The same idle worker is wanted for a duty, by the cleaner and by a payload: it does what it was counted for.
#[test]
fn broadcast_meets_expiry() {
    explore("duty expiry", AtMost(2), || {
        let ledger = Ledger::new();
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(LIMIT).build(Payload::run).unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let cleaner = {
            let pool = pool.clone();
            thread::spawn(move || pool.expire(Instant::at(LIMIT)))
        };
        let (body, done) = duty();
        let workers = pool.broadcast(body);
        cleaner.join().unwrap();
        close(pool, &ledger);
        check(&done, workers);
    });
}

/// A stop comes at the same time: who was counted does it before it leaves, and who leaves first is not counted.
#[test]
fn broadcast_meets_stop() {
    explore("duty stop", AtMost(3), || {
        let ledger = Ledger::new();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .max_idle_worker_duration(None)
            .build(Payload::run)
            .unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let stopper = {
            let pool = pool.clone();
            thread::spawn(move || pool.stop())
        };
        let (body, done) = duty();
        let workers = pool.broadcast(body);
        stopper.join().unwrap();
        close(pool, &ledger);
        check(&done, workers);
    });
}

/// A worker is counted while its thread is being made, and the thread is refused: the others do it, and nothing is kept
/// for the one that never was.
#[test]
fn broadcast_meets_refused_thread() {
    explore("duty refused", AtMost(3), || {
        let ledger = Ledger::new();
        let asked = AtomicUsize::new(0);
        let pool = WorkerPool::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .spawner(move |new| {
                if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                    new.spawn()
                } else {
                    Err(io::Error::other("refused"))
                }
            })
            .build(Payload::run)
            .unwrap();
        assert!(settle(pool.submit(ledger.payload())));
        let submitter = {
            let (pool, payload) = (pool.clone(), ledger.payload());
            thread::spawn(move || assert!(settle(pool.submit(payload))))
        };
        let (body, done) = duty();
        let workers = pool.broadcast(body);
        assert!((1..=2).contains(&workers));
        submitter.join().unwrap();
        pool.wait_idle().unwrap();
        check(&done, 1);
        assert!(Arc::strong_count(&done) == 1, "a duty is kept that nobody will do");
        close(pool, &ledger);
    });
}

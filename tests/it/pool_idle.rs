//! Waiting until there is nothing to do, without closing the pool.
//!
//! Rows 47 and 48. The rule: `wait_idle` returns only if there was a moment since the call in which nothing ran, was
//! queued or was blocked; and it does return after such a moment, even when more work came right behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anthill_pool::{SubmitError, Task, WaitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, release};
use anthill_tests::{Gate, PATIENCE, background, eventually, threads_of};

#[test]
fn pool_047_wait_idle_is_never_early() {
    // With hand-off from worker to worker only; and with a queue, which is what other pools get wrong.
    for (queue, iterations) in [(0, 2_000), (8, 8_000)] {
        let pool = WorkerPool::builder().max_workers(3).queue_capacity(queue).build_tasks().unwrap();
        let ran = Arc::new(AtomicU64::new(0));
        let mut expected = 0;
        for iteration in 0..iterations {
            for _ in 0..1 + iteration % 4 {
                expected += 1;
                let (ran, handle) = (ran.clone(), pool.clone());
                // Every third has a child; that it was there before its parent ended is what makes this hard.
                let has_child = expected % 3 == 0;
                let parent = Task::new(move || {
                    if has_child {
                        let counted = ran.clone();
                        let child = handle.execute(move || {
                            counted.fetch_add(1, Ordering::Relaxed);
                        });
                        // Without a queue it can be refused: then the parent does the child's work.
                        if let Err(refused) = child {
                            refused.into_payload().run();
                        }
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                });
                pool.submit_timeout(parent, PATIENCE).unwrap();
                expected += u64::from(has_child);
            }
            pool.wait_idle_timeout(PATIENCE).unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), expected, "early in iteration {iteration}");
        }
        assert!(!pool.is_closed());
    }
}

#[test]
fn pool_047_wait_idle_waits_for_what_runs_what_is_queued_and_who_is_blocked() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(1));
    let soon = Duration::from_millis(20);
    assert_eq!(pool.wait_idle_timeout(Duration::ZERO), Ok(()), "a new pool is idle");
    let running = occupy(&pool, 1);
    let (queued, waiting) = (Held::new(1), Held::new(2));
    pool.try_submit(queued.clone()).unwrap();
    let submission = blocked(&pool, waiting.clone(), 1);
    assert_eq!(pool.wait_idle_timeout(soon), Err(WaitError::Timeout));
    release(&running);
    assert_eq!(pool.wait_idle_timeout(soon), Err(WaitError::Timeout), "one runs, one is queued");
    release(&[queued]);
    assert_eq!(pool.wait_idle_timeout(soon), Err(WaitError::Timeout), "one runs");
    release(&[waiting]);
    assert_eq!(pool.wait_idle_timeout(PATIENCE), Ok(()));
    assert_eq!(pool.stats().finished, 3);
    submission.outcome("the blocked submission").unwrap();
}

#[test]
fn pool_047_wait_idle_returns_when_a_stop_clears_the_queue() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(1));
    let busy = occupy(&pool, 1);
    pool.try_submit(Held::new(1)).unwrap();
    let handle = pool.clone();
    let waiting = background(move || handle.wait_idle());
    assert_eq!(pool.stop_now().len(), 1);
    release(&busy);
    assert_eq!(waiting.outcome("waiting for idleness while the pool stops"), Ok(()));
}

/// The last thing that keeps the pool from being idle may be a submitter that has yet to notice the stop.
#[test]
fn pool_047_wait_idle_returns_when_a_stop_sends_blocked_submitters_away() {
    for round in 0..20 {
        let pool = WorkerPool::builder().max_workers(1).build_tasks().unwrap();
        let (gate, handle) = (Gate::new(), pool.clone());
        let hold = gate.clone();
        pool.execute(move || {
            hold.pass();
            handle.stop();
        })
        .unwrap();
        let submitters: Vec<_> = (1..=16).map(|place| blocked(&pool, Task::new(|| {}), place)).collect();
        let handle = pool.clone();
        let waiting = background(move || handle.wait_idle());
        assert_eq!(pool.wait_idle_timeout(Duration::from_millis(1)), Err(WaitError::Timeout));
        gate.open();
        for submitter in submitters {
            assert!(matches!(submitter.outcome("a blocked submitter"), Err(SubmitError::Closed(_))));
        }
        assert_eq!(waiting.outcome(&format!("waiting for idleness, round {round}")), Ok(()));
    }
}

#[test]
fn pool_048_wait_idle_with_a_limit_times_out_and_can_be_repeated() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    let (begun, limit) = (Instant::now(), Duration::from_millis(30));
    assert_eq!(pool.wait_idle_timeout(limit), Err(WaitError::Timeout));
    assert!(begun.elapsed() >= limit);
    release(&busy);
    assert_eq!(pool.wait_idle_timeout(PATIENCE), Ok(()));
    assert_eq!(pool.wait_idle_timeout(Duration::MAX), Ok(()), "a limit beyond all time is none");
}

#[test]
fn pool_048_a_wave_that_follows_does_not_hold_those_who_wait_for_the_one_before() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    // Each time the waiters are woken while the next wave arrives; that they come too late to see the pool idle is
    // likely in each round, and must not matter in any.
    for round in 0..20 {
        let wave = occupy(&pool, 2);
        let waiters: Vec<_> = (0..2)
            .map(|number| {
                let (pool, (outcomes, outcome)) = (pool.clone(), channel());
                let waiter = thread::Builder::new().name(format!("r48-{round}-{number}"));
                waiter.spawn(move || outcomes.send(pool.wait_idle()).unwrap()).unwrap();
                outcome
            })
            .collect();
        eventually("both wait", || {
            let waiters = threads_of("r48");
            waiters.len() == 2 && waiters.iter().all(|thread| thread.asleep)
        });
        release(&wave);
        let deadline = Instant::now() + PATIENCE;
        while pool.stats().idle < 2 {
            assert!(Instant::now() < deadline, "the first wave does not end");
        }
        let next = occupy(&pool, 2);
        for waiter in waiters {
            assert_eq!(
                waiter.recv_timeout(PATIENCE),
                Ok(Ok(())),
                "waiting for the first wave of round {round}"
            );
        }
        assert_eq!(pool.stats().busy, 2, "the second wave is still there");
        assert_eq!(pool.wait_idle_timeout(Duration::ZERO), Err(WaitError::Timeout));
        release(&next);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        eventually("the waiters are gone", || threads_of("r48").is_empty());
    }
}

#[test]
fn pool_048_a_waiter_is_not_starved_by_payloads_without_end() {
    let pool = WorkerPool::builder().max_workers(2).queue_capacity(4).build(|(): ()| {}).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (handle, enough) = (pool.clone(), over.clone());
    let feeding = background(move || {
        let mut submitted = 0_u64;
        while !enough.load(Ordering::Relaxed) {
            handle.submit(()).unwrap();
            submitted += 1;
            // Single payloads, each of which lets the pool become idle for a moment.
            if submitted.is_multiple_of(4) {
                handle.wait_idle().unwrap();
            }
        }
        submitted
    });
    for _ in 0..200 {
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let submitted = feeding.outcome("feeding the pool");
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, submitted);
}

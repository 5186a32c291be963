//! What a pool shows of itself: gauges, totals, peaks, one snapshot of all of them, and its `Debug` form.
//!
//! Rows 49 to 54. The rule: the figures of one snapshot belong to one moment, so they add up at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anthill_pool::{PoolState, SubmitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{LONG_PATIENCE, PATIENCE, background, quiet_panics};

#[test]
fn pool_049_the_gauges_are_exact() {
    let pool = holding(WorkerPool::builder().max_workers(4).queue_capacity(2));
    let gauges = || {
        let stats = pool.stats();
        (stats.workers, stats.busy, stats.idle, stats.queued, stats.blocked)
    };
    assert_eq!(gauges(), (0, 0, 0, 0, 0));
    assert_eq!((pool.capacity(), pool.free(), pool.running(), pool.waiting()), (Some(4), Some(4), 0, 0));

    let busy = occupy(&pool, 3);
    assert_eq!(gauges(), (3, 3, 0, 0, 0));
    assert_eq!((pool.free(), pool.running()), (Some(1), 3));

    busy[2].gate.open();
    reaches(&pool, "one is idle", |stats| stats.idle == 1);
    assert_eq!(gauges(), (3, 2, 1, 0, 0));
    assert_eq!((pool.free(), pool.running()), (Some(2), 3));

    let more = occupy(&pool, 2);
    pool.try_submit(Held::free(5)).unwrap();
    pool.try_submit(Held::free(6)).unwrap();
    let first = blocked(&pool, Held::free(7), 1);
    let second = blocked(&pool, Held::free(8), 2);
    assert_eq!(gauges(), (4, 4, 0, 2, 2));
    assert_eq!((pool.free(), pool.running(), pool.waiting(), pool.capacity()), (Some(0), 4, 2, Some(4)));

    release(&busy);
    release(&more);
    first.outcome("the first blocked submission").unwrap();
    second.outcome("the second blocked submission").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(gauges(), (4, 0, 4, 0, 0));
    pool.stop();
    assert_eq!(gauges(), (0, 0, 0, 0, 0));
    assert_eq!((pool.free(), pool.capacity()), (Some(4), Some(4)));
}

#[test]
fn pool_050_the_totals_add_up_after_many_mixed_operations() {
    const SUBMITTERS: usize = 4;
    const EACH: usize = 25_000;
    quiet_panics();
    let pool = WorkerPool::builder()
        .name("quiet50")
        .max_workers(3)
        .queue_capacity(16)
        .max_blocking(2)
        .max_idle_worker_duration(Duration::from_millis(2))
        .build(|number: usize| assert!(number % 100 != 7, "every hundredth payload panics"))
        .unwrap();
    let seen = {
        let pool = pool.clone();
        background(move || on_threads(SUBMITTERS, |_| submit_in_all_ways(&pool, EACH)))
            .outcome_within(LONG_PATIENCE, "many mixed submissions")
    };
    let (accepted, refused, panics) =
        seen.iter().fold((0_u64, 0_u64, 0_u64), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    assert_eq!(accepted + refused, (SUBMITTERS * EACH) as u64);
    assert!(panics > 0 && refused > 0);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    reaches(&pool, "all workers are let go", |stats| stats.workers == 0);
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.rejected), (accepted, accepted, refused));
    assert_eq!((stats.panicked, stats.handed_back), (panics, 0));
    assert_eq!(stats.spawned, stats.expired, "whoever came, went");
    assert!(stats.peak_workers <= 3 && stats.spawned >= stats.peak_workers as u64);
}

/// Returns how many were accepted, how many refused, and how many of the accepted ones panic.
fn submit_in_all_ways(pool: &WorkerPool<usize>, count: usize) -> (u64, u64, u64) {
    let (mut accepted, mut refused, mut panics) = (0, 0, 0);
    for number in 0..count {
        let outcome = match number % 3 {
            0 => pool.submit(number),
            1 => pool.try_submit(number),
            _ => pool.submit_timeout(number, Duration::from_micros(10)),
        };
        match outcome {
            Ok(()) => {
                accepted += 1;
                panics += u64::from(number % 100 == 7);
            }
            Err(
                SubmitError::Full(returned)
                | SubmitError::Timeout(returned)
                | SubmitError::Overload(returned),
            ) => {
                assert_eq!(returned, number);
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    (accepted, refused, panics)
}

#[test]
fn pool_051_the_peak_of_a_burst_is_remembered() {
    let pool =
        holding(WorkerPool::builder().max_workers(16).max_idle_worker_duration(Duration::from_millis(10)));
    release(&occupy(&pool, 7));
    reaches(&pool, "all are let go", |stats| stats.workers == 0);
    release(&occupy(&pool, 2));
    reaches(&pool, "all are let go again", |stats| stats.workers == 0);
    assert_eq!(pool.stats().peak_workers, 7);
}

#[test]
fn pool_053_a_snapshot_belongs_to_one_moment() {
    let ran = Arc::new(AtomicU64::new(0));
    let count = ran.clone();
    let pool = WorkerPool::builder()
        .max_workers(3)
        .queue_capacity(5)
        .max_idle_worker_duration(None)
        .build(move |held: Held| {
            held.gate.pass();
            count.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    // All workers there can be, so that none is being started later on.
    release(&occupy(&pool, 3));
    pool.wait_idle_timeout(PATIENCE).unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let submitters: Vec<_> = (0..2)
        .map(|_| {
            let (pool, over) = (pool.clone(), over.clone());
            background(move || {
                while !over.load(Ordering::Relaxed) {
                    pool.submit(Held::free(0)).unwrap();
                }
            })
        })
        .collect();
    let mut before = pool.stats();
    let mut lively = 0;
    let deadline = Instant::now() + LONG_PATIENCE;
    while lively < 1_000 {
        assert!(Instant::now() < deadline, "nothing goes on: {before:?}");
        let stats = pool.stats();
        assert_eq!(stats.busy + stats.idle, stats.workers, "{stats:?}");
        let known = stats.finished + (stats.busy + stats.queued) as u64;
        assert_eq!(stats.accepted, known, "{stats:?}");
        // Work may wait beside idle workers only while another one is on its way to it.
        assert!(stats.queued == 0 || stats.busy > 0, "work waits and nobody comes: {stats:?}");
        assert!(stats.blocked == 0 || stats.idle == 0, "someone is blocked beside a worker: {stats:?}");
        assert!(stats.blocked == 0 || stats.queued == 5, "someone is blocked beside room: {stats:?}");
        assert!(stats.accepted >= before.accepted && stats.finished >= before.finished);
        lively += u32::from(stats.accepted > before.accepted);
        before = stats;
    }
    over.store(true, Ordering::Relaxed);
    for submitter in submitters {
        submitter.outcome("a submitter");
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!(
        (stats.state, stats.accepted, stats.rejected),
        (PoolState::Open, ran.load(Ordering::Relaxed), 0)
    );
}

/// While workers are being started a snapshot may count one payload too many for each, but never one too few.
#[test]
fn pool_053_a_snapshot_adds_up_while_workers_come_and_go() {
    for _ in 0..20 {
        let pool = WorkerPool::builder()
            .max_workers(4)
            .max_idle_worker_duration(Duration::from_micros(100))
            .build(|(): ()| {})
            .unwrap();
        let handle = pool.clone();
        let submitting = background(move || (0..200).for_each(|_| handle.submit(()).unwrap()));
        while !submitting.is_finished() {
            let stats = pool.stats();
            let known = stats.finished + (stats.busy + stats.queued) as u64;
            assert!(stats.accepted <= known && known <= stats.accepted + 4, "{stats:?}");
            assert!(stats.busy + stats.idle == stats.workers && stats.workers <= 4, "{stats:?}");
        }
        submitting.outcome("submitting");
    }
}

#[test]
fn pool_054_debug_asks_nothing_of_the_payload() {
    struct Opaque;
    let pool = WorkerPool::builder().name("lookatme").max_workers(3).build(|_: Opaque| {}).unwrap();
    pool.stop();
    let text = format!("{pool:?}");
    assert!(text.contains("lookatme") && text.contains("Stopped") && text.contains("Some(3)"), "{text}");
    let refused = pool.submit(Opaque).unwrap_err();
    assert_eq!(format!("{refused:?}"), "Closed");
    assert!(format!("{:?}", WorkerPool::<Opaque>::builder().max_workers(77)).contains("77"));
}

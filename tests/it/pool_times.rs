//! Time, as the pool sees it: a clock that the test moves, and how long payloads waited and ran.
//!
//! Rows 25 and 52. Nothing here takes as long as it says: an hour passes when the test says so.

use std::sync::mpsc::channel;
use std::time::Duration;

use anthill_pool::times::Histogram;
use anthill_pool::{ManualClock, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{PATIENCE, eventually, quiet_panics, threads_of};

const HOUR: Duration = Duration::from_secs(3_600);
const NANO: Duration = Duration::from_nanos(1);

#[test]
fn pool_025_workers_expire_by_the_clock_that_the_test_moves() {
    let clock = ManualClock::new();
    let options = WorkerPool::builder().name("r25").max_workers(4).max_idle_worker_duration(HOUR);
    let pool = holding(options.clock(&clock));
    let busy = occupy(&pool, 4);
    for (payload, idle) in busy[..3].iter().zip(1..) {
        payload.gate.open();
        reaches(&pool, "one more is idle", |stats| stats.idle == idle);
        clock.advance(Duration::from_secs(60));
    }
    // Idle for 3, 2 and 1 minutes; one is busy.
    // The thread of the busy one may not have begun, and a list that is read while others end may leave some out.
    eventually("there is a thread for each, and no cleaner's", || threads_of("r25").len() == 4);
    clock.advance(HOUR - Duration::from_secs(180) - NANO);
    assert_eq!((pool.running(), pool.stats().expired), (4, 0), "a moment too early");
    clock.advance(NANO);
    assert_eq!((pool.running(), pool.stats().expired), (3, 1));
    clock.advance(Duration::from_secs(60));
    assert_eq!((pool.running(), pool.stats().expired), (2, 2));
    clock.advance(10 * HOUR);
    assert_eq!((pool.running(), pool.stats().expired), (1, 3), "the busy one stays");
    eventually("the threads end", || threads_of("r25").len() == 1);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    clock.advance(HOUR - NANO);
    assert_eq!(pool.running(), 1, "it became idle only now");
    clock.advance(NANO);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.expired, stats.spawned, stats.finished), (0, 4, 4, 4));
}

#[test]
fn pool_025_a_worker_that_is_used_in_time_stays() {
    let clock = ManualClock::new();
    let options = WorkerPool::builder().max_workers(4).max_idle_worker_duration(HOUR).clock(&clock);
    let pool = holding(options);
    for number in 0..50 {
        pool.submit(Held::free(number)).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        clock.advance(HOUR - NANO);
    }
    assert_eq!((pool.stats().spawned, pool.stats().expired), (1, 0));
}

#[test]
fn pool_025_one_clock_serves_several_pools_and_forgets_those_that_are_gone() {
    let clock = ManualClock::new();
    let same = clock.clone();
    let pools: Vec<_> = [1, 2, 3]
        .map(|hours| {
            let options = WorkerPool::builder().max_workers(2).max_idle_worker_duration(hours * HOUR);
            holding(options.clock(if hours == 2 { &same } else { &clock }))
        })
        .into();
    let kept = holding(WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).clock(&clock));
    let unused = holding(WorkerPool::builder().max_workers(1).max_idle_worker_duration(HOUR).clock(&clock));
    for pool in pools.iter().chain([&kept]) {
        release(&occupy(pool, 1));
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    drop(unused);
    for hour in 1..=3 {
        same.advance(HOUR);
        let running: Vec<usize> = pools.iter().map(WorkerPool::running).collect();
        let expected: Vec<usize> = (1..=3).map(|limit| usize::from(hour < limit)).collect();
        assert_eq!((running, kept.running()), (expected, 1));
    }
    drop(pools);
    clock.advance(HOUR);
    kept.stop();
    kept.wait_timeout(PATIENCE).unwrap();
    clock.advance(HOUR);
}

/// A clock that is moved while workers come and go lets go exactly those that are due, and loses none.
#[test]
fn pool_025_the_clock_may_move_while_the_pool_works() {
    let clock = ManualClock::new();
    let options = WorkerPool::builder().max_workers(3).max_idle_worker_duration(HOUR).clock(&clock);
    let pool = options.build(|(): ()| {}).unwrap();
    let handle = pool.clone();
    let outcome = anthill_tests::within("submitting while time flies", move || {
        on_threads(3, |who| {
            for _ in 0..2_000 {
                if who == 0 {
                    clock.advance(2 * HOUR);
                } else {
                    handle.submit(()).unwrap();
                }
            }
        });
        handle.wait_idle_timeout(PATIENCE)
    });
    outcome.unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.rejected), (4_000, 0));
    assert_eq!(stats.spawned, stats.expired + stats.workers as u64);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// The only bucket that counts anything: its end, and its count.
fn only_bucket(histogram: &Histogram) -> (Duration, u64) {
    let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
    assert_eq!(filled.len(), 1, "{histogram:?}");
    filled[0]
}

#[test]
fn pool_052_runs_and_waits_fall_into_their_buckets() {
    let clock = ManualClock::new();
    let (starts, started) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(4)
        .measure_times(true)
        .clock(&clock)
        .build(move |held: Held| {
            starts.send(held.number).unwrap();
            held.gate.pass();
        })
        .unwrap();
    assert_eq!(pool.times().unwrap().run.count(), 0);
    // The first one runs for 10 ms; the second one waits for 7 of them and then runs for one.
    let (first, second) = (Held::new(1), Held::new(2));
    pool.submit(first.clone()).unwrap();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(1));
    clock.advance(Duration::from_millis(3));
    pool.submit(second.clone()).unwrap();
    clock.advance(Duration::from_millis(7));
    assert_eq!(pool.times().unwrap().run.count(), 0, "nothing has ended");
    first.gate.open();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(2));
    let times = pool.times().unwrap();
    assert_eq!(only_bucket(&times.run), (Duration::from_micros(16_384), 1), "8 to 16 ms");
    assert_eq!(only_bucket(&times.wait), (Duration::from_micros(1), 1), "it did not wait");
    assert_eq!((times.run.max(), times.run.mean()), (Duration::from_millis(10), Duration::from_millis(10)));
    clock.advance(Duration::from_millis(1));
    second.gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let times = pool.times().unwrap();
    assert_eq!((times.wait.count(), times.run.count()), (2, 2));
    let counts = |histogram: &Histogram| {
        let filled = histogram.buckets().filter(|(_, count)| *count > 0);
        filled.map(|(below, count)| (below.as_micros(), count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&times.wait), [(1, 1), (8_192, 1)], "none, and 4 to 8 ms");
    assert_eq!(counts(&times.run), [(1_024, 1), (16_384, 1)]);
    assert_eq!(
        (times.wait.max(), times.wait.quantile(1.0)),
        (Duration::from_millis(7), Duration::from_millis(7))
    );
    assert_eq!(times.wait.quantile(0.5), Duration::from_micros(1));
}

#[test]
fn pool_052_blocked_time_is_waiting_time_and_panics_count() {
    quiet_panics();
    let clock = ManualClock::new();
    let (starts, started) = channel();
    let pool = WorkerPool::builder()
        .name("quiet52")
        .max_workers(1)
        .measure_times(true)
        .clock(&clock)
        .build(move |held: Held| {
            starts.send(held.number).unwrap();
            held.gate.pass();
            assert!(held.number == 0, "the second one panics");
        })
        .unwrap();
    let (first, second) = (Held::new(0), Held::new(1));
    pool.submit(first.clone()).unwrap();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(0));
    let waiting = blocked(&pool, second.clone(), 1);
    clock.advance(Duration::from_millis(100));
    first.gate.open();
    waiting.outcome("a blocked submitter").unwrap();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(1));
    clock.advance(Duration::from_millis(1));
    second.gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let times = pool.times().unwrap();
    assert_eq!((times.wait.max(), times.wait.count()), (Duration::from_millis(100), 2));
    assert_eq!((times.run.max(), times.run.count()), (Duration::from_millis(100), 2));
    assert_eq!(
        times.run.buckets().filter(|(_, count)| *count > 0).count(),
        2,
        "the panic's run is one of them"
    );
}

#[test]
fn pool_052_only_pools_that_were_asked_measure_and_only_what_runs() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    pool.submit(Held::free(0)).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert!(pool.times().is_none());

    let (clock, limit) = (ManualClock::new(), Duration::from_secs(1));
    let options =
        WorkerPool::builder().max_workers(1).queue_capacity(4).max_queue_age(limit).measure_times(true);
    let (starts, started) = channel();
    let options = options.clock(&clock).on_payload_start(move |_, _| starts.send(()).unwrap());
    let pool = holding(options);
    let busy = occupy(&pool, 1);
    started.recv_timeout(PATIENCE).unwrap();
    pool.submit(Held::free(1)).unwrap();
    clock.advance(2 * limit);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let times = pool.times().unwrap();
    assert_eq!((pool.stats().discarded, times.wait.count(), times.run.count()), (1, 1, 1));
}

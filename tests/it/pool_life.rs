//! How long workers live: they come on demand and go when unused, and a pool at rest costs nothing.
//!
//! Rows 21 to 26 and 98. Sleeping is allowed here, and only here, to let an idle limit pass. The rule: a test that
//! sleeps measures what really passed, so that a machine that stands still for a while cannot make it fail.

use std::sync::mpsc::channel;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use anthill_pool::{SubmitError, WorkerPool};
use anthill_tests::pool::{holding, occupy, reaches, release};
use anthill_tests::{PATIENCE, eventually, threads_of};

#[test]
fn pool_021_unused_workers_are_let_go_and_their_threads_end() {
    let limit = Duration::from_millis(200);
    let pool = holding(WorkerPool::builder().name("r21").max_workers(8).max_idle_worker_duration(limit));
    let begun = Instant::now();
    let busy = occupy(&pool, 8);
    eventually("eight workers and a cleaner", || threads_of("r21").len() == 9);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    reaches(&pool, "all workers are let go", |stats| stats.workers == 0);
    assert!(begun.elapsed() >= limit, "let go after {:?}", begun.elapsed());
    eventually("their threads and the cleaner's end", || threads_of("r21").is_empty());
    let stats = pool.stats();
    assert_eq!((stats.spawned, stats.expired, stats.finished), (8, 8, 8));

    // The pool comes back to life, and dies down again.
    release(&occupy(&pool, 2));
    reaches(&pool, "the next two are let go too", |stats| stats.expired == 10);
    eventually("no thread is left again", || threads_of("r21").is_empty());
}

#[test]
fn pool_021_busy_workers_do_not_expire() {
    let limit = Duration::from_millis(50);
    let pool = holding(WorkerPool::builder().max_workers(3).max_idle_worker_duration(limit));
    let busy = occupy(&pool, 3);
    busy[0].gate.open();
    reaches(&pool, "the idle one is let go", |stats| stats.expired == 1);
    thread::sleep(limit * 3);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.busy, stats.expired), (2, 2, 1));
    release(&busy);
    reaches(&pool, "the others follow", |stats| stats.expired == 3 && stats.workers == 0);
}

#[test]
fn pool_022_after_a_burst_only_the_hot_workers_stay() {
    let limit = Duration::from_millis(300);
    let pool = holding(WorkerPool::builder().name("r22").max_workers(32).max_idle_worker_duration(limit));
    release(&occupy(&pool, 32));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.running(), 32);
    // Were they taken in turn, each would be used again after 32 x 5 ms, which is too soon for any to go.
    eventually("two workers at most are left under a light load", || {
        release(&occupy(&pool, 1));
        pool.wait_idle_timeout(PATIENCE).unwrap();
        thread::sleep(Duration::from_millis(5));
        pool.running() <= 2
    });
    // One more is the cleaner.
    eventually("the threads of the others end", || threads_of("r22").len() <= 3);
    assert!(pool.stats().expired >= 30);
}

#[test]
fn pool_023_a_worker_that_is_used_in_time_is_never_let_go() {
    let limit = Duration::from_millis(200);
    let (ran, runs) = channel::<ThreadId>();
    let pool = WorkerPool::builder()
        .max_workers(4)
        .max_idle_worker_duration(limit)
        .build(move |(): ()| ran.send(thread::current().id()).unwrap())
        .unwrap();
    let mut last: Option<(ThreadId, Instant)> = None;
    let mut in_time = 0;
    let begun = Instant::now();
    while in_time < 40 {
        assert!(begun.elapsed() < PATIENCE, "only {in_time} payloads came in time");
        let submitted = Instant::now();
        pool.submit(()).unwrap();
        let accepted = Instant::now();
        let worker = runs.recv_timeout(PATIENCE).unwrap();
        // The worker became idle after `since`, so until a limit after it, it must be there.
        if let Some((expected, since)) = last
            && accepted.duration_since(since) < limit
        {
            assert_eq!(worker, expected, "after {in_time} payloads in time");
            in_time += 1;
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        last = Some((worker, submitted));
        thread::sleep(limit / 4);
    }
}

#[test]
fn pool_024_expiry_can_be_off() {
    let pool = holding(WorkerPool::builder().name("r24").max_workers(3).max_idle_worker_duration(None));
    release(&occupy(&pool, 3));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    thread::sleep(Duration::from_millis(300));
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.idle, stats.expired), (3, 3, 0));
    let mut names: Vec<_> = threads_of("r24").into_iter().map(|thread| thread.name).collect();
    names.sort();
    assert_eq!(names, ["r24-0", "r24-1", "r24-2"], "no cleaner");
}

#[test]
fn pool_024_a_long_limit_keeps_workers_and_does_not_hold_up_the_end() {
    let limit = Duration::from_secs(3600);
    let pool = holding(WorkerPool::builder().name("r24b").max_workers(3).max_idle_worker_duration(limit));
    release(&occupy(&pool, 3));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!((pool.stats().workers, pool.stats().expired), (3, 0));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    eventually("no thread is left", || threads_of("r24b").is_empty());
}

#[test]
fn pool_026_a_pool_whose_worker_retires_refuses_nothing() {
    let limit = Duration::from_millis(1);
    let pool =
        WorkerPool::builder().max_workers(1).max_idle_worker_duration(limit).build(|_: u32| {}).unwrap();
    // The pauses spread around the limit, so that many payloads meet a worker that is just being let go.
    for number in 0..2_000_u32 {
        if let Err(SubmitError::Full(_)) = pool.try_submit(number) {
            panic!("payload {number} was refused by a pool at rest: {:?}", pool.stats());
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        thread::sleep(Duration::from_micros(u64::from(number) * 37 % 1_500));
    }
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.rejected, stats.peak_workers), (2_000, 0, 1));
    assert!(stats.expired > 100, "too few retired for this to mean anything: {stats:?}");
}

#[test]
fn pool_098_a_pool_at_rest_uses_no_cpu() {
    let pool = holding(WorkerPool::builder().name("r98").max_workers(8));
    release(&occupy(&pool, 8));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    eventually("eight workers and a cleaner", || threads_of("r98").len() == 9);
    let switches = || threads_of("r98").iter().map(|thread| thread.voluntary_switches).sum::<u64>();
    // The last ones are still on their way to their channels.
    let mut before = switches();
    eventually("they have gone to sleep", || {
        thread::sleep(Duration::from_millis(20));
        let now = switches();
        std::mem::replace(&mut before, now) == now
    });
    thread::sleep(Duration::from_secs(1));
    assert_eq!(threads_of("r98").len(), 9);
    let woken = switches() - before;
    assert!(woken <= 4, "its threads woke up {woken} times");
}

//! The size of a pool: the smallest, the largest, changed while it works, and workers made before they are needed.
//!
//! Rows 19, 20 and 27 to 29. The rule they check from all sides: the cap holds from the moment it is set, in both
//! directions, and whoever waits for a worker that may exist now gets it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anthill_pool::{BuildError, ManualClock, SubmitError, Task, WhenFull, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{Gate, PATIENCE, background, eventually, threads_of, within};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn pool_019_the_smallest_number_of_workers_stays_however_long_unused() {
    let clock = ManualClock::new();
    let options = WorkerPool::builder().max_workers(5).min_workers(2).max_idle_worker_duration(HOUR);
    let pool = holding(options.clock(&clock));
    assert_eq!(pool.running(), 0, "they too are made on demand");
    let busy = occupy(&pool, 5);
    release(&busy[..4]);
    reaches(&pool, "four are idle", |stats| stats.idle == 4);
    clock.advance(HOUR);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.busy, stats.idle, stats.expired), (2, 1, 1, 3), "busy ones count");
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        clock.advance(HOUR);
        assert_eq!((pool.running(), pool.stats().expired), (2, 3));
    }
    release(&occupy(&pool, 2));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().spawned, 5, "those that stayed were used");
}

#[test]
fn pool_019_those_that_stay_cost_nothing() {
    let options = WorkerPool::builder().name("r19").max_workers(4).min_workers(2);
    let pool = holding(options.max_idle_worker_duration(Duration::from_millis(100)));
    release(&occupy(&pool, 4));
    reaches(&pool, "two were let go", |stats| stats.expired == 2);
    eventually("their threads end", || threads_of("r19").len() == 3);
    let switches = || threads_of("r19").iter().map(|thread| thread.voluntary_switches).sum::<u64>();
    let before = switches();
    thread::sleep(Duration::from_millis(500));
    let woken = switches() - before;
    assert_eq!((pool.running(), threads_of("r19").len()), (2, 3));
    // A look per limit is five; one per millisecond is what a cleaner does that finds those two due for ever.
    assert!(woken < 50, "woken {woken} times in half a second");
}

#[test]
fn pool_020_workers_can_be_made_before_the_first_payload() {
    let pool = holding(WorkerPool::builder().name("r20").max_workers(8));
    assert_eq!(pool.prestart(4).unwrap(), 4);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.busy, stats.idle, stats.spawned, stats.accepted), (4, 0, 4, 4, 0));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(threads_of("r20").iter().filter(|thread| !thread.name.ends_with("cleaner")).count(), 4);
    assert_eq!(pool.prestart(3).unwrap(), 0, "there are more already");
    let busy = occupy(&pool, 4);
    assert_eq!(pool.stats().spawned, 4, "they run the first payloads");
    assert_eq!(pool.prestart(100).unwrap(), 4, "no more than the cap");
    assert_eq!((pool.running(), pool.stats().busy), (8, 4));
    release(&busy);
    pool.stop();
    assert_eq!(pool.prestart(9).unwrap(), 0, "a stopped pool makes none");
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().spawned), (4, 8));
}

/// A worker made ahead of its payloads is there for the very next ones, also while its thread has not come to rest.
#[test]
fn pool_020_payloads_that_follow_at_once_get_the_workers_made_for_them() {
    for _ in 0..20 {
        let pool = holding(WorkerPool::builder().max_workers(8));
        assert_eq!(pool.prestart(4).unwrap(), 4);
        let held: Vec<Held> = (0..4).map(Held::new).collect();
        for payload in &held {
            pool.try_submit(payload.clone()).unwrap();
        }
        reaches(&pool, "all four run", |stats| stats.busy == 4);
        assert_eq!(pool.stats().spawned, 4, "nobody else was needed");
        release(&held);
    }
}

#[test]
fn pool_020_several_who_prestart_do_not_exceed_what_they_ask_for() {
    let pool = holding(WorkerPool::builder().max_workers(6));
    let made: usize = on_threads(4, |_| pool.prestart(5).unwrap()).into_iter().sum();
    assert_eq!((made, pool.running()), (5, 5));
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_020_a_refused_thread_ends_the_prestart_and_keeps_what_was_made() {
    let allowed = AtomicUsize::new(2);
    let pool = holding(WorkerPool::builder().max_workers(4).spawner(move |worker| {
        let more = allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if more.is_ok() { worker.spawn() } else { Err(io::Error::other("no more threads")) }
    }));
    assert_eq!(pool.prestart(4).unwrap_err().to_string(), "no more threads");
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.idle, stats.spawned, stats.rejected), (2, 2, 2, 0));
    release(&occupy(&pool, 2));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_027_a_raised_cap_sets_blocked_submitters_going() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    let mut held = occupy(&pool, 2);
    let waiting: Vec<_> = (1..=5)
        .map(|place| {
            held.push(Held::new(10 + place));
            blocked(&pool, held.last().unwrap().clone(), place)
        })
        .collect();
    pool.set_max_workers(8).unwrap();
    for submission in waiting {
        submission.outcome("a submitter for whom there is a worker now").unwrap();
    }
    reaches(&pool, "all seven run at once", |stats| stats.busy == 7);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.blocked, stats.capacity), (7, 0, Some(8)), "no more than needed");
    release(&held);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 7);
}

#[test]
fn pool_027_a_raised_cap_serves_the_queue_first_and_lets_the_line_move_up() {
    let (starts, started) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(2)
        .build(move |held: Held| {
            starts.send(held.number).unwrap();
            held.gate.pass();
        })
        .unwrap();
    let held: Vec<Held> = (0..5).map(Held::new).collect();
    for payload in &held[..3] {
        pool.try_submit(payload.clone()).unwrap();
    }
    let waiting = [blocked(&pool, held[3].clone(), 1), blocked(&pool, held[4].clone(), 2)];
    pool.set_max_workers(3).unwrap();
    for submission in waiting {
        submission.outcome("a submitter that moves up").unwrap();
    }
    reaches(&pool, "three run and two are queued", |stats| (stats.busy, stats.queued) == (3, 2));
    let mut first: Vec<usize> = started.iter().take(3).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
    release(&held);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().spawned), (5, 3));
}

#[test]
fn pool_027_a_thread_refused_to_a_raised_cap_costs_nobody_anything() {
    let refuse = Arc::new(AtomicBool::new(false));
    let refused = refuse.clone();
    let pool = holding(WorkerPool::builder().max_workers(1).spawner(move |worker| {
        if refused.load(Ordering::SeqCst) { Err(io::Error::other("not now")) } else { worker.spawn() }
    }));
    let busy = occupy(&pool, 1);
    let waiting = [blocked(&pool, Held::free(1), 1), blocked(&pool, Held::free(2), 2)];
    refuse.store(true, Ordering::SeqCst);
    pool.set_max_workers(4).unwrap();
    assert_eq!((pool.running(), pool.waiting(), pool.capacity()), (1, 2, Some(4)));
    refuse.store(false, Ordering::SeqCst);
    pool.set_max_workers(3).unwrap();
    for submission in waiting {
        submission.outcome("a submitter served by the second attempt").unwrap();
    }
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3);
}

#[test]
fn pool_028_idle_workers_above_a_lowered_cap_leave_at_once() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, peak) = (running.clone(), most.clone());
    let pool = WorkerPool::builder()
        .name("r28")
        .max_workers(10)
        .queue_capacity(10)
        .build(move |held: Held| {
            peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            held.gate.pass();
            count.fetch_sub(1, Ordering::SeqCst);
        })
        .unwrap();
    release(&occupy(&pool, 10));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    most.store(0, Ordering::SeqCst);
    pool.set_max_workers(2).unwrap();
    assert_eq!((pool.running(), pool.capacity(), pool.free()), (2, Some(2), Some(2)));
    eventually("eight threads end", || {
        threads_of("r28").iter().filter(|thread| !thread.name.ends_with("cleaner")).count() == 2
    });
    let held: Vec<Held> = (0..10).map(Held::new).collect();
    for payload in &held {
        pool.try_submit(payload.clone()).unwrap();
    }
    eventually("two of them run", || running.load(Ordering::SeqCst) == 2);
    release(&held);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((most.load(Ordering::SeqCst), stats.finished, stats.spawned), (2, 20, 10));
}

#[test]
fn pool_028_busy_workers_above_a_lowered_cap_leave_after_their_payload() {
    let (starts, started) = channel();
    let pool = WorkerPool::builder()
        .max_workers(10)
        .queue_capacity(8)
        .build(move |held: Held| {
            if held.number >= 100 {
                starts.send(held.number).unwrap();
            }
            held.gate.pass();
        })
        .unwrap();
    let busy = occupy(&pool, 10);
    let queued: Vec<Held> = (100..108).map(Held::new).collect();
    for payload in &queued {
        pool.try_submit(payload.clone()).unwrap();
    }
    let waiting = blocked(&pool, Held::free(108), 1);
    pool.set_max_workers(2).unwrap();
    assert_eq!((pool.running(), pool.free()), (10, Some(0)), "nobody is interrupted");
    for (payload, left) in busy[..8].iter().zip((2..10).rev()) {
        payload.gate.open();
        reaches(&pool, "one fewer", |stats| stats.workers == left);
        assert_eq!((pool.stats().queued, pool.waiting()), (8, 1), "nothing starts above the cap");
    }
    busy[8].gate.open();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(100));
    assert_eq!(started.try_iter().count(), 0);
    waiting.outcome("the submitter that moved up").unwrap();
    busy[9].gate.open();
    assert_eq!(started.recv_timeout(PATIENCE), Ok(101));
    assert_eq!((pool.running(), started.try_iter().count()), (2, 0));
    release(&queued);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.workers, stats.spawned), (19, 2, 10));
}

#[test]
fn pool_028_a_cap_can_be_set_and_lifted() {
    let pool = holding(WorkerPool::builder().max_workers(None));
    assert_eq!(pool.capacity(), None);
    let busy = occupy(&pool, 3);
    pool.set_max_workers(1).unwrap();
    assert_eq!((pool.capacity(), pool.free(), pool.running()), (Some(1), Some(0), 3));
    assert!(matches!(pool.try_submit(Held::free(4)), Err(SubmitError::Full(_))));
    pool.set_max_workers(None).unwrap();
    assert_eq!((pool.capacity(), pool.free()), (None, None));
    let more = occupy(&pool, 5);
    assert_eq!(pool.stats().busy, 8);
    release(&busy);
    release(&more);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.running(), 8, "the cap is gone, so nobody has to leave");
}

/// Down and up again before anybody noticed: as if nothing had been.
#[test]
fn pool_028_a_cap_lowered_and_raised_in_one_go_loses_no_wake_up() {
    for _ in 0..50 {
        let pool = holding(WorkerPool::builder().max_workers(3));
        let busy = occupy(&pool, 3);
        let waiting = [blocked(&pool, Held::free(3), 1), blocked(&pool, Held::free(4), 2)];
        let handle = pool.clone();
        let tuner = background(move || {
            for cap in [1, 3, 2, 1, 3] {
                handle.set_max_workers(cap).unwrap();
            }
        });
        release(&busy);
        tuner.outcome("tuning");
        for submission in waiting {
            submission.outcome("a submitter that waited through it").unwrap();
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.blocked, stats.queued), (5, 0, 0));
        assert!(stats.workers <= 3 && stats.capacity == Some(3), "{stats:?}");
    }
}

#[test]
fn pool_028_a_stopping_pool_can_be_resized_and_still_runs_everything() {
    for cap in [1, 6] {
        let pool = holding(WorkerPool::builder().max_workers(3).queue_capacity(20));
        let busy = occupy(&pool, 3);
        for number in 0..20 {
            pool.try_submit(Held::free(number)).unwrap();
        }
        pool.stop();
        pool.set_max_workers(cap).unwrap();
        assert_eq!(pool.stats().spawned, 3, "a stopped pool makes no workers");
        release(&busy);
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, pool.running()), (23, 0));
    }
}

#[test]
fn pool_028_a_payload_may_resize_its_own_pool() {
    let pool = WorkerPool::builder().max_workers(4).build_tasks().unwrap();
    pool.prestart(4).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let handle = pool.clone();
    pool.execute(move || handle.set_max_workers(1).unwrap()).unwrap();
    reaches(&pool, "the payload's own worker is left", |stats| stats.workers == 1);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let handle = pool.clone();
    pool.execute(move || handle.set_max_workers(4).unwrap()).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.capacity(), pool.stats().finished), (Some(4), 2));
}

/// A worker that waits in line counts on the others to make room: the last of them stays, although it is one too many.
#[test]
fn pool_028_a_worker_that_waits_for_one_above_the_cap_is_not_forgotten() {
    for queue in [0, 1] {
        let pool = WorkerPool::builder().max_workers(2).queue_capacity(queue).build_tasks().unwrap();
        let gate = Gate::new();
        let held = gate.clone();
        pool.execute(move || held.pass()).unwrap();
        let (handle, (answers, answer)) = (pool.clone(), channel());
        pool.execute(move || {
            for _ in 0..queue {
                handle.try_submit(Task::new(|| {})).unwrap();
            }
            answers.send(handle.submit(Task::new(|| {})).is_ok()).unwrap();
        })
        .unwrap();
        reaches(&pool, "the second worker waits for the first", |stats| stats.blocked == 1);
        // Long enough for it to fall asleep for good, rather than until it looks once more by itself.
        thread::sleep(Duration::from_millis(5));
        pool.set_max_workers(1).unwrap();
        gate.open();
        assert_eq!(answer.recv_timeout(PATIENCE), Ok(true));
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.workers, stats.blocked), (3 + queue as u64, 1, 0));
    }
}

#[test]
fn pool_028_submitters_meet_a_cap_that_changes_all_the_time() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let pool = WorkerPool::builder()
        .max_workers(4)
        .queue_capacity(2)
        .build(move |(): ()| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let handle = pool.clone();
    within("submitting while the cap changes", move || {
        let done = AtomicUsize::new(0);
        on_threads(4, |who| {
            if who == 3 {
                for round in 0_usize.. {
                    handle.set_max_workers(1 + round % 5).unwrap();
                    if done.load(Ordering::SeqCst) == 3 {
                        return;
                    }
                }
            }
            for _ in 0..3_000 {
                handle.submit(()).unwrap();
            }
            done.fetch_add(1, Ordering::SeqCst);
        });
    });
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((ran.load(Ordering::SeqCst), pool.stats().finished), (9_000, 9_000));
    pool.set_max_workers(2).unwrap();
    assert!(pool.running() <= 2);
}

#[test]
fn pool_029_sizes_that_cannot_be_met_are_refused_when_the_pool_is_built() {
    let build = |options: anthill_pool::WorkerPoolBuilder<()>| options.build(|()| {}).unwrap_err();
    let options = WorkerPool::<()>::builder;
    assert_eq!(build(options().max_workers(0)), BuildError::NoWorkers);
    assert_eq!(
        build(options().min_workers(3).max_workers(2)),
        BuildError::MinAboveMax { min_workers: 3, max_workers: 2 }
    );
    assert_eq!(build(options().max_idle_worker_duration(Duration::ZERO)), BuildError::ZeroIdleLimit);
    assert_eq!(
        build(options().max_idle_worker_duration(Duration::MAX)),
        BuildError::IdleLimitTooLong(Duration::MAX)
    );
    assert_eq!(build(options().when_full(WhenFull::DiscardOldest)), BuildError::NothingToDiscard);
    assert_eq!(build(options().name("a\0b")), BuildError::NulInName);
    let stateful = options()
        .when_full(WhenFull::RunOnCaller)
        .build_with_state(|_| Ok::<_, io::Error>(()), |(): &mut (), ()| {});
    assert_eq!(stateful.unwrap_err(), BuildError::CallerHasNoState);
    assert!(options().min_workers(2).max_workers(2).build(|()| {}).is_ok());
}

#[test]
fn pool_029_sizes_that_cannot_be_met_are_refused_later_too_and_change_nothing() {
    let pool = holding(WorkerPool::builder().max_workers(4).min_workers(2));
    let busy = occupy(&pool, 3);
    assert_eq!(pool.set_max_workers(0), Err(BuildError::NoWorkers));
    assert_eq!(pool.set_max_workers(1), Err(BuildError::MinAboveMax { min_workers: 2, max_workers: 1 }));
    assert_eq!((pool.capacity(), pool.running()), (Some(4), 3));
    pool.set_max_workers(2).unwrap();
    release(&busy);
    reaches(&pool, "one leaves", |stats| (stats.workers, stats.idle) == (2, 2));
}

//! What becomes of payloads for which there is no room, or not in time: run by the caller, displaced, refused, aged;
//! and who goes first.
//!
//! Rows 73 to 78. The rule they check: whatever the policy, each payload is run once, handed back or given to the hook,
//! and the counters say which.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{
    CancelToken, Discard, ManualClock, PoolStats, Priority, Refusal, SubmitError, Task, WhenFull, WorkerPool,
    WorkerPoolBuilder,
};
use anthill_tests::pool::{Held, adds_up, blocked, holding, occupy, reaches, release};
use anthill_tests::{Gate, PATIENCE, background, eventually, quiet_panics, within};

type Log<R> = Arc<Mutex<Vec<R>>>;

/// A pool, what it started in order, and what it discarded and why.
fn logging(options: WorkerPoolBuilder<Held>) -> (WorkerPool<Held>, Receiver<usize>, Log<(usize, Discard)>) {
    let (starts, started) = channel();
    let discarded = Log::default();
    let record = discarded.clone();
    let pool = options
        .on_discard(move |held: Held, why| record.lock().unwrap().push((held.number, why)))
        .build(move |held: Held| {
            starts.send(held.number).unwrap();
            held.gate.pass();
        })
        .unwrap();
    (pool, started, discarded)
}

fn assert_adds_up(stats: &PoolStats) {
    assert!(adds_up(stats), "{stats:?}");
}

#[test]
fn pool_073_a_full_pool_lets_the_caller_run_the_payload() {
    let (ran, runs) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(1)
        .when_full(WhenFull::RunOnCaller)
        .build(move |held: Held| {
            held.gate.pass();
            ran.send((held.number, thread::current().id())).unwrap();
        })
        .unwrap();
    let busy = occupy(&pool, 1);
    pool.submit(Held::free(1)).unwrap();
    assert_eq!((pool.stats().queued, pool.stats().ran_by_caller), (1, 0), "there was room");
    pool.submit(Held::free(2)).unwrap();
    assert_eq!(runs.try_recv(), Ok((2, thread::current().id())), "it ran before `submit` returned");
    assert!(matches!(pool.try_submit(Held::free(3)), Err(SubmitError::Full(_))), "`try_submit` refuses");
    let limited = pool.submission(Held::free(4)).timeout(Duration::ZERO).submit();
    assert!(matches!(limited, Err(SubmitError::Timeout(_))), "a limit of its own is kept");
    let stats = pool.stats();
    assert_eq!((stats.ran_by_caller, stats.accepted, stats.finished, stats.rejected), (1, 2, 0, 2));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(runs.try_iter().map(|(number, _)| number).collect::<Vec<_>>(), [0, 1]);
    pool.stop();
    assert!(matches!(pool.submit(Held::free(5)), Err(SubmitError::Closed(_))), "not after a stop");
    assert_eq!((pool.stats().ran_by_caller, runs.try_iter().count()), (1, 0));
}

#[test]
fn pool_073_a_panic_of_a_payload_that_the_caller_runs_is_contained() {
    quiet_panics();
    let caught = Log::default();
    let record = caught.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .when_full(WhenFull::RunOnCaller)
        .on_panic(move |value| {
            record.lock().unwrap().push((value.downcast_ref::<&str>().copied(), thread::current().id()));
        })
        .build(|held: Held| {
            held.gate.pass();
            assert!(held.number == 0, "on the caller");
        })
        .unwrap();
    let busy = occupy(&pool, 1);
    let handle = pool.clone();
    let caller = thread::Builder::new()
        .name("quiet73".to_owned())
        .spawn(move || (handle.submit(Held::free(1)).is_ok(), thread::current().id()))
        .unwrap();
    let (accepted, caller) = caller.join().expect("the panic stays with the payload");
    assert!(accepted);
    assert_eq!(*caught.lock().unwrap(), [(Some("on the caller"), caller)]);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.ran_by_caller, stats.finished, stats.panicked), (1, 1, 0));
}

#[test]
fn pool_073_a_worker_may_be_the_caller() {
    let pool = WorkerPool::builder().max_workers(1).when_full(WhenFull::RunOnCaller).build_tasks().unwrap();
    let (handle, (answers, answer)) = (pool.clone(), channel());
    pool.execute(move || {
        let here = thread::current().id();
        let (depths, inner) = channel();
        handle.execute(move || depths.send(thread::current().id()).unwrap()).unwrap();
        answers.send(inner.try_recv() == Ok(here)).unwrap();
    })
    .unwrap();
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(true));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().ran_by_caller), (1, 1));
}

#[test]
fn pool_074_the_oldest_queued_payload_makes_room() {
    let options = WorkerPool::builder().max_workers(1).queue_capacity(3).when_full(WhenFull::DiscardOldest);
    let (pool, started, discarded) = logging(options);
    let busy = occupy(&pool, 1);
    for number in 1..=8 {
        pool.submit(Held::free(number)).unwrap();
        assert!(pool.stats().queued <= 3);
        assert_adds_up(&pool.stats());
    }
    let expected: Vec<_> = (1..=5).map(|number| (number, Discard::Displaced)).collect();
    assert_eq!(*discarded.lock().unwrap(), expected, "one for each that came, oldest first");
    assert!(
        matches!(pool.try_submit(Held::free(9)), Err(SubmitError::Full(_))),
        "`try_submit` displaces none"
    );
    let limited = pool.submission(Held::free(9)).timeout(Duration::ZERO).submit();
    assert!(matches!(limited, Err(SubmitError::Timeout(_))));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(started.try_iter().collect::<Vec<_>>(), [0, 6, 7, 8]);
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.discarded, stats.rejected), (9, 4, 5, 2));
    assert_adds_up(&stats);
    pool.stop();
    assert!(matches!(pool.submit(Held::free(9)), Err(SubmitError::Closed(_))));
    assert_eq!(discarded.lock().unwrap().len(), 5);
}

#[test]
fn pool_074_the_least_urgent_one_makes_room_first() {
    let options = WorkerPool::builder().max_workers(1).queue_capacity(3).when_full(WhenFull::DiscardOldest);
    let (pool, started, discarded) = logging(options);
    let busy = occupy(&pool, 1);
    let submit = |number, priority| {
        pool.submission(Held::free(number)).priority(priority).submit().unwrap();
    };
    submit(1, Priority::High);
    submit(2, Priority::Normal);
    submit(3, Priority::Low);
    submit(4, Priority::High);
    submit(5, Priority::High);
    assert_eq!(*discarded.lock().unwrap(), [(3, Discard::Displaced), (2, Discard::Displaced)]);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(started.try_iter().collect::<Vec<_>>(), [0, 1, 4, 5]);
}

#[test]
fn pool_074_without_a_hook_what_is_displaced_is_dropped_and_a_hook_may_panic() {
    let dropped = Arc::new(());
    let gate = Gate::new();
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(1)
        .when_full(WhenFull::DiscardOldest)
        .build(move |_: Arc<()>| held.pass())
        .unwrap();
    for _ in 0..5 {
        pool.submit(dropped.clone()).unwrap();
    }
    assert_eq!(Arc::strong_count(&dropped), 3, "one runs, one is queued, one is here");
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((Arc::strong_count(&dropped), pool.stats().discarded), (1, 3));

    quiet_panics();
    let pool = holding(
        WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(1)
            .when_full(WhenFull::DiscardOldest)
            .on_discard(|_, _| panic!("a hook that panics")),
    );
    let busy = occupy(&pool, 1);
    pool.submit(Held::free(1)).unwrap();
    let handle = pool.clone();
    let submitter = thread::Builder::new().name("quiet74".to_owned());
    let accepted = submitter.spawn(move || handle.submit(Held::free(2)).is_ok()).unwrap().join();
    assert!(accepted.expect("contained"));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().discarded), (2, 1));
}

#[test]
fn pool_075_each_refusal_is_told_once_with_its_reason_and_counted() {
    let told = Log::default();
    let record = told.clone();
    let refuse_threads = Arc::new(AtomicBool::new(true));
    let refused = refuse_threads.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .max_blocking(1)
        .on_refusal(move |why| record.lock().unwrap().push((why, thread::current().id())))
        .spawner(move |worker| {
            if refused.load(Ordering::SeqCst) { Err(io::Error::other("not now")) } else { worker.spawn() }
        })
        .build_tasks()
        .unwrap();
    let here = thread::current().id();
    let mut count = 0_usize;
    let all_told = || told.lock().unwrap().clone();
    let mut expect = |why, thread| {
        count += 1;
        assert_eq!(all_told().last(), Some(&(why, thread)));
        assert_eq!((all_told().len(), pool.stats().rejected), (count, count as u64));
    };
    let idle = || Task::new(|| {});
    assert!(matches!(pool.submit(idle()), Err(SubmitError::SpawnFailed(..))));
    expect(Refusal::SpawnFailed, here);
    refuse_threads.store(false, Ordering::SeqCst);

    let (handle, (answers, answer)) = (pool.clone(), channel());
    pool.execute(move || {
        assert!(matches!(handle.submit(Task::new(|| {})), Err(SubmitError::WouldDeadlock(_))));
        answers.send(thread::current().id()).unwrap();
    })
    .unwrap();
    let worker = answer.recv_timeout(PATIENCE).unwrap();
    expect(Refusal::WouldDeadlock, worker);

    let gate = Gate::new();
    let held = gate.clone();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    pool.execute(move || held.pass()).unwrap();
    assert!(matches!(pool.try_submit(idle()), Err(SubmitError::Full(_))));
    expect(Refusal::Full, here);
    assert!(matches!(pool.submit_timeout(idle(), Duration::ZERO), Err(SubmitError::Timeout(_))));
    expect(Refusal::Timeout, here);
    let token = CancelToken::new();
    token.cancel();
    assert!(matches!(pool.submission(idle()).cancel_with(&token).submit(), Err(SubmitError::Cancelled(_))));
    expect(Refusal::Cancelled, here);
    let waiting = blocked(&pool, idle(), 1);
    assert!(matches!(pool.submit(idle()), Err(SubmitError::Overload(_))));
    expect(Refusal::Overload, here);
    pool.stop();
    assert!(matches!(waiting.outcome("a blocked submitter"), Err(SubmitError::Closed(_))));
    assert_eq!((all_told().len(), all_told()[6].0, pool.stats().rejected), (7, Refusal::Closed, 7));
    assert!(matches!(pool.try_submit(idle()), Err(SubmitError::Closed(_))));
    assert_eq!((all_told()[7], pool.stats().rejected), ((Refusal::Closed, here), 8));
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_075_a_pool_may_refuse_instead_of_block_and_its_hook_may_panic() {
    quiet_panics();
    let options = WorkerPool::builder().max_workers(1).queue_capacity(1).when_full(WhenFull::Refuse);
    let pool = holding(options.on_refusal(|_| panic!("a hook that panics")));
    let busy = occupy(&pool, 1);
    pool.submit(Held::free(1)).unwrap();
    let handle = pool.clone();
    let submitter = thread::Builder::new().name("quiet75".to_owned());
    let refused = submitter.spawn(move || handle.submit(Held::free(2))).unwrap().join().unwrap();
    assert!(matches!(refused, Err(SubmitError::Full(Held { number: 2, .. }))));
    // Who says how long to wait does wait.
    let handle = pool.clone();
    let patient = background(move || handle.submission(Held::free(3)).timeout(PATIENCE).submit());
    reaches(&pool, "it waits", |stats| stats.blocked == 1);
    release(&busy);
    patient.outcome("a submitter with patience").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().rejected), (3, 1));
}

#[test]
fn pool_076_more_urgent_payloads_start_first_and_equals_in_their_order() {
    let (pool, started, _) = logging(WorkerPool::builder().max_workers(1).queue_capacity(16));
    let busy = occupy(&pool, 1);
    for (number, priority) in [
        (1, Priority::Low),
        (2, Priority::Normal),
        (3, Priority::High),
        (4, Priority::Low),
        (5, Priority::High),
        (6, Priority::Normal),
    ] {
        pool.submission(Held::free(number)).priority(priority).submit().unwrap();
    }
    pool.submit(Held::free(7)).unwrap();
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(started.try_iter().collect::<Vec<_>>(), [0, 3, 5, 2, 6, 7, 1, 4]);
}

#[test]
fn pool_076_the_least_urgent_are_slowed_down_but_not_starved() {
    let (pool, started, _) = logging(WorkerPool::builder().max_workers(1).queue_capacity(256));
    let busy = occupy(&pool, 1);
    for number in 0..4 {
        pool.submission(Held::free(1_000 + number)).priority(Priority::Low).submit().unwrap();
    }
    for number in 1..=100 {
        pool.submission(Held::free(number)).priority(Priority::High).submit().unwrap();
    }
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let order: Vec<usize> = started.try_iter().collect();
    assert_eq!(order.len(), 105);
    let low: Vec<usize> = (0..order.len()).filter(|place| order[*place] >= 1_000).collect();
    assert!(low.iter().map(|place| order[*place]).is_sorted());
    assert!(order.iter().filter(|number| **number < 1_000).is_sorted());
    // One start in sixteen.
    assert!(low.windows(2).all(|pair| pair[1] - pair[0] == 16) && low[0] <= 16, "{low:?}");
}

#[test]
fn pool_076_blocked_submitters_move_up_in_their_order_and_start_by_their_priority() {
    let (pool, started, _) = logging(WorkerPool::builder().max_workers(1).queue_capacity(2));
    let held: Vec<Held> = (0..6).map(Held::new).collect();
    for payload in &held[..3] {
        pool.try_submit(payload.clone()).unwrap();
    }
    let waiting: Vec<_> = [(3, Priority::Low), (4, Priority::High), (5, Priority::Normal)]
        .into_iter()
        .zip(1..)
        .map(|((number, priority), place)| {
            let (handle, payload) = (pool.clone(), held[number].clone());
            let submission = background(move || handle.submission(payload).priority(priority).submit());
            reaches(&pool, "it waits", |stats| stats.blocked == place);
            submission
        })
        .collect();
    // 0 runs, 1 and 2 are queued. When 0 ends, 1 starts and 3 moves up; then 2 and 4; then 4, and 5 moves up.
    release(&held);
    for submission in waiting {
        submission.outcome("a blocked submitter").unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(started.try_iter().collect::<Vec<_>>(), [0, 1, 2, 4, 5, 3]);
}

#[test]
fn pool_077_a_payload_that_was_queued_for_too_long_is_not_run() {
    let (clock, limit) = (ManualClock::new(), Duration::from_secs(60));
    let options = WorkerPool::builder().max_workers(1).queue_capacity(8).max_queue_age(limit).clock(&clock);
    let (pool, started, discarded) = logging(options.max_idle_worker_duration(None));
    let busy = occupy(&pool, 1);
    assert_eq!(started.recv_timeout(PATIENCE), Ok(0));
    pool.submit(Held::free(1)).unwrap();
    clock.advance(Duration::from_nanos(1));
    pool.submit(Held::free(2)).unwrap();
    clock.advance(limit);
    pool.submit(Held::free(3)).unwrap();
    assert_eq!((pool.stats().queued, pool.stats().discarded), (3, 0), "a worker finds it out");
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(started.try_iter().collect::<Vec<_>>(), [2, 3], "one that is just as old as allowed runs");
    assert_eq!(*discarded.lock().unwrap(), [(1, Discard::Aged)]);
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.discarded), (4, 3, 1));
    assert_adds_up(&stats);
    // However long it runs: only what waits grows old.
    let busy = occupy(&pool, 1);
    assert_eq!(started.recv_timeout(PATIENCE), Ok(0));
    clock.advance(10 * limit);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().discarded), (4, 1));
}

#[test]
fn pool_077_aged_payloads_are_found_by_a_stop_too_and_handed_back_by_stop_now() {
    for hands_back in [false, true] {
        let (clock, limit) = (ManualClock::new(), Duration::from_secs(60));
        let options =
            WorkerPool::builder().max_workers(2).queue_capacity(8).max_queue_age(limit).clock(&clock);
        let (pool, started, discarded) = logging(options);
        let busy = occupy(&pool, 2);
        assert_eq!(started.iter().take(2).count(), 2);
        for number in 10..15 {
            pool.submit(Held::free(number)).unwrap();
        }
        clock.advance(2 * limit);
        if hands_back {
            assert_eq!(pool.stop_now().len(), 5);
        } else {
            pool.stop();
        }
        release(&busy);
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(started.try_iter().count(), 0);
        let stats = pool.stats();
        let expected = if hands_back { (0, 5) } else { (5, 0) };
        assert_eq!((stats.discarded, stats.handed_back), expected);
        assert_eq!(discarded.lock().unwrap().len() as u64, stats.discarded);
        assert_adds_up(&stats);
    }
}

/// With a fair line, whoever comes while others wait goes to its end, and may not slip in when a worker comes free.
#[test]
fn pool_078_nobody_overtakes_those_who_wait() {
    let (pool, started, _) = logging(WorkerPool::builder().max_workers(2));
    let held: Vec<Held> = (0..12).map(Held::new).collect();
    let mut running: Vec<&Held> = held[..2].iter().collect();
    for payload in &running {
        pool.try_submit((*payload).clone()).unwrap();
    }
    let waiting: Vec<_> = (1..=10).map(|place| blocked(&pool, held[place + 1].clone(), place)).collect();
    assert_eq!(
        {
            let mut first: Vec<_> = started.iter().take(2).collect();
            first.sort();
            first
        },
        [0, 1]
    );
    // Others try to slip in all the time.
    let over = Arc::new(AtomicBool::new(false));
    let (handle, enough) = (pool.clone(), over.clone());
    let pusher = background(move || {
        let mut pushed_in = 0;
        while !enough.load(Ordering::SeqCst) {
            pushed_in += usize::from(handle.try_submit(Held::free(99)).is_ok());
        }
        pushed_in
    });
    for (submission, number) in waiting.into_iter().zip(2..) {
        running.remove(0).gate.open();
        assert_eq!(started.recv_timeout(PATIENCE), Ok(number), "the one that waits longest is next");
        submission.outcome("the submitter whose turn it was").unwrap();
        running.push(&held[number]);
    }
    // The two last ones still run.
    over.store(true, Ordering::SeqCst);
    assert_eq!(pusher.outcome("the one who pushes"), 0);
    release(&held);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 12);
}

#[test]
fn pool_078_a_raised_cap_is_for_those_who_wait() {
    let (pool, started, _) = logging(WorkerPool::builder().max_workers(1));
    let held: Vec<Held> = (0..4).map(Held::new).collect();
    pool.try_submit(held[0].clone()).unwrap();
    let waiting: Vec<_> = (1..=3).map(|place| blocked(&pool, held[place].clone(), place)).collect();
    let handle = pool.clone();
    within("raising the cap", move || handle.set_max_workers(4)).unwrap();
    for submission in waiting {
        submission.outcome("a submitter that waited").unwrap();
    }
    assert!(matches!(pool.try_submit(Held::free(9)), Err(SubmitError::Full(_))), "all four are taken");
    let mut order: Vec<usize> = started.iter().take(4).collect();
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2, 3]);
    release(&held);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    eventually("nothing else ran", || pool.stats().finished == 4);
}

//! Several pools behind one handle: who gets which payload, and what stop, wait and resize mean for all of them.
//!
//! Rows 89 to 92, and what ants' tests of its `MultiPool` assert. The rule: a payload that one shard refuses is not
//! refused while another one takes it, and is counted as refused once when none does.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anthill_pool::multi::{MultiPool, MultiWaitError, Strategy};
use anthill_pool::{
    BuildError, Discard, PoolState, Refusal, SubmitError, Task, WaitError, WhenFull, WorkerPool,
    WorkerPoolBuilder,
};
use anthill_tests::pool::{Held, on_threads, release};
use anthill_tests::{Background, Gate, PATIENCE, background, eventually, threads_of, within};

fn multi(options: WorkerPoolBuilder<Held>, shards: usize, strategy: Strategy) -> MultiPool<Held> {
    options.build_multi(shards, strategy, |held: Held| held.gate.pass()).unwrap()
}

/// Submits that many payloads that hold their workers.
fn hold(pool: &MultiPool<Held>, count: usize) -> Vec<Held> {
    let held: Vec<Held> = (0..count).map(Held::new).collect();
    for payload in &held {
        pool.try_submit(payload.clone()).unwrap();
    }
    held
}

fn busy(pool: &MultiPool<Held>) -> Vec<usize> {
    pool.shard_stats().iter().map(|shard| shard.busy).collect()
}

fn end(pool: &MultiPool<Held>) {
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// A submission that has to wait, as the first one at that shard.
fn blocked_at(
    pool: &MultiPool<Held>,
    shard: usize,
    payload: Held,
) -> Background<Result<(), SubmitError<Held>>> {
    let handle = pool.clone();
    let submission = background(move || handle.submit(payload));
    eventually("the submitter is blocked", || pool.shards()[shard].waiting() == 1);
    submission
}

#[test]
fn pool_089_round_robin_gives_ten_shards_of_five_workers_five_payloads_each() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let count = refusals.clone();
    let options = WorkerPool::builder().max_workers(5).on_refusal(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let pool = multi(options, 10, Strategy::RoundRobin);
    for round in 1..=2_u64 {
        let held = hold(&pool, 50);
        for (number, shard) in pool.shards().iter().enumerate() {
            let figures = (shard.running(), shard.free(), shard.waiting(), shard.capacity());
            assert_eq!(figures, (5, Some(0), 0, Some(5)), "shard {number}");
        }
        let stats = pool.stats();
        assert_eq!((stats.busy, stats.blocked, stats.capacity), (50, 0, Some(50)));

        let extra = Held::new(50);
        match pool.try_submit(extra.clone()) {
            Err(SubmitError::Full(returned)) => assert_eq!(returned, extra),
            other => panic!("{other:?}"),
        }
        assert_eq!(pool.stats().rejected, 2 * round - 1, "counted once, though ten shards refused it");

        release(&held);
        end(&pool);
        assert_eq!(pool.stats().finished, 50 * round);
        assert!(matches!(pool.submit(Held::free(0)), Err(SubmitError::Closed(_))));
        end(&pool);
        assert_eq!(pool.stats().rejected, 2 * round);
        assert_eq!(refusals.load(Ordering::SeqCst) as u64, 2 * round);
        pool.restart();
    }
    assert_eq!(pool.stats().state, PoolState::Open);
}

#[test]
fn pool_089_the_threads_names_tell_shard_and_worker() {
    let pool = multi(WorkerPool::builder().name("r89").max_workers(2), 3, Strategy::RoundRobin);
    let held = hold(&pool, 6);
    let names = || -> HashSet<String> {
        let threads = threads_of("r89").into_iter().map(|thread| thread.name);
        threads.filter(|name| !name.ends_with("cleaner")).collect()
    };
    let expected: HashSet<String> =
        (0..3).flat_map(|shard| (0..2).map(move |worker| format!("r89-{shard}-{worker}"))).collect();
    eventually("all threads have their names", || names() == expected);
    release(&held);
}

#[test]
fn pool_089_all_shards_are_built_or_none() {
    let build = |shards: usize, options: WorkerPoolBuilder<Held>| {
        options.build_multi(shards, Strategy::RoundRobin, |_| {}).map(|_| ()).unwrap_err()
    };
    assert_eq!(build(0, WorkerPool::builder()), BuildError::NoShards);
    assert_eq!(build(3, WorkerPool::builder().max_workers(0)), BuildError::NoWorkers);
    assert_eq!(
        build(3, WorkerPool::builder().max_workers(1).min_workers(2)),
        BuildError::MinAboveMax { min_workers: 2, max_workers: 1 }
    );
    let none: Vec<WorkerPool<Held>> = Vec::new();
    assert_eq!(MultiPool::from_pools(none, Strategy::LeastLoaded).map(|_| ()), Err(BuildError::NoShards));
}

#[test]
fn pool_090_the_least_loaded_shard_is_taken_and_of_several_the_first() {
    let pool = multi(WorkerPool::builder().max_workers(4), 3, Strategy::LeastLoaded);
    let mut held = vec![Held::new(0)];
    pool.shards()[1].try_submit(held[0].clone()).unwrap();
    for (number, expected) in [[1, 1, 0], [1, 1, 1], [2, 1, 1], [2, 2, 1]].into_iter().enumerate() {
        held.extend(hold(&pool, 1));
        assert_eq!(busy(&pool), expected, "after payload {number}");
    }
    release(&held);
}

#[test]
fn pool_090_queued_payloads_and_blocked_submitters_are_load() {
    let options = WorkerPool::builder().max_workers(1).queue_capacity(3);
    let pool = multi(options, 2, Strategy::LeastLoaded);
    let held: Vec<Held> = (0..7).map(Held::new).collect();
    let accepted = || pool.shard_stats().iter().map(|shard| shard.accepted).collect::<Vec<_>>();
    for payload in &held[..4] {
        pool.shards()[0].try_submit(payload.clone()).unwrap();
    }
    // One blocked at the first shard: its load is 5.
    let handle = pool.shards()[0].clone();
    let last = held[6].clone();
    let blocked = background(move || handle.submit(last));
    eventually("the submitter is blocked", || pool.shards()[0].waiting() == 1);
    // Four for the second one: it is full then, and with 4 still the less loaded one.
    let more: Vec<Held> = (0..4).map(Held::new).collect();
    for payload in &more {
        pool.submit(payload.clone()).unwrap();
    }
    assert_eq!(accepted(), [4, 4]);
    let waiting = blocked_at(&pool, 1, held[4].clone());
    // At 5 each it is the first one's turn.
    assert!(matches!(
        pool.submit_timeout(held[5].clone(), Duration::from_millis(1)),
        Err(SubmitError::Timeout(_))
    ));
    assert_eq!(pool.shard_stats().iter().map(|shard| shard.rejected).collect::<Vec<_>>(), [1, 0]);
    release(&held);
    release(&more);
    blocked.outcome("the one blocked first").unwrap();
    waiting.outcome("the one blocked at the second shard").unwrap();
    end(&pool);
    assert_eq!(pool.stats().finished, 10);
}

#[test]
fn pool_090_idle_workers_are_no_load() {
    let pool = multi(WorkerPool::builder().max_workers(4), 2, Strategy::LeastLoaded);
    pool.shards()[0].prestart(4).unwrap();
    pool.shards()[0].wait_idle_timeout(PATIENCE).unwrap();
    let held = hold(&pool, 1);
    assert_eq!(busy(&pool), [1, 0]);
    release(&held);
}

#[test]
fn pool_091_with_49_of_50_busy_the_50th_is_accepted_wherever_a_worker_is_free() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let pool = multi(WorkerPool::builder().max_workers(5), 10, strategy);
        let mut held: Vec<Vec<Held>> = Vec::new();
        for shard in pool.shards() {
            held.push((0..5).map(Held::new).collect());
            for payload in &held[held.len() - 1] {
                shard.try_submit(payload.clone()).unwrap();
            }
        }
        for free in [7, 0, 9, 3, 4] {
            held[free].pop().unwrap().gate.open();
            eventually("one worker is free", || pool.stats().idle == 1);
            let (next, other) = (Held::new(0), Held::new(1));
            pool.try_submit(next.clone()).unwrap();
            assert_eq!(pool.shards()[free].stats().busy, 5, "{strategy:?}, shard {free}");
            assert!(matches!(pool.try_submit(other), Err(SubmitError::Full(_))));
            held[free].push(next);
        }
        assert_eq!(pool.stats().rejected, 5);
        held.iter().for_each(|shard| release(shard));
    }
}

#[test]
fn pool_091_a_submission_waits_only_when_every_shard_is_full_and_moves_on_when_its_shard_is_stopped() {
    let pool = multi(WorkerPool::builder().max_workers(1), 3, Strategy::RoundRobin);
    let held = hold(&pool, 3);
    let late = Held::free(3);
    let submission = blocked_at(&pool, 0, late);
    pool.shards()[0].stop();
    eventually("it waits for another shard", || pool.shards()[1].waiting() == 1);
    assert_eq!(pool.stats().rejected, 0, "nothing was refused for good");
    held[1].gate.open();
    submission.outcome("the submission").unwrap();
    release(&held);
    end(&pool);
    assert_eq!(pool.shard_stats().iter().map(|shard| shard.finished).collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn pool_091_stopped_shards_are_passed_over_until_none_is_left() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let pool = multi(WorkerPool::builder().max_workers(8), 4, strategy);
        for shard in [0, 3, 1] {
            pool.shards()[shard].stop();
            for number in 0..5 {
                pool.submit(Held::free(number)).unwrap();
                pool.submit_timeout(Held::free(number), PATIENCE).unwrap();
            }
        }
        assert_eq!(pool.stats().rejected, 0);
        // Open and full is the truth, not closed.
        pool.set_max_workers(1).unwrap();
        pool.shards()[2].wait_idle().unwrap();
        let held = hold(&pool, 1);
        assert!(matches!(pool.try_submit(Held::free(0)), Err(SubmitError::Full(_))));
        let limit = Duration::from_millis(1);
        assert!(matches!(pool.submit_timeout(Held::free(0), limit), Err(SubmitError::Timeout(_))));
        release(&held);
        pool.shards()[2].stop();
        let last = Held::free(7);
        match pool.submit(last.clone()) {
            Err(SubmitError::Closed(returned)) => assert_eq!(returned, last),
            other => panic!("{other:?}"),
        }
        end(&pool);
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.rejected, stats.state), (31, 3, PoolState::Stopped));
    }
}

#[test]
fn pool_091_the_policy_applies_when_every_shard_is_full() {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let record = ran.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .when_full(WhenFull::RunOnCaller)
        .build_multi(2, Strategy::RoundRobin, move |held: Held| {
            held.gate.pass();
            record.lock().unwrap().push((held.number, thread::current().id()));
        })
        .unwrap();
    let held = hold(&pool, 2);
    pool.submit(Held::free(2)).unwrap();
    assert_eq!(*ran.lock().unwrap(), [(2, thread::current().id())]);
    assert_eq!((pool.stats().ran_by_caller, pool.stats().rejected), (1, 0));
    release(&held);

    let refused =
        multi(WorkerPool::builder().max_workers(1).when_full(WhenFull::Refuse), 2, Strategy::RoundRobin);
    let held = hold(&refused, 2);
    assert!(matches!(refused.submit(Held::free(2)), Err(SubmitError::Full(_))));
    release(&held);

    let discarded = Arc::new(Mutex::new(Vec::new()));
    let record = discarded.clone();
    let options = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(1)
        .when_full(WhenFull::DiscardOldest)
        .on_discard(move |held: Held, why| record.lock().unwrap().push((held.number, why)));
    let displacing = multi(options, 2, Strategy::RoundRobin);
    let held = hold(&displacing, 4);
    displacing.submit(Held::free(4)).unwrap();
    assert_eq!(*discarded.lock().unwrap(), [(2, Discard::Displaced)], "the first shard's turn again");
    release(&held);
}

/// A payload that submits another one to its own pool, and says what came of it.
struct Nested {
    gate: Gate,
    pool: MultiPool<Nested>,
    answer: Sender<Result<(), Refusal>>,
}

impl Nested {
    fn run(self) {
        self.gate.pass();
        let Nested { gate, pool, answer } = self;
        assert!(pool.is_worker());
        let inner = Nested { gate, pool: pool.clone(), answer: answer.clone() };
        let _ = answer.send(pool.submit(inner).map_err(|error| error.refusal()));
    }
}

/// Worker of one waits for the other, worker of the other for the one: neither shard alone would see that.
#[test]
fn pool_091_shards_whose_workers_would_wait_for_each_other_are_noticed() {
    let pool =
        WorkerPool::builder().max_workers(1).build_multi(2, Strategy::RoundRobin, Nested::run).unwrap();
    assert!(!pool.is_worker());
    let gate = Gate::new();
    let (answer, answers) = channel();
    for _ in 0..2 {
        pool.submit(Nested { gate: gate.clone(), pool: pool.clone(), answer: answer.clone() }).unwrap();
    }
    gate.open();
    // The first one to fail leaves, and the other one's payload may then be taken by its worker; and so on.
    let first = answers.recv_timeout(PATIENCE).expect("a worker that cannot wait is told so");
    assert_eq!(first, Err(Refusal::WouldDeadlock));
    pool.stop();
    within("the end", move || pool.wait().unwrap());
}

#[test]
fn pool_092_counters_are_summed_up() {
    let pool = multi(WorkerPool::builder().max_workers(2).queue_capacity(1), 3, Strategy::RoundRobin);
    let held = hold(&pool, 8);
    let (sum, shards) = (pool.stats(), pool.shard_stats());
    assert_eq!((sum.workers, sum.busy, sum.queued, sum.accepted, sum.spawned), (6, 6, 2, 8, 6));
    assert_eq!(shards.iter().map(|shard| shard.queued).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!((sum.capacity, sum.peak_workers, sum.state), (Some(6), 6, PoolState::Open));
    pool.shards()[1].stop();
    assert_eq!(pool.stats().state, PoolState::Open, "as long as one is");
    release(&held);
    end(&pool);
    assert_eq!((pool.stats().finished, pool.stats().state), (8, PoolState::Stopped));

    let unlimited = multi(WorkerPool::builder().max_workers(None), 3, Strategy::RoundRobin);
    assert_eq!(unlimited.stats().capacity, None, "and not three times as much as a number can hold");
}

#[test]
fn pool_092_one_deadline_for_all_and_the_error_names_the_shards() {
    let pool = multi(WorkerPool::builder().max_workers(1), 10, Strategy::RoundRobin);
    let held = hold(&pool, 10);
    let limit = Duration::from_millis(300);
    let started = Instant::now();
    let error = pool.wait_idle_timeout(limit).unwrap_err();
    let took = started.elapsed();
    assert!(took < limit * 5, "not one limit after the other: {took:?}");
    assert_eq!(error.shards, (0..10).map(|shard| (shard, WaitError::Timeout)).collect::<Vec<_>>());
    pool.stop();
    for free in (0..10).filter(|shard| ![2, 7].contains(shard)) {
        held[free].gate.open();
        eventually("that shard has ended", || pool.shards()[free].state() == PoolState::Stopped);
    }
    let error = pool.wait_timeout(limit).unwrap_err();
    assert_eq!(error.shards, [(2, WaitError::Timeout), (7, WaitError::Timeout)]);
    assert_eq!(
        error.to_string(),
        "shard 2: the pool did not get there in time; shard 7: the pool did not get there in time"
    );
    release(&held);
    pool.wait_timeout(PATIENCE).unwrap();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_092_a_worker_of_any_shard_cannot_wait_for_all() {
    let (answer, answers) = channel();
    type Payload = (MultiPoolSlot, Sender<(bool, MultiWaitError, MultiWaitError)>);
    let slot = MultiPoolSlot::default();
    let pool = WorkerPool::builder()
        .build_multi(3, Strategy::RoundRobin, |(slot, answer): Payload| {
            let pool = slot.0.lock().unwrap().clone().unwrap();
            let outcome = (pool.is_worker(), pool.wait_idle().unwrap_err(), pool.wait().unwrap_err());
            answer.send(outcome).unwrap();
        })
        .unwrap();
    *slot.0.lock().unwrap() = Some(pool.clone());
    for shard in 0..3 {
        pool.submit((slot.clone(), answer.clone())).unwrap();
        let (is_worker, idle, end) = answers.recv_timeout(PATIENCE).unwrap();
        assert!(is_worker);
        assert_eq!(idle.shards, [(shard, WaitError::WouldDeadlock)]);
        assert_eq!(end.shards, [(shard, WaitError::WouldDeadlock)]);
    }
    slot.0.lock().unwrap().take();
    assert!(!pool.is_worker());

    /// Where payloads find their own pool.
    #[derive(Clone, Default)]
    struct MultiPoolSlot(Arc<Mutex<Option<MultiPool<Payload>>>>);
}

#[test]
fn pool_092_stop_now_hands_back_what_every_shard_had_queued() {
    let pool = multi(WorkerPool::builder().max_workers(1).queue_capacity(2), 3, Strategy::RoundRobin);
    let held = hold(&pool, 9);
    let rest: Vec<usize> = pool.stop_now().iter().map(|held| held.number).collect();
    assert_eq!(rest, [3, 6, 4, 7, 5, 8], "shard by shard, the oldest first");
    release(&held);
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().handed_back), (3, 6));
}

#[test]
fn pool_092_a_resize_applies_to_every_shard_or_to_none() {
    let first = WorkerPool::builder().max_workers(8).build(|held: Held| held.gate.pass()).unwrap();
    let second = WorkerPool::builder().max_workers(8).min_workers(4).build(|held: Held| held.gate.pass());
    let pool = MultiPool::from_pools([first, second.unwrap()], Strategy::RoundRobin).unwrap();
    assert_eq!(pool.set_max_workers(3), Err(BuildError::MinAboveMax { min_workers: 4, max_workers: 3 }));
    assert_eq!(pool.set_max_workers(0), Err(BuildError::NoWorkers));
    assert_eq!(pool.stats().capacity, Some(16), "nothing was changed");
    pool.set_max_workers(4).unwrap();
    let held = hold(&pool, 8);
    assert_eq!(busy(&pool), [4, 4]);
    let late = blocked_at(&pool, 0, Held::free(8));
    pool.set_max_workers(5).unwrap();
    late.outcome("a raised cap lets it in").unwrap();
    release(&held);
}

#[test]
fn pool_092_dropping_the_last_handle_stops_every_shard() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let pool = multi(
        WorkerPool::builder().on_worker_stop(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }),
        3,
        Strategy::RoundRobin,
    );
    let held = hold(&pool, 3);
    let other = pool.clone();
    drop(pool);
    assert_eq!(other.stats().state, PoolState::Open);
    drop(other);
    release(&held);
    eventually("all workers have left", || ended.load(Ordering::SeqCst) == 3);
}

/// A payload that goes on to the next shard, so many times.
struct Hops {
    left: usize,
    pool: MultiPool<Hops>,
    ran: Arc<AtomicUsize>,
}

#[test]
fn pool_092_wait_idle_waits_for_payloads_that_go_from_shard_to_shard() {
    let pool = WorkerPool::builder()
        .max_workers(2)
        .build_multi(3, Strategy::RoundRobin, |hops: Hops| {
            hops.ran.fetch_add(1, Ordering::SeqCst);
            let Hops { left, pool, ran } = hops;
            if left > 0 {
                pool.submit(Hops { left: left - 1, pool: pool.clone(), ran }).unwrap();
            }
        })
        .unwrap();
    for round in 1..=100 {
        let ran = Arc::new(AtomicUsize::new(0));
        pool.submit(Hops { left: 20, pool: pool.clone(), ran: ran.clone() }).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 21, "round {round}");
    }
}

#[test]
fn pool_092_many_at_once_are_shared_out_equally_and_come_back_from_the_first_refused_on() {
    let pool = multi(WorkerPool::builder().max_workers(5), 10, Strategy::RoundRobin);
    let held: Vec<Held> = (0..53).map(Held::new).collect();
    assert_eq!(pool.submit_many(held[..20].to_vec()).unwrap(), 20);
    assert_eq!(busy(&pool), [2; 10]);
    let error = pool.try_submit_many(held[20..].to_vec()).unwrap_err();
    assert_eq!((error.accepted, error.refusal), (30, Refusal::Full));
    assert_eq!(error.rest, held[50..]);
    assert_eq!(pool.stats().rejected, 1);
    let handle = pool.clone();
    let rest = background(move || handle.submit_many(error.rest).unwrap());
    release(&held);
    assert_eq!(rest.outcome("the others, once there is room"), 3);
    end(&pool);
    assert_eq!(pool.stats().finished, 53);
    assert_eq!(pool.submit_many(Vec::new()).unwrap(), 0);
}

/// A full shard must not hand back its whole share each time, or the time grows with the square of the batch: with this
/// one to twenty times that of a single pool.
#[test]
fn pool_092_many_at_once_cost_about_as_much_as_on_a_single_pool_when_the_shards_are_full() {
    const PAYLOADS: usize = 16_000;
    type Large = [u64; 64];
    // Slower than the submitter, so that it finds the queues full.
    let slowly = |_: Large| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(10) {}
    };
    let options = || WorkerPool::builder().queue_capacity(1);
    let batch = || vec![[7; 64]; PAYLOADS];
    let single = options().max_workers(2).build(slowly).unwrap();
    let several = options().max_workers(1).build_multi(2, Strategy::RoundRobin, slowly).unwrap();
    let timed = |submit: &dyn Fn(Vec<Large>) -> usize| {
        let batch = batch();
        let start = Instant::now();
        assert_eq!(submit(batch), PAYLOADS);
        start.elapsed()
    };
    let by_one = timed(&|batch| single.submit_many(batch).unwrap());
    let by_two = timed(&|batch| several.submit_many(batch).unwrap());
    assert!(
        by_two < 5 * by_one + Duration::from_millis(500),
        "{by_two:?} for two shards, {by_one:?} for one pool"
    );
    several.stop();
    several.wait_timeout(PATIENCE).unwrap();
    assert_eq!(several.stats().finished, PAYLOADS as u64);
}

#[test]
fn pool_092_parts_of_a_large_batch_go_evenly_to_the_shards() {
    let pool = multi(WorkerPool::builder().max_workers(1).queue_capacity(1_000), 3, Strategy::RoundRobin);
    let held: Vec<Held> = (0..1_000).map(Held::new).collect();
    assert_eq!(pool.try_submit_many(held.clone()).unwrap(), 1_000);
    let accepted: Vec<u64> = pool.shard_stats().iter().map(|shard| shard.accepted).collect();
    assert_eq!(accepted.iter().sum::<u64>(), 1_000);
    assert!(accepted.iter().all(|share| (320..350).contains(share)), "{accepted:?}");
    release(&held);
    end(&pool);
}

#[test]
fn pool_092_closures_go_to_a_shard_with_room_or_come_back() {
    let pool = WorkerPool::builder().max_workers(1).build_multi(2, Strategy::RoundRobin, Task::run).unwrap();
    let gate = Gate::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let held = || {
        let (gate, ran) = (gate.clone(), ran.clone());
        move || {
            gate.pass();
            ran.fetch_add(1, Ordering::SeqCst);
        }
    };
    pool.try_execute(held()).unwrap();
    pool.try_execute(held()).unwrap();
    let Err(SubmitError::Full(task)) = pool.try_execute(held()) else { panic!("both shards were full") };
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 2);
    task.run();
    assert_eq!(ran.load(Ordering::SeqCst), 3);
}

/// Shards are stopped, opened and resized while many submit: every payload runs once or comes back.
#[test]
fn pool_092_every_payload_runs_once_or_comes_back_while_shards_come_and_go() {
    const SUBMITTERS: usize = 4;
    const PAYLOADS: usize = 3_000;
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let fates: Arc<Vec<AtomicUsize>> =
            Arc::new((0..SUBMITTERS * PAYLOADS).map(|_| AtomicUsize::new(0)).collect());
        let record = fates.clone();
        let pool = WorkerPool::builder()
            .max_workers(2)
            .queue_capacity(4)
            .build_multi(3, strategy, move |number: usize| {
                record[number].fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let unrest = {
            let (pool, over, fates) = (pool.clone(), over.clone(), fates.clone());
            background(move || {
                for round in 0_usize.. {
                    let shard = &pool.shards()[round % 3];
                    match round % 4 {
                        0 => shard.stop(),
                        1 => shard.stop_now().into_iter().for_each(|number| {
                            fates[number].fetch_add(1, Ordering::SeqCst);
                        }),
                        2 => pool.set_max_workers(1 + round % 5).unwrap(),
                        _ => pool.restart(),
                    }
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    thread::sleep(Duration::from_micros(100));
                }
            })
        };
        let submitters = pool.clone();
        let noted = fates.clone();
        within("the submitters", move || {
            on_threads(SUBMITTERS, |submitter| {
                for number in submitter * PAYLOADS..(submitter + 1) * PAYLOADS {
                    let outcome = match number % 3 {
                        0 => submitters.submit(number),
                        1 => submitters.try_submit(number),
                        _ => submitters.submit_timeout(number, Duration::from_millis(1)),
                    };
                    if let Err(refused) = outcome {
                        noted[refused.into_payload()].fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        });
        over.store(true, Ordering::SeqCst);
        unrest.outcome("the unrest");
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        for (number, fate) in fates.iter().enumerate() {
            assert_eq!(fate.load(Ordering::SeqCst), 1, "{strategy:?}, payload {number}");
        }
        let stats = pool.stats();
        assert_eq!(stats.accepted, stats.finished + stats.handed_back);
        assert_eq!(stats.accepted + stats.rejected, (SUBMITTERS * PAYLOADS) as u64);
    }
}

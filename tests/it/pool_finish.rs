//! The end of a pool in one call.
//!
//! The rule: every accepted payload has run, runs, or comes back, and which of these is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_pool::multi::Strategy;
use anthill_pool::{Priority, SubmitError, WaitError, WorkerPool};
use anthill_tests::pool::{Held, adds_up, blocked, hold, holding, occupy, reaches, release, tasks};
use anthill_tests::{Gate, PATIENCE, background, eventually, within};

const SOON: Duration = Duration::from_millis(5);

#[test]
fn pool_finish_runs_what_was_accepted() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = ran.clone();
    let pool = WorkerPool::builder().max_workers(2).queue_capacity(500).build(move |_: u32| {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    let pool = pool.unwrap();
    pool.submit_many((0..500).collect()).unwrap();
    pool.finish(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 500);
    assert_eq!((pool.running(), pool.is_closed()), (0, true));
    pool.finish(Duration::ZERO).unwrap();
}

#[test]
fn pool_finish_hands_back_what_did_not_start_in_time() {
    let pool = holding(WorkerPool::builder().max_workers(2).queue_capacity(3));
    let held = occupy(&pool, 2);
    let queued: Vec<Held> = (10..13).map(Held::free).collect();
    pool.submit(queued[0].clone()).unwrap();
    pool.submit(queued[1].clone()).unwrap();
    pool.submission(queued[2].clone()).priority(Priority::High).submit().unwrap();
    let in_line = blocked(&pool, Held::free(99), 1);
    let unfinished = pool.finish(SOON).unwrap_err();
    assert_eq!((unfinished.reason, unfinished.running), (WaitError::Timeout, 2));
    assert_eq!(unfinished.rest, [queued[2].clone(), queued[0].clone(), queued[1].clone()]);
    assert_eq!(unfinished.to_string(), "the pool was not done in time: 2 payloads run, 3 were handed back");
    assert!(matches!(in_line.outcome("who was blocked"), Err(SubmitError::Closed(_))));
    release(&held);
    pool.finish(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.handed_back), (2, 3));
    assert!(adds_up(&stats));
}

#[test]
fn pool_finish_goes_on_as_soon_as_all_is_done() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(1));
    let held = occupy(&pool, 1);
    pool.submit(Held::free(1)).unwrap();
    let ends = pool.clone();
    let finish = background(move || ends.finish(Duration::MAX).is_ok());
    eventually("it is stopped", || pool.is_closed());
    assert!(!finish.is_finished());
    release(&held);
    assert!(finish.outcome("all has run"));
    assert_eq!(pool.stats().finished, 2);
}

#[test]
fn pool_finish_is_refused_to_its_own_workers() {
    let pool = tasks(1, 4);
    let (inner, share) = (pool.clone(), pool.sub_pool(1));
    let own_share = share.clone();
    let refused = pool.spawn(move || {
        let reasons = (inner.finish(SOON).unwrap_err().reason, own_share.finish(SOON).unwrap_err().reason);
        (reasons, inner.is_closed())
    });
    let refused = within("a worker's finish", move || refused.unwrap().join()).unwrap();
    assert_eq!(refused, ((WaitError::WouldDeadlock, WaitError::WouldDeadlock), false));
    share.execute(|| {}).unwrap();
    pool.finish(PATIENCE).unwrap();
}

#[test]
fn pool_finish_has_the_last_word_over_a_restart() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(2));
    let held = occupy(&pool, 1);
    let ends = pool.clone();
    let finish = background(move || ends.finish(Duration::from_millis(200)).unwrap_err().rest.len());
    eventually("it is stopped", || pool.is_closed());
    pool.restart();
    pool.submit(Held::free(1)).unwrap();
    assert_eq!(finish.outcome("the time is up"), 1);
    assert!(pool.is_closed());
    release(&held);
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_finish_of_several_shards_gathers_what_is_left() {
    let options = WorkerPool::builder().max_workers(1).queue_capacity(2);
    let pool = options.build_multi(3, Strategy::RoundRobin, |held: Held| held.gate.pass()).unwrap();
    let gate = Gate::new();
    let held = |number| Held { number, gate: gate.clone() };
    (0..6).for_each(|number| pool.submit(held(number)).unwrap());
    eventually("each shard is busy", || {
        pool.shard_stats().iter().all(|shard| shard.busy == 1 && shard.queued == 1)
    });
    let unfinished = pool.finish(SOON).unwrap_err();
    assert_eq!((unfinished.reason, unfinished.running), (WaitError::Timeout, 3));
    assert!(unfinished.rest.iter().map(|held| held.number).eq([3, 4, 5]), "shard by shard");
    gate.open();
    pool.finish(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().handed_back), (3, 3));
    let options = WorkerPool::builder().max_workers(1);
    let pool = options.build_multi(2, Strategy::RoundRobin, |work: Box<dyn FnOnce() + Send>| work()).unwrap();
    let (inner, (answer, answers)) = (pool.clone(), std::sync::mpsc::channel());
    pool.submit(Box::new(move || answer.send(inner.finish(SOON).unwrap_err().reason).unwrap())).unwrap();
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(WaitError::WouldDeadlock));
}

#[test]
fn pool_finish_of_a_share_leaves_its_parent_open() {
    let pool = tasks(2, 8);
    let share = pool.sub_pool_bounded(1, 2);
    let gate = Gate::new();
    let held = gate.clone();
    share.execute(move || held.pass()).unwrap();
    eventually("it runs", || share.stats().running == 1);
    share.execute(|| {}).unwrap();
    share.execute(|| {}).unwrap();
    let waits = share.clone();
    let waiting = background(move || waits.execute(|| {}).map_err(|error| error.refusal()));
    eventually("it waits for room, or would", || waiting.is_finished() || share.stats().queued == 2);
    let unfinished = share.finish(SOON).unwrap_err();
    assert_eq!((unfinished.rest.len(), unfinished.running), (2, 1));
    assert_eq!(waiting.outcome("who was blocked"), Err(anthill_pool::Refusal::Closed));
    assert!(matches!(share.execute(|| {}), Err(SubmitError::Closed(_))));
    gate.open();
    share.finish(PATIENCE).unwrap();
    assert_eq!((share.stats().finished, share.stats().handed_back), (1, 2));
    let handle = pool.spawn(|| 7).unwrap();
    assert_eq!(within("the parent goes on", move || handle.join()).unwrap(), 7);
}

#[test]
fn pool_finish_of_calls_tells_their_callers() {
    let pool =
        WorkerPool::builder().max_workers(1).queue_capacity(4).build_calls(|gate: Gate| gate.pass()).unwrap();
    let gate = Gate::new();
    let running = pool.call(gate.clone()).unwrap();
    let left = pool.call(Gate::new()).unwrap();
    reaches(&pool, "one runs", |stats| stats.busy == 1 && stats.queued == 1);
    let unfinished = pool.finish(SOON).unwrap_err();
    assert_eq!(unfinished.rest.len(), 1);
    drop(unfinished);
    assert!(within("the one that is left", move || left.join()).is_err());
    gate.open();
    within("the one that runs", move || running.join()).unwrap();
}

#[test]
fn pool_times_of_several_shards_are_added_up() {
    let options = WorkerPool::builder().max_workers(1).queue_capacity(16);
    let pause = |pause: Duration| std::thread::sleep(pause);
    let pool = options.clone().measure_times(true).build_multi(2, Strategy::RoundRobin, pause).unwrap();
    for pause in [SOON, SOON * 4, Duration::ZERO] {
        pool.submit(pause).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let times = pool.times().unwrap();
    assert_eq!((times.run.count(), times.wait.count()), (3, 3));
    assert!(times.run.max() >= SOON * 4 && times.run.mean() >= SOON * 5 / 3);
    assert!(times.run.quantile(0.0) < times.run.max());
    assert!(options.build_multi(2, Strategy::RoundRobin, pause).unwrap().times().is_none());
}

#[test]
fn pool_finish_waits_for_tasks_of_handles_and_shares() {
    let pool = tasks(1, 8);
    let gate = hold(&pool);
    let share = pool.sub_pool(1);
    let handles = [pool.spawn(|| 1).unwrap(), share.spawn(|| 2).unwrap()];
    gate.open();
    pool.finish(PATIENCE).unwrap();
    assert_eq!(handles.map(|handle| handle.join().unwrap()), [1, 2]);
}

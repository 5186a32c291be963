//! `finish`: the end of a consumer within a limit, whatever handlers and the source are doing.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_pool::remote::{Consumer, FinishedJobs, Job, JobSource, MemorySource, UnfinishedJobs};
use anthill_pool::{Backoff, PoolState, WaitError, WhenFull, WorkerPool};
use anthill_tests::{Gate, PATIENCE, background, eventually, within};

use crate::consumers::{assert_adds_up, send};
use crate::flaky::Flaky;
use crate::jobs::{Numbered, fetch, numbers};
use crate::stopping::{three_of, with_three_taken};

/// Long enough to tell a source that answers, also on a loaded machine.
const LIMIT: Duration = Duration::from_secs(5);

/// What becomes of a consumer whose handlers may go on once it is stopped.
fn stopped_first(consumer: Consumer, gate: &Gate) -> Result<FinishedJobs, UnfinishedJobs> {
    let consumer = Arc::new(consumer);
    let finishing = consumer.clone();
    let finishing = background(move || finishing.finish(PATIENCE));
    eventually("it is stopped", || consumer.pool_stats().state != PoolState::Open);
    gate.open();
    finishing.outcome("the end")
}

#[test]
fn what_was_taken_is_done_in_time_and_the_rest_stays() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    let jobs = stopped_first(consumer, &gate).unwrap();
    assert_eq!((jobs.done, jobs.failed, jobs.given_back, jobs.uncertain), (3, 0, 0, 0));
    assert_eq!(jobs.to_string(), "3 jobs done, 0 failed, 0 given back");
    assert_eq!(numbers(&fetch(&queue, 10)), [3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_handler_that_is_blocked_keeps_nobody_beyond_the_limit() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    let unfinished = consumer.finish(LIMIT).unwrap_err();
    assert_eq!((unfinished.reason, unfinished.running, unfinished.untold), (WaitError::Timeout, 1, 0));
    assert_eq!((unfinished.jobs.done, unfinished.jobs.given_back), (0, 2));
    assert_eq!(
        unfinished.to_string(),
        "the consumer was not done in time: 1 jobs run, 0 are to be told of; 0 jobs done, 0 failed, 2 given back"
    );
    // When it returns others can have them, as if nobody had had them.
    let rest = fetch(&queue, 10);
    assert_eq!(numbers(&rest), [3, 4, 5, 6, 7, 8, 9, 1, 2]);
    assert!(rest.iter().all(|job| job.attempt == 1));
    gate.open();
    let jobs = consumer.finish(PATIENCE).unwrap();
    assert_eq!((jobs.done, jobs.given_back), (1, 2), "once more, for what ran on");
    assert_eq!(consumer.finish(Duration::ZERO).unwrap(), jobs, "nothing is left to be done");
    assert_adds_up(&consumer.stats());
}

#[test]
fn several_threads_may_finish_and_the_shortest_limit_gives_back() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = Arc::new(with_three_taken(&queue, &gate));
    let patient = {
        let consumer = consumer.clone();
        background(move || consumer.finish(Duration::MAX))
    };
    eventually("it is stopped", || consumer.pool_stats().state != PoolState::Open);
    let hasty = consumer.finish(Duration::ZERO).unwrap_err();
    assert_eq!((hasty.reason, hasty.running), (WaitError::Timeout, 1));
    eventually("what has not begun is given back", || queue.depth().unwrap().ready == 9);
    gate.open();
    let jobs = patient.outcome("the patient one").unwrap();
    assert_eq!((jobs.done, jobs.given_back), (1, 2));
}

#[test]
fn a_source_that_is_gone_keeps_nobody_beyond_the_limit() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    send(&queue, 0..3);
    let consumer = three_of(flaky.clone(), &gate);
    flaky.set_down(true);
    let unfinished = consumer.finish(Duration::from_millis(300)).unwrap_err();
    assert_eq!((unfinished.running, unfinished.untold), (1, 2));
    gate.open();
    let unfinished = consumer.finish(Duration::from_millis(300)).unwrap_err();
    assert_eq!((unfinished.running, unfinished.untold), (0, 3));
    flaky.set_down(false);
    // It does not wait for the next try, which may be seconds ahead.
    let jobs = consumer.finish(PATIENCE).unwrap();
    assert_eq!((jobs.done, jobs.given_back, jobs.uncertain), (1, 2, 0));
    assert_adds_up(&consumer.stats());
}

#[test]
fn a_pause_before_the_next_attempt_is_not_waited_for() {
    let queue = MemorySource::new();
    send(&queue, [1]);
    let consumer = Consumer::builder(queue.clone())
        .retry(Backoff::constant(Duration::from_secs(3600)))
        .start(|_: &Job<Numbered>| Err::<(), _>("not yet"))
        .unwrap();
    eventually("it waits for its next attempt", || queue.depth().unwrap().delayed == 1);
    eventually("that is known", || consumer.stats().retried == 1);
    assert_eq!(consumer.finish(PATIENCE).unwrap(), Default::default());
    assert_eq!(queue.depth().unwrap().delayed, 1);
}

#[test]
fn a_failure_at_the_end_is_counted() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    send(&queue, [1]);
    let held = gate.clone();
    let consumer = Consumer::builder(queue.clone())
        .retry(Backoff::constant(Duration::from_secs(3600)))
        .start(move |_: &Job<Numbered>| {
            held.pass();
            Err::<(), _>("not yet")
        })
        .unwrap();
    eventually("it runs", || consumer.pool_stats().busy == 1);
    let jobs = stopped_first(consumer, &gate).unwrap();
    assert_eq!((jobs.done, jobs.failed, jobs.given_back, jobs.uncertain), (0, 1, 0, 0));
    assert_eq!(queue.depth().unwrap().delayed, 1);
}

#[test]
fn in_a_handler_it_is_refused_and_stops_nothing() {
    let queue = MemorySource::new();
    let shared: Arc<Mutex<Option<Arc<Consumer>>>> = Arc::default();
    let (inside, gate) = (shared.clone(), Gate::new());
    let held = gate.clone();
    let (answers, inbox) = channel();
    let consumer = Consumer::builder(queue.clone())
        .start(move |_: &Job<Numbered>| {
            held.pass();
            let consumer = inside.lock().unwrap().clone().unwrap();
            answers.send(consumer.finish(Duration::from_secs(3600))).unwrap();
        })
        .unwrap();
    let consumer = Arc::new(consumer);
    *shared.lock().unwrap() = Some(consumer.clone());
    gate.open();
    for number in 0..2 {
        send(&queue, [number]);
        let refused = inbox.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert_eq!((refused.reason, refused.jobs), (WaitError::WouldDeadlock, Default::default()));
        assert_eq!(refused.to_string(), WaitError::WouldDeadlock.to_string());
    }
    eventually("both are done", || consumer.stats().acknowledged == 2);
    // The handler has a reference, which ends with the consumer's threads.
    shared.lock().unwrap().take();
    within("the end", move || consumer.finish(PATIENCE)).unwrap();
}

#[test]
fn in_a_handler_on_the_thread_that_takes_jobs_it_is_refused_too() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let shared: Arc<Mutex<Option<Arc<Consumer>>>> = Arc::default();
    let (inside, held) = (shared.clone(), gate.clone());
    let (answers, inbox) = channel();
    // Number 0 keeps the only worker, so number 1 runs where the jobs are taken.
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(0).when_full(WhenFull::RunOnCaller))
        .max_in_flight(2)
        .start(move |job: &Job<Numbered>| {
            if job.payload().0 == 0 {
                return held.pass();
            }
            let consumer = inside.lock().unwrap().clone().unwrap();
            answers
                .send(consumer.finish(Duration::from_secs(3600)).map_err(|refused| refused.reason))
                .unwrap();
            answers.send(consumer.wait().map(|()| Default::default())).unwrap();
            answers.send(consumer.wait_timeout(PATIENCE).map(|()| Default::default())).unwrap();
        })
        .unwrap();
    let consumer = Arc::new(consumer);
    *shared.lock().unwrap() = Some(consumer.clone());
    send(&queue, [0]);
    eventually("the worker is busy", || consumer.pool_stats().busy == 1);
    send(&queue, [1]);
    for _ in 0..3 {
        assert_eq!(inbox.recv_timeout(PATIENCE), Ok(Err(WaitError::WouldDeadlock)));
    }
    eventually("it is done", || consumer.stats().acknowledged == 1);
    assert_eq!(consumer.pool_stats().ran_by_caller, 1);
    assert_eq!(consumer.pool_stats().state, PoolState::Open, "it was not stopped");
    gate.open();
    shared.lock().unwrap().take();
    within("the end", move || consumer.finish(PATIENCE)).unwrap();
}

#[test]
fn in_the_hook_for_errors_it_is_refused_too() {
    let queue = MemorySource::new();
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    let shared: Arc<Mutex<Option<Arc<Consumer>>>> = Arc::default();
    let inside = shared.clone();
    let (answers, inbox) = channel();
    let consumer = Consumer::builder(flaky.clone())
        .on_error(move |_| {
            // Errors that come when the test has seen enough find nobody.
            if let Some(consumer) = inside.lock().unwrap().clone() {
                let _ = answers
                    .send((consumer.wait(), consumer.finish(PATIENCE).map_err(|refused| refused.reason)));
            }
        })
        .start(|_: &Job<Numbered>| ())
        .unwrap();
    let consumer = Arc::new(consumer);
    *shared.lock().unwrap() = Some(consumer.clone());
    let would_deadlock = (Err(WaitError::WouldDeadlock), Err(WaitError::WouldDeadlock));
    // On the thread that settles.
    flaky.refuse_settlements(true);
    send(&queue, [1]);
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), would_deadlock);
    flaky.refuse_settlements(false);
    eventually("it is done", || consumer.stats().acknowledged == 1);
    // On the thread that takes jobs.
    flaky.set_down(true);
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), would_deadlock);
    flaky.set_down(false);
    shared.lock().unwrap().take();
    within("the end", move || consumer.finish(PATIENCE)).unwrap();
}

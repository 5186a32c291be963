//! The end of a consumer: nothing that was taken is lost, whichever way it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_pool::remote::{Consumer, Job, JobSource, MemorySource, StartError};
use anthill_pool::{BuildError, WaitError, WorkerPool};
use anthill_tests::{Gate, PATIENCE, eventually};

use crate::consumers::{assert_adds_up, send};
use crate::flaky::Flaky;
use crate::jobs::{Numbered, fetch, numbers};

/// A consumer of ten jobs that has taken three, of which one is running.
pub(crate) fn with_three_taken(queue: &MemorySource, gate: &Gate) -> Consumer {
    send(queue, 0..10);
    three_of(queue.clone(), gate)
}

/// A consumer that has taken three jobs, of which one is running.
pub(crate) fn three_of(source: impl JobSource + 'static, gate: &Gate) -> Consumer {
    let held = gate.clone();
    let consumer = Consumer::builder(source)
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(2))
        .start(move |_: &Job<Numbered>| held.pass())
        .unwrap();
    eventually("three are taken", || consumer.stats().running == 3);
    eventually("one runs", || consumer.pool_stats().busy == 1);
    consumer
}

#[test]
fn a_stop_runs_what_was_taken_and_leaves_the_rest() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    consumer.stop();
    assert_eq!(consumer.wait_timeout(Duration::from_millis(20)), Err(WaitError::Timeout));
    gate.open();
    consumer.wait_timeout(PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_adds_up(&stats);
    assert_eq!((stats.fetched, stats.acknowledged, stats.returned), (3, 3, 0));
    assert_eq!(numbers(&fetch(&queue, 10)), [3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_stop_at_once_gives_back_what_has_not_begun() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    consumer.stop_now();
    // Others need not wait for the one that runs.
    eventually("two are given back", || queue.depth().unwrap().ready == 9);
    assert_eq!(consumer.stats().returned, 2);
    gate.open();
    consumer.wait_timeout(PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_adds_up(&stats);
    assert_eq!((stats.fetched, stats.acknowledged, stats.returned), (3, 1, 2));
    let rest = fetch(&queue, 10);
    assert_eq!(numbers(&rest), [3, 4, 5, 6, 7, 8, 9, 1, 2]);
    assert!(rest.iter().all(|job| job.attempt == 1));
}

#[test]
fn a_second_stop_is_allowed_to_be_more_urgent() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    consumer.stop();
    consumer.stop();
    consumer.stop_now();
    gate.open();
    consumer.wait_timeout(PATIENCE).unwrap();
    consumer.stop();
    assert_eq!((consumer.stats().acknowledged, consumer.stats().returned), (1, 2));
}

#[test]
fn dropping_a_consumer_stops_it_and_loses_nothing() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_three_taken(&queue, &gate);
    drop(consumer);
    gate.open();
    eventually("what was taken is done", || queue.depth().unwrap().in_flight == 0);
    assert_eq!(queue.depth().unwrap().ready, 7);
}

#[test]
fn a_handler_cannot_wait_for_its_consumer() {
    let queue = MemorySource::new();
    let shared: Arc<Mutex<Option<Arc<Consumer>>>> = Arc::default();
    let (inside, gate) = (shared.clone(), Gate::new());
    let held = gate.clone();
    let (answers, inbox) = std::sync::mpsc::channel();
    let consumer = Consumer::builder(queue.clone())
        .start(move |_: &Job<Numbered>| {
            held.pass();
            let consumer = inside.lock().unwrap().take().unwrap();
            answers.send(consumer.wait()).unwrap();
        })
        .unwrap();
    let consumer = Arc::new(consumer);
    *shared.lock().unwrap() = Some(consumer.clone());
    send(&queue, [1]);
    gate.open();
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), Err(WaitError::WouldDeadlock));
    consumer.stop();
    consumer.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn what_the_source_cannot_be_told_for_a_lease_is_abandoned_at_the_end() {
    let lease = Duration::from_millis(100);
    let (queue, gate) = (MemorySource::new().with_lease(lease), Gate::new());
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    send(&queue, 0..3);
    let consumer = three_of(flaky.clone(), &gate);
    flaky.set_down(true);
    gate.open();
    consumer.stop();
    consumer.wait_timeout(PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_adds_up(&stats);
    assert_eq!((stats.succeeded, stats.abandoned, stats.acknowledged), (3, 3, 0));
    let mut again = Vec::new();
    eventually("they come again", || {
        again.extend(fetch(&queue, 3));
        again.len() >= 3
    });
}

#[test]
fn a_pool_that_cannot_be_built_says_so() {
    let start = Consumer::builder(MemorySource::new())
        .pool(WorkerPool::builder().max_workers(0))
        .start(|_: &Job<Numbered>| ());
    let error = start.unwrap_err();
    assert!(matches!(error, StartError::Pool(BuildError::NoWorkers)));
    assert!(error.to_string().starts_with("the consumer's pool cannot be built: max_workers"));
}

//! What counts as an attempt, as handlers see it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Delivery, Job, MemorySource};
use anthill_tests::{Gate, eventually};

use crate::consumers::{end, send};
use crate::flaky::Flaky;
use crate::jobs::{Numbered, SHORT, fetch, number};

/// So many jobs that come again, by their numbers.
fn come_again(queue: &MemorySource, jobs: usize) -> Vec<(u64, Delivery)> {
    let mut came = Vec::new();
    eventually("they come again", || {
        came.extend(fetch(queue, jobs).into_iter().map(|job| (number(job.version, &job.body), job)));
        came.len() == jobs
    });
    came.sort_by_key(|(number, _)| *number);
    came
}

#[test]
fn a_long_job_is_known_to_have_begun_and_one_that_waits_is_not() {
    let queue = MemorySource::new().with_lease(Duration::from_millis(120));
    let (flaky, gate) = (Flaky::new(queue.clone(), u64::MAX), Gate::new());
    send(&queue, 0..2);
    let held = gate.clone();
    let consumer = Consumer::builder(flaky.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(1))
        .start(move |_: &Job<Numbered>| held.pass())
        .unwrap();
    eventually("both leases were begun anew while one ran", || consumer.stats().extended >= 6);
    // From here on it cannot say anything, as if it were killed.
    flaky.set_down(true);
    let came = come_again(&queue.clone().with_lease(Duration::from_secs(3600)), 2);
    let seen: Vec<_> = came.iter().map(|(number, job)| (*number, job.attempt)).collect();
    assert_eq!(seen, [(0, 2), (1, 1)]);
    gate.open();
    flaky.set_down(false);
    end(&consumer);
}

#[test]
fn what_comes_from_a_consumer_that_ended_begins_when_the_source_knows() {
    let lease = Duration::from_millis(50);
    let queue = MemorySource::new().with_lease(lease);
    let flaky = Flaky::new(queue.clone().with_lease(Duration::from_secs(3600)), u64::MAX);
    send(&queue, 0..3);
    // Whoever had them has ended.
    let lost = fetch(&queue, 2);
    assert_eq!(lost.len(), 2);
    flaky.refuse_beginnings(true);
    let runs = Arc::new(Mutex::new(Vec::new()));
    let seen = runs.clone();
    let consumer = Consumer::builder(flaky.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(4))
        .retry(SHORT.max_attempts(1))
        .start(move |job: &Job<Numbered>| seen.lock().unwrap().push((job.payload().0, job.attempt())))
        .unwrap();
    eventually("those that cannot begin are given back", || consumer.stats().returned >= 2);
    flaky.refuse_beginnings(false);
    eventually("all are done", || consumer.stats().acknowledged == 3);
    let stats = end(&consumer);
    assert_eq!((stats.failed, stats.buried, stats.errors), (0, 0, stats.returned));
    let mut runs = runs.lock().unwrap().clone();
    runs.sort_unstable();
    assert_eq!(runs, [(0, 1), (1, 1), (2, 1)], "each was run once, the first ones not before it was known");
}

//! A source that panics is one that fails: it is said so, tried again, and nobody waits for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Job, JobSource, MemorySource};
use anthill_tests::{Gate, PATIENCE, eventually};

use crate::consumers::{assert_adds_up, end, send};
use crate::flaky::Flaky;
use crate::jobs::{Numbered, SHORT, fetch};
use crate::stopping::three_of;

#[test]
fn a_source_that_panics_is_told_of_and_tried_again() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    let texts = Arc::new(Mutex::new(Vec::new()));
    let (told, held) = (texts.clone(), gate.clone());
    let consumer = Consumer::builder(flaky.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(1))
        .on_error(move |error| told.lock().unwrap().push(error.to_string()))
        .start(move |_: &Job<Numbered>| held.pass())
        .unwrap();
    flaky.set_panicking(true);
    eventually("its fetch has panicked", || consumer.stats().errors >= 1);
    flaky.set_panicking(false);
    send(&queue, 0..2);
    eventually("it fetches again", || consumer.stats().fetched == 2);
    flaky.set_panicking(true);
    let before = consumer.stats().errors;
    gate.open();
    eventually("its acknowledgement has panicked", || consumer.stats().errors > before);
    flaky.set_panicking(false);
    eventually("both are acknowledged", || consumer.stats().acknowledged == 2);
    end(&consumer);
    let texts = texts.lock().unwrap();
    assert!(texts.iter().all(|text| text == "the source of jobs failed: it panicked: planned"), "{texts:?}");
}

#[test]
fn a_job_whose_beginning_the_source_panics_at_is_given_back() {
    let queue = MemorySource::new().with_lease(Duration::from_millis(20));
    send(&queue, [1]);
    // Whoever had it has ended, so the source is told before it begins.
    assert_eq!(fetch(&queue, 1).len(), 1);
    eventually("the lease is over", || queue.depth().unwrap().ready == 1);
    let flaky = Flaky::new(queue.clone().with_lease(Duration::from_secs(3600)), u64::MAX);
    flaky.panic_at_beginning();
    let consumer =
        Consumer::builder(flaky.clone()).retry(SHORT.max_attempts(1)).start(|_: &Job<Numbered>| ()).unwrap();
    eventually("it is given back, and done then", || consumer.stats().acknowledged == 1);
    let stats = end(&consumer);
    assert_eq!((stats.returned, stats.errors, stats.panicked), (1, 1, 0));
    assert_eq!(consumer.pool_stats().panicked, 0, "no worker was harmed");
}

#[test]
fn a_source_that_only_panics_keeps_no_end_waiting() {
    let lease = Duration::from_millis(100);
    let (queue, gate) = (MemorySource::new().with_lease(lease), Gate::new());
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    send(&queue, 0..3);
    let consumer = three_of(flaky.clone(), &gate);
    flaky.set_panicking(true);
    gate.open();
    consumer.stop();
    consumer.wait_timeout(PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_adds_up(&stats);
    assert_eq!((stats.succeeded, stats.abandoned), (3, 3));
    let mut again = 0;
    eventually("they come again", || {
        again += fetch(&queue, 3).len();
        again >= 3
    });
}

#[test]
fn a_lease_that_panics_does_so_where_the_consumer_is_started() {
    let flaky = Flaky::new(MemorySource::new(), u64::MAX);
    flaky.set_panicking(true);
    let start = || Consumer::builder(flaky.clone()).start(|_: &Job<Numbered>| ());
    let panic = catch_unwind(AssertUnwindSafe(start)).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"planned"));
}

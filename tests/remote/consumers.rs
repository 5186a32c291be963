//! Consumers: what they take, what becomes of jobs that fail, and that a source may fail too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::remote::{
    Consumer, ConsumerStats, Job, JobId, JobSink, JobSource, MemorySource, NewJob, Outcome, Producer,
    SourceError,
};
use anthill_pool::{Backoff, Priority, WhenFull, WorkerPool};
use anthill_tests::{Gate, QUIET, eventually, planned_panic, quiet_panics};

use crate::flaky::Flaky;
use crate::jobs::{Numbered, SHORT, fetch, number};

/// Asserts what is always so.
#[track_caller]
pub(crate) fn assert_adds_up(stats: &ConsumerStats) {
    let settled = stats.acknowledged
        + stats.retried
        + stats.buried
        + stats.returned
        + stats.unconfirmed
        + stats.abandoned;
    assert_eq!(stats.fetched, settled + stats.running as u64 + stats.unsettled as u64, "{stats:?}");
}

/// Sends jobs of these numbers.
pub(crate) fn send(queue: &(impl JobSink + Clone + 'static), numbers: impl IntoIterator<Item = u64>) {
    let jobs: Vec<Numbered> = numbers.into_iter().map(Numbered).collect();
    Producer::new(queue.clone()).send_many(&jobs).unwrap();
}

/// A consumer of a hundred jobs whose pool has room for five: two that run, and three that wait.
pub(crate) fn with_five_of_a_hundred<S>(queue: &S, gate: &Gate) -> Consumer
where
    S: JobSource + JobSink + Clone + 'static,
{
    send(queue, 0..100);
    let held = gate.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(2).queue_capacity(3))
        .start(move |_: &Job<Numbered>| held.pass())
        .unwrap();
    eventually("the room is full", || consumer.stats().fetched == 5);
    consumer
}

#[track_caller]
pub(crate) fn end(consumer: &Consumer) -> ConsumerStats {
    consumer.stop();
    consumer.wait_timeout(anthill_tests::PATIENCE).unwrap();
    let stats = consumer.stats();
    assert_eq!((stats.running, stats.unsettled), (0, 0));
    assert_adds_up(&stats);
    stats
}

#[test]
fn no_more_is_taken_than_the_pool_has_room_for() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    let consumer = with_five_of_a_hundred(&queue, &gate);
    // Others have the rest to themselves, however long this one takes.
    for _ in 0..20 {
        assert_eq!(fetch(&queue, 1).len(), 1);
        assert_eq!(consumer.stats().fetched, 5);
        thread::sleep(Duration::from_millis(1));
    }
    assert_adds_up(&consumer.stats());
    gate.open();
    eventually("the rest is done", || consumer.stats().acknowledged == 80);
    let stats = end(&consumer);
    assert_eq!((stats.fetched, stats.succeeded, stats.failed, stats.errors), (80, 80, 0, 0));
    assert_eq!(consumer.pool_stats().peak_workers, 2);
}

#[test]
fn what_has_ended_and_is_not_settled_is_bounded_too() {
    let queue = MemorySource::new();
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    flaky.refuse_settlements(true);
    send(&queue, 0..20);
    let consumer = Consumer::builder(flaky.clone())
        .pool(WorkerPool::builder().max_workers(2))
        .max_in_flight(3)
        .start(|_: &Job<Numbered>| ())
        .unwrap();
    eventually("six have ended", || consumer.stats().unsettled == 6);
    eventually("it has tried to tell", || consumer.stats().errors >= 2);
    assert_eq!((consumer.stats().fetched, queue.depth().unwrap().ready), (6, 14));
    flaky.refuse_settlements(false);
    eventually("all are done", || consumer.stats().acknowledged == 20);
    end(&consumer);
}

#[test]
fn a_limit_of_its_own_bounds_what_is_taken() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    send(&queue, 0..20);
    let held = gate.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(None).queue_capacity(None))
        .max_in_flight(3)
        .start(move |_: &Job<Numbered>| held.pass())
        .unwrap();
    eventually("three are taken", || queue.depth().unwrap().in_flight == 3);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(consumer.stats().fetched, 3);
    gate.open();
    eventually("all are done", || consumer.stats().acknowledged == 20);
    end(&consumer);
}

#[test]
fn one_worker_runs_jobs_once_and_in_their_order() {
    let queue = MemorySource::new();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = ran.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(100))
        .start(move |job: &Job<Numbered>| seen.lock().unwrap().push(job.payload().0))
        .unwrap();
    for chunk in 0..20 {
        send(&queue, chunk * 100..(chunk + 1) * 100);
    }
    eventually("all are done", || consumer.stats().acknowledged == 2000);
    end(&consumer);
    assert!(ran.lock().unwrap().iter().copied().eq(0..2000));
}

#[test]
fn what_fails_is_tried_again_and_then_a_dead_letter_with_the_reason() {
    quiet_panics();
    let queue = MemorySource::new();
    send(&queue, 0..6);
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().name(QUIET).max_workers(3))
        .retry(SHORT.max_attempts(3))
        .start(|job: &Job<Numbered>| match (job.payload().0, job.attempt()) {
            (0, attempt) => Outcome::Retry { reason: format!("failed at {attempt}"), after: None },
            (1, _) => panic!("in words"),
            (2, attempt) => panic!("at {attempt}"),
            (3, _) => planned_panic(),
            (4, _) => Outcome::Bury { reason: "no use".to_owned() },
            (5, 1) => Outcome::Retry { reason: "later".to_owned(), after: Some(Duration::from_millis(2)) },
            _ => Outcome::Done,
        })
        .unwrap();
    eventually("all have come to their end", || {
        let stats = consumer.stats();
        assert_adds_up(&stats);
        (stats.buried, stats.acknowledged) == (5, 1)
    });
    let stats = end(&consumer);
    assert_eq!((stats.retried, stats.failed, stats.panicked, stats.succeeded), (9, 14, 9, 1));
    assert_eq!(consumer.pool_stats().panicked, 9, "the pool sees them too");
    let mut letters: Vec<_> = queue
        .dead_letters(10)
        .unwrap()
        .into_iter()
        .map(|letter| (number(letter.version, &letter.body), letter.attempts, letter.reason))
        .collect();
    letters.sort();
    let expected = [
        (0, 3, "failed at 3"),
        (1, 3, "panicked: in words"),
        (2, 3, "panicked: at 3"),
        (3, 3, "panicked: planned"),
        (4, 1, "no use"),
    ];
    assert_eq!(letters, expected.map(|(number, attempts, reason)| (number, attempts, reason.to_owned())));
}

#[test]
fn pauses_between_attempts_are_the_rules() {
    let queue = MemorySource::new();
    send(&queue, [1]);
    let consumer = Consumer::builder(queue.clone())
        .retry(Backoff::constant(Duration::from_secs(3600)))
        .start(|_: &Job<Numbered>| Err::<(), _>("not yet"))
        .unwrap();
    eventually("it waits for its next attempt", || queue.depth().unwrap().delayed == 1);
    let stats = end(&consumer);
    assert_eq!((stats.fetched, stats.retried), (1, 1));
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_harms_no_other() {
    let queue = MemorySource::new();
    let raw = |version, body: &str| NewJob {
        id: JobId::unique(),
        version,
        body: body.as_bytes().to_vec(),
        priority: Priority::Normal,
        delay: Duration::ZERO,
        key: None,
    };
    queue.send(&[raw(1, "{\"no\": number"), raw(9, "1"), raw(1, "")]).unwrap();
    send(&queue, [5]);
    let consumer = Consumer::builder(queue.clone()).start(|_: &Job<Numbered>| ()).unwrap();
    eventually("the good one is done", || consumer.stats().acknowledged == 1);
    eventually("the bad ones are buried", || consumer.stats().buried == 3);
    let stats = end(&consumer);
    assert_eq!((stats.failed, stats.retried, stats.succeeded), (0, 0, 1));
    let reasons: Vec<String> =
        queue.dead_letters(9).unwrap().into_iter().map(|letter| letter.reason).collect();
    let has = |part: &str| assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:?}");
    assert!(reasons.iter().all(|reason| reason.starts_with("the payload cannot be read: ")), "{reasons:?}");
    has("invalid type: map");
    has("written as version 9, and version 1 is read here");
    has("EOF");
}

#[test]
fn a_job_that_ends_its_process_each_time_is_given_up() {
    let queue = MemorySource::new();
    send(&queue, [1, 2]);
    // Five consumers died with the first one.
    for attempts in 1..=5 {
        let job = fetch(&queue, 2).into_iter().next().unwrap();
        queue.give_back(&job.receipt, Duration::ZERO, attempts).unwrap();
    }
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    // One handle has the second job already, and lets its lease run out.
    let consumer = Consumer::builder(queue.clone())
        .start(move |_: &Job<Numbered>| {
            counted.fetch_add(1, SeqCst);
        })
        .unwrap();
    eventually("it is buried", || consumer.stats().buried >= 1);
    let stats = end(&consumer);
    assert_eq!((stats.buried, runs.load(SeqCst)), (1, stats.acknowledged));
    let letter = &queue.dead_letters(1).unwrap()[0];
    assert_eq!(
        (letter.reason.as_str(), letter.attempts),
        ("5 attempts were begun, and the last one did not end", 5)
    );
}

#[test]
fn the_lease_of_a_long_job_is_begun_anew() {
    let lease = Duration::from_millis(120);
    let (queue, gate) = (MemorySource::new().with_lease(lease), Gate::new());
    send(&queue, 0..2);
    let (held, runs) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = runs.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(1))
        .start(move |job: &Job<Numbered>| {
            assert_eq!(job.attempt(), 1);
            counted.fetch_add(1, SeqCst);
            held.pass();
        })
        .unwrap();
    eventually("both are taken", || consumer.stats().fetched == 2);
    // The one that waits in the pool's queue is kept, too.
    eventually("many leases have passed", || consumer.stats().extended >= 30);
    assert_eq!(queue.depth().unwrap().in_flight, 2);
    gate.open();
    eventually("both are done", || consumer.stats().acknowledged == 2);
    let stats = end(&consumer);
    assert_eq!((stats.fetched, runs.load(SeqCst), stats.unconfirmed), (2, 2, 0));
}

#[test]
fn what_a_policy_of_the_pool_discards_is_given_back() {
    let (queue, gate) = (MemorySource::new(), Gate::new());
    send(&queue, 0..40);
    let held = gate.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(
            WorkerPool::builder()
                .max_workers(1)
                .queue_capacity(2)
                .when_full(WhenFull::DiscardOldest)
                .on_discard(|_, _| {
                    // Dropped here.
                }),
        )
        .max_in_flight(8)
        .start(move |job: &Job<Numbered>| {
            assert_eq!(job.attempt(), 1, "what was not run does not count");
            held.pass();
        })
        .unwrap();
    eventually("some were discarded", || consumer.stats().returned > 0);
    gate.open();
    eventually("each is done in the end", || consumer.stats().acknowledged == 40);
    let stats = end(&consumer);
    assert_eq!(stats.succeeded, 40);
}

#[test]
fn a_source_that_fails_at_times_loses_nothing() {
    quiet_panics();
    let queue = MemorySource::new().with_lease(Duration::from_millis(200));
    let flaky = Flaky::new(queue.clone(), 5);
    send(&queue, 0..400);
    let runs: Arc<Mutex<HashMap<u64, u32>>> = Arc::default();
    let told = Arc::new(AtomicU64::new(0));
    let (counted, heard) = (runs.clone(), told.clone());
    let consumer = Consumer::builder(flaky)
        .pool(WorkerPool::builder().name(QUIET).max_workers(2).queue_capacity(6))
        .retry(SHORT.max_attempts(None))
        .on_error(move |error| {
            assert!(matches!(error, SourceError::Unreachable(_)) && error.is_transient());
            heard.fetch_add(1, SeqCst);
            planned_panic();
        })
        .start(move |job: &Job<Numbered>| {
            let number = job.payload().0;
            *counted.lock().unwrap().entry(number).or_default() += 1;
            match (number % 7, job.attempt()) {
                (0, 1) => Err("the first time"),
                (1, 1) => planned_panic(),
                _ => Ok(()),
            }
        })
        .unwrap();
    eventually("the queue is empty", || {
        let depth = queue.depth().unwrap();
        depth.ready + depth.delayed + depth.in_flight == 0
    });
    let stats = end(&consumer);
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), 400, "each job was run");
    assert!(stats.errors > 10, "{stats:?}");
    assert_eq!(stats.errors, told.load(SeqCst));
    // Deliveries whose answer was lost were never seen here.
    assert_eq!(stats.succeeded + stats.failed, runs.values().map(|runs| u64::from(*runs)).sum::<u64>());
}

#[test]
fn a_source_that_comes_back_is_used_again() {
    let queue = MemorySource::new();
    let flaky = Flaky::new(queue.clone(), u64::MAX);
    flaky.set_down(true);
    let consumer = Consumer::builder(flaky.clone()).start(|_: &Job<Numbered>| ()).unwrap();
    send(&queue, 0..3);
    eventually("it has tried", || consumer.stats().errors >= 2);
    assert_eq!(consumer.stats().fetched, 0);
    flaky.set_down(false);
    eventually("all are done", || consumer.stats().acknowledged == 3);
    end(&consumer);
}

#[test]
fn two_consumers_share_a_queue() {
    let queue = MemorySource::new();
    let gate = Gate::new();
    let consumers: Vec<Consumer> = (0..2)
        .map(|_| {
            let held = gate.clone();
            Consumer::builder(queue.clone())
                .pool(WorkerPool::builder().max_workers(1))
                .start(move |_: &Job<Numbered>| held.pass())
                .unwrap()
        })
        .collect();
    send(&queue, 0..10);
    eventually("each has one", || consumers.iter().all(|consumer| consumer.stats().running == 1));
    gate.open();
    eventually("all are done", || {
        consumers.iter().map(|consumer| consumer.stats().acknowledged).sum::<u64>() == 10
    });
    for consumer in &consumers {
        end(consumer);
    }
}

//! Panics in user code: each costs one payload, and never a worker, a slot or a submitter.
//!
//! Rows 55 to 60. The threads of these pools have names that start with `quiet`, so that what is meant to panic does
//! not fill the test's output.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anthill_pool::{WorkerPool, WorkerPoolBuilder};
use anthill_tests::pool::{Held, blocked, on_threads};
use anthill_tests::processes::apart;
use anthill_tests::{LONG_PATIENCE, PATIENCE, QUIET, background, quiet_panics};

/// A pool that panics on every `Err`, with that message.
fn fragile(
    name: &str,
    options: WorkerPoolBuilder<Result<(), &'static str>>,
) -> WorkerPool<Result<(), &'static str>> {
    quiet_panics();
    options
        .name(format!("{QUIET}{name}"))
        .build(|payload| payload.unwrap_or_else(|text| panic::panic_any(text)))
        .unwrap()
}

#[test]
fn pool_055_a_panic_costs_one_payload() {
    let pool = fragile("55", WorkerPool::builder().max_workers(2).queue_capacity(8));
    for number in 0..100 {
        pool.submit(if number % 2 == 0 { Err("boom") } else { Ok(()) }).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.rejected), (100, 50, 0));
    assert!(!pool.is_closed());
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_055_a_panic_while_the_pool_stops_does_not_hold_it_up() {
    quiet_panics();
    for _ in 0..50 {
        let pool = fragile("55b", WorkerPool::builder().max_workers(2).queue_capacity(8));
        for _ in 0..10 {
            pool.submit(Err("boom")).unwrap();
        }
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, pool.stats().panicked), (10, 10));
    }
}

#[test]
fn pool_056_a_panic_does_not_cost_the_thread() {
    let pool = fragile("56", WorkerPool::builder().max_workers(8).max_idle_worker_duration(None));
    for _ in 0..1_000 {
        pool.submit(Err("boom")).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.panicked, stats.spawned, stats.idle), (1_000, 1, 1));
}

#[test]
fn pool_057_panics_never_cost_a_slot_or_a_wake_up() {
    // The last wave always waits for a worker whose payload panics.
    for (queue, submitters, each) in [(0, 1, 40_000), (0, 2, 10_000), (4, 2, 20_000)] {
        let options =
            WorkerPool::builder().max_workers(1).queue_capacity(queue).max_idle_worker_duration(None);
        let pool = fragile("57", options);
        let submitting = background(move || {
            on_threads(submitters, |_| (0..each).for_each(|_| pool.submit(Err("boom")).unwrap()));
            pool.wait_idle().unwrap();
            pool.stats()
        });
        let stats = submitting.outcome_within(LONG_PATIENCE, "submitting payloads that all panic");
        let all = (submitters * each) as u64;
        assert_eq!((stats.accepted, stats.panicked, stats.spawned, stats.idle), (all, all, 1, 1));
    }
}

#[test]
fn pool_058_the_panic_handler_gets_the_value_once() {
    let texts = Arc::new(Mutex::new(Vec::new()));
    let record = texts.clone();
    let pool = fragile(
        "58",
        WorkerPool::builder().max_workers(1).queue_capacity(8).on_panic(move |value| {
            record.lock().unwrap().push(*value.downcast::<&'static str>().expect("the value of the panic"));
        }),
    );
    for payload in [Ok(()), Err("boom"), Ok(()), Err("bang"), Err("crash")] {
        pool.submit(payload).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(*texts.lock().unwrap(), ["boom", "bang", "crash"]);
    assert_eq!((pool.stats().panicked, pool.stats().finished), (3, 5));
}

#[test]
fn pool_059_a_panic_handler_that_panics_is_contained() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let pool = fragile(
        "59",
        WorkerPool::builder().max_workers(1).on_panic(move |value| {
            count.fetch_add(1, Ordering::Relaxed);
            panic::resume_unwind(value)
        }),
    );
    for _ in 0..10 {
        pool.submit(Err("boom")).unwrap();
    }
    pool.submit(Ok(())).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!(
        (calls.load(Ordering::Relaxed), stats.panicked, stats.finished, stats.spawned),
        (10, 10, 11, 1)
    );
}

/// A panic's value may panic when it is dropped.
struct Spiteful(Arc<AtomicUsize>);

impl Drop for Spiteful {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("and the drop as well");
    }
}

#[test]
fn pool_059_a_panic_value_whose_drop_panics_is_contained() {
    quiet_panics();
    let drops = Arc::new(AtomicUsize::new(0));
    for with_handler in [false, true] {
        let mut options = WorkerPool::builder().name("quiet59").max_workers(1);
        if with_handler {
            options = options.on_panic(drop);
        }
        let values = drops.clone();
        let pool = options.build(move |(): ()| panic::panic_any(Spiteful(values.clone()))).unwrap();
        for _ in 0..5 {
            pool.submit(()).unwrap();
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().panicked, pool.stats().spawned), (5, 1));
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
    }
    assert_eq!(drops.load(Ordering::Relaxed), 10);
}

#[test]
fn pool_059_a_payload_whose_drop_panics_is_contained() {
    quiet_panics();
    let drops = Arc::new(AtomicUsize::new(0));
    let pool = WorkerPool::builder()
        .name("quiet59b")
        .max_workers(1)
        .queue_capacity(8)
        .build(|_: Spiteful| {})
        .unwrap();
    for _ in 0..5 {
        pool.submit(Spiteful(drops.clone())).unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().panicked, pool.stats().finished, pool.stats().spawned), (5, 5, 1));
    assert_eq!(drops.load(Ordering::Relaxed), 5);
}

#[test]
fn pool_060_without_a_handler_the_message_is_printed_once() {
    const NAME: &str = "pool_panic::pool_060_without_a_handler_the_message_is_printed_once";
    let printed = apart(NAME, || {
        let pool = WorkerPool::builder().name("loud60").build(|text: &str| panic!("{text}")).unwrap();
        pool.submit("a message to be seen once").unwrap();
        pool.stop();
        pool.wait().unwrap();
    });
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8_lossy(&printed.stderr) + String::from_utf8_lossy(&printed.stdout);
    assert_eq!(text.matches("a message to be seen once").count(), 1, "{text}");
    assert!(text.contains("loud60-0"), "the message names the thread: {text}");
}

#[test]
fn pool_057_a_blocked_submitter_is_served_by_a_worker_that_panicked() {
    quiet_panics();
    let pool = WorkerPool::builder()
        .name("quiet57b")
        .max_workers(1)
        .build(|held: Held| {
            held.gate.pass();
            assert_ne!(held.number, 0, "the first payload panics");
        })
        .unwrap();
    let first = Held::new(0);
    pool.submit(first.clone()).unwrap();
    let waiting: Vec<_> = (1..=3).map(|place| blocked(&pool, Held::free(place), place)).collect();
    first.gate.open();
    for submission in waiting {
        submission.outcome("a submitter blocked behind a panic").unwrap();
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let handle = pool.clone();
    background(move || handle.submit(Held::free(4))).outcome("one more").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().panicked, pool.stats().finished), (1, 5));
}

//! What the pool's speed rests on, as far as it can be seen without a clock: who goes to sleep, and how often.
//!
//! The figures themselves are the benchmarks' (`benches/`), beside peers in one run.

use std::fs;
use std::sync::mpsc::channel;

use anthill_pool::WorkerPool;
use anthill_tests::{Gate, PATIENCE, background, eventually};

/// How often the calling thread went to sleep of its own accord.
fn own_sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("the kernel shows this thread");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a count")
}

/// Row 96: with no queue, a worker that comes free takes over what blocked submitters wait with, and does not sleep in
/// between.
#[test]
fn pool_096_a_worker_goes_from_one_blocked_submitter_to_the_next_without_sleeping() {
    const BLOCKED: usize = 8;
    let gate = Gate::new();
    let (sleeps, inbox) = channel();
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .name("strict")
        .max_workers(1)
        .build(move |is_first: bool| {
            if is_first {
                held.pass();
            } else {
                sleeps.send(own_sleeps()).unwrap();
            }
        })
        .unwrap();
    pool.submit(true).unwrap();
    let submitters: Vec<_> = (0..BLOCKED)
        .map(|_| {
            let pool = pool.clone();
            background(move || pool.submit(false).unwrap())
        })
        .collect();
    eventually("all are blocked", || pool.waiting() == BLOCKED);
    gate.open();
    let seen: Vec<u64> = (0..BLOCKED).map(|_| inbox.recv_timeout(PATIENCE).unwrap()).collect();
    for submitter in submitters {
        submitter.outcome("a submitter");
    }
    // A lock that is taken may put it to sleep now and then, but not once for every payload.
    let slept = seen[BLOCKED - 1] - seen[0];
    assert!(slept < BLOCKED as u64 / 2, "it slept {slept} times: {seen:?}");
}

/// Row 97: with a queue, submitting while the workers are busy puts nobody to sleep and wakes nobody, and a worker
/// drains the queue in one go.
#[test]
fn pool_097_with_a_queue_neither_submitters_nor_workers_sleep_while_there_is_work() {
    const PAYLOADS: u64 = 1_000;
    let gate = Gate::new();
    let (sleeps, inbox) = channel();
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .name("queued")
        .max_workers(1)
        .queue_capacity(PAYLOADS as usize)
        .build(move |number: u64| match number {
            0 => held.pass(),
            1 | PAYLOADS => sleeps.send(own_sleeps()).unwrap(),
            _ => {}
        })
        .unwrap();
    pool.submit(0).unwrap();
    let before = own_sleeps();
    for number in 1..=PAYLOADS {
        pool.submit(number).unwrap();
    }
    let submitting = own_sleeps() - before;
    gate.open();
    let first = inbox.recv_timeout(PATIENCE).unwrap();
    let last = inbox.recv_timeout(PATIENCE).unwrap();
    assert!(submitting < PAYLOADS / 100, "the submitter slept {submitting} times");
    assert!(last - first < PAYLOADS / 100, "the worker slept {} times", last - first);
}

//! Trying again what has failed, with pauses that hold no worker.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anthill_pool::{Backoff, Jitter, ManualClock, SubmitError, TaskError, TaskHandle, TaskPool, WorkerPool};
use anthill_tests::pool::{hold, tasks};
use anthill_tests::{Gate, PATIENCE, eventually, planned_panic, quiet_panics, threads_of};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

/// 1, 2, 4, 8 seconds.
fn doubling() -> Backoff {
    Backoff::exponential(SECOND).jitter(Jitter::None)
}

fn clocked() -> (TaskPool, ManualClock) {
    let clock = ManualClock::new();
    let pool = WorkerPool::builder().max_workers(1).clock(&clock).build_tasks().unwrap();
    (pool, clock)
}

type Outcome = Result<u32, u32>;

/// A closure that fails so many times, with the number of the attempt, and says when it is called.
fn fails(times: u32) -> (impl FnMut() -> Outcome + Send + 'static, Receiver<u32>) {
    let (calls, inbox) = channel();
    let mut attempt = 0;
    let closure = move || {
        attempt += 1;
        calls.send(attempt).unwrap();
        if attempt <= times { Err(attempt) } else { Ok(attempt) }
    };
    (closure, inbox)
}

/// The result, which must be there.
fn result(handle: TaskHandle<Outcome>) -> Result<Outcome, TaskError> {
    eventually("the result is there", || handle.is_finished());
    handle.try_join().unwrap()
}

#[test]
fn retry_attempts_come_after_pauses_that_double() {
    let (pool, clock) = clocked();
    let (closure, calls) = fails(3);
    let handle = pool.retry(doubling(), closure).unwrap();
    for (attempt, pause) in (1..).zip([1, 2, 4]) {
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [attempt]);
        let stats = pool.stats();
        assert_eq!((stats.busy, stats.queued, stats.scheduled), (0, 0, 1), "a pause holds no worker");
        clock.advance(pause * SECOND - NANO);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert!(calls.try_iter().next().is_none() && !handle.is_finished(), "too early");
        clock.advance(NANO);
    }
    assert_eq!(result(handle).unwrap(), Ok(4));
    // The result is there a moment before the attempt counts as finished.
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked, pool.stats().scheduled), (4, 0, 0));
}

#[test]
fn retry_the_last_error_is_the_result_when_attempts_are_spent() {
    let (pool, clock) = clocked();
    let (closure, calls) = fails(u32::MAX);
    let handle = pool.retry(doubling().max_attempts(3), closure).unwrap();
    for _ in 0..10 {
        pool.wait_idle_timeout(PATIENCE).unwrap();
        clock.advance(100 * SECOND);
    }
    assert_eq!(result(handle).unwrap(), Err(3));
    assert_eq!(calls.try_iter().count(), 3);
}

#[test]
fn retry_errors_that_will_not_pass_are_the_result_at_once() {
    let (pool, clock) = clocked();
    let (closure, calls) = fails(u32::MAX);
    let handle = pool.retry_if(doubling().max_attempts(None), |error| *error < 2, closure).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    clock.advance(SECOND);
    assert_eq!(result(handle).unwrap(), Err(2));
    assert_eq!((calls.try_iter().count(), pool.stats().scheduled), (2, 0));
}

#[test]
fn retry_a_panic_ends_it_and_is_delivered_with_the_handle() {
    quiet_panics();
    let panics = Arc::new(AtomicU32::new(0));
    let count = panics.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .on_panic(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build_tasks()
        .unwrap();
    let quick = Backoff::constant(Duration::ZERO);
    let mut attempt = 0;
    let closure = move || -> Outcome {
        attempt += 1;
        if attempt == 2 { planned_panic() } else { Err(attempt) }
    };
    let handle = pool.retry(quick, closure).unwrap();
    assert!(matches!(result(handle), Err(TaskError::Panicked(_))));
    // So is one of the user's judgement of an error.
    let handle = pool.retry_if(quick, |_| planned_panic(), || -> Outcome { Err(1) }).unwrap();
    assert!(matches!(result(handle), Err(TaskError::Panicked(_))));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().panicked, panics.load(Ordering::SeqCst)), (0, 0));
    // Without a handle it is the pool's.
    let gate = Gate::new();
    let held = gate.clone();
    let attempt = move || -> Outcome {
        held.pass();
        planned_panic()
    };
    drop(pool.retry(quick, attempt).unwrap());
    gate.open();
    eventually("the pool is told", || panics.load(Ordering::SeqCst) == 1);
}

#[test]
fn retry_a_stop_during_a_pause_gives_the_last_error() {
    let (pool, clock) = clocked();
    let (closure, _calls) = fails(u32::MAX);
    let handle = pool.retry(doubling(), closure).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().scheduled, 1);
    pool.stop();
    assert_eq!(result(handle).unwrap(), Err(1));
    pool.wait_timeout(PATIENCE).unwrap();
    pool.restart();
    clock.advance(100 * SECOND);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 1);
    let refused = pool.stop_now();
    assert!(refused.is_empty());
    let (closure, calls) = fails(0);
    match pool.retry(doubling(), closure) {
        Err(SubmitError::Closed(mut closure)) => assert_eq!(closure(), Ok(1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(calls.try_iter().count(), 1);
}

#[test]
fn retry_a_stop_during_an_attempt_makes_it_the_last() {
    let (pool, _clock) = clocked();
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, entering) = (gate.clone(), entered.clone());
    let handle = pool
        .retry(doubling(), move || -> Outcome {
            entering.open();
            held.pass();
            Err(7)
        })
        .unwrap();
    entered.pass();
    pool.stop();
    gate.open();
    assert_eq!(result(handle).unwrap(), Err(7));
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn retry_a_first_attempt_that_the_pool_drops_is_lost() {
    let pool = tasks(1, 1);
    let gate = hold(&pool);
    let handle = pool.retry(doubling(), || -> Outcome { unreachable!("dropped") }).unwrap();
    eventually("it is queued", || pool.stats().queued == 1);
    drop(pool.stop_now());
    assert!(matches!(result(handle), Err(TaskError::Lost)));
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn retry_a_cancelled_one_makes_no_further_attempt() {
    let (pool, clock) = clocked();
    let (mut closure, calls) = fails(u32::MAX);
    let captured = Arc::new(());
    let inside = captured.clone();
    let handle = pool
        .retry(doubling(), move || {
            assert_eq!(Arc::strong_count(&inside), 2);
            closure()
        })
        .unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert!(handle.cancel() && !handle.cancel());
    assert!(matches!(result(handle), Err(TaskError::Cancelled)));
    clock.advance(100 * SECOND);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((calls.try_iter().count(), Arc::strong_count(&captured)), (1, 1));
}

#[test]
fn retry_goes_on_without_its_handle() {
    let (pool, clock) = clocked();
    let (closure, calls) = fails(2);
    drop(pool.retry(doubling(), closure).unwrap());
    for _ in 0..4 {
        pool.wait_idle_timeout(PATIENCE).unwrap();
        clock.advance(100 * SECOND);
    }
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn retry_an_attempt_that_is_due_on_a_full_pool_waits_for_a_worker() {
    let clock = ManualClock::new();
    let pool = WorkerPool::builder().max_workers(1).queue_capacity(0).clock(&clock).build_tasks().unwrap();
    let (closure, calls) = fails(1);
    let handle = pool.retry(doubling(), closure).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let gate = hold(&pool);
    clock.advance(SECOND);
    assert_eq!((calls.try_iter().count(), handle.is_finished()), (1, false));
    gate.open();
    assert_eq!(result(handle).unwrap(), Ok(2));
}

#[test]
fn retry_many_at_once_on_the_real_clock_hold_one_thread_beside_the_workers() {
    let pool = WorkerPool::builder()
        .name("again")
        .max_workers(2)
        .queue_capacity(200)
        .max_idle_worker_duration(None)
        .build_tasks()
        .unwrap();
    let pauses = Backoff::exponential(Duration::from_millis(2)).max_delay(Duration::from_millis(5));
    let gaps = Arc::new(Mutex::new(Vec::new()));
    let handles: Vec<_> = (0..100)
        .map(|n| {
            let (mut closure, calls) = fails(n % 4);
            let gaps = gaps.clone();
            let mut last = None::<Instant>;
            pool.retry(pauses.jitter(Jitter::Equal), move || {
                let _ = calls.try_iter().count();
                gaps.lock().unwrap().extend(last.replace(Instant::now()).map(|before| before.elapsed()));
                closure()
            })
            .unwrap()
        })
        .collect();
    for (n, handle) in handles.into_iter().enumerate() {
        assert!(threads_of("again").len() <= 3);
        let attempts = u32::try_from(n % 4).unwrap() + 1;
        assert_eq!(handle.join_timeout(PATIENCE).unwrap().unwrap(), Ok(attempts));
    }
    let gaps = gaps.lock().unwrap();
    assert_eq!(gaps.len(), 25 * (1 + 2 + 3));
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(1)), "no pause is shorter than half");
    eventually("nothing is scheduled any more", || threads_of("again").len() <= 2);
}

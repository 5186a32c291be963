//! Joining work that nobody has begun and that nobody who joins can run: attempts that pause, tasks that are due later,
//! calls that somebody holds.
//!
//! The rule: whoever joins waits for a timer or a plain thread as for somebody who moves; from the moment on in which
//! the work lies with a pool it waits for that pool's workers; and while one of these is about the work, for that one.
//! So nobody is refused too early, and nobody hangs.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{
    Backoff, Call, CallPool, Jitter, ManualClock, SubmitError, TaskError, TaskHandle, TaskPool, WorkerPool,
};
use anthill_tests::pool::{hold, reaches, tasks};
use anthill_tests::{Gate, PATIENCE, background, eventually, planned_panic, quiet_panics};

const HOUR: Duration = Duration::from_secs(3_600);

/// A pool on a clock of its own, whose workers go after a minute.
fn clocked(workers: usize) -> (TaskPool, ManualClock) {
    let clock = ManualClock::new();
    let options =
        WorkerPool::builder().max_workers(workers).max_idle_worker_duration(Duration::from_secs(60));
    (options.clock(&clock).build_tasks().unwrap(), clock)
}

fn hourly() -> Backoff {
    Backoff::constant(HOUR).jitter(Jitter::None)
}

/// Something that fails the first time.
fn fails_once() -> impl FnMut() -> Result<u32, u32> + Send + 'static {
    let mut attempts = 0;
    move || {
        attempts += 1;
        if attempts == 1 { Err(1) } else { Ok(attempts) }
    }
}

/// What an attempt to join came to.
#[derive(Debug, PartialEq, Eq)]
enum Joined<R> {
    Result(R),
    WouldDeadlock,
}

fn joined<R: Send + 'static>(handle: TaskHandle<R>) -> Joined<R> {
    match handle.join() {
        Ok(result) => Joined::Result(result),
        Err(TaskError::WouldDeadlock(_)) => Joined::WouldDeadlock,
        Err(other) => panic!("{other:?}"),
    }
}

/// A worker that joins a retry in its pause; the only one there is at that moment.
fn joins_in_the_pause(workers: usize) -> (TaskPool, ManualClock, TaskHandle<Joined<Result<u32, u32>>>) {
    let (pool, clock) = clocked(workers);
    let retry = pool.retry(hourly(), fails_once()).unwrap();
    reaches(&pool, "the first attempt has failed", |stats| stats.scheduled == 1 && stats.busy == 0);
    let (joins, joined_soon) = channel();
    let outer = pool.spawn(move || {
        joins.send(()).unwrap();
        joined(retry)
    });
    joined_soon.recv_timeout(PATIENCE).unwrap();
    // It is asleep, most likely; nothing depends on that.
    thread::sleep(Duration::from_millis(2));
    assert_eq!(pool.running(), 1);
    (pool, clock, outer.unwrap())
}

#[test]
fn promise_a_retry_in_its_pause_can_be_joined_where_a_worker_can_be_had_for_it() {
    let (pool, clock, outer) = joins_in_the_pause(2);
    assert!(!outer.is_finished(), "it waits for the time to come");
    clock.advance(HOUR);
    let outcome = outer.join_timeout(PATIENCE).expect("the attempt has a worker of its own").unwrap();
    assert_eq!((outcome, pool.stats().peak_workers), (Joined::Result(Ok(2)), 2));
}

#[test]
fn promise_whoever_joins_a_retry_is_told_once_it_is_due_and_no_worker_can_be_had() {
    let (pool, clock, outer) = joins_in_the_pause(1);
    assert!(!outer.is_finished(), "nobody knows yet that no worker will be there");
    clock.advance(HOUR);
    assert_eq!(outer.join_timeout(PATIENCE).expect("no hang").unwrap(), Joined::WouldDeadlock);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3, "the second attempt ran after all");
}

/// Beside a worker that is idle all the time.
#[test]
fn promise_an_attempt_that_joins_who_waits_for_it_is_seen() {
    let pool = tasks(3, 0);
    pool.prestart(3).unwrap();
    let (give, given) = channel::<TaskHandle<Joined<Result<Joined<()>, ()>>>>();
    let (begun, begins) = channel();
    let retry = pool.retry(hourly(), move || {
        begun.send(()).unwrap();
        let outer: TaskHandle<_> = given.recv_timeout(PATIENCE).unwrap();
        Ok::<_, ()>(match joined(outer) {
            Joined::Result(_) => Joined::Result(()),
            Joined::WouldDeadlock => Joined::WouldDeadlock,
        })
    });
    let retry = retry.unwrap();
    begins.recv_timeout(PATIENCE).unwrap();
    let outer = pool.spawn(move || joined(retry)).unwrap();
    give.send(outer).unwrap();
    pool.wait_idle_timeout(PATIENCE).expect("no deadlock");
}

type Work = Box<dyn FnOnce() -> u32 + Send>;
type Works = CallPool<Work, u32>;

/// A pool of one worker that answers calls.
fn calls(queue: usize) -> Works {
    WorkerPool::builder().max_workers(1).queue_capacity(queue).build_calls(|work: Work| work()).unwrap()
}

/// The only worker joins an answer; what came of it. Returns once it is about to.
fn joined_by_the_only_worker(pool: &Works, answer: TaskHandle<u32>) -> TaskHandle<u32> {
    let (joins, soon) = channel();
    let outer = pool.call(Box::new(move || {
        joins.send(()).unwrap();
        match joined(answer) {
            Joined::Result(value) => value,
            Joined::WouldDeadlock => 0,
        }
    }));
    soon.recv_timeout(PATIENCE).unwrap();
    thread::sleep(Duration::from_millis(2));
    outer.unwrap()
}

fn outcome(handle: TaskHandle<u32>) -> u32 {
    handle.join_timeout(PATIENCE).expect("no hang").unwrap()
}

#[test]
fn promise_a_prepared_call_that_a_plain_thread_runs_is_waited_for() {
    let pool = calls(0);
    let (call, answer) = pool.prepare_call(Box::new(|| 7));
    let outer = joined_by_the_only_worker(&pool, answer);
    call.run(|work| work());
    assert_eq!(outcome(outer), 7);
}

#[test]
fn promise_a_prepared_call_that_is_submitted_in_the_end_is_waited_for_by_whoever_can() {
    for (queue, many) in [(0, false), (4, false), (4, true)] {
        let pool = calls(queue);
        let (call, answer) = pool.prepare_call(Box::new(|| 7));
        let outer = joined_by_the_only_worker(&pool, answer);
        // The only worker waits for it: it is told, and then runs it.
        let handle = pool.clone();
        let submitting = background(move || match many {
            true => handle.submit_many(vec![call]).map(|_| ()).map_err(|error| error.refusal),
            false => handle.submit(call).map_err(|error| error.refusal()),
        });
        assert_eq!(outcome(outer), 0, "a queue of {queue}");
        submitting.outcome("the submitter").unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(pool.stats().finished, 2);
    }
}

#[test]
fn promise_a_call_that_comes_back_is_waited_for_as_before() {
    // Refused, handed back, discarded: each time a plain thread has it again.
    let pool = calls(0);
    let (call, answer) = pool.prepare_call(Box::new(|| 7));
    let outer = joined_by_the_only_worker(&pool, answer);
    let Err(SubmitError::Full(call)) = pool.try_submit(call) else { panic!("there is no room") };
    thread::sleep(Duration::from_millis(2));
    call.run(|work| work());
    assert_eq!(outcome(outer), 7);

    let pool = calls(4);
    let gate = Gate::new();
    let (held, (give, given)) = (gate.clone(), channel::<TaskHandle<u32>>());
    let outer = pool.call(Box::new(move || {
        held.pass();
        let Joined::Result(value) = joined(given.recv().unwrap()) else { return 0 };
        value
    }));
    give.send(pool.call(Box::new(|| 8)).unwrap()).unwrap();
    let mut rest: Vec<Call<Work, u32>> = pool.stop_now();
    gate.open();
    thread::sleep(Duration::from_millis(2));
    rest.pop().unwrap().run(|work| work());
    assert_eq!(outcome(outer.unwrap()), 8);
}

#[test]
fn promise_a_task_for_later_gives_its_result_and_not_before() {
    let (pool, clock) = clocked(2);
    let later = pool.spawn_after(HOUR, || 6 * 7).unwrap();
    // A worker that joins it waits, and does not run it early.
    let outer = pool.spawn(move || joined(later)).unwrap();
    reaches(&pool, "it waits", |stats| stats.busy == 1 && stats.scheduled == 1);
    clock.advance(HOUR - Duration::from_nanos(1));
    thread::sleep(Duration::from_millis(2));
    assert!(!outer.is_finished());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(outer.join_timeout(PATIENCE).expect("it is due").unwrap(), Joined::Result(42));
    assert_eq!(
        (pool.stats().scheduled, pool.spawn_after(Duration::ZERO, || 5).unwrap().join().unwrap()),
        (0, 5)
    );
}

#[test]
fn promise_a_task_for_later_ends_in_every_other_way_too() {
    quiet_panics();
    let (pool, clock) = clocked(1);
    let alive = Arc::new(());
    let held = alive.clone();
    let cancelled = pool.spawn_after(HOUR, move || drop(held)).unwrap();
    assert!(cancelled.cancel() && !cancelled.cancel());
    assert_eq!((Arc::strong_count(&alive), pool.stats().scheduled), (1, 0), "dropped and off the agenda");
    assert!(matches!(cancelled.join(), Err(TaskError::Cancelled)));

    let panics = pool.spawn_after(HOUR, || -> u32 { planned_panic() }).unwrap();
    clock.advance(HOUR);
    assert!(matches!(panics.join_timeout(PATIENCE).unwrap(), Err(TaskError::Panicked(_))));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().panicked, 0, "it was delivered");

    let lost = pool.spawn_after(HOUR, || 7).unwrap();
    pool.stop();
    assert!(matches!(lost.join(), Err(TaskError::Lost)));
    match pool.spawn_after(HOUR, || 8) {
        Err(SubmitError::Closed(closure)) => assert_eq!(closure.run(), 8),
        other => panic!("{other:?}"),
    }
}

#[test]
fn promise_a_canceller_cancels_what_somebody_else_joins() {
    let pool = tasks(1, 4);
    let gate = hold(&pool);
    let queued = pool.spawn(|| 1).unwrap();
    let (first, second) = (queued.canceller(), queued.canceller().clone());
    let joins = background(move || queued.join());
    assert!(first.cancel() && !second.cancel());
    assert!(matches!(joins.outcome("who joins"), Err(TaskError::Cancelled)));
    gate.open();
    // It outlives the task, and the pool.
    let ended = pool.spawn(|| 2).unwrap();
    let canceller = ended.canceller();
    assert_eq!(ended.join().unwrap(), 2);
    pool.stop();
    drop(pool);
    assert!(!canceller.cancel());
}

#[test]
fn promise_a_cancelled_retry_drops_its_closure_in_the_pause() {
    let (pool, _clock) = clocked(1);
    let (alive, attempts) = (Arc::new(()), Arc::new(Mutex::new(0)));
    let (held, count) = (alive.clone(), attempts.clone());
    let retry = pool.retry(hourly(), move || {
        let _held = &held;
        *count.lock().unwrap() += 1;
        Err::<(), _>(())
    });
    let retry = retry.unwrap();
    reaches(&pool, "it pauses", |stats| stats.scheduled == 1);
    let canceller = retry.canceller();
    assert!(canceller.cancel());
    eventually("the closure is gone", || Arc::strong_count(&alive) == 1);
    assert_eq!((pool.stats().scheduled, *attempts.lock().unwrap()), (0, 1));
    assert!(matches!(retry.join(), Err(TaskError::Cancelled)));
}

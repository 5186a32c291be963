//! What ends tasks that wait for their time: cancelling, stops, discards, the last handle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anthill_pool::{
    CancelToken, Discard, ManualClock, Refusal, ScheduledTask, SubmitError, Task, WorkerPool,
};
use anthill_tests::pool::{Held, adds_up, hold, holding, occupy, on_threads};
use anthill_tests::timed::{Journal, clocked, pass};
use anthill_tests::{Gate, PATIENCE, eventually};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn timed_a_stop_discards_what_is_not_due_and_a_restart_brings_nothing_back() {
    let clock = ManualClock::new();
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let seen = discarded.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .clock(&clock)
        .on_discard(move |task: Task, why| {
            assert!(!thread_is_worker());
            seen.lock().unwrap().push(why);
            drop(task);
        })
        .build_tasks()
        .unwrap();
    let journal = Journal::default();
    let repeated = journal.clone();
    let due = pool.after(MINUTE, journal.note(1)).unwrap();
    let handles =
        [pool.after(HOUR, journal.note(2)).unwrap(), pool.every(HOUR, move || repeated.push(3)).unwrap()];
    pass(&pool, &clock, MINUTE);
    pool.stop();
    assert_eq!(*discarded.lock().unwrap(), [Discard::NotDue; 2]);
    assert!(due.is_finished() && handles.iter().all(ScheduledTask::is_finished));
    assert!(!handles[0].cancel());
    let refusal = pool.after(HOUR, journal.note(9)).unwrap_err();
    assert_eq!(refusal.refusal(), Refusal::Closed);
    refusal.into_payload()();
    assert_eq!(pool.stats().rejected, 1);
    pool.wait_timeout(PATIENCE).unwrap();
    pool.restart();
    pass(&pool, &clock, 10 * HOUR);
    assert_eq!(journal.take(), [1, 9]);
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.discarded, stats.scheduled), (3, 1, 2, 0));
    pool.after(HOUR, journal.note(4)).unwrap();
    pass(&pool, &clock, HOUR);
    assert_eq!(journal.take(), [4], "the pool is as good as new");
}

fn thread_is_worker() -> bool {
    std::thread::current().name().is_some_and(|name| name.starts_with("pool-"))
}

#[test]
fn timed_a_run_under_way_during_a_stop_and_a_restart_is_the_last_one() {
    let (pool, clock) = clocked();
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, entering) = (gate.clone(), entered.clone());
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let task = pool
        .every(HOUR, move || {
            entering.open();
            held.pass();
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    clock.advance(HOUR);
    entered.pass();
    pool.stop();
    pool.restart();
    gate.open();
    eventually("the run ends, and with it the task", || task.is_finished());
    pass(&pool, &clock, 10 * HOUR);
    assert_eq!((runs.load(Ordering::SeqCst), pool.stats().scheduled), (1, 0));
}

#[test]
fn timed_stop_now_hands_back_what_is_queued_and_then_what_is_not_due() {
    let clock = ManualClock::new();
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(4).clock(&clock));
    let busy = occupy(&pool, 1);
    pool.submit_after(2 * HOUR, Held::free(4)).unwrap();
    pool.submit_after(HOUR, Held::free(3)).unwrap();
    pool.submit(Held::free(2)).unwrap();
    let rest: Vec<usize> = pool.stop_now().iter().map(|held| held.number).collect();
    assert_eq!(rest, [2, 3, 4]);
    assert!(adds_up(&pool.stats()), "{:?}", pool.stats());
    assert_eq!(pool.stats().handed_back, 3);
    busy[0].gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn timed_a_task_that_was_handed_back_can_still_be_run_once() {
    let (pool, _clock) = clocked();
    let journal = Journal::default();
    let repeated = journal.clone();
    let task = pool.every(HOUR, move || repeated.push(1)).unwrap();
    let rest = pool.stop_now();
    assert!(!task.is_finished());
    rest.into_iter().for_each(Task::run);
    assert_eq!((journal.take(), task.is_finished()), (vec![1], true));
}

#[test]
fn timed_the_last_handle_takes_what_is_scheduled_along() {
    let (pool, clock) = clocked();
    let captured = Arc::new(());
    let (once, every) = (captured.clone(), captured.clone());
    let handles = [
        pool.after(HOUR, move || drop(once)).unwrap(),
        pool.every(HOUR, move || drop(every.clone())).unwrap(),
    ];
    assert_eq!(Arc::strong_count(&captured), 3);
    drop(pool);
    assert_eq!(Arc::strong_count(&captured), 1);
    assert!(handles.iter().all(ScheduledTask::is_finished));
    clock.advance(HOUR);
}

#[test]
fn timed_a_cancelled_task_drops_its_closure_at_once_wherever_it_waits() {
    let (pool, clock) = clocked();
    let captured = Arc::new(());
    let scheduled = |delay| {
        let captured = captured.clone();
        pool.after(delay, move || unreachable!("run, with {captured:?}")).unwrap()
    };
    // On the agenda.
    let task = scheduled(HOUR);
    assert!(task.cancel() && task.is_finished() && !task.cancel());
    assert_eq!((Arc::strong_count(&captured), pool.stats().scheduled), (1, 0));
    // In the queue.
    let gate = hold(&pool);
    let task = scheduled(MINUTE);
    clock.advance(MINUTE);
    assert_eq!(pool.stats().queued, 1);
    assert!(task.cancel());
    assert_eq!(Arc::strong_count(&captured), 1);
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked), (2, 0));
}

#[test]
fn timed_a_run_under_way_goes_on_to_its_end_and_is_the_last() {
    let (pool, clock) = clocked();
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, entering) = (gate.clone(), entered.clone());
    let captured = Arc::new(());
    let inside = captured.clone();
    let task = pool
        .every(HOUR, move || {
            entering.open();
            held.pass();
            assert_eq!(Arc::strong_count(&inside), 2);
        })
        .unwrap();
    clock.advance(HOUR);
    entered.pass();
    assert!(task.cancel());
    assert_eq!(Arc::strong_count(&captured), 2, "it is still run");
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((Arc::strong_count(&captured), pool.stats().panicked), (1, 0));
    pass(&pool, &clock, 10 * HOUR);
    assert_eq!(pool.stats().finished, 1);
}

#[test]
fn timed_a_task_can_end_itself() {
    let (pool, clock) = clocked();
    let own: Arc<OnceLock<ScheduledTask>> = Arc::default();
    let (handle, mut left) = (own.clone(), 3);
    let task = pool
        .every(MINUTE, move || {
            left -= 1;
            if left == 0 {
                assert!(handle.get().unwrap().cancel());
            }
        })
        .unwrap();
    own.set(task).unwrap();
    for _ in 0..10 {
        pass(&pool, &clock, MINUTE);
    }
    assert_eq!((pool.stats().finished, pool.stats().panicked), (3, 0));
}

#[test]
fn timed_a_run_that_the_pool_discards_is_passed_over() {
    let clock = ManualClock::new();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(8)
        .max_queue_age(MINUTE)
        .clock(&clock)
        .build_tasks()
        .unwrap();
    let journal = Journal::default();
    let repeated = journal.clone();
    let _task = pool.every(HOUR, move || repeated.push(1)).unwrap();
    let (gate, entered) = (Gate::new(), Gate::new());
    let (held, entering) = (gate.clone(), entered.clone());
    pool.execute(move || {
        entering.open();
        held.pass();
    })
    .unwrap();
    entered.pass();
    clock.advance(HOUR);
    clock.advance(2 * MINUTE);
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((journal.take(), pool.stats().discarded), (vec![], 1));
    pass(&pool, &clock, HOUR - 2 * MINUTE);
    assert_eq!(journal.take(), [1]);
}

#[test]
fn timed_a_submission_that_was_called_off_is_not_taken() {
    let (pool, _clock) = clocked();
    let journal = Journal::default();
    let token = CancelToken::new();
    let later =
        |event| pool.submission(Task::new(journal.note(event))).cancel_with(&token).submit_after(HOUR);
    let first = later(1).unwrap();
    token.cancel();
    assert!(matches!(later(2), Err(SubmitError::Cancelled(_))));
    assert_eq!((pool.stats().scheduled, pool.stats().rejected), (1, 1));
    assert!(first.cancel().is_some(), "what was taken is called off by its own handle");
    pool.stop();
    let refused = pool.submission(Task::new(journal.note(3))).submit_at(Instant::now());
    assert!(matches!(refused, Err(SubmitError::Closed(_))));
}

#[test]
fn timed_stops_beside_scheduling_lose_nothing() {
    for round in 0..50 {
        let discarded = Arc::new(AtomicUsize::new(0));
        let count = discarded.clone();
        let pool = WorkerPool::builder()
            .max_workers(2)
            .max_idle_worker_duration(None)
            .on_discard(move |_, why| {
                assert_eq!(why, Discard::NotDue);
                count.fetch_add(1, Ordering::SeqCst);
            })
            .build(|_: u32| {})
            .unwrap();
        let refused: usize = on_threads(3, |thread| {
            if thread == 2 {
                if round % 2 == 0 {
                    std::thread::yield_now();
                }
                pool.stop();
                return 0;
            }
            (0..40)
                .filter(|n| pool.submit_after(Duration::from_micros(u64::from(n % 4) * 50), *n).is_err())
                .count()
        })
        .into_iter()
        .sum();
        pool.wait_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert!(adds_up(&stats), "{stats:?}");
        assert_eq!(stats.accepted as usize + refused, 80, "{stats:?}");
        assert_eq!(stats.discarded as usize, discarded.load(Ordering::SeqCst));
        assert_eq!((stats.scheduled, stats.rejected as usize), (0, refused));
    }
}

//! Tasks that wait for their time: after a while, at an instant, every so often.
//!
//! Time is moved by the test, but where threads or the real clock are what is looked at; there nothing is said of how
//! long anything takes at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anthill_pool::{
    ManualClock, MissedRuns, Priority, Schedule, ScheduledTask, SubmitError, Task, WorkerPool,
};
use anthill_tests::pool::{adds_up, hold, on_threads, reaches, tasks};
use anthill_tests::timed::{Journal, clocked, pass};
use anthill_tests::{Gate, PATIENCE, eventually, planned_panic, quiet_panics, threads_of};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
const NANO: Duration = Duration::from_nanos(1);

#[test]
fn timed_a_task_runs_once_when_its_time_has_come_and_not_before() {
    let (pool, clock) = clocked();
    let journal = Journal::default();
    let later = pool.after(HOUR, journal.note(1)).unwrap();
    let at = pool.at(clock.now() + 2 * HOUR, journal.note(2)).unwrap();
    assert_eq!((pool.stats().scheduled, pool.stats().accepted), (2, 0));
    pass(&pool, &clock, HOUR - NANO);
    assert_eq!((journal.take(), later.is_finished()), (vec![], false));
    pass(&pool, &clock, NANO);
    assert_eq!((journal.take(), later.is_finished(), at.is_finished()), (vec![1], true, false));
    pass(&pool, &clock, 10 * HOUR);
    assert_eq!((journal.take(), at.is_finished()), (vec![2], true));
    let stats = pool.stats();
    assert_eq!((stats.scheduled, stats.accepted, stats.finished), (0, 2, 2));
    assert!(!later.cancel(), "it has run");
}

#[test]
fn timed_what_is_due_together_runs_by_instant_and_then_by_call() {
    let (pool, clock) = clocked();
    let journal = Journal::default();
    for (event, minutes) in [(5, 9), (1, 3), (3, 7), (2, 3), (4, 7)] {
        pool.after(minutes * MINUTE, journal.note(event)).unwrap();
    }
    pass(&pool, &clock, HOUR);
    assert_eq!(journal.take(), [1, 2, 3, 4, 5]);
}

#[test]
fn timed_what_is_due_already_is_submitted_by_the_call() {
    let (pool, clock) = clocked();
    let journal = Journal::default();
    pool.after(Duration::ZERO, journal.note(1)).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let past = clock.now();
    clock.advance(HOUR);
    pool.at(past, journal.note(2)).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(journal.take(), [1, 2]);
}

#[test]
fn timed_a_delay_beyond_the_end_of_time_never_ends() {
    let (pool, clock) = clocked();
    let journal = Journal::default();
    let never = pool.after(Duration::MAX, journal.note(1)).unwrap();
    pass(&pool, &clock, 24 * 365 * HOUR);
    assert_eq!((journal.take(), never.is_finished(), pool.stats().scheduled), (vec![], false, 1));
    assert!(never.cancel());
}

#[test]
fn timed_runs_do_not_drift_however_late_they_are() {
    let (pool, clock) = clocked();
    let (starts, inbox) = channel();
    let (origin, now) = (clock.now(), clock.clone());
    let task = pool.every(HOUR, move || starts.send(now.now() - origin).unwrap()).unwrap();
    let late = 17 * MINUTE;
    for hour in 1..=50 {
        pass(&pool, &clock, if hour == 1 { HOUR + late } else { HOUR });
        assert_eq!(inbox.try_iter().collect::<Vec<_>>(), [hour * HOUR + late]);
    }
    // The next is due at the full hour, although all were late.
    pass(&pool, &clock, HOUR - late - NANO);
    assert_eq!(inbox.try_iter().count(), 0);
    pass(&pool, &clock, NANO);
    assert_eq!(inbox.try_iter().count(), 1);
    assert!(!task.is_finished() && task.cancel());
    pass(&pool, &clock, 10 * HOUR);
    assert_eq!(inbox.try_iter().count(), 0);
}

#[test]
fn timed_missed_runs_are_treated_as_was_said() {
    for (policy, expected) in [
        (MissedRuns::Skip, [vec![1], vec![4], vec![5], vec![6]]),
        (MissedRuns::Burst, [vec![1], vec![4, 4, 4], vec![5], vec![6]]),
        (MissedRuns::Delay, [vec![1], vec![4], vec![5], vec![6]]),
    ] {
        let (pool, clock) = clocked();
        let (starts, inbox) = channel();
        let (origin, now) = (clock.now(), clock.clone());
        let schedule = Schedule::every(HOUR).missed_runs(policy);
        let _task = pool
            .every(schedule, move || starts.send((now.now() - origin).as_secs() / HOUR.as_secs()).unwrap())
            .unwrap();
        let seen = [HOUR, 3 * HOUR + 10 * MINUTE, 50 * MINUTE, HOUR].map(|time| {
            pass(&pool, &clock, time);
            inbox.try_iter().collect::<Vec<_>>()
        });
        if policy == MissedRuns::Delay {
            // The late run was at 4:10, the next is due at 5:10.
            assert_eq!(seen, [vec![1], vec![4], vec![], vec![6]], "{policy:?}");
        } else {
            assert_eq!(seen, expected, "{policy:?}");
        }
    }
}

#[test]
fn timed_the_first_run_is_when_the_schedule_says() {
    let (pool, clock) = clocked();
    let journal = Journal::default();
    let start = |schedule: Schedule, event| {
        let journal = journal.clone();
        pool.every(schedule, move || journal.push(event)).unwrap()
    };
    let _tasks = [
        start(Schedule::every(HOUR).first_after(Duration::ZERO), 1),
        start(Schedule::every(HOUR).first_after(MINUTE), 2),
        start(Schedule::every(HOUR).first_at(clock.now() + 2 * MINUTE), 3),
        start(Schedule::from(HOUR), 4),
    ];
    let mut seen = Vec::new();
    for time in [Duration::ZERO, MINUTE, MINUTE, HOUR - 2 * MINUTE, MINUTE] {
        pass(&pool, &clock, time);
        seen.push(journal.take());
    }
    assert_eq!(seen, [vec![1], vec![2], vec![3], vec![4, 1], vec![2]]);
}

#[test]
#[should_panic(expected = "must be above zero")]
fn timed_a_period_of_nothing_is_a_mistake() {
    let _ = tasks(1, 0).every(Duration::ZERO, || {});
}

#[test]
fn timed_runs_of_one_task_never_overlap() {
    let clock = ManualClock::new();
    let pool = WorkerPool::builder().max_workers(8).queue_capacity(8).clock(&clock).build_tasks().unwrap();
    let (gate, running) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), running.clone());
    let schedule = Schedule::every(MINUTE).missed_runs(MissedRuns::Burst);
    let (done, inbox) = channel();
    let _task = pool
        .every(schedule, move || {
            assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            held.pass();
            count.fetch_sub(1, Ordering::SeqCst);
            done.send(()).unwrap();
        })
        .unwrap();
    clock.advance(MINUTE);
    eventually("the first run is under way", || running.load(Ordering::SeqCst) == 1);
    clock.advance(19 * MINUTE);
    assert_eq!((pool.stats().busy, pool.stats().queued), (1, 0));
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    eventually("what was missed is made up for", || pool.stats().finished == 20);
    assert_eq!((inbox.try_iter().count(), pool.stats().panicked), (20, 0));
}

#[test]
fn timed_on_a_full_pool_what_is_due_waits_beside_the_queue() {
    for queue in [0, 1] {
        let clock = ManualClock::new();
        let refusals = Arc::new(AtomicUsize::new(0));
        let count = refusals.clone();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(queue)
            .clock(&clock)
            .on_refusal(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            })
            .build_tasks()
            .unwrap();
        let journal = Journal::default();
        let gate = hold(&pool);
        for event in 1..=queue {
            pool.execute(journal.note(u32::try_from(event).unwrap())).unwrap();
        }
        for event in 10..13 {
            pool.after(MINUTE, journal.note(event)).unwrap();
        }
        clock.advance(HOUR);
        assert_eq!((journal.take(), pool.stats().scheduled), (vec![], 0));
        assert!(adds_up(&pool.stats()), "{:?}", pool.stats());
        gate.open();
        eventually("all have run", || pool.stats().finished == 4 + queue as u64);
        assert_eq!(journal.take()[queue..], [10, 11, 12]);
        assert_eq!((pool.stats().rejected, refusals.load(Ordering::SeqCst)), (0, 0));
    }
}

#[test]
fn timed_what_is_due_goes_by_its_priority() {
    // With room in the queue, and without any.
    for queue in [16, 2, 0] {
        let clock = ManualClock::new();
        let pool =
            WorkerPool::builder().max_workers(1).queue_capacity(queue).clock(&clock).build_tasks().unwrap();
        let journal = Journal::default();
        let gate = hold(&pool);
        let queued = queue.min(2);
        for event in (10..).take(queued) {
            pool.execute(journal.note(event)).unwrap();
        }
        for (event, priority) in [
            (40, Priority::Low),
            (20, Priority::Normal),
            (1, Priority::High),
            (21, Priority::Normal),
            (2, Priority::High),
        ] {
            pool.submission(Task::new(journal.note(event))).priority(priority).submit_after(MINUTE).unwrap();
        }
        let beats = journal.clone();
        let schedule = Schedule::every(2 * MINUTE).priority(Priority::High);
        let task = pool.every(schedule, move || beats.push(3)).unwrap();
        clock.advance(MINUTE);
        clock.advance(MINUTE);
        assert_eq!(pool.stats().scheduled, 0);
        gate.open();
        eventually("all have run", || pool.stats().finished == 7 + queued as u64);
        let mut expected = vec![1, 2, 3];
        expected.extend((10..).take(queued));
        expected.extend([20, 21, 40]);
        assert_eq!(journal.take(), expected, "queue {queue}");
        assert!(task.cancel());
    }
}

#[test]
fn timed_urgent_work_on_a_full_pool_stops_nothing_else() {
    let clock = ManualClock::new();
    let pool = WorkerPool::builder().max_workers(1).queue_capacity(2).clock(&clock).build_tasks().unwrap();
    let journal = Journal::default();
    let gate = hold(&pool);
    for _ in 0..2 {
        pool.execute(journal.note(0)).unwrap();
    }
    for event in 1..=100 {
        let urgent = pool.submission(Task::new(journal.note(event))).priority(Priority::High);
        urgent.submit_after(MINUTE).unwrap();
    }
    clock.advance(MINUTE);
    gate.open();
    eventually("all have run", || pool.stats().finished == 103);
    let ran = journal.take();
    assert!(ran[..20].contains(&0), "one in 16 is for what is queued: {ran:?}");
    assert!(ran.iter().filter(|event| **event > 0).is_sorted(), "{ran:?}");
}

#[test]
fn timed_work_beside_the_queue_is_not_stopped_by_more_urgent_work_there() {
    for (many, one) in [
        (Priority::High, Priority::Normal),
        (Priority::High, Priority::Low),
        (Priority::Normal, Priority::Low),
    ] {
        let clock = ManualClock::new();
        let pool =
            WorkerPool::builder().max_workers(1).queue_capacity(1).clock(&clock).build_tasks().unwrap();
        let journal = Journal::default();
        let gate = hold(&pool);
        pool.execute(journal.note(0)).unwrap();
        let later = |event, priority| {
            let submission = pool.submission(Task::new(journal.note(event))).priority(priority);
            submission.submit_after(MINUTE).unwrap();
        };
        for _ in 0..300 {
            later(1, many);
        }
        later(2, one);
        clock.advance(MINUTE);
        gate.open();
        eventually("all have run", || pool.stats().finished == 303);
        let ran = journal.take();
        let place = ran.iter().position(|event| *event == 2);
        assert_eq!(place, Some(63), "{one:?} beside {many:?}: it goes first at the 64th check-in");
    }
}

#[test]
fn timed_a_refused_thread_is_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .spawner(move |thread| match count.fetch_add(1, Ordering::SeqCst) {
            0..3 => Err(std::io::Error::other("planned: no thread")),
            _ => thread.spawn(),
        })
        .build_tasks()
        .unwrap();
    let (done, inbox) = channel();
    match pool.after(Duration::ZERO, || {}) {
        Err(SubmitError::SpawnFailed(closure, _)) => closure(),
        other => panic!("a worker is needed at once: {other:?}"),
    }
    assert_eq!(pool.stats().rejected, 1);
    pool.after(Duration::from_millis(1), move || done.send(()).unwrap()).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert_eq!(pool.stats().rejected, 1, "what waits for its time refuses nobody");
}

#[test]
fn timed_a_panic_is_told_and_the_next_run_comes_all_the_same() {
    quiet_panics();
    let clock = ManualClock::new();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .clock(&clock)
        .on_panic(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build_tasks()
        .unwrap();
    let once = pool.after(HOUR, || planned_panic()).unwrap();
    let mut runs = 0;
    let every = pool
        .every(HOUR, move || {
            runs += 1;
            if runs % 2 == 1 {
                planned_panic();
            }
        })
        .unwrap();
    for _ in 0..4 {
        pass(&pool, &clock, HOUR);
    }
    assert_eq!((pool.stats().finished, pool.stats().panicked, told.load(Ordering::SeqCst)), (5, 3, 3));
    assert!(once.is_finished() && !every.is_finished());
}

#[test]
fn timed_a_typed_payload_is_submitted_later_or_taken_back() {
    let clock = ManualClock::new();
    let (seen, inbox) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .clock(&clock)
        .build(move |n: u32| seen.send(n).unwrap())
        .unwrap();
    pool.submit_after(HOUR, 1).unwrap();
    let second = pool.submit_at(clock.now() + 2 * HOUR, 2).unwrap();
    let third = pool.submit_after(3 * HOUR, 3).unwrap();
    clock.advance(2 * HOUR);
    assert_eq!(third.cancel(), Some(3));
    assert_eq!(second.cancel(), None);
    clock.advance(10 * HOUR);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(inbox.try_iter().collect::<Vec<_>>(), [1, 2]);
    pool.stop();
    assert_eq!(pool.submit_after(HOUR, 4).unwrap_err().into_payload(), 4);
}

#[test]
fn timed_there_is_one_thread_for_all_and_none_while_nothing_is_scheduled() {
    let pool = WorkerPool::builder()
        .name("tick")
        .max_workers(2)
        .max_idle_worker_duration(None)
        .build_tasks()
        .unwrap();
    assert_eq!(threads_of("tick").len(), 0);
    let scheduled: Vec<ScheduledTask> =
        on_threads(4, |_| (0..50).map(|_| pool.after(HOUR, || {}).unwrap()).collect::<Vec<_>>())
            .into_iter()
            .flatten()
            .collect();
    assert_eq!(pool.stats().scheduled, 200);
    eventually("one thread for all", || threads_of("tick").len() == 1);
    for task in &scheduled {
        assert!(task.cancel());
    }
    eventually("nothing is scheduled any more", || threads_of("tick").is_empty());
    let (done, inbox) = channel();
    pool.after(Duration::from_millis(1), move || done.send(()).unwrap()).unwrap();
    inbox.recv_timeout(PATIENCE).unwrap();
    eventually("the worker alone is left", || threads_of("tick").len() == 1);
    let _task = pool.after(HOUR, || {}).unwrap();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(threads_of("tick").len(), 0, "a wait waits for the timer's thread, too");
}

#[test]
fn timed_the_real_clock_is_never_early_and_every_task_runs_once_or_is_cancelled() {
    const EACH: usize = 200;
    let pool = tasks(4, 16);
    let outcomes = on_threads(4, |thread| {
        let ran = Arc::new(AtomicUsize::new(0));
        let handles: Vec<ScheduledTask> = (0..EACH)
            .map(|n| {
                let due = Instant::now() + Duration::from_micros(((n * 37 + thread * 11) % 50 * 100) as u64);
                let ran = ran.clone();
                pool.at(due, move || {
                    assert!(Instant::now() >= due, "before its time");
                    ran.fetch_add(1, Ordering::SeqCst);
                })
                .unwrap()
            })
            .collect();
        let cancelled = handles.iter().skip(thread).step_by(3).filter(|task| task.cancel()).count();
        (ran, cancelled)
    });
    eventually("all that was not cancelled has run", || {
        let ran: usize = outcomes.iter().map(|(ran, cancelled)| ran.load(Ordering::SeqCst) + cancelled).sum();
        ran == 4 * EACH
    });
    reaches(&pool, "the pool is at rest", |stats| stats.busy == 0);
    assert_eq!((pool.stats().panicked, pool.stats().scheduled), (0, 0));
    let (ticks, inbox) = channel();
    let period = Duration::from_millis(2);
    let begun = Instant::now();
    let _task = pool.every(period, move || ticks.send(Instant::now()).unwrap()).unwrap();
    for tick in 1..=20_u32 {
        assert!(inbox.recv_timeout(PATIENCE).unwrap() - begun >= period * tick, "tick {tick} is early");
    }
}

#[derive(Clone, Debug)]
enum Step {
    After(u64),
    Every(u64, MissedRuns),
    Cancel(usize),
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let policy = prop_oneof![Just(MissedRuns::Skip), Just(MissedRuns::Burst), Just(MissedRuns::Delay)];
    let step = prop_oneof![
        (0_u64..50).prop_map(Step::After),
        (1_u64..20, policy).prop_map(|(period, policy)| Step::Every(period, policy)),
        (0_usize..30).prop_map(Step::Cancel),
        (0_u64..60).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..40)
}

/// What a task is in the model: when it is due next, in minutes.
struct Expected {
    due: Option<u64>,
    period: Option<(u64, MissedRuns)>,
    runs: u32,
}

impl Expected {
    /// Runs all that is due by `now`.
    fn advance(&mut self, now: u64) {
        while let Some(due) = self.due.filter(|due| *due <= now) {
            self.runs += 1;
            self.due = self.period.map(|(period, policy)| match policy {
                MissedRuns::Skip => due + (now - due) / period * period + period,
                MissedRuns::Delay if now > due => now + period,
                _ => due + period,
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is scheduled, cancelled and let pass: each task has run as often as it should have.
    #[test]
    fn timed_any_order_of_calls_runs_what_it_should(steps in steps()) {
        let (pool, clock) = clocked();
        let mut now = 0;
        let mut tasks: Vec<(ScheduledTask, Arc<AtomicUsize>, Expected)> = Vec::new();
        for step in steps {
            let runs = Arc::new(AtomicUsize::new(0));
            let count = runs.clone();
            match step {
                Step::After(delay) => {
                    let run = move || { count.fetch_add(1, Ordering::SeqCst); };
                    let task = pool.after(u32::try_from(delay).unwrap() * MINUTE, run).unwrap();
                    tasks.push((task, runs, Expected { due: Some(now + delay), period: None, runs: 0 }));
                }
                Step::Every(period, policy) => {
                    let run = move || { count.fetch_add(1, Ordering::SeqCst); };
                    let schedule = Schedule::every(u32::try_from(period).unwrap() * MINUTE).missed_runs(policy);
                    let expected = Expected { due: Some(now + period), period: Some((period, policy)), runs: 0 };
                    tasks.push((pool.every(schedule, run).unwrap(), runs, expected));
                }
                Step::Cancel(which) if which < tasks.len() => {
                    pool.wait_idle_timeout(PATIENCE).unwrap();
                    let (task, _, expected) = &mut tasks[which];
                    expected.advance(now);
                    prop_assert_eq!(task.cancel(), expected.due.take().is_some());
                }
                Step::Cancel(_) => {}
                Step::Advance(minutes) => {
                    now += minutes;
                    pass(&pool, &clock, u32::try_from(minutes).unwrap() * MINUTE);
                }
            }
            for (_, _, expected) in &mut tasks {
                expected.advance(now);
            }
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        for (number, (task, runs, expected)) in tasks.iter().enumerate() {
            prop_assert_eq!(runs.load(Ordering::SeqCst), expected.runs as usize, "task {}", number);
            prop_assert_eq!(task.is_finished(), expected.due.is_none(), "task {}", number);
        }
    }
}

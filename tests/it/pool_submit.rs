//! Handing payloads over: what is accepted, what is refused and how, in which order it starts.
//!
//! Rows 1 to 18, 45 and 46. The rule they all come back to: an accepted payload runs exactly once, a refused one is
//! handed back, untouched.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use anthill_pool::{BuildError, SubmitError, WaitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{Gate, LONG_PATIENCE, PATIENCE, background, eventually, within};

/// For limits that must not be reached.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn pool_001_every_payload_is_run_exactly_once() {
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..10_000).map(|_| AtomicUsize::new(0)).collect());
    let sum = Arc::new(AtomicU64::new(0));
    let (counted, total) = (runs.clone(), sum.clone());
    let pool = WorkerPool::new(4, move |number: usize| {
        counted[number].fetch_add(1, Ordering::Relaxed);
        total.fetch_add(number as u64, Ordering::Relaxed);
    })
    .unwrap();
    let submitting = background(move || {
        for number in 0..10_000 {
            pool.submit(number).unwrap();
        }
        pool.stop();
        pool.wait().unwrap();
    });
    submitting.outcome_within(LONG_PATIENCE, "submitting 10,000 payloads");
    assert_eq!(sum.load(Ordering::Relaxed), 49_995_000);
    assert!(runs.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}

#[test]
fn pool_002_every_closure_is_run_once_with_what_it_captured() {
    let pool = WorkerPool::builder().max_workers(4).queue_capacity(64).build_tasks().unwrap();
    let (words, inbox) = channel();
    let submitting = background(move || {
        for number in 0..10_000 {
            let (word, words) = (format!("word {number:05}"), words.clone());
            pool.execute(move || words.send(word).unwrap()).unwrap();
        }
        drop(words);
        pool.stop();
        pool.wait().unwrap();
        inbox.iter().collect::<Vec<String>>()
    });
    let mut received = submitting.outcome_within(LONG_PATIENCE, "running 10,000 closures");
    received.sort();
    assert_eq!(received, (0..10_000).map(|number| format!("word {number:05}")).collect::<Vec<_>>());
}

#[test]
fn pool_003_workers_are_made_on_demand() {
    let pool = WorkerPool::new(8, |(): ()| {}).unwrap();
    assert_eq!((pool.running(), pool.stats().spawned), (0, 0));
    pool.submit(()).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.running(), pool.stats().spawned), (1, 1));
}

#[test]
fn pool_004_an_idle_worker_is_reused() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let pool = WorkerPool::builder()
        .max_workers(8)
        .max_idle_worker_duration(None)
        .on_worker_start(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .build(|(): ()| {})
        .unwrap();
    for _ in 0..1_000 {
        pool.submit(()).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    assert_eq!(pool.stats().finished, 1_000);
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn pool_005_the_worker_that_finished_last_is_taken_first() {
    let (starts, started) = channel::<(usize, ThreadId)>();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .max_idle_worker_duration(None)
        .build(move |held: Held| {
            starts.send((held.number, thread::current().id())).unwrap();
            held.gate.pass();
        })
        .unwrap();
    let start = || started.recv_timeout(PATIENCE).unwrap();
    for round in 0..100 {
        let (first, second) = (Held::new(1), Held::new(2));
        pool.try_submit(first.clone()).unwrap();
        let first_worker = start();
        pool.try_submit(second.clone()).unwrap();
        let second_worker = start();
        assert_eq!((first_worker.0, second_worker.0), (1, 2));

        // Which of the two is the last to finish alternates.
        let (early, late, last) =
            if round % 2 == 0 { (first, second, second_worker.1) } else { (second, first, first_worker.1) };
        early.gate.open();
        reaches(&pool, "the early one is idle", |stats| stats.idle == 1);
        late.gate.open();
        reaches(&pool, "both are idle", |stats| stats.idle == 2);

        pool.try_submit(Held::free(3)).unwrap();
        assert_eq!(start(), (3, last), "round {round}");
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    assert_eq!(pool.stats().spawned, 2);
}

#[test]
fn pool_006_the_cap_holds_under_many_submitters() {
    let (now, most, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Gate::new());
    let (running, peak, hold) = (now.clone(), most.clone(), gate.clone());
    let pool = WorkerPool::new(8, move |(): ()| {
        peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        hold.pass();
        thread::yield_now();
        running.fetch_sub(1, Ordering::SeqCst);
    })
    .unwrap();
    let submitting: Vec<_> = (0..16)
        .map(|_| {
            let pool = pool.clone();
            background(move || (0..4).for_each(|_| pool.submit(()).unwrap()))
        })
        .collect();
    eventually("8 run, and every submitter that is not done waits", || {
        let done = submitting.iter().filter(|submitter| submitter.is_finished()).count();
        now.load(Ordering::SeqCst) == 8 && pool.waiting() + done == 16
    });
    gate.open();
    for submitter in submitting {
        submitter.outcome("a submitter of four payloads");
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 64);
    assert_eq!(most.load(Ordering::SeqCst), 8);
}

#[test]
fn pool_007_a_full_pool_hands_the_payload_back_untouched() {
    struct Letter(u32, Arc<AtomicUsize>);
    impl Drop for Letter {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (gate, ran) = (Gate::new(), Arc::new(Mutex::new(Vec::new())));
    let (hold, record) = (gate.clone(), ran.clone());
    let pool = WorkerPool::new(1, move |letter: Letter| {
        record.lock().unwrap().push(letter.0);
        hold.pass();
    })
    .unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    pool.try_submit(Letter(1, dropped.clone())).unwrap();
    let Err(SubmitError::Full(letter)) = pool.try_submit(Letter(2, dropped.clone())) else {
        panic!("not full")
    };
    assert_eq!((letter.0, dropped.load(Ordering::SeqCst)), (2, 0));
    gate.open();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(*ran.lock().unwrap(), [1]);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    drop(letter);
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn pool_008_a_blocked_submission_goes_on_when_a_worker_comes_free() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    let second = Held::new(2);
    let submission = blocked(&pool, second.clone(), 1);
    busy[0].gate.open();
    submission.outcome("the blocked submission").unwrap();
    assert_eq!((pool.waiting(), pool.stats().busy), (0, 1));
    second.gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 2);
}

#[test]
fn pool_009_a_submission_with_a_limit_times_out_and_leaves_nothing_behind() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    let limit = Duration::from_millis(50);
    let begun = Instant::now();
    let payload = Held::free(7);
    match pool.submit_timeout(payload.clone(), limit) {
        Err(SubmitError::Timeout(returned)) => assert_eq!(returned, payload),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() >= limit, "gave up after {:?}", begun.elapsed());
    assert_eq!(pool.waiting(), 0);

    release(&busy);
    pool.submit_timeout(Held::free(8), LONG).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.rejected, stats.workers), (2, 2, 1, 1));
}

#[test]
fn pool_009_a_limit_that_is_met_is_no_error() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    for (limit, place) in [(LONG, 1), (Duration::MAX, 2)] {
        let handle = pool.clone();
        let submission = background(move || handle.submit_timeout(Held::free(place), limit));
        reaches(&pool, "the submitter is blocked", |stats| stats.blocked == place);
        drop(submission);
    }
    release(&busy);
    reaches(&pool, "all three ran", |stats| stats.finished == 3);
    assert_eq!(pool.stats().rejected, 0);
}

#[test]
fn pool_011_at_most_so_many_submitters_may_be_blocked() {
    let pool = holding(WorkerPool::builder().max_workers(1).max_blocking(1));
    let busy = occupy(&pool, 1);
    let first = blocked(&pool, Held::free(1), 1);
    let second = Held::free(2);
    let (handle, payload) = (pool.clone(), second.clone());
    match within("the second blocked caller", move || handle.submit(payload)) {
        Err(SubmitError::Overload(returned)) => assert_eq!(returned, second),
        other => panic!("{other:?}"),
    }
    assert!(matches!(pool.submit_timeout(Held::free(3), LONG), Err(SubmitError::Overload(_))));
    assert_eq!(pool.waiting(), 1);
    release(&busy);
    first.outcome("the first blocked caller").unwrap();
}

#[test]
fn pool_011_a_pool_that_never_blocks_refuses_at_once() {
    let pool = holding(WorkerPool::builder().max_workers(1).max_blocking(0));
    let busy = occupy(&pool, 1);
    assert!(matches!(pool.submit(Held::free(1)), Err(SubmitError::Overload(_))));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    pool.submit(Held::free(2)).unwrap();
}

#[test]
fn pool_012_each_refusal_has_an_error_of_its_own() {
    let pool = holding(WorkerPool::builder().max_workers(1).max_blocking(1));
    let busy = occupy(&pool, 1);
    let full = pool.try_submit(Held::free(1)).unwrap_err();
    let timeout = pool.submit_timeout(Held::free(2), Duration::from_millis(1)).unwrap_err();
    let waiting = blocked(&pool, Held::free(3), 1);
    let overload = pool.submit(Held::free(4)).unwrap_err();
    pool.stop();
    let closed_in_line = waiting.outcome("the blocked submission").unwrap_err();
    let closed = pool.submit(Held::free(5)).unwrap_err();
    release(&busy);

    let unable = WorkerPool::builder()
        .max_workers(1)
        .spawner(|_| Err(io::Error::from(io::ErrorKind::WouldBlock)))
        .build(|_: Held| {})
        .unwrap();
    let spawn_failed = unable.submit(Held::free(6)).unwrap_err();
    assert!(spawn_failed.to_string().contains(&io::Error::from(io::ErrorKind::WouldBlock).to_string()));
    assert!(spawn_failed.source().is_none(), "the cause is in the text");

    assert!(matches!(full, SubmitError::Full(Held { number: 1, .. })));
    assert!(matches!(timeout, SubmitError::Timeout(Held { number: 2, .. })));
    assert!(matches!(closed_in_line, SubmitError::Closed(Held { number: 3, .. })));
    assert!(matches!(overload, SubmitError::Overload(Held { number: 4, .. })));
    assert!(matches!(closed, SubmitError::Closed(Held { number: 5, .. })));
    assert!(matches!(spawn_failed, SubmitError::SpawnFailed(Held { number: 6, .. }, _)));

    let mut texts = Vec::new();
    for (number, error) in [(1, full), (2, timeout), (4, overload), (5, closed), (6, spawn_failed)] {
        texts.push(error.to_string());
        assert_eq!(error.into_payload().number, number);
    }
    assert!(texts.iter().all(|text| !text.is_empty()));
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 5, "each says something else");
}

#[test]
fn pool_012_errors_are_errors_whatever_the_payload_is() {
    fn is_error<E: Error>() {}
    // A payload that is neither `Debug` nor `Sync`.
    is_error::<SubmitError<Cell<fn()>>>();
    is_error::<SubmitError<Rc<()>>>();
    is_error::<WaitError>();
    is_error::<BuildError>();
}

#[test]
fn pool_013_a_queue_takes_as_many_as_it_may_and_no_more() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(3));
    let busy = occupy(&pool, 1);
    for number in 1..=3 {
        pool.try_submit(Held::free(number)).unwrap();
    }
    assert_eq!((pool.stats().accepted, pool.stats().queued), (4, 3));
    assert!(matches!(pool.try_submit(Held::free(4)), Err(SubmitError::Full(Held { number: 4, .. }))));
    let fifth = blocked(&pool, Held::free(5), 1);
    assert_eq!(pool.stats().queued, 3);
    release(&busy);
    fifth.outcome("the blocked submission").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 5);
}

#[test]
fn pool_014_without_a_queue_nothing_is_ever_queued() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    let busy = occupy(&pool, 2);
    assert!(pool.try_submit(Held::free(2)).is_err());
    let waiting = blocked(&pool, Held::free(3), 1);
    assert_eq!(pool.stats().queued, 0);
    release(&busy);
    waiting.outcome("the blocked submission").unwrap();
    let most_queued = on_threads(4, |number| {
        (0..500).fold(0, |most, _| {
            pool.submit_timeout(Held::free(number), PATIENCE).unwrap();
            most.max(pool.stats().queued)
        })
    });
    assert_eq!(most_queued, [0; 4]);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 2_003);
}

/// A pool of one worker, and the numbers of the payloads that it began with.
fn recording(queue: usize) -> (WorkerPool<Held>, Arc<Mutex<Vec<usize>>>) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let record = order.clone();
    let options = WorkerPool::builder().max_workers(1).queue_capacity(queue);
    let pool = options.build(move |held: Held| {
        record.lock().unwrap().push(held.number);
        held.gate.pass();
    });
    (pool.unwrap(), order)
}

#[test]
fn pool_015_payloads_start_in_the_order_in_which_they_were_accepted() {
    // All of them queued; a short queue with submitters that wait; none but submitters that wait.
    for queue in [1_000, 3, 0] {
        let (pool, order) = recording(queue);
        let first = Held::new(0);
        pool.submit(first.clone()).unwrap();
        let handle = pool.clone();
        let submitting = background(move || {
            for number in 1..=1_000 {
                handle.submit(Held::free(number)).unwrap();
            }
        });
        eventually("the rest is queued, or one waits", || {
            pool.stats().queued == 1_000 || pool.waiting() == 1
        });
        first.gate.open();
        submitting.outcome_within(LONG_PATIENCE, "submitting in order");
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(*order.lock().unwrap(), (0..=1_000).collect::<Vec<_>>(), "queue of {queue}");
    }
}

#[test]
fn pool_015_blocked_submitters_are_served_in_the_order_in_which_they_came() {
    for queue in [0, 2] {
        let (pool, order) = recording(queue);
        let first = Held::new(0);
        pool.submit(first.clone()).unwrap();
        for number in 1..=queue {
            pool.try_submit(Held::free(number)).unwrap();
        }
        let waiting: Vec<_> = (1..=8).map(|place| blocked(&pool, Held::free(queue + place), place)).collect();
        first.gate.open();
        for submission in waiting {
            submission.outcome("a blocked submission").unwrap();
        }
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(*order.lock().unwrap(), (0..=queue + 8).collect::<Vec<_>>());
    }
}

#[test]
fn pool_017_any_payload_runs_and_none_has_a_second_meaning() {
    fn all_run<T: Send + 'static>(payloads: Vec<T>) {
        let count = payloads.len() as u64;
        let pool =
            WorkerPool::builder().max_workers(1).max_idle_worker_duration(None).build(|_: T| {}).unwrap();
        for payload in payloads {
            pool.submit(payload).unwrap();
            pool.wait_idle_timeout(PATIENCE).unwrap();
        }
        let stats = pool.stats();
        assert_eq!(
            (stats.finished, stats.spawned, stats.idle),
            (count, 1, 1),
            "no worker took one as its end"
        );
    }
    all_run(vec![None, Some(()), None]);
    all_run(vec![0_usize, 1, 0]);
    all_run(vec![Vec::<u8>::new(), vec![0], Vec::new()]);
    all_run(vec![(), (), ()]);
    // `Send`, but neither `Sync` nor `Clone` nor `Debug`.
    all_run(vec![Cell::new(None::<Box<dyn FnOnce() + Send>>)]);
}

#[test]
fn pool_018_without_a_cap_everything_runs_at_once() {
    let pool = holding(WorkerPool::builder().max_workers(None));
    assert_eq!((pool.free(), pool.capacity()), (None, None));
    let busy = occupy(&pool, 200);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.busy, stats.spawned, stats.capacity), (200, 200, 200, None));
    assert_eq!(pool.free(), None);
    release(&busy);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 200);
}

#[test]
fn pool_045_all_clones_feed_one_pool() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    let other = pool.clone();
    let mut busy = occupy(&pool, 1);
    let second = Held::new(1);
    other.try_submit(second.clone()).unwrap();
    busy.push(second);
    assert_eq!((pool.stats().busy, pool.stats()), (2, other.stats()));
    assert!(matches!(pool.try_submit(Held::free(2)), Err(SubmitError::Full(_))));

    drop(pool);
    assert!(!other.is_closed(), "one handle is left");
    release(&busy);
    other.wait_idle_timeout(PATIENCE).unwrap();
    other.submit(Held::free(3)).unwrap();
    other.clone().stop();
    assert!(other.is_closed());
    other.wait_timeout(PATIENCE).unwrap();
    assert_eq!(other.stats().finished, 3);
}

#[test]
fn pool_046_the_handle_is_shared_by_reference_whatever_the_payload_is() {
    fn is_shared<P: Send + Sync>(_: &P) {}
    let sum = Arc::new(AtomicUsize::new(0));
    let total = sum.clone();
    // `Cell` is not `Sync`.
    let pool = WorkerPool::new(2, move |number: Cell<usize>| {
        total.fetch_add(number.get(), Ordering::Relaxed);
    })
    .unwrap();
    is_shared(&pool);
    let numbers = [1, 2, 3, 4];
    on_threads(4, |place| pool.submit_timeout(Cell::new(numbers[place]), PATIENCE).unwrap());
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 10);
}

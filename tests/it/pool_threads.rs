//! The threads themselves: names, stacks, hooks, custom spawners, and a system that refuses to make one.
//!
//! Rows 80 to 87. The rule: a thread that cannot be made costs nothing but the submission that needed it.

use std::collections::HashSet;
use std::hint::black_box;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::{panic, thread};

use anthill_pool::{SubmitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, reaches, release, waiting_for_its_thread};
use anthill_tests::processes::apart;
use anthill_tests::{PATIENCE, background, comes_true, eventually, quiet_panics, threads_of, within};

#[test]
fn pool_080_threads_are_named_after_the_pool() {
    let pool = holding(WorkerPool::builder().name("r80").max_workers(3));
    let busy = occupy(&pool, 3);
    let names = || threads_of("r80").into_iter().map(|thread| thread.name).collect::<HashSet<_>>();
    eventually("all threads have their names", || {
        names() == HashSet::from(["r80-0", "r80-1", "r80-2", "r80-cleaner"].map(str::to_owned))
    });
    release(&busy);

    let (names, named) = channel();
    let pool =
        WorkerPool::new(1, move |(): ()| names.send(thread::current().name().map(str::to_owned)).unwrap());
    pool.unwrap().submit(()).unwrap();
    assert_eq!(named.recv_timeout(PATIENCE).unwrap().as_deref(), Some("pool-0"), "when no name was given");
}

#[test]
fn pool_080_a_number_is_not_given_twice() {
    let limit = std::time::Duration::from_millis(5);
    let (names, named) = channel();
    let pool = WorkerPool::builder()
        .name("r80b")
        .max_idle_worker_duration(limit)
        .build(move |(): ()| names.send(thread::current().name().map(str::to_owned)).unwrap())
        .unwrap();
    for number in 0..3 {
        pool.submit(()).unwrap();
        assert_eq!(named.recv_timeout(PATIENCE).unwrap(), Some(format!("r80b-{number}")));
        reaches(&pool, "the worker is let go", |stats| stats.workers == 0);
    }
}

#[test]
fn pool_081_the_stack_size_is_the_threads() {
    const NAME: &str = "pool_threads::pool_081_the_stack_size_is_the_threads";
    // Deep enough for some 6 MiB: more than a thread has by default.
    let recurse_on = |stack_size: usize| {
        let pool = WorkerPool::builder()
            .stack_size(stack_size)
            .build(|answer: std::sync::mpsc::Sender<usize>| answer.send(use_stack(6 * 1024)).unwrap())
            .unwrap();
        let (answer, answered) = channel();
        pool.submit(answer).unwrap();
        answered.recv_timeout(PATIENCE)
    };
    let small = apart(NAME, || {
        let _ = recurse_on(64 * 1024);
    });
    assert_eq!(recurse_on(32 * 1024 * 1024), Ok(6 * 1024));
    assert!(small.status.signal().is_some(), "a small stack must overflow: {small:?}");
}

/// Uses a KiB of stack per level, at least.
#[inline(never)]
fn use_stack(levels: usize) -> usize {
    let frame = black_box([0_u8; 1024]);
    if levels == 0 {
        usize::from(frame[0])
    } else {
        1 + use_stack(levels - 1) + usize::from(black_box(&frame)[1023])
    }
}

#[test]
fn pool_082_start_and_stop_hooks_come_in_pairs_with_the_workers_number() {
    quiet_panics();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (starts, stops) = (log.clone(), log.clone());
    let pool = WorkerPool::builder()
        .name("quiet82")
        .max_workers(4)
        .on_worker_start(move |number| starts.lock().unwrap().push((number, "start", thread::current().id())))
        .on_worker_stop(move |number| stops.lock().unwrap().push((number, "stop", thread::current().id())))
        .build(|held: Held| {
            held.gate.pass();
            assert!(held.number.is_multiple_of(2), "every other payload panics");
        })
        .unwrap();
    let busy = occupy(&pool, 4);
    release(&busy);
    for number in 0..100 {
        pool.submit(Held::free(number)).unwrap();
    }
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked), (104, 52));
    let mut log = log.lock().unwrap().clone();
    // Stable, so each worker's hooks stay in their order.
    log.sort_by_key(|(number, ..)| *number);
    assert_eq!(
        log.iter().map(|(number, hook, _)| (*number, *hook)).collect::<Vec<_>>(),
        (0..4).flat_map(|number| [(number, "start"), (number, "stop")]).collect::<Vec<_>>()
    );
    assert!(log.chunks(2).all(|pair| pair[0].2 == pair[1].2), "both on the worker's own thread");
}

#[test]
fn pool_082_the_start_hook_comes_before_the_first_payload_and_hooks_may_panic() {
    quiet_panics();
    let started = Arc::new(AtomicBool::new(false));
    let (mark, check) = (started.clone(), started.clone());
    let (answers, answered) = channel();
    let pool = WorkerPool::builder()
        .name("quiet82b")
        .on_worker_start(move |_| {
            mark.store(true, Ordering::SeqCst);
            panic!("a start hook that panics");
        })
        .on_worker_stop(|_| panic!("a stop hook that panics"))
        .build(move |(): ()| answers.send(check.load(Ordering::SeqCst)).unwrap())
        .unwrap();
    pool.submit(()).unwrap();
    assert_eq!(answered.recv_timeout(PATIENCE), Ok(true));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().panicked), (1, 0), "no payload panicked");
}

#[test]
fn pool_086_a_custom_spawner_makes_the_workers_threads() {
    let made = Arc::new(Mutex::new(Vec::new()));
    let record = made.clone();
    let pool = holding(WorkerPool::builder().name("r86").max_workers(3).stack_size(256 * 1024).spawner(
        move |worker| {
            record.lock().unwrap().push((worker.name().to_owned(), worker.stack_size()));
            thread::Builder::new().name("own-thread".to_owned()).spawn(move || worker.run())
        },
    ));
    release(&occupy(&pool, 3));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    let expected: Vec<_> = (0..3).map(|number| (format!("r86-{number}"), Some(256 * 1024))).collect();
    assert_eq!(*made.lock().unwrap(), expected);
    assert_eq!((pool.stats().spawned, pool.stats().finished), (3, 3));
}

#[test]
fn pool_086_a_custom_spawner_may_leave_the_making_to_the_pool() {
    let pool = holding(WorkerPool::builder().name("r86b").max_workers(1).spawner(|worker| worker.spawn()));
    let busy = occupy(&pool, 1);
    eventually("the thread has the pool's name", || {
        threads_of("r86b").iter().any(|thread| thread.name == "r86b-0")
    });
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

/// A pool that is refused threads while `refuse` is set, and how often it tried.
fn refusable(max_workers: usize, queue: usize) -> (WorkerPool<Held>, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (refuse, attempts) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (refused, tries) = (refuse.clone(), attempts.clone());
    let options =
        WorkerPool::builder().max_workers(max_workers).queue_capacity(queue).max_idle_worker_duration(None);
    let pool = holding(options.spawner(move |worker| {
        tries.fetch_add(1, Ordering::SeqCst);
        if refused.load(Ordering::SeqCst) {
            return Err(io::Error::other("no more threads"));
        }
        worker.spawn()
    }));
    (pool, refuse, attempts)
}

#[test]
fn pool_087_without_a_worker_a_refused_thread_hands_the_payload_back() {
    for queue in [0, 4] {
        let (pool, refuse, attempts) = refusable(2, queue);
        let payload = Held::free(1);
        let (handle, submitted) = (pool.clone(), payload.clone());
        let refusals = within("submitting without threads", move || {
            [
                handle.submit(submitted.clone()),
                handle.try_submit(submitted.clone()),
                handle.submit_timeout(submitted, PATIENCE),
            ]
        });
        for refusal in refusals {
            match refusal {
                Err(SubmitError::SpawnFailed(returned, error)) => {
                    assert_eq!(
                        (returned, error.to_string()),
                        (payload.clone(), "no more threads".to_owned())
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 3, "one attempt each, no spinning");
        let stats = pool.stats();
        assert_eq!((stats.workers, stats.busy, stats.queued, stats.blocked), (0, 0, 0, 0));
        assert_eq!((stats.accepted, stats.rejected, stats.spawned), (0, 3, 0));
        pool.wait_idle_timeout(PATIENCE).unwrap();

        refuse.store(false, Ordering::SeqCst);
        release(&occupy(&pool, 2));
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, pool.stats().workers), (2, 2), "no slot was lost");
    }
}

#[test]
fn pool_087_with_a_worker_a_refused_thread_lets_the_payload_wait_for_it() {
    let (pool, refuse, attempts) = refusable(2, 1);
    refuse.store(false, Ordering::SeqCst);
    let busy = occupy(&pool, 1);
    refuse.store(true, Ordering::SeqCst);
    pool.try_submit(Held::free(1)).unwrap();
    assert_eq!((pool.stats().queued, pool.stats().workers), (1, 1), "queued");
    assert!(matches!(
        pool.try_submit(Held::free(2)),
        Err(SubmitError::SpawnFailed(Held { number: 2, .. }, _))
    ));
    let waiting = blocked(&pool, Held::free(3), 1);
    assert_eq!(attempts.load(Ordering::SeqCst), 4);
    release(&busy);
    waiting.outcome("the submitter that waits for the one worker").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.rejected, stats.spawned, stats.workers), (3, 1, 1, 1));
}

#[test]
fn pool_087_refusals_now_and_then_lose_nothing_under_load() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let pool = WorkerPool::builder()
        .max_workers(4)
        .max_idle_worker_duration(std::time::Duration::from_micros(200))
        .spawner(move |worker| {
            if attempts.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                return Err(io::Error::other("not now"));
            }
            worker.spawn()
        })
        .build(|(): ()| {})
        .unwrap();
    let submitters: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            background(move || {
                (0..2_000)
                    .map(|_| match pool.submit(()) {
                        Ok(()) => 1_u64,
                        Err(SubmitError::SpawnFailed((), _)) => 0,
                        Err(other) => panic!("{other:?}"),
                    })
                    .sum::<u64>()
            })
        })
        .collect();
    let accepted = submitters.into_iter().map(|submitter| submitter.outcome("a submitter")).sum::<u64>();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.rejected), (accepted, accepted, 6_000 - accepted));
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// The spawner is user code: when it panics, the submitter has the panic, and the pool its slot.
#[test]
fn pool_087_a_spawner_that_panics_does_not_keep_the_slot() {
    let first = AtomicBool::new(true);
    let pool = holding(WorkerPool::builder().max_workers(1).spawner(move |worker| {
        assert!(!first.swap(false, Ordering::SeqCst), "a spawner that panics");
        worker.spawn()
    }));
    let handle = pool.clone();
    quiet_panics();
    let outcome = thread::Builder::new()
        .name("quiet87".to_owned())
        .spawn(move || panic::catch_unwind(panic::AssertUnwindSafe(|| handle.submit(Held::free(1)))))
        .unwrap()
        .join()
        .unwrap();
    assert!(!matches!(outcome, Ok(Ok(()))), "the payload was not accepted");
    assert_eq!(pool.running(), 0);
    let handle = pool.clone();
    within("submitting after the spawner panicked", move || handle.submit(Held::free(2))).unwrap();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// A spawner can take its time; that must not make those wait who said how long they would.
#[test]
fn pool_087_a_slow_spawner_does_not_hold_up_a_submission_with_a_limit() {
    let (pool, first, gate) = waiting_for_its_thread();
    let limit = std::time::Duration::from_millis(20);
    let (patient, impatient) = (pool.clone(), pool.clone());
    let with_limit = background(move || patient.submit_timeout(Held::free(2), limit));
    let at_once = background(move || impatient.try_submit(Held::free(3)));
    let in_time = comes_true(|| with_limit.is_finished() && at_once.is_finished());
    gate.open();
    assert!(in_time, "they waited for the spawner of someone else");
    assert!(matches!(with_limit.outcome("the one with a limit"), Err(SubmitError::Timeout(_))));
    assert!(matches!(at_once.outcome("the one without patience"), Err(SubmitError::Full(_))));
    first.outcome("the first").unwrap();
}

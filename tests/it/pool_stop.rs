//! The end of a pool: stop, drain, discard, wait, and the drop of the last handle.
//!
//! Rows 30 to 44. The rule they check from all sides: after a stop nothing is accepted, nothing that was accepted is
//! lost, nobody stays blocked, and when `wait` returns nothing of the pool is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anthill_pool::{PoolState, SubmitError, Task, TaskPool, WaitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{Gate, PATIENCE, background, eventually, threads_of, within};

/// Records what its pool ran, in order.
fn recording(name: &str, max_workers: usize, queue: usize) -> (WorkerPool<Held>, Arc<Mutex<Vec<usize>>>) {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let record = ran.clone();
    let pool = WorkerPool::builder()
        .name(name)
        .max_workers(max_workers)
        .queue_capacity(queue)
        .build(move |held: Held| {
            held.gate.pass();
            record.lock().unwrap().push(held.number);
        })
        .unwrap();
    (pool, ran)
}

#[test]
fn pool_030_stop_ends_idle_workers_and_lets_busy_ones_finish() {
    let (pool, ran) = recording("r30", 3, 0);
    let busy = occupy(&pool, 3);
    release(&busy[..2]);
    reaches(&pool, "two are idle", |stats| stats.idle == 2);
    pool.stop();
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.busy, stats.idle), (1, 1, 0));
    eventually("the idle workers' threads end", || {
        threads_of("r30").iter().filter(|thread| !thread.name.ends_with("cleaner")).count() == 1
    });
    assert_eq!(ran.lock().unwrap().len(), 2);
    busy[2].gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.running(), pool.stats().finished), (0, 3));
    assert_eq!(*ran.lock().unwrap().last().unwrap(), 2);
}

#[test]
fn pool_031_stop_hands_blocked_submitters_their_payload_back() {
    let (pool, ran) = recording("r31", 1, 0);
    let busy = occupy(&pool, 1);
    let payloads: Vec<Held> = (1..=4).map(Held::free).collect();
    let waiting: Vec<_> =
        payloads.iter().zip(1..).map(|(payload, place)| blocked(&pool, payload.clone(), place)).collect();
    pool.stop();
    for (submission, payload) in waiting.into_iter().zip(&payloads) {
        match submission.outcome("a submitter that was blocked when the pool stopped") {
            Err(SubmitError::Closed(returned)) => assert_eq!(returned, *payload),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((pool.waiting(), pool.stats().rejected), (0, 4));
    release(&busy);
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(*ran.lock().unwrap(), [0]);
}

#[test]
fn pool_031_a_stop_while_many_submit_loses_nothing() {
    for queue in [0, 2, 64] {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let pool = WorkerPool::builder()
            .max_workers(2)
            .queue_capacity(queue)
            .build(move |(): ()| {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let submitters: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                background(move || {
                    let mut accepted = 0;
                    loop {
                        match pool.submit(()) {
                            Ok(()) => accepted += 1,
                            Err(SubmitError::Closed(())) => return accepted,
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        reaches(&pool, "a thousand ran", |stats| stats.finished >= 1_000);
        pool.stop();
        let accepted: usize =
            submitters.into_iter().map(|submitter| submitter.outcome("submitting until the stop")).sum();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), accepted);
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.accepted), (accepted as u64, accepted as u64));
    }
}

#[test]
fn pool_032_after_a_stop_nothing_is_accepted() {
    // Once with workers that could still run something, once without any.
    for busy in [1, 0] {
        let (pool, ran) = recording("r32", 2, 4);
        let busy = occupy(&pool, busy);
        pool.stop();
        let payload = Held::free(9);
        for refusal in [
            pool.submit(payload.clone()),
            pool.try_submit(payload.clone()),
            pool.submit_timeout(payload.clone(), PATIENCE),
        ] {
            match refusal {
                Err(SubmitError::Closed(returned)) => assert_eq!(returned, payload),
                other => panic!("{other:?}"),
            }
        }
        release(&busy);
        pool.wait_timeout(PATIENCE).unwrap();
        assert!(matches!(pool.submit(payload), Err(SubmitError::Closed(_))), "after the end as well");
        assert_eq!(ran.lock().unwrap().len(), busy.len());
        assert_eq!(pool.stats().rejected, 4);
    }
}

#[test]
fn pool_033_stop_runs_what_is_queued() {
    let (pool, ran) = recording("r33", 2, 100);
    let busy = occupy(&pool, 2);
    for number in 2..102 {
        pool.try_submit(Held::free(number)).unwrap();
    }
    pool.stop();
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.state), (100, PoolState::Draining));
    release(&busy);
    pool.wait_timeout(PATIENCE).unwrap();
    let mut ran = ran.lock().unwrap().clone();
    ran.sort_unstable();
    assert_eq!(ran, (0..102).collect::<Vec<_>>());
    assert_eq!((pool.stats().finished, pool.stats().handed_back), (102, 0));
}

#[test]
fn pool_034_stop_now_hands_back_what_is_queued_in_order() {
    let (pool, ran) = recording("r34", 2, 100);
    let busy = occupy(&pool, 2);
    let queued: Vec<Held> = (2..102).map(Held::free).collect();
    for payload in &queued {
        pool.try_submit(payload.clone()).unwrap();
    }
    assert_eq!(pool.stop_now(), queued);
    assert_eq!((pool.stats().queued, pool.stats().handed_back), (0, 100));
    assert_eq!(pool.stop_now(), [], "nothing is handed back twice");
    release(&busy);
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(ran.lock().unwrap().len(), 2);
}

#[test]
fn pool_034_stop_now_after_stop_takes_what_is_left() {
    let (pool, ran) = recording("r34b", 1, 4);
    let busy = occupy(&pool, 1);
    pool.try_submit(Held::free(1)).unwrap();
    pool.try_submit(Held::free(2)).unwrap();
    let waiting = {
        pool.try_submit(Held::free(3)).unwrap();
        pool.try_submit(Held::free(4)).unwrap();
        blocked(&pool, Held::free(5), 1)
    };
    pool.stop();
    let rest: Vec<usize> = pool.stop_now().iter().map(|held| held.number).collect();
    assert_eq!(rest, [1, 2, 3, 4]);
    assert!(matches!(
        waiting.outcome("the blocked submitter"),
        Err(SubmitError::Closed(Held { number: 5, .. }))
    ));
    release(&busy);
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(*ran.lock().unwrap(), [0]);
}

#[test]
fn pool_035_wait_with_a_limit_can_be_repeated() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    pool.stop();
    let limit = Duration::from_millis(50);
    let begun = Instant::now();
    assert_eq!(pool.wait_timeout(limit), Err(WaitError::Timeout));
    assert!(begun.elapsed() >= limit);
    assert_eq!(pool.wait_timeout(Duration::ZERO), Err(WaitError::Timeout));
    release(&busy);
    assert_eq!(pool.wait_timeout(PATIENCE), Ok(()));
    assert_eq!(pool.wait_timeout(Duration::ZERO), Ok(()), "it stays ended");
    assert_eq!(pool.wait(), Ok(()));
}

/// The limit holds for the whole wait, the end of the threads included.
#[test]
fn pool_035_wait_with_a_limit_does_not_wait_longer_for_a_thread_that_will_not_end() {
    let gate = Gate::new();
    let hold = gate.clone();
    let pool =
        WorkerPool::builder().max_workers(1).on_worker_stop(move |_| hold.pass()).build(|(): ()| {}).unwrap();
    pool.submit(()).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    pool.stop();
    let handle = pool.clone();
    let waiting = background(move || handle.wait_timeout(Duration::from_millis(50)));
    let in_time = anthill_tests::comes_true(|| waiting.is_finished());
    gate.open();
    assert_eq!((in_time, waiting.outcome("the wait")), (true, Err(WaitError::Timeout)));
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_036_any_number_of_threads_may_stop_and_wait() {
    for _ in 0..50 {
        let pool = WorkerPool::builder().max_workers(4).queue_capacity(16).build(|(): ()| {}).unwrap();
        for _ in 0..16 {
            pool.submit(()).unwrap();
        }
        let handle = pool.clone();
        let outcomes = within("eight threads that stop and wait", move || {
            on_threads(8, |_| {
                handle.stop();
                let ended = handle.wait();
                (ended, handle.state(), handle.stats().finished)
            })
        });
        assert_eq!(outcomes, [(Ok(()), PoolState::Stopped, 16); 8]);
    }
}

#[test]
fn pool_037_a_payload_may_stop_its_pool() {
    let pool = WorkerPool::builder().max_workers(2).queue_capacity(8).build_tasks().unwrap();
    let (gate, hold) = (Gate::new(), Gate::new());
    let held = hold.clone();
    pool.execute(move || held.pass()).unwrap();
    let (handle, hold_stopper, (stopped, has_stopped)) = (pool.clone(), gate.clone(), channel());
    pool.execute(move || {
        hold_stopper.pass();
        handle.stop();
        stopped.send(handle.stop_now().len()).unwrap();
    })
    .unwrap();
    pool.execute(|| {}).unwrap();
    gate.open();
    assert_eq!(has_stopped.recv_timeout(PATIENCE), Ok(1));
    hold.open();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.state(), pool.stats().finished), (PoolState::Stopped, 2));
}

#[test]
fn pool_038_a_worker_cannot_wait_for_its_own_pool() {
    let (pool, other) = (tasks("r38"), tasks("r38b"));
    let ended = tasks("r38c");
    ended.stop();
    let (answers, answered) = channel();
    let (own, foreign) = (pool.clone(), (other.clone(), ended));
    pool.execute(move || {
        own.stop();
        answers
            .send((
                [own.wait(), own.wait_timeout(PATIENCE), own.wait_idle(), own.wait_idle_timeout(PATIENCE)],
                // Those of another pool it may.
                [foreign.0.wait_idle(), foreign.1.wait()],
            ))
            .unwrap();
    })
    .unwrap();
    let (own, foreign) = answered.recv_timeout(PATIENCE).expect("none of these waits hangs");
    assert_eq!(own, [Err(WaitError::WouldDeadlock); 4]);
    assert_eq!(foreign, [Ok(()); 2]);
    pool.wait_timeout(PATIENCE).unwrap();
}

fn tasks(name: &str) -> TaskPool {
    WorkerPool::builder().name(name).max_workers(2).build_tasks().unwrap()
}

/// Counts the threads whose thread-local values were destroyed.
struct OnThreadEnd(OnceLock<Arc<AtomicUsize>>);

impl Drop for OnThreadEnd {
    fn drop(&mut self) {
        // Enough for a `wait` that does not join to get ahead.
        thread::sleep(Duration::from_millis(20));
        if let Some(ended) = self.0.get() {
            ended.fetch_add(1, Ordering::SeqCst);
        }
    }
}

thread_local! {
    static ON_THREAD_END: OnThreadEnd = const { OnThreadEnd(OnceLock::new()) };
}

#[test]
fn pool_039_when_wait_returns_all_thread_locals_are_destroyed() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let pool = WorkerPool::builder()
        .max_workers(6)
        .on_worker_start(move |_| {
            ON_THREAD_END.with(|local| local.0.set(count.clone()).unwrap());
        })
        .build(|held: Held| held.gate.pass())
        .unwrap();
    let busy = occupy(&pool, 6);
    // Some end idle, some busy.
    release(&busy[..3]);
    reaches(&pool, "three are idle", |stats| stats.idle == 3);
    pool.stop();
    release(&busy);
    let handle = pool.clone();
    let seen = within("two threads that wait", move || {
        on_threads(2, |_| {
            handle.wait().unwrap();
            ended.load(Ordering::SeqCst)
        })
    });
    assert_eq!(seen, [6, 6]);
}

#[test]
fn pool_040_the_cleaner_ends_with_the_pool() {
    let limit = Duration::from_secs(10);
    let pool = holding(WorkerPool::builder().name("r40").max_workers(2).max_idle_worker_duration(limit));
    release(&occupy(&pool, 2));
    eventually("the cleaner is there", || {
        threads_of("r40").iter().any(|thread| thread.name == "r40-cleaner")
    });
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    // The kernel lists a thread a moment longer than a join takes.
    eventually("no thread is left", || threads_of("r40").is_empty());
    assert!(begun.elapsed() < limit, "it slept its limit out");
}

#[test]
fn pool_043_the_stages_of_a_pool_are_passed_in_order() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    let mut stages = vec![(pool.state(), pool.is_closed())];
    let busy = occupy(&pool, 2);
    stages.push((pool.state(), pool.is_closed()));
    pool.stop();
    stages.push((pool.state(), pool.is_closed()));
    busy[0].gate.open();
    reaches(&pool, "one worker is left", |stats| stats.workers == 1);
    stages.push((pool.state(), pool.is_closed()));
    busy[1].gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    stages.push((pool.state(), pool.is_closed()));
    use PoolState::{Draining, Open, Stopped};
    assert_eq!(stages, [(Open, false), (Open, false), (Draining, true), (Draining, true), (Stopped, true)]);
    assert!(Open < Draining && Draining < Stopped);
}

#[test]
fn pool_043_a_pool_without_workers_is_stopped_at_once() {
    let pool = holding(WorkerPool::builder());
    pool.stop();
    assert_eq!(pool.state(), PoolState::Stopped);
    assert_eq!(pool.wait_timeout(Duration::ZERO), Ok(()));
}

#[test]
fn pool_044_the_drop_of_the_last_handle_drains_and_leaves_nothing() {
    let (pool, ran) = recording("r44", 1, 8);
    let busy = occupy(&pool, 1);
    for number in 1..=5 {
        pool.try_submit(Held::free(number)).unwrap();
    }
    let other = pool.clone();
    drop(pool);
    assert_eq!(other.state(), PoolState::Open);
    within("dropping the last handle of a busy pool", move || drop(other));
    release(&busy);
    eventually("all that was accepted ran", || ran.lock().unwrap().len() == 6);
    assert_eq!(*ran.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    eventually("no thread is left", || threads_of("r44").is_empty());
    eventually("the handler is dropped", || Arc::strong_count(&ran) == 1);
}

#[test]
fn pool_044_the_last_handle_may_be_dropped_on_a_worker() {
    let pool = tasks("r44b");
    let (gate, handle, (done, is_done)) = (Gate::new(), pool.clone(), channel());
    let hold = gate.clone();
    pool.execute(move || {
        hold.pass();
        drop(handle);
        done.send(()).unwrap();
    })
    .unwrap();
    drop(pool);
    gate.open();
    is_done.recv_timeout(PATIENCE).expect("dropping it does not wait for itself");
    eventually("no thread is left", || threads_of("r44b").is_empty());
}

#[test]
fn pool_044_what_a_refused_task_captured_is_not_lost() {
    let pool = tasks("r44c");
    pool.stop();
    let (answer, answered) = channel();
    let refused = pool.execute(move || answer.send(42).unwrap()).unwrap_err();
    let task: Task = refused.into_payload();
    task.run();
    assert_eq!(answered.try_recv(), Ok(42));
}

/// A worker whose thread-local destructor takes its time holds up no submitter, and is waited for by `wait`.
#[test]
fn pool_039_a_slow_destructor_holds_up_nobody_but_the_wait() {
    struct Slow;
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(500));
            ENDED.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local! {
        static SLOW: Slow = const { Slow };
    }
    let pool = WorkerPool::builder()
        .max_workers(1)
        .max_idle_worker_duration(Duration::from_millis(20))
        .build(|_: u32| SLOW.with(|_| ()))
        .unwrap();
    for round in 0..2 {
        pool.submit(round).unwrap();
        eventually("the worker is let go", || pool.running() == 0);
    }
    assert!(
        ENDED.load(Ordering::SeqCst) < 2,
        "nobody waited for the first worker's destructor and the second's"
    );
    pool.stop();
    pool.wait().unwrap();
    assert_eq!(ENDED.load(Ordering::SeqCst), 2);
}

//! Payloads that use the pool they run on.
//!
//! Rows 70 to 72. The rule: a worker that would wait for itself is told so; nothing a payload does to its own pool
//! hangs.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use anthill_pool::{SubmitError, TaskPool, WorkerPool};
use anthill_tests::pool::{reaches, tasks};
use anthill_tests::{Gate, PATIENCE, background, comes_true, eventually};

/// A payload that, once `gate` is open, submits another one and reports how that went.
fn nest(pool: &TaskPool, gate: &Gate) -> Receiver<Result<(), &'static str>> {
    let (handle, gate, (outcomes, outcome)) = (pool.clone(), gate.clone(), channel());
    pool.execute(move || {
        gate.pass();
        // Nobody listens any more when the test has failed.
        let _ = outcomes.send(handle.execute(|| {}).map_err(|error| name(&error)));
    })
    .unwrap();
    outcome
}

fn name<T>(error: &SubmitError<T>) -> &'static str {
    match error {
        SubmitError::Full(_) => "full",
        SubmitError::WouldDeadlock(_) => "would deadlock",
        SubmitError::SpawnFailed(..) => "spawn failed",
        _ => "something else",
    }
}

#[test]
fn pool_070_a_payload_may_submit_to_its_own_pool() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let pool = tasks(1, 8);
    let (handle, record) = (pool.clone(), order.clone());
    pool.execute(move || {
        for number in 1..=3 {
            let record = record.clone();
            handle.execute(move || record.lock().unwrap().push(number)).unwrap();
        }
        record.lock().unwrap().push(0);
    })
    .unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3], "after their parent, in order");
}

#[test]
fn pool_070_a_tree_of_payloads_runs_in_full() {
    fn grow(pool: &TaskPool, depth: u32, ran: &Arc<AtomicUsize>) {
        ran.fetch_add(1, Ordering::Relaxed);
        for _ in 0..if depth == 0 { 0 } else { 2 } {
            let (handle, count) = (pool.clone(), ran.clone());
            pool.execute(move || grow(&handle, depth - 1, &count)).unwrap();
        }
    }
    let (pool, ran) =
        (WorkerPool::builder().max_workers(None).build_tasks().unwrap(), Arc::new(AtomicUsize::new(0)));
    grow(&pool, 6, &ran);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 127);
}

#[test]
fn pool_071_the_only_worker_may_not_wait_for_itself() {
    // Without a queue; and with one that is full.
    for queue in [0, 1] {
        let pool = tasks(1, queue);
        let gate = Gate::new();
        let outcome = nest(&pool, &gate);
        for _ in 0..queue {
            pool.execute(|| {}).unwrap();
        }
        gate.open();
        assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Err("would deadlock")));
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((pool.stats().finished, pool.stats().rejected), (1 + queue as u64, 1));
    }
}

#[test]
fn pool_071_the_refused_payload_can_be_run_in_place() {
    let pool = tasks(1, 0);
    let (handle, (done, is_done)) = (pool.clone(), channel());
    pool.execute(move || {
        if let Err(refused) = handle.execute(move || done.send(()).unwrap()) {
            refused.into_payload().run();
        }
    })
    .unwrap();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn pool_071_the_last_worker_that_does_not_wait_may_not_wait_either() {
    let pool = tasks(2, 0);
    let (first_gate, second_gate) = (Gate::new(), Gate::new());
    let first = nest(&pool, &first_gate);
    let second = nest(&pool, &second_gate);
    first_gate.open();
    reaches(&pool, "the first waits for the second", |stats| stats.blocked == 1);
    second_gate.open();
    assert_eq!(second.recv_timeout(PATIENCE), Ok(Err("would deadlock")));
    assert_eq!(first.recv_timeout(PATIENCE), Ok(Ok(())), "the second then took its payload");
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3);
}

#[test]
fn pool_071_a_worker_that_need_not_wait_is_not_refused() {
    let pool = tasks(1, 0);
    let (gate, handle, (outcomes, outcome)) = (Gate::new(), pool.clone(), channel());
    let hold = gate.clone();
    pool.execute(move || {
        hold.pass();
        outcomes
            .send(handle.try_submit(anthill_pool::Task::new(|| {})).map_err(|error| name(&error)))
            .unwrap();
    })
    .unwrap();
    gate.open();
    assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Err("full")));

    let (roomy, open) = (tasks(2, 0), Gate::new());
    let outcome = nest(&roomy, &open);
    open.open();
    assert_eq!(outcome.recv_timeout(PATIENCE), Ok(Ok(())), "there is a slot for a second worker");
}

/// A worker waits in line because a second worker is being made; then that is refused, and it waits for itself.
#[test]
fn pool_071_a_worker_that_waits_is_told_when_the_other_worker_does_not_come_to_be() {
    let (gate, (entered, has_entered), made) = (Gate::new(), channel(), AtomicUsize::new(0));
    let hold = gate.clone();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .spawner(move |worker| {
            if made.fetch_add(1, Ordering::SeqCst) == 0 {
                return worker.spawn();
            }
            entered.send(()).unwrap();
            hold.pass();
            Err(io::Error::other("no second thread"))
        })
        .build_tasks()
        .unwrap();
    let nesting = Gate::new();
    let outcome = nest(&pool, &nesting);
    let handle = pool.clone();
    let second = background(move || handle.try_submit(anthill_pool::Task::new(|| {})));
    has_entered.recv_timeout(PATIENCE).unwrap();
    nesting.open();
    eventually("the nested submission waits or is refused", || {
        pool.waiting() == 1 || pool.stats().rejected == 1
    });
    gate.open();
    // The first worker, once refused, may be idle in time to take this one.
    assert!(matches!(second.outcome("the second submission"), Ok(()) | Err(SubmitError::SpawnFailed(..))));
    let mut nested = None;
    let in_time = comes_true(|| {
        nested = outcome.try_recv().ok();
        nested.is_some()
    });
    // Frees the worker in any case.
    pool.stop();
    assert!(in_time, "the worker waited for itself");
    assert!(nested.is_some_and(|outcome| outcome.is_err()));
}

/// The second worker may wait in line before its submitter has noted that it came to be.
#[test]
fn pool_071_a_worker_that_was_just_made_may_not_be_the_last_to_wait_either() {
    for round in 0..500 {
        let (second_slot, pool_of_spawner) = (Gate::new(), Arc::new(Mutex::new(None::<TaskPool>)));
        let (taken, spawning_for, made) = (second_slot.clone(), pool_of_spawner.clone(), AtomicUsize::new(0));
        let pool = WorkerPool::builder()
            .max_workers(2)
            .spawner(move |worker| {
                if made.fetch_add(1, Ordering::SeqCst) == 1 {
                    // Both slots are taken now; the first worker is to wait in line before the second starts.
                    taken.open();
                    let pool = spawning_for.lock().unwrap().take().expect("set before the first submission");
                    eventually("the first worker waits in line", || pool.waiting() == 1);
                }
                worker.spawn()
            })
            .build_tasks()
            .unwrap();
        *pool_of_spawner.lock().unwrap() = Some(pool.clone());
        let first = nest(&pool, &second_slot);
        let second = nest(&pool, &second_slot);
        let ended = comes_true(|| pool.stats().finished == 3);
        // Frees the workers in any case.
        pool.stop();
        assert!(ended, "both workers wait for each other in round {round}");
        let outcomes = [first, second].map(|outcome| outcome.recv_timeout(PATIENCE));
        assert_eq!(outcomes, [Ok(Ok(())), Ok(Err("would deadlock"))], "round {round}");
        pool.wait_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_072_a_thread_knows_whose_worker_it_is() {
    let (pool, other) = (tasks(1, 0), tasks(1, 0));
    let (answers, answered) = channel();
    let handles = (pool.clone(), other.clone());
    pool.execute(move || answers.send((handles.0.is_worker(), handles.1.is_worker())).unwrap()).unwrap();
    assert_eq!(answered.recv_timeout(PATIENCE), Ok((true, false)));
    assert!(!pool.is_worker() && !other.is_worker());
}

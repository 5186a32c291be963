//! Handles of tasks: results, panics, time limits, cancellation, awaiting; and the closures that carry them.
//!
//! Rows 61 to 66, and what handles add to rows 2, 70 and 71. The rule: whoever joins gets an answer, whatever becomes
//! of the task and of the pool.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use anthill_pool::{SubmitError, Task, TaskError, TaskHandle, TaskPool, WorkerPool};
use anthill_tests::pool::{hold, on_threads, reaches, tasks};
use anthill_tests::{Gate, PATIENCE, background, eventually, planned_panic, within};

/// Joins, but not for ever.
fn joined<R: Send + 'static>(handle: TaskHandle<R>) -> Result<R, TaskError> {
    handle.join_timeout(PATIENCE).expect("the task ends")
}

/// Counts how often it is dropped.
#[derive(Clone)]
struct Drops(Arc<AtomicUsize>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A value that counts its drop, and the count.
fn counted() -> (Drops, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Drops(count.clone()), count)
}

/// Its drop panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        planned_panic();
    }
}

#[test]
fn pool_002_closures_of_every_size_run_once_each() {
    fn send<const WORDS: usize>(pool: &TaskPool, seen: &Arc<Mutex<Vec<u64>>>, number: u64) {
        let (seen, words) = (seen.clone(), [number; WORDS]);
        pool.execute(move || {
            assert!(words.iter().all(|&word| word == number));
            seen.lock().unwrap().push(number);
        })
        .unwrap();
    }
    let (pool, seen) = (tasks(2, 64), Arc::new(Mutex::new(Vec::new())));
    for round in 0..2_000 {
        // Two words more than the number of words: up to four are stored in place.
        send::<0>(&pool, &seen, 5 * round);
        send::<1>(&pool, &seen, 5 * round + 1);
        send::<2>(&pool, &seen, 5 * round + 2);
        send::<3>(&pool, &seen, 5 * round + 3);
        send::<100>(&pool, &seen, 5 * round + 4);
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..10_000), "each once");
    assert_eq!(pool.stats().panicked, 0);
}

#[test]
fn pool_002_a_task_that_never_runs_drops_its_closure_once() {
    let (pool, gate) = (tasks(1, 8), Gate::new());
    let held = gate.clone();
    pool.execute(move || held.pass()).unwrap();
    let (value, drops) = counted();
    let large = [0_u8; 200];
    for _ in 0..2 {
        let value = value.clone();
        pool.execute(move || drop(value)).unwrap();
        let value = Drops(drops.clone());
        pool.execute(move || drop((value, large))).unwrap();
    }
    drop(pool.stop_now());
    assert_eq!(drops.load(Ordering::SeqCst), 4);
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    drop(value);
    assert_eq!(drops.load(Ordering::SeqCst), 5);
}

#[test]
fn pool_061_a_handle_gives_the_result() {
    let pool = tasks(2, 0);
    let word = "forty-two".to_owned();
    assert_eq!(joined(pool.spawn(move || word.len()).unwrap()).unwrap(), 9);
    let handle = pool.spawn(|| vec![1_u64, 2, 3]).unwrap();
    assert_eq!(within("a join without limit", move || handle.join()).unwrap(), [1, 2, 3]);
}

#[test]
fn pool_061_every_joiner_gets_its_own_result() {
    let pool = tasks(2, 16);
    on_threads(4, |thread| {
        for number in 0..1_000 {
            let handle = pool.spawn(move || (thread, number)).unwrap();
            assert_eq!(joined(handle).unwrap(), (thread, number));
        }
    });
}

#[test]
fn pool_061_a_refused_closure_comes_back() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let (value, drops) = counted();
    let large = [7_usize; 50];
    let small = value.clone();
    let refused = pool.try_spawn(move || (small, 1).1).unwrap_err();
    assert!(matches!(refused, SubmitError::Full(_)));
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    assert_eq!(refused.into_payload().run(), 1, "it can be run in place");
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    let refused = pool.try_spawn(move || (value, large).1[49]).unwrap_err();
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let handle = pool.spawn(refused.into_payload().into_inner()).unwrap();
    assert_eq!(joined(handle).unwrap(), 7, "or be spawned again");
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    pool.stop();
    assert!(matches!(pool.spawn(|| ()).unwrap_err(), SubmitError::Closed(_)));
}

#[test]
fn pool_062_a_panic_is_delivered_and_the_worker_lives_on() {
    let pool = tasks(1, 4);
    let handle = pool.spawn(|| -> u32 { resume_unwind(Box::new(77_u8)) }).unwrap();
    match joined(handle) {
        Err(TaskError::Panicked(panic)) => assert_eq!(panic.into_value().downcast_ref(), Some(&77_u8)),
        other => panic!("{other:?}"),
    }
    let handle = pool.spawn(|| -> u32 { resume_unwind(Box::new("in words".to_owned())) }).unwrap();
    let error = joined(handle).unwrap_err();
    assert_eq!(error.panic_message(), Some("in words"));
    assert_eq!(error.to_string(), "the task panicked: in words");
    let raised = catch_unwind(AssertUnwindSafe(|| error.resume())).unwrap_err();
    assert_eq!(raised.downcast_ref::<String>().map(String::as_str), Some("in words"));
    assert_eq!(joined(pool.spawn(|| 5).unwrap()).unwrap(), 5);
    reaches(&pool, "all three have ended", |stats| stats.finished == 3);
    assert_eq!(
        (pool.stats().panicked, pool.stats().spawned),
        (0, 1),
        "the handle has the panic, not the pool"
    );
}

#[test]
fn pool_062_the_captures_are_dropped_before_the_panic_is_delivered() {
    let pool = tasks(1, 0);
    for _ in 0..200 {
        let (value, drops) = counted();
        let handle = pool.spawn(move || {
            let _value = value;
            planned_panic();
        });
        assert!(matches!(joined::<()>(handle.unwrap()), Err(TaskError::Panicked(_))));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn pool_063_join_with_a_time_limit() {
    let (pool, gate) = (tasks(1, 4), Gate::new());
    let held = gate.clone();
    let running = pool
        .spawn(move || {
            held.pass();
            "done"
        })
        .unwrap();
    let queued = pool.spawn(|| 2).unwrap();
    let running = running.join_timeout(Duration::from_millis(20)).expect_err("it is held");
    let queued = queued.join_timeout(Duration::ZERO).expect_err("it has not been started");
    gate.open();
    assert_eq!(joined(running).unwrap(), "done");
    assert_eq!(queued.join_timeout(Duration::MAX).expect("without end").unwrap(), 2);
}

#[test]
fn pool_063_a_handle_tells_without_waiting_whether_it_has_ended() {
    let (pool, gate) = (tasks(1, 4), Gate::new());
    let held = gate.clone();
    let handle = pool
        .spawn(move || {
            held.pass();
            3
        })
        .unwrap();
    assert!(!handle.is_finished());
    let handle = handle.try_join().expect_err("it is held");
    gate.open();
    eventually("it has ended", || handle.is_finished());
    assert_eq!(handle.try_join().expect("it has ended").unwrap(), 3);
}

#[test]
fn pool_064_a_queued_task_can_be_cancelled_and_a_running_one_cannot() {
    let (pool, gate, ran) = (tasks(1, 4), Gate::new(), Arc::new(AtomicBool::new(false)));
    let (held, (has_started, started)) = (gate.clone(), channel());
    let running = pool
        .spawn(move || {
            has_started.send(()).unwrap();
            held.pass();
            1
        })
        .unwrap();
    started.recv_timeout(PATIENCE).unwrap();
    let (value, drops) = counted();
    let flag = ran.clone();
    let queued = pool
        .spawn(move || {
            let _value = value;
            flag.store(true, Ordering::SeqCst);
        })
        .unwrap();
    assert!(queued.cancel());
    assert_eq!(drops.load(Ordering::SeqCst), 1, "its closure is dropped at once");
    assert!(!queued.cancel(), "it is cancelled already");
    assert!(queued.is_finished() && !running.cancel() && !running.is_finished());
    assert!(matches!(joined(queued), Err(TaskError::Cancelled)));
    gate.open();
    eventually("it has ended", || running.is_finished());
    assert!(!running.cancel());
    assert_eq!(joined(running).unwrap(), 1);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn pool_064_a_task_either_runs_or_is_cancelled() {
    let pool = tasks(2, 4);
    let (mut cancelled, ran) = (0, Arc::new(AtomicUsize::new(0)));
    for round in 0..3_000 {
        let count = ran.clone();
        let handle = pool.spawn(move || count.fetch_add(1, Ordering::SeqCst)).unwrap();
        // At various moments.
        for _ in 0..round % 50 {
            std::hint::spin_loop();
        }
        let was_cancelled = handle.cancel();
        cancelled += usize::from(was_cancelled);
        match joined(handle) {
            Ok(_) => assert!(!was_cancelled, "it ran although it was cancelled"),
            Err(TaskError::Cancelled) => assert!(was_cancelled, "it was not cancelled by this call"),
            other => panic!("{other:?}"),
        }
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst) + cancelled, 3_000);
}

#[test]
fn pool_064_joiners_of_dropped_tasks_are_woken() {
    for handed_back_first in [false, true] {
        let pool = tasks(1, 8);
        let gate = hold(&pool);
        let handles: Vec<_> = (0..4).map(|number| pool.spawn(move || number).unwrap()).collect();
        let mut rest = Vec::new();
        if handed_back_first {
            rest = pool.stop_now();
        }
        let joiners: Vec<_> = handles.into_iter().map(|handle| background(move || handle.join())).collect();
        if !handed_back_first {
            rest = pool.stop_now();
        }
        assert_eq!(rest.len(), 4);
        // The first is run by whoever has it; the others are dropped.
        rest.remove(0).run();
        drop(rest);
        let mut outcomes =
            joiners.into_iter().map(|joiner| joiner.outcome("joining what the pool handed back"));
        assert_eq!(outcomes.next().unwrap().unwrap(), 0);
        for outcome in outcomes {
            assert!(matches!(outcome, Err(TaskError::Lost)));
        }
        gate.open();
        pool.wait_timeout(PATIENCE).unwrap();
    }
}

/// Its drop takes as long as the gate is closed.
struct SlowToGo {
    goes: Sender<()>,
    gate: Gate,
}

impl Drop for SlowToGo {
    fn drop(&mut self) {
        self.goes.send(()).unwrap();
        self.gate.pass();
    }
}

/// Nobody is told before what the task captured is gone.
#[test]
fn pool_064_the_captures_are_dropped_before_the_end_is_told() {
    for cancels in [true, false] {
        let pool = tasks(1, 4);
        let held = hold(&pool);
        let ((goes, going), gate) = (channel(), Gate::new());
        let captured = SlowToGo { goes, gate: gate.clone() };
        let handle = pool.spawn(move || drop(captured)).unwrap();
        thread::scope(|threads| {
            threads.spawn(|| {
                if cancels {
                    assert!(handle.cancel());
                } else {
                    drop(pool.stop_now());
                }
            });
            going.recv_timeout(PATIENCE).unwrap();
            let told = handle.is_finished();
            gate.open();
            assert!(!told, "told before the drop has ended");
        });
        match joined(handle) {
            Err(TaskError::Cancelled) => assert!(cancels),
            Err(TaskError::Lost) => assert!(!cancels),
            other => panic!("{other:?}"),
        }
        held.open();
    }
}

#[test]
fn pool_065_a_dropped_handle_changes_nothing_for_the_task() {
    let (pool, gate) = (tasks(1, 8), Gate::new());
    let (done, is_done) = channel();
    let held = gate.clone();
    let (value, drops) = counted();
    drop(
        pool.spawn(move || {
            held.pass();
            done.send(()).unwrap();
            value
        })
        .unwrap(),
    );
    gate.open();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(()));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1, "its result is dropped");
    assert_eq!((pool.stats().workers, pool.stats().spawned), (1, 1), "the worker lives on");
}

#[test]
fn pool_065_a_panic_that_nobody_can_ask_for_is_the_pools() {
    let (reported, report) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(4)
        .on_panic(move |value| reported.send(value.downcast_ref() == Some(&"planned")).unwrap())
        .build_tasks()
        .unwrap();
    let gate = hold(&pool);
    drop(pool.spawn(|| planned_panic()).map(|handle: TaskHandle<()>| handle).unwrap());
    gate.open();
    assert_eq!(report.recv_timeout(PATIENCE), Ok(true));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().panicked, 1);
}

#[test]
fn pool_065_a_result_whose_drop_panics_harms_nobody() {
    let pool = tasks(1, 4);
    // Dropped by the worker.
    let gate = hold(&pool);
    drop(pool.spawn(|| Bomb).unwrap());
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    // Dropped with the handle.
    let handle = pool.spawn(|| Bomb).unwrap();
    eventually("it has ended", || handle.is_finished());
    drop(handle);
    // A closure dropped by a cancellation.
    let gate = hold(&pool);
    let bomb = Bomb;
    let handle = pool.spawn(move || std::mem::forget(bomb)).unwrap();
    assert!(handle.cancel());
    assert!(matches!(joined(handle), Err(TaskError::Cancelled)));
    gate.open();
    assert_eq!(joined(pool.spawn(|| 6).unwrap()).unwrap(), 6);
    assert_eq!((pool.stats().workers, pool.stats().spawned), (1, 1));
}

#[test]
fn pool_065_results_and_handles_meet_without_a_leak() {
    let pool = tasks(2, 8);
    let drops = Arc::new(AtomicUsize::new(0));
    for round in 0..3_000 {
        let value = Drops(drops.clone());
        let handle = pool.spawn(move || value).unwrap();
        for _ in 0..round % 40 {
            std::hint::spin_loop();
        }
        if round % 3 == 0 {
            drop(handle.try_join());
        } else {
            drop(handle);
        }
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 3_000);
}

/// Wakes a thread by unparking it, and counts.
struct Unpark {
    thread: thread::Thread,
    wakes: AtomicUsize,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn unpark() -> Arc<Unpark> {
    Arc::new(Unpark { thread: thread::current(), wakes: AtomicUsize::new(0) })
}

/// The smallest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(unpark());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn pool_066_a_handle_can_be_awaited() {
    let pool = tasks(2, 16);
    let handle_of = |number: u64| pool.spawn(move || number).unwrap();
    for round in 0..1_000 {
        let (first, second) = (handle_of(round), handle_of(1));
        let sum = within("awaiting two tasks", move || {
            block_on(async move { first.await.unwrap() + second.await.unwrap() })
        });
        assert_eq!(sum, round + 1);
    }
}

#[test]
fn pool_066_the_latest_waker_is_woken_once() {
    let pool = tasks(1, 4);
    let gate = hold(&pool);
    let mut handle = pool.spawn(|| 9).unwrap();
    let (earlier, later) = (unpark(), unpark());
    let mut poll = |waker: &Arc<Unpark>| {
        let waker = Waker::from(waker.clone());
        std::pin::Pin::new(&mut handle).poll(&mut Context::from_waker(&waker))
    };
    assert!(poll(&earlier).is_pending());
    assert!(poll(&earlier).is_pending());
    assert!(poll(&later).is_pending());
    gate.open();
    eventually("the waker is woken", || later.wakes.load(Ordering::SeqCst) == 1);
    assert_eq!(earlier.wakes.load(Ordering::SeqCst), 0);
    match poll(&later) {
        Poll::Ready(result) => assert_eq!(result.unwrap(), 9),
        Poll::Pending => panic!("it was said to be ready"),
    }
    // The worker that woke it may not have let go yet.
    eventually("no waker is kept", || Arc::strong_count(&earlier) + Arc::strong_count(&later) == 2);
}

#[test]
fn pool_066_an_awaiting_task_is_woken_when_there_will_be_no_result() {
    let pool = tasks(1, 4);
    let gate = hold(&pool);
    let lost = pool.spawn(|| 1).unwrap();
    let waiting = background(move || block_on(lost));
    drop(pool.stop_now());
    assert!(matches!(waiting.outcome("awaiting a lost task"), Err(TaskError::Lost)));
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_070_tasks_may_join_tasks_of_their_own_pool() {
    fn fibonacci(pool: &TaskPool, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let handle = pool.clone();
        let one = pool.spawn(move || fibonacci(&handle, n - 1)).unwrap();
        let other = fibonacci(pool, n - 2);
        one.join().unwrap() + other
    }
    for workers in [1, 2] {
        let pool = tasks(workers, 10_000);
        let handle = pool.clone();
        let result = pool.spawn(move || fibonacci(&handle, 12)).unwrap();
        assert_eq!(joined(result).unwrap(), 144);
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_070_a_joined_task_runs_on_the_joining_worker_and_nothing_else_does() {
    let pool = tasks(1, 8);
    let (handle, other_ran) = (pool.clone(), Arc::new(AtomicBool::new(false)));
    let other = other_ran.clone();
    let outer = pool
        .spawn(move || {
            let flag = other.clone();
            handle.execute(move || flag.store(true, Ordering::SeqCst)).unwrap();
            let inner = handle.spawn(|| thread::current().id()).unwrap();
            let by = inner.join_timeout(PATIENCE).expect("it is run here").unwrap();
            (by == thread::current().id(), other.load(Ordering::SeqCst))
        })
        .unwrap();
    assert_eq!(joined(outer).unwrap(), (true, false));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert!(other_ran.load(Ordering::SeqCst));
}

#[test]
fn pool_071_a_worker_without_room_gets_its_closure_back() {
    let pool = tasks(1, 0);
    let handle = pool.clone();
    let outer = pool
        .spawn(move || match handle.spawn(|| 21) {
            Err(SubmitError::WouldDeadlock(closure)) => closure.run() * 2,
            _ => 0,
        })
        .unwrap();
    assert_eq!(joined(outer).unwrap(), 42);
}

#[test]
fn pool_065_a_handle_outlives_the_other_handles_of_its_pool() {
    let pool = tasks(1, 4);
    let gate = hold(&pool);
    let handle = pool.spawn(|| 8).unwrap();
    drop(pool);
    gate.open();
    assert_eq!(joined(handle).unwrap(), 8);
}

#[test]
fn pool_061_a_task_of_a_typed_payload_can_be_made_by_hand() {
    let (sender, receiver) = channel();
    let task = Task::new(move || sender.send(1).unwrap());
    assert_eq!(format!("{task:?}"), "Task");
    task.run();
    assert_eq!(receiver.recv(), Ok(1));
    assert!(receiver.recv().is_err(), "what was captured is gone");
}

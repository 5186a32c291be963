//! Calls: typed payloads that are answered, with and without a state of the workers.
//!
//! The rule: a call is answered once, or its handle says why not, whatever the pool is going through.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};

use anthill_pool::{Call, CallPool, Discard, Priority, SubmitError, TaskError, WhenFull, WorkerPool};
use anthill_tests::{Gate, PATIENCE, eventually, within};

/// A pool of one worker that is in a call until the gate is opened, with room for `queue` more calls that add 1.
fn busy(queue: usize) -> (CallPool<(u32, Gate), u32>, Gate) {
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(queue)
        .build_calls(|(n, gate): (u32, Gate)| {
            gate.pass();
            n + 1
        })
        .unwrap();
    let gate = Gate::new();
    drop(pool.call((0, gate.clone())).unwrap());
    (pool, gate)
}

fn open() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[test]
fn pool_calls_are_answered_each_by_its_own_handle() {
    let pool = WorkerPool::builder().max_workers(2).build_calls(|n: u64| n * n).unwrap();
    let answers: Vec<_> = (0..1000).map(|n| pool.call(n).unwrap()).collect();
    let answers = within("a thousand calls", move || {
        answers.into_iter().map(|answer| answer.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(answers.into_iter().eq((0..1000).map(|n| n * n)));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().accepted, pool.stats().panicked), (1000, 0));
}

#[test]
fn pool_calls_hand_the_payload_back_when_the_pool_is_full_or_stopped() {
    let (pool, gate) = busy(1);
    let queued = pool.try_call((1, open())).unwrap();
    assert!(matches!(pool.try_call((2, open())), Err(SubmitError::Full((2, _)))));
    let limited = pool.call_timeout((3, open()), std::time::Duration::from_millis(1));
    assert!(matches!(limited, Err(SubmitError::Timeout((3, _)))));
    gate.open();
    assert_eq!(within("the queued call", move || queued.join()).unwrap(), 2);
    pool.stop();
    assert!(matches!(pool.call((4, open())), Err(SubmitError::Closed((4, _)))));
}

#[test]
fn pool_calls_that_are_handed_back_are_lost_or_answered_by_whoever_has_them() {
    let (pool, gate) = busy(3);
    let answers = [1, 2, 3].map(|n| pool.call((n, open())).unwrap());
    let mut back = pool.stop_now();
    assert!(back.iter().map(|call| call.payload().0).eq([1, 2, 3]));
    assert_eq!(back.remove(0).into_payload().0, 1);
    back.remove(0).run(|(n, _)| n * 100);
    drop(back);
    let [lost, answered, dropped] = answers.map(|answer| within("an answer", move || answer.join()));
    assert!(matches!(lost, Err(TaskError::Lost)));
    assert_eq!(answered.unwrap(), 200);
    assert!(matches!(dropped, Err(TaskError::Lost)));
    gate.open();
}

#[test]
fn pool_calls_that_are_cancelled_before_they_start_do_not_run() {
    let (pool, gate) = busy(2);
    let (first, second) = (pool.call((1, Gate::new())).unwrap(), pool.call((2, open())).unwrap());
    // Its own gate stays closed: it would not end if it ran.
    assert!(first.cancel());
    assert!(!first.cancel());
    assert!(matches!(first.join(), Err(TaskError::Cancelled)));
    gate.open();
    assert_eq!(within("the one behind", move || second.join()).unwrap(), 3);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 3, "the cancelled one had its turn");
}

#[test]
fn pool_calls_deliver_panics_to_their_callers() {
    let (reported, reports) = channel();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(8)
        .on_panic(move |value| reported.send(value.downcast_ref::<&str>().copied()).unwrap())
        .build_calls(|gate: Gate| {
            gate.pass();
            std::panic::resume_unwind(Box::new("planned"))
        })
        .unwrap();
    let answer: anthill_pool::TaskHandle<()> = pool.call(open()).unwrap();
    assert_eq!(within("a panic", move || answer.join()).unwrap_err().panic_message(), Some("planned"));
    assert!(reports.try_recv().is_err(), "whoever asked has it");
    let gate = Gate::new();
    drop(pool.call(gate.clone()).unwrap());
    gate.open();
    assert_eq!(reports.recv_timeout(PATIENCE), Ok(Some("planned")), "nobody else could be told");
    eventually("it is counted", || pool.stats().panicked == 1);
}

#[test]
fn pool_calls_to_workers_with_a_state_make_it_anew_after_a_panic() {
    let made = Arc::new(AtomicUsize::new(0));
    let (makes, reported) = (made.clone(), Arc::new(Mutex::new(Vec::new())));
    let reports = reported.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .on_panic(move |value| reports.lock().unwrap().push(value.downcast_ref::<String>().cloned()))
        .build_calls_with_state(
            move |_| Ok::<_, io::Error>(vec![makes.fetch_add(1, Ordering::SeqCst)]),
            |state: &mut Vec<usize>, n: usize| {
                state.push(n);
                assert!(n != 13, "{n} is bad luck");
                state.clone()
            },
        )
        .unwrap();
    let call = |n| pool.call(n).unwrap();
    assert_eq!(call(1).join().unwrap(), [0, 1]);
    assert_eq!(call(2).join().unwrap(), [0, 1, 2], "the state stays");
    let unlucky = call(13);
    assert_eq!(
        within("a panic", move || unlucky.join()).unwrap_err().panic_message(),
        Some("13 is bad luck")
    );
    assert_eq!(call(3).join().unwrap(), [1, 3], "a new state");
    assert_eq!(*reported.lock().unwrap(), [Some("13 is bad luck".to_owned())]);
    assert_eq!((pool.stats().panicked, made.load(Ordering::SeqCst)), (1, 2));
}

#[test]
fn pool_calls_to_a_worker_that_cannot_have_its_state_come_back() {
    let pool = WorkerPool::builder()
        .max_workers(1)
        .build_calls_with_state(|_| Err::<(), _>("no connection"), |(), n: u32| n)
        .unwrap();
    match pool.call(7) {
        Err(SubmitError::StateFailed(7, _)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn pool_calls_obey_policies_and_priorities() {
    let (pool, gate) = busy(4);
    let order = Arc::new(Mutex::new(Vec::new()));
    drop(pool);
    gate.open();
    let first = Gate::new();
    let (note, hold) = (order.clone(), first.clone());
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(2)
        .when_full(WhenFull::DiscardOldest)
        .on_discard(|call: Call<u32, u32>, why| {
            assert_eq!((call.into_payload(), why), (1, Discard::Displaced))
        })
        .build_calls(move |n| {
            if n == 0 {
                hold.pass();
            }
            note.lock().unwrap().push(n);
            n
        })
        .unwrap();
    let holding = pool.call(0).unwrap();
    let (displaced, usual) = (pool.call(1).unwrap(), pool.call(2).unwrap());
    let (urgent, answer) = pool.prepare_call(3);
    pool.submission(urgent).priority(Priority::High).submit().unwrap();
    first.open();
    let answers =
        [holding, displaced, usual, answer].map(|handle| within("an answer", move || handle.join()).ok());
    assert_eq!(answers, [Some(0), None, Some(2), Some(3)]);
    assert_eq!(*order.lock().unwrap(), [0, 3, 2]);
}

#[test]
fn pool_calls_answer_async_callers() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Wake, Waker};

    struct Opens(Gate);
    impl Wake for Opens {
        fn wake(self: Arc<Self>) {
            self.0.open();
        }
    }

    let (pool, gate) = busy(1);
    let mut answer = pin!(pool.call((1, open())).unwrap());
    let woken = Gate::new();
    let waker = Waker::from(Arc::new(Opens(woken.clone())));
    assert!(answer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.open();
    woken.pass();
    match answer.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(Ok(2)) => {}
        other => panic!("{other:?}"),
    }
}

/// No caller can run a call itself, so the only worker that joins one of its own pool is told.
#[test]
fn pool_calls_joined_by_the_only_worker_are_refused() {
    let slot: Arc<OnceLock<CallPool<u32, Result<u32, String>>>> = Arc::default();
    let own = slot.clone();
    let pool = WorkerPool::builder().max_workers(1).queue_capacity(4).build_calls(move |n: u32| {
        if n > 0 {
            return Ok(n);
        }
        let inner = own.get().unwrap().call(7).unwrap();
        match inner.join() {
            Err(error @ TaskError::WouldDeadlock(_)) => Err(error.to_string()),
            other => other.unwrap(),
        }
    });
    let pool = pool.unwrap();
    assert!(slot.set(pool.clone()).is_ok());
    let outer = pool.call(0).unwrap();
    let told = within("a call that waits for its own pool", move || outer.join()).unwrap();
    assert_eq!(told, Err("the worker would wait for a task that waits for it".to_owned()));
    let after = pool.call(8).unwrap();
    assert_eq!(within("the pool goes on", move || after.join()).unwrap(), Ok(8));
}

//! Joining, awaiting, dropping and cancelling against the run of the task.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use anthill_pool::{TaskError, TaskPool};
use loom::thread;

use crate::support::Preemptions::{Any, AtMost};
use crate::support::{Gate, explore, planned_panic};
use crate::{Tally, close, discarding, occupied, tasks};

/// The result is delivered to whoever joins, whether it came before or comes after.
#[test]
fn l30_join_meets_the_result() {
    explore("l30 join", Any, || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let value = tally.value();
        let handle = pool.spawn(move || value).unwrap();
        let result = handle.join();
        assert!(result.is_ok() && tally.dropped() == 0, "the result was not delivered");
        drop(result);
        close(pool);
        assert_eq!(tally.dropped(), 1, "times the result was dropped");
    });
}

/// A panic is delivered like a result.
#[test]
fn l30_join_meets_a_panic() {
    explore("l30 panic", Any, || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let value = tally.value();
        let handle = pool.spawn(move || {
            let _value = value;
            planned_panic();
        });
        assert!(matches!(handle.unwrap().join(), Err::<(), _>(TaskError::Panicked(_))));
        assert_eq!(tally.dropped(), 1, "times the captures were dropped");
        close(pool);
    });
}

/// The task is dropped without having run: whoever joins is told.
#[test]
fn l30_join_meets_the_drop_of_the_task() {
    explore("l30 lost", Any, || {
        let (pool, tally) = (discarding(), Tally::new());
        let value = tally.value();
        let handle = pool.spawn(move || value.note()).unwrap();
        assert!(matches!(handle.join(), Err(TaskError::Lost)), "it can only be lost");
        close(pool);
        assert_eq!((tally.done(), tally.dropped()), (0, 1), "runs and drops");
    });
}

/// A handle goes while the result comes: one of both sides drops it, once.
#[test]
fn l30_drop_of_the_handle_meets_the_result() {
    explore("l30 drop", Any, || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let value = tally.value();
        drop(
            pool.spawn(move || {
                value.note();
                value
            })
            .unwrap(),
        );
        close(pool);
        assert_eq!((tally.done(), tally.dropped()), (1, 1), "runs and drops");
    });
}

/// A panic whose handle goes at the same time: it is the pool's when it comes later, and loses no worker ever.
#[test]
fn l30_drop_of_the_handle_meets_a_panic() {
    let reported = Arc::new(AtomicUsize::new(0));
    let count = reported.clone();
    explore("l30 drop, panic", Any, move || {
        let pool = tasks(1, 0);
        drop(pool.spawn(|| planned_panic()).map(drop));
        pool.stop();
        pool.wait().unwrap();
        let stats = pool.stats();
        assert!(stats.finished == 1 && stats.panicked <= 1, "the worker did not get over it");
        count.fetch_add(usize::from(stats.panicked == 1), Ordering::SeqCst);
    });
    assert!(reported.load(Ordering::SeqCst) > 0, "nobody hears of the panic");
}

/// Opens a gate.
struct Bell(loom::sync::Arc<Gate>);

impl Bell {
    fn waker(gate: &loom::sync::Arc<Gate>) -> Waker {
        Waker::from(Arc::new(Bell(gate.clone())))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.open();
    }
}

/// The result comes while somebody registers to be woken: there is no sleep with the result there.
#[test]
fn l30_awaiting_meets_the_result() {
    explore("l30 await", Any, || {
        let pool = tasks(1, 0);
        let mut handle = pool.spawn(|| 3).unwrap();
        let gate = Gate::closed();
        let waker = Bell::waker(&gate);
        let mut poll = || Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
        let mut answer = poll();
        if answer.is_pending() {
            gate.pass();
            answer = poll();
        }
        assert!(matches!(answer, Poll::Ready(Ok(3))), "it was woken without a result");
        close(pool);
    });
}

/// A task runs or is cancelled, never both, never neither; its closure goes once.
#[test]
fn l31_cancel_meets_start() {
    explore("l31", Any, || {
        let (pool, tally) = (tasks(1, 0), Tally::new());
        let value = tally.value();
        let handle = pool.spawn(move || value.note()).unwrap();
        let cancelled = handle.cancel();
        assert!(!cancelled || tally.dropped() == 1, "the closure of a cancelled task is kept");
        match handle.join() {
            Ok(()) => assert!(!cancelled && tally.done() == 1, "cancelled, and yet it ran"),
            Err(TaskError::Cancelled) => assert!(cancelled, "cancelled by nobody"),
            Err(other) => panic!("{other:?}"),
        }
        close(pool);
        let cancelled = usize::from(cancelled);
        assert_eq!((tally.done() + cancelled, tally.dropped()), (1, 1), "runs or cancellations, and drops");
    });
}

/// A cancellation, here of everything that was spawned into a group, wakes whoever waits for a result.
#[test]
fn l31_cancel_meets_join() {
    explore("l31 join", AtMost(2), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let gate = occupied(&pool);
        let value = tally.value();
        let mut handle = pool.spawn(move || value.note()).unwrap();
        // Polled before, so that the cancellation has somebody to wake.
        let woken = Gate::closed();
        let waker = Bell::waker(&woken);
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        let opener = thread::spawn(move || gate.open());
        let cancelled = handle.cancel();
        woken.pass();
        assert_eq!(handle.join().is_err(), cancelled);
        opener.join().unwrap();
        close(pool);
        assert_eq!(tally.done() + usize::from(cancelled), 1, "runs and cancellations");
    });
}

/// A task that spawns another one, which notes its run, and joins it.
fn join_inside(pool: &TaskPool, tally: &Tally) {
    let (inside, value) = (pool.clone(), tally.value());
    let outer = pool.spawn(move || {
        let inner = inside.spawn(move || value.note()).unwrap();
        inner.join().unwrap();
    });
    outer.unwrap().join().unwrap();
}

/// The only worker joins a task of its own pool: it runs it, instead of waiting for itself.
#[test]
fn l34_join_on_the_only_worker() {
    explore("l34 join", Any, || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        join_inside(&pool, &tally);
        close(pool);
        assert_eq!(tally.done(), 1, "runs");
    });
}

/// A worker joins what another worker is about to start: one of the two runs it.
#[test]
fn l34_join_on_one_of_two_workers() {
    explore("l34 two", AtMost(2), || {
        let (pool, tally) = (tasks(2, 1), Tally::new());
        join_inside(&pool, &tally);
        close(pool);
        assert_eq!((tally.done(), tally.dropped()), (1, 1), "runs and drops");
    });
}

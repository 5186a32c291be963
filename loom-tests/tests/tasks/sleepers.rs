//! Workers that sleep for each other: whoever would be the last to fall asleep is helped or told.

use anthill_pool::{Refusal, TaskError, TaskHandle, TaskPool};
use loom::sync::{Arc, Condvar, Mutex};

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, explore};
use crate::{Tally, close, tasks};

/// A place for a handle that one thread gives to another.
struct Slot<R: Send + 'static> {
    handle: Mutex<Option<TaskHandle<R>>>,
    given: Condvar,
}

impl<R: Send + 'static> Slot<R> {
    fn new() -> Arc<Self> {
        Arc::new(Slot { handle: Mutex::new(None), given: Condvar::new() })
    }

    fn give(&self, handle: TaskHandle<R>) {
        *self.handle.lock().unwrap() = Some(handle);
        self.given.notify_all();
    }

    fn take(&self) -> TaskHandle<R> {
        let mut handle = self.handle.lock().unwrap();
        loop {
            match handle.take() {
                Some(handle) => return handle,
                None => handle = self.given.wait(handle).unwrap(),
            }
        }
    }
}

/// A submission that may wait, by a worker: it is accepted, or would wait for ever.
fn submit(pool: &TaskPool) -> bool {
    match pool.execute(|| {}).map_err(|error| error.refusal()) {
        Ok(()) => true,
        Err(Refusal::WouldDeadlock) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// A worker joins a task that another one runs, which waits for room.
#[test]
fn l34_join_meets_nested_submission() {
    explore("l34 join, submission", AtMost(2), || {
        let pool = tasks(2, 0);
        let outside = pool.clone();
        let outer = pool.spawn(move || {
            let inside = outside.clone();
            outside.spawn(move || submit(&inside)).unwrap().join().unwrap()
        });
        outer.unwrap().join().unwrap();
        close(pool);
    });
}

/// A worker joins a task that waits in line already, or is about to.
#[test]
fn l34_nested_submission_meets_join() {
    explore("l34 submission, join", AtMost(2), || {
        let pool = tasks(2, 0);
        let inside = pool.clone();
        let waiting = pool.spawn(move || submit(&inside)).unwrap();
        let sleeper = pool.spawn(move || waiting.join().unwrap());
        sleeper.unwrap().join().unwrap();
        close(pool);
    });
}

/// A worker's join has been satisfied: from that moment on it counts as one that moves, whether it is awake or not.
#[test]
fn l34_result_meets_nested_submission() {
    explore("l34 result, submission", AtMost(2), || {
        let (pool, spawned) = (tasks(2, 0), Gate::closed());
        let (outside, has_spawned) = (pool.clone(), spawned.clone());
        let outer = pool.spawn(move || {
            let handle = outside.spawn(|| ()).unwrap();
            has_spawned.open();
            handle.join().unwrap();
        });
        let outer = outer.unwrap();
        spawned.pass();
        let inside = pool.clone();
        let submission = pool.spawn(move || submit(&inside)).unwrap();
        assert!(submission.join().unwrap(), "refused although the other worker comes free");
        outer.join().unwrap();
        close(pool);
    });
}

/// The owner of a scope waits for a job that waits for room.
#[test]
fn l34_scope_meets_nested_submission() {
    explore("l34 scope, submission", AtMost(2), || {
        let pool = tasks(2, 0);
        let outside = pool.clone();
        let outer = pool.spawn(move || {
            let (inside, begun) = (outside.clone(), Gate::closed());
            outside.scope(|scope| {
                let begins = begun.clone();
                scope.spawn(move || {
                    begins.open();
                    submit(&inside);
                });
                begun.pass();
            });
        });
        outer.unwrap().join().unwrap();
        close(pool);
    });
}

/// Two tasks join each other: one of them is refused, and its handle is as good as before.
#[test]
fn l34_two_joins_meet() {
    explore("l34 joins", AtMost(2), || {
        let (pool, tally) = (tasks(2, 0), Tally::new());
        let slots = [Slot::new(), Slot::new()];
        let handles = [0, 1].map(|number| {
            let (slot, value) = (slots[number].clone(), tally.value());
            let meet = move || match slot.take().join() {
                Ok(()) => value.note(),
                Err(error) => drop(TaskHandle::<()>::from_refused(error).unwrap()),
            };
            pool.spawn(meet).unwrap()
        });
        let [first, second] = handles;
        slots[0].give(second);
        slots[1].give(first);
        close(pool);
        assert_eq!(tally.done(), 1, "joins that were not refused");
    });
}

/// A task of a scope joins the task that the scope is in, while another one of the scope ends.
#[test]
fn l34_scope_meets_join_of_its_owner() {
    explore("l34 scope, join", AtMost(1), || {
        let (pool, slot, all_begun) = (tasks(3, 0), Slot::<()>::new(), Gate::closed());
        let (outside, given, have_begun) = (pool.clone(), slot.clone(), all_begun.clone());
        let outer = pool.spawn(move || {
            let (begun, ends) = ([Gate::closed(), Gate::closed()], Gate::closed());
            outside.scope(|scope| {
                let (begins, end) = (begun[0].clone(), ends.clone());
                scope.spawn(move || {
                    begins.open();
                    end.pass();
                });
                let begins = begun[1].clone();
                scope.spawn(move || {
                    begins.open();
                    ends.open();
                    assert!(matches!(given.take().join(), Err(TaskError::WouldDeadlock(_))));
                });
                begun.iter().for_each(|begun| begun.pass());
                have_begun.open();
            });
        });
        slot.give(outer.unwrap());
        // A stopped pool would not help the scope.
        all_begun.pass();
        close(pool);
    });
}

/// A worker of one pool joins a task of another one, which waits for room in the first.
#[test]
fn l34_two_pools_without_room() {
    explore("l34 pools", AtMost(2), || {
        let (pool, other) = (tasks(1, 0), tasks(1, 0));
        let (there, back) = (other.clone(), pool.clone());
        let outer = pool.spawn(move || {
            let refused = there.spawn(move || submit(&back)).unwrap().join().unwrap();
            assert!(!refused, "the only worker sleeps for it");
        });
        outer.unwrap().join().unwrap();
        close(pool);
        close(other);
    });
}

/// A worker of one pool joins a task of another one, which joins a task that is queued in the first.
#[test]
fn l34_two_pools_with_queues() {
    explore("l34 pools, queues", AtMost(2), || {
        let (pool, other, tally) = (tasks(1, 1), tasks(1, 1), Tally::new());
        let (there, back, value) = (other.clone(), pool.clone(), tally.value());
        let outer = pool.spawn(move || {
            let inside = move || back.spawn(move || value.note()).unwrap().join().unwrap();
            there.spawn(inside).unwrap().join().unwrap();
        });
        outer.unwrap().join().unwrap();
        close(pool);
        close(other);
        assert_eq!((tally.done(), tally.dropped()), (1, 1), "runs and drops");
    });
}

/// A worker sleeps for a task of another pool that has not begun; it begins, and joins what that worker runs, while
/// another worker is idle.
#[test]
fn l34_begin_meets_join_from_another_pool() {
    explore("l34 begin", AtMost(2), || {
        let (pool, other, slot) = (tasks(2, 0), tasks(1, 0), Slot::<()>::new());
        pool.prestart(2).unwrap();
        let given = slot.clone();
        let task = pool.spawn(move || drop(given.take().join())).unwrap();
        slot.give(other.spawn(move || drop(task.join())).unwrap());
        close(pool);
        close(other);
    });
}

//! The end of a scope against its tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anthill_pool::TaskPool;

use crate::support::Preemptions::AtMost;
use crate::support::{Gate, beside, explore, planned_panic};
use crate::{Tally, close, tasks};

/// Stands for the frame that the tasks borrow.
#[derive(Clone)]
struct Frame {
    gone: Arc<AtomicBool>,
    /// Where a task can be caught in the middle.
    step: loom::sync::Arc<loom::sync::Mutex<()>>,
}

impl Frame {
    fn new() -> Self {
        Frame { gone: Arc::default(), step: loom::sync::Arc::new(loom::sync::Mutex::new(())) }
    }

    /// What a task does last. On the pool's worker a failed assertion would only be contained, so it ends the scene.
    fn touch(&self, tally: &Tally) {
        drop(self.step.lock());
        if !self.gone.load(Ordering::SeqCst) {
            tally.done.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn end(&self) {
        drop(self.step.lock());
        self.gone.store(true, Ordering::SeqCst);
    }
}

/// A scope with two tasks, whose frame ends behind it.
fn scope_of_two(pool: &TaskPool, tally: &Tally, frame: &Frame) {
    pool.scope(|scope| {
        for _ in 0..2 {
            scope.execute(move || frame.touch(tally));
        }
    });
    frame.end();
}

/// A task spawns another and panics: both have ended before the scope unwinds.
#[test]
fn l32_end_meets_panic_and_nested_spawn() {
    explore("l32", AtMost(3), || {
        let (pool, tally, frame) = (tasks(1, 1), Tally::new(), Frame::new());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                let (tally, frame) = (&tally, &frame);
                let (outer, inner) = (tally.value(), tally.value());
                scope.execute(move || {
                    let _outer = outer;
                    scope.execute(move || {
                        let _inner = inner;
                        frame.touch(tally);
                    });
                    frame.touch(tally);
                    planned_panic();
                });
            });
        }));
        frame.end();
        assert!(outcome.is_err(), "the panic was not raised again");
        assert_eq!(
            (tally.done(), tally.dropped()),
            (2, 2),
            "tasks that ended, and captures gone, in the scope"
        );
        close(pool);
        assert_eq!(tally.done(), 2, "tasks that ended");
    });
}

/// Two tasks, and a worker that comes early, late, or for one of them only.
#[test]
fn l32_end_meets_tickets() {
    explore("l32 tickets", AtMost(3), || {
        let (pool, tally, frame) = (tasks(1, 1), Tally::new(), Frame::new());
        pool.scope(|scope| {
            for _ in 0..2 {
                let (value, tally, frame) = (tally.value(), &tally, &frame);
                scope.execute(move || {
                    let _value = value;
                    frame.touch(tally);
                });
            }
        });
        frame.end();
        assert_eq!(
            (tally.done(), tally.dropped()),
            (2, 2),
            "tasks that ended, and captures gone, in the scope"
        );
        close(pool);
    });
}

/// Without a queue a second ticket stands by while the worker is busy, which may take that task along, or the owner
/// does.
#[test]
fn l32_end_meets_a_ticket_that_stands_by() {
    explore("l32 stands by", AtMost(3), || {
        let (pool, tally, frame) = (tasks(1, 0), Tally::new(), Frame::new());
        scope_of_two(&pool, &tally, &frame);
        assert_eq!(tally.done(), 2, "tasks that ended in the scope");
        close(pool);
    });
}

/// The body waits for its task, and the worker is about to go idle when that is offered: it takes it.
#[test]
fn l32_offer_meets_idling_worker() {
    explore("l32 offer", AtMost(3), || {
        let (pool, tally, gate) = (tasks(1, 0), Tally::new(), Gate::closed());
        pool.execute(|| {}).unwrap();
        pool.scope(|scope| {
            let (tally, gate) = (&tally, &gate);
            scope.execute(move || {
                tally.value().note();
                gate.open();
            });
            gate.pass();
        });
        assert_eq!(tally.done(), 1, "tasks that ended in the scope");
        close(pool);
    });
}

/// The pool is stopped under the scope.
#[test]
fn l32_scope_meets_stop() {
    explore("l32 stop", AtMost(2), || {
        let (pool, tally, frame) = (tasks(1, 1), Tally::new(), Frame::new());
        let stopper = beside(&pool, |pool| drop(pool.stop_now()));
        scope_of_two(&pool, &tally, &frame);
        assert_eq!(tally.done(), 2, "tasks that ended in the scope");
        stopper.join().unwrap();
        close(pool);
    });
}

/// The only worker opens a scope on its own pool: it runs the scope's tasks itself.
#[test]
fn l34_scope_on_the_only_worker() {
    explore("l34 scope", AtMost(3), || {
        let (pool, tally) = (tasks(1, 1), Tally::new());
        let (inside, value) = (pool.clone(), tally.value());
        let outer = pool.spawn(move || inside.scope(|scope| scope.execute(move || value.note()))).unwrap();
        outer.join().unwrap();
        assert_eq!(tally.done(), 1, "runs");
        close(pool);
    });
}

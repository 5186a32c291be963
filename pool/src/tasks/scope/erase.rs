//! The one place where a lifetime is forgotten: tasks that borrow from the frame that spawned them.
//!
//! Why no task touches that frame after it is gone:
//!
//! 1. A borrowing closure enters only through [`Scope::lend`], which asks for `'scope`; the job made of it goes into
//!    the scope's crew and nowhere else.
//! 2. `enter` owns the `Scope`, lends it out for a `'scope` that the body must work with *whatever it is*, so neither
//!    the body's result nor anything outside of it can hold on to a `&'scope Scope`. After the body only jobs can, and
//!    each spawns before it ends.
//! 3. `enter` does not return and does not unwind before `Crew::settle` has returned: the body's panic is caught, and a
//!    panic of `settle` itself (it has none) would end the process.
//! 4. When `settle` returns, every job that was added has been run to its end and dropped what it captured; and by 2
//!    none can be added any more. What remains of the crew (late tickets, a panic's value) borrows nothing.
//! 5. Everything a closure may borrow outlives `'scope`, and `'scope` ends after `enter`'s last use of the `Scope`: so
//!    all of it is still alive in 4.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::panic::resume_unwind;

use super::crew::Crew;
use crate::panic::{catch, drop_quietly};
use crate::sync::Arc;
use crate::tasks::stored_closure::StoredClosure;
use crate::tasks::task::TaskPool;

/// Where tasks that borrow are spawned; see [`scope`](crate::WorkerPool::scope).
///
/// `'scope` is the time in which tasks run: from the scope's begin until the last one has ended. `'env` is the life of
/// what they borrow from outside, which outlives it. As with [`std::thread::Scope`], both are exact.
///
/// What a task borrows must outlive the scope:
///
/// ```compile_fail,E0373
/// let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
/// pool.scope(|scope| {
///     let inside = vec![1, 2, 3];
///     scope.spawn(|| assert_eq!(inside.len(), 3));
/// });
/// ```
///
/// ```compile_fail,E0597
/// let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
/// pool.scope(|scope| {
///     let inside = vec![1, 2, 3];
///     let borrowed = &inside;
///     scope.spawn(move || assert_eq!(borrowed.len(), 3));
/// });
/// ```
///
/// Two tasks cannot change the same thing:
///
/// ```compile_fail,E0499
/// let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
/// let mut count = 0;
/// pool.scope(|scope| {
///     scope.spawn(|| count += 1);
///     scope.spawn(|| count += 1);
/// });
/// ```
///
/// Tasks run on other threads:
///
/// ```compile_fail,E0277
/// let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
/// let local = std::rc::Rc::new(1);
/// pool.scope(|scope| scope.execute(|| assert_eq!(*local, 1)));
/// ```
///
/// Nothing can hold on to the scope:
///
/// ```compile_fail,E0521
/// let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
/// let mut kept = None;
/// pool.scope(|scope| kept = Some(scope));
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    /// Asked for help; kept here and not by the crew, which late tickets keep alive.
    pool: TaskPool,
    crew: Arc<Crew>,
    /// Invariant, so that nobody can make `'scope` shorter and lend what ends before the scope does.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Hands a borrowing closure to the crew.
    pub(super) fn lend(&'scope self, closure: impl FnOnce() + Send + 'scope) {
        // SAFETY: `enter` keeps everything that outlives `'scope` alive until the crew has settled, and the crew has
        // then run this job to its end; see the head of this file.
        let job = unsafe { StoredClosure::erased(closure) };
        Crew::add(&self.crew, &self.pool, job);
    }

    pub(in crate::tasks) fn pool(&self) -> &TaskPool {
        &self.pool
    }

    pub(super) fn crew(&'scope self) -> &'scope Crew {
        &self.crew
    }
}

/// Runs `body` with a scope, and then what was lent to it, to the end.
pub(super) fn enter<'env, R>(
    pool: &TaskPool,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
) -> R {
    let scope = Scope { pool: pool.clone(), crew: Crew::new(pool), scope: PhantomData, env: PhantomData };
    let outcome = catch(|| body(&scope));
    let no_way_out = AbortOnDrop;
    let panic = scope.crew.settle();
    std::mem::forget(no_way_out);
    scope.crew.dismiss_watcher();
    // Nothing is left to be dropped while this unwinds.
    match (outcome, panic) {
        (Ok(result), None) => result,
        (Ok(result), Some(value)) => {
            drop_quietly(result);
            resume_unwind(value)
        }
        (Err(value), panic) => {
            drop_quietly(panic);
            resume_unwind(value)
        }
    }
}

/// Ends the process where going on would leave tasks with a frame that is gone.
struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        std::process::abort();
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::pool::WorkerPool;

    fn pool() -> TaskPool {
        WorkerPool::builder().max_workers(2).build_tasks().unwrap()
    }

    /// So that no thread is left that a checker would miss.
    fn close(pool: &TaskPool) {
        pool.stop();
        pool.wait().unwrap();
    }

    #[test]
    fn tasks_change_what_lies_on_the_callers_stack() {
        let pool = pool();
        let mut numbers = [1, 2, 3, 4];
        let total = AtomicUsize::new(0);
        let sum = enter(&pool, |scope| {
            for number in &mut numbers {
                let total = &total;
                scope.lend(move || {
                    *number *= 10;
                    let ten_times: &usize = number;
                    // From a task, of what the task itself was lent.
                    scope.lend(move || {
                        total.fetch_add(*ten_times, Ordering::Relaxed);
                    });
                });
            }
            4
        });
        assert_eq!((numbers, total.into_inner(), sum), ([10, 20, 30, 40], 100, 4));
        close(&pool);
    }

    #[test]
    fn a_panic_of_the_body_or_of_a_task_waits_for_all_tasks() {
        for body_panics in [false, true] {
            let pool = pool();
            let alive = Arc::new(());
            let mut done = [false; 6];
            let outcome = catch(|| {
                enter(&pool, |scope| {
                    for (number, done) in done.iter_mut().enumerate() {
                        let held = alive.clone();
                        // Larger than a job's storage, and within it.
                        let bytes = [number; 9];
                        scope.lend(move || {
                            let _held = held;
                            *done = bytes.iter().sum::<usize>() == 9 * number;
                            if number % 3 == 1 {
                                resume_unwind(Box::new("planned"));
                            }
                        });
                    }
                    if body_panics {
                        resume_unwind(Box::new("planned"));
                    }
                });
            });
            assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"planned"));
            assert_eq!((done, Arc::strong_count(&alive)), ([true; 6], 1));
            close(&pool);
        }
    }

    #[test]
    fn a_ticket_that_comes_late_touches_no_frame_that_is_gone() {
        let pool = WorkerPool::builder().max_workers(1).build_tasks().unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        pool.execute(move || released.recv().unwrap()).unwrap();
        for round in 0..3 {
            let mut count = 0;
            enter(&pool, |scope| scope.lend(|| count += round));
            assert_eq!(count, round);
        }
        release.send(()).unwrap();
        close(&pool);
    }
}

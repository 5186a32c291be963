//! Closures as payloads, and the pool that runs them.

use std::fmt;

use super::stored_closure::StoredClosure;
use crate::config::WorkerPoolBuilder;
use crate::error::{BuildError, SubmitError};
use crate::pool::WorkerPool;

/// A closure as a payload.
///
/// One whose captures take up to four words is stored in place; a larger one costs an allocation. A task that is
/// dropped without having run drops its closure.
///
/// ```
/// use anthill_pool::{Task, WorkerPool};
///
/// let (answer, inbox) = std::sync::mpsc::channel();
/// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
/// let word = "forty-two".to_owned();
/// pool.execute(move || answer.send(word.len()).unwrap())?;
/// assert_eq!(inbox.recv()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a task that is dropped never runs"]
pub struct Task(StoredClosure<()>);

impl Task {
    /// Makes a closure a payload.
    pub fn new(closure: impl FnOnce() + Send + 'static) -> Self {
        Task(StoredClosure::new(closure))
    }

    /// Runs it.
    pub fn run(self) {
        self.0.run();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// A pool that runs closures; built by [`build_tasks`](WorkerPoolBuilder::build_tasks).
///
/// [`execute`](TaskPool::execute) runs a closure, [`spawn`](TaskPool::spawn) gives a handle of its result; the
/// [crate's page](crate) names the rest. [`submit`](WorkerPool::submit) takes no closure here but a [`Task`], which is
/// for [submissions with options](WorkerPool::submission): `pool.submission(Task::new(|| {})).priority(..).submit()`.
///
/// ```
/// use anthill_pool::{TaskPool, WorkerPool};
///
/// struct Service {
///     pool: TaskPool, // a handle; a clone is the same pool
/// }
///
/// let service = Service { pool: WorkerPool::builder().max_workers(4).build_tasks()? };
/// service.pool.execute(|| println!("on a worker"))?;
/// assert_eq!(service.pool.spawn(|| 6 * 7)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type TaskPool = WorkerPool<Task>;

impl WorkerPoolBuilder<Task> {
    /// Builds a pool that runs closures.
    ///
    /// # Errors
    /// As [`build`](WorkerPoolBuilder::build).
    pub fn build_tasks(self) -> Result<TaskPool, BuildError> {
        self.build(Task::run)
    }
}

/// Payloads that are closures; [`Task`] is the only one.
///
/// A bound of what only a [`TaskPool`] can do, for the sake of the compiler's advice where a typed pool is asked for
/// it:
///
/// ```compile_fail,E0277
/// let typed = anthill_pool::WorkerPool::new(2, |n: u32| assert!(n > 0)).unwrap();
/// typed.spawn(|| 6 * 7).unwrap(); // hand a payload over with `submit`, or build the pool with `build_tasks`
/// ```
#[diagnostic::on_unimplemented(
    message = "this pool runs one function over payloads of type `{Self}`, not closures",
    label = "needs a pool that was built by `build_tasks()`",
    note = "hand payloads over with `submit`, or with `call` where the pool was built by `build_calls`",
    note = "for closures: `WorkerPool::builder().max_workers(8).build_tasks()`"
)]
pub trait ClosurePayload: Sized + Send + private::Sealed + 'static {
    #[doc(hidden)]
    fn task_pool(pool: &WorkerPool<Self>) -> &TaskPool;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Task {}
}

impl ClosurePayload for Task {
    fn task_pool(pool: &TaskPool) -> &TaskPool {
        pool
    }
}

impl<T: Send + 'static> WorkerPool<T> {
    /// Hands a closure to the pool as [`submit`](WorkerPool::submit) does: it waits while the pool is full, unless
    /// [`when_full`](WorkerPoolBuilder::when_full) says otherwise. In async code use
    /// [`try_execute`](Self::try_execute).
    ///
    /// The closure may not borrow from the stack, as it may run later than this function; what does goes through
    /// [`scope`](Self::scope).
    ///
    /// # Errors
    /// As `submit`; the task in the error can still be [run](Task::run).
    pub fn execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>>
    where
        T: ClosurePayload,
    {
        T::task_pool(self).submit(Task::new(closure))
    }
}

impl TaskPool {
    /// Hands a closure to the pool as [`try_submit`](WorkerPool::try_submit) does.
    ///
    /// # Errors
    /// As `try_submit`; the task in the error can still be [run](Task::run).
    pub fn try_execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.try_submit(Task::new(closure))
    }
}

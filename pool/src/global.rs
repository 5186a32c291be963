//! The process-wide pool for closures, built when it is first used.

use once_cell::sync::OnceCell;

use crate::config::Builder;
use crate::error::SubmitError;
use crate::tasks::{Scope, Task, TaskHandle, TaskPool};

static DEFAULT: OnceCell<TaskPool> = OnceCell::new();

/// The process's default pool: the builder's defaults, threads named `tasks-0`, `tasks-1`, ...
///
/// It is never dropped. Stopping it is possible and final.
///
/// ```
/// let (answer, inbox) = std::sync::mpsc::channel();
/// anthill_pool::execute(move || answer.send(6 * 7).unwrap())?;
/// assert_eq!(inbox.recv()?, 42);
/// assert!(anthill_pool::default_pool().running() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn default_pool() -> &'static TaskPool {
    DEFAULT.get_or_try_init(|| Builder::new().name("tasks").build_tasks()).expect("the defaults are valid")
}

/// Runs a closure on the [`default_pool`]; waits while all its workers are busy.
///
/// # Errors
/// As [`WorkerPool::submit`](crate::WorkerPool::submit).
pub fn execute(closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
    default_pool().execute(closure)
}

/// Runs a closure on the [`default_pool`] and returns the handle of its result.
///
/// # Errors
/// As [`TaskPool::spawn`].
///
/// ```
/// let answer = anthill_pool::spawn(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn spawn<F, R>(closure: F) -> Result<TaskHandle<R>, SubmitError<F>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    default_pool().spawn(closure)
}

/// Runs `body` with a scope of the [`default_pool`], whose tasks may borrow; see [`TaskPool::scope`].
///
/// # Panics
/// As [`TaskPool::scope`].
///
/// ```
/// let mut doubled = [1, 2, 3];
/// anthill_pool::scope(|scope| {
///     for number in &mut doubled {
///         scope.spawn(|| *number *= 2);
///     }
/// });
/// assert_eq!(doubled, [2, 4, 6]);
/// ```
pub fn scope<'env, R>(body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> R {
    default_pool().scope(body)
}

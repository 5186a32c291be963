//! Scopes: tasks that borrow what lies on the caller's stack.

use std::fmt;

mod crew;
mod erase;

use super::task::TaskPool;
pub use erase::Scope;

impl TaskPool {
    /// Runs `body` with a [`Scope`] whose tasks may borrow whatever outlives this call, and returns when all of them have
    /// ended.
    ///
    /// The pool's workers help: one that is free when a task is spawned, or comes free later, while tasks wait and it has
    /// nothing else to do. The tasks that none of them has started when `body` is done are run by the calling thread. So a
    /// scope always ends: on a worker of a pool that is full, on one without a queue, on one that was stopped. While it
    /// waits it runs its own tasks and never anything else. A `body` that itself waits for one of its tasks relies on a
    /// worker of the pool.
    ///
    /// The tasks belong to the scope: their panics are not counted by the pool, and nor are they themselves. What counts as
    /// a payload of the pool is each call on a worker for help, which runs one task or more, or none when it comes late. No
    /// more of these are under way for a scope than workers were allowed when it began, and none is ever a refused
    /// submission.
    ///
    /// # Panics
    /// With the panic of `body`, else with that of the first task that panicked; in both cases not before all tasks have
    /// ended.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let mut squares = [1, 2, 3, 4];
    /// pool.scope(|scope| {
    ///     for square in &mut squares {
    ///         scope.spawn(|| *square *= *square);
    ///     }
    /// });
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope<'env, R>(&self, body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> R {
        erase::enter(self, body)
    }
}

impl<'scope> Scope<'scope, '_> {
    /// A task of this scope. It may spawn further ones into it.
    ///
    /// ```
    /// # let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
    /// let steps = std::sync::Mutex::new(Vec::new());
    /// pool.scope(|scope| {
    ///     scope.spawn(|| {
    ///         steps.lock().unwrap().push("outer");
    ///         scope.spawn(|| steps.lock().unwrap().push("inner"));
    ///     });
    /// });
    /// assert_eq!(steps.into_inner().unwrap(), ["outer", "inner"]);
    /// ```
    pub fn spawn(&'scope self, task: impl FnOnce() + Send + 'scope) {
        self.lend(task);
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

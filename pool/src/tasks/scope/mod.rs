//! Scopes: tasks that borrow what lies on the caller's stack.

use std::fmt;

pub(super) mod crew;
mod erase;
mod handle;

use super::task::ClosurePayload;
use crate::pool::WorkerPool;
pub use erase::Scope;
pub(super) use handle::Errand;
pub use handle::ScopedHandle;

impl<T: Send + 'static> WorkerPool<T> {
    /// Runs `body` with a [`Scope`] whose tasks may borrow whatever outlives this call, and returns when all of them
    /// have ended.
    ///
    /// The pool's workers help: one that is free when a task is spawned, or comes free later, while tasks wait and it
    /// has nothing else to do. The tasks that none of them has started when `body` is done are run by the calling
    /// thread. So a scope always ends: on a worker of a pool that is full, on one without a queue, on one that was
    /// stopped. While it waits it runs its own tasks and never anything else. A `body` may [join](ScopedHandle::join)
    /// its tasks; one that waits for them in another way, as by a channel, relies on a worker of the pool.
    ///
    /// Beside [`std::thread::scope`]: tasks wait for a worker in place of having a thread each, so those that wait for
    /// one another may need more workers than there are; no thread is made per task; and a panic comes out with its own
    /// value.
    ///
    /// A worker that sleeps here until its tasks on other workers have ended is seen to sleep, so that workers that
    /// wait for each other do not hang: see [`TaskHandle::join`](crate::TaskHandle::join). The scope itself is never
    /// refused; a task of it that would wait for room for ever is, or one that joins the task that the scope is in.
    ///
    /// How many help depends on how long tasks take: as many workers as the machine has cores at first, and one that
    /// only looks after them; tasks that take longer than some 0.25 ms each get twice as many every other millisecond,
    /// as far as the pool allows. So tasks that compute are not spread over more threads than do them good, and tasks
    /// that block, or wait for one another, find a worker each.
    ///
    /// The tasks belong to the scope: their panics are not counted by the pool, and nor are they themselves. What
    /// counts as a payload of the pool is each call on a worker for help, which runs one task or more, or none when it
    /// comes late. No more of these are under way for a scope than workers were allowed when it began, and none is ever
    /// a refused submission.
    ///
    /// # Panics
    /// With the panic of `body`, else with that of the first task that panicked; in both cases not before all tasks
    /// have ended.
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
    pub fn scope<'env, R>(&self, body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> R
    where
        T: ClosurePayload,
    {
        erase::enter(T::task_pool(self), body)
    }
}

impl<'scope> Scope<'scope, '_> {
    /// A task of this scope, with the [handle](ScopedHandle) of its result. It may spawn further ones into the scope.
    ///
    /// Who drops the handle asks for no result; the task runs all the same, and its panic is then the scope's.
    /// [`execute`](Self::execute) saves the handle's allocation.
    ///
    /// Never waits and is never refused: what no worker has time for is run by the thread that owns the scope.
    ///
    /// ```
    /// let pool = anthill_pool::WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let words = ["so", "many", "words"].map(str::to_owned);
    /// let longest = pool.scope(|scope| {
    ///     let lengths = words.each_ref().map(|word| scope.spawn(move || word.len()));
    ///     lengths.into_iter().map(|length| length.join().unwrap()).max()
    /// });
    /// assert_eq!(longest, Some(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<R>(&'scope self, task: impl FnOnce() -> R + Send + 'scope) -> ScopedHandle<'scope, R>
    where
        R: Send + 'scope,
    {
        let (errand, run) = Errand::new(task);
        self.lend(run);
        ScopedHandle::new(errand, self.crew())
    }

    /// As [`spawn`](Self::spawn), for a task of whose result nobody will ask: without an allocation if what it captures
    /// is small (four words).
    ///
    /// ```
    /// # let pool = anthill_pool::WorkerPool::builder().build_tasks().unwrap();
    /// let steps = std::sync::Mutex::new(Vec::new());
    /// pool.scope(|scope| {
    ///     scope.execute(|| {
    ///         steps.lock().unwrap().push("outer");
    ///         scope.execute(|| steps.lock().unwrap().push("inner"));
    ///     });
    /// });
    /// assert_eq!(steps.into_inner().unwrap(), ["outer", "inner"]);
    /// ```
    pub fn execute(&'scope self, task: impl FnOnce() + Send + 'scope) {
        self.lend(task);
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

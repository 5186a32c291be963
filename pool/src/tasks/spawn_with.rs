//! Tasks that can be told to end early.

use super::handle::{TaskHandle, spawn_through};
use super::refused::RefusedClosure;
use super::share::SubPool;
use super::task::{Task, TaskPool};
use super::token::TaskToken;
use crate::error::SubmitError;
use crate::sync::{Mutex, StdArc};

impl TaskPool {
    /// As [`spawn`](Self::spawn), for a long task that can be told to end early: [`TaskHandle::cancel`] keeps it from
    /// starting, or raises the token if it runs. What it returns then is its result.
    ///
    /// # Errors
    /// As `spawn`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
    /// let (begun, begins) = std::sync::mpsc::channel();
    /// let laps = pool.spawn_with(move |token| {
    ///     begun.send(()).unwrap();
    ///     let mut laps = 0_u64;
    ///     while !token.is_cancelled() {
    ///         laps += 1;
    ///     }
    ///     laps
    /// })?;
    /// begins.recv()?;
    /// // A limit for one task: who has waited long enough calls it off.
    /// let laps = laps.join_timeout(Duration::from_millis(5)).unwrap_err();
    /// assert!(!laps.cancel(), "it had started, and is told");
    /// assert!(laps.join()? > 0);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn spawn_with<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce(&TaskToken) -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_with_through(self, closure, |task| self.submit(task))
    }

    /// As [`spawn_with`](Self::spawn_with), but without waiting, as [`try_submit`](crate::WorkerPool::try_submit).
    ///
    /// # Errors
    /// As [`try_spawn`](Self::try_spawn).
    pub fn try_spawn_with<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce(&TaskToken) -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_with_through(self, closure, |task| self.try_submit(task))
    }
}

impl SubPool {
    /// As [`spawn`](Self::spawn), for a long task that can be told to end early; see [`TaskPool::spawn_with`].
    ///
    /// # Errors
    /// As `spawn`.
    pub fn spawn_with<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce(&TaskToken) -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_with_through(self.parent(), closure, |task| self.submit(task))
    }
}

fn spawn_with_through<F, R>(
    pool: &TaskPool,
    closure: F,
    submit: impl FnOnce(Task) -> Result<(), SubmitError<Task>>,
) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
where
    F: FnOnce(&TaskToken) -> R + Send + 'static,
    R: Send + 'static,
{
    let token = TaskToken::new();
    // Apart from what is submitted, so that a refused closure can come back as what it was.
    let place = StdArc::new(Mutex::new(Some(closure)));
    let (given, taken) = (token.clone(), place.clone());
    let run = move || {
        let closure = taken.lock().take().expect("it is run once");
        closure(&given)
    };
    match spawn_through(pool, run, submit) {
        Ok(handle) => Ok(handle.ending(StdArc::new(token))),
        Err(refusal) => Err(refusal.map(|run| {
            drop(run);
            RefusedClosure::new(place.lock().take().expect("what was refused has not been started"))
        })),
    }
}

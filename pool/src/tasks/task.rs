//! Closures as payloads, and the pool that runs them.

use std::fmt;

use super::job::Job;
use crate::config::WorkerPoolBuilder;
use crate::error::{BuildError, SubmitError};
use crate::pool::WorkerPool;

/// A closure as a payload.
///
/// One whose captures take up to four words is stored in place; a larger one costs an allocation. A task that is dropped
/// without having run drops its closure.
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
pub struct Task(Job<()>);

impl Task {
    /// Makes a closure a payload.
    pub fn new(closure: impl FnOnce() + Send + 'static) -> Self {
        Task(Job::new(closure))
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

/// A pool that runs closures.
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

impl TaskPool {
    /// Hands a closure to the pool as [`submit`](WorkerPool::submit) does.
    ///
    /// # Errors
    /// As `submit`; the task in the error can still be [run](Task::run).
    pub fn execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.submit(Task::new(closure))
    }

    /// Hands a closure to the pool as [`try_submit`](WorkerPool::try_submit) does.
    ///
    /// # Errors
    /// As `try_submit`; the task in the error can still be [run](Task::run).
    pub fn try_execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.try_submit(Task::new(closure))
    }
}

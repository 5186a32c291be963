//! What can become of a task, or of a group of them, instead of a result.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;

/// Why a task has no result.
///
/// ```
/// use anthill_pool::{TaskError, WorkerPool};
///
/// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
/// let broken = pool.spawn(|| -> u32 { panic!("out of ants") })?;
/// let error = broken.join().unwrap_err();
/// assert_eq!(error.panic_message(), Some("out of ants"));
/// assert!(matches!(error, TaskError::Panicked(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
pub enum TaskError {
    /// It panicked, with this value. The worker lives on.
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled before it started.
    Cancelled,
    /// It will never start: the pool handed it back ([`stop_now`](crate::WorkerPool::stop_now)) or discarded it, and
    /// it was dropped.
    Lost,
}

impl TaskError {
    /// The panic's message, if there was a panic and its value is text, as that of `panic!` is.
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            TaskError::Panicked(value) => message(value.as_ref()),
            _ => None,
        }
    }

    /// Goes on panicking with the task's own value, where there is one.
    ///
    /// # Panics
    /// Always; without a value of the task with the text of the error.
    #[track_caller]
    pub fn resume(self) -> ! {
        match self {
            TaskError::Panicked(value) => resume_unwind(value),
            other => panic!("{other}"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(value) => write_panic(f, value.as_ref()),
            TaskError::Cancelled => f.write_str("Cancelled"),
            TaskError::Lost => f.write_str("Lost"),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(value) => explain_panic(f, value.as_ref()),
            TaskError::Cancelled => f.write_str("the task was cancelled before it started"),
            TaskError::Lost => f.write_str("the task was dropped by its pool without having run"),
        }
    }
}

impl std::error::Error for TaskError {}

/// Why a group of tasks has no results.
#[non_exhaustive]
pub enum GroupError<E> {
    /// A task returned this error; it was the first thing that went wrong.
    Failed(E),
    /// A task panicked with this value; it was the first thing that went wrong.
    Panicked(Box<dyn Any + Send>),
    /// [`cancel`](crate::TaskGroup::cancel) was called, and tasks were skipped for it.
    Cancelled,
    /// The pool handed a task back or discarded it, and it was dropped without having run.
    Lost,
}

impl<E> GroupError<E> {
    /// The error that a task returned.
    pub fn into_failure(self) -> Option<E> {
        match self {
            GroupError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            GroupError::Panicked(value) => write_panic(f, value.as_ref()),
            GroupError::Cancelled => f.write_str("Cancelled"),
            GroupError::Lost => f.write_str("Lost"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupError::Failed(error) => write!(f, "a task of the group failed: {error}"),
            GroupError::Panicked(value) => explain_panic(f, value.as_ref()),
            GroupError::Cancelled => {
                f.write_str("the group was cancelled before all of its tasks had started")
            }
            GroupError::Lost => f.write_str("a task of the group was dropped by its pool without having run"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GroupError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

fn message(value: &(dyn Any + Send)) -> Option<&str> {
    value.downcast_ref::<&str>().copied().or_else(|| value.downcast_ref::<String>().map(String::as_str))
}

fn write_panic(f: &mut fmt::Formatter<'_>, value: &(dyn Any + Send)) -> fmt::Result {
    write!(f, "Panicked({:?})", message(value).unwrap_or("..."))
}

fn explain_panic(f: &mut fmt::Formatter<'_>, value: &(dyn Any + Send)) -> fmt::Result {
    match message(value) {
        Some(text) => write!(f, "the task panicked: {text}"),
        None => f.write_str("the task panicked"),
    }
}

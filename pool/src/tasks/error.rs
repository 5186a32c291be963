//! What can become of a task, or of a group of them, instead of a result.

use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::panic::resume_unwind;

use crate::panic::PanicValue;
use crate::sync::Exclusive;

/// What a task panicked with.
///
/// The value itself may be anything that is `Send`, so it can be taken out but not looked at: only so can an error that
/// holds it be shared between threads, as `Box<dyn Error + Send + Sync>` and the like ask for.
///
/// ```
/// use anthill_pool::{TaskError, WorkerPool};
///
/// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
/// let broken = pool.spawn(|| std::panic::panic_any(7_u32))?;
/// match broken.join() {
///     Err(TaskError::Panicked(panic)) => {
///         assert_eq!(panic.message(), None, "7 is no text");
///         assert_eq!(panic.into_value().downcast_ref(), Some(&7_u32));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct TaskPanic {
    message: Option<Cow<'static, str>>,
    value: Exclusive<PanicValue>,
}

impl TaskPanic {
    pub(super) fn new(value: PanicValue) -> Self {
        let text = value.downcast_ref::<&'static str>().map(|text| Cow::Borrowed(*text));
        let message = text.or_else(|| value.downcast_ref::<String>().map(|text| Cow::Owned(text.clone())));
        TaskPanic { message, value: Exclusive::new(value) }
    }

    /// The message, if the value is text, as that of `panic!` is.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The value, as [`std::thread::JoinHandle::join`] would give it.
    pub fn into_value(self) -> Box<dyn Any + Send> {
        self.value.into_inner()
    }

    /// Goes on panicking with the value.
    ///
    /// # Panics
    /// Always.
    pub fn resume(self) -> ! {
        resume_unwind(self.into_value())
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.message().unwrap_or("..."), f)
    }
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(text) => write!(f, "the task panicked: {text}"),
            None => f.write_str("the task panicked"),
        }
    }
}

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
    Panicked(TaskPanic),
    /// It was cancelled before it started.
    Cancelled,
    /// It will never start: the pool handed it back ([`stop_now`](crate::WorkerPool::stop_now)) or discarded it, and
    /// it was dropped.
    Lost,
    /// Waiting for it would never have ended: it is run by a worker that waits itself, directly or by way of others,
    /// for the one that wanted to join. It runs on; the handle is in here, see
    /// [`TaskHandle::from_refused`](crate::TaskHandle::from_refused).
    WouldDeadlock(RefusedHandle),
}

/// The handle of a task in whose error it comes back; see
/// [`TaskHandle::from_refused`](crate::TaskHandle::from_refused).
pub struct RefusedHandle(pub(super) Box<dyn Any + Send + Sync>);

impl RefusedHandle {
    /// For a handle that cannot outlive its scope, and does not come back.
    pub(super) fn of_nobody() -> Self {
        RefusedHandle(Box::new(()))
    }
}

impl fmt::Debug for RefusedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefusedHandle")
    }
}

impl TaskError {
    /// The panic's message, if there was a panic and its value is text, as that of `panic!` is.
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            TaskError::Panicked(panic) => panic.message(),
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
            TaskError::Panicked(panic) => panic.resume(),
            other => panic!("{other}"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(panic) => f.debug_tuple("Panicked").field(panic).finish(),
            TaskError::Cancelled => f.write_str("Cancelled"),
            TaskError::Lost => f.write_str("Lost"),
            TaskError::WouldDeadlock(_) => f.write_str("WouldDeadlock"),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Panicked(panic) => fmt::Display::fmt(panic, f),
            TaskError::Cancelled => f.write_str("the task was cancelled before it started"),
            TaskError::Lost => f.write_str("the task was dropped by its pool without having run"),
            TaskError::WouldDeadlock(_) => f.write_str(WAITS_FOR_ITSELF),
        }
    }
}

impl std::error::Error for TaskError {}

/// Why a group of tasks has no results.
///
/// It is an [`Error`](std::error::Error), and `?` takes it, where the tasks' own error `E` is one. `anyhow::Error` and
/// `Box<dyn Error + Send + Sync>` are none; there see [`into_error`](Self::into_error).
#[non_exhaustive]
pub enum GroupError<E> {
    /// A task returned this error; it was the first thing that went wrong.
    Failed(E),
    /// A task panicked with this value; it was the first thing that went wrong.
    Panicked(TaskPanic),
    /// [`cancel`](crate::TaskGroup::cancel) was called, and tasks were skipped for it.
    Cancelled,
    /// The pool handed a task back or discarded it, and it was dropped without having run.
    Lost,
    /// Waiting for the group would never have ended: a task of it is run by a worker that waits itself, directly or by
    /// way of others, for the one that wanted to wait. Its tasks run on without it.
    WouldDeadlock,
}

impl<E> GroupError<E> {
    /// The error that a task returned.
    pub fn into_failure(self) -> Option<E> {
        match self {
            GroupError::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// As an error of another type: the one that a task returned, or whatever else went wrong. For tasks whose error
    /// takes any other one, as `anyhow::Error` and `Box<dyn Error + Send + Sync>` do, and so is none itself.
    ///
    /// ```
    /// use anthill_pool::{GroupError, TaskGroup, WorkerPool};
    /// type Failure = Box<dyn std::error::Error + Send + Sync>; // or anyhow::Error
    ///
    /// fn sum(texts: &'static [&'static str]) -> Result<u32, Failure> {
    ///     let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    ///     let group: TaskGroup<u32, Failure> = pool.group();
    ///     for text in texts {
    ///         group.spawn(|| Ok(text.parse()?))?;
    ///     }
    ///     Ok(group.wait().map_err(GroupError::into_error::<Failure>)?.into_iter().sum())
    /// }
    ///
    /// assert_eq!(sum(&["3", "4"]).unwrap(), 7);
    /// let failure = sum(&["3", "four"]).unwrap_err();
    /// assert!(failure.is::<std::num::ParseIntError>());
    /// ```
    pub fn into_error<X>(self) -> X
    where
        X: From<E> + From<GroupError<Infallible>>,
    {
        let other: GroupError<Infallible> = match self {
            GroupError::Failed(error) => return X::from(error),
            GroupError::Panicked(panic) => GroupError::Panicked(panic),
            GroupError::Cancelled => GroupError::Cancelled,
            GroupError::Lost => GroupError::Lost,
            GroupError::WouldDeadlock => GroupError::WouldDeadlock,
        };
        X::from(other)
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            GroupError::Panicked(panic) => f.debug_tuple("Panicked").field(panic).finish(),
            GroupError::Cancelled => f.write_str("Cancelled"),
            GroupError::Lost => f.write_str("Lost"),
            GroupError::WouldDeadlock => f.write_str("WouldDeadlock"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupError::Failed(error) => write!(f, "a task of the group failed: {error}"),
            GroupError::Panicked(panic) => fmt::Display::fmt(panic, f),
            GroupError::Cancelled => {
                f.write_str("the group was cancelled before all of its tasks had started")
            }
            GroupError::Lost => f.write_str("a task of the group was dropped by its pool without having run"),
            GroupError::WouldDeadlock => f.write_str(WAITS_FOR_ITSELF),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GroupError<E> {
    /// What lies behind the error that a task returned, whose text is part of this one's: so a chain that is printed
    /// says nothing twice. That error itself is in the variant.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GroupError::Failed(error) => error.source(),
            _ => None,
        }
    }
}

const WAITS_FOR_ITSELF: &str = "the worker would wait for a task that waits for it";

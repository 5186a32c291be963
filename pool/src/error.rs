//! What can go wrong, and for every refusal the payload back.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a submission was refused; every variant hands the payload back, untouched.
///
/// ```
/// use anthill_pool::{SubmitError, WorkerPool};
///
/// let pool = WorkerPool::builder().max_workers(1).build(|_: String| {}).unwrap();
/// pool.stop();
/// match pool.try_submit("letter".to_owned()) {
///     Err(SubmitError::Closed(payload)) => assert_eq!(payload, "letter"),
///     other => panic!("{other:?}"),
/// }
/// ```
#[non_exhaustive]
pub enum SubmitError<T> {
    /// Every worker is busy and the queue has no room (`try_submit`).
    Full(T),
    /// As many submitters are blocked already as the pool allows ([`max_blocking`](crate::Builder::max_blocking)).
    Overload(T),
    /// The pool was stopped before the payload was accepted.
    Closed(T),
    /// No worker and no room came free in time (`submit_timeout`).
    Timeout(T),
    /// A worker was needed, and the system refused a new thread.
    SpawnFailed(T, io::Error),
    /// The submitter is itself a worker of this pool, and every other worker already waits like it would: nobody
    /// would ever make room.
    WouldDeadlock(T),
}

impl<T> SubmitError<T> {
    /// The payload that was refused.
    pub fn into_payload(self) -> T {
        match self {
            SubmitError::Full(payload)
            | SubmitError::Overload(payload)
            | SubmitError::Closed(payload)
            | SubmitError::Timeout(payload)
            | SubmitError::SpawnFailed(payload, _)
            | SubmitError::WouldDeadlock(payload) => payload,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            SubmitError::Full(_) => "Full",
            SubmitError::Overload(_) => "Overload",
            SubmitError::Closed(_) => "Closed",
            SubmitError::Timeout(_) => "Timeout",
            SubmitError::SpawnFailed(..) => "SpawnFailed",
            SubmitError::WouldDeadlock(_) => "WouldDeadlock",
        }
    }
}

// By hand, so that payloads need not be `Debug`.
impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::SpawnFailed(_, error) => f.debug_tuple("SpawnFailed").field(error).finish(),
            other => f.write_str(other.name()),
        }
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubmitError::Full(_) => "every worker is busy and the queue is full",
            SubmitError::Overload(_) => "too many submitters are waiting already",
            SubmitError::Closed(_) => "the pool is stopped",
            SubmitError::Timeout(_) => "no worker came free in time",
            SubmitError::SpawnFailed(..) => {
                "the system refused a new thread; lower max_workers or raise the limit on threads"
            }
            SubmitError::WouldDeadlock(_) => {
                "every worker of this pool would wait for another; give it a queue or more workers, or use try_submit"
            }
        })
    }
}

impl<T> std::error::Error for SubmitError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SubmitError::SpawnFailed(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Why waiting for a pool ended without the awaited state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was up first; a later wait can still succeed.
    Timeout,
    /// The caller is a worker of the pool it wants to wait for, so the wait could never end.
    WouldDeadlock,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitError::Timeout => "the pool did not get there in time",
            WaitError::WouldDeadlock => {
                "a worker cannot wait for its own pool; wait on a thread outside of it"
            }
        })
    }
}

impl std::error::Error for WaitError {}

/// Which options cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `max_workers(0)`: such a pool could never run anything.
    NoWorkers,
    /// A thread's name cannot contain a NUL byte.
    NulInName,
    /// An idle limit of zero would let a worker go before it could be used again.
    ZeroIdleLimit,
    /// The idle limit is so long that no point in time lies that far ahead; leave expiry off instead.
    IdleLimitTooLong(Duration),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoWorkers => f.write_str("max_workers must be at least 1"),
            BuildError::NulInName => f.write_str("name must not contain a NUL byte"),
            BuildError::ZeroIdleLimit => f.write_str(
                "max_idle_worker_duration must be above zero; use keep_idle_workers to switch expiry off",
            ),
            BuildError::IdleLimitTooLong(limit) => {
                write!(
                    f,
                    "max_idle_worker_duration of {limit:?} is out of range; use keep_idle_workers instead"
                )
            }
        }
    }
}

impl std::error::Error for BuildError {}

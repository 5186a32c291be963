//! What can go wrong, and for every refusal the payload back.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::panic::drop_quietly;

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
    /// Every worker is busy, the queue has no room, and this submission does not wait: by
    /// [`try_submit`](crate::WorkerPool::try_submit), [`Submission::no_wait`](crate::Submission::no_wait) or
    /// [`WhenFull::Refuse`](crate::WhenFull::Refuse); or by
    /// [`WhenFull::DiscardOldest`](crate::WhenFull::DiscardOldest), when all that is queued is more urgent.
    Full(T),
    /// The submission would have waited, but as many are blocked already as the pool allows
    /// ([`max_blocking`](crate::WorkerPoolBuilder::max_blocking)).
    Overload(T),
    /// The pool was stopped before the payload was accepted.
    Closed(T),
    /// The submission waited, and no worker and no room came free in time: by
    /// [`submit_timeout`](crate::WorkerPool::submit_timeout) or [`Submission::timeout`](crate::Submission::timeout).
    Timeout(T),
    /// A worker was needed, and the system, or the pool's own [`spawner`](crate::WorkerPoolBuilder::spawner), refused a
    /// new thread.
    SpawnFailed(T, io::Error),
    /// A worker was needed, and its state could not be made, for this reason; see
    /// [`build_with_state`](crate::WorkerPoolBuilder::build_with_state).
    StateFailed(T, Box<dyn std::error::Error + Send + Sync>),
    /// The submitter is itself a worker, of this pool or another one, and every worker of this pool waits, directly or
    /// by way of others, for it: in line for room, in a [join](crate::TaskHandle::join), for a
    /// [group](crate::TaskGroup) or a scope. Nobody would ever make room.
    ///
    /// A submission that waits already is told so when the last one falls asleep. Not seen is what workers wait for by
    /// other means, such as locks and channels.
    WouldDeadlock(T),
    /// The submission's [`CancelToken`](crate::CancelToken) was cancelled before the payload was accepted.
    Cancelled(T),
}

/// Why a submission was refused, without the payload; see
/// [`WorkerPoolBuilder::on_refusal`](crate::WorkerPoolBuilder::on_refusal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// As [`SubmitError::Full`].
    Full,
    /// As [`SubmitError::Overload`].
    Overload,
    /// As [`SubmitError::Closed`].
    Closed,
    /// As [`SubmitError::Timeout`].
    Timeout,
    /// As [`SubmitError::SpawnFailed`].
    SpawnFailed,
    /// As [`SubmitError::StateFailed`].
    StateFailed,
    /// As [`SubmitError::WouldDeadlock`].
    WouldDeadlock,
    /// As [`SubmitError::Cancelled`].
    Cancelled,
}

impl<T> SubmitError<T> {
    /// The error of this refusal; `cause` is why the submitter got no worker, there only when that is why it is
    /// refused.
    pub(crate) fn new(refusal: Refusal, payload: T, cause: Option<BirthError>) -> Self {
        match refusal {
            Refusal::Full => SubmitError::Full(payload),
            Refusal::Overload => SubmitError::Overload(payload),
            Refusal::Closed => SubmitError::Closed(payload),
            Refusal::Timeout => SubmitError::Timeout(payload),
            Refusal::SpawnFailed | Refusal::StateFailed => match cause {
                Some(BirthError::State(error)) => SubmitError::StateFailed(payload, error),
                Some(BirthError::Thread(error)) => SubmitError::SpawnFailed(payload, error),
                None => SubmitError::SpawnFailed(payload, io::Error::other("no worker could be made")),
            },
            Refusal::WouldDeadlock => SubmitError::WouldDeadlock(payload),
            Refusal::Cancelled => SubmitError::Cancelled(payload),
        }
    }

    /// The reason alone.
    pub fn refusal(&self) -> Refusal {
        match self {
            SubmitError::Full(_) => Refusal::Full,
            SubmitError::Overload(_) => Refusal::Overload,
            SubmitError::Closed(_) => Refusal::Closed,
            SubmitError::Timeout(_) => Refusal::Timeout,
            SubmitError::SpawnFailed(..) => Refusal::SpawnFailed,
            SubmitError::StateFailed(..) => Refusal::StateFailed,
            SubmitError::WouldDeadlock(_) => Refusal::WouldDeadlock,
            SubmitError::Cancelled(_) => Refusal::Cancelled,
        }
    }

    /// The same reason with another payload.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> SubmitError<U> {
        match self {
            SubmitError::Full(payload) => SubmitError::Full(change(payload)),
            SubmitError::Overload(payload) => SubmitError::Overload(change(payload)),
            SubmitError::Closed(payload) => SubmitError::Closed(change(payload)),
            SubmitError::Timeout(payload) => SubmitError::Timeout(change(payload)),
            SubmitError::SpawnFailed(payload, error) => SubmitError::SpawnFailed(change(payload), error),
            SubmitError::StateFailed(payload, error) => SubmitError::StateFailed(change(payload), error),
            SubmitError::WouldDeadlock(payload) => SubmitError::WouldDeadlock(change(payload)),
            SubmitError::Cancelled(payload) => SubmitError::Cancelled(change(payload)),
        }
    }

    /// The payload that was refused.
    pub fn into_payload(self) -> T {
        match self {
            SubmitError::Full(payload)
            | SubmitError::Overload(payload)
            | SubmitError::Closed(payload)
            | SubmitError::Timeout(payload)
            | SubmitError::WouldDeadlock(payload)
            | SubmitError::Cancelled(payload) => payload,
            // The error is the user's, and a panic of its drop would take the payload along.
            SubmitError::SpawnFailed(payload, error) => {
                drop_quietly(error);
                payload
            }
            SubmitError::StateFailed(payload, error) => {
                drop_quietly(error);
                payload
            }
        }
    }
}

// By hand, so that payloads need not be `Debug`.
impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::SpawnFailed(_, error) => f.debug_tuple("SpawnFailed").field(error).finish(),
            SubmitError::StateFailed(_, error) => f.debug_tuple("StateFailed").field(error).finish(),
            other => fmt::Debug::fmt(&other.refusal(), f),
        }
    }
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // With the cause, because a program's log mostly has the first line alone.
            SubmitError::SpawnFailed(_, error) => write!(f, "{NO_THREAD}: {error}; {MORE_THREADS}"),
            SubmitError::StateFailed(_, error) => write!(f, "{NO_STATE}: {error}"),
            other => fmt::Display::fmt(&other.refusal(), f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Refusal::SpawnFailed => return write!(f, "{NO_THREAD}; {MORE_THREADS}"),
            Refusal::StateFailed => NO_STATE,
            Refusal::Full => "every worker is busy, and nothing more can be queued",
            Refusal::Overload => "too many submitters are waiting already",
            Refusal::Closed => "the pool is stopped",
            Refusal::Timeout => "no worker came free in time",
            Refusal::WouldDeadlock => {
                "every worker of this pool would wait for another; give it a queue or more workers, or use try_submit"
            }
            Refusal::Cancelled => "the submission was cancelled",
        };
        f.write_str(text)
    }
}

impl<T> std::error::Error for SubmitError<T> {
    /// What lies behind the cause, whose text is part of this one's: so a chain that is printed says nothing twice. The
    /// cause itself is in the variant.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SubmitError::SpawnFailed(_, error) => error.source(),
            SubmitError::StateFailed(_, error) => error.source(),
            _ => None,
        }
    }
}

const NO_THREAD: &str = "the system refused a new thread";
const MORE_THREADS: &str = "lower max_workers or stack_size, or raise the limit on threads";
const NO_STATE: &str = "a worker's state could not be made";

/// Why a worker's state could not be made.
pub(crate) type StateError = Box<dyn std::error::Error + Send + Sync>;

/// Why a worker did not come to be.
#[derive(Debug)]
pub(crate) enum BirthError {
    Thread(io::Error),
    State(StateError),
}

impl BirthError {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            BirthError::Thread(_) => Refusal::SpawnFailed,
            BirthError::State(_) => Refusal::StateFailed,
        }
    }
}

impl fmt::Display for BirthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BirthError::Thread(error) => fmt::Display::fmt(error, f),
            BirthError::State(error) => write!(f, "{NO_STATE}: {error}"),
        }
    }
}

impl std::error::Error for BirthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BirthError::Thread(error) => error.source(),
            BirthError::State(error) => error.source(),
        }
    }
}

impl From<BirthError> for io::Error {
    fn from(error: BirthError) -> Self {
        match error {
            BirthError::Thread(error) => error,
            state => io::Error::other(state),
        }
    }
}

/// Payloads submitted together that were accepted in part; see
/// [`WorkerPool::submit_many`](crate::WorkerPool::submit_many).
#[non_exhaustive]
pub struct SubmitManyError<T> {
    /// How many payloads were accepted: the first ones.
    pub accepted: usize,
    /// Why the next one was not.
    pub refusal: Refusal,
    /// The others, in their order.
    pub rest: Vec<T>,
}

impl<T> fmt::Debug for SubmitManyError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitManyError")
            .field("accepted", &self.accepted)
            .field("refusal", &self.refusal)
            .field("rest", &self.rest.len())
            .finish()
    }
}

impl<T> fmt::Display for SubmitManyError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} payloads were accepted, {} refused: {}", self.accepted, self.rest.len(), self.refusal)
    }
}

impl<T> std::error::Error for SubmitManyError<T> {}

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
    /// `max_workers(0)` or `max_workers_per_core(0)`: such a pool could never run anything.
    NoWorkers,
    /// More workers are to stay than there may be.
    MinAboveMax {
        /// What `min_workers` was set to.
        min_workers: usize,
        /// The cap.
        max_workers: usize,
    },
    /// [`WhenFull::DiscardOldest`](crate::WhenFull::DiscardOldest) needs a queue.
    NothingToDiscard,
    /// [`WhenFull::RunOnCaller`](crate::WhenFull::RunOnCaller) with workers that have a state: the caller has none.
    CallerHasNoState,
    /// A thread's name cannot contain a NUL byte.
    NulInName,
    /// An idle limit of zero would let a worker go before it could be used again.
    ZeroIdleLimit,
    /// The idle limit is so long that no point in time lies that far ahead; pass `None` to switch expiry off.
    IdleLimitTooLong(Duration),
    /// A [`MultiPool`](crate::multi::MultiPool) of no shards could never run anything.
    NoShards,
    /// `pin_workers` was given no core.
    NoCores,
    /// This process may not run on that core, there is no such core, or the system cannot pin threads.
    CannotPin(usize),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoWorkers => f.write_str("max_workers, or max_workers_per_core, must be at least 1"),
            BuildError::MinAboveMax { min_workers, max_workers } => {
                write!(f, "min_workers ({min_workers}) must not be above max_workers ({max_workers})")
            }
            BuildError::NothingToDiscard => {
                f.write_str("WhenFull::DiscardOldest needs a queue_capacity of at least 1")
            }
            BuildError::CallerHasNoState => f.write_str(
                "WhenFull::RunOnCaller cannot be used with build_with_state: callers have no state",
            ),
            BuildError::NulInName => f.write_str("name must not contain a NUL byte"),
            BuildError::ZeroIdleLimit => {
                f.write_str("max_idle_worker_duration must be above zero; pass None to switch expiry off")
            }
            BuildError::IdleLimitTooLong(limit) => {
                write!(
                    f,
                    "max_idle_worker_duration of {limit:?} is out of range; pass None to switch expiry off"
                )
            }
            BuildError::NoShards => f.write_str("a multi-pool needs at least 1 shard"),
            BuildError::NoCores => f.write_str("pin_workers needs at least 1 core"),
            BuildError::CannotPin(core) => {
                write!(f, "workers cannot be pinned to core {core}; name cores that this process may use")
            }
        }
    }
}

impl std::error::Error for BuildError {}

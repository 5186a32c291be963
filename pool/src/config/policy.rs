//! What the user decides about a full pool, and the reasons that hooks are told.

/// What [`WorkerPool::submit`](crate::WorkerPool::submit) does when every worker is busy and the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits (ants: blocking).
    #[default]
    Block,
    /// It refuses at once with [`SubmitError::Full`](crate::SubmitError::Full) (Java: `AbortPolicy`; ants:
    /// `Nonblocking`).
    Refuse,
    /// The submitter runs the payload itself before `submit` returns, which slows it down (Java: `CallerRunsPolicy`). A
    /// panic of the payload is contained and reported as on a worker.
    RunOnCaller,
    /// The oldest queued payload of the lowest priority makes room, unless all are more urgent than the new one; it
    /// goes to [`on_discard`](crate::WorkerPoolBuilder::on_discard) (Java: `DiscardOldestPolicy`). So new payloads go
    /// before submissions that wait with a time limit of their own.
    DiscardOldest,
}

/// Why an accepted payload will not run; see [`WorkerPoolBuilder::on_discard`](crate::WorkerPoolBuilder::on_discard).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discard {
    /// It made room for a newer one ([`WhenFull::DiscardOldest`]).
    Displaced,
    /// It was queued for longer than [`max_queue_age`](crate::WorkerPoolBuilder::max_queue_age).
    Aged,
    /// The last worker lost its state, and a new one could not be made
    /// ([`build_with_state`](crate::WorkerPoolBuilder::build_with_state)).
    NoWorker,
    /// It was scheduled for later ([`submit_after`](crate::WorkerPool::submit_after)), and the pool was stopped before.
    NotDue,
}

/// How a payload's run ended; see [`WorkerPoolBuilder::on_payload_end`](crate::WorkerPoolBuilder::on_payload_end).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadEnd {
    /// The handler returned.
    Returned,
    /// The handler panicked.
    Panicked,
}

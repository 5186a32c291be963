//! What a pool looks like at one moment.

/// The stage of a pool's life, in the order in which it passes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolState {
    /// Payloads are accepted.
    Open,
    /// Nothing is accepted any more; workers still run what was.
    Draining,
    /// No worker is left.
    Stopped,
}

/// A consistent snapshot: all figures were read in one critical section.
///
/// Always `busy + idle == workers` and `accepted == finished + busy + queued + handed_back + discarded`; a worker still
/// being started is busy with the payload it was started for, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
// Wide because it is one snapshot: every count is of the same moment, and parts of it would mean nothing alone.
pub struct PoolStats {
    /// The stage of life.
    pub state: PoolState,
    /// Workers that hold a slot: busy, idle or being started.
    pub workers: usize,
    /// Workers that run a payload or are being started for one.
    pub busy: usize,
    /// Workers without a payload: on the ready stack, or on their way there.
    pub idle: usize,
    /// The hard cap on `workers`; `None` when unlimited. After it was lowered there may be more workers for a while.
    pub capacity: Option<usize>,
    /// Accepted payloads that no worker has taken yet.
    pub queued: usize,
    /// Submitters blocked in `submit`.
    pub blocked: usize,
    /// The most workers there were at one time.
    pub peak_workers: usize,
    /// Payloads accepted since the pool was built. One for which a thread is being made counts already, and no more if
    /// the thread is refused.
    pub accepted: u64,
    /// Payloads whose run ended, by returning or by a panic.
    pub finished: u64,
    /// Payloads whose run ended by a panic; part of `finished`.
    pub panicked: u64,
    /// Payloads accepted and handed back by `stop_now`.
    pub handed_back: u64,
    /// Payloads accepted and then given to [`on_discard`](crate::WorkerPoolBuilder::on_discard).
    pub discarded: u64,
    /// Payloads that their submitter ran itself ([`WhenFull::RunOnCaller`](crate::WhenFull::RunOnCaller)); not part of
    /// `accepted` and `finished`.
    pub ran_by_caller: u64,
    /// Submissions refused for whatever reason.
    pub rejected: u64,
    /// Threads started for workers.
    pub spawned: u64,
    /// Workers let go by the cleaner.
    pub expired: u64,
}

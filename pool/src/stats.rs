//! What a pool looks like at one moment.

use std::fmt;

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
/// being started is busy with the payload it was started for, if there is one. (`items` alone is counted apart, and so
/// read a moment later.)
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
    /// Payloads and tasks whose time has not come ([`TaskPool::after`](crate::TaskPool::after),
    /// [`submit_after`](crate::WorkerPool::submit_after)); not part of `accepted` yet.
    pub scheduled: usize,
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
    /// Items of maps that have run, on workers or on the threads that asked for them: of
    /// [`par_map`](crate::TaskPool::par_map), [`map`](crate::TaskPool::map) and its variants, and
    /// [`for_each`](crate::TaskPool::for_each). They are no payloads; workers that help with them run one each for
    /// that.
    pub items: u64,
}

impl PoolState {
    fn name(self) -> &'static str {
        match self {
            PoolState::Open => "open",
            PoolState::Draining => "draining",
            PoolState::Stopped => "stopped",
        }
    }
}

impl fmt::Display for PoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One line for a log; what seldom happens is named only when it did.
///
/// ```
/// let pool = anthill_pool::WorkerPool::new(4, |_: u8| {})?;
/// pool.submit(1)?;
/// pool.wait_idle()?;
/// let line = pool.stats().to_string();
/// assert_eq!(line, "open: 0 busy and 1 idle of 4 workers, 0 queued; 1 accepted, 1 finished");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} busy and {} idle of ", self.state, self.busy, self.idle)?;
        match self.capacity {
            Some(capacity) => write!(f, "{capacity} workers")?,
            None => f.write_str("unlimited workers")?,
        }
        write!(f, ", {} queued", self.queued)?;
        write_rare(f, &[(self.blocked as u64, "blocked"), (self.scheduled as u64, "scheduled")])?;
        write!(f, "; {} accepted, {} finished", self.accepted, self.finished)?;
        write_rare(
            f,
            &[
                (self.panicked, "panicked"),
                (self.discarded, "discarded"),
                (self.handed_back, "handed back"),
                (self.ran_by_caller, "run by their callers"),
                (self.rejected, "rejected"),
                (self.items, "items of maps"),
            ],
        )
    }
}

/// Those that are not zero.
fn write_rare(f: &mut fmt::Formatter<'_>, counts: &[(u64, &str)]) -> fmt::Result {
    counts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, what)| write!(f, ", {count} {what}"))
}

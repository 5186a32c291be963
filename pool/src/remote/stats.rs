//! What a consumer has done so far.

/// A consistent snapshot of a [`Consumer`](super::Consumer): all figures were read in one critical section.
///
/// Always `fetched == acknowledged + retried + buried + returned + unconfirmed + abandoned + running + unsettled`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
// Wide because it is one snapshot: every count is of the same moment, and parts of it would mean nothing alone.
pub struct ConsumerStats {
    /// Deliveries taken from the source.
    pub fetched: u64,
    /// Those that are in the pool now, waiting for a worker or with one.
    pub running: usize,
    /// Those whose run has ended, or that are not run after all, which the source does not know yet.
    pub unsettled: usize,
    /// Those that were done, and the source knows.
    pub acknowledged: u64,
    /// Those that failed and were given back for another attempt.
    pub retried: u64,
    /// Those that were made dead letters.
    pub buried: u64,
    /// Those that were given back without having been run.
    pub returned: u64,
    /// Those that the source did not know as ours any more when it was told: their lease had run out, so another run is
    /// possible; or it knew already, and its answer was lost with a connection.
    pub unconfirmed: u64,
    /// Those that the source could not be told of before the consumer ended; they come again when their lease has run
    /// out.
    pub abandoned: u64,
    /// Runs that ended well.
    pub succeeded: u64,
    /// Runs that failed, panics included.
    pub failed: u64,
    /// Runs that panicked; part of `failed`.
    pub panicked: u64,
    /// Leases that were begun anew because a job took long.
    pub extended: u64,
    /// Calls of the source that failed; they are repeated.
    pub errors: u64,
}

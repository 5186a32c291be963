//! What a queue of durable jobs has to offer.

use std::time::Duration;

use super::error::SourceError;
use super::job::{DeadLetter, Delivery, JobId, NewJob, QueueDepth, Receipt, Sent};

/// Where jobs are sent to.
pub trait JobSink: Send + Sync {
    /// Puts jobs into the queue, all or none of those without a key; says of each what became of it, in their order.
    ///
    /// # Errors
    /// When the queue could not be reached (it may then have been done, and the answer lost) or refused.
    fn send(&self, jobs: &[NewJob]) -> Result<Vec<Sent>, SourceError>;
}

/// Where durable jobs come from: what a [`Consumer`](super::Consumer) needs of a queue.
///
/// A job that was fetched is *leased*: for the time of [`lease`](Self::lease) nobody else gets it, and then anybody
/// may, unless it was settled or extended. Whoever settles it when somebody else has it by now may or may not succeed;
/// either way it was run at least once. Methods are called from several threads. One that panics counts as one that
/// [failed](SourceError::Failed): a consumer says so and calls it again.
///
/// Implementations stand in this module: [`MemorySource`](super::MemorySource), and with the feature `redis`
/// `RedisSource`. For one of your own the conformance tests of these two say what is expected.
pub trait JobSource: Send + Sync {
    /// For how long a fetched job is out of the others' reach.
    fn lease(&self) -> Duration;

    /// Takes up to `limit` jobs, never more; waits up to `wait` for the first one, and about that when there is none.
    ///
    /// Jobs whose lease has run out come first, then the more urgent, then the older. Once in a while the least
    /// urgent come first, so that none starves.
    ///
    /// # Errors
    /// As every method: when the queue could not be reached, or refused. Jobs that were taken although the answer was
    /// lost come again when their lease has run out.
    fn fetch(&self, limit: usize, wait: Duration) -> Result<Vec<Delivery>, SourceError>;

    /// Removes jobs that are done; returns how many of them were there to be removed.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch); doing it again does no harm.
    fn acknowledge(&self, receipts: &[Receipt]) -> Result<usize, SourceError>;

    /// Puts a job back, to the end of its level, not to be had before `delay` has passed. It counts as attempted so
    /// often. False when it was not ours any more; then nothing was done.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch); doing it again does no harm.
    fn give_back(&self, receipt: &Receipt, delay: Duration, attempts: u32) -> Result<bool, SourceError>;

    /// Counts these deliveries as attempts from now on, also if they never end, and begins their leases anew; returns
    /// how many were still ours.
    ///
    /// A delivery of which the source does not know that it has begun is no attempt when its lease runs out: the
    /// next one has the same [`attempt`](Delivery::attempt), and one more of [`deliveries`](Delivery::deliveries).
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch); doing it again does no harm, and counts nothing twice.
    fn begin(&self, receipts: &[Receipt]) -> Result<usize, SourceError>;

    /// Begins the leases of these jobs anew; returns how many were still ours.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn extend(&self, receipts: &[Receipt]) -> Result<usize, SourceError>;

    /// Makes a job a dead letter. False when it was not ours any more; then nothing was done.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch); doing it again does no harm.
    fn bury(&self, receipt: &Receipt, attempts: u32, reason: &str) -> Result<bool, SourceError>;

    /// The dead letters, the oldest first, up to `limit`.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, SourceError>;

    /// Puts a dead letter back into the queue, as if it had never been tried. False when there is none of this id.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn revive(&self, id: &JobId) -> Result<bool, SourceError>;

    /// Throws a dead letter away. False when there is none of this id.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn forget(&self, id: &JobId) -> Result<bool, SourceError>;

    /// How many jobs there are.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn depth(&self) -> Result<QueueDepth, SourceError>;
}
